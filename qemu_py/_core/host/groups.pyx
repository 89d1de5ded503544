"""Accesses of a TB that have a base register in common: one check for all of them.

A frame's slots, a structure's fields: [ESP + 4], [ESP + 12], pushes and pops. While the base does not change, or by
constants only, their distances are known, so that one comparison says that all of them lie in the page that a site
remembers. What is to be added to their addresses is in R12 until the group is over, for the register that is the base most often; the
others' is read from the site at each access. Should a group's page be none that may be had so (a device, a page without
the right to write, two pages that are no neighbours in the host), the interpreter does the rest of the TB; when that
happens often, the TB is compiled again without groups of that base.
"""
from libc.stdint cimport int32_t, uint16_t, uint32_t, uintptr_t
from libc.string cimport memset
from qemu_py._core.cpu cimport (CPUX86State, HF_AC, HF_FLAT_SS, HF_SS32, IROp)
from qemu_py._core.host.access cimport NO_SITE
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.fp cimport fp_template
from qemu_py._core.host.gen cimport *
from qemu_py._core.ir.interp cimport EA_A16
from qemu_py._core.ir.table cimport OPP_EA, OPP_END

include "../gen/host_fp_forms.pxi"
include "../gen/host_template_ids.pxi"

cdef CPUX86State *E = NULL

cdef enum:
    R_EAX = 0                   # numbers of guest registers
    R_ECX = 1
    R_ESP = 4
    R_EBP = 5
    X_TEST = 8                  # HostTemplate.arg beside X_ADD .. X_CMP
    MAX_SPAN = 1024
    MAX_DISP = 4096

cdef enum:              # what an op does to a register
    KEEPS = 0
    MOVES = 1                   # adds a constant
    WRITES = 2

cdef struct Effect:
    int kind
    int32_t delta

cdef struct Operand:            # in memory, at a register and a constant; size 0: there is none
    int base
    int32_t disp
    int size
    bint write

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef inline bint is_reg(uint16_t o, int guest) noexcept nogil:
    return o < 64 and o >> 3 == guest


cdef inline bint only_reads_a(int id) noexcept nogil:
    """Operand a is none that is written."""
    return id in (T_st, T_st_i, T_push_r, T_push_i, T_alu_mr, T_alu_mi, T_adc_mr, T_adc_mi, T_inc_m, T_neg_m, T_not_m, T_setcc_m,
                  T_shift_mi, T_nop, T_cli0, T_direction, T_icount_head, T_profile_head)


cdef inline bint writes_memory(FPTemplate *t) noexcept nogil:
    return t.form in (F_st16, F_st8, F_st4, F_mm_st, F_x87_stw) or t.form == F_x87_m and t.arg


cdef void effect_of(IROp *op, HostTemplate *t, int guest, Effect *e) noexcept nogil:
    """Of an op that has a template, on a guest register. Rather too much than too little."""
    cdef int id = t.id
    e.kind = KEEPS
    e.delta = 0
    if guest == R_ESP and id in (T_push_r, T_push_i, T_pop_r):
        e.kind = MOVES
        e.delta = t.size if id == T_pop_r else -<int> t.size
        if id == T_pop_r and is_reg(op.a, guest):
            e.kind = WRITES
        return
    if id == T_leave:
        if guest == R_ESP or guest == R_EBP:
            e.kind = WRITES
        return
    if id in (T_string, T_string_any, T_scas, T_cmps):
        e.kind = WRITES
        return
    if id in (T_call, T_call_r, T_ret):
        if guest == R_ESP:
            e.kind = WRITES
        return
    if id in (T_loop, T_loop32):
        if guest == R_ECX:
            e.kind = WRITES
        return
    if id in (T_mul, T_div, T_convert, T_cmpxchg_m):
        if guest == 0 or guest == 2:
            e.kind = WRITES
            return
    if id == 0 and fp_template(op.opc).form >= F_x87:   # operand a is no register
        if fp_template(op.opc).form == F_x87_stsw_ax and guest == R_EAX:
            e.kind = WRITES
        return
    if id and only_reads_a(id):
        return
    if is_reg(op.a, guest):
        if id == T_alu_ri and t.size == 4 and (t.arg == X_ADD or t.arg == X_SUB):
            e.kind = MOVES
            e.delta = <int32_t> op.imm if t.arg == X_ADD else -<int32_t> op.imm
        elif id == T_lea and t.size == 4 and not op.d & EA_A16 and is_reg(op.b, guest) and op.c == <uint16_t> off(&E.zero):
            e.kind = MOVES
            e.delta = op.disp
        elif id in (T_alu_ri, T_alu_rr, T_alu_rm) and (t.arg == X_CMP or t.arg == X_TEST):
            return
        else:
            e.kind = WRITES
        if e.kind == MOVES and not -MAX_SPAN <= e.delta <= MAX_SPAN:
            e.kind = WRITES
    elif id == T_xchg_rr and is_reg(op.b, guest):
        e.kind = WRITES


