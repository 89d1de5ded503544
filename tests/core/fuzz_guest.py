"""Random bytes as a guest, in every mode; run by test_fuzz_guest.py in a child process, or by hand:

    python -m tests.core.fuzz_guest --scene vm86 --seed 1 --count 100

Each run is bounded in steps; it may end in any way that CPU.run documents. The seed of each run is
printed before it starts, so that the last line names the guilty one when the process dies.
"""
import argparse
import faulthandler
import random
import sys

RAM = 1 << 20
STEPS = 3000
PACED_STEPS = 400
MMIO_ACCESSES = 2000                # then the CPU is kicked: REP on MMIO must be interruptible
REASONS = {"steps", "until", "hlt", "exception", "unmapped", "triple fault", "stopped"}
PE, WP, AM, PG = 1, 1 << 16, 1 << 18, 1 << 31
PSE, PAE, PGE, OSFXSR, VME, DE, PVI = 1 << 4, 1 << 5, 1 << 7, 3 << 9, 1, 8, 2
TF, IF, DF, IOPL3, NT, RF, VM, AC = 0x100, 0x200, 0x400, 0x3000, 0x4000, 0x10000, 0x20000, 0x40000
# second dwords of descriptors (SDM vol. 3, figure 3-8), ready for load_segment
P, S, CODE, RW, ACCESSED, BIG, GRANULAR = 0x8000, 0x1000, 0x800, 0x200, 0x100, 1 << 22, 1 << 23
DOWN = 0x400
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")


class Instructions:
    """Guest code: uniform bytes, or instructions of the opcode tables, the privileged ones too."""

    POOL = 1 << 17

    def __init__(self):
        from tests.core.oracle import instructions
        pick = random.Random("instructions")
        forms = [instructions.Form(row) for row in instructions.gen_decode.load_rows()]
        self.pools = {}
        for code32 in (False, True):
            out = bytearray()
            while len(out) < self.POOL:
                out += instructions.encode(pick.choice(forms), pick, code32 if pick.random() < 0.95 else not code32).code
            self.pools[code32] = bytes(out)

    def bytes(self, pick, size, code32):
        if pick.random() < 0.3:
            return pick.randbytes(size)
        first = pick.randrange(self.POOL - size)
        return self.pools[code32][first:first + size]


