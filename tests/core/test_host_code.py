"""Host code (qemu_py/_core/host) leaves the CPU as the interpreter does: registers, EFLAGS, memory, instruction counts."""
import random

import pytest

from qemu_py import CPU, options
from qemu_py._core.profile import cache_counters
from qemu_py.util.errors import UserError
from tests.guest import asm

CODE, DATA, STACK, RAM = 0x1000, 0x8000, 0x7000, 1 << 16
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags")


def random_block(rng):
    """Straight-line code on EAX, EDX, EBX, EDI, with loads and stores below [ESI], pushes and pops."""
    out = bytearray()
    for _ in range(rng.randrange(3, 12)):
        reg, other = rng.choice((0, 2, 3, 7)), rng.choice((0, 2, 3, 7))
        disp = rng.randrange(64)
        kind = rng.randrange(9)
        if kind == 0:
            out += bytes((rng.randrange(8) << 3 & 0x38 | 1, 0xC0 | other << 3 | reg))           # alu r32, r32
        elif kind == 1:
            out += bytes((0x83, 0xC0 | rng.randrange(8) << 3 | reg, rng.randrange(256)))        # alu r32, imm8
        elif kind == 2:
            out += bytes((rng.randrange(8) << 3 & 0x38 | 3, 0x46 | other << 3, disp))           # alu r32, [esi+d]
        elif kind == 3:
            out += bytes((rng.randrange(8) << 3 & 0x38 | 1, 0x46 | other << 3, disp))           # alu [esi+d], r32
        elif kind == 4:
            out += bytes((rng.choice((0x40, 0x48)) | reg,))                                     # inc, dec
        elif kind == 5:
            out += bytes((0xC1, 0xC0 | rng.choice((4, 5, 7)) << 3 | reg, 1))                    # shift by 1
        elif kind == 6:
            out += bytes((0x50 | reg, 0x58 | other))                                            # push, pop
        elif kind == 7:
            out += bytes((0x0F, rng.choice((0xB6, 0xB7, 0xBE, 0xBF)), 0x46 | other << 3, disp))   # movzx, movsx
        else:
            out += bytes((0x66, rng.randrange(8) << 3 & 0x38 | 1, 0xC0 | other << 3 | reg))     # alu r16, r16
    return bytes(out)


def run(code, tier):
    cpu = CPU("qemu32", ram=RAM, tier=tier)
    cpu.write(CODE, code)
    cpu.write(DATA, bytes(range(256)))
    cpu.eip, cpu.esp, cpu.esi, cpu.ecx = CODE, STACK, DATA, 40
    for name, value in (("eax", 0x80000001), ("edx", 0x7FFFFFFF), ("ebx", 12), ("edi", 0xFFFF00FF)):
        setattr(cpu, name, value)
    cpu.eflags = 2
    result = cpu.run(until=CODE + len(code))
    state = {name: getattr(cpu, name) for name in REGISTERS}
    return state, result.steps, cpu.read(0, RAM), cpu.counters()["host_count"]


@pytest.mark.parametrize("seed", range(60))
def test_a_loop_of_random_instructions_ends_alike(seed):
    block = random_block(random.Random(seed))
    code = block + bytes((0xE2, 0x100 - len(block) - 2))                    # loop
    interpreted, compiled = run(code, None), run(code, 3)
    assert interpreted[3] == 0 and compiled[3] > 0
    assert compiled[:3] == interpreted[:3]


def test_calls_and_returns():
    # again: call f; loop again; jmp end; f: add eax, 3; call g; ret; g: xor edx, eax; ret; end:
    code = bytes.fromhex("e804000000" "e2f9" "eb0c" "83c003" "e801000000" "c3" "31c2" "c3")
    interpreted, compiled = run(code, None), run(code, 3)
    assert compiled[3] >= 4
    assert compiled[:3] == interpreted[:3]


def test_code_that_patches_itself_runs_as_patched():
    # again: mov eax, 0 (imm at CODE+1); add ebx, eax; inc byte [CODE+1]; loop again
    code = bytes.fromhex("b800000000" "01c3" "fe0501100000" "e2f1")
    interpreted, compiled = run(code, None), run(code, 0)
    assert compiled[:2] == interpreted[:2] and compiled[0]["ebx"] == 12 + sum(range(40))


