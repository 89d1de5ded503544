"""SYSTEMS row 17: cpu_exec: exceptions, then interrupts by urgency, then look-up and run."""
import struct

from qemu_py._core.bare import CPU
from qemu_py._core.cpu_face import INTERRUPT_HARD, INTERRUPT_NMI
from tests.guest import asm

IDT, GDT, HANDLERS, TRACE = 0x4000, 0x4800, 0x6000, 0x7000
UD, NMI, INTR = 6, 2, 0x31


def machine(code):
    """A CPU whose handlers write their vector to a trace at [TRACE + edi] and return (HLT for #UD)."""
    cpu = CPU("qemu32", ram=1 << 20, deliver=True)
    cpu.idt_base, cpu.idt_limit, cpu.gdt_base, cpu.gdt_limit = IDT, 0x7FF, GDT, 0x1F
    cpu.write(GDT + 8, struct.pack("<QQ", 0x00CF9A000000FFFF, 0x00CF92000000FFFF))
    for vector in range(0x40):
        handler = HANDLERS + vector * 16
        end = "hlt" if vector == UD else "iretd"
        cpu.write(handler, asm(f"mov byte ptr [edi + {TRACE}], {vector}; inc edi; {end}", handler))
        cpu.write(IDT + vector * 8, struct.pack("<HHHH", handler & 0xFFFF, 8, 0x8E00, handler >> 16))
    cpu.write(0x1000, asm(code, 0x1000))
    cpu.eip, cpu.esp, cpu.edi = 0x1000, 0x80000, 0
    pending = [INTR]

    def acknowledge():
        cpu.interrupt(INTERRUPT_HARD, False)
        return pending.pop()
    cpu.physmap.pic_interrupt = acknowledge
    return cpu


def trace(cpu):
    return list(cpu.read(TRACE, cpu.edi))


def test_nmi_is_taken_before_intr():
    cpu = machine("sti; nop; nop; hlt")
    cpu.eflags |= 0x200
    cpu.interrupt(INTERRUPT_HARD | INTERRUPT_NMI)
    cpu.run()
    # NMI's handler is entered first; INTR waits for its IRET because the gate clears IF.
    assert trace(cpu) == [NMI, INTR]


def test_a_pending_exception_is_delivered_before_an_interrupt():
    cpu = machine("ud2")
    cpu.run(steps=3)                            # #UD's handler runs up to its HLT
    assert trace(cpu) == [UD]


def test_intr_waits_for_if():
    cpu = machine("nop; nop; sti; nop; hlt")
    cpu.interrupt(INTERRUPT_HARD)
    cpu.run(steps=2)
    assert trace(cpu) == []
    cpu.run()
    assert trace(cpu) == [INTR]


def test_the_instruction_behind_sti_runs_before_the_interrupt():
    cpu = machine("sti; mov ebx, edi; nop; hlt")
    cpu.ebx = 99
    cpu.interrupt(INTERRUPT_HARD)
    cpu.run()
    assert cpu.ebx == 0 and trace(cpu) == [INTR]


def test_an_interrupt_ends_hlt():
    cpu = machine("sti; hlt; mov ebx, 7; cli; hlt")
    assert cpu.run().reason == "hlt" and cpu.ebx != 7
    cpu.interrupt(INTERRUPT_HARD)
    cpu.run()
    assert cpu.ebx == 7 and trace(cpu) == [INTR]


def test_a_stop_request_ends_a_loop():
    cpu = machine("jmp 0x1000")
    cpu.kick()
    assert cpu.run().reason == "stopped"
