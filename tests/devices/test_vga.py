"""VGA, register by register, from IBM's PS/2 Hardware Interface Technical Reference ("Video Subsystem"), and
the Bochs VBE extensions, through ports and memory."""
import random
import zlib

import numpy as np
import pytest

from qemu_py.control.screendump import png, ppm
from qemu_py.devices.isa_bus import ISABus
from qemu_py.devices.isa_vga import ISAVGA
from qemu_py.devices.vga_render import Display
from qemu_py.system.memory import Memory, MemoryRegion
from qemu_py.system.surface import Surface

SEQ, GC, CRTC, ATTR, DAC_READ, DAC_WRITE, DAC_DATA, STATUS1 = 0x3C4, 0x3CE, 0x3D4, 0x3C0, 0x3C7, 0x3C8, 0x3C9, 0x3DA
MAP_MASK, MEMORY_MODE = 2, 4
SET_RESET, ENABLE_SET_RESET, COLOR_COMPARE, ROTATE, READ_MAP, MODE, MISC, DONT_CARE, BIT_MASK = range(9)
RETRACE, NOT_DISPLAYING = 0x08, 0x01
VBE_INDEX, VBE_DATA = 0x1CE, 0x1CF
VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT, VBE_X, VBE_Y, VBE_64K = range(11)
ENABLED, GETCAPS, DAC8, LFB, NOCLEAR = 1, 2, 0x20, 0x40, 0x80
LFB_BASE = 0xE0000000

# IBM's mode tables: miscellaneous output, sequencer, CRTC, graphics, attribute
ATTR_16 = "00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f"
MODES = {
    "3": (0x67, "03 00 03 00 02", "5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff",
          "00 00 00 00 00 10 0e 00 ff", ATTR_16 + " 0c 00 0f 08 00"),
    "4": (0x63, "03 09 03 00 02", "2d 27 28 90 2b 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 a2 ff",
          "00 00 00 00 00 30 0f 00 ff", "00 13 15 17 02 04 06 07 10 11 12 13 14 15 16 17 01 00 03 00 00"),
    "0d": (0x63, "03 09 0f 00 06", "2d 27 28 90 2b 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 e3 ff",
           "00 00 00 00 00 00 05 0f ff", "00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17 01 00 0f 00 00"),
    "12": (0xE3, "03 01 0f 00 06", "5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff",
           "00 00 00 00 00 00 05 0f ff", ATTR_16 + " 01 00 0f 00 00"),
    "13": (0x63, "03 01 0f 00 0e", "5f 4f 50 82 54 80 bf 1f 00 41 00 00 00 00 00 00 9c 8e 8f 28 40 96 b9 a3 ff",
           "00 00 00 00 00 40 05 0f ff", "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 41 00 0f 00 00"),
}


