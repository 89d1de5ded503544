"""A guest that reads and writes random ports and device memory, in every width, with interrupts on.

    python -m tests.devices.fuzz_accesses --minutes 30                      # every way to run it in turn
    python -m tests.devices.fuzz_accesses --way pc,icount,interp --seed 7 --accesses 100000

What is looked for: an exception in a device, a process that dies, a machine that does not answer any more, memory that
grows. The guest may do to itself what it likes (a disk's DMA into its code, A20, a reset): when it comes no further, or
the machine resets, it starts again with the next seed. With icount a seed is the same run each time.
docs/FUZZ.md has the campaigns.
"""
import argparse
import faulthandler
import functools
import gc
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

from qemu_py.backends.char_new import chardev_new
from qemu_py.machine.config import MachineConfig
from qemu_py.machine.drives import simple_drive
from qemu_py.machine.icount import ICountOptions
from qemu_py.machine.machine import Machine
from qemu_py.util.errors import UserError
from tests.boot.kernels import elf
from tests.guest import asm

MACHINES = ("pc", "isapc")
LOOPS = ("threads", "single", "icount")
ENGINES = {"interp": None, "tier1": 1}
WAYS = [(machine, loop, engine) for machine in MACHINES for loop in LOOPS for engine in ENGINES]

TICK_NS = 20_000_000                    # of virtual time between two looks of ours at the guest
PATIENCE = 300                          # seconds in which a machine must answer
RAM = 16 << 20
# All of it where A20 does not matter.
KERNEL, ROUTINES, STATE, PORTS, WINDOWS, IDT, SCRATCH, STACK = (
    0x200000, 0x201000, 0x210000, 0x211000, 0x212000, 0x213000, 0x220000, 0x230000)
SEED, COUNT, IRQS, N_PORTS, N_WINDOWS = range(STATE, STATE + 20, 4)
RESETS = {0x92, *range(0xCF6, 0xCFC)}    # and an access to one of them from below
MAX_PORTS, MAX_WINDOWS, WINDOW = 1024, 256, 1 << 17
GDT = struct.pack("<QQQ", 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF)
SMI_ENTRY, RSM = 0x38000, b"\x0f\xaa"

# ---------------------------------------------------------------- the guest
RANDOM, SOME_PORT, SOME_ADDRESS, SOME_VALUE, LOOP = (ROUTINES + 0x100 * n for n in range(5))
EXCEPTION, INTERRUPT, FIRST_ACTION = (ROUTINES + 0x100 * n for n in (5, 6, 8))

