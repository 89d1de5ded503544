"""The PIIX3's IDE function and bus mastering, from the 82371SB's datasheet and SFF-8038i 1.0."""
import errno

import pytest

from tests.devices.ide_host import (
    ABRT, ALTSTATUS, BM_ACTIVE, BM_ERROR, BM_INTERRUPT, BMIDTP, BMIS, BSY, CONTROL, DRDY, DSC, ERR, ERROR, NIEN, RAM, SRST,
    STATUS, UNC, Failing, Host)

READ_DMA, READ_DMA_EXT, WRITE_DMA, WRITE_DMA_EXT, SEEK, FLUSH = 0xC8, 0x25, 0xCA, 0x35, 0x70, 0xE7
READY = DRDY | DSC
KIB = 1024


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path, pci=True)
    yield host
    host.close()


@pytest.fixture(params=[True, False], ids=["cached", "by a worker"])
def disk(host, request):
    host.path = host.disk(sectors=8192)
    if not request.param:
        host.closing[0].driver.file.tells_cached = False
    host.outb(0x3F6, 0)
    return host


def content(host, first, count):
    return host.path.read_bytes()[first * 512:(first + count) * 512]


def read(host, entries, count, lba=0, extended=False):
    """A whole READ DMA; the bus master's status."""
    host.prd(entries)
    host.command(READ_DMA_EXT if extended else READ_DMA, count, lba, extended=extended)
    host.start(to_memory=True)
    host.finish()
    return host.inb(BMIS)


# ---------------------------------------------------------------- configuration space
def test_the_header(host):
    read_config = host.function.read_config
    assert read_config(0, 4) == 0x70108086
    assert read_config(0x08, 4) >> 8 == 0x010180                # IDE, bus master, legacy addresses
    assert read_config(0x3D, 1) == 0                            # its interrupts are ISA's
    host.function.write_config(0x20, 0xFFFFFFFF, 4)
    assert read_config(0x20, 4) == 0xFFFFFFF1                   # 16 ports


def test_after_a_reset_nothing_is_decoded(host):
    host.disk()
    host.function.reset()
    assert host.inb(STATUS) == 0xFF
    assert host.function.read_config(0x40, 4) == 0
    host.function.write_config(0x04, 0x0001, 2)
    assert host.inb(STATUS) == 0xFF                             # IDETIM decides too
    host.function.write_config(0x40, 0x8000, 2)
    assert host.inb(STATUS) == READY
    assert host.inb(0x177) == 0xFF
    host.function.write_config(0x42, 0x8000, 2)
    assert host.inb(0x177) == 0x7F                              # no drives there


# ---------------------------------------------------------------- reads
def test_the_channels_are_decoded_still_after_a_suspend_to_ram(host):
    """Register IDETIM, whose bit 15 says so; the header's registers are the system's to restore."""
    host.function.write_config(0x40, 0xA307C2F0, 4)
    host.function.wake()
    assert host.function.read_config(0x40, 4) == 0xA307C2F0 and host.function.read_config(0x04, 2) == 0
    host.function.write_config(0x04, 5, 2)
    assert host.inb(0x1F7) != 0xFF


def test_a_read_ends_with_interrupt_and_without_active(disk):
    assert read(disk, [(0x10000, 8 * KIB)], 16, 3) == BM_INTERRUPT
    assert disk.peek(0x10000, 8 * KIB) == content(disk, 3, 16)
    assert disk.inb(STATUS) == READY
    assert disk.history == [1, 0]


def test_the_engine_may_be_started_before_the_command(disk):
    disk.prd([(0x10000, 512)])
    disk.start(to_memory=True)
    assert disk.inb(BMIS) == BM_ACTIVE
    disk.command(READ_DMA, 1, 9)
    disk.finish()
    assert disk.inb(BMIS) == BM_INTERRUPT
    assert disk.peek(0x10000, 512) == content(disk, 9, 1)


def test_regions_are_filled_in_the_order_of_the_table(disk):
    read(disk, [(0x20002, 510), (0x30000, 2), (0x18000, 512), (0x40000, 1024)], 4)
    data = b"".join(disk.peek(a, n) for a, n in ((0x20002, 510), (0x30000, 2), (0x18000, 512), (0x40000, 1024)))
    assert data == content(disk, 0, 4)


