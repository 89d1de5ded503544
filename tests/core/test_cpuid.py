"""CPUID, CPU models, MSRs, time stamps, fast system calls (SDM vol. 2, vol. 4; Intel AP-485)."""
import struct

import pytest

from tests.core.protected import AC, CODE, CODE0, DATA0, DATA3, GP, IF, STACK1, STACK3, Stage
from tests.guest import asm

UD = 6
FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC = (1 << n for n in range(10))
SEP, MTRR, PGE, MCA, CMOV, PAT, PSE36, CLFSH, MMX, FXSR, SSE, SSE2 = (1 << n for n in (11, 12, 13, 14, 15, 16, 17, 19, 23, 24, 25, 26))
PENTIUM = FPU | VME | DE | PSE | TSC | MSR | MCE | CX8 | APIC
P6 = PENTIUM | PAE | SEP | MTRR | PGE | MCA | CMOV | PAT | PSE36


def cpuid(model, leaf):
    cpu = Stage(model).ok(f"mov eax, {leaf:#x}; xor ecx, ecx; cpuid; hlt")
    return cpu.eax, cpu.ebx, cpu.ecx, cpu.edx


@pytest.mark.parametrize("model, signature, features", [
    ("486", 0x480, FPU | VME), ("pentium", 0x543, PENTIUM | MMX), ("pentium2", 0x652, P6 | MMX | FXSR),
    ("pentium3", 0x673, P6 | MMX | FXSR | SSE), ("qemu32", 0x633, P6 | MMX | FXSR | SSE | SSE2 | CLFSH)])
def test_leaf_1_is_the_models_signature_and_features(model, signature, features):
    eax, _, _, edx = cpuid(model, 1)
    assert (eax, edx) == (signature, features)


def test_leaf_0_names_the_vendor():
    _, ebx, ecx, edx = cpuid("pentium3", 0)
    assert struct.pack("<3I", ebx, edx, ecx) == b"GenuineIntel"


@pytest.mark.parametrize("model, level", [("486", 1), ("pentium", 1), ("pentium2", 2), ("pentium3", 2)])
def test_a_leaf_beyond_the_last_gives_the_last_basic_one(model, level):
    assert cpuid(model, 0)[0] == level
    assert cpuid(model, 0x40) == cpuid(model, level)
    assert cpuid(model, 0x80000000) == cpuid(model, level)


def test_the_default_model_has_a_brand_string():
    assert cpuid("qemu32", 0x80000000)[0] == 0x80000004
    text = b"".join(struct.pack("<4I", *cpuid("qemu32", 0x80000002 + i)) for i in range(3))
    assert text.rstrip(b"\0").startswith(b"qemu_py")


def test_features_are_added_and_taken_away():
    eax, _, ecx, edx = cpuid("pentium2,+sse,-mmx", 1)
    assert edx & (SSE | MMX) == SSE
    assert cpuid("qemu32,+ssse3", 1)[2] & 1 << 9


