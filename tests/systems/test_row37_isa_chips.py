"""Row 37, pc_basic_device_init: the clock, keyboard controller, DMA, diskettes and parallel ports of both machines."""
import pytest

from qemu_py.machine.drives import DriveOptions
from qemu_py.options import machine_config, parse_arguments
from qemu_py.util.errors import UserError
from tests.machines import Capture

both = pytest.mark.parametrize("kind", ["pc", "isapc"])
KIB = 1024


def floppy(tmp_path, unit, size):
    path = tmp_path / f"diskette{unit}"
    path.write_bytes(bytes(size))
    return DriveOptions("-fda", "floppy", 0, unit, file=str(path), format="raw")


def cmos(machine, n):
    machine.memory.physmap.port_write(0x70, n, 1)
    return machine.memory.physmap.port_read(0x71, 1)


@both
def test_ports_are_where_a_pc_has_them(make_machine, kind):
    machine = make_machine(machine=kind, parallels=[Capture(), Capture(), Capture()])
    found = {port: section and section.mr.name for port in (
        0x00, 0x0F, 0x60, 0x64, 0x70, 0x71, 0x81, 0x8F, 0xC0, 0xDF, 0x278, 0x378, 0x3BC, 0x3F2, 0x3F5, 0x3F7)
        for section in [machine.memory.address_space_io.find(port)]}
    assert found == {0x00: "dma-chan", 0x0F: "dma-chan", 0x60: "i8042-data", 0x64: "i8042-cmd", 0x70: "rtc", 0x71: "rtc",
                     0x81: "dma-page", 0x8F: "dma-page", 0xC0: "dma-cont", 0xDF: "dma-cont", 0x278: "parallel",
                     0x378: "parallel", 0x3BC: "parallel", 0x3F2: "fdc", 0x3F5: "fdc", 0x3F7: "fdc"}


@both
def test_the_diskette_drives_in_the_cmos(make_machine, tmp_path, kind):
    def types(*drives):
        machine = make_machine(machine=kind, drives=list(drives))
        found = cmos(machine, 0x10), cmos(machine, 0x14) & 0xC1
        machine.close()                 # gives the images back
        return found
    assert types() == (0x40, 0x01)                                              # an empty one for 1.44 MiB
    assert types(floppy(tmp_path, 0, 1200 * KIB)) == (0x20, 0x01)
    assert types(floppy(tmp_path, 0, 2880 * KIB), floppy(tmp_path, 1, 360 * KIB)) == (0x51, 0x41)


def test_an_image_that_is_no_diskette_is_refused(make_machine, tmp_path):
    with pytest.raises(UserError, match="8192 KiB is no size of a diskette") as error:
        make_machine(drives=[floppy(tmp_path, 0, 8192 * KIB)])
    assert "\n" not in str(error.value)


@both
def test_a_diskette_is_read_through_dma_into_the_guests_memory(make_machine, tmp_path, kind):
    image = bytes(range(256)) * (720 * 4)
    drive = floppy(tmp_path, 0, 720 * KIB)
    (tmp_path / "diskette0").write_bytes(image)
    machine = make_machine(machine=kind, drives=[drive])
    with machine.main_loop.lock:
        machine.system_reset()
        out, inb = machine.memory.physmap.port_write, machine.memory.physmap.port_read
        for port, value in ((0xD6, 0xC0), (0xD4, 0), (0x3F2, 0x0C), (0x3F7, 2), (0x3F5, 3), (0x3F5, 0xAF), (0x3F5, 2),
                            (0x0A, 6), (0x0C, 0), (0x0B, 0x46), (0x04, 0), (0x04, 0x50), (0x81, 1), (0x05, 0xFF),
                            (0x05, 0x07), (0x0A, 2)):
            out(port, value, 1)
        for value in (0xE6, 0, 0, 0, 2, 2, 9, 0x1B, 0xFF):
            out(0x3F5, value, 1)
        machine.drives.drain()
        assert machine.memory.address_space_memory.read(0x15000, 2048) == image[512:512 + 2048]
        assert [inb(0x3F5, 1) for _ in range(7)] == [0, 0, 0, 0, 0, 6, 2]


def test_what_the_guest_prints_goes_to_the_character_device(make_machine):
    printer = Capture()
    machine = make_machine(parallels=[None, printer])
    with machine.main_loop.lock:
        machine.system_reset()
        out = machine.memory.physmap.port_write
        out(0x278, 0x41, 1), out(0x27A, 0x0D, 1), out(0x27A, 0x0C, 1)
        assert printer.data == b"A" and machine.memory.physmap.port_read(0x378, 1) == 0xFF


def test_the_options():
    config = machine_config(parse_arguments([]))
    assert len(config.parallels) == 1
    assert machine_config(parse_arguments(["-parallel", "none"])).parallels == [None]
    with pytest.raises(UserError, match="no more than 3 parallel ports"):
        parse_arguments(["-parallel", "null"] * 4)


@both
def test_every_chip_survives_a_reset_while_it_works(make_machine, kind):
    machine = make_machine(machine=kind)
    with machine.main_loop.lock:
        machine.system_reset()
        out, inb = machine.memory.physmap.port_write, machine.memory.physmap.port_read
        for port, value in ((0x70, 0x0B), (0x71, 0x72), (0x3F2, 0x0C), (0x3F5, 0x0F), (0x60, 0xFF), (0x64, 0xD4),
                            (0x60, 0xFF), (0x64, 0xDD), (0x3F5, 0x00), (0x3F5, 0x20)):
            out(port, value, 1)
        machine.system_reset()
        for clock in machine.clocks.all:
            clock.run_timers()
        assert machine.cpus[0].a20 == 1 and inb(0x64, 1) & 1 == 0
        out(0x70, 0x0B, 1)
        assert inb(0x71, 1) == 0x02
