"""MemoryRegion: the tree that says what lies where in an address space (the names are QEMU 1.1's).

A region is one of: a container of others; RAM or ROM; I/O that calls a device's MemoryRegionOps; a
ROM device (read as memory, written through callbacks); an alias of a part of another region; a
reservation. A tree under an AddressSpace is flattened (flatview.py) whenever it changes.

    ops = MemoryRegionOps(read=self.read, write=self.write, impl=(1, 1))
    region = MemoryRegion.io("serial", 8, ops)
    memory.system_io.add_subregion(0x3F8, region)          # ports 3F8h-3FFh

`read(addr, size) -> int` and `write(addr, value, size)` get an address that counts from the
region's start. When the region has an `opaque`, it comes first: `read(opaque, addr, size)`.
"""
from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from types import MethodType

from qemu_py.system.ramblock import RAMBlock
from qemu_py.util import log
from qemu_py.util.dataclass import astuple, dataclass

DEVICE_NATIVE_ENDIAN, DEVICE_BIG_ENDIAN, DEVICE_LITTLE_ENDIAN = 0, 1, 2

# Clients of dirty logging, and their bit in dirty_log_mask
DIRTY_MEMORY_VGA, DIRTY_MEMORY_CODE, DIRTY_MEMORY_MIGRATION = 0, 1, 3


# Smallest and largest access in bytes, and whether an address may be misaligned
AccessSizes = namedtuple("AccessSizes", "min_access_size max_access_size unaligned", defaults=(False,))


class MemoryRegionOps:
    """What a device does when the guest reads and writes it.

    valid: accesses that the device takes at all; others are refused (reads: all ones).
    impl: sizes that the callbacks handle; accesses are cut up, or joined to the wider unit that
    contains them (a write then reads first).
    read_block(addr, size, view), write_block(addr, size, view): `rep ins` and `rep outs` of
    whole items to and from a memoryview; without them each item is a call of its own.
    A 16- or 32-bit access to ports is cut into bytes where impl or valid says bytes.
    """
    __slots__ = ("read", "write", "endianness", "valid", "impl", "read_block", "write_block")

    def __init__(self, read: Callable | None = None, write: Callable | None = None, *,
                 endianness: int = DEVICE_LITTLE_ENDIAN,
                 valid: tuple = (1, 8), impl: tuple = (1, 4),
                 read_block: Callable | None = None, write_block: Callable | None = None):
        self.read = read
        self.write = write
        self.endianness = endianness
        self.valid = AccessSizes(*valid)
        self.impl = AccessSizes(*impl)
        self.read_block = read_block
        self.write_block = write_block
        for sizes in (self.valid, self.impl):
            assert sizes[0] in (1, 2, 4, 8) and sizes[1] in (1, 2, 4, 8) and sizes[0] <= sizes[1], sizes


@dataclass(frozen=True)
class MemoryRegionIoeventfd:
    addr: int                   # region-relative
    size: int                   # 0: any
    match_data: bool
    data: int
    fd: int


@dataclass(frozen=True)
class PassivePort:
    buffer: object
    index: int


