"""The Python face of a virtual CPU: VCPU, and the translation cache that CPUs share.

A VCPU belongs to a PhysMap (its physical memory and ports) and a TBCache. exec() runs without the
GIL until there is a reason to stop; kick() and interrupt() may be called from any thread.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.stdlib cimport posix_memalign
from qemu_py._core.cpu cimport *
from qemu_py._core.dispatch cimport PhysMap, qemu_loglevel
from qemu_py._core.exec cimport BARE_RETURN, cpu_exec
from qemu_py._core.guesttime cimport GuestTime
from qemu_py._core.flags cimport cpu_get_eflags, cpu_put_eflags
from qemu_py._core.host.buffer cimport host_jmp_cache_free, host_jmp_cache_new
from qemu_py._core.host.codegen cimport host_attach, host_detach
from qemu_py._core.ir.dump cimport trace_reset
from qemu_py._core.pagewalk cimport cpu_get_phys_page_debug
from qemu_py._core.softmmu cimport tlb_flush
from qemu_py._core.epochs cimport start_epochs
from qemu_py._core.tb cimport tb_context_free, tb_context_new, tb_flush, tb_flush_jmp_cache, tb_run_work, this_thread
from qemu_py._core.x86.control cimport cpu_x86_set_cr
from qemu_py._core.x86.cpu_models cimport cpu_x86_register
from qemu_py._core.x86.debug cimport set_dr7, update_hw_breakpoints
from qemu_py._core.x86.fpu cimport FERR_IGNNE
from qemu_py._core.x86.fpu_state cimport fxrstor_image, fxsave_image
from qemu_py._core.x86.msr cimport cpu_rdmsr, cpu_wrmsr
from qemu_py._core.x86.reset cimport cpu_reset
from qemu_py._core.x86.state cimport cpu_set_cpl, cpu_x86_load_seg_cache, update_hflags
from qemu_py.util.accel import DEFAULT, default_tier
from qemu_py.util.errors import UserError
# These register the interpreter's functions in the op table.
from qemu_py._core.ir import interp_alu, interp_jump, interp_mem, interp_move, interp_sys, table  # noqa: F401
from qemu_py._core.x86 import fpu, intmath, mmx, sse_arith, sse_int, sse_move, string  # noqa: F401

if table.missing():
    raise ImportError(f"{len(table.missing())} IR ops have no function: the extension modules are of different builds")

EXIT_INTERRUPT = EXCP_INTERRUPT
EXIT_HLT = EXCP_HLT
EXIT_DEBUG = EXCP_DEBUG
EXIT_TRIPLE = EXCP_TRIPLE
EXIT_BUDGET = EXCP_BUDGET
EXIT_UNMAPPED = EXCP_UNMAPPED

INTERRUPT_HARD = CPU_INTERRUPT_HARD
INTERRUPT_SMI = CPU_INTERRUPT_SMI
INTERRUPT_NMI = CPU_INTERRUPT_NMI
INTERRUPT_INIT = CPU_INTERRUPT_INIT
INTERRUPT_SIPI = CPU_INTERRUPT_SIPI

DEFAULT_TB_SIZE = 64 << 20      # bytes of code_gen_buffer

cdef dict GENERAL = {name: i for i, name in enumerate(("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"))}
cdef dict SEGMENT = {name: i for i, name in enumerate(("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"))}


cdef class TBCache:
    """The translation blocks of a machine: code_gen_buffer, tb_phys_hash. `size` is in bytes; without `chain`
    no block goes straight to another."""

    def __cinit__(self, uint64_t size=DEFAULT_TB_SIZE, tier=DEFAULT, bint chain=True):
        if size < 1 << 18:
            raise UserError(f"tb-size: {size} bytes are too few for a translation cache; give at least 256 KiB")
        if tier == DEFAULT:
            tier = default_tier()
        try:
            # A TB averages a few dozen ops of 32 bytes
            self.tbx = tb_context_new(size, <uint32_t> (size // 256))
            self.tbx.no_chain = not chain
            if tier is not None:
                host_attach(self.tbx, size, tier)
        except MemoryError:
            raise UserError(f"the host does not have the memory for a translation cache of {size >> 20} MiB: give it less with"
                            " -accel tcg,tb-size=") from None

    def __dealloc__(self):
        if self.tbx != NULL:
            host_detach(self.tbx)
            tb_context_free(self.tbx)

    def use_time(self, GuestTime time not None):
        """The CPUs' time-stamp counters follow it. Before they are made."""
        self.time = time
        self.tbx.time = &time.base

    def counters(self):
        """{name: count}: what the cache has done so far."""
        return {"tb_count": self.tbx.nb_tbs, "tb_gen_count": self.tbx.tb_gen_count,
                "tb_gen_insns": self.tbx.tb_gen_insns, "tb_flush_count": self.tbx.tb_flush_count,
                "host_count": self.tbx.host_count,
                "tb_phys_invalidate_count": self.tbx.tb_phys_invalidate_count,
                "code_gen_bytes": self.tbx.code_gen_ptr - self.tbx.code_gen_buffer,
                "code_gen_buffer_size": self.tbx.code_gen_buffer_size}


