"""Guest physical memory: accesses of the CPU's own and DMA (physmem.pxd)."""
from libc.string cimport memcpy
from cpython.buffer cimport PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory

from qemu_py._core.cpu cimport PHYS_ROM, TARGET_PAGE_SIZE
from qemu_py._core.dispatch cimport PhysMap


cdef uint64_t ld_phys(CPUX86State *env, uint64_t pa, int size) noexcept nogil:
    cdef PhysPageDesc *p
    cdef uint64_t value = 0
    cdef int i
    pa &= env.a20_mask
    if (pa & 0xFFF) + size > TARGET_PAGE_SIZE:
        for i in range(size):
            value |= ld_phys(env, pa + i, 1) << (8 * i)
        return value
    p = phys_page_find(env.dispatch, pa)
    if p != NULL and (p.kind == PHYS_RAM or p.kind == PHYS_ROM):
        memcpy(&value, p.host + (pa & 0xFFF), size)
        return value
    return device_read(env, p.slot if p != NULL else 0, pa, size)


cdef void st_phys(CPUX86State *env, uint64_t pa, uint64_t value, int size) noexcept nogil:
    cdef PhysPageDesc *p
    cdef int i
    pa &= env.a20_mask
    if (pa & 0xFFF) + size > TARGET_PAGE_SIZE:
        for i in range(size):
            st_phys(env, pa + i, (value >> (8 * i)) & 0xFF, 1)
        return
    p = phys_page_find(env.dispatch, pa)
    if p != NULL and p.kind == PHYS_RAM:
        memcpy(p.host + (pa & 0xFFF), &value, size)
        ram_stored(env.dispatch, p.ram_addr + (pa & 0xFFF), size)
    elif p == NULL or p.kind != PHYS_ROM or p.slot:
        device_write(env, p.slot if p != NULL else 0, pa, value, size)


# ---------------------------------------------------------------- DMA, for Python
cdef void physical_rw(AddressSpaceDispatch *d, uint64_t pa, uint8_t *buf, uint64_t length, bint is_write) noexcept nogil:
    """Bytes between a buffer and guest physical memory, a page at a time; devices get dwords."""
    cdef PhysPageDesc *p
    cdef uint64_t count, value
    cdef int size
    while length:
        count = TARGET_PAGE_SIZE - (pa & 0xFFF)
        if count > length:
            count = length
        p = phys_page_find(d, pa)
        if p != NULL and (p.kind == PHYS_RAM or (p.kind == PHYS_ROM and not is_write)):
            if is_write:
                memcpy(p.host + (pa & 0xFFF), buf, count)
                ram_stored(d, p.ram_addr + (pa & 0xFFF), count)
            else:
                memcpy(buf, p.host + (pa & 0xFFF), count)
        elif not (p != NULL and p.kind == PHYS_ROM and p.slot == 0):
            size = 8 if count >= 8 and pa & 7 == 0 else 4 if count >= 4 and pa & 3 == 0 else 2 if count >= 2 and pa & 1 == 0 else 1
            count = size
            if is_write:
                value = 0
                memcpy(&value, buf, size)
                io_write(d, p.slot if p != NULL else 0, pa, value, size)
            else:
                value = io_read(d, p.slot if p != NULL else 0, pa, size)
                memcpy(buf, &value, size)
        pa += count
        buf += count
        length -= count


def cpu_physical_memory_rw(PhysMap physmap not None, uint64_t addr, buf, bint is_write):
    """Copy `buf` to guest physical memory, or fill it from there."""
    cdef const uint8_t[::1] source
    cdef uint8_t[::1] target
    if is_write:
        source = memoryview(buf).cast("B")
        if source.shape[0]:
            physical_rw(physmap.d, addr, <uint8_t *> &source[0], source.shape[0], True)
    else:
        target = memoryview(buf).cast("B")
        if target.shape[0]:
            physical_rw(physmap.d, addr, &target[0], target.shape[0], False)
    physmap.raise_pending()


def cpu_physical_memory_map(PhysMap physmap not None, uint64_t addr, uint64_t length):
    """A memoryview of RAM that is contiguous in the host, at most `length` bytes; None: no RAM there."""
    cdef PhysPageDesc *p = phys_page_find(physmap.d, addr)
    cdef PhysPageDesc *following
    cdef uint64_t count
    cdef uint8_t *host
    if p == NULL or p.kind != PHYS_RAM or length == 0:
        return None
    host = p.host + (addr & 0xFFF)
    count = TARGET_PAGE_SIZE - (addr & 0xFFF)
    while count < length:
        following = phys_page_find(physmap.d, addr + count)
        if following == NULL or following.kind != PHYS_RAM or following.host != host + count:
            break
        count += TARGET_PAGE_SIZE
    return PyMemoryView_FromMemory(<char *> host, min(count, length), PyBUF_WRITE)


def ram_written(PhysMap physmap not None, uint64_t ram_addr, uint64_t size):
    """RAM changed behind the map's back (through a view): drop code, set dirty bits."""
    cdef uint64_t count
    while size and ram_addr >> 12 < physmap.d.ram_pages:
        count = min(size, TARGET_PAGE_SIZE - (ram_addr & 0xFFF))
        ram_stored(physmap.d, ram_addr, count)
        ram_addr += count
        size -= count
