"""A bare CPU in protected mode with tables around it: the stage of the tests of protection.

The addresses and selectors are this file's; the layouts are the SDM's (vol. 3: descriptors 3.4.5, gates
6.11 and 5.8.3, TSS 7.2). Every vector's handler is a HLT of its own, so a run ends in the handler that
was reached, with the frame still on the stack.
"""
import struct

from tests.guest import asm

GDT, IDT, LDT, TSS, TSS2 = 0x1000, 0x2000, 0x2800, 0x3000, 0x3800
HANDLERS = 0x6000               # 16 bytes for each vector
STACK0, STACK3, STACK1 = 0x9000, 0xA000, 0xB000
CODE, DATA = 0x10000, 0x20000

CODE0, DATA0, CODE3, DATA3 = 0x08, 0x10, 0x18 | 3, 0x20 | 3
TSS_SEL, LDT_SEL, TSS2_SEL = 0x28, 0x30, 0x38
FREE = 0x40                     # the first selector that a test may define

# access bytes: P, DPL, S, type
A_CODE, A_DATA = 0x9A, 0x92
DPL1, DPL2, DPL3 = 0x20, 0x40, 0x60
G_B = 0xC                       # granularity 4 KiB, 32-bit
A_TSS, A_TSS_BUSY, A_TSS16, A_LDT = 0x89, 0x8B, 0x81, 0x82
A_CALL32, A_CALL16, A_TASK, A_INT32, A_TRAP32, A_INT16 = 0x8C, 0x84, 0x85, 0x8E, 0x8F, 0x86
NOT_PRESENT = 0x80              # to be taken away from an access byte

CF, ZF, TF, IF, DF, NT, RF, VM, AC, VIF, VIP = (1 << n for n in (0, 6, 8, 9, 10, 14, 16, 17, 18, 19, 20))
IOPL3 = 3 << 12
DB, GP, TS, NP, SS, PF = 1, 13, 10, 11, 12, 14
WITH_ERROR = {8, 10, 11, 12, 13, 14, 17}


def descriptor(base, limit, access, flags=G_B):
    return struct.pack("<HHBBBB", limit & 0xFFFF, base & 0xFFFF, base >> 16 & 0xFF, access,
                       (limit >> 16 & 0xF) | flags << 4, base >> 24)


def gate(selector, offset, access, count=0):
    return struct.pack("<HHBBH", offset & 0xFFFF, selector, count, access, offset >> 16)


def flat(access):
    return descriptor(0, 0xFFFFF, access)


class Stopped:
    """Why an uncounted CPU stopped, in the words of CPU.run's result."""

    def __init__(self, number):
        from qemu_py._core import cpu_face
        self.reason = {cpu_face.EXIT_HLT: "hlt", cpu_face.EXIT_TRIPLE: "triple fault"}.get(number, number)


class UncountedCPU:
    """A CPU as a machine runs it: blocks are not cut for the sake of counting instructions."""

    def __init__(self, model, ram, on_port=None):
        import mmap

        from qemu_py._core.cpu_face import VCPU
        from qemu_py._core.dispatch import PhysMap
        physmap, memory = PhysMap(), mmap.mmap(-1, ram)
        physmap.add_ram(0, memory)
        physmap.map_ram(0, ram, 0)
        if on_port is not None:
            physmap.map_ports(0, 65536, physmap.add_slot(lambda port, n: on_port(port, n, False, 0) or 0,
                                                         lambda port, value, n: on_port(port, n, True, value)))
        self.__dict__.update(vcpu=VCPU(model, physmap), memory=memory)
        self.cr0 |= 1

    def read(self, address, size):
        return self.memory[address:address + size]

    def write(self, address, data):
        self.memory[address:address + len(data)] = bytes(data)
        self.vcpu.tb_flush()

    def run(self, steps=None):
        self.vcpu.halted = False
        return Stopped(self.vcpu.exec())

    def __getattr__(self, name):
        return getattr(self.vcpu, name)

    def __setattr__(self, name, value):
        setattr(self.vcpu, name, value)


