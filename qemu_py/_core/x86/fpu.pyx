"""The x87: cold halves of its instructions, and the interpreter's functions of ops/fpu.tbl.

SDM vol. 1, chapter 8. An instruction that the fast way in fpu.pxd does not cover is run by the host
as the guest's own opcode in the guest's whole state (fpu_full).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy
from qemu_py._core.cpu cimport (CPUX86State, FPReg, IROp, CC_C, CC_MASK, CC_P, CC_Z, CR0_NE, EXCP11_ALGN, HF_AC,
                                EXCP0D_GPF, EXCP10_COPR, EXCP_INTERRUPT, EXCP_NONE)
from qemu_py._core.dispatch cimport cpu_set_ferr
from qemu_py._core.flags cimport check_cond, compute_all, set_cc_eflags
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.softmmu cimport ld16, st16
from qemu_py._core.x86.fpu_host cimport *
from qemu_py._core.x86.fpu_state cimport (fldenv, fnsave, fnstenv, frstor, fpu_clear_exceptions, fpu_init,
                                          fpu_set_control, fpu_set_status, fpu_set_tag_word, fpu_status,
                                          fpu_tag_word, fxrstor, fxsave)
from qemu_py._core.x86.state cimport raise_exception, segment_check

cdef extern from *:
    """
    /* Every register instruction of D8-DF, then every memory instruction with [RAX], each four
       bytes and ended by a RET. */
    __asm__ (".text\\n.p2align 4\\nqp_x87_stubs:\\n"
        ".set qp_i, 0\\n.rept 512\\n.byte 0xD8 + (qp_i >> 6), 0xC0 + (qp_i & 63), 0xC3, 0x90\\n.set qp_i, qp_i + 1\\n.endr\\n"
        ".set qp_i, 0\\n.rept 64\\n.byte 0xD8 + (qp_i >> 3), (qp_i & 7) << 3, 0xC3, 0x90\\n.set qp_i, qp_i + 1\\n.endr\\n");
    extern const unsigned char qp_x87_stubs[] __asm__("qp_x87_stubs") __attribute__((visibility("hidden")));
    #define QP_ASM_FUNCTION(name) __asm__(#name) __attribute__((visibility("hidden"), sysv_abi))
    /* (cw, stub, ST0 or NULL, ST1 or NULL): the status word behind the instruction; in the upper
       half that before it. What is on the stack stays there. */
    __asm__ (".text\\n.p2align 4\\nqp_x87_call:\\n"
        "subq $24, %rsp\\nmovw %di, (%rsp)\\nmovw $0x37F, 2(%rsp)\\nfldcw (%rsp)\\n"
        "testq %rcx, %rcx\\njz 1f\\nfldt (%rcx)\\n1:\\ntestq %rdx, %rdx\\njz 2f\\nfldt (%rdx)\\n2:\\n"
        "fnstsw %ax\\nmovzwl %ax, %r8d\\nshll $16, %r8d\\ncall *%rsi\\nfnstsw %ax\\nmovzwl %ax, %eax\\norl %r8d, %eax\\n"
        "fldcw 2(%rsp)\\naddq $24, %rsp\\nret\\n");
    extern uint32_t qp_x87_call(uint32_t cw, const void *stub, const void *st0, const void *st1) QP_ASM_FUNCTION(qp_x87_call);
    /* (FSAVE image, stub, memory operand, arithmetic EFLAGS): all but the stub are changed in
       place. An unmasked exception stays pending on the host until FNSAVE, which does not wait. */
    __asm__ (".text\\n.p2align 4\\nqp_x87_run:\\n"
        "subq $8, %rsp\\nfrstor (%rdi)\\nmovq %rdx, %rax\\npushq (%rcx)\\npopfq\\ncall *%rsi\\npushfq\\npopq (%rcx)\\n"
        "fnsave (%rdi)\\naddq $8, %rsp\\nret\\n");
    extern void qp_x87_run(void *image, const void *stub, void *mem, uint64_t *eflags) QP_ASM_FUNCTION(qp_x87_run);
    """
    const uint8_t *x87_stubs "qp_x87_stubs"
    uint32_t x87_call "qp_x87_call"(uint32_t cw, const void *stub, FPReg *st0, FPReg *st1) noexcept nogil
    void x87_run "qp_x87_run"(void *image, const void *stub, void *mem, uint64_t *eflags) noexcept nogil

cdef struct SaveImage:          # FSAVE, 32-bit protected mode
    uint32_t cw
    uint32_t sw
    uint32_t tw
    uint32_t pointers[4]
    uint8_t regs[80]

# Bytes that a memory instruction of opcode D8 + esc, /reg stores; 0: none.
cdef uint8_t *STORED = [
    0, 0, 0, 0, 0, 0, 0, 0,     0, 0, 4, 4, 0, 0, 0, 0,     0, 0, 0, 0, 0, 0, 0, 0,     0, 4, 4, 4, 0, 0, 0, 10,
    0, 0, 0, 0, 0, 0, 0, 0,     0, 8, 8, 8, 0, 0, 0, 0,     0, 0, 0, 0, 0, 0, 0, 0,     0, 2, 2, 2, 0, 0, 10, 8]


cdef inline void fp_pop2(CPUX86State *env) noexcept nogil:
    fp_pop(env)
    fp_pop(env)


cdef inline const uint8_t *stub(uint32_t fop) noexcept nogil:
    if fop & 0xC0 == 0xC0:
        return x87_stubs + 4 * ((fop >> 8) * 64 + (fop & 63))
    return x87_stubs + 2048 + 4 * ((fop >> 8) * 8 + (fop >> 3 & 7))


cdef int fpu_pending(CPUX86State *env) noexcept nogil:
    """A waiting instruction meets ES (SDM vol. 1, 8.7)."""
    if env.cr[0] & CR0_NE:
        return raise_exception(env, EXCP10_COPR)
    if env.ferr & FERR_IGNNE or env.bare:
        return 0
    # MS-DOS compatible: FERR# becomes IRQ 13, and the CPU stands still before this instruction
    # until an interrupt comes or IGNNE# is given (SDM vol. 1, D.2).
    env.ferr |= FERR_ASSERTED
    cpu_set_ferr(env)
    return raise_exception(env, EXCP_INTERRUPT)


cdef int store_result(CPUX86State *env, uint64_t va, uint32_t size) noexcept nogil:
    if size == 2:
        return fp_st2(env, va)
    if size == 4:
        return fp_st4(env, va)
    if size == 8:
        return fp_st8(env, va)
    return fp_st10(env, va)


cdef int run_full(CPUX86State *env, IROp *op, uint64_t va, bint reachable) noexcept nogil:
    """The op's instruction as the host does it in the guest's state; a memory operand is in env.t.

    Nonzero: its store faults, or is not `reachable`; nothing has changed."""
    cdef SaveImage image
    cdef FPReg *r
    cdef int i
    cdef uint32_t fop = <uint32_t> (op.imm >> 32) & 0x7FF
    cdef bint memory = fop & 0xC0 != 0xC0
    cdef uint32_t size = STORED[(fop >> 8) * 8 + (fop >> 3 & 7)] if memory else 0
    cdef uint32_t old = compute_all(env)
    cdef uint64_t eflags = old
    # Pending while IGNNE# lets the x87 go on: hidden from the host, which would trap
    cdef uint32_t pending = env.fpus & ~env.fpuc & FPUS_EXCEPTIONS
    image.cw = env.fpuc
    image.sw = fpu_status(env) & ~(pending | FPUS_ES | FPUS_B)
    image.tw = fpu_tag_word(env)
    image.pointers[0] = image.pointers[1] = image.pointers[2] = image.pointers[3] = 0
    for i in range(8):
        r = fp_st(env, i)
        memcpy(image.regs + 10 * i, &r.m, 8)
        memcpy(image.regs + 10 * i + 8, &r.se, 2)
    x87_run(&image, stub(fop), &env.t[0], &eflags)
    # An unmasked exception other than precision comes before the store (SDM vol. 1, 8.5)
    if size and not image.sw & ~image.cw & (FPUS_EXCEPTIONS & ~FPUS_PE):
        if not reachable or store_result(env, va, size):
            return 1
    fpu_set_status(env, image.sw | pending)
    fpu_set_tag_word(env, image.tw)
    for i in range(8):
        r = fp_st(env, i)
        memcpy(&r.m, image.regs + 10 * i, 8)
        memcpy(&r.se, image.regs + 10 * i + 8, 2)
    if (<uint32_t> eflags ^ old) & CC_MASK:
        set_cc_eflags(env, <uint32_t> eflags)
    fp_ip(env, op)
    if memory:
        fp_dp(env, op, va)
    return 0


cdef int fpu_full(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    return run_full(env, op, va, True)


cdef bint fpu_keeps_store(CPUX86State *env, IROp *op) noexcept nogil:
    cdef int seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    if env.fpuc & FPUC_MASKS == FPUC_MASKS:
        return False
    if run_full(env, op, <uint32_t> (env.segs[seg].base + ea_offset(env, op)), False):
        return False
    env.exception_index = EXCP_NONE
    return True


cdef inline bint fx_misaligned(CPUX86State *env, IROp *op, bint write) noexcept nogil:
    """FXSAVE, FXRSTOR beyond a limit: once the first dword has passed, a misaligned area is #AC or
    #GP(0) even in the stack segment; the rest of it is checked behind that."""
    cdef int seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    cdef uint32_t offset = ea_offset(env, op)
    cdef uint32_t va = <uint32_t> (env.segs[seg].base + offset)
    if va & 15 and not segment_check(env, seg, offset, 4, write):
        raise_exception(env, EXCP11_ALGN if env.hflags & HF_AC and va & 3 else EXCP0D_GPF)
    return False


