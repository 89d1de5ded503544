"""SYSTEMS rows 52 to 55: run states and their legal transitions, the requests, the events, the end by a signal."""
import signal

import pytest

from qemu_py.machine import run_state
from qemu_py.machine.run_state import RunState
from qemu_py.util.errors import UserError
from tests.machines import EXIT, soon
from tests.boot.kernels import debug_exit

SPIN = b"\xeb\xfe"
STANDSTILLS = ["paused", "debug", "io-error", "watchdog"]


def state(*way):
    rs = RunState()
    for new in way:
        rs.set(new)
    return rs


# ---------------------------------------------------------------- row 54
def test_a_machine_begins_in_prelaunch():
    assert RunState().current == "prelaunch" and not RunState().is_running


@pytest.mark.parametrize("stop", STANDSTILLS)
def test_a_machine_that_runs_may_stop_and_go_on(stop):
    assert state("running", stop, "running").is_running


@pytest.mark.parametrize("stop", ["shutdown", "internal-error"])
def test_what_needs_a_reset_goes_on_only_as_paused(stop):
    rs = state("running", stop)
    assert rs.needs_reset
    with pytest.raises(AssertionError, match=f"{stop} to running"):
        rs.set("running")
    assert rs.current == stop
    rs.set("paused")
    rs.set("running")


@pytest.mark.parametrize("way", [("debug",), ("shutdown",), ("io-error",), ("running", "prelaunch"),
                                 ("running", "paused", "debug"), ("running", "shutdown", "debug"),
                                 ("running", "postmigrate")])
def test_no_other_transition_is_legal(way):
    rs = state(*way[:-1])
    with pytest.raises(AssertionError):
        rs.set(way[-1])


def test_every_state_can_be_left_and_be_reached():
    ways = run_state.TRANSITIONS
    assert all(ways.values())
    assert set().union(*ways.values()) | {"prelaunch"} == set(ways)


def test_a_state_that_does_not_exist_is_refused():
    with pytest.raises(ValueError):
        RunState().set("asleep")


def test_a_machine_that_stands_still_keeps_its_reason(make_machine):
    machine = make_machine(SPIN)
    seen = []

    def look():
        machine.vm_stop("io-error")
        machine.vm_stop("paused")
        seen.append(machine.runstate)
        machine.request_exit(1)
    soon(machine, look)
    assert machine.run() == 1
    assert seen == ["io-error"]


# ---------------------------------------------------------------- rows 52, 53 and 55
def listen(machine):
    events = []
    machine.event_listeners.append(events.append)
    return events


def test_a_shut_down_machine_goes_on_after_a_reset_only(make_machine):
    machine = make_machine(SPIN, no_shutdown=True)
    events, seen = listen(machine), []

    def is_down():
        seen.append(machine.runstate)
        with pytest.raises(UserError, match="reset"):
            machine.vm_start()
        machine.system_reset_request()
        soon(machine, is_reset)

    def is_reset():
        seen.append(machine.runstate)
        machine.vm_start()
        seen.append(machine.runstate)
        machine.request_exit(9)
    soon(machine, lambda: (machine.system_shutdown_request(), soon(machine, is_down)))
    assert machine.run() == 9
    assert seen == ["shutdown", "paused", "running"]
    assert events == ["RESUME", "SHUTDOWN", "STOP", "RESET", "RESUME"]


def test_a_vmstop_request_stops_the_guest_with_that_state(make_machine):
    machine = make_machine(SPIN)
    events, seen = listen(machine), []

    def look():
        seen.append((machine.runstate, machine.tcg.stopped, machine.clocks.vm.enabled))
        machine.request_exit(4)
    soon(machine, lambda: (machine.system_vmstop_request("watchdog"), soon(machine, look)))
    assert machine.run() == 4
    assert seen == [("watchdog", True, False)]
    assert events == ["RESUME", "STOP"]


def test_a_breakpoint_stops_the_machine_in_the_state_debug(make_machine):
    machine = make_machine(b"\x90" + SPIN)
    machine.register_reset(lambda: machine.cpus[0].breakpoint_insert(0x100031))
    seen = []
    machine.event_listeners.append(lambda event: event == "STOP" and (
        seen.append((machine.runstate, machine.cpus[0].eip)), machine.request_exit(2)))
    assert machine.run() == 2
    assert seen == [("debug", 0x100031)]


def test_the_guest_runs_on_after_a_reset_and_after_the_power_button(make_machine):
    """It waits until a dword is set, which happens after both requests have been served."""
    code = b"\x83\x3d\x00\x00\x20\x00\x00\x74\xf7" + debug_exit(3)
    machine = make_machine(code, devices=EXIT)
    events = listen(machine)

    def press():
        machine.system_powerdown_request()
        soon(machine, let_go)

    def let_go():
        machine.memory.address_space_memory.write(0x200000, b"\x01")
    soon(machine, lambda: (machine.system_reset_request(), soon(machine, press)))
    assert machine.run() == 7
    assert events == ["RESUME", "RESET", "POWERDOWN"]


def test_with_no_reboot_a_reset_is_a_shutdown(make_machine):
    machine = make_machine(SPIN, no_reboot=True)
    events = listen(machine)
    soon(machine, machine.system_reset_request)
    assert machine.run() == 0
    assert events == ["RESUME", "SHUTDOWN"]


def test_no_reboot_and_no_shutdown_together_stop_at_a_reset(make_machine):
    machine = make_machine(SPIN, no_reboot=True, no_shutdown=True)
    seen = []
    soon(machine, lambda: (machine.system_reset_request(),
                           soon(machine, lambda: (seen.append(machine.runstate), machine.request_exit(6)))))
    assert machine.run() == 6
    assert seen == ["shutdown"]


def test_a_signal_ends_the_machine_and_is_reported_even_with_no_shutdown(make_machine, capfd):
    machine = make_machine(SPIN, no_shutdown=True)
    events = listen(machine)
    soon(machine, lambda: machine.killed(signal.SIGTERM))
    assert machine.run() == 0
    assert events == ["RESUME", "SHUTDOWN"]
    assert capfd.readouterr().err == "qemu-py: terminating on signal 15\n"
