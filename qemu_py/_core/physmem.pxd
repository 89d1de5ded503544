"""Guest physical memory: accesses of the CPU's own (page tables, SMRAM) and of devices (DMA).

Above the physical map, below the TLB: nothing here knows of linear addresses.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport ALL_DIRTY_FLAGS, AddressSpaceDispatch, CPUX86State, PHYS_RAM, PhysPageDesc
from qemu_py._core.dirty cimport mark_written, page_has_code
from qemu_py._core.dispatch cimport io_read, io_write, phys_page_find
from qemu_py._core.x86.mxcsr cimport sse_leave

# `size` is 1, 2, 4 or 8. A20 is applied; unassigned reads give all ones.
cdef uint64_t ld_phys(CPUX86State *env, uint64_t pa, int size) noexcept nogil
cdef void st_phys(CPUX86State *env, uint64_t pa, uint64_t value, int size) noexcept nogil


cdef inline uint8_t *ram_of(CPUX86State *env, uint64_t pa, PhysPageDesc **page) noexcept nogil:
    """Host address when pa (A20 applied) is plain RAM."""
    cdef PhysPageDesc *p = phys_page_find(env.dispatch, pa)
    page[0] = p
    if p != NULL and p.kind == PHYS_RAM:
        return p.host + (pa & 0xFFF)
    return NULL


cdef inline void ram_stored(AddressSpaceDispatch *d, uint64_t ram_addr, uint64_t size) noexcept nogil:
    """Bytes of one RAM page changed, not by an instruction's store: drop code, set dirty bits."""
    if d.phys_dirty[ram_addr >> 12] != ALL_DIRTY_FLAGS:
        if page_has_code(d, ram_addr) and d.tbx != NULL and d.tbx.invalidate_range != NULL:
            d.tbx.invalidate_range(d.tbx, d, ram_addr, ram_addr + size)
        mark_written(d, ram_addr)


# A device may run Python: the host has its own MXCSR back for that, and the guest's flags are in env.
cdef inline uint64_t device_read(CPUX86State *env, uint32_t slot, uint64_t pa, int size) noexcept nogil:
    sse_leave(env)
    return io_read(env.dispatch, slot, pa, size)


cdef inline void device_write(CPUX86State *env, uint32_t slot, uint64_t pa, uint64_t value, int size) noexcept nogil:
    sse_leave(env)
    io_write(env.dispatch, slot, pa, value, size)
