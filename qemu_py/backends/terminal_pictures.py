"""Ways in which a terminal shows a picture: half blocks, sixels, the kitty graphics protocol.

Sans-IO. show() gives the cells that the terminal has beside or below the picture, and the text that draws it; hide() the text
that takes it away. The last lines of the terminal are left free: a picture that reaches the last one would scroll it.
"""
import zlib
from base64 import standard_b64encode

import numpy as np

from qemu_py.backends.terminal_cells import blank_cells, half_blocks, shrink
from qemu_py.backends.terminal_sixel import sixels

CHUNK = 4096                            # of base64 in one kitty sequence
DEFAULT_CELL = (20, 10)                 # height, width in pixels, where the terminal does not say
# Asked of a terminal when it is opened: a kitty picture that is not shown, the size of a cell, the device's attributes.
CELL_QUERY = "\x1b[16t"
QUERY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" + CELL_QUERY + "\x1b[c"
KITTY_ANSWER = "Gi=31;OK"
SIXEL_ATTRIBUTE = 4                     # in the answer to the last


class Place:
    """Where a picture is, in cells (rows, columns, top, left) and pixels (height, width), as large as fits. aspect: width / height."""

    def __init__(self, aspect, rows, columns, cell):
        cell_height, cell_width = cell
        self.width = max(1, min(columns * cell_width, round(rows * cell_height * aspect)))
        self.height = max(1, min(rows * cell_height, round(self.width / aspect)))
        self.rows = max(1, min(rows, -(-self.height // cell_height)))
        self.columns = max(1, min(columns, -(-self.width // cell_width)))
        self.top, self.left = (rows - self.rows) // 2, (columns - self.columns) // 2

    def __eq__(self, other):
        return isinstance(other, Place) and self.__dict__ == other.__dict__


def scale(pixels, height, width):
    """Averaged where it becomes smaller, repeated where it becomes larger."""
    old_height, old_width = pixels.shape[:2]
    pixels = shrink(pixels, min(height, old_height), min(width, old_width))
    if pixels.shape[:2] == (height, width):
        return pixels
    rows, columns = np.arange(height) * pixels.shape[0] // height, np.arange(width) * pixels.shape[1] // width
    return pixels[rows[:, None], columns]


class Blocks:
    """Two pixels a character. Every terminal can."""
    free_lines = 0                      # of the terminal, below the picture
    in_cells = True                     # cells that are written there replace it

    def leaves_traces(self, aspect, rows, columns, cell):
        """Must the terminal be cleared before the picture is shown in this place?"""
        return False

    def show(self, pixels, aspect, rows, columns, cell, fresh):
        """fresh: the terminal has been cleared."""
        return half_blocks(pixels, rows, columns, aspect), ""

    def hide(self):
        return ""


class Sixel:
    """DEC's sixels (VT340 Graphics Programming, chapter 14), 256 colours; only the lines of cells that have changed are sent."""
    free_lines = 1
    in_cells = True

    def __init__(self):
        self.place = self.pixels = None

    def leaves_traces(self, aspect, rows, columns, cell):
        return self.place is not None and self.place != Place(aspect, rows, columns, cell)

    def show(self, pixels, aspect, rows, columns, cell, fresh):
        place = Place(aspect, rows, columns, cell)
        pixels = scale(pixels, place.height, place.width)
        first, last = 0, place.height
        if not fresh and place == self.place:
            changed = np.flatnonzero((pixels != self.pixels).any(axis=(1, 2)))
            if not len(changed):
                return blank_cells(rows, columns), ""
            first, last = int(changed[0]) // cell[0] * cell[0], int(changed[-1]) + 1
        self.place, self.pixels = place, pixels
        return (blank_cells(rows, columns),
                f"\x1b[{place.top + first // cell[0] + 1};{place.left + 1}H{sixels(pixels[first:last])}")

    def hide(self):
        self.place = None               # it is cleared away
        return ""


class Kitty:
    """The terminal scales the picture. Two of them take turns, so that there is always one to see."""
    free_lines = 1
    in_cells = False

    def __init__(self):
        self.number = 0                 # of the picture that is shown; 0: none
        self.place = self.pixels = None

    def leaves_traces(self, aspect, rows, columns, cell):
        return False

    def show(self, pixels, aspect, rows, columns, cell, fresh):
        place = Place(aspect, rows, columns, cell)
        cells = blank_cells(rows, columns)
        if not fresh and place == self.place and self.pixels.shape == pixels.shape and (pixels == self.pixels).all():
            return cells, ""
        old, self.number = self.number, 2 if self.number == 1 else 1
        self.place, self.pixels = place, pixels
        data = standard_b64encode(zlib.compress(np.ascontiguousarray(pixels).tobytes(), 1)).decode()
        control = (f"a=T,f=24,o=z,t=d,q=2,C=1,i={self.number},s={pixels.shape[1]},v={pixels.shape[0]},"
                   f"c={place.columns},r={place.rows},")
        out = [f"\x1b[{place.top + 1};{place.left + 1}H"]
        for at in range(0, len(data), CHUNK):
            more = int(at + CHUNK < len(data))
            out.append(f"\x1b_G{control}m={more};{data[at:at + CHUNK]}\x1b\\")
            control = "q=2,"
        if old:
            out.append(f"\x1b_Ga=d,d=I,i={old},q=2\x1b\\")
        return cells, "".join(out)

    def hide(self):
        if not self.number:
            return ""
        self.number, self.place = 0, None
        return "\x1b_Ga=d,d=A,q=2\x1b\\"


def kind_of(report):
    """What an answer to QUERY says that the terminal can: Kitty, Sixel, or None for nothing new."""
    if report.final == "_" and report.text == KITTY_ANSWER:
        return Kitty
    if report.final == "c" and report.prefix == "?" and SIXEL_ATTRIBUTE in report.parameters[1:]:
        return Sixel
    return None


def cell_of(report):
    """(height, width) of a cell in pixels, if that is what a report tells."""
    if report.final == "t" and report.parameters[:1] == (6,) and len(report.parameters) == 3 and all(report.parameters):
        return report.parameters[1:]
    return None


KINDS = {"blocks": Blocks, "sixel": Sixel, "kitty": Kitty}
