"""QEMU's firmware configuration device (QEMU's docs/specs/fw_cfg, SeaBIOS's and Linux's view of it).

Data under 16-bit keys, and a directory of named files among them. Ports: a key is written to 510h
(16 bits) and its bytes are read one after the other at 511h; 514h-51Bh is a big-endian address
of an FWCfgDmaAccess structure in memory, whose lower half starts the transfer.

Not modelled: writes at the data port (QEMU has ignored them since 2.4), the memory-mapped variant.
"""
import struct

from qemu_py.system.device import Device, device
from qemu_py.system.memory import DEVICE_BIG_ENDIAN, MemoryRegion, MemoryRegionOps
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

CTL_PORT, DMA_PORT = 0x510, 0x514

SIGNATURE, ID, UUID, RAM_SIZE, NOGRAPHIC, NB_CPUS, MACHINE_ID = range(7)
KERNEL_ADDR, KERNEL_SIZE, KERNEL_CMDLINE, INITRD_ADDR, INITRD_SIZE = range(0x07, 0x0C)
BOOT_DEVICE, NUMA, BOOT_MENU, MAX_CPUS, KERNEL_ENTRY, KERNEL_DATA, INITRD_DATA = range(0x0C, 0x13)
CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA, SETUP_ADDR, SETUP_SIZE, SETUP_DATA, FILE_DIR = range(0x13, 0x1A)
FILE_FIRST, FILE_SLOTS = 0x20, 0x20
ARCH_LOCAL = 0x8000
IRQ0_OVERRIDE, E820_TABLE, HPET = 0x8002, 0x8003, 0x8004        # of the PC
INVALID = 0xFFFF

ID_TRADITIONAL, ID_DMA = 0x01, 0x02
DMA_SIGNATURE = b"QEMU CFG"
DMA_ERROR, DMA_READ, DMA_SKIP, DMA_SELECT, DMA_WRITE = 0x01, 0x02, 0x04, 0x08, 0x10
FILE_NAME_MAX = 55


