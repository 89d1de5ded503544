"""Short blocks: two to six instructions, now and then a forward branch over one of them, a loop
around them, or a store that changes one of them before it is executed.

What single instructions cannot show: flags held lazily across instructions and paths, flag
liveness, registers and memory handed on, faults in the middle of a translation block, chained
blocks, self-modifying code.
"""
import random

import numpy as np

from tests.core.oracle import undefined, values
from tests.core.oracle.generate import GROUP, IRET_FRAME_HIGH, Batch, Pools
from tests.core.oracle.host import CODE, RUN_JUMP, SEGS_BASED, SEGS_CODE, SEGS_FLAT, WINDOW, WINDOW_OFFSET
from tests.core.oracle.instructions import BRANCHES, EBP, ECX, EDI, ESI, ESP, FEATURES, SHIFTS, STRINGS, encode, forms

U32 = np.uint64(0xFFFFFFFF)
ROOM = 15
# Rows whose undefined flags could reach a later instruction; AF after logic is 0 on silicon
LOGIC = {"and", "or", "xor", "test"}
NOT_IN_BLOCKS = ({name for name in undefined.FLAGS} - LOGIC) | BRANCHES | STRINGS | {
    "enter", "leave", "int1", "int3", "into", "xlat", "arpl", "bound", "ud2", "popa", "shld", "shrd", "fxrstor", "frstor", "fxsave", "fnsave",
    "fldenv", "fnstenv", "maskmovq", "maskmovdqu", "ldmxcsr", "nop"}
READS_AF = {"lahf", "pushf", "aaa", "aas", "daa", "das"}


def _names_count(i):
    """Does this instruction name ECX, CX, CL or CH?"""
    numbers = [n for n in (i.reg, i.rm) if n is not None]
    if "Z" in i.form.kinds:
        numbers.append(i.form.row.opcode & 7)
    return any(n in (1, 5) for n in numbers) or i.form.mnemonic.startswith("pop") or "CL" in i.form.kinds


