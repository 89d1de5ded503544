"""SeaBIOS' VGA BIOS (Debian's package `seabios`), which -global VGA.romfile= chooses, sets modes on the standard VGA as ours
(test_vgabios_graphics.py) does, asked by INT 10h from an option ROM."""
import numpy as np
import pytest

from tests.boot.screens import need_seabios

X, Y, COLOR = 10, 20, 5


def option_rom(mode):
    """Set a mode by INT 10h, then write a pixel, then leave through the debug exit at F4h."""
    set_mode = (b"\xb8\x02\x4f\xbb" if mode >= 0x100 else b"\xb8") + mode.to_bytes(2, "little") + b"\xcd\x10"
    pixel = bytes((0xB8, COLOR, 0x0C, 0xBB, 0, 0, 0xB9, X, 0, 0xBA, Y, 0, 0xCD, 0x10))
    rom = bytearray(b"\x55\xaa\x01" + set_mode + pixel + b"\xb0\x00\xe6\xf4\xfa\xf4\xeb\xfd")
    rom += bytes(512 - len(rom))
    rom[-1] = -sum(rom) & 0xFF
    return bytes(rom)


@pytest.fixture
def screen_of(make_machine):
    """The picture after the option ROM for a mode has run, and the machine."""
    need_seabios("bios-256k.bin", "vgabios-stdvga.bin")

    def run(mode):
        machine = make_machine(machine="pc", bios="seabios", ram_size=32 << 20, globals={("VGA", "romfile"): "vgabios-stdvga.bin"},
                               devices=[("isa-debug-exit", {"iobase": "0xf4", "iosize": "4"})])
        machine.fw_cfg.add_file("genroms/test.rom", option_rom(mode))
        assert machine.run() == 1
        return machine.vga.picture(), machine
    return run


@pytest.mark.parametrize("mode, size, dot", [
    (0x04, (640, 400), 2), (0x06, (640, 400), (1, 2)), (0x0D, (640, 400), 2), (0x10, (640, 350), 1), (0x12, (640, 480), 1),
    (0x13, (640, 400), 2)])
def test_a_pixel_is_where_it_was_put(screen_of, mode, size, dot):
    picture, _ = screen_of(mode)
    width, height = dot if isinstance(dot, tuple) else (dot, dot)
    assert picture.shape[1::-1] == size
    lines, columns = np.nonzero(picture.any(axis=2))
    assert sorted(set(lines)) == list(range(Y * height, (Y + 1) * height))
    assert sorted(set(columns)) == list(range(X * width, (X + 1) * width))


@pytest.mark.parametrize("mode, size, bpp", [(0x101, (640, 480), 8), (0x4117, (1024, 768), 16), (0x4144, (1024, 768), 32)])
def test_vbe_modes_are_set(screen_of, mode, size, bpp):
    picture, machine = screen_of(mode)
    assert picture.shape[1::-1] == size
    assert machine.vga.dispi.s.bpp == bpp
