"""Whatever bytes the guest runs, in whatever mode: no crash, no hang, no exception in Python.

The guests are in fuzz_guest.py; they run in a child process, so that a crash is a readable failure.
"""
import subprocess
import sys
from pathlib import Path

import pytest

from qemu_py import CPU
from tests.core.fuzz_guest import SCENES

ROOT = Path(__file__).resolve().parents[2]
RUNS = 120                          # guests in each child
PACED_RUNS = 60


def run_guests(scene, *options):
    child = subprocess.run([sys.executable, "-m", "tests.core.fuzz_guest", "--scene", scene, *options],
                           cwd=ROOT, capture_output=True, text=True)
    last = [line for line in child.stdout.splitlines() if line.startswith("run")][-1:]
    assert child.returncode == 0, f"status {child.returncode} in: python -m tests.core.fuzz_guest {' '.join(last)[4:]}\n{child.stderr[-6000:]}"
    assert "done" in child.stdout


@pytest.mark.parametrize("seed", [1, 1_000])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_random_guests_do_no_harm(scene, seed):
    run_guests(scene, "--seed", str(seed), "--count", str(RUNS))


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_random_guests_do_the_same_in_one_go_and_in_small_steps(scene):
    run_guests(scene, "--seed", "1000", "--count", str(PACED_RUNS), "--paces")


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_random_guests_do_the_same_under_the_interpreter_and_as_host_code(scene):
    run_guests(scene, "--seed", "1000", "--count", str(PACED_RUNS), "--engines")


@pytest.mark.parametrize("steps", [(2,), (1, 1), (1000,)])
def test_code_that_changes_the_next_instruction_is_seen_however_few_steps_are_left(steps):
    cpu = CPU(ram=1 << 16)
    cpu.write(0x1000, bytes.fromhex("c6050810000007"    # mov byte [1008h], 7
                                    "b001"              # 1007h: mov al, 1
                                    "f4"))
    cpu.eip = 0x1000
    for count in steps:
        cpu.run(steps=count)
    assert cpu.al == 7
