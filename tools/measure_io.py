"""What an access to a device costs a guest, and an interrupt, as docs/PERFORMANCE.md records it.

    python tools/measure_io.py [--tier N] [NAME...]

A kernel of a few bytes does an access many times over on the machine `pc` and takes the time-stamp counter, which counts
nanoseconds of the virtual clock; an empty loop is subtracted. What a busy host does elsewhere is not in it. The least of five runs.
"""
import argparse
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from qemu_py.machine.config import MachineConfig            # noqa: E402
from qemu_py.machine.machine import Machine                 # noqa: E402
from tests.boot.kernels import debug_exit, elf, outb        # noqa: E402
from tests.machines import EXIT, Capture                    # noqa: E402

RESULT = 0x7000
LOOPS = 20_000


def dx(port, access):
    return b"\x66\xBA" + struct.pack("<H", port), access


def at(address, access, setup=b""):
    return setup + b"\xBE" + struct.pack("<I", address), access     # mov esi, address


def store(address, value):
    return b"\xC7\x05" + struct.pack("<II", address, value)


LOAD, STORE = b"\x8B\x06", b"\x89\x06"                      # mov eax, [esi]; mov [esi], eax
HPET_ON = store(0xFED00010, 1)
CASES = {
    "empty": (b"", b""),
    "port 80h, a sink": dx(0x80, b"\xEE"),
    "COM1 line status, a byte": dx(0x3FD, b"\xEC"),
    "ACPI timer": dx(0x608, b"\xED"),
    "8254 counter 0, both bytes": (outb(0x43, 0x34) + outb(0x40, 0) + outb(0x40, 0) + b"\x66\xBA\x40\x00", b"\xEC\xEC"),
    "8254 latch, both bytes": (outb(0x43, 0x34) + outb(0x40, 0) + outb(0x40, 0), b"\x30\xC0\xE6\x43\xE4\x40\xE4\x40"),
    "port 61h": dx(0x61, b"\xEC"),
    "8259A mask, read": dx(0x21, b"\xEC"),
    "8259A mask, write": (b"\x66\xBA\x21\x00\xB0\xFF", b"\xEE"),
    "CMOS index and data": (b"", b"\xB0\x10\xE6\x70\xE4\x71"),
    "port that nobody serves": dx(0x7777, b"\xEC"),
    "COM1 scratch, read": dx(0x3FF, b"\xEC"),
    "PCI configuration data": (b"\x66\xBA\xF8\x0C\xB8\x00\x00\x00\x80\xEF\x66\xBA\xFC\x0C", b"\xED"),
    "HPET main counter": at(0xFED000F0, LOAD, HPET_ON),
    "LAPIC ID, read": at(0xFEE00020, LOAD),
    "LAPIC current count, read": at(0xFEE00390, LOAD),
    "LAPIC task priority, write": (b"\x31\xC0" + at(0xFEE00080, b"")[0], STORE),
    "LAPIC EOI, write": (b"\x31\xC0" + at(0xFEE000B0, b"")[0], STORE),
    "LAPIC initial count, write": (store(0xFEE000F0, 0x1FF) + store(0xFEE00320, 0x30) + b"\xB8\x00\x00\x00\x70" + at(0xFEE00380, b"")[0], STORE),
    "IO-APIC select": (b"\xB8\x10\x00\x00\x00" + at(0xFEC00000, b"")[0], STORE),
}


def nanoseconds(directory, setup, access, tier):
    """Of one turn of the loop."""
    body = access + b"\x49"                                 # dec ecx
    code = (b"\xFA" + setup + b"\xB9" + struct.pack("<I", LOOPS)
            + b"\x51\x89\xC3\x52\x0F\x31\xA3" + struct.pack("<I", RESULT) + b"\x5A\x89\xD8\x59"  # keep eax, ecx, edx; rdtsc
            + body + b"\x0F\x85" + struct.pack("<i", -(len(body) + 6))
            + b"\x0F\x31\xA3" + struct.pack("<I", RESULT + 4) + debug_exit(3))
    path = Path(directory) / "kernel"
    path.write_bytes(elf(b"\xBC\x00\x00\x08\x00" + code))   # mov esp, 80000h
    machine = Machine(MachineConfig(ram_size=16 << 20, machine="pc", kernel=str(path), devices=EXIT, tier=tier, serials=[Capture()]))
    if machine.run() != 7:
        raise SystemExit("the kernel did not come to its end")
    begun, ended = struct.unpack("<II", machine.memory.address_space_memory.read(RESULT, 8))
    return (ended - begun & 0xFFFFFFFF) / LOOPS


