"""FSTENV, FSAVE and FXSAVE: the images that operating systems keep (SDM vol. 1, 8.1.10 and 10.5)."""
import struct

import pytest

from qemu_py import CPU
from tests.core.test_fpu import (CODE, CR0_NE, DATA, ES, FLD1, FNINIT, GP, MASKED, B, ZE, at, extended, load, run, state)

REAL_MODE_CODE = 0x3000
MXCSR_RESERVED = 0x10000


@pytest.fixture
def cpu():
    cpu = CPU("pentium3", ram=1 << 20)
    cpu.cr0 |= CR0_NE
    cpu.cr4 |= 0x200                    # OSFXSR
    run(cpu, FNINIT)
    return cpu


@pytest.fixture
def real(cpu):
    """Real mode, CS 0200h, DS 0800h."""
    cpu.cr0 &= ~1
    cpu.load_segment("cs", 0x200, 0x2000, 0xFFFF, 0x9B00)
    cpu.load_segment("ds", 0x800, 0x8000, 0xFFFF, 0x9300)
    return cpu


def run_real(cpu, *code):
    cpu.write(REAL_MODE_CODE, b"".join(code) + b"\xF4")
    cpu.eip = REAL_MODE_CODE - 0x2000
    assert cpu.run(steps=100).reason == "hlt"


def test_the_last_instruction_and_operand_are_recorded(cpu):
    cpu.write(DATA, struct.pack("<f", 1.0))
    run(cpu, b"\x90", at(0xD9, 0), at(0xD9, 7, DATA + 8))           # fld m32; fnstcw records nothing
    s = state(cpu)
    assert (s["fip"], s["fcs"], s["fop"]) == (CODE + 1, cpu.cs, 0x105)
    assert (s["fdp"], s["fds"]) == (DATA, cpu.ds)


def test_protected_mode_32_bit_environment(cpu):
    cpu.write(DATA, struct.pack("<f", 1.0))
    run(cpu, at(0xD9, 0), at(0xD9, 6, DATA + 64))
    words = struct.unpack("<7I", cpu.read(DATA + 64, 28))
    assert words == (0xFFFF037F, 0xFFFF3800, 0xFFFF3FFF, CODE, 0x0105 << 16 | cpu.cs, DATA, 0xFFFF0000 | cpu.ds)


def test_protected_mode_16_bit_environment(cpu):
    cpu.write(DATA, struct.pack("<f", 1.0))
    run(cpu, at(0xD9, 0), b"\x66" + at(0xD9, 6, DATA + 64))
    assert struct.unpack("<7H", cpu.read(DATA + 64, 14)) == (0x037F, 0x3800, 0x3FFF, CODE, cpu.cs, DATA, cpu.ds)


def test_real_mode_16_bit_environment_has_linear_addresses(real):
    # fld dword [40h]; fnstenv [80h]
    run_real(real, b"\xD9\x06\x40\x00", b"\xD9\x36\x80\x00")
    words = struct.unpack("<7H", real.read(0x8080, 14))
    assert words == (0x037F, 0x3800, 0x7FFF, 0x3000, 0x0106, 0x8040, 0x0000)


def test_real_mode_32_bit_environment_has_linear_addresses(real):
    real.load_segment("ds", 0xF800, 0xF8000, 0xFFFF, 0x9300)
    run_real(real, b"\xD9\x06\x40\x00", b"\x66\xD9\x36\x80\x00")
    words = struct.unpack("<7I", real.read(0xF8080, 28))
    assert [w & 0xFFFF for w in words[:3]] == [0x037F, 0x3800, 0x7FFF]
    assert words[3] & 0xFFFF == 0x3000
    assert words[4] == 0x0106
    assert words[5] & 0xFFFF == 0x8040
    assert words[6] == 0xF000


@pytest.mark.parametrize("prefix, size", [(b"", 28), (b"\x66", 14)])
def test_fldenv_takes_back_what_fnstenv_stored(cpu, prefix, size):
    load(cpu, extended(1.0), extended(2.0), sw=0x4500)
    run(cpu, FLD1)
    before = state(cpu)
    assert run(cpu, prefix + at(0xD9, 6), FNINIT, prefix + at(0xD9, 4)) is None
    after = state(cpu)
    assert [after[k] for k in ("cw", "sw", "top", "tags", "fip", "st")] == [before[k] for k in ("cw", "sw", "top", "tags", "fip", "st")]


