"""Guest code to IR: gen_intermediate_code and the rules of the integer instructions.

A rule emits the IR of one decoded instruction (s.insn); the other families' rules are in
translate_sys, translate_math, translate_string, translate_fpu and translate_sse.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy
from qemu_py._core.cpu cimport *
from qemu_py._core.ir.builder cimport *
from qemu_py._core.ir.liveness cimport flag_liveness
from qemu_py._core.ir.table cimport *
from qemu_py._core.softmmu cimport code_fetch8, get_page_addr_code
from qemu_py._core.x86.decode cimport *
from qemu_py._core.x86.translate_fpu cimport trans_fpu
from qemu_py._core.x86.translate_math cimport trans_math
from qemu_py._core.x86.translate_sse cimport trans_sse
from qemu_py._core.x86.translate_string cimport trans_string
from qemu_py._core.x86.translate_sys cimport trans_sys

cdef struct AluOps:     # by size: 8, 16, 32 bits
    int rr[3]
    int ri[3]
    int mr[3]
    int mi[3]
    int rm[3]           # 0: load to a temporary, then rr

cdef AluOps ALU[7]
ALU[0] = AluOps([OP_add8_rr, OP_add16_rr, OP_add32_rr], [OP_add8_ri, OP_add16_ri, OP_add32_ri],
                [OP_add8_mr, OP_add16_mr, OP_add32_mr], [OP_add8_mi, OP_add16_mi, OP_add32_mi],
                [OP_add8_rm, OP_add16_rm, OP_add32_rm])
ALU[1] = AluOps([OP_or8_rr, OP_or16_rr, OP_or32_rr], [OP_or8_ri, OP_or16_ri, OP_or32_ri],
                [OP_or8_mr, OP_or16_mr, OP_or32_mr], [OP_or8_mi, OP_or16_mi, OP_or32_mi],
                [OP_or8_rm, OP_or16_rm, OP_or32_rm])
ALU[2] = AluOps([OP_adc8_rr, OP_adc16_rr, OP_adc32_rr], [OP_adc8_ri, OP_adc16_ri, OP_adc32_ri],
                [OP_adc8_mr, OP_adc16_mr, OP_adc32_mr], [OP_adc8_mi, OP_adc16_mi, OP_adc32_mi],
                [0, 0, 0])
ALU[3] = AluOps([OP_sbb8_rr, OP_sbb16_rr, OP_sbb32_rr], [OP_sbb8_ri, OP_sbb16_ri, OP_sbb32_ri],
                [OP_sbb8_mr, OP_sbb16_mr, OP_sbb32_mr], [OP_sbb8_mi, OP_sbb16_mi, OP_sbb32_mi],
                [0, 0, 0])
ALU[4] = AluOps([OP_and8_rr, OP_and16_rr, OP_and32_rr], [OP_and8_ri, OP_and16_ri, OP_and32_ri],
                [OP_and8_mr, OP_and16_mr, OP_and32_mr], [OP_and8_mi, OP_and16_mi, OP_and32_mi],
                [OP_and8_rm, OP_and16_rm, OP_and32_rm])
ALU[5] = AluOps([OP_sub8_rr, OP_sub16_rr, OP_sub32_rr], [OP_sub8_ri, OP_sub16_ri, OP_sub32_ri],
                [OP_sub8_mr, OP_sub16_mr, OP_sub32_mr], [OP_sub8_mi, OP_sub16_mi, OP_sub32_mi],
                [OP_sub8_rm, OP_sub16_rm, OP_sub32_rm])
ALU[6] = AluOps([OP_xor8_rr, OP_xor16_rr, OP_xor32_rr], [OP_xor8_ri, OP_xor16_ri, OP_xor32_ri],
                [OP_xor8_mr, OP_xor16_mr, OP_xor32_mr], [OP_xor8_mi, OP_xor16_mi, OP_xor32_mi],
                [OP_xor8_rm, OP_xor16_rm, OP_xor32_rm])

cdef int *LD = [OP_ld8, OP_ld16, OP_ld32]
cdef int *ST = [OP_st8, OP_st16, OP_st32]
cdef int *ST_I = [OP_st8_i, OP_st16_i, OP_st32_i]
cdef int *MOV_RR = [OP_mov8_rr, OP_mov16_rr, OP_mov32_rr]
cdef int *MOV_RI = [OP_mov8_ri, OP_mov16_ri, OP_mov32_ri]
cdef int *XCHG_RR = [OP_xchg8_rr, OP_xchg16_rr, OP_xchg32_rr]
cdef int *XCHG_MR = [OP_xchg8_mr, OP_xchg16_mr, OP_xchg32_mr]
cdef int *CMP_RR = [OP_cmp8_rr, OP_cmp16_rr, OP_cmp32_rr]
cdef int *CMP_RI = [OP_cmp8_ri, OP_cmp16_ri, OP_cmp32_ri]
cdef int *TEST_RR = [OP_test8_rr, OP_test16_rr, OP_test32_rr]
cdef int *TEST_RI = [OP_test8_ri, OP_test16_ri, OP_test32_ri]
cdef int *INC_R = [OP_inc8_r, OP_inc16_r, OP_inc32_r]
cdef int *DEC_R = [OP_dec8_r, OP_dec16_r, OP_dec32_r]
cdef int *NOT_R = [OP_not8_r, OP_not16_r, OP_not32_r]
cdef int *NEG_R = [OP_neg8_r, OP_neg16_r, OP_neg32_r]
cdef int *INC_M = [OP_inc8_m, OP_inc16_m, OP_inc32_m]
cdef int *DEC_M = [OP_dec8_m, OP_dec16_m, OP_dec32_m]
cdef int *NOT_M = [OP_not8_m, OP_not16_m, OP_not32_m]
cdef int *NEG_M = [OP_neg8_m, OP_neg16_m, OP_neg32_m]


# ---------------------------------------------------------------- operands
cdef inline bint is_mem(Insn *i) noexcept nogil:
    return i.mod != 3

cdef inline int size_index(int size) noexcept nogil:
    return size >> 1            # 1, 2, 4 bytes -> 0, 1, 2

cdef inline uint16_t rm_off(Insn *i, int size) noexcept nogil:
    return regn_off(i.rm, size)

cdef inline bint flat_stack(DisasContext *s) noexcept nogil:
    return s.flags & (HF_FLAT_SS | HF_SS32 | HF_AC) == HF_FLAT_SS | HF_SS32

cdef inline uint32_t branch_target(DisasContext *s) noexcept nogil:
    cdef uint32_t target = <uint32_t> (s.next_eip + <uint64_t> s.insn.imm)
    return target & 0xFFFF if s.insn.osz == 2 else target

cdef inline bint beyond_limit(DisasContext *s, uint32_t target) noexcept nogil:
    return target > <uint32_t> (s.tb.cs_base >> 32)


cdef void gen_exception(DisasContext *s, int vector, uint32_t error_code) noexcept nogil:
    """The instruction raises a fault, whatever its operands."""
    cdef IROp *op = emit(s, OP_trap)
    op.imm = vector
    op.a = error_code
    s.is_jmp = DISAS_END


cdef void set_successor(DisasContext *s, int n, uint32_t eip) noexcept nogil:
    """Successor n of the TB is at eip. A link to another page holds only while mappings do."""
    cdef TranslationBlock *tb = s.tb
    cdef uint64_t pc = <uint32_t> (tb.cs_base + eip)
    tb.jmp_eip[n] = eip
    tb.jmp_xpage[n] = (pc ^ tb.pc) & TARGET_PAGE_MASK != 0


cdef void gen_goto(DisasContext *s, uint32_t eip) noexcept nogil:
    set_successor(s, 0, eip)
    emit(s, OP_jmp)
    s.is_jmp = DISAS_END


# ---------------------------------------------------------------- immediates that are patched
cdef inline bint often_patched(PageDesc *p, uint32_t offset) noexcept nogil:
    cdef uint32_t i
    for i in range(8):
        if p.patched[i] == offset and p.patch_count[i] == PATCHED_OFTEN:
            return True
    return False


cdef bint load_live(DisasContext *s) noexcept nogil:
    """T0 := the instruction's immediate as it is when the instruction runs, where code patches it often. False: an immediate like others."""
    if s.live == NULL or s.tb.nb_live == 4 or s.insn.osz != 4 or s.insn.map or not has_imm32(s.insn.opcode):
        return False
    emit_ri(s, OP_ldlive32, t_off(0), <int64_t> <uintptr_t> s.live)
    s.tb.live[s.tb.nb_live] = <uint16_t> (s.pc + s.insn.len - 4 - s.tb.pc)
    s.tb.nb_live += 1
    return True


