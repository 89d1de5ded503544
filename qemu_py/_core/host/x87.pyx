"""x87 instructions as host code (fp.pyx).

Tags, TOP, stack faults, condition codes are the host's own; FIP, FCS, FOP are noted once before the TB is left, FDP and FDS at each
operand in memory. While the x87 is live env.fpuc is the host's control word too.
"""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.host.access cimport access_flat, access_in_r12, mem
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport save_host_flags, touch, want
from qemu_py._core.host.gen cimport *
from qemu_py._core.host.groups cimport r12_is_taken
from qemu_py._core.ir.interp cimport EA_SEG_MASK, EA_SEG_SHIFT
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.fpu cimport FPUC_MASKS, FPUS_ES

include "../gen/host_fp_forms.pxi"

cdef enum:
    FPUC_RC_ZERO = 0x0C00       # rounding towards zero
    FISTP_DWORD = 0x318         # opcodes as in FOP, without mod and r/m: DB /3, ...
    FISTP_WORD = 0x718
    FISTP_QWORD = 0x738
    FISTTP_DWORD = 0x308
    FISTTP_WORD = 0x708
    FISTTP_QWORD = 0x508

cdef CPUX86State *E = NULL

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field

cdef inline uint32_t fop_of(IROp *op) noexcept nogil:
    return <uint32_t> (op.imm >> 32) & 0x7FF

cdef void x87_done(Gen *g, IROp *op) noexcept nogil:
    g.fp.ip = <uint64_t> op.imm | <uint64_t> 1 << 63

cdef void x87_operand(Gen *g, IROp *op) noexcept nogil:
    """FDP and FDS."""
    cdef Asm *a = &g.a
    cdef int reg = g.base
    cdef uint32_t seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    if g.disp:
        rm(a, 4, 0x8D, R9, g.base, g.disp)
        reg = R9
    st(a, 4, reg, R14, off(&E.fp_dp))
    if g.fp.seg != seg + 1:
        rm(a, 4, 0xC7, 0, R14, off(&E.fp_ds))
        b4(a, seg)
        g.fp.seg = seg + 1

cdef void x87_mem(Gen *g, uint32_t fop) noexcept nogil:
    prefix(&g.a, 4, -1, g.base, g.addend)
    b1(&g.a, 0xD8 | fop >> 8)
    modrm_mem(&g.a, fop >> 3 & 7, g.addend, g.base, 0, g.disp)

