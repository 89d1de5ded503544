"""The x87 as a program sees it: words, stack, exceptions, comparisons, conversions (SDM vol. 1, chapter 8)."""
import math
import struct

import pytest

from qemu_py import CPU

CODE, DATA = 0x1000, 0x8000
IE, DE, ZE, OE, UE, PE, SF, ES = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
C0, C1, C2, C3, B = 0x0100, 0x0200, 0x0400, 0x4000, 0x8000
MASKED = 0x037F
NEAREST, DOWN, UP, CHOP = 0x0000, 0x0400, 0x0800, 0x0C00
CF, PF, AF, ZF, SIGN, OF = 0x001, 0x004, 0x010, 0x040, 0x080, 0x800
CR0_MP, CR0_EM, CR0_TS, CR0_NE = 0x02, 0x04, 0x08, 0x20
UD, NM, GP, PAGE_FAULT, MF = 6, 7, 13, 14, 16

INFINITY = struct.pack("<QH", 1 << 63, 0x7FFF)
INDEFINITE = struct.pack("<QH", 3 << 62, 0xFFFF)
SNAN = struct.pack("<QH", 1 << 63 | 5, 0x7FFF)
QNAN = struct.pack("<QH", 3 << 62 | 5, 0x7FFF)
ZERO = struct.pack("<QH", 0, 0)
DENORMAL = struct.pack("<QH", 1, 0)
PSEUDO_DENORMAL = struct.pack("<QH", 1 << 63, 0)
UNNORMAL = struct.pack("<QH", 1, 0x4000)

# instructions
FNINIT, FNCLEX, FWAIT, FNSTSW_AX, FNOP = b"\xDB\xE3", b"\xDB\xE2", b"\x9B", b"\xDF\xE0", b"\xD9\xD0"
FLD1, FLDZ, FLDPI = b"\xD9\xE8", b"\xD9\xEE", b"\xD9\xEB"
FADDP, FDIVP, FDIV_ST0_ST1 = b"\xDE\xC1", b"\xDE\xF9", b"\xD8\xF1"


def at(opcode, reg, address=DATA):
    """An instruction with a memory operand at an absolute address."""
    return bytes([opcode, reg << 3 | 5]) + struct.pack("<I", address)


def extended(x):
    """A Python float as the 10 bytes of an extended real."""
    if x == 0:
        return struct.pack("<QH", 0, 0x8000 if math.copysign(1, x) < 0 else 0)
    mantissa, exponent = math.frexp(abs(x))
    return struct.pack("<QH", int(mantissa * 2 ** 64), exponent - 1 + 16383 | (0x8000 if x < 0 else 0))


def state(cpu):
    """The FXSAVE image as a dict."""
    image = cpu.fxsave()
    cw, sw, tags, _, fop, fip, fcs, _, fdp, fds = struct.unpack_from("<HHBBHIHHIH", image)
    return {"cw": cw, "sw": sw & ~0x3800, "top": sw >> 11 & 7, "tags": tags, "fop": fop, "fip": fip, "fcs": fcs,
            "fdp": fdp, "fds": fds, "st": [image[32 + 16 * i:42 + 16 * i] for i in range(8)]}


def load(cpu, *values, cw=MASKED, sw=0):
    """Put 10-byte values into ST(0), ST(1) ...; the others are empty."""
    top = (8 - len(values)) & 7
    image = bytearray(cpu.fxsave())
    struct.pack_into("<HHBB", image, 0, cw, sw | top << 11, sum(1 << (top + i & 7) for i in range(len(values))), 0)
    for i in range(8):
        image[32 + 16 * i:42 + 16 * i] = values[i] if i < len(values) else bytes(10)
    cpu.fxrstor(image)


def run(cpu, *code):
    """Run the instructions; gives the vector of the fault that ended them, or None."""
    code = b"".join(code)
    cpu.write(CODE, code + b"\xF4")
    cpu.eip = CODE
    result = cpu.run(steps=1000)
    assert result.reason in ("hlt", "exception")
    return result.vector


@pytest.fixture
def cpu():
    cpu = CPU("pentium3", ram=1 << 20)
    cpu.cr0 |= CR0_NE
    run(cpu, FNINIT)
    return cpu


