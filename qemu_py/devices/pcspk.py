"""Port 61h of a PC/AT: the gate and output of timer counter 2, the speaker, the refresh bit.

IBM PC/AT Technical Reference, system board port 61h; 82371SB datasheet, NMI status and control.
Not modelled: parity and channel-check errors (never signalled), the sound itself.
"""
from dataclasses import dataclass

from qemu_py.devices.i8254 import NANOSECONDS, PIT_FREQ
from qemu_py.system.device import Device, device

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
        pit.set_gate(2, 0)

    def reset(self):
        super().reset()
        self.pit.set_gate(2, 0)

    def write_control(self, value):
        changed = value ^ self.s.control
        self.s.control = value & WRITABLE
        if changed & GATE2:
            self.pit.set_gate(2, value & GATE2)

    def read_control(self):
        ns = self.clock.get_ns()
        value = self.s.control
        if ns // REFRESH_NS & 1:
            value |= REFRESH
        counter = self.counter2
        # While nothing is counted OUT is constant: the case of guests that poll the port for a delay.
        if counter.output(ns * PIT_FREQ // NANOSECONDS) if counter.s.counting else counter.s.mode:
            value |= OUT2
        return value
