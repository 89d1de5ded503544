"""IR to x86-64 code, a template a row; a row without one is called.

A TB starts in the interpreter, with host_head before its first op; when it has run often enough it is compiled, and
the op's function becomes the TB's thunk. So both engines chain into each other by the same call.

Flags: a template leaves (cc_op, cc_dst, cc_src) in env as the interpreter does, by moves, which keep the host's flags;
`hv` says which of those are the guest's, for the consumer that follows at once.

Whatever a template does not do itself (a TLB miss, a fault, a device) goes back to the interpreter at that very op:
nothing has happened yet, and all that the op needs is in env.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from qemu_py._core.cpu cimport *
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.buffer cimport (HOST_JMP_CACHE_SIZE, HostBuffer, HostJmpEntry, host_buffer_free,
                                        host_buffer_new)
from qemu_py._core.host.entry cimport THUNK_SIZE, emit_stubs, op_return
from qemu_py._core.dispatch cimport CPU_LOG_EXEC, CPU_LOG_TB_CPU, CPU_LOG_TB_OUT_ASM
from qemu_py._core.ir.dump cimport trace_compiled
from qemu_py._core.ir.interp cimport EA_SCALE
from qemu_py._core.ir.table cimport *

cdef struct HostTemplate:
    uint8_t id                  # T_*
    uint8_t arg
    uint8_t size                # bytes
    uint8_t nf                  # leaves the flags alone
    int8_t cc                   # condition of the jump that is fused with it, or -1

include "../gen/host_templates.pxi"

cdef HostTemplate TEMPLATES[NB_OPS]
fill_templates(TEMPLATES)

cdef enum:
    HV_C = 1                    # the host's CF is the guest's
    HV_REST = 2                 # the other five
    HV_ALL = 3

cdef enum:
    OP_BYTES = 200              # of code, hot and cold, at most

cdef uint64_t NO_SITE = 0x8000000000     # no address is near it: between those and the epoch

cdef struct Cold:               # out of line: try the TLB, or go to the interpreter
    uint8_t *jump               # from here
    uint8_t *hot                # back to here; NULL: the interpreter at once
    uint8_t *site
    uint32_t k
    int16_t base                # NO_REG: the address is in R8
    int8_t kind                 # COLD_*
    uint8_t t0
    uint8_t write
    uint8_t log2
    int32_t disp

cdef enum:
    COLD_PROBE = 0
    COLD_BAIL = 1
    COLD_NORM = 2

cdef struct Gen:
    Asm a
    HostBuffer *h
    TBContext *tbx
    TranslationBlock *tb
    OpInfo *info
    uint32_t k
    uint32_t hv
    uint32_t t0                 # T0 is in R11, not in env
    uint32_t ended
    uint32_t ncold
    Cold cold[1100]
    # of the last access: its operand is [R10 + base + disp]
    int base
    int32_t disp

cdef CPUX86State *E = NULL
cdef int *HOST_REG = [RAX, RCX, RDX, RBX, R15, RBP, RSI, RDI]

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field

cdef inline bint high(uint16_t o) noexcept nogil:
    return o < 64 and o & 7 == 1

cdef inline int reg_of(Gen *g, uint16_t o) noexcept nogil:
    """Host register of an operand; AH..BH are 4-7 with a size of 1. NO_REG: it is in memory only."""
    if o < 64:
        return (o >> 3) + 4 if o & 7 else HOST_REG[o >> 3]
    if o == off(&E.t[0]):
        return R11
    return NO_REG

cdef inline int log2_of(int size) noexcept nogil:
    return size >> 1

cdef int use(Gen *g, uint16_t o) noexcept nogil:
    """reg_of for an operand that is read."""
    if o == off(&E.t[0]) and not g.t0:
        ld(&g.a, 8, R11, R14, o)
        g.t0 = 1
    return reg_of(g, o)

cdef void wrote(Gen *g, uint16_t o) noexcept nogil:
    if o == off(&E.t[0]):
        g.t0 = 1


# ---------------------------------------------------------------- out of line
cdef void cold(Gen *g, uint8_t *jump, int kind) noexcept nogil:
    cdef Cold *c = &g.cold[g.ncold]
    g.ncold += 1
    memset(c, 0, sizeof(Cold))
    c.jump = jump
    c.kind = kind
    c.k = g.k
    c.t0 = g.t0

cdef void emit_bail(Gen *g, uint32_t k, bint t0) noexcept nogil:
    cdef Asm *a = &g.a
    if t0:
        st(a, 8, R11, R14, off(&E.t[0]))
    mov_ri64(a, R8, <uint64_t> <uintptr_t> &g.tb.ir[k])
    mov_ri64(a, R9, <uint64_t> <uintptr_t> g.tb)
    if k:
        jmp_to(a, g.h.bail)
    else:
        mov_ri64(a, R10, <uint64_t> <uintptr_t> g.info[g.tb.ir[0].opc].fn)
        jmp_to(a, g.h.bail0)

cdef void emit_cold(Gen *g) noexcept nogil:
    cdef Asm *a = &g.a
    cdef Cold *c
    cdef uint32_t i
    for i in range(g.ncold):
        c = &g.cold[i]
        aim(c.jump, a.p)
        if c.kind == COLD_NORM:
            call_to(a, g.h.norm_c)
            jmp_to(a, c.hot)
            continue
        if c.kind == COLD_PROBE:
            if c.base != NO_REG:
                rm(a, 8, 0x8D, R8, c.base, c.disp)
            rip(a, 8, 0x8D, R9, c.site, 0)
            call_to(a, g.h.probe[c.write][c.log2])
            aim(jcc(a, CC_E), c.hot)
        emit_bail(g, c.k, c.t0)


# ---------------------------------------------------------------- operands in memory
cdef int gen_ea(Gen *g, IROp *op) noexcept nogil:
    """The flat linear address to g.base + g.disp. Nonzero: no template for it."""
    cdef Asm *a = &g.a
    cdef int base = NO_REG, index = NO_REG
    cdef uint16_t zero = <uint16_t> off(&E.zero)
    if op.b != zero:
        base = use(g, op.b)
        if base == NO_REG:
            return 1
    if op.c != zero:
        index = use(g, op.c)
        if index == NO_REG:
            return 1
    if base != NO_REG and index == NO_REG and -65536 <= op.disp <= 65536:
        g.base = base
        g.disp = op.disp
        return 0
    if base == NO_REG and index == NO_REG:
        mov_ri64(a, R8, <uint32_t> op.disp)
    else:
        rmx(a, 4, 0x8D, R8, base, index, op.d & EA_SCALE, op.disp)
    g.base = R8
    g.disp = 0
    return 0

cdef void gen_check(Gen *g, int size, bint write) noexcept nogil:
    """The site's page, or out of line. Then the operand is at [R10 + g.base + g.disp]."""
    cdef Asm *a = &g.a
    cdef uint8_t *site = g.h.data_ptr
    cdef Cold *c
    g.h.data_ptr += 16
    (<uint64_t *> site)[0] = NO_SITE
    g.hv = 0
    # How far behind the page's first byte: a compare of the last byte's page alone would take an access
    # that begins on the page before for one on this page.
    rmx(a, 8, 0x8D, R9, g.base, R13, 0, g.disp)
    rip(a, 8, 0x2B, R9, site, 0)
    alu_ri(a, 8, X_CMP, R9, 4096 - size)
    cold(g, jcc(a, CC_A), COLD_PROBE)
    c = &g.cold[g.ncold - 1]
    rip(a, 8, 0x8B, R10, site + 8, 0)
    c.hot = a.p
    c.site = site
    c.base = NO_REG if g.base == R8 else g.base
    c.disp = g.disp
    c.write = write
    c.log2 = log2_of(size)

