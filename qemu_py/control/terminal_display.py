"""-display curses: the guest's screen in the terminal, and its keys to the guest.

Text modes are characters with their colours; graphics modes are half blocks, two pixels a character. Ctrl-A is
an escape key, as with mon:stdio. Not there: sixel and kitty graphics, the mouse, a split text screen.
"""
import os

import numpy as np

from qemu_py.backends.terminal import Terminal
from qemu_py.backends.terminal_cells import (BLINK, CHARACTER, INK, PAPER, Painter, blank_cells, colors_of_terminal,
                                             half_blocks, rgb_values, window)
from qemu_py.backends.terminal_keys import TerminalKeys
from qemu_py.machine.pc_vga import cpus_stopped
from qemu_py.util.errors import UserError

FRAME_NS = 33_000_000
IDLE_NS = 100_000_000                   # between looks at a screen that does not change
ESC_NS = 50_000_000                     # a lone ESC is the key when nothing follows it in this time
KEY_NS = 10_000_000                     # how long a key is held
MESSAGE_NS = 6_000_000_000
UNTIL_A_KEY_NS = 1 << 62
ESCAPE = ("ctrl", "a")
GREETING = "Ctrl-A h: help   Ctrl-A x: quit"
HELP = "Ctrl-A  x: quit  a: send Ctrl-A  d: Ctrl-Alt-Delete  r: draw again"


class TerminalDisplay:
    """Opened and closed by the machine, as its character devices are."""

    def __init__(self, machine, terminal=None, environment=os.environ, greeting=None):
        if machine.vga is None:
            raise UserError("-display curses: the machine has no display adapter (-vga none)")
        self.machine, self.vga = machine, machine.vga
        self.greeting = greeting        # stays until a key comes
        self.terminal = terminal or Terminal()
        self.keys = TerminalKeys()
        self.painter = Painter(colors_of_terminal(environment))
        self.request_quit = None
        clock = self.clock = machine.clocks.rt
        self.frame_timer = clock.timer(self.frame, "terminal.frame")
        self.esc_timer = clock.timer(self.esc_timeout, "terminal.esc")
        self.escaped = False            # the last key was the escape key
        self.message, self.message_end = "", 0
        self.seen = None                # what the picture depends on besides the video memory
        self.interval = FRAME_NS

    # ---------------------------------------------------------------- life
    def open(self, main_loop):
        self.terminal.receive = self.receive
        self.terminal.closed_by_peer = self.request_quit
        self.terminal.open(main_loop)
        self.say(self.greeting or GREETING, UNTIL_A_KEY_NS if self.greeting else MESSAGE_NS)
        self.frame()

    def close(self):
        self.frame_timer.cancel()
        self.esc_timer.cancel()
        self.terminal.close()

    def say(self, text, duration=MESSAGE_NS):
        self.message, self.message_end = text, self.clock.get_ns() + duration

    # ---------------------------------------------------------------- picture
    def frame(self):
        """The timer's turn: show what has changed."""
        changed = not self.terminal.busy and self.draw()
        self.interval = FRAME_NS if changed else min(IDLE_NS, self.interval * 2)
        self.frame_timer.mod_ns(self.clock.get_ns() + self.interval)

    def draw(self):
        """True: something was different."""
        vga = self.vga
        if self.message and self.clock.get_ns() >= self.message_end:
            self.message = ""
        seen = vga.version, self.terminal.size(), self.message
        dirty = vga.mem.dirty()
        if seen == self.seen and not dirty:
            return False
        if dirty:
            with cpus_stopped(self.machine):
                vga.mem.reset_dirty()
        if self.seen is None or seen[1] != self.seen[1]:
            self.painter.forget()
        self.seen = seen
        text = self.painter.frame(*self.cells(*seen[1]))
        if text:
            self.terminal.write(text.encode())
        return True

    def cells(self, rows, columns):
        """What the terminal is to show, and where its cursor is to be."""
        from qemu_py.devices import vga_render, vga_text
        vga = self.vga
        cursor = None
        if vga_render.blank(vga):
            cells = blank_cells(rows, columns)
        else:
            text = vga_text.screen_cells(vga)
            if text is None:
                pixels = vga_render.picture(vga, vga.clock.get_ns())
                aspect = pixels.shape[1] / pixels.shape[0] if vga.dispi.enabled else 4 / 3
                cells = half_blocks(pixels, rows, columns, aspect)
            else:
                cells, cursor = window(text_cells(vga, *text[:2]), text[2], rows, columns)
        if self.message:
            cells = cells.copy()
            message = self.message[:columns]
            line = cells[-1, :len(message)]
            line[:, CHARACTER] = [ord(character) for character in message]
            line[:, INK], line[:, PAPER], line[:, BLINK] = 0, 0xAAAAAA, 0
        return cells, cursor

    # ---------------------------------------------------------------- keys
    def receive(self, data):
        self.take(self.keys.feed(data))
        if self.keys.undecided:
            self.esc_timer.mod_ns(self.clock.get_ns() + ESC_NS)
        else:
            self.esc_timer.cancel()

    def esc_timeout(self):
        self.take(self.keys.flush())

    def take(self, combinations):
        for combination in combinations:
            if combination:
                self.message = ""
                self.key(combination)
        if combinations:                # what it makes the guest show is waited for
            self.interval = FRAME_NS
            self.frame_timer.mod_ns(self.clock.get_ns() + FRAME_NS)

    def key(self, combination):
        if not self.escaped:
            if combination == ESCAPE:
                self.escaped = True
            else:
                self.send(combination)
            return
        self.escaped = False
        name = combination[-1]
        if name == "x":
            if self.request_quit is not None:
                self.request_quit()
        elif name == "a":
            self.send(ESCAPE)
        elif name == "d":
            self.send(("ctrl", "alt", "delete"))
        elif name == "r":
            self.painter.forget()
            self.seen = None
        else:
            self.say(HELP)

    def send(self, combination):
        self.machine.inputs.send_keys("-".join(combination), KEY_NS)


def text_cells(vga, characters, attributes):
    """A text screen with its glyphs and colours as cells."""
    from qemu_py.devices.vga_render import palette_rgb
    from qemu_py.devices.vga_text import BLINK_ENABLE, GLYPHS, MODE_CONTROL
    colors = rgb_values(palette_rgb(vga))
    glyphs = np.array([ord(glyph) if glyph.isprintable() else 0x20 for glyph in GLYPHS], np.uint32)
    blinks = bool(vga.s.attribute[MODE_CONTROL] & BLINK_ENABLE)
    cells = blank_cells(*characters.shape)
    cells[..., CHARACTER] = glyphs[characters]
    cells[..., INK] = colors[attributes & 0x0F]
    cells[..., PAPER] = colors[attributes >> 4 & (7 if blinks else 15)]
    cells[..., BLINK] = attributes >> 7 if blinks else 0
    return cells
