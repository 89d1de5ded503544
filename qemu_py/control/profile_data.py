"""A guest's profile as data: blocks and samples from the core, with what belongs to them.

A block's cost is instructions when they were counted exactly, and nanoseconds of the CPU's time when it was sampled.
"""
from collections import Counter, defaultdict

from qemu_py.util.dataclass import dataclass, field

HF_CPL, HF_CS32, HF_PE, HF_VM, HF_SMM = 3, 1 << 2, 1 << 8, 1 << 9, 1 << 19        # of hflags, as in _core/cpu.pxd


def mode_name(flags):
    """Ring and mode of a block's hflags."""
    if flags & HF_SMM:
        return "SMM"
    if not flags & HF_PE:
        return "real mode"
    if flags & HF_VM:
        return "vm86"
    return f"ring {flags & HF_CPL}" + ("" if flags & HF_CS32 else " 16-bit")


@dataclass
class Block:
    """A translation block of one place, mode and content."""
    pc: int                             # linear
    cs_base: int
    flags: int
    code: bytes                         # None: it was not in RAM
    size: int
    icount: int
    starts: tuple                       # offsets of its instructions
    runs: int                           # counted exactly; else 0
    unrun: int                          # instructions that faults left out
    successors: tuple                   # linear addresses of the direct ones
    calls: bool                         # ends in a call
    weight: int = 0                     # ns of samples
    samples: int = 0
    host: list = field(default_factory=list)    # (address, bytes) of host code

    @property
    def instructions(self):
        return self.runs * self.icount - self.unrun

    @property
    def bits(self):
        return 32 if self.flags & HF_CS32 else 16

    @property
    def mode(self):
        return mode_name(self.flags)

    @property
    def place(self):
        """Blocks with the same can follow each other."""
        return self.pc, self.cs_base, self.flags


@dataclass
class Sample:
    weight: int
    pc: int
    mode: str
    cpu: int
    where: str                          # "guest", "device" or "translator"
    device: str                         # its name, when there
    callers: tuple                      # return addresses, innermost first


class Profile:
    """exact, blocks, samples; cost(block), total."""

    def __init__(self, exact, blocks, samples, dropped=0, op_counts=None):
        self.exact = exact
        self.blocks = blocks
        self.samples = samples
        self.dropped = dropped
        self.op_counts = op_counts or {}
        self.total = sum(map(self.cost, blocks)) if exact else sum(s.weight for s in samples)

    def cost(self, block):
        return block.instructions if self.exact else block.weight

    def hottest(self, count=None):
        """Blocks by falling cost; those without any are left out."""
        found = sorted((b for b in self.blocks if self.cost(b) > 0), key=lambda b: (-self.cost(b), b.pc))
        return found[:count]

    def by_mode(self):
        """Counter: mode -> cost."""
        found = Counter()
        for block in self.blocks:
            found[block.mode] += self.cost(block)
        return +found

    def by_function(self, symbols):
        """Counter: (function, mode) -> cost."""
        found = Counter()
        for block in self.blocks:
            found[symbols.function(block.pc), block.mode] += self.cost(block)
        return +found

    def by_device(self):
        """Counter: device -> ns, of samples that found the CPU's thread in it."""
        found = Counter()
        for sample in self.samples:
            if sample.where == "device":
                found[sample.device] += sample.weight
        return found

    def translating(self):
        """ns of samples that found it in the translator."""
        return sum(s.weight for s in self.samples if s.where == "translator")


def collect(core, slot_name, host=()):
    """The Profile of a stopped or standing GuestProfile. slot_name(n): whose I/O slot n is; host: host_code()'s rows."""
    blocks = []
    by_place = defaultdict(list)
    for pc, cs_base, flags, code, size, icount, starts, runs, unrun, eips, calls in core.blocks():
        successors = tuple((cs_base + eip) & 0xFFFFFFFF for eip in eips if eip is not None)
        block = Block(pc, cs_base, flags, code, size, icount, tuple(starts), runs, unrun, successors, calls)
        blocks.append(block)
        by_place[block.place].append(block)
    samples = []
    for weight, pc, cs_base, flags, _, cpu, where, slot, callers in core.samples():
        device = slot_name(slot) if where == "device" else ""
        samples.append(Sample(weight, pc, mode_name(flags), cpu, where, device, callers))
        if not by_place[pc, cs_base, flags]:        # its translation has been forgotten meanwhile
            block = Block(pc, cs_base, flags, None, 1, 1, (), 0, 0, (), False)
            blocks.append(block)
            by_place[block.place].append(block)
        block = by_place[pc, cs_base, flags][0]
        block.weight += weight
        block.samples += 1
    for pc, cs_base, flags, address, code in host:
        for block in by_place.get((pc, cs_base, flags), ()):
            block.host.append((address, code))
    return Profile(core.exact, blocks, samples, core.dropped, core.op_counts())
