"""PUSHF, POPF, CLI, STI and the I/O instructions by CPL and IOPL (SDM vol. 1, 19.5; vol. 2)."""
import pytest

from tests.core.protected import CF, GP, IF, IOPL3, NT, RF, Stage, TSS, VIF, VIP, VM

ID = 1 << 21


@pytest.fixture
def stage():
    ports = []

    def on_port(port, size, write, value):
        ports.append((port, size, write, value))
        return 0x12345678 & (1 << 8 * size) - 1

    stage = Stage(on_port=on_port)
    stage.ports = ports
    return stage


def test_popfd_in_ring_0_changes_everything_but_vm_vif_vip(stage):
    cpu = stage.ok("push 0xFFFFFEFF; popfd; hlt")
    assert cpu.eflags == 0x247ED7 | 0 and not cpu.eflags & (VM | VIF | VIP | RF)


def test_pushfd_shows_neither_vm_nor_rf(stage):
    cpu = stage.ok("push 0xFFFCFEFF; popfd; pushfd; pop eax; hlt")
    assert cpu.eax == 0x247ED7


def test_popf_keeps_the_upper_half(stage):
    cpu = stage.ok(b"\x66\x6A\x01\x66\x9D\xF4", eflags=2 | ID | IF)
    assert cpu.eflags == 2 | ID | CF


@pytest.mark.parametrize("iopl, if_changes", [(0, False), (3, True)])
def test_in_ring_3_if_needs_iopl_and_iopl_never_changes(stage, iopl, if_changes):
    stage.ok(f"push {2 | IF | IOPL3 | NT | ID}; popfd; int 0x80", 3, eflags=2 | iopl << 12)
    image = stage.stack(3)[2]
    assert bool(image & IF) == if_changes and image >> 12 & 3 == iopl and image & (NT | ID) == NT | ID


@pytest.mark.parametrize("instruction", ["cli", "sti"])
def test_cli_and_sti_need_iopl(stage, instruction):
    assert stage.fault(instruction, 3) == (GP, 0, 0)
    stage.ok(instruction + "; int 0x80", 3, eflags=2 | IOPL3)
    assert bool(stage.stack(3)[2] & IF) == (instruction == "sti")


def test_a_popf_that_faults_changes_nothing(stage):
    vector, _, _ = stage.fault("mov esp, 0xFFFFFFF0; mov eax, 8; mov esp, 0x9000; cli; hlt; nop", 3)
    assert vector == GP and stage.stack(4)[3] & 0x3FFFFF == 2 | RF


# ---------------------------------------------------------------- ports
def test_ports_of_every_width(stage):
    cpu = stage.ok("mov edx, 0x320; mov eax, -1; in al, dx; mov ecx, eax; in eax, 0x40; mov ebx, eax; "
                   "mov eax, 0xAABBCCDD; out dx, ax; out 0x60, al; out dx, eax; hlt")
    assert (cpu.ecx, cpu.ebx) == (0xFFFFFF78, 0x12345678)
    assert stage.ports == [(0x320, 1, False, 0), (0x40, 4, False, 0), (0x320, 2, True, 0xCCDD), (0x60, 1, True, 0xDD),
                           (0x320, 4, True, 0xAABBCCDD)]


def test_in_ax_keeps_the_upper_half_of_eax(stage):
    assert stage.ok("mov eax, -1; in ax, 0x40; hlt").eax == 0xFFFF5678


@pytest.mark.parametrize("code", ["in al, 0x40", "out 0x40, al", "mov edx, 0x40; in eax, dx"])
def test_ring_3_needs_iopl_or_the_bitmap(stage, code):
    stage.cpu.write(TSS + 0x68, b"\xFF" * 0x100)
    assert stage.fault(code, 3)[:2] == (GP, 0) and stage.ports == []
    stage.ok(code + "; int 0x80", 3, eflags=2 | IOPL3)
    stage.cpu.write(TSS + 0x68 + 8, b"\x00")
    stage.ok(code + "; int 0x80", 3)


@pytest.mark.parametrize("bits, size, allowed", [
    (0b11110000, 1, True), (0b11110000, 4, True), (0b11110001, 1, False), (0b11110010, 1, True), (0b11110010, 2, False),
    (0b11111000, 2, True), (0b11111000, 4, False)])
def test_every_byte_of_the_port_must_be_allowed(stage, bits, size, allowed):
    stage.put8(TSS + 0x68 + 8, bits)
    code = {1: "in al, dx", 2: "in ax, dx", 4: "in eax, dx"}[size]
    stage.run("mov edx, 0x40; " + code + "; int 0x80", 3)
    assert (stage.vector() != GP or stage.stack(1)[0] != 0) == allowed


def test_an_access_may_straddle_two_bytes_of_the_bitmap(stage):
    stage.put8(TSS + 0x68 + 9, 1)
    assert stage.fault("mov edx, 0x47; in ax, dx", 3)[:2] == (GP, 0)
    stage.put8(TSS + 0x68 + 9, 2)
    stage.ok("mov edx, 0x47; in ax, dx; int 0x80", 3)


def test_ports_beyond_the_tss_limit_are_refused(stage):
    # limit 1FFh: the last byte that counts is 1FEh, since two are read
    last = (0x1FE - 0x68) * 8 + 7
    stage.ok(f"mov edx, {last}; in al, dx; int 0x80", 3)
    assert stage.fault(f"mov edx, {last + 1}; in al, dx", 3)[:2] == (GP, 0)


def test_a_16_bit_tss_has_no_bitmap(stage):
    stage.cpu.load_segment("tr", 0x28, TSS, 0x1FF, 0x8300)
    stage.put16(TSS + 2, 0x9000)
    stage.put16(TSS + 4, 0x10)
    assert stage.fault("in al, 0x40", 3)[:2] == (GP, 0)