# ---------------------------------------------------------------- words and tags
def test_fninit_masks_everything_and_empties_the_stack(cpu):
    run(cpu, FLD1, FNINIT)
    s = state(cpu)
    assert (s["cw"], s["sw"], s["top"], s["tags"]) == (0x037F, 0, 0, 0)
    assert (s["fop"], s["fip"], s["fdp"]) == (0, 0, 0)


@pytest.mark.parametrize("written, read", [(0x0000, 0x0040), (0xFFFF, 0x1F7F), (0x1332, 0x1372)])
def test_reserved_bits_of_the_control_word_do_not_stick(cpu, written, read):
    cpu.write(DATA, struct.pack("<H", written))
    run(cpu, at(0xD9, 5), at(0xD9, 7, DATA + 4))
    assert struct.unpack("<H", cpu.read(DATA + 4, 2))[0] == read


def test_unmasking_a_flagged_exception_sets_es_and_faults_at_the_next_wait(cpu):
    load(cpu, sw=ZE)
    cpu.write(DATA, struct.pack("<H", MASKED & ~ZE))
    assert run(cpu, at(0xD9, 5), FNSTSW_AX, FWAIT) == MF
    assert cpu.ax & 0xFF == ZE | ES
    assert state(cpu)["sw"] == ZE | ES | B


def test_fnstenv_stores_the_status_and_then_masks_everything(cpu):
    load(cpu, cw=MASKED & ~ZE, sw=ZE | ES | B)
    assert run(cpu, at(0xD9, 6), FWAIT) is None
    cw, sw = struct.unpack("<II", cpu.read(DATA, 8))
    assert (cw, sw) == (0xFFFF0000 | MASKED & ~ZE, 0xFFFF0000 | ZE | ES | B)
    assert (state(cpu)["cw"], state(cpu)["sw"]) == (MASKED, ZE)


def test_the_tag_word_tells_valid_zero_special_and_empty(cpu):
    load(cpu, extended(1.0), ZERO, INFINITY, DENORMAL, PSEUDO_DENORMAL, UNNORMAL)
    run(cpu, at(0xD9, 6))
    assert struct.unpack_from("<I", cpu.read(DATA, 12), 8)[0] == 0xFFFF0000 | 0b10_10_10_10_01_00_11_11


# ---------------------------------------------------------------- arithmetic
def test_a_sum_is_rounded_to_the_precision_that_is_set(cpu):
    third = struct.pack("<QH", 0xAAAAAAAAAAAAAAAB, 0x3FFD)
    for cw, significand in ((0x007F, 0xAAAAAB0000000000), (0x027F, 0xAAAAAAAAAAAAA800), (0x037F, 0xAAAAAAAAAAAAAAAB)):
        load(cpu, third, ZERO, cw=cw)
        run(cpu, b"\xD8\xC1")                                       # fadd st, st(1)
        assert struct.unpack("<QH", state(cpu)["st"][0]) == (significand, 0x3FFD)


@pytest.mark.parametrize("code, expected", [
    (b"\xD8\xE1", 3 - 8), (b"\xD8\xE9", 8 - 3), (b"\xD8\xF1", 3 / 8), (b"\xD8\xF9", 8 / 3)])
def test_d8_takes_st0_as_the_left_operand_and_the_r_forms_swap(cpu, code, expected):
    load(cpu, extended(3.0), extended(8.0), cw=0x027F)
    run(cpu, code)
    assert state(cpu)["st"][0] == extended(expected)


@pytest.mark.parametrize("code, expected", [
    (b"\xDC\xE9", 8 - 3), (b"\xDC\xE1", 3 - 8), (b"\xDC\xF9", 8 / 3), (b"\xDC\xF1", 3 / 8)])
def test_dc_has_the_r_forms_the_other_way_round(cpu, code, expected):
    load(cpu, extended(3.0), extended(8.0), cw=0x027F)
    run(cpu, code)
    assert state(cpu)["st"][:2] == [extended(3.0), extended(expected)]


