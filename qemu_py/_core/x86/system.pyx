"""Flags and IOPL, CPUID, MSR and time-stamp instructions, fast system calls, MOV CRn, DRn.

Source: SDM vol. 2 (operation sections of POPF, PUSHF, CLI, STI, CPUID, RDTSC, SYSENTER, SYSEXIT, MOV), vol. 3,
2.5 (control registers), 17.2 (debug registers), 20.3.2 (virtual interrupts of VME and PVI).
"""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport (
    CPUX86State, SegmentCache, R_EAX, R_EBX, R_ECX, R_EDX, R_ESP, R_CS, R_SS, CR0_PE, CR4_VME, CR4_PVI, CR4_TSD, CR4_DE,
    CR4_PCE, CC_MASK, TF_MASK, IF_MASK, DF_MASK, IOPL_MASK, IOPL_SHIFT, NT_MASK, RF_MASK, VM_MASK, AC_MASK,
    VIF_MASK, VIP_MASK, ID_MASK, EXCP01_DB, EXCP06_ILLOP, EXCP0D_GPF, DESC_A, DESC_E, DESC_R, DESC_W, DESC_CS, DESC_S, DESC_P,
    DESC_B, DESC_G, DESC_DPL_MASK, HF_TF, HF_AC, HF_RF, HF_VM, HF_INHIBIT_IRQ, CPUF_CPUID, CPUF_APIC, CPUF_CLFSH)
from qemu_py._core.flags cimport cpu_get_eflags, cpu_put_eflags
from qemu_py._core.x86.control cimport cpu_x86_update_cr0, cpu_x86_update_cr3, cpu_x86_update_cr4
from qemu_py._core.x86.debug cimport DR6_BD, DR7_GD, set_dr7, update_hw_breakpoints
from qemu_py._core.x86.msr cimport cpu_get_tsc, cpu_rdmsr, cpu_wrmsr
from qemu_py._core.x86.state cimport (
    cpu_cpl, cpu_set_cpl, fill_seg_cache, raise_exception, raise_exception_err, update_hflags, update_ring)


cdef inline int gp(CPUX86State *env) noexcept nogil:
    return raise_exception_err(env, EXCP0D_GPF, 0)

cdef inline uint32_t iopl(CPUX86State *env) noexcept nogil:
    return (env.eflags & IOPL_MASK) >> IOPL_SHIFT

cdef inline void interrupts_may_be_open(CPUX86State *env) noexcept nogil:
    if env.interrupt_request:
        env.exit_request = 1


# ---------------------------------------------------------------- EFLAGS
cdef int helper_pushf(CPUX86State *env, int size) noexcept nogil:
    cdef uint32_t flags = cpu_get_eflags(env) & ~<uint32_t> (VM_MASK | RF_MASK)
    if env.eflags & VM_MASK and iopl(env) < 3:
        if size == 4 or not env.cr[4] & CR4_VME:
            return gp(env)
        flags = (flags & ~<uint32_t> IF_MASK) | IOPL_MASK | (IF_MASK if flags & VIF_MASK else 0)
    env.t[0] = flags
    return 0


cdef enum:
    POPF_ANYBODY = CC_MASK | TF_MASK | DF_MASK | NT_MASK

cdef int helper_popf(CPUX86State *env, uint32_t value, int size) noexcept nogil:
    cdef uint32_t mask = POPF_ANYBODY
    cdef uint32_t cpl = cpu_cpl(env)
    if size == 4:
        mask |= AC_MASK | ID_MASK
    if not env.eflags & VM_MASK:
        if cpl <= iopl(env):
            mask |= IF_MASK
        if cpl == 0:
            mask |= IOPL_MASK
        if size == 4:                   # VIP and VIF are cleared (vol. 2, table of POPF)
            mask |= VIP_MASK | VIF_MASK
            value &= ~<uint32_t> (VIP_MASK | VIF_MASK)
    elif iopl(env) == 3:
        mask |= IF_MASK
    else:
        if size == 4 or not env.cr[4] & CR4_VME or value & TF_MASK or value & IF_MASK and env.eflags & VIP_MASK:
            return gp(env)
        mask |= VIF_MASK
        value = (value & ~<uint32_t> VIF_MASK) | (VIF_MASK if value & IF_MASK else 0)
    cpu_put_eflags(env, value & ~<uint32_t> RF_MASK, mask | RF_MASK)
    if env.eflags & (TF_MASK | AC_MASK) or env.hflags & (HF_TF | HF_AC):
        update_hflags(env)
    if env.eflags & IF_MASK:
        interrupts_may_be_open(env)
    return 0


cdef inline bint virtual_if(CPUX86State *env) noexcept nogil:
    """Does the program, which may not change IF, have VIF instead?"""
    if env.eflags & VM_MASK:
        return env.cr[4] & CR4_VME != 0
    return cpu_cpl(env) == 3 and env.cr[4] & CR4_PVI != 0


