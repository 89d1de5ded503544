"""The C layout of a virtual CPU: CPUX86State, SegmentCache, TLB entries, TranslationBlock, IROp.

Layout only; behaviour lives in the modules that are named beside each part. Everything a running
CPU needs hangs off its CPUX86State, so several CPUs (and several machines) live in one process.
"""
from libc.stdint cimport (int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
                          uintptr_t)

# ---------------------------------------------------------------- registers
cdef enum:
    R_EAX = 0
    R_ECX = 1
    R_EDX = 2
    R_EBX = 3
    R_ESP = 4
    R_EBP = 5
    R_ESI = 6
    R_EDI = 7

cdef enum:              # order of Sreg in a ModRM byte (SDM vol. 2, table B-8), then the system ones
    R_ES = 0
    R_CS = 1
    R_SS = 2
    R_DS = 3
    R_FS = 4
    R_GS = 5
    R_LDTR = 6
    R_TR = 7

# EFLAGS, SDM vol. 1, 3.4.3
cdef enum:
    CC_C = 0x0001
    CC_P = 0x0004
    CC_A = 0x0010
    CC_Z = 0x0040
    CC_S = 0x0080
    TF_MASK = 0x0100
    IF_MASK = 0x0200
    DF_MASK = 0x0400
    CC_O = 0x0800
    IOPL_MASK = 0x3000
    IOPL_SHIFT = 12
    NT_MASK = 0x4000
    RF_MASK = 0x10000
    VM_MASK = 0x20000
    AC_MASK = 0x40000
    VIF_MASK = 0x80000
    VIP_MASK = 0x100000
    ID_MASK = 0x200000
    CC_MASK = 0x08D5            # the six arithmetic flags

# Lazily held flags (flags.pxd): kind * 4 + log2(operand size)
cdef enum:
    CC_OP_LAHF = 0              # cc_src: bit 0 is O, bits 8-15 are the others as LAHF gives them
    # C is bit 0 of cc_src:
    CC_OP_EFLAGS = 4            # cc_src holds the six flags themselves
    CC_OP_MUL = 8               # O = C, Z = A = 0, S and P from cc_dst
    CC_OP_RES = 12              # S, Z, P from cc_dst; C, A, O are in cc_src
    CC_OP_INC = 16              # cc_dst = x + 1
    CC_OP_DEC = 20              # cc_dst = x - 1
    # C is computed:
    CC_OP_LOGIC = 24            # S, Z, P from cc_dst; C, A, O are 0
    CC_OP_ADD = 28              # cc_dst = x + cc_src
    CC_OP_ADC = 32              # cc_dst = x + cc_src + 1
    CC_OP_SUB = 36              # cc_dst = x - cc_src
    CC_OP_SBB = 40              # cc_dst = x - cc_src - 1
    # cc_dst = x shifted, cc_src = x and, from bit 32 on, the count:
    CC_OP_SHL = 44
    CC_OP_SHR = 48
    CC_OP_SAR = 52
    # no result:
    CC_OP_CMP = 56              # flags of cc_dst - cc_src
    CC_OP_TEST = 60             # flags of cc_dst & cc_src

cdef enum:
    CR0_PE = 1 << 0
    CR0_MP = 1 << 1
    CR0_EM = 1 << 2
    CR0_TS = 1 << 3
    CR0_ET = 1 << 4
    CR0_NE = 1 << 5
    CR0_WP = 1 << 16
    CR0_AM = 1 << 18
    CR0_NW = 1 << 29
    CR0_CD = 1 << 30
    CR4_VME = 1 << 0
    CR4_PVI = 1 << 1
    CR4_TSD = 1 << 2
    CR4_DE = 1 << 3
    CR4_PSE = 1 << 4
    CR4_PAE = 1 << 5
    CR4_MCE = 1 << 6
    CR4_PGE = 1 << 7
    CR4_PCE = 1 << 8
    CR4_OSFXSR = 1 << 9
    CR4_OSXMMEXCPT = 1 << 10

