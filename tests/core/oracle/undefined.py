"""What is not compared, and why: results the manuals leave undefined, and differences that a
CPU's vendor explains.

Flags are given per mnemonic of the opcode tables. Sources: SDM vol. 2, each instruction's "Flags
Affected"; vol. 1, appendix A ("EFLAGS cross-reference").
"""
C, P, A, Z, S, O = 0x001, 0x004, 0x010, 0x040, 0x080, 0x800

# mnemonic -> (flags that are never compared, reason)
FLAGS = {
    "and": (A, "AF is undefined after logic"),
    "or": (A, "AF is undefined after logic"),
    "xor": (A, "AF is undefined after logic"),
    "test": (A, "AF is undefined after logic"),
    "mul": (S | Z | A | P, "SF, ZF, AF and PF are undefined after MUL"),
    "imul1": (S | Z | A | P, "SF, ZF, AF and PF are undefined after IMUL"),
    "imul2": (S | Z | A | P, "SF, ZF, AF and PF are undefined after IMUL"),
    "imul3": (S | Z | A | P, "SF, ZF, AF and PF are undefined after IMUL"),
    "div": (C | P | A | Z | S | O, "all flags are undefined after DIV"),
    "idiv": (C | P | A | Z | S | O, "all flags are undefined after IDIV"),
    "aaa": (O | S | Z | P, "OF, SF, ZF and PF are undefined after AAA"),
    "aas": (O | S | Z | P, "OF, SF, ZF and PF are undefined after AAS"),
    "aam": (O | A | C, "OF, AF and CF are undefined after AAM"),
    "aad": (O | A | C, "OF, AF and CF are undefined after AAD"),
    "daa": (O, "OF is undefined after DAA"),
    "das": (O, "OF is undefined after DAS"),
    "bt": (O | S | A | P, "OF, SF, AF and PF are undefined after BT"),
    "bts": (O | S | A | P, "OF, SF, AF and PF are undefined after BTS"),
    "btr": (O | S | A | P, "OF, SF, AF and PF are undefined after BTR"),
    "btc": (O | S | A | P, "OF, SF, AF and PF are undefined after BTC"),
    "bsf": (C | O | S | A | P, "CF, OF, SF, AF and PF are undefined after BSF"),
    "bsr": (C | O | S | A | P, "CF, OF, SF, AF and PF are undefined after BSR"),
}

# Shifts and rotates: what is undefined depends on the count (after the mask of 5 bits; nothing
# changes when it is 0). SDM vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD.
SHIFTS = {"shl", "shr", "sar"}          # AF; OF unless the count is 1; CF of SHL, SHR beyond the size
ROTATES = {"rol", "ror", "rcl", "rcr"}  # OF unless the count is 1
DOUBLE_SHIFTS = {"shld", "shrd"}        # AF; OF unless 1; everything when the count exceeds the size

# Bytes of the FXSAVE image that are not compared
FX = {
    "reserved": (slice(5, 6), "reserved byte"),
    "opcode": (slice(6, 8), "FOP: since the Pentium 4 Intel stores it for unmasked exceptions only (SDM vol. 1, 8.1.9); "
                            "the CPUs modelled here store it always"),
    "fcs": (slice(12, 16), "FCS: recent Intel CPUs store 0 (CPUID.7:EBX[13])"),
    "fdp": (slice(16, 24), "FDP, FDS: recent Intel CPUs update FDP for unmasked exceptions only (CPUID.7:EBX[6]) and store 0 for FDS"),
    "mxcsr_mask": (slice(28, 32), "MXCSR_MASK: a constant of the model, not state"),
    "reserved_st": (None, "bytes 10-15 of each x87 register are reserved"),
    "tail": (slice(288, 512), "XMM8-15 do not exist outside 64-bit mode; beyond them nothing is stored"),
}

