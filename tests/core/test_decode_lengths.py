"""Lengths of random instructions, against capstone; where the two differ a table says why."""
import functools
import random

import pytest

from qemu_py._core.x86.decode import decode

capstone = pytest.importorskip("capstone", reason="capstone is not installed")

COUNT = 200_000                     # instructions in each code size

# What capstone decodes and 32-bit CPUs up to the Pentium III (and SSE3, SSSE3) do not
NEWER = {
    "x86-64": {"syscall", "sysret"},
    "virtualisation": {"vmcall", "vmlaunch", "vmresume", "vmxoff", "vmxon", "vmptrld", "vmptrst", "vmclear", "vmread", "vmwrite",
                       "vmfunc", "vmrun", "vmmcall", "vmload", "vmsave", "stgi", "clgi", "skinit", "invlpga", "invept", "invvpid",
                       "invpcid"},
    "3DNow!": {"femms", "prefetch", "prefetchw", "prefetchwt1"} | {
        "pi2fd", "pi2fw", "pf2id", "pf2iw", "pfnacc", "pfpnacc", "pfcmpge", "pfmin", "pfrcp", "pfrsqrt", "pfsub", "pfadd", "pfcmpgt",
        "pfmax", "pfrcpit1", "pfrsqit1", "pfsubr", "pfacc", "pfcmpeq", "pfmul", "pfrcpit2", "pmulhrw", "pswapd", "pavgusb"},
    "SSE4 and SSE4A": {"popcnt", "crc32", "extrq", "insertq", "movntss", "movntsd", "ptest", "pcmpgtq", "pcmpeqq", "pmulld",
                       "pmuldq", "packusdw", "phminposuw", "movntdqa", "mpsadbw", "dpps", "dppd", "extractps", "insertps",
                       "pcmpestri", "pcmpestrm", "pcmpistri", "pcmpistrm", "roundps", "roundpd", "roundss", "roundsd",
                       "pextrb", "pextrd", "pextrw", "pinsrb", "pinsrd", "pblendw", "pblendvb", "blendps", "blendpd", "blendvps",
                       "blendvpd", "pminsb", "pminsd", "pminuw", "pminud", "pmaxsb", "pmaxsd", "pmaxuw", "pmaxud",
                       "pmovsxbw", "pmovsxbd", "pmovsxbq", "pmovsxwd", "pmovsxwq", "pmovsxdq",
                       "pmovzxbw", "pmovzxbd", "pmovzxbq", "pmovzxwd", "pmovzxwq", "pmovzxdq"},
    "bits": {"lzcnt", "tzcnt", "movbe", "adcx", "adox"},
    "cryptography and random numbers": {"aesimc", "aesenc", "aesenclast", "aesdec", "aesdeclast", "aeskeygenassist", "pclmulqdq",
                                        "sha1nexte", "sha1msg1", "sha1msg2", "sha1rnds4", "sha256rnds2", "sha256msg1", "sha256msg2",
                                        "rdrand", "rdseed", "gf2p8mulb", "gf2p8affineqb", "gf2p8affineinvqb"},
    "VIA": {"xstore", "xcryptecb", "xcryptcbc", "xcryptctr", "xcryptcfb", "xcryptofb", "montmul", "xsha1", "xsha256"},
    "XSAVE": {"xsave", "xsavec", "xsaves", "xsaveopt", "xrstor", "xrstors", "xgetbv", "xsetbv"},
    "caches, transactions, protection keys": {"clflushopt", "clwb", "pcommit", "xbegin", "xabort", "xend", "xtest", "clac", "stac",
                                              "rdtscp", "encls", "enclu", "getsec", "swapgs", "rdfsbase", "rdgsbase", "wrfsbase",
                                              "wrgsbase", "rdpkru", "wrpkru", "monitorx", "mwaitx", "clzero", "endbr32", "endbr64",
                                              "monitor", "mwait", "umonitor", "umwait", "tpause", "ptwrite", "pconfig", "enclv", "rdpid",
                                              "movdiri", "movdir64b"},
    "shadow stacks": {"wrssd", "wrussd", "rstorssp", "saveprevssp", "clrssbsy", "setssbsy", "incsspd", "rdsspd"},
}
MODERN = {name: family for family, names in NEWER.items() for name in names}

