"""Far JMP, CALL, RET and IRET in all modes.

Source: SDM vol. 3, 5.8 (privilege checking of control transfers, call gates, stack switching), 20.2 and
20.3 (virtual-8086 mode); the operation sections of CALL, JMP, RET, IRET in vol. 2. Every check and
every memory access precedes the first change of a register.
"""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport (
    CPUX86State, SegmentCache, R_ESP, R_ES, R_CS, R_SS, R_DS, R_FS, R_GS, CR0_PE, CR4_VME, CR4_PVI, CC_MASK,
    TF_MASK, IF_MASK, DF_MASK, IOPL_MASK, IOPL_SHIFT, NT_MASK, RF_MASK, VM_MASK, AC_MASK, VIF_MASK, VIP_MASK,
    ID_MASK, EXCP0B_NOSEG, EXCP0C_STACK, EXCP0D_GPF, DESC_S, DESC_CS, DESC_C, DESC_W, DESC_P, DESC_B,
    HF_CPL_MASK, HF_TF, HF_AC, HF_RF)
from qemu_py._core.flags cimport cpu_put_eflags
from qemu_py._core.x86.seg cimport (
    Stack, XFER_OK, XFER_FAULT, XFER_LATE, SYS_CALL16, SYS_CALL32, SYS_TASK_GATE, SYS_TSS16, SYS_TSS32, current_stack,
    desc_dpl, desc_flags, desc_limit, desc_type, fill_from_desc, inner_stack, load_descriptor, load_seg_null,
    load_seg_real, load_seg_vm86, pop_frame, push_frame, set_accessed, set_sp)
from qemu_py._core.x86.state cimport cpu_cpl, raise_exception_err, update_hflags
from qemu_py._core.x86.task cimport SWITCH_CALL, SWITCH_JMP, switch_task, task_return


cdef inline int gp(CPUX86State *env, uint32_t selector) noexcept nogil:
    return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)


cdef inline bint is_code(uint64_t e) noexcept nogil:
    return desc_flags(e) & (DESC_S | DESC_CS) == DESC_S | DESC_CS


cdef inline bint is_writable_data(uint64_t e) noexcept nogil:
    return desc_flags(e) & (DESC_S | DESC_CS | DESC_W) == DESC_S | DESC_W


cdef inline void set_cs(CPUX86State *env, uint32_t selector, uint64_t e, uint32_t cpl) noexcept nogil:
    """The caller calls update_hflags."""
    fill_from_desc(&env.segs[R_CS], (selector & 0xFFFC) | cpl, e)
    env.hflags = (env.hflags & ~<uint32_t> HF_CPL_MASK) | cpl


cdef inline void interrupts_may_be_open(CPUX86State *env) noexcept nogil:
    if env.interrupt_request:
        env.exit_request = 1


# ---------------------------------------------------------------- real and virtual-8086 mode
cdef inline bint paragraph_mode(CPUX86State *env) noexcept nogil:
    return not env.cr[0] & CR0_PE or env.eflags & VM_MASK


cdef inline void load_paragraph_cs(CPUX86State *env, uint32_t selector) noexcept nogil:
    if env.eflags & VM_MASK:
        load_seg_vm86(env, R_CS, selector)
    else:
        load_seg_real(env, R_CS, selector)
    update_hflags(env)


# ---------------------------------------------------------------- JMP
cdef int code_target(CPUX86State *env, uint32_t selector, uint64_t *e) noexcept nogil:
    """The checks of a code segment that is the direct target of a far JMP or CALL."""
    cdef uint32_t cpl = cpu_cpl(env)
    if desc_flags(e[0]) & DESC_C:
        if desc_dpl(e[0]) > cpl:
            return gp(env, selector)
    elif selector & 3 > cpl or desc_dpl(e[0]) != cpl:
        return gp(env, selector)
    if not desc_flags(e[0]) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    return 0


cdef int system_target(CPUX86State *env, uint32_t selector, uint64_t e) noexcept nogil:
    """Privilege and presence of a gate or TSS that is the target of a far JMP or CALL."""
    if desc_dpl(e) < <uint32_t> cpu_cpl(env) or desc_dpl(e) < selector & 3:
        return gp(env, selector)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    return 0