cdef extern from *:
    """
    #define QP_CR0_PG 0x80000000U
    #define QP_PAGE_MASK (~(uint64_t)0xFFF)
    #define QP_SITE_EPOCH_ONE ((uint64_t)1 << 40)
    """
    uint32_t CR0_PG "QP_CR0_PG"
    uint64_t TARGET_PAGE_MASK "QP_PAGE_MASK"
    uint64_t SITE_EPOCH_ONE "QP_SITE_EPOCH_ONE"

cdef enum:
    TARGET_PAGE_BITS = 12
    TARGET_PAGE_SIZE = 4096

# Exception vectors, SDM vol. 3, table 6-1
cdef enum:
    EXCP00_DIVZ = 0
    EXCP01_DB = 1
    EXCP02_NMI = 2
    EXCP03_INT3 = 3
    EXCP04_INTO = 4
    EXCP05_BOUND = 5
    EXCP06_ILLOP = 6
    EXCP07_PREX = 7
    EXCP08_DBLE = 8
    EXCP09_XERR = 9
    EXCP0A_TSS = 10
    EXCP0B_NOSEG = 11
    EXCP0C_STACK = 12
    EXCP0D_GPF = 13
    EXCP0E_PAGE = 14
    EXCP10_COPR = 16
    EXCP11_ALGN = 17
    EXCP12_MCHK = 18
    EXCP13_SIMD = 19
    # Not of the guest: reasons to leave the translated code
    EXCP_NONE = -1
    EXCP_INTERRUPT = 0x10000    # leave cpu_exec (exit_request)
    EXCP_HLT = 0x10001
    EXCP_DEBUG = 0x10002        # a debugger's breakpoint, watchpoint or step
    EXCP_TRIPLE = 0x10003       # triple fault: shutdown cycle
    EXCP_RESTART = 0x10004      # the store would change the running TB: run this instruction alone
    EXCP_BUDGET = 0x10005       # the instruction budget is used up
    EXCP_UNMAPPED = 0x10006     # a bare CPU touched what is not RAM

# CPUX86State.interrupt_request
cdef enum:
    CPU_INTERRUPT_HARD = 0x02
    CPU_INTERRUPT_SMI = 0x40
    CPU_INTERRUPT_NMI = 0x200
    CPU_INTERRUPT_INIT = 0x400
    CPU_INTERRUPT_SIPI = 0x800
    CPU_INTERRUPT_MCE = 0x1000
    CPU_INTERRUPT_DEBUG = 0x80

# CPUX86State.hflags: everything of the CPU's mode that translated code depends on. It is a TB's
# `flags`. Recomputed from the state by update_hflags (x86/state.pyx), never patched.
cdef enum:
    HF_CPL_MASK = 3
    HF_CS32 = 1 << 2
    HF_SS32 = 1 << 3
    HF_FLAT_DS = 1 << 4         # base 0, all of 4 GiB readable and writable
    HF_FLAT_ES = 1 << 5
    HF_FLAT_SS = 1 << 6
    HF_PE = 1 << 8              # CR0.PE
    HF_VM = 1 << 9              # virtual-8086 mode
    HF_TF = 1 << 10
    HF_INHIBIT_IRQ = 1 << 11    # the instruction after STI, MOV SS, POP SS
    HF_AC = 1 << 14             # alignment is checked: CR0.AM, EFLAGS.AC and CPL 3
    HF_MP = 1 << 15
    HF_EM = 1 << 16
    HF_TS = 1 << 17
    HF_OSFXSR = 1 << 18
    HF_SMM = 1 << 19
    HF_ONE_INSN = (1 << 10) | (1 << 11) | (1 << 22)     # TF, INHIBIT_IRQ, RF: TBs of one instruction, never chained
    HF_LMA = 1 << 20            # room for long mode
    HF_CS64 = 1 << 21
    HF_RF = 1 << 22             # EFLAGS.RF while the guest has instruction breakpoints: one instruction runs without them

