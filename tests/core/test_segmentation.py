"""Segment registers, limits, types, LDT, LAR and friends (SDM vol. 3, chapters 3.4-3.5 and 5.2-5.6)."""
import pytest

from tests.core.protected import (A_CALL32, A_CODE, A_DATA, A_LDT, A_TSS, A_TSS_BUSY, CODE, CODE0, DATA, DATA0, DPL3,
                                  FREE, GDT, GP, IDT, LDT, LDT_SEL, NOT_PRESENT, NP, SS, STACK0, Stage, descriptor,
                                  far_jmp, flat, sequence)
from tests.guest import asm


@pytest.fixture(params=[True, False], ids=["counted", "uncounted"])
def stage(request):
    return Stage(counted=request.param)


def load(register, selector):
    return f"mov eax, {selector}; mov {register}, ax; hlt"


# ---------------------------------------------------------------- loading
@pytest.mark.parametrize("register", ["ds", "es", "fs", "gs"])
def test_a_data_segment_is_loaded_from_the_gdt_and_marked_accessed(stage, register):
    stage.set_gdt(FREE, descriptor(0x12345678, 0xABCDE, A_DATA, 0))
    stage.ok(load(register, FREE))
    selector, base, limit, _ = stage.cpu.segment(register)
    assert (selector, base, limit) == (FREE, 0x12345678, 0xABCDE)
    assert stage.get_gdt(FREE)[5] == A_DATA | 1


def test_granularity_counts_the_limit_in_pages(stage):
    stage.set_gdt(FREE, descriptor(0, 0x12, A_DATA, 8))
    stage.ok(load("es", FREE))
    assert stage.cpu.segment("es")[2] == 0x12FFF


@pytest.mark.parametrize("selector", [0, 1, 2, 3])
def test_a_null_selector_loads_but_cannot_be_used(stage, selector):
    assert stage.fault(f"mov eax, {selector}; mov es, eax; mov al, es:[0]") == (GP, 0, 7)
    assert stage.cpu.es == selector


def test_a_null_selector_cannot_be_loaded_into_ss(stage):
    assert stage.fault(load("ss", 0)) == (GP, 0, 5)


@pytest.mark.parametrize("register", ["ds", "ss"])
def test_beyond_the_tables_limit_is_gp_with_the_selector(stage, register):
    assert stage.fault(load(register, 0x808)) == (GP, 0x808, 5)


def test_a_descriptor_must_lie_within_the_limit_with_all_its_bytes(stage):
    stage.set_gdt(FREE, flat(A_DATA))
    stage.cpu.gdt_limit = FREE + 6
    assert stage.fault(load("ds", FREE)) == (GP, FREE, 5)
    stage.cpu.gdt_limit = FREE + 7
    stage.ok(load("ds", FREE))


@pytest.mark.parametrize("access", [A_CODE & ~2, A_TSS, A_LDT, A_CALL32])
def test_execute_only_code_and_system_segments_are_no_data(stage, access):
    stage.set_gdt(FREE, flat(access))
    assert stage.fault(load("ds", FREE)) == (GP, FREE, 5)


def test_readable_code_is_data_and_read_only(stage):
    assert stage.fault(f"mov eax, {CODE0}; mov es, ax; mov al, es:[{DATA}]; mov es:[{DATA}], al")[:2] == (GP, 0)


def test_read_only_data_cannot_be_written(stage):
    stage.set_gdt(FREE, flat(0x90))
    assert stage.fault(f"mov eax, {FREE}; mov ds, eax; mov cl, [{DATA}]; mov [{DATA}], cl") == (GP, 0, 13)


@pytest.mark.parametrize("access", [A_CODE, 0x90, A_TSS])
def test_ss_takes_only_writable_data(stage, access):
    stage.set_gdt(FREE, flat(access))
    assert stage.fault(load("ss", FREE)) == (GP, FREE, 5)


def test_a_segment_that_is_not_present_is_np_and_for_ss_it_is_ss(stage):
    stage.set_gdt(FREE, flat(A_DATA & ~NOT_PRESENT))
    assert stage.fault(load("fs", FREE)) == (NP, FREE, 5)
    assert stage.fault(load("ss", FREE)) == (SS, FREE, 5)


@pytest.mark.parametrize("dpl, rpl, cpl, good", [
    (0, 0, 0, True), (0, 3, 0, False), (3, 3, 0, True), (3, 0, 0, True), (0, 0, 3, False), (3, 3, 3, True), (1, 1, 0, True)])
