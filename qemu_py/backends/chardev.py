"""Character devices: where a serial port or a debug console leads (-serial, -debugcon).

Here are the base, which is `null`, one on file descriptors, and `file`; char_new.py has the list of them all. The front end is
told of data by add_handlers(); write() never blocks and gives what it took.
"""
import errno
import os
import select
import stat
import sys

from qemu_py.util.errors import UserError


class CharDevice:
    """Base of all; by itself it is `null`. `console`: the TextConsole that shows it, if one does; has_monitor: behind an escape key."""
    console = None
    has_monitor = False

    def __init__(self, label="null"):
        self.label = label
        self.can_receive = self.receive = self.event = self.send = None
        self.request_quit = None        # ends the machine

    def add_handlers(self, can_receive, receive, event=None, send=None):
        """can_receive() -> how many bytes; receive(bytes); event(name); send(): there is room again."""
        self.can_receive, self.receive, self.event, self.send = can_receive, receive, event, send

    def write(self, data):
        """Send bytes; the number of those that were taken."""
        return len(data)

    def accept_input(self):
        """The front end has room again."""

    def send_break(self):
        """The front end holds the line in the break state."""

    def open(self, main_loop):
        """Begin to deliver input through the main loop."""

    def close(self):
        """End, with everything restored. May be called twice."""


class FDChar(CharDevice):
    """Reads and writes file descriptors."""

    def __init__(self, label, fd_in=None, fd_out=None):
        super().__init__(label)
        self.fd_in = fd_in
        self.main_loop = None
        self.waiting = False            # input is there that the front end would not take
        self.writable_wanted = False
        self.set_output(fd_out)

    def set_output(self, fd):
        """Write there from now on; None: what is written is lost."""
        self.fd_out = fd
        self.poll = None
        if fd is not None and not _never_blocks(fd):
            self.poll = select.poll()
            self.poll.register(fd, select.POLLOUT)

    def open(self, main_loop):
        self.main_loop = main_loop
        if self.fd_in is not None and self.receive is not None:
            try:
                main_loop.set_fd_handler(self.fd_in, self._watch)
            except (OSError, ValueError):
                self.fd_in = None
        self._watch()

    def _watch(self):
        if self.main_loop is None:
            return
        reads = self.fd_in is not None and self.receive is not None
        if self.fd_in is not None:
            self.main_loop.set_fd_handler(self.fd_in, self._readable if reads else None, None, self._read_poll)
        if self.fd_out is not None:
            self.main_loop.set_fd_handler(self.fd_out, None, self._writable if self.writable_wanted else None)

    def _read_poll(self):
        self.waiting = self.can_receive() <= 0
        return not self.waiting

    def _readable(self):
        try:
            data = os.read(self.fd_in, min(self.can_receive(), 4096))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.receive(data)
        else:
            self._end_of_input()

    def _end_of_input(self):
        """End of file: there will never be more."""
        self.main_loop.set_fd_handler(self.fd_in)
        self.fd_in = None
        self._watch()

    def accept_input(self):
        if self.waiting:
            self.waiting = False
            self.main_loop.notify()

    def write(self, data):
        fd = self.fd_out
        if fd is None:
            return len(data)
        if self.poll is not None and self.main_loop is not None and not self.poll.poll(0):
            self._wait_writable()
            return 0
        try:
            # A pipe that is writable takes PIPE_BUF bytes without blocking.
            return os.write(fd, data if len(data) <= 512 else bytes(data[:512]))
        except BlockingIOError:
            self._wait_writable()
            return 0
        except OSError as e:
            if e.errno == errno.EINTR:
                return 0
            self._lost(e)
            return len(data)

    def _wait_writable(self):
        if not self.writable_wanted and self.main_loop is not None:
            self.writable_wanted = True
            self._watch()

    def _writable(self):
        self.writable_wanted = False
        self._watch()
        if self.send is not None:
            self.send()

    def _lost(self, error):
        """Nobody reads any more, or the disk is full: say so once, then be as null."""
        self.fd_out = None
        if error.errno != errno.EPIPE:
            print(f"qemu-py: {self.label}: {error.strerror}; its output is lost from here on", file=sys.stderr)

    def close(self):
        if self.main_loop is not None:
            for fd in {self.fd_in, self.fd_out} - {None}:
                self.main_loop.set_fd_handler(fd)
            self.main_loop = None


def _never_blocks(fd):
    """Files do not block; pipes, terminals and sockets may."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or os.path.samestat(os.fstat(fd), os.stat(os.devnull))


class FileChar(FDChar):
    """file:PATH. It is made, or emptied, with the first byte or when the machine starts, so that a command line
    that is refused leaves the files alone; whether that can be done is found out at once."""

    def __init__(self, path):
        super().__init__(f"file:{path}")
        self.path = path
        self.begun = False
        self.owned = self._open(os.O_WRONLY) if os.path.lexists(path) else None
        if self.owned is None:
            directory = os.path.dirname(path) or "."
            if not os.path.isdir(directory):
                raise self._error(errno.ENOTDIR if os.path.lexists(directory) else errno.ENOENT)
            if not os.access(directory, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
                raise self._error(errno.EACCES)

    def _error(self, number):
        return UserError(f"cannot open '{self.path}' for writing: {os.strerror(number)}")

    def _open(self, flags):
        try:
            return os.open(self.path, flags | os.O_CLOEXEC, 0o666)
        except OSError as e:
            raise self._error(e.errno) from None

    def begin(self):
        """Create the file, or drop what was in it."""
        self.begun = True
        if self.owned is None:
            self.owned = self._open(os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        elif stat.S_ISREG(os.fstat(self.owned).st_mode):
            os.ftruncate(self.owned, 0)
        self.set_output(self.owned)

    def open(self, main_loop):
        if not self.begun:
            self.begin()
        super().open(main_loop)

    def write(self, data):
        if not self.begun:
            self.begin()
        return super().write(data)

    def close(self):
        super().close()
        self.begun = True
        if self.owned is not None:
            os.close(self.owned)
            self.owned = self.fd_out = None
