"""A character device whose other end is a Python program: what the guest sends is kept, and input is given by send_input()."""
from qemu_py.backends.char_input import InputQueue


class MemoryChar(InputQueue):
    """`output` is everything that the guest has sent so far."""

    def __init__(self, label="memory"):
        super().__init__(label)
        self.output = bytearray()

    def write(self, data):
        self.output += data
        return len(data)
