"""What the display says of itself through DDC: an EDID of 128 bytes (VESA E-EDID Standard, structure 1, revision 3)."""

# 1024 x 768 at 60 Hz, from VESA's Display Monitor Timings: pixels and lines active, blank, to the sync pulse, of it
CLOCK = 65_000_000
HORIZONTAL, VERTICAL = (1024, 320, 24, 136), (768, 38, 3, 6)
WIDTH_MM, HEIGHT_MM = 320, 240
# sRGB's primaries and white
CHROMATICITY = (0.640, 0.330), (0.300, 0.600), (0.150, 0.060), (0.3127, 0.3290)
STANDARD = (640, 4, 3), (800, 4, 3), (1152, 4, 3), (1280, 5, 4), (1280, 16, 10), (1440, 16, 10), (1600, 4, 3), (1920, 16, 10)
ASPECTS = {(16, 10): 0, (4, 3): 1, (5, 4): 2, (16, 9): 3}
NAME = b"qemu_py\n"


def chromaticity():
    values = [round(value * 1024) for pair in CHROMATICITY for value in pair]
    low = [sum((values[4 * k + n] & 3) << 6 - 2 * n for n in range(4)) for k in range(2)]
    return bytes(low + [value >> 2 for value in values])


def detailed_timing():
    (width, hblank, hfront, hsync), (height, vblank, vfront, vsync) = HORIZONTAL, VERTICAL
    return (CLOCK // 10_000).to_bytes(2, "little") + bytes((
        width & 255, hblank & 255, width >> 8 << 4 | hblank >> 8, height & 255, vblank & 255, height >> 8 << 4 | vblank >> 8,
        hfront & 255, hsync & 255, (vfront & 15) << 4 | vsync & 15,
        hfront >> 8 << 6 | hsync >> 8 << 4 | vfront >> 4 << 2 | vsync >> 4,
        WIDTH_MM & 255, HEIGHT_MM & 255, WIDTH_MM >> 8 << 4 | HEIGHT_MM >> 8, 0, 0, 0x18))


def edid():
    standard = bytes(byte for width, *aspect in STANDARD for byte in (width // 8 - 31, ASPECTS[tuple(aspect)] << 6))
    manufacturer = sum(ord(letter) - 64 << 5 * (2 - n) for n, letter in enumerate("QPY"))
    block = bytearray(b"".join((
        bytes.fromhex("00ffffffffffff00"), manufacturer.to_bytes(2, "big"), b"\x01\x00", bytes(4), bytes((0, 2026 - 1990)),
        b"\x01\x03",
        bytes((0x08, WIDTH_MM // 10, HEIGHT_MM // 10, 220 - 100, 0x0A)),    # analog, RGB colour, the first timing preferred
        chromaticity(), bytes((0x21, 0x08, 0x00)),                          # 640x480, 800x600, 1024x768 at 60 Hz
        standard, detailed_timing(),
        b"\0\0\0\xfc\0" + NAME.ljust(13),
        b"\0\0\0\xfd\0" + bytes((50, 125, 30, 160, 30, 0)) + b"\n      ",  # Hz, kHz and 10 MHz that it can follow
        b"\0\0\0\x10" + bytes(14),                                         # nothing
        bytes(2))))
    assert len(block) == 128
    block[127] = -sum(block) & 0xFF
    return bytes(block)
