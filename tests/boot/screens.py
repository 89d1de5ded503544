"""Watch a guest's text screen, as it is in video memory, until it shows what is awaited; type in between."""
import pytest

from qemu_py.util.datadir import find_installed

MS = 1_000_000
POLL = 50 * MS


def need_seabios(*names):
    """SeaBIOS' images; by default that of `pc`."""
    for name in names or ("bios-256k.bin",):
        if find_installed(name) is None:
            pytest.skip(f"{name} (Debian's package seabios) is not installed")


class Watch:
    """`steps`: (text, action); when the text is on the screen, action(machine) is called (None: nothing)."""

    def __init__(self, machine, *steps):
        self.machine = machine
        self.steps = list(steps)
        self.timer = machine.clocks.rt.timer(self.look)
        self.screen = []
        self.timer.mod_ns(0)

    def look(self):
        self.screen = self.machine.vga.screen_text()        # of a graphics mode: nothing
        if any(self.steps[0][0] in line for line in self.screen):
            action = self.steps.pop(0)[1]
            if action is not None:
                action(self.machine)
        if self.steps:
            self.timer.mod_ns(self.machine.clocks.rt.get_ns() + POLL)
        else:
            self.machine.request_exit(7)

    def run(self):
        """The screen when the last text had appeared."""
        self.machine.run()
        assert not self.steps, f"{self.steps[0][0]!r} did not appear:\n" + ("\n".join(self.screen) or "(graphics)")
        return self.screen


def keys(*combinations):
    """An action: press each, one after the other, as a person would."""
    return lambda machine: [machine.inputs.send_keys(combination) for combination in combinations]
