"""The 8254 of a PC by its datasheet: times are CLK pulses of 1.193182 MHz."""
import pytest

COUNTER0, COUNTER2, CONTROL, PORT61 = 0x40, 0x42, 0x43, 0x61
HZ = 1193182
LSB, MSB, WORD, BCD = 0x10, 0x20, 0x30, 0x01
OUT, NULL_COUNT = 0x80, 0x40


def ticks(n):
    """Nanoseconds of n CLK pulses, rounded up."""
    return -(-n * 1_000_000_000 // HZ)


class Guest:
    """The chip as its counter 2 shows it, gate and OUT through port 61h."""

    def __init__(self, bus, clock):
        self.bus, self.clock = bus, clock
        self.pit = bus.add("i8254")
        self.speaker = bus.add("isa-pcspk", pit=self.pit)
        bus.outb(PORT61, 1)
        self.tick = 0

    def start(self, mode, count, flags=WORD):
        self.bus.outb(CONTROL, 0x80 | flags | mode << 1)
        if flags & LSB:
            self.bus.outb(COUNTER2, count & 0xFF)
        if flags & MSB:
            self.bus.outb(COUNTER2, count >> 8)
        return self

    def run(self, n):
        """n CLK pulses pass."""
        self.tick += n
        self.clock.advance(ticks(self.tick) - self.clock.ns)

    def gate(self, level):
        self.bus.outb(PORT61, level)

    def read(self):
        self.bus.outb(CONTROL, 0x80)
        return self.bus.inb(COUNTER2) | self.bus.inb(COUNTER2) << 8

    def out(self):
        return self.bus.inb(PORT61) >> 5 & 1

    def status(self):
        self.bus.outb(CONTROL, 0xE8)    # read back: status of counter 2
        return self.bus.inb(COUNTER2)

    def trace(self, n):
        """OUT over the next n CLK pulses."""
        levels = []
        for _ in range(n):
            self.run(1)
            levels.append(self.out())
        return levels


@pytest.fixture
def guest(pc_bus, clock):
    return Guest(pc_bus, clock)


def test_mode_0_raises_out_n_plus_1_pulses_after_the_count(guest):
    guest.start(0, 4)
    assert guest.out() == 0
    assert guest.trace(6) == [0, 0, 0, 0, 1, 1]


def test_mode_0_counts_on_through_zero(guest):
    guest.start(0, 4)
    guest.run(1)
    assert guest.read() == 4
    guest.run(6)
    assert guest.read() == 0xFFFE


def test_mode_0_stands_still_while_the_gate_is_low(guest):
    guest.start(0, 100)
    guest.run(11)
    guest.gate(0)
    guest.run(50)
    assert guest.read() == 90
    guest.gate(1)
    guest.run(90)
    assert guest.out() == 1


def test_mode_0_stops_at_the_first_byte_of_a_new_count(guest, pc_bus):
    guest.start(0, 10)
    guest.run(5)
    pc_bus.outb(COUNTER2, 3)
    guest.run(20)
    assert guest.out() == 0
    pc_bus.outb(COUNTER2, 0)
    assert guest.trace(4) == [0, 0, 0, 1]


def test_mode_1_is_a_one_shot_that_the_gate_triggers_again(guest):
    guest.start(1, 3)
    assert guest.trace(3) == [1, 1, 1]
    guest.gate(0)
    guest.gate(1)
    assert guest.trace(5) == [0, 0, 0, 1, 1]
    guest.gate(0)
    guest.gate(1)
    assert guest.trace(2) == [0, 0]
    guest.gate(0)
    guest.gate(1)
    assert guest.trace(4) == [0, 0, 0, 1]


def test_mode_2_is_low_for_the_last_pulse_of_each_period(guest):
    guest.start(2, 4)
    guest.run(1)
    assert guest.read() == 4
    assert guest.trace(8) == [1, 1, 0, 1, 1, 1, 0, 1]


def test_mode_2_takes_a_new_count_at_the_end_of_the_period(guest, pc_bus):
    guest.start(2, 4)
    guest.run(2)
    pc_bus.outb(COUNTER2, 2)
    pc_bus.outb(COUNTER2, 0)
    assert guest.status() & NULL_COUNT
    assert guest.trace(7) == [1, 0, 1, 0, 1, 0, 1]
    assert not guest.status() & NULL_COUNT


def test_mode_2_begins_again_when_the_gate_rises(guest):
    guest.start(2, 10)
    guest.run(5)
    guest.gate(0)
    assert guest.out() == 1
    guest.run(30)
    guest.gate(1)
    guest.run(1)
    assert guest.read() == 10


@pytest.mark.parametrize("count, wave", [(4, [1, 1, 0, 0, 1, 1, 0, 0]), (5, [1, 1, 1, 0, 0, 1, 1, 1, 0, 0])])
def test_mode_3_is_a_square_wave(guest, count, wave):
    guest.start(3, count)
    assert guest.trace(len(wave)) == wave


@pytest.mark.parametrize("count, values", [(6, [6, 4, 2, 6, 4, 2, 6]), (5, [4, 2, 0, 4, 2, 4])])
def test_mode_3_counts_down_by_two(guest, count, values):
    guest.start(3, count)
    seen = []
    for _ in values:
        guest.run(1)
        seen.append(guest.read())
    assert seen == values


def test_mode_3_takes_a_new_count_at_the_end_of_the_half_period(guest, pc_bus):
    guest.start(3, 8)
    guest.run(2)
    pc_bus.outb(COUNTER2, 4)
    pc_bus.outb(COUNTER2, 0)
    # Two pulses of the old high half are left; then two low, two high.
    assert guest.trace(8) == [1, 1, 0, 0, 1, 1, 0, 0]


def test_mode_4_strobes_once(guest):
    guest.start(4, 3)
    assert guest.trace(8) == [1, 1, 1, 0, 1, 1, 1, 1]


def test_mode_5_strobes_after_each_trigger(guest):
    guest.start(5, 2)
    assert guest.trace(4) == [1, 1, 1, 1]
    for _ in range(2):
        guest.gate(0)
        guest.gate(1)
        assert guest.trace(5) == [1, 1, 0, 1, 1]


def test_a_count_of_zero_is_the_largest(guest):
    guest.start(2, 0)
    guest.run(1)
    assert guest.read() == 0
    guest.run(1)
    assert guest.read() == 0xFFFF


def test_bcd_counts_in_decimal(guest):
    guest.start(0, 0x0100, WORD | BCD)
    guest.run(2)
    assert guest.read() == 0x0099
    guest.run(100)
    assert guest.read() == 0x9999
    guest.start(2, 0x0000, WORD | BCD)
    guest.run(2)
    assert guest.read() == 0x9999


def test_single_byte_counts(guest, pc_bus):
    guest.start(2, 0x34, LSB)
    guest.run(1)
    assert pc_bus.inb(COUNTER2) == 0x34
    assert pc_bus.inb(COUNTER2) == 0x34
    guest.start(2, 0x1200, MSB)
    guest.run(1)
    assert pc_bus.inb(COUNTER2) == 0x12


def test_a_latched_count_waits_to_be_read(guest, pc_bus):
    guest.start(2, 1000)
    guest.run(1)
    pc_bus.outb(CONTROL, 0x80)
    guest.run(500)
    pc_bus.outb(CONTROL, 0x80)          # a second latch does not overwrite the first
    assert pc_bus.inb(COUNTER2) == 1000 & 0xFF
    guest.run(5)
    assert pc_bus.inb(COUNTER2) == 1000 >> 8
    assert guest.read() == 495


def test_read_back_latches_status_then_count(guest, pc_bus):
    guest.start(3, 0x1234)
    assert guest.status() & NULL_COUNT  # not loaded before the next pulse
    guest.run(1)
    pc_bus.outb(CONTROL, 0xC8)
    assert pc_bus.inb(COUNTER2) == OUT | WORD | 3 << 1
    assert pc_bus.inb(COUNTER2) == 0x34
    assert pc_bus.inb(COUNTER2) == 0x12


def test_read_back_serves_several_counters_at_once(guest, pc_bus):
    pc_bus.outb(CONTROL, 0x14)          # counter 0: mode 2, LSB
    pc_bus.outb(COUNTER0, 100)
    guest.start(2, 100, LSB)
    guest.run(1)
    pc_bus.outb(CONTROL, 0xDA)          # count only, counters 0 and 2
    guest.run(10)
    assert pc_bus.inb(COUNTER0) == 100
    assert pc_bus.inb(COUNTER2) == 100


def start_counter_0(bus, mode, count):
    bus.outb(CONTROL, 0x30 | mode << 1)
    bus.outb(COUNTER0, count & 0xFF)
    bus.outb(COUNTER0, count >> 8)


def rising_edges(line):
    return sum(1 for level in line.history if level)


def test_counter_0_interrupts_at_its_rate(pc_bus, clock):
    pc_bus.add("i8254")
    start_counter_0(pc_bus, 2, 1193)
    line = pc_bus.irq(0)
    line.history.clear()
    clock.advance(ticks(1193 * 1000) + ticks(2))
    assert rising_edges(line) == 1000


def test_counter_0_in_mode_3_holds_its_line_for_half_a_period(pc_bus, clock):
    pc_bus.add("i8254")
    start_counter_0(pc_bus, 3, 10000)
    clock.advance(ticks(5000 + 2))
    assert pc_bus.irq(0).level == 0
    clock.advance(ticks(5000))
    assert pc_bus.irq(0).level == 1


def test_counter_0_in_mode_0_interrupts_once(pc_bus, clock):
    pc_bus.add("i8254")
    start_counter_0(pc_bus, 0, 100)
    line = pc_bus.irq(0)
    assert line.level == 0
    line.history.clear()
    clock.advance(ticks(1_000_000))
    assert line.history == [1]


def test_edges_that_a_busy_host_missed_are_made_up_for(pc_bus, clock):
    pc_bus.add("i8254")
    start_counter_0(pc_bus, 2, 1193)
    line = pc_bus.irq(0)
    line.history.clear()
    clock.jump(ticks(1193 * 5 + 2))
    clock.advance(ticks(1193 * 5))
    assert rising_edges(line) == 10


def test_a_stopped_host_does_not_flood_the_guest(pc_bus, clock):
    pc_bus.add("i8254")
    start_counter_0(pc_bus, 2, 1193)
    line = pc_bus.irq(0)
    line.history.clear()
    clock.jump(3600 * 1_000_000_000)
    clock.advance(ticks(1193 * 10))
    assert rising_edges(line) < 30


def test_the_refresh_bit_toggles_every_15_microseconds(guest, clock, pc_bus):
    levels = []
    for _ in range(600):
        clock.advance(1000)
        levels.append(pc_bus.inb(PORT61) >> 4 & 1)
    toggles = sum(a != b for a, b in zip(levels, levels[1:]))
    assert 38 <= toggles <= 41


def test_port_61h_reads_back_its_four_bits(guest, pc_bus):
    pc_bus.outb(PORT61, 0xFE)
    assert pc_bus.inb(PORT61) & 0x0F == 0x0E


def test_reset_stops_the_counters(pc_bus, clock):
    pit = pc_bus.add("i8254")
    start_counter_0(pc_bus, 2, 100)
    pit.reset()
    line = pc_bus.irq(0)
    line.history.clear()
    clock.advance(1_000_000_000)
    assert line.history == []


class Told:
    """In the place of the core's PassiveCounter: keeps what it was told."""

    def __init__(self):
        self.active, self.told, self.flip_flop = False, None, (False, -1)

    def ask_device(self):
        self.active, self.told = False, None

    def count_8254(self, *told):
        self.active, self.told = True, told
        self.flip_flop = told[5:]

    port61 = count_8254


def test_port_61h_is_answered_by_the_core_while_it_can_tell_out_2(guest, pc_bus):
    counter, port61 = Told(), Told()
    guest.pit.counters[2].passive, guest.speaker.passive = counter, port61
    guest.start(0, 100)
    assert port61.told[0] == 0x01 and port61.told[3:] == (0x20, counter)        # OUT will rise
    guest.gate(0)
    assert port61.told[0] == 0x00 and len(port61.told) == 3                     # held: it stays low
    guest.gate(1)
    assert port61.told[3:] == (0x20, counter)
    guest.start(4, 100)
    assert not port61.active            # a pulse of one tick
    guest.bus.outb(CONTROL, 0xB0)       # a control word: low until a count comes
    assert port61.told[0] == 0x01
    pc_bus.outb(PORT61, 0x02)
    assert port61.told[0] == 0x02


def test_a_counter_is_answered_by_the_core_unless_a_count_waits_or_a_status_is_latched(guest):
    counter = guest.pit.counters[2].passive = Told()
    guest.start(2, 1000)
    assert counter.told[2:] == (1000, 2, 3, False, -1)
    counter.flip_flop = (True, -1)      # the core has given the first byte ...
    guest.bus.outb(CONTROL, 0x80)       # ... and the device latches a count, the second byte being next
    assert counter.told[5] is True and counter.told[6] == 1000
    guest.bus.outb(CONTROL, 0xE8)
    assert not counter.active
    assert guest.bus.inb(COUNTER2) & 0x3F == 0x34
    assert counter.active
    guest.start(2, 1000)
    guest.run(10)
    guest.bus.outb(COUNTER2, 0x10)
    guest.bus.outb(COUNTER2, 0x00)
    assert not counter.active           # taken when the period ends


@pytest.mark.parametrize("mode", [0, 4])
def test_a_single_shot_comes_however_slow_the_host_is(pc_bus, clock, monkeypatch, mode):
    """Linux asks for as little as 15 ticks; between the write and the arming of a timer a host may be away."""
    pc_bus.add("i8254")

    def get_ns():
        clock.ns += 1_000_000
        return clock.ns
    monkeypatch.setattr(clock, "get_ns", get_ns)
    for _ in range(3):
        pc_bus.outb(0x43, 0x30 | mode << 1)
        before = len(pc_bus.irq(0).history)
        pc_bus.outb(0x40, 15)
        pc_bus.outb(0x40, 0)
        for _ in range(5):
            clock.jump(1_000_000)
        assert 1 in pc_bus.irq(0).history[before:]


def test_the_pulse_of_mode_4_is_seen_after_a_long_sleep_of_the_host(pc_bus, clock):
    pc_bus.add("i8254")
    pc_bus.outb(0x43, 0x38)
    pc_bus.outb(0x40, 0)
    pc_bus.outb(0x40, 0x10)
    before = len(pc_bus.irq(0).history)
    clock.jump(5_000_000_000)
    clock.jump(1_000_000)
    assert pc_bus.irq(0).history[before:] == [0, 1]
