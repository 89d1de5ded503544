"""The monitor's info block, info blockstats, eject, change and commit: images of drives."""
import os

from qemu_py.backends.block import open_image
from qemu_py.backends.overlay import Overlay
from qemu_py.devices.floppy_drive import format_of
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such


def info_block(hmp):
    return "".join(describe(backend) for backend in hmp.machine.drives.all()) or "no block devices\n"


def describe(backend):
    words = [f"{backend.name}: removable={int(backend.removable)}"]
    if backend.removable:
        words.append(f"locked={int(backend.locked)} tray-open={int(backend.tray_open)}")
    driver = backend.driver
    if driver is None:
        words.append("[not inserted]")
    else:
        words.append(f"file={driver.file.path} ro={int(driver.read_only)} drv={driver.FORMAT}")
    return " ".join(words) + "\n"


STATISTICS = ("rd_bytes", "wr_bytes", "rd_operations", "wr_operations", "flush_operations", "wr_total_time_ns", "rd_total_time_ns",
              "flush_total_time_ns")


def info_blockstats(hmp):
    """Of requests that succeeded; times overlap where requests do."""
    return "".join(f"{backend.name}: " + " ".join(f"{name}={backend.stats[name]}" for name in STATISTICS) + "\n"
                   for backend in hmp.machine.drives.all()) or "no block devices\n"


def find(hmp, name, which, chosen):
    """The drive of that name; `chosen` tells which of them would do, `which` says so."""
    drives = hmp.machine.drives.all()
    backend = next((backend for backend in drives if backend.name == name), None)
    if backend is None:
        names = ", ".join(backend.name for backend in drives if chosen(backend)) or "none"
        raise UserError(no_such("drive", name, [backend.name for backend in drives], f"{which}: {names}"))
    return backend


def find_removable(hmp, name):
    """The drive of that name, if a medium can be taken out of it."""
    backend = find(hmp, name, "removable", lambda backend: backend.removable)
    if not backend.removable:
        raise UserError(f"'{name}' is not removable")
    return backend


def unlocked(backend):
    """The guest may hold a medium: then it hears of the wish, and the user of the lock."""
    if not backend.locked:
        return
    if backend.eject_requested is not None:
        backend.eject_requested()
    raise UserError(f"'{backend.name}' is locked by the guest, which has been asked to let it go; eject -f takes it by force")


def do_eject(hmp, force, device):
    backend = find_removable(hmp, device)
    if not force:
        unlocked(backend)
    backend.change_media(None)
    return ""


def do_change(hmp, device, target, format):
    backend = find_removable(hmp, device)
    unlocked(backend)
    options = backend.options
    who = f"change {device}"
    old = backend.driver
    if old is not None and all(map(os.path.exists, (old.file.path, target))) and os.path.samefile(old.file.path, target):
        backend.change_media(None)      # the same image, read again: our own lock is on it
    snapshot = hmp.machine.config.snapshot if options.snapshot is None else options.snapshot
    driver = open_image(target, who, format, options.read_only or options.media == "cdrom", options.cache, snapshot)
    if options.interface == "floppy" and format_of(driver.size) is None:
        driver.close()
        raise UserError(f"{who}: {driver.size >> 10} KiB is no size of a diskette (160 KiB to 2.88 MiB)")
    backend.change_media(driver)
    return ""


def is_temporary(backend):
    return isinstance(backend.driver, Overlay)


def do_commit(hmp, device):
    """What -snapshot has kept in a temporary file goes into the image; the guest's disk is the same."""
    drives = hmp.machine.drives
    if device == "all":
        chosen = list(filter(is_temporary, drives.all()))
    else:
        chosen = [find(hmp, device, "with a temporary file", is_temporary)]
    if not all(map(is_temporary, chosen)) or not chosen:
        raise UserError("no drive writes to a temporary file (-snapshot)" if device == "all" else
                        f"'{device}' has no temporary file (-snapshot): what the guest writes is in the image already")
    drives.drain()
    for backend in chosen:
        try:
            backend.driver.commit()
        except OSError as e:
            raise UserError(f"cannot write '{backend.driver.file.path}': {e.strerror}") from None
    return ""
