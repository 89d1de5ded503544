"""Interpreter functions of ops/math.tbl and the helpers that they call.

Sources: SDM vol. 2 for each instruction. Flags that the manual leaves undefined follow Intel
silicon, compared bit by bit with a host CPU:

    SHL SHR SAR SHLD SHRD   AF = 0; OF for any count is what a count of 1 would give
    ROL ROR                 OF is that of a count of 1; a register by another immediate keeps it
    RCL RCR                 OF is that of a count of 1; a count of 0 modulo width + 1 changes nothing
    SHLD SHRD, 16 bits      a count over 16 shifts in the destination's own bits again
    MUL IMUL                S and P of the low half, Z = A = 0
    DIV IDIV                no flag changes
    BT BTS BTR BTC          only C changes
    BSF BSR                 C = A = S = O = 0 and P of the result; a source of 0 leaves the destination
    DAA DAS AAA AAS AAM     O = 0, S Z P of AL (AAA, AAS: of AL after its upper half was cleared)
    AAD                     as ADD of AL and AH * imm
    POPA ENTER              what was popped or pushed before a page fault stays; (E)SP does not move

Not modelled: the bus lock of LOCK (the CPUs of a machine take turns).
"""
from qemu_py._core.cpu cimport (CPUX86State, IROp, CC_A, CC_C, CC_MASK, CC_O, CC_OP_ADD, CC_OP_EFLAGS,
                                CC_OP_LOGIC, CC_OP_RES, CC_OP_SUB, CC_P, CC_S, CC_Z, EXCP00_DIVZ,
                                EXCP05_BOUND, EXCP11_ALGN, HF_AC, HF_FLAT_SS, HF_SS32, R_EAX, R_EBP, R_EBX, R_ECX, R_EDI, R_EDX, R_ESP)
from qemu_py._core.flags cimport compute_all, compute_c, parity_even, set_cc_eflags
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.softmmu cimport (host_rw, ld16, ld32, ld64, ld8, ld_rmw_slow, probe_write, st16, st32,
                                    st64, st_slow)
from qemu_py._core.x86.stack cimport stack_add, stack_linear, stack_offset
from qemu_py._core.x86.state cimport raise_exception, segment_check

cdef extern from *:
    uint32_t ctz32 "__builtin_ctz"(uint32_t x) noexcept nogil
    uint32_t clz32 "__builtin_clz"(uint32_t x) noexcept nogil
    uint32_t bswap_32 "__builtin_bswap32"(uint32_t x) noexcept nogil

cdef enum:              # operand offsets: GPR number * 8
    REG_CL = R_ECX * 8
    REG_DX = R_EDX * 8


# ---------------------------------------------------------------- C and O of shifts
cdef inline uint32_t shl_o(uint64_t x, uint32_t bits) noexcept nogil:
    """OF of a left shift or rotate by 1: the sign changes."""
    return <uint32_t> ((x ^ x << 1) >> (bits - 1) & 1) << 11

cdef inline uint32_t ror_o(uint64_t x, uint32_t bits) noexcept nogil:
    """OF of a rotate right by 1: the bit that enters differs from the sign."""
    return <uint32_t> ((x >> (bits - 1) ^ x) & 1) << 11

cdef inline uint32_t shl_co(uint64_t x, uint32_t n, uint32_t bits) noexcept nogil:
    return (<uint32_t> (x << n >> bits) & 1) | shl_o(x, bits)

cdef inline uint32_t shr_co(uint64_t x, uint32_t n, uint32_t bits) noexcept nogil:
    return (<uint32_t> (x >> (n - 1)) & 1) | <uint32_t> (x >> (bits - 1)) << 11

cdef inline uint32_t sar_co(int64_t x, uint32_t n) noexcept nogil:
    return <uint32_t> (x >> (n - 1)) & 1

cdef inline uint32_t shift_count(CPUX86State *env, int64_t imm) noexcept nogil:
    return <uint32_t> imm if imm >= 0 else r8(env, REG_CL) & 31

cdef inline uint64_t rotate_carry(uint64_t x, uint64_t c, uint32_t left, uint32_t bits) noexcept nogil:
    """Rotate carry:x left through `bits` + 1 bits; the carry comes out in bit `bits`."""
    cdef uint64_t w = c << bits | x
    return (w << left | w >> (bits + 1 - left)) & ((<uint64_t> 2 << bits) - 1)

cdef inline uint32_t shld32(uint32_t x, uint32_t y, uint32_t n) noexcept nogil:
    return <uint32_t> ((<uint64_t> x << 32 | y) << n >> 32)

cdef inline uint32_t shld_c32(uint32_t x, uint32_t y, uint32_t n) noexcept nogil:
    return x >> (32 - n) & 1

cdef inline uint32_t shrd32(uint32_t x, uint32_t y, uint32_t n) noexcept nogil:
    return <uint32_t> ((<uint64_t> y << 32 | x) >> n)

cdef inline uint32_t shrd_c32(uint32_t x, uint32_t y, uint32_t n) noexcept nogil:
    return x >> (n - 1) & 1

