"""Random paging structures against the SDM's walk restated (vol. 3, 4.3, 4.4, 4.6, 4.7)."""
import random

import pytest

from qemu_py import CPU
from tests.paging import CR0_PE, CR0_PG, CR0_WP, CR4_PAE, CR4_PSE, DIRECTORY, EFER, NXE, to_ring

P, RW, US, A, D, PS = 1, 2, 4, 0x20, 0x40, 0x80
CODE, TABLE, FRAME, RAM = 0x1000, 0x20000, 0x80000, 1 << 20
MAXPHYADDR = 36
LOAD, STORE, JUMP = b"\x8B\x03", b"\x89\x03", b"\xFF\xE3"


def reserved_4m(pde):
    return pde & 0x3E0000                       # bits 21 to 17 with PSE-36 and 36 address bits


def walk(pde, pte, va, access, cpl, pae, nxe, pse, wp):
    """("fault", error code) or ("ok", physical address, [A and D bits set in pde, pte])."""
    high = ((1 << 63) - 1) & ~((1 << MAXPHYADDR) - 1) if pae else 0
    if pae and not nxe:
        high |= 1 << 63
    code = (2 if access == "write" else 0) | (4 if cpl == 3 else 0) | (16 if access == "fetch" and pae and nxe else 0)
    if not pde & P:
        return "fault", code
    large = pde & PS and (pae or pse)
    if large:
        if pde & high or (pde & 0x1FE000 if pae else reserved_4m(pde)):
            return "fault", code | 1 | 8
        bits = 21 if pae else 22
        base = pde & ((1 << MAXPHYADDR) - 1) & ~((1 << bits) - 1)
        if not pae:
            base = (pde & 0xFFC00000) | (pde >> 13 & 0xF) << 32
        physical = base | va & (1 << bits) - 1
        entries = [pde]
    else:
        if pde & high:
            return "fault", code | 1 | 8
        if not pte & P:
            return "fault", code
        if pte & high:
            return "fault", code | 1 | 8
        physical = pte & ((1 << MAXPHYADDR) - 1) & ~0xFFF | va & 0xFFF
        entries = [pde, pte]
    user, writable = all(e & US for e in entries), all(e & RW for e in entries)
    if cpl == 3 and not user:
        return "fault", code | 1
    if access == "write" and not writable and (cpl == 3 or wp):
        return "fault", code | 1
    if access == "fetch" and nxe and any(e >> 63 for e in entries):
        return "fault", code | 1
    marks = [0, 0]
    for i in range(len(entries)):
        marks[i] = A
    if access == "write":
        marks[len(entries) - 1] |= D
    return "ok", physical, marks


class Walker:
    def __init__(self, pae, nxe):
        self.pae = pae
        self.cpu = cpu = CPU("qemu32,+nx", ram=RAM, tb_size=1 << 20)
        self.size = 8 if pae else 4
        if nxe:
            cpu.wrmsr(EFER, NXE)
        for frame in range(FRAME, RAM, 0x1000):
            cpu.write(frame, frame.to_bytes(4, "little") * 1024)
        if pae:
            self.pde_address = DIRECTORY + 0x1000
            for i in range(4):
                cpu.write(DIRECTORY + 8 * i, (DIRECTORY + 0x1000 + 0x1000 * i | P).to_bytes(8, "little"))
            cpu.write(DIRECTORY + 0x1000, (TABLE | P | RW | US).to_bytes(8, "little"))
        else:
            cpu.write(DIRECTORY, (TABLE | P | RW | US).to_bytes(4, "little"))
        self.store(TABLE + (CODE >> 12) * self.size, CODE | P | RW | US | A | D)

    def store(self, address, entry):
        self.cpu.write(address, entry.to_bytes(self.size, "little"))

    def load(self, address):
        return int.from_bytes(self.cpu.read(address, self.size), "little")

    def addresses(self, va):
        if self.pae:
            return DIRECTORY + 0x1000 * (1 + (va >> 30)) + (va >> 21 & 511) * 8, 0x30000 + (va >> 12 & 511) * 8
        return DIRECTORY + (va >> 22) * 4, 0x30000 + (va >> 12 & 1023) * 4


