"""Values that find bugs: uniform ones, and the edges of every format, heavily weighted.

All functions take a numpy Generator and a count (or shape) and return arrays; 80-bit values are
(significand, sign and exponent) pairs as in an FXSAVE image.
"""
import numpy as np

U64 = np.uint64

EDGES32 = np.array([0, 1, 2, 3, 7, 8, 0xF, 0x10, 0x1F, 0x20, 0x21, 0x3F, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF, 0x100,
                    0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF, 0x10000, 0x10001,
                    0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF,
                    0xFFFFFF80, 0xFFFF8000, 0xFFFF7FFF, 0x00FF00FF, 0x55555555, 0xAAAAAAAA, 0x80808080,
                    0x7F7F7F7F, 0x99999999, 0x09090909], "<u4")

# Not those that, scaled, make 10000000h, 20000000h or 30000000h: the code, which a test must not write
# by chance, the data, and the harness's own page
SINGLE_BITS = np.array([1 << n for n in range(32) if not 25 <= n <= 29], "<u4")


def dwords(rng, shape):
    """Half of them edges, a tenth small, a tenth with one or few bits, the others uniform."""
    value = rng.integers(0, 1 << 32, shape, dtype="<u4")
    pick = rng.random(shape)
    edges = EDGES32[rng.integers(0, len(EDGES32), shape)]
    small = value & np.uint32(0x3F)
    bit = SINGLE_BITS[value % np.uint32(len(SINGLE_BITS))]
    value = np.where(pick < 0.5, edges, value)
    value = np.where((pick >= 0.5) & (pick < 0.6), small, value)
    return np.where((pick >= 0.6) & (pick < 0.65), bit, value)


def registers(rng, count):
    """General registers, (count, 8); now and then two are equal, or a byte half is an edge."""
    value = dwords(rng, (count, 8))
    same = rng.random((count, 8)) < 0.1
    other = value[np.arange(count)[:, None], rng.integers(0, 8, (count, 8))]
    value = np.where(same, other, value)
    swap = rng.random((count, 8)) < 0.1
    high = np.array([0, 1, 0x7F, 0x80, 0xFF, 9, 10, 0x99], "<u4")[rng.integers(0, 8, (count, 8))]
    return np.where(swap, (value & np.uint32(0xFFFF00FF)) | high << np.uint32(8), value)


# ---- floating point, made from (sign, exponent, fraction) so that all three widths share it

def _fraction(rng, count, bits):
    """Fractions of `bits` bits: edges near 0 and near all ones, few bits, and rounding patterns."""
    uniform = rng.integers(0, 1 << 63, count, dtype="<u8") * U64(2) + rng.integers(0, 2, count, dtype="<u8")
    value = uniform >> U64(64 - bits)
    ones = U64((1 << bits) - 1)
    position = rng.integers(0, bits, count).astype("<u8")
    kind = rng.integers(0, 12, count)
    value = np.where(kind == 0, U64(0), value)
    value = np.where(kind == 1, U64(1), value)
    value = np.where(kind == 2, ones, value)
    value = np.where(kind == 3, ones - U64(1), value)
    value = np.where(kind == 4, U64(1) << position, value)
    value = np.where(kind == 5, (ones >> position) << position, value)
    value = np.where(kind == 6, ones >> position, value)
    # Ties and near-ties of a later rounding to a shorter format: 1000..., 0111..., 1000...1
    half = U64(1) << position
    head = (value >> position) << position
    value = np.where(kind == 7, (head << U64(1) | half) & ones, value)
    value = np.where(kind == 8, (head | (half - U64(1))) & ones, value)
    return value


def _exponent(rng, count, bias, top):
    """Biased exponents: specials, around 1, around the integer limits, the extremes, uniform."""
    kind = rng.integers(0, 16, count)
    value = rng.integers(0, top + 1, count)
    value = np.where(kind <= 2, bias + rng.integers(-3, 4, count), value)
    value = np.where((kind >= 3) & (kind <= 5), bias + rng.integers(-70, 71, count), value)
    value = np.where(kind == 6, bias + np.array([7, 8, 14, 15, 16, 30, 31, 32, 52, 53, 62, 63, 64, 65])[
        rng.integers(0, 14, count)], value)
    value = np.where(kind == 7, rng.integers(0, 4, count), value)
    value = np.where(kind == 8, top - rng.integers(0, 4, count), value)
    value = np.where(kind == 9, 0, value)
    value = np.where(kind == 10, top, value)
    value = np.where(kind == 11, bias - rng.integers(1, 160, count), value)
    return np.clip(value, 0, top).astype("<u8")


