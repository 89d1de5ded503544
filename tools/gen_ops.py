"""Generate the interpreter's functions and the op numbers from the IR tables.

    python tools/gen_ops.py            write qemu_py/_core/gen/
    python tools/gen_ops.py --check    fail when what is committed is out of date

The grammar of the tables is at the head of qemu_py/_core/ir/ops/README.
"""
import itertools
import re
import string
import sys
import zlib
from dataclasses import dataclass, field

import gen_decode
import generated

TABLES = generated.ROOT / "qemu_py/_core/ir/ops"
ORDER = ["move", "alu", "mem", "jump", "math", "string", "sys", "fpu", "sse"]

# Tables whose ops are split into a half without calls and a slow half.
SPLIT = ("alu", "mem", "jump")

CONDITIONS = ["o", "no", "b", "nb", "z", "nz", "be", "nbe", "s", "ns", "p", "np", "l", "nl", "le", "nle"]
# Condition of a fused compare-and-branch, by the class of the producer: x and y are its operands,
# res its result, all unsigned of the operand size; I is the signed type.
FUSED = {
    "sub": {"o": "((x ^ y) & (x ^ res)) >> (BITS - 1)", "b": "x < y", "z": "x == y", "be": "x <= y",
            "s": "<I> res < 0", "p": "parity_even(res)", "l": "<I> x < <I> y", "le": "<I> x <= <I> y"},
    "logic": {"z": "res == 0", "be": "res == 0", "s": "<I> res < 0",
              "p": "parity_even(res)", "l": "<I> res < 0", "le": "<I> res <= 0"},
    "res": {"z": "res == 0", "s": "<I> res < 0"},
}


@dataclass
class Row:
    name: str
    module: str
    props: dict
    body: list
    comment: str = ""
    where: str = ""
    variants: list = field(default_factory=list)


def fail(where, message):
    sys.exit(f"{where}: {message}")


def parse(path):
    """Rows of one table, with its `for` lines expanded."""
    module = path.stem
    loops, lets, rows = [], [], []
    current = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.name}:{number}"
        if line.startswith("#") or not line.strip():
            if current is not None and not line.strip():
                current["body"].append("")
            continue
        if line[0].isspace():
            if current is None:
                fail(where, "a body line without a row")
            current["body"].append(line)
            continue
        current = None
        word, _, rest = line.partition(" ")
        if word == "for":
            loops, lets = [], []
            for part in rest.split(";"):
                names, _, values = part.partition(" in ")
                loops.append((names.strip().split(","), [v.split(",") for v in values.split()]))
        elif word == "let":
            name, _, expression = rest.partition("=")
            lets.append((name.strip(), expression.strip()))
        elif word == "end":
            loops, lets = [], []
        elif word == "op":
            head = rest.split()
            current = {"head": head, "body": [], "loops": list(loops), "lets": list(lets), "where": where}
            rows.append(current)
        else:
            fail(where, f"unknown word {word!r}")
    return [row for raw in rows for row in expand(raw, module)]


def expand(raw, module):
    for combination in itertools.product(*(values for _, values in raw["loops"])):
        names = {}
        for (keys, _), values in zip(raw["loops"], combination):
            names.update(zip(keys, values))
        for name, expression in raw["lets"]:
            names[name] = str(eval(expression, {}, dict(names)))     # our own tables
        def sub(text):
            return string.Template(text).substitute(names)
        try:
            head = [sub(w) for w in raw["head"]]
            body = [sub(line) for line in raw["body"]]
        except KeyError as e:
            fail(raw["where"], f"no value for ${e.args[0]}")
        while body and not body[-1]:
            body.pop()
        props = {}
        for word in head[1:]:
            key, _, value = word.partition("=")
            props[key] = value or True
        if props.pop("skip", "0") not in ("0", "False"):
            continue
        yield Row(head[0], module, props, body, where=raw["where"])


def dedent(body):
    width = min((len(l) - len(l.lstrip()) for l in body if l.strip()), default=0)
    return [l[width:] for l in body]


def macros(line, end):
    """Ways out of a TB. A row that may fall through can be called alone by host code, so it starts no other TB itself."""
    line = re.sub(r"\bFAULT\b", "return op_fault(env, op)", line)
    line = re.sub(r"\bGOTO (\w+)", r"return goto_tb(env, \1)", line)
    line = re.sub(r"\bLOOKUP\b", "return lookup_tb_ptr(env)" if end else "return exit_tb(env)", line)
    line = re.sub(r"\bEXIT\b", "return exit_tb(env)", line)
    return line


