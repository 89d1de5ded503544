"""Guest code to IR: string instructions (ops/string.tbl).

F2h before MOVS, STOS, LODS, INS and OUTS repeats as F3h does. Arrays are indexed by size.
"""
from libc.stdint cimport uint16_t
from qemu_py._core.cpu cimport HF_AC, HF_TF, IROp, R_ES
from qemu_py._core.ir.builder cimport *
from qemu_py._core.ir.interp cimport EA_A16, EA_SEG_SHIFT
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.decode cimport *

cdef struct StringOps:
    int once[3]
    int flat[3]         # once, 32-bit addresses, the segments flat; 0: none
    int rep[3]

cdef StringOps MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS
MOVS = StringOps([OP_movs8, OP_movs16, OP_movs32], [OP_movs8_flat, OP_movs16_flat, OP_movs32_flat],
                 [OP_rep_movs8, OP_rep_movs16, OP_rep_movs32])
STOS = StringOps([OP_stos8, OP_stos16, OP_stos32], [OP_stos8_flat, OP_stos16_flat, OP_stos32_flat],
                 [OP_rep_stos8, OP_rep_stos16, OP_rep_stos32])
LODS = StringOps([OP_lods8, OP_lods16, OP_lods32], [OP_lods8_flat, OP_lods16_flat, OP_lods32_flat],
                 [OP_rep_lods8, OP_rep_lods16, OP_rep_lods32])
SCAS = StringOps([OP_scas8, OP_scas16, OP_scas32], [0, 0, 0], [OP_rep_scas8, OP_rep_scas16, OP_rep_scas32])
CMPS = StringOps([OP_cmps8, OP_cmps16, OP_cmps32], [0, 0, 0], [OP_rep_cmps8, OP_rep_cmps16, OP_rep_cmps32])
INS = StringOps([OP_ins8, OP_ins16, OP_ins32], [0, 0, 0], [OP_rep_ins8, OP_rep_ins16, OP_rep_ins32])
OUTS = StringOps([OP_outs8, OP_outs16, OP_outs32], [0, 0, 0], [OP_rep_outs8, OP_rep_outs16, OP_rep_outs32])


cdef int trans_string(DisasContext *s) noexcept nogil:
    cdef Insn *i = &s.insn
    cdef int l = i.size >> 1
    cdef bint source = True     # [seg:(E)SI] is used
    cdef bint dest = True       # [ES:(E)DI] is used
    cdef bint flat
    cdef StringOps *ops
    cdef IROp *op
    if i.id == I_MOVS:
        ops = &MOVS
    elif i.id == I_STOS:
        ops = &STOS
        source = False
    elif i.id == I_LODS:
        ops = &LODS
        dest = False
    elif i.id == I_SCAS:
        ops = &SCAS
        source = False
    elif i.id == I_CMPS:
        ops = &CMPS
    elif i.id == I_INS:
        ops = &INS
        source = False
    elif i.id == I_OUTS:
        ops = &OUTS
        dest = False
    else:
        return 1
    flat = (i.asz == 4 and not s.flags & (HF_AC | HF_TF) and (not source or segment_is_flat(s, i.seg))
            and (not dest or segment_is_flat(s, R_ES)))
    if i.rep:
        op = emit(s, ops.rep[l])
        op.imm = (i.rep == 0xF3) | flat << 1
    elif flat and ops.flat[l]:
        op = emit(s, ops.flat[l])
    else:
        op = emit(s, ops.once[l])
    op.d = <uint16_t> (i.seg << EA_SEG_SHIFT | (EA_A16 if i.asz == 2 else 0))
    return 0
