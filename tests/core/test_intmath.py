"""Shifts, multiplication, division, bits, decimal adjust and frames, restated from the SDM (vol. 2), and the
flags that it leaves undefined as Intel silicon has them."""
import itertools

import numpy as np
import pytest

from qemu_py import CPU
from tests.core.oracle.host import RECORD

CF, PF, AF, ZF, SF, OF = 0x001, 0x004, 0x010, 0x040, 0x080, 0x800
SIX = CF | PF | AF | ZF | SF | OF
EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
DE, BR, PAGE_FAULT, NO_FAULT = 0, 5, 14, 1
O16 = b"\x66"
WINDOW = 0x20000800             # 256 bytes of memory for the instruction under test
BITS = {8: 0xFF, 16: 0xFFFF, 32: 0xFFFFFFFF}


def execute(cases):
    """Run (code, {register: value}, flags, memory) each; a structured array of the states after."""
    records = np.zeros(len(cases), RECORD)
    records["mode"] = 32
    records["fx"][:, 0:2] = (0x7F, 0x03)
    records["fx"][:, 24:26] = (0x80, 0x1F)
    records["gpr"][:, ESP] = WINDOW + 0x80
    for record, (code, registers, flags, memory) in zip(records, cases):
        record["code"][:len(code)] = list(code)
        record["codelen"] = len(code)
        for register, value in registers.items():
            record["gpr"][register] = value
        record["rflags"] = flags
        record["data"][:len(memory)] = list(memory)
    CPU.batch(records)
    return records


def one(code, registers=(), flags=0, memory=b""):
    return execute([(code, dict(registers), flags, memory)])[0]


def szp(value, bits):
    value &= BITS[bits]
    return (SF if value >> (bits - 1) else 0) | (0 if value else ZF) | (0 if bin(value & 0xFF).count("1") & 1 else PF)


def at_window(opcode, reg, tail=b""):
    """Instruction with the memory operand [WINDOW]."""
    return opcode + bytes([0x05 | reg << 3]) + WINDOW.to_bytes(4, "little") + tail


VALUES = {8: (0, 1, 0x7F, 0x80, 0xC3, 0xFF), 16: (0, 1, 0x7FFF, 0x8000, 0xC35A, 0xFFFF),
          32: (0, 1, 0x7FFFFFFF, 0x80000000, 0xC35A1234, 0xFFFFFFFF)}
COUNTS = (0, 1, 2, 7, 8, 9, 15, 16, 17, 18, 27, 31, 32, 33, 200)
OPCODES = {8: (b"\xC0", b"\xD2"), 16: (O16 + b"\xC1", O16 + b"\xD3"), 32: (b"\xC1", b"\xD3")}   # by Ib, by CL


def shifted(kind, x, count, flags, bits, of_stays):
    """(result, flags) of SHL, SHR, SAR, ROL, ROR, RCL, RCR: a step at a time."""
    count &= 31
    if kind in ("rcl", "rcr"):
        count %= bits + 1
    if count == 0:
        return x, flags
    top, carry, first_overflow = bits - 1, flags & CF, None
    for _ in range(count):
        before = x
        if kind in ("shl", "rol", "rcl"):
            carry, low = x >> top, {"shl": 0, "rol": x >> top, "rcl": carry}[kind]
            x = (x << 1 | low) & BITS[bits]
        else:
            carry, high = x & 1, {"shr": 0, "sar": x >> top, "ror": x & 1, "rcr": carry}[kind]
            x = x >> 1 | high << top
        if first_overflow is None:
            first_overflow = OF if (before ^ x) >> top else 0
    out = (flags & OF if of_stays else first_overflow) | (CF if carry else 0)
    if kind in ("shl", "shr", "sar"):
        return x, out | szp(x, bits)
    return x, out | flags & (SF | ZF | AF | PF)


