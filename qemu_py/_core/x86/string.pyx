"""String instructions: MOVS STOS LODS SCAS CMPS INS OUTS, and REP (SDM vol. 2 and vol. 1, 7.3.9).

`*_one` does one element in full: segment checks, softmmu, registers. `rep_*` works in chunks: as many
elements as lie in one page on both sides are found with one look at the TLB and done as one host
block operation. An element that crosses a page, touches a device or a page that holds code, or
faults goes through `*_one`. Registers show the completed elements at every fault and between chunks.

Order of checks, as Intel silicon does it: MOVS reads its source first, CMPS its ES operand first;
INS and OUTS check the I/O permission first, with REP even when the count is 0. A fault in a repeated
SCAS or CMPS shows the flags from before the instruction (SDM vol. 2, REP).

Not modelled: the larger than element-wise stores of fast-string mode (they cannot be told apart).
"""
from libc.string cimport memchr, memcpy, memmove, memset
from qemu_py._core.cpu cimport (CF_USE_ICOUNT, CPUTLBEntry, CPUX86State, CC_OP_SUB, EXCP11_ALGN, HF_AC,
                                HF_TF, IROp, R_EAX, R_ECX, R_EDI, R_EDX, R_ES, R_ESI, SegmentCache,
                                TARGET_PAGE_MASK, TARGET_PAGE_SIZE)
from qemu_py._core.dispatch cimport port_read, port_read_block, port_write, port_write_block
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.softmmu cimport (ACCESS_READ, ACCESS_WRITE, host_rw, ld16, ld32, ld8, probe_read,
                                    probe_write, st16, st32, st8, tlb_code_page_to_host, tlb_entry, tlb_vaddr_to_host)
from qemu_py._core.x86.seg cimport check_io
from qemu_py._core.x86.state cimport raise_exception_err, segment_check

cdef enum:              # what rep_* gives
    REP_DONE = 0
    REP_FAULT = 1
    REP_AGAIN = 2       # leave at this instruction, it goes on later

cdef enum:
    # Under icount a REP leaves after so many elements, never because of the host's doings, so that
    # a run repeats.
    ICOUNT_ELEMENTS = 1 << 20

cdef extern from *:
    int ctz64 "__builtin_ctzll"(uint64_t x) noexcept nogil


# ---------------------------------------------------------------- registers and addresses
cdef inline uint32_t index_reg(CPUX86State *env, int reg, bint a16) noexcept nogil:
    return <uint32_t> env.regs[reg] & 0xFFFF if a16 else <uint32_t> env.regs[reg]

cdef inline void set_index(CPUX86State *env, int reg, uint32_t value, bint a16) noexcept nogil:
    if a16:
        w16(env, <uint16_t> (reg * 8), <uint16_t> value)
    else:
        env.regs[reg] = value

cdef inline void advance(CPUX86State *env, int reg, uint32_t elements, int size, bint a16) noexcept nogil:
    set_index(env, reg, <uint32_t> env.regs[reg] + elements * <uint32_t> (env.df * size), a16)

cdef inline int64_t linear(CPUX86State *env, int seg, uint32_t offset, int size, bint write) noexcept nogil:
    """Linear address after limit, type and alignment checks, or -1: fault pending."""
    cdef uint32_t va = <uint32_t> (env.segs[seg].base + offset)
    if segment_check(env, seg, offset, size, write):
        return -1
    if env.hflags & HF_AC and va & (size - 1):
        raise_exception_err(env, EXCP11_ALGN, 0)
        return -1
    return va

