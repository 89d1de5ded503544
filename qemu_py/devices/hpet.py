"""High precision event timers (IA-PC HPET specification 1.0a), as a block of three.

The main counter is derived from the clock: 100 MHz, 64 bits. All timers can be periodic. `irqs` are the
lines of a timer's own route: inputs 16-23 of the I/O APIC; legacy[0] and legacy[1] stand for IRQ 0 and
IRQ 8, and legacy_route is high while timers 0 and 1 go there. With the property `msi` an interrupt can also be
`message(address, data)`, which goes before the other routes (FSB delivery, sections 2.3.8 and 2.3.10).

Not modelled: a timer whose interrupt is disabled sets no status bit.
"""
from qemu_py.system.device import Device, device, on_off
from qemu_py.system.irq import IRQ
from qemu_py.util.dataclass import dataclass, field

TICK_NS = 10
CAPABILITIES = TICK_NS * 10 ** 6 << 32 | 0x8086A201     # femtoseconds; revision 1, 3 timers, 64 bits, legacy
GCAP_ID, GEN_CONF, GINTR_STA, MAIN_CNT, TIMERS, STRIDE = 0x00, 0x10, 0x20, 0xF0, 0x100, 0x20
CONF, COMPARATOR, FSB_ROUTE = 0x00, 0x08, 0x10
ENABLE_CNF, LEG_RT_CNF = 1 << 0, 1 << 1
# Tn_CONF
INT_TYPE, INT_ENB, TYPE, PER_CAP, SIZE_CAP, VAL_SET, MODE_32 = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 8
INT_ROUTE, ROUTE_SHIFT, FSB_EN, FSB_CAP = 0x1F << 9, 9, 1 << 14, 1 << 15
WRITABLE = INT_TYPE | INT_ENB | TYPE | MODE_32 | INT_ROUTE
ROUTES = range(16, 24)
ROUTE_CAP = sum(1 << n for n in ROUTES) << 32
ALL = 0xFFFFFFFFFFFFFFFF
COUNT = 3


@dataclass
class TimerState:
    VERSION = 1
    config: int = PER_CAP | SIZE_CAP | ROUTE_CAP
    comparator: int = ALL
    period: int = 0                     # what was last written to the comparator
    fsb_route: int = 0                  # data of the message, and from bit 32 on its address


