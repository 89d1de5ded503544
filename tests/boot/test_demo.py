"""The demo guest (pc-bios/demo): each of its commands, on the serial line and on the screen, in real time and counted."""
import re
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")
from qemu_py import Machine, MachineEnded                     # noqa: E402
from qemu_py.machine.demo import DEMO_IMAGE                     # noqa: E402
from tests.boot.screens import need_seabios                     # noqa: E402

EXIT = ("-device", "isa-debug-exit,iobase=0xf4,iosize=4")
DISK = ("-m", 64, "-drive", f"file={DEMO_IMAGE},if=floppy,index=0,format=raw,readonly=on")
PROMPT = "demo> "
WIDTH, HEIGHT, DEPTH, ONE = 320, 200, 96, 1 << 24              # of prog/mandel.c


@pytest.fixture(params=[(), ("-icount", "shift=3,sleep=off")], ids=["real time", "icount"])
def boot(request):
    """boot(options...): a Machine at the demo's prompt."""
    need_seabios("bios-256k.bin")
    made = []

    def boot(*options):
        made.append(Machine(*DISK, *request.param, *options))
        made[-1].expect(PROMPT)
        return made[-1]
    yield boot
    for machine in made:
        machine.quit()


def ask(machine, command):
    """What the demo answers on the serial line, as lines."""
    machine.send_serial(command + "\r")
    text = machine.expect("\n" + PROMPT, timeout=300)
    assert text.startswith(command + "\r\n")
    return text[len(command) + 2:-len(PROMPT)].split("\r\n")[:-1]


# ---------------------------------------------------------------- the console
def test_the_prompt_is_on_both_consoles(boot):
    machine = boot()
    assert machine.serial_output.startswith("demo: ") and "\r\n" in machine.serial_output
    screen = machine.screen_text()
    assert screen[0].startswith(" demo: a small operating system") and re.search("up 00:00:[0-9][0-9]$", screen[0])
    assert screen[1:4] == [machine.serial_output.split("\r\n")[0], "", "demo>"]


def test_what_is_typed_on_either_is_seen_on_both(boot):
    machine = boot()
    machine.type("nonsense Here\n")
    assert machine.expect(PROMPT) == "nonsense Here\r\nnonsense: no such command; type help\r\n" + PROMPT
    machine.send_serial("other\r")
    machine.expect("other: no such command", on="screen")
    assert "demo> other" in machine.screen_text()


def test_the_line_can_be_edited_and_comes_back(boot):
    machine = boot()
    machine.send_serial("xexno\x7f\x1b[H\x1b[3~\x1b[C\x1b[Ch\x01\x04\x06\x7fz\x15")
    for key in ("m", "e", "left", "backspace", "x", "left", "delete", "end", "m", "ret"):
        machine.send_keys(key)
    machine.expect("em: no such command; type help\r\n" + PROMPT)
    machine.send_keys("up")
    machine.send_keys("ret")
    machine.expect("em: no such command; type help\r\n" + PROMPT)
    assert machine.screen_text().count("demo> em") == 2


def test_the_screen_scrolls_below_the_status_line(boot):
    machine = boot()
    ask(machine, "help")
    ask(machine, "help")
    screen = machine.screen_text()
    assert screen[0].startswith(" demo:") and screen[24] == "demo>"
    assert screen[23].startswith("A program followed by &")


# ---------------------------------------------------------------- commands
def test_help_names_every_command(boot):
    names = [line.split()[0] for line in ask(boot(), "help")[:-1]]
    assert names == ["help", "mem", "cpuid", "ps", "kill", "bench", "mandel", "smc", "life", "spin", "fault", "pci",
                     "reboot", "poweroff", "exit"]


def test_mem_shows_the_bioss_map_and_gives_all_pages_back(boot):
    machine = boot()
    first = ask(machine, "mem")
    assert first[1] == "  0000000000000000 - 000000000009fbff  usable"
    assert any(re.fullmatch(r"  0000000000100000 - 0000000003[0-9a-f]{6}  usable", line) for line in first)
    assert re.fullmatch(r"3840 pages of 4 KiB below 16 MiB, \d+ in use, \d+ free", first[-1])
    for command in ("smc", "fault", "cpuid", "life 2"):
        ask(machine, command)
    assert ask(machine, "mem") == first


def test_cpuid(boot):
    lines = ask(boot("-cpu", "pentium"), "cpuid")
    assert lines[:2] == ["vendor    GenuineIntel", "signature family 5, model 4, stepping 3"]
    assert lines[-1].split()[:2] == ["features", "fpu"] and "cmov" not in lines[-1]


def test_smc_is_right(boot):
    lines = ask(boot(), "smc")
    assert len(lines) == 4 and all(line.endswith(": ok") for line in lines), lines


