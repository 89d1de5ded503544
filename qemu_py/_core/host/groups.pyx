"""Accesses of a TB that have their base register in common: one check for all of them.

A frame's slots, a structure's fields: [ESP + 4], [ESP + 12], pushes and pops. While the base does not change, or by
constants only, their distances are known, so that one comparison says that all of them lie in the page that a site
remembers; what is to be added to their addresses is in R12 until the group is over. Should a group's page be none that
may be had so (a device, a page without the right to write, two pages that are no neighbours in the host), the interpreter
does the rest of the TB; when that happens often, the TB is compiled again without groups.
"""
from libc.stdint cimport int32_t, uint16_t, uint32_t, uintptr_t
from libc.string cimport memset
from qemu_py._core.cpu cimport (CPUX86State, HF_AC, HF_FLAT_SS, HF_SS32, IROp, TARGET_PAGE_SIZE, TranslationBlock)
from qemu_py._core.host.access cimport NO_SITE
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.fp cimport fp_template
from qemu_py._core.host.gen cimport *
from qemu_py._core.ir.interp cimport EA_A16
from qemu_py._core.ir.table cimport OPP_EA, OPP_END, OPP_LEAVES

include "../gen/host_fp_forms.pxi"
include "../gen/host_template_ids.pxi"

cdef CPUX86State *E = NULL

cdef enum:
    R_EAX = 0                   # numbers of guest registers
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
    if id in (T_string, T_string_any):
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


cdef int favourite(Gen *g, HostTemplate *templates) noexcept nogil:
    """The register that is the base most often."""
    cdef int count[8]
    cdef Operand m
    cdef uint32_t k
    cdef int i, best = 0
    memset(count, 0, sizeof(count))
    for k in range(g.tb.nops):
        operand_of(g, &g.tb.ir[k], &templates[g.tb.ir[k].opc], &m)
        if m.size:
            count[m.base] += 1
    for i in range(1, 8):
        if count[i] > count[best]:
            best = i
    return best if count[best] > 1 else -1


cdef inline void close(Gen *g, Group *now, bint *is_open) noexcept nogil:
    if is_open[0] and now.count > 1 and g.ngroups < MAX_GROUPS:
        g.groups[g.ngroups] = now[0]
        g.ngroups += 1
    is_open[0] = False


cdef void plan_groups(Gen *g, HostTemplate *templates) noexcept nogil:
    cdef Group now
    cdef Operand m
    cdef Effect e
    cdef HostTemplate *t
    cdef IROp *op
    cdef uint32_t k
    cdef int32_t delta = 0, lo, hi
    cdef int base
    cdef bint is_open = False
    g.ngroups = g.group = 0
    g.in_group = 0
    if g.tb.host_plain:
        return
    base = favourite(g, templates)
    if base < 0:
        return
    for k in range(g.tb.nops):
        op = &g.tb.ir[k]
        t = &templates[op.opc]
        if t.id == 0 and fp_template(op.opc).form == 0 or t.id in (T_string, T_string_any):
            close(g, &now, &is_open)
            continue
        operand_of(g, op, t, &m)
        if m.size and m.base == base:
            lo = delta + m.disp
            hi = lo + m.size
            if is_open and (max(hi, now.hi) - min(lo, now.lo) > MAX_SPAN):
                close(g, &now, &is_open)
            if not is_open:
                is_open = True
                lo -= delta
                hi -= delta
                delta = 0
                now.first = k
                now.base = base
                now.lo = lo
                now.hi = hi
                now.write = now.count = 0
            now.lo = min(lo, now.lo)
            now.hi = max(hi, now.hi)
            now.write |= m.write
            now.count += 1
            now.last = k
        effect_of(op, t, base, &e)
        if e.kind == WRITES:
            close(g, &now, &is_open)
        elif e.kind == MOVES:
            delta += e.delta
    close(g, &now, &is_open)


cdef void begin_group(Gen *g) noexcept nogil:
    cdef Asm *a = &g.a
    cdef Group *p = &g.groups[g.group]
    cdef uint8_t *site
    cdef int base
    if g.in_group or g.group >= g.ngroups or g.k < p.first:
        return
    if g.k > p.first:                   # an op before it turned out to have no template
        g.group += 1
        return
    base = host_reg(p.base)
    site = g.h.data_ptr
    g.h.data_ptr += 32
    (<uint64_t *> site)[0] = NO_SITE
    (<uint64_t *> site)[2] = 0
    (<uint64_t *> site)[3] = 0
    g.hv = 0
    rmx(a, 8, 0x8D, R9, base, R13, 0, p.lo)
    rip(a, 8, 0x2B, R9, site, 0)
    rip(a, 8, 0x3B, R9, site + 16, 0)
    cold(g, jcc(a, 3), COLD_GROUP)      # not below
    rip(a, 8, 0x8B, R12, site + 8, 0)
    g.cold[g.ncold - 1].hot = a.p
    g.cold[g.ncold - 1].site = site
    g.cold[g.ncold - 1].base = base
    g.cold[g.ncold - 1].disp = p.lo
    g.cold[g.ncold - 1].span = p.hi - p.lo
    g.cold[g.ncold - 1].write = p.write
    g.in_group = 1
    g.delta = 0


cdef void end_group(Gen *g) noexcept nogil:
    if g.in_group:
        g.in_group = 0
        g.group += 1


cdef void pass_group(Gen *g, HostTemplate *templates) noexcept nogil:
    cdef IROp *op = &g.tb.ir[g.k]
    cdef Effect e
    if not g.in_group:
        return
    effect_of(op, &templates[op.opc], g.groups[g.group].base, &e)
    if e.kind == WRITES or g.k >= g.groups[g.group].last:
        end_group(g)
    elif e.kind == MOVES:
        g.delta += e.delta