class Card:
    """An ISA VGA in an otherwise empty machine, with its frame buffer at LFB_BASE."""

    def __init__(self, clock):
        self.memory = Memory()
        self.vga = ISAVGA(clock, self.memory)
        self.vga.plug(ISABus(self.memory.system_io, [], memory_space=self.memory.system_memory))
        self.memory.system_memory.add_subregion(LFB_BASE, MemoryRegion.alias_of("lfb", self.vga.mem.vram, 0, 16 << 20))
        self.outb, self.inb = self.memory.physmap.port_write, self.memory.physmap.port_read
        self.write_bytes, self.read_bytes = (self.memory.address_space_memory.write, self.memory.address_space_memory.read)

    def out(self, port, index, value):
        self.outb(port, index)
        self.outb(port + 1, value)

    def get(self, port, index):
        self.outb(port, index)
        return self.inb(port + 1)

    def attribute(self, index, value):
        self.inb(STATUS1)
        self.outb(ATTR, index)
        self.outb(ATTR, value)

    def mode(self, name):
        misc, *tables = MODES[name]
        sequencer, crtc, graphics, attribute = map(bytes.fromhex, tables)
        self.outb(0x3C2, misc)
        self.out(CRTC, 0x11, 0)
        for port, values in ((SEQ, sequencer), (CRTC, crtc), (GC, graphics)):
            for index, value in enumerate(values):
                self.out(port, index, value)
        for index, value in enumerate(attribute):
            self.attribute(index, value)
        self.inb(STATUS1)
        self.outb(ATTR, 0x20)
        self.outb(DAC_WRITE, 0)
        for color in range(256):        # red: the index' low six bits, green: its high two
            for value in (color & 0x3F, color >> 6, 0):
                self.outb(DAC_DATA, value)

    def poke(self, address, *values):
        self.write_bytes(address, bytes(values))

    def peek(self, address):
        return self.read_bytes(address, 1)[0]

    def planes(self, address):
        """What the planes hold at an address of A0000h on, by read mode 0."""
        found = []
        for plane in range(4):
            self.out(GC, READ_MAP, plane)
            found.append(self.peek(address))
        return found

    def vbe(self, index, value=None):
        self.outb(VBE_INDEX, index, 2)
        if value is None:
            return self.inb(VBE_DATA, 2)
        self.outb(VBE_DATA, value, 2)

    def vbe_mode(self, width, height, bpp, flags=LFB):
        self.vbe(VBE_ENABLE, 0)
        for index, value in ((VBE_XRES, width), (VBE_YRES, height), (VBE_BPP, bpp), (VBE_ENABLE, ENABLED | flags)):
            self.vbe(index, value)

    def red(self):
        """The picture's red components, to six bits: the low bits of DAC indices 0-63."""
        return self.vga.picture()[:, :, 0] >> 2


@pytest.fixture
def card(clock):
    return Card(clock)


# ---------------------------------------------------------------- registers
def test_registers_keep_the_bits_that_they_have(card):
    for port, bits in ((SEQ, (0x03, 0x3D, 0x0F, 0x3F, 0x0E)), (GC, (0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF))):
        for index, mask in enumerate(bits):
            card.out(port, index, 0xFF)
            assert card.get(port, index) == mask
    card.outb(0x3C2, 0xFF)
    assert card.inb(0x3CC) == 0xEF


def test_a_word_written_to_an_index_port_is_index_and_data(card):
    card.outb(GC, 0x5A08, 2)
    assert card.get(GC, BIT_MASK) == 0x5A


def test_the_attribute_controller_takes_index_and_data_at_one_port_by_turns(card):
    card.outb(0x3C2, 0x01)
    card.inb(STATUS1)
    card.outb(ATTR, 0x10)
    card.outb(ATTR, 0x41)
    card.outb(ATTR, 0x13)
    card.inb(STATUS1)                   # makes the next write an index again
    card.outb(ATTR, 0x10)
    assert card.inb(0x3C1) == 0x41


def test_the_palette_is_locked_while_it_is_displayed(card):
    card.outb(0x3C2, 0x01)
    card.attribute(0x05, 0x11)
    card.attribute(0x25, 0x22)
    card.inb(STATUS1)
    card.outb(ATTR, 0x05)
    assert card.inb(0x3C1) == 0x11


def test_crtc_registers_0_to_7_are_protected_but_for_a_bit_of_line_compare(card):
    card.mode("3")
    card.out(CRTC, 0x11, 0x8E)
    for index in range(8):
        card.out(CRTC, index, 0xFF)
    assert [card.get(CRTC, index) for index in range(8)] == [0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F]
    card.out(CRTC, 7, 0x00)
    assert card.get(CRTC, 7) == 0x0F


def test_the_crtc_is_at_3d4_or_3b4(card):
    card.outb(0x3C2, 0x01)
    card.out(0x3D4, 0x0E, 0x12)
    assert card.inb(0x3B5) == 0xFF
    card.outb(0x3C2, 0x00)
    assert card.get(0x3B4, 0x0E) == 0x12
    assert card.inb(0x3D5) == 0xFF


