"""Templates of the ends of TBs: direct jumps, which are linked (host_link), and indirect ones, by a cache."""
from qemu_py._core.cpu cimport CPUX86State, IROp, TranslationBlock
from qemu_py._core.host.access cimport mem, mem_imm, load_zx, stack_any, stack_move
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.buffer cimport HOST_JMP_CACHE_SIZE, HostJmpEntry
from qemu_py._core.host.flagstate cimport flush_flags, store_base, touch, want_condition
from qemu_py._core.host.gen cimport *

cdef CPUX86State *E = NULL

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef inline bint backward(Gen *g, int n) noexcept nogil:
    return <uint32_t> (g.tb.cs_base + g.tb.jmp_eip[n]) <= g.tb.pc


cdef void leave_if(Gen *g, uint8_t *jump, uint8_t **label) noexcept nogil:
    """From `jump` to where label's jumps go: they are linked by their distances until it is known."""
    aim(jump, label[0] if label[0] != NULL else jump)
    label[0] = jump


cdef void gen_exit(Gen *g, int n) noexcept nogil:
    """To successor n; T0 is dead, and there is no override. Pending flags are stored here."""
    cdef Asm *a = &g.a
    cdef TranslationBlock *tb = g.tb
    cdef uint8_t *out = NULL
    g.undecided = False
    if g.pend.on:
        tb.tc_skip[n] = a.p
        store_base(g, &g.pend)
        tb.tc_store[n] = (<uint16_t *> tb.tc_skip[n])[0]
        tb.tc_stores[n] = <uint8_t> (a.p - tb.tc_skip[n])
    if backward(g, n) or tb.jmp_xpage[n]:
        alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.exit_request), 0)
        leave_if(g, jcc(a, CC_NE), &out)
    if tb.jmp_xpage[n]:
        mov_ri64(a, R9, <uint64_t> <uintptr_t> &tb.jmp_epoch[n])
        ld(a, 8, R9, R9, 0)
        rm(a, 8, 0x3B, R9, R14, off(&E.link_epoch))
        leave_if(g, jcc(a, CC_NE), &out)
    tb.tc_jmp[n] = jmp(a)
    leave_if(g, a.p, &out)
    cold(g, out, COLD_EXIT)
    g.cold[g.ncold - 1].span = n


cdef void gen_lookup(Gen *g) noexcept nogil:
    """Go to EIP in R8."""
    cdef Asm *a = &g.a
    cdef TranslationBlock *tb = g.tb
    cdef HostJmpEntry *e = NULL
    cdef uint8_t *out[4]
    cdef int i
    flush_flags(g)
    alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.exit_request), 0)
    out[0] = jcc(a, CC_NE)
    if <uint32_t> tb.cs_base:
        mov_ri64(a, R10, <uint32_t> tb.cs_base)
        rr(a, 4, 0x03, R10, R8)
    else:
        mov_rr(a, 4, R10, R8)
    mov_rr(a, 4, R11, R10)              # host_jmp_hash
    rr(a, 4, 0xC1, X_SHR, R11)
    b1(a, 12)
    rr(a, 4, 0x33, R11, R10)
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
        g.hv = 0
        bail_if(g, CC_A)


cdef int t_jmp(Gen *g) noexcept nogil:
    if g.pend.over:
        flush_flags(g)
    gen_exit(g, 0)
    g.ended = 1
    return 0


cdef int t_branch(Gen *g, int cc) noexcept nogil:
    cdef uint8_t *taken
    if g.pend.over:
        flush_flags(g)
    want_condition(g, cc)
    if backward(g, 1):                  # more likely than not
        taken = jcc(&g.a, cc ^ 1)
        gen_exit(g, 1)
        aim(taken, g.a.p)
        gen_exit(g, 0)
    else:
        taken = jcc(&g.a, cc)
        gen_exit(g, 0)
        aim(taken, g.a.p)
        gen_exit(g, 1)
    g.ended = 1
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
    rr(a, 4, 0x8B if t.size == 4 else 0x0FB7, R11, x)      # T0 is the operand, or dead
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
