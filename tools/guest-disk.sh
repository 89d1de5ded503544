#!/bin/sh
# Make a disk image of Debian 12 for the i386 that boots by GRUB to a login prompt on screen and serial line (as root).
#   sh tools/guest-disk.sh DIRECTORY            writes DIRECTORY/disk.img; the user is root, the password secret
# The screen stays in text mode: the kernel's driver for our display, bochs, is left out.
# Debian's packages debootstrap, e2fsprogs, grub-common and grub-pc-bin; the host must be able to run i386 programs.
set -eu
directory=$1
root=$directory/root
mkdir -p "$directory"
[ -d "$root" ] || debootstrap --arch=i386 --variant=minbase --include=linux-image-686,systemd-sysv,udev bookworm "$root"
echo "root:secret" | chroot "$root" chpasswd
echo guest > "$root/etc/hostname"
echo "/dev/sda1 / ext4 defaults 0 1" > "$root/etc/fstab"
mkdir -p "$root/etc/systemd/system/getty.target.wants" "$root/boot/grub"
ln -sf /lib/systemd/system/serial-getty@.service "$root/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"
kernel=$(basename "$root"/boot/vmlinuz-* | sed 's/vmlinuz-//')
cat > "$root/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_output console serial
set timeout=1
menuentry "Debian" {
    linux /boot/vmlinuz-$kernel root=/dev/sda1 ro console=ttyS0 console=tty0 modprobe.blacklist=bochs
    initrd /boot/initrd.img-$kernel
}
END
rm -f "$root"/var/cache/apt/archives/*.deb
cd "$directory"
rm -f fs.img disk.img
truncate -s 1500M fs.img
PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -d root fs.img
grub-mkimage -O i386-pc -o core.img -p "(hd0,msdos1)/boot/grub" biosdisk part_msdos ext2 normal linux serial terminal echo search halt
# As grub-install lays them: boot.img's code in the first sector, the core between it and the partition at 1 MiB.
python3 - <<'END'
import os
import struct
core = open("core.img", "rb").read()
sectors = os.path.getsize("fs.img") // 512
mbr = bytearray(open("/usr/lib/grub/i386-pc/boot.img", "rb").read()[:440].ljust(512, b"\0"))
mbr[446:462] = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", 2048, sectors)
mbr[510:] = b"\x55\xaa"
assert len(core) <= 2047 * 512
with open("disk.img", "wb") as disk:
    disk.write(mbr + core)
END
dd if=fs.img of=disk.img bs=1M seek=1 conv=notrunc,sparse status=none
truncate -s 1501M disk.img
rm fs.img core.img