class Guest:
    prepare_only = False            # the scenes then give the guest, ready to run
    tier = "default"                # as of CPU

    def __init__(self, pick, code, mode="flat", mmio=False, ram=RAM):
        import qemu_py
        self.pick = pick
        self.accesses = 0
        deliver = pick.random() < 0.8 or self.prepare_only
        model = pick.choice(["486", "pentium", "pentium2", "pentium3", "qemu32"])
        if self.prepare_only:
            model += ",-tsc"            # it counts whole translation blocks
        self.cpu = qemu_py.CPU(model, ram=ram, mode=mode,
                               on_access=self.access if mmio or pick.random() < 0.4 else None, on_port=self.port, deliver=deliver, tier=self.tier)
        self.code = code
        self.ram = ram
        pages = [pick.randrange(ram >> 12) << 12 for _ in range(6)]
        for page in pages:
            self.cpu.write(page, code.bytes(pick, 4096, True))
        self.pages = pages
        for name in ("eax", "ecx", "edx", "ebx", "ebp", "esi", "edi", "esp"):
            self.cpu.set(name, self.value())
        self.cpu.fxrstor(self.image())

    def value(self):
        return self.pick.choice([0, 1, self.pick.randrange(64), 0xFFFFFFFF, 0x80000000, self.ram - self.pick.randrange(8),
                                 self.pick.randrange(self.ram), self.pick.randrange(self.ram), self.pick.getrandbits(32)])

    def image(self):
        image = bytearray(self.pick.randbytes(512))
        image[24:28] = (self.pick.getrandbits(16) & 0xFFBF).to_bytes(4, "little")
        return image

    def access(self, address, size, write, value):
        self.accesses += 1
        if self.accesses > MMIO_ACCESSES:
            self.cpu.kick()
        return self.answer(address, size)

    def port(self, port, size, write, value):
        self.accesses += 1
        if self.accesses > MMIO_ACCESSES:
            self.cpu.kick()
        return self.answer(port, size)

    def answer(self, address, size):
        """What a device reads as; the same at every pace, however often code is fetched from it."""
        if self.prepare_only:
            return sum(((address + n) * 0x9E3779B1 >> 13 & 0xFF) << 8 * n for n in range(size))
        return self.pick.getrandbits(8 * size)

    def put(self, address, value, size=4):
        if address + size <= self.ram:
            self.cpu.write(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def flags(self):
        value = self.pick.getrandbits(32) & 0x8D5 | 2
        for bit, chance in ((TF, 0.1), (IF, 0.5), (DF, 0.2), (NT, 0.1), (AC, 0.2), (RF, 0.1), (IOPL3, 0.3)):
            if self.pick.random() < chance:
                value |= bit
        return value

    # ---- pieces of machine state
    def tables(self):
        """A GDT of descriptors of every type, an IDT of gates of every kind, a TSS; all plausible."""
        pick, cpu = self.pick, self.cpu
        gdt, idt, tss, ldt = 0x1000, 0x2000, 0x3000, 0x4000
        for n in range(64):
            kind = pick.choice([pick.randrange(16), 9, 11, 12, 4, 5]) if n % 3 == 2 else pick.choice([0x12, 0x13, 0x1A, 0x1B, 0x1E, 0x16])
            base = pick.choice([0, 0, tss, ldt, pick.randrange(self.ram)])
            limit = pick.choice([0xFFFFF, 0x67, 0xFF, pick.getrandbits(20)])
            flags = pick.choice([0xC, 0x4, 0, 8])
            dpl = pick.randrange(4)
            present = pick.random() < 0.9
            if kind in (4, 5, 6, 7, 12, 14, 15):        # a gate
                low = pick.randrange(self.ram) & 0xFFFF | (pick.randrange(64) * 8 | pick.randrange(4)) << 16
                high = pick.randrange(4) | kind << 8 | dpl << 13 | present << 15 | pick.randrange(16) << 16
            else:
                low = limit & 0xFFFF | (base & 0xFFFF) << 16
                high = base >> 16 & 0xFF | kind << 8 | dpl << 13 | present << 15 | (limit >> 16) << 16 | flags << 20 | base >> 24 << 24
            self.put(pick.choice([gdt, gdt, ldt]) + n * 8, low)
            self.put(gdt + n * 8 + 4, high)
        for n in range(48):
            offset = pick.choice(self.pages) + pick.randrange(4096)
            kind = pick.choice([0xE, 0xE, 0xF, 6, 7, 5, pick.randrange(32)])
            self.put(idt + n * 8, offset & 0xFFFF | (pick.randrange(64) * 8) << 16)
            self.put(idt + n * 8 + 4, offset & 0xFFFF0000 | (kind | pick.randrange(4) << 5 | (pick.random() < 0.9) << 7) << 8)
        cpu.gdt_base, cpu.gdt_limit = gdt, pick.choice([0x1FF, 0x7F, 0xFFFF, 0])
        cpu.idt_base, cpu.idt_limit = idt, pick.choice([0x7FF, 0x17F, 0x3F, 0])
        kind = pick.choice([0xB, 3])
        cpu.load_segment("tr", 0x40, tss, pick.choice([0x67, 0x2067, 0x2B, 0x10]), P | kind << 8)
        cpu.load_segment("ldtr", 0x48, ldt, pick.choice([0xFF, 0]), P | 0x200)
        for n in range(3):
            self.put(tss + 4 + 8 * n, pick.choice(self.pages) + 0xFF0)
            self.put(tss + 8 + 8 * n, pick.randrange(64) * 8)

    def segments(self, cpl, code32, odd=True):
        pick, cpu = self.pick, self.cpu
        for name in SEGMENTS:
            base, limit, flags = 0, 0xFFFFFFFF, P | S | RW | ACCESSED | cpl << 13 | GRANULAR
            if odd and pick.random() < 0.3 and name not in ("cs", "ss"):
                base = pick.choice([0, 16, pick.randrange(self.ram), pick.getrandbits(32)])
                limit = pick.choice([0, 0xFFFF, pick.getrandbits(20), 0xFFFFFFFF])
                flags = pick.choice([flags, 0, flags | DOWN, flags & ~RW])
            if name == "cs":
                flags |= CODE | (BIG if code32 else 0)
            elif pick.random() < 0.7:
                flags |= BIG
            cpu.load_segment(name, pick.randrange(64) * 8 | cpl, base, limit, flags)
        cpu.set("cpl", cpl)

    def paging(self, pae=False):
        """Tables that map RAM 1:1, with holes, read-only, supervisor, large and self-mapping entries."""
        pick, cpu = self.pick, self.cpu
        directory, table = 0x8000, 0x9000

        def entry(page):
            bits = pick.choice([7, 7, 7, 7, 5, 3, 1, 0, 0x67, 0x107])
            return page | bits
        if pae:
            for n in range(4):
                self.put(0x7000 + 8 * n, pick.choice([directory, directory, 0x7000]) | pick.choice([1, 1, 1, 0, 0x1E7]), 8)
            for n in range(512):
                large = pick.random() < 0.2
                self.put(directory + 8 * n, entry((n << 21) & 0xFFFFF if large else pick.choice([table, directory])) | large << 7, 8)
                self.put(table + 8 * n, entry((n << 12) & (self.ram - 1)) | pick.choice([0, 0, 0, 1 << 63, pick.getrandbits(4) << 32]), 8)
            for n in range(4):
                self.put(directory + 8 * n, table | 7, 8)
            cpu.cr4 = PAE | pick.choice([0, PGE, PSE])
            cpu.cr3 = 0x7000
        else:
            for n in range(1024):
                large = pick.random() < 0.1
                target = pick.choice([table, table, directory, pick.randrange(self.ram) & ~0xFFF])
                self.put(directory + 4 * n, entry(0 if large else target) | large << 7)
                self.put(table + 4 * n, entry((n << 12) & (self.ram - 1)))
            self.put(directory, pick.choice([table, directory]) | 7)
            self.put(directory + 4092, directory | 7)               # maps itself
            cpu.cr4 = pick.choice([0, PSE, PSE | PGE])
            cpu.cr3 = directory
        cpu.cr0 = cpu.get("cr0") | PG | PE | pick.choice([0, WP])

    def go(self, eip=None, code32=True):
        pick, cpu = self.pick, self.cpu
        if eip is None:
            eip = pick.choice(self.pages) + pick.randrange(4096)
        page = eip & ~0xFFF
        if pick.random() < 0.9 and page < self.ram:
            self.cpu.write(page, self.code.bytes(pick, 4096, code32))
        cpu.eip = eip
        if self.prepare_only:
            return self
        left = STEPS
        while left > 0:
            steps = pick.choice([1, 7, 100, left])
            result = cpu.run(steps=min(steps, left))
            check(cpu, result, steps)
            left -= max(1, result.steps)
            if result.reason in ("triple fault", "stopped"):
                return result
            if result.reason == "hlt":
                cpu.interrupt(pick.choice([0x200, 0x200, 0x40]))     # NMI, SMI
                left -= 50
            if result.reason in ("exception", "unmapped"):
                cpu.eip = pick.choice(self.pages) + pick.randrange(4096)
                cpu.set(pick.choice(["esp", "ebp", "esi", "edi", "eax", "ecx", "edx", "ebx"]), self.value())
                left -= 20
            if pick.random() < 0.02:
                cpu.interrupt(pick.choice([0x200, 0x40]))
        return result


def state(cpu):
    """All that a guest can see of its CPU, and its memory, by name."""
    seen = {name: cpu.get(name) for name in (
        "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cr0", "cr2", "cr3", "cr4",
        "dr0", "dr1", "dr2", "dr3", "dr6", "dr7", "gdt_base", "gdt_limit", "idt_base", "idt_limit", "cpl")}
    seen.update({name: cpu.segment(name) for name in SEGMENTS + ("ldtr", "tr")})
    seen["fx"] = cpu.fxsave()
    memory = bytearray(cpu.read(0, len(cpu.ram)))
    for at in range(0x7000, 0xA000, 4):         # paging(): A may be set early, for code that is only translated
        memory[at] &= ~0x20
    seen["memory"] = bytes(memory)
    return seen


# (steps of a run, tier): in one go and in small steps, interpreted and as host code from the first or the third run on. Engines
# are compared at one pace: which pages the TLB has shows in a guest that changes its page tables under it.
PACES = (((1 << 30, "default"), (1, "default"), (7, "default")),)
ENGINES = ((1 << 30, None), (1 << 30, 0), (1 << 30, 2)), ((7, None), (7, 0))


def compare_ways(scene, seed, code, ways):
    """The same guest, run in each of these ways, must end in the same state."""
    Guest.prepare_only = True
    ends = []
    try:
        for pace, Guest.tier in ways:
            guest = SCENES[scene](random.Random(f"{scene}/{seed}"), code)
            cpu, left, result = guest.cpu, PACED_STEPS, None
            while left > 0:
                result = cpu.run(steps=min(pace, left))
                left -= result.steps
                if result.reason != "steps":
                    break
            if guest.accesses > MMIO_ACCESSES:      # kicked: where that stops it depends on the way
                return result
            ends.append((pace, Guest.tier, PACED_STEPS - left, result.reason, state(cpu)))
    finally:
        Guest.prepare_only, Guest.tier = False, "default"
    first = ends[0]
    for pace, tier, done, reason, seen in ends[1:]:
        different = [name for name in seen if seen[name] != first[4][name]]
        assert (done, reason, different) == (first[2], first[3], []), (
            f"tier {tier}, in steps of {pace}: {done} steps, {reason}; tier {first[1]} in one go: {first[2]}, {first[3]}; " +
            "; ".join(f"{name}: {seen[name]} not {first[4][name]}" for name in different if name not in ("memory", "fx")) +
            f"; all that differ: {different}")
    return result


def check(cpu, result, steps):
    """What holds after any run."""
    assert result.reason in REASONS, result
    assert 0 <= result.steps <= steps, (result, steps)
    if result.reason == "exception":
        assert 0 <= result.vector < 256, result
    for name in ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"):
        assert 0 <= cpu.get(name) <= 0xFFFFFFFF, name
    assert cpu.get("eflags") & 2 and not cpu.get("eflags") & 0x8028, hex(cpu.get("eflags"))
    assert len(cpu.fxsave()) == 512


# ---- scenes: each makes a guest of one kind and runs it
def real(pick, code):
    g = Guest(pick, code, mode="reset")
    for n in range(256):
        g.put(n * 4, pick.randrange(pick.choice([0x10000, 0x1000])) | pick.randrange(0x10000) << 16)
    for name in SEGMENTS:
        selector = pick.choice([0, pick.randrange(0x10000), 0xFFFF])
        g.cpu.load_segment(name, selector, selector << 4, 0xFFFF, P | S | RW | ACCESSED | (CODE if name == "cs" else 0))
    g.cpu.eflags = g.flags()
    g.cpu.idt_base, g.cpu.idt_limit = 0, pick.choice([0x3FF, 0xFFFF, 0x20])
    base = g.cpu.segment("cs")[1]
    g.cpu.write(base & 0xFF000, code.bytes(pick, 4096, False))
    return g.go(pick.randrange(0x10000), False)


def protected(pick, code, cpl, code32):
    g = Guest(pick, code)
    g.tables()
    g.segments(cpl, code32)
    g.cpu.cr4 = pick.choice([0, OSFXSR, DE, PVI | OSFXSR])
    g.cpu.cr0 = PE | pick.choice([0x10, AM | 0x30, 0x3A, 0x14])
    g.cpu.eflags = g.flags()
    for n in range(4):
        g.cpu.set(f"dr{n}", pick.choice(g.pages) + pick.randrange(4096))
    if pick.random() < 0.3:
        g.cpu.dr7 = pick.getrandbits(32) & ~0x2000
    return g.go(code32=code32)


def protected32(pick, code):
    return protected(pick, code, 0, True)


def protected16(pick, code):
    return protected(pick, code, pick.choice([0, 3]), False)


def ring3(pick, code):
    return protected(pick, code, 3, True)


def vm86(pick, code):
    g = Guest(pick, code)
    g.tables()
    g.segments(0, True, odd=False)
    g.cpu.cr4 = pick.choice([0, VME, VME | OSFXSR])
    g.cpu.eflags = g.flags() | VM
    for name in SEGMENTS:
        selector = pick.choice([0, pick.randrange(0x10000)])
        g.cpu.load_segment(name, selector, selector << 4, 0xFFFF, P | S | RW | ACCESSED | 3 << 13)
    g.cpu.set("cpl", 3)
    if pick.random() < 0.4:
        g.paging()
    return g.go(pick.randrange(0x10000), False)


def paged(pick, code):
    g = Guest(pick, code)
    g.tables()
    g.segments(pick.choice([0, 0, 3]), True, odd=pick.random() < 0.3)
    g.cpu.eflags = g.flags()
    g.paging(pae=pick.random() < 0.4)
    return g.go()


def tables_in_mmio(pick, code):
    g = Guest(pick, code, mmio=True)
    g.tables()
    g.segments(pick.choice([0, 3]), True)
    g.cpu.eflags = g.flags()
    if pick.random() < 0.5:
        g.cpu.idt_base = RAM + pick.randrange(0x10000)
    if pick.random() < 0.4:
        g.cpu.gdt_base = RAM - 8 + pick.randrange(0x1000)
    if pick.random() < 0.3:
        g.cpu.load_segment("tr", 0x40, RAM - pick.randrange(0x80), 0x67, P | 0xB00)
    if pick.random() < 0.3:
        g.cpu.cr3 = RAM + 0x1000
        g.cpu.cr0 = PE | PG
    return g.go()


def edge_of_ram(pick, code):
    """Code that runs over the end of RAM, into MMIO or nothing."""
    g = Guest(pick, code, mmio=pick.random() < 0.5)
    g.tables()
    g.segments(0, True, odd=False)
    g.cpu.write(RAM - 4096, code.bytes(pick, 4096, True))
    if pick.random() < 0.3:
        g.cpu.write(RAM - 64, b"\x90" * 64)
    return g.go(RAM - pick.randrange(64))


def rom(pick, code):
    """Code and stack in ROM, tables too."""
    g = Guest(pick, code)
    g.tables()
    g.segments(0, True)
    g.cpu.eflags = g.flags()
    first = pick.choice([0, 0x8000, 0x80000])
    g.cpu.physmap.map_ram(first, 0x40000, first, readonly=True)
    g.cpu.tlb_flush()
    return g.go(first + pick.randrange(0x40000))


def unassigned(pick, code):
    g = Guest(pick, code)
    g.tables()
    g.segments(0, True)
    return g.go(pick.choice([RAM + pick.randrange(1 << 20), 0xFFFFFFF0, 0x80000000, 0xFFFFFFFF]))


def self_modifying(pick, code):
    """Strings and stacks that run over the code."""
    g = Guest(pick, code)
    g.tables()
    g.segments(0, True, odd=False)
    page = g.pages[0]
    g.cpu.write(page, code.bytes(pick, 4096, True))
    for name in ("esp", "edi", "esi", "ebp", "ebx"):
        g.cpu.set(name, page + pick.randrange(4096))
    g.cpu.ecx = pick.randrange(256)
    return g.go(page + pick.randrange(4096))


SCENES = {f.__name__: f for f in (real, protected32, protected16, ring3, vm86, paged, tables_in_mmio, edge_of_ram, rom, unassigned,
                                  self_modifying)}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.core.fuzz_guest", description=__doc__.splitlines()[0])
    parser.add_argument("--scene", choices=sorted(SCENES), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--paces", action="store_true", help="compare runs in one go with runs in small steps")
    parser.add_argument("--engines", action="store_true", help="compare the interpreter with host code")
    parser.add_argument("--limit", type=float, default=120, help="seconds after which one run counts as hanging")
    args = parser.parse_args()
    faulthandler.enable()
    code = Instructions()
    reasons = {}
    for seed in range(args.seed, args.seed + args.count):
        print(f"run --scene {args.scene} --seed {seed} --count 1{' --paces' if args.paces else ''}"
              f"{' --engines' if args.engines else ''}", flush=True)
        faulthandler.dump_traceback_later(args.limit, exit=True)
        if args.paces or args.engines:
            for ways in ENGINES if args.engines else PACES:
                result = compare_ways(args.scene, seed, code, ways)
        else:
            result = SCENES[args.scene](random.Random(f"{args.scene}/{seed}"), code)
        faulthandler.cancel_dump_traceback_later()
        reasons[result.reason] = reasons.get(result.reason, 0) + 1
    print("done", reasons)
    return 0


if __name__ == "__main__":
    sys.exit(main())