@pytest.mark.parametrize("model, words", [("i9", "unknown CPU model"), ("pentium,+foo", "no feature .foo."), ("pentium,foo", "feature")])
def test_an_unknown_model_or_feature_is_a_clear_error(model, words):
    from qemu_py import CPU
    from qemu_py.util.errors import UserError
    with pytest.raises(UserError, match=words) as error:
        CPU(model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("model, code, has", [
    ("486", b"\x0F\x31", False), ("pentium", b"\x0F\x31", True), ("486", b"\x0F\x32", False), ("pentium", b"\x0F\x44\xC0", False),
    ("pentium2", b"\x0F\x44\xC0", True), ("pentium", b"\x0F\x34", False), ("486", b"\x0F\xA2", True), ("pentium", b"\x0F\x33", False)])
def test_what_a_model_has_not_is_ud(model, code, has):
    stage = Stage(model)
    stage.run(code + b"\xF4")
    assert (stage.vector() != UD) == has


# ---------------------------------------------------------------- MSRs
@pytest.fixture
def stage():
    return Stage("qemu32")


def wrmsr(index, value):
    return f"mov ecx, {index:#x}; mov eax, {value & 0xFFFFFFFF:#x}; mov edx, {value >> 32:#x}; wrmsr; "


def rdmsr(index):
    return f"mov ecx, {index:#x}; rdmsr; "


@pytest.mark.parametrize("index, value", [
    (0x174, 8), (0x175, 0x12345678), (0x176, 0xC0000000), (0x1B, 0xFEC00900), (0x277, 0x0105040600070406), (0x2FF, 0xC06),
    (0x250, 0x0606060606060606), (0x258, 0x0101010101010101), (0x26F, 0x0505050505050505), (0x200, 0xF00000006), (0x201, 0xFF0000800),
    (0x20F, 0xFFFFFF800), (0x17A, 4), (0x400, 0xFFFFFFFFFFFFFFFF)])
def test_an_msr_holds_what_is_written(stage, index, value):
    cpu = stage.ok(wrmsr(index, value) + "xor eax, eax; xor edx, edx; " + rdmsr(index) + "hlt")
    assert cpu.edx << 32 | cpu.eax == value


@pytest.mark.parametrize("index", [0xC1, 0xC2, 0x186, 0x187])
def test_nothing_is_counted_and_who_looks_finds_out(stage, index):
    """Linux writes a counter and reads it back before it believes that there are any."""
    cpu = stage.ok(wrmsr(index, 0xABCD) + rdmsr(index) + "hlt")
    assert cpu.edx == cpu.eax == 0
    cpu = stage.ok("mov ecx, 1; rdpmc; hlt")
    assert cpu.edx == cpu.eax == 0


@pytest.mark.parametrize("index, value", [
    (0x277, 2), (0x277, 8), (0x2FF, 2), (0x2FF, 0x106), (0x250, 3), (0x201, 0x100), (0x200, 0x106), (0x1B, 1), (0xFE, 0), (0x179, 0),
    (0x401, 1), (0xC0000080, 0x800), (0x12345, 0)])
def test_what_an_msr_does_not_take_is_gp(stage, index, value):
    assert stage.fault(wrmsr(index, value))[:2] == (GP, 0)


@pytest.mark.parametrize("index", [0x12345, 0xC0000080, 0xC0000100, 0x3A])
def test_an_unknown_msr_is_gp(stage, index):
    assert stage.fault(rdmsr(index))[:2] == (GP, 0)


def test_mtrr_and_machine_check_capabilities(stage):
    assert stage.ok(rdmsr(0xFE) + "hlt").eax == 0x508
    assert stage.ok(rdmsr(0x179) + "hlt").eax == 0x105


def test_efer_has_nxe_when_the_model_has_nx():
    stage = Stage("qemu32,+nx")
    assert stage.ok(wrmsr(0xC0000080, 0x800) + rdmsr(0xC0000080) + "hlt").eax == 0x800
    assert stage.fault(wrmsr(0xC0000080, 0x100))[:2] == (GP, 0)


def test_disabling_the_apic_takes_it_out_of_cpuid(stage):
    assert not stage.ok(wrmsr(0x1B, 0xFEE00000) + "mov eax, 1; cpuid; hlt").edx & APIC


# ---------------------------------------------------------------- time stamps
def test_the_time_stamp_counter_rises(stage):
    cpu = stage.ok("rdtsc; mov ebx, eax; mov ecx, edx; rdtsc; sub eax, ebx; sbb edx, ecx; hlt")
    assert cpu.edx == 0 and cpu.eax > 0


def test_the_time_stamp_counter_can_be_written(stage):
    cpu = stage.ok(wrmsr(0x10, 0) + "rdtsc; hlt")
    assert cpu.edx == 0 and cpu.eax < 1 << 31


def test_tsd_keeps_rdtsc_to_ring_0(stage):
    stage.ok("rdtsc; int 0x80", 3)
    stage.cpu.cr4 = 4
    assert stage.fault("rdtsc", 3) == (GP, 0, 0)
    stage.ok("rdtsc; hlt")


def test_rdpmc_needs_pce_outside_ring_0(stage):
    assert stage.fault("xor ecx, ecx; rdpmc", 3)[:2] == (GP, 0)
    stage.cpu.cr4 = 0x100
    stage.ok("xor ecx, ecx; rdpmc; int 0x80", 3)
    assert stage.fault("mov ecx, 2; rdpmc")[:2] == (GP, 0)


# ---------------------------------------------------------------- SYSENTER, SYSEXIT
def test_sysenter_and_sysexit(stage):
    cpu = stage.cpu
    cpu.wrmsr(0x174, CODE0)
    cpu.wrmsr(0x175, STACK1)
    cpu.wrmsr(0x176, 0x12000)
    cpu.write(0x12000, asm("mov ebx, esp; mov esi, cs; mov edi, ss; sysexit", 0x12000))
    stage.ok(f"mov ecx, {STACK3 - 64}; mov edx, {CODE + 12}; sysenter; int 0x80", 3, eflags=2 | IF)
    assert (cpu.ebx, cpu.esi, cpu.edi) == (STACK1, CODE0, DATA0)
    eip, cs, eflags, esp, ss = stage.stack(5)
    assert (eip, cs, esp, ss) == (CODE + 14, CODE0 + 16 | 3, STACK3 - 64, CODE0 + 24 | 3)
    assert not eflags & IF


def test_sysenter_without_a_code_segment_is_gp(stage):
    assert stage.fault("sysenter", 3) == (GP, 0, 0)
    assert stage.fault("sysexit") == (GP, 0, 0)


def test_sysexit_is_privileged(stage):
    stage.cpu.wrmsr(0x174, CODE0)
    assert stage.fault("sysexit", 3) == (GP, 0, 0)


def test_sysenter_leaves_the_tables_alone(stage):
    # the segments are flat whatever the descriptors say
    stage.cpu.wrmsr(0x174, 0x700)
    stage.cpu.wrmsr(0x176, 0x12000)
    stage.cpu.wrmsr(0x175, STACK1)
    stage.cpu.write(0x12000, b"\xF4")
    stage.run("sysenter", 3)
    assert stage.cpu.segment("cs")[:3] == (0x700, 0, 0xFFFFFFFF) and stage.cpu.segment("ss")[:3] == (0x708, 0, 0xFFFFFFFF)
    assert stage.cpu.cpl == 0


def fast_calls(stage, kernel):
    """SYSENTER goes to `kernel` at 12000h."""
    stage.cpu.wrmsr(0x174, CODE0)
    stage.cpu.wrmsr(0x175, STACK1)
    stage.cpu.wrmsr(0x176, 0x12000)
    stage.cpu.write(0x12000, asm(kernel, 0x12000))


@pytest.mark.parametrize("limit", [0xFFFFFFFF, 0xFFF])
def test_the_stack_segment_is_flat_in_either_ring_whatever_it_was(stage, limit):
    fast_calls(stage, "push 1; sysexit")
    stage.level(3)
    cpu = stage.cpu
    cpu.load_segment("ss", DATA3, 0, limit, 0xC0F300)
    cpu.write(CODE, asm(f"mov ecx, {STACK3 - 64}; mov edx, {CODE + 12}; sysenter; push 2; ud2", CODE))
    cpu.eip, cpu.eflags = CODE, 2
    assert (stage.run(b"", start=False).reason, stage.vector()) == ("hlt", UD)
    eip, cs, eflags, esp, ss = stage.stack(5)
    assert (eip, cs, esp, ss) == (CODE + 14, CODE0 + 16 | 3, STACK3 - 68, CODE0 + 24 | 3)
    assert (stage.get32(STACK1 - 4), stage.get32(STACK3 - 68)) == (1, 2)


def test_alignment_is_checked_in_ring_3_alone(stage):
    fast_calls(stage, "mov eax, [0x20001]; sysexit")
    stage.cpu.cr0 |= 1 << 18            # AM
    user = f"mov ecx, {STACK3 - 64}; mov edx, {CODE + 12}; sysenter; mov ebx, [0x20001]; ud2"
    assert stage.fault(user, 3, eflags=2 | AC) == (17, 0, 12)
    assert stage.fault(user, 3) == (UD, None, 18)
