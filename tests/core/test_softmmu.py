"""The MMU as a guest sees it: rights, error codes, A and D bits, big pages, PAE, TLB, I/O, watchpoints.

SDM vol. 3, chapter 4. Bare CPUs; exceptions come back from run().
"""
import itertools

import pytest

from qemu_py import CPU
from tests.paging import (
    A, CR0_WP, CR4_PGE, CR4_PSE, D, DIRECTORY, EFER, G, NX, NXE, P, PS, RW, US, Tables, to_ring)

CODE, DATA, FRAME = 0x1000, 0x00400000, 0x50000
LOAD, STORE, JUMP = b"\x8B\x03", b"\x89\x03", b"\xFF\xE3"       # mov eax,[ebx]; mov [ebx],eax; jmp ebx
LOAD_BYTE, STORE_BYTE = b"\x8A\x03", b"\x88\x03"
INVLPG = b"\x0F\x01\x3B"                                        # invlpg [ebx]
PF = 14
PF_P, PF_W, PF_U, PF_RSVD, PF_ID = 1, 2, 4, 8, 16


def machine(pae=False, ram=1 << 20, nx=False, cr0=CR0_WP, cr4=CR4_PSE, **options):
    """(cpu, tables): code page mapped where it lies, paging on, the data page not mapped yet."""
    cpu = CPU("qemu32,+nx" if nx else "qemu32", ram=ram, tb_size=1 << 20, **options)
    tables = Tables(cpu, pae)
    tables.map(CODE, CODE)
    tables.enable(cr0, cr4, nx)
    return cpu, tables


def execute(cpu, code, ebx=DATA, eax=0x12345678, steps=1):
    cpu.write(CODE, code)
    cpu.eip, cpu.ebx, cpu.eax = CODE, ebx, eax
    return cpu.run(steps=steps)


def faulted(result):
    return result.reason == "exception" and result.vector == PF


# ---- rights and error codes
def expected_fault(pde, pte, access, cpl, wp):
    """SDM vol. 3, 4.6 and 4.7: the error code, or None."""
    code = (PF_W if access == "write" else 0) | (PF_U if cpl == 3 else 0)
    if not pde & P or not pte & P:
        return code
    user, writable = pde & pte & US, pde & pte & RW
    if cpl == 3 and not user:
        return code | PF_P
    if access == "write" and not writable and (cpl == 3 or wp):
        return code | PF_P
    return None


@pytest.mark.parametrize("cpl, wp", [(0, 0), (0, 1), (3, 0), (3, 1)])
@pytest.mark.parametrize("pae", [False, True])
def test_rights_follow_both_levels(pae, cpl, wp):
    cpu, tables = machine(pae, cr0=CR0_WP if wp else 0)
    to_ring(cpu, cpl)
    combinations = [sum(bits) for bits in itertools.product((0, P), (0, RW), (0, US))]
    for pde, pte in itertools.product(combinations, combinations):
        for access, code in (("read", LOAD), ("write", STORE)):
            tables.map(DATA, FRAME, pte, pde)
            cpu.tlb_flush()
            result = execute(cpu, code, ebx=DATA + 0x124)
            want = expected_fault(pde, pte, access, cpl, wp)
            if want is None:
                assert result.reason == "steps", (pde, pte, access)
            else:
                assert (result.vector, result.error_code, result.cr2) == (PF, want, DATA + 0x124), (pde, pte, access)
                assert cpu.eip == CODE and cpu.eax == 0x12345678
                assert not (tables.pde(DATA) | (tables.pte(DATA) if pde & P else 0)) & (A | D)


def test_a_fetch_fault_has_no_instruction_bit_without_nx():
    cpu, tables = machine()
    result = execute(cpu, JUMP, steps=2)
    assert (result.vector, result.error_code, result.cr2, cpu.eip) == (PF, 0, DATA, DATA)