# Bytes of memory that are not compared: (first, last + 1) from the address of a pushed dword
MEMORY = {
    "call": ([(0, 4)], "a CALL beyond CS' limit is #GP(0), but recent CPUs have stored the return address (below the "
                       "stack pointer, which has not moved)"),
    "push_sr": ([(2, 4)], "with a 32-bit operand older CPUs push the selector zero-extended, recent ones write 16 bits "
                          "and leave the rest of the slot (SDM vol. 2, PUSH)"),
}

# Tests that are generated but not compared
CALL_ORDER = ("a CALL beyond CS' limit with a stack that faults too: which of #GP, #SS and #AC comes first is not "
              "architectural "
              "(SDM vol. 3, table 6-2)")
WRAPPING = {
    "fxsave": "an area that wraps at 64 KiB under 16-bit addressing: recent CPUs wrap byte by byte, so that CR2 differs",
    "fxrstor": "as FXSAVE",
    "bound": "two bounds, the second of which is beyond the segment: recent CPUs look at one after the other, so that the first one's #PF "
             "comes before #GP",
    **dict.fromkeys(["fnsave", "frstor", "fnstenv", "fldenv"],
                    "an area that wraps at 64 KiB under 16-bit addressing: recent CPUs check and access it in pieces"),
    "maskmovdqu": "an operand that wraps: recent CPUs check the half that the mask selects only (SDM vol. 2, MASKMOVDQU: "
                  "exceptions with a zero mask are implementation dependent)",
}


def host_vendor():
    """CPUID's vendor string of the host, as Linux gives it; "" where it does not."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")
    except OSError:
        return ""


AMD = host_vendor() == "AuthenticAMD"
if AMD:
    FX["fip"] = (slice(8, 12), "FIP: AMD's FXSAVE stores 0, and its FXRSTOR keeps it, unless an exception is pending (AMD64 manual "
                               "vol. 5, FXSAVE): the host's kernel loses it when it switches tasks")


def fx_mask():
    """512 bytes: FFh where compared."""
    mask = bytearray(b"\xFF" * 512)
    for where, _ in FX.values():
        if where is not None:
            mask[where] = bytes(where.stop - where.start)
    for register in range(8):
        mask[32 + 16 * register + 10:32 + 16 * register + 16] = bytes(6)
    return bytes(mask)


# Instructions that are not tried at all, by mnemonic, each with the reason.
SEGMENTS = "loads a segment register: the host's selectors are not the engine's"
SELECTOR = "stores a selector that is not the engine's"
TABLES = "reads the host's descriptor tables"
FAR = "a far transfer: needs descriptors of the test's own"
TIME = "depends on time or on the CPU model"
SOFTWARE = "a software interrupt: a kernel entry on the host"
PORTS = "user mode on the host has neither IOPL nor an I/O bitmap"
NOT_TRIED = {
    "pop_sr": SEGMENTS, "mov_sr": SEGMENTS, "les": SEGMENTS, "lds": SEGMENTS,
    "lss": SEGMENTS, "lfs": SEGMENTS, "lgs": SEGMENTS,
    "sldt": SELECTOR, "str": SELECTOR, "smsw": "UMIP on the host", "sgdt": "UMIP on the host", "sidt": "UMIP on the host",
    "lar": TABLES, "lsl": TABLES, "verr": TABLES, "verw": TABLES,
    "callf_ap": FAR, "jmpf_ap": FAR, "callf_m": FAR, "jmpf_m": FAR, "retf": FAR, "iret": FAR,
    "rdtsc": TIME, "rdpmc": TIME, "cpuid": TIME, "monitor": TIME, "mwait": TIME,
    "int": SOFTWARE, "sysenter": SOFTWARE,
    "in": PORTS, "out": PORTS, "ins": PORTS, "outs": PORTS,
    "mov_rt": "exists on the 486 only", "mov_tr": "exists on the 486 only",
    "rsm": "its answer outside SMM depends on nothing else",
}
