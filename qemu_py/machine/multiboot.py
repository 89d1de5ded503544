"""Multiboot 1 kernels (Multiboot Specification 0.6.96): ELF32, and any format with the address fields.

The kernel and its modules are placed in memory, with the information structure, its strings and a
small GDT below 640 KiB (or behind the modules, if the kernel is there). The CPU starts as section
3.2 asks: flat 32-bit segments, paging and interrupts off, A20 on, EAX the magic, EBX the structure.

Not passed: boot device, ELF section table, drives, ROM configuration table, APM table, video mode.
A kernel that asks for a video mode gets the text mode that is set.
"""
import os
import struct

from qemu_py.util.dataclass import dataclass, field
from qemu_py.util.errors import UserError

HEADER_MAGIC, BOOT_MAGIC = 0x1BADB002, 0x2BADB002
SEARCH = 8192                           # the header lies within this many bytes
ALIGN_MODULES, MEMORY_INFO, VIDEO_MODE, ADDRESS_FIELDS = 1 << 0, 1 << 1, 1 << 2, 1 << 16
INFO_MEMORY, INFO_CMDLINE, INFO_MODS, INFO_MMAP, INFO_LOADER = 1 << 0, 1 << 2, 1 << 3, 1 << 6, 1 << 9
LOADER_NAME = b"qemu_py\0"
LOW_MEMORY_END = 0x9FC00                # an EBDA lies there on a PC
PAGE = 4096
# Selectors 08h and 10h: flat 32-bit code and data, as other loaders leave them.
GDT = struct.pack("<QQQ", 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF)
CODE_FLAGS, DATA_FLAGS = 0xC09B00, 0xC09300


@dataclass
class Image:
    """What is to be in memory, and where to begin."""
    entry: int
    segments: list = field(default_factory=list)        # (physical address, bytes, size in memory)

    @property
    def end(self):
        return max(address + size for address, _, size in self.segments)


def read_file(path, what):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise UserError(f"cannot read {what} '{path}': {e.strerror}") from None
    except MemoryError:
        raise UserError(f"{what} '{path}' is too large for this host's memory") from None


def find_header(data):
    """(offset, flags) of the Multiboot header, or None."""
    for offset in range(0, min(len(data), SEARCH) - 11, 4):
        if data[offset:offset + 4] == b"\x02\xb0\xad\x1b":
            magic, flags, checksum = struct.unpack_from("<III", data, offset)
            if (magic + flags + checksum) & 0xFFFFFFFF == 0:
                return offset, flags
    return None


def parse_kernel(data, path):
    """The Image of a kernel file."""
    header = find_header(data)
    if header is None:
        raise UserError(f"'{path}' is not a multiboot kernel: there is no valid header in its first {SEARCH} bytes")
    offset, flags = header
    unknown = flags & 0xFFFF & ~(ALIGN_MODULES | MEMORY_INFO | VIDEO_MODE)
    if unknown:
        raise UserError(f"'{path}' requires multiboot features that are not known here (flags {unknown:#x})")
    if flags & ADDRESS_FIELDS:
        return parse_address_fields(data, offset, path)
    return parse_elf(data, path)


def parse_address_fields(data, offset, path):
    """The a.out kludge: the header itself says what goes where."""
    if len(data) < offset + 32:
        raise UserError(f"'{path}' is truncated: its multiboot header has no address fields")
    header_addr, load_addr, load_end, bss_end, entry = struct.unpack_from("<IIIII", data, offset + 12)
    if load_addr > header_addr or header_addr - load_addr > offset:
        raise UserError(f"'{path}' has a bad multiboot header: it would be loaded from before its file's beginning")
    start = offset - (header_addr - load_addr)
    size = load_end - load_addr if load_end else len(data) - start
    if size <= 0:
        raise UserError(f"'{path}' has a bad multiboot header: its load area ends before it begins")
    if start + size > len(data):
        raise UserError(f"'{path}' is truncated: {size} bytes are to be loaded, the file has {len(data) - start}")
    memory = max(size, bss_end - load_addr if bss_end else 0)
    if bss_end and bss_end < load_addr + size:
        raise UserError(f"'{path}' has a bad multiboot header: its bss ends before its data")
    return Image(entry, [(load_addr, data[start:start + size], memory)])


def parse_elf(data, path):
    """An ELF32 executable for the 386."""
    if data[:4] != b"\x7fELF":
        raise UserError(f"'{path}' has a multiboot header, but it is no ELF file and the header has no addresses")
    if len(data) < 52:
        raise UserError(f"'{path}' is truncated: it ends within its ELF header")
    if data[4] == 2:
        raise UserError(f"'{path}' is a 64-bit ELF file: a multiboot kernel must be a 32-bit one")
    if data[4] != 1 or data[5] != 1:
        raise UserError(f"'{path}' is not a little-endian 32-bit ELF file")
    kind, machine, _, entry, phoff = struct.unpack_from("<HHIII", data, 16)
    phentsize, phnum = struct.unpack_from("<HH", data, 42)
    if machine not in (3, 6):           # EM_386, EM_486
        raise UserError(f"'{path}' is an ELF file for another processor (machine {machine})")
    if kind != 2:                       # ET_EXEC
        raise UserError(f"'{path}' is not an ELF executable (type {kind})")
    if phnum and (phentsize < 32 or phoff + phnum * phentsize > len(data)):
        raise UserError(f"'{path}' is truncated: its program headers lie beyond its end")
    segments, physical_entry = [], entry
    for k in range(phnum):
        p_type, p_offset, vaddr, paddr, filesz, memsz = struct.unpack_from("<IIIIII", data, phoff + k * phentsize)
        if p_type != 1 or not memsz:    # PT_LOAD
            continue
        if p_offset + filesz > len(data):
            raise UserError(f"'{path}' is truncated: segment {k} ends at {p_offset + filesz}, the file at {len(data)}")
        if filesz > memsz:
            raise UserError(f"'{path}' is damaged: segment {k} is larger in the file than in memory")
        segments.append((paddr, data[p_offset:p_offset + filesz], memsz))
        if vaddr <= entry < vaddr + memsz:
            physical_entry = entry - vaddr + paddr
    if not segments:
        raise UserError(f"'{path}' has nothing to load")
    return Image(physical_entry, segments)


