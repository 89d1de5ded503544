"""A small user-mode runner: one static i386 Linux program on a bare CPU (SYSTEMS row 14).

The program's memory is the CPU's RAM without paging, so an address of the program is a physical
address. Its pages of code are write-protected while translations of them exist, and a store to one
drops the whole page (`tb_invalidate_phys_page`), as QEMU's user mode does.

Served of the system calls (Linux's arch/x86/entry/syscalls/syscall_32.tbl): exit, exit_group, read,
write, writev, brk, mmap2, munmap, mprotect, uname, getpid, set_thread_area, set_tid_address, ioctl. All
others fail with ENOSYS. Not modelled: signals, threads, files other than the three that are open.
"""
from __future__ import annotations

import os
import struct
import sys

from qemu_py._core.bare import CPU
from qemu_py.util.errors import UserError

MEMORY = 256 << 20                      # bytes; the stack is at its end
STACK_SIZE = 8 << 20
GDT, GDT_ENTRIES = 0x1000, 8
USER_CS, USER_DS, TLS_ENTRY = 0x23, 0x2B, 6
EPERM, EFAULT, EBADF, ENOMEM, EINVAL, ENOTTY, ENOSYS = 1, 14, 9, 12, 22, 25, 38
PAGE = 4096
EM_386, ET_EXEC, PT_LOAD, PT_INTERP = 3, 2, 1, 3
AT_NULL, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_RANDOM = (
    0, 3, 4, 5, 6, 9, 11, 12, 13, 14, 25)
SYSCALL_VECTOR = 0x80


class GuestFault(Exception):
    """The program did what would have killed it with a signal on Linux."""


def page_up(address):
    return (address + PAGE - 1) & -PAGE


class LinuxUser:
    """A program, loaded: run() executes it and gives its exit status."""

    def __init__(self, path, args=(), model="qemu32", stdout=1, stdin=0):
        self.files = {0: stdin, 1: stdout, 2: 2}
        self.cpu = CPU(model, ram=MEMORY)
        self.cpu.set_user_mode(True)
        self.load(path)
        self.set_up_segments()
        self.set_up_stack([os.fspath(path), *args])

    # ---------------------------------------------------------------- loading
    def load(self, path):
        try:
            with open(path, "rb") as f:
                image = f.read()
        except OSError as e:
            raise UserError(f"{path}: {e.strerror}") from None
        if len(image) < 52 or image[:5] != b"\x7fELF\x01":
            raise UserError(f"{path}: not a 32-bit ELF program")
        kind, machine, _, entry, phoff = struct.unpack_from("<HHIII", image, 16)
        phentsize, phnum = struct.unpack_from("<HH", image, 42)
        if machine != EM_386 or kind != ET_EXEC:
            raise UserError(f"{path}: not a static i386 executable; link it with -static -no-pie")
        if phentsize < 32 or phoff + phnum * phentsize > len(image):
            raise UserError(f"{path}: its program headers lie outside the file")
        end, self.phdr, self.phnum, self.phentsize = 0, 0, phnum, phentsize
        for i in range(phnum):
            p_type, offset, vaddr, _, filesz, memsz = struct.unpack_from("<6I", image, phoff + i * phentsize)
            if p_type == PT_INTERP:
                raise UserError(f"{path}: is dynamically linked; link it with -static")
            if p_type != PT_LOAD:
                continue
            if offset + filesz > len(image) or filesz > memsz:
                raise UserError(f"{path}: a segment lies outside the file")
            if vaddr < GDT + PAGE or vaddr + memsz > MEMORY - STACK_SIZE:
                raise UserError(f"{path}: a segment at {vaddr:#x} is outside the {MEMORY >> 20} MiB there are")
            self.cpu.write(vaddr, image[offset:offset + filesz])
            if offset <= phoff < offset + filesz:
                self.phdr = vaddr + phoff - offset
            end = max(end, vaddr + memsz)
        self.brk_start = self.brk = page_up(end)
        self.mmap_top = MEMORY - STACK_SIZE
        self.entry = self.cpu.eip = entry

    def set_up_segments(self):
        cpu = self.cpu
        for i, high in ((4, 0x00CFFA00), (5, 0x00CFF200)):      # flat code and data, DPL 3
            cpu.write(GDT + i * 8, struct.pack("<II", 0xFFFF, high))
        cpu.gdt_base, cpu.gdt_limit = GDT, GDT_ENTRIES * 8 - 1
        cpu.cpl = 3
        cpu.load_segment("cs", USER_CS, 0, 0xFFFFFFFF, 0x00CFFA00)
        for name in ("ds", "es", "ss"):
            cpu.load_segment(name, USER_DS, 0, 0xFFFFFFFF, 0x00CFF200)
        for name in ("fs", "gs"):
            cpu.load_segment(name, 0, 0, 0, 0)
        for name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"):      # EDX: no function to call at exit
            setattr(cpu, name, 0)
        cpu.eflags = 0x202
        cpu.cr4 = cpu.cr4 | 0x600                               # OSFXSR, OSXMMEXCPT

    def set_up_stack(self, argv):
        """argc, argv, envp, auxiliary vector (System V ABI, i386 supplement, 3-27)."""
        at = MEMORY - PAGE
        strings = []
        for text in argv:
            data = os.fsencode(text) + b"\0"
            at -= len(data)
            self.cpu.write(at, data)
            strings.append(at)
        at = (at - 16) & -16
        self.cpu.write(at, os.urandom(16))
        auxv = [AT_PHDR, self.phdr, AT_PHENT, self.phentsize, AT_PHNUM, self.phnum, AT_PAGESZ, PAGE, AT_ENTRY, self.entry,
                AT_UID, 0, AT_EUID, 0, AT_GID, 0, AT_EGID, 0, AT_RANDOM, at, AT_NULL, 0]
        words = [len(argv), *strings, 0, 0, *auxv]
        at = (at - 4 * len(words)) & -16
        self.cpu.write(at, struct.pack(f"<{len(words)}I", *words))
        self.cpu.esp = at

    # ---------------------------------------------------------------- running
    def run(self):
        """Execute; the exit status. GuestFault when the program dies of an exception."""
        cpu = self.cpu
        while True:
            result = cpu.run()
            if result.reason == "exception" and result.vector == SYSCALL_VECTOR:
                handler = SYSCALLS.get(cpu.eax)
                if handler is exit_:
                    return cpu.ebx & 0xFF
                value = -ENOSYS if handler is None else handler(self, cpu.ebx, cpu.ecx, cpu.edx, cpu.esi, cpu.edi, cpu.ebp)
                cpu.eax = value & 0xFFFFFFFF
            else:
                raise GuestFault(f"{result} at {cpu.eip:#x}")

    def mapped(self, address, size):
        return GDT + PAGE <= address and address + size <= MEMORY


