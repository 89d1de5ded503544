"""Intel 82078 floppy disk controller (datasheet 290474), as an AT has it: ports 3F0h-3F5h and 3F7h, IRQ 6, DMA channel 2.

A transfer is done as a whole: the sectors come from the image at once and go through DMA in bulk, or
byte by byte through the FIFO in non-DMA mode. Every buffer is bounded: commands by COMMANDS, data by a cylinder.
A seek takes a millisecond. A motor that is off, gap lengths and step rates are of no consequence.

Not modelled: status registers A and B (they exist in PS/2 mode only), SCAN, SAVE and RESTORE, FORMAT AND WRITE
(answered as invalid), sectors of other than 512 bytes, deleted data marks (WRITE DELETED DATA writes
ordinary ones), the drives' FM mode, tape drives, power-down.
"""
from functools import cache

from qemu_py.devices.floppy_drive import SECTOR, DriveState, FloppyDrive
from qemu_py.system.device import Device, Property, device
from qemu_py.system.irq import IRQ
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

DOR_DRIVE, DOR_NO_RESET, DOR_DMA_GATE = 0x03, 0x04, 0x08
MSR_RQM, MSR_DIO, MSR_NON_DMA, MSR_BUSY = 0x80, 0x40, 0x20, 0x10
DSR_RESET, RATE = 0x80, 0x03
DIR_DISK_CHANGE = 0x80
ST0_ABNORMAL, ST0_INVALID, ST0_POLLING, ST0_SEEK_END, ST0_EQUIPMENT, ST0_HEAD = 0x40, 0x80, 0xC0, 0x20, 0x10, 0x04
ST1_END_OF_CYLINDER, ST1_DATA_ERROR, ST1_NO_DATA, ST1_NOT_WRITABLE, ST1_NO_ADDRESS_MARK = 0x80, 0x20, 0x04, 0x02, 0x01
ST2_CONTROL_MARK, ST2_DATA_ERROR, ST2_WRONG_CYLINDER, ST2_BAD_CYLINDER = 0x40, 0x20, 0x10, 0x02
ST3_WRITE_PROTECT, ST3_TRACK_0, ST3_ALWAYS = 0x40, 0x10, 0x28
MULTI_TRACK, MFM, SKIP = 0x80, 0x40, 0x20
CONFIG_IMPLIED_SEEK, CONFIG_NO_FIFO, CONFIG_NO_POLL = 0x40, 0x20, 0x10
VERSION, PART_ID = 0x90, 0x01
SEEK_NS = 1_000_000
DRIVES = 4
IDLE, COMMAND, EXECUTION, RESULT = range(4)

# (bits that count, their value): bytes of the command with its parameters, method
COMMANDS = {
    (0x1F, 0x06): (9, "read_data"), (0x1F, 0x0C): (9, "read_deleted_data"), (0x3F, 0x05): (9, "write_data"),
    (0x3F, 0x09): (9, "write_data"), (0x9F, 0x02): (9, "read_track"), (0x1F, 0x16): (9, "verify"),
    (0xBF, 0x0D): (6, "format_track"), (0xBF, 0x0A): (2, "read_id"), (0xFF, 0x07): (2, "recalibrate"),
    (0xFF, 0x08): (1, "sense_interrupt"), (0xFF, 0x03): (3, "specify"), (0xFF, 0x04): (2, "sense_drive_status"),
    (0xFF, 0x0F): (3, "seek"), (0xBF, 0x8F): (3, "relative_seek"), (0xFF, 0x13): (4, "configure"),
    (0xFF, 0x0E): (1, "dumpreg"), (0xFF, 0x10): (1, "version"), (0xFF, 0x12): (2, "perpendicular"),
    (0x7F, 0x14): (1, "lock"), (0xFF, 0x18): (1, "part_id"), (0xFF, 0x17): (2, "powerdown_mode"),
    (0xFF, 0x33): (2, "option"), (0xFF, 0x8E): (6, "drive_specification"),
}


@cache
def decode(opcode):
    for (mask, value), command in COMMANDS.items():
        if opcode & mask == value:
            return command
    return 1, "invalid"


