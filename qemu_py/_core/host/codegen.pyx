"""IR to x86-64 code, a template a row; a row without one is called.

A TB starts in the interpreter, with host_head before its first op; when it has run often enough it is compiled, and
the op's function becomes the TB's thunk. So both engines chain into each other by the same call.

Whatever a template does not do itself (a fault, a device, a page crossing) goes back to the interpreter at that very op:
nothing has happened yet, and all that the op needs is in env.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from qemu_py._core.cpu cimport *
from qemu_py._core.dispatch cimport CPU_LOG_EXEC, CPU_LOG_TB_CPU, CPU_LOG_TB_OUT_ASM
from qemu_py._core.host.access cimport settle_stack, stack_move
from qemu_py._core.host.alu cimport *
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.buffer cimport (HOST_CONTEXTS, HostBuffer, HostJmpEntry, host_buffer_free, host_buffer_new,
                                        host_jmp_cache_flush, host_jmp_entry)
from qemu_py._core.host.entry cimport emit_stubs, host_remember, op_return
from qemu_py._core.host.flagstate cimport flush_flags, kill_flags, store_pend
from qemu_py._core.host.fp cimport emit_cold_fp, fp_before, fp_left, fp_pointer, fp_template, gen_fp
from qemu_py._core.host.gen cimport *
from qemu_py._core.host.groups cimport begin_groups, end_groups, pass_groups, plan_groups
from qemu_py._core.host.intmath cimport *
from qemu_py._core.host.jumps cimport *
from qemu_py._core.host.moves cimport *
from qemu_py._core.host.turns cimport begin_next_turn, plan_turns, turns_differ
from qemu_py._core.ir.dump cimport trace_compiled
from qemu_py._core.ir.table cimport *

cdef enum:              # arguments of rows, beside those of asm.pxd
    X_TEST = 8
    X_RCL = 2
    X_RCR = 3

include "../gen/host_template_ids.pxi"
include "../gen/host_templates.pxi"

cdef HostTemplate TEMPLATES[NB_OPS]
fill_templates(TEMPLATES)

cdef enum:
    OP_BYTES = 240              # of code, hot and cold, at most
    OP_DATA_BYTES = 96

cdef CPUX86State *E = NULL

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


# ---------------------------------------------------------------- out of line
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


cdef void emit_alone(Gen *g, Cold *c) noexcept nogil:
    """The interpreter does this op only: a move to or from a device, across pages, or the like."""
    cdef Asm *a = &g.a
    cdef uint8_t *changed = NULL
    if c.t0:
        st(a, 8, R11, R14, off(&E.t[0]))
    mov_ri64(a, R8, <uint64_t> <uintptr_t> &g.tb.ir[c.k])
    mov_ri64(a, R9, <uint64_t> <uintptr_t> g.tb)
    if c.in_group:
        st(a, 8, R13, R14, off(&E.cold_epoch))
    call_to(a, g.h.call_cold)
    if c.t0_after:
        ld(a, 8, R11, R14, off(&E.t[0]))
    if c.in_group:
        rm(a, 8, 0x3B, R13, R14, off(&E.cold_epoch))    # is the group's page still what it was?
        changed = jcc(a, CC_NE)
    if c.sp_after:
        rm(a, 4, 0x8D, R15, R15, -c.sp_after)
    jmp_to(a, c.after)
    if c.in_group:
        aim(changed, a.p)
        emit_bail(g, c.k + 1, c.t0_after)


cdef void emit_exit(Gen *g, Cold *c) noexcept nogil:
    """A successor that is not linked, or not to be gone to at once. Its jumps come here, the last to be linked first. Before it
    are the stores for one that is linked and wants them."""
    cdef Asm *a = &g.a
    cdef TranslationBlock *tb = g.tb
    cdef int32_t distance
    if c.pend.on:
        tb.tc_via[c.span] = a.p
        store_pend(g, &c.pend, c.cc)
        tb.tc_on[c.span] = jmp(a)
    tb.tc_exit[c.span] = a.p
    while True:
        distance = (<int32_t *> (c.jump - 4))[0]
        aim(c.jump, a.p)
        if distance == 0:
            break
        c.jump += distance
    store_pend(g, &c.pend, c.cc)
    mov_ri64(a, R9, <uint64_t> <uintptr_t> g.tb)
    mov_ri64(a, R10, c.span)
    jmp_to(a, g.h.goto_tb)


cdef void emit_cold(Gen *g) noexcept nogil:
    cdef Asm *a = &g.a
    cdef Cold *c
    cdef uint8_t *failed = NULL
    cdef uint32_t i
    for i in range(g.ncold):
        c = &g.cold[i]
        if c.kind == COLD_EXIT:
            emit_exit(g, c)
            continue
        aim(c.jump, a.p)
        if c.kind == COLD_LOOKUP:
            mov_ri64(a, R9, <uint64_t> <uintptr_t> g.tb)
            jmp_to(a, g.h.lookup)
            continue
        if c.kind == COLD_CARRY:
            call_to(a, g.h.load_flags)
            jmp_to(a, c.hot)
            continue
        if c.kind == COLD_GROUP:
            mov_ri64(a, R9, <uint64_t> <uintptr_t> g.tb)
            st(a, 8, R9, R14, off(&E.current_tb))
            rm(a, 8, 0x8D, R8, c.base, c.disp)
            rip(a, 8, 0x8D, R9, c.site, 0)
            mov_ri64(a, R10, c.span | guest_reg(c.base) << 16)
            call_to(a, g.h.group[c.write])
            aim(jcc(a, CC_E), c.hot)
        elif c.kind == COLD_PROBE:
            if c.base != NO_REG:
                rm(a, 8, 0x8D, R8, c.base, c.disp)
            rip(a, 8, 0x8D, R9, c.site, 0)
            if c.in_group:
                st(a, 8, R13, R14, off(&E.cold_epoch))
            call_to(a, g.h.probe[c.write][c.probe])
            if c.in_group:
                failed = jcc(a, CC_NE)
                rm(a, 8, 0x3B, R13, R14, off(&E.cold_epoch))
            aim(jcc(a, CC_E), c.hot)
            if c.in_group:
                aim(failed, a.p)
        elif c.kind >= COLD_XMM:
            emit_cold_fp(g, c)
            if c.kind == COLD_XMM:
                continue
        store_pend(g, &c.pend, c.cc)
        fp_pointer(g, c.fp_ip)
        if c.sp:
            rm(a, 4, 0x8D, R15, R15, c.sp)
        if c.after == NULL:
            emit_bail(g, c.k, c.t0)
        else:
            emit_alone(g, c)


# ---------------------------------------------------------------- an op
cdef bint adds_to_stack(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    return (t.id == T_alu_ri and t.nf and t.size == 4 and (t.arg == X_ADD or t.arg == X_SUB) and reg_of(op.a) == R15
            and -4096 <= <int32_t> op.imm <= 4096 and g.tb.flags & HF_SS32 != 0)


cdef bint wants_esp(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """In R15, that is: not for a push or a pop, nor as the base of an address."""
    cdef int id = t.id
    if id == T_leave or id == T_lea_bit:        # whose third register is in imm
        return True
    if id in (T_push_i, T_call, T_ret) or adds_to_stack(g, op, t):
        return False
    if reg_of(op.a) == R15:
        return True
    if id in (T_push_r, T_pop_r, T_call_r) or g.info[op.opc].props & OPP_EA:
        return False
    return reg_of(op.b) == R15 or reg_of(op.c) == R15


cdef int gen_op(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """Nonzero: this op has no template after all; nothing was emitted that matters."""
    cdef int id = t.id
    if id == T_mov_rr:
        return t_mov_rr(g, op, t)
    if id == T_mov_ri:
        return t_mov_ri(g, op, t)
    if id == T_live:
        return t_live(g, op)
    if id == T_xchg_rr:
        return t_xchg_rr(g, op, t)
    if id == T_xchg_m:
        return t_xchg_m(g, op, t)
    if id == T_movzx:
        return t_extend(g, op, t, False)
    if id == T_movsx:
        return t_extend(g, op, t, True)
    if id == T_lea:
        return t_lea(g, op, t)
    if id == T_convert:
        return t_convert(g, t)
    if id == T_nop:
        return 0
    if id == T_setcc_r:
        return t_setcc(g, op)
    if id == T_setcc_m:
        return t_setcc_m(g, op, t)
    if id == T_cmov_rr:
        return t_cmov(g, op, t)
    if id == T_cmov_rm:
        return t_cmov_m(g, op, t)
    if id == T_alu_rr:
        return t_alu(g, op, t, False)
    if id == T_alu_ri:
        if adds_to_stack(g, op, t):
            stack_move(g, <int32_t> op.imm if t.arg == X_ADD else -<int32_t> op.imm)
            return 0
        return t_alu(g, op, t, True)
    if id == T_alu_rm:
        return t_alu_rm(g, op, t)
    if id == T_alu_mr:
        return t_alu_m(g, op, t, False)
    if id == T_alu_mi:
        return t_alu_m(g, op, t, True)
    if id == T_adc_rr:
        return t_adc(g, op, t, False)
    if id == T_adc_ri:
        return t_adc(g, op, t, True)
    if id == T_adc_mr:
        return t_adc_m(g, op, t, False)
    if id == T_adc_mi:
        return t_adc_m(g, op, t, True)
    if id == T_inc_r:
        return t_inc(g, op, t)
    if id == T_inc_m:
        return t_inc_m(g, op, t)
    if id == T_not_r:
        return t_not_neg(g, op, t, False)
    if id == T_neg_r:
        return t_not_neg(g, op, t, True)
    if id == T_not_m:
        return t_not_neg_m(g, op, t, False)
    if id == T_neg_m:
        return t_not_neg_m(g, op, t, True)
    if id == T_shift_ri:
        return t_shift(g, op, t)
    if id == T_shift_rc:
        return t_shift_cl(g, op, t)
    if id == T_shift_mc:
        return t_shift_m_cl(g, op, t)
    if id == T_shift_mi:
        return t_shift_m(g, op, t)
    if id == T_rotate_ri:
        return t_rotate(g, op, t)
    if id == T_rotate_rc:
        return t_rotate_cl(g, op, t)
    if id == T_rotate_carry:
        return t_rotate_carry(g, op, t)
    if id == T_double_shift:
        return t_double_shift(g, op, t)
    if id == T_double_shift_rc:
        return t_double_shift_cl(g, op, t)
    if id == T_imul_rr:
        return t_imul(g, op, t, 0)
    if id == T_imul_rri:
        return t_imul(g, op, t, 1)
    if id == T_imul_rm:
        return t_imul(g, op, t, 2)
    if id == T_mul:
        return t_mul(g, op, t)
    if id == T_div:
        return t_div(g, op, t)
    if id == T_bit_i:
        return t_bit(g, op, t, True)
    if id == T_bit_r:
        return t_bit(g, op, t, False)
    if id == T_bit_mi:
        return t_bit_m(g, op, t, True)
    if id == T_bit_mr:
        return t_bit_m(g, op, t, False)
    if id == T_lea_bit:
        return t_lea_bit(g, op)
    if id == T_scan:
        return t_scan(g, op, t)
    if id == T_cmpxchg_m:
        return t_cmpxchg_m(g, op, t, False)
    if id == T_xadd_m:
        return t_cmpxchg_m(g, op, t, True)
    if id == T_bswap:
        return t_bswap(g, op)
    if id == T_ld:
        return t_load(g, op, t)
    if id == T_ldzx:
        return t_load_extend(g, op, t, False)
    if id == T_ldsx:
        return t_load_extend(g, op, t, True)
    if id == T_st:
        return t_store(g, op, t)
    if id == T_st_i:
        return t_store_i(g, op, t)
    if id == T_push_r:
        return t_push(g, op, t, False)
    if id == T_push_i:
        return t_push(g, op, t, True)
    if id == T_pop_r:
        return t_pop(g, op, t)
    if id == T_leave:
        return t_leave(g, t)
    if id == T_string:
        return t_string(g, op, t, True)
    if id == T_string_any:
        return t_string(g, op, t, False)
    if id == T_scas:
        return t_compare_strings(g, op, t, False)
    if id == T_cmps:
        return t_compare_strings(g, op, t, True)
    if id == T_direction:
        return t_direction(g, t)
    if id == T_cli0:
        return t_cli0(g)
    if id == T_icount_head:
        return t_icount_head(g, op)
    if id == T_profile_head:
        return t_profile_head(g, op)
    if id == T_jmp:
        return t_jmp(g)
    if id == T_jcc:
        return t_jcc(g, op)
    if id == T_loop:
        return t_loop(g, op)
    if id == T_loop32:
        return t_loop32(g)
    if id == T_call:
        return t_call(g, op, t)
    if id == T_call_r:
        return t_call_r(g, op, t)
    if id == T_jmp_r:
        return t_jmp_r(g, op, t)
    if id == T_ret:
        return t_ret(g, op, t)
    return 1


cdef inline bint has_template(int opc) noexcept nogil:
    return TEMPLATES[opc].id != 0 or fp_template(opc).form != 0


cdef void gen_call_ops(Gen *g) noexcept nogil:
    """Op g.k, and those behind it that have no template: the interpreter's functions, which go on into one another."""
    cdef Asm *a = &g.a
    cdef IROp *first = <IROp *> g.h.data_ptr
    cdef IROp *copy = first
    cdef uint32_t props
    g.undecided = False
    settle_stack(g)
    flush_flags(g)
    if g.t0:
        st(a, 8, R11, R14, off(&E.t[0]))
        g.t0 = 0
    fp_left(g)
    while True:
        copy[0] = g.tb.ir[g.k]
        copy.fn = g.info[copy.opc].fn
        copy += 1
        if g.k + 1 >= g.tb.nops or has_template(g.tb.ir[g.k + 1].opc):
            break
        props = g.info[g.tb.ir[g.k + 1].opc].props
        if props & OPP_END:
            break
        g.k += 1
    memset(copy, 0, sizeof(IROp))
    copy.fn = op_return
    g.h.data_ptr = <uint8_t *> (copy + 1)
    rip(a, 8, 0x8D, R8, first, 0)
    mov_ri64(a, R9, <uint64_t> <uintptr_t> g.tb)
    call_to(a, g.h.call)
    g.hv = 0
    g.cc = CC_UNKNOWN


