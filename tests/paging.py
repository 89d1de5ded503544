"""Page tables for tests: restated from SDM vol. 3, tables 4-4 to 4-6 and 4-8 to 4-11."""
import struct

P, RW, US, PWT, PCD, A, D, PS, G = (1 << bit for bit in range(9))
NX = 1 << 63
CR0_PE, CR0_WP, CR0_PG = 1 << 0, 1 << 16, 1 << 31
CR4_PSE, CR4_PAE, CR4_PGE = 1 << 4, 1 << 5, 1 << 7
EFER, NXE = 0xC0000080, 1 << 11

DIRECTORY = 0x10000             # the directory, or with PAE the pointer table and then directories


class Tables:
    """Paging structures in a bare CPU's RAM from DIRECTORY on; `pae` chooses their format."""

    def __init__(self, cpu, pae=False):
        self.cpu = cpu
        self.pae = pae
        self.size = 8 if pae else 4
        self.next = DIRECTORY + 0x1000
        self.directories = [DIRECTORY]
        if pae:
            self.directories = []
            for i in range(4):
                cpu.write(DIRECTORY + 8 * i, struct.pack("<Q", self.next | P))
                self.directories.append(self.next)
                self.next += 0x1000

    def pde_address(self, va):
        if self.pae:
            return self.directories[va >> 30] + (va >> 21 & 511) * 8
        return DIRECTORY + (va >> 22) * 4

    def pte_address(self, va):
        table = self.load(self.pde_address(va)) & 0x000FFFFFFFFFF000
        return table + ((va >> 12 & 511) * 8 if self.pae else (va >> 12 & 1023) * 4)

    def load(self, address):
        return int.from_bytes(self.cpu.read(address, self.size), "little")

    def store(self, address, entry):
        self.cpu.write(address, entry.to_bytes(self.size, "little"))

    def map(self, va, pa, flags=P | RW | US, pde_flags=P | RW | US):
        """A 4 KiB page."""
        pde = self.pde_address(va)
        if not self.load(pde) & ~0xFFF:
            self.store(pde, self.next | pde_flags)
            self.next += 0x1000
        else:
            self.store(pde, (self.load(pde) & 0x000FFFFFFFFFF000) | pde_flags)
        self.store(self.pte_address(va), pa | flags)

    def map_large(self, va, entry):
        """A 4 MiB or 2 MiB page; `entry` is the directory entry itself."""
        self.store(self.pde_address(va), entry)

    def pte(self, va):
        return self.load(self.pte_address(va))

    def pde(self, va):
        return self.load(self.pde_address(va))

    def enable(self, cr0=CR0_WP, cr4=CR4_PSE, nx=False):
        """Turn paging on."""
        cpu = self.cpu
        if nx:
            cpu.wrmsr(EFER, cpu.rdmsr(EFER) | NXE)
        cpu.cr4 = cr4 | (CR4_PAE if self.pae else 0)
        cpu.cr3 = DIRECTORY
        cpu.cr0 = cpu.cr0 & ~CR0_WP | CR0_PE | CR0_PG | cr0


def to_ring(cpu, cpl):
    """Flat segments of a ring (SDM vol. 3, figure 3-8: G, D, P, S, type)."""
    dpl = cpl << 13
    cpu.load_segment("cs", 0x08 | cpl, 0, 0xFFFFFFFF, 0xC09B00 | dpl)
    for name in ("ss", "ds", "es"):
        cpu.load_segment(name, 0x10 | cpl, 0, 0xFFFFFFFF, 0xC09300 | dpl)
    cpu.cpl = cpl
