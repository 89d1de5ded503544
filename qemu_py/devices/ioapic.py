"""Intel 82093AA I/O APIC (datasheet 290566-001).

An input is high while its device asks: the polarity of an entry is kept, and says nothing about that.
A message that no processor takes is lost if edge triggered; a level is sent again when it changes, when
its entry is written, and at an EOI.

Not modelled: the serial bus between APICs, its arbitration ID (which follows the ID).
"""
from qemu_py.devices.apic import SMI, NMI, INIT, EXTINT
from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

INPUTS = 24
REGSEL, WINDOW = 0x00, 0x10
ID, VERSION, ARBITRATION, TABLE = 0x00, 0x01, 0x02, 0x10
VERSION_VALUE = (INPUTS - 1) << 16 | 0x11
STATUS, REMOTE_IRR, LEVEL, MASKED, LOGICAL = 1 << 12, 1 << 14, 1 << 15, 1 << 16, 1 << 11
LOW_WRITABLE = 0x1AFFF                  # delivery status and remote IRR are the chip's


@device("ioapic", "82093AA I/O APIC")
class IOAPIC(Device):
    REGISTERS = {REGSEL: "select", WINDOW: "window"}

    @dataclass
    class State:
        VERSION = 1
        select: int = 0
        id: int = 0
        lines: int = 0                  # levels of the inputs
        table: list = field(default_factory=lambda: [MASKED] * INPUTS)

    def __init__(self, clock=None, bus=None):
        super().__init__(clock)
        self.bus = bus
        bus.ioapics.append(self)
        self.irqs = [IRQ(self.set_irq, n) for n in range(INPUTS)]

    def reset(self):
        self.s = self.State(lines=self.s.lines)         # the devices drive those

    # ---------------------------------------------------------------- inputs
    def set_irq(self, n, level):
        """Input n changes. A rising edge at a masked input is ignored (section 3.2.4, bit 16)."""
        s = self.s
        if level:
            rising = not s.lines >> n & 1
            s.lines |= 1 << n
            if rising:
                self.service(n)
        else:
            s.lines &= ~(1 << n)

    def service(self, n):
        """Input n asks: send its message."""
        s = self.s
        entry = s.table[n]
        if entry & MASKED:
            return
        mode = entry >> 8 & 7
        level = bool(entry & LEVEL) and mode not in (SMI, NMI, INIT, EXTINT)
        if level and entry & REMOTE_IRR:
            return
        taken = self.bus.message(entry >> 56, bool(entry & LOGICAL), mode, entry & 0xFF, level)
        if level and taken:
            s.table[n] |= REMOTE_IRR

    def eoi(self, vector):
        """A processor has ended a level-triggered interrupt."""
        s = self.s
        for n, entry in enumerate(s.table):
            if entry & REMOTE_IRR and entry & 0xFF == vector:
                s.table[n] &= ~REMOTE_IRR
                if s.lines >> n & 1:
                    self.service(n)

    # ---------------------------------------------------------------- registers
    def read_select(self):
        return self.s.select

    def write_select(self, value):
        self.s.select = value & 0xFF

    def read_window(self):
        s = self.s
        register = s.select
        if register in (ID, ARBITRATION):
            return s.id << 24
        if register == VERSION:
            return VERSION_VALUE
        if TABLE <= register < TABLE + 2 * INPUTS:
            return s.table[register - TABLE >> 1] >> (32 * (register & 1)) & 0xFFFFFFFF
        log.log(log.LOG_GUEST_ERROR, f"ioapic: read of register {register:#x}, which is not there")
        return 0

    def write_window(self, value):
        s = self.s
        register = s.select
        if register == ID:
            s.id = value >> 24 & 0xF
        elif TABLE <= register < TABLE + 2 * INPUTS:
            self.write_entry(register - TABLE >> 1, register & 1, value)
        else:
            log.log(log.LOG_GUEST_ERROR, f"ioapic: write of register {register:#x}, which is not there")

    def write_entry(self, n, high, value):
        s = self.s
        entry = s.table[n]
        if high:
            s.table[n] = entry & 0xFFFFFFFF | (value & 0xFF000000) << 32
            return
        s.table[n] = entry & ~LOW_WRITABLE | value & LOW_WRITABLE
        if not value & LEVEL:
            # An entry made edge triggered forgets that a level was in service: Linux ends an
            # interrupt so where a processor's EOI was lost.
            s.table[n] &= ~REMOTE_IRR
        elif s.lines >> n & 1:
            self.service(n)
