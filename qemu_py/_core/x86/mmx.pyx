"""MMX, and what SSE and SSSE3 added to it (ops/mmx.tbl; SDM vol. 1, chapter 9).

The host's XMM registers do the work: the host's own MMX registers are its x87 stack.
"""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.ir.builder cimport xmmt_off
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.softmmu cimport ld32, ld64, st32, st64
from qemu_py._core.x86.fpu cimport fpu_waits
from qemu_py._core.x86.simd cimport *
from qemu_py._core.x86.sse_move cimport mask_store

cdef uint8_t[256][8] word_control       # PSHUFB control of PSHUFW imm


def _fill():
    for imm in range(256):
        for i in range(8):
            word_control[imm][i] = (imm >> (i >> 1) * 2 & 3) * 2 + (i & 1)


_fill()


cdef inline int mmx_top_zero(CPUX86State *env) noexcept nogil:
    env.fpstt = 0
    return 0


include "../gen/interp_mmx.pxi"

register_mmx_ops(op_table())
