"""Translation rules of MMX, SSE, SSE2, SSE3 and SSSE3 (SDM vol. 2; vol. 3, 12.1 and 13.1 for what
a mode forbids).

Most instructions are one op of their own name, with mm_ in front for the MMX form and _i behind
for the form with an immediate count. A memory operand is loaded to xmm_t[0] by an op before, or,
in the op with _m behind its name, by the op itself. Only moves and control have rules of their own.
"""
from libc.stdint cimport uint16_t
from qemu_py._core.cpu cimport (EXCP07_PREX, HF_EM, HF_OSFXSR, HF_TS, R_DS, R_EDI)
from qemu_py._core.ir.builder cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.decode cimport *
from qemu_py._core.ir.table import ops as table_ops
from qemu_py._core.x86.decode import INSN_NAMES
import qemu_py._core.x86.mmx, qemu_py._core.x86.sse_arith, qemu_py._core.x86.sse_int, qemu_py._core.x86.sse_move

cdef enum:
    MAX_INSNS = 2048

# By instruction number: the op of the XMM form, of the same with a memory operand of its own, of
# the MMX form, of the XMM and MMX forms by immediate; 0: none
cdef uint16_t[2048] xmm_op
cdef uint16_t[2048] xmm_mem_op
cdef uint16_t[2048] mmx_op
cdef uint16_t[2048] xmm_imm_op
cdef uint16_t[2048] mmx_imm_op


def _fill():
    ops = {name: number for name, (number, _) in table_ops().items()}
    assert len(INSN_NAMES) <= MAX_INSNS
    for i, name in enumerate(INSN_NAMES):
        xmm_op[i] = ops.get(name, 0)
        xmm_mem_op[i] = ops.get(name + "_m", 0)
        mmx_op[i] = ops.get("mm_" + name, 0)
        xmm_imm_op[i] = ops.get(name + "_i", 0)
        mmx_imm_op[i] = ops.get("mm_" + name + "_i", 0)


_fill()


cdef inline bint is_xmm(int kind) noexcept nogil:
    return kind == OT_V or kind == OT_W or kind == OT_U

cdef inline bint is_mmx(int kind) noexcept nogil:
    return kind == OT_P or kind == OT_Q or kind == OT_N

cdef inline bint is_memory(Insn *i, int kind) noexcept nogil:
    return i.mod != 3 and (kind == OT_W or kind == OT_Q or kind == OT_E or kind == OT_M)

cdef inline uint16_t register_off(Insn *i, int kind) noexcept nogil:
    if kind == OT_V:
        return xmm_off(i.reg)
    if kind == OT_W or kind == OT_U:
        return xmm_off(i.rm)
    if kind == OT_P:
        return mmx_off(i.reg)
    if kind == OT_Q or kind == OT_N:
        return mmx_off(i.rm)
    if kind == OT_G:
        return reg_off(i.reg)
    return reg_off(i.rm)


# ---- memory operands
cdef void load16(DisasContext *s, uint16_t to, bint aligned) noexcept nogil:
    emit_mem(s, OP_ldx16_al if aligned else OP_ldx16, to, 0)


cdef void store16(DisasContext *s, uint16_t value, bint aligned) noexcept nogil:
    emit_mem(s, OP_stx16_al if aligned else OP_stx16, value, 0)


cdef uint16_t source(DisasContext *s, int n) noexcept nogil:
    """Offset of operand n; memory is loaded to xmm_t[0]."""
    cdef Insn *i = &s.insn
    cdef uint16_t to = xmmt_off(0)
    if not is_memory(i, i.opt[n]):
        return register_off(i, i.opt[n])
    if i.opsz[n] == 16:
        load16(s, to, True)
    elif i.opsz[n] == 8:
        emit_mem(s, OP_ldx8, to, 0)
    elif i.opsz[n] == 4:
        emit_mem(s, OP_ldx4_z, to, 0)
    else:
        emit_mem(s, OP_ldx2, to, 0)
    return to


