"""Generate the decoder's tables from qemu_py/_core/x86/opcodes/*.txt (grammar: README there).

    python tools/gen_decode.py            write qemu_py/_core/gen/
    python tools/gen_decode.py --check    fail when what is committed is out of date
"""
import re
import sys
from dataclasses import dataclass

import generated

TABLES = generated.ROOT / "qemu_py/_core/x86/opcodes"

FAMILIES = {"int": 0, "sys": 1, "fpu": 2, "sse": 3, "str": 4, "math": 5}
FEATURES = {"586": 0, "686": 1, "sep": 2, "mmx": 3, "fxsr": 4, "sse": 5, "sse2": 6, "sse3": 7, "ssse3": 8,
            "cx8": 9, "tsc": 10, "msr": 11, "clfsh": 21, "fpu": 23, "cpuid": 24, "monitor": 25}
KINDS = {"E": 1, "G": 2, "I": 3, "J": 4, "M": 5, "O": 6, "S": 7, "C": 8, "D": 9, "Z": 10, "A": 11,
         "CL": 12, "DX": 13, "1": 14, "X": 15, "Y": 16, "P": 17, "Q": 18, "V": 19, "W": 20, "AP": 21,
         "SR": 22, "R": 23, "I2": 24, "N": 25, "U": 26, "T": 27}
MODRM_KINDS = set("EGMRSCDTPQNVWU")
# size codes: bytes below 32; 32 + n are those that depend on the operand size
SIZES = {"": 0, "b": 1, "w": 2, "d": 4, "q": 8, "t": 10, "x": 16, "s": 6, "v": 32, "z": 32, "p": 33, "a": 34}
SEGMENTS = ["ES", "CS", "SS", "DS", "FS", "GS"]
IA_LOCK, IA_MODRM, IA_SIGNED8 = 1, 2, 4
# kinds of table nodes
LEAF, BY_PREFIX, BY_REG, BY_MOD, BY_RM = range(5)


@dataclass
class Row:
    prefix: str | None
    map: int
    opcode: int
    reg: int | None
    mod: str | None
    rm: int | None
    mnemonic: str
    operands: list          # (kind, size code)
    family: int
    needs: int
    attr: int
    zreg: int
    where: str
    text: str


def parse_operand(text, where):
    if text in SEGMENTS:
        return (KINDS["SR"], 0, SEGMENTS.index(text))
    if text in ("CL", "DX", "1"):
        return (KINDS[text], {"CL": 1, "DX": 2, "1": 0}[text], 0)
    if text == "AP":
        return (KINDS["AP"], SIZES["p"], 0)
    if text == "Is":
        return (KINDS["I"], 1, -1)
    if text == "I2":
        return (KINDS["I2"], 1, 0)
    kind, size = text[0], text[1:]
    if kind not in KINDS or size not in SIZES:
        sys.exit(f"{where}: what operand is {text!r}?")
    return (KINDS[kind], SIZES[size], 0)


