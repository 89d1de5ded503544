"""Pseudo-terminals."""
import os
import termios

import pytest

from qemu_py.backends.char_new import chardev_new
from tests.loops import turn_until


@pytest.fixture
def chardev(capsys):
    chardev = chardev_new("pty", "-serial")
    chardev.told = capsys.readouterr().err
    yield chardev
    chardev.close()


def test_its_name_is_told(chardev):
    assert chardev.told == f"char device redirected to {chardev.name}\n"
    assert os.path.exists(chardev.name)


def test_bytes_pass_both_ways_unchanged(chardev, front_end, loop):
    front = front_end(chardev)
    chardev.open(loop)
    fd = os.open(chardev.name, os.O_RDWR | os.O_NOCTTY)
    os.write(fd, b"in\r\x03\x04")
    turn_until(loop, lambda: front.got == b"in\r\x03\x04")
    assert chardev.write(b"out\n") == 4
    assert os.read(fd, 100) == b"out\n"
    assert not termios.tcgetattr(fd)[3] & termios.ECHO
    os.close(fd)


def test_programs_may_come_and_go(chardev, front_end, loop):
    front = front_end(chardev)
    chardev.open(loop)
    for text in (b"one", b"onetwo"):
        fd = os.open(chardev.name, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, text[-3:])
        turn_until(loop, lambda: front.got == text)
        os.close(fd)
        loop.main_loop_wait(True)


def test_output_that_nobody_reads_is_dropped_when_the_buffer_is_full(chardev):
    for _ in range(100):
        assert chardev.write(b"x" * 1000) == 1000


def test_closing_twice_is_allowed(chardev):
    chardev.close()
    chardev.close()
