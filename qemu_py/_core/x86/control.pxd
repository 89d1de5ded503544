"""Control registers (control.pyx)."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

# Checked writes, as MOV CRn does them. Nonzero: #GP(0) pending, nothing has changed.
cdef int cpu_x86_update_cr0(CPUX86State *env, uint32_t value) noexcept nogil
cdef int cpu_x86_update_cr3(CPUX86State *env, uint32_t value) noexcept nogil
cdef int cpu_x86_update_cr4(CPUX86State *env, uint32_t value) noexcept nogil
# Unchecked: SMM, reset, snapshots. Flushes the TLB and recomputes hflags.
cdef void cpu_x86_set_cr(CPUX86State *env, uint32_t cr0, uint32_t cr3, uint32_t cr4) noexcept nogil
cdef uint32_t cr4_reserved_bits(CPUX86State *env) noexcept nogil
