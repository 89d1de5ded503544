"""ACPI tables of a PC (ACPI 2.0 specification, chapter 5), and the way by which firmware places them.

build(machine) gives Tables: one blob with FACS, DSDT, FADT, MADT, HPET and RSDT, the RSDP, and a list
of linker commands, as SeaBIOS (and OVMF) take them in etc/acpi/tables, etc/acpi/rsdp and
etc/table-loader: load a file, add a file's address to a pointer, compute a checksum.

Not described: sleeping states but S3 to S5, hot plug, processor power states, a second PCI root.
"""
import struct

from qemu_py.machine import dsdt
from qemu_py.util.dataclass import dataclass, field

TABLES_FILE, RSDP_FILE, LOADER_FILE = "etc/acpi/tables", "etc/acpi/rsdp", "etc/table-loader"
ALLOCATE, ADD_POINTER, ADD_CHECKSUM = 1, 2, 3
ZONE_HIGH, ZONE_FSEG = 1, 2
COMMAND_SIZE = 128
OEM_ID, OEM_TABLE_ID, CREATOR_ID = b"QEMUPY", b"QEMUPYPC", b"QPY "
HEADER_SIZE, CHECKSUM_OFFSET = 36, 9
FACS_SIZE = 64

# The FADT
SCI, SMI_COMMAND, ACPI_ENABLE, ACPI_DISABLE = 9, 0xB2, 0xF1, 0xF0
PM1_EVENTS, PM1_CONTROL, PM_TIMER = 0, 4, 8             # offsets in the PIIX4's block
GPE0, GPE0_SIZE = 0xAFE0, 4
RESET_PORT, RESET_VALUE = 0xCF9, 0x06
WBINVD, PROC_C1, SLEEP_BUTTON, RESET_REG_SUP = 1 << 0, 1 << 2, 1 << 5, 1 << 10
LEGACY_DEVICES, HAS_8042 = 1, 2
NO_C2, NO_C3 = 0xFFF, 0xFFF
CENTURY = 0x32
PM_BASE = 0x600                         # where our own start-up puts the PIIX4's block
PMBA = 0x40

LAPIC_ADDRESS, IOAPIC_ADDRESS, HPET_ADDRESS = 0xFEE00000, 0xFEC00000, 0xFED00000
HPET_ID = 0x8086A201                    # revision 1, three comparators of 64 bits, legacy routing
PCAT_COMPAT = 1
IOAPIC_ID = 0
ACTIVE_HIGH_LEVEL = 0x000D
PCI_IRQS = (5, 9, 10, 11)


@dataclass
class Tables:
    """The two files, and the commands that link them."""
    tables: bytearray = field(default_factory=bytearray)
    rsdp: bytearray = field(default_factory=bytearray)
    commands: list = field(default_factory=list)        # (ALLOCATE, file, align, zone) and so on

    def add(self, signature, revision, body):
        """Append a table; its offset. The checksum is the linker's to compute."""
        offset = len(self.tables)
        length = HEADER_SIZE + len(body)
        self.tables += struct.pack("<4sIBB6s8sI4sI", signature, length, revision, 0, OEM_ID, OEM_TABLE_ID, 1,
                                   CREATOR_ID, 1) + body
        self.tables += bytes(-len(self.tables) % 8)
        self.commands.append((ADD_CHECKSUM, TABLES_FILE, offset + CHECKSUM_OFFSET, offset, length))
        return offset

    def pointer(self, offset):
        """The four bytes at `offset` hold an offset, and are to become an address."""
        self.commands.append((ADD_POINTER, TABLES_FILE, TABLES_FILE, offset, 4))

    def loader(self):
        """The contents of etc/table-loader. Pointers first: checksums cover them."""
        def file(text):
            return text.encode().ljust(56, b"\0")
        out = b""
        for kind, *args in sorted(self.commands, key=lambda command: command[0]):
            if kind == ALLOCATE:
                entry = struct.pack("<I56sIB", kind, file(args[0]), *args[1:])
            elif kind == ADD_POINTER:
                entry = struct.pack("<I56s56sIB", kind, file(args[0]), file(args[1]), *args[2:])
            else:
                entry = struct.pack("<I56sIII", kind, file(args[0]), *args[1:])
            out += entry.ljust(COMMAND_SIZE, b"\0")
        return out

    def link(self, addresses):
        """Carry out the commands for files that lie at {file: address}; {file: bytes}."""
        files = {TABLES_FILE: bytearray(self.tables), RSDP_FILE: bytearray(self.rsdp)}
        for kind, *args in sorted(self.commands, key=lambda command: command[0]):
            if kind == ADD_POINTER:
                target, source, offset, size = args
                value = int.from_bytes(files[target][offset:offset + size], "little") + addresses[source]
                files[target][offset:offset + size] = value.to_bytes(size, "little")
            elif kind == ADD_CHECKSUM:
                name, at, start, length = args
                files[name][at] = 0
                files[name][at] = -sum(files[name][start:start + length]) & 0xFF
        return {name: bytes(data) for name, data in files.items()}


