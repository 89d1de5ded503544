"""Hardware task switches (SDM vol. 3, chapter 7: TSS 7.2, task switching 7.3, tables 7-1 and 7-2)."""
import struct

import pytest

from tests.core.protected import (A_CODE, A_DATA, A_LDT, A_TASK, A_TSS, A_TSS16, A_TSS_BUSY, CF, CODE, CODE0, CODE3, DATA0,
                                  DATA3, DB, DPL3, FREE, GP, HANDLERS, IF, LDT, LDT_SEL, NOT_PRESENT, NP, NT, RF, SS, STACK0,
                                  STACK1, STACK3, TS, TSS, TSS2, TSS2_SEL, TSS_SEL, VM, Stage, descriptor, far_call, far_jmp,
                                  flat, gate, sequence)

TASK2 = 0x13000                 # code of the second task
UD, DBL = 6, 8
# offsets in a 32-bit TSS (figure 7-2)
LINK, CR3, EIP, EFLAGS, EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = 0, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68
ES, CS, SS_, DS, FS, GS, LDTR, TRAP, MAP = 72, 76, 80, 84, 88, 92, 96, 100, 102
CR0_TS = 8


@pytest.fixture(params=[True, False], ids=["counted", "uncounted"])
def stage(request):
    stage = Stage(counted=request.param)
    stage.cpu.write(TASK2, b"\xF4")
    second(stage)
    return stage


def second(stage, **fields):
    """Fill in the second task's TSS: ring 0, unless told otherwise."""
    values = {EIP: TASK2, EFLAGS: 2, ESP: STACK1, CS: CODE0, SS_: DATA0, DS: DATA0, ES: DATA0, FS: DATA0, GS: DATA0, LDTR: 0,
              EAX: 0xA0, ECX: 0xC0, EDX: 0xD0, EBX: 0xB0, EBP: 0xBB, ESI: 0x51, EDI: 0xD1, TRAP: 0, LINK: 0, CR3: 0}
    names = {"eip": EIP, "eflags": EFLAGS, "cs": CS, "ss": SS_, "ds": DS, "es": ES, "fs": FS, "gs": GS, "ldt": LDTR, "trap": TRAP,
             "esp": ESP, "link": LINK, "cr3": CR3}
    values.update({names[name]: value for name, value in fields.items()})
    for offset, value in values.items():
        stage.put32(TSS2 + offset, value)


def busy(stage, selector):
    return bool(stage.get_gdt(selector)[5] & 2)


def in_second(stage):
    return stage.result.reason == "hlt" and stage.cpu.eip == TASK2 + 1 and stage.cpu.tr == TSS2_SEL


# ---------------------------------------------------------------- what is saved and loaded
def test_jmp_to_a_tss_saves_one_task_and_loads_the_other(stage):
    cpu = stage.cpu
    code = sequence("mov eax, 1; mov ecx, 2; mov edx, 3; mov ebx, 4; mov ebp, 6; mov esi, 7; mov edi, 8; stc", far_jmp(TSS2_SEL, 0))
    stage.run(code)
    assert in_second(stage)
    assert [cpu.eax, cpu.ecx, cpu.edx, cpu.ebx, cpu.esp, cpu.ebp, cpu.esi, cpu.edi] == [0xA0, 0xC0, 0xD0, 0xB0, STACK1, 0xBB, 0x51, 0xD1]
    saved = [stage.get32(TSS + o) for o in (EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI)]
    assert saved == [1, 2, 3, 4, STACK0, 6, 7, 8]
    assert stage.get32(TSS + EIP) == CODE + len(code) and stage.get32(TSS + EFLAGS) == 2 | CF
    assert [stage.get16(TSS + o) for o in (ES, CS, SS_, DS, FS, GS)] == [DATA0, CODE0, DATA0, DATA0, DATA0, DATA0]
    assert cpu.cr0 & CR0_TS


def test_jmp_moves_the_busy_bit_and_links_nothing(stage):
    stage.run(far_jmp(TSS2_SEL, 0))
    assert not busy(stage, TSS_SEL) and busy(stage, TSS2_SEL)
    assert stage.get16(TSS2 + LINK) == 0 and not stage.cpu.eflags & NT


def test_call_nests(stage):
    stage.run(far_call(TSS2_SEL, 0))
    assert in_second(stage)
    assert busy(stage, TSS_SEL) and busy(stage, TSS2_SEL)
    assert stage.get16(TSS2 + LINK) == TSS_SEL and stage.cpu.eflags & NT
    assert not stage.get32(TSS + EFLAGS) & NT


