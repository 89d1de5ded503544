"""A bare CPU for Python: a CPU model with RAM and no machine.

    cpu = CPU("qemu32", ram=1 << 20)
    cpu.memory[0x1000:0x1003] = [0x40, 0x40, 0xF4]      # inc eax; inc eax; hlt
    cpu.eip = 0x1000
    result = cpu.run(steps=2)
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport *
from qemu_py._core.cpu_face cimport TBCache, VCPU
from qemu_py._core.dispatch cimport PhysMap
from qemu_py._core.exec cimport BARE_DELIVER, BARE_RETURN, cpu_exec
from qemu_py._core.softmmu cimport tlb_flush
from qemu_py._core.tb cimport tb_flush, tb_invalidate_phys_page_range
from qemu_py._core.x86.state cimport cpu_set_cpl, cpu_x86_load_seg_cache, update_hflags
from qemu_py._core.batch import BatchRunner
from qemu_py.util.accel import DEFAULT
from qemu_py.util.errors import UserError

from qemu_py._core.cpu_face import DEFAULT_TB_SIZE

import mmap

SLICE = 20_000_000              # instructions between two looks at pending signals

cdef dict REASONS = {EXCP_INTERRUPT: "stopped", EXCP_HLT: "hlt", EXCP_DEBUG: "until", EXCP_TRIPLE: "triple fault",
                     EXCP_BUDGET: "steps", EXCP_UNMAPPED: "unmapped"}


class RunResult:
    """Why CPU.run returned.

    reason       "steps", "until", "hlt", "exception", "unmapped", "triple fault" or "stopped"
    steps        instructions that were executed
    vector, error_code, cr2   of the exception; the CPU is as before the instruction (behind it for
                 INT n, INT3, INTO and single-step traps, as for a debugger)
    address, size, write      of the access outside RAM, when the reason is "unmapped"
    """
    __slots__ = ("reason", "steps", "vector", "error_code", "cr2", "address", "size", "write")

    def __init__(self, reason, steps, vector=None, error_code=0, cr2=0, address=None, size=0, write=False):
        self.reason, self.steps, self.vector, self.error_code, self.cr2 = reason, steps, vector, error_code, cr2
        self.address, self.size, self.write = address, size, write

    def __repr__(self):
        words = [f"{self.reason!r}", f"steps={self.steps}"]
        if self.vector is not None:
            words += [f"vector={self.vector}", f"error_code={self.error_code:#x}"]
            if self.vector == 14:
                words.append(f"cr2={self.cr2:#x}")
        if self.address is not None:
            words.append(f"{'write' if self.write else 'read'} of {self.size} at {self.address:#x}")
        return f"RunResult({', '.join(words)})"


cdef void set_flat(CPUX86State *env, int cpl, bint code32) noexcept:
    """Flat segments of 4 GiB, protected mode."""
    cdef int seg
    cdef uint32_t dpl = <uint32_t> cpl << DESC_DPL_SHIFT
    cdef uint32_t data = DESC_P | DESC_S | DESC_W | DESC_A | DESC_B | DESC_G | dpl
    env.cr[0] |= CR0_PE
    update_hflags(env)
    cpu_set_cpl(env, cpl)
    for seg in (R_ES, R_SS, R_DS, R_FS, R_GS):
        cpu_x86_load_seg_cache(env, seg, 0x2B if cpl else 0x10, 0, 0xFFFFFFFFU, data)
    cpu_x86_load_seg_cache(env, R_CS, 0x23 if cpl else 0x08, 0, 0xFFFFFFFFU,
                           DESC_P | DESC_S | DESC_CS | DESC_R | DESC_A | DESC_G | dpl | (DESC_B if code32 else 0))


cdef class CPU(VCPU):
    """A CPU of a model with `ram` bytes of RAM at physical address 0.

    mode        "flat": protected mode, flat 32-bit segments, ring 0, EIP 0; "reset": as after RESET#
    on_access   called for accesses outside RAM: on_access(address, size, write, value) gives the value
                read; without it run() returns with the reason "unmapped"
    on_port     the same for I/O ports; without it they read as all ones
    deliver     True: exceptions go through the guest's IDT; False: run() returns them
    tb_size     bytes of the translation cache; 0: the default
    tier        runs after which a block becomes host code; None: never; by default what QEMU_PY_ACCEL says
    chain       False: each block goes back to the loop around them all
    """
    cdef readonly object ram
    cdef object until_address
    cdef object callbacks

    def __init__(self, str model="qemu32", ram=1 << 20, mode="flat", on_access=None, on_port=None,
                 deliver=False, tb_size=0, tier=DEFAULT, chain=True):
        physmap = PhysMap()
        if mode not in ("flat", "reset"):
            raise UserError(f'mode {mode!r}: choose "flat" or "reset"')
        if ram < 4096 or ram & 4095:
            raise UserError(f"ram={ram}: give a multiple of 4096 bytes")
        try:
            self.ram = mmap.mmap(-1, ram)
        except (OSError, OverflowError, ValueError) as e:
            raise UserError(f"ram={ram}: the host does not have that much ({e})") from None
        physmap.add_ram(0, self.ram)
        physmap.map_ram(0, ram, 0)
        VCPU.__init__(self, model, physmap, 0, TBCache(tb_size or DEFAULT_TB_SIZE, tier, chain))
        if mode == "flat":
            set_flat(self.env, 0, True)
            self.env.eip = 0
        self.env.tb_cflags = CF_USE_ICOUNT
        self.env.bare = BARE_DELIVER if deliver else BARE_RETURN
        size = ram
        if on_access is not None:
            slot = physmap.add_slot(lambda address, n: on_access(address, n, False, 0) or 0,
                                    lambda address, value, n: on_access(address, n, True, value))
            physmap.map_io(size, (1 << 32) - size, slot)
        if on_port is not None:
            slot = physmap.add_slot(lambda port, n: on_port(port, n, False, 0) or 0,
                                    lambda port, value, n: on_port(port, n, True, value))
            physmap.map_ports(0, 65536, slot)

    @property
    def memory(self):
        """The RAM as a numpy array of bytes; no copy. Code that is changed through it is not seen
        by translations made before: use write(), or tb_flush() afterwards."""
        import numpy
        return numpy.frombuffer(self.ram, dtype=numpy.uint8)

    def read(self, uint64_t address, size):
        """Bytes of RAM at a physical address."""
        if address + size > len(self.ram):
            raise ValueError(f"{size} bytes at {address:#x} are not in RAM")
        return bytes(memoryview(self.ram)[address:address + size])

    def write(self, uint64_t address, data):
        """Store bytes in RAM; translations of what was there are dropped."""
        cdef uint64_t end = address + len(data)
        if end > len(self.ram):
            raise ValueError(f"{len(data)} bytes at {address:#x} are not in RAM")
        memoryview(self.ram)[address:end] = bytes(data)
        tb_invalidate_phys_page_range(self.env.tbx, self.env.dispatch, address, end)

    cdef void set_until(self, object until) except *:
        if until == self.until_address:
            return
        if self.until_address is not None:
            self.breakpoint_remove(self.until_address)
        self.until_address = None
        if until is not None:
            self.breakpoint_insert(until)
            self.until_address = until

    def run(self, steps=None, until=None):
        """Run up to `steps` instructions, or up to the linear address `until` (not executed; the
        first instruction of a run always is), or to whatever else ends it. Gives a RunResult.

        The GIL is released while the guest runs; Ctrl-C gets through."""
        cdef CPUX86State *env = self.env
        cdef int64_t left = -1 if steps is None else steps
        cdef uint64_t begun = env.insn_count
        cdef int reason
        cdef uint32_t i
        if steps is not None and steps <= 0:
            return RunResult("steps", 0)
        self.set_until(until)
        env.halted = 0
        for i in range(env.nb_breakpoints):
            if env.breakpoints[i].pc == <uint32_t> (env.segs[R_CS].base + env.eip):
                env.icount_budget = 1
                reason = self.single_step()
                if reason != EXCP_DEBUG:
                    return self.result(reason, env.insn_count - begun)
                if left > 0:
                    left -= 1
                if left == 0:
                    return RunResult("steps", env.insn_count - begun)
                break
        while True:
            env.icount_budget = SLICE if left < 0 or left > SLICE else left
            if left > 0:
                left -= env.icount_budget
            reason = self.exec()
            PyErr_CheckSignals()        # KeyboardInterrupt: the CPU is between two instructions
            if reason != EXCP_BUDGET or left == 0:
                if left > 0:
                    left += env.icount_budget
                return self.result(reason, env.insn_count - begun)

    cdef object result(self, int reason, uint64_t steps):
        cdef CPUX86State *env = self.env
        if reason < EXCP_INTERRUPT:
            env.exception_index = EXCP_NONE
            return RunResult("exception", steps, reason, env.error_code, env.cr[2])
        if reason == EXCP_UNMAPPED:
            return RunResult("unmapped", steps, address=env.unmapped_addr, size=env.unmapped_size,
                             write=bool(env.unmapped_write))
        return RunResult(REASONS[reason], steps)

    @staticmethod
    def batch(records, block=False, model="qemu32", tier=DEFAULT, chain=True):
        """Run a numpy array of test records in place, each on a fresh user-mode state.

        A record has the fields gpr (u8[16], the first 8 count), rip, rflags, fx (u1[512], an FXSAVE
        image), data (u1[256]), sig, trapno, err, cr2, codelen, mode (32 or 16), code (u1[16]) and
        perhaps segs. The code stands at 10000000h, `data` at 20000800h; ring 3, flat segments (segs
        1: see batch.pyx). One instruction is executed, or with `block` all of the code. Afterwards
        the record holds the state; trapno is the vector (1 when all went well, as for a single-step
        trap), err and cr2 the fault's.

        `tier` and `chain` are as of CPU; each of their combinations has a CPU of its own, whose counters are returned."""
        runner = batch_runners.get((model, tier, chain))
        if runner is None:
            runner = batch_runners[model, tier, chain] = BatchRunner(model, tier, chain)
        runner.run(records, block)
        return runner.counters()


cdef dict batch_runners = {}
