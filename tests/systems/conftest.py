"""What the rows about memory share: a machine's memory without a CPU, and devices that record."""
import pytest

from qemu_py.system.memory import Memory, MemoryRegion, MemoryRegionOps


class Recorder:
    """A device that answers with a fixed value and writes down every call."""

    def __init__(self, value=0):
        self.value = value
        self.reads = []
        self.writes = []

    def read(self, addr, size):
        self.reads.append((addr, size))
        return self.value

    def write(self, addr, value, size):
        self.writes.append((addr, value, size))

    def ops(self, **kwargs):
        return MemoryRegionOps(self.read, self.write, **kwargs)

    def region(self, size, name="recorder", **kwargs):
        return MemoryRegion.io(name, size, self.ops(**kwargs))


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def recorder():
    return Recorder()
