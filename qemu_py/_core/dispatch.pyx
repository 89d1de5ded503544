"""The flat physical map and the port table, and the way from the CPU to Python devices.

A `PhysMap` is what a machine's (or a bare CPU's) address spaces are flattened into. It answers two
questions without the GIL: what is at this physical page, what is at this port. Only when the answer
is a Python device is the GIL taken, the machine's lock acquired and the device called.

Unassigned addresses read as all ones; writes to them vanish. Both are guest_errors.

Not modelled: bus errors, wait states, posted writes other than coalesced MMIO.
"""
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset
from posix.unistd cimport write as posix_write

from qemu_py._core.cpu cimport (
    ALL_DIRTY_FLAGS, PHYS_IO, PHYS_L1_SIZE, PHYS_L2_BITS, PHYS_L2_SIZE, PHYS_RAM, PHYS_ROM,
    PHYS_SUBPAGE, PHYS_UNASSIGNED, RAM_ADDR_INVALID, CODE_DIRTY_FLAG)
from qemu_py._core.cpu cimport PageDesc
from qemu_py._core.dirty cimport (
    cpu_physical_memory_get_dirty, cpu_physical_memory_reset_dirty,
    cpu_physical_memory_set_dirty_range, mark_written, page_has_code, tlb_flush_all)
from qemu_py._core.guesttime cimport PassiveCounter, counter_latch, counter_read
from qemu_py._core.x86.mxcsr cimport sse_leave

from functools import partial

from qemu_py.util import log

cdef extern from "Python.h":
    unsigned long long PyLong_AsUnsignedLongLongMask(object o) except? 0xFFFFFFFFFFFFFFFFULL

cdef extern from *:
    """
    static const char *const qp_access_name[2] = { "read", "write" };
    #define qp_begin(p) ((void) __atomic_add_fetch((p), 1, __ATOMIC_ACQ_REL))
    #define qp_end(p) ((void) __atomic_sub_fetch((p), 1, __ATOMIC_ACQ_REL))
    #define qp_spin_lock(p) do ; while (__atomic_exchange_n((p), 1, __ATOMIC_ACQUIRE))
    #define qp_spin_unlock(p) __atomic_store_n((p), 0, __ATOMIC_RELEASE)
    #define QP_ALL_ONES (~(uint64_t)0)
    """
    const char *access_name "qp_access_name"[2]
    uint64_t ALL_ONES "QP_ALL_ONES"
    void begin_access "qp_begin"(uint32_t *depth) noexcept nogil
    void end_access "qp_end"(uint32_t *depth) noexcept nogil
    void spin_lock "qp_spin_lock"(uint32_t *lock) noexcept nogil
    void spin_unlock "qp_spin_unlock"(uint32_t *lock) noexcept nogil

PAGE = 4096
qemu_loglevel = 0
cdef object log_sink = None


def set_log_sink(sink, uint32_t mask):
    """Send log text of the categories in `mask` to `sink(category, text)`; None: drop it."""
    global log_sink, qemu_loglevel
    log_sink = sink
    qemu_loglevel = mask if sink is not None else 0


log.attach(set_log_sink)


cdef void core_log(CPUX86State *env, uint32_t category, const char *text) noexcept nogil:
    if (qemu_loglevel | (env.log_mask if env != NULL else 0)) & category:
        if env != NULL:
            sse_leave(env)
        log_python(category, text)


cdef void log_python(uint32_t category, const char *text) noexcept with gil:
    if log_sink is not None:
        try:
            log_sink(category, (<bytes> text).decode("latin-1"))
        except Exception:       # a log that cannot be written must not stop the guest
            pass


cdef void log_unassigned(AddressSpaceDispatch *d, const char *space, int is_write, uint64_t addr, uint64_t value, int size) noexcept nogil:
    cdef char text[120]
    (<IOTable *> d.io).unassigned_count += 1
    if qemu_loglevel & LOG_GUEST_ERROR:
        if is_write:
            snprintf(text, 120, "unassigned %s write of %d bytes at %llx: %llx\n", space, size,
                     <unsigned long long> addr, <unsigned long long> value)
        else:
            snprintf(text, 120, "unassigned %s read of %d bytes at %llx\n", space, size,
                     <unsigned long long> addr)
        core_log(NULL, LOG_GUEST_ERROR, text)


