"""SYSTEMS row 50: AIO. The guest runs while a block request is in flight; workers are few, and go when idle."""
import struct
import threading
import time

from qemu_py.machine.drives import simple_drive
from tests.boot.kernels import debug_exit
from tests.machines import EXIT

COUNTER, TARGET = 0x200000, 0x210000
ENOUGH = 1000                           # turns of the guest's loop while it waits
PATIENCE = 300                          # seconds before a test gives up
ATA_READ, ATA_WRITE, ATA_FLUSH = 0x20, 0x30, 0xE7


def outb(port, value):
    return b"\x66\xba" + struct.pack("<H", port) + bytes((0xB0, value, 0xEE))


def ata(command, lba, count=1):
    """mov dx, port; mov al, value; out dx, al for the command block."""
    return b"".join(outb(0x1F2 + n, value) for n, value in enumerate((count, lba, 0, 0, 0xE0, command)))


# inc dword [COUNTER]; mov dx, 1F7h; in al, dx; test al, 80h; jnz to the inc
COUNT_WHILE_BUSY = b"\xff\x05" + struct.pack("<I", COUNTER) + b"\x66\xba\xf7\x01\xec\xa8\x80\x75\xf1"
# mov edi, TARGET; mov ecx, 256; mov dx, 1F0h; cld; rep insw
FETCH = b"\xbf" + struct.pack("<I", TARGET) + b"\xb9\x00\x01\x00\x00\x66\xba\xf0\x01\xfc\x66\xf3\x6d"


class Patient:
    """An image that answers when the guest has counted far enough."""
    size, read_only = 1 << 20, False

    def __init__(self, machine, old):
        self.machine = machine
        self.old = old
        self.threads = set()
        self.waited = 0

    def counter(self):
        return int.from_bytes(bytes(self.machine.ram.view[COUNTER:COUNTER + 4]), "little")

    def preadv_cached(self, offset, buffers):
        return False

    def preadv(self, offset, buffers):
        self.threads.add(threading.current_thread())
        start, limit = self.counter(), time.monotonic() + PATIENCE
        while self.counter() - start < ENOUGH:
            if time.monotonic() > limit:
                raise OSError(5, "the guest stands still")
        self.waited += 1
        for buffer in buffers:
            buffer[:] = b"\x5a" * len(buffer)

    def pwritev(self, offset, buffers):
        self.preadv(offset, [bytearray(1)])

    def flush(self):
        if self.waited < 3:
            self.preadv(0, [bytearray(1)])

    def close(self):
        self.old.close()


def test_the_guest_runs_while_a_request_is_in_flight(make_machine, tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(bytes(1 << 20))
    store = b"\xbe" + struct.pack("<I", TARGET) + b"\xb9\x00\x01\x00\x00\x66\xba\xf0\x01\xfc\x66\xf3\x6f"
    code = (ata(ATA_READ, 7) + COUNT_WHILE_BUSY + FETCH + ata(ATA_WRITE, 9) + store + COUNT_WHILE_BUSY
            + ata(ATA_FLUSH, 0) + COUNT_WHILE_BUSY + debug_exit(0x21))
    machine = make_machine(code, machine="isapc", devices=EXIT, drives=[simple_drive("-hda", str(path), "ide", 0)])
    blk = machine.drives.get("ide", 0, 0)
    blk.driver = disk = Patient(machine, blk.driver)
    machine.drives.aio.IDLE_SECONDS = 0.001
    assert machine.run() == 0x43
    assert disk.waited == 3
    assert bytes(machine.ram.view[TARGET:TARGET + 512]) == b"\x5a" * 512
    assert threading.current_thread() not in disk.threads and machine.tcg.thread not in disk.threads
    assert machine.drives.aio.cur_threads == 0


def test_qemu_aio_wait_serves_who_must_wait(make_machine, tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(b"\xa5" * 4096)
    machine = make_machine(machine="isapc", drives=[simple_drive("-hda", str(path), "ide", 0)])
    blk, results = machine.drives.get("ide", 0, 0), []
    with machine.main_loop.lock:
        assert blk.pread(100, 3) == b"\xa5" * 3
        blk.aio_readv(0, [bytearray(512)], results.append)
        while not results:
            assert machine.drives.aio.qemu_aio_wait()
        assert machine.drives.aio.qemu_aio_wait() is False
    assert results == [0]
