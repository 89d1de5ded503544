"""Translation blocks: cache, look-up, page lists, chaining, invalidation.

The names and data structures are those of QEMU 1.0: tb_find_fast looks into the CPU's tb_jmp_cache
(by virtual pc), tb_find_slow into tb_phys_hash (by physical pc, CS and flags), tb_gen_code makes a
new TB in code_gen_buffer. Every TB is on the list of the page, or the two pages, that its bytes lie
in; the low bits of those list pointers say which of its pages it is. jmp_first is the circular list
of the TBs that jump here; there the low bits are the successor's number, or 2 for the owner.

A store to a page that holds code comes here through tb_invalidate_phys_page_fast. From the tenth
store on the page has a bitmap of its translated bytes, so data beside code is nearly free.
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset
from posix.mman cimport mmap, munmap, MAP_ANONYMOUS, MAP_PRIVATE, MAP_FAILED, PROT_READ, PROT_WRITE
from libc.stdint cimport uint8_t, uint16_t, int32_t

cdef extern from "<sys/mman.h>" nogil:
    int madvise(void *start, size_t size, int advice)
    int MADV_HUGEPAGE
from qemu_py._core.cpu cimport *
from qemu_py._core.dirty cimport hits_code, tlb_protect_code, tlb_unprotect_code
from qemu_py._core.ir.verify cimport check_tb
from qemu_py._core.softmmu cimport get_page_addr_code, tb_still_mapped, tlb_flush
from qemu_py._core.x86.translate cimport gen_intermediate_code


# ---------------------------------------------------------------- tagged pointers
cdef inline TranslationBlock *untag(TranslationBlock *p) noexcept nogil:
    return <TranslationBlock *> (<uintptr_t> p & ~<uintptr_t> 3)

cdef enum:
    KNOWN_BITS = 22
    KNOWN_BYTES = 1 << 19       # 2**KNOWN_BITS bits
    PHYS_HASH_BYTES = CODE_GEN_PHYS_HASH_SIZE * 8

cdef inline int tag_of(TranslationBlock *p) noexcept nogil:
    return <int> (<uintptr_t> p & 3)

cdef inline TranslationBlock *tagged(TranslationBlock *p, int tag) noexcept nogil:
    return <TranslationBlock *> (<uintptr_t> p | <uintptr_t> tag)


# ---------------------------------------------------------------- the context
cdef TBContext *tb_context_new(uint64_t buffer_size, uint32_t max_tbs) except NULL:
    cdef TBContext *tbx = <TBContext *> calloc(1, sizeof(TBContext))
    if tbx == NULL:
        raise MemoryError("translation cache")
    tbx.max_tbs = max_tbs
    tbx.code_gen_buffer_size = buffer_size
    tbx.code_gen_buffer = <uint8_t *> mmap(NULL, buffer_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    tbx.tb_phys_hash = <TranslationBlock **> calloc(1, PHYS_HASH_BYTES + KNOWN_BYTES)
    tbx.tbs = <TranslationBlock *> mmap(NULL, <uint64_t> max_tbs * sizeof(TranslationBlock),
                                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if tbx.code_gen_buffer == MAP_FAILED or tbx.tbs == MAP_FAILED or tbx.tb_phys_hash == NULL:
        tb_context_free(tbx)
        raise MemoryError("translation cache")
    madvise(tbx.code_gen_buffer, buffer_size, MADV_HUGEPAGE)        # fresh IR is a page fault for each 128 ops else
    tbx.code_gen_ptr = tbx.code_gen_buffer
    tbx.code_gen_end = tbx.code_gen_buffer + buffer_size - CODE_GEN_MAX_OPS * sizeof(IROp)
    tbx.invalidate_fast = tb_invalidate_phys_page_fast
    tbx.flush_jmp_cache = tb_flush_jmp_cache
    tbx.invalidate_range = tb_invalidate_any_thread
    tbx.flush_all = tb_flush_env
    return tbx


cdef void tb_context_free(TBContext *tbx) noexcept:
    if tbx.code_gen_buffer != MAP_FAILED:
        munmap(tbx.code_gen_buffer, tbx.code_gen_buffer_size)
    if tbx.tbs != MAP_FAILED:
        munmap(tbx.tbs, <uint64_t> tbx.max_tbs * sizeof(TranslationBlock))
    free(tbx.tb_phys_hash)
    free(tbx)


# ---------------------------------------------------------------- look-up
# Behind the buckets of tb_phys_hash is a bit for each hash of an address for which there has been a TB since the last flush. What
# was never translated, most of what is not in the CPU's tb_jmp_cache, is not looked for in the chains.
cdef inline uint8_t *known(TBContext *tbx) noexcept nogil:
    return <uint8_t *> tbx.tb_phys_hash + PHYS_HASH_BYTES

cdef inline uint32_t known_bit(uint64_t phys_pc, uint64_t pc) noexcept nogil:
    return <uint32_t> ((<uint32_t> pc ^ <uint32_t> phys_pc * 0x85EBCA6BU) * 0x9E3779B1U) >> (32 - KNOWN_BITS)

cdef inline uint32_t tb_phys_hash_func(uint64_t phys_pc, uint64_t pc) noexcept nogil:
    """By the physical address; and where the linear one differs by that, too, for a program may be elsewhere in each of its processes."""
    return <uint32_t> (phys_pc >> 2 ^ (phys_pc ^ pc) >> 12) & (CODE_GEN_PHYS_HASH_SIZE - 1)


cdef TranslationBlock *tb_find_slow(CPUX86State *env, uint64_t pc, uint64_t cs_base, uint32_t flags) noexcept nogil:
    """The TB for pc, made if there is none. NULL: a fault is pending."""
    cdef TBContext *tbx = env.tbx
    cdef TranslationBlock **link
    cdef TranslationBlock *tb
    cdef uint8_t *host = NULL
    cdef int fault = 0
    cdef TranslationBlock *none = NULL
    cdef uint64_t phys_page1, phys_page2 = RAM_ADDR_INVALID, phys_pc, second, saved_cr2
    cdef uint32_t h
    tbx.tb_invalidated_flag = 0
    if <uint32_t> (pc - cs_base) > <uint32_t> (cs_base >> 32):     # beyond CS' limit: #GP, before any #PF
        return tb_gen_code(env, pc, cs_base, flags, env.tb_cflags)
    phys_page1 = get_page_addr_code(env, pc, &host, &fault)
    if fault:
        return NULL
    if env.kernel_global and env.mmu_idx == MMU_KERNEL_IDX and env.iotlb[MMU_KERNEL_IDX][(pc >> 12) & 1023].no_site:
        env.kernel_global = 0           # the kernel's code is not in global pages, after all
        tlb_flush(env)
    if phys_page1 != RAM_ADDR_INVALID:
        phys_pc = phys_page1 + (pc & (TARGET_PAGE_SIZE - 1))
        h = known_bit(phys_pc, pc)
        if not known(tbx)[h >> 3] >> (h & 7) & 1:
            link = &none
        else:
            h = tb_phys_hash_func(phys_pc, pc)
            link = &tbx.tb_phys_hash[h]
        while link[0] != NULL:
            tb = link[0]
            if tb.pc == pc and tb.page_addr[0] == phys_page1 and tb.cs_base == cs_base and tb.flags == flags:
                if tb.page_addr[1] != RAM_ADDR_INVALID:
                    second = (pc & TARGET_PAGE_MASK) + TARGET_PAGE_SIZE
                    saved_cr2 = env.cr[2]
                    phys_page2 = get_page_addr_code(env, <uint32_t> second, &host, &fault)
                    if fault:                   # then the TB to run ends before the second page
                        env.cr[2] = saved_cr2
                        env.exception_index = EXCP_NONE
                        fault = 0
                        phys_page2 = RAM_ADDR_INVALID
                if tb.page_addr[1] == RAM_ADDR_INVALID or tb.page_addr[1] == phys_page2:
                    link[0] = tb.phys_hash_next     # to the head: what was used last is wanted next
                    tb.phys_hash_next = tbx.tb_phys_hash[h]
                    tbx.tb_phys_hash[h] = tb
                    break
            link = &tb.phys_hash_next
        else:
            tb = tb_gen_code(env, pc, cs_base, flags, env.tb_cflags)
    else:
        tb = tb_gen_code(env, pc, cs_base, flags, env.tb_cflags)
    if tb != NULL and not tb.cflags & CF_NOCACHE and not flags & HF_ONE_INSN:
        h = tb_jmp_cache_hash_func(pc)
        env.tb_jmp_cache[h].tb = tb
        env.tb_jmp_cache[h].epoch = env.code_epoch
    return tb


cdef TranslationBlock *tb_find_fast(CPUX86State *env) noexcept nogil:
    """The TB for the CPU's present state. NULL: a fault is pending."""
    cdef uint64_t pc = <uint32_t> (env.segs[R_CS].base + env.eip)
    cdef TBJmpCacheEntry *e = &env.tb_jmp_cache[tb_jmp_cache_hash_func(pc)]
    cdef TranslationBlock *tb = e.tb
    if (tb != NULL and tb.pc == pc and tb.cs_base == env.cs_key and tb.flags == env.hflags
            and (e.epoch == env.code_epoch or tb_still_mapped(env, tb))):
        e.epoch = env.code_epoch
        return tb
    return tb_find_slow(env, pc, env.cs_key, env.hflags)


