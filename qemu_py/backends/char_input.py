"""A character device whose input is not read from a descriptor but given by send_input(), and waits until the front end has room."""
from qemu_py.backends.chardev import CharDevice


def deliver(front):
    """Give a front end as much of front.waiting as it has room for; one that only writes loses it."""
    while front.waiting:
        if front.receive is None:
            front.waiting.clear()
            return
        room = front.can_receive()
        if room <= 0:
            return
        data = bytes(front.waiting[:room])
        del front.waiting[:room]
        front.receive(data)


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
        if self.delivering or self.receive is None:     # receive() may say at once that there is room for more
            return
        self.delivering = True
        try:
            deliver(self)
        finally:
            self.delivering = False
