"""The x87's environment: control and status words, tags, and their images in memory.

SDM vol. 1, 8.1 (registers; figures 8-9 to 8-12 are the four formats of FSTENV) and 10.5 (FXSAVE).
FIP, FCS, FOP, FDP and FDS are those of a Pentium III: every instruction that is not a control
instruction sets them, exception or not, and FCS and FDS are kept.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State, FPReg, CPUF_SSE, EXCP0D_GPF
from qemu_py._core.softmmu cimport ld16, ld32, ld64, probe_read, probe_write, st16, st32, st64
from qemu_py._core.x86.fpu cimport (FPUC_MASKS, FPUS_B, FPUS_CC, FPUS_ES, FPUS_EXCEPTIONS, FPUS_SF,
                                    FPUS_TOP, fp_st)
from qemu_py._core.x86.fpu_host cimport x87_fnclex
from qemu_py._core.x86.mxcsr cimport MXCSR_VALID, sse_leave, sse_sync
from qemu_py._core.x86.state cimport protected_mode, raise_exception_err

cdef enum:
    FPUC_WRITABLE = 0x1F3F      # precision, rounding, infinity control, masks; bit 6 reads as 1
    FPUC_FIXED = 0x0040
    FPUC_INIT = 0x037F
    FOP_MASK = 0x07FF
    TAG_VALID = 0
    TAG_ZERO = 1
    TAG_SPECIAL = 2
    TAG_EMPTY = 3

cdef enum:                      # FXSAVE image, SDM vol. 1, table 10-2
    FX_MXCSR = 24
    FX_ST = 32
    FX_XMM = 160
    FX_XMM_END = 288


# ---------------------------------------------------------------- words
cdef void update_es(CPUX86State *env) noexcept nogil:
    """ES and B follow the exception flags and the masks; FERR# follows ES."""
    if env.fpus & ~env.fpuc & FPUS_EXCEPTIONS:
        env.fpus |= FPUS_ES | FPUS_B
    else:
        env.fpus &= <uint16_t> ~(FPUS_ES | FPUS_B)
        env.ferr = 0


cdef uint16_t fpu_status(CPUX86State *env) noexcept nogil:
    return <uint16_t> (env.fpus & ~FPUS_TOP | env.fpstt << 11)


cdef void fpu_set_status(CPUX86State *env, uint32_t value) noexcept nogil:
    env.fpstt = value >> 11 & 7
    env.fpus = <uint16_t> (value & (FPUS_CC | FPUS_SF | FPUS_EXCEPTIONS))
    update_es(env)


cdef void fpu_set_control(CPUX86State *env, uint32_t value) noexcept nogil:
    env.fpuc = <uint16_t> (value & FPUC_WRITABLE | FPUC_FIXED)
    update_es(env)


cdef void fpu_clear_exceptions(CPUX86State *env) noexcept nogil:
    env.fpus &= FPUS_CC
    env.ferr = 0
    # Stale flags on the host's unit would send the next instruction the slow way.
    x87_fnclex()


cdef void fpu_init(CPUX86State *env) noexcept nogil:
    env.fpuc = FPUC_INIT
    env.fpus = 0
    env.fpstt = 0
    env.ferr = 0
    (<uint64_t *> env.fptags)[0] = 0x0101010101010101
    env.fpop = env.fpcs = env.fpds = 0
    env.fpip = env.fpdp = 0


cdef uint16_t fpu_tag_word(CPUX86State *env) noexcept nogil:
    cdef int i
    cdef uint32_t tag, exponent, word = 0
    cdef FPReg *r
    for i in range(8):
        r = &env.fpregs[i]
        exponent = r.se & 0x7FFF
        if env.fptags[i]:
            tag = TAG_EMPTY
        elif exponent == 0 and r.m == 0:
            tag = TAG_ZERO
        elif exponent == 0 or exponent == 0x7FFF or not r.m >> 63:
            tag = TAG_SPECIAL
        else:
            tag = TAG_VALID
        word |= tag << 2 * i
    return <uint16_t> word


cdef void fpu_set_tag_word(CPUX86State *env, uint32_t value) noexcept nogil:
    cdef int i
    for i in range(8):
        env.fptags[i] = (value >> 2 * i & 3) == TAG_EMPTY


