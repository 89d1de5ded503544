"""The DSDT of a PC: PCI root with its interrupt links, the chips on the ISA bus, suspend to RAM, soft off.

Interrupts of PCI slots lead to four links, LNKA-LNKD, which are the PIIX3's PIRQRC registers (82371SB
datasheet, section 3.1.10); LNKS is the power management's, wired to IRQ 9.
"""
from qemu_py.devices.isa_parallel import ISAParallel
from qemu_py.devices.isa_serial import ISASerial
from qemu_py.machine import aml
from qemu_py.machine.aml import (
    ARG0, LOCAL0, PCI_CONFIG, ZERO, create_dword_field, device, eisa_id, else_, field, if_, integer, interrupt,
    io, irq, method, name, or_, package, resources, return_, scope, store)

LINK_IRQS = (5, 10, 11)
LINKS = "ABCD"
SCI = 9
PIRQRC, PIRQ_OFF = 0x60, 0x80
PRESENT_DISABLED, PRESENT_ENABLED, HIDDEN = 0x09, 0x0B, 0x0B
SOFT_OFF, TO_RAM = 0, 1
PCI_MEMORY_END = 0xFEBFFFFF
CHIPSET_SLOT = 1
SLOTS = 32


def build(machine):
    """The AML behind the table's header."""
    return b"".join((
        scope("\\_PR", *(aml.processor(f"CP{n:02X}", n) for n in range(len(machine.cpus)))),
        name("\\_S3", package(TO_RAM, TO_RAM, ZERO, ZERO)) if machine.can_suspend else b"",
        name("\\_S4", package(SOFT_OFF, SOFT_OFF, ZERO, ZERO)),        # suspend to disk is soft off, of the PIIX4 too
        name("\\_S5", package(SOFT_OFF, SOFT_OFF, ZERO, ZERO)),
        scope("\\_SB", pci_root(machine), *links(), *timer(machine))))


def pci_root(machine):
    windows = resources(
        aml.word_bus_number(0, 255), io(0xCF8, 8), aml.word_io(0, 0xCF7), aml.word_io(0xD00, 0xFFFF),
        aml.dword_memory(0xA0000, 0xBFFFF, cacheable=True), aml.dword_memory(machine.ram_below_4g, PCI_MEMORY_END))
    return device(
        "PCI0", name("_HID", eisa_id("PNP0A03")), name("_ADR", 0), name("_UID", 0), name("_CRS", windows),
        name("_PRT", routing()), isa_bridge(machine))


def routing():
    """For each slot and pin: its link. On this board INTx# of a slot is PIRQ (x + slot - 1) mod 4; the power
    management's function in the chip set's slot has the SCI."""
    entries = []
    for slot in range(SLOTS):
        for pin in range(4):
            link = "LNKS" if slot == CHIPSET_SLOT and pin == 0 else "LNK" + LINKS[slot - 1 + pin & 3]
            entries.append(package(slot << 16 | 0xFFFF, pin, f"\\_SB.{link}", ZERO))
    return package(*entries)


def isa_bridge(machine):
    return device(
        "ISA_", name("_ADR", CHIPSET_SLOT << 16),
        aml.operation_region("P40C", PCI_CONFIG, PIRQRC, 4),
        field("P40C", aml.BYTE_ACC, *((f"PRQ{letter}", 8) for letter in LINKS)),
        *isa_devices(machine))


# ---------------------------------------------------------------- interrupt links
def links():
    for n, letter in enumerate(LINKS):
        yield link(n, letter)
    fixed = resources(interrupt(SCI))
    yield device("LNKS", name("_HID", eisa_id("PNP0C0F")), name("_UID", len(LINKS)), name("_PRS", fixed),
                 name("_CRS", fixed), name("_STA", PRESENT_ENABLED), method("_DIS", 0), method("_SRS", 1))


def link(n, letter):
    register = f"\\_SB.PCI0.ISA_.PRQ{letter}"
    return device(
        f"LNK{letter}", name("_HID", eisa_id("PNP0C0F")), name("_UID", n),
        name("_PRS", resources(interrupt(*LINK_IRQS))),
        method("_STA", 0,
               if_(aml.and_(register, PIRQ_OFF), return_(PRESENT_DISABLED)),
               return_(PRESENT_ENABLED)),
        method("_DIS", 0, or_(register, PIRQ_OFF, register)),
        method("_CRS", 0,
               name("BUFF", resources(interrupt(0))),
               create_dword_field("BUFF", 5, "IRQV"),
               store(register, LOCAL0),
               if_(aml.less(LOCAL0, PIRQ_OFF), store(LOCAL0, "IRQV")),
               else_(store(ZERO, "IRQV")),
               return_("BUFF"), serialized=True),
        method("_SRS", 1,
               create_dword_field(ARG0, 5, "IRQW"),
               store("IRQW", register), serialized=True))


# ---------------------------------------------------------------- ISA
def isa_device(path, hid, *descriptors, uid=None):
    extra = () if uid is None else (name("_UID", uid),)
    return device(path, name("_HID", eisa_id(hid)), *extra, name("_STA", integer(0x0F)),
                  name("_CRS", resources(*descriptors)))


def isa_devices(machine):
    """What the board has, by the attributes that the wiring leaves on the machine."""
    if getattr(machine, "rtc", None) is not None:
        yield isa_device("RTC_", "PNP0B00", io(0x70, 2), irq(8))
    if getattr(machine, "i8042", None) is not None:
        yield isa_device("KBD_", "PNP0303", io(0x60, 1), io(0x64, 1), irq(1))
        yield isa_device("MOU_", "PNP0F13", irq(12))
    if getattr(machine, "fdc", None) is not None:
        yield isa_device("FDC0", "PNP0700", io(0x3F2, 4), io(0x3F7, 1), irq(6), aml.dma(2))
    for port, base, count in machine.isa.places():
        if isinstance(port, ISAParallel) and port.index == 0:
            yield isa_device("LPT1", "PNP0400", io(base, count), irq(port.irq))
        elif isinstance(port, ISASerial) and port.index < 9:
            yield isa_device(f"COM{port.index + 1}", "PNP0501", io(base, count), irq(port.irq), uid=port.index + 1)
    yield device("FWCF", name("_HID", aml.string("QEMU0002")), name("_STA", integer(HIDDEN)),
                 name("_CRS", resources(io(0x510, 12))))


def timer(machine):
    if getattr(machine, "hpet", None) is not None:
        yield device("HPET", name("_HID", eisa_id("PNP0103")), name("_UID", 0), name("_STA", integer(0x0F)),
                     name("_CRS", resources(aml.memory32_fixed(0xFED00000, 0x400))))
