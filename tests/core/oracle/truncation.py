"""C's conversion of a float to an integer: FLDCW, FISTP, FLDCW, with control words of every kind (host/x87.pyx)."""
import random

import numpy as np

from tests.core.oracle import values
from tests.core.oracle.blocks import block_batch
from tests.core.oracle.generate import GROUP, Pools
from tests.core.oracle.host import WINDOW
from tests.core.oracle.instructions import EBX, EDI, ESI

ROUND_TO_ZERO, MASKS = 0x0C00, 0x3F
FISTP = (b"\xDB", 3, 4), (b"\xDF", 3, 2), (b"\xDF", 7, 8)
NOWHERE = 0x50000000


class TruncationGenerator:
    """As generate.Generator, for the family "truncation"."""

    def __init__(self, features=None):
        pass

    def batch(self, seed, number, count, only=None):
        rng = np.random.default_rng([seed, number, 0xF1D0])
        pick = random.Random(f"{seed}/{number}/truncation")
        b = block_batch(count)
        r = b.records
        count = len(r)
        r["gpr"][:, :8] = values.registers(rng, count)
        r["data"] = Pools(rng, "fpu").window(rng, count)
        r["rflags"] = 2
        r["mode"] = 32
        r["fx"] = values.fx_images(rng, count, "int")
        self._numbers(r, rng)
        masked = rng.random(count) < 0.9
        r["fx"][masked, 0] |= MASKS
        r["fx"][masked, 2] &= 0x7F
        r["fx"][masked, 3] &= 0x7F
        for first in range(0, count, GROUP):
            self._fill(r[first:first + GROUP], rng, pick)
        return b

    def _numbers(self, r, rng):
        """Mostly such as have an integer part."""
        n = len(r)
        number = rng.random(n) < 0.7
        exponent = 0x3FFF + rng.integers(-2, 66, n)
        r["fx"][number, 32:40] = (rng.integers(0, 1 << 63, n, dtype="<u8") | np.uint64(1 << 63)).view("u1").reshape(n, 8)[number]
        r["fx"][number, 40:42] = (exponent | rng.integers(0, 2, n) << 15).astype("<u2").view("u1").reshape(n, 2)[number]

    def _fill(self, r, rng, pick):
        n = len(r)
        opcode, digit, size = pick.choice(FISTP)
        bases = (ESI, ESI, ESI) if pick.random() < 0.5 else (ESI, EDI, EBX)
        disps = pick.choice(((4, 0, 6), (0, 8, 2), (2, pick.randrange(8), 0), [pick.randrange(16) for _ in range(3)]))
        code = b"".join(op + bytes((0x40 | field << 3 | base, disp)) for op, field, base, disp in
                        ((b"\xD9", 5, bases[0], disps[0]), (opcode, digit, bases[1], disps[1]), (b"\xD9", 5, bases[2], disps[2]),
                         (b"\xD9", 7, ESI, 0x40)))
        r["code"][:, :len(code)] = np.frombuffer(code, "u1")
        r["codelen"] = len(code)
        at = rng.integers(0, 32, n)
        for base in (ESI, EDI, EBX):
            r["gpr"][:, base] = WINDOW + at
        now = r["fx"][:, 0].astype("<u2") | r["fx"][:, 1].astype("<u2") << 8
        for base, disp, likely in ((bases[2], disps[2], now), (bases[0], disps[0], now | ROUND_TO_ZERO)):
            other = np.where(rng.random(n) < 0.5, values.control_word(rng, n), now ^ (rng.integers(0, 4, n) << 10).astype("<u2"))
            other ^= np.where(rng.random(n) < 0.1, rng.integers(0, 1 << 16, n) & 0xF080, 0).astype("<u2")       # reserved bits
            word = np.where(rng.random(n) < 0.6, likely, other).astype("<u2").view("u1").reshape(n, 2)
            for byte in range(2):
                r["data"][np.arange(n), at + disp + byte] = word[:, byte]
        for base in (EDI, EBX):
            r["gpr"][:, base] = np.where(rng.random(n) < 0.05, NOWHERE, r["gpr"][:, base])
