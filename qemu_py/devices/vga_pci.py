"""The "standard VGA" on PCI, device 1234:1111: a VGA with Bochs VBE extensions.

BAR 0 is the frame buffer; BAR 2 repeats the ports in memory: 3C0h-3DFh from 400h on, the dispi
registers as words from 500h on; the expansion ROM is the VGA BIOS. As on any VGA, the ports and
A0000h-BFFFFh are decoded whatever the BARs say.

Not modelled: the command register's enable bits for ports and A0000h, extended registers at 600h, EDID.
"""
from qemu_py.devices.isa_vga import DISPI_PORT, ROM_FILE, VGA_NONE, dispi_ops
from qemu_py.devices.pci import BAR_PREFETCH, PCIDevice
from qemu_py.devices.vga import FIRST_PORT, PORTS, VGA
from qemu_py.devices.isa_bus import register_callbacks
from qemu_py.devices.vga_vbe import VIDEO_MEMORY_64K
from qemu_py.system.device import Property, device
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util import log

MMIO_SIZE, MMIO_PORTS, MMIO_DISPI = 0x1000, 0x400, 0x500


@device("VGA", "standard VGA")
class VGAPCI(PCIDevice):
    VENDOR_ID, DEVICE_ID, CLASS_CODE, REVISION = 0x1234, 0x1111, 0x030000, 2
    SINGLE, INSTEAD = "display adapter", VGA_NONE
    vga = None
    PROPERTIES = {**PCIDevice.PROPERTIES, "romfile": Property(str, ROM_FILE, "the VGA BIOS")}
    rom = None                          # contents of the VGA BIOS, set before it is plugged in

    def plugged(self):
        """The video memory comes from the machine, so it is known only here."""
        bus = self.bus
        vga = self.vga = VGA(self.clock, bus.memory)
        self.add_bar(0, vga.mem.vram, BAR_PREFETCH)
        self.add_bar(2, MemoryRegion.io("vga.mmio", MMIO_SIZE, MemoryRegionOps(self.read_mmio, self.write_mmio)))
        if self.rom:
            size = max(1 << (len(self.rom) - 1).bit_length(), 0x800)
            self.add_rom(MemoryRegion.rom("vga.rom", size, bus.memory.ram_list, self.rom))
        for first, count in PORTS:
            ops = MemoryRegionOps(*register_callbacks(vga, first - FIRST_PORT, count), impl=(1, 1))
            bus.io_space.add_subregion(first, MemoryRegion.io("vga", count, ops))
        bus.io_space.add_subregion(DISPI_PORT, MemoryRegion.io("vbe", 3, dispi_ops(vga.dispi)))
        bus.memory_space.add_subregion_overlap(0xA0000, vga.mem.region, 1)

    def reset(self):
        super().reset()
        self.vga.reset()

    # ---------------------------------------------------------------- BAR 2
    def read_mmio(self, addr, size):
        if MMIO_PORTS <= addr < MMIO_PORTS + 0x20:
            register = addr - MMIO_PORTS + 0x10
            return sum(self.vga.read(register + k) << 8 * k for k in range(size))
        if MMIO_DISPI <= addr <= MMIO_DISPI + 2 * VIDEO_MEMORY_64K:
            return self.dispi_access(addr, lambda dispi: dispi.read_data()) >> 8 * (addr & 1) & (1 << 8 * size) - 1
        log.log(log.LOG_GUEST_ERROR, f"vga: read of BAR 2 at {addr:#x}, where nothing is")
        return (1 << 8 * size) - 1

    def write_mmio(self, addr, value, size):
        if MMIO_PORTS <= addr < MMIO_PORTS + 0x20:
            register = addr - MMIO_PORTS + 0x10
            for k in range(size):
                self.vga.write(register + k, value >> 8 * k & 0xFF)
        elif MMIO_DISPI <= addr <= MMIO_DISPI + 2 * VIDEO_MEMORY_64K and size == 2:
            self.dispi_access(addr, lambda dispi: dispi.write_data(value))
        else:
            log.log(log.LOG_GUEST_ERROR, f"vga: write of {size} bytes to BAR 2 at {addr:#x}, where nothing takes them")

    def dispi_access(self, addr, access):
        """A register by its address: the index at port 1CEh stays as it is."""
        dispi = self.vga.dispi
        index, dispi.s.index = dispi.s.index, addr - MMIO_DISPI >> 1
        try:
            return access(dispi)
        finally:
            dispi.s.index = index