# ---------------------------------------------------------------- FSTENV, FSAVE
cdef void environment_words(CPUX86State *env, uint32_t *w, int size) noexcept nogil:
    """The seven words or dwords in the format of the mode and operand size."""
    cdef uint32_t ip = <uint32_t> env.fpip
    cdef uint32_t dp = <uint32_t> env.fpdp
    w[0] = env.fpuc
    w[1] = fpu_status(env)
    w[2] = fpu_tag_word(env)
    if protected_mode(env):
        w[3] = ip
        w[4] = env.fpcs | (<uint32_t> env.fpop << 16 if size == 4 else 0)
        w[5] = dp
        w[6] = env.fpds
    else:       # linear addresses, their upper bits beside the opcode
        ip += <uint32_t> env.fpcs << 4
        dp += <uint32_t> env.fpds << 4
        w[3] = ip & 0xFFFF
        w[4] = ip >> 16 << 12 | env.fpop
        w[5] = dp & 0xFFFF
        w[6] = dp >> 16 << 12
        if size == 4:
            w[4] &= 0x0FFFFFFF
            w[6] &= 0x0FFFFFFF
    if size == 4:       # what is reserved is stored as ones
        w[0] |= 0xFFFF0000U
        w[1] |= 0xFFFF0000U
        w[2] |= 0xFFFF0000U
        if protected_mode(env):
            w[6] |= 0xFFFF0000U
        else:
            w[3] |= 0xFFFF0000U
            w[5] |= 0xFFFF0000U


cdef void load_environment_words(CPUX86State *env, uint32_t *w, int size) noexcept nogil:
    env.fpuc = <uint16_t> (w[0] & FPUC_WRITABLE | FPUC_FIXED)
    fpu_set_status(env, w[1])
    fpu_set_tag_word(env, w[2])
    if protected_mode(env):
        env.fpip = w[3]
        env.fpcs = <uint16_t> w[4]
        env.fpop = <uint16_t> (w[4] >> 16 & FOP_MASK) if size == 4 else 0
        env.fpdp = w[5]
        env.fpds = <uint16_t> w[6]
    else:
        env.fpip = w[3] & 0xFFFF | (w[4] & 0x0FFFF000) << 4
        env.fpop = <uint16_t> (w[4] & FOP_MASK)
        env.fpdp = w[5] & 0xFFFF | (w[6] & 0x0FFFF000) << 4
        env.fpcs = env.fpds = 0


cdef int store_words(CPUX86State *env, uint64_t va, uint32_t *w, int size) noexcept nogil:
    cdef int i
    for i in range(7):
        if size == 4:
            if st32(env, <uint32_t> (va + 4 * i), w[i]):
                return 1
        elif st16(env, <uint32_t> (va + 2 * i), <uint16_t> w[i]):
            return 1
    return 0


cdef int load_words(CPUX86State *env, uint64_t va, uint32_t *w, int size) noexcept nogil:
    cdef int i
    cdef int64_t v
    for i in range(7):
        v = ld32(env, <uint32_t> (va + 4 * i)) if size == 4 else ld16(env, <uint32_t> (va + 2 * i))
        if v < 0:
            return 1
        w[i] = <uint32_t> v
    return 0


