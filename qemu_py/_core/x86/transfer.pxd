"""Far JMP, CALL, RET and IRET (transfer.pyx). All return XFER_*; they set env.eip."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

# size: operand size, 2 or 4. next_eip: the return address.
cdef int helper_ljmp(CPUX86State *env, uint32_t selector, uint32_t offset, int size, uint32_t next_eip) noexcept nogil
cdef int helper_lcall(CPUX86State *env, uint32_t selector, uint32_t offset, int size, uint32_t next_eip) noexcept nogil
cdef int helper_lret(CPUX86State *env, int size, uint32_t release) noexcept nogil
cdef int helper_iret(CPUX86State *env, int size, uint32_t next_eip) noexcept nogil