cdef int task_target(CPUX86State *env, uint32_t selector, uint64_t e, int source, uint32_t next_eip) noexcept nogil:
    """A task gate, or a TSS named directly. XFER_*."""
    if desc_type(e) == SYS_TASK_GATE:
        selector = <uint32_t> (e >> 16) & 0xFFFF
        if selector & 0xFFFC == 0 or selector & 4:
            return gp(env, selector)
        if load_descriptor(env, selector, &e, EXCP0D_GPF, 0):
            return XFER_FAULT
        if desc_type(e) != SYS_TSS16 and desc_type(e) != SYS_TSS32:
            return gp(env, selector)
        if not desc_flags(e) & DESC_P:
            return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    elif selector & 4:
        return gp(env, selector)
    return switch_task(env, selector, e, source, next_eip, 0, 0)


cdef int gate_target(CPUX86State *env, uint64_t gate, uint64_t *e) noexcept nogil:
    """Load and check the code descriptor behind a call gate. Nonzero: fault pending."""
    cdef uint32_t selector = <uint32_t> (gate >> 16) & 0xFFFF
    if selector & 0xFFFC == 0:
        return gp(env, 0)
    if load_descriptor(env, selector, e, EXCP0D_GPF, 0):
        return 1
    if not is_code(e[0]) or desc_dpl(e[0]) > <uint32_t> cpu_cpl(env):
        return gp(env, selector)
    return 0


cdef inline uint32_t gate_offset(uint64_t gate) noexcept nogil:
    cdef uint32_t offset = <uint32_t> gate & 0xFFFF
    if desc_type(gate) == SYS_CALL32:
        offset |= <uint32_t> (gate >> 32) & <uint32_t> 0xFFFF0000U
    return offset


cdef int helper_ljmp(CPUX86State *env, uint32_t selector, uint32_t offset, int size, uint32_t next_eip) noexcept nogil:
    cdef uint64_t e, gate
    cdef uint32_t kind
    if paragraph_mode(env):
        if offset > env.segs[R_CS].limit:
            return gp(env, 0)
        load_paragraph_cs(env, selector)
        env.eip = offset
        return XFER_OK
    if selector & 0xFFFC == 0:
        return gp(env, 0)
    if load_descriptor(env, selector, &e, EXCP0D_GPF, 0):
        return XFER_FAULT
    kind = desc_type(e)
    if is_code(e):
        if code_target(env, selector, &e):
            return XFER_FAULT
    elif kind == SYS_CALL16 or kind == SYS_CALL32:
        if system_target(env, selector, e):
            return XFER_FAULT
        gate = e
        if gate_target(env, gate, &e):
            return XFER_FAULT
        selector = <uint32_t> (gate >> 16) & 0xFFFF
        offset = gate_offset(gate)
        # A jump cannot change CPL.
        if not desc_flags(e) & DESC_C and desc_dpl(e) != <uint32_t> cpu_cpl(env):
            return gp(env, selector)
        if not desc_flags(e) & DESC_P:
            return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    elif kind == SYS_TSS16 or kind == SYS_TSS32 or kind == SYS_TASK_GATE:
        if system_target(env, selector, e):
            return XFER_FAULT
        return task_target(env, selector, e, SWITCH_JMP, next_eip)
    else:
        return gp(env, selector)
    if offset > desc_limit(e):
        return gp(env, 0)
    if set_accessed(env, selector, &e):
        return XFER_FAULT
    set_cs(env, selector, e, cpu_cpl(env))
    update_hflags(env)
    env.eip = offset
    return XFER_OK


# ---------------------------------------------------------------- CALL
cdef int call_same(CPUX86State *env, uint32_t selector, uint64_t e, uint32_t offset, int size, uint32_t next_eip) noexcept nogil:
    """Push the return address on the current stack and enter a code segment of this CPL."""
    cdef Stack stack
    cdef uint32_t frame[2]
    if offset > desc_limit(e):
        return gp(env, 0)
    if set_accessed(env, selector, &e):
        return XFER_FAULT
    current_stack(env, &stack, 0)
    frame[0] = env.segs[R_CS].selector
    frame[1] = next_eip
    if push_frame(env, &stack, frame, 2, size):
        return XFER_FAULT
    set_sp(env, stack.sp, stack.mask)
    set_cs(env, selector, e, cpu_cpl(env))
    update_hflags(env)
    env.eip = offset
    return XFER_OK


