"""Exceptions and interrupts: gates, frames, error codes, double faults, IRET (SDM vol. 3, chapter 6)."""
import struct

import pytest

from tests.core.protected import (
    A_CODE, A_DATA, A_INT16, A_INT32, A_TRAP32, AC, CF, CODE, CODE0, CODE3, DATA, DATA0, DATA3, DB, DF, DPL1, DPL3, FREE, GP, HANDLERS, IF,
    IOPL3, NOT_PRESENT, NP, NT, RF, SS, STACK0, STACK1, STACK3, TF, TS, TSS, Stage, descriptor, flat, gate)

DE, BP, OF, BR, UD, NM, DBL = 0, 3, 4, 5, 6, 7, 8
ID = 1 << 21
EXT, IDT_BIT = 1, 2
CONFORMING = A_CODE | 4


@pytest.fixture
def stage():
    return Stage()


# ---------------------------------------------------------------- frames
@pytest.mark.parametrize("code, vector, at", [
    ("xor ecx, ecx; div ecx", DE, 2), (b"\x0F\x0B", UD, 0), (f"mov eax, 8; bound eax, [{DATA}]", BR, 5),
    ("mov eax, cr0; or eax, 4; mov cr0, eax; fldz", 7, 9)])
def test_a_fault_pushes_the_eip_of_its_instruction_and_sets_rf_in_the_image(stage, code, vector, at):
    assert stage.fault(code, eflags=2 | IF) == (vector, None, at)
    assert stage.stack(3)[1] == CODE0 and stage.stack(3)[2] & (RF | IF) == RF | IF
    assert stage.cpu.eflags & (RF | IF) == 0


@pytest.mark.parametrize("code, vector, length", [(b"\xCD\x40", 0x40, 2), (b"\xCC", BP, 1), (b"\xF1", DB, 1)])
def test_a_software_interrupt_pushes_the_next_eip_without_rf(stage, code, vector, length):
    assert stage.fault(code) == (vector, None, length)
    assert stage.stack(3) == [CODE + length, CODE0, 2]
    assert stage.cpu.esp == STACK0 - 12


def test_into_interrupts_when_of_is_set(stage):
    assert stage.fault("mov al, 0x7F; inc al; into") == (OF, None, 5)
    assert stage.ok("xor eax, eax; into; mov eax, 5; hlt").eax == 5


def test_an_interrupt_gate_clears_if_and_a_trap_gate_does_not(stage):
    stage.set_idt(0x41, gate(CODE0, HANDLERS + 16 * 0x41, A_TRAP32))
    stage.run("int 0x40", eflags=2 | IF)
    assert not stage.cpu.eflags & IF
    stage.run("int 0x41", eflags=2 | IF)
    assert stage.cpu.eflags & IF


def test_delivery_clears_tf_nt_and_rf_but_not_df_and_ac(stage):
    stage.run("int 0x40", eflags=2 | NT | DF | AC | CF)
    assert stage.cpu.eflags & (TF | NT | RF | DF | AC | CF) == DF | AC | CF
    assert stage.stack(3)[2] == 2 | NT | DF | AC | CF


def test_from_ring_3_the_stack_is_that_of_the_tss(stage):
    stage.set_idt(0x40, gate(CODE0, HANDLERS + 0x400, A_INT32 | DPL3))
    stage.run("int 0x40", 3, eflags=2 | IF)
    assert stage.stack(5) == [CODE + 2, CODE3, 2 | IF, STACK3, DATA3]
    assert (stage.cpu.cs, stage.cpu.ss, stage.cpu.esp) == (CODE0, DATA0, STACK0 - 20)
    assert stage.cpu.ds == DATA3


def test_an_error_code_lies_on_top(stage):
    stage.run(f"mov eax, {0x900}; mov ds, eax", 3)
    assert stage.vector() == GP and stage.stack(6) == [0x900, CODE + 5, CODE3, 2 | RF, STACK3, DATA3]