# ---- A and D
def test_a_read_sets_accessed_and_a_write_sets_dirty():
    cpu, tables = machine()
    tables.map(DATA, FRAME)
    execute(cpu, LOAD)
    assert tables.pte(DATA) == FRAME | P | RW | US | A
    assert tables.pde(DATA) & A
    execute(cpu, STORE)         # though the page is in the TLB by now
    assert tables.pte(DATA) == FRAME | P | RW | US | A | D
    assert not tables.pde(DATA) & D


def test_a_fetch_sets_accessed_only():
    cpu, tables = machine()
    cpu.write(FRAME, b"\x90\xF4")
    tables.map(DATA, FRAME)
    execute(cpu, JUMP, steps=2)
    assert cpu.eip == DATA + 1 and tables.pte(DATA) & (A | D) == A


def test_a_big_page_has_its_bits_in_the_directory():
    cpu, tables = machine(ram=8 << 20)
    tables.map_large(0x00800000, 0x00400000 | PS | P | RW)
    execute(cpu, LOAD, ebx=0x00812345)
    assert tables.pde(0x00800000) & (A | D) == A
    execute(cpu, STORE, ebx=0x00812345)
    assert tables.pde(0x00800000) & (A | D) == A | D
    assert cpu.read(0x00412345, 4) == (0x12345678).to_bytes(4, "little")


def test_page_tables_that_map_themselves_are_memory_like_any_other():
    cpu, tables = machine()
    tables.map(DATA, FRAME)
    tables.store(DIRECTORY + 1023 * 4, DIRECTORY | P | RW)
    pte = 0xFFC00000 + (DATA >> 12) * 4
    execute(cpu, LOAD)
    execute(cpu, LOAD, ebx=pte)
    assert cpu.eax == FRAME | P | RW | US | A


# ---- page crossing
def test_a_store_that_faults_on_its_second_page_stores_nothing():
    cpu, tables = machine()
    tables.map(DATA, FRAME)
    for offset in (0xFFD, 0xFFE, 0xFFF):
        result = execute(cpu, STORE, ebx=DATA + offset)
        assert (result.vector, result.error_code, result.cr2) == (PF, PF_W, DATA + 0x1000)
        assert cpu.read(FRAME + 0xFF0, 16) == bytes(16)


def test_a_store_that_faults_on_its_first_page_stores_nothing():
    cpu, tables = machine()
    tables.map(DATA + 0x1000, FRAME)
    result = execute(cpu, STORE, ebx=DATA + 0xFFE)
    assert (result.vector, result.cr2) == (PF, DATA + 0xFFE)
    assert cpu.read(FRAME, 16) == bytes(16)


def test_an_access_may_cross_to_a_page_that_lies_elsewhere():
    cpu, tables = machine()
    tables.map(DATA, FRAME)
    tables.map(DATA + 0x1000, FRAME - 0x3000)
    execute(cpu, STORE, ebx=DATA + 0xFFF, eax=0x44332211)
    assert cpu.read(FRAME + 0xFFF, 1) == b"\x11" and cpu.read(FRAME - 0x3000, 3) == b"\x22\x33\x44"
    execute(cpu, LOAD, ebx=DATA + 0xFFF, eax=0)
    assert cpu.eax == 0x44332211


def test_an_access_may_wrap_from_4_gib_to_0():
    cpu, tables = machine()
    tables.map(0xFFFFF000, FRAME)
    tables.map(0, FRAME + 0x1000)
    cpu.load_segment("ds", 0x10, 0, 0xFFFFFFFF, 0xC09300)
    cpu.write(FRAME + 0xFFF, b"\x11\x22\x33\x44")
    # Segment limits forbid it by offset alone; a base moves the wrap into the linear address.
    cpu.load_segment("ds", 0x10, 0xFFFF0000, 0xFFFFFFFF, 0xC09300)
    execute(cpu, LOAD, ebx=0xFFFF)
    assert cpu.eax == 0x44332211


# ---- the formats
def test_a_4_mib_page_needs_pse():
    cpu, tables = machine(ram=8 << 20, cr4=0)
    tables.map_large(0x00800000, 0x00400000 | PS | P | RW)
    cpu.write(0x00400000, bytes(8))     # without PSE this is a page table, and empty
    assert faulted(execute(cpu, LOAD, ebx=0x00800000))
    cpu.cr4 = CR4_PSE
    assert execute(cpu, LOAD, ebx=0x00800000).reason == "steps"


