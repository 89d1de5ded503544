"""Our VGA BIOS in graphics modes, its palette and fonts, asked by INT 10h."""
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.boot.vga_guest import DATA, poke, run_guest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "pc-bios"))
import vgabios_build                    # noqa: E402

FONTS = vgabios_build.module_of("font")
# Mode: colours to draw with, size in pixels, (width, height) of a pixel on the screen, lines of a character
GRAPHICS = {0x04: (3, (320, 200), (2, 2), 8), 0x05: (3, (320, 200), (2, 2), 8), 0x06: (1, (640, 200), (1, 2), 8), 0x0D: (15, (320, 200), (2, 2), 8),
            0x0E: (15, (640, 200), (1, 2), 8), 0x0F: (1, (640, 350), (1, 1), 14), 0x10: (15, (640, 350), (1, 1), 14),
            0x11: (1, (640, 480), (1, 1), 16), 0x12: (15, (640, 480), (1, 1), 16), 0x13: (15, (320, 200), (2, 2), 8)}
PAGED = [0x0D, 0x0E, 0x10]
WHITE = (255, 255, 255)


@pytest.fixture
def guest(make_machine):
    return lambda *steps, **config: run_guest(make_machine, *steps, **config)


def pixels(g, mode):
    """The picture, a dot for each pixel."""
    (width, height), (w, h) = GRAPHICS[mode][1:3]
    picture = g.machine.vga.picture()
    assert picture.shape == (height * h, width * w, 3)
    assert (picture[::h].repeat(h, 0)[:, ::w].repeat(w, 1) == picture).all()
    return picture[::h, ::w]


def glyph(character, height):
    font = FONTS.font(height)
    return np.unpackbits(np.frombuffer(font[height * character:height * (character + 1)], np.uint8)[:, None], axis=1)


@pytest.mark.parametrize("mode", GRAPHICS)
def test_a_pixel_is_written_and_read(guest, mode):
    color, (width, height) = GRAPHICS[mode][:2]
    g = guest(dict(ax=mode), *(dict(ax=0x0C00 | color, bx=0, cx=x, dx=y) for x, y in ((0, 0), (width - 1, height - 1), (101, 55))),
              dict(ax=0x0D00, bx=0, cx=101, dx=55), dict(ax=0x0D00, bx=0, cx=102, dx=55))
    assert [result.ax & 0xFF for result in g.results[-2:]] == [color, 0]
    lines, columns = np.nonzero(pixels(g, mode).any(axis=2))
    assert sorted(zip(columns.tolist(), lines.tolist())) == [(0, 0), (101, 55), (width - 1, height - 1)]


@pytest.mark.parametrize("mode", [mode for mode in GRAPHICS if mode != 0x13])
def test_bit_7_of_a_colour_is_exclusive_or(guest, mode):
    color = GRAPHICS[mode][0]
    g = guest(dict(ax=mode), dict(ax=0x0C00 | color, bx=0, cx=9, dx=9), dict(ax=0x0C81, bx=0, cx=9, dx=9), dict(ax=0x0D00, bx=0, cx=9, dx=9))
    assert g.results[-1].ax & 0xFF == color ^ 1


@pytest.mark.parametrize("mode", GRAPHICS)
def test_characters_are_drawn_read_and_scrolled(guest, mode):
    color, (width, height), _, lines = GRAPHICS[mode]
    text = [dict(ax=0x0E00 | code, bx=color) for code in b"Ab"]
    g = guest(dict(ax=mode), dict(ax=0x0200, bx=0, dx=0x0302), *text, dict(ax=0x0200, bx=0, dx=0x0303), dict(ax=0x0800, bx=0),
              dict(ax=0x0601, bx=0, cx=0x0000, dx=0x184F), dict(ax=0x0702, bx=0, cx=0x0102, dx=0x0802))
    assert g.results[-3].ax & 0xFF == ord("b")
    expected = np.zeros((height, width), bool)
    expected[4 * lines:5 * lines, 16:24] = glyph(ord("A"), lines)          # up by one, then down by two
    expected[2 * lines:3 * lines, 24:32] = glyph(ord("b"), lines)
    assert (pixels(g, mode).any(axis=2) == expected).all()


def test_a_page_that_256_colours_do_not_have_is_the_first(guest):
    g = guest(dict(ax=0x13), dict(ax=0x0200, bx=0, dx=0x0101), dict(ax=0x0941, bx=0x0528, cx=2), dict(ax=0x0D00, bx=0, cx=9, dx=10))
    expected = np.zeros((200, 320), bool)
    expected[8:16, 8:24] = np.tile(glyph(ord("A"), 8), 2)
    assert (pixels(g, 0x13).any(axis=2) == expected).all()