def test_bench_is_right_and_gives_rates(boot):
    lines = ask(boot(), "bench")
    rates = [re.fullmatch(r"(\S+(?: 80h)?) +(\d+) loops/s +.* = (\d+)", line) for line in lines[:-1]]
    assert [(m[1], m[3]) for m in rates] == [
        ("arithmetic", "2925876456"), ("sieve", "1028"), ("calls", "610"), ("copy", "1234"), ("x87", "903"), ("int 80h", "100")]
    assert all(int(m[2]) > 0 for m in rates)
    assert lines[-1] == "bench: all results are the same"


def test_pci_lists_the_devices(boot):
    assert ask(boot(), "pci")[:4] == [
        "00:00.0  8086:1237  class 0600  host bridge", "00:01.0  8086:7000  class 0601  ISA bridge",
        "00:01.1  8086:7010  class 0101  IDE controller", "00:01.3  8086:7113  class 0680  bridge, INTA, IRQ 9"]


def test_life_goes_through_its_generations(boot):
    machine = boot()
    lines = ask(machine, "life 30")
    assert lines[-1] == "life: 41 cells after 30 generations"           # the gun's 36, and a glider
    assert len(re.findall("\x1b\\[H", machine.serial_output)) == 31


def test_a_program_that_reaches_into_the_kernel_is_ended(boot):
    assert ask(boot(), "fault") == [
        "fault: 256 pages of stack, sum 32640; now the kernel's memory",
        ANY_EIP("fault: page fault, error 7, address 00010000, eip 400000xx: ended"), "fault: status 255"]


class ANY_EIP(str):
    """Equal to a text that has two hexadecimal digits for the two x."""

    def __eq__(self, other):
        return re.fullmatch(re.escape(str(self)).replace("xx", "[0-9a-f]{2}"), other) is not None

    __hash__ = str.__hash__


# ---------------------------------------------------------------- tasks
def test_the_timer_takes_the_cpu_from_a_program_that_never_gives_it(boot):
    machine = boot()
    assert ask(machine, "spin &") == ["[3] spin"]

    def seconds():
        rows = [line.split() for line in ask(machine, "ps")[1:]]
        assert [(row[0], row[1], row[5]) for row in rows] == [
            ("0", "0", "idle"), ("1", "0", "shell"), ("2", "0", "clock"), ("3", "3", "spin")]
        assert [row[2] for row in rows[1::2]] == ["running", "ready"] and rows[2][2] in ("waiting", "ready")
        return float(rows[3][3])
    before = seconds()
    machine.run(timeout=0.5)
    assert seconds() > before
    assert ask(machine, "kill 3") == []
    machine.run(timeout=0.05)
    assert ask(machine, "") == ["[3] spin ended with status 130"]
    assert len(ask(machine, "ps")) == 4
    assert ask(machine, "kill 1") == ["kill: 1 is no program"]


def test_control_c_ends_the_program_in_the_foreground(boot):
    machine = boot()
    machine.send_serial("spin\r")
    machine.run(timeout=0.1)
    machine.send_keys("ctrl-c")
    assert machine.expect(PROMPT) == "spin\r\nspin: status 130\r\n" + PROMPT


def test_two_programs_that_use_the_x87_do_not_disturb_each_other(boot):
    machine = boot()
    machine.send_serial("bench &\rbench\r")
    machine.expect("bench: all results are the same", timeout=300)
    machine.expect("bench: all results are the same", timeout=300)


