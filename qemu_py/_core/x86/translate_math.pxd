"""Translation rule of the `math` family of opcodes/base.txt (translate_math.pyx)."""
from qemu_py._core.ir.builder cimport DisasContext

# Emits the IR of s.insn. Nonzero: #UD after all.
cdef int trans_math(DisasContext *s) noexcept nogil