@pytest.mark.parametrize("bits", (8, 16, 32))
@pytest.mark.parametrize("number, kind", list(enumerate(("rol", "ror", "rcl", "rcr", "shl", "shr", "shl", "sar"))))
def test_shifts_and_rotates_step_by_step_in_every_form(bits, number, kind):
    by_imm, by_cl = OPCODES[bits]
    cases, expected = [], []
    for x, count, flags in itertools.product(VALUES[bits], COUNTS, (0, CF | AF | OF, SIX)):
        for form in ("imm", "cl", "mem imm", "mem cl"):
            imm = "imm" in form
            if "mem" in form:
                code = at_window(by_imm if imm else by_cl, number, bytes([count]) if imm else b"")
            else:
                code = (by_imm if imm else by_cl) + bytes([0xC3 | number << 3]) + (bytes([count]) if imm else b"")
            cases.append((code, {EBX: x, ECX: count}, flags, x.to_bytes(4, "little")))
            stays = form == "imm" and kind in ("rol", "ror") and count & 31 != 1
            expected.append((form, *shifted(kind, x, count, flags, bits, stays)))
    for case, (form, result, flags), after in zip(cases, expected, execute(cases)):
        got = int.from_bytes(after["data"][:4].tobytes(), "little") if "mem" in form else int(after["gpr"][EBX])
        assert (got, int(after["rflags"]) & SIX) == (result, flags), (form, case)


@pytest.mark.parametrize("bits", (16, 32))
@pytest.mark.parametrize("opcode, left", ((0xA5, True), (0xAD, False)))
def test_double_shifts_take_bits_from_the_second_operand(bits, opcode, left):
    """Counts over 16 of a 16-bit SHLD or SHRD go on with the first operand again."""
    cases, expected = [], []
    for x, y, count in itertools.product(VALUES[bits], VALUES[bits], COUNTS):
        cases.append(((O16 if bits == 16 else b"") + bytes([0x0F, opcode, 0xD3]), {EBX: x, EDX: y, ECX: count}, SIX, b""))
        n = count & 31
        if n == 0:
            expected.append((x, SIX))
            continue
        wide = x << 2 * bits | y << bits | x
        if left:
            result, carry = wide << n >> 2 * bits & BITS[bits], wide << n >> 3 * bits & 1
            overflow = (x ^ x << 1) >> (bits - 1) & 1
        else:
            result, carry = wide >> n & BITS[bits], wide >> (n - 1) & 1
            overflow = (x >> (bits - 1) ^ y) & 1
        expected.append((result, szp(result, bits) | carry * CF | overflow * OF))
    for case, (result, flags), after in zip(cases, expected, execute(cases)):
        assert (int(after["gpr"][EBX]), int(after["rflags"]) & SIX) == (result, flags), case


def signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) else value


@pytest.mark.parametrize("bits", (8, 16, 32))
@pytest.mark.parametrize("is_signed", (False, True))
def test_one_operand_multiplication_gives_the_double_product(bits, is_signed):
    """C = O = the upper half matters; S and P are the lower half's, Z and A are 0."""
    opcode = {8: b"\xF6", 16: O16 + b"\xF7", 32: b"\xF7"}[bits] + bytes([0xEB if is_signed else 0xE3])
    pairs = list(itertools.product(VALUES[bits], VALUES[bits]))
    states = execute([(opcode, {EAX: a, EBX: b}, SIX, b"") for a, b in pairs])
    for (a, b), after in zip(pairs, states):
        product = signed(a, bits) * signed(b, bits) if is_signed else a * b
        low, high = product & BITS[bits], product >> bits & BITS[bits]
        matters = product != signed(low, bits) if is_signed else high != 0
        if bits == 8:
            assert after["gpr"][EAX] & 0xFFFF == product & 0xFFFF
        else:
            assert (after["gpr"][EAX] & BITS[bits], after["gpr"][EDX] & BITS[bits]) == (low, high)
        assert int(after["rflags"]) & SIX == (szp(low, bits) & (SF | PF)) | (CF | OF if matters else 0)


