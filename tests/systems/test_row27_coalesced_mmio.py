"""Row 27: coalesced MMIO. Row 28: ioeventfds."""
import os
import select

import pytest

from qemu_py.system.memory import MemoryListener

from .conftest import Recorder

BASE = 0xFEB00000


def write(memory, offset, value, size=4):
    memory.physmap.io_write(BASE + offset, value, size)


def test_coalesced_writes_arrive_batched_and_in_order(memory, recorder):
    region = recorder.region(0x1000)
    region.set_coalescing()
    memory.system_memory.add_subregion(BASE, region)
    for i in range(10):
        write(memory, 4 * i, 100 + i)
    assert recorder.writes == []
    memory.physmap.flush_coalesced_mmio()
    assert recorder.writes == [(4 * i, 100 + i, 4) for i in range(10)]


def test_a_read_sees_the_writes_before_it(memory, recorder):
    region = recorder.region(0x1000)
    region.add_coalescing(0x100, 0x100)
    memory.system_memory.add_subregion(BASE, region)
    write(memory, 0x100, 1)
    memory.physmap.io_read(BASE + 0x100, 4)
    assert recorder.writes == [(0x100, 1, 4)]


def test_a_write_outside_of_the_coalesced_range_comes_after_those_inside(memory, recorder):
    region = recorder.region(0x1000)
    region.add_coalescing(0x100, 0x100)
    memory.system_memory.add_subregion(BASE, region)
    write(memory, 0x104, 1)
    write(memory, 0x1FE, 2)             # runs over the range's end: not coalesced
    assert [value for _, value, _ in recorder.writes][0] == 1
    assert recorder.writes[1][0] == 0x1FE


def test_another_device_can_ask_for_the_flush(memory, recorder):
    """The index register of a display adapter must not overtake writes to its memory."""
    region = recorder.region(0x1000)
    region.set_coalescing()
    memory.system_memory.add_subregion(BASE, region)
    ports = Recorder().region(0x10, name="vga")
    ports.set_flush_coalesced()
    memory.system_io.add_subregion(0x3C0, ports)
    write(memory, 0, 1)
    memory.physmap.port_write(0x3C4, 2)
    assert recorder.writes == [(0, 1, 4)]


def test_a_full_ring_is_delivered(memory, recorder):
    region = recorder.region(0x1000)
    region.set_coalescing()
    memory.system_memory.add_subregion(BASE, region)
    for i in range(1000):
        write(memory, 0, i)
    memory.physmap.flush_coalesced_mmio()
    assert [value for _, value, _ in recorder.writes] == list(range(1000))


def test_clearing_delivers_and_ends_it(memory, recorder):
    region = recorder.region(0x1000)
    memory.system_memory.add_subregion(BASE, region)
    region.set_coalescing()
    write(memory, 0, 1)
    region.clear_coalescing()
    assert recorder.writes == [(0, 1, 4)]
    write(memory, 4, 2)
    assert recorder.writes[1:] == [(4, 2, 4)]


# ---- row 28
@pytest.fixture
def event():
    if not hasattr(os, "eventfd"):
        pytest.skip("os.eventfd (Python 3.10, Linux)")
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    yield fd
    os.close(fd)


def signalled(fd):
    if select.select([fd], [], [], 0)[0]:
        return os.eventfd_read(fd)
    return 0


def test_a_matching_write_signals_and_calls_no_device(memory, recorder, event):
    region = recorder.region(0x1000)
    region.add_eventfd(0x10, 2, True, 7, event)
    memory.system_memory.add_subregion(BASE, region)
    write(memory, 0x10, 7, 2)
    assert signalled(event) == 1 and recorder.writes == []


@pytest.mark.parametrize("offset, value, size", [(0x12, 7, 2), (0x10, 8, 2), (0x10, 7, 4)])
def test_another_address_value_or_size_does_not(memory, recorder, event, offset, value, size):
    region = recorder.region(0x1000)
    region.add_eventfd(0x10, 2, True, 7, event)
    memory.system_memory.add_subregion(BASE, region)
    write(memory, offset, value, size)
    assert signalled(event) == 0 and recorder.writes == [(offset, value, size)]


def test_several_signal_each_for_its_own_writes(memory, recorder, event):
    region = recorder.region(0x1000)
    others = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
    try:
        for addr, data, fd in ((0x10, 7, event), (0x10, 8, others[0]), (0x8, 7, others[1])):
            region.add_eventfd(addr, 2, True, data, fd)
        memory.system_memory.add_subregion(BASE, region)
        write(memory, 0x10, 8, 2)
        assert [signalled(fd) for fd in (event, *others)] == [0, 1, 0]
        region.del_eventfd(0x10, 2, True, 8, others[0])
        write(memory, 0x10, 8, 2)
        write(memory, 0x8, 7, 2)
        assert [signalled(fd) for fd in (event, *others)] == [0, 0, 1]
        assert recorder.writes == [(0x10, 8, 2)]
    finally:
        for fd in others:
            os.close(fd)


def test_without_match_data_any_value_signals(memory, recorder, event):
    region = recorder.region(0x40)
    region.add_eventfd(0x10, 2, False, 0, event)
    memory.system_io.add_subregion(0xC000, region)
    for value in (1, 2, 3):
        memory.physmap.port_write(0xC010, value, 2)
    assert signalled(event) == 3 and recorder.writes == []


def test_a_removed_eventfd_gives_the_writes_back(memory, recorder, event):
    region = recorder.region(0x1000)
    memory.system_memory.add_subregion(BASE, region)
    region.add_eventfd(0, 4, False, 0, event)
    write(memory, 0, 1)
    region.del_eventfd(0, 4, False, 0, event)
    write(memory, 0, 2)
    assert signalled(event) == 1 and recorder.writes == [(0, 2, 4)]


def test_listeners_hear_of_eventfds_where_they_are_mapped(memory, recorder, event):
    class Trace(MemoryListener):
        calls = []

        def eventfd_add(self, section, eventfd):
            self.calls.append(("add", section.mr.name, eventfd.addr))

        def eventfd_del(self, section, eventfd):
            self.calls.append(("del", section.mr.name, eventfd.addr))

    memory.address_space_memory.add_listener(Trace())
    region = recorder.region(0x1000)
    region.add_eventfd(0x10, 2, False, 0, event)
    memory.system_memory.add_subregion(BASE, region)
    region.set_enabled(False)
    assert Trace.calls == [("add", "recorder", 0x10), ("del", "recorder", 0x10)]
