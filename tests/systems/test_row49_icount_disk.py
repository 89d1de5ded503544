"""SYSTEMS row 49, with a disk: two counted runs see its completions at the same instruction, however slow the host is."""
import struct
import time

import pytest

from qemu_py.backends.posix_file import ImageFile
from qemu_py.machine.drives import DriveOptions
from qemu_py.machine.icount import ICountOptions
from tests.boot.kernels import debug_exit
from tests.guest import asm
from tests.machines import EXIT

SECTORS = 12
READ = f"""
    mov edi, 0x300000
    xor esi, esi
next:
    mov eax, esi
    mov dx, 0x1f3
    out dx, al
    mov dx, 0x1f2
    mov al, 1
    out dx, al
    mov dx, 0x1f6
    mov al, 0xe0
    out dx, al
    mov dx, 0x1f7
    mov al, 0x20
    out dx, al
    xor ebx, ebx
poll:
    inc ebx
    WAIT
    in al, dx
    test al, 0x80
    jnz poll
    mov [edi], ebx
    add edi, 4
    mov dx, 0x1f0
    mov ecx, 128
again:
    in eax, dx
    dec ecx
    jnz again
    mov [edi], eax
    add edi, 4
    inc esi
    cmp esi, {SECTORS}
    jb next
"""


def run(make_machine, image, wait):
    machine = make_machine(asm(READ.replace("WAIT", wait)) + debug_exit(1), devices=EXIT, machine="isapc",
                           drives=[DriveOptions("-hda", file=str(image))], icount=ICountOptions(3, False), rtc_clock="vm")
    assert machine.run() == 3
    words = struct.unpack(f"<{2 * SECTORS}I", machine.memory.address_space_memory.read(0x300000, 8 * SECTORS))
    return words, machine.cpus[0].insn_count, machine.clocks.vm.get_ns()


@pytest.mark.parametrize("wait", ["nop", "pause"])
def test_a_slow_disk_of_the_host_is_not_seen(make_machine, tmp_path, monkeypatch, wait):
    image = tmp_path / "disk"
    image.write_bytes(b"".join(struct.pack("<I", n) * 128 for n in range(2048)))
    first = run(make_machine, image, wait)
    read = ImageFile.preadv

    def slow(self, *arguments):
        end = time.monotonic_ns() + 3_000_000
        while time.monotonic_ns() < end:
            pass
        return read(self, *arguments)
    monkeypatch.setattr(ImageFile, "preadv", slow)
    second = run(make_machine, image, wait)
    assert first == second
    polls, data = first[0][::2], first[0][1::2]
    assert data == tuple(range(SECTORS)) and min(polls) > 10
