"""How guest code is run where nobody says: QEMU_PY_ACCEL, in the words of -accel.

A tier is the number of runs after which a block becomes host code; None: never, the interpreter alone.
"""
import os

from qemu_py.util.errors import UserError

VARIABLE = "QEMU_PY_ACCEL"
DEFAULT = "default"             # a tier that says: as the environment has it
MAX_TIER = 1_000_000
# Measured (docs/PERFORMANCE.md): a boot gains little between 10 and 100, code that is patched all the time loses below 8
TCG_TIER = 8 if os.uname().machine == "x86_64" else None


def default_tier():
    """The tier of QEMU_PY_ACCEL: interp, tcg, or tcg,tier=N; without it, or a number in it, TCG_TIER."""
    text = os.environ.get(VARIABLE, "")
    name, _, rest = text.partition(",")
    key, _, value = rest.partition("=")
    if text in ("", "tcg"):
        return TCG_TIER
    if text == "interp":
        return None
    if name != "tcg" or key != "tier" or not value.isdecimal() or int(value) > MAX_TIER:
        raise UserError(f"{VARIABLE}={text}: write interp, tcg or tcg,tier=N, N from 0 to {MAX_TIER}")
    return int(value)
