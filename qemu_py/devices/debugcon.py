"""The debug console of Bochs and QEMU: a byte written to the port appears on a character device.

Reading gives E9h, by which guests find out that it is there.
"""
from qemu_py.system.device import Device, chardev_name, device, uint16, uint32
from qemu_py.util.dataclass import dataclass


@device("isa-debugcon", "debug console on a port")
class DebugCon(Device):
    BUS = "isa"
    REGISTERS = {0: "data"}
    PROPERTIES = {"chardev": chardev_name(), "iobase": uint16(0xE9, "port"),
                  "readback": uint32(0xE9, "what a read gives")}

    @dataclass
    class State:
        VERSION = 1

    def __init__(self, clock=None, chardev=None, **properties):
        super().__init__(clock, **properties)
        self.chardev = chardev

    def plug(self, bus):
        bus.map(self, self.iobase, 1)

    def write_data(self, value):
        if self.chardev is not None:
            self.chardev.write(bytes((value,)))

    def read_data(self):
        return self.readback & 0xFF
