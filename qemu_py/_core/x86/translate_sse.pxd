"""Translation rules of MMX, SSE, SSE2, SSE3 and SSSE3."""
from qemu_py._core.ir.builder cimport DisasContext

cdef int trans_sse(DisasContext *s) noexcept nogil
