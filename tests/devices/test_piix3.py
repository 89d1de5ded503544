"""82371SB function 0, from its datasheet: PIRQ routing, the reset control register; ports 92h and A20."""
import pytest

from qemu_py.devices.piix3 import PIIX3
from qemu_py.devices.port92 import Port92
from qemu_py.system.a20 import A20Gate
from qemu_py.system.irq import IRQ

PIRQRCA = 0x60
DISABLED = 0x80


class Bridge:
    def __init__(self):
        self.history = []
        self.resets = 0
        self.chip = PIIX3([IRQ(lambda n, level: self.history.append((n, level)), n) for n in range(16)], self.reset)

    def reset(self):
        self.resets += 1

    def route(self, pirq, value):
        self.chip.write_config(PIRQRCA + pirq, value, 1)


@pytest.fixture
def bridge():
    return Bridge()


def test_it_is_function_0_of_several_an_isa_bridge(bridge):
    chip = bridge.chip
    assert chip.read_config(0, 4) == 0x70008086
    assert chip.read_config(0x0A, 2) == 0x0601
    assert chip.read_config(0x0E, 1) == 0x80
    assert chip.read_config(4, 2) == 0x0007


def test_values_after_reset(bridge):
    chip = bridge.chip
    for offset, size, value in ((0x4C, 1, 0x4D), (0x4E, 2, 0x0003), (0x60, 4, 0x80808080), (0x69, 1, 0x02),
                                (0x78, 2, 0x0002), (0xA0, 1, 0x08), (0xA8, 1, 0x0F)):
        assert chip.read_config(offset, size) == value, hex(offset)


def test_a_pirq_leads_nowhere_until_it_is_routed(bridge):
    bridge.chip.pirqs[0].raise_()
    assert bridge.history == []
    bridge.route(0, 11)
    assert bridge.history == [(11, 1)]


def test_a_pirq_drives_the_interrupt_that_it_is_routed_to(bridge):
    bridge.route(2, 5)
    bridge.chip.pirqs[2].raise_()
    bridge.chip.pirqs[2].lower()
    assert bridge.history == [(5, 1), (5, 0)]


def test_pirqs_that_share_an_interrupt_hold_it_together(bridge):
    bridge.route(0, 10)
    bridge.route(1, 10)
    bridge.chip.pirqs[0].raise_()
    bridge.chip.pirqs[1].raise_()
    bridge.chip.pirqs[0].lower()
    assert bridge.history == [(10, 1)]
    bridge.chip.pirqs[1].lower()
    assert bridge.history == [(10, 1), (10, 0)]


def test_a_pirq_that_is_high_takes_its_level_along_when_it_is_routed_anew(bridge):
    bridge.route(3, 10)
    bridge.chip.pirqs[3].raise_()
    bridge.route(3, 11)
    assert bridge.history == [(10, 1), (10, 0), (11, 1)]
    bridge.route(3, DISABLED | 11)
    assert bridge.history[-1] == (11, 0)


@pytest.mark.parametrize("irq", [0, 1, 2, 8, 13])
def test_reserved_interrupts_are_not_driven(bridge, irq):
    bridge.route(0, irq)
    bridge.chip.pirqs[0].raise_()
    assert bridge.history == []


def test_reset_ends_the_routing_but_not_the_levels(bridge):
    bridge.route(0, 11)
    bridge.chip.pirqs[0].raise_()
    bridge.chip.reset()
    assert bridge.history == [(11, 1), (11, 0)]
    bridge.route(0, 11)
    assert bridge.history[-1] == (11, 1)


# ---------------------------------------------------------------- port CF9h
def test_a_rising_reset_bit_resets(bridge):
    bridge.chip.write_rcr(0x02)
    assert bridge.resets == 0
    bridge.chip.write_rcr(0x06)
    assert bridge.resets == 1
    bridge.chip.write_rcr(0x06)                 # no edge
    assert bridge.resets == 1
    assert bridge.chip.read_rcr() == 0x06


# ---------------------------------------------------------------- port 92h
def test_fast_a20_is_bit_1_of_port_92(pc_bus):
    levels = []
    port = Port92()
    port.a20.connect(lambda n, level: levels.append(level))
    pc_bus.map(port, 0x92, 1)
    pc_bus.outb(0x92, 0x02)
    assert pc_bus.inb(0x92) == 0x02
    pc_bus.outb(0x92, 0x00)
    assert levels == [1, 0]


def test_bit_0_of_port_92_going_high_resets(pc_bus):
    resets = []
    pc_bus.map(Port92(request_reset=lambda: resets.append(1)), 0x92, 1)
    pc_bus.outb(0x92, 0x02)
    assert resets == []
    pc_bus.outb(0x92, 0x03)
    pc_bus.outb(0x92, 0x03)
    assert resets == [1]


def test_a20_is_on_while_either_source_says_so():
    levels = []
    gate = A20Gate(levels.append)
    gate.keyboard.lower()
    assert levels == [0]
    gate.fast.raise_()
    gate.keyboard.raise_()
    gate.fast.lower()
    assert levels == [0, 1]
    gate.keyboard.lower()
    assert levels == [0, 1, 0]
    gate.reset()
    assert levels[-1] == 1 and gate.keyboard.level == 1
