"""-device and -global: make a device from its properties' texts and plug it into its bus.

Beside its own properties every device has `id`, a name by which others refer to it, and `bus`, the
name of the bus (isa.0, pci.0, or the id of a PCI bridge).
"""
from qemu_py.devices import device_class
from qemu_py.system.device import DEVICES
from qemu_py.util.datadir import qemu_find_file
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean, no_such

MAX_ROM_SIZE = 1 << 20


def plug(machine, name, options):
    """-device: `options` is {property: text}."""
    cls = device_class(name)
    if cls is None:
        raise UserError(f"-device {name}: {no_such('device', name, DEVICES, '-device help lists them')}")
    options = dict(options)
    identity, bus_name = options.pop("id", None), options.pop("bus", None)
    bus = find_bus(machine, cls, bus_name)
    if identity is not None and any(getattr(other, "id", None) == identity for _, other in machine.devices):
        raise UserError(f"-device {name}: there is a device with id '{identity}' already")
    if cls.SINGLE and any(other.SINGLE == cls.SINGLE for _, other in machine.devices):
        raise UserError(f"-device {name}: there is a {cls.SINGLE} already; {cls.INSTEAD}")
    device = new_device(machine, cls, options)
    device.id = identity
    device.plug(bus)
    machine.add_device(name, device)


def find_bus(machine, cls, name):
    """The bus that the device asks for, or the machine's of its kind."""
    if cls.BUS is None:
        instead = f"; {cls.INSTEAD}" if cls.INSTEAD else ""
        raise UserError(f"-device {cls.NAME}: it is part of the board, which makes it itself, and cannot be added{instead}")
    root = {"isa": machine.isa, "pci": machine.pci, "ide": machine.ide_bus}.get(cls.BUS)
    if root is None:
        raise UserError(f"-device {cls.NAME}: this machine has no {cls.BUS.upper()} bus")
    if name is None or name == f"{cls.BUS}.0" and cls.BUS != "ide":
        return root
    bus = root.find_bus(name) if cls.BUS != "isa" else None
    if bus is None:
        raise UserError(f"-device {cls.NAME}: there is no {cls.BUS.upper()} bus '{name}'")
    return bus


def new_device(machine, cls, options=(), **wiring):
    """A device with the properties that -global and -device give it, its character device, and the contents of its `romfile`,
    if it has one."""
    defaults = {prop: text for (name, prop), text in machine.config.globals.items() if name == cls.NAME}
    options = {**defaults, **dict(options)}
    wiring = {**{name: getattr(machine, name) for name in cls.WIRING}, **wiring}
    if "chardev" in cls.PROPERTIES:
        name = options.pop("chardev", None)
        wiring.setdefault("chardev", None)
        if name is not None and wiring["chardev"] is None:
            wiring["chardev"] = claim_chardev(machine, name, f"-device {cls.NAME}")
        machine.add_chardev(wiring["chardev"])
    made = cls.from_options(machine.clocks.vm, options, **wiring)
    if "romfile" in cls.PROPERTIES:
        made.rom = read_rom(machine, cls, made.romfile)
    return made


def claim_chardev(machine, name, who):
    """The character device of that name, which one device may use."""
    chardevs = machine.config.chardevs
    if name not in chardevs:
        raise UserError(f"{who}: there is no character device '{name}'{did_you_mean(name, chardevs)}; make it with -chardev BACKEND,id={name}")
    chardev, chardevs[name] = chardevs[name], None
    if chardev is None:
        raise UserError(f"{who}: the character device '{name}' is used by another device")
    return chardev


def read_rom(machine, cls, name):
    """An option ROM's image; None: the name is empty."""
    if not name:
        return None
    path = qemu_find_file(name, machine.config.data_dirs)
    if path is None:
        raise UserError(f"-device {cls.NAME}: romfile '{name}' is not found; give a path, or its directory by -L")
    try:
        with open(path, "rb") as f:
            rom = f.read(MAX_ROM_SIZE + 1)
    except OSError as e:
        raise UserError(f"-device {cls.NAME}: romfile '{path}' cannot be read: {e.strerror}") from None
    if len(rom) > MAX_ROM_SIZE or rom[:2] != b"\x55\xaa":
        raise UserError(f"-device {cls.NAME}: romfile '{path}' is not an option ROM (55h AAh, at most {MAX_ROM_SIZE >> 10} KiB)")
    return rom
