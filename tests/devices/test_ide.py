"""ATA disks through their ports, from ATA/ATAPI-6 (T13 1410D): commands, data, resets, interrupts, errors."""
import errno
import struct

import pytest

from qemu_py.devices.ata_disk import ATADisk
from qemu_py.util.errors import UserError
from tests.devices.ide_host import (
    ABRT, ALTSTATUS, BSY, COMMAND, CONTROL, COUNT, DATA, DEVICE, DRDY, DRQ, DSC, ERR, ERROR, HIGH, HOB, IDNF, LBA, LOW, MID,
    NIEN, SLAVE, SRST, STATUS, UNC, Failing, Host)

READ, READ_EXT, WRITE, WRITE_EXT, READ_MULTIPLE, WRITE_MULTIPLE = 0x20, 0x24, 0x30, 0x34, 0xC4, 0xC5
READ_MULTIPLE_EXT, WRITE_MULTIPLE_EXT, SET_MULTIPLE, VERIFY, VERIFY_EXT, SEEK = 0x29, 0x39, 0xC6, 0x40, 0x42, 0x70
IDENTIFY, SET_FEATURES, FLUSH, FLUSH_EXT, DIAGNOSTIC, INIT_PARAMETERS = 0xEC, 0xEF, 0xE7, 0xEA, 0x90, 0x91
CHECK_POWER, IDLE, STANDBY, IDLE_NOW, STANDBY_NOW, SLEEP, SMART, RECALIBRATE = 0xE5, 0xE3, 0xE2, 0xE1, 0xE0, 0xE6, 0xB0, 0x10
READ_BUFFER, WRITE_BUFFER, DEVICE_RESET, PACKET, IDENTIFY_PACKET = 0xE4, 0xE8, 0x08, 0xA0, 0xA1
SECURITY = (0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6)
READY = DRDY | DSC


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path, pci=False)
    yield host
    host.close()


@pytest.fixture(params=[True, False], ids=["cached", "by a worker"])
def disk(host, request):
    host.path = host.disk()
    if not request.param:
        host.closing[0].driver.file.tells_cached = False
    return host


def sectors(host, first, count):
    return host.path.read_bytes()[first * 512:(first + count) * 512]


def identify(host):
    assert host.command(IDENTIFY) == READY | DRQ
    return struct.unpack("<256H", host.insw(256))


def text(words):
    return struct.pack(f">{len(words)}H", *words).decode().strip()


# ---------------------------------------------------------------- reset and signature
def test_signature_of_a_disk_after_power_on(disk):
    assert disk.registers() == (1, 1, 0, 0)
    assert disk.inb(ERROR) == 1
    assert disk.inb(STATUS) == READY


def test_software_reset_is_busy_while_it_is_asserted(disk):
    disk.command(READ, 1)
    disk.outb(CONTROL, SRST)
    assert disk.inb(ALTSTATUS) & BSY
    disk.outb(CONTROL, 0)
    assert disk.inb(ALTSTATUS) == READY
    assert disk.registers() == (1, 1, 0, 0) and disk.inb(ERROR) == 1


def test_an_empty_channel_reads_with_bit_7_low(host):
    assert host.inb(STATUS) == 0x7F
    host.outb(COUNT, 0x55)
    assert host.inb(COUNT) != 0x55
    assert host.inb(DATA, 2) & 0x80 == 0


def test_an_absent_device_1_beside_device_0_reads_as_0(disk):
    disk.outb(DEVICE, SLAVE)
    assert disk.inb(STATUS) == disk.inb(ALTSTATUS) == 0
    disk.outb(COMMAND, IDENTIFY)                # nobody hears it
    assert disk.inb(STATUS) == 0
    disk.outb(DEVICE, 0)
    assert disk.inb(STATUS) == READY


def test_diagnostic_shows_the_signature_on_both_and_interrupts(host):
    host.disk(unit=0)
    host.disk(unit=1)
    host.outb(DEVICE, SLAVE)
    host.outb(COMMAND, DIAGNOSTIC)
    assert host.history == [1]
    assert host.inb(ERROR) == 1 and host.registers() == (1, 1, 0, 0)
    host.outb(DEVICE, SLAVE)
    assert host.inb(ERROR) == 1 and host.registers() == (1, 1, 0, 0)


