"""Reset, INIT, start-up IPI (reset.pyx)."""
from qemu_py._core.cpu cimport CPUX86State

# Power-up or RESET# (SDM vol. 3, table 9-1). Identity (CPUID, features, cpu_index) stays.
cdef void cpu_reset(CPUX86State *env) noexcept nogil
# INIT#: as reset, but caches, FPU, SSE, MSRs, MTRRs, smbase stay. An application processor halts.
cdef void do_cpu_init(CPUX86State *env) noexcept nogil
# Start-up IPI: real mode at env.sipi_vector * 1000h; clears halted.
cdef void do_cpu_sipi(CPUX86State *env) noexcept nogil