# ---------------------------------------------------------------- mandel
def mandelbrot():
    """prog/mandel.c's iterations, worked out here: 8.24 fixed point, rounded down."""
    cx = np.broadcast_to(-9 * ONE // 4 + np.arange(WIDTH, dtype=np.int64) * (ONE // 80), (HEIGHT, WIDTH))
    cy = np.broadcast_to((-5 * ONE // 4 + np.arange(HEIGHT, dtype=np.int64) * (ONE // 80))[:, None], (HEIGHT, WIDTH))
    x, y = np.zeros_like(cx), np.zeros_like(cy)
    counts = np.full((HEIGHT, WIDTH), DEPTH)
    for n in range(DEPTH):
        xx, yy = x * x >> 24, y * y >> 24
        counts[(counts == DEPTH) & (xx + yy > 4 * ONE)] = n
        inside = counts == DEPTH
        x, y = np.where(inside, xx - yy + cx, 0), np.where(inside, 2 * (x * y >> 24) + cy, 0)
    return counts


def test_mandel_draws_in_mode_13h_and_comes_back(boot):
    machine = boot()
    machine.send_serial("mandel\r")
    expected = mandelbrot()
    machine.run(until=lambda: drawn(machine))
    picture = machine.picture()
    assert picture.shape == (400, 640, 3)
    dots = picture[::2, ::2].astype(int)
    assert (picture[1::2, 1::2] == dots).all()
    colors = {}
    for count, color in zip(expected.ravel(), map(tuple, dots.reshape(-1, 3))):
        assert colors.setdefault(count, color) == color
    assert len(set(colors.values())) > 40 and colors[DEPTH] == (0, 0, 0)
    machine.send_keys("spc")
    lines = machine.expect(PROMPT).split("\r\n")
    shades = " .:-=+*%#"
    assert lines[1:21] == ["".join("@" if n == DEPTH else shades[min(n, 8)] for n in row) for row in expected[5::10, 2::5]]
    assert re.fullmatch("mandel: 320 x 200, checksum [0-9a-f]{8}", lines[21])
    assert machine.screen_text()[24] == "demo>"


def drawn(machine):
    """Is the last dot there? It has the colour of one iteration, which has some red; that of none has not."""
    return machine.screen_text() == [] and machine.picture()[-1, -1, 0] > 0


def test_the_font_and_the_colours_survive_graphics_mode(boot):
    machine = boot()

    def cleared():
        """The picture of an empty screen but for the prompt, without the clock and the cursor."""
        machine.send_serial("\x0c")
        machine.expect(PROMPT)
        return machine.picture()[16:400, :9 * 6]
    before = cleared()
    machine.send_serial("mandel\r")
    machine.run(until=lambda: drawn(machine))
    machine.send_serial("q")
    machine.expect(PROMPT)
    assert (cleared() == before).all() and before.any()


def test_a_program_killed_in_graphics_mode_leaves_text(boot):
    machine = boot()
    machine.send_serial("mandel\r")
    machine.run(until=lambda: machine.screen_text() == [])
    machine.send_keys("ctrl-c")
    machine.expect("mandel: status 130\r\n" + PROMPT)
    assert "demo>" in machine.screen_text()


# ---------------------------------------------------------------- the ends
@pytest.mark.parametrize("number, status", [(0, 1), (16, 33), (127, 255)])
def test_exit_gives_its_status(boot, number, status):
    machine = boot(*EXIT)
    machine.send_serial(f"exit {number}\r")
    with pytest.raises(MachineEnded) as end:
        machine.expect(PROMPT)
    assert end.value.status == status


def test_exit_without_the_device_says_so(boot):
    machine = boot()
    assert ask(machine, "exit 3") == ["exit: there is no isa-debug-exit at port F4h; try poweroff"]
    assert ask(machine, "exit x") == ["exit N: N is a number"]


def test_poweroff_by_acpi(boot):
    machine = boot()
    machine.send_serial("poweroff\r")
    with pytest.raises(MachineEnded) as end:
        machine.expect(PROMPT)
    assert end.value.status == 0
    assert re.search(r"ACPI: PM1a control at port [0-9a-f]+h, SLP_TYP \d", machine.serial_output)


def test_reboot_comes_back(boot):
    machine = boot()
    machine.send_serial("reboot\r")
    assert machine.expect(PROMPT).count("pages free") == 1
    assert machine.screen_text()[3] == "demo>"


# ---------------------------------------------------------------- other machines
@pytest.mark.parametrize("options", [("-cpu", "486"), ("-smp", "2"), ("-m", "2"), ("-vga", "none")], ids=" ".join)
def test_it_runs_on_other_machines(boot, options):
    assert all(line.endswith(": ok") for line in ask(boot(*options), "smc"))


def test_isapc_has_no_pci_and_cannot_power_off(boot):
    need_seabios("bios.bin")
    machine = boot("-M", "isapc")
    assert ask(machine, "pci") == ["There is no PCI bus."]
    assert ask(machine, "poweroff") == ["poweroff: neither ACPI nor a PIIX4 was found"]
    machine.send_serial("reboot\r")
    machine.expect(PROMPT)


def test_it_boots_as_a_hard_disk_too(boot):
    boot("-drive", f"file={DEMO_IMAGE},index=0,format=raw,snapshot=on", "-boot", "c")


# ---------------------------------------------------------------- a second opinion
def test_qemu_runs_it_too():
    if shutil.which("qemu-system-i386") is None:
        pytest.skip("qemu-system-i386 (Debian's package qemu-system-x86) is not installed")
    process = subprocess.run(
        ["qemu-system-i386", "-display", "none", "-serial", "stdio", "-m", "64", *EXIT,
         "-drive", f"file={DEMO_IMAGE},if=floppy,index=0,format=raw,readonly=on"],
        input=b"smc\rfault\rexit 4\r", capture_output=True, timeout=120)
    assert process.returncode == 9, process.stdout
    assert process.stdout.count(b": ok\r\n") == 4 and b"fault: status 255" in process.stdout
