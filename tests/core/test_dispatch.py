"""PhysMap by itself: mapping, slots, subpages, and what it refuses."""
import mmap

import pytest

from qemu_py._core.dispatch import PhysMap

PAGE = 0x1000


@pytest.fixture
def physmap():
    m = PhysMap()
    m.add_ram(0, mmap.mmap(-1, 16 * PAGE))
    return m


def test_ram_is_mapped_where_it_is_put(physmap):
    physmap.map_ram(0x100000, 2 * PAGE, 3 * PAGE)
    assert physmap.lookup(0x100010) == ("ram", 3 * PAGE + 0x10, 0)
    assert physmap.lookup(0x101000) == ("ram", 4 * PAGE, 0)
    assert physmap.lookup(0x102000)[0] == "unassigned"
    physmap.unmap(0x100000, PAGE)
    assert physmap.lookup(0x100000)[0] == "unassigned"


@pytest.mark.parametrize("phys, size, ram_addr", [
    (0x10, PAGE, 0), (0, 0x10, 0), (0, PAGE, 0x10), (0, 17 * PAGE, 0), (0, PAGE, 16 * PAGE), (1 << 40, PAGE, 0)])
def test_what_is_no_whole_pages_of_ram_is_refused(physmap, phys, size, ram_addr):
    with pytest.raises(ValueError):
        physmap.map_ram(phys, size, ram_addr)


def test_a_slot_that_was_never_made_is_refused(physmap):
    with pytest.raises(ValueError):
        physmap.map_io(0, PAGE, 5)
    with pytest.raises(ValueError):
        physmap.map_ports(0, 1, 5)
    with pytest.raises(ValueError):
        physmap.map_ports(0xFFFF, 2, 0)


def test_slot_numbers_are_used_again(physmap):
    first = physmap.add_slot()
    physmap.remove_slot(first)
    assert physmap.add_slot() == first


def test_a_removed_slot_keeps_no_device_alive():
    import gc
    import weakref

    class Device:
        def read(self, addr, size):
            return 0

    device = Device()
    alive = weakref.ref(device)
    physmap = PhysMap()
    slot = physmap.add_slot(device.read)
    del device
    assert alive() is not None
    physmap.remove_slot(slot)
    gc.collect()
    assert alive() is None


def test_a_page_whose_slot_is_gone_reads_as_unassigned(physmap):
    slot = physmap.add_slot(lambda addr, size: 1)
    physmap.map_io(0x200000, PAGE, slot)
    physmap.remove_slot(slot)
    assert physmap.io_read(0x200000, 4) == 0xFFFFFFFF


def test_subpages_refuse_what_does_not_fit_a_page(physmap):
    with pytest.raises(ValueError):
        physmap.add_subpage([(0, PAGE + 1, "io", 0, 0)])
    with pytest.raises(ValueError):
        physmap.add_subpage([(0, 0x20, "ram", 0, PAGE - 0x10)])
    with pytest.raises(ValueError):
        physmap.add_subpage([(0, 1, "ram", 0, 99 * PAGE)])


def test_values_wider_than_the_access_are_cut(physmap):
    written = []
    slot = physmap.add_slot(lambda addr, size: 0x1122334455, lambda addr, value, size: written.append(value))
    physmap.map_ports(0x10, 1, slot)
    assert physmap.port_read(0x10) == 0x55
    physmap.port_write(0x10, 0x1FF)
    assert written == [0xFF]


@pytest.mark.parametrize("value", [-1, None, "x", 1.5])
def test_what_a_device_returns_is_a_number_or_an_error(physmap, value):
    physmap.map_ports(0x10, 1, physmap.add_slot(lambda addr, size: value))
    if value == -1:
        assert physmap.port_read(0x10) == 0xFF
    else:
        with pytest.raises(TypeError):
            physmap.port_read(0x10)


def test_ram_may_grow(physmap):
    before = physmap.ram_pages
    physmap.add_ram(32 * PAGE, mmap.mmap(-1, 8 * PAGE))
    assert physmap.ram_pages == 40 > before
    physmap.map_ram(0, PAGE, 39 * PAGE)
    with pytest.raises(ValueError):
        physmap.map_ram(0, PAGE, 20 * PAGE)             # between the blocks


def test_a_buffer_that_is_no_whole_pages_is_refused(physmap):
    with pytest.raises(ValueError):
        physmap.add_ram(64 * PAGE, bytearray(100))
    with pytest.raises((ValueError, BufferError)):
        physmap.add_ram(64 * PAGE, bytes(PAGE))


def test_ram_stays_alive_as_long_as_the_map():
    memory = mmap.mmap(-1, PAGE)
    physmap = PhysMap()
    physmap.add_ram(0, memory)
    with pytest.raises(BufferError):
        memory.close()
    physmap.remove_ram(0)
    memory.close()


def test_the_pic_is_asked_and_ferr_told_through_attributes(physmap):
    assert physmap.pic_interrupt is None and physmap.ferr is None
    physmap.pic_interrupt = lambda: 8
    physmap.ferr = lambda: None
