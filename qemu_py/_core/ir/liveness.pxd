from libc.stdint cimport uint32_t
from qemu_py._core.cpu cimport IROp
from qemu_py._core.ir.table cimport OpInfo

cdef void flag_liveness(IROp *ops, uint32_t nops, OpInfo *info) noexcept nogil
