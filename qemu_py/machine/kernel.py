"""-kernel: which loader a file wants, by its magic."""
import os

from qemu_py.machine.linux_boot import LinuxDirect, LinuxImage, is_linux
from qemu_py.machine.multiboot import Multiboot, find_header, read_file
from qemu_py.util.errors import UserError


def kernel_loader(machine):
    """The loader of the configured kernel: reset() puts it into memory and sets the CPU."""
    config = machine.config
    path = config.kernel
    if os.path.isdir(path):
        raise UserError(f"cannot read kernel '{path}': it is a directory")
    data = read_file(path, "kernel")
    if is_linux(data):
        return LinuxDirect(machine, LinuxImage(data, path), config.append, config.initrd)
    if find_header(data) is None:
        raise UserError(f"'{path}' is neither a Linux kernel (bzImage) nor a multiboot kernel:"
                        " it has no header of either")
    return Multiboot(machine, path, config.append, config.initrd)
