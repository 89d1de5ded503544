"""82078 data sheet: the commands through ports 3F0h-3F7h, with DMA and without, on diskettes of all sizes."""
import errno
import random

import pytest

from qemu_py.devices.floppy_drive import FloppyDrive, drive_type, format_of
from qemu_py.devices.i8237 import I8237Pair
from qemu_py.devices.i82078 import I82078

DOR, TDR, MSR, DSR, FIFO, DIR, CCR = 0x3F2, 0x3F3, 0x3F4, 0x3F4, 0x3F5, 0x3F7, 0x3F7
RQM, DIO, NDMA, BUSY = 0x80, 0x40, 0x20, 0x10
READ, WRITE, FORMAT, READ_ID, VERIFY = 0xE6, 0xC5, 0x4D, 0x4A, 0xF6         # with MT, MFM, SK as drivers send them
RECALIBRATE, SENSE, SPECIFY, STATUS, SEEK, CONFIGURE, DUMPREG, VERSION = 0x07, 0x08, 0x03, 0x04, 0x0F, 0x13, 0x0E, 0x10
MS = 1_000_000
KIB = 1024


class Image:
    """A BlockBackend whose requests are done when the test says so."""

    def __init__(self, size=1440 * KIB, read_only=False):
        self.data = bytearray(random.Random(size).randbytes(size))
        self.read_only = read_only
        self.inserted = size > 0
        self.media_changed = None
        self.queue = []
        self.error = 0
        self.reads = self.writes = 0

    @property
    def size(self):
        return len(self.data)

    def aio_readv(self, offset, buffers, callback):
        self.reads += 1
        return self.submit(False, offset, buffers, callback)

    def aio_writev(self, offset, buffers, callback):
        self.writes += 1
        return self.submit(True, offset, buffers, callback)

    def submit(self, write, offset, buffers, callback):
        request = [write, offset, buffers, callback]
        self.queue.append(request)
        return request

    def cancel(self, request):
        self.queue.remove(request)

    def pump(self):
        while self.queue:
            write, offset, buffers, callback = self.queue.pop(0)
            error = self.error
            for buffer in buffers:
                if offset < 0 or offset + len(buffer) > len(self.data):
                    error = errno.EIO
                elif not error and write:
                    self.data[offset:offset + len(buffer)] = buffer
                elif not error:
                    buffer[:] = self.data[offset:offset + len(buffer)]
                offset += len(buffer)
            callback(error)

    def change(self, other):
        self.data, self.inserted = other.data, other.inserted
        self.media_changed()


class RAM:
    def __init__(self):
        self.bytes = bytearray(1 << 20)

    def read(self, address, length):
        return bytes(self.bytes[address:address + length])

    def write(self, address, data):
        self.bytes[address:address + len(data)] = data


class PC:
    def __init__(self, bus, clock, *images):
        self.bus, self.clock = bus, clock
        self.images = images
        self.ram = RAM()
        self.dma = I8237Pair(self.ram)
        bus.map(self.dma.slave, 0x00, 16)
        bus.map(self.dma.pages, 0x80, 16)
        self.dma.master.write(11, 0xC0)
        self.dma.master.write(10, 0)
        self.fdc = I82078(clock, drives=[FloppyDrive(image) for image in images], dma=self.dma.channel(2))
        bus.map(self.fdc, 0x3F0, 6)
        bus.map(self.fdc, 0x3F7, 1, first=7)
        self.irq = bus.irq(6)
        self.fdc.irq.connect(self.irq)
        self.start()

    def start(self, non_dma=False, rate=0):
        self.bus.outb(DOR, 0x00)
        self.bus.outb(DOR, 0x0C)
        for _ in range(4):
            self.command(SENSE)
        self.bus.outb(CCR, rate)
        self.command(SPECIFY, 0xAF, 0x02 | non_dma)

    def pump(self):
        for image in self.images:
            if image is not None:
                image.pump()

    def command(self, *values):
        """Send a command, let everything happen, and give the results."""
        for value in values:
            assert self.bus.inb(MSR) & (RQM | DIO) == RQM
            self.bus.outb(FIFO, value)
        self.pump()
        return self.results()

    def results(self):
        out = []
        while self.bus.inb(MSR) & (RQM | DIO | NDMA) == RQM | DIO:
            out.append(self.bus.inb(FIFO))
        return out

    def program_dma(self, address, length, to_memory):
        out = self.bus.outb
        out(10, 6), out(12, 0), out(11, 0x46 if to_memory else 0x4A)
        out(4, address & 0xFF), out(4, address >> 8 & 0xFF), out(0x81, address >> 16)
        out(5, length - 1 & 0xFF), out(5, length - 1 >> 8)
        out(10, 2)

    def seek(self, cylinder, drive=0):
        self.command(SEEK, drive, cylinder)
        self.clock.advance(10 * MS)
        return self.command(SENSE)

    def data_command(self, code, c, h, r, eot=18, drive=0, n=2, last=0xFF):
        return self.command(code, drive | h << 2, c, h, r, n, eot, 0x1B, last)

    def read(self, c, h, r, count, eot=18, code=READ, drive=0):
        self.program_dma(0x10000, 512 * count, True)
        result = self.data_command(code, c, h, r, eot, drive)
        return result, bytes(self.ram.bytes[0x10000:0x10000 + 512 * count])

    def write(self, c, h, r, data, eot=18, drive=0):
        self.ram.bytes[0x10000:0x10000 + len(data)] = data
        self.program_dma(0x10000, len(data), False)
        return self.data_command(WRITE, c, h, r, eot, drive)


