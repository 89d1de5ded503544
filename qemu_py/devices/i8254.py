"""Intel 8254 programmable interval timer (datasheet 231164): three 16-bit counters, modes 0 to 5.

A counter is not stepped: its count and its OUT pin are functions of the clock, and a timer is armed
for the next edge of OUT only where somebody listens to the pin. A count written is loaded by the
next CLK pulse, as on the chip.

Not modelled: the undefined counts between a trigger and the CLK pulse that follows it.
"""
from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.util.dataclass import dataclass, field

PIT_FREQ = 1193182                      # Hz: 14.31818 MHz / 12
NANOSECONDS = 1_000_000_000
NEVER = None
RW_LSB, RW_MSB, RW_WORD = 1, 2, 3
STATUS_OUT, STATUS_NULL_COUNT = 0x80, 0x40
READ_BACK_NO_COUNT, READ_BACK_NO_STATUS = 0x20, 0x10
# A late edge (the host was busy) is made up for at no less than this distance, in nanoseconds;
# what is later than the limit is dropped, and the phase is kept.
CATCH_UP_SPACING, CATCH_UP_LIMIT = 50_000, 100_000_000


def to_ticks(ns):
    return ns * PIT_FREQ // NANOSECONDS


def to_ns(ticks):
    """The first nanosecond of a tick."""
    return -(-ticks * NANOSECONDS // PIT_FREQ)


def to_bcd(value):
    return value % 10 | value // 10 % 10 << 4 | value // 100 % 10 << 8 | value // 1000 % 10 << 12


def from_bcd(value):
    return sum((value >> 4 * k & 0xF) * 10 ** k for k in range(4))


@dataclass
class CounterState:
    VERSION = 1
    mode: int = 3
    bcd: bool = False
    rw: int = RW_WORD
    gate: int = 1
    reload: int = 0                     # count register: 1-10000h (2710h in BCD); 0: none since the control word
    pending: int = 0                    # written meanwhile: taken at the end of the (half) period; 0: none
    written: int = 0                    # tick at which `pending` was written
    start: int = 0                      # tick at which the counting element was loaded
    counting: bool = False              # loaded and, in modes 1 and 5, triggered
    held: int = -1                      # ticks counted when the gate stopped it; -1: it runs
    write_low: int = -1                 # first byte of a two-byte write; -1: none yet
    read_high: bool = False             # second byte of a two-byte read is next
    latch: int = -1                     # latched count
    latched_status: int = -1


class Counter:
    """One counter of the three; times are ticks of its CLK."""

    def __init__(self):
        self.s = CounterState()
        self.out = IRQ()                # the OUT pin, kept up to date only if something listens
        self.timer = None
        self.edge_tick = NEVER          # what the timer waits for
        self.changed = None             # called when it was programmed, or its gate moved
        self.passive = None             # a PassiveCounter that answers reads of the port

    # ---------------------------------------------------------------- reads that the core answers
    def pull(self):
        """Before anything else is done: what such reads have changed."""
        if self.passive is not None and self.passive.active:
            self.s.read_high, self.s.latch = self.passive.flip_flop

    def publish(self):
        """After it: let the core answer from now on, where it can."""
        s, passive = self.s, self.passive
        if passive is not None:
            if (s.counting and s.held < 0 and s.mode in (0, 2, 3, 4) and s.reload and not s.pending and not s.bcd
                    and s.latched_status < 0):
                passive.count_8254(PIT_FREQ, s.start, s.reload, s.mode, s.rw, s.read_high, s.latch)
            else:
                passive.ask_device()
        if self.changed is not None:
            self.changed()

    # ---------------------------------------------------------------- count and OUT as functions of time
    def elapsed(self, now):
        return self.s.held if self.s.held >= 0 else now - self.s.start

    def settle(self, now):
        """Modes 2 and 3: take the new count if the (half) period has ended since it was written."""
        s = self.s
        if not s.pending or not s.counting or s.held >= 0:
            return
        if s.mode == 2:
            end = s.start + ((s.written - s.start) // s.reload + 1) * s.reload
            if now >= end:
                s.start, s.reload, s.pending = end, s.pending, 0
            return
        high = (s.reload + 1) // 2
        at = max(0, s.written - s.start)
        period, phase = divmod(at, s.reload)
        if phase < high:                # the high half ends: the low half is of the new count
            end = s.start + period * s.reload + high
            if now >= end:
                s.start, s.reload, s.pending = end - (s.pending + 1) // 2, s.pending, 0
        else:
            end = s.start + (period + 1) * s.reload
            if now >= end:
                s.start, s.reload, s.pending = end, s.pending, 0

    @property
    def constant(self):
        """Does OUT stay as it is until the counter is programmed or its gate moves?"""
        return not self.s.counting or self.s.held >= 0

    def output(self, now):
        """Level of OUT."""
        s = self.s
        self.settle(now)
        mode = s.mode
        if not s.counting:
            return 0 if mode == 0 else 1
        e = self.elapsed(now)
        if mode == 0:
            return int(e >= s.reload)
        if mode == 1:
            return int(e < 0 or e >= s.reload)
        if mode in (4, 5):
            return int(e != s.reload)
        if not s.gate or e < 0:
            return 1
        if mode == 2:
            return int(e % s.reload != s.reload - 1)
        return int(e % s.reload < (s.reload + 1) // 2)

    def count(self, now):
        """The counting element, as a read gives it."""
        s = self.s
        self.settle(now)
        n = s.reload
        e = max(0, self.elapsed(now)) if s.counting else 0
        if s.mode == 2 and n:
            value = n - e % n
        elif s.mode == 3 and n:
            phase = e % n
            high = (n + 1) // 2
            if phase >= high:
                phase -= high
            # An odd count is loaded less one; its high half takes one pulse longer.
            value = max(0, (n & ~1) - 2 * phase)
        else:
            value = n - e
        if s.bcd:
            return to_bcd(value % 10000)
        return value & 0xFFFF

    def next_edge(self, now):
        """The tick of the next change of OUT after `now`; NEVER if nothing will change it.

        Mode 2's low pulse lasts one tick: only its end, the rising edge, is given.
        """
        s = self.s
        self.settle(now)
        if not s.counting or s.held >= 0:
            return NEVER
        n, e = s.reload, now - s.start
        if s.mode in (0, 1):
            if s.mode == 1 and e < 0:
                return s.start
            return s.start + n if e < n else NEVER
        if s.mode in (4, 5):
            return s.start + n if e < n else s.start + n + 1 if e == n else NEVER
        if not s.gate:
            return NEVER
        if e < 0:
            return s.start + (n if s.mode == 2 else (n + 1) // 2)
        if s.mode == 2:
            return s.start + (e // n + 1) * n
        period, phase = divmod(e, n)
        return s.start + period * n + ((n + 1) // 2 if phase < (n + 1) // 2 else n)

    # ---------------------------------------------------------------- programming
    def set_control(self, value):
        s = self.s
        s.mode = (0, 1, 2, 3, 4, 5, 2, 3)[value >> 1 & 7]
        s.bcd = bool(value & 1)
        s.rw = value >> 4 & 3
        s.reload = s.pending = 0
        s.counting = False
        s.held = -1
        s.write_low = s.latch = s.latched_status = -1
        s.read_high = False

    def write(self, value, now):
        s = self.s
        if s.rw == RW_LSB:
            self.load(value, now)
        elif s.rw == RW_MSB:
            self.load(value << 8, now)
        elif s.write_low < 0:
            s.write_low = value
            if s.mode == 0:             # the first byte stops the counting
                s.counting = False
                s.held = -1
        else:
            low, s.write_low = s.write_low, -1
            self.load(value << 8 | low, now)

    def load(self, value, now):
        s = self.s
        if s.bcd:
            value = from_bcd(value) or 10000
        else:
            value = value or 0x10000
        if s.mode in (2, 3) and s.counting and s.held < 0:
            self.settle(now)
            s.pending = value
            s.written = now
            return
        if s.mode in (1, 5):
            if s.counting:              # a one-shot under way keeps its count until triggered again
                s.pending = value
            else:
                s.reload = value
            return
        s.reload = value
        s.pending = 0
        s.start = now + 1
        s.counting = True
        s.held = -1 if s.gate else 0

    def set_gate(self, level, now):
        s = self.s
        level = int(bool(level))
        if level == s.gate:
            return
        self.settle(now)
        s.gate = level
        if s.mode in (0, 4):
            if not s.counting:
                return
            if level:
                s.start = now - s.held
                s.held = -1
            else:
                s.held = max(0, now - s.start)
        elif s.mode in (1, 5):
            if level and (s.reload or s.pending):
                s.reload, s.pending = s.pending or s.reload, 0
                s.start = now + 1
                s.counting = True
        elif level:
            if s.reload:
                s.reload, s.pending = s.pending or s.reload, 0
                s.start = now + 1
                s.counting = True
                s.held = -1
        elif s.counting:
            s.held = max(0, now - s.start)

    # ---------------------------------------------------------------- reading
    def status(self, now):
        s = self.s
        self.settle(now)
        null = not s.reload or s.pending or (s.counting and s.held < 0 and now < s.start)
        return ((STATUS_OUT if self.output(now) else 0) | (STATUS_NULL_COUNT if null else 0)
                | s.rw << 4 | s.mode << 1 | int(s.bcd))

    def latch_count(self, now):
        if self.s.latch < 0:            # a second latch command before the read is ignored
            self.s.latch = self.count(now)

    def latch_status(self, now):
        if self.s.latched_status < 0:
            self.s.latched_status = self.status(now)

    def read(self, now):
        s = self.s
        if s.latched_status >= 0:
            value, s.latched_status = s.latched_status, -1
            return value
        value = s.latch if s.latch >= 0 else self.count(now)
        if s.rw == RW_LSB:
            s.latch = -1
            return value & 0xFF
        if s.rw == RW_MSB:
            s.latch = -1
            return value >> 8
        if not s.read_high:
            s.read_high = True
            return value & 0xFF
        s.read_high = False
        s.latch = -1
        return value >> 8


@device("isa-pit", "8254 interval timer")
class I8254(Device):
    REGISTERS = {0: "counter0", 1: "counter1", 2: "counter2", 3: "control"}

    @dataclass
    class State:
        VERSION = 1
        counters: list = field(default_factory=lambda: [CounterState() for _ in range(3)])

    def __init__(self, clock=None, **properties):
        self.counters = [Counter() for _ in range(3)]
        super().__init__(clock, **properties)
        self.adopt()

    def adopt(self):
        for counter, state in zip(self.counters, self.s.counters):
            counter.s = state

    def reset(self):
        super().reset()
        self.adopt()
        for n in range(3):
            self.update(n)

    def now(self):
        return to_ticks(self.clock.get_ns())

    # ---------------------------------------------------------------- the pins
    def connect_out(self, n, handler, line=0):
        """Lead OUT n to handler(line, level); from now on its edges are timed."""
        counter = self.counters[n]
        counter.timer = self.clock.timer(lambda: self.edge(n), f"i8254.out{n}")
        counter.out.connect(handler, line)
        self.update(n)

    def update(self, n, now=None):
        """After a change at `now`: drive OUT n as it was then, and wait for its next edge. Not by another look at
        the clock: a host that stands still in between must not make a short count end unseen."""
        counter = self.counters[n]
        counter.publish()
        if counter.timer is None:
            return
        now = self.now() if now is None else now
        counter.out.set(counter.output(now))
        self.arm(counter, counter.next_edge(now))

    def arm(self, counter, tick):
        if tick is NEVER:
            counter.edge_tick = NEVER
            counter.timer.cancel()
        else:
            counter.edge_tick = tick
            counter.timer.mod_ns(to_ns(tick))

    def edge(self, n):
        """The timer of OUT n: the edge it was armed for has come, perhaps a while ago."""
        counter = self.counters[n]
        tick = counter.edge_tick
        now = self.clock.get_ns()
        # What comes once is not skipped: modes 4 and 5 have a single pulse.
        if now - to_ns(tick) > CATCH_UP_LIMIT and counter.s.mode in (2, 3):
            tick = to_ticks(now)
        if counter.s.mode == 2:
            counter.out.lower()
        waited = counter.s.pending
        counter.out.set(counter.output(tick))
        if waited:
            counter.publish()
        counter.edge_tick = tick = counter.next_edge(tick)
        if tick is not NEVER:
            due = to_ns(tick)
            if due <= now:              # behind already: leave the guest time to take this one
                due = now + max(CATCH_UP_SPACING, to_ns(counter.s.reload) >> 2)
            counter.timer.mod_ns(due)

    def set_gate(self, n, level):
        now = self.now()
        self.counters[n].pull()
        self.counters[n].set_gate(level, now)
        self.update(n, now)

    def output(self, n):
        """Level of OUT n."""
        return self.counters[n].output(self.now())

    # ---------------------------------------------------------------- registers
    def write_control(self, value):
        select = value >> 6
        if select == 3:
            self.read_back(value)
            return
        counter = self.counters[select]
        counter.pull()
        if value & 0x30 == 0:
            counter.latch_count(self.now())
            counter.publish()
        else:
            counter.set_control(value)
            self.update(select)

    def read_back(self, value):
        now = self.now()
        for n, counter in enumerate(self.counters):
            if value & 2 << n:
                counter.pull()
                if not value & READ_BACK_NO_COUNT:
                    counter.latch_count(now)
                if not value & READ_BACK_NO_STATUS:
                    counter.latch_status(now)
                counter.publish()

    def write_counter(self, n, value):
        counter = self.counters[n]
        counter.pull()
        now = self.now()
        counter.write(value, now)
        self.update(n, now)

    def read_counter(self, n):
        counter = self.counters[n]
        counter.pull()
        value = counter.read(self.now())
        counter.publish()
        return value

    def write_counter0(self, value):
        self.write_counter(0, value)

    def write_counter1(self, value):
        self.write_counter(1, value)

    def write_counter2(self, value):
        self.write_counter(2, value)

    def read_counter0(self):
        return self.read_counter(0)

    def read_counter1(self):
        return self.read_counter(1)

    def read_counter2(self):
        return self.read_counter(2)
