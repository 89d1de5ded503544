"""Batches of tests: instructions with initial states chosen so that operands land in the window.

Every encoding is tried with GROUP different states, which makes the Python cost of an encoding
small beside running it. A batch is a pure function of (seed, number, family, count).
"""
import random

import numpy as np

from tests.core.oracle import undefined, values
from tests.core.oracle.host import RECORD, RUN_JUMP, RUN_STEP, SEGS_CODE, WINDOW, WINDOW_OFFSET, fresh_fx
from tests.core.oracle.instructions import (BIT_TESTS, EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP, FEATURES, SHIFTS,
                                            STRINGS, encode, forms, operand_bytes, stack16, window_offset)

GROUP = 32
POOL = 4096
U32 = np.uint64(0xFFFFFFFF)
IRET_FRAME_HIGH = 0x30000000        # a 16-bit stack's ESP keeps these bits on the host (hostcpu.c)
FLAG_BITS = 0x244DD5                # what user mode may change, and is compared: C P A Z S T D O NT AC ID
TF = 0x100                          # set where the host single-steps


class Batch:
    """Records and what is not compared in them. `order`: RUN_STEP records first, then RUN_JUMP."""

    def __init__(self, count):
        self.records = np.zeros(count, RECORD)
        self.how = np.full(count, RUN_JUMP, "u1")
        self.flags_ignored = np.zeros(count, "u4")
        self.skip = np.zeros(count, bool)
        self.data_ignored = {}          # record -> (first, last + 1) of the window
        self.form = np.zeros(count, "u2")
        self.family = None
        self.forms = []


