"""Where the guest's flags are while code is made.

A template that defines flags says what env's (cc_op, cc_dst, cc_src) shall be, and in which registers those values
are; nothing is stored. Code is made for the stores only where somebody may look: before a call, at a way out, in the
cold path of an access (a fault shows EFLAGS), and when such a register is overwritten. The next definition drops them.
Beside that `hv` says which flags the host's EFLAGS hold, for consumers that follow at once. What changes CF only (rotates,
bit tests), or CF and OF, is kept beside the rest (Pend.over), and put together when somebody may look.
"""
from qemu_py._core.cpu cimport (CPUX86State, IROp, CC_OP_ADD, CC_OP_CMP, CC_OP_DEC, CC_OP_EFLAGS, CC_OP_INC, CC_OP_LAHF,
                                CC_OP_LOGIC, CC_OP_MUL, CC_OP_SAR, CC_OP_SHL, CC_OP_SHR, CC_OP_SUB, CC_OP_TEST)
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.gen cimport *

cdef CPUX86State *E = NULL

cdef enum:
    CC_OP_C_IN_BIT0 = CC_OP_LOGIC - CC_OP_EFLAGS        # kinds EFLAGS .. DEC

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef void set_flags(Gen *g, int kind, int size, int dst, int src, long long imm, int hv) noexcept nogil:
    if g.undecided:
        g.undecided = False
        g.tb.tc_kills = 1
    g.pend.over = OVER_NONE
    g.pend.on = 1
    g.pend.cc_op = kind + log2_of(size)
    g.pend.dst = dst
    g.pend.src = src
    g.pend.imm = imm
    g.hv = hv


cdef void set_carry(Gen *g, int reg, int bit, bint overflow) noexcept nogil:
    """The host's CF, and OF, is the guest's. CF is the bit of reg too, unless reg is IN_ENV."""
    g.undecided = False
    if reg == IN_ENV or overflow:
        rm(&g.a, 1, 0x0F92, 0, R14, off(&E.over_c))
        reg = IN_ENV
    if overflow:
        rm(&g.a, 1, 0x0F90, 0, R14, off(&E.over_o))
    elif g.pend.over == OVER_CO:
        overflow = True
    g.pend.over = OVER_CO if overflow else OVER_C
    g.pend.over_reg = reg
    g.pend.over_bit = bit


cdef void store_part(Asm *a, int32_t where, int size, int part, int64_t value) noexcept nogil:
    if part == IN_ENV:
        return
    if part == IMMEDIATE:
        value &= (<int64_t> 1 << (8 * size)) - 1
        if value <= 0x7FFFFFFF:
            rm(a, 8, 0xC7, 0, R14, where)
            b4(a, <uint32_t> value)
        else:
            mov_ri64(a, R9, value)
            st(a, 8, R9, R14, where)
    elif size == 4:
        st(a, 8, part, R14, where)
    else:
        rr(a, 4, 0x0FB6 if size == 1 else 0x0FB7, R9, part)
        st(a, 8, R9, R14, where)


cdef void store_base(Gen *g, Pend *p) noexcept nogil:
    """Those beside the override."""
    cdef int size = 1 << (p.cc_op & 3)
    store_part(&g.a, off(&E.cc_dst), size, p.dst, p.imm)
    store_part(&g.a, off(&E.cc_src), size, p.src, p.imm)
    rm(&g.a, 4, 0xC7, 0, R14, off(&E.cc_op))
    b4(&g.a, p.cc_op)


cdef void flush_base(Gen *g) noexcept nogil:
    if g.pend.on:
        store_base(g, &g.pend)
        g.cc = g.pend.cc_op
        g.pend.on = 0


cdef void byte_to_carry(Asm *a, int32_t where) noexcept nogil:
    """Bit 0 of a byte in env to CF. R9 is lost. A byte, for the last store may have been no wider: a load of more would wait
    until that has reached the cache."""
    rm(a, 4, 0x0FB6, R9, R14, where)
    rr(a, 4, 0xD1, X_SHR, R9)


