"""Accesses of a TB that have their base register in common: one check for all of them."""
from libc.stdint cimport uint32_t
from qemu_py._core.host.fp cimport FPTemplate
from qemu_py._core.host.gen cimport Gen, HostTemplate

# Find those of g.tb.
cdef void plan_groups(Gen *g, HostTemplate *templates) noexcept nogil
# Ahead of op g.k: the check, if a group starts here.
cdef void begin_group(Gen *g) noexcept nogil
# Behind it: the base has moved, or the group is over.
cdef void pass_group(Gen *g, HostTemplate *templates) noexcept nogil
cdef void end_group(Gen *g) noexcept nogil
