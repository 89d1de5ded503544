"""What SGR sets: the colours and attributes of the characters to come (ECMA-48, 8.3.117; xterm's 256 and direct colours)."""
DIRECT = 1 << 24                        # marks a colour as RGB; others are numbers of PALETTE
STEPS = (0, 95, 135, 175, 215, 255)     # of the colour cube of 256 colours
PALETTE = (0x000000, 0xAA0000, 0x00AA00, 0xAA5500, 0x0000AA, 0xAA00AA, 0x00AAAA, 0xAAAAAA,     # a VGA's, in ECMA-48's order
           0x555555, 0xFF5555, 0x55FF55, 0xFFFF55, 0x5555FF, 0xFF55FF, 0x55FFFF, 0xFFFFFF)
DEFAULT_INK, DEFAULT_PAPER = 7, 0
FLAGS = {1: ("bold", True), 22: ("bold", False), 5: ("blink", True), 25: ("blink", False),
         7: ("reverse", True), 27: ("reverse", False)}


def indexed_color(index):
    """One of the 256 colours: 16, a cube of 6 x 6 x 6, 24 grays."""
    if index < 16:
        return index
    if index < 232:
        red, green, blue = (STEPS[(index - 16) // part % 6] for part in (36, 6, 1))
        return DIRECT | red << 16 | green << 8 | blue
    return DIRECT | 0x010101 * (8 + 10 * (index - 232))


class Pen:
    def __init__(self):
        self.ink, self.paper = DEFAULT_INK, DEFAULT_PAPER
        self.bold = self.blink = self.reverse = False

    def colors(self):
        """(ink, paper, blinks), as a cell has them. Bold makes the first eight inks bright."""
        ink, paper = (color & 0xFFFFFF if color & DIRECT else PALETTE[color]
                      for color in (self.ink | 8 if self.bold and self.ink < 8 else self.ink, self.paper))
        return (paper, ink, int(self.blink)) if self.reverse else (ink, paper, int(self.blink))

    def sgr(self, parameters):
        values = list(parameters) or [0]
        while values:
            value = values.pop(0)
            if value == 0:
                self.__init__()
            elif value in FLAGS:
                setattr(self, *FLAGS[value])
            elif value in (38, 48):
                color = self._extended(values)
                if color is not None:
                    setattr(self, "ink" if value == 38 else "paper", color)
            elif value in (39, 49):
                setattr(self, *(("ink", DEFAULT_INK) if value == 39 else ("paper", DEFAULT_PAPER)))
            elif value // 10 in (3, 4, 9, 10) and value % 10 < 8:
                setattr(self, "ink" if value // 10 in (3, 9) else "paper", value % 10 + (8 if value >= 90 else 0))

    @staticmethod
    def _extended(values):
        """5;N or 2;R;G;B, behind 38 or 48."""
        kind = values.pop(0) if values else 0
        if kind == 5 and values:
            return indexed_color(values.pop(0) & 0xFF)
        if kind == 2 and len(values) >= 3:
            red, green, blue = (values.pop(0) & 0xFF for _ in range(3))
            return DIRECT | red << 16 | green << 8 | blue
        values.clear()
        return None
