"""BlockBackend: a disk, diskette or CD as a device model sees it.

    blk.aio_readv(offset, buffers, callback)    fill buffers (memoryviews of guest RAM, bytearrays)
    blk.aio_writev(offset, buffers, callback)   write them
    blk.aio_flush(callback)                     what was written is on the disk
    blk.aio_discard(offset, length, callback)

Offsets and lengths are bytes. The callback gets 0 or an errno, in the main loop with the lock held, never
before the call has returned. What is given back is an AIORequest for cancel(). pread, pwrite and flush wait.
blk.read_cached(offset, buffers) reads at once what the host has in memory, without the two changes of thread that a request costs.

rerror= and werror= decide what becomes of an error: `report` hands it to the device, `ignore` calls it
success, `stop` stops the machine and tries again when it goes on, `enospc` does that when the host's disk
is full and reports the rest.
"""
import errno
import time
from collections import Counter
from functools import partial

from qemu_py.backends.block_driver import open_driver
from qemu_py.backends.overlay import Overlay
from qemu_py.backends.posix_file import SECTOR, ImageFile

READ_POLICIES = ("report", "ignore", "stop")
WRITE_POLICIES = ("enospc", "report", "ignore", "stop")
MOMENT = 100e-6                         # seconds
MAX_CACHED = 256 << 10                  # bytes: copying more takes so long that the guest had better run meanwhile


def open_image(path, who, format_name=None, read_only=False, cache="writeback", snapshot=False):
    """The driver of an image file, for a BlockBackend."""
    file = ImageFile(path, who, read_only or snapshot, cache)
    try:
        driver = open_driver(file, format_name)
        return Overlay(driver) if snapshot and not read_only else driver
    except BaseException:
        file.close()
        raise


class BlockRequest:
    """What is needed to try once more, and to count it: kind is one of rd, wr, flush, or None."""
    __slots__ = ("aio", "work", "callback", "kind", "length", "begun")

    def __init__(self, work, callback, kind, length=0):
        self.work, self.callback, self.kind, self.length = work, callback, kind, length
        self.aio = None
        self.begun = time.monotonic_ns()


