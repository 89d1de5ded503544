"""Hardware task switches, 16- and 32-bit.

Source: SDM vol. 3, 7.2 (TSS), 7.3 (task switching, table 7-1: checks and their exceptions, table 7-2: busy
flag, NT and link). Everything that can fault in the old task does so before the first store; what
faults in the new task finds its registers loaded and its unchecked segments unusable.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport (
    CPUX86State, SegmentCache, TranslationBlock, R_CS, R_SS, R_FS, R_GS, R_LDTR, R_TR, CR0_PG, CR0_TS, VM_MASK,
    NT_MASK, EXCP01_DB, EXCP0A_TSS, EXCP0B_NOSEG, EXCP0C_STACK, EXCP0D_GPF, DESC_S, DESC_CS, DESC_C, DESC_R,
    DESC_W, DESC_P, DESC_TSS_BUSY, HF_CPL_MASK, HF_INHIBIT_IRQ, MMU_KERNEL_IDX)
from qemu_py._core.flags cimport cpu_get_eflags, cpu_put_eflags
from qemu_py._core.softmmu cimport ld16_k, ld32_k, probe_read, probe_write, st16_k, st32_k
from qemu_py._core.x86.control cimport cpu_x86_update_cr3
from qemu_py._core.x86.debug cimport DR6_BT, DR7_LOCAL, set_dr7
from qemu_py._core.x86.seg cimport (
    XFER_OK, XFER_FAULT, XFER_LATE, SYS_TSS16, SYS_TSS16_BUSY, SYS_TSS32, SYS_TSS32_BUSY, SYS_LDT, desc_dpl,
    desc_flags, desc_limit, desc_type, desc_base, fill_from_desc, load_descriptor, load_seg_vm86, set_accessed,
    set_tss_busy)
from qemu_py._core.x86.state cimport fill_seg_cache, raise_exception_err, update_hflags

cdef enum:
    TSS32_MIN_LIMIT = 0x67
    TSS16_MIN_LIMIT = 0x2B
    # offsets: dynamic fields that a switch saves, first and last byte
    TSS32_CR3 = 0x1C
    TSS32_EIP = 0x20
    TSS32_EFLAGS = 0x24
    TSS32_EAX = 0x28
    TSS32_ES = 0x48
    TSS32_LDT = 0x60
    TSS32_TRAP = 0x64
    TSS16_IP = 0x0E
    TSS16_FLAGS = 0x10
    TSS16_AX = 0x12
    TSS16_ES = 0x22
    TSS16_LDT = 0x2A
    EFLAGS_DEFINED = 0x3F7FD5

cdef struct TaskState:
    uint32_t cr3
    uint32_t eip
    uint32_t eflags
    uint32_t regs[8]
    uint32_t segs[6]
    uint32_t ldt
    uint32_t trap


cdef int read_tss(CPUX86State *env, uint32_t base, bint tss32, TaskState *task) noexcept nogil:
    """Whole dynamic state of the TSS at `base`, which has been probed. Nonzero: fault pending."""
    cdef int i
    cdef int64_t v
    if not tss32:
        task.cr3 = 0
        task.trap = 0
        for i in range(15):             # IP, FLAGS, AX .. DI, ES, CS, SS, DS, LDT: consecutive words
            v = ld16_k(env, <uint32_t> (base + TSS16_IP + 2 * i))
            if v < 0:
                return 1
            if i == 0:
                task.eip = <uint32_t> v
            elif i == 1:
                task.eflags = <uint32_t> v
            elif i < 10:
                # The upper halves are undefined to a 16-bit task.
                task.regs[i - 2] = <uint32_t> v | <uint32_t> 0xFFFF0000U
            elif i < 14:
                task.segs[i - 10] = <uint32_t> v
            else:
                task.ldt = <uint32_t> v
        task.segs[R_FS] = task.segs[R_GS] = 0
        return 0
    for i in range(19):                 # CR3, EIP, EFLAGS, EAX .. EDI, ES .. GS, LDT, T: dwords
        v = ld32_k(env, <uint32_t> (base + TSS32_CR3 + 4 * i))
        if v < 0:
            return 1
        if i == 0:
            task.cr3 = <uint32_t> v
        elif i == 1:
            task.eip = <uint32_t> v
        elif i == 2:
            task.eflags = <uint32_t> v
        elif i < 11:
            task.regs[i - 3] = <uint32_t> v
        elif i < 17:
            task.segs[i - 11] = <uint32_t> v & 0xFFFF
        elif i == 17:
            task.ldt = <uint32_t> v & 0xFFFF
        else:
            task.trap = <uint32_t> v & 1
    return 0


cdef int save_tss(CPUX86State *env, uint32_t eip, uint32_t eflags) noexcept nogil:
    """Store the current task's dynamic state; the TSS has been probed for it."""
    cdef uint32_t base = <uint32_t> env.segs[R_TR].base
    cdef int status = 0
    cdef int i
    if env.segs[R_TR].flags & 1 << 11:
        status |= st32_k(env, <uint32_t> (base + TSS32_EIP), eip)
        status |= st32_k(env, <uint32_t> (base + TSS32_EFLAGS), eflags)
        for i in range(8):
            status |= st32_k(env, <uint32_t> (base + TSS32_EAX + 4 * i), <uint32_t> env.regs[i])
        for i in range(6):
            status |= st16_k(env, <uint32_t> (base + TSS32_ES + 4 * i), env.segs[i].selector)
    else:
        status |= st16_k(env, <uint32_t> (base + TSS16_IP), eip)
        status |= st16_k(env, <uint32_t> (base + TSS16_FLAGS), eflags)
        for i in range(8):
            status |= st16_k(env, <uint32_t> (base + TSS16_AX + 2 * i), <uint32_t> env.regs[i])
        for i in range(4):
            status |= st16_k(env, <uint32_t> (base + TSS16_ES + 2 * i), env.segs[i].selector)
    return status


