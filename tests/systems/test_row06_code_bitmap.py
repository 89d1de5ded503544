"""SYSTEMS row 6: the code bitmap, build_page_bitmap and invalidate_page_bitmap."""
from qemu_py._core import inspect
from tests.guest import asm, cpu_with

CODE, DATA = 0x5000, 0x5800             # one page
STORES = "mov ecx, {n}; again: inc dword ptr [0x5800]; dec ecx; jnz again; hlt"


def run_stores(cpu, n):
    cpu.write(0x1000, asm(STORES.format(n=n), 0x1000))
    cpu.eip = 0x1000
    assert cpu.run().reason == "hlt"


def test_it_is_built_at_the_tenth_store_of_the_cpu_to_the_page():
    cpu = cpu_with((CODE, "inc eax; hlt"))
    cpu.run()
    run_stores(cpu, 9)
    assert inspect.page_code_bitmap(cpu, CODE) == (9, None)
    run_stores(cpu, 1)
    count, bitmap = inspect.page_code_bitmap(cpu, CODE)
    assert bitmap is not None
    translated = [i for i in range(4096) if bitmap[i >> 3] >> (i & 7) & 1]
    assert translated == [0, 1]         # inc eax; hlt


def test_a_store_beside_code_kills_no_block():
    cpu = cpu_with((CODE, "inc eax; hlt"))
    cpu.run()
    [(n, _)] = inspect.page_tbs(cpu, CODE)
    run_stores(cpu, 50)
    assert inspect.page_tbs(cpu, CODE) == [(n, 0)] and n in inspect.valid_tbs(cpu)
    assert cpu.read(DATA, 4) == (50).to_bytes(4, "little")


def test_a_new_block_on_the_page_drops_the_bitmap():
    cpu = cpu_with((CODE, "inc eax; hlt"), (CODE + 0x100, "dec eax; hlt"))
    cpu.run()
    run_stores(cpu, 20)
    assert inspect.page_code_bitmap(cpu, CODE)[1] is not None
    cpu.eip = CODE + 0x100
    cpu.run()
    assert inspect.page_code_bitmap(cpu, CODE) == (0, None)
