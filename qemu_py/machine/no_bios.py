"""What a BIOS does to PCI, and the tables that it leaves, for kernels that start without one.

Only bus 0: operating systems set up what is behind a bridge themselves. The tables lie in the ROM that
stands in for a BIOS: RSDP and SMBIOS entry point where section 5.2.5.1 of ACPI and section 5.2 of SMBIOS
have them looked for, in the segment F000h.
"""
from qemu_py.devices import pci
from qemu_py.devices.pci import BAR_64, BAR_IO
from qemu_py.machine import acpi, smbios

IO_BASE, MEMORY_BASE = 0xC000, 0xE0000000
PIRQ_IRQS = (10, 10, 11, 11)
PIRQRC, ELCR2 = 0x60, 0x4D1
INTEL, PIIX3_ISA, PIIX3_IDE, PIIX4_PM = 0x8086, 0x7000, 0x7010, 0x7113
IDETIM, IDE_DECODE = 0x40, 0x8000
PMBA, PMREGMISC, SMBBA, SMBHSTCFG = 0x40, 0x80, 0x90, 0xD2
SMB_BASE = 0x700

F_SEGMENT = 0xF0000
RSDP, ANCHOR, FIRST_TABLE, TABLES_END = 0x0000, 0x0020, 0x0040, 0xE000


# ---------------------------------------------------------------- tables
def tables_init(machine):
    """Put SMBIOS structures and, with power management, ACPI tables into the stand-in ROM."""
    rom = machine.rom_memory.find("pc.bios").bytes_view
    at = FIRST_TABLE
    if machine.pm is not None:
        tables = acpi.build(machine)
        files = tables.link({acpi.TABLES_FILE: F_SEGMENT + at, acpi.RSDP_FILE: F_SEGMENT + RSDP})
        put(rom, RSDP, files[acpi.RSDP_FILE])
        at = put(rom, at, files[acpi.TABLES_FILE])
    anchor, structures = smbios.build(machine)
    put(rom, ANCHOR, smbios.fill_in(anchor, F_SEGMENT + at))
    put(rom, at, structures)


def put(rom, at, data):
    """Copy; the next paragraph."""
    assert at + len(data) <= TABLES_END
    rom[at:at + len(data)] = bytes(data)
    return at + len(data) + 15 & -16


# ---------------------------------------------------------------- PCI
def pci_init(machine):
    """Give every BAR of bus 0 an address and every pin an interrupt; switch the PIIX's parts on."""
    bus = machine.pci
    if bus is None:
        return
    devices = [device for _, device in sorted(bus.devices.items())]
    with machine.memory.transaction():
        for device in devices:
            vendor, number = device.config_word(pci.VENDOR), device.config_word(pci.DEVICE)
            if vendor == INTEL and number in CHIPS:
                CHIPS[number](machine, device)
            if device.INTERRUPT_PIN and number != PIIX4_PM:
                irq = PIRQ_IRQS[bus.map_irq(device.devfn >> 3, device.INTERRUPT_PIN)]
                device.write_config(pci.INTERRUPT_LINE, irq, 1)
        assign_bars(devices)


def assign_bars(devices):
    """The largest first, so that alignment leaves no gaps."""
    io, memory = IO_BASE, MEMORY_BASE
    bars = [(bar.size, device, number, bar) for device in devices for number, bar in device.regions.items()]
    for size, device, number, bar in sorted(bars, key=lambda entry: -entry[0]):
        offset = device.bar_offset(number)
        if bar.kind & BAR_IO:
            device.write_config(offset, io, 4)
            io += size
        else:
            memory = memory + size - 1 & -size
            device.write_config(offset, memory, 4)
            if bar.kind & BAR_64:
                device.write_config(offset + 4, 0, 4)
            memory += size
    for device in devices:
        kinds = {bar.kind & BAR_IO for bar in device.regions.values()}
        enable = (pci.COMMAND_IO if BAR_IO in kinds else 0) | (pci.COMMAND_MEMORY if kinds - {BAR_IO} else 0)
        device.write_config(pci.COMMAND, device.command | enable, 2)


def piix3_init(machine, device):
    for n, irq in enumerate(PIRQ_IRQS):
        device.write_config(PIRQRC + n, irq, 1)
    machine.memory.physmap.port_write(ELCR2, sum(1 << irq - 8 for irq in set(PIRQ_IRQS)))


def piix3_ide_init(machine, device):
    for channel in range(2):
        device.write_config(IDETIM + 2 * channel, IDE_DECODE, 2)
    device.write_config(pci.COMMAND, pci.COMMAND_IO, 2)


def piix4_pm_init(machine, device):
    device.write_config(pci.INTERRUPT_LINE, acpi.SCI, 1)
    device.write_config(PMBA, acpi.PM_BASE, 4)
    device.write_config(PMREGMISC, 1, 1)
    device.write_config(SMBBA, SMB_BASE, 4)
    device.write_config(SMBHSTCFG, 0x09, 1)
    device.write_config(pci.COMMAND, pci.COMMAND_IO, 2)


CHIPS = {PIIX3_ISA: piix3_init, PIIX3_IDE: piix3_ide_init, PIIX4_PM: piix4_pm_init}