# ---------------------------------------------------------------- generation
cdef TranslationBlock *tb_alloc(TBContext *tbx) noexcept nogil:
    cdef TranslationBlock *tb
    if tbx.nb_tbs >= tbx.max_tbs or tbx.code_gen_ptr >= tbx.code_gen_end:
        return NULL
    tb = &tbx.tbs[tbx.nb_tbs]
    tbx.nb_tbs += 1
    memset(tb, 0, sizeof(TranslationBlock))
    return tb


cdef void tb_free(TBContext *tbx, TranslationBlock *tb) noexcept nogil:
    if tbx.nb_tbs and tb == &tbx.tbs[tbx.nb_tbs - 1]:
        tbx.code_gen_ptr = <uint8_t *> tb.ir
        tbx.nb_tbs -= 1


cdef TranslationBlock *tb_gen_code(CPUX86State *env, uint64_t pc, uint64_t cs_base, uint32_t flags, uint32_t cflags) noexcept nogil:
    """Translate. NULL: the first instruction cannot be fetched, a fault is pending."""
    cdef TBContext *tbx = env.tbx
    cdef TranslationBlock *tb = tb_alloc(tbx)
    if tb == NULL:
        tb_flush(tbx, env.dispatch)
        tb = tb_alloc(tbx)
        tbx.tb_invalidated_flag = 1         # don't forget: the previous TB is gone too
    tb.pc = pc
    tb.cs_base = cs_base
    tb.flags = flags
    tb.cflags = cflags
    tb.ir = <IROp *> tbx.code_gen_ptr
    tb.jmp_xpage[0] = tb.jmp_xpage[1] = 1       # no successor on its page, until set_successor
    tbx.translating = 1
    if gen_intermediate_code(env, tb, tb.ir):
        tbx.translating = 0
        tb_free(tbx, tb)
        return NULL
    tbx.translating = 0
    tbx.code_gen_ptr += tb.nops * sizeof(IROp)
    tbx.tb_gen_count += 1
    tbx.tb_gen_insns += tb.icount
    tb.jmp_first = tagged(tb, 2)
    check_tb(tb)
    if not tb.cflags & CF_NOCACHE:
        tb_link_page(tbx, env.dispatch, tb)
        if tbx.host_head != NULL and not flags & HF_ONE_INSN:
            tb.warm = tbx.host_threshold
            tb.ir[0].fn = tbx.host_head
    return tb