@pytest.mark.parametrize("code, factor", ((b"\x0F\xAF\xC3", None), (b"\x6B\xC3\x85", -0x7B), (b"\x69\xC3\x00\x00\x01\x80", -0x7FFF0000)))
def test_two_and_three_operand_multiplication_truncates(code, factor):
    for a, b in itertools.product(VALUES[32], VALUES[32]):
        product = signed(b, 32) * (signed(a, 32) if factor is None else factor)
        after = one(code, {EAX: a, EBX: b}, SIX)
        assert after["gpr"][EAX] == product & 0xFFFFFFFF
        assert bool(after["rflags"] & CF) == bool(after["rflags"] & OF) == (product != signed(product & 0xFFFFFFFF, 32))


@pytest.mark.parametrize("bits", (8, 16, 32))
@pytest.mark.parametrize("is_signed", (False, True))
def test_division_truncates_toward_zero_and_faults_when_the_quotient_does_not_fit(bits, is_signed):
    opcode = {8: b"\xF6", 16: O16 + b"\xF7", 32: b"\xF7"}[bits] + bytes([0xFB if is_signed else 0xF3])
    triples = list(itertools.product(VALUES[bits], VALUES[bits], VALUES[bits]))
    cases = [(opcode, {EAX: high << 8 | low if bits == 8 else low, EDX: high, EBX: by}, SIX, b"") for high, low, by in triples]
    for (high, low, by), case, after in zip(triples, cases, execute(cases)):
        dividend = high << bits | low
        if is_signed:
            dividend, by = signed(dividend, 2 * bits), signed(by, bits)
        quotient = abs(dividend) // abs(by) * (-1 if (dividend < 0) != (by < 0) else 1) if by else None
        limits = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, BITS[bits])
        if quotient is None or not limits[0] <= quotient <= limits[1]:
            assert (after["trapno"], after["gpr"][EAX], after["gpr"][EDX]) == (DE, case[1][EAX], high), case
            continue
        remainder = (dividend - quotient * by) & BITS[bits]
        assert after["trapno"] == NO_FAULT and int(after["rflags"]) & SIX == SIX
        if bits == 8:
            assert after["gpr"][EAX] & 0xFFFF == (quotient & 0xFF) | remainder << 8
        else:
            assert (after["gpr"][EAX] & BITS[bits], after["gpr"][EDX] & BITS[bits]) == (quotient & BITS[bits], remainder)


@pytest.mark.parametrize("opcode, change", ((0xA3, lambda x, m: x), (0xAB, lambda x, m: x | m),
                                            (0xB3, lambda x, m: x & ~m), (0xBB, lambda x, m: x ^ m)))
def test_bit_offsets_in_a_register_reach_beyond_the_operand_in_memory_both_ways(opcode, change):
    memory = bytes(range(0x40, 0x80)) * 4
    number = int.from_bytes(memory, "little")
    for offset, osz in itertools.product((0, 5, 31, 32, 100, 1000, -1, -32, -33, -500), (O16, b"")):
        code = osz + bytes([0x0F, opcode, 0x0D]) + (WINDOW + 64).to_bytes(4, "little")
        after = one(code, {ECX: offset & 0xFFFFFFFF}, SIX & ~CF, memory)
        place = 64 * 8 + offset
        assert int(after["rflags"]) & SIX == SIX & ~CF | number >> place & 1
        assert int.from_bytes(after["data"].tobytes(), "little") == change(number, 1 << place)


def test_bit_scans_leave_the_destination_when_there_is_no_bit():
    assert one(b"\x0F\xBC\xC3", {EAX: 77, EBX: 0})["gpr"][EAX] == 77
    after = one(b"\x0F\xBD\xC3", {EAX: 77, EBX: 0}, SIX)
    assert after["gpr"][EAX] == 77 and int(after["rflags"]) & SIX == ZF | PF
    for bit in range(32):
        value = 1 << bit
        assert one(b"\x0F\xBC\xC3", {EBX: value | 0x80000000})["gpr"][EAX] == bit
        after = one(b"\x0F\xBD\xC3", {EBX: value | 1}, SIX)
        assert after["gpr"][EAX] == bit
        assert int(after["rflags"]) & SIX == (0 if bin(bit).count("1") & 1 else PF)


