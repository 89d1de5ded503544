from libc.stdint cimport uint8_t
from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport Gen, HostTemplate

# To successor n, at once if it may be.
cdef void gen_exit(Gen *g, int n) noexcept nogil
# `jump` is the way to successor n; those of `out` give it up.
cdef void leave_by(Gen *g, int n, uint8_t *jump, uint8_t *out) noexcept nogil
# From `jump` to where label's jumps go: they are linked by their distances until it is known.
cdef void leave_if(Gen *g, uint8_t *jump, uint8_t **label) noexcept nogil

# Templates of a TB's last op; see alu.pxd.
cdef int t_jmp(Gen *g) noexcept nogil
# The host's flags decide: condition cc goes to successor 1.
cdef int t_branch(Gen *g, int cc) noexcept nogil
cdef int t_jcc(Gen *g, IROp *op) noexcept nogil
cdef int t_loop(Gen *g, IROp *op) noexcept nogil
cdef int t_loop32(Gen *g) noexcept nogil
cdef int t_call(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_jmp_r(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_call_r(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_ret(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_icount_head(Gen *g, IROp *op) noexcept nogil
cdef int t_profile_head(Gen *g, IROp *op) noexcept nogil
