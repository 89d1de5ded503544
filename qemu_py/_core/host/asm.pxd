"""x86-64 machine code, an instruction a function (SDM vol. 2, chapter 2: prefixes, ModRM, SIB).

Registers are numbers 0-15. An operand size is 1, 2, 4 or 8 bytes. Byte registers 4-7 are AH CH DH BH: they
cannot be named together with one of 8-15. `delta` is the distance from where the code is written to where it runs.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t

cdef enum:
    RAX = 0
    RCX = 1
    RDX = 2
    RBX = 3
    RSP = 4
    RBP = 5
    RSI = 6
    RDI = 7
    R8 = 8
    R9 = 9
    R10 = 10
    R11 = 11
    R12 = 12
    R13 = 13
    R14 = 14            # env + ENV_BIAS; operands give their distance from env
    R15 = 15
    NO_REG = -1

cdef enum:
    ENV_BIAS = 128      # so that a byte reaches the first 256 bytes of env

cdef enum:              # the /digit of opcode 81h, and bits 3-5 of 00h-3Fh
    X_ADD = 0
    X_OR = 1
    X_ADC = 2
    X_SBB = 3
    X_AND = 4
    X_SUB = 5
    X_XOR = 6
    X_CMP = 7

cdef enum:              # of C1h
    X_ROL = 0
    X_ROR = 1
    X_SHL = 4
    X_SHR = 5
    X_SAR = 7

cdef enum:              # condition codes
    CC_E = 4
    CC_NE = 5
    CC_A = 7
    CC_L = 12

cdef struct Asm:
    uint8_t *p
    int64_t delta

cdef inline void b1(Asm *a, uint32_t v) noexcept nogil:
    a.p[0] = <uint8_t> v
    a.p += 1

cdef inline void b4(Asm *a, uint32_t v) noexcept nogil:
    (<uint32_t *> a.p)[0] = v
    a.p += 4

cdef inline void b8(Asm *a, uint64_t v) noexcept nogil:
    (<uint64_t *> a.p)[0] = v
    a.p += 8

cdef inline void imm(Asm *a, int size, uint32_t v) noexcept nogil:
    """An immediate of an operand of `size` bytes; 8-byte operands have 4."""
    if size == 1:
        b1(a, v)
    elif size == 2:
        b1(a, v)
        b1(a, v >> 8)
    else:
        b4(a, v)

cdef inline void prefix(Asm *a, int size, int reg, int index, int base) noexcept nogil:
    """Operand size and REX."""
    cdef uint32_t rex = 0
    if size == 2:
        b1(a, 0x66)
    elif size == 8:
        rex = 0x48
    if reg >= 8:
        rex |= 0x44
    if index >= 8:
        rex |= 0x42
    if base >= 8:
        rex |= 0x41
    if rex:
        b1(a, rex)

cdef inline void opcode(Asm *a, uint32_t op) noexcept nogil:
    """One byte, or 0Fh and one: op is 0x0Fxx."""
    if op > 0xFF:
        b1(a, op >> 8)
    b1(a, op)

cdef inline void modrm_mem(Asm *a, int reg, int base, int index, int scale, int32_t disp) noexcept nogil:
    cdef uint32_t mod
    if base == R14:
        disp -= ENV_BIAS
    if base < 0 and index < 0:
        b1(a, (reg & 7) << 3 | 4)
        b1(a, 0x25)
        b4(a, <uint32_t> disp)
        return
    if base < 0:
        b1(a, (reg & 7) << 3 | 4)
        b1(a, scale << 6 | (index & 7) << 3 | 5)
        b4(a, <uint32_t> disp)
        return
    if disp == 0 and base & 7 != 5:
        mod = 0
    elif -128 <= disp <= 127:
        mod = 0x40
    else:
        mod = 0x80
    if index >= 0 or base & 7 == 4:
        b1(a, mod | (reg & 7) << 3 | 4)
        b1(a, scale << 6 | ((index & 7) if index >= 0 else 4) << 3 | (base & 7))
    else:
        b1(a, mod | (reg & 7) << 3 | (base & 7))
    if mod == 0x40:
        b1(a, <uint32_t> disp)
    elif mod == 0x80:
        b4(a, <uint32_t> disp)

cdef inline void rr(Asm *a, int size, uint32_t op, int reg, int rm) noexcept nogil:
    prefix(a, size, reg, -1, rm)
    opcode(a, op)
    b1(a, 0xC0 | (reg & 7) << 3 | (rm & 7))

cdef inline void rm(Asm *a, int size, uint32_t op, int reg, int base, int32_t disp) noexcept nogil:
    prefix(a, size, reg, -1, base)
    opcode(a, op)
    modrm_mem(a, reg, base, -1, 0, disp)

cdef inline void rmx(Asm *a, int size, uint32_t op, int reg, int base, int index, int scale, int32_t disp) noexcept nogil:
    prefix(a, size, reg, index, base)
    opcode(a, op)
    modrm_mem(a, reg, base, index, scale, disp)

cdef inline void rip(Asm *a, int size, uint32_t op, int reg, const void *target, int behind) noexcept nogil:
    """[RIP + distance]; `behind` bytes of immediate follow."""
    prefix(a, size, reg, -1, -1)
    opcode(a, op)
    b1(a, (reg & 7) << 3 | 5)
    b4(a, <uint32_t> (<int64_t> <uintptr_t> target - (<int64_t> <uintptr_t> a.p + a.delta + 4 + behind)))

cdef inline void mov_ri64(Asm *a, int reg, uint64_t v) noexcept nogil:
    if v <= 0xFFFFFFFFU:
        prefix(a, 4, -1, -1, reg)
        b1(a, 0xB8 | (reg & 7))
        b4(a, <uint32_t> v)
    else:
        prefix(a, 8, -1, -1, reg)
        b1(a, 0xB8 | (reg & 7))
        b8(a, v)

cdef inline void alu_ri(Asm *a, int size, int x, int reg, int32_t v) noexcept nogil:
    if size == 1:
        prefix(a, 1, -1, -1, reg)
        b1(a, 0x80)
        b1(a, 0xC0 | x << 3 | (reg & 7))
        b1(a, <uint32_t> v)
    elif -128 <= v <= 127:
        prefix(a, size, -1, -1, reg)
        b1(a, 0x83)
        b1(a, 0xC0 | x << 3 | (reg & 7))
        b1(a, <uint32_t> v)
    else:
        prefix(a, size, -1, -1, reg)
        b1(a, 0x81)
        b1(a, 0xC0 | x << 3 | (reg & 7))
        imm(a, size, <uint32_t> v)

cdef inline void alu_mi(Asm *a, int size, int x, int base, int index, int32_t disp, int32_t v) noexcept nogil:
    prefix(a, size, -1, index, base)
    if size == 1:
        b1(a, 0x80)
        modrm_mem(a, x, base, index, 0, disp)
        b1(a, <uint32_t> v)
    elif -128 <= v <= 127:
        b1(a, 0x83)
        modrm_mem(a, x, base, index, 0, disp)
        b1(a, <uint32_t> v)
    else:
        b1(a, 0x81)
        modrm_mem(a, x, base, index, 0, disp)
        imm(a, size, <uint32_t> v)

cdef inline void env_to(Asm *a, int reg) noexcept nogil:
    rm(a, 8, 0x8D, reg, R14, 0)

cdef inline uint8_t *jcc(Asm *a, int cc) noexcept nogil:
    """A conditional jump to be aimed by `aim`."""
    b1(a, 0x0F)
    b1(a, 0x80 | cc)
    b4(a, 0)
    return a.p

cdef inline uint8_t *jmp(Asm *a) noexcept nogil:
    b1(a, 0xE9)
    b4(a, 0)
    return a.p

cdef inline void aim(uint8_t *jump, uint8_t *target) noexcept nogil:
    """Both where they are written."""
    (<int32_t *> (jump - 4))[0] = <int32_t> (target - jump)

cdef inline void jmp_to(Asm *a, uint8_t *target) noexcept nogil:
    aim(jmp(a), target)

cdef inline void call_to(Asm *a, uint8_t *target) noexcept nogil:
    b1(a, 0xE8)
    b4(a, 0)
    aim(a.p, target)

cdef inline void push(Asm *a, int reg) noexcept nogil:
    prefix(a, 4, -1, -1, reg)
    b1(a, 0x50 | (reg & 7))

cdef inline void pop(Asm *a, int reg) noexcept nogil:
    prefix(a, 4, -1, -1, reg)
    b1(a, 0x58 | (reg & 7))

cdef inline void mov_rr(Asm *a, int size, int to, int source) noexcept nogil:
    rr(a, size, 0x8B if size != 1 else 0x8A, to, source)

cdef inline void ld(Asm *a, int size, int reg, int base, int32_t disp) noexcept nogil:
    rm(a, size, 0x8B if size != 1 else 0x8A, reg, base, disp)

cdef inline void st(Asm *a, int size, int reg, int base, int32_t disp) noexcept nogil:
    rm(a, size, 0x89 if size != 1 else 0x88, reg, base, disp)
