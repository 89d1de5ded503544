"""Debian 12's installer kernel suspends the machine to RAM and is woken: by the clock's alarm.

Its processors come back, the serial port and the clock work, memory is as it was.
"""
import pytest

from tests.boot.screens import need_seabios
from tests.boot.test_linux_boot import APPEND, console, pytestmark  # noqa: F401 (a fixture, and what skips)

SUM = "cat /tmp/noise | md5sum"
ALARM = "echo +4 > /sys/class/rtc/rtc0/wakealarm"           # last thing before: it must not ring before the machine sleeps
SUSPEND = "echo mem > /sys/power/state"


@pytest.fixture
def guest(console):                     # noqa: F811
    def guest(bios, *options):
        if bios == "seabios":
            need_seabios("bios-256k.bin")
        started = console("-M", "pc", "-bios", bios, *options, append=APPEND + " no_console_suspend")
        assert "(supports S0 S3 S4 S5)" in started.wait_prompt()
        for command in ("mount -t proc proc /proc", "mount -t sysfs sysfs /sys", "mount -t devtmpfs dev /dev", "mount -t tmpfs tmpfs /tmp",
                        "dd if=/dev/urandom of=/tmp/noise bs=1M count=8"):
            started.run(command)
        return started
    return guest


def check(guest, log, processors):
    assert "ACPI: PM: Low-level resume complete" in log and "PM: suspend exit" in log
    sums = [line.split()[0] for line in log.splitlines() if line.endswith("  -")]
    assert len(sums) == 2 and sums[0] == sums[1] and "can't open" not in log
    assert guest.run("grep -c ^processor /proc/cpuinfo").split()[-1] == str(processors)
    words, status = guest.wait_end("poweroff -f")
    assert "Power down" in words and status == 0


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("bios", ["seabios", "bios.bin"])
def test_the_clock_s_alarm_wakes_it(guest, bios, processors):
    linux = guest(bios, "-smp", str(processors))
    log = linux.run(f"{SUM}; {ALARM}; {SUSPEND}; {SUM}")
    check(linux, log, processors)


def test_it_is_woken_under_icount_where_the_clock_is_the_guest_s_own(guest):
    linux = guest("bios.bin", "-icount", "shift=3,sleep=off", "-rtc", "clock=vm")
    log = linux.run(f"{SUM}; {ALARM}; {SUSPEND}; {SUM}")
    check(linux, log, 1)
