"""Templates of shifts, rotates, multiplication, division, bits.

Flags that the manual leaves undefined are as x86/intmath.pyx says, whatever the host's processor makes of them.
"""
from qemu_py._core.cpu cimport (CPUX86State, IROp, CC_OP_ADD, CC_OP_CMP, CC_OP_DEC, CC_OP_EFLAGS, CC_OP_INC, CC_OP_LAHF,
                                CC_OP_LOGIC, CC_OP_MUL, CC_OP_RES, CC_OP_SAR, CC_OP_SHL, CC_OP_SHR, CC_OP_SUB, CC_OP_TEST)
from qemu_py._core.host.access cimport access, gen_ea, load_zx, mem
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport (flush_flags, kill_flags, save_host_flags, set_carry, set_flags, touch,
                                           want, want_carry)
from qemu_py._core.host.gen cimport *

cdef CPUX86State *E = NULL

cdef enum:
    CC_AE = 3
    CC_NS = 9
    BIT_O = 11              # of EFLAGS

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef inline int shift_kind(int x) noexcept nogil:
    return CC_OP_SHL if x == X_SHL else CC_OP_SHR if x == X_SHR else CC_OP_SAR


cdef void keep_source(Gen *g, int size, int d) noexcept nogil:
    """cc_src = the operand before a shift; its upper half is for the count."""
    if size == 4:
        st(&g.a, 8, d, R14, off(&E.cc_src))
    else:
        rr(&g.a, 4, 0x0FB6 if size == 1 else 0x0FB7, R9, d)
        st(&g.a, 8, R9, R14, off(&E.cc_src))


cdef void count_of_cl(Gen *g) noexcept nogil:
    """R9; ZF: it is 0, and the flags stay what they are."""
    mov_rr(&g.a, 4, R9, RCX)
    alu_ri(&g.a, 4, X_AND, R9, 31)


cdef uint8_t *skip_no_count(Gen *g) noexcept nogil:
    """A count of 0 leaves the flags alone, so which flags there are is known at run time only: they go to env on
    either way. R9: the count; the jump is to be aimed behind the op."""
    flush_flags(g)
    count_of_cl(g)
    return jcc(&g.a, CC_E)


