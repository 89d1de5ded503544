"""Far JMP, CALL, RET: code segments, call gates, privilege levels, stacks (SDM vol. 3, 5.8; vol. 2)."""
import struct

import pytest

from tests.core.protected import (
    A_CALL16, A_CALL32, A_CODE, A_DATA, A_LDT, CODE, CODE0, CODE3, DATA, DATA0, DATA3, DPL1, DPL3, FREE, GP, NOT_PRESENT, NP, RF, SS,
    STACK0, STACK1, STACK3, TS, TSS, TSS_SEL, Stage, descriptor, far_call, far_jmp, flat, gate, sequence)

TARGET = 0x12000
CONFORMING = A_CODE | 4
OTHER = FREE + 8


@pytest.fixture(params=[True, False], ids=["counted", "uncounted"])
def stage(request):
    stage = Stage(counted=request.param)
    stage.cpu.write(TARGET, b"\xF4")
    stage.cpu.write(TARGET + 0x100, b"\xCD\x80")
    return stage


def arrived(stage, at=TARGET):
    return stage.result.reason == "hlt" and stage.cpu.eip == at + 1


# ---------------------------------------------------------------- JMP
def test_jmp_to_a_code_segment_loads_cs_and_eip(stage):
    stage.set_gdt(FREE, descriptor(TARGET, 0xFF, A_CODE, 4))
    stage.run(far_jmp(FREE, 0))
    assert stage.result.reason == "hlt" and stage.cpu.eip == 1
    assert stage.cpu.segment("cs")[:3] == (FREE, TARGET, 0xFF)
    assert stage.get_gdt(FREE)[5] == A_CODE | 1


def test_rpl_of_the_new_cs_is_cpl(stage):
    stage.set_gdt(FREE, flat(CONFORMING))
    stage.set_idt(0x80, gate(CODE0, 0x6800, 0xEE))
    stage.run(far_jmp(FREE, TARGET + 0x100), 3)
    assert stage.vector() == 0x80 and stage.stack(2)[1] == FREE | 3


@pytest.mark.parametrize("selector, access, cpl, want", [
    (0, None, 0, (GP, 0)), (3, None, 0, (GP, 0)), (0x900, None, 0, (GP, 0x900)), (FREE, A_DATA, 0, (GP, FREE)),
    (FREE, A_LDT, 0, (GP, FREE)), (FREE, A_CODE | DPL3, 0, (GP, FREE)), (FREE | 3, A_CODE, 0, (GP, FREE)),
    (FREE, A_CODE, 3, (GP, FREE)), (FREE, CONFORMING | DPL3, 0, (GP, FREE)),
    (FREE, A_CODE & ~NOT_PRESENT, 0, (NP, FREE)), (FREE, 0x8E, 0, (GP, FREE)), (FREE, 0x80, 0, (GP, FREE))])
@pytest.mark.parametrize("instruction", [far_jmp, far_call])
def test_targets_that_are_refused(stage, instruction, selector, access, cpl, want):
    if access is not None:
        stage.set_gdt(FREE, flat(access))
    assert stage.fault(instruction(selector, TARGET), cpl) == (*want, 0)


@pytest.mark.parametrize("instruction", [far_jmp, far_call])
def test_an_offset_beyond_the_limit_is_gp_0(stage, instruction):
    stage.set_gdt(FREE, descriptor(TARGET, 0xFF, A_CODE, 4))
    assert stage.fault(instruction(FREE, 0x100)) == (GP, 0, 0)


def test_jmp_through_memory(stage):
    stage.cpu.write(DATA, struct.pack("<IH", TARGET, CODE0))
    stage.run(b"\xFF\x2D" + struct.pack("<I", DATA))
    assert arrived(stage)


def test_a_16_bit_operand_takes_16_bits_of_offset(stage):
    stage.set_gdt(FREE, descriptor(0x10000, 0xFFFF, A_CODE, 4))
    stage.run(b"\x66\xEA" + struct.pack("<HH", TARGET & 0xFFFF, FREE))
    assert stage.cpu.eip == (TARGET & 0xFFFF) + 1


