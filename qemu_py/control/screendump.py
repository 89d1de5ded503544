"""Pictures of the guest's screen as files: PNG (RFC 2083; 8 bits RGB, no interlace) and PPM (P6)."""
import struct
import zlib

from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def ppm(pixels):
    """height x width x 3 bytes as a PPM file."""
    height, width = pixels.shape[:2]
    return b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels):
    """height x width x 3 bytes as a PNG file."""
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)         # filter type 0: none
    return (PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + png_chunk(b"IDAT", zlib.compress(lines, 6)) + png_chunk(b"IEND", b""))


def screendump(machine, path, kind=None):
    """Write what the display adapter shows. `kind`: "png" or "ppm"; by default as the path ends, else PPM."""
    if machine.vga is None:
        raise UserError("screendump: the machine has no display adapter (-vga none)")
    kind = kind or ("png" if str(path).lower().endswith(".png") else "ppm")
    if kind not in ("png", "ppm"):
        raise UserError(f"screendump: {no_such('format', kind, ('png', 'ppm'))}")
    data = (png if kind == "png" else ppm)(machine.vga.picture())
    try:
        with open(path, "wb") as f:
            f.write(data)
    except OSError as e:
        raise UserError(f"screendump: cannot write '{path}': {e.strerror}") from None
