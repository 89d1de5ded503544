"""IR as text, and the log of -d in_asm, op, exec and cpu."""
from libc.stdint cimport uint8_t, uint64_t
from qemu_py._core.cpu cimport *
from qemu_py._core.dispatch cimport PhysMap, qemu_loglevel, CPU_LOG_EXEC, CPU_LOG_RESET, CPU_LOG_TB_CPU, CPU_LOG_TB_IN_ASM, CPU_LOG_TB_OP, CPU_LOG_TB_OUT_ASM
from qemu_py._core.flags cimport cpu_get_eflags
from qemu_py._core.ir.table cimport OPP_EA, op_table
from qemu_py._core.softmmu cimport get_page_addr_code
from qemu_py._core.x86.mxcsr cimport sse_leave

cdef object tracer = None       # (category, text or (pc, bytes, bits)) -> None; None: the log
cdef list REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]
cdef list HIGH = ["ah", "ch", "dh", "bh"]
cdef list SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"]


def set_tracer(fn):
    """Who gets the trace of translated and executed blocks: fn(category, payload); None: the log."""
    global tracer
    tracer = fn


cdef object get_tracer():
    if tracer is None:
        from qemu_py.util import disas
        set_tracer(disas.trace)
    return tracer


cdef str operand(uint32_t offset):
    cdef uint32_t t0 = <uint32_t> <uintptr_t> &(<CPUX86State *> NULL).t[0]
    cdef uint32_t xmm = <uint32_t> <uintptr_t> &(<CPUX86State *> NULL).xmm[0]
    cdef uint32_t fp = <uint32_t> <uintptr_t> &(<CPUX86State *> NULL).fpregs[0]
    if offset < 64:
        return REGISTERS[offset >> 3] if offset & 7 == 0 else HIGH[offset >> 3] if offset & 7 == 1 and offset < 32 else str(offset)
    if t0 <= offset < t0 + 32:
        return f"t{(offset - t0) >> 3}"
    if offset == <uint32_t> <uintptr_t> &(<CPUX86State *> NULL).a0:
        return "a0"
    if offset == <uint32_t> <uintptr_t> &(<CPUX86State *> NULL).zero:
        return "0"
    if xmm <= offset < xmm + 18 * 16:
        return f"xmm{(offset - xmm) >> 4}" if offset < xmm + 16 * 16 else f"xmm_t{(offset - xmm - 256) >> 4}"
    if fp <= offset < fp + 8 * 16:
        return f"r{(offset - fp) >> 4}"
    return f"@{offset}"


cdef str dump_op(TranslationBlock *tb, uint32_t i):
    """One op as a line: name, operands."""
    cdef IROp *op = &tb.ir[i]
    cdef str name = op_table()[op.opc].name.decode()
    cdef list words = []
    if op_table()[op.opc].props & OPP_EA:
        address = SEGMENTS[(op.d >> 2) & 7] + ":["
        parts = []
        if operand(op.b) != "0":
            parts.append(operand(op.b))
        if operand(op.c) != "0":
            parts.append(operand(op.c) + (f"*{1 << (op.d & 3)}" if op.d & 3 else ""))
        if op.disp or not parts:
            parts.append(hex(op.disp))
        words = [operand(op.a), address + " + ".join(parts) + "]"]
    else:
        words = [operand(op.a), operand(op.b)]
    if op.imm:
        words.append(f"${op.imm & 0xFFFFFFFF:#x}")
    return f"{name:<18} {', '.join(words)}"


cdef bytes guest_bytes(CPUX86State *env, TranslationBlock *tb):
    cdef uint8_t *host = NULL
    cdef int fault = 0
    cdef uint64_t pc = tb.pc
    cdef bytearray out = bytearray()
    cdef int saved = env.exception_index
    cdef uint64_t cr2 = env.cr[2]
    while len(out) < tb.size:
        get_page_addr_code(env, pc, &host, &fault)
        if fault or host == NULL:
            break
        n = min(tb.size - len(out), 4096 - (pc & 4095))
        out += (<char *> host)[(pc & 4095):(pc & 4095) + n]
        pc += n
    env.exception_index = saved
    env.cr[2] = cr2
    return bytes(out)