cdef int call_inner(CPUX86State *env, uint32_t selector, uint64_t e, uint64_t gate, uint32_t next_eip) noexcept nogil:
    """Through a call gate to a more privileged level: new stack, parameters copied."""
    cdef int size = 4 if desc_type(gate) == SYS_CALL32 else 2
    cdef int count = <int> (gate >> 32) & 31
    cdef uint32_t dpl = desc_dpl(e)
    cdef uint32_t offset = gate_offset(gate)
    cdef uint32_t frame[36]
    cdef uint32_t params[32]
    cdef Stack inner, outer
    cdef SegmentCache ss
    cdef int i
    if inner_stack(env, dpl, 0, &inner, &ss):
        return XFER_FAULT
    current_stack(env, &outer, 0)
    if pop_frame(env, &outer, params, count, size, 0):
        return XFER_FAULT
    frame[0] = env.segs[R_SS].selector
    frame[1] = <uint32_t> env.regs[R_ESP]
    for i in range(count):              # the deepest parameter first
        frame[2 + i] = params[count - 1 - i]
    frame[count + 2] = env.segs[R_CS].selector
    frame[count + 3] = next_eip
    if offset > desc_limit(e):
        return gp(env, 0)
    if set_accessed(env, selector, &e) or push_frame(env, &inner, frame, count + 4, size):
        return XFER_FAULT
    env.segs[R_SS] = ss
    set_sp(env, inner.sp, inner.mask)
    set_cs(env, selector, e, dpl)
    update_hflags(env)
    env.eip = offset
    return XFER_OK


cdef int helper_lcall(CPUX86State *env, uint32_t selector, uint32_t offset, int size, uint32_t next_eip) noexcept nogil:
    cdef uint64_t e, gate
    cdef uint32_t kind
    cdef uint32_t frame[2]
    cdef Stack stack
    if paragraph_mode(env):
        if offset > env.segs[R_CS].limit:
            return gp(env, 0)
        frame[0] = env.segs[R_CS].selector
        frame[1] = next_eip
        current_stack(env, &stack, 0)
        if push_frame(env, &stack, frame, 2, size):
            return XFER_FAULT
        set_sp(env, stack.sp, stack.mask)
        load_paragraph_cs(env, selector)
        env.eip = offset
        return XFER_OK
    if selector & 0xFFFC == 0:
        return gp(env, 0)
    if load_descriptor(env, selector, &e, EXCP0D_GPF, 0):
        return XFER_FAULT
    if is_code(e):
        if code_target(env, selector, &e):
            return XFER_FAULT
        return call_same(env, selector, e, offset, size, next_eip)
    kind = desc_type(e)
    if kind == SYS_CALL16 or kind == SYS_CALL32:
        if system_target(env, selector, e):
            return XFER_FAULT
        gate = e
        if gate_target(env, gate, &e):
            return XFER_FAULT
        selector = <uint32_t> (gate >> 16) & 0xFFFF
        if not desc_flags(e) & DESC_P:
            return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
        if not desc_flags(e) & DESC_C and desc_dpl(e) < <uint32_t> cpu_cpl(env):
            return call_inner(env, selector, e, gate, next_eip)
        return call_same(env, selector, e, gate_offset(gate), 4 if kind == SYS_CALL32 else 2, next_eip)
    if kind == SYS_TSS16 or kind == SYS_TSS32 or kind == SYS_TASK_GATE:
        if system_target(env, selector, e):
            return XFER_FAULT
        return task_target(env, selector, e, SWITCH_CALL, next_eip)
    return gp(env, selector)


# ---------------------------------------------------------------- RET and IRET in protected mode
cdef int return_cs(CPUX86State *env, uint32_t selector, uint64_t *e) noexcept nogil:
    """Load and check the code segment that a RET or IRET goes back to. Nonzero: fault pending."""
    cdef uint32_t rpl = selector & 3
    if selector & 0xFFFC == 0:
        return gp(env, 0)
    if load_descriptor(env, selector, e, EXCP0D_GPF, 0):
        return 1
    if not is_code(e[0]) or rpl < <uint32_t> cpu_cpl(env):
        return gp(env, selector)
    if desc_dpl(e[0]) > rpl if desc_flags(e[0]) & DESC_C else desc_dpl(e[0]) != rpl:
        return gp(env, selector)
    if not desc_flags(e[0]) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    return 0


cdef int return_ss(CPUX86State *env, uint32_t selector, uint32_t rpl, uint64_t *e) noexcept nogil:
    """The same for the stack segment of the outer level `rpl`."""
    if selector & 0xFFFC == 0:
        return gp(env, 0)
    if load_descriptor(env, selector, e, EXCP0D_GPF, 0):
        return 1
    if selector & 3 != rpl or not is_writable_data(e[0]) or desc_dpl(e[0]) != rpl:
        return gp(env, selector)
    if not desc_flags(e[0]) & DESC_P:
        return raise_exception_err(env, EXCP0C_STACK, selector & 0xFFFC)
    return set_accessed(env, selector, e)


