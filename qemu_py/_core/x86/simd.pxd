"""Intrinsics of the host's integer SIMD unit, and XMM and MMX registers as their operands.

An operand is a byte offset into env. MMi is the significand of physical FPU register Ri; a write
makes its exponent field all ones, and any MMX instruction but EMMS makes TOP 0 and every
register valid (SDM vol. 1, 9.5.1; vol. 3, 12.2).
"""
from libc.stdint cimport int8_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t, uint8_t
from qemu_py._core.cpu cimport CPUX86State

cdef extern from "<tmmintrin.h>" nogil:
    ctypedef struct __m128i:
        pass
    ctypedef struct __m128d:
        pass
    __m128i _mm_loadu_si128(const __m128i *p)
    __m128i _mm_loadl_epi64(const __m128i *p)
    void _mm_storeu_si128(__m128i *p, __m128i v)
    void _mm_storel_epi64(__m128i *p, __m128i v)
    __m128i _mm_setzero_si128()
    __m128i _mm_set1_epi8(char v)
    __m128i _mm_cvtsi32_si128(int v)
    __m128i _mm_cvtsi64_si128(long long v)
    long long _mm_cvtsi128_si64(__m128i v)
    int _mm_movemask_epi8(__m128i v)
    # SSE2, register against register
    __m128i _mm_add_epi8(__m128i a, __m128i b)
    __m128i _mm_add_epi16(__m128i a, __m128i b)
    __m128i _mm_add_epi32(__m128i a, __m128i b)
    __m128i _mm_add_epi64(__m128i a, __m128i b)
    __m128i _mm_adds_epi8(__m128i a, __m128i b)
    __m128i _mm_adds_epi16(__m128i a, __m128i b)
    __m128i _mm_adds_epu8(__m128i a, __m128i b)
    __m128i _mm_adds_epu16(__m128i a, __m128i b)
    __m128i _mm_sub_epi8(__m128i a, __m128i b)
    __m128i _mm_sub_epi16(__m128i a, __m128i b)
    __m128i _mm_sub_epi32(__m128i a, __m128i b)
    __m128i _mm_sub_epi64(__m128i a, __m128i b)
    __m128i _mm_subs_epi8(__m128i a, __m128i b)
    __m128i _mm_subs_epi16(__m128i a, __m128i b)
    __m128i _mm_subs_epu8(__m128i a, __m128i b)
    __m128i _mm_subs_epu16(__m128i a, __m128i b)
    __m128i _mm_avg_epu8(__m128i a, __m128i b)
    __m128i _mm_avg_epu16(__m128i a, __m128i b)
    __m128i _mm_madd_epi16(__m128i a, __m128i b)
    __m128i _mm_mulhi_epi16(__m128i a, __m128i b)
    __m128i _mm_mulhi_epu16(__m128i a, __m128i b)
    __m128i _mm_mullo_epi16(__m128i a, __m128i b)
    __m128i _mm_mul_epu32(__m128i a, __m128i b)
    __m128i _mm_max_epi16(__m128i a, __m128i b)
    __m128i _mm_max_epu8(__m128i a, __m128i b)
    __m128i _mm_min_epi16(__m128i a, __m128i b)
    __m128i _mm_min_epu8(__m128i a, __m128i b)
    __m128i _mm_sad_epu8(__m128i a, __m128i b)
    __m128i _mm_and_si128(__m128i a, __m128i b)
    __m128i _mm_andnot_si128(__m128i a, __m128i b)
    __m128i _mm_or_si128(__m128i a, __m128i b)
    __m128i _mm_xor_si128(__m128i a, __m128i b)
    __m128i _mm_cmpeq_epi8(__m128i a, __m128i b)
    __m128i _mm_cmpeq_epi16(__m128i a, __m128i b)
    __m128i _mm_cmpeq_epi32(__m128i a, __m128i b)
    __m128i _mm_cmpgt_epi8(__m128i a, __m128i b)
    __m128i _mm_cmpgt_epi16(__m128i a, __m128i b)
    __m128i _mm_cmpgt_epi32(__m128i a, __m128i b)
    __m128i _mm_sll_epi16(__m128i a, __m128i count)
    __m128i _mm_sll_epi32(__m128i a, __m128i count)
    __m128i _mm_sll_epi64(__m128i a, __m128i count)
    __m128i _mm_srl_epi16(__m128i a, __m128i count)
    __m128i _mm_srl_epi32(__m128i a, __m128i count)
    __m128i _mm_srl_epi64(__m128i a, __m128i count)
    __m128i _mm_sra_epi16(__m128i a, __m128i count)
    __m128i _mm_sra_epi32(__m128i a, __m128i count)
    __m128i _mm_packs_epi16(__m128i a, __m128i b)
    __m128i _mm_packs_epi32(__m128i a, __m128i b)
    __m128i _mm_packus_epi16(__m128i a, __m128i b)
    __m128i _mm_unpacklo_epi8(__m128i a, __m128i b)
    __m128i _mm_unpacklo_epi16(__m128i a, __m128i b)
    __m128i _mm_unpacklo_epi32(__m128i a, __m128i b)
    __m128i _mm_unpacklo_epi64(__m128i a, __m128i b)
    __m128i _mm_unpackhi_epi8(__m128i a, __m128i b)
    __m128i _mm_unpackhi_epi16(__m128i a, __m128i b)
    __m128i _mm_unpackhi_epi32(__m128i a, __m128i b)
    __m128i _mm_unpackhi_epi64(__m128i a, __m128i b)
    # SSSE3
    __m128i _mm_shuffle_epi8(__m128i a, __m128i control)
    __m128i _mm_hadd_epi16(__m128i a, __m128i b)
    __m128i _mm_hadd_epi32(__m128i a, __m128i b)
    __m128i _mm_hadds_epi16(__m128i a, __m128i b)
    __m128i _mm_hsub_epi16(__m128i a, __m128i b)
    __m128i _mm_hsub_epi32(__m128i a, __m128i b)
    __m128i _mm_hsubs_epi16(__m128i a, __m128i b)
    __m128i _mm_maddubs_epi16(__m128i a, __m128i b)
    __m128i _mm_mulhrs_epi16(__m128i a, __m128i b)
    __m128i _mm_sign_epi8(__m128i a, __m128i b)
    __m128i _mm_sign_epi16(__m128i a, __m128i b)
    __m128i _mm_sign_epi32(__m128i a, __m128i b)
    __m128i _mm_abs_epi8(__m128i a)
    __m128i _mm_abs_epi16(__m128i a)
    __m128i _mm_abs_epi32(__m128i a)
    # with a constant control
    __m128i _mm_srli_si128(__m128i a, const int bytes)
    __m128i _mm_shuffle_epi32(__m128i a, const int control)
    __m128d _mm_shuffle_pd(__m128d a, __m128d b, const int control)
    __m128d _mm_castsi128_pd(__m128i a)
    __m128i _mm_castpd_si128(__m128d a)

