"""The 512 bytes of IDENTIFY DEVICE and IDENTIFY PACKET DEVICE (ATA/ATAPI-6, 8.15 and 8.16)."""
import struct

MAX_CYLINDERS, HEADS, SECTORS = 16383, 16, 63
MAX_LBA28 = (1 << 28) - 1               # what words 60-61 can say
MAX_MULTIPLE = 16
PIO_CYCLE, PIO_CYCLE_IORDY, MDMA_CYCLE = 120, 120, 120          # ns
FIRMWARE = "0.1"


def default_geometry(nb_sectors):
    """(cylinders, heads, sectors) of the default translation, which word 1, 3 and 6 report."""
    cylinders = min(max(nb_sectors // (HEADS * SECTORS), 1), MAX_CYLINDERS)
    return cylinders, HEADS, SECTORS


def put_string(words, at, text, count):
    """Strings have the first character in the high byte of the first word, and end in spaces."""
    data = text.encode("ascii", "replace")[:2 * count].ljust(2 * count)
    for k in range(count):
        words[at + k] = data[2 * k] << 8 | data[2 * k + 1]


def put_dword(words, at, value):
    words[at], words[at + 1] = value & 0xFFFF, value >> 16 & 0xFFFF


def modes(supported, chosen):
    """Words 63 and 88: the modes in the low byte, the active one in the high byte."""
    return supported | (0 if chosen is None else 1 << 8 + chosen)


def finish(words):
    """The integrity word: signature A5h and a sum of all bytes that is 0."""
    data = bytearray(struct.pack("<256H", *words))
    data[510] = 0xA5
    data[511] = -sum(data[:511]) & 0xFF
    return data


def common(words, drive):
    put_string(words, 10, drive.serial, 10)
    put_string(words, 23, FIRMWARE, 4)
    put_string(words, 27, drive.model, 20)
    words[49] = 0x0F00                  # IORDY, may be disabled; LBA; DMA
    words[53] = 0x0007                  # words 54-58, 64-70 and 88 are valid
    words[63] = modes(0x07, drive.s.mdma)
    words[64] = 0x0003                  # PIO modes 3 and 4
    words[65] = words[66] = MDMA_CYCLE
    words[67], words[68] = PIO_CYCLE, PIO_CYCLE_IORDY
    words[80], words[81] = 0x007E, 0x0019       # ATA-1 to ATA/ATAPI-6; T13 1410D revision 3a
    words[88] = modes(0x3F, drive.s.udma)
    # 80 conductors are detected, and how the device numbers were set
    words[93] = 0x6001 if drive.unit == 0 else 0x4B00


def identify_device(disk):
    """A disk, as it is set up now."""
    words = [0] * 256
    s = disk.s
    total = disk.nb_sectors
    cylinders, heads, sectors = default_geometry(total)
    words[0] = 0x0040                   # not removable
    words[1], words[3], words[6] = cylinders, heads, sectors
    common(words, disk)
    words[47] = 0x8000 | MAX_MULTIPLE
    words[50] = 0x4000
    if s.heads:
        # The translation that INITIALIZE DEVICE PARAMETERS set
        words[54], words[55], words[56] = disk.current_cylinders(), s.heads, s.sectors
        put_dword(words, 57, words[54] * s.heads * s.sectors)
    else:
        words[53] &= ~1
    words[59] = 0x0100 | s.multiple if s.multiple else 0
    put_dword(words, 60, min(total, MAX_LBA28))
    # SMART, power management, write cache, look-ahead, WRITE/READ BUFFER, NOP
    words[82] = 0x7069
    words[83] = 0x7400                  # FLUSH CACHE (EXT), 48-bit addresses
    words[84] = 0x4000
    words[85] = 0x7008 | (0x0001 if s.smart else 0) | (0x0020 if s.write_cache else 0) | (0x0040 if s.look_ahead else 0)
    words[86] = 0x3400
    words[87] = 0x4000
    put_dword(words, 100, total & 0xFFFFFFFF)
    put_dword(words, 102, total >> 32)
    return finish(words)


def identify_packet_device(cd):
    """A CD-ROM drive with packets of 12 bytes and DRQ within 50 us of PACKET."""
    words = [0] * 256
    words[0] = 0x85C0                   # ATAPI, CD-ROM, removable, accelerated DRQ, 12 bytes
    common(words, cd)
    words[82] = 0x4210                  # NOP, DEVICE RESET, packets
    words[83], words[84] = 0x4000, 0x4000
    words[85], words[86], words[87] = 0x4210, 0x0000, 0x4000
    return finish(words)
