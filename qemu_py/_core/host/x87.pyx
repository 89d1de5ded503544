"""x87 instructions as host code (fp.pyx).

Tags, TOP, stack faults, condition codes are the host's own; FIP, FCS, FOP are noted once before the TB is left, FDP and FDS at each
operand in memory.
"""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.host.access cimport access_flat, mem
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport save_host_flags, touch, want
from qemu_py._core.host.gen cimport *
from qemu_py._core.ir.interp cimport EA_SEG_MASK, EA_SEG_SHIFT
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.fpu cimport FPUC_MASKS, FPUS_ES

include "../gen/host_fp_forms.pxi"

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
