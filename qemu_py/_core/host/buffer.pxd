"""Where host code lives: one memory, written through one mapping and run through another (W^X)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport TBContext

cdef enum:
    HOST_JMP_CACHE_BITS = 12
    HOST_JMP_CACHE_SIZE = 1 << 12

cdef struct HostJmpEntry:       # where indirect jumps go, by what the target was translated for
    uint64_t key                # linear address + env.site_epoch
    uint64_t cs_key
    uint64_t flags
    uint8_t *target

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

cdef inline uint32_t host_jmp_hash(uint32_t pc) noexcept nogil:
    """Functions are aligned: their low bits differ little, the pages that they are in more."""
    return (pc ^ pc >> 12) & (HOST_JMP_CACHE_SIZE - 1)

cdef HostBuffer *host_buffer_new(uint64_t size) except NULL
cdef void host_buffer_free(HostBuffer *h) noexcept
