from qemu_py._core.cpu cimport TranslationBlock

# In the checked build (QEMU_PY_CHECKED=1): abort with a message when a TB's IR is not well-formed.
cdef void check_tb(TranslationBlock *tb) noexcept nogil
