"""Floating point of SSE, SSE2 and SSE3, done by the host's SSE unit (SDM vol. 1, 11.4 and 11.5).

The instruction that the guest asked for is the one that runs, operands in the same order, so that
results, NaN payloads and sticky flags are silicon's. The C compiler must neither swap operands
nor move the operation across a load of MXCSR: hence volatile asm. mxcsr.pxd says when MXCSR is
loaded.

Not here: a unit for hosts other than x86-64.
"""
from qemu_py._core.cpu cimport CPUX86State, CR4_OSXMMEXCPT, EXCP06_ILLOP, EXCP13_SIMD, IROp, XMMReg
from qemu_py._core.flags cimport set_cc_eflags
from qemu_py._core.ir.builder cimport xmmt_off
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.mxcsr cimport *
from qemu_py._core.x86.simd cimport *
from qemu_py._core.x86.sse_lanes cimport *
from qemu_py._core.x86.sse_mem cimport *
from qemu_py._core.x86.state cimport raise_exception

# d: destination and first operand; s: second operand. X, Q, D: 16, 8, 4 bytes of them are meant.
cdef extern from *:
    """
    #if !defined(__x86_64__)
    #error "qemu_py/_core/x86/sse_arith.pyx: the guest's SSE runs on an x86-64 host's; other hosts need a software one here"
    #endif
    #include <emmintrin.h>
    #include <stdint.h>
    #define QP_LOAD_X(p) _mm_loadu_ps((const float *) (p))
    #define QP_LOAD_Q(p) _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *) (p)))
    #define QP_LOAD_D(p) _mm_load_ss((const float *) (p))
    #define QP_STORE_X(p, v) _mm_storeu_ps((float *) (p), v)
    #define QP_STORE_Q(p, v) _mm_storel_epi64((__m128i *) (p), _mm_castps_si128(v))
    #define QP_STORE_D(p, v) _mm_store_ss((float *) (p), v)
    #define QP_FN(name) static inline void sse_##name(void *d, const void *s)
    #define QP_BIN(name, insn, W) QP_FN(name) { \\
        __m128 x = QP_LOAD_##W(d), y = QP_LOAD_##W(s); \\
        __asm__ volatile(insn " %1, %0" : "+x"(x) : "x"(y)); QP_STORE_##W(d, x); }
    #define QP_UN(name, insn, FROM, TO) QP_FN(name) { \\
        __m128 x, y = QP_LOAD_##FROM(s); \\
        __asm__ volatile(insn " %1, %0" : "=x"(x) : "x"(y)); QP_STORE_##TO(d, x); }
    #define QP_TO_INT(name) QP_FN(name) { \\
        __m128 y = QP_LOAD_Q(s); uint32_t r; \\
        __asm__ volatile(#name " %1, %0" : "=r"(r) : "x"(y)); *(uint64_t *) d = r; }
    #define QP_FROM_INT(name, TO) QP_FN(name) { \\
        __m128 x; \\
        __asm__ volatile(#name "l %1, %0" : "=x"(x) : "r"(*(const int32_t *) s)); QP_STORE_##TO(d, x); }
    /* LAHF's image is EFLAGS' low byte; d becomes the new ZF, PF, CF */
    #define QP_TO_FLAGS(name) QP_FN(name) { \\
        __m128 x = QP_LOAD_Q(d), y = QP_LOAD_Q(s); uint32_t f; \\
        __asm__ volatile(#name " %2, %1; lahf" : "=a"(f) : "x"(x), "x"(y) : "cc"); *(uint32_t *) d = f >> 8 & 0x45; }
    #define QP_PS_PD_SS_SD(op, M) \\
        M(op##ps, #op "ps", X) M(op##pd, #op "pd", X) M(op##ss, #op "ss", D) M(op##sd, #op "sd", Q)
    #define QP_SAME(name, insn, W) QP_UN(name, insn, W, W)
    QP_PS_PD_SS_SD(add, QP_BIN)
    QP_PS_PD_SS_SD(sub, QP_BIN)
    QP_PS_PD_SS_SD(mul, QP_BIN)
    QP_PS_PD_SS_SD(div, QP_BIN)
    QP_PS_PD_SS_SD(min, QP_BIN)
    QP_PS_PD_SS_SD(max, QP_BIN)
    QP_PS_PD_SS_SD(sqrt, QP_SAME)
    QP_BIN(addsubps, "addsubps", X)
    QP_BIN(addsubpd, "addsubpd", X)
    QP_BIN(haddps, "haddps", X)
    QP_BIN(haddpd, "haddpd", X)
    QP_BIN(hsubps, "hsubps", X)
    QP_BIN(hsubpd, "hsubpd", X)
    #define QP_CMP(p) QP_BIN(cmpps_##p, "cmpps $" #p ",", X) QP_BIN(cmppd_##p, "cmppd $" #p ",", X) \\
        QP_BIN(cmpss_##p, "cmpss $" #p ",", D) QP_BIN(cmpsd_##p, "cmpsd $" #p ",", Q)
    QP_CMP(0) QP_CMP(1) QP_CMP(2) QP_CMP(3) QP_CMP(4) QP_CMP(5) QP_CMP(6) QP_CMP(7)
    QP_UN(cvtps2pd, "cvtps2pd", Q, X)
    QP_UN(cvtpd2ps, "cvtpd2ps", X, X)
    QP_UN(cvtss2sd, "cvtss2sd", D, Q)
    QP_UN(cvtsd2ss, "cvtsd2ss", Q, D)
    QP_UN(cvtdq2ps, "cvtdq2ps", X, X)
    QP_UN(cvtdq2pd, "cvtdq2pd", Q, X)
    QP_UN(cvtps2dq, "cvtps2dq", X, X)
    QP_UN(cvttps2dq, "cvttps2dq", X, X)
    QP_UN(cvtpd2dq, "cvtpd2dq", X, X)
    QP_UN(cvttpd2dq, "cvttpd2dq", X, X)
    QP_UN(cvtpi2ps, "cvtdq2ps", Q, Q)       /* zeros above raise nothing */
    QP_UN(cvtpi2pd, "cvtdq2pd", Q, X)
    QP_UN(cvtps2pi, "cvtps2dq", Q, Q)
    QP_UN(cvttps2pi, "cvttps2dq", Q, Q)
    QP_UN(cvtpd2pi, "cvtpd2dq", X, Q)
    QP_UN(cvttpd2pi, "cvttpd2dq", X, Q)
    QP_TO_INT(cvtss2si)
    QP_TO_INT(cvttss2si)
    QP_TO_INT(cvtsd2si)
    QP_TO_INT(cvttsd2si)
    QP_FROM_INT(cvtsi2ss, D)
    QP_FROM_INT(cvtsi2sd, Q)
    QP_TO_FLAGS(comiss)
    QP_TO_FLAGS(comisd)
    QP_TO_FLAGS(ucomiss)
    QP_TO_FLAGS(ucomisd)
    QP_UN(rcpps, "rcpps", X, X)
    QP_UN(rcpss, "rcpss", D, D)
    QP_UN(rsqrtps, "rsqrtps", X, X)
    QP_UN(rsqrtss, "rsqrtss", D, D)
    """
    void sse_addps(void *d, const void *s) noexcept nogil
    void sse_addpd(void *d, const void *s) noexcept nogil
    void sse_addss(void *d, const void *s) noexcept nogil
    void sse_addsd(void *d, const void *s) noexcept nogil
    void sse_subps(void *d, const void *s) noexcept nogil
    void sse_subpd(void *d, const void *s) noexcept nogil
    void sse_subss(void *d, const void *s) noexcept nogil
    void sse_subsd(void *d, const void *s) noexcept nogil
    void sse_mulps(void *d, const void *s) noexcept nogil
    void sse_mulpd(void *d, const void *s) noexcept nogil
    void sse_mulss(void *d, const void *s) noexcept nogil
    void sse_mulsd(void *d, const void *s) noexcept nogil
    void sse_divps(void *d, const void *s) noexcept nogil
    void sse_divpd(void *d, const void *s) noexcept nogil
    void sse_divss(void *d, const void *s) noexcept nogil
    void sse_divsd(void *d, const void *s) noexcept nogil
    void sse_minps(void *d, const void *s) noexcept nogil
    void sse_minpd(void *d, const void *s) noexcept nogil
    void sse_minss(void *d, const void *s) noexcept nogil
    void sse_minsd(void *d, const void *s) noexcept nogil
    void sse_maxps(void *d, const void *s) noexcept nogil
    void sse_maxpd(void *d, const void *s) noexcept nogil
    void sse_maxss(void *d, const void *s) noexcept nogil
    void sse_maxsd(void *d, const void *s) noexcept nogil
    void sse_sqrtps(void *d, const void *s) noexcept nogil
    void sse_sqrtpd(void *d, const void *s) noexcept nogil
    void sse_sqrtss(void *d, const void *s) noexcept nogil
    void sse_sqrtsd(void *d, const void *s) noexcept nogil
    void sse_addsubps(void *d, const void *s) noexcept nogil
    void sse_addsubpd(void *d, const void *s) noexcept nogil
    void sse_haddps(void *d, const void *s) noexcept nogil
    void sse_haddpd(void *d, const void *s) noexcept nogil
    void sse_hsubps(void *d, const void *s) noexcept nogil
    void sse_hsubpd(void *d, const void *s) noexcept nogil
    void sse_cmpps_0(void *d, const void *s) noexcept nogil
    void sse_cmppd_0(void *d, const void *s) noexcept nogil
    void sse_cmpss_0(void *d, const void *s) noexcept nogil
    void sse_cmpsd_0(void *d, const void *s) noexcept nogil
    void sse_cmpps_1(void *d, const void *s) noexcept nogil
    void sse_cmppd_1(void *d, const void *s) noexcept nogil
    void sse_cmpss_1(void *d, const void *s) noexcept nogil
    void sse_cmpsd_1(void *d, const void *s) noexcept nogil
    void sse_cmpps_2(void *d, const void *s) noexcept nogil
    void sse_cmppd_2(void *d, const void *s) noexcept nogil
    void sse_cmpss_2(void *d, const void *s) noexcept nogil
    void sse_cmpsd_2(void *d, const void *s) noexcept nogil
    void sse_cmpps_3(void *d, const void *s) noexcept nogil
    void sse_cmppd_3(void *d, const void *s) noexcept nogil
    void sse_cmpss_3(void *d, const void *s) noexcept nogil
    void sse_cmpsd_3(void *d, const void *s) noexcept nogil
    void sse_cmpps_4(void *d, const void *s) noexcept nogil
    void sse_cmppd_4(void *d, const void *s) noexcept nogil
    void sse_cmpss_4(void *d, const void *s) noexcept nogil
    void sse_cmpsd_4(void *d, const void *s) noexcept nogil
    void sse_cmpps_5(void *d, const void *s) noexcept nogil
    void sse_cmppd_5(void *d, const void *s) noexcept nogil
    void sse_cmpss_5(void *d, const void *s) noexcept nogil
    void sse_cmpsd_5(void *d, const void *s) noexcept nogil
    void sse_cmpps_6(void *d, const void *s) noexcept nogil
    void sse_cmppd_6(void *d, const void *s) noexcept nogil
    void sse_cmpss_6(void *d, const void *s) noexcept nogil
    void sse_cmpsd_6(void *d, const void *s) noexcept nogil
    void sse_cmpps_7(void *d, const void *s) noexcept nogil
    void sse_cmppd_7(void *d, const void *s) noexcept nogil
    void sse_cmpss_7(void *d, const void *s) noexcept nogil
    void sse_cmpsd_7(void *d, const void *s) noexcept nogil
    void sse_cvtps2pd(void *d, const void *s) noexcept nogil
    void sse_cvtpd2ps(void *d, const void *s) noexcept nogil
    void sse_cvtss2sd(void *d, const void *s) noexcept nogil
    void sse_cvtsd2ss(void *d, const void *s) noexcept nogil
    void sse_cvtdq2ps(void *d, const void *s) noexcept nogil
    void sse_cvtdq2pd(void *d, const void *s) noexcept nogil
    void sse_cvtps2dq(void *d, const void *s) noexcept nogil
    void sse_cvttps2dq(void *d, const void *s) noexcept nogil
    void sse_cvtpd2dq(void *d, const void *s) noexcept nogil
    void sse_cvttpd2dq(void *d, const void *s) noexcept nogil
    void sse_cvtpi2ps(void *d, const void *s) noexcept nogil
    void sse_cvtpi2pd(void *d, const void *s) noexcept nogil
    void sse_cvtps2pi(void *d, const void *s) noexcept nogil
    void sse_cvttps2pi(void *d, const void *s) noexcept nogil
    void sse_cvtpd2pi(void *d, const void *s) noexcept nogil
    void sse_cvttpd2pi(void *d, const void *s) noexcept nogil
    void sse_cvtss2si(void *d, const void *s) noexcept nogil
    void sse_cvttss2si(void *d, const void *s) noexcept nogil
    void sse_cvtsd2si(void *d, const void *s) noexcept nogil
    void sse_cvttsd2si(void *d, const void *s) noexcept nogil
    void sse_cvtsi2ss(void *d, const void *s) noexcept nogil
    void sse_cvtsi2sd(void *d, const void *s) noexcept nogil
    void sse_comiss(void *d, const void *s) noexcept nogil
    void sse_comisd(void *d, const void *s) noexcept nogil
    void sse_ucomiss(void *d, const void *s) noexcept nogil
    void sse_ucomisd(void *d, const void *s) noexcept nogil
    void sse_rcpps(void *d, const void *s) noexcept nogil
    void sse_rcpss(void *d, const void *s) noexcept nogil
    void sse_rsqrtps(void *d, const void *s) noexcept nogil
    void sse_rsqrtss(void *d, const void *s) noexcept nogil

