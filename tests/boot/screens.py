"""Look at a guest's screen while it runs, until it shows what is awaited; type in between."""
import pytest

from qemu_py.util.datadir import find_installed

MS = 1_000_000
POLL, PICTURE_POLL = 50 * MS, 250 * MS
STILL = 2000 * MS
SEEN = 7                                # the status of a machine that has shown what was awaited


def need_seabios(*names):
    """SeaBIOS' images; by default that of `pc`."""
    for name in names or ("bios-256k.bin",):
        if find_installed(name) is None:
            pytest.skip(f"{name} (Debian's package seabios) is not installed")


def run_looking(machine, look, poll=POLL):
    """Run it, and call look() again and again until that is true: then the status is SEEN, else how the machine ended by itself."""
    def again():
        if look():
            machine.request_exit(SEEN)
        else:
            timer.mod_ns(machine.clocks.rt.get_ns() + poll)
    timer = machine.clocks.rt.timer(again)
    timer.mod_ns(0)
    return machine.run()


class Watch:
    """`steps`: (what, action); when the text is on the screen, or what() is true, action(machine) is called (None: nothing).

    A text may go over several lines. stop: the machine is stopped behind the last step, else it goes on until it ends by itself."""

    def __init__(self, machine, *steps, stop=True):
        self.machine, self.stop = machine, stop
        self.steps = list(steps)
        self.screen = []

    def look(self):
        self.screen = self.machine.vga.screen_text()        # of a graphics mode: nothing
        if self.steps:
            what, action = self.steps[0]
            if what() if callable(what) else what in "\n".join(self.screen):
                del self.steps[0]
                if action is not None:
                    action(self.machine)
        return self.stop and not self.steps

    def run(self):
        """The screen when the last text had appeared, or the machine had ended; `status`: how."""
        self.status = run_looking(self.machine, self.look)
        if self.steps:
            what = self.steps[0][0]
            raise AssertionError(f"not seen: {getattr(what, '__name__', what)}\n" + ("\n".join(self.screen) or "(graphics)"))
        return self.screen


def picture_when(machine, done):
    """Run it until done(picture) is true; the picture then."""
    last = []

    def look():
        last[:] = [machine.vga.picture()]
        return done(last[0])
    status = run_looking(machine, look, PICTURE_POLL)
    assert status == SEEN, f"still another picture: {last[0].shape}, " + "\n".join(machine.vga.screen_text())
    return last[0]


def still_picture(machine):
    """Run it until a picture in one of VBE's modes, which is not black, has been the same for two seconds; that picture."""
    last, since = [None], [0]

    def still(picture):
        now = machine.clocks.rt.get_ns()
        if last[0] is None or picture.shape != last[0].shape or (picture != last[0]).any():
            last[0], since[0] = picture, now
        return machine.vga.dispi.enabled and picture.any() and now - since[0] >= STILL
    return picture_when(machine, still)


def keys(*combinations):
    """An action: press each, one after the other, as a person would."""
    return lambda machine: [machine.inputs.send_keys(combination) for combination in combinations]
