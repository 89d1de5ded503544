"""The thread that runs the virtual CPUs, after QEMU 1.0's cpus.c (TCG, iothread).

One thread serves all CPUs of a machine in turn. It holds the iothread lock except while the guest
runs or nobody has anything to do. A halted CPU costs nothing: the thread sleeps until a kick. A turn
ends with the CPU's work, when another gets some, and at the latest, if others wait, after TURN_NS.
"""
import threading
from _thread import allocate_lock

TURN_NS = 5_000_000


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
        self._next = 0
        self.turn_timer = machine.clocks.rt.timer(self.end_turn, "turn")
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
        """The timer of a turn: let the others run, if one of them has something to do."""
        current = self.cpus[self.current]
        if any(cpu is not current and (not cpu.halted or cpu.has_work) for cpu in self.cpus):
            current.kick()

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
        lock = self.lock
        lock.acquire()
        try:
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
            self.stopped = True
            self.pause_cond.notify_all()
            lock.release()

    def wait_io_event(self):            # qemu_tcg_wait_io_event
        self.lock.release()
        try:
            self._news.acquire()
        finally:
            self.lock.acquire()

    def tcg_exec_all(self):
        """Give each CPU a turn, beginning with the one after the last; False: all were halted."""
        lock, machine, cpus = self.lock, self.machine, self.cpus
        worked = False
        for _ in cpus:
            if self._next >= len(cpus):
                self._next = 0
            cpu = cpus[self._next]
            self.current = self._next
            self._next += 1
            if len(cpus) > 1 and not self.turn_timer.pending:
                self.turn_timer.mod_ns(machine.clocks.rt.get_ns() + TURN_NS)
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
