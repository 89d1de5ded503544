"""Where firmware images are looked for: as a path, in the directories of -L, in those of distributions."""
import os

# Debian's and Fedora's packages: seabios, qemu-system-data, ipxe-qemu
SYSTEM_DIRS = ("/usr/share/seabios", "/usr/share/qemu", "/usr/share/seavgabios", "/usr/lib/ipxe/qemu")


def qemu_find_file(name, dirs=()):
    """The path of a firmware image, or None."""
    if os.path.exists(name):
        return name
    if os.sep not in name:
        for directory in (*dirs, *SYSTEM_DIRS):
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                return path
    return None