def test_data_needs_dpl_of_at_least_cpl_and_rpl(stage, dpl, rpl, cpl, good):
    stage.set_gdt(FREE, flat(A_DATA | dpl << 5))
    code = f"mov eax, {FREE | rpl}; mov gs, ax; int 0x80"
    if good:
        stage.ok(code, cpl)
    else:
        assert stage.fault(code, cpl) == (GP, FREE, 5)


def test_conforming_code_is_read_from_any_level(stage):
    stage.set_gdt(FREE, flat(A_CODE | 4))
    stage.ok(f"mov eax, {FREE}; mov gs, ax; int 0x80", 3)


@pytest.mark.parametrize("dpl, rpl", [(3, 0), (0, 3), (3, 3)])
def test_ss_needs_dpl_and_rpl_equal_to_cpl(stage, dpl, rpl):
    stage.set_gdt(FREE, flat(A_DATA | dpl << 5))
    assert stage.fault(load("ss", FREE | rpl)) == (GP, FREE, 5)


def test_cs_cannot_be_loaded_by_mov(stage):
    assert stage.fault(b"\x8E\xC8")[0] == 6


def test_pop_to_a_segment_register_moves_esp_only_when_it_succeeds(stage):
    stage.set_gdt(FREE, flat(A_DATA & ~NOT_PRESENT))
    vector, error, _ = stage.fault(f"push {FREE}; pop es")
    assert (vector, error) == (NP, FREE)
    # error code, EIP, CS, EFLAGS, and below them the selector that could not be popped
    assert stage.stack(5)[4] & 0xFFFF == FREE


def test_lds_and_lss_load_selector_and_offset_together(stage):
    stage.put32(DATA, 0x87654321)
    stage.put16(DATA + 4, DATA0)
    cpu = stage.ok(f"les ebx, [{DATA}]; lss esi, [{DATA}]; hlt")
    assert (cpu.ebx, cpu.es, cpu.esi, cpu.ss) == (0x87654321, DATA0, 0x87654321, DATA0)


def test_les_that_faults_changes_neither_register(stage):
    stage.put32(DATA, 0x87654321)
    stage.put16(DATA + 4, 0x7F8 | 4)
    vector, error, _ = stage.fault(f"mov ebx, 5; les ebx, [{DATA}]; hlt")
    assert (vector, error, stage.cpu.ebx, stage.cpu.es) == (GP, 0x7FC, 5, DATA0)


# ---------------------------------------------------------------- limits
@pytest.mark.parametrize("size, register", [(1, "al"), (2, "ax"), (4, "eax")])
def test_the_last_byte_of_an_access_must_lie_within_the_limit(stage, size, register):
    stage.set_gdt(FREE, descriptor(DATA, 0xFF, A_DATA, 4))
    last = 0x100 - size
    stage.ok(f"mov ecx, {FREE}; mov ds, cx; mov {register}, [{last}]; mov [{last}], {register}; hlt")
    assert stage.fault(f"mov ecx, {FREE}; mov ds, cx; mov {register}, [{last + 1}]")[:2] == (GP, 0)
    assert stage.fault(f"mov ecx, {FREE}; mov ds, cx; mov [{last + 1}], {register}")[:2] == (GP, 0)


def test_the_limit_of_the_stack_segment_is_ss(stage):
    stage.set_gdt(FREE, descriptor(0, STACK0 + 0xFF, A_DATA, 4))
    vector, error, _ = stage.fault(f"mov ecx, {FREE}; mov ss, cx; mov esp, {STACK0 - 0x100}; mov eax, ss:[{STACK0 + 0xFD}]")
    assert (vector, error) == (SS, 0)


@pytest.mark.parametrize("big, top", [(4, 0xFFFFFFFF), (0, 0xFFFF)])
def test_an_expand_down_segment_begins_above_its_limit(stage, big, top):
    stage.set_gdt(FREE, descriptor(0, 0xFFF, A_DATA | 4, big))
    select = f"mov ecx, {FREE}; mov ds, cx; "
    stage.ok(select + "mov al, [0x1000]; mov al, [0xFFFF]; hlt")
    assert stage.fault(select + "mov al, [0xFFF]")[:2] == (GP, 0)
    assert stage.fault(select + "mov ax, [0xFFF]")[:2] == (GP, 0)
    if top == 0xFFFF:
        assert stage.fault(select + "mov al, [0x10000]")[:2] == (GP, 0)
        assert stage.fault(select + "mov ax, [0xFFFF]")[:2] == (GP, 0)
    else:
        stage.ok(select + "mov al, [0x10000]; hlt")


