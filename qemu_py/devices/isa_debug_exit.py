"""isa-debug-exit, as QEMU defines it: a write of `value` ends the machine with status
(value << 1) | 1. Reads give all ones.
"""
from qemu_py.system.device import Device, device, uint16, uint32
from qemu_py.util.dataclass import dataclass


@device("isa-debug-exit", "a port that ends the machine with a status")
class ISADebugExit(Device):
    BUS = "isa"
    REGISTERS = {0: "exit"}
    PROPERTIES = {"iobase": uint16(0x501, "first port"),
                  "iosize": uint32(2, "number of ports")}
    WORD = True                         # the port takes accesses of 1, 2 and 4 bytes whole

    @dataclass
    class State:
        VERSION = 1

    def __init__(self, clock=None, **properties):
        super().__init__(clock, **properties)
        self.request_exit = None        # called with the status

    def plug(self, bus):
        self.request_exit = bus.request_exit
        bus.map(self, self.iobase, self.iosize)

    def read(self, offset, size=1):
        return (1 << 8 * size) - 1

    def write(self, offset, value, size=1):
        self.request_exit(value << 1 | 1)
