"""The fonts of our VGA BIOS: drawn by pc-bios/vgabios/font.py."""
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "pc-bios"))
import vgabios_build                    # noqa: E402

font = vgabios_build.module_of("font")


def dots(character, height):
    """height x 8, as they are shown; character: of code page 437."""
    code = font.CHARACTERS.index(character)
    rows = font.font(height)[height * code:height * (code + 1)]
    return np.unpackbits(np.frombuffer(rows, np.uint8)[:, None], axis=1)


@pytest.mark.parametrize("height", font.HEIGHTS)
def test_all_characters_are_there_and_differ(height):
    glyphs = {}
    for character in font.CHARACTERS:
        glyphs.setdefault(dots(character, height).tobytes(), []).append(character)
    alike = sorted(characters for characters in glyphs.values() if len(characters) > 1)
    assert alike == [["\0", " ", "\xa0"]]


@pytest.mark.parametrize("height", font.HEIGHTS)
def test_letters_leave_a_gap_to_the_next(height):
    for character in map(chr, range(33, 127)):
        assert not dots(character, height)[:, 7].any(), character


@pytest.mark.parametrize("height", font.HEIGHTS)
def test_frames_meet_at_the_edges_of_their_cells(height):
    """Each arm ends in the same dots of an edge as the straight line of its kind."""
    vertical = {1: dots("│", height)[0], 2: dots("║", height)[0]}
    horizontal = {1: dots("─", height)[:, 0], 2: dots("═", height)[:, 0]}
    nothing = {0: 0 * vertical[1]}, {0: 0 * horizontal[1]}
    for character, (up, down, left, right) in {"┼": (1, 1, 1, 1), "╬": (2, 2, 2, 2), "╔": (0, 2, 0, 2), "╜": (2, 0, 1, 0), "╒": (0, 1, 0, 2),
                                               "╫": (2, 2, 1, 1), "╧": (1, 0, 2, 2), "├": (1, 1, 0, 1), "╥": (0, 2, 1, 1)}.items():
        glyph = dots(character, height)
        for edge, weight, lines in ((glyph[0], up, vertical | nothing[0]), (glyph[-1], down, vertical | nothing[0]),
                                    (glyph[:, 0], left, horizontal | nothing[1]), (glyph[:, 7], right, horizontal | nothing[1])):
            assert (edge == lines[weight]).all(), character


def test_accents_stand_above_their_letters():
    for letter, accented in zip("aeoun", "äëöüñ"):
        glyph, plain = dots(accented, 16), dots(letter, 16)
        assert (glyph[5:] == plain[5:]).all() and glyph[:4].any() and not plain[:4].any()


def test_the_image_has_them():
    from qemu_py.machine.pc_vga import font_16
    assert b"".join(font_16()) == font.font(16)