cdef void tb_alloc_page(AddressSpaceDispatch *d, TranslationBlock *tb, int n) noexcept nogil:
    cdef uint64_t page = tb.page_addr[n]
    cdef PageDesc *p = page_find(d, page)
    cdef bint first = p.first_tb == NULL
    tb.page_next[n] = p.first_tb
    p.first_tb = tagged(tb, n)
    invalidate_page_bitmap(p)
    if first:
        tlb_protect_code(d, page)


cdef void tb_link_page(TBContext *tbx, AddressSpaceDispatch *d, TranslationBlock *tb) noexcept nogil:
    """Enter a new TB in the hash and its pages' lists."""
    cdef uint64_t phys_pc = tb.page_addr[0] + (tb.pc & (TARGET_PAGE_SIZE - 1))
    cdef uint32_t h = tb_phys_hash_func(phys_pc, tb.pc)
    tb.phys_hash_next = tbx.tb_phys_hash[h]
    tbx.tb_phys_hash[h] = tb
    h = known_bit(phys_pc, tb.pc)
    known(tbx)[h >> 3] |= 1 << (h & 7)
    tb_alloc_page(d, tb, 0)
    if tb.page_addr[1] != RAM_ADDR_INVALID:
        tb_alloc_page(d, tb, 1)


# ---------------------------------------------------------------- pages
cdef PageDesc *page_find(AddressSpaceDispatch *d, uint64_t ram_addr) noexcept nogil:
    """NULL: not RAM."""
    cdef uint64_t index = ram_addr >> TARGET_PAGE_BITS
    if index >= d.ram_pages:
        return NULL
    return &d.pages[index]


