"""qemu_py.Machine: a PC for programs."""
import re
import struct

import pytest

from tests.boot.kernels import debug_exit, elf, say
from tests.guest import asm

pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")
from qemu_py import Machine, MachineEnded                     # noqa: E402
from qemu_py.util.errors import UserError                       # noqa: E402

EXIT = ("-device", "isa-debug-exit,iobase=0xf4,iosize=4")
ICOUNT = ("-icount", "shift=3,sleep=off")
HALT = b"\xfa\xf4\xeb\xfd"
SPIN = b"\xeb\xfe"
# Polls COM1 and sends back what comes: in al, 3FDh; test al, 1; jz; in al, 3F8h; out 3F8h, al
ECHO = b"\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7\x66\xba\xf8\x03\xec\xee\xeb\xef"
ENTRY = 0x100030                        # of the kernels of tests/boot/kernels.py


@pytest.fixture(params=[(), ICOUNT], ids=["real time", "icount"])
def pc(request, tmp_path):
    """pc(code, options...): a Machine whose kernel is that code."""
    made = []

    def pc(code, *options):
        path = tmp_path / f"kernel{len(made)}"
        path.write_bytes(elf(code))
        made.append(Machine("-m", 16, "-kernel", path, *request.param, *options))
        return made[-1]
    yield pc
    for machine in made:
        machine.quit()


def test_expect_finds_what_the_guest_says_on_com1_and_goes_on_behind_it(pc):
    machine = pc(say(b"one two one", 0x3F8) + HALT)
    assert machine.expect("one") == "one"
    assert machine.expect("one") == " two one"
    assert machine.serial_output == "one two one"


def test_expect_takes_a_regular_expression(pc):
    assert pc(say(b"n=42;", 0x3F8) + HALT).expect(re.compile(r"\d+;")) == "n=42;"


def test_expect_finds_text_on_the_screen(pc):
    store = b"".join(b"\xc6\x05" + struct.pack("<I", 0xB8000 + 160 + 2 * i) + bytes((c,)) for i, c in enumerate(b"seen"))
    machine = pc(store + SPIN)
    assert machine.expect("see", on="screen").startswith("seen")
    assert machine.screen_text()[1].startswith("seen")


def test_what_does_not_come_is_a_timeout_of_the_guests_time(pc):
    machine = pc(say(b"hello", 0x3F8) + HALT)
    with pytest.raises(TimeoutError, match="hello"):
        machine.expect("world", timeout=0.05)
    assert machine.time_ns >= 50_000_000


def test_the_end_of_the_guest_is_told_with_its_status(pc):
    machine = pc(say(b"bye", 0x3F8) + debug_exit(5), *EXIT)
    with pytest.raises(MachineEnded) as end:
        machine.expect("never")
    assert (end.value.status, machine.status, machine.ended) == (11, 11, True)
    with pytest.raises(MachineEnded):
        machine.run()


def test_run_says_why_it_came_back(pc):
    assert pc(debug_exit(0), *EXIT).run() == "ended"
    machine = pc(SPIN)
    assert machine.run(timeout=0.01) == "timeout"
    assert machine.run(until=lambda: True) == "until"


def test_serial_input_is_as_long_as_one_likes(pc):
    machine = pc(ECHO)
    text = "0123456789" * 30
    machine.send_serial(text)
    machine.send_serial(b".")
    assert machine.expect(".") == text + "."


def test_keys_reach_the_keyboard_controller(pc):
    # in al, 64h; test al, 1; jz; in al, 60h; out 3F8h: the scan codes go to COM1
    machine = pc(b"\xe4\x64\xa8\x01\x74\xfa\xe4\x60\x66\xba\xf8\x03\xee\xeb\xf1")
    machine.type("a")
    assert machine.expect("\x9e") == "\x1e\x9e"
    machine.send_keys("f1")
    assert machine.expect("\xbb") == "\x3b\xbb"


def test_time_stands_still_between_runs(pc):
    machine = pc(SPIN)
    machine.run(timeout=0.01)
    before = machine.time_ns, machine.registers()
    assert (machine.time_ns, machine.registers()) == before
    machine.run(timeout=0.01)
    assert machine.time_ns >= before[0] + 10_000_000