# Second dword of a descriptor, SDM vol. 3, figure 3-8. SegmentCache.flags holds bits 8-23 in place.
cdef enum:
    DESC_A = 1 << 8
    DESC_R = 1 << 9             # code: readable
    DESC_W = 1 << 9             # data: writable
    DESC_C = 1 << 10            # code: conforming
    DESC_E = 1 << 10            # data: expand-down
    DESC_CS = 1 << 11           # code
    DESC_S = 1 << 12            # code or data, not system
    DESC_DPL_SHIFT = 13
    DESC_DPL_MASK = 3 << 13
    DESC_P = 1 << 15
    DESC_AVL = 1 << 20
    DESC_L = 1 << 21
    DESC_B = 1 << 22            # 32-bit
    DESC_G = 1 << 23
    DESC_TYPE_SHIFT = 8
    DESC_TSS_BUSY = 1 << 9

cdef struct SegmentCache:
    uint64_t base
    # The range of offsets an access may touch, both ends included, so that one pair of compares
    # serves expand-up, expand-down, null, read-only and execute-only segments alike:
    # lo <= first byte and last byte <= hi. No access is allowed where hi is -1.
    int64_t lo
    int64_t hi_read
    int64_t hi_write
    uint32_t limit              # in bytes, granularity applied
    uint32_t flags              # DESC_*; 0 for a null selector
    uint32_t selector
    uint32_t pad

# ---------------------------------------------------------------- softmmu
cdef enum:
    CPU_TLB_BITS = 10
    CPU_TLB_SIZE = 1 << 10
    NB_MMU_MODES = 2
    MMU_KERNEL_IDX = 0
    MMU_USER_IDX = 1
    # In the low bits of a tag: the entry never matches the inline compare
    TLB_INVALID = 1 << 3
    TLB_NOTDIRTY = 1 << 4       # RAM, but the write must be seen (code page, dirty log)
    TLB_MMIO = 1 << 5           # no host memory behind it
    TLB_WATCH = 1 << 6          # a watchpoint lies in the page
    TLB_FLAGS = 0xFF8

cdef struct CPUTLBEntry:
    # Tags: page of the linear address | env.tlb_epoch (bits 48-63) | TLB_* flags
    uint64_t addr_read
    uint64_t addr_write
    uint64_t addr_code
    uint64_t addend             # host address = addend + linear address

cdef struct IOTLBEntry:         # cold half of a CPUTLBEntry, same index
    uint64_t phys               # physical page address
    uint64_t ram_addr           # page in the RAMList's space; RAM_ADDR_INVALID for I/O
    uint32_t slot               # I/O slot (dispatch.pyx)
    uint32_t kind               # PHYS_*
    uint32_t global_epoch       # env.global_epoch when this was found to be a global page, else 0
    uint32_t no_site            # host code may not remember it (epochs.pxd)

# ---------------------------------------------------------------- physical map (dispatch.pyx)
cdef enum:
    PHYS_UNASSIGNED = 0
    PHYS_RAM = 1
    PHYS_ROM = 2                # readable as RAM; writes go to the slot (or nowhere, slot 0)
    PHYS_IO = 3                 # slot
    PHYS_SUBPAGE = 4            # several regions in one page; slot decides by offset

cdef extern from *:
    """
    #define QP_RAM_ADDR_INVALID (~(uint64_t)0)
    """
    uint64_t RAM_ADDR_INVALID "QP_RAM_ADDR_INVALID"

cdef struct PhysPageDesc:
    uint8_t *host               # host address of the page, NULL when not RAM or ROM
    uint64_t ram_addr           # page's offset in the RAMList's space
    uint32_t slot
    uint32_t kind

# dirty.pyx: one byte per RAM page, a set bit says "dirty since the client last cleared it".
# CODE is the other way round in use: clear means "holds translated code, writes must be seen".
cdef enum:
    VGA_DIRTY_FLAG = 0x01
    CODE_DIRTY_FLAG = 0x02
    MIGRATION_DIRTY_FLAG = 0x08
    ALL_DIRTY_FLAGS = 0xFF

cdef enum:
    PATCHED_OFTEN = 4           # PageDesc.patch_count: translations read the dword when they run

cdef struct PageDesc:           # one per RAM page that ever held code
    TranslationBlock *first_tb  # tagged: the low bits say which of the TB's pages this is
    uint32_t code_write_count
    uint8_t *code_bitmap        # one bit per byte that is translated; NULL until built
    uint16_t patched[8]         # offsets of dwords in code that were stored to, ...
    uint8_t patch_count[8]      # ... how often (up to PATCHED_OFTEN), ...
    uint32_t patch_next         # ... and which of them makes room next

