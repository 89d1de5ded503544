"""Row 57, cpu_reset: every register's value (SDM vol. 3, table 9-1)."""
import pytest

SEGMENTS = ("es", "ss", "ds", "fs", "gs")
SIGNATURES = {"486": 0x480, "pentium": 0x543, "pentium2": 0x652, "pentium3": 0x673, "qemu32": 0x633}


@pytest.fixture(params=sorted(SIGNATURES))
def cpu(request):
    """A CPU that has run, then was reset."""
    from qemu_py import CPU
    cpu = CPU(request.param, ram=1 << 20)
    # mov eax, 55h; mov ecx, eax; std; mov esp, eax; mov dr0, eax; hlt
    cpu.write(0x1000, b"\xB8\x55\x00\x00\x00\x89\xC1\xFD\x89\xC4\x0F\x23\xC0\xF4")
    cpu.eip = 0x1000
    cpu.dr7 = 0x403
    cpu.a20 = 0
    assert cpu.run(steps=20).reason == "hlt"
    cpu.reset()
    return cpu


def test_execution_begins_16_bytes_below_4_gib(cpu):
    assert cpu.eip == 0xFFF0
    assert cpu.segment("cs")[:3] == (0xF000, 0xFFFF0000, 0xFFFF)


def test_data_segments_are_those_of_real_mode(cpu):
    for name in SEGMENTS:
        assert cpu.segment(name)[:3] == (0, 0, 0xFFFF)


def test_ldtr_and_tr_and_the_tables(cpu):
    assert cpu.segment("ldtr")[:3] == (0, 0, 0xFFFF) and cpu.segment("tr")[:3] == (0, 0, 0xFFFF)
    assert (cpu.gdt_base, cpu.gdt_limit, cpu.idt_base, cpu.idt_limit) == (0, 0xFFFF, 0, 0xFFFF)


def test_control_registers_and_flags(cpu):
    assert cpu.cr0 == 0x60000010
    assert (cpu.cr2, cpu.cr3, cpu.cr4) == (0, 0, 0)
    assert cpu.eflags == 2 and cpu.cpl == 0


def test_edx_is_the_signature_and_the_others_are_0(cpu):
    assert cpu.edx == SIGNATURES[cpu.model]
    assert [cpu.eax, cpu.ecx, cpu.ebx, cpu.esp, cpu.ebp, cpu.esi, cpu.edi] == [0] * 7


def test_fpu_and_sse(cpu):
    assert cpu.fpuc == 0x37F and cpu.fpus == 0 and cpu.mxcsr == 0x1F80
    image = cpu.fxsave()
    assert image[4] == 0                        # abridged tag word: all empty


def test_debug_registers_and_the_breakpoints_they_made(cpu):
    assert [cpu.dr0, cpu.dr1, cpu.dr2, cpu.dr3] == [0] * 4
    assert (cpu.dr6, cpu.dr7) == (0xFFFF0FF0, 0x400)


def test_a20_is_open_and_smbase_is_30000h(cpu):
    assert cpu.a20 == 1 and cpu.smbase == 0x30000


def test_the_pat_has_its_power_up_types():
    from qemu_py import CPU
    assert CPU("pentium3").rdmsr(0x277) == 0x0007040600070406


def test_translations_of_before_are_not_used():
    """The TLB is flushed: what was mapped elsewhere is seen where it is."""
    from qemu_py import CPU
    cpu = CPU("qemu32", ram=1 << 20)
    cpu.write(0x40000, (0x41007).to_bytes(4, "little"))
    cpu.write(0x41000, b"".join((page << 12 | 7).to_bytes(4, "little") for page in range(256)))
    cpu.write(0x41000 + 4 * 0x20, (0x30007).to_bytes(4, "little"))
    cpu.write(0x20000, b"\x11")
    cpu.write(0x30000, b"\x22")
    cpu.write(0x1000, b"\xA0\x00\x00\x02\x00\xF4")              # mov al, [20000h]; hlt
    cpu.cr3 = 0x40000
    cpu.cr0 |= 0x80000000
    cpu.eip = 0x1000
    cpu.run(steps=5)
    assert cpu.al == 0x22
    cpu.reset()
    cpu.load_segment("cs", 0, 0, 0xFFFFF, 0x409B00)
    cpu.load_segment("ds", 0, 0, 0xFFFFF, 0x409300)
    cpu.eip = 0x1000
    cpu.run(steps=5)
    assert cpu.al == 0x11
