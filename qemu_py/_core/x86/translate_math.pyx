"""Guest code to IR: shifts, multiplication, division, bits, decimal adjust, frames (ops/math.tbl).

Arrays of op numbers are indexed by size: 8, 16, 32 bits, 0 where there is none.
"""
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from qemu_py._core.cpu cimport HF_AC, IROp
from qemu_py._core.ir.builder cimport *
from qemu_py._core.ir.interp cimport EA_A16, EA_SEG_MASK, EA_SEG_SHIFT
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.decode cimport *

cdef struct ShiftOps:
    int ri[3]           # register by immediate
    int rc[3]           # register by CL
    int mi[3]           # memory
    int mc[3]

cdef ShiftOps SHL, SHR, SAR, ROL, ROR
SHL = ShiftOps([OP_shl8_ri, OP_shl16_ri, OP_shl32_ri], [OP_shl8_rc, OP_shl16_rc, OP_shl32_rc],
               [OP_shl8_mi, OP_shl16_mi, OP_shl32_mi], [OP_shl8_mc, OP_shl16_mc, OP_shl32_mc])
SHR = ShiftOps([OP_shr8_ri, OP_shr16_ri, OP_shr32_ri], [OP_shr8_rc, OP_shr16_rc, OP_shr32_rc],
               [OP_shr8_mi, OP_shr16_mi, OP_shr32_mi], [OP_shr8_mc, OP_shr16_mc, OP_shr32_mc])
SAR = ShiftOps([OP_sar8_ri, OP_sar16_ri, OP_sar32_ri], [OP_sar8_rc, OP_sar16_rc, OP_sar32_rc],
               [OP_sar8_mi, OP_sar16_mi, OP_sar32_mi], [OP_sar8_mc, OP_sar16_mc, OP_sar32_mc])
ROL = ShiftOps([OP_rol8_ri, OP_rol16_ri, OP_rol32_ri], [OP_rol8_rc, OP_rol16_rc, OP_rol32_rc],
               [OP_rol8_mi, OP_rol16_mi, OP_rol32_mi], [OP_rol8_mc, OP_rol16_mc, OP_rol32_mc])
ROR = ShiftOps([OP_ror8_ri, OP_ror16_ri, OP_ror32_ri], [OP_ror8_rc, OP_ror16_rc, OP_ror32_rc],
               [OP_ror8_mi, OP_ror16_mi, OP_ror32_mi], [OP_ror8_mc, OP_ror16_mc, OP_ror32_mc])

cdef struct BitOps:
    int ri[3]           # register, immediate
    int rr[3]           # register, register
    int mi[3]
    int mr[3]

cdef BitOps BTS, BTR, BTC
BTS = BitOps([0, OP_bts16_ri, OP_bts32_ri], [0, OP_bts16_rr, OP_bts32_rr],
             [0, OP_bts16_mi, OP_bts32_mi], [0, OP_bts16_mr, OP_bts32_mr])
BTR = BitOps([0, OP_btr16_ri, OP_btr32_ri], [0, OP_btr16_rr, OP_btr32_rr],
             [0, OP_btr16_mi, OP_btr32_mi], [0, OP_btr16_mr, OP_btr32_mr])
BTC = BitOps([0, OP_btc16_ri, OP_btc32_ri], [0, OP_btc16_rr, OP_btc32_rr],
             [0, OP_btc16_mi, OP_btc32_mi], [0, OP_btc16_mr, OP_btc32_mr])

cdef int *LD = [OP_ld8, OP_ld16, OP_ld32]
cdef int *BT_RI = [0, OP_bt16_ri, OP_bt32_ri]
cdef int *BT_RR = [0, OP_bt16_rr, OP_bt32_rr]
cdef int *LEA_BIT = [0, OP_lea_bit16, OP_lea_bit32]
cdef int *RCL_1 = [OP_rcl8_r1, OP_rcl16_r1, OP_rcl32_r1]
cdef int *RCL_R = [OP_rcl8_r, OP_rcl16_r, OP_rcl32_r]
cdef int *RCL_M = [OP_rcl8_m, OP_rcl16_m, OP_rcl32_m]
cdef int *RCR_1 = [OP_rcr8_r1, OP_rcr16_r1, OP_rcr32_r1]
cdef int *RCR_R = [OP_rcr8_r, OP_rcr16_r, OP_rcr32_r]
cdef int *RCR_M = [OP_rcr8_m, OP_rcr16_m, OP_rcr32_m]
cdef int *SHLD_I = [0, OP_shld16_rri, OP_shld32_rri]
cdef int *SHLD_C = [0, OP_shld16_rrc, OP_shld32_rrc]
cdef int *SHLD_M = [0, OP_shld16_mr, OP_shld32_mr]
cdef int *SHRD_I = [0, OP_shrd16_rri, OP_shrd32_rri]
cdef int *SHRD_C = [0, OP_shrd16_rrc, OP_shrd32_rrc]
cdef int *SHRD_M = [0, OP_shrd16_mr, OP_shrd32_mr]
cdef int *MUL = [OP_mul8_r, OP_mul16_r, OP_mul32_r]
cdef int *IMUL1 = [OP_imul1_8_r, OP_imul1_16_r, OP_imul1_32_r]
cdef int *DIV = [OP_div8_r, OP_div16_r, OP_div32_r]
cdef int *IDIV = [OP_idiv8_r, OP_idiv16_r, OP_idiv32_r]
cdef int *IMUL_RR = [0, OP_imul16_rr, OP_imul32_rr]
cdef int *IMUL_RRI = [0, OP_imul16_rri, OP_imul32_rri]
cdef int *IMUL_RM = [0, OP_imul16_rm, OP_imul32_rm]
cdef int *BSF = [0, OP_bsf16_rr, OP_bsf32_rr]
cdef int *BSR = [0, OP_bsr16_rr, OP_bsr32_rr]
cdef int *XADD_RR = [OP_xadd8_rr, OP_xadd16_rr, OP_xadd32_rr]
cdef int *XADD_MR = [OP_xadd8_mr, OP_xadd16_mr, OP_xadd32_mr]
cdef int *CMPXCHG_RR = [OP_cmpxchg8_rr, OP_cmpxchg16_rr, OP_cmpxchg32_rr]
cdef int *CMPXCHG_MR = [OP_cmpxchg8_mr, OP_cmpxchg16_mr, OP_cmpxchg32_mr]
cdef int *ENTER = [0, OP_enter16, OP_enter32]
cdef int *PUSHA = [0, OP_pusha16, OP_pusha32]
cdef int *POPA = [0, OP_popa16, OP_popa32]
cdef int *BOUND = [0, OP_bound16, OP_bound32]


