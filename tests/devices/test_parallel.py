"""The parallel port as the PS/2 reference has it: data, status, control at 378h; a printer at the other end."""
import pytest

from qemu_py.devices.parallel import Parallel

DATA, STATUS, CONTROL, EPP = 0x378, 0x379, 0x37A, 0x37B
NOT_BUSY, NOT_ACK, PAPER_END, SELECTED, NO_ERROR, NO_IRQ = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04
STROBE, INIT_OFF, SELECT, IRQ_ENABLE, INPUT = 0x01, 0x04, 0x08, 0x10, 0x20


@pytest.fixture
def lpt(pc_bus, clock, chardev):
    port = Parallel(clock, chardev=chardev)
    pc_bus.map(port, DATA, 8)
    port.ack_irq.connect(pc_bus.irq(7))
    return pc_bus


def send(bus, clock, byte):
    bus.outb(DATA, byte)
    control = bus.inb(CONTROL) & 0x3F
    bus.outb(CONTROL, control | STROBE)
    bus.outb(CONTROL, control & ~STROBE)
    clock.advance(10_000)


def test_what_is_strobed_arrives(lpt, clock, chardev):
    for byte in b"Hello":
        assert lpt.inb(STATUS) & NOT_BUSY
        send(lpt, clock, byte)
    assert chardev.sent == b"Hello"


def test_a_ready_printer(lpt):
    assert lpt.inb(STATUS) & (NOT_BUSY | NOT_ACK | PAPER_END | SELECTED | NO_ERROR) == NOT_BUSY | NOT_ACK | SELECTED | NO_ERROR


def test_data_and_control_read_back(lpt):
    lpt.outb(DATA, 0xA5)
    assert lpt.inb(DATA) == 0xA5
    lpt.outb(CONTROL, 0xCC)
    assert lpt.inb(CONTROL) == 0xCC
    lpt.outb(CONTROL, 0x0E)
    assert lpt.inb(CONTROL) & 0x3F == 0x0E


def test_only_the_rising_edge_of_strobe_sends(lpt, clock, chardev):
    lpt.outb(DATA, 0x41)
    for _ in range(3):
        lpt.outb(CONTROL, INIT_OFF | SELECT | STROBE)
        clock.advance(10_000)
    assert chardev.sent == b"A"


def test_acknowledge_interrupts_if_enabled(lpt, clock):
    send(lpt, clock, 0x41)
    assert lpt.irq(7).history == []
    lpt.outb(CONTROL, INIT_OFF | SELECT | IRQ_ENABLE)
    send(lpt, clock, 0x42)
    assert lpt.irq(7).history == [1]                    # an edge-triggered controller needs it to stay
    assert not lpt.inb(STATUS) & NO_IRQ and lpt.inb(STATUS) & NO_IRQ
    assert lpt.irq(7).history == [1, 0]


def test_busy_until_acknowledged(lpt, clock):
    lpt.outb(CONTROL, INIT_OFF | SELECT | STROBE)
    assert not lpt.inb(STATUS) & NOT_BUSY
    clock.advance(10_000)
    assert lpt.inb(STATUS) & NOT_BUSY


def test_busy_while_nobody_takes_the_byte(lpt, clock, chardev):
    chardev.room = 0
    send(lpt, clock, 0x41)
    assert not lpt.inb(STATUS) & NOT_BUSY
    send(lpt, clock, 0x42)              # a guest that does not look loses it
    chardev.drain()
    clock.advance(10_000)
    assert chardev.sent == b"A" and lpt.inb(STATUS) & NOT_BUSY


def test_init_makes_the_printer_busy_and_forgetful(lpt, clock, chardev):
    chardev.room = 0
    send(lpt, clock, 0x41)
    lpt.outb(CONTROL, SELECT)
    assert not lpt.inb(STATUS) & NOT_BUSY
    lpt.outb(CONTROL, SELECT | INIT_OFF)
    assert lpt.inb(STATUS) & NOT_BUSY
    chardev.drain()
    assert chardev.sent == b""


def test_the_reverse_direction_has_nobody_who_drives(lpt):
    lpt.outb(DATA, 0x00)
    lpt.outb(CONTROL, INIT_OFF | SELECT | INPUT)
    assert lpt.inb(DATA) == 0xFF


def test_epp_is_absent(lpt, chardev):
    for port in range(EPP, EPP + 5):
        lpt.outb(port, 0x12)
        assert lpt.inb(port) == 0xFF
    assert chardev.sent == b""
    lpt.outb(STATUS, 0x01)
    assert lpt.inb(STATUS) & 0x01       # a time-out bit that cannot be cleared: drivers look for that


def test_reset(lpt, clock):
    lpt.outb(DATA, 0x55)
    lpt.ports[DATA][0].reset()
    assert lpt.inb(DATA) == 0 and lpt.inb(CONTROL) & 0x3F == INIT_OFF | SELECT