# What silicon decodes and capstone does not, or with another length
OURS = {
    "nop": "capstone knows the hint NOPs 0F 0D, 0F 18 - 0F 1F with some prefixes and reg fields only",
    "mov_rt": "the 486's test registers",
    "mov_tr": "the 486's test registers",
    "ud2": "UD0 and UD1 have a ModRM byte on silicon",
    "mov_rs": "segment registers 6 and 7 decode and raise #UD when executed",
    "mov_sr": "segment registers 6 and 7, and CS, decode and raise #UD when executed",
    "mov_rc": "CR numbers that do not exist raise #UD when executed",
    "mov_cr": "CR numbers that do not exist raise #UD when executed",
    **dict.fromkeys(["fcom2", "fcomp3", "fxch4", "fcomp5", "fxch7", "fstp8", "fstp9"], "undocumented x87 aliases (shown on silicon)"),
    "mfence": "the r/m field is ignored",
    "lfence": "the r/m field is ignored",
    "sfence": "the r/m field is ignored",
    "bsf": "F2 has no meaning here and is ignored",
    "bsr": "F2 has no meaning here and is ignored",
}

# Where capstone overlooks a prefix that makes the instruction #UD (shown on silicon)
NO_66 = {"emms", "rsqrtps", "rcpps", "movnti", "ldmxcsr", "stmxcsr", "movlhps", "movhlps", "fxsave", "fxrstor"}
NO_REP = {"ldmxcsr", "stmxcsr", "fxsave", "fxrstor"}


def justified(code, code32, name, theirs):
    """Why the two may differ here, or None."""
    if name in OURS:
        return OURS[name]
    prefixes = code[:next(i for i, byte in enumerate(code) if byte not in PREFIXES)]
    if name is None and theirs is not None:
        if theirs in MODERN:
            return MODERN[theirs]
        if theirs.startswith("v"):
            return "AVX, XOP"
        if 0xF0 in prefixes:
            return "capstone overlooks LOCK where the destination is a register or the instruction has none"
        if 0x66 in prefixes and theirs in NO_66:
            return "capstone overlooks 66 on instructions that do not have it"
        if (0xF2 in prefixes or 0xF3 in prefixes) and theirs in NO_REP:
            return "capstone overlooks F2 and F3 on instructions that do not have them"
    if not code32 and 0x66 in prefixes and theirs is None:
        return "capstone does not see a mandatory 66 in 16-bit code"
    return None


PREFIXES = b"\x26\x2E\x36\x3E\x64\x65\x66\x67\xF0\xF2\xF3"


@functools.lru_cache(None)
def disassembler(code32):
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32 if code32 else capstone.CS_MODE_16)


def lengths(code, code32):
    """(our mnemonic or None, our length or None, capstone's mnemonic or None, its length or None)"""
    try:
        name, length, _ = decode(code, code32)
    except ValueError:
        name = length = None
    theirs = next(disassembler(code32).disasm_lite(code, 0, 1), None)
    if theirs is None:
        return name, length if name else None, None, None
    mnemonic = theirs[2].split()[-1] if theirs[2] else None
    return name, length if name else None, mnemonic, theirs[1]


def random_bytes(pick):
    """16 bytes; rare opcode maps are made frequent."""
    kind = pick.random()
    head = b""
    if kind < 0.25:
        head = b"\x0F"
    elif kind < 0.4:
        head = bytes([pick.choice([0x66, 0xF2, 0xF3]), 0x0F])
    elif kind < 0.45:
        head = bytes([pick.choice([0x66, 0x0F, 0x0F]), 0x0F, pick.choice([0x38, 0x3A])])
        head = head if head[0] == 0x66 else head[1:]
    elif kind < 0.6:
        head = bytes([pick.randrange(0xD8, 0xE0)])
    return (head + bytes(pick.getrandbits(8) for _ in range(16)))[:16]


@pytest.mark.parametrize("code32", [False, True], ids=["16-bit", "32-bit"])
def test_random_instructions_are_as_long_as_capstone_says(code32):
    pick = random.Random(7 + code32)
    wrong = {}
    for _ in range(COUNT):
        code = random_bytes(pick)
        name, length, theirs, their_length = lengths(code, code32)
        if length == their_length or justified(code, code32, name, theirs):
            continue
        wrong.setdefault((name, theirs), f"{code.hex(' ')}: {name} of {length} bytes, capstone {theirs} of {their_length}")
    assert not wrong, f"{len(wrong)} kinds of difference:\n" + "\n".join(list(wrong.values())[:40])


@pytest.mark.parametrize("prefix", ["66", "67", "2e", "f3"])
def test_fifteen_bytes_are_an_instruction_and_sixteen_are_not(prefix):
    nop = "90"
    assert decode(bytes.fromhex(prefix * 14 + nop))[1] == 15
    with pytest.raises(ValueError, match="over 15 bytes"):
        decode(bytes.fromhex(prefix * 15 + nop))
