"""Completions under -icount: by virtual time, in order, whatever the workers do."""
import errno
import threading

import pytest

from qemu_py.backends.aio_timed import LATENCY_NS, TimedAIO
from qemu_py.system.clocks import VMClock
from tests.loops import FakeTime


@pytest.fixture
def now():
    return FakeTime()


@pytest.fixture
def clock(now):
    clock = VMClock(now)
    clock.enable()
    return clock


@pytest.fixture
def aio(clock):
    aio = TimedAIO(clock)
    yield aio
    aio.close()


def test_a_request_that_is_done_at_once_completes_at_its_time(aio, clock, now):
    done, results = threading.Event(), []
    aio.submit(done.set, results.append)
    assert done.wait(60)
    now.ns = LATENCY_NS - 1
    clock.run_timers()
    assert results == []
    now.ns = LATENCY_NS
    clock.run_timers()
    assert results == [0] and aio.in_flight == 0


def test_the_machine_waits_for_one_that_is_late(aio, clock, now):
    gate, results = threading.Event(), []

    def work():
        assert gate.wait(60)
        raise OSError(errno.EIO, "late, and wrong")
    aio.submit(work, results.append)
    now.ns = LATENCY_NS
    opener = threading.Thread(target=gate.set)
    opener.start()
    clock.run_timers()
    opener.join()
    assert results == [errno.EIO]


def test_the_order_is_that_of_submission(aio, clock, now):
    first, order = threading.Event(), []
    aio.submit(lambda: first.wait(60), lambda error: order.append(1))
    now.ns = 10
    aio.submit(first.set, lambda error: order.append(2))        # done first
    now.ns = LATENCY_NS + 10
    clock.run_timers()
    assert order == [1, 2]


def test_each_has_its_own_time(aio, clock, now):
    times = []
    for ns in (0, 500):
        now.ns = ns
        aio.submit(lambda: None, lambda error: times.append(now.ns))
    for now.ns in (LATENCY_NS, LATENCY_NS + 499, LATENCY_NS + 500):
        clock.run_timers()
    assert times == [LATENCY_NS, LATENCY_NS + 500]


def test_a_callback_may_submit_the_next(aio, clock, now):
    times = []

    def next_one(error):
        times.append(now.ns)
        if len(times) < 3:
            aio.submit(lambda: None, next_one)
    aio.submit(lambda: None, next_one)
    for k in range(1, 4):
        now.ns = k * LATENCY_NS
        clock.run_timers()
    assert times == [LATENCY_NS, 2 * LATENCY_NS, 3 * LATENCY_NS]


def test_who_must_wait_does_not_wait_for_the_clock(aio, clock):
    results = []
    for _ in range(3):
        aio.submit(lambda: None, results.append)
    aio.qemu_aio_flush()
    assert results == [0, 0, 0] and not aio.timer.pending and not aio.qemu_aio_wait()


def test_what_is_cancelled_does_not_complete(aio, clock, now):
    results = []
    request = aio.submit(lambda: None, results.append)
    aio.submit(lambda: None, lambda error: results.append("second"))
    aio.cancel(request)
    now.ns = LATENCY_NS
    clock.run_timers()
    assert results == ["second"] and aio.in_flight == 0


def test_a_guest_that_polls_does_not_hurry_it(aio):
    done, results = threading.Event(), []
    aio.submit(done.set, results.append)
    assert done.wait(60)
    aio.wait_briefly(0.001)
    assert results == [] and aio.in_flight == 1


def test_a_bug_in_the_work_is_raised(aio, clock, now):
    aio.submit(lambda: 1 // 0, None)
    now.ns = LATENCY_NS
    with pytest.raises(ZeroDivisionError):
        clock.run_timers()
