"""What a PC's firmware is told through fw_cfg: memory, processors, boot order, tables."""
import functools
import struct

from qemu_py.devices import fw_cfg
from qemu_py.devices.fw_cfg import FWCfg
from qemu_py.machine import acpi, smbios

E820_RAM = 1
BOOT_FAIL_FOREVER = 0xFFFFFFFF
# A byte for each of S0-S5: bit 7, the state exists; below, its SLP_TYP. There are S0 and S5.
SYSTEM_STATES = bytes((0x80, 0, 0, 1, 2, 0x80))


def fw_cfg_init(machine):
    """The device, before those that put files into it (machine.fw_cfg.add_file)."""
    device = machine.fw_cfg = FWCfg(memory=machine.memory.address_space_memory)
    device.map(machine.memory.system_io)
    machine.add_device("fw_cfg", device)
    machine.boot_order = []             # firmware paths of devices, the first to be tried first


def pc_fw_cfg_init(machine):
    """Fill it, once everything has been plugged in."""
    config, device = machine.config, machine.fw_cfg
    cpus = len(machine.cpus)
    max_cpus = max(cpus, getattr(config, "max_cpus", 0) or 0)
    device.add_int(fw_cfg.RAM_SIZE, machine.ram_below_4g + machine.ram_above_4g, 8)
    device.add_int(fw_cfg.NOGRAPHIC, int(machine.vga is None or config.nographic), 2)
    device.add_int(fw_cfg.NB_CPUS, cpus, 2)
    device.add_int(fw_cfg.MAX_CPUS, max_cpus, 2)
    device.add_int(fw_cfg.BOOT_MENU, int(bool(getattr(config, "boot_menu", False))), 2)
    device.add(fw_cfg.NUMA, bytes(8 * (1 + max_cpus)))
    device.add_int(fw_cfg.IRQ0_OVERRIDE, 1, 4)
    device.add(fw_cfg.UUID, bytes(16))
    device.add_file("etc/e820", e820_file(machine))
    device.add_file("etc/system-states", SYSTEM_STATES)
    fail_wait = BOOT_FAIL_FOREVER if config.boot_fail_wait is None else config.boot_fail_wait
    device.add_file("etc/boot-fail-wait", struct.pack("<I", fail_wait))
    if config.boot_menu_wait is not None:
        device.add_file("etc/boot-menu-wait", struct.pack("<H", config.boot_menu_wait))
    anchor, structures = smbios.build(machine)
    device.add_file(smbios.ANCHOR_FILE, anchor)
    device.add_file(smbios.TABLES_FILE, structures)
    if machine.pm is not None:
        acpi_init(machine)
    if machine.boot_order:
        device.add_file("bootorder", "\n".join(machine.boot_order).encode() + b"\0")


def e820_file(machine):
    """RAM only; what is reserved within it is the firmware's to say."""
    entries = [(0, machine.ram_below_4g)]
    if machine.ram_above_4g:
        entries.append((1 << 32, machine.ram_above_4g))
    return b"".join(struct.pack("<QQI", start, size, E820_RAM) for start, size in entries)


def acpi_init(machine):
    """The ACPI tables. They tell where the firmware has put the power management's registers, so they are made
    when it comes to read them."""
    device = machine.fw_cfg

    @functools.cache
    def build(pm_base):
        return acpi.build(machine)

    def tables():
        return build(acpi.pm_base(machine))
    device.add_file(acpi.TABLES_FILE, lambda: tables().tables)
    device.add_file(acpi.RSDP_FILE, lambda: tables().rsdp)
    device.add_file(acpi.LOADER_FILE, lambda: tables().loader())
