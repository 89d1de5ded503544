"""SYSTEMS row 42: qemu_init_vcpu, qemu_tcg_init_vcpu, halt_cond: one TCG thread for all CPUs, held until the start. Row 45:
qemu_tcg_wait_io_event: a guest in HLT costs about no host CPU. (The command's: tests/control/test_cli.py.)"""
import threading
import time

import pytest

from tests.boot.kernels import debug_exit
from tests.machines import EXIT

SLEEP = b"\xF4\xEB\xFD"                 # hlt; jmp to the hlt
SECOND = 10 ** 9


def tcg_threads():
    return [thread for thread in threading.enumerate() if thread.name == "TCG"]


@pytest.mark.parametrize("count", [1, 4])
def test_one_thread_for_all_processors(make_machine, count):
    machine = make_machine(SLEEP, machine="pc", cpus=count)
    seen = []
    machine.clocks.vm.timer(lambda: (seen.extend(tcg_threads()), machine.request_exit(7))).mod_ns(1_000_000)
    assert tcg_threads() == []
    assert machine.run() == 7
    assert seen == [machine.tcg.thread] and tcg_threads() == []


def test_it_is_held_until_the_start(make_machine):
    machine = make_machine(debug_exit(3), machine="pc", devices=EXIT, start_paused=True)
    seen, rt = [], machine.clocks.rt

    def look():
        if not machine.tcg.stopped:     # the thread has not come so far yet
            timer.mod_ns(rt.get_ns() + 1_000_000)
            return
        seen.append((machine.runstate, machine.cpus[0].counters()["tb_gen_count"]))
        machine.vm_start()
    timer = rt.timer(look)
    timer.mod_ns(rt.get_ns() + 50_000_000)
    assert machine.run() == 7
    assert seen == [("prelaunch", 0)]


def test_halted_processors_cost_no_processor_time(make_machine):
    """A second of the guest's time in HLT, with no timer but the one that ends it."""
    machine = make_machine(SLEEP, machine="pc", cpus=2)
    used = []

    def end():
        used.append(time.process_time() - begun)
        machine.request_exit(7)
    machine.clocks.vm.timer(end).mod_ns(SECOND)
    begun = time.process_time()
    assert machine.run() == 7
    assert used[0] < 0.5
