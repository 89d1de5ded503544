"""82371AB function 3, from its datasheet and ACPI 1.0b: power management, SMBus, SMI command port."""
import pytest

from qemu_py.devices.piix4_pm import PIIX4PM
from qemu_py.devices.pci import PCIBus
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import Memory, MemoryRegion

BASE, SMB = 0xB000, 0xB100
PMBA, DEVACTB, PMREGMISC, SMBBA, SMBHSTCFG = 0x40, 0x58, 0x80, 0x90, 0xD2
STS, EN, CNT, TMR, GPSTS, GPEN, GLBCTL = 0x00, 0x02, 0x04, 0x08, 0x0C, 0x0E, 0x28
TMR_BIT, PWRBTN, RTC, WAK, SCI_EN, SUS_EN = 0x0001, 0x0100, 0x0400, 0x8000, 0x0001, 0x2000
TO_RAM = 1 << 10                    # SUS_TYP
HZ, SECOND = 3_579_545, 1_000_000_000
HALF = 2 ** 23


class Board:
    def __init__(self, clock, pc_bus):
        self.memory = Memory()
        self.sci, self.smi, self.off = [], [], []
        self.chip = PIIX4PM(clock, shutdown=lambda: self.off.append(1))
        bus = PCIBus(self.memory, MemoryRegion("pci", 1 << 64), self.memory.system_io, [IRQ() for _ in range(4)])
        bus.register_device(self.chip, 1 << 3 | 3)
        self.chip.sci.connect(lambda n, level: self.sci.append(level))
        self.chip.smi.connect(lambda n, level: self.smi.append(level))
        pc_bus.map(self.chip, 0xB2, 2)
        self.apm = pc_bus

    def enable(self):
        self.chip.write_config(PMBA, BASE, 4)
        self.chip.write_config(PMREGMISC, 1, 1)
        return self

    def out(self, register, value, size=2, base=BASE):
        self.memory.physmap.port_write(base + register, value, size)

    def inp(self, register, size=2, base=BASE):
        return self.memory.physmap.port_read(base + register, size)


@pytest.fixture
def board(clock, pc_bus):
    return Board(clock, pc_bus)


@pytest.fixture
def pm(board):
    return board.enable()


# ---------------------------------------------------------------- configuration
def test_it_is_8086_7113_a_bridge(board):
    assert board.chip.read_config(0, 4) == 0x71138086
    assert board.chip.read_config(0x0A, 2) == 0x0680
    assert board.chip.read_config(PMBA, 4) == 0x00000001
    assert board.chip.read_config(SMBBA, 4) == 0x00000001


def test_the_block_lies_at_pmba_while_pmregmisc_enables_it(board):
    board.chip.write_config(PMBA, 0xB03F, 4)
    assert board.chip.read_config(PMBA, 4) == 0xB001        # 64 ports, aligned
    assert board.inp(CNT) == 0xFFFF
    board.chip.write_config(PMREGMISC, 1, 1)
    assert board.inp(CNT) == 0
    board.chip.write_config(PMBA, 0x0600, 4)
    assert board.inp(CNT) == 0xFFFF and board.inp(CNT, base=0x600) == 0
    board.chip.write_config(PMREGMISC, 0, 1)
    assert board.inp(CNT, base=0x600) == 0xFFFF


# ---------------------------------------------------------------- the timer
def test_the_timer_counts_at_3_579545_mhz_in_24_bits(pm, clock):
    assert pm.inp(TMR, 4) == 0
    clock.advance(SECOND)
    assert pm.inp(TMR, 4) == HZ
    clock.advance(4 * SECOND)
    assert pm.inp(TMR, 4) == 5 * HZ % 2 ** 24
    assert pm.inp(TMR, 2) == 5 * HZ % 2 ** 16
    assert pm.inp(TMR + 2, 1) == 5 * HZ >> 16 & 0xFF


