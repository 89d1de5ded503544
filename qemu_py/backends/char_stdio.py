"""stdio: the process' standard input and output; a terminal is put into raw mode and restored."""
import atexit
import os

from qemu_py.backends.chardev import FDChar


class StdioChar(FDChar):
    """Standard input and output. On a terminal, keys arrive one by one and unechoed; with `signals`
    Ctrl-C still ends the machine, without it goes to the guest."""

    def __init__(self, signals=True):
        super().__init__("stdio", 0, 1)
        self.signals = signals
        self.saved = None

    def open(self, main_loop):
        self.raw_mode()
        super().open(main_loop)

    def raw_mode(self):
        try:
            if not os.isatty(0) or os.tcgetpgrp(0) != os.getpgrp():
                return
        except OSError:
            return
        import termios
        self.saved = termios.tcgetattr(0)
        mode = termios.tcgetattr(0)
        mode[0] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR
                     | termios.IGNCR | termios.ICRNL | termios.IXON)
        mode[1] |= termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN)
        if not self.signals:
            mode[3] &= ~termios.ISIG
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        atexit.register(self.restore)
        termios.tcsetattr(0, termios.TCSANOW, mode)

    def restore(self):
        if self.saved is not None:
            import termios
            saved, self.saved = self.saved, None
            atexit.unregister(self.restore)
            try:
                termios.tcsetattr(0, termios.TCSANOW, saved)
            except termios.error:
                pass                    # the terminal is gone

    def close(self):
        super().close()
        self.restore()
