"""Exceptions, hflags and CPL: what every helper module needs of the CPU's state (state.pyx)."""
from libc.stdint cimport uint32_t, uint64_t, int64_t
from qemu_py._core.cpu cimport (CPUX86State, SegmentCache, EXCP0D_GPF, EXCP0C_STACK, HF_CPL_MASK,
                                HF_PE, HF_VM, R_SS, R_CS, VM_MASK, CR0_PE)

# Recompute hflags, mmu_idx, tlb_cur and cs_key. Call it after changing CS, SS, DS, ES, CR0, CR4,
# CPL, SMM, or EFLAGS' TF, VM, AC. `cpl` is kept in hflags: cpu_set_cpl changes it.
cdef void update_hflags(CPUX86State *env) noexcept nogil
cdef void cpu_set_cpl(CPUX86State *env, int cpl) noexcept nogil
# CPL has changed, and nothing else of all that.
cdef void update_ring(CPUX86State *env, uint32_t cpl) noexcept nogil
# Fill a cache and its range for the generic checks; calls update_hflags for CS, SS, DS, ES.
cdef void cpu_x86_load_seg_cache(CPUX86State *env, int seg, uint32_t selector, uint64_t base, uint32_t limit, uint32_t flags) noexcept nogil
# The same without update_hflags, for changes of several registers at once.
cdef void fill_seg_cache(SegmentCache *s, uint32_t selector, uint64_t base, uint32_t limit, uint32_t flags) noexcept nogil


cdef inline int raise_exception_err(CPUX86State *env, int vector, uint32_t error_code) noexcept nogil:
    """Make a fault pending; give 1, for `return raise_exception_err(...)` in a helper.

    Delivery (double faults, error codes, which vectors push one) is cpu_exec's business."""
    env.exception_index = vector
    env.error_code = error_code
    env.exception_is_int = 0
    return 1


cdef inline int raise_exception(CPUX86State *env, int vector) noexcept nogil:
    return raise_exception_err(env, vector, 0)


cdef inline int cpu_cpl(CPUX86State *env) noexcept nogil:
    return env.hflags & HF_CPL_MASK


cdef inline bint protected_mode(CPUX86State *env) noexcept nogil:
    """CR0.PE and not virtual-8086."""
    return (env.cr[0] & CR0_PE) != 0 and not (env.eflags & VM_MASK)


cdef inline int segment_fault(CPUX86State *env, int seg) noexcept nogil:
    """#SS(0) for the stack segment, else #GP(0)."""
    return raise_exception_err(env, EXCP0C_STACK if seg == R_SS else EXCP0D_GPF, 0)


cdef inline int segment_check(CPUX86State *env, int seg, uint64_t offset, uint32_t size, bint write) noexcept nogil:
    """Limit and type check of `size` bytes at `offset`. Nonzero: #GP(0) or #SS(0) pending."""
    cdef SegmentCache *s = &env.segs[seg]
    cdef int64_t last = <int64_t> offset + size - 1
    if <int64_t> offset >= s.lo and last <= (s.hi_write if write else s.hi_read):
        return 0
    return segment_fault(env, seg)