cdef inline int access(Gen *g, IROp *op, int size, bint write) noexcept nogil:
    if gen_ea(g, op):
        return 1
    gen_check(g, size, write)
    return 0

cdef inline void mem(Gen *g, int size, uint32_t opc, int reg) noexcept nogil:
    rmx(&g.a, size, opc, reg, R10, g.base, 0, g.disp)

cdef void load_zx(Gen *g, int size, int reg) noexcept nogil:
    if size == 1:
        mem(g, 4, 0x0FB6, reg)
    elif size == 2:
        mem(g, 4, 0x0FB7, reg)
    else:
        mem(g, 4, 0x8B, reg)

cdef void put(Gen *g, uint16_t o, int size, int source) noexcept nogil:
    """A zero-extended value in a free register to a guest register's part, or T0."""
    cdef Asm *a = &g.a
    cdef int to = reg_of(g, o)
    if to == R11:
        mov_rr(a, 4, R11, source)
        g.t0 = 1
    elif high(o):
        rr(a, 4, 0xC1, X_SHL, source)
        b1(a, 8)
        to = o >> 3
        alu_ri(a, 4, X_AND, to, <int32_t> 0xFFFF00FFU)
        rr(a, 4, 0x0B, source, to)
        mov_rr(a, 4, to, source)
        g.hv = 0
    else:
        mov_rr(a, size, to, source)


# ---------------------------------------------------------------- flags
cdef inline void set_cc_op(Gen *g, int kind, int size) noexcept nogil:
    rm(&g.a, 4, 0xC7, 0, R14, off(&E.cc_op))
    b4(&g.a, kind + log2_of(size))

