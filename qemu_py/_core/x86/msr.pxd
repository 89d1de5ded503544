"""Model-specific registers (msr.pyx)."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

# Nonzero: no such MSR, or not this value: #GP(0) is the caller's.
cdef int cpu_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value) noexcept nogil
cdef int cpu_wrmsr(CPUX86State *env, uint32_t index, uint64_t value) noexcept nogil
cdef uint64_t cpu_get_tsc(CPUX86State *env) noexcept nogil
