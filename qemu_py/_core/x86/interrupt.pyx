"""Delivery of exceptions and interrupts: real mode, protected mode, virtual-8086 mode.

Source: SDM vol. 3, 6.8-6.15 (priorities, IDT, error codes, double faults: table 6-5), 20.1.4 (real mode),
20.2-20.3 (virtual-8086 mode, VME); INT n in vol. 2. Not modelled: machine-check banks filled by hardware.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from qemu_py._core.cpu cimport (
    CPUX86State, SegmentCache, R_ESP, R_ES, R_CS, R_SS, R_DS, R_FS, R_GS, R_TR, CR0_PE, CR4_VME, TF_MASK,
    IF_MASK, IOPL_MASK, NT_MASK, RF_MASK, VM_MASK, AC_MASK, VIF_MASK, EXCP_NONE, EXCP_TRIPLE, EXCP00_DIVZ,
    EXCP01_DB, EXCP08_DBLE, EXCP0A_TSS, EXCP0B_NOSEG, EXCP0C_STACK, EXCP0D_GPF, EXCP0E_PAGE, EXCP11_ALGN,
    DESC_S, DESC_CS, DESC_C, DESC_P, HF_CPL_MASK, HF_INHIBIT_IRQ)
from qemu_py._core.dispatch cimport core_log, qemu_loglevel
from qemu_py._core.flags cimport cpu_get_eflags
from qemu_py._core.softmmu cimport ld16_k, ld32_k, ld8_k
from qemu_py._core.x86.debug cimport DR7_GD
from qemu_py._core.x86.seg cimport (
    Stack, XFER_OK, XFER_FAULT, XFER_LATE, SYS_INT16, SYS_INT32, SYS_TRAP16, SYS_TRAP32, SYS_TASK_GATE,
    current_stack, desc_dpl, desc_flags, desc_limit, desc_type, fill_from_desc, inner_stack, ld64_k, load_descriptor,
    load_seg_null, load_seg_real, load_seg_vm86, push_frame, set_accessed, set_sp)
from qemu_py._core.x86.state cimport cpu_cpl, raise_exception_err, update_hflags
from qemu_py._core.x86.task cimport SWITCH_CALL, task_transfer

cdef enum:
    CPU_LOG_INT = 0x10
    # Sets of vectors, one bit each (vol. 3, table 6-1 and 6.15).
    WITH_ERROR_CODE = (1 << EXCP08_DBLE | 1 << EXCP0A_TSS | 1 << EXCP0B_NOSEG | 1 << EXCP0C_STACK
                       | 1 << EXCP0D_GPF | 1 << EXCP0E_PAGE | 1 << EXCP11_ALGN)
    FAULTS = 0xB7CE1            # 0, 5-7, 10-14, 16, 17, 19: RF is set in the image
    CONTRIBUTORY = 1 << EXCP00_DIVZ | 1 << EXCP0A_TSS | 1 << EXCP0B_NOSEG | 1 << EXCP0C_STACK | 1 << EXCP0D_GPF


cdef inline int gp(CPUX86State *env, uint32_t error) noexcept nogil:
    return raise_exception_err(env, EXCP0D_GPF, error)


cdef inline void after_delivery(CPUX86State *env, int vector, uint32_t cleared) noexcept nogil:
    """What every entry through a gate does; `cleared`: EFLAGS bits."""
    env.eflags &= ~cleared
    env.in_hlt = 0
    env.hflags &= ~<uint32_t> HF_INHIBIT_IRQ
    if vector == EXCP01_DB:
        env.dr[7] &= ~<uint64_t> DR7_GD
    update_hflags(env)


cdef void log_interrupt(CPUX86State *env, int vector, int is_int, uint32_t error_code, uint64_t eip, int is_hw) noexcept nogil:
    cdef char text[200]
    cdef const char *kind = b"exception"
    if is_int:
        kind = b"software"
    elif is_hw:
        kind = b"hardware"
    snprintf(text, sizeof(text), b"%s %02x error %04x at %04x:%08x cpl %d ss:esp %04x:%08x cr2 %08x\n",
             kind, vector, error_code, env.segs[R_CS].selector, <uint32_t> eip, cpu_cpl(env),
             env.segs[R_SS].selector, <uint32_t> env.regs[R_ESP], <uint32_t> env.cr[2])
    core_log(env, CPU_LOG_INT, text)


# ---------------------------------------------------------------- real mode
cdef int deliver_real(CPUX86State *env, int vector, uint32_t old_eip) noexcept nogil:
    cdef uint64_t entry = <uint32_t> (env.idt_base + vector * 4)
    cdef uint32_t frame[3]
    cdef int64_t target
    cdef Stack stack
    if <uint32_t> vector * 4 + 3 > env.idt_limit:
        return gp(env, vector * 8 + 2)
    target = ld32_k(env, entry)
    if target < 0:
        return XFER_FAULT
    frame[0] = cpu_get_eflags(env)
    frame[1] = env.segs[R_CS].selector
    frame[2] = old_eip
    if <uint32_t> target & 0xFFFF > env.segs[R_CS].limit:
        return gp(env, 0)
    current_stack(env, &stack, 0)
    if push_frame(env, &stack, frame, 3, 2):
        return XFER_FAULT
    set_sp(env, stack.sp, stack.mask)
    load_seg_real(env, R_CS, <uint32_t> target >> 16)
    env.eip = target & 0xFFFF
    after_delivery(env, vector, IF_MASK | TF_MASK | RF_MASK | AC_MASK)
    return XFER_OK


# ---------------------------------------------------------------- protected mode
cdef int read_gate(CPUX86State *env, int vector, int is_int, uint32_t ext, uint64_t *gate) noexcept nogil:
    """The IDT's descriptor, with its own checks. Nonzero: fault pending."""
    cdef uint32_t error = <uint32_t> vector * 8 + 2 + ext
    cdef uint64_t va = <uint32_t> (env.idt_base + vector * 8)
    cdef uint32_t kind
    if <uint32_t> vector * 8 + 7 > env.idt_limit:
        return gp(env, error)
    if ld64_k(env, va, gate):
        return 1
    kind = desc_type(gate[0])
    if (kind != SYS_INT32 and kind != SYS_TRAP32 and kind != SYS_TASK_GATE and kind != SYS_INT16
            and kind != SYS_TRAP16):
        return gp(env, error)
    if is_int == INT_SOFT and desc_dpl(gate[0]) < <uint32_t> cpu_cpl(env):
        return gp(env, error)
    if not desc_flags(gate[0]) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, error)
    return 0


