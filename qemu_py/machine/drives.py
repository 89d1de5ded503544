"""The drives of -drive, -hda, -cdrom, -fda ...: which image is where, opened as BlockBackends.

DriveOptions is what the user said; Drives opens it for a machine and hands each BlockBackend to the
device at its place: `machine.drives.get("ide", bus, unit)`, `machine.drives.by_id(id)`.
"""
from qemu_py.backends.aio import AIOThreads
from qemu_py.backends.aio_timed import TimedAIO
from qemu_py.backends.block import READ_POLICIES, WRITE_POLICIES, BlockBackend, open_image
from qemu_py.backends.posix_file import CACHE_MODES
from qemu_py.util.dataclass import dataclass
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean, no_such

# interface -> (buses, units on each)
INTERFACES = {"ide": (2, 2), "floppy": (1, 2), "none": (1 << 16, 1)}
MEDIA = ("disk", "cdrom")
CDROM_INDEX = 2                         # -cdrom, and the empty drive that a PC has without it


@dataclass
class DriveOptions:
    """One drive as asked for. who: the option, for messages."""
    who: str
    interface: str = "ide"
    bus: int = None
    unit: int = None                    # bus and unit None: the first free place
    media: str = "disk"
    file: str = None                    # None: an empty drive
    format: str = None                  # None: found out
    read_only: bool = False
    cache: str = "writeback"
    rerror: str = "report"
    werror: str = "enospc"
    snapshot: bool = None               # None: as -snapshot says
    discard: bool = False
    id: str = None

    @property
    def removable(self):
        return self.media == "cdrom" or self.interface == "floppy"

    @property
    def place(self):
        return (self.interface, self.bus, self.unit)

    def default_name(self):
        if self.interface == "none":
            return f"none{self.bus}"
        if self.interface == "floppy":
            return f"floppy{self.unit}"
        return f"{self.interface}{self.bus}-{'cd' if self.media == 'cdrom' else 'hd'}{self.unit}"


# ---------------------------------------------------------------- from the command line
def choice(known):
    def parse(text):
        if text not in known:
            raise ValueError("one of " + ", ".join(known))
        return text
    return parse


def number(text):
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a number")
    return int(text)


def on_off(text):
    if text not in ("on", "off"):
        raise ValueError("on or off")
    return text == "on"


# Keys whose value is one of a few words
CHOICES = {"if": tuple(INTERFACES), "media": MEDIA, "cache": CACHE_MODES, "rerror": READ_POLICIES, "werror": WRITE_POLICIES,
           "discard": ("ignore", "unmap")}
# key -> (field of DriveOptions, text -> value)
KEYS = {"file": ("file", str), "format": ("format", str), "if": ("interface", choice(CHOICES["if"])),
        "index": ("index", number), "bus": ("bus", number), "unit": ("unit", number),
        "readonly": ("read_only", on_off), "read-only": ("read_only", on_off), "snapshot": ("snapshot", on_off), "id": ("id", str),
        **{key: (key, choice(CHOICES[key])) for key in ("media", "cache", "rerror", "werror", "discard")}}


def parse_drive(text, properties):
    """A -drive's [(key, value)] as DriveOptions. UserError."""
    who = f"-drive {text}"
    fields = {}
    for key, value in properties:
        if key not in KEYS:
            raise UserError(f"{who}: {no_such('key', key, sorted(KEYS))}")
        name, parse = KEYS[key]
        if name in fields:
            raise UserError(f"{who}: '{key}' is given twice")
        if value is None:
            raise UserError(f"{who}: '{key}' needs a value ({key}=VALUE)")
        try:
            fields[name] = parse(value)
        except ValueError as e:
            raise UserError(f"{who}: '{key}' expects {e}, not '{value}'{did_you_mean(value, CHOICES.get(key, ()))}") from None
    if fields.get("file") == "":
        del fields["file"]
    fields["discard"] = fields.get("discard") == "unmap"
    index = fields.pop("index", None)
    options = DriveOptions(who, **fields)
    if index is not None:
        if options.bus is not None or options.unit is not None:
            raise UserError(f"{who}: give either index=, or bus= and unit=")
        set_index(options, index)
    elif options.unit is not None and options.bus is None:
        options.bus = 0
    check_place(options)
    if options.file is None and not options.removable:
        raise UserError(f"{who}: a disk needs an image: file=FILE")
    return options


def simple_drive(who, file, interface, index, media="disk"):
    """-hda, -cdrom, -fda ..."""
    if not file:
        raise UserError(f"{who}: a file name is missing")
    options = DriveOptions(f"{who} {file}", interface, media=media, file=file)
    set_index(options, index)
    return options