# ---------------------------------------------------------------- CALL and RET at one level
def test_call_pushes_cs_and_eip_and_ret_takes_them(stage):
    stage.cpu.write(TARGET, sequence("mov eax, [esp]; mov edx, [esp+4]; retf", at=TARGET))
    cpu = stage.ok(sequence(far_call(CODE0, TARGET), "hlt"))
    assert (cpu.eax, cpu.edx, cpu.esp, cpu.eip) == (CODE + 7, CODE0, STACK0, CODE + 8)


def test_ret_releases_what_its_operand_says(stage):
    stage.cpu.write(TARGET, sequence("retf 12", at=TARGET))
    cpu = stage.ok(sequence("push 1; push 2; push 3", far_call(CODE0, TARGET), "hlt"))
    assert cpu.esp == STACK0


def test_a_16_bit_call_pushes_four_bytes(stage):
    stage.set_gdt(FREE, descriptor(0x10000, 0xFFFF, A_CODE, 4))
    stage.run(b"\x66\x9A" + struct.pack("<HH", TARGET & 0xFFFF, FREE))
    assert stage.cpu.esp == STACK0 - 4
    assert stage.stack(1)[0] == CODE0 << 16 | (CODE + 6 & 0xFFFF)


@pytest.mark.parametrize("selector, access, want", [
    (0, None, (GP, 0)), (0x900, None, (GP, 0x900)), (FREE, A_DATA, (GP, FREE)), (FREE | 3, A_CODE, (GP, FREE)),
    (FREE, A_CODE | DPL3, (GP, FREE)), (FREE, A_CODE & ~NOT_PRESENT, (NP, FREE)), (FREE | 3, CONFORMING & ~NOT_PRESENT, (NP, FREE))])
def test_ret_to_what_is_refused(stage, selector, access, want):
    if access is not None:
        stage.set_gdt(FREE, flat(access))
    code = sequence(f"push {selector}; push {TARGET}", "retf")
    assert stage.fault(code)[:2] == want
    assert stage.cpu.esp == STACK0 - 8 - 16          # ESP is where RET found it


def test_ret_cannot_go_to_a_more_privileged_level(stage):
    assert stage.fault(f"push {CODE0}; push {TARGET}; retf", 3)[:2] == (GP, CODE0)


def test_a_call_without_room_on_the_stack_is_ss_and_changes_nothing(stage):
    # level 3's stack is too small; the handler has level 0's
    stage.set_gdt(FREE, descriptor(0, 0xFFFF, A_DATA | DPL3, 4))
    code = sequence(f"mov eax, {FREE | 3}; mov ss, eax; mov esp, 6", far_call(CODE3, TARGET))
    assert stage.fault(code, 3)[:2] == (SS, 0)
    assert stage.stack(6)[4:] == [6, FREE | 3]


# ---------------------------------------------------------------- outer levels
def outer(stage, ss=DATA3, cs=CODE3, esp=STACK3, at=TARGET + 0x100, code="retf", before=""):
    return sequence(before or "nop", f"push {ss}; push {esp}; push {cs}; push {at}", code)


def test_ret_to_an_outer_level_loads_ss_and_esp(stage):
    cpu = stage.ok(outer(stage))
    eip, cs, _, esp, ss = stage.stack(5)
    assert (eip, cs, esp, ss) == (TARGET + 0x102, CODE3, STACK3, DATA3)
    assert cpu.ss == DATA0


def test_ret_n_releases_on_both_stacks(stage):
    code = sequence(f"push {DATA3}; push {STACK3}; push 0; push 0; push {CODE3}; push {TARGET + 0x100}", "retf 8")
    stage.ok(code)
    assert stage.stack(4)[3] == STACK3 + 8


def test_data_segments_that_the_outer_level_may_not_use_become_null(stage):
    stage.set_gdt(FREE, flat(CONFORMING))
    stage.set_gdt(OTHER, flat(A_DATA | DPL3))
    stage.ok(outer(stage, before=f"mov eax, {FREE}; mov fs, ax; mov eax, {OTHER}; mov gs, ax; mov eax, {DATA0}; mov es, ax"))
    cpu = stage.cpu
    assert (cpu.ds, cpu.es, cpu.fs, cpu.gs) == (0, 0, FREE, OTHER)


