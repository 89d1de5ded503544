"""The monitor's info irq, lapic, ioapic, mice, name and roms: parts of the machine and what they are doing."""
from qemu_py._core.profile import cache_counters
from qemu_py.machine.pc_vga import cpus_stopped
from qemu_py.util.errors import UserError

LVT_NAMES = ("timer", "thermal", "performance", "LINT0", "LINT1", "error")
MASKED = 1 << 16


def info_irq(hmp):
    """How often CPUs have taken which vector; with its line, where the 8259s' bases say so."""
    machine = hmp.machine
    with cpus_stopped(machine):
        counts = cache_counters(machine.tb_cache)["interrupts"]
    bases = {chip.s.icw2 & 0xF8: first for chip, first in ((machine.pic.master, 0), (machine.pic.slave, 8))}
    lines = []
    for vector, count in sorted(counts.items()):
        first = bases.get(vector & 0xF8)
        line = f" (IRQ {first + (vector & 7)} of the 8259s)" if first is not None and not machine.apics else ""
        lines.append(f"vector {vector:#04x}: {count}{line}\n")
    return "".join(lines) or "no interrupt has been taken yet\n"


def lapic_of(hmp):
    if hmp.cpu_index >= len(hmp.machine.apics):
        raise UserError("this CPU has no local APIC")
    return hmp.machine.apics[hmp.cpu_index]


def vectors(bits):
    return " ".join(f"{n:02x}" for n in range(256) if bits >> n & 1) or "none"


def info_lapic(hmp):
    """The registers of the local APIC of the CPU that is looked at."""
    apic = lapic_of(hmp)
    with cpus_stopped(hmp.machine):
        s = apic.s
        lines = [f"id={s.id:02x} ldr={apic.read_ldr():08x} dfr={apic.read_dfr():08x} svr={s.svr:08x} tpr={s.tpr:02x} ppr={apic.read_ppr():02x} esr={s.esr:02x}",
                 f"icr={s.icr_high:08x}{s.icr:08x} timer: initial {s.initial_count:#x}, now {apic.read_current_count():#x}, divide {s.divide:#x}"]
        lines += [f"lvt {name:<12} {value:08x}{' masked' if value & MASKED else ''}" for name, value in zip(LVT_NAMES, s.lvt)]
        lines += [f"irr: {vectors(s.irr)}", f"isr: {vectors(s.isr)}", f"tmr: {vectors(s.tmr)}"]
    return "\n".join(lines) + "\n"


def info_ioapic(hmp):
    chips = [device for name, device in hmp.machine.devices if name == "ioapic"]
    if not chips:
        raise UserError("this machine has no I/O APIC")
    return "".join(f"id={chip.s.id:02x} inputs={chip.s.lines:06x}\n"
                   + "".join(f"  input {n:>2}: {entry:016x}{' masked' if entry & MASKED else ''}\n" for n, entry in enumerate(chip.s.table))
                   for chip in chips)


def info_mice(hmp):
    """* is the one that mouse_move and mouse_button move."""
    mice = [device for _, device in hmp.machine.devices if device.NAME == "ps2-mouse"]
    return "".join(f"* Mouse #{n}: {mouse.DESC}, {'reports' if mouse.s.enabled else 'does not report'}\n" for n, mouse in enumerate(mice))


def info_name(hmp):
    return f"{hmp.machine.config.name or 'no name (-name gives one)'}\n"


def info_roms(hmp):
    """Read-only memory by address, then what firmware is given by name (fw_cfg)."""
    machine = hmp.machine
    lines = [f"addr={fr.addr:08x} size={fr.size:#08x} mem=rom name=\"{fr.mr.name}\"\n"
             for fr in machine.memory.address_space_memory.current_map if fr.kind == "rom"]
    fw_cfg = machine.fw_cfg
    return "".join(lines) + "".join(f"fw_cfg size={len(fw_cfg.contents(key)):#08x} name=\"{name}\"\n"
                                    for name, key in sorted(fw_cfg.files.items()))
