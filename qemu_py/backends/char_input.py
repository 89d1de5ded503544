"""A character device whose input is not read from a descriptor but given by send_input(), and waits until the front end has room."""
from qemu_py.backends.chardev import CharDevice


class InputQueue(CharDevice):
    def __init__(self, label):
        super().__init__(label)
        self.waiting = bytearray()      # input that the front end has no room for yet
        self.delivering = False

    def send_input(self, data):
        """Give the front end bytes to read. The lock is held."""
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
