"""The ISA bus: puts a chip's registers at ports, gives it one of sixteen interrupt lines.

A byte register that lies alone answers byte accesses; wider ones are cut into bytes at rising
ports, as the bus does. A device with WORD takes them whole.
"""
from qemu_py.system.irq import IRQOr
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util.errors import UserError


class ISABus:
    """`system_io`: the region of ports; `irqs`: IRQ0-15; `request_exit(status)`: ends the machine; `memory_space`: the
    region where cards have memory."""

    def __init__(self, system_io, irqs, request_exit=None, memory_space=None):
        self.system_io = system_io
        self.irqs = irqs
        self.shared = {}                # number -> IRQOr
        self.request_exit = request_exit
        self.memory_space = memory_space
        self.mapped = []                # (region or None, device, first port, how many), for `info qtree`

    def irq(self, n):
        return self.irqs[n]

    def place(self, device, places, name):
        """Fill in what the user left open of a port's index, iobase and irq. places: (port, interrupt) of NAME1, NAME2 ..."""
        if device.index is None:
            taken = {other.index for other, _, _ in self.places() if type(other) is type(device)}
            device.index = next(n for n in range(len(taken) + 1) if n not in taken)
        if device.index < len(places):
            base, irq = places[device.index]
            device.iobase = base if device.iobase is None else device.iobase
            device.irq = irq if device.irq is None else device.irq
        elif device.iobase is None or device.irq is None:
            raise UserError(f"-device {device.NAME}: index {device.index}: a PC has places for {name}1 to {name}{len(places)} only;"
                            " give iobase= and irq=")
        if device.irq >= len(self.irqs):
            raise UserError(f"-device {device.NAME}: irq={device.irq}: there are interrupt lines 0 to {len(self.irqs) - 1}")

    def shared_irq(self, n):
        """A line of a device that may have its interrupt in common with others of its kind."""
        if n not in self.shared:
            self.shared[n] = IRQOr(self.irqs[n])
        return self.shared[n].input()

    def map(self, device, base, count, first=0, name=None):
        """Put `count` registers of a device, from register `first` on, at ports base, base + 1 ...;
        the MemoryRegion that it made."""
        self.check_ports(device, base, count)
        if getattr(device, "WORD", False):
            ops = MemoryRegionOps(device.read, device.write, impl=(1, 4))
        else:
            ops = MemoryRegionOps(*register_callbacks(device, first, count), impl=(1, 1))
        region = MemoryRegion.io(name or device.NAME, count, ops)
        self.system_io.add_subregion(base, region)
        self.mapped.append((region, device, base, count))
        return region

    def check_ports(self, device, base, count):
        if not 0 < count <= 0x10000 - base:
            raise UserError(f"-device {device.NAME}: there are no {count} ports from {base:#x} on; the last is 0xffff")
        other = next((other for other, first, size in self.places() if base < first + size and first < base + count), None)
        if other is not None:
            raise UserError(f"-device {device.NAME}: ports {base:#x} to {base + count - 1:#x} are not free: {other.NAME} is there;"
                            " choose another iobase=")

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
