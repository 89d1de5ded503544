"""PS/2 keyboard and mouse (IBM Personal System/2 Hardware Interface Technical Reference, keyboards and mouse).

The mouse has a wheel and five buttons once the driver has knocked for them with sample rates, as
Microsoft's IntelliMouse (identity 3) and IntelliMouse Explorer (4) do.

A self test takes 20 ms instead of 300 to 500. After a system reset the devices are as after power-on,
their completion code read already: a BIOS resets them itself. Not modelled: the shift codes that a
keyboard puts around its grey cursor keys while Shift or Num Lock is on; electrical errors.
"""
from qemu_py.system.device import Device, device
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

ACK, RESEND, ERROR, SELF_TEST_PASSED, ECHO = 0xFA, 0xFE, 0xFC, 0xAA, 0xEE
SELF_TEST_NS = 20_000_000
NANOSECONDS = 1_000_000_000


class PS2Device(Device):
    """What both have: answers, data, the last byte for RESEND, a command that waits for its argument.

    Whoever is at the other end of the cable sets `changed`, which is called when there is something
    to take(), and calls write(byte)."""

    def __init__(self, clock=None, **properties):
        super().__init__(clock, **properties)
        self.changed = lambda: None
        self.self_test = clock.timer(self.self_tested, f"{self.NAME}.bat")

    def reset(self):
        super().reset()
        self.self_test.cancel()

    @property
    def ready(self):
        """Is there a byte to take?"""
        return bool(self.s.answers or self.s.output)

    def take(self):
        """The next byte that goes over the cable; answers to commands come first."""
        s = self.s
        queue = s.answers or s.output
        s.last = queue.pop(0)
        return s.last

    def answer(self, *values):
        self.s.answers += bytes(values)
        self.changed()

    def write(self, value):
        """A byte from the host."""
        s = self.s
        s.answers.clear()               # a new byte breaks off what was being sent
        waiting, s.command = s.command, 0
        if waiting:
            self.argument(waiting, value)
        else:
            self.command(value)

    def self_tested(self):
        self.answer(SELF_TEST_PASSED, *self.IDENTITY_AFTER_TEST)

    def unknown(self, value):
        log.log(log.LOG_GUEST_ERROR, f"{self.NAME}: unknown command {value:#04x}")
        self.answer(RESEND)


# ---------------------------------------------------------------- keyboard
TYPEMATIC, BREAK = 1, 2                 # what a key does in set 3
KINDS = {"T": TYPEMATIC, "M": 0, "B": BREAK}
ALL_KEYS = {0xF7: TYPEMATIC, 0xF8: BREAK, 0xF9: 0, 0xFA: TYPEMATIC | BREAK}
ONE_KEY = {0xFB: TYPEMATIC, 0xFC: BREAK, 0xFD: 0}
KEYBOARD_BUFFER = 16
LEDS = ("scroll", "num", "caps")
DEFAULT_RATE = 0x2B                     # 10.9 a second after 500 ms
KEYBOARD_ID = (0xAB, 0x83)
PRINT_MAKE = {1: bytes.fromhex("e02ae037"), 2: bytes.fromhex("e012e07c")}
PRINT_BREAK = {1: bytes.fromhex("e0b7e0aa"), 2: bytes.fromhex("e0f07ce0f012")}
PAUSE = {1: bytes.fromhex("e11d45e19dc5"), 2: bytes.fromhex("e11477e1f014f077")}
CTRL_PAUSE = {1: bytes.fromhex("e046e0c6"), 2: bytes.fromhex("e07ee0f07e")}


