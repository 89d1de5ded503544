"""Port 92h, system control port A of the PS/2 (IBM PS/2 Hardware Interface Technical Reference): fast A20, reset.

On a PC of the 82371SB's time the port is the chip set's: bit 1 is A20's second source beside the
keyboard controller's, and bit 0 going high resets the processor.

Not modelled: the disk activity light, the password lock.
"""
from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.util.dataclass import dataclass

FAST_INIT, FAST_A20 = 0x01, 0x02


@device("port92", "port 92h: fast A20 and reset")
class Port92(Device):
    REGISTERS = {0: "control"}

    @dataclass
    class State:
        VERSION = 1
        control: int = 0

    def __init__(self, clock=None, request_reset=None, **properties):
        self.a20 = IRQ()
        self.request_reset = request_reset
        super().__init__(clock, **properties)

    def reset(self):
        super().reset()
        self.a20.lower()

    def write_control(self, value):
        rising = value & ~self.s.control
        self.s.control = value & (FAST_INIT | FAST_A20)
        self.a20.set(value & FAST_A20)
        if rising & FAST_INIT:
            self.request_reset()

    def read_control(self):
        return self.s.control
