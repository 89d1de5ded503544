"""A PCI-to-PCI bridge, from its architecture specification 1.1: numbers, windows, interrupts, resets."""
import pytest

from qemu_py.devices.pci_bridge import PCIBridge
from tests.devices.test_pci import PC, Card

COMMAND, BAR0, BAR1 = 0x04, 0x10, 0x14
BUSES, IO_WINDOW, MEMORY_WINDOW, PREFETCH_WINDOW, CONTROL = 0x18, 0x1C, 0x20, 0x24, 0x3E
IO, MEM = 1, 2
VGA, RESET = 0x08, 0x40
SLOT = 5


@pytest.fixture
def pc():
    return PC()


@pytest.fixture
def bridge(pc):
    return pc.bus.register_device(PCIBridge(), SLOT << 3)


@pytest.fixture
def card(pc, bridge):
    """Behind the bridge, slot 2, with its regions at E0000000h and C000h."""
    card = bridge.secondary.register_device(Card(), 2 << 3)
    pc.config(BUSES, 0x00010100, slot=SLOT)             # primary 0, secondary 1, subordinate 1
    pc.config(COMMAND, IO | MEM, 2, slot=2, bus=1)
    pc.config(BAR0, 0xE0000000, slot=2, bus=1)
    pc.config(BAR1, 0xC000, slot=2, bus=1)
    return card


def test_it_has_a_type_1_header(pc, bridge):
    assert pc.config(0x0E, size=1, slot=SLOT) == 1
    assert pc.config(0x0A, size=2, slot=SLOT) == 0x0604


def test_configuration_cycles_pass_once_the_bus_has_a_number(pc, bridge):
    bridge.secondary.register_device(Card(), 2 << 3)
    assert pc.config(0, slot=2, bus=1) == 0xFFFFFFFF
    pc.config(BUSES, 0x00010100, slot=SLOT)
    assert pc.config(0, slot=2, bus=1) == 0x56781234
    assert pc.config(0, slot=2, bus=2) == 0xFFFFFFFF


def test_a_bridge_behind_a_bridge_is_reached_through_the_subordinate_number(pc, bridge):
    inner = bridge.secondary.register_device(PCIBridge(), 3 << 3)
    inner.secondary.register_device(Card(), 0)
    pc.config(BUSES, 0x00020100, slot=SLOT)
    pc.config(BUSES, 0x00020201, slot=3, bus=1)
    assert pc.config(0, slot=0, bus=2) == 0x56781234


def test_memory_passes_in_its_window_while_the_command_register_says_so(pc, card):
    assert pc.byte(0xE0000000) == 0xFF
    pc.config(MEMORY_WINDOW, 0xE000E000, slot=SLOT)     # E0000000h-E00FFFFFh
    assert pc.byte(0xE0000000) == 0xFF
    pc.config(COMMAND, MEM, 2, slot=SLOT)
    assert pc.byte(0xE0000000) == 0x5A
    pc.config(COMMAND, IO, 2, slot=SLOT)
    assert pc.byte(0xE0000000) == 0xFF


def test_a_window_whose_base_is_above_its_limit_is_closed(pc, card):
    pc.config(COMMAND, MEM | IO, 2, slot=SLOT)
    pc.config(MEMORY_WINDOW, 0xE000E010, slot=SLOT)
    pc.config(IO_WINDOW, 0xC0D0, 2, slot=SLOT)
    assert pc.byte(0xE0000000) == 0xFF
    assert pc.inp(0xC000, 1) == 0xFF


def test_prefetchable_memory_may_lie_beyond_4_gib(pc, card):
    pc.config(0x18, 0, slot=2, bus=1)
    pc.config(0x1C, 3, slot=2, bus=1)                   # the card's BAR 2: 3_00000000h
    pc.config(COMMAND, MEM, 2, slot=SLOT)
    pc.config(PREFETCH_WINDOW, 0x00000000, slot=SLOT)
    pc.config(0x28, 3, slot=SLOT)
    pc.config(0x2C, 3, slot=SLOT)
    assert pc.byte(3 << 32) == 0x5A


def test_ports_pass_in_their_window_of_4_kib_steps(pc, card):
    pc.config(COMMAND, IO, 2, slot=SLOT)
    pc.config(IO_WINDOW, 0xC0C0, 2, slot=SLOT)
    assert pc.inp(0xC000, 1) == 0x5A
    pc.config(IO_WINDOW, 0xD0D0, 2, slot=SLOT)
    assert pc.inp(0xC000, 1) == 0xFF


def test_vga_enable_passes_a_vgas_addresses(pc, card):
    pc.config(BAR0, 0x000A0000, slot=2, bus=1)
    pc.config(BAR1, 0x03C0, slot=2, bus=1)
    pc.config(IO_WINDOW, 0xC0D0, 2, slot=SLOT)
    for window in (MEMORY_WINDOW, PREFETCH_WINDOW):     # limits below bases
        pc.config(window, 0xE000E010, slot=SLOT)
    pc.config(COMMAND, IO | MEM, 2, slot=SLOT)
    assert pc.byte(0xA0000) == 0xFF and pc.inp(0x3C0, 1) == 0xFF
    pc.config(CONTROL, VGA, 2, slot=SLOT)
    assert pc.byte(0xA0000) == 0x5A and pc.inp(0x3C0, 1) == 0x5A


def test_interrupt_pins_are_rotated_by_the_slot_behind_the_bridge(pc, card):
    card.irq.raise_()
    # INTA# of slot 2 is the bridge's INTC#; slot 5 of the board leads that to input (2 + 4) mod 4.
    assert pc.history == [(2, 1)]
    other = pc.bus.register_device(Card(), 3 << 3)      # the same input
    other.irq.raise_()
    card.irq.lower()
    assert pc.history == [(2, 1)]
    other.irq.lower()
    assert pc.history == [(2, 1), (2, 0)]


def test_secondary_reset_resets_what_is_behind(pc, card):
    pc.config(CONTROL, RESET, 2, slot=SLOT)
    assert pc.config(COMMAND, size=2, slot=2, bus=1) == 0


def test_reset_closes_windows_and_forgets_numbers(pc, bridge, card):
    pc.config(MEMORY_WINDOW, 0xE000E000, slot=SLOT)
    pc.config(COMMAND, MEM, 2, slot=SLOT)
    bridge.reset()
    assert pc.byte(0xE0000000) == 0xFF
    assert pc.config(0, slot=2, bus=1) == 0xFFFFFFFF


def test_info_pci_shows_the_bridge_and_what_is_behind(pc, card):
    pc.config(COMMAND, MEM, 2, slot=SLOT)
    pc.config(MEMORY_WINDOW, 0xE000E000, slot=SLOT)
    text = pc.bus.info_pci()
    assert "      secondary bus 1.\n" in text
    assert "      memory range [0xe0000000, 0xe00fffff]\n" in text
    assert "  Bus  1, device   2, function 0:\n" in text
