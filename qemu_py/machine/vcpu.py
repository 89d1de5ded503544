"""The thread that runs the virtual CPUs, after QEMU 1.0's cpus.c (TCG, iothread).

One thread serves all CPUs of a machine in turn. It holds the iothread lock except while the guest
runs or nobody has anything to do. A halted CPU costs nothing: the thread sleeps until a kick. A turn
ends with the CPU's work, when another gets some, and at the latest, if others wait, after TURN_NS.

The virtual clock's timers run in this thread, between two turns: an alarm (alarm.pyx) ends a turn when one is due. So a guest
that waits for an interrupt, or counts how long it takes, depends on no other thread of a busy host; and what this
one loses to others is no time of the guest's (guesttime.pyx).
"""
import threading
from _thread import allocate_lock, get_ident
from time import monotonic_ns

from qemu_py._core.alarm import Alarm

TURN_NS = 5_000_000
MAX_WAIT = 1.0                          # seconds of sleep; a lost wake-up costs no more than that
CATCH_UP_SHIFT, CATCH_UP_NS = 4, 100_000        # between two timers, of the time since the last; and at most


class TCGThread:
    """`machine` gives the lock, the CPUs, and hears of what stops a CPU: handle_exit(cpu, reason)."""

    def __init__(self, machine):
        self.machine = machine
        self.lock = machine.main_loop.lock
        self.cpus = []
        self.exiting = False
        self.stop_requested = True      # held until the machine starts
        self.stopped = False
        self.pause_cond = threading.Condition(self.lock)
        self.thread = None
        self.current = 0                # index of the CPU whose turn it is, or was last
        self.cpu_changed = None         # the board may hear when that is another
        self._next = 0
        self.vm = machine.clocks.vm
        self.turn_timer = self.vm.timer(self.end_turn, "turn")
        self.alarm = None               # made by the thread
        self.ident = None
        self._caught_up = 0             # virtual time
        self._in_timers = False
        # Halt condition: a binary semaphore, locked while there is no news. A kick that comes
        # between the last look and the sleep is not lost.
        self._news = allocate_lock()
        self._news.acquire()

    # ---------------------------------------------------------------- from other threads
    def start(self):                    # qemu_tcg_init_vcpu
        self.thread = threading.Thread(target=self.cpu_thread_fn, name="TCG", daemon=True)
        self.thread.start()

    def wake(self):
        """There is work for a CPU that may be halted."""
        if self._news.locked():
            try:
                self._news.release()
            except RuntimeError:        # somebody else was quicker
                pass

    def kick(self):
        """qemu_cpu_kick: leave the guest, or wake up, and look at the requests."""
        for cpu in self.cpus:
            cpu.kick()
        self.wake()

    def qemu_cpu_kick(self, index):
        """There is work for this CPU: it may be halted, or wait for another's turn to end."""
        if len(self.cpus) > 1 and self.current != index:
            self.cpus[self.current].kick()
        self.wake()

    def end_turn(self):
        """The timer of a turn: the alarm has ended it."""

    def pause(self):
        """pause_all_vcpus: returns when no CPU runs any more. The lock is held."""
        self.stop_requested = True
        if self.thread is None or threading.current_thread() is self.thread:
            self.stopped = True
            self.kick()                 # a device stops the machine: the guest ends its instruction
            return
        while not self.stopped and self.thread.is_alive():
            self.kick()
            self.pause_cond.wait(0.1)

    def resume(self):                   # resume_all_vcpus
        self.stop_requested = False
        self.stopped = False
        self.wake()

    def join(self, timeout=5.0):
        """End the thread; False: it did not come back in time. The lock is not held."""
        self.exiting = True
        if self.thread is None:
            return True
        self.kick()
        self.thread.join(timeout)
        return not self.thread.is_alive()

    def main_loop_turn(self):
        """One turn of the main thread, which has the events only."""
        self.machine.main_loop.main_loop_wait()

    # ---------------------------------------------------------------- the thread
    def cpu_thread_fn(self):            # qemu_tcg_cpu_thread_fn
        lock, time = self.lock, self.vm.time
        lock.acquire()
        try:
            self.ident = get_ident()
            self.alarm = Alarm(self.machine.tb_cache)
            time.own()
            self.machine.clocks.give_away_vm(self.vm_deadline_changed)
            while not self.exiting:
                if self.stop_requested:
                    self.stopped = True
                    self.pause_cond.notify_all()
                    self.wait_io_event()
                elif not self.tcg_exec_all():
                    self.wait_io_event()
        except BaseException as exception:
            self.machine.failed(exception)
        finally:
            self.vm.notify = None
            if self.alarm is not None:
                self.alarm.close()
            time.disown()
            self.stopped = True
            self.pause_cond.notify_all()
            lock.release()

    def wait_io_event(self):            # qemu_tcg_wait_io_event
        """Sleep until there is news, or a timer of the virtual clock is due."""
        vm = self.vm
        left = vm.deadline_ns()
        deadline = None if left is None else vm.active_timers[0][0]
        begun = monotonic_ns()
        self.lock.release()
        try:
            if left is None:
                self._news.acquire()
            else:
                self._news.acquire(timeout=min(left / 1e9, MAX_WAIT))
        finally:
            self.lock.acquire()
            vm.time.slept(begun, deadline)

    def vm_deadline_changed(self):
        """The virtual clock runs again, or has a new first timer; any thread, with the lock held."""
        if self._in_timers:
            return                      # run_timers() sees to it
        timers = self.vm.active_timers
        if timers and self.vm.enabled:  # an alarm that rings too early is set anew then
            self.alarm.set(self.vm.time.host_ns(timers[0][0]), no_later=True)
        if get_ident() != self.ident:
            self.wake()

    def set_alarm(self):
        timers = self.vm.active_timers
        if timers and self.vm.enabled:
            self.alarm.set(self.vm.time.host_ns(timers[0][0]))

    def run_timers(self):
        """What is due on the virtual clock; then wait for the next."""
        vm = self.vm
        self.alarm.answer()
        timers = vm.active_timers
        if timers and vm.enabled:
            now = vm.get_ns()
            if timers[0][0] <= now:
                self._in_timers = True
                try:
                    vm.run_timers()
                finally:
                    self._in_timers = False
                vm.time.catch_up(min(now - self._caught_up >> CATCH_UP_SHIFT, CATCH_UP_NS))
                self._caught_up = now
            self.set_alarm()

    def tcg_exec_all(self):
        """Give each CPU a turn, beginning with the one after the last; False: all were halted."""
        lock, machine, cpus = self.lock, self.machine, self.cpus
        worked = False
        for _ in cpus:
            if self._next >= len(cpus):
                self._next = 0
            cpu = cpus[self._next]
            if self._next != self.current:
                self.current = self._next
                if self.cpu_changed is not None:
                    self.cpu_changed(self.current)
            self._next += 1
            self.run_timers()
            if len(cpus) > 1 and not self.turn_timer.pending:
                self.turn_timer.mod_ns(self.vm.get_ns() + TURN_NS)
            lock.release()
            try:
                reason = cpu.exec()
            finally:
                lock.acquire()
            if machine.handle_exit(cpu, reason):
                worked = True
            if self.stop_requested or self.exiting:
                return True
        return worked
