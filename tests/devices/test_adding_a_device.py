"""The example of docs/adding-a-device.md works as it is printed there."""
import re
from pathlib import Path

from qemu_py.system.device import DEVICES

DOCUMENT = Path(__file__).parents[2] / "docs/adding-a-device.md"


def test_the_documented_device_and_its_test(pc_bus, clock):
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    model = next(block for block in blocks if "@device(" in block)
    test = next(block for block in blocks if "def test_" in block)
    names = {"__name__": "example"}
    try:
        exec(compile(model, str(DOCUMENT), "exec"), names)
        exec(compile(test, str(DOCUMENT), "exec"), names)
        names["test_it_interrupts_when_the_limit_is_reached"](pc_bus, clock)
    finally:
        DEVICES.pop("ex1", None)


def test_the_documented_pci_device(make_machine):
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    model = next(block for block in blocks if "PCIDevice" in block)
    try:
        exec(compile(model, str(DOCUMENT), "exec"), {"__name__": "example"})
        machine = make_machine(machine="pc", devices=[("ex2", {"addr": "5"})])
        out, memory = machine.memory.physmap.port_write, machine.memory.address_space_memory
        with machine.main_loop.lock:
            machine.system_reset()
            for register, value in ((0x10, 0xE0000000), (0x04, 0x0002)):
                out(0xCF8, 0x80002800 | register, 4)
                out(0xCFC, value, 4)
            memory.st(0xE0000000, 40, 4)
            memory.st(0xE0000004, 2, 4)
            assert memory.ld(0xE0000004, 4) == 42
            assert machine.pci.devices[5 << 3].irq.level == 1
    finally:
        DEVICES.pop("ex2", None)