cdef struct Undo:               # of an op whose template gave up
    uint8_t *code
    uint8_t *data
    uint32_t ncold
    uint32_t hv
    uint32_t t0
    uint32_t cc
    int32_t sp
    Pend pend
    FPGen fp


cdef inline bint is_move(int id) noexcept nogil:
    """Leaves flags alone, and needs nothing but memory that it reads or writes once."""
    return id in (T_ld, T_ldzx, T_ldsx, T_st, T_st_i, T_push_r, T_push_i, T_pop_r, T_leave, T_string, T_string_any)


cdef void come_back(Gen *g, uint32_t ncold) noexcept nogil:
    """What the op at hand has out of line goes on behind it."""
    while ncold < g.ncold:
        g.cold[ncold].after = g.a.p
        g.cold[ncold].t0_after = g.t0
        g.cold[ncold].sp_after = g.sp
        ncold += 1


cdef int gen_template(Gen *g, IROp *op, HostTemplate *t) noexcept nogil:
    """gen_op, and the jump that is fused with it. Nonzero: not done, nothing was emitted."""
    cdef Undo u
    cdef FPTemplate *f = fp_template(op.opc)
    u.code, u.data, u.ncold, u.hv, u.t0, u.cc, u.pend = g.a.p, g.h.data_ptr, g.ncold, g.hv, g.t0, g.cc, g.pend
    u.fp, u.sp = g.fp, g.sp
    if f.form:
        if gen_fp(g, op, f) == 0:
            return 0
    elif gen_op(g, op, t) == 0:
        if is_move(t.id) and g.fp.known == 0 and g.hv == 0 and not u.pend.over:
            come_back(g, u.ncold)
        if t.kills and t.nf:
            kill_flags(g)
        if t.cc >= 0:
            t_branch(g, t.cc)
        return 0
    g.a.p, g.h.data_ptr, g.ncold, g.hv, g.t0, g.cc, g.pend = u.code, u.data, u.ncold, u.hv, u.t0, u.cc, u.pend
    g.fp, g.sp = u.fp, u.sp
    g.ended = 0
    return 1