cdef int deliver_task(CPUX86State *env, uint64_t gate, uint32_t error_code, bint has_error, uint32_t old_eip,
                      uint32_t rf, uint32_t ext) noexcept nogil:
    cdef int status = task_transfer(env, <uint32_t> (gate >> 16) & 0xFFFF, SWITCH_CALL, old_eip, rf, ext)
    cdef Stack stack
    if status != XFER_OK or not has_error:
        return status
    current_stack(env, &stack, ext)
    if push_frame(env, &stack, &error_code, 1, 4 if env.segs[R_TR].flags & 1 << 11 else 2):
        return XFER_LATE
    set_sp(env, stack.sp, stack.mask)
    return XFER_OK


cdef int deliver_protected(CPUX86State *env, int vector, int is_int, uint32_t error_code, bint has_error,
                           uint32_t old_eip, uint32_t rf, uint32_t ext) noexcept nogil:
    cdef uint64_t gate, e
    cdef uint32_t frame[10]
    cdef uint32_t selector, offset, kind, dpl, cpl, cleared
    cdef SegmentCache ss
    cdef Stack stack
    cdef bint inner
    cdef int n = 0
    cdef int size
    if read_gate(env, vector, is_int, ext, &gate):
        return XFER_FAULT
    kind = desc_type(gate)
    if kind == SYS_TASK_GATE:
        return deliver_task(env, gate, error_code, has_error, old_eip, rf, ext)
    size = 4 if kind >= SYS_INT32 else 2
    selector = <uint32_t> (gate >> 16) & 0xFFFF
    offset = <uint32_t> gate & 0xFFFF
    if size == 4:
        offset |= <uint32_t> (gate >> 32) & <uint32_t> 0xFFFF0000U
    if selector & 0xFFFC == 0:
        return gp(env, ext)
    if load_descriptor(env, selector, &e, EXCP0D_GPF, ext):
        return XFER_FAULT
    dpl = desc_dpl(e)
    cpl = cpu_cpl(env)
    if desc_flags(e) & (DESC_S | DESC_CS) != DESC_S | DESC_CS or dpl > cpl:
        return gp(env, (selector & 0xFFFC) | ext)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, (selector & 0xFFFC) | ext)
    inner = not desc_flags(e) & DESC_C and dpl < cpl
    if env.eflags & VM_MASK and (not inner or dpl != 0):
        return gp(env, (selector & 0xFFFC) | ext)
    if inner:
        if inner_stack(env, dpl, ext, &stack, &ss):
            return XFER_FAULT
        if env.eflags & VM_MASK:
            frame[0] = env.segs[R_GS].selector
            frame[1] = env.segs[R_FS].selector
            frame[2] = env.segs[R_DS].selector
            frame[3] = env.segs[R_ES].selector
            n = 4
        frame[n] = env.segs[R_SS].selector
        frame[n + 1] = <uint32_t> env.regs[R_ESP]
        n += 2
        cpl = dpl
    else:
        current_stack(env, &stack, ext)
    frame[n] = cpu_get_eflags(env) | rf
    frame[n + 1] = env.segs[R_CS].selector
    frame[n + 2] = old_eip
    n += 3
    if has_error:
        frame[n] = error_code
        n += 1
    if offset > desc_limit(e):
        return gp(env, ext)
    if set_accessed(env, selector, &e) or push_frame(env, &stack, frame, n, size):
        return XFER_FAULT

    if inner:
        if env.eflags & VM_MASK:
            load_seg_null(env, R_GS, 0)
            load_seg_null(env, R_FS, 0)
            load_seg_null(env, R_DS, 0)
            load_seg_null(env, R_ES, 0)
        env.segs[R_SS] = ss
    set_sp(env, stack.sp, stack.mask)
    fill_from_desc(&env.segs[R_CS], (selector & 0xFFFC) | cpl, e)
    env.hflags = (env.hflags & ~<uint32_t> HF_CPL_MASK) | cpl
    env.eip = offset
    cleared = TF_MASK | VM_MASK | RF_MASK | NT_MASK
    if kind == SYS_INT32 or kind == SYS_INT16:
        cleared |= IF_MASK
    after_delivery(env, vector, cleared)
    return XFER_OK


