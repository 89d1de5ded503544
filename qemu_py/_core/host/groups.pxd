"""Accesses of a TB that have a base register in common: one check for all of them."""
from libc.stdint cimport uint32_t
from qemu_py._core.host.fp cimport FPTemplate
from qemu_py._core.host.gen cimport Gen, HostTemplate

# Find those of g.tb.
cdef void plan_groups(Gen *g, HostTemplate *templates) noexcept nogil
# Ahead of op g.k: the checks of the groups that start here.
cdef void begin_groups(Gen *g) noexcept nogil
# Behind it: bases have moved, groups are over.
cdef void pass_groups(Gen *g, HostTemplate *templates) noexcept nogil
cdef void end_groups(Gen *g) noexcept nogil

cdef inline bint r12_is_taken(Gen *g) noexcept nogil:
    cdef int i
    for i in range(8):
        if g.open[i] != NULL and g.open[i].in_r12:
            return True
    return False
