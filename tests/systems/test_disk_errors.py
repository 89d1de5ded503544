"""rerror= and werror= as a guest meets them, a full disk and `cont`, and what kill -9 leaves of what was flushed."""
import errno
import os
import random
import shutil
import signal
import subprocess
import sys

import pytest

from qemu_py import options
from tests.boot.kernels import elf
from tests.guest import asm
from tests.machines import EXIT

SECTOR, MIB = 512, 1 << 20
READ, WRITE = 0x20, 0x30
ERR, UNC = 0x01, 0x40
OK, FAILED = 0x10, 0x20                 # what the guest says in the end, with its error register if it failed
BUFFER = 0x300000

WAIT = "mov dx, 0x1f7; {0}: in al, dx; test al, 0x80; jnz {0}"
SET = "; ".join(f"mov dx, {0x1F0 + n}; mov al, {value}; out dx, al" for n, value in ((2, 1), (4, 0), (5, 0), (6, 0xE0)))
SAY = "mov dx, 0xf4; out dx, eax; l: hlt; jmp l"


def one_sector(command):
    """A kernel that reads or writes sector 5 by PIO and says how it went."""
    move = "rep insw" if command == READ else "rep outsw"
    wait_before, wait_after = WAIT.format("b"), WAIT.format("a")
    return elf(asm(
        f"cld; mov dword ptr [{BUFFER}], 0x11223344; {SET}; mov dx, 0x1f3; mov al, 5; out dx, al; mov dx, 0x1f7; mov al, {command}; out dx, al;"
        f" {wait_before}; test al, 1; jnz failed; mov dx, 0x1f0; mov ecx, 256; mov esi, {BUFFER}; mov edi, {BUFFER}; {move}; {wait_after};"
        f" test al, 1; jnz failed; mov eax, {OK}; jmp say;"
        f" failed: mov dx, 0x1f1; in al, dx; movzx eax, al; or eax, {FAILED}; say: {SAY}", 0x100030))


def status(value):
    return (value << 1 | 1) & 0xFF


class Broken:
    """The driver of an image, failing so often."""

    def __init__(self, driver, error, times):
        self.driver, self.error, self.times = driver, error, times
        self.size, self.read_only = driver.size, driver.read_only
        self.flush, self.close = driver.flush, driver.close

    def fail(self):
        if self.times:
            self.times -= 1
            raise OSError(self.error, "")

    def preadv_cached(self, offset, buffers):
        return False

    def preadv(self, offset, buffers):
        self.fail()
        self.driver.preadv(offset, buffers)

    def pwritev(self, offset, buffers):
        self.fail()
        self.driver.pwritev(offset, buffers)


FAILS, SUCCEEDS, STOPS = "fails", "succeeds", "stops"


@pytest.fixture
def run(make_machine, tmp_path):
    def run(command, error, policy, loop):
        """(what the guest said, run states in which the machine stood, the image)"""
        image = tmp_path / "image"
        image.write_bytes(bytes(MIB))
        words = ["-drive", f"file={image},index=0,format=raw,{policy}", *(["-accel", "tcg,thread=single-loop"] if loop == "single" else [])]
        config = options.machine_config(options.parse_arguments(words))
        machine = make_machine(image=one_sector(command), devices=EXIT, drives=config.drives, single_loop=config.single_loop)
        blk = machine.drives.get("ide", 0, 0)
        blk.driver = Broken(blk.driver, error, 1)
        stood, stop = [], machine.vm_stop

        def vm_stop(state="paused"):
            stop(state)
            stood.append(machine.runstate)
            machine.main_loop.bh_new(machine.vm_start).schedule()           # cont
        machine.vm_stop = vm_stop
        return machine.run(), stood, image
    return run


@pytest.mark.parametrize("loop", ["threads", "single"])
@pytest.mark.parametrize("command, error, policy, outcome", [
    (WRITE, errno.EIO, "werror=report", FAILS), (WRITE, errno.ENOSPC, "werror=report", FAILS), (WRITE, errno.EIO, "werror=enospc", FAILS),
    (WRITE, errno.ENOSPC, "werror=enospc", STOPS), (WRITE, errno.EIO, "werror=stop", STOPS), (WRITE, errno.ENOSPC, "werror=stop", STOPS),
    (WRITE, errno.EIO, "werror=ignore", SUCCEEDS), (WRITE, errno.ENOSPC, "werror=ignore", SUCCEEDS), (WRITE, errno.ENOSPC, "rerror=report", STOPS),
    (READ, errno.EIO, "rerror=report", FAILS), (READ, errno.EIO, "rerror=stop", STOPS), (READ, errno.EIO, "rerror=ignore", SUCCEEDS),
    (READ, errno.EIO, "werror=stop", FAILS)])