# ---- moves
cdef void move(DisasContext *s, int reg_op, int load_op, int store_op) noexcept nogil:
    """Between an XMM register and an XMM register or memory, by opt[0] and opt[1]."""
    cdef Insn *i = &s.insn
    if is_memory(i, i.opt[0]):
        emit_mem(s, store_op, register_off(i, i.opt[1]), 0)
    elif is_memory(i, i.opt[1]):
        emit_mem(s, load_op, register_off(i, i.opt[0]), 0)
    else:
        emit_rr(s, reg_op, register_off(i, i.opt[0]), register_off(i, i.opt[1]))


cdef void move16(DisasContext *s, bint aligned) noexcept nogil:
    cdef Insn *i = &s.insn
    if is_memory(i, i.opt[0]):
        store16(s, register_off(i, i.opt[1]), aligned)
    elif is_memory(i, i.opt[1]):
        load16(s, register_off(i, i.opt[0]), aligned)
    else:
        emit_rr(s, OP_movx, register_off(i, i.opt[0]), register_off(i, i.opt[1]))


cdef void move_half(DisasContext *s, int high) noexcept nogil:
    """MOVLPS, MOVHPS and their doubles: one half of an XMM register and memory."""
    cdef Insn *i = &s.insn
    if i.opt[0] == OT_M:
        emit_mem(s, OP_stx8, xmm_off(i.reg) + 8 * high, 0)
    else:
        emit_mem(s, OP_ldx8, xmm_off(i.reg) + 8 * high, 0)


cdef void move_mmx(DisasContext *s) noexcept nogil:
    """MOVD and MOVQ with an MMX register."""
    cdef Insn *i = &s.insn
    cdef bint dword = i.id == I_MOVD
    cdef uint16_t a = register_off(i, i.opt[0])
    cdef uint16_t b = register_off(i, i.opt[1])
    if is_memory(i, i.opt[0]):
        emit_mem(s, OP_mm_movd_mr if dword else OP_mm_movq_mr, b, 0)
    elif is_memory(i, i.opt[1]):
        emit_mem(s, OP_mm_movd_rm if dword else OP_mm_movq_rm, a, 0)
    elif not dword:
        emit_rr(s, OP_mm_movq, a, b)
    else:
        emit_rr(s, OP_mm_movd_to_r32 if i.opt[0] == OT_E else OP_mm_movd_r32, a, b)


cdef void masked_move(DisasContext *s, int opc) noexcept nogil:
    """MASKMOVQ, MASKMOVDQU: to [(E)DI], in DS or the segment of a prefix."""
    cdef Insn *i = &s.insn
    i.base = R_EDI
    i.index = -1
    i.scale = 0
    i.disp = 0
    i.seg = R_DS if i.seg_prefix < 0 else i.seg_prefix
    set_ea(s, emit_ri(s, opc, register_off(i, i.opt[0]), register_off(i, i.opt[1])))


# ---- all others
cdef int one_op(DisasContext *s, bint xmm) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef IROp *op
    cdef uint16_t a = register_off(i, i.opt[0])
    cdef uint16_t b
    if i.opt[1] == OT_I:
        emit_ri(s, xmm_imm_op[i.id] if xmm else mmx_imm_op[i.id], a, <uint8_t> i.imm)
        return 0
    if xmm and xmm_mem_op[i.id] and is_memory(i, i.opt[1]):
        emit_mem(s, xmm_mem_op[i.id], a, 0)
        return 0
    b = source(s, 1)
    op = emit_rr(s, xmm_op[i.id] if xmm else mmx_op[i.id], a, b)
    op.imm = <uint8_t> i.imm
    return 0


cdef int compare(DisasContext *s, int first) noexcept nogil:
    """CMPPS and the like: an op for each predicate; the immediate's high bits do not matter."""
    cdef uint16_t b = source(s, 1)
    emit_rr(s, first + <int> (s.insn.imm & 7), xmm_off(s.insn.reg), b)
    return 0


cdef bint after_mmx(DisasContext *s) noexcept nogil:
    """The instruction before was of MMX: no x87 exception can have come between."""
    return s.nops > 0 and OP_mm_check <= s.ops[s.nops - 1].opc <= OP_mm_psrad_i


