"""Interpreter functions: Ends and heads of TBs (ops/jump.tbl)."""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.cpu cimport (BP_CPU, BP_GDB, EXCP01_DB, EXCP0D_GPF, EXCP_BUDGET, EXCP_DEBUG, R_CS, RF_MASK)
from qemu_py._core.flags cimport check_cond
from qemu_py._core.softmmu cimport *
from qemu_py._core.x86.stack cimport push16_any, push32_any, stack_add, stack_ld16, stack_ld32
from qemu_py._core.x86.state cimport raise_exception_err


cdef bint loop_taken(CPUX86State *env, uint32_t kind, bint count16) noexcept nogil:
    """Would this LOOPNE 0, LOOPE 1, LOOP 2, JCXZ 3 branch? If not, it is done: the count is stored."""
    cdef uint32_t count = r16(env, 8) if count16 else r32(env, 8)
    if kind == 3:
        return count == 0
    count -= 1
    if count16:
        count &= 0xFFFF
    if count and (kind == 2 or check_cond(env, 4) == (kind == 1)):
        return True
    if count16:
        w16(env, 8, <uint16_t> count)
    else:
        w32(env, 8, count)
    return False


cdef int check_breakpoint(CPUX86State *env, uint64_t pc) noexcept nogil:
    """An instruction breakpoint at linear address pc: the debugger's stop the CPU, DR0-DR3 raise
    #DB unless RF is set, which they clear (SDM vol. 3, 17.3.1.1). Nonzero: leave."""
    cdef uint32_t i
    cdef uint32_t hits = 0
    for i in range(env.nb_breakpoints):
        if env.breakpoints[i].pc == pc:
            if env.breakpoints[i].flags & BP_GDB:
                env.exception_index = EXCP_DEBUG
                return 1
            hits |= 1 << (env.breakpoints[i].flags >> 8 & 3)
    if hits == 0:
        return 0
    if env.eflags & RF_MASK:
        env.eflags &= ~<uint32_t> RF_MASK
        return 0
    env.dr[6] = (env.dr[6] & ~<uint64_t> 15) | hits
    return raise_exception_err(env, EXCP01_DB, 0)


include "../gen/interp_jump.pxi"

register_jump_ops(op_table())