class BlockBackend:
    """name: as in `info block`; aio: the machine's AIOThreads; driver: the medium, None for an empty drive."""

    def __init__(self, name, aio, driver=None, *, removable=False, rerror="report", werror="enospc", discard=False):
        self.name = name
        self.aio = aio
        self.driver = driver
        self.removable = removable
        self.rerror, self.werror = rerror, werror
        self.discard_enabled = discard
        self.locked = False             # the guest has locked the medium in
        self.tray_open = False
        self.media_changed = None       # front end's: called after a medium came or went
        self.eject_requested = None     # front end's: called when the user wants a locked medium
        self.on_stop = None             # machine's: on_stop(backend, errno) stops it
        self.parked = []                # requests that wait for the machine to go on
        self.errors = 0
        self.stats = Counter()          # of what was done, as QEMU's info blockstats names it

    # ---------------------------------------------------------------- the medium
    @property
    def inserted(self):
        return self.driver is not None and not self.tray_open

    @property
    def size(self):
        """Bytes; 0 without a medium."""
        return self.driver.size if self.driver is not None else 0

    @property
    def nb_sectors(self):
        return self.size // SECTOR

    @property
    def read_only(self):
        return self.driver is not None and self.driver.read_only

    def eject(self):
        """Open the tray: the guest's wish, or the user's when the medium is not locked."""
        self.tray_open = True
        if self.media_changed is not None:
            self.media_changed()

    def close_tray(self):
        self.tray_open = False
        if self.media_changed is not None:
            self.media_changed()

    def change_media(self, driver):
        """The user puts another medium in (None: none); the old one is closed."""
        assert self.removable
        self.drain()
        old, self.driver = self.driver, driver
        if old is not None:
            old.close()
        self.tray_open = False
        if self.media_changed is not None:
            self.media_changed()

    # ---------------------------------------------------------------- asynchronous
    def aio_readv(self, offset, buffers, callback):
        return self._transfer(False, offset, buffers, callback)

    def aio_writev(self, offset, buffers, callback):
        return self._transfer(True, offset, buffers, callback)

    def read_cached(self, offset, buffers):
        """Fill the buffers now; False, with nothing promised of them: use aio_readv, the host's disk is needed, or there is an error."""
        length = sum(map(len, buffers))
        begun = time.monotonic_ns()
        done = (self.aio.IMMEDIATE and length <= MAX_CACHED and self.driver is not None and 0 <= offset <= self.driver.size - length
                and self.driver.preadv_cached(offset, buffers))
        if done:
            self.count("rd", length, begun)
        return done

    def count(self, kind, length, begun):
        self.stats[f"{kind}_operations"] += 1
        self.stats[f"{kind}_bytes"] += length
        self.stats[f"{kind}_total_time_ns"] += time.monotonic_ns() - begun

    def _transfer(self, is_write, offset, buffers, callback):
        driver, length = self.driver, sum(map(len, buffers))
        if driver is None:
            work = partial(_fail, errno.ENOMEDIUM)
        elif offset < 0 or offset + length > driver.size:
            work = partial(_fail, errno.EIO)
        elif not is_write:
            work = partial(driver.preadv, offset, buffers)
        elif driver.read_only:
            work = partial(_fail, errno.EROFS)
        else:
            work = partial(driver.pwritev, offset, buffers)
        return self._submit(BlockRequest(work, callback, "wr" if is_write else "rd", length))

    def aio_flush(self, callback):
        return self._submit(BlockRequest(self.driver.flush if self.driver is not None else _nothing, callback, "flush"))

    def aio_discard(self, offset, length, callback):
        """Only a hint; with discard=ignore, the default, nothing happens."""
        work = _nothing
        if self.discard_enabled and self.driver is not None and not self.read_only:
            work = partial(self.driver.discard, offset, length)
        return self._submit(BlockRequest(work, callback, None))

    def cancel(self, request):
        """Returns when the request neither reads nor writes any more; its callback is not called."""
        request.callback = None
        if request in self.parked:
            self.parked.remove(request)
        else:
            self.aio.cancel(request.aio)

    def _submit(self, request):
        request.aio = self.aio.submit(request.work, partial(self._done, request))
        return request

    def _done(self, request, error):
        if request.callback is None:
            return
        if error:
            self.errors += 1
            policy = self.rerror if request.kind == "rd" else self.werror
            if policy == "ignore":
                error = 0
            elif self.on_stop is not None and (policy == "stop" or policy == "enospc" and error == errno.ENOSPC):
                self.parked.append(request)
                self.on_stop(self, error)
                return
        elif request.kind is not None:
            self.count(request.kind, request.length, request.begun)
        request.callback(error)

    def wait_briefly(self):
        """The guest asks whether a request is done; it may be within a moment."""
        self.aio.wait_briefly(MOMENT)

    def retry(self):
        """The machine goes on: try again what stopped it."""
        parked, self.parked = self.parked, []
        for request in parked:
            self._submit(request)

    # ---------------------------------------------------------------- synchronous
    def pread(self, offset, length):
        """Bytes at an offset. OSError."""
        data = bytearray(length)
        self._wait(self._transfer, False, offset, [data])
        return bytes(data)

    def pwrite(self, offset, data):
        self._wait(self._transfer, True, offset, [data])

    def flush(self):
        self._wait(self.aio_flush)

    def _wait(self, start, *arguments):
        result = []
        start(*arguments, result.append)
        while not result and self.aio.qemu_aio_wait():
            pass
        if not result:
            raise OSError(errno.EIO, "the machine stopped at an error of its disk")
        if result[0]:
            raise OSError(result[0], f"{self.name}: request failed")

    def drain(self):
        """Wait until nothing is in flight (on any disk of the machine)."""
        self.aio.qemu_aio_flush()

    def close(self):
        """Flush and give the image back. May be called twice; nothing may be in flight."""
        driver, self.driver = self.driver, None
        if driver is not None:
            try:
                if not driver.read_only:
                    driver.flush()
            except OSError:
                pass                    # the guest's own flushes have had their answers
            driver.close()


def _fail(error):
    raise OSError(error, "")


def _nothing():
    pass