def test_step_executes_instructions(pc):
    machine = pc(asm("inc eax; inc eax; inc eax") + SPIN)
    eax = machine.registers()["eax"]
    assert machine.registers()["eip"] == ENTRY
    machine.step()
    assert (machine.registers()["eip"], machine.registers()["eax"]) == (ENTRY + 1, eax + 1)
    machine.step(2)
    assert machine.registers()["eax"] == eax + 3


def test_a_breakpoint_stops_before_its_instruction_and_run_goes_on_behind_it(pc):
    machine = pc(asm("nop; nop; nop", ENTRY) + say(b"x", 0x3F8) + asm(f"jmp {ENTRY:#x}", ENTRY + 3 + len(say(b"x"))))
    machine.breakpoint(ENTRY + 1)
    for n in range(3):
        assert machine.run() == "stopped"
        assert machine.registers()["eip"] == ENTRY + 1
        assert machine.serial_output == "x" * n
    machine.remove_breakpoint(ENTRY + 1)
    machine.expect("xx")


def test_memory_is_read_and_written_and_changed_code_is_seen(pc):
    machine = pc(b"\x40\xeb\xfd")       # inc eax; jmp back
    assert machine.read_memory(ENTRY, 3) == b"\x40\xeb\xfd"
    machine.run(timeout=0.01)
    machine.write_memory(ENTRY, say(b"patched", 0x3F8) + HALT)
    machine.expect("patched")
    machine.write_memory(0x200FFE, b"abcd", virtual=True)       # no paging: linear is physical
    assert machine.read_memory(0x200FFE, 4, virtual=True) == machine.read_memory(0x200FFE, 4) == b"abcd"


def test_registers_can_be_set(pc):
    machine = pc(b"\x66\xba\xf8\x03\xee" + HALT)                # mov dx, 3F8h; out dx, al
    machine.set_register("eax", ord("Q"))
    assert machine.expect("Q") == "Q"
    with pytest.raises(UserError, match="rax"):
        machine.set_register("rax", 1)


def test_a_screenshot_is_a_png(pc, tmp_path):
    machine = pc(SPIN)
    machine.run(timeout=0.01)
    machine.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").read_bytes()[:8] == machine.screenshot()[:8] == b"\x89PNG\r\n\x1a\n"
    assert machine.picture().shape == (400, 720, 3)


def test_counters_count(pc):
    machine = pc(say(b"x") + SPIN)
    before = machine.counters()
    machine.run(timeout=0.01)
    after = machine.counters()
    assert after["tb_gen_count"] > before["tb_gen_count"] and after["io_count"] >= before["io_count"]


def test_reset_starts_again(pc):
    machine = pc(say(b"start", 0x3F8) + HALT)
    machine.expect("start")
    machine.reset()
    assert machine.expect("start") == "start"


def test_quit_may_be_called_twice_and_with_does_it(pc, tmp_path):
    with pc(SPIN) as machine:
        machine.run(timeout=0.01)
    machine.quit()
    with pytest.raises(MachineEnded):
        machine.run()


def test_several_machines_live_side_by_side(pc):
    first, second = pc(say(b"first", 0x3F8) + HALT), pc(say(b"second", 0x3F8) + HALT)
    second.expect("second")
    first.expect("first")


def test_com1_may_belong_to_somebody_else(pc, tmp_path):
    machine = pc(say(b"to the file", 0x3F8) + debug_exit(0), *EXIT, "-serial", f"file:{tmp_path / 'out'}")
    assert machine.run() == "ended"
    machine.quit()
    assert (tmp_path / "out").read_bytes() == b"to the file"
    with pytest.raises(UserError, match="-serial"):
        machine.send_serial("x")


def test_options_are_checked_as_on_the_command_line():
    with pytest.raises(UserError, match="-nosuch"):
        Machine("-nosuch")


def test_with_icount_two_runs_are_alike(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(elf(ECHO))

    def run():
        with Machine("-m", 16, "-kernel", path, *ICOUNT) as machine:
            machine.run(timeout=0.02)
            machine.send_serial("hello.")
            machine.expect(".")
            machine.run(timeout=0.01)
            return machine.registers(), machine.counters(), machine.time_ns
    assert run() == run()
