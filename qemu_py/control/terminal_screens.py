"""What the terminal can show: the guest's screen, and text consoles (-serial vc, the monitor).

A screen tells by state() and dirty() whether it may look different, and gives view(): cells, where the cursor is, and
a picture (pixels and the ratio of its sides) if the guest is in a graphics mode.
"""
from typing import NamedTuple

import numpy as np

from qemu_py.backends.terminal_cells import BLINK, CHARACTER, INK, PAPER, blank_cells, rgb_values, window
from qemu_py.machine.pc_vga import cpus_stopped

KEY_NS = 10_000_000                     # how long a key is held
SCROLL_KEYS = ("pgup", "pgdn", "up", "down")
TEXT_CELL = (16, 8)                     # dots, height and width


class View(NamedTuple):
    cells: object = None                # rows x columns x 4
    cursor: tuple = None                # (column, row), or None
    pixels: object = None               # height x width x RGB, in the place of cells
    aspect: float = 4 / 3               # width / height as it is to look


class GuestScreen:
    name = "screen"

    def __init__(self, machine):
        self.machine, self.vga = machine, machine.vga
        self.shape, self.text = (25, 80), True  # of what is shown: rows and columns of text, or lines and dots

    def state(self):
        return self.vga.version

    def dirty(self):
        """Has the guest written into the video memory since the last call?"""
        if not self.vga.mem.dirty():
            return False
        with cpus_stopped(self.machine):
            self.vga.mem.reset_dirty()
        return True

    def view(self, rows, columns):
        from qemu_py.devices import vga_render, vga_text
        vga = self.vga
        if vga_render.blank(vga):
            return View(blank_cells(rows, columns))
        text = vga_text.screen_cells(vga)
        if text is None:
            pixels = vga_render.picture(vga, vga.clock.get_ns())
            self.shape, self.text = pixels.shape[:2], False
            return View(pixels=pixels, aspect=pixels.shape[1] / pixels.shape[0] if vga.dispi.enabled else 4 / 3)
        self.shape, self.text = text[0].shape, True
        return View(*window(text_cells(vga, *text[:2]), text[2], rows, columns))

    def dots_of_cell(self, rows, columns):
        """(height, width) of the guest's dots behind one cell of the terminal."""
        if self.text:
            return TEXT_CELL
        height, width = self.shape
        high = max(height / rows, 2 * width / columns)          # cells are about twice as high as wide
        return high, high / 2

    def key(self, keys):
        if keys:
            self.machine.inputs.send_keys("-".join(keys), KEY_NS)


def text_cells(vga, characters, attributes):
    """A text screen with its glyphs and colours as cells."""
    from qemu_py.devices.vga_render import palette_rgb
    from qemu_py.devices.vga_text import BLINK_ENABLE, GLYPHS, MODE_CONTROL
    colors = rgb_values(palette_rgb(vga))
    glyphs = np.array([ord(glyph) if glyph.isprintable() else 0x20 for glyph in GLYPHS], np.uint32)
    blinks = bool(vga.s.attribute[MODE_CONTROL] & BLINK_ENABLE)
    cells = blank_cells(*characters.shape)
    cells[..., CHARACTER] = glyphs[characters]
    cells[..., INK] = colors[attributes & 0x0F]
    cells[..., PAPER] = colors[attributes >> 4 & (7 if blinks else 15)]
    cells[..., BLINK] = attributes >> 7 if blinks else 0
    return cells


class ConsoleScreen:
    """A VCChar's. Shift or Ctrl with the page and arrow keys look at what has scrolled out."""

    def __init__(self, vc):
        self.vc, self.name = vc, vc.name

    def state(self):
        return self.vc.console.version

    def dirty(self):
        return False

    def view(self, rows, columns):
        console = self.vc.console
        return View(*window(console.cells(), console.cursor, rows, columns))

    def key(self, keys):
        if len(keys) == 2 and keys[0] in ("shift", "ctrl") and keys[1] in SCROLL_KEYS:
            lines = max(1, self.vc.console.rows // 2) if keys[1].startswith("pg") else 1
            self.vc.console.scroll_view(lines if keys[1] in ("pgup", "up") else -lines)
        else:
            self.vc.type(keys.data)
