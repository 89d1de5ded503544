"""The three clocks (rt, vm, host) and the timers on them, after QEMU 1.0's qemu-timer.c.

Everything counts nanoseconds. Devices see only the clock that they are given: nearly always vm,
which stands still while the machine is stopped. Callers hold the iothread lock.
"""
import time
from bisect import insort
from itertools import count

from qemu_py._core.guesttime import GuestTime

NANOSECONDS_PER_SECOND = 1_000_000_000


class QEMUTimer:
    """Calls callback() once when its clock has reached the deadline given to mod_ns()."""
    __slots__ = ("clock", "callback", "name", "expire_time", "_entry")

    def __init__(self, clock, callback, name=""):
        self.clock = clock
        self.callback = callback
        self.name = name
        self.expire_time = None         # the deadline; None: not armed
        self._entry = None

    @property
    def pending(self):
        return self.expire_time is not None

    def mod_ns(self, deadline):
        """Arm the timer, or move its deadline."""
        clock = self.clock
        timers = clock.active_timers
        first = timers[0][0] if timers else deadline + 1
        if self._entry is not None:
            timers.remove(self._entry)
        self.expire_time = deadline
        self._entry = (deadline, next(clock.order), self)
        insort(timers, self._entry)
        if deadline < first and clock.notify is not None:
            clock.notify()              # whoever sleeps until the former first deadline

    def cancel(self):
        if self._entry is not None:
            self.clock.active_timers.remove(self._entry)
            self._entry = None
            self.expire_time = None


class QEMUClock:
    """A time source and its armed timers, in the order of their deadlines (equal ones: as armed)."""

    def __init__(self, name, source=time.monotonic_ns):
        self.name = name
        self.source = source
        self.enabled = True
        self.active_timers = []
        self.order = count()
        self.notify = None              # called when the first deadline has changed

    def get_ns(self):
        return self.source()

    def timer(self, callback, name=""):
        return QEMUTimer(self, callback, name)

    def deadline_ns(self):
        """Nanoseconds until the first timer is due (0: now); None: nothing is armed."""
        if not self.active_timers or not self.enabled:
            return None
        return max(0, self.active_timers[0][0] - self.get_ns())

    def run_timers(self):
        """qemu_run_timers: call what is due, earliest deadline first."""
        timers = self.active_timers
        if not timers or not self.enabled:
            return
        now = self.get_ns()
        while timers and timers[0][0] <= now and self.enabled:
            timer = timers.pop(0)[2]
            timer._entry = None
            timer.expire_time = None
            timer.callback()


class VMClock(QEMUClock):
    """Virtual time: begins at 0, runs with its source (None: the monotonic clock), stands still while stopped.

    `time`: the GuestTime that counters which the core reads can follow; None with a source of one's own."""

    def __init__(self, source=None):
        super().__init__("vm", source)
        self.enabled = False
        self.time = GuestTime() if source is None else None
        self.get_ns = self.time.get_ns if source is None else lambda: 0

    def deadline_ns(self):
        """As a QEMUClock's; but sooner while the guest's time lags behind the host's (guesttime.pyx), so that a sleep makes up for it."""
        left = super().deadline_ns()
        if left and self.time is not None and self.time.lag:
            left -= min(self.time.lag, left >> 1)
        return left

    def enable(self):                   # cpu_enable_ticks
        if not self.enabled:
            if self.time is not None:
                self.time.enable()
            else:
                source = self.source
                offset = self.get_ns() - source()
                self.get_ns = lambda: source() + offset
            self.enabled = True
            if self.notify is not None:
                self.notify()

    def disable(self):                  # cpu_disable_ticks
        if self.enabled:
            self.enabled = False
            if self.time is not None:
                self.time.disable()
            else:
                self.set_ns(self.get_ns())

    def set_ns(self, now):
        """Another time, while it stands still."""
        assert not self.enabled
        if self.time is not None:
            self.time.set_ns(now)
        else:
            self.get_ns = lambda: now


class HostClock(QEMUClock):
    """Wall-clock time. Its listeners hear when somebody has set it back."""

    def __init__(self, source=time.time_ns):
        super().__init__("host", source)
        self.reset_notifiers = []       # each called with the new time
        self._last = source()

    def get_ns(self):
        now = self.source()
        last, self._last = self._last, now
        if now < last:
            for notifier in list(self.reset_notifiers):
                notifier(now)
        return now


class Clocks:
    """One machine's clocks: rt runs always, vm with the machine, host is wall-clock time. `vm` takes the
    place of a vm clock that runs with the host's time."""

    def __init__(self, vm=None):
        self.rt = QEMUClock("rt")
        self.vm = VMClock() if vm is None else vm
        self.host = HostClock()
        self.rtc_clock = self.host      # what a real-time clock chip counts (-rtc clock=)
        self.all = (self.vm, self.rt, self.host)
        self.polled = self.all          # those whose timers the main loop runs

    def give_away_vm(self, notify):
        """Somebody else runs the virtual clock's timers from now on, and is told of a new first deadline."""
        self.polled = (self.rt, self.host)
        self.vm.notify = notify

    def deadline_ns(self):
        """Nanoseconds until the first timer that the main loop runs is due; None: there is none."""
        first = None
        for clock in self.polled:
            if clock.active_timers:
                left = clock.deadline_ns()
                if left is not None and (first is None or left < first):
                    first = left
        return first

    def run_all_timers(self):           # qemu_run_all_timers
        for clock in self.polled:
            if clock.active_timers:
                clock.run_timers()


def init_clocks(vm=None):
    return Clocks(vm)
