"""Guest memory: TLB fills, and every access that the inline hit path does not take.

Source: SDM vol. 3, 4.10 (TLBs); pagewalk.pyx has the walk.

An access that misses the inline compare ends in one of: a TLB fill and then the plain access; an I/O
slot (io_readl ...); RAM whose writes must be seen (notdirty_mem_writel ...); a page fault. One that
crosses a page is all or nothing: both pages are translated, and code on both is dealt with, before a
byte moves.

tlb_flush is one addition: tags carry an epoch. Global pages (CR4.PGE) outlive a load of CR3: an entry with an old epoch
that is known to be global is taken into the new one when it is wanted (tlb_revive). An INVLPG inside the range that 2 and 4
MiB pages are known to cover flushes everything, since each is held as many 4 KiB entries.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from qemu_py._core.epochs cimport forget_pages
from qemu_py._core.cpu cimport (
    ALL_DIRTY_FLAGS, AddressSpaceDispatch, BP_CPU, BP_MEM_READ, BP_MEM_WRITE, CPUWatchpoint, CR4_PGE, EXCP0E_PAGE, EXCP_NONE,
    EXCP_UNMAPPED, HF_LMA, IOTLBEntry, MMU_KERNEL_IDX, NB_MMU_MODES, PHYS_RAM, PHYS_ROM, PHYS_UNASSIGNED, PhysPageDesc,
    RAM_ADDR_INVALID, TARGET_PAGE_SIZE, TLB_FLAGS, TLB_MMIO, TLB_NOTDIRTY, TLB_WATCH)
from qemu_py._core.dirty cimport hits_code, mark_written, page_has_code, tlb_flush_env, tlb_flush_not_global, tlb_note_writable
from qemu_py._core.dispatch cimport CPU_LOG_MMU, core_log, phys_page_find, qemu_loglevel
from qemu_py._core.pagewalk cimport PROT_DIRTY, PROT_EXEC, PROT_GLOBAL, PROT_WRITE, Translation, page_walk
from qemu_py._core.physmem cimport device_read, device_write
from qemu_py._core.x86.state cimport raise_exception_err

cdef extern from *:
    """
    #define QP_NO_TAG (~(uint64_t)0)        /* equals no page | epoch: its low bits are set */
    """
    uint64_t NO_TAG "QP_NO_TAG"

cdef uint64_t TLB_EPOCH_MASK = <uint64_t> 0xFFFF << 48


# ---------------------------------------------------------------- TLB
cdef void tlb_add_large_page(CPUX86State *env, uint64_t va, uint32_t log2_size) noexcept nogil:
    """Grow the recorded range until it covers the page as well."""
    cdef uint64_t mask = ~((<uint64_t> 1 << log2_size) - 1)
    if env.large_page_mask == 0:
        env.large_page_addr = va & mask
        env.large_page_mask = mask
        return
    mask &= env.large_page_mask
    while (env.large_page_addr ^ va) & mask:
        mask <<= 1
    env.large_page_addr &= mask
    env.large_page_mask = mask


cdef void tlb_set_page(CPUX86State *env, uint64_t va, Translation *t, int mmu_idx) noexcept nogil:
    cdef AddressSpaceDispatch *d = env.dispatch
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef CPUTLBEntry *e = &env.tlb[mmu_idx][index]
    cdef IOTLBEntry *io = &env.iotlb[mmu_idx][index]
    cdef PhysPageDesc *p = phys_page_find(d, t.phys)
    cdef uint64_t page = va & TARGET_PAGE_MASK
    cdef uint64_t tag = page | env.tlb_epoch
    cdef uint64_t read_tag = tag, write_tag = tag
    cdef uint32_t kind = p.kind if p != NULL else PHYS_UNASSIGNED
    cdef uint32_t i, watched
    cdef CPUWatchpoint *w

    if t.large:
        tlb_add_large_page(env, va, t.large)
    io.phys = t.phys
    io.kind = kind
    io.global_epoch = 0
    if t.prot & PROT_GLOBAL:
        io.global_epoch = env.global_epoch
        if page < env.global_low:
            env.global_low = page
    io.no_site = mmu_idx == MMU_KERNEL_IDX and env.kernel_global and not t.prot & PROT_GLOBAL
    io.slot = p.slot if p != NULL else 0
    if kind == PHYS_RAM:
        io.ram_addr = p.ram_addr
        e.addend = <uint64_t> <uintptr_t> p.host - page
        if d.phys_dirty[p.ram_addr >> 12] != ALL_DIRTY_FLAGS:
            write_tag |= TLB_NOTDIRTY
    elif kind == PHYS_ROM:
        io.ram_addr = p.ram_addr
        e.addend = <uint64_t> <uintptr_t> p.host - page
        write_tag |= TLB_MMIO
    else:
        io.ram_addr = RAM_ADDR_INVALID
        e.addend = 0
        read_tag |= TLB_MMIO
        write_tag |= TLB_MMIO

    e.addr_code = read_tag if t.prot & PROT_EXEC else NO_TAG
    if env.nb_watchpoints:
        for i in range(env.nb_watchpoints):
            w = &env.watchpoints[i]
            if w.vaddr <= page + 0xFFF and w.vaddr + w.len > page:
                if w.flags & BP_MEM_READ:
                    read_tag |= TLB_WATCH
                write_tag |= TLB_WATCH      # a read-modify-write looks at this tag only
    e.addr_read = read_tag
    if (t.prot & (PROT_WRITE | PROT_DIRTY)) != (PROT_WRITE | PROT_DIRTY):
        write_tag = NO_TAG
    e.addr_write = write_tag
    if write_tag == tag:
        tlb_note_writable(env, p.ram_addr, mmu_idx, index)


cdef bint tlb_revive(CPUX86State *env, uint64_t va, int access, int mmu_idx) noexcept nogil:
    """The entry is from before a load of CR3, its page is global, and it allows the access: it holds still."""
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef CPUTLBEntry *e = &env.tlb[mmu_idx][index]
    cdef IOTLBEntry *io = &env.iotlb[mmu_idx][index]
    cdef uint64_t tag = (va & TARGET_PAGE_MASK) | env.tlb_epoch
    cdef uint64_t wanted = (e.addr_write if access == ACCESS_WRITE else e.addr_code if access == ACCESS_CODE else e.addr_read)
    if (io.global_epoch != env.global_epoch or wanted == NO_TAG or env.nb_watchpoints
            or (wanted ^ tag) & ~TLB_EPOCH_MASK & TARGET_PAGE_MASK):
        return False
    e.addr_read = tag | (e.addr_read & TLB_FLAGS)
    if e.addr_code != NO_TAG:
        e.addr_code = tag | (e.addr_code & TLB_FLAGS)
    if e.addr_write != NO_TAG:
        e.addr_write = tag | (e.addr_write & TLB_FLAGS & ~<uint64_t> TLB_NOTDIRTY)
        if io.kind == PHYS_RAM:
            if env.dispatch.phys_dirty[io.ram_addr >> 12] != ALL_DIRTY_FLAGS:
                e.addr_write |= TLB_NOTDIRTY
            else:
                tlb_note_writable(env, io.ram_addr, mmu_idx, index)
    return True


cdef bint code_page_is(CPUX86State *env, uint64_t va, uint64_t ram_addr) noexcept nogil:
    """Is that RAM page at va, as far as the TLB knows?"""
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef int mode = env.mmu_idx
    if env.tlb[mode][index].addr_code != ((va & TARGET_PAGE_MASK) | env.tlb_epoch):
        if not tlb_revive(env, va, ACCESS_CODE, mode) or env.tlb[mode][index].addr_code & TLB_FLAGS:
            return False
    return env.iotlb[mode][index].ram_addr == ram_addr and not env.iotlb[mode][index].no_site


cdef bint tb_still_mapped(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    return code_page_is(env, tb.pc, tb.page_addr[0]) and (
        tb.page_addr[1] == RAM_ADDR_INVALID
        or code_page_is(env, <uint32_t> ((tb.pc & TARGET_PAGE_MASK) + TARGET_PAGE_SIZE), tb.page_addr[1]))


cdef int tlb_fill(CPUX86State *env, uint64_t va, int access, int mmu_idx) noexcept nogil:
    cdef Translation t
    cdef int error
    if tlb_revive(env, va, access, mmu_idx):
        return 0
    error = page_walk(env, va, access, mmu_idx, False, &t)
    env.tlb_fill_count += 1
    if error >= 0:
        env.cr[2] = va
        if (qemu_loglevel | env.log_mask) & CPU_LOG_MMU:
            log_fault(env, va, error)
        return raise_exception_err(env, EXCP0E_PAGE, error)
    tlb_set_page(env, va, &t, mmu_idx)
    if (qemu_loglevel | env.log_mask) & CPU_LOG_MMU:
        log_fill(env, va, &t, mmu_idx)
    return 0


cdef void log_fault(CPUX86State *env, uint64_t va, int error) noexcept nogil:
    cdef char text[100]
    snprintf(text, 100, "page fault at %08llx error code %04x cr3 %08llx\n",
             <unsigned long long> va, error, <unsigned long long> env.cr[3])
    core_log(env, CPU_LOG_MMU, text)


cdef void log_fill(CPUX86State *env, uint64_t va, Translation *t, int mmu_idx) noexcept nogil:
    cdef char text[100]
    snprintf(text, 100, "tlb fill %08llx -> %010llx prot %c%c%c mmu_idx %d\n",
             <unsigned long long> (va & TARGET_PAGE_MASK), <unsigned long long> t.phys, c"r",
             c"w" if t.prot & PROT_WRITE else c"-", c"x" if t.prot & PROT_EXEC else c"-", mmu_idx)
    core_log(env, CPU_LOG_MMU, text)


cdef void tlb_flush(CPUX86State *env) noexcept nogil:
    tlb_flush_env(env)


cdef void tlb_flush_cr3(CPUX86State *env) noexcept nogil:
    if env.cr[4] & CR4_PGE:
        tlb_flush_not_global(env)
    else:
        tlb_flush_env(env)


cdef void tlb_flush_page(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef uint64_t page = va & TARGET_PAGE_MASK & ~TLB_EPOCH_MASK        # of any epoch: it may be revived
    cdef uint64_t of = TARGET_PAGE_MASK & ~TLB_EPOCH_MASK
    cdef CPUTLBEntry *e
    cdef int mode
    if env.large_page_mask and (va & env.large_page_mask) == env.large_page_addr:
        tlb_flush_env(env)
        return
    for mode in range(NB_MMU_MODES):
        e = &env.tlb[mode][index]
        if e.addr_read & of == page or e.addr_write & of == page or e.addr_code & of == page:
            e.addr_read = NO_TAG
            e.addr_write = NO_TAG
            e.addr_code = NO_TAG
    forget_pages(env, not env.kernel_global or page >= env.global_low)
    if env.tbx != NULL and env.tbx.flush_jmp_cache != NULL:
        env.tbx.flush_jmp_cache(env, va)


# ---------------------------------------------------------------- one page's part of an access
cdef struct Piece:              # all that is needed of an entry: a callback may flush the TLB
    uint64_t va
    uint64_t phys
    uint64_t ram_addr
    uint8_t *host
    CPUTLBEntry *entry
    uint32_t size
    uint32_t kind
    uint32_t slot
    uint32_t flags              # TLB_*
    int mmu_idx


cdef inline uint64_t next_page(CPUX86State *env, uint64_t va) noexcept nogil:
    """Linear address of the page behind va's; 32-bit guests wrap at 4 GiB."""
    va = (va & TARGET_PAGE_MASK) + TARGET_PAGE_SIZE
    return va if env.hflags & HF_LMA else va & 0xFFFFFFFFU


