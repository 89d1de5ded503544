"""The picture of a VGA, from its registers and memory, as RGB pixels (numpy).

IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem": CRT controller addressing, the
graphics controller's shift modes, attribute controller. A picture has the dots and scan lines that a
monitor gets: 320 pixels of mode 13h are 640 dots, its 200 lines are scanned twice.

Not modelled: the border, changes in the middle of a frame, skews, the sequencer's shift loads.
"""
from functools import cache

import numpy as np

from qemu_py.devices import vga_text
from qemu_py.devices.vga_address import display_address, parts
from qemu_py.devices.vga_memory import PLANES_SIZE
from qemu_py.devices.vga_timing import vertical_display_end

CLOCKING, GRAPHICS_MODE, MISCELLANEOUS = 1, 5, 6
SCREEN_OFF, HALF_CLOCK, EIGHT_DOTS = 0x20, 0x08, 0x01   # sequencer register 1
PALETTE_ADDRESS_SOURCE = 0x20
MODE_CONTROL, PLANE_ENABLE, COLOR_SELECT = 0x10, 0x12, 0x14
PALETTE_HIGH = 0x80                     # attribute mode control
NOTHING = (640, 400)


# ---------------------------------------------------------------- colours
def dac_rgb(vga):
    """The DAC's 256 colours as RGB bytes, as the pixel mask lets them through."""
    dac = np.frombuffer(bytes(vga.s.dac), np.uint8).reshape(256, 3)
    if vga.dac_bits == 6:
        dac = dac << 2 | dac >> 4
    return dac[np.arange(256) & vga.s.dac_mask]


def palette_rgb(vga):
    """The 16 colours of the attribute controller as RGB bytes."""
    registers = vga.s.attribute
    low = np.frombuffer(bytes(registers[:16]), np.uint8)[np.arange(16) & registers[PLANE_ENABLE]]
    if registers[MODE_CONTROL] & PALETTE_HIGH:
        index = low & 0x0F | (registers[COLOR_SELECT] & 0x0F) << 4
    else:
        index = low & 0x3F | (registers[COLOR_SELECT] & 0x0C) << 4
    return dac_rgb(vga)[index]


def paint(colors, dots):
    """The colours (n x 3 bytes) of dots that are indices into them."""
    quads = np.zeros((len(colors), 4), np.uint8)
    quads[:, :3] = colors
    return quads.view("<u4")[:, 0].take(dots).view(np.uint8).reshape(*dots.shape, 4)[:, :, :3]


# ---------------------------------------------------------------- graphics
def planar_pixels(words):
    """Four planes' bytes, as dwords, to colours of 4 bits: 8 for each."""
    lines, count = words.shape
    bits = np.unpackbits(words[..., None].view(np.uint8), axis=2).reshape(lines, count, 4, 8)
    return (bits[:, :, 0] | bits[:, :, 1] << 1 | bits[:, :, 2] << 2 | bits[:, :, 3] << 3).reshape(lines, -1)


def interleaved_pixels(words):
    """A CGA's pixels of two bits: four from plane 0, then four from plane 1 (2 and 3: their upper bits)."""
    lines, count = words.shape
    planes = words[..., None].view(np.uint8).reshape(lines, count, 4, 1)
    pairs = planes >> np.array([6, 4, 2, 0], np.uint8) & 3
    return (pairs[:, :, 0:2] | pairs[:, :, 2:4] << 2).reshape(lines, -1)


def graphics_part(vga, part, characters):
    """Colours of a part's dots, lines x (8 * characters), and whether they are DAC indices."""
    s, crtc = vga.s, vga.s.crtc
    # A line that shows what the one above it does is computed once.
    new = np.ones(len(part.row), bool)
    new[1:] = np.diff(part.row * 32 + (part.scan if crtc[0x17] & 3 != 3 else 0)) != 0
    row, scan = part.row[new], part.scan[new]
    divide = 4 if crtc[0x14] & 0x20 else 2 if crtc[0x17] & 0x08 else 1
    counter = part.start + row[:, None] * part.pitch + np.arange(characters + 1) // divide
    words = vga.mem.vram.view[:PLANES_SIZE].view("<u4")[display_address(crtc, counter & 0xFFFF, scan[:, None])]
    mode = s.graphics[GRAPHICS_MODE]
    if mode & 0x40:
        dots = words.view(np.uint8).repeat(2, axis=1)
    elif mode & 0x20:
        dots = interleaved_pixels(words)
    else:
        dots = planar_pixels(words)
    dots = dots[:, part.panning:part.panning + 8 * characters]
    return dots[np.cumsum(new) - 1], bool(mode & 0x40)