@device("fw_cfg", "firmware configuration")
class FWCfg(Device):
    """`memory`: the AddressSpace of DMA; None: there is no DMA."""

    @dataclass
    class State:                        # all of it, and only it, is saved
        VERSION = 1
        key: int = 0
        offset: int = 0
        dma_high: int = 0
        writable: dict = field(default_factory=dict)    # key -> bytearray, as far as the guest wrote them

    def __init__(self, clock=None, memory=None):
        super().__init__(clock)
        self.memory = memory
        self.items = {}                 # key -> bytes, or what gives them when the guest reads
        self.files = {}                 # name -> key
        self.writable = set()
        self.written = {}               # key -> callback(data), after a write by DMA
        self.add(SIGNATURE, b"QEMU")
        self.add(ID, struct.pack("<I", ID_TRADITIONAL | (ID_DMA if memory is not None else 0)))
        self.add(FILE_DIR, self.directory)
        self.data = self.items[SIGNATURE]
        ops = MemoryRegionOps(self.read, self.write, impl=(1, 2), read_block=self.read_block)
        self.region = MemoryRegion.io("fwcfg", 2, ops)
        dma = MemoryRegionOps(self.read_dma, self.write_dma, endianness=DEVICE_BIG_ENDIAN, valid=(1, 8), impl=(1, 8))
        self.dma_region = MemoryRegion.io("fwcfg.dma", 8, dma)

    def map(self, system_io):
        system_io.add_subregion(CTL_PORT, self.region)
        if self.memory is not None:
            system_io.add_subregion(DMA_PORT, self.dma_region)

    # ---------------------------------------------------------------- what the board puts in
    def add(self, key, data):
        """The bytes under a key (a later call replaces them), or a function that is called for them."""
        self.items[key] = data if callable(data) else bytes(data)

    def add_int(self, key, value, size):
        self.add(key, value.to_bytes(size, "little"))

    def add_file(self, name, data, writable=False, written=None):
        """A named file; the guest may write a writable one by DMA, and written(data) hears of it."""
        assert len(name) <= FILE_NAME_MAX, name
        key = self.files.setdefault(name, FILE_FIRST + len(self.files))
        self.add(key, data)
        if writable:
            self.writable.add(key)
            self.written[key] = written

    def directory(self):
        """Of the files, sorted by name, as firmware may search it so."""
        entries = [struct.pack(">IHH56s", len(self.contents(key)), key, 0, name.encode()) for name, key in sorted(self.files.items())]
        return struct.pack(">I", len(entries)) + b"".join(entries)

    def file(self, name):
        """A file's present contents."""
        return bytes(self.contents(self.files[name]))

    def contents(self, key):
        written = self.s.writable.get(key)
        if written is not None:
            return written
        data = self.items.get(key, b"")
        return bytes(data()) if callable(data) else data

    # ---------------------------------------------------------------- ports 510h, 511h
    def select(self, key):
        self.s.key = key
        self.s.offset = 0
        self.data = self.contents(key)
        if key not in self.items:
            log.log(log.LOG_GUEST_ERROR, f"fw_cfg: there is nothing under key {key:#x}")

    def write(self, addr, value, size=1):
        if addr == 0 and size == 2:
            self.select(value)

    def read(self, addr, size=1):
        """The next byte; 0 behind the end. The key register reads as 0, as does a word at both ports."""
        if addr != 1:
            return 0
        s = self.s
        offset = s.offset
        if offset < len(self.data):
            s.offset = offset + 1
            return self.data[offset]
        return 0

    def read_block(self, addr, size, view):
        """`rep ins`: as many items as the view has room for."""
        if addr != 1 or size != 1:
            view[:] = bytes(len(view))
            return
        s = self.s
        part = self.data[s.offset:s.offset + len(view)]
        view[:len(part)] = part
        if len(part) < len(view):
            view[len(part):] = bytes(len(view) - len(part))
        s.offset += len(part)

    # ---------------------------------------------------------------- DMA
    def read_dma(self, addr, size):
        return int.from_bytes(DMA_SIGNATURE[addr:addr + size], "big")

    def write_dma(self, addr, value, size):
        if size == 8 and addr == 0:
            self.transfer(value)
        elif size == 4 and addr == 0:
            self.s.dma_high = value
        elif size == 4 and addr == 4:
            address, self.s.dma_high = self.s.dma_high << 32 | value, 0
            self.transfer(address)
        else:
            log.log(log.LOG_GUEST_ERROR, f"fw_cfg: DMA register {addr:#x} written with {size} bytes")

    def transfer(self, address):
        """Carry out the FWCfgDmaAccess at `address`; its control field is 0 in the end, or has the error bit."""
        control, length, target = struct.unpack(">IIQ", self.memory.read(address, 16))
        if control & DMA_SELECT:
            self.select(control >> 16)
        s = self.s
        error = 0
        if control & DMA_READ:
            error = self.dma_read(target, length)
        elif control & DMA_WRITE:
            error = self.dma_write(target, length)
        elif control & DMA_SKIP:
            s.offset = min(s.offset + length, len(self.data))
        self.memory.write(address, struct.pack(">I", error))

    def dma_read(self, target, length):
        s = self.s
        part = self.data[s.offset:s.offset + length]
        self.memory.write(target, part)
        s.offset += len(part)
        left, target = length - len(part), target + len(part)
        while left:                     # behind the end there are zeros
            if target >= 1 << 64 or self.memory.map(target, left) is None:
                log.log(log.LOG_GUEST_ERROR, f"fw_cfg: DMA of {left} bytes to {target:#x}, where there is no RAM")
                return DMA_ERROR
            count = min(left, 1 << 16)
            self.memory.write(target, bytes(count))
            left, target = left - count, target + count
        return 0

    def dma_write(self, target, length):
        s = self.s
        if s.key not in self.writable or length > len(self.data) - s.offset:
            log.log(log.LOG_GUEST_ERROR, f"fw_cfg: write of {length} bytes to key {s.key:#x} is refused")
            return DMA_ERROR
        data = s.writable.setdefault(s.key, bytearray(self.items[s.key]))
        data[s.offset:s.offset + length] = self.memory.read(target, length)
        s.offset += length
        self.data = data
        if self.written[s.key] is not None:
            self.written[s.key](bytes(data))
        return 0

    def reset(self):
        super().reset()
        self.data = self.items[SIGNATURE]
