"""Linux kernels: bzImage and zImage files (the kernel's Documentation/arch/x86/boot.rst, protocol 2.00 to 2.15).

A LinuxImage is the file taken apart. It is started in one of two ways:

LinuxDirect   without any firmware, by the 32-bit boot protocol: boot_params ("zero page") with the
              memory map, flat segments __BOOT_CS and __BOOT_DS, ESI the parameters, EIP code32_start.
LinuxFwCfg    by a BIOS: the pieces are put into fw_cfg, where the option ROM linuxboot finds them; the
              kernel's own real-mode setup then runs and asks the BIOS for all that it wants to know.

Not supported: kernels older than protocol 2.00 (Linux 1.3.73), loading below 1 MiB without a BIOS.
"""
import os
import struct

from qemu_py.devices import fw_cfg
from qemu_py.machine.multiboot import read_file
from qemu_py.util.errors import UserError

# Fields of the setup header: offset within the file
SETUP_SECTS, SYSSIZE, VID_MODE, BOOT_FLAG, HEADER, VERSION = 0x1F1, 0x1F4, 0x1FA, 0x1FE, 0x202, 0x206
JUMP_LENGTH = 0x201                     # the header ends this many bytes behind 202h
TYPE_OF_LOADER, LOADFLAGS, CODE32_START = 0x210, 0x211, 0x214
RAMDISK_IMAGE, RAMDISK_SIZE, HEAP_END_PTR, CMD_LINE_PTR = 0x218, 0x21C, 0x224, 0x228
INITRD_ADDR_MAX, CMDLINE_SIZE, PREF_ADDRESS, INIT_SIZE = 0x22C, 0x238, 0x258, 0x260
LOADED_HIGH, CAN_USE_HEAP = 0x01, 0x80
LOADER_UNDEFINED = 0xFF
HEADER_LIMIT = 0x290                    # boot_params has room for so much of the header

# boot_params outside of the header
SCREEN_INFO, ALT_MEM_K, E820_ENTRIES, E820_TABLE, E820_MAX = 0x000, 0x1E0, 0x1E8, 0x2D0, 128

# Where the pieces go. Real mode: setup code, its heap and stack in 64 KiB, the command line behind.
KERNEL_HIGH, KERNEL_LOW = 0x100000, 0x10000
SETUP_HIGH, SETUP_LOW = 0x10000, 0x90000
HEAP_HIGH, HEAP_LOW = 0xE000, 0x9800    # the heap's end, within setup's segment: there begins the command line
STACK = 0x200                           # bytes below it that are not heap
LOW_KERNEL_MAX = SETUP_LOW - KERNEL_LOW
FIRMWARE_MEMORY = 0x40000               # what a BIOS keeps for itself at the end of RAM
ROM_NAME = "genroms/linuxboot.bin"
ROM_PATH = os.path.join(os.path.dirname(__file__), "roms", "linuxboot.bin")
BOOT_PARAMS, BOOT_GDT, COMMAND_LINE = 0x10000, 0x11000, 0x20000         # without a BIOS
OLD_CMD_LINE_MAGIC, OLD_CMD_LINE = 0xA33F, 0x20         # before protocol 2.02
OLD_INITRD_MAX, OLD_CMDLINE_SIZE = 0x37FFFFFF, 255
BOOT_CS, BOOT_DS = 0x10, 0x18
GDT = struct.pack("<QQQQ", 0, 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF)
CODE_FLAGS, DATA_FLAGS = 0xC09B00, 0xC09300
PAGE = 4096

VIDEO_MODES = {"normal": 0xFFFF, "ext": 0xFFFE, "ask": 0xFFFD}


def is_linux(data):
    """Has the file the header of a Linux kernel?"""
    return len(data) >= 0x208 and data[BOOT_FLAG:BOOT_FLAG + 2] == b"\x55\xaa" and data[HEADER:HEADER + 4] == b"HdrS"


