"""Asynchronous file I/O by worker threads, after QEMU 1.0's posix-aio-compat.c.

A request is a function that blocks; it runs in a worker, and its callback in the main loop, as a
bottom half, with the iothread lock held: the guest runs on meanwhile. Workers are made when
there is more to do than idle workers, at most MAX_THREADS, and end after IDLE_SECONDS without work.
Whoever must wait (start-up, reset, shutdown) calls qemu_aio_wait.
"""
import errno
import threading
from collections import deque

QUEUED, RUNNING, DONE, CANCELLED = range(4)


class AIORequest:
    """One request; `error` is 0 or an errno once it is done."""
    __slots__ = ("work", "callback", "state", "error", "bug")

    def __init__(self, work, callback):
        self.work = work
        self.callback = callback
        self.state = QUEUED
        self.error = 0
        self.bug = None


class AIOThreads:
    """The workers of one machine. main_loop: where completions run; None: in qemu_aio_wait only."""
    MAX_THREADS = 16
    IDLE_SECONDS = 10.0
    IMMEDIATE = True                    # whoever asks may see what is done at once; False: only at the time that the subclass chooses

    def __init__(self, main_loop=None):
        self.lock = threading.Lock()
        self.work_there = threading.Condition(self.lock)
        self.work_done = threading.Condition(self.lock)
        self.queue = deque()
        self.completed = deque()
        self.cur_threads = 0            # workers that exist, those about to be made included
        self.idle_threads = 0
        self.new_threads = 0            # still to be made
        self.in_flight = 0              # submitted, callback not yet called
        self.closing = False
        self.threads = set()
        self.completion_bh = self.new_thread_bh = None
        if main_loop is not None:
            self.completion_bh = main_loop.bh_new(self.poll)
            self.new_thread_bh = main_loop.bh_new(self.spawn_thread_bh_fn)

    # ---------------------------------------------------------------- submission
    def submit(self, work, callback):
        """Have work() done in a worker, then callback(error) in the main loop; the AIORequest.

        work raises OSError to fail; the error is its errno, 0 for success."""
        request = AIORequest(work, callback)
        with self.lock:
            assert not self.closing, "a request after the end"
            self.in_flight += 1
            self.queue.append(request)
            if self.idle_threads < len(self.queue) and self.cur_threads < self.MAX_THREADS:
                self.spawn_thread()
            self.work_there.notify()
        return request

    def spawn_thread(self):
        """One more worker, made by the main loop: it inherits nothing of the CPU's thread. Lock held."""
        self.cur_threads += 1
        self.new_threads += 1
        if self.new_thread_bh is not None:
            self.new_thread_bh.schedule()
        else:
            self.do_spawn_thread()

    def spawn_thread_bh_fn(self):
        with self.lock:
            self.do_spawn_thread()

    def do_spawn_thread(self):
        """Make the workers that are asked for. Lock held."""
        while self.new_threads:
            self.new_threads -= 1
            thread = threading.Thread(target=self.aio_thread, name="AIO", daemon=True)
            self.threads.add(thread)
            thread.start()

    # ---------------------------------------------------------------- a worker
    def aio_thread(self):
        while True:
            with self.lock:
                while not self.queue:
                    self.idle_threads += 1
                    woken = self.work_there.wait(self.IDLE_SECONDS)
                    self.idle_threads -= 1
                    if not self.queue and (self.closing or not woken):
                        self.cur_threads -= 1
                        self.threads.discard(threading.current_thread())
                        return
                request = self.queue.popleft()
                request.state = RUNNING
            try:
                request.work()
            except OSError as e:
                request.error = e.errno or errno.EIO
            except BaseException as e:
                request.bug = e         # raised where the callback would be called
            with self.lock:
                request.work = None     # it may hold views of guest RAM
                request.state = DONE
                self.completed.append(request)
                self.work_done.notify_all()
            if self.completion_bh is not None and not self.closing:
                self.completion_bh.schedule()

    # ---------------------------------------------------------------- completion
    def poll(self):
        """Call the callbacks of what is done; were there any?"""
        found = False
        while self.completed:
            request = self.completed.popleft()
            found = True
            self.in_flight -= 1
            if request.bug is not None:
                raise request.bug
            if request.callback is not None:
                request.callback(request.error)
        return found

    def qemu_aio_wait(self):
        """Wait for a request to be done and call its callback; False: none is in flight."""
        with self.lock:
            self.do_spawn_thread()      # the main loop may be the one that waits
            while not self.completed:
                if not self.in_flight:
                    return False
                self.work_done.wait()
        self.poll()
        return True

    def wait_briefly(self, seconds):
        """For a device that is polled by a guest which waits for it: give the workers so much time, then call callbacks of what is done."""
        if not self.IMMEDIATE:
            return
        with self.lock:
            if self.in_flight and not self.completed:
                self.work_done.wait(seconds)
        self.poll()

    def qemu_aio_flush(self):
        """Wait until nothing is in flight."""
        while self.qemu_aio_wait():
            pass

    def cancel(self, request):
        """Returns when the request does nothing any more; its callback will not be called."""
        with self.lock:
            request.callback = None
            if request.state == QUEUED:
                self.queue.remove(request)
                request.state = CANCELLED
                self.in_flight -= 1
            self.do_spawn_thread()
            while request.state == RUNNING:
                self.work_done.wait()

    def close(self):
        """Finish everything, end the workers. May be called twice."""
        if not self.closing:
            self.qemu_aio_flush()
        with self.lock:
            self.closing = True
            self.work_there.notify_all()
            threads = list(self.threads)
        for thread in threads:
            thread.join()