@pytest.mark.parametrize("mode", GRAPHICS)
def test_the_teletype_scrolls_at_the_end_of_the_screen(guest, mode):
    color, (width, height), _, lines = GRAPHICS[mode]
    rows = height // lines
    g = guest(dict(ax=mode), dict(ax=0x0E58, bx=color), dict(ax=0x0200, bx=0, dx=rows - 1 << 8 | 5), dict(ax=0x0E59, bx=color),
              dict(ax=0x0E0A, bx=color), dict(ax=0x0300, bx=0))
    expected = np.zeros((height, width), bool)
    expected[(rows - 2) * lines:(rows - 1) * lines, 40:48] = glyph(ord("Y"), lines)
    assert (pixels(g, mode).any(axis=2) == expected).all()
    assert g.results[-1].dx == rows - 1 << 8 | 6


@pytest.mark.parametrize("mode, fill, pixel", [(0x04, 2, 2), (0x06, 1, 1), (0x12, 0x0B, 0x0B), (0x13, 0x2C, 0x2C)])
def test_a_window_is_cleared_to_a_colour(guest, mode, fill, pixel):
    lines = GRAPHICS[mode][3]
    corners = [(8 * 3, 2 * lines), (8 * 9 + 7, 4 * lines + lines - 1)]
    outside = [(8 * 3 - 1, 2 * lines), (8 * 10, 4 * lines), (8 * 3, 2 * lines - 1), (8 * 9, 5 * lines)]
    g = guest(dict(ax=mode), dict(ax=0x0600, bx=fill << 8, cx=0x0203, dx=0x0409), *(dict(ax=0x0D00, bx=0, cx=x, dx=y) for x, y in corners + outside))
    assert [result.ax & 0xFF for result in g.results[2:]] == [pixel] * 2 + [0] * 4


@pytest.mark.parametrize("mode", PAGED)
def test_pages_of_planar_modes(guest, mode):
    g = guest(dict(ax=mode), dict(ax=0x0C0F, bx=0x0100, cx=7, dx=3), dict(ax=0x0D00, bx=0, cx=7, dx=3), dict(ax=0x0501))
    assert g.results[2].ax & 0xFF == 0
    lines, columns = np.nonzero(pixels(g, mode).any(axis=2))
    assert (lines.tolist(), columns.tolist()) == ([3], [7])


def test_characters_of_a_cga_come_from_two_fonts(guest):
    mine = bytes(range(1, 9)) * 128
    g = guest(dict(ax=0x06), poke(DATA, mine[:16]), dict(ax=0x1120, bp=0), dict(ax=0x0981, bx=1, cx=1))
    expected = np.unpackbits(np.arange(1, 9, dtype=np.uint8)[:, None], axis=1)
    assert (pixels(g, 0x06)[:8, :8].any(axis=2) == expected).all()


def test_colours_of_a_cga(guest):
    """Palette 0: green, red, brown; a blue background; then palette 1, with intensity."""
    draw = [dict(ax=0x0C00 | n, bx=0, cx=n, dx=0) for n in range(4)]
    g = guest(dict(ax=0x04), *draw, dict(ax=0x0B00, bx=0x0100), dict(ax=0x0B00, bx=0x0001))
    assert pixels(g, 4)[0, :4].tolist() == [[0, 0, 170], [0, 170, 0], [170, 0, 0], [170, 85, 0]]
    g = guest(dict(ax=0x04), *draw, dict(ax=0x0B00, bx=0x0101), dict(ax=0x0B00, bx=0x0010))
    assert pixels(g, 4)[0, :4].tolist() == [[0, 0, 0], [85, 255, 255], [255, 85, 255], [255, 255, 255]]


def test_256_colours(guest):
    """16 of a CGA, 16 greys, then wheels of 24 hues that begin with blue."""
    g = guest(dict(ax=0x13))
    dac = np.frombuffer(bytes(g.machine.vga.s.dac), np.uint8).reshape(256, 3)
    assert dac[[0, 1, 6, 7, 8, 14, 15]].tolist() == [[0, 0, 0], [0, 0, 42], [42, 21, 0], [42, 42, 42], [21, 21, 21], [63, 63, 21], [63, 63, 63]]
    assert (np.diff(dac[16:32].astype(int), axis=0) > 0).all() and dac[31].tolist() == [63, 63, 63]
    assert dac[[32, 36, 40, 44, 48, 52]].tolist() == [[0, 0, 63], [63, 0, 63], [63, 0, 0], [63, 63, 0], [0, 63, 0], [0, 63, 63]]
    assert not dac[248:].any()


