"""-kernel: which loader a file wants, by its magic, and how it is started."""
import os

from qemu_py.machine import firmware, no_bios
from qemu_py.machine.linux_boot import LinuxDirect, LinuxFwCfg, LinuxImage, is_linux
from qemu_py.machine.multiboot import Multiboot, find_header, read_file
from qemu_py.util.errors import UserError


def kernel_init(machine):
    """Load the configured kernel. A Linux kernel is started by the BIOS if the user gave one; everything else
    starts at once, on a machine as a BIOS leaves it."""
    config = machine.config
    path, has_bios = config.kernel, config.bios is not None
    if os.path.isdir(path):
        raise UserError(f"cannot read kernel '{path}': it is a directory")
    data = read_file(path, "kernel")
    if is_linux(data):
        image = LinuxImage(data, path)
        if has_bios:
            machine.loader = LinuxFwCfg(machine, image, config.append, config.initrd)
            return
        machine.loader = LinuxDirect(machine, image, config.append, config.initrd)
    elif find_header(data) is not None:
        machine.loader = Multiboot(machine, path, config.append, config.initrd)
    else:
        raise UserError(f"'{path}' is neither a Linux kernel (bzImage) nor a multiboot kernel:"
                        " it has no header of either")
    if not has_bios:
        no_bios.tables_init(machine)
    machine.can_suspend = False         # a reset begins with the kernel, not with a BIOS
    machine.register_reset(lambda: firmware.bios_left_it(machine))
    machine.register_reset(lambda: no_bios.pci_init(machine))
    machine.register_reset(machine.loader.reset)
