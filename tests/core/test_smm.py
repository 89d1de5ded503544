"""System management mode (SDM vol. 3, chapter 34: state save map, table 34-1; entry, table 34-4; RSM)."""
import struct

import pytest

from tests.core.protected import CODE, CODE0, CODE3, DATA3, IF, STACK0, STACK3, A_INT32, DPL3, HANDLERS, Stage, gate
from tests.guest import asm

SMBASE, NEW_SMBASE = 0x30000, 0x50000
SAVE = 0x8000                   # the map's offsets are from SMBASE + 8000h
CR0, CR3, EFLAGS, EIP, EDI, EAX, DR6, DR7, TR, CS, ES = (
    0x7FFC, 0x7FF8, 0x7FF4, 0x7FF0, 0x7FEC, 0x7FD0, 0x7FCC, 0x7FC8, 0x7FC4, 0x7FAC, 0x7FA8)
HALT_RESTART, IO_RESTART, REVISION, BASE = 0x7F02, 0x7F00, 0x7EFC, 0x7EF8
RSM = b"\x0F\xAA"


@pytest.fixture
def stage():
    return Stage()


def smi(stage):
    from qemu_py._core.cpu_face import INTERRUPT_SMI
    stage.cpu.interrupt(INTERRUPT_SMI)


def handler(stage, code=b"", smbase=SMBASE):
    data = asm(code, 0x8000, 16) if isinstance(code, str) else code
    stage.cpu.write(smbase + 0x8000, data + RSM)


def saved(stage, offset, smbase=SMBASE):
    return stage.get32(smbase + SAVE + offset)


def start(stage, code, cpl=0, **options):
    """Set the CPU up on `code` with an SMI waiting."""
    stage.run(code, cpl, steps=1, **options)
    smi(stage)


def test_entering_saves_the_state_and_starts_the_handler(stage):
    handler(stage, b"\xF4")
    stage.cpu.dr7 = 0x400
    start(stage, "nop; hlt", 3, eflags=2 | IF)
    stage.cpu.run(steps=1)
    cpu = stage.cpu
    assert (cpu.cs, cpu.eip, cpu.cpl) == (SMBASE >> 4, 0x8001, 0)
    assert cpu.segment("cs")[1:3] == (SMBASE, 0xFFFFFFFF) and cpu.segment("ds")[:3] == (0, 0, 0xFFFFFFFF)
    assert cpu.eflags == 2 and not cpu.cr0 & 0x8000000D and cpu.cr4 == 0
    assert (saved(stage, EIP), saved(stage, EFLAGS), saved(stage, CS) & 0xFFFF) == (CODE + 1, 2 | IF, CODE3)
    assert saved(stage, CR0) & 1 and saved(stage, REVISION) == 0x20000 and saved(stage, BASE) == SMBASE


def test_general_registers_lie_in_the_manuals_order(stage):
    handler(stage)
    code = "mov eax, 1; mov ecx, 2; mov edx, 3; mov ebx, 4; mov ebp, 6; mov esi, 7; mov edi, 8; nop"
    stage.run(code, steps=7)
    smi(stage)
    stage.cpu.run(steps=1)
    values = [saved(stage, EDI - 4 * i) for i in range(8)]
    assert values == [8, 7, 6, STACK0, 4, 3, 2, 1]


def test_rsm_restores_everything(stage):
    handler(stage, "mov eax, 0x1234; mov ds, ax; mov esp, 0x100; cli; std; mov dword ptr [0], 0x77")
    start(stage, "mov eax, 9; mov ecx, 5; int 0x80", 3, eflags=2 | IF | 0x3000)
    stage.set_idt(0x80, gate(CODE0, HANDLERS + 0x800, A_INT32 | DPL3))
    stage.result = stage.cpu.run(steps=100)
    assert stage.vector() == 0x80 and stage.get32(0x12340) == 0x77
    assert stage.stack(5) == [CODE + 12, CODE3, 2 | IF | 0x3000, STACK3, DATA3]
    assert (stage.cpu.eax, stage.cpu.ecx, stage.cpu.ds) == (9, 5, DATA3)


