"""x87, MMX and SSE in host code: what a loop leaves, in registers, memory and an FXSAVE image, is what the interpreter leaves."""
import platform
import random

import pytest

from qemu_py import CPU

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="host code needs an x86-64 host")

CODE, DATA, IMAGE, STACK, RAM = 0x1000, 0x8000, 0x9000, 0x7000, 1 << 16
SSE = ("0f58", "0f59", "0f5c", "0f5d", "0f5f", "0f51", "660f58", "660f59", "f20f58", "f20f59", "f20f51", "f30f5e", "660ffe", "660fef",
       "660f6f", "0f28", "f30f10", "f20f10", "660f61", "660fd4", "0f54", "0fc2")
X87 = ("d9e8", "d9ee", "d9eb", "dcc1", "dec9", "d9c9", "d9fa", "d9e0", "d9e1", "d8c1", "dec1", "ddd9", "d9c0", "dff1", "dbe9", "dac1",
       "d9f0", "dfe0")


MMX = ("0ffc", "0fd5", "0ff5", "0f60", "0f63", "0fef", "0f6f", "0fdb", "0ff6", "0fd4", "0fe5", "0ff2", "0fd3")


def mmx_block(rng):
    """With x87 instructions between: TOP and tags are seen."""
    out = bytearray()
    for _ in range(rng.randrange(4, 14)):
        kind = rng.randrange(8)
        if kind < 3:
            out += bytes.fromhex(rng.choice(MMX)) + bytes((0xC0 | rng.randrange(64),))
        elif kind < 5:
            out += bytes.fromhex(rng.choice(MMX)) + bytes((0x46 | rng.randrange(8) << 3, rng.randrange(128)))
        elif kind == 5:
            out += b"\x0F" + rng.choice((b"\x7E\x46", b"\x7F\x4E", b"\xC4\x56", b"\x70\x5E")) + bytes((rng.randrange(128),))
            if out[-3] in (0xC4, 0x70):
                out.append(rng.randrange(4))
        elif kind == 6:
            out += bytes.fromhex(rng.choice(("0f7ec2", "0f6eda", "0fd7d1", "0fc5d303", "0fc4ca02", "f30fd6d1", "f20fd6ca", "0f71d203")))
        else:
            out += bytes.fromhex(rng.choice(("0f77", "d9e8", "dfe0", "ddd8", "d91e")))
    return bytes(out)


def sse_block(rng):
    out = bytearray()
    for _ in range(rng.randrange(4, 14)):
        opcode = rng.choice(SSE)
        if rng.randrange(3):
            out += bytes.fromhex(opcode) + bytes((0xC0 | rng.randrange(64),))
        else:                                                               # [esi + disp8]
            out += bytes.fromhex(opcode) + bytes((0x46 | rng.randrange(8) << 3, rng.randrange(8) * 16))
        if opcode == "0fc2":
            out.append(rng.randrange(8))
        if rng.randrange(4) == 0:
            out += bytes((0x0F, 0x29, 0x46 | rng.randrange(8) << 3, rng.randrange(8) * 16))      # movaps [esi+d], xmm
        if rng.randrange(6) == 0:
            out += bytes.fromhex("0f2ec1" "7a00" "660f7ec2" "660f6eda")     # ucomiss, jp, movd edx, movd xmm3
    return bytes(out)


def x87_block(rng):
    out = bytearray()
    for _ in range(rng.randrange(4, 16)):
        if rng.randrange(3):
            out += bytes.fromhex(rng.choice(X87))
        else:
            opcode, digit = rng.choice(((0xD9, 0), (0xDD, 0), (0xDB, 5), (0xDB, 0), (0xDF, 5), (0xD8, 1), (0xDC, 4), (0xD9, 3), (0xDD, 3),
                                        (0xDB, 7), (0xDF, 7), (0xDB, 3)))
            out += bytes((opcode, 0x46 | digit << 3, rng.randrange(8) * 16))
    return bytes(out)


def run(code, tier, end):
    cpu = CPU("qemu32", ram=RAM, tier=tier)
    cpu.cr4 = 0x600                                                         # OSFXSR, OSXMMEXCPT
    cpu.write(CODE, code)
    rng = random.Random(4)
    cpu.write(DATA, bytes(rng.randrange(256) for _ in range(512)))
    cpu.eip, cpu.esp, cpu.esi, cpu.edi, cpu.ecx = CODE, STACK, DATA, IMAGE, 30
    result = cpu.run(until=end)
    return result.reason, [getattr(cpu, r) for r in ("eax", "ecx", "edx", "esi", "eip", "eflags")], cpu.read(0, RAM), \
        cpu.counters()["host_count"]


@pytest.mark.parametrize("kind", (sse_block, x87_block, mmx_block))
@pytest.mark.parametrize("seed", range(40))
def test_a_loop_ends_alike(kind, seed):
    block = kind(random.Random(seed))
    code = block + bytes((0xE2, 0x100 - len(block) - 2)) + bytes.fromhex("0fae07")         # loop; fxsave [edi]
    end = CODE + len(code)
    interpreted, compiled = run(code, None, end), run(code, 3, end)
    assert compiled[3] > 0 == interpreted[3]
    assert compiled[:3] == interpreted[:3]


def test_state_is_there_when_the_loop_calls_what_is_no_host_code():
    # again: fld1; addps xmm1, xmm2; cpuid; fstp [esi]; loop again; fxsave [edi]
    code = bytes.fromhex("b901000000" "d9e8" "0f58ca" "51" "0fa2" "59" "dd1e" "49" "75f1" "0fae07")
    end = CODE + len(code)
    assert run(code, 0, end)[:3] == run(code, None, end)[:3]


@pytest.mark.parametrize("seed", range(60))
def test_a_conversion_with_operands_around_a_page_boundary_ends_alike(seed):
    # again: fld1; fldcw [esi]; fistp qword [edi]; fldcw [ebx]; fnstcw [esi + 20h]; loop again; fxsave [DATA]
    rng = random.Random(seed)
    at = [0x6000 - rng.randrange(10) for _ in range(3)]
    code = bytes.fromhex("d9e8" "d92e" "df3f" "d92b" "d97e20" "e2f3" "0fae0500800000")
    word, end, states = rng.choice(("7f0f", "7f0f", "7f07", "3f0f", "7f03")), CODE + len(code), []
    for tier in (None, 0):
        cpu = CPU("qemu32", ram=RAM, tier=tier)
        cpu.cr4 = 0x600
        cpu.write(CODE, code)
        cpu.write(at[2], bytes.fromhex("7f03"))
        cpu.write(at[0], bytes.fromhex(word))
        cpu.eip, cpu.ecx, (cpu.esi, cpu.edi, cpu.ebx) = CODE, 5, at
        states.append((cpu.run(until=end, steps=100).reason, cpu.eip, cpu.read(0, RAM)))
    assert states[0] == states[1]