def measure(names, tier):
    with tempfile.TemporaryDirectory() as directory:
        empty = min(nanoseconds(directory, *CASES["empty"], tier) for _ in range(5))
        for name in names:
            yield name, min(nanoseconds(directory, *CASES[name], tier) for _ in range(5)) - empty


# ---------------------------------------------------------------- interrupts
IDT, COUNT = 0x6000, 0x7010
SECONDS = 2


def interrupt_kernel(hertz, body):
    """The 8254 interrupts `hertz` times a second, at vector 20h; its handler counts and acknowledges. Meanwhile `body`, for ever."""
    setup = b"\xBC\x00\x00\x08\x00"                        # mov esp, 80000h
    for port, value in ((0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xFE if hertz else 0xFF), (0x43, 0x34)):
        setup += outb(port, value)
    divisor = 1193182 // (hertz or 1000)
    setup += outb(0x40, divisor & 0xFF) + outb(0x40, divisor >> 8)
    handler = b"\x50\xFF\x05" + struct.pack("<I", COUNT) + b"\xB0\x20\xE6\x20\x58\xCF"
    length = len(setup) + 4 * 10 + 7 + 1 + len(body)
    where = 0x100000 + 48 + length
    gate = struct.pack("<II", 0x80000 | where & 0xFFFF, where & 0xFFFF0000 | 0x8E00)        # selector 8
    setup += store(IDT + 8 * 0x20, int.from_bytes(gate[:4], "little")) + store(IDT + 8 * 0x20 + 4, int.from_bytes(gate[4:], "little"))
    setup += store(0x6F00, 0x7FF | (IDT & 0xFFFF) << 16) + store(0x6F04, IDT >> 16)
    setup += b"\x0F\x01\x1D" + struct.pack("<I", 0x6F00) + b"\xFB"                         # lidt; sti
    assert len(setup) + len(body) == length
    return setup + body + handler


def interrupts(hertz, tier, body):
    """(processor time of a run of SECONDS virtual seconds, interrupts taken)"""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "kernel"
        path.write_bytes(elf(interrupt_kernel(hertz, body)))
        machine = Machine(MachineConfig(ram_size=16 << 20, machine="pc", kernel=str(path), tier=tier, serials=[Capture()]))
        machine.clocks.vm.timer(lambda: machine.request_exit(7)).mod_ns(SECONDS * 10 ** 9)
        begun = time.process_time()
        assert machine.run() == 7
        used = time.process_time() - begun
        return used, struct.unpack("<I", machine.memory.address_space_memory.read(COUNT, 4))[0]


def interrupt_cost(tier):
    """Share of a processor that 1000 interrupts a second cost a guest that sleeps between them, and of that each one's time."""
    idle = min(interrupts(0, tier, b"\xF4\xEB\xFD")[0] for _ in range(3))
    used, count = min(interrupts(1000, tier, b"\xF4\xEB\xFD") for _ in range(3))
    return (used - idle) / SECONDS, (used - idle) / count, count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", type=int, help="compile blocks after so many runs; without it they are interpreted")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(CASES)}")
    arguments = parser.parse_args()
    for name, ns in measure([n for n in CASES if n != "empty" and any(a in n for a in arguments.names or [""])], arguments.tier):
        print(f"{name:30} {ns:7.0f} ns", flush=True)
    share, each, count = interrupt_cost(arguments.tier)
    print(f"1 kHz of 8254 interrupts to a guest in HLT: {100 * share:.1f} % of a processor, {each * 1e6:.1f} us each ({count} in {SECONDS} s)")
