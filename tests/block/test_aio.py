"""The AIO workers: spawned on demand, bounded, gone when idle; callbacks in the main loop. No files here."""
import errno
import threading

import pytest

from qemu_py.backends.aio import AIOThreads
from qemu_py.system.clocks import init_clocks
from qemu_py.system.main_loop import MainLoop

PATIENCE = 120                          # seconds before a test gives up


@pytest.fixture
def aio():
    threads = AIOThreads()
    yield threads
    threads.close()


class Gate:
    """Work that waits until the test lets it go on."""

    def __init__(self):
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)

    def __call__(self):
        self.entered.release()
        assert self.gate.wait(PATIENCE)


def test_the_callback_gets_0_or_the_errno(aio):
    def fail():
        raise OSError(errno.ENOSPC, "full")
    results = []
    aio.submit(lambda: None, results.append)
    aio.qemu_aio_flush()
    aio.submit(fail, results.append)
    aio.qemu_aio_flush()
    assert results == [0, errno.ENOSPC]


def test_work_is_done_in_another_thread_and_the_callback_in_the_one_that_waits(aio):
    where = {}
    aio.submit(lambda: where.update(work=threading.get_ident()),
               lambda error: where.update(callback=threading.get_ident()))
    aio.qemu_aio_flush()
    assert where["callback"] == threading.get_ident() != where["work"]


def test_submit_returns_before_the_work_is_done(aio):
    gate, results = Gate(), []
    aio.submit(gate, results.append)
    assert gate.entered.acquire(timeout=PATIENCE)
    assert results == [] and aio.in_flight == 1
    gate.gate.set()
    aio.qemu_aio_flush()
    assert results == [0] and aio.in_flight == 0


def test_workers_are_made_on_demand_and_bounded(aio):
    gate, results = Gate(), []
    assert aio.cur_threads == 0
    for _ in range(3 * aio.MAX_THREADS):
        aio.submit(gate, results.append)
    for _ in range(aio.MAX_THREADS):
        assert gate.entered.acquire(timeout=PATIENCE)
    assert aio.cur_threads == len(aio.threads) == aio.MAX_THREADS
    gate.gate.set()
    aio.qemu_aio_flush()
    assert results == [0] * 3 * aio.MAX_THREADS


def test_one_worker_is_enough_for_one_request_at_a_time(aio):
    for _ in range(20):
        aio.submit(lambda: None, None)
        aio.qemu_aio_flush()
        # The worker reports before it counts as idle: let it.
        with aio.lock:
            pass
    assert aio.cur_threads <= 2


def test_idle_workers_end():
    aio = AIOThreads()
    aio.IDLE_SECONDS = 0.001
    aio.submit(lambda: None, None)
    threads = list(aio.threads)
    aio.qemu_aio_flush()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert aio.cur_threads == 0
    results = []
    aio.submit(lambda: None, results.append)    # and others are made
    aio.qemu_aio_flush()
    assert results == [0]
    aio.close()


def test_waiting_for_nothing_returns_at_once(aio):
    assert aio.qemu_aio_wait() is False


def test_who_polls_waits_a_moment_for_what_is_in_flight(aio):
    gate, results = Gate(), []
    aio.wait_briefly(PATIENCE)                  # nothing is: it returns at once
    aio.submit(gate, results.append)
    aio.wait_briefly(0)
    assert results == []
    gate.gate.set()
    while not results:
        aio.wait_briefly(PATIENCE)
    assert results == [0]


def test_a_subclass_may_choose_when_requests_are_done(opener, image):
    path = image(4096)
    blk, results = opener(path), []
    blk.aio.IMMEDIATE = False
    assert not blk.read_cached(0, [bytearray(512)])
    blk.aio_readv(0, [bytearray(512)], results.append)
    while not blk.aio.completed:
        blk.wait_briefly()
    assert results == []
    blk.drain()
    assert results == [0]


def test_a_queued_request_that_is_cancelled_never_runs(aio):
    gate, ran = Gate(), []
    for _ in range(aio.MAX_THREADS):
        aio.submit(gate, None)
    request = aio.submit(lambda: ran.append("work"), lambda error: ran.append("callback"))
    for _ in range(aio.MAX_THREADS):
        assert gate.entered.acquire(timeout=PATIENCE)
    aio.cancel(request)
    gate.gate.set()
    aio.qemu_aio_flush()
    assert ran == []


def test_cancelling_a_running_request_waits_for_its_end_and_drops_its_callback(aio):
    gate, results = Gate(), []
    request = aio.submit(gate, results.append)
    assert gate.entered.acquire(timeout=PATIENCE)
    threading.Timer(0.01, gate.gate.set).start()
    aio.cancel(request)
    assert gate.gate.is_set()
    aio.qemu_aio_flush()
    assert results == []


def test_a_bug_in_the_work_is_raised_where_the_callback_would_be(aio):
    aio.submit(lambda: 1 // 0, None)
    with pytest.raises(ZeroDivisionError):
        aio.qemu_aio_flush()


def test_in_a_main_loop_callbacks_are_bottom_halves():
    loop = MainLoop(init_clocks())
    aio = AIOThreads(loop)
    results = []
    with loop.lock:
        aio.submit(lambda: None, results.append)
        assert aio.threads == set()             # the loop makes the workers (spawn_thread_bh_fn)
        for _ in range(100):
            if results:
                break
            loop.main_loop_wait()
    assert results == [0]
    aio.close()
    loop.close()


def test_close_finishes_what_was_submitted():
    aio, results = AIOThreads(), []
    for _ in range(50):
        aio.submit(lambda: None, results.append)
    threads = list(aio.threads)
    aio.close()
    aio.close()
    assert results == [0] * 50 and not any(thread.is_alive() for thread in threads)
