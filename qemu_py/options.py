"""The command line's options: one table, and what their settings come to together.

A row is the option's name, its argument as -help shows it, the help text, and the handler, which is
called with the state of the parse and the argument's text. What a machine is made of goes into a
MachineConfig; nothing is opened or built before the whole line has been read.
"""
from qemu_py.backends.char_options import NamedChardevs
from qemu_py.control.option_grammar import Quit
from qemu_py.control.option_machine import (opt_accel, opt_boot, opt_cpu, opt_device, opt_drive, opt_global, opt_icount, opt_m,
                                            opt_machine, opt_rtc, opt_simple_drive, opt_smp, opt_vga)
from qemu_py.control.option_streams import (add_consoles, chardevs_of_devices, choose_display, monitor_texts, name_consoles, opt_chardev, opt_display,
                                            opt_monitor, opt_nographic, opt_parallel, opt_serial, serial_texts)
from qemu_py.util.accel import TCG_TIER
from qemu_py.util.dataclass import dataclass, field
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean
from qemu_py.util.version import __version__

HELP_COLUMN = 24                        # where the meaning of an option begins in -help


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
    opened: list = field(default_factory=list)          # every character device that machine_config() opened
    devices: list = field(default_factory=list)
    globals: dict = field(default_factory=dict)         # (device, property) -> text
    data_dirs: list = field(default_factory=list)
    drives: list = field(default_factory=list)          # DriveOptions
    consoles: list = field(default_factory=list)        # VCChars of the terminal display, filled in by machine_config()
    nographic: bool = False
    display: str = None                 # None: not asked for; machine_config() chooses
    graphics: str = "auto"              # how the terminal display shows pictures
    greeting: str = None                # what the terminal display says first; None: its own words
    log_items: str = ""
    log_file: str = None
    perfmap: bool = False

    def close(self):
        """Give back what machine_config() opened: the machine does not come to be."""
        for chardev in self.opened:
            chardev.close()


@dataclass(frozen=True)
class Option:
    name: str
    argument: str                       # "": it takes none
    help: str
    handler: object


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


def opt_no_hpet(parse, text):
    parse.settings["hpet"] = False


def opt_version(parse, text):
    raise Quit(f"qemu-py version {__version__}\n")


def opt_help(parse, text):
    raise Quit(help_text())


OPTIONS = (
    Option("h", "", "", opt_help),
    Option("help", "", "print this and exit", opt_help),
    Option("version", "", "print the version and exit", opt_version),
    Option("M", "NAME", "", opt_machine),
    Option("machine", "NAME", "the machine to emulate; help lists them; keys: accel=, hpet=on|off, kernel=, initrd=, append=, firmware=",
           opt_machine),
    Option("accel", "NAME[,tier=N][,tb-size=MIB][,thread=T]", "how guest code is run: tcg, where blocks that have run N times"
           f" (default {TCG_TIER}) become host code, in at most MIB megabytes; or interp, an interpreter alone; thread=single: the CPUs"
           " have a thread of their own, thread=single-loop: CPUs and events take turns in one", opt_accel),
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
    Option("chardev", "BACKEND,id=ID[,KEY=VALUE...]", "a character device for chardev:ID: null, stdio, pty, vc, file,path=PATH,"
           " socket,path=PATH or host=HOST,port=PORT,server=on,wait=off; mux=on", opt_chardev),
    Option("serial", "DEV", "a serial port (up to 4): stdio, mon:stdio (Ctrl-A h tells its keys), pty, vc (a screen of the"
           " display), file:PATH,"
           " tcp:HOST:PORT or unix:PATH with ,server,wait=off, chardev:ID, null, none (default: vc with -display curses, else none)", opt_serial),
    Option("parallel", "DEV", "a parallel port (up to 3), on the same devices (default: one on null)", opt_parallel),
    Option("debugcon", "DEV", "a debug console at port E9h, on the same devices", append_text("debugcons")),
    Option("monitor", "DEV", "commands for the emulator (help lists them), on the same devices; none: no monitor (the default;"
           " mon: devices have one behind Ctrl-A c)", opt_monitor),
    Option("display", "TYPE[,graphics=G]", "none: the guest's screen is not shown; curses: in the terminal (Ctrl-A h tells its keys),"
           " which is the default there when nothing else uses it; graphics=kitty, sixel, blocks or auto: how pictures are shown", opt_display),
    Option("nographic", "", "no screen; the first serial port is mon:stdio (Ctrl-A x ends it)", opt_nographic),
    Option("vga", "TYPE", "display adapter: std or none", opt_vga),
    Option("no-hpet", "", "the same as -machine hpet=off", opt_no_hpet),
    Option("device", "NAME[,PROP=VALUE...]", "add a device; help lists them, NAME,help its properties", opt_device),
    Option("global", "DEVICE.PROPERTY=VALUE", "a property's default for every device of that name", opt_global),
    Option("rtc", "base=DATE,clock=CLOCK", "the clock chip's start: utc, localtime or a date; what it counts: host,"
           " rt, vm", opt_rtc),
    Option("name", "TEXT", "a name for the guest", set_text("name")),
    Option("no-reboot", "", "exit instead of rebooting", set_true("no_reboot")),
    Option("no-shutdown", "", "stop instead of exiting when the guest shuts down", set_true("no_shutdown")),
    Option("S", "", "do not start the CPU", set_true("start_paused")),
    Option("singlestep", "", "one instruction in each translation block, for -d", set_true("singlestep")),
    Option("perfmap", "", "name host code for `perf`, in /tmp/perf-PID.map, when the guest ends", opt_perfmap),
    Option("d", "ITEM,...", "log items; help lists them", opt_d),
    Option("D", "FILE", "write the log to a file (default: standard error)", opt_log_file),
)
BY_NAME = {option.name: option for option in OPTIONS}


