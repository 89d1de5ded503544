"""Memory operands of SSE ops that the TLB cannot answer at once, or that are misaligned.

They are the cold halves of ops whose hot half must not save registers for a call: an op calls one
of them last, and it goes on to the next op.
"""
from qemu_py._core.cpu cimport EXCP0D_GPF
from qemu_py._core.ir.builder cimport xmmt_off
from qemu_py._core.ir.interp cimport EA_SEG_MASK, EA_SEG_SHIFT, ea_offset, op_fault, r32, r64
from qemu_py._core.softmmu cimport ld32, ld64, ld128, st32, st64, st128
from qemu_py._core.x86.simd cimport *
from qemu_py._core.x86.state cimport raise_exception_err, segment_check


cdef inline int misaligned(CPUX86State *env, uint64_t va) noexcept nogil:
    """#GP(0) unless va is a multiple of 16."""
    if va & 15:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    return 0


cdef int ea_seg_gp(CPUX86State *env, IROp *op, uint32_t size, int write) noexcept nogil:
    cdef int seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    cdef uint32_t offset = ea_offset(env, op)
    env.a0 = <uint32_t> (env.segs[seg].base + offset)
    return misaligned(env, env.a0) or segment_check(env, seg, offset, size, write)


cdef uintptr_t slow_ld16(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if ld128(env, va, &xmm_at(env, op.a).q[0]):
        return op_fault(env, op)
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_ld16_al(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if misaligned(env, va) or ld128(env, va, &xmm_at(env, op.a).q[0]):
        return op_fault(env, op)
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_ld8(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if ld64(env, va, &xmm_at(env, op.a).q[0]):
        return op_fault(env, op)
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_ld8_z(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if ld64(env, va, &xmm_at(env, op.a).q[0]):
        return op_fault(env, op)
    xmm_at(env, op.a).q[1] = 0
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_ld4_z(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    cdef int64_t loaded = ld32(env, va)
    if loaded < 0:
        return op_fault(env, op)
    sx(env, op.a, _mm_cvtsi64_si128(loaded))
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_st16(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if st128(env, va, &xmm_at(env, op.a).q[0]):
        return op_fault(env, op)
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_st16_al(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if misaligned(env, va) or st128(env, va, &xmm_at(env, op.a).q[0]):
        return op_fault(env, op)
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_st8(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if st64(env, va, r64(env, op.a)):
        return op_fault(env, op)
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_st4(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    if st32(env, va, r32(env, op.a)):
        return op_fault(env, op)
    return op[1].fn(env, op + 1)


cdef uintptr_t finish(CPUX86State *env, IROp *op) noexcept nogil:
    return 0


cdef uintptr_t slow_operand(CPUX86State *env, IROp *op, uint64_t va, int size, op_fn register_form) noexcept nogil:
    cdef IROp pair[2]
    cdef int64_t loaded
    cdef uintptr_t r
    if size == 16:
        if misaligned(env, va) or ld128(env, va, &env.xmm_t[0].q[0]):
            return op_fault(env, op)
    elif size == 8:
        if ld64(env, va, &env.xmm_t[0].q[0]):
            return op_fault(env, op)
    else:
        loaded = ld32(env, va)
        if loaded < 0:
            return op_fault(env, op)
        env.xmm_t[0].q[0] = loaded
    pair[0] = op[0]
    pair[0].b = xmmt_off(0)
    pair[1].fn = finish
    r = register_form(env, pair)
    if r:
        return r                # op_fault's answer
    return op[1].fn(env, op + 1)
