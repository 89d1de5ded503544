"""What xterm and the Linux console send for keys, as combinations of PC keys."""
import pytest

from qemu_py.backends.terminal_keys import Mouse, Report, TerminalKeys


@pytest.mark.parametrize("data, keys", [
    (b"aA!", [("a",), ("shift", "a"), ("shift", "1")]),
    (b"\r\t\x7f\x03\x1a", [("ret",), ("tab",), ("backspace",), ("ctrl", "c"), ("ctrl", "z")]),
    (b"\x1b[A\x1bOB\x1b[1;5C", [("up",), ("down",), ("ctrl", "right")]),
    (b"\x1b[3~\x1b[5;3~\x1b[24~", [("delete",), ("alt", "pgup"), ("f12",)]),
    (b"\x1bOP\x1b[11~\x1b[[A\x1b[1;2P", [("f1",), ("f1",), ("f1",), ("shift", "f1")]),
    (b"\x1bx\x1b\x03\x1b[Z", [("alt", "x"), ("alt", "ctrl", "c"), ("shift", "tab")]),
    ("é".encode() + b"b", [(), ("b",)]),
    (b"\x1b[?62;4ca\x1b[6;16;8t", [Report("c", "?", (62, 4)), ("a",), Report("t", "", (6, 16, 8))]),
    (b"\x1b[<0;3;4M\x1b[<0;3;4m\x1b[<35;1;1M\x1b[<64;1;1M\x1b[<65;1;1M",
     [Mouse(2, 3, 0, True, False, 0), Mouse(2, 3, 0, False, False, 0), Mouse(0, 0, 3, True, True, 0),
      Mouse(0, 0, 0, False, False, -1), Mouse(0, 0, 1, False, False, 1)]),
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


def test_what_was_sent_for_a_key_is_kept():
    data = b"a\x1b[A\x1bx\x1bOP\xc3\xa9\x01"
    assert b"".join(key.data for key in TerminalKeys().feed(data)) == data
    assert [key.data for key in TerminalKeys().feed(b"\x1b[200~a\r\x1b[201~")] == [b"a", b"\r"]


def test_a_string_is_a_report_only_while_one_is_expected():
    answer = b"\x1b_Gi=31;OK\x1b\\"
    assert TerminalKeys().feed(answer)[0] == ("alt", "shift", "minus")
    parser = TerminalKeys()
    parser.expects_strings = True
    assert [key for byte in answer + b"a" for key in parser.feed(bytes([byte]))] == [Report("_", "", (), "Gi=31;OK"), ("a",)]
    parser.feed(b"\x1b_" + b"x" * 300)
    assert len(parser.waiting) <= 256