cdef inline bint has_imm32(uint8_t opcode) noexcept nogil:
    """Of the one-byte opcodes, with an operand size of 4: arithmetic with EAX or r/m, MOV to a register or r/m."""
    return opcode == 0x81 or opcode & 0xC7 == 0x05 or opcode & 0xF8 == 0xB8 or opcode == 0xC7


# ---------------------------------------------------------------- rules
cdef void gen_alu(DisasContext *s, AluOps *alu) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int n = size_index(i.size)
    cdef int size = i.size
    if i.opt[0] == OT_E:
        if i.opt[1] == OT_G:
            if is_mem(i):
                emit_mem(s, alu.mr[n], regn_off(i.reg, size), 0)
            else:
                emit_rr(s, alu.rr[n], rm_off(i, size), regn_off(i.reg, size))
        elif is_mem(i):
            emit_mem(s, alu.mi[n], 0, i.imm)
        elif load_live(s):
            emit_rr(s, alu.rr[n], rm_off(i, size), t_off(0))
        else:
            emit_ri(s, alu.ri[n], rm_off(i, size), i.imm)
    elif i.opt[0] == OT_G:
        if not is_mem(i):
            emit_rr(s, alu.rr[n], regn_off(i.reg, size), rm_off(i, size))
        elif alu.rm[n]:
            emit_mem(s, alu.rm[n], regn_off(i.reg, size), 0)
        else:
            emit_mem(s, LD[n], t_off(0), 0)
            emit_rr(s, alu.rr[n], regn_off(i.reg, size), t_off(0))
    elif load_live(s):
        emit_rr(s, alu.rr[n], 0, t_off(0))
    else:
        emit_ri(s, alu.ri[n], 0, i.imm)


