"""The single-thread loop: CPU slices and events in turn, in one thread; as QEMU was before its iothread.

Chosen with -accel tcg,thread=single-loop, and implied by -icount. A slice ends when a timer is due, a
descriptor is ready or somebody notifies the main loop. Without counted instructions the host alarm
sees to that: a thread that sleeps in select, on the same descriptors and until the same deadline as
the main loop would, and kicks the CPU. With them (icount.py) a slice is a number of instructions, and
no thread is needed.
"""
import os
import select
import threading

from qemu_py._core import cpu_face

MAX_WAIT = 1.0                          # seconds without an alarm
TURN = 0.010                            # of a CPU while others wait for theirs
MAX_SLICE = 1 << 20                     # counted instructions between two looks at descriptors
TURN_SLICE = 65521                      # and of a CPU while others wait; a prime, lest two loops that wait for each other run in step


class HostAlarm:
    """Calls handler() once after arm(), when a descriptor is ready or the time is over."""

    def __init__(self, handler):
        self.handler = handler
        self.cond = threading.Condition(threading.Lock())
        self.request = None             # (descriptors to read, to write, seconds) to be waited for
        self.waiting = False            # inside select
        self.ended = False
        self.wake_read, self.wake_write = os.pipe()
        self.thread = threading.Thread(target=self._run, name="host alarm", daemon=True)

    def start(self):                    # init_timer_alarm
        self.thread.start()

    def arm(self, reads, writes, seconds):
        """Takes the place of what was armed before."""
        with self.cond:
            self.request = reads, writes, seconds
            self._interrupt()

    def _interrupt(self):
        if self.waiting:
            self.waiting = False
            os.write(self.wake_write, b"\0")
        self.cond.notify()

    def stop(self):
        with self.cond:
            self.ended = True
            self._interrupt()
        if self.thread.ident is not None:
            self.thread.join()
        os.close(self.wake_read)
        os.close(self.wake_write)

    def _run(self):
        while True:
            with self.cond:
                while self.request is None and not self.ended:
                    self.cond.wait()
                if self.ended:
                    return
                (reads, writes, seconds), self.request = self.request, None
                self.waiting = True
            try:
                ready = select.select([self.wake_read, *reads], writes, (), seconds)[0]
            except (OSError, ValueError):       # closed meanwhile: the main loop will know
                ready = ()
            with self.cond:
                superseded = not self.waiting
                self.waiting = False
            if superseded or self.wake_read in ready:
                os.read(self.wake_read, 1)
            else:
                self.handler()


class SingleLoop:
    """In the place of TCGThread; `icount` is a machine's ICount, or None."""

    def __init__(self, machine, icount=None):
        self.machine = machine
        self.main_loop = machine.main_loop
        self.lock = machine.main_loop.lock
        self.icount = icount
        self.cpus = []
        self.stop_requested = True      # held until the machine starts
        self.stopped = True
        self.alarm = None if icount is not None else HostAlarm(self.host_alarm_handler)
        self.vm = machine.clocks.vm
        self.main_loop.cpu_exit = self.cpu_exit
        if icount is None:
            self.main_loop.slept = self.slept
        self.in_guest = False
        self.current = 0                # index of the CPU that runs, or ran last
        self.cpu_changed = None         # the board may hear when that is another

    # ---------------------------------------------------------------- the end of a slice
    def kick(self):
        """Leave the guest, or do not enter it, and look at the requests. Any thread may call it."""
        for cpu in self.cpus:
            cpu.kick()

    def cpu_exit(self):
        """A timer has been armed, or there is something for the main loop: end the slice, if one is
        under way. One that another thread is about to miss is ended by the alarm: it sees the notification."""
        if self.in_guest:               # only this one: a kick of another would cost it its next turn
            self.cpus[self.current].kick()

    host_alarm_handler = cpu_exit

    def qemu_cpu_kick(self, n):
        """CPU n has something to do: its turn comes when the slice of the one that runs ends."""
        if n != self.current:
            self.cpu_exit()

    def wake(self):
        """Nobody sleeps in a halted CPU: the main loop looks at them all."""

    # ---------------------------------------------------------------- being stopped
    def start(self):
        if self.alarm is not None:
            self.vm.time.own()          # from the first moment on: what passes before a turn is nothing that the guest has had
            self.alarm.start()

    def pause(self):
        self.stop_requested = self.stopped = True
        self.kick()
        if self.icount is not None:
            self.icount.real.disable()

    def resume(self):
        self.stop_requested = self.stopped = False
        if self.icount is not None:
            self.icount.real.enable()

    def join(self):
        if self.alarm is not None:
            self.alarm.stop()
            self.alarm = None
        self.main_loop.cpu_exit = None
        return True

    def vm_can_run(self):
        machine = self.machine
        return not self.stop_requested and machine.run_state.time_passes and machine.exit_status is None

    def any_cpu_has_work(self):
        return any(not cpu.halted or cpu.has_work for cpu in self.cpus)

    def is_idle(self):
        return self.vm_can_run() and not self.any_cpu_has_work()

    # ---------------------------------------------------------------- the loop
    def main_loop_turn(self):
        """One turn of main_loop: the CPUs, then what the events ask for."""
        icount = self.icount
        if icount is None:
            self.vm.time.own()
        if self.vm_can_run():
            self.cpu_exec_all()
        if icount is not None and self.is_idle():
            icount.idle(self.main_loop, self.is_idle)
        else:
            self.main_loop.main_loop_wait(nonblocking=self.vm_can_run() and self.any_cpu_has_work())
        if icount is not None:
            icount.adjust()

    def slept(self, begun):
        """The main loop has waited. What this thread loses otherwise is no time of the guest's (guesttime.pyx)."""
        timers = self.vm.active_timers
        self.vm.time.slept(begun, timers[0][0] if timers else None)

    def cpu_exec_all(self):
        """A slice for each CPU, beginning with the one after the last."""
        cpus = self.cpus
        for _ in cpus:
            if len(cpus) > 1:
                self.current = (self.current + 1) % len(cpus)
                if self.cpu_changed is not None:
                    self.cpu_changed(self.current)
            cpu = cpus[self.current]
            if cpu.halted and not cpu.has_work:
                continue
            if self.icount is not None:
                cpu.set_icount(self.icount.slice(MAX_SLICE if len(cpus) == 1 else TURN_SLICE))
            else:
                self.arm_alarm()
            self.in_guest = True
            self.lock.release()
            try:
                reason = cpu.exec()
            finally:
                self.lock.acquire()
                self.in_guest = False
            if reason != cpu_face.EXIT_BUDGET:
                self.machine.handle_exit(cpu, reason)
            if not self.vm_can_run():
                return

    def arm_alarm(self):                # qemu_rearm_alarm_timer, dynticks: one shot, at the next deadline
        reads, writes, seconds = self.main_loop.what_to_wait_for()
        if len(self.cpus) > 1:
            seconds = min(seconds, TURN)
        self.alarm.arm(reads, writes, min(seconds, MAX_WAIT))
