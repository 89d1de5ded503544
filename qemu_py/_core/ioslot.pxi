"""One device's slot: the calls into Python, access sizes, ioeventfds, coalesced writes (part of dispatch.pyx).

Rules of access sizes (after the memory API's valid and impl):

- an access larger than `valid_max` or smaller than `valid_min` is refused: reads give all ones;
- a misaligned access to a slot that does not take one is cut into aligned halves, as a chipset does;
- an access larger than `impl_max` becomes several calls at rising addresses; one smaller than
  `impl_min` becomes a read of the aligned wider unit (a write: read, merge, write);
- a port access that no single device covers is cut into halves, as on the ISA bus.
"""


# ---------------------------------------------------------------- into Python
cdef uint64_t call_read(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, int size) noexcept with gil:
    cdef PhysMap m = <PhysMap> d.owner
    cdef object fn
    if s.read_fn == NULL:
        return ALL_ONES
    fn = <object> s.read_fn
    try:
        if m.acquire is None:
            return PyLong_AsUnsignedLongLongMask(fn(addr, size))
        m.acquire()
        try:
            return PyLong_AsUnsignedLongLongMask(fn(addr, size))
        finally:
            m.release()
    except BaseException as exception:
        m.fail(exception)
    return ALL_ONES


cdef void call_write(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, uint64_t value, int size) noexcept with gil:
    cdef PhysMap m = <PhysMap> d.owner
    cdef object fn
    if s.write_fn == NULL:
        return
    fn = <object> s.write_fn
    try:
        if m.acquire is None:
            fn(addr, value, size)
        else:
            m.acquire()
            try:
                fn(addr, value, size)
            finally:
                m.release()
    except BaseException as exception:
        m.fail(exception)


cdef void call_block(AddressSpaceDispatch *d, PyObject *callback, uint64_t addr, int size, uint8_t *buf, uint32_t count, int flags) noexcept with gil:
    cdef PhysMap m = <PhysMap> d.owner
    cdef object fn = <object> callback
    cdef object view
    try:
        view = PyMemoryView_FromMemory(<char *> buf, <Py_ssize_t> count * size, flags)
        if m.acquire is None:
            fn(addr, size, view)
        else:
            m.acquire()
            try:
                fn(addr, size, view)
            finally:
                m.release()
        view.release()
    except BaseException as exception:
        m.fail(exception)


cdef int cpu_get_pic_interrupt(CPUX86State *env) noexcept with gil:
    cdef PhysMap m
    sse_leave(env)
    if env.dispatch == NULL or env.dispatch.owner == NULL:
        return -1
    m = <PhysMap> env.dispatch.owner
    if m.pic_interrupt is None:
        return -1
    try:
        if m.acquire is None:
            return m.pic_interrupt()
        m.acquire()
        try:
            return m.pic_interrupt()
        finally:
            m.release()
    except BaseException as exception:
        m.fail(exception)
    return -1


cdef void call_board(CPUX86State *env, object handler) noexcept:
    """Tell the board of a change of a CPU's pin."""
    cdef PhysMap m = <PhysMap> env.dispatch.owner
    try:
        if m.acquire is None:
            handler()
        else:
            m.acquire()
            try:
                handler()
            finally:
                m.release()
    except BaseException as exception:
        m.fail(exception)


cdef void cpu_set_ferr(CPUX86State *env) noexcept with gil:
    sse_leave(env)
    if env.dispatch != NULL and env.dispatch.owner != NULL and (<PhysMap> env.dispatch.owner).ferr is not None:
        call_board(env, (<PhysMap> env.dispatch.owner).ferr)


cdef void cpu_smm_update(CPUX86State *env, bint active) noexcept with gil:
    sse_leave(env)
    if env.dispatch != NULL and env.dispatch.owner != NULL and (<PhysMap> env.dispatch.owner).smm is not None:
        call_board(env, partial((<PhysMap> env.dispatch.owner).smm, active))


# ---------------------------------------------------------------- one slot
cdef inline uint64_t size_mask(int size) noexcept nogil:
    return ALL_ONES >> (64 - 8 * size)


cdef inline uint64_t swap(uint64_t value, int size) noexcept nogil:
    cdef uint64_t out = 0
    cdef int i
    for i in range(size):
        out = (out << 8) | (value & 0xFF)
        value >>= 8
    return out


cdef inline uint64_t one_read(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, int size) noexcept nogil:
    """A call of the device; what it gives is in its own byte order, the result in ours."""
    cdef uint64_t value
    if s.c_read != NULL:
        value = s.c_read(s.opaque, addr, size)
    else:
        value = call_read(d, s, addr, size)
    value &= size_mask(size)
    return swap(value, size) if s.big_endian else value


cdef inline void one_write(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, uint64_t value, int size) noexcept nogil:
    value &= size_mask(size)
    if s.big_endian:
        value = swap(value, size)
    if s.c_write != NULL:
        s.c_write(s.opaque, addr, value, size)
    else:
        call_write(d, s, addr, value, size)