def test_a_16_bit_gate_pushes_words(stage):
    stage.set_gdt(FREE, descriptor(HANDLERS, 0xFFFF, A_CODE, 4))
    stage.set_idt(GP, gate(FREE, 0x40, A_INT16))
    stage.cpu.write(HANDLERS + 0x40, b"\xF4")
    stage.run(f"mov eax, {0x900}; mov ds, eax", 3)
    assert stage.cpu.esp == STACK0 - 12
    assert struct.unpack("<6H", stage.cpu.read(stage.cpu.esp, 12)) == (0x900, CODE + 5 & 0xFFFF, CODE3, 2, STACK3, DATA3)


def test_conforming_handlers_stay_on_the_level(stage):
    stage.set_gdt(FREE, flat(CONFORMING))
    stage.cpu.write(HANDLERS + 0x400, b"\xCD\x41")
    stage.set_idt(0x40, gate(FREE, HANDLERS + 0x400, A_INT32 | DPL3))
    stage.set_idt(0x41, gate(CODE0, HANDLERS + 0x410, A_INT32 | DPL3))
    stage.run("int 0x40", 3)
    assert stage.vector() == 0x41
    assert stage.stack(5)[1] == FREE | 3 and stage.stack(5)[3] == STACK3 - 12


# ---------------------------------------------------------------- error codes of delivery
def error(vector, ext):
    return vector * 8 | IDT_BIT | ext


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("entry, want, ext_in_idt", [
    (bytes(8), GP, True), (gate(CODE0, 0, A_INT32 & ~NOT_PRESENT), NP, True), (gate(CODE0, 0, 0x8C), GP, True),
    (gate(0, 0, A_INT32), GP, 0), (gate(0x900, 0, A_INT32), GP, 0x900), (gate(DATA0, 0, A_INT32), GP, DATA0),
    (gate(CODE3, 0, A_INT32), GP, CODE3 & ~3)])
def test_a_bad_gate(stage, soft, entry, want, ext_in_idt):
    # a software interrupt has EXT clear; a fault that is delivered (#UD) has it set
    vector = 0x40 if soft else UD
    stage.set_idt(vector, entry)
    code = "int 0x40" if soft else b"\x0F\x0B"
    expected = error(vector, 0 if soft else EXT) if ext_in_idt is True else ext_in_idt | (0 if soft else EXT)
    assert stage.fault(code) == (want, expected, 0)


def test_beyond_the_limit_of_the_idt(stage):
    stage.cpu.idt_limit = 0x40 * 8 + 6
    assert stage.fault("int 0x40") == (GP, error(0x40, 0), 0)


def test_a_gates_target_that_is_not_present(stage):
    stage.set_gdt(FREE, flat(A_CODE & ~NOT_PRESENT))
    stage.set_idt(0x40, gate(FREE, HANDLERS, A_INT32))
    assert stage.fault("int 0x40") == (NP, FREE, 0)


def test_an_offset_beyond_the_targets_limit(stage):
    stage.set_gdt(FREE, descriptor(0, 0xFFF, A_CODE, 4))
    stage.set_idt(0x40, gate(FREE, 0x1000, A_INT32))
    assert stage.fault("int 0x40") == (GP, 0, 0)


@pytest.mark.parametrize("code", ["int 0x40", b"\xCC"])
def test_software_interrupts_need_the_gates_dpl(stage, code):
    vector = 0x40 if code == "int 0x40" else BP
    assert stage.fault(code, 3) == (GP, error(vector, 0), 0)


def test_int1_and_faults_do_not(stage):
    assert stage.fault(b"\xF1", 3) == (DB, None, 1)
    assert stage.fault(b"\x0F\x0B", 3) == (UD, None, 0)


@pytest.mark.parametrize("ss, access, want", [
    (0, None, (TS, 0)), (DATA0, None, (TS, DATA0)), (FREE | 1, A_DATA, (TS, FREE)), (FREE | 1, (A_DATA | DPL1) & ~NOT_PRESENT, (SS, FREE))])
