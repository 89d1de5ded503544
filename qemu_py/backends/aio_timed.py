"""Block requests under -icount: done by the same workers, completed at a virtual time that does not depend on them.

A request completes LATENCY_NS of virtual time after its submission, in the order of submission; if its worker is not ready by
then, the machine waits. So two runs see the same disk, and a guest that sleeps until the disk is ready sleeps equally long.
"""
from collections import deque

from qemu_py.backends.aio import CANCELLED, DONE, AIOThreads

LATENCY_NS = 100_000                    # a fast disk's


class TimedAIO(AIOThreads):
    """`clock`: the machine's virtual clock. Everything but the work itself is done in the main loop's thread."""
    IMMEDIATE = False

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.order = deque()            # (when it completes, request)
        self.timer = clock.timer(self.due, "aio")

    def submit(self, work, callback):
        request = super().submit(work, callback)
        self.order.append((self.clock.get_ns() + LATENCY_NS, request))
        self.arm()
        return request

    def arm(self):
        if self.order and not self.timer.pending:
            self.timer.mod_ns(self.order[0][0])

    def due(self):
        now = self.clock.get_ns()
        while self.order and self.order[0][0] <= now:
            self.complete_first()
        self.arm()

    def complete_first(self):
        """Wait for the oldest request and call its callback, which may submit others, or wait itself."""
        _, request = self.order.popleft()
        with self.lock:
            while request.state not in (DONE, CANCELLED):
                self.work_done.wait()
            if request.state == CANCELLED:
                return
            self.completed.remove(request)
        self.in_flight -= 1
        if request.bug is not None:
            raise request.bug
        if request.callback is not None:
            request.callback(request.error)

    def qemu_aio_wait(self):
        """As AIOThreads', without regard to time: start-up, reset and shutdown wait so."""
        if not self.order:
            return False
        self.complete_first()
        if not self.order:
            self.timer.cancel()
        return True
