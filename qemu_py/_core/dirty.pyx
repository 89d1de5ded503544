"""Dirty bits per RAM page, and revoking the TLB entries that store to a page freely.

Revoking must find those entries. Searching 2 * 1024 of them per CPU for every page that receives
its first translation would dominate self-modifying guests, so each RAM page remembers (tlb_hint)
the one entry that may store to it, or that there are several and a search is needed. The memory is
a superset: an entry that has been replaced or flushed meanwhile is recognised and left alone.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from qemu_py._core.epochs cimport forget_mappings, forget_sites
from qemu_py._core.cpu cimport (
    AddressSpaceDispatch, CPUX86State, CPUTLBEntry, IOTLBEntry, ALL_DIRTY_FLAGS, CODE_DIRTY_FLAG,
    CPU_TLB_BITS, CPU_TLB_SIZE, NB_MMU_MODES, TARGET_PAGE_MASK, TB_JMP_CACHE_SIZE, TBJmpCacheEntry,
    TLB_NOTDIRTY, TLB_FLAGS, PHYS_RAM)

cdef enum:
    HINT_NONE = 0               # else: 1 + (cpu_index << 11 | mmu_idx << 10 | index)
cdef uint32_t HINT_MANY = 0xFFFFFFFFU


cdef void next_tlb_epoch(CPUX86State *env) noexcept nogil:
    cdef uint64_t epoch = env.tlb_epoch + (<uint64_t> 1 << 48)
    if epoch >> 48 == 0:
        # The 16 bits wrapped: tags of the first round would come alive again.
        memset(&env.tlb[0][0], 0xFF, sizeof(env.tlb))
        if env.tb_jmp_cache != NULL:
            memset(env.tb_jmp_cache, 0, TB_JMP_CACHE_SIZE * sizeof(TBJmpCacheEntry))
        epoch = <uint64_t> 1 << 48
    env.tlb_epoch = epoch
    env.tlb_flush_count += 1


cdef void tlb_flush_env(CPUX86State *env) noexcept nogil:
    next_tlb_epoch(env)
    env.global_epoch += 1
    if env.global_epoch == 0:           # of the first round may be alive
        memset(&env.tlb[0][0], 0xFF, sizeof(env.tlb))
        env.global_epoch = 1
    env.global_low = ~<uint64_t> 0
    env.large_page_addr = ~<uint64_t> 0
    env.large_page_mask = 0
    forget_mappings(env, True)


cdef void tlb_flush_not_global(CPUX86State *env) noexcept nogil:
    next_tlb_epoch(env)
    forget_mappings(env, not env.kernel_global)


cdef void site_flush_all(AddressSpaceDispatch *d) noexcept nogil:
    cdef CPUX86State *env
    if d.tbx != NULL:
        env = d.tbx.first_cpu
        while env != NULL:
            forget_sites(env)
            env.exit_request = 1
            env = env.next_cpu


cdef void tlb_flush_all(AddressSpaceDispatch *d) noexcept nogil:
    cdef CPUX86State *env
    if d.tbx != NULL:
        env = d.tbx.first_cpu
        while env != NULL:
            tlb_flush_env(env)
            env = env.next_cpu


cdef inline bint entry_is_free(CPUX86State *env, uint32_t mode, uint32_t index, uint64_t page) noexcept nogil:
    """Does the entry store to the RAM page without a look?"""
    cdef uint64_t tag = env.tlb[mode][index].addr_write
    return ((tag & TLB_FLAGS) == 0 and (tag ^ env.tlb_epoch) >> 48 == 0
            and env.iotlb[mode][index].ram_addr == page << 12)


cdef CPUX86State *cpu_by_index(AddressSpaceDispatch *d, uint32_t index) noexcept nogil:
    cdef CPUX86State *env = NULL
    if d.tbx != NULL:
        env = d.tbx.first_cpu
        while env != NULL and env.cpu_index != index:
            env = env.next_cpu
    return env


cdef void tlb_note_writable(CPUX86State *env, uint64_t ram_addr, uint32_t mmu_idx, uint32_t index) noexcept nogil:
    cdef AddressSpaceDispatch *d = env.dispatch
    cdef uint64_t page = ram_addr >> 12
    cdef uint32_t mine = 1 + ((env.cpu_index << 11) | (mmu_idx << 10) | index)
    cdef uint32_t hint = d.tlb_hint[page]
    cdef CPUX86State *other
    if hint == mine or hint == HINT_MANY:
        return
    if hint != HINT_NONE:
        other = env if (hint - 1) >> 11 == env.cpu_index else cpu_by_index(d, (hint - 1) >> 11)
        if other != NULL and entry_is_free(other, ((hint - 1) >> 10) & 1, (hint - 1) & (CPU_TLB_SIZE - 1), page):
            d.tlb_hint[page] = HINT_MANY
            return
    d.tlb_hint[page] = mine


cdef void search_and_revoke(AddressSpaceDispatch *d, uint64_t first, uint64_t last) noexcept nogil:
    """Every entry of every CPU whose RAM page lies in [first, last]."""
    cdef CPUX86State *env
    cdef uint32_t mode, i
    cdef uint64_t page
    if d.tbx == NULL:
        return
    env = d.tbx.first_cpu
    while env != NULL:
        for mode in range(NB_MMU_MODES):
            for i in range(CPU_TLB_SIZE):
                if (env.tlb[mode][i].addr_write & TLB_FLAGS) == 0:
                    page = env.iotlb[mode][i].ram_addr >> 12
                    if first <= page <= last:
                        env.tlb[mode][i].addr_write |= TLB_NOTDIRTY
        env = env.next_cpu


cdef bint revoke_hinted(AddressSpaceDispatch *d, uint64_t page) noexcept nogil:
    """Revoke the page's one entry, if any; True: there are several."""
    cdef uint32_t hint = d.tlb_hint[page]
    cdef CPUX86State *env
    d.tlb_hint[page] = HINT_NONE
    if hint == HINT_NONE:
        return False
    if hint == HINT_MANY:
        return True
    hint -= 1
    env = cpu_by_index(d, hint >> 11)
    if env != NULL and entry_is_free(env, (hint >> 10) & 1, hint & (CPU_TLB_SIZE - 1), page):
        env.tlb[(hint >> 10) & 1][hint & (CPU_TLB_SIZE - 1)].addr_write |= TLB_NOTDIRTY
    return False


