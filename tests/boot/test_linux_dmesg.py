"""What Debian 12's installer kernel warns of is what it warns of under QEMU, or less (qemu_dmesg.txt)."""
import re
from pathlib import Path

import pytest

from tests.boot.test_linux_boot import console, pytestmark  # noqa: F401
from tests.boot.screens import need_seabios

ALLOWED = [re.compile(line) for line in (Path(__file__).with_name("qemu_dmesg.txt")).read_text().splitlines()
           if not line.startswith("#")]
WARNING = 4
LINE = re.compile(r"<(\d+)>\[ *[\d.]+\] (.*)")


def warnings(text):
    """The messages of `dmesg -r` at level 4 and worse that QEMU does not give."""
    lines = [LINE.match(line.strip()) for line in text.splitlines()]
    return [m[2] for m in lines if m and int(m[1]) & 7 <= WARNING and not any(each.fullmatch(m[2]) for each in ALLOWED)]


def test_the_levels_of_a_log_are_understood():
    assert warnings("<6>[    0.1] quiet\r\n<4>[   10.000001] L1TF: Kernel not compiled for PAE. No mitigation for L1TF\r\n"
                    "<3>[    0.2] loud: L1TF\r\n<12>[    1.0] of another facility\n") == ["loud: L1TF", "of another facility"]


@pytest.mark.parametrize("options", [
    ("-M", "pc"), ("-M", "pc", "-bios", "seabios"), ("-M", "pc", "-bios", "bios.bin", "-smp", "2")],
    ids=["direct", "seabios", "ours, two processors"])
def test_linux_warns_of_nothing_that_it_does_not_warn_of_under_qemu(console, options):  # noqa: F811
    if "seabios" in options:
        need_seabios("bios-256k.bin")
    guest = console(*options)
    guest.wait_prompt()
    log = guest.run("dmesg -r")
    assert "Linux version 6.1" in log and "p6 PMU driver" not in log
    assert warnings(log) == []
