"""Virtual-8086 mode, its interrupts, IOPL and VME (SDM vol. 3, chapter 20, tables 20-1 and 20-2)."""
import struct

import pytest

from tests.core.protected import (
    A_INT32, CF, CODE0, CODE3, DATA0, DPL3, FREE, GP, HANDLERS, IF, IOPL3, RF, STACK0, TF, TSS, VIF, VIP, VM, A_CODE, Stage, flat, gate)
from tests.guest import asm

SEG, OFF = 0x1300, 0x100        # code of the 8086 program: linear 13100h
SS86, SP86 = 0x1000, 0x800
UD = 6
CR4_VME, CR4_PVI = 1, 2


@pytest.fixture(params=[True, False], ids=["counted", "uncounted"])
def stage(request):
    stage = Stage(counted=request.param)
    stage.cpu.write(0x10000, bytes(0x1000))
    return stage


def enter(stage, code, eflags=2, steps=200, **segments):
    """Run an 8086 program at 1300:0100 by way of an IRET."""
    data = asm(code, OFF, 16) if isinstance(code, str) else code
    stage.cpu.write(SEG * 16 + OFF, data)
    values = {"gs": 4, "fs": 3, "ds": 0x2000, "es": 0x2100, "ss": SS86, "esp": SP86}
    values.update(segments)
    frame = [OFF, SEG, eflags | VM, values["esp"], values["ss"], values["es"], values["ds"], values["fs"], values["gs"]]
    stage.level(0)
    stage.cpu.write(STACK0 - 36, struct.pack("<9I", *frame))
    stage.cpu.write(0x12000, b"\xCF")
    stage.cpu.esp, stage.cpu.eip, stage.cpu.eflags = STACK0 - 36, 0x12000, 2
    stage.result = stage.cpu.run(steps=steps)
    return stage.result


def monitor_frame(stage, vector):
    """What the monitor finds on its stack, without the error code: EIP CS EFLAGS ESP SS ES DS FS GS."""
    assert stage.vector() == vector, (stage.vector(), stage.result, hex(stage.cpu.eip))
    with_error = vector in (8, 10, 11, 12, 13, 14, 17)
    return stage.stack(10)[1:] if with_error else stage.stack(9)


# ---------------------------------------------------------------- entering and leaving
def test_iret_with_vm_set_enters_and_addresses_are_paragraphs(stage):
    enter(stage, "mov byte ptr [5], 0x77; mov ax, cs; mov bx, es; hlt")
    assert stage.cpu.read(0x20005, 1) == b"\x77"
    assert (stage.cpu.ax, stage.cpu.bx) == (SEG, 0x2100)
    assert monitor_frame(stage, GP) == [OFF + 9, SEG, 2 | VM | RF, SP86, SS86, 0x2100, 0x2000, 3, 4]


def test_the_monitor_gets_null_data_segments_and_ring_0(stage):
    enter(stage, "hlt")
    cpu = stage.cpu
    assert (cpu.ds, cpu.es, cpu.fs, cpu.gs, cpu.cs, cpu.ss, cpu.cpl) == (0, 0, 0, 0, CODE0, DATA0, 0)
    assert not cpu.eflags & VM and cpu.esp == STACK0 - 40


def test_vm_in_the_image_is_ignored_outside_ring_0(stage):
    stage.cpu.write(0x12000, b"\xCD\x80")
    stage.ok(f"push {2 | VM}; push {CODE3}; push 0x12000; iretd", 3)
    assert not stage.stack(3)[2] & VM


def test_a_handler_outside_ring_0_is_gp_with_its_selector(stage):
    stage.set_gdt(FREE, flat(A_CODE | DPL3))
    stage.set_idt(UD, gate(FREE | 3, HANDLERS, A_INT32))
    enter(stage, b"\x0F\x0B")
    assert stage.vector() == GP and stage.stack(1) == [FREE | 1]


def test_privileged_and_protected_mode_instructions(stage):
    for code, vector in ((b"\xF4", GP), (b"\x0F\x06", GP), (b"\x0F\x20\xC0", GP), (b"\x0F\x00\xC0", UD), (b"\x0F\x02\xC0", UD),
                         (b"\x63\xC0", UD), (b"\x0F\x01\xF0", GP)):
        enter(stage, code)
        assert stage.vector() == vector, code


