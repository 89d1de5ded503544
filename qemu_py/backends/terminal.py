"""The terminal that we were started on, as a screen: raw mode, keys from it, output that never blocks; restored at the end."""
import atexit
import fcntl
import os
import signal
import struct
import termios
import tty

ENTER = "\x1b[?1049h\x1b[?2004h\x1b[?7l\x1b[0m\x1b[2J"          # other screen, bracketed paste, no line wrap
LEAVE = "\x1b[0m\x1b[?7h\x1b[?2004l\x1b[?25h\x1b[?1049l"


class Terminal:
    """`fd_in`, `fd_out`: a terminal's descriptors."""

    def __init__(self, fd_in=0, fd_out=1):
        self.fd_in, self.fd_out = fd_in, fd_out
        self.saved = None
        self.own = None                 # our own descriptor of the terminal: only it does not block
        self.pending = bytearray()      # output that it has not taken yet
        self.main_loop = None
        self.receive = None             # called with bytes
        self.closed_by_peer = None      # the terminal is gone
        self.resized = None             # called when the window has another size
        self.old_winch = None           # who was told of that before, if we are now
        self._window = None             # what window() gives, while we are told

    @staticmethod
    def is_ours():
        """Are standard input and output a terminal, and do we run in its foreground? (In the background, raw mode
        would stop us by SIGTTOU.)"""
        try:
            if not (os.isatty(0) and os.isatty(1)):
                return False
        except OSError:
            return False
        try:
            return os.tcgetpgrp(0) == os.getpgrp()
        except OSError:                 # not the terminal that controls us: there is no background
            return True

    @staticmethod
    def is_dumb(environment=os.environ):
        """Can it only write line after line?"""
        return environment.get("TERM", "") == "dumb"

    def window(self):
        """(rows, columns, width, height): characters, then pixels; 0: the terminal has not said."""
        if self._window is not None:
            return self._window
        try:
            window = struct.unpack("HHHH", fcntl.ioctl(self.fd_out, termios.TIOCGWINSZ, bytes(8)))
        except OSError:
            window = 0, 0, 0, 0
        if self.old_winch is not None:
            self._window = window
        return window

    def size(self):
        """(rows, columns)."""
        rows, columns, _, _ = self.window()
        return rows or 24, columns or 80

    def cell_size(self):
        """(height, width) of a character in pixels, or None where the terminal does not tell the kernel."""
        rows, columns, width, height = self.window()
        return (height // rows, width // columns) if rows and columns and height >= rows and width >= columns else None

    def _watch_size(self):
        """The kernel tells the processes that the terminal controls of a new size. Where we are none of them, or signals are not
        ours to take (not in the main thread), the size is asked for each time."""
        bh = self.main_loop.bh_new(self._resized)
        try:
            os.tcgetpgrp(self.fd_in)
            self.old_winch = signal.signal(signal.SIGWINCH, lambda signum, frame: bh.schedule())
        except (OSError, ValueError):
            bh.delete()

    def _resized(self):
        self._window = None
        if self.resized is not None:
            self.resized()

    def open(self, main_loop):
        self.saved = termios.tcgetattr(self.fd_in)
        atexit.register(self.close)
        self.main_loop = main_loop
        self.own = os.open(os.ttyname(self.fd_out), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(self.fd_in, termios.TCSANOW)
        main_loop.set_fd_handler(self.fd_in, self._readable)
        self._watch_size()
        self.write(ENTER.encode())

    def _readable(self):
        try:
            data = os.read(self.fd_in, 4096)
        except OSError:
            data = b""
        if data:
            self.receive(data)
        else:
            self.main_loop.set_fd_handler(self.fd_in)
            if self.closed_by_peer is not None:
                self.closed_by_peer()

    @property
    def busy(self):
        """Has it not taken yet what was written last?"""
        return bool(self.pending)

    def write(self, data):
        self.pending += data
        self._writable()

    def _writable(self):
        try:
            while self.pending:
                del self.pending[:os.write(self.own, self.pending[:16384])]
        except BlockingIOError:
            pass
        except OSError:                 # it is gone
            self.pending.clear()
        self.main_loop.set_fd_handler(self.own, None, self._writable if self.pending else None)

    def forget_input(self):
        """What has been sent to us and was not read (answers that nobody waits for any more) is not left to the shell."""
        try:
            termios.tcflush(self.fd_in, termios.TCIFLUSH)
        except termios.error:
            pass                        # the terminal is gone

    def close(self):
        """May be called twice."""
        if self.saved is None:
            return
        saved, self.saved = self.saved, None
        atexit.unregister(self.close)
        if self.old_winch is not None:
            signal.signal(signal.SIGWINCH, self.old_winch)
            self.old_winch = self._window = None
        for fd in (self.fd_in, self.own):
            if fd is not None:
                self.main_loop.set_fd_handler(fd)
        try:
            if self.own is not None:
                os.set_blocking(self.own, True)
                # A sequence that was cut in its middle ends here: CAN.
                os.write(self.own, (b"\x18" if self.pending else b"") + LEAVE.encode())
            termios.tcsetattr(self.fd_in, termios.TCSANOW, saved)
        except (OSError, termios.error):
            pass
        if self.own is not None:
            os.close(self.own)
            self.own = None
