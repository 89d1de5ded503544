"""Guest RAM: RAMBlock and RAMList.

All RAM of a machine (main memory, video memory, ROM images) has its place in one space of offsets,
`ram_addr_t`, which is no guest address and no host address: dirty bits and translated code are
found by it. qemu_ram_alloc gives a block the smallest gap that holds it (best fit).
"""
from __future__ import annotations

import mmap
import os
import sys
from bisect import insort

from qemu_py.util.errors import UserError

TARGET_PAGE_SIZE = 4096


def page_align(size: int) -> int:
    return (size + TARGET_PAGE_SIZE - 1) & -TARGET_PAGE_SIZE


class RAMBlock:
    """A piece of guest memory: `length` bytes of host memory at `offset` of the RAMList's space.

    `view` is a numpy array of its bytes, without a copy; `buffer` the mapping itself; anonymous: that is mmap's, with no file behind."""

    def __init__(self, idstr: str, offset: int, length: int, buffer, anonymous: bool = False):
        self.idstr = idstr
        self.offset = offset
        self.length = length
        self.buffer = buffer
        self.anonymous = anonymous

    @property
    def view(self):
        import numpy                    # 80 ms: only who looks at RAM this way pays for it
        return numpy.frombuffer(self.buffer, dtype=numpy.uint8)

    def clear(self, start: int, length: int) -> None:
        """Zero bytes of it. Whole pages go back to the host where it makes them anew when they are touched (Linux)."""
        end = start + length
        first, last = page_align(start), end & -TARGET_PAGE_SIZE
        if not self.anonymous or sys.platform != "linux" or first >= last:
            first = last = end
        view = memoryview(self.buffer).cast("B")
        view[start:first] = bytes(first - start)
        if first < last:
            self.buffer.madvise(mmap.MADV_DONTNEED, first, last - first)
        view[last:end] = bytes(end - last)

    @property
    def end(self) -> int:
        return self.offset + self.length

    def __lt__(self, other: RAMBlock) -> bool:
        return self.offset < other.offset

    def __repr__(self) -> str:
        return f"<RAMBlock {self.idstr} {self.offset:#x}+{self.length:#x}>"


def allocate(length: int, mem_path: str | os.PathLike | None):
    """Host memory: anonymous, or shared with a file that is made as long as needed."""
    try:
        if mem_path is None:
            return mmap.mmap(-1, length, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
                             | getattr(mmap, "MAP_NORESERVE", 0))
        with open(mem_path, "a+b") as f:
            if os.fstat(f.fileno()).st_size < length:
                os.ftruncate(f.fileno(), length)
            return mmap.mmap(f.fileno(), length, mmap.MAP_SHARED)
    except (OSError, ValueError, OverflowError) as e:
        if mem_path is None:
            raise UserError(f"cannot allocate {length >> 20} MiB of guest RAM: use a smaller -m") from e
        raise UserError(f"cannot back {length >> 20} MiB of guest RAM with {os.fspath(mem_path)}: {e}") from e


class RAMList:
    """The blocks of a machine, sorted by offset. `add` and `remove` tell the physical map."""

    def __init__(self, physmap=None):
        self.blocks: list[RAMBlock] = []
        self.physmap = physmap

    def find_ram_offset(self, size: int) -> int:
        """The start of the smallest gap that holds `size` bytes; behind the last block if none does."""
        best, best_gap, end = None, None, 0
        for block in self.blocks:
            gap = block.offset - end
            if gap >= size and (best_gap is None or gap < best_gap):
                best, best_gap = end, gap
            end = block.end
        return end if best is None else best

    def last_ram_offset(self) -> int:
        return self.blocks[-1].end if self.blocks else 0

    def qemu_ram_alloc(self, name: str, size: int, *, mem_path=None, buffer=None) -> RAMBlock:
        """Add a block of `size` bytes (rounded up to pages) under a name of its own.

        mem_path: a file to back it; buffer: memory of the caller's, whole pages, writable."""
        if size <= 0:
            raise UserError(f"RAM block '{name}': its size must be at least 1 byte")
        if any(block.idstr == name for block in self.blocks):
            raise UserError(f"RAM block '{name}' exists already: give the new one another name")
        size = page_align(size)
        anonymous = buffer is None and mem_path is None
        if buffer is None:
            buffer = allocate(size, mem_path)
        block = RAMBlock(name, self.find_ram_offset(size), size, buffer, anonymous)
        insort(self.blocks, block)
        if self.physmap is not None:
            self.physmap.add_ram(block.offset, buffer)
        return block

    def qemu_ram_free(self, block: RAMBlock) -> None:
        """Remove a block that is mapped nowhere."""
        self.blocks.remove(block)
        if self.physmap is not None:
            self.physmap.remove_ram(block.offset)

    def qemu_get_ram_block(self, ram_addr: int) -> RAMBlock:
        """The block that holds a RAM address; LookupError when none does."""
        for block in self.blocks:
            if block.offset <= ram_addr < block.end:
                return block
        raise LookupError(f"no RAM block at {ram_addr:#x}")

    def find(self, name: str) -> RAMBlock | None:
        return next((block for block in self.blocks if block.idstr == name), None)

    def total(self) -> int:
        return sum(block.length for block in self.blocks)