def test_the_inner_stack_of_an_interrupt_is_checked(stage, ss, access, want):
    if access is not None:
        stage.set_gdt(FREE, flat(access))
    stage.set_gdt(FREE + 8, flat(A_CODE | DPL1))
    stage.set_idt(0x40, gate(FREE + 8, HANDLERS, A_INT32 | DPL3))
    stage.put32(TSS + 12, STACK1)
    stage.put16(TSS + 16, ss)
    assert stage.fault("int 0x40", 3) == (*want, 0)
    stage.set_idt(UD, gate(FREE + 8, HANDLERS, A_INT32 | DPL3))
    assert stage.fault(b"\x0F\x0B", 3) == (want[0], want[1] | EXT, 0)


# ---------------------------------------------------------------- double and triple faults
def test_a_contributory_fault_upon_another_is_a_double_fault_with_error_0(stage):
    stage.set_idt(DE, bytes(8))         # #DE -> #GP, both contributory
    assert stage.fault("xor ecx, ecx; div ecx") == (DBL, 0, 2)


def test_a_benign_exception_whose_delivery_faults_is_that_fault(stage):
    stage.set_idt(UD, bytes(8))
    assert stage.fault(b"\x0F\x0B") == (GP, error(UD, EXT), 0)


def paged(stage, *absent):
    cpu = stage.cpu
    stage.put32(0x40000, 0x41007)
    for page in range(256):
        stage.put32(0x41000 + 4 * page, 0 if page << 12 in absent else page << 12 | 7)
    cpu.cr3 = 0x40000
    cpu.cr0 |= 0x80000000


def test_a_page_fault_upon_a_contributory_fault_is_delivered_as_such(stage):
    # #GP whose handler's stack is not mapped: #GP then #PF is no double fault by itself, but the #PF's
    # own delivery meets the same stack: #PF then #PF is.
    paged(stage, STACK1 - 0x1000 & ~0xFFF)
    stage.put32(TSS + 4, STACK1)
    stage.set_idt(DBL, gate(CODE0, HANDLERS + 16 * DBL, A_INT32))
    stage.run(f"mov eax, {0x900}; mov ds, eax", 3)
    assert stage.result.reason == "triple fault"


def test_a_page_fault_in_the_delivery_of_a_page_fault_is_a_double_fault(stage):
    # the #PF gate's code segment descriptor lies in a page that is not mapped
    paged(stage, 0x5000)
    stage.cpu.load_segment("ldtr", 0x30, 0x5000, 0xFF, 0x8200)
    stage.set_idt(14, gate(0x0C, HANDLERS, A_INT32))
    assert stage.fault(f"mov eax, [{0x5000}]") == (DBL, 0, 0)
    assert stage.cpu.cr2 == 0x5008


def test_no_way_to_deliver_a_double_fault_is_a_triple_fault(stage):
    stage.cpu.idt_limit = 0
    stage.run("int 0x40")
    assert stage.result.reason == "triple fault"


def test_a_benign_first_exception_never_doubles(stage):
    stage.set_idt(BP, bytes(8))
    stage.set_idt(GP, bytes(8))
    stage.set_idt(NP, bytes(8))
    assert stage.fault(b"\xCC") == (DBL, 0, 0)      # #GP of INT3, then #GP of #GP


# ---------------------------------------------------------------- IRET
def iret_frame(*values):
    return "; ".join(f"push {v}" for v in reversed(values))


def test_iret_goes_back_on_the_same_level(stage):
    stage.cpu.write(0x12000, b"\xF4")
    cpu = stage.ok(iret_frame(0x12000, CODE0, 2 | CF | IF | IOPL3 | ID | AC) + "; iretd")
    assert cpu.eip == 0x12001 and cpu.esp == STACK0
    assert cpu.eflags == 2 | CF | IF | IOPL3 | ID | AC


def test_iret_to_ring_3_loads_the_stack(stage):
    stage.cpu.write(0x12000, b"\xCD\x80")
    stage.ok(iret_frame(0x12000, CODE3, 2 | IF, STACK3, DATA3) + "; iretd")
    assert stage.stack(5) == [0x12002, CODE3, 2 | IF, STACK3, DATA3]
    assert (stage.cpu.ds, stage.cpu.es) == (0, 0)


