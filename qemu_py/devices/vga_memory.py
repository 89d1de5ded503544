"""Video memory of the VGA: what the CPU sees from A0000h to BFFFFh, and the planes behind it.

The memory (`vram`) holds plane p's byte at offset n at 4 * n + p; it is also the linear frame buffer.
Accesses go through the planes' latches (_core/vgaplane.pyx) except in the states in which they neither
pass the logic unit nor depend on a latch, and in which nearly all software leaves the card:

- text and CGA modes: odd/even addressing, planes 0 and 1 enabled;
- chain-4 (mode 13h): all planes enabled;
- a VBE mode of 8 or more bits: the window is a 64 KiB bank of the frame buffer.

Then the CPU has plain RAM: a bank of `vram`, or `window`, whose bytes are brought into the planes
(`sync`) before anybody looks at those, and from them when such a state begins.

Not modelled: in these states reads leave the latches alone.
"""
from qemu_py._core.vgaplane import VGAPlanes
from qemu_py.system.memory import DIRTY_MEMORY_VGA, MemoryRegion, MemoryRegionOps

BASE, SIZE = 0xA0000, 0x20000
PLANES_SIZE = 4 << 16                   # of a VGA: four planes of 64 KiB
WINDOW_SIZE = 0x10000

# How the CPU reaches the memory
PLANAR, TEXT_COLOR, TEXT_MONO, CHAIN4, BANK = "planar", "text at B8000h", "text at B0000h", "chain-4", "bank"


class VGAMemory:
    def __init__(self, memory, size, prefix="vga"):
        self.memory = memory
        self.vram = MemoryRegion.ram(f"{prefix}.vram", size, memory.ram_list)
        self.window = MemoryRegion.ram(f"{prefix}.window", WINDOW_SIZE, memory.ram_list)
        self.planes = VGAPlanes(memory.physmap, self.vram.ram_block.buffer, self.vram.ram_addr)
        ops = MemoryRegionOps(self.planes.read, self.planes.write, valid=(1, 8, True), impl=(1, 8, True))
        self.region = MemoryRegion(f"{prefix}-lowmem", SIZE)
        self.region.add_subregion(0, MemoryRegion.io(f"{prefix}.planar", SIZE, ops))
        self.direct = {
            TEXT_COLOR: MemoryRegion.alias_of(f"{prefix}.text-color", self.window, 0, 0x8000),
            TEXT_MONO: MemoryRegion.alias_of(f"{prefix}.text-mono", self.window, 0, 0x8000),
            CHAIN4: MemoryRegion.alias_of(f"{prefix}.chain4", self.window, 0, 0x10000),
            BANK: MemoryRegion.alias_of(f"{prefix}.bank", self.vram, 0, 0x10000)}
        for kind, offset in ((TEXT_COLOR, 0x18000), (TEXT_MONO, 0x10000), (CHAIN4, 0), (BANK, 0)):
            self.direct[kind].enabled = False
            self.region.add_subregion_overlap(offset, self.direct[kind], 1)
        self.kind = PLANAR
        self.odd_page = 0

    @property
    def size(self):
        return self.vram.size

    def set_mapping(self, kind, offset=0, odd_page=0):
        """Let the CPU reach the memory another way; offset: of a bank, odd_page: see odd/even addressing."""
        if (kind, odd_page) == (self.kind, self.odd_page) and (kind is not BANK or offset == self.direct[BANK].alias_offset):
            return
        self.sync()
        with self.memory.transaction():
            if self.kind is not kind:
                if self.kind is not PLANAR:
                    self.direct[self.kind].set_enabled(False)
                if kind is not PLANAR:
                    self.direct[kind].set_enabled(True)
            if kind is BANK:
                self.direct[BANK].set_alias_offset(offset)
        self.kind, self.odd_page = kind, odd_page
        self.load_window()

    # ---------------------------------------------------------------- window and planes
    def pairs(self):
        """[(the window's bytes, the planes' bytes that they stand for)], as strided memoryviews."""
        planes, window = memoryview(self.vram.ram_block.buffer), memoryview(self.window.ram_block.buffer)
        if self.kind is CHAIN4:         # A0 and A1 are the plane, A14 and A15 in their place the offset's
            return [(window[0x4000 * a + p:0x4000 * (a + 1):4], planes[0x10004 * a + p:0x10000 * (a + 1):16])
                    for a in range(4) for p in range(4)]
        if self.kind in (TEXT_COLOR, TEXT_MONO):
            first = 4 * self.odd_page
            return [(window[p:0x8000:2], planes[first + p:0x20000:8]) for p in (0, 1)]
        return []

    def sync(self):
        """What the CPU has written into the window gets into the planes."""
        for window, planes in self.pairs():
            planes[:] = window

    def load_window(self):
        pairs = self.pairs()
        if pairs:
            for window, planes in pairs:
                window[:] = planes
            self.window.set_dirty(0, WINDOW_SIZE)

    # ---------------------------------------------------------------- for the display
    def dirty(self):
        """Was anything written since reset_dirty?"""
        return (self.vram.get_dirty(0, self.vram.size, DIRTY_MEMORY_VGA)
                or self.window.get_dirty(0, WINDOW_SIZE, DIRTY_MEMORY_VGA))

    def reset_dirty(self):
        """No CPU may be running translated code."""
        self.vram.reset_dirty(0, self.vram.size, DIRTY_MEMORY_VGA)
        self.window.reset_dirty(0, WINDOW_SIZE, DIRTY_MEMORY_VGA)
