"""How fast a guest's disk is: `rep ins` and `rep outs` at the data register, and bus-master DMA; the image is in the host's cache.

    python -m tests.devices.disk_rates [--engine interp|tier1] [--loop threads|single] [--mib 256] [--only DMA]

Prints megabytes (10^6 bytes) a second of each way, the best of three runs. docs/PERFORMANCE.md has the figures.
"""
import argparse
import tempfile
import time
from pathlib import Path

from qemu_py.machine.config import MachineConfig
from qemu_py.machine.drives import simple_drive
from qemu_py.machine.machine import Machine
from tests.boot.kernels import elf
from tests.guest import asm
from tests.machines import EXIT, Capture

ENGINES = {"interp": None, "tier1": 1}
BUFFER, TABLE, BMIDE = 0x800000, 0x700000, 0xC000
DISK = 64 << 20
SECTORS = DISK // 512
READ_MULTIPLE, WRITE_MULTIPLE, READ_DMA, WRITE_DMA, READ_DMA_EXT, WRITE_DMA_EXT = 0xC4, 0xC5, 0xC8, 0xCA, 0x25, 0x35
MULTIPLE = 16                           # sectors of a block of READ MULTIPLE

MARK = "mov al, '!'; out 0xe9, al"
DONE = "mov eax, 0; mov dx, 0xf4; out dx, eax; halt: hlt; jmp halt"
# Function 1.1: BAR 4 at BMIDE; I/O decoded, bus mastering on
MASTER = "; ".join(f"mov dx, 0xcf8; mov eax, {0x80000900 | register}; out dx, eax; mov dx, 0xcfc; mov eax, {value}; out dx, eax"
                   for register, value in ((0x20, BMIDE), (0x04, 5)))


def address(count, extended=False):
    """The command block for the sector EBX."""
    if extended:
        high = f"mov dx, 0x1f2; mov al, {count >> 8}; out dx, al; inc dx; mov eax, ebx; shr eax, 24; out dx, al; inc dx; xor al, al; out dx, al;" \
               " inc dx; out dx, al; "
        device = "mov al, 0x40"
    else:
        high, device = "", "mov eax, ebx; shr eax, 24; or al, 0xe0"
    return (f"{high}mov dx, 0x1f2; mov al, {count & 0xFF}; out dx, al; inc dx; mov eax, ebx; out dx, al; inc dx; shr eax, 8; out dx, al;"
            f" inc dx; shr eax, 8; out dx, al; inc dx; {device}; out dx, al; inc dx")


def loop(body, count, times, setup="nop"):
    """Commands of `count` sectors, `times` of them, over the disk and again."""
    return elf(asm(f"cld; {setup}; {MARK}; mov ebp, {times}; xor ebx, ebx; next: {body}; add ebx, {count}; cmp ebx, {SECTORS}; jb within;"
                   f" xor ebx, ebx; within: dec ebp; jnz next; {MARK}; failed: {DONE}", 0x100030))


def pio(command, width, megabytes):
    words = MULTIPLE * 512 // width
    string = f"rep {'ins' if command == READ_MULTIPLE else 'outs'}{'wd'[width // 4]}"
    body = (f"{address(256)}; mov al, {command}; out dx, al; push ebp; mov ebp, {256 // MULTIPLE}; mov edi, {BUFFER}; mov esi, edi;"
            f" block: mov dx, 0x1f7; wait: in al, dx; test al, 0x80; jnz wait; mov dx, 0x1f0; mov ecx, {words}; {string};"
            " dec ebp; jnz block; pop ebp; mov dx, 0x1f7; last: in al, dx; test al, 0x80; jnz last")
    return loop(body, 256, megabytes * 8)


def dma(command, count, megabytes):
    regions = count * 512 >> 16
    build = f"mov edi, {TABLE}; mov eax, {BUFFER}; mov ecx, {regions}; prd: mov [edi], eax; mov dword ptr [edi+4], 0; add edi, 8;" \
            " add eax, 0x10000; dec ecx; jnz prd; mov dword ptr [edi-4], 0x80000000"
    direction = 8 if command in (READ_DMA, READ_DMA_EXT) else 0
    body = (f"{build}; mov dx, {BMIDE + 4}; mov eax, {TABLE}; out dx, eax; mov dx, {BMIDE + 2}; mov al, 6; out dx, al;"
            f" mov dx, {BMIDE}; mov al, {direction}; out dx, al; {address(count, command in (READ_DMA_EXT, WRITE_DMA_EXT))}; mov al, {command};"
            f" out dx, al; mov dx, {BMIDE}; mov al, {direction | 1}; out dx, al; mov dx, {BMIDE + 2}; wait: in al, dx; test al, 4; jz wait;"
            f" mov dx, {BMIDE}; xor al, al; out dx, al; mov dx, 0x1f7; in al, dx; test al, 0x81; jnz failed")
    return loop(body, count, megabytes * 2048 // count, MASTER)


WAYS = {
    "rep insw": lambda megabytes: pio(READ_MULTIPLE, 2, megabytes), "rep insd": lambda megabytes: pio(READ_MULTIPLE, 4, megabytes),
    "rep outsw": lambda megabytes: pio(WRITE_MULTIPLE, 2, megabytes), "rep outsd": lambda megabytes: pio(WRITE_MULTIPLE, 4, megabytes),
    "DMA read, 128 KiB a command": lambda megabytes: dma(READ_DMA, 0x100, megabytes),
    "DMA write, 128 KiB a command": lambda megabytes: dma(WRITE_DMA, 0x100, megabytes),
    "DMA read, 1 MiB a command": lambda megabytes: dma(READ_DMA_EXT, 0x800, megabytes),
    "DMA write, 1 MiB a command": lambda megabytes: dma(WRITE_DMA_EXT, 0x800, megabytes)}


class Marks(Capture):
    """Notes when the guest says something."""

    def __init__(self):
        super().__init__()
        self.times = []

    def write(self, data):
        self.times.append(time.perf_counter())
        return super().write(data)


def run(way, megabytes, engine="interp", loop="threads", image=None, at_the_end=None):
    """MB/s of one way. AssertionError when the guest met an error. at_the_end(machine) is called before it is closed."""
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        (directory / "kernel").write_bytes(WAYS[way](megabytes))
        if image is None:
            image = directory / "disk"
            image.write_bytes(bytes(DISK))
        marks = Marks()
        machine = Machine(MachineConfig(ram_size=32 << 20, kernel=str(directory / "kernel"), debugcons=[marks], devices=EXIT, tier=ENGINES[engine],
                                        single_loop=loop == "single", drives=[simple_drive("-hda", str(image), "ide", 0)]))
        if at_the_end is not None:
            machine.close_handlers.append(lambda: at_the_end(machine))
        assert machine.run() == 1
    assert len(marks.times) == 2, "the disk gave an error"
    return megabytes * (1 << 20) / 1e6 / (marks.times[1] - marks.times[0])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="interp")
    parser.add_argument("--loop", choices=("threads", "single"), default="threads")
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args(arguments)
    for way in WAYS:
        if options.only in way:
            print(f"{way:<32} {max(run(way, options.mib, options.engine, options.loop) for _ in range(options.tries)):8.0f} MB/s", flush=True)


if __name__ == "__main__":
    main()
