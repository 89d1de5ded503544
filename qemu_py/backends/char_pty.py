"""pty: a pseudo-terminal, whose name is told on standard error.

We keep the terminal's side open, too, so that programs may come and go; what nobody reads is dropped once
the terminal's buffer is full.
"""
import os
import sys
import tty

from qemu_py.backends.chardev import FDChar
from qemu_py.util.errors import UserError


class PtyChar(FDChar):
    def __init__(self):
        try:
            master, self.terminal = os.openpty()
        except OSError as e:
            raise UserError(f"the host gives no pseudo-terminal: {e.strerror}") from None
        tty.setraw(self.terminal)
        self.name = os.ttyname(self.terminal)
        os.set_blocking(master, False)
        super().__init__(f"pty:{self.name}", master, os.dup(master))
        self.owned = (self.fd_in, self.fd_out, self.terminal)
        print(f"char device redirected to {self.name}", file=sys.stderr)

    def write(self, data):
        try:
            os.write(self.fd_out, data)
        except OSError:                 # full
            pass
        return len(data)

    def close(self):
        super().close()
        owned, self.owned = self.owned, ()
        for fd in owned:
            os.close(fd)
        if owned:
            self.fd_in = self.fd_out = None
