"""PCI, from the Local Bus Specification 2.1: configuration space, BARs, interrupt pins, mechanism #1."""
from dataclasses import dataclass

import pytest

from qemu_py.devices.pci import BAR_64, BAR_IO, BAR_MEMORY, BAR_PREFETCH, ConfigMechanism1, PCIBus, PCIDevice, parse_addr
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import Memory, MemoryRegion, MemoryRegionOps
from qemu_py.util.errors import UserError

COMMAND, STATUS, BAR0, BAR1, BAR2, ROM, LINE, PIN = 0x04, 0x06, 0x10, 0x14, 0x18, 0x30, 0x3C, 0x3D
IO, MEM, MASTER, INTX_OFF = 1, 2, 4, 0x400
CONFADD, CONFDATA, ENABLE = 0xCF8, 0xCFC, 0x80000000


class Card(PCIDevice):
    """A card with one BAR of each kind."""
    NAME = "card"
    VENDOR_ID, DEVICE_ID, REVISION, CLASS_CODE, INTERRUPT_PIN = 0x1234, 0x5678, 0x9A, 0x020000, 1
    SUBSYSTEM_ID = (0xABCD, 0x0042)

    def __init__(self, fill=0x5A, **properties):
        super().__init__(**properties)
        self.written = []
        self.add_bar(0, self.region("memory", 0x2000, fill), BAR_MEMORY | BAR_PREFETCH)
        self.add_bar(1, self.region("ports", 0x40, fill), BAR_IO)
        self.add_bar(2, self.region("wide", 0x10000, fill), BAR_MEMORY | BAR_64)
        self.add_rom(self.region("rom", 0x1000, fill ^ 0xFF))

    def region(self, name, size, fill):
        ops = MemoryRegionOps(lambda addr, size: fill, lambda addr, value, size: self.written.append((name, addr, value)))
        return MemoryRegion.io(name, size, ops)


class Host:
    """What mechanism #1 wants of a bridge."""
    @dataclass
    class State:
        address: int = 0

    def __init__(self):
        self.s = self.State()


class PC:
    def __init__(self):
        self.memory = Memory()
        self.pci_memory = MemoryRegion("pci", 1 << 64)
        self.memory.system_memory.add_subregion_overlap(0, self.pci_memory, -1)
        self.history = []
        self.bus = PCIBus(self.memory, self.pci_memory, self.memory.system_io, [
            IRQ(lambda n, level: self.history.append((n, level)), n) for n in range(4)])
        self.ports = ConfigMechanism1(Host(), self.bus)
        self.ports.map(self.memory.system_io)

    def out(self, port, value, size=4):
        self.memory.physmap.port_write(port, value, size)

    def inp(self, port, size=4):
        return self.memory.physmap.port_read(port, size)

    def config(self, offset, value=None, size=4, slot=3, function=0, bus=0):
        """Read or write configuration space as a guest does."""
        self.out(CONFADD, ENABLE | bus << 16 | slot << 11 | function << 8 | offset & 0xFC)
        if value is None:
            return self.inp(CONFDATA + (offset & 3), size)
        self.out(CONFDATA + (offset & 3), value, size)

    def byte(self, address):
        return self.memory.address_space_memory.read(address, 1)[0]


@pytest.fixture
def pc():
    return PC()


@pytest.fixture
def card(pc):
    return pc.bus.register_device(Card(), 3 << 3)


# ---------------------------------------------------------------- the header
def test_the_header_tells_what_the_device_is(pc, card):
    assert pc.config(0x00) == 0x56781234
    assert pc.config(0x08) == 0x0200009A
    assert pc.config(0x0E, size=1) == 0
    assert pc.config(0x2C) == 0x0042ABCD
    assert pc.config(PIN, size=1) == 1
    assert pc.config(STATUS, size=2) & 0x0600 == 0x0200         # DEVSEL# timing: medium


def test_identification_and_class_are_read_only(pc, card):
    before = [pc.config(offset) for offset in (0x00, 0x08, 0x2C)]
    for offset in (0x00, 0x08, 0x2C):
        pc.config(offset, 0xFFFFFFFF)
    assert [pc.config(offset) for offset in (0x00, 0x08, 0x2C)] == before


def test_command_keeps_its_defined_bits_and_the_interrupt_line_all(pc, card):
    pc.config(COMMAND, 0xFFFF, 2)
    assert pc.config(COMMAND, size=2) == 0x0547
    pc.config(LINE, 0x0B, 1)
    assert pc.config(LINE, size=1) == 0x0B
    assert pc.config(PIN, size=1) == 1