cdef int helper_cli(CPUX86State *env) noexcept nogil:
    if not env.cr[0] & CR0_PE or <uint32_t> cpu_cpl(env) <= iopl(env):     # virtual-8086: CPL is 3
        env.eflags &= ~<uint32_t> IF_MASK
    elif virtual_if(env):
        env.eflags &= ~<uint32_t> VIF_MASK
    else:
        return gp(env)
    return 0


cdef int helper_sti(CPUX86State *env) noexcept nogil:
    if not env.cr[0] & CR0_PE or <uint32_t> cpu_cpl(env) <= iopl(env):
        if not env.eflags & IF_MASK:
            env.eflags |= IF_MASK
            env.hflags |= HF_INHIBIT_IRQ
            interrupts_may_be_open(env)
        return 0
    if virtual_if(env) and not env.eflags & VIP_MASK:
        env.eflags |= VIF_MASK
        return 0
    return gp(env)


# ---------------------------------------------------------------- MSRs, TSC
cdef inline void set_edx_eax(CPUX86State *env, uint64_t value) noexcept nogil:
    env.regs[R_EAX] = value & 0xFFFFFFFFU
    env.regs[R_EDX] = value >> 32


cdef int helper_rdmsr(CPUX86State *env) noexcept nogil:
    cdef uint64_t value
    if cpu_rdmsr(env, <uint32_t> env.regs[R_ECX], &value):
        return gp(env)
    set_edx_eax(env, value)
    return 0


cdef int helper_wrmsr(CPUX86State *env) noexcept nogil:
    if cpu_wrmsr(env, <uint32_t> env.regs[R_ECX], env.regs[R_EDX] << 32 | <uint32_t> env.regs[R_EAX]):
        return gp(env)
    return 0


cdef int helper_rdtsc(CPUX86State *env) noexcept nogil:
    if env.cr[4] & CR4_TSD and cpu_cpl(env) != 0:
        return gp(env)
    set_edx_eax(env, cpu_get_tsc(env))
    return 0


cdef int helper_rdpmc(CPUX86State *env) noexcept nogil:
    cdef uint32_t index = <uint32_t> env.regs[R_ECX]
    if cpu_cpl(env) != 0 and not env.cr[4] & CR4_PCE or index > 1:
        return gp(env)
    set_edx_eax(env, 0)                 # nothing is counted (msr.pyx)
    return 0


# ---------------------------------------------------------------- CPUID
cdef void cpu_x86_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf, uint32_t *out) noexcept nogil:
    cdef int i
    out[0] = out[1] = out[2] = out[3] = 0
    # Beyond the last leaf: the data of the highest basic one (vol. 2, CPUID).
    if leaf > (env.cpuid_xlevel if leaf & 0x80000000U else env.cpuid_level):
        leaf = env.cpuid_level
    if leaf == 0:
        out[0] = env.cpuid_level
        out[1] = env.cpuid_vendor[0]
        out[2] = env.cpuid_vendor[2]
        out[3] = env.cpuid_vendor[1]
    elif leaf == 1:
        out[0] = env.cpuid_version
        out[1] = env.apic_id << 24 | (8 << 8 if env.features & CPUF_CLFSH else 0)
        out[2] = env.cpuid_ext_features
        out[3] = env.cpuid_features
        if env.features & CPUF_APIC and not env.msr_apic_base & 1 << 11:
            out[3] &= ~<uint32_t> (1 << 9)
    elif leaf == 2:
        for i in range(4):
            out[i] = env.cpuid_cache[i]
    elif leaf == 0x80000000U:
        out[0] = env.cpuid_xlevel
    elif leaf == 0x80000001U:
        out[3] = env.cpuid_ext2_features
    elif 0x80000002U <= leaf <= 0x80000004U:
        for i in range(4):
            out[i] = env.cpuid_model[(leaf - 0x80000002U) * 4 + i]


cdef void helper_cpuid(CPUX86State *env) noexcept nogil:
    cdef uint32_t out[4]
    cpu_x86_cpuid(env, <uint32_t> env.regs[R_EAX], <uint32_t> env.regs[R_ECX], out)
    env.regs[R_EAX] = out[0]
    env.regs[R_EBX] = out[1]
    env.regs[R_ECX] = out[2]
    env.regs[R_EDX] = out[3]


# ---------------------------------------------------------------- SYSENTER, SYSEXIT
cdef enum:
    FLAT_DATA = DESC_G | DESC_B | DESC_P | DESC_S | DESC_W | DESC_A
    FLAT_CODE = DESC_G | DESC_B | DESC_P | DESC_S | DESC_CS | DESC_R | DESC_A
    FLAT_MASK = FLAT_DATA | FLAT_CODE | DESC_E


