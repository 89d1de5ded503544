"""The x87: what the bodies of ops/fpu.tbl are made of (SDM vol. 1, chapter 8).

Guest state: fpregs[] and fptags[] by physical register, fpstt (TOP), fpuc, fpus without TOP. ES and
B in fpus are kept current, so "an exception is pending" is one test.

An instruction first tries the fast way (fpu_host.pxd): operands present, result slot free,
underflow masked, and no exception flag that the guest does not have already. Everything else, a
few calls per FNCLEX of any program, runs the guest's own opcode in its whole state (fpu_full):
unmasked exceptions, stack faults, tags and undocumented encodings are then silicon's too.

op.imm of an x87 op: eip of the instruction in bits 0-31, its opcode as in FOP in bits 32-42.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State, FPReg, IROp, R_CS
from qemu_py._core.ir.interp cimport EA_SEG_MASK, EA_SEG_SHIFT
from qemu_py._core.softmmu cimport ld16, ld32, ld64, probe_write, st16, st32, st64

cdef enum:              # status word, SDM vol. 1, figure 8-4
    FPUS_IE = 0x01
    FPUS_DE = 0x02
    FPUS_ZE = 0x04
    FPUS_OE = 0x08
    FPUS_UE = 0x10
    FPUS_PE = 0x20
    FPUS_EXCEPTIONS = 0x3F
    FPUS_SF = 0x40
    FPUS_ES = 0x80
    FPUS_C0 = 0x0100
    FPUS_C1 = 0x0200
    FPUS_C2 = 0x0400
    FPUS_TOP = 0x3800
    FPUS_C3 = 0x4000
    FPUS_CC = 0x4700
    FPUS_B = 0x8000
    FPUC_UM = 0x10
    FPUC_MASKS = 0x3F

cdef enum:              # CPUX86State.ferr, used while CR0.NE is clear
    FERR_ASSERTED = 1
    FERR_IGNNE = 2      # IGNNE#: the board has seen FERR# (port F0h) and lets the x87 go on

# Cold halves (fpu.pyx). Nonzero: leave, an exception is pending.
cdef int fpu_pending(CPUX86State *env) noexcept nogil
cdef int fpu_full(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil
cdef int fpu_math(CPUX86State *env, IROp *op) noexcept nogil
# The address check of a store has failed. True: the store is kept back by an unmasked exception, the
# instruction is done and the fault forgotten.
cdef bint fpu_keeps_store(CPUX86State *env, IROp *op) noexcept nogil


# ---- state
cdef inline int fpu_waits(CPUX86State *env) noexcept nogil:
    """What every waiting instruction begins with. Nonzero: #MF, or wait for the interrupt."""
    return env.fpus & FPUS_ES and fpu_pending(env)

cdef inline FPReg *fp_st(CPUX86State *env, uint32_t i) noexcept nogil:
    return &env.fpregs[(env.fpstt + i) & 7]

cdef inline bint fp_has(CPUX86State *env, uint32_t i) noexcept nogil:
    """ST(i) is not empty, and the fast way is open."""
    return env.fptags[(env.fpstt + i) & 7] == 0 and env.fpuc & FPUC_UM

cdef inline bint fp_room(CPUX86State *env) noexcept nogil:
    """A push finds an empty register."""
    return env.fptags[(env.fpstt - 1) & 7] != 0

cdef inline uint32_t fp_cw(CPUX86State *env) noexcept nogil:
    return env.fpuc | FPUC_MASKS

cdef inline bint fp_quiet(CPUX86State *env, uint32_t sw) noexcept nogil:
    """The instruction raised nothing, or only what was raised before (and is therefore masked)."""
    return sw & FPUS_EXCEPTIONS & ~env.fpus == 0

cdef inline FPReg *fp_push(CPUX86State *env) noexcept nogil:
    env.fpstt = (env.fpstt - 1) & 7
    env.fptags[env.fpstt] = 0
    return &env.fpregs[env.fpstt]

cdef inline void fp_pop(CPUX86State *env) noexcept nogil:
    env.fptags[env.fpstt] = 1
    env.fpstt = (env.fpstt + 1) & 7

cdef inline void fp_copy(FPReg *d, FPReg *s) noexcept nogil:
    d.m = s.m
    d.se = s.se


# ---- the end of an instruction
cdef inline void fp_ip(CPUX86State *env, IROp *op) noexcept nogil:
    """FIP, FCS, FOP: every instruction but the control instructions (SDM vol. 1, 8.1.8)."""
    env.fpip = <uint32_t> op.imm
    env.fpop = <uint16_t> (op.imm >> 32)
    env.fpcs = <uint16_t> env.segs[R_CS].selector

cdef inline void fp_dp(CPUX86State *env, IROp *op, uint64_t va) noexcept nogil:
    cdef int seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    env.fpds = <uint16_t> env.segs[seg].selector
    env.fpdp = <uint32_t> (va - env.segs[seg].base)

cdef inline void fp_done(CPUX86State *env, IROp *op, uint32_t sw, uint32_t defines) noexcept nogil:
    """Condition codes that the instruction defines, and its address."""
    env.fpus = <uint16_t> ((env.fpus & ~defines) | (sw & defines))
    fp_ip(env, op)

cdef inline void fp_done_m(CPUX86State *env, IROp *op, uint32_t sw, uint32_t defines, uint64_t va) noexcept nogil:
    fp_done(env, op, sw, defines)
    fp_dp(env, op, va)


# ---- memory operands, by way of env.t. Nonzero: leave.
cdef inline int fp_ld2(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef int64_t v = ld16(env, va)
    env.t[0] = <uint64_t> v
    return v < 0

cdef inline int fp_ld4(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef int64_t v = ld32(env, va)
    env.t[0] = <uint64_t> v
    return v < 0

cdef inline int fp_ld8(CPUX86State *env, uint64_t va) noexcept nogil:
    return ld64(env, va, &env.t[0])

cdef inline int fp_ld10(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef int64_t v
    if ld64(env, va, &env.t[0]):
        return 1
    v = ld16(env, <uint32_t> (va + 8))
    env.t[1] = <uint64_t> v
    return v < 0

cdef inline int fp_st2(CPUX86State *env, uint64_t va) noexcept nogil:
    return st16(env, va, <uint16_t> env.t[0])

cdef inline int fp_st4(CPUX86State *env, uint64_t va) noexcept nogil:
    return st32(env, va, <uint32_t> env.t[0])

cdef inline int fp_st8(CPUX86State *env, uint64_t va) noexcept nogil:
    return st64(env, va, env.t[0])

cdef inline int fp_st10(CPUX86State *env, uint64_t va) noexcept nogil:
    # A page boundary inside: nothing may be stored when the second page faults.
    if (va & 0xFFF) > 0xFF6 and probe_write(env, va, 10, env.mmu_idx):
        return 1
    return st64(env, va, env.t[0]) or st16(env, <uint32_t> (va + 8), <uint16_t> env.t[1])
