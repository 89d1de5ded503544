"""docs/TUTORIAL.md works as it is printed: its shell blocks by sh, its Python blocks by doctest, in one directory and in order."""
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qemu_py.system.device import DEVICES

DOCUMENT = Path(__file__).parents[1] / "docs/TUTORIAL.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
INSTALLS = "pip install ."              # what the test itself was run after


def blocks():
    """[(language, text, line)]."""
    text = DOCUMENT.read_text()
    return [(found[1], found[2], text[:found.start()].count("\n") + 1) for found in BLOCK.finditer(text)]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A directory for the files of the blocks, and qemu-py as a command that runs this very package."""
    directory = tmp_path / "bin"
    directory.mkdir()
    command = directory / "qemu-py"
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -m qemu_py \"$@\"\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(DOCUMENT.parents[1]) + (":" + os.environ["PYTHONPATH"] if "PYTHONPATH" in os.environ else ""))
    monkeypatch.chdir(tmp_path)


def run_shell(text, line):
    script = "".join(part + "\n" for part in text.splitlines() if part != INSTALLS)
    result = subprocess.run(["sh", "-e", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, f"{DOCUMENT.name}:{line}: status {result.returncode}\n{result.stdout}{result.stderr}"


def test_every_block_works(commands):
    pytest.importorskip("qemu_py._core.cpu_face", reason="the CPU is not built")
    names = {}
    parser = doctest.DocTestParser()
    try:
        for language, text, line in blocks():
            if language == "sh":
                run_shell(text, line)
                continue
            assert language == "python", f"{DOCUMENT.name}:{line}: what is a block of '{language}'?"
            examples = parser.get_doctest(text, names, DOCUMENT.name, str(DOCUMENT), line)
            examples.globs = names      # one program: names last
            report = []
            result = doctest.DocTestRunner(verbose=False).run(examples, out=report.append, clear_globs=False)
            assert result.attempted and not result.failed, "".join(report)
    finally:
        DEVICES.pop("squarer", None)
        if "pc" in names:
            names["pc"].quit()


def test_a_block_that_fails_is_noticed():
    with pytest.raises(AssertionError, match="status 3"):
        run_shell("exit 3\n", 1)
