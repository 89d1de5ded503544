"""The VGA BIOS: pc-bios/vgabios/ through nasm, gcc -m16 and ld, with the fonts that vgabios/font.py makes."""
import importlib.util
import subprocess
import tempfile
from pathlib import Path

from bios_build import CFLAGS

HERE = Path(__file__).resolve().parent / "vgabios"
# ES is not DS; the stack is the caller's; where gcc 12 merges neighbouring loads or stores, it forgets their address space.
MORE_CFLAGS = ["-mstringop-strategy=libcall", "-fno-store-merging"]
LIMIT = 34 << 10
PCIR_LENGTH = 0x10                      # in the PCI data structure: image length in units of 512 bytes
PMID_CHECKSUM = 19                      # in VBE's protected mode information block: its last byte


def module_of(name):
    spec = importlib.util.spec_from_file_location(f"vgabios_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vgabios():
    """The option ROM."""
    fonts = module_of("font")
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        for height in fonts.HEIGHTS:
            (out / f"font{height}.bin").write_bytes(fonts.font(height))
        (out / "edid.bin").write_bytes(module_of("edid").edid())
        objects = []
        for source in sorted(HERE.glob("*.asm")):
            objects.append(out / f"{source.stem}_asm.o")
            subprocess.run(["nasm", "-f", "elf32", f"-I{out}/", "-o", objects[-1], source.name], cwd=HERE, check=True)
        for source in sorted(HERE.glob("*.c")):
            objects.append(out / f"{source.stem}.o")
            subprocess.run(["gcc", *CFLAGS, *MORE_CFLAGS, "-c", "-o", objects[-1], source.name], cwd=HERE, check=True)
        subprocess.run(["ld", "-m", "elf_i386", "-T", "layout.ld", "--build-id=none", "-z", "noexecstack", "--no-warn-rwx-segments",
                        "-e", "0", "-o", out / "vgabios.elf", *objects], cwd=HERE, check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".vgabios", out / "vgabios.elf", out / "vgabios.bin"], check=True)
        image = bytearray((out / "vgabios.bin").read_bytes())
    return finish(image)


def finish(image):
    """The image's length in its two headers, its checksum in its last byte."""
    if image[-1]:
        image += bytes(512)
    image += bytes(-len(image) % 512)
    assert len(image) <= LIMIT, f"{len(image)} bytes"
    image[2] = len(image) // 512
    pcir = int.from_bytes(image[0x18:0x1A], "little")
    assert image[pcir:pcir + 4] == b"PCIR"
    image[pcir + PCIR_LENGTH] = image[2]
    pmid = image.index(b"PMID")
    image[pmid + PMID_CHECKSUM] = -sum(image[pmid:pmid + PMID_CHECKSUM]) & 0xFF
    image[-1] = -sum(image) & 0xFF
    return bytes(image)