@pytest.mark.parametrize("iopl, changed", [(0, False), (3, True)])
def test_if_changes_when_cpl_is_within_iopl_and_iopl_never_outside_ring_0(stage, iopl, changed):
    stage.cpu.write(0x12000, b"\xCD\x80")
    stage.ok(iret_frame(0x12000, CODE3, 2 | IF | (3 - iopl) << 12) + "; iretd", 3, eflags=2 | iopl << 12)
    image = stage.stack(3)[2]
    assert bool(image & IF) == changed and image >> 12 & 3 == iopl


def test_a_16_bit_iret_keeps_the_upper_half_of_eflags(stage):
    stage.set_gdt(FREE, descriptor(CODE, 0xFFFF, A_CODE, 4))
    stage.cpu.write(CODE + 0x100, b"\xF4")
    code = b"".join(b"\x66\x68" + struct.pack("<H", v) for v in (2 | CF, FREE, 0x100)) + b"\x66\xCF"
    stage.run(code, eflags=2 | ID)
    assert stage.cpu.eip == 0x101 and stage.cpu.eflags == 2 | ID | CF


@pytest.mark.parametrize("cs, access, want", [
    (0, None, (GP, 0)), (0x900, None, (GP, 0x900)), (DATA0, None, (GP, DATA0)), (FREE, A_CODE | DPL3, (GP, FREE)),
    (FREE | 3, A_CODE, (GP, FREE)), (FREE, A_CODE & ~NOT_PRESENT, (NP, FREE))])
def test_iret_to_what_is_refused(stage, cs, access, want):
    if access is not None:
        stage.set_gdt(FREE, flat(access))
    assert stage.fault(iret_frame(0x12000, cs, 2) + "; iretd")[:2] == want


def test_iret_cannot_go_inwards(stage):
    assert stage.fault(iret_frame(0x12000, CODE0, 2) + "; iretd", 3)[:2] == (GP, CODE0)


def test_iret_that_faults_leaves_esp_and_eflags(stage):
    stage.fault(iret_frame(0x12000, 0x900, 2 | CF) + "; iretd", eflags=2 | IF)
    _, _, _, image = stage.stack(4)
    assert image & (IF | CF) == IF and stage.stack(7)[4:] == [0x12000, 0x900, 2 | CF]


def test_iret_restores_rf_for_one_instruction(stage):
    stage.cpu.write(0x12000, b"\x90\xCD\x40")
    stage.run(iret_frame(0x12000, CODE0, 2 | RF) + "; iretd")
    assert not stage.stack(3)[2] & RF


# ---------------------------------------------------------------- hardware interrupts and their shadow
def test_interrupts_wait_for_one_instruction_behind_sti(stage):
    stage.run("sti; nop; nop; hlt", steps=1)
    assert stage.cpu.hflags & 1 << 11 and stage.cpu.eflags & IF
    stage.cpu.run(steps=1)
    assert not stage.cpu.hflags & 1 << 11


def test_sti_with_if_set_has_no_shadow(stage):
    stage.run("sti; nop; hlt", steps=1, eflags=2 | IF)
    assert not stage.cpu.hflags & 1 << 11


@pytest.mark.parametrize("code", ["mov ss, eax", "push eax; pop ss"])
def test_loading_ss_has_a_shadow(stage, code):
    stage.run(f"mov eax, {DATA0}; {code}; mov esp, 0x8000; hlt", steps=3 if "pop" in code else 2)
    assert stage.cpu.hflags & 1 << 11
    stage.cpu.run(steps=1)
    assert stage.cpu.esp == 0x8000 and not stage.cpu.hflags & 1 << 11


# ---------------------------------------------------------------- single step
def test_tf_traps_behind_every_instruction(stage):
    vector, _, eip = stage.fault("push 0x102; popfd; nop; inc eax")
    assert (vector, eip) == (DB, 7)                 # behind the NOP that follows POPF
    assert stage.cpu.dr6 & 1 << 14 and stage.stack(3)[2] & TF and not stage.cpu.eflags & TF


