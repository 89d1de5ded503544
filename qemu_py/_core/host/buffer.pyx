"""The code buffer (buffer.pxd): memory of memfd_create, mapped twice.

    ... data (RW) | code (RX) ...        one reservation, so that code reaches its data by RIP
    ... code (RW) ...                    another address of the same memory
"""
from libc.stdlib cimport calloc, free
from posix.mman cimport (mmap, munmap, MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC,
                         PROT_NONE, PROT_READ, PROT_WRITE)
from posix.unistd cimport close, ftruncate
from qemu_py.util.errors import UserError

cdef extern from "<sys/mman.h>" nogil:
    """
    #define _GNU_SOURCE
    #include <sys/mman.h>
    extern int memfd_create(const char *, unsigned);
    """
    int memfd_create(const char *name, unsigned int flags)


cdef HostBuffer *host_buffer_new(uint64_t size) except NULL:
    cdef HostBuffer *h = <HostBuffer *> calloc(1, sizeof(HostBuffer))
    cdef int fd = memfd_create("qemu_py code", 0)
    cdef uint8_t *base
    if h == NULL:
        raise MemoryError("code buffer")
    if fd < 0 or ftruncate(fd, size):
        raise UserError("the host gives no memory for code: use -accel interp")
    base = <uint8_t *> mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if base == MAP_FAILED:
        raise MemoryError("code buffer")
    h.size = size
    h.data = <uint8_t *> mmap(base, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    base = <uint8_t *> mmap(base + size, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0)
    h.code = <uint8_t *> mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
    close(fd)
    if base == MAP_FAILED or h.code == MAP_FAILED or h.data == MAP_FAILED:
        raise UserError("the host does not let code be mapped for execution: use -accel interp")
    h.delta = base - h.code
    h.code_ptr = h.code
    h.code_end = h.code + size - (1 << 16)
    h.data_ptr = h.data
    h.data_end = h.data + size - (1 << 16)
    return h


cdef void host_buffer_free(HostBuffer *h) noexcept:
    munmap(h.data, 2 * h.size)
    munmap(h.code, h.size)
    free(h)
