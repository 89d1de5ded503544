"""-display curses: the guest's screen in the terminal, and its keys to the guest; beside it text consoles, the monitor's among them.

Text modes are characters with their colours; graphics modes are pictures where the terminal can show them (terminal_pictures.py),
else half blocks. Ctrl-A is an escape key, as with mon:stdio; Ctrl-A 1 is the guest's screen, Ctrl-A 2 ... the consoles.
"""
import os
import textwrap

from qemu_py.backends.terminal import Terminal
from qemu_py.backends.terminal_cells import BLINK, CHARACTER, INK, PAPER, Painter, blank_cells, colors_of_terminal
from qemu_py.backends.terminal_keys import Keys, Report, TerminalKeys
from qemu_py.backends.terminal_pictures import CELL_QUERY, DEFAULT_CELL, KINDS, QUERY, Blocks, Kitty, cell_of, kind_of
from qemu_py.control.terminal_mouse import TerminalMouse
from qemu_py.control.terminal_screens import ConsoleScreen, GuestScreen
from qemu_py.util.errors import UserError

FRAME_NS = 33_000_000
SHARE = 4                               # a frame takes one part of so many of the time
IDLE_NS = 100_000_000                   # between looks at a screen that does not change
ESC_NS = 50_000_000                     # a lone ESC is the key when nothing follows it in this time
MESSAGE_NS = 6_000_000_000
UNTIL_A_KEY_NS = 1 << 62
ESCAPE = ("ctrl", "a")
CTRL_ALT_DELETE = Keys(("ctrl", "alt", "delete"))
GREETING = "Ctrl-A h: help   Ctrl-A x: quit"


