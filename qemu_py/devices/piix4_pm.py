"""Intel 82371AB (PIIX4) function 3: power management and SMBus (datasheet 290562-001, chapter 7; ACPI 1.0b).

Device 8086:7113. The ACPI registers lie where PMBA (40h) says, while PMREGMISC (80h) enables them; the
SMBus host where SMBBA (90h) says. SCI is IRQ 9. Soft off (SUS_TYP 0) asks for `shutdown`, suspend to RAM (1) for `suspend`;
the other sleeping states are refused: the system finds itself woken at once. Out of suspend to RAM the power button leads, the
clock's alarm (RTC_EN), and whoever calls `wake_up`; the event registers, which are in the resume well, say then why.

As on QEMU's PC, a BIOS need not handle ACPI's enabling through SMI: F1h and F0h written to the SMI
command port (B2h) switch SCI_EN. Whether such a write raises SMI# is APMC_EN's choice (DEVACTB, 58h).

Not modelled: device monitors, clock control, resume events, general purpose pins (their registers only
keep what is written), SMI# by power management events and by the BIOS's semaphore.
"""
from qemu_py.devices.pci import COMMAND, PCIDevice
from qemu_py.devices.piix4_smbus import SMBUS_SIZE, SMBusHost
from qemu_py.system.device import device
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass

# Configuration space
PMBA, DEVACTB, PMREGMISC, SMBBA, SMBHSTCFG, SMBREV = 0x40, 0x58, 0x80, 0x90, 0xD2, 0xD6
APMC_EN, PMIOSE, SMB_HST_EN, RTE = 1 << 25, 0x01, 0x01, 0x01
KEPT = ((0x44, 4), (0x48, 4), (0x4C, 4), (0x50, 4), (0x54, 4), (DEVACTB, 4), (0x5C, 4), (0x60, 4), (0x64, 4),
        (0x68, 4), (0x6C, 4), (0x70, 4), (0x74, 4), (0x78, 4), (0x7C, 4), (0xD3, 1), (0xD4, 1), (0xD5, 1))

# The ACPI block
PM_SIZE = 64
PMTMR, GPSTS = 0x08, 0x0C
LAYOUT = ((0x00, 2, "pmsts"), (0x02, 2, "pmen"), (0x04, 2, "pmcntrl"), (PMTMR, 4, "pmtmr"), (GPSTS, 2, "gpsts"),
          (0x0E, 2, "gpen"), (0x10, 4, "pcntrl"), (0x14, 1, "lvl2"), (0x15, 1, "lvl3"), (0x18, 2, "glbsts"),
          (0x1C, 4, "devsts"), (0x20, 2, "glben"), (0x28, 4, "glbctl"), (0x2C, 4, "devctl"), (0x30, 4, "gpireg"),
          (0x34, 4, "gporeg"))
TMROF_STS, GBL_STS, PWRBTN_STS, RTC_STS, RSM_STS = 0x0001, 0x0020, 0x0100, 0x0400, 0x8000
PMSTS_BITS = 0x8D31
PMEN_BITS = TMROF_STS | GBL_STS | PWRBTN_STS | RTC_STS
SCI_EN, SUS_TYP_SHIFT, SUS_EN, PMCNTRL_BITS = 0x0001, 10, 0x2000, 0x1C03
SOFT_OFF, TO_RAM = 0, 1
GPE_BITS = 0x0F81
SMI_EN = 0x01                           # in GLBCTL
APM_STS = 0x0020                        # in GLBSTS
ACPI_ENABLE, ACPI_DISABLE = 0xF1, 0xF0

PM_TIMER_FREQUENCY = 3_579_545
PM_TIMER_MASK, PM_TIMER_HALF = 0xFFFFFF, 1 << 23        # TMROF_STS: bit 23 has changed
NANOSECONDS = 1_000_000_000