def test_the_dac_takes_three_components_and_steps(card):
    card.outb(DAC_WRITE, 0xFF)
    for value in (1, 2, 0xFF, 4, 5, 6):
        card.outb(DAC_DATA, value)
    assert card.inb(DAC_WRITE) == 1     # wrapped
    assert card.inb(0x3C7) == 0
    card.outb(DAC_READ, 0xFF)
    assert card.inb(0x3C7) == 3
    assert [card.inb(DAC_DATA) for _ in range(6)] == [1, 2, 0x3F, 4, 5, 6]


def test_a_colour_reaches_the_palette_with_its_third_component(card):
    card.outb(DAC_WRITE, 7)
    card.outb(DAC_DATA, 9)
    card.outb(DAC_DATA, 9)
    card.outb(DAC_READ, 7)
    assert [card.inb(DAC_DATA) for _ in range(3)] == [0, 0, 0]


def test_retrace_comes_seventy_times_a_second(card, clock):
    card.mode("3")
    edges, before = 0, RETRACE
    for _ in range(20_000):
        clock.advance(50_000)
        now = card.inb(STATUS1) & RETRACE
        edges += now and not before
        before = now
    assert edges == 70


def test_display_enable_is_off_in_retrace_and_on_in_the_picture(card, clock):
    card.mode("12")
    seen = set()
    for _ in range(1000):
        clock.advance(33_333)
        seen.add(card.inb(STATUS1) & (RETRACE | NOT_DISPLAYING))
    assert seen == {0, NOT_DISPLAYING, RETRACE | NOT_DISPLAYING}


# ---------------------------------------------------------------- planes
def fill_latches(card, values, address=0xA0000):
    """Put four bytes at an address, plane by plane, and load the latches with them."""
    for plane, value in enumerate(values):
        card.out(SEQ, MAP_MASK, 1 << plane)
        card.poke(address, value)
    card.out(SEQ, MAP_MASK, 0x0F)
    card.peek(address)


def test_the_map_mask_selects_planes(card):
    card.mode("12")
    fill_latches(card, (0x11, 0x22, 0x33, 0x44))
    assert card.planes(0xA0000) == [0x11, 0x22, 0x33, 0x44]


def test_write_mode_0_rotates(card):
    card.mode("12")
    card.out(GC, ROTATE, 3)
    card.poke(0xA0010, 0x0F)
    assert card.planes(0xA0010) == [0xE1] * 4


@pytest.mark.parametrize("function, expected", [(0, 0x3C), (1, 0x24), (2, 0xBD), (3, 0x99)])
def test_write_mode_0_has_four_functions(card, function, expected):
    card.mode("12")
    fill_latches(card, [0xA5] * 4)
    card.out(GC, ROTATE, function << 3)
    card.poke(0xA0000, 0x3C)
    assert card.planes(0xA0000) == [expected] * 4


def test_set_reset_replaces_data_in_enabled_planes(card):
    card.mode("12")
    card.out(GC, SET_RESET, 0b0101)
    card.out(GC, ENABLE_SET_RESET, 0b0011)
    card.poke(0xA0000, 0x5A)
    assert card.planes(0xA0000) == [0xFF, 0x00, 0x5A, 0x5A]


def test_the_bit_mask_lets_the_latches_through(card):
    card.mode("12")
    fill_latches(card, (0xFF, 0x00, 0xAA, 0x55))
    card.out(GC, BIT_MASK, 0x0F)
    card.poke(0xA0001, 0xC3)
    assert card.planes(0xA0001) == [0xF3, 0x03, 0xA3, 0x53]


def test_write_mode_1_copies_the_latches(card):
    card.mode("12")
    fill_latches(card, (1, 2, 3, 4))
    card.out(GC, MODE, 1)
    card.poke(0xA1234, 0xFF)
    assert card.planes(0xA1234) == [1, 2, 3, 4]


def test_write_mode_2_takes_a_colour(card):
    card.mode("12")
    fill_latches(card, (0, 0, 0, 0))
    card.out(GC, MODE, 2)
    card.out(GC, BIT_MASK, 0x81)
    card.poke(0xA0000, 0x0A)
    assert card.planes(0xA0000) == [0, 0x81, 0, 0x81]


