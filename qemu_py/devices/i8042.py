"""Intel 8042 as the keyboard controller of the PC/AT and PS/2 (IBM Personal System/2 Hardware Interface
Technical Reference, keyboard/auxiliary device controller; Intel UPI-41A data sheet for the status register).

Ports 60h (data) and 64h (status, command). A byte of a device takes the time that it takes on the
cable, so after a read of port 60h the byte stays there for a while, as old programs expect; the
controller's own answers are there at once.

Not modelled: the password (A4h says that none is installed), diagnostic dump, polling of the input
port (C1h, C2h), parity and time-out errors of the cable. Output port bits other than reset and A20
are read back only.
"""
from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

STATUS_OBF, STATUS_IBF, STATUS_SYSTEM, STATUS_COMMAND = 0x01, 0x02, 0x04, 0x08
STATUS_UNLOCKED, STATUS_AUX_OBF = 0x10, 0x20
CCB_KBD_IRQ, CCB_AUX_IRQ, CCB_SYSTEM = 0x01, 0x02, 0x04
CCB_KBD_DISABLED, CCB_AUX_DISABLED, CCB_TRANSLATE = 0x10, 0x20, 0x40
OUT_NO_RESET, OUT_A20, OUT_KBD_OBF, OUT_AUX_OBF = 0x01, 0x02, 0x10, 0x20
OUT_RESTING = 0xCC                      # clocks and data of both cables
INPUT_PORT = 0xB0                       # not locked, colour display, no manufacturing jumper, 256 KiB on the board
SELF_TEST_PASSED, PASSWORD_ABSENT = 0x55, 0xF1
WITH_DATA = (0xD1, 0xD2, 0xD3, 0xD4)    # and 60h-7Fh
BYTE_NS = 660_000                       # eleven bits at 16.7 kHz

# Set 2 to set 1, as the controller does it for codes below 85h; the others stay as they are.
TRANSLATION = bytes.fromhex("""
    ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59
    65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b
    67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d
    69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f
    6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61
    6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76
    55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f
    52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54
    80 81 82 41 54""")


