"""What a PC's BIOS expects in the CMOS RAM (IBM PC/AT Technical Reference; above 30h as SeaBIOS reads it on QEMU).

    10h        diskette types, first drive in the high half      14h      equipment
    12h        disk types (Fh: see 19h, 1Ah), 1Bh-2Ch their geometry
    15h, 16h   KiB of base memory                                17h, 18h and 30h, 31h   KiB above 1 MiB
    34h, 35h   64 KiB units above 16 MiB                         5Bh-5Dh  64 KiB units above 4 GiB
    2Eh, 2Fh   sum of 10h-2Dh                                    5Fh      processors less one
    38h, 3Dh   boot order: 3Dh low half first, its high half second, 38h high half third; 38h bit 0: boot unsigned diskettes
"""
from qemu_py.util.errors import UserError

FLOPPY_TYPE, DISK_TYPE, EQUIPMENT = 0x10, 0x12, 0x14
DISK_EXTENDED_TYPE, DISK_GEOMETRY, GEOMETRY_SIZE = 0x19, 0x1B, 9
USER_TYPE = 47                          # the disk type whose geometry is in the table
CHECKSUM = 0x2E
TRANSLATION, BOOT_LOW, BOOT_HIGH = 0x39, 0x3D, 0x38
NO_SIGNATURE_CHECK = 0x01
EQUIPMENT_FLOPPY, EQUIPMENT_FPU, EQUIPMENT_MOUSE = 0x01, 0x02, 0x04
BOOT_DEVICES = {"a": 1, "b": 1, "c": 2, "d": 3, "n": 4}


def put_word(ram, at, value):
    ram[at], ram[at + 1] = value & 0xFF, value >> 8 & 0xFF


def set_memory_size(ram, below_4g, above_4g=0):
    """Bytes of RAM below and above 4 GiB."""
    put_word(ram, 0x15, 640)
    extended = min(max(below_4g - (1 << 20), 0) >> 10, 0xFFFF)
    put_word(ram, 0x17, extended)
    put_word(ram, 0x30, extended)
    put_word(ram, 0x34, min(max(below_4g - (16 << 20), 0) >> 16, 0xFFFF))
    units = above_4g >> 16
    put_word(ram, 0x5B, units)
    ram[0x5D] = units >> 16 & 0xFF


def set_processors(ram, count):
    ram[0x5F] = count - 1


def set_floppies(ram, types):
    """The drives' types, 0 for none; and the equipment byte, which also says FPU and mouse."""
    first, second = (list(types) + [0, 0])[:2]
    ram[FLOPPY_TYPE] = first << 4 | second
    ram[EQUIPMENT] = EQUIPMENT_FPU | EQUIPMENT_MOUSE
    if first or second:
        ram[EQUIPMENT] |= EQUIPMENT_FLOPPY | (0x40 if first and second else 0)


def set_hard_disk(ram, n, cylinders, heads, sectors):
    """Disk 0 or 1 with the geometry of the IDENTIFY command."""
    ram[DISK_TYPE] |= 0x0F if n else 0xF0
    ram[DISK_EXTENDED_TYPE + n] = USER_TYPE
    at = DISK_GEOMETRY + GEOMETRY_SIZE * n
    put_word(ram, at, cylinders)
    ram[at + 2] = heads
    put_word(ram, at + 3, 0xFFFF)                       # write precompensation: none
    ram[at + 5] = 0xC0 | (0x08 if heads > 8 else 0)     # control byte
    put_word(ram, at + 6, cylinders)                    # landing zone
    ram[at + 8] = sectors


def set_translation(ram, modes):
    """BIOS translation of four disks, two bits each: 0 none, 1 LBA, 2 large."""
    ram[TRANSLATION] = sum(mode << 2 * n for n, mode in enumerate(modes))


def set_boot_order(ram, order, signature_check=True):
    """Letters of -boot: a, b diskette, c disk, d CD-ROM, n network; three are heeded."""
    codes = boot_codes(order)
    ram[BOOT_LOW] = codes[1] << 4 | codes[0]
    ram[BOOT_HIGH] = codes[2] << 4 | (0 if signature_check else NO_SIGNATURE_CHECK)


def boot_codes(order):
    for letter in order:
        if letter not in BOOT_DEVICES:
            raise UserError(f"-boot {order}: '{letter}' is no boot device (a, b: diskette, c: disk, d: CD-ROM, n: network)")
        if order.count(letter) > 1:
            raise UserError(f"-boot {order}: '{letter}' is given twice")
    return ([BOOT_DEVICES[letter] for letter in order] + [0, 0, 0])[:3]


def set_checksum(ram):
    """The AT's check sum of the configuration."""
    total = sum(ram[0x10:0x2E])
    ram[CHECKSUM], ram[CHECKSUM + 1] = total >> 8 & 0xFF, total & 0xFF
