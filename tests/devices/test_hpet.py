"""High precision event timers, as the IA-PC HPET specification 1.0a has them."""
import pytest

from qemu_py.devices.hpet import HPET

GCAP_ID, GEN_CONF, GINTR_STA, MAIN_CNT = 0x000, 0x010, 0x020, 0x0F0
ENABLE, LEGACY = 1, 2
LEVEL, INTERRUPT, PERIODIC, VAL_SET, MODE_32 = 1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 8
ROUTE_16, ROUTE_20 = 16 << 9, 20 << 9


def conf(n):
    return 0x100 + 0x20 * n


def comparator(n):
    return 0x108 + 0x20 * n


class Line:
    def __init__(self, irq):
        self.level = self.rises = 0
        irq.connect(self.change)

    def change(self, n, level):
        self.level = level
        self.rises += level


class Board:
    def __init__(self, clock, **properties):
        self.chip = HPET(clock, **properties)
        self.clock = clock
        self.tick = (self.read(GCAP_ID + 4)) / 1e6      # nanoseconds
        self.lines = {n: Line(irq) for n, irq in self.chip.irqs.items()}
        self.legacy = [Line(irq) for irq in self.chip.legacy]
        self.route = Line(self.chip.legacy_route)

    def read(self, register):
        return self.chip.read(register, 4)

    def write(self, register, value):
        self.chip.write(register, value, 4)

    def advance(self, ticks):
        self.clock.advance(round(ticks * self.tick))


@pytest.fixture
def hpet(clock):
    return Board(clock)


def test_capabilities(hpet):
    value = hpet.read(GCAP_ID)
    assert value & 0xFF == 1 and value >> 8 & 0x1F == 2         # revision; the last timer
    assert value & 1 << 13 and value & 1 << 15 and value >> 16 == 0x8086
    assert 0 < hpet.read(GCAP_ID + 4) <= 0x05F5E100             # at most 100 ns
    for n in range(3):
        assert hpet.read(conf(n)) & 0x8030 == 0x30              # periodic, 64 bits, no messages
        assert hpet.read(conf(n) + 4) == 0x00FF0000


def test_the_counter_stands_until_it_is_enabled(hpet):
    hpet.advance(100)
    assert hpet.read(MAIN_CNT) == 0
    hpet.write(GEN_CONF, ENABLE)
    hpet.advance(100)
    assert hpet.read(MAIN_CNT) == 100
    hpet.write(GEN_CONF, 0)
    hpet.advance(100)
    assert hpet.read(MAIN_CNT) == 100


def test_the_counter_can_be_written_and_has_64_bits(hpet):
    hpet.write(MAIN_CNT, 0xFFFFFFFE)
    hpet.write(MAIN_CNT + 4, 7)
    hpet.write(GEN_CONF, ENABLE)
    hpet.advance(3)
    assert (hpet.read(MAIN_CNT), hpet.read(MAIN_CNT + 4)) == (1, 8)


def test_a_single_match_is_an_edge(hpet):
    hpet.write(conf(2), INTERRUPT | ROUTE_20)
    hpet.write(comparator(2), 50)
    hpet.write(comparator(2) + 4, 0)
    hpet.write(GEN_CONF, ENABLE)
    hpet.advance(49)
    assert hpet.lines[20].rises == 0
    hpet.advance(1)
    assert hpet.lines[20].rises == 1 and hpet.lines[20].level == 0 and hpet.read(GINTR_STA) == 0
    hpet.advance(1000)
    assert hpet.lines[20].rises == 1


def test_a_level_is_held_until_its_status_is_cleared(hpet):
    hpet.write(conf(0), INTERRUPT | LEVEL | ROUTE_16)
    hpet.write(comparator(0), 50)
    hpet.write(comparator(0) + 4, 0)
    hpet.write(GEN_CONF, ENABLE)
    hpet.advance(60)
    assert hpet.lines[16].level == 1 and hpet.read(GINTR_STA) == 1
    hpet.write(GINTR_STA, 6)
    assert hpet.lines[16].level == 1
    hpet.write(GINTR_STA, 1)
    assert hpet.lines[16].level == 0 and hpet.read(GINTR_STA) == 0


def test_a_periodic_timer_adds_its_period_to_its_match(hpet):
    hpet.write(conf(1), INTERRUPT | PERIODIC | VAL_SET | MODE_32 | ROUTE_16)
    hpet.write(comparator(1), 30)
    assert not hpet.read(conf(1)) & VAL_SET
    hpet.write(comparator(1), 100)
    hpet.write(GEN_CONF, ENABLE)
    hpet.advance(30)
    assert hpet.lines[16].rises == 1 and hpet.read(comparator(1)) == 130
    hpet.advance(300)
    assert hpet.lines[16].rises == 4 and hpet.read(comparator(1)) == 430


