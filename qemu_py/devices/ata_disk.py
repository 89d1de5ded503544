"""An ATA hard disk (ATA/ATAPI-6, T13 1410D): PIO and DMA, CHS, LBA28 and LBA48, the block command set.

Transfers by PIO go to the image in pieces of up to PIECE sectors, by DMA whole, straight from and to
guest RAM. A read-only image refuses writes with ABRT.

Not modelled: security, host protected area, queued commands, APM and AAM, media card pass through, logs
(their commands are aborted, their bits in IDENTIFY DEVICE are 0); SMART has no attributes and no self-test.
"""
from qemu_py.devices import identify
from qemu_py.devices.ide import BSY, DRDY, DSC, IDNF, LBA, SECTOR, UNC, IDEDrive
from qemu_py.system.device import Property, device
from qemu_py.util.dataclass import dataclass
from qemu_py.util.errors import UserError

MAX_SECTORS = 1 << 48                   # of LBA48
PIECE = 256                             # sectors of one request of a PIO transfer
SMART_KEY = (0x4F, 0xC2)
STANDBY, ACTIVE = 0x00, 0xFF


@device("ide-hd", "ATA hard disk")
class ATADisk(IDEDrive):
    """blk: a BlockBackend with a medium."""
    PROPERTIES = {**IDEDrive.PROPERTIES, "model": Property(str, "QEMU_PY HARDDISK", "model")}
    ACCEPTS_DEVICE_RESET = False
    COMMANDS = {
        0x20: "read_sectors", 0x21: "read_sectors", 0x24: "read_sectors", 0x29: "read_multiple", 0xC4: "read_multiple",
        0x30: "write_sectors", 0x31: "write_sectors", 0x34: "write_sectors", 0x39: "write_multiple",
        0xC5: "write_multiple", 0x3C: "write_sectors", 0xCE: "write_multiple",
        0x25: "read_dma", 0xC8: "read_dma", 0xC9: "read_dma", 0x35: "write_dma", 0xCA: "write_dma", 0xCB: "write_dma",
        0x3D: "write_dma", 0x40: "verify", 0x41: "verify", 0x42: "verify",
        **{code: "nothing" for code in range(0x10, 0x20)},      # RECALIBRATE
        **{code: "seek" for code in range(0x70, 0x80)},
        0x91: "initialize_device_parameters", 0xB0: "smart", 0xC6: "set_multiple_mode",
        0xE4: "read_buffer", 0xE8: "write_buffer",
        0x94: "standby", 0xE0: "standby", 0x95: "idle", 0xE1: "idle", 0x96: "standby", 0xE2: "standby",
        0x97: "idle", 0xE3: "idle", 0x98: "check_power_mode", 0xE5: "check_power_mode", 0x99: "sleep", 0xE6: "sleep",
        0xE7: "flush_cache", 0xEA: "flush_cache", 0xEC: "identify", 0xEF: "set_features"}
    EXTENDED = frozenset((0x24, 0x25, 0x29, 0x34, 0x35, 0x39, 0x3D, 0x42, 0xCE))

    @dataclass
    class State(IDEDrive.State):
        heads: int = 0                  # of the translation in use; 0 until the first reset
        sectors: int = 0
        multiple: int = identify.MAX_MULTIPLE   # sectors of a block of READ/WRITE MULTIPLE; 0: not allowed
        smart: bool = True
        lba: int = 0                    # of the transfer: its next sector
        left: int = 0                   # sectors still to move
        scratch: bytes = bytes(SECTOR)  # WRITE BUFFER

    def connect(self, blk):
        if blk.nb_sectors > MAX_SECTORS:
            raise UserError(f"{blk.name}: the image has {blk.nb_sectors} sectors; an ATA disk has at most {MAX_SECTORS} (128 PiB)")
        super().connect(blk)
        self.default_translation()

    @property
    def nb_sectors(self):
        return self.blk.nb_sectors

    @property
    def geometry(self):
        """(cylinders, heads, sectors) as a BIOS sees the disk."""
        return identify.default_geometry(self.nb_sectors)

    def default_translation(self):
        _, self.s.heads, self.s.sectors = self.geometry

    def current_cylinders(self):
        return min(self.nb_sectors // (self.s.heads * self.s.sectors), 0xFFFF)

    def reset(self):
        super().reset()
        self.default_translation()

    # ---------------------------------------------------------------- addresses
    def address(self):
        """(first sector, count) of a command; None: beyond the end, or no such place: IDNF."""
        s = self.s
        if s.command in self.EXTENDED:
            count = (s.hob_count << 8 | s.count) or 65536
            lba = s.low | s.mid << 8 | s.high << 16 | s.hob_low << 24 | s.hob_mid << 32 | s.hob_high << 40
        else:
            count = s.count or 256
            if s.device & LBA:
                lba = s.low | s.mid << 8 | s.high << 16 | (s.device & 0x0F) << 24
            else:
                cylinder, head, sector = s.mid | s.high << 8, s.device & 0x0F, s.low
                if not (1 <= sector <= s.sectors and head < s.heads):
                    return None
                lba = (cylinder * s.heads + head) * s.sectors + sector - 1
        return (lba, count) if lba < self.nb_sectors else None

    def put_address(self, lba, left=0):
        """Leave the address of a sector, and the number of those left, in the registers."""
        s = self.s
        s.count = left & 0xFF
        if s.command in self.EXTENDED:
            s.hob_count = left >> 8 & 0xFF
            s.low, s.mid, s.high = lba & 0xFF, lba >> 8 & 0xFF, lba >> 16 & 0xFF
            s.hob_low, s.hob_mid, s.hob_high = lba >> 24 & 0xFF, lba >> 32 & 0xFF, lba >> 40 & 0xFF
        elif s.device & LBA:
            s.low, s.mid, s.high = lba & 0xFF, lba >> 8 & 0xFF, lba >> 16 & 0xFF
            s.device = s.device & 0xF0 | lba >> 24 & 0x0F
        else:
            track, sector = divmod(lba, s.sectors)
            cylinder, head = divmod(track, s.heads)
            s.low, s.mid, s.high = sector + 1, cylinder & 0xFF, cylinder >> 8 & 0xFF
            s.device = s.device & 0xF0 | head

    def begin(self):
        """Decode the address into lba and left; False: the command was ended with IDNF."""
        address = self.address()
        if address is None:
            self.abort(IDNF)
            return False
        self.s.lba, self.s.left = address
        return True

    def within(self, count):
        """As much of the next `count` sectors as the disk has; 0: the transfer runs over its end."""
        return max(min(count, self.nb_sectors - self.s.lba), 0)

    def medium_failed(self, error=UNC):
        """Sector `lba` cannot be read or written."""
        self.put_address(self.s.lba, self.s.left)
        self.abort(error)

    # ---------------------------------------------------------------- PIO
    def read_sectors(self, block=1):
        if self.begin():
            self.s.block = block * SECTOR
            self.read_piece()

    def read_multiple(self):
        if self.s.multiple:
            self.read_sectors(self.s.multiple)
        else:
            self.abort()

    def read_piece(self):
        """Read the next piece from the image, or end."""
        s = self.s
        if not s.left:
            self.put_address(s.lba - 1)
            self.end_of_data()
            return
        count = self.within(min(s.left, PIECE))
        if not count:
            self.medium_failed(IDNF)
            return
        data = bytearray(count * SECTOR)

        def done(error):
            self.request = None
            if error:
                self.medium_failed()
            else:
                s.lba += count
                s.left -= count
                self.send(data, s.block, "read_piece")
        if self.blk.read_cached(s.lba * SECTOR, [data]):
            done(0)
            return
        s.status = BSY | DRDY | DSC
        self.request = self.blk.aio_readv(s.lba * SECTOR, [data], done)

    def write_sectors(self, block=1):
        if self.blk.read_only:
            self.abort()
        elif self.begin():
            self.s.block = block * SECTOR
            self.receive_piece(interrupt=False)

    def write_multiple(self):
        if self.s.multiple:
            self.write_sectors(self.s.multiple)
        else:
            self.abort()

    def receive_piece(self, interrupt):
        s = self.s
        count = self.within(min(s.left, PIECE))
        if count:
            self.receive(count * SECTOR, s.block, "write_piece", interrupt)
        else:
            self.medium_failed(IDNF)

    def write_piece(self):
        """The host has written a piece: to the image with it."""
        s = self.s
        data, count = s.buffer, len(s.buffer) // SECTOR

        def done(error):
            self.request = None
            if error:
                self.medium_failed()
                return
            s.lba += count
            s.left -= count
            if s.left:
                self.receive_piece(interrupt=True)
            else:
                self.end_of_data()
                self.written()
        s.status = BSY | DRDY | DSC
        self.request = self.blk.aio_writev(s.lba * SECTOR, [data], done)

    def written(self):
        """A write command is done, once it is on the disk if there is no write cache."""
        self.put_address(self.s.lba - 1)
        if self.s.write_cache:
            self.complete()
        else:
            self.flush_cache()

    # ---------------------------------------------------------------- DMA
    def read_dma(self):
        self.dma_command(False)

    def write_dma(self):
        if self.blk.read_only:
            self.abort()
        else:
            self.dma_command(True)

    def dma_command(self, is_write):
        if self.channel.bus_master is None:
            self.abort()
        elif self.begin():
            s = self.s
            if self.within(s.left) < s.left:
                self.abort(IDNF)
            else:
                self.start_dma(s.left * SECTOR, is_write)

    def dma_transfer(self, done, views, moved):
        s = self.s
        transfer = self.blk.aio_writev if s.dma_write else self.blk.aio_readv
        return transfer(s.lba * SECTOR + done, views, moved)

    def dma_cached(self, done, views):
        return self.blk.read_cached(self.s.lba * SECTOR + done, views)

    def dma_end(self):
        s = self.s
        s.lba += s.left
        s.left = 0
        if s.dma_write:
            self.written()
        else:
            self.put_address(s.lba - 1)
            self.complete()

    def dma_failed(self, error):
        self.medium_failed()

    # ---------------------------------------------------------------- without data
    def verify(self):
        """Read without a transfer; what can be read is not looked at."""
        if self.begin():
            s = self.s
            count = self.within(s.left)
            s.lba += count
            s.left -= count
            if s.left:
                self.medium_failed(IDNF)
            else:
                self.put_address(s.lba - 1)
                self.complete()

    def seek(self):
        if self.begin():
            self.complete()

    def flush_cache(self):
        s = self.s

        def done(error):
            self.request = None
            if error:
                self.abort()
            else:
                self.complete()
        s.status = BSY | DRDY | DSC
        self.request = self.blk.aio_flush(done)

    def initialize_device_parameters(self):
        """Sectors of a track in the count, the highest head in the device register."""
        s = self.s
        if not s.count:
            self.abort()
            return
        s.sectors, s.heads = s.count, (s.device & 0x0F) + 1
        self.complete()

    def set_multiple_mode(self):
        count = self.s.count
        if count > identify.MAX_MULTIPLE or count & (count - 1):
            self.s.multiple = 0
            self.abort()
        else:
            self.s.multiple = count
            self.complete()

    # ---------------------------------------------------------------- power management
    def standby(self):
        self.s.power = STANDBY
        self.flush_cache()

    def idle(self):
        self.s.power = ACTIVE
        self.complete()

    def check_power_mode(self):
        self.s.count = self.s.power
        self.complete()

    def sleep(self):
        self.complete()
        self.s.asleep = True

    # ---------------------------------------------------------------- identify, features, buffers
    def identify(self):
        self.send(identify.identify_device(self), SECTOR, "end_of_data")

    def set_features(self):
        s = self.s
        if s.features == 0x03:
            self.set_transfer_mode()
        elif s.features in FEATURES:
            for name, value in FEATURES[s.features]:
                setattr(s, name, value)
            # Switching the write cache off writes it out.
            if s.features == 0x82:
                self.flush_cache()
            else:
                self.complete()
        else:
            self.abort()

    def set_transfer_mode(self):
        if set_transfer_mode(self.s):
            self.complete()
        else:
            self.abort()

    def read_buffer(self):
        self.send(bytearray(self.s.scratch), SECTOR, "end_of_data")

    def write_buffer(self):
        self.receive(SECTOR, SECTOR, "buffer_written")

    def buffer_written(self):
        self.s.scratch = bytes(self.s.buffer)
        self.end_of_data()
        self.complete()

    # ---------------------------------------------------------------- SMART
    def smart(self):
        s = self.s
        if (s.mid, s.high) != SMART_KEY:
            self.abort()
        elif s.features == 0xD8:
            s.smart = True
            self.complete()
        elif not s.smart:
            self.abort()
        elif s.features == 0xD9:
            s.smart = False
            self.complete()
        elif s.features in (0xD0, 0xD1):        # data, thresholds: a table of no attributes
            self.send(smart_table(s.features), SECTOR, "end_of_data")
        elif s.features in (0xD2, 0xDA):        # autosave; status: no threshold is exceeded
            self.complete()
        else:
            self.abort()


# SET FEATURES: subcommand -> what it sets
FEATURES = {0x02: (("write_cache", True),), 0x82: (("write_cache", False),),
            0xAA: (("look_ahead", True),), 0x55: (("look_ahead", False),), 0x66: (), 0xCC: ()}


def set_transfer_mode(s):
    """SET FEATURES 03h: the mode in the sector count. False: there is no such mode."""
    kind, mode = s.count >> 3, s.count & 7
    if kind in (0, 1) and mode <= (1 if kind == 0 else 4):
        return True                     # PIO default; PIO with flow control
    if kind == 4 and mode <= 2:
        s.mdma, s.udma = mode, None
        return True
    if kind == 8 and mode <= 5:
        s.mdma, s.udma = None, mode
        return True
    return False


def smart_table(which):
    data = bytearray(SECTOR)
    data[0] = 0x10                      # revision
    if which == 0xD0:
        data[362] = 0x02                # off-line data collection was never started
        data[368] = 0x02                # saves attributes before standby
    data[511] = -sum(data) & 0xFF
    return data
