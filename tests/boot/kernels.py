"""Kernels made of bytes: enough of ELF32 and of the Multiboot header to be loaded."""
import struct

MAGIC = 0x1BADB002


def header(flags=3, addresses=()):
    fields = (MAGIC, flags, -(MAGIC + flags) & 0xFFFFFFFF) + tuple(addresses)
    return struct.pack(f"<{len(fields)}I", *fields)


def elf(code, address=0x100000, flags=3, bss=0, entry=None, vaddr=None, **change):
    """An ELF32 executable of one segment: the Multiboot header (padded to 48 bytes), then the code."""
    vaddr = address if vaddr is None else vaddr
    body = header(flags).ljust(48, b"\0") + code
    fields = dict(ident=b"\x7fELF\x01\x01\x01", type=2, machine=3, entry=vaddr + 48 if entry is None else entry,
                  phoff=52, phentsize=32, phnum=1, p_type=1, offset=0x1000, filesz=len(body), memsz=len(body) + bss)
    fields.update(change)
    f = fields
    ehdr = f["ident"].ljust(16, b"\0") + struct.pack(
        "<HHIIIIIHHHHHH", f["type"], f["machine"], 1, f["entry"], f["phoff"], 0, 0, 52, f["phentsize"],
        f["phnum"], 0, 0, 0)
    phdr = struct.pack("<IIIIIIII", f["p_type"], f["offset"], vaddr, address, f["filesz"], f["memsz"], 7, 0x1000)
    return (ehdr + phdr).ljust(0x1000, b"\0") + body


def kludge(code, load=0x100000, load_end=None, bss_end=0, entry=None, header_addr=None, before=b""):
    """Any format with the address fields: `before`, the header of 32 bytes, the code."""
    body = before + bytes(32) + code
    header_addr = load + len(before) if header_addr is None else header_addr
    load_end = load + len(body) if load_end is None else load_end
    entry = load + len(before) + 32 if entry is None else entry
    return before + header(0x10003, (header_addr, load, load_end, bss_end, entry)) + code


def outb(port, value):
    """mov dx, port; mov al, value; out dx, al"""
    return b"\x66\xba" + struct.pack("<H", port) + b"\xb0" + bytes((value,)) + b"\xee"


def say(text, port=0xE9):
    return b"".join(outb(port, c) for c in text)


def debug_exit(value, port=0xF4):
    """Write a dword to isa-debug-exit, then stop."""
    return (b"\xb8" + struct.pack("<I", value) + b"\x66\xba" + struct.pack("<H", port) + b"\xef"
            + b"\xfa\xf4\xeb\xfd")
