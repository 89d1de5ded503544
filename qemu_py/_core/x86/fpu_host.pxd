"""x87 instructions on the host's own unit.

The guest's arithmetic is the host's: results, rounding, NaNs, condition codes and transcendentals
come from silicon. Three ways in, from fast to complete:

    x87_add_d8 ...      one instruction on operands that are known to be there; the result stays on
                        the host's (otherwise empty) stack until x87_take* or x87_drop* ends it
    x87_call            any register instruction of D9, the same way
    x87_run             any instruction in a whole x87 state: an FSAVE image in, an FSAVE image out

The first two run with every exception masked and give the host's status word. Its exception flags
are sticky and may be older than the instruction, so the caller compares them with the guest's: no
flag that the guest does not have already means that nothing new happened (fpu.pxd, fp_quiet).
Between instructions the host's control word is 037Fh and its stack is empty, as the ABI wants it.

Not here: an x87 for hosts other than x86-64.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport FPReg

cdef extern from *:
    """
    #if !defined(__x86_64__)
    #error "qemu_py/_core/x86/fpu_host.pxd: the guest's x87 runs on an x86-64 host's x87; other hosts need a software one here"
    #endif
    #include <stdint.h>
    typedef struct __attribute__((packed)) { uint64_t m; uint16_t se; } qp_f80;
    #define QP_F80(p) (*(qp_f80 *)(p))
    #define QP_MEM(p) (*(char (*)[8])(p))
    #define QP_HOST_CW 0x37F
    static const uint16_t qp_host_cw = QP_HOST_CW;
    #define QP_INLINE static inline __attribute__((always_inline, unused))

    /* Around an instruction that rounds: the guest's rounding and precision. Usually the host's own. */
    #define QP_CW_IN uint16_t sw, w = cw; if (__builtin_expect(w != QP_HOST_CW, 0)) __asm__ volatile ("fldcw %0" : : "m"(w))
    #define QP_CW_OUT if (__builtin_expect(w != QP_HOST_CW, 0)) __asm__ volatile ("fldcw %0" : : "m"(qp_host_cw)); return sw
    /* ST0 = a, ST1 = b, then the two bytes of a register instruction */
    #define QP_REG(name, b0, b1) QP_INLINE uint32_t qp_##name(uint32_t cw, const void *a, const void *b) { QP_CW_IN; \\
        __asm__ volatile ("fldt %2\\n\\tfldt %1\\n\\t.byte " #b0 "," #b1 "\\n\\tfnstsw %%ax" : "=a"(sw) : "m"(QP_F80(a)), "m"(QP_F80(b))); QP_CW_OUT; }
    /* ST0 = a, then an instruction that only reads memory */
    #define QP_RM(name, insn) QP_INLINE uint32_t qp_##name(uint32_t cw, const void *a, const void *m) { QP_CW_IN; \\
        __asm__ volatile ("fldt %1\\n\\t" insn " %2\\n\\tfnstsw %%ax" : "=a"(sw) : "m"(QP_F80(a)), "m"(QP_MEM(m))); QP_CW_OUT; }
    #define QP_LOAD(name, insn, type) QP_INLINE uint32_t qp_##name(const void *m) { uint16_t sw; \\
        __asm__ volatile (insn " %1\\n\\tfnstsw %%ax" : "=a"(sw) : "m"(type(m))); return sw; }
    #define QP_STORE(name, insn, type) QP_INLINE uint32_t qp_##name(uint32_t cw, const void *a, void *m) { QP_CW_IN; \\
        __asm__ volatile ("fldt %2\\n\\t" insn " %1\\n\\tfnstsw %%ax" : "=a"(sw), "=m"(type(m)) : "m"(QP_F80(a))); QP_CW_OUT; }
    #define QP_ARITH(op, modrm) QP_REG(op##_d8, 0xD8, modrm) QP_REG(op##_dc, 0xDC, modrm) \\
        QP_RM(op##_m32, "f" #op "s") QP_RM(op##_m64, "f" #op "l") QP_RM(op##_i16, "fi" #op "s") QP_RM(op##_i32, "fi" #op "l")
    QP_ARITH(add, 0xC1) QP_ARITH(mul, 0xC9) QP_ARITH(sub, 0xE1) QP_ARITH(subr, 0xE9) QP_ARITH(div, 0xF1) QP_ARITH(divr, 0xF9)
    /* comparisons leave both operands, or ST0 */
    QP_REG(com_st, 0xD8, 0xD1) QP_REG(ucom_st, 0xDD, 0xE1)
    QP_RM(com_m32, "fcoms") QP_RM(com_m64, "fcoml") QP_RM(com_i16, "ficoms") QP_RM(com_i32, "ficoml")
    QP_LOAD(fld_m32, "flds", QP_MEM) QP_LOAD(fld_m64, "fldl", QP_MEM) QP_LOAD(fild_i16, "filds", QP_MEM)
    QP_LOAD(fild_i32, "fildl", QP_MEM) QP_LOAD(fild_i64, "fildll", QP_MEM) QP_LOAD(fbld, "fbld", QP_F80)
    QP_STORE(fst_m32, "fstps", QP_MEM) QP_STORE(fst_m64, "fstpl", QP_MEM) QP_STORE(fist_i16, "fistps", QP_MEM)
    QP_STORE(fist_i32, "fistpl", QP_MEM) QP_STORE(fist_i64, "fistpll", QP_MEM) QP_STORE(fbstp, "fbstp", QP_F80)
    QP_STORE(fisttp_i16, "fisttps", QP_MEM) QP_STORE(fisttp_i32, "fisttpl", QP_MEM) QP_STORE(fisttp_i64, "fisttpll", QP_MEM)
    QP_INLINE void qp_take(void *d) { __asm__ volatile ("fstpt %0" : "=m"(QP_F80(d))); }
    QP_INLINE void qp_drop(void) { __asm__ volatile ("fstp %%st(0)" : : : "memory"); }
    QP_INLINE void qp_fnclex(void) { __asm__ volatile ("fnclex" : : : "memory"); }
    """
    uint32_t x87_add_d8 "qp_add_d8"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_mul_d8 "qp_mul_d8"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_sub_d8 "qp_sub_d8"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_subr_d8 "qp_subr_d8"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_div_d8 "qp_div_d8"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_divr_d8 "qp_divr_d8"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_add_dc "qp_add_dc"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_mul_dc "qp_mul_dc"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_sub_dc "qp_sub_dc"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_subr_dc "qp_subr_dc"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_div_dc "qp_div_dc"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_divr_dc "qp_divr_dc"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_com_st "qp_com_st"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    uint32_t x87_ucom_st "qp_ucom_st"(uint32_t cw, FPReg *a, FPReg *b) noexcept nogil
    # memory operands: already loaded, at m
    uint32_t x87_add_m32 "qp_add_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_mul_m32 "qp_mul_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_sub_m32 "qp_sub_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_subr_m32 "qp_subr_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_div_m32 "qp_div_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_divr_m32 "qp_divr_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_com_m32 "qp_com_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_add_m64 "qp_add_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_mul_m64 "qp_mul_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_sub_m64 "qp_sub_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_subr_m64 "qp_subr_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_div_m64 "qp_div_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_divr_m64 "qp_divr_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_com_m64 "qp_com_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_add_i16 "qp_add_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_mul_i16 "qp_mul_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_sub_i16 "qp_sub_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_subr_i16 "qp_subr_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_div_i16 "qp_div_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_divr_i16 "qp_divr_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_com_i16 "qp_com_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_add_i32 "qp_add_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_mul_i32 "qp_mul_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_sub_i32 "qp_sub_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_subr_i32 "qp_subr_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_div_i32 "qp_div_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_divr_i32 "qp_divr_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_com_i32 "qp_com_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    # m to the host's stack
    uint32_t x87_fld_m32 "qp_fld_m32"(void *m) noexcept nogil
    uint32_t x87_fld_m64 "qp_fld_m64"(void *m) noexcept nogil
    uint32_t x87_fild_i16 "qp_fild_i16"(void *m) noexcept nogil
    uint32_t x87_fild_i32 "qp_fild_i32"(void *m) noexcept nogil
    uint32_t x87_fild_i64 "qp_fild_i64"(void *m) noexcept nogil
    uint32_t x87_fbld "qp_fbld"(void *m) noexcept nogil
    # a to m; nothing stays on the host's stack
    uint32_t x87_fst_m32 "qp_fst_m32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fst_m64 "qp_fst_m64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fist_i16 "qp_fist_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fist_i32 "qp_fist_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fist_i64 "qp_fist_i64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fisttp_i16 "qp_fisttp_i16"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fisttp_i32 "qp_fisttp_i32"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fisttp_i64 "qp_fisttp_i64"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    uint32_t x87_fbstp "qp_fbstp"(uint32_t cw, FPReg *a, void *m) noexcept nogil
    # ends of the above
    void x87_take "qp_take"(void *d) noexcept nogil         # FSTP m80
    void x87_drop "qp_drop"() noexcept nogil                # FSTP ST(0)
    void x87_fnclex "qp_fnclex"() noexcept nogil
