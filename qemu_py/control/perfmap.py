"""`-perfmap`: the host code that is in the translation cache, by guest address, in the file where Linux' `perf` looks for it.

The file is written when the guest ends: what a flush of the cache has forgotten before is not in it (give a larger tb-size then).
"""
import os
import sys

from qemu_py._core.host.listing import host_code, host_stubs
from qemu_py.control.profile import read_symbols
from qemu_py.control.profile_data import mode_name


def perfmap_lines(machine, symbols):
    """Lines "start size name" (hexadecimal), as perf's jit-interface.txt has them."""
    stubs = host_stubs(machine.tb_cache)
    lines = [f"{stubs[0]:x} {stubs[1]:x} qemu_py stubs\n"] if stubs is not None else []
    for pc, _, flags, address, code in host_code(machine.tb_cache):
        name = symbols.label(pc)
        place = f"{pc:#010x}" if name == f"{pc:#x}" else f"{name} {pc:#010x}"
        lines.append(f"{address:x} {len(code):x} guest {place} {mode_name(flags)}\n")
    return lines


def write_perfmap(machine, path=None):
    """The file for this process, or another."""
    path = path or f"/tmp/perf-{os.getpid()}.map"
    try:
        with open(path, "w", encoding="ascii", errors="replace") as f:
            f.writelines(perfmap_lines(machine, read_symbols([], machine.config.kernel)))
    except OSError as e:
        print(f"qemu-py: -perfmap {path}: {e.strerror}", file=sys.stderr)      # the machine is ending: that goes on
