"""Ctrl-C gets through to a bare CPU that runs for ever."""
import signal
import subprocess
import sys

PROGRAM = """
from qemu_py import CPU
cpu = CPU()
cpu.write(0, b"\\xEB\\xFE")             # jmp $
try:
    print("running", flush=True)
    cpu.run()
except KeyboardInterrupt:
    print("interrupted at", cpu.eip)
    print(cpu.run(steps=3))
"""


def test_ctrl_c_ends_a_run_and_leaves_the_cpu_usable():
    # Whoever started the tests may have had SIGINT ignored, as a shell does for what runs in its background.
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        assert child.stdout.readline() == "running\n"
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=120)
    finally:
        child.kill()
    assert out.splitlines() == ["interrupted at 0", "RunResult('steps', steps=3)"]
