"""PCI: configuration space, base address registers, interrupt pins; the bus and its host bridge's ports.

PCI Local Bus Specification 2.1 (chapter 6: configuration space; 3.2.2.3.2: mechanism #1), with the
interrupt disable and status bits of 2.3. A device gives what is in its header as class attributes and
its BARs as MemoryRegions:

    class Foo(PCIDevice):
        VENDOR_ID, DEVICE_ID, CLASS_CODE, INTERRUPT_PIN = 0x8086, 0x1229, 0x020000, 1

        def __init__(self, clock=None, **properties):
            super().__init__(clock, **properties)
            self.add_bar(0, MemoryRegion.io("foo", 64, ops), BAR_IO)

and drives `self.irq`, its INTx# pin. Not modelled: capabilities, parity and system errors (their
enable bits are kept), special cycles. A bus behind a bridge: pci_bridge.py.
"""
import struct

from qemu_py.devices.bus_master import BusMasterMemory
from qemu_py.system.device import Device, Property
from qemu_py.system.irq import IRQ, IRQOr
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field
from qemu_py.util.errors import UserError

# Offsets in configuration space
VENDOR, DEVICE, COMMAND, STATUS, REVISION_ID, CLASS = 0x00, 0x02, 0x04, 0x06, 0x08, 0x09
CACHE_LINE_SIZE, LATENCY_TIMER, HEADER_TYPE, BASE_ADDRESS_0 = 0x0C, 0x0D, 0x0E, 0x10
SUBSYSTEM_VENDOR, SUBSYSTEM, ROM_ADDRESS, INTERRUPT_LINE, INTERRUPT_PIN = 0x2C, 0x2E, 0x30, 0x3C, 0x3D
ROM_SLOT = 6                            # index of the expansion ROM among a device's regions

COMMAND_IO, COMMAND_MEMORY, COMMAND_MASTER = 0x0001, 0x0002, 0x0004
COMMAND_PARITY, COMMAND_SERR, COMMAND_INTX_DISABLE = 0x0040, 0x0100, 0x0400
COMMAND_WRITABLE = (COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_PARITY | COMMAND_SERR
                    | COMMAND_INTX_DISABLE)
STATUS_INTERRUPT, STATUS_DEVSEL_MEDIUM = 0x0008, 0x0200
STATUS_CLEARABLE = 0xF900               # errors and aborts, cleared by writing 1
MULTIFUNCTION = 0x80                    # in the header type
ROM_ENABLE = 0x01

BAR_MEMORY, BAR_IO, BAR_64, BAR_PREFETCH = 0x00, 0x01, 0x04, 0x08
SLOTS, FUNCTIONS = 32, 8
CONFIG_ENABLE = 0x80000000

UNPACK = {size: struct.Struct(code).unpack_from for size, code in ((1, "<B"), (2, "<H"), (4, "<I"))}
CLASS_NAMES = {0x0100: "SCSI controller", 0x0101: "IDE controller", 0x0106: "SATA controller", 0x0200: "Ethernet controller",
               0x0300: "VGA controller", 0x0380: "Display controller", 0x0401: "Audio controller", 0x0600: "Host bridge",
               0x0601: "ISA bridge", 0x0604: "PCI bridge", 0x0680: "Bridge", 0x0C03: "USB controller", 0x0C05: "SMBus"}


def devfn(slot, function=0):
    return slot << 3 | function


def parse_addr(text):
    """"SLOT" or "SLOT.FUNCTION" in hexadecimal, as devfn."""
    slot, _, function = text.partition(".")
    try:
        slot, function = int(slot, 16), int(function or "0", 16)
    except ValueError:
        slot = -1
    if not (0 <= slot < SLOTS and 0 <= function < FUNCTIONS):
        raise ValueError("SLOT or SLOT.FUNCTION, hexadecimal")
    return devfn(slot, function)


@dataclass
class PCIRegion:
    """A BAR: the region, its type bits, and where it is mapped now (None: nowhere)."""
    region: MemoryRegion
    kind: int
    address: int | None = None

    @property
    def size(self):
        return self.region.size


