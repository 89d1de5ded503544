"""Compare what the host CPU did with what the engine did, and say where they differ so that one can read it."""
import numpy as np

from tests.core.oracle import amd, undefined
from tests.core.oracle.generate import FLAG_BITS
from tests.core.oracle.host import CONTROL, CONTROL_SIZE, NO_FAULT, STATUS_RAN, WINDOW

FX_MASK = np.frombuffer(undefined.fx_mask(), "u1")
NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]
U32 = np.uint64(0xFFFFFFFF)
WITH_ERROR_CODE = (10, 11, 12, 13, 14, 17)
TRAPS = {0: "#DE", NO_FAULT: "none", 3: "#BP", 4: "#OF", 5: "#BR", 6: "#UD", 7: "#NM", 11: "#NP", 12: "#SS", 13: "#GP", 14: "#PF",
         16: "#MF", 17: "#AC", 19: "#XM"}
FIELDS = ("gpr", "eip", "eflags", "trap", "error", "cr2", "fx", "memory")


def differences(batch, host, engine):
    """Boolean arrays by field name, one element a record. All false: they agree."""
    n = len(host)
    if not n:
        return {name: np.zeros(0, bool) for name in FIELDS}
    relevant = ~batch.skip & (host["status"] == STATUS_RAN)
    # The harness's own pages are there on the host only
    relevant &= ~((engine["trapno"] == 14) & (engine["cr2"] >= CONTROL) & (engine["cr2"] < CONTROL + CONTROL_SIZE))
    fault = host["trapno"] != NO_FAULT
    flags = (host["rflags"] ^ engine["rflags"]) & np.uint64(FLAG_BITS)
    # A fault leaves the flags alone, unless an earlier instruction of a block had undefined them
    whole = fault & (batch.family != "block")
    flags &= np.where(whole, U32, ~batch.flags_ignored.astype("<u8"))
    fx = ((host["fx"] ^ engine["fx"]) & FX_MASK).any(1)
    memory = host["data"] != engine["data"]
    changed = memory.any(1)
    for k in np.nonzero(changed)[0]:
        for first, last in batch.data_ignored.get(int(k), ()):
            memory[k, first:last] = False
        changed[k] = memory[k].any()
    has_error = np.isin(host["trapno"], WITH_ERROR_CODE)
    found = {
        "gpr": (((host["gpr"][:, :8] ^ engine["gpr"][:, :8]) & U32) != 0).any(1),
        "eip": ((host["rip"] ^ engine["rip"]) & U32) != 0,
        "eflags": flags != 0,
        "trap": host["trapno"] != engine["trapno"],
        "error": has_error & (host["err"] != engine["err"]),
        "cr2": (host["trapno"] == 14) & (((host["cr2"] ^ engine["cr2"]) & U32) != 0),
        "fx": fx,
        "memory": changed,
    }
    if undefined.AMD:
        ignored, _ = amd.explained(mnemonics(batch), host, engine)
        relevant = {name: relevant & ~ignored[name] for name in FIELDS}
    else:
        relevant = dict.fromkeys(FIELDS, relevant)
    return {name: array & relevant[name] for name, array in found.items()}


def mnemonics(batch):
    """One for each record; "block" for blocks."""
    names = np.array([getattr(form, "mnemonic", form) for form in batch.forms])
    return names[batch.form]


def any_difference(found):
    return np.logical_or.reduce(list(found.values()))


def disassemble(code, mode):
    try:
        import capstone
    except ImportError:
        return "(install capstone to see the disassembly)"
    md = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32 if mode == 32 else capstone.CS_MODE_16)
    text = "; ".join(f"{x.mnemonic} {x.op_str}".strip() for x in md.disasm(bytes(code), 0x10000000))
    return text or "(undecoded)"