def test_iret_with_nt_goes_back_along_the_link(stage):
    stage.cpu.write(TASK2, sequence("mov edx, 0x99; iretd; nop", at=TASK2))
    cpu = stage.ok(sequence("mov edx, 5", far_call(TSS2_SEL, 0), "hlt"))
    assert (cpu.tr, cpu.edx, cpu.eip) == (TSS_SEL, 5, CODE + 5 + 7 + 1)
    assert busy(stage, TSS_SEL) and not busy(stage, TSS2_SEL)
    assert stage.get32(TSS2 + EIP) == TASK2 + 6 and stage.get32(TSS2 + EDX) == 0x99
    assert not stage.get32(TSS2 + EFLAGS) & NT and not cpu.eflags & NT


def test_a_task_gate_is_a_way_to_a_task(stage):
    stage.set_gdt(FREE, gate(TSS2_SEL, 0, A_TASK | DPL3))
    stage.run(far_jmp(FREE | 3, 0xDEAD), 3)
    assert in_second(stage)
    assert stage.get16(TSS + CS) == CODE3


def test_a_ring_3_task_may_not_name_a_ring_0_tss(stage):
    assert stage.fault(far_jmp(TSS2_SEL, 0), 3) == (GP, TSS2_SEL, 0)
    assert stage.fault(far_jmp(TSS2_SEL | 3, 0)) == (GP, TSS2_SEL, 0)


def test_an_interrupt_through_a_task_gate_nests(stage):
    stage.set_idt(0x40, gate(TSS2_SEL, 0, A_TASK))
    stage.run("int 0x40", eflags=2 | IF)
    assert in_second(stage) and stage.cpu.eflags & NT
    assert stage.get32(TSS + EIP) == CODE + 2 and stage.get32(TSS + EFLAGS) == 2 | IF


def test_an_exceptions_error_code_is_pushed_on_the_new_tasks_stack(stage):
    stage.set_idt(GP, gate(TSS2_SEL, 0, A_TASK))
    stage.run(f"mov eax, {0x900}; mov ds, eax", 3)
    assert in_second(stage)
    assert stage.cpu.esp == STACK1 - 4 and stage.stack(1) == [0x900]
    assert stage.get32(TSS + EIP) == CODE + 5 and stage.get32(TSS + EFLAGS) & RF


def test_a_double_fault_task_has_a_stack_of_its_own(stage):
    stage.set_idt(DBL, gate(TSS2_SEL, 0, A_TASK))
    stage.set_idt(GP, bytes(8))
    stage.run(f"mov eax, {0x900}; mov ds, eax")
    assert in_second(stage) and stage.stack(1) == [0]


def test_a_task_of_ring_3(stage):
    second(stage, cs=CODE3, ss=DATA3, ds=DATA3, es=DATA3, fs=0, gs=0, esp=STACK3)
    stage.cpu.write(TASK2, b"\xCC")
    stage.put32(TSS2 + 4, STACK1)
    stage.put32(TSS2 + 8, DATA0)
    stage.set_idt(3, gate(CODE0, HANDLERS + 48, 0xEE))
    stage.run(far_jmp(TSS2_SEL, 0))
    assert stage.vector() == 3 and stage.stack(5) == [TASK2 + 1, CODE3, 2, STACK3, DATA3]
    assert stage.cpu.esp == STACK1 - 20


def test_a_task_in_virtual_8086_mode(stage):
    second(stage, cs=0x1300, eip=0, ss=0x1000, esp=0x800, ds=0x1234, es=1, fs=2, gs=3, eflags=2 | VM)
    stage.put32(TSS2 + 4, STACK1)
    stage.put32(TSS2 + 8, DATA0)
    stage.run(far_jmp(TSS2_SEL, 0))                 # HLT is #GP there
    assert stage.vector() == GP
    assert stage.stack(10) == [0, 0, 0x1300, 2 | VM | RF, 0x800, 0x1000, 1, 0x1234, 2, 3]


def test_the_ldt_of_the_new_task_is_loaded(stage):
    stage.set_ldt(8, flat(A_DATA))
    second(stage, ldt=LDT_SEL, gs=12)
    stage.run(far_jmp(TSS2_SEL, 0))
    assert in_second(stage) and stage.cpu.ldtr == LDT_SEL and stage.cpu.segment("gs")[:2] == (12, 0)
    assert stage.cpu.segment("ldtr")[1] == LDT