cdef bint fxsave_misaligned(CPUX86State *env, IROp *op) noexcept nogil:
    return fx_misaligned(env, op, True)


cdef bint fxrstor_misaligned(CPUX86State *env, IROp *op) noexcept nogil:
    return fx_misaligned(env, op, False)


cdef inline bint is_normal(FPReg *r) noexcept nogil:
    return r.m >> 63 and 0 < r.se & 0x7FFF < 0x7FFF


cdef int fpu_math(CPUX86State *env, IROp *op) noexcept nogil:
    """Instructions of D9 that work on the top of the stack."""
    cdef uint32_t fop = <uint32_t> (op.imm >> 32) & 0x7FF
    cdef uint32_t modrm = fop & 0xFF
    cdef uint32_t defines = FPUS_C1
    cdef uint32_t sw, n = 1
    cdef bint possible = True
    cdef FPReg *st0 = fp_st(env, 0)
    cdef FPReg *st1 = NULL
    if 0xE9 <= modrm <= 0xED:                           # FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2
        st0 = NULL
        n = 0
        possible = fp_room(env)
    else:
        possible = fp_has(env, 0)
        if modrm == 0xF2 or modrm == 0xF4 or modrm == 0xFB:     # FPTAN FXTRACT FSINCOS
            possible = possible and fp_room(env)
        elif (modrm == 0xF1 or modrm == 0xF3 or modrm == 0xF5   # FYL2X FPATAN FPREM1
                or modrm == 0xF8 or modrm == 0xF9 or modrm == 0xFD):    # FPREM FYL2XP1 FSCALE
            st1 = fp_st(env, 1)
            n = 2
            possible = possible and fp_has(env, 1)
    if modrm == 0xE4 or modrm == 0xE5:                  # FTST FXAM
        defines = FPUS_CC
    elif modrm == 0xF5 or modrm == 0xF8:
        # C0 and C3 stay as they are when there is no quotient
        defines = FPUS_CC
        possible = possible and is_normal(st0) and is_normal(st1)
    elif modrm == 0xF2 or modrm == 0xFB or modrm == 0xFE or modrm == 0xFF:  # with FSIN, FCOS
        defines = FPUS_C1 | FPUS_C2
    if not possible:
        return fpu_full(env, op, 0)
    sw = x87_call(fp_cw(env), stub(fop), st0, st1)
    n = (n + (sw >> 27) - (sw >> 11)) & 7               # TOP before and after
    if not fp_quiet(env, sw):
        while n:
            x87_drop()
            n -= 1
        return fpu_full(env, op, 0)
    if modrm == 0xE4 or modrm == 0xE5:
        x87_drop()
    elif st0 == NULL:
        x87_take(fp_push(env))
    elif st1 == NULL:
        if n == 2:
            x87_take(fp_push(env))
        x87_take(st0)
    elif n == 1:
        x87_take(st1)
        fp_pop(env)
    else:
        x87_take(st0)
        x87_drop()
    fp_done(env, op, sw, defines)
    return 0


include "../gen/interp_fpu.pxi"

register_fpu_ops(op_table())