def test_a_segments_base_is_added(stage):
    stage.set_gdt(FREE, descriptor(DATA, 0xFFFF, A_DATA, 4))
    stage.put32(DATA + 0x10, 0xCAFE)
    cpu = stage.ok(f"mov ecx, {FREE}; mov fs, cx; mov eax, fs:[0x10]; mov dword ptr fs:[0x14], 7; hlt")
    assert cpu.eax == 0xCAFE and stage.get32(DATA + 0x14) == 7


def test_a_16_bit_stack_segment_moves_sp_alone(stage):
    stage.set_gdt(FREE, descriptor(0, 0xFFFF, A_DATA, 0))
    cpu = stage.ok(f"mov ecx, {FREE}; mov ss, cx; mov esp, 0x12348000; push eax; hlt")
    assert cpu.esp == 0x12347FFC


def test_fetching_beyond_the_limit_of_cs_is_gp(stage):
    stage.set_gdt(FREE, descriptor(0, CODE + 0x1FF, A_CODE, 4))
    stage.cpu.write(CODE + 0x1FE, b"\x90\x90\x90")
    assert stage.fault(sequence(far_jmp(FREE, CODE + 0x1FE)))[:2] == (GP, 0)
    assert stage.stack(3)[1:] == [CODE + 0x200, FREE]


# ---------------------------------------------------------------- the LDT
def test_selectors_with_ti_are_looked_up_in_the_ldt(stage):
    stage.set_ldt(8, descriptor(0x5000, 0xFF, A_DATA, 0))
    stage.load_ldt()
    stage.ok(load("es", 8 | 4))
    assert stage.cpu.segment("es")[:2] == (12, 0x5000)


def test_without_an_ldt_every_such_selector_is_gp(stage):
    assert stage.fault(load("es", 12)) == (GP, 12, 5)


def test_lldt_loads_from_the_gdt(stage):
    stage.ok(f"mov eax, {LDT_SEL}; lldt ax; sldt ebx; hlt")
    assert stage.cpu.segment("ldtr")[:3] == (LDT_SEL, LDT, 0xFF)
    assert stage.cpu.ebx == LDT_SEL


@pytest.mark.parametrize("selector, access, want", [
    (FREE, A_DATA, (GP, FREE)), (FREE | 4, A_LDT, (GP, FREE | 4)), (FREE, A_LDT & ~NOT_PRESENT, (NP, FREE)), (0x900, A_LDT, (GP, 0x900))])
def test_lldt_refuses_what_is_no_ldt(stage, selector, access, want):
    stage.set_gdt(FREE, descriptor(LDT, 0xFF, access, 0))
    assert stage.fault(f"mov eax, {selector}; lldt ax")[:2] == want


def test_a_null_ldtr_is_allowed(stage):
    stage.load_ldt()
    stage.ok("xor eax, eax; lldt ax; hlt")
    assert stage.fault(load("es", 12), start=True) == (GP, 12, 5)


@pytest.mark.parametrize("instruction", ["lldt ax", "ltr ax", "lgdt [0x20000]", "lidt [0x20000]", "lmsw ax", "clts", "hlt",
                                         "mov eax, cr0", "mov cr3, eax", "mov eax, dr7", "mov dr0, eax", "invlpg [eax]",
                                         "wbinvd", "invd", "rdmsr", "wrmsr"])
def test_privileged_instructions_are_gp_outside_ring_0(stage, instruction):
    assert stage.fault(instruction, 3) == (GP, 0, 0)


@pytest.mark.parametrize("instruction", ["sldt eax", "str eax", "sgdt [0x20000]", "sidt [0x20000]", "smsw eax"])
def test_looking_at_system_registers_is_not_privileged(stage, instruction):
    stage.ok(instruction + "; int 0x80", 3)


def test_ltr_marks_the_tss_busy(stage):
    stage.set_gdt(FREE, descriptor(0x5000, 0x67, A_TSS, 0))
    stage.ok(f"mov eax, {FREE}; ltr ax; str bx; hlt")
    assert stage.cpu.segment("tr")[:3] == (FREE, 0x5000, 0x67)
    assert stage.get_gdt(FREE)[5] == A_TSS_BUSY
    assert stage.cpu.bx == FREE


