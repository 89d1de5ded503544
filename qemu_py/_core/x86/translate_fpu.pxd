"""Translation rule of the x87 instructions."""
from qemu_py._core.ir.builder cimport DisasContext

cdef int trans_fpu(DisasContext *s) noexcept nogil