cdef enum:
    PHYS_L2_BITS = 14
    PHYS_L2_SIZE = 1 << 14
    PHYS_L1_SIZE = 1 << 14      # 2 * 14 + 12 = 40 physical address bits

cdef struct AddressSpaceDispatch:       # owner: dispatch.pyx
    PhysPageDesc **l1           # [PHYS_L1_SIZE], each NULL or [PHYS_L2_SIZE]
    uint64_t ram_pages          # size of the arrays below
    uint8_t *phys_dirty         # [ram_pages]
    PageDesc *pages             # [ram_pages]
    uint8_t **ram_host          # [ram_pages] host address of each RAM page
    void *owner                 # borrowed PyObject: the dispatch.PhysMap that serves slots and ports
    uint64_t io_count           # accesses that left for a device (observable)
    TBContext *tbx              # of the CPUs that see this map; NULL: none yet
    void *io                    # dispatch.pyx: slots and ports
    uint32_t *tlb_hint          # [ram_pages] dirty.pyx: which TLB entry may store to the page freely

# ---------------------------------------------------------------- IR and TBs
ctypedef uintptr_t (*op_fn)(CPUX86State *env, IROp *op) noexcept nogil

cdef struct IROp:               # 32 bytes; operands as the row in ir/ops says
    op_fn fn                    # the interpreter's function for `opc`
    uint16_t a                  # byte offsets into CPUX86State (registers, temporaries) ...
    uint16_t b                  # ... b, c: base and index of an effective address
    uint16_t c
    uint16_t d                  # bits 0-1 scale, 2-4 segment, 5-6 log2 of the address size in words,
                                # see ir/builder.pxd
    int64_t imm
    int32_t disp
    uint16_t pc_off             # the instruction's first byte, from tb.pc
    uint16_t opc

cdef struct TranslationBlock:
    uint64_t pc                 # linear address of the first instruction
    uint64_t cs_base            # CS base | CS limit << 32: code translated under other limits differs
    uint32_t flags              # hflags it was made for
    uint32_t cflags             # CF_*
    uint16_t size               # guest bytes
    uint16_t icount             # guest instructions
    uint32_t nops
    IROp *ir
    TranslationBlock *phys_hash_next
    uint64_t page_addr[2]       # ram_addr of the first page; of the second, or RAM_ADDR_INVALID
    TranslationBlock *page_next[2]      # tagged, next in the page's list
    # Chaining. jmp_dest[n] is where successor n goes when it is linked; jmp_next/jmp_first are the
    # circular list of TBs that jump here, tagged with n, 2 marking the owner.
    TranslationBlock *jmp_dest[2]
    uint64_t jmp_eip[2]         # eip of successor n
    uint64_t jmp_epoch[2]       # env.link_epoch at which a link to another page was made
    uint8_t jmp_xpage[2]        # successor lies on another page: the epoch is compared
    uint16_t pad
    uint32_t invalid            # 1: unlinked from everything, lives until the next tb_flush
    uint16_t live[4]            # immediates that it reads when it runs, from pc: a store to one changes nothing else
    uint32_t nb_live
    TranslationBlock *jmp_next[2]
    TranslationBlock *jmp_first
    uint64_t exec_count         # CF_PROFILE: runs, and instructions of them that a fault left out
    uint64_t unrun_count
    # Host code (host/), in two parts. Exit n jumps by the four bytes before tc_jmp[n]: to tc_exit[n], to a linked successor that
    # makes all flags itself, or to tc_via[n], which stores flags and goes to the successor by the four bytes before tc_on[n].
    uint8_t *tc_ptr             # where it runs from when C calls it, or NULL; the beginning of the rare part
    uint8_t *tc_body            # where it runs from when host code jumps there
    uint8_t *tc_jmp[2]          # where they are written
    uint8_t *tc_exit[2]
    uint8_t *tc_via[2]          # NULL: no flags are pending there
    uint8_t *tc_on[2]
    uint8_t *tc_again           # where it runs from when its predecessor is itself, or NULL: tc_body (host/turns.pyx)
    uint32_t warm               # runs until it is compiled
    uint32_t tc_kills           # makes all flags before anybody looks
    uint32_t tc_size            # of the part that usually runs
    uint32_t tc_cold_size
    uint32_t host_plain         # bases, as bits, of which it is compiled without groups (host/groups.pyx)
    uint32_t tc_context         # HostBuffer.contexts; HOST_CONTEXTS: too many

