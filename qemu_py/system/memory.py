"""The memory of a machine: AddressSpaces, listeners, transactions, and the way into the core.

`Memory` owns everything; nothing is global, so several machines live in one process:

    memory = Memory()
    ram = MemoryRegion.ram("pc.ram", 64 << 20, memory.ram_list)
    memory.system_memory.add_subregion(0, ram)
    memory.system_io.add_subregion(0x80, MemoryRegion.io("port80", 1, ops))
    with memory.transaction():          # several changes, one update
        ...
    memory.address_space_memory.write(0x7C00, boot_sector)      # DMA

The tree (memory_region.py) is flattened (flatview.py) and put into _core.dispatch.PhysMap, which is
what the CPU sees. 40 physical address bits are mapped.
"""
from __future__ import annotations

from contextlib import contextmanager

from qemu_py._core.dispatch import PhysMap
from qemu_py._core.physmem import cpu_physical_memory_map, cpu_physical_memory_rw, ram_written
from qemu_py.system.flatview import FlatRange, FlatView, changes, generate_memory_topology
from qemu_py.system.memory_region import (
    DEVICE_BIG_ENDIAN, DEVICE_LITTLE_ENDIAN, DEVICE_NATIVE_ENDIAN, DIRTY_MEMORY_CODE,
    DIRTY_MEMORY_MIGRATION, DIRTY_MEMORY_VGA, AccessSizes, MemoryRegion, MemoryRegionIoeventfd,
    MemoryRegionOps)
from qemu_py.system.mtree import mtree_info
from qemu_py.system.ramblock import RAMBlock, RAMList
from qemu_py.util.dataclass import astuple

__all__ = [
    "AccessSizes", "AddressSpace", "DEVICE_BIG_ENDIAN", "DEVICE_LITTLE_ENDIAN", "DEVICE_NATIVE_ENDIAN",
    "DIRTY_MEMORY_CODE", "DIRTY_MEMORY_MIGRATION", "DIRTY_MEMORY_VGA", "Memory", "MemoryListener",
    "MemoryRegion", "MemoryRegionIoeventfd", "MemoryRegionOps", "MemoryRegionSection", "RAMBlock",
    "RAMList", "memory_region_transaction_begin", "memory_region_transaction_commit", "mtree_info"]


class MemoryRegionSection:
    """A part of a region as it lies in an address space: what listeners are told about."""
    __slots__ = ("mr", "address_space", "offset_within_region", "size", "offset_within_address_space", "readonly")

    def __init__(self, fr: FlatRange, address_space: AddressSpace):
        self.mr = fr.mr
        self.address_space = address_space
        self.offset_within_region = fr.offset_in_region
        self.size = fr.size
        self.offset_within_address_space = fr.addr
        self.readonly = fr.readonly


class MemoryListener:
    """Told about every change of an address space's flat view. Override what you need.

    A transaction is begin, then region_del for what went, region_add for what came and region_nop
    for what stayed, then commit. Listeners of low priority are called first, for deletions last."""
    priority = 0

    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def region_add(self, section: MemoryRegionSection) -> None: ...
    def region_del(self, section: MemoryRegionSection) -> None: ...
    def region_nop(self, section: MemoryRegionSection) -> None: ...
    def log_start(self, section: MemoryRegionSection) -> None: ...
    def log_stop(self, section: MemoryRegionSection) -> None: ...
    def log_sync(self, section: MemoryRegionSection) -> None: ...
    def log_global_start(self) -> None: ...
    def log_global_stop(self) -> None: ...
    def eventfd_add(self, section: MemoryRegionSection, eventfd: MemoryRegionIoeventfd) -> None: ...
    def eventfd_del(self, section: MemoryRegionSection, eventfd: MemoryRegionIoeventfd) -> None: ...


