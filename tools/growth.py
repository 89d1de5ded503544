"""How the engine's costs grow: with the size of the code, of the working set, of the translation cache; and its resident memory.

    python tools/growth.py code                 translating cold code of 1 KiB to 16 MiB
    python tools/growth.py tlb                  one access a page, over 64 KiB to 1 GiB of linear addresses
    python tools/growth.py cache                code of 1 MiB, again and again, with a tb-size of 256 KiB to 64 MiB
    python tools/growth.py rss --until TEXT -- OPTIONS      peak memory of qemu-py and of qemu-system-i386 for one guest

The first three write docs/growth-NAME.svg, and each prints its figures as a Markdown table. Processor time, best of several tries.
"""
import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from qemu_py import CPU
from qemu_py.util.accel import TCG_TIER
from svgplot import chart

DOCS = Path(__file__).resolve().parent.parent / "docs"
TIER = TCG_TIER                         # runs after which the second engine compiles
ENGINES = {"interpreter": None, f"host code (tier={TIER})": TIER}
BASE = 1 << 20                          # where code begins
COUNTER = 0x9000
FORMS = [bytes.fromhex(h) for h in ("01d8", "89442408", "8b5c2404", "83c005", "31d2", "8d445810", "0fb6c3", "c1e003", "85c07400",
                                    "5059", "0578563412")]
COUNTS = {"85c07400": 2, "5059": 2}     # instructions of a form, where not one


def size_text(n):
    for unit, name in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if n >= unit:
            return f"{n // unit}{name}"
    return str(n)


def cold_code(size):
    """(code of that size, which ends in HLT, instructions)"""
    rng = random.Random(size)
    code, instructions = bytearray(), 1
    while len(code) < size - 8:
        form = rng.choice(FORMS)
        code += form
        instructions += COUNTS.get(form.hex(), 1)
    return bytes(code) + b"\xf4", instructions


def best(function, tries=5):
    return min(function() for _ in range(tries))


