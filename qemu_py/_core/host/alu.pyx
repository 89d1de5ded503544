"""Templates of two-operand arithmetic and logic, INC, DEC, NEG, NOT, ADC and SBB."""
from qemu_py._core.cpu cimport (CPUX86State, IROp, CC_OP_ADD, CC_OP_CMP, CC_OP_DEC, CC_OP_EFLAGS, CC_OP_INC, CC_OP_LAHF,
                                CC_OP_LOGIC, CC_OP_MUL, CC_OP_SAR, CC_OP_SHL, CC_OP_SHR, CC_OP_SUB, CC_OP_TEST)
from qemu_py._core.host.access cimport access, load_zx, mem, mem_imm
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport (kill_flags, save_host_flags, set_flags, touch, want_carry)
from qemu_py._core.host.gen cimport *

cdef CPUX86State *E = NULL

cdef enum:
    X_TEST = 8              # HostTemplate.arg beside X_ADD .. X_CMP

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef inline int cc_kind(int x) noexcept nogil:
    if x == X_ADD:
        return CC_OP_ADD
    if x == X_SUB:
        return CC_OP_SUB
    if x == X_CMP:
        return CC_OP_CMP
    if x == X_TEST:
        return CC_OP_TEST
    return CC_OP_LOGIC


cdef inline uint32_t opcode_of(int x, int size) noexcept nogil:
    """Of `r, r/m`."""
    if x == X_TEST:
        return 0x84 if size == 1 else 0x85
    return x << 3 | (2 if size == 1 else 3)


cdef void zero_extend(Gen *g, int size, int to, int reg) noexcept nogil:
    if size == 4:
        if to != reg:
            mov_rr(&g.a, 4, to, reg)
    else:
        rr(&g.a, 4, 0x0FB6 if size == 1 else 0x0FB7, to, reg)


cdef int source(Gen *g, unsigned short o, int size, int scratch) noexcept nogil:
    if size == 1 and high(o):
        mov_rr(&g.a, 4, scratch, host_reg(o >> 3))
        rr(&g.a, 4, 0xC1, X_SHR, scratch)
        b1(&g.a, 8)
        g.hv = 0
        return scratch
    return use(g, o)


cdef void put(Gen *g, unsigned short o, int size, int value) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int to = reg_of(o)
    if to == R11:
        zero_extend(g, size, R11, value)
        g.t0 = 1
    elif size == 1 and high(o):
        zero_extend(g, 1, value, value)
        rr(a, 4, 0xC1, X_SHL, value)
        b1(a, 8)
        to = host_reg(o >> 3)
        alu_ri(a, 4, X_AND, to, <int32_t> 0xFFFF00FFU)
        rr(a, 4, 0x0B, to, value)
        g.hv = 0
    else:
        mov_rr(a, size, to, value)