@pytest.mark.parametrize("opcode, operand", [
    (0xD8, struct.pack("<f", 2.5)), (0xDC, struct.pack("<d", 2.5)), (0xDA, struct.pack("<i", -7)), (0xDE, struct.pack("<h", -7))])
def test_memory_operands_are_reals_and_integers_of_two_sizes(cpu, opcode, operand):
    value = 2.5 if opcode in (0xD8, 0xDC) else -7
    cpu.write(DATA, operand + b"\xFF" * 8)
    load(cpu, extended(10.0))
    run(cpu, at(opcode, 4))                                         # (i)sub
    assert state(cpu)["st"][0] == extended(10 - value)


def test_the_larger_significand_of_two_nans_wins_and_is_quiet(cpu):
    larger = struct.pack("<QH", 1 << 63 | 0xFF, 0xFFFF)
    load(cpu, SNAN, larger)
    run(cpu, b"\xD8\xC1")
    assert state(cpu)["st"][0] == struct.pack("<QH", 3 << 62 | 0xFF, 0xFFFF)
    assert state(cpu)["sw"] & IE


def test_unsupported_formats_are_invalid_and_give_the_indefinite(cpu):
    load(cpu, UNNORMAL, extended(1.0))
    run(cpu, b"\xD8\xC1")
    assert state(cpu)["st"][0] == INDEFINITE
    assert state(cpu)["sw"] & IE


def test_a_masked_division_by_zero_gives_infinity(cpu):
    assert run(cpu, FLD1, FLDZ, FDIVP) is None
    assert (state(cpu)["st"][0], state(cpu)["sw"]) == (INFINITY, ZE)


def test_flags_are_sticky_until_fnclex_and_come_back_afterwards(cpu):
    run(cpu, FLD1, FLDZ, FDIVP)
    assert state(cpu)["sw"] == ZE
    run(cpu, FNCLEX, FLD1, FLD1, FADDP)
    assert state(cpu)["sw"] == 0
    run(cpu, FLD1, FLDZ, FDIVP)
    assert state(cpu)["sw"] == ZE


def test_c1_tells_the_direction_of_rounding(cpu):
    for rounding, c1 in ((DOWN, 0), (UP, C1)):
        load(cpu, extended(1.0), extended(3.0), cw=MASKED & ~CHOP | rounding)
        run(cpu, FDIV_ST0_ST1)
        assert state(cpu)["sw"] == PE | c1


def test_the_hosts_own_long_double_arithmetic_is_left_as_it_was(cpu):
    numpy = pytest.importorskip("numpy")
    before = numpy.longdouble(1) / numpy.longdouble(3)
    load(cpu, extended(1.0), extended(3.0), cw=0x0C70)              # single precision, chop, unmasked
    run(cpu, FDIV_ST0_ST1, FLDPI)
    assert numpy.longdouble(1) / numpy.longdouble(3) == before


def test_the_hosts_own_exception_flags_do_not_reach_the_guest(cpu):
    numpy = pytest.importorskip("numpy")
    run(cpu, FNCLEX)
    with numpy.errstate(all="ignore"):
        assert numpy.isinf(numpy.longdouble(1) / numpy.longdouble(0))
        assert numpy.isfinite(numpy.longdouble(1) / numpy.longdouble(3))
    run(cpu, FLD1, FLD1, FADDP, at(0xDD, 3))
    assert state(cpu)["sw"] == 0


# ---------------------------------------------------------------- the stack
def test_a_push_on_a_full_stack_is_an_invalid_operation_with_c1(cpu):
    load(cpu, *[extended(1.0)] * 8)
    run(cpu, FLDPI)
    s = state(cpu)
    assert (s["sw"], s["top"], s["st"][0]) == (IE | SF | C1, 7, INDEFINITE)


def test_an_empty_operand_is_an_invalid_operation_without_c1(cpu):
    load(cpu, extended(1.0))
    run(cpu, b"\xD8\xC3")
    s = state(cpu)
    assert (s["sw"], s["st"][0]) == (IE | SF, INDEFINITE)


