"""-serial, -monitor, -display ...: options that say where the machine's streams and its screen lead.

What they mean together (who has standard input and output, where monitors are) is decided when the whole line has been read.
"""
from qemu_py.control.option_grammar import Quit, asks_for_help, check_key, choose, one_of, split_properties
from qemu_py.util.errors import UserError

MAX_SERIAL, MAX_PARALLEL = 4, 3
GRAPHICS = ("auto", "kitty", "sixel", "blocks")
DISPLAYS = ("none", "curses")


def opt_chardev(parse, text):
    name, properties = split_properties(text)
    parse.chardevs.add(text, name, properties)


def opt_serial(parse, text):
    if len(parse.serials) == MAX_SERIAL:
        raise UserError(f"-serial {text}: a PC has no more than {MAX_SERIAL} serial ports")
    parse.serials.append(text)


def opt_parallel(parse, text):
    if len(parse.parallels) == MAX_PARALLEL:
        raise UserError(f"-parallel {text}: a PC has no more than {MAX_PARALLEL} parallel ports")
    parse.parallels.append(text)


def opt_monitor(parse, text):
    parse.monitors.append(text)


def opt_nographic(parse, text):
    parse.nographic = parse.settings["nographic"] = True


def opt_display(parse, text):
    if asks_for_help(text):
        raise Quit("Available display backends:\nnone\ncurses              the guest's screen in the terminal;"
                   " graphics=auto|kitty|sixel|blocks: how pictures are shown\n")
    name, properties = split_properties(text)
    parse.display = choose(f"-display {text}", "display", name, DISPLAYS)
    for key, value in properties:
        check_key(f"-display {text}", key, ("graphics",) if name == "curses" else ())
        parse.graphics = one_of(f"-display {text}", key, value, GRAPHICS)


def choose_display(parse, stdio_used):
    """none or curses: as asked, else the terminal, when we have one and nothing else uses it."""
    if parse.display != "curses":
        return "curses" if not stdio_used and terminal_is_free(parse) else "none"
    from qemu_py.backends.terminal import Terminal
    if stdio_used:
        raise UserError("-display curses: standard input and output are in use by another option")
    if not Terminal.is_ours():
        raise UserError("-display curses: standard input and output are no terminal")
    if Terminal.is_dumb():
        raise UserError("-display curses: this terminal cannot show a screen (TERM=dumb); set TERM, or write -nographic")
    return "curses"


def terminal_is_free(parse):
    """Could the screen be shown in our terminal, if no character device is on it?"""
    if parse.display == "none" or parse.nographic or parse.settings.get("vga") == "none":
        return False
    from qemu_py.backends.terminal import Terminal
    return Terminal.is_ours() and not Terminal.is_dumb()


def serial_texts(parse):
    """The serial ports as asked; with -nographic the first is our terminal's, and so is the monitor, unless they are elsewhere."""
    if not parse.nographic or parse.serials:
        return list(parse.serials)
    if any(text.removeprefix("mon:") == "stdio" for text in parse.debugcons + parse.monitors):
        return ["none"]
    return ["stdio" if parse.monitors else "mon:stdio"]


def monitor_texts(parse):
    """The devices that monitors are to be on. One with mux=on that a port uses has a monitor anyway."""
    chardevs = parse.chardevs
    for text in parse.monitors:
        name = text.removeprefix("chardev:")
        if name != text and name in chardevs.used and chardevs.texts[name].startswith("mon:"):
            continue
        short = chardevs.resolve(text, "-monitor")
        if short.startswith("mon:"):
            raise UserError(f"-monitor {text}: Ctrl-A c has no guest to switch to; give this device to -serial,"
                            " which has a monitor then, or leave out mon: or mux=on")
        yield short


def chardevs_of_devices(parse):
    """[(device, name)] of the named devices that -device and -global use."""
    for device, properties in parse.devices:
        if "chardev" in properties:
            yield device, properties["chardev"]
    for (device, prop), name in parse.globals.items():
        if prop == "chardev":
            yield device, name


def add_consoles(parse, serials, monitors):
    """The terminal display has a console for the first serial port and one for a monitor, unless these are elsewhere."""
    if parse.display == "curses":
        from qemu_py.backends.char_vc import VCChar             # which takes its time to import
        if not parse.serials:
            serials.append(VCChar())
        if not parse.monitors:
            monitors.append(VCChar())


def name_consoles(parse, **chardevs):
    """The consoles (vc) among {kind: character devices}, with the names of their screens. UserError: nothing would show them."""
    found = []
    for kind, devices in chardevs.items():
        for n, chardev in enumerate(devices):
            vc = getattr(chardev, "inner", chardev)             # with mon: it is inside
            if vc is not None and vc.console is not None:
                vc.name = kind if kind in ("monitor", "debugcon") and len(devices) == 1 else f"{kind}{n}"
                found.append(vc)
    if found and parse.display != "curses":
        raise UserError(f"vc ({found[0].name}): there is no display to show this console; it needs -display curses, in a terminal")
    return found