def test_a_tier_that_is_no_number_is_refused():
    with pytest.raises(UserError, match="tier="):
        options.parse_arguments(["-accel", "tcg,tier=often"])


def test_an_access_that_ends_on_a_site_s_page_and_begins_before_it_is_no_hit():
    """Both pages of RAM, not next to each other: the site has seen the second page only."""
    directory, table, first, second, elsewhere = 0xA000, 0xB000, 0x8000, 0x9000, 0x5000

    def ends(tier):
        cpu = CPU("qemu32", ram=RAM, tier=tier)
        # again: mov eax, [esi]; add ebx, eax; mov [edi], ebx; sub esi, 1; sub edi, 1; loop again
        code = bytes.fromhex("8b06" "01c3" "891f" "83ee01" "83ef01" "e2f2")
        cpu.write(CODE, code)
        cpu.write(directory, (table | 3).to_bytes(4, "little"))
        for page in range(0, RAM, 0x1000):
            cpu.write(table + page // 0x400, ((elsewhere if page == first else page) | 3).to_bytes(4, "little"))
        cpu.write(elsewhere + 0xFF0, bytes(range(0x10, 0x20)))
        cpu.write(first + 0xFF0, bytes(range(0x80, 0x90)))
        cpu.write(second, bytes(range(0x20, 0x30)))
        cpu.cr3 = directory
        cpu.cr0 = cpu.get("cr0") | 1 << 31
        cpu.eip, cpu.esi, cpu.edi, cpu.ecx, cpu.ebx = CODE, second + 4, second + 4, 10, 0
        cpu.run(until=CODE + len(code))
        return cpu.ebx, cpu.read(first, 0x2000), cpu.read(elsewhere, 0x1000)
    assert ends(0) == ends(None)


@pytest.mark.parametrize("code", ("664e" "ad", "664f" "aa", "6601fe" "a4"))          # dec si, lodsd; dec di, stosb; add si, di, movsb
def test_a_string_instruction_moves_on_by_its_size_when_flags_depend_on_the_old_index(code):
    found = []
    for tier in (None, 0):
        cpu = CPU("qemu32", ram=RAM, tier=tier)
        cpu.write(CODE, bytes.fromhex(code) + b"\xF4")
        cpu.eip, cpu.esi, cpu.edi = CODE, 0x5000, 0x4000
        cpu.run(until=CODE + len(code) // 2)
        assert cpu.counters()["host_count"] == (tier is not None)
        found.append((cpu.eip, cpu.esi, cpu.edi, cpu.eflags))
    assert found[0] == found[1]


def jump_cache_index(pc):
    """tb_jmp_cache_hash_func: two halves of 6 bits, the upper of the page's alone."""
    mixed = pc ^ pc >> 6
    return mixed >> 6 & 63 << 6 | mixed & 63


def test_two_functions_that_contend_for_one_place_in_the_jump_cache():
    """Their calls and returns must not go to the loop around them all each time."""
    first = 0x2010
    second = next(pc for pc in range(0x100000, 0x200000) if jump_cache_index(pc) == jump_cache_index(first))
    cpu = CPU("qemu32", ram=2 << 20, tier=0)
    cpu.write(CODE, asm(f"mov esi, {first}; mov edi, {second}; again: call esi; call edi; dec ecx; jnz again; hlt", CODE))
    for function in first, second:
        cpu.write(function, b"\x40\xC3")         # inc eax; ret
    cpu.eip, cpu.esp, cpu.ecx = CODE, STACK, 1000
    cpu.run(steps=3 + 8 * 20)                   # warm
    before = cache_counters(cpu.cache)["exits"]["target not in the jump cache, or the mode changed"]
    assert cpu.run(steps=20000).reason == "hlt" and cpu.eax == 2000
    assert cache_counters(cpu.cache)["exits"]["target not in the jump cache, or the mode changed"] - before < 20
