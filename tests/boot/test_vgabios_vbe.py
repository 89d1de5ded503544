"""VBE 3.0 of our VGA BIOS; offsets in its information blocks are those of the standard."""
import struct

import numpy as np
import pytest

from tests.boot.screens import need_seabios
from tests.boot.vga_guest import DATA, poke, run_guest

OK, FAILED, NOT_NOW, ABSENT = 0x004F, 0x014F, 0x034F, 0x0100
LINEAR, NO_CLEAR = 0x4000, 0x8000
MODES = {0x100: (640, 400, 8), 0x101: (640, 480, 8), 0x102: (800, 600, 4), 0x103: (800, 600, 8), 0x104: (1024, 768, 4),
         0x105: (1024, 768, 8), 0x106: (1280, 1024, 4), 0x107: (1280, 1024, 8), 0x10D: (320, 200, 15), 0x10E: (320, 200, 16),
         0x10F: (320, 200, 24), 0x110: (640, 480, 15), 0x111: (640, 480, 16), 0x112: (640, 480, 24), 0x113: (800, 600, 15),
         0x114: (800, 600, 16), 0x115: (800, 600, 24), 0x116: (1024, 768, 15), 0x117: (1024, 768, 16), 0x118: (1024, 768, 24),
         0x119: (1280, 1024, 15), 0x11A: (1280, 1024, 16), 0x11B: (1280, 1024, 24), 0x144: (1024, 768, 32), 0x189: (1920, 1200, 32)}

TEXT_MODES = {0x108: (80, 60), 0x109: (132, 25), 0x10A: (132, 43), 0x10B: (132, 50), 0x10C: (132, 60)}


@pytest.fixture
def guest(make_machine):
    return lambda *steps, **config: run_guest(make_machine, *steps, **config)


def codes(results):
    return [result.ax for result in results]


def word(block, at):
    return int.from_bytes(block[at:at + 2], "little")


def dword(block, at):
    return int.from_bytes(block[at:at + 4], "little")


def mode_list(g, block):
    at, modes = g.far(DATA + 14), []
    while (mode := g.word(at)) != 0xFFFF:
        modes.append(mode)
        at += 2
    return modes


def test_the_controller_tells_of_itself(guest):
    g = guest(poke(DATA, b"VBE2"), dict(ax=0x4F00, di=0))
    block = g.read(DATA, 512)
    assert g.results[1].ax == OK
    assert block[:6] == b"VESA\x00\x03" and dword(block, 10) & 1            # the DAC can have 8 bits
    assert word(block, 18) == g.machine.vga.mem.size >> 16
    for pointer in (6, 22, 26, 30):
        assert g.read(g.far(DATA + pointer), 8) == b"qemu_py "
    assert set(MODES) <= set(mode_list(g, block))


def test_without_vbe2_the_block_is_256_bytes(guest):
    g = guest(poke(DATA + 256, b"beyond"), dict(ax=0x4F00, di=0))
    assert g.results[1].ax == OK
    assert g.read(DATA + 256, 6) == b"beyond" and g.read(DATA + 20, 2) == b"\0\0"


def test_every_mode_of_the_list_is_described_and_fits(guest):
    listed = mode_list(g := guest(dict(ax=0x4F00, di=0)), None)
    g = guest(*(dict(ax=0x4F01, cx=mode, di=256 * n) for n, mode in enumerate(listed)))
    assert codes(g.results) == [OK] * len(listed)
    for n, mode in enumerate(listed):
        block = g.read(DATA + 256 * n, 256)
        width, height, bpp = word(block, 18), word(block, 20), block[25]
        if mode in TEXT_MODES:
            assert (width, height, block[27]) == (*TEXT_MODES[mode], 0) and word(block, 0) == 0x0F and word(block, 8) == 0xB800
            continue
        assert MODES.get(mode, (width, height, bpp)) == (width, height, bpp)
        planes = 4 if bpp == 4 else 1
        line = width // 8 if bpp == 4 else width * ((bpp + 7) // 8)
        assert word(block, 16) == line and planes * line * height <= g.machine.vga.mem.size
        assert block[24] == planes and block[27] == {4: 3, 8: 4}.get(bpp, 6)
        assert (word(block, 4), word(block, 6), word(block, 8)) == (64, 64, 0xA000)
        if bpp == 4:
            assert word(block, 0) == 0x1F and not dword(block, 40)
        else:
            card = next(device for device in g.machine.pci.devices.values() if device.VENDOR_ID == 0x1234)
            assert word(block, 0) == 0x9F and dword(block, 40) == card.config_word(0x10, 4) & ~15
            assert word(block, 50) == line
        if bpp > 8:
            assert block[31:39] == {15: b"\5\x0a\5\5\5\0\1\x0f", 16: b"\5\x0b\6\5\5\0\0\0", 24: b"\x08\x10\x08\x08\x08\0\0\0",
                                    32: b"\x08\x10\x08\x08\x08\0\x08\x18"}[bpp]
            assert block[31:39] == block[54:62]


