from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.asm cimport Asm
from qemu_py._core.host.gen cimport Cold, FPTemplate, Gen

cdef enum:                      # Cold.kind, beside those of gen.pxd
    COLD_CONTROL = 19

# With the x87 live. Nonzero: no template for this op after all.
cdef int gen_x87(Gen *g, IROp *op, FPTemplate *t) noexcept nogil
# FLDCW; FISTP; FLDCW: ops g.k .. g.k + 2, whose templates are t[0 .. 2]. g.k becomes that of the last.
cdef bint is_truncation(IROp *op, FPTemplate **t) noexcept nogil
cdef int gen_truncation(Gen *g, IROp *op, FPTemplate **t) noexcept nogil
# Falls through to the bail.
cdef void emit_cold_control(Asm *a, Cold *c) noexcept nogil
