"""What the bodies of the IR ops are made of: operands, effective addresses, ways out of a TB.

An op's function ends by calling the next one's, and the C compiler makes a jump of it. That holds
only while no address of a local escapes: pass addresses inside env instead.

What a TB's last op returns to cpu_exec:
    tb | 0, tb | 1   successor 0 or 1 is wanted and not linked yet; env.eip says where it is
    TB_EXIT (2)      go on at env.eip, link nothing
    TB_EXIT_FAULT    an exception is pending in env, env.eip is that of the instruction
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport (CPUX86State, IROp, TranslationBlock, TBJmpCacheEntry, HF_AC, HF_CS64,
                                SegmentCache, R_SS, R_CS, EXCP11_ALGN)
from qemu_py._core.x86.state cimport raise_exception_err, segment_fault, segment_check
from qemu_py._core.softmmu cimport tb_still_mapped
from qemu_py._core.tb cimport tb_jmp_cache_hash_func

cdef enum:
    TB_EXIT = 2
    TB_EXIT_FAULT = 3

cdef enum:              # IROp.d of an op with an effective address
    EA_SCALE = 3
    EA_SEG_SHIFT = 2
    EA_SEG_MASK = 7 << 2
    EA_A16 = 1 << 5


# ---- operands: byte offsets into env
cdef inline uint8_t r8(CPUX86State *env, uint16_t off) noexcept nogil:
    return (<uint8_t *> env)[off]

cdef inline uint16_t r16(CPUX86State *env, uint16_t off) noexcept nogil:
    return (<uint16_t *> (<uint8_t *> env + off))[0]

cdef inline uint32_t r32(CPUX86State *env, uint16_t off) noexcept nogil:
    return (<uint32_t *> (<uint8_t *> env + off))[0]

cdef inline uint64_t r64(CPUX86State *env, uint16_t off) noexcept nogil:
    return (<uint64_t *> (<uint8_t *> env + off))[0]

cdef inline void w8(CPUX86State *env, uint16_t off, uint8_t v) noexcept nogil:
    (<uint8_t *> env)[off] = v

cdef inline void w16(CPUX86State *env, uint16_t off, uint16_t v) noexcept nogil:
    (<uint16_t *> (<uint8_t *> env + off))[0] = v

cdef inline void w32(CPUX86State *env, uint16_t off, uint32_t v) noexcept nogil:
    # 32-bit results clear the upper half, as they do in 64-bit mode
    (<uint64_t *> (<uint8_t *> env + off))[0] = v

cdef inline void w64(CPUX86State *env, uint16_t off, uint64_t v) noexcept nogil:
    (<uint64_t *> (<uint8_t *> env + off))[0] = v


# ---- effective addresses
cdef inline uint64_t ea_flat(CPUX86State *env, IROp *op) noexcept nogil:
    return <uint32_t> (r32(env, op.b) + (r32(env, op.c) << (op.d & EA_SCALE)) + <uint32_t> op.disp)

cdef inline uint64_t ea_bd(CPUX86State *env, IROp *op) noexcept nogil:
    return <uint32_t> (r32(env, op.b) + <uint32_t> op.disp)

cdef inline uint32_t ea_offset(CPUX86State *env, IROp *op) noexcept nogil:
    """Offset within the segment, at the op's address size."""
    cdef uint32_t offset = r32(env, op.b) + (r32(env, op.c) << (op.d & EA_SCALE)) + <uint32_t> op.disp
    return offset & 0xFFFF if op.d & EA_A16 else offset

cdef inline int ea_seg(CPUX86State *env, IROp *op, uint32_t size, int write) noexcept nogil:
    """Linear address to env.a0, after limit, type and alignment checks. Nonzero: fault pending."""
    cdef int seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    cdef uint32_t offset = ea_offset(env, op)
    if segment_check(env, seg, offset, size, write):
        return 1
    env.a0 = <uint32_t> (env.segs[seg].base + offset)
    if env.hflags & HF_AC and env.a0 & (size - 1) and size & (size - 1) == 0:
        return raise_exception_err(env, EXCP11_ALGN, 0)
    return 0

cdef inline int ea_seg_align(CPUX86State *env, IROp *op, uint32_t size, uint32_t align, int write) noexcept nogil:
    """ea_seg for operands whose alignment (SDM vol. 3, table 6-7) is not their size."""
    cdef int seg = (op.d & EA_SEG_MASK) >> EA_SEG_SHIFT
    cdef uint32_t offset = ea_offset(env, op)
    if segment_check(env, seg, offset, size, write):
        return 1
    env.a0 = <uint32_t> (env.segs[seg].base + offset)
    if env.hflags & HF_AC and env.a0 & (align - 1):
        return raise_exception_err(env, EXCP11_ALGN, 0)
    return 0


# ---- ways out
cdef inline uintptr_t op_fault(CPUX86State *env, IROp *op) noexcept nogil:
    cdef TranslationBlock *tb = env.current_tb
    env.eip = <uint32_t> (tb.pc + op.pc_off - env.segs[R_CS].base)
    return TB_EXIT_FAULT

cdef inline uintptr_t exit_tb(CPUX86State *env) noexcept nogil:
    return TB_EXIT

cdef inline uintptr_t goto_tb(CPUX86State *env, int n) noexcept nogil:
    """Go to successor n: straight when it is linked and nobody wants us to stop."""
    cdef TranslationBlock *tb = env.current_tb
    cdef TranslationBlock *to = tb.jmp_dest[n]
    if to != NULL and env.exit_request == 0 and (
            tb.jmp_xpage[n] == 0 or tb.jmp_epoch[n] == env.link_epoch or tb_still_mapped(env, to)):
        tb.jmp_epoch[n] = env.link_epoch
        env.current_tb = to
        return to.ir.fn(env, to.ir)
    env.eip = tb.jmp_eip[n]
    return <uintptr_t> tb | n

cdef inline uintptr_t lookup_tb_ptr(CPUX86State *env) noexcept nogil:
    """Go to the TB at CS:env.eip if the jump cache knows it."""
    cdef uint64_t pc = <uint32_t> (env.segs[R_CS].base + env.eip)
    cdef TBJmpCacheEntry *e = &env.tb_jmp_cache[tb_jmp_cache_hash_func(pc)]
    cdef TranslationBlock *to = e.tb
    if (to != NULL and to.pc == pc and to.flags == env.hflags and to.cs_base == env.cs_key
            and env.exit_request == 0 and (e.epoch == env.code_epoch or tb_still_mapped(env, to))):
        e.epoch = env.code_epoch
        env.current_tb = to
        return to.ir.fn(env, to.ir)
    return TB_EXIT
