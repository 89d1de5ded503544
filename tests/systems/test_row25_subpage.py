"""Row 25: subpage: regions that share one page each answer."""
from qemu_py.system.memory import MemoryRegion

from .conftest import Recorder

PAGE = 0xFED00000


def test_two_regions_within_one_page_each_answer(memory):
    one, two = Recorder(0x11), Recorder(0x22)
    memory.system_memory.add_subregion(PAGE + 0x000, one.region(0x400, name="one"))
    memory.system_memory.add_subregion(PAGE + 0x800, two.region(0x400, name="two"))
    assert memory.physmap.lookup(PAGE)[0] == "subpage"
    assert memory.address_space_memory.ld(PAGE + 0x3FF, 1) == 0x11
    assert memory.address_space_memory.ld(PAGE + 0x800, 1) == 0x22
    assert memory.address_space_memory.ld(PAGE + 0x400, 1) == 0xFF
    assert one.reads == [(0x3FF, 1)] and two.reads == [(0, 1)]
    assert one.region(0x400).subpage


def test_an_access_over_the_border_reaches_both(memory):
    one, two = Recorder(), Recorder()
    memory.system_memory.add_subregion(PAGE, one.region(0x402, name="one"))
    memory.system_memory.add_subregion(PAGE + 0x402, two.region(0x100, name="two"))
    memory.physmap.io_write(PAGE + 0x400, 0x44332211, 4)
    assert one.writes == [(0x400, 0x2211, 2)] and two.writes == [(0, 0x4433, 2)]


def test_a_device_may_sit_inside_a_page_of_ram(memory, recorder):
    recorder.value = 0x77
    ram = MemoryRegion.ram("pc.ram", 0x10000, memory.ram_list)
    memory.system_memory.add_subregion(0, ram)
    memory.system_memory.add_subregion_overlap(0x5010, recorder.region(0x10), 1)
    memory.address_space_memory.write(0x500F, b"\xAA\xBB")
    assert ram.view[0x500F] == 0xAA and recorder.writes == [(0, 0xBB, 1)]
    assert memory.address_space_memory.ld(0x501F, 1) == 0x77
    assert memory.address_space_memory.ld(0x5020, 1) == 0
    assert memory.physmap.lookup(0x4000)[0] == memory.physmap.lookup(0x6000)[0] == "ram"


def test_ram_need_not_end_on_a_page(memory):
    rom = MemoryRegion.rom("vgabios", 0x8A00, memory.ram_list, bytes(0x89FF) + b"\x5A")
    memory.system_memory.add_subregion(0xC0000, rom)
    assert memory.address_space_memory.read(0xC89FF, 2) == b"\x5A\xFF"
    memory.address_space_memory.write(0xC89FF, b"\0\0")
    assert memory.address_space_memory.read(0xC89FF, 2) == b"\x5A\xFF"


def test_ram_mapped_at_an_odd_address_works_byte_for_byte(memory):
    ram = MemoryRegion.ram("odd", 0x3000, memory.ram_list)
    ram.view[:] = [i % 251 for i in range(0x3000)]
    memory.system_memory.add_subregion(0x10123, ram)
    assert memory.address_space_memory.read(0x10123, 0x3000) == bytes(i % 251 for i in range(0x3000))
    memory.address_space_memory.write(0x11FFE, b"wxyz")
    assert bytes(ram.view[0x11FFE - 0x10123:][:4]) == b"wxyz"


def test_the_page_becomes_whole_again(memory):
    small = Recorder().region(0x10, name="small")
    big = Recorder().region(0x1000, name="big")
    memory.system_memory.add_subregion_overlap(PAGE, big, 0)
    memory.system_memory.add_subregion_overlap(PAGE + 0x20, small, 1)
    assert memory.physmap.lookup(PAGE)[0] == "subpage"
    memory.system_memory.del_subregion(small)
    assert memory.physmap.lookup(PAGE)[0] == "io"


def test_ports_need_no_pages(memory):
    a, b = Recorder(1), Recorder(2)
    memory.system_io.add_subregion(0x60, a.region(1, name="data"))
    memory.system_io.add_subregion(0x64, b.region(1, name="status"))
    assert [memory.physmap.port_read(port) for port in (0x60, 0x61, 0x64)] == [1, 0xFF, 2]
