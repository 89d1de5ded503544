from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport Cold, FPTemplate, Gen
from libc.stdint cimport uint32_t, uint64_t

cdef FPTemplate *fp_template(int opc) noexcept nogil
# Nonzero: no template for this op after all.
cdef int gen_fp(Gen *g, IROp *op, FPTemplate *t) noexcept nogil
# Ahead of an op that may be the last of the TB to run; and before C runs, behind which nothing is live.
cdef void fp_before(Gen *g, uint32_t props) noexcept nogil
cdef void fp_left(Gen *g) noexcept nogil
cdef void fp_pointer(Gen *g, uint64_t ip) noexcept nogil
# Loads of what is not live yet: COLD_XMM jumps back, the others fall through to the bail.
cdef void emit_cold_fp(Gen *g, Cold *c) noexcept nogil
