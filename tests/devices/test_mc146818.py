"""MC146818A data sheet: time, calendar, alarm, the three interrupts, the update cycle; the AT's century byte."""
from datetime import datetime

import pytest

from qemu_py.devices.mc146818 import MC146818

INDEX, DATA = 0x70, 0x71
SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WEEKDAY, DAY, MONTH, YEAR, A, B, C, D = range(14)
CENTURY = 0x32
UIP = 0x80
SET, PIE, AIE, UIE, SQWE, DM, H24 = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02
IRQF, PF, AF, UF = 0x80, 0x40, 0x20, 0x10
VRT = 0x80
DV_32K, DV_RESET = 0x20, 0x70
SECOND = 1_000_000_000


class RTC:
    def __init__(self, bus, clock):
        self.chip = MC146818(clock)
        bus.map(self.chip, INDEX, 2)
        self.line = bus.irq(8)
        self.chip.irq.connect(self.line)
        self.bus, self.clock = bus, clock

    def __getitem__(self, n):
        self.bus.outb(INDEX, n)
        return self.bus.inb(DATA)

    def __setitem__(self, n, value):
        self.bus.outb(INDEX, n)
        self.bus.outb(DATA, value)

    def time(self):
        return [self[n] for n in (CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOUR, MIN, SEC)]

    def set(self, mode, *values):
        """As a guest sets the time: inhibit updates, write, go on."""
        self[B] = SET | mode
        for n, value in zip((CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOUR, MIN, SEC), values):
            self[n] = value
        self[B] = mode


@pytest.fixture
def rtc(pc_bus, clock):
    return RTC(pc_bus, clock)


def test_the_time_is_bcd_and_24_hours(rtc, clock):
    rtc.chip.set_time(datetime(2026, 11, 23, 19, 48, 59))
    assert rtc.time() == [0x20, 0x26, 0x11, 0x23, 2, 0x19, 0x48, 0x59]      # a Monday: the second day
    clock.advance(SECOND)
    assert rtc.time() == [0x20, 0x26, 0x11, 0x23, 2, 0x19, 0x49, 0x00]


@pytest.mark.parametrize("mode, before, after", [
    (H24, [0x20, 0x23, 0x12, 0x31, 1, 0x23, 0x59, 0x59], [0x20, 0x24, 0x01, 0x01, 2, 0x00, 0x00, 0x00]),
    (H24, [0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x59], [0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00]),
    (H24, [0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x59, 0x59], [0x20, 0x24, 0x02, 0x29, 5, 0x00, 0x00, 0x00]),
    (H24, [0x20, 0x23, 0x02, 0x28, 7, 0x23, 0x59, 0x59], [0x20, 0x23, 0x03, 0x01, 1, 0x00, 0x00, 0x00]),
    (H24 | DM, [20, 23, 9, 30, 7, 23, 59, 59], [20, 23, 10, 1, 1, 0, 0, 0]),
    (0, [0x20, 0x23, 0x09, 0x30, 7, 0x11, 0x59, 0x59], [0x20, 0x23, 0x09, 0x30, 7, 0x92, 0x00, 0x00]),     # noon
    (0, [0x20, 0x23, 0x09, 0x30, 7, 0x92, 0x59, 0x59], [0x20, 0x23, 0x09, 0x30, 7, 0x81, 0x00, 0x00]),     # 1 PM
    (0, [0x20, 0x23, 0x09, 0x30, 7, 0x91, 0x59, 0x59], [0x20, 0x23, 0x10, 0x01, 1, 0x12, 0x00, 0x00]),     # midnight
    (DM, [20, 23, 9, 29, 6, 0x80 | 11, 59, 59], [20, 23, 9, 30, 7, 12, 0, 0]),
])
def test_a_second_carries_into_everything(rtc, clock, mode, before, after):
    rtc.set(mode, *before)
    assert rtc.time() == before
    clock.advance(SECOND)
    assert rtc.time() == after


def test_the_century_is_also_where_a_ps2_has_it(rtc):
    assert rtc[0x37] == rtc[0x32] == 0x19
    rtc[0x37] = 0x20
    assert rtc[0x32] == 0x20


def test_a_long_time_passes_at_once(rtc, clock):
    rtc.chip.set_time(datetime(1999, 12, 31, 12, 0, 0))
    clock.jump(366 * 86400 * SECOND)
    assert rtc.chip.time() == datetime(2000, 12, 31, 12, 0, 0)


def test_changing_the_data_mode_converts_nothing(rtc):
    rtc.set(H24, 0x20, 0x26, 0x11, 0x23, 2, 0x19, 0x48, 0x30)
    rtc[B] = H24 | DM
    assert rtc[MIN] == 0x48


def test_set_inhibits_the_update_and_clears_uie(rtc, clock):
    rtc[B] = H24 | UIE
    rtc[B] = H24 | UIE | SET
    before = rtc[SEC]
    clock.advance(5 * SECOND)
    assert rtc[SEC] == before and rtc[B] == H24 | SET and rtc[C] & UF == 0
    assert rtc[A] & UIP == 0


def test_update_in_progress_rises_244_us_before_the_cycle_of_1984_us(rtc, clock):
    clock.advance(SECOND - 2_229_000)
    assert rtc[A] & UIP == 0 and rtc[SEC] == 0
    clock.advance(2_000)
    assert rtc[A] & UIP == UIP
    clock.advance(2_226_000)
    assert rtc[A] & UIP == UIP and rtc[SEC] == 0
    clock.advance(1_000)
    assert rtc[A] & UIP == 0 and rtc[SEC] == 1


def test_uip_and_register_c_and_d_are_read_only(rtc):
    rtc[A] = 0xA6
    assert rtc[A] == 0x26
    rtc[C] = 0x70
    assert rtc[C] & (AF | UF) == 0
    rtc[D] = 0
    assert rtc[D] == VRT


