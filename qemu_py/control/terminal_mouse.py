"""The terminal's mouse as the guest's PS/2 mouse. It is taken from the terminal only while a driver in the guest has the mouse
report (so that text can be marked otherwise), and while the guest's screen is shown.

A terminal tells the cell that its pointer is over; the guest is told movement, as many dots as the cells are wide and high.
"""
ON, OFF = "\x1b[?1003h\x1b[?1006h", "\x1b[?1006l\x1b[?1003l"    # any motion, in the form of mode 1006
PS2_BUTTON = {0: 1, 1: 4, 2: 2}         # left, middle, right -> bit of inputs.mouse_event


class TerminalMouse:
    def __init__(self, machine):
        self.inputs = machine.inputs
        self.device = next((device for name, device in machine.devices if name == "ps2-mouse"), None)
        self.allowed = True             # by the user
        self.on = False                 # the terminal has been told
        self.last = None                # (column, row)
        self.rest = (0, 0)              # parts of dots that have not been told
        self.buttons = 0

    def wanted(self):
        return self.allowed and self.device is not None and (self.device.s.enabled or self.device.s.remote)

    def switch(self, on):
        """What the terminal must be sent, if anything."""
        if on == self.on:
            return ""
        self.on, self.last, self.buttons = on, None, 0
        return ON if on else OFF

    def event(self, mouse, dots):
        """dots: (height, width) of a cell in the guest's."""
        if not self.on:
            return
        here = mouse.column, mouse.row
        dx = dy = 0
        if self.last is not None:
            x = (mouse.column - self.last[0]) * dots[1] + self.rest[0]
            y = (mouse.row - self.last[1]) * dots[0] + self.rest[1]
            dx, dy = round(x), round(y)
            self.rest = x - dx, y - dy
        self.last = here
        bit = PS2_BUTTON.get(mouse.button, 0)
        if not mouse.moved and not mouse.wheel:
            self.buttons = self.buttons | bit if mouse.pressed else self.buttons & ~bit
        self.inputs.mouse_event(dx, dy, mouse.wheel, self.buttons)
