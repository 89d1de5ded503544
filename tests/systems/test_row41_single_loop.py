"""SYSTEMS rows 35 and 41: CPUs and events in one thread, and the alarm that gives the events their turn."""
import os
import threading

import pytest

from qemu_py import options
from qemu_py.machine.icount import ICountOptions
from qemu_py.machine.single_loop import HostAlarm
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit, say
from tests.guest import asm
from tests.machines import EXIT, Capture, soon
from tests.systems import test_row43_56_processors as processors

SPIN = b"\xeb\xfe"


@pytest.fixture
def make_single(make_machine):
    def make(*args, **config):
        return make_machine(*args, single_loop=True, **config)
    return make


# ---------------------------------------------------------------- row 35
@pytest.fixture
def alarm():
    rung = threading.Semaphore(0)
    alarm = HostAlarm(rung.release)
    alarm.rung = lambda: rung.acquire(timeout=120)
    alarm.silent = lambda: not rung.acquire(blocking=False)
    alarm.start()
    yield alarm
    alarm.stop()


def test_the_alarm_rings_when_the_time_is_over(alarm):
    alarm.arm([], [], 0.001)
    assert alarm.rung()


def test_the_alarm_rings_once(alarm):
    alarm.arm([], [], 0.0)
    assert alarm.rung()
    assert alarm.request is None and alarm.silent()


def test_the_alarm_rings_for_a_ready_descriptor(alarm):
    r, w = os.pipe()
    alarm.arm([r], [], 1000.0)
    os.write(w, b"x")
    assert alarm.rung()
    os.close(r)
    os.close(w)


def test_an_earlier_deadline_takes_the_place_of_a_later_one(alarm):
    alarm.arm([], [], 1000.0)
    alarm.arm([], [], 0.001)
    assert alarm.rung()


def test_an_alarm_that_waits_can_be_ended():
    alarm = HostAlarm(lambda: None)
    alarm.start()
    alarm.arm([], [], 1000.0)
    alarm.stop()
    assert not alarm.thread.is_alive()


def test_a_guest_that_spins_lets_a_timer_run(make_single):
    machine = make_single(SPIN)
    ticks = []

    def tick():
        ticks.append(1)
        if len(ticks) == 5:
            machine.request_exit(3)
        else:
            soon(machine, tick, ms=1)
    soon(machine, tick, ms=1)
    assert machine.run() == 3
    assert len(ticks) == 5


# ---------------------------------------------------------------- row 41
def test_all_of_the_machine_is_in_one_thread(make_single):
    out, threads = Capture(), set()
    machine = make_single(say(b"x") + debug_exit(1), devices=EXIT, debugcons=[out])
    write = out.write
    out.write = lambda data: (threads.add(threading.get_ident()), write(data))[1]
    soon(machine, lambda: threads.add(threading.get_ident()), ms=0)
    assert machine.run() == 3
    assert threads == {threading.get_ident()} and out.data == b"x"


def timer_guest(ticks, divisor=1193, work="hlt", record="rdtsc; stosd", size=4):
    """Interrupt descriptor table at 8000h, IRQ 0 as vector 20h, the PIT in mode 2; after `ticks`
    interrupts it leaves. Each interrupt stores the low dword of RDTSC, or `size` bytes that `record` stores, from 300000h on."""
    handler = 0x100200
    main = f"""
        mov esp, 0x90000
        mov word ptr [0x8100], {handler & 0xFFFF}
        mov ax, cs
        mov word ptr [0x8102], ax
        mov word ptr [0x8104], 0x8E00
        mov word ptr [0x8106], {handler >> 16}
        mov word ptr [0x7000], 0x7FF
        mov dword ptr [0x7002], 0x8000
        lidt [0x7000]
        mov al, 0x11; out 0x20, al; mov al, 0x20; out 0x21, al; mov al, 4; out 0x21, al
        mov al, 1; out 0x21, al; mov al, 0xFE; out 0x21, al
        mov al, 0x34; out 0x43, al; mov al, {divisor & 0xFF}; out 0x40, al; mov al, {divisor >> 8}; out 0x40, al
        mov edi, 0x300000
        sti
    again: {work}
        jmp again
    """
    irq = f"""
        {record}
        mov al, 0x20; out 0x20, al
        cmp edi, {0x300000 + size * ticks}
        jne back
        mov eax, 1
        mov dx, 0xF4
        out dx, eax
    back: iretd
    """
    code = asm(main.replace(";", "\n"), 0x100030)
    return code.ljust(handler - 0x100030, b"\x90") + asm(irq.replace(";", "\n"), handler)


@pytest.mark.parametrize("work", ["hlt", "nop"])
def test_timer_interrupts_reach_a_guest_that_halts_and_one_that_spins(make_single, work):
    machine = make_single(timer_guest(10, work=work), devices=EXIT)
    assert machine.run() == 3


def test_a_reset_a_stop_and_a_start_are_served_between_slices(make_single):
    machine = make_single(SPIN)
    events, stops = [], []
    machine.event_listeners.append(events.append)

    def stop():
        machine.vm_stop()
        stops.append(machine.clocks.vm.get_ns())
        soon(machine, start, ms=1)

    def start():
        stops.append(machine.clocks.vm.get_ns())
        machine.vm_start()
        soon(machine, lambda: machine.request_exit(5), ms=1)
    machine.system_reset_request()
    soon(machine, stop, ms=1)
    assert machine.run() == 5
    assert events == ["RESET", "RESUME", "STOP", "RESUME"] or events == ["RESUME", "RESET", "STOP", "RESUME"]
    assert stops[0] == stops[1]


def test_a_request_of_another_thread_ends_the_slice(make_single):
    machine = make_single(SPIN)
    asker = threading.Thread(target=lambda: machine.request_exit(8))
    machine.event_listeners.append(lambda event: asker.start())
    assert machine.run() == 8
    asker.join()


def test_a_triple_fault_resets(make_single):
    machine = make_single(asm("lidt [0x500000]\n ud2"), no_reboot=True)
    assert machine.run() == 0


def test_the_command_line_chooses_the_loop():
    def config(*words):
        return options.machine_config(options.parse_arguments(list(words)))
    assert not config("-parallel", "none").single_loop
    assert config("-accel", "tcg,thread=single-loop").single_loop
    assert not config("-accel", "tcg,thread=single").single_loop
    with pytest.raises(UserError, match="single-loop"):
        config("-accel", "tcg,thread=multi")
    assert "single-loop" in options.help_text()


@pytest.mark.parametrize("icount", [None, ICountOptions(3, False)], ids=["alarm", "icount"])
@pytest.mark.parametrize("then", [processors.SPIN, processors.HLT], ids=["they spin", "they halt"])
def test_processors_take_turns_in_the_single_loop_too(make_single, icount, then):
    """The first starts the others and waits for them."""
    code = processors.start_others(then) + processors.wait_for(2) + debug_exit(3)
    machine = make_single(code, machine="pc", cpus=3, devices=EXIT, icount=icount)
    assert machine.run() == 7
