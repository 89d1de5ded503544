"""The monitor's mouse_move, mouse_button, boot_set, logfile, singlestep, profile, and memsave, pmemsave, sum: input, settings, memory to files."""
from qemu_py.control.hmp_memory import PAGE, PhysicalView, VirtualView
from qemu_py.control.option_grammar import one_of
from qemu_py.control.profile import GuestProfiler, read_symbols
from qemu_py.control.profile_report import Report
from qemu_py.machine import cmos
from qemu_py.machine.pc_vga import cpus_stopped
from qemu_py.util import log
from qemu_py.util.errors import UserError

PIECE = 1 << 20


# ---------------------------------------------------------------- input and settings
def do_mouse_move(hmp, dx, dy, dz):
    hmp.machine.inputs.mouse_event(*(signed(value or 0) for value in (dx, dy, dz)))
    return ""


def signed(value):
    """An expression's value has 64 bits."""
    return value - (1 << 64) if value >> 63 else value


def do_mouse_button(hmp, state):
    """QEMU's bits: 1 left, 2 middle, 4 right; the PS/2 mouse's: 1 left, 2 right, 4 middle."""
    hmp.machine.inputs.mouse_event(buttons=state & 1 | (state & 2) << 1 | (state & 4) >> 1)
    return ""


def do_boot_set(hmp, order):
    """From the next reset on, as -boot order=."""
    machine = hmp.machine
    cmos.boot_codes(order)
    machine.config.boot_order = order
    cmos.set_boot_order(machine.rtc.s.ram, order)
    return ""


def do_logfile(hmp, filename):
    with cpus_stopped(hmp.machine):
        log.cpu_set_log_filename(filename)
    return ""


def do_singlestep(hmp, option):
    """Slow, but what -d in_asm,op,exec write is of one instruction each."""
    one_of("singlestep", "option", option or "on", ("on", "off"))
    with cpus_stopped(hmp.machine):
        hmp.machine.set_singlestep(option != "off")
    return ""


# ---------------------------------------------------------------- profile
def do_profile(hmp, how):
    """A profile that `info profile` shows, of all that runs from now on."""
    machine = hmp.machine
    one_of("profile", "how", how, ("on", "exact", "off"))
    old = getattr(machine, "profiler", None)
    if how == "off" and old is None:
        raise UserError("no profile is being taken; profile on begins one")
    with cpus_stopped(machine):
        if old is not None:
            old.core.stop()
        machine.profiler = None
        if how != "off":
            machine.profiler = GuestProfiler(machine, how == "exact")
            machine.profiler.start()
    return ""


def info_profile(hmp):
    """The tables of `qemu-py profile`, so far."""
    machine = hmp.machine
    profiler = getattr(machine, "profiler", None)
    if profiler is None:
        raise UserError("no profile is being taken; profile on (samples) or profile exact begins one")
    with cpus_stopped(machine):
        profile, costs = profiler.so_far()
    return Report(profile, read_symbols([], machine.config.kernel)).text(costs)


# ---------------------------------------------------------------- memory
def pieces(hmp, view_class, address, size):
    """The bytes; pages of linear addresses that are not mapped end them with a UserError. The CPUs stand still."""
    view = view_class(hmp.machine, hmp.cpu)
    while size:
        length = min(size, PIECE - address % PAGE)
        data = view.read(address, length)
        if len(data) < length:
            raise UserError(f"no page is mapped at {address + len(data):#x}")
        yield data
        address, size = address + length, size - length


def save_command(view_class):
    def command(hmp, addr, size, filename):
        with cpus_stopped(hmp.machine):
            try:
                with open(filename, "wb") as f:
                    for data in pieces(hmp, view_class, addr, size):
                        f.write(data)
            except OSError as e:
                raise UserError(f"cannot write '{filename}': {e.strerror}") from None
        return ""
    return command


do_memory_save = save_command(VirtualView)
do_physical_memory_save = save_command(PhysicalView)


def do_sum(hmp, start, size):
    """BSD's sum over physical memory: 16 bits, turned right before each byte is added."""
    if size > PIECE:
        raise UserError(f"no more than {PIECE} bytes at a time")
    total = 0
    with cpus_stopped(hmp.machine):
        for data in pieces(hmp, PhysicalView, start, size):
            for byte in data:
                total = (total >> 1 | (total & 1) << 15) + byte & 0xFFFF
    return f"{total:05d}\n"
