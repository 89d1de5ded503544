"""SYSTEMS row 32: the order of main(): the machine is made, reset, started; at the end everything is closed."""
import fcntl
import os
import threading

import pytest

from qemu_py.machine.drives import DriveOptions
from tests.boot.kernels import debug_exit
from tests.machines import EXIT, Capture


class Watched(Capture):
    def __init__(self, trace):
        super().__init__()
        self.trace = trace

    def open(self, main_loop):
        self.trace.append("chardev open")

    def close(self):
        self.trace.append("chardev close")


@pytest.mark.parametrize("single_loop", [False, True], ids=["iothread", "single loop"])
def test_from_power_on_to_the_end(make_machine, tmp_path, single_loop):
    trace = []
    image = tmp_path / "disk"
    image.write_bytes(bytes(1 << 20))
    files, threads = set(os.listdir("/proc/self/fd")), threading.active_count()
    machine = make_machine(debug_exit(3), machine="pc", devices=EXIT, drives=[DriveOptions("-hda", file=str(image))],
                           serials=[Watched(trace)], single_loop=single_loop)
    assert trace == [] and machine.runstate == "prelaunch" and machine.devices
    assert machine.cpus[0].insn_count == 0 and not machine.clocks.vm.enabled
    machine.register_reset(lambda: trace.append("reset"))
    machine.event_listeners.append(trace.append)
    machine.close_handlers.append(lambda: trace.append("closing"))
    with open(image, "r+b") as other, pytest.raises(OSError):
        fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB) or fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert machine.run() == 7
    assert trace == ["chardev open", "reset", "RESUME", "closing", "chardev close"]
    assert threading.active_count() == threads
    assert set(os.listdir("/proc/self/fd")) <= files
    assert not machine.clocks.vm.enabled


def test_what_cannot_be_made_leaves_nothing_open(make_machine, tmp_path):
    from qemu_py.util.errors import UserError
    image = tmp_path / "disk"
    image.write_bytes(bytes(1 << 20))
    files = set(os.listdir("/proc/self/fd"))
    with pytest.raises(UserError):
        make_machine(machine="pc", drives=[DriveOptions("-hda", file=str(image))], devices=[("no-such-device", {})])
    assert set(os.listdir("/proc/self/fd")) <= files