cdef int do_interrupt(CPUX86State *env, int vector, int is_int, uint32_t error_code, uint64_t next_eip,
                      int is_hw) noexcept nogil:
    cdef uint32_t old_eip = <uint32_t> (next_eip if is_int else env.eip)
    cdef bint exception = not is_int and not is_hw and vector < 32
    cdef bint has_error = exception and WITH_ERROR_CODE >> vector & 1
    cdef uint32_t rf = RF_MASK if exception and FAULTS >> vector & 1 else 0
    if (qemu_loglevel | env.log_mask) & CPU_LOG_INT:
        log_interrupt(env, vector, is_int, error_code, old_eip, is_hw)
    if not env.cr[0] & CR0_PE:
        return deliver_real(env, vector, old_eip)
    return deliver_protected(env, vector, is_int, error_code, has_error, old_eip, rf, is_int != INT_SOFT)


# ---------------------------------------------------------------- faults upon faults
cdef inline bint becomes_double_fault(int first, int second) noexcept nogil:
    """SDM vol. 3, table 6-5."""
    if first < 0 or first > 31 or second > 31:
        return False
    if first == EXCP0E_PAGE:
        return second == EXCP0E_PAGE or CONTRIBUTORY >> second & 1
    return CONTRIBUTORY >> first & 1 and CONTRIBUTORY >> second & 1