class Stage:
    """A CPU, a GDT, an IDT, a TSS. `counted=False`: code runs as in a machine, `steps` mean nothing."""

    def __init__(self, model="qemu32", ram=1 << 20, on_port=None, counted=True, **options):
        from qemu_py import CPU
        self.cpu = cpu = (CPU(model, ram=ram, deliver=True, on_port=on_port, **options) if counted
                          else UncountedCPU(model, ram, on_port))
        self.set_gdt(0, bytes(8))
        self.set_gdt(CODE0, flat(A_CODE))
        self.set_gdt(DATA0, flat(A_DATA))
        self.set_gdt(CODE3, flat(A_CODE | DPL3))
        self.set_gdt(DATA3, flat(A_DATA | DPL3))
        self.set_gdt(TSS_SEL, descriptor(TSS, 0x1FF, A_TSS_BUSY, 0))
        self.set_gdt(LDT_SEL, descriptor(LDT, 0xFF, A_LDT, 0))
        self.set_gdt(TSS2_SEL, descriptor(TSS2, 0x67, A_TSS, 0))
        for vector in range(256):
            self.set_idt(vector, gate(CODE0, HANDLERS + 16 * vector, A_INT32))
            cpu.write(HANDLERS + 16 * vector, b"\xF4")
        cpu.gdt_base, cpu.gdt_limit = GDT, 0x7FF
        cpu.idt_base, cpu.idt_limit = IDT, 0x7FF
        self.put32(TSS + 4, STACK0)
        self.put32(TSS + 8, DATA0)
        self.put16(TSS + 102, 0x68)             # the I/O bitmap: all ports allowed until a test says otherwise
        cpu.load_segment("tr", TSS_SEL, TSS, 0x1FF, A_TSS_BUSY << 8)
        cpu.load_segment("ldtr", 0, 0, 0, 0)

    # ---- memory
    def put8(self, address, value):
        self.cpu.write(address, bytes([value]))

    def put16(self, address, value):
        self.cpu.write(address, struct.pack("<H", value))

    def put32(self, address, value):
        self.cpu.write(address, struct.pack("<I", value & 0xFFFFFFFF))

    def get16(self, address):
        return struct.unpack("<H", self.cpu.read(address, 2))[0]

    def get32(self, address):
        return struct.unpack("<I", self.cpu.read(address, 4))[0]

    def set_gdt(self, selector, data):
        self.cpu.write(GDT + (selector & ~7), data)

    def get_gdt(self, selector):
        return self.cpu.read(GDT + (selector & ~7), 8)

    def set_ldt(self, selector, data):
        self.cpu.write(LDT + (selector & ~7), data)

    def set_idt(self, vector, data):
        self.cpu.write(IDT + 8 * vector, data)

    def load_ldt(self):
        self.cpu.load_segment("ldtr", LDT_SEL, LDT, 0xFF, A_LDT << 8)

    # ---- running
    def level(self, cpl):
        """Segments and stack of privilege level 0 or 3."""
        cpu = self.cpu
        code, data = (CODE3, DATA3) if cpl == 3 else (CODE0, DATA0)
        dpl = DPL3 << 8 if cpl == 3 else 0
        cpu.cpl = cpl
        cpu.load_segment("cs", code, 0, 0xFFFFFFFF, 0xC09B00 | dpl)
        for name in ("ss", "ds", "es", "fs", "gs"):
            cpu.load_segment(name, data, 0, 0xFFFFFFFF, 0xC09300 | dpl)
        cpu.esp = STACK3 if cpl == 3 else STACK0

    def run(self, code, cpl=0, eflags=2, at=CODE, steps=1000, bits=32, start=True):
        """Run code until a HLT at CPL 0 (a handler's, as a rule); gives the RunResult."""
        data = asm(code, at, bits) if isinstance(code, str) else code
        self.cpu.write(at, data)
        if start:
            self.level(cpl)
            self.cpu.eflags = eflags
            self.cpu.eip = at
        self.result = self.cpu.run(steps=steps)
        return self.result

    def vector(self):
        """The vector whose handler's HLT ended the run; None: another HLT did."""
        offset = self.cpu.eip - 1 - HANDLERS
        if self.result.reason == "hlt" and 0 <= offset < 16 * 256 and offset % 16 == 0:
            return offset // 16
        return None

    def stack(self, n):
        """n dwords at SS:ESP."""
        base = self.cpu.segment("ss")[1] + self.cpu.esp
        return list(struct.unpack(f"<{n}I", self.cpu.read(base, 4 * n)))

    def fault(self, code, cpl=0, **options):
        """Run code that ends in an exception: (vector, error code or None, offset of its EIP from
        the code's beginning)."""
        self.run(code, cpl, **options)
        vector = self.vector()
        assert vector is not None, f"no exception: {self.result} at {self.cpu.eip:#x}"
        if vector in WITH_ERROR:
            error, eip = self.stack(2)
        else:
            error, (eip,) = None, self.stack(1)
        return vector, error, eip - options.get("at", CODE)

    def ok(self, code, cpl=0, **options):
        """Run code that reaches its own end: HLT in ring 0, INT 80h in ring 3."""
        self.set_idt(0x80, gate(CODE0, HANDLERS + 16 * 0x80, A_INT32 | DPL3))
        self.run(code, cpl, **options)
        assert self.vector() in (None, 0x80) and self.result.reason == "hlt", (
            f"vector {self.vector()}, {self.result}, eip {self.cpu.eip:#x}, stack {[hex(v) for v in self.stack(4)]}")
        return self.cpu


def far_jmp(selector, offset):
    return b"\xEA" + struct.pack("<IH", offset, selector)


def far_call(selector, offset):
    return b"\x9A" + struct.pack("<IH", offset, selector)


def sequence(*pieces, at=CODE, bits=32):
    """Machine code of pieces of assembly and bytes, one behind the other."""
    code = b""
    for piece in pieces:
        code += asm(piece, at + len(code), bits) if isinstance(piece, str) else piece
    return code
