"""Row 22: ram, ram_addr, terminates. Row 23: readonly, rom_device, readable."""
import pytest

from qemu_py.system.memory import DIRTY_MEMORY_VGA, Memory, MemoryRegion

from .conftest import Recorder

MiB = 1 << 20


def test_ram_is_reached_without_callbacks(memory):
    ram = MemoryRegion.ram("pc.ram", MiB, memory.ram_list)
    memory.system_memory.add_subregion(0, ram)
    before = memory.physmap.io_count
    memory.address_space_memory.write(0x7C00, b"\x55\xAA")
    assert memory.address_space_memory.read(0x7C00, 2) == b"\x55\xAA"
    assert memory.physmap.io_count == before
    assert memory.physmap.lookup(0x7C00) == ("ram", ram.ram_addr + 0x7C00, 0)


def test_the_view_is_the_memory_itself(memory):
    ram = MemoryRegion.ram("pc.ram", MiB, memory.ram_list)
    memory.system_memory.add_subregion(0, ram)
    ram.view[100:104] = (1, 2, 3, 4)
    assert memory.address_space_memory.read(100, 4) == bytes((1, 2, 3, 4))
    memory.address_space_memory.write(102, b"\xFF")
    assert ram.view[102] == 0xFF and ram.view.base is not None


@pytest.mark.parametrize("addr, length", ((0x2000, 0x3000), (0x2001, 0x2FFF), (0x2FF0, 0x20), (0x2FF0, 0x1020), (0x2010, 0x10), (0xFFE00, 0x400), (0, MiB)))
@pytest.mark.parametrize("backing", ("ours", "a file", "the caller's"))
def test_clear_stores_zeros_there_and_nowhere_else(memory, tmp_path, backing, addr, length):
    """Also where whole pages are given back to the host, across the end of a block, and in what has no page of its own."""
    how = {"ours": {}, "a file": {"mem_path": tmp_path / "ram"}, "the caller's": {"buffer": bytearray(MiB)}}[backing]
    ram = MemoryRegion.ram("pc.ram", MiB, memory.ram_list, **how)
    memory.system_memory.add_subregion(0, ram)
    memory.system_memory.add_subregion(MiB, MemoryRegion.ram("more", MiB, memory.ram_list))
    memory.address_space_memory.write(0, b"\xAA" * 2 * MiB)
    memory.address_space_memory.clear(addr, length)
    assert memory.address_space_memory.read(0, 2 * MiB) == b"\xAA" * addr + bytes(length) + b"\xAA" * (2 * MiB - addr - length)


def test_clear_is_a_store(memory):
    """It sets dirty bits, reaches devices, and leaves ROM alone."""
    ram = MemoryRegion.ram("pc.ram", 0x3000, memory.ram_list)
    rom = MemoryRegion.rom("bios", 0x1000, memory.ram_list, b"\x55" * 0x1000)
    device = Recorder(1)
    for at, region in ((0, ram), (0x3000, rom), (0x4000, device.region(4))):
        memory.system_memory.add_subregion(at, region)
    ram.set_log(True, DIRTY_MEMORY_VGA)
    ram.reset_dirty(0, 0x3000, DIRTY_MEMORY_VGA)
    memory.address_space_memory.clear(0x1000, 0x3004)
    assert [ram.get_dirty(page, 0x1000, DIRTY_MEMORY_VGA) for page in (0, 0x1000, 0x2000)] == [False, True, True]
    assert memory.address_space_memory.read(0x3000, 4) == b"\x55" * 4
    assert len(device.writes) > 0


def test_a_leaf_ends_the_search(memory):
    """What lies below a leaf is hidden, also where the leaf answers nothing."""
    below = Recorder(1)
    memory.system_memory.add_subregion_overlap(0, below.region(0x1000, name="below"), 0)
    leaf = MemoryRegion.reservation("nothing", 0x1000)
    memory.system_memory.add_subregion_overlap(0, leaf, 1)
    assert leaf.terminates and not memory.system_memory.terminates
    assert memory.address_space_memory.ld(0, 1) == 0xFF
    assert below.reads == []


