"""SYSTEMS rows 34, 46 (main_loop_wait), 47 (qemu_run_all_timers, qemu_bh_poll) and 48: clocks, timers, bottom halves, being woken."""
import os
import signal
import threading

import pytest

from qemu_py.system.clocks import HostClock, QEMUClock, VMClock, init_clocks
from qemu_py.system.main_loop import MainLoop
from tests.loops import FakeTime


# ---------------------------------------------------------------- row 34
def test_stop_freezes_vm_time_only():
    clocks = init_clocks()
    source = FakeTime(1000)
    vm = VMClock(source)
    assert vm.get_ns() == 0
    source.ns += 50
    assert vm.get_ns() == 0             # not started yet
    vm.enable()
    source.ns += 50
    assert vm.get_ns() == 50
    vm.disable()
    source.ns += 1000
    assert vm.get_ns() == 50
    vm.enable()
    source.ns += 5
    assert vm.get_ns() == 55
    before = clocks.rt.get_ns()
    assert clocks.vm.get_ns() == 0 and clocks.rt.get_ns() >= before and clocks.host.get_ns() > 0


def test_a_stopped_clock_runs_no_timers():
    source = FakeTime(1000)
    vm = VMClock(source)
    fired = []
    vm.timer(lambda: fired.append(1)).mod_ns(10)
    source.ns += 100
    vm.run_timers()
    assert fired == [] and vm.deadline_ns() is None
    vm.enable()
    source.ns += 100
    vm.run_timers()
    assert fired == [1]


def test_a_host_clock_set_back_notifies():
    source = FakeTime(1000)
    host = HostClock(source)
    heard = []
    host.reset_notifiers.append(heard.append)
    source.ns += 10
    host.get_ns()
    assert heard == []
    source.ns -= 500
    host.get_ns()
    assert heard == [510]


# ---------------------------------------------------------------- row 47
def test_timers_run_in_the_order_of_their_deadlines():
    source = FakeTime(1000)
    clock = QEMUClock("test", source)
    order = []
    for name, deadline in (("c", 1300), ("a", 1100), ("b", 1200), ("b2", 1200), ("later", 5000)):
        clock.timer(lambda name=name: order.append(name), name).mod_ns(deadline)
    assert clock.deadline_ns() == 100
    source.ns = 2000
    clock.run_timers()
    assert order == ["a", "b", "b2", "c"]
    assert clock.deadline_ns() == 3000


def test_a_timer_moves_and_is_cancelled():
    source = FakeTime(1000)
    clock = QEMUClock("test", source)
    fired = []
    timer = clock.timer(lambda: fired.append(source.ns))
    timer.mod_ns(1500)
    timer.mod_ns(3000)
    source.ns = 2000
    clock.run_timers()
    assert fired == [] and timer.pending
    timer.cancel()
    timer.cancel()
    source.ns = 4000
    clock.run_timers()
    assert fired == [] and not timer.pending


def test_a_timer_may_arm_itself_again():
    source = FakeTime(1000)
    clock = QEMUClock("test", source)
    fired = []

    def tick():
        fired.append(1)
        timer.mod_ns(source.ns + 100)
    timer = clock.timer(tick)
    timer.mod_ns(1000)
    clock.run_timers()
    assert fired == [1] and timer.expire_time == 1100


def test_timers_run_before_bottom_halves(loop):
    order = []
    loop.bh_new(lambda: order.append("bh")).schedule()
    loop.clocks.rt.timer(lambda: order.append("timer")).mod_ns(0)
    loop.main_loop_wait(nonblocking=True)
    assert order == ["timer", "bh"]


def test_a_bottom_half_runs_once_for_each_time_it_is_scheduled(loop):
    runs = []
    bh = loop.bh_new(lambda: runs.append(1))
    bh.schedule()
    bh.schedule()
    loop.main_loop_wait(True)
    loop.main_loop_wait(True)
    assert runs == [1]
    bh.schedule()
    bh.cancel()
    loop.main_loop_wait(True)
    assert runs == [1]


def test_a_bottom_half_scheduled_by_another_runs_on_the_next_turn(loop):
    order = []
    second = loop.bh_new(lambda: order.append("second"))
    first = loop.bh_new(lambda: (order.append("first"), second.schedule()))
    first.schedule()
    loop.main_loop_wait(True)
    assert order == ["first"]
    loop.main_loop_wait(True)
    assert order == ["first", "second"]


def test_an_idle_bottom_half_bounds_the_wait_to_10_ms(loop):
    runs = []
    loop.bh_new(lambda: runs.append(1)).schedule_idle()
    assert loop._timeout(False) <= 0.010
    loop.main_loop_wait()
    assert runs == [1]


# ---------------------------------------------------------------- row 46
def test_a_descriptor_handler_fires(loop):
    r, w = os.pipe()
    got = []
    loop.set_fd_handler(r, lambda: got.append(os.read(r, 10)))
    os.write(w, b"x")
    loop.main_loop_wait(True)
    assert got == [b"x"]
    loop.set_fd_handler(r)
    os.write(w, b"y")
    loop.main_loop_wait(True)
    assert got == [b"x"]
    os.close(r)
    os.close(w)


def test_read_poll_holds_a_descriptor_back(loop):
    r, w = os.pipe()
    got, wanted = [], []
    loop.set_fd_handler(r, lambda: got.append(os.read(r, 10)), read_poll=lambda: bool(wanted))
    os.write(w, b"x")
    loop.main_loop_wait(True)
    assert got == []
    wanted.append(1)
    loop.main_loop_wait(True)
    assert got == [b"x"]
    loop.set_fd_handler(r)
    os.close(r)
    os.close(w)


def test_a_write_handler_fires_when_there_is_room(loop):
    r, w = os.pipe()
    called = []
    loop.set_fd_handler(w, write=lambda: called.append(1))
    loop.main_loop_wait(True)
    assert called == [1]
    loop.set_fd_handler(w)
    os.close(r)
    os.close(w)


def test_waits_are_bounded_by_a_second_and_by_the_next_deadline(loop):
    assert loop._timeout(False) == 1.0
    assert loop._timeout(True) == 0.0
    loop.clocks.rt.timer(lambda: None).mod_ns(loop.clocks.rt.get_ns() + 500_000_000)
    assert 0 < loop._timeout(False) <= 0.5
    loop.bh_new(lambda: None).schedule()
    assert loop._timeout(False) == 0.0


# ---------------------------------------------------------------- row 48
def test_any_thread_wakes_the_loop(loop):
    """Without the wake-up the turn would end only after its second, and find nothing done."""
    woken = []

    def other():
        with loop.lock:                 # free while the loop waits
            woken.append(1)
            loop.clocks.rt.timer(lambda: woken.append(2)).mod_ns(0)
    thread = threading.Thread(target=other)
    thread.start()
    while 2 not in woken:
        loop.main_loop_wait()
    thread.join()
    assert woken == [1, 2]


def test_the_lock_is_held_again_after_the_wait(loop):
    loop.notify()
    loop.main_loop_wait()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(loop.lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    assert taken == [False]


def test_a_signal_reaches_its_handler_and_the_old_one_comes_back(loop):
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    if not loop.install_signals(seen.append):
        pytest.skip("signals need the main thread")
    os.kill(os.getpid(), signal.SIGTERM)
    while not seen:
        loop.main_loop_wait()
    loop.restore_signals()
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_notifying_a_closed_loop_does_nothing():
    loop = MainLoop(init_clocks())
    loop.close()
    loop.notify()
