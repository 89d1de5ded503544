"""Memory operands: address, segment check, and the site's page.

A site remembers a page as (linear address + site_epoch, what to add to an address). The distance of the operand from
that page, compared unsigned with what the page has room for, rejects at once another page, an outdated site, and an
operand that crosses into the next page.
"""
from qemu_py._core.cpu cimport (CPUX86State, HF_AC, HF_FLAT_SS, HF_SS32, IROp, R_SS, TARGET_PAGE_SIZE)
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport touch
from qemu_py._core.host.gen cimport *
from qemu_py._core.ir.interp cimport EA_A16, EA_SCALE, EA_SEG_MASK, EA_SEG_SHIFT

cdef CPUX86State *E = NULL

cdef enum:
    CC_G = 15

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef int ea_registers(Gen *g, IROp *op, int *base, int *index) noexcept nogil:
    cdef uint16_t zero = <uint16_t> off(&E.zero)
    base[0] = index[0] = NO_REG
    if op.b != zero:
        base[0] = use(g, op.b)
        if base[0] == NO_REG:
            return 1
    if op.c != zero:
        index[0] = use(g, op.c)
        if index[0] == NO_REG:
            return 1
    return 0


cdef inline int32_t moved(Gen *g, int base) noexcept nogil:
    """What a displacement from it is more."""
    return g.sp if base == R15 else 0


cdef void offset_to(Gen *g, IROp *op, int reg, int base, int index) noexcept nogil:
    if base == NO_REG and index == NO_REG:
        mov_ri64(&g.a, reg, <uint32_t> op.disp)
    else:
        rmx(&g.a, 4, 0x8D, reg, base, index, op.d & EA_SCALE, op.disp + moved(g, base))
    if op.d & EA_A16:
        rr(&g.a, 4, 0x0FB7, reg, reg)


cdef int gen_ea(Gen *g, IROp *op) noexcept nogil:
    cdef int base, index
    if ea_registers(g, op, &base, &index):
        return 1
    if base != NO_REG and index == NO_REG and -65536 <= op.disp <= 65536 and not op.d & EA_A16:
        g.base = base
        g.disp = op.disp + moved(g, base)
        return 0
    offset_to(g, op, R8, base, index)
    g.base = R8
    g.disp = 0
    return 0


cdef inline Group *group_of(Gen *g, int size, bint write) noexcept nogil:
    """The open group whose check was for this operand too, or NULL."""
    cdef Group *p
    cdef int guest
    cdef int32_t at
    guest = guest_reg(g.base)
    if g.in_groups == 0 or guest >= 8:          # an address in R8, or T0
        return NULL
    p = g.open[guest]
    at = g.delta[guest] + g.disp - moved(g, g.base)
    return p if p != NULL and at >= p.lo and at + size <= p.hi and (p.write or not write) else NULL


cdef bint access_in_r12(Gen *g, IROp *op, int size, bint write) noexcept nogil:
    cdef Group *p
    if op.b >= 64 or op.c != <uint16_t> off(&E.zero) or op.d & EA_A16:
        return False
    g.base = host_reg(op.b >> 3)
    g.disp = op.disp + moved(g, g.base)
    p = group_of(g, size, write)
    return p != NULL and p.in_r12


cdef void gen_check(Gen *g, int size, bint write) noexcept nogil:
    """The site's page, or out of line."""
    cdef Asm *a = &g.a
    cdef uint8_t *site = g.h.data_ptr
    cdef Group *p = group_of(g, size, write)
    cdef Cold *c
    if p != NULL and p.in_r12:
        g.addend = R12
        return
    g.addend = R10
    if p != NULL:
        rip(a, 8, 0x8B, R10, p.site + 8, 0)
        return
    g.h.data_ptr += 16
    (<uint64_t *> site)[0] = NO_SITE
    g.hv = 0
    rmx(a, 8, 0x8D, R9, g.base, R13, 0, g.disp)
    rip(a, 8, 0x2B, R9, site, 0)
    alu_ri(a, 8, X_CMP, R9, TARGET_PAGE_SIZE - size)
    cold(g, jcc(a, CC_A), COLD_PROBE)
    c = &g.cold[g.ncold - 1]
    rip(a, 8, 0x8B, R10, site + 8, 0)
    c.hot = a.p
    c.site = site
    c.base = NO_REG if g.base == R8 else g.base
    c.disp = g.disp
    c.write = write
    c.probe = probe_index(size)