class Generator:
    def __init__(self, family, features=None):
        """`features`: names of the feature words (opcodes/README) that the engine's CPU model has; None: all."""
        self.family = family
        self.forms = forms(family)
        if features is not None:
            have = sum(1 << FEATURES[name] for name in features if name in FEATURES)
            self.forms = [f for f in self.forms if f.row.needs & ~have == 0]
        if not self.forms:
            raise ValueError(f"no instruction forms of family {family!r}")

    def batch(self, seed, number, count, only=None):
        """Batch `number` of a campaign; `only`: a predicate on forms."""
        key = sum(ord(c) << 8 * i for i, c in enumerate(self.family))
        rng = np.random.default_rng([seed, number, key])
        pick = random.Random(f"{seed}/{number}/{self.family}")
        candidates = [f for f in self.forms if only is None or only(f)]
        count = max(GROUP, count // GROUP * GROUP)
        b = Batch(count)
        b.family, b.forms = self.family, candidates
        pools = Pools(rng, self.family)
        r = b.records
        r["gpr"][:, :8] = values.registers(rng, count)
        r["data"] = pools.window(rng, count)
        r["rflags"] = rng.integers(0, 1 << 32, count, dtype="<u8") & np.uint64(0x8D5) | np.uint64(2)
        r["rflags"] |= np.where(rng.random(count) < 0.15, 0x400, 0).astype("<u8")
        r["rflags"] |= np.where(rng.random(count) < 0.05, 0x4000, 0).astype("<u8")
        r["rflags"] |= np.where(rng.random(count) < 0.05, 0x200000, 0).astype("<u8")
        wild_stack = rng.random(count) < 0.01
        stack = WINDOW + 0x40 + rng.integers(0, 0x20, count) * 4 + np.where(rng.random(count) < 0.1, rng.integers(0, 4, count), 0)
        r["gpr"][:, ESP] = np.where(wild_stack, r["gpr"][:, ESP], stack.astype("<u8"))
        index = _choices(pick, candidates, count // GROUP)
        for g, n in enumerate(index):
            first = g * GROUP
            instruction = encode(candidates[n], pick)
            b.form[first:first + GROUP] = n
            self._fill(b, slice(first, first + GROUP), instruction, rng, pick, pools)
        step = np.argsort(b.how != RUN_STEP, kind="stable")
        for name in ("records", "how", "flags_ignored", "skip", "form"):
            setattr(b, name, getattr(b, name)[step])
        place = np.empty(count, np.int64)
        place[step] = np.arange(count)
        b.data_ignored = {int(place[k]): v for k, v in b.data_ignored.items()}
        return b

    def _fill(self, b, rows, i, rng, pick, pools):
        r = b.records[rows]
        gpr, name, k = r["gpr"], i.form.mnemonic, GROUP
        code = np.frombuffer(i.code, "u1")
        r["code"][:, :len(code)] = code
        r["codelen"], r["mode"], r["segs"] = len(code), i.mode, i.segs
        b.how[rows] = i.how
        if i.how == RUN_STEP:
            r["rflags"] |= np.uint64(TF)
        r["fx"] = pools.images(rng, i.form, k)
        if pick.random() < 0.03:
            r["rflags"] |= np.uint64(0x40000)
        _implicit(i, r, rng, pick)
        target = _steer(i, r, rng)
        if target is not None and not i.wild:
            _memory_operand(i, r, target, rng, pools)
        if name.startswith("cmpxchg") and pick.random() < 0.6:
            _make_equal(i, r, target)
        if stack16(i):
            low = WINDOW_OFFSET + 0x20 + (gpr[:, ESP] & np.uint64(0xFFFF)) % np.uint64(0xC0)
            keep = rng.random(k) < 0.03
            gpr[:, ESP] = np.where(keep, gpr[:, ESP] & np.uint64(0xFFFF), low) | np.uint64(IRET_FRAME_HIGH)
        gpr &= U32
        b.flags_ignored[rows] = undefined_flags(i, gpr)
        if name in ("shld", "shrd"):
            # Fifth row of SDM vol. 2, SHLD: beyond the operand's size the result is undefined
            amount = np.full(k, i.imm or 0) if "I" in i.form.kinds else gpr[:, ECX].astype(np.int64)
            b.skip[rows] |= (amount & 31) > i.osz * 8
        if name == "push_sr" and i.osz == 4:
            below = _ignore_stack(b, rows, i, gpr, undefined.MEMORY["push_sr"][0])
            b.skip[rows] |= (r["rflags"] & np.uint64(0x40000) != 0) | (below < 0) | (below > 252)
        if name in ("call", "call_ind") and i.segs == SEGS_CODE:
            below = _ignore_stack(b, rows, i, gpr, undefined.MEMORY["call"][0])
            b.skip[rows] |= (below < 0) | (below > 252) | (r["rflags"] & np.uint64(0x40000) != 0)     # undefined.CALL_ORDER
        if name in undefined.WRAPPING and i.asz == 2 and i.memory is not None:
            b.skip[rows] |= _offset(i.memory, gpr) + i.memory.size > 0x10000
        if name in ENVIRONMENTS:
            if target is None:                  # by chance it may be in the window all the same
                target = _offset(i.memory, gpr) - window_offset(i, i.memory.segment)
            for n, offset in enumerate(target):
                b.data_ignored[rows.start + n] = [(max(0, int(offset) + a), max(0, int(offset) + z)) for a, z in ENVIRONMENTS[name](i.osz)]


def _offset(m, gpr):
    """Effective addresses."""
    offset = np.full(len(gpr), m.disp, np.int64)
    if m.base is not None:
        offset = offset + gpr[:, m.base].astype(np.int64)
    if m.index is not None:
        offset = offset + gpr[:, m.index].astype(np.int64) * m.scale
    return offset & (0xFFFF if m.asz == 2 else 0xFFFFFFFF)


def _ignore_stack(b, rows, i, gpr, ranges):
    """Leave bytes below the stack pointer out of the comparison; the window offsets of a pushed dword."""
    esp = gpr[:, ESP] & np.uint64(0xFFFF) if stack16(i) else gpr[:, ESP]
    below = esp.astype(np.int64) - (WINDOW_OFFSET if stack16(i) else WINDOW) - 4
    for n, offset in enumerate(below):
        b.data_ignored[rows.start + n] = [(max(0, int(offset) + a), max(0, int(offset) + z)) for a, z in ranges]
    return below


# Where an image in memory has fields that undefined.FX names
def _fpu_environment(osz):
    fip = 4 if undefined.AMD else 0     # undefined.FX: a context switch in the middle loses it
    return [(16 - fip, 28)] if osz == 4 else [(8 - fip // 2, 14)]     # FCS with FOP, FDP, FDS


ENVIRONMENTS = {"fnstenv": _fpu_environment, "fnsave": _fpu_environment,
                "fxsave": lambda osz: [(5, 8), (8 if undefined.AMD else 12, 24), (28, 32)] +
                [(32 + 16 * n + 10, 48 + 16 * n) for n in range(8)]}
IN_FPU_STATE = {"fnstenv", "fnsave"}


class Pools:
    """Random material that is made once a batch and dealt out."""

    def __init__(self, rng, family):
        self.family = family
        size = POOL if family != "int" else 256
        self.fx = {lanes: values.fx_images(rng, size, lanes) for lanes in
                   (("f32", "f64", "i16", "int") if family == "sse" else ("int",))}
        self.plain = fresh_fx(1)
        if family == "fpu":
            mantissa, exponent = values.float80(rng, POOL)
            f80 = np.zeros((POOL, 10), "u1")
            f80[:, :8] = mantissa.view("u1").reshape(POOL, 8)
            f80[:, 8:] = exponent.view("u1").reshape(POOL, 2)
            integers = values.dwords(rng, (POOL, 2)).view("u1").reshape(POOL, 8)
            self.operands = {("f", 4): values.float32(rng, POOL).view("u1").reshape(POOL, 4),
                             ("f", 8): values.float64(rng, POOL).view("u1").reshape(POOL, 8),
                             ("f", 10): f80, ("b", 10): values.bcd80(rng, POOL),
                             ("i", 2): integers[:, :2], ("i", 4): integers[:, :4], ("i", 8): integers,
                             ("fx", 512): values.fx_images(rng, POOL, "int")}
        elif family == "sse":
            self.operands = {lanes: values.vectors(rng, POOL, lanes) for lanes in ("f32", "f64", "i16", "int")}

    def window(self, rng, count):
        return np.ascontiguousarray(values.dwords(rng, (count, 64))).view("u1").reshape(count, 256)

    def images(self, rng, form, count):
        if self.family == "int":
            pool = self.fx["int"]
            return self.plain if rng.random() < 0.9 else pool[rng.integers(0, len(pool), count)]
        pool = self.fx[lanes_of(form) if self.family == "sse" else "int"]
        image = pool[rng.integers(0, len(pool), count)]
        if self.family == "sse" and form.mnemonic != "emms":
            # Mostly nothing pending in the x87, which MMX instructions would report
            image[:, 2] &= 0x7F if rng.random() < 0.9 else 0xFF
            image[:, 0] |= 0x3F if rng.random() < 0.9 else 0
        return image


SOURCE_LANES = {"cvtpi2ps": "int", "cvtpi2pd": "int", "cvtsi2ss": "int", "cvtsi2sd": "int", "cvtdq2ps": "int",
                "cvtdq2pd": "int", "cvtps2pi": "f32", "cvttps2pi": "f32", "cvtps2pd": "f32", "cvtps2dq": "f32",
                "cvttps2dq": "f32", "cvtss2si": "f32", "cvttss2si": "f32", "cvtss2sd": "f32",
                "cvtpd2pi": "f64", "cvttpd2pi": "f64", "cvtpd2ps": "f64", "cvtpd2dq": "f64", "cvttpd2dq": "f64",
                "cvtsd2si": "f64", "cvttsd2si": "f64", "cvtsd2ss": "f64"}


def lanes_of(form):
    """What an SSE or MMX instruction's operands hold."""
    name = form.mnemonic
    if name in SOURCE_LANES:
        return SOURCE_LANES[name]
    if name.startswith("p"):
        return "i16" if name[-1] in "bw" else "int"
    return {"ps": "f32", "ss": "f32", "pd": "f64", "sd": "f64"}.get(name[-2:], "int")


PRIVILEGED = {"mov_rc", "mov_cr", "mov_rd", "mov_dr", "lgdt", "lidt", "lldt", "ltr", "lmsw", "clts", "invd", "wbinvd", "invlpg",
              "rdmsr", "wrmsr", "hlt", "cli", "sti", "sysexit", "ud2", "nop"}     # one answer each: a few tests are enough


def _choices(pick, candidates, count):
    """Indices of forms: families of equal mnemonics weigh like their square root, so that 120 ALU rows do not starve the rest."""
    seen = {}
    for f in candidates:
        seen[f.mnemonic] = seen.get(f.mnemonic, 0) + 1
    weights = [seen[f.mnemonic] ** -0.5 * (0.1 if f.mnemonic in PRIVILEGED else 1) for f in candidates]
    return pick.choices(range(len(candidates)), weights, k=count)


def _implicit(i, r, rng, pick):
    """Registers that an instruction uses without naming them."""
    name, gpr, k = i.form.mnemonic, r["gpr"], len(r)
    if name in ("div", "idiv"):
        kind = rng.integers(0, 4, k)
        eax = gpr[:, EAX]
        sign = np.where(eax & np.uint64(0x80000000), U32, np.uint64(0))
        gpr[:, EDX] = np.where(kind == 0, np.uint64(0), np.where(kind == 1, sign, np.where(
            kind == 2, gpr[:, EDX] & np.uint64(0xF), gpr[:, EDX])))
        short = rng.random(k) < 0.5
        byte_sign = np.where(eax & np.uint64(0x80), np.uint64(0xFF00), np.uint64(0))
        gpr[:, EAX] = np.where(short, (eax & np.uint64(0xFFFF00FF)) | np.where(kind == 1, byte_sign, np.uint64(0)), eax)
    elif name in STRINGS:
        for register, segment in ((ESI, i.segment_prefix or "ds"), (EDI, "es")):
            if not i.wild:
                gpr[:, register] = window_offset(i, segment) + rng.integers(0, 248, k)
            if i.asz == 2:
                gpr[:, register] = (gpr[:, register] & np.uint64(0xFFFF)) | (gpr[:, EAX] & np.uint64(0xFFFF0000))
        if i.rep:
            many = rng.random(k) < 0.05
            gpr[:, ECX] = np.where(many, gpr[:, ECX], rng.integers(0, 24, k).astype("<u8"))
            if i.asz == 2:
                gpr[:, ECX] |= gpr[:, EBX] & np.uint64(0xFFFF0000)
        if name in ("scas", "cmps") and pick.random() < 0.6:
            # Runs of equal bytes, so that REPE and REPNE do not stop at once
            byte = rng.integers(0, 256, k, dtype="u1")
            r["data"] = np.where(rng.random((k, 256)) < 0.95, byte[:, None], r["data"])
            gpr[:, EAX] = byte.astype("<u8") * np.uint64(0x01010101)
    elif name in ("loop", "loope", "loopne", "jcxz"):
        gpr[:, ECX] = np.where(rng.random(k) < 0.6, gpr[:, ECX] & np.uint64(0xFFFF0001), gpr[:, ECX])
    elif name in ("enter", "leave"):
        if not i.wild:
            base = window_offset(i, "ss")
            gpr[:, EBP] = base + 0x80 + rng.integers(0, 0x1C, k) * 4
            gpr[:, ESP] = base + 0x60 + rng.integers(0, 0x20, k) * 4
    elif name == "xlat":
        if not i.wild:
            base = window_offset(i, i.segment_prefix or "ds")
            address = (base + rng.integers(0, 256, k)).astype("<u8") - (gpr[:, EAX] & np.uint64(0xFF))
            gpr[:, EBX] = address & U32
    elif name in ("maskmovq", "maskmovdqu"):
        if not i.wild:
            gpr[:, EDI] = window_offset(i, i.segment_prefix or "ds") + rng.integers(0, 240, k)
        else:                           # undefined.WRAPPING
            gpr[:, EDI] &= np.uint64(0x7FFFFFFF if i.asz == 4 else 0xFFFF7FFF)
    elif name in SHIFTS and "CL" in i.form.kinds:
        pick_count = rng.random(k)
        small = rng.integers(0, 34, k).astype("<u8")
        gpr[:, ECX] = np.where(pick_count < 0.6, (gpr[:, ECX] & np.uint64(0xFFFFFF00)) | small, gpr[:, ECX])


def _steer(i, r, rng):
    """Choose base and index so that the operand lies in the window; the offsets in it, or None."""
    m, gpr, k = i.memory, r["gpr"], len(r)
    if m is None:
        return None
    if i.target is not None:
        return np.full(k, i.target)
    if i.wild:
        if i.form.mnemonic in BIT_TESTS and "G" in i.form.kinds:
            # bit 31 of the offset would lead from page 0 to the code at 10000000h
            gpr[:, i.reg] = np.where(gpr[:, i.reg] & np.uint64(0x80000000), gpr[:, i.reg] | np.uint64(0x7F000000),
                                     gpr[:, i.reg] & np.uint64(0x00FFFFFF))
        return None
    room = 256 - m.size
    if room <= 0:
        target = np.zeros(k, np.int64)
    elif i.form.mnemonic in BIT_TESTS and "G" in i.form.kinds:
        target = 96 + rng.integers(0, 16, k) * 4
        gpr[:, i.reg] = (rng.integers(-700, 700, k) & 0xFFFFFFFF).astype("<u8")
        if i.osz == 2:
            gpr[:, i.reg] ^= gpr[:, (i.reg + 1) & 7] & np.uint64(0xFFFF0000)
    else:
        align = max(m.align, min(m.size, 8) if m.size in (2, 4, 8) else 4)
        aligned = rng.integers(0, room // align + 1, k) * align
        free = rng.integers(0, room + 1, k)
        target = np.where(rng.random(k) < (0.97 if m.align == 16 else 0.7), aligned, free)
    bits = np.uint64(0xFFFFFFFF if m.asz == 4 else 0xFFFF)
    address = (window_offset(i, m.segment) + target - m.disp).astype(np.int64).astype("<u8")
    if m.base is None:
        if m.scale > 1:                 # what the scale cannot reach moves the target
            off = address % np.uint64(m.scale)
            move = np.where(target >= off.astype(np.int64), 0, m.scale)
            target = target - off.astype(np.int64) + move
            address = address - off + move.astype("<u8")
        gpr[:, m.index] = (address & bits) // np.uint64(m.scale)
        return target
    if m.index == m.base:
        factor = m.scale + 1
        if factor == 2:
            odd = address & np.uint64(1)
            target = target + np.where(target > 0, -1, 1) * odd.astype(np.int64)
            address = (window_offset(i, m.segment) + target - m.disp).astype(np.int64).astype("<u8")
            gpr[:, m.base] = (address & bits) >> np.uint64(1)
        else:
            gpr[:, m.base] = (address * np.uint64(pow(factor, -1, 1 << 32))) & U32
        return target
    if m.index is not None:
        address = address - (gpr[:, m.index] * np.uint64(m.scale))
    gpr[:, m.base] = (address & bits) | (gpr[:, m.base] & (U32 ^ bits) & U32)
    return target


def _put(r, target, content):
    """Write content (k, n) into the windows at target (k)."""
    n = content.shape[1]
    columns = target[:, None] + np.arange(n)
    inside = columns < 256
    rows = np.broadcast_to(np.arange(len(r))[:, None], columns.shape)
    r["data"][rows[inside], columns[inside]] = content[inside]


def _memory_operand(i, r, target, rng, pools):
    """Values of the operand's own type in memory."""
    name, k, size = i.form.mnemonic, len(r), i.memory.size
    if pools.family == "int" or size == 0:
        return
    deal = rng.integers(0, POOL, k)
    if pools.family == "sse":
        if name == "ldmxcsr":
            word = values.mxcsr(rng, k)
            wrong = rng.random(k) < 0.05
            _put(r, target, np.where(wrong, word | np.uint32(0x10000), word).astype("<u4").view("u1").reshape(k, 4))
        else:
            _put(r, target, pools.operands[lanes_of(i.form)][deal][:, :size])
        return
    if name in ("fxrstor", "fxsave"):
        image = pools.operands["fx", 512][deal]
        if name == "fxrstor":
            image[:, 256:] = 0          # beyond the window memory is zero
        _put(r, target, image)
    elif name == "fldcw":
        _put(r, target, values.control_word(rng, k).view("u1").reshape(k, 2))
    elif name in ("fldenv", "frstor"):
        _put(r, target, _environment(i.osz, pools.operands["fx", 512][deal], name == "frstor", rng))
    else:
        kind = "b" if name.startswith("fb") else "i" if name.startswith("fi") else "f"
        if (kind, size) in pools.operands:
            _put(r, target, pools.operands[kind, size][deal])


def _environment(osz, fx, registers, rng):
    """A protected-mode environment (SDM vol. 1, 8.1.10) made from FXSAVE images."""
    k = len(fx)
    step = osz
    out = np.zeros((k, 7 * osz + (80 if registers else 0)), "u1")
    out[:, 0:2] = fx[:, 0:2]
    out[:, step:step + 2] = fx[:, 2:4]
    tags = rng.integers(0, 1 << 16, k, dtype="<u2")
    tags = np.where(rng.random(k) < 0.5, 0, tags).astype("<u2")
    out[:, 2 * step:2 * step + 2] = tags.view("u1").reshape(k, 2)
    out[:, 3 * step:4 * step] = fx[:, 8:8 + step]
    if registers:
        for n in range(8):
            out[:, 7 * osz + 10 * n:7 * osz + 10 * n + 10] = fx[:, 32 + 16 * n:42 + 16 * n]
    return out


def _make_equal(i, r, target):
    """CMPXCHG and CMPXCHG8B: the comparison succeeds."""
    gpr, k = r["gpr"], len(r)
    if i.form.mnemonic == "cmpxchg8b":
        if target is not None:
            value = np.stack([gpr[:, EAX], gpr[:, EDX]], 1).astype("<u4").view("u1").reshape(k, 8)
            _put(r, target, value)
    elif i.memory is None:
        if i.memory is None and i.rm not in (EAX, None) and i.form.row.opcode & 1:
            gpr[:, i.rm] = gpr[:, EAX]
    elif target is not None:
        size = i.memory.size
        _put(r, target, np.ascontiguousarray(gpr[:, EAX].astype("<u4")).view("u1").reshape(k, 4)[:, :size])


def undefined_flags(i, gpr):
    """Flags not compared, per row (undefined.py)."""
    name = i.form.mnemonic
    k = len(gpr)
    if name in undefined.FLAGS:
        return np.full(k, undefined.FLAGS[name][0], "u4")
    if name not in SHIFTS:
        return np.zeros(k, "u4")
    if "1" in i.form.kinds:
        count = np.ones(k, np.int64)
    elif "I" in i.form.kinds:
        count = np.full(k, (i.imm or 0) & 31)
    else:
        count = (gpr[:, ECX] & np.uint64(31)).astype(np.int64)
    operand = operand_bytes(i.form, i.form.operands[0][1], i.osz) * 8
    ignored = np.where(count > 1, undefined.O, 0)
    if name in undefined.ROTATES:
        return ignored.astype("u4")
    ignored = np.where(count > 0, ignored | undefined.A, 0)
    if name in ("shl", "shr"):
        ignored = np.where(count >= operand, ignored | undefined.C, ignored)
    return ignored.astype("u4")
