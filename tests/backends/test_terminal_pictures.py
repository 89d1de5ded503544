"""Pictures as sixels and in the kitty graphics protocol, read back by a terminal that understands nothing else."""
import numpy as np
import pytest

from qemu_py.backends.terminal_keys import Report, TerminalKeys
from qemu_py.backends.terminal_pictures import QUERY, Blocks, Kitty, Place, Sixel, cell_of, kind_of, scale
from qemu_py.backends.terminal_sixel import sixels
from tests.backends.graphics_terminal import GraphicsTerminal, decode_sixels

RANDOM = np.random.default_rng(1)
CELL = (20, 10)


def noise(height, width, colors):
    palette = RANDOM.integers(0, 256, (colors, 3), dtype=np.uint8)
    return palette[RANDOM.integers(0, colors, (height, width))]


def contents(sequence):
    assert sequence.startswith("\x1bP") and sequence.endswith("\x1b\\")
    return sequence[sequence.index("q") + 1:-2]


@pytest.mark.parametrize("height, width, colors", [(1, 1, 1), (6, 10, 2), (7, 13, 16), (50, 30, 256), (11, 200, 3)])
def test_sixels_are_the_picture(height, width, colors):
    """To a percent, which is how they tell colours."""
    pixels = noise(height, width, colors)
    assert abs(decode_sixels(contents(sixels(pixels))).astype(int) - pixels).max() <= 2


def test_sixels_of_more_colours_than_there_are_take_the_nearest():
    pixels = np.stack([*np.indices((256, 256)), np.zeros((256, 256), int)], axis=2).astype(np.uint8)
    seen = decode_sixels(contents(sixels(pixels)))
    assert abs(seen.astype(int) - pixels).max() <= 27           # half a step of six
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) <= 256


def test_runs_are_short():
    assert len(sixels(np.zeros((480, 640, 3), np.uint8))) < 1000


@pytest.mark.parametrize("aspect, rows, columns, place", [
    (4 / 3, 24, 80, (24, 64, 0, 8, 480, 640)), (4 / 3, 24, 40, (15, 40, 4, 0, 300, 400)), (1.0, 1, 1, (1, 1, 0, 0, 10, 10))])
def test_where_a_picture_is(aspect, rows, columns, place):
    found = Place(aspect, rows, columns, CELL)
    assert (found.rows, found.columns, found.top, found.left, found.height, found.width) == place


def test_pictures_are_averaged_or_repeated():
    pixels = noise(10, 20, 50)
    assert (scale(pixels, 20, 40)[::2, ::2] == pixels).all()
    assert scale(np.full((100, 100, 3), 7, np.uint8), 30, 150).shape == (30, 150, 3)
    assert (scale(pixels, 10, 20) == pixels).all()


def test_only_the_changed_lines_of_cells_are_sent_as_sixels():
    sixel, terminal = Sixel(), GraphicsTerminal()
    pixels = np.zeros((480, 640, 3), np.uint8)
    cells, text = sixel.show(pixels, 4 / 3, 24, 80, CELL, True)
    terminal.feed(text)
    assert cells.shape == (24, 80, 4) and terminal.sixels[0][:2] == (0, 8) and terminal.sixels[0][2].shape == (480, 640, 3)
    assert sixel.show(pixels, 4 / 3, 24, 80, CELL, False)[1] == ""
    changed = pixels.copy()
    changed[45, 5] = 255
    terminal.feed(sixel.show(changed, 4 / 3, 24, 80, CELL, False)[1])
    row, column, part = terminal.sixels[1]
    assert (row, column, part.shape[0]) == (2, 8, 6) and (part[5, 5] == 255).all()
    assert sixel.leaves_traces(4 / 3, 23, 80, CELL) and not sixel.leaves_traces(4 / 3, 24, 80, CELL)


def test_kitty_pictures_are_exact_and_take_turns():
    kitty, terminal = Kitty(), GraphicsTerminal()
    for n in range(3):
        pixels = noise(200, 320, 200)
        terminal.feed(kitty.show(pixels, 4 / 3, 24, 80, CELL, False)[1])
        (row, column, keys, seen), = terminal.pictures.values()
        assert (seen == pixels).all() and (row, column) == (0, 8)
        assert (keys["c"], keys["r"], keys["C"], keys["f"]) == ("64", "24", "1", "24")
        assert kitty.show(pixels, 4 / 3, 24, 80, CELL, False)[1] == ""
    terminal.feed(kitty.hide())
    assert terminal.pictures == {} and kitty.hide() == ""


@pytest.mark.parametrize("answers, kind", [
    (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", Kitty), (b"\x1b[?62;4;22c", Sixel), (b"\x1b[?6c", None), (b"\x1b[?4;6c", None),
    (b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?1;2c", None), (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;4c", Kitty)])
def test_what_a_terminal_says_that_it_can(answers, kind):
    keys = TerminalKeys()
    keys.expects_strings = True
    assert next((kind_of(report) for report in keys.feed(answers) if kind_of(report)), None) is kind


def test_the_size_of_a_cell():
    assert cell_of(Report("t", "", (6, 18, 9))) == (18, 9)
    assert cell_of(Report("t", "", (6, 0, 9))) is None and cell_of(Report("t", "", (4, 18, 9))) is None
    assert QUERY.endswith("\x1b[c")     # its answer is the last


def test_blocks_need_nothing():
    cells, text = Blocks().show(noise(100, 100, 9), 1.0, 10, 20, CELL, True)
    assert cells.shape == (10, 20, 4) and text == "" and Blocks().hide() == ""