cdef void gen_compare(DisasContext *s, int *rr, int *ri) noexcept nogil:
    """CMP, TEST: operands are only read; from memory through T0, so that a branch can be fused."""
    cdef Insn *i = &s.insn
    cdef int n = size_index(i.size)
    cdef int size = i.size
    cdef uint16_t left
    if i.opt[0] == OT_E:
        left = rm_off(i, size)
        if is_mem(i):
            left = t_off(0)
            emit_mem(s, LD[n], left, 0)
        if i.opt[1] == OT_G:
            emit_rr(s, rr[n], left, regn_off(i.reg, size))
        else:
            emit_ri(s, ri[n], left, i.imm)
    elif i.opt[0] == OT_G:
        if is_mem(i):
            emit_mem(s, LD[n], t_off(0), 0)
            emit_rr(s, rr[n], regn_off(i.reg, size), t_off(0))
        else:
            emit_rr(s, rr[n], regn_off(i.reg, size), rm_off(i, size))
    else:
        emit_ri(s, ri[n], 0, i.imm)


cdef void gen_mov(DisasContext *s) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int n = size_index(i.size)
    cdef int size = i.size
    if i.opt[0] == OT_E:
        if i.opt[1] == OT_G:
            if is_mem(i):
                emit_mem(s, ST[n], regn_off(i.reg, size), 0)
            else:
                emit_rr(s, MOV_RR[n], rm_off(i, size), regn_off(i.reg, size))
        elif is_mem(i):
            if load_live(s):
                emit_mem(s, ST[n], t_off(0), 0)
            else:
                emit_mem(s, ST_I[n], 0, i.imm)
        elif load_live(s):
            emit_rr(s, MOV_RR[n], rm_off(i, size), t_off(0))
        else:
            emit_ri(s, MOV_RI[n], rm_off(i, size), i.imm)
    elif i.opt[0] == OT_G:
        if is_mem(i):
            emit_mem(s, LD[n], regn_off(i.reg, size), 0)
        else:
            emit_rr(s, MOV_RR[n], regn_off(i.reg, size), rm_off(i, size))
    elif i.opt[0] == OT_Z:
        if load_live(s):
            emit_rr(s, MOV_RR[n], regn_off(i.zreg, size), t_off(0))
        else:
            emit_ri(s, MOV_RI[n], regn_off(i.zreg, size), i.imm)
    elif i.opt[0] == OT_A:
        emit_mem(s, LD[n], 0, 0)
    else:
        emit_mem(s, ST[n], 0, 0)


