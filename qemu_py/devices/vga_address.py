"""Which memory a VGA shows where: the CRT controller's counters, its address modes, the split screen.

IBM PS/2 Hardware Interface Technical Reference, "CRT Controller Registers". The memory address counter
steps once a character clock; a row of characters is as many scan lines as the row scan counter counts.
"""
import numpy as np

from qemu_py.devices.vga_timing import vertical_display_end

CLOCKING, EIGHT_DOTS, MISCELLANEOUS = 1, 0x01, 6
MODE_CONTROL, PANNING, PAN_STOPS = 0x10, 0x13, 0x20


def display_address(crtc, counter, scan):
    """Plane offsets for memory address counters; `scan`: the row scan counters, in the same shape."""
    mode = crtc[0x17]
    if crtc[0x14] & 0x40:               # double words
        address = counter << 2 | counter >> 12 & 3
    elif mode & 0x40:                   # bytes
        address = counter
    else:                               # words
        address = counter << 1 | counter >> (15 if mode & 0x20 else 13) & 1
    if not mode & 0x01:                 # a CGA's banks of odd and even lines, a Hercules' four
        address = address & ~0x2000 | (scan & 1) << 13
    if not mode & 0x02:
        address = address & ~0x4000 | (scan & 2) << 13
    return address & 0xFFFF


class Part:
    """The lines above or below a split: where their memory begins, how they are panned."""

    def __init__(self, vga, lines, start, preset, panning):
        self.panning = panning
        crtc = vga.s.crtc
        steps = np.arange(lines) // (2 if crtc[0x09] & 0x80 else 1) + preset
        self.row_lines = (crtc[0x09] & 0x1F) + 1
        self.row, self.scan = np.divmod(steps, self.row_lines)
        self.pitch = 2 * crtc[0x13]
        self.start = start


def parts(vga):
    """The picture's parts, top to bottom."""
    s, crtc = vga.s, vga.s.crtc
    height = vertical_display_end(crtc)
    compare = crtc[0x18] | (crtc[0x07] & 0x10) << 4 | (crtc[0x09] & 0x40) << 3
    split = min(height, compare + 1)
    start = (crtc[0x0C] << 8 | crtc[0x0D]) + (crtc[0x08] >> 5 & 3)
    pan = panned_dots(vga)
    found = [Part(vga, split, start, crtc[0x08] & 0x1F, pan)]
    if split < height:
        found.append(Part(vga, height - split, 0, 0, 0 if s.attribute[MODE_CONTROL] & PAN_STOPS else pan))
    return found


def panned_dots(vga):
    s = vga.s
    pan = s.attribute[PANNING] & 0x0F
    if s.graphics[MISCELLANEOUS] & 1 or s.sequencer[CLOCKING] & EIGHT_DOTS:
        return pan & 7
    return 0 if pan >= 8 else pan + 1   # characters of 9 dots
