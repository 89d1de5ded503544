"""Debian's own drivers on our disks: a disk partitioned, a file system made, filled and read back by DMA and by PIO; a CD,
a diskette, kill -9.

CI copies less than 200 MB by PIO; QEMU_PY_FULL_DISKS=1 in the environment copies all (docs/GUESTS.md has the campaign).
What the guest is made of is told in disk_guest.py; without it these tests are skipped.
"""
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from tests.boot.disk_guest import SBIN, Missing, command, e2fsck, make_cd, make_disk, make_initramfs, partition, read_file
from tests.machines import LIMIT

FULL = os.environ.get("QEMU_PY_FULL_DISKS") == "1"
BLOCK = 3_000_000                       # bytes of the CD's file; 67 of them are 201 MB
COPIES = {"dma": 67 if FULL else 40, "pio": 67 if FULL else 20, "isapc": 67 if FULL else 8}

PARTITION = """printf 'n\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/sda > /dev/null 2>&1
i=0; while [ ! -b /dev/sda1 ] && [ $i -lt 50 ]; do sleep 0.2; i=$((i+1)); done
mkfs.ext4 -q -F /dev/sda1 && mount -t ext4 /dev/sda1 /mnt && mount -t iso9660 -o ro /dev/sr0 /cd || exit
"""
JOBS = {
    "copy": PARTITION + """i=0; while [ $i -lt $COPIES ]; do cat /cd/data; i=$((i+1)); done > /mnt/big; sync
umount /mnt; echo 3 > /proc/sys/vm/drop_caches; mount -t ext4 /dev/sda1 /mnt
echo SUM $(md5sum < /mnt/big); umount /mnt
[ -z "$FLOPPY" ] || echo DISKETTE $(md5sum < /dev/fd0)
dmesg | grep -E 'ata[0-9.]+: (exception|failed|error)|I/O error'; echo DONE
""",
    "fill": PARTITION + """cp /cd/data /mnt/first; sync; echo FLUSHED
while true; do i=0; while [ $i -lt 30 ]; do cp /cd/data /mnt/f$i; mkdir /mnt/d$i; sync; i=$((i+1)); echo TURN; done; rm -rf /mnt/f* /mnt/d*; done
"""}


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory):
    try:
        return make_initramfs(tmp_path_factory.mktemp("guest"), JOBS)
    except Missing as e:
        pytest.skip(str(e))


@pytest.fixture
def images(tmp_path):
    """(a blank disk of 1 GB, a CD with a file of 3,000,000 bytes, those bytes)"""
    if shutil.which("e2fsck", path=SBIN["PATH"]) is None:
        pytest.skip("e2fsck is not installed")
    data = random.Random(3).randbytes(BLOCK)
    try:
        return make_disk(tmp_path), make_cd(tmp_path, data), data
    except Missing as e:
        pytest.skip(str(e))


@pytest.mark.parametrize("kind, machine, environment", [
    ("dma", "pc", "FLOPPY=1"), ("pio", "pc", "LIBATA=dma=0"), ("isapc", "isapc", "LEGACY=1 FLOPPY=1")], ids=["dma", "pio", "isapc"])
def test_a_file_system_is_made_filled_and_read_back(initramfs, images, tmp_path, kind, machine, environment):
    disk, cd, data = images
    diskette = tmp_path / "diskette"
    diskette.write_bytes(random.Random(4).randbytes(1440 << 10))
    copies = COPIES[kind]
    guest = subprocess.run(command(initramfs, disk, cd, f"JOB=copy COPIES={copies} {environment}", machine, ("-fda", str(diskette))),
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
    text = guest.stdout.decode(errors="replace").replace("\r", "")
    expected = hashlib.md5(data * copies).hexdigest()
    assert f"SUM {expected}" in text, text[-3000:] + guest.stderr.decode()[-1000:]
    assert "\nDONE" in text and "exception" not in text and "I/O error" not in text
    if "FLOPPY" in environment:
        assert f"DISKETTE {hashlib.md5(diskette.read_bytes()).hexdigest()}" in text, text[-3000:] + guest.stderr.decode()[-1000:]
    file_system = partition(disk, tmp_path / "partition")
    checked = e2fsck("-f", "-n", file_system)
    assert checked.returncode == 0, checked.stdout
    assert hashlib.md5(read_file(file_system, "big", tmp_path / "big").read_bytes()).hexdigest() == expected


def test_kill_9_leaves_what_was_flushed_and_the_journal_recovers(initramfs, images, tmp_path):
    disk, cd, data = images
    guest = subprocess.Popen(command(initramfs, disk, cd, "JOB=fill"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    text, end = b"", time.monotonic() + LIMIT
    while text.count(b"TURN") < 7:
        assert time.monotonic() < end
        more = os.read(guest.stdout.fileno(), 4096)
        assert more, text[-2000:]
        text += more
    guest.send_signal(signal.SIGKILL)
    guest.wait()
    guest.stdout.close()
    assert b"FLUSHED" in text
    file_system = partition(disk, tmp_path / "partition")
    assert e2fsck("-f", "-y", file_system).returncode in (0, 1)         # 1: errors were corrected (the journal, counts)
    assert e2fsck("-f", "-n", file_system).returncode == 0
    assert read_file(file_system, "first", tmp_path / "first").read_bytes() == data
