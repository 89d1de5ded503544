"""Text consoles beside the guest's screen: the monitor, serial ports on vc; on a terminal that pyte plays."""
import pytest

from qemu_py import options
from qemu_py.backends.char_vc import VCChar
from qemu_py.util.errors import UserError
from tests.boot.kernels import elf, say
from tests.terminals import OnTerminal

# Polls COM1 and sends back what comes: in al, 3FDh; test al, 1; jz; in al, 3F8h; out 3F8h, al
ECHO = say(b"\x1b[31mgo ", 0x3F8) + b"\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7\x66\xba\xf8\x03\xec\xee\xeb\xef"


@pytest.fixture
def kernel(tmp_path):
    pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")
    path = tmp_path / "kernel"
    path.write_bytes(elf(ECHO))
    return ["-m", "16", "-kernel", path]


def test_ctrl_a_c_shows_the_monitor_and_the_guest_again(kernel):
    with OnTerminal(*kernel) as terminal:
        terminal.until("Ctrl-A h: help")
        terminal.type("\x01c")
        terminal.until("(qemu)")
        assert "monitor - type 'help'" in terminal.lines()[0]
        terminal.type("info status\r")
        terminal.until("VM status: running")
        terminal.type("inof status\r")
        terminal.until("did you mean info?")
        terminal.type("\x01c")
        terminal.until("1: screen")
        assert not any("(qemu)" in line for line in terminal.lines())
        terminal.type("\x01cquit\r")
        assert terminal.end() == 0


def test_the_serial_port_is_a_console_that_takes_keys(kernel):
    with OnTerminal(*kernel) as terminal:
        terminal.until("Ctrl-A h: help")
        terminal.type("\x013")
        terminal.until("3: serial0")
        terminal.until("go")
        assert terminal.screen.buffer[0][0].fg == "aa0000"
        terminal.type("abé\x1b[A\x01a")
        terminal.until("go abé")
        terminal.type("\x019")
        terminal.until("there is no screen 9: there are 1 screen, 2 monitor, 3 serial0")
        terminal.type("\x01x")
        assert terminal.end() == 0


def test_a_console_follows_the_terminals_size_and_remembers_lines(kernel):
    with OnTerminal(*kernel) as terminal:
        terminal.until("Ctrl-A h: help")
        terminal.type("\x012help\r")
        terminal.until("(qemu)")
        terminal.resize(10, 40)
        terminal.until(lambda: "(qemu)" in terminal.lines()[8] + terminal.lines()[9])
        terminal.type("\x1b[5;2~" * 40)                 # Shift-PgUp
        terminal.until("monitor - type")
        terminal.type("p 7\r")                          # a key comes back to the end
        terminal.until("0x7")
        terminal.type("\x01x")
        assert terminal.end() == 0


def test_help_fits_into_a_small_terminal(kernel):
    with OnTerminal(*kernel, rows=10, columns=40) as terminal:
        terminal.until("Ctrl-A h: help")
        terminal.type("\x01h")
        terminal.until("Ctrl-Alt-Delete")
        terminal.until("looks back")
        terminal.type("\x01x")
        assert terminal.end() == 0


@pytest.mark.parametrize("arguments, names", [
    ([], "1 screen, 2 monitor, 3 serial0"), (["-serial", "null"], "1 screen, 2 monitor"), (["-monitor", "none"], "1 screen, 2 serial0"),
    (["-serial", "vc", "-serial", "vc:40x10", "-parallel", "vc", "-monitor", "vc"], "1 screen, 2 monitor, 3 serial0, 4 serial1, 5 parallel0"),
    (["-chardev", "vc,id=a,cols=90", "-serial", "chardev:a", "-debugcon", "mon:vc"], "1 screen, 2 monitor, 3 serial0, 4 debugcon")])
def test_which_screens_there_are(kernel, arguments, names):
    with OnTerminal(*kernel, *arguments, columns=200) as terminal:
        terminal.until("Ctrl-A h: help")
        terminal.type("\x019")
        terminal.until(f"there are {names}")


@pytest.mark.parametrize("arguments, message", [
    (["-display", "none", "-serial", "vc"], "vc (serial0): there is no display"), (["-serial", "vc:x"], "-serial vc:x: write vc:COLUMNSxROWS"),
    (["-serial", "vc:0x5"], "write vc:"), (["-nographic", "-monitor", "vc"], "vc (monitor): there is no display")])
def test_where_no_console_can_be_is_told(arguments, message):
    with pytest.raises(UserError) as error:
        options.machine_config(options.parse_arguments(arguments))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_cursor_keys_as_the_program_asks_for_them():
    vc, got = VCChar(), []
    vc.add_handlers(lambda: 10, got.append)
    vc.type(b"\x1b[A")
    vc.write(b"\x1b[?1h")
    vc.type(b"\x1b[A")
    assert got == [b"\x1b[A", b"\x1bOA"]


def test_queries_of_the_program_are_answered():
    vc, got = VCChar("40x10"), []
    vc.add_handlers(lambda: 10, got.append)
    vc.write(b"ab\x1b[6n")
    assert got == [b"\x1b[1;3R"]
    vc.resize(5, 5)                     # it has a fixed size
    assert (vc.console.rows, vc.console.columns) == (10, 40)