# ---------------------------------------------------------------- loading the new task's segments
cdef inline int bad_tss(CPUX86State *env, uint32_t selector, uint32_t ext) noexcept nogil:
    return raise_exception_err(env, EXCP0A_TSS, (selector & 0xFFFC) | ext)


cdef int load_task_ldt(CPUX86State *env, uint32_t selector, uint32_t ext) noexcept nogil:
    cdef uint64_t e
    if selector & 0xFFFC == 0:
        return 0
    if selector & 4:
        return bad_tss(env, selector, ext)
    if load_descriptor(env, selector, &e, EXCP0A_TSS, ext):
        return 1
    if desc_type(e) != SYS_LDT or not desc_flags(e) & DESC_P:
        return bad_tss(env, selector, ext)
    fill_from_desc(&env.segs[R_LDTR], selector, e)
    return 0


cdef int load_task_cs(CPUX86State *env, uint32_t selector, uint32_t ext) noexcept nogil:
    cdef uint64_t e
    cdef uint32_t flags
    if selector & 0xFFFC == 0:
        return bad_tss(env, selector, ext)
    if load_descriptor(env, selector, &e, EXCP0A_TSS, ext):
        return 1
    flags = desc_flags(e)
    if flags & (DESC_S | DESC_CS) != DESC_S | DESC_CS:
        return bad_tss(env, selector, ext)
    if desc_dpl(e) > selector & 3 if flags & DESC_C else desc_dpl(e) != selector & 3:
        return bad_tss(env, selector, ext)
    if not flags & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, (selector & 0xFFFC) | ext)
    if set_accessed(env, selector, &e):
        return 1
    fill_from_desc(&env.segs[R_CS], selector, e)
    return 0


cdef int load_task_ss(CPUX86State *env, uint32_t selector, uint32_t cpl, uint32_t ext) noexcept nogil:
    cdef uint64_t e
    if selector & 0xFFFC == 0:
        return bad_tss(env, selector, ext)
    if load_descriptor(env, selector, &e, EXCP0A_TSS, ext):
        return 1
    if (desc_flags(e) & (DESC_S | DESC_CS | DESC_W) != DESC_S | DESC_W or desc_dpl(e) != cpl
            or selector & 3 != cpl):
        return bad_tss(env, selector, ext)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0C_STACK, (selector & 0xFFFC) | ext)
    if set_accessed(env, selector, &e):
        return 1
    fill_from_desc(&env.segs[R_SS], selector, e)
    return 0