def test_pse36_reaches_above_4_gib():
    cpu, tables = machine()
    cpu.physmap.map_ram(0x3_00400000, 0x1000, FRAME)
    tables.map_large(0x00800000, 0x00400000 | 3 << 13 | PS | P | RW)
    execute(cpu, STORE, ebx=0x00800010, eax=0xABCD)
    assert cpu.read(FRAME + 0x10, 4) == b"\xCD\xAB\0\0"


def test_bit_21_of_a_4_mib_page_is_reserved():
    cpu, tables = machine()
    tables.map_large(0x00800000, 1 << 21 | PS | P | RW)
    result = execute(cpu, LOAD, ebx=0x00800000)
    assert (result.vector, result.error_code) == (PF, PF_P | PF_RSVD)


@pytest.mark.parametrize("bit", [36, 40, 51, 62])
def test_pae_reserved_bits_fault(bit):
    cpu, tables = machine(pae=True)
    tables.map(DATA, FRAME, P | RW | US | 1 << bit)
    result = execute(cpu, STORE)
    assert (result.vector, result.error_code) == (PF, PF_P | PF_RSVD | PF_W)


def test_bit_63_is_reserved_until_efer_nxe():
    cpu, tables = machine(pae=True, nx=True)
    cpu.wrmsr(EFER, 0)
    tables.map(DATA, FRAME, P | RW | US | NX)
    result = execute(cpu, LOAD)
    assert (result.vector, result.error_code) == (PF, PF_P | PF_RSVD)
    cpu.wrmsr(EFER, NXE)
    assert execute(cpu, LOAD).reason == "steps"


@pytest.mark.parametrize("where", ["pte", "pde"])
@pytest.mark.parametrize("cpl", [0, 3])
def test_a_page_with_nx_is_data(where, cpl):
    cpu, tables = machine(pae=True, nx=True)
    to_ring(cpu, cpl)
    tables.map(DATA, FRAME, P | RW | US | (NX if where == "pte" else 0), P | RW | US | (NX if where == "pde" else 0))
    assert execute(cpu, STORE).reason == "steps"
    result = execute(cpu, JUMP, steps=2)
    assert (result.vector, result.error_code, cpu.eip) == (PF, PF_P | PF_ID | (PF_U if cpl else 0), DATA)


def test_the_instruction_bit_is_set_for_any_fetch_fault_once_nx_is_on():
    cpu, tables = machine(pae=True, nx=True)
    result = execute(cpu, JUMP, steps=2)
    assert (result.vector, result.error_code) == (PF, PF_ID)


def test_a_2_mib_page():
    cpu, tables = machine(pae=True, ram=8 << 20)
    tables.map_large(0x40000000, 0x00400000 | PS | P | RW)
    execute(cpu, STORE, ebx=0x401FFFFC, eax=0xCAFE)
    assert cpu.read(0x005FFFFC, 2) == b"\xFE\xCA"
    assert faulted(execute(cpu, LOAD, ebx=0x40200000))


def test_an_absent_directory_pointer_faults():
    cpu, tables = machine(pae=True)
    cpu.write(DIRECTORY + 8 * 2, bytes(8))
    cpu.cr3 = DIRECTORY
    result = execute(cpu, LOAD, ebx=0x80000000)
    assert (result.vector, result.error_code) == (PF, 0)


# ---- A20
def test_a20_masks_bit_20_of_every_physical_address():
    cpu = CPU("qemu32", ram=2 << 20, tb_size=1 << 20)
    cpu.write(0x00050000, b"\x11\0\0\0")
    cpu.write(0x00150000, b"\x22\0\0\0")
    assert execute(cpu, LOAD, ebx=0x150000).reason == "steps" and cpu.eax == 0x22
    cpu.a20 = 0
    execute(cpu, LOAD, ebx=0x150000)
    assert cpu.eax == 0x11
    execute(cpu, STORE, ebx=0x150000, eax=0x33)
    assert cpu.read(0x50000, 1) == b"\x33" and cpu.read(0x150000, 1) == b"\x22"
    cpu.a20 = 1
    execute(cpu, LOAD, ebx=0x150000)
    assert cpu.eax == 0x22


