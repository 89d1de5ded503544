"""`info qtree`: the machine's devices by the buses that they are on, from what their classes declare:
NAME, BUS, PROPERTIES; and from what the buses know of them: ports, PCI addresses, BARs.

A part of a device that is no model of its own (no @device) is not shown.
"""
from qemu_py.devices.i8042 import I8042
from qemu_py.devices.ide_channel import IDEChannel
from qemu_py.devices.pci import BAR_IO, CLASS_NAMES, PCIDevice
from qemu_py.devices.pci_bridge import PCIBridge
from qemu_py.devices.piix3 import PIIX3
from qemu_py.system.device import DEVICES


def info_qtree(machine):
    """The text."""
    return "\n".join(QTree(machine).lines()) + "\n"


class QTree:
    def __init__(self, machine):
        self.machine = machine
        self.shown = set()              # ids of devices

    def lines(self):
        machine = self.machine
        roots = ([("pci.0", "PCI", pci_devices(machine.pci))] if machine.pci is not None
                 else [("isa.0", "ISA", self.isa_devices())])
        buses = [line for root in roots for line in self.bus(*root, 0)]
        rest = [device for _, device in machine.devices if device.NAME in DEVICES and id(device) not in self.shown]
        return self.bus("main-system-bus", "System", rest, 0) + buses

    def bus(self, name, kind, devices, level):
        lines = [f"bus: {name}", f"  type {kind}"]
        for device in devices:
            if id(device) not in self.shown:
                self.shown.add(id(device))
                lines += ["  " + line for line in self.device(device)]
        return [" " * level + line for line in lines]

    def device(self, device):
        lines = [f'dev: {device.NAME}, id "{getattr(device, "id", None) or ""}"']
        lines += [f"  {name} = {value_text(device, name)}" for name in sorted(device.PROPERTIES)]
        if isinstance(device, PCIDevice):
            lines += ["  " + line for line in pci_lines(device)]
        for other, base, count in self.machine.isa.places():
            if other is device:
                lines.append(f"  ports {base:#06x}-{base + count - 1:#06x}")
        for child in self.child_buses(device):
            lines += self.bus(*child, 2)
        return lines

    # ---------------------------------------------------------------- who is where
    def isa_devices(self):
        """Without those that only have ports besides being on another bus."""
        devices = []
        for device, _, _ in sorted(self.machine.isa.places(), key=lambda place: place[1]):
            if not isinstance(device, PCIDevice) and device not in devices:
                devices.append(device)
        return devices

    def child_buses(self, device):
        """[(name, type, devices)] of the buses that a device makes."""
        channels = self.machine.ide_channels
        if isinstance(device, PIIX3):
            return [("isa.0", "ISA", self.isa_devices())]
        if isinstance(device, PCIBridge):
            return [(device.secondary.name, "PCI", pci_devices(device.secondary))]
        if isinstance(device, I8042):
            return [("ps2", "PS/2", [device.keyboard, device.mouse])]
        if device is self.machine.ide:
            self.shown.update(map(id, channels))        # they are parts of it
            return [(f"ide.{n}", "IDE", channel.present()) for n, channel in enumerate(channels)]
        if isinstance(device, IDEChannel):
            return [(f"ide.{channels.index(device)}", "IDE", device.present())]
        return []


def pci_devices(bus):
    return [device for _, device in sorted(bus.devices.items())]


def pci_lines(device):
    config = device.config_word
    name = CLASS_NAMES.get(device.CLASS_CODE >> 8, f"Class {device.CLASS_CODE >> 8:04x}")
    address = f"{device.bus.number:02x}:{device.devfn >> 3:02x}.{device.devfn & 7}"
    subsystem = "" if isinstance(device, PCIBridge) else f" (sub {config(0x2C):04x}:{config(0x2E):04x})"
    lines = [f"class {name}, addr {address}, pci id {config(0x00):04x}:{config(0x02):04x}{subsystem}"]
    for number, bar in sorted(device.regions.items()):
        where = "not mapped" if bar.address is None else f"at {bar.address:#x} [{bar.address + bar.size - 1:#x}]"
        lines.append(f"bar {number}: {'i/o' if bar.kind & BAR_IO else 'mem'} of {bar.size:#x}, {where}")
    return lines


def value_text(device, name):
    """A property's value. What the user left open is shown as it was decided."""
    value = getattr(device, name.replace("-", "_"))
    if name == "addr" and isinstance(device, PCIDevice):
        return f"{device.devfn >> 3:02x}.{device.devfn & 7}"
    if name == "drive" and getattr(device, "blk", None) is not None:
        value = device.blk.name
    if name == "chardev" and value is not None:
        value = value.label
    if value is None:
        return "<null>"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value} ({value:#x})" if isinstance(value, int) else f'"{value}"'
