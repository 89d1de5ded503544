"""Where firmware images are looked for: as a path, in the directories of -L, among our own, in those of distributions."""
import os

OUR_DIR = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "machine", "roms")
# Debian's and Fedora's packages: seabios, qemu-system-data, ipxe-qemu
SYSTEM_DIRS = ("/usr/share/seabios", "/usr/share/qemu", "/usr/share/seavgabios", "/usr/lib/ipxe/qemu")


def qemu_find_file(name, dirs=()):
    """The path of a firmware image, or None."""
    return name if os.path.exists(name) else find_in(name, (*dirs, OUR_DIR, *SYSTEM_DIRS))


def find_installed(name, dirs=()):
    """The same of another project's image, whose name one of ours may have, too."""
    return find_in(name, (*dirs, *SYSTEM_DIRS))


def find_in(name, dirs):
    if os.sep in name:
        return None
    paths = (os.path.join(directory, name) for directory in dirs)
    return next((path for path in paths if os.path.isfile(path)), None)


def names_in(dirs, begin):
    """The names of images that begin so, in the directories that there are."""
    return sorted({name for directory in filter(os.path.isdir, dirs) for name in os.listdir(directory) if name.startswith(begin)})
