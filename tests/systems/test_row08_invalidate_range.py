"""SYSTEMS row 8: tb_invalidate_phys_page_range kills the blocks that overlap the range, no others."""
import pytest

from qemu_py._core import inspect
from tests.guest import cpu_with

BLOCKS = {0x5000: "inc eax; hlt", 0x5010: "inc ebx; hlt", 0x5020: "inc edx; hlt"}      # two bytes each


@pytest.mark.parametrize("store, size, killed", [
    (0x5000, 1, {0x5000}), (0x5001, 1, {0x5000}), (0x5002, 1, set()), (0x500F, 1, set()), (0x500F, 2, {0x5010}),
    (0x5000, 0x11, {0x5000, 0x5010}), (0x5000, 0x100, {0x5000, 0x5010, 0x5020}), (0x5022, 0x100, set())])
def test_only_blocks_with_a_byte_in_the_range_die(store, size, killed):
    cpu = cpu_with(*BLOCKS.items())
    for pc in BLOCKS:
        cpu.eip = pc
        cpu.run()
    cpu.write(store, bytes(size))
    alive = {inspect.tb_info(cpu, n)["pc"] for n, _ in inspect.page_tbs(cpu, 0x5000)}
    assert alive == set(BLOCKS) - killed


def test_a_block_on_two_pages_dies_by_a_store_to_either():
    for store in (0x1FFE, 0x2001):
        cpu = cpu_with((0x1FFD, "mov eax, 0x12345678; hlt"))
        cpu.run()
        cpu.write(store, b"\0")
        assert all(inspect.tb_info(cpu, n)["pc"] != 0x1FFD for n in inspect.valid_tbs(cpu))
        assert inspect.page_tbs(cpu, 0x1000) == []
