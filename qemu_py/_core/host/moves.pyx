"""Templates of moves: registers, memory, the stack, single string elements. None changes flags, but for the strings that compare."""
from qemu_py._core.cpu cimport CC_OP_CMP, CPUX86State, HF_AC, HF_SS32, IROp, R_ES
from qemu_py._core.host.access cimport (access, ea_registers, gen_check, load_zx, mem, mem_imm, offset_to, segment, stack_any, stack_flat,
                                         stack_move)
from qemu_py._core.host.alu cimport put, source
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.flagstate cimport set_flags, touch, want_condition
from qemu_py._core.host.gen cimport *
from qemu_py._core.ir.interp cimport EA_A16, EA_SEG_MASK, EA_SEG_SHIFT

cdef CPUX86State *E = NULL

cdef enum:
    STRING_MOVS = 0         # HostTemplate.arg
    STRING_STOS = 1
    STRING_LODS = 2

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef inline int target(Gen *g, unsigned short o, int size) noexcept nogil:
    """Host register that is about to be written; of AH..BH the one that holds them. T0 comes to R11."""
    cdef int reg = reg_of(o)
    if reg == R11:
        if size < 4 and not g.t0:
            ld(&g.a, 8, R11, R14, o)
        g.t0 = 1
    if size == 1 and high(o):
        touch(g, host_reg(o >> 3))
    else:
        touch(g, reg)
    return reg