@pytest.mark.parametrize("selector, access, want", [
    (FREE, A_TSS_BUSY, (GP, FREE)), (FREE, A_TSS & ~NOT_PRESENT, (NP, FREE)), (0, A_TSS, (GP, 0)), (FREE | 4, A_TSS, (GP, FREE | 4)),
    (FREE, A_DATA, (GP, FREE))])
def test_ltr_refuses_what_is_no_available_tss(stage, selector, access, want):
    stage.set_gdt(FREE, descriptor(0x5000, 0x67, access, 0))
    assert stage.fault(f"mov eax, {selector}; ltr ax")[:2] == want


# ---------------------------------------------------------------- LAR, LSL, VERR, VERW, ARPL
# Types of system descriptors that LAR and LSL accept (vol. 2, table in LAR and in LSL).
LAR_VALID = {1, 2, 3, 4, 5, 9, 11, 12}
LSL_VALID = {1, 2, 3, 9, 11}


@pytest.mark.parametrize("kind", range(16))
def test_lar_and_lsl_accept_the_system_types_that_the_manual_lists(stage, kind):
    stage.set_gdt(FREE, descriptor(0x12345678, 0x54321, 0x80 | kind, 0))
    cpu = stage.ok(f"mov ecx, {FREE}; mov eax, 77; mov ebx, 77; lar eax, ecx; setz dl; lsl ebx, ecx; setz dh; hlt")
    assert cpu.dl == (kind in LAR_VALID) and cpu.dh == (kind in LSL_VALID)
    assert cpu.eax == (0x50000 | 0x8000 | kind << 8 if cpu.dl else 77) & (0xFFF0FFFF if cpu.dl else -1)
    assert cpu.ebx == (0x54321 if cpu.dh else 77)


def test_lar_gives_access_rights_and_lsl_the_limit_in_bytes(stage):
    cpu = stage.ok(f"mov ecx, {CODE0}; lar eax, ecx; lsl ebx, ecx; hlt")
    assert cpu.eax & 0xF0FE00 == 0xC09A00 and cpu.ebx == 0xFFFFFFFF


def test_the_16_bit_forms_keep_the_upper_half(stage):
    cpu = stage.ok(f"mov ecx, {CODE0}; mov eax, -1; mov ebx, 0x11112222; lar ax, cx; lsl bx, cx; hlt")
    assert cpu.eax & 0xFFFFFE00 == 0xFFFF9A00 and cpu.ebx == 0x1111FFFF


@pytest.mark.parametrize("selector", [0, 3, 0x900, 0x44])
def test_selectors_that_name_nothing_clear_zf_and_do_not_fault(stage, selector):
    cpu = stage.ok(f"mov ecx, {selector}; cmp ecx, ecx; lar eax, ecx; setz al; cmp ecx, ecx; lsl ebx, ecx; setz ah; "
                   "cmp ecx, ecx; verr cx; setz bl; cmp ecx, ecx; verw cx; setz bh; hlt")
    assert (cpu.ax, cpu.bx) == (0, 0)


@pytest.mark.parametrize("access, cpl, rpl, readable, writable", [
    (A_DATA, 0, 0, 1, 1), (0x90, 0, 0, 1, 0), (A_CODE, 0, 0, 1, 0), (A_CODE & ~2, 0, 0, 0, 0), (A_DATA, 0, 3, 0, 0),
    (A_DATA, 3, 0, 0, 0), (A_DATA | DPL3, 3, 3, 1, 1), (A_CODE | 4, 3, 3, 1, 0), (A_TSS, 0, 0, 0, 0), (0x12, 0, 0, 1, 1)])
def test_verr_and_verw_answer_for_this_cpl_and_rpl(stage, access, cpl, rpl, readable, writable):
    stage.set_gdt(FREE, flat(access))
    cpu = stage.ok(f"mov ecx, {FREE | rpl}; verr cx; setz al; verw cx; setz ah; int 0x80", cpl)
    assert (cpu.al, cpu.ah) == (readable, writable)


def test_lar_keeps_the_other_flags(stage):
    cpu = stage.ok(f"mov ecx, {CODE0}; stc; lar eax, ecx; setc bl; setz bh; hlt")
    assert cpu.bx == 0x0101