cdef void log_refused(IOSlot *s, int is_write, uint64_t addr, int size) noexcept nogil:
    cdef char text[120]
    if qemu_loglevel & LOG_GUEST_ERROR:
        snprintf(text, 120, "%s of %d bytes at %llx refused: the device takes %d to %d\n",
                 access_name[is_write], size, <unsigned long long> (s.base + addr),
                 <int> s.valid_min, <int> s.valid_max)
        core_log(NULL, LOG_GUEST_ERROR, text)


cdef void log_port(int is_write, uint16_t port, uint32_t value, int size) noexcept nogil:
    cdef char text[64]
    snprintf(text, 64, "%s%c: %04x %0*x\n", b"out" if is_write else b"in",
             c"b" if size == 1 else c"w" if size == 2 else c"l", <int> port, size * 2, value)
    core_log(NULL, CPU_LOG_IOPORT, text)


cdef void request_exit(AddressSpaceDispatch *d) noexcept nogil:
    cdef CPUX86State *env
    if d.tbx != NULL:
        env = d.tbx.first_cpu
        while env != NULL:
            env.stop_request = 1
            env.exit_request = 1
            env = env.next_cpu


include "ioslot.pxi"        # call_read ..., slot_read, slot_write, flush_coalesced


# ---------------------------------------------------------------- MMIO
cdef inline bint one_section(Subpage *sub, uint32_t offset, int size) noexcept nogil:
    cdef int i
    for i in range(1, size):
        if sub.map[offset + i] != sub.map[offset]:
            return False
    return True


cdef uint64_t subpage_read(AddressSpaceDispatch *d, Subpage *sub, uint64_t pa, int size) noexcept nogil:
    cdef uint32_t offset = pa & 0xFFF
    cdef SubpageSection *section = &sub.sections[sub.map[offset]]
    cdef uint64_t value = 0
    cdef int step
    if not one_section(sub, offset, size):
        step = size >> 1
        return subpage_read(d, sub, pa, step) | subpage_read(d, sub, pa + step, step) << (8 * step)
    if section.kind == PHYS_RAM or section.kind == PHYS_ROM:
        memcpy(&value, section.host + offset, size)
        return value
    return io_read(d, section.slot if section.kind == PHYS_IO else 0, pa, size)


cdef void subpage_write(AddressSpaceDispatch *d, Subpage *sub, uint64_t pa, uint64_t value, int size) noexcept nogil:
    cdef uint32_t offset = pa & 0xFFF
    cdef SubpageSection *section = &sub.sections[sub.map[offset]]
    cdef int step
    if not one_section(sub, offset, size):
        step = size >> 1
        subpage_write(d, sub, pa, value, step)
        subpage_write(d, sub, pa + step, value >> (8 * step), step)
    elif section.kind == PHYS_RAM:
        # Translated only through another, whole-page mapping, if there is one.
        if page_has_code(d, section.ram_addr + offset) and d.tbx != NULL and d.tbx.invalidate_range != NULL:
            d.tbx.invalidate_range(d.tbx, d, section.ram_addr + offset, section.ram_addr + offset + size)
        memcpy(section.host + offset, &value, size)
        mark_written(d, section.ram_addr + offset)
    elif section.kind == PHYS_IO or (section.kind == PHYS_ROM and section.slot):
        io_write(d, section.slot, pa, value, size)
    elif section.kind == PHYS_UNASSIGNED:
        io_write(d, 0, pa, value, size)


