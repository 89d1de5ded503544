"""Row 24: enabled, transactions; listeners."""
from qemu_py.system.memory import (
    MemoryListener, MemoryRegion, memory_region_transaction_begin, memory_region_transaction_commit)

from .conftest import Recorder


class Trace(MemoryListener):
    def __init__(self):
        self.calls = []

    def begin(self):
        self.calls.append("begin")

    def commit(self):
        self.calls.append("commit")

    def region_add(self, section):
        self.calls.append(("add", section.mr.name, section.offset_within_address_space, section.size))

    def region_del(self, section):
        self.calls.append(("del", section.mr.name, section.offset_within_address_space, section.size))

    def region_nop(self, section):
        self.calls.append(("nop", section.mr.name))


def test_a_disabled_region_is_not_there(memory):
    device = Recorder(0x11)
    region = device.region(0x1000)
    memory.system_memory.add_subregion(0x5000, region)
    assert memory.address_space_memory.ld(0x5000, 1) == 0x11
    region.set_enabled(False)
    assert memory.address_space_memory.ld(0x5000, 1) == 0xFF
    region.set_enabled(True)
    assert memory.address_space_memory.ld(0x5000, 1) == 0x11


def test_several_changes_in_one_transaction_cause_one_update(memory):
    space = memory.address_space_memory
    before = space.topology_updates
    with memory.transaction():
        for i in range(5):
            memory.system_memory.add_subregion(i * 0x1000, Recorder().region(0x1000, name=f"r{i}"))
        memory.system_memory.subregions[0].set_enabled(False)
        assert space.topology_updates == before
        assert len(space.current_map) == 0
    assert space.topology_updates == before + 1
    assert len(space.current_map) == 4


def test_transactions_nest(memory):
    space = memory.address_space_memory
    before = space.topology_updates
    memory_region_transaction_begin(memory)
    with memory.transaction():
        memory.system_memory.add_subregion(0, Recorder().region(0x1000))
    assert space.topology_updates == before
    memory_region_transaction_commit(memory)
    assert space.topology_updates == before + 1


def test_a_transaction_without_changes_updates_nothing(memory):
    before = memory.address_space_memory.topology_updates
    with memory.transaction():
        pass
    assert memory.address_space_memory.topology_updates == before


def test_listeners_hear_of_changes_only(memory):
    stays = Recorder().region(0x1000, name="stays")
    moves = Recorder().region(0x1000, name="moves")
    memory.system_memory.add_subregion(0, stays)
    memory.system_memory.add_subregion(0x4000, moves)
    trace = Trace()
    memory.address_space_memory.add_listener(trace)
    assert trace.calls == ["begin", ("add", "stays", 0, 0x1000), ("add", "moves", 0x4000, 0x1000), "commit"]
    trace.calls.clear()
    moves.set_address(0x8000)
    assert trace.calls == ["begin", ("del", "moves", 0x4000, 0x1000), ("add", "moves", 0x8000, 0x1000),
                           ("nop", "stays"), "commit"]
    memory.address_space_memory.remove_listener(trace)
    trace.calls.clear()
    moves.set_address(0x9000)
    assert trace.calls == []


def test_adjacent_pieces_of_one_thing_are_one_range(memory):
    ram = MemoryRegion.ram("pc.ram", 0x4000, memory.ram_list)
    memory.system_memory.add_subregion(0, MemoryRegion.alias_of("low", ram, 0, 0x2000))
    memory.system_memory.add_subregion(0x2000, MemoryRegion.alias_of("high", ram, 0x2000, 0x2000))
    assert [(fr.addr, fr.size) for fr in memory.address_space_memory.current_map] == [(0, 0x4000)]


def test_a_device_may_unmap_itself_in_its_own_callback(memory):
    def write(addr, value, size):
        memory.system_memory.del_subregion(region)

    from qemu_py.system.memory import MemoryRegionOps
    region = MemoryRegion.io("bar", 0x1000, MemoryRegionOps(write=write, impl=(1, 1)))
    memory.system_memory.add_subregion(0x1000, region)
    memory.physmap.io_write(0x1000, 1, 1)
    assert memory.address_space_memory.find(0x1000) is None
    assert memory.physmap.lookup(0x1000)[0] == "unassigned"


def test_mtree_shows_the_tree_as_info_mtree_does(memory):
    ram = MemoryRegion.ram("pc.ram", 1 << 20, memory.ram_list)
    memory.system_memory.add_subregion(0, MemoryRegion.alias_of("ram-below-4g", ram, 0, 0xA0000))
    rom = MemoryRegion.rom("bios", 0x10000, memory.ram_list)
    memory.system_memory.add_subregion_overlap(0xF0000, rom, 1)
    memory.system_io.add_subregion(0x60, Recorder().region(1, name="kbd"))
    assert memory.mtree() == (
        "memory\n"
        "0000000000000000-ffffffffffffffff (prio 0, RW): system\n"
        "  0000000000000000-000000000009ffff (prio 0, RW): alias ram-below-4g @pc.ram 0000000000000000-000000000009ffff\n"
        "  00000000000f0000-00000000000fffff (prio 1, R-): bios\n"
        "I/O\n"
        "0000000000000000-000000000000ffff (prio 0, RW): io\n"
        "  0000000000000060-0000000000000060 (prio 0, RW): kbd\n"
        "pc.ram\n"
        "0000000000000000-00000000000fffff (prio 0, RW): pc.ram\n")
