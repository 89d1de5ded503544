"""The flat physical map that a FlatView becomes: page -> RAM | ROM | I/O slot | subpage.

The only module of _core that re-enters the GIL.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport AddressSpaceDispatch, CPUX86State, PhysPageDesc, PHYS_L2_BITS, PHYS_L1_SIZE, PHYS_L2_SIZE

# MMIO: `pa` is the full physical address; the slot's callback gets a region-relative one.
cdef uint64_t io_read(AddressSpaceDispatch *d, uint32_t slot, uint64_t pa, int size) noexcept nogil
cdef void io_write(AddressSpaceDispatch *d, uint32_t slot, uint64_t pa, uint64_t value, int size) noexcept nogil
# Ports. `count` items from/to `buf` for ins/outs (one call a page chunk; `buf` is guest RAM).
cdef uint32_t port_read(AddressSpaceDispatch *d, uint16_t port, int size) noexcept nogil
cdef void port_write(AddressSpaceDispatch *d, uint16_t port, uint32_t value, int size) noexcept nogil
cdef void port_read_block(AddressSpaceDispatch *d, uint16_t port, int size, uint8_t *buf, uint32_t count) noexcept nogil
cdef void port_write_block(AddressSpaceDispatch *d, uint16_t port, int size, const uint8_t *buf, uint32_t count) noexcept nogil
# Interrupt acknowledge cycle of the PIC; -1: none pending any more.
cdef int cpu_get_pic_interrupt(CPUX86State *env) noexcept nogil
# FERR# pin, IGNNE# as a PC has it: IRQ 13.
cdef void cpu_set_ferr(CPUX86State *env) noexcept nogil
# The text goes to the log's category (util/log.py bit); used for guest_errors, int, mmu ...
cdef void core_log(CPUX86State *env, uint32_t category, const char *text) noexcept nogil

cdef inline PhysPageDesc *phys_page_find(AddressSpaceDispatch *d, uint64_t pa) noexcept nogil:
    """The page's descriptor, or NULL: unassigned."""
    cdef uint64_t index = pa >> 12
    cdef PhysPageDesc *l2
    if (index >> PHYS_L2_BITS) >= PHYS_L1_SIZE:
        return NULL
    l2 = d.l1[index >> PHYS_L2_BITS]
    if l2 == NULL:
        return NULL
    return &l2[index & (PHYS_L2_SIZE - 1)]
