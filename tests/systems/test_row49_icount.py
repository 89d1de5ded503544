"""SYSTEMS row 49: virtual time is a count of instructions; the same run gives the same trace; idle time is skipped."""
import struct

import pytest

from qemu_py import options
from qemu_py.machine.icount import MAX_SHIFT, ICount, ICountOptions
from qemu_py.system.clocks import init_clocks
from qemu_py.system.main_loop import MainLoop
from qemu_py.util import log
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit, say
from tests.guest import asm
from tests.loops import FakeTime
from tests.machines import EXIT, Capture, soon
from tests.systems.test_row41_single_loop import timer_guest

PIT_HZ = 1193182
MS = 1_000_000


class CountingCPU:
    """A CPU of which only the counters are there."""

    def __init__(self):
        self.insn_count = 0
        self.ticks = 0

    def use_icount(self):
        pass

    def advance_tsc(self, ticks):
        self.ticks += ticks


@pytest.fixture
def cpu():
    return CountingCPU()


@pytest.fixture
def real():
    return FakeTime()


def counted(cpu, real=None, **options):
    icount = ICount(**options) if real is None else ICount(real=real, **options)
    icount.add_cpu(cpu)
    icount.vm.enable()
    icount.real.enable()
    return icount


# ---------------------------------------------------------------- the count
def test_an_instruction_takes_two_to_the_shift_nanoseconds(cpu):
    icount = counted(cpu, shift=3)
    cpu.insn_count = 1000
    assert icount.vm.get_ns() == 8000


def test_a_slice_ends_at_the_next_timers_deadline_and_not_before_it(cpu):
    icount = counted(cpu, shift=3)
    assert icount.slice(500) == 500
    icount.vm.timer(lambda: None).mod_ns(81)
    assert icount.slice(500) == 11
    cpu.insn_count = 10
    assert icount.slice(500) == 1


def test_a_warp_moves_the_clock_and_the_time_stamp_counter(cpu):
    icount = counted(cpu, shift=3)
    cpu.insn_count = 100
    icount.warp(8000)
    assert icount.vm.get_ns() == 8800 and cpu.ticks == 1000


def test_time_is_continuous_when_the_shift_changes(cpu):
    icount = counted(cpu)
    cpu.insn_count = 1000
    before = icount.get_ns()
    icount.set_shift(7)
    assert icount.get_ns() == before
    cpu.insn_count += 1
    assert icount.get_ns() == before + 128
    icount.set_shift(99)
    assert icount.shift == MAX_SHIFT


# ---------------------------------------------------------------- idle
@pytest.fixture
def loop_of():
    loops = []

    def make(icount):
        loop = MainLoop(init_clocks(icount.vm))
        loop.lock.acquire()
        loops.append(loop)
        return loop
    yield make
    for loop in loops:
        loop.lock.release()
        loop.close()


def test_with_sleep_off_an_idle_guest_skips_to_the_next_deadline(cpu, loop_of):
    icount = counted(cpu, shift=3, sleep=False)
    fired = []
    icount.vm.timer(lambda: fired.append(icount.vm.get_ns())).mod_ns(3600 * 1000 * MS)
    icount.idle(loop_of(icount), lambda: True)
    assert fired == [3600 * 1000 * MS]


def test_what_ends_the_idleness_ends_the_skip_too(cpu, loop_of):
    icount = counted(cpu, shift=3, sleep=False)
    icount.vm.timer(lambda: None).mod_ns(1000 * MS)
    icount.idle(loop_of(icount), lambda: False)
    assert icount.vm.get_ns() == 0


def test_with_sleep_on_the_time_that_was_slept_passes_but_never_more_than_to_the_deadline(cpu, real, loop_of):
    icount = counted(cpu, real, shift=3)
    loop = loop_of(icount)
    fired = []
    icount.vm.timer(lambda: fired.append(icount.vm.get_ns())).mod_ns(5 * MS)

    def sleep(ns):
        def wait(nonblocking=False):
            real.ns += ns
        loop.main_loop_wait = wait
        icount.idle(loop, lambda: True)
    sleep(2 * MS)
    assert fired == [] and icount.vm.get_ns() == 2 * MS
    sleep(7 * MS)
    assert fired == [5 * MS] and icount.vm.get_ns() == 5 * MS


# ---------------------------------------------------------------- auto
def test_auto_lets_an_instruction_take_longer_on_a_slow_host_and_shorter_on_a_fast_one(cpu, real):
    icount = counted(cpu, real)
    begun = icount.shift
    for _ in range(20):                 # 3 million instructions a second would need 2**8 ns each
        real.ns += 200 * MS
        cpu.insn_count += 600_000
        icount.adjust()
    assert icount.shift > begun
    slow = icount.shift
    for _ in range(40):
        real.ns += 200 * MS
        cpu.insn_count += 200_000_000
        icount.adjust()
    assert icount.shift < slow


