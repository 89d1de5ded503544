from libc.stdint cimport uint8_t, uint32_t
from qemu_py._core.host.asm cimport Asm
from qemu_py._core.host.buffer cimport HostBuffer
from qemu_py._core.host.gen cimport Gen, Pend

# What will be in env.cc_op, and where cc_dst and cc_src are now (registers, IN_ENV, IMMEDIATE).
cdef void set_flags(Gen *g, int kind, int size, int dst, int src, long long imm, int hv) noexcept nogil
# CF of the host, and OF, becomes the guest's, the other flags stay. In the register `reg` its bit is the same as CF, or
# reg is IN_ENV.
cdef void set_carry(Gen *g, int reg, int bit, bint overflow) noexcept nogil
# Stores of what was pending at some point, where env.cc_op was cc if it was known. R9 and the host's flags are lost.
cdef void store_pend(Gen *g, Pend *p, uint32_t cc) noexcept nogil
cdef void store_base(Gen *g, Pend *p) noexcept nogil
# The same for here. With an override the host's flags are lost, else R9 only.
cdef void flush_flags(Gen *g) noexcept nogil
# Register `reg` is about to change. Of the host's flags CF is kept at most, if it is pending there.
cdef void touch(Gen *g, int reg) noexcept nogil
# Nobody will see the flags that are there now.
cdef void kill_flags(Gen *g) noexcept nogil
# Make these of the guest's flags the host's. R9 is lost.
cdef void want(Gen *g, int flags) noexcept nogil
# The same for a condition.
cdef void want_condition(Gen *g, int cc) noexcept nogil
cdef int flags_of_condition(int cc) noexcept nogil
# CF alone, when all flags are about to be replaced.
cdef void want_carry(Gen *g) noexcept nogil
# The host's six flags are the guest's: keep them. R8 is lost, and the host's flags stay.
cdef void save_host_flags(Gen *g) noexcept nogil
# The stub behind all this.
cdef uint8_t *emit_load_flags(Asm *a, HostBuffer *h, uint8_t *by_c) noexcept
