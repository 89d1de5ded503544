"""Guest code to IR: gen_intermediate_code and the rules of the integer instructions."""
from libc.stdint cimport uint32_t
from qemu_py._core.cpu cimport CPUX86State, IROp, TranslationBlock

# Translate tb (pc, cs_base, flags, cflags are set) into `ops`; sets size, icount, nops, page_addr
# and the successors. Nonzero: the first instruction cannot be fetched, the fault is pending in env.
cdef int gen_intermediate_code(CPUX86State *env, TranslationBlock *tb, IROp *ops) noexcept nogil
