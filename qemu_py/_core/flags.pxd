"""Lazily held EFLAGS.

An arithmetic op leaves (cc_op, cc_dst, cc_src) instead of six flags; a consumer asks for what it
needs. cc_op is a kind (CC_OP_*) plus log2 of the operand size. cc_dst and cc_src are zero-extended
from that size. After CC_OP_RES and CC_OP_EFLAGS cc_src holds flag bits at their EFLAGS places. LAHF, MUL, INC, DEC, the shifts,
CMP and TEST are host code's alone.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport (CPUX86State, CC_C, CC_P, CC_A, CC_Z, CC_S, CC_O, CC_MASK, DF_MASK, CC_OP_ADC, CC_OP_ADD,
                                CC_OP_CMP, CC_OP_DEC, CC_OP_EFLAGS, CC_OP_INC, CC_OP_LAHF, CC_OP_LOGIC, CC_OP_MUL, CC_OP_RES,
                                CC_OP_SBB, CC_OP_SHL, CC_OP_SHR, CC_OP_SUB, CC_OP_TEST)

cdef extern from *:
    """
    static inline unsigned qp_parity_even(unsigned v) { return !__builtin_parity(v & 0xFF); }
    """
    unsigned int parity_even "qp_parity_even"(unsigned int v) noexcept nogil


cdef inline uint64_t cc_size_mask(uint32_t cc_op) noexcept nogil:
    return (<uint64_t> 0xFFFFFFFFFFFFFFFFU) >> (64 - (8 << (cc_op & 3)))


cdef inline uint32_t shift_co(uint32_t cc_op, uint64_t src) noexcept nogil:
    """C and O of a shift. O is as if the count were 1, A is 0: what the manual leaves undefined is as Intel does it."""
    cdef uint32_t kind = cc_op & ~3
    cdef uint32_t top = (8 << (cc_op & 3)) - 1
    cdef uint64_t x = <uint32_t> src
    cdef uint32_t n = <uint32_t> (src >> 32)
    if kind == CC_OP_SHL:
        return <uint32_t> (x << n >> top >> 1 & 1) | <uint32_t> ((x ^ x << 1) >> top & 1) << 11
    if kind == CC_OP_SHR:
        return <uint32_t> (x >> (n - 1) & 1) | <uint32_t> (x >> top & 1) << 11
    return <uint32_t> (x | (~<uint64_t> 0 << top if x >> top & 1 else 0)) >> (n - 1) & 1


cdef inline uint32_t compute_c(CPUX86State *env) noexcept nogil:
    """CF, 0 or 1."""
    cdef uint32_t kind = env.cc_op & ~3
    cdef uint64_t x
    if kind < CC_OP_LOGIC:
        return (env.cc_src >> 8 if kind == CC_OP_LAHF else env.cc_src) & CC_C
    if kind == CC_OP_LOGIC or kind == CC_OP_TEST:
        return 0
    if kind == CC_OP_ADD:
        return env.cc_dst < env.cc_src
    if kind == CC_OP_ADC:
        return env.cc_dst <= env.cc_src
    if kind == CC_OP_SUB:
        x = (env.cc_dst + env.cc_src) & cc_size_mask(env.cc_op)
        return x < env.cc_src
    if kind == CC_OP_CMP:
        return env.cc_dst < env.cc_src
    if kind == CC_OP_SBB:
        x = (env.cc_dst + env.cc_src + 1) & cc_size_mask(env.cc_op)
        return x <= env.cc_src
    return shift_co(env.cc_op, env.cc_src) & CC_C


cdef inline uint32_t compute_all(CPUX86State *env) noexcept nogil:
    """The six arithmetic flags at their EFLAGS places (SDM vol. 1, 3.4.3.1)."""
    cdef uint32_t kind = env.cc_op & ~3
    cdef uint32_t bits = 8 << (env.cc_op & 3)
    cdef uint64_t dst = env.cc_dst
    cdef uint64_t src = env.cc_src
    cdef uint64_t x, carry
    cdef uint32_t f
    if kind == CC_OP_EFLAGS:
        return <uint32_t> src & CC_MASK
    if kind == CC_OP_LAHF:
        return (<uint32_t> (src >> 8) & CC_MASK & 0xFF) | (<uint32_t> src & 1) << 11
    if kind == CC_OP_CMP:
        dst = (dst - src) & cc_size_mask(env.cc_op)
        kind = CC_OP_SUB
    elif kind == CC_OP_TEST:
        dst &= src
        kind = CC_OP_LOGIC
    f = CC_P if parity_even(<uint32_t> dst) else 0
    f |= <uint32_t> (dst >> (bits - 1) & 1) << 7
    if kind == CC_OP_MUL:
        return f | (CC_C | CC_O if src & 1 else 0)
    if dst == 0:
        f |= CC_Z
    if kind == CC_OP_RES:
        return f | (<uint32_t> src & (CC_C | CC_A | CC_O))
    if kind == CC_OP_LOGIC:
        return f
    if kind == CC_OP_INC:
        f |= <uint32_t> src & CC_C | (CC_A if dst & 15 == 0 else 0)
        return f | (CC_O if dst == <uint64_t> 1 << (bits - 1) else 0)
    if kind == CC_OP_DEC:
        f |= <uint32_t> src & CC_C | (CC_A if dst & 15 == 15 else 0)
        return f | (CC_O if dst == (<uint64_t> 1 << (bits - 1)) - 1 else 0)
    if kind >= CC_OP_SHL:
        return f | shift_co(env.cc_op, src)
    # carry: bit i is the carry (borrow) out of bit i
    if kind <= CC_OP_ADC:
        x = dst - src - (1 if kind == CC_OP_ADC else 0)
        carry = (x & src) | ((x | src) & ~dst)
    else:
        x = dst + src + (1 if kind == CC_OP_SBB else 0)
        carry = (~x & src) | ((~x | src) & dst)
    f |= <uint32_t> (carry >> (bits - 1)) & 1
    f |= (<uint32_t> carry << 1) & CC_A
    f |= (<uint32_t> ((carry >> (bits - 1)) ^ (carry >> (bits - 2))) & 1) << 11
    return f


cdef inline void set_cc_eflags(CPUX86State *env, uint32_t flags) noexcept nogil:
    """Set the six arithmetic flags from their EFLAGS places."""
    env.cc_src = flags & CC_MASK
    env.cc_op = CC_OP_EFLAGS


cdef inline uint32_t cpu_get_eflags(CPUX86State *env) noexcept nogil:
    """EFLAGS as PUSHFD would store it."""
    return env.eflags | compute_all(env) | (DF_MASK if env.df < 0 else 0) | 2


cdef inline void cpu_put_eflags(CPUX86State *env, uint32_t value, uint32_t mask) noexcept nogil:
    """Change the bits in `mask`. The caller calls update_hflags when TF, VM or AC may have changed."""
    set_cc_eflags(env, (compute_all(env) & ~mask) | (value & mask & CC_MASK))
    if mask & DF_MASK:
        env.df = -1 if value & DF_MASK else 1
    env.eflags = ((env.eflags & ~mask) | (value & mask)) & ~(CC_MASK | DF_MASK)
    env.eflags |= 2


cdef inline bint check_cond(CPUX86State *env, uint32_t cc) noexcept nogil:
    """Condition code cc (0 O, 1 NO, 2 B ... 15 NLE) on the current flags."""
    cdef uint32_t f, r
    cdef uint32_t which = cc >> 1
    cdef uint32_t kind = env.cc_op & ~3
    if which == 2 and kind >= CC_OP_RES and kind < CC_OP_CMP:
        r = env.cc_dst == 0
    elif which == 1:
        r = compute_c(env)
    elif which == 4 and kind >= CC_OP_RES and kind < CC_OP_CMP:
        r = env.cc_dst >> ((8 << (env.cc_op & 3)) - 1) & 1
    else:
        f = compute_all(env)
        if which == 0:
            r = f & CC_O
        elif which == 2:
            r = f & CC_Z
        elif which == 3:
            r = f & (CC_C | CC_Z)
        elif which == 4:
            r = f & CC_S
        elif which == 5:
            r = f & CC_P
        elif which == 6:
            r = ((f >> 7) ^ (f >> 11)) & 1
        else:
            r = (((f >> 7) ^ (f >> 11)) & 1) | (f & CC_Z)
    return (r != 0) ^ (cc & 1)
