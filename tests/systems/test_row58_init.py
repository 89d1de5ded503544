"""SYSTEMS row 58: a reset of the processor alone (INIT) keeps memory and devices; one of the system does not keep the devices."""
import pytest

from tests.guest import asm
from tests.machines import EXIT

ROUND, MASK, ENTRY = 0x500, 0x5A, 0x8000
FAST_INIT = "mov al, 1; out 0x92, al"
PULSE = "mov al, 0xfe; out 0x64, al"
OUTPUT_PORT = "mov al, 0xd1; out 0x64, al; mov al, 0xde; out 0x60, al"
SOFT = "mov dx, 0xcf9; mov al, 0; out dx, al; mov al, 4; out dx, al"
HARD = "mov dx, 0xcf9; mov al, 2; out dx, al; mov al, 6; out dx, al"
# In protected mode, and with A20 off, as a program of the 286's time leaves it
PROTECTED = "cli; mov eax, cr0; or al, 1; mov cr0, eax; jmp $+2; "
A20_OFF = "mov al, 0xd1; out 0x64, al; mov al, 0xdd; out 0x60, al; "


def rom(how):
    """Firmware that counts its rounds in memory and programs the interrupt mask; the first round ends with `how`, the
    second with an exit that gives the mask: bits 0-7 of the status, shifted by one."""
    code = asm(f"""
        cli
        xor ax, ax
        mov ds, ax
        inc byte ptr [{ROUND}]
        cmp byte ptr [{ROUND}], 1
        jne second
        mov al, 0x11; out 0x20, al; mov al, 8; out 0x21, al; mov al, 4; out 0x21, al; mov al, 1; out 0x21, al
        mov al, {MASK}; out 0x21, al
        {how}
    stop:
        hlt
        jmp stop
    second:
        mov dx, 0xf4
        mov bl, [{ROUND}]
        cmp bl, 2
        jne stop
        xor eax, eax
        in al, 0x21
        out dx, eax
        jmp stop
    """, ENTRY, 16)
    image = bytearray(b"\xff" * 65536)
    image[ENTRY:ENTRY + len(code)] = code
    image[0xFFF0:0xFFF5] = b"\xea" + ENTRY.to_bytes(2, "little") + b"\x00\xf0"     # jmp F000:8000
    return bytes(image)


@pytest.fixture
def run(make_machine, tmp_path):
    def run(how, machine="pc", **config):
        (tmp_path / "rom").write_bytes(rom(how))
        made = make_machine(bios=str(tmp_path / "rom"), machine=machine, devices=EXIT, **config)
        resets = []
        made.register_reset(lambda: resets.append(1))
        made.clocks.vm.timer(lambda: made.request_exit(0)).mod_ns(10 ** 10)
        return made.run(), len(resets) - 1
    return run


KEPT = (MASK << 1 | 1) & 0xFF


@pytest.mark.parametrize("machine", ["pc", "isapc"])
@pytest.mark.parametrize("how", [FAST_INIT, PULSE, OUTPUT_PORT], ids=["port 92h", "8042 pulse", "8042 output port"])
def test_init_keeps_memory_and_devices(run, how, machine):
    assert run(how, machine) == (KEPT, 0)


def test_port_cf9_has_a_soft_and_a_hard_reset(run):
    assert run(SOFT) == (KEPT, 0)
    assert run(HARD) == (1, 1)


@pytest.mark.parametrize("how", [PROTECTED + PULSE, A20_OFF + PULSE, A20_OFF + PROTECTED + FAST_INIT])
def test_it_leads_back_to_real_mode_and_to_the_vector(run, how):
    assert run(how) == (KEPT, 0)


def test_a_processor_without_an_apic_too(run):
    assert run(FAST_INIT, cpu_model="486") == (KEPT, 0)


def test_with_several_processors_the_first_goes_on(run):
    assert run(FAST_INIT, cpus=3) == (KEPT, 0)


def test_no_reboot_ends(run):
    assert run(FAST_INIT, no_reboot=True) == (0, 0)