def report(batch, before, host, engine, k, found):
    """What differed in record k, as text."""
    b, h, e = before[k], host[k], engine[k]
    code = bytes(b["code"][:int(b["codelen"])])
    fields = [name for name in FIELDS if found[name][k]]
    segs = ", DS ES SS GS based" if b["segs"] else ""
    out = [f"{code.hex(' ')}   {disassemble(code, int(b['mode']))}   ({int(b['mode'])}-bit code{segs}; row: {batch.forms[batch.form[k]]})",
           f"  differ in: {', '.join(fields)}"]
    out.append("  before   " + _integer_line(b) + f" eflags={int(b['rflags']) & 0xFFFFFFFF:08x}")
    out.append(f"  expected {_integer_line(h)} eflags={int(h['rflags']) & 0xFFFFFFFF:08x} {_outcome(h)}")
    out.append(f"  got      {_integer_line(e)} eflags={int(e['rflags']) & 0xFFFFFFFF:08x} {_outcome(e)}")
    if found["eflags"][k]:
        bits = int((h["rflags"] ^ e["rflags"]) & np.uint64(FLAG_BITS))
        out.append(f"  eflags: {_flag_names(bits)} differ; ignored: {_flag_names(int(batch.flags_ignored[k]))}")
    if found["memory"][k]:
        where = np.nonzero(h["data"] != e["data"])[0]
        first, last = int(where[0]), int(where[-1]) + 1
        last = min(last, first + 48)
        out += [f"  memory {WINDOW + first:08x}: before   {bytes(b['data'][first:last]).hex(' ')}",
                f"                   expected {bytes(h['data'][first:last]).hex(' ')}",
                f"                   got      {bytes(e['data'][first:last]).hex(' ')}"]
    if found["fx"][k]:
        out += _fx_lines(b["fx"], h["fx"], e["fx"])
    elif batch.family != "int" or found["memory"][k]:
        out += _operands(b)
    return "\n".join(out)


def _integer_line(record):
    return " ".join(f"{name}={int(v) & 0xFFFFFFFF:08x}" for name, v in zip(NAMES, record["gpr"]))


def _outcome(record):
    trap = int(record["trapno"])
    text = TRAPS.get(trap, f"vector {trap}")
    if trap in WITH_ERROR_CODE:
        text += f"({int(record['err']):x})"
    if trap == 14:
        text += f" cr2={int(record['cr2']) & 0xFFFFFFFF:08x}"
    return f"eip={int(record['rip']) & 0xFFFFFFFF:08x} {text}"


def _flag_names(bits):
    names = {1: "CF", 4: "PF", 0x10: "AF", 0x40: "ZF", 0x80: "SF", 0x400: "DF", 0x800: "OF", 0x4000: "NT", 0x40000: "AC", 0x200000: "ID"}
    return " ".join(name for bit, name in names.items() if bits & bit) or "none"


def fx_view(fx):
    """The parts of an FXSAVE image by name, as text."""
    word = lambda at, n: int.from_bytes(bytes(fx[at:at + n]), "little")
    parts = {"fcw": f"{word(0, 2):04x}", "fsw": f"{word(2, 2):04x}", "ftw": f"{word(4, 1):02x}",
             "fip": f"{word(8, 4):08x}", "mxcsr": f"{word(24, 4):08x}"}
    for n in range(8):
        parts[f"st{n}"] = f"{word(40 + 16 * n, 2):04x}.{word(32 + 16 * n, 8):016x}"
    for n in range(8):
        parts[f"xmm{n}"] = f"{word(160 + 16 * n, 16):032x}"
    return parts


def _fx_lines(before, host, engine):
    b, h, e = fx_view(before), fx_view(host), fx_view(engine)
    out = [f"  fcw={b['fcw']} fsw={b['fsw']} ftw={b['ftw']} mxcsr={b['mxcsr']} (before)"]
    for name in b:
        if h[name] != e[name]:
            out.append(f"  {name}: before {b[name]} expected {h[name]} got {e[name]}")
    used = [f"{name}={b[name]}" for name in ("st0", "st1", "st7")]
    return out + ["  before: " + " ".join(used)] + [f"  before: xmm{n}={b[f'xmm{n}']}" for n in range(8) if h[f"xmm{n}"] != e[f"xmm{n}"]]


def _operands(record):
    parts = fx_view(record["fx"])
    return [f"  fcw={parts['fcw']} fsw={parts['fsw']} ftw={parts['ftw']} mxcsr={parts['mxcsr']} st0={parts['st0']} st1={parts['st1']}"]
