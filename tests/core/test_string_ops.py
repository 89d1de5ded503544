"""String instructions and REP, restated from the SDM (vol. 1, 7.3.9; vol. 2, REP): element by element
whatever way they are carried out, with the registers of the completed elements at every stop."""
import mmap

import pytest

from qemu_py import CPU
from qemu_py._core.cpu_face import VCPU
from qemu_py._core.dispatch import PhysMap

CF, ZF, TF, DF = 0x001, 0x040, 0x100, 0x400
PAGE_FAULT, GENERAL_PROTECTION, DEBUG = 14, 13, 1
RAM = 1 << 20
REP, REPNE = b"\xF3", b"\xF2"
MOVSB, MOVSD, STOSB, STOSD, LODSB, SCASB, SCASD, CMPSB, CMPSD = (
    b"\xA4", b"\xA5", b"\xAA", b"\xAB", b"\xAC", b"\xAE", b"\xAF", b"\xA6", b"\xA7")
INSB, INSD, OUTSB, OUTSD = b"\x6C", b"\x6D", b"\x6E", b"\x6F"
PATTERN = bytes((i * 7 + i // 251) & 0xFF for i in range(0x8000))


def machine(code, esi=0x10000, edi=0x20000, ecx=0, eax=0, flags=2, **more):
    cpu = CPU(ram=RAM, **more)
    cpu.write(0x100, code)
    cpu.eip, cpu.esi, cpu.edi, cpu.ecx, cpu.eax, cpu.edx, cpu.eflags = 0x100, esi, edi, ecx, eax, 0x60, flags
    return cpu


def page_tables(cpu, absent=(), read_only=()):
    """Identity mapping of 1 MiB at 80000h; the pages named are not present or not writable."""
    cpu.write(0x80000, (0x81007).to_bytes(4, "little"))
    for page in range(RAM >> 12):
        bits = 0 if page << 12 in absent else 5 if page << 12 in read_only else 7
        cpu.write(0x81000 + 4 * page, (page << 12 | bits).to_bytes(4, "little"))
    cpu.cr3 = 0x80000
    cpu.cr0 = 0x80010001 | 0x10


def elementwise(memory, esi, edi, count, size, step):
    memory = bytearray(memory)
    for _ in range(count):
        memory[edi:edi + size] = memory[esi:esi + size]
        esi += step
        edi += step
    return bytes(memory)


@pytest.mark.parametrize("direction", (1, -1))
@pytest.mark.parametrize("size, opcode", ((1, MOVSB), (2, b"\x66" + MOVSD), (4, MOVSD)))
@pytest.mark.parametrize("distance", (-4097, -8, -3, -1, 0, 1, 2, 3, 4, 8, 12, 100, 4096, 5001))
def test_movs_copies_element_by_element_however_the_operands_overlap(direction, size, opcode, distance):
    start, count = 0x13FF0, 3000
    cpu = machine(REP + opcode, start, start + distance, count, flags=DF if direction < 0 else 2)
    cpu.write(0x10000, PATTERN)
    before = cpu.read(0, RAM)
    cpu.run(steps=1)
    step = size * direction
    assert cpu.read(0x8000, 0x18000) == elementwise(before, start, start + distance, count, size, step)[0x8000:0x20000]
    assert (cpu.esi, cpu.edi, cpu.ecx, cpu.eip) == (start + count * step, start + distance + count * step, 0, 0x101 + len(opcode))


def test_a_count_of_zero_touches_nothing():
    cpu = machine(REP + CMPSB, 0xFFFFFFF0, 0xFFFFFFF0, 0, flags=ZF | CF | 2)
    assert cpu.run(steps=1).reason == "steps"
    assert (cpu.esi, cpu.edi, cpu.eip, cpu.eflags & (ZF | CF)) == (0xFFFFFFF0, 0xFFFFFFF0, 0x102, ZF | CF)


@pytest.mark.parametrize("size, opcode, value", ((1, STOSB, 0x5A), (2, b"\x66" + STOSD, 0x1234), (4, STOSD, 0x12345678), (4, STOSD, 0)))
@pytest.mark.parametrize("direction", (1, -1))
def test_stos_fills_both_ways(size, opcode, value, direction):
    cpu = machine(REP + opcode, edi=0x21003, ecx=5000, eax=value, flags=DF if direction < 0 else 2)
    cpu.write(0x10000, PATTERN * 4)
    before = cpu.read(0, RAM)
    cpu.run(steps=1)
    low = 0x21003 if direction > 0 else 0x21003 - 4999 * size
    expected = before[:low] + value.to_bytes(4, "little")[:size] * 5000 + before[low + 5000 * size:]
    assert cpu.read(0x8000, 0x38000) == expected[0x8000:0x40000]
    assert (cpu.edi, cpu.ecx) == (0x21003 + 5000 * size * direction, 0)


def test_rep_lods_keeps_the_last_element():
    cpu = machine(REP + LODSB, ecx=5000)
    cpu.write(0x10000, PATTERN)
    cpu.run(steps=1)
    assert (cpu.al, cpu.esi) == (PATTERN[4999], 0x10000 + 5000)


@pytest.mark.parametrize("where", (0, 1, 77, 4094, 4095, 4096, 9000))
def test_repne_scasb_stops_behind_the_element_found(where):
    cpu = machine(REPNE + SCASB, edi=0x20001, ecx=10000, eax=0xAB)
    cpu.write(0x20001 + where, b"\xAB")
    cpu.run(steps=1)
    assert (cpu.edi, cpu.ecx) == (0x20001 + where + 1, 10000 - where - 1)
    assert cpu.eflags & (ZF | CF) == ZF


def test_repe_scasd_stops_behind_the_first_that_differs_and_has_its_flags():
    cpu = machine(REP + SCASD, edi=0x20000, ecx=3000, eax=0)
    cpu.write(0x20000 + 4 * 2000, b"\x01")
    cpu.run(steps=1)
    assert (cpu.edi, cpu.ecx) == (0x20000 + 4 * 2001, 999)
    assert cpu.eflags & (ZF | CF) == CF                         # 0 - 1


@pytest.mark.parametrize("size, opcode", ((1, CMPSB), (2, b"\x66" + CMPSD), (4, CMPSD)))
@pytest.mark.parametrize("index", (0, 3, 7, 8, 1000, 2999))
def test_repe_cmps_compares_the_source_with_es_edi(size, opcode, index):
    cpu = machine(REP + opcode, 0x10001, 0x20002, 3000)
    cpu.write(0x10001, PATTERN[:3000 * size])
    cpu.write(0x20002, PATTERN[:3000 * size])
    place = 0x20002 + index * size + size - 1
    cpu.write(place, bytes([cpu.read(place, 1)[0] ^ 0x80]))
    above = cpu.read(place, 1)[0] & 0x80
    cpu.run(steps=1)
    assert (cpu.esi, cpu.edi, cpu.ecx) == (0x10001 + (index + 1) * size, 0x20002 + (index + 1) * size, 2999 - index)
    assert cpu.eflags & (ZF | CF) == (CF if above else 0)


def test_repne_cmps_stops_at_the_first_equal_pair():
    cpu = machine(REPNE + CMPSB, ecx=100)
    cpu.write(0x10000, b"\x01" * 100)
    cpu.write(0x20000 + 41, b"\x01")
    cpu.run(steps=1)
    assert (cpu.ecx, cpu.eflags & ZF) == (58, ZF)


def test_the_source_segment_can_be_overridden_and_the_destination_not():
    cpu = machine(b"\x64" + MOVSB, esi=0x10, edi=0x20000)
    cpu.load_segment("fs", 0x33, 0x15000, 0xFFFF, 0x40F300)
    cpu.write(0x15010, b"\x99")
    cpu.run(steps=1)
    assert cpu.read(0x20000, 1) == b"\x99"


# ---------------------------------------------------------------- stops in the middle
@pytest.mark.parametrize("size, opcode", ((1, MOVSB), (4, MOVSD)))
@pytest.mark.parametrize("edi", (0x22000 - 40, 0x22000 - 41))
def test_a_page_fault_shows_the_completed_elements_and_the_instruction_goes_on_after_it(size, opcode, edi):
    cpu = machine(REP + opcode, 0x10000, edi, 2000)
    cpu.write(0x10000, PATTERN)
    page_tables(cpu, absent=[0x22000])
    result = cpu.run(steps=1)
    done = (0x22000 - edi) // size
    assert (result.reason, result.vector, result.error_code, result.cr2) == ("exception", PAGE_FAULT, 2, 0x22000)
    assert (cpu.eip, cpu.ecx, cpu.esi, cpu.edi) == (0x100, 2000 - done, 0x10000 + done * size, edi + done * size)
    assert cpu.read(edi, done * size) == PATTERN[:done * size]
    assert cpu.read(edi + done * size, 8) == bytes(8)           # nothing of the element that faulted
    cpu.write(0x81000 + 4 * 0x22, (0x22007).to_bytes(4, "little"))
    cpu.run(steps=1)
    assert (cpu.eip, cpu.ecx) == (0x102, 0)
    assert cpu.read(edi, 2000 * size) == PATTERN[:2000 * size]


def test_movs_reports_its_source_first_and_cmps_its_destination():
    for code, address in ((MOVSB, 0x11000), (CMPSB, 0x21000)):
        cpu = machine(code, 0x11000, 0x21000)
        page_tables(cpu, absent=[0x11000, 0x21000])
        assert cpu.run(steps=1).cr2 == address


def test_a_segment_limit_stops_at_the_last_whole_element():
    cpu = machine(REP + STOSD, edi=0, ecx=100, eax=-1)
    cpu.load_segment("es", 0x33, 0x20000, 0x2A, 0x40F300)       # 43 bytes
    result = cpu.run(steps=1)
    assert (result.vector, result.error_code) == (GENERAL_PROTECTION, 0)
    assert (cpu.edi, cpu.ecx, cpu.eip) == (40, 90, 0x100)
    assert cpu.read(0x20000, 48) == b"\xFF" * 40 + bytes(8)


def test_an_expand_down_segment_is_left_at_its_lower_end():
    cpu = machine(REP + STOSB, edi=0x1003, ecx=100, eax=0xFF, flags=DF)
    cpu.load_segment("es", 0x33, 0x20000, 0xFFF, 0x40F700)
    assert cpu.run(steps=1).vector == GENERAL_PROTECTION
    assert (cpu.edi, cpu.ecx) == (0xFFF, 96)
    assert cpu.read(0x20FFE, 7) == bytes(2) + b"\xFF" * 4 + bytes(1)


def test_the_trap_flag_stops_after_each_element():
    cpu = machine(REP + MOVSB, ecx=3, flags=TF)
    for left in (2, 1, 0):
        result = cpu.run(steps=1)
        assert (result.reason, result.vector) == ("exception", DEBUG)
        assert (cpu.ecx, cpu.eip) == (left, 0x100 if left else 0x102)


def test_a_watchpoint_stops_behind_the_element_that_hit_it():
    cpu = machine(REP + STOSB, ecx=10000, eax=1)
    cpu.watchpoint_insert(0x20000 + 5000, 1)
    cpu.run(steps=1)
    assert (cpu.ecx, cpu.edi, cpu.eip) == (10000 - 5001, 0x20000 + 5001, 0x100)


def test_an_interrupt_gets_in_between_two_chunks():
    """The device that is written asks the CPU to stop; it does so before the count is used up, and goes on later."""
    physmap, ram, seen = PhysMap(), mmap.mmap(-1, 0x20000), []
    physmap.add_ram(0, ram)
    physmap.map_ram(0, 0x20000, 0)
    cpu = VCPU("qemu32", physmap)

    def write(port, value, size):
        seen.append(value)
        cpu.kick()

    physmap.map_ports(0, 65536, physmap.add_slot(lambda port, size: 0, write))
    ram[0x100:0x103] = REP + OUTSB + b"\xF4"
    ram[0x0FFA:0x1004] = bytes(range(10))
    cpu.cs, cpu.ds, cpu.eip, cpu.edx, cpu.esi, cpu.ecx = 0, 0, 0x100, 0x60, 0x0FFA, 10
    cpu.exec()
    assert (len(seen), cpu.ecx, cpu.esi, cpu.eip) == (6, 4, 0x1000, 0x100)      # up to the end of the page
    cpu.exec()
    while cpu.ecx:
        cpu.exec()
    assert seen == list(range(10))


def test_16_bit_addresses_wrap_at_64_kib():
    cpu = CPU(ram=RAM, mode="reset")
    cpu.cs, cpu.ds, cpu.es = 0, 0x1000, 0x3000
    cpu.write(0x100, REP + MOVSB)
    cpu.write(0x1FFF0, PATTERN[:16])
    cpu.write(0x10000, PATTERN[16:48])
    cpu.eip, cpu.esi, cpu.edi, cpu.ecx = 0x100, 0x1234FFF0, 0x8000, 0x55550030
    cpu.run(steps=1)
    assert cpu.read(0x38000, 0x31) == PATTERN[:0x30] + b"\0"
    assert (cpu.esi, cpu.edi, cpu.ecx) == (0x12340020, 0x8030, 0x55550000)


@pytest.mark.parametrize("opcode, code", ((STOSB, b"\x90"), (STOSD, b"\x90\x90\x90\x90")))
def test_rep_stos_over_the_code_behind_it_is_seen_at_once(opcode, code):
    cpu = machine(REP + opcode + b"\x40" * 64 + b"\xF4", edi=0x102, ecx=64 // len(code), eax=0x90909090)
    assert cpu.run(steps=100).reason == "hlt"
    assert cpu.eax == 0x90909090                                # none of the INC EAX was executed
    assert cpu.read(0x102, 64) == b"\x90" * 64


def test_rep_movs_over_itself_executes_the_new_bytes_from_then_on():
    """REP STOSB writes NOPs from its own first byte: the REP goes on, what follows is new."""
    cpu = machine(REP + STOSB + b"\x40" * 14 + b"\xF4", edi=0x102, ecx=14, eax=0x90)
    cpu.run(steps=100)
    assert cpu.eax == 0x90
    cpu = machine(REP + STOSB + b"\x40\x40\xF4", edi=0x100, ecx=4, eax=0x90)
    cpu.run(steps=100)
    assert cpu.read(0x100, 5) == b"\x90" * 4 + b"\xF4"
    assert cpu.eax == 0x90


# ---------------------------------------------------------------- devices
def test_memory_that_is_a_device_sees_every_element():
    seen = []
    cpu = machine(REP + MOVSD, 0x10002, RAM, 5, on_access=lambda address, size, write, value: seen.append((address, size, write, value)))
    cpu.write(0x10002, PATTERN[:20])
    cpu.run(steps=1)
    assert seen == [(RAM + 4 * i, 4, True, int.from_bytes(PATTERN[4 * i:4 * i + 4], "little")) for i in range(5)]


def test_a_device_is_not_read_when_the_store_would_fault():
    seen = []
    cpu = machine(MOVSB, 0x30000, 0x21000, on_access=lambda *access: seen.append(access) or 0)
    page_tables(cpu, absent=[0x21000])
    cpu.write(0x81000 + 4 * 0x30, (RAM | 7).to_bytes(4, "little"))      # the source page is the device
    assert cpu.run(steps=1).cr2 == 0x21000
    assert seen == []


@pytest.mark.parametrize("size, opcode", ((1, INSB), (2, b"\x66" + INSD), (4, INSD)))
@pytest.mark.parametrize("direction", (1, -1))
def test_rep_ins_reads_the_port_once_for_each_element(size, opcode, direction):
    values = iter(range(1, 10000))
    cpu = machine(REP + opcode, edi=0x21003, ecx=2500, flags=DF if direction < 0 else 2,
                  on_port=lambda port, width, write, value: next(values))
    cpu.run(steps=1)
    items = [(i & (1 << 8 * size) - 1).to_bytes(size, "little") for i in range(1, 2501)]
    low = 0x21003 if direction > 0 else 0x21003 - 2499 * size
    assert cpu.read(low, 2500 * size) == b"".join(items[::direction])
    assert (cpu.edi, cpu.ecx, next(values)) == (0x21003 + direction * 2500 * size, 0, 2501)


def test_rep_outs_writes_the_port_in_order():
    seen = []
    cpu = machine(REP + OUTSB, esi=0x10FFD, ecx=6, on_port=lambda port, size, write, value: seen.append((port, size, write, value)))
    cpu.write(0x10FFD, b"qemu!\n")
    cpu.run(steps=1)
    assert seen == [(0x60, 1, True, c) for c in b"qemu!\n"]
    assert cpu.esi == 0x11003


def test_ins_does_not_read_the_port_when_memory_cannot_be_written():
    reads = []
    cpu = machine(REP + INSB, edi=0x20FFE, ecx=4, on_port=lambda *access: reads.append(access) or 7)
    page_tables(cpu, read_only=[0x21000])
    result = cpu.run(steps=1)
    assert (result.vector, result.error_code, result.cr2) == (PAGE_FAULT, 3, 0x21000)
    assert (len(reads), cpu.ecx, cpu.edi) == (2, 2, 0x21000)


def test_user_mode_needs_permission_for_the_port_even_when_the_count_is_zero():
    cpu = machine(REP + INSB, ecx=0)
    cpu.load_segment("cs", 0x23, 0, 0xFFFFFFFF, 0xC0FA00 | 1 << 8)
    cpu.cpl = 3
    cpu.write(102, b"\xFF\xFF")                                 # TSS at 0: the I/O map lies beyond its limit
    assert cpu.run(steps=1).vector == GENERAL_PROTECTION
