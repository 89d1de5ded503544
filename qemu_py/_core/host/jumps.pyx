"""Templates of the ends of TBs: direct jumps, which are linked (host_link), and indirect ones, by a cache."""
from qemu_py._core.cpu cimport CPUX86State, IROp, TranslationBlock
from qemu_py._core.host.access cimport mem, mem_imm, load_zx, settle_stack, stack_any, stack_move
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.buffer cimport HOST_CONTEXTS, HOST_JMP_CACHE_BYTES, HOST_JMP_FACTOR, HostJmpEntry
from qemu_py._core.host.flagstate cimport flush_flags, store_base, touch, want_condition
from qemu_py._core.host.gen cimport *
from qemu_py._core.host.turns cimport end_turn
from qemu_py._core.ir.table cimport OPP_DEF, OPP_PURE, OPP_USE, OPP_USE_CF

cdef CPUX86State *E = NULL

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef inline bint backward(Gen *g, int n) noexcept nogil:
    return <uint32_t> (g.tb.cs_base + g.tb.jmp_eip[n]) <= g.tb.pc


cdef void leave_if(Gen *g, uint8_t *jump, uint8_t **label) noexcept nogil:
    aim(jump, label[0] if label[0] != NULL else jump)
    label[0] = jump


cdef inline bint asks(Gen *g, int n) noexcept nogil:
    """The way to successor n looks first whether it may be gone."""
    return backward(g, n) or g.tb.jmp_xpage[n]


cdef bint wants_flags(Gen *g, int n) noexcept nogil:
    """What is pending must be in env when successor n begins, as far as is known."""
    cdef TranslationBlock *to = g.tb.jmp_dest[n]
    cdef uint32_t k, props
    if not g.pend.on:
        return False
    if to == NULL:
        if <uint32_t> (g.tb.cs_base + g.tb.jmp_eip[n]) != g.tb.pc:
            return False
        to = g.tb
    if to == g.tb or to.tc_ptr != NULL:
        return not to.tc_kills
    for k in range(to.nops):
        props = g.info[to.ir[k].opc].props
        if not props & OPP_PURE or props & (OPP_USE | OPP_USE_CF):
            return True
        if props & OPP_DEF:
            return False
    return True


cdef void gen_exit(Gen *g, int n) noexcept nogil:
    """T0 is dead, and there is no override. Pending flags are stored here if the successor seems to want them, else in the
    cold part."""
    cdef Asm *a = &g.a
    cdef TranslationBlock *tb = g.tb
    cdef uint8_t *out = NULL
    cdef uint32_t pending = g.pend.on
    if wants_flags(g, n):
        store_base(g, &g.pend)
        g.pend.on = 0
    if backward(g, n) or tb.jmp_xpage[n]:
        alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.exit_request), 0)
        leave_if(g, jcc(a, CC_NE), &out)
    if tb.jmp_xpage[n]:
        mov_ri64(a, R9, <uint64_t> <uintptr_t> &tb.jmp_epoch[n])
        ld(a, 8, R9, R9, 0)
        rm(a, 8, 0x3B, R9, R14, off(&E.link_epoch))
        leave_if(g, jcc(a, CC_NE), &out)
    leave_by(g, n, jmp(a), out)
    g.pend.on = pending


cdef void leave_by(Gen *g, int n, uint8_t *jump, uint8_t *out) noexcept nogil:
    g.undecided = False
    g.tb.tc_jmp[n] = jump
    leave_if(g, jump, &out)
    cold(g, out, COLD_EXIT)
    g.cold[g.ncold - 1].span = n


cdef void gen_lookup(Gen *g) noexcept nogil:
    """Go to EIP in R8."""
    cdef Asm *a = &g.a
    cdef TranslationBlock *tb = g.tb
    cdef HostJmpEntry *e = NULL
    cdef int32_t table = <int32_t> tb.tc_context * HOST_JMP_CACHE_BYTES
    settle_stack(g)
    flush_flags(g)
    if tb.tc_context < HOST_CONTEXTS:
        rr(a, 4, 0x69, R11, R8)         # host_jmp_entry
        b4(a, HOST_JMP_FACTOR)
        alu_ri(a, 4, X_AND, R11, HOST_JMP_CACHE_BYTES - 16)
        rm(a, 8, 0x03, R11, R14, off(&E.host_jmp_cache))
        rmx(a, 8, 0x8D, R10, R8, R13, 0, 0)
        rm(a, 8, 0x03, R10, R14, off(&E.exit_low))      # not 0 if exit_request is not
        rm(a, 8, 0x3B, R10, R11, table + off(&e.key))
        cold(g, jcc(a, CC_NE), COLD_LOOKUP)
        rm(a, 4, 0xFF, 4, R11, table + off(&e.target))
    else:
        cold(g, jmp(a), COLD_LOOKUP)


