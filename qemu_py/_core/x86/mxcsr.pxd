"""The guest's MXCSR on the host's SSE unit (SDM vol. 1, 10.2.3).

Floating point ops run on the host's unit. While env.sse_live is set, the host's MXCSR holds the
guest's rounding mode, FTZ and DAZ, and gathers its sticky flags; the first such op after an
entry into translated code loads it. It is live only while the guest has every exception masked;
a guest that unmasks one goes through sse_checked (sse_arith.pyx) at each op.

Whoever looks at env.mxcsr calls sse_sync first. Whoever writes it, leaves cpu_exec, or runs host
code that may use floating point (anything that takes the GIL) calls sse_leave first.
"""
from libc.stdint cimport uint32_t
from qemu_py._core.cpu cimport CPUX86State
from qemu_py._core.x86.fp_live cimport x87_leave

cdef enum:                      # MXCSR, SDM vol. 1, figure 10-3
    MXCSR_IE = 1 << 0
    MXCSR_DE = 1 << 1
    MXCSR_ZE = 1 << 2
    MXCSR_OE = 1 << 3
    MXCSR_UE = 1 << 4
    MXCSR_PE = 1 << 5
    MXCSR_FLAGS = 0x3F
    MXCSR_DAZ = 1 << 6
    MXCSR_MASK_SHIFT = 7
    MXCSR_MASKS = 0x1F80
    MXCSR_OM = 1 << 10
    MXCSR_UM = 1 << 11
    MXCSR_RC = 3 << 13
    MXCSR_FTZ = 1 << 15
    MXCSR_DEFAULT = 0x1F80
    MXCSR_VALID = 0xFFFF        # MXCSR_MASK of FXSAVE: the bits that may be set

cdef extern from "<xmmintrin.h>" nogil:
    unsigned int _mm_getcsr() noexcept
    void _mm_setcsr(unsigned int value) noexcept


cdef inline void sse_sync(CPUX86State *env) noexcept nogil:
    """Bring env.mxcsr's sticky flags up to date."""
    if env.sse_live:
        env.mxcsr |= _mm_getcsr() & MXCSR_FLAGS


cdef inline void sse_enter(CPUX86State *env) noexcept nogil:
    """Load the guest's MXCSR, with every exception masked."""
    env.host_mxcsr = _mm_getcsr()
    _mm_setcsr(env.mxcsr | MXCSR_MASKS)
    env.sse_live = 1


cdef inline void sse_leave(CPUX86State *env) noexcept nogil:
    """Give the host its MXCSR back, and its x87 if host code's is in it."""
    if env.fp_live:
        x87_leave(env)
    if env.sse_live:
        env.mxcsr |= _mm_getcsr() & MXCSR_FLAGS
        _mm_setcsr(env.host_mxcsr)
        env.sse_live = 0
