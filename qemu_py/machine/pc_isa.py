"""The PC's chips on the ISA bus that are not in pc.py: wiring only.

Real-time clock with its CMOS RAM; keyboard controller with keyboard and mouse; DMA controllers; floppy
disk controller; parallel ports.
"""
from datetime import datetime, timedelta

from qemu_py.devices.floppy_drive import FloppyDrive, drive_type, format_of
from qemu_py.devices.i8042 import I8042
from qemu_py.devices.i8237 import I8237Pair
from qemu_py.devices.i82078 import I82078
from qemu_py.devices.isa_parallel import ISAParallel
from qemu_py.devices.mc146818 import MC146818
from qemu_py.devices.ps2 import PS2Keyboard, PS2Mouse
from qemu_py.machine import cmos
from qemu_py.machine.drives import DriveOptions
from qemu_py.machine.pc_ide import ide_cmos_init
from qemu_py.machine.plug import new_device
from qemu_py.machine.pc_reset import init_requester
from qemu_py.system.inputs import Inputs
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util.errors import UserError

KBD_IRQ, FLOPPY_IRQ, RTC_IRQ, AUX_IRQ = 1, 6, 8, 12
FLOPPY_DMA = 2
EPOCH = datetime(1970, 1, 1)


def pc_isa_init(machine):
    """All of them; part of pc_basic_device_init."""
    rtc_init(machine)
    i8042_init(machine)
    dma_init(machine)
    floppy_init(machine)
    parallel_init(machine)


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
    machine.add_device("mc146818rtc", rtc)


def i8042_init(machine):
    """Ports 60h and 64h, with a keyboard and a mouse that hear machine.inputs; A20's second source."""
    clock, isa = machine.clocks.vm, machine.isa
    inputs = machine.inputs = Inputs(clock)
    keyboard = machine.add_device("ps2-kbd", PS2Keyboard(clock))
    mouse = machine.add_device("ps2-mouse", PS2Mouse(clock))
    inputs.key_handlers.append(keyboard.key_event)
    inputs.mouse_handlers.append(mouse.mouse_event)
    keyboard.leds_changed = inputs.set_leds
    controller = machine.i8042 = I8042(clock, keyboard=keyboard, mouse=mouse, request_reset=init_requester(machine))
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
    isa.note(dma.master, 0xC0, 32)
    isa.map(dma.pages, 0x81, 15, first=1, name="dma-page")
    machine.devices += [("i8237-low", dma.slave), ("i8237-high", dma.master), ("dma-pages", dma.pages)]
    machine.register_reset(dma.reset)


def floppy_init(machine):
    """Ports 3F2h-3F5h and 3F7h, with the drives that the configuration has; the first is always there."""
    fdc = machine.fdc = new_device(machine, I82078, dma=machine.dma.channel(FLOPPY_DMA))
    backends = [floppy_backend(machine, unit, name) for unit, name in enumerate((fdc.driveA, fdc.driveB))]
    for backend in backends:
        if backend is not None and backend.inserted and format_of(backend.size) is None:
            raise UserError(f"{backend.options.who}: {backend.size >> 10} KiB is no size of a diskette"
                            " (160 KiB to 2.88 MiB)")
    machine.floppy_types = [drive_type(backend) for backend in backends]
    fdc.connect([FloppyDrive(backend) for backend in backends])
    fdc.irq = machine.isa.irq(FLOPPY_IRQ)
    machine.isa.map(fdc, 0x3F2, 4, first=2, name="fdc")
    machine.isa.map(fdc, 0x3F7, 1, first=7, name="fdc")
    machine.add_device("isa-fdc", fdc)


def floppy_backend(machine, unit, name):
    """A drive's BlockBackend: of -fda and its like, or as -global isa-fdc.driveA= says; drive A is there without either."""
    drives = machine.drives
    backend = drives.get("floppy", 0, unit)
    if name is not None:
        who = f"-global isa-fdc.drive{'AB'[unit]}"
        if backend is not None:
            raise UserError(f"{who}: drive {'AB'[unit]} has an image already ({backend.options.who})")
        backend = drives.claim(name, who)
        backend.removable = True
    elif backend is None and unit == 0:
        backend = drives.add(DriveOptions("-fda", "floppy", 0, 0))
    return backend


def parallel_init(machine):
    """LPT1 to LPT3, as -parallel says."""
    for n, chardev in enumerate(machine.config.parallels):
        if chardev is not None:
            port = new_device(machine, ISAParallel, {"index": str(n)}, chardev=chardev)
            port.plug(machine.isa)
            machine.add_device(f"parallel{n}", port)


def pc_cmos_init(machine):
    """What the BIOS finds in the CMOS RAM, once everything has been plugged in."""
    ram = machine.rtc.s.ram
    cmos.set_memory_size(ram, machine.ram_below_4g, machine.ram_above_4g)
    cmos.set_processors(ram, len(machine.cpus))
    cmos.set_floppies(ram, machine.floppy_types)
    ide_cmos_init(machine, ram)
    cmos.set_checksum(ram)
    boot_init(machine)


def boot_init(machine):
    """-boot: the order (the monitor may change it), or until the first reset that of once=."""
    config = machine.config
    once = [] if config.boot_once is None else [config.boot_once]

    def reset():
        cmos.set_boot_order(machine.rtc.s.ram, once.pop() if once else config.boot_order)
    cmos.set_boot_order(machine.rtc.s.ram, config.boot_once or config.boot_order)
    machine.register_reset(reset, wake=lambda: None)
    machine.next_boot = reset           # for a reset that is no reset of the system