def test_errors_in_the_status_are_cleared_by_writing_ones(pc, card):
    card.s.config[STATUS + 1] |= 0x30           # received master abort and target abort
    pc.config(COMMAND, 0, 2)                    # a write of the command alone leaves them
    assert pc.config(STATUS, size=2) & 0x3000 == 0x3000
    pc.config(STATUS, 0x1000, 2)
    assert pc.config(STATUS, size=2) & 0x3000 == 0x2000


# ---------------------------------------------------------------- mechanism 1
def test_bytes_and_words_of_a_double_word_are_reached_through_the_data_ports(pc, card):
    assert [pc.config(k, size=1) for k in range(4)] == [0x34, 0x12, 0x78, 0x56]
    assert [pc.config(k, size=2) for k in (0, 2)] == [0x1234, 0x5678]


def test_absent_functions_and_buses_read_as_all_ones(pc, card):
    assert pc.config(0, slot=4) == 0xFFFFFFFF
    assert pc.config(0, function=1) == 0xFFFFFFFF
    assert pc.config(0, bus=1) == 0xFFFFFFFF
    pc.config(COMMAND, 7, 2, slot=4)            # lost


def test_without_the_enable_bit_there_is_no_configuration_cycle(pc, card):
    pc.out(CONFADD, 3 << 11)
    assert pc.inp(CONFDATA) == 0xFFFFFFFF


def test_the_address_register_takes_double_words_only(pc, card):
    pc.out(CONFADD, 0xFFFFFFFF)
    assert pc.inp(CONFADD) == 0x80FFFFFC
    pc.out(CONFADD, 0x12, 1)
    pc.out(CONFADD + 2, 0x3456, 2)
    assert pc.inp(CONFADD) == 0x80FFFFFC
    assert pc.inp(CONFADD, 1) == 0xFF


def test_another_chip_may_claim_a_byte_in_the_address_register(pc, card):
    seen = []
    pc.ports.claim(0xCF9, lambda: 0x42, seen.append)
    pc.out(0xCF9, 0x06, 1)
    pc.out(0xCF8, 0x80000600)                   # this is not for it
    assert seen == [0x06]
    assert pc.inp(0xCF9, 1) == 0x42


# ---------------------------------------------------------------- BARs
def test_all_ones_read_back_as_the_size(pc, card):
    for offset, expected in ((BAR0, 0xFFFFE008), (BAR1, 0xFFFFFFC1), (BAR2, 0xFFFF0004), (BAR2 + 4, 0xFFFFFFFF),
                             (BAR2 + 8, 0), (ROM, 0xFFFFF001)):
        pc.config(offset, 0xFFFFFFFF)
        assert pc.config(offset) == expected, hex(offset)


def test_a_region_is_decoded_where_its_bar_says_once_the_command_register_lets_it(pc, card):
    pc.config(BAR0, 0xE0000000)
    assert pc.byte(0xE0000000) == 0xFF
    pc.config(COMMAND, MEM, 2)
    assert pc.byte(0xE0000000) == pc.byte(0xE0001FFF) == 0x5A
    assert pc.byte(0xE0002000) == 0xFF
    pc.config(COMMAND, IO, 2)
    assert pc.byte(0xE0000000) == 0xFF


def test_a_region_moves_when_its_bar_is_written(pc, card):
    pc.config(COMMAND, MEM, 2)
    pc.config(BAR0, 0xE0000000)
    pc.config(BAR0, 0xE1000000)
    assert pc.byte(0xE0000000) == 0xFF
    assert pc.byte(0xE1000000) == 0x5A


def test_ports_follow_an_io_bar(pc, card):
    pc.config(BAR1, 0xC000)
    assert pc.inp(0xC000, 1) == 0xFF
    pc.config(COMMAND, IO, 2)
    pc.out(0xC004, 0x99, 1)
    assert card.written == [("ports", 4, 0x99)]
    assert pc.inp(0xC03F, 1) == 0x5A
    assert pc.inp(0xC040, 1) == 0xFF


def test_a_64_bit_bar_reaches_beyond_4_gib(pc, card):
    pc.config(COMMAND, MEM, 2)
    pc.config(BAR2, 0x00000000)
    pc.config(BAR2 + 4, 0x00000002)
    assert pc.byte(2 << 32) == 0x5A


def test_nothing_is_decoded_at_0_or_beyond_the_end(pc, card):
    pc.config(COMMAND, MEM | IO, 2)
    for value in (0, 0xFFFFFFFF):
        pc.config(BAR0, value)
        pc.config(BAR1, value)
        assert card.regions[0].address is None and card.regions[1].address is None


