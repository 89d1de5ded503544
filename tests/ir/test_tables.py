"""The generated files are what the tables say."""
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tool", ["gen_ops", "gen_decode"])
def test_what_is_committed_is_what_the_generator_makes(tool):
    done = subprocess.run([sys.executable, ROOT / "tools" / f"{tool}.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_op_has_its_function():
    import qemu_py._core.cpu_face                   # registers them
    from qemu_py._core.ir import table
    assert table.missing() == []
    assert len(table.ops()) > 1000
