"""The PC's chips on the ISA bus that are not in pc.py: wiring only.

Real-time clock with its CMOS RAM; keyboard controller with keyboard and mouse; DMA controllers.
"""
from datetime import datetime, timedelta

from qemu_py.devices.i8042 import I8042
from qemu_py.devices.i8237 import I8237Pair
from qemu_py.devices.mc146818 import MC146818
from qemu_py.devices.ps2 import PS2Keyboard, PS2Mouse
from qemu_py.machine import cmos
from qemu_py.machine.pc_ide import ide_cmos_init
from qemu_py.system.inputs import Inputs
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps

KBD_IRQ, AUX_IRQ, RTC_IRQ = 1, 12, 8
EPOCH = datetime(1970, 1, 1)


def pc_isa_init(machine):
    """All of them; part of pc_basic_device_init."""
    rtc_init(machine)
    i8042_init(machine)
    dma_init(machine)


def rtc_start(machine):
    """The date and time that -rtc base= gives the clock chip."""
    base = machine.config.rtc_base
    if base not in ("utc", "localtime"):
        return base
    ns = machine.clocks.host.get_ns()
    now = EPOCH + timedelta(microseconds=ns // 1000)
    if base == "localtime":
        now += datetime.fromtimestamp(ns / 1e9).astimezone().utcoffset()
    return now


def rtc_init(machine):
    """MC146818 at ports 70h and 71h, on the clock that -rtc clock= names."""
    clocks = machine.clocks
    clocks.rtc_clock = {"host": clocks.host, "rt": clocks.rt, "vm": clocks.vm}[machine.config.rtc_clock]
    rtc = machine.rtc = MC146818(clocks.rtc_clock)
    rtc.set_time(rtc_start(machine))
    rtc.irq = machine.isa.irq(RTC_IRQ)
    if clocks.rtc_clock is clocks.host:
        clocks.host.reset_notifiers.append(lambda now: rtc.clock_set_back())
    machine.isa.map(rtc, 0x70, 2, name="rtc")
    machine.add_device("mc146818", rtc)


def i8042_init(machine):
    """Ports 60h and 64h, with a keyboard and a mouse that hear machine.inputs; A20's second source."""
    clock, isa = machine.clocks.vm, machine.isa
    inputs = machine.inputs = Inputs(clock)
    keyboard = machine.add_device("ps2-kbd", PS2Keyboard(clock))
    mouse = machine.add_device("ps2-mouse", PS2Mouse(clock))
    inputs.key_handlers.append(keyboard.key_event)
    inputs.mouse_handlers.append(mouse.mouse_event)
    keyboard.leds_changed = inputs.set_leds
    controller = I8042(clock, keyboard=keyboard, mouse=mouse, request_reset=machine.system_reset_request)
    controller.a20 = machine.a20.keyboard
    controller.irq_kbd = isa.irq(KBD_IRQ)
    controller.irq_aux = isa.irq(AUX_IRQ)
    isa.map(controller, 0x60, 1, name="i8042-data")
    isa.map(controller, 0x64, 1, first=1, name="i8042-cmd")
    machine.i8042 = machine.add_device("i8042", controller)


def dma_init(machine):
    """DMA channels 0-3 at port 0, 5-7 at port C0h, each of whose registers takes two ports; pages from port 81h on."""
    isa = machine.isa
    dma = machine.dma = I8237Pair(machine.memory.address_space_memory)
    isa.map(dma.slave, 0x00, 16, name="dma-chan")
    ops = MemoryRegionOps(lambda addr, size: dma.master.read(addr >> 1, size),
                          lambda addr, value, size: dma.master.write(addr >> 1, value, size), impl=(1, 1))
    machine.memory.system_io.add_subregion(0xC0, MemoryRegion.io("dma-cont", 32, ops))
    isa.map(dma.pages, 0x81, 15, first=1, name="dma-page")
    machine.devices += [("i8237-low", dma.slave), ("i8237-high", dma.master), ("dma-pages", dma.pages)]
    machine.register_reset(dma.reset)


def pc_cmos_init(machine):
    """What the BIOS finds in the CMOS RAM, once everything has been plugged in."""
    ram = machine.rtc.s.ram
    cmos.set_memory_size(ram, machine.ram_below_4g, machine.ram_above_4g)
    cmos.set_processors(ram, len(machine.cpus))
    cmos.set_floppies(ram, ())
    ide_cmos_init(machine, ram)
    cmos.set_checksum(ram)
    boot_init(machine)


def boot_init(machine):
    """-boot: the order, or until the first reset that of once=."""
    config = machine.config
    orders = [config.boot_order] if config.boot_once is None else [config.boot_once, config.boot_order]

    def reset():
        cmos.set_boot_order(machine.rtc.s.ram, orders.pop(0) if len(orders) > 1 else orders[0])
    cmos.set_boot_order(machine.rtc.s.ram, orders[0])
    machine.register_reset(reset)
