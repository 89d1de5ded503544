"""SYSTEMS row 11: tb_invalidated_flag, next_tb: no link is made after an invalidation or an interrupt."""
from qemu_py._core import inspect
from tests.guest import cpu_with


def number_of(cpu, pc):
    return next(n for n in inspect.valid_tbs(cpu) if inspect.tb_info(cpu, n)["pc"] == pc)


def test_a_block_that_went_to_a_handler_is_not_linked_to_the_handler():
    cpu = cpu_with((0x1000, "inc eax; jmp 0x1010"), (0x1010, "ud2"), (0x3000, "mov ebx, 7; hlt"), deliver=True)
    cpu.idt_base, cpu.idt_limit = 0x4000, 0x7FF
    cpu.gdt_base, cpu.gdt_limit = 0x4800, 0xFF
    cpu.write(0x4000 + 6 * 8, (0x3000 | 8 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.write(0x4808, 0x00CF9A000000FFFF.to_bytes(8, "little"))
    cpu.write(0x4810, 0x00CF92000000FFFF.to_bytes(8, "little"))
    assert cpu.run().reason == "hlt"
    assert cpu.ebx == 7
    handler = number_of(cpu, 0x3000)
    assert inspect.jumps_to(cpu, handler) == []
    assert inspect.tb_info(cpu, number_of(cpu, 0x1010))["jmp_dest"] == [None, None]


def test_a_block_that_kills_its_successor_runs_what_is_there_now():
    # The store at 1000h overwrites the block it jumps to, round after round.
    cpu = cpu_with((0x1000, "mov byte ptr [0x1101], cl; jmp 0x1100"), (0x1100, "mov al, 0; add ebx, eax; dec ecx; jnz 0x1000; hlt"))
    cpu.ecx, cpu.eax, cpu.ebx = 100, 0, 0
    assert cpu.run().reason == "hlt"
    assert cpu.ebx == sum(range(1, 101))
