"""Where keys and mouse movements enter the machine, whoever they come from: a display, the monitor, a test.

The devices that want them register; the last one that did gets them. Callers hold the iothread lock.
"""
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

HOLD_NS = 100_000_000                   # how long sendkey holds its keys
TYPE_NS = 20_000_000                    # between the characters of a text


def no_such_key(name):
    from qemu_py.system.keymap import KEYS
    return no_such("key", name, KEYS, "such as a, f1, ret, ctrl, alt, delete, pgup, kp_enter")


class Inputs:
    """`clock`: the one on which keys are held."""

    def __init__(self, clock):
        self.clock = clock
        self.key_handlers = []          # handler(Key, down)
        self.mouse_handlers = []        # handler(dx, dy, dz, buttons): dy counts downwards, dz towards the user
        self.led_listeners = []         # listener({"scroll", "num", "caps"} of those that are lit)
        self.events = []                # (when, Key, down): what is still to come, in order
        self.timer = clock.timer(self._run, "inputs")
        self.buttons = 0

    # ---------------------------------------------------------------- keys
    def key_event(self, name, down):
        """A key goes down or up. UserError for a name that no key has."""
        from qemu_py.system.keymap import find_key      # here: its table is for machines whose keys are used
        try:
            key = find_key(name)
        except KeyError:
            raise UserError(no_such_key(name)) from None
        self._key(key, down)

    def _key(self, key, down):
        if self.key_handlers:
            self.key_handlers[-1](key, down)

    def send_keys(self, combination, hold_ns=HOLD_NS):
        """"ctrl-alt-delete": down in this order, and up in the other after a while."""
        from qemu_py.system.keymap import find_key
        keys = []
        for name in combination.split("-"):
            try:
                keys.append(find_key(name))
            except KeyError:
                raise UserError(f"sendkey {combination}: {no_such_key(name)}") from None
        self._schedule(keys, self._free_at(), hold_ns)

    def type_text(self, text):
        """Type characters of the US layout; what it lacks is left out."""
        from qemu_py.system.keymap import find_key, keys_of_character
        when = self._free_at()
        for character in text:
            keys = [find_key(name) for name in keys_of_character(character)]
            if keys:
                self._schedule(keys, when, TYPE_NS)
                when += 2 * TYPE_NS

    def _free_at(self):
        """When what has been asked for before is over."""
        now = self.clock.get_ns()
        return max(now, self.events[-1][0] + TYPE_NS) if self.events else now

    def _schedule(self, keys, when, hold_ns):
        self.events += [(when, key, True) for key in keys]
        self.events += [(when + hold_ns, key, False) for key in reversed(keys)]
        self._run()

    def _run(self):
        now = self.clock.get_ns()
        while self.events and self.events[0][0] <= now:
            _, key, down = self.events.pop(0)
            self._key(key, down)
        if self.events:
            self.timer.mod_ns(self.events[0][0])

    # ---------------------------------------------------------------- mouse
    def mouse_event(self, dx=0, dy=0, dz=0, buttons=None):
        """Movement, and the buttons that are down now: bit 0 left, 1 right, 2 middle, 3 and 4 the side ones."""
        if buttons is not None:
            self.buttons = buttons & 0x1F
        if self.mouse_handlers:
            self.mouse_handlers[-1](dx, dy, dz, self.buttons)

    # ---------------------------------------------------------------- lights
    def set_leds(self, lit):
        for listener in self.led_listeners:
            listener(lit)
