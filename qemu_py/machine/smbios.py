"""SMBIOS 2.8 structures of a PC (DMTF DSP0134 2.8.0), as firmware takes them from fw_cfg.

The entry point's table address is 0: whoever places the structures fills it in (fill_in below, or SeaBIOS).

Not described: baseboard, caches, ports and slots; memory is one array of modules of at most 16 GiB.
"""
import struct

from qemu_py.util.version import __version__

ANCHOR_FILE, TABLES_FILE = "etc/smbios/smbios-anchor", "etc/smbios/smbios-tables"
MAJOR, MINOR, BCD = 2, 8, 0x28
ANCHOR_SIZE, INTERMEDIATE = 31, 16
VENDOR = "qemu_py"
MODULE_MAX = 16 << 30
UNKNOWN_HANDLE, NO_ERROR_INFORMATION = 0xFFFF, 0xFFFE
KIB = 1 << 10
BIOS_HANDLE, SYSTEM_HANDLE, CHASSIS_HANDLE, CPU_HANDLE = 0x000, 0x100, 0x300, 0x400
ARRAY_HANDLE, MODULE_HANDLE, MAPPED_HANDLE, BOOT_HANDLE, END_HANDLE = 0x1000, 0x1100, 0x1300, 0x2000, 0x7F00
OTHER, UNKNOWN = 1, 2


def structure(kind, handle, body, *strings):
    """A structure: header, formatted part, its strings, which end with an empty one (section 6.1)."""
    text = b"".join(each.encode() + b"\0" for each in strings) or b"\0"
    return struct.pack("<BBH", kind, 4 + len(body), handle) + body + text + b"\0"


def bios_information():
    """Type 0: start segment E800h; PCI, upgradeable, boot from CD, EDD; ACPI, a virtual machine."""
    characteristics = 1 << 7 | 1 << 11 | 1 << 15 | 1 << 16 | 1 << 19
    body = struct.pack("<BBHBBQBBBBBB", 1, 2, 0xE800, 3, 0, characteristics, 0x01, 0x14, 0, 0, 0xFF, 0xFF)
    return structure(0, BIOS_HANDLE, body, VENDOR, __version__, "01/01/2026")


def system_information(machine):
    """Type 1; woken by the power switch."""
    uuid = getattr(machine.config, "uuid", None) or bytes(16)
    # The first three fields of a UUID are little-endian here.
    uuid = uuid[3::-1] + uuid[5:3:-1] + uuid[7:5:-1] + uuid[8:]
    body = struct.pack("<BBBB16sBBB", 1, 2, 3, 0, uuid, 6, 0, 0)
    return structure(1, SYSTEM_HANDLE, body, VENDOR, machine.board.desc, machine.board.name)


def chassis():
    """Type 3: of an unstated kind, everything safe."""
    body = struct.pack("<BBBBBBBBBIBBBBB", 1, OTHER, 0, 0, 0, 3, 3, 3, UNKNOWN, 0, 0, 0, 0, 0, 0)
    return structure(3, CHASSIS_HANDLE, body, VENDOR)


def processor(n):
    """Type 4: one core in a socket."""
    body = struct.pack("<BBBBQBBHHHBB", 1, 3, OTHER, 2, 0, 0, 0, 0, 2000, 2000, 0x41, OTHER)
    body += struct.pack("<HHHBBBBBBHH", UNKNOWN_HANDLE, UNKNOWN_HANDLE, UNKNOWN_HANDLE, 0, 0, 0, 1, 1, 1, UNKNOWN, OTHER)
    return structure(4, CPU_HANDLE + n, body, f"CPU {n}", VENDOR)


def memory(size):
    """Types 16, 17 and 19: the array, its modules, and the addresses; sizes in KiB and MiB with their extensions."""
    modules = max(1, -(-size // MODULE_MAX))
    kib = size // KIB
    small = kib < 1 << 31
    body = struct.pack("<BBBIHHQ", OTHER, 3, 6, kib if small else 1 << 31, NO_ERROR_INFORMATION, modules,
                       0 if small else size)
    out = structure(16, ARRAY_HANDLE, body)
    left = size
    for n in range(modules):
        part = min(left, MODULE_MAX)
        left -= part
        mib = part >> 20
        short, extended = (mib, 0) if mib < 0x7FFF else (0x7FFF, mib)
        body = struct.pack("<HHHHHBBBBBHHBBBBBIHHHH", ARRAY_HANDLE, NO_ERROR_INFORMATION, 64, 64, short, 9, 0, 1, 0,
                           7, 1 << 1, 0, 2, 0, 0, 0, 0, extended, 0, 0, 0, 0)
        out += structure(17, MODULE_HANDLE + n, body, f"DIMM {n}", VENDOR)
    return out


def mapped_address(n, start, size):
    """Type 19: a range of addresses that the array serves."""
    first, last = start // KIB, (start + size - 1) // KIB
    if last < 0xFFFFFFFF:
        body = struct.pack("<IIHBQQ", first, last, ARRAY_HANDLE, 1, 0, 0)
    else:
        body = struct.pack("<IIHBQQ", 0xFFFFFFFF, 0xFFFFFFFF, ARRAY_HANDLE, 1, start, start + size - 1)
    return structure(19, MAPPED_HANDLE + n, body)


def build(machine):
    """(anchor, structures)."""
    parts = [bios_information(), system_information(machine), chassis()]
    parts += [processor(n) for n in range(len(machine.cpus))]
    below, above = machine.ram_below_4g, machine.ram_above_4g
    parts += [memory(below + above), mapped_address(0, 0, below)]
    if above:
        parts.append(mapped_address(1, 1 << 32, above))
    parts += [structure(32, BOOT_HANDLE, bytes(7)), structure(127, END_HANDLE, b"")]
    tables = b"".join(parts)
    longest, count = measure(tables)
    return anchor(0, len(tables), longest, count), tables


def walk(tables):
    """(type, handle, formatted part, strings, size) of each structure."""
    at = 0
    while at < len(tables):
        kind, length, handle = struct.unpack_from("<BBH", tables, at)
        end = tables.index(b"\0\0", at + length) + 2
        strings = [text.decode() for text in tables[at + length:end - 2].split(b"\0") if text]
        yield kind, handle, tables[at + 4:at + length], strings, end - at
        at = end


def measure(tables):
    sizes = [size for *_, size in walk(tables)]
    return max(sizes), len(sizes)


def anchor(address, length, longest, count):
    """The entry point of section 5.2.1, with both of its checksums."""
    data = bytearray(struct.pack("<4sBBBBHB5s5sBHIHB", b"_SM_", 0, ANCHOR_SIZE, MAJOR, MINOR, longest, 0, b"",
                                 b"_DMI_", 0, length, address, count, BCD))
    data[21] = -sum(data[INTERMEDIATE:]) & 0xFF
    data[4] = -sum(data) & 0xFF
    return bytes(data)


def fill_in(anchor_bytes, address):
    """The entry point for structures that lie at `address`."""
    longest, = struct.unpack_from("<H", anchor_bytes, 8)
    length, _, count = struct.unpack_from("<HIH", anchor_bytes, 22)
    return anchor(address, length, longest, count)