ctypedef void (*sse_fn)(void *d, const void *s) noexcept nogil


cdef int sse_checked(CPUX86State *env, IROp *op, sse_fn fn, uint32_t lanes) noexcept nogil:
    """fn on the operands of op, result in xmm_t[1]. Nonzero: #XM (or #UD) pending."""
    cdef uint32_t flags, pre, unmasked, host
    sx(env, xmmt_off(1), lx(env, op.a))
    if env.mxcsr & MXCSR_MASKS == MXCSR_MASKS:
        sse_enter(env)
        fn(&env.xmm_t[1], x_at(env, op.b))
        return 0
    unmasked = ~(env.mxcsr >> MXCSR_MASK_SHIFT) & MXCSR_FLAGS
    host = _mm_getcsr()
    _mm_setcsr((env.mxcsr & ~<uint32_t> MXCSR_FLAGS) | MXCSR_MASKS)
    fn(&env.xmm_t[1], x_at(env, op.b))
    flags = _mm_getcsr() & MXCSR_FLAGS
    _mm_setcsr(host)
    # All lanes are looked at for invalid, denormal and zero operands first: when one of those is
    # unmasked nothing is computed, and no other flag is set (SDM vol. 1, 11.5.3).
    pre = flags & (MXCSR_IE | MXCSR_DE | MXCSR_ZE)
    if pre & unmasked:
        flags = pre
    elif unmasked & (MXCSR_OE | MXCSR_UE) and lanes != LANES_NONE:
        flags = pre | post_flags(env.mxcsr, lanes, x_at(env, op.a), x_at(env, op.b))
    env.mxcsr |= flags
    if flags & unmasked == 0:
        return 0
    return raise_exception(env, EXCP13_SIMD if env.cr[4] & CR4_OSXMMEXCPT else EXCP06_ILLOP)


