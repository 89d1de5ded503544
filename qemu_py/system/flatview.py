"""FlatView: what is left of a tree of MemoryRegions when overlap, aliases and clipping are resolved.

Rendering visits the highest priority first; a region fills only what nobody filled before it:

            0      1000   2000   3000   4000
    A  p1          [------------]
    B  p0   [-------------------------]
            BBBBBBBAAAAAAAAAAAAAABBBBBB

Two flat views are compared so that listeners hear of changes only.
"""
from __future__ import annotations

from collections.abc import Iterator

from qemu_py.system.memory_region import MemoryRegion


class FlatRange:
    """[addr, addr + size) is served by a leaf region, from `offset_in_region` on. Not changed once it is made."""
    __slots__ = ("mr", "offset_in_region", "addr", "size", "dirty_log_mask", "readable", "readonly")

    def __init__(self, mr: MemoryRegion, offset_in_region: int, addr: int, size: int, dirty_log_mask: int, readable: bool, readonly: bool):
        self.mr = mr
        self.offset_in_region = offset_in_region
        self.addr = addr
        self.size = size
        self.dirty_log_mask = dirty_log_mask
        self.readable = readable
        self.readonly = readonly

    @property
    def end(self) -> int:
        return self.addr + self.size

    @property
    def kind(self) -> str:
        """"ram", "rom" (a write goes to the region's ops, if any), or "io"."""
        if not self.mr.is_ram or self.mr.rom_device and not self.readable:
            return "io"
        return "rom" if self.readonly or self.mr.rom_device else "ram"

    @property
    def ram_addr(self) -> int:
        return self.mr.ram_addr + self.offset_in_region

    def same_place(self, other: FlatRange) -> bool:
        return (self.mr is other.mr and self.addr == other.addr and self.size == other.size
                and self.offset_in_region == other.offset_in_region
                and self.readable == other.readable and self.readonly == other.readonly)

    def can_merge(self, other: FlatRange) -> bool:
        return (self.end == other.addr and self.mr is other.mr
                and self.offset_in_region + self.size == other.offset_in_region
                and self.dirty_log_mask == other.dirty_log_mask
                and self.readable == other.readable and self.readonly == other.readonly)


class FlatView:
    """Disjoint FlatRanges in rising order."""

    def __init__(self, ranges: list[FlatRange] | None = None):
        self.ranges = ranges or []

    def __iter__(self) -> Iterator[FlatRange]:
        return iter(self.ranges)

    def __len__(self) -> int:
        return len(self.ranges)

    def index(self, addr: int) -> int:
        """The last range that begins at or below an address; -1: none does."""
        lo, hi = 0, len(self.ranges)
        while lo < hi:
            middle = (lo + hi) // 2
            if self.ranges[middle].addr <= addr:
                lo = middle + 1
            else:
                hi = middle
        return lo - 1

    def lookup(self, addr: int) -> FlatRange | None:
        """The range that holds an address."""
        i = self.index(addr)
        return self.ranges[i] if i >= 0 and addr < self.ranges[i].end else None

    def overlapping(self, start: int, end: int) -> Iterator[FlatRange]:
        """The ranges that touch [start, end)."""
        i = max(self.index(start), 0)
        while i < len(self.ranges) and self.ranges[i].addr < end:
            if self.ranges[i].end > start:
                yield self.ranges[i]
            i += 1

    def fill(self, mr: MemoryRegion, base: int, start: int, end: int, readonly: bool) -> None:
        """Put a leaf whose first byte is at `base` into the gaps of [start, end)."""
        i = max(self.index(start), 0)
        while start < end:
            while i < len(self.ranges) and self.ranges[i].end <= start:
                i += 1
            stop = end if i == len(self.ranges) else min(end, self.ranges[i].addr)
            if stop > start:
                self.ranges.insert(i, FlatRange(mr, start - base, start, stop - start,
                                                mr.dirty_log_mask, mr.readable, readonly))
                i += 1
            start = end if i == len(self.ranges) else max(stop, min(end, self.ranges[i].end))

    def render(self, mr: MemoryRegion, base: int, start: int, end: int, readonly: bool) -> None:
        """Fill in a region whose parent begins at `base`, clipped to [start, end)."""
        if not mr.enabled:
            return
        base += mr.addr
        readonly = readonly or mr.readonly
        start, end = max(start, base), min(end, base + mr.size)
        if start >= end:
            return
        if mr.alias is not None:
            # The target is rendered as if it were here: its own address does not count.
            self.render(mr.alias, base - mr.alias.addr - mr.alias_offset, start, end, readonly)
            return
        for region in mr.subregions:
            self.render(region, base, start, end, readonly)
        if mr.terminates:
            self.fill(mr, base, start, end, readonly)

    def simplify(self) -> None:
        """Join neighbours that are the same thing going on."""
        out: list[FlatRange] = []
        for fr in self.ranges:
            if out and out[-1].can_merge(fr):
                first = out.pop()
                out.append(FlatRange(first.mr, first.offset_in_region, first.addr, first.size + fr.size,
                                     first.dirty_log_mask, first.readable, first.readonly))
            else:
                out.append(fr)
        self.ranges = out


def generate_memory_topology(root: MemoryRegion, size: int = 1 << 64) -> FlatView:
    """The flat view of a tree."""
    view = FlatView()
    view.render(root, 0, 0, size, False)
    view.simplify()
    return view


def changes(old: FlatView, new: FlatView) -> tuple[list[FlatRange], list[FlatRange], list[tuple[FlatRange, FlatRange]]]:
    """(removed, added, kept as (old, new)), each in rising order."""
    removed, added, kept = [], [], []
    i = j = 0
    while i < len(old.ranges) or j < len(new.ranges):
        a = old.ranges[i] if i < len(old.ranges) else None
        b = new.ranges[j] if j < len(new.ranges) else None
        if a is not None and b is not None and a.same_place(b):
            kept.append((a, b))
            i += 1
            j += 1
        elif b is None or a is not None and a.addr <= b.addr:
            removed.append(a)
            i += 1
        else:
            added.append(b)
            j += 1
    return removed, added, kept