# ---------------------------------------------------------------- registers
cdef int t_mov_rr(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int y
    cdef int x = reg_of(op.a)
    if x == NO_REG or reg_of(op.b) == NO_REG:
        return 1
    if t.size == 1 and (high(op.a) and reg_of(op.b) >= 8 or high(op.b) and x >= 8):
        target(g, op.a, 1)
        y = source(g, op.b, 1, R9)
        if y != R9:
            mov_rr(&g.a, 4, R9, y)
        put(g, op.a, 1, R9)
        return 0
    y = use(g, op.b)
    target(g, op.a, t.size)
    mov_rr(&g.a, t.size, x, y)
    return 0


cdef int t_live(Gen *g, IROp *op) noexcept nogil:
    """A dword of guest code, wherever the host has that."""
    cdef int x = reg_of(op.a)
    if x == NO_REG:
        return 1
    target(g, op.a, 4)
    mov_ri64(&g.a, R9, <uint64_t> op.imm)
    ld(&g.a, 4, x, R9, 0)
    return 0


cdef int t_mov_ri(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int x = reg_of(op.a)
    if x == NO_REG:
        return 1
    target(g, op.a, 4 if x == R11 else t.size)
    if t.size == 4 or x == R11:
        mov_ri64(a, x, <uint32_t> op.imm)
    elif t.size == 2:
        rr(a, 2, 0xC7, 0, x)
        imm(a, 2, <uint32_t> op.imm)
    else:
        b1(a, 0xB0 | x)
        b1(a, <uint32_t> op.imm)
    return 0


cdef int t_xchg_rr(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int size = t.size
    cdef int x = use(g, op.a)
    cdef int y = use(g, op.b)
    if x == NO_REG or y == NO_REG or size == 1 and (x >= 8 or y >= 8):
        return 1
    target(g, op.a, size)
    target(g, op.b, size)
    rr(&g.a, size, 0x87 if size != 1 else 0x86, x, y)
    return 0


cdef int t_xchg_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int size = t.size
    cdef int y = use(g, op.a)
    if y == NO_REG or size == 1 and high(op.a) or access(g, op, t, size, True):
        return 1
    touch(g, y)
    mem(g, size, 0x87 if size != 1 else 0x86, y)
    return 0


cdef int t_extend(Gen *g, IROp *op, HostTemplate *t, bint signed) noexcept nogil:
    """MOVZX, MOVSX."""
    cdef int x = reg_of(op.a)
    cdef int y = use(g, op.b)
    if x == NO_REG or y == NO_REG or t.arg == 8 and high(op.b) and x >= 8:
        return 1
    target(g, op.a, t.size)
    rr(&g.a, t.size, (0x0FBE if signed else 0x0FB6) + (t.arg == 16), x, y)
    return 0


cdef int t_lea(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int x = reg_of(op.a)
    cdef int base, index
    if x == NO_REG or ea_registers(g, op, &base, &index):
        return 1
    target(g, op.a, t.size)
    if t.size == 4:
        offset_to(g, op, x, base, index)
    else:
        offset_to(g, op, R8, base, index)
        mov_rr(&g.a, t.size, x, R8)
    return 0


cdef int t_convert(Gen *g, HostTemplate *t) noexcept nogil:
    """CBW, CWDE (arg 0), CWD, CDQ (1)."""
    touch(g, RDX if t.arg else RAX)
    if t.size == 2:
        b1(&g.a, 0x66)
    b1(&g.a, 0x99 if t.arg else 0x98)
    return 0


cdef int t_bswap(Gen *g, IROp *op) noexcept nogil:
    cdef int x = reg_of(op.a)
    touch(g, x)
    prefix(&g.a, 4, -1, -1, x)
    b1(&g.a, 0x0F)
    b1(&g.a, 0xC8 | (x & 7))
    return 0


# ---------------------------------------------------------------- conditions
cdef int t_setcc(Gen *g, IROp *op) noexcept nogil:
    cdef int x = reg_of(op.a)
    if x == NO_REG:
        return 1
    want_condition(g, <int> op.imm)
    target(g, op.a, 1)
    rr(&g.a, 1, 0x0F90 | <uint32_t> op.imm, 0, x)
    return 0


cdef int t_setcc_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    if access(g, op, t, 1, True):
        return 1
    want_condition(g, <int> op.imm)
    mem(g, 1, 0x0F90 | <uint32_t> op.imm, 0)
    return 0


cdef int t_cmov(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int x = use(g, op.a)
    cdef int y = use(g, op.b)
    if x == NO_REG or y == NO_REG:
        return 1
    want_condition(g, <int> op.imm)
    target(g, op.a, t.size)
    rr(&g.a, t.size, 0x0F40 | <uint32_t> op.imm, x, y)
    return 0


cdef int t_cmov_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int x = use(g, op.a)
    if x == NO_REG or access(g, op, t, t.size, False):
        return 1
    want_condition(g, <int> op.imm)
    target(g, op.a, t.size)
    mem(g, t.size, 0x0F40 | <uint32_t> op.imm, x)
    return 0


# ---------------------------------------------------------------- memory
cdef int t_load(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int size = t.size
    cdef int x = reg_of(op.a)
    if x == NO_REG or access(g, op, t, size, False):
        return 1
    target(g, op.a, 4 if x == R11 else size)
    if x == R11:
        load_zx(g, size, R11)
    elif high(op.a) and size == 1:
        load_zx(g, 1, R9)
        put(g, op.a, 1, R9)
    else:
        mem(g, size, 0x8B if size != 1 else 0x8A, x)
    return 0


cdef int t_load_extend(Gen *g, IROp *op, HostTemplate *t, bint signed) noexcept nogil:
    cdef int x = reg_of(op.a)
    if x == NO_REG or access(g, op, t, t.arg // 8, False):
        return 1
    target(g, op.a, t.size)
    mem(g, t.size, (0x0FBE if signed else 0x0FB6) + (t.arg == 16), x)
    return 0


cdef int t_store(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int size = t.size
    cdef int x = use(g, op.a)
    if x == NO_REG or access(g, op, t, size, True):
        return 1
    x = source(g, op.a, size, R9)
    mem(g, size, 0x89 if size != 1 else 0x88, x)
    return 0


cdef int t_store_i(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    if access(g, op, t, t.size, True):
        return 1
    mem_imm(g, t.size, 0xC7 if t.size != 1 else 0xC6, 0, op.imm)
    return 0


# ---------------------------------------------------------------- the stack
cdef int t_push(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    cdef int size = t.size
    cdef int x = 0 if is_imm else use(g, op.a)
    if x == NO_REG or stack_any(g, R15, -size, size, True):
        return 1
    if is_imm:
        mem_imm(g, size, 0xC7, 0, op.imm)
    else:
        mem(g, size, 0x89, x)
    stack_move(g, -size)
    return 0


cdef int t_pop(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int size = t.size
    cdef int x = reg_of(op.a)
    if x == NO_REG or x == R11 or x == R15 or stack_any(g, R15, 0, size, False):
        return 1
    touch(g, x)
    mem(g, size, 0x8B, x)
    stack_move(g, size)
    return 0


cdef int t_leave(Gen *g, HostTemplate *t) noexcept nogil:
    cdef int size = t.size
    if stack_any(g, RBP, 0, size, False):
        return 1
    touch(g, R15)
    touch(g, RBP)
    load_zx(g, size, R10)
    if g.tb.flags & HF_SS32:
        rm(&g.a, 4, 0x8D, R15, RBP, size)
    else:
        rm(&g.a, 4, 0x8D, R9, RBP, size)
        mov_rr(&g.a, 2, R15, R9)
    mov_rr(&g.a, size, RBP, R10)
    return 0


# ---------------------------------------------------------------- strings
cdef void string_operand(Gen *g, IROp *op, bint flat, int reg, int seg, int size, bint write) noexcept nogil:
    if flat:
        stack_flat(g, reg, 0, size, write)
        return
    rr(&g.a, 4, 0x0FB7 if op.d & EA_A16 else 0x8B, R8, reg)
    segment(g, seg, size, write)
    gen_check(g, size, write)


cdef void advance(Gen *g, bint a16, int reg, int scale) noexcept nogil:
    """R9: 1 or -1."""
    if a16:
        rmx(&g.a, 4, 0x8D, R8, reg, R9, scale, 0)
        mov_rr(&g.a, 2, reg, R8)
    else:
        rmx(&g.a, 4, 0x8D, reg, reg, R9, scale, 0)


cdef int t_string(Gen *g, IROp *op, HostTemplate *t, bint flat) noexcept nogil:
    """MOVS, STOS, LODS of one element; `flat`: with 32-bit addresses in flat segments."""
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef bint a16 = not flat and op.d & EA_A16 != 0
    if not flat and g.tb.flags & HF_AC:
        return 1
    if t.arg != STRING_STOS:
        string_operand(g, op, flat, RSI, (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT, size, False)
        if t.arg == STRING_LODS:
            touch(g, RAX)
            mem(g, size, 0x8B if size != 1 else 0x8A, RAX)
        else:
            load_zx(g, size, R12)
    if t.arg != STRING_LODS:
        string_operand(g, op, flat, RDI, R_ES, size, True)
        mem(g, size, 0x89 if size != 1 else 0x88, R12 if t.arg == STRING_MOVS else RAX)
    touch(g, RSI)
    touch(g, RDI)
    rm(a, 8, 0x63, R9, R14, off(&E.df))
    if t.arg != STRING_STOS:
        advance(g, a16, RSI, log2_of(size))
    if t.arg != STRING_LODS:
        advance(g, a16, RDI, log2_of(size))
    return 0


cdef int t_compare_strings(Gen *g, IROp *op, HostTemplate *t, bint with_esi) noexcept nogil:
    """SCAS, or CMPS, of one element."""
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef bint a16 = op.d & EA_A16 != 0
    cdef int left = R9 if with_esi else RAX
    cdef int right = R12 if with_esi else R9
    if g.tb.flags & HF_AC:
        return 1
    string_operand(g, op, False, RDI, R_ES, size, False)
    load_zx(g, size, right)
    if with_esi:
        string_operand(g, op, False, RSI, (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT, size, False)
        load_zx(g, size, left)
        st(a, 8, left, R14, off(&E.cc_dst))
    st(a, 8, right, R14, off(&E.cc_src))
    rr(a, size, 0x3B if size != 1 else 0x3A, left, right)
    set_flags(g, CC_OP_CMP, size, IN_ENV if with_esi else RAX, IN_ENV, 0, HV_ALL)
    rm(a, 8, 0x63, R9, R14, off(&E.df))                 # the host's flags stay
    advance(g, a16, RDI, log2_of(size))
    if with_esi:
        advance(g, a16, RSI, log2_of(size))
    return 0


cdef int t_cli0(Gen *g) noexcept nogil:
    alu_mi(&g.a, 4, X_AND, R14, NO_REG, off(&E.eflags), ~0x200)         # IF
    g.hv = 0
    return 0


cdef int t_direction(Gen *g, HostTemplate *t) noexcept nogil:
    """CLD, STD."""
    rm(&g.a, 4, 0xC7, 0, R14, off(&E.df))
    b4(&g.a, 0xFFFFFFFFU if t.arg else 1)
    return 0
