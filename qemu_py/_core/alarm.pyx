"""The alarm that ends a CPU's turn when a timer of the virtual clock is due; after QEMU 1.0's dynticks (init_timer_alarm,
host_alarm_handler).

A POSIX timer signals the CPU's own thread. So no other thread has to be scheduled first, which on a busy
host takes milliseconds, and the guest leaves translated code at the head of the next block.
"""
cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset
from posix.signal cimport SA_RESTART, SA_SIGINFO, sigaction, sigaction_t, sigevent, siginfo_t
from posix.time cimport CLOCK_MONOTONIC, TIMER_ABSTIME, itimerspec, timer_create, timer_delete, timer_settime, timer_t
from qemu_py._core.cpu cimport TBContext
from qemu_py._core.cpu_face cimport TBCache

cdef extern from *:
    """
    #define _GNU_SOURCE
    #include <signal.h>
    #include <time.h>
    #include <unistd.h>
    #include <sys/syscall.h>
    #ifndef sigev_notify_thread_id
    #define sigev_notify_thread_id _sigev_un._tid
    #endif
    static inline void qp_to_this_thread(struct sigevent *event, int number, void *value) {
        event->sigev_notify = SIGEV_THREAD_ID;
        event->sigev_signo = number;
        event->sigev_value.sival_ptr = value;
        event->sigev_notify_thread_id = (int) syscall(SYS_gettid);
    }
    /* what a timer's signal carries; NULL: somebody else's */
    static inline void *qp_timer_value(siginfo_t *info) {
        return info->si_code == SI_TIMER ? info->si_value.sival_ptr : 0;
    }
    #define qp_taken(p) __atomic_exchange_n((p), 0, __ATOMIC_SEQ_CST)
    """
    void to_this_thread "qp_to_this_thread"(sigevent *event, int number, void *value) noexcept nogil
    void *timer_value "qp_timer_value"(siginfo_t *info) noexcept nogil
    uint32_t taken "qp_taken"(uint32_t *flag) noexcept nogil
    int SIGRTMIN

cdef enum:
    NANOSECONDS = 1000000000
    SIGNAL_OFFSET = 6           # of the real-time signals; the first are used by libraries


cdef void host_alarm_handler(int number, siginfo_t *info, void *context) noexcept nogil:
    cdef TBContext *tbx = <TBContext *> timer_value(info)
    if tbx != NULL:
        tbx.alarm_rung = 1
        if tbx.current_cpu != NULL:
            tbx.current_cpu.stop_request = 1
            tbx.current_cpu.exit_request = 1


@cython.auto_pickle(False)
cdef class Alarm:
    """Made in the thread that runs the CPUs of a TBCache; makes their exec() return EXIT_INTERRUPT."""
    cdef TBCache cache
    cdef timer_t timer
    cdef bint made
    cdef int64_t at             # 0: not set

    def __init__(self, TBCache cache not None):
        cdef sigaction_t action
        cdef sigevent event
        memset(&action, 0, sizeof(action))
        action.sa_sigaction = host_alarm_handler
        action.sa_flags = SA_SIGINFO | SA_RESTART
        if sigaction(SIGRTMIN + SIGNAL_OFFSET, &action, NULL):
            raise OSError("sigaction")
        self.cache = cache
        memset(&event, 0, sizeof(event))
        to_this_thread(&event, SIGRTMIN + SIGNAL_OFFSET, cache.tbx)
        if timer_create(CLOCK_MONOTONIC, &event, &self.timer):
            raise OSError("timer_create")
        self.made = True

    def set(self, int64_t at, bint no_later=False):
        """Ring at a time of the host's monotonic clock, in ns. Takes the place of what was set; with no_later, only of what
        is later. Any thread may call it."""
        cdef itimerspec when
        cdef TBContext *tbx = self.cache.tbx
        if not self.made or not tbx.alarm_rung and self.at and (self.at <= at if no_later else self.at == at):
            return
        self.at = at
        tbx.alarm_rung = 0
        memset(&when, 0, sizeof(when))
        if at < 1:
            at = 1              # 0 would be: never
        when.it_value.tv_sec = at // NANOSECONDS
        when.it_value.tv_nsec = at % NANOSECONDS
        timer_settime(self.timer, TIMER_ABSTIME, &when, NULL)

    def answer(self):
        """Has it rung? It is silent then, until it is set."""
        if not taken(&self.cache.tbx.alarm_rung):
            return False
        self.at = 0
        return True

    def close(self):
        if self.made:
            self.made = False
            timer_delete(self.timer)

    def __dealloc__(self):
        if self.made:
            timer_delete(self.timer)
