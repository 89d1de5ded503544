"""The local APIC of a processor, and the bus between APICs (SDM vol. 3, chapter 10: the xAPIC).

A board gives each APIC the processor's pins (intr, nmi, smi, init: IRQ lines), and `start`, which takes
the vector of a start-up IPI. The 8259A's INT is led to LINT0 of every APIC; whether it reaches the
processor says extint(). The APIC's own interrupts are taken with acknowledge().

What a bus master writes to FEExxxxxh is a message, too: APICBus.message_signalled (section 10.11).

Not modelled: x2APIC, TSC-deadline mode, arbitration on the APIC bus (a message arrives at once, and is
never refused), remote read, moving the page through IA32_APIC_BASE. A write to IA32_APIC_BASE that switches the APIC on or off is noticed with the next event, and
resets nothing. The thermal and performance entries can be written; nothing triggers them.
"""
from functools import partial

from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

# Registers, at 16 times these numbers (table 10-1)
ID, VERSION, TPR, APR, PPR, EOI, RRD, LDR, DFR, SVR = 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F
ISR, TMR, IRR, ESR, ICR_LOW, ICR_HIGH, LVT = 0x10, 0x18, 0x20, 0x28, 0x30, 0x31, 0x32
INITIAL_COUNT, CURRENT_COUNT, DIVIDE = 0x38, 0x39, 0x3E
VERSION_VALUE = 0x00050014              # six entries in the local vector table

# The local vector table: its entries and their fields (figure 10-8)
TIMER, THERMAL, PERFORMANCE, LINT0, LINT1, ERROR = range(6)
LVT_WRITABLE = (0x300FF, 0x107FF, 0x107FF, 0x1A7FF, 0x1A7FF, 0x100FF)
MASKED, PERIODIC, LEVEL, LOW_ACTIVE, REMOTE_IRR = 1 << 16, 1 << 17, 1 << 15, 1 << 13, 1 << 14

# Delivery modes
FIXED, LOWEST, SMI, NMI, INIT, STARTUP, EXTINT = 0, 1, 2, 4, 5, 6, 7
SVR_ENABLE, SVR_NO_FOCUS = 1 << 8, 1 << 9
ICR_LOGICAL, ICR_ASSERT, ICR_LEVEL = 1 << 11, 1 << 14, 1 << 15
SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL = 0, 1, 2
ESR_SEND_ILLEGAL, ESR_RECEIVED_ILLEGAL, ESR_ILLEGAL_REGISTER = 1 << 5, 1 << 6, 1 << 7
BROADCAST = 0xFF
# Of a message that a bus master sends: in its address, and in its data (figures 10-24 and 10-25)
MSI_REDIRECTION_HINT, MSI_LOGICAL = 1 << 3, 1 << 2
MSI_ASSERT, MSI_LEVEL = 1 << 14, 1 << 15
DFR_FLAT = 0xF

TICK_NS = 10                            # a bus of 100 MHz
# By the divide configuration register: its bits 0, 1 and 3 choose 2, 4 ... 128, and 1
PERIODS = tuple(TICK_NS << ((divide & 3 | divide >> 1 & 4) + 1 & 7) for divide in range(16))


