"""vc: a text console among the screens of the display (-serial vc, -monitor vc).

    vc                  as large as the terminal
    vc:COLUMNSxROWS     of a fixed size; QEMU's vc:80Cx24C, too
"""
import re

from qemu_py.backends.char_input import InputQueue
from qemu_py.backends.text_console import TextConsole
from qemu_py.util.errors import UserError

SIZE = re.compile(r"([0-9]{1,3})C?x([0-9]{1,3})C?")
CURSOR_KEYS = re.compile(rb"\x1b\[([ABCDHF])")


class VCChar(InputQueue):
    """`console` has its picture. Whoever shows it gives it input, and a name."""

    def __init__(self, size=""):
        super().__init__("vc")
        self.name = "vc"
        self.changed = lambda: None     # called when there is something new to see
        self.fixed = bool(size)
        rows, columns = 24, 80
        if size:
            found = SIZE.fullmatch(size)
            if not found or not all(int(number) for number in found.groups()):
                raise UserError(f"vc:{size}: write vc:COLUMNSxROWS, for example vc:80x24")
            columns, rows = map(int, found.groups())
        self.console = TextConsole(rows, columns, self.send_input)

    def write(self, data):
        self.console.feed(bytes(data))
        self.changed()
        return len(data)

    def resize(self, rows, columns):
        """The terminal has this size."""
        if not self.fixed:
            self.console.resize(rows, columns)

    def type(self, data):
        """What a terminal sends for a key; cursor keys as the program has asked for them (DECCKM)."""
        if self.console.application_keys:
            data = CURSOR_KEYS.sub(b"\x1bO\\1", data)
        self.console.scroll_view(-self.console.view)
        self.send_input(data)
