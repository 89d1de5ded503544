"""Row 34, the rest of it: rtc_clock, what -rtc gives the clock chip; and the CMOS RAM that a BIOS reads."""
from datetime import datetime, timedelta

import pytest

from qemu_py.options import machine_config, parse_arguments
from qemu_py.util.errors import UserError

INDEX, DATA = 0x70, 0x71


def cmos(machine, n):
    machine.memory.physmap.port_write(INDEX, n, 1)
    return machine.memory.physmap.port_read(DATA, 1)


def word(machine, n):
    return cmos(machine, n) | cmos(machine, n + 1) << 8


def bcd(machine, n):
    value = cmos(machine, n)
    return (value >> 4) * 10 + (value & 15)


def guest_time(machine):
    """The time as a guest reads it; the date's century is at 32h."""
    with machine.main_loop.lock:
        return datetime(bcd(machine, 0x32) * 100 + bcd(machine, 9), bcd(machine, 8), bcd(machine, 7), bcd(machine, 4),
                        bcd(machine, 2), bcd(machine, 0))


def host_time(utc):
    from datetime import timezone
    return datetime.now(timezone.utc).replace(tzinfo=None) if utc else datetime.now()


@pytest.mark.parametrize("base", ["utc", "localtime"])
def test_the_clock_begins_with_the_hosts_time(make_machine, base):
    before = host_time(base == "utc")
    machine = make_machine(rtc_base=base)
    found = guest_time(machine)
    assert before - timedelta(seconds=1) <= found <= host_time(base == "utc")


def test_the_clock_begins_with_a_given_date(make_machine):
    machine = make_machine(rtc_base=datetime(1999, 12, 31, 23, 59, 10), rtc_clock="vm")
    assert guest_time(machine) == datetime(1999, 12, 31, 23, 59, 10)


def test_a_clock_on_vm_time_stands_while_the_machine_does(make_machine):
    machine = make_machine(rtc_base=datetime(2026, 1, 1), rtc_clock="vm")
    vm = machine.clocks.vm
    assert machine.clocks.rtc_clock is vm and not vm.enabled
    vm.set_ns(3_500_000_000)      # as after three and a half seconds of running
    assert guest_time(machine) == datetime(2026, 1, 1, 0, 0, 3)


def test_clock_rt_and_host_are_the_machines_own(make_machine):
    for name in ("rt", "host"):
        machine = make_machine(rtc_clock=name)
        assert machine.rtc.clock is getattr(machine.clocks, name) is machine.clocks.rtc_clock


def test_a_host_clock_set_back_takes_the_guests_time_with_it(make_machine):
    machine = make_machine(rtc_base=datetime(2026, 6, 1, 12, 0, 0))
    host = machine.clocks.host
    real = host.source
    before = guest_time(machine)
    host.source = lambda: real() - 3600 * 10 ** 9
    host.get_ns()
    assert before - timedelta(hours=1) <= guest_time(machine) < before


@pytest.mark.parametrize("text, base, clock", [
    ("base=utc", "utc", None), ("base=localtime,clock=vm", "localtime", "vm"), ("clock=rt", None, "rt"),
    ("base=2006-06-17T16:01:21", datetime(2006, 6, 17, 16, 1, 21), None), ("base=2006-06-17", datetime(2006, 6, 17), None),
    ("base=utc,driftfix=none,clock=host", "utc", "host")])
def test_the_option(text, base, clock):
    config = machine_config(parse_arguments(["-rtc", text]))
    assert config.rtc_base == (base or "utc") and config.rtc_clock == (clock or "host")


@pytest.mark.parametrize("text", ["base=2006-13-01", "base=", "base", "clock=tsc", "driftfix=slew", "utc", "base=utc,when=now"])
def test_a_bad_option_is_one_line(text):
    with pytest.raises(UserError, match="-rtc") as error:
        parse_arguments(["-rtc", text])
    assert "\n" not in str(error.value)


def test_the_size_of_memory_in_the_cmos(make_machine):
    machine = make_machine(ram_size=128 << 20)
    assert word(machine, 0x15) == 640
    assert word(machine, 0x17) == word(machine, 0x30) == 0xFFFF         # more than 64 MiB less one
    assert word(machine, 0x34) == (128 - 16) * 16
    assert word(machine, 0x5B) == 0 and cmos(machine, 0x5D) == 0
    machine = make_machine(ram_size=8 << 20)
    assert word(machine, 0x17) == word(machine, 0x30) == 7 * 1024 and word(machine, 0x34) == 0


def test_memory_above_4_gib_in_the_cmos():
    from qemu_py.machine.cmos import set_memory_size
    ram = bytearray(128)
    set_memory_size(ram, 0xE0000000, 0x123456 << 16)
    assert ram[0x5B:0x5E] == b"\x56\x34\x12" and ram[0x34] | ram[0x35] << 8 == 0xDF00


def test_boot_order_equipment_and_check_sum_in_the_cmos(make_machine):
    machine = make_machine()
    assert cmos(machine, 0x3D) == 0x12 and cmos(machine, 0x38) & 0xF0 == 0x30       # disk, diskette, CD-ROM
    assert cmos(machine, 0x14) & 0x06 == 0x06
    assert cmos(machine, 0x2E) << 8 | cmos(machine, 0x2F) == sum(cmos(machine, n) for n in range(0x10, 0x2E))


def test_a_disks_geometry_in_the_cmos():
    from qemu_py.machine.cmos import set_hard_disk
    ram = bytearray(128)
    set_hard_disk(ram, 0, 1023, 16, 63)
    set_hard_disk(ram, 1, 615, 4, 17)
    assert ram[0x12] == 0xFF and ram[0x19] == ram[0x1A] == 47
    assert ram[0x1B] | ram[0x1C] << 8 == 1023 and ram[0x1D] == 16 and ram[0x20] == 0xC8 and ram[0x23] == 63
    assert ram[0x24] | ram[0x25] << 8 == 615 and ram[0x26] == 4 and ram[0x29] == 0xC0 and ram[0x2C] == 17


@pytest.mark.parametrize("order", ["x", "cc", "cadx"])
def test_a_bad_boot_order(order):
    from qemu_py.machine.cmos import boot_codes
    with pytest.raises(UserError, match="-boot"):
        boot_codes(order)
