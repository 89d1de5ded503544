"""Where host code lives: one memory, written through one mapping and run through another (W^X)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State, TranslationBlock

cdef enum:
    HOST_JMP_CACHE_SIZE = 1 << 14
    HOST_JMP_CACHE_BYTES = 16 << 14
    HOST_JMP_FACTOR = 0x9E3779B1        # 2**32 / golden ratio
    HOST_CONTEXTS = 128

cdef struct HostJmpEntry:       # where indirect jumps go; each context has a table of them
    uint64_t key                # EIP + env.site_epoch; 0: nothing
    uint8_t *target

cdef struct HostContext:        # what blocks are translated for, beside the address
    uint64_t cs_base            # as TranslationBlock has it
    uint32_t flags

cdef struct HostBuffer:
    uint8_t *code               # where it is written; code + delta is where it runs
    uint8_t *code_ptr
    uint8_t *code_end
    uint8_t *cold_ptr           # the same for what is rarely run
    uint8_t *cold_first
    uint8_t *cold_end
    uint8_t *first              # behind the stubs
    int64_t delta
    uint8_t *data               # beside where the code runs: site caches, copies of ops
    uint8_t *data_ptr
    uint8_t *data_end
    uint64_t size
    HostContext contexts[HOST_CONTEXTS]
    uint32_t nb_contexts
    void *replain               # codegen.pyx: compile a TB without groups
    void *gen                   # codegen.pyx's state while it compiles
    # stubs, where they are written
    uint8_t *enter
    uint8_t *bail
    uint8_t *bail0
    uint8_t *goto_tb
    uint8_t *lookup
    uint8_t *call
    uint8_t *call_cold
    uint8_t *group[2]           # [write]
    uint8_t *load_flags
    uint8_t *probe[2][6]        # [write][probe_index(size)]
    uint8_t *fp_save            # fp_stubs.pxi
    uint8_t *fp_again
    uint8_t *load_xmm
    uint8_t *load_x87

cdef inline HostJmpEntry *host_jmp_entry(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    """Of a TB whose context has a table. Aligned addresses, whose low bits are 0, have different entries within 256 KiB."""
    cdef uint32_t hash_ = <uint32_t> (tb.pc - <uint32_t> tb.cs_base) * <uint32_t> HOST_JMP_FACTOR & (HOST_JMP_CACHE_BYTES - 16)
    return <HostJmpEntry *> (<uint8_t *> env.host_jmp_cache + <uint64_t> tb.tc_context * HOST_JMP_CACHE_BYTES + hash_)

cdef void *host_jmp_cache_new() except NULL
cdef void host_jmp_cache_flush(void *cache, uint32_t nb_contexts) noexcept nogil
cdef void host_jmp_cache_free(void *cache) noexcept

cdef HostBuffer *host_buffer_new(uint64_t size) except NULL
cdef void host_buffer_free(HostBuffer *h) noexcept
