"""A look into the translation cache from Python: TBs, their hash chains, page lists and links.

For tests, debuggers and the curious; nothing on the way of a running guest comes through here. A TB
is named by its number in the cache, which holds until the next tb_flush.
"""
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from qemu_py._core.cpu cimport *
from qemu_py._core.cpu_face cimport VCPU
from qemu_py._core.ir.dump cimport dump_op
from qemu_py._core.tb cimport page_find, tb_add_jump, tb_find_fast, tb_find_slow, tb_jmp_cache_hash_func, tb_phys_invalidate


cdef inline TranslationBlock *untag(TranslationBlock *p) noexcept:
    return <TranslationBlock *> (<uintptr_t> p & ~<uintptr_t> 3)


cdef number(VCPU cpu, TranslationBlock *tb):
    return None if tb == NULL else (<uintptr_t> tb - <uintptr_t> cpu.env.tbx.tbs) // sizeof(TranslationBlock)


cdef TranslationBlock *block(VCPU cpu, uint64_t n) except NULL:
    if n >= cpu.env.tbx.nb_tbs:
        raise IndexError(f"no TB {n}")
    return &cpu.env.tbx.tbs[n]


def tb_info(VCPU cpu, n):
    """{field: value} of TB n; jmp_dest and jmp_first's members are TB numbers."""
    cdef TranslationBlock *tb = block(cpu, n)
    return {"pc": tb.pc, "cs_base": tb.cs_base & 0xFFFFFFFF, "cs_limit": tb.cs_base >> 32, "flags": tb.flags,
            "cflags": tb.cflags, "size": tb.size, "icount": tb.icount, "invalid": bool(tb.invalid),
            "page_addr": [None if tb.page_addr[i] == RAM_ADDR_INVALID else tb.page_addr[i] for i in range(2)],
            "jmp_dest": [number(cpu, tb.jmp_dest[i]) for i in range(2)],
            "jmp_eip": [tb.jmp_eip[i] for i in range(2)], "jmp_xpage": [bool(tb.jmp_xpage[i]) for i in range(2)]}


def tb_ops(VCPU cpu, n):
    """The IR of TB n, a line an op."""
    cdef TranslationBlock *tb = block(cpu, n)
    return [dump_op(tb, i) for i in range(tb.nops)]


def valid_tbs(VCPU cpu):
    """Numbers of the TBs that have not been invalidated."""
    return [n for n in range(cpu.env.tbx.nb_tbs) if not cpu.env.tbx.tbs[n].invalid]


def phys_hash_chain(VCPU cpu, uint64_t bucket):
    """TB numbers in a bucket of tb_phys_hash, head first."""
    cdef TranslationBlock *tb = cpu.env.tbx.tb_phys_hash[bucket % CODE_GEN_PHYS_HASH_SIZE]
    result = []
    while tb != NULL:
        result.append(number(cpu, tb))
        tb = tb.phys_hash_next
    return result


def phys_hash_size():
    return CODE_GEN_PHYS_HASH_SIZE


def page_tbs(VCPU cpu, uint64_t ram_addr):
    """[(TB number, tag)] of the page's list: tag 0 when it is the TB's first page, 1 the second."""
    cdef PageDesc *p = page_find(cpu.env.dispatch, ram_addr)
    cdef TranslationBlock *tb
    result = []
    tb = p.first_tb if p != NULL else NULL
    while tb != NULL:
        tag = <uintptr_t> tb & 3
        tb = untag(tb)
        result.append((number(cpu, tb), tag))
        tb = tb.page_next[<int> tag]
    return result


def page_code_bitmap(VCPU cpu, uint64_t ram_addr):
    """(stores seen, bitmap as bytes or None) of the page."""
    cdef PageDesc *p = page_find(cpu.env.dispatch, ram_addr)
    if p == NULL:
        return 0, None
    return p.code_write_count, None if p.code_bitmap == NULL else (<char *> p.code_bitmap)[:TARGET_PAGE_SIZE // 8]


def jumps_to(VCPU cpu, n):
    """[(TB number, successor)] of the TBs that jump to TB n straight. AssertionError when the
    circular list does not end at its owner."""
    cdef TranslationBlock *tb = block(cpu, n)
    cdef TranslationBlock *p = tb.jmp_first
    result = []
    while <uintptr_t> p & 3 != 2:
        tag = <uintptr_t> p & 3
        result.append((number(cpu, untag(p)), tag))
        p = untag(p).jmp_next[<int> tag]
        assert len(result) <= 2 * cpu.env.tbx.nb_tbs, "a cycle without the owner"
    assert untag(p) == tb, "the list ends at another TB"
    return result


def link(VCPU cpu, n, int successor, to):
    """tb_add_jump: successor 0 or 1 of TB n goes straight to TB `to`."""
    tb_add_jump(block(cpu, n), successor & 1, block(cpu, to), cpu.env.link_epoch)


def invalidate(VCPU cpu, n):
    """tb_phys_invalidate."""
    tb_phys_invalidate(cpu.env.tbx, cpu.env.dispatch, block(cpu, n))


def jmp_cache(VCPU cpu):
    """{index: TB number} of the CPU's tb_jmp_cache, entries that would be verified again included."""
    return {i: number(cpu, cpu.env.tb_jmp_cache[i].tb) for i in range(TB_JMP_CACHE_SIZE) if cpu.env.tb_jmp_cache[i].tb != NULL}


def jmp_cache_index(uint64_t pc):
    return tb_jmp_cache_hash_func(pc)


def jmp_cache_size():
    return TB_JMP_CACHE_SIZE


def find(VCPU cpu):
    """tb_find_fast for the CPU's present state: the TB's number, or None when the fetch faults."""
    cdef TranslationBlock *tb = tb_find_fast(cpu.env)
    if tb == NULL:
        cpu.env.exception_index = EXCP_NONE
    return number(cpu, tb)


def epochs(VCPU cpu):
    """(tlb_epoch, link_epoch): what TLB entries, jump cache entries and links to other pages depend on."""
    return cpu.env.tlb_epoch >> 48, cpu.env.link_epoch


def translate(VCPU cpu):
    """tb_find_slow for the CPU's present state, without running anything: the TB's number, or None."""
    cdef TranslationBlock *tb = tb_find_slow(cpu.env, <uint32_t> (cpu.env.segs[R_CS].base + cpu.env.eip),
                                             cpu.env.cs_key, cpu.env.hflags)
    if tb == NULL:
        cpu.env.exception_index = EXCP_NONE
    return number(cpu, tb)