@device("ps2-kbd", "PS/2 keyboard")
class PS2Keyboard(PS2Device):
    IDENTITY_AFTER_TEST = ()

    @dataclass
    class State:
        VERSION = 1
        answers: bytearray = field(default_factory=bytearray)
        output: bytearray = field(default_factory=bytearray)    # scan codes
        last: int = 0                   # what RESEND gives again
        command: int = 0                # a command that waits for its argument; 0: none
        scanning: bool = True
        scan_set: int = 2
        leds: int = 0
        rate: int = DEFAULT_RATE
        kinds: dict = field(default_factory=dict)       # set 3: code -> what was set other than at reset
        all_kinds: int = -1                             # likewise for all keys; -1: as at reset
        down: list = field(default_factory=list)        # names, in the order in which they went down
        repeat: bytes = b""             # what is sent again while the last key stays down

    def __init__(self, clock=None, **properties):
        super().__init__(clock, **properties)
        self.typematic = clock.timer(self.repeat, "ps2-kbd.typematic")
        self.leds_changed = None        # called with the set of the lights that are lit

    def reset(self):
        super().reset()
        self.typematic.cancel()
        self.show_leds()

    def show_leds(self):
        if self.leds_changed is not None:
            self.leds_changed({name for n, name in enumerate(LEDS) if self.s.leds >> n & 1})

    # ---------------------------------------------------------------- keys
    def key_event(self, key, down):
        """A key goes down or up: system.keymap's Key."""
        s = self.s
        if down == (key.name in s.down):
            return                      # a display that repeats by itself
        if down:
            s.down.append(key.name)
        else:
            s.down.remove(key.name)
        if not s.scanning:
            return
        codes = self.codes(key, down)
        repeats = s.scan_set != 3 or self.kind(key) & TYPEMATIC
        if down and repeats and key.name != "pause":
            s.repeat = codes
            self.typematic.mod_ns(self.clock.get_ns() + (1 + (s.rate >> 5 & 3)) * NANOSECONDS // 4)
        elif s.repeat and not down and s.repeat == self.codes(key, True):
            s.repeat = b""
            self.typematic.cancel()
        self.send(codes)

    def codes(self, key, down):
        """The bytes of one event in the present scan code set."""
        held = self.s.down
        scan_set = self.s.scan_set
        if scan_set == 3:
            if down:
                return key.set3
            return b"\xf0" + key.set3 if key.set3 and self.kind(key) & BREAK else b""
        if key.name == "pause":         # has no break code
            return (CTRL_PAUSE if "ctrl" in held or "ctrl_r" in held else PAUSE)[scan_set] if down else b""
        if key.name == "print":
            if "alt" in held or "alt_r" in held:
                make = b"\x54" if scan_set == 1 else b"\x84"
            else:
                return (PRINT_MAKE if down else PRINT_BREAK)[scan_set]
        else:
            make = key.set1 if scan_set == 1 else key.set2
        if down or not make:
            return make
        return make[:-1] + (bytes([make[-1] | 0x80]) if scan_set == 1 else bytes([0xF0, make[-1]]))

    def kind(self, key):
        s = self.s
        code = key.set3[0] if key.set3 else 0
        if code in s.kinds:
            return s.kinds[code]
        return s.all_kinds if s.all_kinds >= 0 else KINDS[key.kind]

    def send(self, codes):
        s = self.s
        if not codes:
            return
        overrun = b"\xff" if s.scan_set == 1 else b"\x00"
        if len(s.output) + len(codes) > KEYBOARD_BUFFER:
            # Code sequences are stored whole or not at all; the place after the last holds the overrun code.
            if s.output.endswith(overrun):
                return
            codes = overrun
        s.output += codes
        self.changed()

    def repeat(self):
        """Typematic: the last key is still down."""
        s = self.s
        if s.repeat and s.scanning:
            self.send(s.repeat)
            # (8 + low three bits) times two to the middle two, times 4.17 ms
            period = (8 + (s.rate & 7) << (s.rate >> 3 & 3)) * 4_170_000
            self.typematic.mod_ns(self.clock.get_ns() + period)

    # ---------------------------------------------------------------- commands
    def defaults(self, scanning):
        s = self.s
        s.output.clear()
        s.rate = DEFAULT_RATE
        s.kinds.clear()
        s.all_kinds = -1
        s.scanning = scanning
        s.repeat = b""
        self.typematic.cancel()

    def command(self, value):
        s = self.s
        if value in (0xED, 0xF0, 0xF3) or value in ONE_KEY:
            s.command = value
            self.answer(ACK)
        elif value == ECHO:
            self.answer(ECHO)
        elif value == 0xF2:
            self.answer(ACK, *KEYBOARD_ID)
        elif value == 0xF4:             # enable
            s.output.clear()
            s.scanning = True
            self.answer(ACK)
        elif value in (0xF5, 0xF6):     # defaults, and without or with scanning
            self.defaults(value == 0xF6)
            self.answer(ACK)
        elif value in ALL_KEYS:
            s.kinds.clear()
            s.all_kinds = ALL_KEYS[value]
            self.answer(ACK)
        elif value == 0xFE:
            self.answer(s.last)
        elif value == 0xFF:
            self.defaults(True)
            s.scan_set = 2
            s.leds = 0
            self.show_leds()
            self.answer(ACK)
            self.self_test.mod_ns(self.clock.get_ns() + SELF_TEST_NS)
        else:
            self.unknown(value)

    def argument(self, command, value):
        s = self.s
        if command in ONE_KEY:
            # Any number of keys; what is no key code of set 3 is a command and ends the list.
            if value < 0x90 and value:
                s.kinds[value] = ONE_KEY[command]
                s.command = command
                self.answer(ACK)
            else:
                self.command(value)
        elif value & 0x80:              # a command in the place of the argument
            self.command(value)
        elif command == 0xED:
            s.leds = value & 7
            self.show_leds()
            self.answer(ACK)
        elif command == 0xF3:
            s.rate = value
            self.answer(ACK)
        elif value == 0:                # F0: which set?
            self.answer(ACK, s.scan_set)
        elif value <= 3:
            s.output.clear()
            s.scan_set = value
            s.repeat = b""
            self.answer(ACK)
        else:
            self.answer(RESEND)


# ---------------------------------------------------------------- mouse
RATES = (10, 20, 40, 60, 80, 100, 200)
KNOCKS = {(200, 100, 80): 3, (200, 200, 80): 4}         # sample rates -> identity
LEFT, RIGHT, MIDDLE, SIDE = 0x01, 0x02, 0x04, 0x18
SCALED = (0, 1, 1, 3, 6, 9)             # 2:1 scaling of small counts; from 6 on it doubles
STATUS_REMOTE, STATUS_ENABLED, STATUS_SCALING = 0x40, 0x20, 0x10


@device("ps2-mouse", "PS/2 mouse")
class PS2Mouse(PS2Device):
    IDENTITY_AFTER_TEST = (0x00,)

    @dataclass
    class State:
        VERSION = 1
        answers: bytearray = field(default_factory=bytearray)
        output: bytearray = field(default_factory=bytearray)    # a packet
        last: int = 0
        command: int = 0
        errors: int = 0                 # invalid bytes in a row
        identity: int = 0
        enabled: bool = False           # data reporting
        remote: bool = False
        wrap: bool = False
        scaling: bool = False
        resolution: int = 2             # 4 counts per mm
        rate: int = 100
        knock: tuple = ()               # the last three sample rates
        dx: int = 0                     # movement that has not been reported
        dy: int = 0                     # upwards
        dz: int = 0                     # towards the user
        buttons: int = 0
        reported: int = 0               # buttons as of the last packet

    def __init__(self, clock=None, **properties):
        super().__init__(clock, **properties)
        self.sample = clock.timer(self.report, "ps2-mouse.sample")

    def reset(self):
        super().reset()
        self.sample.cancel()

    # ---------------------------------------------------------------- movement
    def mouse_event(self, dx, dy, dz, buttons):
        """It has moved, dy downwards, or a button changed; see system.inputs."""
        s = self.s
        s.buttons = buttons
        if not s.remote and not s.enabled:
            return                      # counters rest while reporting is off
        s.dx = max(-1 << 16, min(1 << 16, s.dx + dx))
        s.dy = max(-1 << 16, min(1 << 16, s.dy - dy))
        s.dz = max(-1 << 10, min(1 << 10, s.dz + dz))
        if not self.sample.pending:
            self.report()

    def report(self):
        """Stream mode: a packet, if there is news, and not more of them than the sample rate allows."""
        s = self.s
        if s.remote or not s.enabled or s.wrap:
            return
        if not (s.dx or s.dy or (s.dz and s.identity) or s.buttons != s.reported):
            return
        if not s.output:
            s.output += self.packet(s.scaling)
            self.changed()
        self.sample.mod_ns(self.clock.get_ns() + NANOSECONDS // s.rate)

    def packet(self, scaling=False):
        """What has been counted, as the bytes of a report; what does not fit in is kept."""
        s = self.s
        limit = 127 if scaling else 255
        dx = max(-limit, min(limit, s.dx))
        dy = max(-limit, min(limit, s.dy))
        s.dx -= dx
        s.dy -= dy
        if scaling:
            dx, dy = scaled(dx), scaled(dy)
        s.reported = s.buttons
        first = 0x08 | s.buttons & (LEFT | RIGHT | MIDDLE) | (0x10 if dx < 0 else 0) | (0x20 if dy < 0 else 0)
        data = bytes([first, dx & 0xFF, dy & 0xFF])
        if not s.identity:
            s.dz = 0
            return data
        limit = 127 if s.identity == 3 else 7
        dz = max(-limit, min(limit, s.dz))
        s.dz -= dz
        if s.identity == 3:
            return data + bytes([dz & 0xFF])
        return data + bytes([dz & 0x0F | (s.buttons & SIDE) << 1])

    # ---------------------------------------------------------------- commands
    def clear(self):
        s = self.s
        s.output.clear()
        s.dx = s.dy = s.dz = 0

    def defaults(self):
        s = self.s
        self.clear()
        s.rate, s.resolution, s.scaling, s.enabled, s.remote = 100, 2, False, False, False
        self.sample.cancel()

    def status(self):
        s = self.s
        buttons = (4 if s.buttons & LEFT else 0) | (2 if s.buttons & MIDDLE else 0) | (1 if s.buttons & RIGHT else 0)
        return ((STATUS_REMOTE if s.remote else 0) | (STATUS_ENABLED if s.enabled else 0)
                | (STATUS_SCALING if s.scaling else 0) | buttons, s.resolution, s.rate)

    def command(self, value):
        s = self.s
        if s.wrap and value not in (0xEC, 0xFF):
            self.answer(value)
            return
        s.output.clear()                # a packet under way is broken off
        errors, s.errors = s.errors, 0
        if value in (0xE6, 0xE7):
            s.scaling = value == 0xE7
        elif value in (0xE8, 0xF3):     # resolution, sample rate
            s.command = value
        elif value == 0xE9:
            self.answer(ACK, *self.status())
            return
        elif value == 0xEA:
            s.remote = False
            self.clear()
        elif value == 0xEB:             # read data, in either mode
            self.answer(ACK, *self.packet())
            return
        elif value == 0xEC:
            s.wrap = False
        elif value == 0xEE:
            s.wrap = True
        elif value == 0xF0:
            s.remote = True
            self.clear()
        elif value == 0xF2:
            self.answer(ACK, s.identity)
            return
        elif value in (0xF4, 0xF5):
            s.enabled = value == 0xF4
            self.clear()
        elif value == 0xF6:
            self.defaults()
        elif value == 0xFE:
            self.answer(s.last)
            return
        elif value == 0xFF:
            self.defaults()
            s.identity, s.wrap, s.knock = 0, False, ()
            self.self_test.mod_ns(self.clock.get_ns() + SELF_TEST_NS)
        else:
            self.invalid(errors)
            return
        self.answer(ACK)

    def invalid(self, errors):
        """FE asks for the byte again; FC if the second one is no better."""
        self.s.errors = 0 if errors else 1
        self.answer(ERROR if errors else RESEND)

    def argument(self, command, value):
        s = self.s
        errors, s.errors = s.errors, 0
        if command == 0xE8 and value <= 3:
            s.resolution = value
        elif command == 0xF3 and value in RATES:
            s.rate = value
            s.knock = (*s.knock, value)[-3:]
            s.identity = KNOCKS.get(s.knock, s.identity)
        else:
            if not errors:
                s.command = command     # the argument is expected once more
            self.invalid(errors)
            return
        self.answer(ACK)


def scaled(count):
    """2:1 scaling of a count in stream mode."""
    n = abs(count)
    n = SCALED[n] if n < 6 else 2 * n
    return n if count > 0 else -n