cdef enum:                      # TranslationBlock.cflags
    CF_COUNT_MASK = 0x7FFF      # at most this many instructions; 0: no bound
    CF_NOCACHE = 0x10000        # not entered in any table; run once
    CF_USE_ICOUNT = 0x20000     # head op charges env.icount_budget
    CF_SINGLE = 0x40000         # the debugger steps: one instruction, then EXCP_DEBUG
    CF_NOBP = 0x80000           # breakpoints are passed over (going on from one)
    CF_NO_STEP = 0x100000       # no single-step trap behind this instruction (INT n, MOV SS)
    CF_PROFILE = 0x200000       # a head op counts its runs (profile.pyx)

cdef enum:
    TB_JMP_CACHE_BITS = 12
    TB_JMP_CACHE_SIZE = 1 << 12
    TB_JMP_PAGE_BITS = 6
    CODE_GEN_PHYS_HASH_BITS = 15
    CODE_GEN_PHYS_HASH_SIZE = 1 << 15
    CODE_GEN_MAX_OPS = 1024     # IR ops of one TB at most
    SMC_BITMAP_USE_THRESHOLD = 10

cdef enum:                      # TBContext.exit_count
    EXIT_UNLINKED = 0           # the successor was not linked, or we were asked to leave
    EXIT_LOOKUP = 1             # the jump cache did not know the target, or the mode has changed
    EXIT_FAULT = 2

cdef struct TBJmpCacheEntry:
    TranslationBlock *tb
    uint64_t epoch              # env.code_epoch when the entry was verified

cdef struct TBContext:          # owner: tb.pyx; shared by all CPUs of a machine
    TranslationBlock **tb_phys_hash     # [CODE_GEN_PHYS_HASH_SIZE]
    TranslationBlock *tbs               # array of all TBs
    uint32_t nb_tbs
    uint32_t max_tbs
    uint8_t *code_gen_buffer            # IR (and host code) of all TBs
    uint64_t code_gen_buffer_size
    uint8_t *code_gen_ptr
    uint8_t *code_gen_end               # a TB is not begun beyond it
    CPUX86State *first_cpu              # list through CPUX86State.next_cpu
    uint32_t tb_flush_count
    uint32_t tb_phys_invalidate_count
    uint32_t tb_invalidated_flag
    uint32_t user_mode                  # a store to code drops the whole page (tb_invalidate_phys_page)
    uint64_t tb_gen_count               # translations so far
    uint64_t tb_gen_insns
    # What leaving translated code is for, and what came of it (profile.pyx)
    uint64_t exit_count[3]              # EXIT_*
    uint64_t exec_return_count[8]       # cpu_exec's results, EXCP_INTERRUPT first
    uint64_t exception_count[256]
    uint64_t interrupt_count[256]
    uint64_t smc_write_count            # stores to a page with code
    uint64_t smc_restart_count          # of those, to the running TB itself
    # The profiler, NULL: none
    void *profile
    uint32_t profile_request            # cpu_exec is to take a sample
    uint32_t translating
    void (*profile_sample)(CPUX86State *env) noexcept nogil
    void (*profile_collect)(TBContext *tbx, AddressSpaceDispatch *d, TranslationBlock *tb) noexcept nogil
    # softmmu.pyx lies below tb.pyx and calls it through these
    int (*invalidate_fast)(CPUX86State *env, uint64_t ram_addr, uint32_t size) noexcept nogil
    void (*flush_jmp_cache)(CPUX86State *env, uint64_t va) noexcept nogil
    # tb_flush for the modules below tb.pyx: the guest's instruction breakpoints have changed
    void (*flush_all)(CPUX86State *env) noexcept nogil
    void (*invalidate_range)(TBContext *tbx, AddressSpaceDispatch *d, uint64_t start, uint64_t end) noexcept nogil
    # The code generator (host/), NULL: none. host_link follows tb_add_jump
    void (*host_link)(TBContext *tbx, TranslationBlock *tb, int n) noexcept nogil
    void (*host_flush)(TBContext *tbx) noexcept nogil
    void (*host_remember)(CPUX86State *env, TranslationBlock *tb) noexcept nogil
    void (*host_forget)(CPUX86State *env, TranslationBlock *tb) noexcept nogil
    op_fn host_head                     # op 0 of a TB that is not compiled yet
    uint32_t host_threshold             # runs until a TB is compiled
    uint32_t no_chain                   # every TB goes back to cpu_exec: for comparing engines
    void *host                          # host/buffer.pxd's HostBuffer
    uint64_t host_count                 # TBs compiled
    # While translated code runs, writes of other threads (DMA) only note here what they wrote;
    # cpu_exec invalidates it at its next turn. Producers hold the GIL.
    uint32_t running                    # cpu_exec is in progress, in exec_thread
    uint32_t work_flush                 # too much was written: drop everything
    uintptr_t exec_thread
    uint32_t work_head
    uint32_t work_tail
    uint64_t work_start[64]
    uint64_t work_end[64]
    # The machine's time (guesttime.pxd's TimeBase), NULL: none. The alarm that ends a CPU's turn (alarm.pyx)
    void *time
    CPUX86State *current_cpu            # inside cpu_exec
    uint32_t alarm_rung                 # since it was set