cdef class VCPU:
    """A virtual CPU of a model (`qemu_py._core.x86.cpu_models`), reset, on a PhysMap."""

    def __cinit__(self, *args, **kwargs):
        cdef void *memory = NULL
        if posix_memalign(&memory, 4096, sizeof(CPUX86State)):
            raise MemoryError("CPU state")
        memset(memory, 0, sizeof(CPUX86State))
        self.env = <CPUX86State *> memory
        self.env.tb_jmp_cache = <TBJmpCacheEntry *> calloc(TB_JMP_CACHE_SIZE, sizeof(TBJmpCacheEntry))
        self.env.host_jmp_cache = host_jmp_cache_new()
        if self.env.tb_jmp_cache == NULL:
            raise MemoryError("CPU state")

    def __init__(self, str model, PhysMap physmap, uint32_t index=0, TBCache cache=None):
        cdef CPUX86State *other
        if self.cache is not None:
            raise ValueError("a CPU is made once")
        if cache is None:
            cache = TBCache()
        if physmap.d.tbx != NULL and physmap.d.tbx != cache.tbx:
            raise ValueError("the CPUs of one PhysMap share one TBCache")
        self.env.owner = <void *> self
        self.env.cpu_index = index
        self.env.apic_id = index
        self.env.global_epoch = 1
        start_epochs(self.env)
        self.env.exception_index = EXCP_NONE
        self.env.old_exception = EXCP_NONE
        memset(self.env.tlb, 0xFF, sizeof(self.env.tlb))
        self.env.dispatch = physmap.d
        self.env.tbx = cache.tbx
        cpu_x86_register(self.env, model)
        self.env.log_mask = qemu_loglevel
        self.physmap = physmap
        self.cache = cache
        self.model = model
        physmap.d.tbx = cache.tbx
        if cache.tbx.first_cpu == NULL:
            cache.tbx.first_cpu = self.env
        else:
            other = cache.tbx.first_cpu
            while other.next_cpu != NULL:
                other = other.next_cpu
            other.next_cpu = self.env
        cpu_reset(self.env)

    def __dealloc__(self):
        cdef CPUX86State **link
        if self.env == NULL:
            return
        if self.cache is not None and self.cache.tbx != NULL:
            link = &self.cache.tbx.first_cpu
            while link[0] != NULL:
                if link[0] == self.env:
                    link[0] = self.env.next_cpu
                    break
                link = &link[0].next_cpu
            if self.cache.tbx.first_cpu == NULL and self.physmap is not None:
                self.physmap.d.tbx = NULL
        free(self.env.tb_jmp_cache)
        host_jmp_cache_free(self.env.host_jmp_cache)
        free(self.env)

    # ---- running
    def exec(self):
        """Run until there is a reason to stop: EXIT_INTERRUPT (kick), EXIT_HLT, EXIT_TRIPLE,
        EXIT_DEBUG, EXIT_BUDGET, EXIT_UNMAPPED. The GIL is released meanwhile."""
        cdef int reason
        cdef TBContext *tbx = self.env.tbx
        tbx.exec_thread = this_thread()
        tbx.running = 1                 # under the GIL, as the other threads that look at it
        tbx.current_cpu = self.env      # before the look at the alarm, which may ring between the two
        if tbx.alarm_rung:
            reason = EXCP_INTERRUPT
        else:
            with nogil:
                reason = cpu_exec(self.env)
        tbx.current_cpu = NULL
        tbx.running = 0
        tb_run_work(tbx, self.env.dispatch)
        if self.physmap.pending_exception is not None:
            error, self.physmap.pending_exception = self.physmap.pending_exception, None
            raise error
        return reason

    def kick(self):
        """Make exec() return EXIT_INTERRUPT at the next TB head. Any thread may call it."""
        self.env.stop_request = 1
        self.env.exit_request = 1

    def interrupt(self, uint32_t mask, bint level=True):
        """Raise or clear interrupt requests (INTERRUPT_*). Any thread may call it."""
        if level:
            self.env.interrupt_request |= mask
            self.env.exit_request = 1
        else:
            self.env.interrupt_request &= ~mask

    def sipi(self, uint32_t vector):
        """A start-up IPI: a CPU that waits for it begins at vector << 12, in real mode."""
        self.env.sipi_vector = vector & 0xFF
        self.interrupt(CPU_INTERRUPT_SIPI)

    def ignne(self):
        """IGNNE#: the board has seen FERR# (a write to port F0h). With CR0.NE clear the x87 goes on,
        until its exceptions are cleared."""
        if self.env.ferr:
            self.env.ferr |= FERR_IGNNE

    def reset(self):
        """RESET#: the state of SDM vol. 3, table 9-1."""
        trace_reset(self.env)
        cpu_reset(self.env)

    @property
    def has_work(self):
        """Is there a request that ends a HLT?"""
        return bool((self.env.interrupt_request & CPU_INTERRUPT_HARD and self.env.eflags & IF_MASK)
                    or self.env.interrupt_request & ~<uint32_t> CPU_INTERRUPT_HARD)

    @property
    def apic_enabled(self):
        """IA32_APIC_BASE's enable bit."""
        return bool(self.env.msr_apic_base & 1 << 11)

    @property
    def halted(self):
        return bool(self.env.halted)

    @halted.setter
    def halted(self, bint value):
        self.env.halted = value

    # ---- registers
    def __getattr__(self, str name):
        try:
            return self.get(name)
        except KeyError:
            raise AttributeError(f"a CPU has no {name!r}") from None

    def __setattr__(self, str name, value):
        if name == "halted":
            self.env.halted = bool(value)
            return
        try:
            self.set(name, value)
        except KeyError:
            raise AttributeError(f"a CPU has no register {name!r}") from None

    def get(self, str name):
        """A register by name: eax..edi, ax.., al.., ah.., eip, eflags, a segment's selector, cr0-cr4,
        dr0-dr7, gdt_base, gdt_limit, idt_base, idt_limit, cpl, hflags, mxcsr, fpuc, fpus, xmm0-7."""
        cdef CPUX86State *e = self.env
        cdef int i
        if name in GENERAL:
            return <uint32_t> e.regs[<int> GENERAL[name]]
        if len(name) == 2:
            if "e" + name in GENERAL:
                return <uint16_t> e.regs[<int> GENERAL["e" + name]]
            if name[1] == "l" and "e" + name[0] + "x" in GENERAL:
                return <uint8_t> e.regs[<int> GENERAL["e" + name[0] + "x"]]
            if name[1] == "h" and "e" + name[0] + "x" in GENERAL:
                return <uint8_t> (e.regs[<int> GENERAL["e" + name[0] + "x"]] >> 8)
        if name in SEGMENT:
            return e.segs[<int> SEGMENT[name]].selector
        if name == "eip":
            return <uint32_t> e.eip
        if name == "eflags":
            return cpu_get_eflags(e)
        if len(name) == 3 and name[:2] == "cr" and name[2] in "0234":
            return e.cr[<int> int(name[2])]
        if len(name) == 3 and name[:2] == "dr" and name[2] in "01234567":
            i = int(name[2])
            return e.dr[i + 2 if i in (4, 5) else i]
        if name[:3] == "xmm" and name[3:].isdigit() and int(name[3:]) < 8:
            i = int(name[3:])
            return e.xmm[i].q[0] | (<object> e.xmm[i].q[1]) << 64
        simple = {"gdt_base": e.gdt_base, "gdt_limit": e.gdt_limit, "idt_base": e.idt_base, "idt_limit": e.idt_limit,
                  "cpl": e.hflags & HF_CPL_MASK, "hflags": e.hflags, "mxcsr": e.mxcsr, "fpuc": e.fpuc,
                  "fpus": (e.fpus & ~0x3800) | (e.fpstt & 7) << 11, "smbase": e.smbase, "a20": e.a20_mask >> 20 & 1}
        return simple[name]

    def set(self, str name, value):
        """Set a register by name, without the checks that an instruction would make. A segment's
        selector is loaded as in real mode; see load_segment."""
        cdef CPUX86State *e = self.env
        cdef uint64_t v = <uint64_t> (value & 0xFFFFFFFFFFFFFFFF)
        cdef uint64_t *r
        cdef int i
        if name in GENERAL:
            e.regs[<int> GENERAL[name]] = <uint32_t> v
        elif name == "eip":
            e.eip = <uint32_t> v
        elif name == "eflags":
            cpu_put_eflags(e, <uint32_t> v, 0xFFFFFFFFU)
            update_hflags(e)
        elif name in SEGMENT:
            i = SEGMENT[name]
            cpu_x86_load_seg_cache(e, i, <uint16_t> v, <uint64_t> (<uint16_t> v) << 4, e.segs[i].limit, e.segs[i].flags)
        elif len(name) == 2 and "e" + name in GENERAL:
            r = &e.regs[<int> GENERAL["e" + name]]
            r[0] = (r[0] & ~<uint64_t> 0xFFFF) | <uint16_t> v
        elif len(name) == 2 and name[1] == "l" and "e" + name[0] + "x" in GENERAL:
            r = &e.regs[<int> GENERAL["e" + name[0] + "x"]]
            r[0] = (r[0] & ~<uint64_t> 0xFF) | <uint8_t> v
        elif len(name) == 2 and name[1] == "h" and "e" + name[0] + "x" in GENERAL:
            r = &e.regs[<int> GENERAL["e" + name[0] + "x"]]
            r[0] = (r[0] & ~<uint64_t> 0xFF00) | <uint64_t> (<uint8_t> v) << 8
        elif name in ("cr0", "cr3", "cr4"):
            cpu_x86_set_cr(e, <uint32_t> (v if name == "cr0" else e.cr[0]), <uint32_t> (v if name == "cr3" else e.cr[3]),
                           <uint32_t> (v if name == "cr4" else e.cr[4]))
        elif name == "cr2":
            e.cr[2] = <uint32_t> v
        elif len(name) == 3 and name[:2] == "dr" and name[2] in "012367":
            i = int(name[2])
            if i == 7:
                set_dr7(e, <uint32_t> v)
            else:
                e.dr[i] = <uint32_t> v
                update_hw_breakpoints(e)
        elif name[:3] == "xmm" and name[3:].isdigit() and int(name[3:]) < 8:
            i = int(name[3:])
            e.xmm[i].q[0] = v
            e.xmm[i].q[1] = <uint64_t> (value >> 64)
        elif name == "cpl":
            cpu_set_cpl(e, <int> v & 3)
        elif name == "gdt_base":
            e.gdt_base = <uint32_t> v
        elif name == "gdt_limit":
            e.gdt_limit = <uint16_t> v
        elif name == "idt_base":
            e.idt_base = <uint32_t> v
        elif name == "idt_limit":
            e.idt_limit = <uint16_t> v
        elif name == "mxcsr":
            e.mxcsr = <uint32_t> v & 0xFFFF
        elif name == "a20":
            e.a20_mask = 0xFFFFFFFFFFFFFFFFU if v else ~(<uint64_t> 1 << 20)
            tlb_flush(e)
        else:
            raise KeyError(name)

    def segment(self, str name):
        """(selector, base, limit, flags) of es, cs, ss, ds, fs, gs, ldtr or tr; flags as in the
        second dword of a descriptor (SDM vol. 3, figure 3-8)."""
        cdef SegmentCache *s = &self.env.segs[<int> SEGMENT[name]]
        return s.selector, s.base, s.limit, s.flags

    def load_segment(self, str name, uint32_t selector, uint32_t base, uint32_t limit, uint32_t flags):
        """Load a segment register with its hidden part, unchecked."""
        cpu_x86_load_seg_cache(self.env, <int> SEGMENT[name], selector, base, limit, flags & 0xF0FF00)

    def rdmsr(self, uint32_t index):
        """An MSR; KeyError when the model has none of that number."""
        cdef uint64_t value = 0
        if cpu_rdmsr(self.env, index, &value):
            self.env.exception_index = EXCP_NONE
            raise KeyError(f"no MSR {index:#x}")
        return value

    def wrmsr(self, uint32_t index, uint64_t value):
        """Write an MSR; KeyError when the CPU would answer with #GP."""
        if cpu_wrmsr(self.env, index, value):
            self.env.exception_index = EXCP_NONE
            raise KeyError(f"MSR {index:#x} does not take {value:#x}")

    def fxsave(self):
        """The x87 and SSE state as FXSAVE's 512 bytes."""
        cdef uint8_t image[512]
        memset(image, 0, sizeof(image))
        fxsave_image(self.env, image)
        return (<char *> image)[:512]

    def fxrstor(self, image):
        """Load the x87 and SSE state from FXSAVE's 512 bytes."""
        cdef bytes data = bytes(image)
        if len(data) != 512:
            raise ValueError("an FXSAVE image has 512 bytes")
        fxrstor_image(self.env, <const uint8_t *> <const char *> data)

    def translate(self, uint64_t address):
        """Physical address of a linear one, or None. Sets no A or D bit, raises no fault."""
        cdef uint64_t pa = cpu_get_phys_page_debug(self.env, address)
        return None if pa == 0xFFFFFFFFFFFFFFFFU else pa

    # ---- debugging
    def breakpoint_insert(self, uint64_t address):
        """Stop (EXIT_DEBUG) before the instruction at a linear address."""
        if self.env.nb_breakpoints == MAX_BREAKPOINTS:
            raise UserError(f"no more than {MAX_BREAKPOINTS} breakpoints")
        self.env.breakpoints[self.env.nb_breakpoints].pc = address
        self.env.breakpoints[self.env.nb_breakpoints].flags = BP_GDB
        self.env.nb_breakpoints += 1
        tb_flush(self.env.tbx, self.env.dispatch)

    def breakpoint_remove(self, uint64_t address):
        """Remove the debugger's breakpoint at a linear address; KeyError when there is none."""
        cdef uint32_t i
        for i in range(self.env.nb_breakpoints):
            if self.env.breakpoints[i].pc == address and self.env.breakpoints[i].flags & BP_GDB:
                self.env.nb_breakpoints -= 1
                self.env.breakpoints[i] = self.env.breakpoints[self.env.nb_breakpoints]
                tb_flush(self.env.tbx, self.env.dispatch)
                return
        raise KeyError(f"no breakpoint at {address:#x}")

    def watchpoint_insert(self, uint64_t address, uint32_t length=4, bint read=False, bint write=True):
        """Stop (EXIT_DEBUG) behind an instruction that accesses linear addresses."""
        cdef CPUWatchpoint *w
        if self.env.nb_watchpoints == MAX_BREAKPOINTS:
            raise UserError(f"no more than {MAX_BREAKPOINTS} watchpoints")
        w = &self.env.watchpoints[self.env.nb_watchpoints]
        w.vaddr = address
        w.len = length
        w.flags = BP_GDB | (BP_MEM_READ if read else 0) | (BP_MEM_WRITE if write else 0)
        self.env.nb_watchpoints += 1
        tb_flush(self.env.tbx, self.env.dispatch)
        tlb_flush(self.env)

    def watchpoint_remove(self, uint64_t address):
        """Remove the debugger's watchpoint at a linear address; KeyError when there is none."""
        cdef uint32_t i
        for i in range(self.env.nb_watchpoints):
            if self.env.watchpoints[i].vaddr == address and self.env.watchpoints[i].flags & BP_GDB:
                self.env.nb_watchpoints -= 1
                self.env.watchpoints[i] = self.env.watchpoints[self.env.nb_watchpoints]
                tb_flush(self.env.tbx, self.env.dispatch)
                tlb_flush(self.env)
                return
        raise KeyError(f"no watchpoint at {address:#x}")

    def watchpoint_hit(self):
        """Linear address of the watchpoint that stopped exec(), or None; asking clears it."""
        hit = self.env.watchpoint_hit if self.env.watchpoint_flags else None
        self.env.watchpoint_hit = self.env.watchpoint_flags = 0
        return hit

    def single_step(self):
        """Run one instruction (or deliver one exception); the reason as exec() gives it."""
        self.env.singlestep_enabled = 1
        if self.env.icount_budget <= 0:
            self.env.icount_budget = 1
        try:
            return self.exec()
        finally:
            self.env.singlestep_enabled = 0

    # ---- counted instructions
    def use_icount(self):
        """From now on exec() counts instructions, and runs as many as set_icount() allows; the
        time-stamp counter counts them too. Once, before the CPU runs."""
        self.env.tb_cflags |= CF_USE_ICOUNT

    def set_icount(self, int64_t budget):
        """How many instructions exec() may run before it gives EXIT_BUDGET."""
        self.env.icount_budget = budget

    @property
    def insn_count(self):
        """Instructions executed since use_icount()."""
        return self.env.insn_count

    def advance_tsc(self, int64_t ticks):
        """Time passed without instructions."""
        self.env.tsc_offset += ticks

    def set_singlestep(self, bint on):
        """From now on each TB has one instruction. All CPUs of a machine alike: they share the TBs."""
        self.env.tb_cflags = self.env.tb_cflags & ~<uint32_t> CF_COUNT_MASK | on
        tb_flush(self.env.tbx, self.env.dispatch)

    # ---- observation
    def tb_flush(self):
        """Empty the translation cache."""
        tb_flush(self.env.tbx, self.env.dispatch)

    def tlb_flush(self):
        tlb_flush(self.env)

    def set_user_mode(self, bint on):
        """User mode's way with self-modifying code: a store to a page of code drops all of the page."""
        self.env.tbx.user_mode = on

    def set_log_mask(self, uint32_t mask):
        """Which categories of the log this CPU writes (qemu_py.util.log)."""
        self.env.log_mask = mask

    def counters(self):
        """{name: count} of this CPU and its cache."""
        result = self.cache.counters()
        result.update(tlb_fill_count=self.env.tlb_fill_count, insn_count=self.env.insn_count,
                      io_count=self.env.dispatch.io_count)
        return result
