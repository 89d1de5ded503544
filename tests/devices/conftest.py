"""The vocabulary of device tests is the guest's: outb, inb, irq; and a clock that stands still.

`pc_bus.add("name")` puts a chip where a PC has it. A test that needs more of a machine than ports
and interrupt lines belongs elsewhere.
"""
import pytest

from qemu_py.devices import device_class
from qemu_py.system.clocks import QEMUClock
from qemu_py.system.irq import IRQ


class FakeClock(QEMUClock):
    """Time passes only in advance(), which runs each timer at its own deadline."""

    def __init__(self):
        self.ns = 0
        super().__init__("fake", lambda: self.ns)

    def advance(self, ns):
        end = self.ns + ns
        while self.active_timers and self.active_timers[0][0] <= end:
            self.ns = max(self.ns, self.active_timers[0][0])
            self.run_timers()
        self.ns = end

    def jump(self, ns):
        """Time has passed without anybody looking: a busy host."""
        self.ns += ns
        self.run_timers()


class Recorder(IRQ):
    """An interrupt line of the board: `history` has every change of its level."""

    def __init__(self):
        super().__init__(self)
        self.history = []

    def __call__(self, n, level):
        self.history.append(level)
        self.level = level


class FakeChar:
    """A character device whose other end is the test."""

    def __init__(self):
        self.sent = bytearray()
        self.breaks = self.accepted = 0
        self.room = 1 << 30             # bytes that it still takes
        self.handlers = None

    def add_handlers(self, can_receive, receive, event, send):
        self.can_receive, self.receive, self.event, self.send = can_receive, receive, event, send

    def write(self, data):
        taken = min(len(data), self.room)
        self.sent += data[:taken]
        self.room -= taken
        return taken

    def drain(self, room=1 << 30):
        """There is room again."""
        self.room = room
        self.send()

    def type(self, data):
        """Deliver as much as the device takes; what is left."""
        while data and self.can_receive() > 0:
            n = self.can_receive()
            self.receive(data[:n])
            data = data[n:]
        return data

    def accept_input(self):
        self.accepted += 1

    def send_break(self):
        self.breaks += 1


class PCBus:
    def __init__(self, clock):
        self.clock = clock
        self.ports = {}
        self.lines = {}
        self.exit_status = None

    def irq(self, n):
        return self.lines.setdefault(n, Recorder())

    def request_exit(self, status):
        self.exit_status = status

    def map(self, chip, base, count, first=0):
        for k in range(count):
            self.ports[base + k] = (chip, first + k)

    def add(self, name, **properties):
        return getattr(self, "add_" + name.replace("-", "_"), lambda **p: self.add_isa(name, **p))(**properties)

    def add_isa(self, name, **properties):
        chip = device_class(name)(self.clock, **properties)
        chip.plug(self)
        return chip

    def add_i8259(self):
        from qemu_py.devices.i8259 import I8259Pair
        pair = I8259Pair()
        for chip, base, elcr in ((pair.master, 0x20, 0x4D0), (pair.slave, 0xA0, 0x4D1)):
            self.map(chip, base, 2)
            self.map(chip, elcr, 1, 2)
        return pair

    def add_i8254(self):
        pit = device_class("isa-pit")(self.clock)
        self.map(pit, 0x40, 4)
        pit.connect_out(0, self.irq(0))
        return pit

    def add_isa_pcspk(self, pit):
        speaker = device_class("isa-pcspk")(self.clock, pit=pit)
        self.map(speaker, 0x61, 1)
        return speaker

    def add_uart16550(self, chardev):
        from qemu_py.devices.uart16550 import UART16550
        uart = UART16550(self.clock, chardev=chardev)
        self.map(uart, 0x3F8, 8)
        uart.intr.connect(self.irq(4))
        return uart

    # ---- what a guest does
    def outb(self, port, value):
        chip, register = self.ports[port]
        chip.write(register, value, 1)

    def inb(self, port):
        chip, register = self.ports[port]
        return chip.read(register, 1)

    def outl(self, port, value):
        chip, register = self.ports[port]
        chip.write(register, value, 4)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def pc_bus(clock):
    return PCBus(clock)


@pytest.fixture
def chardev():
    return FakeChar()