class LinuxImage:
    """A kernel file: `setup` (boot sector and real-mode code), `kernel`, and what its header says."""

    def __init__(self, data, path):
        self.path = path
        if not is_linux(data):
            raise UserError(f"'{path}' is not a Linux kernel: there is no setup header")
        self.version = self.word(data, VERSION)
        if self.version < 0x200:
            raise UserError(f"'{path}' has a damaged header: boot protocol {self.version >> 8}.{self.version & 255:02}")
        size = ((data[SETUP_SECTS] or 4) + 1) * 512
        if len(data) <= size:
            raise UserError(f"'{path}' is truncated: its setup code alone has {size} bytes, the file {len(data)}")
        self.setup, self.kernel = bytes(data[:size]), data[size:]
        # Before 2.04 the upper half of this field is not the size's.
        paragraphs = self.field(SYSSIZE, 4) if self.version >= 0x204 else self.field(SYSSIZE, 2)
        if self.version >= 0x204 and len(self.kernel) < paragraphs * 16 - 15:
            raise UserError(f"'{path}' is truncated: its header says {paragraphs * 16} bytes of kernel,"
                            f" the file has {len(self.kernel)}")
        self.high = bool(self.setup[LOADFLAGS] & LOADED_HIGH)
        if not self.high and len(self.kernel) > LOW_KERNEL_MAX:
            raise UserError(f"'{path}' is damaged: a kernel that is loaded low has at most {LOW_KERNEL_MAX >> 10} KiB")

    @staticmethod
    def word(data, offset):
        return struct.unpack_from("<H", data, offset)[0]

    def field(self, offset, size):
        return int.from_bytes(self.setup[offset:offset + size], "little")

    @property
    def initrd_max(self):
        """The last address that an initrd may take."""
        return self.field(INITRD_ADDR_MAX, 4) if self.version >= 0x203 else OLD_INITRD_MAX

    @property
    def cmdline_size(self):
        return self.field(CMDLINE_SIZE, 4) if self.version >= 0x206 else OLD_CMDLINE_SIZE

    @property
    def load_address(self):
        return KERNEL_HIGH if self.high else KERNEL_LOW

    @property
    def end(self):
        """The end of the memory that the kernel needs before it knows the memory map."""
        end = self.load_address + len(self.kernel)
        if self.version >= 0x20A:       # it moves itself to its preferred address
            end = max(end, max(self.load_address, self.field(PREF_ADDRESS, 8)) + self.field(INIT_SIZE, 4))
        return end


def video_mode(append):
    """What `vga=` of the command line asks for; None: nothing."""
    text = None
    for word in append.split():
        if word.startswith("vga="):
            text = word[4:]
    if text is None:
        return None
    if text in VIDEO_MODES:
        return VIDEO_MODES[text]
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= 0xFFFF:
        raise UserError(f"-append: vga={text} is no video mode; write a number, normal, ext or ask")
    return value


class LinuxBoot:
    """What both ways have in common: the pieces, checked and with their places."""

    def __init__(self, machine, image, append, initrd, ram_end):
        self.machine, self.image = machine, image
        self.command_line = os.fsencode(append) + b"\0"
        if len(self.command_line) - 1 > image.cmdline_size:
            raise UserError(f"-append: {len(self.command_line) - 1} characters are too long a command line for"
                            f" '{image.path}', which takes {image.cmdline_size}")
        if image.end > ram_end:
            raise UserError(f"'{image.path}' does not fit: it needs memory up to {-(-image.end >> 20)} MiB, there are"
                            f" {ram_end >> 20}; give more with -m")
        self.initrd = read_file(initrd, "initrd") if initrd is not None else b""
        self.initrd_address = 0
        if self.initrd:
            end = min(ram_end, image.initrd_max + 1)
            self.initrd_address = (end - len(self.initrd)) & -PAGE
            if self.initrd_address < image.end:
                raise UserError(f"initrd '{initrd}' does not fit: {len(self.initrd) >> 20} MiB besides a kernel that"
                                f" needs {image.end >> 20} MiB, of {end >> 20} MiB; give more with -m")
        self.video_mode = video_mode(append)

    def filled_in(self, heap, command_line):
        """The setup code with the fields that a loader sets: `heap` is an offset, `command_line` an address."""
        image, setup = self.image, bytearray(self.image.setup)
        if self.video_mode is not None:
            struct.pack_into("<H", setup, VID_MODE, self.video_mode)
        setup[TYPE_OF_LOADER] = LOADER_UNDEFINED
        if image.version >= 0x201:
            setup[LOADFLAGS] |= CAN_USE_HEAP
            struct.pack_into("<H", setup, HEAP_END_PTR, heap - STACK)
        struct.pack_into("<II", setup, RAMDISK_IMAGE, self.initrd_address, len(self.initrd))
        if image.version >= 0x202:
            struct.pack_into("<I", setup, CMD_LINE_PTR, command_line)
        else:
            struct.pack_into("<HH", setup, OLD_CMD_LINE, OLD_CMD_LINE_MAGIC, heap)
        return setup


