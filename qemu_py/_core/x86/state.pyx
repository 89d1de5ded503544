"""hflags, CPL and the segment caches: what translated code depends on of the CPU's mode.

Source: SDM vol. 3, 2.1 (modes), 3.4.3 (hidden parts of segment registers), 3.5 (descriptors), 5.3
(limits). Not modelled: long mode.
"""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.epochs cimport use_epochs
from qemu_py._core.cpu cimport (
    CPUX86State, SegmentCache, R_CS, R_SS, R_DS, R_ES, CR0_PE, CR0_MP, CR0_EM, CR0_TS, CR0_AM,
    CR4_OSFXSR, TF_MASK, RF_MASK, VM_MASK, AC_MASK, DESC_S, DESC_CS, DESC_R, DESC_W, DESC_E, DESC_B, DESC_P,
    HF_CPL_MASK, HF_CS32, HF_SS32, HF_FLAT_DS, HF_FLAT_ES, HF_FLAT_SS, HF_PE, HF_VM, HF_TF,
    HF_INHIBIT_IRQ, HF_AC, HF_MP, HF_EM, HF_TS, HF_OSFXSR, HF_SMM, HF_RF, MMU_KERNEL_IDX, MMU_USER_IDX)


cdef extern from *:
    """
    /* An access that begins within a 4 GiB segment and ends beyond it goes on at 0 without a fault:
       SDM vol. 3, 5.3 leaves it to the implementation, Intel silicon does so. */
    #define QP_SEGMENT_TOP (0xFFFFFFFFLL + 512)     /* the largest operand: FXSAVE */
    """
    int64_t SEGMENT_TOP "QP_SEGMENT_TOP"


assert (CR0_PE << 8 == HF_PE and CR0_MP << 14 == HF_MP and CR0_EM << 14 == HF_EM and CR0_TS << 14 == HF_TS
        and CR4_OSFXSR << 9 == HF_OSFXSR and DESC_B >> 20 == HF_CS32 and DESC_B >> 19 == HF_SS32
        and 1 << 4 == HF_FLAT_DS and 1 << 5 == HF_FLAT_ES and 1 << 6 == HF_FLAT_SS)


cdef inline uint32_t flat(SegmentCache *s) noexcept nogil:
    """1: base 0, and all of 4 GiB may be read and written."""
    return (s.base | <uint64_t> s.lo | <uint64_t> (s.hi_write ^ SEGMENT_TOP) | <uint64_t> (s.hi_read ^ SEGMENT_TOP)) == 0


cdef inline void use_ring(CPUX86State *env) noexcept nogil:
    env.mmu_idx = MMU_USER_IDX if (env.hflags & HF_CPL_MASK) == 3 else MMU_KERNEL_IDX
    env.tlb_cur = &env.tlb[env.mmu_idx][0]
    use_epochs(env)


cdef void update_ring(CPUX86State *env, uint32_t cpl) noexcept nogil:
    env.hflags = (env.hflags & ~<uint32_t> HF_CPL_MASK) | cpl
    use_ring(env)


cdef void update_hflags(CPUX86State *env) noexcept nogil:
    # These three have no other home than hflags.
    cdef uint32_t h = env.hflags & (HF_CPL_MASK | HF_INHIBIT_IRQ | HF_SMM)
    cdef uint32_t cr0 = <uint32_t> env.cr[0]
    cdef uint32_t eflags = env.eflags
    h |= (cr0 & CR0_PE) << 8 | (cr0 & (CR0_MP | CR0_EM | CR0_TS)) << 14 | (<uint32_t> env.cr[4] & CR4_OSFXSR) << 9
    h |= (env.segs[R_CS].flags & DESC_B) >> 20 | (env.segs[R_SS].flags & DESC_B) >> 19
    h |= flat(&env.segs[R_DS]) << 4 | flat(&env.segs[R_ES]) << 5 | flat(&env.segs[R_SS]) << 6
    if eflags & (VM_MASK | TF_MASK | AC_MASK | RF_MASK):
        if eflags & VM_MASK:
            h |= HF_VM
        if eflags & TF_MASK:
            h |= HF_TF
        if eflags & AC_MASK and cr0 & CR0_AM and (h & HF_CPL_MASK) == 3:
            h |= HF_AC
        # RF matters to instruction breakpoints alone: without them it is dropped and costs no TB.
        if eflags & RF_MASK:
            if env.guest_bp_count:
                h |= HF_RF
            else:
                env.eflags &= ~<uint32_t> RF_MASK
    env.hflags = h
    use_ring(env)
    env.cs_key = env.segs[R_CS].base | (<uint64_t> env.segs[R_CS].limit << 32)


cdef void cpu_set_cpl(CPUX86State *env, int cpl) noexcept nogil:
    env.hflags = (env.hflags & ~HF_CPL_MASK) | <uint32_t> cpl
    update_hflags(env)


cdef void fill_seg_cache(SegmentCache *s, uint32_t selector, uint64_t base, uint32_t limit,
                         uint32_t flags) noexcept nogil:
    cdef int64_t top = SEGMENT_TOP if limit == 0xFFFFFFFFU else limit
    s.selector = selector
    s.base = base
    s.limit = limit
    s.flags = flags
    s.lo = 0
    s.hi_read = -1
    s.hi_write = -1
    if not flags & DESC_P:
        return
    if not flags & DESC_S:          # LDT, TSS: the processor reads and writes them itself
        s.hi_read = s.hi_write = limit
    elif flags & DESC_CS:
        if flags & DESC_R:
            s.hi_read = top
    else:
        if flags & DESC_E:          # SDM vol. 3, 5.3: from limit + 1 up to the segment's size
            s.lo = <uint64_t> limit + 1
            s.hi_read = SEGMENT_TOP if flags & DESC_B else 0xFFFF
        else:
            s.hi_read = top
        if flags & DESC_W:
            s.hi_write = s.hi_read


cdef void cpu_x86_load_seg_cache(CPUX86State *env, int seg, uint32_t selector, uint64_t base,
                                 uint32_t limit, uint32_t flags) noexcept nogil:
    fill_seg_cache(&env.segs[seg], selector, base, limit, flags)
    if seg <= R_DS:                 # ES, CS, SS, DS
        update_hflags(env)
