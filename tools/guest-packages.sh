#!/bin/sh
# Fetch the Debian 12 packages for the i386 from which tests/boot/test_linux_disks.py makes a guest's root file system.
#   sh tools/guest-packages.sh [DIRECTORY]         (default: ~/.cache/qemu-py/guest)
# apt works in the directory, with Debian's sources as the system has them; the system's own packages do not change.
set -eu
directory=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/qemu-py/guest}
mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial"
cd "$directory"
options="-o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::State::Lists=$directory/lists -o Dir::Cache=$directory/cache
-o Dir::State::status=/dev/null -o APT::Sandbox::User=root -qq"
kernel=$(strings /usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux | sed -n 's/^\(6\.1\.0-[0-9]*-686\) .*/\1/p' | head -1)
apt-get $options update || true         # one of several sources may be unreachable
apt-get $options download busybox-static e2fsprogs libext2fs2 libcom-err2 libc6 libblkid1 libuuid1 libss2 "linux-image-$kernel"
