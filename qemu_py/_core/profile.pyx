"""The profiler's half in the core: counts of every TB, and samples of what the CPU is about to run.

Exactly: TBs are made with CF_PROFILE, and a head op counts their runs. Counts are taken over into a table here before a TB's bytes
change (tb_phys_invalidate) or its place is used again (tb_flush); TBs of the same code are one entry.

By sampling: a thread of our own, which never has the GIL, sets tbx.profile_request and exit_request every so often; cpu_exec then
calls take_sample. Blocks look at exit_request on backward, cross-page and indirect jumps (host code) or on every jump (interpreter), so a
sample names the target of such a jump. It weighs the processor time that the CPU's thread has used since the sample before.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset
from posix.mman cimport mmap, munmap, MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, nanosleep, timespec
from qemu_py._core.cpu cimport *
from qemu_py._core.cpu_face cimport TBCache, VCPU
from qemu_py._core.dispatch cimport IOTable
from qemu_py._core.ir.table cimport NB_OPS, op_table
from qemu_py._core.pagewalk cimport cpu_get_phys_page_debug
from qemu_py._core.tb cimport tb_flush

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    int pthread_create(pthread_t *thread, const void *attributes, void *(*start)(void *) noexcept nogil, void *arg)
    int pthread_join(pthread_t thread, void **result)

cdef extern from "<time.h>" nogil:
    enum: CLOCK_THREAD_CPUTIME_ID

cdef enum:
    TABLE_BITS = 16
    TABLE_SIZE = 1 << 16
    MAX_FRAMES = 64
    SAMPLE_BYTES = 256 << 20        # of samples at most; only what is used is ever touched
    MAX_FRAME_SIZE = 1 << 20        # a frame pointer further up than this is none

cdef enum:                          # Sample.where: what the CPU's thread was seen at
    IN_GUEST = 0
    IN_DEVICE = 1
    IN_TRANSLATOR = 2

cdef struct Block:                  # TBs of one place, mode and content
    Block *next
    uint64_t hash
    uint64_t pc
    uint64_t cs_base
    uint32_t flags
    uint16_t size
    uint16_t icount
    uint64_t runs
    uint64_t unrun
    uint64_t eip[2]                 # direct successors; 0: none
    uint32_t known                  # bytes of code that are there: all or none
    uint32_t calls                  # ends in a call: goes on behind itself in the end
    uint8_t *code
    uint16_t *starts                # of the instructions, from pc; [icount], 0xFFFF: unknown

cdef struct Sample:
    uint64_t weight                 # ns
    uint64_t pc
    uint64_t cs_base
    uint32_t flags
    uint32_t cr3
    uint16_t cpu
    uint8_t where
    uint8_t frames
    uint32_t slot
    # uint32_t return addresses, innermost first, follow

cdef struct Profile:
    TBContext *tbx
    AddressSpaceDispatch *d
    Block **table
    uint64_t nblocks
    uint64_t *op_count              # [NB_OPS] executions of each IR op
    uint8_t *samples
    uint64_t used
    uint64_t nsamples
    uint64_t dropped
    uint64_t taken_at               # the thread's clock at the last sample
    uintptr_t thread_seen
    uint64_t period
    pthread_t thread
    uint32_t stop
    uint32_t where                  # as the sampling thread saw it
    uint32_t slot
    uint32_t sampling


# ---------------------------------------------------------------- blocks
cdef bint is_call(const char *name) noexcept nogil:
    return memcmp(name, b"call", 4) == 0


cdef bint block_code(AddressSpaceDispatch *d, TranslationBlock *tb, uint8_t *out) noexcept nogil:
    """The TB's bytes; False: they are not in RAM."""
    cdef uint32_t offset = tb.pc & (TARGET_PAGE_SIZE - 1)
    cdef uint32_t first = TARGET_PAGE_SIZE - offset
    cdef uint64_t page
    if tb.page_addr[0] == RAM_ADDR_INVALID or tb.page_addr[0] >> TARGET_PAGE_BITS >= d.ram_pages:
        return False
    if first > tb.size:
        first = tb.size
    page = tb.page_addr[0] >> TARGET_PAGE_BITS
    if d.ram_host[page] == NULL:
        return False
    memcpy(out, d.ram_host[page] + offset, first)
    if first < tb.size:
        page = tb.page_addr[1] >> TARGET_PAGE_BITS
        if tb.page_addr[1] == RAM_ADDR_INVALID or page >= d.ram_pages or d.ram_host[page] == NULL:
            return False
        memcpy(out + first, d.ram_host[page], tb.size - first)
    return True