cdef uint64_t io_read(AddressSpaceDispatch *d, uint32_t slot, uint64_t pa, int size) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef IOSlot *s = io.slots[slot] if slot < MAX_SLOTS else NULL
    cdef uint64_t value
    if s == NULL:
        log_unassigned(d, b"memory", 0, pa, 0, size)
        return size_mask(size)
    if s.subpage != NULL:
        return subpage_read(d, s.subpage, pa, size)
    if s.n_counters and slot_counter(s, pa - s.base, size, &value):
        return value
    d.io_count += 1
    s.count += 1
    io.current = s.index
    if s.flush_coalesced and io.ring_count:
        flush_coalesced(d)
    begin_access(&io.depth)
    value = slot_read(d, s, pa - s.base, size)
    end_access(&io.depth)
    return value


cdef void io_write(AddressSpaceDispatch *d, uint32_t slot, uint64_t pa, uint64_t value, int size) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef IOSlot *s = io.slots[slot] if slot < MAX_SLOTS else NULL
    if s == NULL:
        log_unassigned(d, b"memory", 1, pa, value, size)
        return
    if s.subpage != NULL:
        subpage_write(d, s.subpage, pa, value, size)
        return
    d.io_count += 1
    s.count += 1
    io.current = s.index
    if s.n_eventfds and signal_eventfd(s, pa - s.base, value, size):
        return
    if s.n_coalesced and coalesce(d, s, pa - s.base, value, size):
        return
    if s.flush_coalesced and io.ring_count:
        flush_coalesced(d)
    begin_access(&io.depth)
    slot_write(d, s, pa - s.base, value, size)
    end_access(&io.depth)


include "ioport.pxi"        # port_read, port_write and their block forms


# ---------------------------------------------------------------- the map, for Python
cdef inline PyObject *borrow(object o) noexcept:
    """NULL for None; else a pointer, good while the slot is in PhysMap.buffers."""
    return NULL if o is None else <PyObject *> o


cdef void free_slot(IOSlot *s) noexcept:
    free(s.eventfds)
    free(s.coalesced)
    free(s.counters)
    free(s.subpage)
    free(s)


cdef void *grow(void *table, uint64_t old, uint64_t count, size_t size) except NULL:
    """A table of `old` entries with zeros behind them, up to `count`. Of the first, main memory's, the host makes no page before it is used."""
    cdef void *p = realloc(table, count * size) if table != NULL else calloc(count, size)
    if p == NULL:
        raise MemoryError()
    if table != NULL:
        memset(<char *> p + old * size, 0, (count - old) * size)
    return p


