"""The x86-64 code generator (codegen.pyx)."""
from qemu_py._core.cpu cimport TBContext

# Give a translation cache a generator: TBs that have run `threshold` times become host code.
cdef int host_attach(TBContext *tbx, unsigned long long size, unsigned int threshold) except -1
cdef void host_detach(TBContext *tbx) noexcept
