"""Packed integers, MMX and XMM form, against lane-by-lane definitions (SDM vol. 2)."""
import random

import pytest

from tests.core.simd import DATA, mm, run, set_mm, sse_cpu

EDGE = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def signed(v, bits):
    return v - (1 << bits) if v >> bits - 1 else v


def clamp(v, low, high):
    return max(low, min(high, v))


def split(value, total, bits):
    return [value >> i & (1 << bits) - 1 for i in range(0, total, bits)]


def join(lanes, bits):
    return sum((v & (1 << bits) - 1) << i * bits for i, v in enumerate(lanes))


def vertical(bits, f, sign=False):
    """Lane by lane; f sees signed lanes when `sign`."""
    def whole(a, b, total):
        see = (lambda v: signed(v, bits)) if sign else (lambda v: v)
        return join([f(see(p), see(q)) for p, q in zip(split(a, total, bits), split(b, total, bits))], bits)
    return whole


def saturating(bits, f, sign):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if sign else (0, (1 << bits) - 1)
    return vertical(bits, lambda p, q: clamp(f(p, q), low, high), sign)


def compare(bits, f, sign=True):
    return vertical(bits, lambda p, q: -1 if f(p, q) else 0, sign)


def add(p, q):
    return p + q


def sub(p, q):
    return p - q


def pack(bits, sign_out):
    half = bits // 2
    low, high = (-(1 << half - 1), (1 << half - 1) - 1) if sign_out else (0, (1 << half) - 1)
    return lambda a, b, total: join([clamp(signed(v, bits), low, high) for v in split(a, total, bits) + split(b, total, bits)], half)


def unpack(bits, high):
    def whole(a, b, total):
        n = total // bits // 2
        pairs = list(zip(split(a, total, bits), split(b, total, bits)))
        return join([v for pair in (pairs[n:] if high else pairs[:n]) for v in pair], bits)
    return whole


def horizontal(bits, f, saturate=False):
    def whole(a, b, total):
        lanes = [signed(v, bits) for v in split(a, total, bits) + split(b, total, bits)]
        out = [f(lanes[i], lanes[i + 1]) for i in range(0, len(lanes), 2)]
        return join([clamp(v, -(1 << bits - 1), (1 << bits - 1) - 1) if saturate else v for v in out], bits)
    return whole


def shift(bits, f):
    """The count is the whole low quadword of the second operand."""
    def whole(a, b, total):
        count = b & (1 << 64) - 1
        return join([f(v, count) for v in split(a, total, bits)], bits)
    return whole


def left(bits):
    return shift(bits, lambda v, n: v << n if n < bits else 0)


def right(bits):
    return shift(bits, lambda v, n: v >> n if n < bits else 0)


def arithmetic(bits):
    return shift(bits, lambda v, n: signed(v, bits) >> min(n, bits - 1))


def multiply_add(a, b, total):
    p = [signed(v, 16) * signed(w, 16) for v, w in zip(split(a, total, 16), split(b, total, 16))]
    return join([p[i] + p[i + 1] for i in range(0, len(p), 2)], 32)


def multiply_add_bytes(a, b, total):
    p = [v * signed(w, 8) for v, w in zip(split(a, total, 8), split(b, total, 8))]
    return join([clamp(p[i] + p[i + 1], -32768, 32767) for i in range(0, len(p), 2)], 16)


def sum_of_differences(a, b, total):
    d = [abs(v - w) for v, w in zip(split(a, total, 8), split(b, total, 8))]
    return join([sum(d[i:i + 8]) for i in range(0, len(d), 8)], 64)


def shuffle_bytes(a, b, total):
    lanes = split(a, total, 8)
    return join([0 if c & 0x80 else lanes[c & len(lanes) - 1] for c in split(b, total, 8)], 8)


def sign(p, q):
    return -p if q < 0 else p if q else 0