@pytest.fixture
def make(pc_bus, clock):
    return lambda *images: PC(pc_bus, clock, *images)


@pytest.fixture
def pc(make):
    return make(Image())


# ---------------------------------------------------------------- reset, status
def test_reset_interrupts_and_four_drives_have_changed_their_ready_line(make):
    pc = make(Image())
    pc.bus.outb(DOR, 0x08)
    assert pc.bus.inb(MSR) == 0
    del pc.irq.history[:]
    pc.bus.outb(DOR, 0x0C)
    assert pc.irq.history == [1] and pc.bus.inb(MSR) == RQM
    assert [pc.command(SENSE) for _ in range(5)] == [[0xC0, 0], [0xC1, 0], [0xC2, 0], [0xC3, 0], [0x80]]
    assert pc.irq.history == [1, 0]


def test_dsr_resets_too(pc):
    del pc.irq.history[:]
    pc.bus.outb(DSR, 0x80)
    assert pc.irq.history == [1] and pc.command(SENSE) == [0xC0, 0]


def test_no_polling_no_interrupt(pc):
    pc.command(0x94)                    # lock, so that the configuration survives
    pc.command(CONFIGURE, 0, 0x10, 0)
    del pc.irq.history[:]
    pc.bus.outb(DOR, 0x08), pc.bus.outb(DOR, 0x0C)
    assert pc.irq.history == [] and pc.command(SENSE) == [0x80]


def test_the_dma_gate_holds_the_interrupt_back(pc):
    del pc.irq.history[:]
    pc.bus.outb(DOR, 0x00), pc.bus.outb(DOR, 0x04)
    assert pc.irq.history == []
    pc.bus.outb(DOR, 0x0C)
    assert pc.irq.history == [1]


def test_main_status_register_through_a_command(pc):
    assert pc.bus.inb(MSR) == RQM
    pc.bus.outb(FIFO, STATUS)
    assert pc.bus.inb(MSR) == RQM | BUSY
    pc.bus.outb(FIFO, 0)
    assert pc.bus.inb(MSR) == RQM | DIO | BUSY
    pc.bus.inb(FIFO)
    assert pc.bus.inb(MSR) == RQM


def test_an_invalid_command(pc):
    assert pc.command(0x1F) == [0x80]
    assert pc.command(0x00) == [0x80]


def test_version_and_part(pc):
    assert pc.command(VERSION) == [0x90]
    assert len(pc.command(0x18)) == 1


def test_dumpreg_shows_what_was_set(pc):
    pc.seek(5)
    pc.command(SPECIFY, 0xDF, 0x02)
    pc.command(CONFIGURE, 0, 0x57, 0x0A)
    pc.command(0x12, 0x80 | 0x0C | 0x03)
    assert pc.command(0x94) == [0x10]
    data = pc.command(DUMPREG)
    assert data[:6] == [5, 0, 0, 0, 0xDF, 0x02] and data[7:] == [0x80 | 0x0F, 0x57, 0x0A] and len(data) == 10


def test_lock_keeps_the_configuration_over_a_software_reset(pc):
    pc.command(CONFIGURE, 0, 0x57, 0x0A)
    pc.command(0x94)
    pc.bus.outb(DSR, 0x80)
    assert pc.command(DUMPREG)[8:] == [0x57, 0x0A]
    assert pc.command(0x14) == [0x00]
    pc.bus.outb(DSR, 0x80)
    assert pc.command(DUMPREG)[8:] == [0x20, 0x00]


