"""A serial port on the ISA bus: a 16550 (uart16550.py) with its address decoder; COM1 to COM4 by its index."""
from qemu_py.devices.uart16550 import UART16550
from qemu_py.system.device import chardev_name, device, uint8, uint16

COM = ((0x3F8, 4), (0x2F8, 3), (0x3E8, 4), (0x2E8, 3))          # port, interrupt: COM1 and COM3 share one, COM2 and COM4
LSR = 5


@device("isa-serial", "serial port")
class ISASerial(UART16550):
    BUS = "isa"
    PROPERTIES = {"chardev": chardev_name(), "index": uint8(None, "0 to 3: COM1 to COM4 (default: the first that is free)"),
                  "iobase": uint16(None, "first of 8 ports (default: as index says)"),
                  "irq": uint8(None, "interrupt line (default: as index says)")}

    def plug(self, bus):
        bus.place(self, COM, "COM")
        region = bus.map(self, self.iobase, 8, name="serial")
        self.intr = bus.shared_irq(self.irq)
        self.answer_polls(region)

    def answer_polls(self, region):
        """A poll of the line status register is answered without a call while that has no effect."""
        line_status = bytearray(1)

        def listener(value):
            passive = LSR in region.passive_reads
            if value is None:
                if passive:
                    region.set_passive_read(LSR, None)
            else:
                line_status[0] = value
                if not passive:
                    region.set_passive_read(LSR, line_status)
        self.lsr_listener = listener
        self.update()