@pytest.mark.parametrize("dest, source, result, zf", [(0x10, 3, 0x13, 1), (0x13, 0, 0x13, 0), (0x11, 2, 0x12, 1), (0x12, 2, 0x12, 0)])
def test_arpl_raises_rpl_to_the_callers(stage, dest, source, result, zf):
    cpu = stage.ok(f"mov eax, {dest}; mov ecx, {source}; mov [{DATA}], eax; arpl ax, cx; setz bl; "
                   f"arpl [{DATA}], cx; setz bh; hlt")
    assert (cpu.ax, stage.get16(DATA), cpu.bl, cpu.bh) == (result, result, zf, zf)


@pytest.mark.parametrize("code", [b"\x63\xC8", b"\x0F\x02\xC0", b"\x0F\x03\xC0", b"\x0F\x00\xC0", b"\x0F\x00\xC8", b"\x0F\x00\xE0", b"\x0F\x00\xD0"])
def test_real_mode_has_none_of_these_instructions(code):
    from qemu_py import CPU
    cpu = CPU("qemu32", mode="reset")
    cpu.load_segment("cs", 0, 0, 0xFFFF, 0x9300)
    cpu.write(0x1000, code)
    cpu.eip = 0x1000
    assert cpu.run(steps=1).vector == 6


# ---------------------------------------------------------------- descriptor tables
def test_lgdt_with_a_16_bit_operand_loads_24_bits_of_base(stage):
    stage.cpu.write(DATA, b"\xFF\x07" + b"\x00\x10\x00\xAA")
    stage.run(b"\x66\x0F\x01\x15" + DATA.to_bytes(4, "little") + b"\xF4")
    assert (stage.cpu.gdt_base, stage.cpu.gdt_limit) == (0x1000, 0x7FF)


def test_sgdt_and_sidt_store_six_bytes(stage):
    stage.ok(f"sgdt [{DATA}]; sidt [{DATA + 8}]; hlt")
    assert stage.cpu.read(DATA, 6) == b"\xFF\x07" + GDT.to_bytes(4, "little")
    assert stage.cpu.read(DATA + 8, 6) == b"\xFF\x07" + IDT.to_bytes(4, "little")


# ---------------------------------------------------------------- real mode
@pytest.fixture
def real():
    from qemu_py import CPU
    cpu = CPU("qemu32", ram=1 << 21, mode="reset", deliver=True)
    cpu.load_segment("cs", 0, 0, 0xFFFF, 0x9300)
    cpu.eip = 0x1000
    cpu.esp = 0x8000
    for vector in range(32):
        cpu.write(4 * vector, (0x500 + vector).to_bytes(4, "little"))
    cpu.write(0x500, b"\xF4" * 32)
    return cpu


def test_real_mode_bases_are_sixteen_times_the_selector(real):
    real.write(0x1000, asm("mov ax, 0x1234; mov es, ax; mov byte ptr es:[5], 0x5A; hlt", 0x1000, 16))
    assert real.run(steps=10).reason == "hlt"
    assert real.read(0x12345, 1) == b"\x5A"
    assert real.segment("es")[:3] == (0x1234, 0x12340, 0xFFFF)


def test_a_word_at_ffff_is_gp_in_real_mode(real):
    real.write(0x1000, asm("mov bx, 0xFFFF; mov ax, [bx]; hlt", 0x1000, 16))
    real.run(steps=10)
    assert real.eip == 0x50D + 1
    real.write(0x1000, asm("mov bp, 0xFFFF; mov ax, [bp]; hlt", 0x1000, 16))
    real.load_segment("cs", 0, 0, 0xFFFF, 0x9300)
    real.eip = 0x1000
    real.run(steps=10)
    assert real.eip == 0x50C + 1


def test_unreal_mode_keeps_the_limit_that_protected_mode_loaded(real):
    real.write(0x800, bytes(8) + flat(A_DATA))
    real.gdt_base, real.gdt_limit = 0x800, 15
    code = ("mov eax, cr0; or al, 1; mov cr0, eax; mov bx, 8; mov ds, bx; and al, 0xFE; mov cr0, eax; "
            "xor bx, bx; mov ds, bx; mov ebx, 0x123456; mov byte ptr [ebx], 0x77; hlt")
    real.write(0x1000, asm(code, 0x1000, 16))
    assert real.run(steps=30).reason == "hlt"
    assert real.eip < 0x1100 and real.read(0x123456, 1) == b"\x77"
    assert real.segment("ds")[:3] == (0, 0, 0xFFFFFFFF)
