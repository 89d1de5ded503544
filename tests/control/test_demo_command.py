"""`qemu-py demo`, and `qemu-py` alone: the demo guest on the screen in a terminal, else on standard input and output."""
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from qemu_py import cli, options
from qemu_py.devices.vga_pci import ROM_FILE
from qemu_py.machine import demo
from qemu_py.util import datadir
from tests.backends.small_terminal import SmallTerminal

pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")

COMMAND = [sys.executable, "-m", "qemu_py"]
NO_FIRMWARE_OUTSIDE = ("import sys; from qemu_py.util import datadir; datadir.SYSTEM_DIRS = ();"
                       " from qemu_py.cli import main; sys.exit(main(sys.argv[1:]))")


def read_until(master, screen, text):
    """Feed the small terminal until a line of it holds the text."""
    rest = b""
    while not any(text in line for line in screen.lines()):
        rest += os.read(master, 65536)
        end = max(rest.rfind(b"m"), rest.rfind(b"H"), rest.rfind(b"h"), rest.rfind(b"l")) + 1   # ends of sequences
        screen.feed(rest[:end].decode())
        rest = rest[end:]


def need_vga_bios():
    if datadir.qemu_find_file(ROM_FILE) is None:
        pytest.skip(f"{ROM_FILE} of the package seabios is not installed")


@pytest.mark.parametrize("arguments", [(), ("demo",), ("demo", "-m", "32")])
def test_in_a_terminal_it_is_on_the_screen(arguments):
    need_vga_bios()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 26, 80, 0, 0))
    screen = SmallTerminal(26, 80)
    process = subprocess.Popen([*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=subprocess.PIPE,
                               start_new_session=True, env=dict(os.environ, TERM="xterm", COLORTERM="truecolor"))
    try:
        read_until(master, screen, "demo>")
        assert screen.lines()[25] == demo.SCREEN_GREETING
        os.write(master, b"help\r")
        read_until(master, screen, "poweroff")
        os.write(master, b"\x01x")
        while b"\x1b[?1049l" not in os.read(master, 65536):
            pass
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("command", [
    COMMAND, [*COMMAND, "demo"], [*COMMAND, "demo", "-nographic"], [sys.executable, "-c", NO_FIRMWARE_OUTSIDE, "demo"]])
def test_without_a_terminal_it_is_on_standard_input_and_output(command):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        seen = b""
        while b"demo> " not in seen:
            seen += os.read(process.stdout.fileno(), 4096) or pytest.fail(process.stderr.read())
        out, err = process.communicate(b"exit 5\r", timeout=300)
    finally:
        process.kill()
    assert process.returncode == 5 << 1 | 1
    assert err.decode() == f"qemu-py: {demo.SERIAL_GREETING}\n"


def test_an_image_of_that_name_has_another_spelling():
    assert options.parse_arguments(["./demo"]).drives[0].file == "./demo"


def test_a_serial_port_elsewhere_is_left_there(monkeypatch, capfd):
    monkeypatch.setattr(options, "terminal_is_free", lambda parse: False)
    assert cli.parse_demo(["-serial", "null"]).serials == ["null"]
    assert capfd.readouterr().err == ""


def test_without_a_vga_bios_it_is_on_the_serial_line(monkeypatch):
    monkeypatch.setattr(options, "terminal_is_free", lambda parse: True)
    monkeypatch.setattr(cli, "has_vga_bios", lambda parse: False)
    assert cli.parse_demo([]).serials == ["mon:stdio"]
    monkeypatch.setattr(cli, "has_vga_bios", lambda parse: True)
    assert cli.parse_demo([]).serials == []


def test_it_needs_nothing_outside_the_package(monkeypatch):
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", ())
    for word in cli.parse_demo(["-display", "none", "-serial", "null"]).drives:
        assert os.path.dirname(word.file) == os.path.dirname(demo.DEMO_IMAGE)
