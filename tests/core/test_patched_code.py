"""Code that is patched: an immediate that is stored to again and again is read when its instruction runs, blocks beside a store
stay, and a block operation over code takes its blocks away once."""
import pytest

from qemu_py import CPU
from qemu_py._core.profile import cache_counters
from tests.guest import asm

CODE, CALLER, RAM = 0x5000, 0x1000, 1 << 20
ENGINES = pytest.mark.parametrize("tier", (None, 1), ids=("interp", "host"))
# Each patched instruction, its bytes before the immediate, and what EAX is afterwards for an immediate of v and EAX = 5
PATCHED = {
    "mov eax, imm": ("mov eax, 0x11223344", lambda v: v),
    "add eax, imm": ("add eax, 0x11223344", lambda v: 5 + v),
    "sub eax, imm": ("sub eax, 0x11223344", lambda v: 5 - v),
    "xor edx, imm": ("mov edx, eax; xor edx, 0x11223344; mov eax, edx", lambda v: 5 ^ v),
    "adc ecx, imm": ("mov ecx, eax; stc; adc ecx, 0x11223344; mov eax, ecx", lambda v: 6 + v),
    "mov m, imm": ("mov dword ptr [0x8000], 0x11223344; mov eax, [0x8000]", lambda v: v),
}

MOVES = {"movsb": b"\xF3\xA4", "movsd": b"\xF3\xA5", "stosd": b"\xF3\xAB"}         # REP


def cpu_of(tier, *pieces):
    cpu = CPU("qemu32", ram=RAM, tier=tier)
    for address, code in pieces:
        cpu.write(address, code if isinstance(code, bytes) else asm(code, address))
    cpu.esp = 0x80000
    return cpu


def call(cpu, address, **registers):
    """EAX after a call of the code at `address`."""
    cpu.write(CALLER, asm(f"call {address:#x}", CALLER) + b"\xF4")
    for name, value in registers.items():
        setattr(cpu, name, value)
    cpu.eip = CALLER
    assert cpu.run(steps=10_000).reason == "hlt"
    return cpu.eax


def patcher(at):
    return f"again: mov [{at:#x}], ecx; mov eax, 5; push ecx; call {CODE:#x}; pop ecx; add ebx, eax; dec ecx; jnz again; hlt"


@ENGINES
@pytest.mark.parametrize("name", PATCHED)
def test_an_immediate_that_is_patched_before_each_call(tier, name):
    text, value = PATCHED[name]
    code = asm(text + "; ret", CODE)
    cpu = cpu_of(tier, (CODE, code), (0x2000, patcher(CODE + code.index(b"\x44\x33\x22\x11"))))
    cpu.eip, cpu.ecx = 0x2000, 100
    assert cpu.run(steps=100_000).reason == "hlt"
    assert cpu.ebx == sum(value(v) for v in range(1, 101)) & 0xFFFFFFFF
    assert cpu.counters()["tb_phys_invalidate_count"] < 10


@ENGINES
def test_a_loop_that_patches_itself_stays_one_block(tier):
    code = asm("again: mov [edi], ecx; add eax, 0x11223344; rol eax, 1; dec ecx; jnz again; hlt", CODE)
    cpu = cpu_of(tier, (CODE, code))
    cpu.eip, cpu.ecx, cpu.edi = CODE, 1000, CODE + code.index(b"\x44\x33\x22\x11")
    assert cpu.run(steps=20_000).reason == "hlt"
    expected = 0
    for n in range(1000, 0, -1):
        expected = expected + n & 0xFFFFFFFF
        expected = (expected << 1 | expected >> 31) & 0xFFFFFFFF
    assert cpu.eax == expected
    assert cache_counters(cpu.cache)["smc_restarts"] < 10


def live(tier):
    """A CPU whose instruction at CODE, mov eax, has been patched often."""
    cpu = cpu_of(tier, (CODE, "mov eax, 1; ret"), (0x2000, patcher(CODE + 1)))
    cpu.eip, cpu.ecx = 0x2000, 20
    assert cpu.run(steps=1000).reason == "hlt"
    assert call(cpu, CODE) == 1
    return cpu


def guest_store(cpu, text):
    cpu.write(0x3000, asm(text, 0x3000) + b"\xF4")
    cpu.eip = 0x3000
    assert cpu.run(steps=100).reason == "hlt"


@ENGINES
@pytest.mark.parametrize("store, expected", [
    ("mov byte ptr [0x5002], 0x77", 0x7701), ("mov word ptr [0x5003], 0x1234", 0x12340001),
    ("mov dword ptr [0x5001], 0xCAFEBABE", 0xCAFEBABE), ("add dword ptr [0x5001], 7", 8),
    # over the opcode, too: mov eax becomes add eax
    ("mov dword ptr [0x5000], 0x00000205", 7), ("mov dword ptr [0x4FFE], 0x03050000", 5 + 3),
    # and beyond its end: ret becomes inc eax; ret
    ("mov dword ptr [0x5004], 0x00C34000", 2), ("mov edi, 0x5001; mov eax, 0x55; mov ecx, 4; rep stosb", 0x55555555)])
