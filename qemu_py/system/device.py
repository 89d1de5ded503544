"""What every device model is made of: @device, Device, its properties, registers and State.

A chip model knows no bus, no interrupt number and no host time. Its REGISTERS name what the guest
reaches; a register `foo` is served by the methods read_foo() and write_foo(value). Whoever wires
the chip maps those registers somewhere, connects its IRQ lines and passes a clock.
"""
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

DIGITS = {8: frozenset("01234567"), 10: frozenset("0123456789"), 16: frozenset("0123456789abcdefABCDEF")}
DEVICES = {}                            # name -> class, filled by @device


def device(name, desc=""):
    """Class decorator: make the model known as `name` (for -device, info qtree, saved state)."""
    def register(cls):
        assert name not in DEVICES or DEVICES[name].__qualname__ == cls.__qualname__, name
        assert not (getattr(cls.State, "FIELDS", {}) and hasattr(cls.State, "__dataclass_fields__")), \
            f"{name}: its State has fields of a qemu_py.util.dataclass: make it one, too"
        cls.NAME = name
        cls.DESC = desc or cls.DESC
        DEVICES[name] = cls
        return cls
    return register


@dataclass(frozen=True)
class Property:
    """A property of a device that the user may set: how its text is read, and its default."""
    parse: object                       # text -> value; ValueError tells what was expected
    default: object = None
    help: str = ""


def parse_uint(text, bits=32):
    """An unsigned number, with the prefixes 0x and 0 of C."""
    digits, base = (text[2:], 16) if text[:2].lower() == "0x" else (text, 8 if text[:1] == "0" else 10)
    if not digits or not DIGITS[base].issuperset(digits):
        raise ValueError("a number")
    value = int(digits, base)
    if value >> bits:
        raise ValueError(f"a number of at most {bits} bits")
    return value


def uint8(default=None, help=""):
    return Property(lambda text: parse_uint(text, 8), default, help)


def uint16(default=None, help=""):
    return Property(lambda text: parse_uint(text, 16), default, help)


def uint32(default=None, help=""):
    return Property(lambda text: parse_uint(text, 32), default, help)


def on_off(default=None, help=""):
    def parse(text):
        try:
            return {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}[text]
        except KeyError:
            raise ValueError("on or off") from None
    return Property(parse, default, help)


def chardev_name():
    """Of a device that takes a character device: its constructor is given that as `chardev`."""
    return Property(str, None, "id of the -chardev that it uses")


class Device:
    """Base of all device models."""
    NAME = ""
    DESC = ""
    BUS = None                          # where -device may plug it: "isa"; None: board only
    SINGLE = ""                         # what it is, if a machine has only one of that
    INSTEAD = ""                        # where -device cannot add it: the options that the user may have been looking for
    WIRING = ()                         # what of the machine its constructor takes, by name
    PROPERTIES = {}                     # name -> Property
    REGISTERS = {}                      # offset -> name

    @dataclass
    class State:                        # all of it, and only it, is saved
        VERSION = 1

    def __init__(self, clock=None, **properties):
        self.clock = clock
        for name, prop in self.PROPERTIES.items():
            setattr(self, name.replace("-", "_"), properties.pop(name.replace("-", "_"), prop.default))
        assert not properties, f"{self.NAME} has no property {', '.join(properties)}"
        self.s = self.State()
        self.readers, self.writers = self.accessors()

    @classmethod
    def from_options(cls, clock, options, **wiring):
        """Build one from {property: text}, as -device gives them; wiring: what else the model's constructor takes."""
        properties = {}
        for name, text in options.items():
            prop = cls.PROPERTIES.get(name)
            if prop is None:
                raise UserError(f"-device {cls.NAME}: {no_such('property', name, sorted(cls.PROPERTIES))}")
            try:
                properties[name.replace("-", "_")] = prop.parse(text)
            except ValueError as e:
                raise UserError(f"-device {cls.NAME}: property '{name}' expects {e}, not '{text}'") from None
        return cls(clock, **properties, **wiring)

    def accessors(self):
        """What serves a read, and a write, of each register; None: not defined so."""
        span = max(self.REGISTERS, default=-1) + 1
        names = [self.REGISTERS.get(offset) for offset in range(span)]
        return tuple(getattr(self, f"read_{name}", None) for name in names), tuple(getattr(self, f"write_{name}", None) for name in names)

    def reset(self):
        """Power-on or system reset."""
        self.s = self.State()

    def wake(self):
        """The machine wakes from a suspend to RAM, during which the chip had no power."""
        self.reset()

    def read(self, offset, size=1):
        """The guest reads a register; what is not there reads as an open bus."""
        if offset < len(self.readers) and self.readers[offset] is not None:
            return self.readers[offset]()
        log.log(log.LOG_GUEST_ERROR,
                f"{self.NAME}: read of register {self.register_name(offset)}, which cannot be read")
        return (1 << 8 * size) - 1

    def write(self, offset, value, size=1):
        """The guest writes a register; a write to what is not there is lost."""
        if offset < len(self.writers) and self.writers[offset] is not None:
            self.writers[offset](value)
        else:
            log.log(log.LOG_GUEST_ERROR, f"{self.NAME}: write of {value:#x} to register"
                    f" {self.register_name(offset)}, which cannot be written")

    def register_name(self, offset):
        return f"{offset:#x} ({self.REGISTERS.get(offset, 'none')})"