# mnemonic: (opcode, definition); 38xx are of the map 0F 38
BOTH = {
    "paddb": ("fc", vertical(8, add)), "paddw": ("fd", vertical(16, add)), "paddd": ("fe", vertical(32, add)), "paddq": ("d4", vertical(64, add)),
    "psubb": ("f8", vertical(8, sub)), "psubw": ("f9", vertical(16, sub)), "psubd": ("fa", vertical(32, sub)), "psubq": ("fb", vertical(64, sub)),
    "paddsb": ("ec", saturating(8, add, True)), "paddsw": ("ed", saturating(16, add, True)),
    "paddusb": ("dc", saturating(8, add, False)), "paddusw": ("dd", saturating(16, add, False)),
    "psubsb": ("e8", saturating(8, sub, True)), "psubsw": ("e9", saturating(16, sub, True)),
    "psubusb": ("d8", saturating(8, sub, False)), "psubusw": ("d9", saturating(16, sub, False)),
    "pavgb": ("e0", vertical(8, lambda p, q: p + q + 1 >> 1)), "pavgw": ("e3", vertical(16, lambda p, q: p + q + 1 >> 1)),
    "pmullw": ("d5", vertical(16, lambda p, q: p * q)), "pmulhw": ("e5", vertical(16, lambda p, q: p * q >> 16, True)),
    "pmulhuw": ("e4", vertical(16, lambda p, q: p * q >> 16)), "pmuludq": ("f4", vertical(64, lambda p, q: (p & 0xFFFFFFFF) * (q & 0xFFFFFFFF))),
    "pmaddwd": ("f5", multiply_add), "psadbw": ("f6", sum_of_differences),
    "pmaxsw": ("ee", vertical(16, max, True)), "pminsw": ("ea", vertical(16, min, True)),
    "pmaxub": ("de", vertical(8, max)), "pminub": ("da", vertical(8, min)),
    "pand": ("db", vertical(64, lambda p, q: p & q)), "pandn": ("df", vertical(64, lambda p, q: ~p & q)),
    "por": ("eb", vertical(64, lambda p, q: p | q)), "pxor": ("ef", vertical(64, lambda p, q: p ^ q)),
    "pcmpeqb": ("74", compare(8, lambda p, q: p == q)), "pcmpeqw": ("75", compare(16, lambda p, q: p == q)),
    "pcmpeqd": ("76", compare(32, lambda p, q: p == q)), "pcmpgtb": ("64", compare(8, lambda p, q: p > q)),
    "pcmpgtw": ("65", compare(16, lambda p, q: p > q)), "pcmpgtd": ("66", compare(32, lambda p, q: p > q)),
    "packsswb": ("63", pack(16, True)), "packssdw": ("6b", pack(32, True)), "packuswb": ("67", pack(16, False)),
    "punpcklbw": ("60", unpack(8, False)), "punpcklwd": ("61", unpack(16, False)), "punpckldq": ("62", unpack(32, False)),
    "punpckhbw": ("68", unpack(8, True)), "punpckhwd": ("69", unpack(16, True)), "punpckhdq": ("6a", unpack(32, True)),
    "psllw": ("f1", left(16)), "pslld": ("f2", left(32)), "psllq": ("f3", left(64)),
    "psrlw": ("d1", right(16)), "psrld": ("d2", right(32)), "psrlq": ("d3", right(64)),
    "psraw": ("e1", arithmetic(16)), "psrad": ("e2", arithmetic(32)),
    "pshufb": ("3800", shuffle_bytes), "phaddw": ("3801", horizontal(16, add)), "phaddd": ("3802", horizontal(32, add)),
    "phaddsw": ("3803", horizontal(16, add, True)), "pmaddubsw": ("3804", multiply_add_bytes),
    "phsubw": ("3805", horizontal(16, sub)), "phsubd": ("3806", horizontal(32, sub)), "phsubsw": ("3807", horizontal(16, sub, True)),
    "psignb": ("3808", vertical(8, sign, True)), "psignw": ("3809", vertical(16, sign, True)), "psignd": ("380a", vertical(32, sign, True)),
    "pmulhrsw": ("380b", vertical(16, lambda p, q: (p * q >> 14) + 1 >> 1, True)),
    "pabsb": ("381c", vertical(8, lambda p, q: abs(q), True)), "pabsw": ("381d", vertical(16, lambda p, q: abs(q), True)),
    "pabsd": ("381e", vertical(32, lambda p, q: abs(q), True)),
}
XMM_ONLY = {"punpcklqdq": ("6c", unpack(64, False)), "punpckhqdq": ("6d", unpack(64, True))}
SHIFTS = {name for name in BOTH if name[:4] in ("psll", "psrl", "psra")}


