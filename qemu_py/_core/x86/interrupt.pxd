"""Delivery of exceptions and interrupts (interrupt.pyx)."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

cdef enum:              # is_int
    INT_NONE = 0        # exception, or interrupt from outside
    INT_SOFT = 1        # INT n, INT3, INTO: the gate's DPL is checked
    INT_ICEBP = 2       # INT1: it is not

# Deliver through IVT or IDT. env.eip is the instruction's (is_int: next_eip is pushed instead).
# is_hw: from the INTR or NMI pin. Nonzero: a further exception is pending in env.exception_index;
# nothing has changed, unless a task switch came first.
cdef int do_interrupt(CPUX86State *env, int vector, int is_int, uint32_t error_code, uint64_t next_eip, int is_hw) noexcept nogil
# Deliver what is pending in env.exception_index (vectors only), escalating to #DF and then to
# EXCP_TRIPLE, which is left in env.exception_index; otherwise that is EXCP_NONE afterwards.
cdef void do_pending_exception(CPUX86State *env) noexcept nogil
# INT n, INT3, INTO, INT1 (vector, INT_*). XFER_*.
cdef int helper_int(CPUX86State *env, int vector, int kind, uint64_t next_eip, bint imm8) noexcept nogil