class AddressSpace:
    """A root region, its current flat view, and DMA to it."""

    def __init__(self, memory: Memory, root: MemoryRegion, name: str):
        self.memory = memory
        self.root = root
        self.name = name
        self.current_map = FlatView()
        self.listeners: list[MemoryListener] = []
        self.topology_updates = 0
        self._ioeventfds: dict[tuple, tuple] = {}       # what the listeners were told of
        root.address_space = self

    # ---- topology
    def add_listener(self, listener: MemoryListener) -> None:
        """The listener hears of everything that is mapped now, then of every change."""
        self.listeners.append(listener)
        self.listeners.sort(key=lambda each: each.priority)
        listener.begin()
        for fr in self.current_map:
            section = MemoryRegionSection(fr, self)
            listener.region_add(section)
            if fr.dirty_log_mask:
                listener.log_start(section)
        listener.commit()

    def remove_listener(self, listener: MemoryListener) -> None:
        self.listeners.remove(listener)

    def _call(self, name: str, *args, reverse: bool = False) -> None:
        for listener in (reversed(self.listeners) if reverse else self.listeners):
            getattr(listener, name)(*args)

    def update_topology(self) -> None:
        """Flatten again and tell the listeners what is different."""
        old, self.current_map = self.current_map, generate_memory_topology(self.root)
        removed, added, kept = changes(old, self.current_map)
        self.topology_updates += 1
        self._call("begin")
        for fr in removed:
            if fr.dirty_log_mask:
                self._call("log_stop", MemoryRegionSection(fr, self), reverse=True)
            self._call("region_del", MemoryRegionSection(fr, self), reverse=True)
        for fr in added:
            self._call("region_add", MemoryRegionSection(fr, self))
            if fr.dirty_log_mask:
                self._call("log_start", MemoryRegionSection(fr, self))
        for a, b in kept:
            section = MemoryRegionSection(b, self)
            self._call("region_nop", section)
            if a.dirty_log_mask and not b.dirty_log_mask:
                self._call("log_stop", section, reverse=True)
            elif b.dirty_log_mask and not a.dirty_log_mask:
                self._call("log_start", section)
        self._update_ioeventfds()
        self._call("commit")

    def _update_ioeventfds(self) -> None:
        now = {}
        for fr in self.current_map:
            for e in fr.mr.ioeventfds:
                if fr.offset_in_region <= e.addr < fr.offset_in_region + fr.size:
                    now[fr.addr + e.addr - fr.offset_in_region, astuple(e)[1:], id(fr.mr)] = (
                        MemoryRegionSection(fr, self), e)
        before, self._ioeventfds = self._ioeventfds, now
        for key in before.keys() - now.keys():
            self._call("eventfd_del", *before[key], reverse=True)
        for key in now.keys() - before.keys():
            self._call("eventfd_add", *now[key])

    def find(self, addr: int) -> MemoryRegionSection | None:
        """What an address resolves to; None: unassigned."""
        fr = self.current_map.lookup(addr)
        return None if fr is None else MemoryRegionSection(fr, self)

    # ---- DMA; of the memory address space
    def read(self, addr: int, length: int) -> bytes:
        """Bytes at a guest physical address; unassigned ones read as FFh."""
        out = bytearray(length)
        cpu_physical_memory_rw(self.memory.physmap, addr, out, False)
        return bytes(out)

    def readinto(self, addr: int, buffer) -> None:
        """Fill a writable buffer (bytearray, memoryview, numpy array)."""
        cpu_physical_memory_rw(self.memory.physmap, addr, buffer, False)

    def write(self, addr: int, data) -> None:
        """Store bytes: translated code there is dropped, dirty bits are set."""
        cpu_physical_memory_rw(self.memory.physmap, addr, data, True)

    def map(self, addr: int, length: int) -> memoryview | None:
        """RAM as a memoryview, without a copy, shorter than asked where RAM ends; None if it is no RAM.

        After writing to it, call unmap."""
        return cpu_physical_memory_map(self.memory.physmap, addr, length)

    def unmap(self, addr: int, length: int) -> None:
        """The mapped bytes at `addr` were written."""
        while length > 0:
            section = self.find(addr)
            if section is None or not section.mr.is_ram:
                return
            offset = addr - section.offset_within_address_space
            count = min(length, section.size - offset)
            self.memory.ram_written(section.mr.ram_addr + section.offset_within_region + offset, count)
            addr += count
            length -= count

    def clear(self, addr: int, length: int) -> None:
        """Store zeros, as write() would; much RAM costs little."""
        while length > 0:
            section = self.find(addr)
            if section is None or not section.mr.is_ram or section.readonly or section.mr.rom_device:
                count = min(length, 1 << 12)
                self.write(addr, bytes(count))
            else:
                offset = section.offset_within_region + addr - section.offset_within_address_space
                count = min(length, section.size - (addr - section.offset_within_address_space))
                section.mr.ram_block.clear(offset, count)
                self.memory.ram_written(section.mr.ram_addr + offset, count)
            addr += count
            length -= count

    def ld(self, addr: int, size: int) -> int:
        """A little-endian integer of 1, 2, 4 or 8 bytes, in one access."""
        return int.from_bytes(self.read(addr, size), "little")

    def st(self, addr: int, value: int, size: int) -> None:
        self.write(addr, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))


