"""What 40:A8h leads to (IBM PS/2 and PC BIOS Interface Technical Reference; Ralf Brown's list, MEM 0040h:00A8h): tables of a
program's own, which our VGA BIOS uses when it sets a mode. They are put into segment 6000h; offsets are those of the manual."""
import struct

import pytest

from tests.boot.vga_guest import DATA, poke, run_guest

TABLE, SECONDARY, AREA, LISTS, FONT = 0x000, 0x040, 0x080, 0x200, 0x1000     # in segment 6000h
DYNAMIC_AREA, TEXT_FONT, GRAPHICS_FONT = 4, 8, 0x0C
SECOND_FONT, PROFILE = 6, 0x0A
BOX = b"\xff" + b"\x81" * 6 + b"\xff"               # a character of eight lines


def far(offset):
    return struct.pack("<HH", offset, 0x6000)


@pytest.fixture
def guest(make_machine):
    """guest(steps, pointers, secondary, more): tables with the given far pointers, then the steps; more: {offset: bytes}."""
    parameters = []

    def guest(*steps, pointers=(), secondary=(), more=()):
        if not parameters:                              # where the image's own parameters are
            g = run_guest(make_machine)
            parameters.append(g.read(g.far(0x4A8), 4))
            g.machine.close()
        table = bytearray(28)
        table[0:4], table[0x10:0x14] = parameters[0], far(SECONDARY)
        second = bytearray(26)
        second[0] = 26
        for block, places in ((table, pointers), (second, secondary)):
            for at, value in dict(places).items():
                block[at:at + 4] = value
        pieces = {TABLE: table, SECONDARY: second, **dict(more)}
        use = b"\x1e\x31\xc0\x8e\xd8\x66\xc7\x06\xa8\x04" + far(TABLE) + b"\x1f"            # mov dword ptr [0:4A8h], 6000:0
        return run_guest(make_machine, *(poke(DATA + at, data) for at, data in pieces.items()), use, *steps)
    return guest


def test_parameters_of_one_s_own(guest, make_machine):
    """Mode 3 (entry 18h) with characters of eight lines, 50 rows."""
    g = guest()
    entry = bytearray(g.read(g.far(g.far(0x4A8)) + 64 * 0x18, 64))
    g.machine.close()
    entry[1], entry[2], entry[10 + 9] = 49, 8, 0x47
    g = guest(dict(ax=3), dict(ax=0x1130, bx=0x0100), pointers={0: far(0x800 - 64 * 0x18 & 0xFFFF)}, more={0x800: entry})
    assert len(g.screen) == 50 and (g.results[-1].cx, g.results[-1].dx & 0xFF) == (8, 49)


def test_colours_are_kept_in_the_dynamic_save_area(guest):
    g = guest(dict(ax=3), dict(ax=0x1000, bx=0x3905), dict(ax=0x1001, bx=0x1100), pointers={DYNAMIC_AREA: far(AREA)})
    assert g.read(DATA + AREA, 17) == bytes.fromhex("00 01 02 03 04 39 14 07 38 39 3a 3b 3c 3d 3e 3f 11")


@pytest.mark.parametrize("modes, used", [(b"\x01\x03\xff", True), (b"\x01\x07\xff", False), (b"\xff\x03", False)])
def test_a_text_font_for_some_modes(guest, modes, used):
    """Eight lines a character: two of them, from A on; as many rows as there is room for."""
    font = struct.pack("<BBHH4sB", 8, 0, 2, ord("A"), far(FONT), 0xFF) + modes
    g = guest(dict(ax=3), dict(ax=0x0E42, bx=7), dict(ax=0x1130, bx=0x0100), pointers={TEXT_FONT: far(LISTS)}, more={LISTS: font, FONT: bytes(8) + BOX})
    picture = g.machine.vga.picture()[:8, :9].any(axis=2)
    assert len(g.screen) == (50 if used else 25) and g.results[-1].cx == (8 if used else 16)
    if used:
        assert [sum(line) for line in picture] == [8, 2, 2, 2, 2, 2, 2, 8]


def test_a_font_with_fewer_rows(guest):
    font = struct.pack("<BBHH4sB", 16, 0, 0, 0, far(FONT), 20) + b"\x03\xff"
    g = guest(dict(ax=3), dict(ax=0x1130, bx=0x0100), pointers={TEXT_FONT: far(LISTS)}, more={LISTS: font})
    assert (g.results[-1].cx, g.results[-1].dx & 0xFF) == (16, 19)


def test_a_graphics_font_for_some_modes(guest):
    font = struct.pack("<BH4s", 60, 8, far(FONT - 8 * ord("B"))) + b"\x12\xff"
    steps = dict(ax=0x12), dict(ax=0x0E42, bx=15), dict(ax=0x1130, bx=0x0100)
    g = guest(*steps, pointers={GRAPHICS_FONT: far(LISTS)}, more={LISTS: font, FONT: BOX})
    picture = g.machine.vga.picture()[:8, :8].any(axis=2)
    assert (g.results[-1].cx, g.results[-1].dx & 0xFF) == (8, 59)
    assert [sum(line) for line in picture] == [8, 2, 2, 2, 2, 2, 2, 8]


def test_a_second_text_font_is_for_bright_characters(guest):
    """In block 1; only A is drawn in it, as a box of 16 lines."""
    second = struct.pack("<BBB4s", 16, 1, 0, far(FONT - 16 * ord("A"))) + b"\x03\xff"
    tall = b"\xff" * 2 + b"\x81" * 12 + b"\xff" * 2
    g = guest(dict(ax=3), dict(ax=0x0941, bx=0x0F, cx=1), dict(ax=0x0200, bx=0, dx=1), dict(ax=0x0941, bx=0x07, cx=1),
              secondary={SECOND_FONT: far(LISTS)}, more={LISTS: second, FONT: tall})
    picture = g.machine.vga.picture()[:16, :18].any(axis=2)
    assert [sum(line) for line in picture[:, :9]] == [8, 8] + [2] * 12 + [8, 8]
    assert 0 < picture[:, 9:].sum() != picture[:, :9].sum()


@pytest.mark.parametrize("underline, line", [(1, 15), (0, 0x1F), (0xFF, 0x1F)])
def test_a_palette_for_some_modes(guest, underline, line):
    profile = struct.pack("<BBHHH4sHH4s", underline, 0, 0, 2, 4, far(LISTS + 0x40), 3, 7, far(LISTS + 0x50)) + b"\x03\xff"
    g = guest(dict(ax=3), secondary={PROFILE: far(LISTS)},
              more={LISTS: profile, LISTS + 0x40: b"\x21\x22", LISTS + 0x50: bytes(range(1, 10))})
    vga = g.machine.vga.s
    assert bytes(vga.attribute[:16]) == bytes.fromhex("00 01 02 03 21 22 14 07 38 39 3a 3b 3c 3d 3e 3f")
    assert bytes(vga.dac[21:30]) == bytes(range(1, 10)) and vga.crtc[0x14] == line


def test_no_palette_is_loaded_when_programs_have_switched_that_off(guest):
    profile = struct.pack("<BBHHH4sHH4s", 0, 0, 0, 0, 0, far(LISTS), 1, 7, far(LISTS + 0x50)) + b"\x03\xff"
    g = guest(dict(ax=0x1201, bx=0x31), dict(ax=3), secondary={PROFILE: far(LISTS)}, more={LISTS: profile, LISTS + 0x50: b"\1\2\3"})
    assert bytes(g.machine.vga.s.dac[21:24]) != b"\1\2\3"
