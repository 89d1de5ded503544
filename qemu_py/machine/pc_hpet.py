"""The PC's HPET: wiring only. While its legacy route is on, timers 0 and 1 drive IRQ 0 and IRQ 8, and the
interval timer and the clock chip are cut off."""
from qemu_py._core.guesttime import PassiveCounter
from qemu_py.devices.hpet import HPET, MAIN_CNT
from qemu_py.machine.plug import new_device
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps

HPET_ADDRESS, HPET_SIZE = 0xFED00000, 0x400
ABOVE_PCI = 0x1000                      # priority
PIT_IRQ, RTC_IRQ = 0, 8


class Selector:
    """Two sources of one line: 0, a chip of the board; 1, a timer of the HPET."""

    def __init__(self, target):
        self.target = target
        self.levels = [0, 0]
        self.selected = 0

    def set_source(self, n, level):
        self.levels[n] = level
        if n == self.selected:
            self.target.set(level)

    def select(self, n):
        self.selected = n
        self.target.set(self.levels[n])


def pc_hpet_init(machine):
    """After the interval timer and the clock chip; there must be an I/O APIC."""
    hpet = machine.hpet = machine.add_device("hpet", new_device(machine, HPET))
    hpet.message = machine.pci.dma.message
    pit, rtc = (Selector(machine.gsi[n]) for n in (PIT_IRQ, RTC_IRQ))
    machine.pit.counters[0].out.connect(pit.set_source, 0)
    machine.rtc.irq = IRQ(rtc.set_source, 0)
    hpet.legacy[0].connect(pit.set_source, 1)
    hpet.legacy[1].connect(rtc.set_source, 1)

    def legacy_route(_, level):
        pit.select(level)
        rtc.select(level)
    hpet.legacy_route.connect(legacy_route)
    for n, line in hpet.irqs.items():
        line.connect(machine.ioapic.set_irq, n)
    region = MemoryRegion.io("hpet", HPET_SIZE, MemoryRegionOps(hpet.read, hpet.write, impl=(4, 4)))
    if machine.clocks.vm.time is not None:
        hpet.passive = PassiveCounter(machine.clocks.vm.time)
        region.add_counter(MAIN_CNT, 4, hpet.passive)
        region.add_counter(MAIN_CNT + 4, 4, hpet.passive, shift=32)
    machine.memory.system_memory.add_subregion_overlap(HPET_ADDRESS, region, ABOVE_PCI)
