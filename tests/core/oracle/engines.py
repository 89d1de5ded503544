"""Every engine against every other, on any host: the interpreter, and host code from the first run on, from the third
run on, and without chaining.

All of the state must agree, undefined flags too; where the host CPU is asked (campaign.py), undefined.py says what is not compared.

    python -m tests.core.oracle.engines --records 1000000 --programs 10000 --seed 1
    python -m tests.core.oracle.engines --programs 1 --seed 1 --first 4711       # one program again, to the instruction
"""
import argparse
import struct
import sys
import time
from dataclasses import dataclass

import numpy as np

from tests.core.oracle import compare, programs
from tests.core.oracle.blocks import BlockGenerator
from tests.core.oracle.generate import TF, Generator

BATCH = 16384
MODEL = "qemu32,+ssse3"
NMI = 0x200
MAX_EVENTS = 40
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "dr6")
RECORD_FIELDS = {"gpr": "gpr", "eip": "rip", "eflags": "rflags", "trap": "trapno", "error": "err", "cr2": "cr2", "fx": "fx",
                 "memory": "data"}


@dataclass(frozen=True)
class Engine:
    name: str
    tier: object
    chain: bool = True


INTERPRETER = Engine("interpreter", None)
HOST = (Engine("host code", 0), Engine("host code, third run", 2), Engine("host code, unchained", 0, False))


# ---------------------------------------------------------------- records: single instructions and short blocks
class Records:
    """The generated tests of campaign.py, run by two engines."""

    def __init__(self):
        self.generators = {}

    def batch(self, family, seed, number, count=BATCH):
        if family not in self.generators:
            self.generators[family] = BlockGenerator() if family == "block" else Generator(family)
        b = self.generators[family].batch(seed, number, count)
        # A TB under TF is never compiled; a few still step, as the host CPU's do
        stepping = (b.records["rflags"] & np.uint64(TF) != 0) & (np.arange(len(b.records)) % 16 != 0)
        b.records["rflags"][stepping] &= ~np.uint64(TF)
        return b

    def run(self, family, seed, number, engine=HOST[0], count=BATCH):
        """(batch, interpreted, compiled, found, counters of the compiling CPU)."""
        from qemu_py import CPU
        b = self.batch(family, seed, number, count)
        interpreted, compiled = b.records.copy(), b.records.copy()
        CPU.batch(interpreted, block=family == "block", model=MODEL, tier=None)
        counters = CPU.batch(compiled, block=family == "block", model=MODEL, tier=engine.tier, chain=engine.chain)
        found = {}
        for name, field in RECORD_FIELDS.items():
            differ = interpreted[field] != compiled[field]
            found[name] = differ if differ.ndim == 1 else differ.any(1)
        return b, interpreted, compiled, found, counters


# ---------------------------------------------------------------- programs
class Runner:
    """One engine and its CPU, which runs one program after another."""

    def __init__(self, engine):
        from qemu_py import CPU
        self.engine = engine
        self.last = [None, None]                # the program that each CPU ran
        self.cpus = [CPU(MODEL, ram=programs.RAM, deliver=deliver, tier=engine.tier, chain=engine.chain) for deliver in (False, True)]

    @property
    def compiled(self):
        return sum(cpu.counters()["host_count"] for cpu in self.cpus)

    def load(self, p):
        cpu = self.cpus[p.deliver]
        last = self.last[p.deliver]
        if last is not None:
            for address in last.breakpoints:
                cpu.breakpoint_remove(address)
            for address, _, _ in last.watchpoints:
                cpu.watchpoint_remove(address)
        self.last[p.deliver] = p
        cpu.reset()
        cpu.tb_flush()
        cpu.write(0, p.memory)
        cpu.gdt_base, cpu.gdt_limit, cpu.idt_base, cpu.idt_limit = programs.GDT, 0x2F, programs.IDT, 0xFF
        cpu.cr4 = 0x600
        cpu.cr3 = programs.DIRECTORY
        cpu.cr0 = 0x10033 | (1 << 31 if p.paging else 0) | (1 << 18 if p.am else 0)
        for name, selector in (("cs", programs.CS), ("ss", programs.SS), ("ds", programs.DS), ("es", programs.DS)):
            low, high = struct.unpack_from("<II", p.memory, programs.GDT + selector)
            base = low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000
            limit = low & 0xFFFF | high & 0xF0000
            limit = limit << 12 | 0xFFF if high & programs.GRANULAR else limit
            cpu.load_segment(name, selector | p.cpl, base, limit, high & ~0x6000 | p.cpl << 13)
        for name in ("fs", "gs"):
            cpu.load_segment(name, 0, 0, 0, 0)
        cpu.set("cpl", p.cpl)
        for name, value in p.registers.items():
            cpu.set(name, value)
        cpu.eflags = p.eflags
        for n in range(4):
            cpu.set(f"dr{n}", p.dr[n])
        cpu.dr7 = p.dr7
        for address in p.breakpoints:
            cpu.breakpoint_insert(address)
        for address, length, read in p.watchpoints:
            cpu.watchpoint_insert(address, length, read)
        return cpu

    def run(self, p, steps=None):
        """The states behind each chunk and at each exception, up to `steps` instructions; then memory and x87/SSE state."""
        cpu = self.load(p)
        seen, done, events = [], 0, 0
        for chunk in p.chunks:
            left = chunk if steps is None else min(chunk, steps - done)
            while left > 0:
                result = cpu.run(steps=left)
                left -= result.steps
                done += result.steps
                seen.append((done, result.reason, result.vector, result.error_code, result.cr2, result.address, state(cpu)))
                if result.reason == "steps":
                    continue
                events += 1
                if result.reason == "until" and events <= MAX_EVENTS:       # a debugger stops, and goes on
                    continue
                if result.reason not in ("exception", "unmapped") or events > MAX_EVENTS:
                    return seen + [rest(cpu)]
                cpu.eip = p.labels[(events + (result.vector or 0)) % len(p.labels)]
                cpu.esp, cpu.esi, cpu.ebp = p.top, p.registers["esi"], p.registers["ebp"]
                if result.vector == 1 and events % 2:
                    cpu.eflags = cpu.eflags & ~TF
                left -= 1                       # what faults without a step must end, too
                done += 1
            if p.deliver and cpu.eip & 1:
                cpu.interrupt(NMI)
        return seen + [rest(cpu)]


