"""Intel 8259A programmable interrupt controller (datasheet 231468-003), and the PC's pair of them.

ELCR, the edge/level control register of the EISA and PIIX chip sets (ports 4D0h, 4D1h), is part of
the model; a board without it does not map it.

Not modelled: MCS-80/85 mode (the vector is given as in 8086 mode), buffered mode (no pin shows it).
"""
from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass

ICW1_IC4, ICW1_SNGL, ICW1_LTIM, ICW1 = 0x01, 0x02, 0x08, 0x10
ICW4_AEOI, ICW4_MASTER, ICW4_SFNM = 0x02, 0x04, 0x10
OCW3_RIS, OCW3_RR, OCW3_POLL, OCW3 = 0x01, 0x02, 0x04, 0x08
OCW3_SMM, OCW3_ESMM = 0x20, 0x40
SPURIOUS = 7                            # the level given when the request has gone away


@device("isa-i8259", "8259A interrupt controller")
class I8259(Device):
    REGISTERS = {0: "command", 1: "data", 2: "elcr"}      # the third lies apart, at 4D0h or 4D1h

    @dataclass
    class State:
        VERSION = 1
        lines: int = 0                  # levels of IR0-IR7
        irr: int = 0                    # interrupt requests
        imr: int = 0                    # masks
        isr: int = 0                    # in service
        highest: int = 0                # the level that has the highest priority now
        icw_expected: int = 1           # next initialization word; 0: the chip is ready
        icw1: int = 0
        icw2: int = 0                   # vector of IR0
        icw3: int = 0                   # master: inputs with a slave; slave: its identity
        icw4: int = 0
        read_isr: bool = False          # what a read of the command port gives
        poll: bool = False              # the next read is an acknowledge
        special_mask: bool = False
        rotate_on_aeoi: bool = False
        elcr: int = 0

    def __init__(self, clock=None, elcr_mask=0xFF):
        self.int = IRQ()                # the INT pin
        self.elcr_mask = elcr_mask      # inputs that ELCR may make level triggered
        super().__init__(clock)

    def reset(self):
        lines = self.s.lines            # the other chips drive those
        self.s = self.State(lines=lines)
        self.int.lower()

    # ---------------------------------------------------------------- requests
    def set_ir(self, n, level):
        """IR input n changes."""
        s = self.s
        bit = 1 << n
        if level:
            # Edge triggered: the latch takes the rising edge. Level triggered: IRR follows.
            if not s.lines & bit:
                s.irr |= bit
            s.lines |= bit
        else:
            # "The IR inputs must remain high until after the falling edge of the first INTA":
            # a request that goes away before is lost, and answered as spurious if already seen.
            s.lines &= ~bit
            s.irr &= ~bit
        self.update()

    def level_triggered(self):
        return 0xFF if self.s.icw1 & ICW1_LTIM else self.s.elcr

    def pending(self):
        """The level that INTA would acknowledge, or -1."""
        s = self.s
        requests = s.irr & ~s.imr
        if not requests:
            return -1
        # In the special mask mode a masked level in service holds nothing back.
        in_service = s.isr & ~s.imr if s.special_mask else s.isr
        highest = s.highest
        for k in range(8):
            n = (highest + k) & 7
            bit = 1 << n
            if in_service & bit:
                # Special fully nested mode: a slave in service may ask again through its input.
                if s.icw4 & ICW4_SFNM and s.icw3 & bit and requests & bit:
                    return n
                return -1
            if requests & bit and not (s.special_mask and s.isr & bit):
                return n
        return -1

    def update(self):
        if self.s.icw_expected == 0 and self.pending() >= 0:
            self.int.raise_()
        else:
            self.int.lower()

    # ---------------------------------------------------------------- acknowledge
    def acknowledge(self):
        """INTA: take the highest request into service; give its level (7 when there is none)."""
        s = self.s
        n = self.pending()
        if n < 0:
            return SPURIOUS
        bit = 1 << n
        if not self.level_triggered() & bit:
            s.irr &= ~bit
        if s.icw4 & ICW4_AEOI:
            if s.rotate_on_aeoi:
                s.highest = (n + 1) & 7
        else:
            s.isr |= bit
        # INT drops during INTA, so that whoever is cascaded behind it sees a new edge for the next.
        self.int.lower()
        self.update()
        return n

    def vector(self, n):
        return (self.s.icw2 & 0xF8) | n

    # ---------------------------------------------------------------- A0 = 0
    def write_command(self, value):
        s = self.s
        if value & ICW1:
            self.s = self.State(lines=s.lines, elcr=s.elcr, icw1=value, icw_expected=2)
            # The edge sense circuit is reset: only a new edge asks. Levels ask on.
            self.s.irr = s.lines & self.level_triggered()
        elif value & OCW3:
            if value & OCW3_POLL:
                s.poll = True
            elif value & OCW3_RR:
                s.read_isr = bool(value & OCW3_RIS)
            if value & OCW3_ESMM:
                s.special_mask = bool(value & OCW3_SMM)
        else:
            self.ocw2(value >> 5, value & 7)
        self.update()

    def ocw2(self, command, level):
        s = self.s
        if command == 0b000:            # clear rotate in automatic EOI mode
            s.rotate_on_aeoi = False
        elif command == 0b100:
            s.rotate_on_aeoi = True
        elif command in (0b001, 0b101):         # non-specific EOI, and with rotation
            n = self.highest_in_service()
            if n >= 0:
                s.isr &= ~(1 << n)
                if command == 0b101:
                    s.highest = (n + 1) & 7
        elif command in (0b011, 0b111):         # specific EOI, and with rotation
            s.isr &= ~(1 << level)
            if command == 0b111:
                s.highest = (level + 1) & 7
        elif command == 0b110:          # set priority: `level` becomes the lowest
            s.highest = (level + 1) & 7

    def highest_in_service(self):
        s = self.s
        # A masked level is not ended by a non-specific EOI in the special mask mode.
        in_service = s.isr & ~s.imr if s.special_mask else s.isr
        for k in range(8):
            n = (s.highest + k) & 7
            if in_service >> n & 1:
                return n
        return -1

    def read_command(self):
        if self.s.poll:
            return self.read_poll()
        return self.s.isr if self.s.read_isr else self.s.irr

    def read_poll(self):
        """The read after a poll command is an INTA: bit 7 says whether anything asked."""
        self.s.poll = False
        if self.pending() < 0:
            return SPURIOUS
        return 0x80 | self.acknowledge()

    # ---------------------------------------------------------------- A0 = 1
    def write_data(self, value):
        s = self.s
        if s.icw_expected == 0:
            s.imr = value               # OCW1
        elif s.icw_expected == 2:
            s.icw2 = value
            s.icw_expected = 3 if not s.icw1 & ICW1_SNGL else 4 if s.icw1 & ICW1_IC4 else 0
        elif s.icw_expected == 3:
            s.icw3 = value
            s.icw_expected = 4 if s.icw1 & ICW1_IC4 else 0
        elif s.icw_expected == 4:
            s.icw4 = value
            s.icw_expected = 0
            if not value & 1:
                log.log(log.LOG_GUEST_ERROR, "i8259: MCS-80/85 mode asked for; vectors stay those of 8086 mode")
        else:
            # Before any ICW1 the chip's state is undefined; it takes the mask as most do.
            s.imr = value
        self.update()

    def read_data(self):
        if self.s.poll:
            return self.read_poll()
        return self.s.imr

    # ---------------------------------------------------------------- edge/level control
    def write_elcr(self, value):
        s = self.s
        s.elcr = value & self.elcr_mask
        s.irr |= s.lines & s.elcr
        self.update()

    def read_elcr(self):
        return self.s.elcr