cdef void gen_unary(DisasContext *s, int *reg_ops, int *mem_ops) noexcept nogil:
    """INC, DEC, NOT, NEG."""
    cdef Insn *i = &s.insn
    cdef int n = size_index(i.size)
    if i.opt[0] == OT_Z:
        emit_rr(s, reg_ops[n], reg_off(i.zreg), 0)
    elif is_mem(i):
        emit_mem(s, mem_ops[n], 0, 0)
    else:
        emit_rr(s, reg_ops[n], rm_off(i, i.size), 0)


cdef void gen_extend(DisasContext *s, bint is_signed) noexcept nogil:
    """MOVZX, MOVSX."""
    cdef Insn *i = &s.insn
    cdef int source = i.opsz[1]
    cdef uint16_t dest = reg_off(i.reg)
    cdef int which = (0 if source == 1 else 2) if i.osz == 4 else (4 if source == 1 else 6)
    which += is_signed
    if is_mem(i):
        if which == 0:
            emit_mem(s, OP_ldzx32_8, dest, 0)
        elif which == 1:
            emit_mem(s, OP_ldsx32_8, dest, 0)
        elif which == 2:
            emit_mem(s, OP_ldzx32_16, dest, 0)
        elif which == 3:
            emit_mem(s, OP_ldsx32_16, dest, 0)
        elif which == 4:
            emit_mem(s, OP_ldzx16_8, dest, 0)
        elif which == 5:
            emit_mem(s, OP_ldsx16_8, dest, 0)
        else:
            emit_mem(s, OP_ld16, dest, 0)
        return
    if which == 0:
        emit_rr(s, OP_movzx32_8, dest, reg8_off(i.rm))
    elif which == 1:
        emit_rr(s, OP_movsx32_8, dest, reg8_off(i.rm))
    elif which == 2:
        emit_rr(s, OP_movzx32_16, dest, reg_off(i.rm))
    elif which == 3:
        emit_rr(s, OP_movsx32_16, dest, reg_off(i.rm))
    elif which == 4:
        emit_rr(s, OP_movzx16_8, dest, reg8_off(i.rm))
    elif which == 5:
        emit_rr(s, OP_movsx16_8, dest, reg8_off(i.rm))
    else:
        emit_rr(s, OP_mov16_rr, dest, reg_off(i.rm))


cdef void gen_lea(DisasContext *s) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef IROp *op
    if i.osz == 2:
        op = emit(s, OP_lea16)
    elif i.asz == 2:
        op = emit(s, OP_lea32_a16)
    elif i.index < 0:
        op = emit(s, OP_lea32_bd)
    else:
        op = emit(s, OP_lea32)
    op.a = reg_off(i.reg)
    set_ea(s, op)


cdef void gen_push(DisasContext *s, uint16_t source) noexcept nogil:
    if s.insn.osz == 2:
        emit_rr(s, OP_push16_r_any, source, 0)
    elif flat_stack(s):
        emit_rr(s, OP_push32_r, source, 0)
    else:
        emit_rr(s, OP_push32_r_any, source, 0)


cdef void gen_push_i(DisasContext *s) noexcept nogil:
    if s.insn.osz == 2:
        emit_ri(s, OP_push16_i_any, 0, s.insn.imm)
    elif flat_stack(s):
        emit_ri(s, OP_push32_i, 0, s.insn.imm)
    else:
        emit_ri(s, OP_push32_i_any, 0, s.insn.imm)


cdef void gen_pop(DisasContext *s) noexcept nogil:
    cdef Insn *i = &s.insn
    if i.opt[0] == OT_Z or not is_mem(i):
        if i.opt[0] == OT_E:
            i.zreg = i.rm
        if i.osz == 2:
            emit_rr(s, OP_pop16_r_any, reg_off(i.zreg), 0)
        elif flat_stack(s):
            emit_rr(s, OP_pop32_r, reg_off(i.zreg), 0)
        else:
            emit_rr(s, OP_pop32_r_any, reg_off(i.zreg), 0)
        return
    # The store may fault, so ESP moves last; but an address that uses ESP sees the new one.
    emit_rr(s, OP_peek16_any if i.osz == 2 else OP_peek32_any, t_off(0), 0)
    if i.base == R_ESP and i.asz == 4:
        i.disp += i.osz
    emit_mem(s, ST[size_index(i.osz)], t_off(0), 0)
    emit_ri(s, OP_stack_adjust, 0, i.osz)


