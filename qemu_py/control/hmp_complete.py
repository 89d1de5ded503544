"""What may stand in the place of the last word of a monitor's line: complete(hmp, text) gives the words."""
import glob
import os
import re

from qemu_py.system.keymap import KEYS
from qemu_py.util import log

ONE_OF = {"format": ("png", "ppm", "raw"), "option": ("-f",), "how": ("on", "exact", "off")}


def complete(hmp, text):
    from qemu_py.control.hmp import BY_NAME
    words = re.split(r"\s+", text.lstrip())
    if len(words) == 1:
        return sorted(BY_NAME)
    command = BY_NAME.get(words[0].partition("/")[0])
    if command is None:
        return []
    kinds = [item.split(":")[0] for item in command.arguments.split(",") if item]
    values = [word for word in words[1:-1] if not word.startswith("/")]
    if kinds[:1] == ["force"]:          # a flag that may be left out
        values, kinds = [word for word in values if word != "-f"], kinds[1:]
    if kinds[:1] == ["fmt"]:
        kinds = kinds[1:]
    if len(values) >= len(kinds):
        return []
    return candidates(hmp, kinds[len(values)], words[-1])


def candidates(hmp, kind, word):
    from qemu_py.control.hmp import BY_NAME
    from qemu_py.control.hmp_info import INFO
    if kind == "name":
        return sorted(BY_NAME)
    if kind == "item":
        return sorted(INFO)
    if kind == "items":
        return sorted([category.name for category in log.CATEGORIES] + ["all", "none", "help"])
    if kind == "device":
        return [backend.name for backend in hmp.machine.drives.all() if backend.removable]
    if kind == "keys":
        before = word.rpartition("-")[0]
        return [f"{before}-{name}" if before else name for name in sorted(KEYS)]
    if kind in ("filename", "target"):
        return [path + "/" if os.path.isdir(path) else path for path in sorted(glob.glob(glob.escape(word) + "*"))]
    return list(ONE_OF.get(kind, ()))
