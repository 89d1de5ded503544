"""The text console, against sequences written down by hand and, on random ones, against pyte's screen."""
import random

import pytest

from qemu_py.backends.text_console import SCROLLBACK, TextConsole


def console(text, rows=4, columns=10):
    made = TextConsole(rows, columns)
    made.feed(text.encode() if isinstance(text, str) else text)
    return made


@pytest.mark.parametrize("text, lines", [
    ("hello\r\nworld", ["hello", "world", "", ""]),
    ("0123456789ab", ["0123456789", "ab", "", ""]),
    ("0123456789\rx", ["x123456789", "", "", ""]),              # the wrap is pending, and given up
    ("\x1b[?7l0123456789ab\r\n", ["012345678b", "", "", ""]),
    ("1\r\n2\r\n3\r\n4\r\n5", ["2", "3", "4", "5"]),
    ("ab\b\bx\ty", ["xb      y", "", "", ""]),
    ("abc\x1b[2;3Hd\x1b[AX\x1b[1;1HY", ["YbcX", "  d", "", ""]),
    ("abcdef\x1b[3D\x1b[Kg", ["abcg", "", "", ""]), ("abc\x1b[1Kd", ["   d", "", "", ""]),
    ("a\r\nb\r\nc\x1b[2;1H\x1b[J", ["a", "", "", ""]), ("a\r\nb\x1b[2Jc", ["", " c", "", ""]),
    ("a\r\nb\r\nc\x1b[2;1H\x1b[L", ["a", "", "b", "c"]), ("a\r\nb\r\nc\x1b[1;1H\x1b[M", ["b", "c", "", ""]),
    ("abcd\x1b[1;2H\x1b[2P", ["ad", "", "", ""]), ("abcd\x1b[1;2H\x1b[2@", ["a  bcd", "", "", ""]),
    ("abcd\x1b[1;2H\x1b[2X", ["a  d", "", "", ""]), ("ab\x1b[4h\x1b[1;1Hxy\x1b[4lz", ["xyzb", "", "", ""]),
    ("a\x1b[2;3r\x1b[3;1Hb\nc", ["a", "b", " c", ""]),        # margins
    ("a\x1bMb", [" b", "a", "", ""]), ("a\x1b7bc\x1b8d", ["adc", "", "", ""]), ("-\x1b[4b", ["-----", "", "", ""]),
    ("\x1b(0lqk\x1b(Bq", ["┌─┐q", "", "", ""]), ("\x0eq\x0fq", ["─q", "", "", ""]),
    ("a\x1b]0;title\x07b\x1bP1;2x\x1b\\c\x1b_G\x1b\\d", ["abcd", "", "", ""]),
    ("a\x1b[?1049hb\x1b[?1049lc", ["ac", "", "", ""]), ("é☺", ["é☺", "", "", ""]), (b"a\xffb", ["a\ufffdb", "", "", ""]),
    ("\x1b[999;999Hx\x1b[0;0Hy", ["y", "", "", "         x"]), ("a\x1bcb", ["b", "", "", ""])])
def test_lines(text, lines):
    """In one piece, and byte by byte."""
    assert console(text).text() == lines
    pieces = TextConsole(4, 10)
    for byte in text.encode() if isinstance(text, str) else text:
        pieces.feed(bytes([byte]))
    assert pieces.text() == lines


@pytest.mark.parametrize("sgr, ink, paper, blink", [
    ("", 0xAAAAAA, 0, 0), ("1", 0xFFFFFF, 0, 0), ("31", 0xAA0000, 0, 0), ("1;31", 0xFF5555, 0, 0), ("91;104", 0xFF5555, 0x5555FF, 0),
    ("7", 0, 0xAAAAAA, 0), ("5;42", 0xAAAAAA, 0x00AA00, 1), ("38;5;196;48;5;232", 0xFF0000, 0x080808, 0),
    ("38;2;1;2;3", 0x010203, 0, 0), ("31;39", 0xAAAAAA, 0, 0), ("31;0", 0xAAAAAA, 0, 0), ("1;22;5;25;7;27", 0xAAAAAA, 0, 0),
    ("38;5", 0xAAAAAA, 0, 0), ("38:5:21", 0x0000FF, 0, 0)])
def test_colours(sgr, ink, paper, blink):
    assert console(f"\x1b[{sgr}mx").cells()[0, 0].tolist() == [ord("x"), ink, paper, blink]