cdef int raise_unmapped(CPUX86State *env, uint64_t pa, uint32_t size, int access) noexcept nogil:
    env.unmapped_addr = pa
    env.unmapped_size = size
    env.unmapped_write = access == ACCESS_WRITE
    return raise_exception_err(env, EXCP_UNMAPPED, 0)


cdef inline int find_piece(CPUX86State *env, uint64_t va, uint32_t size, int access, int mmu_idx, Piece *p) noexcept nogil:
    """Translate `size` bytes that lie in one page. Nonzero: exception pending."""
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef CPUTLBEntry *e = &env.tlb[mmu_idx][index]
    cdef IOTLBEntry *io = &env.iotlb[mmu_idx][index]
    cdef uint64_t want = (va & TARGET_PAGE_MASK) | env.tlb_epoch
    cdef uint64_t *tag = (&e.addr_write if access == ACCESS_WRITE else
                          &e.addr_read if access == ACCESS_READ else &e.addr_code)
    if (tag[0] & ~<uint64_t> TLB_FLAGS) != want and tlb_fill(env, va, access, mmu_idx):
        return 1
    p.va = va
    p.size = size
    p.flags = <uint32_t> (tag[0] & TLB_FLAGS)
    p.phys = io.phys | (va & 0xFFF)
    p.kind = io.kind
    p.slot = io.slot
    p.ram_addr = io.ram_addr + (va & 0xFFF)
    p.host = <uint8_t *> <uintptr_t> (e.addend + va)
    p.entry = e
    p.mmu_idx = mmu_idx
    if p.kind == PHYS_UNASSIGNED and env.bare:
        return raise_unmapped(env, p.phys, size, access)
    return 0