class PCIDevice(Device):
    """Base of all devices; what it knows of BARs is a type 0 header's."""
    BUS = "pci"
    PROPERTIES = {"addr": Property(parse_addr, None, "slot or slot.function, hexadecimal (default: the first free slot)")}
    VENDOR_ID = DEVICE_ID = 0xFFFF
    REVISION = 0
    CLASS_CODE = 0                      # base class, subclass, interface: 24 bits
    HEADER = 0                          # header type; MULTIFUNCTION in function 0 of several
    SUBSYSTEM_ID = (0x1AF4, 0x1100)     # vendor, subsystem
    INTERRUPT_PIN = 0                   # 1-4: INTA#-INTD#
    STATUS_RESET = STATUS_DEVSEL_MEDIUM

    @dataclass
    class State:
        VERSION = 1
        config: bytearray = field(default_factory=lambda: bytearray(256))

    def __init__(self, clock=None, **properties):
        self.bus = None
        self.devfn = None
        self.regions = {}               # BAR number (6: ROM) -> PCIRegion
        self.config_reset = bytearray(256)      # contents at reset
        self.wmask = bytearray(256)             # bits that the guest may write
        self.w1cmask = bytearray(256)           # bits that writing 1 clears
        self.irq = IRQ(self._pin_changed)
        self._intx = IRQ()                      # to the bus
        super().__init__(clock, **properties)
        self._init_header()

    # ---------------------------------------------------------------- configuration space
    def _init_header(self):
        self.set_reset(VENDOR, self.VENDOR_ID, 2)
        self.set_reset(DEVICE, self.DEVICE_ID, 2)
        self.set_reset(COMMAND, 0, 2, wmask=COMMAND_WRITABLE)
        self.set_reset(STATUS, self.STATUS_RESET, 2, w1cmask=STATUS_CLEARABLE)
        self.set_reset(REVISION_ID, self.REVISION, 1)
        self.set_reset(CLASS, self.CLASS_CODE, 3)
        self.set_reset(CACHE_LINE_SIZE, 0, 1, wmask=0xFF)
        self.set_reset(LATENCY_TIMER, 0, 1, wmask=0xF8)
        self.set_reset(HEADER_TYPE, self.HEADER, 1)
        if not self.HEADER & ~MULTIFUNCTION:
            self.set_reset(SUBSYSTEM_VENDOR, self.SUBSYSTEM_ID[0], 2)
            self.set_reset(SUBSYSTEM, self.SUBSYSTEM_ID[1], 2)
        self.set_reset(INTERRUPT_LINE, 0, 1, wmask=0xFF if self.INTERRUPT_PIN else 0)
        self.set_reset(INTERRUPT_PIN, self.INTERRUPT_PIN, 1)

    def set_reset(self, offset, value, size, wmask=0, w1cmask=0):
        """When the device is made: a register's value after reset, and what the guest may write or clear."""
        for table, number in ((self.config_reset, value), (self.s.config, value), (self.wmask, wmask),
                              (self.w1cmask, w1cmask)):
            table[offset:offset + size] = number.to_bytes(size, "little")

    def config_word(self, offset, size=2):
        return int.from_bytes(self.s.config[offset:offset + size], "little")

    def set_config(self, offset, value, size):
        """Change a register from the device's side."""
        self.s.config[offset:offset + size] = value.to_bytes(size, "little")

    def read_config(self, offset, size):
        """A configuration cycle: 1, 2 or 4 bytes."""
        return UNPACK[size](self.s.config, offset)[0]

    def write_config(self, offset, value, size):
        config, wmask, w1cmask = self.s.config, self.wmask, self.w1cmask
        for k in range(offset, min(offset + size, 256)):
            byte = value & 0xFF
            value >>= 8
            config[k] = (config[k] & ~wmask[k] | byte & wmask[k]) & ~(byte & w1cmask[k])
        end = offset + size
        if offset < STATUS and end > COMMAND:
            self._drive_intx()
            self.update_mappings()
        elif offset < 0x28 and end > BASE_ADDRESS_0 or offset < ROM_ADDRESS + 4 and end > ROM_ADDRESS:
            self.update_mappings()
        self.config_written(offset, size)

    def config_written(self, offset, size):
        """The guest has written [offset, offset + size): for registers that do something."""

    @property
    def command(self):
        return self.config_word(COMMAND)

    @property
    def bus_master(self):
        """May the device access memory?"""
        return bool(self.s.config[COMMAND] & COMMAND_MASTER)

    # ---------------------------------------------------------------- regions
    def add_bar(self, number, region, kind=BAR_MEMORY):
        """pci_register_bar: `region` (of a size that is a power of 2) is what BAR 0-5, or 6, the
        expansion ROM, maps. kind: BAR_IO, or BAR_MEMORY | BAR_64 | BAR_PREFETCH."""
        size = region.size
        assert size & (size - 1) == 0 and size >= (4 if kind & BAR_IO else 16), size
        assert number not in self.regions
        self.regions[number] = PCIRegion(region, kind)
        offset, width = self.bar_offset(number), 8 if kind & BAR_64 else 4
        mask = (1 << 8 * width) - size & (1 << 8 * width) - 1
        self.set_reset(offset, 0 if number == ROM_SLOT else kind, width,
                       wmask=mask | ROM_ENABLE if number == ROM_SLOT else mask)

    def add_rom(self, region):
        """The expansion ROM."""
        self.add_bar(ROM_SLOT, region)

    @staticmethod
    def bar_offset(number):
        return ROM_ADDRESS if number == ROM_SLOT else BASE_ADDRESS_0 + 4 * number

    def bar_address(self, number):
        """Where the guest has put a region; None: it is not decoded.

        Address 0 counts as not yet assigned, and what would run past the end of the space (as all
        ones do, while a guest finds out a BAR's size) is not decoded."""
        bar = self.regions[number]
        command = self.s.config[COMMAND]
        value = self.config_word(self.bar_offset(number), 8 if bar.kind & BAR_64 else 4)
        if not command & (COMMAND_IO if bar.kind & BAR_IO else COMMAND_MEMORY):
            return None
        if number == ROM_SLOT and not value & ROM_ENABLE:
            return None
        address = value & -bar.size
        limit = 0x10000 if bar.kind & BAR_IO else 1 << 63 if bar.kind & BAR_64 else 0xFFFFFFFF
        return address if address and address + bar.size <= limit else None

    def update_mappings(self):
        """Move every region to where its BAR and the command register say."""
        bus = self.bus
        if bus is None:
            return
        moves = [(bar, address) for number, bar in self.regions.items()
                 if (address := self.bar_address(number)) != bar.address]
        if not moves:
            return
        with bus.memory.transaction():
            for bar, address in moves:
                space = bus.io_space if bar.kind & BAR_IO else bus.memory_space
                if bar.address is not None:
                    space.del_subregion(bar.region)
                if address is not None:
                    space.add_subregion_overlap(address, bar.region, 1)
                bar.address = address

    # ---------------------------------------------------------------- interrupts
    def _pin_changed(self, n, level):
        if level:
            self.s.config[STATUS] |= STATUS_INTERRUPT
        else:
            self.s.config[STATUS] &= ~STATUS_INTERRUPT
        self._drive_intx()

    def _drive_intx(self):
        self._intx.set(self.irq.level and not self.command & COMMAND_INTX_DISABLE)

    # ---------------------------------------------------------------- life
    def plug(self, bus):
        """-device: take the place that was asked for, or the first free one."""
        bus.register_device(self, self.addr)

    def plugged(self):
        """The device knows its bus and its place now."""

    def reset(self):
        """RST#: the header as at power-on; no region is decoded any more."""
        super().reset()
        self.s.config[:] = self.config_reset
        self.irq.lower()
        self._drive_intx()
        self.update_mappings()