cdef void over_to_carry(Asm *a, Pend *p) noexcept nogil:
    """CF; of the other flags none is kept for sure. R9 is lost if it is in env."""
    if p.over_reg == IN_ENV:
        byte_to_carry(a, off(&E.over_c))
    else:
        rr(a, 4, 0x0FBA, 4, p.over_reg)
        b1(a, p.over_bit)


cdef void merge(Gen *g, Pend *p, uint32_t cc) noexcept nogil:
    """To env, in one: the base, which env has as cc says or which is pending, and the override. R9 and the host's flags are
    lost."""
    cdef Asm *a = &g.a
    cdef uint32_t kind = cc & 0xFC
    if p.on:
        kind = p.cc_op & 0xFC
        if not pending_to_host(g, p):
            store_base(g, p)
            cc = p.cc_op
            base_to_host(g, cc)
    else:
        base_to_host(g, cc)
    push(a, RAX)
    b1(a, 0x9F)                         # lahf
    rr(a, 1, 0x0F90, 0, RAX)            # seto al
    st(a, 2, RAX, R14, off(&E.cc_src))
    pop(a, RAX)
    over_to_carry(a, p)
    rr(a, 1, 0x0F92, 0, R9)
    # A of logic is the manual's to leave undefined, and 0
    alu_mi(a, 1, X_AND, R14, NO_REG, off(&E.cc_src) + 1, ~1 & (~16 if kind == CC_OP_LOGIC or kind == CC_OP_TEST else ~0))
    rm(a, 1, 0x08, R9, R14, off(&E.cc_src) + 1)
    if p.over == OVER_CO:
        ld(a, 1, R9, R14, off(&E.over_o))
        st(a, 1, R9, R14, off(&E.cc_src))
    rm(a, 4, 0xC7, 0, R14, off(&E.cc_op))
    b4(a, CC_OP_LAHF)


cdef void store_pend(Gen *g, Pend *p, uint32_t cc) noexcept nogil:
    if p.over:
        merge(g, p, cc)
    elif p.on:
        store_base(g, p)


cdef void flush_flags(Gen *g) noexcept nogil:
    if g.pend.over:
        merge(g, &g.pend, g.cc)
        g.cc = CC_OP_LAHF
        g.hv = 0
        g.pend.over = OVER_NONE
        g.pend.on = 0
    else:
        flush_base(g)


cdef void touch(Gen *g, int reg) noexcept nogil:
    if g.pend.on and (g.pend.dst == reg or g.pend.src == reg):
        flush_base(g)
    if g.pend.over and g.pend.over_reg == reg:
        over_to_carry(&g.a, &g.pend)
        rm(&g.a, 1, 0x0F92, 0, R14, off(&E.over_c))
        g.pend.over_reg = IN_ENV
        g.hv &= HV_C


cdef void kill_flags(Gen *g) noexcept nogil:
    g.pend.on = 0
    g.pend.over = OVER_NONE
    g.cc = CC_UNKNOWN


# ---------------------------------------------------------------- to the host's flags
cdef void op_with(Gen *g, int size, uint32_t opc, int reg, int part, int64_t value) noexcept nogil:
    """reg op the pending operand (a register or an immediate). opc: that of `r, r/m` bytes; its /digit is bits 3-5."""
    if part == IMMEDIATE:
        if opc == 0x84:
            rr(&g.a, size, 0xF6 if size == 1 else 0xF7, 0, reg)
            imm(&g.a, size, <uint32_t> value)
        else:
            alu_ri(&g.a, size, opc >> 3, reg, <int32_t> value)
    else:
        rr(&g.a, size, opc if size == 1 else opc + 1, reg, part)