PIECES = {
    # EBP is the generator's state (xorshift32), EAX its next number
    RANDOM: "mov eax, ebp; shl eax, 13; xor ebp, eax; mov eax, ebp; shr eax, 17; xor ebp, eax; mov eax, ebp; shl eax, 5;"
            " xor ebp, eax; mov eax, ebp; ret",
    # EDX: one of the ports that a device has, or any
    SOME_PORT: f"call {RANDOM}; mov edx, eax; shr edx, 16; test al, 7; jz done; shr eax, 3; xor edx, edx; div dword ptr [{N_PORTS}];"
               f" mov edx, [edx*4+{PORTS}]; done: ret",
    # EDI: an address in a device's memory, or any of the upper half
    SOME_ADDRESS: f"call {RANDOM}; mov edi, eax; or edi, 0x80000000; test al, 0x1e; jz done; xor edx, edx; div dword ptr [{N_WINDOWS}];"
                  f" mov ebx, edx; call {RANDOM}; xor edx, edx; div dword ptr [ebx*8+{WINDOWS + 4}]; mov edi, [ebx*8+{WINDOWS}];"
                  " add edi, edx; done: ret",
    # EAX: 0, all ones, one bit, or anything
    SOME_VALUE: f"call {RANDOM}; mov ecx, eax; shr ecx, 5; and eax, 7; dec eax; jz done; dec eax; jz ones; dec eax; jz bit; jmp {RANDOM};"
                " ones: dec eax; ret; bit: inc eax; shl eax, cl; done: ret",
    LOOP: f"inc dword ptr [{COUNT}]; call {RANDOM}; test al, 7; jnz go; sti; go: shr eax, 8; and eax, 15; shl eax, 8;"
          f" add eax, {FIRST_ACTION}; jmp eax",
    EXCEPTION: f"mov esp, {STACK}; inc dword ptr [{IRQS}]; test ebp, 3; jnz again; mov al, 0x20; out 0xa0, al; out 0x20, al;"
               f" again: jmp {LOOP}",
    # An interrupt whose source nobody serves comes again at once: sometimes go on without.
    INTERRUPT: f"push eax; inc dword ptr [{IRQS}]; test byte ptr [{IRQS}], 7; jz back; mov al, 0x20; out 0xa0, al; out 0x20, al;"
               f" mov dword ptr [0xfee000b0], 0; test byte ptr [{IRQS}], 8; jz back; and byte ptr [esp+9], 0xfd; back: pop eax; iretd",
}
ACTIONS = (
    f"call {SOME_PORT}; in al, dx", f"call {SOME_PORT}; in ax, dx", f"call {SOME_PORT}; in eax, dx",
    f"call {SOME_PORT}; call {SOME_VALUE}; out dx, al", f"call {SOME_PORT}; call {SOME_VALUE}; out dx, al",
    f"call {SOME_PORT}; call {SOME_VALUE}; out dx, ax", f"call {SOME_PORT}; call {SOME_VALUE}; out dx, eax",
    # strings of ports, in each direction
    f"call {SOME_PORT}; call {RANDOM}; mov ecx, eax; and ecx, 63; mov edi, {SCRATCH}; test eax, 64; jz b; test eax, 128; jz w;"
    " rep insd; jmp e; w: rep insw; jmp e; b: rep insb; e: nop",
    f"call {SOME_PORT}; call {RANDOM}; mov ecx, eax; and ecx, 63; mov esi, {SCRATCH}; test eax, 64; jz b; test eax, 128; jz w;"
    " rep outsd; jmp e; w: rep outsw; jmp e; b: rep outsb; e: nop",
    # device memory
    f"call {SOME_ADDRESS}; mov al, [edi]; mov ax, [edi]; mov eax, [edi]",
    f"call {SOME_ADDRESS}; call {SOME_VALUE}; mov [edi], al; call {SOME_ADDRESS}; call {SOME_VALUE}; mov [edi], ax",
    f"call {SOME_ADDRESS}; and edi, 0xfffffffc; call {SOME_VALUE}; mov [edi], eax",
    f"call {SOME_ADDRESS}; call {SOME_VALUE}; xor [edi], al; lock xadd [edi], eax; fild qword ptr [edi]; fistp qword ptr [edi]",
    f"call {SOME_ADDRESS}; mov esi, edi; call {SOME_ADDRESS}; call {RANDOM}; and eax, 31; mov ecx, eax; .byte 0xf3, 0xa5",
    # PCI configuration space: bus 0, or some other
    f"call {RANDOM}; and eax, 0x8000fffc; test ebp, 0xf0000; jnz a; or eax, 0x10000; a: or eax, 0x80000000; mov dx, 0xcf8; out dx, eax;"
    f" call {SOME_VALUE}; mov dx, 0xcfc; test ebp, 256; jz r; test ebp, 512; jz b; out dx, eax; jmp e; b: out dx, al; jmp e;"
    " r: in eax, dx; e: nop",
    # the clock goes on, if somebody is there to wake us
    f"call {RANDOM}; test eax, 0x3ff; jnz e; sti; hlt; e: nop",
)