def test_an_unmasked_stack_overflow_pushes_nothing(cpu):
    load(cpu, *[extended(2.0)] * 8, cw=MASKED & ~IE)
    assert run(cpu, FLD1, FWAIT) == MF
    s = state(cpu)
    assert (s["sw"], s["top"], s["st"][0]) == (IE | SF | C1 | ES | B, 0, extended(2.0))


def test_fincstp_moves_top_and_no_tags(cpu):
    load(cpu, extended(1.0), extended(2.0))
    run(cpu, b"\xD9\xF7")
    s = state(cpu)
    assert (s["top"], s["tags"], s["st"][0]) == (7, 0xC0, extended(2.0))
    run(cpu, b"\xD9\xF6")
    assert state(cpu)["top"] == 6


def test_ffreep_frees_and_pops(cpu):
    load(cpu, extended(1.0), extended(2.0), extended(3.0))
    run(cpu, b"\xDF\xC1")
    assert (state(cpu)["top"], state(cpu)["tags"]) == (6, 0x80)


@pytest.mark.parametrize("alias, documented", [
    (b"\xDC\xD1", b"\xD8\xD1"), (b"\xDC\xD9", b"\xD8\xD9"), (b"\xDD\xC9", b"\xD9\xC9"), (b"\xDF\xC9", b"\xD9\xC9"),
    (b"\xD9\xD9", b"\xDD\xD9"), (b"\xDF\xD1", b"\xDD\xD9"), (b"\xDF\xD9", b"\xDD\xD9"), (b"\xDE\xD1", b"\xD8\xD9")])
def test_undocumented_encodings_do_what_their_documented_twins_do(cpu, alias, documented):
    states = []
    for code in (alias, documented):
        load(cpu, extended(1.0), extended(2.0))
        assert run(cpu, code) is None
        states.append({k: v for k, v in state(cpu).items() if k not in ("fop", "fip")})
    assert states[0] == states[1]


@pytest.mark.parametrize("code", [b"\xD9\xD1", b"\xD9\xE2", b"\xD9\xEF", b"\xDA\xE8", b"\xDB\xE5", b"\xDB\xF8", b"\xDD\xF0",
                                  b"\xDE\xD8", b"\xDF\xE1", b"\xDF\xF8", b"\xD9\x08", b"\xDB\x20", b"\xDD\x28"])
def test_holes_in_the_escape_opcodes_are_undefined(cpu, code):
    assert run(cpu, code) == UD


@pytest.mark.parametrize("code", [b"\xDB\xE0", b"\xDB\xE1", b"\xDB\xE4"])
def test_feni_fdisi_and_fsetpm_neither_act_nor_wait(cpu, code):
    load(cpu, cw=MASKED & ~ZE, sw=ZE | ES | B)
    before = state(cpu)
    assert run(cpu, code) is None
    assert state(cpu) == before


# ---------------------------------------------------------------- unmasked exceptions
def test_an_unmasked_division_by_zero_changes_no_register_and_faults_at_the_next_wait(cpu):
    load(cpu, extended(1.0), ZERO, cw=MASKED & ~ZE)
    assert run(cpu, FDIVP[:1] + b"\xF1", FNSTSW_AX, at(0xD9, 7), FNOP) == MF    # fdivrp st(1): 1 / 0
    s = state(cpu)
    assert s["st"][:2] == [extended(1.0), ZERO]
    assert s["sw"] == ZE | ES | B
    assert cpu.eip == CODE + 2 + 2 + 6


def test_an_unmasked_overflow_stores_nothing_in_memory(cpu):
    load(cpu, extended(1e300), cw=MASKED & ~OE)
    cpu.write(DATA, b"\xAA" * 4)
    assert run(cpu, at(0xD9, 3), FWAIT) == MF
    assert cpu.read(DATA, 4) == b"\xAA" * 4
    assert state(cpu)["tags"] == 0x80


def test_an_unmasked_overflow_in_a_register_wraps_the_exponent(cpu):
    huge = struct.pack("<QH", 1 << 63, 0x7FFE)
    load(cpu, huge, huge, cw=MASKED & ~OE)
    assert run(cpu, b"\xD8\xC9", FWAIT) == MF                       # fmul
    assert state(cpu)["st"][0] == struct.pack("<QH", 1 << 63, 0x7FFE * 2 - 0x3FFF - 24576)