cdef inline uint64_t x_y_x(uint64_t x, uint64_t y) noexcept nogil:
    return x << 32 | y << 16 | x

cdef inline uint16_t shld16(uint16_t x, uint16_t y, uint32_t n) noexcept nogil:
    return <uint16_t> (x_y_x(x, y) << n >> 32)

cdef inline uint32_t shld_c16(uint16_t x, uint16_t y, uint32_t n) noexcept nogil:
    return <uint32_t> (x_y_x(x, y) >> (48 - n)) & 1

cdef inline uint16_t shrd16(uint16_t x, uint16_t y, uint32_t n) noexcept nogil:
    return <uint16_t> (x_y_x(x, y) >> n)

cdef inline uint32_t shrd_c16(uint16_t x, uint16_t y, uint32_t n) noexcept nogil:
    return <uint32_t> (x_y_x(x, y) >> (n - 1)) & 1


# ---------------------------------------------------------------- changing C and O alone
cdef inline void set_some(CPUX86State *env, uint32_t mask, uint32_t flags) noexcept nogil:
    """Change the flags in `mask` (of C, A, O) and keep the rest, lazily held ones included."""
    cdef uint32_t kind = env.cc_op & ~3
    if kind == CC_OP_EFLAGS or kind == CC_OP_RES:
        env.cc_src = (env.cc_src & ~<uint64_t> mask) | flags
    elif kind == CC_OP_LOGIC:
        env.cc_op += CC_OP_RES - CC_OP_LOGIC
        env.cc_src = flags
    else:
        set_cc_eflags(env, (compute_all(env) & ~mask) | flags)

cdef inline void set_c(CPUX86State *env, uint32_t flags) noexcept nogil:
    set_some(env, CC_C, flags)

cdef inline void set_co(CPUX86State *env, uint32_t flags) noexcept nogil:
    set_some(env, CC_C | CC_O, flags)


# ---------------------------------------------------------------- decimal and ASCII adjust
cdef void set_res8(CPUX86State *env, uint32_t al, uint32_t c_and_a) noexcept nogil:
    env.cc_dst = al
    env.cc_src = c_and_a
    env.cc_op = CC_OP_RES

cdef void decimal_adjust(CPUX86State *env, bint subtract) noexcept nogil:
    """DAA, DAS."""
    cdef uint32_t before = compute_all(env)
    cdef uint32_t old = r8(env, 0)
    cdef uint32_t al = old
    cdef uint32_t flags = 0
    if old & 15 > 9 or before & CC_A:
        al += -6 if subtract else 6
        # DAS keeps a borrow of this step; DAA's carry out of it implies that of the next
        flags = CC_A | (before & CC_C) | (al >> 8 & CC_C)
    if old > 0x99 or before & CC_C:
        al += -0x60 if subtract else 0x60
        flags |= CC_C
    elif not subtract:
        flags &= ~CC_C
    w8(env, 0, <uint8_t> al)
    set_res8(env, al & 0xFF, flags)

cdef void ascii_adjust(CPUX86State *env, bint subtract) noexcept nogil:
    """AAA, AAS. AL and AH are adjusted as the one 16-bit register."""
    cdef uint32_t ax = r16(env, 0)
    cdef uint32_t flags = 0
    if ax & 15 > 9 or compute_all(env) & CC_A:
        ax += -0x106 if subtract else 0x106
        flags = CC_A | CC_C
    ax &= 0xFF0F
    w16(env, 0, <uint16_t> ax)
    set_res8(env, ax & 0xFF, flags)


# ---------------------------------------------------------------- the rest
cdef int cmpxchg8b(CPUX86State *env, uint64_t va) noexcept nogil:
    """Compare EDX:EAX with the quadword at va. It is written in either case."""
    cdef uint64_t expected = env.regs[R_EDX] << 32 | <uint32_t> env.regs[R_EAX]
    cdef uint64_t old
    if probe_write(env, va, 8, env.mmu_idx) or ld64(env, va, &env.t[0]):
        return 1
    old = env.t[0]
    if old == expected:
        if st64(env, va, env.regs[R_ECX] << 32 | <uint32_t> env.regs[R_EBX]):
            return 1
        set_cc_eflags(env, compute_all(env) | CC_Z)
    else:
        if st64(env, va, old):
            return 1
        env.regs[R_EAX] = <uint32_t> old
        env.regs[R_EDX] = old >> 32
        set_cc_eflags(env, compute_all(env) & ~CC_Z)
    return 0

cdef inline int frame_st(CPUX86State *env, uint32_t sp, uint32_t value, int size) noexcept nogil:
    """Store at SS:sp. Nonzero: fault pending."""
    if stack_linear(env, stack_offset(env, sp), size, True, &env.a0):
        return 1
    if size == 4:
        return st32(env, env.a0, value)
    return st16(env, env.a0, <uint16_t> value)

