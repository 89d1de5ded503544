"""The demo's diskette: boot sector, kernel and programs. Needs nasm and a gcc that makes 32-bit x86 code.

The image ends with the kernel; the rest of a 1.44 MB diskette would be empty. The same tools make the same bytes, other
versions may not: demo/built-with.txt names those that made the image.
"""
import subprocess
import tempfile
from pathlib import Path

DEMO = Path(__file__).resolve().parent / "demo"
BUILT_WITH = DEMO / "built-with.txt"
SECTOR = 512
MAX_SIZE = 64 << 10
CC = ["gcc", "-m32", "-march=i486", "-Os", "-std=gnu11", "-ffreestanding", "-fno-pic", "-fno-stack-protector",
      "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-fno-ident", "-mpreferred-stack-boundary=2",
      "-fno-tree-loop-distribute-patterns", "-Wall", "-Wextra", "-Wno-array-bounds", "-c"]
KERNEL = ["-mgeneral-regs-only"]        # the x87 is the programs'
LD = ["ld", "-m", "elf_i386", "--build-id=none", "-z", "noexecstack", "--no-warn-rwx-segments"]


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


def tools():
    """Name and version of each tool of this host, a line each."""
    lines = [subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
             for tool in ("gcc", "ld", "nasm")]
    return "\n".join(lines) + "\n"


def nasm(source, out, *options):
    run("nasm", "-f", "elf32", *options, "-o", out, source)


def link(script, out, objects):
    run(*LD, "-T", script, "-o", f"{out}.elf", *objects)
    run("objcopy", "-O", "binary", f"{out}.elf", out)


def build_program(source, work, library):
    run(*CC, "-o", work / f"{source.stem}.o", source)
    link(DEMO / "prog" / "program.ld", work / f"{source.stem}.bin", [*library[:1], work / f"{source.stem}.o", *library[1:]])


def build_programs(work):
    """NAME.bin of each program, in `work`."""
    library = [work / "start.o", work / "user.o", work / "format_user.o"]
    nasm(DEMO / "prog" / "start.asm", library[0])
    run(*CC, "-o", library[1], DEMO / "prog" / "user.c")
    run(*CC, "-o", library[2], DEMO / "format.c")
    for source in sorted((DEMO / "prog").glob("*.c")):
        if source.stem != "user":
            build_program(source, work, library)


def build_kernel(work):
    """kernel.bin, and kernel.bin.elf with its symbols, in `work`."""
    objects = []
    for source in sorted(DEMO.glob("*.asm")):
        if source.stem != "boot":
            objects.append(work / f"kernel_{source.stem}.o")
            nasm(source, objects[-1], "-I", f"{work}/")
    for source in sorted(DEMO.glob("*.c")):
        objects.append(work / f"kernel_{source.stem}.o")
        run(*CC, *KERNEL, "-o", objects[-1], source)
    link(DEMO / "kernel.ld", work / "kernel.bin", objects)


def demo_image(keep=None):
    """The image's bytes. keep: a directory for what else is made, the kernel's and the programs' ELF files."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(keep or directory).resolve()
        work.mkdir(parents=True, exist_ok=True)
        build_programs(work)
        build_kernel(work)
        kernel = (work / "kernel.bin").read_bytes()
        sectors = -(-len(kernel) // SECTOR)
        run("nasm", "-f", "bin", f"-DKERNEL_SECTORS={sectors}", "-o", work / "boot.bin", DEMO / "boot.asm")
        image = (work / "boot.bin").read_bytes() + kernel.ljust(sectors * SECTOR, b"\0")
    assert len(image) <= MAX_SIZE, f"{len(image)} bytes are more than 64 KiB"
    return image
