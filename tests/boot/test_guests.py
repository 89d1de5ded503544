"""Real systems that show a text screen: memtest86+, iPXE, isolinux, GRUB, with the same screen under
SeaBIOS and under our own BIOS, and with either VGA BIOS; the Debian installer.

From Debian's packages memtest86+, ipxe, isolinux, syslinux-common, grub-pc-bin, xorriso and
debian-installer-12-netboot-i386; what is missing is skipped by name.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from qemu_py.machine.demo import DEMO_IMAGE
from qemu_py.machine.drives import simple_drive
from tests.boot.screens import Watch, keys, need_seabios

ISOLINUX = Path("/usr/lib/ISOLINUX/isolinux.bin")
LDLINUX = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")
MEMTEST = Path("/boot/memtest86+ia32.bin")
IPXE = Path("/usr/lib/ipxe/ipxe.lkrn")
IPXE_ISO = Path("/usr/lib/ipxe/ipxe.iso")
GRUB = Path("/usr/lib/grub/i386-pc")
THEIR_VGA = "vgabios-stdvga.bin"
DEBIAN = Path("/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386")


def need(path, package):
    if not Path(path).exists():
        pytest.skip(f"{path} (Debian's package {package}) is not installed")


def need_program(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


@pytest.fixture
def watch(make_machine):
    """The guest's screen, which has to be the same under SeaBIOS and under our BIOS, each with our VGA BIOS and with SeaBIOS'.

    begin: in the first line that is the guest's own. differs: what times and memory sizes make of a line."""
    need_seabios("bios-256k.bin", THEIR_VGA)

    def watch(*steps, drive, begin, differs=(), ram=64):
        screens = []
        for bios, rom in (("seabios", THEIR_VGA), ("seabios", "vgabios.bin"), ("bios.bin", "vgabios.bin")):
            machine = make_machine(bios=bios, globals={("VGA", "romfile"): rom}, drives=[simple_drive(*drive)], ram_size=ram << 20)
            screen = Watch(machine, *[step if isinstance(step, tuple) else (step, None) for step in steps]).run()
            machine.close()
            screen = screen[next(n for n, line in enumerate(screen) if begin in line):]
            while screen and not screen[-1]:
                screen.pop()
            screens.append(["" if any(re.search(pattern, line) for pattern in differs) else line for line in screen])
        assert screens[0] == screens[1] == screens[2]
        return screen
    return watch


@pytest.fixture
def isolinux_cd(tmp_path):
    """A CD with isolinux that boots `kernel` when one is given; else it prompts."""
    need(ISOLINUX, "isolinux")
    need(LDLINUX, "syslinux-common")
    need_program("xorriso")

    def isolinux_cd(kernel=None):
        tree = tmp_path / "tree"
        tree.mkdir()
        shutil.copy(ISOLINUX, tree)
        shutil.copy(LDLINUX, tree)
        lines = ["PROMPT 1", "SAY hello from isolinux"]
        if kernel:
            shutil.copy(kernel, tree / "guest")
            lines = ["DEFAULT guest", "LABEL guest", "  LINUX /guest"]
        (tree / "isolinux.cfg").write_text("\n".join(lines) + "\n")
        path = tmp_path / "cd.iso"
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot",
                        "-boot-load-size", "4", "-boot-info-table", "-o", path, tree], check=True, capture_output=True)
        return ("-cdrom", str(path), "ide", 2, "cdrom")
    return isolinux_cd


def test_isolinux_prompts_and_takes_a_line(watch, isolinux_cd):
    screen = watch("hello from isolinux", ("boot:", keys("x", "y")), "boot: xy", drive=isolinux_cd(), begin="ISOLINUX 6.")
    assert screen[1:] == ["hello from isolinux", "boot: xy"]


def test_memtest_from_an_isolinux_cd_finds_no_error(watch, isolinux_cd):
    need(MEMTEST, "memtest86+")
    text = "\n".join(watch("Memtest86+", "Test #3", drive=isolinux_cd(MEMTEST), ram=32, begin="Memtest86+",
                           differs=("^CLK", "GB/s", "Testing", "Time:", "Standard PC", "Test [ 0-9]*%", "Pass [ 0-9]*%", "L[123] Cache")))
    assert re.search(r"Errors:\s+0\b", text), text


@pytest.mark.skipif("QEMU_PY_FULL_MEMTEST" not in os.environ, reason="QEMU_PY_FULL_MEMTEST is not set: a whole pass of memtest86+ takes minutes")
def test_memtest_finds_no_error_in_a_whole_pass_over_32_mib(make_machine, isolinux_cd):
    """With what is in the package: our BIOS and VGA BIOS."""
    need(MEMTEST, "memtest86+")
    machine = make_machine(machine="pc", bios=None, ram_size=32 << 20, drives=[simple_drive(*isolinux_cd(MEMTEST))])
    text = "\n".join(Watch(machine, ("Memtest86+", None), ("Pass:  1", None)).run())
    assert re.search(r"Errors:\s+0\b", text) and "Status: Pass" in text, text


