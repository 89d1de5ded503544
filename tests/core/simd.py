"""A bare CPU for the SSE and MMX tests: run a few bytes of code on given registers."""
import struct

import qemu_py

CR0_EM, CR0_TS, CR0_NE = 1 << 2, 1 << 3, 1 << 5
CR4_OSFXSR, CR4_OSXMMEXCPT = 1 << 9, 1 << 10
CODE, DATA = 0x1000, 0x2000
MXCSR_RESET = 0x1F80            # SDM vol. 1, 10.2.3
FX_FSW, FX_FTW, FX_MXCSR, FX_ST, FX_XMM = 2, 4, 24, 32, 160     # SDM vol. 1, table 10-2
MODEL = "qemu32,+ssse3"


def sse_cpu(mxcsr=MXCSR_RESET, cr0=CR0_NE, cr4=CR4_OSFXSR | CR4_OSXMMEXCPT):
    """A CPU in flat protected mode that an operating system has made ready for SSE."""
    cpu = qemu_py.CPU(MODEL)
    cpu.cr0 = cpu.cr0 & ~(CR0_EM | CR0_TS | CR0_NE) | cr0
    cpu.cr4 = cr4
    cpu.mxcsr = mxcsr
    return cpu


def run(cpu, code, steps=1):
    """Execute `steps` instructions of `code` (hexadecimal text); the RunResult."""
    cpu.write(CODE, bytes.fromhex(code))
    cpu.eip = CODE
    return cpu.run(steps=steps)


def x(pattern, *values):
    """Values of a struct format (little-endian, 16 bytes) as an XMM register's integer."""
    return int.from_bytes(struct.pack("<" + pattern, *values), "little")


def unx(pattern, value):
    return struct.unpack("<" + pattern, value.to_bytes(16, "little"))


def mm(cpu, n):
    """MMn, read as the significand of physical register n of an FXSAVE image with TOP 0."""
    image = cpu.fxsave()
    return int.from_bytes(image[FX_ST + 16 * n:FX_ST + 16 * n + 8], "little")


def set_mm(cpu, values):
    """MM0 upwards, in the state that MMX instructions leave behind."""
    image = bytearray(cpu.fxsave())
    image[FX_FSW:FX_FSW + 2] = b"\0\0"
    image[FX_FTW] = 0xFF
    for n, value in enumerate(values):
        image[FX_ST + 16 * n:FX_ST + 16 * n + 10] = value.to_bytes(8, "little") + b"\xFF\xFF"
    cpu.fxrstor(bytes(image))
