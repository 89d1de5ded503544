"""Machines by name: QEMUMachine, qemu_register_machine, module_call_init (QEMU 1.0's vl.c, module.c)."""
from importlib import import_module

from qemu_py.util.dataclass import dataclass
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

MODULE_INIT_MACHINE = "machine"
BOARD_MODULES = ("qemu_py.machine.pc",)         # each registers its machines when it is initialized
_init_functions = {MODULE_INIT_MACHINE: []}
_machines = []


@dataclass(frozen=True)
class QEMUMachine:
    """A board: `init(machine)` builds it."""
    name: str
    desc: str
    init: object
    alias: str = ""
    is_default: bool = False
    max_cpus: int = 1
    seabios: str = ""                   # SeaBIOS' image for it


def machine_init(function):
    """Decorator: call the function, once, when the machines are asked for."""
    _init_functions[MODULE_INIT_MACHINE].append(function)
    return function


def module_call_init(kind):
    """Run the module's init functions of a kind, in the order in which they were registered."""
    if kind == MODULE_INIT_MACHINE:
        for module in BOARD_MODULES:
            import_module(module)
    functions = _init_functions[kind]
    while functions:
        functions.pop(0)()


def qemu_register_machine(machine):
    assert all(machine.name != other.name for other in _machines), machine.name
    _machines.append(machine)


def machines():
    """Every registered machine."""
    module_call_init(MODULE_INIT_MACHINE)
    return list(_machines)


def find_machine(name=None):
    """By name or alias; None: the default one."""
    for machine in machines():
        if (machine.is_default if name is None else name in (machine.name, machine.alias or machine.name)):
            return machine
    names = [name for machine in machines() for name in (machine.alias, machine.name) if name]
    raise UserError(f"-M {name}: {no_such('machine', name, names, '-M help lists them')}")


def help_text():
    """What `-M help` prints."""
    lines = ["Supported machines are:"]
    for machine in machines():
        if machine.alias:
            lines.append(f"{machine.alias:<20} {machine.desc} (alias of {machine.name})")
        lines.append(f"{machine.name:<20} {machine.desc}{' (default)' if machine.is_default else ''}")
    return "\n".join(lines) + "\n"
