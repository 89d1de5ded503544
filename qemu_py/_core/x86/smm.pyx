"""System management mode: SMI# and RSM, with the P6 family's SMRAM layout.

Source: SDM vol. 3, chapter 34 (state save map: table 34-1; entry state: table 34-4; revision identifier
20000h: SMBASE relocation, no I/O trap data). The hidden parts of the segment registers lie in the
map's reserved area, 12 bytes each from 7F2Ch. Not modelled: I/O restart of IN, INS and OUTS.
"""
from libc.stdint cimport uint32_t
from qemu_py._core.cpu cimport (
    CPUX86State, R_ES, R_CS, R_DS, R_FS, R_GS, R_LDTR, R_TR, CR0_PE, CR0_EM, CR0_TS, CR0_NW, CR0_CD, CR0_PG,
    DESC_A, DESC_W, DESC_S, DESC_P, DESC_G, HF_CPL_MASK, HF_SMM, HF_INHIBIT_IRQ, EXCP06_ILLOP, EXCP_HLT,
    EXCP_TRIPLE)
from qemu_py._core.dispatch cimport cpu_smm_update
from qemu_py._core.flags cimport cpu_get_eflags, cpu_put_eflags
from qemu_py._core.physmem cimport ld_phys, st_phys
from qemu_py._core.x86.control cimport cpu_x86_set_cr, cr4_reserved_bits
from qemu_py._core.x86.debug cimport set_dr7
from qemu_py._core.x86.state cimport fill_seg_cache, raise_exception, update_hflags

cdef enum:              # offsets from SMBASE + 8000h
    SAVE_CR0 = 0x7FFC
    SAVE_CR3 = 0x7FF8
    SAVE_EFLAGS = 0x7FF4
    SAVE_EIP = 0x7FF0
    SAVE_EDI = 0x7FEC       # .. EAX at 7FD0, downwards
    SAVE_DR6 = 0x7FCC
    SAVE_DR7 = 0x7FC8
    SAVE_TR = 0x7FC4
    SAVE_LDTR = 0x7FC0
    SAVE_GS = 0x7FBC        # FS, DS, SS, CS, ES follow, downwards
    SAVE_HALT_RESTART = 0x7F02
    SAVE_IO_RESTART = 0x7F00
    SAVE_REVISION = 0x7EFC
    SAVE_SMBASE = 0x7EF8
    # in the reserved area
    SAVE_IO_RESTART_EIP = 0x7F10
    SAVE_CR4 = 0x7F14
    SAVE_CPL = 0x7F20
    SAVE_HIDDEN_IDTR = 0x7F50
    SAVE_HIDDEN_GDTR = 0x7F6C
    SMM_REVISION = 0x20000
    RESTART = 0xFF


cdef inline uint32_t get(CPUX86State *env, uint32_t offset, int size) noexcept nogil:
    return <uint32_t> ld_phys(env, <uint32_t> (env.smbase + 0x8000 + offset), size)

cdef inline void put(CPUX86State *env, uint32_t offset, uint32_t value, int size) noexcept nogil:
    st_phys(env, <uint32_t> (env.smbase + 0x8000 + offset), value, size)


cdef uint32_t hidden_place(int seg) noexcept nogil:
    """Where a segment register's cache lies: selector, access rights, limit, base."""
    if seg == R_DS:
        return 0x7F2C
    if seg == R_FS:
        return 0x7F38
    if seg == R_GS:
        return 0x7F44
    if seg == R_TR:
        return 0x7F5C
    if seg == R_LDTR:
        return 0x7F78
    if seg == R_ES:
        return 0x7F84
    if seg == R_CS:
        return 0x7F90
    return 0x7F9C           # SS


cdef uint32_t selector_place(int seg) noexcept nogil:
    """ES at 7FA8h, CS, SS, DS, FS, GS, LDTR, TR at 7FC4h."""
    return 0x7FA8 + 4 * seg


cdef void save_state(CPUX86State *env) noexcept nogil:
    cdef uint32_t place
    cdef int i
    put(env, SAVE_CR0, <uint32_t> env.cr[0], 4)
    put(env, SAVE_CR3, <uint32_t> env.cr[3], 4)
    put(env, SAVE_CR4, <uint32_t> env.cr[4], 4)
    put(env, SAVE_EFLAGS, cpu_get_eflags(env), 4)
    put(env, SAVE_EIP, <uint32_t> env.eip, 4)
    for i in range(8):
        put(env, SAVE_EDI - 4 * (7 - i), <uint32_t> env.regs[i], 4)
        place = hidden_place(i)
        put(env, selector_place(i), env.segs[i].selector, 4)
        put(env, place, env.segs[i].selector, 2)
        put(env, place + 2, (env.segs[i].flags >> 8 & 0xFF) | (env.segs[i].flags >> 8 & 0xF000), 2)
        put(env, place + 4, env.segs[i].limit, 4)
        put(env, place + 8, <uint32_t> env.segs[i].base, 4)
    put(env, SAVE_DR6, <uint32_t> env.dr[6], 4)
    put(env, SAVE_DR7, <uint32_t> env.dr[7], 4)
    put(env, SAVE_HIDDEN_IDTR + 4, env.idt_limit, 4)
    put(env, SAVE_HIDDEN_IDTR + 8, <uint32_t> env.idt_base, 4)
    put(env, SAVE_HIDDEN_GDTR + 4, env.gdt_limit, 4)
    put(env, SAVE_HIDDEN_GDTR + 8, <uint32_t> env.gdt_base, 4)
    put(env, SAVE_CPL, env.hflags & HF_CPL_MASK, 1)
    put(env, SAVE_HALT_RESTART, env.in_hlt, 2)
    put(env, SAVE_IO_RESTART, 0, 2)
    put(env, SAVE_IO_RESTART_EIP, env.smi_io_eip if env.eip == env.smi_io_next else <uint32_t> env.eip, 4)
    put(env, SAVE_REVISION, SMM_REVISION, 4)
    put(env, SAVE_SMBASE, env.smbase, 4)


