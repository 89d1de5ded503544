"""Virtual time that runs with the host's monotonic clock, and counters that are functions of it.

A guest that waits reads a counter a million times a second: the ACPI timer, the HPET, the 8254, port 61h. Their
models are Python; a PassiveCounter is what such a model tells the core of the counter's state, so that the core
answers a read without calling it (MemoryRegion.add_counter).

Guests measure their clocks against each other and count instructions between two reads, at boot above all. On a busy host
a CPU's thread is off the processor for milliseconds, of which the guest knows nothing. So the time has an owner,
that thread, and what passes while the owner wants to run and does not is left out: it sees none of it between two reads.
The lag that this makes is made up for while the guest sleeps (GuestTime.wake) and, slowly, while it runs (catch_up).
"""
from libc.stdint cimport int32_t, int64_t, uint64_t, uintptr_t
from posix.time cimport clock_gettime, clockid_t, timespec

cdef extern from *:
    """
    #include <pthread.h>
    #include <time.h>
    #define qp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define qp_store(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
    #define qp_load(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
    static inline void qp_raise_to(int64_t *p, int64_t value) {
        int64_t old = __atomic_load_n(p, __ATOMIC_SEQ_CST);
        while (old < value && !__atomic_compare_exchange_n(p, &old, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) ;
    }
    static inline uint64_t qp_thread(void) { return (uint64_t)(uintptr_t)pthread_self(); }

    static int64_t qp_clock_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }

    static int qp_tsc_is_the_clock;

    #if defined(__x86_64__)
    #include <x86intrin.h>
    /* In the thread's own block, not by a call: these few bytes fit into what the loader leaves for late libraries. */
    #define QP_THREAD __thread __attribute__((tls_model("initial-exec")))
    /* Where the host's kernel itself takes the time from the TSC, so do we, from the last reading of the clock on and for 20
       microseconds at most: a third of its cost. The rate is that since the thread's first reading. */
    static int64_t qp_monotonic_ns(void) {
        static QP_THREAD uint64_t first_tsc, tsc, rate, limit;      /* rate: ns * 2^32 a tick */
        static QP_THREAD int64_t first_ns, ns;
        uint64_t now;
        int64_t told;
        int tries;
        if (!qp_tsc_is_the_clock)
            return qp_clock_ns();
        now = __rdtsc();
        if (now - tsc < limit)
            return ns + (int64_t)((now - tsc) * rate >> 32);
        told = ns + (int64_t)(limit * rate >> 32);
        limit = 0;
        for (tries = 0; tries < 3; tries++) {           /* both at once: nobody ran in between */
            now = __rdtsc();
            ns = qp_clock_ns();
            tsc = __rdtsc();
            if (tsc - now > 1000)
                continue;
            tsc = now + (tsc - now) / 2;                /* 500 ticks from where it was read, at most */
            if (first_tsc == 0) {
                first_tsc = tsc;
                first_ns = ns;
            } else if (ns - first_ns >= 1000000) {
                rate = (uint64_t)(((unsigned __int128)(ns - first_ns) << 32) / (tsc - first_tsc));
                limit = ((uint64_t)20000 << 32) / rate;
            }
            break;
        }
        if (ns < told)
            ns = told;
        return ns;
    }
    #else
    #define qp_monotonic_ns qp_clock_ns
    #endif
    """
    int64_t monotonic_ns "qp_monotonic_ns"() noexcept nogil
    int tsc_is_the_clock "qp_tsc_is_the_clock"
    void store_release "qp_store_release"(uint32_t *p, uint32_t value) noexcept nogil
    void store "qp_store"(int64_t *p, int64_t value) noexcept nogil
    int64_t load "qp_load"(int64_t *p) noexcept nogil
    void raise_to "qp_raise_to"(int64_t *p, int64_t value) noexcept nogil
    uint64_t this_thread "qp_thread"() noexcept nogil
    clockid_t CLOCK_THREAD_CPUTIME_ID

cdef enum:
    NANOSECONDS = 1000000000
    LOOK_NS = 100000            # so often the owner asks how long it has run; that costs as much as ten reads of the clock
    LOST_NS = 50000             # less than that is not worth a correction


cdef int find_clock() except -1:
    global tsc_is_the_clock
    try:
        with open("/sys/devices/system/clocksource/clocksource0/current_clocksource", "rb") as f:
            tsc_is_the_clock = f.read().strip() == b"tsc"
    except OSError:
        tsc_is_the_clock = 0
    return 0

