"""SYSTEMS rows 51 to 53, as far as there is no monitor: reset handlers, -no-reboot, -no-shutdown, exit."""
import gc
import weakref

import pytest

from tests.boot.kernels import debug_exit, say
from tests.machines import EXIT, Capture, soon

SPIN = b"\xeb\xfe"


def test_reset_handlers_run_in_the_order_of_registration(make_machine):
    machine = make_machine()
    order = []
    machine.register_reset(lambda: order.append(1))
    machine.register_reset(lambda: order.append(2))
    machine.system_reset()
    assert order == [1, 2]


def test_a_reset_handler_may_unregister_itself(make_machine):
    machine = make_machine()
    calls = []

    def once():
        calls.append("once")
        machine.unregister_reset(once)
    machine.register_reset(once)
    machine.register_reset(lambda: calls.append("always"))
    machine.system_reset()
    machine.system_reset()
    assert calls == ["once", "always", "always"]


def test_a_reset_begins_the_guest_anew(make_machine):
    out = Capture()
    machine = make_machine(say(b"boot ") + SPIN, debugcons=[out])

    def again():
        if out.data.count(b"boot ") < 3:
            machine.system_reset_request()
            soon(machine, again)
        else:
            machine.request_exit(7)
    soon(machine, again)
    assert machine.run() == 7
    # A reset may come while the guest is speaking.
    assert out.data.startswith(b"boot ") and out.data.count(b"boot ") == 3


def test_no_reboot_makes_a_shutdown_of_a_reset(make_machine):
    machine = make_machine(SPIN, no_reboot=True)
    soon(machine, machine.system_reset_request)
    assert machine.run() == 0


def test_a_shutdown_ends_with_status_0(make_machine):
    machine = make_machine(SPIN)
    soon(machine, machine.system_shutdown_request)
    assert machine.run() == 0


def test_no_shutdown_makes_a_state_of_it(make_machine):
    machine = make_machine(SPIN, no_shutdown=True)
    states = []

    def look():
        states.append((machine.runstate, machine.tcg.stopped, machine.clocks.vm.enabled))
        machine.request_exit(5)
    soon(machine, lambda: (machine.system_shutdown_request(), soon(machine, look)))
    assert machine.run() == 5
    assert states == [("shutdown", True, False)]


def test_a_stopped_machine_goes_on_where_it_was(make_machine):
    out = Capture()
    # Waits until a device clears a dword, then speaks.
    code = b"\x83\x3d\x00\x00\x20\x00\x00\x74\xf7" + say(b"on") + debug_exit(1)
    machine = make_machine(code, debugcons=[out], devices=EXIT)

    def stop():
        machine.vm_stop()
        before = machine.clocks.vm.get_ns()
        machine.memory.address_space_memory.write(0x200000, b"\x01")
        assert out.data == b"" and machine.clocks.vm.get_ns() == before
        machine.vm_start()
    soon(machine, stop)
    assert machine.run() == 3
    assert out.data == b"on"


def test_a_paused_machine_starts_when_it_is_told_to(make_machine):
    machine = make_machine(debug_exit(2), devices=EXIT, start_paused=True)
    states = []
    soon(machine, lambda: (states.append(machine.runstate), machine.vm_start()))
    assert machine.run() == 5
    assert states == ["prelaunch"]


def test_what_a_device_lets_escape_ends_the_run_and_is_raised(make_machine):
    machine = make_machine(say(b"x") + SPIN, debugcons=[Capture()])

    def broken(data):
        raise ZeroDivisionError("a bug of ours")
    machine.chardevs[0].write = broken
    with pytest.raises(ZeroDivisionError):
        machine.run()


def test_a_machine_goes_away_with_its_last_reference(make_machine):
    machine = make_machine(debug_exit(1), devices=EXIT, serials=[Capture()])
    assert machine.run() == 3
    gone = weakref.ref(machine), weakref.ref(machine.ram.ram_block)
    make_machine.made.clear()
    del machine
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_a_powerdown_request_presses_the_power_button(make_machine):
    """The guest enables SCI for it, polls the status, and turns itself off."""
    from tests.guest import asm
    code = asm("""
        mov dx, 0xCF8; mov eax, 0x80000B40; out dx, eax
        mov dx, 0xCFC; mov eax, 0x0000B000; out dx, eax
        mov dx, 0xCF8; mov eax, 0x80000B80; out dx, eax
        mov dx, 0xCFC; mov al, 1; out dx, al
        mov dx, 0xB002; mov ax, 0x0100; out dx, ax
        mov dx, 0xB004; mov ax, 0x0001; out dx, ax
        mov edx, 0xB000
    wait: in ax, dx
        test ah, 1
        jz wait
        mov dx, 0xB004; mov ax, 0x2001; out dx, ax
    """)
    machine = make_machine(code + SPIN, machine="pc")
    soon(machine, machine.system_powerdown_request)
    assert machine.run() == 0
    assert machine.pic.slave.s.irr & 0x02
