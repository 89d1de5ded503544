"""A text console: what a program sends to a terminal, as cells of characters with colours, and what has scrolled out of it.

Sans-IO: feed() takes bytes in pieces of any size. Control sequences after ECMA-48, DEC's VT102 manual and xterm's
"Control Sequences". Not modelled: tab stops other than every eighth column, origin mode, characters of double width.
"""
from collections import deque
from functools import lru_cache

import numpy as np

from qemu_py.backends.text_parser import TextParser
from qemu_py.backends.text_pen import Pen

SCROLLBACK = 2000                       # lines
TAB = 8
DEC_GRAPHICS = str.maketrans("`afgjklmnopqrstuvwxyz{|}~", "◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")
DEVICE_ATTRIBUTES, READY = "\x1b[?6c", "\x1b[0n"        # a VT102; no malfunction


class Cells(dict):
    """character -> cell, of one pair of colours. Cells that look the same are one object: lines that scrolled out cost little."""

    def __init__(self, colors):
        super().__init__()
        self.colors = colors

    def __missing__(self, character):
        cell = self[character] = (ord(character), *self.colors)
        return cell


cells_of = lru_cache(256)(Cells)


class TextConsole:
    """`answer(bytes)` is given what the terminal replies to queries."""

    def __init__(self, rows=24, columns=80, answer=None):
        self.rows, self.columns = rows, columns
        self.answer = answer
        self.version = 0                # rises with everything that may look different
        self.parser = TextParser()
        self.scrollback = deque(maxlen=SCROLLBACK)
        self.view = 0                   # lines that the user has scrolled back
        self.reset()

    def reset(self):
        self.pen = Pen()
        self.lines = [self._blank() for _ in range(self.rows)]
        self.x = self.y = 0
        self.wrap = False               # the last column has been written: the next character goes to the next line
        self.top, self.bottom = 0, self.rows - 1
        self.saved = (0, 0, self.pen, False)
        self.other = None               # the lines of the normal screen, while the alternate one is shown
        self.cursor_shown, self.autowrap, self.insert = True, True, False
        self.application_keys = self.graphics = False
        self.last = " "

    def _blank(self, count=None):
        return [cells_of(self.pen.colors())[" "]] * (self.columns if count is None else count)

    # ---------------------------------------------------------------- what is seen
    def cells(self):
        """Rows x columns x 4, as terminal_cells has them, with what has been scrolled back to."""
        lines = self.lines
        if self.view:
            above = list(self.scrollback)[-self.view:][:self.rows]
            lines = [(line + self._blank())[:self.columns] for line in above] + lines[:self.rows - len(above)]
        return np.array(lines, np.uint32)

    @property
    def cursor(self):
        """(column, row), or None."""
        return (self.x, self.y) if self.cursor_shown and not self.view else None

    def scroll_view(self, lines):
        """Look at earlier lines, or, negative, at later ones."""
        self.view = max(0, min(len(self.scrollback), self.view + lines))
        self.version += 1

    def text(self):
        """The lines, right-stripped."""
        return ["".join(chr(code) for code in row).rstrip() for row in self.cells()[..., 0]]

    def resize(self, rows, columns):
        """Another size. The cursor's line stays; lines are cut or filled up at the right."""
        if (rows, columns) == (self.rows, self.columns):
            return
        self.columns = columns
        self.lines = [(line + self._blank())[:columns] for line in self.lines]
        while len(self.lines) > rows:
            if self.y < len(self.lines) - 1:
                self.lines.pop()
            else:
                self._keep(self.lines.pop(0))
                self.y -= 1
        while len(self.lines) < rows and self.scrollback and self.other is None:
            self.lines.insert(0, (self.scrollback.pop() + self._blank())[:columns])
            self.y += 1
        self.lines += [self._blank() for _ in range(rows - len(self.lines))]
        self.rows, self.top, self.bottom = rows, 0, rows - 1
        self.x, self.wrap = min(self.x, columns - 1), False
        self.other = None if self.other is None else ([self._blank() for _ in range(rows)], 0, 0)
        self.view = min(self.view, len(self.scrollback))
        self.version += 1

    # ---------------------------------------------------------------- input
    def feed(self, data):
        for token in self.parser.feed(data):
            kind, value, *rest = token
            getattr(self, f"_{kind}")(value, *rest)
        self.version += 1

    def _text(self, text):
        self.last = text[-1]
        if self.graphics:
            text = text.translate(DEC_GRAPHICS)
        cells = cells_of(self.pen.colors())
        while text:
            if self.wrap:
                self.wrap = False
                self.x = 0
                self._index()
            count = min(len(text), self.columns - self.x)
            line = self.lines[self.y]
            if self.insert:
                line[self.x:self.x] = [cells[" "]] * count
                del line[self.columns:]
            line[self.x:self.x + count] = [cells[character] for character in text[:count]]
            text = text[count:]
            self.x += count
            if self.x == self.columns:
                self.x -= 1
                if self.autowrap:
                    self.wrap = True
                elif text:              # each further one replaces the last
                    line[self.x] = cells[text[-1]]
                    return

    def _control(self, character):
        if character == "\r":
            self.x = 0
        elif character in "\n\v\f":
            self._index()
        elif character == "\b":
            self.x = max(0, self.x - 1)
        elif character == "\t":
            self.x = min(self.columns - 1, (self.x // TAB + 1) * TAB)
        elif character in "\x0e\x0f":   # SO, SI
            self.graphics = character == "\x0e"
            return
        else:
            return
        self.wrap = False

    def _index(self):
        """The cursor goes down; at the bottom the lines go up."""
        if self.y == self.bottom:
            self._scroll(self.top, 1)
        elif self.y < self.rows - 1:
            self.y += 1

    def _keep(self, line):
        if self.other is None:
            self.scrollback.append(line)
            if self.view:               # what is looked at stands still
                self.view = min(self.view + 1, len(self.scrollback))

    def _scroll(self, top, count, keep=True):
        """The lines from `top` to the bottom margin go up, or down if count is negative."""
        height = self.bottom - top + 1
        for _ in range(min(abs(count), height)):
            if count > 0:
                line = self.lines.pop(top)
                if keep and top == 0 and self.bottom == self.rows - 1:
                    self._keep(line)
                self.lines.insert(self.bottom, self._blank())
            else:
                self.lines.pop(self.bottom)
                self.lines.insert(top, self._blank())

    def _escape(self, text):
        if text == "7":
            self._save()
        elif text == "8":
            self._restore()
        elif text == "D":
            self._index()
        elif text == "E":
            self.x = 0
            self._index()
        elif text == "M":
            if self.y == self.top:
                self._scroll(self.top, -1)
            else:
                self.y = max(0, self.y - 1)
        elif text == "c":
            self.reset()
        elif text == "Z":
            self._reply(DEVICE_ATTRIBUTES)
        elif text[:1] in "()" and len(text) == 2:
            self.graphics = text[1] == "0"
        elif text == "#8":              # DECALN
            self.lines = [[cells_of(Pen().colors())["E"]] * self.columns for _ in range(self.rows)]

    def _save(self):
        pen = Pen()
        pen.__dict__.update(self.pen.__dict__)
        self.saved = (self.x, self.y, pen, self.graphics)

    def _restore(self):
        x, y, pen, self.graphics = self.saved
        self.x, self.y, self.wrap = min(x, self.columns - 1), min(y, self.rows - 1), False
        self.pen.__dict__.update(pen.__dict__)

    def _reply(self, text):
        if self.answer is not None:
            self.answer(text.encode())

    # ---------------------------------------------------------------- control sequences
    def _csi(self, final, prefix, parameters):
        if prefix or len(final) > 1:
            if prefix == "?" and final in "hl":
                for number in parameters:
                    self._mode(number, final == "h")
            return
        handler = CSI.get(final)
        if handler is not None:
            handler(self, parameters, max(1, parameters[0]) if parameters else 1)

    def _mode(self, number, on):
        if number == 1:
            self.application_keys = on
        elif number == 7:
            self.autowrap = on
        elif number == 25:
            self.cursor_shown = on
        elif number in (47, 1047, 1049) and on and self.other is None:
            self.other = (self.lines, self.x, self.y)
            self.lines = [self._blank() for _ in range(self.rows)]
        elif number in (47, 1047, 1049) and not on and self.other is not None:
            self.lines, self.x, self.y = self.other
            self.other, self.wrap = None, False

    def _move(self, x=None, y=None):
        self.x = self.x if x is None else max(0, min(self.columns - 1, x))
        self.y = self.y if y is None else max(0, min(self.rows - 1, y))
        self.wrap = False

    def _vertical(self, count):
        """Up and down stop at the margins, if they begin inside of them."""
        low = self.top if self.y >= self.top else 0
        high = self.bottom if self.y <= self.bottom else self.rows - 1
        self._move(y=max(low, min(high, self.y + count)))

    def _erase_line(self, y, first, last):
        self.lines[y][first:last] = self._blank(last - first)

    def _erase_in_line(self, kind):
        self._erase_line(self.y, 0 if kind else self.x, self.x + 1 if kind == 1 else self.columns)

    def _erase_in_display(self, kind):
        if kind == 3:
            self.scrollback.clear()
            self.view = 0
            return
        if kind < 2:
            self._erase_in_line(kind)
        for y in range(self.y + 1 if kind == 0 else 0, self.y if kind == 1 else self.rows):
            self._erase_line(y, 0, self.columns)

    def _insert_lines(self, count):
        if self.top <= self.y <= self.bottom:
            self._scroll(self.y, -count, keep=False)
            self._move(x=0)

    def _delete_characters(self, count):
        line = self.lines[self.y]
        del line[self.x:self.x + count]
        line += self._blank(self.columns - len(line))

    def _insert_characters(self, count):
        line = self.lines[self.y]
        line[self.x:self.x] = self._blank(count)
        del line[self.columns:]

    def _margins(self, parameters):
        top, bottom = (parameters + [0, 0])[:2]
        top, bottom = max(1, top), min(bottom or self.rows, self.rows)
        if top < bottom:
            self.top, self.bottom = top - 1, bottom - 1
            self._move(0, 0)

    def _report(self, kind):
        if kind == 5:
            self._reply(READY)
        elif kind == 6:
            self._reply(f"\x1b[{self.y + 1};{self.x + 1}R")


def first(parameters):
    return parameters[0] if parameters else 0


# final -> (console, parameters, the first of them as a count)
CSI = {
    "A": lambda c, p, n: c._vertical(-n), "B": lambda c, p, n: c._vertical(n), "e": lambda c, p, n: c._vertical(n),
    "C": lambda c, p, n: c._move(x=c.x + n), "a": lambda c, p, n: c._move(x=c.x + n), "D": lambda c, p, n: c._move(x=c.x - n),
    "E": lambda c, p, n: (c._vertical(n), c._move(x=0)), "F": lambda c, p, n: (c._vertical(-n), c._move(x=0)),
    "G": lambda c, p, n: c._move(x=n - 1), "`": lambda c, p, n: c._move(x=n - 1), "d": lambda c, p, n: c._move(y=n - 1),
    "H": lambda c, p, n: c._move((p[1] or 1) - 1 if len(p) > 1 else 0, n - 1),
    "f": lambda c, p, n: c._move((p[1] or 1) - 1 if len(p) > 1 else 0, n - 1),
    "J": lambda c, p, n: c._erase_in_display(first(p)), "K": lambda c, p, n: c._erase_in_line(first(p)),
    "L": lambda c, p, n: c._insert_lines(n), "M": lambda c, p, n: c._insert_lines(-n),
    "P": lambda c, p, n: c._delete_characters(n), "@": lambda c, p, n: c._insert_characters(min(n, c.columns)),
    "X": lambda c, p, n: c._erase_line(c.y, c.x, min(c.columns, c.x + n)),
    "S": lambda c, p, n: c._scroll(c.top, n), "T": lambda c, p, n: c._scroll(c.top, -n),
    "b": lambda c, p, n: c._text(c.last * min(n, c.columns)),
    "m": lambda c, p, n: c.pen.sgr(p), "r": lambda c, p, n: c._margins(p),
    "s": lambda c, p, n: c._save(), "u": lambda c, p, n: c._restore(),
    "h": lambda c, p, n: setattr(c, "insert", c.insert or 4 in p), "l": lambda c, p, n: setattr(c, "insert", c.insert and 4 not in p),
    "c": lambda c, p, n: c._reply(DEVICE_ATTRIBUTES), "n": lambda c, p, n: c._report(first(p)),
}
