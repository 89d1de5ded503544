"""Bad images and contradictory options: one clear line, status 1, and nothing is created or changed.

The command runs in this process, up to the first instruction, which no case here may reach.
"""
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.boot.kernels import elf

pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")
from qemu_py import cli  # noqa: E402
from qemu_py.machine.single_loop import SingleLoop  # noqa: E402
from qemu_py.machine.vcpu import TCGThread  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
NOBODY = 65534


class Started(Exception):
    """The guest would have run."""


def bzimage(size=0x4000, setup_sectors=4, version=0x20F, paragraphs=None):
    """A Linux kernel's header, of boot protocol 2.15, and zeros up to `size`."""
    data = bytearray(size)
    data[0x1F1] = setup_sectors
    code = size - 512 * (setup_sectors + 1)
    struct.pack_into("<I", data, 0x1F4, code // 16 if paragraphs is None else paragraphs)
    data[0x1FE:0x200] = b"\x55\xaa"
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x206, version)
    data[0x211] = 1                     # loaded high
    struct.pack_into("<I", data, 0x22C, 0x7FFFFFFF)
    struct.pack_into("<I", data, 0x238, 2047)
    return bytes(data)


def tree(directory):
    """Everything about a directory that may not change."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_size, status.st_mtime_ns,
                                                   path.read_bytes() if path.is_file() and status.st_size < MIB else None)
    return found


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory of the cases, with the files that they name."""
    for name, data in {"good": bytes(64 * KIB), "empty": b"", "one": b"x", "513": bytes(513), "truncated": bytes(MIB - 1),
                       "qcow2": b"QFI\xfb".ljust(KIB, b"\0"), "text": b"This is a text.\n" * 500, "kernel": elf(b"\xfa\xf4"),
                       "cut.elf": elf(b"\xfa\xf4" * 100)[:-50], "cut.header": elf(b"\xfa\xf4")[:0x20], "linux": bzimage(),
                       "cut.setup": bzimage()[:0x600], "cut.linux": bzimage(paragraphs=0x10000), "old.linux": bzimage(version=0x1FF),
                       "keep": b"keep me\n", "bios": b"\xff" * 1000}.items():
        (tmp_path / name).write_bytes(data)
    for name, size in (("initrd", 64 * MIB), ("huge", 1 << 58), ("floppy", 4 * MIB), ("bigbios", 32 * MIB)):
        with open(tmp_path / name, "wb") as f:
            try:
                f.truncate(size)
            except OSError:
                f.truncate(1 << 43)     # a file system of 16 TiB files
    os.mkdir(tmp_path / "directory")
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.chdir(tmp_path)

    def start(self):
        raise Started
    monkeypatch.setattr(TCGThread, "start", start)
    monkeypatch.setattr(SingleLoop, "start", start)
    return tmp_path


def refused(here, capfd, arguments):
    """The one line that the command says."""
    before = tree(here)
    assert cli.main(list(arguments)) == 1
    out, err = capfd.readouterr()
    assert err.startswith("qemu-py: ") and err.endswith("\n") and err.count("\n") == 1 and out == "", err
    assert tree(here) == before
    return err


IMAGES = {"empty": "empty", "one": "512", "513": "512", "truncated": "truncated", "directory": "directory", "missing": "No such file",
          "fifo": "neither a file", "/dev/zero": "neither a file", "qcow2": "qcow2", "good/below": "Not a directory", "a\0b": "NUL",
          "x" * 300: "too long"}


@pytest.mark.parametrize("option", ["-hda", "-cdrom", "-fda", "-drive"])
@pytest.mark.parametrize("image", IMAGES, ids=lambda name: repr(name[:20]))
def test_a_bad_image(here, capfd, option, image):
    if option == "-drive" and "\0" in image:
        pytest.skip("no word of a command line has a NUL; -drive's own commas are such")
    arguments = ["-drive", f"file={image},if=ide"] if option == "-drive" else [option, image]
    said = refused(here, capfd, arguments)
    assert IMAGES[image] in said and option in said