@pytest.mark.parametrize("bios", ["bios.bin", "seabios"])
def test_a_linear_mode_is_set_and_shown(guest, bios):
    if bios == "seabios":
        need_seabios("bios-256k.bin")
    g = guest(dict(ax=0x4F02, bx=0x117 | LINEAR), dict(ax=0x4F03, bx=0), dict(ax=0x4F01, cx=0x117, di=0), bios=bios)
    assert codes(g.results) == [OK] * 3 and g.results[1].bx == 0x117 | LINEAR
    frame_buffer = g.dword(DATA + 40)
    g.machine.memory.address_space_memory.write(frame_buffer + 2 * (1024 * 100 + 50), b"\x00\xf8\xe0\x07\x1f\x00")
    picture = g.machine.vga.picture()
    assert picture.shape == (768, 1024, 3)
    assert picture[100, 49:54].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]]


@pytest.mark.parametrize("mode", TEXT_MODES)
def test_text_modes_beyond_the_vga_s_own(guest, mode):
    columns, rows = TEXT_MODES[mode]
    last = [dict(ax=0x0200, bx=0, dx=rows - 1 << 8 | columns - 1), dict(ax=0x0923, bx=0x0F, cx=1)]
    g = guest(dict(ax=0x4F02, bx=mode), dict(ax=0x4F03), *(dict(ax=0x0E00 | code) for code in b"a" * columns + b"b"), *last, dict(ax=0x0F00),
              dict(ax=0x1130, bx=0x0100))
    assert codes(g.results[:2]) == [OK, OK] and g.results[1].bx == mode
    assert len(g.screen) == rows and g.screen[:2] == ["a" * columns, "b"] and g.screen[-1] == " " * (columns - 1) + "#"
    assert g.results[-2].ax >> 8 == columns and g.results[-1].dx & 0xFF == rows - 1
    dots = 8 if columns == 132 else 9
    height = 16 if rows == 25 else 8
    picture = g.machine.vga.picture()
    assert picture.shape == (rows * height, columns * dots, 3)
    assert picture[-height:, -dots:].any() and not picture[-height:, :-dots].any()


def test_on_isapc_the_frame_buffer_is_where_it_always_is(guest):
    g = guest(dict(ax=0x4F02, bx=0x144 | LINEAR), dict(ax=0x4F01, cx=0x144, di=0), machine="isapc")
    assert codes(g.results) == [OK] * 2
    assert g.dword(DATA + 40) == 0xE0000000
    g.machine.memory.address_space_memory.write(0xE0000000, b"\x30\x20\x10\0")
    assert g.machine.vga.picture()[0, :2].tolist() == [[0x10, 0x20, 0x30], [0, 0, 0]]


# ---------------------------------------------------------------- timings of one's own (function 02h, bit 11; CRTCInfoBlock)
OWN_TIMING = 0x0800
# VESA's Display Monitor Timings for 1024 x 768 at 75 Hz: pixels and lines to the end of the frame, of the picture, of the pulse
XGA_75 = dict(ht=1312, hs=1040, he=1136, vt=800, vs=769, ve=772, flags=0, clock=78_750_000, refresh=7503)


def crtc_info(**changes):
    return struct.pack("<6HBIH", *(XGA_75 | changes).values()).ljust(59, b"\0")


@pytest.mark.parametrize("changes, hz, misc", [({}, 75.03, 0x00), ({"flags": 0x0C}, 75.03, 0xC0), ({"flags": 0x04}, 75.03, 0x40),
                                               ({"clock": 126_000_000, "refresh": 12005}, 120.05, 0x00)])