cdef void gen_jcc(DisasContext *s) noexcept nogil:
    cdef uint32_t target = branch_target(s)
    cdef uint32_t cc = s.insn.cc
    cdef IROp *last
    if beyond_limit(s, target):
        emit_ri(s, OP_trap_cc, 0, cc)
        return
    set_successor(s, 0, <uint32_t> s.next_eip)
    set_successor(s, 1, target)
    s.is_jmp = DISAS_END
    if s.nops:
        last = &s.ops[s.nops - 1]
        if s.info[last.opc].jcc[cc]:
            last.opc = s.info[last.opc].jcc[cc]
            return
    emit_ri(s, OP_jcc, 0, cc)


cdef void gen_call(DisasContext *s) noexcept nogil:
    cdef uint32_t target = branch_target(s)
    if beyond_limit(s, target):
        gen_exception(s, EXCP0D_GPF, 0)
        return
    set_successor(s, 0, target)
    s.is_jmp = DISAS_END
    if s.insn.osz == 2:
        emit_ri(s, OP_call16_any, 0, s.next_eip)
    else:
        emit_ri(s, OP_call32 if flat_stack(s) else OP_call32_any, 0, s.next_eip)


cdef void gen_indirect(DisasContext *s, bint call) noexcept nogil:
    """CALL and JMP through a register or memory."""
    cdef Insn *i = &s.insn
    cdef uint16_t target = reg_off(i.rm)
    if is_mem(i):
        target = t_off(0)
        emit_mem(s, LD[size_index(i.osz)], target, 0)
    s.is_jmp = DISAS_END
    if not call:
        emit_rr(s, OP_jmp16_r if i.osz == 2 else OP_jmp32_r, target, 0)
    else:
        emit(s, OP_call16_r_any if i.osz == 2 else OP_call32_r if flat_stack(s) else OP_call32_r_any)
        s.ops[s.nops - 1].a = target
        s.ops[s.nops - 1].imm = s.next_eip


cdef void gen_loop(DisasContext *s, int kind) noexcept nogil:
    """LOOPNE 0, LOOPE 1, LOOP 2, JCXZ 3: the count's width is the address size."""
    cdef uint32_t target = branch_target(s)
    if beyond_limit(s, target):
        emit_rr(s, OP_trap_cc, 1, s.insn.asz == 2)
        s.ops[s.nops - 1].imm = kind
        return
    set_successor(s, 0, <uint32_t> s.next_eip)
    set_successor(s, 1, target)
    s.is_jmp = DISAS_END
    if kind == 2 and s.insn.asz == 4:
        emit(s, OP_loop32)
    else:
        emit_rr(s, OP_loop, s.insn.asz == 2, 0)
        s.ops[s.nops - 1].imm = kind