def state(cpu):
    return tuple(cpu.get(name) for name in REGISTERS)


def rest(cpu):
    return cpu.fxsave(), cpu.read(0, programs.RAM)


def first_difference(p, reference, other):
    """Steps after which two engines differ for the first time, found by running prefixes; and a text."""
    low, high = 0, sum(p.chunks)
    while low < high:                           # runs of a prefix agree until they differ, then mostly go on differing
        middle = (low + high) // 2
        if reference.run(p, middle) != other.run(p, middle):
            high = middle
        else:
            low = middle + 1
    out = [f"program {p.seed}: {reference.engine.name} and {other.engine.name} differ from step {low} on "
           f"({p.mode}-bit, cpl {p.cpl}, {'paging, ' if p.paging else ''}{'based, ' if p.based else ''}"
           f"{'IDT' if p.deliver else 'returned'}, runs of {p.chunks[:8]})"]
    a, b = reference.run(p, low), other.run(p, low)
    for x, y in zip(a, b):
        if x != y:
            if len(x) > 2:
                out.append(f"  {reference.engine.name}: step {x[0]} {x[1]} vector {x[2]} error {x[3]} cr2 {x[4]:x} address {x[5]}")
                out.append(f"  {other.engine.name}: step {y[0]} {y[1]} vector {y[2]} error {y[3]} cr2 {y[4]:x} address {y[5]}")
                out += [f"    {name}: {m:08x} {n:08x}" for name, m, n in zip(REGISTERS, x[6], y[6]) if m != n]
            else:
                where = [n for n in range(programs.RAM) if x[1][n] != y[1][n]]
                out.append(f"  memory at {[hex(n) for n in where[:8]]}, FXSAVE image {'differs' if x[0] != y[0] else 'equal'}")
            break
    out.append("  executed before:")
    for n in range(max(0, low - 24), low + 1):
        reference.run(p, n)
        cpu = reference.cpus[p.deliver]
        pa = cpu.translate((cpu.segment("cs")[1] + cpu.eip) & 0xFFFFFFFF)
        code = cpu.read(pa, min(15, programs.RAM - pa)) if pa is not None and pa < programs.RAM else b""
        first = compare.disassemble(code, p.mode if cpu.get("cs") >> 3 != 4 else 32).split(";")[0]
        out.append(f"    {n:5} {cpu.eip:08x} {first:40} " +
                   " ".join(f"{name}={cpu.get(name):x}" for name in REGISTERS if name not in ("eip", "dr6")))
    return low, "\n".join(out)


class Programs:
    def __init__(self, engines=HOST):
        self.reference = Runner(INTERPRETER)
        self.others = [Runner(engine) for engine in engines]

    def check(self, seed):
        """Text of the first difference, or None."""
        p = programs.Program(seed)
        expected = self.reference.run(p)
        for other in self.others:
            if other.run(p) != expected:
                return first_difference(p, self.reference, other)[1]
        return None


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.core.oracle.engines", description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=0, help="tests of each family")
    parser.add_argument("--programs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first batch or program")
    parser.add_argument("--reports", type=int, default=5)
    args = parser.parse_args()
    bad = 0
    if args.records:
        records = Records()
        for family in ("int", "fpu", "sse", "block"):
            started, n, wrong = time.perf_counter(), 0, 0
            number = args.first
            while n < args.records:
                engine = (HOST[0], HOST[2])[number % 2] if family == "block" else HOST[0]
                b, interpreted, compiled, found, counters = records.run(family, args.seed, number, engine)
                differ = compare.any_difference(found)
                n += len(differ)
                wrong += int(differ.sum())
                for k in np.nonzero(differ)[0][:args.reports if wrong < 100 else 0]:
                    print(f"[{family} seed {args.seed} batch {number} record {k}] " +
                          compare.report(b, b.records, interpreted, compiled, k, found), flush=True)
                number += 1
            bad += wrong
            print(f"{family}: {n:,} tests, {wrong:,} differ, {counters['host_count']:,} of {counters['tb_gen_count']:,} blocks compiled, "
                  f"{time.perf_counter() - started:.0f} s", flush=True)
    if args.programs:
        started, wrong, checked = time.perf_counter(), 0, Programs()
        for n in range(args.first, args.first + args.programs):
            text = checked.check(f"{args.seed}/{n}")
            if text:
                wrong += 1
                if wrong <= args.reports:
                    print(text, flush=True)
        bad += wrong
        print(f"{args.programs:,} programs, {wrong:,} differ; compiled blocks: " +
              ", ".join(f"{other.engine.name} {other.compiled:,}" for other in checked.others) +
              f"; {time.perf_counter() - started:.0f} s", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
