"""Machines for tests: built in-process around a kernel of a few bytes."""
import functools

import pytest

from tests.boot.kernels import elf

EXIT = [("isa-debug-exit", {"iobase": "0xf4", "iosize": "4"})]
LIMIT = 1800                            # seconds that a machine may run: a bound against a hang, on any host
HANGS = 99                              # the status that it then ends with


class Capture:
    """A character device that keeps what it is given, and never has input."""

    def __init__(self):
        self.data = bytearray()

    def add_handlers(self, *handlers):
        pass

    def open(self, main_loop):
        pass

    def write(self, data):
        self.data += data
        return len(data)

    def accept_input(self):
        pass

    def send_break(self):
        pass

    def close(self):
        pass


def soon(machine, callback, ms=20):
    """Call back from the main loop, while the guest runs."""
    rt = machine.clocks.rt
    rt.timer(callback).mod_ns(rt.get_ns() + ms * 1_000_000)


def read(machine, address, size):
    """Bytes of the machine's memory, as the bus has them."""
    return machine.memory.address_space_memory.read(address, size)


class MachineMaker:
    """Call it with a kernel's code (after the Multiboot header) and fields of a MachineConfig."""

    def __init__(self, directory):
        self.directory = directory
        self.made = []

    def __call__(self, code=b"\xfa\xf4", image=None, ram_size=16 << 20, **config):
        from qemu_py.machine.config import MachineConfig
        from qemu_py.machine.machine import Machine
        if "bios" not in config:
            path = self.directory / "kernel"
            path.write_bytes(elf(code) if image is None else image)
            config["kernel"] = str(path)
        machine = Machine(MachineConfig(ram_size=ram_size, **config))
        self.made.append(machine)
        soon(machine, functools.partial(machine.request_exit, HANGS), LIMIT * 1000)
        return machine

    def at_reset(self, image, **config):
        """A machine whose kernel is that file, before its first instruction."""
        machine = self(image=image, **config)
        with machine.main_loop.lock:
            machine.system_reset()
        return machine

    def close(self):
        for machine in self.made:
            machine.close()


@pytest.fixture
def make_machine(tmp_path):
    pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")
    maker = MachineMaker(tmp_path)
    yield maker
    maker.close()