# ---------------------------------------------------------------- two operands
cdef int alu_high(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    """With AH, CH, DH or BH."""
    cdef Asm *a = &g.a
    cdef int x = t.arg
    cdef int kind = cc_kind(x)
    cdef int d = source(g, op.a, 1, R9)
    cdef int y = R10
    if d == NO_REG:
        return 1
    zero_extend(g, 1, R9, d)
    if is_imm:
        mov_ri64(a, R10, <uint8_t> op.imm)
    else:
        y = source(g, op.b, 1, R10)
        if y == NO_REG:
            return 1
        zero_extend(g, 1, R10, y)
    if not t.nf and kind != CC_OP_LOGIC:
        st(a, 8, R10, R14, off(&E.cc_src))
    if x == X_CMP or x == X_TEST:
        st(a, 8, R9, R14, off(&E.cc_dst))
        rr(a, 1, opcode_of(x, 1), R9, R10)
        set_flags(g, kind, 1, IN_ENV, IN_ENV, 0, HV_ALL)
        return 0
    rr(a, 1, opcode_of(x, 1), R9, R10)
    zero_extend(g, 1, R9, R9)
    if not t.nf:
        st(a, 8, R9, R14, off(&E.cc_dst))
        set_flags(g, kind, 1, IN_ENV, IN_ENV, 0, HV_ALL)
    else:
        g.hv = 0
    put(g, op.a, 1, R9)
    return 0


cdef int t_alu(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    """Register with register or immediate. CMP and TEST too."""
    cdef Asm *a = &g.a
    cdef int size = t.size, x = t.arg
    cdef int kind = cc_kind(x)
    cdef int d, y
    if t.nf and (x == X_CMP or x == X_TEST):
        return 0
    if size == 1 and (high(op.a) or not is_imm and high(op.b)):
        return alu_high(g, op, t, is_imm)
    d = use(g, op.a)
    y = IMMEDIATE if is_imm else use(g, op.b)
    if d == NO_REG or y == NO_REG:
        return 1
    if is_imm:
        if x == X_TEST:
            rr(a, size, 0xF6 if size == 1 else 0xF7, 0, d)
            imm(a, size, <uint32_t> op.imm)
        else:
            alu_ri(a, size, x, d, <int32_t> op.imm)
    else:
        if d == y and not t.nf and (x == X_ADD or x == X_SUB):     # what was added is gone behind it
            zero_extend(g, size, R9, y)
            st(a, 8, R9, R14, off(&E.cc_src))
            y = IN_ENV
            rr(a, size, opcode_of(x, size), d, d)
        else:
            rr(a, size, opcode_of(x, size), d, y)
    if t.nf:
        g.hv = 0
    else:
        if kind == CC_OP_LOGIC or x == X_TEST and d == y:
            kind = CC_OP_LOGIC
            y = IN_ENV
        set_flags(g, kind, size, d, y, op.imm, HV_ALL)
    return 0


cdef int t_alu_rm(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size, x = t.arg
    cdef int kind = cc_kind(x)
    cdef int d = use(g, op.a)
    if d == NO_REG or size == 1 and high(op.a) or access(g, op, t, size, False):
        return 1
    g.hv = 0
    if t.nf or kind == CC_OP_LOGIC:
        mem(g, size, opcode_of(x, size), d)
    else:
        load_zx(g, size, R9)
        st(a, 8, R9, R14, off(&E.cc_src))
        rr(a, size, opcode_of(x, size), d, R9)
    if not t.nf:
        set_flags(g, kind, size, d, IN_ENV, 0, HV_ALL)
    return 0


cdef void rmw(Gen *g, int size, int x, bint is_imm, int y, int64_t value) noexcept nogil:
    """R9 op= y, and to memory, whose host's flags stay."""
    if is_imm:
        alu_ri(&g.a, size, x, R9, <int32_t> value)
    else:
        rr(&g.a, size, opcode_of(x, size), R9, y)
    mem(g, size, 0x89 if size != 1 else 0x88, R9)


cdef int t_alu_m(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    """Memory with register or immediate."""
    cdef Asm *a = &g.a
    cdef int size = t.size, x = t.arg
    cdef int kind = cc_kind(x)
    cdef int y = IMMEDIATE if is_imm else use(g, op.a)
    if y == NO_REG or not is_imm and size == 1 and high(op.a) or access(g, op, t, size, True):
        return 1
    g.hv = 0
    if t.nf:
        if is_imm:
            mem_imm(g, size, 0x81 if size != 1 else 0x80, x, op.imm)
        else:
            mem(g, size, x << 3 | (1 if size != 1 else 0), y)
        return 0
    load_zx(g, size, R9)
    rmw(g, size, x, is_imm, y, op.imm)
    zero_extend(g, size, R9, R9)
    st(a, 8, R9, R14, off(&E.cc_dst))
    set_flags(g, kind, size, IN_ENV, IN_ENV if kind == CC_OP_LOGIC else y, op.imm, HV_ALL)
    return 0


# ---------------------------------------------------------------- with carry
cdef void adc_done(Gen *g, HostTemplate *t) noexcept nogil:
    if t.nf:
        kill_flags(g)
        g.hv = 0
    else:
        save_host_flags(g)


cdef int t_adc(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    cdef int size = t.size
    cdef int d = use(g, op.a)
    cdef int y = IMMEDIATE if is_imm else use(g, op.b)
    if d == NO_REG or y == NO_REG or size == 1 and (high(op.a) or not is_imm and high(op.b)):
        return 1
    want_carry(g)
    if is_imm:
        alu_ri(&g.a, size, t.arg, d, <int32_t> op.imm)
    else:
        rr(&g.a, size, opcode_of(t.arg, size), d, y)
    adc_done(g, t)
    return 0


cdef int t_adc_m(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    cdef int size = t.size
    cdef int y = IMMEDIATE if is_imm else use(g, op.a)
    if y == NO_REG or size == 1 and not is_imm and high(op.a):
        return 1
    if access(g, op, t, size, True):
        return 1
    want_carry(g)
    if is_imm:
        mem_imm(g, size, 0x81 if size != 1 else 0x80, t.arg, op.imm)
    else:
        mem(g, size, t.arg << 3 | (1 if size != 1 else 0), y)
    adc_done(g, t)
    return 0


# ---------------------------------------------------------------- one operand
cdef void carry_to_env(Gen *g) noexcept nogil:
    """CF to bit 0 of cc_src, where it is not yet."""
    cdef uint32_t kind
    if g.pend.over:
        pass
    elif g.pend.on:
        kind = g.pend.cc_op & 0xFC
        if kind == CC_OP_INC or kind == CC_OP_DEC:
            return
    elif g.cc != CC_UNKNOWN and CC_OP_EFLAGS <= g.cc & 0xFC < CC_OP_LOGIC:
        return
    want_carry(g)
    rm(&g.a, 1, 0x0F92, 0, R14, off(&E.cc_src))         # setc
    g.pend.on = 0
    g.pend.over = OVER_NONE


cdef int t_inc(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int d = use(g, op.a)
    cdef uint32_t hv
    if d == NO_REG or size == 1 and high(op.a):
        return 1
    if not t.nf:
        carry_to_env(g)
    hv = g.hv
    rr(a, size, 0xFE if size == 1 else 0xFF, t.arg, d)
    if t.nf:
        g.hv = hv & HV_C
    else:
        set_flags(g, CC_OP_DEC if t.arg else CC_OP_INC, size, d, IN_ENV, 0, HV_REST | HV_O | (hv & HV_C))
    return 0


cdef int t_inc_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef uint32_t hv
    if access(g, op, t, size, True):
        return 1
    if t.nf:
        g.hv &= HV_C
        mem(g, size, 0xFE if size == 1 else 0xFF, t.arg)
        return 0
    carry_to_env(g)
    hv = g.hv
    load_zx(g, size, R9)
    rr(a, size, 0xFE if size == 1 else 0xFF, t.arg, R9)
    mem(g, size, 0x89 if size != 1 else 0x88, R9)
    zero_extend(g, size, R9, R9)
    st(a, 8, R9, R14, off(&E.cc_dst))
    set_flags(g, CC_OP_DEC if t.arg else CC_OP_INC, size, IN_ENV, IN_ENV, 0, HV_REST | HV_O | (hv & HV_C))
    return 0


cdef int t_not_neg(Gen *g, IROp *op, HostTemplate *t, bint neg) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int d = use(g, op.a)
    if d == NO_REG or size == 1 and high(op.a):
        return 1
    if not neg:
        touch(g, d)
        rr(a, size, 0xF7 if size != 1 else 0xF6, 2, d)
        return 0
    if not t.nf:
        zero_extend(g, size, R9, d)
        st(a, 8, R9, R14, off(&E.cc_src))
    rr(a, size, 0xF7 if size != 1 else 0xF6, 3, d)
    if t.nf:
        g.hv = 0
    else:
        set_flags(g, CC_OP_SUB, size, d, IN_ENV, 0, HV_ALL)
    return 0


cdef int t_not_neg_m(Gen *g, IROp *op, HostTemplate *t, bint neg) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size
    if access(g, op, t, size, True):
        return 1
    if neg:
        g.hv = 0
    if not neg or t.nf:
        mem(g, size, 0xF7 if size != 1 else 0xF6, 3 if neg else 2)
        return 0
    load_zx(g, size, R9)
    st(a, 8, R9, R14, off(&E.cc_src))
    rr(a, size, 0xF7 if size != 1 else 0xF6, 3, R9)
    mem(g, size, 0x89 if size != 1 else 0x88, R9)
    zero_extend(g, size, R9, R9)
    st(a, 8, R9, R14, off(&E.cc_dst))
    set_flags(g, CC_OP_SUB, size, IN_ENV, IN_ENV, 0, HV_ALL)
    return 0
