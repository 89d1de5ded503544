from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport Gen, HostTemplate

# Templates; see alu.pxd.
cdef int t_shift(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_shift_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_shift_m_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_shift_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_rotate(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_rotate_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_rotate_carry(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_double_shift(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_double_shift_cl(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_imul(Gen *g, IROp *op, HostTemplate *t, int form) noexcept nogil
cdef int t_mul(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_div(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_bit(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil
cdef int t_bit_m(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil
cdef int t_lea_bit(Gen *g, IROp *op) noexcept nogil
cdef int t_scan(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_cmpxchg_m(Gen *g, IROp *op, HostTemplate *t, bint add) noexcept nogil
