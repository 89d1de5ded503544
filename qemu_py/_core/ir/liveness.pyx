"""Pass: an op whose flags nobody can see becomes its variant without flags.

Flags are visible to ops that use them, at every op that may leave the TB (a fault handler sees
EFLAGS), and at the end. Only ops declared `pure` neither see nor leave.
"""
from qemu_py._core.ir.table cimport OPP_DEF, OPP_PURE, OPP_USE, OPP_USE_CF


cdef void flag_liveness(IROp *ops, uint32_t nops, OpInfo *info) noexcept nogil:
    cdef bint live = True
    cdef uint32_t props
    cdef IROp *op = ops + nops
    while op != ops:
        op -= 1
        props = info[op.opc].props
        if props & OPP_DEF and not live and info[op.opc].nf:
            op.opc = info[op.opc].nf
            props = info[op.opc].props & ~<uint32_t> OPP_USE_CF         # CF was only needed to make the other flags
            if props & OPP_PURE:
                live = (props & OPP_USE) != 0
                continue
        if not props & OPP_PURE or props & (OPP_USE | OPP_USE_CF):
            live = True
        elif props & OPP_DEF:
            live = False
