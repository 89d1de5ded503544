"""SYSTEMS row 37, pc_vga_init: the standard VGA on PCI and ISA; what a kernel finds without a BIOS."""
from pathlib import Path

import numpy as np
import pytest

from qemu_py.util.datadir import OUR_DIR
from qemu_py.util.errors import UserError

VGABIOS = (Path(OUR_DIR) / "vgabios.bin").read_bytes()
GOLDEN = Path(__file__).parent.parent / "golden/text_mode_3.txt"
CONFADD, CONFDATA = 0xCF8, 0xCFC
VENDOR, COMMAND, CLASS, BAR0, BAR2, ROM = 0x00, 0x04, 0x08, 0x10, 0x18, 0x30
LFB, MMIO, ROM_BASE = 0xE0000000, 0xF0000000, 0xF0010000
MMIO_3C0, MMIO_DISPI = 0x400, 0x500


class Card:
    def __init__(self, machine):
        self.machine = machine
        self.where, = (where for where, device in machine.pci.devices.items() if device.VENDOR_ID == 0x1234)
        self.memory = machine.memory.address_space_memory

    def config(self, offset, value=None, size=4):
        physmap = self.machine.memory.physmap
        physmap.port_write(CONFADD, 0x80000000 | self.where << 8 | offset, 4)
        if value is None:
            return physmap.port_read(CONFDATA, size)
        physmap.port_write(CONFDATA, value, size)


@pytest.fixture
def card(make_machine):
    machine = make_machine(machine="pc")
    with machine.main_loop.lock:
        machine.system_reset()
        card = Card(machine)
        card.config(BAR0, LFB)
        card.config(BAR2, MMIO)
        card.config(COMMAND, 3, 2)
        yield card


def test_it_is_1234_1111_a_vga_controller(card):
    assert card.config(VENDOR) == 0x11111234
    assert card.config(CLASS) >> 8 == 0x030000


def test_bar_0_is_16_mib_of_prefetchable_memory_and_bar_2_a_page(card):
    for offset, size, kind in ((BAR0, 16 << 20, 8), (BAR2, 4096, 0)):
        saved = card.config(offset)
        card.config(offset, 0xFFFFFFFF)
        assert card.config(offset) == 0x100000000 - size | kind
        card.config(offset, saved)


def test_the_frame_buffer_is_at_bar_0(card):
    card.memory.write(LFB + 0xABCDE, b"pixel")
    assert bytes(card.machine.vga.mem.vram.view[0xABCDE:0xABCDE + 5]) == b"pixel"


def test_bar_2_repeats_the_ports(card):
    card.memory.st(MMIO + MMIO_3C0 + 0x0E, 0x5A08, 2)       # 3CEh: bit mask
    card.machine.memory.physmap.port_write(0x3CE, 8)
    assert card.machine.memory.physmap.port_read(0x3CF) == 0x5A
    assert card.memory.ld(MMIO + MMIO_3C0 + 0x0F, 1) == 0x5A


def test_bar_2_has_the_dispi_registers(card):
    assert card.memory.ld(MMIO + MMIO_DISPI, 2) == 0xB0C5
    card.memory.st(MMIO + MMIO_DISPI + 2, 800, 2)
    card.machine.memory.physmap.port_write(0x1CE, 1, 2)
    assert card.machine.memory.physmap.port_read(0x1CF, 2) == 800
    card.machine.memory.physmap.port_write(0x1CE, 0, 2)
    card.memory.ld(MMIO + MMIO_DISPI + 4, 2)
    assert card.machine.memory.physmap.port_read(0x1CE, 2) == 0


def test_the_vga_bios_is_its_expansion_rom(card):
    card.config(ROM, ROM_BASE | 1)
    assert card.memory.read(ROM_BASE, len(VGABIOS)) == VGABIOS


def small_rom(path):
    path.write_bytes(b"\x55\xaa\x01".ljust(512, b"R"))
    return path.read_bytes()


