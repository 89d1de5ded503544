"""What an ATA disk and an ATAPI drive have in common (ATA/ATAPI-6, T13 1410D): registers, data transfers, reset.

A drive has its own copy of the command block registers; the channel (ide_channel.py) writes those of
both drives and reads those of the selected one. Data goes through `buffer`: a DRQ data block is buffer[pos:end];
when the host has moved it, block_done() makes the next block, or calls the method that `then` names.

Not modelled: overlapped and queued commands, the time that anything takes.
"""
from qemu_py.system.device import Device, Property
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

BSY, DRDY, DSC, DRQ, ERR = 0x80, 0x40, 0x10, 0x08, 0x01 # status
UNC, IDNF, ABRT = 0x40, 0x10, 0x04                                      # error
DIAGNOSTIC_PASSED = 0x01
DEV, LBA = 0x10, 0x40                   # device register
SECTOR = 512


def parse_unit(text):
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return int(text)


class IDEDrive(Device):
    """`channel` is set by the channel that it is attached to; blk: a BlockBackend, at the latest before that.

    COMMANDS: code -> name of the method that executes it."""
    BUS = "ide"
    PROPERTIES = {"drive": Property(str, None, "id of the -drive if=none that it uses"),
                  "unit": Property(parse_unit, None, "0 or 1 (default: the first that is free)"),
                  "serial": Property(str, "QP00001", "serial number"), "model": Property(str, "QEMU_PY", "model")}
    COMMANDS = {}
    ACCEPTS_DEVICE_RESET = False
    SIGNATURE = (0x00, 0x00)            # LBA mid and high after a reset
    READY = DRDY | DSC                  # status after a reset

    @dataclass
    class State:
        VERSION = 1
        features: int = 0
        error: int = DIAGNOSTIC_PASSED
        count: int = 1
        low: int = 1
        mid: int = 0
        high: int = 0
        device: int = 0
        status: int = 0
        # what the registers held before their last write ("high order byte")
        hob_features: int = 0
        hob_count: int = 0
        hob_low: int = 0
        hob_mid: int = 0
        hob_high: int = 0
        interrupt: bool = False         # INTRQ is pending
        command: int = 0
        asleep: bool = False
        power: int = 0xFF               # CHECK POWER MODE: FFh active or idle, 00h standby
        # the transfer
        buffer: bytearray = field(default_factory=bytearray)
        pos: int = 0
        end: int = 0                    # of the present DRQ data block
        block: int = 0                  # bytes of a DRQ data block
        out: bool = False               # the host writes
        then: str = ""
        dma_left: int = 0               # bytes of the DMA transfer still to move
        dma_done: int = 0
        dma_write: bool = False         # from memory to the device
        dma_waits: bool = False         # DMARQ: waits for the bus master
        # what SET FEATURES chose
        mdma: int = 2
        udma: int = None
        write_cache: bool = True
        look_ahead: bool = True

    def __init__(self, clock=None, blk=None, **properties):
        self.blk = None
        self.channel = None
        self.request = None             # in flight
        super().__init__(clock, **properties)
        self.methods = {code: getattr(self, name) for code, name in self.COMMANDS.items()}
        self.set_signature()
        if blk is not None:
            self.connect(blk)

    def connect(self, blk):
        """Use a BlockBackend."""
        self.blk = blk

    def plug(self, bus):
        bus.attach(self)

    # ---------------------------------------------------------------- reset
    def reset(self):
        """Hardware reset."""
        self.cancel()
        super().reset()
        self.set_signature()

    def soft_reset(self):
        """SRST, DEVICE RESET: transfers end; the modes stay (SET FEATURES 66h is their default)."""
        self.cancel()
        s = self.s
        s.buffer, s.pos, s.end, s.then, s.interrupt, s.asleep = bytearray(), 0, 0, "", False, False
        s.dma_left = s.dma_done = 0
        s.dma_waits = False
        self.set_signature()

    def set_signature(self):
        """Registers after a reset or a diagnostic."""
        s = self.s
        s.error, s.count, s.low, s.device = DIAGNOSTIC_PASSED, 1, 1, 0
        s.mid, s.high = self.SIGNATURE
        s.hob_count = s.hob_low = s.hob_mid = s.hob_high = 0
        s.status = self.READY
        s.power = 0xFF

    def cancel(self):
        """What is in flight has no effect any more."""
        request, self.request = self.request, None
        if request is not None:
            self.blk.cancel(request)

    # ---------------------------------------------------------------- commands
    def execute(self, command):
        """The command register is written."""
        s = self.s
        if s.asleep or s.status & BSY:
            return                      # asleep: only a reset is heard
        if s.status & DRQ:
            log.log(log.LOG_GUEST_ERROR, f"ide: command {command:02x} in the middle of {s.command:02x}")
            s.buffer, s.pos, s.end, s.then = bytearray(), 0, 0, ""
        s.command = command
        s.interrupt = False
        s.error = 0
        s.status = DRDY | DSC
        method = self.methods.get(command)
        if method is None:
            log.log(log.LOG_UNIMP, f"ide: command {command:02x} is not implemented by {self.NAME}")
            self.abort()
        else:
            method()
        self.channel.update_irq()

    def interrupt(self):
        self.s.interrupt = True
        self.channel.update_irq()

    def complete(self, status=DRDY | DSC):
        """The command has ended well."""
        self.s.status = status
        self.interrupt()

    def abort(self, error=ABRT):
        s = self.s
        s.error = error
        s.status = DRDY | DSC | ERR
        s.buffer, s.pos, s.end, s.then = bytearray(), 0, 0, ""
        self.interrupt()

    def nothing(self):
        self.complete()

    # ---------------------------------------------------------------- the data register
    def send(self, data, block, then):
        """The host shall read `data` in DRQ blocks; the first one is there. Then: the method called at the end."""
        s = self.s
        s.buffer, s.pos, s.block, s.then, s.out = data, 0, block, then, False
        self.next_block(True)

    def receive(self, length, block, then, interrupt=False):
        """The host shall write `length` bytes in DRQ blocks into the buffer."""
        s = self.s
        s.buffer, s.pos, s.block, s.then, s.out = bytearray(length), 0, block, then, True
        self.next_block(interrupt)

    def next_block(self, interrupt):
        s = self.s
        s.end = min(s.pos + s.block, len(s.buffer))
        s.status = DRDY | DSC | DRQ
        if interrupt:
            s.interrupt = True
            self.channel.update_irq()

    def block_done(self):
        """The host has moved a DRQ data block."""
        s = self.s
        if s.end < len(s.buffer):
            self.next_block(True)
            return
        s.status = DRDY | DSC
        then, s.then = s.then, ""
        getattr(self, then)()

    def end_of_data(self):
        """PIO data-in ends without an interrupt."""
        s = self.s
        s.buffer, s.pos, s.end = bytearray(), 0, 0

    def read_block(self, addr, size, view):
        """The data register is read: whole items into a view."""
        s = self.s
        at, length = 0, len(view)
        while at < length:
            pos = s.pos
            n = min(length - at, s.end - pos)
            if n <= 0 or s.out:
                log.log(log.LOG_GUEST_ERROR, "ide: read of data that is not there")
                view[at:] = b"\xff" * (length - at)
                return
            view[at:at + n] = memoryview(s.buffer)[pos:pos + n]
            at += n
            s.pos = pos + n
            if s.pos == s.end:
                self.block_done()

    def write_block(self, addr, size, view):
        """The data register is written."""
        s = self.s
        at, length = 0, len(view)
        while at < length:
            pos = s.pos
            n = min(length - at, s.end - pos)
            if n <= 0 or not s.out:
                log.log(log.LOG_GUEST_ERROR, "ide: data written that nobody waits for")
                return
            memoryview(s.buffer)[pos:pos + n] = view[at:at + n]        # a slice of the bytearray itself would make a copy first
            at += n
            s.pos = pos + n
            if s.pos == s.end:
                self.block_done()

    def read_data(self, size):
        s = self.s
        pos = s.pos
        if pos + size < s.end and not s.out:    # the way of most accesses
            s.pos = pos + size
            return int.from_bytes(s.buffer[pos:pos + size], "little")
        data = bytearray(size)
        self.read_block(0, size, memoryview(data))
        return int.from_bytes(data, "little")

    def write_data(self, value, size):
        self.write_block(0, size, value.to_bytes(size, "little"))

    # ---------------------------------------------------------------- DMA
    def start_dma(self, length, is_write):
        """Move `length` bytes through the bus master, as soon as that is ready."""
        s = self.s
        s.dma_left, s.dma_done, s.dma_write, s.dma_waits = length, 0, is_write, True
        s.status = BSY | DRDY | DSC
        if self.channel.bus_master is not None:
            self.channel.bus_master.dmarq()

    def dma_run(self, bus_master):
        """The bus master is active: move as much as its table has room for."""
        s = self.s
        segments, length = bus_master.segments(s.dma_left)
        if not length:
            return                      # the table is at its end: until the host gives another
        s.dma_waits = False
        views = bus_master.map(segments)
        # A place that is no RAM is served by way of a buffer.
        bounce = bytearray(length) if views is None else None
        if bounce is not None and s.dma_write:
            bus_master.gather(segments, bounce)

        def moved(error):
            self.request = None
            if not s.dma_write:
                if bounce is None:
                    bus_master.unmap(segments)
                elif not error:
                    bus_master.scatter(segments, bounce)
            bus_master.moved()
            if error:
                s.dma_left = 0
                self.dma_failed(error)
                return
            s.dma_done += length
            s.dma_left -= length
            if s.dma_left:
                s.dma_waits = True
                bus_master.dmarq()
            else:
                self.dma_end()
        buffers = views if bounce is None else [bounce]
        if not s.dma_write and self.dma_cached(s.dma_done, buffers):
            moved(0)
        else:
            self.request = self.dma_transfer(s.dma_done, buffers, moved)

    def dma_cached(self, done, views):
        """Fill the views from what is in the host's memory, at once; False: that is not possible."""
        return False

    def dma_stopped(self):
        """The bus master was stopped in the middle: the drive waits for it to go on."""
        if self.request is not None:
            self.cancel()
            self.s.dma_waits = True