class Memory:
    """The address spaces, RAM and physical map of one machine.

    system_memory, system_io: the roots that boards and devices map into (2^64 bytes, 64 Ki ports).
    lock: held around device callbacks from the CPU (the machine's mutex), or None."""

    def __init__(self, lock=None):
        self.physmap = PhysMap(lock)
        self.ram_list = RAMList(self.physmap)
        self._depth = 0
        self._pending = set()           # the address spaces that are to be flattened again
        self.system_memory = MemoryRegion("system", 1 << 64)
        self.system_io = MemoryRegion("io", 65536)
        self.address_space_memory = AddressSpace(self, self.system_memory, "memory")
        self.address_space_io = AddressSpace(self, self.system_io, "I/O")
        self.address_spaces = [self.address_space_memory, self.address_space_io]
        self.slot_table = slots = SlotTable(self.physmap)
        self._memory_listener = PhysMapListener(self.address_space_memory, slots)
        self._io_listener = PortListener(self.address_space_io, slots)
        self.address_space_memory.add_listener(self._memory_listener)
        self.address_space_io.add_listener(self._io_listener)

    # ---- transactions
    def transaction_begin(self) -> None:
        self._depth += 1

    def transaction_commit(self) -> None:
        """The outermost commit makes one update of all changes since."""
        assert self._depth > 0
        self._depth -= 1
        if self._depth == 0 and self._pending:
            pending, self._pending = self._pending, set()
            for address_space in self.address_spaces:
                if address_space in pending:
                    address_space.update_topology()

    @contextmanager
    def transaction(self):
        self.transaction_begin()
        try:
            yield
        finally:
            self.transaction_commit()

    def topology_pending(self, address_space: AddressSpace) -> None:
        """A region changed: update now, or at the end of the transaction."""
        self._pending.add(address_space)
        if self._depth == 0:
            self.transaction_begin()
            self.transaction_commit()

    # ---- called by regions
    def passive_changed(self, region: MemoryRegion, offset: int) -> None:
        self._io_listener.set_passive(region, offset)

    def ram_written(self, ram_addr: int, size: int) -> None:
        ram_written(self.physmap, ram_addr, size)

    def sync_dirty_bitmap(self, region: MemoryRegion) -> None:
        for fr in self.address_space_memory.current_map:
            if fr.mr is region:
                self.address_space_memory._call(
                    "log_sync", MemoryRegionSection(fr, self.address_space_memory))

    # ---- dirty logging of everything (migration)
    def global_dirty_log_start(self) -> None:
        self.address_space_memory._call("log_global_start")

    def global_dirty_log_stop(self) -> None:
        self.address_space_memory._call("log_global_stop", reverse=True)

    def access_counts(self) -> dict[str, int]:
        """Region -> accesses that its callbacks have served; those of one name together."""
        return self.slot_table.access_counts()

    def slot_name(self, slot: int) -> str:
        """The region that an I/O slot of the core belongs to."""
        return next((key[0].name for key, number in self.slot_table.slots.items() if number == slot), "unassigned")

    def mtree(self) -> str:
        """`info mtree`."""
        return mtree_info(self.address_spaces)


def memory_region_transaction_begin(memory: Memory) -> None:
    memory.transaction_begin()


def memory_region_transaction_commit(memory: Memory) -> None:
    memory.transaction_commit()


