"""Short blocks: two to six instructions, now and then a forward branch over one of them.

What single instructions cannot show: flags held lazily across instructions and paths, flag
liveness, registers and memory handed on, faults in the middle of a translation block.
"""
import random

import numpy as np

from tests.core.oracle import undefined, values
from tests.core.oracle.generate import GROUP, Batch, Pools
from tests.core.oracle.host import RUN_JUMP, WINDOW
from tests.core.oracle.instructions import BRANCHES, EBP, EDI, ESI, ESP, FEATURES, SHIFTS, STRINGS, encode, forms

U32 = np.uint64(0xFFFFFFFF)
ROOM = 15
# Rows whose undefined flags could reach a later instruction; AF after logic is 0 on silicon
LOGIC = {"and", "or", "xor", "test"}
NOT_IN_BLOCKS = ({name for name in undefined.FLAGS} - LOGIC) | BRANCHES | STRINGS | {
    "enter", "leave", "int1", "int3", "into", "xlat", "arpl", "bound", "ud2", "popa", "shld", "shrd", "fxrstor", "frstor", "fxsave", "fnsave",
    "fldenv", "fnstenv", "maskmovq", "maskmovdqu", "ldmxcsr", "nop"}
READS_AF = {"lahf", "pushf", "aaa", "aas", "daa", "das"}


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
        count = max(GROUP, count // GROUP * GROUP)
        b = Batch(count)
        b.family, b.forms = "block", ["block"]
        b.how[:] = RUN_JUMP
        pools = Pools(rng, "fpu")
        r = b.records
        r["gpr"][:, :8] = values.registers(rng, count)
        r["data"] = pools.window(rng, count)
        r["rflags"] = rng.integers(0, 1 << 32, count, dtype="<u8") & np.uint64(0x8D5) | np.uint64(2)
        for register, middle in ((ESP, 0x70), (EBP, 0x80), (ESI, 0x60)):
            r["gpr"][:, register] = WINDOW + middle + rng.integers(0, 8, count) * 4
        near = rng.random(count) < 0.5
        r["gpr"][:, EDI] = np.where(near, WINDOW + rng.integers(0, 256, count), r["gpr"][:, EDI])
        for first in range(0, count, GROUP):
            rows = slice(first, first + GROUP)
            self._fill(b, rows, rng, pick, pools)
        r["gpr"] &= U32
        return b

    def _fill(self, b, rows, rng, pick, pools):
        mode = 32 if pick.random() < 0.7 else 16
        code, masks, floats = self._code(mode, pick)
        r = b.records[rows]
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

    def _code(self, mode, pick):
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
            skip = pick.random() < 0.2 and made + 1 < wanted
            jump = b""
            if skip:                            # over this instruction; 66, or 16-bit code would truncate EIP
                jump = (b"" if mode == 32 else b"\x66") + bytes([0x70 + pick.randrange(16), len(i.code)])
            if len(code) + len(jump) + len(i.code) > ROOM:
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
