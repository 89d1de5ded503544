"""Page walks: from a linear address to a physical one, by the guest's tables.

Sources: SDM vol. 3, chapter 4 (paging), 4.6 (access rights), 4.7 (#PF error code), 4.8 (A and D bits).

Not modelled: PCIDs, SMEP and SMAP, protection keys, memory types (everything is write-back), the paging-structure caches.
The A and D bits are set without a locked cycle: CPUs take turns.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from qemu_py._core.cpu cimport (
    CPUF_PAE, CPUF_PSE36, CPUX86State, CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE, MMU_USER_IDX, PhysPageDesc, TARGET_PAGE_MASK)
from qemu_py._core.physmem cimport ld_phys, ram_of, ram_stored, st_phys

cdef extern from *:
    """
    #define QP_UNMAPPED (~(uint64_t)0)
    """
    uint64_t UNMAPPED "QP_UNMAPPED"

# Bits of paging-structure entries, SDM vol. 3, tables 4-4 to 4-6 and 4-8 to 4-11
cdef enum:
    PG_P = 1 << 0
    PG_RW = 1 << 1
    PG_US = 1 << 2
    PG_A = 1 << 5
    PG_D = 1 << 6
    PG_PS = 1 << 7
    PG_G = 1 << 8

# #PF error code, SDM vol. 3, figure 4-12
cdef enum:
    PF_P = 1 << 0
    PF_WR = 1 << 1
    PF_US = 1 << 2
    PF_RSVD = 1 << 3
    PF_ID = 1 << 4

cdef enum:
    MSR_EFER_NXE = 1 << 11


cdef inline uint64_t pte_load(CPUX86State *env, uint64_t pa, int size, uint8_t **host, uint64_t *ram_addr) noexcept nogil:
    """A paging-structure entry, and where it is when that is plain RAM."""
    cdef PhysPageDesc *p
    host[0] = ram_of(env, pa, &p)
    if host[0] == NULL:
        return ld_phys(env, pa, size)
    ram_addr[0] = p.ram_addr + (pa & 0xFFF)
    return (<uint64_t *> host[0])[0] if size == 8 else (<uint32_t *> host[0])[0]


cdef inline void pte_set(CPUX86State *env, uint64_t pa, uint64_t entry, uint8_t *host, uint64_t ram_addr) noexcept nogil:
    """Write back an entry's A and D bits: they are in its low byte."""
    if host == NULL:
        st_phys(env, pa, entry & 0xFF, 1)
    else:
        host[0] = <uint8_t> entry
        ram_stored(env.dispatch, ram_addr, 1)


cdef inline uint64_t phys_addr_mask(CPUX86State *env) noexcept nogil:
    """MAXPHYADDR as a mask: 36 bits where the model has PAE or PSE-36."""
    if env.features & (CPUF_PAE | CPUF_PSE36):
        return (<uint64_t> 1 << 36) - 1
    return 0xFFFFFFFFU


