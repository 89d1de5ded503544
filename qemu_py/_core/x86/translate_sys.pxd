"""Rule of the system instructions (translate_sys.pyx)."""
from qemu_py._core.ir.builder cimport DisasContext

# Emit the IR of s.insn (FAM_SYS). Nonzero: #UD.
cdef int trans_sys(DisasContext *s) noexcept nogil