@device("PIIX4_PM", "82371AB power management")
class PIIX4PM(PCIDevice):
    """Lines: sci, smi. `shutdown()` ends the machine's run (soft off); `suspend()` switches all off but RAM and this, None: that
    cannot be; `wake_up()` on again."""
    VENDOR_ID, DEVICE_ID, REVISION, CLASS_CODE = 0x8086, 0x7113, 0x03, 0x068000
    STATUS_RESET = 0x0280
    INTERRUPT_PIN = 1                   # as the header says; the SCI has its own line
    BUS, PROPERTIES = None, {}
    REGISTERS = {0: "apmc", 1: "apms"}  # ports B2h, B3h

    @dataclass
    class State(PCIDevice.State):
        apmc: int = 0
        apms: int = 0
        pmsts: int = 0
        pmen: int = 0
        pmcntrl: int = 0
        overflow: int = PM_TIMER_HALF   # timer ticks at which TMROF_STS is set next
        gpsts: int = 0
        gpen: int = 0
        pcntrl: int = 0
        glbsts: int = 0
        devsts: int = 0
        glben: int = 0
        glbctl: int = 0
        devctl: int = 0
        gporeg: int = 0x7FFFBFFF
        suspended: bool = False

    def __init__(self, clock=None, shutdown=None, suspend=None, wake_up=None):
        self.sci, self.smi = IRQ(), IRQ()
        self.shutdown = shutdown
        self.suspend = suspend
        self.wake_up = wake_up
        super().__init__(clock)
        self.smbus = SMBusHost()
        self.timer = clock.timer(self._timer_expired, "acpi-tmr")
        self.by_offset = {}
        self.whole = {}                 # offset and size of a whole register -> its reader
        for start, length, name in LAYOUT:
            entry = (start, length, getattr(self, f"read_{name}"), getattr(self, f"write_{name}", None))
            self.by_offset.update((offset, entry) for offset in range(start, start + length))
            self.whole[start << 3 | length] = entry[2]
        self.pm_region = MemoryRegion.io("piix4-pm", PM_SIZE, MemoryRegionOps(self.read_pm, self.write_pm))
        self.smbus_region = MemoryRegion.io("pm-smbus", SMBUS_SIZE, MemoryRegionOps(
            self.smbus.read, self.smbus.write, impl=(1, 1)))
        self.set_reset(COMMAND, 0, 2, wmask=0x0001)
        self.set_reset(PMBA, RTE, 4, wmask=0xFFC0)
        self.set_reset(PMREGMISC, 0, 1, wmask=PMIOSE)
        self.set_reset(SMBBA, RTE, 4, wmask=0xFFF0)
        self.set_reset(SMBHSTCFG, 0, 1, wmask=0x0F)
        for offset, size in KEPT:
            self.set_reset(offset, 0, size, wmask=(1 << 8 * size) - 1)
        self.s.overflow = self._next_overflow()

    # ---------------------------------------------------------------- where the blocks lie
    def config_written(self, offset, size):
        if offset <= PMREGMISC < offset + size or offset < PMBA + 4 and offset + size > PMBA:
            self._place(self.pm_region, self.config_word(PMBA) & 0xFFC0, self.s.config[PMREGMISC] & PMIOSE)
        self._place(self.smbus_region, self.config_word(SMBBA) & 0xFFF0,
                    self.s.config[SMBHSTCFG] & SMB_HST_EN and self.command & 1)

    def _place(self, region, base, enabled):
        space = self.bus.io_space
        if region.parent is not None and not (enabled and base):
            space.del_subregion(region)
        elif enabled and base and region.parent is None:
            space.add_subregion_overlap(base, region, 1)
        elif region.parent is not None:
            region.set_address(base)

    # ---------------------------------------------------------------- the ACPI block
    def read_pm(self, addr, size):
        reader = self.whole.get(addr << 3 | size)
        if reader is not None:
            return reader()
        value = 0
        for k in range(size):           # reading has no effects, so a byte at a time will do
            entry = self.by_offset.get(addr + k)
            if entry is not None:
                value |= (entry[2]() >> 8 * (addr + k - entry[0]) & 0xFF) << 8 * k
        return value

    def write_pm(self, addr, value, size):
        """Each register gets what is written of it, and a mask of those bits."""
        end = addr + size
        while addr < end:
            start, length, _, writer = self.by_offset.get(addr, (addr, 1, None, None))
            count = min(end, start + length) - addr
            mask = (1 << 8 * count) - 1
            if writer is not None:
                writer((value & mask) << 8 * (addr - start), mask << 8 * (addr - start))
            else:
                log.log(log.LOG_GUEST_ERROR, f"PIIX4_PM: write to read-only register {start:#x}")
            value >>= 8 * count
            addr += count

    def update_sci(self):
        """Raise or lower the SCI, and see to it that the timer's overflow comes when it is awaited."""
        s = self.s
        sts = self.read_pmsts()
        self.sci.set(s.pmcntrl & SCI_EN and (sts & s.pmen & PMEN_BITS or s.gpsts & s.gpen))
        if s.pmen & TMROF_STS and not sts & TMROF_STS:
            self.timer.mod_ns(-(-s.overflow * NANOSECONDS // PM_TIMER_FREQUENCY))
        elif self.timer.pending:
            self.timer.cancel()

    # ---- the timer
    def ticks(self):
        return self.clock.get_ns() * PM_TIMER_FREQUENCY // NANOSECONDS

    def _next_overflow(self):
        return (self.ticks() // PM_TIMER_HALF + 1) * PM_TIMER_HALF

    def _timer_expired(self):
        self.update_sci()

    def read_pmtmr(self):
        return self.clock.get_ns() * PM_TIMER_FREQUENCY // NANOSECONDS & PM_TIMER_MASK

    # ---- PM1
    def read_pmsts(self):
        s = self.s
        if not s.pmsts & TMROF_STS and self.ticks() >= s.overflow:
            s.pmsts |= TMROF_STS
        return s.pmsts

    def write_pmsts(self, value, mask):
        s = self.s
        sts = self.read_pmsts()
        if sts & value & TMROF_STS:
            s.overflow = self._next_overflow()
        s.pmsts = sts & ~(value & PMSTS_BITS)
        self.update_sci()

    def read_pmen(self):
        return self.s.pmen

    def write_pmen(self, value, mask):
        self.s.pmen = (self.s.pmen & ~mask | value) & PMEN_BITS
        self.update_sci()

    def read_pmcntrl(self):
        return self.s.pmcntrl

    def write_pmcntrl(self, value, mask):
        s = self.s
        s.pmcntrl = (s.pmcntrl & ~mask | value) & PMCNTRL_BITS
        self.update_sci()
        if value & SUS_EN:
            kind = s.pmcntrl >> SUS_TYP_SHIFT & 7
            if kind == SOFT_OFF:
                self.shutdown()
            elif kind == TO_RAM and self.suspend is not None:
                s.suspended = True
                self.suspend()
            else:
                log.log(log.LOG_GUEST_ERROR, f"PIIX4_PM: sleeping state {kind} is refused")
                s.pmsts |= RSM_STS
                self.update_sci()

    def power_button(self):
        """Somebody presses the button."""
        self.s.pmsts |= PWRBTN_STS
        self.update_sci()
        if self.s.suspended:
            self.wake_up()

    def rtc_alarm(self):
        """The clock chip's alarm rings (IRQ8#)."""
        self.s.pmsts |= RTC_STS
        self.update_sci()
        if self.s.suspended and self.s.pmen & RTC_STS:
            self.wake_up()

    def set_sci_enable(self, enabled):
        self.s.pmcntrl = self.s.pmcntrl & ~SCI_EN | (SCI_EN if enabled else 0)
        self.update_sci()

    # ---- general purpose events
    def read_gpsts(self):
        return self.s.gpsts

    def write_gpsts(self, value, mask):
        self.s.gpsts &= ~value
        self.update_sci()

    def read_gpen(self):
        return self.s.gpen

    def write_gpen(self, value, mask):
        self.s.gpen = (self.s.gpen & ~mask | value) & GPE_BITS
        self.update_sci()

    def raise_gpe(self, bit):
        """A general purpose event (a bit of GPSTS) happens."""
        self.s.gpsts |= 1 << bit & GPE_BITS
        self.update_sci()

    # ---- the rest keeps what is written
    def read_pcntrl(self):
        return self.s.pcntrl

    def write_pcntrl(self, value, mask):
        self.s.pcntrl = self.s.pcntrl & ~mask | value & 0x00033E1E

    def read_lvl2(self):
        return 0

    def read_lvl3(self):
        return 0

    def read_glbsts(self):
        return self.s.glbsts

    def write_glbsts(self, value, mask):
        self.s.glbsts &= ~value

    def read_devsts(self):
        return self.s.devsts

    def write_devsts(self, value, mask):
        self.s.devsts &= ~value

    def read_glben(self):
        return self.s.glben

    def write_glben(self, value, mask):
        self.s.glben = self.s.glben & ~mask | value

    def read_glbctl(self):
        return self.s.glbctl

    def write_glbctl(self, value, mask):
        self.s.glbctl = self.s.glbctl & ~mask | value

    def read_devctl(self):
        return self.s.devctl

    def write_devctl(self, value, mask):
        self.s.devctl = self.s.devctl & ~mask | value

    def read_gpireg(self):
        return 0x003FFFFF               # all pins high

    def read_gporeg(self):
        return self.s.gporeg

    def write_gporeg(self, value, mask):
        self.s.gporeg = self.s.gporeg & ~mask | value & 0x7FFFFFFF

    # ---------------------------------------------------------------- ports B2h, B3h
    def read_apmc(self):
        return self.s.apmc

    def write_apmc(self, value):
        s = self.s
        s.apmc = value
        if value in (ACPI_ENABLE, ACPI_DISABLE):
            self.set_sci_enable(value == ACPI_ENABLE)
        if self.config_word(DEVACTB, 4) & APMC_EN:
            s.glbsts |= APM_STS
            if s.glbctl & SMI_EN:
                self.smi.pulse()

    def read_apms(self):
        return self.s.apms

    def write_apms(self, value):
        self.s.apms = value

    # ---------------------------------------------------------------- life
    def wake(self):
        """What woke the system stays, and where software finds that: SeaBIOS uses the ACPI block before it places it again."""
        s = self.s
        self.reset()
        self.s.pmsts, self.s.pmen, self.s.gpsts, self.s.gpen = s.pmsts | RSM_STS, s.pmen, s.gpsts, s.gpen
        for offset, size in ((PMBA, 4), (PMREGMISC, 1)):
            self.s.config[offset:offset + size] = s.config[offset:offset + size]
        self.config_written(PMBA, PMREGMISC + 1 - PMBA)

    def reset(self):
        super().reset()
        self.smbus.reset()
        self.timer.cancel()
        self.s.overflow = self._next_overflow()
        self.sci.lower()
        self.config_written(0, 256)
