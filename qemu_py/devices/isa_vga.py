"""A VGA on the ISA bus: its ports, its memory, a VGA BIOS that the firmware copies below 1 MiB."""
from qemu_py.devices.vga import FIRST_PORT, PORTS, VGA
from qemu_py.system.device import Property, device
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps

ROM_FILE = "vgabios.bin"
VGA_NONE = "-vga none leaves out the machine's own"
DISPI_PORT = 0x1CE
FRAME_BUFFER = 0xE0000000               # of the Bochs VBE modes, where no BAR says another place


@device("isa-vga", "VGA with Bochs VBE extensions")
class ISAVGA(VGA):
    BUS, WIRING, SINGLE, INSTEAD = "isa", ("memory",), "display adapter", VGA_NONE
    PROPERTIES = {"romfile": Property(str, ROM_FILE, "its BIOS")}
    rom = None                          # contents of the VGA BIOS, which the firmware is given by fw_cfg

    @property
    def vga(self):
        return self

    def plug(self, bus):
        """Answer at the VGA's ports and addresses."""
        for first, count in PORTS:
            bus.map(self, first, count, first=first - FIRST_PORT, name="vga")
        bus.system_io.add_subregion(DISPI_PORT, MemoryRegion.io("vbe", 3, dispi_ops(self.dispi)))
        bus.memory_space.add_subregion_overlap(0xA0000, self.mem.region, 1)
        bus.memory_space.add_subregion_overlap(FRAME_BUFFER, self.mem.vram, 1)


def dispi_ops(dispi):
    """Words at ports 1CEh and 1CFh."""
    return MemoryRegionOps(dispi.read_port, dispi.write_port, valid=(1, 4, True), impl=(1, 4, True))
