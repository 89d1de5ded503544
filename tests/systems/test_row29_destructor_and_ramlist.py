"""Row 29: destructor, warning_printed. Row 30: RAMBlock, RAMList, qemu_ram_alloc."""
import pytest

from qemu_py.system.memory import MemoryRegion, RAMList
from qemu_py.util import log
from qemu_py.util.errors import UserError

from .conftest import Recorder

MiB = 1 << 20


def test_the_destructor_is_called_once(recorder):
    calls = []
    region = recorder.region(0x1000)
    region.destructor = calls.append
    region.destroy()
    region.destroy()
    assert calls == [region]


def test_a_mapped_region_is_not_destroyed(memory, recorder):
    region = recorder.region(0x1000)
    memory.system_memory.add_subregion(0, region)
    with pytest.raises(AssertionError):
        region.destroy()
    memory.system_memory.del_subregion(region)
    region.destroy()


def test_the_destructor_of_ram_gives_its_block_back(memory):
    ram = MemoryRegion.ram("vram", MiB, memory.ram_list)
    memory.system_memory.add_subregion(0, ram)
    memory.system_memory.del_subregion(ram)
    ram.destroy()
    assert memory.ram_list.find("vram") is None


@pytest.fixture
def guest_errors(tmp_path):
    path = tmp_path / "log"
    log.cpu_set_log_filename(str(path))
    log.cpu_set_log(log.cpu_str_to_log_mask("guest_errors"))
    yield path.read_text
    log.cpu_set_log(0)
    log.cpu_set_log_filename(None)


def test_an_access_to_a_reservation_is_warned_of_once(memory, guest_errors):
    region = MemoryRegion.reservation("hole", 0x1000)
    memory.system_memory.add_subregion(0x1000, region)
    for _ in range(3):
        assert memory.address_space_memory.ld(0x1000, 4) == 0xFFFFFFFF
        memory.address_space_memory.st(0x1004, 1, 4)
    assert region.warning_printed
    assert guest_errors().count("hole") == 1


def test_an_overlap_that_was_not_announced_is_warned_of_once(memory, guest_errors):
    for i in range(3):
        memory.system_memory.add_subregion(0x100 * i, Recorder().region(0x1000, name=f"r{i}"))
    assert guest_errors().count("overlaps") == 1


def test_unassigned_accesses_are_guest_errors(memory, guest_errors):
    memory.address_space_memory.ld(0x123000, 4)
    memory.physmap.port_write(0x321, 0x55)
    assert "123000" in guest_errors() and "321" in guest_errors()


# ---- row 30
def test_a_block_goes_into_the_smallest_gap_that_holds_it():
    ram = RAMList()
    blocks = [ram.qemu_ram_alloc(f"b{i}", size * 0x1000) for i, size in enumerate((1, 8, 1, 3, 1, 5, 1))]
    assert [b.offset for b in blocks] == [o * 0x1000 for o in (0, 1, 9, 10, 13, 14, 19)]
    for i in (1, 3, 5):
        ram.qemu_ram_free(blocks[i])                     # gaps of 8, 3 and 5 pages
    assert ram.qemu_ram_alloc("four", 0x4000).offset == 14 * 0x1000
    assert ram.qemu_ram_alloc("three", 0x3000).offset == 10 * 0x1000
    assert ram.qemu_ram_alloc("six", 0x6000).offset == 1 * 0x1000
    assert ram.qemu_ram_alloc("nine", 0x9000).offset == 20 * 0x1000


def test_sizes_are_rounded_up_to_pages():
    ram = RAMList()
    assert ram.qemu_ram_alloc("rom", 1).length == 0x1000
    assert ram.qemu_ram_alloc("next", 0x1000).offset == 0x1000


def test_a_duplicate_name_is_refused():
    ram = RAMList()
    ram.qemu_ram_alloc("pc.ram", MiB)
    with pytest.raises(UserError, match="pc.ram"):
        ram.qemu_ram_alloc("pc.ram", MiB)


def test_anonymous_memory_is_zero_and_addressable_by_name_and_address():
    ram = RAMList()
    block = ram.qemu_ram_alloc("pc.ram", MiB)
    assert not block.view.any()
    assert ram.find("pc.ram") is block and ram.qemu_get_ram_block(MiB - 1) is block
    with pytest.raises(LookupError):
        ram.qemu_get_ram_block(MiB)
    assert ram.total() == MiB and ram.last_ram_offset() == MiB


def test_a_file_backs_memory_and_keeps_it(tmp_path):
    path = tmp_path / "ram"
    ram = RAMList()
    block = ram.qemu_ram_alloc("pc.ram", 0x3000, mem_path=path)
    block.view[0x2000] = 0xA5
    block.buffer.flush()
    assert path.stat().st_size == 0x3000
    assert path.read_bytes()[0x2000] == 0xA5


def test_a_file_that_cannot_be_opened_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        RAMList().qemu_ram_alloc("pc.ram", MiB, mem_path=tmp_path / "nowhere" / "ram")


def test_more_memory_than_there_can_be_is_a_users_error():
    with pytest.raises(UserError, match="-m"):
        RAMList().qemu_ram_alloc("pc.ram", 1 << 60)


def test_a_callers_buffer_can_be_guest_ram(memory):
    buffer = bytearray(0x2000)
    ram = MemoryRegion.ram("mine", 0x2000, memory.ram_list, buffer=buffer)
    memory.system_memory.add_subregion(0, ram)
    memory.address_space_memory.write(0x1000, b"Z")
    assert buffer[0x1000] == ord("Z")