def help_text():
    """What -help prints, in lines that fit the terminal."""
    import shutil
    import textwrap
    width = max(60, min(100, shutil.get_terminal_size((100, 24)).columns - 1))
    lines = [f"qemu-py version {__version__}: a 32-bit PC in Python",
             "usage: qemu-py [options]",
             "       qemu-py [demo [options]]                   start the demo guest that is in the package",
             "       qemu-py profile [options] -- [options]     find where the guest's time goes (profile --help)", ""]
    for option in OPTIONS:
        if option.help:
            left = f"-{option.name} {option.argument}".rstrip()
            if len(left) >= HELP_COLUMN:
                lines.append(left)
                left = ""
            lines += textwrap.wrap(option.help, width, initial_indent=f"{left:<{HELP_COLUMN}}", subsequent_indent=" " * HELP_COLUMN,
                                   break_long_words=False, break_on_hyphens=False)
    lines += ["", "Options may be written with one dash or two.", ""]
    return "\n".join(lines)


def why_invalid(name):
    from qemu_py.control.option_absent import ABSENT
    if name in ABSENT:
        return f"this option of QEMU is not there: {ABSENT[name]}"
    left, sep, value = name.partition("=")
    if sep and left in BY_NAME and BY_NAME[left].argument:
        return f"invalid option; its value is a word of its own: -{left} {value}"
    return "invalid option" + (did_you_mean(left, BY_NAME, before="-") or " (-help lists them)")


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
            raise UserError(f"{word}: {why_invalid(name)}")
        text = None
        if option.argument:
            text = next(words, None)
            if text is None:
                raise UserError(f"{word}: requires an argument")
        option.handler(parse, text)
    return parse


def machine_config(parse):
    """The MachineConfig of a command line; opens its character devices."""
    from qemu_py.backends.char_new import chardev_new
    from qemu_py.machine.config import MachineConfig
    settings = dict(parse.settings)
    if "kernel" not in settings:
        for name in ("append", "initrd"):
            if name in settings:
                raise UserError(f"-{name}: only allowed together with -kernel")
    if "icount" in settings and settings.get("single_loop") is False:
        raise UserError("-accel tcg,thread=single: -icount needs one thread for CPUs and events; leave one of them out")
    used, named = set(), {}

    def open_all(texts, option):
        made = []
        for text in texts:
            made.append(chardev_new(text, option, used))
            if made[-1] is not None:
                parse.opened.append(made[-1])
        return made
    resolve = parse.chardevs.resolve
    try:
        streams = [open_all([resolve(text, option) for text in texts], option) for texts, option in (
            (serial_texts(parse), "-serial"), (parse.debugcons, "-debugcon"), (parse.parallels or ["null"], "-parallel"))]
        for device, name in chardevs_of_devices(parse):
            named.update(zip([name], open_all([resolve(f"chardev:{name}", f"-device {device},")], "-chardev")))
        monitors = open_all(list(monitor_texts(parse)), "-monitor")
        parse.chardevs.check_used()
        parse.display = choose_display(parse, "stdio" in used)
        add_consoles(parse, streams[0], monitors)
        parse.consoles = name_consoles(parse, monitor=monitors, serial=streams[0], debugcon=streams[1], parallel=streams[2], device=list(named.values()))
    except BaseException:
        parse.close()
        raise
    parse.monitor_chardevs = [chardev for chardev in monitors if chardev is not None]
    serials, debugcons, parallels = streams
    return MachineConfig(serials=serials, debugcons=debugcons, parallels=parallels, devices=parse.devices, chardevs=named, globals=parse.globals,
                         drives=parse.drives, data_dirs=parse.data_dirs, **settings)