def test_a20_masks_the_page_tables_addresses_too():
    cpu, tables = machine(ram=4 << 20)
    tables.map(DATA, FRAME)
    cpu.cr3 = DIRECTORY | 1 << 20
    cpu.a20 = 0
    assert execute(cpu, LOAD).reason == "steps"
    cpu.a20 = 1
    assert faulted(cpu.run(steps=1))


# ---- the TLB
def test_a_changed_entry_is_seen_after_invlpg():
    cpu, tables = machine()
    cpu.write(FRAME, b"\x11"), cpu.write(FRAME + 0x1000, b"\x22")
    tables.map(DATA, FRAME)
    execute(cpu, LOAD_BYTE)
    tables.map(DATA, FRAME + 0x1000)
    execute(cpu, LOAD_BYTE)
    assert cpu.eax & 0xFF == 0x11       # still the old page: nobody flushed
    execute(cpu, INVLPG)
    execute(cpu, LOAD_BYTE)
    assert cpu.eax & 0xFF == 0x22


def test_invlpg_leaves_other_pages_alone():
    cpu, tables = machine()
    tables.map(DATA, FRAME), tables.map(DATA + 0x5000, FRAME + 0x1000)
    execute(cpu, LOAD), execute(cpu, LOAD, ebx=DATA + 0x5000)
    execute(cpu, INVLPG)
    fills = cpu.counters()["tlb_fill_count"]
    execute(cpu, LOAD, ebx=DATA + 0x5000)
    assert cpu.counters()["tlb_fill_count"] == fills
    execute(cpu, LOAD)
    assert cpu.counters()["tlb_fill_count"] == fills + 1


def test_invlpg_anywhere_in_a_big_page_flushes_all_of_it():
    cpu, tables = machine(ram=16 << 20)
    tables.map_large(0x00800000, 0x00400000 | PS | P | RW)
    execute(cpu, LOAD, ebx=0x00900000)
    tables.map_large(0x00800000, 0x00C00000 | PS | P | RW)
    cpu.write(0x00D00000, b"\x77")
    execute(cpu, INVLPG, ebx=0x00BFF000)
    execute(cpu, LOAD_BYTE, ebx=0x00900000)
    assert cpu.eax & 0xFF == 0x77


def test_a_write_to_cr3_flushes():
    cpu, tables = machine()
    cpu.write(FRAME + 0x1000, b"\x22")
    tables.map(DATA, FRAME)
    execute(cpu, LOAD_BYTE)
    tables.map(DATA, FRAME + 0x1000)
    execute(cpu, b"\x0F\x22\xDB", ebx=DIRECTORY)        # mov cr3,ebx
    execute(cpu, LOAD_BYTE)
    assert cpu.eax & 0xFF == 0x22


def test_a_flush_stays_a_flush_however_many_there_were():
    """Tags carry a 16-bit epoch: after 65536 flushes old entries must not come alive again."""
    cpu, tables = machine()
    cpu.write(FRAME, b"\x11"), cpu.write(FRAME + 0x1000, b"\x22")
    for flushes in (65535, 65536, 65537):
        tables.map(DATA, FRAME)
        cpu.tlb_flush()
        execute(cpu, LOAD_BYTE)
        tables.map(DATA, FRAME + 0x1000)
        for _ in range(flushes):
            cpu.tlb_flush()
        execute(cpu, LOAD_BYTE)
        assert cpu.eax & 0xFF == 0x22, flushes


def test_global_pages_may_be_mapped():
    cpu, tables = machine(cr4=CR4_PSE | CR4_PGE)
    tables.map(DATA, FRAME, P | RW | G)
    assert execute(cpu, STORE).reason == "steps"