def test_ipxe_from_its_cd_comes_to_its_prompt(watch):
    need(IPXE_ISO, "ipxe")
    watch(("Ctrl-B", keys("ctrl-b")), "iPXE>", drive=("-cdrom", str(IPXE_ISO), "ide", 2, "cdrom"), begin="ISOLINUX")


def test_ipxe_lkrn_from_an_isolinux_cd_comes_to_its_prompt(watch, isolinux_cd):
    need(IPXE, "ipxe")
    watch(("Ctrl-B", keys("ctrl-b")), "iPXE>", drive=isolinux_cd(IPXE), begin="ISOLINUX")


def grub_core(tmp_path, prefix, *modules):
    need(GRUB / "boot.img", "grub-pc-bin")
    need_program("grub-mkimage")
    core = tmp_path / "core.img"
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-o", core, "-p", prefix, "biosdisk", "normal", "ls", "minicmd", *modules],
                   check=True, capture_output=True)
    return (GRUB / "boot.img").read_bytes()[:510] + b"\x55\xaa" + core.read_bytes()


def test_a_grub_floppy_comes_to_its_prompt_and_lists_the_drive(watch, tmp_path):
    """boot.img in the first sector and the core behind it, on 1.44 MB; DL is left as the BIOS gave it."""
    path = tmp_path / "floppy.img"
    path.write_bytes(grub_core(tmp_path, "(fd0)/boot").ljust(1440 << 10, b"\0"))
    watch(("grub>", keys("l", "s", "ret")), ("(fd0)", keys("x")), "grub> x", drive=("-fda", str(path), "floppy", 0), begin="GNU GRUB")


def test_a_grub_disk_comes_to_its_prompt_and_lists_the_drive(watch, tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(grub_core(tmp_path, "(hd0)/boot", "part_msdos").ljust(4 << 20, b"\0"))
    watch(("grub>", keys("l", "s", "ret")), ("(hd0)", keys("x")), "grub> x", drive=("-hda", str(path), "ide", 0), begin="GNU GRUB")


def test_a_grub_cd_comes_to_its_prompt_and_lists_the_disc(watch, tmp_path):
    need(GRUB / "boot.img", "grub-pc-bin")
    need_program("grub-mkrescue")
    need_program("xorriso")
    tree, path = tmp_path / "tree", tmp_path / "cd.iso"
    tree.mkdir()
    subprocess.run(["grub-mkrescue", "-o", path, tree], check=True, capture_output=True)
    watch(("grub>", keys("l", "s", "ret")), ("(cd)", keys("x")), "grub> x", drive=("-cdrom", str(path), "ide", 2, "cdrom"), begin="GNU GRUB")


def test_the_demo_s_diskette_on_a_cd_is_a_drive(watch, tmp_path):
    """As mkisofs lays an image of 1.44 MB: El Torito's diskette emulation."""
    need_program("xorriso")
    tree, path = tmp_path / "tree", tmp_path / "cd.iso"
    tree.mkdir()
    (tree / "demo.img").write_bytes(Path(DEMO_IMAGE).read_bytes().ljust(1440 << 10, b"\0"))
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-b", "demo.img", "-c", "boot.cat", "-o", path, tree], check=True, capture_output=True)
    watch(("demo>", keys("p", "c", "i", "ret")), ("VGA adapter", keys("x")), "demo> x", drive=("-cdrom", str(path), "ide", 2, "cdrom"), begin="demo: a small",
          differs=("up 00:00", "KiB of memory"))


def test_the_debian_installer_asks_for_its_language_on_the_screen(make_machine):
    """Without the kernel's driver for our display, which would leave the text mode."""
    need(DEBIAN / "linux", "debian-installer-12-netboot-i386")
    machine = make_machine(machine="pc", bios=None, kernel=str(DEBIAN / "linux"), initrd=str(DEBIAN / "initrd.gz"), ram_size=512 << 20,
                           append="modprobe.blacklist=bochs")
    Watch(machine, ("Select a language", None), ("English", None)).run()


def test_the_debian_installer_from_a_grub_cd_asks_for_its_language(make_machine, tmp_path):
    """With what is in the package: our BIOS and VGA BIOS. GRUB reads kernel and initrd through INT 13h."""
    need(DEBIAN / "linux", "debian-installer-12-netboot-i386")
    need_program("grub-mkrescue")
    need_program("xorriso")
    tree, image = tmp_path / "tree", tmp_path / "cd.iso"
    (tree / "boot" / "grub").mkdir(parents=True)
    for name in ("linux", "initrd.gz"):
        shutil.copy(DEBIAN / name, tree)
    (tree / "boot" / "grub" / "grub.cfg").write_text("linux /linux modprobe.blacklist=bochs\ninitrd /initrd.gz\nboot\n")
    subprocess.run(["grub-mkrescue", "-o", image, tree], check=True, capture_output=True)
    machine = make_machine(machine="pc", bios=None, ram_size=512 << 20, drives=[simple_drive("-cdrom", str(image), "ide", 2, "cdrom")])
    Watch(machine, ("Select a language", None), ("English", None)).run()