cdef bint pending_to_host(Gen *g, Pend *p) noexcept nogil:
    """From the registers that hold the operands still."""
    cdef int kind = p.cc_op & 0xFC
    cdef int size = 1 << (p.cc_op & 3)
    if p.dst < 0 or p.src == IN_ENV and kind != CC_OP_LOGIC:
        return False
    if kind == CC_OP_CMP:
        op_with(g, size, 0x3A, p.dst, p.src, p.imm)
    elif kind == CC_OP_TEST:
        op_with(g, size, 0x84, p.dst, p.src, p.imm)
    elif kind == CC_OP_LOGIC:
        rr(&g.a, size, 0x84 if size == 1 else 0x85, p.dst, p.dst)
    else:
        return False
    return True


cdef void base_to_host(Gen *g, uint32_t cc) noexcept nogil:
    """All six of env, whose cc_op is known or CC_UNKNOWN. R9 is lost."""
    if not cc_to_host(&g.a, cc):
        call_to(&g.a, g.h.load_flags)


cdef bint cc_to_host(Asm *a, uint32_t cc) noexcept nogil:
    """The same, if that is few instructions."""
    cdef int kind = cc & 0xFC
    cdef int size = 1 << (cc & 3)
    if cc > 0xFF:
        return False
    if kind in (CC_OP_CMP, CC_OP_TEST, CC_OP_LOGIC, CC_OP_SUB, CC_OP_ADD, CC_OP_INC, CC_OP_DEC):
        ld(a, 8, R9, R14, off(&E.cc_dst))
    if kind == CC_OP_CMP:
        rm(a, size, 0x3A if size == 1 else 0x3B, R9, R14, off(&E.cc_src))
    elif kind == CC_OP_TEST:
        rm(a, size, 0x84 if size == 1 else 0x85, R9, R14, off(&E.cc_src))
    elif kind == CC_OP_LOGIC:
        rr(a, size, 0x84 if size == 1 else 0x85, R9, R9)
    elif kind == CC_OP_SUB:
        rm(a, 4, 0x03, R9, R14, off(&E.cc_src))
        rm(a, size, 0x3A if size == 1 else 0x3B, R9, R14, off(&E.cc_src))
    elif kind == CC_OP_ADD:
        rm(a, 4, 0x2B, R9, R14, off(&E.cc_src))
        rm(a, size, 0x02 if size == 1 else 0x03, R9, R14, off(&E.cc_src))
    elif kind == CC_OP_INC or kind == CC_OP_DEC:
        rm(a, 4, 0x8D, R9, R9, -1 if kind == CC_OP_INC else 1)
        rm(a, 4, 0x0FBA, 4, R14, off(&E.cc_src))       # bt
        b1(a, 0)
        rr(a, size, 0xFE if size == 1 else 0xFF, kind == CC_OP_DEC, R9)
    elif kind == CC_OP_LAHF:
        mov_rr(a, 8, R9, RAX)
        rm(a, 4, 0x0FB7, RAX, R14, off(&E.cc_src))
        b1(a, 0x04)                     # add al, 7Fh: OF
        b1(a, 0x7F)
        b1(a, 0x9E)                     # sahf
        mov_rr(a, 8, RAX, R9)
    else:
        return False
    return True


cdef void want(Gen *g, int flags) noexcept nogil:
    g.undecided = False
    if g.hv & flags == flags:
        return
    if g.pend.over == OVER_CO and flags & (HV_C | HV_O) or g.pend.over and flags & HV_C:
        if flags == HV_C:
            over_to_carry(&g.a, &g.pend)
            g.hv = HV_C
            return
        flush_flags(g)
    g.hv = HV_ALL
    if g.pend.over == OVER_C:
        g.hv = HV_O | HV_REST
    elif g.pend.over == OVER_CO:
        g.hv = HV_REST
    if g.pend.on and pending_to_host(g, &g.pend):
        return
    flush_base(g)
    base_to_host(g, g.cc)


