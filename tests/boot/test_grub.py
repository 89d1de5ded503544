"""GRUB, from Debian's package `grub-pc-bin`, started from a CD and from a disk by SeaBIOS and by our own BIOS."""
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.boot.screens import need_seabios
from tests.boot.test_seabios import Watched

GRUB = Path("/usr/lib/grub/i386-pc")
DEBIAN = Path("/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386")
SCRIPT = "serial --unit=0 --speed=115200\nterminal_output serial\necho \"booted from $root\"\nls\necho goodbye\nhalt\n"


@pytest.fixture(params=["seabios", "bios.bin"])
def start(request, make_machine):
    """Boot from a drive of the command line's kind; what appears on the first serial port, and the exit status."""
    bios = request.param
    if bios == "seabios":
        need_seabios("bios-256k.bin")

    def start(option, path, interface, index, media="disk", until=None, **config):
        from qemu_py.machine.drives import simple_drive
        serial = Watched(*([(until, lambda: machine.request_exit(7))] if until is not None else []))
        machine = make_machine(bios=bios, serials=[serial], drives=[simple_drive(option, str(path), interface, index, media)],
                               **({"ram_size": 64 << 20} | config))
        return machine.run(), serial.data.decode("latin1")
    return start


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if not GRUB.is_dir():
        pytest.skip("GRUB's i386-pc modules (Debian's package grub-pc-bin) are not installed")


def core_image(tmp_path, prefix, *modules):
    """GRUB's core with a script in it."""
    config = tmp_path / "embedded.cfg"
    config.write_text(SCRIPT)
    image = tmp_path / "core.img"
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-o", str(image), "-p", prefix, "-c", str(config), "serial", "terminal",
                    "echo", "halt", "ls", "acpi", *modules], check=True, capture_output=True)
    return image.read_bytes()


def test_a_rescue_cd_boots_and_powers_off(start, tmp_path):
    need("grub-mkrescue", "xorriso")
    tree = tmp_path / "tree" / "boot" / "grub"
    tree.mkdir(parents=True)
    (tree / "grub.cfg").write_text(SCRIPT)
    image = tmp_path / "rescue.iso"
    subprocess.run(["grub-mkrescue", "-o", str(image), str(tmp_path / "tree")], check=True, capture_output=True)
    status, text = start("-cdrom", image, "ide", 2, "cdrom")
    assert "booted from" in text and "(cd)" in text, text
    assert "goodbye" in text and status == 0


def test_a_rescue_cd_loads_debian_s_kernel(start, tmp_path):
    """The installer's, with its initrd of 30 MB, read through INT 13h."""
    need("grub-mkrescue", "xorriso")
    if not (DEBIAN / "linux").exists():
        pytest.skip("Debian's package debian-installer-12-netboot-i386 is not installed")
    tree, image = tmp_path / "tree", tmp_path / "rescue.iso"
    (tree / "boot" / "grub").mkdir(parents=True)
    for name in ("linux", "initrd.gz"):
        shutil.copy(DEBIAN / name, tree)
    (tree / "boot" / "grub" / "grub.cfg").write_text("linux /linux console=ttyS0 rdinit=/bin/sh\ninitrd /initrd.gz\nboot\n")
    subprocess.run(["grub-mkrescue", "-o", str(image), str(tree)], check=True, capture_output=True)
    status, text = start("-cdrom", image, "ide", 2, "cdrom", until=b"Freeing initrd memory", ram_size=256 << 20)
    assert status == 7 and "Linux version 6." in text, text


def test_a_disk_boots_and_powers_off(start, tmp_path):
    """boot.img in the first sector, the core from the second on: as grub-install lays them."""
    need("grub-mkimage")
    core = core_image(tmp_path, "(hd0)/boot", "biosdisk", "part_msdos")
    disk = tmp_path / "disk.img"
    boot = bytearray((GRUB / "boot.img").read_bytes()[:510] + b"\x55\xaa")
    disk.write_bytes((bytes(boot) + core).ljust(4 << 20, b"\0"))
    status, text = start("-hda", disk, "ide", 0, boot_order="c")
    assert "booted from" in text and "(hd0)" in text, text
    assert "goodbye" in text and status == 0
