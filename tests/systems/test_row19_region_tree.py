"""Row 19: MemoryRegion parent, addr, size, subregions. Row 20: alias, alias_offset. Row 21: priority."""
import pytest

from qemu_py.system.flatview import generate_memory_topology
from qemu_py.system.memory import MemoryRegion

from .conftest import Recorder

MiB = 1 << 20


def flat(root):
    return [(fr.addr, fr.end, fr.mr.name, fr.offset_in_region) for fr in generate_memory_topology(root)]


def test_the_root_spans_two_to_the_64(memory):
    assert memory.system_memory.size == 1 << 64
    region = Recorder().region(0x1000)
    memory.system_memory.add_subregion((1 << 64) - 0x1000, region)
    assert flat(memory.system_memory) == [((1 << 64) - 0x1000, 1 << 64, "recorder", 0)]
    assert "fffffffffffff000-ffffffffffffffff" in memory.mtree()


def test_children_are_placed_relative_to_their_parent():
    root, box, leaf = MemoryRegion("root", 1 << 32), MemoryRegion("box", 0x10000), Recorder().region(0x100)
    root.add_subregion(0x80000, box)
    box.add_subregion(0x200, leaf)
    assert leaf.parent is box and box.parent is root and box.subregions == [leaf]
    assert flat(root) == [(0x80200, 0x80300, "recorder", 0)]
    box.set_address(0x90000)
    assert flat(root) == [(0x90200, 0x90300, "recorder", 0)]
    box.del_subregion(leaf)
    assert leaf.parent is None and flat(root) == []


def test_children_are_clipped_to_their_parents():
    root, box, leaf = MemoryRegion("root", 1 << 32), MemoryRegion("box", 0x1000), Recorder().region(0x4000)
    root.add_subregion(0x5000, box)
    box.add_subregion(0x800, leaf)
    assert flat(root) == [(0x5800, 0x6000, "recorder", 0)]
    box.set_size(0x2000)
    assert flat(root) == [(0x5800, 0x7000, "recorder", 0)]


def test_a_region_is_in_one_place_only():
    root, leaf = MemoryRegion("root", 1 << 32), Recorder().region(0x1000)
    root.add_subregion(0, leaf)
    with pytest.raises(AssertionError):
        root.add_subregion(0x1000, leaf)


# ---- row 20
def test_a_write_through_an_alias_is_seen_at_the_target(memory):
    ram = MemoryRegion.ram("pc.ram", 2 * MiB, memory.ram_list)
    memory.system_memory.add_subregion(0, ram)
    memory.system_memory.add_subregion(1 << 32, MemoryRegion.alias_of("high", ram, MiB, MiB))
    memory.address_space_memory.write((1 << 32) + 0x123, b"alias")
    assert memory.address_space_memory.read(MiB + 0x123, 5) == b"alias"
    assert bytes(ram.view[MiB + 0x123:MiB + 0x128]) == b"alias"


def test_a_changed_alias_offset_remaps(memory):
    vram = MemoryRegion.ram("vram", 64 << 10, memory.ram_list)
    vram.view[0], vram.view[0x8000] = 1, 2
    window = MemoryRegion.alias_of("window", vram, 0, 0x8000)
    memory.system_memory.add_subregion(0xB8000, window)
    assert memory.address_space_memory.read(0xB8000, 1) == b"\1"
    window.set_alias_offset(0x8000)
    assert memory.address_space_memory.read(0xB8000, 1) == b"\2"


def test_an_alias_of_a_container_shows_what_is_in_it(memory):
    pci = MemoryRegion("pci", 1 << 32)
    device = Recorder(0x55)
    pci.add_subregion(0xE0000000, device.region(0x1000))
    memory.system_memory.add_subregion(0xE0000000, MemoryRegion.alias_of("hole", pci, 0xE0000000, 0x10000000))
    assert memory.address_space_memory.ld(0xE0000010, 1) == 0x55
    assert device.reads == [(0x10, 1)]


def test_an_alias_does_not_show_more_than_its_target_has():
    root, target = MemoryRegion("root", 1 << 32), Recorder().region(0x1000)
    root.add_subregion(0x10000, MemoryRegion.alias_of("long", target, 0x800, 0x4000))
    assert flat(root) == [(0x10000, 0x10800, "recorder", 0x800)]


def test_a_change_below_an_alias_reaches_the_address_space(memory):
    pci = MemoryRegion("pci", 1 << 32)
    memory.system_memory.add_subregion(0, MemoryRegion.alias_of("all", pci, 0, 1 << 32))
    device = Recorder(0x66)
    region = device.region(0x1000)
    pci.add_subregion(0x7000, region)
    assert memory.address_space_memory.ld(0x7000, 1) == 0x66
    pci.del_subregion(region)
    assert memory.address_space_memory.ld(0x7000, 1) == 0xFF


# ---- row 21
def test_the_highest_priority_wins_and_its_removal_reveals_the_one_below(memory):
    ram = MemoryRegion.ram("pc.ram", MiB, memory.ram_list)
    ram.view[0xA0000] = 0x77
    memory.system_memory.add_subregion(0, ram)
    low, high = Recorder(1), Recorder(2)
    one, two = low.region(0x20000, name="one"), high.region(0x10000, name="two")
    memory.system_memory.add_subregion_overlap(0xA0000, one, 1)
    memory.system_memory.add_subregion_overlap(0xA0000, two, 2)
    assert one.may_overlap and two.priority == 2
    read = lambda: memory.address_space_memory.ld(0xA0000, 1)
    assert read() == 2
    assert memory.address_space_memory.ld(0xB0000, 1) == 1
    memory.system_memory.del_subregion(two)
    assert read() == 1
    memory.system_memory.del_subregion(one)
    assert read() == 0x77


def test_a_negative_priority_lies_under_everything():
    root = MemoryRegion("root", 1 << 32)
    root.add_subregion_overlap(0, Recorder().region(0x10000, name="background"), -1)
    root.add_subregion(0x4000, Recorder().region(0x1000, name="front"))
    assert flat(root) == [(0, 0x4000, "background", 0), (0x4000, 0x5000, "front", 0),
                          (0x5000, 0x10000, "background", 0x5000)]


def test_priority_counts_among_siblings_only():
    root, box = MemoryRegion("root", 1 << 32), MemoryRegion("box", 0x1000)
    box.add_subregion_overlap(0, Recorder().region(0x1000, name="loud"), 100)
    root.add_subregion_overlap(0, box, 1)
    root.add_subregion_overlap(0, Recorder().region(0x1000, name="calm"), 2)
    assert flat(root) == [(0, 0x1000, "calm", 0)]


def test_among_equals_the_last_one_placed_is_on_top():
    root = MemoryRegion("root", 1 << 32)
    root.add_subregion_overlap(0, Recorder().region(0x2000, name="first"), 1)
    root.add_subregion_overlap(0x1000, Recorder().region(0x2000, name="second"), 1)
    assert flat(root) == [(0, 0x1000, "first", 0), (0x1000, 0x3000, "second", 0)]
