"""Row 18: MemoryRegionOps: read and write with opaque, valid and impl sizes."""

import pytest

from qemu_py.system.memory import DEVICE_BIG_ENDIAN, MemoryRegion, MemoryRegionOps

from .conftest import Recorder

BASE = 0xFEB00000


def bus(memory):
    return memory.address_space_memory


def test_the_callback_gets_a_region_relative_address(memory, recorder):
    memory.system_memory.add_subregion(BASE, recorder.region(0x1000))
    bus(memory).st(BASE + 0x24, 0xCAFEF00D, 4)
    bus(memory).ld(BASE + 0xFFC, 4)
    assert recorder.writes == [(0x24, 0xCAFEF00D, 4)]
    assert recorder.reads == [(0xFFC, 4)]


def test_the_opaque_comes_first_when_there_is_one(memory):
    calls = []
    ops = MemoryRegionOps(lambda opaque, addr, size: calls.append((opaque, addr, size)) or 7,
                          lambda opaque, addr, value, size: calls.append((opaque, addr, value, size)))
    memory.system_memory.add_subregion(BASE, MemoryRegion.io("one", 0x1000, ops, opaque="first"))
    memory.system_memory.add_subregion(BASE + 0x1000, MemoryRegion.io("two", 0x1000, ops, opaque="second"))
    assert bus(memory).ld(BASE + 4, 4) == 7
    bus(memory).st(BASE + 0x1008, 5, 2)
    assert calls == [("first", 4, 4), ("second", 8, 5, 2)]


@pytest.mark.parametrize("size, calls", [
    (1, [(8, 1)]),
    (2, [(8, 1), (9, 1)]),
    (4, [(8, 1), (9, 1), (10, 1), (11, 1)]),
    (8, [(8 + i, 1) for i in range(8)]),
])
def test_a_wide_access_to_a_byte_device_is_split_at_rising_addresses(memory, size, calls):
    device = Recorder()
    device.read = lambda addr, width: device.reads.append((addr, width)) or 0x10 + addr
    memory.system_memory.add_subregion(BASE, device.region(0x1000, impl=(1, 1)))
    expected = int.from_bytes(bytes(0x18 + i for i in range(size)), "little")
    assert bus(memory).ld(BASE + 8, size) == expected
    assert device.reads == calls
    bus(memory).st(BASE + 8, expected, size)
    assert device.writes == [(addr, 0x10 + addr, 1) for addr, _ in calls]


def test_a_qword_is_two_dwords_by_default(memory, recorder):
    memory.system_memory.add_subregion(BASE, recorder.region(0x1000))
    bus(memory).st(BASE, 0x1122334455667788, 8)
    assert recorder.writes == [(0, 0x55667788, 4), (4, 0x11223344, 4)]


def test_a_narrow_read_is_taken_from_the_wide_unit_that_contains_it(memory):
    device = Recorder(0x44332211)
    memory.system_memory.add_subregion(BASE, device.region(0x1000, impl=(4, 4)))
    assert bus(memory).ld(BASE + 2, 1) == 0x33
    assert bus(memory).ld(BASE + 6, 2) == 0x4433
    assert device.reads == [(0, 4), (4, 4)]


def test_a_narrow_write_is_joined_to_the_wide_unit(memory):
    device = Recorder(0x44332211)
    memory.system_memory.add_subregion(BASE, device.region(0x1000, impl=(4, 4)))
    bus(memory).st(BASE + 1, 0xAA, 1)
    assert device.writes == [(0, 0x4433AA11, 4)]


@pytest.mark.parametrize("size, accepted", [(1, False), (2, False), (4, True), (8, False)])
def test_only_valid_sizes_reach_the_device(memory, size, accepted):
    device = Recorder(0x12345678)
    memory.system_memory.add_subregion(BASE, device.region(0x1000, valid=(4, 4)))
    memory.physmap.io_write(BASE, 0, size)
    value = memory.physmap.io_read(BASE, size)
    assert bool(device.reads) == bool(device.writes) == accepted
    assert value == (0x12345678 if accepted else (1 << 8 * size) - 1)


def test_a_misaligned_access_is_cut_into_aligned_ones_unless_the_device_takes_it(memory):
    plain, lenient = Recorder(), Recorder()
    memory.system_memory.add_subregion(BASE, plain.region(0x1000))
    memory.system_memory.add_subregion(BASE + 0x1000, lenient.region(
        0x1000, name="lenient", valid=(1, 4, True), impl=(1, 4, True)))
    memory.physmap.io_write(BASE + 1, 0x44332211, 4)
    memory.physmap.io_write(BASE + 0x1001, 0x44332211, 4)
    assert b"".join(value.to_bytes(size, "little") for _, value, size in plain.writes) == b"\x11\x22\x33\x44"
    assert all(addr % size == 0 for addr, _, size in plain.writes)
    assert lenient.writes == [(1, 0x44332211, 4)]


def test_a_big_endian_device_sees_its_own_byte_order(memory):
    device = Recorder(0x11223344)
    memory.system_memory.add_subregion(BASE, device.region(0x1000, endianness=DEVICE_BIG_ENDIAN))
    assert bus(memory).ld(BASE, 4) == 0x44332211
    bus(memory).st(BASE, 0x0A0B, 2)
    assert device.writes == [(0, 0x0B0A, 2)]


