"""Reset, INIT and start-up IPI: the processor's state as they leave it.

Source: SDM vol. 3, table 9-1 (power-up, reset and INIT), 8.4 (MP initialisation), 9.1.4 (first
instruction). FCW is 37Fh and the x87 tags are empty, as after FNINIT, which is what every BIOS and
operating system finds or makes.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset
from qemu_py._core.cpu cimport (
    CPUX86State, R_EDX, R_CS, R_LDTR, R_TR, CR0_CD, CR0_NW, CR0_ET, CC_OP_EFLAGS, DESC_A, DESC_W, DESC_S, DESC_P,
    EXCP_NONE, HF_CPL_MASK, HF_SMM, HF_INHIBIT_IRQ)
from qemu_py._core.softmmu cimport tlb_flush
from qemu_py._core.x86.debug cimport set_dr7
from qemu_py._core.x86.msr cimport cpu_get_tsc
from qemu_py._core.x86.mxcsr cimport sse_leave
from qemu_py._core.x86.state cimport fill_seg_cache, update_hflags

cdef enum:
    APIC_BASE_BSP = 1 << 8
    SEG_RESET = DESC_P | DESC_S | DESC_W | DESC_A
    LDTR_RESET = DESC_P | 2 << 8
    TR_RESET = DESC_P | 11 << 8         # busy 32-bit TSS


cdef void reset_basic(CPUX86State *env, uint32_t cr0) noexcept nogil:
    """What reset and INIT have in common."""
    cdef int i
    for i in range(16):
        env.regs[i] = 0
    env.regs[R_EDX] = env.cpuid_version
    env.zero = 0
    env.a0 = 0
    env.eip = 0xFFF0
    env.eflags = 2
    env.cc_op = CC_OP_EFLAGS
    env.cc_src = 0
    env.cc_dst = 0
    env.df = 1
    for i in range(6):
        fill_seg_cache(&env.segs[i], 0, 0, 0xFFFF, SEG_RESET)
    fill_seg_cache(&env.segs[R_CS], 0xF000, 0xFFFF0000U, 0xFFFF, SEG_RESET)
    fill_seg_cache(&env.segs[R_LDTR], 0, 0, 0xFFFF, LDTR_RESET)
    fill_seg_cache(&env.segs[R_TR], 0, 0, 0xFFFF, TR_RESET)
    env.gdt_base = env.idt_base = 0
    env.gdt_limit = env.idt_limit = 0xFFFF
    env.cr[0] = cr0
    env.cr[2] = env.cr[3] = env.cr[4] = 0
    memset(env.pdpte, 0, sizeof(env.pdpte))
    for i in range(6):
        env.dr[i] = 0
    env.dr[6] = 0xFFFF0FF0U
    set_dr7(env, 0x400)
    env.exception_index = EXCP_NONE
    env.exception_is_int = 0
    env.old_exception = EXCP_NONE
    env.error_code = 0
    env.halted = 0
    env.in_hlt = 0
    env.nmi_blocked = 0
    env.watchpoint_flags = 0
    env.watchpoint_hit = 0
    env.hflags &= ~<uint32_t> (HF_CPL_MASK | HF_SMM | HF_INHIBIT_IRQ)
    env.kernel_global = 0
    tlb_flush(env)
    update_hflags(env)


cdef void reset_fpu(CPUX86State *env) noexcept nogil:
    sse_leave(env)
    memset(env.fpregs, 0, sizeof(env.fpregs))
    memset(env.xmm, 0, sizeof(env.xmm))
    memset(env.fptags, 1, sizeof(env.fptags))
    env.fpstt = 0
    env.fpuc = 0x37F
    env.fpus = 0
    env.mxcsr = 0x1F80
    env.fpop = env.fpcs = env.fpds = 0
    env.fpip = env.fpdp = 0
    env.ferr = 0


cdef void reset_msrs(CPUX86State *env) noexcept nogil:
    env.msr_apic_base = 0xFEE00800U | (APIC_BASE_BSP if env.cpu_index == 0 else 0)
    env.msr_efer = 0
    env.msr_pat = 0x0007040600070406U
    env.msr_sysenter_cs = env.msr_sysenter_esp = env.msr_sysenter_eip = 0
    env.msr_tsc_aux = 0
    env.tsc_offset = 0
    env.tsc_offset = -<int64_t> cpu_get_tsc(env)
    env.msr_mtrr_deftype = 0
    memset(env.msr_mtrr_fixed, 0, sizeof(env.msr_mtrr_fixed))
    memset(env.msr_mtrr_var, 0, sizeof(env.msr_mtrr_var))
    env.msr_mcg_status = 0
    env.msr_mcg_ctl = 0xFFFFFFFFFFFFFFFFU
    memset(env.msr_mce_banks, 0, sizeof(env.msr_mce_banks))
    env.msr_misc_enable = 1             # fast strings
    env.msr_bios_sign = 0
    env.msr_debugctl = 0
    env.msr_ebl_cr_poweron = 0
    memset(env.test_regs, 0, sizeof(env.test_regs))


cdef void cpu_reset(CPUX86State *env) noexcept nogil:
    env.a20_mask = 0xFFFFFFFFFFFFFFFFU
    env.smbase = 0x30000
    env.interrupt_request = 0
    env.sipi_vector = 0
    reset_fpu(env)
    reset_basic(env, CR0_CD | CR0_NW | CR0_ET)
    reset_msrs(env)


cdef void do_cpu_init(CPUX86State *env) noexcept nogil:
    cdef uint32_t cr0 = (<uint32_t> env.cr[0] & (CR0_CD | CR0_NW)) | CR0_ET
    reset_basic(env, cr0)
    env.halted = not env.msr_apic_base & APIC_BASE_BSP


cdef void do_cpu_sipi(CPUX86State *env) noexcept nogil:
    fill_seg_cache(&env.segs[R_CS], env.sipi_vector << 8, env.sipi_vector << 12, 0xFFFF, SEG_RESET)
    env.eip = 0
    env.halted = 0
    update_hflags(env)