cdef uint64_t read_io_piece(CPUX86State *env, Piece *p) noexcept nogil:
    """Up to 8 bytes from a device: one access if it is a natural size, else bytes."""
    cdef uint64_t value = 0
    cdef uint32_t i
    if p.size == 1 or p.size == 2 or p.size == 4 or p.size == 8:
        return device_read(env, p.slot, p.phys, p.size)
    for i in range(p.size):
        value |= device_read(env, p.slot, p.phys + i, 1) << (8 * i)
    return value


cdef void write_io_piece(CPUX86State *env, Piece *p, uint64_t value) noexcept nogil:
    cdef uint32_t i
    if p.kind == PHYS_ROM and p.slot == 0:
        return
    if p.size == 1 or p.size == 2 or p.size == 4 or p.size == 8:
        device_write(env, p.slot, p.phys, value, p.size)
        return
    for i in range(p.size):
        device_write(env, p.slot, p.phys + i, (value >> (8 * i)) & 0xFF, 1)


cdef inline int before_store(CPUX86State *env, Piece *p) noexcept nogil:
    """Deal with translated code where the store goes. Nonzero: the running TB is hit."""
    if p.flags & TLB_NOTDIRTY and page_has_code(env.dispatch, p.ram_addr):
        return env.tbx.invalidate_fast(env, p.ram_addr, p.size)
    return 0