def test_the_first_update_is_half_a_second_after_the_divider_reset_ends(rtc, clock):
    clock.advance(300_000_000)
    rtc[A] = DV_RESET
    clock.advance(10 * SECOND)
    assert rtc[SEC] == 0
    rtc[A] = DV_32K
    clock.advance(499_999_999)
    assert rtc[SEC] == 0
    clock.advance(1)
    assert rtc[SEC] == 1


@pytest.mark.parametrize("select, ns", [
    (1, 3_906_250), (2, 7_812_500), (3, 122_071), (4, 244_141), (5, 488_282), (6, 976_563), (7, 1_953_125), (8, 3_906_250),
    (9, 7_812_500), (10, 15_625_000), (11, 31_250_000), (12, 62_500_000), (13, 125_000_000), (14, 250_000_000),
    (15, 500_000_000)])
def test_periodic_rates(rtc, clock, select, ns):
    rtc[A] = DV_32K | select
    rtc[B] = H24 | PIE
    rtc[C]
    clock.advance(ns - 1)
    assert not rtc.line.level
    clock.advance(1)
    assert rtc.line.level and rtc[C] == IRQF | PF
    assert not rtc.line.level and rtc[C] == 0


def test_1024_interrupts_a_second(rtc, clock):
    rtc[B] = H24 | PIE
    count = 0
    for _ in range(10240):
        clock.advance(97_657)           # 1/10240 s
        if rtc.line.level:
            count += 1
            assert rtc[C] & PF
    assert count == 1024


def test_rate_zero_never_interrupts(rtc, clock):
    rtc[A] = DV_32K
    rtc[B] = H24 | PIE
    clock.advance(3 * SECOND)
    assert not rtc.line.level and rtc[C] & PF == 0


def test_the_flags_are_set_without_their_enables(rtc, clock):
    rtc[SEC_ALARM] = rtc[MIN_ALARM] = rtc[HOUR_ALARM] = 0xFF
    clock.advance(SECOND)
    assert rtc[C] == PF | AF | UF and rtc.line.history == []


def test_enabling_an_interrupt_whose_flag_is_set_asserts_the_line(rtc, clock):
    clock.advance(SECOND)
    rtc[B] = H24 | UIE
    assert rtc.line.level == 1


def test_update_ended_interrupts_once_until_acknowledged(rtc, clock):
    rtc[B] = H24 | UIE
    clock.advance(3 * SECOND)
    assert rtc.line.history == [1]
    assert rtc[C] & (IRQF | UF) == IRQF | UF
    clock.advance(SECOND)
    assert rtc.line.history == [1, 0, 1]


@pytest.mark.parametrize("alarm, seconds", [
    ((0x05, 0x30, 0x12), 5), ((0xFF, 0xC0, 0xFF), 1), ((0x07, 0xFF, 0xFF), 7), ((0x00, 0x31, 0xFF), 60),
    ((0x00, 0x00, 0x13), 1800), ((0x00, 0x30, 0x12), 86400), ((0x61, 0x30, 0x12), None), ((0x00, 0x00, 0x25), None)])
def test_alarm_with_dont_care_bytes(rtc, clock, alarm, seconds):
    rtc.set(H24, 0x20, 0x26, 0x11, 0x23, 2, 0x12, 0x30, 0x00)
    rtc[SEC_ALARM], rtc[MIN_ALARM], rtc[HOUR_ALARM] = alarm
    rtc[B] = H24 | AIE
    rtc[C]
    if seconds is None:
        clock.advance(2 * 86400 * SECOND)
        assert rtc.line.history == []
        return
    clock.advance(seconds * SECOND - 1)
    assert rtc.line.history == []
    clock.advance(1)
    assert rtc.line.history == [1] and rtc[C] & (IRQF | AF) == IRQF | AF


def test_an_alarm_in_12_hour_mode(rtc, clock):
    rtc.set(0, 0x20, 0x26, 0x11, 0x23, 2, 0x11, 0x59, 0x58)
    rtc[SEC_ALARM], rtc[MIN_ALARM], rtc[HOUR_ALARM] = 0, 0, 0x92
    rtc[B] = AIE
    clock.advance(2 * SECOND)
    assert rtc.line.history == [1]


def test_reset_keeps_time_and_ram_and_clears_the_interrupts(rtc, clock):
    rtc[0x40] = 0x5A
    rtc[B] = H24 | DM | PIE | AIE | UIE | SQWE
    clock.advance(2 * SECOND)
    assert rtc.line.level
    rtc.chip.reset()
    assert not rtc.line.level
    assert rtc[B] == H24 | DM and rtc[C] == 0 and rtc[0x40] == 0x5A and rtc[SEC] == 2


def test_a_clock_set_back_takes_the_time_back(rtc, clock):
    rtc.chip.set_time(datetime(2026, 1, 1, 0, 0, 30))
    clock.advance(100 * SECOND)
    rtc[B] = H24 | UIE
    rtc[C]
    clock.ns -= 100 * SECOND
    rtc.chip.clock_set_back()
    assert rtc.chip.time() == datetime(2026, 1, 1, 0, 0, 30)
    clock.advance(SECOND)
    assert rtc.line.level


def test_bit_7_of_the_index_is_not_the_chips(rtc):
    rtc[0x80 | 0x50] = 0x12
    assert rtc[0x50] == 0x12


def test_nonsense_in_the_registers_of_time_is_counted_on_without_harm(rtc, clock):
    for value in (0xFF, 0x00, 0xAA):
        rtc.set(H24, *[value] * 8)
        clock.advance(86400 * SECOND)
        for n in range(128):
            assert 0 <= rtc[n] <= 255
