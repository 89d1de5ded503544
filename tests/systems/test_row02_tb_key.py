"""SYSTEMS row 2: a TB's key is pc, cs_base, flags and both physical pages."""
from qemu_py._core import inspect
from tests.guest import asm, cpu_with

P, W = 1, 2


def blocks_at(cpu, pc):
    return [n for n in inspect.valid_tbs(cpu) if inspect.tb_info(cpu, n)["pc"] == pc]


def test_the_same_bytes_run_as_32_bit_and_as_16_bit_code_are_two_blocks():
    cpu = cpu_with((0x1000, b"\xB8\x01\x00\x02\x00\xF4\xF4"))       # mov eax, 20001h / mov ax, 1; add al, [eax]
    cpu.run(steps=1)
    assert cpu.eax == 0x20001
    cpu.eip, cpu.eax = 0x1000, 0
    selector, base, limit, flags = cpu.segment("cs")
    cpu.load_segment("cs", selector, base, limit, flags & ~(1 << 22))
    cpu.run(steps=1)
    assert cpu.eax == 1 and cpu.eip == 0x1003
    assert len({inspect.tb_info(cpu, n)["flags"] for n in blocks_at(cpu, 0x1000)}) == 2


def test_another_code_segment_base_is_another_block():
    cpu = cpu_with((0x2000, "inc eax; hlt"))
    cpu.run()
    selector, base, limit, flags = cpu.segment("cs")
    cpu.load_segment("cs", selector, 0x1000, limit, flags)
    cpu.eip = 0x1000
    cpu.run()
    assert cpu.eax == 2
    assert {inspect.tb_info(cpu, n)["cs_base"] for n in blocks_at(cpu, 0x2000)} == {0, 0x1000}


def test_a_remapped_page_is_another_block():
    cpu = cpu_with((0x10000, "mov eax, 1; hlt"), (0x11000, "mov eax, 2; hlt"))
    directory, table, code = 0x20000, 0x21000, 0x5000
    cpu.write(directory, (table | P | W).to_bytes(4, "little"))
    for page in range(256):
        cpu.write(table + page * 4, (page << 12 | P | W).to_bytes(4, "little"))
    for physical, expected in ((0x10000, 1), (0x11000, 2), (0x10000, 1)):
        cpu.write(table + (code >> 12) * 4, (physical | P | W).to_bytes(4, "little"))
        cpu.cr3 = directory
        cpu.cr0 = cpu.cr0 | 1 << 31
        cpu.eip = code
        assert cpu.run().reason == "hlt"
        assert cpu.eax == expected
    assert sorted(inspect.tb_info(cpu, n)["page_addr"][0] for n in blocks_at(cpu, code)) == [0x10000, 0x11000]


def test_a_second_page_that_is_remapped_is_another_block():
    # MOV EAX, imm32 across the page: its last bytes come from the second page.
    cpu = cpu_with((0x5FFD, asm("mov eax, 0x11111111; hlt")[:3]), (0x10000, b"\x11\x11\xF4"), (0x11000, b"\x22\x22\xF4"))
    directory, table = 0x20000, 0x21000
    cpu.write(directory, (table | P | W).to_bytes(4, "little"))
    for page in range(256):
        cpu.write(table + page * 4, (page << 12 | P | W).to_bytes(4, "little"))
    for physical, expected in ((0x10000, 0x11111111), (0x11000, 0x22221111), (0x10000, 0x11111111)):
        cpu.write(table + 6 * 4, (physical | P | W).to_bytes(4, "little"))
        cpu.cr3 = directory
        cpu.cr0 = cpu.cr0 | 1 << 31
        cpu.eip = 0x5FFD
        assert cpu.run().reason == "hlt"
        assert cpu.eax == expected
