"""Memory as bus masters see it: the processors' own registers are not there, and a dword written to FEExxxxxh is an interrupt
(PCI specification 3.0, section 6.8; SDM vol. 3, section 10.11)."""
from qemu_py.util import log

MESSAGE_WINDOW = 0xFEE                  # the upper 12 bits of its addresses


class BusMasterMemory:
    """An AddressSpace without that window, where `message(address, data)` is told instead, or nobody (None).

    Nothing that is moved at once lies partly in the window: it begins and ends with a MiB."""

    def __init__(self, space):
        self.space = space
        self.message = None

    def read(self, addr, length):
        return b"\xff" * length if addr >> 20 == MESSAGE_WINDOW else self.space.read(addr, length)

    def readinto(self, addr, buffer):
        if addr >> 20 == MESSAGE_WINDOW:
            memoryview(buffer).cast("B")[:] = b"\xff" * memoryview(buffer).nbytes
        else:
            self.space.readinto(addr, buffer)

    def write(self, addr, data):
        if addr >> 20 != MESSAGE_WINDOW:
            self.space.write(addr, data)
        elif self.message is not None and not addr & 3 and len(data) == 4:
            self.message(addr, int.from_bytes(data, "little"))
        else:
            log.log(log.LOG_GUEST_ERROR, f"a bus master writes {len(data)} bytes to {addr:#x}, which is no message")

    def map(self, addr, length):
        return None if addr >> 20 == MESSAGE_WINDOW else self.space.map(addr, length)

    def unmap(self, addr, length):
        self.space.unmap(addr, length)

    def ld(self, addr, size):
        return int.from_bytes(self.read(addr, size), "little")

    def st(self, addr, value, size):
        self.write(addr, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
