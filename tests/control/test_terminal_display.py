"""-display curses on a pseudo-terminal: the guest's screen, keys, and the terminal restored."""
import fcntl
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import termios
import tty

import pytest

from qemu_py.backends.char_vc import VCChar
from qemu_py.backends.terminal import Terminal
from qemu_py.control.monitor import Monitor
from qemu_py.control.terminal_display import TerminalDisplay
from qemu_py.util.errors import UserError
from tests.backends.graphics_terminal import GraphicsTerminal
from tests.backends.small_terminal import SmallTerminal
from tests.boot.kernels import elf
from tests.terminals import OnTerminal

TEXT = 0xB8000


class Shown:
    """A machine that stands still, with its screen on a terminal whose other end is ours."""

    def __init__(self, machine, rows=25, columns=80):
        self.machine = machine
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.small = SmallTerminal(rows, columns)
        self.quits = 0
        machine.system_reset()
        self.display = TerminalDisplay(machine, Terminal(self.slave, self.slave), {"COLORTERM": "truecolor"})
        self.display.request_quit = self.quit
        self.display.open(machine.main_loop)
        self.display.say("")
        self.draw()

    def quit(self):
        self.quits += 1

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.small = SmallTerminal(rows, columns)

    def output(self):
        text = b""
        os.set_blocking(self.master, False)
        while True:
            if self.display.terminal.busy:
                self.display.terminal._writable()
            try:
                text += os.read(self.master, 65536)
            except BlockingIOError:
                return text.decode()

    def draw(self):
        self.output_text = ""
        self.display.draw()
        self.output_text = self.output()
        self.small.feed(self.output_text)

    def put(self, address, data):
        self.machine.memory.address_space_memory.write(address, data)

    def outb(self, *pairs):
        for port, value in pairs:
            self.machine.memory.physmap.port_write(port, value)


@pytest.fixture
def shown(make_machine):
    made = []

    def make(*size):
        machine = make_machine()
        machine.main_loop.lock.acquire()
        made.append(Shown(machine, *size))
        return made[-1]
    yield make
    for each in made:
        each.display.close()
        each.machine.main_loop.lock.release()
        os.close(each.master)
        os.close(each.slave)


def test_text_has_its_glyphs_and_colours(shown):
    shown = shown()
    shown.put(TEXT, b"H\x1ei\x1e\xc9\x4f\x01\x87")      # yellow on blue; a box's corner; a face that blinks
    shown.draw()
    assert shown.small.lines()[0] == "Hi╔☺"
    assert shown.small.colors_at(0, 0) == (0xFFFF55, 0x0000AA, 0)
    assert shown.small.colors_at(2, 0) == (0xFFFFFF, 0xAA0000, 0)
    assert shown.small.colors_at(3, 0)[2] == 1


def test_nothing_is_sent_while_nothing_changes(shown):
    shown = shown()
    shown.draw()
    assert shown.output_text == ""
    assert not shown.display.draw()


def test_the_cursor_is_where_the_guest_has_it(shown):
    shown = shown()
    shown.outb((0x3D4, 0x0E), (0x3D5, 0), (0x3D4, 0x0F), (0x3D5, 85))
    shown.draw()
    assert shown.small.cursor == (5, 1) and shown.small.cursor_shown
    shown.outb((0x3D4, 0x0A), (0x3D5, 0x20))            # off
    shown.draw()
    assert not shown.small.cursor_shown


def test_a_small_terminal_follows_the_cursor(shown):
    shown = shown()
    shown.put(TEXT + 160 * 24, b"l\x07a\x07s\x07t\x07")
    shown.outb((0x3D4, 0x0E), (0x3D5, 1920 >> 8), (0x3D4, 0x0F), (0x3D5, 1920 & 0xFF))
    shown.resize(10, 40)
    shown.draw()
    assert shown.small.lines()[9] == "last"
    assert shown.small.cursor == (0, 9)


def test_a_graphics_mode_is_half_blocks(shown):
    shown = shown()
    shown.outb((0x1CE, 4), (0x3C0, 0x20))
    for index, value in ((4, 0), (1, 320), (2, 200), (3, 32), (4, 0x41)):       # VBE, 320 x 200, 32 bits
        shown.machine.memory.physmap.port_write(0x1CE, index, 2)
        shown.machine.memory.physmap.port_write(0x1CF, value, 2)
    shown.machine.vga.mem.vram.view[:320 * 200 * 4].view("<u4")[:] = 0x123456
    shown.draw()
    assert "▀" in shown.small.lines()[12]
    assert shown.small.colors_at(40, 12) == (0x123456, 0x123456, 0)


