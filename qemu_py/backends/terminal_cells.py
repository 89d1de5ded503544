"""Characters with colours, as the control sequences that bring a terminal from one picture to the next (ECMA-48).

Sans-IO. A picture is an array of cells, rows x columns x 4: character (a code point), ink, paper (24 bits, RGB), and
whether it blinks. Only what differs from the last one is sent.
"""
from functools import lru_cache

import numpy as np

from qemu_py.backends.text_pen import PALETTE, STEPS

CHARACTER, INK, PAPER, BLINK = range(4)
UPPER_HALF = 0x2580
GAP = 4                                 # so many cells that did not change are cheaper than a cursor movement
DIRECT_COLOR = ("alacritty", "contour", "foot", "foot-extra", "wezterm", "xterm-ghostty", "xterm-kitty")


def blank_cells(rows, columns):
    cells = np.zeros((rows, columns, 4), np.uint32)
    cells[..., CHARACTER] = 0x20
    cells[..., INK] = 0xAAAAAA
    return cells


def rgb_values(colors):
    """... x 3 bytes as numbers of 24 bits."""
    colors = colors.astype(np.uint32)
    return colors[..., 0] << 16 | colors[..., 1] << 8 | colors[..., 2]


def colors_of_terminal(environment):
    """1 << 24, 256, 16 or 8: what the environment says about the terminal."""
    term = environment.get("TERM", "")
    if environment.get("COLORTERM", "") in ("truecolor", "24bit") or term.endswith("-direct") or term in DIRECT_COLOR:
        return 1 << 24
    if "16color" in term:
        return 16
    return 256 if "256color" in term or term.startswith(("xterm", "screen", "tmux")) else 8


@lru_cache(4096)
def color_parameters(colors, rgb, base):
    """Parameters of SGR for a colour; base: 30 for ink, 40 for paper."""
    parts = rgb >> 16, rgb >> 8 & 0xFF, rgb & 0xFF
    if colors > 256:
        return f"{base + 8};2;{parts[0]};{parts[1]};{parts[2]}"
    if colors == 256:
        near = [min(range(6), key=lambda n: abs(STEPS[n] - part)) for part in parts]
        error = sum((STEPS[n] - part) ** 2 for n, part in zip(near, parts))
        gray = min(23, max(0, (sum(parts) // 3 - 3) // 10))
        if sum((8 + 10 * gray - part) ** 2 for part in parts) < error:
            return f"{base + 8};5;{232 + gray}"
        return f"{base + 8};5;{16 + 36 * near[0] + 6 * near[1] + near[2]}"
    if colors == 16:
        number = min(range(16), key=lambda n: sum((part - (PALETTE[n] >> shift & 0xFF)) ** 2 for part, shift in zip(parts, (16, 8, 0))))
        return str(base + number if number < 8 else base + 52 + number)
    top = max(parts)
    bits = sum(1 << n for n, part in enumerate(parts) if part > 0x3F and 2 * part > top)
    if base == 30 and min(parts) > 0x3F:
        # Bright ones by bold type, so that white is not the same as light gray, nor dark gray as black.
        return f"1;{30 + bits}" if top > 0xCC else f"{30 + bits}" if top > 0x80 else "1;30"
    return str(base + bits)


class Painter:
    """What the terminal shows."""

    def __init__(self, colors=1 << 24):
        self.colors = colors
        self.shown = None               # cells; None: unknown
        self.cursor = None

    def forget(self):
        """Somebody else has written to the terminal, or its size has changed."""
        self.shown = None

    def sgr(self, ink, paper, blink):
        return (f"\x1b[0;{color_parameters(self.colors, ink, 30)};{color_parameters(self.colors, paper, 40)}"
                f"{';5' if blink else ''}m")

    def frame(self, cells, cursor):
        """Text that makes the terminal show these cells and the cursor at (column, row), or None; "": it does already."""
        out = []
        if self.shown is None or self.shown.shape != cells.shape:
            out.append("\x1b[0m\x1b[2J")
            changed = np.ones(cells.shape[:2], bool)
            self.cursor = ()
        else:
            changed = (cells != self.shown).any(axis=2)
        pen = None
        for y in np.flatnonzero(changed.any(axis=1)):
            columns = np.flatnonzero(changed[y])
            for run in np.split(columns, np.flatnonzero(np.diff(columns) > GAP) + 1):
                out.append(f"\x1b[{y + 1};{run[0] + 1}H")
                for character, *colors in cells[y, run[0]:run[-1] + 1].tolist():
                    if colors != pen:
                        pen = colors
                        out.append(self.sgr(*colors))
                    out.append(chr(character))
        if out or cursor != self.cursor:
            out.append("\x1b[?25l" if cursor is None else f"\x1b[{cursor[1] + 1};{cursor[0] + 1}H\x1b[?25h")
        self.shown, self.cursor = cells, cursor
        return "".join(out)


# ---------------------------------------------------------------- pictures
def shrink(pixels, height, width):
    """Average over the area of each new pixel: height x width x RGB."""
    def edges(old, new):
        return np.minimum(np.arange(new) * old // new, old - 1)
    rows, columns = edges(pixels.shape[0], height), edges(pixels.shape[1], width)
    counts = np.diff(np.append(rows, pixels.shape[0]))[:, None, None] * np.diff(np.append(columns, pixels.shape[1]))[:, None]
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.uint32), rows, axis=0), columns, axis=1)
    return (sums // np.maximum(counts, 1)).astype(np.uint8)


def half_blocks(pixels, rows, columns, aspect):
    """A picture as cells of two pixels each, one above the other, in the middle of rows x columns. aspect: width / height."""
    cells = blank_cells(rows, columns)
    width = max(1, min(columns, round(2 * rows * aspect)))
    height = max(2, min(2 * rows, round(columns / aspect)) & ~1)
    colors = rgb_values(shrink(pixels, min(height, pixels.shape[0] & ~1), min(width, pixels.shape[1])))
    height, width = colors.shape
    top, left = (rows - height // 2) // 2, (columns - width) // 2
    part = cells[top:top + height // 2, left:left + width]
    part[..., CHARACTER], part[..., INK], part[..., PAPER] = UPPER_HALF, colors[0::2], colors[1::2]
    return cells


def window(cells, cursor, rows, columns):
    """Cells cut, or filled up, to rows x columns, so that the cursor is seen; and where it then is."""
    have_rows, have_columns = cells.shape[:2]
    x, y = cursor or (0, 0)
    top = min(max(0, y - rows + 1), max(0, have_rows - rows))
    if cursor is None:
        top = 0
    left = max(0, min(x - columns + 1, have_columns - columns))
    result = blank_cells(rows, columns)
    part = cells[top:top + rows, left:left + columns]
    result[:part.shape[0], :part.shape[1]] = part
    return result, (x - left, y - top) if cursor is not None and y - top < rows and x - left < columns else None
