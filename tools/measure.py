"""What the engine costs, part by part, as docs/PERFORMANCE.md records it.

    python tools/measure.py [NAME...]

Each figure is the best of several tries on this machine: good for comparing parts and versions,
not machines. Whole workloads against other emulators are a matter of the guest benchmark.
"""
import subprocess
import sys
import time

from growth import best, cold_code
from qemu_py import CPU


def loop_cost(body, count=1_000_000, setup=b"", **options):
    """Nanoseconds of one turn of `body` (machine code) in a counted loop."""
    cpu = CPU("qemu32", ram=1 << 22, **options)
    again = len(setup)
    code = setup + body + b"\x49"                       # dec ecx
    back = again - (len(code) + 6)
    code += b"\x0F\x85" + (back & 0xFFFFFFFF).to_bytes(4, "little") + b"\xF4"       # jnz; hlt

    def run():
        cpu.write(0x1000, code)
        cpu.eip, cpu.ecx, cpu.esp, cpu.esi, cpu.edi = 0x1000, count, 0x80000, 0x100000, 0x200000
        begun = time.perf_counter()
        assert cpu.run().reason == "hlt"
        return time.perf_counter() - begun
    return best(run) / count * 1e9


def alu():
    """instructions a second in a register-only loop"""
    body = bytes.fromhex("01d8 31c3 83c007 29d8 89c7 21df 09fb 8d4303")         # eight, and dec, jnz
    return f"{10 / loop_cost(body) * 1e3:.0f} million a second"


def translation():
    """translating one instruction of fresh code, run once (decode, IR, passes, look-up)"""
    code, instructions = cold_code(3 << 20)

    def run():
        cpu = CPU("qemu32", ram=8 << 20, tb_size=1 << 28)
        cpu.write(0x100000, code)
        cpu.eip, cpu.esp = 0x100000, 0x80000
        begun = time.perf_counter()
        assert cpu.run().reason == "hlt"
        return time.perf_counter() - begun
    return f"{best(run, 3) / instructions * 1e9:.0f} ns an instruction"


def ports():
    """a port read answered by a Python function; a port that nobody serves"""
    empty = loop_cost(b"\x90", 300_000)
    python = loop_cost(b"\xE4\x10", 300_000, on_port=lambda port, size, write, value: 0)
    nobody = loop_cost(b"\xE4\x10", 300_000)
    return f"{python - empty:.0f} ns; {nobody - empty:.0f} ns"


def memory():
    """a dword load, a dword store, push and pop, a load that crosses a page"""
    empty = loop_cost(b"\x90")
    costs = [loop_cost(bytes.fromhex(h)) - empty for h in ("8b06", "8907", "505a", "8b86fe0f0000")]
    return ", ".join(f"{c:.1f} ns" for c in costs)


def blocks():
    """rep movsd and rep stosd of 64 KiB: bytes a nanosecond"""
    setup = b""
    movs = loop_cost(bytes.fromhex("51 be00001000 bf00002000 b900400000 f3a5 59"), 3000, setup)
    stos = loop_cost(bytes.fromhex("51 bf00002000 b900400000 f3ab 59"), 3000, setup)
    return f"{65536 / movs:.1f}, {65536 / stos:.1f} GB/s"


def batch():
    """one-instruction tests a second of CPU.batch"""
    import numpy
    record = numpy.dtype([("gpr", "<u8", 16), ("rip", "<u8"), ("rflags", "<u8"), ("fx", "u1", 512), ("data", "u1", 256),
                          ("sig", "<u4"), ("trapno", "<u4"), ("err", "<u8"), ("cr2", "<u8"), ("codelen", "<u4"),
                          ("mode", "<u4"), ("status", "<u4"), ("pad", "<u4"), ("code", "u1", 16)])
    tests = numpy.zeros(100_000, record)
    tests["mode"], tests["codelen"], tests["rflags"] = 32, 2, 2
    tests["code"][:, :2] = [0x01, 0xD8]
    tests["fx"][:, [0, 1, 24, 25]] = [0x7F, 0x03, 0x80, 0x1F]

    def run():
        begun = time.perf_counter()
        CPU.batch(tests)
        return time.perf_counter() - begun
    return f"{len(tests) / best(run) / 1e6:.1f} million a second"


def start():
    """`qemu-py -version`, and making a bare CPU in a fresh Python"""
    def timed(*words):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - begun
    python = best(lambda: timed("-c", "pass"))
    version = best(lambda: timed("-m", "qemu_py", "-version")) - python
    cpu = best(lambda: timed("-c", "from qemu_py import CPU; CPU()")) - python
    return f"{version * 1e3:.0f} ms, {cpu * 1e3:.0f} ms (beside Python's own {python * 1e3:.0f} ms)"


FIGURES = (alu, translation, memory, blocks, ports, batch, start)


def main():
    wanted = sys.argv[1:]
    unknown = set(wanted) - {f.__name__ for f in FIGURES}
    if unknown:
        sys.exit(f"no figure named {', '.join(sorted(unknown))}; there are {', '.join(f.__name__ for f in FIGURES)}")
    for figure in FIGURES:
        if not wanted or figure.__name__ in wanted:
            print(f"{figure.__name__:<12} {figure.__doc__}: {figure()}", flush=True)


if __name__ == "__main__":
    main()
