"""SYSTEMS row 4: tb_jmp_cache, tb_jmp_cache_hash_func."""
from qemu_py._core import inspect
from tests.guest import cpu_with


def test_it_has_4096_entries():
    assert inspect.jmp_cache_size() == 4096
    assert {inspect.jmp_cache_index(pc) for pc in range(0, 1 << 24, 61)} <= set(range(4096))


def test_a_block_that_ran_is_in_the_cache_at_its_hash():
    cpu = cpu_with((0x1234, "inc eax; hlt"))
    cpu.run()
    n = inspect.jmp_cache(cpu)[inspect.jmp_cache_index(0x1234)]
    assert inspect.tb_info(cpu, n)["pc"] == 0x1234


def test_a_stale_entry_is_verified_again_and_the_block_found_not_made():
    cpu = cpu_with((0x1000, "inc eax; hlt"))
    cpu.run()
    before = cpu.counters()["tb_gen_count"]
    cpu.tlb_flush()
    cpu.eip = 0x1000
    cpu.run()
    assert cpu.counters()["tb_gen_count"] == before and cpu.eax == 2


def test_a_page_flush_clears_that_pages_entries_only():
    cpu = cpu_with((0x1000, "nop; jmp 0x5100"), (0x5100, "jmp 0x9200"), (0x9200, "invlpg [0x5000]; hlt"))
    cpu.run()
    cached = {inspect.tb_info(cpu, n)["pc"] for n in inspect.jmp_cache(cpu).values()}
    assert 0x5100 not in cached
    assert {0x1000, 0x9200} <= cached