def test_a_region_without_a_read_reads_as_all_ones(memory):
    memory.system_memory.add_subregion(BASE, MemoryRegion.io("deaf", 0x1000, MemoryRegionOps()))
    assert bus(memory).ld(BASE, 4) == 0xFFFFFFFF
    bus(memory).st(BASE, 1, 4)


# ---- ports: the same regions on the I/O address space
def test_ports_are_served_by_regions_of_the_io_space(memory, recorder):
    recorder.value = 0x5A
    memory.system_io.add_subregion(0x3F8, recorder.region(8, impl=(1, 1)))
    assert memory.physmap.port_read(0x3FD) == 0x5A
    memory.physmap.port_write(0x3F9, 0x0F)
    assert recorder.reads == [(5, 1)] and recorder.writes == [(1, 0x0F, 1)]


def test_a_word_access_to_two_byte_devices_is_split_between_them(memory):
    low, high = Recorder(0x11), Recorder(0x22)
    memory.system_io.add_subregion(0x70, low.region(1, name="index"))
    memory.system_io.add_subregion(0x71, high.region(1, name="data"))
    assert memory.physmap.port_read(0x70, 2) == 0x2211
    memory.physmap.port_write(0x70, 0xBBAA, 2)
    assert low.writes == [(0, 0xAA, 1)] and high.writes == [(0, 0xBB, 1)]


def test_a_word_device_gets_the_word(memory, recorder):
    recorder.value = 0xABCD
    memory.system_io.add_subregion(0x1F0, recorder.region(8, impl=(1, 2)))
    assert memory.physmap.port_read(0x1F0, 2) == 0xABCD
    assert recorder.reads == [(0, 2)]
    assert memory.physmap.port_read(0x1F0, 4) == 0xABCDABCD
    assert recorder.reads[1:] == [(0, 2), (2, 2)]


def test_an_unassigned_port_floats_high(memory):
    assert [memory.physmap.port_read(0x123, size) for size in (1, 2, 4)] == [0xFF, 0xFFFF, 0xFFFFFFFF]
    memory.physmap.port_write(0x123, 0, 4)


def test_the_last_port_has_no_neighbour(memory, recorder):
    recorder.value = 0x42
    memory.system_io.add_subregion(0xFFFF, recorder.region(1))
    assert memory.physmap.port_read(0xFFFF, 2) == 0xFF42


def test_block_callbacks_take_a_whole_string(memory):
    data = bytes(range(64))
    written = []

    def read_block(addr, size, view):
        view[:] = data[:len(view)]

    ops = MemoryRegionOps(read_block=read_block,
                          write_block=lambda addr, size, view: written.append((addr, size, bytes(view))))
    memory.system_io.add_subregion(0x1F0, MemoryRegion.io("ide", 8, ops))
    assert memory.physmap.port_read_block(0x1F0, 2, 32) == data
    memory.physmap.port_write_block(0x1F0, 4, data)
    assert written == [(0, 4, data)]


def test_strings_to_a_device_without_block_callbacks_are_single_accesses(memory, recorder):
    memory.system_io.add_subregion(0xE9, recorder.region(1))
    memory.physmap.port_write_block(0xE9, 1, b"hi!")
    assert [value for _, value, _ in recorder.writes] == list(b"hi!")


def test_a_passive_port_answers_without_a_call(memory, recorder):
    status = bytearray([0x60])
    region = recorder.region(8)
    region.set_passive_read(5, status)
    memory.system_io.add_subregion(0x3F8, region)
    assert memory.physmap.port_read(0x3FD) == 0x60
    status[0] = 0x61
    assert memory.physmap.port_read(0x3FD) == 0x61
    assert recorder.reads == []
    region.set_passive_read(5, None)
    memory.physmap.port_read(0x3FD)
    assert recorder.reads == [(5, 1)]


def test_a_write_sink_calls_nobody_and_may_keep_the_byte(memory, recorder):
    latch = bytearray(1)
    region = recorder.region(1)
    memory.system_io.add_subregion(0x80, region)
    region.set_passive_write(0, buffer=latch)
    memory.physmap.port_write(0x80, 0xD5)
    assert recorder.writes == [] and latch[0] == 0xD5
    region.set_passive_write(0, False)
    memory.physmap.port_write(0x80, 0xD6)
    assert recorder.writes == [(0, 0xD6, 1)]


# ---- what goes wrong in a device
def test_an_exception_in_a_callback_is_kept_for_whoever_runs_the_cpu(memory):
    def read(addr, size):
        raise RuntimeError("broken device")

    memory.system_io.add_subregion(0x100, MemoryRegion.io("broken", 1, MemoryRegionOps(read)))
    with pytest.raises(RuntimeError, match="broken device"):
        memory.physmap.port_read(0x100)
    assert memory.physmap.pending_exception is None


def test_the_lock_is_held_around_every_callback():
    from qemu_py.system.memory import Memory

    class Lock:
        held = 0

        def acquire(self):
            self.held += 1

        def release(self):
            self.held -= 1

    lock = Lock()
    memory = Memory(lock)
    seen = []
    ops = MemoryRegionOps(lambda addr, size: seen.append(lock.held) or 0,
                          lambda addr, value, size: seen.append(lock.held),
                          write_block=lambda addr, size, view: seen.append(lock.held))
    memory.system_io.add_subregion(0x60, MemoryRegion.io("kbd", 1, ops))
    memory.physmap.port_read(0x60)
    memory.physmap.port_write(0x60, 1)
    memory.physmap.port_write_block(0x60, 1, b"ab")
    assert seen == [1, 1, 1] and lock.held == 0
