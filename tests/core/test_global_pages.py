"""What a load of CR3, INVLPG and CR4.PGE do to remembered mappings (SDM vol. 3, 4.10.4.1), in each engine.

The guest reads a page in a hot loop, maps it to another frame, does what is tested, and reads on.
"""
import platform

import pytest

from qemu_py import CPU
from tests.guest import asm
from tests.paging import CR0_PG, CR4_PGE, DIRECTORY, G, P, RW, Tables

CODE, PAGE, OLD, NEW = 0x1000, 0x30000, 0x40000, 0x41000
TIERS = (None, 0, 3) if platform.machine() == "x86_64" else (None,)
READS = {"alone": "mov ecx, 20; {0}: mov eax, [0x30010]; add esi, eax; dec ecx; jnz {0}; ",
         "in a group": "mov ecx, 20; {0}: mov ebp, 0x30010; mov eax, [ebp]; add esi, eax; add esi, [ebp + 4]; dec ecx; jnz {0}; ",
         "checked in the first turn": "mov ecx, 20; mov ebp, 0x30000; {0}: add esi, [ebp + 16]; dec ecx; jnz {0}; "}
CR3 = "mov edx, cr3; mov cr3, edx; "
TOGGLE = "mov edx, cr4; and edx, 0xFFFFFF7F; mov cr4, edx; or edx, 0x80; mov cr4, edx; "


def run(tier, flags, between, code_flags=P | RW | G, read="alone"):
    read = READS[read]
    code = asm(read.format("a") + CR3 + read.format("b") + "mov dword ptr [edi], ebx; " + between + read.format("c") + "hlt", CODE)
    cpu = CPU("qemu32", ram=1 << 20, tier=tier)
    tables = Tables(cpu)
    for page in range(0, 0x50000, 0x1000):
        tables.map(page, page, P | RW | G)
    tables.map(CODE, CODE, code_flags)
    tables.map(PAGE, OLD, P | RW | flags)
    cpu.write(CODE, code)
    cpu.write(OLD + 0x10, (1).to_bytes(4, "little"))
    cpu.write(NEW + 0x10, (1000).to_bytes(4, "little"))
    cpu.eip, cpu.edi, cpu.ebx = CODE, tables.pte_address(PAGE), NEW | P | RW | flags
    cpu.cr3, cpu.cr4, cpu.cr0 = DIRECTORY, CR4_PGE, cpu.cr0 | CR0_PG
    cpu.run(until=CODE + len(code) - 1, steps=1000)
    return cpu.esi


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("code", (P | RW | G, P | RW), ids=("global code", "other code"))
@pytest.mark.parametrize("flags, between", ((0, CR3), (0, "invlpg [0x30000]; "), (G, "invlpg [0x30000]; "), (G, TOGGLE), (0, TOGGLE)),
                         ids=("cr3", "invlpg", "invlpg global", "PGE global", "PGE"))
@pytest.mark.parametrize("read", READS)
def test_the_new_frame_is_read_behind_it(tier, flags, between, code, read):
    assert run(tier, flags, between, code, read) == 20 + 20 + 20 * 1000


@pytest.mark.parametrize("tier", TIERS)
def test_a_global_page_outlives_a_load_of_cr3(tier):
    assert run(tier, G, CR3) == 60


@pytest.mark.parametrize("tier", TIERS)
def test_invlpg_below_every_global_page_leaves_the_kernels_alone(tier):
    assert run(tier, G, "invlpg [0]; invlpg [0x2F000]; " + CR3) == 60
