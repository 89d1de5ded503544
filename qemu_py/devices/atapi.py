"""An ATAPI CD-ROM drive (ATA/ATAPI-6, clause 9.8: the PACKET protocol; SFF-8020i, MMC-3: its commands).

cdrom.py has the data that it answers with. The sector count register is the interrupt reason,
LBA mid and high are the byte count of a DRQ data block. A disc is read from the image into guest RAM (DMA) or in
pieces (PIO).

Not modelled: audio play and sub-channels, DVD structures and keys, writing, overlap.
"""
import struct

from qemu_py.devices import cdrom
from qemu_py.devices.ata_disk import set_transfer_mode
from qemu_py.devices.cdrom import BLOCK
from qemu_py.devices.ide import ABRT, BSY, DEV, DRDY, DRQ, DSC, IDEDrive
from qemu_py.devices.identify import identify_packet_device
from qemu_py.system.device import Property, device
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

COD, IO = 0x01, 0x02                    # interrupt reason: command or data, to the host
FEATURE_DMA, FEATURE_OVERLAP = 0x01, 0x02
PACKET_SIZE = 12
PIECE = 32                              # blocks of one request of a PIO transfer

# Sense: key, additional code, qualifier
NO_SENSE = (0, 0, 0)
NOT_READY_NO_MEDIUM, NOT_READY_TRAY_OPEN = (2, 0x3A, 0x01), (2, 0x3A, 0x02)
MEDIUM_ERROR = (3, 0x11, 0x00)
INVALID_COMMAND, OUT_OF_RANGE, INVALID_FIELD = (5, 0x20, 0x00), (5, 0x21, 0x00), (5, 0x24, 0x00)
INVALID_PARAMETER, NOT_SAVED, REMOVAL_PREVENTED = (5, 0x26, 0x00), (5, 0x39, 0x00), (5, 0x53, 0x02)
MEDIUM_CHANGED, WAS_RESET = (6, 0x28, 0x00), (6, 0x29, 0x00)

EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIUM, EVENT_REMOVAL = 0, 1, 2, 3
MEDIA_CLASS = 4


