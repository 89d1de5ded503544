"""A terminal that understands what the painter sends: cursor position, erase, colours of 24 bits, modes."""
import re

from qemu_py.backends.terminal_cells import BLINK, CHARACTER, INK, PAPER, blank_cells

SEQUENCE = re.compile(r"\x1b_[^\x1b]*\x1b\\|\x1b\[16t|\x1b\[c|\x1b\[(\??)([0-9;]*)([A-Za-z])|(.)", re.S)


class SmallTerminal:
    def __init__(self, rows, columns):
        self.cells = blank_cells(rows, columns)
        self.x = self.y = 0
        self.pen = (0xAAAAAA, 0, 0)
        self.modes = {25: True}

    @property
    def cursor(self):
        return self.x, self.y

    @property
    def cursor_shown(self):
        return self.modes[25]

    def feed(self, text):
        for private, parameters, final, character in SEQUENCE.findall(text):
            if not final and not character:
                continue                # a question, which it does not answer
            values = [int(word or 0) for word in parameters.split(";")]
            if character:
                assert character >= " ", f"{character!r} was not expected"
                self.cells[self.y, self.x] = ord(character), *self.pen
                self.x += 1
            elif private:
                self.modes[values[0]] = final == "h"
            elif final == "H":
                self.y, self.x = values[0] - 1, values[1] - 1
            elif final == "J":
                self.cells[:] = blank_cells(*self.cells.shape[:2])
            elif final == "m":
                self._sgr(values)
            else:
                raise AssertionError(f"{final!r} was not expected")

    def _sgr(self, values):
        ink, paper, blink = 0xAAAAAA, 0, 0
        while values:
            value = values.pop(0)
            if value in (38, 48):
                assert values.pop(0) == 2
                color = values.pop(0) << 16 | values.pop(0) << 8 | values.pop(0)
                ink, paper = (color, paper) if value == 38 else (ink, color)
            elif value == 5:
                blink = 1
            else:
                assert value == 0
        self.pen = ink, paper, blink

    def lines(self):
        return ["".join(chr(c) for c in row).rstrip() for row in self.cells[..., CHARACTER]]

    def colors_at(self, x, y):
        """(ink, paper, blinks)."""
        return tuple(int(self.cells[y, x, n]) for n in (INK, PAPER, BLINK))