def test_an_image_that_we_may_not_read(capfd, monkeypatch):
    with tempfile.TemporaryDirectory() as directory:        # one that others may enter, unlike pytest's
        os.chmod(directory, 0o755)
        path = Path(directory) / "image"
        path.write_bytes(bytes(512))
        path.chmod(0)
        user = os.geteuid()
        options = ("-hda", "-cdrom", "-fda", "-kernel", "-bios")
        for option in options:          # once as ourselves: nobody else may be able to load our modules
            assert cli.main([option, str(path) + "?"]) == 1
        capfd.readouterr()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            for option in options:
                assert cli.main([option, str(path)]) == 1
                out, err = capfd.readouterr()
                assert "Permission denied" in err and err.count("\n") == 1 and out == ""
        finally:
            os.seteuid(user)


CASES = [
    # two at one place
    ("-hda good -hda good", "already"), ("-hda good -drive index=0,file=good", "already"), ("-cdrom good -hdc good", "already"),
    ("-fda good -drive if=floppy,index=0,file=good", "already"), ("-drive file=good,id=a -drive file=linux,id=a", "id 'a'"),
    ("-hda good -hdb good", "in use"),
    # what -drive does not know
    ("-drive file=good,format=foo", "foo"), ("-drive file=good,if=mfm", "mfm"), ("-drive file=good,media=tape", "tape"),
    ("-drive file=good,cache=full", "full"), ("-drive file=good,werror=panic", "panic"), ("-drive file=good,rerror=enospc", "enospc"),
    ("-drive file=good,index=4", "index"), ("-drive file=good,index=-1", "-1"), ("-drive if=ide", "file="),
    ("-drive file=good,snapshot=maybe", "maybe"), ("-drive file=good,bus=9,unit=0", "no such place"),
    ("-drive if=none,id=a,file=good -device ide-hd,drive=b", "'b'"), ("-device ide-hd", "drive"), ("-drive nonsense", "nonsense"),
    ("-fda floppy", "diskette"),
    # numbers
    ("-m -1", "-m"), ("-m 0", "-m"), ("-m 1T,2", "-m"), ("-m 999999G", "more memory"), ("-smp 0", "-smp"), ("-smp 9", "8"),
    ("-smp -1", "-smp"), ("-smp two", "-smp"), ("-icount nonsense", "-icount"), ("-icount shift=11", "-icount"),
    ("-icount shift=auto,sleep=off", "sleep=off"), ("-icount sleep=maybe", "-icount"), ("-boot order=zz", "zz"), ("-boot q", "'q'"),
    ("-boot menu=perhaps", "-boot"), ("-cpu z80", "z80"), ("-cpu qemu32,+warp", "warp"), ("-M mac", "mac"), ("-accel kvm", "kvm"),
    ("-accel tcg,tier=-1", "tier"), ("-accel tcg,tier=many", "tier"), ("-rtc base=yesterday", "yesterday"), ("-vga cga", "cga"),
    ("-d nothing", "nothing"), ("-global foo.bar=1", "foo"), ("-global isa-debugcon.foo=1", "foo"), ("-device foo", "foo"),
    ("-device isa-debug-exit,iobase=zz", "zz"), ("-M isapc -device pci-bridge", "PCI"),
    ("-icount 3 -accel tcg,thread=single", "icount"),
    # kernels, BIOSes
    ("-kernel text", "neither"), ("-kernel empty", "neither"), ("-kernel directory", "directory"), ("-kernel missing", "No such file"),
    ("-kernel cut.elf", "cut.elf"), ("-kernel cut.header", "cut.header"), ("-kernel cut.setup", "truncated"),
    ("-kernel cut.linux", "truncated"), ("-kernel old.linux", "protocol"), ("-kernel linux -initrd initrd -m 32", "-m"),
    ("-kernel linux -initrd missing", "missing"), ("-kernel linux -initrd directory", "directory"),
    ("-kernel kernel -initrd missing", "missing"), ("-initrd initrd", "-kernel"), ("-append x", "-kernel"),
    ("-kernel linux -append vga=nine", "vga="), ("-bios missing", "missing"), ("-bios bios", "64 KiB"), ("-bios bigbios", "16 MiB"),
    ("-bios directory", "directory"), ("-bios empty", "64 KiB"),
    # where output goes
    ("-kernel kernel -D missing/log -d int", "missing/log"), ("-kernel kernel -D directory", "directory"),
    ("-kernel kernel -serial file:missing/x", "missing/x"), ("-kernel kernel -serial file:directory", "directory"),
    ("-kernel kernel -serial file:", "file"), ("-kernel kernel -debugcon file:missing/x", "missing/x"),
    ("-kernel kernel -serial tcp:127.0.0.1:PORT,server,nowait", "in use"), ("-kernel kernel -serial tcp:127.0.0.1:CLOSED", "refused"),
    ("-kernel kernel -serial tcp:127.0.0.1:99999,server", "tcp:HOST:PORT"), ("-kernel kernel -serial unix:missing/s,server,nowait", "missing"),
    ("-kernel kernel -serial unix:missing/s", "missing"), ("-kernel kernel -serial unix:keep,server,nowait", "keep"),
    ("-kernel kernel -serial unix:" + "x" * 200 + ",server,nowait", "too long"), ("-kernel kernel -serial foo", "foo"),
    ("-kernel kernel -serial chardev:a", "'a'"), ("-kernel kernel -chardev null,id=a", "id=a"), ("-kernel kernel -chardev null", "id="),
    ("-kernel kernel -serial stdio -monitor stdio", "in use"), ("-kernel kernel -serial null -serial null -serial null -serial null -serial null",
                                                               "4"),
    ("-kernel kernel -monitor foo:bar", "foo"), ("-kernel kernel -display curses", "terminal"), ("-nosuchoption", "-nosuchoption"),
    ("-m", "argument"), ("-L missing -bios nothing", "nothing")]


