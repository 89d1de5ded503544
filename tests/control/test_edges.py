"""The command where something is not as usual: no room for its answer, Ctrl-C while it starts, a terminal that is closed or small."""
import os
import shutil
import signal
import subprocess
import sys

import pytest

from qemu_py import options
from tests.boot.kernels import elf
from tests.control.test_cli import needs_the_cpu
from tests.terminals import OnTerminal

COMMAND = [sys.executable, "-m", "qemu_py"]


@pytest.fixture
def halted(tmp_path):
    needs_the_cpu()
    path = tmp_path / "kernel"
    path.write_bytes(elf(b"\xf4\xeb\xfd"))
    return ["-m", "16", "-kernel", str(path)]


# ---------------------------------------------------------------- answers
def test_an_answer_that_nobody_reads_ends_quietly():
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen([*COMMAND, "-help"], stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the host has no /dev/full")
def test_an_answer_for_which_there_is_no_room_is_told():
    with open("/dev/full", "w") as full:
        result = subprocess.run([*COMMAND, "-help"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert result.returncode == 1
    assert result.stderr == b"qemu-py: cannot write to standard output: No space left on device\n"


def test_help_fits_into_the_terminal(monkeypatch):
    for columns in (80, 100, 300):
        monkeypatch.setenv("COLUMNS", str(columns))
        # The usage lines and the names of options are as they are.
        assert max(len(line) for line in options.help_text().splitlines() if line.startswith(" " * 20)) < min(columns, 101)


# ---------------------------------------------------------------- sources
def test_sources_that_are_not_built_say_so(tmp_path):
    """As in a checkout from which the package has been installed: there, python -m qemu_py finds the sources first."""
    shutil.copytree(os.path.dirname(options.__file__), tmp_path / "qemu_py", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([*COMMAND, "-display", "none", "-serial", "null"], cwd=tmp_path, env=environment, capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=60)
    assert (result.returncode, result.stdout) == (1, "") and result.stderr.count("\n") == 1
    assert f"{tmp_path}/qemu_py holds sources that are not built" in result.stderr


# ---------------------------------------------------------------- Ctrl-C
INTERRUPTED = """
import builtins, os, signal, sys
real = builtins.__import__
def interrupting(name, *rest, **more):
    if name == {module!r}:
        builtins.__import__ = real
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest, **more)
from qemu_py.__main__ import start
builtins.__import__ = interrupting
sys.argv = ["qemu-py", "-display", "none", "-serial", "mon:null", "-m", "16"]
sys.exit(start())
"""


@pytest.mark.parametrize("module, status", [
    ("qemu_py.cli", -signal.SIGINT), ("qemu_py.control.option_machine", -signal.SIGINT), ("qemu_py.machine.machine", 0),
    ("qemu_py.control.monitor", 0), ("qemu_py.machine.pc_vga", 0)])
def test_ctrl_c_while_it_starts_leaves_no_traceback(module, status):
    """Where a module is loaded for the first time; before our own code runs, the signal itself ends the process."""
    needs_the_cpu()
    result = subprocess.run([sys.executable, "-c", INTERRUPTED.format(module=module)], stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=60, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))     # tests may run with it ignored
    assert result.returncode == status
    assert result.stderr in (b"", b"qemu-py: terminating on signal 2\n")


# ---------------------------------------------------------------- terminals
@pytest.mark.parametrize("arguments", [[], ["-nographic"], ["-serial", "stdio"], ["-monitor", "stdio"]])
def test_a_terminal_that_is_closed_ends_the_machine(halted, arguments):
    with OnTerminal(*halted, *arguments) as terminal:
        terminal.until(lambda: terminal.catches(signal.SIGHUP))
        os.close(terminal.slave)
        os.close(terminal.master)       # the kernel sends SIGHUP
        terminal.slave = terminal.master = None
        assert terminal.process.wait(60) == 0


@pytest.mark.parametrize("rows, columns", [(1, 1), (2, 3), (5, 200), (10, 40)])
def test_a_terminal_may_be_small(halted, rows, columns):
    with OnTerminal(*halted, rows=rows, columns=columns) as terminal:
        terminal.until(lambda: b"\x1b[?1049h" in terminal.output)
        terminal.type("\x01h\x01c\x01c")
        terminal.resize(columns % 30 + 1, rows)
        terminal.type("\x01x")
        assert terminal.end() == 0


def test_on_a_dumb_terminal_there_is_no_screen(halted):
    with OnTerminal(*halted, "-monitor", "stdio", TERM="dumb") as terminal:
        terminal.until("(qemu)")
        terminal.type("quit\n")
        assert terminal.end() == 0
    assert b"\x1b[" not in terminal.output
