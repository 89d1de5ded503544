"""SYSTEMS row 58: what resets a PC, seen by a guest that tries it; and the A20 bit."""
import pytest

from tests.boot.kernels import debug_exit, outb
from tests.machines import EXIT

SPIN = b"\xeb\xfe"


def resets(make_machine, code, machine="pc", **config):
    """Run a guest that resets its machine, until the third power-on; the number of resets."""
    made = make_machine(code + SPIN, machine=machine, **config)
    count = []

    def seen():
        count.append(1)
        if len(count) == 3:
            made.request_exit(7)
    made.register_reset(seen)
    assert made.run() == 7
    return len(count)


@pytest.mark.parametrize("machine", ["pc", "isapc"])
def test_bit_0_of_port_92_resets(make_machine, machine):
    assert resets(make_machine, outb(0x92, 0x01), machine) == 3


def test_port_cf9_resets(make_machine):
    assert resets(make_machine, outb(0xCF9, 0x02) + outb(0xCF9, 0x06)) == 3


def test_a_triple_fault_resets(make_machine):
    # lidt with a limit of 0, then int3
    assert resets(make_machine, b"\x68\x00\x00\x00\x00\x68\x00\x00\x00\x00\x0f\x01\x1c\x24\xcc") == 3


def test_no_reboot_ends_instead(make_machine):
    assert make_machine(outb(0xCF9, 0x06) + SPIN, machine="pc", no_reboot=True).run() == 0


def test_acpi_soft_off_ends_with_status_0(make_machine):
    from tests.guest import asm
    code = asm("""
        mov dx, 0xCF8; mov eax, 0x80000B40; out dx, eax
        mov dx, 0xCFC; mov eax, 0x0000B000; out dx, eax
        mov dx, 0xCF8; mov eax, 0x80000B80; out dx, eax
        mov dx, 0xCFC; mov al, 1; out dx, al
        mov dx, 0xB004; mov ax, 0x2000; out dx, ax
    """)
    assert make_machine(code + SPIN, machine="pc").run() == 0


def a20_test(off, on):
    """Write to 500h and 100500h with A20 off, then on; exit with what 500h holds each time."""
    from tests.guest import asm
    return (off + asm("mov byte ptr [0x500], 1; mov byte ptr [0x100500], 2; mov cl, [0x500]")
            + on + asm("mov byte ptr [0x500], 4; mov byte ptr [0x100500], 8; mov al, [0x500]; shl al, 4; or al, cl;"
                       "movzx eax, al; mov edx, 0xF4; out dx, eax") + SPIN)


# The guest's own code must be in an even megabyte: the kernel is loaded at 2 MiB for these.
def a20_machine(make_machine, code, machine):
    from tests.boot.kernels import elf
    return make_machine(image=elf(code, address=0x200000), machine=machine, devices=EXIT)


@pytest.mark.parametrize("machine", ["pc", "isapc"])
def test_port_92_masks_a20_when_the_keyboard_controller_does_not_hold_it(make_machine, machine):
    made = a20_machine(make_machine, a20_test(outb(0x92, 0), outb(0x92, 2)), machine)
    made.register_reset(lambda: made.a20.keyboard.lower())
    assert made.run() == (2 | 4 << 4) << 1 & 0xFF | 1


def test_the_keyboard_controller_holds_a20_whatever_port_92_says(make_machine):
    made = a20_machine(make_machine, a20_test(outb(0x92, 2) + outb(0x92, 0), b""), "pc")
    assert made.run() == (1 | 4 << 4) << 1 & 0xFF | 1


def test_a_reset_turns_a20_on(make_machine):
    made = make_machine(debug_exit(0), machine="pc", devices=EXIT)
    with made.main_loop.lock:
        made.system_reset()
        made.a20.keyboard.lower()
        assert made.cpus[0].a20 == 0
        made.system_reset()
        assert made.cpus[0].a20 == 1