cdef int flags_of_condition(int cc) noexcept nogil:
    cdef int which = cc >> 1
    if which == 0:
        return HV_O
    if which == 1:
        return HV_C
    if which == 3:
        return HV_C | HV_REST
    if which >= 6:
        return HV_O | HV_REST
    return HV_REST


cdef void want_condition(Gen *g, int cc) noexcept nogil:
    want(g, flags_of_condition(cc))


cdef void want_carry(Gen *g) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int kind
    g.undecided = False
    if g.hv & HV_C:
        return
    if g.pend.over:
        want(g, HV_C)
        return
    g.hv = HV_C
    if g.pend.on:
        if pending_to_host(g, &g.pend):
            return
        if g.pend.cc_op & 0xFC == CC_OP_LAHF:
            byte_to_carry(a, off(&E.cc_src) + 1)
            return
    flush_base(g)
    kind = g.cc & 0xFC
    if g.cc == CC_UNKNOWN:
        ld(a, 4, R9, R14, off(&E.cc_op))
        alu_ri(a, 4, X_SUB, R9, CC_OP_EFLAGS)
        alu_ri(a, 4, X_CMP, R9, CC_OP_C_IN_BIT0)
        cold(g, jcc(a, 3), COLD_CARRY)          # not below
        byte_to_carry(a, off(&E.cc_src))
        g.cold[g.ncold - 1].hot = a.p
    elif kind >= CC_OP_EFLAGS and kind < CC_OP_LOGIC:
        byte_to_carry(a, off(&E.cc_src))
    elif kind == CC_OP_LAHF:
        byte_to_carry(a, off(&E.cc_src) + 1)
    else:
        want(g, HV_ALL)


# ---------------------------------------------------------------- from the host's flags
cdef void save_host_flags(Gen *g) noexcept nogil:
    cdef Asm *a = &g.a
    mov_rr(a, 8, R8, RAX)
    b1(a, 0x9F)                         # lahf
    rr(a, 1, 0x0F90, 0, RAX)            # seto al
    st(a, 2, RAX, R14, off(&E.cc_src))
    mov_rr(a, 8, RAX, R8)
    set_flags(g, CC_OP_LAHF, 1, IN_ENV, IN_ENV, 0, HV_ALL)


# ---------------------------------------------------------------- a stub
cdef uint8_t *emit_load_flags(Asm *a, HostBuffer *h, uint8_t *by_c) noexcept:
    """The six flags of env to the host, whatever cc_op is. by_c: where it is done in C. R9 is lost."""
    cdef uint8_t *entry[CC_OP_TEST + 4]
    cdef uint8_t *start
    cdef uint8_t *table
    cdef uint32_t cc
    for cc in range(CC_OP_TEST + 4):
        entry[cc] = a.p
        pop(a, R8)
        if cc & 3 < 3 and cc_to_host(a, cc):
            b1(a, 0xC3)
        elif cc & 0xFC == CC_OP_EFLAGS:
            push(a, RAX)
            ld(a, 4, RAX, R14, off(&E.cc_src))
            rr(a, 1, 0x86, 0, RAX + 4)  # xchg al, ah
            b1(a, 0x24)                 # and al, 8: O
            b1(a, 8)
            b1(a, 0x04)                 # add al, 78h: OF
            b1(a, 0x78)
            b1(a, 0x9E)                 # sahf
            pop(a, RAX)
            b1(a, 0xC3)
        else:
            jmp_to(a, by_c)
    table = a.p
    for cc in range(CC_OP_TEST + 4):
        b8(a, <uint64_t> <uintptr_t> (entry[cc] + a.delta))
    start = a.p
    push(a, R8)
    ld(a, 4, R9, R14, off(&E.cc_op))
    rip(a, 8, 0x8D, R8, table + a.delta, 0)
    rmx(a, 4, 0xFF, 4, R8, R9, 3, 0)
    return start