def test_an_error_goes_where_it_was_sent(run, capfd, command, error, policy, outcome, loop):
    ended, stood, image = run(command, error, policy, loop)
    assert ended == status(FAILED | UNC if outcome == FAILS else OK)
    assert stood == (["io-error"] if outcome == STOPS else [])
    assert capfd.readouterr().err.count("machine is stopped") == len(stood)
    if command == WRITE:
        written = image.read_bytes()[5 * SECTOR:5 * SECTOR + 4] == bytes.fromhex("44332211")
        assert written == (outcome == STOPS)


# ---------------------------------------------------------------- the command, and a real disk that is full
FILL = f"""cld; mov edi, {BUFFER}; mov ecx, 128; mov eax, 0xa5a5a5a5; rep stosd; xor ebx, ebx;
 again: {SET}; mov dx, 0x1f3; mov al, bl; out dx, al; mov dx, 0x1f4; mov al, bh; out dx, al; mov dx, 0x1f7; mov al, {WRITE}; out dx, al; {WAIT.format("b")}; mov dx, 0x1f0; mov ecx, 256; mov esi, {BUFFER};
 rep outsw; {WAIT.format("a")}; test al, 1; jnz failed; inc ebx; cmp ebx, 1024; jb again; mov eax, {OK}; jmp say; failed: mov eax, {FAILED}; say: {SAY}"""


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB; resize(text) gives it another size."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "none", place], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place, lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)
    subprocess.run(["umount", "-l", place])


def test_when_the_hosts_disk_is_full_the_machine_waits_for_cont(small_disk, tmp_path):
    place, resize = small_disk
    kernel, image = tmp_path / "kernel", place / "image"
    kernel.write_bytes(elf(asm(FILL, 0x100030)))
    with open(image, "wb") as f:
        f.truncate(MIB)                 # of which there is room for a quarter
    command = [sys.executable, "-m", "qemu_py", "-kernel", str(kernel), "-drive", f"file={image},format=raw,index=0", "-display", "none",
               "-monitor", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b"No space left on device; the machine is stopped" in process.stderr.readline()
        process.stdin.write(b"info status\ncont\n")          # still full: it stops once more
        process.stdin.flush()
        assert b"the machine is stopped" in process.stderr.readline()
        resize("4m")
        process.stdin.write(b"cont\n")
        process.stdin.flush()
        said = process.stdout.read()
        assert process.wait(60) == status(OK)
    assert b"io-error" in said
    assert image.read_bytes() == b"\xa5" * (512 << 10) + bytes(512 << 10)


# ---------------------------------------------------------------- kill -9
# Writes a number into the sector of that number, flushes, and says it at the debug console.
COUNT = f"""cld; mov ebx, 1; again: mov [{BUFFER}], ebx; {SET}; mov dx, 0x1f3; mov al, bl; out dx, al; mov dx, 0x1f4; mov al, bh; out dx, al;
 mov dx, 0x1f7; mov al, {WRITE}; out dx, al; {WAIT.format("b")}; mov dx, 0x1f0; mov ecx, 256; mov esi, {BUFFER}; rep outsw; {WAIT.format("a")};
 mov al, 0xe7; out dx, al; {WAIT.format("c")}; mov esi, {BUFFER}; mov ecx, 4; mov dx, 0xe9; rep outsb; inc bx; jmp again"""


@pytest.mark.parametrize("cache", ["writeback", "writethrough"])
@pytest.mark.parametrize("seed", range(3))
def test_kill_9_leaves_what_was_flushed(tmp_path, seed, cache):
    kernel, image = tmp_path / "kernel", tmp_path / "image"
    kernel.write_bytes(elf(asm(COUNT, 0x100030)))
    image.write_bytes(bytes(64 * MIB))
    wanted = random.Random(seed).randrange(4, 2000)
    command = [sys.executable, "-m", "qemu_py", "-kernel", str(kernel), "-drive", f"file={image},format=raw,index=0,cache={cache}",
               "-display", "none", "-debugcon", "stdio", "-monitor", "none"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        said = process.stdout.read(4 * (wanted // 10))
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    last = len(said) // 4               # a number that was cut off may or may not be there
    assert [int.from_bytes(said[4 * n:4 * n + 4], "little") for n in range(last)] == list(range(1, last + 1)) and last
    with open(image, "rb") as f:
        for n in range(1, last + 1):
            f.seek(n * SECTOR)
            assert int.from_bytes(f.read(4), "little") == n
