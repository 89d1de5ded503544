"""The fonts of the VGA BIOS: 256 characters of code page 437 in 8, 14 and 16 lines, made of strokes.txt.

Nothing is taken from another font. Letters are strokes on a grid of 5 x 8: in the font of 8 lines the grid itself, in
the taller ones lines between the centres of neighbouring points, and then thickened to the right as far as gaps stay
open. What frames and shades are made of is computed from the characters' Unicode names.
"""
import unicodedata
from pathlib import Path

HEIGHTS = 8, 14, 16
LOW = "\0☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CHARACTERS = LOW + bytes(range(32, 256)).decode("cp437").replace("\x7f", "⌂")
COLUMNS = (0, 1, 2, 4, 5)               # of a stroke's points in a tall font; thickening adds a sixth
LINES = {14: (1, 3, 4, 6, 7, 8, 10, 12), 16: (2, 4, 5, 7, 8, 10, 11, 13)}
LOWERED = {14: (4, 5, 6, 7, 8, 9, 10, 12), 16: (5, 6, 7, 8, 9, 10, 11, 13)}     # a capital's, below an accent
ACCENT_LINE = {14: 0, 16: 1}


def read_strokes():
    """(rows of characters, letters that only stand below accents, accents, compositions)."""
    rows, small, accents, composed = {}, {}, {}, {}
    for line in Path(__file__).with_name("strokes.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if line.startswith("# ") and len(words) != 9 or line == "#":
            continue
        if words[0] == "accent":
            bits = bytes.fromhex("".join(words[2:]))
            accents[words[1]] = bits[:2], bits[2:]
        elif words[0] == "small":
            small[words[1]] = bytes.fromhex("".join(words[2:]))
        elif words[1] == "=":
            composed[words[0]] = words[2], words[3], bytes.fromhex("".join(words[4:]))
        else:
            wide = words[0] == "8" and len(words) == 10
            rows[words[wide]] = wide, bytes.fromhex("".join(words[1 + wide:]))
    return rows, small, accents, composed


# ---------------------------------------------------------------- strokes
def line_points(x0, y0, x1, y1):
    """The points of a straight line."""
    steps = max(abs(x1 - x0), abs(y1 - y0)) or 1
    return {((2 * x0 * (steps - n) + 2 * x1 * n + steps) // (2 * steps), (2 * y0 * (steps - n) + 2 * y1 * n + steps) // (2 * steps))
            for n in range(steps + 1)}


def thicken(row):
    """Each run of dots grows by one to the right, if the next run stays apart."""
    return row | row >> 1 & ~(row << 1) & 0xFE


def tall(rows, lines):
    """Eight rows of five bits as strokes; lines: where the rows' centres are."""
    points = {(x, y) for y in range(8) for x in range(5) if rows[y] >> 4 - x & 1}
    dots = set()
    for x, y in points:
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1), (-1, 1)):
            straight = dx and dy and ((x + dx, y) in points or (x, y + dy) in points)
            if (x + dx, y + dy) in points and not straight:
                dots |= line_points(COLUMNS[x], lines[y], COLUMNS[x + dx], lines[y + dy])
    glyph = bytearray(lines[-1] + 3)
    for x, y in dots:
        glyph[y] |= 0x80 >> x
    return bytes(map(thicken, glyph))


def letter(rows, height, lines=LINES):
    return bytes(row << 2 for row in rows) if height == 8 else tall(rows, lines[height])[:height].ljust(height, b"\0")


def accented(rows, accent, lowered, height):
    """lowered: the rows of a capital and its accent on 8 lines; else empty."""
    glyph = bytearray(letter(rows, height, LOWERED if lowered else LINES))
    if height == 8 and lowered:
        glyph[:] = bytes(row << 2 for row in lowered)
    elif height == 8:
        glyph[:2] = bytes(row << 2 for row in accent[0])
    else:
        for n, row in enumerate(accent[1]):
            glyph[ACCENT_LINE[height] + n] |= row
    return bytes(glyph)