def test_perpendicular_needs_overwrite_for_the_drive_bits(pc):
    pc.command(0x12, 0x0C | 0x01)
    assert pc.command(DUMPREG)[7] == 0x01


def test_drive_specification(pc):
    assert pc.command(0x8E, 0x05, 0x25, 0x80) == [0x05, 0x25, 0x40, 0x60]
    assert pc.command(0x8E, 0xC0) == []
    for value in (0x8E, 0, 0, 0, 0, 0):
        pc.bus.outb(FIFO, value)
    assert pc.bus.inb(MSR) == RQM


def test_sense_drive_status(make):
    pc = make(Image(), Image(read_only=True))
    assert pc.command(STATUS, 0) == [0x28 | 0x10]
    assert pc.command(STATUS, 5) == [0x28 | 0x10 | 0x40 | 5]
    pc.seek(3)
    assert pc.command(STATUS, 4) == [0x28 | 4]


# ---------------------------------------------------------------- seeks
def test_seek_and_recalibrate(pc, clock):
    del pc.irq.history[:]
    pc.command(SEEK, 0, 40)
    assert pc.bus.inb(MSR) == RQM | 0x01 and pc.irq.history == []
    clock.advance(10 * MS)
    assert pc.irq.history == [1] and pc.bus.inb(MSR) == RQM
    assert pc.command(SENSE) == [0x20, 40]
    assert pc.irq.history == [1, 0]
    pc.command(RECALIBRATE, 0)
    clock.advance(10 * MS)
    assert pc.command(SENSE) == [0x20, 0]


def test_recalibrating_an_absent_drive_fails(pc, clock):
    pc.command(RECALIBRATE, 1)
    clock.advance(10 * MS)
    assert pc.command(SENSE)[0] == 0x71


def test_two_drives_seek_at_once(make, clock):
    pc = make(Image(), Image())
    pc.command(SEEK, 0, 10)
    pc.command(SEEK, 1, 20)
    assert pc.bus.inb(MSR) == RQM | 0x03
    clock.advance(10 * MS)
    assert sorted([pc.command(SENSE), pc.command(SENSE)]) == [[0x20, 10], [0x21, 20]]


def test_relative_seek(pc, clock):
    pc.seek(10)
    pc.command(0xCF, 0, 5)
    clock.advance(10 * MS)
    assert pc.command(SENSE) == [0x20, 15]
    pc.command(0x8F, 0, 7)
    clock.advance(10 * MS)
    assert pc.command(SENSE) == [0x20, 8]


def test_implied_seek(pc):
    pc.command(CONFIGURE, 0, 0x40, 0)
    result, data = pc.read(33, 0, 1, 1)
    assert result[:3] == [0, 0, 0] and data == pc.images[0].data[33 * 36 * 512:][:512]


# ---------------------------------------------------------------- the change line
def test_the_change_line_until_the_heads_step(make):
    pc = make(Image())
    assert pc.bus.inb(DIR) & 0x80
    pc.seek(1)
    assert not pc.bus.inb(DIR) & 0x80
    pc.images[0].change(Image(720 * KIB))
    assert pc.bus.inb(DIR) & 0x80
    pc.bus.outb(DOR, 0x0D)
    assert not pc.bus.inb(DIR) & 0x80                   # there is no second drive
    pc.bus.outb(DOR, 0x0C)
    pc.seek(0)
    assert not pc.bus.inb(DIR) & 0x80


def test_an_empty_drive_keeps_the_change_line(make):
    pc = make(Image(0))
    pc.seek(3)
    assert pc.bus.inb(DIR) & 0x80
    assert pc.read(3, 0, 1, 1)[0][:3] == [0x40, 0x01, 0x00]


# ---------------------------------------------------------------- reading and writing
def test_reading_a_sector_with_dma(pc):
    del pc.irq.history[:]
    result, data = pc.read(0, 0, 1, 1)
    assert data == pc.images[0].data[:512]
    assert result == [0x00, 0x00, 0x00, 0, 0, 2, 2]
    assert pc.irq.history == [1, 0]


def test_reading_a_whole_cylinder_multi_track(pc):
    pc.seek(7)
    result, data = pc.read(7, 0, 1, 36)
    assert data == pc.images[0].data[7 * 36 * 512:][:36 * 512]
    assert result == [0x04, 0x00, 0x00, 8, 0, 1, 2]     # head 1 was the last one
    assert pc.images[0].reads <= 2                      # in bulk


