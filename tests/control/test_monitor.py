"""The monitor on a character device: echo, prompt, and the way to it through mon: devices."""
import codecs
import random

import pytest

from qemu_py import options
from qemu_py.backends.char_mux import MuxChar
from qemu_py.backends.chardev import CharDevice
from qemu_py.control.line_editor import LineEditor
from qemu_py.control.monitor import Monitor, add_monitors
from qemu_py.util.errors import UserError
from tests.loops import FrontEnd

CTRL_A = b"\x01"
PROMPT = b"(qemu) "


class Keyboard(CharDevice):
    """Its keys are typed by the test; it shows `room` bytes, then no more until it is given room."""

    def __init__(self, room=1 << 20):
        super().__init__("keyboard")
        self.room, self.shown = room, b""

    def type(self, keys):
        self.receive(keys)

    def write(self, data):
        count = min(len(data), self.room)
        self.room -= count
        self.shown += data[:count]
        return count


def type_into(editor, keys):
    """(what was shown, the lines)."""
    pairs = [editor.key(byte) for byte in keys]
    return b"".join(shown for shown, _ in pairs), [line for _, line in pairs if line is not None]


# ---------------------------------------------------------------- the line
def test_keys_are_echoed_and_a_line_ends_once():
    assert type_into(LineEditor(), b"ab\r\ncd\n\r") == (b"ab\r\ncd\r\n\r\n", ["ab", "cd", ""])


@pytest.mark.parametrize("keys, line", [
    (b"ax\x7fb", "ab"), (b"ax\x08b", "ab"), (b"xyz\x15ab", "ab"), (b"xyz\x03ab", "ab"), (b"\x7fab", "ab"),
    ("aé\x7fb".encode(), "ab"), ("é".encode(), "é"), (b"\xff", "\udcff")])
def test_editing(keys, line):
    assert type_into(LineEditor(), keys + b"\r")[1] == [line]


def test_earlier_lines_come_back():
    editor = LineEditor()
    type_into(editor, b"one\rtwo\rtwo\r\r")
    assert type_into(editor, b"\x1b[A\x1b[A\r")[1] == ["one"]
    assert type_into(editor, b"\x1b[A\x1b[A\x1b[A\x1b[A\x1b[B\x1b[B\x1b[B\r")[1] == [""]


# ---------------------------------------------------------------- on a device
@pytest.fixture
def machine(make_machine):
    machine = make_machine()
    with machine.main_loop.lock:
        yield machine


def test_a_command_is_answered(machine):
    keyboard = Keyboard()
    monitor = Monitor(machine, keyboard)
    monitor.open(machine.main_loop)
    assert keyboard.shown.endswith(b"information\r\n" + PROMPT)
    keyboard.shown = b""
    keyboard.type(b"info status\r")
    assert keyboard.shown == b"info status\r\nVM status: paused (prelaunch)\r\n" + PROMPT


def test_input_waits_while_nobody_reads_the_answers(machine):
    keyboard = Keyboard()
    monitor = Monitor(machine, keyboard)
    keyboard.room = 10
    keyboard.type(b"help\r")
    assert len(keyboard.shown) == 10 and keyboard.can_receive() == 0
    keyboard.room = 1 << 20
    monitor.send()
    assert keyboard.shown.endswith(PROMPT) and keyboard.can_receive() > 0


def test_a_new_peer_begins_anew(machine):
    keyboard = Keyboard()
    monitor = Monitor(machine, keyboard)
    keyboard.type(b"half a li")
    monitor.event("closed")
    monitor.event("opened")
    keyboard.type(b"foo\r")
    assert b"unknown command: 'foo'" in keyboard.shown


# ---------------------------------------------------------------- behind Ctrl-A c
@pytest.fixture
def shared(machine):
    """(keyboard, guest, machine): a mon: device of a guest, with a monitor."""
    keyboard = Keyboard()
    mux = MuxChar(keyboard)
    guest = FrontEnd(mux)
    machine.add_chardev(mux)
    add_monitors(machine)
    return keyboard, guest, machine


