"""SYSTEMS row 1: tb_find_fast -> tb_find_slow -> tb_gen_code -> link."""
from tests.guest import cpu_with

LOOP = "mov ecx, 5; again: inc eax; dec ecx; jnz again; hlt"


def test_a_cold_run_generates_once_and_a_second_run_generates_nothing():
    cpu = cpu_with((0x1000, LOOP))
    assert cpu.run().reason == "hlt"
    generated = cpu.counters()["tb_gen_count"]
    assert generated >= 2
    cpu.eip = 0x1000
    assert cpu.run().reason == "hlt"
    assert cpu.counters()["tb_gen_count"] == generated
    assert cpu.eax == 10


def test_a_loop_is_linked_to_itself():
    from qemu_py._core import inspect
    cpu = cpu_with((0x1000, LOOP))
    cpu.run()
    blocks = {inspect.tb_info(cpu, n)["pc"]: n for n in inspect.valid_tbs(cpu)}
    again = blocks[0x1005]
    assert inspect.tb_info(cpu, again)["jmp_dest"][1] == again      # the taken branch
    assert (again, 1) in inspect.jumps_to(cpu, again)