cdef int t_shift(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int size = t.size
    cdef int d = use(g, op.a)
    cdef uint32_t n = <uint32_t> op.imm & 31
    if d == NO_REG or size == 1 and high(op.a) or n == 0:
        return 1
    if not t.nf:
        keep_source(g, size, d)
        rm(&g.a, 4, 0xC7, 0, R14, off(&E.cc_src) + 4)
        b4(&g.a, n)
    rr(&g.a, size, 0xC1 if size != 1 else 0xC0, t.arg, d)
    b1(&g.a, n)
    g.hv = 0
    if not t.nf:
        set_flags(g, shift_kind(t.arg), size, d, IN_ENV, 0, HV_REST | (HV_O if n == 1 else 0) | (HV_C if size == 4 or n < 8 else 0))
    return 0


cdef int t_shift_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef uint32_t n = <uint32_t> op.imm & 31
    if not t.nf or n == 0 or access(g, op, t, t.size, True):
        return 1
    mem(g, t.size, 0xC1 if t.size != 1 else 0xC0, t.arg)
    b1(&g.a, n)
    g.hv = 0
    return 0


cdef int t_shift_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef uint8_t *skip
    cdef int size = t.size
    cdef int d = use(g, op.a)
    if d == NO_REG or size == 1 and high(op.a):
        return 1
    skip = skip_no_count(g)
    rm(a, 4, 0xC7, 0, R14, off(&E.cc_op))
    b4(a, shift_kind(t.arg) + log2_of(size))
    mov_rr(a, 4, R10, R9)
    keep_source(g, size, d)
    st(a, 4, R10, R14, off(&E.cc_src) + 4)
    rr(a, size, 0xD3 if size != 1 else 0xD2, t.arg, d)
    if size == 4:
        st(a, 8, d, R14, off(&E.cc_dst))
    else:
        rr(a, 4, 0x0FB6 if size == 1 else 0x0FB7, R9, d)
        st(a, 8, R9, R14, off(&E.cc_dst))
    aim(skip, a.p)
    g.hv = 0
    g.cc = CC_UNKNOWN
    return 0


cdef int t_shift_m_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef uint8_t *skip
    cdef int size = t.size
    flush_flags(g)
    if access(g, op, t, size, True):
        return 1
    skip = skip_no_count(g)
    rm(a, 4, 0xC7, 0, R14, off(&E.cc_op))
    b4(a, shift_kind(t.arg) + log2_of(size))
    load_zx(g, size, R9)
    st(a, 8, R9, R14, off(&E.cc_src))
    count_of_cl(g)
    st(a, 4, R9, R14, off(&E.cc_src) + 4)
    mem(g, size, 0xD3 if size != 1 else 0xD2, t.arg)
    load_zx(g, size, R9)
    st(a, 8, R9, R14, off(&E.cc_dst))
    aim(skip, a.p)
    g.hv = 0
    g.cc = CC_UNKNOWN
    return 0


cdef void replace_carry(Gen *g, HostTemplate *t, bint overflow) noexcept nogil:
    """CF, and OF, is about to be another; who wants no flags at all wants nothing kept."""
    if t.nf:
        g.pend.on = 0
    if t.nf or overflow or g.pend.over == OVER_C:
        g.pend.over = OVER_NONE


cdef int t_rotate(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """ROL, ROR by a constant; by another than 1 only CF changes."""
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int d = use(g, op.a)
    cdef uint32_t n = <uint32_t> op.imm & 31
    if d == NO_REG or size == 1 and high(op.a) or n == 0 or not t.nf and n & (8 * size - 1) == 0:
        return 1
    replace_carry(g, t, n == 1)
    touch(g, d)
    rr(a, size, 0xC1 if size != 1 else 0xC0, t.arg, d)
    b1(a, n)
    if t.nf:
        g.hv = 0
        kill_flags(g)
    else:
        g.hv = HV_C | (g.hv & HV_REST) | (HV_O if n == 1 else 0)
        set_carry(g, d, 0 if t.arg == X_ROL else 8 * size - 1, n == 1)
    return 0


cdef int t_rotate_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """ROL, ROR by CL. OF is as if the count were 1."""
    cdef Asm *a = &g.a
    cdef uint8_t *skip
    cdef int size = t.size
    cdef int d = use(g, op.a)
    if d == NO_REG or size == 1 and high(op.a):
        return 1
    skip = skip_no_count(g)
    mov_rr(a, 4, R10, d)
    rr(a, size, 0xD1 if size != 1 else 0xD0, t.arg, R10)
    rm(a, 1, 0x0F90, 0, R14, off(&E.over_o))            # seto
    rr(a, size, 0xD3 if size != 1 else 0xD2, t.arg, d)
    rm(a, 1, 0x0F92, 0, R14, off(&E.over_c))            # setc
    g.pend.over = OVER_CO
    g.pend.over_reg = IN_ENV
    flush_flags(g)
    aim(skip, a.p)
    g.hv = 0
    g.cc = CC_UNKNOWN
    return 0


cdef int t_rotate_carry(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """RCL, RCR by 1."""
    cdef int size = t.size
    cdef int d = use(g, op.a)
    if d == NO_REG or size == 1 and high(op.a):
        return 1
    if t.nf:
        want_carry(g)
    else:
        want(g, HV_C)
    replace_carry(g, t, True)
    touch(g, d)
    rr(&g.a, size, 0xD1 if size != 1 else 0xD0, t.arg, d)
    if t.nf:
        g.hv = 0
        kill_flags(g)
    else:
        g.hv = HV_C | HV_O | (g.hv & HV_REST)
        set_carry(g, IN_ENV, 0, True)
    return 0


cdef int t_double_shift(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """SHLD, SHRD of 32 bits by a constant."""
    cdef Asm *a = &g.a
    cdef int d = use(g, op.a)
    cdef int y = use(g, op.b)
    cdef uint32_t n = <uint32_t> op.imm & 31
    if d == NO_REG or y == NO_REG or n == 0 or not t.nf:
        return 1
    rr(a, 4, 0x0FA4 if t.arg == X_SHL else 0x0FAC, y, d)
    b1(a, n)
    g.hv = 0
    return 0


cdef int t_double_shift_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """SHLD, SHRD of 32 bits by CL. OF is as if the count were 1."""
    cdef Asm *a = &g.a
    cdef uint8_t *skip
    cdef int d = use(g, op.a)
    cdef int y = use(g, op.b)
    if d == NO_REG or y == NO_REG:
        return 1
    skip = skip_no_count(g)
    mov_rr(a, 4, R10, d)
    if t.arg == X_SHL:                  # R10 bit 31: O
        rr(a, 4, 0x03, R10, R10)
        rr(a, 4, 0x33, R10, d)
    else:
        mov_rr(a, 4, R9, y)
        rr(a, 4, 0xC1, X_SHL, R9)
        b1(a, 31)
        rr(a, 4, 0x33, R10, R9)
    rr(a, 4, 0xC1, X_SHR, R10)
    b1(a, 31)
    rr(a, 4, 0xC1, X_SHL, R10)
    b1(a, BIT_O)
    rr(a, 4, 0x0FA5 if t.arg == X_SHL else 0x0FAD, y, d)
    rr(a, 1, 0x0F92, 0, R9)             # setc
    rr(a, 4, 0x0FB6, R9, R9)
    rr(a, 4, 0x0B, R9, R10)
    st(a, 8, R9, R14, off(&E.cc_src))
    st(a, 8, d, R14, off(&E.cc_dst))
    rm(a, 4, 0xC7, 0, R14, off(&E.cc_op))
    b4(a, CC_OP_RES + log2_of(4))
    aim(skip, a.p)
    g.hv = 0
    g.cc = CC_UNKNOWN
    return 0


# ---------------------------------------------------------------- multiplication, division
cdef void mul_flags(Gen *g, int size, int low) noexcept nogil:
    """CF = OF of the host is the guest's."""
    cdef Asm *a = &g.a
    mov_ri64(a, R9, 0)
    rr(a, 1, 0x0F92, 0, R9)
    st(a, 8, R9, R14, off(&E.cc_src))
    set_flags(g, CC_OP_MUL, size, low, IN_ENV, 0, HV_C | HV_O)


cdef int t_imul(Gen *g, IROp *op, HostTemplate *t, int form) noexcept nogil:
    """Two operands (form 0), three (1), or with memory (2)."""
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int d = use(g, op.a) if form != 1 else reg_of(op.a)
    cdef int y
    if d == NO_REG:
        return 1
    if form == 2:
        if access(g, op, t, size, False):
            return 1
        mem(g, size, 0x0FAF, d)
    else:
        y = use(g, op.b)
        if y == NO_REG:
            return 1
        if form == 0:
            rr(a, size, 0x0FAF, d, y)
        else:
            rr(a, size, 0x69, d, y)
            imm(a, size, <uint32_t> op.imm)
            if d == R11:
                g.t0 = 1
    g.hv = 0
    if not t.nf:
        mul_flags(g, size, d)
    return 0


cdef int t_mul(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """MUL, IMUL of EDX:EAX."""
    cdef int y = use(g, op.b)
    if y == NO_REG:
        return 1
    rr(&g.a, t.size, 0xF7, t.arg, y)
    g.hv = 0
    if not t.nf:
        mul_flags(g, t.size, RAX)
    return 0


cdef int t_div(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """What would be #DE is left to the interpreter."""
    cdef Asm *a = &g.a
    cdef int y = use(g, op.b)
    if y == NO_REG:
        return 1
    g.hv = 0
    if t.arg == 6:                      # DIV: the quotient fits when EDX < y
        rr(a, 4, 0x3B, RDX, y)
        bail_if(g, CC_AE)
        touch(g, RAX)
        touch(g, RDX)
        rr(a, 4, 0xF7, 6, y)
        return 0
    # IDIV: EDX must be EAX' sign (what compilers make), y neither 0 nor -1
    mov_rr(a, 4, R9, RAX)
    rr(a, 4, 0xC1, X_SAR, R9)
    b1(a, 31)
    rr(a, 4, 0x3B, R9, RDX)
    bail_if(g, CC_NE)
    rm(a, 4, 0x8D, R9, y, 1)
    alu_ri(a, 4, X_CMP, R9, 1)
    bail_if(g, 6)                       # y + 1 <= 1
    touch(g, RAX)
    touch(g, RDX)
    rr(a, 4, 0xF7, 7, y)
    return 0


# ---------------------------------------------------------------- bits
cdef int t_bit(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    """BT BTS BTR BTC on a register. Only CF changes."""
    cdef Asm *a = &g.a
    cdef int d = use(g, op.a)
    cdef int y = NO_REG if is_imm else use(g, op.b)
    if d == NO_REG or y == NO_REG and not is_imm or t.size != 4 or t.nf and t.arg == 4:
        return 1
    replace_carry(g, t, False)
    if t.arg != 4:
        touch(g, d)
    if is_imm:
        rr(a, 4, 0x0FBA, t.arg, d)
        b1(a, <uint32_t> op.imm & 31)
    else:
        rr(a, 4, 0x0F83 | t.arg << 3, y, d)
    if t.nf:
        g.hv = 0
        kill_flags(g)
    else:
        g.hv = HV_C
        set_carry(g, d if t.arg == 4 and is_imm else IN_ENV, <int> op.imm & 31, False)
    return 0


cdef int t_bit_m(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    """BTS BTR BTC of a dword in memory, which lea_bit has found if the number is in a register."""
    cdef Asm *a = &g.a
    cdef int y = NO_REG if is_imm else use(g, op.a)
    if t.size != 4 or y == NO_REG and not is_imm or access(g, op, t, 4, True):
        return 1
    replace_carry(g, t, False)
    if is_imm:
        mem(g, 4, 0x0FBA, t.arg)
        b1(a, <uint32_t> op.imm & 31)
    else:
        mov_rr(a, 4, R9, y)
        alu_ri(a, 4, X_AND, R9, 31)
        mem(g, 4, 0x0F83 | t.arg << 3, R9)
    if t.nf:
        g.hv = 0
        kill_flags(g)
    else:
        g.hv = HV_C
        set_carry(g, IN_ENV, 0, False)
    return 0


cdef int t_lea_bit(Gen *g, IROp *op) noexcept nogil:
    """The dword with the bit whose number is in the register imm."""
    cdef Asm *a = &g.a
    cdef int x = reg_of(op.a)
    cdef int y = use(g, <uint16_t> op.imm)
    if x == NO_REG or y == NO_REG or gen_ea(g, op):
        return 1
    touch(g, x)
    mov_rr(a, 4, R9, y)
    rr(a, 4, 0xC1, X_SAR, R9)
    b1(a, 5)
    rmx(a, 4, 0x8D, x, g.base, R9, 2, g.disp)
    g.hv = 0
    if x == R11:
        g.t0 = 1
    return 0


cdef int t_scan(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """BSF, BSR. cc_dst: the number | 100h, or 0 when there is none."""
    cdef Asm *a = &g.a
    cdef uint8_t *none
    cdef uint8_t *done
    cdef int d = reg_of(op.a)
    cdef int y = use(g, op.b)
    if d == NO_REG or y == NO_REG or t.size != 4 or d == R11:
        return 1
    rr(a, 4, 0x0FBC + t.arg, R9, y)
    none = jcc(a, CC_E)
    mov_rr(a, 4, d, R9)
    g.hv = 0
    if t.nf:
        aim(none, a.p)
        return 0
    alu_ri(a, 4, X_OR, R9, 0x100)
    done = jmp(a)
    aim(none, a.p)
    mov_ri64(a, R9, 0)
    aim(done, a.p)
    st(a, 8, R9, R14, off(&E.cc_dst))
    set_flags(g, CC_OP_LOGIC, 4, IN_ENV, IN_ENV, 0, 0)
    return 0


cdef int t_cmpxchg_m(Gen *g, IROp *op, HostTemplate *t, bint add) noexcept nogil:
    """CMPXCHG, XADD with memory: the host's own, EAX being EAX."""
    cdef int y = use(g, op.a)
    if y == NO_REG or t.size == 1 and high(op.a) or access(g, op, t, t.size, True):
        return 1
    mem(g, t.size, (0x0FC1 if t.size != 1 else 0x0FC0) if add else (0x0FB1 if t.size != 1 else 0x0FB0), y)
    save_host_flags(g)
    return 0