def operands(name, total, n=24):
    rng = random.Random(name)
    for _ in range(n):
        a = rng.getrandbits(total)
        b = rng.getrandbits(total)
        if rng.random() < 0.6:
            a = join([rng.choice(EDGE) for _ in range(total // 16)], 16)
            b = join([rng.choice(EDGE) for _ in range(total // 16)], 16)
        if name in SHIFTS and rng.random() < 0.8:
            b = rng.randrange(70) | b >> 64 << 64
        yield a, b


@pytest.mark.parametrize("name", list(BOTH) + list(XMM_ONLY))
def test_xmm_form(name):
    opcode, define = (BOTH | XMM_ONLY)[name]
    cpu = sse_cpu()
    cpu.ebx = DATA
    for a, b in operands(name, 128):
        cpu.xmm2, cpu.xmm5 = a, b
        cpu.write(DATA, b.to_bytes(16, "little"))
        run(cpu, f"660f{opcode}d5")
        assert cpu.xmm2 == define(a, b, 128)
        cpu.xmm2 = a
        run(cpu, f"660f{opcode}13")
        assert cpu.xmm2 == define(a, b, 128)


@pytest.mark.parametrize("name", BOTH)
def test_mmx_form(name):
    opcode, define = BOTH[name]
    cpu = sse_cpu()
    cpu.ebx = DATA
    for a, b in operands(name, 64):
        set_mm(cpu, [0, 0, a, 0, 0, b])
        cpu.write(DATA, b.to_bytes(8, "little"))
        run(cpu, f"0f{opcode}d5")
        assert mm(cpu, 2) == define(a, b, 64)
        set_mm(cpu, [0, 0, a])
        run(cpu, f"0f{opcode}13")
        assert mm(cpu, 2) == define(a, b, 64)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255])
@pytest.mark.parametrize("group, reg, name", [("71", 2, "psrlw"), ("71", 4, "psraw"), ("71", 6, "psllw"), ("72", 2, "psrld"), ("72", 4, "psrad"),
                                              ("72", 6, "pslld"), ("73", 2, "psrlq"), ("73", 6, "psllq")])
def test_shift_by_immediate(group, reg, name, count):
    define = BOTH[name][1]
    a = random.Random(name).getrandbits(128) | 1 << 127
    cpu = sse_cpu()
    cpu.xmm2 = a
    set_mm(cpu, [0, 0, a & (1 << 64) - 1])
    modrm = f"{0xC2 | reg << 3:02x}{count:02x}"
    run(cpu, f"660f{group}{modrm}" + f"0f{group}{modrm}", steps=2)
    assert cpu.xmm2 == define(a, count, 128)
    assert mm(cpu, 2) == define(a & (1 << 64) - 1, count, 64)


@pytest.mark.parametrize("count", [0, 1, 3, 8, 15, 16, 17, 31, 32, 33, 255])
def test_byte_shifts_and_palignr(count):
    rng = random.Random(count)
    a, b = rng.getrandbits(128), rng.getrandbits(128)
    ones, half = (1 << 128) - 1, (1 << 64) - 1
    cpu = sse_cpu()
    for code, expected in ((f"660f73da{count:02x}", a >> 8 * min(count, 16)),
                           (f"660f73fa{count:02x}", a << 8 * min(count, 16) & ones),
                           (f"660f3a0fd5{count:02x}", (a << 128 | b) >> 8 * count & ones)):
        cpu.xmm2, cpu.xmm5 = a, b
        run(cpu, code)
        assert cpu.xmm2 == expected
    set_mm(cpu, [0, 0, a & half, 0, 0, b & half])
    run(cpu, f"0f3a0fd5{count:02x}")
    assert mm(cpu, 2) == ((a & half) << 64 | b & half) >> 8 * count & half


@pytest.mark.parametrize("imm", [0x00, 0x1B, 0xE4, 0xFF, 0x4E, 0xB1, 0x93])
def test_shuffles_by_immediate(imm):
    rng = random.Random(imm)
    a, b = rng.getrandbits(128), rng.getrandbits(128)
    cpu = sse_cpu()
    pick = [imm >> 2 * i & 3 for i in range(4)]
    p, q, w = split(a, 128, 32), split(b, 128, 32), split(b, 128, 16)
    for code, expected in (("660f70d5", join([q[i] for i in pick], 32)),
                           ("f20f70d5", join([w[i] for i in pick] + w[4:], 16)),
                           ("f30f70d5", join(w[:4] + [w[4 + i] for i in pick], 16)),
                           ("0fc6d5", join([p[pick[0]], p[pick[1]], q[pick[2]], q[pick[3]]], 32)),
                           ("660fc6d5", (a >> 64 * (imm & 1) & (1 << 64) - 1) | (b >> 64 * (imm >> 1 & 1) & (1 << 64) - 1) << 64)):
        cpu.xmm2, cpu.xmm5 = a, b
        run(cpu, f"{code}{imm:02x}")
        assert cpu.xmm2 == expected
    set_mm(cpu, [0, 0, 0, 0, 0, b & (1 << 64) - 1])
    run(cpu, f"0f70d5{imm:02x}")
    assert mm(cpu, 2) == join([w[i] for i in pick], 16)


@pytest.mark.parametrize("imm", [0, 1, 3, 4, 7, 9, 0xFF])
def test_words_in_and_out(imm):
    a = random.Random(imm).getrandbits(128)
    cpu = sse_cpu()
    cpu.ebx = DATA
    cpu.write(DATA, b"\x34\x12")
    for where in ("c1", "03"):      # ecx, [ebx]
        cpu.xmm0, cpu.ecx = a, 0xABCD1234
        set_mm(cpu, [a & (1 << 64) - 1])
        run(cpu, f"660fc4{where}{imm:02x}" + f"0fc4{where}{imm:02x}", steps=2)
        lanes = split(a, 128, 16)
        lanes[imm & 7] = 0x1234
        assert cpu.xmm0 == join(lanes, 16)
        lanes = split(a, 64, 16)
        lanes[imm & 3] = 0x1234
        assert mm(cpu, 0) == join(lanes, 16)
    run(cpu, f"660fc5c0{imm:02x}")
    assert cpu.eax == split(cpu.xmm0, 128, 16)[imm & 7]
    run(cpu, f"0fc5c0{imm:02x}")
    assert cpu.eax == split(mm(cpu, 0), 64, 16)[imm & 3]


def test_masks_of_signs():
    cpu = sse_cpu()
    cpu.xmm1 = join([0x80, 0x7F, 0xFF, 0] * 4, 8)
    set_mm(cpu, [0, join([0, 0x80, 0, 0xFF, 0, 0, 0, 0x80], 8)])
    cpu.eax = cpu.ecx = cpu.edx = cpu.esi = 0xFFFFFFFF
    run(cpu, "660fd7c1" + "0fd7c9" + "0f50d1" + "660f50f1", steps=4)
    assert (cpu.eax, cpu.ecx, cpu.edx, cpu.esi) == (0b0101010101010101, 0b10001010, 0, 0)


def test_masked_stores_write_only_the_selected_bytes():
    cpu = sse_cpu()
    data, mask = join(range(1, 17), 8), join([0x80, 0, 0, 0xFF, 0x7F, 0, 0, 0x80, 0, 0, 0x80, 0, 0, 0, 0, 0x80], 8)
    cpu.xmm3, cpu.xmm4 = data, mask
    set_mm(cpu, [0, 0, 0, data & (1 << 64) - 1, mask & (1 << 64) - 1])
    cpu.edi = DATA + 5
    cpu.write(DATA, b"\xEE" * 32)
    run(cpu, "660ff7dc")
    kept = bytes(v if m & 0x80 else 0xEE for v, m in zip(split(data, 128, 8), split(mask, 128, 8)))
    assert cpu.read(DATA, 32) == b"\xEE" * 5 + kept + b"\xEE" * 11
    cpu.write(DATA, b"\xEE" * 32)
    run(cpu, "0ff7dc")
    assert cpu.read(DATA, 32) == b"\xEE" * 5 + kept[:8] + b"\xEE" * 19


MOVES = [   # code, bytes of [ebx], xmm0 and xmm1 before -> xmm0 after, as (high quadword, low quadword) letters
    ("f30f1003", "load 4, zeros above", lambda a, b, m: m & 0xFFFFFFFF),
    ("f20f1003", "load 8, zeros above", lambda a, b, m: m & (1 << 64) - 1),
    ("f30f7e03", "movq load", lambda a, b, m: m & (1 << 64) - 1),
    ("660f6e03", "movd load", lambda a, b, m: m & 0xFFFFFFFF),
    ("0f1203", "movlps", lambda a, b, m: a >> 64 << 64 | m & (1 << 64) - 1),
    ("0f1603", "movhps", lambda a, b, m: a & (1 << 64) - 1 | (m & (1 << 64) - 1) << 64),
    ("f30f10c1", "movss merges", lambda a, b, m: a >> 32 << 32 | b & 0xFFFFFFFF),
    ("f20f10c1", "movsd merges", lambda a, b, m: a >> 64 << 64 | b & (1 << 64) - 1),
    ("f30f7ec1", "movq clears", lambda a, b, m: b & (1 << 64) - 1),
    ("660fd6c8", "movq to a register clears", lambda a, b, m: b & (1 << 64) - 1),
    ("0f12c1", "movhlps", lambda a, b, m: a >> 64 << 64 | b >> 64),
    ("0f16c1", "movlhps", lambda a, b, m: a & (1 << 64) - 1 | (b & (1 << 64) - 1) << 64),
    ("f20f12c1", "movddup", lambda a, b, m: (b & (1 << 64) - 1) * (1 << 64 | 1)),
    ("f20f1203", "movddup load", lambda a, b, m: (m & (1 << 64) - 1) * (1 << 64 | 1)),
    ("f30f12c1", "movsldup", lambda a, b, m: join([split(b, 128, 32)[i] for i in (0, 0, 2, 2)], 32)),
    ("f30f16c1", "movshdup", lambda a, b, m: join([split(b, 128, 32)[i] for i in (1, 1, 3, 3)], 32)),
    ("0f28c1", "movaps", lambda a, b, m: b), ("f30f7fc8", "movdqu store form", lambda a, b, m: b),
    ("0f2803", "movaps load", lambda a, b, m: m), ("f20ff003", "lddqu", lambda a, b, m: m)]


@pytest.mark.parametrize("code, name, define", MOVES)
def test_moves(code, name, define):
    rng = random.Random(name)
    a, b, m = (rng.getrandbits(128) for _ in range(3))
    cpu = sse_cpu()
    cpu.xmm0, cpu.xmm1, cpu.ebx = a, b, DATA
    cpu.write(DATA, m.to_bytes(16, "little"))
    assert run(cpu, code).reason == "steps"
    assert cpu.xmm0 == define(a, b, m)


@pytest.mark.parametrize("code, first, size", [("f30f110b", 0, 4), ("f20f110b", 0, 8), ("0f130b", 0, 8), ("0f170b", 8, 8), ("660fd60b", 0, 8),
                                               ("660f7e0b", 0, 4), ("0f290b", 0, 16), ("0f110b", 0, 16), ("660fe70b", 0, 16)])
def test_stores(code, first, size):
    cpu = sse_cpu()
    value = bytes(range(0x10, 0x20))
    cpu.xmm1, cpu.ebx = int.from_bytes(value, "little"), DATA
    cpu.write(DATA, b"\xEE" * 32)
    run(cpu, code)
    assert cpu.read(DATA, 32) == value[first:first + size] + b"\xEE" * (32 - size)