def parse_modules(initrd):
    """[(path, string)] of "file arguments,file arguments"; ",," is a comma."""
    modules = []
    for text in initrd.replace(",,", "\0").split(","):
        text = text.replace("\0", ",").lstrip()
        if not text:
            raise UserError(f"-initrd {initrd}: a module's file name is missing")
        modules.append((text.partition(" ")[0], text))
    return modules


def check_fits(image, path, ram):
    """ram: [(start, end)] that a segment may lie in."""
    for address, _, size in image.segments:
        if not any(start <= address and address + size <= end for start, end in ram):
            raise UserError(f"'{path}' does not fit: {size} bytes at {address:#x} are not all RAM"
                            f" ({max(end for _, end in ram) >> 20} MiB; a larger -m may help)")
    spans = sorted((address, address + size) for address, _, size in image.segments)
    if any(a[1] > b[0] for a, b in zip(spans, spans[1:])):
        raise UserError(f"'{path}' is damaged: its segments overlap")


class Multiboot:
    """A kernel ready to be put into a machine's memory, at every reset."""

    def __init__(self, machine, path, append="", initrd=None):
        self.machine = machine
        self.path = path
        below_4g = machine.ram_below_4g
        ram = [(0, min(below_4g, 0xA0000))]
        if below_4g > 0x100000:
            ram.append((0x100000, below_4g))
        if os.path.isdir(path):
            raise UserError(f"cannot read kernel '{path}': it is a directory")
        self.image = parse_kernel(read_file(path, "kernel"), path)
        check_fits(self.image, path, ram)
        if not any(address <= self.image.entry < address + size for address, _, size in self.image.segments):
            raise UserError(f"'{path}' is damaged: its entry point {self.image.entry:#x} is not part of it")
        self.modules = []               # (start, bytes, string)
        at = max(self.image.end, 0x100000)
        for name, string in parse_modules(initrd) if initrd else ():
            data = read_file(name, "module")
            at = (at + PAGE - 1) & -PAGE
            if at + len(data) > below_4g:
                raise UserError(f"module '{name}' does not fit into {below_4g >> 20} MiB of RAM; give more with -m")
            self.modules.append((at, data, os.fsencode(string) + b"\0"))
            at += len(data)
        command_line = f"{path} {append}"
        self.command_line = os.fsencode(command_line) + b"\0"
        self.build_info((at + PAGE - 1) & -PAGE, below_4g)

    def build_info(self, behind_modules, below_4g):
        """Lay out the GDT, the information structure, tables and strings as one block."""
        machine = self.machine
        memory_map = b"".join(struct.pack("<IQQI", 20, start, size, kind)
                              for start, size, kind in machine.memory_map())
        size = 24 + 88 + 16 * len(self.modules) + len(memory_map) + len(LOADER_NAME) + len(self.command_line) \
            + sum(len(string) for _, _, string in self.modules)
        base = (LOW_MEMORY_END - size) & -16
        if base < 0x1000 or any(address < LOW_MEMORY_END and base < address + length
                                for address, _, length in self.image.segments):
            base = behind_modules
        if base + size > max(below_4g, LOW_MEMORY_END):
            raise UserError(f"'{self.path}' leaves no room for the boot information; give more memory with -m")
        self.gdt = base
        self.info = base + 24
        mods = self.info + 88
        mmap = mods + 16 * len(self.modules)
        loader = mmap + len(memory_map)
        command_line = loader + len(LOADER_NAME)
        string = command_line + len(self.command_line)
        table, strings = b"", b""
        for start, data, text in self.modules:
            table += struct.pack("<IIII", start, start + len(data), string + len(strings), 0)
            strings += text
        lower = min(below_4g, 0xA0000) >> 10
        upper = max(0, below_4g - 0x100000) >> 10
        info = struct.pack("<IIIIIII", INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_MMAP | INFO_LOADER,
                           lower, upper, 0, command_line, len(self.modules), mods)
        info += struct.pack("<16xIIIIIII", len(memory_map), mmap, 0, 0, 0, loader, 0)
        info = info.ljust(88, b"\0")
        self.block = GDT + info + table + memory_map + LOADER_NAME + self.command_line + strings
        assert len(self.block) == size

    def reset(self):
        """Fill the memory and set the CPU: a power-on that begins in the kernel."""
        memory = self.machine.memory.address_space_memory
        for address, data, size in self.image.segments:
            memory.write(address, data)
            memory.clear(address + len(data), size - len(data))
        for start, data, _ in self.modules:
            memory.write(start, data)
        memory.write(self.gdt, self.block)
        cpu = self.machine.cpus[0]
        cpu.cr0 = 0x11                  # PE, ET
        cpu.eflags = 0x2
        cpu.a20 = 1
        cpu.gdt_base, cpu.gdt_limit = self.gdt, len(GDT) - 1
        cpu.load_segment("cs", 0x08, 0, 0xFFFFFFFF, CODE_FLAGS)
        for name in ("ss", "ds", "es", "fs", "gs"):
            cpu.load_segment(name, 0x10, 0, 0xFFFFFFFF, DATA_FLAGS)
        cpu.eax, cpu.ebx = BOOT_MAGIC, self.info
        cpu.esp = 0x7C00
        cpu.eip = self.image.entry
