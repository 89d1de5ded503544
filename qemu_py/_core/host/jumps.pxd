from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport Gen, HostTemplate

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
