"""Moves, shuffles, MXCSR (ops/sse_move.tbl; SDM vol. 1, 10.4.1, 10.4.4, 11.4.1 and 11.6.6).

Non-temporal stores are plain stores and the fences do nothing: the host keeps the guest's order.
"""
from qemu_py._core.cpu cimport CPUX86State, EXCP0D_GPF, EXCP11_ALGN, HF_AC, IROp
from qemu_py._core.ir.builder cimport xmmt_off
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.softmmu cimport host_rw, ld8, ld16, ld32, probe_write, st8, st32
from qemu_py._core.x86.mxcsr cimport *
from qemu_py._core.x86.simd cimport *
from qemu_py._core.x86.sse_mem cimport *
from qemu_py._core.x86.state cimport raise_exception_err, segment_check

cdef extern from "<emmintrin.h>" nogil:
    ctypedef struct __m128:
        pass
    __m128 _mm_loadu_ps(const float *p)
    __m128d _mm_loadu_pd(const double *p)
    int _mm_movemask_ps(__m128 v)
    int _mm_movemask_pd(__m128d v)

# PSHUFB controls of PSHUFD, PSHUFLW and PSHUFHW, by their immediate
cdef uint8_t[256][16] dword_control
cdef uint8_t[256][16] low_word_control
cdef uint8_t[256][16] high_word_control


def _fill():
    cdef int imm, i
    for imm in range(256):
        for i in range(16):
            dword_control[imm][i] = (imm >> (i >> 2) * 2 & 3) * 4 + (i & 3)
            low_word_control[imm][i] = (imm >> (i >> 1) * 2 & 3) * 2 + (i & 1) if i < 8 else i
            high_word_control[imm][i] = (imm >> (i - 8 >> 1) * 2 & 3) * 2 + (i & 1) + 8 if i >= 8 else i


_fill()


cdef inline __m128i control(uint8_t[16] *table, int64_t imm) noexcept nogil:
    return _mm_loadu_si128(<const __m128i *> table[imm & 0xFF])


cdef inline __m128 lx_ps(CPUX86State *env, uint16_t off) noexcept nogil:
    return _mm_loadu_ps(<float *> x_at(env, off))


cdef inline __m128d lx_pd(CPUX86State *env, uint16_t off) noexcept nogil:
    return _mm_loadu_pd(<double *> x_at(env, off))


cdef int mask_store(CPUX86State *env, IROp *op, uint32_t size) noexcept nogil:
    cdef uint8_t *data = <uint8_t *> env + op.a
    cdef uint8_t *mask = <uint8_t *> env + op.imm
    cdef int seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    cdef uint32_t offset = ea_offset(env, op)
    cdef uint32_t i
    cdef uint64_t va
    if segment_check(env, seg, offset, size, True):
        return 1
    va = <uint32_t> (env.segs[seg].base + offset)
    if env.hflags & HF_AC and va & 7:
        return raise_exception_err(env, EXCP11_ALGN, 0)
    # All of the operand must be writable, whatever the mask, the high quadword first: the SDM
    # leaves both to the implementation, and this is what Intel's do.
    if size == 16 and probe_write(env, <uint32_t> (va + 8), 8, env.mmu_idx):
        return 1
    if probe_write(env, va, 8, env.mmu_idx):
        return 1
    for i in range(size):
        if mask[i] & 0x80 and st8(env, <uint32_t> (va + i), data[i]):
            return 1        # a store into running code: it is done again, byte for byte the same
    return 0


cdef int load_mxcsr(CPUX86State *env, uint32_t value) noexcept nogil:
    """LDMXCSR: #GP(0) for a reserved bit."""
    if value & ~<uint32_t> MXCSR_VALID:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    sse_leave(env)
    env.mxcsr = value
    return 0


include "../gen/interp_sse_move.pxi"

register_sse_move_ops(op_table())
