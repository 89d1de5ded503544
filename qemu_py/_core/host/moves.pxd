from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport Gen, HostTemplate

# Templates; see alu.pxd.
cdef int t_mov_rr(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_live(Gen *g, IROp *op) noexcept nogil
cdef int t_mov_ri(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_xchg_rr(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_xchg_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_extend(Gen *g, IROp *op, HostTemplate *t, bint signed) noexcept nogil
cdef int t_lea(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_convert(Gen *g, HostTemplate *t) noexcept nogil
cdef int t_bswap(Gen *g, IROp *op) noexcept nogil
cdef int t_setcc(Gen *g, IROp *op) noexcept nogil
cdef int t_setcc_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_cmov(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_cmov_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_load(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_load_extend(Gen *g, IROp *op, HostTemplate *t, bint signed) noexcept nogil
cdef int t_store(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_store_i(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_push(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil
cdef int t_pop(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_leave(Gen *g, HostTemplate *t) noexcept nogil
cdef int t_string(Gen *g, IROp *op, HostTemplate *t, bint flat) noexcept nogil
cdef int t_compare_strings(Gen *g, IROp *op, HostTemplate *t, bint with_esi) noexcept nogil
cdef int t_cli0(Gen *g) noexcept nogil
cdef int t_direction(Gen *g, HostTemplate *t) noexcept nogil
