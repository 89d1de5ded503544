"""debugcon, isa-debug-exit, port 80h."""
import pytest

from qemu_py.devices import device_class, scan
from qemu_py.system.device import parse_uint
from qemu_py.util.errors import UserError


def test_debugcon_sends_what_is_written_and_reads_e9(pc_bus, chardev):
    pc_bus.add("isa-debugcon", chardev=chardev)
    for c in b"ok\n":
        pc_bus.outb(0xE9, c)
    assert chardev.sent == b"ok\n"
    assert pc_bus.inb(0xE9) == 0xE9


@pytest.mark.parametrize("value, status", [(0, 1), (0x10, 33), (0x11, 35)])
def test_isa_debug_exit_gives_twice_the_value_plus_one(pc_bus, value, status):
    pc_bus.add("isa-debug-exit", iobase=0xF4, iosize=4)
    pc_bus.outl(0xF4, value)
    assert pc_bus.exit_status == status


def test_the_package_scan_finds_every_device():
    assert {"isa-i8259", "isa-pit", "isa-serial", "isa-debugcon", "isa-debug-exit", "isa-pcspk", "port80"} <= set(scan())
    assert device_class("no-such-device") is None


def test_every_device_says_what_it_is():
    for name, cls in scan().items():
        assert cls.NAME == name and cls.DESC, name
        assert cls.State.VERSION >= 1
        for prop in cls.PROPERTIES.values():
            assert prop.help


@pytest.mark.parametrize("text, value", [("0", 0), ("10", 10), ("0x1f", 31), ("017", 15)])
def test_numbers_of_properties_are_written_as_in_c(text, value):
    assert parse_uint(text) == value


@pytest.mark.parametrize("text", ["", "x", "-1", "0x", "08", "1.5", "0x100000000", " 1"])
def test_what_is_not_a_number_is_refused(text):
    with pytest.raises(ValueError):
        parse_uint(text)


@pytest.mark.parametrize("options, words", [
    ({"iobase": "zz"}, "iobase"), ({"iobas": "0xf4"}, "iobas"), ({"iobase": "0x10000"}, "16 bits")])
def test_a_bad_property_is_one_clear_line(options, words):
    with pytest.raises(UserError) as error:
        device_class("isa-debug-exit").from_options(None, options)
    assert words in str(error.value) and "\n" not in str(error.value)