def test_a_host_that_was_away_gives_one_interrupt_and_keeps_the_phase(hpet, clock):
    hpet.write(conf(1), INTERRUPT | PERIODIC | VAL_SET | MODE_32 | ROUTE_16)
    hpet.write(comparator(1), 100)
    hpet.write(GEN_CONF, ENABLE)
    clock.jump(round(550 * hpet.tick))
    assert hpet.lines[16].rises == 1 and hpet.read(comparator(1)) == 600


def test_with_32_bits_it_matches_again_when_the_counter_wraps(hpet):
    hpet.write(conf(0), INTERRUPT | MODE_32 | ROUTE_16)
    hpet.write(comparator(0), 10)
    hpet.write(GEN_CONF, ENABLE)
    hpet.advance(1 << 32)
    assert hpet.lines[16].rises == 1
    hpet.advance(10)
    assert hpet.lines[16].rises == 2


def test_the_legacy_route_takes_timers_0_and_1(hpet):
    hpet.write(GEN_CONF, ENABLE | LEGACY)
    assert hpet.route.level == 1
    for n in range(3):
        hpet.write(conf(n), INTERRUPT | MODE_32 | ROUTE_16)
        hpet.write(comparator(n), 10 * (n + 1))
    hpet.advance(100)
    assert [line.rises for line in hpet.legacy] == [1, 1] and hpet.lines[16].rises == 1


def test_a_route_that_there_is_not_does_not_read_back(hpet):
    hpet.write(conf(0), 3 << 9)
    assert hpet.read(conf(0)) >> 9 & 0x1F == 0
    hpet.write(conf(0), ROUTE_20)
    assert hpet.read(conf(0)) >> 9 & 0x1F == 20


def test_without_interrupts_no_host_timer_is_armed(hpet, clock):
    hpet.write(comparator(0), 10)
    hpet.write(GEN_CONF, ENABLE)
    assert not clock.active_timers


def test_a_reset_stops_everything(hpet, clock):
    hpet.write(GEN_CONF, ENABLE | LEGACY)
    hpet.write(conf(0), INTERRUPT)
    hpet.chip.reset()
    assert hpet.read(GEN_CONF) == 0 and hpet.route.level == 0 and not clock.active_timers


# ---------------------------------------------------------------- FSB delivery (2.3.8: Tn_FSB_EN_CNF, Tn_FSB_INT_DEL_CAP; 2.3.10)
FSB_EN, FSB_CAP = 1 << 14, 1 << 15
MESSAGE_ADDRESS, MESSAGE_DATA = 0xFEE03000, 0x41


def fsb_route(n):
    return 0x110 + 0x20 * n


@pytest.fixture
def fsb(clock):
    board = Board(clock, msi=True)
    board.messages = []
    board.chip.message = lambda address, data: board.messages.append((address, data))
    return board


def test_without_the_capability_there_is_no_message(hpet):
    hpet.write(conf(2), FSB_EN)
    hpet.write(fsb_route(2), 0x1234)
    assert hpet.read(conf(2)) & (FSB_EN | FSB_CAP) == 0 and hpet.read(fsb_route(2)) == 0


def test_a_message_goes_before_the_timer_s_line(fsb):
    assert fsb.read(conf(2)) & (FSB_EN | FSB_CAP) == FSB_CAP
    fsb.write(fsb_route(2), MESSAGE_DATA)
    fsb.write(fsb_route(2) + 4, MESSAGE_ADDRESS)
    assert (fsb.read(fsb_route(2)), fsb.read(fsb_route(2) + 4)) == (MESSAGE_DATA, MESSAGE_ADDRESS)
    fsb.write(comparator(2), 100)
    fsb.write(comparator(2) + 4, 0)
    fsb.write(conf(2), INTERRUPT | FSB_EN | ROUTE_20)
    fsb.write(GEN_CONF, ENABLE)
    fsb.advance(99)
    assert fsb.messages == []
    fsb.advance(1)
    assert fsb.messages == [(MESSAGE_ADDRESS, MESSAGE_DATA)] and fsb.lines[20].rises == 0 and fsb.read(GINTR_STA) == 0


def test_it_goes_before_the_legacy_route_and_comes_with_every_period(fsb):
    fsb.write(fsb_route(0), MESSAGE_DATA)
    fsb.write(fsb_route(0) + 4, MESSAGE_ADDRESS)
    fsb.write(conf(0), INTERRUPT | FSB_EN | PERIODIC | VAL_SET | MODE_32)
    fsb.write(comparator(0), 50)
    fsb.write(GEN_CONF, ENABLE | LEGACY)
    fsb.advance(175)
    assert len(fsb.messages) == 3 and fsb.legacy[0].rises == 0
