"""CR0, CR3, CR4 and paging modes they switch (SDM vol. 3, 2.5 and 4.1)."""
import pytest

from tests.core.protected import DATA, GP, Stage, flat, A_CODE

PE, MP, EM, TS_, ET, NE, WP, AM, NW, CD, PG = (1 << n for n in (0, 1, 2, 3, 4, 5, 16, 18, 29, 30, 31))
VME, PVI, TSD, DE, PSE, PAE, MCE, PGE, PCE, OSFXSR, OSXMMEXCPT = (1 << n for n in range(11))
UD = 6


@pytest.fixture
def stage():
    return Stage()


def write(register, value):
    return f"mov eax, {value:#x}; mov {register}, eax"


@pytest.mark.parametrize("value", [PG, PE | NW, PG | ET])
def test_cr0_combinations_that_are_gp(stage, value):
    before = stage.cpu.cr0
    assert stage.fault(write("cr0", value)) == (GP, 0, 5)
    assert stage.cpu.cr0 == before


def test_cr0_keeps_et_and_its_reserved_bits_read_as_0(stage):
    cpu = stage.ok(write("cr0", 0x1FFAFFC0 | PE) + "; mov ebx, cr0; hlt")
    assert cpu.ebx == PE | ET


def test_every_defined_bit_of_cr0_can_be_set(stage):
    value = PE | MP | EM | TS_ | ET | NE | WP | AM | NW | CD
    assert stage.ok(write("cr0", value) + "; mov ebx, cr0; hlt").ebx == value


def test_lmsw_sets_pe_mp_em_ts_and_cannot_clear_pe(stage):
    cpu = stage.ok("mov eax, 0xFFFE; lmsw ax; smsw ebx; xor eax, eax; lmsw ax; smsw cx; hlt")
    assert cpu.ebx & 0xF == 0xF and cpu.cx & 0xF == 1


def test_smsw_stores_a_word_and_a_32_bit_register_gets_all_of_cr0(stage):
    stage.put32(DATA, 0xAAAAAAAA)
    cpu = stage.ok(f"smsw word ptr [{DATA}]; smsw ebx; hlt")
    assert stage.get32(DATA) == 0xAAAA0000 | cpu.cr0 & 0xFFFF and cpu.ebx == cpu.cr0


def test_clts_clears_ts(stage):
    assert not stage.ok(write("cr0", PE | TS_) + "; clts; hlt").cr0 & TS_


@pytest.mark.parametrize("register", ["1", "5", "6", "7"])
def test_control_registers_that_do_not_exist_are_ud(stage, register):
    n = int(register)
    assert stage.fault(bytes([0x0F, 0x20, 0xC0 | n << 3]))[0] == UD
    assert stage.fault(bytes([0x0F, 0x22, 0xC0 | n << 3]))[0] == UD


def test_mov_cr_ignores_mod(stage):
    cpu = stage.ok(b"\x0F\x20\x03\xF4")             # mov ebx, cr0 with mod 0
    assert cpu.ebx == cpu.cr0


def test_a_reserved_bit_of_cr4_is_gp(stage):
    assert stage.fault(write("cr4", 1 << 11)) == (GP, 0, 5)


@pytest.mark.parametrize("model, bits", [
    ("486", VME | PVI), ("pentium", VME | PVI | TSD | DE | PSE | MCE),
    ("pentium2", VME | PVI | TSD | DE | PSE | PAE | MCE | PGE | PCE | OSFXSR),
    ("pentium3", VME | PVI | TSD | DE | PSE | PAE | MCE | PGE | PCE | OSFXSR | OSXMMEXCPT)])
def test_the_bits_of_cr4_that_a_model_has(model, bits):
    stage = Stage(model)
    for n in range(32):
        if bits >> n & 1:
            assert stage.ok(write("cr4", 1 << n) + "; mov ebx, cr4; hlt").ebx == 1 << n
        else:
            assert stage.fault(write("cr4", 1 << n))[0] == GP, n


def test_a_read_of_cr3_gives_what_was_written(stage):
    assert stage.ok(write("cr3", 0x12345018) + "; mov ebx, cr3; hlt").ebx == 0x12345018


# ---------------------------------------------------------------- paging
def identity(stage, directory=0x40000, table=0x41000):
    stage.put32(directory, table | 7)
    for page in range(256):
        stage.put32(table + 4 * page, page << 12 | 7)


def test_paging_is_switched_on_and_off(stage):
    identity(stage)
    stage.put32(0x41000 + 4 * 0x50, 0x52007)
    stage.put32(0x50000, 0x1111)
    stage.put32(0x52000, 0x2222)
    cpu = stage.ok("mov eax, 0x40000; mov cr3, eax; mov ecx, [0x50000]; mov eax, cr0; or eax, 0x80000000; mov cr0, eax; "
                   "mov edx, [0x50000]; and eax, 0x7FFFFFFF; mov cr0, eax; mov ebx, [0x50000]; hlt")
    assert (cpu.ecx, cpu.edx, cpu.ebx) == (0x1111, 0x2222, 0x1111)