def test_ctrl_a_c_turns_the_keys_to_the_monitor_and_back(shared):
    keyboard, guest, _ = shared
    keyboard.type(b"ab" + CTRL_A + b"c" + b"info version\r" + CTRL_A + b"ccd")
    assert guest.got == b"abcd"
    assert b"monitor - type 'help'" in keyboard.shown and keyboard.shown.endswith(b"0.1.0\r\n" + PROMPT)
    keyboard.shown = b""
    keyboard.type(CTRL_A + b"c")
    assert keyboard.shown == b"\r\n" + PROMPT


def test_info_chardev_names_the_monitor(shared):
    keyboard, _, _ = shared
    keyboard.type(CTRL_A + b"cinfo chardev\r")
    assert b"\r\nmonitor0: filename=mon:keyboard\r\n" in keyboard.shown


def test_a_guest_that_takes_nothing_does_not_keep_us_from_the_monitor(shared):
    keyboard, guest, machine = shared
    guest.room = 0
    keyboard.type(b"x" * 50 + CTRL_A + b"cquit\r")
    assert machine.exit_status == 0 and guest.got == b""


def test_more_commands_than_the_monitor_has_room_for_are_all_done(shared):
    keyboard, _, _ = shared
    keyboard.type(CTRL_A + b"c" + b"p 1\r" * 200)
    assert keyboard.shown.count(b"0x1\r\n") == 200


def test_room_is_told_to_both(shared):
    keyboard, guest, _ = shared
    keyboard.type(CTRL_A + b"c")
    keyboard.room, keyboard.shown = 5, b""
    keyboard.type(b"info version\r")
    assert keyboard.shown == b"info "
    keyboard.room = 1000
    keyboard.send()
    assert keyboard.shown.endswith(PROMPT) and guest.sends == 1


def test_without_a_monitor_there_is_nothing_to_switch_to():
    keyboard = Keyboard()
    guest = FrontEnd(MuxChar(keyboard))
    keyboard.type(CTRL_A + b"cz")
    assert b"no monitor" in keyboard.shown and guest.got == b"z"


# ---------------------------------------------------------------- the command line
def configured(*arguments):
    parse = options.parse_arguments(arguments)
    return parse, options.machine_config(parse)


@pytest.mark.parametrize("arguments, labels", [
    ([], []), (["-monitor", "none"], []), (["-monitor", "stdio"], ["stdio"]), (["-monitor", "null"], ["null"]),
    (["-nographic", "-monitor", "stdio"], ["stdio"]),
    (["-chardev", "null,id=a", "-monitor", "chardev:a"], ["null"]),
    (["-chardev", "null,id=a,mux=on", "-serial", "chardev:a", "-monitor", "chardev:a"], [])])
def test_where_monitors_are(arguments, labels):
    assert [chardev.label for chardev in configured(*arguments)[0].monitor_chardevs] == labels


@pytest.mark.parametrize("arguments, message", [
    (["-monitor", "foo"], "-monitor foo: unknown"), (["-monitor", "mon:stdio"], "no guest"),
    (["-serial", "stdio", "-monitor", "stdio"], "in use"), (["-monitor", "chardev:a"], "no character device 'a'"),
    (["-chardev", "null,id=a,mux=on", "-monitor", "chardev:a"], "no guest")])
def test_where_no_monitor_can_be_is_told(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        configured(*arguments)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- editing within the line, and completing it
class Line:
    """What a terminal shows of one line."""

    def __init__(self):
        self.cells, self.x = [], 0
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data):
        for character in self.decoder.decode(data):
            if character == "\b":
                self.x -= 1
                assert self.x >= 0
            else:
                self.cells[self.x:self.x + 1] = character
                self.x += 1

    @property
    def text(self):
        return "".join(self.cells).rstrip(" ")


LEFT, RIGHT, HOME, END, DELETE = b"\x1b[D", b"\x1b[C", b"\x1b[H", b"\x1b[F", b"\x1b[3~"