def test_a_count_of_0_is_64_kib(disk):
    assert read(disk, [(0x100000, 0), (0x110000, 0)], 256) == BM_INTERRUPT
    assert disk.peek(0x100000, 128 * KIB) == content(disk, 0, 256)


def test_lba48_moves_more_than_256_sectors(disk):
    entries = [(0x100000 + 64 * KIB * n, 0) for n in range(16)]
    assert read(disk, entries, 2048, 1000, extended=True) == BM_INTERRUPT
    assert disk.peek(0x100000, 2048 * 512) == content(disk, 1000, 2048)


def test_a_table_longer_than_the_transfer_leaves_active_set(disk):
    assert read(disk, [(0x10000, 512), (0x20000, 512)], 1) == BM_INTERRUPT | BM_ACTIVE
    disk.stop()
    assert disk.inb(BMIS) == BM_INTERRUPT


def test_a_table_shorter_than_the_transfer_ends_without_an_interrupt(disk):
    assert read(disk, [(0x10000, 512)], 2) == 0
    assert disk.inb(ALTSTATUS) & BSY
    assert disk.peek(0x10000, 512) == content(disk, 0, 1)
    disk.stop()
    disk.prd([(0x20000, 512)])                                  # a second table goes on where the first ended
    disk.start(to_memory=True)
    disk.finish()
    assert disk.inb(BMIS) == BM_INTERRUPT
    assert disk.peek(0x20000, 512) == content(disk, 1, 1)


def test_a_table_may_end_within_a_sector(disk):
    read(disk, [(0x10000, 100)], 1)
    disk.stop()
    disk.prd([(0x20000, 412)])
    disk.start(to_memory=True)
    disk.finish()
    assert disk.peek(0x10000, 100) + disk.peek(0x20000, 412) == content(disk, 0, 1)


def test_a_region_that_is_no_ram_is_written_where_there_is_some(disk):
    assert read(disk, [(RAM - 512, 1024)], 2) == BM_INTERRUPT
    assert disk.peek(RAM - 512, 512) == content(disk, 0, 1)


# ---------------------------------------------------------------- writes
@pytest.mark.parametrize("command, extended", [(WRITE_DMA, False), (WRITE_DMA_EXT, True)])
def test_a_write_takes_regions_in_order(disk, command, extended):
    disk.poke(0x10000, b"a" * 1000)
    disk.poke(0x20000, b"b" * 536)
    disk.prd([(0x10000, 1000), (0x20000, 536)])
    disk.command(command, 3, 50, extended=extended)
    disk.start(to_memory=False)
    disk.finish()
    assert disk.inb(BMIS) == BM_INTERRUPT
    assert content(disk, 50, 3) == b"a" * 1000 + b"b" * 536


def test_a_write_from_no_ram_writes_ones(disk):
    disk.prd([(RAM, 512)])
    disk.command(WRITE_DMA, 1, 50)
    disk.start(to_memory=False)
    disk.finish()
    assert content(disk, 50, 1) == b"\xff" * 512


# ---------------------------------------------------------------- registers
def test_status_bits(disk):
    disk.outb(BMIS, 0x60)
    assert disk.inb(BMIS) == 0x60                               # drives 0 and 1 are capable: the BIOS's notes
    disk.command(SEEK)
    assert disk.inb(BMIS) == 0x60 | BM_INTERRUPT                # PIO commands interrupt too
    disk.outb(BMIS, 0x60)
    assert disk.inb(BMIS) & BM_INTERRUPT
    disk.outb(BMIS, BM_INTERRUPT)
    assert disk.inb(BMIS) == 0


def test_nien_keeps_the_interrupt_from_the_status(disk):
    disk.outb(CONTROL, NIEN)
    disk.command(SEEK)
    assert disk.inb(BMIS) == 0


def test_the_table_pointer_is_readable_in_parts(disk):
    disk.outb(BMIDTP, 0x12345678, 4)
    assert disk.inb(BMIDTP, 4) == 0x12345678
    assert disk.inb(BMIDTP + 1) == 0x56
    disk.outb(BMIDTP, 0xFFFFFFFF, 4)
    assert disk.inb(BMIDTP, 4) == 0xFFFFFFFC
    assert disk.inb(BMIDTP + 8, 4) == 0                         # the secondary channel's own


