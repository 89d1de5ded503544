"""CPU models: what `-cpu` names (cpu_models.pyx)."""
from qemu_py._core.cpu cimport CPUX86State

# Fill in CPUID and CPUF_* from "model,+feature,-feature". UserError: unknown model or feature. Does
# not reset the CPU (EDX after reset is cpuid_version).
cdef int cpu_x86_register(CPUX86State *env, str spec) except -1