cdef int trans_sse(DisasContext *s) noexcept nogil:
    """Emit the IR of s.insn. Nonzero: it is #UD in this mode."""
    cdef Insn *i = &s.insn
    cdef int id = i.id
    cdef bint xmm, mmx
    if id == I_PAUSE:                   # another processor's turn may begin here: spin loops let go of locks so
        s.is_jmp = DISAS_STOP
        return 0
    if id == I_LFENCE or id == I_MFENCE or id == I_SFENCE:
        return 0
    if id == I_CLFLUSH:
        emit_mem(s, OP_clflush, 0, 0)
        return 0
    if id == I_MOVNTI:
        emit_mem(s, OP_stx4, reg_off(i.reg), 0)
        return 0
    # ---- mode (SDM vol. 3, tables 13-1 and 12-1): #UD before #NM before #MF
    xmm = (is_xmm(i.opt[0]) or is_xmm(i.opt[1]) or is_xmm(i.opt[2]) or id == I_LDMXCSR or id == I_STMXCSR)
    mmx = is_mmx(i.opt[0]) or is_mmx(i.opt[1]) or id == I_EMMS
    if s.flags & HF_EM or (xmm and not s.flags & HF_OSFXSR):
        return 1
    if s.flags & HF_TS:
        emit_ri(s, OP_trap, 0, EXCP07_PREX)
        s.is_jmp = DISAS_END
        return 0
    if mmx and not after_mmx(s) and not ((id == I_CVTPI2PS or id == I_CVTPI2PD) and i.mod != 3):
        emit(s, OP_mm_check)
    # ---- moves
    if id == I_MOVAPS or id == I_MOVAPD or id == I_MOVDQA or id == I_MOVNTPS or id == I_MOVNTPD or id == I_MOVNTDQ:
        move16(s, True)
    elif id == I_MOVUPS or id == I_MOVUPD or id == I_MOVDQU or id == I_LDDQU:
        move16(s, False)
    elif id == I_MOVSS:
        move(s, OP_movx_4, OP_ldx4_z, OP_stx4)
    elif id == I_MOVSD:
        move(s, OP_movx_8, OP_ldx8_z, OP_stx8)
    elif id == I_MOVLPS:
        move_half(s, 0)
    elif id == I_MOVHPS:
        move_half(s, 1)
    elif id == I_MOVQ and xmm:
        move(s, OP_movx_8z, OP_ldx8_z, OP_stx8)
    elif id == I_MOVD and xmm:
        move(s, OP_movr_4 if i.opt[0] == OT_E else OP_movx_r32, OP_ldx4_z, OP_stx4)
    elif id == I_MOVD or id == I_MOVQ:
        move_mmx(s)
    elif id == I_MOVNTQ:
        emit_mem(s, OP_mm_movq_mr, mmx_off(i.reg), 0)
    elif id == I_MOVQ2DQ:
        emit_rr(s, OP_movq2dq, xmm_off(i.reg), mmx_off(i.rm))
    elif id == I_MOVDQ2Q:
        emit_rr(s, OP_movdq2q, mmx_off(i.reg), xmm_off(i.rm))
    elif id == I_MASKMOVQ:
        masked_move(s, OP_mm_maskmovq)
    elif id == I_MASKMOVDQU:
        masked_move(s, OP_maskmovdqu)
    # ---- control
    elif id == I_LDMXCSR:
        emit_mem(s, OP_ldmxcsr, 0, 0)
    elif id == I_STMXCSR:
        emit_mem(s, OP_stmxcsr, 0, 0)
    elif id == I_EMMS:
        emit(s, OP_emms)
    # ---- one op each
    elif id == I_CMPPS:
        return compare(s, OP_cmpps_0)
    elif id == I_CMPPD:
        return compare(s, OP_cmppd_0)
    elif id == I_CMPSS:
        return compare(s, OP_cmpss_0)
    elif id == I_CMPSD:
        return compare(s, OP_cmpsd_0)
    else:
        if (id == I_CVTPI2PS or id == I_CVTPI2PD) and i.mod == 3:
            emit(s, OP_mm_touch)
        one_op(s, xmm)
    return 0