cdef inline void written(CPUX86State *env, CPUTLBEntry *e, uint64_t ram_addr, int mmu_idx, uint32_t index) noexcept nogil:
    """Once all of the page's dirty bits are set the entry is fast again."""
    mark_written(env.dispatch, ram_addr)
    if env.dispatch.phys_dirty[ram_addr >> TARGET_PAGE_BITS] == ALL_DIRTY_FLAGS:
        e.addr_write &= ~<uint64_t> TLB_NOTDIRTY
        if not (e.addr_write & TLB_WATCH):
            tlb_note_writable(env, ram_addr, mmu_idx, index)


cdef void notdirty_mem_write(CPUX86State *env, Piece *p, const uint8_t *src) noexcept nogil:
    """Store to RAM whose writes must be seen."""
    memcpy(p.host, src, p.size)
    written(env, p.entry, p.ram_addr, p.mmu_idx, (p.va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1))


cdef uint8_t *tlb_code_page_to_host(CPUX86State *env, uint64_t va, uint32_t size, bint invalidate) noexcept nogil:
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef CPUTLBEntry *e = &env.tlb_cur[index]
    cdef AddressSpaceDispatch *d = env.dispatch
    cdef uint8_t *bitmap
    cdef uint64_t ram_addr
    if e.addr_write != ((va & TARGET_PAGE_MASK) | env.tlb_epoch | TLB_NOTDIRTY) or env.tbx == NULL or env.tbx.user_mode:
        return NULL
    ram_addr = env.iotlb[env.mmu_idx][index].ram_addr + (va & (TARGET_PAGE_SIZE - 1))
    if page_has_code(d, ram_addr):
        if invalidate:
            if env.tbx.invalidate_fast(env, ram_addr, size):
                env.exception_index = EXCP_NONE
                env.tbx.smc_restart_count -= 1
                return NULL
        else:
            bitmap = d.pages[ram_addr >> TARGET_PAGE_BITS].code_bitmap
            if bitmap == NULL or hits_code(bitmap, ram_addr & (TARGET_PAGE_SIZE - 1), size):
                return NULL
            env.tbx.smc_write_count += 1
    written(env, e, ram_addr, env.mmu_idx, index)
    return <uint8_t *> <uintptr_t> (e.addend + va)


cdef int notdirty_mem_writeb(CPUX86State *env, Piece *p, uint64_t value) noexcept nogil:
    if before_store(env, p):
        return 1
    notdirty_mem_write(env, p, <uint8_t *> &value)
    return 0


