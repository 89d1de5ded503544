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
