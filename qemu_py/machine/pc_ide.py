"""The PC's disks and CD-ROMs: wiring only. With PCI they hang off the PIIX3's function 1, else off two ISA channels."""
from qemu_py.devices.ata_disk import ATADisk
from qemu_py.devices.atapi import ATAPICDROM
from qemu_py.devices.ide_channel import IDEChannel
from qemu_py.devices.pci import devfn
from qemu_py.devices.piix_ide import PIIX3IDE, PORTS
from qemu_py.machine import cmos
from qemu_py.machine.plug import new_device
from qemu_py.util.errors import UserError

IRQS = (14, 15)
NO_TRANSLATION, LBA_TRANSLATION = 0, 1
MAX_TRANSLATED = 1024                   # cylinders that need no translation


def pc_ide_init(machine, pci_enabled):
    """Both channels, with the drives that the configuration has."""
    lines = [machine.isa.irq(n) for n in IRQS]
    if pci_enabled:
        function = machine.ide = PIIX3IDE(machine.clocks.vm)
        machine.pci.register_device(function, devfn(1, 1))
        for master, line in zip(function.masters, lines):
            master.irq = line
        channels = function.channels
        machine.add_device("piix3-ide", function)
    else:
        machine.ide = None
        channels = [IDEChannel(machine.clocks.vm) for _ in lines]
        for n, (channel, line) in enumerate(zip(channels, lines)):
            channel.irq = line
            for region, base in zip(channel.regions(f"ide{n}"), PORTS[n]):
                machine.memory.system_io.add_subregion(base, region)
                machine.isa.note(channel, base, region.size)
            machine.add_device(f"isa-ide{n}", channel)
    machine.ide_channels = channels
    machine.ide_bus = IDEBus(machine, channels)
    machine.drives.add_default_cdrom()
    for n, channel in enumerate(channels):
        if pci_enabled:
            machine.devices.append((f"ide{n}", channel))        # reset with the function
        for unit in (0, 1):
            blk = machine.drives.get("ide", n, unit)
            if blk is not None:
                drive = new_drive(machine, blk, 2 * n + unit)
                machine.devices.append((blk.name, channel.attach(drive, unit)))


class IDEBus:
    """Where -device plugs ide-hd and ide-cd: ide.0 and ide.1, or (plain) the first free place of both."""

    def __init__(self, machine, channels):
        self.machine = machine
        self.channels = channels

    def find_bus(self, name):
        for n, channel in enumerate(self.channels):
            if name == f"ide.{n}":
                return IDEBus(self.machine, [channel])
        return None

    def attach(self, drive):
        """Give the drive its -drive, and the place that it asks for."""
        who = f"-device {drive.NAME}"
        drives = self.machine.drives
        blk = drives.claim(drive.drive, who)
        if blk is None and not isinstance(drive, ATAPICDROM):
            raise UserError(f"{who}: a disk needs a drive=ID of a -drive if=none,id=ID,file=FILE")
        if blk is not None and blk.driver is None and not isinstance(drive, ATAPICDROM):
            raise UserError(f"{who}: the drive '{drive.drive}' has no image")
        units = (0, 1) if drive.unit is None else (drive.unit,)
        place = next(((channel, unit) for channel in self.channels for unit in units if channel.drives[unit] is None), None)
        if place is None:
            raise UserError(f"{who}: the place is taken: choose another bus=ide.N or unit=")
        drive.connect(blk if blk is not None else drives.empty_drive())
        if isinstance(drive, ATAPICDROM):
            drive.blk.removable = True
        place[0].attach(drive, place[1])


def new_drive(machine, blk, number):
    cls = ATAPICDROM if blk.options.media == "cdrom" else ATADisk
    serial = {} if (cls.NAME, "serial") in machine.config.globals else {"serial": f"QP{number + 1:05}"}
    return new_device(machine, cls, serial, blk=blk)


def disks(machine):
    """The ATA disks by number, None where there is none."""
    found = [drive if isinstance(drive, ATADisk) else None for channel in machine.ide_channels for drive in channel.drives]
    return found


def ide_cmos_init(machine, ram):
    """The disks in the CMOS RAM: geometry of the first two, translation of all."""
    modes = []
    for n, disk in enumerate(disks(machine)):
        mode = NO_TRANSLATION
        if disk is not None:
            cylinders, heads, sectors = disk.geometry
            if n < 2:
                cmos.set_hard_disk(ram, n, cylinders, heads, sectors)
            if cylinders > MAX_TRANSLATED:
                mode = LBA_TRANSLATION
        modes.append(mode)
    cmos.set_translation(ram, modes)