cdef void profile_collect(TBContext *tbx, AddressSpaceDispatch *d, TranslationBlock *tb) noexcept nogil:
    """Take over what was counted; the TB begins at 0 again."""
    cdef Profile *p = <Profile *> tbx.profile
    cdef Block *b
    cdef uint8_t *code
    cdef uint64_t hash = tb.pc * <uint64_t> 0x9E3779B97F4A7C15 ^ tb.cs_base ^ <uint64_t> tb.flags << 40
    cdef uint32_t i, known, k
    if tb.exec_count == 0 and (tb.cflags & CF_PROFILE or tb.invalid):
        return
    if tb.size == 0 or tb.nops == 0:
        return
    code = <uint8_t *> malloc(tb.size)
    if code == NULL:
        return
    known = tb.size if block_code(d, tb, code) else 0
    for i in range(known):
        hash = (hash ^ code[i]) * <uint64_t> 0x100000001B3
    b = p.table[hash >> 20 & (TABLE_SIZE - 1)]
    while b != NULL and not (b.hash == hash and b.pc == tb.pc and b.cs_base == tb.cs_base and b.flags == tb.flags
                             and b.size == tb.size and b.icount == tb.icount and b.known == known
                             and memcmp(b.code, code, known) == 0):
        b = b.next
    if b == NULL:
        b = <Block *> calloc(1, sizeof(Block) + tb.icount * sizeof(uint16_t))
        if b == NULL:
            free(code)
            return
        b.hash, b.pc, b.cs_base, b.flags, b.size, b.icount = hash, tb.pc, tb.cs_base, tb.flags, tb.size, tb.icount
        b.eip[0], b.eip[1] = tb.jmp_eip[0], tb.jmp_eip[1]
        b.known = known
        b.code = code
        b.calls = is_call(op_table()[tb.ir[tb.nops - 1].opc].name)
        b.starts = <uint16_t *> (b + 1)
        memset(b.starts, 0xFF, tb.icount * sizeof(uint16_t))
        k = 0
        for i in range(tb.nops):
            if k < tb.icount and (k == 0 or tb.ir[i].pc_off != b.starts[k - 1]):
                b.starts[k] = tb.ir[i].pc_off
                k += 1
        b.next = p.table[hash >> 20 & (TABLE_SIZE - 1)]
        p.table[hash >> 20 & (TABLE_SIZE - 1)] = b
        p.nblocks += 1
    else:
        free(code)
    b.runs += tb.exec_count
    b.unrun += tb.unrun_count
    if tb.exec_count:
        for i in range(tb.nops):
            p.op_count[tb.ir[i].opc] += tb.exec_count
    tb.exec_count = tb.unrun_count = 0


# ---------------------------------------------------------------- samples
cdef bint read32(CPUX86State *env, uint64_t va, uint32_t *out) noexcept nogil:
    """A dword of guest RAM by its linear address, without a fault, an A bit or a TLB entry. False: it is not there."""
    cdef uint64_t pa
    cdef PhysPageDesc *page
    cdef uint32_t offset = va & (TARGET_PAGE_SIZE - 1)
    if offset > TARGET_PAGE_SIZE - 4:
        return False
    pa = cpu_get_phys_page_debug(env, <uint32_t> va)
    if pa >> 40:
        return False
    page = env.dispatch.l1[pa >> TARGET_PAGE_BITS >> PHYS_L2_BITS]
    if page == NULL:
        return False
    page += pa >> TARGET_PAGE_BITS & (PHYS_L2_SIZE - 1)
    if page.host == NULL:
        return False
    memcpy(out, page.host + offset, 4)
    return True


cdef uint32_t walk_frames(CPUX86State *env, uint64_t pc, uint32_t *out) noexcept nogil:
    """Return addresses up the chain of frame pointers, innermost first; their number. Flat 32-bit code only."""
    cdef uint32_t n = 0, frame = <uint32_t> env.regs[R_EBP], code, up, target
    if env.hflags & (HF_CS32 | HF_SS32 | HF_FLAT_SS | HF_PE | HF_VM) != (HF_CS32 | HF_SS32 | HF_FLAT_SS | HF_PE):
        return 0
    if env.segs[R_CS].base != 0:
        return 0
    # In a function that has not made its frame yet the caller is not in the chain: push ebp; mov ebp, esp (two encodings)
    if read32(env, pc, &code):
        if code & 0xFFFFFF in (0xE58955, 0xEC8B55):
            if read32(env, env.regs[R_ESP], &target):
                out[0] = target
                n = 1
        elif code & 0xFFFF in (0xE589, 0xEC8B) and read32(env, env.regs[R_ESP] + 4, &target):
            out[0] = target
            n = 1
    while n < MAX_FRAMES and frame & 3 == 0 and frame >= 4096:
        if not read32(env, frame, &up) or not read32(env, frame + 4, &target) or target == 0:
            break
        out[n] = target
        n += 1
        if up <= frame or up - frame > MAX_FRAME_SIZE:
            break
        frame = up
    return n


