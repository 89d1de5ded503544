"""Port 80h: where a BIOS writes its progress (POST codes), and guests write for a short delay.

The page register that lies there is not used by any DMA channel: writes are lost.
"""
from qemu_py.system.device import Device, device
from qemu_py.util.dataclass import dataclass


@device("port80", "POST code port")
class Port80(Device):
    REGISTERS = {0: "code"}

    @dataclass
    class State:
        VERSION = 1

    def write_code(self, value):
        pass

    def read_code(self):
        return 0xFF