cdef int trans_int(DisasContext *s) noexcept nogil:
    """Rule of FAM_INT. Nonzero: #UD."""
    cdef Insn *i = &s.insn
    cdef int n = size_index(i.size)
    cdef int id = i.id
    if id == I_MOV:
        gen_mov(s)
    elif id == I_ADD:
        gen_alu(s, &ALU[0])
    elif id == I_OR:
        gen_alu(s, &ALU[1])
    elif id == I_ADC:
        gen_alu(s, &ALU[2])
    elif id == I_SBB:
        gen_alu(s, &ALU[3])
    elif id == I_AND:
        gen_alu(s, &ALU[4])
    elif id == I_SUB:
        gen_alu(s, &ALU[5])
    elif id == I_XOR:
        gen_alu(s, &ALU[6])
    elif id == I_CMP:
        gen_compare(s, CMP_RR, CMP_RI)
    elif id == I_TEST:
        gen_compare(s, TEST_RR, TEST_RI)
    elif id == I_JCC:
        gen_jcc(s)
    elif id == I_PUSH:
        if i.opt[0] == OT_Z:
            gen_push(s, reg_off(i.zreg))
        elif i.opt[0] == OT_I:
            gen_push_i(s)
        elif is_mem(i):
            emit_mem(s, LD[size_index(i.osz)], t_off(0), 0)
            gen_push(s, t_off(0))
        else:
            gen_push(s, reg_off(i.rm))
    elif id == I_POP:
        gen_pop(s)
    elif id == I_LEA:
        gen_lea(s)
    elif id == I_CALL:
        gen_call(s)
    elif id == I_JMP:
        if beyond_limit(s, branch_target(s)):
            gen_exception(s, EXCP0D_GPF, 0)
        else:
            gen_goto(s, branch_target(s))
    elif id == I_RET:
        s.is_jmp = DISAS_END
        if i.osz == 2:
            emit_ri(s, OP_ret16_any, 0, i.imm)
        else:
            emit_ri(s, OP_ret32 if flat_stack(s) else OP_ret32_any, 0, i.imm)
    elif id == I_CALL_IND:
        gen_indirect(s, True)
    elif id == I_JMP_IND:
        gen_indirect(s, False)
    elif id == I_INC:
        gen_unary(s, INC_R, INC_M)
    elif id == I_DEC:
        gen_unary(s, DEC_R, DEC_M)
    elif id == I_NOT:
        gen_unary(s, NOT_R, NOT_M)
    elif id == I_NEG:
        gen_unary(s, NEG_R, NEG_M)
    elif id == I_MOVZX:
        gen_extend(s, False)
    elif id == I_MOVSX:
        gen_extend(s, True)
    elif id == I_SETCC:
        if is_mem(i):
            emit_mem(s, OP_setcc_m, 0, i.cc)
        else:
            emit_ri(s, OP_setcc_r, reg8_off(i.rm), i.cc)
    elif id == I_CMOV:
        if is_mem(i):
            emit_mem(s, OP_cmov16_rm if i.osz == 2 else OP_cmov32_rm, reg_off(i.reg), i.cc)
        else:
            emit_rr(s, OP_cmov16_rr if i.osz == 2 else OP_cmov32_rr, reg_off(i.reg), reg_off(i.rm))
            s.ops[s.nops - 1].imm = i.cc
    elif id == I_XCHG:
        if i.opt[0] == OT_Z:
            if i.zreg:                          # 90h is NOP (F3 90h PAUSE)
                emit_rr(s, XCHG_RR[n], reg_off(i.zreg), 0)
        elif is_mem(i):
            emit_mem(s, XCHG_MR[n], regn_off(i.reg, i.size), 0)
        else:
            emit_rr(s, XCHG_RR[n], rm_off(i, i.size), regn_off(i.reg, i.size))
    elif id == I_LEAVE:
        if i.osz == 2:
            emit(s, OP_leave16_any)
        else:
            emit(s, OP_leave32 if flat_stack(s) else OP_leave32_any)
    elif id == I_CBW:
        emit(s, OP_cbw16 if i.osz == 2 else OP_cbw32)
    elif id == I_CWD:
        emit(s, OP_cwd16 if i.osz == 2 else OP_cwd32)
    elif id == I_LOOPNE:
        gen_loop(s, 0)
    elif id == I_LOOPE:
        gen_loop(s, 1)
    elif id == I_LOOP:
        gen_loop(s, 2)
    elif id == I_JCXZ:
        gen_loop(s, 3)
    elif id == I_SAHF:
        emit(s, OP_sahf)
    elif id == I_LAHF:
        emit(s, OP_lahf)
    elif id == I_SALC:
        emit(s, OP_salc)
    elif id == I_CLC:
        emit(s, OP_clc)
    elif id == I_STC:
        emit(s, OP_stc)
    elif id == I_CMC:
        emit(s, OP_cmc)
    elif id == I_CLD:
        emit(s, OP_cld)
    elif id == I_STD:
        emit(s, OP_std)
    elif id == I_NOP:
        pass
    else:                                       # UD2
        return 1
    return 0


