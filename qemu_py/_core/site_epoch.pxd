"""What host code remembers of the guest's mappings holds while env.site_epoch does not change."""
from qemu_py._core.cpu cimport CPUX86State, SITE_EPOCH_ONE

cdef inline void next_site_epoch(CPUX86State *env) noexcept nogil:
    """Forget all of it. Bits 40-60 count; when half of them are used up cpu_exec flushes the TBs and begins again."""
    env.site_epoch += SITE_EPOCH_ONE
    if env.site_epoch >> 60 & 1:
        env.exit_request = 1

cdef inline bint site_epoch_worn(CPUX86State *env) noexcept nogil:
    return env.site_epoch >> 60 & 1

cdef inline void restart_site_epoch(CPUX86State *env) noexcept nogil:
    """No TB is left that remembers anything."""
    env.site_epoch = env.site_epoch >> 61 << 61
