"""MXCSR: rounding, denormals, sticky flags and exceptions (SDM vol. 1, 10.2.3 and 11.5)."""
import struct

import pytest

import qemu_py

from tests.core.simd import CR4_OSFXSR, run, sse_cpu, unx, x

IE, DE, ZE, OE, UE, PE = (1 << n for n in range(6))
IM, DM, ZM, OM, UM, PM = (1 << n for n in range(7, 13))
DAZ, FTZ = 1 << 6, 1 << 15
ALL = 0x1F80
DOWN, UP, TOWARD_ZERO = 1 << 13, 2 << 13, 3 << 13
UD, XM = 6, 19
ADDPS, MULPS, DIVPS, SUBPS, MULSS, CVTSD2SS = "0f58c1", "0f59c1", "0f5ec1", "0f5cc1", "f30f59c1", "f20f5ac1"
MINPS, SQRTPS, CVTPS2DQ, CVTTSS2SI, HADDPS, CMPLTPS, UCOMISS = "0f5dc1", "0f51c1", "660f5bc1", "f30f2cc1", "f20f7cc1", "0fc2c101", "0f2ec1"
ONE, THIRD, INF, QNAN, SNAN = 0x3F800000, 0x3EAAAAAB, 0x7F800000, 0x7FC00000, 0x7F800001
MAX, MIN, DENORMAL, HALF, TWO, P127 = 0x7F7FFFFF, 0x00800000, 0x00000001, 0x3F000000, 0x40000000, 0x7F000000


def compute(code, a, b, mxcsr=ALL, **modes):
    cpu = sse_cpu(mxcsr, **modes)
    cpu.xmm0, cpu.xmm1 = x("4I", *a), x("4I", *b)
    result = run(cpu, code)
    return cpu, result


def lanes(*first):
    return list(first) + [ONE] * (4 - len(first))


def test_rounding_follows_mxcsr():
    results = {}
    for mode in (0, DOWN, UP, TOWARD_ZERO):
        cpu, _ = compute(DIVPS, [ONE, ONE | 1 << 31, ONE, ONE], [0x40400000] * 4, ALL | mode)
        results[mode] = unx("4I", cpu.xmm0)[:2]
        assert cpu.mxcsr == ALL | mode | PE
    assert results[0] == (0x3EAAAAAB, 0xBEAAAAAB)
    assert results[DOWN] == (0x3EAAAAAA, 0xBEAAAAAB)
    assert results[UP] == (0x3EAAAAAB, 0xBEAAAAAA)
    assert results[TOWARD_ZERO] == (0x3EAAAAAA, 0xBEAAAAAA)


def test_flags_are_sticky_over_instructions():
    cpu = sse_cpu()
    cpu.xmm0, cpu.xmm1 = x("4I", *[ONE] * 4), x("4I", 0, ONE, ONE, ONE)
    run(cpu, DIVPS + "0f58d2" + "0f59d2", steps=3)
    assert cpu.mxcsr == ALL | ZE
    assert unx("4I", cpu.xmm0)[0] == INF


@pytest.mark.parametrize("code, a, b, flags", [
    (ADDPS, SNAN, ONE, IE), (ADDPS, QNAN, ONE, 0), (ADDPS, DENORMAL, ONE, DE | PE), (DIVPS, ONE, 0, ZE),
    (DIVPS, 0, 0, IE), (MULPS, MAX, MAX, OE | PE), (MULPS, MIN, HALF, 0), (MULPS, MIN, THIRD, UE | PE),
    (SUBPS, INF, INF, IE), (SQRTPS, 0, ONE | 1 << 31, IE), (MINPS, ONE, QNAN, IE), (CVTPS2DQ, 0, 0x4F000000, IE),
    (CMPLTPS, QNAN, ONE, IE), (UCOMISS, QNAN, ONE, 0), (UCOMISS, SNAN, ONE, IE), (CVTTSS2SI, 0, 0x3FC00000, PE)])
def test_masked_exceptions_only_set_flags(code, a, b, flags):
    cpu, result = compute(code, lanes(a), lanes(b))
    assert result.reason == "steps"
    assert cpu.mxcsr & 0x3F == flags


def test_denormals_are_zeros_makes_zero_of_operands_without_a_flag():
    cpu, _ = compute(MULPS, lanes(DENORMAL), lanes(P127), ALL | DAZ)
    assert unx("4I", cpu.xmm0)[0] == 0
    assert cpu.mxcsr == ALL | DAZ


def test_flush_to_zero_flushes_tiny_results():
    cpu, _ = compute(MULPS, lanes(MIN | 1 << 31), lanes(HALF), ALL | FTZ)
    assert unx("4I", cpu.xmm0)[0] == 1 << 31
    assert cpu.mxcsr & 0x3F == UE | PE