@pytest.mark.parametrize("ss, access, want", [
    (0, None, (GP, 0)), (0x903, None, (GP, 0x900)), (DATA0, None, (GP, DATA0)), (FREE | 3, A_DATA, (GP, FREE)),
    (FREE, A_DATA | DPL3, (GP, FREE)), (FREE | 3, 0x90 | DPL3, (GP, FREE)), (FREE | 3, A_CODE | DPL3, (GP, FREE)),
    (FREE | 3, (A_DATA | DPL3) & ~NOT_PRESENT, (SS, FREE))])
def test_the_outer_stack_segment_is_checked(stage, ss, access, want):
    if access is not None:
        stage.set_gdt(FREE, flat(access))
    assert stage.fault(outer(stage, ss=ss))[:2] == want
    assert stage.cpu.ds == DATA0


def test_returning_to_a_16_bit_stack_loads_sp_alone(stage):
    stage.set_gdt(FREE, descriptor(0, 0xFFFF, A_DATA | DPL3, 0))
    stage.ok(outer(stage, ss=FREE | 3, esp=0x1234A000))
    assert stage.stack(4)[3] == (STACK0 & 0xFFFF0000) | 0xA000


# ---------------------------------------------------------------- call gates
def test_a_call_gate_to_the_same_level(stage):
    stage.set_gdt(FREE, gate(CODE0, TARGET, A_CALL32))
    stage.run(far_call(FREE, 0xDEADBEEF))
    assert arrived(stage) and stage.stack(2) == [CODE + 7, CODE0]


def test_a_16_bit_gate_pushes_words_and_has_a_16_bit_offset(stage):
    stage.set_gdt(OTHER, descriptor(0x10000, 0xFFFF, A_CODE, 4))
    stage.set_gdt(FREE, gate(OTHER, TARGET & 0xFFFF, A_CALL16))
    stage.run(far_call(FREE, 0))
    assert stage.cpu.eip == (TARGET & 0xFFFF) + 1
    assert stage.cpu.esp == STACK0 - 4 and stage.stack(1)[0] == CODE0 << 16 | (CODE + 7 & 0xFFFF)


def test_a_gate_to_an_inner_level_switches_stacks_and_copies_parameters(stage):
    stage.set_gdt(FREE, gate(CODE0, TARGET, A_CALL32 | DPL3, 3))
    code = sequence("push 0x11; push 0x22; push 0x33", far_call(FREE | 3, 0))
    stage.run(code, 3)
    assert arrived(stage)
    assert stage.stack(7) == [CODE + len(code), CODE3, 0x33, 0x22, 0x11, STACK3 - 12, DATA3]
    assert (stage.cpu.ss, stage.cpu.cs, stage.cpu.esp) == (DATA0, CODE0, STACK0 - 28)


def test_a_16_bit_gate_to_an_inner_level_copies_words(stage):
    stage.set_gdt(OTHER, descriptor(0x10000, 0xFFFF, A_CODE, 4))
    stage.set_gdt(FREE, gate(OTHER, TARGET & 0xFFFF, A_CALL16 | DPL3, 2))
    code = sequence(b"\x66\x6A\x11\x66\x6A\x22", far_call(FREE | 3, 0))
    stage.run(code, 3)
    words = struct.unpack("<6H", stage.cpu.read(stage.cpu.esp, 12))
    assert words == ((CODE + len(code)) & 0xFFFF, CODE3, 0x22, 0x11, STACK3 - 4, DATA3)


def test_the_gate_is_entered_and_left_again(stage):
    stage.set_gdt(FREE, gate(CODE0, TARGET, A_CALL32 | DPL3, 1))
    stage.cpu.write(TARGET, sequence("mov eax, [esp+8]; retf 4", at=TARGET))
    cpu = stage.ok(sequence("push 0x77", far_call(FREE | 3, 0), "int 0x80"), 3)
    assert cpu.eax == 0x77 and stage.stack(4)[3] == STACK3


