"""Whatever a guest writes to IDE's ports, in whatever order: no exception, no hang, and a reset brings the drives back."""
import random

import pytest

from tests.devices.ide_host import (
    ALTSTATUS, BMIC, COMMAND, CONTROL, DATA, DEVICE, DRDY, DSC, FEATURES, RAM, SRST, STATUS, Host)

COMMANDS = (0x00, 0x08, 0x10, 0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x70, 0x90, 0x91, 0xA0, 0xA0, 0xA1, 0xB0,
            0xC4, 0xC5, 0xC6, 0xC8, 0xCA, 0xE0, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xEC, 0xEF, 0xF5)
PACKETS = (0x00, 0x03, 0x12, 0x1B, 0x1E, 0x25, 0x28, 0x2B, 0x43, 0x46, 0x4A, 0x51, 0x55, 0x5A, 0xA8, 0xB9, 0xBB, 0xBD, 0xBE)


def step(host, pick):
    """One thing that a guest may do."""
    kind = pick.random()
    if kind < 0.15:
        host.outb(COMMAND, pick.choice(COMMANDS) if pick.random() < 0.8 else pick.randrange(256))
    elif kind < 0.35:
        host.outb(pick.randrange(FEATURES, DEVICE), pick.choice((0, 1, 2, 4, 0xFF, pick.randrange(256))))
    elif kind < 0.40:
        host.outb(DEVICE, pick.choice((0x00, 0x10, 0x40, 0x50, 0xE0, 0xF0)))
    elif kind < 0.50:
        size = pick.choice((1, 2, 4))
        host.inb(pick.randrange(DATA, STATUS + 1), size)
    elif kind < 0.65:
        host.insw(pick.choice((1, 6, 256, 2048)))
    elif kind < 0.80:
        if pick.random() < 0.5:         # perhaps a packet
            host.outsw(bytes((pick.choice(PACKETS), *(pick.choice((0, 0, 1, 2, 0x2A, 0xFF)) for _ in range(11)))))
        else:
            host.outsw(pick.randbytes(2 * pick.choice((1, 6, 256, 2048))))
    elif kind < 0.83:
        host.outb(CONTROL, pick.choice((0, 0, 2, SRST, 0x80)))
    elif kind < 0.93:
        host.outb(BMIC + pick.randrange(8), pick.choice((0, 1, 8, 9, pick.randrange(256))), pick.choice((1, 1, 2, 4)))
    elif kind < 0.96:
        host.prd([(pick.choice((0x10000, 0x20001, RAM - 100, 0xFFFFFFF0)), pick.choice((0, 2, 511, 512, 4096)))
                  for _ in range(pick.randrange(1, 9))])
    elif kind < 0.98:
        host.aio.poll()
    else:
        host.finish()


@pytest.mark.parametrize("seed", range(6))
def test_random_accesses(tmp_path, seed):
    host, pick = Host(tmp_path, pci=True), random.Random(seed)
    size = host.disk(sectors=1000).stat().st_size
    host.cdrom(blocks=300, unit=1)
    for _ in range(4000):
        step(host, pick)
    host.finish()
    host.function.write_config(0x04, 0x0005, 2)
    host.outb(CONTROL, SRST)
    host.outb(CONTROL, 0)
    assert host.inb(ALTSTATUS) == DRDY | DSC
    assert host.command(0x20, 1, 7) & 0x08
    host.insw(256)
    host.close()
    assert (tmp_path / "disk0").stat().st_size == size          # an image neither grows nor shrinks