cdef inline int64_t ld_size(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    if size == 1:
        return ld8(env, va)
    if size == 2:
        return ld16(env, va)
    return ld32(env, va)

cdef inline int st_size(CPUX86State *env, uint64_t va, uint32_t value, int size) noexcept nogil:
    if size == 1:
        return st8(env, va, <uint8_t> value)
    if size == 2:
        return st16(env, va, <uint16_t> value)
    return st32(env, va, value)

cdef inline uint32_t accumulator(CPUX86State *env, int size) noexcept nogil:
    return <uint32_t> env.regs[R_EAX] & <uint32_t> (0xFFFFFFFFU >> (32 - 8 * size))

cdef inline void set_accumulator(CPUX86State *env, uint32_t value, int size) noexcept nogil:
    if size == 1:
        w8(env, R_EAX * 8, <uint8_t> value)
    elif size == 2:
        w16(env, R_EAX * 8, <uint16_t> value)
    else:
        w32(env, R_EAX * 8, value)

cdef inline void compare_flags(CPUX86State *env, uint32_t x, uint32_t y, int size) noexcept nogil:
    """Flags of x - y."""
    env.cc_dst = (x - y) & <uint32_t> (0xFFFFFFFFU >> (32 - 8 * size))
    env.cc_src = y
    env.cc_op = CC_OP_SUB + (size >> 1)

cdef inline uint8_t *tlb_read_hit(CPUX86State *env, uint64_t va, int size) noexcept nogil:
    """Host address if all `size` bytes are RAM in the TLB, else NULL."""
    cdef CPUTLBEntry *e = tlb_entry(env, va)
    if e.addr_read == (((va + size - 1) & TARGET_PAGE_MASK) | env.tlb_epoch):
        return <uint8_t *> <uintptr_t> (e.addend + va)
    return NULL


# ---------------------------------------------------------------- one element
cdef int movs_one(CPUX86State *env, int seg, bint a16, int size) noexcept nogil:
    cdef int64_t src, dst, value
    src = linear(env, seg, index_reg(env, R_ESI, a16), size, False)
    if src < 0 or probe_read(env, src, size, env.mmu_idx):
        return 1
    # A device may be read only when the store cannot fault any more.
    dst = linear(env, R_ES, index_reg(env, R_EDI, a16), size, True)
    if dst < 0 or probe_write(env, dst, size, env.mmu_idx):
        return 1
    value = ld_size(env, src, size)
    if value < 0 or st_size(env, dst, <uint32_t> value, size):
        return 1
    advance(env, R_ESI, 1, size, a16)
    advance(env, R_EDI, 1, size, a16)
    return 0

cdef int stos_one(CPUX86State *env, bint a16, int size) noexcept nogil:
    cdef int64_t dst = linear(env, R_ES, index_reg(env, R_EDI, a16), size, True)
    if dst < 0 or st_size(env, dst, <uint32_t> env.regs[R_EAX], size):
        return 1
    advance(env, R_EDI, 1, size, a16)
    return 0

cdef int lods_one(CPUX86State *env, int seg, bint a16, int size) noexcept nogil:
    cdef int64_t src = linear(env, seg, index_reg(env, R_ESI, a16), size, False)
    cdef int64_t value
    if src < 0:
        return 1
    value = ld_size(env, src, size)
    if value < 0:
        return 1
    set_accumulator(env, <uint32_t> value, size)
    advance(env, R_ESI, 1, size, a16)
    return 0

cdef int scas_one(CPUX86State *env, bint a16, int size) noexcept nogil:
    cdef int64_t src = linear(env, R_ES, index_reg(env, R_EDI, a16), size, False)
    cdef int64_t value
    if src < 0:
        return 1
    value = ld_size(env, src, size)
    if value < 0:
        return 1
    compare_flags(env, accumulator(env, size), <uint32_t> value, size)
    advance(env, R_EDI, 1, size, a16)
    return 0

cdef int cmps_one(CPUX86State *env, int seg, bint a16, int size) noexcept nogil:
    cdef int64_t a, b, x, y
    b = linear(env, R_ES, index_reg(env, R_EDI, a16), size, False)
    if b < 0:
        return 1
    y = ld_size(env, b, size)
    if y < 0:
        return 1
    a = linear(env, seg, index_reg(env, R_ESI, a16), size, False)
    if a < 0:
        return 1
    x = ld_size(env, a, size)
    if x < 0:
        return 1
    compare_flags(env, <uint32_t> x, <uint32_t> y, size)
    advance(env, R_ESI, 1, size, a16)
    advance(env, R_EDI, 1, size, a16)
    return 0

cdef int ins_one(CPUX86State *env, bint a16, int size) noexcept nogil:
    cdef uint16_t port = <uint16_t> env.regs[R_EDX]
    cdef int64_t dst
    if check_io(env, port, size):
        return 1
    dst = linear(env, R_ES, index_reg(env, R_EDI, a16), size, True)
    if dst < 0 or probe_write(env, dst, size, env.mmu_idx):
        return 1
    # RAM whose writes are watched may hold the running TB. A store of what is there already makes
    # that known before the port has given its datum away.
    if (tlb_vaddr_to_host(env, dst, ACCESS_WRITE, env.mmu_idx) == NULL
            and tlb_vaddr_to_host(env, dst, ACCESS_READ, env.mmu_idx) != NULL
            and st_size(env, dst, <uint32_t> ld_size(env, dst, size), size)):
        return 1
    if st_size(env, dst, port_read(env.dispatch, port, size), size):
        return 1
    advance(env, R_EDI, 1, size, a16)
    return 0

cdef int outs_one(CPUX86State *env, int seg, bint a16, int size) noexcept nogil:
    cdef uint16_t port = <uint16_t> env.regs[R_EDX]
    cdef int64_t src, value
    if check_io(env, port, size):
        return 1
    src = linear(env, seg, index_reg(env, R_ESI, a16), size, False)
    if src < 0:
        return 1
    value = ld_size(env, src, size)
    if value < 0:
        return 1
    port_write(env.dispatch, port, <uint32_t> value, size)
    advance(env, R_ESI, 1, size, a16)
    return 0


# ---------------------------------------------------------------- chunks
cdef inline uint32_t least(uint64_t a, uint64_t b) noexcept nogil:
    return <uint32_t> (a if a < b else b)

cdef uint32_t chunk(CPUX86State *env, int seg, uint32_t offset, int size, bint write, bint a16,
                    uint32_t wanted) noexcept nogil:
    """How many of `wanted` elements from `offset` on, in DF's direction, lie in one page and within
    the segment and wrap nowhere. 0: the first one does not even."""
    cdef SegmentCache *s = &env.segs[seg]
    cdef int64_t top = s.hi_write if write else s.hi_read
    cdef int64_t wrap = 0xFFFF if a16 else 0xFFFFFFFFU
    cdef uint32_t va = <uint32_t> (s.base + offset)
    cdef uint32_t in_page = va & (TARGET_PAGE_SIZE - 1)
    cdef uint32_t shift = size >> 1
    if top > wrap:
        top = wrap
    if <int64_t> offset < s.lo or <int64_t> offset + size - 1 > top or in_page + size > TARGET_PAGE_SIZE:
        return 0
    if env.hflags & (HF_TF | HF_AC):
        if env.hflags & HF_AC and va & (size - 1):
            return 0
        if env.hflags & HF_TF:
            return 1
    if env.df > 0:
        wanted = least(wanted, (TARGET_PAGE_SIZE - in_page) >> shift)
        return least(wanted, <uint64_t> (top - offset + 1) >> shift)
    wanted = least(wanted, (in_page >> shift) + 1)
    return least(wanted, (<uint64_t> (offset - s.lo) >> shift) + 1)

cdef inline uint8_t *host_of(CPUX86State *env, int seg, uint32_t offset, bint write) noexcept nogil:
    """Host address of the element, or NULL: no plain RAM behind it."""
    cdef uint64_t va = <uint32_t> (env.segs[seg].base + offset)
    cdef uint8_t *host = host_rw(env, va, 1) if write else tlb_read_hit(env, va, 1)
    if host != NULL:
        return host
    return tlb_vaddr_to_host(env, va, ACCESS_WRITE if write else ACCESS_READ, env.mmu_idx)

cdef inline uint8_t *host_to_fill(CPUX86State *env, int seg, uint32_t offset, int size, uint32_t n) noexcept nogil:
    """The same for n elements that are written; code that lies there goes first."""
    cdef uint8_t *host = host_of(env, seg, offset, True)
    if host == NULL and env.df > 0:
        host = tlb_code_page_to_host(env, <uint32_t> (env.segs[seg].base + offset), n * size, True)
    return host

cdef inline bint must_leave(CPUX86State *env, uint64_t done) noexcept nogil:
    """Between two chunks: is it time to let interrupts in, or a debug trap?"""
    if env.hflags & HF_TF or env.watchpoint_flags:
        return True
    if env.current_tb.cflags & CF_USE_ICOUNT:
        return done >= ICOUNT_ELEMENTS
    return env.exit_request != 0

cdef void replicate(uint8_t *src, uint64_t period, uint64_t size) noexcept nogil:
    """Repeat the `period` bytes at src over the `size` bytes behind them."""
    cdef uint8_t *dst = src + period
    cdef uint64_t n
    while size:
        n = period if period < size else size
        memcpy(dst, src, n)
        dst += n
        size -= n
        period += n             # all from src on is periodic now

cdef void copy_elements(uint8_t *dst, uint8_t *src, uint32_t n, int size, int step) noexcept nogil:
    """One by one, whatever overlaps."""
    cdef uint32_t i
    for i in range(n):
        if size == 1:
            dst[0] = src[0]
        elif size == 2:
            (<uint16_t *> dst)[0] = (<uint16_t *> src)[0]
        else:
            (<uint32_t *> dst)[0] = (<uint32_t *> src)[0]
        src += step
        dst += step

cdef void copy_block(uint8_t *dst, uint8_t *src, uint32_t n, int size, int df) noexcept nogil:
    """n elements upwards or downwards. An overlap in the way of the copy repeats what was written."""
    cdef uint64_t length = <uint64_t> n * size
    cdef uint8_t *low_dst = dst
    cdef uint8_t *low_src = src
    if df > 0:
        if dst > src and dst < src + length:
            if (dst - src) & (size - 1) == 0:
                replicate(src, dst - src, length)
            else:
                copy_elements(dst, src, n, size, size)
            return
    else:
        low_dst -= length - size
        low_src -= length - size
        if low_src > low_dst and low_src < low_dst + length:
            copy_elements(dst, src, n, size, -size)
            return
    memmove(low_dst, low_src, length)

cdef void fill_block(uint8_t *dst, uint32_t value, uint32_t n, int size) noexcept nogil:
    cdef uint64_t length = <uint64_t> n * size
    cdef uint32_t byte = value & 0xFF
    if size == 1 or value & (0xFFFF if size == 2 else 0xFFFFFFFFU) == byte * (0x101 if size == 2 else 0x1010101):
        memset(dst, byte, length)
        return
    memcpy(dst, &value, size)
    replicate(dst, size, length - size)

cdef inline uint32_t element(uint8_t *p, int size) noexcept nogil:
    if size == 1:
        return p[0]
    if size == 2:
        return (<uint16_t *> p)[0]
    return (<uint32_t *> p)[0]

cdef uint32_t scan_block(uint8_t *p, uint32_t value, uint32_t n, int size, int df, bint while_equal) noexcept nogil:
    """Index of the element at which SCAS stops, or n."""
    cdef int step = size * df
    cdef uint8_t *found
    cdef uint32_t i
    if size == 1 and df > 0 and not while_equal:
        found = <uint8_t *> memchr(p, value, n)
        return n if found == NULL else <uint32_t> (found - p)
    for i in range(n):
        if (element(p, size) == value) != while_equal:
            return i
        p += step
    return n

cdef uint32_t compare_block(uint8_t *a, uint8_t *b, uint32_t n, int size, int df, bint while_equal) noexcept nogil:
    """Index of the pair at which CMPS stops, or n."""
    cdef int step = size * df
    cdef uint64_t differ
    cdef uint32_t i = 0
    cdef uint32_t per_word = 8 >> (size >> 1)
    if while_equal and df > 0:
        while i + per_word <= n:
            differ = (<uint64_t *> a)[0] ^ (<uint64_t *> b)[0]
            if differ:          # little-endian: the lowest set bit is in the first element that differs
                return i + (<uint32_t> ctz64(differ) >> (3 + (size >> 1)))
            a += 8
            b += 8
            i += per_word
    while i < n:
        if (element(a, size) == element(b, size)) != while_equal:
            return i
        a += step
        b += step
        i += 1
    return n


# ---------------------------------------------------------------- REP
cdef inline bint movs_at_once(CPUX86State *env, int size) noexcept nogil:
    """REP MOVS upwards that lies in one page of RAM on both sides; False: nothing was done."""
    cdef uint64_t count = env.regs[R_ECX]
    cdef uint64_t length = count * size
    cdef uint8_t *src
    cdef uint8_t *dst
    if count - 1 >= TARGET_PAGE_SIZE // size or env.df < 0:
        return False
    src = tlb_read_hit(env, env.regs[R_ESI], <int> length)
    dst = host_rw(env, env.regs[R_EDI], <int> length)
    if src == NULL or dst == NULL:
        return False
    if <uint64_t> (dst - src) >= length:        # dst below src, or no overlap
        memmove(dst, src, length)
    else:
        copy_block(dst, src, <uint32_t> count, size, 1)
    env.regs[R_ESI] = <uint32_t> (env.regs[R_ESI] + length)
    env.regs[R_EDI] = <uint32_t> (env.regs[R_EDI] + length)
    env.regs[R_ECX] = 0
    return True

cdef inline bint stos_at_once(CPUX86State *env, int size) noexcept nogil:
    cdef uint64_t count = env.regs[R_ECX]
    cdef uint64_t length = count * size
    cdef uint8_t *dst
    if count - 1 >= TARGET_PAGE_SIZE // size or env.df < 0:
        return False
    dst = host_rw(env, env.regs[R_EDI], <int> length)
    if dst == NULL:
        return False
    fill_block(dst, <uint32_t> env.regs[R_EAX], <uint32_t> count, size)
    env.regs[R_EDI] = <uint32_t> (env.regs[R_EDI] + length)
    env.regs[R_ECX] = 0
    return True

cdef int rep_movs(CPUX86State *env, int seg, bint a16, int size) noexcept nogil:
    cdef uint32_t count = index_reg(env, R_ECX, a16)
    cdef uint32_t si, di, n
    cdef uint64_t done = 0
    cdef uint8_t *src
    cdef uint8_t *dst
    while count:
        si = index_reg(env, R_ESI, a16)
        di = index_reg(env, R_EDI, a16)
        n = chunk(env, seg, si, size, False, a16, count)
        if n:
            n = chunk(env, R_ES, di, size, True, a16, n)
        if n:
            src = host_of(env, seg, si, False)
            dst = host_to_fill(env, R_ES, di, size, n) if src != NULL else NULL
            if src == NULL or dst == NULL:
                n = 0
        if n:
            copy_block(dst, src, n, size, env.df)
            advance(env, R_ESI, n, size, a16)
            advance(env, R_EDI, n, size, a16)
        elif movs_one(env, seg, a16, size):
            return REP_FAULT
        else:
            n = 1
        count -= n
        done += n
        set_index(env, R_ECX, count, a16)
        if count and must_leave(env, done):
            return REP_AGAIN
    return REP_DONE

cdef int rep_stos(CPUX86State *env, bint a16, int size) noexcept nogil:
    cdef uint32_t count = index_reg(env, R_ECX, a16)
    cdef uint32_t di, n
    cdef uint64_t done = 0
    cdef uint8_t *dst = NULL
    while count:
        di = index_reg(env, R_EDI, a16)
        n = chunk(env, R_ES, di, size, True, a16, count)
        if n:
            dst = host_to_fill(env, R_ES, di, size, n)
        if n and dst != NULL:
            if env.df < 0:
                dst -= (n - 1) * size
            fill_block(dst, <uint32_t> env.regs[R_EAX], n, size)
            advance(env, R_EDI, n, size, a16)
        elif stos_one(env, a16, size):
            return REP_FAULT
        else:
            n = 1
        count -= n
        done += n
        set_index(env, R_ECX, count, a16)
        if count and must_leave(env, done):
            return REP_AGAIN
    return REP_DONE

cdef int rep_lods(CPUX86State *env, int seg, bint a16, int size) noexcept nogil:
    cdef uint32_t count = index_reg(env, R_ECX, a16)
    cdef uint32_t si, n
    cdef uint64_t done = 0
    cdef uint8_t *src = NULL
    while count:
        si = index_reg(env, R_ESI, a16)
        n = chunk(env, seg, si, size, False, a16, count)
        if n:
            src = host_of(env, seg, si, False)
        if n and src != NULL:
            set_accumulator(env, element(src + <int64_t> (n - 1) * size * env.df, size), size)
            advance(env, R_ESI, n, size, a16)
        elif lods_one(env, seg, a16, size):
            return REP_FAULT
        else:
            n = 1
        count -= n
        done += n
        set_index(env, R_ECX, count, a16)
        if count and must_leave(env, done):
            return REP_AGAIN
    return REP_DONE

cdef int rep_scas(CPUX86State *env, bint a16, int size, bint while_equal) noexcept nogil:
    cdef uint32_t count = index_reg(env, R_ECX, a16)
    cdef uint32_t di, n, stop
    cdef uint64_t done = 0
    cdef uint32_t cc_op = env.cc_op
    cdef uint64_t cc_dst = env.cc_dst
    cdef uint64_t cc_src = env.cc_src
    cdef uint8_t *src = NULL
    while count:
        di = index_reg(env, R_EDI, a16)
        n = chunk(env, R_ES, di, size, False, a16, count)
        if n:
            src = host_of(env, R_ES, di, False)
        if n and src != NULL:
            stop = scan_block(src, accumulator(env, size), n, size, env.df, while_equal)
            n = stop + 1 if stop < n else n
            compare_flags(env, accumulator(env, size),
                          element(src + <int64_t> (n - 1) * size * env.df, size), size)
            advance(env, R_EDI, n, size, a16)
        elif scas_one(env, a16, size):
            env.cc_op, env.cc_dst, env.cc_src = cc_op, cc_dst, cc_src
            return REP_FAULT
        else:
            n = 1
        count -= n
        done += n
        set_index(env, R_ECX, count, a16)
        if (env.cc_dst == 0) != while_equal:
            break
        if count and must_leave(env, done):
            # what interrupts the repetition sees the flags from before it, as a fault does
            env.cc_op, env.cc_dst, env.cc_src = cc_op, cc_dst, cc_src
            return REP_AGAIN
    return REP_DONE

cdef int rep_cmps(CPUX86State *env, int seg, bint a16, int size, bint while_equal) noexcept nogil:
    cdef uint32_t count = index_reg(env, R_ECX, a16)
    cdef uint32_t si, di, n, stop
    cdef int64_t last
    cdef uint64_t done = 0
    cdef uint32_t cc_op = env.cc_op
    cdef uint64_t cc_dst = env.cc_dst
    cdef uint64_t cc_src = env.cc_src
    cdef uint8_t *a
    cdef uint8_t *b
    while count:
        si = index_reg(env, R_ESI, a16)
        di = index_reg(env, R_EDI, a16)
        n = chunk(env, seg, si, size, False, a16, count)
        if n:
            n = chunk(env, R_ES, di, size, False, a16, n)
        if n:
            a = host_of(env, seg, si, False)
            b = host_of(env, R_ES, di, False)
            if a == NULL or b == NULL:
                n = 0
        if n:
            stop = compare_block(a, b, n, size, env.df, while_equal)
            n = stop + 1 if stop < n else n
            last = <int64_t> (n - 1) * size * env.df
            compare_flags(env, element(a + last, size), element(b + last, size), size)
            advance(env, R_ESI, n, size, a16)
            advance(env, R_EDI, n, size, a16)
        elif cmps_one(env, seg, a16, size):
            env.cc_op, env.cc_dst, env.cc_src = cc_op, cc_dst, cc_src
            return REP_FAULT
        else:
            n = 1
        count -= n
        done += n
        set_index(env, R_ECX, count, a16)
        if (env.cc_dst == 0) != while_equal:
            break
        if count and must_leave(env, done):
            # what interrupts the repetition sees the flags from before it, as a fault does
            env.cc_op, env.cc_dst, env.cc_src = cc_op, cc_dst, cc_src
            return REP_AGAIN
    return REP_DONE

cdef int rep_ins(CPUX86State *env, bint a16, int size) noexcept nogil:
    cdef uint16_t port = <uint16_t> env.regs[R_EDX]
    cdef uint32_t count = index_reg(env, R_ECX, a16)
    cdef uint32_t di, n
    cdef uint64_t done = 0
    cdef uint8_t *dst = NULL
    if check_io(env, port, size):
        return REP_FAULT
    while count:
        di = index_reg(env, R_EDI, a16)
        n = chunk(env, R_ES, di, size, True, a16, count) if env.df > 0 else 0
        if n:
            dst = host_of(env, R_ES, di, True)
        if n and dst != NULL:
            port_read_block(env.dispatch, port, size, dst, n)
            advance(env, R_EDI, n, size, a16)
        elif ins_one(env, a16, size):
            return REP_FAULT
        else:
            n = 1
        count -= n
        done += n
        set_index(env, R_ECX, count, a16)
        if count and must_leave(env, done):
            return REP_AGAIN
    return REP_DONE

cdef int rep_outs(CPUX86State *env, int seg, bint a16, int size) noexcept nogil:
    cdef uint16_t port = <uint16_t> env.regs[R_EDX]
    cdef uint32_t count = index_reg(env, R_ECX, a16)
    cdef uint32_t si, n
    cdef uint64_t done = 0
    cdef uint8_t *src = NULL
    if check_io(env, port, size):
        return REP_FAULT
    while count:
        si = index_reg(env, R_ESI, a16)
        n = chunk(env, seg, si, size, False, a16, count) if env.df > 0 else 0
        if n:
            src = host_of(env, seg, si, False)
        if n and src != NULL:
            port_write_block(env.dispatch, port, size, src, n)
            advance(env, R_ESI, n, size, a16)
        elif outs_one(env, seg, a16, size):
            return REP_FAULT
        else:
            n = 1
        count -= n
        done += n
        set_index(env, R_ECX, count, a16)
        if count and must_leave(env, done):
            return REP_AGAIN
    return REP_DONE


include "../gen/interp_string.pxi"

register_string_ops(op_table())
