"""The four planes of a VGA as the CPU sees them: latches, read and write modes, addressing.

IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem": sequencer map mask and memory mode,
all of the graphics controller. Register names are those of devices/vga.py, which tells the values here
whenever they change. Plane p's byte at offset n is byte 4 * n + p of the video memory, so that the four
bytes that go through the latches together are one dword.

Not modelled: wait states; the latches of an access of several bytes are those of its last byte.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport AddressSpaceDispatch
from qemu_py._core.dirty cimport mark_written, page_has_code
from qemu_py._core.dispatch cimport IOSlot, PhysMap

cdef enum:
    SR_MAP_MASK = 2
    SR_MEMORY_MODE = 4
    GR_SET_RESET = 0
    GR_ENABLE_SET_RESET = 1
    GR_COLOR_COMPARE = 2
    GR_DATA_ROTATE = 3
    GR_READ_MAP = 4
    GR_MODE = 5
    GR_MISC = 6
    GR_COLOR_DONT_CARE = 7
    GR_BIT_MASK = 8

cdef struct VGAPlane:
    uint32_t *memory            # one dword: the four planes' bytes at an offset
    uint32_t offset_mask        # of a plane
    uint32_t bank               # added to the offset
    uint32_t latch
    uint32_t map_mask           # each plane's bit spread over its byte, as in all that follow
    uint32_t set_reset
    uint32_t enable_set_reset
    uint32_t compare
    uint32_t care
    uint32_t bit_mask           # the same byte four times
    uint32_t rotate
    uint32_t function
    uint32_t write_mode
    uint32_t compare_mode       # read mode 1
    uint32_t read_map
    uint32_t window             # [window, window + window_size) of the 128 KiB from A0000h on is decoded
    uint32_t window_size
    uint32_t chain4
    uint32_t write_odd_even
    uint32_t read_odd_even
    uint32_t replace_a0         # GR6: chain odd/even
    uint32_t wide               # the window is 128 KiB: A16 replaces A0
    uint32_t page               # what else replaces it
    AddressSpaceDispatch *d
    uint64_t ram_addr


cdef inline uint32_t spread(uint32_t nibble) noexcept nogil:
    """Bit p of four becomes byte p."""
    return ((nibble & 1) | (nibble & 2) << 7 | (nibble & 4) << 14 | (nibble & 8) << 21) * 0xFF


cdef inline uint32_t plane_offset(VGAPlane *p, uint32_t addr, uint32_t odd_even) noexcept nogil:
    cdef uint32_t offset = addr
    if p.chain4:
        # As the CRT controller's double word addressing: A14 and A15 replace A0 and A1.
        offset = (addr & ~<uint32_t> 3) | (addr >> 14 & 3)
    elif odd_even and p.replace_a0:
        offset = (addr & ~<uint32_t> 1) | (addr >> 16 & 1 if p.wide else p.page)
    return ((offset & 0xFFFF) + p.bank) & p.offset_mask


cdef inline uint32_t read_byte(VGAPlane *p, uint32_t addr) noexcept nogil:
    cdef uint32_t differ, plane
    addr -= p.window
    if addr >= p.window_size:
        return 0xFF
    p.latch = p.memory[plane_offset(p, addr, p.read_odd_even)]
    if p.compare_mode:
        differ = (p.latch ^ p.compare) & p.care
        differ |= differ >> 16
        return ~(differ | differ >> 8) & 0xFF
    if p.chain4:
        plane = addr & 3
    elif p.read_odd_even:
        plane = (p.read_map & 2) | (addr & 1)
    else:
        plane = p.read_map
    return p.latch >> (8 * plane) & 0xFF


cdef inline void write_byte(VGAPlane *p, uint32_t addr, uint32_t value) noexcept nogil:
    cdef uint32_t mask = p.map_mask, bits = p.bit_mask, data, offset
    cdef uint64_t at
    addr -= p.window
    if addr >= p.window_size:
        return
    if p.chain4:
        mask &= <uint32_t> 0xFF << (8 * (addr & 3))
    elif p.write_odd_even:
        mask &= 0xFF00FF00U if addr & 1 else 0x00FF00FFU
    offset = plane_offset(p, addr, p.write_odd_even)
    if p.write_mode == 1:
        data = p.latch
    else:
        if p.write_mode == 2:
            data = spread(value & 15)
        else:
            value = (value >> p.rotate | value << (8 - p.rotate)) & 0xFF
            if p.write_mode == 3:
                bits &= value * 0x01010101U
                data = p.set_reset
            else:
                data = (value * 0x01010101U & ~p.enable_set_reset) | (p.set_reset & p.enable_set_reset)
        if p.function == 1:
            data &= p.latch
        elif p.function == 2:
            data |= p.latch
        elif p.function == 3:
            data ^= p.latch
        data = (data & bits) | (p.latch & ~bits)
    at = p.ram_addr + 4 * <uint64_t> offset
    # The same memory may be mapped as a linear frame buffer, and hold code that was translated there.
    if page_has_code(p.d, at) and p.d.tbx != NULL and p.d.tbx.invalidate_range != NULL:
        p.d.tbx.invalidate_range(p.d.tbx, p.d, at, at + 4)
    p.memory[offset] = (p.memory[offset] & ~mask) | (data & mask)
    mark_written(p.d, at)


cdef uint64_t plane_read(void *opaque, uint64_t addr, int size) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value |= <uint64_t> read_byte(<VGAPlane *> opaque, <uint32_t> addr + i) << (8 * i)
    return value


cdef void plane_write(void *opaque, uint64_t addr, uint64_t value, int size) noexcept nogil:
    cdef int i
    for i in range(size):
        write_byte(<VGAPlane *> opaque, <uint32_t> addr + i, value >> (8 * i) & 0xFF)


cdef class VGAPlanes:
    """The 128 KiB from A0000h on, served from `buffer`, RAM that lies at `ram_addr` of the map's RAM.

    `read` and `write` are a MemoryRegion's callbacks; a slot made of them is served without Python."""
    cdef VGAPlane p
    cdef PhysMap physmap
    cdef object buffer

    def __init__(self, PhysMap physmap, buffer, uint64_t ram_addr):
        cdef uint8_t[::1] view = memoryview(buffer).cast("B")
        self.physmap = physmap
        self.buffer = view
        self.p.memory = <uint32_t *> &view[0]
        self.p.d = physmap.d
        self.p.ram_addr = ram_addr
        for index in range(5):
            self.set_sequencer(index, 0)
        for index in range(9):
            self.set_graphics(index, 0)

    def attach_slot(self, PhysMap physmap, uint32_t slot):
        """Let the core call the planes directly."""
        cdef IOSlot *s = physmap.slot(slot)
        s.c_read = plane_read
        s.c_write = plane_write
        s.opaque = &self.p

    def read(self, addr, size):
        return plane_read(&self.p, addr, size)

    def write(self, addr, value, size):
        plane_write(&self.p, addr, value, size)

    @property
    def latch(self):
        return self.p.latch

    @latch.setter
    def latch(self, uint32_t value):
        self.p.latch = value

    def set_sequencer(self, uint32_t index, uint32_t value):
        """A sequencer register has got a new value."""
        if index == SR_MAP_MASK:
            self.p.map_mask = spread(value)
        elif index == SR_MEMORY_MODE:
            self.p.offset_mask = 0xFFFF if value & 2 else 0x3FFF
            self.p.write_odd_even = not value & 4
            self.p.chain4 = value >> 3 & 1

    def set_graphics(self, uint32_t index, uint32_t value):
        """A graphics controller register has got a new value."""
        if index == GR_SET_RESET:
            self.p.set_reset = spread(value)
        elif index == GR_ENABLE_SET_RESET:
            self.p.enable_set_reset = spread(value)
        elif index == GR_COLOR_COMPARE:
            self.p.compare = spread(value)
        elif index == GR_DATA_ROTATE:
            self.p.rotate = value & 7
            self.p.function = value >> 3 & 3
        elif index == GR_READ_MAP:
            self.p.read_map = value & 3
        elif index == GR_MODE:
            self.p.write_mode = value & 3
            self.p.compare_mode = value >> 3 & 1
            self.p.read_odd_even = value >> 4 & 1
        elif index == GR_MISC:
            self.p.replace_a0 = value >> 1 & 1
            self.p.wide = not value & 0x0C
            self.p.window = (0, 0, 0x10000, 0x18000)[value >> 2 & 3]
            self.p.window_size = (0x20000, 0x10000, 0x8000, 0x8000)[value >> 2 & 3]
        elif index == GR_COLOR_DONT_CARE:
            self.p.care = spread(value)
        elif index == GR_BIT_MASK:
            self.p.bit_mask = value * 0x01010101U

    def set_odd_page(self, bint odd):
        """Offset bit 0 of odd/even addressing in windows of 64 and 32 KiB (miscellaneous output, bit 5)."""
        self.p.page = odd

    def set_bank(self, uint32_t bank, uint32_t offsets):
        """More memory than a VGA's: the window begins at offset `bank` of planes of `offsets` bytes."""
        self.p.bank = bank
        self.p.offset_mask = offsets - 1
