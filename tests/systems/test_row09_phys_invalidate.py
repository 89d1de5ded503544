"""SYSTEMS row 9: tb_phys_invalidate: tb_remove, tb_page_remove, the jump caches of every CPU."""
from qemu_py._core import inspect
from tests.guest import cpu_with


def test_an_invalidated_block_cannot_be_reached_from_anywhere():
    cpu = cpu_with((0x1000, "inc eax; jmp 0x1010"), (0x1010, "inc ebx; jmp 0x1020"), (0x1020, "hlt"))
    for _ in range(2):
        cpu.eip = 0x1000
        cpu.run()
    number = {inspect.tb_info(cpu, n)["pc"]: n for n in inspect.valid_tbs(cpu)}
    before, victim, after = number[0x1000], number[0x1010], number[0x1020]
    assert inspect.tb_info(cpu, before)["jmp_dest"][0] == victim
    inspect.invalidate(cpu, victim)
    assert victim not in inspect.phys_hash_chain(cpu, 0x1010 >> 2)
    assert victim not in [n for n, _ in inspect.page_tbs(cpu, 0x1000)]
    assert victim not in inspect.jmp_cache(cpu).values()
    assert inspect.tb_info(cpu, before)["jmp_dest"] == [None, None]
    assert inspect.jumps_to(cpu, after) == []
    cpu.eip = 0x1000
    cpu.run()
    assert (cpu.eax, cpu.ebx) == (3, 3)