def test_keys_reach_the_guest_and_the_escape_key_does_not(shown):
    shown = shown()
    sent = []
    shown.machine.inputs.key_handlers.append(lambda key, down: sent.append((key.name, down)))
    shown.display.receive(b"A")
    assert sent == [("shift", True), ("a", True)]
    shown.display.receive(b"\x01x")
    assert shown.quits == 1 and len(sent) == 2
    shown.display.receive(b"\x01h")
    shown.draw()
    assert "Ctrl-Alt-Delete" in shown.small.lines()[24]
    shown.display.receive(b"\x01\x01")
    assert [key.name for _, key, down in shown.machine.inputs.events if down] == ["ctrl", "a"]


def test_a_lone_escape_key(shown):
    shown = shown()
    sent = []
    shown.machine.inputs.key_handlers.append(lambda key, down: sent.append(key.name))
    shown.display.receive(b"\x1b")
    assert sent == [] and shown.display.esc_timer.pending
    shown.display.esc_timeout()
    assert sent == ["esc"]


def test_the_terminal_is_restored(shown):
    shown = shown()
    assert not termios.tcgetattr(shown.slave)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert shown.small.modes[1049]
    shown.display.close()
    shown.small.feed(shown.output())
    assert termios.tcgetattr(shown.slave) == shown.before
    assert not shown.small.modes[1049] and shown.small.modes[25]


def test_there_is_no_display_without_an_adapter(make_machine):
    with pytest.raises(UserError, match="no display adapter"):
        TerminalDisplay(make_machine(vga="none"))


