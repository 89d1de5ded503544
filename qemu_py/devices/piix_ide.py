"""Intel 82371SB (PIIX3) function 1: IDE interface (datasheet 290550-002, 3.3 and 3.6; SFF-8038i: bus master IDE).

Device 8086:7010: two channels at their legacy ports (1F0h, 3F6h, IRQ 14; 170h, 376h, IRQ 15), which IDETIM
(40h, 42h) switches on, and bus master registers at BMIBA (BAR 4). Disks' data moves directly between
image and guest RAM; the physical region descriptors are read as the transfer begins.

Not modelled: timing (IDETIM's and SIDETIM's times only keep what is written), the two-entry posting of data.
"""
from qemu_py.devices.ide_channel import IDEChannel
from qemu_py.devices.pci import BAR_IO, COMMAND, COMMAND_IO, COMMAND_MASTER, PCIDevice
from qemu_py.system.device import device
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

IDETIM, SIDETIM = 0x40, 0x44
DECODE_ENABLE = 0x8000
BMIBA = 4                               # number of the BAR
PORTS = ((0x1F0, 0x3F6), (0x170, 0x376))

# Bus master registers of a channel
BMIC, BMIS, BMIDTP = 0, 2, 4
START, TO_MEMORY = 0x01, 0x08
ACTIVE, ERROR, INTERRUPT, DRIVES_CAPABLE = 0x01, 0x02, 0x04, 0x60
END_OF_TABLE = 0x80000000
PRD_SIZE = 8


class BusMaster:
    """The DMA engine of one channel. State: `s`, a BusMasterState."""

    def __init__(self, function, channel, index):
        self.function = function
        self.index = index
        self.channel = channel
        channel.bus_master = self
        self.irq = IRQ()
        channel.irq.connect(self.intrq)

    @property
    def s(self):
        return self.function.s.masters[self.index]

    @property
    def dma(self):
        return self.function.bus.dma

    def intrq(self, n, level):
        """The channel's interrupt, which BMIS notes when it rises."""
        if level:
            self.s.status |= INTERRUPT
        self.irq.set(level)

    # ---------------------------------------------------------------- registers
    def read(self, offset):
        s = self.s
        if offset == BMIC:
            return s.command
        if offset == BMIS:
            drive = self.drive_in_flight()
            if drive is not None:
                drive.blk.wait_briefly()
            return s.status
        if offset >= BMIDTP:
            return s.table >> 8 * (offset - BMIDTP) & 0xFF
        return 0

    def write(self, offset, value):
        s = self.s
        if offset == BMIC:
            started, stopped = value & ~s.command & START, s.command & ~value & START
            s.command = value & (START | TO_MEMORY)
            if started:
                s.status |= ACTIVE
                s.pointer, s.room, s.last = s.table, 0, False
                self.dmarq()
            elif stopped:
                drive = self.drive_in_flight()
                if drive is not None:
                    drive.dma_stopped()
                s.status &= ~ACTIVE
        elif offset == BMIS:
            s.status = s.status & ~(value & (INTERRUPT | ERROR)) & ~DRIVES_CAPABLE | value & DRIVES_CAPABLE
        elif offset >= BMIDTP:
            shift = 8 * (offset - BMIDTP)
            s.table = (s.table & ~(0xFF << shift) | value << shift) & 0xFFFFFFFC

    # ---------------------------------------------------------------- a transfer
    def drive_in_flight(self):
        return next((drive for drive in self.channel.present() if drive.s.dma_left and drive.request is not None), None)

    def dmarq(self):
        """A drive has something to move, or the engine was started: go on if both are so."""
        if self.s.status & ACTIVE and self.function.bus_master:
            drive = self.channel.dma_drive()
            if drive is not None:
                if bool(self.s.command & TO_MEMORY) == drive.s.dma_write:
                    log.log(log.LOG_GUEST_ERROR, "piix-ide: the bus master's direction is not the command's")
                    self.s.status = self.s.status & ~ACTIVE | ERROR
                else:
                    drive.dma_run(self)

    def segments(self, wanted):
        """The next places in memory, for at most `wanted` bytes: ([(address, length)], their sum)."""
        s, found, total = self.s, [], 0
        cache, at = b"", 0
        while total < wanted:
            if not s.room:
                if s.last:
                    break
                if at >= len(cache):
                    # A table does not cross a 64 KiB boundary.
                    cache, at = self.dma.read(s.pointer, min(512, 0x10000 - (s.pointer & 0xFFFF))), 0
                entry = int.from_bytes(cache[at:at + PRD_SIZE], "little")
                at += PRD_SIZE
                s.pointer = s.pointer & 0xFFFF0000 | (s.pointer + PRD_SIZE & 0xFFFF)
                s.address, s.room = entry & 0xFFFFFFFE, entry >> 32 & 0xFFFE or 0x10000
                s.last = bool(entry >> 32 & END_OF_TABLE)
            count = min(s.room, wanted - total)
            if found and found[-1][0] + found[-1][1] == s.address:
                found[-1] = (found[-1][0], found[-1][1] + count)
            else:
                found.append((s.address, count))
            s.address += count
            s.room -= count
            total += count
        if not total:
            s.status &= ~ACTIVE         # the table was too short: INTERRUPT stays 0
        return found, total

    def map(self, segments):
        """Views of guest RAM, or None when a part is none."""
        views = []
        for address, length in segments:
            while length:
                view = self.dma.map(address, length)
                if view is None:
                    return None
                views.append(view)
                address += len(view)
                length -= len(view)
        return views

    def unmap(self, segments):
        """They were written."""
        for address, length in segments:
            self.dma.unmap(address, length)

    def gather(self, segments, buffer):
        view = memoryview(buffer)
        for address, length in segments:
            self.dma.readinto(address, view[:length])
            view = view[length:]

    def scatter(self, segments, buffer):
        view = memoryview(buffer)
        for address, length in segments:
            self.dma.write(address, view[:length])
            view = view[length:]

    def moved(self):
        """What segments() gave is done with."""
        if self.s.last and not self.s.room:
            self.s.status &= ~ACTIVE