def test_a_gate_to_conforming_code_keeps_the_level_and_the_stack(stage):
    stage.set_gdt(OTHER, flat(CONFORMING))
    stage.set_gdt(FREE, gate(OTHER, TARGET + 0x100, A_CALL32 | DPL3))
    stage.ok(far_call(FREE | 3, 0), 3)
    assert stage.stack(2)[1] == OTHER | 3
    assert stage.stack(5)[3] == STACK3 - 8


def test_jmp_through_a_gate_cannot_change_the_level(stage):
    stage.set_gdt(FREE, gate(CODE0, TARGET, A_CALL32 | DPL3))
    assert stage.fault(far_jmp(FREE | 3, 0), 3) == (GP, CODE0, 0)
    stage.set_gdt(FREE, gate(CODE0, TARGET, A_CALL32))
    stage.run(far_jmp(FREE, 0))
    assert arrived(stage) and stage.cpu.esp == STACK0


@pytest.mark.parametrize("selector, cpl, access, target, want", [
    (FREE, 3, A_CALL32, CODE0, (GP, FREE)), (FREE | 3, 0, A_CALL32, CODE0, (GP, FREE)),
    (FREE, 0, A_CALL32 & ~NOT_PRESENT, CODE0, (NP, FREE)), (FREE, 0, A_CALL32, 0, (GP, 0)), (FREE, 0, A_CALL32, 0x900, (GP, 0x900)),
    (FREE, 0, A_CALL32, DATA0, (GP, DATA0)), (FREE, 0, A_CALL32, CODE3, (GP, CODE3 & ~3))])
def test_gates_that_are_refused(stage, selector, cpl, access, target, want):
    stage.set_gdt(FREE, gate(target, TARGET, access))
    assert stage.fault(far_call(selector, 0), cpl) == (*want, 0)


def test_a_gates_target_that_is_not_present_is_np_with_its_selector(stage):
    stage.set_gdt(OTHER, flat(A_CODE & ~NOT_PRESENT))
    stage.set_gdt(FREE, gate(OTHER, TARGET, A_CALL32))
    assert stage.fault(far_call(FREE, 0)) == (NP, OTHER, 0)


# The stack of level 1: faults of the switch are then delivered on that of level 0.
@pytest.mark.parametrize("ss, access, want", [
    (0, None, (TS, 0)), (0x901, None, (TS, 0x900)), (DATA0, None, (TS, DATA0)), (FREE, A_DATA | DPL1, (TS, FREE)),
    (FREE | 1, A_DATA, (TS, FREE)), (FREE | 1, 0x90 | DPL1, (TS, FREE)), (FREE | 1, A_CODE | DPL1, (TS, FREE)),
    (FREE | 1, (A_DATA | DPL1) & ~NOT_PRESENT, (SS, FREE))])
def test_the_inner_stack_segment_is_checked(stage, ss, access, want):
    if access is not None:
        stage.set_gdt(FREE, flat(access))
    stage.set_gdt(OTHER, flat(A_CODE | DPL1))
    stage.set_gdt(OTHER + 8, gate(OTHER, TARGET, A_CALL32 | DPL3))
    stage.put32(TSS + 12, STACK1)
    stage.put16(TSS + 16, ss)
    assert stage.fault(far_call(OTHER + 8 | 3, 0), 3) == (*want, 0)


def test_an_inner_stack_without_room_is_ss_with_its_selector(stage):
    stage.set_gdt(FREE, descriptor(0, 0xFFFF, A_DATA | DPL1, 4))
    stage.set_gdt(OTHER, flat(A_CODE | DPL1))
    stage.set_gdt(OTHER + 8, gate(OTHER, TARGET, A_CALL32 | DPL3))
    stage.put32(TSS + 12, 8)
    stage.put16(TSS + 16, FREE | 1)
    assert stage.fault(far_call(OTHER + 8 | 3, 0), 3) == (SS, FREE, 0)
    assert stage.stack(5)[4] == STACK3