# ---------------------------------------------------------------- into the core
class SlotTable:
    """The core's I/O slots of regions: one for each region and place where its offset 0 would be."""

    def __init__(self, physmap: PhysMap):
        self.physmap = physmap
        self.slots: dict[tuple, int] = {}       # key -> slot
        self.users: dict[int, set] = {}         # slot -> who maps it
        self.past: dict[str, int] = {}          # region -> accesses that slots which are gone have served

    def get(self, fr: FlatRange, user) -> int:
        """The slot for a range, made at need; 0 where the region has no callbacks."""
        mr = fr.mr
        if mr.ops is None:
            return 0
        base = (fr.addr - fr.offset_in_region) & (1 << 64) - 1
        # What the slot was made from is in the key: a change makes another slot.
        key = (mr, mr.ops, base, tuple(mr.coalesced), tuple(mr.ioeventfds), mr.flush_coalesced_mmio,
               tuple(mr.counters), mr.latch)
        slot = self.slots.get(key)
        if slot is None:
            ops = mr.ops
            read, write, read_block, write_block = mr.callbacks()
            slot = self.slots[key] = self.physmap.add_slot(
                read, write, base, valid=ops.valid, impl=ops.impl,
                big_endian=ops.endianness == DEVICE_BIG_ENDIAN,
                read_block=read_block, write_block=write_block,
                coalesced=[(offset, offset + size) for offset, size in mr.coalesced],
                ioeventfds=[(e.addr, e.size, e.data if e.match_data else None, e.fd) for e in mr.ioeventfds],
                flush_coalesced=mr.flush_coalesced_mmio, counters=mr.counters, latch=mr.latch)
            native = getattr(getattr(read, "__self__", None), "attach_slot", None)
            if native is not None:      # a device of _core's, served without Python
                native(self.physmap, slot)
            self.users[slot] = set()
        self.users[slot].add(user)
        return slot

    def access_counts(self) -> dict[str, int]:
        counts = dict(self.past)
        for key, slot in self.slots.items():
            counts[key[0].name] = counts.get(key[0].name, 0) + self.physmap.slot_count(slot)
        return {name: count for name, count in counts.items() if count}

    def collect(self, user, used: set[int]) -> None:
        """Free what `user` no longer maps and nobody else does."""
        for key, slot in list(self.slots.items()):
            users = self.users[slot]
            if slot not in used:
                users.discard(user)
            if not users:
                name = key[0].name
                self.past[name] = self.past.get(name, 0) + self.physmap.slot_count(slot)
                del self.slots[key], self.users[slot]
                self.physmap.remove_slot(slot)