def test_hidden_parts_survive(stage):
    # DS was loaded from a descriptor that is gone when RSM comes
    handler(stage)
    stage.set_gdt(0x40, struct.pack("<Q", 0x004092012345FFFF))
    start(stage, "mov eax, 0x40; mov ds, eax; nop; hlt")
    stage.cpu.run(steps=2)
    before = stage.cpu.segment("ds")
    stage.set_gdt(0x40, bytes(8))
    smi(stage)
    stage.cpu.run(steps=3)
    assert stage.cpu.segment("ds") == before


def test_the_handler_relocates_its_base(stage):
    handler(stage, f"mov ebx, {SMBASE + SAVE + BASE:#x}; mov dword ptr [ebx], {NEW_SMBASE:#x}")
    handler(stage, "mov byte ptr [0x60000], 0x5A", NEW_SMBASE)
    start(stage, "nop; nop; nop; nop; hlt")
    stage.cpu.run(steps=4)
    assert stage.cpu.smbase == NEW_SMBASE
    smi(stage)
    stage.result = stage.cpu.run(steps=20)
    assert stage.result.reason == "hlt" and stage.cpu.read(0x60000, 1) == b"\x5A" and stage.cpu.cs == CODE0


def test_the_handler_may_change_what_the_map_says_it_may(stage):
    handler(stage, f"mov ebx, {SMBASE + SAVE + EAX:#x}; mov dword ptr [ebx], 0xCAFE")
    start(stage, "nop; nop; hlt")
    stage.cpu.run(steps=20)
    assert stage.cpu.eax == 0xCAFE


def test_rsm_outside_smm_is_ud(stage):
    assert stage.fault(RSM)[0] == 6


def test_an_invalid_cr0_in_the_map_is_a_shutdown(stage):
    handler(stage, f"mov ebx, {SMBASE + SAVE + CR0:#x}; mov dword ptr [ebx], 0x80000000")
    start(stage, "nop; hlt")
    assert stage.cpu.run(steps=10).reason == "triple fault"


def test_hlt_is_resumed_or_left_as_the_handler_says(stage):
    for restart, eip in ((True, CODE + 1), (False, CODE + 2)):
        code = "" if restart else f"mov ebx, {SMBASE + SAVE + HALT_RESTART:#x}; mov word ptr [ebx], 0"
        handler(stage, code or b"")
        stage.run("hlt; hlt")
        assert stage.cpu.eip == CODE + 1
        smi(stage)
        assert stage.cpu.run(steps=20).reason == "hlt"
        assert stage.cpu.eip == eip and stage.cpu.cs == CODE0


def test_an_smi_is_taken_right_behind_the_out_that_caused_it():
    stage = None

    def on_port(port, size, write, value):
        if write:
            smi(stage)
        return 0

    stage = Stage(on_port=on_port)
    handler(stage, "mov byte ptr [0x60000], 0x77")
    stage.ok("out 0xB2, al; mov ecx, [0x60000]; hlt")
    assert stage.cpu.ecx == 0x77 and saved(stage, EIP) == CODE + 2


def test_the_io_restart_slot_repeats_the_out():
    stage, seen = None, []

    def on_port(port, size, write, value):
        seen.append(value)
        if len(seen) == 1:
            smi(stage)
        return 0

    stage = Stage(on_port=on_port)
    handler(stage, f"mov ebx, {SMBASE + SAVE + IO_RESTART:#x}; mov word ptr [ebx], 0xFF")
    stage.ok("mov al, 5; out 0xB2, al; hlt")
    assert seen == [5, 5]


def test_init_waits_for_rsm(stage):
    from qemu_py._core.cpu_face import INTERRUPT_INIT
    handler(stage, "nop; nop; mov dword ptr [0x60000], 0x66")
    start(stage, "nop; nop; hlt")
    stage.cpu.run(steps=1)
    stage.cpu.interrupt(INTERRUPT_INIT)
    stage.cpu.run(steps=2)
    assert stage.cpu.cs == SMBASE >> 4 and stage.get32(0x60000) == 0x66
    stage.cpu.run(steps=2)
    assert stage.cpu.segment("cs")[:2] == (0xF000, 0xFFFF0000)
