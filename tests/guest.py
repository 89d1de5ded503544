"""What tests of the CPU are written with: an assembler and a CPU with code in it."""
import functools

import pytest


@functools.lru_cache(maxsize=None)
def asm(text, address=0, bits=32):
    """Machine code of Intel-syntax assembly (keystone)."""
    keystone = pytest.importorskip("keystone", reason="keystone-engine assembles the test's code")
    mode = keystone.KS_MODE_32 if bits == 32 else keystone.KS_MODE_16
    code, _ = keystone.Ks(keystone.KS_ARCH_X86, mode).asm(text, address)
    return bytes(code)


def cpu_with(*pieces, ram=1 << 20, **options):
    """A bare CPU with code at addresses: cpu_with((0x1000, "inc eax"), (0x2000, b"\\x90")).

    EIP is the first piece's address, ESP 80000h."""
    from qemu_py import CPU
    cpu = CPU("qemu32", ram=ram, **options)
    for address, code in pieces:
        cpu.write(address, asm(code, address) if isinstance(code, str) else code)
    cpu.eip = pieces[0][0] if pieces else 0
    cpu.esp = 0x80000
    return cpu