find_clock()


cdef int64_t thread_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
    return <int64_t> now.tv_sec * NANOSECONDS + now.tv_nsec


cdef void leave_out(TimeBase *time, int64_t now, int64_t lost) noexcept nogil:
    """Set the clock back by `lost`, but not behind what anybody was told. The owner's."""
    cdef int64_t old = time.offset
    store(&time.offset, old - lost if now + old - lost > time.told else time.told - now)
    if now + time.offset < load(&time.latest):
        store(&time.offset, time.latest - now)
    time.lag += old - time.offset


cdef void look(TimeBase *time, int64_t now) noexcept nogil:
    """Leave out the time in which the owner did not run since the last look."""
    cdef int64_t cpu_time = thread_ns()
    cdef int64_t lost = now - time.looked - (cpu_time - time.cpu_time)
    time.looked, time.cpu_time = now, cpu_time
    if lost > LOST_NS:
        leave_out(time, now, lost)


cdef int64_t time_ns(TimeBase *time) noexcept nogil:
    cdef int64_t now, offset
    if not time.running:
        return time.frozen
    now = monotonic_ns()
    if time.owner == 0:
        return now + time.offset
    if time.owner == this_thread():
        if now - time.looked > LOOK_NS:
            look(time, now)
        time.told = now + time.offset
        return time.told
    while True:                         # the owner may set it back meanwhile
        offset = load(&time.offset)
        raise_to(&time.latest, now + offset)
        if load(&time.offset) == offset:
            return now + offset


cdef inline int64_t ticks(int64_t ns, uint64_t hz) noexcept nogil:
    """floor(ns * hz / 10**9), without a product of more than 64 bits. ns >= 0."""
    return ns // NANOSECONDS * hz + ns % NANOSECONDS * hz // NANOSECONDS


# ---------------------------------------------------------------- the 8254 (datasheet 231164, "mode definitions")
cdef int64_t elapsed_8254(CounterState *c) noexcept nogil:
    return ticks(time_ns(c.time), c.hz) - c.start


cdef uint32_t count_8254(CounterState *c) noexcept nogil:
    """The counting element, as i8254.Counter.count has it."""
    cdef int64_t e = elapsed_8254(c)
    cdef int64_t n = c.reload, high
    if e < 0:
        e = 0
    if c.mode == 2:
        return <uint32_t> (n - e % n) & 0xFFFF
    if c.mode == 3:
        e %= n
        high = (n + 1) // 2
        e = (n & ~1) - 2 * (e - high if e >= high else e)
        return <uint32_t> (e if e > 0 else 0) & 0xFFFF
    return <uint32_t> (n - e) & 0xFFFF


cdef bint out_8254(CounterState *c) noexcept nogil:
    cdef int64_t e = elapsed_8254(c)
    cdef int64_t n = c.reload
    if c.mode == 0:
        return e >= n
    if e < 0:
        return True
    return e % n != n - 1 if c.mode == 2 else e % n < (n + 1) // 2


cdef uint32_t read_8254(CounterState *c) noexcept nogil:
    """A byte, and the flip-flop that says which one is next."""
    cdef uint32_t value = <uint32_t> c.latch if c.latch >= 0 else count_8254(c)
    if c.rw == 3 and not c.high:
        c.high = 1
        return value & 0xFF
    c.high = 0
    c.latch = -1
    return value & 0xFF if c.rw == 1 else value >> 8


cdef bint counter_latch(CounterState *c) noexcept nogil:
    """The latch command; False: the device is to be asked. A second one before the read is ignored."""
    if not c.active:
        return False
    if c.latch < 0:
        c.latch = <int32_t> count_8254(c)
    return True