def test_of_two_that_overlap_the_one_placed_last_is_seen_and_the_other_stays(pc, card):
    other = pc.bus.register_device(Card(fill=0x77), 4 << 3)
    for slot in (3, 4):
        pc.config(COMMAND, MEM, 2, slot=slot)
        pc.config(BAR0, 0xE0000000, slot=slot)
    assert pc.byte(0xE0000000) == 0x77
    pc.config(BAR0, 0xE0001000 & ~0x1FFF | 0x2000, slot=4)
    assert pc.byte(0xE0000000) == 0x5A
    assert other.regions[0].address == 0xE0002000


def test_ram_hides_a_bar_that_is_put_upon_it(pc, card):
    ram = MemoryRegion.ram("ram", 0x100000, pc.memory.ram_list)
    pc.memory.system_memory.add_subregion(0, ram)
    pc.config(COMMAND, MEM, 2)
    pc.config(BAR0, 0x00010000)
    assert pc.byte(0x10000) == 0


def test_the_expansion_rom_has_an_enable_bit_of_its_own(pc, card):
    pc.config(ROM, 0xE2000000)
    pc.config(COMMAND, MEM, 2)
    assert pc.byte(0xE2000000) == 0xFF
    pc.config(ROM, 0xE2000001)
    assert pc.byte(0xE2000000) == 0xA5
    pc.config(COMMAND, 0, 2)
    assert pc.byte(0xE2000000) == 0xFF


def test_reset_takes_everything_back(pc, card):
    pc.config(COMMAND, 7, 2)
    pc.config(BAR0, 0xE0000000)
    card.irq.raise_()
    card.reset()
    assert pc.config(COMMAND, size=2) == 0
    assert pc.config(BAR0) == 8
    assert pc.byte(0xE0000000) == 0xFF
    assert pc.history[-1][1] == 0


# ---------------------------------------------------------------- interrupts
def test_pins_of_neighbouring_slots_go_to_different_inputs(pc):
    for slot in (1, 2, 3, 4, 5):
        pc.bus.register_device(Card(), slot << 3).irq.pulse()
    assert [n for n, level in pc.history if level] == [0, 1, 2, 3, 0]
    assert pc.bus.map_irq(1, 4) == 3 and pc.bus.map_irq(3, 3) == 0


def test_a_shared_input_stays_high_until_the_last_device_lets_go(pc):
    first = pc.bus.register_device(Card(), 1 << 3)
    second = pc.bus.register_device(Card(), 5 << 3)
    first.irq.raise_()
    second.irq.raise_()
    first.irq.lower()
    assert pc.history == [(0, 1)]
    second.irq.lower()
    assert pc.history == [(0, 1), (0, 0)]


def test_interrupt_disable_holds_the_pin_but_not_the_status(pc, card):
    card.irq.raise_()
    assert pc.config(STATUS, size=2) & 8
    pc.config(COMMAND, INTX_OFF, 2)
    assert pc.history == [(2, 1), (2, 0)]
    assert pc.config(STATUS, size=2) & 8
    pc.config(COMMAND, 0, 2)
    assert pc.history[-1] == (2, 1)
    card.irq.lower()
    assert not pc.config(STATUS, size=2) & 8


# ---------------------------------------------------------------- plugging
def test_a_device_takes_the_first_free_slot_or_the_one_asked_for(pc):
    assert pc.bus.register_device(Card()).devfn == 0
    assert pc.bus.register_device(Card()).devfn == 1 << 3
    assert pc.bus.register_device(Card(), parse_addr("1f.7")).devfn == 0xFF
    with pytest.raises(UserError, match="1f.7 is taken"):
        pc.bus.register_device(Card(), 0xFF)


@pytest.mark.parametrize("text", ["20", "1.8", "x", "", "-1"])
def test_a_bad_address_is_refused(text):
    with pytest.raises(ValueError):
        parse_addr(text)


def test_a_full_bus_is_a_clear_error(pc):
    for _ in range(32):
        pc.bus.register_device(Card())
    with pytest.raises(UserError, match="32 PCI slots of pci.0"):
        pc.bus.register_device(Card())


def test_info_pci_lists_devices_with_their_regions(pc, card):
    pc.config(COMMAND, MEM | IO, 2)
    pc.config(BAR0, 0xE0000000)
    pc.config(BAR1, 0xC000)
    pc.config(LINE, 11, 1)
    assert pc.bus.info_pci() == """\
  Bus  0, device   3, function 0:
    Ethernet controller: PCI device 1234:5678
      PCI subsystem abcd:0042
      IRQ 11, pin A
      BAR0: 32 bit prefetchable memory at 0xe0000000 [0xe0001fff].
      BAR1: I/O at 0xc000 [0xc03f].
      BAR2: 64 bit memory at 0xffffffffffffffff [0x0000fffe].
      BAR6: 32 bit memory at 0xffffffffffffffff [0x00000ffe].
      id ""
"""