cdef int page_walk(CPUX86State *env, uint64_t va, int access, int mmu_idx, bint quiet, Translation *t) noexcept nogil:
    """Translate; -1: done, else the #PF error code. `quiet`: ignore rights, touch no A or D bit."""
    cdef uint64_t pde_addr, pte_addr, pde, pte, pdpte, rights, nx = 0, reserved
    cdef uint8_t *pde_host
    cdef uint8_t *pte_host
    cdef uint64_t pde_ram, pte_ram
    cdef bint pae = (env.cr[4] & CR4_PAE) != 0
    cdef bint user = mmu_idx == MMU_USER_IDX
    cdef bint is_write = access == ACCESS_WRITE
    cdef bint nxe = pae and (env.msr_efer & MSR_EFER_NXE) != 0
    cdef int error = (PF_WR if is_write else 0) | (PF_US if user else 0) | (PF_ID if nxe and access == ACCESS_CODE else 0)
    cdef int size = 8 if pae else 4
    t.large = 0
    if not (env.cr[0] & CR0_PG):
        t.phys = va & env.a20_mask & TARGET_PAGE_MASK
        t.prot = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_DIRTY
        return -1

    if pae:
        pdpte = env.pdpte[(va >> 30) & 3]
        if not (pdpte & PG_P):
            return error
        reserved = <uint64_t> 0x7FFFFFFFFFFFF000U & ~phys_addr_mask(env)
        if not nxe:
            reserved |= <uint64_t> 1 << 63
        pde_addr = (pdpte & phys_addr_mask(env) & TARGET_PAGE_MASK) + ((va >> 18) & 0xFF8)
    else:
        reserved = 0
        pde_addr = (env.cr[3] & 0xFFFFF000U) + ((va >> 20) & 0xFFC)
    pde_addr &= env.a20_mask
    pde = pte_load(env, pde_addr, size, &pde_host, &pde_ram)
    if not (pde & PG_P):
        return error

    if pde & PG_PS and (pae or env.cr[4] & CR4_PSE):
        if pae:
            reserved |= 0x1FE000
            t.large = 21
            t.phys = (pde & phys_addr_mask(env) & ~<uint64_t> 0x1FFFFF) | (va & 0x1FF000)
        else:
            # PSE-36: bits 13-20 of the entry are bits 32-39 of the address (as many as there are)
            t.large = 22
            t.phys = (pde & 0xFFC00000U) | (va & 0x3FF000)
            if env.features & CPUF_PSE36:
                t.phys |= ((pde >> 13) & 0xF) << 32
                reserved = 0x3E0000
            else:
                reserved = 0x3FE000
        if pde & reserved and not quiet:
            return error | PF_P | PF_RSVD
        rights = pde
        nx = pde >> 63
        pte = pde
        pte_addr = pde_addr
        pte_host = pde_host
        pte_ram = pde_ram
    else:
        if pde & reserved and not quiet:
            return error | PF_P | PF_RSVD
        if pae:
            pte_addr = (pde & phys_addr_mask(env) & TARGET_PAGE_MASK) + ((va >> 9) & 0xFF8)
        else:
            pte_addr = (pde & 0xFFFFF000U) + ((va >> 10) & 0xFFC)
        pte_addr &= env.a20_mask
        pte = pte_load(env, pte_addr, size, &pte_host, &pte_ram)
        if not (pte & PG_P):
            return error
        if pte & reserved and not quiet:
            return error | PF_P | PF_RSVD
        rights = pde & pte
        nx = (pde | pte) >> 63
        t.phys = (pte & phys_addr_mask(env) if pae else pte & 0xFFFFF000U) & TARGET_PAGE_MASK

    t.phys &= env.a20_mask
    if quiet:
        t.prot = PROT_READ
        return -1

    t.prot = PROT_READ
    if rights & PG_RW or (not user and not (env.cr[0] & CR0_WP)):
        t.prot |= PROT_WRITE
    if not (nxe and nx):
        t.prot |= PROT_EXEC
    if user and not (rights & PG_US):
        return error | PF_P
    if is_write and not (t.prot & PROT_WRITE):
        return error | PF_P
    if access == ACCESS_CODE and not (t.prot & PROT_EXEC):
        return error | PF_P

    # Nothing can fault any more: mark the entries.
    if t.large == 0 and not (pde & PG_A):
        pte_set(env, pde_addr, pde | PG_A, pde_host, pde_ram)
    if is_write and not (pte & PG_D):
        pte |= PG_D | PG_A
        pte_set(env, pte_addr, pte, pte_host, pte_ram)
    elif not (pte & PG_A):
        pte |= PG_A
        pte_set(env, pte_addr, pte, pte_host, pte_ram)
    if pte & PG_D:
        t.prot |= PROT_DIRTY
    if pte & PG_G and env.cr[4] & CR4_PGE:
        t.prot |= PROT_GLOBAL
    return -1


cdef uint64_t cpu_get_phys_page_debug(CPUX86State *env, uint64_t va) noexcept nogil:
    cdef Translation t
    if page_walk(env, va, ACCESS_READ, 0, True, &t) >= 0:
        return UNMAPPED
    return t.phys | (va & 0xFFF)