cdef int load_task_data(CPUX86State *env, int seg, uint32_t selector, uint32_t cpl, uint32_t ext) noexcept nogil:
    cdef uint64_t e
    cdef uint32_t flags
    if selector & 0xFFFC == 0:
        return 0
    if load_descriptor(env, selector, &e, EXCP0A_TSS, ext):
        return 1
    flags = desc_flags(e)
    if not flags & DESC_S or flags & (DESC_CS | DESC_R) == DESC_CS:
        return bad_tss(env, selector, ext)
    if flags & (DESC_CS | DESC_C) != DESC_CS | DESC_C and (desc_dpl(e) < cpl or desc_dpl(e) < selector & 3):
        return bad_tss(env, selector, ext)
    if not flags & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, (selector & 0xFFFC) | ext)
    if set_accessed(env, selector, &e):
        return 1
    fill_from_desc(&env.segs[seg], selector, e)
    return 0


cdef int load_task_segments(CPUX86State *env, TaskState *task, uint32_t ext) noexcept nogil:
    cdef uint32_t cpl = env.hflags & HF_CPL_MASK
    cdef int seg
    if load_task_ldt(env, task.ldt, ext):
        return 1
    if env.eflags & VM_MASK:
        for seg in range(6):
            load_seg_vm86(env, seg, task.segs[seg])
        return 0
    if load_task_cs(env, task.segs[R_CS], ext) or load_task_ss(env, task.segs[R_SS], cpl, ext):
        return 1
    for seg in range(6):
        if seg != R_CS and seg != R_SS and load_task_data(env, seg, task.segs[seg], cpl, ext):
            return 1
    return 0


# ---------------------------------------------------------------- the switch
cdef int probe_switch(CPUX86State *env, uint32_t selector, uint32_t base, bint tss32, bint nested) noexcept nogil:
    """Whatever the switch reads and writes, in the old task's context. Nonzero: fault pending."""
    cdef SegmentCache *old = &env.segs[R_TR]
    cdef uint32_t old_first = TSS32_EIP if old.flags & 1 << 11 else TSS16_IP
    cdef uint32_t old_last = TSS32_LDT - 1 if old.flags & 1 << 11 else TSS16_LDT - 1
    if old_last > old.limit:
        return raise_exception_err(env, EXCP0A_TSS, old.selector & 0xFFFC)
    if (probe_read(env, base, (TSS32_MIN_LIMIT if tss32 else TSS16_MIN_LIMIT) + 1, MMU_KERNEL_IDX)
            or nested and probe_write(env, base, 2, MMU_KERNEL_IDX)
            or probe_write(env, <uint32_t> (old.base + old_first), old_last - old_first + 1, MMU_KERNEL_IDX)
            or probe_write(env, <uint32_t> (env.gdt_base + (selector & 0xFFF8) + 5), 1, MMU_KERNEL_IDX)):
        return 1
    if nested:
        return 0
    return probe_write(env, <uint32_t> (env.gdt_base + (old.selector & 0xFFF8) + 5), 1, MMU_KERNEL_IDX)