cdef inline bint refused(IOSlot *s, uint64_t addr, int size, int is_write) noexcept nogil:
    """Is the access invalid? A misaligned one is valid if its aligned parts are large enough."""
    if (size <= s.valid_max and size >= s.valid_min
            and (s.valid_unaligned or addr & (size - 1) == 0 or (addr & -addr) >= s.valid_min)):
        return False
    log_refused(s, is_write, addr, size)
    return True


cdef inline bint must_cut(IOSlot *s, uint64_t addr, int size) noexcept nogil:
    """Does the device not take the access in one piece?"""
    return size > 1 and (size > s.impl_max
                         or (addr & (size - 1) and not (s.valid_unaligned and s.impl_unaligned))
                         or (size < s.impl_min and (addr & (s.impl_min - 1)) + size > s.impl_min))


cdef uint64_t part_read(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, int size) noexcept nogil:
    cdef uint64_t aligned
    cdef int step = size >> 1
    if must_cut(s, addr, size):
        return part_read(d, s, addr, step) | part_read(d, s, addr + step, step) << (8 * step)
    if size < s.impl_min:
        aligned = addr & ~<uint64_t> (s.impl_min - 1)
        return (one_read(d, s, aligned, s.impl_min) >> (8 * (addr - aligned))) & size_mask(size)
    return one_read(d, s, addr, size)


cdef void part_write(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, uint64_t value, int size) noexcept nogil:
    cdef uint64_t aligned, old, mask
    cdef int step = size >> 1
    if must_cut(s, addr, size):
        part_write(d, s, addr, value, step)
        part_write(d, s, addr + step, value >> (8 * step), step)
    elif size < s.impl_min:
        aligned = addr & ~<uint64_t> (s.impl_min - 1)
        mask = size_mask(size) << (8 * (addr - aligned))
        old = one_read(d, s, aligned, s.impl_min)
        one_write(d, s, aligned, (old & ~mask) | ((value << (8 * (addr - aligned))) & mask), s.impl_min)
    else:
        one_write(d, s, addr, value, size)


cdef uint64_t slot_read(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, int size) noexcept nogil:
    """Read by region-relative address."""
    return size_mask(size) if refused(s, addr, size, 0) else part_read(d, s, addr, size)


cdef void slot_write(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, uint64_t value, int size) noexcept nogil:
    if not refused(s, addr, size, 1):
        part_write(d, s, addr, value, size)


cdef bint slot_counter(IOSlot *s, uint64_t addr, int size, uint64_t *value) noexcept nogil:
    """Answer for a register that is a function of time; False: it is none, or the device wants to be asked."""
    cdef uint32_t i
    cdef SlotCounter *c
    for i in range(s.n_counters):
        c = &s.counters[i]
        if c.addr == addr and c.size == <uint32_t> size and c.counter.active:
            value[0] = (counter_read(c.counter) >> c.shift) & size_mask(size)
            return True
    return False


cdef inline bint slot_latch(IOSlot *s, uint64_t addr, uint64_t value, int size) noexcept nogil:
    """A latch command (bits 4 and 5 clear, counter 0 to 2) that the core does for the 8254; False: the device is called."""
    return (size == 1 and addr == s.latch_addr and not value & 0x30 and (value & 0xFF) < 0xC0
            and counter_latch(s.latched[(value & 0xFF) >> 6]))


cdef bint signal_eventfd(IOSlot *s, uint64_t addr, uint64_t value, int size) noexcept nogil:
    """A write that an ioeventfd waits for ends here: the device is not called."""
    cdef uint32_t i
    cdef IOEventFD *e
    cdef uint64_t one = 1
    for i in range(s.n_eventfds):
        e = &s.eventfds[i]
        if (e.addr == addr and (e.size == 0 or e.size == <uint32_t> size)
                and (not e.match_data or e.data == (value & size_mask(size)))):
            posix_write(e.fd, &one, 8)
            return True
    return False


cdef bint coalesce(AddressSpaceDispatch *d, IOSlot *s, uint64_t addr, uint64_t value, int size) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef uint32_t i
    for i in range(s.n_coalesced):
        if s.coalesced[i].start <= addr and addr + size <= s.coalesced[i].end:
            spin_lock(&io.ring_lock)
            while io.ring_count == COALESCED_RING:
                spin_unlock(&io.ring_lock)
                flush_coalesced(d)
                spin_lock(&io.ring_lock)
            io.ring[io.ring_count].slot = s
            io.ring[io.ring_count].addr = addr
            io.ring[io.ring_count].value = value
            io.ring[io.ring_count].size = size
            io.ring_count += 1
            spin_unlock(&io.ring_lock)
            return True
    return False


cdef void flush_coalesced(AddressSpaceDispatch *d) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef CoalescedWrite batch[COALESCED_RING]
    cdef uint32_t i, count
    if io.ring_count == 0:
        return
    # A device's callback may cause accesses that come back here: the ring is empty by then.
    begin_access(&io.depth)
    spin_lock(&io.ring_lock)
    count = io.ring_count
    memcpy(batch, io.ring, count * sizeof(CoalescedWrite))
    io.ring_count = 0
    spin_unlock(&io.ring_lock)
    for i in range(count):
        slot_write(d, batch[i].slot, batch[i].addr, batch[i].value, batch[i].size)
    end_access(&io.depth)
