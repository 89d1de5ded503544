"""cpu_exec: the loop around translated code (exec.pyx)."""
from qemu_py._core.cpu cimport CPUX86State

# Run until there is a reason to stop: EXCP_INTERRUPT, EXCP_HLT, EXCP_DEBUG, EXCP_TRIPLE,
# EXCP_BUDGET, EXCP_UNMAPPED; with env.bare == BARE_RETURN also the vector of an exception, the state
# being that before the instruction.
cdef int cpu_exec(CPUX86State *env) noexcept nogil

cdef enum:                      # CPUX86State.bare
    BARE_NONE = 0               # in a machine
    BARE_DELIVER = 1            # exceptions go through the guest's IDT
    BARE_RETURN = 2             # exceptions are returned to the caller