def test_clearing_wp_makes_read_only_pages_writable_to_the_supervisor():
    cpu, tables = machine()
    tables.map(DATA, FRAME, P | US)
    assert faulted(execute(cpu, STORE))
    cpu.cr0 &= ~CR0_WP
    assert execute(cpu, STORE).reason == "steps"
    assert tables.pte(DATA) & D


def test_a_hit_costs_no_fill():
    cpu, tables = machine()
    tables.map(DATA, FRAME)
    execute(cpu, STORE)
    fills = cpu.counters()["tlb_fill_count"]
    for offset in range(0, 0x1000, 0x100):
        execute(cpu, STORE, ebx=DATA + offset)
        execute(cpu, LOAD, ebx=DATA + offset)
    assert cpu.counters()["tlb_fill_count"] == fills


def test_a_debuggers_walk_changes_nothing():
    cpu, tables = machine()
    tables.map(DATA, FRAME, P)
    assert cpu.translate(DATA + 0x123) == FRAME + 0x123
    assert cpu.translate(DATA + 0x1000) is None
    assert not tables.pte(DATA) & A


# ---- what is not RAM
def test_mmio_through_paging_gets_the_physical_address():
    calls = []
    cpu, tables = machine(on_access=lambda *access: calls.append(access) or 0x55667788)
    tables.map(DATA, 0xFEE00000)
    execute(cpu, LOAD, ebx=DATA + 0x20)
    execute(cpu, STORE, ebx=DATA + 0x30, eax=1)
    execute(cpu, STORE_BYTE, ebx=DATA + 0x31, eax=2)
    assert calls == [(0xFEE00020, 4, False, 0), (0xFEE00030, 4, True, 1), (0xFEE00031, 1, True, 2)]


def test_mmio_is_not_touched_by_a_store_that_faults():
    calls = []
    cpu, tables = machine(on_access=lambda *access: calls.append(access))
    tables.map(DATA, 0xFEE00000)
    assert faulted(execute(cpu, STORE, ebx=DATA + 0xFFE))
    tables.map(DATA + 0x2000, 0xFEE00000)
    assert faulted(execute(cpu, STORE, ebx=DATA + 0x1FFE))
    assert calls == []


def test_a_store_may_cross_from_ram_to_mmio():
    calls = []
    cpu, tables = machine(on_access=lambda *access: calls.append(access))
    tables.map(DATA, FRAME), tables.map(DATA + 0x1000, 0xFEE00000)
    execute(cpu, STORE, ebx=DATA + 0xFFE, eax=0x44332211)
    assert cpu.read(FRAME + 0xFFE, 2) == b"\x11\x22"
    assert calls == [(0xFEE00000, 2, True, 0x4433)]


def test_an_access_to_nothing_is_returned_with_its_physical_address():
    cpu, tables = machine()
    tables.map(DATA, 0xFEE00000)
    result = execute(cpu, STORE, ebx=DATA + 0x10)
    assert (result.reason, result.address, result.size, result.write) == ("unmapped", 0xFEE00010, 4, True)
    result = execute(cpu, LOAD, ebx=DATA + 0x10)
    assert (result.reason, result.write) == ("unmapped", False) and cpu.eip == CODE


def test_rom_is_read_and_run_but_not_written():
    cpu, tables = machine()
    cpu.physmap.map_ram(0xFFFF0000, 0x1000, FRAME, readonly=True)
    cpu.write(FRAME, b"\x43\xF4")                        # inc ebx
    tables.map(DATA, 0xFFFF0000)
    execute(cpu, STORE, eax=0)
    assert cpu.read(FRAME, 2) == b"\x43\xF4"
    execute(cpu, JUMP, steps=2)
    assert cpu.ebx == DATA + 1


def test_code_can_be_fetched_from_a_device():
    code = b"\x43\x43\xF4"
    cpu, tables = machine(on_access=lambda address, size, write, value: code[address & 0xFFF] if address & 0xFFF < 3 else 0xF4)
    tables.map(DATA, 0xFEE00000)
    execute(cpu, JUMP, steps=3)
    assert cpu.ebx == DATA + 2