def test_bswap_of_a_word_register_clears_it():
    assert one(b"\x0F\xC8", {EAX: 0x12345678})["gpr"][EAX] == 0x78563412
    assert one(O16 + b"\x0F\xC8", {EAX: 0x12345678})["gpr"][EAX] == 0x12340000


def adjusted(kind, al, ah, flags):
    """The SDM's pseudo-code of DAA, DAS, AAA, AAS: (AL, AH, flags)."""
    carry, half = flags & CF, flags & AF
    out = 0
    if kind in ("daa", "das"):
        old = al
        sign = 1 if kind == "daa" else -1
        if al & 15 > 9 or half:
            if kind == "das" and (carry or al < 6):
                out |= CF
            al = (al + sign * 6) & 0xFF
            out |= AF
        if old > 0x99 or carry:
            al = (al + sign * 0x60) & 0xFF
            out |= CF
        return al, ah, out | szp(al, 8)
    if al & 15 > 9 or half:
        ax = (ah << 8 | al) + (0x106 if kind == "aaa" else -0x106)
        al, ah, out = ax & 0xFF, ax >> 8 & 0xFF, AF | CF
    al &= 15
    return al, ah, out | szp(al, 8)


@pytest.mark.parametrize("opcode, kind", ((0x27, "daa"), (0x2F, "das"), (0x37, "aaa"), (0x3F, "aas")))
def test_decimal_adjust_of_every_al(opcode, kind):
    cases = [(bytes([opcode]), {EAX: ah << 8 | al}, flags, b"")
             for al in range(256) for ah in (0, 0x55, 0xFF) for flags in (0, CF, AF, CF | AF)]
    for case, after in zip(cases, execute(cases)):
        al, ah, flags = adjusted(kind, case[1][EAX] & 0xFF, case[1][EAX] >> 8, case[2])
        assert (int(after["gpr"][EAX]), int(after["rflags"]) & SIX) == (ah << 8 | al, flags), case


def test_ascii_adjust_before_division_and_after_multiplication():
    after = one(b"\xD4\x0A", {EAX: 0xFF3B}, SIX)                # AAM
    assert after["gpr"][EAX] == 0x0509 and int(after["rflags"]) & SIX == szp(9, 8)
    assert one(b"\xD4\x00", {EAX: 0xFF3B})["trapno"] == DE
    after = one(b"\xD5\x0A", {EAX: 0x0509}, SIX)                # AAD: flags of the addition 9 + 50
    assert after["gpr"][EAX] == 59 and int(after["rflags"]) & SIX == szp(59, 8)
    after = one(b"\xD5\x10", {EAX: 0x0F1F}, 0)
    assert after["gpr"][EAX] == 0x0F and int(after["rflags"]) & SIX == CF | PF


def test_xadd_exchanges_and_adds_also_with_itself():
    after = one(b"\x0F\xC1\xD3", {EBX: 0xFFFFFFFF, EDX: 2})
    assert (after["gpr"][EBX], after["gpr"][EDX]) == (1, 0xFFFFFFFF)
    assert int(after["rflags"]) & SIX == CF | AF
    assert one(b"\x0F\xC1\xDB", {EBX: 21})["gpr"][EBX] == 42
    after = one(b"\xF0" + at_window(b"\x0F\xC1", EDX), {EDX: 5}, memory=b"\x03\0\0\0")
    assert after["data"][0] == 8 and after["gpr"][EDX] == 3


def test_cmpxchg_stores_when_equal_and_loads_the_accumulator_when_not():
    after = one(b"\x0F\xB1\xD3", {EAX: 7, EBX: 7, EDX: 9})
    assert (after["gpr"][EAX], after["gpr"][EBX]) == (7, 9) and after["rflags"] & ZF
    after = one(b"\x0F\xB1\xD3", {EAX: 6, EBX: 7, EDX: 9})
    assert (after["gpr"][EAX], after["gpr"][EBX]) == (7, 7) and int(after["rflags"]) & SIX == CF | AF | SF | PF
    after = one(at_window(b"\x0F\xC7", 1), {EAX: 1, EDX: 2, EBX: 3, ECX: 4}, SIX & ~ZF, b"\x01\0\0\0\x02\0\0\0")
    assert after["data"][:8].tobytes() == b"\x03\0\0\0\x04\0\0\0" and int(after["rflags"]) & SIX == SIX
    after = one(at_window(b"\x0F\xC7", 1), {EAX: 1, EDX: 2}, SIX, b"\x05\0\0\0\x06\0\0\0")
    assert (after["gpr"][EAX], after["gpr"][EDX]) == (5, 6) and int(after["rflags"]) & SIX == SIX & ~ZF