cdef int fldenv(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    cdef uint32_t w[7]
    if load_words(env, va, w, size):
        return 1
    load_environment_words(env, w, size)
    return 0


cdef int fnstenv(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    cdef uint32_t w[7]
    environment_words(env, w, size)
    if probe_write(env, va, 7 * size, env.mmu_idx) or store_words(env, va, w, size):
        return 1
    fpu_set_control(env, env.fpuc | FPUC_MASKS)
    return 0


cdef int frstor(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    cdef uint32_t w[7]
    cdef FPReg regs[8]
    cdef int64_t v
    cdef int i
    if load_words(env, va, w, size):
        return 1
    va += 7 * size
    for i in range(8):
        v = ld16(env, <uint32_t> (va + 10 * i + 8))
        if v < 0 or ld64(env, <uint32_t> (va + 10 * i), &regs[i].m):
            return 1
        regs[i].se = <uint16_t> v
    load_environment_words(env, w, size)
    for i in range(8):
        fp_st(env, i).m = regs[i].m
        fp_st(env, i).se = regs[i].se
    return 0


cdef int fnsave(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    cdef uint32_t w[7]
    cdef uint64_t at = va + 7 * size
    cdef int i
    environment_words(env, w, size)
    if probe_write(env, va, 7 * size + 80, env.mmu_idx) or store_words(env, va, w, size):
        return 1
    for i in range(8):
        if (st64(env, <uint32_t> (at + 10 * i), fp_st(env, i).m)
                or st16(env, <uint32_t> (at + 10 * i + 8), fp_st(env, i).se)):
            return 1
    fpu_init(env)
    return 0


# ---------------------------------------------------------------- FXSAVE
cdef uint32_t fxsave_image(CPUX86State *env, uint8_t *image) noexcept nogil:
    """FXSAVE's image, as far as the model defines it; gives that size. What is reserved behind the
    XMM registers is left alone."""
    cdef uint64_t *q = <uint64_t *> image
    cdef uint32_t size = FX_ST + 128
    cdef int i
    q[0] = env.fpuc | <uint64_t> fpu_status(env) << 16 | <uint64_t> env.fpop << 48
    for i in range(8):
        if not env.fptags[i]:
            image[4] |= 1 << i
    q[1] = <uint32_t> env.fpip | <uint64_t> env.fpcs << 32
    q[2] = <uint32_t> env.fpdp | <uint64_t> env.fpds << 32
    q[3] = 0
    for i in range(8):
        q[4 + 2 * i] = fp_st(env, i).m
        q[5 + 2 * i] = fp_st(env, i).se
    if env.features & CPUF_SSE:
        sse_sync(env)
        q[3] = env.mxcsr | <uint64_t> MXCSR_VALID << 32
        for i in range(8):
            q[20 + 2 * i] = env.xmm[i].q[0]
            q[21 + 2 * i] = env.xmm[i].q[1]
        size = FX_XMM_END
    return size


cdef int fxsave(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef uint64_t q[36]         # bytes 0-287
    cdef uint32_t size
    cdef int i
    if va & 15:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    size = fxsave_image(env, <uint8_t *> q)
    # The last byte is looked at first, which shows in CR2.
    if probe_write(env, <uint32_t> (va + 511), 1, env.mmu_idx) or probe_write(env, va, 512, env.mmu_idx):
        return 1
    for i in range(<int> size // 8):
        if st64(env, <uint32_t> (va + 8 * i), q[i]):
            return 1
    return 0


cdef void fxrstor_image(CPUX86State *env, const uint8_t *image) noexcept nogil:
    """Load FXSAVE's image; a reserved bit in MXCSR is the caller's business."""
    cdef const uint64_t *q = <const uint64_t *> image
    cdef int i
    if env.features & CPUF_SSE:
        sse_leave(env)
        env.mxcsr = <uint32_t> q[3]
        for i in range(8):
            env.xmm[i].q[0] = q[20 + 2 * i]
            env.xmm[i].q[1] = q[21 + 2 * i]
    env.fpuc = <uint16_t> (q[0] & FPUC_WRITABLE | FPUC_FIXED)
    fpu_set_status(env, <uint32_t> (q[0] >> 16))
    for i in range(8):
        env.fptags[i] = not q[0] >> (32 + i) & 1
    env.fpop = <uint16_t> (q[0] >> 48 & FOP_MASK)
    env.fpip = <uint32_t> q[1]
    env.fpcs = <uint16_t> (q[1] >> 32)
    env.fpdp = <uint32_t> q[2]
    env.fpds = <uint16_t> (q[2] >> 32)
    for i in range(8):
        fp_st(env, i).m = q[4 + 2 * i]
        fp_st(env, i).se = <uint16_t> q[5 + 2 * i]


cdef int fxrstor(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef uint64_t q[36]
    cdef int i
    if va & 15:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    if probe_read(env, <uint32_t> (va + 511), 1, env.mmu_idx) or probe_read(env, va, 512, env.mmu_idx):
        return 1
    for i in range(36):
        if ld64(env, <uint32_t> (va + 8 * i), &q[i]):
            return 1
    if env.features & CPUF_SSE and <uint32_t> q[3] & ~<uint32_t> MXCSR_VALID:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    fxrstor_image(env, <const uint8_t *> q)
    return 0
