"""The flat physical map that a FlatView becomes: page -> RAM | ROM | I/O slot | subpage; and ports.

The only module of _core that re-enters the GIL. `IOSlot` is what serves one mapped range of a
device: its callbacks, the address they count from, and the access sizes that it takes.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from qemu_py._core.cpu cimport AddressSpaceDispatch, CPUX86State, PhysPageDesc, PHYS_L2_BITS, PHYS_L1_SIZE, PHYS_L2_SIZE
from qemu_py._core.guesttime cimport CounterState

# Log categories: the bits of env.log_mask and qemu_loglevel (names in util/log.py)
cdef enum:
    CPU_LOG_TB_OUT_ASM = 1 << 0
    CPU_LOG_TB_IN_ASM = 1 << 1
    CPU_LOG_TB_OP = 1 << 2
    CPU_LOG_INT = 1 << 4
    CPU_LOG_EXEC = 1 << 5
    CPU_LOG_IOPORT = 1 << 7
    CPU_LOG_TB_CPU = 1 << 8
    CPU_LOG_RESET = 1 << 9
    LOG_UNIMP = 1 << 10
    LOG_GUEST_ERROR = 1 << 11
    CPU_LOG_MMU = 1 << 12

cdef struct IOEventFD:
    uint64_t addr               # region-relative
    uint64_t data
    uint32_t size
    uint32_t match_data
    int fd

cdef struct CoalescedRange:
    uint64_t start              # region-relative, [start, end)
    uint64_t end

cdef struct SubpageSection:     # kind PHYS_RAM/ROM: host; PHYS_IO: slot
    uint32_t kind
    uint32_t slot
    uint8_t *host               # of the page's first byte, were the section the whole page
    uint64_t ram_addr           # likewise

cdef struct Subpage:
    uint8_t map[4096]           # offset -> section; 0: unassigned
    uint32_t count
    SubpageSection sections[256]

cdef struct SlotCounter:        # a register that is a function of time: answered by the core while `counter` is active
    uint64_t addr               # region-relative
    uint32_t size
    uint32_t shift
    CounterState *counter

cdef struct IOSlot:
    # Addresses are region-relative, sizes what impl_* allows. NULL: a Python device, read_fn.
    uint64_t (*c_read)(void *opaque, uint64_t addr, int size) noexcept nogil
    void (*c_write)(void *opaque, uint64_t addr, uint64_t value, int size) noexcept nogil
    void *opaque
    PyObject *read_fn           # (addr, size) -> int
    PyObject *write_fn          # (addr, value, size)
    PyObject *read_block        # (addr, size, memoryview), or NULL
    PyObject *write_block
    uint64_t base               # address of the region's offset 0 in the address space
    uint8_t valid_min
    uint8_t valid_max
    uint8_t valid_unaligned
    uint8_t impl_min
    uint8_t impl_max
    uint8_t impl_unaligned
    uint8_t big_endian
    uint8_t flush_coalesced
    uint32_t index
    uint32_t n_eventfds
    uint32_t n_coalesced
    uint32_t n_counters
    IOEventFD *eventfds
    CoalescedRange *coalesced
    SlotCounter *counters
    CounterState *latched[3]    # of an 8254, whose control word is at latch_addr; NULL: none
    uint64_t latch_addr
    Subpage *subpage
    uint64_t count              # accesses

cdef enum:
    MAX_SLOTS = 16384
    COALESCED_RING = 256

cdef enum:                      # PortEntry.read, .write
    PORT_SLOT = 0               # ask the slot (0: unassigned)
    PORT_PASSIVE = 1            # a byte in a buffer; for writes, a sink that may keep the byte

cdef struct PortEntry:
    uint32_t slot
    uint8_t read
    uint8_t write
    uint8_t *read_byte
    uint8_t *write_byte         # NULL: a sink that forgets

cdef struct CoalescedWrite:
    IOSlot *slot
    uint64_t addr
    uint64_t value
    uint32_t size

cdef struct IOTable:
    IOSlot **slots              # [MAX_SLOTS]
    PortEntry *ports            # [65536 + 4]: the last are beyond the port space, unassigned
    CoalescedWrite *ring
    uint32_t ring_count
    uint32_t depth              # device accesses in progress (atomic): slots must stay allocated
    uint32_t unassigned_count
    uint32_t current            # slot of the last access, for the profiler
    uint32_t ring_lock          # spins: the display's thread flushes what the CPU's thread writes

# Which categories are wanted by the process (util/log.py sets it): guards the formatting.
cdef uint32_t qemu_loglevel

cdef class PhysMap:
    cdef AddressSpaceDispatch *d
    cdef AddressSpaceDispatch dispatch_
    cdef IOTable io
    cdef public object pending_exception
    cdef public object pic_interrupt
    cdef public object ferr
    cdef public object smm
    cdef object lock_
    cdef object acquire
    cdef object release
    cdef dict buffers           # first RAM page -> memoryview that keeps the memory alive
    cdef dict passive_buffers   # (port, write) -> memoryview
    cdef list free_slots
    cdef list graveyard
    cdef void fail(self, object exception) noexcept
    cdef int check_pages(self, uint64_t phys, uint64_t size) except -1
    cdef PhysPageDesc *page_alloc(self, uint64_t index) except NULL
    cdef IOSlot *slot(self, uint32_t index) except NULL
    cdef uint32_t new_slot(self) except 0

# MMIO: `pa` is the full physical address; the slot's callback gets a region-relative one.
cdef uint64_t io_read(AddressSpaceDispatch *d, uint32_t slot, uint64_t pa, int size) noexcept nogil
cdef void io_write(AddressSpaceDispatch *d, uint32_t slot, uint64_t pa, uint64_t value, int size) noexcept nogil
# Ports. `count` items from/to `buf` for ins/outs (one call a page chunk; `buf` is guest RAM).
cdef uint32_t port_read(AddressSpaceDispatch *d, uint16_t port, int size) noexcept nogil
cdef void port_write(AddressSpaceDispatch *d, uint16_t port, uint32_t value, int size) noexcept nogil
cdef void port_read_block(AddressSpaceDispatch *d, uint16_t port, int size, uint8_t *buf, uint32_t count) noexcept nogil
cdef void port_write_block(AddressSpaceDispatch *d, uint16_t port, int size, const uint8_t *buf, uint32_t count) noexcept nogil
# Interrupt acknowledge cycle of the PIC; -1: none pending any more.
cdef int cpu_get_pic_interrupt(CPUX86State *env) noexcept nogil
# FERR# pin, IGNNE# as a PC has it: IRQ 13.
cdef void cpu_set_ferr(CPUX86State *env) noexcept nogil
# SMIACT#: the CPU enters or leaves SMM, and the chip set may show it other memory.
cdef void cpu_smm_update(CPUX86State *env, bint active) noexcept nogil
# The text goes to the log's category (util/log.py bit); used for guest_errors, int, mmu ...
cdef void core_log(CPUX86State *env, uint32_t category, const char *text) noexcept nogil
# Deliver coalesced writes now.
cdef void flush_coalesced(AddressSpaceDispatch *d) noexcept nogil
# Ask every CPU of the map to leave at its next TB head.
cdef void request_exit(AddressSpaceDispatch *d) noexcept nogil


cdef inline PhysPageDesc *phys_page_find(AddressSpaceDispatch *d, uint64_t pa) noexcept nogil:
    """The page's descriptor, or NULL: unassigned."""
    cdef uint64_t index = pa >> 12
    cdef PhysPageDesc *l2
    if (index >> PHYS_L2_BITS) >= PHYS_L1_SIZE:
        return NULL
    l2 = d.l1[index >> PHYS_L2_BITS]
    if l2 == NULL:
        return NULL
    return &l2[index & (PHYS_L2_SIZE - 1)]
