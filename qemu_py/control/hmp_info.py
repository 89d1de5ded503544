"""The monitor's `info`: a table of what there is to know."""
import struct
import threading

from qemu_py.control.hmp_media import info_block, info_blockstats
from qemu_py.control.hmp_control import info_profile
from qemu_py.control.hmp_machine import info_ioapic, info_irq, info_lapic, info_mice, info_name, info_roms
from qemu_py.control.hmp_paging import info_mem, info_tlb
from qemu_py.control.option_machine import device_help
from qemu_py.control.profile_costs import costs_text
from qemu_py.control.qtree import info_qtree
from qemu_py.machine import run_state
from qemu_py.machine.pc_vga import cpus_stopped
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean
from qemu_py.util.version import __version__

HF_INHIBIT_IRQ, HF_SMM = 1 << 11, 1 << 19       # of hflags, as in _core/cpu.pxd
EFER = 0xC0000080
EFLAGS = ((0x400, "D"), (0x800, "O"), (0x80, "S"), (0x40, "Z"), (0x10, "A"), (0x04, "P"), (0x01, "C"))
FXSAVE_ST, FXSAVE_XMM = 32, 160


def info_version(hmp):
    return f"{__version__}\n"


def info_status(hmp):
    state, how = hmp.machine.runstate, " (single step mode)" if hmp.machine.config.singlestep else ""
    if state in (run_state.RUNNING, run_state.PAUSED):
        return f"VM status: {state}{how}\n"
    return f"VM status: paused{how} ({state})\n"


def info_cpus(hmp):
    """* is the one that info registers, x and print see."""
    machine = hmp.machine
    thread = getattr(machine.tcg, "thread", None) or threading.main_thread()
    lines = []
    with cpus_stopped(machine):
        for n, cpu in enumerate(machine.cpus):
            pc = cpu.segment("cs")[1] + cpu.get("eip") & 0xFFFFFFFF
            lines.append(f"{'*' if cpu is hmp.cpu else ' '} CPU #{n}: pc={pc:#010x}{' (halted)' if cpu.halted else ''}"
                         f" thread_id={thread.native_id}\n")
    return "".join(lines)


def info_registers(hmp):
    with cpus_stopped(hmp.machine):
        return cpu_dump_state(hmp.cpu)


def cpu_dump_state(cpu):
    """A CPU that does not run, in QEMU's form."""
    get = cpu.get

    def row(names, digits=8):
        return " ".join(f"{name.upper()}={get(name):0{digits}x}" for name in names)
    eflags, hflags = get("eflags"), get("hflags")
    letters = "".join(letter if eflags & bit else "-" for bit, letter in EFLAGS)
    lines = [row(("eax", "ebx", "ecx", "edx")), row(("esi", "edi", "ebp", "esp")),
             f"EIP={get('eip'):08x} EFL={eflags:08x} [{letters}] CPL={get('cpl')} II={int(bool(hflags & HF_INHIBIT_IRQ))}"
             f" A20={get('a20')} SMM={int(bool(hflags & HF_SMM))} HLT={int(cpu.halted)}"]
    for name in ("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"):
        selector, base, limit, flags = cpu.segment(name)
        lines.append(f"{name[:3].upper():<3}={selector:04x} {base:08x} {limit:08x} {flags:08x}")
    lines += [f"{name}=     {get(f'{name.lower()}_base'):08x} {get(f'{name.lower()}_limit'):08x}" for name in ("GDT", "IDT")]
    lines += [row(("cr0", "cr2", "cr3", "cr4")), row(("dr0", "dr1", "dr2", "dr3")), row(("dr6", "dr7"))]
    try:
        lines.append(f"EFER={cpu.rdmsr(EFER):016x}")
    except KeyError:                    # the model has none
        pass
    return "\n".join(lines + float_lines(cpu)) + "\n"