cdef int notdirty_mem_writew(CPUX86State *env, Piece *p, uint64_t value) noexcept nogil:
    return notdirty_mem_writeb(env, p, value)


cdef int notdirty_mem_writel(CPUX86State *env, Piece *p, uint64_t value) noexcept nogil:
    return notdirty_mem_writeb(env, p, value)


cdef void check_watchpoint(CPUX86State *env, uint64_t va, uint32_t size, uint32_t kind) noexcept nogil:
    """Data watchpoints are traps: note the hit; cpu_exec reports it after the instruction."""
    cdef uint32_t i
    cdef CPUWatchpoint *w
    for i in range(env.nb_watchpoints):
        w = &env.watchpoints[i]
        if w.flags & kind and w.vaddr < va + size and va < w.vaddr + w.len:
            env.watchpoint_hit = w.vaddr
            env.watchpoint_flags |= w.flags
            if w.flags & BP_CPU:
                env.watchpoint_flags |= <uint32_t> 1 << (WATCH_DR_SHIFT + ((w.flags >> 8) & 3))
            env.exit_request = 1


# ---------------------------------------------------------------- loads
cdef int load_pieces(CPUX86State *env, uint64_t va, uint8_t *out, uint32_t size, int mmu_idx) noexcept nogil:
    """Any load of up to 16 bytes, on one page or two, of any kind. Nonzero: exception pending."""
    cdef Piece pieces[2]
    cdef uint32_t first = TARGET_PAGE_SIZE - (va & 0xFFF), done = 0, step
    cdef int n = 1, i
    cdef uint64_t value
    cdef Piece *p
    if first > size:
        first = size
    if find_piece(env, va, first, ACCESS_READ, mmu_idx, &pieces[0]):
        return 1
    if first < size:
        n = 2
        if find_piece(env, next_page(env, va), size - first, ACCESS_READ, mmu_idx, &pieces[1]):
            return 1
    for i in range(n):
        p = &pieces[i]
        if not (p.flags & TLB_MMIO):
            memcpy(out + done, p.host, p.size)
            done += p.size
        elif p.size > 8:
            step = p.size - 8
            p.size = 8
            value = read_io_piece(env, p)
            memcpy(out + done, &value, 8)
            p.phys += 8
            p.size = step
            value = read_io_piece(env, p)
            memcpy(out + done + 8, &value, step)
            done += 8 + step
        else:
            value = read_io_piece(env, p)
            memcpy(out + done, &value, p.size)
            done += p.size
    if env.nb_watchpoints:
        check_watchpoint(env, va, size, BP_MEM_READ)
    return 0


cdef uint64_t io_readb(CPUX86State *env, Piece *p) noexcept nogil:
    return device_read(env, p.slot, p.phys, 1)


cdef uint64_t io_readw(CPUX86State *env, Piece *p) noexcept nogil:
    return device_read(env, p.slot, p.phys, 2)


cdef uint64_t io_readl(CPUX86State *env, Piece *p) noexcept nogil:
    return device_read(env, p.slot, p.phys, 4)


cdef int64_t ld_slow(CPUX86State *env, uint64_t va, int size, int mmu_idx) noexcept nogil:
    cdef Piece p
    cdef uint64_t value = 0
    if (va & 0xFFF) + size > TARGET_PAGE_SIZE or env.nb_watchpoints:
        if load_pieces(env, va, <uint8_t *> &value, size, mmu_idx):
            return -1
        return value
    if find_piece(env, va, size, ACCESS_READ, mmu_idx, &p):
        return -1
    if p.flags & TLB_MMIO:
        if size == 4:
            return io_readl(env, &p)
        return io_readb(env, &p) if size == 1 else io_readw(env, &p)
    memcpy(&value, p.host, size)
    return value


cdef int ld64_slow(CPUX86State *env, uint64_t va, uint64_t *out, int mmu_idx) noexcept nogil:
    cdef uint64_t value = 0
    if load_pieces(env, va, <uint8_t *> &value, 8, mmu_idx):
        return 1
    out[0] = value
    return 0


cdef int ld128(CPUX86State *env, uint64_t va, uint64_t *out) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    cdef uint64_t *host
    cdef uint64_t value[2]
    if e.addr_read == (((va + 15) & TARGET_PAGE_MASK) | env.tlb_epoch):
        host = <uint64_t *> <uintptr_t> (e.addend + va)
        out[0] = host[0]
        out[1] = host[1]
        return 0
    if load_pieces(env, va, <uint8_t *> value, 16, env.mmu_idx):
        return 1
    out[0] = value[0]
    out[1] = value[1]
    return 0