@pytest.mark.parametrize("keys, line", [
    (b"ac" + LEFT + b"b", "abc"), (b"bc" + HOME + b"a", "abc"), (b"ab" + HOME + END + b"c", "abc"),
    (b"abc" + LEFT * 5 + RIGHT + DELETE, "ac"), (b"abc" + LEFT + b"\x7f", "ac"), (b"abc" + LEFT * 2 + b"\x0b", "a"),
    (b"one two three" + LEFT * 5 + b"\x17", "one three"), (b"ab\x02\x06\x05c\x04", "abc"), (b"abc" + LEFT + b"\x15d", "d"),
    ("éü".encode() + LEFT + b"\x7fa", "aü"), ("aü".encode() + LEFT + "é".encode(), "aéü"), (b"ab" + RIGHT * 3 + b"c", "abc"),
    (b"xy\r\x1b[A" + LEFT + b"z\r\x1b[A" + HOME + b"-", "-xzy"), (b"x\r\x10\x0ey", "y")])
def test_editing_within_the_line(keys, line):
    """The line is what its keys make of it, and the terminal shows it, with the cursor where the next character goes."""
    editor, seen = LineEditor(), Line()
    for byte in keys:
        shown, ended = editor.key(byte)
        if ended is not None:
            seen = Line()
        else:
            seen.feed(shown)
    assert bytes(editor.line).decode() == line
    assert seen.text == line.rstrip(" ")
    assert seen.x == len(bytes(editor.line[:editor.cursor]).decode())


def test_random_keys_are_shown_as_they_are():
    source = random.Random(3)
    keys = [b"a", b"b", b" ", "é".encode(), "☺".encode(), LEFT, RIGHT, HOME, END, DELETE, b"\x7f", b"\x17", b"\x0b", b"\x15", b"\x1b[A",
            b"\x1b[B", b"\r"]
    editor, seen = LineEditor(), Line()
    for _ in range(5000):
        for byte in source.choice(keys):
            shown, ended = editor.key(byte)
            if ended is None:
                seen.feed(shown)
            else:
                seen = Line()
        assert seen.text == bytes(editor.line).decode().rstrip(" ")


@pytest.fixture
def typed(machine):
    """typed(keys): what the monitor shows, and the line that it then has."""
    def typed(keys):
        keyboard = Keyboard()
        monitor = Monitor(machine, keyboard)
        keyboard.type(keys)
        return keyboard.shown.decode(), bytes(monitor.editor.line).decode()
    return typed


@pytest.mark.parametrize("keys, line", [
    (b"inf\t", "info "), (b"info stat\t", "info status "), (b"info q\t", "info q"), (b"help scr\t", "help screendump "),
    (b"sendkey ctrl-al\t", "sendkey ctrl-alt"), (b"sendkey ctrl-alt-dele\t", "sendkey ctrl-alt-delete "), (b"log guest\t", "log guest_errors "),
    (b"eject -f ide1\t", "eject -f ide1-cd0 "), (b"eject ide1\t", "eject ide1-cd0 "), (b"profile ex\t", "profile exact "),
    (b"x/4x \t", "x/4x "), (b"quit \t", "quit "), (b"nosuch \t", "nosuch "), (b"\x1b[Dinxx\x1b[D\x1b[D\t", "info xx")])
def test_tab_completes(typed, keys, line):
    assert typed(keys)[1] == line


def test_tab_completes_file_names(typed, tmp_path):
    (tmp_path / "a picture.png").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "disk.img").touch()
    assert typed(f"change ide1-cd0 {tmp_path}/ima\tdi\t".encode())[1] == f"change ide1-cd0 {tmp_path}/images/disk.img "


def test_tab_lists_what_is_possible_and_shows_the_line_again(typed):
    shown, line = typed(b"info m\t")
    assert line == "info m"
    assert "mem" in shown and "mice" in shown and "mtree" in shown and shown.endswith("(qemu) info m")
    assert all(len(row) < 80 for row in typed(b"\t")[0].splitlines())


def test_info_history(typed):
    assert typed(b"p 1\rp 2\rinfo history\r")[0].count("p 1") == 2