cdef void invalidate_page_bitmap(PageDesc *p) noexcept nogil:
    if p.code_bitmap != NULL:
        free(p.code_bitmap)
        p.code_bitmap = NULL
    p.code_write_count = 0


cdef void tb_range_in_page(TranslationBlock *tb, int n, uint32_t *start, uint32_t *end) noexcept nogil:
    """Offsets of the TB's bytes in its page n: [start, end)."""
    cdef uint32_t offset = tb.pc & (TARGET_PAGE_SIZE - 1)
    if n == 0:
        start[0] = offset
        end[0] = offset + tb.size
        if end[0] > TARGET_PAGE_SIZE:
            end[0] = TARGET_PAGE_SIZE
    else:
        start[0] = 0
        end[0] = offset + tb.size - TARGET_PAGE_SIZE


cdef inline bint only_live(TranslationBlock *tb, int n, uint32_t first, uint32_t last) noexcept nogil:
    """[first, last) of its page n is within an immediate that it reads when it runs."""
    cdef uint32_t i, offset
    for i in range(tb.nb_live):
        offset = <uint32_t> (tb.pc & (TARGET_PAGE_SIZE - 1)) + tb.live[i]
        if n == 0 and offset <= first and last <= offset + 4:
            return True
    return False


cdef void note_patch(PageDesc *p, uint32_t offset) noexcept nogil:
    """A dword of code was stored to: when that happens often, translations will read it when they run."""
    cdef uint32_t i
    for i in range(8):
        if p.patched[i] == offset:
            if p.patch_count[i] < PATCHED_OFTEN:
                p.patch_count[i] += 1
            return
    p.patched[p.patch_next] = <uint16_t> offset
    p.patch_count[p.patch_next] = 1
    p.patch_next = (p.patch_next + 1) & 7


cdef void build_page_bitmap(PageDesc *p) noexcept nogil:
    cdef TranslationBlock *tb = p.first_tb
    cdef uint32_t start, end, i
    cdef int n
    p.code_bitmap = <uint8_t *> calloc(1, TARGET_PAGE_SIZE / 8)
    if p.code_bitmap == NULL:
        return
    while tb != NULL:
        n = tag_of(tb)
        tb = untag(tb)
        tb_range_in_page(tb, n, &start, &end)
        for i in range(start, end):
            if not tb.nb_live or not only_live(tb, n, i, i + 1):
                p.code_bitmap[i >> 3] |= 1 << (i & 7)
        tb = tb.page_next[n]


