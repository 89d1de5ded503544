from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport FPTemplate, Gen

# With the x87 live. Nonzero: no template for this op after all.
cdef int gen_x87(Gen *g, IROp *op, FPTemplate *t) noexcept nogil