def build(machine):
    """The tables of a machine with PCI and power management as it is now."""
    t = Tables()
    t.commands += [(ALLOCATE, TABLES_FILE, 64, ZONE_HIGH), (ALLOCATE, RSDP_FILE, 16, ZONE_FSEG)]
    facs = len(t.tables)
    t.tables += struct.pack("<4sI", b"FACS", FACS_SIZE).ljust(FACS_SIZE, b"\0")
    dsdt_at = t.add(b"DSDT", 1, dsdt.build(machine))
    tables = [fadt(t, machine, facs, dsdt_at)]
    if getattr(machine, "ioapic", None) is not None:
        tables.append(t.add(b"APIC", 1, madt(machine)))
    if getattr(machine, "hpet", None) is not None:
        tables.append(t.add(b"HPET", 1, hpet()))
    rsdt = t.add(b"RSDT", 1, struct.pack(f"<{len(tables)}I", *tables))
    for n in range(len(tables)):
        t.pointer(rsdt + HEADER_SIZE + 4 * n)
    t.rsdp += struct.pack("<8sB6sBI", b"RSD PTR ", 0, OEM_ID, 0, rsdt)
    t.commands.append((ADD_POINTER, RSDP_FILE, TABLES_FILE, 16, 4))
    t.commands.append((ADD_CHECKSUM, RSDP_FILE, 8, 0, 20))
    return t


def pm_base(machine):
    """Where the firmware has put the PIIX4's block."""
    return machine.pm.config_word(PMBA) & 0xFFC0 or PM_BASE


def generic_address(port, bits):
    """Section 5.2.3.1, of an I/O port; none if it is 0."""
    return struct.pack("<BBBBQ", 1 if port else 0, bits if port else 0, 0, 0, port)


def fadt(t, machine, facs, dsdt_at):
    """Revision 3, with the reset register."""
    pm = pm_base(machine)
    body = struct.pack("<II", facs, dsdt_at)
    body += struct.pack("<BBHIBBBB", 0, 0, SCI, SMI_COMMAND, ACPI_ENABLE, ACPI_DISABLE, 0, 0)
    body += struct.pack("<8I", pm + PM1_EVENTS, 0, pm + PM1_CONTROL, 0, 0, pm + PM_TIMER, GPE0, 0)
    body += struct.pack("<8B", 4, 2, 0, 4, GPE0_SIZE, 0, 0, 0)
    body += struct.pack("<HHHHBBBBBHB", NO_C2, NO_C3, 0, 0, 0, 0, 0, 0, CENTURY, LEGACY_DEVICES | HAS_8042, 0)
    body += struct.pack("<I", WBINVD | PROC_C1 | SLEEP_BUTTON | RESET_REG_SUP)
    body += generic_address(RESET_PORT, 8) + bytes((RESET_VALUE, 0, 0, 0))
    body += struct.pack("<QQ", 0, 0)    # the 32-bit addresses of FACS and DSDT stand
    body += generic_address(pm + PM1_EVENTS, 32) + generic_address(0, 0)
    body += generic_address(pm + PM1_CONTROL, 16) + generic_address(0, 0) + generic_address(0, 0)
    body += generic_address(pm + PM_TIMER, 32) + generic_address(GPE0, 8 * GPE0_SIZE) + generic_address(0, 0)
    offset = t.add(b"FACP", 3, body)
    assert len(body) == 244 - HEADER_SIZE
    t.pointer(offset + 36)
    t.pointer(offset + 40)
    return offset


def madt(machine):
    """Processors, the I/O APIC, and which ISA interrupts arrive there in another way than the bus's."""
    body = struct.pack("<II", LAPIC_ADDRESS, PCAT_COMPAT)
    for n in range(len(machine.cpus)):
        body += struct.pack("<BBBBI", 0, 8, n, n, 1)
    body += struct.pack("<BBBBII", 1, 12, IOAPIC_ID, 0, IOAPIC_ADDRESS, 0)
    body += struct.pack("<BBBBIH", 2, 10, 0, 0, 2, 0)           # the timer is at input 2
    for irq in PCI_IRQS:
        body += struct.pack("<BBBBIH", 2, 10, 0, irq, irq, ACTIVE_HIGH_LEVEL)
    body += struct.pack("<BBBHB", 4, 6, 0xFF, 0, 1)             # NMI at every processor's LINT1
    return body


def hpet():
    return struct.pack("<IBBBBQBHB", HPET_ID, 0, 0, 0, 0, HPET_ADDRESS, 0, 100, 0)