def random_entry(rng, pae, target):
    flags = sum(bit for bit, odds in ((P, 0.9), (RW, 0.7), (US, 0.7), (1 << 3, 0.2), (1 << 4, 0.2), (A, 0.2), (D, 0.2),
                                      (1 << 8, 0.2), (7 << 9, 0.2)) if rng.random() < odds)
    entry = target | flags
    if pae and rng.random() < 0.15:
        entry |= 1 << rng.randrange(36, 64)
    if pae and rng.random() < 0.2:
        entry |= 1 << 63
    return entry


@pytest.mark.parametrize("pae, nxe, pse", [(False, False, False), (False, False, True), (True, False, True), (True, True, False)])
def test_random_walks(pae, nxe, pse):
    rng = random.Random(f"{pae}{nxe}{pse}")
    walker = Walker(pae, nxe)
    cpu = walker.cpu
    for n in range(4000):
        cpl, wp = rng.choice((0, 3)), rng.choice((0, CR0_WP))
        access = rng.choice(("read", "write", "fetch"))
        va = rng.choice((0x00C00000, 0x3FE00000, 0x80000000, 0xFFC00000)) + rng.randrange(0x200000) & ~3
        pde_address, pte_address = walker.addresses(va)
        pde = random_entry(rng, pae, 0x30000)
        if rng.random() < 0.3 and (pae or pse):
            pde = random_entry(rng, pae, rng.choice((0, 0x00400000, 0x0A800000, 0x00C00000)) | PS)
            if rng.random() < 0.3:
                pde |= 1 << rng.randrange(13, 21)
        elif rng.random() < 0.3 and not pae and not pse:
            pde |= PS                           # without PSE the bit means nothing
        pte = random_entry(rng, pae, rng.choice((rng.randrange(FRAME, RAM) & ~0xFFF, 0xFEE00000, 0x00100000)))
        if pae and rng.random() < 0.2:
            pte |= rng.randrange(16) << 32
        walker.store(pde_address, pde)
        walker.store(pte_address, pte)
        cpu.cr4 = (CR4_PAE if pae else 0) | (CR4_PSE if pse else 0)
        cpu.cr3 = DIRECTORY
        cpu.cr0 = cpu.cr0 & ~CR0_WP | CR0_PE | CR0_PG | wp
        to_ring(cpu, cpl)
        cpu.write(CODE, {"read": LOAD, "write": STORE, "fetch": JUMP}[access])
        cpu.eip, cpu.ebx, cpu.eax = CODE, va, 0x5A5A5A5A
        want = walk(pde, pte, va, access, cpl, pae, nxe, pse, wp)
        if want[0] == "ok" and want[1] < RAM and want[1] & ~0xFFF < FRAME:
            continue                            # would hit the tables themselves
        if access == "fetch" and want[0] == "ok" and want[1] < RAM:
            cpu.write(want[1], b"\x90\x90\x90\x90")
        result = cpu.run(steps=2 if access == "fetch" else 1)
        context = f"{n}: pde={pde:#x} pte={pte:#x} va={va:#x} {access} cpl={cpl} wp={wp} -> {result}, want {want}"
        if want[0] == "fault":
            assert (result.vector, result.error_code, result.cr2) == (14, want[1], va), context
            assert (walker.load(pde_address), walker.load(pte_address)) == (pde, pte), context
            continue
        if want[1] >= RAM:
            assert (result.reason, result.address) == ("unmapped", want[1]), context
        else:
            assert result.reason == "steps", context
            frame = want[1] & ~0xFFF
            if access == "read":
                assert cpu.eax == frame, context
            elif access == "write":
                assert cpu.read(want[1], 4) == b"\x5A" * 4, context
            else:
                assert cpu.eip == va + 1, context
            cpu.write(frame, frame.to_bytes(4, "little") * 1024)
        assert walker.load(pde_address) == pde | want[2][0], context
        assert walker.load(pte_address) == pte | want[2][1], context