def test_page_tables_can_lie_in_a_device():
    writes = []

    def device(address, size, write, value):
        if write:
            writes.append((address, value))
        return (FRAME | P | RW | US) >> 8 * (address & 3) & (1 << 8 * size) - 1

    cpu, tables = machine(on_access=device)
    cpu.write(FRAME, b"\x99")
    tables.store(tables.pde_address(DATA), 0xFEE00000 | P | RW | US)
    execute(cpu, LOAD_BYTE)
    assert cpu.eax & 0xFF == 0x99
    assert (0xFEE00000, (FRAME | P | RW | US | A) & 0xFF) in writes


def test_page_tables_in_rom_work_without_their_bits():
    cpu, tables = machine()
    cpu.physmap.map_ram(0xFFFF0000, 0x1000, 0x60000, readonly=True)
    cpu.write(0x60000, (FRAME | P | RW | US).to_bytes(4, "little"))
    tables.store(tables.pde_address(DATA), 0xFFFF0000 | P | RW | US)
    assert execute(cpu, STORE).reason == "steps"
    assert cpu.read(0x60000, 1)[0] & (A | D) == 0


def test_an_exception_in_a_device_stops_the_run():
    def device(*access):
        raise RuntimeError("device bug")

    cpu, tables = machine(on_access=device)
    tables.map(DATA, 0xFEE00000)
    with pytest.raises(RuntimeError, match="device bug"):
        execute(cpu, LOAD, steps=None)


# ---- dirty bits, from the CPU's side
def test_stores_make_pages_dirty_again_after_every_reset():
    cpu, tables = machine()
    tables.map(DATA, FRAME)
    vga, migration = 1, 8
    for _ in range(3):
        cpu.physmap.reset_dirty(FRAME, 0x1000, vga)
        assert not cpu.physmap.get_dirty(FRAME, 0x1000, vga)
        execute(cpu, LOAD)
        assert not cpu.physmap.get_dirty(FRAME, 0x1000, vga)
        execute(cpu, STORE)
        assert cpu.physmap.get_dirty(FRAME, 0x1000, vga)
    assert cpu.physmap.get_dirty(FRAME, 0x1000, migration)


def test_every_alias_of_a_page_is_watched():
    """Three linear addresses of one frame, all writable in the TLB when the log begins."""
    cpu, tables = machine()
    addresses = [DATA, DATA + 0x5000, DATA + 0x9000]
    for address in addresses:
        tables.map(address, FRAME)
        execute(cpu, STORE, ebx=address)
    for address in addresses:
        cpu.physmap.reset_dirty(FRAME, 0x1000, 1)
        execute(cpu, STORE, ebx=address)
        assert cpu.physmap.get_dirty(FRAME, 0x1000, 1), hex(address)


# ---- watchpoints
@pytest.mark.parametrize("read, write, code, hits", [
    (False, True, STORE, True), (False, True, LOAD, False), (True, False, LOAD, True), (True, False, STORE, False),
    (True, True, LOAD, True), (False, True, b"\x01\x03", True), (True, False, b"\x01\x03", True)])   # add [ebx],eax
def test_a_watchpoint_stops_behind_the_access(read, write, code, hits):
    cpu = CPU("qemu32", ram=1 << 20, tb_size=1 << 20)
    cpu.watchpoint_insert(FRAME + 8, 4, read=read, write=write)
    result = execute(cpu, code + b"\x90\x90\xF4", ebx=FRAME + 8, steps=None)
    if hits:
        assert cpu.eip == CODE + 2 and cpu.watchpoint_hit() == FRAME + 8
    else:
        assert result.reason == "hlt" and cpu.watchpoint_hit() is None


@pytest.mark.parametrize("offset, hits", [(4, False), (5, True), (8, True), (11, True), (12, False)])
def test_any_overlapping_byte_hits(offset, hits):
    cpu = CPU("qemu32", ram=1 << 20, tb_size=1 << 20)
    cpu.watchpoint_insert(FRAME + 8, 4)
    execute(cpu, STORE + b"\xF4", ebx=FRAME + offset, steps=None)
    assert (cpu.watchpoint_hit() is not None) == hits
