"""screendump of every mode of the VGA and its VBE extensions: our VGA BIOS sets the mode, memory is filled at random, and each pixel
of the PNG and PPM files is what the mode's definition (IBM PS/2 and PC BIOS Interface Technical Reference, INT 10h; VBE 3.0)
makes of its place in memory.
"""
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from qemu_py.control.screendump import screendump
from qemu_py.devices import vga_render
from tests.boot.vga_guest import run_guest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "pc-bios"))
import vgabios_build                    # noqa: E402

FONTS = vgabios_build.module_of("font")
CGA = np.array([[0, 0, 0], [0, 0, 170], [0, 170, 0], [0, 170, 170], [170, 0, 0], [170, 0, 170], [170, 85, 0], [170, 170, 170],
                [85, 85, 85], [85, 85, 255], [85, 255, 85], [85, 255, 255], [255, 85, 85], [255, 85, 255], [255, 255, 85], [255, 255, 255]],
               np.uint8)
BLACK, GRAY, WHITE = CGA[0], CGA[7], CGA[15]
NO_CURSOR = dict(ax=0x0100, cx=0x2000)
HELD = 1_000_000_000_000                # a time, in ns


def read_ppm(data):
    magic, size, depth, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    assert (magic, depth, len(pixels)) == (b"P6", b"255", width * height * 3)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def read_png(data):
    """One that has no filters."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        chunks.append((kind, body))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", chunks[0][1])
    assert form == [8, 2, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


class Screen:
    """A machine whose VGA BIOS has set a mode."""

    def __init__(self, make_machine, directory, *steps, **config):
        self.machine = run_guest(make_machine, *steps, **config).machine
        self.vga, self.directory = self.machine.vga, directory
        self.random = np.random.default_rng(1)

    def outb(self, port, *values):
        for value in values:
            self.machine.memory.physmap.port_write(port, value)

    def write(self, address, data):
        self.machine.memory.address_space_memory.write(address, bytes(data))

    def attribute(self, index, value):
        self.machine.memory.physmap.port_read(0x3DA)
        self.outb(0x3C0, index | 0x20, value)

    def crtc(self, index, value):
        self.outb(0x3D4, index)
        self.outb(0x3D5, value)

    def noise(self, *shape, limit=256):
        return self.random.integers(0, limit, shape, dtype=np.uint8)

    def planes(self, data, address=0xA0000):
        """4 x n bytes into the planes, through the map mask."""
        for plane, row in enumerate(data):
            self.outb(0x3C4, 2)
            self.outb(0x3C5, 1 << plane)
            self.write(address, row)
        self.outb(0x3C5, 0x0F)

    def dump(self):
        """The picture as the two files have it."""
        with self.machine.main_loop.lock:
            screendump(self.machine, self.directory / "a.ppm")
            screendump(self.machine, self.directory / "a.png")
        ppm, png = (self.directory / "a.ppm").read_bytes(), (self.directory / "a.png").read_bytes()
        assert (read_png(png) == read_ppm(ppm)).all()
        return read_ppm(ppm)


@pytest.fixture
def screen(make_machine, tmp_path):
    return lambda *steps, **config: Screen(make_machine, tmp_path, *steps, **config)


def enlarged(picture, height, width):
    return picture.repeat(height, axis=0).repeat(width, axis=1)


# ---------------------------------------------------------------- text
def text_picture(characters, attributes, colors, underlines=False, blink_on=True):
    """rows x columns of cells as dots: 9 wide, of which the last repeats the eighth in C0h-DFh."""
    rows, columns = characters.shape
    out = np.zeros((rows * 16, columns * 9, 3), np.uint8)
    font = FONTS.font(16)
    for y in range(rows):
        for x in range(columns):
            character, attribute = int(characters[y, x]), int(attributes[y, x])
            ink, paper = colors(attribute)
            for line, bits in enumerate(font[16 * character:16 * character + 16]):
                dots = [bits >> 7 - n & 1 for n in range(8)]
                dots.append(dots[7] if 0xC0 <= character <= 0xDF else 0)
                if underlines and attribute & 0x77 == 1 and line == 15:
                    dots = [1] * 9
                if attribute & 0x80 and not blink_on:
                    dots = [0] * 9
                out[y * 16 + line, x * 9:x * 9 + 9] = np.where(np.array(dots)[:, None], ink, paper)
    return out


def color_attribute(attribute):
    return CGA[attribute & 15], CGA[attribute >> 4 & 7]


def mono_attribute(attribute):
    """IBM's monochrome adapter: reverse, invisible, bright; what else there is looks normal."""
    if attribute & 0x77 == 0x70:
        return (GRAY if attribute & 8 else BLACK), GRAY
    if attribute & 0x77 == 0:
        return BLACK, BLACK
    return (WHITE if attribute & 8 else GRAY), BLACK