def float32(rng, count):
    sign = rng.integers(0, 2, count, dtype="<u8")
    return (sign << U64(31) | _exponent(rng, count, 127, 255) << U64(23) | _fraction(rng, count, 23)).astype("<u4")


def float64(rng, count):
    sign = rng.integers(0, 2, count, dtype="<u8")
    return sign << U64(63) | _exponent(rng, count, 1023, 2047) << U64(52) | _fraction(rng, count, 52)


# Significand (with its explicit integer bit) and exponent of what an assembler could not write
SPECIAL80 = [(0, 0),                                            # zero
             (1, 0), (0x7FFFFFFFFFFFFFFF, 0),                   # denormals
             (0x8000000000000000, 0), (0xFFFFFFFFFFFFFFFF, 0),  # pseudo-denormals
             (0x8000000000000000, 1), (0xFFFFFFFFFFFFFFFF, 0x7FFE),     # least and greatest normal
             (0x8000000000000000, 0x7FFF),                      # infinity
             (0xC000000000000000, 0x7FFF), (0xFFFFFFFFFFFFFFFF, 0x7FFF),        # quiet NaNs
             (0x8000000000000001, 0x7FFF), (0xBFFFFFFFFFFFFFFF, 0x7FFF),        # signalling NaNs
             (0, 0x7FFF), (0x7FFFFFFFFFFFFFFF, 0x7FFF),         # pseudo-infinity, pseudo-NaN
             (0, 0x3FFF), (0x4000000000000000, 0x4000), (0x7FFFFFFFFFFFFFFF, 1),        # unnormals
             (0x8000000000000000, 0x3FFF), (0x8000000000000000, 0x3FFE),        # 1, 1/2
             (0xC90FDAA22168C235, 0x4000), (0xC90FDAA22168C234, 0x3FFE),        # pi, pi/4
             (0xB504F333F9DE6484, 0x3FFE), (0x95F619980C4336F7, 0x3FFD),        # sqrt(1/2), 1 - sqrt(1/2)
             (0x8000000000000000, 0x403E), (0x8000000000000000, 0x401E), (0x8000000000000000, 0x400E)]
SPECIAL80_M = np.array([m for m, _ in SPECIAL80], "<u8")
SPECIAL80_E = np.array([e for _, e in SPECIAL80], "<u2")


def float80(rng, count):
    """(significand, sign and exponent)."""
    exponent = _exponent(rng, count, 16383, 32767)
    mantissa = _fraction(rng, count, 63)
    integer = (exponent != 0) ^ (rng.random(count) < 0.02)     # unnormals and pseudo-denormals
    mantissa = mantissa | integer.astype("<u8") << U64(63)
    kind = rng.integers(0, 16, count)
    special = rng.integers(0, len(SPECIAL80), count)
    mantissa = np.where(kind < 4, SPECIAL80_M[special], mantissa)
    exponent = np.where(kind < 4, SPECIAL80_E[special].astype("<u8"), exponent)
    # Small integers and halves
    number = rng.integers(1, 1 << 10, count)
    shift = np.floor(np.log2(number)).astype(np.int64)
    mantissa = np.where((kind >= 4) & (kind < 6), number.astype("<u8") << (63 - shift).astype("<u8"), mantissa)
    exponent = np.where((kind >= 4) & (kind < 6), (16383 + shift - rng.integers(0, 3, count)).astype("<u8"), exponent)
    # What fits a double or a float exactly
    mantissa = np.where(kind == 6, mantissa & U64(0xFFFFFFFFFFFFF800), mantissa)
    mantissa = np.where(kind == 7, mantissa & U64(0xFFFFFF0000000000), mantissa)
    return mantissa, (exponent | rng.integers(0, 2, count, dtype="<u8") << U64(15)).astype("<u2")


