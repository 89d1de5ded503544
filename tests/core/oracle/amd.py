"""What AMD CPUs do otherwise than Intel's, whose way the engine follows where the manuals leave a choice.

Each rule has a name, its source, the fields that are then not compared, and a function (mnemonics, host, engine) that says in
which tests it holds; in blocks the mnemonic is "block". APM: AMD64 Architecture Programmer's Manual. FX (undefined.py) has FIP.
"""
from dataclasses import dataclass

import numpy as np

EVERYTHING = ("gpr", "eip", "eflags", "trap", "error", "cr2", "fx", "memory")
NONE, UD, SS, GP, PF, AC = 1, 6, 12, 13, 14, 17
FAULTS_OF_ACCESSES = (SS, GP, PF, AC)
ES = 0x80                           # of the x87 status word: an unmasked exception is pending
WRAPS = 0xFFFFFE00                  # where an operand of up to 512 bytes may begin that ends behind FFFFFFFFh
REPEATED = ("scas", "cmps")
X87_STORES = ("fst", "fstp", "fist", "fistp", "fisttp", "fbstp")


@dataclass(frozen=True)
class Rule:
    name: str
    reason: str
    fields: tuple
    holds: object


def status_word(records):
    return records["fx"][:, 2].astype(np.uint16) | records["fx"][:, 3].astype(np.uint16) << 8


def int1(mnemonics, host, engine):
    return (mnemonics == "int1") & (host["trapno"] == NONE)


def masked_store(mnemonics, host, engine):
    return (mnemonics == "maskmovdqu") & (host["trapno"] == PF) & (engine["trapno"] == PF)


def mmx_store(mnemonics, host, engine):
    return np.isin(mnemonics, ("movd", "movq", "movntq", "block")) & np.isin(host["trapno"], FAULTS_OF_ACCESSES) & (
        np.isin(engine["trapno"], FAULTS_OF_ACCESSES)) & (status_word(engine) & 0x3800 == 0)


def unaligned(mnemonics, host, engine):
    return np.isin(mnemonics, ("movups", "movupd", "movdqu", "lddqu")) & (host["trapno"] == AC) & (
        np.isin(engine["trapno"], (NONE,) + FAULTS_OF_ACCESSES))


def prefetch(mnemonics, host, engine):
    code = host["code"]
    named = ((code[:, :-1] == 0x0F) & (code[:, 1:] == 0x0D)).any(1)
    return (mnemonics == "nop") & named & (host["trapno"] == UD) & (engine["trapno"] == NONE)


def alternative_cr8(mnemonics, host, engine):
    return np.isin(mnemonics, ("mov_rc", "mov_cr")) & (host["code"][:, :-1] == 0xF0).any(1) & (host["trapno"] == GP) & (engine["trapno"] == UD)


def compare_order(mnemonics, host, engine):
    return (mnemonics == "cmps") & np.isin(host["trapno"], FAULTS_OF_ACCESSES) & np.isin(engine["trapno"], FAULTS_OF_ACCESSES)


def repeated_compare(mnemonics, host, engine):
    return np.isin(mnemonics, REPEATED) & (host["rip"] == engine["rip"]) & (
        np.isin(host["trapno"], FAULTS_OF_ACCESSES) | (host["gpr"][:, 1] != 0))


def wrapping(mnemonics, host, engine):
    return np.isin(host["trapno"], (SS, GP)) & np.isin(engine["trapno"], (PF, AC, GP)) & (
        (host["trapno"] != engine["trapno"])) & ((engine["cr2"] >= WRAPS) | (engine["cr2"] < 512)) & (host["err"] == 0) & (host["rip"] == engine["rip"])


def x87_store(mnemonics, host, engine):
    return np.isin(mnemonics, X87_STORES + ("block",)) & np.isin(host["trapno"], FAULTS_OF_ACCESSES) & (
        status_word(host) & ES == 0) & (status_word(engine) & ES != 0)


RULES = (
    Rule("INT1", "the address that INT1's #DB saves: behind the instruction (SDM vol. 3, 6.5), or where AMD's virtual machines "
         "deliver it, of the instruction itself (APM vol. 2, 15.12.2)", ("eip",), int1),
    Rule("MASKMOVDQU", "which byte CR2 names when the store faults: Intel's first that is to be written, or its half; AMD's first of the "
         "operand. Exceptions depend on the implementation (SDM vol. 2, MASKMOVDQU; APM vol. 4)", ("cr2",), masked_store),
    Rule("MMX stores", "a store from an MMX register that faults has made its transition to MMX (TOP 0, all valid) on Intel, not on AMD. Neither manual says "
         "(SDM vol. 3, 12.2; APM vol. 5, 5.6)", ("fx",), mmx_store),
    Rule("MOVUPS", "an unaligned operand of MOVUPS, MOVUPD, MOVDQU, LDDQU with the alignment check on: may or may not be #AC "
         "(SDM vol. 2, MOVUPS); it is on AMD", EVERYTHING, unaligned),
    Rule("0F 0D", "PREFETCH and PREFETCHW of a register: a NOP on Intel, #UD where they came from (APM vol. 3, PREFETCH)", EVERYTHING, prefetch),
    Rule("LOCK MOV CR0", "is MOV of CR8 (APM vol. 3, MOV CRn; CPUID 80000001h ECX bit 4), which is privileged; #UD on Intel", EVERYTHING, alternative_cr8),
    Rule("CMPS", "both operands fault: which comes first is not architectural (SDM vol. 3, table 6-2); [ESI] on AMD",
         ("trap", "error", "cr2"), compare_order),
    Rule("REP SCAS, CMPS", "flags while a repeated compare is unfinished, by a fault or a single step: restored to those before the instruction "
         "(SDM vol. 2, REP), or those of the last comparison", ("eflags",), repeated_compare),
    Rule("4 GiB", "an operand that wraps at 4 GiB under a limit of FFFFFFFFh: may or may not be #GP or #SS (SDM vol. 3, 5.3); it is on AMD",
         ("trap", "error", "cr2"), wrapping),
    Rule("x87 stores", "an x87 store with an unmasked response, which stores nothing: AMD looks at the operand all the same, so that its #PF, "
         "#GP, #SS or #AC comes first. Their order is not architectural (SDM vol. 3, table 6-2, the last class)", EVERYTHING, x87_store),
)


def explained(mnemonics, host, engine):
    """{field: tests in which it is not compared} and {name of a rule: tests in which it holds}."""
    ignored = {field: np.zeros(len(host), bool) for field in EVERYTHING}
    by_rule = {}
    for rule in RULES:
        holds = by_rule[rule.name] = rule.holds(mnemonics, host, engine)
        for field in rule.fields:
            ignored[field] |= holds
    return ignored, by_rule
