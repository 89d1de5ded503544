"""Loops of one TB: code for the first turn, and code for all others."""
from qemu_py._core.host.gen cimport Gen

# Before the TB: is it one?
cdef void plan_turns(Gen *g) noexcept nogil
# Behind the code of the first turn: begin that of the others. Nonzero: there are none.
cdef int begin_next_turn(Gen *g) noexcept nogil
# The last op of a TB that is one: condition cc, or -1 for always, goes round again. Nonzero: it is none.
cdef int end_turn(Gen *g, int cc) noexcept nogil
# The turns do not fit together: g.loop.own is -1, and the TB is to be made anew.
cdef bint turns_differ(Gen *g) noexcept nogil
