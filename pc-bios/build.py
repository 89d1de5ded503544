"""Build the firmware images from their sources: python pc-bios/build.py [--check].

--check compares with what is committed instead of writing it; status 1 where they differ. Needs nasm, gcc and binutils.
What gcc makes is compared only where its version is the one that made the image.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import demo_image
from bios_build import bios
from vgabios_build import vgabios

HERE = Path(__file__).resolve().parent
ROMS = HERE.parent / "qemu_py" / "machine" / "roms"
PNP_POINTER, PNP_SIZE, PNP_CHECKSUM = 0x1A, 32, 9


def assemble(source):
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out.bin"
        subprocess.run(["nasm", "-f", "bin", "-o", str(out), str(source)], check=True)
        return bytearray(out.read_bytes())


def option_rom(source):
    """An option ROM with its checksums: the Plug and Play header's, and the whole image's in its last byte."""
    image = assemble(source)
    pnp = int.from_bytes(image[PNP_POINTER:PNP_POINTER + 2], "little")
    image[pnp + PNP_CHECKSUM] = -sum(image[pnp:pnp + PNP_SIZE]) & 0xFF
    assert image[-1] == 0
    image[-1] = -sum(image) & 0xFF
    return bytes(image)


IMAGES = {"linuxboot.bin": lambda: option_rom(HERE / "linuxboot.asm"), "bios.bin": bios,
          "vgabios.bin": vgabios, "demo.img": demo_image.demo_image}
BUILT_WITH = {"demo.img": demo_image}   # modules that note their tools' versions


def main(arguments):
    different = []
    for name, build in IMAGES.items():
        module = BUILT_WITH.get(name)
        if module is not None and "--check" not in arguments:
            module.BUILT_WITH.write_text(module.tools())
        elif module is not None and module.BUILT_WITH.read_text() != module.tools():
            print(f"{name} is not compared: it was built with other versions ({module.BUILT_WITH.relative_to(HERE)})")
            continue
        image, path = build(), ROMS / name
        if "--check" not in arguments:
            path.write_bytes(image)
        elif not path.exists() or path.read_bytes() != image:
            different.append(name)
    for name in different:
        print(f"{name} does not match its source")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
