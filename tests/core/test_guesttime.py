"""Counters that the core answers for: each agrees with the model that it stands for."""
import threading
from time import monotonic_ns, sleep, thread_time_ns

import pytest

from qemu_py._core.guesttime import GuestTime, PassiveCounter
from qemu_py.devices.i8254 import PIT_FREQ, Counter
from qemu_py.system.memory import Memory, MemoryRegion, MemoryRegionOps

HPET_HZ, PM_HZ = 100_000_000, 3_579_545


@pytest.fixture
def time():
    """Stands still."""
    time = GuestTime()
    time.enable()
    time.disable()
    return time


def read(counter, size=4, shift=0, device=lambda addr, size: 0xEE):
    memory = Memory()
    region = MemoryRegion.io("counter", 8, MemoryRegionOps(device))
    region.add_counter(0, size, counter, shift)
    memory.system_io.add_subregion(0x600, region)
    return memory.physmap.port_read(0x600, size)


def test_time_stands_still_until_it_is_enabled():
    time = GuestTime()
    assert time.get_ns() == 0 == time.get_ns() and not time.running
    time.enable()
    first = time.get_ns()
    while time.get_ns() == first:
        pass
    time.disable()
    assert time.get_ns() == time.get_ns() > first


def test_a_count_is_a_function_of_the_time(time):
    counter = PassiveCounter(time)
    counter.count_up(PM_HZ, 0xFFFFFF)
    assert read(counter) == time.get_ns() * PM_HZ // 10 ** 9 & 0xFFFFFF
    year = 365 * 86400 * 10 ** 9
    counter.count_up(HPET_HZ, (1 << 64) - 1, base=5, since=time.get_ns() - year)
    assert read(counter) == 5 + year // 10 & 0xFFFFFFFF
    assert read(counter, shift=32) == 5 + year // 10 >> 32


def test_an_access_of_another_size_or_an_inactive_counter_asks_the_device(time):
    counter = PassiveCounter(time)
    assert read(counter) == 0xEE
    counter.count_up(PM_HZ, 0xFFFFFF, base=0x1000)
    assert read(counter, size=2) != 0xEE
    memory = Memory()
    region = MemoryRegion.io("counter", 8, MemoryRegionOps(lambda addr, size: 0xEE))
    region.add_counter(0, 4, counter)
    memory.system_io.add_subregion(0x600, region)
    assert memory.physmap.port_read(0x600, 1) == 0xEE == memory.physmap.port_read(0x604, 4)
    memory.system_memory.add_subregion(0xE0000000, MemoryRegion.alias_of("mmio", region, 0, 8))
    assert memory.physmap.io_read(0xE0000000, 4) == memory.physmap.port_read(0x600, 4)
    counter.ask_device()
    assert memory.physmap.port_read(0x600, 4) == 0xEE


@pytest.mark.parametrize("mode", [0, 2, 3, 4])
@pytest.mark.parametrize("reload", [1, 2, 3, 18, 1193, 1194, 0x10000])
def test_the_8254_of_the_core_counts_as_the_model_does(time, mode, reload):
    model, counter = Counter(), PassiveCounter(time)
    port61 = PassiveCounter(time)
    now = time.get_ns() * PIT_FREQ // 10 ** 9
    s = model.s
    s.mode, s.reload, s.counting = mode, reload, True
    for e in (-1, 0, 1, 2, 3, 17, 18, 19, 600, 1192, 1193, 1194, 32768, 65535, 65536, 100_000, 1 << 40):
        s.start = now - e
        counter.count_8254(PIT_FREQ, s.start, reload, mode, 3, False, -1)
        assert read(counter, 1) | read(counter, 1) << 8 == model.count(now)
        counter.count_8254(PIT_FREQ, s.start, reload, mode, 1, False, -1)
        assert read(counter, 1) == model.count(now) & 0xFF == read(counter, 1)
        if mode != 4:
            port61.port61(0x01, 0x10, 1, 0x20, counter)
            assert read(port61, 1) & 0x2F == 0x01 | model.output(now) << 5


def test_a_latched_count_is_read_once_low_byte_first(time):
    counter = PassiveCounter(time)
    counter.count_8254(PIT_FREQ, 0, 100, 2, 3, False, 0x1234)
    assert (read(counter, 1), counter.flip_flop) == (0x34, (True, 0x1234))
    assert (read(counter, 1), counter.flip_flop) == (0x12, (False, -1))
    assert read(counter, 1) <= 100
    counter.count_8254(PIT_FREQ, 0, 100, 2, 2, False, 0x1234)
    assert (read(counter, 1), counter.flip_flop) == (0x12, (False, -1))


def test_port_61h_toggles_with_time():
    time = GuestTime()
    time.enable()
    counter = PassiveCounter(time)
    counter.port61(0x21, 0x10, 1000)
    seen = set()
    while len(seen) < 2:
        seen.add(read(counter, 1))
    assert seen == {0x21, 0x31}


# ---------------------------------------------------------------- a time with an owner
MS = 1_000_000


