"""What the templates share: the state of the generator while it compiles a TB, and the operands of ops.

Registers: asm.pxd's numbers. Guest registers are in the host registers of the same name, ESP in R15 (pushes and pops in a flat
stack are added up in Gen.sp first); R14 is env, R13 env.site_epoch, R11 T0. R8 to R10 are free within a template.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport CPUX86State, IROp, TBContext, TranslationBlock
from qemu_py._core.host.asm cimport *
from qemu_py._core.host.buffer cimport HostBuffer
from qemu_py._core.ir.table cimport OpInfo

cdef enum:              # Gen.hv: flags of the guest that the host's EFLAGS hold now
    HV_C = 1
    HV_O = 2
    HV_REST = 4
    HV_ALL = 7

cdef enum:
    CC_UNKNOWN = 0xFFFF     # Gen.cc: nobody knows yet at translation what env.cc_op is

cdef enum:              # Pend.dst, Pend.src: else a register
    IN_ENV = -2
    IMMEDIATE = -3

cdef struct HostTemplate:
    uint8_t id                  # T_*
    uint8_t arg
    uint8_t size                # bytes
    uint8_t nf                  # this variant leaves no flags
    uint8_t kills               # nobody sees the flags before it any more
    uint8_t seg                 # its address wants the segment's check
    int8_t cc                   # condition of the jump that is fused with it, or -1

cdef struct FPTemplate:
    uint8_t form                # F_*
    uint8_t arg
    uint8_t size                # bytes of the memory operand
    uint32_t enc                # opcode | map << 8 | prefix << 16 | (1 | digit << 1) << 24

cdef enum:              # Pend.over
    OVER_NONE = 0
    OVER_C = 1                  # CF is not that of the rest
    OVER_CO = 2                 # CF and OF are not

cdef struct Pend:               # flags that env does not have yet
    uint32_t over               # CF is in env.over_c, or a bit of a register; OF in env.over_o
    int32_t over_reg            # IN_ENV, or the register ...
    uint32_t over_bit           # ... and which
    uint32_t on
    uint32_t cc_op
    int32_t dst
    int32_t src
    int64_t imm

cdef enum:                      # Cold.kind
    COLD_PROBE = 0
    COLD_BAIL = 1
    COLD_CARRY = 2
    COLD_GROUP = 3
    COLD_EXIT = 4               # to successor `span`, if anything is the matter
    COLD_LOOKUP = 5             # of an indirect jump's target, EIP in R8
    COLD_XMM = 16               # fp.pyx; what is not loaded yet
    COLD_MXCSR = 17
    COLD_X87 = 18

cdef struct Cold:               # out of line: try the TLB, or go to the interpreter
    uint8_t *jump               # from here
    uint8_t *hot                # back to here
    uint8_t *site
    uint32_t k
    int32_t kind
    int32_t base                # NO_REG: the address is in R8
    int32_t disp
    uint8_t t0
    uint8_t write
    uint8_t probe
    uint8_t t0_after
    uint8_t in_group
    int32_t span                # COLD_GROUP: bytes
    uint32_t cc
    uint8_t *after              # where the TB goes on when the interpreter has done the op; NULL: it goes on itself
    int32_t sp
    int32_t sp_after
    Pend pend
    uint64_t fp_ip

cdef struct FPGen:              # fp.pyx: what is known at this point of the TB
    uint32_t known              # live: FP_LIVE_*
    uint32_t seg                # env.fp_ds is this - 1; 0: unknown
    uint64_t ip                 # what env.fp_ip must become

cdef enum:
    MAX_GROUPS = 64

cdef struct Group:              # groups.pyx: ops first .. last of the TB
    uint32_t first
    uint32_t last
    int base                    # guest register
    int32_t lo                  # of its value at `first`
    int32_t hi
    int write
    int count                   # of its accesses
    bint in_r12                 # what to add to its addresses; else it is in the site
    bint keeps                  # for all turns of a loop
    uint8_t *site

cdef struct Loop:               # turns.pyx: the TB is a successor of its own
    int own                     # which one, or -1
    bint ends_so                # the first turn's code ends with that
    bint next_turn              # this is the code of the turns behind it
    uint8_t *leaves             # the first turn's jump to the other successor; NULL: there is none
    uint8_t *stops              # the next turns' way out when they shall not begin
    Pend pend                   # at a turn's end

cdef struct Gen:
    Asm a
    HostBuffer *h
    TBContext *tbx
    TranslationBlock *tb
    OpInfo *info
    uint32_t k
    uint32_t hv
    uint32_t t0                 # T0 is in R11, not in env
    int32_t sp                  # ESP is R15 + sp
    uint32_t cc                 # env.cc_op, where it is known and nothing is pending
    Pend pend
    FPGen fp
    uint32_t ended
    uint32_t ncold
    Cold cold[4200]
    int ngroups
    Group groups[MAX_GROUPS]
    int group                   # the next one
    Group *open[8]              # by base
    int32_t delta[8]            # how far the base has moved since
    int in_groups               # how many are open
    Loop loop
    bint undecided              # nothing has happened yet that makes, uses or shows flags
    # of the last access: its operand is [addend + base + disp]; the addend is in R10, or in R12 for a group's
    int addend
    int base
    int32_t disp

cdef inline int host_reg(int guest) noexcept nogil:
    return R15 if guest == 4 else guest

cdef inline int guest_reg(int reg) noexcept nogil:
    """Of a host register that is one."""
    return 4 if reg == R15 else reg

cdef inline int32_t t0_offset() noexcept nogil:
    return <int32_t> <uintptr_t> &(<CPUX86State *> NULL).t[0]

cdef inline bint high(uint16_t o) noexcept nogil:
    """AH CH DH BH, when the operand has a byte."""
    return o < 64 and o & 7 == 1

cdef inline int reg_of(uint16_t o) noexcept nogil:
    """Host register of an operand; AH..BH are 4-7 with a size of 1. NO_REG: it is in memory only."""
    if o < 64:
        return (o >> 3) + 4 if o & 7 else host_reg(o >> 3)
    if o == t0_offset():
        return R11
    return NO_REG

cdef inline int use(Gen *g, uint16_t o) noexcept nogil:
    """reg_of for an operand that is read."""
    if o == t0_offset() and not g.t0:
        ld(&g.a, 8, R11, R14, o)
        g.t0 = 1
    return reg_of(o)

cdef inline int log2_of(int size) noexcept nogil:
    return size >> 1 if size < 8 else 3

cdef inline int probe_index(int size) noexcept nogil:
    return 5 if size == 10 else 4 if size == 16 else 3 if size == 8 else size >> 1

cdef inline void cold(Gen *g, uint8_t *jump, int kind) noexcept nogil:
    cdef Cold *c = &g.cold[g.ncold]
    g.undecided = False
    g.ncold += 1
    c.jump = jump
    c.hot = NULL
    c.after = NULL
    c.kind = kind
    c.k = g.k
    c.t0 = g.t0
    c.sp = g.sp
    c.in_group = g.in_groups != 0
    c.pend = g.pend
    c.cc = g.cc
    c.fp_ip = g.fp.ip

cdef inline void bail_if(Gen *g, int cc) noexcept nogil:
    """Condition cc: the interpreter goes on at this op."""
    cold(g, jcc(&g.a, cc), COLD_BAIL)