# PSHUFB control that moves bytes: &byte_shift[16 + n] shifts right by n, &byte_shift[16 - n] left
cdef extern from *:
    """
    #define QP_NO -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128
    static const signed char qp_byte_shift[80] = {QP_NO, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, QP_NO, QP_NO, QP_NO};
    """
    const int8_t byte_shift "qp_byte_shift"[80]


# ---- operands
cdef inline void *x_at(CPUX86State *env, uint16_t off) noexcept nogil:
    return <uint8_t *> env + off

cdef inline __m128i lx(CPUX86State *env, uint16_t off) noexcept nogil:
    """All of an XMM register."""
    return _mm_loadu_si128(<__m128i *> x_at(env, off))

cdef inline void sx(CPUX86State *env, uint16_t off, __m128i v) noexcept nogil:
    _mm_storeu_si128(<__m128i *> x_at(env, off), v)

cdef inline __m128i lq(CPUX86State *env, uint16_t off) noexcept nogil:
    """An MMX register or the low half of an XMM one; zeros above."""
    return _mm_loadl_epi64(<__m128i *> x_at(env, off))

cdef inline __m128i shift_control(int64_t i) noexcept nogil:
    return _mm_loadu_si128(<const __m128i *> &byte_shift[i])

cdef inline void mmx_touch(CPUX86State *env) noexcept nogil:
    """TOP 0, every register valid."""
    env.fpstt = 0
    (<uint64_t *> env.fptags)[0] = 0

cdef inline void sm(CPUX86State *env, uint16_t off, __m128i v) noexcept nogil:
    """Write an MMX register."""
    _mm_storel_epi64(<__m128i *> x_at(env, off), v)
    (<uint16_t *> (<uint8_t *> env + off))[4] = 0xFFFF
    mmx_touch(env)
