"""Virtual time and what is counted by it, as the core reads them (guesttime.pyx)."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef struct TimeBase:
    int64_t offset              # while it runs: added to the host's monotonic clock
    int64_t frozen              # while it stands still: the time
    uint32_t running
    uint64_t owner              # the thread whose lost time is left out (GuestTime.own); 0: none
    int64_t looked              # monotonic time, and the owner's processor time, when that was last seen to
    int64_t cpu_time
    int64_t latest              # that another thread was told: the time does not go back behind it
    int64_t told                # the latest that the owner was told
    int64_t lag                 # how much is left out and not made up for

cdef enum:                      # CounterState.kind
    COUNT_UP = 0                # (base + ticks) >> shift
    COUNT_8254 = 1              # a counter of the 8254, through its port
    COUNT_PORT61 = 2            # constant bits, the refresh bit, OUT of `gate`

cdef struct CounterState:
    TimeBase *time
    uint32_t active             # 0: the device is asked
    uint32_t kind
    uint64_t hz
    int64_t since               # COUNT_UP: ns at which the count was `base`
    uint64_t base
    uint64_t mask
    # COUNT_8254; times are ticks
    int64_t start
    uint32_t reload
    uint8_t mode
    uint8_t rw                  # as in the control word: 1 low byte, 2 high byte, 3 both
    uint8_t high                # the second byte is next
    int32_t latch               # -1: none
    # COUNT_PORT61
    CounterState *out
    uint8_t value
    uint8_t toggles
    uint8_t out_bit
    uint64_t period             # ns between toggles

cdef int64_t time_ns(TimeBase *time) noexcept nogil
cdef int64_t monotonic_ns() noexcept nogil
cdef uint64_t counter_read(CounterState *c) noexcept nogil
cdef bint counter_latch(CounterState *c) noexcept nogil

cdef class GuestTime:
    cdef TimeBase base

cdef class PassiveCounter:
    cdef CounterState c
    cdef GuestTime time
    cdef PassiveCounter out
