"""An ATAPI CD-ROM drive, from ATA/ATAPI-6 clause 9.8 (PACKET), SFF-8020i and MMC-3."""
import errno
import struct

import pytest

from qemu_py.backends.block import open_image
from tests.devices.ide_host import (
    ABRT, ALTSTATUS, BM_INTERRUPT, BMIS, COMMAND, CONTROL, COUNT, DEVICE, DRDY, DRQ, DSC, ERR, ERROR, FEATURES, HIGH, MID, SRST,
    STATUS, Failing, Host)

PACKET, IDENTIFY_PACKET, DEVICE_RESET, IDENTIFY, READ_SECTORS, SET_FEATURES = 0xA0, 0xA1, 0x08, 0xEC, 0x20, 0xEF
TEST_UNIT_READY, REQUEST_SENSE, INQUIRY, START_STOP, PREVENT, CAPACITY = 0x00, 0x03, 0x12, 0x1B, 0x1E, 0x25
READ_10, READ_12, READ_CD, READ_CD_MSF, SEEK, TOC, CONFIGURATION, EVENT = 0x28, 0xA8, 0xBE, 0xB9, 0x2B, 0x43, 0x46, 0x4A
DISC_INFORMATION, MODE_SELECT, MODE_SENSE, MECHANISM, SET_SPEED = 0x51, 0x55, 0x5A, 0xBD, 0xBB
COD, IO = 1, 2
READY = DRDY | DSC
NO_MEDIUM, NO_MEDIUM_TRAY_OPEN = (2, 0x3A, 1), (2, 0x3A, 2)
ILLEGAL_COMMAND, OUT_OF_RANGE, ILLEGAL_FIELD, PREVENTED = (5, 0x20, 0), (5, 0x21, 0), (5, 0x24, 0), (5, 0x53, 2)
CHANGED, RESET = (6, 0x28, 0), (6, 0x29, 0)
BLOCKS = 400