def test_a_fixed_shift_stays(cpu, real):
    icount = counted(cpu, real, shift=5)
    real.ns += 10_000 * MS
    icount.adjust()
    assert icount.shift == 5


# ---------------------------------------------------------------- a machine
def trace(make_machine, path, work, ticks=8):
    """`-d exec` of a run, the guest's time stamps, the clock at the end."""
    log.cpu_set_log_filename(str(path))
    log.cpu_set_log(log.cpu_str_to_log_mask("exec"))
    try:
        machine = make_machine(timer_guest(ticks, work=work), devices=EXIT, icount=ICountOptions(3, False),
                               rtc_clock="vm")
        assert machine.run() == 3
    finally:
        log.cpu_set_log(0)
        log.cpu_set_log_filename(None)
    stamps = struct.unpack(f"<{ticks}I", machine.memory.address_space_memory.read(0x300000, 4 * ticks))
    return path.read_text(), stamps, machine.clocks.vm.get_ns(), machine.cpus[0].insn_count


@pytest.mark.parametrize("work", ["hlt", "inc ebx", "in al, 0x40"])
def test_two_runs_give_the_same_trace(make_machine, tmp_path, work):
    first = trace(make_machine, tmp_path / "1", work)
    second = trace(make_machine, tmp_path / "2", work)
    assert first[1:] == second[1:]
    assert first[0] == second[0] and first[0].count("Trace 0") > 20


@pytest.mark.parametrize("work", ["hlt", "nop"])
def test_the_time_stamp_counter_follows_virtual_time(make_machine, tmp_path, work):
    """The timer ticks every 1193 of its cycles; the counter has one tick in 8 ns."""
    _, stamps, ns, _ = trace(make_machine, tmp_path / "log", work)
    period = 1193 * 1e9 / PIT_HZ / 8
    for before, after in zip(stamps, stamps[1:]):
        assert after - before == pytest.approx(period, abs=50)
    assert ns == pytest.approx(8 * stamps[-1], abs=2000)


def test_an_idle_minute_is_skipped(make_machine):
    """A kernel that halts until a timer of a minute has run out; the PIT's 18.2 Hz are all that happens."""
    machine = make_machine(b"\xfa\xf4\xeb\xfd", icount=ICountOptions(3, False))
    minute = 60 * 1000 * MS
    machine.clocks.vm.timer(lambda: machine.request_exit(9)).mod_ns(minute)
    assert machine.run() == 9
    assert machine.clocks.vm.get_ns() == pytest.approx(minute, abs=MS)


def test_a_timer_fires_at_its_instruction(make_machine):
    """A guest counts in EAX; at 2**shift ns an instruction, a deadline is a number of them."""
    machine = make_machine(asm("xor eax, eax\n next: inc eax\n jmp next"), icount=ICountOptions(4, False))
    seen = []

    def look():
        seen.append((machine.cpus[0].insn_count, machine.clocks.vm.get_ns()))
        machine.request_exit(1)
    machine.clocks.vm.timer(look).mod_ns(160_000)
    assert machine.run() == 1
    assert seen == [(10_000, 160_000)]


def test_a_guest_without_timers_still_hears_requests(make_machine):
    machine = make_machine(b"\xeb\xfe", icount=ICountOptions())
    soon(machine, lambda: machine.request_exit(6), ms=1)
    assert machine.run() == 6


def test_virtual_time_stands_still_while_the_machine_is_stopped(make_machine):
    out = Capture()
    machine = make_machine(say(b"on") + debug_exit(1), devices=EXIT, debugcons=[out], icount=ICountOptions(3),
                           start_paused=True)
    seen = []

    def start():
        seen.append((machine.clocks.vm.get_ns(), machine.cpus[0].insn_count))
        machine.vm_start()
    soon(machine, start, ms=1)
    assert machine.run() == 3
    assert seen == [(0, 0)] and out.data == b"on"


# ---------------------------------------------------------------- the option
def parsed(text):
    return options.parse_arguments(["-icount", text]).settings["icount"]


@pytest.mark.parametrize("text, shift, sleep", [
    ("3", 3, True), ("auto", None, True), ("shift=0", 0, True), ("shift=7,sleep=off", 7, False),
    ("10,sleep=on", 10, True), ("shift=auto,sleep=on", None, True)])
def test_the_option_takes_a_shift_and_sleep(text, shift, sleep):
    assert parsed(text) == ICountOptions(shift, sleep)


@pytest.mark.parametrize("text", ["", "11", "-1", "x", "shift=", "shift=3,sleep=maybe", "3,foo=1", "auto,sleep=off"])
def test_a_bad_option_is_one_clear_line(text):
    with pytest.raises(UserError, match="-icount") as error:
        parsed(text)
    assert "\n" not in str(error.value)