@pytest.mark.parametrize("how", ["escape key", signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_command_shows_the_screen_and_restores_the_terminal(tmp_path, how):
    pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")
    (tmp_path / "kernel").write_bytes(elf(b"\xf4\xeb\xfd"))
    with OnTerminal("-m", 16, "-kernel", tmp_path / "kernel") as terminal:
        terminal.until("Ctrl-A h: help")
        if how == "escape key":
            terminal.type("\x01x")
        else:
            terminal.process.send_signal(how)
        assert terminal.end() == 0
        assert b"\x1b[?1049l" in terminal.output


@pytest.mark.parametrize("arguments, message", [
    (["-serial", "stdio"], "in use by another option"), ([], "no terminal")])
def test_what_cannot_be_shown_is_told(tmp_path, arguments, message):
    result = subprocess.run([sys.executable, "-m", "qemu_py", "-display", "curses", *arguments], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_a_command_in_the_background_leaves_the_terminal_alone():
    """`timeout qemu-py ...` and `qemu-py ... &` are not stopped by SIGTTOU."""
    script = ("import os, sys\n"
              "from qemu_py.backends.terminal import Terminal\n"
              "foreground = Terminal.is_ours()\n"
              "child = os.fork()\n"
              "if not child:\n"
              "    os.setpgid(0, 0)\n"
              "    os._exit(Terminal.is_ours())\n"
              "background = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
              "print(foreground, bool(background))\n")
    pid, master = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", script])
    data = b""
    while b"\n" not in data:
        data += os.read(master, 4096)
    assert b"True False" in data
    os.waitpid(pid, 0)
    os.close(master)


# ---------------------------------------------------------------- pictures
def graphics_mode(shown, color=0x123456):
    """VBE, 320 x 200, 32 bits."""
    shown.outb((0x1CE, 4), (0x3C0, 0x20))
    for index, value in ((4, 0), (1, 320), (2, 200), (3, 32), (4, 0x41)):
        shown.machine.memory.physmap.port_write(0x1CE, index, 2)
        shown.machine.memory.physmap.port_write(0x1CF, value, 2)
    shown.machine.vga.mem.vram.view[:320 * 200 * 4].view("<u4")[:] = color


def text_mode(shown):
    shown.machine.memory.physmap.port_write(0x1CE, 4, 2)
    shown.machine.memory.physmap.port_write(0x1CF, 0, 2)


@pytest.mark.parametrize("answers, kind", [
    (b"\x1b_Gi=31;OK\x1b\\\x1b[6;16;8t\x1b[?62;4c", "Kitty"), (b"\x1b[6;16;8t\x1b[?62;4c", "Sixel"), (b"\x1b[?6c", "Blocks")])
def test_the_terminal_is_asked_for_its_graphics(shown, answers, kind):
    shown = shown()
    shown.display.receive(answers)
    assert type(shown.display.pictures).__name__ == kind
    assert not shown.display.keys.expects_strings


def test_a_picture_comes_and_goes_as_sixels(shown):
    shown = shown()
    shown.display.receive(b"\x1b[6;16;8t\x1b[?62;4c")
    terminal = GraphicsTerminal()
    for color in (0x123456, 0x654321):
        graphics_mode(shown, color)
        shown.display.draw()
        terminal.feed(shown.output())
        row, column, picture = terminal.sixels[-1]
        # 24 lines of 16 dots, as wide as the mode's 8:5 makes them
        assert (row, column, picture.shape) == (0, 1, (384, 614, 3))
        assert abs(picture.astype(int) - [color >> 16, color >> 8 & 0xFF, color & 0xFF]).max() <= 2
    text_mode(shown)
    shown.put(TEXT, b"H\x07i\x07")
    shown.draw()
    assert "\x1b[2J" in shown.output_text and shown.small.lines()[0].startswith("Hi")


def test_a_picture_comes_and_goes_with_kitty(shown):
    shown = shown()
    shown.display.receive(b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c")
    graphics_mode(shown)
    terminal = GraphicsTerminal()
    shown.display.draw()
    terminal.feed(shown.output())
    (_, _, keys, picture), = terminal.pictures.values()
    assert picture.shape == (200, 320, 3) and (picture == [0x12, 0x34, 0x56]).all()
    text_mode(shown)
    shown.display.draw()
    terminal.feed(shown.output())
    assert terminal.pictures == {}


def test_a_message_is_below_the_picture(shown):
    shown = shown()
    shown.display.receive(b"\x1b[6;16;8t\x1b[?62;4c")
    graphics_mode(shown)
    shown.display.draw()
    shown.output()
    shown.display.say("a message " * 9)                  # two lines
    shown.display.draw()
    text = shown.output()
    terminal = GraphicsTerminal()
    terminal.feed(text)
    assert "\x1b[2J" in text                             # the picture is smaller now
    row, _, picture = terminal.sixels[-1]
    assert row == 0 and picture.shape[0] <= 23 * 16


@pytest.mark.parametrize("answered", [False, True])
def test_an_answer_that_comes_too_late_is_not_left_to_the_shell(shown, answered):
    """Once the terminal has answered, what is in the line is the user's, and stays."""
    shown = shown()
    if answered:
        shown.display.receive(b"\x1b[?6c")
    os.write(shown.master, b"x")
    assert select.select([shown.slave], [], [], 60)[0]
    shown.display.close()
    tty.setraw(shown.slave, termios.TCSANOW)
    assert bool(select.select([shown.slave], [], [], 0)[0]) == answered


@pytest.mark.parametrize("graphics, kind, asks", [
    ("auto", "Blocks", b"\x1b[c"), ("sixel", "Sixel", b"\x1b[16t"), ("kitty", "Kitty", b"\x1b[16t"), ("blocks", "Blocks", b"")])
def test_graphics_can_be_chosen(make_machine, graphics, kind, asks):
    machine = make_machine()
    master, slave = os.openpty()
    with machine.main_loop.lock:
        display = TerminalDisplay(machine, Terminal(slave, slave), {}, graphics=graphics)
        display.open(machine.main_loop)
        assert type(display.pictures).__name__ == kind
        data = b""
        while data.count(b"\x1b[2J") < 2:                # entering, and the first frame
            data += os.read(master, 65536)
        assert asks in data and (graphics == "auto" or b"\x1b[c" not in data)
        display.receive(b"\x1b_Gi=31;OK\x1b\\\x1b[?62;4c")
        assert type(display.pictures).__name__ == ("Kitty" if graphics == "auto" else kind)
        display.close()
    os.close(master)
    os.close(slave)


def test_a_dumb_terminal_is_left_to_lines():
    result = subprocess.run([sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'qemu_py',"
                             " '-display', 'curses']) >> 8)"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=60, env={**os.environ, "TERM": "dumb"})
    assert result.returncode == 1 and "TERM=dumb" in result.stdout and result.stdout.count("\n") == 1


# ---------------------------------------------------------------- the mouse
def guest_mouse(shown, on=True):
    """The guest's driver enables, or disables, data reporting; what the mouse is told then is kept."""
    device = next(device for name, device in shown.machine.devices if name == "ps2-mouse")
    device.command(0xF4 if on else 0xF5)
    moves = []
    shown.machine.inputs.mouse_handlers.append(lambda *move: moves.append(move))
    return moves


def test_the_mouse_is_taken_while_the_guest_wants_it(shown):
    shown = shown()
    shown.display.frame()
    assert "1003h" not in shown.output()
    guest_mouse(shown)
    shown.display.frame()
    assert "\x1b[?1003h\x1b[?1006h" in shown.output()
    shown.display.receive(b"\x01m")
    shown.display.frame()
    assert "\x1b[?1003l" in shown.output()
    shown.display.receive(b"\x01m")
    shown.display.frame()
    guest_mouse(shown, False)
    shown.display.frame()
    assert "\x1b[?1003l" in shown.output()


def test_movement_buttons_and_the_wheel_reach_the_guest(shown):
    shown = shown()
    moves = guest_mouse(shown)
    shown.display.receive(b"\x1b[<35;1;1M")             # nobody has asked for it yet
    assert moves == []
    shown.display.frame()
    shown.display.receive(b"\x1b[<35;10;5M\x1b[<35;12;4M\x1b[<0;12;4M\x1b[<32;13;4M\x1b[<0;13;4m\x1b[<2;13;4M\x1b[<2;13;4m\x1b[<65;13;4M")
    assert moves == [(0, 0, 0, 0), (16, -16, 0, 0), (0, 0, 0, 1), (8, 0, 0, 1), (0, 0, 0, 0), (0, 0, 0, 2), (0, 0, 0, 0),
                     (0, 0, 1, 0)]


def test_in_a_picture_a_cell_is_as_many_dots_as_it_shows(shown):
    shown = shown()
    moves = guest_mouse(shown)
    graphics_mode(shown)
    shown.display.frame()
    shown.display.receive(b"\x1b[<35;1;1M\x1b[<35;11;1M\x1b[<35;11;11M")
    assert moves[1:] == [(40, 0, 0, 0), (0, 80, 0, 0)]  # 320 x 200 on 80 x 25 cells: 4 x 8 dots each


def test_the_mouse_is_given_back_at_the_end(shown):
    shown = shown()
    guest_mouse(shown)
    shown.display.frame()
    shown.output()
    shown.display.close()
    assert "\x1b[?1003l" in shown.output()


def test_any_bytes_from_the_terminal_are_taken(make_machine):
    """Keys, reports, mouse events, broken sequences, with consoles beside the screen; the message and each screen can be drawn in any size."""
    source = random.Random(1)
    machine = make_machine()
    master, slave = os.openpty()
    consoles = [VCChar(), VCChar("30x5")]
    consoles[0].name = "monitor"
    with machine.main_loop.lock:
        machine.system_reset()
        display = TerminalDisplay(machine, Terminal(slave, slave), {}, consoles=consoles)
        monitor = Monitor(machine, consoles[0])
        display.open(machine.main_loop)
        monitor.open(machine.main_loop)
        pieces = [b"\x1b[<", b"0;3;4M", b"\x1b", b"\x01", b"\x011", b"\x012", b"\x013", b"\x01c", b"\x01h", b"\x01m", b"\x01r", b"\x1b[?62;4c", b"\x1b[6;16;8t",
                  b"\x1b[?6c", b"\x1b[5;2~", b"\x1b[6;5~", b"\x1b_Gi=31;OK\x1b\\", b"info \t", b"help\r", b"\xc3", b"\xff", b"\x1b[200~", b"x/4x 0\r", b"\x00", b";", b"9"]
        for _ in range(1500):
            display.receive(b"".join(source.choices(pieces, k=3)))
            display.esc_timeout()
            consoles[1].write(bytes(source.choices(range(256), k=20)))
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", source.randrange(1, 40), source.randrange(1, 120), 0, 0))
            display.draw()
            os.set_blocking(master, False)
            while display.terminal.busy or select.select([master], [], [], 0)[0]:
                display.terminal._writable()
                try:
                    os.read(master, 1 << 16)
                except BlockingIOError:
                    pass
            machine.inputs.events.clear()
        assert machine.exit_status is None
        display.close()
    os.close(master)
    os.close(slave)