class PhysMapListener(MemoryListener):
    """Puts the memory address space into the physical map, a page at a time where regions share one."""
    LIMIT = 1 << 40

    def __init__(self, address_space: AddressSpace, slots: SlotTable):
        self.address_space = address_space
        self.physmap = slots.physmap
        self.slots = slots
        self.changed: list[tuple[int, int]] = []
        self.subpages: dict[int, int] = {}      # page address -> slot

    def begin(self) -> None:
        self.changed = []

    def region_add(self, section: MemoryRegionSection) -> None:
        start = section.offset_within_address_space
        end = min(start + section.size, self.LIMIT)
        if start < end:
            self.changed.append((start & -4096, (end + 4095) & -4096))

    region_del = region_add

    def region_nop(self, section: MemoryRegionSection) -> None:
        # Callbacks' slots may differ though the place is the same (coalescing, ioeventfds).
        if section.mr.ops is not None and self.slot_key_changed(section):
            self.region_add(section)

    def slot_key_changed(self, section: MemoryRegionSection) -> bool:
        mr = section.mr
        base = (section.offset_within_address_space - section.offset_within_region) & (1 << 64) - 1
        return (mr, mr.ops, base, tuple(mr.coalesced), tuple(mr.ioeventfds),
                mr.flush_coalesced_mmio, tuple(mr.counters), mr.latch) not in self.slots.slots

    def commit(self) -> None:
        if not self.changed:
            return
        merged: list[list[int]] = []
        for start, end in sorted(self.changed):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        for start, end in merged:
            self.remap(start, end)
        view = self.address_space.current_map
        self.slots.collect(self, {self.slots.get(fr, self) for fr in view.overlapping(0, self.LIMIT)})

    def remap(self, start: int, end: int) -> None:
        """Bring the pages of [start, end) in line with the flat view."""
        stale = [page for page in self.subpages if start <= page < end]
        shared = set()
        self.physmap.unmap(start, end - start)
        for page in stale:
            self.physmap.remove_slot(self.subpages.pop(page))
        view = self.address_space.current_map
        for fr in view.overlapping(start, end):
            lo, hi = max(fr.addr, start), min(fr.end, end)
            first, last = (lo + 4095) & -4096, hi & -4096
            if lo < first:
                shared.add(lo & -4096)
            if last < hi:
                shared.add(last)
            if fr.kind != "io" and (fr.ram_addr + (first - fr.addr)) & 0xFFF:
                # RAM that is not aligned as its mapping is: every page is shared by two RAM pages.
                shared.update(range(first, last, 4096))
            elif first < last:
                self.map_whole(fr, first, last - first)
        for page in shared:
            slot = self.subpages[page] = self.physmap.add_subpage(
                section for fr in view.overlapping(page, page + 4096) for section in self.sections(fr, page))
            self.physmap.map_io(page, 4096, slot)

    def map_whole(self, fr: FlatRange, start: int, size: int) -> None:
        if fr.kind == "io":
            self.physmap.map_io(start, size, self.slots.get(fr, self))
        else:
            self.physmap.map_ram(start, size, fr.ram_addr + start - fr.addr, fr.kind == "rom",
                                 self.slots.get(fr, self) if fr.mr.rom_device else 0)

    def sections(self, fr: FlatRange, page: int):
        """The range's part of a page, for add_subpage."""
        lo, hi = max(fr.addr, page), min(fr.end, page + 4096)
        if fr.kind == "io":
            yield lo - page, hi - page, "io", self.slots.get(fr, self), 0
            return
        slot = self.slots.get(fr, self) if fr.mr.rom_device else 0
        while lo < hi:
            ram_addr = fr.ram_addr + lo - fr.addr
            count = min(hi - lo, 4096 - (ram_addr & 0xFFF))
            yield lo - page, lo - page + count, fr.kind, slot, ram_addr
            lo += count


class PortListener(MemoryListener):
    """Puts the I/O address space into the port table."""

    def __init__(self, address_space: AddressSpace, slots: SlotTable):
        self.address_space = address_space
        self.physmap = slots.physmap
        self.slots = slots
        self.changed = False

    def begin(self) -> None:
        self.changed = False

    def region_add(self, section: MemoryRegionSection) -> None:
        self.changed = True

    def region_del(self, section: MemoryRegionSection) -> None:
        self.changed = True
        self.physmap.unmap_ports(section.offset_within_address_space, section.size)

    def commit(self) -> None:
        used = set()
        for fr in self.address_space.current_map:
            before = len(self.slots.slots)
            slot = self.slots.get(fr, self)
            used.add(slot)
            if self.changed or len(self.slots.slots) != before:
                self.physmap.map_ports(fr.addr, fr.size, slot)
                for offset in fr.mr.passive_reads.keys() | fr.mr.passive_writes.keys():
                    self.set_passive(fr.mr, offset)
        self.slots.collect(self, used)

    def set_passive(self, region: MemoryRegion, offset: int) -> None:
        """Bring a port's passive state in line with the region's, wherever it is mapped."""
        for fr in self.address_space.current_map:
            if fr.mr is region and fr.offset_in_region <= offset < fr.offset_in_region + fr.size:
                port = fr.addr + offset - fr.offset_in_region
                read = region.passive_reads.get(offset)
                write = region.passive_writes.get(offset)
                if read is None:
                    self.physmap.set_passive_read(port)
                else:
                    self.physmap.set_passive_read(port, read.buffer, read.index)
                if write is None:
                    self.physmap.set_passive_write(port, False)
                else:
                    self.physmap.set_passive_write(port, True, write.buffer, write.index)
