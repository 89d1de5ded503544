"""Control registers CR0, CR3, CR4 and what follows from changing them.

Source: SDM vol. 3, 2.5 (control registers), 4.1 (paging modes), 4.4.1 (PDPTE registers), 4.10.4 (which
writes invalidate the TLB). Not modelled: caches (CD and NW are storage), EFER.LME.
"""
from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport (
    CPUX86State, CR0_PE, CR0_ET, CR0_WP, CR0_NW, CR0_CD, CR0_PG, CR4_VME, CR4_PVI, CR4_TSD, CR4_DE, CR4_PSE,
    CR4_PAE, CR4_MCE, CR4_PGE, CR4_PCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CPUF_VME, CPUF_TSC, CPUF_DE, CPUF_PSE,
    CPUF_PAE, CPUF_MCE, CPUF_PGE, CPUF_686, CPUF_FXSR, CPUF_SSE, EXCP0D_GPF)
from qemu_py._core.physmem cimport ld_phys
from qemu_py._core.softmmu cimport tlb_flush, tlb_flush_cr3
from qemu_py._core.x86.state cimport raise_exception_err, update_hflags

cdef extern from *:
    """
    #define QP_CR0_DEFINED 0xE005003FU
    /* PDPTE: bits 1-2, 5-8 and those from MAXPHYADDR (36) up are reserved. */
    #define QP_PDPTE_RESERVED 0xFFFFFFF0000001E6ULL
    """
    uint32_t CR0_DEFINED "QP_CR0_DEFINED"
    uint64_t PDPTE_RESERVED "QP_PDPTE_RESERVED"


cdef uint32_t cr4_reserved_bits(CPUX86State *env) noexcept nogil:
    cdef uint32_t f = env.features
    cdef uint32_t known = 0
    if f & CPUF_VME:
        known |= CR4_VME | CR4_PVI
    if f & CPUF_TSC:
        known |= CR4_TSD
    if f & CPUF_DE:
        known |= CR4_DE
    if f & CPUF_PSE:
        known |= CR4_PSE
    if f & CPUF_PAE:
        known |= CR4_PAE
    if f & CPUF_MCE:
        known |= CR4_MCE
    if f & CPUF_PGE:
        known |= CR4_PGE
    if f & CPUF_686:
        known |= CR4_PCE
    if f & CPUF_FXSR:
        known |= CR4_OSFXSR
    if f & CPUF_SSE:
        known |= CR4_OSXMMEXCPT
    return ~known


cdef int load_pdptes(CPUX86State *env, uint32_t cr3) noexcept nogil:
    """The four PDPTE registers; nothing is loaded when one is invalid. Nonzero: #GP(0) pending."""
    cdef uint64_t pdpte[4]
    cdef uint64_t pa = cr3 & ~<uint32_t> 31
    cdef int i
    for i in range(4):
        pdpte[i] = ld_phys(env, (pa + 8 * i) & env.a20_mask, 8)
        if pdpte[i] & 1 and pdpte[i] & PDPTE_RESERVED:
            return raise_exception_err(env, EXCP0D_GPF, 0)
    for i in range(4):
        env.pdpte[i] = pdpte[i]
    return 0


cdef int cpu_x86_update_cr0(CPUX86State *env, uint32_t value) noexcept nogil:
    cdef uint32_t old = <uint32_t> env.cr[0]
    cdef uint32_t changed
    if value & CR0_PG and not value & CR0_PE or value & CR0_NW and not value & CR0_CD:
        return raise_exception_err(env, EXCP0D_GPF, 0)
    value = (value & CR0_DEFINED) | CR0_ET
    changed = old ^ value
    if (changed & (CR0_PG | CR0_CD | CR0_NW) and value & CR0_PG and env.cr[4] & CR4_PAE
            and load_pdptes(env, <uint32_t> env.cr[3])):
        return 1
    env.cr[0] = value
    if changed & (CR0_PG | CR0_WP):
        tlb_flush(env)
    if changed:
        update_hflags(env)
    return 0


cdef int cpu_x86_update_cr3(CPUX86State *env, uint32_t value) noexcept nogil:
    if env.cr[0] & CR0_PG and env.cr[4] & CR4_PAE and load_pdptes(env, value):
        return 1
    env.cr[3] = value
    if env.cr[0] & CR0_PG:
        tlb_flush_cr3(env)
    return 0


cdef int cpu_x86_update_cr4(CPUX86State *env, uint32_t value) noexcept nogil:
    cdef uint32_t changed = <uint32_t> env.cr[4] ^ value
    if value & cr4_reserved_bits(env):
        return raise_exception_err(env, EXCP0D_GPF, 0)
    if (changed & (CR4_PAE | CR4_PGE | CR4_PSE) and value & CR4_PAE and env.cr[0] & CR0_PG
            and load_pdptes(env, <uint32_t> env.cr[3])):
        return 1
    env.cr[4] = value
    if changed & (CR4_PAE | CR4_PGE | CR4_PSE):
        env.kernel_global = value & CR4_PGE != 0
        tlb_flush(env)
    update_hflags(env)
    return 0


cdef void cpu_x86_set_cr(CPUX86State *env, uint32_t cr0, uint32_t cr3, uint32_t cr4) noexcept nogil:
    env.cr[0] = (cr0 & CR0_DEFINED) | CR0_ET
    env.cr[3] = cr3
    env.cr[4] = cr4
    # What was valid when it was saved is not refused now.
    if cr0 & CR0_PG and cr4 & CR4_PAE and load_pdptes(env, cr3):
        env.exception_index = -1
    env.kernel_global = cr4 & CR4_PGE != 0
    tlb_flush(env)
    update_hflags(env)