cdef inline void drop_privileged_segment(CPUX86State *env, int seg, uint32_t cpl) noexcept nogil:
    """A data segment that the outer level could not have loaded becomes null."""
    cdef uint32_t flags = env.segs[seg].flags
    if flags & DESC_P and flags & (DESC_CS | DESC_C) != DESC_CS | DESC_C and flags >> 13 & 3 < cpl:
        load_seg_null(env, seg, 0)


cdef int return_outer(CPUX86State *env, Stack *stack, int size, uint32_t release, uint32_t eip, uint32_t cs,
                      uint64_t cs_e) noexcept nogil:
    """Second half of a return to an outer level: SS:ESP follow at stack.sp + release."""
    cdef uint32_t frame[2]
    cdef uint32_t rpl = cs & 3
    cdef uint32_t mask
    cdef uint64_t ss_e
    if pop_frame(env, stack, frame, 2, size, release):
        return XFER_FAULT
    frame[1] &= 0xFFFF
    if return_ss(env, frame[1], rpl, &ss_e):
        return XFER_FAULT
    if eip > desc_limit(cs_e):
        return gp(env, 0)
    if set_accessed(env, cs, &cs_e):
        return XFER_FAULT
    fill_from_desc(&env.segs[R_SS], frame[1], ss_e)
    mask = <uint32_t> 0xFFFFFFFFU if desc_flags(ss_e) & DESC_B else 0xFFFF
    set_sp(env, frame[0] + release, mask)
    set_cs(env, cs, cs_e, rpl)
    drop_privileged_segment(env, R_ES, rpl)
    drop_privileged_segment(env, R_DS, rpl)
    drop_privileged_segment(env, R_FS, rpl)
    drop_privileged_segment(env, R_GS, rpl)
    update_hflags(env)
    env.eip = eip
    return XFER_OK


cdef int return_same(CPUX86State *env, Stack *stack, uint32_t release, uint32_t eip, uint32_t cs, uint64_t cs_e) noexcept nogil:
    if eip > desc_limit(cs_e):
        return gp(env, 0)
    if set_accessed(env, cs, &cs_e):
        return XFER_FAULT
    set_sp(env, stack.sp + release, stack.mask)
    set_cs(env, cs, cs_e, cs & 3)
    update_hflags(env)
    env.eip = eip
    return XFER_OK


cdef int helper_lret(CPUX86State *env, int size, uint32_t release) noexcept nogil:
    cdef Stack stack
    cdef uint32_t frame[2]
    cdef uint64_t e
    current_stack(env, &stack, 0)
    if pop_frame(env, &stack, frame, 2, size, 0):
        return XFER_FAULT
    frame[1] &= 0xFFFF
    if paragraph_mode(env):
        if frame[0] > env.segs[R_CS].limit:
            return gp(env, 0)
        set_sp(env, stack.sp + release, stack.mask)
        load_paragraph_cs(env, frame[1])
        env.eip = frame[0]
        return XFER_OK
    if return_cs(env, frame[1], &e):
        return XFER_FAULT
    if frame[1] & 3 > <uint32_t> cpu_cpl(env):
        return return_outer(env, &stack, size, release, frame[0], frame[1], e)
    return return_same(env, &stack, release, frame[0], frame[1], e)


# ---------------------------------------------------------------- IRET
cdef enum:
    # what any IRET may change; RF, AC and ID exist in the 32-bit form only
    IRET_FLAGS16 = CC_MASK | TF_MASK | DF_MASK | NT_MASK
    IRET_FLAGS32 = IRET_FLAGS16 | RF_MASK | AC_MASK | ID_MASK


