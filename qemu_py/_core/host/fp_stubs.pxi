# Guest x87 and SSE state in the host's registers, stubs (entry.pyx). env.fp_live says what is there: it is loaded by the
# first op that wants it, and goes back to env when control leaves for C.

cdef int32_t FX = <int32_t> (<uintptr_t> E.fx_image + 15) & ~15         # env is at a page's start

cdef void test_live(Asm *a, int bits) noexcept nogil:
    rm(a, 1, 0xF6, 0, R14, off(&E.fp_live))
    b1(a, bits)

cdef void xmm_all(Asm *a, uint32_t op) noexcept nogil:
    """MOVUPS from (10h) or to (11h) env: XMM0-7 are the guest's, XMM8 xmm_t[0]."""
    cdef int i
    for i in range(9):
        rm(a, 4, 0x0F00 | op, i, R14, off(&E.xmm[i]) if i < 8 else off(&E.xmm_t[0]))

cdef void fxsave64(Asm *a, int digit) noexcept nogil:
    """FXSAVE (0) or FXRSTOR (1) of env's image."""
    rm(a, 8, 0x0FAE, digit, R14, FX)

cdef void call_c_aligned(Asm *a, void *function) noexcept nogil:
    """From any depth of the stack, guest registers spilled. RBX is lost."""
    env_to(a, RDI)
    mov_rr(a, 8, RBX, RSP)
    alu_ri(a, 8, X_AND, RSP, -16)
    call_c(a, function)
    mov_rr(a, 8, RSP, RBX)

cdef void spill_all(Asm *a, HostBuffer *h) noexcept nogil:
    """Everything to env: control goes to C. R8-R10 stay."""
    cdef uint8_t *none
    spill(a)
    alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.fp_live), 0)
    none = jcc(a, CC_E)
    call_to(a, h.fp_save)
    aim(none, a.p)

cdef void fp_keep(Asm *a) noexcept nogil:
    """Before a C function that comes back soon and is no business of the guest's floating point: XMM registers are its
    own. The x87 stays, unless it is wanted for Python (sse_leave). R10 is lost."""
    cdef uint8_t *none
    ld(a, 4, R10, R14, off(&E.fp_live))
    st(a, 4, R10, R14, off(&E.fp_was))
    test_live(a, FP_LIVE_XMM)
    none = jcc(a, CC_E)
    xmm_all(a, 0x11)
    alu_mi(a, 4, X_AND, R14, NO_REG, off(&E.fp_live), FP_LIVE_X87)
    aim(none, a.p)

cdef void fp_kept(Asm *a, HostBuffer *h) noexcept nogil:
    """And behind it, guest registers reloaded."""
    cdef uint8_t *none
    alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.fp_was), 0)
    none = jcc(a, CC_E)
    call_to(a, h.fp_again)
    aim(none, a.p)


cdef void emit_fp_stubs(HostBuffer *h, Asm *a) noexcept:
    cdef uint8_t *skip
    cdef uint8_t *out
    cdef uint8_t *live
    cdef int i
    h.fp_save = a.p
    test_live(a, FP_LIVE_XMM)
    skip = jcc(a, CC_E)
    xmm_all(a, 0x11)
    aim(skip, a.p)
    test_live(a, FP_LIVE_X87)
    skip = jcc(a, CC_E)
    for i in range(R8, R11):
        push(a, i)
    call_c_aligned(a, <void *> x87_leave)
    for i in range(R10, R8 - 1, -1):
        pop(a, i)
    aim(skip, a.p)
    rm(a, 4, 0xC7, 0, R14, off(&E.fp_live))
    b4(a, 0)
    b1(a, 0xC3)

    h.load_xmm = a.p                    # XMM registers, and MXCSR if all is masked: ZF says that it is not. R8 is lost
    test_live(a, FP_LIVE_XMM)
    skip = jcc(a, CC_NE)
    xmm_all(a, 0x10)
    alu_mi(a, 4, X_OR, R14, NO_REG, off(&E.fp_live), FP_LIVE_XMM)
    aim(skip, a.p)
    alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.sse_live), 0)
    live = jcc(a, CC_NE)
    ld(a, 4, R8, R14, off(&E.mxcsr))
    rr(a, 4, 0xF7, 2, R8)               # not
    rr(a, 4, 0xF7, 0, R8)               # test r8d, masks
    b4(a, MXCSR_MASKS)
    out = jcc(a, CC_NE)
    rm(a, 4, 0x0FAE, 3, R14, off(&E.host_mxcsr))        # stmxcsr
    rm(a, 4, 0x0FAE, 2, R14, off(&E.mxcsr))             # ldmxcsr
    rm(a, 4, 0xC7, 0, R14, off(&E.sse_live))
    b4(a, 1)
    aim(live, a.p)
    alu_mi(a, 4, X_OR, R14, NO_REG, off(&E.fp_live), FP_LIVE_MXCSR)
    aim(out, a.p)
    test_live(a, FP_LIVE_MXCSR)
    b1(a, 0xC3)

    h.load_x87 = a.p                    # ZF: done; else some exception is not masked. R8-R10 are lost
    rm(a, 4, 0x0FB7, R8, R14, off(&E.fpuc))
    rr(a, 4, 0xF7, 2, R8)
    rr(a, 4, 0xF7, 0, R8)
    b4(a, FPUC_MASKS)
    out = jcc(a, CC_NE)
    push(a, R11)
    fxsave64(a, 0)
    spill(a)
    call_c_aligned(a, <void *> x87_image)
    reload(a)
    fxsave64(a, 1)
    pop(a, R11)
    alu_mi(a, 4, X_OR, R14, NO_REG, off(&E.fp_live), FP_LIVE_X87)
    rr(a, 4, 0x3B, RAX, RAX)
    aim(out, a.p)
    b1(a, 0xC3)

    h.fp_again = a.p                    # what fp_keep noted. R8-R10 stay
    for i in range(R8, R11):
        push(a, i)
    alu_mi(a, 4, X_AND, R14, NO_REG, off(&E.fp_was), FP_LIVE_XMM | FP_LIVE_X87)
    rm(a, 1, 0xF6, 0, R14, off(&E.fp_was))
    b1(a, FP_LIVE_XMM)
    skip = jcc(a, CC_E)
    call_to(a, h.load_xmm)
    aim(skip, a.p)
    rm(a, 1, 0xF6, 0, R14, off(&E.fp_was))
    b1(a, FP_LIVE_X87)
    skip = jcc(a, CC_E)
    test_live(a, FP_LIVE_X87)
    out = jcc(a, CC_NE)
    call_to(a, h.load_x87)
    aim(skip, a.p)
    aim(out, a.p)
    for i in range(R10, R8 - 1, -1):
        pop(a, i)
    b1(a, 0xC3)
