"""Text modes of the VGA: characters, attributes, fonts in plane 2, the cursor; the screen as text.

IBM PS/2 Hardware Interface Technical Reference, "Alphanumeric Modes". Plane 0 has the character (by
habit in code page 437), plane 1 its attribute, plane 2 up to eight fonts of 256 characters of 32 lines.
"""
import numpy as np

from qemu_py.devices.vga_address import display_address, parts
from qemu_py.devices.vga_memory import PLANES_SIZE

CLOCKING, CHARACTER_MAP, EIGHT_DOTS = 1, 3, 0x01
MODE_CONTROL, BLINK_ENABLE, LINE_GRAPHICS = 0x10, 0x08, 0x04
CURSOR_OFF = 0x20
CURSOR_FRAMES, BLINK_FRAMES = 8, 16     # lit as long as dark
# The glyphs of codes 0-31 and 127; Python's cp437 gives the control characters instead.
LOW_GLYPHS = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
GLYPHS = LOW_GLYPHS + bytes(range(32, 256)).decode("cp437").replace("\x7f", "⌂")


def planes(vga):
    return vga.mem.vram.view[:PLANES_SIZE].reshape(-1, 4)


def font(vga, select):
    """One of eight fonts: 256 x 32 bytes."""
    base = (select & 3) * 0x4000 + (select >> 2) * 0x2000
    return planes(vga)[base:base + 0x2000, 2].reshape(256, 32)


def glyph_lines(vga, characters, attributes, lines):
    """The font's bytes for characters: rows x columns x lines."""
    select = vga.s.sequencer[CHARACTER_MAP]
    a, b = select >> 2 & 3 | select >> 3 & 4, select & 3 | select >> 2 & 4
    found = font(vga, b)[characters, :lines]
    if a != b:
        found = np.where((attributes & 8)[..., None] != 0, font(vga, a)[characters, :lines], found)
    return found


def cursor_lines(crtc, lines):
    """The scan lines of a character that the cursor covers."""
    if crtc[0x0A] & CURSOR_OFF:
        return slice(0, 0)
    return slice(crtc[0x0A] & 0x1F, min(crtc[0x0B] & 0x1F, lines - 1) + 1)


def text_part(vga, part, columns, now):
    """Colours (0-15) of a part's dots."""
    s, crtc, timing = vga.s, vga.s.crtc, vga.frame_timing()
    mode, lines = s.attribute[MODE_CONTROL], part.row_lines
    rows = int(part.row[-1]) + 1
    counter = part.start + np.arange(rows)[:, None] * part.pitch + np.arange(columns + 1) & 0xFFFF
    cells = planes(vga)[display_address(crtc, counter, np.zeros_like(counter))]
    characters, attributes = cells[..., 0], cells[..., 1]
    bits = np.unpackbits(glyph_lines(vga, characters, attributes, lines)[..., None], axis=3)
    if not s.sequencer[CLOCKING] & EIGHT_DOTS:
        # The ninth dot repeats the eighth in characters that are to join, C0h-DFh; else it is background.
        joined = (characters >= 0xC0) & (characters <= 0xDF) & bool(mode & LINE_GRAPHICS)
        bits = np.concatenate((bits, bits[..., 7:] & joined[..., None, None]), axis=3)
    underline = crtc[0x14] & 0x1F
    if underline < lines:
        bits[attributes & 0x77 == 1, underline] = 1
    ink, paper = attributes & 0x0F, attributes >> 4
    if mode & BLINK_ENABLE:
        paper = paper & 7
        if not timing.blink(now, BLINK_FRAMES):
            ink = np.where(attributes & 0x80, paper, ink)
    if timing.blink(now, CURSOR_FRAMES):
        y, x = np.nonzero(counter == (crtc[0x0E] << 8 | crtc[0x0F]))
        bits[y, x, cursor_lines(crtc, lines)] = 1
    dots = np.where(bits, ink[..., None, None], paper[..., None, None]).transpose(0, 2, 1, 3).reshape(rows * lines, -1)
    width = columns * bits.shape[3]
    return dots[part.row * lines + part.scan, part.panning:part.panning + width]


def screen_cells(vga):
    """(characters, attributes: rows x columns; the cursor's (column, row), or None) of a text screen, also a split one; None: a
    graphics mode. Rows of which only a part is shown at a split are there, at the bottom not."""
    s, crtc = vga.s, vga.s.crtc
    if s.graphics[6] & 1 or vga.dispi.enabled:
        return None
    vga.mem.sync()
    lines = (crtc[0x09] & 0x1F) + 1
    columns, shown = crtc[0x01] + 1, parts(vga)
    counters = []
    for part in shown:
        rows = int(part.row[-1]) + (part is not shown[-1] or int(part.scan[-1]) == lines - 1)
        counters.append(part.start + np.arange(rows)[:, None] * part.pitch + np.arange(columns))
    counter = np.concatenate(counters) & 0xFFFF
    cells = planes(vga)[display_address(crtc, counter, np.zeros_like(counter))]
    covered = cursor_lines(crtc, lines)
    y, x = np.nonzero(counter == (crtc[0x0E] << 8 | crtc[0x0F])) if covered.start < covered.stop else ((), ())
    return cells[..., 0], cells[..., 1], (int(x[0]), int(y[0])) if len(x) else None


def screen_text(vga):
    """The text screen: a string for each row, right-stripped; of a graphics mode, nothing."""
    cells = screen_cells(vga)
    return [] if cells is None else ["".join(GLYPHS[code] for code in row).rstrip() for row in cells[0]]
