"""Page walks (pagewalk.pyx)."""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State

# access kinds of page_walk, tlb_fill and friends; also bits of the #PF error code's W and I/D
cdef enum:
    ACCESS_READ = 0
    ACCESS_WRITE = 1
    ACCESS_CODE = 2

cdef struct Translation:
    uint64_t phys               # of the 4 KiB page
    uint32_t prot               # PROT_*
    uint32_t large              # log2 of the page's size, when larger than 4 KiB

cdef enum:
    PROT_READ = 1
    PROT_WRITE = 2
    PROT_EXEC = 4
    PROT_DIRTY = 8              # D is set (or there is none): a write needs no walk
    PROT_GLOBAL = 16

# Translate, and set A and D; -1: done, else the #PF error code. `quiet`: ignore rights, touch no A or D bit.
cdef int page_walk(CPUX86State *env, uint64_t va, int access, int mmu_idx, bint quiet, Translation *t) noexcept nogil
# Walk without faulting or setting A/D: physical address, or all ones when not mapped (monitor, gdb).
cdef uint64_t cpu_get_phys_page_debug(CPUX86State *env, uint64_t va) noexcept nogil
