"""An image file on the host: opened with care, locked, read and written at offsets.

An image that is written is locked against every other user, one that is only read against writers
(flock). The cache modes are those of QEMU's -drive cache=:

    writeback       the host's page cache; a flush is fdatasync (the default)
    writethrough    as if each write were followed by a flush
    none            past the host's page cache (O_DIRECT)
    directsync      both
    unsafe          a flush does nothing

All methods may block and raise OSError; any thread may call them.
"""
import errno
import fcntl
import mmap
import os
import stat
import threading
from contextlib import contextmanager

from qemu_py.util.errors import UserError

SECTOR = 512
CACHE_MODES = ("writeback", "none", "writethrough", "directsync", "unsafe")
MAX_VECTORS = 1024                      # IOV_MAX of Linux


class ImageFile:
    """`size` in bytes is that at opening. who: the option, for messages."""

    def __init__(self, path, who, read_only=False, cache="writeback"):
        self.path, self.who = path, who
        self.read_only = read_only
        self.cache = cache
        self.fd = None
        self.fd = self._open()
        try:
            self.size = self._check()
            self._lock()
            self.align = self._probe_alignment() if cache in ("none", "directsync") else 1
            if self.align > SECTOR and self.size % self.align:
                raise UserError(f"{who}: '{path}' has {self.size} bytes; without the host's cache its file system takes only"
                                f" multiples of {self.align}: use another cache= than none and directsync")
        except BaseException:
            self.close()
            raise
        self.tells_cached = self.align == 1 and hasattr(os, "RWF_NOWAIT")       # until the file system says that it cannot
        self.unaligned = threading.Lock()       # O_DIRECT: parts of blocks are read, changed and written

    # ---------------------------------------------------------------- opening
    def _open(self):
        flags = os.O_RDONLY if self.read_only else os.O_RDWR
        flags |= os.O_CLOEXEC | os.O_NONBLOCK   # a FIFO must not hold us up
        if self.cache in ("none", "directsync"):
            flags |= os.O_DIRECT
        if self.cache in ("writethrough", "directsync"):
            flags |= os.O_DSYNC
        try:
            return os.open(self.path, flags)
        except OSError as e:
            if e.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and not self.read_only:
                self.read_only = True   # a read-only file is a read-only disk
                return self._open()
            if e.errno == errno.EINVAL and flags & os.O_DIRECT:
                raise UserError(f"{self.who}: the file system of '{self.path}' cannot do without the host's cache:"
                                " use another cache= than none and directsync") from None
            if e.errno == errno.EISDIR:
                raise UserError(f"{self.who}: '{self.path}' is a directory, not an image") from None
            raise UserError(f"{self.who}: cannot open the image '{self.path}': {e.strerror}") from None
        except ValueError:
            raise UserError(f"{self.who}: a file name cannot have a NUL character") from None

    def _check(self):
        mode = os.fstat(self.fd).st_mode
        if stat.S_ISDIR(mode):
            raise UserError(f"{self.who}: '{self.path}' is a directory, not an image")
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
            raise UserError(f"{self.who}: '{self.path}' is neither a file nor a block device")
        os.set_blocking(self.fd, True)
        size = os.lseek(self.fd, 0, os.SEEK_END)
        if size == 0:
            raise UserError(f"{self.who}: the image '{self.path}' is empty")
        return size

    def _lock(self):
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if self.read_only else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self.who}: the image '{self.path}' is in use already; "
                            + ("it is being written" if self.read_only else "-snapshot or readonly=on can share it"
                               " with others that do not write")) from None
        except OSError:
            pass                        # this file system has no locks

    def _probe_alignment(self):
        """The smallest block that O_DIRECT takes here."""
        buffer = mmap.mmap(-1, 4096)
        for align in (512, 4096):
            try:
                os.preadv(self.fd, [memoryview(buffer)[:align]], 0)
                return align
            except OSError:
                pass
        return 4096

    # ---------------------------------------------------------------- transfers
    def preadv(self, offset, buffers):
        """Fill all buffers from `offset` on; EIO where the file has become shorter."""
        if self.align > 1:
            self._direct(offset, buffers, False)
        else:
            self._transfer(os.preadv, offset, buffers)

    def preadv_cached(self, offset, buffers):
        """Fill all buffers, if the host has the bytes in its page cache; False: it would have to wait, or cannot tell."""
        if not self.tells_cached or len(buffers) > MAX_VECTORS:
            return False
        try:
            return os.preadv(self.fd, buffers, offset, os.RWF_NOWAIT) == sum(map(len, buffers))
        except BlockingIOError:
            return False
        except OSError as e:            # a broken disk is for preadv to report
            self.tells_cached = e.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
            return False

    def pwritev(self, offset, buffers):
        if self.align > 1:
            self._direct(offset, buffers, True)
        else:
            self._transfer(os.pwritev, offset, buffers)

    def _transfer(self, call, offset, buffers):
        wanted = sum(map(len, buffers))
        if len(buffers) <= MAX_VECTORS:
            done = call(self.fd, buffers, offset)
            if done == wanted:
                return
        else:
            done = call(self.fd, buffers[:MAX_VECTORS], offset)
        while done < wanted:            # short: go on behind what was done
            rest, skip = [], done
            for buffer in buffers:
                if skip >= len(buffer):
                    skip -= len(buffer)
                else:
                    rest.append(memoryview(buffer)[skip:] if skip else buffer)
                    skip = 0
            count = call(self.fd, rest[:MAX_VECTORS], offset + done)
            if count == 0:
                raise OSError(errno.EIO, "the image has become shorter")
            done += count

    def _direct(self, offset, buffers, is_write):
        """O_DIRECT: whole blocks through an aligned buffer."""
        length = sum(map(len, buffers))
        start, end = offset & -self.align, (offset + length + self.align - 1) & -self.align
        if start == end:
            return
        bounce = mmap.mmap(-1, end - start)
        view = memoryview(bounce)
        whole = start == offset and end == offset + length
        with self.unaligned:
            # The last block of a file may be incomplete: what is read short is zero.
            if not (is_write and whole) and os.preadv(self.fd, [view], start) < min(end, offset + length) - start:
                raise OSError(errno.EIO, "the image has become shorter")
            at = offset - start
            for buffer in buffers:
                if is_write:
                    view[at:at + len(buffer)] = memoryview(buffer).cast("B")
                else:
                    memoryview(buffer).cast("B")[:] = view[at:at + len(buffer)]
                at += len(buffer)
            done = 0
            while is_write and done < len(view):
                done += os.pwritev(self.fd, [view[done:]], start + done)

    def flush(self):
        """Everything written so far survives the host's end."""
        if self.cache != "unsafe" and not self.read_only:
            os.fdatasync(self.fd)

    def discard(self, offset, length):
        """The bytes are not needed any more: they read as zeros and take no space, where the host can."""
        import ctypes
        punch_hole, keep_size = 0x02, 0x01
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.fallocate(self.fd, punch_hole | keep_size, ctypes.c_long(offset), ctypes.c_long(length)):
            number = ctypes.get_errno()
            if number not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV):
                raise OSError(number, os.strerror(number))

    @contextmanager
    def writing(self):
        """A file that is only read is written within the block, and on the disk behind it. Nothing else may be in flight."""
        reading = self.fd
        try:
            fcntl.flock(reading, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"the image '{self.path}' is in use by others") from None
        except OSError:
            pass                        # this file system has no locks
        try:
            self.read_only = False
            self.fd = self._open()
            if self.read_only:
                raise UserError(f"the image '{self.path}' cannot be written: {os.strerror(errno.EACCES)}")
            if not os.path.samestat(os.fstat(self.fd), os.fstat(reading)):
                raise UserError(f"'{self.path}' is another file now")
            yield
            self.flush()
        finally:
            if self.fd != reading:
                os.close(self.fd)
            self.fd, self.read_only = reading, True
            try:
                fcntl.flock(reading, fcntl.LOCK_SH)
            except OSError:
                pass

    def close(self):
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)