cdef void do_smm_enter(CPUX86State *env) noexcept nogil:
    cdef uint32_t data = DESC_G | DESC_P | DESC_S | DESC_W | DESC_A
    cdef int i
    cpu_smm_update(env, True)
    save_state(env)
    env.halted = 0
    env.in_hlt = 0
    # NMI is blocked in SMM; bit 1 remembers whether it was before.
    env.nmi_blocked = 1 | (env.nmi_blocked & 1) << 1
    cpu_put_eflags(env, 2, 0xFFFFFFFFU)
    env.eip = 0x8000
    set_dr7(env, 0x400)
    for i in range(6):
        fill_seg_cache(&env.segs[i], 0, 0, 0xFFFFFFFFU, data)
    fill_seg_cache(&env.segs[R_CS], env.smbase >> 4 & 0xFFFF, env.smbase, 0xFFFFFFFFU, data)
    env.hflags = (env.hflags & ~<uint32_t> (HF_CPL_MASK | HF_INHIBIT_IRQ)) | HF_SMM
    cpu_x86_set_cr(env, <uint32_t> env.cr[0] & ~(CR0_PG | <uint32_t> (CR0_PE | CR0_EM | CR0_TS)),
                   <uint32_t> env.cr[3], 0)
    update_hflags(env)


cdef int helper_rsm(CPUX86State *env) noexcept nogil:
    cdef uint32_t cr0, cr4, place, rights, base, limit, selector
    cdef int i
    if not env.hflags & HF_SMM:
        return raise_exception(env, EXCP06_ILLOP)
    cr0 = get(env, SAVE_CR0, 4)
    cr4 = get(env, SAVE_CR4, 4)
    if cr0 & CR0_PG and not cr0 & CR0_PE or cr0 & CR0_NW and not cr0 & CR0_CD or cr4 & cr4_reserved_bits(env):
        env.exception_index = EXCP_TRIPLE       # shutdown (vol. 3, 34.4.1)
        return 1
    for i in range(8):
        env.regs[i] = get(env, SAVE_EDI - 4 * (7 - i), 4)
        place = hidden_place(i)
        selector = get(env, selector_place(i), 4) & 0xFFFF
        rights = get(env, place + 2, 2)
        limit = get(env, place + 4, 4)
        base = get(env, place + 8, 4)
        fill_seg_cache(&env.segs[i], selector, base, limit, (rights & 0xFF) << 8 | (rights & 0xF000) << 8)
    env.idt_limit = get(env, SAVE_HIDDEN_IDTR + 4, 4)
    env.idt_base = get(env, SAVE_HIDDEN_IDTR + 8, 4)
    env.gdt_limit = get(env, SAVE_HIDDEN_GDTR + 4, 4)
    env.gdt_base = get(env, SAVE_HIDDEN_GDTR + 8, 4)
    env.eip = get(env, SAVE_EIP, 4)
    if get(env, SAVE_IO_RESTART, 2) & RESTART == RESTART:
        env.eip = get(env, SAVE_IO_RESTART_EIP, 4)
    cpu_put_eflags(env, get(env, SAVE_EFLAGS, 4), 0xFFFFFFFFU)
    env.hflags = (env.hflags & ~<uint32_t> (HF_CPL_MASK | HF_SMM | HF_INHIBIT_IRQ)) | (get(env, SAVE_CPL, 1) & 3)
    env.dr[6] = (get(env, SAVE_DR6, 4) & 0xE00F) | <uint32_t> 0xFFFF0FF0U
    env.halted = get(env, SAVE_HALT_RESTART, 2) & 1
    env.in_hlt = env.halted
    cr4 = get(env, SAVE_CR4, 4)
    place = get(env, SAVE_CR3, 4)
    rights = get(env, SAVE_DR7, 4)
    env.smbase = get(env, SAVE_SMBASE, 4)       # last: the map moves with it
    cpu_smm_update(env, False)
    env.nmi_blocked >>= 1
    cpu_x86_set_cr(env, cr0, place, cr4)
    set_dr7(env, rights)
    update_hflags(env)
    if env.interrupt_request:
        env.exit_request = 1
    if env.halted:
        env.exception_index = EXCP_HLT
    return 0