cdef int cpu_physical_memory_get_dirty(AddressSpaceDispatch *d, uint64_t start, uint64_t length, uint32_t flags) noexcept nogil:
    cdef uint64_t page = start >> 12, last
    if length == 0:
        return 0
    last = (start + length - 1) >> 12
    while page <= last and page < d.ram_pages:
        if d.phys_dirty[page] & flags:
            return 1
        page += 1
    return 0


cdef void cpu_physical_memory_set_dirty_range(AddressSpaceDispatch *d, uint64_t start, uint64_t length, uint32_t flags) noexcept nogil:
    cdef uint64_t page = start >> 12, last
    if length == 0:
        return
    last = (start + length - 1) >> 12
    while page <= last and page < d.ram_pages:
        d.phys_dirty[page] |= flags
        page += 1


cdef void cpu_physical_memory_reset_dirty(AddressSpaceDispatch *d, uint64_t start, uint64_t end, uint32_t flags) noexcept nogil:
    cdef uint64_t page, last
    cdef bint search = False, cleared = False
    if end <= start:
        return
    page = start >> 12
    last = (end - 1) >> 12
    while page <= last and page < d.ram_pages:
        if d.phys_dirty[page] & flags:
            d.phys_dirty[page] &= ~flags
            cleared = True
            if revoke_hinted(d, page):
                search = True
        page += 1
    if cleared:
        site_flush_all(d)
    if search:
        search_and_revoke(d, start >> 12, last)


cdef void tlb_protect_code(AddressSpaceDispatch *d, uint64_t ram_addr) noexcept nogil:
    cdef uint64_t page = ram_addr >> 12
    if page < d.ram_pages and d.phys_dirty[page] & CODE_DIRTY_FLAG:
        d.phys_dirty[page] &= ~CODE_DIRTY_FLAG
        site_flush_all(d)
        if revoke_hinted(d, page):
            search_and_revoke(d, page, page)