# ---------------------------------------------------------------- FPU, SSE
cdef struct FPReg:              # 16 bytes: an 80-bit value in the x87's memory format
    uint64_t m                  # significand; also the MMX register
    uint16_t se                 # sign and exponent
    uint16_t pad[3]

cdef struct XMMReg:
    uint64_t q[2]

cdef enum:                      # CPUX86State.fp_live
    FP_LIVE_XMM = 1             # XMM0-7, and xmm_t[0] in XMM8
    FP_LIVE_MXCSR = 2           # MXCSR too: sse_live is set
    FP_LIVE_X87 = 4
    FP_NO_OPERAND = 0xFF        # CPUX86State.fp_ds

cdef struct CPUBreakpoint:
    uint64_t pc                 # linear
    uint32_t flags              # BP_*
    uint32_t pad

cdef struct CPUWatchpoint:
    uint64_t vaddr              # linear
    uint32_t len
    uint32_t flags              # BP_MEM_READ, BP_MEM_WRITE, owner

cdef enum:
    BP_MEM_READ = 1
    BP_MEM_WRITE = 2
    BP_GDB = 0x10               # a debugger's
    BP_CPU = 0x20               # the guest's own DR0-DR3; low bits of `flags >> 8`: which one
    MAX_BREAKPOINTS = 64