cdef void store_cc(Gen *g, int32_t where, int size, int reg) noexcept nogil:
    """A register, zero-extended from its size, to cc_dst or cc_src."""
    if size == 4:
        st(&g.a, 8, reg, R14, where)
        return
    rr(&g.a, 4, 0x0FB6 if size == 1 else 0x0FB7, R9, reg)
    st(&g.a, 8, R9, R14, where)

cdef void store_cc_imm(Gen *g, int32_t where, int size, int64_t value) noexcept nogil:
    cdef uint32_t v = <uint32_t> value
    if size == 1:
        v &= 0xFF
    elif size == 2:
        v &= 0xFFFF
    if v <= 0x7FFFFFFF:
        rm(&g.a, 8, 0xC7, 0, R14, where)
        b4(&g.a, v)
    else:
        mov_ri64(&g.a, R9, v)
        st(&g.a, 8, R9, R14, where)

cdef void save_flags(Gen *g) noexcept nogil:
    """The host's flags are the guest's, all that are defined: keep them as they are."""
    cdef Asm *a = &g.a
    mov_rr(a, 8, R8, RAX)
    b1(a, 0x9F)                         # lahf
    b1(a, 0x0F)                         # seto al
    b1(a, 0x90)
    b1(a, 0xC0)
    b1(a, 0x66)                         # rol ax, 8
    b1(a, 0xC1)
    b1(a, 0xC0)
    b1(a, 8)
    st(a, 8, RAX, R14, off(&E.cc_src))
    mov_rr(a, 8, RAX, R8)
    set_cc_op(g, CC_OP_LAHF, 1)
    g.hv = 0

cdef inline int cc_kind(int x) noexcept nogil:
    if x == X_ADD:
        return CC_OP_ADD
    if x == X_SUB or x == X_CMP:
        return CC_OP_SUB
    return CC_OP_LOGIC


# ---------------------------------------------------------------- ways out
cdef void gen_exit(Gen *g, int n) noexcept nogil:
    cdef Asm *a = &g.a
    cdef TranslationBlock *tb = g.tb
    cdef uint8_t *stop = NULL
    cdef uint8_t *stale = NULL
    cdef uint64_t pc = <uint32_t> (tb.cs_base + tb.jmp_eip[n])
    if pc <= tb.pc or tb.jmp_xpage[n]:
        alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.exit_request), 0)
        stop = jcc(a, CC_NE)
    if tb.jmp_xpage[n]:
        mov_ri64(a, R9, <uint64_t> <uintptr_t> &tb.jmp_epoch[n])
        ld(a, 8, R9, R9, 0)
        rm(a, 8, 0x3B, R9, R14, off(&E.link_epoch))
        stale = jcc(a, CC_NE)
    tb.tc_jmp[n] = jmp(a)
    aim(tb.tc_jmp[n], a.p)
    tb.tc_exit[n] = a.p
    if stop != NULL:
        aim(stop, a.p)
    if stale != NULL:
        aim(stale, a.p)
    mov_ri64(a, R9, <uint64_t> <uintptr_t> tb)
    mov_ri64(a, R10, n)
    jmp_to(a, g.h.goto_tb)

cdef void gen_lookup(Gen *g) noexcept nogil:
    """Go to EIP in R8, by the cache of indirect jumps."""
    cdef Asm *a = &g.a
    cdef TranslationBlock *tb = g.tb
    cdef HostJmpEntry *e = NULL
    cdef uint8_t *out[4]
    cdef int i
    alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.exit_request), 0)
    out[0] = jcc(a, CC_NE)
    if <uint32_t> tb.cs_base:
        mov_ri64(a, R10, <uint32_t> tb.cs_base)
        rr(a, 4, 0x03, R10, R8)
    else:
        mov_rr(a, 4, R10, R8)
    mov_rr(a, 4, R11, R10)
    alu_ri(a, 4, X_AND, R11, HOST_JMP_CACHE_SIZE - 1)
    rr(a, 4, 0xC1, X_SHL, R11)
    b1(a, 5)
    rm(a, 8, 0x03, R11, R14, off(&E.host_jmp_cache))
    rr(a, 8, 0x03, R10, R13)
    rm(a, 8, 0x3B, R10, R11, off(&e.key))
    out[1] = jcc(a, CC_NE)
    mov_ri64(a, R10, tb.cs_base)
    rm(a, 8, 0x3B, R10, R11, off(&e.cs_key))
    out[2] = jcc(a, CC_NE)
    rm(a, 4, 0x81, X_CMP, R11, off(&e.flags))
    b4(a, tb.flags)
    out[3] = jcc(a, CC_NE)
    rm(a, 4, 0xFF, 4, R11, off(&e.target))
    for i in range(4):
        aim(out[i], a.p)
    mov_ri64(a, R9, <uint64_t> <uintptr_t> tb)
    jmp_to(a, g.h.lookup)