def test_without_bus_mastering_nothing_moves_until_it_is_allowed(disk):
    disk.function.write_config(0x04, 0x0001, 2)
    assert read(disk, [(0x10000, 512)], 1) == BM_ACTIVE
    disk.function.write_config(0x04, 0x0005, 2)
    disk.finish()
    assert disk.inb(BMIS) == BM_INTERRUPT


def test_the_wrong_direction_is_an_error(disk):
    before = content(disk, 0, 1)
    disk.prd([(0x10000, 512)])
    disk.command(WRITE_DMA, 1)
    disk.start(to_memory=True)
    disk.finish()
    assert disk.inb(BMIS) == BM_ERROR
    assert content(disk, 0, 1) == before and disk.inb(ALTSTATUS) & BSY


def test_a_reset_ends_a_transfer_that_waits(disk):
    disk.prd([(0x10000, 512)])
    disk.command(READ_DMA, 1)
    disk.outb(CONTROL, SRST)
    disk.outb(CONTROL, 0)
    disk.start(to_memory=True)
    disk.finish()
    assert disk.peek(0x10000, 512) == bytes(512)
    assert disk.inb(ALTSTATUS) == READY


def test_beyond_the_end_is_refused(disk):
    assert disk.command(READ_DMA, 2, 8191) == READY | ERR
    assert disk.inb(ERROR) == 0x10


def test_a_read_error_interrupts(host):
    driver = Failing(1 << 20)
    host.disk(driver=driver)
    driver.error = errno.EIO
    assert read(host, [(0x10000, 512)], 1) & BM_INTERRUPT
    assert host.inb(STATUS) == READY | ERR and host.inb(ERROR) == UNC


@pytest.mark.parametrize("command", [READ_DMA, WRITE_DMA, FLUSH])
def test_a_request_that_stopped_the_machine_is_tried_again_with_it(host, command):
    driver, stops = Failing(1 << 20), []
    host.disk(driver=driver, rerror="stop", werror="stop")
    blk = host.channel.drives[0].blk
    blk.on_stop = lambda backend, number: stops.append(number)
    driver.error = errno.EIO
    host.prd([(0x10000, 512)])
    host.command(command, 1)
    if command != FLUSH:
        host.start(to_memory=command == READ_DMA)
    host.finish()
    assert stops == [errno.EIO] and host.inb(ALTSTATUS) & BSY and not host.inb(BMIS) & BM_INTERRUPT
    blk.retry()                                                 # still broken: it stops once more
    host.finish()
    assert stops == [errno.EIO] * 2
    driver.error = 0
    blk.retry()
    host.finish()
    assert host.inb(BMIS) & (BM_INTERRUPT | BM_ACTIVE) == BM_INTERRUPT and host.inb(STATUS) == READY
    assert len(driver.log) == 3


def test_a_read_only_disk_aborts(host):
    host.disk(read_only=True)
    assert host.command(WRITE_DMA, 1) == READY | ERR
    assert host.inb(ERROR) == ABRT


def test_dma_without_a_bus_master_is_aborted(tmp_path):
    host = Host(tmp_path, pci=False)
    host.disk()
    assert host.command(READ_DMA, 1) == READY | ERR
    host.close()


def test_a_table_does_not_cross_64_kib(disk):
    disk.prd([(0x20000, 512)], table=0x1FFF8)                   # the last entry before the boundary
    disk.poke(0x1FFF8, (0x30000).to_bytes(4, "little") + (512).to_bytes(4, "little"))
    disk.poke(0x10000, (0x40000).to_bytes(4, "little") + (1 << 31 | 512).to_bytes(4, "little"))
    disk.outb(BMIDTP, 0x1FFF8, 4)
    disk.command(READ_DMA, 2)
    disk.start(to_memory=True)
    disk.finish()
    assert disk.peek(0x40000, 512) == content(disk, 1, 1)


def test_translated_code_is_told_of_dma(disk):
    """What the map is told when RAM changes behind it."""
    told = []
    disk.memory.ram_written = lambda address, size: told.append((address, size))
    read(disk, [(0x10000, 1024), (0x20000, 512)], 3)
    assert told == [(0x10000, 1024), (0x20000, 512)]
