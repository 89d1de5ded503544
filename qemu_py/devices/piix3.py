"""Intel 82371SB (PIIX3) function 0: PCI-to-ISA bridge (datasheet 290550-002, chapter 3).

Device 8086:7000. Its PIRQRC registers (60h-63h) lead the PCI interrupts to inputs of the interrupt
controllers, which software makes level triggered in ELCR; its reset control register is port CF9h.

Not modelled: X-bus chip selects, I/O recovery, DMA alias and power control, SMI sources, motherboard
interrupt 0 (their registers only keep what is written).
"""
from qemu_py.devices.pci import COMMAND, MULTIFUNCTION, PCIDevice
from qemu_py.system.device import device
from qemu_py.system.irq import IRQ, qemu_allocate_irqs
from qemu_py.util.dataclass import dataclass

PIRQRC, TOM, MBIRQ0, APICBASE = 0x60, 0x69, 0x70, 0x80
PIRQ_DISABLED, PIRQ_MASK = 0x80, 0x0F
ROUTABLE = 0xDEF8                       # IRQ 3-7, 9-12, 14, 15; the others are reserved
RCR_PORT = 0xCF9
RCR_SYSTEM_RESET, RCR_RESET_CPU = 0x02, 0x04

# offset, value after reset, bytes, writable bits (section 3.1)
REGISTERS = (
    (0x4C, 0x4D, 1, 0xFF), (0x4E, 0x0003, 2, 0x03FF), (TOM, 0x02, 1, 0xFF), (0x6A, 0x0000, 2, 0x801F),
    (MBIRQ0, 0x80, 1, 0xEF), (0x76, 0x0C, 1, 0x8F), (0x77, 0x0C, 1, 0x8F), (0x78, 0x0002, 2, 0xFFFF),
    (APICBASE, 0x00, 1, 0x7F), (0x82, 0x00, 1, 0x0F), (0xA0, 0x08, 1, 0x1F), (0xA2, 0x0000, 2, 0x00FF),
    (0xA4, 0x00000000, 4, 0xFFFFFFFF), (0xA8, 0x0F, 1, 0xFF), (0xAA, 0x0000, 2, 0x00FF),
    (0xAC, 0x00, 1, 0xFF), (0xAE, 0x00, 1, 0xFF))


@device("PIIX3", "82371SB PCI-to-ISA bridge")
class PIIX3(PCIDevice):
    """`irqs`: sixteen lines to the interrupt controllers; `request_reset()` resets the system, `request_init()` the processors."""
    VENDOR_ID, DEVICE_ID, CLASS_CODE, HEADER = 0x8086, 0x7000, 0x060100, MULTIFUNCTION
    BUS, PROPERTIES = None, {}

    @dataclass
    class State(PCIDevice.State):
        pirqs: int = 0                  # levels of PIRQA#-PIRQD#
        rcr: int = 0

    def __init__(self, irqs=(), request_reset=None, request_init=None):
        self.irqs = irqs or [IRQ() for _ in range(16)]
        self.request_reset = request_reset
        self.request_init = request_init or request_reset
        super().__init__()
        self.pirqs = qemu_allocate_irqs(self.set_pirq, 4)
        # All three decodes are always on; special cycles may be.
        self.set_reset(COMMAND, 0x0007, 2, wmask=0x0108)
        for n in range(4):
            self.set_reset(PIRQRC + n, PIRQ_DISABLED, 1, 0x8F)
        for register in REGISTERS:
            self.set_reset(*register)

    # ---------------------------------------------------------------- PIRQ routing
    def set_pirq(self, n, level):
        """PIRQA# (0) to PIRQD# (3) changes."""
        if level:
            self.s.pirqs |= 1 << n
        else:
            self.s.pirqs &= ~(1 << n)
        self.update_irq(self.route(n))

    def route(self, n):
        """The interrupt that a PIRQ leads to; -1: none."""
        value = self.s.config[PIRQRC + n]
        irq = value & PIRQ_MASK
        return -1 if value & PIRQ_DISABLED or not ROUTABLE >> irq & 1 else irq

    def update_irq(self, irq):
        """An interrupt is high while any PIRQ that leads to it is."""
        if irq >= 0:
            self.irqs[irq].set(any(self.s.pirqs >> n & 1 and self.route(n) == irq for n in range(4)))

    def config_written(self, offset, size):
        if offset < PIRQRC + 4 and offset + size > PIRQRC:
            for irq in range(16):
                if ROUTABLE >> irq & 1:
                    self.update_irq(irq)

    # ---------------------------------------------------------------- reset control
    def read_rcr(self):
        return self.s.rcr

    def write_rcr(self, value):
        rising = value & ~self.s.rcr
        self.s.rcr = value & (RCR_SYSTEM_RESET | RCR_RESET_CPU)
        if rising & RCR_RESET_CPU:
            if value & RCR_SYSTEM_RESET:
                self.request_reset()
            else:
                self.request_init()

    def reset(self):
        pirqs = self.s.pirqs            # the devices drive those
        super().reset()
        self.s.pirqs = pirqs
        self.config_written(PIRQRC, 4)
