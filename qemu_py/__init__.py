"""qemu_py: a whole PC in a Python process."""
from qemu_py.util.version import __version__  # noqa: F401


def __getattr__(name):
    if name in ("CPU", "RunResult"):        # loaded when asked for: the command line does not need them
        from qemu_py._core import bare
        return getattr(bare, name)
    if name in ("Machine", "MachineEnded"):
        from qemu_py.control import api
        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