def test_cr3_is_loaded_when_paging_is_on(stage):
    for table, phys in ((0x40000, 0x41000), (0x42000, 0x43000)):
        stage.put32(table, phys | 7)
        for page in range(256):
            stage.put32(phys + 4 * page, page << 12 | 7)
    stage.put32(0x43000 + 4 * 0x50, 0x51007)        # the second task sees 51000h at 50000h
    stage.put32(0x51000, 0xCAFE)
    second(stage, cr3=0x42000)
    stage.cpu.write(TASK2, sequence("mov eax, [0x50000]; hlt", at=TASK2))
    stage.cpu.cr3 = 0x40000
    stage.cpu.cr0 |= 0x80000000
    stage.run(far_jmp(TSS2_SEL, 0))
    assert stage.cpu.eax == 0xCAFE and stage.cpu.cr3 == 0x42000


def test_the_t_bit_traps_before_the_first_instruction(stage):
    second(stage, trap=1)
    stage.run(far_jmp(TSS2_SEL, 0))
    assert stage.vector() == DB and stage.stack(1) == [TASK2]
    assert stage.cpu.dr6 & 1 << 15


def test_local_breakpoints_are_disabled_by_a_switch(stage):
    stage.cpu.dr7 = 0x400 | 0x155 | 0x2A
    stage.cpu.dr0 = stage.cpu.dr1 = stage.cpu.dr2 = stage.cpu.dr3 = 0xF0000
    stage.run(far_jmp(TSS2_SEL, 0))
    assert stage.cpu.dr7 & 0x3FF == 0x2A


# ---------------------------------------------------------------- 16 bits
def test_a_16_bit_task(stage):
    stage.set_gdt(FREE, descriptor(TSS2, 0x2B, A_TSS16, 0))
    stage.set_gdt(FREE + 8, descriptor(TASK2, 0xFFF, A_CODE, 4))
    words = [0, STACK0, DATA0, 0, 0, 0, 0, 0, 2, 0xA, 0xC, 0xD, 0xB, 0x8000, 0xBB, 0x51, 0xD1, DATA0, FREE + 8, DATA0, DATA0, 0]
    stage.cpu.write(TSS2, struct.pack("<22H", *words))
    stage.run(far_call(FREE, 0))
    cpu = stage.cpu
    assert stage.result.reason == "hlt" and (cpu.cs, cpu.eip) == (FREE + 8, 1)
    assert [cpu.ax, cpu.cx, cpu.dx, cpu.bx, cpu.sp, cpu.bp, cpu.si, cpu.di] == [0xA, 0xC, 0xD, 0xB, 0x8000, 0xBB, 0x51, 0xD1]
    assert (cpu.fs, cpu.gs) == (0, 0) and stage.get16(TSS2) == TSS_SEL and cpu.eflags & NT


def test_a_16_bit_task_saves_words(stage):
    stage.set_gdt(TSS_SEL, descriptor(TSS, 0x2B, A_TSS16 | 2, 0))
    stage.cpu.load_segment("tr", TSS_SEL, TSS, 0x2B, 0x8300)
    stage.cpu.write(TSS, b"\xEE" * 0x68)
    code = sequence("mov eax, 0x12345678", far_jmp(TSS2_SEL, 0))
    stage.run(code)
    assert in_second(stage)
    assert stage.get16(TSS + 0x0E) == (CODE + len(code)) & 0xFFFF and stage.get16(TSS + 0x12) == 0x5678
    assert stage.get16(TSS + 0x24) == CODE0 and stage.get16(TSS + 0x2A) == 0xEEEE and stage.get16(TSS + 0x2C) == 0xEEEE


# ---------------------------------------------------------------- table 7-1
@pytest.mark.parametrize("selector, access, limit, want", [
    (FREE, A_TSS_BUSY, 0x67, (GP, FREE)), (FREE, A_TSS & ~NOT_PRESENT, 0x67, (NP, FREE)), (FREE, A_TSS, 0x66, (TS, FREE)),
    (FREE, A_TSS16, 0x2A, (TS, FREE)), (FREE | 4, A_TSS, 0x67, (GP, FREE | 4)), (FREE, A_LDT, 0x67, (GP, FREE))])
def test_a_tss_that_is_refused_leaves_the_old_task_running(stage, selector, access, limit, want):
    stage.set_gdt(FREE, descriptor(TSS2, limit, access, 0))
    assert stage.fault(far_call(selector, 0)) == (*want, 0)
    assert stage.cpu.tr == TSS_SEL and busy(stage, TSS_SEL)


