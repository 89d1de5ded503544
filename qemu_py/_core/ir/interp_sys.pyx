"""Interpreter functions: protection, control transfer, system registers, I/O (ops/sys.tbl)."""
from qemu_py._core.cpu cimport (CPUX86State, IROp, R_CS, R_SS, R_ESP, CC_O, CC_Z, IF_MASK, CR0_TS, EXCP04_INTO, EXCP_HLT,
                                HF_INHIBIT_IRQ, HF_SS32)
from qemu_py._core.dispatch cimport port_read, port_write
from qemu_py._core.flags cimport compute_all, set_cc_eflags
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.softmmu cimport (host_rw, ld16, ld32, ld_rmw_slow, probe_write, st16, st32, st_slow,
                                    tlb_flush_page)
from qemu_py._core.x86.interrupt cimport INT_SOFT, helper_int
from qemu_py._core.x86.mxcsr cimport sse_leave
from qemu_py._core.x86.seg cimport (XFER_LATE, XFER_OK, check_io, helper_lar, helper_lldt, helper_load_seg, helper_lsl,
                                    helper_ltr, helper_verr, helper_verw)
from qemu_py._core.x86.smm cimport helper_rsm
from qemu_py._core.x86.stack cimport stack_ld16, stack_ld32
from qemu_py._core.x86.state cimport segment_check, update_hflags
from qemu_py._core.x86.system cimport *
from qemu_py._core.x86.transfer cimport helper_iret, helper_lcall, helper_ljmp, helper_lret

cdef enum:
    T0 = 128            # offsets in env: t[0], t[1] behind regs[16]
    T1 = 136
    DX = 16


cdef inline void set_zf(CPUX86State *env, int zf) noexcept nogil:
    set_cc_eflags(env, (compute_all(env) & ~<uint32_t> CC_Z) | (CC_Z if zf else 0))


cdef int helper_arpl(CPUX86State *env, int seg, uint64_t va, uint16_t selector) noexcept nogil:
    """ARPL on memory, which is written, and must be writable, only when the RPL rises."""
    cdef int64_t value = ld16(env, va)
    if value < 0:
        return 1
    if value & 3 >= selector & 3:
        set_zf(env, 0)
        return 0
    if (segment_check(env, seg, <uint32_t> (va - env.segs[seg].base), 2, True)
            or st16(env, va, (value & 0xFFFC) | (selector & 3))):
        return 1
    set_zf(env, 1)
    return 0


cdef inline int helper_pop_seg(CPUX86State *env, int seg, int size) noexcept nogil:
    """POP Sreg. Nonzero: fault pending, (E)SP where it was."""
    cdef uint32_t hflags = env.hflags
    cdef int64_t selector = stack_ld32(env, 0) if size == 4 else stack_ld16(env, 0)
    if selector < 0 or helper_load_seg(env, seg, selector & 0xFFFF):
        return 1
    # the width of the stack pointer is that of the old SS
    if hflags & HF_SS32:
        env.regs[R_ESP] = <uint32_t> (env.regs[R_ESP] + size)
    else:
        (<uint16_t *> &env.regs[R_ESP])[0] = <uint16_t> (env.regs[R_ESP] + size)
    return 0


include "../gen/interp_sys.pxi"

register_sys_ops(op_table())
