"""A Debian system on a disk, from its GRUB to power off: logged in to on the screen and on the serial line.

The disk is what `sh tools/guest-disk.sh DIRECTORY` makes (some minutes, and the network); QEMU_PY_GUEST_DISK=DIRECTORY/disk.img names it.
"""
import os
import shutil
import subprocess

import pytest

from qemu_py.machine.drives import simple_drive
from tests.boot.screens import Watch, keys, need_seabios
from tests.boot.test_guests import THEIR_VGA
from tests.machines import Capture

DISK = os.environ.get("QEMU_PY_GUEST_DISK")
PARTITION = 1 << 20
KEYS = {" ": "spc", "\n": "ret", ">": "shift-dot", "/": "slash", "-": "minus", ".": "dot", ";": "semicolon"}


class Line(Capture):
    """A serial line's other end, which sends no faster than the port takes it."""

    def __init__(self):
        super().__init__()
        self.pending, self.at = b"", 0

    def add_handlers(self, can_receive, receive, *rest):
        self.can_receive, self.receive = can_receive, receive

    def says(self, text):
        """A question: has it been said, behind what the last such question has found?"""
        def said():
            self.accept_input()
            at = self.data.find(text.encode(), self.at)
            self.at = self.at if at < 0 else at + len(text)
            return at >= 0
        said.__name__ = f"{text!r} on the serial line"
        return said

    def send(self, text):
        self.pending += text.encode()
        self.accept_input()

    def accept_input(self):
        while self.pending and (count := self.can_receive()) > 0:
            data, self.pending = self.pending[:count], self.pending[count:]
            self.receive(data)


def typed(text):
    return keys(*(KEYS.get(c, c) for c in text))


@pytest.fixture
def disk(tmp_path):
    """A copy."""
    if not DISK:
        pytest.skip("QEMU_PY_GUEST_DISK does not name a disk image (tools/guest-disk.sh makes one)")
    for program in ("e2fsck", "debugfs"):
        if shutil.which(program, path=os.environ["PATH"] + ":/sbin:/usr/sbin") is None:
            pytest.skip(f"{program} (Debian's package e2fsprogs) is not installed")
    copy = tmp_path / "disk.img"
    subprocess.run(["cp", "--sparse=always", DISK, copy], check=True)
    return copy


def file_system(disk):
    """Its partition as a file of its own."""
    path = disk.with_name("fs.img")
    subprocess.run(["dd", f"if={disk}", f"of={path}", "bs=1M", "skip=1", "conv=sparse", "status=none"], check=True)
    return path


def tool(*command):
    environment = os.environ | {"PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    return subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("rom", ["vgabios.bin", THEIR_VGA])
@pytest.mark.parametrize("bios", ["bios.bin", "seabios"])
def test_debian_logs_in_writes_files_and_powers_off(make_machine, disk, bios, rom):
    need_seabios("bios-256k.bin", THEIR_VGA)
    serial = Line()
    machine = make_machine(bios=bios, globals={("VGA", "romfile"): rom}, ram_size=512 << 20, serials=[serial], drives=[simple_drive("-hda", str(disk), "ide", 0)])
    def line(text):
        return lambda _: serial.send(text + "\n")
    watch = Watch(machine, ("guest login:", typed("root\n")), ("Password:", typed("secret\n")),
                  ("root@guest:~#", typed("echo screen > screen.txt; echo do-ne\n")), ("do-ne\nroot@guest", None),
                  (serial.says("guest login:"), line("root")), (serial.says("Password:"), line("secret")),
                  (serial.says("root@guest:~#"), line("dmesg > serial.txt; sync; echo wr''itten")), (serial.says("written"), line("systemctl poweroff")),
                  stop=False)
    watch.run()
    assert watch.status == 0, (watch.screen, bytes(serial.data[-1000:]))
    machine.close()
    image = file_system(disk)
    check = tool("e2fsck", "-f", "-n", image)
    assert check.returncode == 0, check.stdout
    assert tool("debugfs", "-R", "cat /root/screen.txt", image).stdout == "screen\n"
    assert "Linux version 6." in tool("debugfs", "-R", "cat /root/serial.txt", image).stdout
