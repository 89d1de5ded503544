"""A20 of the processor's bus: the gate of the PC/AT, with its two sources.

Line 20 of an address reaches the bus while the keyboard controller's output port or the chip set's
port 92h says so (82371SB datasheet, A20M#). After reset the keyboard controller's pin floats high.
"""
from qemu_py.system.irq import IRQ


class A20Gate:
    """`keyboard`, `fast`: lines for the sources. set_a20(level) is called on each change."""

    def __init__(self, set_a20):
        self.keyboard = IRQ(self._changed)
        self.keyboard.level = 1
        self.fast = IRQ(self._changed)
        self.set_a20 = set_a20
        self.level = 1

    def _changed(self, n, level):
        level = self.keyboard.level | self.fast.level
        if level != self.level:
            self.level = level
            self.set_a20(level)

    def reset(self):
        """Before the sources are: A20 is on, as the keyboard controller's pin is high."""
        self.keyboard.raise_()
        self.fast.lower()
        self.level = 1
        self.set_a20(1)
