"""What a CD-ROM drive answers about itself and its disc, as bytes (SFF-8020i; MMC-3): one data track.

Not modelled: audio tracks, several sessions, EDC and ECC of raw sectors (they are zeros), DVD structures.
"""
import struct

BLOCK = 2048
RAW = 2352
DATA_TRACK = 0x14                       # ADR 1: position; control 4: data, uninterrupted
LEAD_OUT = 0xAA
LEAD_IN_FRAMES = 150                    # LBA 0 is at 00:02:00
CD_MAX_BLOCKS = 80 * 60 * 75 + 4500     # above that it can only be a DVD
PROFILE_CD_ROM, PROFILE_DVD_ROM = 0x0008, 0x0010
NO_DISC_DOOR_CLOSED, DOOR_OPEN, DATA_DISC = 0x70, 0x71, 0x01

SPEED = 706 * 10                        # kB/s: a drive of 40 speeds, nearly

# Mode pages after a reset, and the bits of each that MODE SELECT changes
PAGES = {
    0x01: bytes((0x01, 0x06, 0x00, 0x05, 0, 0, 0, 0)),                          # read error recovery
    0x0E: bytes((0x0E, 0x0E, 0x04, 0, 0, 0, 0, 75, 1, 0xFF, 2, 0xFF, 0, 0, 0, 0)),     # CD audio control
    # Capabilities: reads CD-R, CD-RW, DVD-ROM; modes 2; lock, eject, tray
    0x2A: bytes((0x2A, 0x12, 0x0B, 0x00, 0x70, 0x00, 0x29, 0x00)) + struct.pack(">HHHHBBH", SPEED, 0, 512, SPEED, 0, 0, 0),
}
CHANGEABLE = {
    0x01: bytes((0x01, 0x06, 0xFF, 0xFF, 0, 0, 0, 0)),
    0x0E: bytes((0x0E, 0x0E, 0x06, 0, 0, 0, 0, 0, 0x0F, 0xFF, 0x0F, 0xFF, 0, 0, 0, 0)),
    0x2A: bytes((0x2A, 0x12)) + bytes(18),
}


def msf(lba):
    """(minute, second, frame) of a block's place on the disc."""
    second, frame = divmod(lba + LEAD_IN_FRAMES, 75)
    minute, second = divmod(second, 60)
    return minute & 0xFF, second, frame


def bcd(value):
    return value // 10 % 10 << 4 | value % 10


def toc_address(lba, as_msf):
    return bytes((0, *msf(lba))) if as_msf else struct.pack(">I", lba)


def toc(start, as_msf, blocks):
    """READ TOC format 0; None: there is no such track."""
    if start > 1 and start != LEAD_OUT:
        return None
    body = bytes((1, 1))
    if start <= 1:
        body += bytes((0, DATA_TRACK, 1, 0)) + toc_address(0, as_msf)
    body += bytes((0, DATA_TRACK | 2, LEAD_OUT, 0)) + toc_address(blocks, as_msf)
    return struct.pack(">H", len(body)) + body


def session_info(as_msf):
    """READ TOC format 1: where the last session begins."""
    return bytes((0, 10, 1, 1, 0, DATA_TRACK, 1, 0)) + toc_address(0, as_msf)


def raw_toc(blocks):
    """READ TOC format 2: the lead-in's Q channel; addresses are MSF always."""
    body = bytes((1, 1))
    for point, place in ((0xA0, (1, 0, 0)), (0xA1, (1, 0, 0)), (0xA2, msf(blocks)), (1, msf(0))):
        body += bytes((1, DATA_TRACK, 0, point, 0, 0, 0, 0, *place))
    return struct.pack(">H", len(body)) + body


def raw_sector(lba, data, parts):
    """A sector of mode 1 with the parts that READ CD's byte 9 asks for: 80h sync, 20h header, 10h data, 08h EDC and ECC."""
    out = bytearray()
    if parts & 0x80:
        out += b"\0" + b"\xff" * 10 + b"\0"
    if parts & 0x20:
        out += bytes(map(bcd, msf(lba))) + b"\x01"
    if parts & 0x10:
        out += data
    if parts & 0x08:
        out += bytes(RAW - 16 - BLOCK)
    return out


def raw_length(parts):
    return len(raw_sector(0, bytes(BLOCK), parts))


def profile(blocks):
    """What the disc is; 0: there is none."""
    if not blocks:
        return 0
    return PROFILE_DVD_ROM if blocks > CD_MAX_BLOCKS else PROFILE_CD_ROM


def features(current):
    """GET CONFIGURATION's feature descriptors: [(code, is current, bytes)]."""
    def descriptor(code, version, persistent, active, data=b""):
        flags = version << 2 | (2 if persistent else 0) | (1 if active else 0)
        return code, active, struct.pack(">HBB", code, flags, len(data)) + data
    profiles = b"".join(struct.pack(">HBB", code, 1 if code == current else 0, 0)
                        for code in (PROFILE_DVD_ROM, PROFILE_CD_ROM))
    disc = current != 0
    return [descriptor(0x0000, 0, True, True, profiles),
            descriptor(0x0001, 1, True, True, struct.pack(">IB3x", 2, 1)),      # core: ATAPI
            descriptor(0x0002, 1, True, True, bytes((2, 0, 0, 0))),             # morphing
            descriptor(0x0003, 0, True, True, bytes((0x29, 0, 0, 0))),          # tray, eject, lock
            descriptor(0x0010, 0, False, disc, struct.pack(">IHBB", BLOCK, 16 if current == PROFILE_DVD_ROM else 1, 0, 0)),
            descriptor(0x001E, 1, False, current == PROFILE_CD_ROM, bytes(4)),
            descriptor(0x001F, 0, False, current == PROFILE_DVD_ROM),
            descriptor(0x0105, 0, True, True, bytes(4))]


def configuration(current, kind, first):
    """GET CONFIGURATION: kind 0 all, 1 the current ones, 2 just `first`; from feature `first` on."""
    body = b"".join(data for code, active, data in features(current)
                    if code >= first and (kind != 1 or active) and (kind != 2 or code == first))
    return struct.pack(">IHH", len(body) + 4, 0, current) + body


def disc_information():
    """READ DISC INFORMATION: complete, one session of one track, read-only."""
    return struct.pack(">HBBBBBB26x", 32, 0x0E, 1, 1, 1, 1, 0x20)


def mode_pages(which, control, pages):
    """MODE SENSE's pages; control: 0 current, 1 changeable, 2 default. None: there is no such page."""
    source = {0: pages, 1: CHANGEABLE, 2: PAGES}[control]
    if which == 0x3F:
        return b"".join(source[code] for code in sorted(source))
    return source.get(which)


def changed_page(old, new):
    """A page with what MODE SELECT may change taken from `new`."""
    mask = CHANGEABLE[old[0]]
    return old[:2] + bytes(o & ~m & 0xFF | n & m for o, n, m in zip(old[2:], new[2:], mask[2:]))