def test_an_unmasked_underflow_needs_no_loss_of_precision(cpu):
    tiny = struct.pack("<QH", 1 << 63, 1)
    half = extended(0.5)
    load(cpu, tiny, half)
    run(cpu, b"\xD8\xC9")
    assert (state(cpu)["sw"], state(cpu)["st"][0]) == (0, struct.pack("<QH", 1 << 62, 0))
    load(cpu, tiny, half, cw=MASKED & ~UE)
    assert run(cpu, b"\xD8\xC9", FWAIT) == MF
    assert state(cpu)["st"][0] == struct.pack("<QH", 1 << 63, 24576)


def test_an_unmasked_precision_exception_stores_the_rounded_result(cpu):
    load(cpu, extended(1.0), extended(3.0), cw=MASKED & ~PE)
    assert run(cpu, FDIV_ST0_ST1, FWAIT) == MF
    assert state(cpu)["st"][0] == struct.pack("<QH", 0xAAAAAAAAAAAAAAAB, 0x3FFD)


@pytest.mark.parametrize("code", [FNINIT, FNCLEX, at(0xD9, 6), at(0xDD, 6), at(0xD9, 7), at(0xDD, 7), FNSTSW_AX])
def test_the_no_wait_forms_run_with_an_exception_pending(cpu, code):
    load(cpu, cw=MASKED & ~ZE, sw=ZE | ES | B)
    assert run(cpu, code) is None


@pytest.mark.parametrize("code", [FWAIT, FNOP, FLD1, at(0xD9, 5), at(0xD9, 4), at(0xDD, 4), b"\xD9\xC9", b"\xD9\xF7"])
def test_everything_else_reports_it(cpu, code):
    load(cpu, cw=MASKED & ~ZE, sw=ZE | ES | B)
    assert run(cpu, code) == MF
    assert cpu.eip == CODE


def test_the_pending_exception_comes_before_the_operands_own_fault(cpu):
    load(cpu, cw=MASKED & ~ZE, sw=ZE | ES | B)
    cpu.load_segment("fs", 0x10, 0, 0xFF, 0x4093 << 8)
    assert run(cpu, b"\x64" + at(0xD9, 0)) == MF
    load(cpu)
    assert run(cpu, b"\x64" + at(0xD9, 0)) == GP


# ---------------------------------------------------------------- CR0
@pytest.mark.parametrize("bit", [CR0_EM, CR0_TS])
def test_em_and_ts_make_every_escape_fault(cpu, bit):
    cpu.cr0 |= bit
    assert run(cpu, FNINIT) == NM
    assert run(cpu, at(0xD9, 0, 0xFFFFFF00)) == NM


@pytest.mark.parametrize("bits, vector", [(CR0_TS, None), (CR0_MP, None), (CR0_MP | CR0_TS, NM), (CR0_EM, None)])
def test_wait_faults_with_mp_and_ts_only(cpu, bits, vector):
    cpu.cr0 = cpu.cr0 & ~(CR0_MP | CR0_EM | CR0_TS) | bits
    assert run(cpu, FWAIT) == vector


# ---------------------------------------------------------------- comparisons
@pytest.mark.parametrize("left, right, codes", [(1.0, 2.0, C0), (2.0, 1.0, 0), (2.0, 2.0, C3)])
def test_fcom_puts_the_order_into_the_condition_codes(cpu, left, right, codes):
    load(cpu, extended(left), extended(right), sw=C0 | C1 | C2 | C3)
    run(cpu, b"\xD8\xD1")
    assert state(cpu)["sw"] == codes


def test_only_the_unordered_comparison_takes_a_quiet_nan_quietly(cpu):
    load(cpu, QNAN, extended(1.0))
    run(cpu, b"\xDD\xE1")                                           # fucom
    assert state(cpu)["sw"] == C0 | C2 | C3
    run(cpu, b"\xD8\xD1")                                           # fcom
    assert state(cpu)["sw"] == C0 | C2 | C3 | IE


