"""-device and -global: make a device from its properties' texts and plug it into its bus.

Beside its own properties every device has `id`, a name by which others refer to it, and `bus`, the
name of the bus (isa.0, pci.0, or the id of a PCI bridge).
"""
from qemu_py.devices import device_class
from qemu_py.system.device import DEVICES
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such


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
    device = new_device(machine, cls, options)
    device.id = identity
    device.plug(bus)
    machine.add_device(name, device)


def find_bus(machine, cls, name):
    """The bus that the device asks for, or the machine's of its kind."""
    if cls.BUS is None:
        raise UserError(f"-device {cls.NAME}: it is part of the board and cannot be added")
    root = {"isa": machine.isa, "pci": machine.pci, "ide": machine.ide_bus}.get(cls.BUS)
    if root is None:
        raise UserError(f"-device {cls.NAME}: this machine has no {cls.BUS.upper()} bus")
    if name is None or name == f"{cls.BUS}.0" and cls.BUS != "ide":
        return root
    bus = root.find_bus(name) if cls.BUS != "isa" else None
    if bus is None:
        raise UserError(f"-device {cls.NAME}: there is no {cls.BUS.upper()} bus '{name}'")
    return bus


def new_device(machine, cls, options=()):
    """A device with the properties that -global and -device give it."""
    defaults = {prop: text for (name, prop), text in machine.config.globals.items() if name == cls.NAME}
    return cls.from_options(machine.clocks.vm, {**defaults, **dict(options)})