cdef int tb_invalidate_phys_page_fast(CPUX86State *env, uint64_t ram_addr, uint32_t size) noexcept nogil:
    cdef PageDesc *p = page_find(env.dispatch, ram_addr)
    cdef uint32_t offset = ram_addr & (TARGET_PAGE_SIZE - 1)
    cdef uint32_t i, start, end
    cdef TranslationBlock *tb
    cdef int n
    if p == NULL:
        return 0
    env.tbx.smc_write_count += 1
    if env.tbx.user_mode:
        return tb_invalidate_phys_page(env, ram_addr)
    if p.code_bitmap == NULL and p.first_tb != NULL:
        p.code_write_count += 1
        if p.code_write_count >= SMC_BITMAP_USE_THRESHOLD:
            build_page_bitmap(p)
    if p.code_bitmap != NULL:
        if not hits_code(p.code_bitmap, offset, size):
            return 0
    # The running TB must not change under its own feet: nothing is stored, the instruction is run
    # again alone, in a TB that is on no list.
    tb = env.current_tb
    if tb != NULL and not tb.cflags & CF_NOCACHE:
        for n in range(2):
            if tb.page_addr[n] == ram_addr & TARGET_PAGE_MASK:
                tb_range_in_page(tb, n, &start, &end)
                if start < offset + size and offset < end and not only_live(tb, n, offset, offset + size):
                    env.tbx.smc_restart_count += 1
                    env.exception_index = EXCP_RESTART
                    return 1
    if size == 4:
        note_patch(p, offset)
    tb_invalidate_phys_page_range(env.tbx, env.dispatch, ram_addr, ram_addr + size)
    return 0


cdef int tb_invalidate_phys_page(CPUX86State *env, uint64_t ram_addr) noexcept nogil:
    """User mode: the write-protected page of ram_addr was hit; all its TBs go. Nonzero: the running
    TB is one of them, nothing was done; EXCP_RESTART is pending."""
    cdef TranslationBlock *tb = env.current_tb
    cdef uint64_t page = ram_addr & TARGET_PAGE_MASK
    if tb != NULL and not tb.cflags & CF_NOCACHE and (tb.page_addr[0] == page or tb.page_addr[1] == page):
        env.exception_index = EXCP_RESTART
        return 1
    tb_invalidate_phys_page_range(env.tbx, env.dispatch, page, page + TARGET_PAGE_SIZE)
    return 0


cdef void tb_invalidate_phys_page_range(TBContext *tbx, AddressSpaceDispatch *d, uint64_t start, uint64_t end) noexcept nogil:
    """Invalidate the TBs with a byte in [start, end), any number of pages."""
    cdef uint64_t page = start & TARGET_PAGE_MASK
    cdef uint32_t first, last, tb_start, tb_end
    cdef PageDesc *p
    cdef TranslationBlock *tb
    cdef TranslationBlock *following
    cdef int n
    while page < end:
        p = page_find(d, page)
        if p != NULL and p.first_tb != NULL:
            first = <uint32_t> (start - page) if start > page else 0
            last = <uint32_t> (end - page) if end - page < TARGET_PAGE_SIZE else TARGET_PAGE_SIZE
            tb = p.first_tb
            while tb != NULL:
                n = tag_of(tb)
                tb = untag(tb)
                following = tb.page_next[n]
                tb_range_in_page(tb, n, &tb_start, &tb_end)
                if tb_start < last and first < tb_end and not only_live(tb, n, first, last):
                    tb_phys_invalidate(tbx, d, tb)
                tb = following
            if p.first_tb == NULL:
                invalidate_page_bitmap(p)
                tlb_unprotect_code(d, page)
        page += TARGET_PAGE_SIZE


# ---------------------------------------------------------------- other threads
cdef extern from "<pthread.h>" nogil:
    unsigned long pthread_self() noexcept

cdef extern from *:
    """
    #define qp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
    #define qp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
    """
    void store_release "qp_store_release"(uint32_t *p, uint32_t v) noexcept nogil
    uint32_t load_acquire "qp_load_acquire"(uint32_t *p) noexcept nogil

cdef enum:
    WORK_SIZE = 64


cdef uintptr_t this_thread() noexcept nogil:
    return <uintptr_t> pthread_self()


