"""Whatever bytes the guest runs, in whatever mode: no crash, no hang, no exception in Python.

The guests are in fuzz_guest.py; they run in a child process, so that a crash is a readable failure.
"""
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.fuzz_guest import SCENES

ROOT = Path(__file__).resolve().parents[2]
RUNS = 120                          # guests in each child


@pytest.mark.parametrize("seed", [1, 1_000])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_random_guests_do_no_harm(scene, seed):
    child = subprocess.run([sys.executable, "-m", "tests.core.fuzz_guest", "--scene", scene, "--seed", str(seed),
                            "--count", str(RUNS)], cwd=ROOT, capture_output=True, text=True)
    last = [line for line in child.stdout.splitlines() if line.startswith("run")][-1:]
    assert child.returncode == 0, f"status {child.returncode} in: python -m tests.core.fuzz_guest {' '.join(last)[4:]}\n{child.stderr[-6000:]}"
    assert "done" in child.stdout