def split_cold(name, lines):
    """Lines of the function's fast half, which makes no call: at a TLB miss it starts over in the
    slow half, NAME_slow. None when there is no access to split at."""
    out, i, found = [], 0, False
    while i < len(lines):
        load = re.fullmatch(r"(\s*)(cdef int64_t )?loaded = ld(8|16|32)\(env, (.+)\)", lines[i])
        store = re.fullmatch(r"(\s*)if st(8|16|32)\(env, ([^,]+), (.+)\):", lines[i])
        if load and lines[i + 1].strip() == "if loaded < 0:":
            indent, declared, size, address = load.groups()
            out += [f"{indent}if not tlb_hit_read(env, {address}, {int(size) // 8}):",
                    f"{indent}    return op_{name}_slow(env, op)",
                    f"{indent}loaded = host_ld{size}(env, {address})"]
            i += 3
        elif store:
            indent, size, address, value = store.groups()
            out += [f"{indent}if not tlb_hit_write(env, {address}, {int(size) // 8}):",
                    f"{indent}    return op_{name}_slow(env, op)",
                    f"{indent}host_st{size}(env, {address}, {value})"]
            i += 2
        elif lines[i] == "if p != NULL:" and lines[i + 1] == "    x = p[0]":
            out += ["if p == NULL:", f"    return op_{name}_slow(env, op)", "x = p[0]"]
            i += 7
        elif lines[i] == "if p != NULL:" and lines[i + 1] == "    p[0] = res":
            out.append("p[0] = res")
            i += 4
        else:
            out.append(lines[i].replace("cdef int64_t loaded = 0", "cdef int64_t loaded"))
            i += 1
            continue
        found = True
    if not found:
        return None
    declared = ["cdef int64_t loaded"] if any("cdef int64_t loaded = ld" in l for l in lines) else []
    return declared + out


def signature(name):
    return f"cdef uintptr_t op_{name}(CPUX86State *env, IROp *op) noexcept nogil:"


def function(name, row, flags, mode, cond=None):
    """The interpreter's function of one variant of a row, or its two halves."""
    body = dedent(row.body)
    is_flag = [l.lstrip().startswith("%") for l in body]
    plain = [l for l, f in zip(body, is_flag) if not f]
    flag = [l.replace("% ", "", 1) for l, f in zip(body, is_flag) if f] if flags else []
    ea = row.props.get("ea")
    first = [f"if {row.props['first']}(env):", "    FAULT"] if "first" in row.props else []
    pre, post = [] if ea else first, []
    if ea:
        kind, size, align = re.fullmatch(r"([a-z]+)(\d+)(?::(\d+|gp))?", ea).groups()
        write = int("w" in kind)
        pre.append("cdef uint64_t va")
        if kind == "rw":
            kindtype = f"uint{int(size) * 8}_t"
            pre += [f"cdef {kindtype} *p", f"cdef {kindtype} x, res", "cdef int64_t loaded"]
        pre += first
        if mode == "g":
            check = (f"ea_seg_gp(env, op, {size}, {write})" if align == "gp" else
                     f"ea_seg_align(env, op, {size}, {align}, {write})" if align else f"ea_seg(env, op, {size}, {write})")
            pre.append(f"if {check}:")
            if "unless" in row.props:
                pre += [f"    if {row.props['unless']}(env, op):", "        return op[1].fn(env, op + 1)"]
            pre += ["    FAULT", "va = env.a0"]
        elif mode == "bd":
            pre.append("va = ea_bd(env, op)")
        else:
            pre.append("va = ea_flat(env, op)")
        if kind == "rw":
            pre += [f"p = <{kindtype} *> host_rw(env, va, {size})", "if p != NULL:", "    x = p[0]",
                    "else:", f"    loaded = ld_rmw_slow(env, va, {size}, env.mmu_idx)",
                    "    if loaded < 0:", "        FAULT", f"    x = <{kindtype}> loaded"]
            post += ["if p != NULL:", "    p[0] = res",
                     f"elif st_slow(env, va, res, {size}, env.mmu_idx):", "    FAULT"]
    # declarations first: Cython wants them before the code of the preamble
    decls = [l for l in plain if l.startswith("cdef ")]
    code = [l for l in plain if not l.startswith("cdef ")]
    if ea and "rw" in ea:
        lines = decls + pre + code + post + flag
    else:
        flag_first = flags and any(is_flag)
        if flag_first:      # keep flag lines where they stand
            code = [l.replace("% ", "", 1) for l in body if not l.startswith("cdef ")]
        lines = decls + pre + code
    if cond is not None:
        lines += cond
    elif "end" not in row.props and "head" not in row.props:
        lines.append("return op[1].fn(env, op + 1)")
    end = "end" in row.props or cond is not None

    def text(name, lines):
        return [signature(name)] + ["    " + macros(l, end) if l else "" for l in lines]
    fast = split_cold(name, lines) if row.module in SPLIT else None
    if fast is None:
        return text(name, lines)
    return text(f"{name}_slow", lines) + ["", ""] + text(name, fast)


