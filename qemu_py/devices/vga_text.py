"""The text window of a VGA at B8000h, as 32 KiB of RAM, and how to read a screen from it.

A cell is two bytes: the character (code page 437), then its attribute. The window is in the state
in which a BIOS leaves mode 3: blanks, light grey on black.

Not modelled: everything else of a VGA (registers, planes, fonts, scan-out).
"""
WINDOW_BASE, WINDOW_SIZE = 0xB8000, 0x8000
COLUMNS, ROWS = 80, 25
BLANK = b" \x07"
# The glyphs of codes 0-31 and 127; Python's cp437 gives the control characters instead.
LOW_GLYPHS = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
GLYPHS = LOW_GLYPHS + bytes(range(32, 256)).decode("cp437").replace("\x7f", "⌂")


def clear(window):
    """Fill the window (a writable buffer of 32 KiB) with blanks."""
    window[:] = BLANK * (len(window) // 2)


def screen_text(window, start=0, columns=COLUMNS, rows=ROWS):
    """The screen that begins at byte `start` of the window: a list of `rows` strings, right-stripped."""
    chars = bytes(window[start:start + 2 * columns * rows:2])
    return ["".join(GLYPHS[c] for c in chars[row * columns:(row + 1) * columns]).rstrip()
            for row in range(rows)]
