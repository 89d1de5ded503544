"""An IDE channel (ATA/ATAPI-6, clauses 7 and 9): two drives behind one set of ports and one interrupt line.

Command block registers: data, error/features, sector count, LBA low, mid, high, device, status/command.
Control block: alternate status/device control. Writes reach both drives, reads the selected one.

An absent device 1 reads as 0; a channel without drives as a bus whose bit 7 is pulled down.
"""
from qemu_py.devices.ide import BSY, DEV
from qemu_py.system.device import Device, device
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util.dataclass import dataclass

HOB, SRST, NIEN = 0x80, 0x04, 0x02      # device control
EXECUTE_DIAGNOSTIC, DEVICE_RESET = 0x90, 0x08
NO_DRIVES = 0x7F
SHADOWED = ("features", "count", "low", "mid", "high")
DEVICE_ONES = 0xA0                      # obsolete bits of the device register, read as written by most hosts


@device("isa-ide", "two IDE drives and their ports")
class IDEChannel(Device):
    """Line: irq (INTRQ). bus_master: hears of DMARQ, or None."""
    REGISTERS = {0: "data", 1: "error", 2: "count", 3: "low", 4: "mid", 5: "high", 6: "device", 7: "status"}

    @dataclass
    class State:
        VERSION = 1
        control: int = 0

    def __init__(self, clock=None, **properties):
        self.irq = IRQ()
        self.drives = [None, None]
        self.selected = None            # the drive that the device register names, if it is there
        self.bus_master = None
        super().__init__(clock, **properties)

    def attach(self, drive, unit):
        assert self.drives[unit] is None
        self.drives[unit] = drive
        drive.channel = self
        drive.unit = unit
        if unit == 0:
            self.selected = drive
        return drive

    def present(self):
        return [drive for drive in self.drives if drive is not None]

    def regions(self, name):
        """(command block of 8 ports, control block of 1) as MemoryRegions."""
        command = MemoryRegionOps(self.read_command, self.write_command, impl=(1, 4), read_block=self.read_data_block,
                                  write_block=self.write_data_block)
        control = MemoryRegionOps(self.read_alternate, self.write_control, impl=(1, 1))
        return MemoryRegion.io(name, 8, command), MemoryRegion.io(name + "-control", 1, control)

    # ---------------------------------------------------------------- registers
    def read_command(self, addr, size):
        if addr == 0:
            drive = self.selected
            return drive.read_data(size) if drive is not None else self.absent(size)
        if size > 1:                    # the command block is as wide as a byte, but for its first register
            return self.read_register(addr) | self.read_command(addr + 1, size - 1) << 8 if addr < 8 else 0xFF
        return self.read_register(addr)

    def write_command(self, addr, value, size):
        if addr == 0:
            if self.selected is not None:
                self.selected.write_data(value, size)
            return
        for k in range(min(size, 8 - addr)):
            self.write_register(addr + k, value >> 8 * k & 0xFF)

    def absent(self, size=1):
        return 0 if self.drives[0] is not None or self.drives[1] is not None else (1 << 8 * size) - 1 & ~0x80

    def read_register(self, addr):
        drive = self.selected
        if drive is None:
            return self.absent()
        s = drive.s
        if addr == 7:
            if drive.request is not None:
                drive.blk.wait_briefly()
            if s.interrupt:
                s.interrupt = False     # reading status acknowledges
                self.update_irq()
            return s.status
        if addr == 1:
            return s.error
        if addr == 6:
            return s.device | DEVICE_ONES
        name = SHADOWED[addr - 1]
        return getattr(s, "hob_" + name if self.s.control & HOB else name)

    def write_register(self, addr, value):
        self.s.control &= ~HOB
        if self.s.control & SRST:
            return                      # the drives hear nothing else
        if addr == 7:
            self.write_status(value)
            return
        for drive in self.drives:
            if drive is None:
                continue
            s = drive.s
            if addr == 6:
                s.device = value
            elif not s.status & BSY:
                name = SHADOWED[addr - 1]
                setattr(s, "hob_" + name, getattr(s, name))
                setattr(s, name, value)
        if addr == 6:
            self.selected = self.drives[1 if value & DEV else 0]
            self.update_irq()

    def write_status(self, command):
        """The command register."""
        if command == EXECUTE_DIAGNOSTIC:
            self.execute_diagnostic()
        elif self.selected is not None:
            if command == DEVICE_RESET and self.selected.ACCEPTS_DEVICE_RESET:
                self.selected.device_reset()        # heard even while busy
            else:
                self.selected.execute(command)

    def read_alternate(self, addr, size):
        """Status without the acknowledge."""
        drive = self.selected
        if drive is None:
            return self.absent()
        if drive.request is not None:
            drive.blk.wait_briefly()
        return drive.s.status

    def write_control(self, addr, value, size):
        before, self.s.control = self.s.control, value & (HOB | SRST | NIEN)
        if value & SRST and not before & SRST:
            for drive in self.present():
                drive.soft_reset()
                drive.s.status = BSY
            self.selected = self.drives[0]
        elif before & SRST and not value & SRST:
            for drive in self.present():
                drive.soft_reset()
            self.selected = self.drives[0]
        self.update_irq()

    def read_data_block(self, addr, size, view):
        """rep ins."""
        if addr == 0 and self.selected is not None:
            self.selected.read_block(addr, size, view)
            return
        for k in range(0, len(view), size):
            view[k:k + size] = self.read_command(addr, size).to_bytes(size, "little")

    def write_data_block(self, addr, size, view):
        """rep outs."""
        if addr == 0:
            if self.selected is not None:
                self.selected.write_block(addr, size, view)
            return
        for k in range(0, len(view), size):
            self.write_command(addr, int.from_bytes(view[k:k + size], "little"), size)

    # ---------------------------------------------------------------- both drives
    def execute_diagnostic(self):
        """Both drives answer with their signatures; device 0 is selected and interrupts."""
        for drive in self.present():
            drive.soft_reset()
        self.selected = self.drives[0]
        if self.selected is not None:
            self.selected.interrupt()
        elif self.drives[1] is not None:
            self.update_irq()

    def update_irq(self):
        drive = self.selected
        self.irq.set(drive is not None and drive.s.interrupt and not self.s.control & NIEN)

    def reset(self):
        super().reset()
        for drive in self.present():
            drive.reset()
        self.selected = self.drives[0]
        self.update_irq()

    # ---------------------------------------------------------------- DMA
    def dma_drive(self):
        """The drive that has DMARQ asserted."""
        for drive in self.present():
            if drive.s.dma_waits:
                return drive
        return None
