"""The IR verifier: what must hold of every TB. Compiled in by QEMU_PY_CHECKED=1."""
from libc.stdio cimport fprintf, stderr
from libc.stdlib cimport abort
from libc.stdint cimport uint16_t, uint32_t
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.ir.table cimport NB_OPS, OPP_EA, OPP_END, OpInfo, op_table

cdef extern from *:
    """
    #ifdef QEMU_PY_CHECKED
    #define QP_CHECKED 1
    #else
    #define QP_CHECKED 0
    #endif
    """
    int CHECKED "QP_CHECKED"


cdef const char *fault_of(TranslationBlock *tb) noexcept nogil:
    """What is wrong, or NULL."""
    cdef OpInfo *info = op_table()
    cdef uint32_t i, props
    cdef uint16_t last_off = 0
    cdef IROp *op
    if tb.nops == 0:
        return "no op"
    if tb.icount == 0:
        return "no instruction"
    for i in range(tb.nops):
        op = &tb.ir[i]
        if op.opc == 0 or op.opc >= NB_OPS:
            return "op number out of range"
        if op.fn == NULL or op.fn != info[op.opc].fn:
            return "op without its function"
        props = info[op.opc].props
        if op.pc_off < last_off:
            return "instructions out of order"
        last_off = op.pc_off
        if op.pc_off and op.pc_off >= tb.size:
            return "instruction outside the TB"
        if props & OPP_END and i != tb.nops - 1:
            return "op behind the end"
        if props & OPP_EA and (op.b >= sizeof(CPUX86State) or op.c >= sizeof(CPUX86State) or op.b & 7 or op.c & 7):
            return "address operand outside the register file"
    if not info[tb.ir[tb.nops - 1].opc].props & OPP_END:
        return "falls through its end"
    return NULL


cdef void check_tb(TranslationBlock *tb) noexcept nogil:
    cdef const char *fault
    if CHECKED:
        fault = fault_of(tb)
        if fault != NULL:
            fprintf(stderr, "qemu_py: bad TB at %llx: %s\n", <unsigned long long> tb.pc, fault)
            abort()


def is_checked_build():
    """Was this built with QEMU_PY_CHECKED=1?"""
    return bool(CHECKED)