@device("hpet", "high precision event timers")
class HPET(Device):
    INSTEAD = "-machine hpet=off leaves it out"
    PROPERTIES = {"msi": on_off(False, "can interrupts be messages to a processor (FSB delivery)?")}

    @dataclass
    class State:
        VERSION = 1
        config: int = 0
        status: int = 0
        counter: int = 0                # at the time `since`
        since: int = 0
        timers: list = field(default_factory=lambda: [TimerState() for _ in range(COUNT)])

    def __init__(self, clock, **properties):
        super().__init__(clock, **properties)
        self.irqs = {n: IRQ() for n in ROUTES}
        self.legacy = [IRQ(), IRQ()]
        self.legacy_route = IRQ()
        self.message = lambda address, data: None
        self.passive = None             # a PassiveCounter that answers reads of the main counter
        self.alarms = [clock.timer(lambda n=n: self.expired(n), f"hpet{n}") for n in range(COUNT)]

    def reset(self):
        super().reset()
        self.publish()
        for alarm in self.alarms:
            alarm.cancel()
        for line in (*self.irqs.values(), *self.legacy, self.legacy_route):
            line.lower()

    # ---------------------------------------------------------------- the main counter
    def read_counter(self):
        s = self.s
        if not s.config & ENABLE_CNF:
            return s.counter
        return s.counter + (self.clock.get_ns() - s.since) // TICK_NS & ALL

    def publish(self):
        if self.passive is not None:
            s = self.s
            if s.config & ENABLE_CNF:
                self.passive.count_up(10 ** 9 // TICK_NS, ALL, s.counter, s.since)
            else:
                self.passive.ask_device()

    # ---------------------------------------------------------------- the timers
    def line(self, n):
        """Where timer n's interrupt goes; None: to no line that there is."""
        if self.s.config & LEG_RT_CNF and n < 2:
            return self.legacy[n]
        return self.irqs.get((self.s.timers[n].config & INT_ROUTE) >> ROUTE_SHIFT)

    def arm(self, n):
        """Wait for the next match, if it is heard of."""
        s = self.s
        timer = s.timers[n]
        if not s.config & ENABLE_CNF or not timer.config & INT_ENB:
            self.alarms[n].cancel()
            return
        mask = 0xFFFFFFFF if timer.config & MODE_32 else ALL
        now = self.clock.get_ns()
        ticks = s.counter + (now - s.since) // TICK_NS
        left = (timer.comparator - ticks & mask) or mask + 1
        self.alarms[n].mod_ns(s.since + (ticks - s.counter + left) * TICK_NS)

    def expired(self, n):
        """The main counter has reached the comparator."""
        s = self.s
        timer = s.timers[n]
        line = self.line(n)
        if timer.config & TYPE and timer.period:
            mask = 0xFFFFFFFF if timer.config & MODE_32 else ALL
            late = self.read_counter() - timer.comparator & mask
            timer.comparator = timer.comparator + (late // timer.period + 1) * timer.period & mask
        if timer.config & INT_TYPE:
            s.status |= 1 << n
        if timer.config & FSB_EN:
            self.message(timer.fsb_route >> 32, timer.fsb_route & 0xFFFFFFFF)
        elif timer.config & INT_TYPE and line is not None:
            line.raise_()
        elif line is not None:
            line.pulse()
        self.arm(n)

    # ---------------------------------------------------------------- registers
    def read(self, offset, size=4):
        """Dwords, of registers of 64 bits."""
        return self.read_register(offset & ~7) >> (32 if offset & 4 else 0) & 0xFFFFFFFF

    def read_register(self, offset):
        s = self.s
        if offset == MAIN_CNT:
            return self.read_counter()
        if offset == GCAP_ID:
            return CAPABILITIES
        if offset == GEN_CONF:
            return s.config
        if offset == GINTR_STA:
            return s.status
        n, register = divmod(offset - TIMERS, STRIDE)
        if 0 <= n < COUNT:
            if register == CONF:
                return s.timers[n].config | (FSB_CAP if self.msi else 0)
            if register == COMPARATOR:
                return s.timers[n].comparator
            if register == FSB_ROUTE:
                return s.timers[n].fsb_route
        return 0

    def write(self, offset, value, size=4):
        s = self.s
        shift = 32 if offset & 4 else 0
        offset &= ~7
        old = self.read_register(offset)
        new = old & ~(0xFFFFFFFF << shift) | value << shift
        n, register = divmod(offset - TIMERS, STRIDE)
        if offset == GEN_CONF:
            self.write_config(new)
        elif offset == GINTR_STA:
            self.clear_status(value << shift)
        elif offset == MAIN_CNT:
            s.counter, s.since = new, self.clock.get_ns()
            self.publish()
            for k in range(COUNT):
                self.arm(k)
        elif 0 <= n < COUNT and register == CONF:
            self.write_timer_config(n, new)
        elif 0 <= n < COUNT and register == COMPARATOR:
            self.write_comparator(n, new)
        elif 0 <= n < COUNT and register == FSB_ROUTE and self.msi:
            s.timers[n].fsb_route = new

    def write_config(self, value):
        s = self.s
        counter, now = self.read_counter(), self.clock.get_ns()
        if (s.config ^ value) & ENABLE_CNF:
            s.counter, s.since = counter, now
        s.config = value & (ENABLE_CNF | LEG_RT_CNF)
        self.publish()
        self.legacy_route.set(value & LEG_RT_CNF)
        for n in range(COUNT):
            self.arm(n)

    def clear_status(self, bits):
        s = self.s
        for n in range(COUNT):
            if bits & s.status & 1 << n:
                s.status &= ~(1 << n)
                line = self.line(n)
                if line is not None:
                    line.lower()

    def write_timer_config(self, n, value):
        timer = self.s.timers[n]
        writable = WRITABLE | FSB_EN if self.msi else WRITABLE
        if (timer.config ^ value) & (INT_TYPE | INT_ENB | INT_ROUTE | FSB_EN):
            self.clear_status(1 << n)   # a line that it held is let go
        route = (value & INT_ROUTE) >> ROUTE_SHIFT
        if route not in ROUTES:
            value &= ~INT_ROUTE         # section 2.3.8: what cannot be routed does not read back
        timer.config = PER_CAP | SIZE_CAP | ROUTE_CAP | value & writable | (value & VAL_SET if value & TYPE else 0)
        if value & MODE_32:
            timer.comparator &= 0xFFFFFFFF
            timer.period &= 0xFFFFFFFF
        self.arm(n)

    def write_comparator(self, n, value):
        """A periodic timer's match is written only after VAL_SET; its period always."""
        timer = self.s.timers[n]
        if timer.config & MODE_32:
            value &= 0xFFFFFFFF
        if not timer.config & TYPE or timer.config & VAL_SET:
            timer.comparator = value
        timer.period = value
        timer.config &= ~VAL_SET
        self.arm(n)
