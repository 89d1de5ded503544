"""x87, MMX and SSE as host code: what they have in common, and SSE.

Guest XMM0-7 are in XMM0-7, xmm_t[0] in XMM8, the guest's MXCSR in the host's, the guest's x87 and MMX in the host's: from the first
op that wants them until control leaves for C (fp_stubs.pxi). An op is the guest's own instruction, with the operand in
memory addressed anew. All of this is for a guest that has every exception masked; for one that has not, each op goes back
to the interpreter.
"""
from libc.string cimport memset
from qemu_py._core.cpu cimport CPUX86State, FP_LIVE_MXCSR, FP_LIVE_X87, FP_LIVE_XMM, IROp
from qemu_py._core.host.access cimport access_flat, mem
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport save_host_flags, touch
from qemu_py._core.host.gen cimport *
from qemu_py._core.host.mmx cimport gen_mmx, takes_operand
from qemu_py._core.host.vector cimport sse_m, sse_rr
from qemu_py._core.host.x87 cimport COLD_CONTROL, emit_cold_control, gen_truncation, gen_x87, is_truncation
from qemu_py._core.ir.table cimport *

cdef CPUX86State *E = NULL

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field

include "../gen/host_fp_templates.pxi"

cdef FPTemplate FP_TEMPLATES[NB_OPS]
fill_fp_templates(FP_TEMPLATES)

cdef int32_t XMM = off(&E.xmm[0])


cdef FPTemplate *fp_template(int opc) noexcept nogil:
    return &FP_TEMPLATES[opc]


# ---------------------------------------------------------------- what is live
cdef void need(Gen *g, uint32_t bits) noexcept nogil:
    """Have it in the host's registers. First thing of an op: R8-R10 and the host's flags are lost."""
    cdef Asm *a = &g.a
    if g.fp.known & bits == bits:
        return
    rm(a, 1, 0xF6, 0, R14, off(&E.fp_live))             # test
    b1(a, bits)
    cold(g, jcc(a, CC_E), COLD_XMM if bits == FP_LIVE_XMM else COLD_MXCSR if bits == FP_LIVE_MXCSR else COLD_X87)
    g.cold[g.ncold - 1].hot = a.p
    g.hv = 0
    g.fp.known |= bits
    if bits == FP_LIVE_MXCSR:
        g.fp.known |= FP_LIVE_XMM

cdef void emit_cold_fp(Gen *g, Cold *c) noexcept nogil:
    """Kinds of 16 and more; falls through to the bail."""
    cdef Asm *a = &g.a
    if c.kind == COLD_CONTROL:
        emit_cold_control(a, c)
        return
    call_to(a, g.h.load_x87 if c.kind == COLD_X87 else g.h.load_xmm)
    if c.kind == COLD_XMM:
        jmp_to(a, c.hot)
        return
    aim(jcc(a, CC_E if c.kind == COLD_X87 else CC_NE), c.hot)

cdef void fp_pointer(Gen *g, uint64_t ip) noexcept nogil:
    """Note the last x87 instruction's address. R9 is lost, the flags are not."""
    if ip:
        mov_ri64(&g.a, R9, ip)
        st(&g.a, 8, R9, R14, off(&E.fp_ip))

cdef void fp_before(Gen *g, uint32_t props) noexcept nogil:
    """Ahead of an op that may be the last of the TB to run."""
    if props & (OPP_END | OPP_LEAVES):
        fp_pointer(g, g.fp.ip)
        g.fp.ip = 0

cdef void fp_left(Gen *g) noexcept nogil:
    """C will run: nothing is live behind it."""
    fp_pointer(g, g.fp.ip)
    memset(&g.fp, 0, sizeof(FPGen))


# ---------------------------------------------------------------- instructions
cdef inline int xmm_of(uint16_t o) noexcept nogil:
    """Host register of an operand or of its upper half."""
    cdef int32_t i = <int32_t> o - XMM
    if 0 <= i < 8 * 16:
        return i >> 4
    if off(&E.xmm_t[0]) <= <int32_t> o < off(&E.xmm_t[1]):
        return 8
    return NO_REG

cdef inline void written(Gen *g, int reg) noexcept nogil:
    if reg == R11:
        g.t0 = 1

cdef inline bint upper(uint16_t o) noexcept nogil:
    return o - XMM & 15 == 8