class LinuxFwCfg(LinuxBoot):
    """The pieces under fw_cfg's keys, and the option ROM linuxboot as the first device to boot from."""

    def __init__(self, machine, image, append="", initrd=None):
        super().__init__(machine, image, append, initrd, machine.ram_below_4g - FIRMWARE_MEMORY)
        setup, heap = (SETUP_HIGH, HEAP_HIGH) if image.high else (SETUP_LOW, HEAP_LOW)
        if len(image.setup) > heap - STACK:
            raise UserError(f"'{image.path}' is damaged: {len(image.setup)} bytes of setup code do not fit below its heap")
        device = machine.fw_cfg
        for (address_key, size_key, data_key), address, data in (
                ((fw_cfg.SETUP_ADDR, fw_cfg.SETUP_SIZE, fw_cfg.SETUP_DATA), setup, self.filled_in(heap, setup + heap)),
                ((fw_cfg.KERNEL_ADDR, fw_cfg.KERNEL_SIZE, fw_cfg.KERNEL_DATA), image.load_address, image.kernel),
                ((fw_cfg.INITRD_ADDR, fw_cfg.INITRD_SIZE, fw_cfg.INITRD_DATA), self.initrd_address, self.initrd),
                ((fw_cfg.CMDLINE_ADDR, fw_cfg.CMDLINE_SIZE, fw_cfg.CMDLINE_DATA), setup + heap, self.command_line)):
            device.add_int(address_key, address, 4)
            device.add_int(size_key, len(data), 4)
            device.add(data_key, data)
        with open(ROM_PATH, "rb") as rom:
            device.add_file(ROM_NAME, rom.read())
        machine.boot_order.insert(0, f"/rom@{ROM_NAME}")


class LinuxDirect(LinuxBoot):
    """The 32-bit boot protocol. reset() fills memory and sets the CPU."""

    def __init__(self, machine, image, append="", initrd=None):
        super().__init__(machine, image, append, initrd, machine.ram_below_4g)
        if not image.high or image.version < 0x202:
            raise UserError(f"'{image.path}' (boot protocol {image.version >> 8}.{image.version & 255:02}) starts in"
                            " real mode only: give a BIOS with -bios")
        self.boot_params = self.build_boot_params()

    def build_boot_params(self):
        """The zero page: the file's setup header, screen, memory map."""
        image = self.image
        end = min(0x202 + image.setup[JUMP_LENGTH], HEADER_LIMIT)
        params = bytearray(PAGE)
        params[SETUP_SECTS:end] = self.filled_in(HEAP_HIGH, COMMAND_LINE)[SETUP_SECTS:end]
        params[LOADFLAGS] &= ~CAN_USE_HEAP              # there is no setup code
        extended = max(0, self.machine.ram_below_4g - 0x100000) >> 10
        # Mode 3 on a VGA: cursor at the top, 80 columns, 25 lines of 16 scan lines
        struct.pack_into("<BBHHBB2xH2xBBH", params, SCREEN_INFO, 0, 0, min(extended, 0xFFFF), 0, 3, 80, 3,
                         25, 1, 16)
        struct.pack_into("<I", params, ALT_MEM_K, extended)
        memory_map = self.machine.memory_map()
        assert len(memory_map) <= E820_MAX
        params[E820_ENTRIES] = len(memory_map)
        for n, (start, size, kind) in enumerate(memory_map):
            struct.pack_into("<QQI", params, E820_TABLE + 20 * n, start, size, kind)
        return bytes(params)

    def reset(self):
        memory = self.machine.memory.address_space_memory
        memory.write(BOOT_PARAMS, self.boot_params)
        memory.write(BOOT_GDT, GDT)
        memory.write(COMMAND_LINE, self.command_line)
        memory.write(KERNEL_HIGH, self.image.kernel)
        if self.initrd:
            memory.write(self.initrd_address, self.initrd)
        cpu = self.machine.cpus[0]
        cpu.cr0 = 0x11                  # PE, ET
        cpu.eflags = 0x2
        cpu.a20 = 1
        cpu.gdt_base, cpu.gdt_limit = BOOT_GDT, len(GDT) - 1
        cpu.load_segment("cs", BOOT_CS, 0, 0xFFFFFFFF, CODE_FLAGS)
        for name in ("ss", "ds", "es", "fs", "gs"):
            cpu.load_segment(name, BOOT_DS, 0, 0xFFFFFFFF, DATA_FLAGS)
        cpu.ebx = cpu.ebp = cpu.edi = 0
        cpu.esi = BOOT_PARAMS
        cpu.esp = BOOT_PARAMS
        cpu.eip = KERNEL_HIGH
