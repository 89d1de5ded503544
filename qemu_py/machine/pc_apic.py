"""The PC's APICs: a local one in every processor that has such a thing, an I/O APIC with PCI. Wiring only.

ISA interrupts reach the 8259A pair and the I/O APIC: IRQ 0 at input 2, the others at the input of their
number (the cascade's input 2 has no line of its own); the pair's INT is at LINT0 of the processors.
"""
from qemu_py._core import cpu_face
from qemu_py.devices.apic import APIC, APICBus
from qemu_py.devices.ioapic import IOAPIC
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps

LAPIC_ADDRESS, LAPIC_SIZE = 0xFEE00000, 0x1000
IOAPIC_ADDRESS, IOAPIC_SIZE = 0xFEC00000, 0x1000
ABOVE_PCI = 0x1000                      # priority
MSR_APIC_BASE, APIC_BASE_BSP = 0x1B, 1 << 8
TIMER_INPUT = 2


def has_apic(cpu):
    """Is it in the model's CPUID?"""
    try:
        cpu.rdmsr(MSR_APIC_BASE)
    except KeyError:
        return False
    return True


def cpu_is_bsp(cpu):
    """The bootstrap processor, which begins after a reset; a processor without an APIC is alone."""
    return not has_apic(cpu) or bool(cpu.rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP)


def pc_apic_init(machine, pic):
    """The local APICs: machine.apics, empty where the model of processor has none."""
    machine.apic_bus = APICBus()        # without APICs, a message reaches nobody
    machine.apics = []
    machine.ioapic = None
    if not has_apic(machine.cpus[0]):
        return
    for n, cpu in enumerate(machine.cpus):
        machine.apics.append(new_apic(machine, cpu, n))
    apics, tcg = machine.apics, machine.tcg

    def pic_irq_request(n, level):
        for apic in apics:
            apic.set_lint(0, level)
    pic.int.connect(pic_irq_request)

    def acknowledge():                  # cpu_get_pic_interrupt
        vector = apics[tcg.current].acknowledge()
        return vector if vector >= 0 else pic.read_irq()
    machine.memory.physmap.pic_interrupt = acknowledge
    region = MemoryRegion.io("apic", LAPIC_SIZE, apic_page_ops(machine))
    machine.memory.system_memory.add_subregion_overlap(LAPIC_ADDRESS, region, ABOVE_PCI)


def new_apic(machine, cpu, n):
    tcg = machine.tcg
    apic = APIC(machine.clocks.vm, apic_id=n, bus=machine.apic_bus, bsp=n == 0,
                enabled=lambda: cpu.apic_enabled)

    def request(mask):
        def handler(_, level):
            cpu.interrupt(mask, level)
            if level:
                tcg.qemu_cpu_kick(n)
        return handler

    def request_once(mask):             # the processor takes these back itself
        handler = request(mask)
        return lambda _, level: level and handler(_, level)

    def start(vector):
        cpu.sipi(vector)
        tcg.qemu_cpu_kick(n)

    def reset():
        apic.reset()
        if apic.bsp:                    # as firmware leaves it: kernels that start without one expect that
            apic.virtual_wire()
    apic.intr.connect(request(cpu_face.INTERRUPT_HARD))
    apic.nmi.connect(request_once(cpu_face.INTERRUPT_NMI))
    apic.smi.connect(request_once(cpu_face.INTERRUPT_SMI))
    apic.init.connect(request_once(cpu_face.INTERRUPT_INIT))
    apic.start = start
    machine.devices.append((f"apic{n}", apic))
    machine.register_reset(reset)
    return apic


def apic_page_ops(machine):
    """The page at FEE00000h: every processor finds its own APIC there."""
    apics, cpus, tcg = machine.apics, machine.cpus, machine.tcg
    # The way to a register's own method is short: kernels come here with every interrupt.
    readers, writers = ([{16 * k: method for k, method in enumerate(table) if method is not None} for table in tables]
                        for tables in ([apic.readers for apic in apics], [apic.writers for apic in apics]))

    def read(addr, size):
        n = tcg.current
        if not cpus[n].apic_enabled:
            return 0xFFFFFFFF
        reader = readers[n].get(addr)
        return reader() if reader is not None else apics[n].read(addr, size)

    def write(addr, value, size):
        n = tcg.current
        if cpus[n].apic_enabled:
            writer = writers[n].get(addr)
            if writer is not None:
                writer(value)
            else:
                apics[n].write(addr, value, size)
    return MemoryRegionOps(read, write, impl=(4, 4))


def pc_ioapic_init(machine, pic):
    """The I/O APIC; the 16 ISA interrupt lines, that lead there and to the pair."""
    ioapic = machine.ioapic = machine.add_device("ioapic", IOAPIC(bus=machine.apic_bus))
    region = MemoryRegion.io("ioapic", IOAPIC_SIZE, MemoryRegionOps(ioapic.read, ioapic.write, impl=(4, 4)))
    machine.memory.system_memory.add_subregion_overlap(IOAPIC_ADDRESS, region, ABOVE_PCI)
    set_ioapic = ioapic.set_irq

    def gsi_handler(n, level):
        pic.irqs[n].set(level)
        set_ioapic(n or TIMER_INPUT, level)
    return [IRQ(gsi_handler, n) for n in range(16)]
