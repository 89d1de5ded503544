from libc.stdint cimport uint32_t
from qemu_py._core.cpu cimport CPUX86State, TranslationBlock

# -d in_asm, op: a TB has been made. -d exec, cpu: it is about to run.
cdef void trace_translated(CPUX86State *env, TranslationBlock *tb) noexcept nogil
# -d out_asm: it has got host code.
cdef void trace_compiled(CPUX86State *env, TranslationBlock *tb) noexcept nogil
cdef void trace_exec(CPUX86State *env, TranslationBlock *tb) noexcept nogil
cdef str dump_op(TranslationBlock *tb, uint32_t i)
# -d cpu_reset: the registers as they were before a reset.
cdef void trace_reset(CPUX86State *env) noexcept nogil
