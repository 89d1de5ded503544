"""The monitor's line: keys in, echo and finished lines out. No I/O here.

Backspace, Ctrl-U (delete the line) and the arrows up and down (earlier lines) work; other control keys and
escape sequences are swallowed.
"""
MAX_LINE = 4096                         # bytes
HISTORY = 64
BACKSPACES, CTRL_C, CTRL_U, ESC = (0x08, 0x7F), 0x03, 0x15, 0x1B
ERASE = b"\b \b"


class LineEditor:
    def __init__(self):
        self.line = bytearray()
        self.history = []
        self.place = 0                  # in the history; its length: the line is a new one
        self.sequence = None            # bytes of an escape sequence
        self.after_cr = False

    def reset(self):
        """Whoever typed has gone."""
        self.line.clear()
        self.place, self.sequence, self.after_cr = len(self.history), None, False

    def key(self, byte):
        """(what to show, the line as text if this ended it)."""
        after_cr, self.after_cr = self.after_cr, byte == 0x0D
        if self.sequence is not None:
            return self.escape(byte), None
        if byte == 0x0A and after_cr:   # CR LF ends one line
            return b"", None
        if byte in (0x0A, 0x0D):
            return b"\r\n", self.end_line()
        if byte in BACKSPACES:
            return self.erase(1), None
        if byte in (CTRL_C, CTRL_U):
            return self.erase(len(self.line)), None
        if byte == ESC:
            self.sequence = b""
        elif byte >= 0x20 and len(self.line) < MAX_LINE:
            self.line.append(byte)
            return bytes((byte,)), None
        return b"", None

    def end_line(self):
        text = self.line.decode("utf-8", "surrogateescape")
        if text.strip() and self.history[-1:] != [bytes(self.line)]:
            self.history = self.history[1 - HISTORY:] + [bytes(self.line)]
        self.line.clear()
        self.place = len(self.history)
        return text

    def erase(self, count):
        """The last characters; a character of UTF-8 is one."""
        shown = b""
        while count and self.line:
            while len(self.line) > 1 and self.line[-1] & 0xC0 == 0x80:
                self.line.pop()
            self.line.pop()
            shown += ERASE
            count -= 1
        return shown

    def escape(self, byte):
        """A byte of an escape sequence: ESC and a character, or ESC [ or O up to a letter or ~."""
        self.sequence += bytes((byte,))
        if self.sequence in (b"[", b"O") or self.sequence[:1] == b"[" and not 0x40 <= byte <= 0x7E and len(self.sequence) < 16:
            return b""
        sequence, self.sequence = self.sequence[1:], None
        return self.recall(-1) if sequence == b"A" else self.recall(1) if sequence == b"B" else b""

    def recall(self, step):
        """Put a line of the history in the place of this one."""
        place = min(max(self.place + step, 0), len(self.history))
        if place == self.place:
            return b""
        shown = self.erase(len(self.line))
        self.place = place
        self.line[:] = self.history[place] if place < len(self.history) else b""
        return shown + bytes(self.line)
