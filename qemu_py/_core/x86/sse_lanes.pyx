"""Post-computation exceptions of SSE arithmetic while overflow or underflow is unmasked.

Masked, an overflow is inexact and an underflow is a tiny *and* inexact result. Unmasked, a tiny
result is enough, and the precision exception tells whether the result rounded as if the exponent
had no bounds was exact (SDM vol. 1, 4.9.1.4-4.9.1.6 and 11.5.2). The host's SSE unit cannot be
asked that without a signal; its x87 can: precision control rounds to 24 or 53 bits and the
exponent has room for every result.
"""
from libc.stdint cimport int32_t, uint16_t, uint64_t
from qemu_py._core.x86.mxcsr cimport *

cdef extern from *:
    """
    #include <stdint.h>
    typedef struct __attribute__((packed)) { uint64_t m; uint16_t se; } qp_ext;
    #define QP_LANE(op, insn, S) case op: __asm__ volatile( \\
        "fnclex; fldcw %2; fld" S " %3; " insn " %4; fnstsw %%ax; fstpt %1; fnclex; fldcw %5" \\
        : "=a"(sw), "=m"(r) : "m"(cw), "m"(x), "m"(y), "m"(host)); break;
    /* op on the bits x and y of two singles or doubles, control word cw; status word, result in *m, *se */
    static uint16_t qp_lane(int op, uint16_t cw, uint64_t x, uint64_t y, uint64_t *m, uint16_t *se) {
        static const uint16_t host = 0x37F;
        qp_ext r = {0, 0}; uint16_t sw = 0;
        switch (op) {
        QP_LANE(1, "fadds", "s") QP_LANE(2, "fsubs", "s") QP_LANE(3, "fmuls", "s") QP_LANE(4, "fdivs", "s")
        QP_LANE(17, "faddl", "l") QP_LANE(18, "fsubl", "l") QP_LANE(19, "fmull", "l") QP_LANE(20, "fdivl", "l")
        }
        *m = r.m; *se = r.se;
        return sw;
    }
    """
    uint16_t qp_lane(int op, uint16_t cw, uint64_t x, uint64_t y, uint64_t *m, uint16_t *se) noexcept nogil

cdef enum:
    FCW_MASKS = 0x3F
    FCW_PC_DOUBLE = 0x200
    FSW_PE = 0x20
    EXT_BIAS = 16383


cdef uint64_t operand(const void *v, uint32_t i, bint double_, bint daz) noexcept nogil:
    """Bits of lane i; a denormal is zero under DAZ."""
    cdef uint64_t x
    if double_:
        x = (<const uint64_t *> v)[i]
        if daz and x & 0x7FF0000000000000U == 0:
            x &= 0x8000000000000000U
    else:
        x = (<const uint32_t *> v)[i]
        if daz and x & 0x7F800000 == 0:
            x &= 0x80000000U
    return x


cdef uint32_t lane_flags(uint32_t mxcsr, int op, bint from_double, bint to_double, uint64_t x, uint64_t y) noexcept nogil:
    cdef uint64_t m = 0
    cdef uint16_t se = 0
    cdef uint16_t cw = FCW_MASKS | (FCW_PC_DOUBLE if to_double else 0) | ((mxcsr & MXCSR_RC) >> 3)
    cdef bint inexact = (qp_lane(op + (16 if from_double else 0), cw, x, y, &m, &se) & FSW_PE) != 0
    cdef int32_t exponent = (se & 0x7FFF) - EXT_BIAS
    cdef int32_t lost
    if m == 0 or (se & 0x7FFF) == 0x7FFF:
        return 0
    if exponent > (1023 if to_double else 127):
        return MXCSR_OE | (MXCSR_PE if inexact or mxcsr & MXCSR_OM else 0)
    if exponent < (-1022 if to_double else -126):
        if not mxcsr & MXCSR_UM:
            return MXCSR_UE | (MXCSR_PE if inexact else 0)
        if mxcsr & MXCSR_FTZ:
            return MXCSR_UE | MXCSR_PE
        # bits of the significand below a denormal's last place
        lost = (-1074 if to_double else -149) + 63 - exponent
        if lost > 63 or m & ((<uint64_t> 1 << lost) - 1):
            inexact = True
        return MXCSR_UE | MXCSR_PE if inexact else 0
    return MXCSR_PE if inexact else 0


cdef uint32_t post_flags(uint32_t mxcsr, uint32_t lanes, const void *a, const void *b) noexcept nogil:
    cdef int op = lanes & LANES_OP
    cdef bint double_ = (lanes & LANES_pd) != 0
    cdef bint daz = (mxcsr & MXCSR_DAZ) != 0
    cdef uint32_t width = 2 if double_ else 4
    cdef uint32_t count = 1 if lanes & LANES_ss else width
    cdef uint32_t flags = 0
    cdef uint32_t i, j
    cdef const void *v
    for i in range(count):
        if op == LANES_cvt:     # times 1.0
            flags |= lane_flags(mxcsr, LANES_mul, True, False, operand(b, i, True, daz), 0x3FF0000000000000U)
        elif op == LANES_hadd or op == LANES_hsub:
            v = a if i < width // 2 else b
            j = i % (width // 2) * 2
            flags |= lane_flags(mxcsr, LANES_add if op == LANES_hadd else LANES_sub, double_, double_,
                                operand(v, j, double_, daz), operand(v, j + 1, double_, daz))
        elif op == LANES_addsub:
            flags |= lane_flags(mxcsr, LANES_add if i & 1 else LANES_sub, double_, double_,
                                operand(a, i, double_, daz), operand(b, i, double_, daz))
        else:
            flags |= lane_flags(mxcsr, op, double_, double_, operand(a, i, double_, daz), operand(b, i, double_, daz))
    return flags