def parse_file(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.partition("#")[0].rstrip()
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        m = re.match(r"^((?:(?:NP|66|F3|F2) )?(?:0F (?:38 |3A )?)?[0-9A-F]{2}(?:\+[rc])?(?:/[0-7])?(?:[mr][0-7]?)?)\s+(\S+)\s+(\S+)\s*(.*)$", line)
        if not m:
            sys.exit(f"{where}: cannot read {line!r}")
        pattern, mnemonic, operands, attributes = m.groups()
        words = pattern.split()
        prefix = words.pop(0) if len(words) > 1 and words[0] in ("NP", "66", "F3", "F2") else None
        map_ = 0
        if words[0] == "0F" and len(words) > 1:
            words.pop(0)
            map_ = 1
            if len(words) > 1:
                map_ = {"38": 2, "3A": 3}[words.pop(0)]
        byte, plus, reg, mod, rm = re.fullmatch(
            r"([0-9A-F]{2})(?:\+([rc]))?(?:/([0-7]))?(?:([mr])([0-7])?)?", words[0]).groups()
        ops = [] if operands == "-" else [parse_operand(o, where) for o in operands.split(",")]
        attr, needs, family = 0, 0, 0
        for word in attributes.split():
            if word == "lock":
                attr |= IA_LOCK
            elif word.startswith("fam="):
                family = FAMILIES[word[4:]]
            elif word in FEATURES:
                needs |= 1 << FEATURES[word]
            else:
                sys.exit(f"{where}: what attribute is {word!r}?")
        zreg = 0
        for kind, _, extra in ops:
            if kind == KINDS["SR"]:
                zreg = extra
            if extra == -1:
                attr |= IA_SIGNED8
        letters = {v: k for k, v in KINDS.items()}
        if reg is not None or mod is not None or any(letters[k] in MODRM_KINDS for k, _, _ in ops):
            attr |= IA_MODRM
        base = int(byte, 16)
        for i in range({"r": 8, "c": 16}.get(plus, 1)):
            yield Row(prefix, map_, base + i, None if reg is None else int(reg), mod,
                      None if rm is None else int(rm), mnemonic, [(k, s) for k, s, _ in ops], family, needs,
                      attr, i if plus == "r" else zreg, where, line)


def load_rows():
    return [row for path in sorted(TABLES.glob("*.txt")) for row in parse_file(path)]


class Tables:
    """Leaves and nodes. A reference is node number * 8 + kind; a leaf's is insn number * 8."""

    def __init__(self, rows):
        names = sorted({r.mnemonic.upper() for r in rows})
        self.ids = {n: i + 1 for i, n in enumerate(names)}
        self.leaves = [None]
        self.leaf_index = {}
        self.nodes = []
        self.maps = [[0] * 256 for _ in range(4)]
        self.modrm = [[0] * 256 for _ in range(4)]
        cells = {}
        for r in rows:
            cells.setdefault((r.map, r.opcode), []).append(r)
        for (m, opcode), group in cells.items():
            self.maps[m][opcode] = self.split(group)
            flags = {bool(r.attr & IA_MODRM) for r in group}
            if len(flags) > 1:
                sys.exit(f"{group[0].where}: opcode {opcode:02X} has a ModRM byte in some rows only")
            self.modrm[m][opcode] = int(flags.pop())

    def leaf(self, r):
        ops = r.operands + [(0, 0)] * (3 - len(r.operands))
        key = (self.ids[r.mnemonic.upper()], r.family, *(k for k, _ in ops), *(s for _, s in ops), r.attr, r.needs, r.zreg)
        if key not in self.leaf_index:
            self.leaf_index[key] = len(self.leaves)
            self.leaves.append(key)
        return self.leaf_index[key] * 8 + LEAF

    def node(self, children, kind):
        first = len(self.nodes)
        self.nodes += children
        return first * 8 + kind

    def split(self, rows):
        if not rows:
            return 0
        if any(r.prefix for r in rows):
            parts = []
            for p in ("NP", "66", "F3", "F2"):
                exact = [r for r in rows if r.prefix == p]
                taken = {(r.reg, r.mod, r.rm) for r in exact}   # F3 90 (PAUSE) hides 90 (NOP)
                free = [r for r in rows if r.prefix is None and (r.reg, r.mod, r.rm) not in taken]
                parts.append(self.split([_without(r, "prefix") for r in exact + free]))
            return self.node(parts, BY_PREFIX)
        if any(r.reg is not None for r in rows):
            return self.node([self.split([_without(r, "reg") for r in rows if r.reg in (i, None)]) for i in range(8)], BY_REG)
        if any(r.mod for r in rows):
            return self.node([self.split([_without(r, "mod") for r in rows if r.mod in (m, None)]) for m in "mr"], BY_MOD)
        if any(r.rm is not None for r in rows):
            return self.node([self.split([_without(r, "rm") for r in rows if r.rm in (i, None)]) for i in range(8)], BY_RM)
        if len(rows) > 1 and len({self.leaf(r) for r in rows}) > 1:
            sys.exit(f"{rows[0].where} and {rows[1].where}: two rows for one encoding")
        return self.leaf(rows[0])


def _without(row, name):
    return Row(**{**row.__dict__, name: None})


def generate():
    t = Tables(load_rows())
    head = "# Generated by tools/gen_decode.py from qemu_py/_core/x86/opcodes/*.txt; do not edit.\n"
    enum = [head + "cdef enum:", "    I_INVALID = 0"] + [f"    I_{n} = {i}" for n, i in t.ids.items()]
    def c_array(values, per=16):
        return ",\n".join(", ".join(str(v) for v in values[i:i + per]) for i in range(0, len(values), per))
    out = [head + 'cdef extern from *:', '    """']
    out.append("typedef struct { unsigned short id; unsigned char family, opt[3], opsz[3], attr, zreg; unsigned int needs; } qp_leaf;")
    out.append("static const qp_leaf qp_leaves[] = {{0}")
    for key in t.leaves[1:]:
        ident, family, k0, k1, k2, s0, s1, s2, attr, needs, zreg = key
        out.append(f", {{{ident}, {family}, {{{k0},{k1},{k2}}}, {{{s0},{s1},{s2}}}, {attr}, {zreg}, {needs}}}")
    out.append("};")
    out.append(f"static const unsigned short qp_nodes[] = {{{c_array(t.nodes or [0])}}};")
    maps = ",\n".join("{" + c_array(m) + "}" for m in t.maps)
    modrm = ",\n".join("{" + c_array(m) + "}" for m in t.modrm)
    out.append(f"static const unsigned short qp_maps[4][256] = {{{maps}}};")
    out.append(f"static const unsigned char qp_modrm[4][256] = {{{modrm}}};")
    out += ['    """', "    ctypedef struct Leaf \"qp_leaf\":", "        uint16_t id", "        uint8_t family",
            "        uint8_t opt[3]", "        uint8_t opsz[3]", "        uint8_t attr", "        uint8_t zreg",
            "        uint32_t needs", '    const Leaf leaves "qp_leaves"[1]', '    const uint16_t nodes "qp_nodes"[1]',
            '    const uint16_t maps "qp_maps"[4][256]', '    const uint8_t has_modrm "qp_modrm"[4][256]', ""]
    assert max(t.nodes + [x for m in t.maps for x in m]) < 65536
    return {"insn_enum.pxi": "\n".join(enum) + "\n", "decode_tables.pxi": "\n".join(out),
            "insn_names.pxi": head + "INSN_NAMES = " + repr(["invalid"] + [n.lower() for n in t.ids]) + "\n"}


if __name__ == "__main__":
    generated.main(__doc__.splitlines()[0], generate, "python tools/gen_decode.py")