# ---------------------------------------------------------------- blocks
cdef int fetch_beyond(DisasContext *s, uint32_t avail, const uint8_t *code, uint8_t *buf, uint32_t *total,
                      bint first) noexcept nogil:
    """Bytes of an instruction that crosses its page, put together in buf (15 bytes or less).

    Nonzero: the second page cannot be read, and the fault is pending; or the instruction, not the
    TB's first, runs on into what is not RAM. Its TB is kept nowhere, so that stores into it would
    not be seen: it must be alone in it."""
    cdef uint64_t second = <uint32_t> ((s.pc + avail) & 0xFFFFFFFFU)
    cdef uint8_t *host = NULL
    cdef int fault = 0
    cdef uint64_t ram_addr
    cdef uint32_t n
    cdef int byte
    memcpy(buf, code, avail)
    ram_addr = get_page_addr_code(s.env, second, &host, &fault)
    if fault or (ram_addr == RAM_ADDR_INVALID and not first):
        return 1
    for n in range(avail, 15):
        if host != NULL:
            buf[n] = host[n - avail]
        else:
            byte = code_fetch8(s.env, second + n - avail)
            if byte < 0:
                return 1
            buf[n] = <uint8_t> byte
    total[0] = 15
    s.tb.page_addr[1] = ram_addr
    if ram_addr == RAM_ADDR_INVALID:
        s.tb.cflags |= CF_NOCACHE
    return 0


