"""A picture as sixels (DEC, VT340 Graphics Programming, chapter 14): strips of six lines, one pass over a strip for each of its colours."""
import numpy as np

MAX_COLORS = 256
CUBE = (6, 7, 6)                        # steps of red, green and blue where a picture has more colours
BITS = (1 << np.arange(6, dtype=np.uint8))[:, None]


def color_indices(pixels):
    """(colours: n x 3 bytes with n up to 256, indices: height x width)."""
    numbers = pixels[..., 0].astype(np.uint32) << 16 | pixels[..., 1].astype(np.uint32) << 8 | pixels[..., 2]
    found, indices = np.unique(numbers, return_inverse=True)
    if len(found) > MAX_COLORS:
        red, green, blue = CUBE
        steps = (pixels.astype(np.uint32) * (np.array(CUBE) - 1) + 127) // 255
        found, indices = np.unique((steps[..., 0] * green + steps[..., 1]) * blue + steps[..., 2], return_inverse=True)
        steps = np.stack((found // (green * blue), found // blue % green, found % blue), axis=1)
        return (steps * 255 // (np.array(CUBE) - 1)).astype(np.uint8), indices.reshape(pixels.shape[:2])
    return np.stack((found >> 16, found >> 8 & 0xFF, found & 0xFF), axis=1).astype(np.uint8), indices.reshape(pixels.shape[:2])


def run_lengths(row):
    """A row of sixels, 0-63 each, as their characters, repeated ones as !COUNT."""
    edges = np.flatnonzero(np.diff(row)) + 1
    starts = np.concatenate(([0], edges))
    counts = np.diff(np.append(starts, len(row)))
    return "".join(f"!{count}{chr(63 + value)}" if count > 3 else chr(63 + value) * count
                   for value, count in zip(row[starts].tolist(), counts.tolist()))


def sixels(pixels):
    """The control sequence that draws height x width x RGB at the cursor. Its pixels are square."""
    height, width = pixels.shape[:2]
    colors, indices = color_indices(pixels)
    out = [f'\x1bP0;1q"1;1;{width};{height}']
    percent = (colors.astype(np.uint32) * 100 + 127) // 255
    out += [f"#{n};2;{red};{green};{blue}" for n, (red, green, blue) in enumerate(percent.tolist())]
    for top in range(0, height, 6):
        strip = indices[top:top + 6]
        bits = BITS[:len(strip)]
        passes = [f"#{color}" + run_lengths(((strip == color) * bits).sum(axis=0, dtype=np.uint8)) for color in np.unique(strip).tolist()]
        out.append("$".join(passes))
        out.append("-")
    out[-1] = "\x1b\\"
    return "".join(out)