cdef int gen_x87(Gen *g, IROp *op, FPTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int form = t.form
    cdef uint32_t fop = fop_of(op)
    if form == F_x87_wait:
        rm(a, 1, 0xF6, 0, R14, off(&E.fpus))
        b1(a, FPUS_ES)
        g.hv = 0
        bail_if(g, CC_NE)
        return 0
    if form == F_x87_m:
        if access_flat(g, op, t.size, t.arg, False):
            return 1
        x87_mem(g, fop)
        x87_operand(g, op)
        x87_done(g, op)
    elif form == F_x87_ldcw:
        if access_flat(g, op, 2, False, False):
            return 1
        mem(g, 4, 0x0FB7, R9)
        rr(a, 4, 0xF7, 2, R9)           # not
        rr(a, 4, 0xF7, 0, R9)           # test
        b4(a, FPUC_MASKS)
        g.hv = 0
        bail_if(g, CC_NE)
        x87_mem(g, fop)
        rm(a, 4, 0xD9, 7, R14, off(&E.fpuc))        # fnstcw
    elif form == F_x87_stw:
        if access_flat(g, op, 2, True, False):
            return 1
        x87_mem(g, fop)
    else:
        if form == F_x87_cmov:
            want(g, HV_ALL)
        elif form == F_x87_stsw_ax:
            touch(g, RAX)
        b1(a, 0xD8 | fop >> 8)
        b1(a, fop & 0xFF)
        if form == F_x87_flags:
            save_host_flags(g)           # Z, P, C; the others are cleared
        if form != F_x87_stsw_ax and form != F_x87_clex:
            x87_done(g, op)
    return 0


# ---------------------------------------------------------------- FLDCW; FISTP; FLDCW
cdef uint32_t fisttp_of(uint32_t fop) noexcept nogil:
    """FISTTP's opcode for FISTP's, or 0."""
    fop &= 0x738
    return (FISTTP_DWORD if fop == FISTP_DWORD else FISTTP_WORD if fop == FISTP_WORD else
            FISTTP_QWORD if fop == FISTP_QWORD else 0)


cdef bint is_truncation(IROp *op, FPTemplate **t) noexcept nogil:
    return t[0].form == F_x87_ldcw and t[1].form == F_x87_m and t[2].form == F_x87_ldcw and fisttp_of(fop_of(op + 1)) != 0


cdef int gen_truncation(Gen *g, IROp *op, FPTemplate **t) noexcept nogil:
    """C's conversion to an integer. FLDCW of another value can take 150 cycles; where the first loads the control word that
    is there but for rounding towards zero, and the second that word again, FISTTP needs neither. All operands are checked
    before anything happens; when one fails, the interpreter goes on at the first op."""
    cdef Asm *a = &g.a
    cdef bint checked = access_in_r12(g, op + 2, 2, False)
    cdef uint8_t *other
    cdef uint8_t *odd = NULL
    cdef uint8_t *done
    cdef uint32_t k = g.k, t0, control
    cdef FPGen fp
    cdef int i
    if not checked and r12_is_taken(g):
        return gen_x87(g, op, t[0])
    if access_flat(g, op, 2, False, False):
        return 1
    g.hv = 0
    mem(g, 4, 0x0FB7, R9)
    rm(a, 4, 0x0FB7, R8, R14, off(&E.fpuc))
    alu_ri(a, 4, X_OR, R8, FPUC_RC_ZERO)
    rr(a, 4, 0x3B, R8, R9)
    other = jcc(a, CC_NE)
    t0 = g.t0
    fp = g.fp
    if not checked:                     # R12: where the second control word is, in one page
        if access_flat(g, op + 2, 2, False, False):
            return 1
        rmx(a, 8, 0x8D, R12, g.addend, g.base, 0, g.disp)
        rr(a, 1, 0xF6, 0, R12)
        b1(a, 1)
        odd = jcc(a, CC_NE)
    if access_flat(g, op + 1, t[1].size, True, False):
        return 1
    x87_mem(g, fisttp_of(fop_of(op + 1)))
    x87_operand(g, op + 1)
    x87_done(g, op + 1)
    if checked:
        access_in_r12(g, op + 2, 2, False)
        rmx(a, 4, 0x0FB7, R9, R12, g.base, 0, g.disp)
    else:
        rm(a, 4, 0x0FB7, R9, R12, 0)
    rm(a, 2, 0x3B, R9, R14, off(&E.fpuc))
    g.k = k + 2
    control = g.ncold
    cold(g, jcc(a, CC_NE), COLD_CONTROL)
    done = jmp(a)
    aim(other, a.p)
    if odd != NULL:
        aim(odd, a.p)
    g.t0 = t0
    g.fp = fp
    for i in range(3):
        g.k = k + i
        if gen_x87(g, op + i, t[i]):
            g.k = k
            return 1
    aim(done, a.p)
    g.cold[control].hot = a.p
    return 0


cdef void emit_cold_control(Asm *a, Cold *c) noexcept nogil:
    """FISTTP has stood for FISTP, but the control word behind it, in R9, is another than the one in force."""
    cdef uint8_t *unmasked
    mov_rr(a, 4, R8, R9)
    rr(a, 4, 0xF7, 2, R8)               # not
    rr(a, 4, 0xF7, 0, R8)               # test
    b4(a, FPUC_MASKS)
    unmasked = jcc(a, CC_NE)
    st(a, 2, R9, R14, off(&E.fpuc))
    rm(a, 4, 0xD9, 5, R14, off(&E.fpuc))        # fldcw
    rm(a, 4, 0xD9, 7, R14, off(&E.fpuc))        # fnstcw: as the processor has it
    jmp_to(a, c.hot)
    aim(unmasked, a.p)
    alu_mi(a, 2, X_OR, R14, NO_REG, off(&E.fpuc), FPUC_RC_ZERO)         # should the interpreter's access fault
    rm(a, 4, 0xD9, 5, R14, off(&E.fpuc))