cdef uint64_t thread_time() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)
    return <uint64_t> t.tv_sec * 1000000000 + <uint64_t> t.tv_nsec


cdef void take_sample(CPUX86State *env) noexcept nogil:
    cdef Profile *p = <Profile *> env.tbx.profile
    cdef Sample *s
    cdef uint64_t now = thread_time()
    env.tbx.profile_request = 0
    if p.thread_seen != env.tbx.exec_thread:        # the machine's CPUs have got another thread
        p.thread_seen = env.tbx.exec_thread
        p.taken_at = now
    if p.used + sizeof(Sample) + MAX_FRAMES * 4 > SAMPLE_BYTES:
        p.dropped += 1
        return
    s = <Sample *> (p.samples + p.used)
    s.weight = now - p.taken_at
    p.taken_at = now
    s.cs_base = env.segs[R_CS].base
    s.pc = <uint32_t> (s.cs_base + env.eip)
    s.flags = env.hflags
    s.cr3 = <uint32_t> env.cr[3] if env.cr[0] & CR0_PG else 0
    s.cpu = <uint16_t> env.cpu_index
    s.where = <uint8_t> p.where
    s.slot = p.slot
    s.frames = <uint8_t> walk_frames(env, s.pc, <uint32_t *> (s + 1))
    p.used += (sizeof(Sample) + s.frames * 4 + 7) & ~<uint64_t> 7
    p.nsamples += 1


