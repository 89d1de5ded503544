"""System instructions that user mode on the host cannot show, against Unicorn, ring 0.

Unicorn does not deliver through the IDT, so only what does not fault is compared; what it gets wrong
is left out by name: LSL and LAR of null selectors keep its own undefined result.
"""
import random
import struct

import pytest

from tests.guest import asm

unicorn = pytest.importorskip("unicorn", reason="unicorn, the second opinion, is not installed")
from unicorn import x86_const as x86        # noqa: E402

GDT, CODE, STACK, DATA = 0x1000, 0x4000, 0x8000, 0x9000
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
ARITHMETIC = 0x8D5
ENTRIES = 64
RAM = 1 << 20


def descriptor(base, limit, access, flags):
    return (limit & 0xFFFF | (base & 0xFFFFFF) << 16 | access << 40 | (limit >> 16 & 0xF) << 48 | flags << 52
            | (base >> 24) << 56)


def random_table(rng):
    """Flat code and data, then descriptors of every type, present or not, of every DPL."""
    table = [0, descriptor(0, 0xFFFFF, 0x9B, 0xC), descriptor(0, 0xFFFFF, 0x93, 0xC)]
    while len(table) < ENTRIES:
        table.append(descriptor(rng.getrandbits(32), rng.getrandbits(20), rng.getrandbits(8), rng.getrandbits(4)))
    return table


def run_both(code, table, registers, steps):
    """(registers, arithmetic flags, memory) of the engine and of Unicorn."""
    from qemu_py import CPU
    machine = asm(code, CODE)
    memory = {GDT: struct.pack(f"<{len(table)}Q", *table), CODE: machine}
    cpu = CPU("qemu32", ram=RAM)
    uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
    uc.mem_map(0, RAM)
    for address, data in memory.items():
        cpu.write(address, data)
        uc.mem_write(address, data)
    cpu.gdt_base, cpu.gdt_limit = GDT, len(table) * 8 - 1
    uc.reg_write(x86.UC_X86_REG_GDTR, (0, GDT, len(table) * 8 - 1, 0))
    for name, selector in (("CS", 8), ("DS", 0x10), ("ES", 0x10), ("SS", 0x10)):
        uc.reg_write(getattr(x86, f"UC_X86_REG_{name}"), selector)
    for name in REGISTERS:
        value = registers.get(name, STACK if name == "esp" else 0)
        setattr(cpu, name, value)
        uc.reg_write(getattr(x86, f"UC_X86_REG_{name.upper()}"), value)
    cpu.eip = CODE
    result = cpu.run(steps=steps)
    assert result.reason == "steps", f"{code}: {result}"
    uc.emu_start(CODE, CODE + len(machine), count=steps)
    ours = ([getattr(cpu, n) for n in REGISTERS], cpu.eflags & ARITHMETIC, cpu.read(0x8000 - 0x100, 0x1100))
    theirs = ([uc.reg_read(getattr(x86, f"UC_X86_REG_{n.upper()}")) for n in REGISTERS],
              uc.reg_read(x86.UC_X86_REG_EFLAGS) & ARITHMETIC, bytes(uc.mem_read(0x8000 - 0x100, 0x1100)))
    return ours, theirs


@pytest.mark.parametrize("instruction, steps", [
    ("lar eax, ebx; setz cl", 2), ("lsl eax, ebx; setz cl", 2), ("verr bx; setz cl", 2), ("verw bx; setz cl", 2)])
def test_descriptor_inquiries_of_random_tables(instruction, steps):
    rng = random.Random(instruction)
    for _ in range(20):
        table = random_table(rng)
        for _ in range(40):
            selector = rng.randrange(8, ENTRIES * 8 + 64)
            ours, theirs = run_both(instruction, table, {"eax": 0x12345678, "ebx": selector & ~4}, steps)
            assert ours == theirs, f"{instruction}, selector {selector & ~4:#x}, descriptor " + (
                f"{table[selector >> 3]:#018x}" if selector >> 3 < ENTRIES else "none")


def test_arpl():
    rng = random.Random(1)
    table = random_table(rng)
    for _ in range(300):
        values = {"eax": rng.getrandbits(32), "ebx": rng.getrandbits(32)}
        ours, theirs = run_both("arpl ax, bx; setz cl", table, values, 2)
        assert ours == theirs, values


@pytest.mark.parametrize("code, steps", [
    ("sgdt [0x9000]; mov eax, [0x9000]; mov ebx, [0x9002]", 3),
    ("mov ax, 0x10; mov fs, ax; mov gs, ax; mov dword ptr fs:[0x9000], 0x1234; mov ecx, gs:[0x9000]; push fs; pop edx", 7),
    ("mov eax, cr0; or eax, 0x10000; mov cr0, eax; mov eax, cr0; and eax, 0x10001", 5),
    ("smsw ax; and eax, 1; sldt bx; str cx", 4),
    ("push 0x10; pop es; les esi, [0x9000]", 2),
    ("push 0x2; popfd; pushfd; pop eax; stc; pushfd; pop ebx", 7),
    ("push cs; push 0x4008; retf; nop; nop; nop; nop; nop; nop; nop", 4),
    ("pushfd; push cs; push 0x400a; iretd; nop; nop; nop; nop; nop; nop; nop", 6),
    ("clts; mov eax, cr0; and eax, 8", 3),
    ("mov eax, 0x00112233; mov cr2, eax; mov ebx, cr2", 3),
    ("mov eax, 0x9100; mov dr0, eax; mov ebx, dr0", 3),
])
def test_short_sequences(code, steps):
    table = [0, descriptor(0, 0xFFFFF, 0x9B, 0xC), descriptor(0, 0xFFFFF, 0x93, 0xC), *[0] * (ENTRIES - 3)]
    ours, theirs = run_both(code, table, {}, steps)
    assert ours == theirs
