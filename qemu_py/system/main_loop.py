"""The iothread's loop: file descriptors, timers, bottom halves; after QEMU 1.0's main-loop.c.

One thread calls main_loop_wait() again and again with the iothread lock held; the lock is dropped
only inside select. Whoever touches a device from another thread takes the lock; notify() wakes the
loop from anywhere, signal handlers included.

Not handled: descriptors of FD_SETSIZE (1024) and above, which select cannot watch.
"""
import os
import select
import signal
import threading
from _thread import get_ident
from time import monotonic_ns

from qemu_py.util.errors import UserError

MAX_WAIT = 1.0                          # seconds; a lost wake-up costs no more than that
BH_IDLE_WAIT = 0.010                    # an idle bottom half runs within this time


class QEMUBH:
    """A bottom half: work that a device puts off until its caller has returned."""
    __slots__ = ("loop", "callback", "scheduled", "idle", "deleted")

    def __init__(self, loop, callback):
        self.loop = loop
        self.callback = callback
        self.scheduled = False
        self.idle = False
        self.deleted = False

    def schedule(self):
        """Run at the end of this turn of the loop."""
        if self.scheduled and not self.idle:
            return
        self.idle = False
        self.scheduled = True
        self.loop.notify()

    def schedule_idle(self):
        """Run when the loop turns anyway, at the latest after 10 ms."""
        if not self.scheduled:
            self.scheduled = True
            self.idle = True

    def cancel(self):
        self.scheduled = False

    def delete(self):
        self.scheduled = False
        self.deleted = True


class IOHandler:
    """What to call when a descriptor is ready."""
    __slots__ = ("fd", "read_poll", "read", "write", "deleted")

    def __init__(self, fd):
        self.fd = fd
        self.read_poll = self.read = self.write = None
        self.deleted = False


class MainLoop:
    def __init__(self, clocks):
        self.clocks = clocks
        self.lock = threading.RLock()   # qemu_global_mutex
        self.io_handlers = {}
        self.bhs = []
        self.thread = None              # identity of the thread inside main_loop_wait
        self.cpu_exit = None            # with CPUs in this very thread: ends their slice
        self.slept = None               # with them, too: told of each wait, and when (monotonic) it began
        self._notified = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._signals = None            # saved by install_signals
        for clock in clocks.all:
            clock.notify = self._timer_notify

    # ---------------------------------------------------------------- being woken
    def notify(self):
        """qemu_notify_event: make the loop turn. Any thread, any time."""
        if self.cpu_exit is not None:
            self.cpu_exit()
        if not self._notified:
            self._notified = True
            try:
                os.write(self._wake_write, b"\0")
            except (BlockingIOError, OSError):
                pass                    # the pipe is full, so the loop wakes; or it is closed

    def _timer_notify(self):
        if get_ident() != self.thread:  # the loop itself looks at the deadlines before it sleeps
            self.notify()
        elif self.cpu_exit is not None:
            self.cpu_exit()

    # ---------------------------------------------------------------- registration
    def set_fd_handler(self, fd, read=None, write=None, read_poll=None):
        """qemu_set_fd_handler2: callbacks for a ready descriptor; all None removes it.

        read_poll() is asked before each select whether `read` wants data at all.
        """
        if read is None and write is None:
            handler = self.io_handlers.pop(fd, None)
            if handler is not None:
                handler.deleted = True
        else:
            if fd >= 1024:
                raise UserError(f"file descriptor {fd} is beyond what select can watch (1023)")
            handler = self.io_handlers.get(fd)
            if handler is None:
                handler = self.io_handlers[fd] = IOHandler(fd)
            handler.read_poll, handler.read, handler.write = read_poll, read, write
        self._timer_notify()

    def bh_new(self, callback):
        bh = QEMUBH(self, callback)
        self.bhs.append(bh)
        return bh

    # ---------------------------------------------------------------- one turn
    def _timeout(self, nonblocking):
        if nonblocking:
            return 0.0
        timeout = MAX_WAIT
        for bh in self.bhs:
            if bh.scheduled:
                if not bh.idle:
                    return 0.0
                timeout = BH_IDLE_WAIT
        left = self.clocks.deadline_ns()
        if left is not None and left < timeout * 1e9:
            timeout = left / 1e9
        return timeout

    def what_to_wait_for(self, nonblocking=False):
        """(descriptors to read, descriptors to write, seconds) for select."""
        reads, writes = [self._wake_read], []
        for handler in self.io_handlers.values():       # qemu_iohandler_fill
            if handler.read and (handler.read_poll is None or handler.read_poll()):
                reads.append(handler.fd)
            if handler.write:
                writes.append(handler.fd)
        return reads, writes, self._timeout(nonblocking)

    def main_loop_wait(self, nonblocking=False):
        """Wait for something to do, at most a second, and do it. Call with the lock held once."""
        self.thread = get_ident()
        reads, writes, timeout = self.what_to_wait_for(nonblocking)
        begun = monotonic_ns()
        self.lock.release()
        try:
            readable, writable, _ = select.select(reads, writes, (), timeout)
        except OSError:                 # a descriptor was closed behind our back
            readable, writable = [], []
        finally:
            self.lock.acquire()
        if self.slept is not None:
            self.slept(begun)
        if readable or writable:
            if self._wake_read in readable:
                try:
                    os.read(self._wake_read, 4096)
                except OSError:
                    pass
                # Only now: a notify between the two would lose its byte and, with it, all that follow.
                self._notified = False
            if self.io_handlers:
                self._iohandler_poll(readable, writable)
        self.clocks.run_all_timers()
        if self.bhs:
            self.bh_poll()

    def _iohandler_poll(self, readable, writable):
        for handler in list(self.io_handlers.values()):
            if handler.read and handler.fd in readable and not handler.deleted:
                handler.read()
            if handler.write and handler.fd in writable and not handler.deleted:
                handler.write()

    def bh_poll(self):
        """qemu_bh_poll: run what is scheduled; what that schedules runs on the next turn."""
        due = [bh for bh in self.bhs if bh.scheduled]
        for bh in due:
            if bh.scheduled:
                bh.scheduled = bh.idle = False
                bh.callback()
        self.bhs = [bh for bh in self.bhs if not bh.deleted]

    # ---------------------------------------------------------------- signals
    def install_signals(self, handler):
        """Call handler(signum) for SIGINT, SIGTERM and SIGHUP; a sleeping loop wakes.

        Only the main thread can; elsewhere nothing is installed and False is returned.
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        saved = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue                # nohup
            saved[number] = signal.signal(number, lambda signum, frame: handler(signum))
        self._signals = (saved, signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False))
        return True

    def restore_signals(self):
        if self._signals is not None:
            saved, wakeup = self._signals
            self._signals = None
            signal.set_wakeup_fd(wakeup)
            for number, old in saved.items():
                signal.signal(number, old)

    def close(self):
        self.restore_signals()
        self.io_handlers.clear()
        self.bhs.clear()
        self._notified = True
        os.close(self._wake_read)
        os.close(self._wake_write)
