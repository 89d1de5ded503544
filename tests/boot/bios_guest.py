"""Boot sectors that ask our own BIOS (pc-bios/bios) and say at port E9h what it answers."""
import os

import pytest

from qemu_py.machine.drives import simple_drive
from tests.guest import asm
from tests.machines import EXIT, Capture

BIOS = "bios.bin"
HDA, FDA = ("-hda", "ide", 0), ("-fda", "floppy", 0)
START = "xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 0x7C00;"
# The drive in DL is left alone; `bad` may be jumped to with an error in AH.
END = """
    mov al, 1; out 0xF4, al; hlt
putw: push ax; mov al, ah; call puth; pop ax
puth: push ax; shr al, 4; call nibble; pop ax; and al, 15
nibble: add al, 48; cmp al, 57; jbe putc; add al, 7
putc: out 0xE9, al; ret
"""


class Console(Capture):
    """Calls ask() when the guest says "?"."""

    def __init__(self, ask):
        super().__init__()
        self.ask = ask

    def write(self, data):
        if b"?" in data and self.ask is not None:
            self.ask()
        return super().write(data)


def numbered(size, code=b""):
    """An image whose sectors, but the first with the code, begin with their number."""
    image = bytearray(size)
    for n in range(1, min(size // 512, 8192)):
        image[512 * n:512 * n + 8] = b"<%06d>" % n
    assert len(code) <= 510
    image[:len(code)] = code
    image[510:512] = b"\x55\xaa"
    return image


class Runner:
    """Call it with a boot sector's code and the drive's size; it returns what the guest said."""

    def __init__(self, make_machine, path, machine, drive):
        self.make_machine, self.image, self.board, self.drive = make_machine, path, machine, drive
        self.machine = None

    def __call__(self, code, size, do=None, ask=None, drives=(), grow=0, **config):
        self.image.write_bytes(numbered(size, asm(START + code + END, 0x7C00, 16)))
        if grow:
            os.truncate(self.image, grow)
        option, interface, index = self.drive
        console = Console(ask and (lambda: ask(machine)))
        config = {"machine": self.board, "bios": BIOS, "devices": EXIT, "debugcons": [console], "ram_size": 64 << 20} | config
        machine = self.machine = self.make_machine(drives=[simple_drive(option, str(self.image), interface, index), *drives], **config)
        if do is not None:
            do(machine)
        status = machine.run()
        assert status == 3, (status, bytes(console.data), machine.vga.screen_text())
        return console.data.decode("latin1")


@pytest.fixture
def run(make_machine, tmp_path):
    """run(code, board): what a boot sector on a hard disk said; afterwards run.machine, and run.read(address, size) of its memory."""
    def run(code, board="pc", **config):
        runner = Runner(make_machine, tmp_path / "disk.img", board, HDA)
        said = runner(code, 1 << 20, **config)
        run.machine = runner.machine
        run.read = runner.machine.memory.address_space_memory.read
        return said
    return run