@pytest.mark.parametrize("query, answer", [
    ("\x1b[c", b"\x1b[?6c"), ("\x1b[5n", b"\x1b[0n"), ("ab\x1b[6n", b"\x1b[1;3R"), ("\x1bZ", b"\x1b[?6c")])
def test_queries_are_answered(query, answer):
    made, got = TextConsole(4, 10), []
    made.answer = got.append
    made.feed(query.encode())
    assert got == [answer]


def test_what_scrolled_out_can_be_looked_at():
    made = console("".join(f"line {n}\r\n" for n in range(10)), rows=3)
    assert made.text() == ["line 8", "line 9", ""]
    made.scroll_view(2)
    assert made.text() == ["line 6", "line 7", "line 8"] and made.cursor is None
    made.feed(b"new\r\n")               # it stands still
    assert made.text() == ["line 6", "line 7", "line 8"]
    made.scroll_view(100)
    assert made.text() == ["line 0", "line 1", "line 2"]
    made.scroll_view(-100)
    assert made.text() == ["line 9", "new", ""] and made.cursor == (0, 2)
    made.feed(b"\x1b[3J")
    made.scroll_view(1)
    assert made.text() == ["line 9", "new", ""]


def test_the_scrollback_has_an_end():
    made = console("x\r\n" * (SCROLLBACK + 100), rows=3)
    assert len(made.scrollback) == SCROLLBACK


def test_cells_that_look_the_same_are_one_object():
    """So a full scrollback is lists of references."""
    made = console("ab\r\n" * 10 + "\x1b[31ma")
    assert made.scrollback[0][0] is made.scrollback[1][0] is made.lines[0][0]
    assert made.lines[3][0] is not made.lines[0][0]


def test_another_size_keeps_the_cursors_line():
    made = console("1\r\n2\r\n3\r\n4abcdefgh", rows=4)
    made.resize(2, 5)
    assert made.text() == ["3", "4abcd"] and made.cursor == (4, 1)
    made.resize(3, 5)
    assert made.text() == ["2", "3", "4abcd"] and made.cursor == (4, 2)
    made.resize(6, 8)
    assert made.text() == ["1", "2", "3", "4abcd", "", ""] and made.cells().shape == (6, 8, 4)


def random_piece(source):
    """No margins, no saved cursor, no numbers beyond the screen: there pyte is not as terminals are."""
    kind = source.random()
    if kind < 0.5:
        return "".join(source.choice("abcdefghij ") for _ in range(source.randrange(1, 15)))
    if kind < 0.65:
        return source.choice(["\r", "\n", "\b", "\t", "\r\n", "\x1bM", "\x1bD"])
    final = source.choice("ABCDEFGHJKLMPXdGe")
    numbers = ";".join(str(source.randrange(0, 9)) for _ in range(source.randrange(0, 3 if final == "H" else 2)))
    if final in "JK":
        numbers = str(source.randrange(3))
    return f"\x1b[{numbers}{final}"


@pytest.mark.parametrize("seed", range(20))
def test_random_sequences_look_as_in_pyte(seed):
    pyte = pytest.importorskip("pyte")
    source = random.Random(seed)
    made, screen = TextConsole(8, 12), pyte.Screen(12, 8)
    stream = pyte.Stream(screen)
    history = ""
    for _ in range(300):
        piece = random_piece(source)
        if made.wrap and piece[0] < " ":        # pyte lets the cursor stand behind the last column then
            piece = "\r" + piece
        history += piece
        made.feed(piece.encode())
        stream.feed(piece)
        expected = [line.rstrip() for line in screen.display]
        assert made.text() == expected, repr(history[-200:])
        assert (made.x, made.y) == (min(screen.cursor.x, 11), screen.cursor.y), repr(history[-200:])


def test_any_bytes_are_taken():
    source = random.Random(1)
    made = TextConsole(5, 7)
    for _ in range(2000):
        made.feed(bytes(source.choice(b"\x1b[;?0123456789ABCDHJKLMPXmrhlsu@\x00\x7f\x9b\xffabc\r\n()#]_\\") for _ in range(20)))
        assert made.cells().shape == (5, 7, 4)
        assert 0 <= made.x < 7 and 0 <= made.y < 5
        assert len(made.parser.waiting) <= 4096
        if source.random() < 0.02:
            made.resize(5, 7)
