"""Guest memory accesses by linear address: the inline TLB hit.

Every function takes a linear address that is already truncated to the guest's width. A fault is a
return value: the exception is then pending in env and the caller must leave without side effects.

    ld8/ld16/ld32    the value, or -1: fault pending
    ld64, ld128      True: fault pending; the value is stored through `out`
    st8 .. st128     nonzero: leave (fault, or a store into the running TB); nothing was stored
    *_k              the same with supervisor rights whatever CPL is (descriptor tables, TSS, stacks)

Never pass the address of a local to `out` in an interpreter op: it would end tail calls.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport (CPUX86State, CPUTLBEntry, CPU_TLB_SIZE, TranslationBlock, TARGET_PAGE_MASK,
                                TARGET_PAGE_BITS, MMU_KERNEL_IDX)
from qemu_py._core.pagewalk cimport ACCESS_CODE, ACCESS_READ, ACCESS_WRITE

# env.watchpoint_flags after a hit: the BP_* flags of all that were hit, and for the guest's own (BP_CPU)
# a bit for each debug register from here on. Nonzero means a hit; cpu_exec clears it.
cdef enum:
    WATCH_DR_SHIFT = 16

# ---- cold halves (softmmu.pyx)
cdef int64_t ld_slow(CPUX86State *env, uint64_t va, int size, int mmu_idx) noexcept nogil
cdef int ld64_slow(CPUX86State *env, uint64_t va, uint64_t *out, int mmu_idx) noexcept nogil
cdef int st_slow(CPUX86State *env, uint64_t va, uint64_t value, int size, int mmu_idx) noexcept nogil
# Read for a read-modify-write: write permission is checked first, for all `size` (1, 2, 4) bytes.
cdef int64_t ld_rmw_slow(CPUX86State *env, uint64_t va, int size, int mmu_idx) noexcept nogil
cdef int ld128(CPUX86State *env, uint64_t va, uint64_t *out) noexcept nogil
cdef int st128(CPUX86State *env, uint64_t va, uint64_t *value) noexcept nogil

# Would `size` bytes (any number up to a page) be readable / writable? Nonzero: fault pending.
cdef int probe_read(CPUX86State *env, uint64_t va, uint32_t size, int mmu_idx) noexcept nogil
cdef int probe_write(CPUX86State *env, uint64_t va, uint32_t size, int mmu_idx) noexcept nogil
# Host address of va for direct access up to the end of its page, or NULL when there is none (MMIO,
# a code page or dirty log for writes, not mapped): NULL raises nothing. Fills the TLB if it may.
cdef uint8_t *tlb_vaddr_to_host(CPUX86State *env, uint64_t va, int access, int mmu_idx) noexcept nogil
# The same for a store of `size` bytes within a page that holds code, whose TLB entry is there: the blocks that it changes go
# first, or, without `invalidate`, there must be none. NULL: the running TB is among them, or it is no such page.
cdef uint8_t *tlb_code_page_to_host(CPUX86State *env, uint64_t va, uint32_t size, bint invalidate) noexcept nogil
# True: page fault pending (error_code, CR2 set). False: the TLB entry for va is valid.
cdef int tlb_fill(CPUX86State *env, uint64_t va, int access, int mmu_idx) noexcept nogil
cdef void tlb_flush(CPUX86State *env) noexcept nogil
# For a load of CR3: all but global pages.
cdef void tlb_flush_cr3(CPUX86State *env) noexcept nogil
# Are the TB's pages still where it was translated from? False: not known.
cdef bint tb_still_mapped(CPUX86State *env, TranslationBlock *tb) noexcept nogil
cdef void tlb_flush_page(CPUX86State *env, uint64_t va) noexcept nogil
# Page of `va` as RAM offset for translation; RAM_ADDR_INVALID: code outside RAM (fetch by
# code_fetch8); *fault set: page fault pending. *host: host address of the page, or NULL.
cdef uint64_t get_page_addr_code(CPUX86State *env, uint64_t va, uint8_t **host, int *fault) noexcept nogil
cdef int code_fetch8(CPUX86State *env, uint64_t va) noexcept nogil


cdef inline CPUTLBEntry *tlb_entry(CPUX86State *env, uint64_t va) noexcept nogil:
    return &env.tlb_cur[(va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)]


# The tag is compared with the page of the *last* byte: an access that crosses a page cannot match
# the first byte's entry, so one compare rejects misses, MMIO (flag bits in the tag) and crossings.
cdef inline int64_t ld8(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_read == ((va & TARGET_PAGE_MASK) | env.tlb_epoch):
        return (<uint8_t *> <uintptr_t> (e.addend + va))[0]
    return ld_slow(env, va, 1, env.mmu_idx)


cdef inline int64_t ld16(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_read == (((va + 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        return (<uint16_t *> <uintptr_t> (e.addend + va))[0]
    return ld_slow(env, va, 2, env.mmu_idx)


cdef inline int64_t ld32(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_read == (((va + 3) & TARGET_PAGE_MASK) | env.tlb_epoch):
        return (<uint32_t *> <uintptr_t> (e.addend + va))[0]
    return ld_slow(env, va, 4, env.mmu_idx)


cdef inline int ld64(CPUX86State *env, uint64_t va, uint64_t *out) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_read == (((va + 7) & TARGET_PAGE_MASK) | env.tlb_epoch):
        out[0] = (<uint64_t *> <uintptr_t> (e.addend + va))[0]
        return 0
    return ld64_slow(env, va, out, env.mmu_idx)


cdef inline int st8(CPUX86State *env, uint64_t va, uint8_t value) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_write == ((va & TARGET_PAGE_MASK) | env.tlb_epoch):
        (<uint8_t *> <uintptr_t> (e.addend + va))[0] = value
        return 0
    return st_slow(env, va, value, 1, env.mmu_idx)


cdef inline int st16(CPUX86State *env, uint64_t va, uint16_t value) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_write == (((va + 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        (<uint16_t *> <uintptr_t> (e.addend + va))[0] = value
        return 0
    return st_slow(env, va, value, 2, env.mmu_idx)


cdef inline int st32(CPUX86State *env, uint64_t va, uint32_t value) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_write == (((va + 3) & TARGET_PAGE_MASK) | env.tlb_epoch):
        (<uint32_t *> <uintptr_t> (e.addend + va))[0] = value
        return 0
    return st_slow(env, va, value, 4, env.mmu_idx)


cdef inline int st64(CPUX86State *env, uint64_t va, uint64_t value) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_write == (((va + 7) & TARGET_PAGE_MASK) | env.tlb_epoch):
        (<uint64_t *> <uintptr_t> (e.addend + va))[0] = value
        return 0
    return st_slow(env, va, value, 8, env.mmu_idx)


cdef inline uint8_t *host_rw(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    """Host address for a read-modify-write, or NULL: take the slow way.

    The page must be readable too; on x86 whatever is writable is."""
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_write == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        return <uint8_t *> <uintptr_t> (e.addend + va)
    return NULL


# ---- with supervisor rights
cdef inline int64_t ld_k(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    cdef CPUTLBEntry *e = &env.tlb[MMU_KERNEL_IDX][(va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)]
    if e.addr_read == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        if size == 4:
            return (<uint32_t *> <uintptr_t> (e.addend + va))[0]
        if size == 2:
            return (<uint16_t *> <uintptr_t> (e.addend + va))[0]
        return (<uint8_t *> <uintptr_t> (e.addend + va))[0]
    return ld_slow(env, va, size, MMU_KERNEL_IDX)


cdef inline int64_t ld8_k(CPUX86State *env, uint64_t va) noexcept nogil:
    return ld_k(env, va, 1)


cdef inline int64_t ld16_k(CPUX86State *env, uint64_t va) noexcept nogil:
    return ld_k(env, va, 2)


cdef inline int64_t ld32_k(CPUX86State *env, uint64_t va) noexcept nogil:
    return ld_k(env, va, 4)


cdef inline int st_k(CPUX86State *env, uint64_t va, uint32_t value, int size) noexcept nogil:
    cdef CPUTLBEntry *e = &env.tlb[MMU_KERNEL_IDX][(va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)]
    if e.addr_write == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        if size == 4:
            (<uint32_t *> <uintptr_t> (e.addend + va))[0] = value
        elif size == 2:
            (<uint16_t *> <uintptr_t> (e.addend + va))[0] = <uint16_t> value
        else:
            (<uint8_t *> <uintptr_t> (e.addend + va))[0] = <uint8_t> value
        return 0
    return st_slow(env, va, value, size, MMU_KERNEL_IDX)


cdef inline int st8_k(CPUX86State *env, uint64_t va, uint32_t value) noexcept nogil:
    return st_k(env, va, value, 1)


cdef inline int st16_k(CPUX86State *env, uint64_t va, uint32_t value) noexcept nogil:
    return st_k(env, va, value, 2)


cdef inline int st32_k(CPUX86State *env, uint64_t va, uint32_t value) noexcept nogil:
    return st_k(env, va, value, 4)


# ---- the hit alone, for ops that leave a miss to a slow half of theirs
cdef inline bint tlb_hit_read(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    return tlb_entry(env, va).addr_read == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch)

cdef inline bint tlb_hit_write(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    return tlb_entry(env, va).addr_write == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch)

cdef inline uint8_t host_ld8(CPUX86State *env, uint64_t va) noexcept nogil:
    return (<uint8_t *> <uintptr_t> (tlb_entry(env, va).addend + va))[0]

cdef inline uint16_t host_ld16(CPUX86State *env, uint64_t va) noexcept nogil:
    return (<uint16_t *> <uintptr_t> (tlb_entry(env, va).addend + va))[0]

cdef inline uint32_t host_ld32(CPUX86State *env, uint64_t va) noexcept nogil:
    return (<uint32_t *> <uintptr_t> (tlb_entry(env, va).addend + va))[0]

cdef inline void host_st8(CPUX86State *env, uint64_t va, uint8_t value) noexcept nogil:
    (<uint8_t *> <uintptr_t> (tlb_entry(env, va).addend + va))[0] = value

cdef inline void host_st16(CPUX86State *env, uint64_t va, uint16_t value) noexcept nogil:
    (<uint16_t *> <uintptr_t> (tlb_entry(env, va).addend + va))[0] = value

cdef inline void host_st32(CPUX86State *env, uint64_t va, uint32_t value) noexcept nogil:
    (<uint32_t *> <uintptr_t> (tlb_entry(env, va).addend + va))[0] = value
