"""Pictures of cells as control sequences, read back by a terminal of a few lines."""
import re

import numpy as np
import pytest

from qemu_py.backends.terminal_cells import (CHARACTER, INK, PAPER, Painter, blank_cells, color_parameters,
                                             colors_of_terminal, half_blocks, window)
from tests.backends.small_terminal import SmallTerminal


def with_text(text, rows=4, columns=10):
    cells = blank_cells(rows, columns)
    for y, line in enumerate(text):
        cells[y, :len(line), CHARACTER] = [ord(c) for c in line]
    return cells


def test_only_what_differs_is_sent():
    painter, terminal = Painter(), SmallTerminal(4, 10)
    terminal.feed(painter.frame(with_text(["hello", "world"]), (5, 0)))
    assert terminal.lines() == ["hello", "world", "", ""]
    assert terminal.cursor == (5, 0) and terminal.cursor_shown
    assert painter.frame(with_text(["hello", "world"]), (5, 0)) == ""
    change = painter.frame(with_text(["hello", "w0rld"]), (5, 0))
    terminal.feed(change)
    assert terminal.lines()[1] == "w0rld"
    assert "h" not in re.sub("\x1b[^hmHJ]*[hmHJ]", "", change)
    assert painter.frame(with_text(["hello", "w0rld"]), None) == "\x1b[?25l"


def test_random_pictures_arrive():
    random = np.random.default_rng(1)
    painter, terminal = Painter(), SmallTerminal(6, 20)
    cells = blank_cells(6, 20)
    for _ in range(100):
        cells = cells.copy()
        for _ in range(random.integers(0, 12)):
            cells[random.integers(6), random.integers(20)] = (
                random.integers(0x21, 0x7F), random.integers(1 << 24), random.integers(1 << 24), random.integers(2))
        terminal.feed(painter.frame(cells, (0, 0)))
        assert (terminal.cells == cells).all()


@pytest.mark.parametrize("colors, rgb, ink, paper", [
    (1 << 24, 0x123456, "38;2;18;52;86", "48;2;18;52;86"),
    (256, 0xFF0000, "38;5;196", "48;5;196"), (256, 0x080808, "38;5;232", "48;5;232"), (256, 0, "38;5;16", "48;5;16"),
    (8, 0xAA0000, "31", "41"), (8, 0x000000, "30", "40"), (8, 0xFFFFFF, "1;37", "47"), (8, 0xAAAAAA, "37", "47"),
    (16, 0xFF0000, "31", "41"), (16, 0xFF5555, "91", "101"), (16, 0x5555FF, "94", "104"), (16, 0, "30", "40")])
def test_colors(colors, rgb, ink, paper):
    assert color_parameters(colors, rgb, 30) == ink
    assert color_parameters(colors, rgb, 40) == paper


@pytest.mark.parametrize("environment, colors", [
    ({"TERM": "xterm-256color"}, 256), ({"TERM": "linux"}, 8), ({"TERM": "xterm", "COLORTERM": "truecolor"}, 1 << 24), ({}, 8),
    ({"TERM": "xterm-16color"}, 16), ({"TERM": "xterm-kitty"}, 1 << 24), ({"TERM": "xterm-direct"}, 1 << 24)])
def test_how_many_colors(environment, colors):
    assert colors_of_terminal(environment) == colors


def test_a_picture_as_half_blocks():
    pixels = np.zeros((400, 640, 3), np.uint8)
    pixels[:200] = 255, 0, 0            # red above blue
    pixels[200:] = 0, 0, 255
    cells = half_blocks(pixels, 25, 80, 4 / 3)
    used = cells[..., CHARACTER] == 0x2580
    assert used.any(axis=0).sum() == round(50 * 4 / 3) and used.any(axis=1).all()
    left = np.flatnonzero(used[0])[0]
    assert cells[0, left].tolist() == [0x2580, 0xFF0000, 0xFF0000, 0]
    assert cells[12, left].tolist() == [0x2580, 0xFF0000, 0x0000FF, 0]
    assert cells[24, left, INK] == cells[24, left, PAPER] == 0x0000FF


@pytest.mark.parametrize("rows, columns", [(1, 1), (2, 3), (500, 900)])
def test_a_picture_fits_any_terminal(rows, columns):
    assert half_blocks(np.zeros((401, 641, 3), np.uint8), rows, columns, 4 / 3).shape == (rows, columns, 4)


def test_a_screen_larger_than_the_terminal_scrolls_to_the_cursor():
    cells = with_text(["one", "two", "three", "four"])
    part, cursor = window(cells, (3, 3), 2, 5)
    assert part.shape == (2, 5, 4) and cursor == (3, 1)
    assert [chr(c) for c in part[1, :, CHARACTER]] == list("four ")
    part, cursor = window(cells, (0, 0), 2, 5)
    assert "".join(chr(c) for c in part[0, :, CHARACTER]) == "one  " and cursor == (0, 0)
    assert window(cells, None, 9, 30)[0].shape == (9, 30, 4)