def test_bound_is_signed_and_includes_both_ends():
    memory = (-5 & 0xFFFFFFFF).to_bytes(4, "little") + (5).to_bytes(4, "little")
    for index, vector in ((-6, BR), (-5, NO_FAULT), (0, NO_FAULT), (5, NO_FAULT), (6, BR)):
        assert one(at_window(b"\x62", EBX), {EBX: index & 0xFFFFFFFF}, memory=memory)["trapno"] == vector


def test_xlat_indexes_by_al_zero_extended():
    memory = bytes(255 - i for i in range(256))
    for al in (0, 1, 0x80, 0xFF):
        assert one(b"\xD7", {EAX: 0x1234500 | al, EBX: WINDOW}, memory=memory)["gpr"][EAX] == 0x1234500 | 255 - al


# ---------------------------------------------------------------- frames
@pytest.fixture
def cpu():
    cpu = CPU(ram=1 << 16)
    cpu.esp = 0x8000
    return cpu


def dwords(cpu, address, count):
    data = cpu.read(address, 4 * count)
    return [int.from_bytes(data[i:i + 4], "little") for i in range(0, 4 * count, 4)]


def test_enter_copies_the_display_of_the_enclosing_procedures(cpu):
    cpu.ebp = 0x9000
    cpu.write(0x9000 - 8, b"\x11\x11\x11\x11\x22\x22\x22\x22")
    cpu.write(0, b"\xC8\x10\x00\x03")
    cpu.run(steps=1)
    assert (cpu.ebp, cpu.esp) == (0x7FFC, 0x8000 - 16 - 0x10)
    assert dwords(cpu, 0x7FF0, 4) == [0x7FFC, 0x11111111, 0x22222222, 0x9000]


def test_enter_faults_when_the_final_stack_pointer_cannot_be_written(cpu):
    cpu.esp = 0x100
    cpu.ebp = 0x9000
    cpu.write(0, b"\xC8\x00\x02\x00")                            # to FFFFFEFCh
    assert cpu.run(steps=1).reason == "unmapped"
    assert (cpu.esp, cpu.ebp, cpu.eip) == (0x100, 0x9000, 0)


def test_pusha_stores_the_old_esp_and_popa_drops_it(cpu):
    for i, name in enumerate(("eax", "ecx", "edx", "ebx", "ebp", "esi", "edi")):
        setattr(cpu, name, 0x101 * i)
    cpu.write(0, b"\x60\x61")
    cpu.run(steps=1)
    assert cpu.esp == 0x8000 - 32
    assert dwords(cpu, 0x7FE0, 8) == [0x606, 0x505, 0x404, 0x8000, 0x303, 0x202, 0x101, 0]
    cpu.write(0x7FE0 + 12, b"\xEE" * 4)
    cpu.eax = 1
    cpu.run(steps=1)
    assert (cpu.esp, cpu.eax, cpu.edi) == (0x8000, 0, 0x606)


def test_a_16_bit_stack_pointer_wraps_and_leaves_the_upper_half():
    cpu = CPU(ram=1 << 20, mode="reset")
    cpu.cs, cpu.ss, cpu.ds = 0, 0x1000, 0
    cpu.eip, cpu.esp, cpu.bp = 0x100, 0x55550000, 0x77
    cpu.write(0x100, b"\xC8\x04\x00\x00")                        # enter 4, 0
    cpu.run(steps=1)
    assert (cpu.esp, cpu.bp) == (0x5555FFFA, 0xFFFE)
    assert cpu.read(0x1FFFE, 2) == b"\x77\x00"
