"""Rules of the system instructions (FAM_SYS): segments, far transfers, interrupts, flags, ports, CRn.

What CPL and the mode decide is decided here, since hflags have both; IOPL is looked at when the
instruction runs.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from qemu_py._core.cpu cimport *
from qemu_py._core.ir.builder cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.decode cimport *
from qemu_py._core.x86.interrupt cimport INT_ICEBP, INT_SOFT


# ---------------------------------------------------------------- building blocks
cdef inline bint is_mem(DisasContext *s) noexcept nogil:
    return s.insn.mod != 3


cdef inline bint flat_stack(DisasContext *s) noexcept nogil:
    return s.flags & (HF_FLAT_SS | HF_SS32 | HF_AC) == HF_FLAT_SS | HF_SS32


cdef inline bint paragraph_mode(DisasContext *s) noexcept nogil:
    """Real or virtual-8086 mode."""
    return not s.flags & HF_PE or s.flags & HF_VM


cdef inline bint unprivileged(DisasContext *s) noexcept nogil:
    return s.flags & HF_CPL_MASK != 0


cdef void gen_gp(DisasContext *s) noexcept nogil:
    emit_ri(s, OP_trap, 0, EXCP0D_GPF)
    s.is_jmp = DISAS_END


cdef IROp *emit_next(DisasContext *s, int opc, uint16_t a, uint16_t b) noexcept nogil:
    """An op that may have to go on at the next instruction through a look-up."""
    cdef IROp *op = emit_rr(s, opc, a, b)
    op.imm = <int64_t> s.next_eip
    return op


cdef void gen_end(DisasContext *s, int opc, uint16_t a, uint16_t b) noexcept nogil:
    """The same, and it is the TB's last."""
    emit_next(s, opc, a, b)
    s.is_jmp = DISAS_END


cdef uint16_t gen_selector(DisasContext *s) noexcept nogil:
    """Ew: the register, or T0 loaded from memory."""
    if not is_mem(s):
        return reg_off(s.insn.rm)
    emit_mem(s, OP_ld16, t_off(0), 0)
    return t_off(0)


cdef void gen_push(DisasContext *s, uint16_t source) noexcept nogil:
    if s.insn.osz == 2:
        emit_rr(s, OP_push16_r_any, source, 0)
    else:
        emit_rr(s, OP_push32_r if flat_stack(s) else OP_push32_r_any, source, 0)


cdef void gen_store_word(DisasContext *s, int op16, int op32, uint16_t b) noexcept nogil:
    """Ev of MOV r/m, Sreg; SLDT, STR, SMSW: 16 bits to memory whatever the operand size."""
    if is_mem(s):
        emit_rr(s, op16, t_off(0), b)
        emit_mem(s, OP_st16, t_off(0), 0)
    else:
        emit_rr(s, op16 if s.insn.osz == 2 else op32, reg_off(s.insn.rm), b)