cdef void operand_of(Gen *g, IROp *op, HostTemplate *t, Operand *m) noexcept nogil:
    """As gen_ea and stack_any will have it. What is wrong here costs a check, no more: gen_check looks itself."""
    cdef int id = t.id
    cdef uint32_t flat = HF_FLAT_SS | HF_SS32
    m.size = 0
    m.disp = 0
    if id in (T_push_r, T_push_i, T_pop_r, T_leave, T_call, T_call_r, T_ret):
        if g.tb.flags & flat != flat or g.tb.flags & HF_AC:
            return
        m.base = R_EBP if id == T_leave else R_ESP
        m.size = t.size
        m.write = id in (T_push_r, T_push_i, T_call, T_call_r)
        if m.write:
            m.disp = -m.size
        return
    if not g.info[op.opc].props & OPP_EA or t.seg or op.d & EA_A16 or op.b >= 64 or op.c != <uint16_t> off(&E.zero):
        return
    if not -MAX_DISP <= op.disp <= MAX_DISP:
        return
    m.base = op.b >> 3
    m.disp = op.disp
    if id == 0:
        m.size = fp_template(op.opc).size
        m.write = writes_memory(fp_template(op.opc))
    elif id == T_lea:
        return
    else:
        m.size = t.arg >> 3 if id == T_ldzx or id == T_ldsx else 1 if id == T_setcc_m else t.size
        m.write = id not in (T_ld, T_ldzx, T_ldsx, T_alu_rm, T_imul_rm, T_cmov_rm)


cdef void plan_groups(Gen *g, HostTemplate *templates) noexcept nogil:
    cdef Group *now[8]
    cdef int32_t delta[8]
    cdef int accesses[8]
    cdef Group *p
    cdef Operand m
    cdef Effect e
    cdef HostTemplate *t
    cdef IROp *op
    cdef uint32_t k
    cdef int32_t lo, hi
    cdef int i, favourite = 0
    cdef uint32_t changed = 0           # bases, as bits
    memset(now, 0, sizeof(now))
    memset(accesses, 0, sizeof(accesses))
    memset(g.open, 0, sizeof(g.open))
    g.ngroups = g.group = g.in_groups = 0
    for k in range(g.tb.nops):
        op = &g.tb.ir[k]
        t = &templates[op.opc]
        if t.id == 0 and fp_template(op.opc).form == 0 or t.id in (T_string, T_string_any, T_scas, T_cmps):
            memset(now, 0, sizeof(now))
            if not g.info[op.opc].props & OPP_END:
                changed = 0xFF
            continue
        operand_of(g, op, t, &m)
        if m.size and not g.tb.host_plain >> m.base & 1:
            accesses[m.base] += 1
            p = now[m.base]
            if p != NULL:
                lo = min(delta[m.base] + m.disp, p.lo)
                hi = max(delta[m.base] + m.disp + m.size, p.hi)
                if hi - lo > MAX_SPAN:
                    p = NULL
            if p == NULL and g.ngroups < MAX_GROUPS:
                p = &g.groups[g.ngroups]
                g.ngroups += 1
                delta[m.base] = 0
                lo = m.disp
                hi = lo + m.size
                p.first = k
                p.base = m.base
                p.write = p.count = 0
            now[m.base] = p
            if p != NULL:
                p.lo = lo
                p.hi = hi
                p.write |= m.write
                p.count += 1
                p.last = k
        for i in range(8):
            if now[i] == NULL and g.loop.own < 0:
                continue
            effect_of(op, t, i, &e)
            if e.kind == KEEPS:
                continue
            changed |= 1 << i
            delta[i] += e.delta
            if e.kind == WRITES:
                now[i] = NULL
    for i in range(8):
        if accesses[i] > accesses[favourite]:
            favourite = i
    for i in range(g.ngroups):
        p = &g.groups[i]
        p.in_r12 = p.base == favourite
        p.keeps = g.loop.own >= 0 and not changed >> p.base & 1


cdef void begin_group(Gen *g, Group *p) noexcept nogil:
    cdef Asm *a = &g.a
    cdef uint8_t *site = g.h.data_ptr
    cdef int base = host_reg(p.base)
    cdef int32_t disp = p.lo + (g.sp if p.base == R_ESP else 0)
    cdef Cold *c
    g.h.data_ptr += 32
    (<uint64_t *> site)[0] = NO_SITE
    (<uint64_t *> site)[2] = 0
    (<uint64_t *> site)[3] = 0
    g.hv = 0
    rmx(a, 8, 0x8D, R9, base, R13, 0, disp)
    rip(a, 8, 0x2B, R9, site, 0)
    rip(a, 8, 0x3B, R9, site + 16, 0)
    cold(g, jcc(a, 3), COLD_GROUP)      # not below
    c = &g.cold[g.ncold - 1]
    c.hot = a.p
    c.site = site
    c.base = base
    c.disp = disp
    c.span = p.hi - p.lo
    c.write = p.write
    if p.in_r12:
        rip(a, 8, 0x8B, R12, site + 8, 0)
    p.site = site
    g.in_groups += g.open[p.base] == NULL
    g.open[p.base] = p
    g.delta[p.base] = 0


cdef void begin_groups(Gen *g) noexcept nogil:
    cdef Group *p
    while g.group < g.ngroups and g.groups[g.group].first <= g.k:
        p = &g.groups[g.group]
        g.group += 1
        if p.first == g.k and g.open[p.base] != p and (p.count > 1 or p.keeps):
            begin_group(g, p)           # past its first op: one before that turned out to have no template


cdef void end_groups(Gen *g) noexcept nogil:
    memset(g.open, 0, sizeof(g.open))
    g.in_groups = 0


cdef void pass_groups(Gen *g, HostTemplate *templates) noexcept nogil:
    cdef IROp *op = &g.tb.ir[g.k]
    cdef Effect e
    cdef int i
    if g.in_groups == 0:
        return
    for i in range(8):
        if g.open[i] == NULL:
            continue
        effect_of(op, &templates[op.opc], i, &e)
        if e.kind == WRITES or g.k >= g.open[i].last and not g.open[i].keeps:
            g.open[i] = NULL
            g.in_groups -= 1
        elif e.kind == MOVES:
            g.delta[i] += e.delta
