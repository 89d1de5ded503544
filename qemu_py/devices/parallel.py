"""Parallel port of a PC (IBM Personal System/2 Hardware Interface Technical Reference, parallel port; SPP and PS/2 mode).

A byte is given to the character device at the rising edge of STROBE, and the printer acknowledges at
once; while the character device takes nothing more, the printer is busy.

EPP and ECP are absent: their registers read as an open bus and take nothing, and the probes of drivers
(the extended control register, EPP's time-out bit) find that. Not modelled: paper end, errors, a
device that sends in the reverse direction (the data lines read back as FFh then).
"""
from qemu_py.system.device import Device
from qemu_py.system.irq import IRQ
from qemu_py.util.dataclass import dataclass

STATUS_NOT_BUSY, STATUS_NOT_ACK, STATUS_PAPER_END, STATUS_SELECTED, STATUS_NO_ERROR = 0x80, 0x40, 0x20, 0x10, 0x08
STATUS_NO_IRQ = 0x04                    # PS/2: low between an ACK and the next read of the status
STATUS_UNUSED = 0x03                    # read as ones: bit 0 would be EPP's time-out, which cannot be cleared
STATUS_READY = (STATUS_UNUSED | STATUS_NOT_BUSY | STATUS_NOT_ACK | STATUS_SELECTED | STATUS_NO_ERROR
                | STATUS_NO_IRQ)
CONTROL_STROBE, CONTROL_AUTOFEED, CONTROL_NO_INIT, CONTROL_SELECT = 0x01, 0x02, 0x04, 0x08
CONTROL_IRQ, CONTROL_INPUT = 0x10, 0x20
CONTROL_UNUSED = 0xC0                   # read as ones
ACK_NS = 5_000                          # from STROBE to the end of ACK


class Parallel(Device):
    REGISTERS = {0: "data", 1: "status", 2: "control", 3: "epp_address", 4: "epp_data", 5: "epp_data1", 6: "epp_data2",
                 7: "epp_data3"}

    @dataclass
    class State:
        VERSION = 1
        data: int = 0
        control: int = CONTROL_NO_INIT | CONTROL_SELECT
        waiting: int = -1               # the byte that the character device has not taken
        acknowledging: bool = False     # ACK is on its way
        acknowledged: bool = False      # since the last read of the status

    def __init__(self, clock=None, chardev=None, **properties):
        super().__init__(clock, **properties)
        self.ack_irq = IRQ()
        self.chardev = chardev
        self.timer = clock.timer(self.acknowledge, "parallel.ack")
        if chardev is not None:
            chardev.add_handlers(lambda: 0, lambda data: None, None, self.send)

    def reset(self):
        super().reset()
        self.timer.cancel()
        self.ack_irq.lower()

    # ---------------------------------------------------------------- the printer
    def send(self):
        """Give the character device what waits for it."""
        s = self.s
        if s.waiting < 0:
            return
        if self.chardev is None or self.chardev.write(bytes([s.waiting])):
            s.waiting = -1
            s.acknowledging = True
            self.timer.mod_ns(self.clock.get_ns() + ACK_NS)

    def acknowledge(self):
        """The rising edge of ACK."""
        s = self.s
        s.acknowledging = False
        s.acknowledged = True
        if s.control & CONTROL_IRQ:
            self.ack_irq.raise_()           # and stays until the status is read, as on a PS/2

    # ---------------------------------------------------------------- registers
    def write_data(self, value):
        self.s.data = value

    def read_data(self):
        s = self.s
        return 0xFF if s.control & CONTROL_INPUT else s.data

    def read_status(self):
        s = self.s
        if s.acknowledging and self.timer.expire_time is not None and self.timer.expire_time <= self.clock.get_ns():
            self.timer.cancel()
            self.acknowledge()
        value = STATUS_READY
        if s.waiting >= 0 or s.acknowledging:
            value &= ~STATUS_NOT_BUSY
        if not s.control & CONTROL_NO_INIT:
            value &= ~STATUS_NOT_BUSY
        if s.acknowledged:
            s.acknowledged = False
            self.ack_irq.lower()
            value &= ~STATUS_NO_IRQ
        return value

    def write_control(self, value):
        s = self.s
        strobe = value & ~s.control & CONTROL_STROBE
        s.control = value & 0x3F
        if strobe or not value & CONTROL_IRQ:
            self.ack_irq.lower()
        if not value & CONTROL_NO_INIT:         # INIT: the printer forgets what it has not printed
            s.waiting = -1
        elif strobe and s.waiting < 0:
            s.waiting = s.data
            self.send()

    def read_control(self):
        return self.s.control | CONTROL_UNUSED

    def absent(self):
        return 0xFF

    read_epp_address = read_epp_data = read_epp_data1 = read_epp_data2 = read_epp_data3 = absent

    def lost(self, value):
        pass

    write_epp_address = write_epp_data = write_epp_data1 = write_epp_data2 = write_epp_data3 = lost
    write_status = lost