cdef bint next_is_in_tb(DisasContext *s) noexcept nogil:
    """Will the next instruction surely be translated into this TB, behind this one?"""
    cdef uint64_t last = s.pc + s.insn.len + 14         # of the next instruction, at its longest
    return (not s.flags & HF_ONE_INSN and not s.tb.cflags & (CF_USE_ICOUNT | CF_SINGLE | CF_NOCACHE | CF_COUNT_MASK)
            and not s.env.nb_watchpoints and not s.env.nb_breakpoints and (last ^ s.tb.pc) & TARGET_PAGE_MASK == 0
            and s.pc_off < 256 and s.nops < CODE_GEN_MAX_OPS // 2)


# ---------------------------------------------------------------- segment registers
cdef void gen_load_seg(DisasContext *s, int seg, uint16_t selector) noexcept nogil:
    if seg == R_SS:
        if next_is_in_tb(s):
            emit_next(s, OP_load_ss_in_tb, selector, 0)
        else:
            gen_end(s, OP_load_ss, selector, 0)
    else:
        emit_next(s, OP_load_seg, selector, seg)


cdef int gen_mov_sr(DisasContext *s) noexcept nogil:
    if s.insn.reg == R_CS or s.insn.reg > R_GS:
        return 1
    gen_load_seg(s, s.insn.reg, gen_selector(s))
    return 0


cdef void gen_pop_sr(DisasContext *s) noexcept nogil:
    if s.insn.zreg == R_SS:
        if next_is_in_tb(s):
            emit_next(s, OP_pop_ss_in_tb, R_SS, s.insn.osz)
        else:
            gen_end(s, OP_pop_ss, R_SS, s.insn.osz)
    else:
        emit_next(s, OP_pop_seg, s.insn.zreg, s.insn.osz)


cdef int gen_load_far(DisasContext *s, int seg) noexcept nogil:
    cdef IROp *op
    if not is_mem(s):
        return 1
    emit_mem(s, OP_ld_far16 if s.insn.osz == 2 else OP_ld_far32, 0, 0)
    op = emit_next(s, OP_load_far, reg_off(s.insn.reg), seg)
    op.c = s.insn.osz
    return 0


# ---------------------------------------------------------------- control transfers
cdef void gen_far(DisasContext *s, int opc) noexcept nogil:
    """CALL and JMP with the pointer in the instruction."""
    emit_ri(s, OP_mov32_ri, t_off(0), s.insn.imm & (0xFFFF if s.insn.osz == 2 else 0xFFFFFFFFU))
    emit_ri(s, OP_mov32_ri, t_off(1), s.insn.imm2 & 0xFFFF)
    gen_end(s, opc, s.insn.osz, 0)


cdef int gen_far_mem(DisasContext *s, int opc) noexcept nogil:
    if not is_mem(s):
        return 1
    emit_mem(s, OP_ld_far16 if s.insn.osz == 2 else OP_ld_far32, 0, 0)
    gen_end(s, opc, s.insn.osz, 0)
    return 0


cdef void gen_far_ret(DisasContext *s) noexcept nogil:
    emit_rr(s, OP_far_ret, s.insn.osz, 0)
    s.ops[s.nops - 1].imm = s.insn.imm if s.insn.opt[0] == OT_I else 0
    s.is_jmp = DISAS_END


cdef void gen_int(DisasContext *s, int vector, int kind, bint imm8) noexcept nogil:
    cdef IROp *op = emit_next(s, OP_int, vector, kind)
    op.c = imm8
    s.is_jmp = DISAS_END


cdef void gen_into(DisasContext *s) noexcept nogil:
    s.tb.jmp_eip[0] = s.next_eip
    s.tb.jmp_xpage[0] = ((s.tb.cs_base + s.next_eip) ^ s.tb.pc) & TARGET_PAGE_MASK & 0xFFFFFFFFU != 0
    gen_end(s, OP_into, 0, 0)


# ---------------------------------------------------------------- flags
cdef void gen_pushf(DisasContext *s) noexcept nogil:
    emit_rr(s, OP_pushf, s.insn.osz, 0)
    gen_push(s, t_off(0))


cdef void gen_popf(DisasContext *s) noexcept nogil:
    emit_rr(s, OP_peek16_any if s.insn.osz == 2 else OP_peek32_any, t_off(0), 0)
    emit_rr(s, OP_popf, s.insn.osz, 0)
    emit_ri(s, OP_stack_adjust, 0, s.insn.osz)
    emit_next(s, OP_mode_changed, 0, 0)


# ---------------------------------------------------------------- ports
cdef int *IN_IMM = [OP_in8_imm, OP_in16_imm, OP_in32_imm]
cdef int *IN_DX = [OP_in8_dx, OP_in16_dx, OP_in32_dx]
cdef int *OUT_IMM = [OP_out8_imm, OP_out16_imm, OP_out32_imm]
cdef int *OUT_DX = [OP_out8_dx, OP_out16_dx, OP_out32_dx]


cdef void gen_io(DisasContext *s, int acc, int port, int *with_imm, int *with_dx) noexcept nogil:
    """acc, port: which operand is the accumulator, which the port."""
    cdef uint8_t size = s.insn.opsz[acc]
    cdef bint dx = s.insn.opt[port] == OT_DX
    cdef IROp *op
    if s.flags & HF_PE and (s.flags & HF_VM or unprivileged(s)):
        op = emit_rr(s, OP_check_io_dx if dx else OP_check_io_imm, 0, size)
        op.imm = s.insn.imm & 0xFF
    op = emit(s, (with_dx if dx else with_imm)[size >> 1])
    op.imm = s.insn.imm & 0xFF
    op.disp = <int32_t> s.next_eip
    if acc == 1:
        s.is_jmp = DISAS_STOP


# ---------------------------------------------------------------- descriptor tables and selectors
cdef void gen_lar(DisasContext *s, int opc) noexcept nogil:
    cdef IROp *op = emit_rr(s, opc, gen_selector(s), reg_off(s.insn.reg))
    op.c = s.insn.osz


cdef void gen_arpl(DisasContext *s) noexcept nogil:
    if is_mem(s):
        emit_mem(s, OP_arpl_mr, reg_off(s.insn.reg), 0)
    else:
        emit_rr(s, OP_arpl_rr, reg_off(s.insn.rm), reg_off(s.insn.reg))


cdef int trans_tables(DisasContext *s, int id) noexcept nogil:
    """Instructions that only protected mode has, and the loads of the system tables' registers."""
    cdef uint16_t selector
    if id == I_LGDT or id == I_LIDT:
        if unprivileged(s):
            gen_gp(s)
        else:
            emit_mem(s, OP_lgdt if id == I_LGDT else OP_lidt, 0, s.insn.osz)
        return 0
    if id == I_SGDT or id == I_SIDT:
        emit_mem(s, OP_sgdt if id == I_SGDT else OP_sidt, 0, 0)
        return 0
    if paragraph_mode(s):
        return 1
    if id == I_SLDT:
        gen_store_word(s, OP_selector16, OP_selector32, R_LDTR)
    elif id == I_STR:
        gen_store_word(s, OP_selector16, OP_selector32, R_TR)
    elif id == I_LLDT or id == I_LTR:
        if unprivileged(s):
            gen_gp(s)
        else:
            selector = gen_selector(s)
            emit_rr(s, OP_lldt if id == I_LLDT else OP_ltr, selector, 0)
    elif id == I_VERR or id == I_VERW:
        selector = gen_selector(s)
        emit_rr(s, OP_verr if id == I_VERR else OP_verw, selector, 0)
    elif id == I_LAR:
        gen_lar(s, OP_lar)
    elif id == I_LSL:
        gen_lar(s, OP_lsl)
    else:
        gen_arpl(s)
    return 0


# ---------------------------------------------------------------- instructions of CPL 0
cdef void gen_invlpg(DisasContext *s) noexcept nogil:
    set_ea(s, emit_next(s, OP_invlpg, 0, 0))
    s.is_jmp = DISAS_END


cdef int trans_privileged(DisasContext *s, int id) noexcept nogil:
    cdef Insn *i = &s.insn
    if id == I_MOV_RT or id == I_MOV_TR:
        # Test registers: TR3-TR7 of the 486, gone with the Pentium.
        if s.features & CPUF_586 or i.reg < 3:
            return 1
    if id == I_RSM:
        if not s.flags & HF_SMM:
            return 1
        gen_end(s, OP_rsm, 0, 0)
        return 0
    if id == I_MOV_RC or id == I_MOV_CR:
        # A control register that does not exist is #UD at every CPL
        if i.reg == 1 or i.reg > 4 or (i.reg == 4 and not s.features & CPUF_CPUID):
            return 1
    if unprivileged(s):
        gen_gp(s)
        return 0
    if id == I_MOV_RC:
        emit_rr(s, OP_read_cr, reg_off(i.rm), i.reg)
    elif id == I_MOV_CR:
        if i.reg:
            gen_end(s, OP_write_cr, reg_off(i.rm), i.reg)
        else:
            emit_next(s, OP_write_cr0, reg_off(i.rm), 0)
    elif id == I_MOV_RD:
        emit_rr(s, OP_read_dr, reg_off(i.rm), i.reg)
    elif id == I_MOV_DR:
        gen_end(s, OP_write_dr, reg_off(i.rm), i.reg)
    elif id == I_MOV_RT:
        emit_rr(s, OP_read_tr, reg_off(i.rm), i.reg)
    elif id == I_MOV_TR:
        emit_rr(s, OP_write_tr, reg_off(i.rm), i.reg)
    elif id == I_HLT:
        gen_end(s, OP_hlt, 0, 0)
    elif id == I_CLTS:
        emit_next(s, OP_clts, 0, 0)
    elif id == I_LMSW:
        gen_end(s, OP_lmsw, gen_selector(s), 0)
    elif id == I_INVLPG:
        gen_invlpg(s)
    elif id == I_RDMSR:
        emit(s, OP_rdmsr)
    elif id == I_WRMSR:
        gen_end(s, OP_wrmsr, 0, 0)
    elif id == I_SYSEXIT:
        gen_end(s, OP_sysexit, 0, 0)
    # INVD, WBINVD: nothing is cached
    return 0


# ---------------------------------------------------------------- dispatch
cdef int trans_sys(DisasContext *s) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int id = i.id
    if id == I_MOV_SR:
        return gen_mov_sr(s)
    if id == I_MOV_RS:
        if i.reg > R_GS:
            return 1
        gen_store_word(s, OP_selector16, OP_selector32, i.reg)
    elif id == I_PUSH_SR:
        emit_rr(s, OP_selector32, t_off(0), i.zreg)
        gen_push(s, t_off(0))
    elif id == I_POP_SR:
        gen_pop_sr(s)
    elif id == I_LES:
        return gen_load_far(s, R_ES)
    elif id == I_LDS:
        return gen_load_far(s, R_DS)
    elif id == I_LFS:
        return gen_load_far(s, R_FS)
    elif id == I_LGS:
        return gen_load_far(s, R_GS)
    elif id == I_LSS:
        return gen_load_far(s, R_SS)
    elif id == I_CALLF_AP:
        gen_far(s, OP_far_call)
    elif id == I_JMPF_AP:
        gen_far(s, OP_far_jmp)
    elif id == I_CALLF_M:
        return gen_far_mem(s, OP_far_call)
    elif id == I_JMPF_M:
        return gen_far_mem(s, OP_far_jmp)
    elif id == I_RETF:
        gen_far_ret(s)
    elif id == I_IRET:
        gen_end(s, OP_iret, i.osz, 0)
    elif id == I_INT:
        gen_int(s, i.imm & 0xFF, INT_SOFT, True)
    elif id == I_INT3:
        gen_int(s, EXCP03_INT3, INT_SOFT, False)
    elif id == I_INT1:
        gen_int(s, EXCP01_DB, INT_ICEBP, False)
    elif id == I_INTO:
        gen_into(s)
    elif id == I_PUSHF:
        gen_pushf(s)
    elif id == I_POPF:
        gen_popf(s)
    elif id == I_CLI:
        emit(s, OP_cli if unprivileged(s) else OP_cli0)
    elif id == I_STI:
        emit_next(s, OP_sti_in_tb if next_is_in_tb(s) else OP_sti, 0, 0)
    elif id == I_IN:
        gen_io(s, 0, 1, IN_IMM, IN_DX)
    elif id == I_OUT:
        gen_io(s, 1, 0, OUT_IMM, OUT_DX)
    elif id == I_CPUID:
        emit(s, OP_cpuid)
    elif id == I_RDTSC:
        emit(s, OP_rdtsc)
    elif id == I_RDPMC:
        emit(s, OP_rdpmc)
    elif id == I_SYSENTER:
        gen_end(s, OP_sysenter, 0, 0)
    elif id == I_SMSW:
        gen_store_word(s, OP_smsw16, OP_smsw32, 0)
    elif (id == I_LGDT or id == I_LIDT or id == I_SGDT or id == I_SIDT or id == I_SLDT or id == I_STR or id == I_LLDT
            or id == I_LTR or id == I_VERR or id == I_VERW or id == I_LAR or id == I_LSL or id == I_ARPL):
        return trans_tables(s, id)
    else:
        return trans_privileged(s, id)
    return 0