def test_segment_limits_are_64_kib(stage):
    enter(stage, "mov bx, 0xFFFF; mov ax, [bx]")
    assert monitor_frame(stage, GP)[0] == OFF + 3
    enter(stage, "mov bp, 0xFFFF; mov ax, [bp]")
    assert monitor_frame(stage, 12)[0] == OFF + 3


def test_far_transfers_are_those_of_the_8086(stage):
    stage.cpu.write(0x14000, b"\x8C\xC8\xCB")               # mov ax, cs; retf
    enter(stage, b"\x9A\x00\x00\x00\x14\xF4")
    assert stage.cpu.ax == 0x1400 and monitor_frame(stage, GP)[:2] == [OFF + 5, SEG]


# ---------------------------------------------------------------- IOPL
SENSITIVE = ["pushf", "popf", "cli", "sti", "iret", "int 0x21", "pushfd", "popfd", "iretd"]


@pytest.mark.parametrize("instruction", SENSITIVE)
def test_with_iopl_below_3_the_sensitive_instructions_are_gp(stage, instruction):
    enter(stage, asm(instruction, 0, 16))
    assert stage.vector() == GP and stage.stack(3)[:2] == [0, OFF]


@pytest.mark.parametrize("instruction", ["cli", "sti", "pushf", "popf", "pushfd", "popfd"])
def test_with_iopl_3_they_work(stage, instruction):
    enter(stage, asm(instruction, 0, 16) + b"\xF4", eflags=2 | IOPL3)
    assert monitor_frame(stage, GP)[0] == OFF + len(asm(instruction, 0, 16))


def test_int_n_with_iopl_3_goes_to_the_monitor(stage):
    stage.set_idt(0x21, gate(CODE0, HANDLERS + 0x210, A_INT32 | DPL3))
    enter(stage, b"\xCD\x21", eflags=2 | IOPL3 | IF)
    assert monitor_frame(stage, 0x21)[:3] == [OFF + 2, SEG, 2 | VM | IOPL3 | IF]
    assert not stage.cpu.eflags & IF


@pytest.mark.parametrize("code, vector", [(b"\xCC", 3), (b"\xB0\x7F\xFE\xC0\xCE", 4)])
def test_int3_and_into_are_not_iopl_sensitive(stage, code, vector):
    stage.set_idt(vector, gate(CODE0, HANDLERS + 16 * vector, A_INT32 | DPL3))
    enter(stage, code)
    assert monitor_frame(stage, vector)[0] == OFF + len(code)


def test_popf_changes_if_but_not_iopl_with_iopl_3(stage):
    enter(stage, b"\x68\x00\x02\x9D\xF4", eflags=2 | IOPL3)
    assert monitor_frame(stage, GP)[2] & (IF | IOPL3) == IF | IOPL3


def test_iret_of_the_program_with_iopl_3(stage):
    stage.cpu.write(0x14010, b"\xF4")
    enter(stage, b"\x68\x01\x02\x68\x00\x14\x6A\x10\xCF", eflags=2 | IOPL3)
    eip, cs, flags, esp, *_ = monitor_frame(stage, GP)
    assert (eip, cs, esp) == (0x10, 0x1400, SP86) and flags & (IF | CF | IOPL3 | VM) == IF | CF | IOPL3 | VM


# ---------------------------------------------------------------- VME
@pytest.fixture
def vme(stage):
    stage.cpu.cr4 = CR4_VME
    # the 32 bytes below the I/O bitmap are the redirection bitmap; clear: to the program's own table
    stage.put16(TSS + 102, 0x68 + 32)
    stage.cpu.write(TSS + 0x68, bytes(32))
    stage.cpu.write(4 * 0x21, struct.pack("<HH", 0x20, 0x1400))
    stage.cpu.write(0x14020, b"\x9C\x58\xF4")               # pushf; pop ax; hlt
    return stage


def test_a_clear_redirection_bit_sends_int_n_to_the_8086_table(vme):
    enter(vme, b"\xCD\x21", eflags=2 | VIF)
    eip, cs, flags, esp, *_ = monitor_frame(vme, GP)
    assert (eip, cs, esp) == (0x22, 0x1400, SP86 - 6)
    assert not flags & (VIF | TF)
    ip, cs, image = struct.unpack("<3H", vme.cpu.read(SS86 * 16 + SP86 - 6, 6))
    assert (ip, cs) == (OFF + 2, SEG) and image == 2 | IOPL3 | IF       # VIF shown as IF
    assert vme.cpu.ax == 2 | IOPL3


