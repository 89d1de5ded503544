"""The guest's debug registers: DR7 turned into breakpoints and watchpoints, and the #DB they raise.

Source: SDM vol. 3, 17.2 (debug registers), 17.3 (debug exceptions). Not modelled: I/O breakpoints
(R/W = 10b), DR7.LE and GE (every data breakpoint is exact), task switches' T bit (task.pyx has it).
"""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport (CPUX86State, BP_CPU, BP_MEM_READ, BP_MEM_WRITE, EXCP01_DB, MAX_BREAKPOINTS,
                                R_CS, RF_MASK)
from qemu_py._core.softmmu cimport WATCH_DR_SHIFT, tlb_flush
from qemu_py._core.x86.state cimport raise_exception, update_hflags

cdef enum:              # DR7.R/Wn
    DR7_RW_EXECUTE = 0
    DR7_RW_WRITE = 1
    DR7_RW_IO = 2
    DR7_RW_ACCESS = 3


cdef inline uint32_t dr7_rw(uint32_t dr7, int i) noexcept nogil:
    return dr7 >> (16 + 4 * i) & 3

cdef inline uint32_t dr7_len(uint32_t dr7, int i) noexcept nogil:
    """LENn in bytes: 1, 2, 8 (undefined on P6), 4."""
    cdef uint32_t code = dr7 >> (18 + 4 * i) & 3
    return 8 if code == 2 else code + 1

cdef inline bint dr7_enabled(uint32_t dr7, int i) noexcept nogil:
    return (dr7 >> (2 * i) & 3) != 0


cdef bint drop_guest_entries(CPUX86State *env) noexcept nogil:
    """Remove all BP_CPU entries, those of a debugger stay. True: there were watchpoints."""
    cdef uint32_t i, n
    cdef bint watched = False
    n = 0
    for i in range(env.nb_breakpoints):
        if not env.breakpoints[i].flags & BP_CPU:
            env.breakpoints[n] = env.breakpoints[i]
            n += 1
    env.nb_breakpoints = n
    n = 0
    for i in range(env.nb_watchpoints):
        if env.watchpoints[i].flags & BP_CPU:
            watched = True
        else:
            env.watchpoints[n] = env.watchpoints[i]
            n += 1
    env.nb_watchpoints = n
    return watched


cdef void update_hw_breakpoints(CPUX86State *env) noexcept nogil:
    cdef uint32_t dr7 = <uint32_t> env.dr[7]
    cdef uint32_t rw, length
    cdef uint32_t code = env.guest_bp_count
    cdef bint watched
    cdef int i
    if dr7 & 0xFF == 0 and code == 0 and env.nb_watchpoints == 0:
        return
    watched = drop_guest_entries(env)
    env.guest_bp_count = 0
    for i in range(4):
        if not dr7_enabled(dr7, i):
            continue
        rw = dr7_rw(dr7, i)
        if rw == DR7_RW_EXECUTE:
            if env.nb_breakpoints < MAX_BREAKPOINTS:
                env.breakpoints[env.nb_breakpoints].pc = <uint32_t> env.dr[i]
                env.breakpoints[env.nb_breakpoints].flags = BP_CPU | i << 8
                env.nb_breakpoints += 1
                env.guest_bp_count += 1
        elif rw != DR7_RW_IO and env.nb_watchpoints < MAX_BREAKPOINTS:
            # The address is aligned to the length, whatever the low bits say.
            length = dr7_len(dr7, i)
            env.watchpoints[env.nb_watchpoints].vaddr = <uint32_t> env.dr[i] & ~(length - 1)
            env.watchpoints[env.nb_watchpoints].len = length
            env.watchpoints[env.nb_watchpoints].flags = (
                BP_CPU | i << 8 | BP_MEM_WRITE | (BP_MEM_READ if rw == DR7_RW_ACCESS else 0))
            env.nb_watchpoints += 1
            watched = True
    if watched:                 # TLB_WATCH in the entries of the pages
        tlb_flush(env)
    if (code or watched or env.guest_bp_count) and env.tbx != NULL and env.tbx.flush_all != NULL:
        env.tbx.flush_all(env)
    update_hflags(env)


cdef void set_dr7(CPUX86State *env, uint32_t value) noexcept nogil:
    # Bit 10 is fixed to 1, bits 11, 12, 14 and 15 to 0.
    env.dr[7] = (value & <uint32_t> 0xFFFF27FFU) | 0x400
    update_hw_breakpoints(env)


cdef int check_hw_breakpoints(CPUX86State *env) noexcept nogil:
    cdef uint32_t pc = <uint32_t> (env.segs[R_CS].base + env.eip)
    cdef uint32_t hits = 0
    cdef uint32_t i
    if env.guest_bp_count == 0 or env.eflags & RF_MASK:
        return 0
    for i in range(env.nb_breakpoints):
        if env.breakpoints[i].flags & BP_CPU and env.breakpoints[i].pc == pc:
            hits |= 1 << (env.breakpoints[i].flags >> 8 & 3)
    if hits == 0:
        return 0
    env.dr[6] = (env.dr[6] & ~<uint64_t> DR6_B_MASK) | hits
    return raise_exception(env, EXCP01_DB)


cdef int check_hw_watchpoints(CPUX86State *env) noexcept nogil:
    cdef uint32_t flags = env.watchpoint_flags
    if not flags & BP_CPU:
        return 0
    env.watchpoint_hit = env.watchpoint_flags = 0
    env.dr[6] = (env.dr[6] & ~<uint64_t> DR6_B_MASK) | (flags >> WATCH_DR_SHIFT & DR6_B_MASK)
    return raise_exception(env, EXCP01_DB)


cdef int raise_single_step(CPUX86State *env) noexcept nogil:
    env.dr[6] |= DR6_BS
    return raise_exception(env, EXCP01_DB)