def test_a_jump_is_stepped_too(stage):
    vector, _, eip = stage.fault("push 0x102; popfd; jmp next; hlt; next: nop")
    assert vector == DB and eip == 9


def test_int_n_under_tf_enters_its_handler_without_a_trap(stage):
    stage.run("push 0x102; popfd; int 0x40")
    assert stage.vector() == 0x40 and stage.stack(3)[2] & TF


# ---------------------------------------------------------------- real mode
@pytest.fixture
def real():
    from qemu_py import CPU
    cpu = CPU("qemu32", ram=1 << 21, mode="reset", deliver=True)
    for name in ("cs", "ss", "ds"):
        cpu.load_segment(name, 0, 0, 0xFFFF, 0x9300)
    cpu.eip, cpu.esp = 0x1000, 0x8000
    for vector in range(256):
        cpu.write(4 * vector, struct.pack("<HH", 0x500 + vector, 0))
    cpu.write(0x500, b"\xF4" * 256)
    return cpu


def test_a_real_mode_interrupt_pushes_flags_cs_ip(real):
    real.eflags = 2 | IF | CF
    real.write(0x1000, b"\xCD\x21")
    real.write(4 * 0x21, struct.pack("<HH", 0x10, 0x2345))
    real.write(0x23460, b"\xF4")
    real.run(steps=5)
    assert (real.cs, real.eip, real.sp) == (0x2345, 0x11, 0x7FFA)
    assert struct.unpack("<3H", real.read(0x7FFA, 6)) == (0x1002, 0, 2 | IF | CF)
    assert not real.eflags & IF


def test_real_mode_exceptions_push_no_error_code(real):
    real.write(0x1000, b"\xBB\xFF\xFF\x8B\x07")             # mov bx, FFFF; mov ax, [bx]
    real.run(steps=5)
    assert real.eip == 0x500 + GP + 1 and real.sp == 0x7FFA
    assert struct.unpack("<H", real.read(0x7FFA, 2)) == (0x1003,)


def test_real_mode_iret_loads_all_16_flags(real):
    real.write(0x1000, b"\x68" + struct.pack("<H", 0x7FD7 & ~TF) + b"\x6A\x00\x68\x00\x20\xCF")
    real.write(0x2000, b"\xF4")
    real.run(steps=10)
    assert real.eip == 0x2001 and real.eflags == 0x7FD7 & ~TF and real.sp == 0x8000


def test_the_real_mode_idt_can_be_elsewhere(real):
    real.idt_base, real.idt_limit = 0x3000, 0x3FF
    real.write(0x3000 + 4 * 0x21, struct.pack("<HH", 0x2000, 0))
    real.write(0x2000, b"\xF4")
    real.write(0x1000, b"\xCD\x21")
    real.run(steps=5)
    assert real.eip == 0x2001


def test_an_ivt_too_short_for_double_faults_is_a_triple_fault_in_real_mode(real):
    real.idt_limit = 0
    real.write(0x1000, b"\xCD\x21")
    assert real.run(steps=5).reason == "triple fault"


# ---------------------------------------------------------------- what -d int shows
def test_every_delivery_is_a_line_of_the_log(stage, tmp_path):
    from qemu_py.util import log
    path = tmp_path / "log"
    log.cpu_set_log_filename(str(path))
    log.cpu_set_log(log.CPU_LOG_INT)
    try:
        stage.set_idt(0x40, gate(CODE0, HANDLERS + 16 * 0x40, A_INT32 | DPL3))
        stage.run("int 0x40", 3)
        stage.run(f"mov eax, {0x900}; mov ds, eax", 3)
    finally:
        log.cpu_set_log(0)
        log.cpu_set_log_filename(None)
    first, second = path.read_text().splitlines()
    assert first.startswith("software 40 ") and f"at {CODE3:04x}:{CODE + 2:08x} cpl 3" in first
    assert second.startswith("exception 0d error 0900 ") and f"at {CODE3:04x}:{CODE + 5:08x}" in second
