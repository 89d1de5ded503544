"""A character device whose other end is a Python program: what the guest sends is kept, and input is given by send()."""
from qemu_py.backends.chardev import CharDevice


class MemoryChar(CharDevice):
    """`output` is everything that the guest has sent so far."""

    def __init__(self, label="memory"):
        super().__init__(label)
        self.output = bytearray()
        self.waiting = bytearray()      # input that the front end has no room for yet
        self.delivering = False

    def write(self, data):
        self.output += data
        return len(data)

    def send_input(self, data):
        """Give the guest bytes to read. The lock is held."""
        self.waiting += data
        self.accept_input()

    def accept_input(self):
        if self.delivering:             # receive() may say at once that there is room for more
            return
        self.delivering = True
        try:
            while self.waiting and self.receive is not None:
                room = self.can_receive()
                if room <= 0:
                    return
                data = bytes(self.waiting[:room])
                del self.waiting[:room]
                self.receive(data)
        finally:
            self.delivering = False