def test_a_timing_of_one_s_own(guest, changes, hz, misc):
    """The retrace comes as often as asked, in its place in the frame; the synchronization pulses have their polarity."""
    g = guest(poke(DATA, crtc_info(**changes)), dict(ax=0x4F02, bx=0x117 | LINEAR | OWN_TIMING, di=0), dict(ax=0x4F03))
    assert codes(g.results[1:]) == [OK, OK] and g.results[2].bx == 0x117 | LINEAR
    timing = g.machine.vga.frame_timing()
    assert abs(1e9 / timing.frame_ns / hz - 1) < 0.005
    assert abs(timing.retrace_start / timing.vertical_total - 769 / 800) < 0.01 and timing.retrace_lines >= 1
    assert g.machine.vga.s.misc & 0xC0 == misc
    assert g.machine.vga.picture().shape == (768, 1024, 3)


@pytest.mark.parametrize("changes", [{"flags": 0x01}, {"flags": 0x02}, {"flags": 0x10}, {"clock": 0}, {"clock": 400_000_000}, {"refresh": 0}, {"refresh": 900},
                                     {"hs": 1000}, {"he": 1040}, {"he": 1313}, {"vs": 760}, {"ve": 769}, {"ve": 801}, {"vt": 700}])
def test_a_timing_that_cannot_be_is_refused(guest, changes):
    """Double scan and interlace, which no mode's attributes offer; parts that overlap; a clock beyond the mode's."""
    g = guest(poke(DATA, crtc_info(**changes)), dict(ax=0x4F02, bx=0x101), dict(ax=0x4F02, bx=0x117 | OWN_TIMING, di=0), dict(ax=0x4F03))
    assert codes(g.results[1:]) == [OK, FAILED, OK] and g.results[3].bx == 0x101


def test_only_graphics_modes_have_timings(guest):
    g = guest(poke(DATA, crtc_info()), dict(ax=0x4F02, bx=0x109 | OWN_TIMING, di=0), dict(ax=0x4F02, bx=0x013 | OWN_TIMING, di=0))
    assert codes(g.results[1:]) == [FAILED, FAILED]


def test_pixel_clocks_up_to_the_highest(guest):
    g = guest(dict(ax=0x4F0B, bx=0, cx=78_750_000, dx=0x117), dict(ax=0x4F0B, bx=0, cx=400_000_000, dx=0x117), dict(ax=0x4F0B, bx=0, cx=1, dx=0x12A), dict(ax=0x4F0B, bx=1, cx=1, dx=0x117), dict(ax=0x4F01, cx=0x117, di=0))
    assert codes(g.results) == [OK, OK, FAILED, FAILED, OK]
    assert g.results[0].cx == 78_750_000 & 0xFFFF and g.results[1].cx == g.dword(DATA + 62) & 0xFFFF


def test_modes_that_are_not_there_are_refused(guest):
    g = guest(dict(ax=3), *(dict(ax=0x4F02, bx=mode) for mode in (0x12A, 0x1FF, 0x102 | LINEAR, 0x55, 0x3 | LINEAR)), dict(ax=0x4F01, cx=0x12A, di=0),
              dict(ax=0x4F03), dict(ax=0x4F33), dict(ax=0x4F06, bx=1), dict(ax=0x4F07, bx=1))
    assert codes(g.results[1:]) == [FAILED] * 6 + [OK, ABSENT, NOT_NOW, NOT_NOW]
    assert g.results[7].bx == 3


def test_the_old_modes_are_set_by_vbe_too_and_end_one_of_its_own(guest):
    g = guest(dict(ax=0x4F02, bx=0x101), dict(ax=0x4F02, bx=0x13), dict(ax=0x4F03), dict(ax=0x0F00))
    assert codes(g.results[:3]) == [OK] * 3
    assert g.results[2].bx == 0x13 and g.results[3].ax == 0x2813
    assert not g.machine.vga.dispi.enabled


def test_the_memory_is_cleared_unless_it_is_not_to_be(guest):
    g = guest(dict(ax=0x4F02, bx=0x101), dict(ax=0x0C55, bx=0, cx=9, dx=300), dict(ax=0x4F02, bx=0x101 | NO_CLEAR), dict(ax=0x4F03),
              dict(ax=0x0D00, bx=0, cx=9, dx=300), dict(ax=0x4F02, bx=0x101), dict(ax=0x0D00, bx=0, cx=9, dx=300))
    assert g.results[3].bx == 0x101 | NO_CLEAR
    assert g.results[4].ax & 0xFF == 0x55 and g.results[6].ax & 0xFF == 0