cdef struct CPUX86State:
    # ---- the first lines: what every block touches
    uint64_t regs[16]
    uint64_t t[4]               # temporaries of one instruction
    uint64_t a0                 # linear address left by an `ea` op
    uint64_t zero               # always 0: "no base", "no index"
    uint64_t cc_dst
    uint64_t cc_src
    uint64_t eip                # current only outside TBs and where a row says so
    uint32_t cc_op
    int32_t df                  # +1 or -1
    uint32_t exit_low           # always 0: host code adds both as one number to a look-up's key, which then matches nothing
    uint32_t exit_request       # set from any thread: leave at the next TB head
    uint32_t hflags
    uint32_t eflags             # all of EFLAGS but the six arithmetic flags and DF
    uint32_t mmu_idx
    void *host_jmp_cache        # [HOST_CONTEXTS][HOST_JMP_CACHE_SIZE] of HostJmpEntry
    uint64_t tlb_epoch          # in bits 48-63
    CPUTLBEntry *tlb_cur        # &tlb[mmu_idx][0]
    TranslationBlock *current_tb
    uint64_t link_epoch         # changes whenever any mapping may have changed
    uint64_t cs_key             # segs[R_CS].base | limit << 32: compared with tb.cs_base
    int64_t icount_budget       # instructions that may still run (CF_USE_ICOUNT)
    TBJmpCacheEntry *tb_jmp_cache       # [TB_JMP_CACHE_SIZE]

    # ---- segmentation and system registers
    SegmentCache segs[8]        # R_ES .. R_GS, R_LDTR, R_TR
    uint64_t gdt_base
    uint64_t idt_base
    uint32_t gdt_limit
    uint32_t idt_limit
    uint64_t cr[5]              # cr[1] unused
    uint64_t dr[8]
    uint64_t a20_mask           # all ones, or without bit 20
    uint64_t pdpte[4]           # PAE: loaded by MOV CR3

    # ---- exceptions and interrupts
    int32_t exception_index     # EXCP_*; EXCP_NONE when none is pending
    int32_t exception_is_int    # INT n, INT3, INTO: not a fault
    uint32_t error_code
    int32_t old_exception       # being delivered: for double faults
    uint64_t exception_next_eip # after an INT n
    uint32_t interrupt_request  # CPU_INTERRUPT_*
    uint32_t halted
    uint32_t nmi_blocked
    uint32_t smbase
    uint32_t smi_pending_blocked
    uint32_t sipi_vector
    uint32_t stop_request       # leave cpu_exec (set with exit_request)
    uint32_t bare               # a CPU without a machine: exceptions may be returned to the caller

    # ---- x87 and SSE
    FPReg fpregs[8]             # physical R0..R7; ST(i) is fpregs[(fpstt + i) & 7]
    XMMReg xmm[16]
    XMMReg xmm_t[2]             # memory operand of an SSE instruction
    uint32_t fpstt
    uint16_t fpuc               # control word
    uint16_t fpus               # status word without TOP
    uint8_t fptags[8]           # 1: empty
    uint32_t mxcsr
    uint16_t fpop               # last opcode, 11 bits
    uint16_t fpcs
    uint16_t fpds
    uint16_t ferr               # FERR# asserted (CR0.NE clear)
    uint64_t fpip
    uint64_t fpdp
    uint32_t tb_cflags          # cflags of the TBs that this CPU makes
    uint32_t sse_live           # the host's MXCSR holds the guest's (x86/mxcsr.pxd)
    uint32_t host_mxcsr         # to be put back

    # ---- MSRs
    uint64_t msr_apic_base
    uint64_t msr_efer
    uint64_t msr_pat
    uint64_t msr_sysenter_cs
    uint64_t msr_sysenter_esp
    uint64_t msr_sysenter_eip
    int64_t tsc_offset
    uint64_t msr_tsc_aux
    uint64_t msr_mtrr_deftype
    uint64_t msr_mtrr_fixed[11]
    uint64_t msr_mtrr_var[16]
    uint64_t msr_mcg_status
    uint64_t msr_misc_enable
    uint64_t msr_bios_sign

    # ---- identity
    uint32_t cpuid_level
    uint32_t cpuid_vendor[3]
    uint32_t cpuid_version
    uint32_t cpuid_features     # leaf 1 EDX
    uint32_t cpuid_ext_features # leaf 1 ECX
    uint32_t cpuid_ext2_features        # leaf 80000001 EDX
    uint32_t cpuid_xlevel
    uint32_t cpuid_model[12]
    uint32_t features           # CPUF_*: what decodes
    uint32_t cpu_index
    uint32_t apic_id

    # ---- debugging and observation
    CPUBreakpoint breakpoints[64]
    uint32_t nb_breakpoints
    uint32_t nb_watchpoints
    CPUWatchpoint watchpoints[64]
    uint64_t watchpoint_hit     # linear address, and flags in watchpoint_flags
    uint32_t watchpoint_flags
    uint32_t singlestep_enabled
    uint32_t log_mask           # CPU_LOG_* (util/log.py)
    uint32_t log_pad
    uint64_t unmapped_addr      # bare CPU: what EXCP_UNMAPPED was about
    uint32_t unmapped_size
    uint32_t unmapped_write
    uint64_t tlb_fill_count
    uint64_t insn_count         # instructions executed under CF_USE_ICOUNT
    uint64_t large_page_addr    # 4 MiB / 2 MiB pages in the TLB lie in this range
    uint64_t large_page_mask

    # ---- links
    AddressSpaceDispatch *dispatch
    TBContext *tbx
    CPUX86State *next_cpu
    void *owner                 # borrowed PyObject: the Python face of this CPU

    CPUTLBEntry tlb[2][1024]
    IOTLBEntry iotlb[2][1024]

    # ---- cold system registers
    uint32_t cpuid_cache[4]     # leaf 2
    uint32_t test_regs[8]       # TR3-TR7 of a 486
    uint64_t msr_mcg_ctl
    uint64_t msr_mce_banks[20]  # CTL, STATUS, ADDR, MISC of five banks
    uint64_t msr_debugctl
    uint64_t msr_ebl_cr_poweron
    uint32_t smi_io_eip         # of the last OUT: what RSM's I/O restart goes back to ...
    uint32_t smi_io_next        # ... when the SMI comes right behind it, here
    uint32_t in_hlt             # HLT, and no interrupt delivered since
    uint32_t pad_system
    uint32_t guest_bp_count     # instruction breakpoints that DR7 enables

    # ---- for host code: its own caches of translations hold while this does not change (bits 40-63)
    uint64_t site_epoch         # the three epochs of the mode that the CPU is in (epochs.pxd), ...
    uint64_t code_epoch
    uint64_t site_epochs[2]     # ... and of both
    uint64_t link_epochs[2]
    uint64_t code_epochs[2]
    uint64_t global_low         # no global page is below this address
    uint32_t global_epoch       # changes when global pages are flushed too
    uint32_t kernel_global      # the kernel's code is in global pages
    uint64_t cc_scratch         # flags on their way to the host's
    IROp cold_op[2]             # an op that host code has the interpreter do, and the way back
    uint8_t bounce[16]          # a read operand that lies in two pages, in one piece ...
    uint64_t bounce_addend      # ... and what its address needs to be that of `bounce`
    uint64_t cold_epoch         # site_epoch before cold_op
    uint8_t over_c              # CF and OF that replace those of cc_*, while host code remembers that (host/flagstate.pyx)
    uint8_t over_o
    uint64_t tlb_flush_count
    # ---- guest x87 and SSE state in the host's registers while host code runs (x86/fp_live.pxd)
    uint32_t fp_live            # FP_LIVE_*; in C only FP_LIVE_X87 can be set
    uint32_t fp_was             # what was live before a stub called C and is to be live again
    uint64_t fp_ip              # of the last x87 instruction, as in its op, and bit 63; 0: none since the state was loaded
    uint32_t fp_dp              # linear address of its last memory operand ...
    uint32_t fp_ds              # ... in this segment; FP_NO_OPERAND: none since
    uint8_t fx_image[528]       # an FXSAVE image, at the first multiple of 16