class TerminalDisplay:
    """Opened and closed by the machine, as its character devices are. consoles: VCChars, in the order of their screens."""

    def __init__(self, machine, terminal=None, environment=os.environ, greeting=None, consoles=(), graphics="auto"):
        if machine.vga is None:
            raise UserError("-display curses: the machine has no display adapter (-vga none)")
        self.machine = machine
        self.greeting = greeting        # stays until a key comes
        self.terminal = terminal or Terminal()
        self.keys = TerminalKeys()
        self.painter = Painter(colors_of_terminal(environment))
        self.graphics = graphics
        self.pictures = KINDS.get(graphics, Blocks)()
        self.picture_shown = False
        self.reported_cell = None       # height and width in pixels
        self.guest = GuestScreen(machine)
        self.mouse = TerminalMouse(machine)
        self.screens = [self.guest, *map(ConsoleScreen, consoles)]
        self.screen = self.guest
        self.before_monitor = self.guest
        self.request_quit = None
        clock = self.clock = machine.clocks.rt
        self.frame_timer = clock.timer(self.frame, "terminal.frame")
        self.esc_timer = clock.timer(self.esc_timeout, "terminal.esc")
        self.escaped = False            # the last key was the escape key
        self.message, self.message_end = "", 0
        self.seen = None                # what the terminal's picture depends on besides the video memory
        self.interval = FRAME_NS
        for vc in consoles:
            vc.changed = self.soon

    # ---------------------------------------------------------------- life
    def open(self, main_loop):
        self.terminal.receive = self.receive
        self.terminal.closed_by_peer = self.request_quit
        self.terminal.resized = self.soon
        self.terminal.open(main_loop)
        if self.graphics == "auto":
            self.keys.expects_strings = True
            self.terminal.write(QUERY.encode())
        elif self.graphics != "blocks":
            self.terminal.write(CELL_QUERY.encode())
        self.say(self.greeting or GREETING, UNTIL_A_KEY_NS if self.greeting else MESSAGE_NS)
        self.frame()

    def close(self):
        self.frame_timer.cancel()
        self.esc_timer.cancel()
        if self.mouse.on:
            self.terminal.write(self.mouse.switch(False).encode())
        if self.keys.expects_strings:
            self.terminal.forget_input()
        self.terminal.close()

    def say(self, text, duration=MESSAGE_NS):
        self.message, self.message_end = text, self.clock.get_ns() + duration

    # ---------------------------------------------------------------- picture
    def frame(self):
        """The timer's turn: show what has changed."""
        begin = self.clock.get_ns()
        mouse = self.mouse.switch(self.screen is self.guest and self.mouse.wanted())
        if mouse:
            self.terminal.write(mouse.encode())
        changed = not self.terminal.busy and self.draw()
        now = self.clock.get_ns()
        # What is expensive to show is shown less often: the guest's devices wait for it.
        self.interval = max(FRAME_NS, SHARE * (now - begin)) if changed else min(IDLE_NS, self.interval * 2)
        self.frame_timer.mod_ns(now + self.interval)

    def soon(self):
        """Something is about to change: do not idle."""
        if self.interval > FRAME_NS:
            self.interval = FRAME_NS
            self.frame_timer.mod_ns(self.clock.get_ns() + FRAME_NS)

    def draw(self):
        """True: something was different."""
        if self.message and self.clock.get_ns() >= self.message_end:
            self.message = ""
        size = self.terminal.size()
        for screen in self.screens[1:]:
            screen.vc.resize(*size)
        seen = self.screen, self.screen.state(), size, self.message
        if not self.screen.dirty() and seen == self.seen:
            return False
        if self.seen is None or size != self.seen[2]:
            self.painter.forget()
        self.seen = seen
        text = self.picture(*size)
        if text:
            self.terminal.write(text.encode())
        return True

    def picture(self, rows, columns):
        """What brings the terminal to show the screen, and the message over its last lines."""
        view = self.screen.view(rows, columns)
        message = textwrap.wrap(self.message, columns)[:rows]
        cells, drawing = view.cells, ""
        if view.pixels is not None:
            cells, drawing = self.graphics_cells(view, rows, columns, len(message))
        elif self.picture_shown:
            self.picture_shown = False
            drawing = self.pictures.hide()
            if self.pictures.in_cells:
                self.painter.forget()
        return self.painter.frame(with_message(cells, message), view.cursor) + drawing

    def graphics_cells(self, view, rows, columns, message_lines):
        """The cells beside a picture, and the text that draws it."""
        pictures = self.pictures
        cell = self.terminal.cell_size() or self.reported_cell or DEFAULT_CELL
        height = max(1, rows - max(message_lines, pictures.free_lines)) if pictures.free_lines else rows
        if pictures.leaves_traces(view.aspect, height, columns, cell):
            self.painter.forget()
        top, drawing = pictures.show(view.pixels, view.aspect, height, columns, cell, self.painter.shown is None)
        self.picture_shown = True
        cells = blank_cells(rows, columns)
        cells[:height] = top
        return cells, drawing

    def reported(self, report):
        """The terminal tells what it can."""
        self.reported_cell = cell_of(report) or self.reported_cell
        kind = kind_of(report)
        if self.graphics == "auto" and kind is not None and not isinstance(self.pictures, Kitty):
            self.pictures = kind()
            self.picture_shown = False
            self.painter.forget()
            self.seen = None
        if report.final == "c":         # the last answer
            self.keys.expects_strings = False

    def show(self, number):
        """The screen of this number, from 1."""
        if number > len(self.screens):
            self.say(f"there is no screen {number}: there are {self.screen_names()}")
            return
        self.screen = self.screens[number - 1]
        if self.screen.name != "monitor":
            self.before_monitor = self.screen
        if len(self.screens) > 1:
            self.say(f"{number}: {self.screen.name}   (Ctrl-A h: help)")

    def toggle_monitor(self):
        monitor = next((n for n, screen in enumerate(self.screens, 1) if screen.name == "monitor"), None)
        if monitor is None:
            self.say("there is no monitor on this display (-monitor is elsewhere)")
        else:
            self.show(self.screens.index(self.before_monitor) + 1 if self.screen.name == "monitor" else monitor)

    def screen_names(self):
        return ", ".join(f"{number} {screen.name}" for number, screen in enumerate(self.screens, 1))

    # ---------------------------------------------------------------- keys
    def receive(self, data):
        self.take(self.keys.feed(data))
        if self.keys.undecided:
            self.esc_timer.mod_ns(self.clock.get_ns() + ESC_NS)
        else:
            self.esc_timer.cancel()

    def esc_timeout(self):
        self.take(self.keys.flush())

    def take(self, events):
        for event in events:
            if isinstance(event, Keys):
                self.message = ""
                self.key(event)
            elif isinstance(event, Report):
                self.reported(event)
            else:
                self.mouse.event(event, self.guest.dots_of_cell(*self.terminal.size()))
        if events:                      # what it makes the guest show is waited for
            self.interval = FRAME_NS
            self.frame_timer.mod_ns(self.clock.get_ns() + FRAME_NS)

    def key(self, keys):
        if not self.escaped:
            if keys == ESCAPE:
                self.escaped = True
            else:
                self.screen.key(keys)
            return
        self.escaped = False
        name = keys[-1] if keys else ""
        if name == "x":
            if self.request_quit is not None:
                self.request_quit()
        elif name == "a":
            self.screen.key(Keys(ESCAPE, b"\x01"))
        elif name == "c":
            self.toggle_monitor()
        elif name == "d":
            self.guest.key(CTRL_ALT_DELETE)
        elif name == "m":
            self.mouse.allowed = not self.mouse.allowed
            self.say("the mouse is the guest's, when it asks for it" if self.mouse.allowed else "the mouse is the terminal's")
        elif name == "r":
            self.painter.forget()
            self.seen = None
        elif len(name) == 1 and name in "123456789":
            self.show(int(name))
        else:
            self.say(self.help())

    def help(self):
        return ("Ctrl-A  x: quit  c: monitor  a: Ctrl-A  d: Ctrl-Alt-Delete  m: mouse  r: redraw"
                + (f"   Ctrl-A and a number: {self.screen_names()}; there Shift-PgUp looks back" if len(self.screens) > 1 else ""))


def with_message(cells, lines):
    """The cells with lines of text over the last ones, at the left."""
    cells = cells.copy()
    for line, row in zip(reversed(lines), reversed(cells)):
        part = row[:len(line)]
        part[:, CHARACTER] = [ord(character) for character in line]
        part[:, INK], part[:, PAPER], part[:, BLINK] = 0, 0xAAAAAA, 0
    return cells
