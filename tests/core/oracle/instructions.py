"""Random instructions from the project's own opcode tables, with their operands steered to memory.

The tables are read through tools/gen_decode.py, so that there is no second one. encode() chooses
prefixes, ModRM, SIB, displacement and immediates for one row and says how the addresses come
about; generate.py then chooses registers that make them hit the window.
"""
import importlib
import random
import sys
from pathlib import Path

from tests.core.oracle.host import RUN_JUMP, RUN_STEP, SEGS_BASED, SEGS_CODE, SEGS_FLAT, WINDOW, WINDOW_OFFSET
from tests.core.oracle.undefined import NOT_TRIED

ROOT = Path(__file__).resolve().parents[3]
EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
PREFIX_66, PREFIX_67, LOCK, REPNE, REP = 0x66, 0x67, 0xF0, 0xF2, 0xF3
SEGMENT_PREFIX = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "ds": 0x3E, "fs": 0x64, "gs": 0x65}

BRANCHES = {"jcc", "jmp", "jmp_ind", "call", "call_ind", "ret", "loop", "loope", "loopne", "jcxz", "popf"}
STRINGS = {"movs", "stos", "lods", "scas", "cmps"}
SHIFTS = {"shl", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd"}
BIT_TESTS = {"bt", "bts", "btr", "btc"}
# One-byte opcodes that ignore a stray REP on every CPU: no HLE (locked forms, C6, C7), no PAUSE
STRAY_REP = {0x00, 0x02, 0x0A, 0x23, 0x2B, 0x33, 0x3B, 0x48, 0x84, 0x8B, 0x8D, 0xA8, 0xC1, 0xD1, 0xF6}
EXTENT = {"fnstenv": (14, 28), "fldenv": (14, 28), "fnsave": (94, 108), "frstor": (94, 108)}
EXTENT_FIXED = {"fxsave": 512, "fxrstor": 512, "cmpxchg8b": 8, "lea": 1, "invlpg": 1, "clflush": 1}


def _load_parser():
    """tools/ is no package: its modules import each other by their plain names."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module("gen_decode")
    finally:
        sys.path.pop(0)


gen_decode = _load_parser()
KIND = {number: letter for letter, number in gen_decode.KINDS.items()}
SIZE = {number: letter for letter, number in gen_decode.SIZES.items() if letter != "z"}
FAMILY = {number: name for name, number in gen_decode.FAMILIES.items()}
FEATURES = gen_decode.FEATURES
ORACLE_FAMILY = {"int": "int", "math": "int", "str": "int", "sys": "int", "fpu": "fpu", "sse": "sse"}


class Form:
    """One row of the opcode tables, with what encode() needs to know."""

    def __init__(self, row):
        self.row = row
        self.mnemonic = row.mnemonic
        self.family = ORACLE_FAMILY[FAMILY[row.family]]
        self.operands = [(KIND[k], s) for k, s in row.operands]
        self.has_modrm = bool(row.attr & gen_decode.IA_MODRM)
        self.lockable = bool(row.attr & gen_decode.IA_LOCK)
        self.map = row.map
        self.kinds = [k for k, _ in self.operands]
        self.memory_only = "M" in self.kinds or row.mod == "m"
        self.register_only = any(k in self.kinds for k in "NUR") or row.mod == "r"

    def __repr__(self):
        return self.row.text


def forms(family=None):
    """Every form that user mode can try, of one family or of all."""
    found = [Form(row) for row in gen_decode.load_rows() if row.mnemonic not in NOT_TRIED]
    return [f for f in found if family in (None, f.family)]


class Memory:
    """An effective address: where it is steered to and by which registers."""
    __slots__ = ("asz", "base", "index", "scale", "disp", "segment", "size", "align")

    def __init__(self, asz, size, align):
        self.asz, self.size, self.align = asz, size, align
        self.base = self.index = None
        self.scale, self.disp, self.segment = 1, 0, "ds"


class Instruction:
    """Bytes, and what generate.py must know to choose an initial state for them."""
    __slots__ = ("form", "code", "mode", "segs", "how", "osz", "asz", "memory", "rep", "lock", "reg", "rm",
                 "imm", "wild", "segment_prefix", "target")


def operand_bytes(form, size, osz):
    letter = SIZE.get(size, "")
    return {"b": 1, "w": 2, "d": 4, "q": 8, "x": 16, "t": 10, "s": 6, "v": osz, "p": osz + 2, "a": osz * 2}.get(letter, 0)


def memory_extent(form, osz):
    """(bytes, alignment wanted) of the ModRM memory operand."""
    if form.mnemonic in EXTENT_FIXED:
        size = EXTENT_FIXED[form.mnemonic]
        return size, 16 if size == 512 else 1
    if form.mnemonic in EXTENT:
        return EXTENT[form.mnemonic][osz == 4], 1
    for kind, size in form.operands:
        if kind in "EMQWR":
            n = operand_bytes(form, size, osz)
            return n or 4, 16 if n == 16 else 1
    return 4, 1


def encode(form, pick, code32=None, in_block=False):
    """One random encoding of `form`. `pick` is a random.Random. In a block memory operands are
    [ebp+disp8] or [esi+disp8], which blocks.py points into the window; it chooses the segments."""
    i = Instruction()
    i.form = form
    chance = pick.random
    i.mode = (32 if chance() < 0.7 else 16) if code32 is None else (32 if code32 else 16)
    i.segs = SEGS_BASED if chance() < (0.12 if i.mode == 32 else 0.5) and not in_block else SEGS_FLAT
    if i.segs == SEGS_BASED and chance() < 0.4:
        i.segs = SEGS_CODE
    i.how = RUN_STEP if form.mnemonic in BRANCHES or chance() < 0.02 and form.mnemonic != "int1" and not in_block else RUN_JUMP
    i.wild = chance() < 0.03
    i.rep = 0
    i.lock = False
    i.memory = None
    i.imm = None
    i.reg = i.rm = None
    i.target = None
    i.segment_prefix = None
    prefixes = []
    mandatory = {"66": PREFIX_66, "F3": REP, "F2": REPNE}.get(form.row.prefix)
    use66 = form.row.prefix is None and form.mnemonic != "bswap" and chance() < (0.3 if i.mode == 32 else 0.5)
    if use66:
        prefixes.append(PREFIX_66)
    i.osz = (4 if i.mode == 32 else 2) if not use66 else (2 if i.mode == 32 else 4)
    touches = form.has_modrm or any(k in ("O", "X", "Y") for k in form.kinds) or form.mnemonic in ("xlat", "maskmovq", "maskmovdqu")
    if i.mode == 32:
        use67 = chance() < (0.02 if i.segs == SEGS_FLAT else 0.5)
    else:
        use67 = touches and chance() < (0.95 if i.segs == SEGS_FLAT else 0.3)
    if in_block:
        use67 = i.mode == 16 and touches
    if use67:
        prefixes.append(PREFIX_67)
    i.asz = (4 if i.mode == 32 else 2) if not use67 else (2 if i.mode == 32 else 4)
    if chance() < 0.08 and touches and not in_block:
        i.segment_prefix = pick.choice(["es", "cs", "ss", "ds", "ds", "fs", "gs", "gs"])
        if i.segment_prefix == "cs" and i.segs == SEGS_CODE:
            i.wild = False                      # the code itself differs: the host jumps back behind it
        prefixes.append(SEGMENT_PREFIX[i.segment_prefix])
    if form.mnemonic in STRINGS and chance() < 0.6:
        i.rep = pick.choice([REP, REPNE]) if form.mnemonic in ("scas", "cmps") or chance() < 0.2 else REP
        prefixes.append(i.rep)
    elif form.map == 0 and form.row.prefix is None and not form.lockable and form.row.opcode in STRAY_REP and chance() < 0.03:
        prefixes.append(pick.choice([REP, REPNE]))

    body = []
    if form.has_modrm:
        body = _modrm(i, form, pick, in_block)
    memory_destination = i.memory is not None and form.kinds and form.kinds[0] in ("E", "M")
    if not mandatory and chance() < (0.15 if form.lockable and memory_destination else 0.005):
        # LOCK where it is not allowed is #UD; F3 and F2 must not join it (HLE)
        if REP not in prefixes and REPNE not in prefixes:
            i.lock = True
            prefixes.append(LOCK)
    if "O" in form.kinds:
        i.memory = Memory(i.asz, max(operand_bytes(form, s, i.osz) for k, s in form.operands if k == "O"), 1)
        i.memory.segment = i.segment_prefix or "ds"
        _absolute(i, pick)
        body += (i.memory.disp & (0xFFFFFFFF if i.asz == 4 else 0xFFFF)).to_bytes(i.asz, "little")
    body += _immediates(i, form, pick)
    pick.shuffle(prefixes)
    if mandatory:
        prefixes.insert(pick.randrange(len(prefixes) + 1), mandatory)
    escape = {0: [], 1: [0x0F], 2: [0x0F, 0x38], 3: [0x0F, 0x3A]}[form.map]
    i.code = bytes(prefixes + escape + [form.row.opcode] + list(body))
    return i if len(i.code) <= 15 else encode(form, pick, code32, in_block)


def _modrm(i, form, pick, in_block):
    reg = form.row.reg if form.row.reg is not None else pick.randrange(8)
    if form.memory_only:
        register = False
    elif form.register_only:
        register = True
    else:
        register = pick.random() < 0.5
    i.reg = reg
    if register:
        i.rm = form.row.rm if form.row.rm is not None else pick.randrange(8)
        return [0xC0 | reg << 3 | i.rm]
    size, align = memory_extent(form, i.osz)
    m = i.memory = Memory(i.asz, size, align)
    if i.asz == 2:
        return _memory16(i, reg, pick)
    if in_block:
        m.base, m.disp = pick.choice([EBP, ESI]), pick.randrange(-96, 96 - min(size, 90)) // align * align
        m.segment = "ss" if m.base == EBP else "ds"
        return [0x40 | reg << 3 | m.base, m.disp & 0xFF]
    mod = pick.choice([0, 1, 1, 2])
    rm = pick.randrange(8)
    out = []
    sib = None
    if rm == 4:
        base, index, m.scale = pick.randrange(8), pick.randrange(8), 1 << pick.randrange(4)
        sib = (m.scale.bit_length() - 1) << 6 | index << 3 | base
        m.index = None if index == 4 else index
        m.base = None if base == 5 and mod == 0 else base
    else:
        m.base = None if rm == 5 and mod == 0 else rm
    disp_size = {0: 4 if m.base is None else 0, 1: 1, 2: 4}[mod]
    m.segment = i.segment_prefix or ("ss" if m.base in (ESP, EBP) else "ds")
    if disp_size == 1:
        m.disp = pick.randrange(-128, 128)
    elif disp_size == 4:
        m.disp = pick.choice([pick.randrange(1 << 32), pick.randrange(-256, 256)])
    if m.base is None and m.index is None:
        _absolute(i, pick)
    out.append(mod << 6 | reg << 3 | rm)
    if sib is not None:
        out.append(sib)
    return out + list((m.disp & ((1 << 8 * disp_size) - 1)).to_bytes(disp_size, "little") if disp_size else b"")


MODRM16 = [(EBX, ESI), (EBX, EDI), (EBP, ESI), (EBP, EDI), (ESI, None), (EDI, None), (EBP, None), (EBX, None)]


def _memory16(i, reg, pick):
    m = i.memory
    mod, rm = pick.choice([0, 1, 1, 2]), pick.randrange(8)
    if mod == 0 and rm == 6:
        m.segment = i.segment_prefix or "ds"
        _absolute(i, pick)
        return [reg << 3 | 6] + list((m.disp & 0xFFFF).to_bytes(2, "little"))
    m.base, m.index = MODRM16[rm]
    m.segment = i.segment_prefix or ("ss" if m.base == EBP else "ds")
    if mod == 1:
        m.disp = pick.randrange(-128, 128)
        return [0x40 | reg << 3 | rm, m.disp & 0xFF]
    if mod == 2:
        m.disp = pick.randrange(1 << 16)
        return [0x80 | reg << 3 | rm] + list(m.disp.to_bytes(2, "little"))
    return [reg << 3 | rm]


def stack16(i):
    """SS is a 16-bit segment with a base."""
    return i.segs == SEGS_CODE or i.segs == SEGS_BASED and i.mode == 16


def window_offset(i, segment):
    """Offset, in this segment, of the window's first byte."""
    if i.segs != SEGS_FLAT and (segment in ("ds", "es", "gs") or segment == "ss" and stack16(i)):
        return WINDOW_OFFSET
    return WINDOW


def _absolute(i, pick):
    """No register in the address: one target for all tests of this encoding, in i.target."""
    m = i.memory
    room = max(1, 256 - m.size)
    i.target = pick.randrange(room) // m.align * m.align
    if i.wild:
        m.disp = pick.randrange(1 << 32)
    else:
        m.disp = window_offset(i, m.segment) + i.target


def _immediates(i, form, pick):
    out = []
    for kind, size in form.operands:
        if kind not in ("I", "I2", "J"):
            continue
        letter = SIZE.get(size, "b")
        n = i.osz if letter in ("v", "z") else operand_bytes(form, size, i.osz)
        if kind == "J":
            # Not too far, so that nothing of ours is reached; TF stops before it is executed anyway
            value = pick.choice([pick.randrange(-128, 128), pick.randrange(1 << 32), pick.randrange(0x1000)])
        elif form.mnemonic in SHIFTS:
            value = pick.choice([pick.randrange(256), pick.randrange(34), pick.randrange(9), 1])
            if form.mnemonic in ("shld", "shrd") and i.osz == 2 and value & 31 > 16:
                value &= 15
        elif form.mnemonic == "enter":
            value = pick.choice([0, 0, 1, 2, 3, pick.randrange(64)]) if kind == "I2" else \
                pick.choice([0, 4, 8, 16, pick.randrange(64), pick.randrange(1 << 16)])
        elif form.mnemonic == "ret":
            value = pick.choice([0, 4, 8, pick.randrange(1 << 16)])
        else:
            value = pick.choice([0, 1, 0x7F, 0x80, 0xFF, 10, pick.randrange(256), pick.randrange(1 << 32),
                                 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
        if i.imm is None:
            i.imm = value
        out += list((value & ((1 << 8 * n) - 1)).to_bytes(n, "little"))
    return out


def random_code(pick, count):
    """Plain random bytes, for tests that do not care what they mean."""
    return bytes(pick.getrandbits(8) for _ in range(count))


if __name__ == "__main__":
    seeded = random.Random(1)
    for f in forms():
        print(f"{f!r:40} {encode(f, seeded).code.hex(' ')}")
