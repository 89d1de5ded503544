"""MMX instructions as host code (fp.pyx).

They run on the host's MMX registers, which are its x87 registers, as the guest's are its: TOP, tags and exponents become what
the processor makes of them. Nothing is pending in an x87 that is live.
"""
from qemu_py._core.cpu cimport CPUX86State, FPReg, IROp
from qemu_py._core.host.access cimport access_flat
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport touch
from qemu_py._core.host.gen cimport *
from qemu_py._core.host.vector cimport sse_m, sse_rr
from qemu_py._core.ir.builder cimport xmmt_off

include "../gen/host_fp_forms.pxi"

cdef enum:              # as FPTemplate.enc
    MOVD_LOAD = 0x16E
    MOVQ_LOAD = 0x16F
    MOVD_STORE = 0x17E
    MOVQ_STORE = 0x17F
    MOVQ2DQ = 0xF301D6
    MOVDQ2Q = 0xF201D6

cdef CPUX86State *E = NULL


cdef inline int mmx_of(uint16_t o) noexcept nogil:
    """Register of an operand."""
    cdef int32_t i = <int32_t> o - <int32_t> <uintptr_t> &E.fpregs[0].m
    if 0 <= i < 8 * <int32_t> sizeof(FPReg):
        return i // <int32_t> sizeof(FPReg)
    return NO_REG

cdef inline int xmm_of(uint16_t o) noexcept nogil:
    return (<int32_t> o - <int32_t> <uintptr_t> &E.xmm[0]) >> 4


cdef bint takes_operand(IROp *op, FPTemplate *t) noexcept nogil:
    return (t.form == F_mm or t.form == F_mm_imm or t.form == F_mm_ins) and op.b == xmmt_off(0)


cdef int gen_mmx(Gen *g, IROp *op, FPTemplate *t, bint memory) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int form = t.form
    cdef int x = mmx_of(op.a)
    cdef int y = mmx_of(op.b)
    if form == F_mm or form == F_mm_imm:
        if memory:
            sse_m(g, t.enc, x)
        elif y == NO_REG:
            return 1
        else:
            sse_rr(a, t.enc, x, y)
        if form == F_mm_imm:
            b1(a, <uint32_t> op.imm)
    elif form == F_mm_shift:
        sse_rr(a, t.enc, t.enc >> 25, x)
        b1(a, <uint32_t> op.imm)
    elif form == F_mm_ld or form == F_mm_st:
        if access_flat(g, op, t.size, form == F_mm_st, False):
            return 1
        if form == F_mm_ld:
            sse_m(g, MOVD_LOAD if t.size == 4 else MOVQ_LOAD, x)
        else:
            sse_m(g, MOVD_STORE if t.size == 4 else MOVQ_STORE, x)
    elif form == F_mm_from or form == F_mm_ins:     # a general register
        if memory:
            sse_m(g, t.enc, x)
        else:
            y = use(g, op.b)
            if y == NO_REG:
                return 1
            sse_rr(a, t.enc if form == F_mm_ins else MOVD_LOAD, x, y)
        if form == F_mm_ins:
            b1(a, <uint32_t> op.imm)
    elif form == F_mm_to or form == F_mm_r or form == F_mm_rimm:
        x = reg_of(op.a)
        if x == NO_REG:
            return 1
        touch(g, x)
        if form == F_mm_to:
            sse_rr(a, MOVD_STORE, y, x)
        else:
            sse_rr(a, t.enc, x, y)
        if form == F_mm_rimm:
            b1(a, <uint32_t> op.imm)
        if x == R11:
            g.t0 = 1
    elif form == F_mm_to_xmm:
        sse_rr(a, MOVQ2DQ, xmm_of(op.a), y)
    elif form == F_mm_from_xmm:
        sse_rr(a, MOVDQ2Q, x, xmm_of(op.b))
    elif form == F_mm_emms:
        b1(a, 0x0F)
        b1(a, 0x77)
    return 0                            # F_mm_check