def symbol(character, rows, height):
    """Eight rows of eight bits, stretched: to the whole cell, if they are to touch its edges, else less."""
    if height == 8 or character in "◘◙⌠⌡":
        return bytes(rows[8 * y // height] for y in range(height))
    lines = height - 4
    return b"\0\0" + bytes(rows[8 * y // lines] for y in range(lines)) + b"\0\0"


# ---------------------------------------------------------------- frames and shades
def mirrored(lines, size):
    """The same lines seen from the other edge."""
    return [(size - first - dots, dots) for first, dots in reversed(lines)]


def arm_ends(weight, other, sides, crossing):
    """How far an arm's lines lead inwards, as [(0: first, 1: middle, 2: second of a pair, end)].

    weight: 1 single, 2 double; other: that of the arm opposite; sides: those of the arms on the first and on the second
    line's side; crossing: (first dot, dots) of the lines that it meets: the first of a pair, a single one, the second."""
    first, middle, second = (start + dots for start, dots in crossing)
    if weight == 1:
        return [(1, middle if other == 1 or 2 not in sides else first if sides[0] == sides[1] else second)]
    ends = []
    for line, side, opposite in ((0, *sides), (2, *reversed(sides))):
        if side:
            ends.append((line, first if side == 2 else middle))
        else:
            ends.append((line, second if opposite == 2 and other != 2 else middle))
    return ends if weight else []


def draw_frame(height, up, down, left, right):
    """Lines from the edges to the middle."""
    thick = 1 if height == 8 else 2
    middle = height // 2 - 1
    columns = [(1, 2), (3, 2), (5, 2)]
    rows = [(middle - thick, 1), (middle, thick), (middle + 2 * thick - 1, 1)]
    glyph = bytearray(height)

    def fill(x0, x1, y0, y1):
        for y in range(y0, y1):
            glyph[y] |= (0xFF >> x0) & ~(0xFF >> x1)

    for n, end in arm_ends(up, down, (left, right), rows):
        fill(columns[n][0], sum(columns[n]), 0, end)
    for n, end in arm_ends(down, up, (left, right), mirrored(rows, height)):
        fill(columns[n][0], sum(columns[n]), height - end, height)
    for n, end in arm_ends(left, right, (up, down), columns):
        fill(0, end, rows[n][0], sum(rows[n]))
    for n, end in arm_ends(right, left, (up, down), mirrored(columns, 8)):
        fill(8 - end, 8, rows[n][0], sum(rows[n]))
    return bytes(glyph)


WEIGHTS = {"LIGHT": 1, "SINGLE": 1, "DOUBLE": 2}
ARMS = {"UP": (0,), "DOWN": (1,), "LEFT": (2,), "RIGHT": (3,), "VERTICAL": (0, 1), "HORIZONTAL": (2, 3)}


def frame(character, height):
    """BOX DRAWINGS LIGHT VERTICAL AND LEFT, ... VERTICAL SINGLE AND LEFT DOUBLE: words to arms."""
    words = unicodedata.name(character).removeprefix("BOX DRAWINGS ").split()
    weights = [0, 0, 0, 0]
    common = WEIGHTS.get(words[0])
    for word, after in zip(words, words[1:] + [""]):
        for arm in ARMS.get(word, ()):
            weights[arm] = common or WEIGHTS[after]
    return draw_frame(height, *weights)


def block(character, height):
    """Pairs of rows that alternate, in the upper and in the lower half."""
    upper, lower = {"░": (0x2288, 0x2288), "▒": (0x55AA, 0x55AA), "▓": (0xDD77, 0xDD77), "█": (0xFFFF, 0xFFFF), "▀": (0xFFFF, 0),
                    "▄": (0, 0xFFFF), "▌": (0xF0F0, 0xF0F0), "▐": (0x0F0F, 0x0F0F), "■": (0, 0x7E7E)}[character]
    glyph = bytearray(((upper if 2 * y < height else lower) >> (8 if y % 2 == 0 else 0)) & 0xFF for y in range(height))
    if character == "■":
        glyph[height - height // 8:] = bytes(height // 8)
    return bytes(glyph)


# ---------------------------------------------------------------- all of them
def font(height):
    """256 characters of `height` bytes, bit 7 at the left."""
    rows, small, accents, composed = read_strokes()
    glyphs = []
    for character in CHARACTERS:
        if character in rows:
            wide, bits = rows[character]
            glyphs.append(symbol(character, bits, height) if wide else letter(bits, height))
        elif character in composed:
            base, accent, lowered = composed[character]
            glyphs.append(accented(small.get(base) or rows[base][1], accents[accent], lowered, height))
        elif unicodedata.name(character, "").startswith("BOX"):
            glyphs.append(frame(character, height))
        elif character in "\0 \xa0":
            glyphs.append(bytes(height))
        else:
            glyphs.append(block(character, height))
    assert len(glyphs) == 256 and all(len(glyph) == height for glyph in glyphs)
    return b"".join(glyphs)