cdef class PhysMap:
    """A physical address space and its ports, as the CPU sees them.

    `lock`: an object with acquire() and release() (the machine's RLock), held around every device
    callback; None when one thread does everything.

    RAM lives in the RAMList's space of pages: `set_ram_size`, then `add_ram(ram_addr, buffer)` for
    each block, then `map_ram` to place parts of it. Devices: `add_slot`, then `map_io` or
    `map_ports`. All map functions take whole 4 KiB pages; `add_subpage` makes a slot for a page
    that several things share. Each change flushes the TLBs of the CPUs that use the map.

    `pic_interrupt()` answers the CPU's interrupt acknowledge cycle with a vector, or -1; `ferr()`
    is called when the FPU asserts FERR#, `smm(active)` when a CPU enters or leaves SMM. The first
    exception that a device callback lets escape is kept in `pending_exception`; the CPUs are asked
    to leave, and whoever runs them raises it.

    system/memory.py drives this from MemoryRegions; devices are written against those.
    """

    def __cinit__(self, lock=None):
        self.d = &self.dispatch_
        memset(self.d, 0, sizeof(AddressSpaceDispatch))
        memset(&self.io, 0, sizeof(IOTable))
        self.d.l1 = <PhysPageDesc **> calloc(PHYS_L1_SIZE, sizeof(PhysPageDesc *))
        self.io.slots = <IOSlot **> calloc(MAX_SLOTS, sizeof(IOSlot *))
        self.io.ports = <PortEntry *> calloc(65536 + 4, sizeof(PortEntry))
        self.io.ring = <CoalescedWrite *> calloc(COALESCED_RING, sizeof(CoalescedWrite))
        if not self.d.l1 or not self.io.slots or not self.io.ports or not self.io.ring:
            raise MemoryError()
        self.d.owner = <void *> self
        self.d.io = &self.io
        self.buffers = {}
        self.passive_buffers = {}
        self.free_slots = []
        self.graveyard = []
        self.lock = lock

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.d.l1 != NULL:
            for i in range(PHYS_L1_SIZE):
                free(self.d.l1[i])
        free(self.d.l1)
        if self.d.pages != NULL:
            for i in range(<Py_ssize_t> self.d.ram_pages):
                free(self.d.pages[i].code_bitmap)
        free(self.d.pages)
        free(self.d.phys_dirty)
        free(self.d.ram_host)
        free(self.d.tlb_hint)
        if self.io.slots != NULL:
            for i in range(MAX_SLOTS):
                if self.io.slots[i] != NULL:
                    free_slot(self.io.slots[i])
        free(self.io.slots)
        free(self.io.ports)
        free(self.io.ring)

    @property
    def lock(self):
        """Held around device callbacks; None: there is none."""
        return self.lock_

    @lock.setter
    def lock(self, lock):
        self.lock_ = lock
        self.acquire = None if lock is None else lock.acquire
        self.release = None if lock is None else lock.release

    cdef void fail(self, object exception) noexcept:
        if self.pending_exception is None:
            self.pending_exception = exception
        request_exit(self.d)

    cdef int check_pages(self, uint64_t phys, uint64_t size) except -1:
        if phys & 0xFFF or size & 0xFFF:
            raise ValueError(f"{phys:#x}, {size:#x}: not whole pages")
        if (phys + size) >> 40 and phys + size != 1 << 40:
            raise ValueError(f"{phys:#x}, {size:#x}: beyond 40 physical address bits")
        return 0

    cdef PhysPageDesc *page_alloc(self, uint64_t index) except NULL:
        cdef PhysPageDesc **l2 = &self.d.l1[index >> PHYS_L2_BITS]
        if l2[0] == NULL:
            l2[0] = <PhysPageDesc *> calloc(PHYS_L2_SIZE, sizeof(PhysPageDesc))
            if l2[0] == NULL:
                raise MemoryError()
        return &l2[0][index & (PHYS_L2_SIZE - 1)]

    cdef IOSlot *slot(self, uint32_t index) except NULL:
        if index >= MAX_SLOTS or self.io.slots[index] == NULL:
            raise ValueError(f"no slot {index}")
        return self.io.slots[index]

    cdef uint32_t new_slot(self) except 0:
        cdef uint32_t index
        cdef IOSlot *s
        self.bury()
        if self.free_slots:
            index = self.free_slots.pop()
        else:
            index = 1
            while index < MAX_SLOTS and self.io.slots[index] != NULL:
                index += 1
            if index == MAX_SLOTS:
                raise MemoryError("too many I/O slots")
        s = <IOSlot *> calloc(1, sizeof(IOSlot))
        if s == NULL:
            raise MemoryError()
        s.index = index
        self.io.slots[index] = s
        return index

    # ---- RAM
    def set_ram_size(self, pages):
        """Make room for the RAMList's `pages` pages; never shrinks. No CPU may be running."""
        cdef uint64_t count = pages, old = self.d.ram_pages
        if count <= old:
            return
        self.d.phys_dirty = <uint8_t *> grow(self.d.phys_dirty, old, count, 1)
        self.d.pages = <PageDesc *> grow(self.d.pages, old, count, sizeof(PageDesc))
        self.d.ram_host = <uint8_t **> grow(self.d.ram_host, old, count, sizeof(uint8_t *))
        self.d.tlb_hint = <uint32_t *> grow(self.d.tlb_hint, old, count, sizeof(uint32_t))
        memset(self.d.phys_dirty + old, ALL_DIRTY_FLAGS, count - old)
        self.d.ram_pages = count

    def add_ram(self, uint64_t ram_addr, buffer):
        """Pages from `ram_addr` on are `buffer`'s memory (writable, a multiple of 4 KiB).

        The map keeps the buffer alive."""
        cdef uint8_t[::1] view = memoryview(buffer).cast("B")
        cdef uint64_t first = ram_addr >> 12, pages = <uint64_t> view.shape[0] >> 12, i
        if ram_addr & 0xFFF or view.shape[0] & 0xFFF or view.shape[0] == 0:
            raise ValueError(f"RAM at {ram_addr:#x}: {view.shape[0]} bytes are not whole pages")
        self.set_ram_size(max(first + pages, self.d.ram_pages))
        for i in range(pages):
            self.d.ram_host[first + i] = &view[0] + (i << 12)
        self.buffers[first] = view

    def remove_ram(self, uint64_t ram_addr):
        """Forget a block that is mapped nowhere any more; its translations are dropped."""
        cdef uint64_t first = ram_addr >> 12, i
        cdef uint8_t[::1] view = self.buffers.pop(first)
        cdef uint64_t pages = <uint64_t> view.shape[0] >> 12
        if self.d.tbx != NULL and self.d.tbx.invalidate_range != NULL:
            self.d.tbx.invalidate_range(self.d.tbx, self.d, ram_addr, ram_addr + (pages << 12))
        for i in range(first, first + pages):
            self.d.ram_host[i] = NULL
        self.topology_changed()

    def map_ram(self, uint64_t phys, uint64_t size, uint64_t ram_addr, readonly=False, uint32_t slot=0):
        """Map RAM pages at `phys`. With `readonly`, writes go to `slot` (0: nowhere)."""
        cdef uint64_t i
        cdef PhysPageDesc *p
        self.check_pages(phys, size)
        if ram_addr & 0xFFF or (ram_addr + size) >> 12 > self.d.ram_pages:
            raise ValueError(f"no RAM at {ram_addr:#x}, {size:#x}")
        for i in range(size >> 12):
            p = self.page_alloc((phys >> 12) + i)
            p.host = self.d.ram_host[(ram_addr >> 12) + i]
            if p.host == NULL:
                raise ValueError(f"no RAM at {ram_addr + (i << 12):#x}")
            p.ram_addr = ram_addr + (i << 12)
            p.kind = PHYS_ROM if readonly else PHYS_RAM
            p.slot = slot
        self.topology_changed()

    def map_io(self, uint64_t phys, uint64_t size, uint32_t slot):
        """Map pages at `phys` to a slot of add_slot or add_subpage."""
        cdef uint64_t i
        cdef PhysPageDesc *p
        self.check_pages(phys, size)
        for i in range(size >> 12):
            p = self.page_alloc((phys >> 12) + i)
            p.host = NULL
            p.ram_addr = RAM_ADDR_INVALID
            p.kind = PHYS_SUBPAGE if self.slot(slot).subpage != NULL else PHYS_IO
            p.slot = slot
        self.topology_changed()

    def unmap(self, uint64_t phys, uint64_t size):
        """Make pages unassigned."""
        cdef uint64_t i
        cdef PhysPageDesc *p
        self.check_pages(phys, size)
        for i in range(size >> 12):
            if self.d.l1[((phys >> 12) + i) >> PHYS_L2_BITS] != NULL:
                memset(phys_page_find(self.d, phys + (i << 12)), 0, sizeof(PhysPageDesc))
        self.topology_changed()

    def topology_changed(self):
        """Flush every TLB, and end the chain of TBs that may be running: it was found by the old map."""
        cdef CPUX86State *env
        tlb_flush_all(self.d)
        if self.d.tbx != NULL and self.d.tbx.first_cpu != NULL and not self.d.tbx.first_cpu.bare:
            env = self.d.tbx.first_cpu
            while env != NULL:
                env.exit_request = 1
                env = env.next_cpu

    def lookup(self, uint64_t phys):
        """(kind, ram_addr or None, slot) of a page; kind: "unassigned", "ram", "rom", "io", "subpage"."""
        cdef PhysPageDesc *p = phys_page_find(self.d, phys)
        if p == NULL or p.kind == PHYS_UNASSIGNED:
            return ("unassigned", None, 0)
        return (("unassigned", "ram", "rom", "io", "subpage")[p.kind],
                None if p.host == NULL else p.ram_addr + (phys & 0xFFF), p.slot)

    # ---- slots
    def add_slot(self, read=None, write=None, uint64_t base=0, *, valid=(1, 8, False), impl=(1, 4, False),
                 big_endian=False, read_block=None, write_block=None, coalesced=(), ioeventfds=(),
                 flush_coalesced=False, counters=(), latch=None):
        """A device for map_io and map_ports; its number.

        read(addr, size) -> int and write(addr, value, size), where addr counts from `base`.
        read_block(addr, size, view) fills, write_block(addr, size, view) takes a memoryview of
        whole items (rep ins/outs). valid, impl: (smallest size, largest size, unaligned).
        coalesced: [(start, end)], ioeventfds: [(addr, size, data or None, fd)], counters: [(addr, size, shift,
        PassiveCounter)], latch: (addr of the control word, the three PassiveCounters of an 8254): all region-relative."""
        cdef uint32_t index = self.new_slot(), i
        cdef IOSlot *s = self.io.slots[index]
        # Callbacks lead to devices, and those back to the map: the references must be where the
        # garbage collector sees them.
        self.buffers["callbacks", <uintptr_t> s] = (read, write, read_block, write_block, counters, latch)
        s.read_fn = borrow(read)
        s.write_fn = borrow(write)
        s.read_block = borrow(read_block)
        s.write_block = borrow(write_block)
        s.base = base
        s.valid_min, s.valid_max, s.valid_unaligned = valid
        s.impl_min, s.impl_max, s.impl_unaligned = impl
        s.big_endian = big_endian
        s.flush_coalesced = flush_coalesced
        self.set_ioeventfds(index, ioeventfds)
        coalesced = list(coalesced)
        if coalesced:
            s.coalesced = <CoalescedRange *> calloc(len(coalesced), sizeof(CoalescedRange))
            if s.coalesced == NULL:
                raise MemoryError()
            for i, (start, end) in enumerate(coalesced):
                s.coalesced[i].start = start
                s.coalesced[i].end = end
            s.n_coalesced = len(coalesced)
        if counters:
            s.counters = <SlotCounter *> calloc(len(counters), sizeof(SlotCounter))
            if s.counters == NULL:
                raise MemoryError()
            for i, (addr, size, shift, counter) in enumerate(counters):
                s.counters[i].addr, s.counters[i].size, s.counters[i].shift = addr, size, shift
                s.counters[i].counter = &(<PassiveCounter?> counter).c
            s.n_counters = len(counters)
        if latch is not None:
            s.latch_addr = latch[0]
            for i in range(3):
                s.latched[i] = &(<PassiveCounter?> latch[1][i]).c
        return index

    def set_ioeventfds(self, uint32_t slot, ioeventfds):
        """Replace a slot's ioeventfds: [(addr, size or 0 for any, data or None, fd)]."""
        cdef IOSlot *s = self.slot(slot)
        cdef uint32_t i
        cdef IOEventFD *table = NULL
        ioeventfds = list(ioeventfds)
        if ioeventfds:
            table = <IOEventFD *> calloc(len(ioeventfds), sizeof(IOEventFD))
            if table == NULL:
                raise MemoryError()
            for i, (addr, size, data, fd) in enumerate(ioeventfds):
                table[i].addr = addr
                table[i].size = size
                table[i].match_data = data is not None
                table[i].data = data or 0
                table[i].fd = fd
        s.n_eventfds = 0
        free(s.eventfds)
        s.eventfds = table
        s.n_eventfds = len(ioeventfds)

    def add_subpage(self, sections):
        """A slot for one page that several things share.

        sections: [(start, end, kind, slot, ram_addr)] with offsets in the page, end excluded;
        kind "io" uses slot, "ram" and "rom" use ram_addr, the RAM of the offset `start`
        (and "rom" its slot for writes). The rest of the page is unassigned."""
        cdef uint32_t index
        cdef IOSlot *s
        cdef Subpage *sub
        cdef SubpageSection *section
        cdef uint64_t addr, first
        sections = list(sections)
        if len(sections) > 255:
            raise ValueError("more than 255 regions in a page")
        index = self.new_slot()
        s = self.io.slots[index]
        sub = <Subpage *> calloc(1, sizeof(Subpage))
        if sub == NULL:
            raise MemoryError()
        s.subpage = sub
        sub.count = len(sections) + 1
        for n, (start, end, kind, slot, ram_addr) in enumerate(sections, 1):
            if not 0 <= start < end <= 4096:
                raise ValueError(f"[{start:#x}, {end:#x}) is not within a page")
            section = &sub.sections[n]
            section.slot = slot
            section.kind = {"io": PHYS_IO, "ram": PHYS_RAM, "rom": PHYS_ROM}[kind]
            if kind != "io":
                # Both addresses are those of the page's first byte, were the section the whole
                # page; so the section may not run over the end of its RAM page.
                addr = ram_addr
                first = start
                if (addr & 0xFFF) + (end - start) > 4096:
                    raise ValueError("a subpage's RAM lies in two RAM pages")
                if addr >> 12 >= self.d.ram_pages or self.d.ram_host[addr >> 12] == NULL:
                    raise ValueError(f"no RAM at {addr:#x}")
                section.host = self.d.ram_host[addr >> 12] + (addr & 0xFFF) - first
                section.ram_addr = addr - first
            memset(&sub.map[start], n, end - start)
        return index

    def remove_slot(self, uint32_t slot):
        """Free a slot that nothing maps to any more (unmap first)."""
        cdef IOSlot *s = self.slot(slot)
        flush_coalesced(self.d)
        self.io.slots[slot] = NULL
        self.free_slots.append(slot)
        # A device may unmap itself in its own callback: the slot outlives the access.
        self.graveyard.append(<uintptr_t> s)
        self.bury()

    def bury(self):
        """Free removed slots, unless an access is in progress."""
        if self.io.depth == 0:
            while self.graveyard:
                gone = self.graveyard.pop()
                self.buffers.pop(("callbacks", gone), None)
                free_slot(<IOSlot *> <uintptr_t> gone)

    def slot_count(self, uint32_t slot):
        """Accesses that the slot served."""
        return self.slot(slot).count

    # ---- ports
    def map_ports(self, uint32_t port, uint32_t count, uint32_t slot):
        """Ports [port, port + count) go to the slot; addresses count from the slot's base."""
        cdef uint32_t i
        if port + count > 65536:
            raise ValueError(f"ports {port:#x}, {count:#x}: beyond 64 Ki")
        if slot:
            self.slot(slot)
        for i in range(port, port + count):
            self.passive_buffers.pop((i, False), None)
            self.passive_buffers.pop((i, True), None)
            memset(&self.io.ports[i], 0, sizeof(PortEntry))
            self.io.ports[i].slot = slot

    def unmap_ports(self, uint32_t port, uint32_t count):
        """Make ports unassigned."""
        self.map_ports(port, count, 0)

    def set_passive_read(self, uint16_t port, buffer=None, Py_ssize_t index=0):
        """Byte reads of the port give buffer[index] without a call; None: the device is asked again."""
        cdef uint8_t[::1] view
        if buffer is None:
            self.io.ports[port].read = PORT_SLOT
            self.passive_buffers.pop((port, False), None)
            return
        view = memoryview(buffer).cast("B")
        if not 0 <= index < view.shape[0]:
            raise IndexError(index)
        self.passive_buffers[port, False] = view
        self.io.ports[port].read_byte = &view[index]
        self.io.ports[port].read = PORT_PASSIVE

    def set_passive_write(self, uint16_t port, enabled=True, buffer=None, Py_ssize_t index=0):
        """Byte writes to the port call nobody; they are kept in buffer[index] if there is one."""
        cdef uint8_t[::1] view
        if not enabled:
            self.io.ports[port].write = PORT_SLOT
            self.passive_buffers.pop((port, True), None)
            return
        self.io.ports[port].write_byte = NULL
        if buffer is not None:
            view = memoryview(buffer).cast("B")
            if not 0 <= index < view.shape[0]:
                raise IndexError(index)
            self.passive_buffers[port, True] = view
            self.io.ports[port].write_byte = &view[index]
        self.io.ports[port].write = PORT_PASSIVE

    def port_read(self, uint16_t port, int size=1):
        """What `in` gives: for tests, the monitor and machines without a CPU."""
        cdef uint32_t value
        if size not in (1, 2, 4):
            raise ValueError(size)
        with nogil:
            value = port_read(self.d, port, size)
        self.raise_pending()
        return value

    def port_write(self, uint16_t port, uint32_t value, int size=1):
        """What `out` does."""
        if size not in (1, 2, 4):
            raise ValueError(size)
        with nogil:
            port_write(self.d, port, value, size)
        self.raise_pending()

    def port_read_block(self, uint16_t port, int size, uint32_t count):
        """What `rep ins` of `count` items gives, as bytes."""
        cdef bytearray out = bytearray(size * count)
        cdef uint8_t[::1] view
        if size not in (1, 2, 4):
            raise ValueError(size)
        if count:
            view = out
            with nogil:
                port_read_block(self.d, port, size, &view[0], count)
        self.raise_pending()
        return bytes(out)

    def port_write_block(self, uint16_t port, int size, data):
        """What `rep outs` of all of `data` does."""
        cdef const uint8_t[::1] view = memoryview(data).cast("B")
        cdef uint32_t count = view.shape[0] // size
        if size not in (1, 2, 4):
            raise ValueError(size)
        if count:
            with nogil:
                port_write_block(self.d, port, size, &view[0], count)
        self.raise_pending()

    def io_read(self, uint64_t phys, int size):
        """A device access at a physical address that is not RAM."""
        cdef uint64_t value
        cdef PhysPageDesc *p = phys_page_find(self.d, phys)
        if size not in (1, 2, 4, 8) or (phys & 0xFFF) + size > 4096:
            raise ValueError(size)
        with nogil:
            value = io_read(self.d, p.slot if p != NULL else 0, phys, size)
        self.raise_pending()
        return value

    def io_write(self, uint64_t phys, uint64_t value, int size):
        cdef PhysPageDesc *p = phys_page_find(self.d, phys)
        if size not in (1, 2, 4, 8) or (phys & 0xFFF) + size > 4096:
            raise ValueError(size)
        with nogil:
            io_write(self.d, p.slot if p != NULL else 0, phys, value, size)
        self.raise_pending()

    def raise_pending(self):
        """Raise the exception that a device callback let escape, if there is one."""
        exception, self.pending_exception = self.pending_exception, None
        if exception is not None:
            raise exception

    def flush_coalesced_mmio(self):
        """Deliver the writes that wait: before a display update, from the main loop."""
        with nogil:
            flush_coalesced(self.d)
        self.raise_pending()

    @property
    def io_count(self):
        """Accesses that were served by a device."""
        return self.d.io_count

    @property
    def unassigned_count(self):
        return self.io.unassigned_count

    @property
    def ram_pages(self):
        return self.d.ram_pages

    # ---- dirty bits
    def get_dirty(self, uint64_t ram_addr, uint64_t length, uint32_t flags):
        """Has a client's bit been set since it was last reset? (by RAM address)"""
        return bool(cpu_physical_memory_get_dirty(self.d, ram_addr, length, flags))

    def set_dirty(self, uint64_t ram_addr, uint64_t length, uint32_t flags=ALL_DIRTY_FLAGS & ~CODE_DIRTY_FLAG):
        cpu_physical_memory_set_dirty_range(self.d, ram_addr, length, flags & ~CODE_DIRTY_FLAG)

    def reset_dirty(self, uint64_t ram_addr, uint64_t length, uint32_t flags):
        """Clear bits; the next store to each page sets them again."""
        cpu_physical_memory_reset_dirty(self.d, ram_addr, ram_addr + length, flags & ~CODE_DIRTY_FLAG)

    def dirty_view(self):
        """The bytes of phys_dirty, one a RAM page, read-only. Valid until set_ram_size grows it."""
        return PyMemoryView_FromMemory(<char *> self.d.phys_dirty, self.d.ram_pages, PyBUF_READ)
