"""mon:DEVICE, a character device with an escape key, Ctrl-A: commands beside the guest's input (QEMU's manual,
"Keys in the character backend multiplexer"), and a second front end, the monitor, that Ctrl-A c turns the keys to.

Both may write at any time; keys go to the one that has the focus.
"""
from qemu_py.backends.char_input import deliver
from qemu_py.backends.chardev import CharDevice

ESCAPE = 0x01                           # Ctrl-A
BUFFER = 4096                           # input that a front end has no room for; commands get past it

HELP = """
C-a h    print this help
C-a x    exit the emulator
C-a b    send break
C-a c    switch between the guest and the monitor
C-a C-a  send C-a; so does C-a a
"""


class MonitorPort(CharDevice):
    """The monitor's side of a MuxChar. Its front end hears "focus" when the keys are turned to it."""
    shared = True

    def __init__(self, mux):
        super().__init__(mux.label)
        self.mux = mux
        self.waiting = bytearray()

    def write(self, data):
        return self.mux.inner.write(data)

    def accept_input(self):
        self.mux.accept_input()


class MuxChar(CharDevice):
    """Stands between a front end and `inner`."""
    has_monitor = True

    def __init__(self, inner):
        super().__init__(f"mon:{inner.label}")
        self.inner = inner
        self.escaped = False            # the last character was the escape
        self.waiting = bytearray()
        self.monitor = None             # MonitorPort
        self.focus = self               # whose the keys are: this, or the monitor's port
        self.delivering = False

    def add_handlers(self, can_receive, receive, event=None, send=None):
        super().add_handlers(can_receive, receive, event, send)
        self._listen()

    def monitor_port(self):
        """The second front end's CharDevice; there is one."""
        assert self.monitor is None
        self.monitor = MonitorPort(self)
        self._listen()
        return self.monitor

    def _listen(self):
        self.inner.add_handlers(self._room, self._input, self._event, self._send)

    def _event(self, name):
        for front in (self, self.monitor):
            if front is not None and front.event is not None:
                front.event(name)

    def _send(self):
        for front in (self, self.monitor):
            if front is not None and front.send is not None:
                front.send()

    # ---------------------------------------------------------------- input
    def _room(self):
        return BUFFER - len(self.focus.waiting)

    def _input(self, data):
        for byte in data:
            if self.escaped:
                self.escaped = False
                self._command(byte)
            elif byte == ESCAPE:
                self.escaped = True
            else:
                self.focus.waiting.append(byte)
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
            self._switch()
        elif key == "b":
            self._deliver()
            if self.event is not None:
                self.event("break")
        elif key == "a" or byte == ESCAPE:
            self.focus.waiting.append(ESCAPE)

    def _switch(self):
        if self.monitor is None:
            self.inner.write(b"\nqemu-py: there is no monitor to switch to\n")
            return
        self._deliver()                 # what was typed before is the other's
        self.focus = self if self.focus is self.monitor else self.monitor
        if self.focus is self.monitor and self.monitor.event is not None:
            self.monitor.event("focus")

    def _deliver(self):
        """To each what waits for it. A front end that takes input may call accept_input() for more: the loop sees to it."""
        if self.delivering:
            return
        self.delivering = True
        try:
            for front in (self, self.monitor):
                if front is not None:
                    deliver(front)
        finally:
            self.delivering = False

    def accept_input(self):
        self._deliver()
        self.inner.accept_input()

    # ---------------------------------------------------------------- the device
    def write(self, data):
        return self.inner.write(data)

    def send_break(self):
        self.inner.send_break()

    def open(self, main_loop):
        self.inner.open(main_loop)

    def close(self):
        self.inner.close()
