"""What a machine is to be made of, before anything is built."""
import os

from qemu_py.util import accel
from qemu_py.util.dataclass import dataclass, field
from qemu_py.util.errors import UserError

DEFAULT_RAM_SIZE = 128 << 20


@dataclass
class MachineConfig:
    """What the command line, or a caller, asks for."""
    machine: str = None                 # None: the default one
    cpu_model: str = "qemu32"
    cpus: int = 1
    ram_size: int = DEFAULT_RAM_SIZE    # bytes
    kernel: str = None                  # path of a Linux or multiboot kernel
    append: str = ""
    initrd: str = None                  # path; for multiboot "file arguments,file arguments"
    bios: str = None                    # path, or name in a data directory; None: the board's
    data_dirs: list = field(default_factory=list)       # of -L: where firmware is looked for first
    serials: list = field(default_factory=list)         # character devices, None for an absent port
    parallels: list = field(default_factory=list)
    debugcons: list = field(default_factory=list)
    devices: list = field(default_factory=list)         # (name, {property: text})
    chardevs: dict = field(default_factory=dict)        # id -> the character device that a device's chardev= names
    drives: list = field(default_factory=list)          # drives.DriveOptions
    snapshot: bool = False              # drives that do not say otherwise write to a temporary file
    boot_order: str = "cad"             # letters of -boot
    boot_once: str = None               # the order until the first reset
    boot_menu: bool = False
    boot_menu_wait: int = None          # ms that the menu's key is awaited; None: as the BIOS likes
    boot_fail_wait: int = None          # ms after which the BIOS starts again when nothing boots; None: never
    globals: dict = field(default_factory=dict)         # (device, property) -> text: defaults of -global
    vga: str = "std"
    hpet: bool = True
    nographic: bool = False             # nobody looks at a screen: firmware speaks to the first serial port, too
    rtc_base: object = "utc"            # what the real-time clock begins with: utc, localtime, or a datetime
    rtc_clock: str = "host"             # what it counts: host, rt or vm
    name: str = ""
    no_reboot: bool = False
    no_shutdown: bool = False
    start_paused: bool = False
    singlestep: bool = False            # one instruction in each translation block
    tb_size: int = None                 # bytes of the translation cache, or as the core likes
    tier: object = accel.DEFAULT        # runs after which a block becomes host code; None: never
    single_loop: bool = False           # CPUs and events in one thread
    icount: object = None               # icount.ICountOptions: virtual time counts instructions


def host_memory():
    """Bytes of memory that the host has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_ram_size(size):
    """Refuse what no machine of ours, or not this host, can have."""
    if size < 1 << 20:
        raise UserError(f"-m: {size >> 10} KiB is too little memory for a PC; give at least 1M")
    if size > host_memory():
        raise UserError(f"-m: {size >> 20} MiB is more memory than this host has ({host_memory() >> 20} MiB)")
