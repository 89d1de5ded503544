"""What xterm and the Linux console send for keys, as combinations of PC keys."""
import pytest

from qemu_py.backends.terminal_keys import TerminalKeys


@pytest.mark.parametrize("data, keys", [
    (b"aA!", [("a",), ("shift", "a"), ("shift", "1")]),
    (b"\r\t\x7f\x03\x1a", [("ret",), ("tab",), ("backspace",), ("ctrl", "c"), ("ctrl", "z")]),
    (b"\x1b[A\x1bOB\x1b[1;5C", [("up",), ("down",), ("ctrl", "right")]),
    (b"\x1b[3~\x1b[5;3~\x1b[24~", [("delete",), ("alt", "pgup"), ("f12",)]),
    (b"\x1bOP\x1b[11~\x1b[[A\x1b[1;2P", [("f1",), ("f1",), ("f1",), ("shift", "f1")]),
    (b"\x1bx\x1b\x03\x1b[Z", [("alt", "x"), ("alt", "ctrl", "c"), ("shift", "tab")]),
    (b"\x1b[?62;4c" + "é".encode() + b"b", [("b",)]),
    (b"\x1b[200~a\nb\x1b[201~\n", [("a",), ("ret",), ("b",), ("ctrl", "j")])])
def test_keys(data, keys):
    """In one piece, and byte by byte."""
    assert TerminalKeys().feed(data) == keys
    parser = TerminalKeys()
    assert [key for byte in data for key in parser.feed(bytes([byte]))] == keys
    assert not parser.undecided


def test_a_lone_escape_is_the_key_when_nothing_follows():
    parser = TerminalKeys()
    assert parser.feed(b"\x1b") == [] and parser.undecided
    assert parser.flush() == [("esc",)] and not parser.undecided
    assert parser.feed(b"\x1b[") == []
    assert parser.flush() == [("esc",), ("bracket_left",)]


def test_a_sequence_without_an_end_is_given_up():
    parser = TerminalKeys()
    keys = parser.feed(b"\x1b[" + b"1" * 100 + b"\x00")
    assert ("1",) in keys
    assert len(parser.waiting) <= 32


def test_any_bytes_are_taken():
    parser = TerminalKeys()
    for first in range(256):
        for second in range(256):
            parser.feed(bytes([0x1B, first, second]))
            parser.flush()
            assert not parser.undecided