def test_banks(guest):
    g = guest(dict(ax=0x4F02, bx=0x101), dict(ax=0x4F05, bx=0x0000, dx=3), dict(ax=0x4F05, bx=0x0100), dict(ax=0x4F05, bx=0x0000, dx=0x7FFF),
              dict(ax=0x4F05, bx=0x0001, dx=0))
    assert codes(g.results) == [OK, OK, OK, FAILED, FAILED]
    assert g.results[2].dx == 3
    g.machine.memory.address_space_memory.write(0xA0000, b"\x0f")
    assert g.machine.vga.mem.vram.view[3 << 16] == 0x0F


def test_lines_are_made_longer_and_the_picture_moved(guest):
    g = guest(dict(ax=0x4F02, bx=0x101), dict(ax=0x4F06, bx=0, cx=1001), dict(ax=0x4F07, bx=0, cx=17, dx=70), dict(ax=0x4F07, bx=1),
              dict(ax=0x4F06, bx=1), dict(ax=0x4F06, bx=3), dict(ax=0x4F06, bx=2, cx=700), dict(ax=0x4F07, bx=0, cx=0, dx=0xFFF0),
              dict(ax=0x4F07, bx=1), dict(ax=0x4F07, bx=2, ecx=704 * 9 + 8), dict(ax=0x4F07, bx=1), dict(ax=0x4F07, bx=4))
    assert codes(g.results) == [OK] * 7 + [FAILED] + [OK] * 4
    size = g.machine.vga.mem.size
    assert (g.results[1].bx, g.results[1].cx, g.results[1].dx) == (1008, 1008, size // 1008)
    assert (g.results[3].cx, g.results[3].dx, g.results[3].bx >> 8) == (17, 70, 0)
    assert g.results[4].bx == 1008
    assert g.results[5].cx == g.results[5].bx >= 1008
    assert (g.results[6].bx, g.results[6].cx) == (704, 704)
    assert (g.results[8].cx, g.results[8].dx) == (17, 70)
    assert (g.results[10].cx, g.results[10].dx) == (8, 9)


def test_dac_of_8_bits_and_palette(guest):
    g = guest(dict(ax=0x4F02, bx=0x101), dict(ax=0x4F08, bx=1), poke(DATA, b"\x10\x20\x30\0\x11\x21\x31\0"), dict(ax=0x4F09, bx=0, cx=2, dx=7, di=0),
              dict(ax=0x4F08, bx=0x0800), dict(ax=0x4F09, bx=0x80, cx=1, dx=9, di=4), dict(ax=0x4F09, bx=1, cx=3, dx=7, di=0x100),
              dict(ax=0x4F09, bx=2, cx=1, dx=0, di=0), dict(ax=0x4F02, bx=0x111), dict(ax=0x4F08, bx=1))
    assert codes(g.results[:2] + g.results[3:]) == [OK] * 6 + [FAILED, OK, NOT_NOW]
    assert g.results[1].bx >> 8 == 6 and g.results[4].bx >> 8 == 8
    assert g.read(DATA + 0x100, 12) == b"\x10\x20\x30\0\x11\x21\x31\0\x11\x21\x31\0"


def test_state_is_saved_and_restored(guest):
    g = guest(dict(ax=0x4F02, bx=0x103), dict(ax=0x4F07, bx=0, cx=8, dx=5), dict(ax=0x0C21, bx=0, cx=1, dx=1), dict(ax=0x4F04, dx=0, cx=15),
              dict(ax=0x4F04, dx=1, cx=15, bx=0), dict(ax=0x4F02, bx=0x03 | NO_CLEAR), dict(ax=0x4F04, dx=2, cx=15, bx=0), dict(ax=0x4F03),
              dict(ax=0x4F07, bx=1))
    assert codes(g.results[3:]) == [OK] * 6
    assert 0 < g.results[3].bx < 64
    assert g.results[7].bx & 0x3FFF == 0x103
    assert (g.results[8].cx, g.results[8].dx) == (8, 5)
    assert g.machine.vga.picture().shape == (600, 800, 3)


@pytest.mark.parametrize("mode, color, rgb", [(0x101, 12, (255, 85, 85)), (0x102, 12, (255, 85, 85)), (0x104, 12, (255, 85, 85)),
                                              (0x110, 12, (255, 82, 82)), (0x111, 12, (255, 85, 82)), (0x112, 12, (255, 85, 85)), (0x142, 6, (170, 85, 0))])
def test_text_is_written_and_scrolled_in_every_depth(guest, mode, color, rgb):
    from tests.boot.test_vgabios_graphics import glyph
    width, height, _ = MODES.get(mode, (640, 480, 32))
    rows = height // 16
    g = guest(dict(ax=0x4F02, bx=mode), dict(ax=0x0200, bx=0, dx=rows - 1 << 8 | 2), *(dict(ax=0x0E00 | code, bx=color) for code in b"Hi\r\nx"))
    picture = g.machine.vga.picture()
    assert picture.shape == (height, width, 3)
    expected = np.zeros((height, width), bool)
    top = (rows - 2) * 16
    for n, code in enumerate(b"Hi"):
        expected[top:top + 16, 16 + 8 * n:24 + 8 * n] = glyph(code, 16)
    expected[top + 16:top + 32, :8] = glyph(ord("x"), 16)
    assert (picture.any(axis=2) == expected).all()
    assert picture[expected].tolist() == [list(rgb)] * int(expected.sum())


def test_the_display_tells_of_itself(guest):
    g = guest(dict(ax=0x4F15, bx=0), dict(ax=0x4F15, bx=1, dx=0, di=0), dict(ax=0x4F15, bx=1, dx=1, di=0))
    assert codes(g.results) == [OK, OK, FAILED] and g.results[0].bx & 0x02
    edid = g.read(DATA, 128)
    assert edid[:8] == b"\0\xff\xff\xff\xff\xff\xff\0" and sum(edid) & 0xFF == 0
    assert edid[18:20] == b"\1\3" and b"qemu_py\n" in edid
    timing = edid[54:72]
    assert timing[2] | timing[4] >> 4 << 8 == 1024 and timing[5] | timing[7] >> 4 << 8 == 768


def test_power_of_the_display(guest):
    g = guest(dict(ax=0x4F02, bx=0x101), dict(ax=0x0C0F, bx=0, cx=1, dx=1), dict(ax=0x4F10, bx=0), dict(ax=0x4F10, bx=0x0401), dict(ax=0x4F10, bx=2))
    assert codes(g.results[2:]) == [OK] * 3
    assert g.results[2].bx == 0x0710 and g.results[4].bx >> 8 == 4
    assert not g.machine.vga.picture().any()


# ---------------------------------------------------------------- the protected mode interface
class Routines:
    """Those of function 0Ah, copied into a bare CPU that has the machine's ports."""

    def __init__(self, g):
        from qemu_py import CPU
        table, size = g.results[-1].es * 16 + g.results[-1].di, g.results[-1].cx
        code = g.read(table, size)
        self.window, self.start, self.palette, self.ports = (word(code, at) for at in (0, 2, 4, 6))
        self.code, physmap = code, g.machine.memory.physmap

        half = []                       # the bare CPU's bus has words at odd ports in two halves

        def port(address, size, write, value):
            if address == 0x1CF and size == 1:
                half[:] = [value if write else physmap.port_read(0x1CF, 2)]
                return half[0] & 0xFF
            if address == 0x1D0 and size == 1:
                if write:
                    physmap.port_write(0x1CF, half[0] | value << 8, 2)
                return half[0] >> 8
            if write:
                return physmap.port_write(address, value, size)
            return physmap.port_read(address, size)
        self.cpu = CPU("qemu32", ram=1 << 20, on_port=port)
        self.cpu.write(0x1000, code)

    def __call__(self, entry, **registers):
        cpu = self.cpu
        cpu.write(0x0F00, b"\xe8" + (0x1000 + entry - 0x0F05).to_bytes(4, "little"))
        for name, value in registers.items():
            setattr(cpu, name, value)
        cpu.esp, cpu.eip = 0x80000, 0x0F00
        before = cpu.esp
        cpu.run(until=0x0F05, steps=1_000_000)
        assert cpu.eip == 0x0F05 and cpu.esp == before
        return cpu.eax & 0xFFFF


def test_protected_mode_routines_set_bank_start_and_palette(guest):
    g = guest(dict(ax=0x4F02, bx=0x111), dict(ax=0x4F0A, bx=0))
    assert g.results[-1].ax == OK
    call, dispi = Routines(g), g.machine.vga.dispi.s
    assert call(call.window, eax=0x4F05, ebx=0, edx=5) == OK and dispi.bank == 5
    at = (640 * 7 + 24) * 2 // 4
    assert call(call.start, eax=0x4F07, ebx=0, ecx=at & 0xFFFF, edx=at >> 16) == OK
    assert (dispi.x_offset, dispi.y_offset) == (24, 7)
    at = 640 * 2 * 100 // 4
    assert call(call.start, eax=0x4F07, ebx=0x80, ecx=at & 0xFFFF, edx=at >> 16) == OK
    assert (dispi.x_offset, dispi.y_offset) == (0, 100)
    call.cpu.write(0x4000, b"\x01\x02\x03\0\x04\x05\x06\0")
    assert call(call.palette, eax=0x4F09, ebx=0, ecx=2, edx=10, edi=0x4000) == OK
    assert bytes(g.machine.vga.s.dac[30:36]) == b"\3\2\1\6\5\4"


def test_the_protected_mode_interface_names_its_ports(guest):
    g = guest(dict(ax=0x4F0A, bx=0))
    call = Routines(g)
    ports = []
    while (port := word(call.code, call.ports + 2 * len(ports))) != 0xFFFF:
        ports.append(port)
    assert {0x1CE, 0x1CF, 0x3C8, 0x3C9, 0x3DA} <= set(ports)


# ---------------------------------------------------------------- the protected mode entry point
CODE, DATA_ALIAS, BIOS_DATA, A0000, B0000, B8000, STACK, CODE_16, FLAT, BUFFER = range(0x08, 0x58, 8)
IMAGE, BIOS_BLOCK, BUFFER_AT, STACK_AT = 0x20000, 0x30000, 0x40000, 0x50000


def descriptor(base, limit, access, big=0):
    return struct.pack("<HHBBBB", limit & 0xFFFF, base & 0xFFFF, base >> 16 & 0xFF, access, limit >> 16 & 15 | big, base >> 24)


class ProtectedMode:
    """The image in a bare CPU's memory, with the machine's ports, set up as the standard tells programs to."""

    def __init__(self, g):
        self.routines = Routines(g) if g.results else None
        image = g.read(0xC0000, 0x8800)
        pmid = image.index(b"PMID")
        assert pmid < 0x8000 and sum(image[pmid:pmid + 20]) & 0xFF == 0
        self.entry, init, *segments = struct.unpack_from("<7H", image, pmid + 4)
        assert segments == [0, 0xA000, 0xB000, 0xB800, 0xC000] and image[pmid + 18] == 0
        image = bytearray(image)
        struct.pack_into("<5HB", image, pmid + 8, BIOS_DATA, A0000, B0000, B8000, DATA_ALIAS, 1)
        cpu = self.cpu = self.routines.cpu
        table = bytes(8) + descriptor(IMAGE, 0xFFFF, 0x9B) + descriptor(IMAGE, 0xFFFF, 0x93) + descriptor(BIOS_BLOCK, 0x5FF, 0x93) \
            + b"".join(descriptor(base, size, 0x93) for base, size in ((0xA0000, 0xFFFF), (0xB0000, 0xFFFF), (0xB8000, 0x7FFF))) \
            + descriptor(STACK_AT, 0xFFFF, 0x93) + descriptor(0, 0xFFFF, 0x9B) + descriptor(0, 0xFFFFF, 0x9B, 0xC0) + descriptor(BUFFER_AT, 0xFFFF, 0x93)
        cpu.write(0x2000, table)
        cpu.write(0x2100, struct.pack("<HI", len(table) - 1, 0x2000))
        cpu.write(IMAGE, bytes(image))
        cpu.write(BIOS_BLOCK, bytes(0x600))
        self.call(init)

    def call(self, offset, **registers):
        """A far call of 16 bits, with a stack of 16 bits; ES is the buffer's selector."""
        from tests.guest import asm
        values = "".join(f"mov {name}, {value};" for name, value in registers.items())
        start = asm("lgdt cs:[0x2100]; mov ax, 0x38; mov ss, ax; mov esp, 0x1000;", 0x3000) + b"\xea\x00\x31\x00\x00\x40\x00"
        code = asm(f"mov ax, {BUFFER}; mov es, ax; mov ds, ax; {values}", 0x3100, 16) + b"\x9a" + struct.pack("<HH", offset, CODE)
        end = 0x3000 + len(start)
        self.cpu.write(0x3000, start)
        self.cpu.write(0x3100, code + b"\x66\xea" + struct.pack("<IH", end, FLAT))
        self.cpu.eip = 0x3000
        self.cpu.run(until=end, steps=2_000_000)
        assert self.cpu.eip == end and self.cpu.esp == 0x1000, (hex(self.cpu.eip), hex(self.cpu.esp))
        return self.cpu.eax & 0xFFFF

    def __call__(self, **registers):
        return self.call(self.entry, **registers)


@pytest.fixture
def protected(guest):
    g = guest(dict(ax=3), dict(ax=0x4F0A, bx=0))
    call = ProtectedMode(g)
    call.machine = g.machine
    return call


def test_protected_mode_asks_for_information(protected):
    protected.cpu.write(BUFFER_AT, b"VBE2")
    assert protected(eax=0x4F00, edi=0) == OK
    block = protected.cpu.read(BUFFER_AT, 512)
    assert block[:6] == b"VESA\x00\x03" and word(block, 8) in (CODE, DATA_ALIAS) and word(block, 16) == BUFFER
    assert protected.cpu.read(IMAGE + word(block, 6), 7) == b"qemu_py"
    assert protected(eax=0x4F01, ecx=0x117, edi=0) == OK
    assert struct.unpack_from("<HH", protected.cpu.read(BUFFER_AT, 256), 18) == (1024, 768)
    assert protected(eax=0x4F03) == OK and protected.cpu.ebx & 0xFFFF == 3


def test_protected_mode_sets_modes(protected):
    """A linear one; the old ones through the selectors for the video memory."""
    dispi = protected.machine.vga.dispi
    assert protected(eax=0x4F02, ebx=0x111 | LINEAR) == OK and dispi.enabled and (dispi.s.xres, dispi.s.bpp) == (640, 16)
    assert protected(eax=0x4F03) == OK and protected.cpu.ebx & 0xFFFF == 0x111 | LINEAR
    assert protected(eax=0x4F07, ebx=0, ecx=0, edx=7) == OK and dispi.s.y_offset == 7
    assert protected(eax=0x4F05, ebx=0, edx=3) == OK and dispi.s.bank == 3
    size = protected(eax=0x4F04, edx=0, ecx=15), protected.cpu.ebx & 0xFFFF
    assert size[0] == OK and protected(eax=0x4F04, edx=1, ecx=15, ebx=0) == OK
    protected.cpu.write(0xB8000, b"x" * 0x8000)
    assert protected(eax=0x4F02, ebx=0x03) == OK and not dispi.enabled
    assert protected.cpu.read(0xB8000, 8) == b" \x07" * 4
    assert protected(eax=0x4F04, edx=2, ecx=15, ebx=0) == OK and dispi.enabled and dispi.s.y_offset == 7


def test_protected_mode_sets_colours(protected):
    assert protected(eax=0x4F02, ebx=0x101) == OK
    protected.cpu.write(BUFFER_AT, b"\x01\x02\x03\0")
    assert protected(eax=0x4F09, ebx=0, ecx=1, edx=5, edi=0) == OK
    assert bytes(protected.machine.vga.s.dac[15:18]) == b"\3\2\1"
    assert protected(eax=0x4F15, ebx=1, edx=0, ecx=0, edi=0) == OK
    assert protected.cpu.read(BUFFER_AT, 8) == b"\0\xff\xff\xff\xff\xff\xff\0"


def test_the_window_function_can_be_called(guest):
    """What mode information names: a far routine of 16 bits."""
    g = guest(dict(ax=0x4F01, cx=0x101, di=0))
    far = g.read(DATA + 12, 4)
    # mov bx, 0; mov dx, 2; call far; mov [7000:0FF0], ax
    step = b"\xbb\0\0\xba\2\0\x9a" + far + b"\x1e\x68\0\x70\x1f\xa3\xf0\x0f\x1f"
    g = guest(dict(ax=0x4F02, bx=0x101), step)
    assert g.machine.vga.dispi.s.bank == 2 and g.word(0x70FF0) == OK
