"""-device and -global in a machine: buses, ids, defaults, and what is wrong in one line."""
import pytest

from qemu_py.util.errors import UserError
from tests.machines import Capture


def test_a_device_behind_a_bridge_is_on_the_bridges_bus(make_machine):
    machine = make_machine(machine="pc", devices=[("pci-bridge", {"id": "br1", "addr": "5"}),
                                                  ("pci-bridge", {"bus": "br1", "addr": "3.1"})])
    outer = machine.pci.devices[5 << 3]
    assert outer.secondary.devices[3 << 3 | 1].NAME == "pci-bridge"


def test_a_global_is_the_default_of_a_property(make_machine):
    out = Capture()
    machine = make_machine(debugcons=[out], globals={("isa-debugcon", "iobase"): "0x402"})
    machine.memory.physmap.port_write(0x402, ord("x"), 1)
    assert out.data == b"x"
    assert machine.memory.address_space_io.find(0xE9) is None


@pytest.mark.parametrize("machine, devices, words", [
    ("isapc", [("pci-bridge", {})], "no PCI bus"),
    ("pc", [("pci-bridge", {"bus": "nowhere"})], "no PCI bus 'nowhere'"),
    ("pc", [("PIIX3", {})], "part of the board"),
    ("pc", [("pci-bridge", {"addr": "1"})], "taken by PIIX3"),
    ("pc", [("pci-bridge", {"addr": "99"})], "SLOT"),
    ("pc", [("pci-bridge", {"colour": "red"})], "no property 'colour'"),
    ("pc", [("pci-bridge", {"id": "a"}), ("pci-bridge", {"id": "a"})], "id 'a' already"),
])
def test_what_does_not_fit_is_refused(make_machine, machine, devices, words):
    with pytest.raises(UserError, match=words):
        make_machine(machine=machine, devices=devices)
