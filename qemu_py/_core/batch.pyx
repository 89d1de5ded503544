"""Arrays of small tests, each on a fresh user-mode state: what CPU.batch runs.

The world of a test: ring 3, one page of code at 10000000h, one page of data at 20000000h of which
256 bytes at +800h belong to the record (the rest is zero), nothing else mapped. FS and GS are null.
What is not mapped answers with #PF, as on a host whose page tables have nothing there.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from qemu_py._core.cpu cimport *
from qemu_py._core.cpu_face cimport TBCache, VCPU
from qemu_py._core.dispatch cimport PhysMap
from qemu_py._core.exec cimport BARE_RETURN, cpu_exec
from qemu_py._core.flags cimport cpu_get_eflags, cpu_put_eflags
from qemu_py._core.tb cimport tb_invalidate_phys_page_range
from qemu_py._core.x86.fpu_state cimport fxrstor_image, fxsave_image
from qemu_py._core.x86.state cimport cpu_set_cpl, cpu_x86_load_seg_cache, update_hflags

import mmap

cdef uint64_t CODE = 0x10000000
cdef uint64_t DATA = 0x20000000

cdef enum:
    WINDOW = 0x800              # of the data page: what a record's `data` is
    WINDOW_SIZE = 256
    CODE_SIZE = 16
    FILLED = 32                 # bytes from CODE: the code, the jump below, HLT
    # Flags that a record may set: C P A Z S T D O, NT, AC, ID
    USER_FLAGS = 0x244DD5
    USER_DATA = 0x8000 | 0x1000 | 0x6000 | 0x200 | 0x100       # P, S, DPL 3, writable, accessed
    SEGS_FLAT = 0
    SEGS_BASED = 1              # DS, ES, GS based at the data page; with 16-bit code SS as well
    SEGS_CODE = 2               # SS always, and CS at the code page

# JMP FAR 33h:30001E00h. With it the host's harness comes back, and code may read what stands behind
# it. Here there is no descriptor table, so that it is #GP, which ends a block.
cdef uint8_t *BACK = [0x66, 0xEA, 0x00, 0x1E, 0x00, 0x30, 0x33, 0x00]

cdef struct Offsets:
    size_t gpr, rip, rflags, fx, data, sig, trapno, err, cr2, codelen, mode, status, code


cdef uint32_t signal_of(int vector) noexcept nogil:
    """The Linux signal of an exception vector in user mode."""
    if vector == 0 or vector == 16 or vector == 19:
        return 8
    if vector == 6:
        return 4
    if vector == 1 or vector == 3:
        return 5
    if vector == 12 or vector == 17 or vector == 11:
        return 7
    return 11


cdef void load_segments(CPUX86State *env, uint32_t mode, uint32_t segs) noexcept nogil:
    cdef uint32_t flat = USER_DATA | DESC_B | DESC_G
    cdef int seg
    env.cr[0] |= CR0_PE
    update_hflags(env)
    cpu_set_cpl(env, 3)
    for seg in range(6):
        cpu_x86_load_seg_cache(env, seg, 0x2B, 0, 0xFFFFFFFFU, flat)
    cpu_x86_load_seg_cache(env, R_CS, 0x23 if mode == 32 else 0x0F, 0, 0xFFFFFFFFU,
                           USER_DATA | DESC_CS | DESC_G | (DESC_B if mode == 32 else 0))
    cpu_x86_load_seg_cache(env, R_FS, 0, 0, 0, 0)
    cpu_x86_load_seg_cache(env, R_GS, 0, 0, 0, 0)
    if segs != SEGS_FLAT:
        cpu_x86_load_seg_cache(env, R_DS, 0x17, DATA, WINDOW + WINDOW_SIZE - 1, USER_DATA | DESC_B)
        cpu_x86_load_seg_cache(env, R_ES, 0x2F, DATA, WINDOW + WINDOW_SIZE - 1, (USER_DATA | DESC_B) & ~DESC_W)
        cpu_x86_load_seg_cache(env, R_GS, 0x27, DATA, WINDOW + 0x1F, USER_DATA | DESC_E)
        if mode == 16 or segs == SEGS_CODE:
            cpu_x86_load_seg_cache(env, R_SS, 0x1F, DATA, WINDOW + WINDOW_SIZE - 1, USER_DATA)
        if segs == SEGS_CODE:
            cpu_x86_load_seg_cache(env, R_CS, 0x3F if mode == 32 else 0x37, CODE, 0x7FF,
                                   USER_DATA | DESC_CS | (DESC_B if mode == 32 else 0))
    update_hflags(env)


cdef class BatchRunner:
    """One CPU with a code page and a data page."""
    cdef VCPU cpu
    cdef object pages
    cdef uint8_t *code
    cdef uint8_t *data
    cdef uint32_t mode
    cdef uint32_t segs

    def __init__(self, str model, tier, bint chain):
        cdef uint8_t[::1] view
        physmap = PhysMap()
        self.pages = mmap.mmap(-1, 2 * 4096)
        physmap.add_ram(0, self.pages)
        physmap.map_ram(CODE, 4096, 0)
        physmap.map_ram(DATA, 4096, 4096)
        self.cpu = VCPU(model, physmap, 0, TBCache(tier=tier, chain=chain))
        view = self.pages
        self.code = &view[0]
        self.data = &view[4096]
        self.cpu.env.cr[4] |= CR4_OSFXSR | CR4_OSXMMEXCPT
        self.cpu.env.cr[0] = (self.cpu.env.cr[0] & ~<uint64_t> (CR0_EM | CR0_TS)) | CR0_NE | CR0_MP | CR0_AM
        self.cpu.env.bare = BARE_RETURN
        self.cpu.env.gdt_limit = 0

    def counters(self):
        """{name: count} of its CPU: how many blocks were made, and how many became host code."""
        return self.cpu.counters()

    def run(self, records, bint block):
        cdef Offsets o
        fields = records.dtype.fields
        o.gpr, o.rip, o.rflags, o.fx, o.data, o.sig = (fields[n][1] for n in ("gpr", "rip", "rflags", "fx", "data", "sig"))
        o.trapno, o.err, o.cr2, o.codelen = (fields[n][1] for n in ("trapno", "err", "cr2", "codelen"))
        o.mode, o.status, o.code = (fields[n][1] for n in ("mode", "status", "code"))
        if not records.flags.c_contiguous:
            raise ValueError("records must be contiguous")
        cdef size_t segs_offset = fields["segs"][1] if "segs" in fields else 0
        cdef uint8_t[::1] raw = records.view("u1").reshape(-1)
        cdef size_t stride = records.dtype.itemsize
        cdef Py_ssize_t i, count = len(records)
        cdef uint32_t mode, segs = SEGS_FLAT
        cdef uint8_t *r
        # One instruction: TBs of one. The same bytes make other TBs in a block.
        cdef uint32_t cflags = CF_USE_ICOUNT if block else CF_USE_ICOUNT | 1
        if cflags != self.cpu.env.tb_cflags:
            self.cpu.tb_flush()
            self.cpu.env.tb_cflags = cflags
        with nogil:
            for i in range(count):
                r = &raw[i * stride]
                mode = (<uint32_t *> (r + o.mode))[0]
                if segs_offset:
                    segs = (<uint32_t *> (r + segs_offset))[0]
                if mode != self.mode or segs != self.segs:
                    self.mode = mode
                    self.segs = segs
                    load_segments(self.cpu.env, mode, segs)
                self.run_one(r, &o, block)

    cdef void run_one(self, uint8_t *r, Offsets *o, bint block) noexcept nogil:
        cdef CPUX86State *env = self.cpu.env
        cdef uint64_t *gpr = <uint64_t *> (r + o.gpr)
        cdef uint32_t length = (<uint32_t *> (r + o.codelen))[0]
        cdef uint8_t bytes_[FILLED]
        cdef int reason, i
        memset(bytes_, 0xF4, sizeof(bytes_))
        length = length if length < CODE_SIZE else CODE_SIZE
        memcpy(bytes_, r + o.code, length)
        i = 0 if self.mode == 16 else 1
        memcpy(bytes_ + length, BACK + i, 8 - i)
        if memcmp(self.code, bytes_, sizeof(bytes_)):
            memcpy(self.code, bytes_, sizeof(bytes_))
            tb_invalidate_phys_page_range(env.tbx, env.dispatch, 0, sizeof(bytes_))
        memset(self.code + FILLED, 0, 4096 - FILLED)
        memset(self.data, 0, 4096)
        memcpy(self.data + WINDOW, r + o.data, WINDOW_SIZE)
        for i in range(8):
            env.regs[i] = <uint32_t> gpr[i]
        cpu_put_eflags(env, <uint32_t> ((<uint64_t *> (r + o.rflags))[0] & USER_FLAGS) | 0x202, 0xFFFFFFFFU)
        update_hflags(env)
        fxrstor_image(env, r + o.fx)
        env.eip = CODE - env.segs[R_CS].base
        env.exception_index = EXCP_NONE
        env.halted = 0
        # a block ends at the jump behind it; loops are short
        env.icount_budget = 1000 if block else 1
        reason = cpu_exec(env)
        for i in range(8):
            gpr[i] = <uint32_t> env.regs[i]
        (<uint64_t *> (r + o.rip))[0] = <uint32_t> env.eip
        (<uint64_t *> (r + o.rflags))[0] = cpu_get_eflags(env)
        fxsave_image(env, r + o.fx)
        memcpy(r + o.data, self.data + WINDOW, WINDOW_SIZE)
        (<uint64_t *> (r + o.err))[0] = 0
        (<uint64_t *> (r + o.cr2))[0] = 0
        (<uint32_t *> (r + o.status))[0] = 1
        if reason == EXCP_UNMAPPED:
            reason = EXCP0E_PAGE
            env.error_code = 4 | (2 if env.unmapped_write else 0)
            env.cr[2] = env.unmapped_addr
        if reason >= EXCP_INTERRUPT or (block and reason == EXCP0D_GPF and env.segs[R_CS].base + env.eip == CODE + length):
            reason = 1
        else:
            (<uint64_t *> (r + o.err))[0] = env.error_code
            if reason == EXCP0E_PAGE:
                (<uint64_t *> (r + o.cr2))[0] = env.cr[2]
        (<uint32_t *> (r + o.trapno))[0] = <uint32_t> reason
        (<uint32_t *> (r + o.sig))[0] = signal_of(reason)
