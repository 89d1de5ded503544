"""SYSTEMS row 14: user-mode tb_invalidate_phys_page: a store to code drops the whole page."""
import os
import shutil
import struct
import subprocess

import pytest

from qemu_py._core import inspect
from qemu_py.machine.linux_user import GuestFault, LinuxUser
from qemu_py.util.errors import UserError
from tests.guest import asm

BASE, HEADERS = 0x08048000, 52 + 32


def elf(code):
    """A static ELF32 program: one writable and executable segment that begins with its headers."""
    size = HEADERS + len(code)
    header = struct.pack("<4s12xHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01"[:4], 2, 3, 1, BASE + HEADERS, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    header = b"\x7fELF\x01\x01\x01" + header[7:]
    return header + struct.pack("<8I", 1, 0, BASE, BASE, size, size + 4096, 7, 4096) + code


def program(tmp_path, text):
    path = tmp_path / "program"
    path.write_bytes(elf(asm(text, BASE + HEADERS)))
    return path


def test_a_program_that_patches_itself_gives_the_right_result(tmp_path):
    # The immediate of ADD changes in every round: 1 + 2 + ... + 10
    path = program(tmp_path, """
        mov ecx, 10; xor ebx, ebx
        again: mov byte ptr [patch + 2], cl
        patch: add ebx, 0x7f
        dec ecx; jnz again
        mov eax, 1; int 0x80""")
    assert LinuxUser(path).run() == 55


def test_a_store_beside_code_drops_every_block_of_the_page(tmp_path):
    path = program(tmp_path, "call f; mov byte ptr [data], 1; mov eax, 1; int 0x80; f: inc ebx; ret; data: nop")
    user = LinuxUser(path)
    f = BASE + HEADERS + asm("call f; mov byte ptr [data], 1; mov eax, 1; int 0x80; f: inc ebx; ret; data: nop",
                             BASE + HEADERS).index(b"\x43\xC3")
    assert user.run() == 1
    cpu = user.cpu
    assert all(inspect.tb_info(cpu, n)["invalid"] for n in range(cpu.counters()["tb_count"])
               if inspect.tb_info(cpu, n)["pc"] == f)


def test_write_and_exit_reach_the_host(tmp_path):
    path = program(tmp_path, """
        mov eax, 4; mov ebx, 1; mov ecx, offset text; mov edx, 3; int 0x80
        mov eax, 252; mov ebx, 42; int 0x80
        text: .byte 0x68, 0x69, 0x0a""".replace("offset text", str(BASE + HEADERS + 34)))
    read, write = os.pipe()
    try:
        assert LinuxUser(path, stdout=write).run() == 42
        assert os.read(read, 100) == b"hi\n"
    finally:
        os.close(read)
        os.close(write)


def test_an_exception_ends_the_program_by_name(tmp_path):
    with pytest.raises(GuestFault, match="vector=6"):
        LinuxUser(program(tmp_path, "ud2")).run()


@pytest.mark.parametrize("image, says", [
    (b"", "not a 32-bit ELF"), (b"\x7fELF\x02" + bytes(100), "not a 32-bit ELF"),
    (elf(b"\x90")[:60], "outside the file"), (elf(b"\x90").replace(b"\x02\0\x03\0", b"\x03\0\x03\0", 1), "-static")])
def test_a_bad_program_is_one_clear_line(tmp_path, image, says):
    path = tmp_path / "bad"
    path.write_bytes(image)
    with pytest.raises(UserError, match=says) as e:
        LinuxUser(path)
    assert "\n" not in str(e.value)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")
def test_a_static_c_program_with_its_library_runs(tmp_path):
    source = tmp_path / "hello.c"
    source.write_text('#include <stdio.h>\nint main(int n, char **v) { printf("%d %s %.2f\\n", n, v[1], 1.5); return 7; }\n')
    built = subprocess.run(["gcc", "-m32", "-static", "-no-pie", "-o", tmp_path / "hello", source], capture_output=True)
    if built.returncode:
        pytest.skip("gcc -m32 does not link: gcc-multilib is missing")
    read, write = os.pipe()
    try:
        assert LinuxUser(tmp_path / "hello", ["abc"], stdout=write).run() == 7
        assert os.read(read, 100) == b"2 abc 1.50\n"
    finally:
        os.close(read)
        os.close(write)
