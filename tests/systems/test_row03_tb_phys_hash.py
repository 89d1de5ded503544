"""SYSTEMS row 3: tb_phys_hash, tb_phys_hash_func, phys_hash_next."""
from qemu_py._core import inspect
from tests.guest import cpu_with
from tests.paging import CR0_PG, DIRECTORY, Tables

BUCKETS = 1 << 15


def test_there_are_32768_buckets():
    assert inspect.phys_hash_size() == BUCKETS


def test_a_block_that_is_found_moves_to_the_head_of_its_chain():
    # Buckets are chosen by the physical address without its two lowest bits.
    first, second = 0x1000, 0x1000 + BUCKETS * 4
    cpu = cpu_with((first, "hlt"), (second, "hlt"))
    for pc in (first, second):
        cpu.eip = pc
        cpu.run()
    bucket = first >> 2
    chain = [inspect.tb_info(cpu, n)["pc"] for n in inspect.phys_hash_chain(cpu, bucket)]
    assert chain == [second, first]
    cpu.tlb_flush()                     # entries of tb_jmp_cache are stale now: the hash is asked
    cpu.eip = first
    cpu.run()
    chain = [inspect.tb_info(cpu, n)["pc"] for n in inspect.phys_hash_chain(cpu, bucket)]
    assert chain == [first, second]


def test_a_page_that_is_mapped_at_many_addresses_makes_no_long_chain():
    """A program in each of its processes, with address space layout randomization."""
    cpu = cpu_with((0x1000, "hlt"), (0x8000, "inc eax; hlt"))
    tables = Tables(cpu)
    tables.map(0x1000, 0x1000)
    places = [0x400000 + 0x13000 * n for n in range(64)]
    for place in places:
        tables.map(place, 0x8000)
    cpu.cr3, cpu.cr0 = DIRECTORY, cpu.cr0 | CR0_PG
    for place in places:
        cpu.eip = place
        assert cpu.run().reason == "hlt"
    assert cpu.eax == len(places)
    lengths = [len(inspect.phys_hash_chain(cpu, bucket)) for bucket in range(BUCKETS)]
    assert sum(lengths) == len(places) and max(lengths) <= 4