def elsewhere(function):
    """What another thread finds out while this one does not run."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def spin(ns):
    end = monotonic_ns() + ns
    while monotonic_ns() < end:
        pass


@pytest.fixture
def owned():
    time = GuestTime()
    time.own()
    time.enable()
    return time


def test_what_the_owner_does_not_get_to_run_is_left_out(owned):
    before = owned.get_ns()
    elsewhere(lambda: spin(200 * MS))
    assert owned.get_ns() - before < 100 * MS < owned.lag


def test_what_it_runs_is_not(owned):
    before = owned.get_ns()
    start = thread_time_ns()
    while thread_time_ns() - start < 50 * MS:
        pass
    assert owned.get_ns() - before >= 49 * MS      # what was lost shortly before may be left out now


def test_a_time_without_an_owner_leaves_nothing_out():
    time = GuestTime()
    time.enable()
    before = time.get_ns()
    elsewhere(lambda: spin(20 * MS))
    assert time.get_ns() - before >= 20 * MS and time.lag == 0


def test_it_does_not_go_back_behind_what_another_thread_was_told(owned):
    def look():
        spin(20 * MS)
        return owned.get_ns()
    told = elsewhere(look)
    assert owned.get_ns() >= told >= 20 * MS


def test_a_sleep_makes_up_for_it_but_not_beyond_the_deadline(owned):
    elsewhere(lambda: spin(200 * MS))
    begun, now = monotonic_ns(), owned.get_ns()
    lag = owned.lag
    spin(11 * MS)
    owned.slept(begun, None)
    assert lag - owned.lag >= 10 * MS and owned.get_ns() - now >= 20 * MS
    begun, now, lag = monotonic_ns(), owned.get_ns(), owned.lag
    spin(10 * MS)
    owned.slept(begun, now + 1 * MS)    # 9 ms late: the guest is told that it is in time
    assert owned.lag > lag and now <= owned.get_ns()


def test_a_little_at_a_time_is_made_up_for_while_it_runs(owned):
    elsewhere(lambda: spin(100 * MS))
    owned.get_ns()
    lag = owned.lag
    owned.catch_up(1000)
    assert lag - owned.lag == 1000
    owned.catch_up(1 << 60)
    assert owned.lag == 0


def test_while_it_stands_still_nothing_is_lost(owned):
    owned.disable()
    stopped, lag = owned.get_ns(), owned.lag
    elsewhere(lambda: spin(20 * MS))
    assert owned.get_ns() == stopped
    owned.enable()
    assert owned.lag == lag and owned.get_ns() >= stopped


def test_a_latch_command_is_obeyed_without_the_device(time):
    """Bits 4 and 5 of the control word clear; a second latch before the read is ignored; the rest is the device's."""
    counters = tuple(PassiveCounter(time) for _ in range(3))
    written = []
    memory = Memory()
    region = MemoryRegion.io("pit", 4, MemoryRegionOps(lambda addr, size: 0xEE, lambda addr, value, size: written.append((addr, value))))
    for n, counter in enumerate(counters):
        region.add_counter(n, 1, counter)
    region.set_latch(3, counters)
    memory.system_io.add_subregion(0x40, region)
    port = memory.physmap
    now = time.get_ns() * PIT_FREQ // 10 ** 9
    counters[2].count_8254(PIT_FREQ, now - 10, 0x5000, 2, 3, False, -1)
    port.port_write(0x43, 0x8F)         # counter 2; bits 0 to 3 do not matter
    assert counters[2].flip_flop == (False, 0x5000 - 10) and written == []
    counters[2].count_8254(PIT_FREQ, now - 50, 0x5000, 2, 3, False, 0x5000 - 10)
    port.port_write(0x43, 0x80)
    assert (port.port_read(0x42), port.port_read(0x42)) == (0xF6, 0x4F)
    for value in (0x00, 0x40, 0xB4, 0xC4):      # counters that are not active; a mode; a read-back
        port.port_write(0x43, value)
    port.port_write(0x42, 0x80)
    assert written == [(3, 0x00), (3, 0x40), (3, 0xB4), (3, 0xC4), (2, 0x80)]


def test_it_runs_as_the_host_s_clock_does_and_never_backwards():
    """Between two readings of the host's clock, as a rule; where it is taken from the TSC it may be off by some hundred ticks."""
    time = GuestTime()
    time.enable()
    host, guest = monotonic_ns(), time.get_ns()
    between = monotonic_ns() - host
    last, off = guest, []
    for _ in range(300_000):
        before, now, after = monotonic_ns() - host, time.get_ns(), monotonic_ns() - host
        assert now >= last
        off.append(max(before - between - (now - guest), now - guest - after - between))
        last = now
    off.sort()
    assert off[-1] <= 10_000 and off[len(off) * 9 // 10] <= 1000


def test_what_is_left_out_takes_nothing_back_that_its_owner_was_told():
    time = GuestTime()
    time.own()
    time.enable()
    last = 0
    for _ in range(4000):
        sleep(1e-5)                     # some tens of microseconds go by without us: the next look is after this read, or before
        for _ in range(20):
            now = time.get_ns()
            assert now >= last
            last = now
