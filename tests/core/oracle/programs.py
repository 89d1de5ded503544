"""Random programs for comparing engines: blocks that branch, loop, call, fault and patch each other.

A program has a world: 16- or 32-bit code, flat or based segments with limits, ring 0 or 3, paging off, or on with pages
that are out of order, missing, read-only or shared. Its operands lie around page boundaries. Nothing here knows what an
instruction does: any engine runs it (engines.py), and all must agree.

A program is a function of its seed alone.
"""
import random
import struct

from tests.core.oracle.blocks import STRINGS
from tests.core.oracle.generate import PRIVILEGED
from tests.core.oracle.instructions import BRANCHES, encode, forms

RAM = 0x40000
DIRECTORY, TABLE, TABLE2, IDT, HANDLER, GDT, JUMPS = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000
CODE, CODE_PAGES = 0x10000, 4
DATA, DATA_PAGES = 0x20000, 4
STACK = 0x30000
TABLES_AT = 0xC0000000          # where a program with paging finds its page tables
CS, SS, DS = 0x08, 0x10, 0x18
P, RW, US = 1, 2, 4
# Second dwords of descriptors (SDM vol. 3, figure 3-8) without limit and DPL
CODE_SEGMENT, DATA_SEGMENT, BIG, GRANULAR = 0x9B00, 0x9300, 1 << 22, 1 << 23
NOT_USED = PRIVILEGED - {"nop"} | BRANCHES | STRINGS | {"int1", "into", "int3"}
POOL = 6000

_pools = {}


