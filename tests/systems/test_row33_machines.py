"""SYSTEMS row 33: module_call_init, QEMUMachine, qemu_register_machine."""
import subprocess
import sys

import pytest

from qemu_py.machine import registry
from qemu_py.machine.registry import QEMUMachine
from qemu_py.util.errors import UserError


@pytest.fixture
def machines(monkeypatch):
    """A registry of our own, with one module that registers when it is initialized."""
    monkeypatch.setattr(registry, "_machines", [])
    monkeypatch.setattr(registry, "_init_functions", {registry.MODULE_INIT_MACHINE: []})
    monkeypatch.setattr(registry, "BOARD_MODULES", ())
    calls = []

    @registry.machine_init
    def init():
        calls.append(1)
        registry.qemu_register_machine(QEMUMachine("pc-1.0", "Standard PC", init=None, alias="pc", is_default=True))
        registry.qemu_register_machine(QEMUMachine("toy", "A toy", init=None))
    return calls


def test_machines_register_themselves_once_when_they_are_asked_for(machines):
    assert machines == []
    assert [machine.name for machine in registry.machines()] == ["pc-1.0", "toy"]
    registry.machines()
    assert machines == [1]


def test_a_machine_is_found_by_name_by_alias_and_by_default(machines):
    assert registry.find_machine("toy").name == "toy"
    assert registry.find_machine("pc").name == "pc-1.0"
    assert registry.find_machine("pc-1.0").name == "pc-1.0"
    assert registry.find_machine().name == "pc-1.0"


def test_an_unknown_machine_is_a_clear_error(machines):
    with pytest.raises(UserError, match="pdp11"):
        registry.find_machine("pdp11")


def test_help_lists_names_aliases_and_the_default(machines):
    text = registry.help_text()
    assert "pc                   Standard PC (alias of pc-1.0)\n" in text
    assert "pc-1.0               Standard PC (default)\n" in text
    assert "toy                  A toy\n" in text


def test_a_name_is_registered_once(machines):
    registry.machines()
    with pytest.raises(AssertionError):
        registry.qemu_register_machine(QEMUMachine("toy", "Another", init=None))


@pytest.mark.parametrize("name", ("pc", "isapc"))
def test_a_machine_without_a_display_is_made_without_numpy(name):
    """Its import takes longer than all the rest of a start."""
    assert not {"numpy", "qemu_py.devices.vga_text"} & modules_of_a_start(f"-M {name} -display none -device isa-debug-exit")


def test_a_start_imports_nothing_that_it_does_not_need():
    """Each of these takes milliseconds, of a hundred."""
    loaded = modules_of_a_start("-display none -serial stdio -m 64 -device isa-debug-exit,iobase=0xf4,iosize=4")
    assert not loaded & {"argparse", "ctypes", "dataclasses", "difflib", "inspect", "json", "logging", "pathlib", "platform", "random", "re", "shutil",
                         "socket", "subprocess", "tempfile", "textwrap", "typing"}
    assert not loaded & {"qemu_py.control.hmp", "qemu_py.control.monitor", "qemu_py.control.profile", "qemu_py.system.keymap"}


def modules_of_a_start(arguments):
    """What the interpreter had not imported before."""
    code = ("import sys; before = set(sys.modules); from qemu_py.cli import make_machine\n"
            f"make_machine({arguments.split()}); print(*sys.modules.keys() - before)")
    return set(subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.split())
