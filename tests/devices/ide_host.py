"""A host's side of IDE for tests: ports, memory, images; the constants are those of ATA/ATAPI-6 and SFF-8038i."""
import random

from qemu_py.backends.aio import AIOThreads
from qemu_py.backends.block import BlockBackend, open_image
from qemu_py.devices.ata_disk import ATADisk
from qemu_py.devices.atapi import ATAPICDROM
from qemu_py.devices.ide_channel import IDEChannel
from qemu_py.devices.pci import PCIBus
from qemu_py.devices.piix_ide import PIIX3IDE
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import Memory, MemoryRegion

DATA, ERROR, FEATURES, COUNT, LOW, MID, HIGH, DEVICE, STATUS, COMMAND = (
    0x1F0, 0x1F1, 0x1F1, 0x1F2, 0x1F3, 0x1F4, 0x1F5, 0x1F6, 0x1F7, 0x1F7)
ALTSTATUS = CONTROL = 0x3F6
BSY, DRDY, DF, DSC, DRQ, ERR = 0x80, 0x40, 0x20, 0x10, 0x08, 0x01
UNC, IDNF, ABRT = 0x40, 0x10, 0x04
LBA, SLAVE = 0x40, 0x10
SRST, NIEN, HOB = 0x04, 0x02, 0x80
BMIC, BMIS, BMIDTP = 0xC000, 0xC002, 0xC004
START, TO_MEMORY = 0x01, 0x08
BM_ACTIVE, BM_ERROR, BM_INTERRUPT = 0x01, 0x02, 0x04
RAM = 4 << 20


class Failing:
    """A format driver whose disk is full, broken or slow, as the test wants."""

    def __init__(self, size, read_only=False):
        self.size, self.read_only = size, read_only
        self.error = 0
        self.log = []

    def preadv_cached(self, offset, buffers):
        return False

    def preadv(self, offset, buffers):
        self.log.append("read")
        if self.error:
            raise OSError(self.error, "")

    def pwritev(self, offset, buffers):
        self.log.append("write")
        if self.error:
            raise OSError(self.error, "")

    def flush(self):
        self.log.append("flush")
        if self.error:
            raise OSError(self.error, "")

    def close(self):
        pass


class Host:
    """One channel (isa), or the PIIX3's two (pci), with RAM."""

    def __init__(self, tmp_path, pci):
        self.tmp_path = tmp_path
        self.aio = AIOThreads()
        self.memory = Memory()
        self.ram = MemoryRegion.ram("ram", RAM, self.memory.ram_list)
        self.memory.system_memory.add_subregion(0, self.ram)
        self.history = []
        self.closing = []
        line = IRQ(lambda n, level: self.history.append(level))
        if pci:
            bus = PCIBus(self.memory, self.memory.system_memory, self.memory.system_io, [IRQ() for _ in range(4)])
            self.function = bus.register_device(PIIX3IDE(), 1 << 3 | 1)
            self.channels = self.function.channels
            self.function.masters[0].irq = line
            self.function.write_config(0x40, 0x80008000, 4)
            self.function.write_config(0x20, BMIC, 4)
            self.function.write_config(0x04, 0x0005, 2)
        else:
            self.channels = [IDEChannel()]
            self.channels[0].irq = line
            for region, base in zip(self.channels[0].regions("ide"), (0x1F0, 0x3F6)):
                self.memory.system_io.add_subregion(base, region)
        self.channel = self.channels[0]

    # ---- drives
    def image(self, size, name="image"):
        path = self.tmp_path / name
        path.write_bytes(random.Random(size).randbytes(size))
        return path

    def backend(self, driver, **how):
        blk = BlockBackend("disk", self.aio, driver, **how)
        self.closing.append(blk)
        return blk

    def disk(self, sectors=2048, unit=0, driver=None, read_only=False, **how):
        """Attach a disk of random bytes; its path."""
        path = self.image(sectors * 512, f"disk{unit}") if driver is None else None
        blk = self.backend(driver or open_image(str(path), "-hda", read_only=read_only), **how)
        self.channel.attach(ATADisk(blk=blk), unit)
        return path

    def cdrom(self, blocks=400, unit=0, path=None, driver=None):
        """Attach a CD-ROM drive; blocks 0: an empty one. Its path."""
        if blocks and path is None and driver is None:
            path = self.image(blocks * 2048, "disc")
        if path is not None:
            driver = open_image(str(path), "-cdrom", read_only=True)
        self.blk = self.backend(driver, removable=True)
        self.channel.attach(ATAPICDROM(blk=self.blk), unit)
        return path

    def close(self):
        self.aio.qemu_aio_flush()
        for blk in self.closing:
            blk.close()
        self.aio.close()

    # ---- ports
    def outb(self, port, value, size=1):
        self.memory.physmap.port_write(port, value, size)

    def inb(self, port, size=1):
        return self.memory.physmap.port_read(port, size)

    def insw(self, count):
        return self.memory.physmap.port_read_block(DATA, 2, count)

    def outsw(self, data):
        self.memory.physmap.port_write_block(DATA, 2, data)

    def wait(self):
        """Poll alternate status until the drive is not busy; what it is."""
        while self.inb(ALTSTATUS) & BSY and self.aio.qemu_aio_wait():
            pass
        return self.inb(ALTSTATUS)

    def command(self, code, count=0, lba=0, device=LBA, features=0, extended=False):
        """Write the registers and a command as a driver does; the status when it is no longer busy."""
        self.outb(DEVICE, device | (lba >> 24 & 0x0F if device & LBA and not extended else 0))
        if extended:
            for port, value in ((FEATURES, features >> 8), (COUNT, count >> 8), (LOW, lba >> 24), (MID, lba >> 32),
                                (HIGH, lba >> 40)):
                self.outb(port, value & 0xFF)
        for port, value in ((FEATURES, features), (COUNT, count), (LOW, lba), (MID, lba >> 8), (HIGH, lba >> 16)):
            self.outb(port, value & 0xFF)
        self.outb(COMMAND, code)
        return self.wait()

    def registers(self):
        return tuple(self.inb(port) for port in (COUNT, LOW, MID, HIGH))

    # ---- memory and the bus master
    def prd(self, entries, table=0x1000):
        """Write a table of physical region descriptors [(address, bytes)]."""
        data = b"".join(address.to_bytes(4, "little") + ((count & 0xFFFF) | (1 << 31 if n == len(entries) - 1 else 0))
                        .to_bytes(4, "little") for n, (address, count) in enumerate(entries))
        self.memory.address_space_memory.write(table, data)
        self.outb(BMIDTP, table, 4)

    def start(self, to_memory):
        direction = TO_MEMORY if to_memory else 0
        self.outb(BMIC, direction)
        self.outb(BMIS, BM_ERROR | BM_INTERRUPT)
        self.outb(BMIC, direction | START)

    def stop(self):
        self.outb(BMIC, self.inb(BMIC) & ~START)

    def finish(self):
        """Let everything in flight end."""
        self.aio.qemu_aio_flush()

    def peek(self, address, length):
        return self.memory.address_space_memory.read(address, length)

    def poke(self, address, data):
        self.memory.address_space_memory.write(address, data)