def test_write_mode_3_masks_set_reset_with_the_data(card):
    card.mode("12")
    fill_latches(card, (0, 0xFF, 0, 0xFF))
    card.out(GC, MODE, 3)
    card.out(GC, SET_RESET, 0b0011)
    card.out(GC, BIT_MASK, 0x3C)
    card.poke(0xA0000, 0xF0)
    assert card.planes(0xA0000) == [0x30, 0xFF, 0, 0xCF]


def test_read_mode_1_compares_colours(card):
    card.mode("12")
    fill_latches(card, (0b11110000, 0b11001100, 0b10101010, 0b00000000))
    card.out(GC, MODE, 0x08)
    card.out(GC, COLOR_COMPARE, 0b0011)
    card.out(GC, DONT_CARE, 0b1111)
    assert card.peek(0xA0000) == 0b01000000         # planes 0 and 1 set, 2 and 3 clear
    card.out(GC, DONT_CARE, 0b0011)
    assert card.peek(0xA0000) == 0b11000000
    card.out(GC, DONT_CARE, 0)
    assert card.peek(0xA0000) == 0xFF


def test_wide_accesses_are_bytes_at_rising_addresses(card):
    card.mode("12")
    card.write_bytes(0xA0101, bytes(range(1, 9)))
    assert card.read_bytes(0xA0101, 8) == bytes(range(1, 9))


@pytest.mark.parametrize("select, inside, outside", [
    (0, (0xA0000, 0xB8000, 0xBFFFF), ()), (1, (0xA0000, 0xAFFFF), (0xB0000, 0xB8000)),
    (2, (0xB0000, 0xB7FFF), (0xA0000, 0xB8000)), (3, (0xB8000, 0xBFFFF), (0xA0000, 0xB7FFF))])
def test_the_memory_map_select_chooses_the_window(card, select, inside, outside):
    card.mode("12")
    card.out(GC, MISC, select << 2 | 1)
    for address in inside:
        card.poke(address, 0x42)
        assert card.peek(address) == 0x42
    for address in outside:
        card.poke(address, 0x43)
        assert card.peek(address) == 0xFF


# ---------------------------------------------------------------- text
def load_font(card, glyphs, base=0):
    """As a BIOS does: plane 2, sequential addressing, at A0000h."""
    saved = [(SEQ, MAP_MASK, 3), (SEQ, MEMORY_MODE, 2), (GC, READ_MAP, 0), (GC, MODE, 0x10), (GC, MISC, 0x0E)]
    for port, index, value in ((SEQ, MAP_MASK, 4), (SEQ, MEMORY_MODE, 7), (GC, READ_MAP, 2), (GC, MODE, 0), (GC, MISC, 4)):
        card.out(port, index, value)
    for code, lines in glyphs.items():
        card.write_bytes(0xA0000 + base + 32 * code, bytes(lines))
    for port, index, value in saved:
        card.out(port, index, value)


def text_card(card):
    card.mode("3")
    card.write_bytes(0xB8000, b" \x07" * 0x4000)
    card.out(CRTC, 0x0A, 0x20)          # no cursor
    load_font(card, {0x41: [0x80] * 16, 0xC4: [0xFF] * 16, 0xDB: [0xFF] * 16, 0x20: [0] * 16})
    return card


def test_text_is_plain_ram_and_lies_in_two_planes(card):
    text_card(card)
    card.write_bytes(0xB8000, b"A\x1fB\x2e")
    assert card.memory.address_space_memory.find(0xB8000).mr.is_ram
    assert card.read_bytes(0xB8000, 4) == b"A\x1fB\x2e"
    card.out(SEQ, MEMORY_MODE, 6)
    card.out(GC, MODE, 0)
    card.out(GC, MISC, 4)
    assert card.planes(0xA0000)[:2] == [0x41, 0x1F]
    assert card.planes(0xA0002)[:2] == [0x42, 0x2E]


