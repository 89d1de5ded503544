"""Interrupt lines and their wiring."""
from qemu_py.system.irq import IRQ, IRQOr, qemu_allocate_irqs


class Listener:
    def __init__(self):
        self.seen = []

    def __call__(self, n, level):
        self.seen.append((n, level))


def test_only_changes_of_the_level_are_heard():
    listener = Listener()
    line = IRQ(listener, 3)
    line.set(0)
    line.raise_()
    line.set(1)
    line.lower()
    line.lower()
    line.pulse()
    assert listener.seen == [(3, 1), (3, 0), (3, 1), (3, 0)]


def test_whoever_is_connected_late_hears_of_a_high_line():
    listener = Listener()
    line = IRQ()
    line.raise_()
    line.connect(listener, 9)
    assert listener.seen == [(9, 1)]


def test_lines_are_allocated_with_their_numbers():
    listener = Listener()
    for line in qemu_allocate_irqs(listener, 3):
        line.raise_()
    assert listener.seen == [(0, 1), (1, 1), (2, 1)]


def test_a_shared_line_is_high_while_any_input_is():
    listener = Listener()
    gate = IRQOr(IRQ(listener, 5))
    one, two = gate.input(), gate.input()
    one.raise_()
    two.raise_()
    one.lower()
    assert listener.seen == [(5, 1)]
    two.lower()
    assert listener.seen == [(5, 1), (5, 0)]
