"""The temporary overlay of -snapshot: what is written goes to a file without a name, the image stays as it is.

The temporary file has the disk's layout, with holes; a bytearray says which clusters are in it. A
write of a part of a cluster copies the rest of it first. The file vanishes with the process.
"""
import os
import threading

from qemu_py.backends.block_driver import BlockDriver
from qemu_py.util.errors import UserError

CLUSTER = 64 << 10


class Overlay(BlockDriver):
    """`base`: the driver of the image, opened read-only."""
    FORMAT = "overlay"

    def __init__(self, base):
        self.base = base
        self.file = base.file
        self.read_only = False
        self.size = base.size
        import tempfile                 # here: few machines have an overlay
        directory = os.environ.get("TMPDIR") or "/var/tmp"
        try:
            self.temporary = tempfile.TemporaryFile(prefix="qemu-py-", dir=directory, buffering=0)
        except OSError as e:
            raise UserError(f"{base.file.who}: cannot make a temporary file in '{directory}' for snapshot=on: {e.strerror}"
                            " (TMPDIR chooses another directory)") from None
        self.allocated = bytearray((self.size + CLUSTER - 1) // CLUSTER)
        self.lock = threading.Lock()    # held while clusters are copied

    def _runs(self, offset, length):
        """(offset, length, in the temporary file?) of stretches of one kind."""
        end = offset + length
        while offset < end:
            cluster = offset // CLUSTER
            kind = self.allocated[cluster]
            stop = self.allocated.find(1 - kind, cluster, (end + CLUSTER - 1) // CLUSTER)
            until = end if stop < 0 else min(end, stop * CLUSTER)
            yield offset, until - offset, kind
            offset = until

    def preadv(self, offset, buffers):
        runs = list(self._runs(offset, sum(map(len, buffers))))
        if len(runs) == 1:
            self._read(runs[0][2], offset, buffers)
            return
        rest = [memoryview(buffer).cast("B") for buffer in buffers]
        for start, length, kind in runs:
            taken = []
            while length:
                part = rest[0][:length]
                rest[0] = rest[0][len(part):]
                if not len(rest[0]):
                    rest.pop(0)
                length -= len(part)
                if len(part):
                    taken.append(part)
            self._read(kind, start, taken)

    def _read(self, in_temporary, offset, buffers):
        if not in_temporary:
            self.base.preadv(offset, buffers)
            return
        wanted = sum(map(len, buffers))
        if len(buffers) <= 1024 and os.preadv(self.temporary.fileno(), buffers, offset) == wanted:
            return
        for buffer in buffers:          # more vectors than one call takes, or the hole at the end
            view = memoryview(buffer).cast("B")
            while len(view):
                count = os.preadv(self.temporary.fileno(), [view], offset)
                if count == 0:
                    view[:] = bytes(len(view))
                    count = len(view)
                offset += count
                view = view[count:]

    def pwritev(self, offset, buffers):
        length = sum(map(len, buffers))
        if not length:
            return
        first, last = offset // CLUSTER, (offset + length - 1) // CLUSTER
        if self.allocated.find(0, first, last + 1) >= 0:
            with self.lock:
                for edge in {first, last}:      # clusters between them are written whole
                    if not self.allocated[edge]:
                        self._copy_up(edge, offset, offset + length)
                self._write(offset, buffers)
                self.allocated[first:last + 1] = b"\1" * (last + 1 - first)
        else:
            self._write(offset, buffers)

    def _copy_up(self, cluster, start, end):
        """Copy what [start, end) leaves of a cluster."""
        begin, stop = cluster * CLUSTER, min(cluster * CLUSTER + CLUSTER, self.size)
        for a, b in ((begin, min(start, stop)), (max(end, begin), stop)):
            if a < b:
                data = bytearray(b - a)
                self.base.preadv(a, [data])
                self._write(a, [data])

    def _write(self, offset, buffers):
        for buffer in buffers:
            view = memoryview(buffer).cast("B")
            while len(view):
                count = os.pwritev(self.temporary.fileno(), [view], offset)
                offset += count
                view = view[count:]

    def commit(self):
        """Write into the image what is here, and be empty. UserError, OSError: the image may have some of it then, the disk is the same.
        Nothing may be in flight."""
        buffer = memoryview(bytearray(16 * CLUSTER))
        with self.file.writing():
            for start, length, in_temporary in self._runs(0, self.size):
                while in_temporary and length:
                    part = buffer[:min(length, len(buffer))]
                    self._read(True, start, [part])
                    self.base.pwritev(start, [part])
                    start, length = start + len(part), length - len(part)
        self.allocated = bytearray(len(self.allocated))
        self.temporary.truncate(0)

    def flush(self):
        """It does not outlive the process: there is nothing to save."""

    def close(self):
        self.temporary.close()
        self.base.close()
