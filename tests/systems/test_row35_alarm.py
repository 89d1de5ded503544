"""SYSTEMS row 35: init_timer_alarm, dynticks, host_alarm_handler, cpu_exit: a guest that never leaves its loop yields
when a timer is due, and no other thread is needed for that."""
import struct
import threading

import pytest

from tests.boot.kernels import debug_exit
from tests.machines import EXIT, soon

JMP_SELF = b"\xEB\xFE"
# mov dx, 608h; in eax, dx; jmp to the in: the ACPI timer, which the core answers
POLL_PM_TIMER = b"\x66\xBA\x08\x06" + b"\xED" + b"\xEB\xFD"
RDTSC_LOOP = b"\x0F\x31\xEB\xFC"
SLEEP = b"\xFB\xF4\xEB\xFD"             # sti; hlt; jmp to the hlt
TICKS = 20
MS = 1_000_000


def tick_until(machine, last, after):
    """A timer of the virtual clock every millisecond; what it saw, as (thread, virtual time)."""
    seen = []

    def tick():
        seen.append((threading.get_ident(), clock.get_ns()))
        if len(seen) == last:
            after()
        else:
            timer.mod_ns(clock.get_ns() + MS)
    clock = machine.clocks.vm
    timer = clock.timer(tick)
    timer.mod_ns(MS)
    return seen


@pytest.mark.parametrize("code", [JMP_SELF, POLL_PM_TIMER, RDTSC_LOOP, SLEEP], ids=["jmp $", "PM timer", "rdtsc", "hlt"])
def test_timers_run_though_the_main_thread_does_not(make_machine, code):
    machine = make_machine(code, machine="pc")
    done = threading.Event()
    seen = tick_until(machine, TICKS, done.set)
    finished = []

    def starve():                       # the main loop gets nowhere until the timers have been
        machine.main_loop.lock.release()
        finished.append(done.wait(60))
        machine.main_loop.lock.acquire()
        machine.request_exit(7)
    machine.main_loop.bh_new(starve).schedule()
    assert machine.run() == 7
    assert finished == [True] and len(seen) == TICKS
    assert {thread for thread, _ in seen} == {machine.tcg.ident}


def test_a_deadline_that_the_guest_itself_brings_forward_is_kept(make_machine):
    """A device arms a timer in the middle of a turn, by a port access: the alarm is set anew at once."""
    code = (b"\x66\xBA\x43\x00\xB0\x34\xEE"                     # mov dx, 43h; mov al, 34h; out: counter 0, mode 2
            + b"\x66\xBA\x40\x00\xB0\x10\xEE\xB0\x00\xEE")      # 10h: every 13 microseconds
    machine = make_machine(code + JMP_SELF, machine="pc")
    edges = []
    machine.gsi[0].connect(lambda n, level: edges.append(level) or len(edges) > 40 and machine.request_exit(7))
    machine.clocks.vm.timer(lambda: None).mod_ns(3600 * 10 ** 9)
    assert machine.run() == 7


def test_what_is_due_in_another_thread_wakes_a_halted_guest(make_machine):
    """The main loop arms a timer while the CPU's thread sleeps until much later."""
    machine = make_machine(SLEEP, machine="isapc")
    machine.clocks.vm.timer(lambda: None).mod_ns(3600 * 10 ** 9)
    machine.main_loop.bh_new(
        lambda: machine.clocks.vm.timer(lambda: machine.request_exit(7)).mod_ns(machine.clocks.vm.get_ns() + 1)).schedule()
    assert machine.run() == 7


def test_no_timer_runs_while_the_machine_is_stopped(make_machine):
    machine = make_machine(JMP_SELF, machine="isapc")
    fired = []
    clock = machine.clocks.vm

    def stop():
        machine.vm_stop()
        timer = clock.timer(lambda: fired.append(machine.runstate))
        timer.mod_ns(clock.get_ns())
        soon(machine, lambda: (fired.append("stopped"), machine.vm_start()))
        clock.timer(lambda: machine.request_exit(7)).mod_ns(clock.get_ns() + MS)
    soon(machine, stop, ms=1)
    assert machine.run() == 7
    assert fired == ["stopped", "running"]


def test_the_time_stamp_counter_counts_virtual_nanoseconds(make_machine):
    """rdtsc; mov [7000h], eax; exit: what it read lies between the start and what the clock says afterwards."""
    code = b"\x0F\x31\xA3\x00\x70\x00\x00\x89\x15\x04\x70\x00\x00"
    machine = make_machine(code + debug_exit(3), machine="pc", devices=EXIT)
    assert machine.run() == 7
    low, high = struct.unpack("<II", machine.memory.address_space_memory.read(0x7000, 8))
    assert 0 < (high << 32 | low) <= machine.clocks.vm.get_ns()
