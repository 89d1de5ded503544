"""Selectors, descriptors and stacks: what every protected transfer is made of (seg.pyx)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport (CPUX86State, CPUTLBEntry, SegmentCache, TARGET_PAGE_BITS, TARGET_PAGE_MASK,
                                CPU_TLB_SIZE, DESC_G, R_ESP, MMU_KERNEL_IDX)
from qemu_py._core.softmmu cimport ld64_slow, ld_slow
from qemu_py._core.x86.state cimport fill_seg_cache

# What the helpers of control transfers return.
cdef enum:
    XFER_OK = 0
    XFER_FAULT = 1      # fault of this instruction, nothing has changed
    XFER_LATE = 2       # fault after a task switch: env.eip is already that of the new task

# type field of system descriptors, SDM vol. 3, table 3-2
cdef enum:
    SYS_TSS16 = 1
    SYS_LDT = 2
    SYS_TSS16_BUSY = 3
    SYS_CALL16 = 4
    SYS_TASK_GATE = 5
    SYS_INT16 = 6
    SYS_TRAP16 = 7
    SYS_TSS32 = 9
    SYS_TSS32_BUSY = 11
    SYS_CALL32 = 12
    SYS_INT32 = 14
    SYS_TRAP32 = 15


cdef inline uint32_t desc_flags(uint64_t e) noexcept nogil:
    """The second dword: DESC_* bits are in place."""
    return <uint32_t> (e >> 32)

cdef inline uint32_t desc_base(uint64_t e) noexcept nogil:
    return <uint32_t> ((e >> 16) & 0xFFFFFF) | (<uint32_t> (e >> 32) & <uint32_t> 0xFF000000U)

cdef inline uint32_t desc_limit(uint64_t e) noexcept nogil:
    cdef uint32_t limit = <uint32_t> (e & 0xFFFF) | (<uint32_t> (e >> 32) & 0xF0000)
    return (limit << 12 | 0xFFF) if desc_flags(e) & DESC_G else limit

cdef inline uint32_t desc_dpl(uint64_t e) noexcept nogil:
    return <uint32_t> (e >> 45) & 3

cdef inline uint32_t desc_type(uint64_t e) noexcept nogil:
    """S and type: 0-15 for system descriptors, 16-31 for code and data."""
    return <uint32_t> (e >> 40) & 0x1F

cdef inline void fill_from_desc(SegmentCache *s, uint32_t selector, uint64_t e) noexcept nogil:
    fill_seg_cache(s, selector, desc_base(e), desc_limit(e), desc_flags(e) & 0xF0FF00)


# ---- memory with the rights of one MMU mode
cdef inline int64_t ld_idx(CPUX86State *env, uint64_t va, int size, int mmu_idx) noexcept nogil:
    cdef CPUTLBEntry *e = &env.tlb[mmu_idx][(va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)]
    if e.addr_read == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        if size == 4:
            return (<uint32_t *> <uintptr_t> (e.addend + va))[0]
        return (<uint16_t *> <uintptr_t> (e.addend + va))[0]
    return ld_slow(env, va, size, mmu_idx)


cdef inline int ld64_k(CPUX86State *env, uint64_t va, uint64_t *out) noexcept nogil:
    """A descriptor or a gate, with supervisor rights. Nonzero: fault pending."""
    cdef CPUTLBEntry *e = &env.tlb[MMU_KERNEL_IDX][(va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)]
    if e.addr_read == (((va + 7) & TARGET_PAGE_MASK) | env.tlb_epoch):
        out[0] = (<uint64_t *> <uintptr_t> (e.addend + va))[0]
        return 0
    return ld64_slow(env, va, out, MMU_KERNEL_IDX)


# ---- stacks
cdef struct Stack:
    SegmentCache *ss
    uint32_t sp
    uint32_t mask       # FFFFh or FFFFFFFFh, by the B bit of ss
    uint32_t error      # error code of a #SS
    int mmu_idx         # rights of the privilege level that owns the stack

cdef void current_stack(CPUX86State *env, Stack *stack, uint32_t error) noexcept nogil
# Push `n` values of `size` bytes, values[0] first. All or nothing. Nonzero: fault pending.
cdef int push_frame(CPUX86State *env, Stack *stack, const uint32_t *values, int n, int size) noexcept nogil
# Read `n` values, `skip` bytes above the top; moves stack.sp behind them.
cdef int pop_frame(CPUX86State *env, Stack *stack, uint32_t *values, int n, int size, uint32_t skip) noexcept nogil

cdef inline void set_sp(CPUX86State *env, uint32_t sp, uint32_t mask) noexcept nogil:
    # A 16-bit stack leaves the upper half of ESP alone.
    env.regs[R_ESP] = (<uint32_t> env.regs[R_ESP] & ~mask) | (sp & mask)


# ---- descriptors
# The 8 bytes of selector's descriptor. Beyond the table's limit: `vector` with the selector | ext
# as error code. Nonzero: fault pending. The caller has dealt with null selectors.
cdef int load_descriptor(CPUX86State *env, uint32_t selector, uint64_t *e, int vector, uint32_t ext) noexcept nogil
# 0: read; 1: page fault pending; 2: beyond the limit (LAR and friends).
cdef int read_descriptor(CPUX86State *env, uint32_t selector, uint64_t *e) noexcept nogil
cdef int set_accessed(CPUX86State *env, uint32_t selector, uint64_t *e) noexcept nogil
cdef int set_tss_busy(CPUX86State *env, uint32_t selector, bint busy) noexcept nogil
# SS and (E)SP of a privilege level from the TSS, checked for `dpl`, as inner stack (SDM vol. 3,
# 5.8.5). `e` is SS' descriptor; its cache is made in *cache. Nonzero: fault pending.
cdef int inner_stack(CPUX86State *env, uint32_t dpl, uint32_t ext, Stack *stack, SegmentCache *cache) noexcept nogil

# ---- segment registers
cdef void load_seg_real(CPUX86State *env, int seg, uint32_t selector) noexcept nogil
cdef void load_seg_vm86(CPUX86State *env, int seg, uint32_t selector) noexcept nogil
cdef void load_seg_null(CPUX86State *env, int seg, uint32_t selector) noexcept nogil
# MOV, POP, Lxx to ES, SS, DS, FS, GS in any mode. Nonzero: fault pending.
cdef int helper_load_seg(CPUX86State *env, int seg, uint32_t selector) noexcept nogil
cdef int helper_lldt(CPUX86State *env, uint32_t selector) noexcept nogil
cdef int helper_ltr(CPUX86State *env, uint32_t selector) noexcept nogil
# 1: ZF set, and env.t[1] holds LAR's or LSL's result; 0: ZF clear; -1: fault pending
cdef int helper_lar(CPUX86State *env, uint32_t selector) noexcept nogil
cdef int helper_lsl(CPUX86State *env, uint32_t selector) noexcept nogil
cdef int helper_verr(CPUX86State *env, uint32_t selector) noexcept nogil
cdef int helper_verw(CPUX86State *env, uint32_t selector) noexcept nogil
# IN, OUT, INS, OUTS: IOPL and the TSS' I/O permission bitmap. Nonzero: fault pending.
cdef int check_io(CPUX86State *env, uint16_t port, int size) noexcept nogil