class CDHost(Host):
    """Adds packets. `sense` is what REQUEST SENSE says after a failure."""

    def packet(self, data, limit=0xFFFE, dma=False):
        """PACKET with its 12 bytes; the status."""
        self.outb(DEVICE, 0)
        self.outb(FEATURES, 1 if dma else 0)
        self.outb(MID, limit & 0xFF)
        self.outb(HIGH, limit >> 8)
        self.outb(COMMAND, PACKET)
        assert self.inb(ALTSTATUS) & DRQ and self.inb(COUNT) & 3 == COD
        self.outsw(bytes(data).ljust(12, b"\0"))
        return self.wait()

    def fetch(self):
        """Read every DRQ block; the data."""
        data = b""
        while self.wait() & DRQ:
            assert self.inb(COUNT) & 3 == IO
            self.inb(STATUS)
            length = self.inb(MID) | self.inb(HIGH) << 8
            data += self.insw((length + 1) // 2)[:length]
        assert self.inb(COUNT) & 3 == IO | COD
        return data

    def ask(self, *data, limit=0xFFFE):
        """A command that answers with data."""
        self.packet(data, limit)
        answer = self.fetch()
        assert not self.inb(STATUS) & ERR, self.sense()
        return answer

    def sense(self):
        self.packet((REQUEST_SENSE, 0, 0, 0, 18))
        data = self.fetch()
        return data[2] & 15, data[12], data[13]

    def fails(self, *data, limit=0xFFFE):
        """A command that ends with CHECK CONDITION; its sense."""
        assert self.packet(data, limit) & (ERR | DRQ) == ERR
        assert self.inb(COUNT) & 3 == IO | COD
        key = self.inb(ERROR) >> 4
        self.inb(STATUS)
        sense = self.sense()
        assert sense[0] == key
        return sense

    def dma(self, data, entries):
        self.prd(entries)
        self.packet(data, dma=True)
        self.start(to_memory=True)
        self.finish()
        return self.inb(BMIS)

    def read_10(self, lba, count):
        return (READ_10, 0, *struct.pack(">IxH", lba, count))


@pytest.fixture(params=[False, True], ids=["isa", "pci"])
def any_host(tmp_path, request):
    host = CDHost(tmp_path, pci=request.param)
    yield host
    host.close()


@pytest.fixture
def host(tmp_path):
    host = CDHost(tmp_path, pci=True)
    yield host
    host.close()


@pytest.fixture
def cd(host):
    """A drive with a disc, that has told of its reset."""
    host.disc = host.cdrom(BLOCKS).read_bytes()
    host.fails(TEST_UNIT_READY)
    host.inb(STATUS)
    host.history.clear()
    return host


@pytest.fixture
def empty(host):
    host.cdrom(0)
    assert host.fails(TEST_UNIT_READY) == RESET
    return host


# ---------------------------------------------------------------- ATA commands
def test_the_signature_of_a_packet_device(any_host):
    any_host.cdrom()
    assert any_host.registers() == (1, 1, 0x14, 0xEB)
    assert any_host.inb(STATUS) == 0                            # not ready for ATA commands
    any_host.outb(CONTROL, SRST)
    any_host.outb(CONTROL, 0)
    assert any_host.registers() == (1, 1, 0x14, 0xEB)


@pytest.mark.parametrize("command", [IDENTIFY, READ_SECTORS])
def test_commands_of_disks_are_aborted_and_show_the_signature(cd, command):
    assert cd.command(command, 1, device=0) & ERR
    assert cd.inb(ERROR) == ABRT
    assert cd.registers() == (1, 1, 0x14, 0xEB)


def test_identify_packet_device(cd):
    assert cd.command(IDENTIFY_PACKET, device=0) & DRQ
    words = struct.unpack("<256H", cd.insw(256))
    assert words[0] >> 14 == 2 and words[0] >> 8 & 31 == 5 and words[0] & 0x80 and words[0] & 3 == 0
    assert words[49] & 0x0300 == 0x0300
    assert words[82] & 0x0210 == 0x0210
    assert sum(struct.pack("<256H", *words)) & 0xFF == 0


def test_device_reset_ends_a_command_without_an_interrupt(cd):
    cd.packet(cd.read_10(0, 4))
    cd.inb(STATUS)
    cd.history.clear()
    cd.outb(COMMAND, DEVICE_RESET)
    assert cd.inb(ALTSTATUS) == 0 and cd.registers() == (1, 1, 0x14, 0xEB)
    assert cd.history == []


# ---------------------------------------------------------------- the protocol
def test_a_command_without_data_interrupts_once(cd):
    cd.packet((TEST_UNIT_READY,))
    assert cd.history == [1]
    assert cd.inb(COUNT) & 3 == IO | COD
    assert cd.inb(STATUS) == READY
    assert cd.history == [1, 0]


def test_data_comes_in_blocks_of_at_most_the_byte_count(cd):
    cd.packet(cd.read_10(7, 3), limit=1000)
    lengths = []
    data = b""
    while cd.wait() & DRQ:
        cd.inb(STATUS)
        lengths.append(cd.inb(MID) | cd.inb(HIGH) << 8)
        data += cd.insw(lengths[-1] // 2)
    assert lengths == [1000] * 6 + [144]
    assert data == cd.disc[7 * 2048:10 * 2048]
    cd.inb(STATUS)
    assert cd.history == [1, 0] * 8                             # each block, and the end


def test_an_odd_byte_count_is_made_even(cd):
    cd.packet(cd.read_10(0, 1), limit=2049)
    assert cd.inb(MID) | cd.inb(HIGH) << 8 == 2048
    assert cd.fetch() == cd.disc[:2048]


def test_the_allocation_length_cuts_the_answer(cd):
    assert len(cd.ask(INQUIRY, 0, 0, 0, 36)) == 36
    assert len(cd.ask(INQUIRY, 0, 0, 0, 5)) == 5
    assert cd.ask(INQUIRY, 0, 0, 0, 0) == b""


def test_overlap_is_refused(cd):
    cd.outb(FEATURES, 2)
    cd.outb(COMMAND, PACKET)
    assert cd.inb(STATUS) & ERR and cd.inb(ERROR) == ABRT


def test_an_unknown_command(cd):
    assert cd.fails(0xFF) == ILLEGAL_COMMAND


# ---------------------------------------------------------------- sense
def test_a_reset_is_told_once_before_the_next_command(host):
    host.cdrom()
    host.ask(INQUIRY, 0, 0, 0, 36)                              # answers nevertheless
    assert host.fails(TEST_UNIT_READY) == RESET
    assert host.packet((TEST_UNIT_READY,)) == READY


def test_sense_is_kept_until_it_is_asked_for(cd):
    assert cd.packet((0xFF,)) & ERR
    assert cd.sense() == ILLEGAL_COMMAND
    assert cd.sense() == (0, 0, 0)


# ---------------------------------------------------------------- reading
def test_read_10_and_12_by_pio(any_host):
    path = any_host.cdrom(BLOCKS)
    any_host.fails(TEST_UNIT_READY)
    disc = path.read_bytes()
    assert any_host.ask(*any_host.read_10(100, 70)) == disc[100 * 2048:170 * 2048]
    assert any_host.ask(READ_12, 0, *struct.pack(">II", 399, 1)) == disc[399 * 2048:]
    assert any_host.ask(*any_host.read_10(5, 0)) == b""


def test_read_by_dma(cd):
    assert cd.dma(cd.read_10(10, 4), [(0x10000, 4096), (0x20000, 4096)]) == BM_INTERRUPT
    assert cd.peek(0x10000, 4096) + cd.peek(0x20000, 4096) == cd.disc[10 * 2048:14 * 2048]
    assert cd.inb(COUNT) & 3 == IO | COD and cd.inb(STATUS) == READY


def test_answers_by_dma(cd):
    assert cd.dma((INQUIRY, 0, 0, 0, 36), [(0x10000, 36)]) == BM_INTERRUPT
    assert cd.peek(0x10000, 2) == b"\x05\x80"


def test_read_beyond_the_end(cd):
    assert cd.fails(*cd.read_10(399, 2)) == OUT_OF_RANGE
    assert cd.fails(SEEK, 0, *struct.pack(">I", 400)) == OUT_OF_RANGE
    assert cd.packet((SEEK, 0, *struct.pack(">I", 399))) == READY


def test_a_read_error(host):
    driver = Failing(100 * 2048, read_only=True)
    host.cdrom(driver=driver)
    host.fails(TEST_UNIT_READY)
    driver.error = errno.EIO
    assert host.fails(*host.read_10(0, 1)) == (3, 0x11, 0)
    host.dma(host.read_10(0, 1), [(0x10000, 2048)])
    assert host.inb(STATUS) & ERR and host.inb(ERROR) >> 4 == 3


def test_a_disc_whose_last_block_is_not_whole(host):
    path = host.image(2048 * 3 + 512)
    host.cdrom(path=path)
    host.fails(TEST_UNIT_READY)
    assert struct.unpack(">II", host.ask(CAPACITY)) == (3, 2048)
    expected = path.read_bytes()[2 * 2048:] + bytes(1536)
    assert host.ask(*host.read_10(2, 2)) == expected
    host.dma(host.read_10(2, 2), [(0x10000, 4096)])
    assert host.peek(0x10000, 4096) == expected


# ---------------------------------------------------------------- READ CD
def test_read_cd_of_user_data(cd):
    assert cd.ask(READ_CD, 0, *struct.pack(">I", 20), 0, 0, 2, 0x10) == cd.disc[20 * 2048:22 * 2048]
    assert cd.ask(READ_CD, 2 << 2, *struct.pack(">I", 20), 0, 0, 1, 0x10) == cd.disc[20 * 2048:21 * 2048]


def test_read_cd_of_whole_sectors(cd):
    data = cd.ask(READ_CD, 0, *struct.pack(">I", 75), 0, 0, 2, 0xF8)
    assert len(data) == 2 * 2352
    first = data[:2352]
    assert first[:12] == b"\0" + b"\xff" * 10 + b"\0"
    assert first[12:16] == bytes((0x00, 0x03, 0x00, 0x01))      # 00:03:00, mode 1
    assert first[16:2064] == cd.disc[75 * 2048:76 * 2048]
    cd.dma((READ_CD, 0, *struct.pack(">I", 75), 0, 0, 2, 0xF8), [(0x10000, 3000), (0x20000, 1704)])
    assert cd.peek(0x10000, 3000) + cd.peek(0x20000, 1704) == data


def test_read_cd_of_nothing(cd):
    assert cd.ask(READ_CD, 0, *struct.pack(">I", 75), 0, 0, 2, 0) == b""


@pytest.mark.parametrize("kind, parts, sub", [(1, 0x10, 0), (0, 0x12, 0), (0, 0x10, 1)])
def test_read_cd_of_what_a_data_disc_does_not_have(cd, kind, parts, sub):
    assert cd.fails(READ_CD, kind << 2, 0, 0, 0, 0, 0, 0, 1, parts, sub) == ILLEGAL_FIELD


def test_read_cd_by_time(cd):
    assert cd.ask(READ_CD_MSF, 0, 0, 0, 2, 10, 0, 2, 12, 0x10) == cd.disc[10 * 2048:12 * 2048]


# ---------------------------------------------------------------- about the disc
def test_capacity(cd):
    assert struct.unpack(">II", cd.ask(CAPACITY)) == (BLOCKS - 1, 2048)


def test_toc(cd):
    assert cd.ask(TOC, 0, 0, 0, 0, 0, 0, 0, 255).hex() == "0012" "0101" "00140100" "00000000" "0016aa00" "00000190"
    # as time: the track at 00:02:00, the end at 00:07:25
    assert cd.ask(TOC, 2, 0, 0, 0, 0, 0, 0, 255).hex() == "0012" "0101" "00140100" "00000200" "0016aa00" "00000719"
    assert cd.ask(TOC, 0, 0, 0, 0, 0, 0xAA, 0, 255).hex() == "000a" "0101" "0016aa00" "00000190"
    assert cd.fails(TOC, 0, 0, 0, 0, 0, 2, 0, 255) == ILLEGAL_FIELD


@pytest.mark.parametrize("where", [(1, 0), (0, 0x40)])
def test_session_information(cd, where):
    assert cd.ask(TOC, 0, where[0], 0, 0, 0, 0, 0, 255, where[1]).hex() == "000a" "0101" "00140100" "00000000"


def test_raw_toc(cd):
    data = cd.ask(TOC, 2, 2, 0, 0, 0, 0, 1, 0)
    assert struct.unpack_from(">HBB", data) == (46, 1, 1)
    assert [data[4 + 11 * n + 3] for n in range(4)] == [0xA0, 0xA1, 0xA2, 0x01]
    assert tuple(data[4 + 22 + 8:4 + 22 + 11]) == (0, 7, 25)
    assert cd.fails(TOC, 0, 5, 0, 0, 0, 0, 0, 255) == ILLEGAL_FIELD


def test_disc_information(cd):
    data = cd.ask(DISC_INFORMATION, 0, 0, 0, 0, 0, 0, 0, 255)
    assert len(data) == 34 and data[:7].hex() == "00200e01010101"


def test_configuration(cd):
    data = cd.ask(CONFIGURATION, 0, 0, 0, 0, 0, 0, 1, 0)
    length, profile = struct.unpack_from(">I2xH", data)
    assert length == len(data) - 4 and profile == 0x0008
    codes, at = [], 8
    while at < len(data):
        codes.append(data[at] << 8 | data[at + 1])
        at += 4 + data[at + 3]
    assert codes == sorted(codes) and {0, 1, 2, 3, 0x10, 0x1E} <= set(codes)
    assert cd.ask(CONFIGURATION, 2, 0, 3, 0, 0, 0, 1, 0)[8:].hex().startswith("0003")
    assert cd.fails(CONFIGURATION, 3) == ILLEGAL_FIELD


# ---------------------------------------------------------------- about the drive
def test_inquiry(cd):
    data = cd.ask(INQUIRY, 0, 0, 0, 255)
    assert data[:5] == bytes((5, 0x80, 0, 0x21, 31)) and data[8:16] == b"QEMU_PY "
    assert cd.fails(INQUIRY, 1, 0x80, 0, 255) == ILLEGAL_FIELD


def test_mode_sense(cd):
    data = cd.ask(MODE_SENSE, 0, 0x2A, 0, 0, 0, 0, 0, 255)
    assert data[0] << 8 | data[1] == len(data) - 2 and data[8:10] == b"\x2a\x12"
    assert data[14] & 0x29 == 0x29                              # lock, eject, tray
    assert cd.ask(MODE_SENSE, 0, 0x01, 0, 0, 0, 0, 0, 255)[8:10] == b"\x01\x06"
    every = cd.ask(MODE_SENSE, 0, 0x3F, 0, 0, 0, 0, 1, 0)
    assert len(every) == 8 + 8 + 16 + 20
    assert cd.fails(MODE_SENSE, 0, 0x3E, 0, 0, 0, 0, 0, 255) == ILLEGAL_FIELD
    assert cd.fails(MODE_SENSE, 0, 0xC1, 0, 0, 0, 0, 0, 255) == (5, 0x39, 0)


def test_mode_select_changes_what_may_be_changed(cd):
    def select(page):
        cd.packet((MODE_SELECT, 0x10, 0, 0, 0, 0, 0, *struct.pack(">H", 8 + len(page))))
        assert cd.inb(COUNT) & 3 == 0                           # data, to the device
        cd.outsw(bytes(8) + page)
        return cd.wait()
    assert select(bytes((0x01, 6, 0x20, 9, 0, 0, 0, 0xFF))) == READY
    assert cd.ask(MODE_SENSE, 0, 0x01, 0, 0, 0, 0, 0, 255)[8:] == bytes((0x01, 6, 0x20, 9, 0, 0, 0, 0))
    assert cd.ask(MODE_SENSE, 0, 0x81, 0, 0, 0, 0, 0, 255)[8:] == bytes((0x01, 6, 0, 5, 0, 0, 0, 0))     # the default
    assert select(bytes((0x05, 6, 0, 0, 0, 0, 0, 0))) & ERR
    assert cd.sense() == (5, 0x26, 0)


def test_mechanism_and_speed(cd):
    assert len(cd.ask(MECHANISM, 0, 0, 0, 0, 0, 0, 0, 0, 8)) == 8
    assert cd.packet((SET_SPEED, 0, 0xFF, 0xFF)) == READY


# ---------------------------------------------------------------- the medium
@pytest.mark.parametrize("command", [
    (TEST_UNIT_READY,), (CAPACITY,), (TOC, 0, 0, 0, 0, 0, 0, 0, 255), (READ_10, 0, 0, 0, 0, 0, 0, 0, 1), (DISC_INFORMATION,)])
def test_an_empty_drive_is_not_ready(empty, command):
    assert empty.fails(*command) == NO_MEDIUM


def test_an_empty_drive_tells_of_itself(empty):
    assert empty.ask(INQUIRY, 0, 0, 0, 36)
    assert struct.unpack_from(">H", empty.ask(CONFIGURATION, 0, 0, 0, 0, 0, 0, 1, 0), 6) == (0,)
    assert empty.ask(MODE_SENSE, 0, 0x2A, 0, 0, 0, 0, 0, 255)[2] == 0x70


def test_eject_and_load(cd):
    assert cd.packet((START_STOP, 0, 0, 0, 2)) == READY
    assert cd.fails(TEST_UNIT_READY) == NO_MEDIUM_TRAY_OPEN
    assert cd.packet((START_STOP, 0, 0, 0, 3)) == READY
    assert cd.fails(TEST_UNIT_READY) == CHANGED
    assert cd.packet((TEST_UNIT_READY,)) == READY


def test_a_locked_drive_keeps_its_disc(cd):
    cd.packet((PREVENT, 0, 0, 0, 1))
    assert cd.blk.locked
    assert cd.fails(START_STOP, 0, 0, 0, 2) == PREVENTED
    assert cd.ask(MODE_SENSE, 0, 0x2A, 0, 0, 0, 0, 0, 255)[14] & 2
    cd.packet((PREVENT,))
    assert cd.packet((START_STOP, 0, 0, 0, 2)) == READY


def test_events_of_the_medium(cd):
    assert cd.ask(EVENT, 1, 0, 0, 0x10, 0, 0, 0, 8).hex() == "0006041000020000"
    cd.blk.eject_requested()
    assert cd.ask(EVENT, 1, 0, 0, 0x10, 0, 0, 0, 8)[4] == 1
    cd.blk.eject()
    assert cd.ask(EVENT, 1, 0, 0, 0x10, 0, 0, 0, 8)[4:6] == bytes((3, 1))
    cd.blk.close_tray()
    assert cd.ask(EVENT, 1, 0, 0, 0x10, 0, 0, 0, 8)[4:6] == bytes((2, 2))
    assert cd.ask(EVENT, 1, 0, 0, 0x10, 0, 0, 0, 8)[4:6] == bytes((0, 2))
    assert cd.fails(EVENT, 0, 0, 0, 0x10, 0, 0, 0, 8) == ILLEGAL_FIELD
    assert cd.ask(EVENT, 1, 0, 0, 0x02, 0, 0, 0, 8)[2] == 0x80  # a class that is not there


def test_another_disc_is_told_of(cd):
    path = cd.image(100 * 2048, "other")
    cd.blk.change_media(open_image(str(path), "-cdrom", read_only=True))
    assert cd.fails(TEST_UNIT_READY) == CHANGED
    assert struct.unpack(">II", cd.ask(CAPACITY)) == (99, 2048)
    assert cd.ask(*cd.read_10(0, 1)) == path.read_bytes()[:2048]
    cd.blk.change_media(None)
    assert cd.fails(TEST_UNIT_READY) == NO_MEDIUM