def condition_lines(row, cc):
    klass, size = re.fullmatch(r"([a-z]+)(\d+)", row.props["jcc"]).groups()
    table = FUSED[klass]
    name = CONDITIONS[cc]
    positive = name[1:] if name.startswith("n") else name
    if positive not in table:
        return None
    text = table[positive].replace("<I>", f"<int{size}_t>").replace("BITS", size)
    if name.startswith("n"):
        text = f"not ({text})"
    return [f"if {text}:", "    GOTO 1", "GOTO 0"]


def variants(row):
    """(suffix, flags, mode, cond lines, cc) of every function that a row stands for."""
    has_flags = "def" in row.props and any(l.lstrip().startswith("%") for l in row.body)
    modes = [""]
    if "ea" in row.props:
        modes = ["", "g"] + (["bd"] if "bd" in row.props else [])
    for mode in modes:
        suffix = f"_{mode}" if mode else ""
        yield suffix, True, mode, None, None
        if has_flags:
            yield suffix + "_nf", False, mode, None, None
    if "jcc" in row.props:
        for cc in range(16):
            lines = condition_lines(row, cc)
            if lines:
                yield f"_j{CONDITIONS[cc]}", True, "", lines, cc


def host_templates(by_module):
    """The x86-64 generator's table: which template makes the code of an op, with which arguments."""
    templates, entries = {}, []
    for items in by_module.values():
        for name, row, flags, mode, cond, cc in items:
            if "x64" not in row.props:
                continue
            template, arg, size = (row.props["x64"].split(":") + ["0", "0"])[:3]
            templates.setdefault(template, len(templates) + 1)
            arg = arg if arg.isdigit() else f"X_{arg.upper()}"
            jcc = -1 if cc is None else cc
            kills = int("def" in row.props)
            nf = int(not flags or not kills)
            seg = int(mode == "g")
            entries.append(f"    t[OP_{name}] = HostTemplate(T_{template}, {arg}, {int(size) // 8}, {nf}, {kills}, {seg}, {jcc})")
    head = "# Generated by tools/gen_ops.py from qemu_py/_core/ir/ops/*.tbl; do not edit."
    enum = [head, "cdef enum:"] + [f"    T_{name} = {number}" for name, number in templates.items()]
    return "\n".join(enum) + "\n", "\n".join([head, "cdef void fill_templates(HostTemplate *t) noexcept:"] + entries) + "\n"


DECODE_ROWS = gen_decode.load_rows()


def encoding(name, kinds):
    """Of an MMX or SSE instruction, by the kind of its first operand: opcode, map in bits 8-9, prefix in bits 16-23, and
    bit 24 with /digit in bits 25-27."""
    letters = {v: k for k, v in gen_decode.KINDS.items()}
    found = {(r.prefix, r.map, r.opcode, r.reg) for r in DECODE_ROWS
             if r.mnemonic == name and "".join(letters[k] for k, _ in r.operands[:2]) in kinds}
    if len(found) != 1:
        fail("fp=", f"{len(found)} encodings of {name} {kinds}")
    prefix, map_, opcode, digit = found.pop()
    return (opcode | map_ << 8 | (0 if prefix == "NP" else int(prefix, 16)) << 16
            | (0 if digit is None else 1 << 24 | digit << 25))


# Which operands the encoding has that a form of fp= is about; forms without a row here have none
ENCODED = {"v": ("VW", "VU"), "v_m": ("VW", "VE"), "v_imm": ("VW",), "v_cmp": ("VW",), "v_shift": ("UI",), "v_r": ("GU", "GW"),
           "v_rimm": ("GU",), "v_ins": ("VE",), "v_si": ("VE",), "v_flags": ("VW",),
           "mm": ("PQ",), "mm_imm": ("PQ",), "mm_shift": ("NI",), "mm_r": ("GN",), "mm_rimm": ("GN",), "mm_ins": ("PE",)}


