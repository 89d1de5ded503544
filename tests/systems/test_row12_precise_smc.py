"""SYSTEMS row 12: the very next instruction executes the new bytes."""
from tests.guest import asm, cpu_with


def test_the_next_instruction_of_the_same_block():
    # mov byte [next], 0x43 ("inc ebx") over "inc eax"
    store = asm("mov byte ptr [0x1007], 0x43", 0x1000)
    assert len(store) == 7
    cpu = cpu_with((0x1000, store + b"\x40\xF4"))
    assert cpu.run().reason == "hlt"
    assert (cpu.eax, cpu.ebx) == (0, 1)


def test_an_immediate_of_the_next_instruction():
    store = asm("mov dword ptr [0x100B], 0xCAFEBABE", 0x1000)
    cpu = cpu_with((0x1000, store + asm("mov eax, 0") + b"\xF4"))
    assert len(store) == 10
    cpu.run()
    assert cpu.eax == 0xCAFEBABE


def test_an_instruction_that_overwrites_itself_runs_as_it_was_and_then_as_it_is():
    code = asm("mov byte ptr [0x1000], 0xF4", 0x1000)
    cpu = cpu_with((0x1000, code + asm("jmp 0x1000", 0x1000 + len(code))))
    assert cpu.run().reason == "hlt"
    assert cpu.eip == 0x1001


def test_across_a_page():
    # The store is on the first page; what it changes is the end of an instruction on the second.
    store = asm("mov dword ptr [0x1FFE], 0x44332211", 0x1FF3)
    assert len(store) == 10
    cpu = cpu_with((0x1FF3, store + asm("mov eax, 0", 0x1FFD) + b"\xF4"))
    cpu.run()
    assert cpu.eax == 0x44332211


def test_a_push_onto_the_code_ahead():
    cpu = cpu_with((0x1000, asm("push ebx") + asm("mov eax, 0") + b"\xF4"))
    cpu.esp, cpu.ebx = 0x1006, 0x12345678       # the immediate is at 1002h
    cpu.run()
    assert cpu.eax == 0x12345678 and cpu.esp == 0x1002


def test_rep_stos_over_the_code_behind_it():
    cpu = cpu_with((0x1000, asm("rep stosb") + b"\x40" * 8 + b"\xF4"))
    cpu.edi, cpu.ecx, cpu.eax = 0x1002, 8, 0x43         # inc ebx
    cpu.run()
    assert cpu.ebx == 8 and cpu.eax == 0x43


def test_a_loop_that_patches_itself_each_round():
    code = asm("mov byte ptr [0x1007], cl", 0x1000) + asm("add ebx, 0x11") + asm("dec ecx") + b"\x75\xF4" + b"\xF4"
    cpu = cpu_with((0x1000, code))
    at = code.index(b"\x11")
    cpu.write(0x1000, asm(f"mov byte ptr [{0x1000 + at}], cl", 0x1000))
    cpu.ecx = 60
    cpu.run()
    assert cpu.ebx == sum(range(1, 61))