# ---------------------------------------------------------------- system calls
def exit_(user, *_):
    raise AssertionError("served by run()")


def sys_read(user, fd, address, count, *_):
    if fd not in user.files:
        return -EBADF
    if not user.mapped(address, count):
        return -EFAULT
    try:
        data = os.read(user.files[fd], count)
    except OSError as e:
        return -e.errno
    user.cpu.write(address, data)
    return len(data)


def sys_write(user, fd, address, count, *_):
    if fd not in user.files:
        return -EBADF
    if not user.mapped(address, count):
        return -EFAULT
    try:
        return os.write(user.files[fd], user.cpu.read(address, count))
    except OSError as e:
        return -e.errno


def sys_writev(user, fd, vector, count, *_):
    if count > 1024:
        return -EINVAL
    if not user.mapped(vector, count * 8):
        return -EFAULT
    done = 0
    for address, size in struct.iter_unpack("<II", user.cpu.read(vector, count * 8)):
        if size:
            n = sys_write(user, fd, address, size)
            if n < 0:
                return done or n
            done += n
            if n < size:
                break
    return done


def sys_brk(user, address, *_):
    if user.brk_start <= address <= user.mmap_top:
        if address > user.brk:
            user.cpu.write(user.brk, bytes(address - user.brk))
        user.brk = address
    return user.brk


def sys_mmap2(user, address, length, prot, flags, fd, offset):
    anonymous, fixed = flags & 0x20, flags & 0x10
    if not anonymous or length == 0:
        return -ENOMEM
    length = page_up(length)
    if fixed:
        if not user.mapped(address, length):
            return -ENOMEM
    else:
        address = user.mmap_top - length
        if address < page_up(user.brk):
            return -ENOMEM
        user.mmap_top = address
    user.cpu.write(address, bytes(length))
    return address


def succeed(user, *_):
    return 0


def sys_uname(user, address, *_):
    if not user.mapped(address, 6 * 65):
        return -EFAULT
    fields = ("Linux", "qemu_py", "6.1.0", "#1", "i686", "(none)")
    user.cpu.write(address, b"".join(f.encode().ljust(65, b"\0") for f in fields))
    return 0


def sys_set_thread_area(user, address, *_):
    """One TLS descriptor; the program is given the entry that it asks for with -1."""
    if not user.mapped(address, 16):
        return -EFAULT
    entry, base, limit, flags = struct.unpack("<4I", user.cpu.read(address, 16))
    if entry not in (0xFFFFFFFF, TLS_ENTRY):
        return -EINVAL
    low = (base & 0xFFFF) << 16 | limit & 0xFFFF
    pages = 1 << 23 if flags & 0x10 else 0
    high = base & 0xFF000000 | pages | 1 << 22 | limit & 0xF0000 | 0xF200 | base >> 16 & 0xFF
    user.cpu.write(GDT + TLS_ENTRY * 8, struct.pack("<II", low, high))
    user.cpu.write(address, struct.pack("<I", TLS_ENTRY))
    return 0


SYSCALLS = {1: exit_, 252: exit_, 3: sys_read, 4: sys_write, 146: sys_writev, 45: sys_brk, 192: sys_mmap2,
            91: succeed, 125: succeed, 122: sys_uname, 20: lambda user, *_: 1, 243: sys_set_thread_area,
            258: lambda user, *_: 1, 54: lambda user, *_: -ENOTTY}


def main(argv=None):
    """python -m qemu_py.machine.linux_user PROGRAM [ARGUMENT...]"""
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        print("usage: python -m qemu_py.machine.linux_user PROGRAM [ARGUMENT...]", file=sys.stderr)
        return 1
    try:
        return LinuxUser(argv[0], argv[1:]).run()
    except (UserError, GuestFault) as e:
        print(f"qemu-py: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
