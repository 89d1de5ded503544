"""The command on a pseudo-terminal whose screen tests can read."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios

import pytest

PATIENCE = 120                          # seconds without output: it hangs


class OnTerminal:
    """`with OnTerminal(*arguments) as terminal`: qemu-py runs there; what it shows is kept by pyte."""

    def __init__(self, *arguments, rows=25, columns=80, **environment):
        self.pyte = pytest.importorskip("pyte")
        self.screen = self.pyte.Screen(columns, rows)
        self.stream = self.pyte.ByteStream(self.screen)
        self.output = b""
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        environment = {"TERM": "xterm", "COLORTERM": "truecolor", **environment}
        self.process = subprocess.Popen([sys.executable, "-m", "qemu_py", *map(str, arguments)], stdin=self.slave, stdout=self.slave,
                                        stderr=subprocess.PIPE, preexec_fn=self._own_terminal, env={**os.environ, **environment})

    def _own_terminal(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)       # whoever started the tests may have had them ignored, as nohup does
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()
        for fd in (self.master, self.slave):
            if fd is not None:
                os.close(fd)

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def read(self):
        """Take what comes next; False: it has ended and there is no more."""
        ended = self.process.poll() is not None
        if not select.select([self.master], [], [], 0 if ended else 0.2)[0]:
            return not ended
        data = os.read(self.master, 65536)
        self.output += data
        self.stream.feed(data)
        return True

    def catches(self, number):
        """Has the command a handler for the signal yet?"""
        with open(f"/proc/{self.process.pid}/status") as f:
            caught = next(line for line in f if line.startswith("SigCgt:"))
        return int(caught.split()[1], 16) >> (number - 1) & 1

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def until(self, what):
        """Run until a line of the screen holds the text, or what() is true."""
        done = what if callable(what) else lambda: any(what in line for line in self.lines())
        waited = 0
        while not done():
            before = len(self.output)
            assert self.read(), f"it has ended: {self.process.stderr.read().decode()}"
            waited = waited + 0.2 if len(self.output) == before else 0
            assert waited < PATIENCE, "\n".join(self.lines())

    def end(self):
        """The exit status, when it has ended and restored the terminal."""
        while self.read():
            pass
        status = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self.slave) == self.before
        return status