cdef void *sampler(void *arg) noexcept nogil:
    """The sampling thread."""
    cdef Profile *p = <Profile *> arg
    cdef IOTable *io = <IOTable *> p.d.io
    cdef CPUX86State *env
    cdef timespec t
    t.tv_sec = <int64_t> (p.period // 1000000000)
    t.tv_nsec = <int64_t> (p.period % 1000000000)
    while not p.stop:
        nanosleep(&t, NULL)
        if not p.tbx.running or p.tbx.profile_request:
            continue
        p.where, p.slot = IN_GUEST, 0
        if io.depth:
            p.where, p.slot = IN_DEVICE, io.current
        elif p.tbx.translating:
            p.where = IN_TRANSLATOR
        p.tbx.profile_request = 1
        env = p.tbx.first_cpu
        while env != NULL:
            env.exit_request = 1
            env = env.next_cpu
    return NULL


# ---------------------------------------------------------------- for Python
WHERE = ("guest", "device", "translator")


cdef class GuestProfile:
    """Counts or samples of the CPUs that share a translation cache. Make, start, stop and read it while they do not run.

    exact    count every TB's runs; else take a sample every `period_ns` of the guest's running time
    """
    cdef Profile *p
    cdef TBCache cache
    cdef list cpus
    cdef readonly bint exact
    cdef readonly bint running

    def __cinit__(self, cpus, bint exact=False, uint64_t period_ns=1_000_000):
        cdef VCPU cpu = cpus[0]
        self.cpus = list(cpus)
        self.cache = cpu.cache
        self.exact = exact
        self.p = <Profile *> calloc(1, sizeof(Profile))
        if self.p == NULL:
            raise MemoryError("profile")
        self.p.tbx = cpu.cache.tbx
        self.p.d = cpu.env.dispatch
        self.p.period = max(period_ns, 10_000)
        self.p.table = <Block **> calloc(TABLE_SIZE, sizeof(void *))
        self.p.op_count = <uint64_t *> calloc(NB_OPS, 8)
        if not exact:
            self.p.samples = <uint8_t *> mmap(NULL, SAMPLE_BYTES, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if self.p.table == NULL or self.p.op_count == NULL or self.p.samples == <uint8_t *> MAP_FAILED:
            raise MemoryError("profile")

    def __dealloc__(self):
        cdef Block *b
        cdef Block *following
        cdef int i
        if self.p == NULL:
            return
        self.stop_()
        if self.p.table != NULL:
            for i in range(TABLE_SIZE):
                b = self.p.table[i]
                while b != NULL:
                    following = b.next
                    free(b.code)
                    free(b)
                    b = following
        free(self.p.table)
        free(self.p.op_count)
        if self.p.samples != NULL and self.p.samples != <uint8_t *> MAP_FAILED:
            munmap(self.p.samples, SAMPLE_BYTES)
        free(self.p)

    def start(self):
        """Begin; a cache has one profile at a time."""
        cdef VCPU cpu
        cdef TBContext *tbx = self.p.tbx
        if self.running:
            return
        if tbx.profile != NULL:
            raise RuntimeError("these CPUs are being profiled already")
        tbx.profile = self.p
        tbx.profile_request = 0
        tbx.profile_sample = take_sample
        if self.exact:
            for cpu in self.cpus:
                cpu.env.tb_cflags |= CF_PROFILE
            tb_flush(tbx, self.p.d)             # TBs that do not count must not be found
        tbx.profile_collect = profile_collect
        self.running = True
        if not self.exact:
            self.p.stop = 0
            if pthread_create(&self.p.thread, NULL, sampler, self.p):
                self.stop_()
                raise RuntimeError("no thread for the profiler")
            self.p.sampling = 1

    cdef void stop_(self) noexcept:
        cdef VCPU cpu
        cdef TBContext *tbx = self.p.tbx
        if not self.running:
            return
        self.running = False
        if self.p.sampling:
            self.p.stop = 1
            with nogil:
                pthread_join(self.p.thread, NULL)
            self.p.sampling = 0
        for cpu in self.cpus:
            cpu.env.tb_cflags &= ~<uint32_t> CF_PROFILE
        if self.exact:
            tb_flush(tbx, self.p.d)             # this collects
        tbx.profile_request = 0
        tbx.profile_collect = NULL
        tbx.profile = NULL

    def collect(self):
        """Look through the TBs as they are now; blocks() and op_counts() are then up to date."""
        cdef uint32_t k
        if self.running:
            for k in range(self.p.tbx.nb_tbs):
                profile_collect(self.p.tbx, self.p.d, &self.p.tbx.tbs[k])

    def stop(self):
        """Collect and end."""
        self.collect()
        self.stop_()

    # ---- what was found
    def blocks(self):
        """[(pc, cs_base, flags, code, instruction starts, runs, unrun, (eip, eip) of successors or None, calls)] of the blocks that were
        seen; cs_base without the limit. `unrun`: instructions of all runs together that a fault left out."""
        cdef Block *b
        cdef int i, k
        result = []
        for i in range(TABLE_SIZE):
            b = self.p.table[i]
            while b != NULL:
                code = PyBytes_FromStringAndSize(<char *> b.code, b.known) if b.known else None
                starts = [b.starts[k] for k in range(b.icount) if b.starts[k] != 0xFFFF]
                result.append((b.pc, b.cs_base & 0xFFFFFFFF, b.flags, code, b.size, b.icount, starts, b.runs, b.unrun,
                               tuple(b.eip[k] if b.eip[k] else None for k in range(2)), bool(b.calls)))
                b = b.next
        return result

    def op_counts(self):
        """{IR op: executions}, exactly counted; an op behind a fault in its TB is in it too."""
        cdef int i
        return {op_table()[i].name.decode(): self.p.op_count[i] for i in range(NB_OPS) if self.p.op_count[i]}

    def samples(self):
        """[(weight in ns, pc, cs_base, flags, cr3, cpu, where, slot, return addresses innermost first)] in the order of time."""
        cdef uint64_t at = 0
        cdef Sample *s
        cdef uint32_t *frames
        cdef int i
        result = []
        while at < self.p.used:
            s = <Sample *> (self.p.samples + at)
            frames = <uint32_t *> (s + 1)
            result.append((s.weight, s.pc, s.cs_base, s.flags, s.cr3, s.cpu, WHERE[s.where], s.slot,
                           tuple(frames[i] for i in range(s.frames))))
            at += (sizeof(Sample) + s.frames * 4 + 7) & ~<uint64_t> 7
        return result

    @property
    def dropped(self):
        """Samples for which there was no room."""
        return self.p.dropped


def cache_counters(TBCache cache):
    """What leaving translated code was for, by name: {"exits": {...}, "returns": {...}, "exceptions": {vector: n}, "interrupts":
    {vector: n}, "smc_writes": n, "smc_restarts": n}."""
    cdef TBContext *tbx = cache.tbx
    cdef int i
    names = ("not linked yet, or asked to leave", "target not in the jump cache, or the mode changed", "fault")
    returns = ("asked to leave", "halt", "debugger", "triple fault", "restart", "instruction budget", "unmapped access")
    return {"exits": {names[i]: tbx.exit_count[i] for i in range(3)},
            "returns": {returns[i]: tbx.exec_return_count[i] for i in range(7) if tbx.exec_return_count[i]},
            "exceptions": {i: tbx.exception_count[i] for i in range(256) if tbx.exception_count[i]},
            "interrupts": {i: tbx.interrupt_count[i] for i in range(256) if tbx.interrupt_count[i]},
            "smc_writes": tbx.smc_write_count, "smc_restarts": tbx.smc_restart_count}


def tlb_flushes(VCPU cpu):
    return cpu.env.tlb_flush_count
