"""The monitor's line: keys in, echo and finished lines out. No I/O here.

    left right home end  Ctrl-B Ctrl-F  Ctrl-E      move              backspace delete Ctrl-D     delete a character
    up down  Ctrl-P Ctrl-N                          earlier lines     Ctrl-W                      delete the word before
    Tab                                             complete          Ctrl-K Ctrl-U               to the end; all of it
Other control keys and escape sequences are swallowed. (Ctrl-A is the escape key of mon: devices.)
"""
from qemu_py.util.text_columns import columns

MAX_LINE = 4096                         # bytes
HISTORY = 64
WIDTH = 78                              # of a list of completions
ESC, TAB, CR, LF = 0x1B, 0x09, 0x0D, 0x0A
KEYS = {0x02: "left", 0x06: "right", 0x05: "end", 0x10: "up", 0x0E: "down", 0x08: "backspace", 0x7F: "backspace", 0x04: "delete",
        0x17: "word", 0x0B: "kill", 0x15: "clear", 0x03: "clear"}
SEQUENCES = {b"[A": "up", b"[B": "down", b"[C": "right", b"[D": "left", b"[H": "home", b"[F": "end",
             b"OA": "up", b"OB": "down", b"OC": "right", b"OD": "left", b"OH": "home", b"OF": "end",
             b"[1~": "home", b"[3~": "delete", b"[4~": "end", b"[7~": "home", b"[8~": "end"}


class LineEditor:
    """complete(text before the cursor): the words that may stand in the place of its last one. prompt: shown again below a list."""

    def __init__(self, complete=lambda text: (), prompt=b""):
        self.complete, self.prompt = complete, prompt
        self.line = bytearray()
        self.cursor = 0                 # bytes in front of it
        self.history = []
        self.place = 0                  # in the history; its length: the line is a new one
        self.sequence = None            # bytes of an escape sequence
        self.after_cr = False

    def reset(self):
        """Whoever typed has gone."""
        self.line.clear()
        self.cursor = 0
        self.place, self.sequence, self.after_cr = len(self.history), None, False

    def shown(self):
        """Prompt and line, with the cursor in its place."""
        return self.prompt + bytes(self.line) + self.back(self.cursor)

    def key(self, byte):
        """(what to show, the line as text if this ended it)."""
        after_cr, self.after_cr = self.after_cr, byte == CR
        if self.sequence is not None:
            return self.escape(byte), None
        if byte == LF and after_cr:     # CR LF ends one line
            return b"", None
        if byte in (LF, CR):
            return b"\r\n", self.end_line()
        if byte == TAB:
            return self.tab(), None
        if byte in KEYS:
            return getattr(self, KEYS[byte])(), None
        if byte == ESC:
            self.sequence = b""
        elif byte >= 0x20 and len(self.line) < MAX_LINE:
            return self.insert(bytes((byte,))), None
        return b"", None

    def escape(self, byte):
        """A byte of an escape sequence: ESC and a character, or ESC [ or O up to a letter or ~."""
        self.sequence += bytes((byte,))
        if self.sequence in (b"[", b"O") or self.sequence[:1] == b"[" and not 0x40 <= byte <= 0x7E and len(self.sequence) < 16:
            return b""
        sequence, self.sequence = self.sequence, None
        return getattr(self, SEQUENCES[sequence])() if sequence in SEQUENCES else b""

    def end_line(self):
        text = self.line.decode("utf-8", "surrogateescape")
        if text.strip() and self.history[-1:] != [bytes(self.line)]:
            self.history.append(bytes(self.line))
            del self.history[:-HISTORY]
        self.line.clear()
        self.cursor, self.place = 0, len(self.history)
        return text

    # ---------------------------------------------------------------- the text
    def width(self, first, last):
        """Columns of a part of the line; a character of UTF-8 is one."""
        return sum(byte & 0xC0 != 0x80 for byte in self.line[first:last])

    def back(self, place):
        """From the line's end to a place in it."""
        return b"\b" * self.width(place, len(self.line))

    def insert(self, data):
        self.line[self.cursor:self.cursor] = data
        self.cursor += len(data)
        start = min(self.cursor - len(data), self.before(self.cursor))
        lead = self.line[start]
        length = 1 if not 0xC0 <= lead < 0xF8 else 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2
        if self.cursor - start < length:        # the rest of a UTF-8 character is still to come
            return b""
        return bytes(self.line[start:]) + self.back(self.cursor)

    def remove(self, first, last):
        """The cursor is at one of the two."""
        shown = b"\b" * self.width(first, self.cursor)
        gone = self.width(first, last)
        del self.line[first:last]
        self.cursor = first
        rest = bytes(self.line[first:])
        return shown + rest + b" " * gone + b"\b" * gone + self.back(first) if gone else b""

    def before(self, place):
        """The beginning of the character before a place."""
        place = max(0, place - 1)
        while place > 0 and self.line[place] & 0xC0 == 0x80:
            place -= 1
        return place

    def behind(self, place):
        place = min(len(self.line), place + 1)
        while place < len(self.line) and self.line[place] & 0xC0 == 0x80:
            place += 1
        return place

    def replace(self, data):
        shown = self.end() + self.remove(0, len(self.line))
        self.line[:] = data
        self.cursor = len(data)
        return shown + bytes(data)

    # ---------------------------------------------------------------- keys
    def left(self):
        if self.cursor == 0:
            return b""
        self.cursor = self.before(self.cursor)
        return b"\b"

    def right(self):
        old, self.cursor = self.cursor, self.behind(self.cursor)
        return bytes(self.line[old:self.cursor])

    def home(self):
        shown, self.cursor = b"\b" * self.width(0, self.cursor), 0
        return shown

    def end(self):
        shown, self.cursor = bytes(self.line[self.cursor:]), len(self.line)
        return shown

    def backspace(self):
        return self.remove(self.before(self.cursor), self.cursor)

    def delete(self):
        return self.remove(self.cursor, self.behind(self.cursor))

    def word(self):
        text = bytes(self.line[:self.cursor])
        return self.remove(text.rstrip().rfind(b" ") + 1, self.cursor)

    def kill(self):
        return self.remove(self.cursor, len(self.line))

    def clear(self):
        return self.end() + self.remove(0, len(self.line))

    def up(self):
        return self.recall(-1)

    def down(self):
        return self.recall(1)

    def recall(self, step):
        """Put a line of the history in the place of this one."""
        place = min(max(self.place + step, 0), len(self.history))
        if place == self.place:
            return b""
        self.place = place
        return self.replace(self.history[place] if place < len(self.history) else b"")

    def tab(self):
        """Complete the word before the cursor as far as that is clear; list what it may be where it is not."""
        text = bytes(self.line[:self.cursor]).decode("utf-8", "surrogateescape")
        word = text[max(text.rfind(" "), text.rfind(",")) + 1:] if text else ""
        found = [name for name in self.complete(text) if name.startswith(word)]
        if not found:
            return b""
        common = found[0]
        for name in found:
            while not name.startswith(common):
                common = common[:-1]
        more = common[len(word):] + (" " if len(found) == 1 and not common.endswith(("/", ",")) else "")
        if more or len(found) == 1:
            return self.insert(more.encode("utf-8", "surrogateescape")) if len(self.line) + len(more) <= MAX_LINE else b""
        names = [name[word.rfind("/") + 1:] for name in found]
        return b"\r\n" + columns(names, WIDTH).replace("\n", "\r\n").encode("utf-8", "surrogateescape") + self.shown()
