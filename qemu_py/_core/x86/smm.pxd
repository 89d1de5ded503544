"""System management mode (smm.pyx)."""
from qemu_py._core.cpu cimport CPUX86State

cdef void do_smm_enter(CPUX86State *env) noexcept nogil
# RSM. Nonzero: fault pending (#UD outside SMM), or EXCP_TRIPLE for an invalid state.
cdef int helper_rsm(CPUX86State *env) noexcept nogil
