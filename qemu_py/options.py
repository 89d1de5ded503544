"""The command line's options: one table, and the grammar of their values.

A row is the option's name, its argument as -help shows it, the help text, and the handler, which is
called with the state of the parse and the argument's text. What a machine is made of goes into a
MachineConfig; nothing is opened or built before the whole line has been read.
"""
import re
from dataclasses import dataclass, field

from qemu_py.backends.char_options import NamedChardevs
from qemu_py.util.accel import MAX_TIER
from qemu_py.util.errors import UserError
from qemu_py.util.version import __version__

MAX_SERIAL, MAX_PARALLEL = 4, 3


class Quit(Exception):
    """The option was a question: print the answer, exit with status 0."""


@dataclass
class Parse:
    """What has been read so far. `settings` are the fields of a MachineConfig."""
    settings: dict = field(default_factory=dict)
    chardevs: NamedChardevs = field(default_factory=NamedChardevs)
    serials: list = field(default_factory=list)         # texts of -serial
    parallels: list = field(default_factory=list)
    debugcons: list = field(default_factory=list)
    monitors: list = field(default_factory=list)        # texts of -monitor
    monitor_chardevs: list = field(default_factory=list)        # those, opened by machine_config()
    devices: list = field(default_factory=list)
    globals: dict = field(default_factory=dict)         # (device, property) -> text
    data_dirs: list = field(default_factory=list)
    drives: list = field(default_factory=list)          # DriveOptions
    nographic: bool = False
    display: str = None                 # None: not asked for; machine_config() chooses
    greeting: str = None                # what the terminal display says first; None: its own words
    log_items: str = ""
    log_file: str = None
    perfmap: bool = False


@dataclass(frozen=True)
class Option:
    name: str
    argument: str                       # "": it takes none
    help: str
    handler: object