def test_a_tss_too_short_for_the_level_is_ts_with_its_selector(stage):
    stage.set_gdt(OTHER, flat(A_CODE | DPL1))
    stage.set_gdt(OTHER + 8, gate(OTHER, TARGET, A_CALL32 | DPL3))
    stage.cpu.load_segment("tr", TSS_SEL, TSS, 15, 0x8B00)
    assert stage.fault(far_call(OTHER + 8 | 3, 0), 3) == (TS, TSS_SEL, 0)


def test_a_16_bit_tss_has_words(stage):
    stage.set_gdt(FREE, gate(CODE0, TARGET, A_CALL32 | DPL3))
    stage.cpu.load_segment("tr", TSS_SEL, TSS, 0x2B, 0x8300)
    stage.put16(TSS + 2, STACK1)
    stage.put16(TSS + 4, DATA0)
    stage.run(far_call(FREE | 3, 0), 3)
    assert arrived(stage) and stage.cpu.esp == STACK1 - 16


def test_a_page_fault_on_the_inner_stack_leaves_the_caller_as_it_was(stage):
    cpu = stage.cpu
    stage.put32(0x40000, 0x41007)
    for page in range(256):
        stage.put32(0x41000 + 4 * page, page << 12 | 7)
    stage.put32(0x41000 + 4 * (STACK1 - 1 >> 12), 0)
    stage.set_gdt(FREE, flat(A_DATA | DPL1))
    stage.set_gdt(OTHER, flat(A_CODE | DPL1))
    stage.set_gdt(OTHER + 8, gate(OTHER, TARGET, A_CALL32 | DPL3))
    stage.put32(TSS + 12, STACK1)
    stage.put16(TSS + 16, FREE | 1)
    cpu.cr3 = 0x40000
    cpu.cr0 |= 0x80000000
    vector, error, eip = stage.fault(far_call(OTHER + 8 | 3, 0), 3)
    # a supervisor's write to a page that is not present; CPL 1 is supervisor
    assert (vector, error, eip) == (14, 2, 0)
    assert stage.stack(6)[2:] == [CODE3, 2 | RF, STACK3, DATA3]


# ---------------------------------------------------------------- real mode
@pytest.fixture
def real():
    from qemu_py import CPU
    cpu = CPU("qemu32", ram=1 << 21, mode="reset", deliver=True)
    cpu.load_segment("cs", 0, 0, 0xFFFF, 0x9300)
    cpu.load_segment("ss", 0, 0, 0xFFFF, 0x9300)
    cpu.eip, cpu.esp = 0x1000, 0x8000
    for vector in range(32):
        cpu.write(4 * vector, (0x500 + vector).to_bytes(4, "little"))
    cpu.write(0x500, b"\xF4" * 32)
    return cpu


def test_far_call_and_ret_in_real_mode(real):
    real.write(0x1000, b"\x9A\x00\x00\x34\x12\xF4")         # call 1234:0000
    real.write(0x12340, b"\x8C\xC8\xCB")                    # mov ax, cs; retf
    assert real.run(steps=10).reason == "hlt"
    assert (real.ax, real.cs, real.eip, real.sp) == (0x1234, 0, 0x1006, 0x8000)
    assert real.read(0x7FFC, 4) == b"\x05\x10\x00\x00"


def test_a_32_bit_offset_beyond_64_kib_is_gp_in_real_mode(real):
    real.write(0x1000, b"\x66\xEA\x00\x00\x01\x00\x00\x00")
    real.run(steps=5)
    assert real.eip == 0x50D + 1


def test_sp_wraps_around_in_real_mode(real):
    real.esp = 2
    real.write(0x1000, b"\x9A\x00\x20\x00\x00")
    real.write(0x2000, b"\xF4")
    assert real.run(steps=5).reason == "hlt"
    assert real.sp == 0xFFFE
    assert real.read(0, 2) == b"\x00\x00" and real.read(0xFFFE, 2) == b"\x05\x10"