def fp_templates(by_module):
    """The same for x87, MMX and SSE (host/fp.pyx), the forms apart: form, argument, bytes of the memory operand, encoding."""
    forms, entries = {}, []
    for items in by_module.values():
        for name, row, flags, mode, cond, cc in items:
            if "fp" not in row.props or mode == "g":
                continue
            form, _, arg = row.props["fp"].partition(":")
            if form == "-":
                continue
            forms.setdefault(form)
            mnemonic = re.sub(r"^mm_|_m$|_i$|_[0-7]$", "", row.name)
            enc = encoding(mnemonic, ENCODED[form]) if form in ENCODED else 0
            size = re.sub(r"^[a-z]+(\d+).*", r"\1", row.props.get("ea", "r0"))
            entries.append(f"    t[OP_{name}] = FPTemplate(F_{form}, {arg}, {min(int(size), 255)}, 0x{enc:X})")
    head = "# Generated by tools/gen_ops.py from qemu_py/_core/ir/ops/*.tbl; do not edit."
    # those of MMX come behind the others, those of the x87 last
    ordered = sorted(forms, key=lambda name: 2 if name.startswith("x87") else int(name.startswith("mm")))
    enum = [head, "cdef enum:"] + [f"    F_{name} = {i}" for i, name in enumerate(ordered, 1)]
    enum.append(f"    F_FIRST_MMX = F_{next(name for name in ordered if name.startswith('mm'))}")
    enum = "\n".join(enum) + "\n"
    table = [head, 'include "host_fp_forms.pxi"', "", "cdef void fill_fp_templates(FPTemplate *t) noexcept:"]
    return enum, "\n".join(table + entries) + "\n"


def generate():
    rows = []
    paths = sorted(TABLES.glob("*.tbl"), key=lambda p: ORDER.index(p.stem) if p.stem in ORDER else 99)
    for path in paths:
        rows += parse(path)
    files, opcodes, names = {}, [], {}
    by_module = {}
    for row in rows:
        for suffix, flags, mode, cond, cc in variants(row):
            name = row.name + suffix
            if name in names:
                fail(row.where, f"{name} is defined twice")
            names[name] = len(opcodes) + 1
            opcodes.append(name)
            by_module.setdefault(row.module, []).append((name, row, flags, mode, cond, cc))
    head = "# Generated by tools/gen_ops.py from qemu_py/_core/ir/ops/*.tbl; do not edit.\n"
    enum = [head + "cdef enum:", "    OP_INVALID = 0"]
    enum += [f"    OP_{name} = {number}" for name, number in names.items()]
    enum += [f"    NB_OPS = {len(names) + 1}"]
    # Modules built from different tables would run each other's ops: they compare this.
    enum.append(f"    OPS_HASH = {zlib.crc32(chr(10).join(names).encode()) & 0x7FFFFFFF}")
    files["ops_enum.pxi"] = "\n".join(enum) + "\n"
    for module, items in by_module.items():
        out = [head]
        for name, row, flags, mode, cond, cc in items:
            out += [""] + function(name, row, flags, mode, cond)
        out += ["", "", f"cdef int register_{module}_ops(OpInfo *t) except -1:",
                "    check_build(OPS_HASH)"]
        for name, row, flags, mode, cond, cc in items:
            base = row.name + (f"_{mode}" if mode else "")
            props = []
            for key, value in (("faults", "OPP_FAULTS"), ("first", "OPP_FAULTS"), ("end", "OPP_END"), ("usecf", "OPP_USE_CF"),
                               ("use", "OPP_USE"), ("def", "OPP_DEF"), ("pure", "OPP_PURE")):
                if key in row.props and (flags or row.props[key] != "flags"):
                    props.append(value)
            if "ea" in row.props:
                props += ["OPP_FAULTS", "OPP_EA"]
            if cond is not None:
                props.append("OPP_END")
            if "end" not in row.props and re.search(r"\b(LOOKUP|GOTO|EXIT)\b", " ".join(row.body)):
                props.append("OPP_LEAVES")
            if not flags and "OPP_DEF" in props:
                props.remove("OPP_DEF")
            nf = f"OP_{base}_nf" if flags and cond is None and f"{base}_nf" in names else "0"
            g = f"OP_{row.name}_g" + ("" if flags else "_nf") if mode == "" and cond is None and f"{row.name}_g" in names else "0"
            bd = f"OP_{row.name}_bd" + ("" if flags else "_nf") if mode == "" and cond is None and f"{row.name}_bd" in names else "0"
            out.append(f"    set_op(t, OP_{name}, op_{name}, b\"{name}\", {' | '.join(dict.fromkeys(props)) or 0}, {nf}, {g}, {bd})")
            if cc is not None:
                out.append(f"    t[OP_{row.name}].jcc[{cc}] = OP_{name}")
        out.append("    return 0")
        files[f"interp_{module}.pxi"] = "\n".join(out) + "\n"
    files["host_template_ids.pxi"], files["host_templates.pxi"] = host_templates(by_module)
    files["host_fp_forms.pxi"], files["host_fp_templates.pxi"] = fp_templates(by_module)
    return files


if __name__ == "__main__":
    generated.main(__doc__.splitlines()[0], generate, "python tools/gen_ops.py")