cdef int64_t ld_rmw_slow(CPUX86State *env, uint64_t va, int size, int mmu_idx) noexcept nogil:
    if probe_write(env, va, size, mmu_idx):
        return -1
    return ld_slow(env, va, size, mmu_idx)


# ---------------------------------------------------------------- stores
cdef int store_pieces(CPUX86State *env, uint64_t va, const uint8_t *src, uint32_t size, int mmu_idx) noexcept nogil:
    """Any store of up to 16 bytes. Nonzero: leave; nothing was stored."""
    cdef Piece pieces[2]
    cdef uint32_t first = TARGET_PAGE_SIZE - (va & 0xFFF), step
    cdef int n = 1, i
    cdef uint64_t value = 0
    cdef Piece *p
    if first > size:
        first = size
    if find_piece(env, va, first, ACCESS_WRITE, mmu_idx, &pieces[0]):
        return 1
    if first < size:
        n = 2
        if find_piece(env, next_page(env, va), size - first, ACCESS_WRITE, mmu_idx, &pieces[1]):
            return 1
    for i in range(n):
        if before_store(env, &pieces[i]):
            return 1
    for i in range(n):
        p = &pieces[i]
        if not (p.flags & TLB_MMIO):
            if p.flags & TLB_NOTDIRTY:
                notdirty_mem_write(env, p, src)
            else:
                memcpy(p.host, src, p.size)
            src += p.size
            continue
        if p.size > 8:
            step = p.size - 8
            p.size = 8
            memcpy(&value, src, 8)
            write_io_piece(env, p, value)
            src += 8
            p.phys += 8
            p.size = step
        memcpy(&value, src, p.size)
        write_io_piece(env, p, value)
        src += p.size
    if env.nb_watchpoints:
        check_watchpoint(env, va, size, BP_MEM_WRITE)
    return 0


cdef void io_writeb(CPUX86State *env, Piece *p, uint64_t value) noexcept nogil:
    write_io_piece(env, p, value & 0xFF)


cdef void io_writew(CPUX86State *env, Piece *p, uint64_t value) noexcept nogil:
    write_io_piece(env, p, value & 0xFFFF)


cdef int io_writel(CPUX86State *env, Piece *p, uint64_t value) noexcept nogil:
    """A dword store that the inline path did not take: to a device, or to RAM that is watched."""
    if p.flags & TLB_MMIO:
        write_io_piece(env, p, value & 0xFFFFFFFFU)
        return 0
    return notdirty_mem_writel(env, p, value)


cdef int stl_mmu(CPUX86State *env, uint64_t va, uint32_t value, int mmu_idx) noexcept nogil:
    cdef Piece p
    if find_piece(env, va, 4, ACCESS_WRITE, mmu_idx, &p):
        return 1
    if p.flags & (TLB_MMIO | TLB_NOTDIRTY):
        return io_writel(env, &p, value)
    (<uint32_t *> p.host)[0] = value
    return 0


cdef int stw_mmu(CPUX86State *env, uint64_t va, uint32_t value, int mmu_idx) noexcept nogil:
    cdef Piece p
    if find_piece(env, va, 2, ACCESS_WRITE, mmu_idx, &p):
        return 1
    if p.flags & TLB_MMIO:
        io_writew(env, &p, value)
        return 0
    if p.flags & TLB_NOTDIRTY:
        return notdirty_mem_writew(env, &p, value)
    (<uint16_t *> p.host)[0] = <uint16_t> value
    return 0


cdef int stb_mmu(CPUX86State *env, uint64_t va, uint32_t value, int mmu_idx) noexcept nogil:
    cdef Piece p
    if find_piece(env, va, 1, ACCESS_WRITE, mmu_idx, &p):
        return 1
    if p.flags & TLB_MMIO:
        io_writeb(env, &p, value)
        return 0
    if p.flags & TLB_NOTDIRTY:
        return notdirty_mem_writeb(env, &p, value)
    p.host[0] = <uint8_t> value
    return 0