def set_index(options, index):
    options.bus, options.unit = divmod(index, INTERFACES[options.interface][1])
    check_place(options)


def check_place(options):
    buses, units = INTERFACES[options.interface]
    if (options.bus or 0) >= buses or (options.unit or 0) >= units:
        raise UserError(f"{options.who}: there is no such place: if={options.interface} has {buses * units} of them"
                        f" (index 0 to {buses * units - 1})")


def assign_places(drives):
    """Give those that asked for none the first free place, in order; refuse two at one."""
    taken, ids = {}, {}
    for options in drives:
        buses, units = INTERFACES[options.interface]
        if options.unit is None:
            candidates = range(buses) if options.bus is None else [options.bus]
            free = next(((bus, unit) for bus in candidates for unit in range(units)
                         if (options.interface, bus, unit) not in taken), None)
            if free is None:
                raise UserError(f"{options.who}: every place of if={options.interface} is taken")
            options.bus, options.unit = free
        if options.place in taken:
            index = options.bus * units + options.unit
            raise UserError(f"{options.who}: there is a drive at {options.interface} index {index} already"
                            f" ({taken[options.place].who}): choose another index=")
        taken[options.place] = options
        if options.id is not None:
            if options.id in ids:
                raise UserError(f"{options.who}: there is a drive with id '{options.id}' already ({ids[options.id].who})")
            ids[options.id] = options
    return drives


# ---------------------------------------------------------------- of a machine
class Drives:
    """Every BlockBackend of a machine, and the workers that serve them.

    on_stop(backend, errno): stop the machine for an error (werror=stop ...)."""

    def __init__(self, main_loop, on_stop=None, counted=None):
        """counted: the virtual clock, when that counts instructions; completions then come by it."""
        self.aio = AIOThreads(main_loop) if counted is None else TimedAIO(counted)
        self.on_stop = on_stop
        self.backends = {}              # (interface, bus, unit) -> BlockBackend
        self.ids = {}
        self.claimed = set()            # ids of if=none that a device took

    def open(self, drives, snapshot=False):
        """Open what the configuration lists. UserError."""
        for options in assign_places(list(drives)):
            driver = None
            if options.file is not None:
                temporary = snapshot if options.snapshot is None else options.snapshot
                driver = open_image(options.file, options.who, options.format,
                                    options.read_only or options.media == "cdrom", options.cache, temporary)
            self.add(options, driver)

    def add(self, options, driver=None):
        backend = BlockBackend(options.id or options.default_name(), self.aio, driver, removable=options.removable,
                               rerror=options.rerror, werror=options.werror, discard=options.discard)
        backend.on_stop = self.on_stop
        backend.options = options
        self.backends[options.place] = backend
        if options.id is not None:
            self.ids[options.id] = backend
        return backend

    def add_default_cdrom(self):
        """A PC has a CD-ROM drive, if only an empty one."""
        bus, unit = divmod(CDROM_INDEX, INTERFACES["ide"][1])
        if ("ide", bus, unit) not in self.backends:
            self.add(DriveOptions("-cdrom", "ide", bus, unit, "cdrom"))

    def get(self, interface, bus, unit):
        """drive_get: the BlockBackend at a place, or None."""
        return self.backends.get((interface, bus, unit))

    def by_id(self, name):
        return self.ids.get(name)

    def claim(self, name, who):
        """The BlockBackend that a -device's drive=NAME means, each for one device; None for no name."""
        if name is None:
            return None
        blk = self.ids.get(name)
        if blk is None:
            raise UserError(f"{who}: there is no drive '{name}'{did_you_mean(name, self.ids)} (-drive if=none,id={name},file=FILE makes one)")
        if blk.options.interface != "none" or name in self.claimed:
            raise UserError(f"{who}: the drive '{name}' is used by another device")
        self.claimed.add(name)
        return blk

    def empty_drive(self):
        """For a removable drive without a -drive."""
        bus = next(bus for bus in range(INTERFACES["none"][0]) if ("none", bus, 0) not in self.backends)
        return self.add(DriveOptions("-device", "none", bus, 0, "cdrom"))

    def all(self):
        return list(self.backends.values())

    def retry(self):
        """The machine goes on."""
        for backend in self.all():
            backend.retry()

    def drain(self):
        self.aio.qemu_aio_flush()

    def flush_all(self):
        """bdrv_flush_all: the machine stops; what it wrote shall survive."""
        self.drain()
        for backend in self.all():
            if backend.inserted and not backend.read_only and not backend.parked:
                try:
                    backend.flush()
                except OSError:
                    pass                # a flush of the guest's own will say so

    def close(self):
        """May be called twice."""
        self.drain()
        for backend in self.all():
            backend.close()
        self.aio.close()
