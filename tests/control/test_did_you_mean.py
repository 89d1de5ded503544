"""A word that is not understood, anywhere on the command line or in the monitor, is answered with the nearest that is."""
import pytest

from qemu_py import options
from qemu_py.control.option_absent import ABSENT
from qemu_py.util.errors import UserError
from tests.control.test_cli import qemu_py

TYPOS = [
    ("-kernal x", "-kernel"), ("-seral x", "-serial"), ("--hdaa x", "-hda"), ("-no-rebot", "-no-reboot"), ("-nogarphic", "-nographic"),
    ("-machine isapcc", "isapc"), ("-M pc-1.1", "pc-1.0"), ("-machine pc,acel=tcg", "accel"), ("-machine accel=tgc", "tcg"),
    ("-accel tgc", "tcg"), ("-accel intrep", "interp"), ("-accel tcg,teir=5", "tier"), ("-accel tcg,thraed=single", "thread"),
    ("-icount shfit=3", "shift"), ("-icount shift=3,slep=on", "sleep"), ("-icount shift=3,sleep=onn", "on"),
    ("-cpu pentum", "pentium"), ("-cpu Qemu32", "qemu32"), ("-cpu qemu32,+sse33", "sse3"), ("-smp cpu=2", "cpus"),
    ("-m sise=64", "size"),
    ("-drive fiel=x", "file"), ("-drive file=x,if=idee", "ide"), ("-drive file=x,cache=writeback2", "writeback"),
    ("-drive file=x,media=cdrm", "cdrom"), ("-drive file=x,werror=enspc", "enospc"), ("-drive file=x,discard=unamp", "unmap"),
    ("-boot oder=c", "order"), ("-boot order=c,menuu=on", "menu"), ("-boot menu=offf", "off"),
    ("-chardev soket,id=a,path=x", "socket"), ("-chardev socket,id=a,paht=x", "path"), ("-serial stido", "stdio"),
    ("-serial fil:x", "file"), ("-serial unix:x,sever", "server"), ("-monitor stdoi", "stdio"), ("-parallel nul", "null"),
    ("-debugcon fiel:x", "file"), ("-chardev null,id=abc -serial chardev:abd", "abc"),
    ("-display cursed", "curses"), ("-vga sdt", "std"),
    ("-device isa-debug-exti", "isa-debug-exit"), ("-device isa-debug-exit,iobas=1", "iobase"), ("-device pci-brigde", "pci-bridge"),
    ("-global isa-debugcom.iobase=1", "isa-debugcon"), ("-global isa-debugcon.iobas=1", "iobase"),
    ("-rtc bas=utc", "base"), ("-rtc clock=hots", "host"), ("-d in_asn", "in_asm"), ("-d int,guest_error", "guest_errors"),
]


def refusal(line):
    with pytest.raises(UserError) as error:
        options.machine_config(options.parse_arguments(line.split()))
    return str(error.value)


@pytest.mark.parametrize("line, meant", TYPOS, ids=[line for line, _ in TYPOS])
def test_the_nearest_word_is_named(line, meant):
    text = refusal(line)
    question = text.partition("did you mean ")[2].partition("?")[0]
    assert meant in question.replace(" or ", ", ").split(", "), text
    assert "\n" not in text


@pytest.mark.parametrize("line", ["-m=64", "--serial=stdio", "-cpu=486"])
def test_a_value_is_a_word_of_its_own(line):
    name, _, value = line.lstrip("-").partition("=")
    assert refusal(line).endswith(f": -{name} {value}")


def test_nothing_is_guessed_when_nothing_is_near():
    assert refusal("-qwxyz") == "-qwxyz: invalid option (-help lists them)"
    assert "did you mean" not in refusal("-machine zzz")


def test_options_of_qemu_that_we_have_not_are_told_apart():
    assert not set(ABSENT) & set(options.BY_NAME)
    for name, instead in ABSENT.items():
        assert refusal(f"-{name} x").endswith(instead)


@pytest.mark.parametrize("line", ["-srial stdio", "profile --exat -- -S", "demo -machin pc"])
def test_the_command_gives_one_line_and_status_1(line):
    result = qemu_py(*line.split())
    assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (1, b"", 1)
    assert result.stderr.startswith(b"qemu-py: ") and b"did you mean -" in result.stderr


def test_a_firmware_s_name_is_one_that_is_installed():
    result = qemu_py("-display", "none", "-bios", "bios.bni")
    assert result.returncode == 1 and b"-bios bios.bni: there is no such file" in result.stderr and b"did you mean bios.bin" in result.stderr
    assert result.stderr.count(b"\n") == 1
