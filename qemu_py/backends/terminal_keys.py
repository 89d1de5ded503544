"""What a terminal sends for keys (ECMA-48, xterm's control sequences, the Linux console), as names of PC keys.

Sans-IO: feed() takes bytes as they come, in pieces of any size, and gives key combinations (Keys), and what the terminal
tells of itself (Report) and its mouse (Mouse, mode 1006). A terminal tells neither when a key goes up nor the keys
themselves, but characters: they are typed as the US layout has them, and what it lacks has no names.
"""
from typing import NamedTuple

from qemu_py.system.keymap import keys_of_character

ESC = 0x1B
LETTERS = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "E": "kp_5",
           "P": "f1", "Q": "f2", "R": "f3", "S": "f4", "M": "kp_enter"}
NUMBERS = {1: "home", 2: "insert", 3: "delete", 4: "end", 5: "pgup", 6: "pgdn", 7: "home", 8: "end",
           11: "f1", 12: "f2", 13: "f3", 14: "f4", 15: "f5", 17: "f6", 18: "f7", 19: "f8", 20: "f9", 21: "f10",
           23: "f11", 24: "f12"}
LINUX_FUNCTION_KEYS = {"A": "f1", "B": "f2", "C": "f3", "D": "f4", "E": "f5"}       # ESC [ [ A
PASTE_BEGIN, PASTE_END = 200, 201       # bracketed paste
MODIFIERS = ((1, "shift"), (4, "ctrl"), (2, "alt"))     # xterm's parameter, less one
CONTROLS = {0x00: ("ctrl", "spc"), 0x08: ("backspace",), 0x09: ("tab",), 0x0D: ("ret",), 0x1C: ("ctrl", "backslash"),
            0x1D: ("ctrl", "bracket_right"), 0x1E: ("ctrl", "6"), 0x1F: ("ctrl", "minus"), 0x7F: ("backspace",)}
LONGEST = 32                            # bytes of a sequence; one that does not end is none
LONGEST_STRING = 256                    # and of a string (APC)
SHIFT, ALT, CTRL, MOTION, WHEEL = 4, 8, 16, 32, 64      # of a mouse report's first parameter


class Keys(tuple):
    """Names of system.keymap in the order in which they go down; `data` is what the terminal has sent for them."""

    def __new__(cls, names, data=b""):
        keys = super().__new__(cls, names)
        keys.data = data
        return keys


class Report(NamedTuple):
    """A control sequence that no key sends, or an APC string (final "_")."""
    final: str
    prefix: str                         # ? > < =, or ""
    parameters: tuple                   # numbers
    text: str = ""


class Mouse(NamedTuple):
    """The mouse is over a cell, counted from 0. button: 0 left, 1 middle, 2 right, 3 none. wheel: lines towards the user."""
    column: int
    row: int
    button: int
    pressed: bool
    moved: bool
    wheel: int