cdef inline bint is_flat(SegmentCache *s, uint32_t flags) noexcept nogil:
    """As load_flat would fill it, but for the selector and the DPL."""
    return s.base == 0 and s.limit == 0xFFFFFFFFU and s.flags & FLAT_MASK == flags


cdef void load_flat(CPUX86State *env, uint32_t code, uint32_t stack, uint32_t cpl) noexcept nogil:
    cdef uint32_t dpl = DESC_DPL_MASK if cpl else 0
    cdef SegmentCache *cs = &env.segs[R_CS]
    cdef SegmentCache *ss = &env.segs[R_SS]
    code = (code & 0xFFFC) | cpl
    stack = (stack & 0xFFFC) | cpl
    if (is_flat(cs, FLAT_CODE) and is_flat(ss, FLAT_DATA)
            and not env.eflags & (VM_MASK | TF_MASK | AC_MASK | RF_MASK) and not env.hflags & (HF_VM | HF_TF | HF_AC | HF_RF)):
        cs.selector = code              # from one flat ring to another: all else holds still
        cs.flags = FLAT_CODE | dpl
        ss.selector = stack
        ss.flags = FLAT_DATA | dpl
        update_ring(env, cpl)
        return
    fill_seg_cache(cs, code, 0, 0xFFFFFFFFU, FLAT_CODE | dpl)
    fill_seg_cache(ss, stack, 0, 0xFFFFFFFFU, FLAT_DATA | dpl)
    cpu_set_cpl(env, cpl)


cdef int helper_sysenter(CPUX86State *env) noexcept nogil:
    cdef uint32_t selector = <uint32_t> env.msr_sysenter_cs
    if not env.cr[0] & CR0_PE or selector & 0xFFFC == 0:
        return gp(env)
    env.eflags &= ~<uint32_t> (VM_MASK | IF_MASK | RF_MASK)
    env.regs[R_ESP] = env.msr_sysenter_esp
    env.eip = env.msr_sysenter_eip
    load_flat(env, selector, selector + 8, 0)
    return 0


cdef int helper_sysexit(CPUX86State *env) noexcept nogil:
    cdef uint32_t selector = <uint32_t> env.msr_sysenter_cs
    if not env.cr[0] & CR0_PE or cpu_cpl(env) != 0 or selector & 0xFFFC == 0:
        return gp(env)
    env.regs[R_ESP] = env.regs[R_ECX]
    env.eip = env.regs[R_EDX]
    load_flat(env, selector + 16, selector + 24, 3)
    return 0


# ---------------------------------------------------------------- MOV CRn, DRn
cdef int helper_read_cr(CPUX86State *env, int n) noexcept nogil:
    if n == 1 or n > 4 or n == 4 and not env.features & CPUF_CPUID:
        return raise_exception(env, EXCP06_ILLOP)
    env.t[0] = <uint32_t> env.cr[n]
    return 0


cdef int helper_write_cr(CPUX86State *env, int n, uint32_t value) noexcept nogil:
    if n == 0:
        return cpu_x86_update_cr0(env, value)
    if n == 2:
        env.cr[2] = value
        return 0
    if n == 3:
        return cpu_x86_update_cr3(env, value)
    if n == 4 and env.features & CPUF_CPUID:
        return cpu_x86_update_cr4(env, value)
    return raise_exception(env, EXCP06_ILLOP)


cdef int helper_lmsw(CPUX86State *env, uint32_t value) noexcept nogil:
    # PE can be set but not cleared.
    return cpu_x86_update_cr0(env, (<uint32_t> env.cr[0] & ~<uint32_t> 0xE) | (value & 0xF))


cdef inline int debug_register(CPUX86State *env, int *n) noexcept nogil:
    """DR4 and DR5 are DR6 and DR7 unless CR4.DE is set; DR7.GD guards them all."""
    if n[0] == 4 or n[0] == 5:
        if env.cr[4] & CR4_DE:
            return raise_exception(env, EXCP06_ILLOP)
        n[0] += 2
    if env.dr[7] & DR7_GD:
        env.dr[6] |= DR6_BD
        return raise_exception(env, EXCP01_DB)
    return 0


cdef int helper_read_dr(CPUX86State *env, int n) noexcept nogil:
    if debug_register(env, &n):
        return 1
    env.t[0] = <uint32_t> env.dr[n]
    return 0


cdef int helper_write_dr(CPUX86State *env, int n, uint32_t value) noexcept nogil:
    if debug_register(env, &n):
        return 1
    if n == 6:
        env.dr[6] = (value & 0xE00F) | <uint32_t> 0xFFFF0FF0U
    elif n == 7:
        set_dr7(env, value)
    else:
        env.dr[n] = value
        if env.dr[7] & 0xFF:
            update_hw_breakpoints(env)
    return 0