def test_fldenv_computes_es_instead_of_loading_it(cpu):
    for cw, stored, loaded in ((MASKED, ZE | ES | B, ZE), (MASKED & ~ZE, ZE, ZE | ES | B), (MASKED, ES | B, 0)):
        cpu.write(DATA, struct.pack("<7I", cw, stored, 0xFFFF, 0, 0, 0, 0))
        run(cpu, FNINIT, at(0xD9, 4))
        assert state(cpu)["sw"] == loaded


@pytest.mark.parametrize("prefix, size", [(b"", 108), (b"\x66", 94)])
def test_fnsave_initialises_and_frstor_brings_everything_back(cpu, prefix, size):
    load(cpu, *(extended(float(i)) for i in range(1, 6)), cw=0x0E7F, sw=0x4123 & ~0x80)
    before = state(cpu)
    cpu.write(DATA, b"\xCC" * 128)
    run(cpu, prefix + at(0xDD, 6))
    assert cpu.read(DATA + size, 128 - size) == b"\xCC" * (128 - size)
    assert (state(cpu)["cw"], state(cpu)["sw"], state(cpu)["tags"]) == (0x037F, 0, 0)
    run(cpu, prefix + at(0xDD, 4))
    after = state(cpu)
    assert [after[k] for k in ("cw", "sw", "top", "tags", "st")] == [before[k] for k in ("cw", "sw", "top", "tags", "st")]


def test_fxsave_stores_registers_by_stack_and_tags_by_register(cpu):
    load(cpu, extended(1.0), extended(2.0))
    cpu.xmm3 = 0x0123456789ABCDEF0011223344556677
    cpu.write(DATA, b"\xCC" * 512)
    run(cpu, b"\x0F\xAE\x05" + struct.pack("<I", DATA))
    image = cpu.read(DATA, 512)
    cw, sw, tags = struct.unpack_from("<HHB", image)
    assert (cw, sw, tags) == (MASKED, 6 << 11, 0xC0)
    assert image[32:42] == extended(1.0) and image[42:48] == bytes(6)
    assert image[48:58] == extended(2.0)
    assert struct.unpack_from("<I", image, 24)[0] == 0x1F80
    assert int.from_bytes(image[208:224], "little") == cpu.xmm3
    assert image[288:] == b"\xCC" * 224


def test_fxrstor_brings_back_what_fxsave_stored(cpu):
    load(cpu, extended(1.0), extended(2.0), cw=0x0C7F, sw=0x4100)
    cpu.xmm7 = 77
    before = cpu.fxsave()
    run(cpu, b"\x0F\xAE\x05" + struct.pack("<I", DATA), FNINIT)
    cpu.xmm7 = 0
    run(cpu, b"\x0F\xAE\x0D" + struct.pack("<I", DATA))
    assert cpu.fxsave()[:288] == before[:288]


@pytest.mark.parametrize("modrm", [0x05, 0x0D])
def test_a_misaligned_fxsave_area_is_a_general_protection_fault(cpu, modrm):
    assert run(cpu, bytes([0x0F, 0xAE, modrm]) + struct.pack("<I", DATA + 8)) == GP


def test_fxrstor_refuses_reserved_bits_of_mxcsr(cpu):
    image = bytearray(cpu.fxsave())
    struct.pack_into("<I", image, 24, MXCSR_RESERVED)
    struct.pack_into("<H", image, 0, 0x0C7F)
    cpu.write(DATA, image)
    assert run(cpu, b"\x0F\xAE\x0D" + struct.pack("<I", DATA)) == GP
    assert state(cpu)["cw"] == MASKED


def test_fxsave_and_fxrstor_do_not_report_a_pending_exception(cpu):
    load(cpu, cw=MASKED & ~ZE, sw=ZE | ES | B)
    assert run(cpu, b"\x0F\xAE\x05" + struct.pack("<I", DATA), b"\x0F\xAE\x0D" + struct.pack("<I", DATA)) is None
    assert state(cpu)["sw"] == ZE | ES | B
