"""The guest that measures disk rates (disk_rates.py) moves what it should, in every way; how fast is for docs/PERFORMANCE.md."""
import random

import pytest

pytest.importorskip("keystone", reason="keystone-engine assembles the guest")
disk_rates = pytest.importorskip("tests.devices.disk_rates", reason="the CPU is not built")


@pytest.mark.parametrize("loop", ["threads", "single"])
@pytest.mark.parametrize("way", disk_rates.WAYS)
def test_a_megabyte_is_moved(tmp_path, way, loop):
    image = tmp_path / "disk"
    data, memory = random.Random(1).randbytes(1 << 20), []
    with open(image, "wb") as f:
        f.write(data)
        f.truncate(disk_rates.DISK)
    disk_rates.run(way, 1, loop=loop, image=image, at_the_end=lambda machine: memory.append(
        machine.memory.address_space_memory.read(disk_rates.BUFFER, 1 << 20)))
    size = 1 << 20 if "1 MiB" in way else 128 << 10             # of a command
    if "outs" in way or "write" in way:
        assert image.read_bytes()[:1 << 20] == memory[0][:size] * ((1 << 20) // size)
    else:
        assert memory[0][:size] == data[-size:]