# Instruction set features, one bit for each column of opcodes.txt's `needs`
cdef enum:
    CPUF_586 = 1 << 0           # CPUID (486 has it too here), CMPXCHG8B, RDTSC, RDMSR, CR4
    CPUF_686 = 1 << 1           # CMOVcc, FCMOV, FCOMI, UD2, RDPMC, long NOPs
    CPUF_SEP = 1 << 2
    CPUF_MMX = 1 << 3
    CPUF_FXSR = 1 << 4
    CPUF_SSE = 1 << 5
    CPUF_SSE2 = 1 << 6
    CPUF_SSE3 = 1 << 7
    CPUF_SSSE3 = 1 << 8
    CPUF_CX8 = 1 << 9
    CPUF_TSC = 1 << 10
    CPUF_MSR = 1 << 11
    CPUF_VME = 1 << 12
    CPUF_PSE = 1 << 13
    CPUF_PAE = 1 << 14
    CPUF_PGE = 1 << 15
    CPUF_DE = 1 << 16
    CPUF_NX = 1 << 17
    CPUF_PAT = 1 << 18
    CPUF_MTRR = 1 << 19
    CPUF_APIC = 1 << 20
    CPUF_CLFSH = 1 << 21
    CPUF_PSE36 = 1 << 22
    CPUF_FPU = 1 << 23
    CPUF_CPUID = 1 << 24
    CPUF_MONITOR = 1 << 25
    CPUF_MCE = 1 << 26
