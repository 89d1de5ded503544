"""A parallel port on the ISA bus: parallel.py with its address decoder; LPT1 to LPT3 by its index."""
from qemu_py.devices.parallel import Parallel
from qemu_py.system.device import chardev_name, device, uint8, uint16

LPT = ((0x378, 7), (0x278, 5), (0x3BC, 7))              # port, interrupt
WITHOUT_EPP = 0x3BC                                     # three registers only: a display adapter follows


@device("isa-parallel", "parallel port")
class ISAParallel(Parallel):
    BUS = "isa"
    PROPERTIES = {"chardev": chardev_name(), "index": uint8(None, "0 to 2: LPT1 to LPT3 (default: the first that is free)"),
                  "iobase": uint16(None, "first port (default: as index says)"),
                  "irq": uint8(None, "interrupt line (default: as index says)")}

    def plug(self, bus):
        bus.place(self, LPT, "LPT")
        bus.map(self, self.iobase, 3 if self.iobase == WITHOUT_EPP else 8, name="parallel")
        self.ack_irq = bus.shared_irq(self.irq)