cdef void check_limit(Gen *g, int reg) noexcept nogil:
    cdef uint32_t limit = <uint32_t> (g.tb.cs_base >> 32)
    if limit != 0xFFFFFFFFU:
        mov_ri64(&g.a, R9, limit)
        rr(&g.a, 4, 0x3B, reg, R9)
        g.hv = 0
        bail_if(g, CC_A)


cdef int t_jmp(Gen *g) noexcept nogil:
    settle_stack(g)
    if g.pend.over:
        flush_flags(g)
    if end_turn(g, -1):
        gen_exit(g, 0)
    g.ended = 1
    return 0


cdef int t_branch(Gen *g, int cc) noexcept nogil:
    cdef uint8_t *jump
    cdef int by_jump = 1, straight = 0          # successors
    settle_stack(g)
    if g.pend.over:
        flush_flags(g)
    want_condition(g, cc)
    g.ended = 1
    if end_turn(g, cc if g.loop.own == 1 else cc ^ 1) == 0:
        return 0
    if backward(g, 1) or asks(g, 1) and not asks(g, 0):         # a loop is gone round more often than left
        by_jump, straight = 0, 1
    jump = jcc(&g.a, cc ^ (1 - by_jump))
    if not asks(g, by_jump) and not wants_flags(g, by_jump):
        leave_by(g, by_jump, jump, NULL)
        gen_exit(g, straight)
    else:
        gen_exit(g, straight)
        aim(jump, g.a.p)
        gen_exit(g, by_jump)
    return 0


cdef int t_jcc(Gen *g, IROp *op) noexcept nogil:
    return t_branch(g, <int> op.imm)


cdef int t_loop(Gen *g, IROp *op) noexcept nogil:
    """LOOP with ECX or CX, JECXZ, JCXZ; those with a condition are left."""
    cdef Asm *a = &g.a
    cdef int size = 2 if op.a else 4
    if op.imm < 2:
        return 1
    flush_flags(g)
    if op.imm == 2:
        rm(a, 4, 0x8D, R9, RCX, -1)
        mov_rr(a, size, RCX, R9)
    rr(a, size, 0x85, RCX, RCX)
    g.hv = HV_ALL
    return t_branch(g, CC_NE if op.imm == 2 else CC_E)


cdef int t_loop32(Gen *g) noexcept nogil:
    flush_flags(g)
    rm(&g.a, 4, 0x8D, RCX, RCX, -1)
    rr(&g.a, 4, 0x85, RCX, RCX)
    g.hv = HV_ALL
    return t_branch(g, CC_NE)


cdef int t_call(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    if stack_any(g, R15, -t.size, t.size, True):
        return 1
    mem_imm(g, t.size, 0xC7, 0, op.imm)
    stack_move(g, -t.size)
    return t_jmp(g)


cdef int t_jmp_r(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef int x = use(g, op.a)
    if x == NO_REG:
        return 1
    rr(&g.a, 4, 0x8B if t.size == 4 else 0x0FB7, R8, x)
    check_limit(g, R8)
    gen_lookup(g)
    g.ended = 1
    return 0


cdef int t_call_r(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    cdef Asm *a = &g.a
    cdef int x = use(g, op.a)
    if x == NO_REG:
        return 1
    touch(g, R11)
    if x != R11 or t.size != 4:         # T0 is the operand, or dead
        rr(a, 4, 0x8B if t.size == 4 else 0x0FB7, R11, x)
    check_limit(g, R11)
    if stack_any(g, R15, -t.size, t.size, True):
        return 1
    mem_imm(g, t.size, 0xC7, 0, op.imm)
    stack_move(g, -t.size)
    mov_rr(a, 4, R8, R11)
    gen_lookup(g)
    g.ended = 1
    return 0


cdef int t_ret(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    if stack_any(g, R15, 0, t.size, False):
        return 1
    load_zx(g, t.size, R8)
    check_limit(g, R8)
    stack_move(g, t.size + <int32_t> op.imm)
    gen_lookup(g)
    g.ended = 1
    return 0


cdef int t_icount_head(Gen *g, IROp *op) noexcept nogil:
    cdef Asm *a = &g.a
    mov_ri64(a, R9, <uint64_t> op.imm)
    rm(a, 8, 0x39, R9, R14, off(&E.icount_budget))
    bail_if(g, CC_L)
    rm(a, 8, 0x29, R9, R14, off(&E.icount_budget))
    rm(a, 8, 0x01, R9, R14, off(&E.insn_count))
    g.hv = 0
    return 0


cdef int t_profile_head(Gen *g, IROp *op) noexcept nogil:
    """One more run of the TB."""
    mov_ri64(&g.a, R9, <uint64_t> op.imm)
    rm(&g.a, 8, 0xFF, 0, R9, 0)
    g.hv = 0
    return 0