cdef void tb_invalidate_any_thread(TBContext *tbx, AddressSpaceDispatch *d, uint64_t start, uint64_t end) noexcept nogil:
    cdef uint32_t head
    cdef CPUX86State *env
    if not tbx.running or tbx.exec_thread == this_thread():
        tb_invalidate_phys_page_range(tbx, d, start, end)
        return
    head = tbx.work_head
    if head - load_acquire(&tbx.work_tail) == WORK_SIZE:
        store_release(&tbx.work_flush, 1)
    else:
        tbx.work_start[head % WORK_SIZE] = start
        tbx.work_end[head % WORK_SIZE] = end
        store_release(&tbx.work_head, head + 1)
    env = tbx.first_cpu
    while env != NULL:
        env.exit_request = 1
        env = env.next_cpu


cdef void tb_run_work(TBContext *tbx, AddressSpaceDispatch *d) noexcept nogil:
    cdef uint32_t tail = tbx.work_tail
    if load_acquire(&tbx.work_flush):
        store_release(&tbx.work_flush, 0)
        tb_flush(tbx, d)
    while tail != load_acquire(&tbx.work_head):
        tb_invalidate_phys_page_range(tbx, d, tbx.work_start[tail % WORK_SIZE], tbx.work_end[tail % WORK_SIZE])
        tail += 1
        store_release(&tbx.work_tail, tail)


# ---------------------------------------------------------------- chaining
cdef void tb_add_jump(TranslationBlock *tb, int n, TranslationBlock *tb_next, uint64_t link_epoch) noexcept nogil:
    """Let successor n of tb be tb_next, straight."""
    if tb.jmp_dest[n] != NULL:
        if tb.jmp_dest[n] == tb_next:
            tb.jmp_epoch[n] = link_epoch
            return
        tb_jmp_remove(tb, n)
    tb.jmp_dest[n] = tb_next
    tb.jmp_epoch[n] = link_epoch
    tb.jmp_next[n] = tb_next.jmp_first
    tb_next.jmp_first = tagged(tb, n)


cdef inline void tb_reset_jump(TranslationBlock *tb, int n) noexcept nogil:
    """Successor n goes back to the dispatcher."""
    tb.jmp_dest[n] = NULL
    if tb.tc_jmp[n] != NULL:
        (<int32_t *> (tb.tc_jmp[n] - 4))[0] = <int32_t> (tb.tc_exit[n] - tb.tc_jmp[n])


cdef void tb_jmp_remove(TranslationBlock *tb, int n) noexcept nogil:
    """Take tb out of the list of those that jump to its successor n."""
    cdef TranslationBlock *to = tb.jmp_dest[n]
    cdef TranslationBlock **link
    cdef TranslationBlock *p
    if to == NULL:
        return
    link = &to.jmp_first
    while True:
        p = link[0]
        if untag(p) == tb and tag_of(p) == n:
            link[0] = tb.jmp_next[n]
            break
        if tag_of(p) == 2:
            break
        link = &untag(p).jmp_next[tag_of(p)]
    tb.jmp_next[n] = NULL
    tb_reset_jump(tb, n)


# ---------------------------------------------------------------- invalidation
cdef void tb_remove(TranslationBlock **link, TranslationBlock *tb) noexcept nogil:
    while link[0] != NULL:
        if link[0] == tb:
            link[0] = tb.phys_hash_next
            return
        link = &link[0].phys_hash_next


cdef void tb_page_remove(TranslationBlock **link, TranslationBlock *tb) noexcept nogil:
    cdef TranslationBlock *p
    cdef int n
    while link[0] != NULL:
        n = tag_of(link[0])
        p = untag(link[0])
        if p == tb:
            link[0] = tb.page_next[n]
            return
        link = &p.page_next[n]


