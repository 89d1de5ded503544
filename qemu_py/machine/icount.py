"""Virtual time as a count of instructions (-icount), after QEMU 1.0's icount and qemu_clock_warp.

An instruction takes 2**shift nanoseconds of virtual time; the time that the guest sleeps in HLT is
added to that, as `bias`. Slices end exactly at the deadline of the next vm timer. Two runs without
input from outside are alike to the last instruction: with sleep=on an idle guest waits in real time,
with sleep=off the wait is skipped. shift=auto follows the host: it changes the shift so that virtual time
keeps to real time, and such runs are not alike.

The time-stamp counter counts 2**shift nanoseconds a tick; with a fixed shift, that is a fixed frequency.

Not modelled: instructions take equally long whatever they do. A device that is asked in the middle of
a translation block sees the time at the block's end.
"""
import time

from qemu_py.system.clocks import VMClock
from qemu_py.util.dataclass import dataclass

MAX_SHIFT = 10
AUTO_SHIFT = 3                          # what shift=auto begins with
ADJUST_NS = 100_000_000                 # how often auto looks, and what it puts up with


@dataclass(frozen=True)
class ICountOptions:
    """What -icount asks for. shift None: auto."""
    shift: int = None
    sleep: bool = True


class ICount:
    """One machine's counted time. `shift` None: auto. `real` is a source of real nanoseconds."""

    def __init__(self, shift=None, sleep=True, real=time.monotonic_ns):
        self.auto = shift is None
        self.shift = AUTO_SHIFT if shift is None else shift
        self.sleep = sleep
        self.bias = 0
        self.cpus = []
        self.vm = VMClock(self.get_ns)
        self.real = VMClock(real)       # stands still, as vm does, while the machine is stopped
        self._looked = self._delta = 0

    def add_cpu(self, cpu):
        cpu.use_icount()
        self.cpus.append(cpu)

    def instructions(self):
        return sum(cpu.insn_count for cpu in self.cpus)

    def get_ns(self):                   # cpu_get_icount
        return self.bias + (self.instructions() << self.shift)

    def slice(self, longest):
        """Instructions until the next vm timer is due."""
        left = self.vm.deadline_ns()
        if left is None:
            return longest
        return max(1, min(longest, -(-left >> self.shift)))

    def warp(self, ns):
        """Let virtual time pass without instructions."""
        self.bias += ns
        for cpu in self.cpus:
            cpu.advance_tsc(ns >> self.shift)

    def idle(self, main_loop, is_idle):
        """All CPUs are halted: wait for an event, or skip to the next deadline (qemu_clock_warp)."""
        left = self.vm.deadline_ns()
        if not self.sleep and left is not None:
            main_loop.main_loop_wait(nonblocking=True)
            if is_idle():               # nothing has come
                self.warp(self.vm.deadline_ns() or 0)
                self.vm.run_timers()
            return
        begun = self.real.get_ns()
        main_loop.main_loop_wait()
        slept = self.real.get_ns() - begun
        if left is not None and self.vm.enabled:
            self.warp(min(slept, left))
            self.vm.run_timers()

    def adjust(self):
        """With auto: a shift at which virtual time does not run away from real time."""
        if not self.auto:
            return
        now = self.real.get_ns()
        if now - self._looked < ADJUST_NS:
            return
        self._looked = now
        last, self._delta = self._delta, self.get_ns() - now
        if abs(self._delta) > ADJUST_NS and abs(self._delta) >= abs(last):      # far off, and not on the way back
            self.set_shift(self.shift + (1 if self._delta < 0 else -1))

    def set_shift(self, shift):
        """Another length of an instruction, from now on."""
        shift = max(0, min(MAX_SHIFT, shift))
        count = self.instructions()
        self.bias += (count << self.shift) - (count << shift)
        self.shift = shift