@dataclass
class BusMasterState:
    command: int = 0
    status: int = 0
    table: int = 0
    pointer: int = 0                    # next descriptor
    address: int = 0                    # of what is left of the present one
    room: int = 0
    last: bool = False


@device("piix3-ide", "82371SB IDE interface")
class PIIX3IDE(PCIDevice):
    """`channels`: two IDEChannels; `irqs`: their two lines, to be connected."""
    VENDOR_ID, DEVICE_ID, CLASS_CODE = 0x8086, 0x7010, 0x010180
    STATUS_RESET = 0x0280
    BUS, PROPERTIES = None, {}

    @dataclass
    class State(PCIDevice.State):
        masters: list = field(default_factory=lambda: [BusMasterState(), BusMasterState()])

    def __init__(self, clock=None):
        super().__init__(clock)
        self.channels = [IDEChannel(clock), IDEChannel(clock)]
        self.masters = [BusMaster(self, channel, n) for n, channel in enumerate(self.channels)]
        self.irqs = [master.irq for master in self.masters]
        self.ports = [channel.regions(f"ide{n}") for n, channel in enumerate(self.channels)]
        self.add_bar(BMIBA, MemoryRegion.io("piix-bmdma", 16, MemoryRegionOps(
            self.read_bmdma, self.write_bmdma, impl=(1, 4))), BAR_IO)
        self.set_reset(COMMAND, 0, 2, wmask=COMMAND_IO | COMMAND_MASTER)
        self.set_reset(IDETIM, 0, 4, wmask=0xF3FFF3FF)
        self.set_reset(SIDETIM, 0, 1, wmask=0xFF)
        self.s.config[:] = self.config_reset

    def read_bmdma(self, addr, size):
        value = 0
        for k in range(size):
            value |= self.masters[addr + k >> 3 & 1].read(addr + k & 7) << 8 * k
        return value

    def write_bmdma(self, addr, value, size):
        for k in range(size):
            self.masters[addr + k >> 3 & 1].write(addr + k & 7, value >> 8 * k & 0xFF)

    def config_written(self, offset, size):
        for n in (0, 1):
            self.decode(n, self.command & COMMAND_IO and self.config_word(IDETIM + 2 * n) & DECODE_ENABLE)
        if offset <= COMMAND < offset + size:
            for master in self.masters:
                master.dmarq()

    def decode(self, n, enabled):
        """Put a channel's ports where they belong, or take them away."""
        space = self.bus.io_space if self.bus is not None else None
        for region, base in zip(self.ports[n], PORTS[n]):
            if space is not None and bool(enabled) != (region.parent is not None):
                if enabled:
                    space.add_subregion_overlap(base, region, 1)
                else:
                    space.del_subregion(region)

    def wake(self):
        """Where the channels are decoded stays: SeaBIOS does not say so again, nor does Linux."""
        timing = self.s.config[IDETIM:IDETIM + 4]
        self.reset()
        self.s.config[IDETIM:IDETIM + 4] = timing
        self.config_written(IDETIM, 4)

    def reset(self):
        super().reset()
        for channel in self.channels:
            channel.reset()
        self.config_written(COMMAND, 4)
