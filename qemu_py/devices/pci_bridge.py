"""A PCI-to-PCI bridge (PCI-to-PCI Bridge Architecture Specification 1.1): a type 1 header and the bus behind it.

Device 1b36:0001, as QEMU's pci-bridge. What the CPU accesses passes to the secondary bus in the I/O,
memory and prefetchable windows, and at a VGA's addresses if bridge control says so, while the
command register's bits let it.

Not modelled: the windows and VGA aliases as limits of a bus master's accesses (it reaches all of
memory), ISA enable (which leaves out parts of the I/O window), secondary status, hot plug.
"""
from qemu_py.devices.pci import (
    BASE_ADDRESS_0, COMMAND, COMMAND_IO, COMMAND_MEMORY, PCIBus, PCIDevice, parse_addr)
from qemu_py.system.device import Property, device, uint8
from qemu_py.system.memory import MemoryRegion

PRIMARY, SECONDARY, SUBORDINATE, SECONDARY_LATENCY = 0x18, 0x19, 0x1A, 0x1B
IO_BASE, IO_LIMIT, SECONDARY_STATUS, MEMORY_BASE, MEMORY_LIMIT = 0x1C, 0x1D, 0x1E, 0x20, 0x22
PREFETCH_BASE, PREFETCH_LIMIT, PREFETCH_BASE_UPPER, PREFETCH_LIMIT_UPPER = 0x24, 0x26, 0x28, 0x2C
BRIDGE_CONTROL = 0x3E
VGA_ENABLE, SECONDARY_RESET = 0x0008, 0x0040
PREFETCH_64 = 0x0001
VGA_PORTS = ((0x3B0, 12), (0x3C0, 32))
VGA_MEMORY = (0xA0000, 0x20000)


@device("pci-bridge", "PCI-to-PCI bridge")
class PCIBridge(PCIDevice):
    VENDOR_ID, DEVICE_ID, CLASS_CODE, HEADER = 0x1B36, 0x0001, 0x060400, 0x01
    PROPERTIES = {"addr": Property(parse_addr, None, "slot or slot.function, hexadecimal"),
                  "chassis_nr": uint8(1, "number of the chassis (for management)")}

    def __init__(self, clock=None, **properties):
        super().__init__(clock, **properties)
        self.secondary = None
        self.windows = {}               # name -> (container, region), those that are open
        for offset, size, wmask in (
                (PRIMARY, 1, 0xFF), (SECONDARY, 1, 0xFF), (SUBORDINATE, 1, 0xFF), (SECONDARY_LATENCY, 1, 0xF8),
                (IO_BASE, 1, 0xF0), (IO_LIMIT, 1, 0xF0), (MEMORY_BASE, 2, 0xFFF0), (MEMORY_LIMIT, 2, 0xFFF0),
                (PREFETCH_BASE_UPPER, 4, 0xFFFFFFFF), (PREFETCH_LIMIT_UPPER, 4, 0xFFFFFFFF),
                (BRIDGE_CONTROL, 2, 0x0FFF)):
            self.set_reset(offset, 0, size, wmask)
        for offset in (PREFETCH_BASE, PREFETCH_LIMIT):
            self.set_reset(offset, PREFETCH_64, 2, 0xFFF0)

    def plugged(self):
        parent = self.bus
        slot = self.devfn >> 3
        pirqs = [parent.pirqs[parent.map_irq(slot, pin)].input() for pin in range(1, 5)]
        self.secondary = PCIBus(parent.memory, MemoryRegion("pci_bridge_pci", 1 << 64), MemoryRegion("pci_bridge_io", 1 << 16),
                                pirqs, name=getattr(self, "id", None) or f"{parent.name}.{self.devfn:02x}", swizzle=0, dma=parent.dma)
        parent.bridges.append(self.secondary)

    # ---------------------------------------------------------------- windows
    def window(self, base, limit, shift, width=2):
        """(start, size) of a window whose registers hold the upper bits; size 0: it is closed."""
        start = (self.config_word(base, width) & -16) << shift
        end = ((self.config_word(limit, width) & -16) << shift) + (1 << shift + 4)
        return start, max(0, end - start)

    def prefetch_window(self):
        start, end = ((self.config_word(register, 2) & 0xFFF0) << 16 | self.config_word(upper, 4) << 32
                      for register, upper in ((PREFETCH_BASE, PREFETCH_BASE_UPPER), (PREFETCH_LIMIT, PREFETCH_LIMIT_UPPER)))
        return start, max(0, end + (1 << 20) - start)

    def wanted_windows(self):
        """name -> (is I/O, start, size), as the registers say."""
        command = self.s.config[COMMAND]
        wanted = {}
        if command & COMMAND_IO:
            wanted["io"] = (True, *self.window(IO_BASE, IO_LIMIT, 8, 1))
        if command & COMMAND_MEMORY:
            wanted["memory"] = (False, *self.window(MEMORY_BASE, MEMORY_LIMIT, 16))
            wanted["prefetch"] = (False, *self.prefetch_window())
        if self.config_word(BRIDGE_CONTROL) & VGA_ENABLE:
            if command & COMMAND_MEMORY:
                wanted["vga"] = (False, *VGA_MEMORY)
            if command & COMMAND_IO:
                wanted.update((f"vga-{start:x}", (True, start, size)) for start, size in VGA_PORTS)
        return {name: window for name, window in wanted.items() if window[2]}

    def update_windows(self):
        """Open and close the windows."""
        bus, behind = self.bus, self.secondary
        wanted = self.wanted_windows()
        with bus.memory.transaction():
            for name, (window, container, region) in list(self.windows.items()):
                if wanted.get(name) == window:
                    del wanted[name]
                else:
                    container.del_subregion(region)
                    region.destroy()
                    del self.windows[name]
            for name, window in wanted.items():
                is_io, start, size = window
                container, space = (bus.io_space, behind.io_space) if is_io else (bus.memory_space, behind.memory_space)
                region = MemoryRegion.alias_of(f"pci_bridge_{name}", space, start, min(size, space.size - start))
                container.add_subregion_overlap(start, region, 1)
                self.windows[name] = (window, container, region)

    def config_written(self, offset, size):
        control = self.config_word(BRIDGE_CONTROL)
        if offset <= BRIDGE_CONTROL < offset + size and control & SECONDARY_RESET:
            for behind in list(self.secondary.devices.values()):
                behind.reset()
        self.secondary.number = self.s.config[SECONDARY]
        self.secondary.subordinate = self.s.config[SUBORDINATE]
        self.update_windows()

    def reset(self):
        super().reset()
        self.config_written(BASE_ADDRESS_0, 0)

    def describe_bridge(self):
        """The lines that `info pci` has for a bridge."""
        config = self.s.config
        io, memory = self.window(IO_BASE, IO_LIMIT, 8, 1), self.window(MEMORY_BASE, MEMORY_LIMIT, 16)
        prefetch = self.prefetch_window()
        return [f"      BUS {config[PRIMARY]}.", f"      secondary bus {config[SECONDARY]}.",
                f"      subordinate bus {config[SUBORDINATE]}.",
                f"      IO range [0x{io[0]:04x}, 0x{io[0] + io[1] - 1 & 0xFFFFFFFF:04x}]",
                f"      memory range [0x{memory[0]:08x}, 0x{memory[0] + memory[1] - 1 & 0xFFFFFFFF:08x}]",
                f"      prefetchable memory range [0x{prefetch[0]:08x}, 0x{prefetch[0] + prefetch[1] - 1 & (1 << 64) - 1:08x}]"]