def float_lines(cpu):
    """x87 and SSE, out of FXSAVE's image (SDM vol. 1, table 10-2). FTW: a bit for each register in use."""
    image = cpu.fxsave()
    control, status, tags = struct.unpack_from("<HHB", image)
    lines = [f"FCW={control:04x} FSW={status & ~0x3800:04x} [ST={status >> 11 & 7}] FTW={tags:02x}"
             f" MXCSR={struct.unpack_from('<I', image, 24)[0]:08x}"]
    fpr = [f"ST{n}={mantissa:016x} {exponent:04x}"
           for n in range(8) for mantissa, exponent in [struct.unpack_from("<QH", image, FXSAVE_ST + 16 * n)]]
    xmm = [f"XMM{n:02}={int.from_bytes(image[FXSAVE_XMM + 16 * n:FXSAVE_XMM + 16 * n + 16], 'little'):032x}" for n in range(8)]
    return lines + [" ".join(words[n:n + 2]) for words in (fpr, xmm) for n in range(0, 8, 2)]


def info_mtree(hmp):
    return hmp.machine.info_mtree()


def info_qtree_command(hmp):
    return info_qtree(hmp.machine)


def info_pci(hmp):
    return hmp.machine.info_pci()


def info_pic(hmp):
    return hmp.machine.pic.describe() + "\n"


def info_jit(hmp):
    with cpus_stopped(hmp.machine):
        return costs_text(hmp.machine)


def info_chardev(hmp):
    """By the device at the other end."""
    found = [(name, device.chardev) for name, device in hmp.machine.devices if getattr(device, "chardev", None) is not None]
    monitors = [other for other in hmp.machine.chardevs if hasattr(other, "hmp")]
    found += [(f"monitor{n}", monitor.chardev) for n, monitor in enumerate(monitors)]
    return "".join(f"{name}: filename={chardev.label}\n" for name, chardev in found) or "no character devices\n"


def info_history(hmp):
    return "".join(f"{n}: '{line.decode('utf-8', 'replace')}'\n" for n, line in enumerate(hmp.history)) or "nothing yet\n"


def info_qdm(hmp):
    return device_help()


# name -> (handler, help)
INFO = {
    "block": (info_block, "the drives and their images"),
    "blockstats": (info_blockstats, "what the drives have done"),
    "chardev": (info_chardev, "the character devices"),
    "cpus": (info_cpus, "the processors"),
    "history": (info_history, "the commands given before"),
    "ioapic": (info_ioapic, "the I/O APIC's inputs"),
    "irq": (info_irq, "how often which interrupt was taken"),
    "jit": (info_jit, "translations, TLB misses, exits, exceptions, device accesses: what the emulator did"),
    "lapic": (info_lapic, "the registers of the CPU's local APIC"),
    "mem": (info_mem, "the ranges that the CPU's page tables map"),
    "mice": (info_mice, "the mice"),
    "mtree": (info_mtree, "the trees of memory and port regions"),
    "name": (info_name, "the guest's name (-name)"),
    "pci": (info_pci, "the PCI devices"),
    "pic": (info_pic, "the state of the 8259A pair"),
    "profile": (info_profile, "where the guest's time goes, since `profile on`"),
    "qdm": (info_qdm, "the devices that -device knows"),
    "qtree": (info_qtree_command, "the devices, by bus"),
    "registers": (info_registers, "the CPU's registers"),
    "roms": (info_roms, "read-only memory, and what firmware is given"),
    "status": (info_status, "whether the guest runs"),
    "tlb": (info_tlb, "the pages that the CPU's page tables map"),
    "version": (info_version, "the version of qemu-py"),
}


def help_info():
    return "".join(f"info {name}  -- {text}\n" for name, (_, text) in INFO.items())


def do_info(hmp, item):
    if item is None:
        return help_info()
    if item not in INFO:
        raise UserError(f"unknown command: 'info {item}'{did_you_mean(item, INFO)} (there are: {', '.join(INFO)})")
    return INFO[item][0](hmp)
