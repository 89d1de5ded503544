"""SYSTEMS row 7: stl_mmu -> io_writel -> notdirty_mem_writel -> tb_invalidate_phys_page_fast."""
from qemu_py._core import inspect
from tests.guest import cpu_with

CODE_DIRTY_FLAG = 2                     # clear: the page holds code, stores are looked at


def code_dirty(cpu, address):
    return bool(cpu.physmap.get_dirty(address, 1, CODE_DIRTY_FLAG))


def test_stores_to_a_page_are_slow_while_it_holds_code_and_fast_when_none_is_left():
    cpu = cpu_with((0x5000, "inc eax; hlt"), (0x1000, "mov dword ptr [0x5000], 0xF4F44040; hlt"))
    assert code_dirty(cpu, 0x5000)
    cpu.run()
    assert not code_dirty(cpu, 0x5000)
    cpu.eip = 0x1000
    cpu.run()                           # kills the page's only block
    assert inspect.page_tbs(cpu, 0x5000) == []
    assert code_dirty(cpu, 0x5000)


def test_the_new_bytes_are_executed():
    cpu = cpu_with((0x5000, "inc eax; hlt"), (0x1000, "mov dword ptr [0x5000], 0xF4F44848; hlt"))
    cpu.run()
    assert cpu.eax == 1
    for eip in (0x1000, 0x5000):        # dec eax; dec eax; hlt
        cpu.eip = eip
        cpu.run()
    assert cpu.eax == 0xFFFFFFFF