@dataclass
class Transfer:
    """A data command in its execution phase."""
    VERSION = 1
    write: bool = False
    format: bool = False
    drive: int = 0
    form: tuple = None                  # of the medium at its beginning
    side: int = 0                       # the head that is selected
    cylinder: int = 0                   # C, H, R as in the results, moving on
    head: int = 0
    sector: int = 0
    last: int = 0                       # EOT
    multi_track: bool = False
    first_only: bool = False            # a wrong data mark ends it after one sector
    left: int = 0                       # sectors that can still come
    data: bytearray = field(default_factory=bytearray)      # from the medium, or for it
    pos: int = 0                        # bytes of it that the host has taken
    need: int = 0                       # bytes that are to come from the host
    fill: int = 0                       # format: the filler byte
    tc: bool = False
    st1: int = 0
    st2: int = 0


@device("isa-fdc", "82078 floppy disk controller")
class I82078(Device):
    PROPERTIES = {f"drive{letter}": Property(str, None, f"id of the -drive if=none whose image drive {letter} has") for letter in "AB"}
    INSTEAD = "-fda, -fdb and -drive if=floppy give it diskettes"
    REGISTERS = {2: "dor", 3: "tdr", 4: "msr_dsr", 5: "fifo", 7: "dir_ccr"}

    @dataclass
    class State:
        VERSION = 1
        dor: int = 0                    # the controller is held in reset until software says otherwise
        tdr: int = 0
        dsr: int = 0x02                 # 250 kbit/s, as after a hardware reset
        phase: int = IDLE
        fifo: bytearray = field(default_factory=bytearray)      # of the command, then of the result
        specify: tuple = (0, 0)         # SRT and HUT; HLT and ND
        config: int = CONFIG_NO_FIFO
        pretrk: int = 0
        perpendicular: int = 0
        locked: bool = False
        power_mode: int = 0
        specification: bytearray = field(default_factory=lambda: bytearray((0x00, 0x20, 0x40, 0x60)))
        end_of_track: int = 0           # the last SC or EOT, for DUMPREG
        position: list = field(default_factory=lambda: [0] * DRIVES)    # PCN
        seeking: dict = field(default_factory=dict)             # drive -> (when, ST0)
        sense: list = field(default_factory=list)               # (ST0, PCN) for SENSE INTERRUPT STATUS
        late_interrupt: bool = False    # a seek has ended during another command
        transfer: Transfer = None
        drives: list = field(default_factory=lambda: [DriveState() for _ in range(DRIVES)])

    def __init__(self, clock=None, drives=(), dma=None, **properties):
        self.irq = IRQ()
        self.dma = dma                  # a DMAChannel
        self.drives = [FloppyDrive(None) for _ in range(DRIVES)]
        self.request = None             # what is in flight: (backend, its request)
        super().__init__(clock, **properties)
        self.connect(drives)
        self.timer = clock.timer(self.step, "i82078.seek")
        if dma is not None:
            dma.ready_handler = self.dma_ready

    def reset(self):
        """The RESET pin."""
        self.abort()
        changed = [state.changed for state in self.s.drives]
        super().reset()
        self.adopt()
        for state, change in zip(self.s.drives, changed):
            state.changed = change
        self.timer.cancel()
        self.irq.lower()

    def connect(self, drives):
        """The drives, from the first on; the others are not there."""
        self.drives[:len(drives)] = drives
        self.adopt()

    def adopt(self):
        for drive, state in zip(self.drives, self.s.drives):
            drive.s = state

    # ---------------------------------------------------------------- the pins
    def abort(self):
        """Whatever is going on ends."""
        if self.request is not None:
            backend, request = self.request
            self.request = None
            backend.cancel(request)
        self.s.transfer = None
        if self.dma is not None:
            self.dma.request(0)

    def software_reset(self):
        """DOR or DSR: the FIFO's configuration stays if LOCK says so; then the drives are polled."""
        s = self.s
        self.abort()
        self.timer.cancel()
        s.phase = IDLE
        s.fifo.clear()
        s.seeking.clear()
        s.sense.clear()
        s.late_interrupt = False
        if not s.locked:
            s.config = CONFIG_NO_FIFO
            s.pretrk = 0
        s.perpendicular &= 0x3C         # GAP and WGATE are cleared
        self.irq.lower()

    def reset_ended(self):
        s = self.s
        if not s.config & CONFIG_NO_POLL:
            s.sense = [(ST0_POLLING | n, s.position[n]) for n in range(DRIVES)]
            self.interrupt()

    def interrupt(self):
        if self.s.dor & DOR_DMA_GATE:
            self.irq.raise_()

    # ---------------------------------------------------------------- registers
    def read_dor(self):
        return self.s.dor

    def write_dor(self, value):
        s = self.s
        changed = value ^ s.dor
        s.dor = value
        if changed & DOR_NO_RESET:
            if value & DOR_NO_RESET:
                self.reset_ended()
            else:
                self.software_reset()
        elif changed & DOR_DMA_GATE:
            if not value & DOR_DMA_GATE:
                self.irq.lower()
                if self.dma is not None:
                    self.dma.request(0)
            elif s.sense or s.phase == RESULT:
                self.irq.raise_()
            elif s.phase == EXECUTION:
                self.go_on()

    def read_tdr(self):
        return self.s.tdr

    def write_tdr(self, value):
        self.s.tdr = value & 0x03

    def read_msr_dsr(self):
        s = self.s
        if not s.dor & DOR_NO_RESET:
            return 0
        value = sum(1 << n for n in s.seeking)
        phase = s.phase
        if phase == IDLE:
            return value | MSR_RQM
        value |= MSR_BUSY
        if phase == COMMAND:
            return value | MSR_RQM
        if phase == RESULT:
            return value | MSR_RQM | MSR_DIO
        if self.non_dma:
            value |= MSR_NON_DMA
            t = s.transfer
            if t is not None and self.request is None:
                value |= MSR_RQM if t.write else MSR_RQM | MSR_DIO
        return value

    def write_msr_dsr(self, value):
        self.s.dsr = value & ~DSR_RESET
        if value & DSR_RESET:
            self.software_reset()
            if self.s.dor & DOR_NO_RESET:
                self.reset_ended()

    def read_dir_ccr(self):
        return DIR_DISK_CHANGE if self.drives[self.s.dor & DOR_DRIVE].disk_change else 0

    def write_dir_ccr(self, value):
        self.s.dsr = self.s.dsr & ~RATE | value & RATE

    def read_fifo(self):
        s = self.s
        if s.phase == RESULT:
            self.irq.lower()
            value = s.fifo.pop(0)
            if not s.fifo:
                s.phase = IDLE
                if s.late_interrupt:
                    s.late_interrupt = False
                    self.interrupt()
            return value
        t = s.transfer
        if s.phase == EXECUTION and self.non_dma and t is not None and not t.write and self.request is None:
            value = t.data[t.pos]
            t.pos += 1
            self.irq.lower()
            if t.pos == len(t.data):
                self.transfer_done(t)
            elif t.pos % SECTOR == 0:
                self.interrupt()
            return value
        log.log(log.LOG_GUEST_ERROR, f"i82078: the FIFO is read with nothing in it (phase {s.phase})")
        return 0

    def write_fifo(self, value):
        s = self.s
        if not s.dor & DOR_NO_RESET:
            return
        t = s.transfer
        if s.phase == EXECUTION and self.non_dma and t is not None and t.write and self.request is None:
            t.data.append(value)
            self.irq.lower()
            if len(t.data) == t.need:
                self.store(t)
            elif len(t.data) % SECTOR == 0:
                self.interrupt()
            return
        if s.phase not in (IDLE, COMMAND):
            log.log(log.LOG_GUEST_ERROR, f"i82078: {value:#04x} is written to the FIFO in phase {s.phase}")
            return
        if s.phase == IDLE:
            s.phase = COMMAND
            s.fifo.clear()
        s.fifo.append(value)
        length, name = decode(s.fifo[0])
        if len(s.fifo) >= length or (name == "drive_specification" and len(s.fifo) > 1 and value & 0x80):
            command = bytes(s.fifo)
            s.fifo.clear()
            getattr(self, name)(command)

    @property
    def non_dma(self):
        return self.s.specify[1] & 1

    def results(self, *values):
        """Enter the result phase; without any, the command is over."""
        s = self.s
        s.fifo[:] = bytes(values)
        s.phase = RESULT if values else IDLE

    # ---------------------------------------------------------------- commands without data
    def invalid(self, command):
        log.log(log.LOG_GUEST_ERROR, f"i82078: invalid command {command[0]:#04x}")
        self.results(ST0_INVALID)

    def specify(self, command):
        self.s.specify = (command[1], command[2])
        self.results()

    def sense_drive_status(self, command):
        n = command[1] & 3
        drive = self.drives[n]
        self.results(ST3_ALWAYS | command[1] & 7 | (ST3_WRITE_PROTECT if drive.write_protected else 0)
                     | (ST3_TRACK_0 if drive.present and drive.track == 0 else 0))

    def sense_interrupt(self, command):
        s = self.s
        if not s.sense:
            self.results(ST0_INVALID)
            return
        self.irq.lower()
        self.results(*s.sense.pop(0))

    def configure(self, command):
        self.s.config = command[2] & 0x7F
        self.s.pretrk = command[3]
        self.results()

    def dumpreg(self, command):
        s = self.s
        self.results(*s.position, *s.specify, s.end_of_track, (0x80 if s.locked else 0) | s.perpendicular, s.config, s.pretrk)

    def version(self, command):
        self.results(VERSION)

    def part_id(self, command):
        self.results(PART_ID)

    def perpendicular(self, command):
        s = self.s
        drives = command[1] if command[1] & 0x80 else s.perpendicular       # OW: the drives' bits are written
        s.perpendicular = drives & 0x3C | command[1] & 3
        self.results()

    def lock(self, command):
        self.s.locked = bool(command[0] & 0x80)
        self.results(0x10 if self.s.locked else 0)

    def powerdown_mode(self, command):
        self.s.power_mode = command[1]
        self.results(command[1])

    def option(self, command):
        self.results()

    def drive_specification(self, command):
        """A byte for each drive named, ended by one with DONE set, whose NRP bit asks for no results."""
        s = self.s
        for value in command[1:]:
            if value & 0x80:
                self.results(*(() if value & 0x40 else s.specification))
                return
            s.specification[value >> 5 & 3] = value
        self.results()
        self.results()

    # ---------------------------------------------------------------- seeks
    def recalibrate(self, command):
        n = command[1] & 3
        if not self.drives[n].present:          # no TRK0 after 80 steps
            self.start_seek(n, 0, ST0_ABNORMAL | ST0_SEEK_END | ST0_EQUIPMENT | n)
            return
        self.start_seek(n, 0, ST0_SEEK_END | n)

    def seek(self, command):
        self.start_seek(command[1] & 3, command[2], ST0_SEEK_END | command[1] & 7)

    def relative_seek(self, command):
        n = command[1] & 3
        steps = command[2] if command[0] & 0x40 else -command[2]
        self.start_seek(n, min(max(self.s.position[n] + steps, 0), 255), ST0_SEEK_END | command[1] & 7)

    def forget_polling(self):
        """A driver that did not ask what the interrupt after a reset was is not told later."""
        s = self.s
        s.sense = [entry for entry in s.sense if entry[0] & 0xC0 != ST0_POLLING]

    def start_seek(self, n, cylinder, st0):
        s = self.s
        self.forget_polling()
        s.position[n] = cylinder
        self.drives[n].step_to(cylinder)
        s.seeking[n] = self.clock.get_ns() + SEEK_NS, st0
        self.results()
        self.timer.mod_ns(min(when for when, _ in s.seeking.values()))

    def step(self):
        """The timer: the heads of a drive have arrived."""
        s = self.s
        now = self.clock.get_ns()
        for n in [n for n, (when, _) in s.seeking.items() if when <= now]:
            _, st0 = s.seeking.pop(n)
            s.sense = [entry for entry in s.sense if entry[0] & 3 != n] + [(st0, s.position[n])]
            if s.phase in (IDLE, COMMAND):
                self.interrupt()
            else:
                s.late_interrupt = True
        if s.seeking:
            self.timer.mod_ns(min(when for when, _ in s.seeking.values()))

    # ---------------------------------------------------------------- commands with data
    def transfer_of(self, command):
        """The Transfer of a command with C, H, R, N, EOT; None: it has failed, and its results are there."""
        s = self.s
        n, head = command[1] & 3, command[1] >> 2 & 1
        drive = self.drives[n]
        _, _, c, h, r, size, last, _, _ = command
        s.end_of_track = last
        if s.config & CONFIG_IMPLIED_SEEK:
            s.position[n] = c
            drive.step_to(c)
        t = Transfer(drive=n, form=drive.form, side=head, cylinder=c, head=h, sector=r, last=last, multi_track=bool(command[0] & MULTI_TRACK))
        if not drive.readable(s.dsr & RATE, command[0] & MFM, head):
            t.st1 = ST1_NO_ADDRESS_MARK
        elif c != drive.track:
            t.st1 = ST1_NO_DATA
            t.st2 = ST2_BAD_CYLINDER if c == 0xFF else ST2_WRONG_CYLINDER
        elif h != head or size != 2 or not 1 <= r <= drive.sectors:
            t.st1 = ST1_NO_DATA
        if t.st1:
            self.finish(t, size)
            return None
        t.left = max(min(last, drive.sectors) - r + 1, 1)
        if t.multi_track and h == 0 and drive.heads == 2 and r <= last <= drive.sectors:
            t.left += last
        return t

    def read_data(self, command):
        t = self.transfer_of(command)
        if t is not None:
            self.execute(t)

    def read_deleted_data(self, command):
        """Every sector has an ordinary mark: it is skipped, or read with the control mark bit and the end after it."""
        t = self.transfer_of(command)
        if t is None:
            return
        t.st2 = ST2_CONTROL_MARK
        if command[0] & SKIP:
            self.advance(t, t.left)
            t.st1 = ST1_END_OF_CYLINDER
            self.finish(t)
            return
        t.left = 1
        t.first_only = True
        self.execute(t)

    def read_track(self, command):
        """From the index hole on: every sector to EOT."""
        command = bytearray(command)
        command[4] = 1
        self.read_data(bytes(command))

    def write_data(self, command):
        t = self.transfer_of(command)
        if t is None:
            return
        if self.drives[t.drive].write_protected:
            t.st1 = ST1_NOT_WRITABLE
            self.finish(t)
            return
        t.write = True
        t.need = t.left * SECTOR
        self.execute(t)

    def verify(self, command):
        """Read without a transfer; with EC (bit 7 of the drive's byte) as many sectors as the last byte says."""
        t = self.transfer_of(command)
        if t is None:
            return
        count = t.left
        if command[1] & 0x80:
            count = command[8] or 256
        if count > t.left:
            self.advance(t, t.left)
            t.st1 = ST1_NO_DATA if self.drives[t.drive].sectors < t.last else ST1_END_OF_CYLINDER
        else:
            self.advance(t, count)
            t.tc = True
        self.finish(t)

    def format_track(self, command):
        s = self.s
        n, head = command[1] & 3, command[1] >> 2 & 1
        drive = self.drives[n]
        s.end_of_track = command[3]
        t = Transfer(write=True, format=True, drive=n, form=drive.form, side=head, cylinder=drive.track, head=head,
                     sector=1, need=4 * command[3], fill=command[5])
        if drive.form is None:
            t.st1 = ST1_NO_ADDRESS_MARK
        elif drive.write_protected:
            t.st1 = ST1_NOT_WRITABLE
        if t.st1 or not t.need:
            t.tc = True
            self.finish(t, command[2])
            return
        self.execute(t)

    def read_id(self, command):
        n, head = command[1] & 3, command[1] >> 2 & 1
        drive = self.drives[n]
        t = Transfer(drive=n, side=head, cylinder=drive.track, head=head, sector=1)
        if drive.readable(self.s.dsr & RATE, command[0] & MFM, head):
            t.sector = drive.next_sector()
            t.tc = True
        else:
            t.st1 = ST1_NO_ADDRESS_MARK
        self.finish(t)

    # ---------------------------------------------------------------- execution phase
    def execute(self, t):
        s = self.s
        self.forget_polling()
        s.transfer = t
        s.phase = EXECUTION
        self.go_on()

    def go_on(self):
        """What the execution phase waits for: DMA, or the processor."""
        t = self.s.transfer
        if t is None or self.request is not None:
            return
        if self.non_dma:
            if not t.write and t.pos == len(t.data):
                self.load(t, t.left * SECTOR)
            else:
                self.interrupt()
        elif self.dma is not None and self.s.dor & DOR_DMA_GATE:
            self.dma.request(1)

    def dma_ready(self):
        """The DMA controller would transfer."""
        t = self.s.transfer
        if t is None or self.request is not None or self.non_dma or not self.s.dor & DOR_DMA_GATE:
            return
        if t.write:
            data, t.tc = self.dma.from_memory(t.need - len(t.data))
            t.data += data
            if t.tc or len(t.data) >= t.need:
                self.store(t)
            return
        if t.pos < len(t.data):
            taken, t.tc = self.dma.to_memory(memoryview(t.data)[t.pos:])
            t.pos += taken
        if t.tc or (t.pos == len(t.data) and not t.left):
            self.transfer_done(t)
        elif t.pos == len(t.data):
            self.load(t, self.dma.room)

    def load(self, t, length):
        """Get at most that many bytes, rounded up to sectors, of those that are left."""
        drive = self.drives[t.drive]
        if not self.medium_is_there(t):
            return
        count = min(-(-length // SECTOR), t.left)
        runs = self.runs(t, count)
        t.data = bytearray(count * SECTOR)
        t.pos = 0
        t.left -= count
        view = memoryview(t.data)
        self.next_run(t, drive.backend.aio_readv, [(offset, view[at:at + size]) for offset, at, size in runs], self.loaded)

    def medium_is_there(self, t):
        """Is it still the one with which the command began? Else the command ends."""
        if self.drives[t.drive].form == t.form:
            return True
        t.st1 |= ST1_NO_ADDRESS_MARK
        self.finish(t)
        return False

    def loaded(self, t):
        if self.non_dma:
            self.interrupt()
        else:
            self.dma.request(1)

    def runs(self, t, count):
        """[(offset in the image, offset in the data, bytes)] of the next sectors; moves t on by them."""
        drive = self.drives[t.drive]
        runs = []
        at = 0
        while count:
            sectors = min(count, max(min(t.last, drive.sectors) - t.sector + 1, 1))
            runs.append((drive.offset(drive.track, t.head, t.sector), at, sectors * SECTOR))
            at += sectors * SECTOR
            count -= sectors
            self.advance(t, sectors)
        return runs

    def advance(self, t, count):
        """C, H and R after so many sectors: the datasheet's table of result phase values."""
        for _ in range(count):
            t.side = t.head
            if t.sector != t.last:
                t.sector += 1
                continue
            t.sector = 1
            if t.multi_track:
                t.head ^= 1
            if not t.multi_track or t.head == 0:
                t.cylinder += 1

    def store(self, t):
        """All that is to be written is here; what lacks of the last sector is zeros."""
        drive = self.drives[t.drive]
        if not self.medium_is_there(t):
            return
        if t.format:
            self.next_run(t, drive.backend.aio_writev, self.formatted(t), self.transfer_done)
            return
        t.data += bytes(-len(t.data) % SECTOR)
        view = memoryview(t.data)
        runs = self.runs(t, len(t.data) // SECTOR)
        self.next_run(t, drive.backend.aio_writev, [(offset, view[at:at + size]) for offset, at, size in runs],
                      self.transfer_done)

    def formatted(self, t):
        """FORMAT TRACK: the sectors named by the C, H, R, N that came, as far as the medium has such ones."""
        drive = self.drives[t.drive]
        t.tc = True
        fill = bytes([t.fill]) * SECTOR
        runs = []
        for at in range(0, len(t.data) - 3, 4):
            c, h, r, size = t.data[at:at + 4]
            if (c, h, size) == (drive.track, t.head, 2) and t.head < drive.heads and 1 <= r <= drive.sectors:
                runs.append((drive.offset(c, h, r), fill))
        return runs

    def next_run(self, t, start, runs, then):
        """One request after the other, then then(t)."""
        if not runs:
            self.request = None
            then(t)
            return
        (offset, buffer), *rest = runs
        backend = self.drives[t.drive].backend

        def done(error):
            if self.s.transfer is not t:
                return
            self.request = None
            if error:
                t.st1 |= ST1_DATA_ERROR
                t.st2 |= ST2_DATA_ERROR
                self.finish(t)
            else:
                self.next_run(t, start, rest, then)
        self.request = backend, start(offset, [buffer], done)

    def transfer_done(self, t):
        if not t.tc and not t.first_only:
            # The last sector without terminal count; or EOT names one that the track does not have.
            t.st1 |= ST1_NO_DATA if t.last > t.form.sectors else ST1_END_OF_CYLINDER
        if t.tc and not t.write:
            # What was read ahead does not count: back to the sector after the last one that was begun.
            self.rewind(t, (len(t.data) - t.pos) // SECTOR)
        self.finish(t)

    def rewind(self, t, sectors):
        for _ in range(sectors):
            if t.sector > 1:
                t.sector -= 1
                continue
            t.sector = t.last
            if t.multi_track:
                t.head ^= 1
            if not t.multi_track or t.head == 1:
                t.cylinder -= 1

    def finish(self, t, size=2):
        """To the result phase of a data command."""
        s = self.s
        s.transfer = None
        if self.dma is not None:
            self.dma.request(0)
        st0 = t.drive | (ST0_HEAD if t.side else 0)
        if t.st1:
            st0 |= ST0_ABNORMAL
        self.results(st0, t.st1, t.st2, t.cylinder & 0xFF, t.head & 0xFF, t.sector & 0xFF, size)
        self.interrupt()