def bcd80(rng, count):
    """Packed decimal of 18 digits, (count, 10) bytes; some digits are not decimal."""
    digits = rng.integers(0, 10, (count, 20), dtype="u1")
    digits = np.where(rng.random((count, 20)) < 0.3, np.uint8(0), digits)
    digits = np.where(rng.random((count, 1)) < 0.15, np.uint8(9), digits)
    digits = np.where(rng.random((count, 20)) < 0.003, np.uint8(0xB), digits)
    value = digits[:, 0::2] | digits[:, 1::2] << 4
    value[:, 9] = np.where(rng.random(count) < 0.5, 0x80, 0)
    return value.astype("u1")


def control_word(rng, count):
    """x87 control words: mostly all masked, all roundings and precisions (also the reserved one)."""
    masks = np.where(rng.random(count) < 0.7, 0x3F, rng.integers(0, 64, count))
    precision = np.where(rng.random(count) < 0.5, 3, rng.integers(0, 4, count))
    return (masks | 0x40 | precision << 8 | rng.integers(0, 4, count) << 10).astype("<u2")


def status_word(rng, count, control):
    """x87 status words that are consistent with the control words; few have an exception pending."""
    flags = np.where(rng.random(count) < 0.6, 0, rng.integers(0, 128, count))
    pending = (flags & ~control & 0x3F) != 0
    keep = rng.random(count) < 0.04
    flags = np.where(pending & ~keep, flags & (control | 0x40), flags)
    pending = (flags & ~control & 0x3F) != 0
    top = rng.integers(0, 8, count)
    conditions = rng.integers(0, 16, count)
    return (flags | np.where(pending, 0x8080, 0) | (conditions & 7) << 8 | top << 11 |
            (conditions >> 3) << 14).astype("<u2")


def mxcsr(rng, count):
    """MXCSR: mostly all masked; all roundings, FTZ, DAZ, sticky flags, unmasked exceptions."""
    flags = np.where(rng.random(count) < 0.6, 0, rng.integers(0, 64, count))
    masks = np.where(rng.random(count) < 0.7, 0x3F, rng.integers(0, 64, count))
    daz = rng.random(count) < 0.2
    ftz = rng.random(count) < 0.2
    rounding = rng.integers(0, 4, count)
    return (flags | daz << 6 | masks << 7 | rounding << 13 | ftz.astype(np.int64) << 15).astype("<u4")


def fx_images(rng, count, lanes):
    """FXSAVE images, (count, 512). `lanes`: what the XMM registers hold, "f32", "f64" or "int"."""
    fx = np.zeros((count, 512), "u1")
    control = control_word(rng, count)
    fx[:, 0:2] = control.view("u1").reshape(count, 2)
    fx[:, 2:4] = status_word(rng, count, control.astype(np.int64)).view("u1").reshape(count, 2)
    tags = np.where(rng.random(count) < 0.5, 0xFF, rng.integers(0, 256, count))
    fx[:, 4] = np.where(rng.random(count) < 0.15, 0, tags)
    fx[:, 8:12] = rng.integers(0, 256, (count, 4), dtype="u1")
    fx[:, 24:28] = mxcsr(rng, count).view("u1").reshape(count, 4)
    mantissa, exponent = float80(rng, count * 8)
    st = fx[:, 32:160].reshape(count, 8, 16)
    st[:, :, 0:8] = mantissa.view("u1").reshape(count, 8, 8)
    st[:, :, 8:10] = exponent.view("u1").reshape(count, 8, 2)
    same = rng.random(count) < 0.06                # equal operands
    st[same, 1] = st[same, 0]
    fx[:, 160:288] = vectors(rng, count * 8, lanes).reshape(count, 128)
    return fx


def vectors(rng, count, lanes):
    """Contents of 16-byte registers, (count, 16)."""
    if lanes == "f32":
        data = float32(rng, count * 4)
    elif lanes == "f64":
        data = float64(rng, count * 2)
    elif lanes == "i16":
        edges = np.array([0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0xFF80, 0xFF7F], "<u2")
        data = np.where(rng.random(count * 8) < 0.5, edges[rng.integers(0, len(edges), count * 8)],
                        rng.integers(0, 1 << 16, count * 8, dtype="<u2"))
    else:
        data = dwords(rng, count * 4)
    return np.ascontiguousarray(data).view("u1").reshape(count, 16)