@pytest.mark.parametrize("line, word", CASES, ids=[line[:60] for line, _ in CASES])
def test_bad_options(here, capfd, line, word):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as other:
            closed = other.getsockname()[1]
        line = line.replace("PORT", str(port)).replace("CLOSED", str(closed)) if "tcp:127" in line and "99999" not in line else line
        said = refused(here, capfd, line.split())
    assert word in said


LATE = ["-hda missing", "-kernel cut.elf", "-kernel missing", "-cpu z80", "-bios missing", "-serial file:missing/x", "-serial nonsense",
        "-monitor nonsense", "-device foo", "-m 0", "-kernel linux -initrd initrd -m 32", "-chardev null,id=unused", "-smp 9"]


@pytest.mark.parametrize("line", LATE)
@pytest.mark.parametrize("first", ["-serial file:keep", "-debugcon file:new", "-D keep -d int", "-serial unix:socket,server,nowait",
                                   "-parallel file:keep", "-chardev file,path=keep,id=k -serial chardev:k", "-perfmap"])
def test_what_is_refused_leaves_the_files_of_the_other_options_alone(here, capfd, first, line):
    refused(here, capfd, first.split() + line.split())


def test_a_good_command_line_would_start(here):
    with pytest.raises(Started):
        cli.main("-kernel kernel -hda good -serial file:new -display none".split())
    with pytest.raises(Started):
        cli.main("-kernel linux -display none".split())


def test_the_command_itself_says_no_more(here):
    result = subprocess.run([sys.executable, "-m", "qemu_py", "-hda", "truncated"], capture_output=True, timeout=60, text=True,
                            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])})
    assert result.returncode == 1 and result.stdout == "" and result.stderr.count("\n") == 1 and "truncated" in result.stderr


def test_a_translation_cache_for_which_there_is_no_memory(here):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    result = subprocess.run([sys.executable, "-m", "qemu_py", "-kernel", "kernel", "-accel", "tcg,tb-size=1024"], stdin=subprocess.DEVNULL,
                            capture_output=True, timeout=60, text=True, preexec_fn=limit, env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])})
    assert result.returncode == 1 and result.stdout == "" and result.stderr.count("\n") == 1 and "tb-size=" in result.stderr
