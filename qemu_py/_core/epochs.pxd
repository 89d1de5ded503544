"""What is remembered of the guest's mappings, and until when.

Host code's sites and its cache of indirect jumps hold while env.site_epoch does not change, links to TBs on other pages
while env.link_epoch does not, entries of tb_jmp_cache while env.code_epoch does not. Each of them is counted apart for ring 3
and for the others, by mmu_idx; env has those of the mode that the CPU is in (use_epochs).

A load of CR3 leaves global pages alone (SDM vol. 3, 4.10.4.1). So while the kernel's code is found to be global, what is
remembered for the kernel is about global pages only (env.kernel_global), and outlives such a load.
"""
from qemu_py._core.cpu cimport CPUX86State, MMU_KERNEL_IDX, MMU_USER_IDX, NB_MMU_MODES, SITE_EPOCH_ONE

cdef inline void use_epochs(CPUX86State *env) noexcept nogil:
    """mmu_idx or one of them has changed."""
    env.site_epoch = env.site_epochs[env.mmu_idx]
    env.link_epoch = env.link_epochs[env.mmu_idx]
    env.code_epoch = env.code_epochs[env.mmu_idx]

cdef inline void next_site_epoch(CPUX86State *env, int mode) noexcept nogil:
    """Bits 40-60 count; when half of them are used up cpu_exec flushes the TBs and begins again."""
    env.site_epochs[mode] += SITE_EPOCH_ONE
    if env.site_epochs[mode] >> 60 & 1:
        env.exit_request = 1

cdef inline void forget_sites(CPUX86State *env) noexcept nogil:
    """A page may not be accessed at once any more."""
    cdef int mode
    for mode in range(NB_MMU_MODES):
        next_site_epoch(env, mode)
    use_epochs(env)

cdef inline void forget_pages(CPUX86State *env, bint kernel_too) noexcept nogil:
    """Some mapping has changed; tb_jmp_cache has been seen to."""
    next_site_epoch(env, MMU_USER_IDX)
    env.link_epochs[MMU_USER_IDX] += 1
    if kernel_too:
        next_site_epoch(env, MMU_KERNEL_IDX)
        env.link_epochs[MMU_KERNEL_IDX] += 1
    use_epochs(env)

cdef inline void forget_mappings(CPUX86State *env, bint kernel_too) noexcept nogil:
    """All mappings have changed: of the kernel's those that are not global, or all."""
    env.code_epochs[MMU_USER_IDX] += 1
    if kernel_too:
        env.code_epochs[MMU_KERNEL_IDX] += 1
    forget_pages(env, kernel_too)

cdef inline bint site_epoch_worn(CPUX86State *env) noexcept nogil:
    return (env.site_epochs[0] | env.site_epochs[1]) >> 60 & 1

cdef inline void start_site_epochs(CPUX86State *env) noexcept nogil:
    """No TB is left that remembers anything."""
    cdef int mode
    for mode in range(NB_MMU_MODES):
        env.site_epochs[mode] = <unsigned long long> env.cpu_index << 61 | SITE_EPOCH_ONE       # never 0
    use_epochs(env)

cdef inline void start_epochs(CPUX86State *env) noexcept nogil:
    """TBs are shared, and so is what they remember: no CPU's must look valid to another, whose mappings differ."""
    cdef int mode
    for mode in range(NB_MMU_MODES):
        env.link_epochs[mode] = <unsigned long long> env.cpu_index << 48
    start_site_epochs(env)