def block_batch(count):
    """An empty Batch of that many blocks, whole groups of them."""
    b = Batch(max(GROUP, count // GROUP * GROUP))
    b.family, b.forms = "block", ["block"]
    b.how[:] = RUN_JUMP
    return b


class BlockGenerator:
    """As generate.Generator, for the family "block"."""

    def __init__(self, features=None):
        everything = forms()
        if features is not None:
            have = sum(1 << FEATURES[name] for name in features if name in FEATURES)
            everything = [f for f in everything if f.row.needs & ~have == 0]
        usable = [f for f in everything if f.mnemonic not in NOT_IN_BLOCKS
                  and not (f.family == "int" and f.row.family == 1 and f.mnemonic != "pushf")
                  and (f.mnemonic not in SHIFTS or "1" in f.kinds)]
        self.by_family = {name: [f for f in usable if f.family == name] for name in ("int", "fpu", "sse")}
        self.forms = usable

    def batch(self, seed, number, count, only=None):
        rng = np.random.default_rng([seed, number, 0xB10C])
        pick = random.Random(f"{seed}/{number}/block")
        b = block_batch(count)
        count = len(b.records)
        pools = Pools(rng, "fpu")
        r = b.records
        r["gpr"][:, :8] = values.registers(rng, count)
        r["data"] = pools.window(rng, count)
        r["rflags"] = rng.integers(0, 1 << 32, count, dtype="<u8") & np.uint64(0x8D5) | np.uint64(2)
        for register, middle in ((ESP, 0x70), (EBP, 0x80), (ESI, 0x60)):
            r["gpr"][:, register] = WINDOW + middle + rng.integers(0, 8, count) * 4
        r["gpr"][:, ECX] = np.where(rng.random(count) < 0.5, r["gpr"][:, ECX], rng.integers(1, 6, count).astype("<u8"))
        near = rng.random(count) < 0.5
        r["gpr"][:, EDI] = np.where(near, WINDOW + rng.integers(0, 256, count), r["gpr"][:, EDI])
        for first in range(0, count, GROUP):
            rows = slice(first, first + GROUP)
            self._fill(b, rows, rng, pick, pools)
        r["gpr"] &= U32
        return b

    def _fill(self, b, rows, rng, pick, pools):
        mode = 32 if pick.random() < 0.7 else 16
        kind = pick.random()
        segs = pick.choice([SEGS_BASED, SEGS_CODE]) if kind < 0.2 else SEGS_FLAT
        looping = pick.random() < 0.2
        if segs == SEGS_FLAT and kind > 0.9:
            code, masks, floats = self._modified(mode, pick)
        else:
            code, masks, floats = self._code(mode, pick, ROOM - 4 if looping else ROOM, looping)
            if looping:                         # loop, which counts ECX: 66 or 16-bit code would truncate EIP
                code += (b"" if mode == 32 else b"\x66\x67") + b"\xE2"
                code += bytes([-len(code) - 1 & 0xFF])
        r = b.records[rows]
        r["segs"] = segs
        if segs != SEGS_FLAT:
            based = [register for register in (ESP, EBP, ESI) if register == ESI or mode == 16 or segs == SEGS_CODE]
            r["gpr"][:, based] -= np.uint64(WINDOW - WINDOW_OFFSET)
            if ESP in based:
                r["gpr"][:, ESP] |= np.uint64(IRET_FRAME_HIGH)
        if looping:
            r["gpr"][:, ECX] = rng.integers(1, 6, GROUP)
        r["code"][:, :len(code)] = np.frombuffer(code, "u1")
        r["codelen"], r["mode"] = len(code), mode
        if floats:
            image = pools.fx["int"][rng.integers(0, len(pools.fx["int"]), GROUP)]
            if pick.random() < 0.8:             # nothing unmasked
                image[:, 0] |= 0x3F
                image[:, 2] &= 0x7F
                image[:, 24] |= 0x80
                image[:, 25] |= 0x1F
            r["fx"] = image
        else:
            r["fx"] = pools.plain
        b.flags_ignored[rows] = masks

    def _modified(self, mode, pick):
        """A store into the last byte, an immediate or a displacement, of an instruction behind it."""
        while True:
            form = pick.choice(self.by_family["int"])
            if not any(kind == "I" for kind in form.kinds) or form.mnemonic in SHIFTS:
                continue
            i = encode(form, pick, mode == 32, in_block=True)
            store = b"" if mode == 32 else b"\x67"
            store += pick.choice([b"\xC6\x05", b"\x80\x05", b"\x80\x35"])      # mov, add, xor byte [disp32], imm8
            filler = pick.choice([b"", b"\x90", b"\x40"])
            length = len(store) + 5 + len(filler) + len(i.code)
            if not i.lock and length <= ROOM:
                break
        address = CODE + length - 1
        mask = undefined.A if form.mnemonic in LOGIC else 0
        return store + address.to_bytes(4, "little") + bytes([pick.randrange(256)]) + filler + i.code, mask, False

    def _code(self, mode, pick, room, keep_count):
        code, masks, reads_af, shifted, floats = b"", 0, False, False, False
        wanted = pick.randrange(2, 7)
        family = pick.choices(("int", "fpu", "sse"), (8, 1, 1))[0]
        if not self.by_family[family]:
            family = "int"
        made = 0
        while made < wanted:
            now = family if pick.random() < 0.8 else "int"
            form = pick.choice(self.by_family[now])
            if form.mnemonic in READS_AF and shifted or form.mnemonic in SHIFTS and reads_af:
                continue
            i = encode(form, pick, mode == 32, in_block=True)
            if i.lock and not form.lockable:
                continue
            if keep_count and _names_count(i):
                continue
            skip = pick.random() < 0.2 and made + 1 < wanted
            jump = b""
            if skip:                            # over this instruction; 66, or 16-bit code would truncate EIP
                jump = (b"" if mode == 32 else b"\x66") + bytes([0x70 + pick.randrange(16), len(i.code)])
            if len(code) + len(jump) + len(i.code) > room:
                break
            code += jump
            code += i.code
            made += 1
            reads_af |= form.mnemonic in READS_AF
            shifted |= form.mnemonic in SHIFTS
            floats |= form.family != "int"
            if form.mnemonic in LOGIC or form.mnemonic in SHIFTS:
                masks |= undefined.A
        return code or b"\x90", masks, floats