# An op while MXCSR is not loaded, by where its result goes. They end as an op's function does.
cdef uintptr_t slow_to_xmm(CPUX86State *env, IROp *op, sse_fn fn, uint32_t lanes) noexcept nogil:
    if sse_checked(env, op, fn, lanes):
        return op_fault(env, op)
    sx(env, op.a, lx(env, xmmt_off(1)))
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_to_r32(CPUX86State *env, IROp *op, sse_fn fn) noexcept nogil:
    if sse_checked(env, op, fn, LANES_NONE):
        return op_fault(env, op)
    w64(env, op.a, env.xmm_t[1].q[0])
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_to_mmx(CPUX86State *env, IROp *op, sse_fn fn) noexcept nogil:
    mmx_touch(env)      # even if the conversion faults
    if sse_checked(env, op, fn, LANES_NONE):
        return op_fault(env, op)
    sm(env, op.a, lq(env, xmmt_off(1)))
    return op[1].fn(env, op + 1)


cdef uintptr_t slow_to_flags(CPUX86State *env, IROp *op, sse_fn fn) noexcept nogil:
    if sse_checked(env, op, fn, LANES_NONE):
        return op_fault(env, op)
    set_cc_eflags(env, <uint32_t> env.xmm_t[1].q[0])
    return op[1].fn(env, op + 1)


include "../gen/interp_sse_arith.pxi"

register_sse_arith_ops(op_table())