cdef inline int64_t frame_ld(CPUX86State *env, uint32_t sp, int size) noexcept nogil:
    if stack_linear(env, stack_offset(env, sp), size, False, &env.a0):
        return -1
    if size == 4:
        return ld32(env, env.a0)
    return ld16(env, env.a0)

cdef int enter(CPUX86State *env, uint32_t alloc, uint32_t level, int size) noexcept nogil:
    """ENTER: EBP, the display of `level` - 1 frame pointers, the new one, then `alloc` bytes."""
    cdef uint32_t sp = <uint32_t> env.regs[R_ESP] - size
    cdef uint32_t bp = <uint32_t> env.regs[R_EBP]
    cdef uint32_t frame = sp
    cdef uint32_t i
    cdef int64_t value
    if frame_st(env, sp, bp, size):
        return 1
    if level:
        for i in range(level - 1):
            bp -= size
            value = frame_ld(env, bp, size)
            if value < 0:
                return 1
            sp -= size
            if frame_st(env, sp, <uint32_t> value, size):
                return 1
        sp -= size
        if frame_st(env, sp, frame, size):
            return 1
    sp -= alloc
    # SDM: #PF or #SS if a write at the final stack pointer would be one
    if (stack_linear(env, stack_offset(env, sp), size, True, &env.a0)
            or probe_write(env, env.a0, size, env.mmu_idx)):
        return 1
    stack_add(env, <int32_t> (sp - <uint32_t> env.regs[R_ESP]))
    if size == 4:
        w32(env, R_EBP * 8, frame)
    else:
        w16(env, R_EBP * 8, <uint16_t> frame)
    return 0

cdef inline bint flat_stack(CPUX86State *env) noexcept nogil:
    return env.hflags & (HF_SS32 | HF_FLAT_SS | HF_AC) == HF_SS32 | HF_FLAT_SS

cdef int pusha(CPUX86State *env, int size) noexcept nogil:
    cdef uint32_t sp = <uint32_t> env.regs[R_ESP]
    cdef uint32_t *frame
    cdef int i
    if size == 4 and flat_stack(env):       # in one page of RAM: no checks in between
        frame = <uint32_t *> host_rw(env, sp - 32, 32)
        if frame != NULL:
            for i in range(8):
                frame[7 - i] = <uint32_t> env.regs[i]
            env.regs[R_ESP] = sp - 32
            return 0
    for i in range(8):
        sp -= size
        if frame_st(env, sp, <uint32_t> env.regs[i], size):
            return 1
    stack_add(env, -8 * size)
    return 0

cdef int popa(CPUX86State *env, int size) noexcept nogil:
    cdef uint32_t sp = <uint32_t> env.regs[R_ESP]
    cdef uint32_t *frame
    cdef int i
    cdef int64_t value
    if size == 4 and flat_stack(env):
        frame = <uint32_t *> host_rw(env, sp, 32)
        if frame != NULL:
            for i in range(8):
                if i != R_ESP:
                    env.regs[i] = frame[7 - i]
            env.regs[R_ESP] = <uint32_t> (sp + 32)
            return 0
    for i in range(R_EDI, -1, -1):
        value = frame_ld(env, sp, size)
        if value < 0:
            return 1
        sp += size
        if i == R_ESP:      # read and dropped
            continue
        if size == 4:
            env.regs[i] = value
        else:
            w16(env, <uint16_t> (i * 8), <uint16_t> value)
    stack_add(env, 8 * size)
    return 0

cdef int bound(CPUX86State *env, int seg, uint32_t offset, uint16_t reg, int size) noexcept nogil:
    cdef uint64_t va = <uint32_t> (env.segs[seg].base + offset)
    cdef int64_t low, high, index
    if segment_check(env, seg, offset, 2 * size, False):
        return 1
    if env.hflags & HF_AC and va & (size - 1):
        return raise_exception(env, EXCP11_ALGN)
    if size == 4:
        low = ld32(env, va)
        if low < 0:
            return 1
        high = ld32(env, <uint32_t> (va + 4))
        if high < 0:
            return 1
        low, high, index = <int32_t> low, <int32_t> high, <int32_t> r32(env, reg)
    else:
        low = ld16(env, va)
        if low < 0:
            return 1
        high = ld16(env, <uint32_t> (va + 2))
        if high < 0:
            return 1
        low, high, index = <int16_t> low, <int16_t> high, <int16_t> r16(env, reg)
    if index < low or index > high:
        return raise_exception(env, EXCP05_BOUND)
    return 0

cdef int xlat(CPUX86State *env, int seg, bint a16) noexcept nogil:
    cdef uint32_t offset = <uint32_t> env.regs[R_EBX] + r8(env, 0)
    cdef int64_t value
    if a16:
        offset &= 0xFFFF
    if segment_check(env, seg, offset, 1, False):
        return 1
    value = ld8(env, <uint32_t> (env.segs[seg].base + offset))
    if value < 0:
        return 1
    w8(env, 0, <uint8_t> value)
    return 0


include "../gen/interp_math.pxi"

register_math_ops(op_table())