@functools.lru_cache(None)
def guest():
    """The kernel, an ELF file."""
    start = f"""lgdt [{STATE + 0x100}]; lidt [{STATE + 0x108}]; mov esp, {STACK}; push 8; push {KERNEL + 0x80}; retf"""
    segments = "; ".join(["mov eax, 16", *(f"mov {name}, ax" for name in ("ds", "es", "ss", "fs", "gs"))])
    chips = "; ".join(f"mov al, {value}; out {port}, al" for port, value in (
        (0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xA0, 0x11), (0xA1, 0x28), (0xA1, 2), (0xA1, 1), (0x21, 0), (0xA1, 0),
        (0x43, 0x34), (0x40, 0xA9), (0x40, 4)))
    pieces = {KERNEL + 0x30: start, KERNEL + 0x80: f"{segments}; {chips}; fninit; mov ebp, [{SEED}]; cld; jmp {LOOP}", **PIECES}
    for n, action in enumerate(ACTIONS):
        pieces[FIRST_ACTION + 0x100 * n] = f"{action}; jmp {LOOP}"
    code = bytearray(STATE + 0x400 - KERNEL)
    for address, text in pieces.items():
        piece = asm(text, address)
        code[address - KERNEL:address - KERNEL + len(piece)] = piece
    struct.pack_into("<HI", code, STATE + 0x100 - KERNEL, len(GDT) - 1, STATE + 0x200)
    struct.pack_into("<HI", code, STATE + 0x108 - KERNEL, 256 * 8 - 1, IDT)
    code[STATE + 0x200 - KERNEL:STATE + 0x200 - KERNEL + len(GDT)] = GDT
    return elf(bytes(code[0x30:]), address=KERNEL)


def idt():
    """Vectors below 32 may have an error code, so their handler does not return."""
    return b"".join(struct.pack("<HHHH", target & 0xFFFF, 8, 0x8E00, target >> 16)
                    for target in [EXCEPTION] * 32 + [INTERRUPT] * 224)


