"""Debian 12's installer kernel for the i386 boots to a shell on the serial line, works, powers off.

From the package debian-installer-12-netboot-i386; without it these tests are skipped. Times are bounds
against a hang, not a measure.
"""
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.boot.screens import need_seabios
from tests.machines import LIMIT

IMAGES = Path("/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386")
PROMPT = b"\n~ # "
APPEND = "console=ttyS0 rdinit=/bin/sh"

pytestmark = pytest.mark.skipif(not (IMAGES / "linux").exists(),
                                reason="the Debian installer's kernel is missing (package debian-installer-12-netboot-i386)")


class Console:
    """A guest on the serial line: wait for its prompt, type."""

    def __init__(self, *arguments, append=APPEND, memory=256):
        command = [sys.executable, "-m", "qemu_py", "-m", str(memory), "-nographic", "-kernel", str(IMAGES / "linux"),
                   "-initrd", str(IMAGES / "initrd.gz"), "-append", append, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = b""
        self.end = time.monotonic() + LIMIT

    def read(self):
        """More of what the guest says; False: it has ended."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(0, self.end - time.monotonic()))
        assert ready, f"no more after: {self.text[-2000:].decode(errors='replace')}"
        data = os.read(self.process.stdout.fileno(), 65536)
        self.text += data
        return bool(data)

    def wait_for(self, text):
        while text not in self.text:
            assert self.read(), self.text[-2000:].decode(errors="replace")

    def wait_prompt(self):
        """The text up to the next prompt."""
        self.wait_for(PROMPT)
        text, _, self.text = self.text.partition(PROMPT)
        return text.replace(b"\r", b"").decode(errors="replace")

    def run(self, command):
        """What a command says."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.wait_prompt()

    def wait_end(self, last_command):
        """Type a command that ends the guest: (its last words, exit status)."""
        self.process.stdin.write(last_command.encode() + b"\n")
        self.process.stdin.flush()
        while self.read():
            pass
        return self.text.decode(errors="replace"), self.process.wait(60)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def console():
    opened = []

    def console(*arguments, **options):
        opened.append(Console(*arguments, **options))
        return opened[-1]
    yield console
    for each in opened:
        each.close()


def interrupts(text):
    """{name of the device: count} of /proc/interrupts."""
    return {line.split()[-1]: int(line.split()[1]) for line in text.splitlines() if re.match(r"\s*\d+:", line)}


@pytest.mark.parametrize("bios", [None, "seabios", "bios.bin"], ids=["direct", "seabios", "ours"])
def test_linux_boots_to_a_shell_and_powers_off(console, bios):
    if bios == "seabios":
        need_seabios("bios-256k.bin")
    guest = console("-M", "pc", *(("-bios", bios) if bios else ()))
    log = guest.wait_prompt()
    assert "Linux version 6.1" in log and "Run /bin/sh as init process" in log
    for wrong in ("Call Trace", "BUG:", "Oops", "ACPI Error", "ACPI BIOS Error", "checksum", "lost"):
        assert not [line for line in log.splitlines() if wrong in line and "verification disabled" not in line], wrong
    assert " i686 GNU/Linux" in guest.run("uname -a")
    guest.run("mount -t proc proc /proc")
    counts = interrupts(guest.run("cat /proc/interrupts"))
    assert counts["timer"] > 10 and counts["ttyS0"] > 10 and "acpi" in counts
    assert "ACPI PM_TMR" in guest.run("cat /proc/ioports")
    total = int(re.search(r"MemTotal:\s+(\d+) kB", guest.run("cat /proc/meminfo"))[1])
    assert 200 << 10 < total < 256 << 10
    assert guest.run("echo $((6 * 7))").split()[-1] == "42"
    words, status = guest.wait_end("poweroff -f")
    assert "Power down" in words and status == 0


def test_linux_boots_on_the_isa_pc(console):
    guest = console("-M", "isapc")
    guest.wait_prompt()
    assert " i686 GNU/Linux" in guest.run("uname -a")


def test_linux_reboots(console):
    guest = console("-M", "pc", "-no-reboot")
    guest.wait_prompt()
    words, status = guest.wait_end("reboot -f")
    assert "Restarting system" in words and status == 0


def test_linux_boots_again_after_a_reboot(console):
    guest = console("-M", "pc")
    guest.wait_prompt()
    guest.process.stdin.write(b"reboot -f\n")
    guest.process.stdin.flush()
    again = guest.wait_prompt()
    assert "Linux version 6.1" in again.partition("Restarting system")[2]
    assert guest.run("echo $((6 * 7))").split()[-1] == "42"


def test_linux_finds_two_processors_under_our_own_bios(console):
    """They are told by ACPI; the memory types are set on both."""
    guest = console("-M", "pc", "-smp", "2", "-bios", "bios.bin")
    log = guest.wait_prompt()
    assert "Total of 2 processors activated" in log
    assert "MTRRs disabled" not in log and "MTRRs all blank" not in log and "inconsistent" not in log
    words, status = guest.wait_end("poweroff -f")
    assert "Power down" in words and status == 0


def test_without_acpi_our_own_bios_s_other_tables_serve(console):
    """The MP table, the PCI IRQ routing table, and the PCI BIOS called from 32-bit code."""
    guest = console("-M", "pc", "-smp", "2", "-bios", "bios.bin", append=APPEND + " acpi=off pci=bios")
    log = guest.wait_prompt()
    assert "Total of 2 processors activated" in log and "MPTABLE: Product ID: PC" in log
    assert "PCI BIOS revision 2.10" in log and "PIIX/ICH IRQ router [8086:7000]" in log and "00:02.0: [1234:1111]" in log
    guest.run("mount -t proc proc /proc")
    assert "IO-APIC" in guest.run("cat /proc/interrupts")


def test_linux_brings_up_two_processors_in_one_loop(console):
    guest = console("-M", "pc", "-smp", "2", "-accel", "tcg,thread=single-loop")
    assert "Total of 2 processors activated" in guest.wait_prompt()
    guest.run("mount -t proc proc /proc")
    assert len(re.findall(r"^processor\s*:", guest.run("cat /proc/cpuinfo"), re.M)) == 2
    words, status = guest.wait_end("poweroff -f")
    assert "Power down" in words and status == 0


def test_two_counted_boots_say_the_same(console):
    """Under -icount the time stamps of the kernel's log are the guest's own: each line must be equal."""
    first, second = (console("-M", "pc", "-icount", "shift=3,sleep=off", "-rtc", "base=2026-01-01,clock=vm").wait_prompt()
                     for _ in range(2))
    assert "Run /bin/sh as init process" in first
    assert first == second


def test_the_installer_asks_for_its_language_on_the_serial_line(console):
    guest = console("-M", "pc", append="console=ttyS0", memory=512)
    guest.wait_for(b"Select a language")
    guest.wait_for(b"English")
