"""SeaBIOS and our own BIOS find the drives: they boot a disk and an El Torito CD of ours, and read sectors with INT 13h."""
import shutil
import subprocess

import pytest

from qemu_py import options
from tests.boot.screens import need_seabios
from tests.machines import EXIT, Capture

# Says "booted " at port E9h, reads one sector with INT 13h, AH = 42h, says its first four bytes, exits with the drive's number.
BOOT = """
org 7C00h
        xor ax, ax
        mov ds, ax
        mov [drive], dl
        mov si, message
say:    lodsb
        test al, al
        jz read
        out 0E9h, al
        jmp say
read:   mov ah, 42h
        mov si, packet
        int 13h
        jc done
        mov si, 8000h
        mov cx, 4
data:   lodsb
        out 0E9h, al
        loop data
done:   mov al, [drive]
        mov dx, 0F4h
        out dx, al
        hlt
message: db "booted ", 0
drive:  db 0
align 4
packet: db 16, 0
        dw 1, 8000h, 0
        dq SECTOR
times 510 - ($ - $$) db 0
        dw 0AA55h
"""


@pytest.fixture
def boot_sector(tmp_path):
    if shutil.which("nasm") is None:
        pytest.skip("nasm is not installed")

    def boot_sector(sector):
        source, binary = tmp_path / "boot.asm", tmp_path / "boot.bin"
        source.write_text(BOOT.replace("SECTOR", str(sector)))
        subprocess.run(["nasm", "-f", "bin", "-o", binary, source], check=True)
        return binary.read_bytes()
    return boot_sector


@pytest.fixture
def disk(tmp_path, boot_sector):
    path = tmp_path / "disk.img"
    path.write_bytes((boot_sector(1) + b"DISK").ljust(1 << 20, b"\0"))
    return path


@pytest.fixture
def disc(tmp_path, boot_sector):
    if shutil.which("xorriso") is None:
        pytest.skip("xorriso is not installed")
    tree, path = tmp_path / "tree", tmp_path / "cd.iso"
    tree.mkdir()
    (tree / "boot").write_bytes(boot_sector(16).ljust(2048, b"\0"))     # the volume descriptor: 01h "CD0"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-b", "boot", "-no-emul-boot", "-boot-load-size", "4", "-o", path, tree],
                   check=True, capture_output=True)
    return path


@pytest.fixture(params=["seabios", "bios.bin"])
def boot(request, make_machine):
    """boot(machine, arguments...): (what the boot sector said, the number of the drive that it was started from)"""
    def boot(machine, *arguments):
        if request.param == "seabios":
            need_seabios({"pc": "bios-256k.bin", "isapc": "bios.bin"}[machine])
        parse = options.parse_arguments(arguments)
        console = Capture()
        made = make_machine(machine=machine, bios=request.param, devices=EXIT, debugcons=[console], drives=parse.drives, ram_size=64 << 20,
                            **parse.settings)
        status = made.run()
        return bytes(console.data), status >> 1
    return boot


@pytest.mark.parametrize("machine", ["pc", "isapc"])
@pytest.mark.parametrize("option", ["-hda", "-hdb", "-hdd"])
def test_a_disk_boots(boot, disk, machine, option):
    assert boot(machine, option, str(disk)) == (b"booted DISK", 0x00)     # 80h: its bit 7 is lost in a status


def test_a_cd_boots(boot, disc):
    said, drive = boot("pc", "-cdrom", str(disc))
    assert said == b"booted \x01CD0" and drive >= 0x60


def test_boot_order_decides(boot, disk, disc):
    both = ("-hda", str(disk), "-cdrom", str(disc))
    assert boot("pc", *both, "-boot", "c", "-snapshot")[0] == b"booted DISK"
    assert boot("pc", *both, "-boot", "d", "-snapshot")[0] == b"booted \x01CD0"
    assert boot("pc", *both, "-boot", "order=c,once=d", "-snapshot")[0] == b"booted \x01CD0"
