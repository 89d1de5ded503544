"""The guest's debug registers (debug.pyx)."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

cdef enum:
    DR6_B_MASK = 0xF
    DR6_BD = 1 << 13
    DR6_BS = 1 << 14
    DR6_BT = 1 << 15
    DR7_GD = 1 << 13
    DR7_LOCAL = 0x155           # L0-L3, LE: cleared by a task switch

# Make env.breakpoints and env.watchpoints (those of BP_CPU) what DR0-DR3 and DR7 say.
cdef void update_hw_breakpoints(CPUX86State *env) noexcept nogil
cdef void set_dr7(CPUX86State *env, uint32_t value) noexcept nogil
# Instruction breakpoints at CS:env.eip. Nonzero: #DB pending (fault, DR6 set).
cdef int check_hw_breakpoints(CPUX86State *env) noexcept nogil
# Data breakpoints hit by the instruction that has just ended (env.watchpoint_hit, _flags, which are
# cleared). Nonzero: #DB pending (trap: env.eip is the next instruction's).
cdef int check_hw_watchpoints(CPUX86State *env) noexcept nogil
# The trap behind an instruction that began with TF set. Always gives 1.
cdef int raise_single_step(CPUX86State *env) noexcept nogil