cdef void do_pending_exception(CPUX86State *env) noexcept nogil:
    cdef int vector = env.exception_index
    cdef int is_int = env.exception_is_int
    cdef uint32_t error_code = env.error_code
    cdef int previous = EXCP_NONE
    # Between instructions: a push that hits translated code has no TB to restart.
    env.current_tb = NULL
    while True:
        env.exception_index = EXCP_NONE
        env.exception_is_int = INT_NONE
        if not is_int:
            if previous == EXCP08_DBLE and (vector == EXCP0E_PAGE or CONTRIBUTORY >> (vector & 31) & 1):
                env.old_exception = EXCP_NONE
                env.exception_index = EXCP_TRIPLE
                core_log(env, CPU_LOG_INT, b"triple fault\n")
                return
            if becomes_double_fault(previous, vector):
                vector = EXCP08_DBLE
                error_code = 0
            previous = vector
            env.old_exception = vector
        if do_interrupt(env, vector, is_int, error_code, env.exception_next_eip, 0) == XFER_OK:
            break
        vector = env.exception_index
        if vector < 0 or vector > 255:      # not of the guest: cpu_exec decides
            break
        is_int = INT_NONE
        error_code = env.error_code
    env.old_exception = EXCP_NONE


# ---------------------------------------------------------------- INT n, INT3, INTO, INT1
cdef int redirected(CPUX86State *env, int vector) noexcept nogil:
    """VME: bit of the redirection bitmap below the I/O bitmap. 1: clear, to the 8086 program's own
    handler; 0: set, to the protected-mode handler; -1: fault pending."""
    cdef SegmentCache *tss = &env.segs[R_TR]
    cdef int64_t map_base, bits
    cdef uint32_t offset
    if tss.flags & 1 << 11 and tss.limit >= 103:
        map_base = ld16_k(env, <uint32_t> (tss.base + 102))
        if map_base < 0:
            return -1
        offset = <uint32_t> map_base - 32 + (vector >> 3)
        if offset <= tss.limit:
            bits = ld8_k(env, <uint32_t> (tss.base + offset))
            if bits < 0:
                return -1
            return not bits >> (vector & 7) & 1
    gp(env, 0)
    return -1


cdef int redirect_to_8086(CPUX86State *env, int vector, uint64_t next_eip) noexcept nogil:
    """Through the 8086 program's vector table at linear address 0 (vol. 3, table 20-2, methods 5, 6)."""
    cdef uint32_t flags = cpu_get_eflags(env)
    cdef uint32_t frame[3]
    cdef int64_t target
    cdef uint32_t cleared = TF_MASK | RF_MASK
    cdef Stack stack
    target = ld32_k(env, vector * 4)
    if target < 0:
        return XFER_FAULT
    if flags & IOPL_MASK == IOPL_MASK:
        cleared |= IF_MASK
    else:
        cleared |= VIF_MASK
        flags = (flags & ~<uint32_t> IF_MASK) | IOPL_MASK | (IF_MASK if flags & VIF_MASK else 0)
    frame[0] = flags
    frame[1] = env.segs[R_CS].selector
    frame[2] = <uint32_t> next_eip
    current_stack(env, &stack, 0)
    if push_frame(env, &stack, frame, 3, 2):
        return XFER_FAULT
    set_sp(env, stack.sp, stack.mask)
    load_seg_vm86(env, R_CS, <uint32_t> target >> 16)
    env.eip = target & 0xFFFF
    after_delivery(env, vector, cleared)
    return XFER_OK


cdef int helper_int(CPUX86State *env, int vector, int kind, uint64_t next_eip, bint imm8) noexcept nogil:
    cdef int way
    if imm8 and env.eflags & VM_MASK:
        if env.cr[4] & CR4_VME:
            way = redirected(env, vector)
            if way < 0:
                return XFER_FAULT
            if way:
                return redirect_to_8086(env, vector, next_eip)
        if env.eflags & IOPL_MASK != IOPL_MASK:
            return gp(env, 0)
    if env.bare:                        # cpu_exec may have to hand the INT to its caller
        env.exception_index = vector
        env.exception_is_int = kind
        env.exception_next_eip = next_eip
        env.error_code = 0
        return XFER_FAULT
    return do_interrupt(env, vector, kind, 0, next_eip, 0)