# ---------------------------------------------------------------- palette
def test_palette_registers(guest):
    g = guest(dict(ax=3), dict(ax=0x1000, bx=0x2A03), dict(ax=0x1001, bx=0x0500), dict(ax=0x1007, bx=3), dict(ax=0x1008, bx=0),
              poke(DATA, bytes(range(32, 49))), dict(ax=0x1002, dx=0), dict(ax=0x1009, dx=0x100), dict(ax=0x1003, bx=0),
              dict(ax=0x1013, bx=0x0100), dict(ax=0x1013, bx=0x0701), dict(ax=0x101A))
    assert g.results[3].bx >> 8 == 0x2A and g.results[4].bx >> 8 == 5
    assert g.read(DATA + 0x100, 17) == bytes(range(32, 49))
    assert g.machine.vga.s.attribute[0x10] & 8 == 0
    assert g.results[-1].bx == 0x0701


def test_dac_registers(guest):
    g = guest(dict(ax=3), dict(ax=0x1010, bx=200, dx=0x1100, cx=0x2233), dict(ax=0x1015, bx=200), poke(DATA, bytes(range(9))),
              dict(ax=0x1012, bx=250, cx=3, dx=0), dict(ax=0x1017, bx=251, cx=2, dx=0x100), dict(ax=0x1018, bx=0x7F), dict(ax=0x1019, bx=0),
              dict(ax=0x101B, bx=250, cx=3), dict(ax=0x1017, bx=250, cx=3, dx=0x200))
    assert (g.results[2].dx >> 8, g.results[2].cx) == (0x11, 0x2233)
    assert g.read(DATA + 0x100, 6) == bytes(range(3, 9))
    assert g.results[7].bx & 0xFF == 0x7F
    assert g.read(DATA + 0x200, 9) == bytes((1, 1, 1, 4, 4, 4, 7, 7, 7))


def test_default_palettes_and_grey_summing_can_be_chosen(guest):
    g = guest(dict(ax=3), dict(ax=0x1010, bx=1, dx=0x3F00, cx=0), dict(ax=0x1201, bx=0x31), dict(ax=3), dict(ax=0x1015, bx=1),
              dict(ax=0x1200, bx=0x31), dict(ax=0x1200, bx=0x33), dict(ax=3), dict(ax=0x1015, bx=1))
    assert (g.results[4].dx >> 8, g.results[4].cx) == (0x3F, 0)
    assert (g.results[-1].dx >> 8, g.results[-1].cx) == (5, 0x0505)         # 11 % of 42


# ---------------------------------------------------------------- fonts
@pytest.mark.parametrize("which, height, skip", [(2, 14, 0), (3, 8, 0), (4, 8, 128), (6, 16, 0)])
def test_pointers_to_fonts(guest, which, height, skip):
    g = guest(dict(ax=3), dict(ax=0x1130, bx=which << 8))
    place = g.results[1].es * 16 + g.results[1].bp
    assert g.read(place, (256 - skip) * height) == FONTS.font(height)[skip * height:]


def test_interrupt_43h_is_the_font_of_the_graphics_mode(guest):
    for mode, height in ((0x12, 16), (0x10, 14), (0x13, 8)):
        g = guest(dict(ax=mode), dict(ax=0x1130, bx=0x0100))
        assert g.far(4 * 0x43) == g.results[1].es * 16 + g.results[1].bp
        assert g.read(g.far(4 * 0x43), 256 * height) == FONTS.font(height)
    g = guest(dict(ax=0x12), dict(ax=0x1123, bx=0, dx=60), dict(ax=0x1130, bx=0x0100))
    assert (g.results[2].cx, g.results[2].dx & 0xFF) == (8, 59)


def test_a_font_is_loaded_and_two_are_chosen(guest):
    mine = bytes(range(0x10, 0x20))
    g = guest(dict(ax=3), poke(DATA, mine), dict(ax=0x1100, bx=0x1001, cx=1, dx=ord("A"), bp=0), dict(ax=0x1103, bx=0x04),
              dict(ax=0x0941, bx=0x0F, cx=1), dict(ax=0x0200, bx=0, dx=1), dict(ax=0x0941, bx=0x07, cx=1),
              dict(ax=0x0200, bx=0, dx=0x0500))
    picture = g.machine.vga.picture()[:16, :18].any(axis=2)
    assert (picture[:, :8] == np.unpackbits(np.frombuffer(mine, np.uint8)[:, None], axis=1)).all()
    assert (picture[:, 9:17] == glyph(ord("A"), 16)).all()