cdef int st_slow(CPUX86State *env, uint64_t va, uint64_t value, int size, int mmu_idx) noexcept nogil:
    if size == 8 or (va & 0xFFF) + size > TARGET_PAGE_SIZE or env.nb_watchpoints:
        return store_pieces(env, va, <uint8_t *> &value, size, mmu_idx)
    if size == 4:
        return stl_mmu(env, va, <uint32_t> value, mmu_idx)
    if size == 2:
        return stw_mmu(env, va, <uint32_t> value, mmu_idx)
    return stb_mmu(env, va, <uint32_t> value, mmu_idx)


cdef int st128(CPUX86State *env, uint64_t va, uint64_t *value) noexcept nogil:
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    cdef uint64_t *host
    if e.addr_write == (((va + 15) & TARGET_PAGE_MASK) | env.tlb_epoch):
        host = <uint64_t *> <uintptr_t> (e.addend + va)
        host[0] = value[0]
        host[1] = value[1]
        return 0
    return store_pieces(env, va, <uint8_t *> value, 16, env.mmu_idx)


# ---------------------------------------------------------------- probes
cdef inline int probe(CPUX86State *env, uint64_t va, uint32_t size, int access, int mmu_idx) noexcept nogil:
    cdef Piece p
    cdef uint32_t first = TARGET_PAGE_SIZE - (va & 0xFFF)
    if size == 0:
        return 0
    if first >= size:
        return find_piece(env, va, size, access, mmu_idx, &p)
    if find_piece(env, va, first, access, mmu_idx, &p):
        return 1
    return find_piece(env, next_page(env, va), size - first, access, mmu_idx, &p)


cdef int probe_read(CPUX86State *env, uint64_t va, uint32_t size, int mmu_idx) noexcept nogil:
    return probe(env, va, size, ACCESS_READ, mmu_idx)


cdef int probe_write(CPUX86State *env, uint64_t va, uint32_t size, int mmu_idx) noexcept nogil:
    return probe(env, va, size, ACCESS_WRITE, mmu_idx)


cdef uint8_t *tlb_vaddr_to_host(CPUX86State *env, uint64_t va, int access, int mmu_idx) noexcept nogil:
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef CPUTLBEntry *e = &env.tlb[mmu_idx][index]
    cdef uint64_t want = (va & TARGET_PAGE_MASK) | env.tlb_epoch
    cdef uint64_t *tag = (&e.addr_write if access == ACCESS_WRITE else
                          &e.addr_read if access == ACCESS_READ else &e.addr_code)
    cdef Translation t
    if tag[0] != want:
        if (tag[0] & ~<uint64_t> TLB_FLAGS) == want:
            return NULL
        if tlb_revive(env, va, access, mmu_idx) and tag[0] == want:
            return <uint8_t *> <uintptr_t> (e.addend + va)
        env.tlb_fill_count += 1
        # The walk raises nothing, but setting A (and D, for a write) is right: the caller accesses.
        if page_walk(env, va, access, mmu_idx, False, &t) >= 0:
            return NULL
        tlb_set_page(env, va, &t, mmu_idx)
        if tag[0] != want:
            return NULL
    return <uint8_t *> <uintptr_t> (e.addend + va)


# ---------------------------------------------------------------- code
cdef uint64_t get_page_addr_code(CPUX86State *env, uint64_t va, uint8_t **host, int *fault) noexcept nogil:
    cdef uint32_t index = (va >> TARGET_PAGE_BITS) & (CPU_TLB_SIZE - 1)
    cdef CPUTLBEntry *e = &env.tlb[env.mmu_idx][index]
    cdef uint64_t want = (va & TARGET_PAGE_MASK) | env.tlb_epoch
    fault[0] = 0
    host[0] = NULL
    if (e.addr_code & ~<uint64_t> TLB_FLAGS) != want and tlb_fill(env, va, ACCESS_CODE, env.mmu_idx):
        fault[0] = 1
        return RAM_ADDR_INVALID
    if e.addr_code & TLB_MMIO:
        return RAM_ADDR_INVALID
    host[0] = <uint8_t *> <uintptr_t> (e.addend + (va & TARGET_PAGE_MASK))
    return env.iotlb[env.mmu_idx][index].ram_addr


cdef int code_fetch8(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef Piece p
    if find_piece(env, va, 1, ACCESS_CODE, env.mmu_idx, &p):
        return -1
    if p.flags & TLB_MMIO:
        return <int> (device_read(env, p.slot, p.phys, 1) & 0xFF)
    return p.host[0]
