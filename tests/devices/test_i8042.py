"""The PC's keyboard controller: IBM Hardware Interface Technical Reference, keyboard/auxiliary device controller."""
import pytest

from qemu_py.devices.i8042 import I8042
from qemu_py.devices.ps2 import PS2Keyboard, PS2Mouse
from qemu_py.system.keymap import KEYS, find_key

DATA, CONTROL = 0x60, 0x64
OBF, SYSTEM, COMMAND, UNLOCKED, AUX = 0x01, 0x04, 0x08, 0x10, 0x20
KBD_IRQ, AUX_IRQ, SYS, NO_KBD, NO_AUX, XLATE = 0x01, 0x02, 0x04, 0x10, 0x20, 0x40
ACK = 0xFA
BYTE = 1_000_000                        # a byte has come over the cable after a millisecond


class PC:
    def __init__(self, bus, clock):
        self.bus, self.clock = bus, clock
        self.resets = 0
        self.kbd, self.mouse = PS2Keyboard(clock), PS2Mouse(clock)
        self.chip = I8042(clock, keyboard=self.kbd, mouse=self.mouse, request_reset=self.reset)
        bus.map(self.chip, DATA, 1)
        bus.map(self.chip, CONTROL, 1, first=1)
        self.chip.irq_kbd.connect(bus.irq(1))
        self.chip.irq_aux.connect(bus.irq(12))
        self.a20 = self.chip.a20 = bus.irq("A20")
        self.a20.level = 1

    def reset(self):
        self.resets += 1

    def status(self):
        return self.bus.inb(CONTROL)

    def command(self, value, *data):
        self.bus.outb(CONTROL, value)
        for byte in data:
            self.bus.outb(DATA, byte)

    def ask(self, value):
        self.command(value)
        assert self.status() & OBF
        return self.bus.inb(DATA)

    def read(self):
        """Everything that comes."""
        data = []
        self.clock.advance(BYTE)
        while self.status() & OBF:
            data.append(self.bus.inb(DATA))
            self.clock.advance(BYTE)
        return data


@pytest.fixture
def pc(pc_bus, clock):
    return PC(pc_bus, clock)


def test_status_after_reset(pc):
    assert pc.status() & (OBF | SYSTEM | UNLOCKED | AUX) == UNLOCKED


def test_self_test_and_tests_of_the_cables(pc):
    assert pc.ask(0xAA) == 0x55
    assert pc.status() & SYSTEM
    assert pc.ask(0xAB) == 0x00 and pc.ask(0xA9) == 0x00
    assert pc.ask(0xA4) == 0xF1


def test_the_command_flag_tells_which_port_was_written_last(pc):
    pc.command(0x60)
    assert pc.status() & COMMAND
    pc.bus.outb(DATA, 0)
    assert not pc.status() & COMMAND


def test_the_command_byte_and_the_ram(pc):
    pc.command(0x60, KBD_IRQ | SYS | XLATE)
    assert pc.ask(0x20) == KBD_IRQ | SYS | XLATE
    assert pc.status() & SYSTEM
    pc.command(0x7F, 0x5A)
    assert pc.ask(0x3F) == 0x5A


def test_disable_and_enable_commands_are_bits_of_the_command_byte(pc):
    pc.command(0x60, 0)
    pc.command(0xAD)
    pc.command(0xA7)
    assert pc.ask(0x20) == NO_KBD | NO_AUX
    pc.command(0xAE)
    pc.command(0xA8)
    assert pc.ask(0x20) == 0


def test_a_key_interrupts_and_reading_drops_the_line(pc, clock):
    pc.command(0x60, KBD_IRQ | XLATE)
    pc.kbd.key_event(find_key("a"), True)
    assert not pc.status() & OBF                        # it is still on the cable
    clock.advance(BYTE)
    assert pc.status() & (OBF | AUX) == OBF
    assert pc.bus.irq(1).history == [1] and pc.bus.irq(12).history == []
    assert pc.bus.inb(DATA) == 0x1E
    assert pc.bus.irq(1).history == [1, 0]
    assert pc.bus.inb(DATA) == 0x1E                     # the byte stays until the next one comes
    assert not pc.status() & OBF


def test_each_byte_of_a_sequence_interrupts(pc, clock):
    pc.command(0x60, KBD_IRQ | XLATE)
    pc.kbd.key_event(find_key("up"), True)
    clock.advance(BYTE)
    assert pc.bus.inb(DATA) == 0xE0
    assert pc.bus.irq(1).history == [1, 0]
    clock.advance(BYTE)
    assert pc.bus.irq(1).history == [1, 0, 1] and pc.bus.inb(DATA) == 0x48


@pytest.mark.parametrize("name", [name for name in KEYS if name not in ("pause", "print")])
def test_translation_makes_set_1_of_set_2(pc, name):
    pc.command(0x60, XLATE)
    pc.kbd.key_event(find_key(name), True)
    make = KEYS[name].set1
    assert bytes(pc.read()) == make
    pc.kbd.key_event(find_key(name), False)
    assert bytes(pc.read()) == make[:-1] + bytes([make[-1] | 0x80])