class PCIBus:
    """The devices of one bus, and where their BARs and INTx# pins lead.

    memory_space, io_space: the containers that BARs are mapped into. pirqs: the chip set's four
    interrupt inputs; INTx# of a slot goes to input (x + slot - 1) mod 4, as a PC's board has it, or
    behind a bridge (`swizzle` 0) to (x + slot) mod 4."""

    def __init__(self, memory, memory_space, io_space, pirqs, name="pci.0", swizzle=-1, dma=None):
        self.name = name
        self.swizzle = swizzle
        self.memory = memory
        self.memory_space = memory_space
        self.io_space = io_space
        self.number = 0
        self.subordinate = 0            # the highest number behind it
        self.devices = {}               # devfn -> PCIDevice
        self.bridges = []               # buses behind bridges on this one
        self.pirqs = [IRQOr(pirq) for pirq in pirqs]
        self.dma = dma or BusMasterMemory(memory.address_space_memory)         # what bus masters see

    def map_irq(self, slot, pin):
        """Which of the four inputs pin 1-4 of a slot is wired to."""
        return pin - 1 + slot + self.swizzle & 3

    def register_device(self, device, where=None):
        """Plug a device in at devfn `where`; None: function 0 of the first free slot."""
        if where is None:
            free = (devfn(slot) for slot in range(SLOTS) if not any(d >> 3 == slot for d in self.devices))
            where = next(free, None)
            if where is None:
                raise UserError(f"-device {device.NAME}: all {SLOTS} PCI slots of {self.name} are taken")
        if where in self.devices:
            raise UserError(f"-device {device.NAME}: PCI address {where >> 3:x}.{where & 7} is taken by {self.devices[where].NAME}")
        self.devices[where] = device
        device.bus = self
        device.devfn = where
        device.plugged()
        if device.INTERRUPT_PIN:
            device._intx = self.pirqs[self.map_irq(where >> 3, device.INTERRUPT_PIN)].input()
        return device

    # ---------------------------------------------------------------- configuration cycles
    def find(self, bus, where):
        """The device that a configuration cycle reaches, or None. A bridge passes on what is meant for
        the buses behind it."""
        if bus == self.number:
            return self.devices.get(where)
        for behind in self.bridges:
            if 0 < behind.number <= bus <= behind.subordinate:
                return behind.find(bus, where)
        return None

    def read_config(self, bus, where, offset, size):
        """Nobody answers: all ones (a master abort)."""
        device = self.devices.get(where) if bus == self.number else self.find(bus, where)
        return (1 << 8 * size) - 1 if device is None else device.read_config(offset, size)

    def write_config(self, bus, where, offset, value, size):
        device = self.find(bus, where)
        if device is not None:
            device.write_config(offset, value, size)

    def find_bus(self, name):
        """A bus by name, among this one and those behind it; None: there is none."""
        if name == self.name:
            return self
        return next(filter(None, (behind.find_bus(name) for behind in self.bridges)), None)

    def info_pci(self):
        """Text of `info pci`."""
        return ("".join(describe(device) for _, device in sorted(self.devices.items()))
                + "".join(behind.info_pci() for behind in self.bridges))


