"""The PC: wiring only. `pc` has the 440FX chip set with PCI, isapc only the ISA bus.

The order and the names are those of QEMU 1.0's pc_piix.c and pc.c: pc_init1, pc_cpus_init,
pc_memory_init, pc_vga_init, pc_basic_device_init.

The rest of the wiring: pc_isa.py (clock, keyboard, DMA, diskettes, printer), pc_ide.py, pc_vga.py, pc_apic.py, pc_fw_cfg.py.
"""
from qemu_py._core import cpu_face
from qemu_py._core.guesttime import PassiveCounter
from qemu_py.devices import piix3, pcspk
from qemu_py.devices.i8254 import I8254
from qemu_py.devices.i8259 import I8259Pair
from qemu_py.devices.i440fx import i440fx_init
from qemu_py.devices.debugcon import DebugCon
from qemu_py.devices.isa_bus import ISABus
from qemu_py.devices.isa_serial import ISASerial
from qemu_py.devices.pci import devfn
from qemu_py.devices.piix3 import PIIX3
from qemu_py.devices.piix4_pm import GPSTS, PIIX4PM, PM_TIMER_FREQUENCY, PM_TIMER_MASK, PMTMR
from qemu_py.devices.port80 import Port80
from qemu_py.devices.port92 import Port92
from qemu_py.machine import firmware
from qemu_py.machine.pc_apic import cpu_is_bsp, has_apic, pc_apic_init, pc_ioapic_init
from qemu_py.machine.config import check_ram_size
from qemu_py.machine.kernel import kernel_init
from qemu_py.machine.plug import new_device, plug
from qemu_py.machine.pc_hpet import pc_hpet_init
from qemu_py.machine.pc_fw_cfg import fw_cfg_init, pc_fw_cfg_init
from qemu_py.machine.pc_ide import pc_ide_init
from qemu_py.machine.pc_isa import pc_cmos_init, pc_isa_init
from qemu_py.machine.pc_reset import init_requester
from qemu_py.machine.pc_vga import find_vga, pc_vga_init
from qemu_py.machine.registry import QEMUMachine, machine_init, qemu_register_machine
from qemu_py.system.a20 import A20Gate
from qemu_py.system.irq import IRQ, IRQOr
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util.errors import UserError

RAM_HOLE = 0xE0000000                   # RAM above this moves beyond 4 GiB
MAX_CPUS = 8                            # of pc: as many as flat logical destinations tell apart
E820_RAM, E820_RESERVED = 1, 2
SCI = 9
SHUTDOWN_STATUS, RESUME_FROM_S3 = 0x0F, 0xFE
RESET_SMBASE = 0x30000
GPE0 = 0xAFE0                           # where QEMU's PC has general purpose events, and SeaBIOS's tables look


def pc_init1(machine, pci_enabled):
    """Build a PC."""
    config = machine.config
    bios = firmware.find_bios(machine) if config.kernel is None or config.bios is not None else None
    # To resume, a BIOS must have gone before.
    machine.can_suspend = pci_enabled and bios is not None
    pc_a20_init(machine)
    pc_cpus_init(machine, config.cpu_model)
    pc_memory_init(machine, config.ram_size, bios, pci_enabled)
    pic = machine.pic = I8259Pair()
    pc_allocate_cpu_irq(machine, pic)
    # A line that the PCI bridge can drive too, and SCI, is shared; the others are their device's own.
    gsi = machine.gsi = pc_ioapic_init(machine, pic) if pci_enabled and machine.apics else pic.irqs
    machine.shared_irqs = {n: IRQOr(gsi[n]) for n in range(16) if pci_enabled and piix3.ROUTABLE >> n & 1}
    isa_irqs = [machine.shared_irqs[n].input() if n in machine.shared_irqs else gsi[n] for n in range(16)]
    machine.isa = ISABus(machine.memory.system_io, isa_irqs, machine.request_exit, machine.rom_memory)
    # FERR# is IRQ 13 on a PC; a write to port F0h takes it back.
    machine.memory.physmap.ferr = gsi[13].raise_
    map_pic(machine, pic)
    fw_cfg_init(machine)
    if pci_enabled:
        pc_pci_init(machine)
        piix4_pm_init(machine)
    pc_vga_init(machine)
    pc_basic_device_init(machine)
    if machine.ioapic is not None and config.hpet:
        pc_hpet_init(machine)
    pc_ide_init(machine, pci_enabled)
    for name, options in config.devices:
        plug(machine, name, options)
    find_vga(machine)
    pc_cmos_init(machine)
    if config.kernel is not None:
        kernel_init(machine)
    if machine.can_suspend:
        pc_suspend_init(machine)
    pc_fw_cfg_init(machine)


def pc_init_pci(machine):
    pc_init1(machine, pci_enabled=True)


