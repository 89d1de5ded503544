"""The 82093AA I/O APIC, as its datasheet has it, before two processors' APICs."""
import pytest

from qemu_py.devices.apic import APIC, APICBus
from qemu_py.devices.ioapic import IOAPIC

IOREGSEL, IOWIN = 0x00, 0x10
EOI, SVR, TMR = 0xB0, 0xF0, 0x180
MASKED, LEVEL, LOW_ACTIVE, REMOTE_IRR = 1 << 16, 1 << 15, 1 << 13, 1 << 14


class Board:
    def __init__(self, clock):
        bus = APICBus()
        self.apics = [APIC(clock, apic_id=n, bus=bus, bsp=n == 0) for n in range(2)]
        for apic in self.apics:
            apic.write(SVR, 0x1FF, 4)
        self.chip = IOAPIC(bus=bus)

    def write(self, register, value):
        self.chip.write(IOREGSEL, register, 4)
        self.chip.write(IOWIN, value, 4)

    def read(self, register):
        self.chip.write(IOREGSEL, register, 4)
        return self.chip.read(IOWIN, 4)

    def route(self, n, low, destination=0):
        self.write(0x11 + 2 * n, destination << 24)
        self.write(0x10 + 2 * n, low)

    def take(self, n=0):
        return self.apics[n].acknowledge() if self.apics[n].intr.level else None

    def end(self, n=0):
        self.apics[n].write(EOI, 0, 4)


@pytest.fixture
def board(clock):
    return Board(clock)


def test_it_has_24_inputs_all_masked(board):
    assert board.read(0x01) == 0x00170011
    assert [board.read(0x10 + 2 * n) for n in range(24)] == [MASKED] * 24
    board.write(0x00, 0xFF << 24)
    assert board.read(0x00) == board.read(0x02) == 0x0F << 24


def test_delivery_status_and_remote_irr_cannot_be_written(board):
    board.route(3, 0xFFFFFFFF, 0xAB)
    assert board.read(0x16) == 0x1AFFF and board.read(0x17) == 0xAB << 24


def test_an_edge_is_sent_once_to_the_processor_named(board):
    board.route(4, 0x34, 1)
    board.chip.irqs[4].raise_()
    assert board.take(0) is None and board.take(1) == 0x34
    board.end(1)
    assert board.take(1) is None
    board.chip.irqs[4].lower()
    board.chip.irqs[4].raise_()
    assert board.take(1) == 0x34


def test_an_edge_at_a_masked_input_is_ignored(board):
    board.route(4, MASKED | 0x34)
    board.chip.irqs[4].pulse()
    board.route(4, 0x34)
    assert board.take() is None


@pytest.mark.parametrize("polarity", [0, LOW_ACTIVE])
def test_a_level_asks_again_at_the_end_of_its_interrupt(board, polarity):
    board.route(10, LEVEL | polarity | 0x5A)
    board.chip.irqs[10].raise_()
    assert board.take() == 0x5A and board.read(0x10 + 20) & REMOTE_IRR
    assert board.apics[0].read(TMR + 0x20, 4) == 1 << 0x1A
    board.end()
    assert board.take() == 0x5A
    board.chip.irqs[10].lower()
    board.end()
    assert board.take() is None and not board.read(0x10 + 20) & REMOTE_IRR


def test_a_level_that_was_masked_is_sent_when_it_is_unmasked(board):
    board.route(10, MASKED | LEVEL | 0x5A)
    board.chip.irqs[10].raise_()
    assert board.take() is None
    board.route(10, LEVEL | 0x5A)
    assert board.take() == 0x5A


def test_an_nmi_and_an_extint(board):
    seen = []
    board.apics[0].nmi.connect(lambda n, level: level and seen.append("nmi"))
    board.route(5, 0x400)
    board.chip.irqs[5].pulse()
    assert seen == ["nmi"]
    board.route(0, 0x700)
    board.chip.irqs[0].pulse()
    assert board.take() == -1 and board.take() is None