# ---------------------------------------------------------------- VBE
@cache
def high_color(bpp):
    """The colours of all pixels of 15 or 16 bits."""
    pixels = np.arange(65536)
    green = 5 if bpp == 15 else 6
    return np.stack([(pixels >> shift & (1 << bits) - 1) * 255 // ((1 << bits) - 1)
                     for shift, bits in ((5 + green, 5), (5, green), (0, 5))], axis=1).astype(np.uint8)


def vbe_picture(vga):
    dispi = vga.dispi
    s, line_size = dispi.s, dispi.line_size
    rows = np.arange(s.yres) * line_size + dispi.start
    depth = (s.bpp + 7) // 8
    if s.bpp == 4:
        words = vga.mem.vram.view.view("<u4")[(rows[:, None] // 4 + np.arange(s.xres // 8 + 1)) % (vga.mem.size // 4)]
        return paint(palette_rgb(vga), planar_pixels(words)[:, s.x_offset % 8:][:, :s.xres])
    end = dispi.start + line_size * (s.yres - 1) + s.xres * depth
    data = np.lib.stride_tricks.as_strided(vga.mem.vram.view[dispi.start:end], (s.yres, s.xres * depth), (line_size, 1))
    if s.bpp == 8:
        return paint(dac_rgb(vga), data)
    if depth == 2:
        return paint(high_color(s.bpp), np.ascontiguousarray(data).view("<u2"))
    return np.ascontiguousarray(data.reshape(s.yres, s.xres, depth)[:, :, 2::-1])


# ---------------------------------------------------------------- all of it
def size(vga):
    """(width, height) in dots and lines of what the registers describe."""
    if vga.dispi.enabled:
        return vga.dispi.s.xres, vga.dispi.s.yres
    s = vga.s
    characters, height = s.crtc[0x01] + 1, vertical_display_end(s.crtc)
    if characters < 8 or height < 8:
        return NOTHING
    text = not s.graphics[MISCELLANEOUS] & 1
    dots = 9 if text and not s.sequencer[CLOCKING] & EIGHT_DOTS else 8
    return characters * dots * (2 if s.sequencer[CLOCKING] & HALF_CLOCK else 1), height


def blank(vga):
    """Is nothing shown?"""
    s = vga.s
    return bool(s.sequencer[CLOCKING] & SCREEN_OFF or not s.attribute_index & PALETTE_ADDRESS_SOURCE
                or not vga.dispi.enabled and (s.crtc[0x01] < 7 or vertical_display_end(s.crtc) < 8))


def picture(vga, now):
    """The picture at time `now` (which lets cursor and characters blink): height x width x RGB."""
    width, height = size(vga)
    if blank(vga):
        return np.zeros((height, width, 3), np.uint8)
    vga.mem.sync()
    if vga.dispi.enabled:
        return vbe_picture(vga)
    s = vga.s
    pieces = []
    for part in parts(vga):
        if s.graphics[MISCELLANEOUS] & 1:
            dots, direct = graphics_part(vga, part, s.crtc[0x01] + 1)
        else:
            dots, direct = vga_text.text_part(vga, part, s.crtc[0x01] + 1, now), False
        if s.sequencer[CLOCKING] & HALF_CLOCK:
            dots = dots.repeat(2, axis=1)
        pieces.append(paint(dac_rgb(vga) if direct else palette_rgb(vga), dots))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class Display:
    """Keeps a Surface up to date. `stopped`: a context in which no CPU runs translated code."""

    def __init__(self, vga, surface, stopped):
        self.vga, self.surface, self.stopped = vga, surface, stopped
        self.shown = None               # the adapter's version, and phases of blinking, that are on it

    def update(self):
        """Draw again if anything may look different."""
        vga = self.vga
        now = vga.clock.get_ns()
        timing = vga.frame_timing()
        seen = vga.version, timing.blink(now, vga_text.CURSOR_FRAMES), timing.blink(now, vga_text.BLINK_FRAMES)
        dirty = vga.mem.dirty()
        if seen == self.shown and not dirty:
            return self.surface
        if dirty:
            with self.stopped():
                vga.mem.reset_dirty()
        self.shown = seen
        self.surface.show(picture(vga, now))
        return self.surface
