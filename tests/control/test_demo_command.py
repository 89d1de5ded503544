"""`qemu-py demo`, and `qemu-py` alone: the demo guest on the screen in a terminal, else on standard input and output."""
import os
import subprocess
import sys

import pytest

from qemu_py import cli, options
from qemu_py.machine import demo
from qemu_py.util import datadir
from tests.backends.graphics_terminal import GraphicsTerminal
from tests.terminals import OnTerminal

pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")

COMMAND = [sys.executable, "-m", "qemu_py"]
NO_FIRMWARE_OUTSIDE = ("import sys; from qemu_py.util import datadir; datadir.SYSTEM_DIRS = ();"
                       " from qemu_py.cli import main; sys.exit(main(sys.argv[1:]))")


@pytest.mark.parametrize("arguments", [(), ("demo",), ("demo", "-m", "32")])
def test_in_a_terminal_it_is_on_the_screen(arguments):
    with OnTerminal(*arguments, rows=26) as terminal:
        terminal.until("demo>")
        assert terminal.lines()[25] == demo.SCREEN_GREETING
        terminal.type("help\r")
        terminal.until("poweroff")
        terminal.type("\x01x")
        assert terminal.end() == 0


@pytest.mark.parametrize("answers, begins", [
    (b"\x1b[6;16;8t\x1b[?62;4c", b"\x1bP"), (b"\x1b_Gi=31;OK\x1b\\\x1b[6;16;8t\x1b[?62;c", b"\x1b_Ga=T")], ids=["sixel", "kitty"])
def test_its_picture_comes_as_the_terminal_can_show_it(answers, begins):
    """The terminal is asked what it can, and answers."""
    with OnTerminal("demo", rows=30, columns=100) as terminal:
        terminal.until(lambda: b"\x1b[c" in terminal.output)
        terminal.type(answers)
        terminal.until("demo>")
        terminal.type("mandel\r")
        terminal.until(lambda: begins in terminal.output and b"\x1b\\" in terminal.output.rpartition(begins)[2])
        terminal.type("\x01x")
        assert terminal.end() == 0
        seen = GraphicsTerminal()
        seen.feed(terminal.output.decode("utf-8", "replace"))
        if begins == b"\x1bP":
            assert seen.sixels[0][2].shape == (29 * 16, round(29 * 16 * 4 / 3), 3)
        else:                           # the picture is taken away at the end; its placement was told
            assert b"s=640,v=400,c=78,r=29" in terminal.output


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
    monkeypatch.setattr(cli, "terminal_is_free", lambda parse: False)
    assert cli.parse_demo(["-serial", "null"]).serials == ["null"]
    assert capfd.readouterr().err == ""


def test_without_a_display_adapter_it_is_on_the_serial_line(monkeypatch):
    from qemu_py.backends.terminal import Terminal
    monkeypatch.setattr(Terminal, "is_ours", lambda: True)
    assert cli.parse_demo(["-vga", "none"]).serials == ["mon:stdio"]
    assert cli.parse_demo([]).serials == []


def test_it_needs_nothing_outside_the_package(monkeypatch):
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", ())
    for word in cli.parse_demo(["-display", "none", "-serial", "null"]).drives:
        assert os.path.dirname(word.file) == os.path.dirname(demo.DEMO_IMAGE)


def test_its_screen_needs_nothing_outside_the_package(monkeypatch):
    from tests.boot.screens import Watch
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", ())
    machine = cli.make_machine(["demo", "-display", "none", "-serial", "null"])
    try:
        assert any("demo: a small" in line for line in Watch(machine, ("demo>", None)).run())
    finally:
        machine.close()
