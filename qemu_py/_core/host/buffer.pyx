"""The code buffer (buffer.pxd): shared memory, mapped twice.

    ... data (RW) | code (RX) ...        one reservation, so that code reaches its data by RIP
    ... code (RW) ...                    another address of the same memory

It is anonymous memory, doubled by mremap, and no memfd: perf looks into its map of translated code for addresses of anonymous
memory only.
"""
from libc.stdlib cimport calloc, free
from posix.mman cimport (mmap, mprotect, munmap, MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC,
                         PROT_NONE, PROT_READ, PROT_WRITE)
from qemu_py.util.errors import UserError

cdef extern from "<sys/mman.h>" nogil:
    """
    #define _GNU_SOURCE
    #include <sys/mman.h>
    """
    void *mremap(void *old, size_t old_size, size_t size, int flags, void *to)
    int MREMAP_MAYMOVE, MREMAP_FIXED
    int madvise(void *start, size_t size, int advice)
    int MADV_DONTNEED

cdef enum:
    HOST_JMP_CACHES_BYTES = HOST_CONTEXTS * HOST_JMP_CACHE_BYTES        # most of it is never touched


cdef HostBuffer *host_buffer_new(uint64_t size) except NULL:
    cdef HostBuffer *h = <HostBuffer *> calloc(1, sizeof(HostBuffer))
    cdef uint8_t *base
    if h == NULL:
        raise MemoryError("code buffer")
    base = <uint8_t *> mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if base == MAP_FAILED:
        raise MemoryError("code buffer")
    h.size = size
    h.data = <uint8_t *> mmap(base, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    h.code = <uint8_t *> mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    if h.code == MAP_FAILED or h.data == MAP_FAILED:
        raise UserError("the host gives no memory for code: use -accel interp")
    # An old size of 0: the pages stay mapped where they are, too.
    base = <uint8_t *> mremap(h.code, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, base + size)
    if base == MAP_FAILED or mprotect(base, size, PROT_READ | PROT_EXEC):
        raise UserError("the host does not let code be mapped for execution: use -accel interp")
    h.delta = base - h.code
    h.code_ptr = h.code
    h.cold_ptr = h.cold_first = h.code + size // 2
    h.code_end = h.cold_first - (1 << 16)
    h.cold_end = h.code + size - (1 << 16)
    h.data_ptr = h.data
    h.data_end = h.data + size - (1 << 16)
    return h


cdef void host_buffer_free(HostBuffer *h) noexcept:
    munmap(h.data, 2 * h.size)
    munmap(h.code, h.size)
    free(h)


cdef void *host_jmp_cache_new() except NULL:
    cdef void *cache = mmap(NULL, HOST_JMP_CACHES_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if cache == MAP_FAILED:
        raise MemoryError("jump cache")
    return cache


cdef void host_jmp_cache_flush(void *cache, uint32_t nb_contexts) noexcept nogil:
    madvise(cache, nb_contexts * HOST_JMP_CACHE_BYTES, MADV_DONTNEED)


cdef void host_jmp_cache_free(void *cache) noexcept:
    if cache != NULL:
        munmap(cache, HOST_JMP_CACHES_BYTES)
