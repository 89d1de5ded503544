"""Row 15: target_phys_addr_t, target_ulong, ram_addr_t, tb_page_addr_t: with PAE, physical addresses
over 4 GiB and registers of 32 bits."""
from qemu_py import CPU
from tests.paging import P, RW, US, Tables

CODE, DATA, FRAME = 0x1000, 0x40000000, 0x80000
HIGH = 0x9_12345000             # a physical address of 36 bits


def pae_machine():
    cpu = CPU("qemu32", ram=1 << 20)
    cpu.physmap.map_ram(HIGH, 0x1000, FRAME)
    tables = Tables(cpu, pae=True)
    tables.map(CODE, CODE)
    tables.map(DATA, HIGH)
    tables.enable()
    return cpu, tables


def test_pae_reaches_physical_addresses_over_4_gib():
    cpu, tables = pae_machine()
    cpu.write(CODE, b"\x89\x03\xF4")            # mov [ebx],eax
    cpu.eip, cpu.ebx, cpu.eax = CODE, DATA + 4, 0xFEEDBEEF
    cpu.run()
    assert cpu.read(FRAME + 4, 4) == (0xFEEDBEEF).to_bytes(4, "little")
    assert cpu.translate(DATA + 4) == HIGH + 4


def test_code_over_4_gib_is_found_by_its_ram_address():
    """The same RAM page through two physical addresses is one page of code."""
    cpu, tables = pae_machine()
    tables.map(DATA + 0x1000, FRAME)
    cpu.write(FRAME, b"\x40\xF4")               # inc eax
    cpu.eip, cpu.eax = DATA, 0
    cpu.run()
    assert cpu.eax == 1
    cpu.write(CODE, b"\xC6\x03\x48\xF4")        # mov byte [ebx],48h: dec eax
    cpu.eip, cpu.ebx = CODE, DATA + 0x1000      # through the low mapping
    cpu.run()
    cpu.eip = DATA
    cpu.run()
    assert cpu.eax == 0


def test_registers_and_linear_addresses_have_32_bits():
    cpu, tables = pae_machine()
    cpu.write(CODE, b"\x40\x8D\x54\x1B\x01\xF4")        # inc eax; lea edx,[ebx+ebx+1]
    cpu.eip, cpu.eax, cpu.ebx = CODE, 0xFFFFFFFF, 0x80000000
    cpu.run()
    assert (cpu.eax, cpu.edx) == (0, 1)


def test_dirty_bits_are_those_of_the_ram_address():
    cpu, tables = pae_machine()
    cpu.physmap.reset_dirty(FRAME, 0x1000, 1)
    cpu.write(CODE, b"\x89\x03\xF4")
    cpu.eip, cpu.ebx = CODE, DATA
    cpu.run()
    assert cpu.physmap.get_dirty(FRAME, 0x1000, 1)
    assert tables.pte(DATA) & (P | RW | US) == P | RW | US
