"""Ways into and out of host code.

Guest registers are where the host has those of the same name, but ESP, which is R15; R14 is env (asm.pxd says how), R13 env.site_epoch, R11 T0.
R8-R10 are free. At a TB's head everything else of the CPU is in env, flags too, but for what env.fp_live names.
"""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy
from qemu_py._core.cpu cimport (CC_O, CPUTLBEntry, FP_LIVE_MXCSR, FP_LIVE_X87, FP_LIVE_XMM, TARGET_PAGE_MASK,
                                TBJmpCacheEntry)
from qemu_py._core.flags cimport compute_all
from qemu_py._core.host.access cimport NO_SITE
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.buffer cimport HOST_CONTEXTS, HostJmpEntry, host_jmp_entry
from qemu_py._core.host.flagstate cimport emit_load_flags
from qemu_py._core.ir.interp cimport TB_EXIT, goto_tb
from qemu_py._core.ir.table cimport op_table
from qemu_py._core.softmmu cimport ACCESS_READ, ACCESS_WRITE, tb_still_mapped, tlb_code_page_to_host, tlb_vaddr_to_host
from qemu_py._core.tb cimport tb_jmp_cache_hash_func
from qemu_py._core.x86.fp_live cimport x87_image, x87_leave
from qemu_py._core.x86.fpu cimport FPUC_MASKS
from qemu_py._core.x86.mxcsr cimport MXCSR_MASKS

cdef CPUX86State *E = NULL      # for offsets

cdef inline int32_t off(void *field) noexcept nogil:
    return <int32_t> <uintptr_t> field


# ---------------------------------------------------------------- what the stubs call
cdef uintptr_t op_return(CPUX86State *env, IROp *op) noexcept nogil:
    """Stands behind an op that is called alone."""
    return TB_NEXT


cdef uintptr_t host_goto(CPUX86State *env, TranslationBlock *tb, int n) noexcept nogil:
    env.current_tb = tb
    return goto_tb(env, n)


