"""The monitor's `info mem` and `info tlb`: what the page tables of the CPU that is looked at map (SDM vol. 3, 4.3 and 4.4)."""
import struct

from qemu_py.machine.pc_vga import cpus_stopped

CR0_PG, CR4_PSE, CR4_PAE = 1 << 31, 1 << 4, 1 << 5
PRESENT, WRITE, USER, LARGE = 0x01, 0x02, 0x04, 0x80
FLAGS = ((0x100, "G"), (LARGE, "P"), (0x40, "D"), (0x20, "A"), (0x10, "C"), (0x08, "T"), (USER, "U"), (WRITE, "W"))
NX = 1 << 63


def table(memory, address, count, form):
    """[(index, entry)] of the present entries of a table."""
    entries = struct.unpack(f"<{count}{form}", memory.read(address, count * struct.calcsize(form)))
    return [(n, entry) for n, entry in enumerate(entries) if entry & PRESENT]


def mappings(cpu, memory):
    """(linear, physical, size, the entry's flags with what the tables above allow) in rising order; paging is on."""
    if cpu.get("cr4") & CR4_PAE:
        yield from pae_mappings(cpu, memory)
        return
    large = cpu.get("cr4") & CR4_PSE
    for n, pde in table(memory, cpu.get("cr3") & ~0xFFF, 1024, "I"):
        if pde & LARGE and large:
            yield n << 22, pde & 0xFFC00000 | (pde >> 13 & 0xFF) << 32, 1 << 22, pde & 0xFFF
            continue
        for m, pte in table(memory, pde & ~0xFFF, 1024, "I"):
            # Bit 7 of a page's entry is its memory type (PAT), not its size.
            yield n << 22 | m << 12, pte & ~0xFFF, 1 << 12, restricted(pte & 0xFFF & ~LARGE, pde)


def pae_mappings(cpu, memory):
    address = (1 << 52) - (1 << 12)
    for i, pdpte in table(memory, cpu.get("cr3") & ~0x1F, 4, "Q"):
        for n, pde in table(memory, pdpte & address, 512, "Q"):
            linear = i << 30 | n << 21
            if pde & LARGE:
                yield linear, pde & address & ~0x1FFFFF, 1 << 21, pde & (NX | 0xFFF)
                continue
            for m, pte in table(memory, pde & address, 512, "Q"):
                yield linear | m << 12, pte & address, 1 << 12, restricted(pte & (NX | 0xFFF) & ~LARGE, pde) | pde & NX


def restricted(flags, above):
    """A page may be written, or used by ring 3, only if its table may, too."""
    return flags & ~(WRITE | USER) | flags & above & (WRITE | USER)


def with_paging(handler):
    def command(hmp):
        with cpus_stopped(hmp.machine):
            if not hmp.cpu.get("cr0") & CR0_PG:
                return "paging is off (CR0.PG = 0): linear addresses are physical ones\n"
            found = list(mappings(hmp.cpu, hmp.machine.memory.address_space_memory))
        return handler(found) or "nothing is mapped\n"
    return command


@with_paging
def info_tlb(found):
    """A line for each page: linear, physical, flags (X: not to be executed)."""
    return "".join(f"{linear:08x}: {physical:08x} {'X' if flags & NX else '-'}"
                   + "".join(letter if flags & bit else "-" for bit, letter in FLAGS) + f" {size >> 10}K\n"
                   for linear, physical, size, flags in found)


@with_paging
def info_mem(found):
    """Ranges with the same rights: first, end, size, and u r w."""
    ranges = []
    for linear, _, size, flags in found:
        rights = flags & (USER | WRITE)
        if ranges and ranges[-1][1] == linear and ranges[-1][2] == rights:
            ranges[-1][1] += size
        else:
            ranges.append([linear, linear + size, rights])
    return "".join(f"{first:08x}-{end:08x} {end - first:08x} {'u' if rights & USER else '-'}r{'w' if rights & WRITE else '-'}\n"
                   for first, end, rights in ranges)