cdef void segment(Gen *g, int seg, int size, bint write) noexcept nogil:
    """R8: offset; becomes the linear address when the segment allows the access."""
    cdef Asm *a = &g.a
    g.hv = 0
    rm(a, 8, 0x8D, R9, R8, size - 1)
    rm(a, 8, 0x3B, R9, R14, off(&E.segs[seg].hi_write) if write else off(&E.segs[seg].hi_read))
    bail_if(g, CC_G)
    rm(a, 8, 0x3B, R8, R14, off(&E.segs[seg].lo))
    bail_if(g, CC_L)
    rm(a, 4, 0x03, R8, R14, off(&E.segs[seg].base))
    g.base = R8
    g.disp = 0


cdef int access(Gen *g, IROp *op, HostTemplate *t, int size, bint write) noexcept nogil:
    if gen_ea(g, op):
        return 1
    if t.seg:
        if g.tb.flags & HF_AC:
            return 1
        if g.base != R8:
            rm(&g.a, 4, 0x8D, R8, g.base, g.disp)
        segment(g, (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT, size, write)
    gen_check(g, size, write)
    return 0


cdef int access_flat(Gen *g, IROp *op, int size, bint write, bint aligned) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int reg
    if gen_ea(g, op):
        return 1
    if aligned:
        g.hv = 0
        reg = g.base
        if g.disp & (size - 1):
            rm(a, 4, 0x8D, R9, g.base, g.disp)
            reg = R9
        rr(a, 4, 0xF7, 0, reg)          # test
        b4(a, size - 1)
        bail_if(g, CC_NE)
    gen_check(g, size, write)
    return 0


cdef void stack_flat(Gen *g, int base, int disp, int size, bint write) noexcept nogil:
    g.base = base
    g.disp = disp + moved(g, base)
    gen_check(g, size, write)


cdef int stack_any(Gen *g, int reg, int disp, int size, bint write) noexcept nogil:
    if g.tb.flags & HF_AC:
        return 1
    if g.tb.flags & HF_FLAT_SS and g.tb.flags & HF_SS32:
        stack_flat(g, reg, disp, size, write)
        return 0
    rm(&g.a, 4, 0x8D, R8, reg, disp)
    if not g.tb.flags & HF_SS32:
        rr(&g.a, 4, 0x0FB7, R8, R8)
    segment(g, R_SS, size, write)
    gen_check(g, size, write)
    return 0


cdef void stack_move(Gen *g, int delta) noexcept nogil:
    if g.tb.flags & HF_SS32:
        g.sp += delta
        if not g.tb.flags & HF_FLAT_SS:
            settle_stack(g)
    else:
        touch(g, R15)
        rm(&g.a, 4, 0x8D, R9, R15, delta)
        mov_rr(&g.a, 2, R15, R9)


cdef void settle_stack(Gen *g) noexcept nogil:
    if g.sp:
        touch(g, R15)
        rm(&g.a, 4, 0x8D, R15, R15, g.sp)
        g.sp = 0


cdef void mem(Gen *g, int size, unsigned int opc, int reg) noexcept nogil:
    rmx(&g.a, size, opc, reg, g.addend, g.base, 0, g.disp)


cdef void mem_imm(Gen *g, int size, unsigned int opc, int digit, long long value) noexcept nogil:
    rmx(&g.a, size, opc, digit, g.addend, g.base, 0, g.disp)
    imm(&g.a, size, <uint32_t> value)


cdef void load_zx(Gen *g, int size, int reg) noexcept nogil:
    if size == 1:
        mem(g, 4, 0x0FB6, reg)
    elif size == 2:
        mem(g, 4, 0x0FB7, reg)
    else:
        mem(g, 4, 0x8B, reg)
