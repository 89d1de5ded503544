from qemu_py._core.host.gen cimport Gen, Pend

# What will be in env.cc_op, and where cc_dst and cc_src are now (registers, IN_ENV, IMMEDIATE).
cdef void set_flags(Gen *g, int kind, int size, int dst, int src, long long imm, int hv) noexcept nogil
# Stores of what is pending, without touching the host's flags; R9 is lost.
cdef void store_pend(Gen *g, Pend *p) noexcept nogil
cdef void flush_flags(Gen *g) noexcept nogil
# Register `reg` is about to change.
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
# CF of the host becomes the guest's, the other five stay; the host's flags are lost.
cdef void merge_carry(Gen *g) noexcept nogil
# Before the host's flags are lost that merge_carry wants: bring env into a form that it can change.
cdef void prepare_merge(Gen *g) noexcept nogil
