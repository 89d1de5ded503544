"""Debian's own ATA driver on our disks: a file system made, filled and read back by DMA and by PIO, a CD, kill -9.

The kernel is that of the package debian-installer-12-netboot-i386; its root file system is made of packages that
tools/guest-packages.sh fetches. Without either these tests are skipped.
"""
import gzip
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KERNEL = Path("/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux")
PACKAGES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qemu-py" / "guest"
LIMIT = 900                             # seconds: a bound against a hang
MODULES = """crct10dif_common crct10dif_generic crc-t10dif crc64 crc64-rocksoft crc64_rocksoft_generic t10-pi scsi_common scsi_mod
 sd_mod cdrom sr_mod libata ata_piix pata_legacy crc16 crc32c_generic mbcache jbd2 ext4 isofs""".split()
LIBRARIES = ("ld-linux.so.2", "libc.so.6", "libext2fs.so.2", "libe2p.so.2", "libcom_err.so.2", "libpthread.so.0", "libss.so.2",
             "libblkid.so.1", "libuuid.so.1")

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
cd /m
for m in *.ko; do
    case $m in
    *-libata.ko) insmod $m $LIBATA;;
    *-ata_piix.ko) [ -n "$LEGACY" ] || insmod $m;;
    *-pata_legacy.ko) [ -z "$LEGACY" ] || insmod $m probe_all=1;;
    *) insmod $m;;
    esac
done
i=0; while [ ! -b /dev/sda -o ! -b /dev/sr0 ] && [ $i -lt 50 ]; do sleep 0.2; i=$((i+1)); done
dmesg | grep -E 'ata[0-9.]+:'
sh /$JOB
[ -z "$LEGACY" ] || reboot -f           # an ISA PC cannot switch itself off
poweroff -f
"""
COPY = """mkfs.ext4 -q -F /dev/sda && mount -t ext4 /dev/sda /mnt && mount -t iso9660 -o ro /dev/sr0 /cd || exit
i=0; while [ $i -lt $COPIES ]; do cat /cd/data; i=$((i+1)); done > /mnt/big; sync
umount /mnt; echo 3 > /proc/sys/vm/drop_caches; mount -t ext4 /dev/sda /mnt
echo SUM $(md5sum < /mnt/big); umount /mnt
dmesg | grep -E 'ata[0-9.]+: (exception|failed|error)|I/O error'; echo DONE
"""
FILL = """mkfs.ext4 -q -F /dev/sda && mount -t ext4 /dev/sda /mnt && mount -t iso9660 -o ro /dev/sr0 /cd || exit
cp /cd/data /mnt/first; sync; echo FLUSHED
while true; do i=0; while [ $i -lt 30 ]; do cp /cd/data /mnt/f$i; mkdir /mnt/d$i; sync; i=$((i+1)); echo TURN; done; rm -rf /mnt/f* /mnt/d*; done
"""


def cpio(entries):
    """An archive in the "newc" format of [(name, mode, data)]."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory):
    """The guest's root file system, compressed; its path."""
    packages = sorted(PACKAGES.glob("*.deb"))
    if not KERNEL.exists():
        pytest.skip("the Debian installer's kernel is missing (package debian-installer-12-netboot-i386)")
    if not packages or shutil.which("dpkg-deb") is None:
        pytest.skip(f"no Debian packages in {PACKAGES}: run tools/guest-packages.sh")
    root = tmp_path_factory.mktemp("guest")
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    entries = [(name, 0o40755, b"") for name in ("bin", "sbin", "proc", "sys", "dev", "mnt", "cd", "m", "lib", "etc")]
    entries += [("init", 0o100755, INIT.encode()), ("copy", 0o100644, COPY.encode()), ("fill", 0o100644, FILL.encode()),
                ("bin/busybox", 0o100755, (root / "bin/busybox").read_bytes()),
                ("sbin/mkfs.ext4", 0o100755, (root / "sbin/mke2fs").read_bytes()),
                ("etc/mke2fs.conf", 0o100644, (root / "etc/mke2fs.conf").read_bytes())]
    for name in LIBRARIES:
        found = next(path for path in root.rglob(name) if path.exists() and "lib" in path.parts)
        entries.append((f"lib/{name}", 0o100755, found.read_bytes()))
    for number, name in enumerate(MODULES):
        entries.append((f"m/{number:02}-{name}.ko", 0o100644, next(root.rglob(f"{name}.ko")).read_bytes()))
    path = root / "initramfs.gz"
    path.write_bytes(gzip.compress(cpio(entries), 1))
    return path


@pytest.fixture
def images(tmp_path):
    """(a blank disk of 1 GB, a CD with a file of 3,000,000 bytes, those bytes)"""
    if shutil.which("xorriso") is None or shutil.which("e2fsck", path="/sbin:/usr/sbin:/usr/bin") is None:
        pytest.skip("xorriso or e2fsck is not installed")
    data = random.Random(3).randbytes(3_000_000)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "data").write_bytes(data)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", tmp_path / "cd.iso", tree], check=True, capture_output=True)
    with open(tmp_path / "disk.img", "wb") as disk:
        disk.truncate(1 << 30)
    return tmp_path / "disk.img", tmp_path / "cd.iso", data


def command(initramfs, disk, cd, environment, machine="pc"):
    append = f"console=ttyS0 quiet {environment}"
    return [sys.executable, "-m", "qemu_py", "-M", machine, "-no-reboot", "-m", "256", "-nographic", "-kernel", str(KERNEL), "-initrd",
            str(initramfs), "-append", append, "-drive", f"file={disk},format=raw", "-cdrom", str(cd)]


def e2fsck(*arguments):
    return subprocess.run(["e2fsck", *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "PATH": "/sbin:/usr/sbin:/usr/bin:/bin"})


@pytest.mark.parametrize("machine, environment, copies", [
    ("pc", "", 67), ("pc", "LIBATA=dma=0", 20), ("isapc", "LEGACY=1", 10)], ids=["dma", "pio", "isapc"])
def test_a_file_system_is_made_filled_and_read_back(initramfs, images, machine, environment, copies):
    disk, cd, data = images
    guest = subprocess.run(command(initramfs, disk, cd, f"JOB=copy COPIES={copies} {environment}", machine),
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
    text = guest.stdout.decode(errors="replace").replace("\r", "")
    expected = hashlib.md5()
    for _ in range(copies):
        expected.update(data)
    assert f"SUM {expected.hexdigest()}" in text, text[-3000:]
    assert "\nDONE" in text and "exception" not in text and "I/O error" not in text
    checked = e2fsck("-f", "-n", disk)
    assert checked.returncode == 0, checked.stdout


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
    assert e2fsck("-f", "-y", disk).returncode in (0, 1)        # 1: errors were corrected (the journal, counts)
    assert e2fsck("-f", "-n", disk).returncode == 0
    dumped = tmp_path / "first"
    subprocess.run(["debugfs", "-R", f"dump first {dumped}", disk], capture_output=True,
                   env={**os.environ, "PATH": "/sbin:/usr/sbin:/usr/bin:/bin"})
    assert dumped.read_bytes() == data