# ---------------------------------------------------------------- operands
cdef inline int lg(int size) noexcept nogil:
    """1, 2, 4 bytes: 0, 1, 2."""
    return size >> 1

cdef inline uint16_t e_reg(Insn *i) noexcept nogil:
    return regn_off(i.rm, i.size)

cdef inline uint16_t g_reg(Insn *i) noexcept nogil:
    return regn_off(i.reg, i.size)

cdef uint16_t e_source(DisasContext *s) noexcept nogil:
    """Where the value of the r/m operand is: its register, or T0 after a load."""
    cdef Insn *i = &s.insn
    if i.mod == 3:
        return e_reg(i)
    emit_mem(s, LD[lg(i.size)], t_off(0), 0)
    return t_off(0)

cdef int64_t count_of(Insn *i, int which) noexcept nogil:
    """A shift's count: 0 to 31, or -1 for CL. `which` operand it is."""
    if i.opt[which] == OT_CL:
        return -1
    if i.opt[which] == OT_1:
        return 1
    return i.imm & 31


# ---------------------------------------------------------------- shifts
cdef int shift(DisasContext *s, ShiftOps *ops) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int l = lg(i.size)
    cdef int64_t n = count_of(i, 1)
    if n == 0:                  # flags stay, but a memory operand is read and written even so
        if i.mod != 3:
            emit_mem(s, s.info[ops.mi[l]].nf, 0, 0)
    elif i.mod == 3:
        emit_ri(s, ops.rc[l] if n < 0 else ops.ri[l], e_reg(i), n)
    else:
        emit_mem(s, ops.mc[l] if n < 0 else ops.mi[l], 0, n)
    return 0

cdef int rotate_carry(DisasContext *s, const int *by_1, const int *reg, const int *mem) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int l = lg(i.size)
    cdef int64_t n = count_of(i, 1)
    if i.mod != 3:
        emit_mem(s, mem[l], 0, n)
    else:
        emit_ri(s, by_1[l] if n == 1 else reg[l], e_reg(i), n)
    return 0

cdef int double_shift(DisasContext *s, const int *by_imm, const int *by_cl, const int *mem) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int l = lg(i.size)
    cdef int64_t n = count_of(i, 2)
    cdef IROp *op
    if i.mod != 3:
        emit_mem(s, mem[l], g_reg(i), n)
    elif n != 0:
        op = emit_rr(s, by_cl[l] if n < 0 else by_imm[l], e_reg(i), g_reg(i))
        op.imm = n
    return 0


# ---------------------------------------------------------------- bits
cdef void emit_bit_mem(DisasContext *s, int opc, uint16_t a) noexcept nogil:
    """An `ea` op at the address that lea_bit left in T0."""
    cdef Insn *i = &s.insn
    cdef IROp *op
    if i.asz != 4 or not segment_is_flat(s, i.seg) or s.flags & HF_AC:
        opc = s.info[opc].g
    op = emit_rr(s, opc, a, t_off(0))
    op.c = zero_off()
    op.d = <uint16_t> (i.seg << EA_SEG_SHIFT | (EA_A16 if i.asz == 2 else 0))

