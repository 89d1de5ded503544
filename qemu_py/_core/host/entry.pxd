"""What host code calls, and the stubs that it shares (entry.pyx)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport CPUX86State, IROp, TBContext, TranslationBlock
from qemu_py._core.host.buffer cimport HostBuffer
from qemu_py._core.host.asm cimport Asm

cdef enum:
    TB_NEXT = 4                 # an op called alone has come to its end

cdef void emit_stubs(HostBuffer *h) noexcept
cdef uintptr_t op_return(CPUX86State *env, IROp *op) noexcept nogil
# Indirect jumps to CS:EIP go to this TB's host code from now on.
cdef void host_remember(CPUX86State *env, TranslationBlock *tb) noexcept nogil
