"""The system BIOS: pc-bios/bios/ through nasm, gcc -m16 and ld. Nothing of the host or the day gets into the image."""
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent / "bios"
TOOLS = ("nasm", "gcc", "ld", "objcopy")
COMPILER = "12.2.0"                     # the gcc of the committed image: another makes other bytes
# Small comes first: with these optimizations off gcc makes less code here.
SMALLER = [f"-fno-{name}" for name in ("expensive-optimizations", "move-loop-invariants", "tree-loop-im", "if-conversion", "forward-propagate",
                                       "caller-saves", "shrink-wrap")]
CFLAGS = ["-m16", "-march=i386", "-Oz", "-std=gnu11", "-ffreestanding", "-fno-pic", "-fno-pie", "-mregparm=3", "-malign-data=abi",
          "-mpreferred-stack-boundary=2", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-toplevel-reorder",
          "-fomit-frame-pointer", "-fno-jump-tables", "-fno-builtin", "-fcf-protection=none", "-fno-strict-aliasing", "-fno-ident",
          "-fno-common", "-fno-tree-loop-distribute-patterns", *SMALLER, "-Wall", "-Wno-parentheses", "-Werror"]
SIZE = 65536


def bios():
    """The image of 64 KiB."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        objects = []
        for source in sorted(HERE.glob("*.asm")):
            objects.append(out / f"{source.stem}_asm.o")
            subprocess.run(["nasm", "-f", "elf32", "-o", objects[-1], source.name], cwd=HERE, check=True)
        for source in sorted(HERE.glob("*.c")):
            objects.append(out / f"{source.stem}.o")
            subprocess.run(["gcc", *CFLAGS, "-c", "-o", objects[-1], source.name], cwd=HERE, check=True)
        subprocess.run(["ld", "-m", "elf_i386", "-T", "layout.ld", "--build-id=none", "-z", "noexecstack", "--no-warn-rwx-segments", "-e", "0", "-o", out / "bios.elf", *objects],
                       cwd=HERE, check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".bios", out / "bios.elf", out / "bios.bin"], check=True)
        image = (out / "bios.bin").read_bytes()
    assert len(image) == SIZE, len(image)
    return image
