"""Dirty bits per RAM page and the TLB entries that depend on them (dirty.pyx).

A page's byte in phys_dirty has one bit a client (VGA, MIGRATION; CODE means "no translated code
here"). A TLB entry lets stores through without a look only while all bits are set, so clearing any
bit must take that freedom away from the entries that have it.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport AddressSpaceDispatch, CPUX86State, CODE_DIRTY_FLAG, ALL_DIRTY_FLAGS

# Drop every TLB entry of one CPU in O(1): the epoch in the tags moves on.
cdef void tlb_flush_env(CPUX86State *env) noexcept nogil
# The same but for global pages.
cdef void tlb_flush_not_global(CPUX86State *env) noexcept nogil
# The same for all CPUs of a map.
cdef void tlb_flush_all(AddressSpaceDispatch *d) noexcept nogil
# Host code's own caches of translations, of every CPU of the map, no longer hold.
cdef void site_flush_all(AddressSpaceDispatch *d) noexcept nogil
# Any of `flags` set in [start, start + length) of the RAMList's space?
cdef int cpu_physical_memory_get_dirty(AddressSpaceDispatch *d, uint64_t start, uint64_t length, uint32_t flags) noexcept nogil
cdef void cpu_physical_memory_set_dirty_range(AddressSpaceDispatch *d, uint64_t start, uint64_t length, uint32_t flags) noexcept nogil
# Clear `flags` in [start, end) and make the next store to each page visible.
cdef void cpu_physical_memory_reset_dirty(AddressSpaceDispatch *d, uint64_t start, uint64_t end, uint32_t flags) noexcept nogil
# The page got its first TB: stores to it must be seen from now on.
cdef void tlb_protect_code(AddressSpaceDispatch *d, uint64_t ram_addr) noexcept nogil
# An entry of env's TLB that stores to the RAM page freely has just been made.
cdef void tlb_note_writable(CPUX86State *env, uint64_t ram_addr, uint32_t mmu_idx, uint32_t index) noexcept nogil


cdef inline void tlb_unprotect_code(AddressSpaceDispatch *d, uint64_t ram_addr) noexcept nogil:
    """The page's last TB is gone. Its TLB entries become fast again at their next store."""
    cdef uint64_t page = ram_addr >> 12
    if page < d.ram_pages:
        d.phys_dirty[page] |= CODE_DIRTY_FLAG


cdef inline bint page_has_code(AddressSpaceDispatch *d, uint64_t ram_addr) noexcept nogil:
    cdef uint64_t page = ram_addr >> 12
    return page < d.ram_pages and not (d.phys_dirty[page] & CODE_DIRTY_FLAG)


cdef inline void mark_written(AddressSpaceDispatch *d, uint64_t ram_addr) noexcept nogil:
    """A store reached the page: dirty for every client. CODE is tb.pyx's to set."""
    d.phys_dirty[ram_addr >> 12] |= ALL_DIRTY_FLAGS & ~CODE_DIRTY_FLAG


cdef inline bint hits_code(const uint8_t *bitmap, uint32_t offset, uint32_t size) noexcept nogil:
    """Is one of these bytes of a page translated? (PageDesc.code_bitmap)"""
    cdef uint32_t i = offset
    while i < offset + size:
        if i & 7 == 0 and size >= 8 and bitmap[i >> 3] == 0:
            i += 8
        elif bitmap[i >> 3] >> (i & 7) & 1:
            return True
        else:
            i += 1
    return False
