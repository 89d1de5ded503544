"""Translation rule of the x87 instructions, FWAIT, FXSAVE and FXRSTOR.

SDM vol. 2, appendix A.5.2: the escape opcodes D8-DF are two tables, by /reg for memory operands and
by the whole ModRM byte for registers. The decoder has refused what silicon refuses.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport (CPUF_FPU, EXCP07_PREX, HF_EM, HF_MP, HF_TS, IROp, R_CS)
from qemu_py._core.ir.builder cimport DISAS_END, DisasContext, emit, emit_mem
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.decode cimport Insn

# [opcode & 7][reg]; 0: not encoded, or by operand size (environment())
cdef int[8][8] MEMORY
MEMORY[0] = [OP_fadd_m32, OP_fmul_m32, OP_fcom_m32, OP_fcomp_m32, OP_fsub_m32, OP_fsubr_m32, OP_fdiv_m32, OP_fdivr_m32]
MEMORY[1] = [OP_fld_m32, 0, OP_fst_m32, OP_fstp_m32, 0, OP_fldcw, 0, OP_fnstcw]
MEMORY[2] = [OP_fadd_i32, OP_fmul_i32, OP_fcom_i32, OP_fcomp_i32, OP_fsub_i32, OP_fsubr_i32, OP_fdiv_i32, OP_fdivr_i32]
MEMORY[3] = [OP_fild_i32, OP_fisttp_i32, OP_fist_i32, OP_fistp_i32, 0, OP_fld_m80, 0, OP_fstp_m80]
MEMORY[4] = [OP_fadd_m64, OP_fmul_m64, OP_fcom_m64, OP_fcomp_m64, OP_fsub_m64, OP_fsubr_m64, OP_fdiv_m64, OP_fdivr_m64]
MEMORY[5] = [OP_fld_m64, OP_fisttp_i64, OP_fst_m64, OP_fstp_m64, 0, 0, 0, OP_fnstsw]
MEMORY[6] = [OP_fadd_i16, OP_fmul_i16, OP_fcom_i16, OP_fcomp_i16, OP_fsub_i16, OP_fsubr_i16, OP_fdiv_i16, OP_fdivr_i16]
MEMORY[7] = [OP_fild_i16, OP_fisttp_i16, OP_fist_i16, OP_fistp_i16, OP_fbld, OP_fild_i64, OP_fbstp, OP_fistp_i64]

# ST(i) forms; the reg column orders the operands as D8 does, so DC and DE name R forms plainly
cdef int[8][8] REGISTER
REGISTER[0] = [OP_fadd_st0_i, OP_fmul_st0_i, OP_fcom_i, OP_fcomp_i, OP_fsub_st0_i, OP_fsubr_st0_i, OP_fdiv_st0_i, OP_fdivr_st0_i]
REGISTER[1] = [OP_fld_i, OP_fxch, OP_fnop, OP_fstp_i, 0, 0, 0, 0]
REGISTER[2] = [OP_fcmov, OP_fcmov, OP_fcmov, OP_fcmov, 0, OP_fucompp_i, 0, 0]
REGISTER[3] = [OP_fcmov, OP_fcmov, OP_fcmov, OP_fcmov, 0, OP_fucomi_i, OP_fcomi_i, 0]
REGISTER[4] = [OP_fadd_i_st0, OP_fmul_i_st0, OP_fcom_i, OP_fcomp_i, OP_fsub_i_st0, OP_fsubr_i_st0, OP_fdiv_i_st0, OP_fdivr_i_st0]
REGISTER[5] = [OP_ffree, OP_fxch, OP_fst_i, OP_fstp_i, OP_fucom_i, OP_fucomp_i, 0, 0]
REGISTER[6] = [OP_faddp_i_st0, OP_fmulp_i_st0, OP_fcomp_i, OP_fcompp_i, OP_fsubp_i_st0, OP_fsubrp_i_st0, OP_fdivp_i_st0, OP_fdivrp_i_st0]
REGISTER[7] = [OP_ffreep, OP_fxch, OP_fstp_i, OP_fstp_i, OP_fnstsw_ax, OP_fucomip_i, OP_fcomip_i, 0]

# D9 E0-FF
cdef int[32] D9_E0 = [
    OP_fchs, OP_fabs, 0, 0, OP_fmath, OP_fmath, 0, 0,
    OP_fld1, OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fldz, 0,
    OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fdecstp, OP_fincstp,
    OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fmath, OP_fmath]
# DB E0-E7: FENI, FDISI and FSETPM do nothing and do not wait
cdef int[8] DB_E0 = [0, 0, OP_fnclex, OP_fninit, 0, 0, 0, 0]

# C, Z, BE, P
cdef int[4] FCMOV_CONDITION = [2, 4, 6, 10]


cdef int environment(Insn *i) noexcept nogil:
    """FLDENV, FNSTENV, FRSTOR, FNSAVE: the image depends on the operand size."""
    if i.opcode == 0xD9:
        if i.reg == 4:
            return OP_fldenv16 if i.osz == 2 else OP_fldenv32
        return OP_fnstenv16 if i.osz == 2 else OP_fnstenv32
    if i.reg == 4:
        return OP_frstor16 if i.osz == 2 else OP_frstor32
    return OP_fnsave16 if i.osz == 2 else OP_fnsave32


cdef int no_device(DisasContext *s) noexcept nogil:
    """#NM."""
    emit(s, OP_trap).imm = EXCP07_PREX
    s.is_jmp = DISAS_END
    return 0


cdef int trans_fpu(DisasContext *s) noexcept nogil:
    """Nonzero: #UD."""
    cdef Insn *i = &s.insn
    cdef IROp *op
    cdef int opc
    cdef uint32_t esc = i.opcode & 7
    cdef uint32_t eip = <uint32_t> (s.pc - s.env.segs[R_CS].base)
    cdef int64_t imm = eip | <int64_t> (esc << 8 | i.modrm) << 32
    if i.map == 0 and i.opcode == 0x9B:
        if s.flags & (HF_MP | HF_TS) == HF_MP | HF_TS:
            return no_device(s)
        if s.features & CPUF_FPU:
            emit(s, OP_fwait)
        return 0
    if s.flags & (HF_EM | HF_TS):
        return no_device(s)
    if i.map == 1:
        emit_mem(s, OP_fxsave if i.reg == 0 else OP_fxrstor, 0, 0)
        return 0
    if not s.features & CPUF_FPU:
        return 0            # an escape that no coprocessor answers: nothing happens
    if i.mod != 3:
        opc = MEMORY[esc][i.reg]
        emit_mem(s, opc if opc else environment(i), 0, imm)
        return 0
    if i.opcode == 0xD9 and i.reg >= 4:
        opc = D9_E0[i.modrm & 31]
    elif i.opcode == 0xDB and i.reg == 4:
        opc = DB_E0[i.rm]
        if opc == 0:
            return 0
    else:
        opc = REGISTER[esc][i.reg]
    if opc == 0:
        return 1
    op = emit(s, opc)
    op.a = i.rm
    op.imm = imm
    if opc == OP_fcmov:
        op.c = FCMOV_CONDITION[i.reg] + (esc & 1)
    return 0
