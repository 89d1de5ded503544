"""What a machine logs (-d, the monitor's log): the categories are the process', and each CPU has a copy."""
from qemu_py.machine.pc_vga import cpus_stopped
from qemu_py.util import log


def set_log(machine, mask):
    with cpus_stopped(machine):
        log.cpu_set_log(mask)
        for cpu in machine.cpus:
            cpu.set_log_mask(mask)
