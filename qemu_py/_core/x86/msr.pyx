"""Model-specific registers and the time-stamp counter.

Source: SDM vol. 4 (P6 family and architectural MSRs), vol. 3, 10.4.4 (APIC base), 11.11 (MTRRs), 11.12 (PAT),
15.3 (machine check), 17.17 (TSC). MTRRs and PAT are storage: nothing is cached. Nothing is counted: the performance
counters and their event selects read as 0 and take any value, by which a guest that looks finds that there are none. Not
modelled: last-branch records, microcode updates, moving the APIC's page (a device owns it).
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from qemu_py._core.cpu cimport (
    CPUX86State, CF_USE_ICOUNT, CPUF_APIC, CPUF_MCE, CPUF_MTRR, CPUF_NX, CPUF_PAT, CPUF_SEP, CPUF_TSC, CPUF_686)
from qemu_py._core.dispatch cimport core_log
from qemu_py._core.guesttime cimport TimeBase, time_ns
from qemu_py._core.softmmu cimport tlb_flush

cdef extern from *:
    """
    #if defined(__x86_64__)
    #include <x86intrin.h>
    static inline uint64_t qp_host_ticks(void) { return __rdtsc(); }
    #else
    #include <time.h>
    static inline uint64_t qp_host_ticks(void) {
        struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
    }
    #endif
    #define QP_LOG_GUEST_ERROR (1 << 11)
    """
    uint64_t host_ticks "qp_host_ticks"() noexcept nogil
    uint32_t LOG_GUEST_ERROR "QP_LOG_GUEST_ERROR"

cdef enum:
    MSR_P5_MC_ADDR = 0x00
    MSR_P5_MC_TYPE = 0x01
    MSR_TSC = 0x10
    MSR_PLATFORM_ID = 0x17
    MSR_APIC_BASE = 0x1B
    MSR_EBL_CR_POWERON = 0x2A
    MSR_BIOS_UPDT_TRIG = 0x79
    MSR_BIOS_SIGN_ID = 0x8B
    MSR_PERFCTR0 = 0xC1
    MSR_PERFCTR1 = 0xC2
    MSR_MTRRCAP = 0xFE
    MSR_SYSENTER_CS = 0x174
    MSR_SYSENTER_ESP = 0x175
    MSR_SYSENTER_EIP = 0x176
    MSR_MCG_CAP = 0x179
    MSR_MCG_STATUS = 0x17A
    MSR_MCG_CTL = 0x17B
    MSR_PERFEVTSEL0 = 0x186
    MSR_PERFEVTSEL1 = 0x187
    MSR_MISC_ENABLE = 0x1A0
    MSR_DEBUGCTL = 0x1D9
    MSR_LBR_FIRST = 0x1DB       # LastBranchFromIP .. LastExceptionToIP: read as 0
    MSR_LBR_LAST = 0x1DE
    MSR_MTRR_PHYSBASE0 = 0x200
    MSR_MTRR_PHYSMASK7 = 0x20F
    MSR_MTRR_FIX64K = 0x250
    MSR_MTRR_FIX16K_80000 = 0x258
    MSR_MTRR_FIX16K_A0000 = 0x259
    MSR_MTRR_FIX4K_FIRST = 0x268
    MSR_MTRR_FIX4K_LAST = 0x26F
    MSR_PAT = 0x277
    MSR_MTRR_DEFTYPE = 0x2FF
    MSR_MC0_CTL = 0x400
    MSR_MC4_MISC = 0x413
    MCG_CAP_VALUE = 0x105       # CTL_P, five banks
    MTRRCAP_VALUE = 0x508       # WC, fixed ranges, eight variable ones
    APIC_BASE_BSP = 1 << 8
    APIC_BASE_ENABLE = 1 << 11
    EFER_NXE = 1 << 11

cdef extern from *:
    """
    #define QP_MSR_EFER 0xC0000080U
    #define QP_PHYS_MASK 0xFFFFFFFFFULL         /* 36 physical address bits */
    """
    uint32_t MSR_EFER "QP_MSR_EFER"
    uint64_t PHYS_MASK "QP_PHYS_MASK"


cdef uint64_t cpu_get_tsc(CPUX86State *env) noexcept nogil:
    # With counted instructions time is a function of them: one tick each.
    if env.tb_cflags & CF_USE_ICOUNT:
        return env.insn_count + env.tsc_offset
    if env.tbx.time != NULL:            # 1 GHz, whatever the host has: it agrees with the other clocks, and stands still with them
        return time_ns(<TimeBase *> env.tbx.time) + env.tsc_offset
    return host_ticks() + env.tsc_offset


cdef inline bint memory_type(uint32_t type) noexcept nogil:
    """UC, WC, WT, WP, WB (vol. 3, table 11-2)."""
    return type < 7 and type != 2 and type != 3


cdef bint memory_types(uint64_t value, bint pat) noexcept nogil:
    """Eight types, one a byte; a PAT may hold UC- (7) too."""
    cdef uint32_t type
    cdef int i
    for i in range(8):
        type = <uint32_t> (value >> (8 * i)) & 0xFF
        if not memory_type(type) and not (pat and type == 7):
            return False
    return True


cdef inline bint counts_events(uint32_t index) noexcept nogil:
    return MSR_PERFCTR0 <= index <= MSR_PERFCTR1 or MSR_PERFEVTSEL0 <= index <= MSR_PERFEVTSEL1


cdef int fixed_mtrr(uint32_t index) noexcept nogil:
    """Place in env.msr_mtrr_fixed, or -1."""
    if index == MSR_MTRR_FIX64K:
        return 0
    if index == MSR_MTRR_FIX16K_80000 or index == MSR_MTRR_FIX16K_A0000:
        return index - MSR_MTRR_FIX16K_80000 + 1
    if MSR_MTRR_FIX4K_FIRST <= index <= MSR_MTRR_FIX4K_LAST:
        return index - MSR_MTRR_FIX4K_FIRST + 3
    return -1


cdef void log_unknown(CPUX86State *env, const char *what, uint32_t index, uint64_t value) noexcept nogil:
    cdef char text[80]
    snprintf(text, sizeof(text), b"%s of MSR %08x, value %016llx: #GP\n", what, index, <unsigned long long> value)
    core_log(env, LOG_GUEST_ERROR, text)


cdef int read_known(CPUX86State *env, uint32_t index, uint64_t *value) noexcept nogil:
    cdef uint32_t f = env.features
    value[0] = 0
    if index == MSR_TSC:
        value[0] = cpu_get_tsc(env)
        return not f & CPUF_TSC
    if index == MSR_APIC_BASE:
        value[0] = env.msr_apic_base
        return not f & CPUF_APIC
    if MSR_SYSENTER_CS <= index <= MSR_SYSENTER_EIP:
        value[0] = (env.msr_sysenter_cs if index == MSR_SYSENTER_CS else
                    env.msr_sysenter_esp if index == MSR_SYSENTER_ESP else env.msr_sysenter_eip)
        return not f & CPUF_SEP
    if index == MSR_EFER:
        value[0] = env.msr_efer
        return not f & CPUF_NX
    if index == MSR_P5_MC_ADDR or index == MSR_P5_MC_TYPE:
        return not f & CPUF_MCE
    if not f & CPUF_686:
        return 1
    if index == MSR_MTRRCAP:
        value[0] = MTRRCAP_VALUE
        return not f & CPUF_MTRR
    if index == MSR_MTRR_DEFTYPE:
        value[0] = env.msr_mtrr_deftype
        return not f & CPUF_MTRR
    if MSR_MTRR_PHYSBASE0 <= index <= MSR_MTRR_PHYSMASK7:
        value[0] = env.msr_mtrr_var[index - MSR_MTRR_PHYSBASE0]
        return not f & CPUF_MTRR
    if fixed_mtrr(index) >= 0:
        value[0] = env.msr_mtrr_fixed[fixed_mtrr(index)]
        return not f & CPUF_MTRR
    if index == MSR_PAT:
        value[0] = env.msr_pat
        return not f & CPUF_PAT
    if index == MSR_MCG_CAP:
        value[0] = MCG_CAP_VALUE
    elif index == MSR_MCG_STATUS:
        value[0] = env.msr_mcg_status
    elif index == MSR_MCG_CTL:
        value[0] = env.msr_mcg_ctl
    elif MSR_MC0_CTL <= index <= MSR_MC4_MISC:
        value[0] = env.msr_mce_banks[index - MSR_MC0_CTL]
    elif index == MSR_MISC_ENABLE:
        value[0] = env.msr_misc_enable
    elif index == MSR_BIOS_SIGN_ID:
        value[0] = env.msr_bios_sign
    elif index == MSR_DEBUGCTL:
        value[0] = env.msr_debugctl
    elif index == MSR_EBL_CR_POWERON:
        value[0] = env.msr_ebl_cr_poweron
    elif index != MSR_PLATFORM_ID and not MSR_LBR_FIRST <= index <= MSR_LBR_LAST and not counts_events(index):
        return 1
    return 0


cdef int cpu_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value) noexcept nogil:
    if read_known(env, index, value):
        log_unknown(env, b"read", index, 0)
        return 1
    return 0


cdef int write_mtrr(CPUX86State *env, uint32_t index, uint64_t value) noexcept nogil:
    cdef int fixed = fixed_mtrr(index)
    if fixed >= 0:
        if not memory_types(value, False):
            return 1
        env.msr_mtrr_fixed[fixed] = value
    elif index == MSR_MTRR_DEFTYPE:
        if value & ~<uint64_t> 0xCFF or not memory_type(value & 0xFF):
            return 1
        env.msr_mtrr_deftype = value
    else:
        if value & ~PHYS_MASK or not index & 1 and (value & 0xF00 or not memory_type(value & 0xFF)):
            return 1
        if index & 1 and value & 0x7FF:
            return 1
        env.msr_mtrr_var[index - MSR_MTRR_PHYSBASE0] = value
    return 0


cdef int write_known(CPUX86State *env, uint32_t index, uint64_t value) noexcept nogil:
    cdef uint32_t f = env.features
    if index == MSR_TSC:
        if not f & CPUF_TSC:
            return 1
        # P6: only the low half is written, the high half becomes 0.
        if not f & CPUF_NX:
            value &= 0xFFFFFFFFU
        env.tsc_offset = <int64_t> (value - (cpu_get_tsc(env) - env.tsc_offset))
        return 0
    if index == MSR_APIC_BASE:
        if not f & CPUF_APIC or value & ~(PHYS_MASK & ~<uint64_t> 0x6FF):
            return 1
        env.msr_apic_base = (value & ~<uint64_t> APIC_BASE_BSP) | (env.msr_apic_base & APIC_BASE_BSP)
        return 0
    if MSR_SYSENTER_CS <= index <= MSR_SYSENTER_EIP:
        if not f & CPUF_SEP:
            return 1
        if index == MSR_SYSENTER_CS:
            env.msr_sysenter_cs = value & 0xFFFFFFFFU
        elif index == MSR_SYSENTER_ESP:
            env.msr_sysenter_esp = value & 0xFFFFFFFFU
        else:
            env.msr_sysenter_eip = value & 0xFFFFFFFFU
        return 0
    if index == MSR_EFER:
        if not f & CPUF_NX or value & ~<uint64_t> EFER_NXE:
            return 1
        if env.msr_efer != value:
            env.msr_efer = value
            tlb_flush(env)
        return 0
    if index == MSR_P5_MC_ADDR or index == MSR_P5_MC_TYPE:
        return not f & CPUF_MCE
    if not f & CPUF_686:
        return 1
    if MSR_MTRR_PHYSBASE0 <= index <= MSR_MTRR_DEFTYPE and index != MSR_PAT:
        if not f & CPUF_MTRR or index > MSR_MTRR_PHYSMASK7 and index != MSR_MTRR_DEFTYPE and fixed_mtrr(index) < 0:
            return 1
        return write_mtrr(env, index, value)
    if index == MSR_PAT:
        if not f & CPUF_PAT or not memory_types(value, True):
            return 1
        env.msr_pat = value
    elif index == MSR_MCG_STATUS:
        if value & ~<uint64_t> 7:
            return 1
        env.msr_mcg_status = value
    elif index == MSR_MCG_CTL:
        if value != 0 and ~value != 0:
            return 1
        env.msr_mcg_ctl = value
    elif MSR_MC0_CTL <= index <= MSR_MC4_MISC:
        # CTL: all ones or zeros; STATUS, ADDR, MISC: only zero may be written
        if value != 0 and (index & 3 or ~value != 0):
            return 1
        env.msr_mce_banks[index - MSR_MC0_CTL] = value
    elif index == MSR_MISC_ENABLE:
        env.msr_misc_enable = value
    elif index == MSR_BIOS_SIGN_ID:
        env.msr_bios_sign = value
    elif index == MSR_DEBUGCTL:
        env.msr_debugctl = value & 0x7F
    elif index == MSR_EBL_CR_POWERON:
        env.msr_ebl_cr_poweron = value
    elif index != MSR_BIOS_UPDT_TRIG and not counts_events(index):
        return 1
    return 0


cdef int cpu_wrmsr(CPUX86State *env, uint32_t index, uint64_t value) noexcept nogil:
    if write_known(env, index, value):
        log_unknown(env, b"write", index, value)
        return 1
    return 0
