"""Selectors, descriptors, segment registers and stacks of protected mode.

Source: SDM vol. 3, chapters 3.4-3.5 (descriptors), 5 (protection), 19.5 (I/O permission bitmap) and
the pages of the instructions in vol. 2. Not modelled: long mode's 16-byte descriptors.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport (
    CPUX86State, CPUTLBEntry, SegmentCache, CPU_TLB_SIZE, TARGET_PAGE_BITS, TARGET_PAGE_MASK, R_DS, R_SS,
    R_LDTR, R_TR, R_ESP, CR0_PE, VM_MASK, IOPL_MASK, IOPL_SHIFT, EXCP0A_TSS, EXCP0B_NOSEG, EXCP0C_STACK,
    EXCP0D_GPF, EXCP11_ALGN, HF_AC, DESC_A, DESC_R, DESC_W, DESC_C, DESC_CS, DESC_S, DESC_P, DESC_B, DESC_G,
    DESC_DPL_MASK, DESC_TSS_BUSY, MMU_KERNEL_IDX, MMU_USER_IDX)
from qemu_py._core.softmmu cimport ld16_k, ld32_k, ld8_k, st8_k, st_slow, probe_write
from qemu_py._core.x86.mxcsr cimport sse_leave
from qemu_py._core.x86.state cimport cpu_cpl, fill_seg_cache, raise_exception_err, update_hflags

cdef enum:
    DATA_RW_ACCESSED = DESC_P | DESC_S | DESC_W | DESC_A


# ---------------------------------------------------------------- stacks
cdef void current_stack(CPUX86State *env, Stack *stack, uint32_t error) noexcept nogil:
    stack.ss = &env.segs[R_SS]
    stack.sp = <uint32_t> env.regs[R_ESP]
    stack.mask = 0xFFFFFFFFU if stack.ss.flags & DESC_B else 0xFFFF
    stack.error = error
    stack.mmu_idx = env.mmu_idx


cdef inline int check_stack(CPUX86State *env, Stack *stack, uint32_t sp, int size, int64_t hi) noexcept nogil:
    if <int64_t> sp < stack.ss.lo or <int64_t> sp + size - 1 > hi:
        return raise_exception_err(env, EXCP0C_STACK, stack.error)
    if env.hflags & HF_AC and stack.mmu_idx == MMU_USER_IDX and (stack.ss.base + sp) & (size - 1):
        return raise_exception_err(env, EXCP11_ALGN, 0)
    return 0


cdef int push_frame(CPUX86State *env, Stack *stack, const uint32_t *values, int n, int size) noexcept nogil:
    cdef uint32_t sp = stack.sp
    cdef uint32_t last
    cdef uint64_t va
    cdef uint8_t *host
    cdef CPUTLBEntry *e
    cdef int i
    for i in range(n):
        sp = (sp - size) & stack.mask
        if check_stack(env, stack, sp, size, stack.ss.hi_write):
            return 1
    last = sp
    va = <uint32_t> (stack.ss.base + last)
    # The frame is in one piece unless it wrapped around at the bottom of the stack segment.
    if (stack.sp & stack.mask) - last == <uint32_t> (n * size):
        e = &env.tlb[stack.mmu_idx][(va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)]
        if e.addr_write == (((va + n * size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
            host = <uint8_t *> <uintptr_t> (e.addend + va) + n * size
            for i in range(n):
                host -= size
                if size == 4:
                    (<uint32_t *> host)[0] = values[i]
                else:
                    (<uint16_t *> host)[0] = <uint16_t> values[i]
            stack.sp = last
            return 0
        if probe_write(env, va, n * size, stack.mmu_idx):
            return 1
    else:
        sp = stack.sp
        for i in range(n):
            sp = (sp - size) & stack.mask
            if probe_write(env, <uint32_t> (stack.ss.base + sp), size, stack.mmu_idx):
                return 1
    sp = stack.sp
    for i in range(n):
        sp = (sp - size) & stack.mask
        if st_slow(env, <uint32_t> (stack.ss.base + sp), values[i] if size == 4 else values[i] & 0xFFFF,
                   size, stack.mmu_idx):
            return 1
    stack.sp = last
    return 0


cdef int pop_frame(CPUX86State *env, Stack *stack, uint32_t *values, int n, int size, uint32_t skip) noexcept nogil:
    cdef uint32_t sp = stack.sp + skip
    cdef int64_t loaded
    cdef uint64_t va
    cdef uint8_t *host
    cdef CPUTLBEntry *e
    cdef int i
    sp &= stack.mask
    va = <uint32_t> (stack.ss.base + sp)
    e = &env.tlb[stack.mmu_idx][(va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)]
    # As a rule the frame lies in one page and within the limits.
    if (e.addr_read == (((va + n * size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch) and <int64_t> sp >= stack.ss.lo
            and <int64_t> sp + n * size - 1 <= stack.ss.hi_read and not env.hflags & HF_AC):
        host = <uint8_t *> <uintptr_t> (e.addend + va)
        for i in range(n):
            values[i] = (<uint32_t *> host)[i] if size == 4 else (<uint16_t *> host)[i]
        stack.sp = (sp + n * size) & stack.mask
        return 0
    for i in range(n):
        sp &= stack.mask
        if check_stack(env, stack, sp, size, stack.ss.hi_read):
            return 1
        loaded = ld_idx(env, <uint32_t> (stack.ss.base + sp), size, stack.mmu_idx)
        if loaded < 0:
            return 1
        values[i] = <uint32_t> loaded
        sp += size
    stack.sp = sp & stack.mask
    return 0


# ---------------------------------------------------------------- descriptor tables
cdef int read_descriptor(CPUX86State *env, uint32_t selector, uint64_t *e) noexcept nogil:
    cdef uint64_t base
    cdef uint32_t limit
    if selector & 4:
        if not env.segs[R_LDTR].flags & DESC_P:
            return 2
        base = env.segs[R_LDTR].base
        limit = env.segs[R_LDTR].limit
    else:
        base = env.gdt_base
        limit = env.gdt_limit
    if (selector | 7) > limit:
        return 2
    return ld64_k(env, <uint32_t> (base + (selector & 0xFFF8)), e)


cdef int load_descriptor(CPUX86State *env, uint32_t selector, uint64_t *e, int vector, uint32_t ext) noexcept nogil:
    cdef int status = read_descriptor(env, selector, e)
    if status == 2:
        return raise_exception_err(env, vector, (selector & 0xFFFC) | ext)
    return status


cdef inline uint64_t access_byte(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint64_t base = env.segs[R_LDTR].base if selector & 4 else env.gdt_base
    return <uint32_t> (base + (selector & 0xFFF8) + 5)


cdef int set_accessed(CPUX86State *env, uint32_t selector, uint64_t *e) noexcept nogil:
    """Set the accessed bit in the table if it is not. Nonzero: fault pending."""
    if desc_flags(e[0]) & DESC_A:
        return 0
    e[0] |= <uint64_t> DESC_A << 32
    return st8_k(env, access_byte(env, selector), <uint8_t> (e[0] >> 40))


cdef int set_tss_busy(CPUX86State *env, uint32_t selector, bint busy) noexcept nogil:
    cdef uint64_t va = access_byte(env, selector)
    cdef int64_t loaded = ld8_k(env, va)
    if loaded < 0:
        return 1
    return st8_k(env, va, <uint8_t> (loaded | 2) if busy else <uint8_t> (loaded & ~2))


cdef int inner_stack(CPUX86State *env, uint32_t dpl, uint32_t ext, Stack *stack, SegmentCache *cache) noexcept nogil:
    cdef SegmentCache *tss = &env.segs[R_TR]
    cdef uint32_t offset, selector, error
    cdef int64_t esp, ss
    cdef uint64_t e
    if tss.flags & 1 << 11:             # 32-bit TSS
        offset = dpl * 8 + 4
        if offset + 5 > tss.limit:
            return raise_exception_err(env, EXCP0A_TSS, (tss.selector & 0xFFFC) | ext)
        esp = ld32_k(env, <uint32_t> (tss.base + offset))
        if esp < 0:
            return 1
        ss = ld16_k(env, <uint32_t> (tss.base + offset + 4))
    else:
        offset = dpl * 4 + 2
        if offset + 3 > tss.limit:
            return raise_exception_err(env, EXCP0A_TSS, (tss.selector & 0xFFFC) | ext)
        esp = ld16_k(env, <uint32_t> (tss.base + offset))
        if esp < 0:
            return 1
        ss = ld16_k(env, <uint32_t> (tss.base + offset + 2))
    if ss < 0:
        return 1
    selector = <uint32_t> ss
    error = (selector & 0xFFFC) | ext
    if selector & 0xFFFC == 0:
        return raise_exception_err(env, EXCP0A_TSS, ext)
    if load_descriptor(env, selector, &e, EXCP0A_TSS, ext):
        return 1
    if (selector & 3 != dpl or desc_dpl(e) != dpl
            or desc_flags(e) & (DESC_S | DESC_CS | DESC_W) != DESC_S | DESC_W):
        return raise_exception_err(env, EXCP0A_TSS, error)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0C_STACK, error)
    if set_accessed(env, selector, &e):
        return 1
    fill_from_desc(cache, selector, e)
    stack.ss = cache
    stack.sp = <uint32_t> esp
    stack.mask = 0xFFFFFFFFU if desc_flags(e) & DESC_B else 0xFFFF
    stack.error = error
    stack.mmu_idx = MMU_USER_IDX if dpl == 3 else MMU_KERNEL_IDX
    return 0


# ---------------------------------------------------------------- segment registers
cdef void load_seg_real(CPUX86State *env, int seg, uint32_t selector) noexcept nogil:
    """Real mode: base and type follow the selector; limit, G and B keep what they were, which is what
    "unreal" mode lives by."""
    cdef SegmentCache *s = &env.segs[seg]
    fill_seg_cache(s, selector, <uint64_t> selector << 4, s.limit, (s.flags & (DESC_G | DESC_B)) | DATA_RW_ACCESSED)


cdef void load_seg_vm86(CPUX86State *env, int seg, uint32_t selector) noexcept nogil:
    fill_seg_cache(&env.segs[seg], selector, <uint64_t> selector << 4, 0xFFFF, DATA_RW_ACCESSED | DESC_DPL_MASK)


cdef void load_seg_null(CPUX86State *env, int seg, uint32_t selector) noexcept nogil:
    # Base and limit stay: real mode, entered with a null selector loaded, goes on with that limit.
    cdef SegmentCache *s = &env.segs[seg]
    fill_seg_cache(s, selector, s.base, s.limit, 0)


cdef int load_ss(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint32_t cpl = cpu_cpl(env)
    cdef uint64_t e
    if selector & 0xFFFC == 0:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    if load_descriptor(env, selector, &e, EXCP0D_GPF, 0):
        return 1
    if (selector & 3 != cpl or desc_dpl(e) != cpl
            or desc_flags(e) & (DESC_S | DESC_CS | DESC_W) != DESC_S | DESC_W):
        return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0C_STACK, selector & 0xFFFC)
    if set_accessed(env, selector, &e):
        return 1
    fill_from_desc(&env.segs[R_SS], selector, e)
    return 0


cdef int load_data(CPUX86State *env, int seg, uint32_t selector) noexcept nogil:
    cdef uint32_t flags, dpl
    cdef uint64_t e
    if selector & 0xFFFC == 0:
        load_seg_null(env, seg, selector)
        return 0
    if load_descriptor(env, selector, &e, EXCP0D_GPF, 0):
        return 1
    flags = desc_flags(e)
    if not flags & DESC_S or flags & (DESC_CS | DESC_R) == DESC_CS:
        return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)
    if flags & (DESC_CS | DESC_C) != DESC_CS | DESC_C:
        dpl = desc_dpl(e)
        if selector & 3 > dpl or cpu_cpl(env) > dpl:
            return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)
    if not flags & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    if set_accessed(env, selector, &e):
        return 1
    fill_from_desc(&env.segs[seg], selector, e)
    return 0


cdef int helper_load_seg(CPUX86State *env, int seg, uint32_t selector) noexcept nogil:
    if not env.cr[0] & CR0_PE:
        load_seg_real(env, seg, selector)
    elif env.eflags & VM_MASK:
        load_seg_vm86(env, seg, selector)
    elif seg == R_SS:
        if load_ss(env, selector):
            return 1
    elif load_data(env, seg, selector):
        return 1
    if seg <= R_DS:
        update_hflags(env)
    return 0


# ---------------------------------------------------------------- LDTR, TR
cdef int helper_lldt(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint64_t e
    if selector & 0xFFFC == 0:
        fill_seg_cache(&env.segs[R_LDTR], selector, 0, 0, 0)
        return 0
    if selector & 4:
        return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)
    if load_descriptor(env, selector, &e, EXCP0D_GPF, 0):
        return 1
    if desc_type(e) != SYS_LDT:
        return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    fill_from_desc(&env.segs[R_LDTR], selector, e)
    return 0


cdef int helper_ltr(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint64_t e
    if selector & 0xFFFC == 0:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    if selector & 4:
        return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)
    if load_descriptor(env, selector, &e, EXCP0D_GPF, 0):
        return 1
    if desc_type(e) != SYS_TSS16 and desc_type(e) != SYS_TSS32:
        return raise_exception_err(env, EXCP0D_GPF, selector & 0xFFFC)
    if not desc_flags(e) & DESC_P:
        return raise_exception_err(env, EXCP0B_NOSEG, selector & 0xFFFC)
    if set_tss_busy(env, selector, True):
        return 1
    fill_from_desc(&env.segs[R_TR], selector, e | <uint64_t> DESC_TSS_BUSY << 32)
    return 0


# ---------------------------------------------------------------- LAR, LSL, VERR, VERW
cdef inline int visible(CPUX86State *env, uint32_t selector, uint64_t *e) noexcept nogil:
    """1: the descriptor exists; 0: null or beyond the limit; -1: page fault pending."""
    cdef int status
    if selector & 0xFFFC == 0:
        return 0
    status = read_descriptor(env, selector, e)
    return -1 if status == 1 else status == 0


cdef inline bint privileged(CPUX86State *env, uint32_t selector, uint64_t e) noexcept nogil:
    """CPL and RPL may see a segment of this DPL; conforming code is seen by everybody."""
    cdef uint32_t dpl = desc_dpl(e)
    if desc_flags(e) & (DESC_S | DESC_CS | DESC_C) == DESC_S | DESC_CS | DESC_C:
        return True
    return <uint32_t> cpu_cpl(env) <= dpl and selector & 3 <= dpl


# Types that LAR and LSL accept, one bit for each of desc_type's 32 values (vol. 2, LAR and LSL).
cdef enum:
    LAR_TYPES = (1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_CALL16 | 1 << SYS_TASK_GATE
                 | 1 << SYS_TSS32 | 1 << SYS_TSS32_BUSY | 1 << SYS_CALL32)
    LSL_TYPES = 1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_TSS32 | 1 << SYS_TSS32_BUSY


cdef int told_of(CPUX86State *env, uint32_t selector, uint32_t types, uint64_t *e) noexcept nogil:
    """May LAR or LSL tell of this descriptor? -1: fault pending."""
    cdef int found = visible(env, selector, e)
    if found <= 0:
        return found
    return (desc_flags(e[0]) & DESC_S != 0 or types >> desc_type(e[0]) & 1) and privileged(env, selector, e[0])


cdef int helper_lar(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint64_t e
    cdef int told = told_of(env, selector, LAR_TYPES, &e)
    if told > 0:
        env.t[1] = desc_flags(e) & 0xF0FF00
    return told


cdef int helper_lsl(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint64_t e
    cdef int told = told_of(env, selector, LSL_TYPES, &e)
    if told > 0:
        env.t[1] = desc_limit(e)
    return told


cdef int helper_verr(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint64_t e
    cdef int found = visible(env, selector, &e)
    if found <= 0:
        return found
    if not desc_flags(e) & DESC_S or desc_flags(e) & (DESC_CS | DESC_R) == DESC_CS:
        return 0
    return privileged(env, selector, e)


cdef int helper_verw(CPUX86State *env, uint32_t selector) noexcept nogil:
    cdef uint64_t e
    cdef int found = visible(env, selector, &e)
    if found <= 0:
        return found
    if desc_flags(e) & (DESC_S | DESC_CS | DESC_W) != DESC_S | DESC_W:
        return 0
    return privileged(env, selector, e)


# ---------------------------------------------------------------- I/O permission
cdef int check_io(CPUX86State *env, uint16_t port, int size) noexcept nogil:
    cdef SegmentCache *tss = &env.segs[R_TR]
    cdef int64_t map_base, bits
    cdef uint32_t offset
    sse_leave(env)      # every port access comes by here, and the port may be Python's
    if not env.cr[0] & CR0_PE:
        return 0
    if not env.eflags & VM_MASK and <uint32_t> cpu_cpl(env) <= (env.eflags & IOPL_MASK) >> IOPL_SHIFT:
        return 0
    if tss.flags & DESC_P and tss.flags & 1 << 11 and tss.limit >= 103:
        map_base = ld16_k(env, <uint32_t> (tss.base + 102))
        if map_base < 0:
            return 1
        # Two bytes are always read, so that an access may straddle them; both lie within the limit.
        offset = <uint32_t> map_base + (port >> 3)
        if offset + 1 <= tss.limit:
            bits = ld16_k(env, <uint32_t> (tss.base + offset))
            if bits < 0:
                return 1
            if bits >> (port & 7) & ((1 << size) - 1) == 0:
                return 0
    return raise_exception_err(env, EXCP0D_GPF, 0)