def test_a_container_lets_the_search_go_on(memory):
    below = Recorder(1)
    memory.system_memory.add_subregion_overlap(0, below.region(0x1000, name="below"), 0)
    memory.system_memory.add_subregion_overlap(0, MemoryRegion("box", 0x1000), 1)
    assert memory.address_space_memory.ld(0, 1) == 1


def test_dma_may_map_ram_in_place(memory):
    ram = MemoryRegion.ram("pc.ram", MiB, memory.ram_list)
    memory.system_memory.add_subregion(0, ram)
    view = memory.address_space_memory.map(0xFF000, 0x4000)
    assert len(view) == 0x1000          # RAM ends there
    view[0] = 9
    assert ram.view[0xFF000] == 9
    assert memory.address_space_memory.map(2 * MiB, 16) is None


def test_an_access_may_run_over_many_pages_and_kinds(memory, recorder):
    recorder.value = 0xEE
    memory.system_memory.add_subregion(0, MemoryRegion.ram("pc.ram", 0x2000, memory.ram_list))
    memory.system_memory.add_subregion(0x2000, recorder.region(0x1000, impl=(1, 1)))
    memory.address_space_memory.write(0x1FFE, b"abcd")
    assert recorder.writes == [(0, ord("c"), 1), (1, ord("d"), 1)]
    assert memory.address_space_memory.read(0x1FFE, 4) == b"ab\xEE\xEE"


# ---- row 23
def test_a_write_to_rom_is_ignored(memory):
    rom = MemoryRegion.rom("bios", 0x10000, memory.ram_list, b"BIOS")
    memory.system_memory.add_subregion(0xF0000, rom)
    memory.address_space_memory.write(0xF0000, b"xxxx")
    assert memory.address_space_memory.read(0xF0000, 4) == b"BIOS"
    assert memory.physmap.lookup(0xF0000)[0] == "rom"


def test_readonly_is_inherited_and_can_be_lifted(memory):
    ram = MemoryRegion.ram("pc.ram", MiB, memory.ram_list)
    shadow = MemoryRegion.alias_of("pam", ram, 0xC0000, 0x4000)
    memory.system_memory.add_subregion(0xC0000, shadow)
    shadow.set_readonly(True)
    memory.address_space_memory.write(0xC0000, b"x")
    assert ram.view[0xC0000] == 0
    shadow.set_readonly(False)
    memory.address_space_memory.write(0xC0000, b"x")
    assert ram.view[0xC0000] == ord("x")


def test_a_rom_device_is_read_as_memory_and_written_through_its_callback(memory, recorder):
    flash = MemoryRegion.romd("flash", 0x10000, memory.ram_list, recorder.ops())
    flash.view[0x20] = 0x99
    memory.system_memory.add_subregion(0xFFF00000, flash)
    assert memory.address_space_memory.ld(0xFFF00020, 1) == 0x99
    memory.address_space_memory.st(0xFFF00020, 0x40, 1)
    assert recorder.writes == [(0x20, 0x40, 1)] and recorder.reads == []
    assert flash.view[0x20] == 0x99


def test_a_rom_device_that_is_not_readable_calls_for_reads_too(memory, recorder):
    recorder.value = 0x80                # a flash chip's status register
    flash = MemoryRegion.romd("flash", 0x10000, memory.ram_list, recorder.ops())
    memory.system_memory.add_subregion(0xFFF00000, flash)
    flash.rom_device_set_readable(False)
    assert memory.address_space_memory.ld(0xFFF00020, 1) == 0x80
    flash.rom_device_set_readable(True)
    assert memory.address_space_memory.ld(0xFFF00020, 1) == 0
    assert recorder.reads == [(0x20, 1)]


def test_two_machines_do_not_share_anything():
    one, two = Memory(), Memory()
    for memory in (one, two):
        memory.system_memory.add_subregion(0, MemoryRegion.ram("pc.ram", MiB, memory.ram_list))
    one.address_space_memory.write(0, b"one")
    assert two.address_space_memory.read(0, 3) == bytes(3)