class MemoryRegion:
    """A node of the tree. Make one with a class method; `MemoryRegion(name, size)` is a container.

    Fields as in QEMU 1.1: ops, opaque, parent, addr, size, subregions, alias, alias_offset,
    priority, may_overlap, ram, ram_addr, terminates, readonly, rom_device, readable, enabled,
    subpage, dirty_log_mask, flush_coalesced_mmio, coalesced, ioeventfds, destructor,
    warning_printed. Change them through the methods, so that the address spaces follow.
    """

    def __init__(self, name: str, size: int):
        assert 0 < size <= 1 << 64, size
        self.name = name
        self.size = size
        self.ops: MemoryRegionOps | None = None
        self.opaque = None
        self.parent: MemoryRegion | None = None
        self.addr = 0
        self.subregions: list[MemoryRegion] = []        # highest priority first
        self.alias: MemoryRegion | None = None
        self.alias_offset = 0
        self.priority = 0
        self.may_overlap = False
        self.ram_block: RAMBlock | None = None
        self.ram_addr: int | None = None
        self.terminates = False
        self.readonly = False
        self.rom_device = False
        self.readable = True
        self.enabled = True
        self.dirty_log_mask = 0
        self.flush_coalesced_mmio = False
        self.coalesced: list[tuple[int, int]] = []      # (offset, size)
        self.ioeventfds: list[MemoryRegionIoeventfd] = []
        self.destructor: Callable[[MemoryRegion], None] | None = None
        self.destroyed = False
        self.warning_printed = False
        self.counters: list[tuple] = []                 # (offset, size, shift, PassiveCounter)
        self.latch: tuple | None = None                 # (offset of an 8254's control word, its PassiveCounters)
        self.passive_reads: dict[int, PassivePort] = {}
        self.passive_writes: dict[int, PassivePort] = {}
        self.address_space = None                       # of a root: the one that it spans
        self.aliases: list[MemoryRegion] = []           # regions that are aliases of this one

    # ---- kinds
    @classmethod
    def io(cls, name: str, size: int, ops: MemoryRegionOps, opaque=None) -> MemoryRegion:
        """A device's registers or ports (memory_region_init_io)."""
        region = cls(name, size)
        region.ops = ops
        region.opaque = opaque
        region.terminates = True
        return region

    @classmethod
    def ram(cls, name: str, size: int, ram_list, *, mem_path=None, buffer=None) -> MemoryRegion:
        """RAM from the machine's RAMList (memory_region_init_ram, _ram_ptr with a buffer)."""
        region = cls(name, size)
        region.terminates = True
        region.ram_block = ram_list.qemu_ram_alloc(name, size, mem_path=mem_path, buffer=buffer)
        region.ram_addr = region.ram_block.offset
        region.destructor = lambda mr: ram_list.qemu_ram_free(mr.ram_block)
        return region

    @classmethod
    def rom(cls, name: str, size: int, ram_list, data: bytes = b"") -> MemoryRegion:
        """Memory that the guest cannot write, beginning with `data`."""
        region = cls.ram(name, size, ram_list)
        region.readonly = True
        memoryview(region.ram_block.buffer).cast("B")[:len(data)] = data
        return region

    @classmethod
    def romd(cls, name: str, size: int, ram_list, ops: MemoryRegionOps, opaque=None) -> MemoryRegion:
        """Flash: read as memory, written through ops (memory_region_init_rom_device)."""
        region = cls.ram(name, size, ram_list)
        region.ops = ops
        region.opaque = opaque
        region.rom_device = True
        return region

    @classmethod
    def alias_of(cls, name: str, orig: MemoryRegion, offset: int, size: int) -> MemoryRegion:
        """A window on a part of another region (memory_region_init_alias)."""
        region = cls(name, size)
        region.alias = orig
        region.alias_offset = offset
        orig.aliases.append(region)
        return region

    @classmethod
    def reservation(cls, name: str, size: int) -> MemoryRegion:
        """Space that nothing answers; the first access is worth a warning."""
        region = cls.io(name, size, MemoryRegionOps())
        region.ops.read = region._reserved_read
        region.ops.write = region._reserved_write
        return region

    def _reserved_read(self, addr: int, size: int) -> int:
        self._warn_once(addr)
        return -1

    def _reserved_write(self, addr: int, value: int, size: int) -> None:
        self._warn_once(addr)

    def _warn_once(self, addr: int) -> None:
        if not self.warning_printed:
            self.warning_printed = True
            log.log(log.LOG_GUEST_ERROR, f"access at {addr:#x} of the reserved region {self.name}")

    # ---- questions
    @property
    def is_ram(self) -> bool:
        """Memory of any kind, ROM included."""
        return self.ram_block is not None

    @property
    def subpage(self) -> bool:
        """Does it share a page with something else, wherever it is mapped?"""
        return bool((self.addr | self.size) & 0xFFF)

    @property
    def is_logging(self) -> bool:
        return self.dirty_log_mask != 0

    @property
    def view(self):
        """The bytes of RAM, as a writable numpy array without a copy.

        The guest sees a write at once, but translated code and dirty bits do not know of it:
        follow it by set_dirty, or use AddressSpace.write."""
        return self.ram_block.view[:self.size]

    @property
    def bytes_view(self) -> memoryview:
        """The same as a memoryview, for who does not need numpy (its import takes 80 ms)."""
        return memoryview(self.ram_block.buffer).cast("B")[:self.size]

    def path(self) -> str:
        return self.name if self.parent is None else f"{self.parent.path()}/{self.name}"

    def find(self, name: str) -> MemoryRegion | None:
        """The region of that name in this tree."""
        if self.name == name:
            return self
        for region in self.subregions:
            found = region.find(name)
            if found is not None:
                return found
        return None

    def callbacks(self) -> tuple:
        """(read, write, read_block, write_block) with the opaque bound."""
        return tuple(fn if fn is None or self.opaque is None else MethodType(fn, self.opaque)
                     for fn in (self.ops.read, self.ops.write, self.ops.read_block, self.ops.write_block))

    def address_spaces(self) -> set:
        """Every AddressSpace in which this region may be visible: up the tree, and through aliases."""
        found, seen, todo = set(), set(), [self]
        while todo:
            region = todo.pop()
            if id(region) in seen:
                continue
            seen.add(id(region))
            if region.address_space is not None:
                found.add(region.address_space)
            if region.parent is not None:
                todo.append(region.parent)
            todo.extend(region.aliases)
        return found

    def memories(self) -> set:
        return {address_space.memory for address_space in self.address_spaces()}

    def _changed(self) -> None:
        for address_space in self.address_spaces():
            address_space.memory.topology_pending(address_space)

    # ---- the tree
    def add_subregion(self, addr: int, region: MemoryRegion) -> None:
        """Place a region; it is not meant to overlap with another."""
        region.may_overlap = False
        region.priority = 0
        self._insert(addr, region)

    def add_subregion_overlap(self, addr: int, region: MemoryRegion, priority: int) -> None:
        """Place a region that hides those of lower priority."""
        region.may_overlap = True
        region.priority = priority
        self._insert(addr, region)

    def _insert(self, addr: int, region: MemoryRegion) -> None:
        assert region.parent is None, f"{region.name} is mapped already"
        assert not self.terminates and self.alias is None or self.is_ram, f"{self.name} is no container"
        for other in self.subregions:
            if (not region.may_overlap and not other.may_overlap and addr < other.addr + other.size
                    and other.addr < addr + region.size and not self.warning_printed):
                self.warning_printed = True
                log.log(log.LOG_GUEST_ERROR, f"{region.name} at {addr:#x} overlaps {other.name} in {self.name}")
        region.addr = addr
        region.parent = self
        # Among equals the last one placed is on top.
        at = next((i for i, other in enumerate(self.subregions) if region.priority >= other.priority),
                  len(self.subregions))
        self.subregions.insert(at, region)
        if region.enabled:
            self._changed()

    def del_subregion(self, region: MemoryRegion) -> None:
        assert region.parent is self, f"{region.name} is not in {self.name}"
        self.subregions.remove(region)
        region.parent = None
        self._changed()

    # ---- changes
    def set_enabled(self, enabled: bool) -> None:
        if bool(enabled) != self.enabled:
            self.enabled = bool(enabled)
            self._changed()

    def set_address(self, addr: int) -> None:
        """Move within the parent; priority stays."""
        if addr != self.addr:
            self.addr = addr
            self._changed()

    def set_size(self, size: int) -> None:
        assert not self.is_ram or size <= self.ram_block.length
        if size != self.size:
            self.size = size
            self._changed()

    def set_alias_offset(self, offset: int) -> None:
        assert self.alias is not None
        if offset != self.alias_offset:
            self.alias_offset = offset
            self._changed()

    def set_readonly(self, readonly: bool) -> None:
        if bool(readonly) != self.readonly:
            self.readonly = bool(readonly)
            self._changed()

    def rom_device_set_readable(self, readable: bool) -> None:
        """Switch a ROM device between memory (true) and callbacks (false) for reads."""
        assert self.rom_device
        if bool(readable) != self.readable:
            self.readable = bool(readable)
            self._changed()

    # ---- dirty logging
    def set_log(self, log_it: bool, client: int) -> None:
        """Start or stop a client's dirty log (DIRTY_MEMORY_*)."""
        mask = (self.dirty_log_mask | 1 << client) if log_it else (self.dirty_log_mask & ~(1 << client))
        if mask != self.dirty_log_mask:
            self.dirty_log_mask = mask
            self._changed()

    def _physmap(self):
        return next((memory.physmap for memory in self.memories()), None)

    def get_dirty(self, addr: int, size: int, client: int) -> bool:
        """Was any byte of [addr, addr + size) written since the client's last reset_dirty?"""
        assert self.is_ram
        physmap = self._physmap()
        return True if physmap is None else physmap.get_dirty(self.ram_addr + addr, size, 1 << client)

    def set_dirty(self, addr: int, size: int) -> None:
        """For every client: the bytes were written by other means than an access."""
        for memory in self.memories():
            memory.ram_written(self.ram_addr + addr, size)

    def reset_dirty(self, addr: int, size: int, client: int) -> None:
        for memory in self.memories():
            memory.physmap.reset_dirty(self.ram_addr + addr, size, 1 << client)

    def sync_dirty_bitmap(self) -> None:
        """Let every listener bring the dirty log up to date."""
        for memory in self.memories():
            memory.sync_dirty_bitmap(self)

    # ---- coalesced MMIO
    def set_coalescing(self) -> None:
        """Writes to the whole region may be delayed and delivered in batches, in order."""
        self.clear_coalescing()
        self.add_coalescing(0, self.size)

    def add_coalescing(self, offset: int, size: int) -> None:
        self.coalesced.append((offset, size))
        self.set_flush_coalesced()
        self._changed()

    def clear_coalescing(self) -> None:
        if self.coalesced:
            self._flush()
            self.coalesced.clear()
            self.flush_coalesced_mmio = False
            self._changed()

    def set_flush_coalesced(self, flush: bool = True) -> None:
        """Deliver what waits before an access to this region is served."""
        if flush != self.flush_coalesced_mmio:
            self.flush_coalesced_mmio = flush
            self._changed()

    def _flush(self) -> None:
        for memory in self.memories():
            memory.physmap.flush_coalesced_mmio()

    # ---- ioeventfds
    def add_eventfd(self, addr: int, size: int, match_data: bool, data: int, fd) -> None:
        """A write of `size` bytes (0: any) at addr, of `data` if match_data, signals fd
        (os.eventfd or anything with fileno) and calls no one."""
        fd = fd if isinstance(fd, int) else fd.fileno()
        self.ioeventfds.append(MemoryRegionIoeventfd(addr, size, bool(match_data), data, fd))
        self.ioeventfds.sort(key=astuple)
        self._changed()

    def del_eventfd(self, addr: int, size: int, match_data: bool, data: int, fd) -> None:
        fd = fd if isinstance(fd, int) else fd.fileno()
        self.ioeventfds.remove(MemoryRegionIoeventfd(addr, size, bool(match_data), data, fd))
        self._changed()

    # ---- passive ports
    def set_passive_read(self, offset: int, buffer, index: int = 0) -> None:
        """Byte reads of a port give buffer[index] at once: no callback, no GIL.

        For registers whose value the device keeps up to date and whose reading changes nothing.
        The buffer (bytearray, numpy array) must not be resized. None: ask the device again."""
        if buffer is None:
            self.passive_reads.pop(offset, None)
        else:
            self.passive_reads[offset] = PassivePort(buffer, index)
        for memory in self.memories():
            memory.passive_changed(self, offset)

    def set_passive_write(self, offset: int, enabled: bool = True, buffer=None, index: int = 0) -> None:
        """Byte writes to a port call no one (port 80h); the last is kept in buffer[index] if given."""
        if enabled:
            self.passive_writes[offset] = PassivePort(buffer, index)
        else:
            self.passive_writes.pop(offset, None)
        for memory in self.memories():
            memory.passive_changed(self, offset)

    def add_counter(self, offset: int, size: int, counter, shift: int = 0) -> None:
        """Reads of `size` bytes at `offset` give a PassiveCounter (>> shift) while that is active: no callback."""
        self.counters.append((offset, size, shift, counter))
        self._changed()

    def set_latch(self, offset: int, counters: tuple) -> None:
        """The control word of an 8254: latch commands for counters that are active call nobody."""
        self.latch = (offset, counters)
        self._changed()

    # ---- the end
    def destroy(self) -> None:
        """The region's end: it must be out of every tree. The destructor runs once."""
        assert self.parent is None and not self.subregions, f"{self.name} is still in use"
        if self.destroyed:
            return
        self.destroyed = True
        if self.alias is not None:
            self.alias.aliases.remove(self)
        if self.destructor is not None:
            self.destructor(self)

    def walk(self) -> Iterator[MemoryRegion]:
        """The region and everything below it, highest priority first."""
        yield self
        for region in self.subregions:
            yield from region.walk()

    def __repr__(self) -> str:
        return f"<MemoryRegion {self.name} {self.addr:#x}+{self.size:#x}>"
