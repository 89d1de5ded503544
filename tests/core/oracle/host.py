"""Python face of hostcpu.c: build it on demand, hand it records, get them back executed.

Records are a numpy structured array of dtype RECORD in memory shared with the harness; run()
replaces initial states by final ones. `qemu_py.CPU.batch` takes the same records.
x86-64 Linux with gcc only; `unavailable()` says what is missing.
"""
import hashlib
import mmap
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("hostcpu.c")

RECORD = np.dtype([
    ("gpr", "<u8", 16), ("rip", "<u8"), ("rflags", "<u8"), ("fx", "u1", 512), ("data", "u1", 256),
    ("sig", "<u4"), ("trapno", "<u4"), ("err", "<u8"), ("cr2", "<u8"),
    ("codelen", "<u4"), ("mode", "<u4"), ("status", "<u4"), ("segs", "<u4"), ("code", "u1", 16),
    ("alignment", "u1", 8)])
assert RECORD.itemsize == 976                   # as sizeof (struct record)

CODE, DATA, WINDOW_OFFSET, WINDOW_SIZE = 0x10000000, 0x20000000, 0x800, 256
WINDOW = DATA + WINDOW_OFFSET
CONTROL, CONTROL_SIZE = 0x30000000, 0x2000      # the harness's own pages
RUN_STEP, RUN_JUMP = 1, 2
STATUS_RAN, STATUS_DIED, STATUS_LOST = 1, 2, 3
SEGS_FLAT, SEGS_BASED, SEGS_CODE = 0, 1, 2
NO_FAULT = 1                                    # trapno after an instruction that did not fault


def unavailable():
    """Why the host CPU cannot be asked, or None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "the host-CPU oracle needs x86-64 Linux"
    if not compiler():
        return "the host-CPU oracle needs gcc"
    return None


def compiler():
    return shutil.which("gcc") or shutil.which("cc")


def build():
    """Path of the harness, compiled unless the cache has this version of it."""
    key = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qemu_py"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path(tempfile.gettempdir())
    path = cache / f"hostcpu-{key}"
    if not path.exists():
        fresh = cache / f"hostcpu-{key}.{os.getpid()}"
        subprocess.run([compiler(), "-O2", "-fpie", "-pie", "-fno-stack-protector", "-fcf-protection=none",
                        "-Wall", "-o", str(fresh), str(SOURCE)], check=True)
        fresh.rename(path)
    return path


def cpu_model():
    """Name, family, model and stepping of the host CPU."""
    found = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return (f"{found.get('model name', 'unknown')} (family {found.get('cpu family')}, model {found.get('model')}, "
            f"stepping {found.get('stepping')})")


class HostCPU:
    """The oracle. `records` is shared with the harness process."""

    def __init__(self, count):
        self.count = count
        self.fd = os.memfd_create("oracle")
        os.ftruncate(self.fd, count * RECORD.itemsize)
        self.memory = mmap.mmap(self.fd, count * RECORD.itemsize)
        self.records = np.frombuffer(self.memory, dtype=RECORD)
        self.process = subprocess.Popen([str(build()), str(self.fd), str(count)], pass_fds=[self.fd],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, first, count, how):
        """Execute records[first:first+count] in place; the number of workers that died."""
        self.records["status"][first:first + count] = 0
        self.process.stdin.write(struct.pack("<3q", first, count, how))
        self.process.stdin.flush()
        answer = self.process.stdout.read(8)
        if len(answer) != 8:
            raise RuntimeError(f"hostcpu ended with status {self.process.wait()}")
        return struct.unpack("<q", answer)[0]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def fresh_fx(count):
    """FXSAVE images as FNINIT and reset leave them: control word 37Fh, all empty, MXCSR 1F80h."""
    fx = np.zeros((count, 512), "u1")
    fx[:, 0], fx[:, 1], fx[:, 24], fx[:, 25] = 0x7F, 0x03, 0x80, 0x1F
    return fx
