from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport Gen, HostTemplate

# Templates: nonzero says that this op has none after all, and that what was emitted is to be forgotten.
cdef int t_alu(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil
cdef int t_alu_rm(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_alu_m(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil
cdef int t_adc(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil
cdef int t_adc_m(Gen *g, IROp *op, HostTemplate *t, bint is_imm) noexcept nogil
cdef int t_inc(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_inc_m(Gen *g, IROp *op, HostTemplate *t) noexcept nogil
cdef int t_not_neg(Gen *g, IROp *op, HostTemplate *t, bint neg) noexcept nogil
cdef int t_not_neg_m(Gen *g, IROp *op, HostTemplate *t, bint neg) noexcept nogil
# Value of an operand in a register that goes with R8 to R15; `scratch` is used for AH to BH, whose copy costs the flags.
cdef int source(Gen *g, unsigned short o, int size, int scratch) noexcept nogil
# A zero-extended value in a free register to a guest register's part, or T0.
cdef void put(Gen *g, unsigned short o, int size, int value) noexcept nogil
