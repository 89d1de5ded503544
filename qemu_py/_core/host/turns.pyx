"""Loops of one TB: code for the first turn, and code for all others.

A TB that is a successor of its own is made twice, one behind the other. The second code begins where the first ends and
jumps to itself, so that it starts with what is known at a turn's end: flags that are in registers stay there (no turn
stores them, but its ways out do), and a group of accesses whose base the loop does not change is checked in the first
turn alone. Before each further turn stands the look at env.exit_request, which is also how a turn learns that the TB
has been invalidated.
"""
from libc.string cimport memset
from qemu_py._core.cpu cimport CPUX86State, TranslationBlock
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.gen cimport *
from qemu_py._core.host.jumps cimport gen_exit, leave_by, leave_if

cdef CPUX86State *E = NULL

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


cdef void no_turns(Gen *g) noexcept nogil:
    memset(&g.loop, 0, sizeof(Loop))
    g.loop.own = -1


cdef void plan_turns(Gen *g) noexcept nogil:
    cdef TranslationBlock *tb = g.tb
    cdef int n
    no_turns(g)
    for n in range(2):
        if <uint32_t> (tb.cs_base + tb.jmp_eip[n]) == tb.pc and not tb.jmp_xpage[n]:
            g.loop.own = n


cdef int begin_next_turn(Gen *g) noexcept nogil:
    cdef Asm *a = &g.a
    if not g.loop.ends_so:
        return 1
    g.loop.next_turn = True
    g.loop.ends_so = False
    g.group = 0
    g.hv = g.t0 = g.ended = 0
    g.cc = CC_UNKNOWN
    memset(&g.fp, 0, sizeof(FPGen))
    g.tb.tc_again = a.p
    alu_mi(a, 4, X_CMP, R14, NO_REG, off(&E.exit_request), 0)
    leave_if(g, jcc(a, CC_NE), &g.loop.stops)
    return 0


cdef bint same_pending(Pend *p, Pend *q) noexcept nogil:
    if not p.on or not q.on:
        return p.on == q.on
    return p.cc_op == q.cc_op and p.dst == q.dst and p.src == q.src and p.imm == q.imm


cdef int end_turn(Gen *g, int cc) noexcept nogil:
    cdef Loop *loop = &g.loop
    if loop.own < 0:
        return 1
    loop.ends_so = True
    if not loop.next_turn:
        loop.pend = g.pend
        if cc >= 0:
            loop.leaves = jcc(&g.a, cc ^ 1)
    else:
        leave_by(g, loop.own, jcc(&g.a, cc) if cc >= 0 else jmp(&g.a), loop.stops)
        if cc >= 0:
            aim(loop.leaves, g.a.p)
            gen_exit(g, 1 - loop.own)
    return 0


cdef bint turns_differ(Gen *g) noexcept nogil:
    if g.loop.next_turn and not (g.loop.ends_so and same_pending(&g.loop.pend, &g.pend)):
        no_turns(g)
        return True
    return False