cdef int switch_task(CPUX86State *env, uint32_t selector, uint64_t e, int source, uint32_t next_eip,
                     uint32_t rf, uint32_t ext) noexcept nogil:
    cdef bint tss32 = (desc_flags(e) & 1 << 11) != 0
    cdef uint32_t base = desc_base(e)
    cdef uint32_t old_eflags = cpu_get_eflags(env) | rf
    cdef uint32_t old_selector = env.segs[R_TR].selector
    cdef TranslationBlock *running = env.current_tb
    cdef TaskState task
    cdef int i
    if desc_limit(e) < (TSS32_MIN_LIMIT if tss32 else TSS16_MIN_LIMIT):
        return bad_tss(env, selector, ext)
    if probe_switch(env, selector, base, tss32, source == SWITCH_CALL) or read_tss(env, base, tss32, &task):
        return XFER_FAULT

    # From here on nothing of the old task can fault. A store that hits the running TB must not
    # ask for a restart: there is nothing to go back to.
    env.current_tb = NULL
    if source == SWITCH_IRET:
        old_eflags &= ~<uint32_t> NT_MASK
    save_tss(env, next_eip, old_eflags)
    if source != SWITCH_CALL:
        set_tss_busy(env, old_selector, False)
    else:
        st16_k(env, base, old_selector)
        task.eflags |= NT_MASK
    if source != SWITCH_IRET:
        set_tss_busy(env, selector, True)
    env.current_tb = running
    fill_from_desc(&env.segs[R_TR], selector, e | <uint64_t> DESC_TSS_BUSY << 32)

    env.cr[0] |= CR0_TS
    for i in range(8):
        env.regs[i] = task.regs[i]
    env.eip = task.eip
    cpu_put_eflags(env, task.eflags & EFLAGS_DEFINED, EFLAGS_DEFINED)
    for i in range(6):                  # selectors are loaded, descriptors not yet qualified
        fill_seg_cache(&env.segs[i], task.segs[i], 0, 0, 0)
    fill_seg_cache(&env.segs[R_LDTR], task.ldt, 0, 0, 0)
    env.hflags &= ~<uint32_t> (HF_CPL_MASK | HF_INHIBIT_IRQ)
    env.hflags |= 3 if env.eflags & VM_MASK else task.segs[R_CS] & 3
    update_hflags(env)
    if env.dr[7] & DR7_LOCAL:
        set_dr7(env, <uint32_t> env.dr[7] & ~<uint32_t> DR7_LOCAL)
    if tss32 and env.cr[0] & CR0_PG and cpu_x86_update_cr3(env, task.cr3):
        return XFER_LATE
    i = load_task_segments(env, &task, ext)
    update_hflags(env)
    if i:
        return XFER_LATE
    if env.eip > env.segs[R_CS].limit:
        raise_exception_err(env, EXCP0D_GPF, ext)
        return XFER_LATE
    if task.trap:
        env.dr[6] |= DR6_BT
        raise_exception_err(env, EXCP01_DB, 0)
        return XFER_LATE
    if env.interrupt_request:           # the new task's IF may differ
        env.exit_request = 1
    return XFER_OK


cdef int task_transfer(CPUX86State *env, uint32_t selector, int source, uint32_t next_eip, uint32_t rf,
                       uint32_t ext) noexcept nogil:
    cdef uint64_t e
    if selector & 0xFFFC == 0 or selector & 4:
        return raise_exception_err(env, EXCP0D_GPF, (selector & 0xFFFC) | ext)
    if load_descriptor(env, selector, &e, EXCP0D_GPF, ext):
        return XFER_FAULT
    if desc_type(e) != SYS_TSS16 and desc_type(e) != SYS_TSS32:
        return raise_exception_err(env, EXCP0D_GPF, (selector & 0xFFFC) | ext)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, (selector & 0xFFFC) | ext)
    return switch_task(env, selector, e, source, next_eip, rf, ext)


cdef int task_return(CPUX86State *env, uint32_t next_eip) noexcept nogil:
    cdef int64_t link = ld16_k(env, env.segs[R_TR].base)
    cdef uint32_t selector
    cdef uint64_t e
    if link < 0:
        return XFER_FAULT
    selector = <uint32_t> link
    if selector & 0xFFFC == 0 or selector & 4:
        return bad_tss(env, selector, 0)
    if load_descriptor(env, selector, &e, EXCP0A_TSS, 0):
        return XFER_FAULT
    if desc_type(e) != SYS_TSS16_BUSY and desc_type(e) != SYS_TSS32_BUSY:
        return bad_tss(env, selector, 0)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, (selector & 0xFFFC))
    return switch_task(env, selector, e, SWITCH_IRET, next_eip, 0, 0)
