"""qemu_py.CPU: a CPU model with RAM and no machine."""
import numpy
import pytest

from qemu_py import CPU
from qemu_py.util.errors import UserError
from tests.guest import asm


def with_code(text, **options):
    cpu = CPU("qemu32", ram=1 << 20, **options)
    cpu.write(0x1000, asm(text, 0x1000))
    cpu.eip, cpu.esp = 0x1000, 0x80000
    return cpu


def test_steps_are_exact():
    cpu = with_code("again: inc eax; inc ebx; jmp again")
    for n in (1, 2, 3, 5, 100, 1000):
        before = cpu.eax + cpu.ebx
        result = cpu.run(steps=n * 3)
        assert (result.reason, result.steps) == ("steps", n * 3)
        assert cpu.eax + cpu.ebx - before == 2 * n


def test_until_stops_before_the_instruction_at_the_address():
    cpu = with_code("inc eax; inc eax; inc eax; hlt")
    assert cpu.run(until=0x1002).reason == "until"
    assert (cpu.eip, cpu.eax) == (0x1002, 2)
    assert cpu.run(until=0x1002).reason == "hlt"       # the first instruction of a run always runs


def test_an_exception_is_returned_with_the_state_before_the_instruction():
    cpu = with_code("mov ecx, 0; inc eax; div ecx")
    result = cpu.run()
    assert (result.reason, result.vector, result.steps) == ("exception", 0, 2)
    assert cpu.eip == 0x1006 and cpu.eax == 1


def test_a_software_interrupt_is_returned_with_the_state_behind_it():
    cpu = with_code("mov eax, 4; int 0x80; nop")
    result = cpu.run()
    assert (result.vector, cpu.eip) == (0x80, 0x1007)


def test_a_page_fault_gives_cr2_and_the_error_code():
    cpu = with_code("mov dword ptr [0x5000], eax")
    cpu.write(0x20000, (0x21003).to_bytes(4, "little"))
    cpu.write(0x21000 + 4, (0x1003).to_bytes(4, "little"))
    cpu.cr3 = 0x20000
    cpu.cr0 |= 1 << 31
    result = cpu.run()
    assert (result.vector, result.error_code, result.cr2) == (14, 2, 0x5000)


def test_an_access_outside_ram_is_named():
    cpu = with_code("mov eax, [0x200000]")
    result = cpu.run()
    assert (result.reason, result.address, result.size, result.write) == ("unmapped", 0x200000, 4, False)
    assert cpu.eip == 0x1000


def test_an_access_outside_ram_reaches_the_callback():
    seen = []

    def on_access(address, size, write, value):
        seen.append((address, size, write, value))
        return 0x1234
    cpu = with_code("mov ax, [0x200000]; mov [0x300004], eax; hlt", on_access=on_access)
    assert cpu.run().reason == "hlt"
    assert seen == [(0x200000, 2, False, 0), (0x300004, 4, True, 0x1234)]


def test_ports_reach_the_callback():
    seen = []

    def on_port(port, size, write, value):
        seen.append((port, size, write, value))
        return 0x5A
    cpu = with_code("in al, 0x60; out 0x61, al; hlt", on_port=on_port)
    cpu.run()
    assert seen == [(0x60, 1, False, 0), (0x61, 1, True, 0x5A)]


def test_what_a_callback_raises_is_raised_by_run():
    def on_port(*_):
        raise LookupError("no such device")
    with pytest.raises(LookupError):
        with_code("in al, 0x60; hlt", on_port=on_port).run()


def test_memory_is_a_numpy_view_without_a_copy():
    cpu = with_code("mov byte ptr [0x2000], 7; hlt")
    assert isinstance(cpu.memory, numpy.ndarray) and len(cpu.memory) == 1 << 20
    cpu.memory[0x2001] = 9
    cpu.run()
    assert list(cpu.memory[0x2000:0x2002]) == [7, 9]


@pytest.mark.parametrize("name, value", [
    ("eax", 0x12345678), ("bx", 0x1234), ("cl", 0x56), ("dh", 0x78), ("eip", 0x4000), ("cr2", 0x1000), ("dr0", 0x2000),
    ("gdt_base", 0x3000), ("idt_limit", 0x7FF), ("xmm3", 1 << 100 | 5), ("mxcsr", 0x9F80), ("eflags", 0xC97)])
def test_registers_are_set_and_read(name, value):
    cpu = CPU()
    setattr(cpu, name, value)
    assert getattr(cpu, name) == (value | 2 if name == "eflags" else value)


def test_segments_have_their_hidden_parts():
    cpu = CPU()
    cpu.load_segment("fs", 0x33, 0x1000, 0xFFFF, 0x4092F3 << 8 & 0xF0FF00)
    selector, base, limit, flags = cpu.segment("fs")
    assert (selector, base, limit) == (0x33, 0x1000, 0xFFFF) and flags


def test_fxsave_goes_round():
    cpu = with_code("fld1; fldpi; hlt")
    cpu.run()
    image = cpu.fxsave()
    other = CPU()
    other.fxrstor(image)
    assert other.fxsave() == image and len(image) == 512


def test_msrs():
    cpu = CPU()
    cpu.wrmsr(0x174, 8)
    assert cpu.rdmsr(0x174) == 8
    with pytest.raises(KeyError):
        cpu.rdmsr(0x12345678)


def test_delivery_through_the_guests_idt():
    cpu = with_code("ud2", deliver=True)
    cpu.idt_base, cpu.idt_limit, cpu.gdt_base, cpu.gdt_limit = 0x4000, 0x7FF, 0x4800, 0xF
    cpu.write(0x4000 + 6 * 8, (0x3000 | 8 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.write(0x4808, 0x00CF9A000000FFFF.to_bytes(8, "little"))
    cpu.write(0x3000, asm("mov ebx, 7; hlt", 0x3000))
    assert cpu.run().reason == "hlt" and cpu.ebx == 7
    assert int.from_bytes(cpu.read(cpu.esp, 4), "little") == 0x1000


def test_without_an_idt_delivery_ends_in_a_triple_fault():
    cpu = with_code("ud2", deliver=True)
    cpu.idt_limit = 0
    assert cpu.run().reason == "triple fault"


def test_reset_state():
    cpu = CPU(mode="reset")
    assert (cpu.eip, cpu.segment("cs")[:2], cpu.cr0) == (0xFFF0, (0xF000, 0xFFFF0000), 0x60000010)


@pytest.mark.parametrize("options, says", [
    ({"ram": 0}, "4096"), ({"ram": 5000}, "4096"), ({"ram": 1 << 60}, "host"), ({"mode": "long"}, "mode"),
    ({"model": "8086"}, "8086"), ({"tb_size": 10}, "tb-size")])
def test_bad_arguments_are_one_clear_line(options, says):
    with pytest.raises(UserError, match=says) as e:
        CPU(**options)
    assert "\n" not in str(e.value)


def test_an_unknown_register_is_an_attribute_error():
    with pytest.raises(AttributeError):
        CPU().eaxx
    with pytest.raises(AttributeError):
        CPU().rax = 1