cdef int iret_paragraph(CPUX86State *env, int size) noexcept nogil:
    cdef Stack stack
    cdef uint32_t frame[3]
    cdef uint32_t mask, flags
    cdef bint virtual = False
    if env.eflags & VM_MASK and env.eflags & IOPL_MASK != IOPL_MASK:
        if size == 4 or not env.cr[4] & CR4_VME:
            return gp(env, 0)
        virtual = True
    current_stack(env, &stack, 0)
    if pop_frame(env, &stack, frame, 3, size, 0):
        return XFER_FAULT
    if frame[0] > env.segs[R_CS].limit:
        return gp(env, 0)
    flags = frame[2]
    mask = (IRET_FLAGS32 if size == 4 else IRET_FLAGS16)
    if virtual:
        # VME: the program's IF is VIF (vol. 3, 20.3.2).
        if flags & TF_MASK or flags & IF_MASK and env.eflags & VIP_MASK:
            return gp(env, 0)
        mask |= VIF_MASK
        flags = (flags & ~<uint32_t> VIF_MASK) | (VIF_MASK if flags & IF_MASK else 0)
    elif env.eflags & VM_MASK:
        mask |= IF_MASK
    else:
        mask |= IF_MASK | IOPL_MASK
    set_sp(env, stack.sp, stack.mask)
    cpu_put_eflags(env, flags, mask)
    load_paragraph_cs(env, frame[1] & 0xFFFF)
    env.eip = frame[0]
    interrupts_may_be_open(env)
    return XFER_OK


cdef inline int virtual_interrupt_due(CPUX86State *env, uint32_t extension) noexcept nogil:
    """VIF and VIP are both set: the interrupt that the monitor holds back is due at once, #GP before
    the first instruction (vol. 3, 20.3.2 and 20.4). XFER_*."""
    if env.eflags & (VIF_MASK | VIP_MASK) == VIF_MASK | VIP_MASK and env.cr[4] & extension:
        gp(env, 0)
        return XFER_LATE
    return XFER_OK


cdef int iret_to_vm86(CPUX86State *env, Stack *stack, uint32_t *frame) noexcept nogil:
    """CPL 0 and VM set in the image: ESP, SS, ES, DS, FS, GS follow EIP, CS, EFLAGS."""
    cdef uint32_t more[6]
    if pop_frame(env, stack, more, 6, 4, 0):
        return XFER_FAULT
    if frame[0] > 0xFFFF:
        return gp(env, 0)
    cpu_put_eflags(env, frame[2], IRET_FLAGS32 | IF_MASK | IOPL_MASK | VM_MASK | VIF_MASK | VIP_MASK)
    load_seg_vm86(env, R_CS, frame[1] & 0xFFFF)
    load_seg_vm86(env, R_SS, more[1] & 0xFFFF)
    load_seg_vm86(env, R_ES, more[2] & 0xFFFF)
    load_seg_vm86(env, R_DS, more[3] & 0xFFFF)
    load_seg_vm86(env, R_FS, more[4] & 0xFFFF)
    load_seg_vm86(env, R_GS, more[5] & 0xFFFF)
    env.regs[R_ESP] = more[0]
    env.hflags |= 3
    update_hflags(env)
    env.eip = frame[0]
    interrupts_may_be_open(env)
    return virtual_interrupt_due(env, CR4_VME)


cdef int helper_iret(CPUX86State *env, int size, uint32_t next_eip) noexcept nogil:
    cdef Stack stack
    cdef uint32_t frame[3]
    cdef uint32_t cpl = cpu_cpl(env)
    cdef uint32_t mask
    cdef uint64_t e
    cdef int status
    env.nmi_blocked &= ~<uint32_t> 1    # even when the IRET faults (vol. 3, 6.7.1)
    if paragraph_mode(env):
        return iret_paragraph(env, size)
    if env.eflags & NT_MASK:
        return task_return(env, next_eip)
    current_stack(env, &stack, 0)
    if pop_frame(env, &stack, frame, 3, size, 0):
        return XFER_FAULT
    if size == 4 and frame[2] & VM_MASK and cpl == 0:
        return iret_to_vm86(env, &stack, frame)
    frame[1] &= 0xFFFF
    if return_cs(env, frame[1], &e):
        return XFER_FAULT
    mask = IRET_FLAGS32 if size == 4 else IRET_FLAGS16
    if cpl <= (env.eflags & IOPL_MASK) >> IOPL_SHIFT:
        mask |= IF_MASK
    if cpl == 0:
        mask |= IOPL_MASK
        if size == 4:
            mask |= VIF_MASK | VIP_MASK
    if frame[1] & 3 > cpl:
        status = return_outer(env, &stack, size, 0, frame[0], frame[1], e)
    else:
        status = return_same(env, &stack, 0, frame[0], frame[1], e)
    if status == XFER_OK:
        cpu_put_eflags(env, frame[2], mask)
        if env.eflags & (TF_MASK | AC_MASK | RF_MASK) or env.hflags & (HF_TF | HF_AC | HF_RF):
            update_hflags(env)
        interrupts_may_be_open(env)
        if cpu_cpl(env) == 3:
            return virtual_interrupt_due(env, CR4_PVI)
    return status
