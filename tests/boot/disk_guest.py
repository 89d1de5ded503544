"""A Linux guest that works with disks: Debian's installer kernel, and a root file system made of Debian's i386 packages.

The kernel is that of the package debian-installer-12-netboot-i386; tools/guest-packages.sh fetches the others: busybox,
e2fsprogs with its libraries, the kernel's modules for disks, diskettes, CDs and file systems. `make_initramfs` puts them together
with the jobs, shell scripts of which the kernel's command line names one (JOB=name); afterwards the guest powers off.
"""
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

KERNEL = Path("/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux")
PACKAGES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qemu-py" / "guest"
MODULES = """crct10dif_common crct10dif_generic crc-t10dif crc64 crc64-rocksoft crc64_rocksoft_generic t10-pi scsi_common scsi_mod
 sd_mod cdrom sr_mod libata ata_piix pata_legacy floppy crc16 crc32c_generic mbcache jbd2 ext4 isofs""".split()
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
    *-floppy.ko) [ -z "$FLOPPY" ] || insmod $m;;
    *) insmod $m;;
    esac
done
cd /
i=0; while [ ! -b /dev/sda -o ! -b /dev/sr0 ] && [ $i -lt 50 ]; do sleep 0.2; i=$((i+1)); done
dmesg | grep -E 'ata[0-9.]+:'
sh /job/$JOB
[ -z "$LEGACY" ] || reboot -f           # an ISA PC cannot switch itself off
poweroff -f
"""


class Missing(Exception):
    """What the guest is made of is not there; the text names it."""


def cpio(entries):
    """An archive in the "newc" format of [(name, mode, data)]."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def make_initramfs(root, jobs):
    """The guest's root file system, compressed: its path, in the directory `root`, where packages are unpacked. jobs: {name: script}."""
    packages = sorted(PACKAGES.glob("*.deb"))
    if not KERNEL.exists():
        raise Missing("the Debian installer's kernel is missing (package debian-installer-12-netboot-i386)")
    if not packages or shutil.which("dpkg-deb") is None:
        raise Missing(f"no Debian packages in {PACKAGES}: run tools/guest-packages.sh")
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    entries = [(name, 0o40755, b"") for name in ("bin", "sbin", "proc", "sys", "dev", "mnt", "cd", "m", "lib", "etc", "job")]
    entries += [("init", 0o100755, INIT.encode()),
                ("bin/busybox", 0o100755, (root / "bin/busybox").read_bytes()),
                ("sbin/mkfs.ext4", 0o100755, (root / "sbin/mke2fs").read_bytes()),
                ("etc/mke2fs.conf", 0o100644, (root / "etc/mke2fs.conf").read_bytes())]
    entries += [(f"job/{name}", 0o100644, script.encode()) for name, script in jobs.items()]
    for name in LIBRARIES:
        found = next(path for path in root.rglob(name) if path.exists() and "lib" in path.parts)
        entries.append((f"lib/{name}", 0o100755, found.read_bytes()))
    for number, name in enumerate(MODULES):
        entries.append((f"m/{number:02}-{name}.ko", 0o100644, next(root.rglob(f"{name}.ko")).read_bytes()))
    path = root / "initramfs.gz"
    path.write_bytes(gzip.compress(cpio(entries), 1))
    return path


def make_cd(directory, data):
    """An ISO 9660 image with the file `data`; its path."""
    if shutil.which("xorriso") is None:
        raise Missing("xorriso is not installed")
    tree = directory / "tree"
    tree.mkdir()
    (tree / "data").write_bytes(data)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", directory / "cd.iso", tree], check=True, capture_output=True)
    return directory / "cd.iso"


def make_disk(directory):
    """A blank disk of 1 GB; its path."""
    with open(directory / "disk.img", "wb") as disk:
        disk.truncate(1 << 30)
    return directory / "disk.img"


def command(initramfs, disk, cd, environment, machine="pc", more=()):
    """The words of the command; `environment` is the job's: JOB=name and what it wants to know."""
    append = f"console=ttyS0 quiet {environment}"
    return [sys.executable, "-m", "qemu_py", "-M", machine, "-no-reboot", "-m", "256", "-nographic", "-kernel", str(KERNEL), "-initrd",
            str(initramfs), "-append", append, "-drive", f"file={disk},format=raw", "-cdrom", str(cd), *more]


# ---------------------------------------------------------------- the host's view of the disk
SBIN = {**os.environ, "PATH": "/sbin:/usr/sbin:/usr/bin:/bin"}


def partition(disk, to):
    """Copy the first partition, without its holes; the path of the copy. (e2fsck forgets an offset when it has replayed a journal.)"""
    with open(disk, "rb") as f:
        table = f.read(512)[446:510]
    assert table[4] == 0x83, "no Linux partition"
    start, length = (512 * int.from_bytes(table[at:at + 4], "little") for at in (8, 12))
    subprocess.run(["dd", f"if={disk}", f"of={to}", "bs=1M", "iflag=skip_bytes,count_bytes", f"skip={start}", f"count={length}", "conv=sparse",
                    "status=none"], check=True)
    os.truncate(to, length)
    return to


def e2fsck(*arguments):
    return subprocess.run(["e2fsck", *map(str, arguments)], capture_output=True, text=True, env=SBIN)


def read_file(file_system, name, to):
    """Copy a file out of the guest's file system; the path of the copy."""
    subprocess.run(["debugfs", "-R", f"dump {name} {to}", file_system], capture_output=True, env=SBIN)
    return to