cdef int gen_intermediate_code(CPUX86State *env, TranslationBlock *tb, IROp *ops) noexcept nogil:
    cdef DisasContext s
    cdef uint8_t buf[16]
    cdef uint8_t *page = NULL
    cdef const uint8_t *code
    cdef PageDesc *patched = NULL
    cdef int fault = 0
    cdef int r, byte
    cdef uint32_t avail, eip, count, limit, max_insns, last_op, n
    cdef uint64_t saved_cr2
    cdef uint32_t i
    s.env = env
    s.tb = tb
    s.info = op_table()
    s.ops = ops
    s.nops = 0
    s.pc = tb.pc
    s.flags = tb.flags
    s.features = env.features
    s.is_jmp = DISAS_NEXT
    limit = <uint32_t> (tb.cs_base >> 32)
    eip = <uint32_t> (tb.pc - tb.cs_base)
    max_insns = tb.cflags & CF_COUNT_MASK
    if max_insns == 0:
        max_insns = 512
    if tb.flags & (HF_TF | HF_INHIBIT_IRQ | HF_RF) or env.nb_watchpoints or tb.cflags & CF_SINGLE:
        max_insns = 1
    tb.page_addr[1] = RAM_ADDR_INVALID
    count = 0
    if eip <= limit:
        tb.page_addr[0] = get_page_addr_code(env, tb.pc, &page, &fault)
        if fault:
            return 1
        if tb.page_addr[0] == RAM_ADDR_INVALID:         # code outside RAM: one instruction, kept nowhere
            tb.cflags |= CF_NOCACHE
            max_insns = 1
    else:
        tb.page_addr[0] = RAM_ADDR_INVALID
        tb.cflags |= CF_NOCACHE
    if page != NULL and tb.page_addr[0] != RAM_ADDR_INVALID and env.dispatch.pages[tb.page_addr[0] >> TARGET_PAGE_BITS].patch_count[0]:
        patched = &env.dispatch.pages[tb.page_addr[0] >> TARGET_PAGE_BITS]
    if tb.cflags & CF_USE_ICOUNT:
        s.pc_off = 0
        emit(&s, OP_icount_head)
    if tb.cflags & CF_PROFILE:
        s.pc_off = 0
        emit(&s, OP_profile_head).imm = <int64_t> <uintptr_t> &tb.exec_count
    while True:
        s.pc_off = <uint32_t> (s.pc - tb.pc)
        last_op = s.nops
        count += 1
        if eip > limit:
            if count == 1:
                gen_exception(&s, EXCP0D_GPF, 0)
            else:                               # it faults in a TB of its own
                count -= 1
            break
        if env.nb_breakpoints and not tb.cflags & CF_NOBP:
            for i in range(env.nb_breakpoints):
                if env.breakpoints[i].pc == s.pc and (env.breakpoints[i].flags & BP_GDB or not tb.flags & HF_RF):
                    emit(&s, OP_breakpoint)
                    break
        # ---- fetch and decode
        avail = <uint32_t> (TARGET_PAGE_SIZE - (s.pc & (TARGET_PAGE_SIZE - 1)))
        if page != NULL:
            code = page + (s.pc & (TARGET_PAGE_SIZE - 1))
        else:
            for i in range(avail if avail < 15 else 15):
                byte = code_fetch8(env, s.pc + i)
                if byte < 0:
                    return 1
                buf[i] = <uint8_t> byte
            code = buf
        r = decode_insn(code, avail, tb.flags & HF_CS32 != 0, s.features, &s.insn)
        if r == DECODE_MORE:
            saved_cr2 = env.cr[2]
            if fetch_beyond(&s, avail, code, buf, &avail, count == 1):
                if count == 1:
                    return 1
                # The instructions before it come first; it faults in a TB of its own.
                env.cr[2] = saved_cr2
                env.exception_index = EXCP_NONE
                s.nops = last_op
                count -= 1
                break
            r = decode_insn(buf, avail, tb.flags & HF_CS32 != 0, s.features, &s.insn)
        if r == DECODE_GP:
            s.insn.len = 15                     # a store to any of them changes what happens
        s.next_eip = <uint32_t> (eip + s.insn.len)
        s.live = NULL
        if patched != NULL and s.insn.len <= avail and often_patched(patched, <uint32_t> (s.pc + s.insn.len - 4) & (TARGET_PAGE_SIZE - 1)):
            s.live = page + (<uint32_t> (s.pc + s.insn.len - 4) & (TARGET_PAGE_SIZE - 1))
        # ---- translate
        if r == DECODE_GP or eip + <uint64_t> s.insn.len - 1 > limit:
            gen_exception(&s, EXCP0D_GPF, 0)
        elif r == DECODE_UD:
            gen_exception(&s, EXCP06_ILLOP, 0)
        else:
            if s.insn.family == FAM_INT:
                r = trans_int(&s)
            elif s.insn.family == FAM_SYS:
                r = trans_sys(&s)
            elif s.insn.family == FAM_MATH:
                r = trans_math(&s)
            elif s.insn.family == FAM_STR:
                r = trans_string(&s)
            elif s.insn.family == FAM_FPU:
                r = trans_fpu(&s)
            else:
                r = trans_sse(&s)
            if r:
                s.nops = last_op
                gen_exception(&s, EXCP06_ILLOP, 0)
            if (s.insn.id == I_INT or s.insn.id == I_INT3 or s.insn.id == I_INTO or s.insn.id == I_INT1
                    or (s.insn.id == I_MOV_SR and s.insn.reg == R_SS) or (s.insn.id == I_POP_SR and s.insn.zreg == R_SS)):
                tb.cflags |= CF_NO_STEP
            if tb.cflags & (CF_USE_ICOUNT | CF_PROFILE) and s.nops == last_op and s.is_jmp == DISAS_NEXT:
                emit(&s, OP_nop)                # every instruction has an op: a fault counts them
            if tb.cflags & (CF_USE_ICOUNT | CF_PROFILE) and s.is_jmp == DISAS_NEXT and (
                    s.insn.family == FAM_SYS or (s.insn.family == FAM_STR and s.insn.rep)):
                s.is_jmp = DISAS_STOP           # may leave the TB in its middle: what follows is not charged
        s.pc += s.insn.len
        eip = <uint32_t> s.next_eip
        if s.is_jmp == DISAS_END:
            break
        if s.is_jmp == DISAS_STOP:
            emit_ri(&s, OP_next, 0, eip)
            break
        # The next instruction must begin on this page.
        if (s.pc ^ tb.pc) & TARGET_PAGE_MASK or count >= max_insns or s.nops > CODE_GEN_MAX_OPS - 64:
            break
    if s.is_jmp == DISAS_NEXT:
        # The jump is part of the last instruction that has an op.
        s.pc_off = ops[s.nops - 1].pc_off if s.nops else 0
        gen_goto(&s, eip)
    tb.size = <uint16_t> (s.pc - tb.pc)
    if tb.size == 0:
        tb.size = 1
    tb.icount = count
    tb.nops = s.nops
    if tb.cflags & CF_USE_ICOUNT:
        ops[0].imm = count
    flag_liveness(ops, s.nops, s.info)
    for n in range(s.nops):
        ops[n].fn = s.info[ops[n].opc].fn
    tb.ir = ops
    return 0