cdef uint64_t counter_read(CounterState *c) noexcept nogil:
    if c.kind == COUNT_8254:
        return read_8254(c)
    if c.kind == COUNT_PORT61:
        return (c.value ^ (c.toggles if time_ns(c.time) // <int64_t> c.period & 1 else 0)
                | (c.out_bit if c.out != NULL and out_8254(c.out) else 0))
    return c.base + <uint64_t> ticks(time_ns(c.time) - c.since, c.hz) & c.mask


cdef class GuestTime:
    """Nanoseconds since the machine was started; stands still at first, and while the machine does."""

    def get_ns(self):
        return time_ns(&self.base)

    @property
    def running(self):
        return bool(self.base.running)

    # A CPU may read it meanwhile: `running` says which of the other two is to be believed.
    def enable(self):
        if not self.base.running:
            self.base.offset = self.base.frozen - monotonic_ns()
            if self.base.owner == this_thread():
                self.awake()
            store_release(&self.base.running, 1)

    def set_ns(self, int64_t ns):
        """Another time, while it stands still."""
        assert not self.base.running
        self.base.frozen = self.base.latest = self.base.told = ns

    def disable(self):
        if self.base.running:
            self.base.frozen = time_ns(&self.base)
            store_release(&self.base.running, 0)

    # ---- the owner's
    def own(self):
        """From now on, what the calling thread loses is left out."""
        if self.base.owner != this_thread():
            self.base.owner = this_thread()
            self.awake()

    def disown(self):
        """The thread ends."""
        self.base.owner = 0

    def awake(self):
        """The owner begins to want to run."""
        self.base.looked, self.base.cpu_time = monotonic_ns(), thread_ns()

    def host_ns(self, int64_t ns):
        """When it will be `ns`, on the host's monotonic clock, if nothing is left out meanwhile."""
        return ns - self.base.offset

    @property
    def lag(self):
        """Nanoseconds that were left out and are not made up for."""
        return self.base.lag

    def catch_up(self, int64_t most):
        """Make up for `most` ns of what was left out."""
        cdef int64_t ns = min(most, self.base.lag)
        if ns > 0:
            self.base.lag -= ns
            store(&self.base.offset, self.base.offset + ns)

    def slept(self, int64_t begun, deadline):
        """The owner has slept since the host's monotonic time `begun`, until there was news or it was `deadline`
        (None: no matter when). It makes up for as much again; but if it comes late the guest learns nothing of that."""
        cdef int64_t now = monotonic_ns()
        cdef int64_t left = now - begun
        if self.base.running:
            if deadline is not None:
                left = min(left, <int64_t> deadline - now - self.base.offset)
            if left < -LOST_NS:
                leave_out(&self.base, now, -left)
            else:
                self.catch_up(left)
        self.awake()


cdef class PassiveCounter:
    """What the core needs to answer for one register. One of count_up, count_8254, port61 describes it; from then
    on, until ask_device(), the device is not called for a read."""

    def __cinit__(self, GuestTime time not None):
        self.time = time
        self.c.time = &time.base

    @property
    def active(self):
        return bool(self.c.active)

    def ask_device(self):
        store_release(&self.c.active, 0)

    def count_up(self, uint64_t hz, uint64_t mask, uint64_t base=0, int64_t since=0):
        """It was `base` at `since` ns and counts hz a second."""
        store_release(&self.c.active, 0)
        self.c.kind, self.c.hz, self.c.mask, self.c.base, self.c.since = COUNT_UP, hz, mask, base, since
        store_release(&self.c.active, 1)

    def count_8254(self, uint64_t hz, int64_t start, uint32_t reload, uint8_t mode, uint8_t rw, bint high, int32_t latch):
        """Counter of the 8254: mode 0 or 2 to 4, loaded with reload (not 0) at tick `start`."""
        store_release(&self.c.active, 0)
        self.c.kind, self.c.hz, self.c.start, self.c.reload = COUNT_8254, hz, start, reload
        self.c.mode, self.c.rw, self.c.high, self.c.latch = mode, rw, high, latch
        store_release(&self.c.active, 1)

    @property
    def flip_flop(self):
        """Of an 8254: (the second byte is next, latched count or -1), which reads change."""
        return bool(self.c.high), self.c.latch

    def port61(self, uint8_t value, uint8_t toggles, uint64_t period, uint8_t out_bit=0, PassiveCounter out=None):
        """`value`, with `toggles` inverted every `period` ns, and out_bit while OUT of a counter of the 8254 (in mode
        0, 2 or 3) is high."""
        store_release(&self.c.active, 0)
        self.out = out
        self.c.kind, self.c.value, self.c.toggles, self.c.period = COUNT_PORT61, value, toggles, period
        self.c.out_bit, self.c.out = out_bit, NULL if out is None else &out.c
        store_release(&self.c.active, 1)