cdef void keep_exception(CPUX86State *env, object error) noexcept:
    cdef PhysMap physmap = <PhysMap> env.dispatch.owner
    if physmap.pending_exception is None:
        physmap.pending_exception = error
    env.stop_request = env.exit_request = 1


cdef void trace_translated(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    sse_leave(env)
    with gil:
        try:
            fn = get_tracer()
            if env.log_mask & CPU_LOG_TB_IN_ASM:
                fn(CPU_LOG_TB_IN_ASM, (tb.pc, guest_bytes(env, tb), 32 if tb.flags & HF_CS32 else 16))
            if env.log_mask & CPU_LOG_TB_OP:
                lines = [f"OP: {tb.pc:#010x} ({tb.icount} instructions)"]
                last = -1
                for i in range(tb.nops):
                    if tb.ir[i].pc_off != last:
                        last = tb.ir[i].pc_off
                        lines.append(f" ---- {tb.pc + last:#010x}")
                    lines.append(" " + dump_op(tb, i))
                fn(CPU_LOG_TB_OP, "\n".join(lines) + "\n")
        except Exception as e:      # the log must not stop the guest: whoever runs the CPU raises it
            keep_exception(env, e)


cdef void trace_compiled(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    sse_leave(env)
    with gil:
        try:
            get_tracer()(CPU_LOG_TB_OUT_ASM, (tb.pc, [
                (<uintptr_t> tb.tc_body, (<char *> tb.tc_body)[:tb.tc_size]),
                (<uintptr_t> tb.tc_ptr, (<char *> tb.tc_ptr)[:tb.tc_cold_size])]))
        except Exception as e:
            keep_exception(env, e)


def format_state(get, eflags_name="eflags"):
    """The registers as -d cpu shows them; get(name) gives a register's value."""
    def row(names):
        return " ".join(f"{n.upper()}={get(n):08x}" for n in names)
    return (row(["eax", "ebx", "ecx", "edx"]) + "\n" + row(["esi", "edi", "ebp", "esp"]) + "\n"
            + f"EIP={get('eip'):08x} EFL={get(eflags_name):08x} CPL={get('cpl')}\n")


cdef str state_text(CPUX86State *env):
    cdef int i
    values = {REGISTERS[i]: env.regs[i] for i in range(8)}
    values.update(eip=env.eip, eflags=cpu_get_eflags(env), cpl=env.hflags & HF_CPL_MASK)
    text = format_state(values.__getitem__)
    for i in range(8):
        name = (SEGMENTS + ["ldt", "tr"])[i].upper()
        text += f"{name:<3}={env.segs[i].selector:04x} {env.segs[i].base:08x} {env.segs[i].limit:08x} {env.segs[i].flags:08x}\n"
    text += f"GDT= {env.gdt_base:08x} {env.gdt_limit:08x}\nIDT= {env.idt_base:08x} {env.idt_limit:08x}\n"
    return text + f"CR0={env.cr[0]:08x} CR2={env.cr[2]:08x} CR3={env.cr[3]:08x} CR4={env.cr[4]:08x}\n"


cdef void trace_reset(CPUX86State *env) noexcept nogil:
    if not qemu_loglevel & CPU_LOG_RESET:
        return
    with gil:
        try:
            get_tracer()(CPU_LOG_RESET, f"CPU Reset (CPU {env.cpu_index})\n{state_text(env)}")
        except Exception as e:
            keep_exception(env, e)


cdef void trace_exec(CPUX86State *env, TranslationBlock *tb) noexcept nogil:
    sse_leave(env)
    with gil:
        try:
            fn = get_tracer()
            if env.log_mask & CPU_LOG_EXEC:
                fn(CPU_LOG_EXEC, f"Trace {env.cpu_index}: {tb.pc:08x}")
            if env.log_mask & CPU_LOG_TB_CPU:
                fn(CPU_LOG_TB_CPU, state_text(env))
        except Exception as e:
            keep_exception(env, e)