cdef void check_limit(Gen *g, int reg) noexcept nogil:
    cdef uint32_t limit = <uint32_t> (g.tb.cs_base >> 32)
    if limit != 0xFFFFFFFFU:
        mov_ri64(&g.a, R9, limit)
        rr(&g.a, 4, 0x3B, reg, R9)
        cold(g, jcc(&g.a, CC_A), COLD_BAIL)

cdef void stack_at(Gen *g, int base, int32_t disp, bint write) noexcept nogil:
    g.base = base
    g.disp = disp
    gen_check(g, 4, write)


# ---------------------------------------------------------------- templates
cdef int gen_alu(Gen *g, IROp *op, HostTemplate *t, int y, bint is_imm) noexcept nogil:
    """Register with register (y) or immediate."""
    cdef Asm *a = &g.a
    cdef int size = t.size, x = t.arg
    cdef int kind = cc_kind(x)
    cdef int d = use(g, op.a)
    if d == NO_REG or y == NO_REG:
        return 1
    if size == 1 and (high(op.a) or (not is_imm and high(op.b))):
        if not t.nf or d == R11 or y >= 8:
            return 1
    if not t.nf and kind != CC_OP_LOGIC:
        if is_imm:
            store_cc_imm(g, off(&E.cc_src), size, op.imm)
        else:
            store_cc(g, off(&E.cc_src), size, y)
    if x == X_CMP:
        if t.nf:
            return 0
        if size == 4:
            mov_rr(a, 4, R10, d)
        else:
            rr(a, 4, 0x0FB6 if size == 1 else 0x0FB7, R10, d)
        x = X_SUB
        d = R10
    elif d == R11:
        g.t0 = 1
    if is_imm:
        alu_ri(a, size, x, d, <int32_t> op.imm)
    else:
        rr(a, size, x << 3 | (3 if size != 1 else 2), d, y)
    if not t.nf:
        store_cc(g, off(&E.cc_dst), size, d)
        set_cc_op(g, kind, size)
        g.hv = HV_ALL
    else:
        g.hv = 0
    return 0


cdef int gen_test(Gen *g, IROp *op, HostTemplate *t, int y, bint is_imm) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int d = use(g, op.a)
    if t.nf:
        return 0
    if d == NO_REG or y == NO_REG or high(op.a) and size == 1 or not is_imm and high(op.b) and size == 1:
        return 1
    if size == 4:
        mov_rr(a, 4, R10, d)
    else:
        rr(a, 4, 0x0FB6 if size == 1 else 0x0FB7, R10, d)
    if is_imm:
        alu_ri(a, size, X_AND, R10, <int32_t> op.imm)
    else:
        rr(a, size, 0x23 if size != 1 else 0x22, R10, y)
    store_cc(g, off(&E.cc_dst), size, R10)
    set_cc_op(g, CC_OP_LOGIC, size)
    g.hv = HV_ALL
    return 0


cdef int gen_inc(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int d = use(g, op.a)
    cdef uint32_t hv = g.hv
    if d == NO_REG or d == R11 or size == 1 and high(op.a):
        return 1
    if not t.nf:
        if hv & HV_C:
            rr(a, 1, 0x0F92, 0, R9)
            rr(a, 4, 0x0FB6, R9, R9)
            st(a, 8, R9, R14, off(&E.cc_src))
        else:
            alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.cc_op), CC_OP_LOGIC)
            cold(g, jcc(a, 3), COLD_NORM)
            g.cold[g.ncold - 1].hot = a.p
    rr(a, size, 0xFE if size == 1 else 0xFF, t.arg, d)
    if t.nf:
        g.hv = hv & HV_C
    else:
        store_cc(g, off(&E.cc_dst), size, d)
        set_cc_op(g, CC_OP_DEC if t.arg else CC_OP_INC, size)
        g.hv = HV_REST | (hv & HV_C)
    return 0


