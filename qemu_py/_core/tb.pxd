"""Translation blocks: cache, look-up, page lists, chaining, invalidation (tb.pyx)."""
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport CPUX86State, TranslationBlock, TBContext, PageDesc, AddressSpaceDispatch, TB_JMP_CACHE_SIZE, TB_JMP_CACHE_BITS, TB_JMP_PAGE_BITS

cdef PageDesc *page_find(AddressSpaceDispatch *d, uint64_t ram_addr) noexcept nogil
# A store of `size` bytes at ram_addr on a page with the CODE dirty flag clear. Invalidates the TBs
# that it hits. Nonzero: it hits env.current_tb, nothing was done; EXCP_RESTART is pending.
cdef int tb_invalidate_phys_page_fast(CPUX86State *env, uint64_t ram_addr, uint32_t size) noexcept nogil
cdef int tb_invalidate_phys_page(CPUX86State *env, uint64_t ram_addr) noexcept nogil
# The same for writes that do not come from an instruction of env (DMA, debugger, other CPUs).
cdef void tb_invalidate_phys_page_range(TBContext *tbx, AddressSpaceDispatch *d, uint64_t start, uint64_t end) noexcept nogil
# TBContext.invalidate_range: from any thread that holds the GIL. Another than the CPU's own: noted,
# and done by tb_run_work before the CPU's next look-up.
cdef void tb_invalidate_any_thread(TBContext *tbx, AddressSpaceDispatch *d, uint64_t start, uint64_t end) noexcept nogil
cdef void tb_run_work(TBContext *tbx, AddressSpaceDispatch *d) noexcept nogil
cdef uintptr_t this_thread() noexcept nogil
cdef void tb_phys_invalidate(TBContext *tbx, AddressSpaceDispatch *d, TranslationBlock *tb) noexcept nogil
cdef void tb_flush(TBContext *tbx, AddressSpaceDispatch *d) noexcept nogil
cdef void tb_flush_jmp_cache(CPUX86State *env, uint64_t va) noexcept nogil
cdef TBContext *tb_context_new(uint64_t buffer_size, uint32_t max_tbs) except NULL
cdef void tb_context_free(TBContext *tbx) noexcept
cdef void tb_add_jump(TranslationBlock *tb, int n, TranslationBlock *tb_next, uint64_t link_epoch) noexcept nogil
cdef TranslationBlock *tb_find_fast(CPUX86State *env) noexcept nogil
cdef TranslationBlock *tb_find_slow(CPUX86State *env, uint64_t pc, uint64_t cs_base, uint32_t flags) noexcept nogil
cdef TranslationBlock *tb_gen_code(CPUX86State *env, uint64_t pc, uint64_t cs_base, uint32_t flags, uint32_t cflags) noexcept nogil
# Give back a TB that was made last and is entered in no table.
cdef void tb_free(TBContext *tbx, TranslationBlock *tb) noexcept nogil


cdef inline uint32_t tb_jmp_cache_hash_func(uint64_t pc) noexcept nogil:
    """Index into tb_jmp_cache. The upper half of the bits depends on the page alone, so that a
    page's entries lie together and a page flush clears just them."""
    cdef uint64_t tmp = pc ^ (pc >> (12 - TB_JMP_PAGE_BITS))
    return <uint32_t> (((tmp >> (12 - TB_JMP_PAGE_BITS)) & (((1 << TB_JMP_PAGE_BITS) - 1) << TB_JMP_PAGE_BITS))
                       | (tmp & ((1 << TB_JMP_PAGE_BITS) - 1)))