def test_with_iopl_3_the_real_if_is_used(vme):
    enter(vme, b"\xCD\x21", eflags=2 | IF | IOPL3)
    assert monitor_frame(vme, GP)[2] & IF == 0
    assert struct.unpack("<H", vme.cpu.read(SS86 * 16 + SP86 - 2, 2)) == (2 | IOPL3 | IF,)


def test_a_set_redirection_bit_sends_it_to_the_monitor(vme):
    vme.put8(TSS + 0x68 + (0x21 >> 3), 1 << (0x21 & 7))
    vme.set_idt(0x21, gate(CODE0, HANDLERS + 0x210, A_INT32 | DPL3))
    enter(vme, b"\xCD\x21")
    assert vme.vector() == GP                                   # method 3: IOPL below 3
    enter(vme, b"\xCD\x21", eflags=2 | IOPL3)
    assert monitor_frame(vme, 0x21)[0] == OFF + 2               # method 4


def test_cli_and_sti_change_vif(vme):
    enter(vme, b"\xFB\xF4", eflags=2 | IF)
    assert monitor_frame(vme, GP)[2] & (VIF | IF) == VIF | IF
    enter(vme, b"\xFA\xF4", eflags=2 | VIF | IF)
    assert monitor_frame(vme, GP)[2] & (VIF | IF) == IF


def test_sti_with_an_interrupt_pending_is_gp(vme):
    enter(vme, b"\xFB\xF4", eflags=2 | VIP)
    assert monitor_frame(vme, GP)[0] == OFF and not monitor_frame(vme, GP)[2] & VIF


def test_pushf_and_popf_show_vif_as_if(vme):
    enter(vme, b"\x9C\x58\xF4", eflags=2 | VIF)
    assert vme.cpu.ax == 2 | IF | IOPL3
    enter(vme, b"\x68\x02\x02\x9D\xF4")
    assert monitor_frame(vme, GP)[2] & (VIF | IF) == VIF
    enter(vme, b"\x66\x9C\xF4")
    assert monitor_frame(vme, GP)[0] == OFF                     # the 32-bit form still traps


@pytest.mark.parametrize("image, eflags", [(2 | TF, 2), (2 | IF, 2 | VIP)])
def test_popf_and_iret_that_would_set_tf_or_enable_a_pending_interrupt_are_gp(vme, image, eflags):
    enter(vme, b"\x68" + struct.pack("<H", image) + b"\x9D\xF4", eflags=eflags)
    assert monitor_frame(vme, GP)[0] == OFF + 3
    enter(vme, b"\x68" + struct.pack("<H", image) + b"\x0E\x6A\x00\xCF", eflags=eflags)
    assert monitor_frame(vme, GP)[0] == OFF + 6


def test_iret_changes_vif(vme):
    enter(vme, b"\x68\x02\x02\x0E\x68" + struct.pack("<H", OFF + 9) + b"\xCF\x90\xF4")
    assert monitor_frame(vme, GP)[0] in (OFF + 9,) and monitor_frame(vme, GP)[2] & (VIF | IF) == VIF


def test_entering_with_vif_and_vip_set_is_gp_at_once(vme):
    enter(vme, b"\x90\x90", eflags=2 | VIF | VIP)
    assert monitor_frame(vme, GP)[0] == OFF


# ---------------------------------------------------------------- PVI: the same in ring 3
def test_pvi_gives_ring_3_programs_vif(stage):
    stage.cpu.cr4 = CR4_PVI
    stage.ok("sti; int 0x80", 3)
    assert stage.stack(3)[2] & (VIF | IF) == VIF
    stage.ok("cli; int 0x80", 3, eflags=2 | VIF)
    assert not stage.stack(3)[2] & VIF
    assert stage.fault("sti", 3, eflags=2 | VIP) == (GP, 0, 0)


def test_without_pvi_they_are_gp(stage):
    assert stage.fault("sti", 3) == (GP, 0, 0)
    assert stage.fault("cli", 3) == (GP, 0, 0)


def test_pvi_returning_with_vif_and_vip_set_is_gp_at_once(stage):
    stage.cpu.cr4 = CR4_PVI
    stage.cpu.write(0x12000, b"\x90\xCD\x80")
    code = f"push {0x23}; push 0xA000; push {2 | VIF | VIP}; push {CODE3}; push 0x12000; iretd"
    assert stage.fault(code, at=0x10000)[:2] == (GP, 0)
    assert stage.stack(3)[1:] == [0x12000, CODE3]
