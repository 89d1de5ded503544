"""Masked stores, shared by MMX and SSE2."""
from libc.stdint cimport uint32_t
from qemu_py._core.cpu cimport CPUX86State, IROp

# MASKMOVQ, MASKMOVDQU: the bytes at op.a that the mask at op.imm selects, to [EDI]
cdef int mask_store(CPUX86State *env, IROp *op, uint32_t size) noexcept nogil
