"""The other end of sixels and of the kitty graphics protocol: pictures out of what a terminal is sent."""
import base64
import re
import zlib

import numpy as np

SIXELS = re.compile("\x1b\\[([0-9]+);([0-9]+)H\x1bP[0-9;]*q([^\x1b]*)\x1b\\\\")
KITTY = re.compile("\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\\\")


def decode_sixels(data):
    """height x width x RGB of a DCS's contents; what is not painted is 0."""
    width, height = map(int, re.match('"1;1;([0-9]+);([0-9]+)', data).groups())
    picture = np.zeros((height + 6, width, 3), np.uint8)
    colors, color, x, y = {}, 0, 0, 0
    for number, definition, count, sixel, other in re.findall(r"#([0-9]+)(?:;2;([0-9;]+))?|(?:!([0-9]+))?([?-~])|([$-])",
                                                             data[data.index("#"):]):
        if number and definition:
            colors[int(number)] = [round(int(part) * 255 / 100) for part in definition.split(";")]
        elif number:
            color = int(number)
        elif other == "$":
            x = 0
        elif other == "-":
            x, y = 0, y + 6
        else:
            for bit in range(6):
                if ord(sixel) - 63 >> bit & 1:
                    picture[y + bit, x:x + int(count or 1)] = colors[color]
            x += int(count or 1)
            assert x <= width
    assert not picture[height:].any()
    return picture[:height]


class GraphicsTerminal:
    """Understands pictures, and nothing else."""

    def __init__(self):
        self.sixels = []                # (row, column, picture)
        self.pictures = {}              # kitty: number -> (row, column, control keys, picture)

    def feed(self, text):
        for row, column, data in SIXELS.findall(text):
            self.sixels.append((int(row) - 1, int(column) - 1, decode_sixels(data)))
        position, keys, payload = None, {}, ""
        for found in re.finditer(f"\x1b\\[([0-9]+);([0-9]+)H|{KITTY.pattern}", text):
            if found[1]:
                position = int(found[1]) - 1, int(found[2]) - 1
                continue
            control = dict(item.split("=") for item in found[3].split(","))
            if control.get("a") == "d":
                if control["d"] == "A":
                    self.pictures.clear()
                else:
                    del self.pictures[int(control["i"])]
                continue
            if control.get("a") == "q":
                continue
            assert len(found[4]) <= 4096
            keys, payload = {**control, **keys}, payload + found[4]
            if control["m"] == "0":
                shape = int(keys["v"]), int(keys["s"]), 3
                pixels = np.frombuffer(zlib.decompress(base64.standard_b64decode(payload)), np.uint8).reshape(shape)
                self.pictures[int(keys["i"])] = (*position, keys, pixels)
                keys, payload = {}, ""