class TerminalKeys:
    def __init__(self):
        self.waiting = bytearray()      # an incomplete sequence
        self.pasting = False
        self.expects_strings = False    # an answer in the form of a string is to come: ESC _ is not Alt-_

    @property
    def undecided(self):
        """A lone ESC, or the beginning of a sequence, has come: call flush() when nothing follows soon."""
        return bool(self.waiting)

    def feed(self, data):
        self.waiting += data
        keys = []
        while self.waiting:
            used, found = self._next()
            if not used:
                if len(self.waiting) <= (LONGEST_STRING if self.waiting[:2] == b"\x1b_" else LONGEST):
                    break
                used, found = 1, None
            data = bytes(self.waiting[:used])
            del self.waiting[:used]
            if found is not None:
                keys.append(found if isinstance(found, (Report, Mouse)) else Keys(found, data))
        return keys

    def flush(self):
        """Nothing more has come: what waits was no beginning of a sequence, but keys."""
        keys = []
        while self.waiting:
            byte = self.waiting.pop(0)
            if byte == ESC:
                keys.append(Keys(("esc",), b"\x1b"))
            elif byte < 0x80:
                keys.append(Keys(self._character(byte), bytes([byte])))
        return keys

    # ---------------------------------------------------------------- one key
    def _next(self):
        """(bytes used, names, Report or Mouse, or None for nothing); no bytes used: more are needed."""
        data = self.waiting
        if data[0] == ESC:
            return self._escape()
        if data[0] < 0x80:
            return 1, self._character(data[0])
        length = 2 if 0xC0 <= data[0] < 0xE0 else 3 if 0xE0 <= data[0] < 0xF0 else 4 if 0xF0 <= data[0] < 0xF8 else 1
        if len(data) < length:
            return 0, None
        return length, keys_of_character(bytes(data[:length]).decode("utf-8", "replace"))

    def _character(self, byte):
        if self.pasting and byte in (0x0A, 0x0D):
            return ("ret",)
        if byte in CONTROLS:
            return CONTROLS[byte]
        if byte < 0x20:
            return ("ctrl", chr(byte + 0x60))
        return keys_of_character(chr(byte))

    def _escape(self):
        data = self.waiting
        if len(data) == 1:
            return 0, None
        introducer = chr(data[1])
        if introducer == "O":           # SS3
            if len(data) < 3:
                return 0, None
            name = LETTERS.get(chr(data[2]))
            return (3, (name,)) if name else (2, ("alt", "shift", "o"))
        if introducer == "[":
            return self._control_sequence()
        if introducer == "_" and self.expects_strings:
            end = data.find(b"\x1b\\", 2)
            return (end + 2, Report("_", "", (), data[2:end].decode("latin-1"))) if end >= 0 else (0, None)
        if data[1] == ESC:              # Alt with a key that has a sequence, or ESC twice
            return 1, ("esc",)
        if data[1] >= 0x80:
            return 1, ("esc",)
        combination = self._character(data[1])
        return 2, ("alt", *combination) if combination else None

    def _control_sequence(self):
        data = self.waiting
        if len(data) > 2 and data[2] == ord("["):
            if len(data) < 4:
                return 0, None
            name = LINUX_FUNCTION_KEYS.get(chr(data[3]))
            return 4, (name,) if name else None
        end = next((i for i in range(2, len(data)) if 0x40 <= data[i] < 0x7F), None)
        if end is None:
            return 0, None
        final = chr(data[end])
        prefix = chr(data[2]) if data[2:3] in (b"?", b">", b"<", b"=") else ""
        parameters = [int(word) if word.isdigit() else 0 for word in data[2 + len(prefix):end].decode("latin-1").split(";")]
        if prefix == "<" and final in "Mm" and len(parameters) == 3:
            return end + 1, mouse(parameters, final == "M")
        if prefix:
            return end + 1, Report(final, prefix, tuple(parameters))
        modifier = parameters[1] - 1 if len(parameters) > 1 and parameters[1] else 0
        name = None
        if final == "~":
            if parameters[0] in (PASTE_BEGIN, PASTE_END):
                self.pasting = parameters[0] == PASTE_BEGIN
                return end + 1, None
            name = NUMBERS.get(parameters[0])
        elif final == "Z":
            name, modifier = "tab", 1
        else:
            name = LETTERS.get(final)
        if name is None:
            return end + 1, Report(final, "", tuple(parameters))        # or a key that no PC keyboard has
        return end + 1, (*(key for bit, key in MODIFIERS if modifier & bit), name)


def mouse(parameters, pressed):
    """xterm's "SGR" mouse report, CSI < code ; column ; row M or m."""
    code, column, row = parameters
    wheel = (-1, 1, 0, 0)[code & 3] if code & WHEEL else 0
    return Mouse(max(0, column - 1), max(0, row - 1), code & 3, pressed and not code & WHEEL, bool(code & MOTION), wheel)