@device("apic", "local APIC")
class APIC(Device):
    REGISTERS = {16 * number: name for number, name in {
        ID: "id", VERSION: "version", TPR: "tpr", APR: "apr", PPR: "ppr", EOI: "eoi", RRD: "rrd", LDR: "ldr",
        DFR: "dfr", SVR: "svr", ESR: "esr", ICR_LOW: "icr", ICR_HIGH: "icr_high", INITIAL_COUNT: "initial_count",
        CURRENT_COUNT: "current_count", DIVIDE: "divide"}.items()}

    @dataclass
    class State:
        VERSION = 1
        id: int = 0
        tpr: int = 0
        ldr: int = 0                    # the logical ID
        dfr: int = DFR_FLAT             # the model
        svr: int = 0xFF
        isr: int = 0                    # one bit for each of 256 vectors, as IRR and TMR
        tmr: int = 0
        irr: int = 0
        esr: int = 0
        errors: int = 0                 # what the next write to ESR brings there
        icr: int = 0
        icr_high: int = 0
        lvt: list = field(default_factory=lambda: [MASKED] * 6)
        lint: list = field(default_factory=lambda: [0, 0])     # levels of the two pins
        extint: bool = False            # a message of mode ExtINT came
        wait_for_sipi: bool = False
        initial_count: int = 0
        divide: int = 0
        count: int = 0                  # of the timer, at the time `since`
        since: int = 0

    def __init__(self, clock, apic_id=0, bus=None, bsp=False, enabled=None):
        self.apic_id = apic_id
        self.bsp = bsp                  # this is the bootstrap processor
        self.enabled = enabled or (lambda: True)        # IA32_APIC_BASE's enable bit
        self.intr, self.nmi, self.smi, self.init = IRQ(), IRQ(), IRQ(), IRQ()
        self.start = lambda vector: None
        self.timer = clock.timer(self.expired, "apic")
        super().__init__(clock)
        self.bus = bus or APICBus()
        self.bus.apics.append(self)
        self.reset()

    def accessors(self):
        """By register number, a sixteenth of the offset."""
        readers, writers = [None] * 256, [None] * 256
        for offset, name in self.REGISTERS.items():
            readers[offset >> 4] = getattr(self, f"read_{name}", None)
            writers[offset >> 4] = getattr(self, f"write_{name}", None)
        for n in range(6):
            readers[LVT + n] = partial(self.read_lvt, n)
            writers[LVT + n] = partial(self.write_lvt, n)
        for first, name in ((ISR, "isr"), (TMR, "tmr"), (IRR, "irr")):
            for n in range(8):
                readers[first + n] = partial(self.read_bits, name, 32 * n)
        return readers, writers

    def reset(self):
        """RESET#: section 10.4.7.1; application processors wait."""
        self.s = self.State(id=self.apic_id, lint=self.s.lint, wait_for_sipi=not self.bsp)
        self.timer.cancel()
        self.update()

    def init_reset(self):
        """INIT leaves the APIC as a reset does, but for its ID (section 10.4.7.3)."""
        apic_id = self.s.id
        self.reset()
        self.s.id = apic_id

    def virtual_wire(self):
        """What firmware sets up for the 8259A (MP specification 1.4, 3.6.2.1): LINT0 is ExtINT, LINT1 NMI."""
        self.s.svr |= SVR_ENABLE
        self.s.lvt[LINT0], self.s.lvt[LINT1] = EXTINT << 8, NMI << 8
        self.update()

    # ---------------------------------------------------------------- priorities (section 10.8.3)
    def read_ppr(self):
        s = self.s
        in_service = max(0, s.isr.bit_length() - 1) & 0xF0
        return s.tpr if s.tpr & 0xF0 >= in_service else in_service

    def pending(self):
        """The vector that acknowledge() would take, or -1."""
        s = self.s
        if s.irr:
            vector = s.irr.bit_length() - 1
            if vector & 0xF0 > self.read_ppr() & 0xF0 and s.svr & SVR_ENABLE:
                return vector
        return -1

    def extint(self):
        """Does the 8259A ask this processor?"""
        s = self.s
        if not s.extint and not s.lint[0]:
            return False
        if not self.enabled():
            return bool(s.lint[0])      # section 10.4.3: LINT0 is INTR, then
        entry = s.lvt[LINT0]
        return s.extint or bool(s.lint[0] and not entry & MASKED and entry >> 8 & 7 == EXTINT)

    def update(self):
        level = self.s.irr and self.pending() >= 0 or self.extint()
        if level != self.intr.level:
            self.intr.set(level)

    def acknowledge(self):
        """The vector that the processor is to take, or -1: it is the 8259A's to give."""
        s = self.s
        if self.enabled():
            vector = self.pending()
            if vector >= 0:
                bit = 1 << vector
                s.irr &= ~bit
                s.isr |= bit
                self.update()
                return vector
            if not self.extint() and s.svr & SVR_ENABLE:
                return s.svr & 0xFF     # the request has gone away: spurious (section 10.9)
        s.extint = False
        self.update()
        return -1

    # ---------------------------------------------------------------- what arrives
    def deliver(self, mode, vector, level):
        """A message for this processor. `level`: of a level-triggered input."""
        s = self.s
        if mode in (FIXED, LOWEST):
            self.accept(vector, level)
        elif mode == INIT:
            self.init_reset()           # and waits for a start-up IPI, unless it is the bootstrap processor's
            self.init.pulse()
        elif mode == STARTUP:
            if s.wait_for_sipi:         # else it is ignored (section 8.4.2)
                s.wait_for_sipi = False
                self.start(vector)
        elif s.wait_for_sipi:
            pass                        # nothing else wakes such a processor
        elif mode == NMI:
            self.nmi.pulse()
        elif mode == SMI:
            self.smi.pulse()
        elif mode == EXTINT:
            s.extint = True
            self.update()

    def accept(self, vector, level):
        s = self.s
        if vector < 16:
            self.error(ESR_RECEIVED_ILLEGAL)
        elif s.svr & SVR_ENABLE:
            bit = 1 << vector
            if level:
                s.tmr |= bit
            else:
                s.tmr &= ~bit
            s.irr |= bit
            self.update()

    def local(self, n):
        """An entry of the local vector table is triggered."""
        entry = self.s.lvt[n]
        if not entry & MASKED:
            self.deliver(FIXED if n in (TIMER, ERROR) else entry >> 8 & 7, entry & 0xFF, False)

    def set_lint(self, n, level):
        """Pin LINT0 or LINT1 changes."""
        s = self.s
        entry = s.lvt[LINT0 + n]
        s.lint[n] = level
        if not self.enabled():
            if n and level:             # section 10.4.3: LINT1 is NMI, then
                self.nmi.pulse()
        elif entry & MASKED:
            return
        elif entry >> 8 & 7 != EXTINT:
            self.sense(n, bool(level) != bool(entry & LOW_ACTIVE))
            return
        self.update()

    def sense(self, n, active):
        """LINTn has become active or inactive; only mode Fixed knows levels."""
        s = self.s
        entry = s.lvt[LINT0 + n]
        if not active:
            return
        if entry & LEVEL and entry >> 8 & 7 == FIXED:
            if not entry & REMOTE_IRR:
                s.lvt[LINT0 + n] |= REMOTE_IRR
                self.accept(entry & 0xFF, True)
        else:
            self.local(LINT0 + n)

    def error(self, bit):
        s = self.s
        if not s.errors & bit:
            s.errors |= bit
            self.local(ERROR)

    # ---------------------------------------------------------------- registers
    def read(self, offset, size=4):
        """Registers lie at multiples of 16; between them nothing is defined."""
        if offset & 15:
            return 0
        reader = self.readers[offset >> 4]
        if reader is not None:
            return reader()
        if offset not in self.REGISTERS:
            self.error(ESR_ILLEGAL_REGISTER)
            return 0
        log.log(log.LOG_GUEST_ERROR, f"apic: read of register {self.register_name(offset)}, which cannot be read")
        return 0xFFFFFFFF

    def write(self, offset, value, size=4):
        if offset & 15:
            return
        writer = self.writers[offset >> 4]
        if writer is not None:
            writer(value)
        elif self.readers[offset >> 4] is None:
            self.error(ESR_ILLEGAL_REGISTER)
        else:
            log.log(log.LOG_GUEST_ERROR, f"apic: write of {value:#x} to register {self.register_name(offset)}, which cannot be written")

    def read_bits(self, name, shift):
        """A dword of ISR, TMR or IRR."""
        return getattr(self.s, name) >> shift & 0xFFFFFFFF

    def read_id(self):
        return self.s.id << 24

    def write_id(self, value):
        self.s.id = value >> 24

    def read_version(self):
        return VERSION_VALUE

    def read_tpr(self):
        return self.s.tpr

    def write_tpr(self, value):
        self.s.tpr = value & 0xFF
        self.update()

    def read_apr(self):
        """Section 10.8.3.1's arbitration priority, as the P6 family has it."""
        s = self.s
        highest = max(s.irr.bit_length(), s.isr.bit_length(), 1) - 1 & 0xF0
        return s.tpr if s.tpr & 0xF0 >= highest else highest

    def read_rrd(self):
        return 0

    def write_eoi(self, value):
        s = self.s
        if s.isr:
            vector = s.isr.bit_length() - 1
            bit = 1 << vector
            s.isr &= ~bit
            if s.tmr & bit:
                for n in (0, 1):        # a local level is looked at again
                    entry = s.lvt[LINT0 + n]
                    if entry & REMOTE_IRR and entry & 0xFF == vector:
                        s.lvt[LINT0 + n] &= ~REMOTE_IRR
                        self.set_lint(n, s.lint[n])
                self.bus.eoi(vector)
            self.update()

    def read_ldr(self):
        return self.s.ldr << 24

    def write_ldr(self, value):
        self.s.ldr = value >> 24

    def read_dfr(self):
        return self.s.dfr << 28 | 0x0FFFFFFF

    def write_dfr(self, value):
        self.s.dfr = value >> 28

    def read_svr(self):
        return self.s.svr

    def write_svr(self, value):
        s = self.s
        s.svr = value & (0xFF | SVR_ENABLE | SVR_NO_FOCUS)
        if not value & SVR_ENABLE:      # section 10.4.7.2: every local entry is masked, then
            s.lvt = [entry | MASKED for entry in s.lvt]
            self.arm()
        self.update()

    def read_esr(self):
        return self.s.esr

    def write_esr(self, value):
        s = self.s
        s.esr, s.errors = s.errors, 0

    def read_lvt(self, n):
        return self.s.lvt[n]

    def write_lvt(self, n, value):
        s = self.s
        if n == TIMER:
            self.catch_up()
            count = self.read_current_count()
            s.count, s.since = count, self.clock.get_ns()
        s.lvt[n] = value & LVT_WRITABLE[n] | s.lvt[n] & REMOTE_IRR | (0 if s.svr & SVR_ENABLE else MASKED)
        if n == TIMER:
            self.arm()
        elif n in (LINT0, LINT1):
            if not value & LEVEL:
                s.lvt[n] &= ~REMOTE_IRR
            elif value >> 8 & 7 == FIXED and self.enabled():
                self.set_lint(n - LINT0, s.lint[n - LINT0])
            self.update()

    # ---------------------------------------------------------------- interrupt command (section 10.6)
    def read_icr(self):
        return self.s.icr               # delivery status: idle, always

    def read_icr_high(self):
        return self.s.icr_high << 24

    def write_icr_high(self, value):
        self.s.icr_high = value >> 24

    def write_icr(self, value):
        s = self.s
        s.icr = value & 0xCCFFF
        mode, vector = value >> 8 & 7, value & 0xFF
        shorthand = value >> 18 & 3
        if mode in (FIXED, LOWEST) and vector < 16:
            self.error(ESR_SEND_ILLEGAL)
            return
        if mode in (3, EXTINT) or shorthand == SHORTHAND_SELF and mode != FIXED:
            log.log(log.LOG_GUEST_ERROR, f"apic: an interrupt command of {value:#x} is not valid")
            return
        if mode == INIT and value & (ICR_LEVEL | ICR_ASSERT) == ICR_LEVEL:
            return                      # INIT level de-assert: for arbitration IDs only
        if shorthand == SHORTHAND_SELF:
            self.accept(vector, False)
        elif shorthand:
            sender = None if shorthand == SHORTHAND_ALL else self
            self.bus.send([apic for apic in self.bus.apics if apic is not sender], mode, vector)
        else:
            self.bus.message(s.icr_high, bool(value & ICR_LOGICAL), mode, vector)

    # ---------------------------------------------------------------- timer (section 10.5.4)
    def period(self):
        """Nanoseconds of a step."""
        return PERIODS[self.s.divide]

    def read_current_count(self):
        s = self.s
        passed = (self.clock.get_ns() - s.since) // PERIODS[s.divide]
        if passed < s.count:
            return s.count - passed
        if s.lvt[TIMER] & PERIODIC and s.count:
            return s.initial_count - (passed - s.count) % s.initial_count if s.initial_count else 0
        return 0

    def read_initial_count(self):
        return self.s.initial_count

    def write_initial_count(self, value):
        s = self.s
        s.initial_count = s.count = value
        s.since = now = self.clock.get_ns()
        if value and not s.lvt[TIMER] & MASKED:
            self.timer.mod_ns(now + value * PERIODS[s.divide])          # what arm() does, without a look at what is past
        else:
            self.timer.cancel()

    def read_divide(self):
        return self.s.divide

    def write_divide(self, value):
        s = self.s
        self.catch_up()
        count = self.read_current_count()
        s.count, s.since = count, self.clock.get_ns()
        s.divide = value & 0xB
        self.arm()

    def arm(self):
        """Set the host's timer to the next time at which the count reaches 0, if somebody hears of it. A single shot
        comes even when that time has passed since the count was looked at: the host may stand still."""
        s = self.s
        if s.lvt[TIMER] & MASKED or not s.count:
            self.timer.cancel()
            return
        period = self.period()
        deadline = s.since + s.count * period
        if s.lvt[TIMER] & PERIODIC and s.initial_count:
            late = self.clock.get_ns() - deadline
            if late >= 0:
                deadline += (late // (s.initial_count * period) + 1) * s.initial_count * period
        self.timer.mod_ns(deadline)

    def catch_up(self):
        """Before a change: the shot that is due has come."""
        if self.timer.pending and self.clock.get_ns() >= self.timer.expire_time:
            self.timer.cancel()
            self.expired()

    def expired(self):
        self.local(TIMER)
        if self.s.lvt[TIMER] & PERIODIC:
            self.arm()


class APICBus:
    """Messages between APICs, and the I/O APICs that hear of an EOI."""

    def __init__(self):
        self.apics = []
        self.ioapics = []

    def targets(self, destination, logical):
        """Who is addressed (section 10.6.2)."""
        if not logical:
            return [apic for apic in self.apics if destination in (BROADCAST, apic.s.id)]
        found = []
        for apic in self.apics:
            s = apic.s
            if s.dfr == DFR_FLAT:
                match = s.ldr & destination
            else:                       # a cluster and a member of it
                match = (destination >> 4 in (0xF, s.ldr >> 4)) and s.ldr & destination & 0xF
            if match:
                found.append(apic)
        return found

    def message(self, destination, logical, mode, vector, level=False):
        """False: nobody takes it."""
        return self.send(self.targets(destination, logical), mode, vector, level)

    def message_signalled(self, address, data):
        """A dword that a bus master writes to FEExxxxxh (section 10.11). The redirection hint: to one of those addressed only, the
        one with least to do. Destination mode counts without the hint as well, whatever the manual says: Linux relies on it."""
        level, mode = bool(data & MSI_LEVEL), data >> 8 & 7
        if mode in (3, STARTUP) or level and not data & MSI_ASSERT:
            return
        if address & MSI_REDIRECTION_HINT and mode == FIXED:
            mode = LOWEST
        self.message(address >> 12 & 0xFF, bool(address & MSI_LOGICAL), mode, data & 0xFF, level and mode in (FIXED, LOWEST))

    def send(self, targets, mode, vector, level=False):
        targets = [apic for apic in targets if apic.enabled() and (mode in (SMI, NMI, INIT, STARTUP, EXTINT)
                                                                   or apic.s.svr & SVR_ENABLE)]
        if mode == LOWEST and len(targets) > 1:
            targets = [self.lowest(targets, vector)]
        for apic in targets:
            apic.deliver(mode, vector, level)
        return bool(targets)

    def lowest(self, targets, vector):
        """The focus processor, which is already at it, or else the one with least to do (section 10.6.2.4)."""
        for apic in targets:
            if not apic.s.svr & SVR_NO_FOCUS and (apic.s.irr | apic.s.isr) >> vector & 1:
                return apic
        return min(targets, key=APIC.read_apr)

    def eoi(self, vector):
        for ioapic in self.ioapics:
            ioapic.eoi(vector)