# ---------------------------------------------------------------- a TB
cdef uint32_t context_of(HostBuffer *h, TranslationBlock *tb) noexcept nogil:
    cdef uint32_t i
    for i in range(h.nb_contexts):
        if h.contexts[i].cs_base == tb.cs_base and h.contexts[i].flags == tb.flags:
            return i
    if h.nb_contexts == HOST_CONTEXTS:
        return HOST_CONTEXTS            # its indirect jumps are looked up by C
    h.contexts[h.nb_contexts].cs_base = tb.cs_base
    h.contexts[h.nb_contexts].flags = tb.flags
    h.nb_contexts += 1
    return h.nb_contexts - 1


cdef void gen_ops(Gen *g) noexcept nogil:
    cdef IROp *op
    cdef uint32_t props
    g.k = 0
    while g.k < g.tb.nops:
        op = &g.tb.ir[g.k]
        props = g.info[op.opc].props
        fp_before(g, props)
        begin_groups(g)
        if g.sp and wants_esp(g, op, &TEMPLATES[op.opc]):
            settle_stack(g)
        if has_template(op.opc) and gen_template(g, op, &TEMPLATES[op.opc]) == 0:
            pass_groups(g, TEMPLATES)
        else:
            end_groups(g)
            if props & OPP_END:
                g.undecided = False
                settle_stack(g)
                flush_flags(g)
                emit_bail(g, g.k, g.t0)
                break
            gen_call_ops(g)
        g.k += 1