@device("i8042", "keyboard controller")
class I8042(Device):
    REGISTERS = {0: "data", 1: "control"}       # ports 60h and 64h

    @dataclass
    class State:
        VERSION = 1
        ram: bytearray = field(default_factory=lambda: bytearray([CCB_KBD_IRQ | CCB_AUX_IRQ]) + bytearray(31))
        output_port: int = OUT_RESTING | OUT_NO_RESET | OUT_A20
        status: int = STATUS_UNLOCKED | STATUS_COMMAND
        data: int = 0                   # output buffer
        own: bool = False               # it holds an answer of the controller
        held: tuple = None              # (byte, STATUS_AUX_OBF or 0) that had to make room for one
        expects: int = 0                # the command that waits for its data byte; 0: none
        release: bool = False           # translation has seen F0h

    def __init__(self, clock=None, keyboard=None, mouse=None, request_reset=None, **properties):
        self.irq_kbd = IRQ()
        self.irq_aux = IRQ()
        self.a20 = IRQ()
        self.a20.level = 1
        self.request_reset = request_reset
        super().__init__(clock, **properties)
        self.keyboard, self.mouse = keyboard, mouse
        keyboard.changed = mouse.changed = self.expect
        self.timer = clock.timer(self.arrive, "i8042.byte")

    def reset(self):
        super().reset()
        self.timer.cancel()
        self.a20.raise_()
        self.update()

    # ---------------------------------------------------------------- output buffer
    def put(self, value, aux):
        s = self.s
        s.data = value
        s.status = s.status & ~STATUS_AUX_OBF | STATUS_OBF | aux
        self.update()

    def answer(self, value, aux=0):
        """A byte of the controller's own, or of D2h and D3h: a device's byte waits until it is read."""
        s = self.s
        if s.status & STATUS_OBF and not s.own:
            s.held = s.data, s.status & STATUS_AUX_OBF
        s.own = True
        self.put(value, aux)

    def update(self):
        """The interrupt lines: each is high while a byte of its kind is there and its enable bit is set."""
        s = self.s
        full = s.status & STATUS_OBF
        aux = s.status & STATUS_AUX_OBF
        self.irq_kbd.set(full and not aux and s.ram[0] & CCB_KBD_IRQ)
        self.irq_aux.set(full and aux and s.ram[0] & CCB_AUX_IRQ)

    def source(self):
        """The device whose byte is next, or None. One whose clock the controller holds low waits."""
        ccb = self.s.ram[0]
        if self.keyboard.ready and not ccb & CCB_KBD_DISABLED:
            return self.keyboard
        if self.mouse.ready and not ccb & CCB_AUX_DISABLED:
            return self.mouse
        return None

    def expect(self):
        """If there is room and a device has a byte, it begins to come."""
        s = self.s
        if not s.status & STATUS_OBF and not self.timer.pending and (s.held is not None or self.source() is not None):
            self.timer.mod_ns(self.clock.get_ns() + BYTE_NS)

    def arrive(self):
        """The byte has come."""
        s = self.s
        if s.status & STATUS_OBF:
            return
        s.own = False
        if s.held is not None:
            (value, aux), s.held = s.held, None
            self.put(value, aux)
            return
        source = self.source()
        if source is self.mouse:
            self.put(source.take(), STATUS_AUX_OBF)
        elif source is not None:
            value = source.take()
            if s.ram[0] & CCB_TRANSLATE:
                if value == 0xF0:
                    s.release = True
                    self.arrive()       # the prefix is not passed on: the code follows
                    return
                value = (TRANSLATION[value] if value < len(TRANSLATION) else value) | (0x80 if s.release else 0)
            s.release = False
            self.put(value, 0)

    # ---------------------------------------------------------------- registers
    def read_control(self):
        if self.timer.pending and self.timer.expire_time <= self.clock.get_ns():
            self.timer.cancel()         # a guest that polls need not wait for the timer's callback
            self.arrive()
        s = self.s
        return s.status | (s.ram[0] & CCB_SYSTEM)

    def read_data(self):
        s = self.s
        if s.status & STATUS_OBF:
            s.status &= ~(STATUS_OBF | STATUS_AUX_OBF)
            self.update()
            self.expect()
        return s.data

    def write_data(self, value):
        s = self.s
        s.status &= ~STATUS_COMMAND
        command, s.expects = s.expects, 0
        if 0x60 <= command < 0x80:
            self.write_ram(command & 0x1F, value)
        elif command == 0xD1:
            self.write_output_port(value)
        elif command == 0xD2:
            self.answer(value)
        elif command == 0xD3:
            self.answer(value, STATUS_AUX_OBF)
        elif command == 0xD4:
            self.write_ram(0, s.ram[0] & ~CCB_AUX_DISABLED)     # its clock must run for that
            self.mouse.write(value)
        else:
            s.release = False
            self.write_ram(0, s.ram[0] & ~CCB_KBD_DISABLED)
            self.keyboard.write(value)

    def write_ram(self, n, value):
        self.s.ram[n] = value
        if n == 0:
            self.update()
            self.expect()

    def write_output_port(self, value):
        self.s.output_port = value & ~(OUT_KBD_OBF | OUT_AUX_OBF)
        self.a20.set(value & OUT_A20)
        if not value & OUT_NO_RESET:
            self.request_reset()

    def write_control(self, value):
        s = self.s
        s.status |= STATUS_COMMAND
        s.expects = 0
        ccb = s.ram[0]
        if 0x20 <= value < 0x40:
            self.answer(s.ram[value & 0x1F])
        elif 0x60 <= value < 0x80 or value in WITH_DATA:
            s.expects = value
        elif value == 0xA4:
            self.answer(PASSWORD_ABSENT)
        elif value == 0xA7:
            s.ram[0] = ccb | CCB_AUX_DISABLED
        elif value == 0xA8:
            self.write_ram(0, ccb & ~CCB_AUX_DISABLED)
        elif value == 0xAA:
            s.ram[0] = ccb | CCB_SYSTEM
            self.answer(SELF_TEST_PASSED)
        elif value in (0xA9, 0xAB):     # tests of the cables: nothing is stuck
            self.answer(0)
        elif value == 0xAD:
            s.ram[0] = ccb | CCB_KBD_DISABLED
        elif value == 0xAE:
            self.write_ram(0, ccb & ~CCB_KBD_DISABLED)
        elif value == 0xC0:
            self.answer(INPUT_PORT)
        elif value == 0xD0:
            self.answer(s.output_port | (OUT_KBD_OBF if self.irq_kbd.level else 0)
                        | (OUT_AUX_OBF if self.irq_aux.level else 0))
        elif value in (0xDD, 0xDF):
            self.write_output_port(s.output_port & ~OUT_A20 | (OUT_A20 if value == 0xDF else 0))
        elif value == 0xE0:             # T0 and T1: the clocks of both cables
            self.answer((0 if ccb & CCB_KBD_DISABLED else 1) | (0 if ccb & CCB_AUX_DISABLED else 2))
        elif value >= 0xF0:
            if not value & OUT_NO_RESET:        # a pulse on the bits that are 0
                self.request_reset()
        else:
            log.log(log.LOG_GUEST_ERROR, f"i8042: unknown command {value:#04x}")
