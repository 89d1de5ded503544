"""MMX and SSE instructions. enc: opcode, map in bits 8-9, prefix in bits 16-23, /digit in bits 25-27 (FPTemplate.enc)."""
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.gen cimport Gen

cdef inline void sse_prefix(Asm *a, uint32_t enc, int reg, int index, int base) noexcept nogil:
    if enc >> 16 & 0xFF:
        b1(a, enc >> 16 & 0xFF)
    prefix(a, 4, reg, index, base)
    b1(a, 0x0F)
    if enc >> 8 & 3 == 2:
        b1(a, 0x38)
    elif enc >> 8 & 3 == 3:
        b1(a, 0x3A)
    b1(a, enc & 0xFF)

cdef inline void sse_rr(Asm *a, uint32_t enc, int reg, int rm_) noexcept nogil:
    sse_prefix(a, enc, reg, -1, rm_)
    b1(a, 0xC0 | (reg & 7) << 3 | (rm_ & 7))

cdef inline void sse_m(Gen *g, uint32_t enc, int reg) noexcept nogil:
    """With the operand of the access before."""
    sse_prefix(&g.a, enc, reg, g.base, g.addend)
    modrm_mem(&g.a, reg, g.addend, g.base, 0, g.disp)