@pytest.mark.parametrize("link, access, want", [
    (0, None, (TS, 0)), (FREE, A_TSS, (TS, FREE)), (FREE | 4, A_TSS_BUSY, (TS, FREE | 4)), (0x900, None, (TS, 0x900)),
    (FREE, A_TSS_BUSY & ~NOT_PRESENT, (NP, FREE))])
def test_iret_to_a_link_that_is_refused(stage, link, access, want):
    if access is not None:
        stage.set_gdt(FREE, descriptor(TSS2, 0x67, access, 0))
    stage.put16(TSS + LINK, link)
    assert stage.fault("iretd", eflags=2 | NT) == (*want, 0)


# What is wrong with the new task itself is found in the new task: its TSS, its EIP.
@pytest.mark.parametrize("fields, access, want", [
    ({"ldt": 0x900}, None, (TS, 0x900)), ({"ldt": FREE}, A_DATA, (TS, FREE)), ({"ldt": FREE}, A_LDT & ~NOT_PRESENT, (TS, FREE)),
    ({"ldt": FREE | 4}, A_LDT, (TS, FREE | 4)),
    ({"cs": 0}, None, (TS, 0)), ({"cs": FREE}, A_DATA, (TS, FREE)), ({"cs": FREE}, A_CODE | DPL3, (TS, FREE)),
    ({"cs": FREE}, A_CODE & ~NOT_PRESENT, (NP, FREE)), ({"cs": 0x900}, None, (TS, 0x900)),
    ({"ss": 0}, None, (TS, 0)), ({"ss": FREE}, A_CODE, (TS, FREE)), ({"ss": FREE}, A_DATA | DPL3, (TS, FREE)),
    ({"ss": FREE | 3}, A_DATA, (TS, FREE)), ({"ss": FREE}, A_DATA & ~NOT_PRESENT, (SS, FREE)),
    ({"ds": FREE}, A_CODE & ~2, (TS, FREE)), ({"es": FREE | 3}, A_DATA, (TS, FREE)), ({"gs": FREE}, A_DATA & ~NOT_PRESENT, (NP, FREE)),
    ({"fs": 0x900}, None, (TS, 0x900))])
def test_faults_in_the_new_tasks_context(stage, fields, access, want):
    if access is not None:
        stage.set_gdt(FREE, flat(access) if access & 0x10 else descriptor(LDT, 0xFF, access, 0))
    second(stage, **fields)
    # the handler is a task too: the new task may have no usable stack
    third = 0x3900
    stage.set_gdt(FREE + 8, descriptor(third, 0x67, A_TSS, 0))
    for offset, value in {EIP: HANDLERS, EFLAGS: 2, ESP: STACK3, CS: CODE0, SS_: DATA0, DS: 0, ES: 0, FS: 0, GS: 0}.items():
        stage.put32(third + offset, value)
    stage.set_idt(want[0], gate(FREE + 8, 0, A_TASK))
    stage.run(far_jmp(TSS2_SEL, 0))
    assert stage.result.reason == "hlt" and stage.cpu.tr == FREE + 8
    assert stage.stack(1) == [want[1]]
    assert stage.get16(third + LINK) == TSS2_SEL
    assert stage.get32(TSS2 + EIP) == TASK2 and busy(stage, TSS2_SEL) and not busy(stage, TSS_SEL)


def test_an_eip_beyond_the_limit_is_gp_in_the_new_task(stage):
    stage.set_gdt(FREE, descriptor(0, TASK2 - 1, A_CODE, 4))
    second(stage, cs=FREE)
    stage.run(far_jmp(TSS2_SEL, 0))
    assert stage.vector() == GP and stage.stack(3)[:3] == [0, TASK2, FREE]


def test_a_tss_that_is_not_mapped_faults_in_the_old_task(stage):
    stage.put32(0x40000, 0x41007)
    for page in range(256):
        stage.put32(0x41000 + 4 * page, page << 12 | 7)
    stage.put32(0x41000 + 4 * 0x5, 0)
    stage.set_gdt(FREE, descriptor(0x4FE0, 0x67, A_TSS, 0))     # crosses into the missing page
    stage.cpu.cr3 = 0x40000
    stage.cpu.cr0 |= 0x80000000
    assert stage.fault(far_jmp(FREE, 0)) == (14, 0, 0)
    assert stage.cpu.cr2 == 0x5000 and stage.cpu.tr == TSS_SEL and busy(stage, TSS_SEL) and not busy(stage, FREE)
