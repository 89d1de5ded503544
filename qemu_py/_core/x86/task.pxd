"""Hardware task switches (task.pyx)."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

cdef enum:              # what caused the switch
    SWITCH_JMP = 0
    SWITCH_CALL = 1     # CALL, interrupt, exception: nested
    SWITCH_IRET = 2

# Switch to the TSS at `selector`, whose descriptor `e` the caller has checked for type, presence
# and privilege. next_eip is saved in the old TSS; `rf` is or-ed into the EFLAGS saved. XFER_*.
cdef int switch_task(CPUX86State *env, uint32_t selector, uint64_t e, int source, uint32_t next_eip, uint32_t rf, uint32_t ext) noexcept nogil
# A task gate or TSS as target of JMP, CALL or an interrupt: the selector's checks, then the switch.
# `selector` is that of the TSS; not for IRET.
cdef int task_transfer(CPUX86State *env, uint32_t selector, int source, uint32_t next_eip, uint32_t rf, uint32_t ext) noexcept nogil
# IRET with NT set: back along the link of the current TSS.
cdef int task_return(CPUX86State *env, uint32_t next_eip) noexcept nogil