cdef void host_remember(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    cdef HostJmpEntry *j
    if tb.tc_context < HOST_CONTEXTS:
        j = host_jmp_entry(env, tb)
        j.key = <uint32_t> env.eip + env.site_epoch
        j.target = tb.tc_body


cdef uintptr_t host_lookup(CPUX86State *env) noexcept nogil:
    """lookup_tb_ptr, and remember where it went for the next time."""
    cdef uint64_t pc = <uint32_t> (env.segs[1].base + env.eip)
    cdef TBJmpCacheEntry *e = &env.tb_jmp_cache[tb_jmp_cache_hash_func(pc)]
    cdef TranslationBlock *to = e.tb
    if (to != NULL and to.pc == pc and to.flags == env.hflags and to.cs_base == env.cs_key
            and env.exit_request == 0 and (e.epoch == env.code_epoch or tb_still_mapped(env, to))):
        e.epoch = env.code_epoch
        if to.tc_ptr != NULL:
            host_remember(env, to)
        env.current_tb = to
        return to.ir.fn(env, to.ir)
    return TB_EXIT


cdef enum:              # host_fill
    FILL_NONE = 0
    FILL_PAGE = 1
    FILL_BOUNCED = 2

cdef enum:
    GROUP_PATIENCE = 16         # failures of a group

cdef int page_addend(CPUX86State *env, uint32_t va, uint32_t write, uint64_t *addend, uint32_t *no_site) noexcept nogil:
    """Of RAM that may be accessed at once; a page that is to be written must be in the TLB, for a walk would set D."""
    cdef CPUTLBEntry *e = &env.tlb_cur[(va >> 12) & 1023]
    if write:
        if e.addr_write != ((va & ~<uint64_t> 0xFFF) | env.tlb_epoch):
            return 0
    elif tlb_vaddr_to_host(env, va, ACCESS_READ, env.mmu_idx) == NULL:
        return 0
    addend[0] = e.addend
    no_site[0] |= env.iotlb[env.mmu_idx][(va >> 12) & 1023].no_site
    return 1


cdef int host_fill(CPUX86State *env, uint32_t va, uint32_t size, uint32_t write) noexcept nogil:
    """Make the TLB entry for an access, if it is to plain RAM and raises nothing. One to two pages that are neighbours in the
    host, and one beside translated code, may be done this once; what is read from two others is read here, to env.bounce."""
    cdef uint32_t room = 0x1000 - (va & 0xFFF)
    cdef uint32_t no_site = 0
    cdef uint64_t addend, next_addend
    cdef uint8_t *low
    cdef uint8_t *high_
    if room >= size:
        if tlb_vaddr_to_host(env, va, ACCESS_WRITE if write else ACCESS_READ, env.mmu_idx) != NULL:
            return FILL_PAGE
        low = tlb_code_page_to_host(env, va, size, False) if write else NULL
        env.bounce_addend = <uint64_t> <uintptr_t> low - va
        return FILL_BOUNCED if low != NULL else FILL_NONE
    if va + room == 0:
        return FILL_NONE
    if (page_addend(env, va, write, &addend, &no_site) and page_addend(env, va + room, write, &next_addend, &no_site)
            and addend == next_addend):
        env.bounce_addend = addend
        return FILL_BOUNCED
    if write:
        return FILL_NONE
    low = tlb_vaddr_to_host(env, va, ACCESS_READ, env.mmu_idx)
    if low == NULL:
        return FILL_NONE
    memcpy(env.bounce, low, room)
    high_ = tlb_vaddr_to_host(env, va + room, ACCESS_READ, env.mmu_idx)
    if high_ == NULL:
        return FILL_NONE
    memcpy(env.bounce + room, high_, size - room)
    env.bounce_addend = <uint64_t> <uintptr_t> env.bounce - va
    return FILL_BOUNCED


ctypedef void (*replain_fn)(CPUX86State *env, TranslationBlock *tb) noexcept nogil

cdef int host_group(CPUX86State *env, uint32_t va, uint32_t span, uint32_t write, uint64_t *site, int base) noexcept nogil:
    """Fill a group's site: page + epoch, addend, how far into it the group may start; and count failures."""
    cdef TranslationBlock *tb = env.current_tb
    cdef uint32_t first = va & ~<uint32_t> 0xFFF
    cdef uint32_t last = (va + span - 1) & ~<uint32_t> 0xFFF
    cdef uint64_t low = 0, high_ = 0
    cdef uint32_t no_site = 0
    if (va + span - 1 >= va and page_addend(env, va, write, &low, &no_site)
            and (first == last or page_addend(env, last, write, &high_, &no_site) and low == high_)):
        site[0] = NO_SITE if no_site else first + env.site_epoch
        site[1] = low
        site[2] = last - first + 0x1000 - span + 1
        return 1
    site[3] += 1
    if site[3] > GROUP_PATIENCE and not tb.host_plain >> base & 1:
        tb.host_plain |= 1 << base
        (<replain_fn> (<HostBuffer *> env.tbx.host).replain)(env, tb)
    return 0


cdef uintptr_t host_call_cold(CPUX86State *env, IROp *op) noexcept nogil:
    """One op by its interpreter's function."""
    env.cold_op[0] = op[0]
    env.cold_op[1].fn = op_return
    return op_table()[op.opc].fn(env, &env.cold_op[0])


cdef uint32_t host_flags(CPUX86State *env) noexcept nogil:
    """For ADD AL, 7Fh and SAHF: AL is OF, AH the rest."""
    cdef uint32_t f = compute_all(env)
    return (f & 0xD5) << 8 | (1 if f & CC_O else 0)


# ---------------------------------------------------------------- the stubs
cdef int *SAVED = [RBX, RBP, R12, R13, R14, R15]
cdef int *PROBE_SIZES = [1, 2, 4, 8, 16, 10]    # by probe_index
cdef int *HOST_REG = [RAX, RCX, RDX, RBX, R15, RBP, RSI, RDI]

cdef void spill(Asm *a) noexcept nogil:
    cdef int i
    for i in range(8):
        st(a, 8, HOST_REG[i], R14, off(&E.regs[i]))

cdef void reload(Asm *a) noexcept nogil:
    cdef int i
    for i in range(8):
        ld(a, 8, HOST_REG[i], R14, off(&E.regs[i]))
    ld(a, 8, R13, R14, off(&E.site_epoch))

cdef void leave_frame(Asm *a) noexcept nogil:
    cdef int i
    alu_ri(a, 8, X_ADD, RSP, 8)
    for i in range(6):
        pop(a, SAVED[5 - i])

cdef void jmp_c(Asm *a, void *function) noexcept nogil:
    mov_ri64(a, RAX, <uint64_t> <uintptr_t> function)
    rr(a, 4, 0xFF, 4, RAX)

cdef void call_c(Asm *a, void *function) noexcept nogil:
    mov_ri64(a, RAX, <uint64_t> <uintptr_t> function)
    rr(a, 4, 0xFF, 2, RAX)


include "fp_stubs.pxi"


cdef void emit_tlb_entry(Asm *a) noexcept nogil:
    """R10: that of the address in R8; and R11, of the access' last byte, becomes the tag that it must have. The two match on one page."""
    alu_ri(a, 8, X_AND, R11, -4096)
    rm(a, 8, 0x0B, R11, R14, off(&E.tlb_epoch))
    mov_rr(a, 4, R10, R8)
    rr(a, 4, 0xC1, 5, R10)
    b1(a, 12)
    alu_ri(a, 4, X_AND, R10, 1023)
    rr(a, 4, 0xC1, 4, R10)
    b1(a, 5)
    rm(a, 8, 0x03, R10, R14, off(&E.tlb_cur))


cdef uint8_t *emit_probe(Asm *a, HostBuffer *h, int size, bint write) noexcept nogil:
    """R8: address, R9: the site. ZF: R10 is what to add to the address; else the interpreter must do it."""
    cdef uint8_t *start = a.p
    cdef uint8_t *wrap
    cdef uint8_t *miss
    cdef uint8_t *retry
    cdef uint8_t *bounced
    cdef uint8_t *skip
    cdef CPUTLBEntry *entry = NULL
    push(a, R11)
    mov_rr(a, 4, R10, R8)
    rr(a, 8, 0x3B, R10, R8)
    wrap = jcc(a, CC_NE)
    retry = a.p
    rm(a, 8, 0x8D, R11, R8, size - 1)
    emit_tlb_entry(a)
    rm(a, 8, 0x3B, R11, R10, off(&entry.addr_write) if write else off(&entry.addr_read))
    miss = jcc(a, CC_NE)
    alu_mi(a, 4, X_CMP, R10, NO_REG, off(&E.iotlb[0][0].no_site) - off(&E.tlb[0][0]), 0)
    ld(a, 8, R10, R10, off(&entry.addend))
    skip = jcc(a, CC_NE)
    mov_rr(a, 4, R11, R8)
    alu_ri(a, 4, X_AND, R11, -4096)
    rr(a, 8, 0x03, R11, R13)
    st(a, 8, R11, R9, 0)
    st(a, 8, R10, R9, 8)
    aim(skip, a.p)
    pop(a, R11)
    rr(a, 4, 0x3B, RAX, RAX)
    b1(a, 0xC3)
    aim(miss, a.p)
    push(a, R8)
    push(a, R9)
    spill(a)
    fp_keep(a)
    env_to(a, RDI)
    mov_rr(a, 4, RSI, R8)
    mov_ri64(a, RDX, size)
    mov_ri64(a, RCX, write)
    call_c(a, <void *> host_fill)
    mov_rr(a, 4, R10, RAX)
    reload(a)
    fp_kept(a, h)
    pop(a, R9)
    pop(a, R8)
    alu_ri(a, 4, X_CMP, R10, FILL_PAGE)
    aim(jcc(a, CC_E), retry)
    bounced = jcc(a, CC_A)
    aim(wrap, a.p)
    pop(a, R11)
    rr(a, 8, 0x0B, RSP, RSP)            # not zero
    b1(a, 0xC3)
    aim(bounced, a.p)
    pop(a, R11)
    ld(a, 8, R10, R14, off(&E.bounce_addend))
    rr(a, 4, 0x3B, RAX, RAX)
    b1(a, 0xC3)
    return start


cdef uint8_t *emit_group(Asm *a, HostBuffer *h, bint write) noexcept nogil:
    """R8: address, R9: the group's site, R10: bytes, and the base's number << 16. ZF: the site is filled."""
    cdef uint8_t *start = a.p
    cdef uint8_t *wrap
    cdef uint8_t *miss
    cdef uint8_t *no_site
    cdef uint8_t *done
    cdef CPUTLBEntry *entry = NULL
    push(a, R11)
    mov_rr(a, 4, R11, R8)
    rr(a, 8, 0x3B, R11, R8)
    wrap = jcc(a, CC_NE)
    push(a, R10)
    rr(a, 4, 0x0FB7, R11, R10)
    rmx(a, 8, 0x8D, R11, R8, R11, 0, -1)
    emit_tlb_entry(a)
    rm(a, 8, 0x3B, R11, R10, off(&entry.addr_write) if write else off(&entry.addr_read))
    miss = jcc(a, CC_NE)
    alu_mi(a, 4, X_CMP, R10, NO_REG, off(&E.iotlb[0][0].no_site) - off(&E.tlb[0][0]), 0)
    ld(a, 8, R11, R10, off(&entry.addend))
    pop(a, R10)
    st(a, 8, R11, R9, 8)
    no_site = jcc(a, CC_NE)
    rr(a, 4, 0x0FB7, R10, R10)
    mov_ri64(a, R11, 0x1001)
    rr(a, 8, 0x2B, R11, R10)
    st(a, 8, R11, R9, 16)
    mov_rr(a, 4, R11, R8)
    alu_ri(a, 4, X_AND, R11, -4096)
    rr(a, 8, 0x03, R11, R13)
    done = a.p
    st(a, 8, R11, R9, 0)
    pop(a, R11)
    rr(a, 4, 0x3B, RAX, RAX)
    b1(a, 0xC3)
    aim(no_site, a.p)
    mov_ri64(a, R11, NO_SITE)
    jmp_to(a, done)
    aim(miss, a.p)
    pop(a, R10)
    spill(a)
    push(a, R10)
    fp_keep(a)
    pop(a, R10)
    env_to(a, RDI)
    mov_rr(a, 4, RSI, R8)
    rr(a, 4, 0x0FB7, RDX, R10)
    mov_ri64(a, RCX, write)
    mov_rr(a, 8, R8, R9)
    mov_rr(a, 4, R9, R10)
    rr(a, 4, 0xC1, 5, R9)
    b1(a, 16)
    call_c(a, <void *> host_group)
    mov_rr(a, 4, R10, RAX)
    reload(a)
    fp_kept(a, h)
    alu_ri(a, 4, X_CMP, R10, 1)
    aim(wrap, a.p)
    pop(a, R11)
    b1(a, 0xC3)
    return start


cdef void emit_flag_call(Asm *a, HostBuffer *h, void *function) noexcept:
    """function(env), whose result goes to env.cc_scratch; only R9 and the flags are lost."""
    spill(a)
    push(a, R8)
    push(a, R10)
    push(a, R11)
    fp_keep(a)
    env_to(a, RDI)
    call_c(a, function)
    st(a, 8, RAX, R14, off(&E.cc_scratch))
    pop(a, R11)
    pop(a, R10)
    pop(a, R8)
    reload(a)
    fp_kept(a, h)


cdef void emit_stubs(HostBuffer *h) noexcept:
    cdef Asm asm_
    cdef Asm *a = &asm_
    cdef int i
    cdef uint8_t *done
    cdef uint8_t *flags_by_c
    cdef IROp *op = NULL
    a.p = h.code
    a.delta = h.delta
    emit_fp_stubs(h, a)
    h.enter = a.p                       # RDI: env, R8: where to
    for i in range(6):
        push(a, SAVED[i])
    alu_ri(a, 8, X_SUB, RSP, 8)
    rm(a, 8, 0x8D, R14, RDI, ENV_BIAS)
    reload(a)
    rr(a, 4, 0xFF, 4, R8)
    for i in range(2):                  # R8: op, R9: tb; bail0 has the op's function in R10
        if i:
            h.bail0 = a.p
        else:
            h.bail = a.p
        spill_all(a, h)
        st(a, 8, R9, R14, off(&E.current_tb))
        env_to(a, RDI)
        mov_rr(a, 8, RSI, R8)
        leave_frame(a)
        if i:
            rr(a, 4, 0xFF, 4, R10)
        else:
            rm(a, 4, 0xFF, 4, RSI, off(&op.fn))
    h.goto_tb = a.p                     # R9: tb, R10: which successor
    spill_all(a, h)
    env_to(a, RDI)
    mov_rr(a, 8, RSI, R9)
    mov_rr(a, 4, RDX, R10)
    leave_frame(a)
    jmp_c(a, <void *> host_goto)
    h.lookup = a.p                      # R8: EIP, R9: tb
    spill_all(a, h)
    st(a, 8, R9, R14, off(&E.current_tb))
    st(a, 8, R8, R14, off(&E.eip))
    env_to(a, RDI)
    leave_frame(a)
    jmp_c(a, <void *> host_lookup)
    for i in range(2):
        if i:
            h.call_cold = a.p           # R8: an op, R9: tb
            spill_all(a, h)
        else:
            h.call = a.p                # R8: copies of ops, and op_return's; R9: tb
            spill_all(a, h)
        st(a, 8, R9, R14, off(&E.current_tb))
        env_to(a, RDI)
        mov_rr(a, 8, RSI, R8)
        alu_ri(a, 8, X_SUB, RSP, 8)
        if i:
            call_c(a, <void *> host_call_cold)
        else:
            rm(a, 4, 0xFF, 2, RSI, off(&op.fn))
        alu_ri(a, 8, X_ADD, RSP, 8)
        alu_ri(a, 8, X_CMP, RAX, TB_NEXT)
        done = jcc(a, CC_NE)
        reload(a)
        b1(a, 0xC3)
        aim(done, a.p)
        alu_ri(a, 8, X_ADD, RSP, 8)
        leave_frame(a)
        b1(a, 0xC3)
    flags_by_c = a.p
    emit_flag_call(a, h, <void *> host_flags)
    mov_rr(a, 8, R9, RAX)
    ld(a, 8, RAX, R14, off(&E.cc_scratch))
    b1(a, 0x04)                         # add al, 7Fh: OF
    b1(a, 0x7F)
    b1(a, 0x9E)                         # sahf
    mov_rr(a, 8, RAX, R9)
    b1(a, 0xC3)
    h.load_flags = emit_load_flags(a, h, flags_by_c)
    for i in range(6):
        h.probe[0][i] = emit_probe(a, h, PROBE_SIZES[i], False)
        h.probe[1][i] = emit_probe(a, h, PROBE_SIZES[i], True)
    for i in range(2):
        h.group[i] = emit_group(a, h, i)
    h.first = h.code_ptr = a.p
