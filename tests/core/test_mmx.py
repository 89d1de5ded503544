"""MMX and the x87 state that it shares (SDM vol. 1, 9.5; vol. 3, 12.2 and 12.6)."""
import pytest

from tests.core.simd import CR0_NE, DATA, FX_FSW, FX_FTW, FX_ST, mm, run, set_mm, sse_cpu

MF = 16
TOP3 = 3 << 11
ES_BUSY_IE = 0x8081
PADDW, MOVQ, MOVQ_STORE, MOVD_STORE, EMMS = "0ffdc1", "0f6fc1", "0f7f03", "0f7ec0", "0f77"
TRANSITIONS = {"paddw": PADDW, "movq": MOVQ, "movq store": MOVQ_STORE, "movd to register": MOVD_STORE, "pextrw": "0fc5c000",
               "pmovmskb": "0fd7c0", "movq2dq": "f30fd6c1", "movdq2q": "f20fd6c1", "cvtpi2ps": "0f2ac1",
               "cvtpi2pd": "660f2ac1", "cvtps2pi": "0f2dc0", "cvttpd2pi": "660f2cc0", "cvtps2pi of memory": "0f2d03",
               "movntq": "0fe703", "maskmovq": "0ff7c1", "psllw": "0f71f003"}


def cpu_in_x87(fsw=TOP3, control=0x037F):
    cpu = sse_cpu()
    image = bytearray(cpu.fxsave())
    image[0:2] = control.to_bytes(2, "little")
    image[FX_FSW:FX_FSW + 2] = fsw.to_bytes(2, "little")
    image[FX_FTW] = 0x18
    cpu.fxrstor(bytes(image))
    cpu.ebx = cpu.edi = DATA
    return cpu


@pytest.mark.parametrize("name", TRANSITIONS)
def test_mmx_instructions_make_top_zero_and_all_registers_valid(name):
    cpu = cpu_in_x87()
    assert run(cpu, TRANSITIONS[name]).reason == "steps"
    image = cpu.fxsave()
    assert int.from_bytes(image[FX_FSW:FX_FSW + 2], "little") & 0x3800 == 0
    assert image[FX_FTW] == 0xFF


@pytest.mark.parametrize("code", ["0f2a03", "660f2a03"])
def test_conversions_from_memory_do_not_touch_the_x87(code):
    cpu = cpu_in_x87(TOP3 | ES_BUSY_IE, 0x037E)
    assert run(cpu, code).reason == "steps"
    image = cpu.fxsave()
    assert int.from_bytes(image[FX_FSW:FX_FSW + 2], "little") & 0x3800 == TOP3
    assert image[FX_FTW] == 0x18


def test_emms_empties_all_registers():
    cpu = cpu_in_x87()
    run(cpu, PADDW + EMMS, steps=2)
    assert cpu.fxsave()[FX_FTW] == 0


def test_a_write_makes_the_exponent_all_ones():
    cpu = sse_cpu()
    set_mm(cpu, [1, 2])
    image = bytearray(cpu.fxsave())
    image[FX_ST + 8:FX_ST + 10] = b"\0\0"
    image[FX_ST + 24:FX_ST + 26] = b"\x12\x34"
    cpu.fxrstor(bytes(image))
    run(cpu, PADDW)
    image = cpu.fxsave()
    assert mm(cpu, 0) == 3
    assert image[FX_ST + 8:FX_ST + 10] == b"\xFF\xFF"
    assert image[FX_ST + 24:FX_ST + 26] == b"\x12\x34"


@pytest.mark.parametrize("name", list(TRANSITIONS) + ["emms"])
def test_a_pending_x87_exception_comes_first(name):
    cpu = cpu_in_x87(TOP3 | ES_BUSY_IE, 0x037E)
    cpu.cr0 |= CR0_NE
    before = cpu.fxsave()
    assert run(cpu, TRANSITIONS.get(name, EMMS)).vector == MF
    assert cpu.fxsave() == before


def test_the_registers_are_physical_ones():
    """MM0 is R0: ST(5) when TOP is 3."""
    cpu = cpu_in_x87()
    image = bytearray(cpu.fxsave())
    image[FX_ST + 16 * 5:FX_ST + 16 * 5 + 8] = (0x1234).to_bytes(8, "little")
    cpu.fxrstor(bytes(image))
    run(cpu, MOVD_STORE)
    assert cpu.eax == 0x1234
