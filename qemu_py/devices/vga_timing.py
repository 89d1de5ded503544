"""When a VGA's beam is where: the timing that the CRT controller's registers describe.

IBM PS/2 Hardware Interface Technical Reference, "CRT Controller Registers": horizontal values count
character clocks, vertical ones scan lines. The clock is the time that the device is given; nothing
happens at these times, so they are computed when the guest asks.

Not modelled: the vertical retrace interrupt, skews.
"""
CLOCKS = (25_175_000, 28_322_000, 25_175_000, 25_175_000)      # Hz; of miscellaneous output, bits 2-3
DISPLAY_DISABLED, VERTICAL_RETRACE = 0x01, 0x08                 # input status 1
DEFAULT_FRAME_NS = 16_683_000


class Timing:
    """The frame that a set of registers gives. cr: the CRTC's registers; misc, clocking: miscellaneous
    output and sequencer register 1."""

    def __init__(self, cr, misc, clocking):
        overflow = cr[0x07]
        double = 2 if cr[0x17] & 0x04 else 1
        dots = 8 if clocking & 0x01 else 9
        hz = CLOCKS[misc >> 2 & 3] // (2 if clocking & 0x08 else 1)
        self.horizontal_total = cr[0x00] + 5
        self.horizontal_end = cr[0x01] + 1
        self.vertical_total = ((cr[0x06] | (overflow & 0x01) << 8 | (overflow & 0x20) << 4) + 2) * double
        self.vertical_end = vertical_display_end(cr)
        self.retrace_start = (cr[0x10] | (overflow & 0x04) << 6 | (overflow & 0x80) << 2) * double
        self.retrace_lines = ((cr[0x11] - cr[0x10]) & 0x0F) * double or 16
        self.character_ns = dots * 1e9 / hz
        self.line_ns = self.horizontal_total * self.character_ns
        self.frame_ns = round(self.line_ns * self.vertical_total)
        if self.horizontal_total < 8 or self.vertical_total < 8:     # not programmed yet
            self.frame_ns = DEFAULT_FRAME_NS
            self.line_ns = self.frame_ns / self.vertical_total

    def status(self, now):
        """Bits 0 and 3 of input status 1."""
        line, rest = divmod(now % self.frame_ns, self.line_ns)
        value = 0
        if line >= self.vertical_end or rest >= self.horizontal_end * self.character_ns:
            value = DISPLAY_DISABLED
        if self.retrace_start <= line < self.retrace_start + self.retrace_lines:
            value |= DISPLAY_DISABLED | VERTICAL_RETRACE
        return value

    def blink(self, now, frames):
        """Is something lit that is on for `frames` frames, then off for as many?"""
        return now // (self.frame_ns * frames) & 1 == 0


def vertical_display_end(cr):
    """Scan lines of the picture."""
    lines = (cr[0x12] | (cr[0x07] & 0x02) << 7 | (cr[0x07] & 0x40) << 3) + 1
    return lines * 2 if cr[0x17] & 0x04 else lines
