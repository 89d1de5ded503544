from qemu_py._core.cpu cimport IROp
from qemu_py._core.host.gen cimport Gen, HostTemplate

cdef enum:
    NO_SITE = 0x8000000000      # no address is near it: between those and the epoch

# Nonzero: no template for this op after all. The operand is then at [g.addend + g.base + g.disp]; R8 to R10 are in use, and the host's
# flags, unless g.hv says that some are what they were.
cdef int access(Gen *g, IROp *op, HostTemplate *t, int size, bint write) noexcept nogil
# Flat segments; with `aligned` what is not aligned to its size goes to the interpreter.
cdef int access_flat(Gen *g, IROp *op, int size, bint write, bint aligned) noexcept nogil
# Is this operand, of a flat segment, in the open group that has R12?
cdef bint access_in_r12(Gen *g, IROp *op, int size, bint write) noexcept nogil
# The linear address of the offset in R8, to R8, if the segment allows the access; and the check of the page.
cdef void segment(Gen *g, int seg, int size, bint write) noexcept nogil
cdef void gen_check(Gen *g, int size, bint write) noexcept nogil
# The offset alone, to g.base + g.disp.
cdef int gen_ea(Gen *g, IROp *op) noexcept nogil
# Or its registers (NO_REG: none), and then to a register, which may be one of them.
cdef int ea_registers(Gen *g, IROp *op, int *base, int *index) noexcept nogil
cdef void offset_to(Gen *g, IROp *op, int reg, int base, int index) noexcept nogil
# Flat 32-bit stack: the operand at host register `base` + disp.
cdef void stack_flat(Gen *g, int base, int disp, int size, bint write) noexcept nogil
# Any stack: at SS:(reg + disp), in the width that SS.B says.
cdef int stack_any(Gen *g, int reg, int disp, int size, bint write) noexcept nogil
# Add to the stack pointer, in that width; it may be done later.
cdef void stack_move(Gen *g, int delta) noexcept nogil
# R15 is ESP from here on. The host's flags stay what they are.
cdef void settle_stack(Gen *g) noexcept nogil
cdef void mem(Gen *g, int size, unsigned int opc, int reg) noexcept nogil
cdef void mem_imm(Gen *g, int size, unsigned int opc, int digit, long long value) noexcept nogil
cdef void load_zx(Gen *g, int size, int reg) noexcept nogil
