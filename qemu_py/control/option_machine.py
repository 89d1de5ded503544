"""-machine, -cpu, -m, -boot, -device ...: options that say what the machine is made of.

A handler is called with the Parse (qemu_py.options) and the argument's text, and fills in its settings.
"""
from qemu_py.control.option_grammar import (Quit, asks_for_help, check_key, choose, on_off, one_of, parse_size, split_keys,
                                            split_properties)
from qemu_py.util.accel import MAX_TIER, TCG_TIER
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

ACCELERATORS = ("tcg", "interp")
MAX_TB_SIZE = 1024              # MiB: jumps reach 2 GiB, and code lies between its data and itself
MACHINE_TEXTS = {"kernel": "kernel", "initrd": "initrd", "append": "append", "firmware": "bios"}        # key -> setting
MACHINE_KEYS = ("type", "accel", "hpet", *MACHINE_TEXTS)
ADAPTERS = ("none", "std")


def opt_machine(parse, text):
    from qemu_py.machine import registry
    who = f"-machine {text}"
    name = None
    for key, value in split_keys(text, "type"):
        check_key(who, key, MACHINE_KEYS)
        if key == "accel":
            check_accel(value or "", "-machine accel=")
        elif key == "hpet":
            parse.settings["hpet"] = on_off(who, key, value)
        elif key in MACHINE_TEXTS:
            if not value:
                raise UserError(f"{who}: '{key}' needs a value ({key}=VALUE)")
            parse.settings[MACHINE_TEXTS[key]] = value
        else:
            name = value
    if name is None:
        return
    if asks_for_help(name):
        raise Quit(registry.help_text())
    parse.settings["machine"] = registry.find_machine(name).name


def check_accel(text, option):
    """Both interpret the IR; tcg compiles what has run often."""
    if asks_for_help(text):
        raise Quit("Accelerators supported:\n" + "".join(f"{name}\n" for name in ACCELERATORS))
    choose(f"{option}{text}", "accelerator", text, ACCELERATORS)


def opt_accel(parse, text):
    name, properties = split_properties(text)
    check_accel(name, "-accel ")
    parse.settings["tier"] = TCG_TIER if name == "tcg" else None
    for key, value in properties:
        check_key(f"-accel {text}", key, ("tier", "tb-size", "thread") if name == "tcg" else ("thread",))
        if key == "tb-size":
            if not (value or "").isdecimal() or not 1 <= int(value) <= MAX_TB_SIZE:
                raise UserError(f"-accel {text}: tb-size= is the size of the translation cache in MiB, 1 to {MAX_TB_SIZE}")
            parse.settings["tb_size"] = int(value) << 20
        elif key == "tier":
            if not (value or "").isdecimal() or int(value) > MAX_TIER:
                raise UserError(f"-accel {text}: tier= is how often a block runs before it is compiled, 0 to {MAX_TIER}")
            parse.settings["tier"] = int(value)
        elif value in ("single", "single-loop"):
            parse.settings["single_loop"] = value == "single-loop"
        else:
            raise UserError(f"-accel {text}: write -accel tcg,thread=single for the CPUs in a thread of their own,"
                            " or thread=single-loop for one thread for CPUs and events")


def opt_icount(parse, text):
    """-icount shift=N|auto,sleep=on|off, or N|auto as QEMU 1.0 has it."""
    from qemu_py.machine.icount import MAX_SHIFT, ICountOptions
    who = f"-icount {text}"
    shift, sleep = None, True
    for key, value in split_keys(text, "shift"):
        check_key(who, key, ("shift", "sleep"))
        if key == "sleep":
            sleep = on_off(who, key, value)
        elif value and (value == "auto" or value.isascii() and value.isdigit() and int(value) <= MAX_SHIFT):
            shift = None if value == "auto" else int(value)
        else:
            raise UserError(f"{who}: write -icount shift=N|auto,sleep=on|off with N from 0 to {MAX_SHIFT}")
    if shift is None and not sleep:
        raise UserError(f"{who}: sleep=off needs a fixed shift, for example shift=3")
    parse.settings["icount"] = ICountOptions(shift, sleep)


def opt_cpu(parse, text):
    from qemu_py._core.x86.cpu_models import FEATURES, cpu_models
    models = cpu_models()
    if asks_for_help(text):
        raise Quit("Available CPUs:\n" + "".join(f"x86 {name:<12} {what}\n" for name, what in models.items())
                   + "Features, with + or - behind the model:\n" + " ".join(sorted(FEATURES)) + "\n")
    model, *changes = text.split(",")
    choose(f"-cpu {text}", "CPU model", model, models)
    for change in changes:
        if change[:1] not in ("+", "-"):
            raise UserError(f"-cpu {text}: write +FEATURE or -FEATURE, not '{change}'; -cpu help lists them")
        choose(f"-cpu {text}", "CPU feature", change[1:], FEATURES, "-cpu help lists them")
    parse.settings["cpu_model"] = text


def opt_smp(parse, text):
    """-smp N, or cpus=N."""
    (key, value), *more = split_keys(text, "cpus")
    check_key(f"-smp {text}", key, ("cpus",))
    if more or not value or not value.isascii() or not value.isdigit() or int(value) < 1:
        raise UserError(f"-smp {text}: write -smp N with the number of processors, for example -smp 2")
    parse.settings["cpus"] = int(value)


