from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport FPTemplate, Gen

# With the x87 live. Nonzero: no template for this op after all. `memory`: the second operand is that of the access before.
cdef int gen_mmx(Gen *g, IROp *op, FPTemplate *t, bint memory) noexcept nogil
# Its second operand is what the op before has loaded from memory.
cdef bint takes_operand(IROp *op, FPTemplate *t) noexcept nogil
