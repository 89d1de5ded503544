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
    code = (f"import sys; from qemu_py.cli import make_machine; make_machine('-M {name} -display none -device isa-debug-exit'.split())\n"
            "print([m for m in ('numpy', 'qemu_py.devices.vga_text') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
