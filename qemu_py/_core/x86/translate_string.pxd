"""Translation rule of the `str` family of opcodes/base.txt (translate_string.pyx)."""
from qemu_py._core.ir.builder cimport DisasContext

# Emits the IR of s.insn. Nonzero: #UD after all.
cdef int trans_string(DisasContext *s) noexcept nogil
