"""Row 16: softmmu loads and stores, tlb_fill, tlb_flush, tlb_flush_page: one TLB per MMU mode; a
page-crossing store that faults stores nothing."""
import pytest

from qemu_py import CPU
from tests.paging import Tables, to_ring

CODE, DATA, FRAME = 0x1000, 0x00400000, 0x50000
LOAD, STORE, INVLPG = b"\x8B\x03\xF4", b"\x89\x03\xF4", b"\x0F\x01\x3B\xF4"


@pytest.fixture
def machine():
    cpu = CPU("qemu32", ram=1 << 20)
    tables = Tables(cpu)
    tables.map(CODE, CODE)
    tables.map(DATA, FRAME)
    tables.enable()
    return cpu, tables


def fills(cpu, code, ring=0):
    """TLB fills that one instruction costs once its code is known."""
    cpu.write(CODE, code)
    for _ in range(2):
        to_ring(cpu, ring)
        cpu.eip, cpu.ebx = CODE, DATA
        before = cpu.counters()["tlb_fill_count"]
        cpu.run(steps=1)
    return cpu.counters()["tlb_fill_count"] - before


def run(cpu, code, ring=0):
    cpu.write(CODE, code)
    to_ring(cpu, ring)
    cpu.eip, cpu.ebx = CODE, DATA
    before = cpu.counters()["tlb_fill_count"]
    cpu.run(steps=1)
    return cpu.counters()["tlb_fill_count"] - before


def test_tlb_fill_happens_once_for_a_page(machine):
    cpu, tables = machine
    assert run(cpu, LOAD) > 0
    assert fills(cpu, LOAD) == 0


def test_each_mmu_mode_has_its_own_tlb(machine):
    cpu, tables = machine
    run(cpu, LOAD, ring=0)
    assert run(cpu, LOAD, ring=3) > 0           # the kernel's entries do not serve the user ...
    assert run(cpu, LOAD, ring=0) == 0          # ... and were not thrown away by it
    assert run(cpu, LOAD, ring=3) == 0


def test_tlb_flush_empties_both(machine):
    cpu, tables = machine
    run(cpu, LOAD, ring=0), run(cpu, LOAD, ring=3)
    cpu.tlb_flush()
    assert run(cpu, LOAD, ring=0) > 0
    assert run(cpu, LOAD, ring=3) > 0


def test_tlb_flush_page_drops_the_page_in_both_modes(machine):
    cpu, tables = machine
    run(cpu, LOAD, ring=0), run(cpu, LOAD, ring=3)
    run(cpu, INVLPG)
    assert run(cpu, LOAD, ring=0) == 1
    assert run(cpu, LOAD, ring=3) == 1


def test_a_page_crossing_store_that_faults_stores_nothing(machine):
    cpu, tables = machine
    cpu.write(CODE, STORE)
    cpu.eip, cpu.ebx, cpu.eax = CODE, DATA + 0xFFE, 0xFFFFFFFF
    result = cpu.run(steps=1)
    assert (result.vector, result.error_code, result.cr2) == (14, 2, DATA + 0x1000)
    assert cpu.read(FRAME + 0xFF0, 16) == bytes(16)
    assert cpu.eip == CODE


def test_the_same_store_works_once_the_second_page_is_mapped(machine):
    cpu, tables = machine
    tables.map(DATA + 0x1000, FRAME + 0x3000)
    cpu.write(CODE, STORE)
    cpu.eip, cpu.ebx, cpu.eax = CODE, DATA + 0xFFE, 0x44332211
    cpu.run(steps=1)
    assert cpu.read(FRAME + 0xFFE, 2) + cpu.read(FRAME + 0x3000, 2) == b"\x11\x22\x33\x44"