cdef void tb_phys_invalidate(TBContext *tbx, AddressSpaceDispatch *d, TranslationBlock *tb) noexcept nogil:
    """Make a TB unreachable: from the hash, its pages, the jump caches and the TBs that jump to it."""
    cdef CPUX86State *env
    cdef TranslationBlock *p
    cdef TranslationBlock *following
    cdef uint32_t h
    cdef PageDesc *page
    cdef int n
    h = tb_phys_hash_func(tb.page_addr[0] + (tb.pc & (TARGET_PAGE_SIZE - 1)), tb.pc)
    tb_remove(&tbx.tb_phys_hash[h], tb)
    for n in range(2):
        if tb.page_addr[n] != RAM_ADDR_INVALID:
            page = page_find(d, tb.page_addr[n])
            tb_page_remove(&page.first_tb, tb)
            invalidate_page_bitmap(page)
            if page.first_tb == NULL:
                tlb_unprotect_code(d, tb.page_addr[n])
    tbx.tb_invalidated_flag = 1
    h = tb_jmp_cache_hash_func(tb.pc)
    env = tbx.first_cpu
    while env != NULL:
        if env.tb_jmp_cache[h].tb == tb:
            env.tb_jmp_cache[h].tb = NULL
        if tb.tc_ptr != NULL:
            tbx.host_forget(env, tb)
            env.exit_request = 1
        env = env.next_cpu
    tb_jmp_remove(tb, 0)
    tb_jmp_remove(tb, 1)
    p = tb.jmp_first
    while tag_of(p) != 2:
        n = tag_of(p)
        p = untag(p)
        following = p.jmp_next[n]
        tb_reset_jump(p, n)
        p.jmp_next[n] = NULL
        p = following
    tb.jmp_first = tagged(tb, 2)
    if tb.cflags & CF_PROFILE:
        tbx.profile_collect(tbx, d, tb)         # while its bytes are there
    tb.invalid = 1
    tbx.tb_phys_invalidate_count += 1


cdef void tb_flush(TBContext *tbx, AddressSpaceDispatch *d) noexcept nogil:
    """Forget every TB. A TB that is running keeps its IR until the next one is made."""
    cdef uint64_t i
    cdef uint32_t k
    cdef int n
    cdef TranslationBlock *tb
    cdef CPUX86State *env
    for k in range(tbx.nb_tbs):
        tb = &tbx.tbs[k]
        if tbx.profile_collect != NULL:
            tbx.profile_collect(tbx, d, tb)
        tb.invalid = 1
        tb_reset_jump(tb, 0)
        tb_reset_jump(tb, 1)
        if tb.cflags & CF_NOCACHE:
            continue
        for n in range(2):
            if tb.page_addr[n] != RAM_ADDR_INVALID:
                i = tb.page_addr[n] >> TARGET_PAGE_BITS
                if d.pages[i].first_tb != NULL:
                    d.pages[i].first_tb = NULL
                    invalidate_page_bitmap(&d.pages[i])
                    tlb_unprotect_code(d, tb.page_addr[n])
    tbx.nb_tbs = 0
    tbx.code_gen_ptr = tbx.code_gen_buffer
    if tbx.host_flush != NULL:
        tbx.host_flush(tbx)
    memset(tbx.tb_phys_hash, 0, PHYS_HASH_BYTES + KNOWN_BYTES)
    env = tbx.first_cpu
    while env != NULL:
        memset(env.tb_jmp_cache, 0, TB_JMP_CACHE_SIZE * sizeof(TBJmpCacheEntry))
        env.exit_request = 1            # one that runs goes round no more
        env = env.next_cpu
    tbx.tb_invalidated_flag = 1
    tbx.tb_flush_count += 1


cdef void tb_flush_env(CPUX86State *env) noexcept nogil:
    tb_flush(env.tbx, env.dispatch)


cdef void tb_flush_jmp_cache(CPUX86State *env, uint64_t va) noexcept nogil:
    """Drop the entries of va's page, and of the one before it, whose last TB may reach into it."""
    cdef uint32_t page = tb_jmp_cache_hash_func(va) & ~<uint32_t> ((1 << TB_JMP_PAGE_BITS) - 1)
    memset(&env.tb_jmp_cache[page], 0, (1 << TB_JMP_PAGE_BITS) * sizeof(TBJmpCacheEntry))
    page = tb_jmp_cache_hash_func(va - TARGET_PAGE_SIZE) & ~<uint32_t> ((1 << TB_JMP_PAGE_BITS) - 1)
    memset(&env.tb_jmp_cache[page], 0, (1 << TB_JMP_PAGE_BITS) * sizeof(TBJmpCacheEntry))
