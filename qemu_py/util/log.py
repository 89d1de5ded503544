"""The log of `-d`: categories, their bits, and where the text goes (`-D`).

The bits are also env.log_mask's in the core, which formats a line only when its category is on.
A process has one log, as it has one standard error.
"""
from __future__ import annotations

import sys
from collections.abc import Callable

from qemu_py.util.dataclass import dataclass
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

CPU_LOG_TB_OUT_ASM = 1 << 0
CPU_LOG_TB_IN_ASM = 1 << 1
CPU_LOG_TB_OP = 1 << 2
CPU_LOG_INT = 1 << 4
CPU_LOG_EXEC = 1 << 5
CPU_LOG_IOPORT = 1 << 7
CPU_LOG_TB_CPU = 1 << 8
CPU_LOG_RESET = 1 << 9
LOG_UNIMP = 1 << 10
LOG_GUEST_ERROR = 1 << 11
CPU_LOG_MMU = 1 << 12


@dataclass(frozen=True)
class Category:
    name: str
    mask: int
    help: str


CATEGORIES = (
    Category("out_asm", CPU_LOG_TB_OUT_ASM, "show generated host code for each compiled block"),
    Category("in_asm", CPU_LOG_TB_IN_ASM, "show guest code for each translated block"),
    Category("op", CPU_LOG_TB_OP, "show the IR of each translated block"),
    Category("int", CPU_LOG_INT, "show interrupts and exceptions"),
    Category("exec", CPU_LOG_EXEC, "show each block before it is executed"),
    Category("ioport", CPU_LOG_IOPORT, "show accesses to I/O ports"),
    Category("cpu", CPU_LOG_TB_CPU, "show the CPU's registers before a block is executed"),
    Category("cpu_reset", CPU_LOG_RESET, "show the CPU's registers before it is reset"),
    Category("unimp", LOG_UNIMP, "show what the guest asks of a device and we do not model"),
    Category("guest_errors", LOG_GUEST_ERROR, "show what the guest does wrong"),
    Category("mmu", CPU_LOG_MMU, "show page table walks and faults"),
)

_mask = 0
_file = None                        # of text; None: standard error
_filename: str | None = None
_sinks: list[Callable] = []


def cpu_str_to_log_mask(text: str, who: str = "-d") -> int:
    """The mask of a comma list of names; "all" and "none" are names too. who: the option, for messages."""
    mask = 0
    by_name = {category.name: category.mask for category in CATEGORIES}
    by_name["all"] = sum(by_name.values())
    by_name["none"] = 0
    for name in text.split(","):
        name = name.strip()
        if name not in by_name:
            raise UserError(f"{who} {text}: {no_such('log item', name, by_name)}")
        mask |= by_name[name]
    return mask


def help_text() -> str:
    """What `-d help` prints."""
    return "Log items (comma separated):\n" + "".join(
        f"{category.name:<15} {category.help}\n" for category in CATEGORIES)


def cpu_set_log(mask: int) -> None:
    """Choose the categories that are written."""
    global _mask
    _mask = mask
    for set_log_sink in _sinks:
        set_log_sink(_write if mask else None, mask)


def attach(set_log_sink: Callable[[Callable | None, int], None]) -> None:
    """Have the core told, now and on every change, what to write and where: it formats no line in vain."""
    _sinks.append(set_log_sink)
    set_log_sink(_write if _mask else None, _mask)


def loglevel() -> int:
    return _mask


def loglevel_mask(mask: int) -> bool:
    """Is any of the categories on? Guards the making of an expensive message."""
    return bool(_mask & mask)


def cpu_set_log_filename(filename: str | None) -> None:
    """Write to a file from now on (`-D`); None: to standard error."""
    global _file, _filename
    old, _filename = _file, filename
    if filename is None:
        _file = None
    else:
        try:
            _file = open(filename, "w", buffering=1)
        except OSError as e:
            _filename = None
            raise UserError(f"-D {filename}: {e.strerror}") from e
    if old is not None:
        old.close()


def log(category: int, text: str) -> None:
    """Write a line if the category is on."""
    if _mask & category:
        _write(category, text)


def _write(category: int, text: str) -> None:
    out = _file if _file is not None else sys.stderr
    out.write(text if text.endswith("\n") else text + "\n")
