#!/bin/sh
# Install the Debian packages that the tests use beyond Python and a compiler (as root). A test whose
# package is missing skips and names it.
set -eu
packages="gcc-multilib nasm qemu-system-x86 seabios memtest86+ ipxe isolinux syslinux-common grub-pc-bin grub-common xorriso mtools acpica-tools cpio e2fsprogs
    debian-installer-12-netboot-i386"
missing=""
for package in $packages; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing
fi