# ---- unmasked (SDM vol. 1, 11.5.3)
@pytest.mark.parametrize("code, a, b, unmasked, flags", [
    (ADDPS, lanes(SNAN), lanes(), IM, IE),
    (ADDPS, lanes(DENORMAL), lanes(), DM, DE),
    (DIVPS, lanes(ONE), lanes(0), ZM, ZE),
    (MULPS, lanes(MAX), lanes(MAX), OM, OE | PE),
    (MULPS, lanes(P127), lanes(TWO), OM, OE),           # exact but for the exponent
    (MULPS, lanes(MIN), lanes(THIRD), UM, UE),          # exact but for the exponent
    (MULPS, lanes(MIN | 1), lanes(THIRD), UM, UE | PE),
    (MULPS, lanes(MIN), lanes(HALF), UM, UE),           # tiny is enough
    (MULPS, lanes(MIN), lanes(HALF), UM | 1 << 15, UE),     # FTZ means nothing while underflow is unmasked
    (DIVPS, lanes(ONE), lanes(0x40400000), PM, PE),
    (HADDPS, [MAX, MAX, ONE, ONE], lanes(), OM, OE),
    (HADDPS, [MAX, 0x7F7FFFFE, ONE, ONE], lanes(), OM, OE | PE),
    (SQRTPS, lanes(), lanes(ONE | 1 << 31), IM, IE)])
def test_an_unmasked_exception_leaves_the_destination_and_sets_its_flag(code, a, b, unmasked, flags):
    mxcsr = ALL & ~unmasked | unmasked & FTZ
    cpu, result = compute(code, a, b, mxcsr)
    assert result.vector == XM
    assert cpu.xmm0 == x("4I", *a)
    assert cpu.mxcsr == mxcsr | flags


def test_exceptions_before_computation_hide_those_after_it():
    # all lanes: invalid, denormal, overflow, inexact
    a, b = [SNAN, DENORMAL, P127, ONE], [ONE, ONE, MAX, THIRD]
    assert compute(MULPS, a, b)[0].mxcsr & 0x3F == IE | DE | OE | PE
    for unmasked in (IM, DM, IM | DM, ALL):
        cpu, result = compute(MULPS, a, b, ALL & ~unmasked)
        assert result.vector == XM
        assert cpu.mxcsr & 0x3F == IE | DE
    cpu, result = compute(MULPS, a, b, ALL & ~PM)
    assert result.vector == XM
    assert cpu.mxcsr & 0x3F == IE | DE | OE | PE


def test_without_osxmmexcpt_it_is_an_undefined_instruction():
    _, result = compute(DIVPS, lanes(ONE), lanes(0), ALL & ~ZM, cr4=CR4_OSFXSR)
    assert result.vector == UD


def test_an_unmasked_exception_that_does_not_happen_changes_nothing():
    cpu, result = compute(ADDPS, lanes(ONE), lanes(TWO), 0)
    assert result.reason == "steps"
    assert unx("4f", cpu.xmm0) == (3.0, 2.0, 2.0, 2.0)
    assert cpu.mxcsr == 0


def test_overflow_of_a_narrowing_conversion():
    cpu = sse_cpu(ALL & ~OM)
    cpu.xmm1 = x("2d", 2.0 ** 128, 0)
    assert run(cpu, CVTSD2SS).vector == XM
    assert cpu.mxcsr & 0x3F == OE
    cpu = sse_cpu(ALL & ~UM)
    cpu.xmm1 = x("2d", 2.0 ** -140 * (1 + 2.0 ** -40), 0)
    assert run(cpu, CVTSD2SS).vector == XM
    assert cpu.mxcsr & 0x3F == UE | PE


def test_the_host_keeps_its_own_rounding():
    cpu, _ = compute(DIVPS, lanes(ONE), lanes(0x40400000), ALL | UP | FTZ | DAZ)
    assert 1.0 / 3.0 == struct.unpack("<d", bytes.fromhex("555555555555d53f"))[0]
    assert 5e-324 / 1.0 == 5e-324


IN_AL_DX, LOAD_EAX, STMXCSR = "ec", "8b03", "0fae1e"        # [ebx], [esi]


@pytest.mark.parametrize("access", [IN_AL_DX, LOAD_EAX])
def test_a_device_computes_with_the_hosts_mxcsr_and_leaves_the_guests_alone(access):
    seen = []

    def device(address, size, write, value):
        third = float(address) / (3.0 * address)            # inexact: sets PE in the host's MXCSR
        seen.append((third, 5e-324 * address / address))
        return 0

    cpu = qemu_py.CPU("qemu32", on_port=device, on_access=device)
    cpu.cr4 = CR4_OSFXSR
    cpu.mxcsr = ALL | UP | FTZ | DAZ
    cpu.xmm0, cpu.xmm1 = x("4I", *[ONE] * 4), x("4I", *[TWO] * 4)
    cpu.edx, cpu.ebx, cpu.esi = 0x300, 0xF0000000, 0x3000
    code = ADDPS + access + ADDPS + STMXCSR + DIVPS + STMXCSR
    assert run(cpu, code, steps=6).reason == "steps"
    assert seen == [(1 / 3, 5e-324)]
    assert unx("4f", cpu.xmm0)[0] == 2.5
    assert cpu.read(0x3000, 4) == (ALL | UP | FTZ | DAZ).to_bytes(4, "little")


def test_a_device_sees_the_flags_so_far():
    seen = []
    cpu = qemu_py.CPU("qemu32", on_port=lambda *_: seen.append(cpu.mxcsr) or 0)
    cpu.cr4 = CR4_OSFXSR
    cpu.xmm0, cpu.xmm1, cpu.edx = x("4I", *[ONE] * 4), x("4I", *[0x40400000] * 4), 0x300
    run(cpu, DIVPS + IN_AL_DX, steps=2)
    assert seen == [ALL | PE]