class I8259Pair:
    """Master and slave as in a PC: the slave's INT is the master's IR2, sixteen inputs IRQ0-15."""

    CASCADE = 2

    def __init__(self):
        # ELCR: IRQ 0, 1, 2, 8 and 13 are always edge triggered (82371SB datasheet).
        self.master = I8259(elcr_mask=0xF8)
        self.slave = I8259(elcr_mask=0xDE)
        self.slave.int.connect(self.master.set_ir, self.CASCADE)
        self.int = self.master.int
        self.irqs = [IRQ(self.set_irq, n) for n in range(16)]

    def set_irq(self, n, level):
        if n < 8:
            self.master.set_ir(n, level)
        else:
            self.slave.set_ir(n - 8, level)

    def read_irq(self):
        """pic_read_irq: the processor's INTA cycles; gives the vector."""
        master = self.master
        n = master.acknowledge()
        if n == self.CASCADE and not (master.s.icw1 & ICW1_SNGL) and master.s.icw3 & 1 << self.CASCADE:
            return self.slave.vector(self.slave.acknowledge())
        return master.vector(n)

    def reset(self):
        self.slave.reset()
        self.master.reset()

    def describe(self):
        """Text for `info pic`."""
        lines = []
        for name, chip in (("pic1", self.slave), ("pic0", self.master)):
            s = chip.s
            lines.append(f"{name}: irr={s.irr:02x} imr={s.imr:02x} isr={s.isr:02x} hprio={s.highest} "
                         f"irq_base={s.icw2 & 0xF8:02x} rr_sel={int(s.read_isr)} elcr={s.elcr:02x} "
                         f"fnm={int(bool(s.icw4 & ICW4_SFNM))}")
        return "\n".join(lines)
