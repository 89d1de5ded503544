"""Bochs VBE extensions: the "dispi" registers at ports 1CEh (index) and 1CFh (data), 16 bits each.

From the register list of the Bochs VBE display API, version B0C5h. A mode is chosen by writing XRES, YRES
and BPP while disabled, then ENABLE; virtual size and offsets may change at any time.

Not modelled: dual 32 KiB banks, 4 bits per pixel beyond what the planes of 16 colour modes give.
"""
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass

ID, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET, Y_OFFSET, VIDEO_MEMORY_64K = range(11)
ENABLED, GETCAPS, DAC_8BIT, LFB_ENABLED, NOCLEARMEM = 0x01, 0x02, 0x20, 0x40, 0x80
ID_FIRST, ID_LAST = 0xB0C0, 0xB0C5
MAX_XRES, MAX_YRES, MAX_BPP = 2560, 1600, 32
DEPTHS = (4, 8, 15, 16, 24, 32)
BANK_SIZE = 0x10000


@dataclass
class DispiState:
    VERSION = 1
    index: int = 0
    id: int = ID_LAST
    xres: int = 640
    yres: int = 480
    bpp: int = 8
    enable: int = 0
    bank: int = 0
    virt_width: int = 640
    x_offset: int = 0
    y_offset: int = 0


class Dispi:
    """The registers of a VGA, whose State has theirs as `dispi`, and whose vbe_changed(clear) hears of a new
    mode or bank; clear: the frame buffer is to be zeroed."""

    def __init__(self, vga, vram_size):
        self.vga = vga
        self.vram_size = vram_size

    @property
    def s(self):
        return self.vga.s.dispi

    # ---------------------------------------------------------------- the mode
    @property
    def enabled(self):
        return bool(self.s.enable & ENABLED)

    @property
    def packed(self):
        """Is a mode on whose pixels lie in bytes of their own?"""
        return self.enabled and self.s.bpp > 4

    @property
    def line_size(self):
        """Bytes from a line of the frame buffer to the next (4 bits per pixel: of all planes)."""
        if self.s.bpp == 4:
            return (self.s.virt_width + 7) // 8 * 4
        return self.s.virt_width * ((self.s.bpp + 7) // 8)

    @property
    def virt_height(self):
        return min(self.vram_size // max(self.line_size, 1), 0xFFFF)

    @property
    def start(self):
        """Byte of the frame buffer at which the picture begins."""
        if self.s.bpp == 4:
            return self.s.y_offset * self.line_size + self.s.x_offset // 8 * 4
        return self.s.y_offset * self.line_size + self.s.x_offset * ((self.s.bpp + 7) // 8)

    # ---------------------------------------------------------------- registers
    def read_index(self):
        return self.s.index

    def write_index(self, value):
        self.s.index = value

    def read_data(self):
        s = self.s
        index = s.index
        if s.enable & GETCAPS and index in (XRES, YRES, BPP):
            return (MAX_XRES, MAX_YRES, MAX_BPP)[index - XRES]
        if index == VIDEO_MEMORY_64K:
            return self.vram_size >> 16
        if index == VIRT_HEIGHT:
            return self.virt_height
        if index > VIDEO_MEMORY_64K:
            return 0
        return (s.id, s.xres, s.yres, s.bpp, s.enable, s.bank, s.virt_width, 0, s.x_offset, s.y_offset)[index]

    def write_data(self, value):
        s = self.s
        index = s.index
        if index == ID:
            if ID_FIRST <= value <= ID_LAST:
                s.id = value
        elif index in (XRES, YRES, BPP):
            self.write_mode(index, value)
        elif index == ENABLE:
            self.write_enable(value)
        elif index == BANK:
            if value * BANK_SIZE < self.vram_size:
                s.bank = value
                self.vga.vbe_changed(False)
        elif index == VIRT_WIDTH:
            self.write_virt_width(value)
        elif index in (X_OFFSET, Y_OFFSET):
            self.write_offset(index, value)
        else:
            log.log(log.LOG_GUEST_ERROR, f"vga: write of {value:#x} to dispi register {index:#x}, which cannot be written")

    def write_mode(self, index, value):
        s = self.s
        if s.enable & ENABLED:
            self.refuse("the resolution", value, "while a mode is enabled")
        elif index == XRES and 0 < value <= MAX_XRES:
            s.xres = value
        elif index == YRES and 0 < value <= MAX_YRES:
            s.yres = value
        elif index == BPP and (value or 8) in DEPTHS:
            s.bpp = value or 8
        else:
            self.refuse(("XRES", "YRES", "BPP")[index - XRES], value, "is not possible")

    def write_enable(self, value):
        s = self.s
        turn_on = value & ENABLED and not s.enable & ENABLED
        s.enable = value & (ENABLED | GETCAPS | DAC_8BIT | LFB_ENABLED | NOCLEARMEM)
        if turn_on:
            s.virt_width = s.xres
            s.x_offset = s.y_offset = 0
            s.bank = 0
            if s.yres * self.line_size > self.vram_size:
                self.refuse("a mode of", s.yres * self.line_size, "bytes: too large for the memory")
                s.enable &= ~ENABLED
        elif not value & ENABLED:
            s.bank = 0
        self.vga.vbe_changed(bool(turn_on and not value & NOCLEARMEM))

    def write_virt_width(self, value):
        s = self.s
        old, s.virt_width = s.virt_width, value
        if value < s.xres or s.yres * self.line_size > self.vram_size:
            s.virt_width = old
            self.refuse("VIRT_WIDTH", value, "is not possible")

    def write_offset(self, index, value):
        s = self.s
        old = s.x_offset, s.y_offset
        if index == X_OFFSET:
            s.x_offset = value
        else:
            s.y_offset = value
        last = self.start + (s.yres - 1) * self.line_size + s.xres * self.line_size // max(s.virt_width, 1)
        if last > self.vram_size:
            s.x_offset, s.y_offset = old
            self.refuse(("X_OFFSET", "Y_OFFSET")[index - X_OFFSET], value, "is behind the end of the memory")

    def refuse(self, what, value, why):
        log.log(log.LOG_GUEST_ERROR, f"vga: {what} {value:#x} {why}")

    # ---------------------------------------------------------------- ports 1CEh-1D0h
    def read_port(self, addr, size):
        """Word accesses at offset 0 (index) and 1 (data); offset 2, where some guests look for data."""
        value = self.read_data() if addr else self.read_index()
        return value & (1 << 8 * size) - 1

    def write_port(self, addr, value, size):
        if addr:
            self.write_data(value & 0xFFFF)
        else:
            self.write_index(value & 0xFFFF)