@pytest.mark.parametrize("multi_track, h, r, count, chrn", [
    (False, 0, 5, 3, (0, 0, 8)), (False, 0, 18, 1, (1, 0, 1)), (False, 1, 18, 1, (1, 1, 1)),
    (True, 0, 18, 1, (0, 1, 1)), (True, 1, 18, 1, (1, 0, 1)), (True, 0, 17, 3, (0, 1, 2))])
def test_where_the_results_say_it_ended(pc, multi_track, h, r, count, chrn):
    result, _ = pc.read(0, h, r, count, code=0xE6 if multi_track else 0x66)
    assert tuple(result[3:6]) == chrn and result[0] & 0xC0 == 0


def test_end_of_cylinder_without_terminal_count(pc):
    result, data = pc.read(0, 0, 17, 4, code=0x66)      # two sectors are left on the track
    assert result[:3] == [0x40, 0x80, 0x00]
    assert data[:1024] == pc.images[0].data[16 * 512:18 * 512]


def test_a_transfer_that_ends_within_a_sector(pc):
    pc.program_dma(0x10000, 700, True)
    assert pc.data_command(READ, 0, 0, 1)[:6] == [0, 0, 0, 0, 0, 3]
    assert pc.ram.bytes[0x10000:0x10000 + 700] == pc.images[0].data[:700] and pc.ram.bytes[0x10000 + 700] == 0


def test_writing_and_the_rest_of_a_sector_is_zeros(pc):
    assert pc.write(0, 1, 3, b"x" * 700) == [0x04, 0, 0, 0, 1, 5, 2]
    at = (18 + 2) * 512
    assert pc.images[0].data[at:at + 1024] == b"x" * 700 + bytes(324)


def test_a_write_protected_medium(make):
    pc = make(Image(read_only=True))
    assert pc.write(0, 0, 1, b"x" * 512)[:3] == [0x40, 0x02, 0x00]
    assert pc.images[0].writes == 0


def test_errors_of_the_image(pc):
    pc.images[0].error = errno.EIO
    assert pc.read(0, 0, 1, 1)[0][:3] == [0x40, 0x20, 0x20]
    assert pc.write(0, 0, 1, b"x" * 512)[:3] == [0x40, 0x20, 0x20]


@pytest.mark.parametrize("c, h, r, eot, n, st1, st2", [
    (0, 0, 19, 18, 2, 0x04, 0), (0, 0, 0, 18, 2, 0x04, 0), (1, 0, 1, 18, 2, 0x04, 0x10), (0xFF, 0, 1, 18, 2, 0x04, 0x02),
    (0, 0, 1, 18, 3, 0x04, 0), (0, 0, 1, 18, 0, 0x04, 0), (0, 0, 1, 18, 255, 0x04, 0)])
def test_sectors_that_are_not_there(pc, c, h, r, eot, n, st1, st2):
    pc.program_dma(0x10000, 512, True)
    assert pc.data_command(READ, c, h, r, eot, n=n)[:3] == [0x40, st1, st2]
    assert pc.images[0].reads == 0


def test_a_head_that_is_not_the_ids_is_not_found(pc):
    pc.program_dma(0x10000, 512, True)
    assert pc.command(READ, 0, 0, 1, 1, 2, 18, 0x1B, 0xFF)[:3] == [0x40, 0x04, 0]       # head 0 is selected, the ID says 1


def test_the_data_rate_and_the_encoding_must_be_the_mediums(pc):
    pc.bus.outb(CCR, 2)
    assert pc.read(0, 0, 1, 1)[0][:3] == [0x40, 0x01, 0x00]
    pc.bus.outb(CCR, 0)
    assert pc.read(0, 0, 1, 1, code=0xA6)[0][:3] == [0x40, 0x01, 0x00]      # FM
    assert pc.read(0, 0, 1, 1)[0][:3] == [0, 0, 0]


@pytest.mark.parametrize("kib, tracks, heads, sectors, rate, kind", [
    (160, 40, 1, 8, 2, 1), (180, 40, 1, 9, 2, 1), (320, 40, 2, 8, 2, 1), (360, 40, 2, 9, 2, 1), (720, 80, 2, 9, 2, 3),
    (1200, 80, 2, 15, 0, 2), (1440, 80, 2, 18, 0, 4), (1680, 80, 2, 21, 0, 4), (2880, 80, 2, 36, 3, 5)])