cdef int gen_mr(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil:
    """Memory with register or immediate."""
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int kind = cc_kind(t.arg)
    cdef int y = R9 if is_imm else use(g, op.a)
    if y == NO_REG or not is_imm and size == 1 and high(op.a):
        return 1
    if access(g, op, size, True):
        return 1
    if t.nf:
        if is_imm:
            alu_mi_access(g, size, t.arg, op.imm)
        else:
            mem(g, size, t.arg << 3 | (1 if size != 1 else 0), y)
        return 0
    if kind != CC_OP_LOGIC:
        if is_imm:
            store_cc_imm(g, off(&E.cc_src), size, op.imm)
        else:
            store_cc(g, off(&E.cc_src), size, y)
    load_zx(g, size, R9)
    if is_imm:
        alu_ri(a, size, t.arg, R9, <int32_t> op.imm)
    else:
        rr(a, size, t.arg << 3 | (3 if size != 1 else 2), R9, y)
    mem(g, size, 0x89 if size != 1 else 0x88, R9)
    store_cc(g, off(&E.cc_dst), size, R9)
    set_cc_op(g, kind, size)
    g.hv = HV_ALL
    return 0

cdef void alu_mi_access(Gen *g, int size, int x, int64_t value) noexcept nogil:
    cdef Asm *a = &g.a
    rmx(a, size, 0x81 if size != 1 else 0x80, x, R10, g.base, 0, g.disp)
    imm(a, size, <uint32_t> value)


cdef int gen_op(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """Nonzero: this op has no template after all; nothing was emitted that matters."""
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int id = t.id
    cdef int x, y
    if id == T_mov_rr:
        x = reg_of(g, op.a)
        y = use(g, op.b)
        if x == NO_REG or y == NO_REG or size == 1 and ((high(op.a) and y >= 8) or (high(op.b) and x >= 8)):
            return 1
        mov_rr(a, size, x, y)
        wrote(g, op.a)
        return 0
    if id == T_mov_ri:
        x = reg_of(g, op.a)
        if x == NO_REG:
            return 1
        if size == 4 or x == R11:
            mov_ri64(a, x, <uint32_t> op.imm)
        elif size == 2:
            rr(a, 2, 0xC7, 0, x)
            imm(a, 2, <uint32_t> op.imm)
        else:
            b1(a, 0xB0 | x)
            b1(a, <uint32_t> op.imm)
        wrote(g, op.a)
        return 0
    if id == T_xchg_rr:
        x = use(g, op.a)
        y = use(g, op.b)
        if x == NO_REG or y == NO_REG or x == R11 or y == R11 or size == 1 and (x >= 8 or y >= 8):
            return 1
        rr(a, size, 0x87 if size != 1 else 0x86, x, y)
        return 0
    if id == T_movx_rr or id == T_movsx_rr:
        x = reg_of(g, op.a)
        y = use(g, op.b)
        if x == NO_REG or y == NO_REG or x == R11 or t.arg == 8 and high(op.b) and x >= 8:
            return 1
        rr(a, size, (0x0FB6 if id == T_movx_rr else 0x0FBE) + (t.arg == 16), x, y)
        return 0
    if id == T_lea:
        x = reg_of(g, op.a)
        if x == NO_REG or x == R11 or gen_ea(g, op):
            return 1
        if g.base == R8:
            mov_rr(a, 4, x, R8)
        else:
            rm(a, 4, 0x8D, x, g.base, g.disp)
        return 0
    if id == T_cwd:
        b1(a, 0x99)
        return 0
    if id == T_cbw:
        b1(a, 0x98)
        return 0
    if id == T_nop:
        return 0
    if id == T_setcc_r:
        if g.hv != HV_ALL or op.a >= 64:
            return 1
        rr(a, 1, 0x0F90 | <uint32_t> op.imm, 0, reg_of(g, op.a))
        return 0
    if id == T_cmov_rr:
        if g.hv != HV_ALL or op.a >= 64 or op.b >= 64:
            return 1
        rr(a, size, 0x0F40 | <uint32_t> op.imm, reg_of(g, op.a), reg_of(g, op.b))
        return 0
    if id == T_alu_rr:
        return gen_alu(g, op, t, use(g, op.b), False)
    if id == T_alu_ri:
        return gen_alu(g, op, t, R9, True)
    if id == T_test_rr:
        return gen_test(g, op, t, use(g, op.b), False)
    if id == T_test_ri:
        return gen_test(g, op, t, R9, True)
    if id == T_alu_rm:
        x = reg_of(g, op.a)
        if x == NO_REG or x == R11 or size == 1 and high(op.a) or access(g, op, size, False):
            return 1
        if t.nf:
            mem(g, size, t.arg << 3 | (3 if size != 1 else 2), x)
            return 0
        load_zx(g, size, R9)
        if cc_kind(t.arg) != CC_OP_LOGIC:
            st(a, 8, R9, R14, off(&E.cc_src))
        rr(a, size, t.arg << 3 | (3 if size != 1 else 2), x, R9)
        store_cc(g, off(&E.cc_dst), size, x)
        set_cc_op(g, cc_kind(t.arg), size)
        g.hv = HV_ALL
        return 0
    if id == T_alu_mr:
        return gen_mr(g, op, t, False)
    if id == T_alu_mi:
        return gen_mr(g, op, t, True)
    if id == T_inc_r:
        return gen_inc(g, op, t)
    if id == T_not_r or id == T_neg_r:
        x = use(g, op.a)
        if x == NO_REG or x == R11 or size == 1 and high(op.a):
            return 1
        if id == T_neg_r and not t.nf:
            store_cc(g, off(&E.cc_src), size, x)
        rr(a, size, 0xF7 if size != 1 else 0xF6, 2 if id == T_not_r else 3, x)
        if id == T_neg_r:
            g.hv = 0
            if not t.nf:
                store_cc(g, off(&E.cc_dst), size, x)
                set_cc_op(g, CC_OP_SUB, size)
                g.hv = HV_ALL
        return 0
    if id == T_shift_ri or id == T_rotate_ri:
        x = use(g, op.a)
        if x == NO_REG or x == R11 or size == 1 and high(op.a) or id == T_rotate_ri and not t.nf:
            return 1
        if not t.nf:
            store_cc(g, off(&E.cc_src), size, x)
            rm(a, 4, 0xC7, 0, R14, off(&E.cc_src) + 4)
            b4(a, <uint32_t> op.imm & 31)
        rr(a, size, 0xC1 if size != 1 else 0xC0, t.arg, x)
        b1(a, <uint32_t> op.imm & 31)
        g.hv = 0
        if not t.nf:
            store_cc(g, off(&E.cc_dst), size, x)
            set_cc_op(g, CC_OP_SHL if t.arg == X_SHL else CC_OP_SHR if t.arg == X_SHR else CC_OP_SAR, size)
            # the host's A, and O of longer shifts, are undefined
            g.hv = HV_ALL if op.imm == 1 else HV_C if size == 4 else 0
        return 0
    if id == T_bswap:
        x = reg_of(g, op.a)
        if x == NO_REG or x == R11:
            return 1
        prefix(a, 4, -1, -1, x)
        b1(a, 0x0F)
        b1(a, 0xC8 | (x & 7))
        return 0
    if id == T_imul_rr or id == T_imul_rri:
        x = reg_of(g, op.a)
        y = use(g, op.b)
        if not t.nf or x == NO_REG or y == NO_REG or x == R11:
            return 1
        if id == T_imul_rr:
            rr(a, size, 0x0FAF, x, y)
        else:
            rr(a, size, 0x69, x, y)
            imm(a, size, <uint32_t> op.imm)
        g.hv = 0
        return 0
    if id == T_imul_rm:
        x = reg_of(g, op.a)
        if not t.nf or x == NO_REG or x == R11 or access(g, op, size, False):
            return 1
        mem(g, size, 0x0FAF, x)
        return 0
    return gen_mem_op(g, op, t)


cdef int gen_mem_op(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int size = t.size
    cdef int id = t.id
    cdef int x
    if id == T_ld:
        x = reg_of(g, op.a)
        if x == NO_REG or access(g, op, size, False):
            return 1
        if x == R11:
            load_zx(g, size, R11)
            g.t0 = 1
        elif high(op.a) and size == 1:
            load_zx(g, 1, R9)
            put(g, op.a, 1, R9)
        else:
            mem(g, size, 0x8B if size != 1 else 0x8A, x)
        return 0
    if id == T_ldzx or id == T_ldsx:
        x = reg_of(g, op.a)
        if x == NO_REG or x == R11 or access(g, op, t.arg // 8, False):
            return 1
        mem(g, size, (0x0FB6 if id == T_ldzx else 0x0FBE) + (t.arg == 16), x)
        return 0
    if id == T_st:
        x = use(g, op.a)
        if x == NO_REG or access(g, op, size, True):
            return 1
        if high(op.a) and size == 1:
            mov_rr(a, 4, R9, op.a >> 3)
            rr(a, 4, 0xC1, X_SHR, R9)
            b1(a, 8)
            x = R9
        mem(g, size, 0x89 if size != 1 else 0x88, x)
        return 0
    if id == T_st_i:
        if access(g, op, size, True):
            return 1
        rmx(a, size, 0xC7 if size != 1 else 0xC6, 0, R10, g.base, 0, g.disp)
        imm(a, size, <uint32_t> op.imm)
        return 0
    if id == T_push_r:
        x = use(g, op.a)
        if x == NO_REG:
            return 1
        stack_at(g, R15, -4, True)
        mem(g, 4, 0x89, x)
        rm(a, 4, 0x8D, R15, R15, -4)
        return 0
    if id == T_push_i:
        stack_at(g, R15, -4, True)
        rmx(a, 4, 0xC7, 0, R10, g.base, 0, g.disp)
        imm(a, 4, <uint32_t> op.imm)
        rm(a, 4, 0x8D, R15, R15, -4)
        return 0
    if id == T_pop_r:
        x = reg_of(g, op.a)
        if x == NO_REG or x == R11:
            return 1
        stack_at(g, R15, 0, False)
        mem(g, 4, 0x8B, R9)
        rm(a, 4, 0x8D, R15, R15, 4)
        mov_rr(a, 4, x, R9)
        return 0
    if id == T_leave:
        stack_at(g, RBP, 0, False)
        mem(g, 4, 0x8B, R9)
        rm(a, 4, 0x8D, R15, RBP, 4)
        mov_rr(a, 4, RBP, R9)
        return 0
    if id == T_profile_head:
        mov_ri64(a, R9, <uint64_t> op.imm)
        rm(a, 8, 0xFF, 0, R9, 0)
        g.hv = 0
        return 0
    if id == T_icount_head:
        mov_ri64(a, R9, <uint64_t> op.imm)
        rm(a, 8, 0x39, R9, R14, off(&E.icount_budget))
        cold(g, jcc(a, CC_L), COLD_BAIL)
        rm(a, 8, 0x29, R9, R14, off(&E.icount_budget))
        rm(a, 8, 0x01, R9, R14, off(&E.insn_count))
        g.hv = 0
        return 0
    return gen_end(g, op, t)


cdef int gen_end(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """Ends of TBs."""
    cdef Asm *a = &g.a
    cdef uint8_t *taken
    cdef int id = t.id
    cdef int x
    g.ended = 1
    if id == T_jmp:
        gen_exit(g, 0)
        return 0
    if id == T_jcc:
        if g.hv != HV_ALL:
            g.ended = 0
            return 1
        taken = jcc(a, <int> op.imm)
        gen_exit(g, 0)
        aim(taken, a.p)
        gen_exit(g, 1)
        return 0
    if id == T_loop:
        rm(a, 4, 0x8D, RCX, RCX, -1)
        rr(a, 4, 0x85, RCX, RCX)
        taken = jcc(a, CC_NE)
        gen_exit(g, 0)
        aim(taken, a.p)
        gen_exit(g, 1)
        return 0
    if id == T_call:
        stack_at(g, R15, -4, True)
        rmx(a, 4, 0xC7, 0, R10, g.base, 0, g.disp)
        imm(a, 4, <uint32_t> op.imm)
        rm(a, 4, 0x8D, R15, R15, -4)
        gen_exit(g, 0)
        return 0
    if id == T_jmp_r:
        x = use(g, op.a)
        if x == NO_REG:
            g.ended = 0
            return 1
        rr(a, 4, 0x8B if t.size == 4 else 0x0FB7, R8, x)
        check_limit(g, R8)
        gen_lookup(g)
        return 0
    if id == T_call_r:
        x = use(g, op.a)
        if x == NO_REG:
            g.ended = 0
            return 1
        check_limit(g, x)
        stack_at(g, R15, -4, True)
        mov_rr(a, 4, R8, x)
        rmx(a, 4, 0xC7, 0, R10, g.base, 0, g.disp)
        imm(a, 4, <uint32_t> op.imm)
        rm(a, 4, 0x8D, R15, R15, -4)
        gen_lookup(g)
        return 0
    if id == T_ret:
        stack_at(g, R15, 0, False)
        mem(g, 4, 0x8B, R8)
        check_limit(g, R8)
        rm(a, 4, 0x8D, R15, R15, 4 + <int32_t> op.imm)
        gen_lookup(g)
        return 0
    g.ended = 0
    return 1


cdef void gen_call_op(Gen *g, IROp *op) noexcept nogil:
    """A row without a template: the interpreter's function, called alone."""
    cdef Asm *a = &g.a
    cdef IROp *copy = <IROp *> g.h.data_ptr
    g.h.data_ptr += 2 * sizeof(IROp)
    copy[0] = op[0]
    copy.fn = g.info[op.opc].fn
    memset(copy + 1, 0, sizeof(IROp))
    copy[1].fn = op_return
    copy[1].imm = <int64_t> <uintptr_t> g.tb
    if g.t0:
        st(a, 8, R11, R14, off(&E.t[0]))
        g.t0 = 0
    rip(a, 8, 0x8D, R8, copy, 0)
    call_to(a, g.h.call)
    g.hv = 0


# ---------------------------------------------------------------- a TB
cdef bint compile_tb(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    cdef HostBuffer *h = <HostBuffer *> env.tbx.host
    cdef Gen *g = <Gen *> h.gen
    cdef Asm *a = &g.a
    cdef IROp *op
    cdef HostTemplate *t
    cdef uint32_t k, ncold, t0
    cdef uint8_t *taken
    cdef uint8_t *start
    cdef uint8_t *data
    cdef uint32_t props
    if h.code_ptr + tb.nops * OP_BYTES > h.code_end or h.data_ptr + tb.nops * 80 > h.data_end:
        return False
    h.data_ptr = <uint8_t *> ((<uintptr_t> h.data_ptr + 63) & ~<uintptr_t> 63)
    g.h = h
    g.tbx = env.tbx
    g.tb = tb
    g.info = op_table()
    g.hv = g.t0 = g.ended = g.ncold = 0
    a.p = <uint8_t *> ((<uintptr_t> h.code_ptr + 15) & ~<uintptr_t> 15)
    a.delta = h.delta
    start = a.p
    rip(a, 8, 0x8D, R8, start + h.delta + THUNK_SIZE, 0)
    jmp_to(a, h.enter)
    tb.tc_jmp[0] = tb.tc_jmp[1] = NULL
    for k in range(tb.nops):
        op = &tb.ir[k]
        g.k = k
        props = g.info[op.opc].props
        t = &TEMPLATES[op.opc]
        if t.id:
            ncold = g.ncold
            t0 = g.t0
            taken = a.p
            data = h.data_ptr
            if gen_op(g, op, t) == 0:
                if t.cc >= 0:
                    taken = jcc(a, t.cc)
                    gen_exit(g, 0)
                    aim(taken, a.p)
                    gen_exit(g, 1)
                    g.ended = 1
                continue
            # what `use` may have loaded stays; the rest is undone
            if g.t0 != t0:
                g.t0 = t0
            a.p = taken
            g.ncold = ncold
            h.data_ptr = data
        if props & (OPP_END | OPP_LEAVES):
            emit_bail(g, k, g.t0)
            g.ended = 1
            break
        gen_call_op(g, op)
    emit_cold(g)
    h.code_ptr = a.p
    tb.tc_size = <uint32_t> (a.p - start)
    tb.tc_ptr = start + h.delta
    tb.ir[0].fn = <op_fn> tb.tc_ptr
    env.tbx.host_count += 1
    return True


cdef void host_link(TBContext *tbx, TranslationBlock *tb, int n) noexcept nogil:
    """Successor n of tb is linked, or its target has been compiled."""
    cdef HostBuffer *h = <HostBuffer *> tbx.host
    cdef TranslationBlock *to = tb.jmp_dest[n]
    if tb.tc_ptr != NULL and tb.tc_jmp[n] != NULL and to != NULL and to.tc_ptr != NULL:
        aim(tb.tc_jmp[n], to.tc_ptr + THUNK_SIZE - h.delta)


cdef void host_flush(TBContext *tbx) noexcept nogil:
    cdef HostBuffer *h = <HostBuffer *> tbx.host
    cdef CPUX86State *env = tbx.first_cpu
    h.code_ptr = h.first
    h.data_ptr = h.data
    while env != NULL:
        memset(env.host_jmp_cache, 0xFF, HOST_JMP_CACHE_SIZE * sizeof(HostJmpEntry))
        env = env.next_cpu


cdef uintptr_t host_head(CPUX86State *env, IROp *op) noexcept nogil:
    """Stands for op 0 until the TB is warm."""
    cdef TranslationBlock *tb = env.current_tb
    cdef TranslationBlock *p
    cdef int n
    if tb.warm == 0 and not env.log_mask & (CPU_LOG_EXEC | CPU_LOG_TB_CPU) and env.nb_watchpoints == 0:
        if compile_tb(env, tb):
            host_link(env.tbx, tb, 0)
            host_link(env.tbx, tb, 1)
            p = tb.jmp_first
            while <uintptr_t> p & 3 != 2:
                n = <int> (<uintptr_t> p & 3)
                p = <TranslationBlock *> (<uintptr_t> p & ~<uintptr_t> 3)
                host_link(env.tbx, p, n)
                p = p.jmp_next[n]
            if env.log_mask & CPU_LOG_TB_OUT_ASM:
                trace_compiled(env, tb)
            return tb.ir.fn(env, tb.ir)
        tb.warm = 1 << 30               # no room: the interpreter goes on until the next tb_flush
    elif tb.warm:
        tb.warm -= 1
    return op_table()[op.opc].fn(env, op)


cdef int host_attach(TBContext *tbx, unsigned long long size, unsigned int threshold) except -1:
    cdef HostBuffer *h = host_buffer_new(size)
    h.gen = calloc(1, sizeof(Gen))
    if h.gen == NULL:
        raise MemoryError("code generator")
    emit_stubs(h)
    tbx.host = h
    tbx.host_link = host_link
    tbx.host_flush = host_flush
    tbx.host_threshold = threshold
    tbx.host_head = host_head
    return 0


cdef void host_detach(TBContext *tbx) noexcept:
    if tbx.host != NULL:
        free((<HostBuffer *> tbx.host).gen)
        host_buffer_free(<HostBuffer *> tbx.host)
        tbx.host = NULL


def templates():
    """Names of the IR ops that have a template."""
    cdef int i
    return {op_table()[i].name.decode() for i in range(1, NB_OPS) if TEMPLATES[i].id and op_table()[i].name != NULL}
