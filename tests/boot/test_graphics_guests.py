"""Real systems that ask VBE for a graphics mode: GRUB, isolinux' menu, a Linux kernel with vga=; what they draw is looked at.

From Debian's packages grub-pc-bin, grub-common, isolinux, syslinux-common, xorriso and debian-installer-12-netboot-i386;
what is missing is skipped by name.
"""
import shutil
import subprocess

import numpy as np
import pytest

from qemu_py.machine.drives import simple_drive
from tests.boot.screens import need_seabios, picture_when, still_picture
from tests.boot.test_guests import DEBIAN, ISOLINUX, LDLINUX, THEIR_VGA, need, need_program

FIRMWARE = [("seabios", THEIR_VGA), ("seabios", "vgabios.bin"), ("bios.bin", "vgabios.bin")]
GRUB_CONFIG = """
insmod vbe
insmod gfxterm
insmod font
loadfont unicode
set gfxmode=800x600x16
terminal_output gfxterm
set color_normal=yellow/blue
clear
echo "GRUB in graphics"
sleep 100000
"""
MENU_CONFIG = """
DEFAULT vesamenu.c32
PROMPT 0
MENU TITLE A menu in graphics
LABEL one
  MENU LABEL The first entry
  LINUX /none
"""


@pytest.fixture
def look(make_machine):
    def look(bios, rom, path, done=None):
        machine = make_machine(bios=bios, globals={("VGA", "romfile"): rom}, ram_size=64 << 20,
                               drives=[simple_drive("-cdrom", str(path), "ide", 2, "cdrom")])
        picture = picture_when(machine, done) if done else still_picture(machine)
        machine.close()
        return picture
    return look


def test_grub_draws_the_same_with_either_vga_bios(look, tmp_path):
    need_seabios("bios-256k.bin", THEIR_VGA)
    need("/usr/lib/grub/i386-pc/vbe.mod", "grub-pc-bin")
    need("/usr/share/grub/unicode.pf2", "grub-common")
    need_program("grub-mkrescue")
    need_program("xorriso")
    tree = tmp_path / "tree"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_text(GRUB_CONFIG)
    subprocess.run(["grub-mkrescue", "-o", tmp_path / "cd.iso", tree], check=True, capture_output=True)
    first = look(*FIRMWARE[0], tmp_path / "cd.iso")
    assert first.shape == (600, 800, 3)
    for bios, rom in FIRMWARE[1:]:
        look(bios, rom, tmp_path / "cd.iso", lambda picture: picture.shape == first.shape and (picture == first).all())


def test_isolinux_menu_in_graphics_uses_the_image_s_font(look, tmp_path):
    need(ISOLINUX, "isolinux")
    need(LDLINUX, "syslinux-common")
    need_program("xorriso")
    tree = tmp_path / "tree"
    tree.mkdir()
    shutil.copy(ISOLINUX, tree)
    for name in ("ldlinux.c32", "vesamenu.c32", "libcom32.c32", "libutil.c32", "menu.c32"):
        shutil.copy(LDLINUX.parent / name, tree)
    (tree / "isolinux.cfg").write_text(MENU_CONFIG)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot",
                    "-boot-load-size", "4", "-boot-info-table", "-o", tmp_path / "cd.iso", tree], check=True, capture_output=True)
    picture = look("bios.bin", "vgabios.bin", tmp_path / "cd.iso")
    assert picture.shape == (480, 640, 3)
    from qemu_py.machine.pc_vga import font_16
    letter = np.unpackbits(np.frombuffer(font_16()[ord("A")], np.uint8)[:, None], axis=1).astype(bool)
    cell = picture[24:40, 248:256].astype(int)          # the title's first letter
    ink, paper = cell[letter], cell[~letter]
    assert (abs(ink - ink[0]) < 24).all() and not (abs(paper - ink[0]) < 24).all(axis=1).any()         # it is translucent


def test_the_debian_installer_asks_in_a_vesa_mode(make_machine):
    """vga=0x317: 1024 x 768, which the boot code sets and the kernel draws on; the newt dialogue: grey, a red line."""
    need(DEBIAN / "linux", "debian-installer-12-netboot-i386")
    machine = make_machine(machine="pc", bios="bios.bin", kernel=str(DEBIAN / "linux"), initrd=str(DEBIAN / "initrd.gz"), ram_size=512 << 20,
                           append="vga=0x317 modprobe.blacklist=bochs")

    def language_list(picture):
        grey, red = (picture[:, :, n].astype(int) for n in (1, 0))
        return ((grey > 160) & (red > 160)).sum() > 400_000 and ((grey < 10) & (red > 160)).sum() > 4_000
    assert picture_when(machine, language_list).shape == (768, 1024, 3)
