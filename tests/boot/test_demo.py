"""The demo guest boots from its floppy image and answers at its prompt on the serial line."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

import qemu_py

SEABIOS = Path("/usr/share/seabios/bios-256k.bin")
IMAGE = Path(qemu_py.__file__).parent / "machine" / "roms" / "demo.img"
EXIT_STATUS = 3 << 1 | 1                # isa-debug-exit's, for a 3


def read_until(stream, text):
    seen = b""
    while text not in seen:
        byte = os.read(stream.fileno(), 1)
        assert byte, seen
        seen += byte
    return seen


@pytest.mark.skipif(not SEABIOS.exists(), reason="Debian's package seabios is missing")
def test_the_demo_guest_answers_at_its_prompt():
    command = [sys.executable, "-m", "qemu_py", "-display", "none", "-serial", "stdio", "-bios", str(SEABIOS), "-boot", "a",
               "-drive", f"file={IMAGE},if=floppy,format=raw,snapshot=on", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as guest:
        read_until(guest.stdout, b"demo> ")
        guest.stdin.write(b"smc\n")
        answer = read_until(guest.stdout, b"demo> ")
        guest.stdin.write(b"exit 3\n")
        assert guest.wait(timeout=300) == EXIT_STATUS
    assert answer.count(b": ok") == 4