cdef void gen_tb(Gen *g) noexcept nogil:
    cdef TranslationBlock *tb = g.tb
    g.hv = g.t0 = g.ended = g.ncold = 0
    g.sp = 0
    g.cc = CC_UNKNOWN
    g.pend.on = g.pend.over = 0
    memset(&g.fp, 0, sizeof(FPGen))
    plan_groups(g, TEMPLATES)
    tb.tc_jmp[0] = tb.tc_jmp[1] = tb.tc_via[0] = tb.tc_via[1] = tb.tc_again = NULL
    tb.tc_kills = 0
    g.undecided = True
    gen_ops(g)
    if begin_next_turn(g) == 0:
        gen_ops(g)


cdef bint compile_tb(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    """False: there is no room."""
    cdef HostBuffer *h = <HostBuffer *> env.tbx.host
    cdef Gen *g = <Gen *> h.gen
    cdef Asm *a = &g.a
    cdef uint8_t *start
    cdef uint8_t *data
    cdef uint32_t code_bytes = 2 * tb.nops * OP_BYTES + 4096            # for two turns
    if (h.code_ptr + code_bytes > h.code_end or h.cold_ptr + code_bytes > h.cold_end
            or h.data_ptr + 2 * tb.nops * OP_DATA_BYTES + 4096 > h.data_end):
        return False
    h.data_ptr = <uint8_t *> ((<uintptr_t> h.data_ptr + 63) & ~<uintptr_t> 63)
    g.h = h
    g.tbx = env.tbx
    g.tb = tb
    g.info = op_table()
    plan_turns(g)
    a.p = start = <uint8_t *> ((<uintptr_t> h.code_ptr + 15) & ~<uintptr_t> 15)
    a.delta = h.delta
    tb.tc_context = context_of(h, tb)
    data = h.data_ptr
    gen_tb(g)
    if turns_differ(g):
        a.p = start
        h.data_ptr = data
        gen_tb(g)
    h.code_ptr = a.p
    tb.tc_size = <uint32_t> (a.p - start)
    tb.tc_body = start + h.delta
    a.p = h.cold_ptr
    rip(a, 8, 0x8D, R8, tb.tc_body, 0)
    jmp_to(a, h.enter)
    emit_cold(g)
    tb.tc_ptr = h.cold_ptr + h.delta
    tb.tc_cold_size = <uint32_t> (a.p - h.cold_ptr)
    h.cold_ptr = a.p
    tb.ir[0].fn = <op_fn> tb.tc_ptr
    env.tbx.host_count += 1
    return True


cdef void host_link(TBContext *tbx, TranslationBlock *tb, int n) noexcept nogil:
    """Successor n of tb is linked, or its target has been compiled."""
    cdef HostBuffer *h = <HostBuffer *> tbx.host
    cdef TranslationBlock *to = tb.jmp_dest[n]
    if tb.tc_ptr == NULL or tb.tc_jmp[n] == NULL or to == NULL or to.tc_ptr == NULL:
        return
    if to == tb and tb.tc_again != NULL:
        aim(tb.tc_jmp[n], tb.tc_again)
    elif to.tc_kills or tb.tc_via[n] == NULL:
        aim(tb.tc_jmp[n], to.tc_body - h.delta)
    else:
        aim(tb.tc_on[n], to.tc_body - h.delta)
        aim(tb.tc_jmp[n], tb.tc_via[n])


cdef void relink(TBContext *tbx, TranslationBlock *tb) noexcept nogil:
    """tb has been compiled: its own jumps, and those of the TBs that are linked to it."""
    cdef TranslationBlock *p = tb.jmp_first
    cdef int n
    host_link(tbx, tb, 0)
    host_link(tbx, tb, 1)
    while <uintptr_t> p & 3 != 2:
        n = <int> (<uintptr_t> p & 3)
        p = <TranslationBlock *> (<uintptr_t> p & ~<uintptr_t> 3)
        host_link(tbx, p, n)
        p = p.jmp_next[n]


cdef void host_flush(TBContext *tbx) noexcept nogil:
    cdef HostBuffer *h = <HostBuffer *> tbx.host
    cdef CPUX86State *env = tbx.first_cpu
    h.code_ptr = h.first
    h.cold_ptr = h.cold_first
    h.data_ptr = h.data
    while env != NULL:
        host_jmp_cache_flush(env.host_jmp_cache, h.nb_contexts)
        env = env.next_cpu
    h.nb_contexts = 0


cdef void host_forget(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    """No indirect jump may go to tb any more."""
    cdef HostJmpEntry *e
    if tb.tc_context < HOST_CONTEXTS:
        e = host_jmp_entry(env, tb)
        if <uint32_t> e.key == <uint32_t> (tb.pc - <uint32_t> tb.cs_base):
            e.key = 0


cdef uintptr_t host_head(CPUX86State *env, IROp *op) noexcept nogil:
    """Stands for op 0 until the TB is warm."""
    cdef TranslationBlock *tb = env.current_tb
    if tb.warm == 0 and not env.log_mask & (CPU_LOG_EXEC | CPU_LOG_TB_CPU) and env.nb_watchpoints == 0:
        if compile_tb(env, tb):
            relink(env.tbx, tb)
            if env.log_mask & CPU_LOG_TB_OUT_ASM:
                trace_compiled(env, tb)
            return tb.ir.fn(env, tb.ir)
        tb.warm = 1 << 30               # the interpreter runs it until then
        env.tbx.work_flush = 1
        env.exit_request = 1
    elif tb.warm:
        tb.warm -= 1
    return op_table()[op.opc].fn(env, op)


cdef void host_replain(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    """Compile it once more, without some of its groups; who has its old code's address finds a jump there."""
    cdef HostBuffer *h = <HostBuffer *> env.tbx.host
    cdef uint8_t *old = tb.tc_body - h.delta
    cdef Asm a
    if tb.invalid:
        return
    if not compile_tb(env, tb):
        env.tbx.work_flush = 1
        env.exit_request = 1
        return
    relink(env.tbx, tb)
    a.p = old
    jmp_to(&a, tb.tc_body - h.delta)


cdef int host_attach(TBContext *tbx, unsigned long long size, unsigned int threshold) except -1:
    cdef HostBuffer *h = host_buffer_new(size)
    h.gen = calloc(1, sizeof(Gen))
    h.replain = <void *> host_replain
    if h.gen == NULL:
        raise MemoryError("code generator")
    emit_stubs(h)
    tbx.host = h
    tbx.host_link = host_link
    tbx.host_flush = host_flush
    tbx.host_remember = host_remember
    tbx.host_forget = host_forget
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
    return {op_table()[i].name.decode() for i in range(1, NB_OPS) if (TEMPLATES[i].id or fp_template(i).form)
            and op_table()[i].name != NULL}