cdef int bit(DisasContext *s, BitOps *ops) noexcept nogil:
    """BT (ops NULL), BTS, BTR, BTC."""
    cdef Insn *i = &s.insn
    cdef int l = lg(i.size)
    cdef int64_t n = i.imm & (8 * i.size - 1)
    cdef IROp *op
    if i.opt[1] == OT_I:
        if i.mod != 3 and ops != NULL:
            emit_mem(s, ops.mi[l], 0, n)
        else:
            emit_ri(s, BT_RI[l] if ops == NULL else ops.ri[l], e_source(s), n)
    elif i.mod == 3:
        emit_rr(s, BT_RR[l] if ops == NULL else ops.rr[l], e_reg(i), g_reg(i))
    else:
        op = emit_ri(s, LEA_BIT[l], t_off(0), g_reg(i))
        set_ea(s, op)
        if ops == NULL:
            emit_bit_mem(s, LD[l], t_off(0))
            emit_rr(s, BT_RR[l], t_off(0), g_reg(i))
        else:
            emit_bit_mem(s, ops.mr[l], g_reg(i))
    return 0


cdef int trans_math(DisasContext *s) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int l = lg(i.size)
    cdef uint16_t src
    cdef IROp *op
    cdef uint16_t id = i.id
    # ---- shifts
    if id == I_SHL:
        return shift(s, &SHL)
    if id == I_SHR:
        return shift(s, &SHR)
    if id == I_SAR:
        return shift(s, &SAR)
    if id == I_ROL:
        return shift(s, &ROL)
    if id == I_ROR:
        return shift(s, &ROR)
    if id == I_RCL:
        return rotate_carry(s, RCL_1, RCL_R, RCL_M)
    if id == I_RCR:
        return rotate_carry(s, RCR_1, RCR_R, RCR_M)
    if id == I_SHLD:
        return double_shift(s, SHLD_I, SHLD_C, SHLD_M)
    if id == I_SHRD:
        return double_shift(s, SHRD_I, SHRD_C, SHRD_M)
    # ---- multiplication and division
    if id == I_IMUL2:
        if i.mod == 3:
            emit_rr(s, IMUL_RR[l], g_reg(i), e_reg(i))
        else:
            emit_mem(s, IMUL_RM[l], g_reg(i), 0)
    elif id == I_IMUL3:
        src = e_source(s)
        op = emit_rr(s, IMUL_RRI[l], g_reg(i), src)
        op.imm = i.imm
    elif id == I_MUL:
        src = e_source(s)
        emit_rr(s, MUL[l], 0, src)
    elif id == I_IMUL1:
        src = e_source(s)
        emit_rr(s, IMUL1[l], 0, src)
    elif id == I_DIV:
        src = e_source(s)
        emit_rr(s, DIV[l], 0, src)
    elif id == I_IDIV:
        src = e_source(s)
        emit_rr(s, IDIV[l], 0, src)
    # ---- bits
    elif id == I_BT:
        return bit(s, NULL)
    elif id == I_BTS:
        return bit(s, &BTS)
    elif id == I_BTR:
        return bit(s, &BTR)
    elif id == I_BTC:
        return bit(s, &BTC)
    elif id == I_BSF:
        src = e_source(s)
        emit_rr(s, BSF[l], g_reg(i), src)
    elif id == I_BSR:
        src = e_source(s)
        emit_rr(s, BSR[l], g_reg(i), src)
    elif id == I_BSWAP:
        emit_ri(s, OP_bswap16 if i.osz == 2 else OP_bswap32, reg_off(i.zreg), 0)
    # ---- exchange and something
    elif id == I_XADD:
        if i.mod == 3:
            emit_rr(s, XADD_RR[l], e_reg(i), g_reg(i))
        else:
            emit_mem(s, XADD_MR[l], g_reg(i), 0)
    elif id == I_CMPXCHG:
        if i.mod == 3:
            emit_rr(s, CMPXCHG_RR[l], e_reg(i), g_reg(i))
        else:
            emit_mem(s, CMPXCHG_MR[l], g_reg(i), 0)
    elif id == I_CMPXCHG8B:
        emit_mem(s, OP_cmpxchg8b, 0, 0)
    # ---- decimal and ASCII adjust
    elif id == I_DAA:
        emit(s, OP_daa)
    elif id == I_DAS:
        emit(s, OP_das)
    elif id == I_AAA:
        emit(s, OP_aaa)
    elif id == I_AAS:
        emit(s, OP_aas)
    elif id == I_AAM:
        emit_ri(s, OP_aam, 0, i.imm & 0xFF)
    elif id == I_AAD:
        emit_ri(s, OP_aad, 0, i.imm & 0xFF)
    # ---- frames and the rest
    elif id == I_ENTER:
        emit_ri(s, ENTER[lg(i.osz)], 0, (i.imm & 0xFFFF) | (i.imm2 & 31) << 16)
    elif id == I_PUSHA:
        emit(s, PUSHA[lg(i.osz)])
    elif id == I_POPA:
        emit(s, POPA[lg(i.osz)])
    elif id == I_BOUND:
        op = emit_ri(s, BOUND[l], g_reg(i), 0)
        set_ea(s, op)
    elif id == I_XLAT:
        op = emit(s, OP_xlat)
        op.d = <uint16_t> (i.seg << EA_SEG_SHIFT | (EA_A16 if i.asz == 2 else 0))
    else:
        return 1
    return 0