def test_loading_a_font_leaves_the_text_alone(card):
    text_card(card)
    card.write_bytes(0xB8000, b"Hello, world"[0:12])
    load_font(card, {1: range(16)})
    assert card.read_bytes(0xB8000, 12) == b"Hello, world"


def test_characters_are_nine_dots_wide_and_line_graphics_join(card):
    text_card(card)
    card.write_bytes(0xB8000, b"A\x01\xc4\x02\xdb\x30A\x04")
    line = card.red()[0, :36]
    assert card.vga.picture().shape == (400, 720, 3)
    # Colours of attribute registers 0-7 are DAC 0-7 but for 6, which is 14h.
    assert list(line[:9]) == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert list(line[9:18]) == [2] * 9
    assert list(line[18:27]) == [0] * 9             # DBh: black on cyan, joined too
    assert list(line[27:36]) == [4] + [0] * 8


def test_the_screen_reads_as_text(card):
    text_card(card)
    card.write_bytes(0xB8000 + 160, b"H\x07i\x07 \x07\xdb\x1f\x01\x07")
    assert card.vga.screen_text() == ["", "Hi █☺"] + [""] * 23


@pytest.mark.parametrize("line, rows", [(159, 10), (167, 11)])
def test_a_split_screen_reads_as_text(card, line, rows):
    """The upper part begins at the start address, the lower one at 0; a row that the split cuts is seen above it, not at the bottom."""
    text_card(card)
    for row in range(40):
        card.write_bytes(0xB8000 + 160 * row, b"".join(bytes((code, 7)) for code in f"row {row}".encode()))
    card.out(CRTC, 0x0D, 80)
    card.out(CRTC, 0x18, line)
    card.out(CRTC, 0x07, 0x0F)
    card.out(CRTC, 0x09, 0x0F)
    assert card.vga.screen_text() == [f"row {row}" for row in [*range(1, 1 + rows), *range((399 - line) // 16)]]


def test_the_start_address_scrolls_text(card):
    text_card(card)
    card.write_bytes(0xB8000 + 160, b"O\x07K\x07")
    card.out(CRTC, 0x0D, 80)
    assert card.vga.screen_text()[0] == "OK"


def test_the_cursor_covers_its_lines_and_blinks(card, clock):
    text_card(card)
    card.out(CRTC, 0x0A, 13)
    card.out(CRTC, 0x0B, 14)
    card.out(CRTC, 0x0F, 81)            # second row, second column
    picture = card.red()
    assert [y for y in range(400) if picture[y].any()] == [16 + 13, 16 + 14]
    assert list(np.flatnonzero(picture[29])) == list(range(9, 18))
    clock.advance(8 * 14_300_000)       # eight frames at 70 Hz
    assert not card.red().any()


def test_bit_7_of_an_attribute_blinks_or_is_the_background(card, clock):
    text_card(card)
    card.write_bytes(0xB8000, b"\xdb\x81")
    assert card.red()[0, 0] == 1
    clock.advance(16 * 14_300_000)
    assert card.red()[0, 0] == 0
    card.attribute(0x10, 0x04)          # no blinking
    card.outb(ATTR, 0x20)
    card.write_bytes(0xB8000, b" \x90")
    assert card.red()[0, 0] == 0x39


def test_two_fonts_are_chosen_by_attribute_bit_3(card):
    text_card(card)
    load_font(card, {0x41: [0x01] * 16}, base=0x4000)
    card.out(SEQ, 3, 0x04)              # map A: the second font
    card.write_bytes(0xB8000, b"A\x01A\x09")
    line = card.red()[0]
    assert list(np.flatnonzero(line[:18])) == [0, 16]


# ---------------------------------------------------------------- graphics
def test_mode_13h_is_plain_ram_shown_twice_each_way(card):
    card.mode("13")
    card.write_bytes(0xA0000, bytes(range(64)) * 1000)
    assert card.memory.address_space_memory.find(0xA0000).mr.is_ram
    picture = card.red()
    assert picture.shape == (400, 640)
    assert (picture[0] == np.arange(320).repeat(2) % 64).all()
    assert (picture[1] == picture[0]).all()
    card.write_bytes(0xA0000 + 320, b"\x3f")
    picture = card.red()
    assert list(picture[:5, 0]) == [0, 0, 0x3F, 0x3F, 0]


def test_chain_4_takes_the_plane_from_the_low_address_bits(card):
    card.mode("13")
    card.write_bytes(0xA0000, bytes((10, 11, 12, 13, 14, 15, 16, 17)))
    card.out(SEQ, MEMORY_MODE, 6)
    assert card.planes(0xA0000) == [10, 11, 12, 13]
    assert card.planes(0xA0004) == [14, 15, 16, 17]
    assert card.planes(0xA0002) == [0, 0, 0, 0]


def test_chain_4_is_the_same_as_ram_and_through_the_planes(card):
    card.mode("13")
    data = bytes(k * 7 + (k >> 8) & 0xFF for k in range(0x10000))
    card.write_bytes(0xA0000, data)
    card.out(GC, ROTATE, 0x08)          # AND: no longer plain RAM
    assert not card.memory.address_space_memory.find(0xA0000).mr.is_ram
    assert card.read_bytes(0xA0000, 0x10000) == data
    card.out(GC, ROTATE, 0)
    assert card.read_bytes(0xA0000, 0x10000) == data
    picture = card.red()
    assert (picture[::2, ::2] == np.frombuffer(data, np.uint8)[:64000].reshape(200, 320) & 0x3F).all()


def mode_x(card):
    card.mode("13")
    card.out(SEQ, MEMORY_MODE, 6)       # not chained
    card.out(CRTC, 0x14, 0)             # bytes, not double words
    card.out(CRTC, 0x17, 0xE3)


def test_mode_x_has_every_fourth_pixel_in_a_plane(card):
    mode_x(card)
    card.out(SEQ, MAP_MASK, 0x0F)
    card.write_bytes(0xA0000, bytes(0x10000))
    for plane in range(4):
        card.out(SEQ, MAP_MASK, 1 << plane)
        card.poke(0xA0000 + 80, 20 + plane)
    assert list(card.red()[2, :10]) == [20, 20, 21, 21, 22, 22, 23, 23, 0, 0]


def test_mode_x_flips_pages_by_the_start_address(card):
    mode_x(card)
    card.write_bytes(0xA0000 + 16000, b"\x2a" * 16000)
    assert card.red()[0, 0] == 0
    card.out(CRTC, 0x0C, 16000 >> 8)
    card.out(CRTC, 0x0D, 16000 & 0xFF)
    assert (card.red() == 0x2A).all()


def test_line_compare_splits_the_screen(card):
    mode_x(card)
    card.write_bytes(0xA0000, b"\x01" * 16000 + b"\x02" * 16000)
    card.out(CRTC, 0x0C, 16000 >> 8)
    card.out(CRTC, 0x0D, 16000 & 0xFF)
    card.out(CRTC, 0x18, 199)
    card.out(CRTC, 7, 0x0F)
    card.out(CRTC, 9, 0x01)
    column = card.red()[:, 0]
    assert list(column[:200]) == [2] * 200 and list(column[200:]) == [1] * 200


def test_sixteen_colours_come_from_four_planes(card):
    card.mode("12")
    for plane, value in enumerate((0b10101010, 0b01100000, 0b00010000, 0)):
        card.out(SEQ, MAP_MASK, 1 << plane)
        card.poke(0xA0000 + 80, value)
    picture = card.red()
    assert picture.shape == (480, 640)
    assert list(picture[1, :8]) == [1, 2, 3, 4, 1, 0, 1, 0]
    assert not picture[0].any()


def test_panning_moves_the_picture_left(card):
    card.mode("12")
    card.poke(0xA0001, 0x80)
    card.attribute(0x13, 3)
    card.outb(ATTR, 0x20)
    assert list(np.flatnonzero(card.red()[0])) == [5]


def test_half_the_clock_makes_dots_twice_as_wide(card):
    card.mode("0d")
    card.poke(0xA0000, 0x40)
    assert card.vga.picture().shape == (400, 640, 3)
    assert list(np.flatnonzero(card.red()[0])) == [2, 3]


def test_a_cga_mode_has_odd_lines_8_kib_on(card):
    card.mode("4")
    card.poke(0xB8000, 0b00_01_10_11)
    card.poke(0xBA000, 0b11_00_00_00)
    picture = card.red()
    assert list(picture[0, :8]) == [0, 0, 0x13, 0x13, 0x15, 0x15, 0x17, 0x17]
    assert list(picture[2, :4]) == [0x17, 0x17, 0, 0]
    assert (picture[0] == picture[1]).all()


def test_the_screen_is_dark_while_the_palette_is_not_displayed(card):
    card.mode("13")
    card.write_bytes(0xA0000, b"\x3f" * 64000)
    assert card.red().all()
    card.inb(STATUS1)
    card.outb(ATTR, 0)
    assert not card.red().any()
    card.outb(0x3DA, 0)
    card.inb(STATUS1)
    card.outb(ATTR, 0x20)
    card.out(SEQ, 1, 0x21)
    assert not card.red().any()


def test_the_pixel_mask_ands_dac_indices(card):
    card.mode("13")
    card.write_bytes(0xA0000, b"\x3f")
    card.outb(0x3C6, 0x0F)
    assert card.red()[0, 0] == 0x0F


# ---------------------------------------------------------------- VBE
def test_vbe_tells_its_version_and_limits(card):
    assert card.vbe(VBE_ID) == 0xB0C5
    card.vbe(VBE_ID, 0xB0C0)
    assert card.vbe(VBE_ID) == 0xB0C0
    assert card.vbe(VBE_64K) == 256
    card.vbe(VBE_ENABLE, GETCAPS)
    assert (card.vbe(VBE_XRES), card.vbe(VBE_YRES), card.vbe(VBE_BPP)) == (2560, 1600, 32)


@pytest.mark.parametrize("bpp, data, rgb", [
    (32, (0x10, 0x20, 0x30, 0), (0x30, 0x20, 0x10)), (24, (0x10, 0x20, 0x30), (0x30, 0x20, 0x10)),
    (16, (0x1F, 0xF8), (255, 0, 255)), (15, (0xE0, 0x03), (0, 255, 0)), (8, (0x41,), (4, 4, 0))])
def test_vbe_modes_show_the_frame_buffer(card, bpp, data, rgb):
    card.mode("13")
    card.vbe_mode(640, 480, bpp)
    pitch = 640 * len(data)
    card.write_bytes(LFB_BASE + 3 * pitch + 5 * len(data), bytes(data))
    picture = card.vga.picture()
    assert picture.shape == (480, 640, 3)
    assert tuple(picture[3, 5]) == rgb
    assert picture.any(axis=2).sum() == 1


def test_enabling_a_mode_clears_the_memory_unless_asked_not_to(card):
    card.write_bytes(LFB_BASE, b"\x55" * 100)
    card.vbe_mode(320, 200, 8, LFB | NOCLEAR)
    assert card.read_bytes(LFB_BASE, 1) == b"\x55"
    card.vbe_mode(320, 200, 8)
    assert card.read_bytes(LFB_BASE, 100) == bytes(100)


def test_a_bank_is_64_kib_of_the_frame_buffer(card):
    card.vbe_mode(1024, 768, 8, 0)
    card.vbe(VBE_BANK, 3)
    card.write_bytes(0xA0010, b"\x77")
    assert card.read_bytes(LFB_BASE + 0x30010, 1) == b"\x77"
    card.vbe(VBE_BANK, 256)             # beyond the memory
    assert card.vbe(VBE_BANK) == 3


def test_virtual_size_and_offsets(card):
    card.mode("13")
    card.vbe_mode(640, 480, 8)
    card.vbe(VBE_VIRT_WIDTH, 1024)
    assert card.vbe(VBE_VIRT_HEIGHT) == (16 << 20) // 1024
    card.vbe(VBE_X, 7)
    card.vbe(VBE_Y, 100)
    card.write_bytes(LFB_BASE + 100 * 1024 + 7, b"\x21")
    assert card.red()[0, 0] == 0x21
    card.vbe(VBE_Y, 0xFFFF)             # the picture would end behind the memory
    assert card.vbe(VBE_Y) == 100


def test_the_resolution_is_fixed_while_a_mode_is_on(card):
    card.vbe_mode(640, 480, 8)
    card.vbe(VBE_XRES, 800)
    assert card.vbe(VBE_XRES) == 640


def test_the_dac_may_have_eight_bits(card):
    card.mode("13")
    card.vbe_mode(640, 480, 8, LFB | DAC8)
    card.outb(DAC_WRITE, 0)
    for value in (0xFE, 0x81, 0x03):
        card.outb(DAC_DATA, value)
    assert tuple(card.vga.picture()[0, 0]) == (0xFE, 0x81, 0x03)


def test_after_vbe_the_vga_mode_is_back(card):
    card.mode("13")
    card.vbe_mode(640, 480, 32)
    card.vbe(VBE_ENABLE, 0)
    assert card.vga.picture().shape == (400, 640, 3)
    card.write_bytes(0xA0000, b"\x2a")
    assert card.red()[0, 0] == 0x2A


# ---------------------------------------------------------------- the display
def test_a_display_redraws_only_what_changed(card):
    from contextlib import nullcontext
    text_card(card)
    display = Display(card.vga, Surface(), nullcontext)
    surface = display.update()
    assert surface.take_dirty() == [(0, 0, 720, 400)]
    assert display.update().take_dirty() == []
    card.write_bytes(0xB8000 + 160 * 3, b"\xdb\x07")
    assert display.update().take_dirty() == [(0, 48, 720, 16)]


def test_pictures_as_files(card):
    text_card(card)
    card.write_bytes(0xB8000, b"\xdb\x01")
    pixels = card.vga.picture()
    assert ppm(pixels) == b"P6\n720 400\n255\n" + pixels.tobytes()
    data = png(pixels)
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[16:24] == (720).to_bytes(4, "big") + (400).to_bytes(4, "big")
    start = data.index(b"IDAT") + 4
    raw = zlib.decompress(data[start:start + int.from_bytes(data[start - 8:start - 4], "big")])
    assert raw[1:2161] == pixels[0].tobytes() and len(raw) == 400 * 2161


# ---------------------------------------------------------------- whatever a guest does
@pytest.mark.parametrize("seed", range(4))
def test_random_accesses_are_answered_and_whatever_results_can_be_drawn(card, clock, seed):
    pick = random.Random(seed)
    ports = [*range(0x3B4, 0x3B6), 0x3BA, *range(0x3C0, 0x3D0), 0x3D4, 0x3D5, 0x3DA, 0x1CE, 0x1CF, 0x1D0]
    for step in range(3000):
        if step % 500 == 0:
            card.mode(pick.choice(list(MODES)))
        port, size = pick.choice(ports), pick.choice((1, 1, 2, 4))
        if pick.random() < 0.2:
            assert 0 <= card.inb(port, size) < 1 << 8 * size
        elif pick.random() < 0.3:
            card.vbe(pick.randrange(16), pick.choice((0, 1, 4, 8, 16, 24, 32, 0x41, 640, 2560, 0xFFFF, pick.getrandbits(16))))
        else:
            card.outb(port, pick.choice((pick.getrandbits(8), pick.getrandbits(8 * size), 3, 0xFF)) & (1 << 8 * size) - 1, size)
        if step % 10 == 0:
            address = 0xA0000 + pick.randrange(0x20000 - 8)
            card.write_bytes(address, card.read_bytes(address + 1, pick.choice((1, 2, 4, 8))))
        if step % 50 == 0:
            clock.advance(pick.randrange(50_000_000))
            assert card.vga.picture().shape[2] == 3
            card.vga.screen_text()
    card.vga.reset()
    assert not card.vga.picture().any()
