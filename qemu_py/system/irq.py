"""Interrupt lines (qemu_irq): what a device drives, and whoever listens at the other end."""


class IRQ:
    """One line. A device drives it with raise_(), lower(), set() or pulse().

    handler(n, level) is called on every change of the level; an unconnected line leads nowhere.
    """
    __slots__ = ("handler", "n", "level")

    def __init__(self, handler=None, n=0):
        self.handler = handler
        self.n = n
        self.level = 0

    def connect(self, handler, n=0):
        """Lead the line to handler(n, level), which hears of the present level if it is high."""
        self.handler = handler
        self.n = n
        if self.level and handler is not None:
            handler(n, 1)

    def set(self, level):
        level = 1 if level else 0
        if level != self.level:
            self.level = level
            if self.handler is not None:
                self.handler(self.n, level)

    def raise_(self):
        if not self.level:
            self.level = 1
            if self.handler is not None:
                self.handler(self.n, 1)

    def lower(self):
        if self.level:
            self.level = 0
            if self.handler is not None:
                self.handler(self.n, 0)

    def pulse(self):
        """A rising edge and back."""
        self.raise_()
        self.lower()


def qemu_allocate_irqs(handler, count):
    """`count` lines that all lead to handler(n, level)."""
    return [IRQ(handler, n) for n in range(count)]


class IRQOr:
    """Several outputs on one line: it is high while any of them is."""

    def __init__(self, target):
        self.target = target
        self.high = set()
        self.inputs = 0

    def input(self):
        """One more line that leads here."""
        self.inputs += 1
        return IRQ(self._set, self.inputs)

    def _set(self, n, level):
        if level:
            self.high.add(n)
        else:
            self.high.discard(n)
        self.target.set(bool(self.high))
