"""A soak: Debian's kernel compresses, uncompresses and sums on an ext4 disk for half an hour; nothing may be wrong, nothing may grow.

    python tools/soak.py [--minutes 30]         (QEMU_PY_ACCEL chooses the engine)

The guest is that of tests/boot/test_linux_disks.py (packages debian-installer-12-netboot-i386 and xorriso; sh tools/guest-packages.sh).
In each turn it packs a file with gzip, unpacks that and a bzip2 file, copies the file to its disk, drops its caches and reads the copy back,
while another process sleeps 20 ms at a time; sha256 of each result must be the host's. In the end it powers off, and its file system must be
clean. The emulator's resident memory but for the guest's RAM is read from /proc at each turn: from the first third to the end it may
not grow by more than 4 MiB. Prints a table; the status is 0 if all was well.
"""
import argparse
import bz2
import hashlib
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.boot.disk_guest import Missing, command, e2fsck, make_cd, make_disk, make_initramfs  # noqa: E402

GROWTH = 4                              # MiB
JOB = """mkfs.ext4 -q -F /dev/sda && mount -t ext4 /dev/sda /mnt && mount -t iso9660 -o ro /dev/sr0 /cd || exit
dd if=/cd/data of=/mnt/file bs=1000000 count=4 2> /dev/null; dd if=/cd/data of=/mnt/file.bz2 bs=1000000 skip=4 2> /dev/null
sum() { set -- $(sha256sum); echo -n " $1"; }
(while usleep 20000; do :; done) &
sleeper=$!
n=0
until read -t 1 word; do                # until somebody says stop
    n=$((n+1))
    gzip -c /mnt/file > /mnt/file.gz
    cp /mnt/file /mnt/copy$((n % 8)); sync; echo 3 > /proc/sys/vm/drop_caches
    line=$(sum < /mnt/copy$((n % 8)); gunzip -c /mnt/file.gz | sum; bunzip2 -c /mnt/file.bz2 | sum)
    echo "TURN $n$line"
done
kill $sleeper; umount /mnt; echo "CLOCK $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource), up $(cut -d' ' -f1 /proc/uptime) s, ticks$(grep -E 'timer|LOC' /proc/interrupts | tr -s ' ' | cut -d' ' -f2-3 | tr '\\n' ' ')"
dmesg | grep -E 'ata[0-9.]+: (exception|failed|error)|I/O error|BUG|Oops|clocksource.*unstable'; echo DONE
"""


def resident(pid):
    """MiB of a process, but for its largest mapping, the guest's RAM; None: it has ended."""
    sizes = []
    try:
        with open(f"/proc/{pid}/smaps") as f:
            size = 0
            for line in f:
                if line.startswith("Size:"):
                    size = int(line.split()[1])
                elif line.startswith("Rss:"):
                    sizes.append((size, int(line.split()[1])))
    except OSError:
        return None
    return sum(rss for _, rss in sorted(sizes)[:-1]) / 1024 if sizes else None


def data():
    """4,000,000 bytes that can be packed to about half: text and noise in turn; their bzip2 file behind them."""
    pick = random.Random(1)
    words = [pick.randbytes(pick.randrange(2, 9)).hex().encode() for _ in range(500)]
    pieces, length = [], 0
    while length < 4_000_000:
        piece = pick.randbytes(4000) if pick.random() < 0.3 else b" ".join(pick.choice(words) for _ in range(600))
        pieces.append(piece)
        length += len(piece)
    plain = b"".join(pieces)[:4_000_000]
    return plain, plain + bz2.compress(plain)


def soak(minutes, directory):
    """[(seconds, turn, MiB)], and what was wrong, as texts."""
    plain, both = data()
    expected = hashlib.sha256(plain).hexdigest()
    disk, root = make_disk(directory), directory / "root"
    root.mkdir()
    words = command(make_initramfs(root, {"soak": JOB}), disk, make_cd(directory, both), "JOB=soak")
    turns, wrong, text, begun = [], [], [], time.monotonic()
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as guest:
        for line in guest.stdout:
            text.append(line.strip())
            found = re.match(r"TURN (\d+) (.*)", text[-1])
            if found:
                turns.append((time.monotonic() - begun, int(found[1]), resident(guest.pid)))
                print(f"{turns[-1][0]:6.0f} s  turn {found[1]:>5}  {turns[-1][2]:.1f} MiB", flush=True)
                if found[2].split() != [expected] * 3:
                    wrong.append(f"turn {found[1]}: {found[2]}")
                if turns[-1][0] > 60 * minutes:
                    guest.stdin.write("stop\n")
                    guest.stdin.flush()
    wrong += [line for line in text if re.search("exception|I/O error|BUG|Oops|unstable", line)]
    if "DONE" not in text or guest.returncode:
        wrong.append(f"the guest ended with status {guest.returncode}: {text[-5:]}")
    checked = e2fsck("-f", "-n", disk)
    if checked.returncode:
        wrong.append(f"e2fsck: {checked.stdout}")
    print(next((line for line in text if line.startswith("CLOCK")), ""))
    return turns, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        try:
            turns, wrong = soak(options.minutes, Path(directory))
        except Missing as e:
            sys.exit(str(e))
    if len(turns) < 3:
        wrong.append("fewer than three turns")
    else:
        first, last = turns[len(turns) // 3][2], turns[-1][2]
        print(f"{len(turns)} turns in {turns[-1][0]:.0f} s; resident but for guest RAM {first:.1f} MiB after a third, {last:.1f} at the end")
        if last - first > GROWTH:
            wrong.append(f"memory grew by {last - first:.1f} MiB")
    print("\n".join(wrong) if wrong else "all was well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