def pc_init_isa(machine):
    pc_init1(machine, pci_enabled=False)


def pc_a20_init(machine):
    """A20 of every CPU, with its sources: machine.a20.keyboard and machine.a20.fast."""
    def set_a20(level):
        for cpu in machine.cpus:
            cpu.a20 = level
    machine.a20 = A20Gate(set_a20)
    machine.register_reset(machine.a20.reset)


def pc_cpus_init(machine, model):
    """The processors. The first is the bootstrap processor; the others wait for it to start them."""
    count, board = machine.config.cpus, machine.board
    if count > board.max_cpus:
        raise UserError(f"-smp {count}: the machine '{board.name}' has at most {board.max_cpus}"
                        f" processor{'s' if board.max_cpus > 1 else ''}")
    for _ in range(count):
        cpu = pc_new_cpu(machine, model)
    if count > 1 and not has_apic(cpu):
        raise UserError(f"-smp {count}: processors that have no APIC cannot start each other; choose another -cpu")


def pc_new_cpu(machine, model):
    cpu = machine.new_cpu(model)
    machine.register_reset(lambda: pc_cpu_reset(cpu))
    return cpu


def pc_cpu_reset(cpu):
    cpu.reset()
    cpu.halted = not cpu_is_bsp(cpu)


def pc_memory_init(machine, ram_size, bios, pci_enabled):
    """RAM below and above 4 GiB, and the BIOS. What is no RAM lies in machine.rom_memory: with PCI, a
    space behind the host bridge."""
    check_ram_size(ram_size)
    memory = machine.memory
    below = machine.ram_below_4g = min(ram_size, RAM_HOLE)
    above = machine.ram_above_4g = ram_size - below
    ram = machine.ram = MemoryRegion.ram("pc.ram", ram_size, memory.ram_list)
    memory.system_memory.add_subregion(0, MemoryRegion.alias_of("ram-below-4g", ram, 0, below))
    if above:
        memory.system_memory.add_subregion(1 << 32, MemoryRegion.alias_of("ram-above-4g", ram, below, above))
    machine.memory_map = lambda: e820(below, above)
    machine.rom_memory = MemoryRegion("pci", 1 << 64) if pci_enabled else memory.system_memory
    if bios is None:
        firmware.map_bios(machine, firmware.stand_in_bios())
    else:
        firmware.map_bios(machine, firmware.load_bios(bios), shadowed=not pci_enabled)


def e820(below, above):
    """The memory map as [(start, size, type)]."""
    table = [(0, min(below, 0xA0000), E820_RAM), (0xF0000, 0x10000, E820_RESERVED)]
    if below > 0x100000:
        table.append((0x100000, below - 0x100000, E820_RAM))
    table.append((0xFFFC0000, 0x40000, E820_RESERVED))
    if above:
        table.append((1 << 32, above, E820_RAM))
    return table


def pc_allocate_cpu_irq(machine, pic):
    """The way of an interrupt: the pair's INT to the CPU, its acknowledge cycle back to the pair; through
    the local APICs, where the processors have them."""
    cpu = machine.cpus[0]
    wake = machine.tcg.wake

    def pic_irq_request(n, level):
        cpu.interrupt(cpu_face.INTERRUPT_HARD, level)
        if level:
            wake()
    pc_apic_init(machine, pic)
    if not machine.apics:
        pic.int.connect(pic_irq_request)
        machine.memory.physmap.pic_interrupt = pic.read_irq


def map_pic(machine, pic):
    isa = machine.isa
    isa.map(pic.master, 0x20, 2, name="pic")
    isa.map(pic.slave, 0xA0, 2, name="pic")
    isa.map(pic.master, 0x4D0, 1, first=2, name="elcr")
    isa.map(pic.slave, 0x4D1, 1, first=2, name="elcr")
    machine.devices.append(("i8259-master", pic.master))
    machine.devices.append(("i8259-slave", pic.slave))
    machine.register_reset(pic.reset)


def pc_pci_init(machine):
    """The host bridge at 0:0.0 and the PCI-to-ISA bridge at 0:1.0."""
    irqs = [machine.shared_irqs[n].input() if n in machine.shared_irqs else IRQ() for n in range(16)]
    bridge = PIIX3(irqs, machine.system_reset_request, init_requester(machine))
    host, machine.pci, ports = i440fx_init(machine.memory, machine.ram, machine.rom_memory, bridge.pirqs)
    machine.pci.dma.message = machine.apic_bus.message_signalled
    machine.add_device("i440FX", host)
    machine.memory.physmap.smm = lambda active: host.set_smm(machine.tcg.current, active)
    machine.tcg.cpu_changed = host.set_cpu
    machine.pci.register_device(bridge, devfn(1))
    machine.add_device("PIIX3", bridge)
    ports.claim(piix3.RCR_PORT, bridge.read_rcr, bridge.write_rcr)