def test_the_status_tells_when_bit_23_has_changed(pm, clock):
    clock.advance((HALF - 10) * SECOND // HZ)
    assert pm.inp(STS) & TMR_BIT == 0
    clock.advance(20 * SECOND // HZ)
    assert pm.inp(STS) & TMR_BIT
    pm.out(STS, TMR_BIT)
    assert pm.inp(STS) & TMR_BIT == 0
    clock.advance(HALF * SECOND // HZ)
    assert pm.inp(STS) & TMR_BIT


def test_an_overflow_interrupts_when_it_is_enabled(pm, clock):
    pm.out(CNT, SCI_EN)
    pm.out(EN, TMR_BIT)
    clock.advance((HALF - 10) * SECOND // HZ)
    assert pm.sci == []
    clock.advance(20 * SECOND // HZ)
    assert pm.sci == [1]
    pm.out(STS, TMR_BIT)
    assert pm.sci == [1, 0]
    clock.advance(HALF * SECOND // HZ)
    assert pm.sci == [1, 0, 1]


def test_no_host_timer_is_armed_while_nobody_listens(pm, clock):
    clock.advance(10 * SECOND)
    assert clock.active_timers == []
    pm.out(EN, TMR_BIT)
    pm.out(STS, TMR_BIT)
    assert len(clock.active_timers) == 1
    pm.out(EN, 0)
    assert clock.active_timers == []


# ---------------------------------------------------------------- PM1
def test_the_power_button_interrupts(pm):
    pm.out(CNT, SCI_EN)
    pm.out(EN, PWRBTN)
    pm.chip.power_button()
    assert pm.inp(STS) == PWRBTN
    assert pm.sci == [1]
    pm.out(STS, PWRBTN)
    assert pm.sci == [1, 0]


def test_without_sci_en_there_is_no_sci(pm):
    pm.out(EN, PWRBTN)
    pm.chip.power_button()
    assert pm.sci == []
    pm.out(CNT, SCI_EN)
    assert pm.sci == [1]


def test_status_bits_are_cleared_by_ones_a_byte_at_a_time(pm):
    pm.chip.power_button()
    pm.out(STS, 0xFF, 1)
    assert pm.inp(STS) == PWRBTN
    pm.out(STS + 1, 0x01, 1)
    assert pm.inp(STS) == 0


def test_status_and_enable_may_be_written_together(pm):
    pm.chip.power_button()
    pm.out(STS, PWRBTN << 16 | PWRBTN, 4)
    assert pm.inp(STS, 4) == PWRBTN << 16


def test_soft_off_is_type_0_with_sus_en(pm):
    pm.out(CNT, 0x0000)
    assert pm.off == []
    pm.out(CNT, SUS_EN)
    assert pm.off == [1]
    assert pm.inp(CNT) & SUS_EN == 0            # reads as 0


@pytest.mark.parametrize("kind", [1, 2, 4])
def test_other_sleeping_states_are_left_at_once(pm, kind):
    pm.out(CNT, kind << 10 | SUS_EN)
    assert pm.off == []
    assert pm.inp(STS) & WAK


def test_general_purpose_events_interrupt(pm):
    pm.out(CNT, SCI_EN)
    pm.out(GPEN, 0x0200)
    pm.chip.raise_gpe(9)
    assert pm.inp(GPSTS) == 0x0200
    assert pm.sci == [1]
    pm.out(GPSTS, 0x0200)
    assert pm.sci == [1, 0]


def test_unused_offsets_read_as_zero_and_lose_writes(pm):
    pm.out(0x3C, 0x12345678, 4)
    assert pm.inp(0x3C, 4) == 0


# ---------------------------------------------------------------- SMI command port
def test_f1_and_f0_switch_acpi_on_and_off(pm):
    pm.apm.outb(0xB2, 0xF1)
    assert pm.inp(CNT) & SCI_EN
    pm.apm.outb(0xB2, 0xF0)
    assert not pm.inp(CNT) & SCI_EN


def test_a_command_raises_smi_when_apmc_en_and_smi_en_are_set(pm):
    pm.apm.outb(0xB2, 0x55)
    assert pm.smi == []
    pm.chip.write_config(DEVACTB, 1 << 25, 4)
    pm.apm.outb(0xB2, 0x55)
    assert pm.smi == []
    pm.out(GLBCTL, 1, 4)
    pm.apm.outb(0xB2, 0x56)
    assert pm.smi == [1, 0]
    assert pm.apm.inb(0xB2) == 0x56


def test_the_status_port_keeps_a_byte(pm):
    pm.apm.outb(0xB3, 0x99)
    assert pm.apm.inb(0xB3) == 0x99


def test_reset_takes_the_block_away_and_lowers_the_sci(pm):
    pm.out(CNT, SCI_EN)
    pm.out(EN, PWRBTN)
    pm.chip.power_button()
    pm.chip.reset()
    assert pm.sci == [1, 0]
    assert pm.inp(CNT) == 0xFFFF
    pm.enable()
    assert pm.inp(STS) == pm.inp(EN) == pm.inp(CNT) == 0


# ---------------------------------------------------------------- SMBus
HSTSTS, HSTCNT, HSTCMD, HSTADD, DAT0, DAT1, BLKDAT = 0, 2, 3, 4, 5, 6, 7
INTR, DEV_ERR, START = 0x02, 0x04, 0x40
BYTE_DATA, WORD_DATA, BLOCK = 2 << 2, 3 << 2, 5 << 2


class Memory8:
    """A slave with registers."""
    def __init__(self):
        self.bytes = {}

    def read(self, protocol, command):
        return bytes((1, 2, 3)) if protocol == 5 else self.bytes.get(command, 0)

    def write(self, protocol, command, value):
        self.bytes[command] = value


@pytest.fixture
def smbus(pm):
    pm.chip.write_config(SMBBA, SMB, 4)
    pm.chip.write_config(SMBHSTCFG, 1, 1)
    pm.chip.write_config(4, 1, 2)
    return pm


def transact(board, address, command, control):
    for register, value in ((HSTSTS, 0x1E), (HSTADD, address), (HSTCMD, command), (HSTCNT, control | START)):
        board.out(register, value, 1, SMB)
    return board.inp(HSTSTS, 1, SMB)


def test_an_address_without_a_slave_does_not_acknowledge(smbus):
    assert transact(smbus, 0x50 << 1 | 1, 0, BYTE_DATA) == DEV_ERR
    smbus.out(HSTSTS, DEV_ERR, 1, SMB)
    assert smbus.inp(HSTSTS, 1, SMB) == 0


def test_bytes_words_and_blocks_reach_a_slave(smbus):
    slave = smbus.chip.smbus.slaves[0x50] = Memory8()
    smbus.out(DAT0, 0x34, 1, SMB)
    smbus.out(DAT1, 0x12, 1, SMB)
    assert transact(smbus, 0x50 << 1, 7, WORD_DATA) == INTR
    assert slave.bytes == {7: 0x1234}
    assert transact(smbus, 0x50 << 1 | 1, 7, WORD_DATA) == INTR
    assert [smbus.inp(r, 1, SMB) for r in (DAT0, DAT1)] == [0x34, 0x12]
    transact(smbus, 0x50 << 1 | 1, 7, BLOCK)
    smbus.inp(HSTCNT, 1, SMB)
    assert [smbus.inp(DAT0, 1, SMB)] + [smbus.inp(BLKDAT, 1, SMB) for _ in range(3)] == [3, 1, 2, 3]


def test_the_host_is_there_only_when_it_is_enabled(smbus):
    smbus.chip.write_config(SMBHSTCFG, 0, 1)
    assert smbus.inp(HSTSTS, 1, SMB) == 0xFF


# ---------------------------------------------------------------- suspend to RAM
@pytest.fixture
def suspended(pm):
    """A chip that has been told to suspend; `pm.events` has what it asked for."""
    pm.events = []
    pm.chip.suspend = lambda: pm.events.append("suspend")
    pm.chip.wake_up = lambda: pm.events.append("wake up")
    pm.out(EN, RTC)
    pm.out(CNT, TO_RAM | SUS_EN)
    return pm


def test_suspend_to_ram_is_asked_for_once(suspended):
    assert suspended.events == ["suspend"] and suspended.inp(CNT) == TO_RAM and suspended.off == []


def test_the_power_button_wakes(suspended):
    suspended.chip.power_button()
    assert suspended.events == ["suspend", "wake up"]


@pytest.mark.parametrize("enabled", [0, RTC])
def test_the_clock_s_alarm_wakes_if_it_is_enabled(suspended, enabled):
    suspended.out(EN, enabled)
    suspended.chip.rtc_alarm()
    assert suspended.events == ["suspend", "wake up"][:1 + bool(enabled)]


def test_afterwards_the_status_says_that_it_was_asleep_and_what_woke_it(suspended):
    suspended.chip.rtc_alarm()
    suspended.chip.wake()
    assert suspended.inp(STS) == WAK | RTC and suspended.inp(EN) == RTC and suspended.inp(CNT) == 0
    suspended.out(STS, WAK | RTC)
    assert suspended.inp(STS) == 0
    suspended.chip.power_button()
    assert suspended.events == ["suspend", "wake up"]           # it is awake already


def test_an_alarm_while_awake_is_an_event_like_others(pm):
    pm.out(CNT, SCI_EN)
    pm.out(EN, RTC)
    pm.chip.rtc_alarm()
    assert pm.sci[-1] == 1 and pm.inp(STS) == RTC
