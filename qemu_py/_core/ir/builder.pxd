"""Building a TB's IR: DisasContext and the emit functions that the translation rules use."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport (CPUX86State, IROp, TranslationBlock, R_CS, R_DS, R_ES, R_SS, HF_FLAT_DS, HF_FLAT_ES,
                                HF_FLAT_SS, HF_SS32, HF_AC, HF_CS32, HF_CPL_MASK, HF_PE, HF_VM)
from qemu_py._core.ir.table cimport OpInfo
from qemu_py._core.ir.interp cimport EA_SEG_SHIFT, EA_A16
from qemu_py._core.x86.decode cimport Insn

cdef enum:              # DisasContext.is_jmp
    DISAS_NEXT = 0
    DISAS_END = 1       # the TB's last op has been emitted
    DISAS_STOP = 2      # end the TB after this instruction (mode may have changed): state is in env

cdef struct DisasContext:
    CPUX86State *env
    TranslationBlock *tb
    OpInfo *info
    IROp *ops
    uint32_t nops
    uint32_t pc_off             # of the current instruction, from tb.pc
    uint64_t pc                 # linear address of the current instruction
    uint64_t next_eip           # eip of the next instruction, truncated to the code size
    uint32_t flags              # hflags
    uint32_t is_jmp
    uint32_t features
    uint8_t *live               # the instruction's last dword, where it is patched often; or NULL
    Insn insn


# ---- operands
cdef inline uint16_t reg_off(int reg) noexcept nogil:
    return reg * 8

cdef inline uint16_t reg8_off(int reg) noexcept nogil:
    """AL CL DL BL AH CH DH BH."""
    return reg * 8 if reg < 4 else (reg - 4) * 8 + 1

cdef inline uint16_t regn_off(int reg, int size) noexcept nogil:
    return reg8_off(reg) if size == 1 else reg * 8

cdef inline uint16_t t_off(int i) noexcept nogil:
    """Temporary T0-T3 (env.t)."""
    return <uint16_t> <uintptr_t> &(<CPUX86State *> NULL).t[i]

cdef inline uint16_t a0_off() noexcept nogil:
    return <uint16_t> <uintptr_t> &(<CPUX86State *> NULL).a0

cdef inline uint16_t zero_off() noexcept nogil:
    return <uint16_t> <uintptr_t> &(<CPUX86State *> NULL).zero

cdef inline uint16_t xmm_off(int i) noexcept nogil:
    return <uint16_t> <uintptr_t> &(<CPUX86State *> NULL).xmm[i]

cdef inline uint16_t xmmt_off(int i) noexcept nogil:
    return <uint16_t> <uintptr_t> &(<CPUX86State *> NULL).xmm_t[i]

cdef inline uint16_t mmx_off(int i) noexcept nogil:
    """MMi is the significand of physical register Ri."""
    return <uint16_t> <uintptr_t> &(<CPUX86State *> NULL).fpregs[i].m


# ---- emitting
cdef inline IROp *emit(DisasContext *s, int opc) noexcept nogil:
    cdef IROp *op = &s.ops[s.nops]
    s.nops += 1
    op.opc = opc
    op.a = op.b = op.c = op.d = 0
    op.imm = 0
    op.disp = 0
    op.pc_off = s.pc_off
    return op

cdef inline IROp *emit_rr(DisasContext *s, int opc, uint16_t a, uint16_t b) noexcept nogil:
    cdef IROp *op = emit(s, opc)
    op.a = a
    op.b = b
    return op

cdef inline IROp *emit_ri(DisasContext *s, int opc, uint16_t a, int64_t imm) noexcept nogil:
    cdef IROp *op = emit(s, opc)
    op.a = a
    op.imm = imm
    return op

cdef inline bint segment_is_flat(DisasContext *s, int seg) noexcept nogil:
    if seg == R_DS:
        return (s.flags & HF_FLAT_DS) != 0
    if seg == R_SS:
        return (s.flags & HF_FLAT_SS) != 0
    if seg == R_ES:
        return (s.flags & HF_FLAT_ES) != 0
    return False

cdef inline void set_ea(DisasContext *s, IROp *op) noexcept nogil:
    """Fill in the operands of the effective address of s.insn."""
    cdef Insn *i = &s.insn
    op.b = reg_off(i.base) if i.base >= 0 else zero_off()
    op.c = reg_off(i.index) if i.index >= 0 else zero_off()
    op.d = i.scale | (i.seg << EA_SEG_SHIFT) | (EA_A16 if i.asz == 2 else 0)
    op.disp = i.disp

cdef inline IROp *emit_mem(DisasContext *s, int opc, uint16_t a, int64_t imm) noexcept nogil:
    """An op with an `ea` property on the memory operand of s.insn; picks the op's variant."""
    cdef IROp *op
    cdef Insn *i = &s.insn
    if i.asz == 4 and segment_is_flat(s, i.seg) and not s.flags & HF_AC:
        if i.index < 0 and s.info[opc].bd:
            opc = s.info[opc].bd
    else:
        opc = s.info[opc].g
    op = emit(s, opc)
    op.a = a
    op.imm = imm
    set_ea(s, op)
    return op

# ---- rules (x86/translate*.pyx). They emit the IR of s.insn and set s.is_jmp.
# Nonzero: the instruction is #UD after all.