def piix4_pm_init(machine):
    """Power management at 0:1.3, with SCI on IRQ 9."""
    def smi(n, level):
        """SMI# of all processors. But those whose SMBASE is still the reset's have no handler: SeaBIOS gives none to
        application processors, because on QEMU's PC the pin reaches the first one only."""
        if level:
            for k, cpu in enumerate(machine.cpus):
                if k and (cpu.smbase == RESET_SMBASE or machine.apics[k].s.wait_for_sipi):
                    continue
                cpu.interrupt(cpu_face.INTERRUPT_SMI)
                machine.tcg.qemu_cpu_kick(k)
    pm = machine.pm = PIIX4PM(machine.clocks.vm, shutdown=machine.system_shutdown_request, wake_up=machine.system_wakeup_request)
    machine.pci.register_device(pm, devfn(1, 3))
    pm.sci = machine.shared_irqs[SCI].input()
    pm.smi.connect(smi)
    if machine.clocks.vm.time is not None:
        timer = PassiveCounter(machine.clocks.vm.time)
        timer.count_up(PM_TIMER_FREQUENCY, PM_TIMER_MASK)
        pm.pm_region.add_counter(PMTMR, 4, timer)
    machine.isa.map(pm, 0xB2, 2, name="apm-io")
    machine.memory.system_io.add_subregion(GPE0, MemoryRegion.alias_of("acpi-gpe0", pm.pm_region, GPSTS, 4))
    machine.add_device("PIIX4_PM", pm)
    machine.powerdown_handlers.append(pm.power_button)


def pc_suspend_init(machine):
    """The clock's alarm wakes. CMOS 0Fh tells firmware that this is no power-on: SeaBIOS expects of a PC what QEMU's does."""
    machine.pm.suspend = machine.system_suspend_request
    machine.rtc.alarm = machine.pm.rtc_alarm

    def suspended():
        machine.rtc.s.ram[SHUTDOWN_STATUS] = RESUME_FROM_S3
    machine.suspend_handlers.append(suspended)


def pc_basic_device_init(machine):
    """The chips that every PC has."""
    isa, clock, config = machine.isa, machine.clocks.vm, machine.config
    pit = machine.pit = machine.add_device("isa-pit", I8254(clock))
    pit_ports = isa.map(pit, 0x40, 4, name="pit")
    pit.connect_out(0, lambda n, level: machine.gsi[n].set(level), 0)
    speaker = machine.add_device("isa-pcspk", pcspk.PCSpeaker(clock, pit=pit))
    port61 = isa.map(speaker, 0x61, 1, name="pcspk")
    count_passively(clock.time, pit, pit_ports, speaker, port61)
    port92 = machine.add_device("port92", Port92(request_reset=init_requester(machine)))
    port92.a20 = machine.a20.fast
    isa.map(port92, 0x92, 1, name="port92")
    port80 = machine.add_device("port80", Port80())
    region = isa.map(port80, 0x80, 1, name="ioport80")
    region.set_passive_write(0)
    pc_isa_init(machine)
    ferr = MemoryRegion.io("ioportF0", 1, ferr_ops(machine, machine.gsi[13]))
    machine.memory.system_io.add_subregion(0xF0, ferr)
    for n, chardev in enumerate(config.serials):
        if chardev is not None:
            serial = new_device(machine, ISASerial, {"index": str(n)}, chardev=chardev)
            serial.plug(isa)
            machine.add_device(f"serial{n}", serial)
    for chardev in config.debugcons:
        if chardev is not None:
            console = new_device(machine, DebugCon, chardev=chardev)
            console.plug(isa)
            machine.add_device("isa-debugcon", console)


def count_passively(time, pit, ports, speaker, port61):
    """Guests wait by reading the interval timer and port 61h: the core answers, while it can tell."""
    if time is None:
        return                          # -icount: the devices know that time
    for n, counter in enumerate(pit.counters):
        counter.passive = PassiveCounter(time)
        ports.add_counter(n, 1, counter.passive)
    ports.set_latch(3, tuple(counter.passive for counter in pit.counters))
    speaker.passive = PassiveCounter(time)
    port61.add_counter(0, 1, speaker.passive)


def ferr_ops(machine, irq13):
    def write(addr, value, size):
        irq13.lower()
        machine.cpus[machine.tcg.current].ignne()
    return MemoryRegionOps(lambda addr, size: 0xFF, write, impl=(1, 1))


@machine_init
def pc_machine_init():
    qemu_register_machine(QEMUMachine("pc-1.0", "Standard PC (i440FX + PIIX)", pc_init_pci, alias="pc",
                                      is_default=True, max_cpus=MAX_CPUS, seabios="bios-256k.bin"))
    qemu_register_machine(QEMUMachine("isapc", "ISA-only PC", pc_init_isa, seabios="bios.bin"))
