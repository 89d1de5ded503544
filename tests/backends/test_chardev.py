"""Character devices: what is written, what is delivered, and how they end."""
import os
import pty
import termios

import pytest

from qemu_py.backends.char_new import chardev_new
from qemu_py.backends.char_stdio import StdioChar
from qemu_py.backends.chardev import FDChar, FileChar
from qemu_py.system.clocks import init_clocks
from qemu_py.system.main_loop import MainLoop
from qemu_py.util.errors import UserError
from tests.loops import FrontEnd


def test_a_file_takes_what_is_written(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old and longer")
    chardev = chardev_new(f"file:{path}", "-serial")
    assert chardev.write(b"new") == 3
    chardev.close()
    chardev.close()
    assert path.read_bytes() == b"new"


def test_null_takes_everything_and_none_is_no_device():
    assert chardev_new("null", "-serial").write(b"abc") == 3
    assert chardev_new("none", "-serial") is None


@pytest.mark.parametrize("text", ["", "foo", "file:", "file:/no/such/dir/x", "telnet:1"])
def test_a_bad_description_is_one_clear_line(text):
    with pytest.raises(UserError) as error:
        chardev_new(text, "-serial")
    assert "\n" not in str(error.value)


def test_stdio_is_for_one_only():
    used = set()
    chardev_new("stdio", "-serial", used)
    with pytest.raises(UserError, match="in use"):
        chardev_new("stdio", "-debugcon", used)


def test_input_is_delivered_as_the_front_end_has_room(loop):
    r, w = os.pipe()
    chardev = FDChar("pipe", r)
    front = FrontEnd(chardev, room=3)
    chardev.open(loop)
    os.write(w, b"abcdef")
    for _ in range(3):
        loop.main_loop_wait(True)
    assert front.got == b"abc"
    front.got = b""
    chardev.accept_input()
    loop.main_loop_wait(True)
    assert front.got == b"def"
    chardev.close()
    os.close(r)
    os.close(w)


def test_the_end_of_input_is_not_polled_again(loop):
    r, w = os.pipe()
    chardev = FDChar("pipe", r)
    FrontEnd(chardev)
    chardev.open(loop)
    os.close(w)
    loop.main_loop_wait(True)
    assert loop.io_handlers == {}
    os.close(r)


def test_a_full_pipe_takes_nothing_and_tells_when_there_is_room(loop):
    r, w = os.pipe()
    chardev = FDChar("pipe", None, w)
    front = FrontEnd(chardev)
    chardev.open(loop)
    while chardev.write(b"x" * 512):
        pass
    loop.main_loop_wait(True)
    assert front.sends == 0
    os.read(r, 1 << 20)
    loop.main_loop_wait(True)
    assert front.sends == 1
    assert chardev.write(b"y") == 1
    chardev.close()
    os.close(r)
    os.close(w)


def test_output_that_nobody_reads_any_more_is_dropped(loop):
    r, w = os.pipe()
    chardev = FDChar("pipe", None, w)
    chardev.open(loop)
    os.close(r)
    assert chardev.write(b"x") == 1
    assert chardev.write(b"x") == 1
    os.close(w)


def test_a_full_disk_is_said_once(capsys):
    chardev = FileChar("/dev/full")
    assert chardev.write(b"x") == 1
    assert chardev.write(b"x") == 1
    assert capsys.readouterr().err.count("\n") == 1
    chardev.close()


def in_a_terminal(body):
    """Run body() in a child whose standard input is a terminal; its exit status."""
    pid, master = pty.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status)


def test_a_terminal_is_raw_while_stdio_is_open_and_then_as_before():
    def body():
        before = termios.tcgetattr(0)
        loop = MainLoop(init_clocks())
        chardev = StdioChar()
        chardev.open(loop)
        raw = termios.tcgetattr(0)
        assert not raw[3] & (termios.ECHO | termios.ICANON)
        assert raw[3] & termios.ISIG    # Ctrl-C ends the machine
        chardev.close()
        assert termios.tcgetattr(0) == before
    assert in_a_terminal(body) == 0
