"""Port 61h of a PC/AT: the gate and output of timer counter 2, the speaker, the refresh bit.

IBM PC/AT Technical Reference, system board port 61h; 82371SB datasheet, NMI status and control.
Not modelled: parity and channel-check errors (never signalled), the sound itself.
"""
from qemu_py.devices.i8254 import NANOSECONDS, PIT_FREQ
from qemu_py.system.device import Device, device
from qemu_py.util.dataclass import dataclass

GATE2, SPEAKER_DATA, WRITABLE = 0x01, 0x02, 0x0F        # bits 2, 3: NMI disables
REFRESH, OUT2 = 0x10, 0x20
REFRESH_NS = 18 * NANOSECONDS // PIT_FREQ               # counter 1 divides by 18: about 15 us


@device("isa-pcspk", "port 61h: counter 2's gate, speaker, refresh toggle")
class PCSpeaker(Device):
    REGISTERS = {0: "control"}

    @dataclass
    class State:
        VERSION = 1
        control: int = 0

    def __init__(self, clock=None, pit=None, **properties):
        super().__init__(clock, **properties)
        self.pit = pit
        self.counter2 = pit.counters[2]
        self.counter2.changed = self.publish
        self.passive = None             # a PassiveCounter that answers reads
        pit.set_gate(2, 0)

    def reset(self):
        super().reset()
        self.pit.set_gate(2, 0)
        self.publish()

    def publish(self):
        """Let the core answer reads, where it can tell OUT 2."""
        if self.passive is None:
            return
        counter = self.counter2
        if counter.constant:
            self.passive.port61(self.s.control | self.out2(self.clock.get_ns()), REFRESH, REFRESH_NS)
        elif counter.s.mode in (0, 2, 3) and counter.passive is not None and counter.passive.active:
            self.passive.port61(self.s.control, REFRESH, REFRESH_NS, OUT2, counter.passive)
        else:
            self.passive.ask_device()

    def out2(self, ns):
        return OUT2 if self.counter2.output(ns * PIT_FREQ // NANOSECONDS) else 0

    def write_control(self, value):
        changed = value ^ self.s.control
        self.s.control = value & WRITABLE
        if changed & GATE2:
            self.pit.set_gate(2, value & GATE2)
        self.publish()

    def read_control(self):
        ns = self.clock.get_ns()
        self.counter2.settle(ns * PIT_FREQ // NANOSECONDS)
        self.counter2.publish()
        return self.s.control | (REFRESH if ns // REFRESH_NS & 1 else 0) | self.out2(ns)