def test_another_rom_is_given_by_romfile(make_machine, tmp_path):
    rom = small_rom(tmp_path / "other.rom")
    machine = make_machine(machine="pc", globals={("VGA", "romfile"): str(tmp_path / "other.rom")})
    with machine.main_loop.lock:
        card = Card(machine)
        card.config(ROM, ROM_BASE | 1)
        card.config(COMMAND, 3, 2)
        assert card.memory.read(ROM_BASE, 512) == rom


def test_a_card_of_device_has_its_rom_too(make_machine):
    machine = make_machine(machine="pc", vga="none", devices=[("VGA", {})])
    with machine.main_loop.lock:
        card = Card(machine)
        card.config(ROM, ROM_BASE | 1)
        card.config(COMMAND, 3, 2)
        assert card.memory.read(ROM_BASE, 2) == b"\x55\xaa"


def test_an_empty_romfile_is_no_rom(make_machine):
    machine = make_machine(machine="pc", globals={("VGA", "romfile"): ""})
    with machine.main_loop.lock:
        card = Card(machine)
        card.config(ROM, 0xFFFFFFFF)
        assert card.config(ROM) == 0


@pytest.mark.parametrize("name, contents", [("missing.rom", None), ("text.rom", b"no ROM"), (".", None)])
@pytest.mark.parametrize("board, device", [("pc", "VGA"), ("isapc", "isa-vga")])
def test_what_is_no_option_rom_is_refused(make_machine, tmp_path, board, device, name, contents):
    if contents is not None:
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(UserError, match="romfile") as error:
        make_machine(machine=board, globals={(device, "romfile"): str(tmp_path / name)})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("board", ["isapc", "pc"])
def test_a_kernel_without_a_bios_finds_text_mode_3_with_a_font(make_machine, board):
    machine = make_machine(machine=board)
    with machine.main_loop.lock:
        machine.system_reset()
        assert machine.vga.screen_text() == [""] * 25
        machine.memory.address_space_memory.write(0xB8000, b"O\x0cK\x0c")
        assert machine.vga.screen_text()[0] == "OK"
        picture = machine.vga.picture()
        assert picture.shape == (400, 720, 3)
        letters = picture[:16, :18]
        assert np.unique(letters.reshape(-1, 3), axis=0).tolist() == [[0, 0, 0], [255, 85, 85]]     # light red


def test_text_mode_3_looks_as_ever(make_machine):
    """A golden screen: to accept a new one, copy what was printed to the file."""
    machine = make_machine(machine="isapc")
    with machine.main_loop.lock:
        machine.system_reset()
        text = "┌Text─┐ gjpqy, 80×25 ░▒▓█".replace("×", "x").encode("cp437")
        machine.memory.address_space_memory.write(0xB8000, b"".join(bytes((code, 0x1F)) for code in text))
        dots = machine.vga.picture()[:16, :9 * len(text), 0] != 0          # white on blue: ink has red in it
    screen = "".join("".join(".#"[dot] for dot in line) + "\n" for line in dots.astype(int))
    print(screen)
    assert screen == GOLDEN.read_text()


@pytest.mark.parametrize("board", ["isapc", "pc"])
def test_vga_none_leaves_it_out(make_machine, board):
    machine = make_machine(machine=board, vga="none")
    with machine.main_loop.lock:
        machine.system_reset()
        assert machine.vga is None
        assert "vga" not in machine.info_mtree()
        assert machine.memory.physmap.port_read(0x3CC) == 0xFF


def test_a_display_follows_a_running_guest(make_machine):
    from qemu_py.machine.pc_vga import open_display
    # mov byte [B8000h], DBh; again: inc byte [B8001h]; jmp again
    machine = make_machine(b"\xc6\x05\x00\x80\x0b\x00\xdb" b"\xfe\x05\x01\x80\x0b\x00" b"\xeb\xf8", machine="isapc")
    display = open_display(machine)
    timer, seen = None, set()

    def refresh():
        seen.add(tuple(display.update().pixels[0, 0]))
        if len(seen) < 4:
            timer.mod_ns(machine.clocks.rt.get_ns() + 1_000_000)
        else:
            machine.request_exit(3)
    timer = machine.clocks.rt.timer(refresh, "refresh")
    timer.mod_ns(machine.clocks.rt.get_ns())
    assert machine.run() == 3
