"""The op table at run time: OpInfo per op number, filled by the interp modules at import."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from qemu_py._core.cpu cimport op_fn

include "../gen/ops_enum.pxi"

cdef enum:
    OPP_FAULTS = 1      # may leave the TB with a fault before it has changed anything
    OPP_END = 2         # does not fall through
    OPP_DEF = 4         # defines all six flags
    OPP_USE = 8         # uses flags (any)
    OPP_USE_CF = 16     # uses CF while it defines the others
    OPP_PURE = 32       # touches registers and temporaries only
    OPP_EA = 64         # has an effective address in b, c, d, disp
    OPP_LEAVES = 128    # falls through, or goes on elsewhere

cdef struct OpInfo:
    op_fn fn
    const char *name
    uint32_t props
    uint16_t nf         # the same op without flags, or 0
    uint16_t g          # the same with a segment check (any segment, any address size), or 0
    uint16_t bd         # the same with base and displacement only, or 0
    uint16_t jcc[16]    # the op fused with a conditional jump, or 0

cdef OpInfo *op_table() noexcept nogil
cdef void set_op(OpInfo *t, int opc, op_fn fn, const char *name, uint32_t props, uint16_t nf, uint16_t g, uint16_t bd) noexcept
# ImportError when the caller was built with other op numbers than this module.
cdef int check_build(int ops_hash) except -1