@device("ide-cd", "ATAPI CD-ROM drive")
class ATAPICDROM(IDEDrive):
    """blk: a BlockBackend, with or without a medium."""
    PROPERTIES = {**IDEDrive.PROPERTIES, "model": Property(str, "QEMU_PY DVD-ROM", "model")}
    ACCEPTS_DEVICE_RESET = True
    SIGNATURE = (0x14, 0xEB)
    READY = 0
    COMMANDS = {0xA0: "packet", 0xA1: "identify_packet", 0xEC: "not_a_disk", 0x20: "not_a_disk", 0xEF: "set_features",
                0xE0: "nothing", 0xE1: "nothing", 0xE2: "nothing", 0xE3: "nothing", 0xE5: "check_power_mode",
                0xE6: "sleep", 0xE7: "nothing", 0xEA: "nothing"}
    PACKETS = {0x00: "test_unit_ready", 0x03: "request_sense", 0x12: "inquiry", 0x1B: "start_stop_unit",
               0x1E: "prevent_allow", 0x25: "read_capacity", 0x28: "read_10", 0x2B: "seek", 0x43: "read_toc",
               0x46: "get_configuration", 0x4A: "get_event_status", 0x51: "read_disc_information", 0x55: "mode_select",
               0x5A: "mode_sense", 0xA8: "read_12", 0xB9: "read_cd_msf", 0xBB: "set_cd_speed", 0xBD: "mechanism_status",
               0xBE: "read_cd"}
    DESPITE_ATTENTION = frozenset((0x03, 0x12, 0x46, 0x4A))     # commands that leave a unit attention pending

    @dataclass
    class State(IDEDrive.State):
        packet: bytes = bytes(PACKET_SIZE)
        dma: bool = False               # of the present packet command
        limit: int = 0                  # byte count that the host set
        sense: tuple = NO_SENSE
        attention: tuple = WAS_RESET    # unit attention: told before the next command
        event: int = EVENT_NONE
        locked: bool = False
        block: int = 0
        lba: int = 0                    # of the read: its next block
        left: int = 0
        parts: int = 0x10               # of each sector, see cdrom.raw_sector
        reading: bool = False           # DMA data comes from the disc, not from the buffer
        pages: dict = field(default_factory=lambda: dict(cdrom.PAGES))

    def __init__(self, clock=None, blk=None, **properties):
        super().__init__(clock, blk=blk, **properties)
        self.packet_methods = {code: getattr(self, name) for code, name in self.PACKETS.items()}

    def connect(self, blk):
        super().connect(blk)
        blk.media_changed = self.media_changed
        blk.eject_requested = self.eject_requested

    # ---------------------------------------------------------------- the medium
    @property
    def blocks(self):
        """Of the disc; 0: there is none."""
        return (self.blk.size + BLOCK - 1) // BLOCK if self.blk.inserted else 0

    def media_changed(self):
        """A medium came or went."""
        s = self.s
        if self.blk.inserted:
            s.event, s.attention = EVENT_NEW_MEDIUM, MEDIUM_CHANGED
        else:
            s.event = EVENT_REMOVAL

    def eject_requested(self):
        """Somebody presses the button of a locked drive."""
        self.s.event = EVENT_EJECT_REQUEST

    def reset(self):
        super().reset()
        self.blk.locked = False

    def device_reset(self):
        """DEVICE RESET: no interrupt."""
        selected = self.s.device & DEV
        self.soft_reset()
        self.s.device = selected
        self.channel.update_irq()

    # ---------------------------------------------------------------- ATA commands
    def not_a_disk(self):
        """IDENTIFY DEVICE and READ SECTORS end with ABRT and show what this is."""
        device = self.s.device
        self.set_signature()
        self.s.device = device
        self.abort()

    def identify_packet(self):
        data = identify_packet_device(self)
        self.send(data, len(data), "end_of_data")

    def set_features(self):
        s = self.s
        if s.features == 0x03 and set_transfer_mode(s) or s.features in (0x66, 0xCC, 0x02, 0x82, 0xAA, 0x55, 0x5D, 0xDD):
            self.complete()
        else:
            self.abort()

    def check_power_mode(self):
        self.s.count = 0xFF
        self.complete()

    def sleep(self):
        self.complete()
        self.s.asleep = True

    # ---------------------------------------------------------------- the PACKET protocol
    def packet(self):
        s = self.s
        if s.features & FEATURE_OVERLAP:
            self.abort()
            return
        s.dma = bool(s.features & FEATURE_DMA)
        s.limit = s.mid | s.high << 8
        s.block = s.limit & ~1 or 0xFFFE
        s.buffer, s.pos, s.end, s.out, s.then = bytearray(PACKET_SIZE), 0, PACKET_SIZE, True, "packet_received"
        s.count = COD
        s.status = DRDY | DSC | DRQ

    def next_block(self, interrupt):
        """A DRQ block of a packet command tells its length and direction."""
        super().next_block(False)
        s = self.s
        if s.command == 0xA0:
            length = s.end - s.pos
            s.count = 0 if s.out else IO
            s.mid, s.high = length & 0xFF, length >> 8
        if interrupt:
            self.interrupt()

    def packet_received(self):
        s = self.s
        s.packet = bytes(s.buffer)
        s.status = BSY | DRDY | DSC
        s.reading = False
        code = s.packet[0]
        if s.attention != NO_SENSE and code not in self.DESPITE_ATTENTION:
            sense, s.attention = s.attention, NO_SENSE
            self.check_condition(sense)
            return
        method = self.packet_methods.get(code)
        if method is None:
            log.log(log.LOG_UNIMP, f"atapi: packet command {code:02x} is not implemented")
            self.check_condition(INVALID_COMMAND)
            return
        if code != 0x03:
            s.sense = NO_SENSE
        method(s.packet)

    def good(self):
        s = self.s
        s.buffer, s.pos, s.end = bytearray(), 0, 0
        s.count = IO | COD
        self.complete()

    def check_condition(self, sense):
        s = self.s
        s.sense = sense
        self.abort(sense[0] << 4 | ABRT)
        s.count = IO | COD

    def ready(self):
        """Is there a medium? If not the command has ended."""
        if self.blk.inserted:
            return True
        self.check_condition(NOT_READY_TRAY_OPEN if self.blk.tray_open else NOT_READY_NO_MEDIUM)
        return False

    def reply(self, data, allocation):
        """Answer with as much of the data as the host has room for."""
        s = self.s
        data = bytearray(data[:allocation])
        if not data:
            self.good()
        elif s.dma:
            s.buffer = data
            self.start_dma(len(data), False)
        else:
            self.send(data, s.block, "good")

    def dma_transfer(self, done, views, moved):
        s = self.s
        if s.reading:
            return self.read_disc(done, views, moved)
        at = done
        for view in views:
            if s.dma_write:
                s.buffer[at:at + len(view)] = view
            else:
                view[:] = memoryview(s.buffer)[at:at + len(view)]
            at += len(view)
        moved(0)
        return None

    def dma_end(self):
        s = self.s
        if s.dma_write:
            getattr(self, s.then)()
        else:
            self.good()

    def dma_failed(self, error):
        self.check_condition(MEDIUM_ERROR)

    # ---------------------------------------------------------------- reading the disc
    def read_10(self, packet):
        self.read(*struct.unpack_from(">IxH", packet, 2))

    def read_12(self, packet):
        self.read(*struct.unpack_from(">II", packet, 2))

    def read_cd(self, packet):
        lba = struct.unpack_from(">I", packet, 2)[0]
        self.read_parts(packet, lba, int.from_bytes(packet[6:9], "big"))

    def read_cd_msf(self, packet):
        first, last = ((m * 60 + s) * 75 + f - cdrom.LEAD_IN_FRAMES for m, s, f in (packet[3:6], packet[6:9]))
        if last < first or first < 0:
            self.check_condition(INVALID_FIELD)
        else:
            self.read_parts(packet, first, last - first)

    def read_parts(self, packet, lba, count):
        """READ CD: the parts of each sector that byte 9 names; of data sectors of mode 1 only."""
        kind, parts = packet[1] >> 2 & 7, packet[9]
        if kind not in (0, 2) or parts & 0x06 or packet[10] & 7:
            self.check_condition(INVALID_FIELD)
        elif self.ready():
            if parts & 0xF8:
                self.read(lba, count, parts & 0xB8)
            else:
                self.good()

    def read(self, lba, count, parts=0x10):
        s = self.s
        if not self.ready():
            return
        if lba + count > self.blocks:
            self.check_condition(OUT_OF_RANGE)
            return
        size = cdrom.raw_length(parts)
        if not count or not size:
            self.good()
            return
        s.lba, s.left, s.parts, s.reading = lba, count, parts, True
        if s.dma:
            self.start_dma(count * size, False)
        elif not s.limit:
            self.check_condition(INVALID_FIELD)
        else:
            self.read_piece()

    def read_piece(self):
        """PIO: the next blocks, or the end."""
        s = self.s
        if not s.left:
            self.good()
            return
        count = min(s.left, PIECE)
        data = bytearray(count * cdrom.raw_length(s.parts))

        def done(error):
            self.request = None
            if error:
                self.check_condition(MEDIUM_ERROR)
                return
            s.lba += count
            s.left -= count
            self.send(data, s.block, "read_piece")
        s.status = BSY | DRDY | DSC
        self.request = self.read_disc(0, [data], done)

    def read_disc(self, offset, views, done):
        """Fill views with what lies `offset` bytes behind the beginning of block s.lba."""
        s, blk = self.s, self.blk
        length = sum(map(len, views))
        if s.parts == 0x10:
            start = s.lba * BLOCK + offset
            if start + length <= blk.size:
                return blk.aio_readv(start, views, done)
            first, last, skip = start, min(start + length, blk.size), 0     # the last block is not whole
        else:
            size = cdrom.raw_length(s.parts)
            lba, skip = divmod(offset, size)
            lba += s.lba
            last_lba = lba + (skip + length + size - 1) // size
            first, last = lba * BLOCK, min(last_lba * BLOCK, blk.size)
        data = bytearray(last - first)

        def assemble(error):
            if not error:
                data.extend(bytes(-(first + len(data)) % BLOCK))
                whole = data if s.parts == 0x10 else b"".join(
                    cdrom.raw_sector(lba + k, data[k * BLOCK:(k + 1) * BLOCK], s.parts) for k in range(len(data) // BLOCK))
                at = skip
                for view in views:
                    view[:] = whole[at:at + len(view)]
                    at += len(view)
            done(error)
        return blk.aio_readv(first, [data], assemble)

    # ---------------------------------------------------------------- packet commands
    def test_unit_ready(self, packet):
        if self.ready():
            self.good()

    def request_sense(self, packet):
        s = self.s
        if s.sense == NO_SENSE and s.attention != NO_SENSE:
            s.sense, s.attention = s.attention, NO_SENSE
        key, code, qualifier = s.sense
        s.sense = NO_SENSE
        self.reply(struct.pack(">BxB4xB4xBB4x", 0x70, key, 10, code, qualifier), packet[4])

    def inquiry(self, packet):
        if packet[1] & 1 or packet[2]:
            self.check_condition(INVALID_FIELD)
        else:
            self.reply(struct.pack(">BBBBB3x8s16s4s", 0x05, 0x80, 0x00, 0x21, 31, b"QEMU_PY ", b"DVD-ROM         ", b"0.1 "),
                       packet[4])

    def start_stop_unit(self, packet):
        load_eject, start = packet[4] & 2, packet[4] & 1
        if load_eject and start:
            if self.blk.tray_open:
                self.blk.close_tray()
        elif load_eject:
            if self.s.locked and self.blk.inserted:
                self.check_condition(REMOVAL_PREVENTED)
                return
            if not self.blk.tray_open:
                self.blk.eject()
        self.good()

    def prevent_allow(self, packet):
        self.s.locked = self.blk.locked = bool(packet[4] & 1)
        self.good()

    def read_capacity(self, packet):
        if self.ready():
            self.reply(struct.pack(">II", self.blocks - 1, BLOCK), 8)

    def seek(self, packet):
        if self.ready():
            if struct.unpack_from(">I", packet, 2)[0] < self.blocks:
                self.good()
            else:
                self.check_condition(OUT_OF_RANGE)

    def set_cd_speed(self, packet):
        self.good()

    def read_toc(self, packet):
        """The format is in byte 2 (MMC), or where drives before it have it."""
        if not self.ready():
            return
        as_msf, start = bool(packet[1] & 2), packet[6]
        kind = packet[2] & 0x0F or packet[9] >> 6
        if kind == 0:
            data = cdrom.toc(start, as_msf, self.blocks)
        elif kind == 1:
            data = cdrom.session_info(as_msf)
        elif kind == 2:
            data = cdrom.raw_toc(self.blocks)
        else:
            data = None
        if data is None:
            self.check_condition(INVALID_FIELD)
        else:
            self.reply(data, packet[7] << 8 | packet[8])

    def get_configuration(self, packet):
        kind = packet[1] & 3
        if kind == 3:
            self.check_condition(INVALID_FIELD)
        else:
            self.reply(cdrom.configuration(cdrom.profile(self.blocks), kind, packet[2] << 8 | packet[3]),
                       packet[7] << 8 | packet[8])

    def get_event_status(self, packet):
        s = self.s
        if not packet[1] & 1:           # asynchronous notification is not supported
            self.check_condition(INVALID_FIELD)
            return
        supported = 1 << MEDIA_CLASS
        if packet[4] & supported:
            present = (1 if self.blk.tray_open else 0) | (2 if self.blk.inserted else 0)
            data = struct.pack(">HBBBBxx", 6, MEDIA_CLASS, supported, s.event, present)
            s.event = EVENT_NONE
        else:
            data = struct.pack(">HBB", 2, 0x80, supported)
        self.reply(data, packet[7] << 8 | packet[8])

    def read_disc_information(self, packet):
        if self.ready():
            self.reply(cdrom.disc_information(), packet[7] << 8 | packet[8])

    def mechanism_status(self, packet):
        self.reply(struct.pack(">BB3xBH", 0, 0x10 if self.blk.tray_open else 0, 0, 0), packet[8] << 8 | packet[9])

    def mode_sense(self, packet):
        control = packet[2] >> 6
        if control == 3:
            self.check_condition(NOT_SAVED)
            return
        pages = cdrom.mode_pages(packet[2] & 0x3F, control, self.s.pages)
        if pages is None:
            self.check_condition(INVALID_FIELD)
            return
        medium = (cdrom.DATA_DISC if self.blk.inserted else
                  cdrom.DOOR_OPEN if self.blk.tray_open else cdrom.NO_DISC_DOOR_CLOSED)
        if packet[2] & 0x3F in (0x2A, 0x3F) and control == 0 and self.s.locked:
            at = pages.index(b"\x2a\x12")
            pages = pages[:at + 6] + bytes((pages[at + 6] | 0x02,)) + pages[at + 7:]
        self.reply(struct.pack(">HB5x", len(pages) + 6, medium) + pages, packet[7] << 8 | packet[8])

    def mode_select(self, packet):
        s = self.s
        length = packet[7] << 8 | packet[8]
        if not length:
            self.good()
        elif s.dma:
            s.buffer, s.then = bytearray(length), "mode_selected"
            self.start_dma(length, True)
        else:
            self.receive(length, s.block, "mode_selected", True)

    def mode_selected(self):
        """The parameter list: a header of 8 bytes, then pages; nothing is changed if any is wrong."""
        s = self.s
        data, pages = bytes(s.buffer[8:]), dict(s.pages)
        while data:
            code, length = data[0] & 0x3F, (data[1] + 2 if len(data) > 1 else 0)
            if code not in pages or length != len(pages[code]) or len(data) < length:
                self.check_condition(INVALID_PARAMETER)
                return
            pages[code] = cdrom.changed_page(pages[code], data[:length])
            data = data[length:]
        s.pages = pages
        self.good()
