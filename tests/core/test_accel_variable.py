"""QEMU_PY_ACCEL: which engine CPUs and machines have when nobody says."""
import pytest

from qemu_py import CPU
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit
from tests.machines import EXIT

LOOP = bytes.fromhex("40e2fdf4")        # again: inc eax; loop again; hlt


def compiled_blocks(**options):
    cpu = CPU(ram=1 << 16, **options)
    cpu.write(0x1000, LOOP)
    cpu.eip, cpu.ecx = 0x1000, 50
    assert cpu.run().reason == "hlt" and cpu.eax == 50
    return cpu.counters()["host_count"]


@pytest.mark.parametrize("value, compiles", [("", True), ("tcg", True), ("interp", False), ("tcg,tier=3", True),
                                              ("tcg,tier=0", True), ("tcg,tier=1000", False)])
def test_it_chooses_the_engine_of_a_bare_cpu(monkeypatch, value, compiles):
    monkeypatch.setenv("QEMU_PY_ACCEL", value)
    assert (compiled_blocks() > 0) == compiles


def test_an_engine_that_is_asked_for_wins(monkeypatch):
    monkeypatch.setenv("QEMU_PY_ACCEL", "tcg,tier=0")
    assert compiled_blocks(tier=None) == 0
    monkeypatch.setenv("QEMU_PY_ACCEL", "interp")
    assert compiled_blocks(tier=0) > 0


def test_it_chooses_the_engine_of_a_machine(monkeypatch, make_machine):
    monkeypatch.setenv("QEMU_PY_ACCEL", "tcg,tier=0")
    for config, compiles in (({}, True), ({"tier": None}, False)):
        machine = make_machine(bytes.fromhex("b90900000090e2fd") + debug_exit(0), devices=EXIT, **config)
        assert machine.run() == 1
        assert (machine.cpus[0].counters()["host_count"] > 0) == compiles


@pytest.mark.parametrize("value", ["kvm", "tcg,tier=often", "tcg,tier=9999999", "tcg,thread=single", "interp,tier=1"])
def test_what_it_cannot_mean_is_refused(monkeypatch, value):
    monkeypatch.setenv("QEMU_PY_ACCEL", value)
    with pytest.raises(UserError, match="QEMU_PY_ACCEL"):
        CPU(ram=1 << 16)