def test_media_of_all_sizes(make, kib, tracks, heads, sectors, rate, kind):
    image = Image(kib * KIB)
    assert drive_type(image) == kind
    pc = make(image)
    pc.start(rate=rate)
    c, h = tracks - 1, heads - 1
    pc.seek(c)
    result, data = pc.read(c, h, sectors, 1, eot=sectors)
    assert result[:3] == [h << 2, 0, 0] and data == image.data[-512:]
    if heads == 1:
        assert pc.read(c, 1, 1, 1, eot=sectors)[0][:3] == [0x44, 0x01, 0]


def test_an_odd_size_is_the_next_larger_format_and_ends_early(make):
    assert format_of(1000 * KIB).sectors == 18 and format_of(2000 * KIB).sectors == 36 and format_of(9999 * KIB) is None
    pc = make(Image(1000 * KIB))
    assert pc.read(0, 0, 1, 1)[0][:3] == [0, 0, 0]
    pc.seek(79)
    assert pc.read(79, 0, 1, 1)[0][:3] == [0x40, 0x20, 0x20]


def test_a_transfer_waits_until_its_dma_channel_is_unmasked(pc):
    pc.bus.outb(10, 6)
    for value in (READ, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF):
        pc.bus.outb(FIFO, value)
    pc.pump()
    assert pc.bus.inb(MSR) == BUSY and pc.bus.inb(0x08) & 0x40
    pc.program_dma(0x10000, 512, True)
    pc.pump()
    assert pc.results()[:3] == [0, 0, 0]
    assert pc.ram.bytes[0x10000:0x10200] == pc.images[0].data[:512]


def test_a_reset_ends_a_transfer_in_flight(pc):
    pc.program_dma(0x10000, 512, True)
    for value in (READ, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF):
        pc.bus.outb(FIFO, value)
    assert pc.images[0].queue
    pc.bus.outb(DSR, 0x80)
    assert not pc.images[0].queue and pc.bus.inb(MSR) == RQM and pc.command(SENSE) == [0xC0, 0]
    assert not pc.bus.inb(0x08) & 0x40


def test_a_medium_that_is_taken_out_before_its_data_are_read(pc):
    pc.bus.outb(10, 6)
    for value in (READ, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF):
        pc.bus.outb(FIFO, value)
    pc.images[0].change(Image(0))
    pc.program_dma(0x10000, 512, True)
    assert pc.results()[:2] == [0x40, 0x01]


# ---------------------------------------------------------------- without DMA
def test_reading_without_dma(pc):
    pc.start(non_dma=True)
    del pc.irq.history[:]
    for value in (0x66, 0, 0, 0, 17, 2, 18, 0x1B, 0xFF):
        pc.bus.outb(FIFO, value)
    pc.pump()
    data = bytearray()
    while pc.bus.inb(MSR) & NDMA:
        assert pc.bus.inb(MSR) & (RQM | DIO | BUSY) == RQM | DIO | BUSY
        if len(data) % 512 == 0:
            assert pc.irq.level
        data.append(pc.bus.inb(FIFO))
    assert data == pc.images[0].data[16 * 512:18 * 512]
    assert pc.irq.level
    assert pc.results()[:3] == [0x40, 0x80, 0]          # nobody can signal terminal count
    assert not pc.irq.level


def test_writing_without_dma(pc):
    pc.start(non_dma=True)
    for value in (0x45, 0, 0, 0, 18, 2, 18, 0x1B, 0xFF):
        pc.bus.outb(FIFO, value)
    for k in range(512):
        assert pc.bus.inb(MSR) & (RQM | DIO | NDMA) == RQM | NDMA
        pc.bus.outb(FIFO, k & 0xFF)
    pc.pump()
    assert pc.results()[:3] == [0x40, 0x80, 0]
    assert pc.images[0].data[17 * 512:18 * 512] == bytes(range(256)) * 2


# ---------------------------------------------------------------- the other data commands
def test_formatting_a_track(pc):
    pc.seek(5)
    pc.ram.bytes[0x10000:0x10000 + 72] = b"".join(bytes((5, 1, r, 2)) for r in range(1, 19))
    pc.program_dma(0x10000, 72, False)
    assert pc.command(FORMAT, 4, 2, 18, 0x6C, 0xF6)[:3] == [0x04, 0, 0]
    at = (5 * 2 + 1) * 18 * 512
    assert pc.images[0].data[at:at + 18 * 512] == b"\xf6" * (18 * 512)
    assert pc.images[0].data[at - 1] != 0xF6 or pc.images[0].data[at - 2] != 0xF6


