from libc.stdint cimport uint32_t, uint64_t
from qemu_py._core.cpu cimport CPUX86State, TBContext
from qemu_py._core.dispatch cimport PhysMap
from qemu_py._core.guesttime cimport GuestTime


cdef class TBCache:
    cdef TBContext *tbx
    cdef GuestTime time


cdef class VCPU:
    cdef CPUX86State *env
    cdef readonly PhysMap physmap
    cdef readonly TBCache cache
    cdef readonly str model
    cdef object __weakref__
