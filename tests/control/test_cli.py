"""The command line: its grammar, its one-line errors, its exit status."""
import os
import pty
import select
import signal
import subprocess
import sys
import termios

import pytest

from qemu_py import __version__, options
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit, elf, say

MIB = 1 << 20
EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


def qemu_py(*arguments, **how):
    return subprocess.run([sys.executable, "-m", "qemu_py", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, **how)


def needs_the_cpu():
    pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")


@pytest.fixture
def kernel(tmp_path):
    def kernel(code):
        path = tmp_path / "kernel.elf"
        path.write_bytes(elf(code))
        return path
    return kernel


# ---------------------------------------------------------------- grammar
@pytest.mark.parametrize("text, size", [
    ("128", 128 * MIB), ("128M", 128 * MIB), ("64m", 64 * MIB), ("1G", 1 << 30), ("size=32", 32 * MIB),
    ("size=64M", 64 * MIB), ("2048k", 2 * MIB), ("1.5G", 3 << 29), ("0x40", 64 * MIB)])
def test_memory_sizes(text, size):
    if size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        pytest.skip("the host has less memory")
    assert options.parse_arguments(["-m", text]).settings["ram_size"] == size


@pytest.mark.parametrize("text", ["", "x", "-1", "12Q", "1G2", "size=", "size=1,size=2", "1,foo=2", "0", "1k",
                                  "1000000T", "0x", "1e3", "١٢٨"])
def test_nonsense_memory_sizes_are_one_clear_line(text):
    with pytest.raises(UserError) as error:
        options.parse_arguments(["-m", text])
    assert "-m" in str(error.value) and "\n" not in str(error.value)


def test_one_dash_or_two():
    for word in ("-append", "--append"):
        assert options.parse_arguments([word, "text"]).settings["append"] == "text"


def test_an_argument_may_begin_with_a_dash():
    assert options.parse_arguments(["-append", "-m 5"]).settings["append"] == "-m 5"


@pytest.mark.parametrize("arguments, word", [
    (["-foo"], "-foo: invalid option"), (["--foo"], "--foo: invalid option"), (["-kernel"], "-kernel"),
    (["-drive", "file=x,foo=1"], "foo"), (["-"], "-"), (["-display", "gtk"], "gtk"), (["-vga", "cirrus"], "cirrus"),
    (["-monitor"], "-monitor"), (["-accel", "kvm"], "kvm"), (["-M", "pdp11"], "pdp11"),
    (["-machine", "isapc,accel=xen"], "xen"), (["-machine", "isapc,foo=1"], "foo"),
    (["-d", "in_asm,foo"], "foo"), (["-device", "foo"], "foo"), (["-device", "isa-debug-exit,iobase"], "iobase"),
    (["-device", ""], "device"), (["-machine", "hpet=offf"], "did you mean off?"), (["-device", "serial"], "did you mean isa-serial?"),
    (["-global", "isa-fdc.driveC=x"], "did you mean driveA or driveB?"), (["-global", "PIIX3.addr=5"], "no property of PIIX3 'addr'"),
    (["-serial", "null"] * 5, "4")])
def test_what_is_not_understood_is_named(arguments, word):
    with pytest.raises(UserError) as error:
        options.parse_arguments(arguments)
    assert word in str(error.value) and "\n" not in str(error.value)


def test_several_serial_ports_and_consoles():
    parse = options.parse_arguments(["-serial", "null", "-serial", "none", "-debugcon", "null"])
    config = options.machine_config(parse)
    assert [chardev is not None for chardev in config.serials] == [True, False]
    assert len(config.debugcons) == 1


@pytest.mark.parametrize("others, labels", [
    ((), ["mon:stdio"]), (("-monitor", "none"), ["stdio"]), (("-monitor", "stdio"), []), (("-serial", "null"), ["null"])])
def test_nographic_means_a_serial_port_and_the_monitor_on_stdio(others, labels):
    config = options.machine_config(options.parse_arguments(["-nographic", *others]))
    assert [chardev.label for chardev in config.serials if chardev] == labels


def test_properties_of_a_device():
    parse = options.parse_arguments(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
    assert parse.devices == [("isa-debug-exit", {"iobase": "0xf4", "iosize": "4"})]


@pytest.mark.parametrize("arguments", [["-append", "x"], ["-initrd", "x"]])
def test_what_belongs_to_a_kernel_needs_one(arguments):
    with pytest.raises(UserError, match="-kernel"):
        options.machine_config(options.parse_arguments(arguments))


def test_every_option_of_the_table_is_in_the_help():
    text = options.help_text()
    for option in options.OPTIONS:
        if option.help:
            assert f"-{option.name} {option.argument}".rstrip() in text


# ---------------------------------------------------------------- the command
@pytest.mark.parametrize("arguments, text", [
    (["-version"], f"qemu-py version {__version__}"), (["-help"], "-kernel FILE"), (["-h"], "-kernel FILE"),
    (["--help"], "-kernel FILE"), (["-d", "help"], "in_asm"), (["-accel", "help"], "tcg"),
    (["-device", "help"], "isa-debug-exit"), (["-device", "isa-debug-exit,help"], "iobase"),
    (["-device", "isa-serial,?"], "chardev "), (["-device", "port92,help"], "no options for port92"), (["-device", "hpet,help"], "msi "),
    (["-display", "help"], "none")])
def test_questions_are_answered_with_status_0(arguments, text):
    result = qemu_py(*arguments)
    assert (result.returncode, result.stderr) == (0, b"")
    assert text.encode() in result.stdout


def test_machine_help_lists_the_default():
    needs_the_cpu()
    result = qemu_py("-M", "help")
    assert result.returncode == 0
    assert any(line.startswith("pc-1.0") and line.endswith("(default)") for line in result.stdout.decode().splitlines())


def test_cpu_help_lists_the_models():
    needs_the_cpu()
    result = qemu_py("-cpu", "help")
    assert result.returncode == 0
    for model in ("486", "pentium", "pentium2", "pentium3", "qemu32"):
        assert model in result.stdout.decode().split()


def failing():
    yield ["-foo"]
    yield ["-bios", "no-such-bios.bin"]
    yield ["-kernel", "/no/such/file"]
    yield ["-kernel", "/"]
    yield ["-kernel", os.devnull]
    yield ["-kernel", "KERNEL", "-initrd", "/no/such/file"]
    yield ["-kernel", "KERNEL", "-m", "abc"]
    yield ["-kernel", "KERNEL", "-m", "999999G"]
    yield ["-kernel", "KERNEL", "-cpu", "z80"]
    yield ["-kernel", "KERNEL", "-D", "/no/such/dir/log"]
    yield ["-kernel", "KERNEL", "-device", "isa-debug-exit,iobase=zz"]
    yield ["-kernel", "KERNEL", "-device", "isa-debug-exit,foo=1"]
    yield ["-kernel", "KERNEL", "-device", "isa-i8259"]
    yield ["-kernel", "KERNEL", "-serial", "file:/no/such/dir/x"]
    yield ["-bios", "KERNEL"]


@pytest.mark.parametrize("arguments", list(failing()), ids=" ".join)
def test_a_user_error_is_one_line_and_status_1(arguments, kernel):
    needs_the_cpu()
    path = str(kernel(debug_exit(0)))
    result = qemu_py(*[path if word == "KERNEL" else word for word in arguments])
    assert result.returncode == 1
    assert result.stderr.startswith(b"qemu-py: ") and result.stderr.count(b"\n") == 1
    assert result.stdout == b""


def test_the_guest_speaks_on_stdout_and_gives_the_status(kernel):
    needs_the_cpu()
    result = qemu_py("-display", "none", "-serial", "stdio", "-m", "64", *EXIT, "-monitor", "none", "-no-reboot",
                     "-kernel", kernel(say(b"hello\r\n", 0x3F8) + debug_exit(0x10)), "-append", "a b")
    assert (result.returncode, result.stdout, result.stderr) == (33, b"hello\r\n", b"")


def test_debugcon_and_serial_go_to_files(kernel, tmp_path):
    needs_the_cpu()
    serial, debug = tmp_path / "serial", tmp_path / "debug"
    result = qemu_py("-nographic", "-serial", f"file:{serial}", "-debugcon", f"file:{debug}", *EXIT,
                     "-kernel", kernel(say(b"S", 0x3F8) + say(b"D") + debug_exit(1)))
    assert (result.returncode, result.stdout) == (3, b"")
    assert (serial.read_bytes(), debug.read_bytes()) == (b"S", b"D")


def test_the_log_goes_to_its_file(kernel, tmp_path):
    needs_the_cpu()
    log = tmp_path / "log"
    result = qemu_py("-d", "ioport,guest_errors", "-D", log, *EXIT, "-kernel", kernel(say(b"x") + debug_exit(0)))
    assert (result.returncode, result.stderr) == (1, b"")
    assert "e9" in log.read_text()


SPIN = say(b"go") + b"\xeb\xfe"         # jmp $
SLEEP = say(b"go") + b"\xfa\xf4\xeb\xfd"


@pytest.mark.parametrize("code", [SPIN, SLEEP], ids=["jmp $", "hlt"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_any_guest(kernel, code, number):
    needs_the_cpu()
    with subprocess.Popen([sys.executable, "-m", "qemu_py", "-display", "none", "-debugcon", "stdio", "-kernel",
                           str(kernel(code))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.read(2) == b"go"
        process.send_signal(number)
        assert process.wait(120) == 0
        assert f"terminating on signal {int(number)}".encode() in process.stderr.read()


def handles(process, number):
    """Has the process a handler for the signal yet?"""
    with open(f"/proc/{process.pid}/status") as f:
        caught = next(line for line in f if line.startswith("SigCgt:"))
    return int(caught.split()[1], 16) >> (number - 1) & 1


def test_a_paused_machine_runs_nothing_and_ends_on_a_signal(kernel):
    needs_the_cpu()
    with subprocess.Popen([sys.executable, "-m", "qemu_py", "-S", "-debugcon", "stdio", "-kernel", str(kernel(SPIN))],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not handles(process, signal.SIGTERM):
            assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(120) == 0
        assert process.stdout.read() == b""


def test_a_halted_guest_costs_no_processor_time(kernel):
    """SYSTEMS row 45: counted in processor time of the process, not in wall-clock time."""
    needs_the_cpu()
    with subprocess.Popen([sys.executable, "-m", "qemu_py", "-debugcon", "stdio", "-kernel", str(kernel(SLEEP))],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.read(2) == b"go"

        def used():
            with open(f"/proc/{process.pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before = used()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        spent = used() - before
        process.terminate()
        process.wait(120)
        assert spent < 0.2


# Polls COM1 and sends back what comes: in al, 3FDh; test al, 1; jz; in al, 3F8h; out 3F8h, al
ECHO = say(b"go", 0x3F8) + b"\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7\x66\xba\xf8\x03\xec\xee\xeb\xef"


def test_a_terminal_is_the_guests_until_ctrl_c(kernel):
    """Keys arrive one by one and unechoed; Ctrl-C ends the machine and gives the terminal back."""
    needs_the_cpu()
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execv(sys.executable, [sys.executable, "-m", "qemu_py", "-serial", "stdio", "-kernel",
                                      str(kernel(ECHO))])
        finally:
            os._exit(99)
    before = termios.tcgetattr(terminal)
    output = b""

    def until(text):
        nonlocal output
        while text not in output:
            assert select.select([terminal], [], [], 60)[0], output
            output += os.read(terminal, 1000)
    until(b"go")
    for key in (b"a", b"b\r"):
        os.write(terminal, key)
        until(key)
    os.write(terminal, b"\x03")
    until(b"terminating on signal 2")
    assert output.startswith(b"goab\r")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert termios.tcgetattr(terminal)[:4] == before[:4]
    os.close(terminal)


def test_a_device_s_character_device_must_be_made_and_be_its_own():
    for words, found in ((["-device", "isa-serial,chardev=x"], "no character device 'x'"),
                         (["-chardev", "null,id=x", "-device", "isa-serial,chardev=x", "-global", "isa-parallel.chardev=x"], "in use")):
        with pytest.raises(UserError, match=found):
            options.machine_config(options.parse_arguments(words))
    config = options.machine_config(options.parse_arguments(["-display", "none", "-chardev", "null,id=x", "-device", "isa-serial,chardev=x"]))
    assert list(config.chardevs) == ["x"]


def test_machine_keys_are_other_words_for_options():
    settings = options.parse_arguments(["-machine", "pc,kernel=k,initrd=i,append=a,,b,firmware=f,hpet=off"]).settings
    assert {key: settings[key] for key in ("kernel", "initrd", "append", "bios", "hpet")} == {
        "kernel": "k", "initrd": "i", "append": "a,b", "bios": "f", "hpet": False}
    with pytest.raises(UserError, match="'kernel' needs a value"):
        options.parse_arguments(["-machine", "pc,kernel"])