@pytest.mark.parametrize("left, right, flags", [(1.0, 2.0, CF), (2.0, 1.0, 0), (2.0, 2.0, ZF)])
@pytest.mark.parametrize("code", [b"\xDB\xF1", b"\xDF\xF1", b"\xDB\xE9", b"\xDF\xE9"])
def test_fcomi_sets_eflags_clears_the_others_and_keeps_the_condition_codes(cpu, code, left, right, flags):
    load(cpu, extended(left), extended(right), sw=C0 | C1 | C2 | C3)
    cpu.eflags |= OF | SIGN | ZF | AF | PF | CF
    run(cpu, code)
    assert cpu.eflags & (OF | SIGN | ZF | AF | PF | CF) == flags
    assert state(cpu)["sw"] == C0 | C1 | C2 | C3
    assert state(cpu)["top"] == (7 if code[0] == 0xDF else 6)


@pytest.mark.parametrize("code, flags, moves", [
    (b"\xDA\xC1", CF, True), (b"\xDA\xC1", 0, False), (b"\xDB\xC1", CF, False), (b"\xDA\xC9", ZF, True), (b"\xDB\xC9", 0, True),
    (b"\xDA\xD1", ZF, True), (b"\xDB\xD1", 0, True), (b"\xDA\xD9", PF, True), (b"\xDB\xD9", PF, False)])
def test_fcmov_moves_when_its_condition_holds(cpu, code, flags, moves):
    load(cpu, extended(1.0), extended(2.0))
    cpu.eflags = cpu.eflags & ~(CF | ZF | PF) | flags
    run(cpu, code)
    assert state(cpu)["st"][0] == extended(2.0 if moves else 1.0)


@pytest.mark.parametrize("value, codes", [
    (UNNORMAL, 0), (QNAN, C0), (extended(1.5), C2), (INFINITY, C2 | C0), (ZERO, C3), (DENORMAL, C3 | C2),
    (extended(-1.5), C2 | C1), (INDEFINITE, C0 | C1)])
def test_fxam_names_the_class_and_the_sign(cpu, value, codes):
    load(cpu, value)
    run(cpu, b"\xD9\xE5")
    assert state(cpu)["sw"] == codes


def test_fxam_of_an_empty_register_says_so_and_raises_nothing(cpu):
    run(cpu, b"\xD9\xE5")
    assert state(cpu)["sw"] & ~C1 == C3 | C0


# ---------------------------------------------------------------- conversions
@pytest.mark.parametrize("rounding, values", [
    (NEAREST, (2, 4, -2, -4)), (DOWN, (2, 3, -3, -4)), (UP, (3, 4, -2, -3)), (CHOP, (2, 3, -2, -3))])
def test_fist_rounds_as_the_control_word_says(cpu, rounding, values):
    for x, expected in zip((2.5, 3.5, -2.5, -3.5), values):
        load(cpu, extended(x), cw=MASKED & ~CHOP | rounding)
        run(cpu, at(0xDB, 2))
        assert struct.unpack("<i", cpu.read(DATA, 4))[0] == expected


@pytest.mark.parametrize("opcode, reg, size", [(0xDF, 3, 2), (0xDB, 3, 4), (0xDF, 7, 8)])
def test_an_integer_that_does_not_fit_is_stored_as_the_indefinite(cpu, opcode, reg, size):
    load(cpu, extended(1e30))
    run(cpu, at(opcode, reg))
    assert cpu.read(DATA, size) == bytes(size - 1) + b"\x80"
    assert state(cpu)["sw"] == IE


def test_packed_decimals_go_both_ways(cpu):
    digits = bytes.fromhex("2143658709") + bytes(4) + b"\x80"
    cpu.write(DATA, digits)
    run(cpu, at(0xDF, 4), at(0xDF, 6, DATA + 16))
    assert cpu.read(DATA + 16, 10) == digits
    load(cpu, extended(1e19))
    run(cpu, at(0xDF, 6))
    assert cpu.read(DATA, 10) == bytes(7) + b"\xC0\xFF\xFF"         # packed decimal indefinite


