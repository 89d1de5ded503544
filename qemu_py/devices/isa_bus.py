"""The ISA bus: puts a chip's registers at ports, gives it one of sixteen interrupt lines.

A byte register that lies alone answers byte accesses; wider ones are cut into bytes at rising
ports, as the bus does. A device with WORD takes them whole.
"""
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps


class ISABus:
    """`system_io`: the region of ports; `irqs`: IRQ0-15; `request_exit(status)`: ends the machine."""

    def __init__(self, system_io, irqs, request_exit=None):
        self.system_io = system_io
        self.irqs = irqs
        self.request_exit = request_exit
        self.mapped = []                # (region or None, device, first port, how many), for `info qtree`

    def irq(self, n):
        return self.irqs[n]

    def map(self, device, base, count, first=0, name=None):
        """Put `count` registers of a device, from register `first` on, at ports base, base + 1 ...;
        the MemoryRegion that it made."""
        if getattr(device, "WORD", False):
            ops = MemoryRegionOps(device.read, device.write, impl=(1, 4))
        else:
            ops = MemoryRegionOps(*register_callbacks(device, first, count), impl=(1, 1))
        region = MemoryRegion.io(name or device.NAME, count, ops)
        self.system_io.add_subregion(base, region)
        self.mapped.append((region, device, base, count))
        return region

    def note(self, device, base, count):
        """A device whose ports its board has mapped by itself."""
        self.mapped.append((None, device, base, count))

    def places(self):
        """[(device, first port, how many)]"""
        return [place[1:] for place in self.mapped]

    def unmap(self, region):
        self.mapped = [place for place in self.mapped if place[0] is not region]
        self.system_io.del_subregion(region)
        region.destroy()


def register_callbacks(device, first, count):
    """(read, write) for MemoryRegionOps, with the way to the registers' methods as short as can be."""
    readers = device.readers[first:first + count]
    writers = device.writers[first:first + count]
    if len(readers) < count or None in readers:
        def read(addr, size):
            return device.read(first + addr, size)
    elif count == 1:
        reader = readers[0]

        def read(addr, size):
            return reader()
    else:
        def read(addr, size):
            return readers[addr]()
    if len(writers) < count or None in writers:
        def write(addr, value, size):
            device.write(first + addr, value, size)
    else:
        def write(addr, value, size):
            writers[addr](value)
    return read, write