def pool(mode):
    """Instructions whose operands are [ebp+d8] or [esi+d8], and a few with any address."""
    if mode not in _pools:
        pick = random.Random(f"programs/{mode}")
        usable = [f for f in forms() if f.mnemonic not in NOT_USED]
        by_family = {name: [f for f in usable if f.family == name] for name in ("int", "fpu", "sse")}
        made = {name: [] for name in by_family}
        for name, among in by_family.items():
            while len(made[name]) < (POOL if name == "int" else POOL // 4):
                i = encode(pick.choice(among), pick, mode == 32, in_block=pick.random() < 0.95)
                if not i.lock or i.form.lockable:
                    made[name].append(i.code)
        _pools[mode] = made
    return _pools[mode]


class Program:
    def __init__(self, seed):
        self.seed = seed
        pick = self.pick = random.Random(f"program/{seed}")
        self.mode = 32 if pick.random() < 0.75 else 16
        self.paging = pick.random() < 0.5
        self.deliver = pick.random() < 0.4
        self.cpl = 0 if self.deliver or pick.random() < 0.6 else 3
        self.based = self.mode == 16 or pick.random() < 0.3
        self.stack16 = self.based and pick.random() < (0.7 if self.mode == 16 else 0.2)
        self.cs_base = CODE - pick.choice((0, 0x100, 0x1000)) if self.based else 0
        self.ds_base = DATA - pick.choice((0, 4, 0x1000)) if self.based else 0
        self.ss_base = STACK - 0x1000 if self.based else 0
        self.floats = pick.random() < 0.3
        self.chunks = self._chunks()
        self.blocks = pick.randrange(3, 12)
        self.memory = bytearray(RAM)
        self.map = {page: page for page in range(0, RAM, 0x1000)}
        self.flags = {page: P | RW | US for page in self.map}
        self._registers()
        if self.paging:
            self._choose_pages()
        self._write(DATA, pick.randbytes(DATA_PAGES * 0x1000))
        self._write(STACK - 0x1000, pick.randbytes(0x2000))
        self._code()
        self._tables()
        self._debugging()

    def _debugging(self):
        """The guest's own breakpoints (DR0-DR7), or a debugger's."""
        pick = self.pick
        kind = pick.random()
        self.dr7, self.dr, self.breakpoints, self.watchpoints = 0, [0] * 4, [], []
        code = lambda: self.cs_base + pick.choice(self.labels)
        data = lambda: self.ds_base + self._data() if pick.random() < 0.6 else STACK + pick.randrange(-32, 8)
        if kind < 0.1:
            for n in range(4):
                what = pick.choice((0, 1, 3))                   # SDM vol. 3, figure 17-1: R/W and LEN
                length = 0 if what == 0 else pick.choice((0, 1, 3))
                self.dr[n] = (data() if what else code()) & ~length
                self.dr7 |= 2 << 2 * n | (what | length << 2) << 16 + 4 * n
        elif kind < 0.2:
            self.breakpoints = list({code() for _ in range(2)})
            self.watchpoints = [(data() & ~3, 4, pick.random() < 0.5)] if pick.random() < 0.6 else []

    def _chunks(self):
        """Steps of each run: the end of one is where an event may come in."""
        pick = self.pick
        style = pick.random()
        if style < 0.4:
            return [2000]
        if style < 0.8:
            return [pick.choice((1, 2, 7, 40, 300, 800)) for _ in range(8)]
        return [pick.randrange(1, 60) for _ in range(25)]

    def _registers(self):
        pick = self.pick
        value = lambda: pick.choice((0, 1, pick.randrange(64), 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, pick.getrandbits(32)))
        self.registers = {name: value() for name in ("eax", "ecx", "edx", "ebx", "edi")}
        self.top = (STACK + pick.choice((0x800, 0x10, 4, 6))) - self.ss_base
        self.registers.update(esi=self._data(), ebp=self._data("ss"), esp=self.top)
        self.eflags = pick.getrandbits(12) & 0x8D5 | 2 | (0x400 if pick.random() < 0.1 else 0) | (0x200 if pick.random() < 0.5 else 0)
        self.am = self.cpl == 3 and pick.random() < 0.15
        if self.am:
            self.eflags |= 0x40000
        limit = DATA + 0x1000 * DATA_PAGES - self.ds_base - 1
        self.ds_limit = limit if pick.random() < 0.7 else pick.randrange(limit - 0x2000, limit)
        self.cs_limit = 0xFFFF if pick.random() < 0.7 else CODE - self.cs_base + pick.randrange(0x1000, 0x4000)

    def _data(self, segment="ds"):
        """An offset in a segment, mostly close to the end of a page."""
        pick = self.pick
        if segment == "ss" and (self.based or pick.random() < 0.3):
            linear = STACK + pick.choice((0, 0, 0x200)) + pick.randrange(-96, 96)
            return linear - self.ss_base
        linear = DATA + 0x1000 * pick.randrange(DATA_PAGES + 1) + pick.randrange(-130, 130)
        if pick.random() < 0.3:
            linear = DATA + pick.randrange(0x80, 0x1000 * DATA_PAGES - 0x80)
        if pick.random() < 0.5:
            linear &= ~3
        return max(0, linear - (self.ds_base if segment == "ds" else self.ss_base))

    # ---- pages
    def _choose_pages(self):
        pick = self.pick
        pages = [n << 12 for n in range(CODE >> 12, RAM >> 12)]
        order = pages[:]
        if pick.random() < 0.8:
            pick.shuffle(order)
        self.map.update(zip(pages, order))
        for page in range(0, CODE, 0x1000):
            self.flags[page] = P | US           # the program must not change its own tables by chance
        for n in range(DATA_PAGES):
            page = DATA + (n << 12)
            kind = pick.random()
            if kind < 0.15:
                self.flags[page] &= ~P
            elif kind < 0.3:
                self.flags[page] &= ~RW
            elif kind < 0.35:
                self.flags[page] &= ~US
            elif kind < 0.45:                   # two names of one page, perhaps of code
                self.map[page] = self.map[pick.choice((DATA, CODE, CODE + 0x1000))]
        if pick.random() < 0.3:
            self.flags[STACK - 0x1000] &= ~pick.choice((P, RW))
        if pick.random() < 0.1:
            self.flags[CODE + 0x1000 * pick.randrange(1, CODE_PAGES)] &= ~P

    def _write(self, linear, data):
        for n, byte in enumerate(data):
            at = linear + n
            self.memory[self.map[at & ~0xFFF] | at & 0xFFF] = byte

    def _tables(self):
        put = lambda at, value: struct.pack_into("<I", self.memory, at, value)
        put(DIRECTORY, TABLE | P | RW | US)
        put(DIRECTORY + (TABLES_AT >> 20), TABLE2 | P | RW)
        put(TABLE2 + (TABLE >> 10), TABLE | P | RW)
        for page in self.map:
            put(TABLE + (page >> 10), self.map[page] | self.flags[page] | 0x60)
        cs_limit = self.cs_limit if self.based else 0xFFFFF
        for selector, base, limit, kind in ((CS, self.cs_base, cs_limit, CODE_SEGMENT | (BIG if self.mode == 32 else 0)),
                                            (SS, self.ss_base, 0xFFFFF, DATA_SEGMENT | (0 if self.stack16 else BIG)),
                                            (DS, self.ds_base, self.ds_limit if self.based else 0xFFFFF, DATA_SEGMENT | BIG)):
            if limit == 0xFFFFF:
                kind |= GRANULAR
            put(GDT + selector, limit & 0xFFFF | (base & 0xFFFF) << 16)
            put(GDT + selector + 4, base >> 16 & 0xFF | kind | limit & 0xF0000 | base & 0xFF000000)
        put(GDT + 0x20, 0xFFFF)                 # the handlers' own flat code and data
        put(GDT + 0x24, 0xCF9B00)
        put(GDT + 0x28, 0xFFFF)
        put(GDT + 0x2C, 0xCF9300)
        for vector in range(32):
            handler = HANDLER + (0x80 if vector == 2 else 0)
            put(IDT + 8 * vector, handler & 0xFFFF | 0x20 << 16)
            put(IDT + 8 * vector + 4, 0x8E00)
        # An exception: a new stack, and on with the block that AL chooses. An NMI: look, and return.
        fault = (b"\xbc" + struct.pack("<I", self.top) + b"\x0f\xb6\xc0\x83\xe0\x0f" + bytes((0x6A, CS)) +
                 b"\x2e\xff\x34\x85" + struct.pack("<I", JUMPS) + b"\xcb")
        nmi = b"\x50\x8b\x44\x24\x04\x58\xcf"                  # push eax; mov eax, [esp+4]; pop eax; iret
        self.memory[HANDLER:HANDLER + len(fault)] = fault
        self.memory[HANDLER + 0x80:HANDLER + 0x80 + len(nmi)] = nmi

    # ---- code
    def _code(self):
        pick = self.pick
        self.fixups = []                        # (linear, kind, block)
        self.labels, at = [], CODE + pick.randrange(0x40)
        out = []
        for n in range(self.blocks):
            body, fixups = self._block(n)
            room = CODE + 0x1000 * CODE_PAGES - 0x40 - at
            if len(body) + 16 > room:
                body, fixups = self._jump(pick.randrange(max(1, n)))
            self.labels.append(at - self.cs_base)
            out.append((at, body, fixups))
            at += len(body)
            if pick.random() < 0.7 and at < CODE + 0x1000 * (CODE_PAGES - 1):
                # on, or to where a block crosses into the next page
                at += pick.randrange(0x40) if pick.random() < 0.6 else (-at & 0xFFF) - pick.randrange(40) & 0xFFF
        for at, body, fixups in out:
            body = bytearray(body)
            for offset, kind, block in fixups:
                target = self.labels[block]
                if kind == "rel32":
                    struct.pack_into("<i", body, offset, target - (at - self.cs_base + offset + 4))
                elif kind == "rel16":
                    struct.pack_into("<H", body, offset, target - (at - self.cs_base + offset + 2) & 0xFFFF)
                elif kind == "abs32":
                    struct.pack_into("<I", body, offset, target)
                else:                           # somewhere in a block, to be patched by a store
                    linear = self.cs_base + target + kind
                    struct.pack_into("<I", body, offset, max(0, linear - self.ds_base))
            self._write(at, body)
        for n in range(16):
            struct.pack_into("<I", self.memory, JUMPS + 4 * n, self.labels[n % self.blocks])
        self.registers["eip"] = self.labels[0]

    def _wide(self, code):
        """With a 32-bit operand in 16-bit code."""
        return code if self.mode == 32 else b"\x66" + code

    def _move(self, register, value):
        return self._wide(bytes((0xB8 | register,)) + struct.pack("<I", value & 0xFFFFFFFF))

    def _jump(self, block):
        code = self._wide(b"\xe9")
        return code + bytes(4), [(len(code), "rel32", block)]

    def _block(self, n):
        pick = self.pick
        code, fixups = bytearray(), []
        instructions = pool(self.mode)
        if pick.random() < 0.75:
            code += self._move(6, self._data()) + self._move(5, self._data("ss"))
        if pick.random() < 0.3:
            code += self._move(4, self.top)
        looping = pick.random() < 0.35
        if looping:
            code += self._move(1, pick.choice((2, 5, 20, 60)))
        again = len(code)
        if looping:                             # over the end of a page, so that one access meets several
            code += self._stride()
        for _ in range(pick.randrange(1, 9)):
            kind = pick.random()
            family = "int" if not self.floats or kind < 0.6 else pick.choice(("fpu", "sse"))
            one = pick.choice(instructions[family])
            if kind < 0.1:                      # jump over it
                code += bytes((0x70 | pick.randrange(16), len(one)))
            elif kind < 0.13:
                code += self._string()
            elif kind < 0.17:                   # mov, add, xor byte [disp32], imm8: into a block
                one = (b"" if self.mode == 32 else b"\x67") + pick.choice((b"\xc6\x05", b"\x80\x05", b"\x80\x35"))
                fixups.append((len(code) + len(one), pick.randrange(50), pick.randrange(self.blocks)))
                one += bytes(4) + bytes((pick.choice((1, 0x80, pick.randrange(256))),))
            elif kind < 0.19 and self.paging and self.cpl == 0 and not self.based:
                one = self._flip_page()
            elif kind < 0.2:                    # push imm; popf: single steps
                one = self._wide(b"\x68" + struct.pack("<I", pick.getrandbits(12) & 0xCD5 | pick.choice((0x100, 0)))) + self._wide(b"\x9d")
            code += one
        if looping and len(code) + 4 - again < 126:
            loop = (b"" if self.mode == 32 else b"\x67") + bytes((pick.choice((0xE2, 0xE2, 0xE2, 0xE0, 0xE1)),))
            code += loop
            code.append(again - len(code) - 1 & 0xFF)
        end, more = self._end(n)
        fixups += [(len(code) + at, kind, block) for at, kind, block in more]
        return bytes(code + end), fixups

    def _stride(self):
        """add esi, imm; and the same of EBP, EDI or ESP"""
        pick = self.pick
        code = b""
        for register in pick.choice(((6,), (5,), (6, 5), (6, 7), (4,))):
            code += self._wide(bytes((0x83, 0xC0 | register, pick.choice((1, 2, 3, 4, 8, 16, 0xFF, 0xFC, 0xF9)))))
        return code

    def _string(self):
        pick = self.pick
        code = self._move(1, pick.randrange(24)) + self._move(6, self._data()) + self._move(7, self._data())
        return code + bytes((pick.choice((0xFC, 0xFC, 0xFD)), pick.choice((0xF2, 0xF3, 0xF3, 0x90)),
                             pick.choice((0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAE, 0xAF))))

    def _flip_page(self):
        """xor dword [entry], P or RW; invlpg [page]"""
        pick = self.pick
        page = DATA + 0x1000 * pick.randrange(DATA_PAGES)
        entry = TABLES_AT + TABLE + (page >> 10)
        return (b"\x83\x35" + struct.pack("<IB", entry, pick.choice((P, RW))) + b"\x0f\x01\x3d" + struct.pack("<I", page))

    def _end(self, n):
        """How a block goes on: (bytes, fixups)."""
        pick = self.pick
        target, other = pick.randrange(self.blocks), pick.randrange(self.blocks)
        kind = pick.random()
        to_other, other_fixups = self._jump(other)

        def then(code, fixups):
            return code + to_other, fixups + [(len(code) + at, what, block) for at, what, block in other_fixups]
        if kind < 0.4:
            if self.mode == 16 and pick.random() < 0.5:
                return then(bytes((0x0F, 0x80 | pick.randrange(16), 0, 0)), [(2, "rel16", target)])
            code = self._wide(bytes((0x0F, 0x80 | pick.randrange(16))))
            return then(code + bytes(4), [(len(code), "rel32", target)])
        if kind < 0.5:
            return to_other, other_fixups
        if kind < 0.62:                         # call; what it returns to goes on elsewhere
            code = self._wide(b"\xe8")
            return then(code + bytes(4), [(len(code), "rel32", target)])
        if kind < 0.72:
            return self._wide(b"\xc3") if pick.random() < 0.8 else self._wide(b"\xc2\x08\x00"), []
        register = pick.choice((0, 1, 2, 3, 6, 7))
        code = self._wide(bytes((0xB8 | register,)))
        fixups = [(len(code), "abs32", target)]
        code += bytes(4)
        if kind < 0.84:                         # jmp or call register
            return then(code + self._wide(bytes((0xFF, pick.choice((0xE0, 0xD0)) | register))), fixups)
        return then(code + self._wide(bytes((0x50 | register,))) + self._wide(b"\xc3"), fixups)      # push; ret
