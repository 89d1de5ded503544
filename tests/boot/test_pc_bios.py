"""Our own firmware images are what their sources say, and are proper option ROMs."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qemu_py.machine.linux_boot import ROM_PATH

BUILD = Path(__file__).resolve().parents[2] / "pc-bios" / "build.py"
sys.path.insert(0, str(BUILD.parent))
import bios_build                       # noqa: E402


def test_the_images_rebuild_to_the_same_bytes():
    for tool in bios_build.TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    version = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    if version != bios_build.COMPILER:
        pytest.skip(f"gcc is {version}; the committed image is from {bios_build.COMPILER}")
    run = subprocess.run([sys.executable, str(BUILD), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_linuxboot_is_a_plug_and_play_option_rom():
    rom = Path(ROM_PATH).read_bytes()
    assert rom[:2] == b"\x55\xaa" and len(rom) == rom[2] * 512
    assert sum(rom) & 0xFF == 0
    at = int.from_bytes(rom[0x1A:0x1C], "little")
    header = rom[at:at + 32]
    assert header[:5] == b"$PnP\x01" and header[5] == 2 and sum(header) & 0xFF == 0
    product = int.from_bytes(header[16:18], "little")
    assert rom[product:].startswith(b"Linux loader ROM\0")
    assert 0 < int.from_bytes(header[26:28], "little") < len(rom)       # the bootstrap entry vector


def test_vgabios_is_the_option_rom_of_our_display_adapter():
    """PCI Firmware Specification 3.0, 5.1: the PCI data structure; at 1Eh what programs look for in an EGA's ROM."""
    rom = (Path(ROM_PATH).parent / "vgabios.bin").read_bytes()
    assert rom[:2] == b"\x55\xaa" and len(rom) == rom[2] * 512 <= 34 << 10
    assert sum(rom) & 0xFF == 0
    assert rom[0x1E:0x21] == b"IBM"
    at = int.from_bytes(rom[0x18:0x1A], "little")
    assert at % 4 == 0 and rom[at:at + 8] == b"PCIR\x34\x12\x11\x11"
    assert rom[at + 0x0A] == 0x18 and rom[at + 0x0D:at + 0x10] == b"\0\0\x03"
    assert rom[at + 0x10] == rom[2] and rom[at + 0x15] == 0x80


def test_the_bios_has_no_signature_by_accident():
    """On paragraphs, where systems look for tables, are those two only whose contents POST fills in."""
    image = (Path(ROM_PATH).parent / "bios.bin").read_bytes()
    found = [image[at:at + 4] for at in range(0, len(image), 16)]
    assert found.count(b"_32_") == found.count(b"$PIR") == 1
    assert not any(signature in found for signature in (b"_MP_", b"_SM_", b"$PMM", b"_DMI", b"$PnP", b"RSD ", b"PCMP"))