def fill_text(s, base, columns, attributes):
    characters = s.noise(25, columns)
    s.write(base, np.stack((characters, attributes), axis=2).tobytes())
    return characters


@pytest.mark.parametrize("mode, columns", [(0, 40), (1, 40), (2, 80), (3, 80)])
def test_text_modes(screen, mode, columns):
    s = screen(dict(ax=mode), NO_CURSOR)
    attributes = s.noise(25, columns, limit=128)
    expected = text_picture(fill_text(s, 0xB8000, columns, attributes), attributes, color_attribute)
    assert (s.dump() == enlarged(expected, 1, 80 // columns)).all()


def test_monochrome_text(screen):
    s = screen(dict(ax=7), NO_CURSOR)
    attributes = s.random.choice(np.array([0x00, 0x01, 0x07, 0x09, 0x0F, 0x70], np.uint8), (25, 80))
    expected = text_picture(fill_text(s, 0xB0000, 80, attributes), attributes, mono_attribute, underlines=True)
    assert (s.dump() == expected).all()


def test_blinking_characters_and_the_cursor(screen):
    """At 70 Hz, 16 frames and 8 frames of light and as many of dark."""
    s = screen(dict(ax=3), dict(ax=0x0200, bx=0, dx=0x0205))
    attributes = s.noise(25, 80)
    characters = fill_text(s, 0xB8000, 80, attributes)
    attributes[2, 5] = 0x07
    s.write(0xB8000 + 2 * 165 + 1, [0x07])
    seen = set()
    for frame in range(32):
        now = HELD + frame * 14_270_000
        timing = s.vga.frame_timing()
        text, cursor = timing.blink(now, 16), timing.blink(now, 8)
        if (text, cursor) in seen:
            continue
        seen.add((text, cursor))
        expected = text_picture(characters, attributes, color_attribute, blink_on=text)
        if cursor:
            expected[2 * 16 + 13:2 * 16 + 15, 5 * 9:6 * 9] = GRAY
        assert (vga_render.picture(s.vga, now) == expected).all()
    assert len(seen) == 4


def test_sixteen_backgrounds_instead_of_blinking(screen):
    s = screen(dict(ax=3), NO_CURSOR, dict(ax=0x1003, bx=0))
    attributes = s.noise(25, 80)
    characters = fill_text(s, 0xB8000, 80, attributes)
    expected = text_picture(characters, attributes & 0x7F, lambda a: color_attribute(a))
    wide = text_picture(characters, attributes, lambda a: (CGA[a & 15], CGA[a >> 4]))
    assert (s.dump() == wide).all() and not (wide == expected).all()


def test_text_scrolls_by_dots_and_lines_and_splits(screen):
    """Start address, preset row scan, panning, line compare: below the split the memory begins at 0, unpanned if so chosen."""
    s = screen(dict(ax=3), NO_CURSOR)
    attributes = s.noise(26, 82, limit=128)
    characters = s.noise(26, 82)
    lines = np.stack((characters, attributes), axis=2)
    s.write(0xB8000, lines[:, :80].tobytes())
    picture = text_picture(characters[:, :80], attributes[:, :80], color_attribute)
    flat = np.concatenate([picture[16 * row:16 * row + 16] for row in range(26)], axis=1)      # one long row
    s.crtc(0x0D, 3)                     # three characters on
    s.crtc(0x08, 5)                     # five lines down
    s.attribute(0x13, 3)                # four dots to the left (characters of nine: the value plus one)
    s.crtc(0x18, 199)                   # the split is below line 199
    s.crtc(0x07, 0x0F)                  # its bit 8 is 0
    s.crtc(0x09, 0x0F)
    s.attribute(0x10, 0x2C)             # panning stops there
    shown = s.dump()
    for y in (0, 1, 10, 11, 100, 199):
        row, line = divmod(y + 5, 16)
        first = (80 * row + 3) * 9 + 4
        assert (shown[y] == flat[line, first:first + 720]).all(), y
    for y in (200, 201, 216, 399):
        row, line = divmod(y - 200, 16)
        assert (shown[y] == flat[line, 720 * row:720 * row + 720]).all(), y


# ---------------------------------------------------------------- CGA's modes
@pytest.mark.parametrize("mode", [4, 5])
def test_four_colours(screen, mode):
    s = screen(dict(ax=mode))
    memory = s.noise(0x4000)
    s.write(0xB8000, memory)
    y, x = np.indices((200, 320))
    pixels = memory[(y & 1) * 0x2000 + (y >> 1) * 80 + (x >> 2)] >> 6 - 2 * (x & 3) & 3
    assert (s.dump() == enlarged(CGA[[0, 11, 13, 15]][pixels], 2, 2)).all()


def test_two_colours_of_a_cga(screen):
    s = screen(dict(ax=6))
    memory = s.noise(0x4000)
    s.write(0xB8000, memory)
    y, x = np.indices((200, 640))
    pixels = memory[(y & 1) * 0x2000 + (y >> 1) * 80 + (x >> 3)] >> 7 - (x & 7) & 1
    assert (s.dump() == enlarged(CGA[[0, 15]][pixels], 2, 1)).all()


# ---------------------------------------------------------------- planes
def planar(data, height, width, pitch, start=0):
    y, x = np.indices((height, width))
    place = start + y * pitch + (x >> 3)
    return sum((data[plane][place] >> 7 - (x & 7) & 1) << plane for plane in range(4))


PLANAR = {0x0D: (200, 320, 2, 2), 0x0E: (200, 640, 2, 1), 0x10: (350, 640, 1, 1), 0x12: (480, 640, 1, 1)}


@pytest.mark.parametrize("mode", PLANAR)
def test_sixteen_colours(screen, mode):
    height, width, high, wide = PLANAR[mode]
    s = screen(dict(ax=mode))
    data = s.noise(4, height * width // 8)
    s.planes(data)
    assert (s.dump() == enlarged(CGA[planar(data, height, width, width // 8)], high, wide)).all()


def test_monochrome_graphics(screen):
    """Plane 0 lights a dot, plane 2 makes it bright."""
    s = screen(dict(ax=0x0F))
    data = s.noise(4, 350 * 80)
    s.planes(data)
    pixels = planar(data, 350, 640, 80)
    expected = np.where((pixels & 4 != 0)[..., None], WHITE, np.where((pixels & 1 != 0)[..., None], GRAY, BLACK))
    assert (s.dump() == expected).all()


def test_two_colours_of_an_mcga(screen):
    s = screen(dict(ax=0x11))
    memory = s.noise(480 * 80)
    s.write(0xA0000, memory)
    y, x = np.indices((480, 640))
    assert (s.dump() == CGA[[0, 15]][memory[y * 80 + (x >> 3)] >> 7 - (x & 7) & 1]).all()


def test_planes_pan_and_split_and_take_other_palettes(screen):
    s = screen(dict(ax=0x12), dict(ax=0x1000, bx=0x3F00))       # palette register 0: white
    data = s.noise(4, 0x10000 // 2)
    s.planes(data)
    s.crtc(0x0D, 81)                    # a line and eight dots on
    s.attribute(0x13, 5)
    s.crtc(0x18, 99)
    s.crtc(0x07, 0x2E)
    s.crtc(0x09, 0x00)
    palette = CGA.copy()
    palette[0] = WHITE
    shown = s.dump()
    whole = planar(data, 300, 656, 80, start=81)
    assert (shown[:100] == palette[whole[:100, 5:645]]).all()
    assert (shown[100:200] == palette[planar(data, 100, 656, 80)[:, 5:645]]).all()


# ---------------------------------------------------------------- 256 colours
def random_dac(s):
    """768 components of six bits, written to the DAC; as RGB."""
    dac = s.noise(256, 3, limit=64)
    s.outb(0x3C8, 0)
    s.outb(0x3C9, *dac.reshape(-1).tolist())
    return dac << 2 | dac >> 4


def test_mode_13h(screen):
    s = screen(dict(ax=0x13))
    colors = random_dac(s)
    memory = s.noise(200, 320)
    s.write(0xA0000, memory)
    assert (s.dump() == enlarged(colors[memory], 2, 2)).all()
    s.outb(0x3C6, 0x3F)                 # the pixel mask
    assert (s.dump() == enlarged(colors[memory & 0x3F], 2, 2)).all()


def mode_x(s):
    """320 x 240 out of four planes (M. Abrash, Graphics Programming Black Book, chapter 47)."""
    s.outb(0x3C4, 4)
    s.outb(0x3C5, 0x06)
    s.outb(0x3C2, 0xE3)
    s.crtc(0x11, 0)
    for index, value in ((0x06, 0x0D), (0x07, 0x3E), (0x09, 0x41), (0x10, 0xEA), (0x11, 0xAC), (0x12, 0xDF), (0x14, 0x00),
                         (0x15, 0xE7), (0x16, 0x06), (0x17, 0xE3)):
        s.crtc(index, value)


def test_mode_x(screen):
    s = screen(dict(ax=0x13))
    mode_x(s)
    colors = random_dac(s)
    data = s.noise(4, 0x8000)
    s.planes(data)
    y, x = np.indices((240, 320))
    assert (s.dump() == enlarged(colors[data[x & 3, y * 80 + (x >> 2)]], 2, 2)).all()
    s.crtc(0x0C, 0x20)                  # the page at 2000h, a dot to the left
    s.attribute(0x13, 2)
    place = x + 1
    assert (s.dump() == enlarged(colors[data[place & 3, 0x2000 + y * 80 + (place >> 2)]], 2, 2)).all()
    s.crtc(0x18, 0x77)                  # split below line 177h
    s.crtc(0x07, 0x3E)
    s.crtc(0x09, 0x01)
    shown = s.dump()
    split = (0x177 + 1) // 2
    assert (shown[:2 * split] == enlarged(colors[data[place & 3, 0x2000 + y * 80 + (place >> 2)]], 2, 2)[:2 * split]).all()
    assert (shown[2 * split:] == enlarged(colors[data[place & 3, y * 80 + (place >> 2)]], 2, 2)[:480 - 2 * split]).all()


# ---------------------------------------------------------------- VBE
def pixel_colors(bpp, values):
    """Colours of 15 or 16 bits, each part from 0 to full."""
    green = 5 if bpp == 15 else 6
    parts = ((values >> 5 + green & 31, 31), (values >> 5 & (1 << green) - 1, (1 << green) - 1), (values & 31, 31))
    return np.stack([part.astype(np.uint32) * 255 // most for part, most in parts], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("mode, bpp", [(0x101, 8), (0x110, 15), (0x111, 16), (0x112, 24), (0x142, 32)])
def test_vbe_modes(screen, mode, bpp):
    s = screen(dict(ax=0x4F02, bx=mode | 0x4000))
    size = (bpp + 7) // 8
    data = s.noise(480, 640, size)
    s.vga.mem.vram.view[:data.size] = data.reshape(-1)
    if bpp == 8:
        expected = random_dac(s)[data[..., 0]]
    elif size == 2:
        expected = pixel_colors(bpp, data.view("<u2")[..., 0])
    else:
        expected = data[..., 2::-1]
    assert (s.dump() == expected).all()


def test_vbe_pictures_are_panned(screen):
    s = screen(dict(ax=0x4F02, bx=0x4111), dict(ax=0x4F06, bx=0, cx=800), dict(ax=0x4F07, bx=0, cx=30, dx=20))
    data = s.noise(600, 800, 2)
    s.vga.mem.vram.view[:data.size] = data.reshape(-1)
    assert (s.dump() == pixel_colors(16, data.view("<u2")[20:500, 30:670, 0])).all()


def test_a_dark_screen_is_black_and_as_large(screen):
    s = screen(dict(ax=3), dict(ax=0x0E41, bx=7))
    s.outb(0x3C4, 1)
    s.outb(0x3C5, 0x20)
    shown = s.dump()
    assert shown.shape == (400, 720, 3) and not shown.any()
