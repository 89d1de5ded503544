"""The escape key of mon: devices."""
import pytest

from qemu_py.backends.char_mux import MuxChar
from qemu_py.backends.char_new import chardev_new
from qemu_py.backends.char_stdio import StdioChar
from qemu_py.backends.chardev import CharDevice
from qemu_py.util.errors import UserError

CTRL_A = b"\x01"


class Keyboard(CharDevice):
    """Its keys are typed by the test; it keeps what is shown."""

    def __init__(self):
        super().__init__("keyboard")
        self.shown = b""

    def type(self, keys):
        assert len(keys) <= self.can_receive()
        self.receive(keys)

    def write(self, data):
        self.shown += data
        return len(data)


@pytest.fixture
def keyboard():
    return Keyboard()


@pytest.fixture
def mux(keyboard):
    mux = MuxChar(keyboard)
    mux.quits = []
    mux.request_quit = lambda: mux.quits.append(1)
    return mux


@pytest.fixture
def front(mux, front_end):
    return front_end(mux)


def test_input_and_output_pass(mux, front, keyboard):
    keyboard.type(b"abc")
    assert front.got == b"abc"
    assert mux.write(b"hello") == 5 and keyboard.shown == b"hello"


def test_the_escape_and_x_end_the_machine(mux, front, keyboard):
    keyboard.type(b"a" + CTRL_A)
    assert mux.quits == []
    keyboard.type(b"xb")
    assert mux.quits == [1] and front.got == b"ab"


@pytest.mark.parametrize("key", [b"a", CTRL_A])
def test_the_escape_can_be_typed(front, keyboard, key):
    keyboard.type(CTRL_A + key + b"x")
    assert front.got == b"\x01x"


def test_a_break_is_heard_in_its_place(mux, keyboard, front_end):
    front = front_end(mux)
    seen = []
    mux.event = lambda name: seen.append((name, front.got))
    keyboard.type(b"ab" + CTRL_A + b"bcd")
    assert seen == [("break", b"ab")] and front.got == b"abcd"


@pytest.mark.parametrize("key, word", [(b"h", b"exit"), (b"?", b"break"), (b"c", b"no monitor")])
def test_help_and_the_monitors_absence_are_shown_and_are_no_input(front, keyboard, key, word):
    keyboard.type(CTRL_A + key)
    assert word in keyboard.shown and front.got == b""


def test_an_unknown_key_is_swallowed(mux, front, keyboard):
    keyboard.type(CTRL_A + b"qz")
    assert front.got == b"z" and mux.quits == []


def test_commands_get_past_a_front_end_that_takes_nothing(mux, keyboard, front_end):
    front = front_end(mux, room=2)
    keyboard.type(b"abcdef" + CTRL_A + b"x")
    assert mux.quits == [1] and front.got == b"ab"
    front.got = b""
    mux.accept_input()
    assert front.got == b"cd"


def test_mon_takes_any_device_and_leaves_ctrl_c_to_the_guest(tmp_path):
    chardev = chardev_new("mon:stdio", "-serial", set())
    assert isinstance(chardev, MuxChar) and isinstance(chardev.inner, StdioChar) and not chardev.inner.signals
    assert chardev_new("mon:null", "-serial").write(b"x") == 1
    for text in ("mon:", "mon:foo", "mon:none"):
        with pytest.raises(UserError):
            chardev_new(text, "-serial")