def parse_size(text, option, unit=1 << 20):
    """Bytes of a size in QEMU's grammar: a number, maybe with a fraction, and B K M G T; MiB without."""
    m = re.fullmatch(r"([0-9]+)(\.[0-9]+)?([bBkKmMgGtT]?)|(0[xX][0-9a-fA-F]+)", text)
    if not m:
        raise UserError(f"-{option} {text}: this is no size; write for example 128M or 1G")
    factor = {"": unit, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[(m[3] or "").lower()]
    if m[4]:
        return int(m[4], 16) * factor
    size = int(m[1]) * factor
    if m[2]:
        size += int(float(m[2]) * factor)
    return size


def split_properties(text):
    """"name,key=value,flag" as (name, [(key, value or None)]); ",," is a comma."""
    parts = [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]
    return parts[0], [(key, value if sep else None) for key, sep, value in (p.partition("=") for p in parts[1:])]


# ---------------------------------------------------------------- handlers
def set_text(name):
    def handler(parse, text):
        parse.settings[name] = text
    return handler


def set_true(name):
    def handler(parse, text):
        parse.settings[name] = True
    return handler


def append_text(name):
    def handler(parse, text):
        getattr(parse, name).append(text)
    return handler


def opt_machine(parse, text):
    from qemu_py.machine import registry
    name, properties = split_properties(text)
    for key, value in properties:
        if key == "accel":
            check_accel(value or "", "machine accel=")
        elif key != "type":
            raise UserError(f"-machine {text}: there is no machine property '{key}'")
    key, sep, value = name.partition("=")
    if sep:
        if key == "accel":
            check_accel(value, "machine accel=")
            return
        if key != "type":
            raise UserError(f"-machine {text}: there is no machine property '{key}'")
        name = value
    name = dict(properties).get("type") or name
    if name in ("help", "?"):
        raise Quit(registry.help_text())
    parse.settings["machine"] = registry.find_machine(name).name


def opt_icount(parse, text):
    """-icount shift=N|auto,sleep=on|off, or N|auto as QEMU 1.0 has it."""
    from qemu_py.machine.icount import MAX_SHIFT, ICountOptions
    first, properties = split_properties("," + text)
    if "=" not in text.partition(",")[0]:
        properties[0] = ("shift", properties[0][0])
    shift, sleep = None, True
    for key, value in properties:
        if key == "shift" and value and (value == "auto" or value.isascii() and value.isdigit() and int(value) <= MAX_SHIFT):
            shift = None if value == "auto" else int(value)
        elif key == "sleep" and value in ("on", "off"):
            sleep = value == "on"
        else:
            raise UserError(f"-icount {text}: write -icount shift=N|auto,sleep=on|off with N from 0 to {MAX_SHIFT}")
    if shift is None and not sleep:
        raise UserError(f"-icount {text}: sleep=off needs a fixed shift, for example shift=3")
    parse.settings["icount"] = ICountOptions(shift, sleep)


def check_accel(text, option):
    """Both interpret the IR; `tcg,tier=N` compiles what has run N times."""
    if text in ("help", "?"):
        raise Quit("Accelerators supported:\ntcg\ninterp\n")
    if text not in ("tcg", "interp"):
        raise UserError(f"-{option} {text}: there is no such accelerator (there are: tcg, interp)")


def opt_accel(parse, text):
    name, properties = split_properties(text)
    check_accel(name, "accel")
    if name == "interp":
        parse.settings["tier"] = None
    for key, value in properties:
        if key == "tier" and name == "tcg":
            if not value.isdecimal() or int(value) > MAX_TIER:
                raise UserError(f"-accel {text}: tier= is how often a block runs before it is compiled, 0 to {MAX_TIER}")
            parse.settings["tier"] = int(value)
            continue
        if key != "thread" or value not in ("single", "single-loop"):
            raise UserError(f"-accel {text}: write -accel tcg,thread=single for the CPUs in a thread of their own,"
                            " or thread=single-loop for one thread for CPUs and events")
        parse.settings["single_loop"] = value == "single-loop"


def opt_cpu(parse, text):
    if text in ("help", "?"):
        from qemu_py._core.x86.cpu_models import cpu_models
        raise Quit("Available CPUs:\n" + "".join(f"x86 {name:<12} {what}\n" for name, what in cpu_models().items()))
    parse.settings["cpu_model"] = text


def opt_smp(parse, text):
    """-smp N, or cpus=N."""
    key, sep, value = text.partition("=")
    number = value if sep else key
    if sep and key != "cpus" or not number.isascii() or not number.isdigit() or int(number) < 1:
        raise UserError(f"-smp {text}: write -smp N with the number of processors, for example -smp 2")
    parse.settings["cpus"] = int(number)


def opt_m(parse, text):
    from qemu_py.machine.config import check_ram_size
    size = None
    for part in text.split(","):
        key, sep, value = part.partition("=")
        if not sep and size is None:
            size = parse_size(part, "m")
        elif key == "size" and size is None:
            size = parse_size(value, "m")
        else:
            raise UserError(f"-m {text}: write -m SIZE or -m size=SIZE")
    check_ram_size(size)
    parse.settings["ram_size"] = (size + 4095) & -4096


def opt_drive(parse, text):
    from qemu_py.machine.drives import parse_drive
    name, properties = split_properties("," + text)
    parse.drives.append(parse_drive(text, properties))


def opt_simple_drive(option, interface, index, media="disk"):
    def handler(parse, text):
        from qemu_py.machine.drives import simple_drive
        parse.drives.append(simple_drive(option, text, interface, index, media))
    return handler


def opt_boot(parse, text):
    """-boot LETTERS, or order=LETTERS,once=LETTERS,menu=on|off,strict=on|off."""
    from qemu_py.machine.cmos import boot_codes
    first, properties = split_properties("," + text)
    if text and "=" not in text.partition(",")[0]:
        properties[0] = ("order", properties[0][0])
    for key, value in properties:
        if key in ("order", "once") and value:
            boot_codes(value)
            parse.settings["boot_order" if key == "order" else "boot_once"] = value
        elif key in ("menu", "strict") and value in ("on", "off"):
            if key == "menu":
                parse.settings["boot_menu"] = value == "on"
        else:
            raise UserError(f"-boot {text}: write -boot order=LETTERS,once=LETTERS,menu=on|off")


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


def opt_display(parse, text):
    if text in ("help", "?"):
        raise Quit("Available display backends:\nnone\ncurses              the guest's screen in the terminal\n")
    if text not in ("none", "curses"):
        raise UserError(f"-display {text}: this display is not available (there are: none, curses)")
    parse.display = text


def choose_display(parse, stdio_used):
    """none or curses: as asked, else the terminal, when we have one and nothing else uses it."""
    from qemu_py.backends.terminal import Terminal
    if parse.display != "curses":
        return "curses" if not stdio_used and terminal_is_free(parse) else "none"
    if stdio_used:
        raise UserError("-display curses: standard input and output are in use by another option")
    if not Terminal.is_ours():
        raise UserError("-display curses: standard input and output are no terminal")
    return "curses"


def terminal_is_free(parse):
    """Could the screen be shown in our terminal, if no character device is on it?"""
    from qemu_py.backends.terminal import Terminal
    if parse.display == "none" or parse.nographic or parse.settings.get("vga") == "none":
        return False
    return Terminal.is_ours()


def serial_texts(parse):
    """The serial ports as asked; with -nographic the first is our terminal's, and so is the monitor, unless they are elsewhere."""
    if not parse.nographic or parse.serials:
        return list(parse.serials)
    if any(text.removeprefix("mon:") == "stdio" for text in parse.debugcons + parse.monitors):
        return ["none"]
    return ["stdio" if parse.monitors else "mon:stdio"]


def opt_nographic(parse, text):
    parse.nographic = parse.settings["nographic"] = True


def opt_vga(parse, text):
    if text in ("help", "?"):
        raise Quit("none\nstd                 standard VGA with Bochs VBE extensions\n")
    if text not in ("none", "std"):
        raise UserError(f"-vga {text}: this adapter is not available (there are: none, std)")
    parse.settings["vga"] = text


def opt_monitor(parse, text):
    parse.monitors.append(text)


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


def opt_device(parse, text):
    from qemu_py import devices
    name, properties = split_properties(text)
    if name in ("help", "?"):
        raise Quit("".join(f'name "{cls.NAME}", bus {cls.BUS}, desc "{cls.DESC}"\n'
                           for _, cls in sorted(devices.scan().items()) if cls.BUS))
    cls = devices.device_class(name)
    if cls is None:
        raise UserError(f"-device {name}: there is no such device; -device help lists them")
    if any(key in ("help", "?") and value is None for key, value in properties):
        raise Quit(f"{name} options:\n" + "".join(f"  {key:<16} {prop.help} (default {prop.default})\n"
                                                  for key, prop in cls.PROPERTIES.items()))
    for key, value in properties:
        if value is None:
            raise UserError(f"-device {name}: property '{key}' needs a value ({key}=VALUE)")
    parse.devices.append((name, dict(properties)))


def opt_global(parse, text):
    from qemu_py import devices
    m = re.fullmatch(r"([^.=,]+)\.([^=]+)=(.*)", text) or re.fullmatch(r"driver=([^,]*),property=([^,]*),value=(.*)", text)
    if not m:
        raise UserError(f"-global {text}: write -global DEVICE.PROPERTY=VALUE")
    cls = devices.device_class(m[1])
    if cls is None:
        raise UserError(f"-global {text}: there is no device '{m[1]}'; -device help lists them")
    if m[2] not in cls.PROPERTIES:
        raise UserError(f"-global {text}: {m[1]} has no property '{m[2]}'"
                        f" (it has: {', '.join(sorted(cls.PROPERTIES)) or 'none'})")
    parse.globals[m[1], m[2]] = m[3]


def opt_rtc(parse, text):
    """base=utc|localtime|DATE, clock=host|rt|vm, driftfix=none."""
    from datetime import datetime
    first, properties = split_properties(text)
    key, sep, value = first.partition("=")
    for key, value in [(key, value if sep else None), *properties]:
        if key == "base" and value in ("utc", "localtime"):
            parse.settings["rtc_base"] = value
        elif key == "base" and value:
            try:
                parse.settings["rtc_base"] = datetime.strptime(
                    value, "%Y-%m-%dT%H:%M:%S" if "T" in value else "%Y-%m-%d")
            except ValueError:
                raise UserError(f"-rtc base={value}: write utc, localtime,"
                                " or a date such as 2026-11-23T19:48:00 or 2026-11-23") from None
        elif key == "clock" and value in ("host", "rt", "vm"):
            parse.settings["rtc_clock"] = value
        elif not (key == "driftfix" and value == "none"):
            raise UserError(f"-rtc {text}: write base=utc|localtime|DATE, clock=host|rt|vm, driftfix=none")


def opt_d(parse, text):
    from qemu_py.util import log
    if text in ("help", "?"):
        raise Quit(log.help_text())
    log.cpu_str_to_log_mask(text)
    parse.log_items = f"{parse.log_items},{text}" if parse.log_items else text


def opt_perfmap(parse, text):
    parse.perfmap = True


def opt_log_file(parse, text):
    parse.log_file = text


def opt_version(parse, text):
    raise Quit(f"qemu-py version {__version__}\n")


def opt_help(parse, text):
    raise Quit(help_text())


OPTIONS = (
    Option("h", "", "", opt_help),
    Option("help", "", "print this and exit", opt_help),
    Option("version", "", "print the version and exit", opt_version),
    Option("M", "NAME", "", opt_machine),
    Option("machine", "NAME", "the machine to emulate; help lists them", opt_machine),
    Option("accel", "NAME[,tier=N][,thread=T]", "how guest code is run: tcg or interp; tier=N: blocks that have run N times become"
           " host code (x86-64 only; new, so not the default yet); thread=single: the CPUs have a thread of"
           " their own, thread=single-loop: CPUs and events take turns in one", opt_accel),
    Option("icount", "shift=N|auto[,sleep=on|off]", "virtual time is a count of instructions, of 2^N ns each;"
           " sleep=off: an idle guest's time is skipped; implies thread=single-loop", opt_icount),
    Option("cpu", "MODEL[,+FEATURE]", "the CPU's model; help lists them (default qemu32)", opt_cpu),
    Option("smp", "N", "how many processors (default 1); they take turns in one thread", opt_smp),
    Option("m", "SIZE", "guest memory: MiB, or with a suffix K, M, G (default 128M)", opt_m),
    Option("kernel", "FILE", "start a Linux kernel (bzImage) or a multiboot one (ELF32, or with address fields)", set_text("kernel")),
    Option("append", "TEXT", "command line of the kernel", set_text("append")),
    Option("initrd", "LIST", "the initrd of a Linux kernel; modules of another: \"file arguments,file arguments\"", set_text("initrd")),
    Option("bios", "FILE", "the BIOS: a file, bios.bin (our own), or seabios; with it, a Linux kernel is started by the BIOS", set_text("bios")),
    Option("hda", "FILE", "disk 0; -hdb, -hdc and -hdd are the others", opt_simple_drive("-hda", "ide", 0)),
    Option("hdb", "FILE", "", opt_simple_drive("-hdb", "ide", 1)),
    Option("hdc", "FILE", "", opt_simple_drive("-hdc", "ide", 2)),
    Option("hdd", "FILE", "", opt_simple_drive("-hdd", "ide", 3)),
    Option("cdrom", "FILE", "a disc for the CD-ROM drive (in place of -hdc)", opt_simple_drive("-cdrom", "ide", 2, "cdrom")),
    Option("fda", "FILE", "a diskette for drive 0; -fdb for drive 1", opt_simple_drive("-fda", "floppy", 0)),
    Option("fdb", "FILE", "", opt_simple_drive("-fdb", "floppy", 1)),
    Option("drive", "KEY=VALUE,...", "a drive: file, format, if=ide|floppy|none, index or bus and unit, media=disk|cdrom, readonly,"
           " snapshot, cache, werror, rerror, discard, id", opt_drive),
    Option("snapshot", "", "write to temporary files instead of the images", set_true("snapshot")),
    Option("boot", "ORDER", "what to boot from: a diskette, c disk, d CD-ROM; order=,once=,menu=on|off", opt_boot),
    Option("L", "DIR", "look for firmware in a directory first", append_text("data_dirs")),
    Option("chardev", "BACKEND,id=ID[,KEY=VALUE...]", "a character device for chardev:ID: null, stdio, pty, file,path=PATH,"
           " socket,path=PATH or host=HOST,port=PORT,server=on,wait=off; mux=on", opt_chardev),
    Option("serial", "DEV", "a serial port (up to 4): stdio, mon:stdio (Ctrl-A h tells its keys), pty, file:PATH,"
           " tcp:HOST:PORT or unix:PATH with ,server,wait=off, chardev:ID, null, none", opt_serial),
    Option("parallel", "DEV", "a parallel port (up to 3), on the same devices (default: one on null)", opt_parallel),
    Option("debugcon", "DEV", "a debug console at port E9h, on the same devices", append_text("debugcons")),
    Option("monitor", "DEV", "commands for the emulator (help lists them), on the same devices; none: no monitor (the default;"
           " mon: devices have one behind Ctrl-A c)", opt_monitor),
    Option("display", "TYPE", "none: the guest's screen is not shown; curses: in the terminal (Ctrl-A h tells its keys),"
           " which is the default there when nothing else uses it", opt_display),
    Option("nographic", "", "no screen; the first serial port is mon:stdio (Ctrl-A x ends it)", opt_nographic),
    Option("vga", "TYPE", "display adapter: std or none", opt_vga),
    Option("device", "NAME[,PROP=VALUE...]", "add a device; help lists them, NAME,help its properties", opt_device),
    Option("global", "DEVICE.PROPERTY=VALUE", "a property's default for every device of that name", opt_global),
    Option("rtc", "base=DATE,clock=CLOCK", "the clock chip's start: utc, localtime or a date; what it counts: host,"
           " rt, vm", opt_rtc),
    Option("name", "TEXT", "a name for the guest", set_text("name")),
    Option("no-reboot", "", "exit instead of rebooting", set_true("no_reboot")),
    Option("no-shutdown", "", "stop instead of exiting when the guest shuts down", set_true("no_shutdown")),
    Option("S", "", "do not start the CPU", set_true("start_paused")),
    Option("perfmap", "", "name host code for `perf`, in /tmp/perf-PID.map, when the guest ends", opt_perfmap),
    Option("d", "ITEM,...", "log items; help lists them", opt_d),
    Option("D", "FILE", "write the log to a file (default: standard error)", opt_log_file),
)
BY_NAME = {option.name: option for option in OPTIONS}


def help_text():
    """What -help prints."""
    lines = [f"qemu-py version {__version__}: a 32-bit PC in Python",
             "usage: qemu-py [options]",
             "       qemu-py [demo [options]]                   start the demo guest that is in the package",
             "       qemu-py profile [options] -- [options]     find where the guest's time goes (profile --help)", ""]
    for option in OPTIONS:
        if option.help:
            left = f"-{option.name} {option.argument}".rstrip()
            if len(left) > 22:
                lines.append(left)
                left = ""
            lines.append(f"{left:<23} {option.help}")
    lines += ["", "Options may be written with one dash or two.", ""]
    return "\n".join(lines)


def parse_arguments(arguments):
    """Read the command line; a Parse. UserError, or Quit with text to print."""
    parse = Parse()
    words = iter(arguments)
    for word in words:
        if word == "-":
            raise UserError("-: an image cannot be read from standard input")
        if not word.startswith("-"):
            BY_NAME["hda"].handler(parse, word)         # as QEMU: an image without an option
            continue
        name = word[2:] if word.startswith("--") else word[1:]
        option = BY_NAME.get(name)
        if option is None:
            raise UserError(f"{word}: invalid option")
        text = None
        if option.argument:
            text = next(words, None)
            if text is None:
                raise UserError(f"{word}: requires an argument")
        option.handler(parse, text)
    return parse


def machine_config(parse):
    """The MachineConfig of a command line; opens its character devices."""
    from qemu_py.backends.chardev import chardev_new
    from qemu_py.machine.config import MachineConfig
    used = set()
    serials, debugcons = serial_texts(parse), list(parse.debugcons)
    opened = []
    try:
        for texts, option in ((serials, "-serial"), (debugcons, "-debugcon"), (parse.parallels or ["null"], "-parallel")):
            opened.append([chardev_new(parse.chardevs.resolve(text, option), option, used) for text in texts])
        monitors = []
        opened.append(monitors)
        for text in monitor_texts(parse):
            monitors.append(chardev_new(text, "-monitor", used))
        parse.chardevs.check_used()
        parse.display = choose_display(parse, "stdio" in used)
    except BaseException:
        for chardev in sum(opened, []):
            if chardev is not None:
                chardev.close()
        raise
    parse.monitor_chardevs = [chardev for chardev in monitors if chardev is not None]
    settings = dict(parse.settings)
    if "kernel" not in settings:
        for name in ("append", "initrd"):
            if name in settings:
                raise UserError(f"-{name}: only allowed together with -kernel")
    return MachineConfig(serials=opened[0], debugcons=opened[1], parallels=opened[2], devices=parse.devices, globals=parse.globals,
                         drives=parse.drives, data_dirs=parse.data_dirs, **settings)
