"""Row 31: physical dispatch (PhysPageDesc): an address resolves to RAM, ROM, I/O or unassigned."""
import random

import pytest

from qemu_py.system.memory import MemoryRegion

from .conftest import Recorder

MiB = 1 << 20


@pytest.fixture
def pc(memory):
    ram = MemoryRegion.ram("pc.ram", 4 * MiB, memory.ram_list)
    memory.system_memory.add_subregion(0, MemoryRegion.alias_of("low", ram, 0, 2 * MiB))
    memory.system_memory.add_subregion(1 << 32, MemoryRegion.alias_of("high", ram, 2 * MiB, 2 * MiB))
    memory.system_memory.add_subregion_overlap(0xA0000, Recorder(0x33).region(0x20000, name="vga"), 1)
    memory.system_memory.add_subregion_overlap(0xE0000, MemoryRegion.rom("bios", 0x20000, memory.ram_list), 1)
    return memory


@pytest.mark.parametrize("address, kind", [
    (0x00000, "ram"), (0x9FFFF, "ram"), (0xA0000, "io"), (0xBFFFF, "io"), (0xC0000, "ram"),
    (0xE0000, "rom"), (0xFFFFF, "rom"), (MiB, "ram"), (2 * MiB, "unassigned"), (0xFFFFFFFF, "unassigned"),
    (1 << 32, "ram"), ((1 << 32) + 2 * MiB - 1, "ram"), ((1 << 32) + 2 * MiB, "unassigned"),
    ((1 << 40) - 1, "unassigned"), (1 << 40, "unassigned"),
])
def test_an_address_resolves_to_one_of_four_kinds(pc, address, kind):
    assert pc.physmap.lookup(address)[0] == kind


def test_the_ram_address_is_neither_the_guests_nor_the_hosts(pc):
    assert pc.physmap.lookup((1 << 32) + 0x1234)[1] == 2 * MiB + 0x1234


def test_an_address_is_resolved_to_region_and_offset(pc):
    section = pc.address_space_memory.find(0xA1234)
    assert (section.mr.name, section.offset_within_address_space) == ("vga", 0xA0000)
    assert pc.address_space_memory.find(3 * MiB) is None


def test_unassigned_memory_reads_as_ones_and_forgets_writes(pc):
    pc.address_space_memory.write(3 * MiB, b"\0" * 16)
    assert pc.address_space_memory.read(3 * MiB, 16) == b"\xFF" * 16
    assert pc.physmap.unassigned_count > 0


def test_memory_above_4_gib_is_memory(pc):
    pc.address_space_memory.write((1 << 32) + 5, b"high")
    assert pc.address_space_memory.read((1 << 32) + 5, 4) == b"high"
    assert pc.address_space_memory.read(5, 4) == bytes(4)


@pytest.mark.parametrize("seed", range(20))
def test_any_tree_resolves_as_its_flat_view_says(memory, seed):
    """Random overlapping leaves, also within a page: every byte is answered by whom the tree names."""
    rng = random.Random(seed)
    regions = []
    owner = {}

    def device(n):
        return Recorder(n).region(rng.choice((1, 0x10, 0x123, 0x1000, 0x1800, 0x3000)), name=f"d{n}",
                                  impl=(1, 1))

    for n in range(1, 12):
        region = device(n)
        memory.system_memory.add_subregion_overlap(rng.randrange(0x6000), region, n)
        regions.append((region, n))
        if rng.random() < 0.3:
            region.set_address(rng.randrange(0x6000))
        if rng.random() < 0.2:
            region.set_enabled(False)
    for region, n in regions:               # rising priority: later ones overwrite
        if region.enabled:
            owner.update(dict.fromkeys(range(region.addr, region.addr + region.size), n))
    got = memory.address_space_memory.read(0, 0xA000)
    assert got == bytes(owner.get(a, 0xFF) for a in range(0xA000))
