"""SYSTEMS row 3: tb_phys_hash, tb_phys_hash_func, phys_hash_next."""
from qemu_py._core import inspect
from tests.guest import cpu_with

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