def test_formatting_with_nonsense_writes_nothing(pc):
    before = bytes(pc.images[0].data)
    pc.ram.bytes[0x10000:0x10400] = b"\xff" * 1024
    pc.program_dma(0x10000, 1020, False)
    assert pc.command(FORMAT, 0, 2, 255, 0x6C, 0xF6)[:3] == [0, 0, 0]
    assert pc.images[0].data == before


def test_read_id_goes_around_the_track(pc):
    pc.seek(9)
    ids = [pc.command(READ_ID, 4) for _ in range(19)]
    assert [result[5] for result in ids] == [*range(1, 19), 1]
    assert ids[0][:5] == [0x04, 0, 0, 9, 1] and ids[0][6] == 2


def test_read_id_of_an_empty_drive(make):
    assert make(Image(0)).command(READ_ID, 0)[:3] == [0x40, 0x01, 0]


def test_verify(pc):
    assert pc.data_command(VERIFY, 0, 0, 1)[:6] == [0x04, 0, 0, 1, 0, 1]        # to the end of the cylinder
    assert pc.command(VERIFY, 0x80, 0, 0, 1, 2, 18, 0x1B, 4)[:6] == [0, 0, 0, 0, 0, 5]
    assert pc.command(0x76, 0x80, 0, 0, 1, 2, 18, 0x1B, 19)[0] & 0xC0 == 0x40


def test_read_track_begins_at_the_first_sector(pc):
    result, data = pc.read(0, 0, 9, 18, code=0x42)
    assert result[:2] == [0, 0] and data == pc.images[0].data[:18 * 512]


def test_reading_deleted_data_where_there_are_none(pc):
    result, data = pc.read(0, 0, 1, 2, code=0x4C)       # reads one, and says that it has the other mark
    assert result[:3] == [0, 0, 0x40] and data[:512] == pc.images[0].data[:512] and data[512:] == bytes(512)
    result, data = pc.read(0, 0, 1, 2, code=0x6C)       # skips them all
    assert result[0] & 0xC0 == 0x40 and pc.images[0].reads == 1


# ---------------------------------------------------------------- whatever a guest does
@pytest.mark.parametrize("seed", range(12))
def test_no_sequence_of_accesses_makes_it_stumble(make, clock, seed):
    pick = random.Random(seed)
    pc = make(Image(360 * KIB), Image(0))
    commands = [READ, WRITE, FORMAT, READ_ID, VERIFY, 0x42, 0x4C, 0x8E, 0x12, 0xCF, *range(256)]
    for step in range(4000):
        action = pick.random()
        if action < 0.45:
            pc.bus.outb(FIFO, pick.choice((0, 0, 1, 2, 9, 0x80, pick.randrange(256), pick.choice(commands))))
        elif action < 0.75:
            assert 0 <= pc.bus.inb(pick.choice((DOR, TDR, MSR, FIFO, FIFO, FIFO, DIR))) <= 255
        elif action < 0.80:
            pc.bus.outb(pick.choice((DOR, TDR, DSR, CCR)), pick.choice((0x0C, 0x02, 0x04, pick.randrange(256))))
        elif action < 0.90:
            pc.program_dma(0x10000, pick.choice((1, 512, 4096, 65536)), pick.random() < 0.5)
        elif action < 0.93:
            pc.images[0].change(Image(pick.choice((0, 360, 1440, 160)) * KIB))
        elif action < 0.97:
            pc.pump()
        else:
            clock.advance(MS)
        s = pc.fdc.s
        assert len(s.fifo) <= 16 and len(s.sense) <= 8
        assert s.transfer is None or len(s.transfer.data) <= 2 * 48 * 512


@pytest.mark.parametrize("command", range(256))
def test_every_command_ends_however_long_its_data(make, command):
    """The sequence of VENOM, and all others like it."""
    pc = make(Image(1440 * KIB))
    pc.start(non_dma=True)
    pc.bus.outb(FIFO, command)
    for _ in range(1000):
        pc.bus.outb(FIFO, 0x42)
    pc.pump()
    assert len(pc.fdc.s.fifo) <= 16
    pc.bus.outb(DSR, 0x80)
    assert pc.bus.inb(MSR) == RQM
