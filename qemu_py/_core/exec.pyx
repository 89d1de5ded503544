"""cpu_exec: exceptions, interrupts, look-up, run, chain; round and round."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport *
from qemu_py._core.dispatch cimport CPU_LOG_EXEC, CPU_LOG_TB_CPU, CPU_LOG_TB_IN_ASM, CPU_LOG_TB_OP, cpu_get_pic_interrupt
from qemu_py._core.ir.dump cimport trace_exec, trace_translated
from qemu_py._core.ir.interp cimport TB_EXIT, TB_EXIT_FAULT
from qemu_py._core.epochs cimport site_epoch_worn, start_site_epochs
from qemu_py._core.tb cimport tb_add_jump, tb_find_fast, tb_flush, tb_free, tb_gen_code, tb_run_work
from qemu_py._core.x86.debug cimport check_hw_watchpoints, raise_single_step
from qemu_py._core.x86.interrupt cimport do_interrupt, do_pending_exception
from qemu_py._core.x86.mxcsr cimport sse_leave
from qemu_py._core.x86.reset cimport do_cpu_init, do_cpu_sipi
from qemu_py._core.x86.smm cimport do_smm_enter
from qemu_py._core.x86.state cimport update_hflags


cdef bint cpu_has_work(CPUX86State *env) noexcept nogil:
    """Is there an interrupt that ends a HLT?"""
    cdef uint32_t request = env.interrupt_request
    if env.hflags & HF_SMM:             # these wait until RSM
        request &= ~<uint32_t> (CPU_INTERRUPT_SMI | CPU_INTERRUPT_INIT)
    return (request & CPU_INTERRUPT_HARD and env.eflags & IF_MASK) or request & (
        CPU_INTERRUPT_NMI | CPU_INTERRUPT_SMI | CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI | CPU_INTERRUPT_MCE)


cdef bint cpu_handle_interrupt(CPUX86State *env) noexcept nogil:
    """Take the most urgent request (SDM vol. 3, table 6-2). True: the state has changed."""
    cdef uint32_t request = env.interrupt_request
    cdef int vector
    if request & CPU_INTERRUPT_INIT and not env.hflags & HF_SMM:        # blocked there (vol. 3, 34.5)
        env.interrupt_request &= ~<uint32_t> CPU_INTERRUPT_INIT
        do_cpu_init(env)
        return True
    if request & CPU_INTERRUPT_SIPI:
        env.interrupt_request &= ~<uint32_t> CPU_INTERRUPT_SIPI
        do_cpu_sipi(env)
        return True
    if request & CPU_INTERRUPT_SMI and not env.hflags & HF_SMM:
        env.interrupt_request &= ~<uint32_t> CPU_INTERRUPT_SMI
        env.halted = 0
        do_smm_enter(env)
        return True
    if env.hflags & HF_INHIBIT_IRQ:
        env.exit_request = 1            # look again behind the next instruction
        return False
    if request & CPU_INTERRUPT_NMI and not env.nmi_blocked:
        env.interrupt_request &= ~<uint32_t> CPU_INTERRUPT_NMI
        env.nmi_blocked = 1
        env.halted = 0
        vector = EXCP02_NMI
    elif request & CPU_INTERRUPT_MCE:
        env.interrupt_request &= ~<uint32_t> CPU_INTERRUPT_MCE
        env.halted = 0
        vector = EXCP12_MCHK
    elif request & CPU_INTERRUPT_HARD and env.eflags & IF_MASK:
        vector = cpu_get_pic_interrupt(env)
        if vector < 0:
            env.interrupt_request &= ~<uint32_t> CPU_INTERRUPT_HARD
            return False
        env.halted = 0
    else:
        return False
    env.tbx.interrupt_count[vector & 0xFF] += 1
    if do_interrupt(env, vector, 0, 0, 0, 1):
        env.old_exception = EXCP_NONE
    return True


cdef int64_t unrun(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    """The TB was left by a fault at env.eip: how many of its instructions did not run."""
    cdef uint32_t pc_off = <uint32_t> (env.eip + env.segs[R_CS].base - tb.pc)
    cdef uint32_t i
    cdef int64_t done = 0
    cdef uint32_t last = 0xFFFFFFFFU
    if pc_off >= tb.size:
        return 0                        # behind the TB: a trap, all of it ran
    for i in range(tb.nops):
        if tb.ir[i].pc_off >= pc_off:
            break
        if tb.ir[i].pc_off != last:
            last = tb.ir[i].pc_off
            done += 1
    # The heads share the first instruction's pc_off.
    return tb.icount - done


cdef void refund(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    """Give back what did not run."""
    cdef int64_t n = unrun(env, tb)
    if tb.cflags & CF_USE_ICOUNT:
        env.icount_budget += n
        env.insn_count -= n
    if tb.cflags & CF_PROFILE:
        tb.unrun_count += n


cdef inline bint chainable(TranslationBlock *tb) noexcept nogil:
    return not tb.cflags & CF_NOCACHE and not tb.flags & HF_ONE_INSN


cdef void report_watchpoint(CPUX86State *env) noexcept nogil:
    """An access met a watchpoint: stop for the debugger, or raise the guest's #DB."""
    if env.watchpoint_flags & BP_GDB:
        env.exception_index = EXCP_DEBUG
    else:
        check_hw_watchpoints(env)


