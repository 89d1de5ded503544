"""The human monitor on a character device: prompt, echo, answers (-monitor, and Ctrl-A c of mon: devices).

Runs in the main loop with the iothread lock held. Input waits while the peer does not take the output.
"""
import functools

from qemu_py.backends.char_mux import MuxChar
from qemu_py.control.hmp import HMP
from qemu_py.control.hmp_complete import complete
from qemu_py.control.line_editor import LineEditor
from qemu_py.util.version import __version__

PROMPT = b"(qemu) "
ROOM = 256


class Monitor:
    """Opened and closed by the machine, as its character devices are; `chardev` is opened on its own."""

    def __init__(self, machine, chardev):
        self.machine = machine
        self.chardev = chardev
        self.hmp = HMP(machine)
        self.editor = LineEditor(functools.partial(complete, self.hmp), PROMPT)
        self.hmp.history = self.editor.history
        self.output = bytearray()       # what the device has not taken yet
        self.greeted = False
        self.request_quit = None
        chardev.add_handlers(self.can_receive, self.receive, self.event, self.send)

    def open(self, main_loop):
        if not getattr(self.chardev, "shared", False):          # on a shared one, when it is turned to
            self.greet()

    def close(self):
        """Nothing is its own."""

    def greet(self):
        self.greeted = True
        self.editor.reset()
        self.write(f"qemu-py {__version__} monitor - type 'help' for more information\n".encode() + PROMPT)

    def event(self, name):
        if name == "focus" and self.greeted:
            self.write(b"\n" + self.editor.shown())
        elif name == "focus":
            self.write(b"\n")
            self.greet()
        elif name == "opened" and not getattr(self.chardev, "shared", False):
            self.greet()
        elif name == "closed":
            self.output.clear()
            self.editor.reset()

    # ---------------------------------------------------------------- input
    def can_receive(self):
        return 0 if self.output else ROOM

    def receive(self, data):
        for byte in data:
            shown, line = self.editor.key(byte)
            if shown:
                self.output += shown
            if line is not None:
                self.put(self.hmp.command(line).encode("utf-8", "surrogateescape"))
                self.put(PROMPT)
        self.send()

    # ---------------------------------------------------------------- output
    def put(self, text):
        self.output += text.replace(b"\n", b"\r\n")             # a terminal may be raw

    def write(self, text):
        self.put(text)
        self.send()

    def send(self):
        """The device has room."""
        waited = bool(self.output)
        while self.output:
            count = self.chardev.write(bytes(self.output))
            if count <= 0:
                return
            del self.output[:count]
        if waited:
            self.chardev.accept_input()


def add_monitors(machine, chardevs=()):
    """A monitor on each of these devices, and on every mon: device that the machine has."""
    for chardev in chardevs:
        machine.add_chardev(chardev)
        machine.add_chardev(Monitor(machine, chardev))
    for chardev in list(machine.chardevs):
        if isinstance(chardev, MuxChar):
            machine.add_chardev(Monitor(machine, chardev.monitor_port()))