def test_registers_are_written_on_both_devices_commands_go_to_the_selected_one(host):
    paths = [host.disk(unit=unit, sectors=1024 + unit) for unit in (0, 1)]
    for unit, device in ((0, 0), (1, SLAVE)):
        host.command(READ, 1, 7, device=LBA | device)
        assert host.insw(256) == paths[unit].read_bytes()[7 * 512:8 * 512]


# ---------------------------------------------------------------- IDENTIFY DEVICE
def test_identify_tells_size_names_and_modes(disk):
    words = identify(disk)
    assert words[0] & 0x8000 == 0
    assert (words[1], words[3], words[6]) == (2048 // 1008, 16, 63)
    assert text(words[10:20]) == "QP00001" and text(words[27:47]) == "QEMU_PY HARDDISK"
    assert words[47] & 0xFF == 16
    assert words[49] & 0x0300 == 0x0300                         # LBA, DMA
    assert words[60] | words[61] << 16 == 2048
    assert words[100] | words[101] << 16 == 2048 and words[102] == words[103] == 0
    assert words[83] & 0x7400 == 0x7400                         # flush cache (ext), 48-bit
    assert words[128] == 0 and words[82] & 2 == 0               # no security
    assert words[63] & 7 == 7 and words[88] & 0x3F == 0x3F


def test_identify_has_a_check_sum(disk):
    disk.command(IDENTIFY)
    data = disk.insw(256)
    assert data[510] == 0xA5 and sum(data) & 0xFF == 0


def test_a_disk_beyond_28_bits_says_so_in_words_100_to_103(host):
    host.disk(driver=Failing((1 << 28) * 512 + (5 << 20)))
    words = identify(host)
    assert words[60] | words[61] << 16 == 0x0FFFFFFF
    assert words[100] | words[101] << 16 == (1 << 28) + (5 << 11)
    assert (words[1], words[3], words[6]) == (16383, 16, 63)


# ---------------------------------------------------------------- PIO reads
def test_more_sectors_than_lba48_has_are_refused(host):
    with pytest.raises(UserError, match="128 PiB"):
        ATADisk(blk=host.backend(Failing(512 << 49)))


def test_a_sector_is_read_with_one_interrupt(disk):
    assert disk.command(READ, 1, 5) == READY | DRQ
    assert disk.history == [1]
    assert disk.inb(STATUS) == READY | DRQ
    assert disk.history == [1, 0]
    assert disk.insw(256) == sectors(disk, 5, 1)
    assert disk.inb(STATUS) == READY
    assert disk.history == [1, 0]               # none at the end


def test_each_sector_interrupts(disk):
    disk.command(READ, 3, 10)
    data = b""
    for _ in range(3):
        assert disk.wait() & DRQ
        disk.inb(STATUS)
        data += disk.insw(256)
    assert data == sectors(disk, 10, 3)
    assert disk.history == [1, 0] * 3
    assert disk.inb(STATUS) == READY


def test_a_count_of_0_is_256_sectors(disk):
    disk.command(READ, 0, 100)
    assert b"".join(disk.insw(256) for _ in range(256)) == sectors(disk, 100, 256)
    assert disk.inb(STATUS) == READY


def test_data_may_be_read_in_words_double_words_and_strings(disk):
    disk.command(READ, 1, 9)
    data = disk.inb(DATA, 2).to_bytes(2, "little") + disk.inb(DATA, 4).to_bytes(4, "little")
    data += disk.insw(252) + disk.inb(DATA, 2).to_bytes(2, "little")
    assert data == sectors(disk, 9, 1)[:512]
    assert disk.inb(STATUS) == READY


def test_chs_addresses(disk):
    disk.command(READ, 1, lba=1 | 1 << 8, device=3)             # cylinder 1, head 3, sector 1
    assert disk.insw(256) == sectors(disk, (1 * 16 + 3) * 63, 1)


@pytest.mark.parametrize("address, device", [(0, 0), (64, 0)])
def test_sector_0_and_those_beyond_the_track_are_not_found(disk, address, device):
    assert disk.command(READ, 1, address, device) == READY | ERR
    assert disk.inb(ERROR) == IDNF


def test_another_translation(disk):
    assert disk.command(INIT_PARAMETERS, count=17, device=3) == READY       # 17 sectors, 4 heads
    disk.command(READ, 1, lba=2 | 5 << 8, device=1)
    assert disk.insw(256) == sectors(disk, (5 * 4 + 1) * 17 + 1, 1)
    words = identify(disk)
    assert (words[54], words[55], words[56]) == (2048 // 68, 4, 17)


def test_lba48(disk):
    assert disk.command(READ_EXT, 2, 1030, extended=True) & DRQ
    assert disk.insw(256) + disk.insw(256) == sectors(disk, 1030, 2)


def test_hob_shows_what_the_registers_held_before(disk):
    disk.command(VERIFY_EXT, 0x0102, 0x030405, extended=True)
    disk.command(SEEK, 0, 0)
    for port, high, low in ((COUNT, 0x11, 0x22), (LOW, 0x33, 0x44), (MID, 0x55, 0x66), (HIGH, 0x77, 0x88)):
        disk.outb(port, high)
        disk.outb(port, low)
        assert disk.inb(port) == low
        disk.outb(CONTROL, HOB)
        assert disk.inb(port) == high
        disk.outb(port, 0)                      # any write of the command block clears HOB
        assert disk.inb(port) == 0


def test_reading_over_the_end_gives_what_is_there_then_idnf(disk):
    disk.command(READ, 4, 2046)
    assert disk.insw(512) == sectors(disk, 2046, 2)
    assert disk.wait() == READY | ERR
    assert disk.inb(ERROR) == IDNF
    assert disk.registers()[1:] == (0x00, 0x08, 0x00)           # sector 2048
    assert disk.command(READ, 1, 2048) == READY | ERR


# ---------------------------------------------------------------- multiple
def test_multiple_transfers_blocks(disk):
    assert disk.command(SET_MULTIPLE, 8) == READY
    disk.inb(STATUS)
    disk.history.clear()
    disk.command(READ_MULTIPLE, 20, 30)
    data = b""
    for count in (8, 8, 4):
        disk.inb(STATUS)
        data += disk.insw(256 * count)
    assert data == sectors(disk, 30, 20)
    assert disk.history == [1, 0] * 3
    assert identify(disk)[59] == 0x0108


def test_blocks_of_16_are_the_default(disk):
    assert identify(disk)[59] == 0x0110
    disk.command(READ_MULTIPLE, 16, 3)
    assert disk.insw(256 * 16) == sectors(disk, 3, 16)


def test_multiple_can_be_switched_off(disk):
    assert disk.command(SET_MULTIPLE, 0) == READY
    assert identify(disk)[59] == 0
    assert disk.command(READ_MULTIPLE, 1) == READY | ERR
    assert disk.inb(ERROR) == ABRT


@pytest.mark.parametrize("count", [3, 32, 255])
def test_odd_block_sizes_are_refused_and_leave_multiple_off(disk, count):
    disk.command(SET_MULTIPLE, 8)
    assert disk.command(SET_MULTIPLE, count) == READY | ERR
    assert disk.command(READ_MULTIPLE, 1) == READY | ERR


# ---------------------------------------------------------------- PIO writes
def test_a_write_asks_for_the_first_block_without_an_interrupt(disk):
    assert disk.command(WRITE, 2, 40) == READY | DRQ
    assert disk.history == []
    disk.outsw(b"ab" * 256)
    assert disk.wait() == READY | DRQ
    assert disk.history == [1]
    disk.inb(STATUS)
    disk.outsw(b"cd" * 256)
    assert disk.wait() == READY
    assert disk.history == [1, 0, 1]
    assert sectors(disk, 40, 2) == b"ab" * 256 + b"cd" * 256


@pytest.mark.parametrize("command, extended", [(WRITE_MULTIPLE, False), (WRITE_MULTIPLE_EXT, True), (WRITE_EXT, True)])
def test_all_ways_to_write(disk, command, extended):
    disk.command(SET_MULTIPLE, 4)
    data = bytes(range(256)) * 2 * 300
    count = 300 if extended else 100
    disk.command(command, count, 500, extended=extended)
    for at in range(0, count * 512, 512):
        assert disk.wait() & DRQ
        disk.outsw(data[at:at + 512])
    assert disk.wait() == READY
    assert sectors(disk, 500, count) == data[:count * 512]


def test_a_read_only_disk_aborts_writes(host):
    host.path = host.disk(read_only=True)
    before = host.path.read_bytes()
    for command in (WRITE, WRITE_MULTIPLE, WRITE_EXT):
        assert host.command(command, 1) == READY | ERR
        assert host.inb(ERROR) == ABRT
    assert host.path.read_bytes() == before


# ---------------------------------------------------------------- interrupts
def test_nien_holds_the_line(disk):
    disk.outb(CONTROL, NIEN)
    disk.command(SEEK)
    assert disk.history == []
    disk.outb(CONTROL, 0)                       # still pending
    assert disk.history == [1]


def test_the_line_is_the_selected_devices(host):
    host.disk(unit=0)
    host.disk(unit=1)
    host.command(SEEK, device=LBA)
    host.outb(DEVICE, SLAVE)
    assert host.history == [1, 0]
    host.outb(DEVICE, 0)
    assert host.history == [1, 0, 1]


def test_alternate_status_does_not_acknowledge(disk):
    disk.command(SEEK)
    disk.inb(ALTSTATUS)
    assert disk.history == [1]
    disk.inb(STATUS)
    assert disk.history == [1, 0]


# ---------------------------------------------------------------- other commands
@pytest.mark.parametrize("command", [SEEK, 0x7F, RECALIBRATE, 0x1F, VERIFY, FLUSH, FLUSH_EXT, IDLE, IDLE_NOW, STANDBY, STANDBY_NOW])
def test_commands_without_data_end_with_an_interrupt(disk, command):
    assert disk.command(command, 1) == READY
    assert disk.history == [1]


@pytest.mark.parametrize("command", [0x00, DEVICE_RESET, PACKET, IDENTIFY_PACKET, 0x02, 0xFF, *SECURITY])
def test_what_a_disk_does_not_have_is_aborted(disk, command):
    assert disk.command(command) == READY | ERR
    assert disk.inb(ERROR) == ABRT
    assert disk.history == [1]


def test_power_modes(disk):
    disk.command(CHECK_POWER)
    assert disk.inb(COUNT) == 0xFF
    disk.command(STANDBY_NOW)
    disk.command(CHECK_POWER)
    assert disk.inb(COUNT) == 0x00
    disk.command(IDLE_NOW)
    disk.command(CHECK_POWER)
    assert disk.inb(COUNT) == 0xFF


def test_only_a_reset_wakes_from_sleep(disk):
    disk.command(SLEEP)
    disk.command(READ, 1)
    assert disk.inb(ALTSTATUS) & DRQ == 0
    disk.outb(CONTROL, SRST)
    disk.outb(CONTROL, 0)
    assert disk.command(READ, 1) & DRQ


def test_verify_looks_at_addresses(disk):
    assert disk.command(VERIFY, 2, 2046) == READY
    assert disk.command(VERIFY, 3, 2046) == READY | ERR
    assert disk.inb(ERROR) == IDNF


@pytest.mark.parametrize("mode, word, value", [(0x22, 63, 0x0407), (0x20, 63, 0x0107), (0x45, 88, 0x203F), (0x40, 88, 0x013F)])
def test_transfer_modes(disk, mode, word, value):
    assert disk.command(SET_FEATURES, mode, features=3) == READY
    assert identify(disk)[word] == value


@pytest.mark.parametrize("mode", [0x23, 0x46, 0x10, 0x80, 0x0D])
def test_modes_that_do_not_exist_are_aborted(disk, mode):
    assert disk.command(SET_FEATURES, mode, features=3) == READY | ERR


def test_the_write_cache_can_be_switched(host):
    driver = Failing(1 << 20)
    host.disk(driver=driver)
    assert identify(host)[85] & 0x20
    assert host.command(SET_FEATURES, features=0x82) == READY
    assert driver.log == ["flush"]
    assert not identify(host)[85] & 0x20
    host.command(WRITE, 1)
    host.outsw(bytes(512))
    assert host.wait() == READY
    assert driver.log == ["flush", "write", "flush"]            # a write is on the disk when it ends
    host.command(SET_FEATURES, features=0x02)
    assert identify(host)[85] & 0x20


def test_an_unknown_feature_is_aborted(disk):
    assert disk.command(SET_FEATURES, features=0x99) == READY | ERR


def test_smart_wants_its_key(disk):
    assert disk.command(SMART, features=0xDA) == READY | ERR
    assert disk.command(SMART, features=0xDA, lba=0xC24F00) == READY
    assert disk.registers()[2:] == (0x4F, 0xC2)                 # no threshold is exceeded
    for feature in (0xD0, 0xD1):
        assert disk.command(SMART, features=feature, lba=0xC24F00) & DRQ
        assert sum(disk.insw(256)) & 0xFF == 0
    assert disk.command(SMART, features=0xD9, lba=0xC24F00) == READY
    assert disk.command(SMART, features=0xD0, lba=0xC24F00) == READY | ERR
    assert disk.command(SMART, features=0xD8, lba=0xC24F00) == READY


def test_the_sector_buffer(disk):
    assert disk.command(WRITE_BUFFER) == READY | DRQ
    disk.outsw(b"xy" * 256)
    assert disk.wait() == READY
    disk.command(READ_BUFFER)
    assert disk.insw(256) == b"xy" * 256


# ---------------------------------------------------------------- errors of the image
def test_a_read_error_is_unc_with_the_sectors_address(host):
    driver = Failing(1 << 20)
    host.disk(driver=driver)
    driver.error = errno.EIO
    assert host.command(READ, 1, 77) == READY | ERR
    assert host.inb(ERROR) == UNC and host.registers()[1:] == (77, 0, 0)


def test_a_write_error_reaches_the_guest(host):
    driver = Failing(1 << 20)
    host.disk(driver=driver, werror="report")
    driver.error = errno.ENOSPC
    host.command(WRITE, 1)
    host.outsw(bytes(512))
    assert host.wait() & ERR


def test_a_failed_flush_is_aborted(host):
    driver = Failing(1 << 20)
    host.disk(driver=driver)
    driver.error = errno.EIO
    assert host.command(FLUSH) == READY | ERR


def test_ignored_errors_are_success(host):
    driver = Failing(1 << 20)
    host.disk(driver=driver, rerror="ignore", werror="ignore")
    driver.error = errno.EIO
    assert host.command(READ, 1) == READY | DRQ
    host.insw(256)
    assert host.command(FLUSH) == READY


@pytest.mark.parametrize("werror, error", [("stop", errno.EIO), ("enospc", errno.ENOSPC)])
def test_a_write_that_stops_the_machine_is_tried_again(host, werror, error):
    driver, stops = Failing(1 << 20), []
    host.disk(driver=driver, werror=werror)
    blk = host.channel.drives[0].blk
    blk.on_stop = lambda backend, number: stops.append(number)
    driver.error = error
    host.command(WRITE, 1)
    host.outsw(bytes(512))
    assert host.wait() & BSY and stops == [error]
    driver.error = 0
    blk.retry()
    assert host.wait() == READY
    assert driver.log == ["write", "write"]


def test_a_reset_forgets_a_write_that_waits(host):
    driver = Failing(1 << 20)
    host.disk(driver=driver, werror="stop")
    blk = host.channel.drives[0].blk
    blk.on_stop = lambda backend, number: None
    driver.error = errno.EIO
    host.command(WRITE, 1)
    host.outsw(bytes(512))
    host.wait()
    host.outb(CONTROL, SRST)
    host.outb(CONTROL, 0)
    assert blk.parked == [] and host.inb(STATUS) == READY


# ---------------------------------------------------------------- what a guest should not do
def test_data_that_is_not_there_reads_as_ones(disk):
    assert disk.inb(DATA, 2) == 0xFFFF
    assert disk.insw(4) == b"\xff" * 8
    disk.outsw(bytes(8))


def test_a_command_in_the_middle_of_a_transfer_ends_it(disk):
    disk.command(READ, 4)
    disk.insw(100)
    disk.command(READ, 1, 3)
    assert disk.insw(256) == sectors(disk, 3, 1)


def test_a_reset_in_the_middle_of_a_write_leaves_the_image(disk):
    before = disk.path.read_bytes()
    disk.command(WRITE, 2)
    disk.outsw(bytes(700))
    disk.channel.reset()
    disk.finish()
    assert disk.path.read_bytes() == before