def test_a_new_cr3_is_another_address_space(stage):
    identity(stage)
    identity(stage, 0x42000, 0x43000)
    stage.put32(0x43000 + 4 * 0x50, 0x52007)
    stage.put32(0x50000, 0x1111)
    stage.put32(0x52000, 0x2222)
    stage.cpu.cr3 = 0x40000
    stage.cpu.cr0 |= PG
    cpu = stage.ok("mov ecx, [0x50000]; mov eax, 0x42000; mov cr3, eax; mov edx, [0x50000]; hlt")
    assert (cpu.ecx, cpu.edx) == (0x1111, 0x2222)


def test_invlpg_drops_one_translation(stage):
    identity(stage)
    stage.put32(0x50000, 0x1111)
    stage.put32(0x52000, 0x2222)
    stage.cpu.cr3 = 0x40000
    stage.cpu.cr0 |= PG
    cpu = stage.ok("mov ecx, [0x50000]; mov dword ptr [0x41140], 0x52007; invlpg [0x50000]; mov edx, [0x50000]; hlt")
    assert (cpu.ecx, cpu.edx) == (0x1111, 0x2222)


def pae(stage, pdpt=0x44000):
    for i in range(4):
        stage.cpu.write(pdpt + 8 * i, (0x45001 if i == 0 else 0).to_bytes(8, "little"))
    stage.cpu.write(0x45000, (0x83).to_bytes(8, "little"))      # one page of 2 MiB
    return pdpt


def test_pae_paging(stage):
    pae(stage)
    cpu = stage.ok("mov eax, 0x20; mov cr4, eax; mov eax, 0x44000; mov cr3, eax; mov eax, cr0; or eax, 0x80000000; mov cr0, eax; "
                   "mov dword ptr [0x50000], 0x77; hlt")
    assert stage.get32(0x50000) == 0x77 and cpu.cr0 & PG


@pytest.mark.parametrize("bit", [1, 2, 5, 6, 7, 8, 36, 63])
def test_a_reserved_bit_in_a_pdpte_is_gp_when_it_is_loaded(stage, bit):
    pae(stage)
    stage.cpu.write(0x44008, (1 | 1 << bit).to_bytes(8, "little"))
    stage.cpu.cr4 = PAE
    stage.cpu.cr3 = 0x44000
    assert stage.fault("mov eax, cr0; or eax, 0x80000000; mov cr0, eax")[:2] == (GP, 0)
    assert not stage.cpu.cr0 & PG


def test_mov_cr3_checks_the_pdptes_and_keeps_the_old_ones(stage):
    pae(stage)
    stage.cpu.write(0x46000, (3).to_bytes(8, "little"))
    stage.cpu.cr4 = PAE
    stage.cpu.cr3 = 0x44000
    stage.cpu.cr0 |= PG
    assert stage.fault("mov eax, 0x46000; mov cr3, eax")[:2] == (GP, 0)
    assert stage.cpu.cr3 == 0x44000


# ---------------------------------------------------------------- mode switches
def test_to_protected_mode_and_back():
    from qemu_py import CPU
    from tests.guest import asm
    cpu = CPU("qemu32", mode="reset", deliver=True)
    for name in ("cs", "ss", "ds"):
        cpu.load_segment(name, 0, 0, 0xFFFF, 0x9300)
    cpu.write(0x800, bytes(8) + flat(A_CODE) + flat(0x92) + b"\xFF\xFF\x00\x00\x00\x9A\x00\x00" + b"\xFF\xFF\x00\x00\x00\x92\x00\x00")
    cpu.gdt_base, cpu.gdt_limit = 0x800, 0x27
    cpu.write(0x1000, asm("mov eax, cr0; or al, 1; mov cr0, eax", 0x1000, 16) + b"\x66\xEA\x00\x11\x00\x00\x08\x00")
    cpu.write(0x1100, asm("mov eax, 0x10; mov ds, eax; mov dword ptr [0x54321], 0x12345678", 0x1100) + b"\xEA\x00\x12\x00\x00\x18\x00")
    cpu.write(0x1200, asm("mov ax, 0x20; mov ds, ax; mov eax, cr0; and al, 0xFE; mov cr0, eax", 0x1200, 16) + b"\xEA\x00\x03\x00\x01")
    cpu.write(0x1300, asm("mov ax, 0x1000; mov ds, ax; mov byte ptr [7], 0x5A; hlt", 0x300, 16))
    cpu.eip = 0x1000
    assert cpu.run(steps=50).reason == "hlt"
    assert cpu.cs == 0x100
    assert cpu.read(0x54321, 4) == b"\x78\x56\x34\x12" and cpu.read(0x10007, 1) == b"\x5A"
    assert cpu.segment("ds")[2] == 0xFFFF


# ---------------------------------------------------------------- test registers
def test_a_486_has_test_registers_and_a_pentium_has_not():
    code = b"\xB8\x78\x56\x34\x12\x0F\x26\xF0\x0F\x24\xF3\xF4"      # mov eax, ..; mov tr6, eax; mov ebx, tr6; hlt
    assert Stage("486").ok(code).ebx == 0x12345678
    assert Stage("pentium").fault(code)[0] == UD
