"""The guest's x87 in the host's (fp_live.pyx)."""
from libc.stdint cimport uint8_t, uintptr_t
from qemu_py._core.cpu cimport CPUX86State

cdef inline uint8_t *fx_image(CPUX86State *env) noexcept nogil:
    return <uint8_t *> ((<uintptr_t> env.fx_image + 15) & ~<uintptr_t> 15)

# The x87's part of the FXSAVE image that host code is about to load
cdef void x87_image(CPUX86State *env) noexcept nogil
# Host code's x87 state back to env; the host's is as the ABI wants it
cdef void x87_leave(CPUX86State *env) noexcept nogil