def opt_m(parse, text):
    from qemu_py.machine.config import check_ram_size
    (key, value), *more = split_keys(text, "size")
    check_key(f"-m {text}", key, ("size",))
    if more or value is None:
        raise UserError(f"-m {text}: write -m SIZE or -m size=SIZE")
    size = parse_size(value, "m")
    check_ram_size(size)
    parse.settings["ram_size"] = (size + 4095) & -4096


def opt_drive(parse, text):
    from qemu_py.machine.drives import parse_drive
    parse.drives.append(parse_drive(text, split_properties("," + text)[1]))


def opt_simple_drive(option, interface, index, media="disk"):
    def handler(parse, text):
        from qemu_py.machine.drives import simple_drive
        parse.drives.append(simple_drive(option, text, interface, index, media))
    return handler


# -boot's keys that are times: the configuration's field, the longest
TIMES = {"splash-time": ("boot_menu_wait", 0xFFFF), "reboot-timeout": ("boot_fail_wait", 0xFFFF)}


def milliseconds(who, key, value, limit):
    if key == "reboot-timeout" and value == "-1":
        return None                     # never
    if not value or not value.isascii() or not value.isdecimal() or int(value) > limit:
        raise UserError(f"{who}: {key} is a number of milliseconds, 0 to {limit}")
    return int(value)


def opt_boot(parse, text):
    """-boot LETTERS, or order=LETTERS,once=LETTERS,menu=on|off,splash-time=MS,reboot-timeout=MS,strict=on|off."""
    from qemu_py.machine.cmos import boot_codes
    who = f"-boot {text}"
    for key, value in split_keys(text, "order"):
        check_key(who, key, ("order", "once", "menu", "splash-time", "reboot-timeout", "strict"))
        if key in TIMES:
            field, limit = TIMES[key]
            parse.settings[field] = milliseconds(who, key, value, limit)
        elif key in ("menu", "strict"):
            on = on_off(who, key, value)
            if key == "menu":
                parse.settings["boot_menu"] = on
        elif value:
            boot_codes(value)
            parse.settings["boot_order" if key == "order" else "boot_once"] = value
        else:
            raise UserError(f"{who}: '{key}' needs letters, for example {key}=dc")


def opt_vga(parse, text):
    if asks_for_help(text):
        raise Quit("none\nstd                 standard VGA with Bochs VBE extensions\n")
    parse.settings["vga"] = choose(f"-vga {text}", "adapter", text, ADAPTERS)


def device_help():
    """The devices that can be added."""
    from qemu_py import devices
    return "".join(f'name "{cls.NAME}", bus {cls.BUS}, desc "{cls.DESC}"\n'
                   for _, cls in sorted(devices.scan().items()) if cls.BUS)


def properties_help(name, cls):
    if not cls.PROPERTIES:
        return f"there are no options for {name}\n"
    lines = [f"{name} options:"]
    for key, prop in cls.PROPERTIES.items():
        default = "" if prop.default is None else f" (default {'on' if prop.default is True else 'off' if prop.default is False else prop.default})"
        lines.append(f"  {key:<16} {prop.help}{default}")
    return "\n".join(lines) + "\n"


def opt_device(parse, text):
    from qemu_py import devices
    name, properties = split_properties(text)
    if asks_for_help(name):
        raise Quit(device_help())
    cls = devices.device_class(name)
    if cls is None:
        known = [name for name, cls in devices.scan().items() if cls.BUS]
        raise UserError(f"-device {name}: {no_such('device', name, known, '-device help lists them')}")
    if any(asks_for_help(key) and value is None for key, value in properties):
        raise Quit(properties_help(name, cls))
    for key, value in properties:
        if cls.BUS:                     # else the board's own, which is told when it is built
            choose(f"-device {name}", "property", key, [*cls.PROPERTIES, "id", "bus"])
        if value is None:
            raise UserError(f"-device {name}: property '{key}' needs a value ({key}=VALUE)")
    parse.devices.append((name, dict(properties)))


def opt_global(parse, text):
    import re
    from qemu_py import devices
    m = re.fullmatch(r"([^.=,]+)\.([^=]+)=(.*)", text) or re.fullmatch(r"driver=([^,]*),property=([^,]*),value=(.*)", text)
    if not m:
        raise UserError(f"-global {text}: write -global DEVICE.PROPERTY=VALUE")
    cls = devices.device_class(m[1])
    if cls is None:
        raise UserError(f"-global {text}: {no_such('device', m[1], devices.scan(), '-device help lists them')}")
    choose(f"-global {text}", f"property of {m[1]}", m[2], cls.PROPERTIES)
    parse.globals[m[1], m[2]] = m[3]


def opt_rtc(parse, text):
    """base=utc|localtime|DATE, clock=host|rt|vm, driftfix=none."""
    who = f"-rtc {text}"
    for key, value in split_properties("," + text)[1]:
        check_key(who, key, ("base", "clock", "driftfix"))
        if key == "clock":
            parse.settings["rtc_clock"] = one_of(who, key, value, ("host", "rt", "vm"))
        elif key == "driftfix":
            if value != "none":
                raise UserError(f"{who}: driftfix= is none; ticks are not made up for")
        elif value in ("utc", "localtime"):
            parse.settings["rtc_base"] = value
        else:
            parse.settings["rtc_base"] = date_of(who, value or "")


def date_of(who, text):
    from datetime import datetime
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S" if "T" in text else "%Y-%m-%d")
    except ValueError:
        raise UserError(f"{who}: base= is utc, localtime,"
                        " or a date such as 2026-11-23T19:48:00 or 2026-11-23") from None
