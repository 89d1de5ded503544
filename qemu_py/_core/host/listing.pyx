"""Host code as Python sees it: where each TB's is, and its bytes. For `-d out_asm`, perf maps and profiles."""
from libc.stdint cimport uint32_t, uint64_t, uint8_t, uintptr_t
from qemu_py._core.cpu cimport TBContext, TranslationBlock
from qemu_py._core.cpu_face cimport TBCache
from qemu_py._core.host.buffer cimport HostBuffer


def host_code(TBCache cache, since=0):
    """[(pc, cs_base, flags, address, bytes)] of the TBs that have host code, in the order of their addresses; `address` is where it
    runs. Each has two parts, what usually runs and the rest. With `since`, only what is at that address and above."""
    cdef TBContext *tbx = cache.tbx
    cdef TranslationBlock *tb
    cdef uint32_t k
    cdef uint64_t first = since
    result = []
    for k in range(tbx.nb_tbs):
        tb = &tbx.tbs[k]
        if tb.tc_ptr != NULL and not tb.invalid:
            for address, code in ((<uintptr_t> tb.tc_body, (<char *> tb.tc_body)[:tb.tc_size]),
                                  (<uintptr_t> tb.tc_ptr, (<char *> tb.tc_ptr)[:tb.tc_cold_size])):
                if address >= first and code:
                    result.append((tb.pc, tb.cs_base & 0xFFFFFFFF, tb.flags, address, code))
    result.sort(key=lambda row: row[3])
    return result


def host_stubs(TBCache cache):
    """(address, size) of the code that all TBs share, or None: there is no code generator."""
    cdef HostBuffer *h = <HostBuffer *> cache.tbx.host
    if h == NULL:
        return None
    return <uintptr_t> h.code + h.delta, h.first - h.code