cdef int gen_sse(Gen *g, IROp *op, FPTemplate *t) noexcept nogil:
    """Nonzero: no template after all."""
    cdef Asm *a = &g.a
    cdef uint32_t enc = t.enc
    cdef int form = t.form
    cdef int x = xmm_of(op.a)
    cdef int y = xmm_of(op.b)
    cdef uint32_t wanted = FP_LIVE_MXCSR if t.arg else FP_LIVE_XMM
    if form == F_v:
        if x == NO_REG or y == NO_REG:
            return 1
        need(g, wanted)
        sse_rr(a, enc, x, y)
    elif form == F_v_m:
        if x == NO_REG:
            return 1
        need(g, wanted)
        if access_flat(g, op, t.size, False, t.size == 16):
            return 1
        sse_m(g, enc, x)
    elif form == F_v_imm:
        if x == NO_REG or y == NO_REG:
            return 1
        need(g, FP_LIVE_XMM)
        sse_rr(a, enc, x, y)
        b1(a, <uint32_t> op.imm)
    elif form == F_v_cmp:
        if x == NO_REG or y == NO_REG:
            return 1
        need(g, FP_LIVE_MXCSR)
        sse_rr(a, enc, x, y)
        b1(a, t.arg)
    elif form == F_v_shift:
        need(g, FP_LIVE_XMM)
        sse_rr(a, enc, enc >> 25, x)
        b1(a, <uint32_t> op.imm)
    elif form == F_v_r or form == F_v_rimm:             # to a general register
        x = reg_of(op.a)
        if x == NO_REG or y == NO_REG:
            return 1
        need(g, wanted)
        touch(g, x)
        sse_rr(a, enc, x, y)
        if form == F_v_rimm:
            b1(a, <uint32_t> op.imm)
        written(g, x)
    elif form == F_v_si or form == F_v_ins:             # from one, or what has been loaded to XMM8
        need(g, wanted)
        if y == NO_REG:
            y = use(g, op.b)
            if y == NO_REG:
                return 1
        else:
            sse_rr(a, 0x66017E, y, R9)
            y = R9
        sse_rr(a, enc, x, y)
        if form == F_v_ins:
            b1(a, <uint32_t> op.imm)
    elif form == F_v_flags:
        if x == NO_REG or y == NO_REG:
            return 1
        need(g, FP_LIVE_MXCSR)
        sse_rr(a, enc, x, y)
        save_host_flags(g)           # Z, P, C; the others are cleared
    else:
        return gen_sse_move(g, op, t, x, y)
    return 0


cdef int gen_sse_move(Gen *g, IROp *op, FPTemplate *t, int x, int y) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int form = t.form
    if form == F_movx_r or form == F_movr_x:
        need(g, FP_LIVE_XMM)
        if form == F_movx_r:
            y = use(g, op.b)
            if y == NO_REG:
                return 1
            sse_rr(a, 0x66016E, x, y)
        else:
            x = reg_of(op.a)
            if x == NO_REG:
                return 1
            touch(g, x)
            sse_rr(a, 0x66017E, y, x)
            written(g, x)
        return 0
    if F_movx <= form <= F_movx_4:
        if x == NO_REG or y == NO_REG or upper(op.a) or upper(op.b):
            return 1
        need(g, FP_LIVE_XMM)
        sse_rr(a, 0x128 if form == F_movx else 0xF3017E if form == F_movx_8z else 0xF20110 if form == F_movx_8 else 0xF30110, x, y)
        return 0
    if form == F_st4 and x == NO_REG:   # MOVNTI
        x = use(g, op.a)
        if x == NO_REG or access_flat(g, op, 4, True, False):
            return 1
        mem(g, 4, 0x89, x)
        return 0
    if x == NO_REG:
        return 1
    need(g, FP_LIVE_XMM)
    if access_flat(g, op, t.size, form == F_st16 or form == F_st8 or form == F_st4, t.arg and t.size == 16):
        return 1
    if form == F_ld16:
        sse_m(g, 0x128 if t.arg else 0xF3016F, x)
    elif form == F_st16:
        sse_m(g, 0x129 if t.arg else 0xF3017F, x)
    elif form == F_ld8:
        sse_m(g, 0x116 if upper(op.a) else 0xF3017E if x == 8 else 0x112, x)
    elif form == F_ld8_z:
        sse_m(g, 0xF3017E, x)
    elif form == F_ld4_z:
        sse_m(g, 0xF30110, x)
    elif form == F_ld2:
        sse_m(g, 0x6601C4, x)
        b1(a, 0)
    elif form == F_st8:
        sse_m(g, 0x117 if upper(op.a) else 0x6601D6, x)
    else:
        sse_m(g, 0x66017E, x)
    return 0


cdef int gen_fp(Gen *g, IROp *op, FPTemplate *t) noexcept nogil:
    cdef FPTemplate *three[3]
    cdef FPTemplate *next_
    if F_FIRST_MMX <= t.form < F_x87:
        need(g, FP_LIVE_X87)
        if t.form == F_mm_to_xmm or t.form == F_mm_from_xmm:
            need(g, FP_LIVE_XMM)
        return gen_mmx(g, op, t, False)
    if t.form >= F_x87:
        if t.form != F_x87_wait:        # what is live has nothing pending
            need(g, FP_LIVE_X87)
        if g.k + 2 < g.tb.nops:
            three[0], three[1], three[2] = t, fp_template(op[1].opc), fp_template(op[2].opc)
            if is_truncation(op, three):
                return gen_truncation(g, op, three)
        return gen_x87(g, op, t)
    if t.form in (F_ld8, F_ld4_z, F_ld2) and g.k + 1 < g.tb.nops:
        next_ = fp_template(op[1].opc)
        if takes_operand(op + 1, next_):            # an MMX instruction's: its own again
            need(g, FP_LIVE_X87)
            if access_flat(g, op, t.size, False, False):
                return 1
            g.k += 1
            return gen_mmx(g, op + 1, next_, True)
    return gen_sse(g, op, t)
