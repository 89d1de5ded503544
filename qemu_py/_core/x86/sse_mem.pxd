"""Memory operands of SSE ops: the inline TLB hit, and what comes when it misses (sse_mem.pyx)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport CPUTLBEntry, CPUX86State, IROp, TARGET_PAGE_MASK, XMMReg, op_fn
from qemu_py._core.softmmu cimport tlb_entry

# They end as an op's function does: op_fault, or the next op.
cdef uintptr_t slow_ld16(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_ld16_al(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_ld8(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_ld8_z(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_ld4_z(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_st16(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_st16_al(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_st8(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef uintptr_t slow_st4(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
# An op with a folded memory operand of 4, 8 or 16 (aligned) bytes, done by its register form
cdef uintptr_t slow_operand(CPUX86State *env, IROp *op, uint64_t va, int size, op_fn register_form) noexcept nogil


# ea_seg for operands that must be aligned (ea=r16:gp): #GP(0) for that comes before #SS(0)
cdef int ea_seg_gp(CPUX86State *env, IROp *op, uint32_t size, int write) noexcept nogil


cdef inline XMMReg *xmm_at(CPUX86State *env, uint16_t off) noexcept nogil:
    return <XMMReg *> (<uint8_t *> env + off)


cdef inline const uint8_t *host_r(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    """Host address of an operand that the TLB knows, or NULL."""
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_read == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        return <const uint8_t *> <uintptr_t> (e.addend + va)
    return NULL