def test_loading_a_signalling_nan_from_a_real_quiets_it_but_80_bits_are_just_moved(cpu):
    cpu.write(DATA, struct.pack("<I", 0x7F800001) + SNAN)
    run(cpu, at(0xD9, 0), at(0xDB, 5, DATA + 4))
    s = state(cpu)
    assert s["st"][1] == struct.pack("<QH", 3 << 62 | 1 << 40, 0x7FFF)
    assert s["st"][0] == SNAN
    assert s["sw"] == IE


def test_a_store_across_a_page_that_faults_stores_nothing(cpu):
    end = 1 << 20
    cpu.write(end - 4, b"\xAA" * 4)
    load(cpu, extended(1.0))
    cpu.write(CODE, at(0xDB, 7, end - 4))
    cpu.eip = CODE
    assert cpu.run(steps=1).reason == "unmapped"
    assert cpu.read(end - 4, 4) == b"\xAA" * 4
    assert state(cpu)["tags"] == 0x80


# ---------------------------------------------------------------- remainders, transcendentals
def test_fprem_reduces_partially_until_c2_clears_and_leaves_the_quotient(cpu):
    load(cpu, extended(2.0 ** 100 + 2.0 ** 60), extended(3.0))
    steps = 0
    while True:
        run(cpu, b"\xD9\xF8")
        steps += 1
        if not state(cpu)["sw"] & C2:
            break
    assert steps > 1
    assert state(cpu)["st"][0] == extended(float((2 ** 100 + 2 ** 60) % 3))


@pytest.mark.parametrize("quotient", range(8))
def test_fprem_gives_the_quotients_low_bits_in_c0_c3_c1(cpu, quotient):
    load(cpu, extended(quotient * 4.0 + 1), extended(4.0))
    run(cpu, b"\xD9\xF8")
    assert state(cpu)["st"][0] == extended(1.0)
    assert state(cpu)["sw"] == (C0 if quotient & 4 else 0) | (C3 if quotient & 2 else 0) | (C1 if quotient & 1 else 0)


def test_fprem1_takes_the_nearest_quotient(cpu):
    load(cpu, extended(7.0), extended(4.0))
    run(cpu, b"\xD9\xF5")
    assert state(cpu)["st"][0] == extended(-1.0)


def test_a_sine_out_of_range_sets_c2_and_leaves_the_operand(cpu):
    for code in (b"\xD9\xFE", b"\xD9\xFF", b"\xD9\xFB", b"\xD9\xF2"):       # fsin fcos fsincos fptan
        load(cpu, extended(2.0 ** 70))
        run(cpu, code)
        s = state(cpu)
        assert (s["sw"], s["tags"], s["st"][0]) == (C2, 0x80, extended(2.0 ** 70))


@pytest.mark.parametrize("code, operands, results", [
    (b"\xD9\xFE", (0.5,), (math.sin(0.5),)), (b"\xD9\xFF", (0.5,), (math.cos(0.5),)),
    (b"\xD9\xFB", (0.5,), (math.cos(0.5), math.sin(0.5))), (b"\xD9\xF2", (0.5,), (1.0, math.tan(0.5))),
    (b"\xD9\xF3", (2.0, 1.0), (math.atan2(1.0, 2.0),)), (b"\xD9\xF1", (8.0, 5.0), (15.0,)),
    (b"\xD9\xF9", (0.25, 1.0), (math.log2(1.25),)), (b"\xD9\xF0", (0.5,), (2 ** 0.5 - 1,)),
    (b"\xD9\xFA", (2.0,), (2 ** 0.5,)), (b"\xD9\xFD", (3.0, 4.0), (48.0, 4.0)), (b"\xD9\xF4", (12.0,), (1.5, 3.0)),
    (b"\xD9\xFC", (2.5,), (2.0,)), (b"\xD9\xE0", (2.5,), (-2.5,)), (b"\xD9\xE1", (-2.5,), (2.5,))])
def test_functions(cpu, code, operands, results):
    load(cpu, *map(extended, operands))
    assert run(cpu, code, *(at(0xDD, 3, DATA + 8 * i) for i in range(len(results)))) is None
    assert struct.unpack(f"<{len(results)}d", cpu.read(DATA, 8 * len(results))) == pytest.approx(results, rel=1e-15)
    assert state(cpu)["tags"] == 0
