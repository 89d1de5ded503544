"""Port accesses: the port table, passive ports, splitting between devices, strings (part of dispatch.pyx).

A port is 1 byte. A 16- or 32-bit access that one device serves is passed on whole; else it is cut
into halves, down to bytes, as the ISA bus does. Beyond port FFFFh there is nothing.
"""


cdef inline bint whole(IOTable *io, IOSlot *s, PortEntry *e, int size, bint is_write) noexcept nogil:
    """Does one device take the access as it is?"""
    cdef int i
    if size == 1:
        return True
    if s != NULL and size > s.valid_max:
        return False
    for i in range(1, size):
        if e[i].slot != e.slot or (e[i].write if is_write else e[i].read) != PORT_SLOT:
            return False
    return True


cdef uint32_t port_read(AddressSpaceDispatch *d, uint16_t port, int size) noexcept nogil:
    cdef uint32_t value = port_read_at(d, port, size)
    if qemu_loglevel & CPU_LOG_IOPORT:
        log_port(0, port, value, size)
    return value


cdef uint32_t port_read_at(AddressSpaceDispatch *d, uint32_t port, int size) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef PortEntry *e = &io.ports[port]
    cdef IOSlot *s
    cdef uint32_t value
    cdef int step
    cdef uint64_t count
    if e.read == PORT_PASSIVE and size == 1:
        return e.read_byte[0]
    s = io.slots[e.slot]
    if s != NULL and s.n_counters and e.read == PORT_SLOT and slot_counter(s, port - s.base, size, &count):
        return <uint32_t> count
    if e.read != PORT_SLOT or not whole(io, s, e, size, False):
        step = size >> 1
        return port_read_at(d, port, step) | port_read_at(d, port + step, step) << (8 * step)
    if s == NULL:
        log_unassigned(d, b"port", 0, port, 0, size)
        return <uint32_t> size_mask(size)
    d.io_count += 1
    s.count += 1
    io.current = s.index
    if s.flush_coalesced and io.ring_count:
        flush_coalesced(d)
    begin_access(&io.depth)
    value = <uint32_t> slot_read(d, s, port - s.base, size)
    end_access(&io.depth)
    return value


cdef void port_write(AddressSpaceDispatch *d, uint16_t port, uint32_t value, int size) noexcept nogil:
    if qemu_loglevel & CPU_LOG_IOPORT:
        log_port(1, port, <uint32_t> (value & size_mask(size)), size)
    port_write_at(d, port, value, size)


cdef void port_write_at(AddressSpaceDispatch *d, uint32_t port, uint32_t value, int size) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef PortEntry *e = &io.ports[port]
    cdef IOSlot *s
    cdef int step
    if e.write == PORT_PASSIVE and size == 1:
        if e.write_byte != NULL:
            e.write_byte[0] = <uint8_t> value
        return
    s = io.slots[e.slot]
    if e.write == PORT_PASSIVE or not whole(io, s, e, size, True):
        step = size >> 1
        port_write_at(d, port, value, step)
        port_write_at(d, port + step, value >> (8 * step), step)
        return
    if s == NULL:
        log_unassigned(d, b"port", 1, port, value & size_mask(size), size)
        return
    if s.latched[0] != NULL and slot_latch(s, port - s.base, value, size):
        return
    d.io_count += 1
    s.count += 1
    io.current = s.index
    if s.n_eventfds and signal_eventfd(s, port - s.base, value, size):
        return
    if s.n_coalesced and coalesce(d, s, port - s.base, value, size):
        return
    if s.flush_coalesced and io.ring_count:
        flush_coalesced(d)
    begin_access(&io.depth)
    slot_write(d, s, port - s.base, value, size)
    end_access(&io.depth)


cdef void port_read_block(AddressSpaceDispatch *d, uint16_t port, int size, uint8_t *buf, uint32_t count) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef PortEntry *e = &io.ports[port]
    cdef IOSlot *s = io.slots[e.slot]
    cdef uint32_t i, value
    if s != NULL and s.read_block != NULL and e.read == PORT_SLOT and whole(io, s, e, size, False):
        d.io_count += 1
        s.count += 1
        io.current = s.index
        if s.flush_coalesced and io.ring_count:
            flush_coalesced(d)
        begin_access(&io.depth)
        call_block(d, s.read_block, port - s.base, size, buf, count, PyBUF_WRITE)
        end_access(&io.depth)
        return
    for i in range(count):
        value = port_read(d, port, size)
        memcpy(buf + <uint64_t> i * size, &value, size)


cdef void port_write_block(AddressSpaceDispatch *d, uint16_t port, int size, const uint8_t *buf, uint32_t count) noexcept nogil:
    cdef IOTable *io = <IOTable *> d.io
    cdef PortEntry *e = &io.ports[port]
    cdef IOSlot *s = io.slots[e.slot]
    cdef uint32_t i, value = 0
    if s != NULL and s.write_block != NULL and e.write == PORT_SLOT and whole(io, s, e, size, True):
        d.io_count += 1
        s.count += 1
        io.current = s.index
        if s.flush_coalesced and io.ring_count:
            flush_coalesced(d)
        begin_access(&io.depth)
        call_block(d, s.write_block, port - s.base, size, <uint8_t *> buf, count, PyBUF_READ)
        end_access(&io.depth)
        return
    for i in range(count):
        memcpy(&value, buf + <uint64_t> i * size, size)
        port_write(d, port, value, size)