def test_without_translation_set_2_comes_as_it_is(pc):
    pc.command(0x60, 0)
    pc.kbd.key_event(find_key("a"), True)
    pc.kbd.key_event(find_key("a"), False)
    assert pc.read() == [0x1C, 0xF0, 0x1C]


def test_the_identity_is_translated_too(pc):
    pc.command(0x60, XLATE)
    pc.bus.outb(DATA, 0xF2)
    assert pc.read() == [ACK, 0xAB, 0x41]


def test_a_disabled_keyboard_keeps_its_bytes(pc, clock):
    pc.command(0x60, KBD_IRQ | NO_KBD)
    pc.kbd.key_event(find_key("a"), True)
    clock.advance(10 * BYTE)
    assert not pc.status() & OBF and pc.bus.irq(1).history == []
    pc.command(0xAE)
    assert pc.read() == [0x1C]


def test_writing_to_the_keyboard_enables_its_clock(pc):
    pc.command(0xAD)
    pc.bus.outb(DATA, 0xEE)
    assert pc.read() == [0xEE]
    assert not pc.ask(0x20) & NO_KBD


def test_the_mouse_answers_on_its_own_line(pc, clock):
    pc.command(0x60, AUX_IRQ)
    pc.command(0xD4, 0xF4)
    clock.advance(BYTE)
    assert pc.status() & (OBF | AUX) == OBF | AUX
    assert pc.bus.irq(12).history == [1] and pc.bus.irq(1).history == []
    assert pc.bus.inb(DATA) == ACK
    assert not pc.status() & AUX
    pc.mouse.mouse_event(1, 0, 0, 0)
    assert pc.read() == [0x08, 1, 0]
    assert pc.bus.irq(12).history == [1, 0] * 4


def test_mouse_bytes_are_not_translated(pc):
    pc.command(0x60, XLATE)
    pc.command(0xD4, 0xEE)
    assert pc.read() == [ACK]
    pc.command(0xD4, 0x1C)
    assert pc.read() == [0x1C]


def test_interrupts_need_their_enable_bits(pc):
    pc.command(0x60, 0)
    pc.bus.outb(DATA, 0xEE)
    assert pc.read() == [0xEE]
    pc.command(0xD4, 0xF4)
    assert pc.read() == [ACK]
    assert pc.bus.irq(1).history == pc.bus.irq(12).history == []


def test_bytes_put_into_the_output_buffer(pc):
    pc.command(0x60, KBD_IRQ | AUX_IRQ)
    pc.command(0xD2, 0x42)
    assert pc.status() & (OBF | AUX) == OBF and pc.bus.irq(1).history == [1]
    assert pc.bus.inb(DATA) == 0x42
    pc.command(0xD3, 0x43)
    assert pc.status() & (OBF | AUX) == OBF | AUX and pc.bus.irq(12).history == [1]
    assert pc.bus.inb(DATA) == 0x43


def test_an_answer_of_the_controller_does_not_lose_a_key(pc, clock):
    pc.kbd.key_event(find_key("a"), True)
    clock.advance(BYTE)
    assert pc.status() & OBF
    assert pc.ask(0xC0) & 0x80                          # the keyboard is not locked
    assert pc.read() == [0x1C]


def test_a20_by_the_output_port_and_by_its_commands(pc):
    assert pc.ask(0xD0) & 0x03 == 0x03
    pc.command(0xD1, 0xDD)
    assert pc.a20.level == 0 and pc.ask(0xD0) & 0x02 == 0
    pc.command(0xD1, 0xDF)
    assert pc.a20.level == 1
    pc.command(0xDD)
    assert pc.a20.level == 0
    pc.command(0xDF)
    assert pc.a20.level == 1 and pc.resets == 0


def test_the_output_port_shows_the_interrupt_lines(pc, clock):
    pc.command(0x60, KBD_IRQ)
    assert pc.ask(0xD0) & 0x30 == 0
    pc.kbd.key_event(find_key("a"), True)
    clock.advance(BYTE)
    assert pc.ask(0xD0) & 0x30 == 0x10


def test_a_pulse_on_bit_0_resets(pc):
    pc.command(0xFF)
    pc.command(0xF1)
    assert pc.resets == 0
    pc.command(0xFE)
    assert pc.resets == 1
    pc.command(0xF0)
    assert pc.resets == 2


def test_bit_0_of_the_output_port_resets(pc):
    pc.command(0xD1, 0xDE)
    assert pc.resets == 1


def test_reset_opens_a20_and_forgets(pc, clock):
    pc.command(0x60, KBD_IRQ | XLATE)
    pc.command(0xDD)
    pc.kbd.key_event(find_key("a"), True)
    clock.advance(BYTE)
    pc.kbd.reset()
    pc.chip.reset()
    assert pc.a20.level == 1 and pc.bus.irq(1).level == 0 and not pc.status() & OBF
    assert pc.read() == []


def test_the_clocks_as_test_inputs(pc):
    pc.command(0x60, NO_AUX)
    assert pc.ask(0xE0) & 3 == 1
