"""mon:DEVICE, a character device with an escape key, Ctrl-A: commands beside the guest's input (QEMU's manual,
"Keys in the character backend multiplexer").

Not there yet: a monitor for Ctrl-A c to switch to.
"""
from qemu_py.backends.chardev import CharDevice

ESCAPE = 0x01                           # Ctrl-A
BUFFER = 4096                           # input that the front end has no room for; commands get past it

HELP = """
C-a h    print this help
C-a x    exit the emulator
C-a b    send break
C-a c    switch to the monitor (there is none yet)
C-a C-a  send C-a; so does C-a a
"""


class MuxChar(CharDevice):
    """Stands between a front end and `inner`."""

    def __init__(self, inner):
        super().__init__(f"mon:{inner.label}")
        self.inner = inner
        self.escaped = False            # the last character was the escape
        self.waiting = bytearray()

    def add_handlers(self, can_receive, receive, event=None, send=None):
        super().add_handlers(can_receive, receive, event, send)
        self.inner.add_handlers(self._room, self._input, event, send)

    def _room(self):
        return BUFFER - len(self.waiting)

    def _input(self, data):
        for byte in data:
            if self.escaped:
                self.escaped = False
                self._command(byte)
            elif byte == ESCAPE:
                self.escaped = True
            else:
                self.waiting.append(byte)
        self._deliver()

    def _command(self, byte):
        key = chr(byte)
        if key == "x":
            self.inner.write(b"\nqemu-py: terminated\n")
            if self.request_quit is not None:
                self.request_quit()
        elif key in "h?":
            self.inner.write(HELP.encode())
        elif key == "c":
            self.inner.write(b"\nqemu-py: there is no monitor to switch to yet\n")
        elif key == "b":
            self._deliver()
            if self.event is not None:
                self.event("break")
        elif key == "a" or byte == ESCAPE:
            self.waiting.append(ESCAPE)

    def _deliver(self):
        while self.waiting:
            room = self.can_receive()
            if room <= 0:
                return
            data = bytes(self.waiting[:room])
            del self.waiting[:room]
            self.receive(data)

    def accept_input(self):
        self._deliver()
        self.inner.accept_input()

    def write(self, data):
        return self.inner.write(data)

    def send_break(self):
        self.inner.send_break()

    def open(self, main_loop):
        self.inner.open(main_loop)

    def close(self):
        self.inner.close()