def test_a_store_of_another_kind_to_it(tier, store, expected):
    cpu = live(tier)
    guest_store(cpu, store)
    assert call(cpu, CODE, eax=5) == expected


@ENGINES
def test_a_store_from_outside_to_it(tier):
    cpu = live(tier)
    cpu.write(CODE + 1, (0x12345678).to_bytes(4, "little"))
    assert call(cpu, CODE) == 0x12345678
    cpu.write(CODE, bytes.fromhex("0502000000"))         # add eax, 2
    assert call(cpu, CODE, eax=5) == 7


@ENGINES
def test_code_that_begins_within_it(tier):
    """The immediate of one block is another block's code."""
    cpu = live(tier)
    guest_store(cpu, "mov dword ptr [0x5001], 0xC3C34040")        # inc eax; inc eax; ret
    assert call(cpu, CODE + 1, eax=5) == 7
    assert call(cpu, CODE) == 0xC3C34040
    guest_store(cpu, "mov dword ptr [0x5001], 0xC3C34048")        # dec eax; inc eax
    assert call(cpu, CODE + 1, eax=5) == 5
    assert call(cpu, CODE) == 0xC3C34048


@ENGINES
def test_an_immediate_across_a_page_is_like_any_other(tier):
    code = asm("mov eax, 0x11223344; ret")
    start = 0x6000 - 3
    cpu = cpu_of(tier, (start, code), (0x2000, patcher(start + 1).replace(f"{CODE:#x}", f"{start:#x}")))
    cpu.eip, cpu.ecx = 0x2000, 30
    assert cpu.run(steps=1000).reason == "hlt"
    assert cpu.ebx == sum(range(1, 31))


@ENGINES
@pytest.mark.parametrize("move", ("movsb", "movsd", "stosd"))
def test_a_block_operation_over_code_takes_its_blocks_away_once(tier, move):
    count = 4096 if move == "movsb" else 1024
    cpu = cpu_of(tier, (CODE, b"\x40" * 4000 + b"\xC3"), (0x6000, b"\x43" * 4000 + b"\xC3" + bytes(95)),
                 (0x2000, asm(f"mov esi, 0x6000; mov edi, {CODE:#x}; mov ecx, {count}") + MOVES[move] + b"\xF4"))
    for first in range(0, 4000, 100):
        assert call(cpu, CODE + first, eax=0, ebx=0) == 4000 - first
    before = cache_counters(cpu.cache)
    cpu.eip, cpu.eax = 0x2000, 0x43434343
    assert cpu.run().reason == "hlt"
    after = cache_counters(cpu.cache)
    assert after["smc_writes"] - before["smc_writes"] == 1
    assert after["smc_restarts"] == before["smc_restarts"]
    if move == "stosd":
        cpu.write(CODE + 4000, b"\xC3")
    assert call(cpu, CODE + 10, eax=0, ebx=0) == 0 and cpu.ebx == 3990


@ENGINES
@pytest.mark.parametrize("move", ("movsb", "movsd"))
def test_a_block_operation_over_itself(tier, move):
    """The copy reaches the REP that makes it, with other code, element by element: what is behind is the new code."""
    old, new = (MOVES[move] + step * 14 + b"\xF4" for step in (b"\x40", b"\x43"))         # inc eax, inc ebx
    size = 1 if move == "movsb" else 4
    cpu = cpu_of(tier, (0x5100 - 16, b"\x90" * 16 + old), (0x7000, b"\x90" * 16 + new))
    for _ in range(3):
        cpu.write(0x5100, old)
        cpu.eip, cpu.esi, cpu.edi, cpu.ecx, cpu.eax, cpu.ebx = 0x5100, 0x7000, 0x5100 - 16, 32 // size, 0, 0
        assert cpu.run(steps=1000).reason == "hlt"
        assert (cpu.eax, cpu.ebx) == (0, 14)


@ENGINES
def test_a_store_beside_code_leaves_its_blocks(tier):
    text = "again: add [edi], eax; mov edx, [edi + 4]; add eax, edx; mov [edi + 8], eax; inc dword ptr [edi + 4]; dec ecx; jnz again; hlt"
    cpu = cpu_of(tier, (CODE, text))
    cpu.eip, cpu.ecx, cpu.edi, cpu.eax = CODE, 500, CODE + 0x800, 1
    assert cpu.run(steps=10_000).reason == "hlt"
    total, a, counter = 0, 1, 0
    for _ in range(500):
        total, a, counter = total + a & 0xFFFFFFFF, a + counter & 0xFFFFFFFF, counter + 1
    assert [int.from_bytes(cpu.read(CODE + 0x800 + n, 4), "little") for n in (0, 4, 8)] == [total, counter, a]
    assert cpu.counters()["tb_phys_invalidate_count"] == 0