def sizes(first, last, factor=4):
    while first <= last:
        yield first
        first *= factor


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    print("\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]))


def write_chart(name, *arguments):
    path = DOCS / f"growth-{name}.svg"
    path.write_text(chart(*arguments))
    print(f"\nwritten: {path}")


def code():
    """Fresh code, run once: decode, IR, passes, look-up, one run."""
    curve, rows = [], []
    for size in sizes(1 << 10, 16 << 20):
        text, instructions = cold_code(size)

        def run():
            cpu = CPU("qemu32", ram=32 << 20, tb_size=1 << 30)
            cpu.write(BASE, text)
            cpu.eip, cpu.esp = BASE, 0x80000
            begun = time.thread_time()
            assert cpu.run().reason == "hlt"
            return time.thread_time() - begun
        ns = best(run, 20 if size < 1 << 20 else 3) / instructions * 1e9
        curve.append((size, ns))
        rows.append((size_text(size), f"{ns:.0f}", f"{size / instructions / ns * 1e3:.0f}"))
    table(("code, bytes", "ns an instruction", "MB of code a second"), rows)
    write_chart("code", "Cold code, run once", "bytes of code", "ns an instruction", {"translate and run": curve}, size_text)


PAGE_DIRECTORY, PAGE_TABLES, FRAMES, WINDOW = 0x100000, 0x200000, 16 << 20, 0x40000000
NFRAMES = (64 << 20) // 4096


def paged_cpu(tier):
    """1 GiB of linear addresses from WINDOW on, over 64 MiB of RAM; the first 4 MiB map to themselves."""
    import numpy
    cpu = CPU("qemu32", ram=96 << 20, tier=tier)
    directory, tables = numpy.zeros(1024, "<u4"), numpy.arange(1 << 18, dtype="<u4")
    directory[0] = 0x83                                         # one page of 4 MiB
    directory[WINDOW >> 22:(WINDOW >> 22) + 256] = PAGE_TABLES + 4096 * numpy.arange(256) | 3
    tables = FRAMES + tables % NFRAMES * 4096 | 3
    cpu.write(PAGE_DIRECTORY, directory.tobytes())
    cpu.write(PAGE_TABLES, tables.astype("<u4").tobytes())
    cpu.cr4, cpu.cr3 = 0x10, PAGE_DIRECTORY
    cpu.cr0 = cpu.cr0 | 0x80000000
    return cpu


def tlb():
    """One dword load a page, in the order of pages, with 4 KiB pages on; beside it the misses."""
    curves, rows = {name: [] for name in ENGINES}, []
    count = 1_000_000
    for size in sizes(64 << 10, 1 << 30):
        row = [size_text(size)]
        for name, tier in ENGINES.items():
            cpu = paged_cpu(tier)
            # again: mov eax, [esi + WINDOW]; add esi, 4096 + 64; and esi, size - 1; dec ecx; jnz again; hlt
            text = (b"\x8b\x86" + WINDOW.to_bytes(4, "little") + b"\x81\xc6" + (4096 + 64).to_bytes(4, "little")
                    + b"\x81\xe6" + (size - 1).to_bytes(4, "little") + b"\x49\x75\xeb\xf4")
            cpu.write(0x1000, text)

            def run():
                cpu.eip, cpu.ecx, cpu.esi = 0x1000, count, 0
                begun = time.thread_time()
                assert cpu.run().reason == "hlt"
                return time.thread_time() - begun
            run()
            misses = cpu.counters()["tlb_fill_count"]
            cost = best(run, 5)
            misses = (cpu.counters()["tlb_fill_count"] - misses) / 5
            curves[name].append((size, cost / count * 1e9))
            row += [f"{cost / count * 1e9:.1f}", f"{misses / count:.2f}"]
        rows.append(row)
    table(("linear memory", *(word for name in ENGINES for word in (f"ns a turn, {name}", "misses a turn"))), rows)
    write_chart("tlb", "One load a page, 4 KiB pages", "linear memory", "ns a turn of the loop", curves, size_text)


def cache():
    """1 MiB of code in a loop, in caches of several sizes."""
    curves, rows = {name: [] for name in ENGINES}, []
    text, instructions = cold_code(1 << 20)
    # dec dword [9000h]; jnz to the start; hlt
    text = (text[:-1] + b"\xff\x0d" + COUNTER.to_bytes(4, "little") + b"\x0f\x85" + (-(len(text) + 11) & 0xFFFFFFFF).to_bytes(4, "little")
            + b"\xf4")
    turns = 40
    for size in sizes(256 << 10, 64 << 20, 2):
        row = [size_text(size)]
        for name, tier in ENGINES.items():
            def run():
                nonlocal flushes
                cpu = CPU("qemu32", ram=4 << 20, tb_size=size, tier=tier)
                cpu.write(BASE, text)
                cpu.write(COUNTER, turns.to_bytes(4, "little"))
                cpu.eip, cpu.esp = BASE, 0x80000
                begun = time.thread_time()
                assert cpu.run().reason == "hlt"
                flushes = cpu.counters()["tb_flush_count"]
                return time.thread_time() - begun
            flushes = 0
            ns = best(run, 1) / instructions / turns * 1e9
            curves[name].append((size, ns))
            row += [f"{ns:.1f}", str(flushes)]
        rows.append(row)
    table(("tb-size", *(word for name in ENGINES for word in (f"ns an instruction, {name}", "flushes"))), rows)
    write_chart("cache", f"1 MiB of code, {turns} times over", "tb-size, bytes", "ns an instruction", curves, size_text)


# ---------------------------------------------------------------- resident memory
def peak(words, until, timeout=300):
    """KiB of the process' largest resident size, when `until` has appeared on its standard output."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        seen, end = b"", time.monotonic() + timeout
        while until.encode() not in seen:
            if not select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                sys.exit(f"{words[0]}: {until!r} did not appear within {timeout} s")
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                sys.exit(f"{words[0]} ended before {until!r} appeared")
            seen += piece
        status = Path(f"/proc/{process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmHWM", "VmRSS")]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def rss(words):
    if words[:1] != ["--until"] or words[2:3] != ["--"]:
        sys.exit("write: python tools/growth.py rss --until TEXT -- OPTIONS")
    until, options = words[1], words[3:]
    rows = []
    for name, program in (("qemu-py -accel interp", [sys.executable, "-m", "qemu_py", "-accel", "interp"]),
                          (f"qemu-py -accel tcg,tier={TIER}", [sys.executable, "-m", "qemu_py", "-accel", f"tcg,tier={TIER}"]),
                          ("qemu-system-i386", ["qemu-system-i386", "-accel", "tcg"])):
        found = [peak(program + options, until) for _ in range(3)]
        rows.append((name, f"{min(f[0] for f in found) / 1024:.0f}", f"{min(f[1] for f in found) / 1024:.0f}"))
    table(("machine", "peak resident, MiB", "resident at the end, MiB"), rows)


FIGURES = {"code": code, "tlb": tlb, "cache": cache}


def main():
    words = sys.argv[1:]
    if words[:1] == ["rss"]:
        rss(words[1:])
        return
    if not words or set(words) - set(FIGURES):
        sys.exit(__doc__)
    for word in words:
        FIGURES[word]()


if __name__ == "__main__":
    main()
