"""SYSTEMS row 5: PageDesc, page_find, first_tb, page_next with tagged pointers."""
from qemu_py._core import inspect
from tests.guest import cpu_with


def test_a_block_that_crosses_a_page_is_on_both_lists_with_tags_0_and_1():
    cpu = cpu_with((0x1FFD, "mov eax, 0x12345678; hlt"))
    cpu.run()
    [(n, tag)] = inspect.page_tbs(cpu, 0x1000)
    assert tag == 0
    assert (n, 1) in inspect.page_tbs(cpu, 0x2000)
    assert inspect.tb_info(cpu, n)["page_addr"] == [0x1000, 0x2000]
    assert cpu.eax == 0x12345678


def test_a_page_without_code_has_no_list():
    cpu = cpu_with((0x1000, "hlt"))
    cpu.run()
    assert inspect.page_tbs(cpu, 0x3000) == []
