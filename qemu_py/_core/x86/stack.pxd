"""The stack with any SS: pointer width by the B bit, limits, base, alignment (SDM vol. 1, 6.2)."""
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State, R_SS, R_ESP, R_EBP, HF_SS32, HF_AC, EXCP11_ALGN
from qemu_py._core.x86.state cimport raise_exception_err, segment_check
from qemu_py._core.softmmu cimport ld16, ld32, st16, st32


cdef inline uint32_t stack_offset(CPUX86State *env, uint32_t sp) noexcept nogil:
    return sp if env.hflags & HF_SS32 else sp & 0xFFFF

cdef inline void stack_add(CPUX86State *env, int32_t n) noexcept nogil:
    """Move ESP or SP."""
    if env.hflags & HF_SS32:
        env.regs[R_ESP] = <uint32_t> (env.regs[R_ESP] + n)
    else:
        (<uint16_t *> &env.regs[R_ESP])[0] = <uint16_t> (env.regs[R_ESP] + n)

cdef inline int stack_linear(CPUX86State *env, uint32_t offset, uint32_t size, bint write, uint64_t *va) noexcept nogil:
    """Linear address of `size` bytes at an offset of the stack segment. Nonzero: fault pending."""
    if segment_check(env, R_SS, offset, size, write):
        return 1
    va[0] = <uint32_t> (env.segs[R_SS].base + offset)
    if env.hflags & HF_AC and va[0] & (size - 1):
        return raise_exception_err(env, EXCP11_ALGN, 0)
    return 0

cdef inline int push32_any(CPUX86State *env, uint32_t value) noexcept nogil:
    cdef uint32_t sp = stack_offset(env, <uint32_t> env.regs[R_ESP] - 4)
    if stack_linear(env, sp, 4, True, &env.a0) or st32(env, env.a0, value):
        return 1
    stack_add(env, -4)
    return 0

cdef inline int push16_any(CPUX86State *env, uint16_t value) noexcept nogil:
    cdef uint32_t sp = stack_offset(env, <uint32_t> env.regs[R_ESP] - 2)
    if stack_linear(env, sp, 2, True, &env.a0) or st16(env, env.a0, value):
        return 1
    stack_add(env, -2)
    return 0

cdef inline int64_t stack_ld32(CPUX86State *env, int32_t displacement) noexcept nogil:
    """Dword at SS:ESP + displacement, or -1: fault pending. ESP stays."""
    if stack_linear(env, stack_offset(env, <uint32_t> env.regs[R_ESP] + displacement), 4, False, &env.a0):
        return -1
    return ld32(env, env.a0)

cdef inline int64_t stack_ld16(CPUX86State *env, int32_t displacement) noexcept nogil:
    if stack_linear(env, stack_offset(env, <uint32_t> env.regs[R_ESP] + displacement), 2, False, &env.a0):
        return -1
    return ld16(env, env.a0)

cdef inline int64_t leave_ld32(CPUX86State *env) noexcept nogil:
    if stack_linear(env, stack_offset(env, <uint32_t> env.regs[R_EBP]), 4, False, &env.a0):
        return -1
    return ld32(env, env.a0)

cdef inline int64_t leave_ld16(CPUX86State *env) noexcept nogil:
    if stack_linear(env, stack_offset(env, <uint32_t> env.regs[R_EBP]), 2, False, &env.a0):
        return -1
    return ld16(env, env.a0)

cdef inline void leave_sp(CPUX86State *env, int32_t n) noexcept nogil:
    """(E)SP = (E)BP + n."""
    if env.hflags & HF_SS32:
        env.regs[R_ESP] = <uint32_t> (env.regs[R_EBP] + n)
    else:
        (<uint16_t *> &env.regs[R_ESP])[0] = <uint16_t> (env.regs[R_EBP] + n)
