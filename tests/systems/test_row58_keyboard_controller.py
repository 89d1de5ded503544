"""Row 58: the keyboard controller's ways to reset a PC (command FEh, output port bit 0), and its A20; seen by a guest."""
import pytest

from tests.boot.kernels import outb
from tests.systems.test_row58_reset_sources import a20_machine, a20_test, resets

both = pytest.mark.parametrize("machine", ["pc", "isapc"])


@both
def test_command_fe_resets(make_machine, machine):
    assert resets(make_machine, outb(0x64, 0xFE), machine) == 3


@both
def test_bit_0_of_the_output_port_resets(make_machine, machine):
    assert resets(make_machine, outb(0x64, 0xD1) + outb(0x60, 0xDE), machine) == 3


@both
def test_no_reboot_ends_instead(make_machine, machine):
    assert make_machine(outb(0x64, 0xFE) + b"\xeb\xfe", machine=machine, no_reboot=True).run() == 0


def output_port(value):
    return outb(0x64, 0xD1) + outb(0x60, value)


@both
@pytest.mark.parametrize("off, on", [
    (output_port(0xDD), output_port(0xDF)), (outb(0x64, 0xDD), outb(0x64, 0xDF)), (output_port(0xDD), outb(0x92, 2))])
def test_the_a20_bit(make_machine, machine, off, on):
    """With A20 off 100500h is 500h, with it on it is not: 2 and 4."""
    made = a20_machine(make_machine, a20_test(off, on), machine)
    assert made.run() == (2 | 4 << 4) << 1 & 0xFF | 1


@both
def test_sendkey_reaches_the_guest(make_machine, machine):
    made = make_machine(machine=machine)
    with made.main_loop.lock:
        made.system_reset()
        inb, clock = made.memory.physmap.port_read, made.clocks.vm
        made.inputs.send_keys("shift-a")
        clock.set_ns(clock.get_ns() + 10_000_000)
        assert inb(0x64, 1) & 1 and inb(0x60, 1) == 0x2A        # translated to set 1
        clock.set_ns(clock.get_ns() + 10_000_000)
        assert inb(0x64, 1) & 1 and inb(0x60, 1) == 0x1E