class ConfigMechanism1:
    """Ports CF8h (CONFADD) and CFCh-CFFh (CONFDATA) of a host bridge.

    CONFADD, `address` in the bridge's state, takes double words only. Narrower accesses there pass on
    to the bus, where a chip may claim a port among them: `claim`."""

    def __init__(self, bridge, bus):
        self.bridge = bridge
        self.bus = bus
        self.claimed = {}               # offset 0-3 -> (read(), write(value))

    def map(self, system_io):
        index = MemoryRegionOps(self.read_address, self.write_address)
        data = MemoryRegionOps(self.read_data, self.write_data)
        system_io.add_subregion(0xCF8, MemoryRegion.io("pci-conf-idx", 4, index))
        system_io.add_subregion(0xCFC, MemoryRegion.io("pci-conf-data", 4, data))

    def claim(self, port, read, write):
        """A byte register of another chip at port CF8h-CFBh."""
        self.claimed[port - 0xCF8] = (read, write)

    def read_address(self, addr, size):
        if size == 4:
            return self.bridge.s.address
        value = 0
        for k in range(size):
            value |= (self.claimed[addr + k][0]() if addr + k in self.claimed else 0xFF) << 8 * k
        return value

    def write_address(self, addr, value, size):
        if size == 4:
            self.bridge.s.address = value & (CONFIG_ENABLE | 0xFFFFFC)
            return
        for k in range(size):
            if addr + k in self.claimed:
                self.claimed[addr + k][1](value >> 8 * k & 0xFF)

    def read_data(self, addr, size):
        address = self.bridge.s.address
        if not address & CONFIG_ENABLE:
            return (1 << 8 * size) - 1
        return self.bus.read_config(address >> 16 & 0xFF, address >> 8 & 0xFF, address & 0xFC | addr, size)

    def write_data(self, addr, value, size):
        address = self.bridge.s.address
        if address & CONFIG_ENABLE:
            self.bus.write_config(address >> 16 & 0xFF, address >> 8 & 0xFF, address & 0xFC | addr, value, size)
        else:
            log.log(log.LOG_GUEST_ERROR, f"pci: write to port {0xCFC + addr:#x} while CONFADD is not enabled")


def describe(device):
    """A device's lines of `info pci`."""
    name = CLASS_NAMES.get(device.CLASS_CODE >> 8, f"Class {device.CLASS_CODE >> 8:04x}")
    lines = [f"  Bus {device.bus.number:2d}, device {device.devfn >> 3:3d}, function {device.devfn & 7}:",
             f"    {name}: PCI device {device.config_word(VENDOR):04x}:{device.config_word(DEVICE):04x}"]
    if device.HEADER & ~MULTIFUNCTION:
        lines += device.describe_bridge()
    elif device.config_word(SUBSYSTEM_VENDOR):
        lines.append(f"      PCI subsystem {device.config_word(SUBSYSTEM_VENDOR):04x}:{device.config_word(SUBSYSTEM):04x}")
    if device.INTERRUPT_PIN:
        lines.append(f"      IRQ {device.s.config[INTERRUPT_LINE]}, pin {chr(ord('A') + device.INTERRUPT_PIN - 1)}")
    for number, bar in sorted(device.regions.items()):
        base = (1 << 64) - 1 if bar.address is None else bar.address
        end = base + bar.size - 1 & (1 << 64) - 1
        if bar.kind & BAR_IO:
            lines.append(f"      BAR{number}: I/O at 0x{base:04x} [0x{end:04x}].")
        else:
            lines.append(f"      BAR{number}: {64 if bar.kind & BAR_64 else 32} bit "
                         f"{'prefetchable ' if bar.kind & BAR_PREFETCH else ''}memory at 0x{base:08x} [0x{end:08x}].")
    lines.append('      id ""')
    return "\n".join(lines) + "\n"