cdef int cpu_exec_loop(CPUX86State *env) noexcept nogil:
    cdef TBContext *tbx = env.tbx
    cdef TranslationBlock *tb
    cdef TranslationBlock *last
    cdef uintptr_t next_tb = TB_EXIT
    cdef uint32_t one = 0               # cflags of a TB that is made for one run
    cdef uint64_t made
    cdef int e
    while True:
        # ---- what is pending
        if env.exception_index != EXCP_NONE:
            next_tb = TB_EXIT
            e = env.exception_index
            if e < EXCP_INTERRUPT:
                tbx.exception_count[e & 0xFF] += 1
                if env.bare == BARE_RETURN:
                    if env.exception_is_int:
                        env.eip = env.exception_next_eip
                    return e
                do_pending_exception(env)
                if env.watchpoint_flags and env.exception_index == EXCP_NONE:   # met by the frame
                    report_watchpoint(env)
                if env.singlestep_enabled and env.exception_index == EXCP_NONE:
                    return EXCP_DEBUG
                continue
            if e == EXCP_RESTART:
                env.exception_index = EXCP_NONE
                one = CF_NOCACHE | 1 | (env.tb_cflags & (CF_USE_ICOUNT | CF_PROFILE))
            elif e == EXCP_BUDGET:
                env.exception_index = EXCP_NONE
                if env.icount_budget <= 0:
                    return EXCP_BUDGET
                # One at a time: a TB on no page's list would not see its own code change.
                one = CF_NOCACHE | CF_USE_ICOUNT | 1 | (env.tb_cflags & CF_PROFILE)
            else:
                env.exception_index = EXCP_NONE
                return e
        env.exit_request = tbx.no_chain
        if tbx.profile_request:         # before an interrupt is delivered: what it has interrupted
            tbx.profile_sample(env)
        if tbx.work_head != tbx.work_tail or tbx.work_flush:
            tb_run_work(tbx, env.dispatch)
            next_tb = TB_EXIT
        if site_epoch_worn(env):
            tb_flush(tbx, env.dispatch)
            start_site_epochs(env)
            next_tb = TB_EXIT
        if env.stop_request:
            env.stop_request = 0
            return EXCP_INTERRUPT
        if env.interrupt_request and cpu_handle_interrupt(env):
            next_tb = TB_EXIT
            if env.halted:              # by INIT; with the start-up IPI behind it, it goes on at once
                if env.interrupt_request & CPU_INTERRUPT_SIPI:
                    continue
                return EXCP_HLT
            if env.watchpoint_flags and env.exception_index == EXCP_NONE:
                report_watchpoint(env)
            continue
        if env.tb_cflags & CF_USE_ICOUNT and env.icount_budget <= 0:
            return EXCP_BUDGET
        # ---- look up, or make
        made = tbx.tb_gen_count
        last = <TranslationBlock *> (next_tb & ~<uintptr_t> 3)
        if env.singlestep_enabled:
            one |= CF_NOCACHE | CF_SINGLE | CF_NOBP | 1 | (env.tb_cflags & CF_PROFILE)
        if one:
            tb = tb_gen_code(env, <uint32_t> (env.segs[R_CS].base + env.eip), env.cs_key, env.hflags, one)
            one = 0
        else:
            tbx.tb_invalidated_flag = 0
            if last != NULL and last.invalid:
                last = NULL
            tb = tb_find_fast(env)
            # Chain: the previous TB wanted this one as its successor. Not after an invalidation,
            # which may have taken either of them.
            if (last != NULL and tb != NULL and not tbx.tb_invalidated_flag and chainable(last) and chainable(tb) and not tbx.no_chain
                    and not env.log_mask & (CPU_LOG_EXEC | CPU_LOG_TB_CPU)):
                tb_add_jump(last, next_tb & 3, tb, env.link_epoch)
                if tb.tc_ptr != NULL:
                    tbx.host_link(tbx, last, next_tb & 3)
        if tb == NULL:
            continue                    # the fetch faulted
        if next_tb == TB_EXIT and tb.tc_ptr != NULL:
            tbx.host_remember(env, tb)  # an indirect jump, whose place in tb_jmp_cache another may contend for
        if env.log_mask:
            if made != tbx.tb_gen_count and env.log_mask & (CPU_LOG_TB_IN_ASM | CPU_LOG_TB_OP):
                trace_translated(env, tb)
            if env.log_mask & (CPU_LOG_EXEC | CPU_LOG_TB_CPU):
                trace_exec(env, tb)
        # ---- run
        if tb.flags & HF_ONE_INSN:      # these hold for one instruction: the one in this TB
            env.hflags &= ~<uint32_t> HF_INHIBIT_IRQ
            if tb.flags & HF_RF:
                env.eflags &= ~<uint32_t> RF_MASK
                env.hflags &= ~<uint32_t> HF_RF
        env.current_tb = tb
        next_tb = tb.ir.fn(env, tb.ir)
        tb = env.current_tb
        env.current_tb = NULL
        # ---- what it left
        if next_tb == TB_EXIT_FAULT:
            env.watchpoint_hit = env.watchpoint_flags = 0      # the access has not happened
            tbx.exit_count[EXIT_FAULT] += 1
            if tb.cflags & (CF_USE_ICOUNT | CF_PROFILE) and env.exception_index != EXCP_BUDGET:
                refund(env, tb)
        else:
            tbx.exit_count[EXIT_LOOKUP if next_tb == TB_EXIT else EXIT_UNLINKED] += 1
            if env.watchpoint_flags:
                report_watchpoint(env)
            if tb.flags & HF_TF and not tb.cflags & CF_NO_STEP:
                raise_single_step(env)
            if tb.cflags & CF_SINGLE and env.exception_index == EXCP_NONE:
                env.exception_index = EXCP_DEBUG
            if tb.cflags & CF_NOCACHE:
                next_tb = TB_EXIT
        if tb.cflags & CF_NOCACHE:
            if tb.cflags & CF_PROFILE:
                tbx.profile_collect(tbx, env.dispatch, tb)
            tb_free(tbx, tb)


cdef int cpu_exec(CPUX86State *env) noexcept nogil:
    cdef int reason
    if env.halted:
        if not cpu_has_work(env):
            env.stop_request = 0            # a kick is obeyed, and shall not cost the turn in which there is work
            return EXCP_HLT
        if not env.interrupt_request & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI):
            env.halted = 0
    env.watchpoint_hit = env.watchpoint_flags = 0
    reason = cpu_exec_loop(env)
    if reason >= EXCP_INTERRUPT:
        env.tbx.exec_return_count[(reason - EXCP_INTERRUPT) & 7] += 1
    sse_leave(env)
    env.current_tb = NULL
    return reason