# ---------------------------------------------------------------- the machine around it
class FuzzMachine(Machine):
    """Soft off starts it again; so do we, when the guest comes no further."""

    def __init__(self, config, seed, accesses):
        self.pick = random.Random(seed)
        self.accesses = accesses
        self.sizes = []                 # resident() after each 1000 accesses
        self.done = self.interrupts = self.starts = 0       # those of guests that have ended included in done, interrupts
        self.last = (-1, -1)
        super().__init__(config)
        for block in self.memory.ram_list.blocks:       # resident from the beginning: what the guest touches is no growth
            block.view[::4096] += 0
        self.register_reset(self.begin)
        self.ticker = self.clocks.vm.timer(self.tick, "fuzz")

    def system_shutdown_request(self):
        self.system_reset_request()

    def power_on(self):
        super().power_on()
        self.ticker.mod_ns(self.clocks.vm.get_ns() + TICK_NS)

    def state(self):
        return struct.unpack("<II", self.memory.address_space_memory.read(COUNT, 8))

    def begin(self):
        """The guest's tables and its seed; after every other reset handler."""
        self.starts += 1
        self.last = (-1, -1)
        memory = self.memory.address_space_memory
        memory.write(IDT, idt())
        memory.write(SMI_ENTRY, RSM)
        memory.write(STATE, struct.pack("<III", self.pick.getrandbits(32) | 1, 0, 0))
        self.tell_what_is_mapped()

    def tell_what_is_mapped(self):
        space = self.memory.address_space_memory
        ports = [port for fr in self.memory.address_space_io.current_map for port in range(fr.addr, fr.end) if fr.size < 4096]
        if self.pick.randrange(32):     # else every other access would be a reset
            ports = [port for port in ports if port not in RESETS]
        ports = self.pick.sample(ports, min(len(ports), MAX_PORTS))
        windows = [(fr.addr, min(fr.size, WINDOW)) for fr in space.current_map if fr.mr is not self.ram and fr.addr < 1 << 32]
        windows = self.pick.sample(windows, min(len(windows), MAX_WINDOWS))
        space.write(N_PORTS, struct.pack("<II", len(ports), len(windows)))
        space.write(PORTS, struct.pack(f"<{len(ports)}I", *ports))
        space.write(WINDOWS, b"".join(struct.pack("<II", addr, size) for addr, size in windows))

    def tick(self):
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        self.ticker.mod_ns(self.clocks.vm.get_ns() + TICK_NS)
        count, interrupts = self.state()
        if count < self.last[0] or count == self.last[0] or count - self.last[0] > 1 << 28:
            self.system_reset_request()
        else:
            gained = count - max(self.last[0], 0)
            self.done += gained
            self.interrupts += max(0, interrupts - max(self.last[1], 0)) & 0xFFFFF
            self.last = (count, interrupts)
            self.tell_what_is_mapped()
        self.disturb()
        if self.done // 1000 > len(self.sizes):
            self.sizes += [resident()] * (self.done // 1000 - len(self.sizes))
        if self.done >= self.accesses:
            self.request_exit(0)

    def disturb(self):
        """Somebody types, moves the mouse, presses the power button, and changes the disc."""
        pick = self.pick
        what = pick.randrange(12)
        if what < 3:
            self.inputs.key_event(pick.choice(("a", "ctrl", "f1", "delete", "pause")), bool(pick.randrange(2)))
        elif what < 6:
            self.inputs.mouse_event(pick.randint(-300, 300), pick.randint(-300, 300), pick.randint(-1, 1), pick.randrange(8))
        elif what == 6:
            self.system_powerdown_request()
        elif what == 7:
            drive = self.drives.get("ide", 1, 0)
            drive.close_tray() if drive.tray_open else drive.eject()


def run(way, seed, accesses):
    """One machine until its guest has done so much; the machine. Raises what a device let escape."""
    machine, loop, engine = way
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        (directory / "kernel").write_bytes(guest())
        drives = []
        for option, interface, index, media, size in (("-hda", "ide", 0, "disk", 4 << 20), ("-cdrom", "ide", 2, "cdrom", 1 << 20),
                                                      ("-fda", "floppy", 0, "disk", 1440 << 10)):
            path = directory / option[1:]
            path.write_bytes(bytes(size))
            drives.append(simple_drive(option, str(path), interface, index, media))
        fuzzed = FuzzMachine(MachineConfig(
            machine=machine, ram_size=RAM, kernel=str(directory / "kernel"), drives=drives, tier=ENGINES[engine],
            serials=[chardev_new("null", "-serial", set()) for _ in range(2)], parallels=[chardev_new("null", "-parallel", set())],
            single_loop=loop == "single", icount=ICountOptions(shift=8, sleep=False) if loop == "icount" else None,
            cpus=2 if machine == "pc" and loop == "threads" else 1), seed, accesses)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            fuzzed.run()
        finally:
            faulthandler.cancel_dump_traceback_later()
    return fuzzed


def resident():
    """MiB of this process."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096 / (1 << 20)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--way", help="MACHINE,LOOP,ENGINE; default: all in turn: " + " ".join(map(",".join, WAYS)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--accesses", type=int, default=200_000, help="of a run")
    parser.add_argument("--minutes", type=float, help="go on with the next seeds so long")
    options = parser.parse_args(arguments)
    ways = WAYS if options.way is None else [tuple(options.way.split(","))]
    end = time.monotonic() + 60 * (options.minutes or 0)
    seed, total, starts = options.seed, 0, 0
    while True:
        for way in ways:
            print(f"--way {','.join(way)} --seed {seed} --accesses {options.accesses}: ", end="", flush=True)
            machine = run(way, seed, options.accesses)
            gc.collect()
            total += machine.done
            starts += machine.starts
            print(f"{machine.done} accesses, {machine.interrupts} interrupts, {machine.starts} starts, "
                  f"{machine.sizes[len(machine.sizes) // 2]:.0f} MiB at half time, {machine.sizes[-1]:.0f} at the end, {resident():.0f} after it", flush=True)
        seed += 1
        if time.monotonic() >= end:
            print(f"{total} accesses, {starts} starts of the guest, {resident():.0f} MiB")
            return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(str(error))
