"""Suspend to RAM (ACPI 1.0b, 9.3.2: S3): the run state, what wakes, what is as it was and what begins anew."""
import pytest

from qemu_py.control.hmp import HMP
from tests.guest import asm
from tests.machines import EXIT

PM_BASE, TO_RAM_SLEEP, RTC_EN, POWER_BUTTON, WAKE_STATUS = 0x600, 0x2400, 0x0400, 0x0100, 0x8000
RTC_INDEX, RTC_DATA, REG_B, ALARM_INTERRUPT, SHUTDOWN_STATUS = 0x70, 0x71, 0x0B, 0x20, 0x0F
COUNTER = 0x7000


def outw(port, value):
    return f"mov dx, {port:#x}; mov ax, {value:#x}; out dx, ax\n"


def config(register, value):
    """Of 0:1.3, a dword."""
    return f"mov eax, {0x80000B00 | register:#x}; mov dx, 0xCF8; out dx, eax; mov eax, {value:#x}; mov dx, 0xCFC; out dx, eax\n"


def rom(before, after):
    """A BIOS that counts its starts at 7000h; the first time it does `before` and suspends, the second time `after`."""
    start = asm(f"""
        xor ax, ax
        mov ds, ax
        inc word ptr [{COUNTER:#x}]
        cmp word ptr [{COUNTER:#x}], 1
        jne second
        {config(0x40, PM_BASE)} {config(0x80, 1)}
        {before}
        {outw(PM_BASE + 4, TO_RAM_SLEEP)}
        here: jmp here
        second: {after}
        mov dx, 0xF4
        out dx, eax
        again: jmp again""", 0, 16)
    image = bytearray(0x10000)
    image[:len(start)] = start
    image[0xFFF0:0xFFF5] = b"\xEA\x00\x00\x00\xF0"
    return bytes(image)


@pytest.fixture
def suspend(make_machine, tmp_path):
    """suspend(before, after, event, **config): the status with which the machine ends; `event(machine)` comes once it is suspended."""
    def suspend(before, after, event=lambda machine: None, **options):
        path = tmp_path / "bios"
        path.write_bytes(rom(before, after))
        machine = suspend.machine = make_machine(bios=str(path), devices=EXIT, machine="pc", **options)
        suspend.events, suspend.states = [], []

        def listener(name):
            if name != "RESUME":
                suspend.events.append(name)
                suspend.states.append(machine.runstate)
            if name == "SUSPEND":
                event(machine)
        machine.event_listeners.append(listener)
        machine.clocks.rt.timer(lambda: machine.request_exit(99)).mod_ns(machine.clocks.rt.get_ns() + 60 * 10 ** 9)
        return machine.run()
    return suspend


READ_STATUS = f"xor eax, eax; mov dx, {PM_BASE:#x}; in ax, dx; shr eax, 8"


@pytest.mark.parametrize("single_loop", [False, True])
def test_it_begins_at_the_reset_vector_with_memory_as_it_was(suspend, single_loop):
    status = suspend("mov dword ptr [0x7004], 0x5A", "mov eax, dword ptr [0x7004]", lambda machine: machine.system_wakeup_request(),
                     single_loop=single_loop)
    assert status == 0x5A << 1 | 1
    assert suspend.events == ["SUSPEND", "WAKEUP"] and suspend.states == ["suspended", "running"]


def test_the_power_button_wakes(suspend):
    assert suspend("", READ_STATUS, lambda machine: machine.system_powerdown_request()) == (WAKE_STATUS | POWER_BUTTON) >> 8 << 1 & 0xFF | 1
    assert suspend.events == ["SUSPEND", "POWERDOWN", "WAKEUP"]


@pytest.mark.parametrize("options", [{"single_loop": False}, {"single_loop": True}], ids=["thread", "single"])
def test_the_clock_s_alarm_wakes(suspend, options):
    """Every second: the alarm bytes match everything."""
    alarm = "".join(f"mov al, {index:#x}; out 0x70, al; mov al, {value:#x}; out 0x71, al\n"
                    for index, value in ((1, 0xC0), (3, 0xC0), (5, 0xC0), (REG_B, ALARM_INTERRUPT | 2)))
    assert suspend(alarm + outw(PM_BASE + 2, RTC_EN), READ_STATUS, **options) == (WAKE_STATUS | RTC_EN) >> 8 << 1 & 0xFF | 1
    assert suspend.events == ["SUSPEND", "WAKEUP"]


def test_firmware_finds_out_by_the_cmos(suspend):
    after = f"xor eax, eax; mov al, {SHUTDOWN_STATUS:#x}; out 0x70, al; in al, 0x71; and al, 0x7F"
    assert suspend("", after, lambda machine: machine.system_wakeup_request()) == (0x7E << 1 | 1) & 0xFF


def test_devices_begin_anew_but_ram_stays_where_it_was(suspend):
    """The serial port's scratch register does not; the chip set's PAM registers do."""
    pam = "mov eax, 0x80000058; mov dx, 0xCF8; out dx, eax; mov dx, 0xCFD"
    before = f"{pam}; mov al, 0x30; out dx, al; mov dx, 0x3FF; mov al, 0x11; out dx, al"
    after = f"xor eax, eax; mov dx, 0x3FF; in al, dx; mov cl, al; {pam}; xor eax, eax; in al, dx; or al, cl"
    # F0000h is RAM then, which holds nothing: the code goes on in the ROM below 4 GiB until a far jump.
    from tests.machines import Capture
    copy = "mov si, 0; mov ax, 0xF000; mov es, ax; copy: mov al, cs:[si]; mov es:[si], al; inc si; jnz copy\n"
    pam_write_only = pam + "; mov al, 0x20; out dx, al\n"
    assert suspend(pam_write_only + copy + before, after, lambda machine: machine.system_wakeup_request(),
                   serials=[Capture()]) == 0x30 << 1 | 1


def test_a_reset_ends_it(suspend):
    assert suspend("", "mov eax, 5", lambda machine: machine.system_reset_request()) == 11
    assert suspend.events == ["SUSPEND", "RESET"]


def test_the_monitor_wakes_and_says_when_there_is_nothing_to_wake(suspend):
    said = []

    def event(machine):
        hmp = HMP(machine)
        said.append(hmp.command("info status"))
        said.append(hmp.command("cont"))
        said.append(hmp.command("system_wakeup"))
    assert suspend("", "mov eax, 1", event) == 3
    assert "suspended" in said[0] and "system_wakeup" in said[1] and said[2] == ""
    assert "not suspended" in HMP(suspend.machine).command("system_wakeup")


def test_a_machine_without_a_bios_wakes_at_once(make_machine):
    sleep = f"mov dx, {PM_BASE + 4:#x}; mov ax, {TO_RAM_SLEEP:#x}; out dx, ax; mov dx, {PM_BASE:#x}; in ax, dx; movzx eax, ax; shr eax, 15"
    machine = make_machine(asm(sleep + "; mov dx, 0xF4; out dx, eax; hlt"), devices=EXIT, machine="pc")
    assert machine.run() == 3
    assert not machine.can_suspend
