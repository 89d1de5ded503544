"""The monitor's info block, eject and change: images of drives."""
import os

from qemu_py.backends.block import open_image
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


def find(hmp, name):
    """The drive of that name, if a medium can be taken out of it."""
    drives = hmp.machine.drives.all()
    backend = next((backend for backend in drives if backend.name == name), None)
    if backend is None:
        names = ", ".join(backend.name for backend in drives if backend.removable) or "none"
        raise UserError(no_such("drive", name, [backend.name for backend in drives], f"removable: {names}"))
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
    backend = find(hmp, device)
    if not force:
        unlocked(backend)
    backend.change_media(None)
    return ""


def do_change(hmp, device, target, format):
    backend = find(hmp, device)
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
