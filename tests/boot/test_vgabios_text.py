"""Our VGA BIOS (pc-bios/vgabios) in text modes, asked by INT 10h; the register values are those of Ralf Brown's list."""
import pytest

from tests.boot.screens import need_seabios
from tests.boot.vga_guest import DATA, poke, run_guest

B8000 = 0xB8000
CURSOR, PAGE_START, SHAPE = 0x450, 0x44E, 0x460         # BIOS data area


@pytest.fixture
def guest(make_machine):
    return lambda *steps, **config: run_guest(make_machine, *steps, **config)


def teletype(text):
    return [dict(ax=0x0E00 | ord(letter), bx=7) for letter in text]


@pytest.mark.parametrize("board, bios", [("pc", "bios.bin"), ("isapc", "bios.bin"), ("pc", "seabios"), ("isapc", "seabios")])
def test_it_posts_under_either_bios_on_either_board(guest, board, bios):
    if bios == "seabios":
        need_seabios("bios-256k.bin", "bios.bin")
    g = guest(dict(ax=3), *teletype("hello"), dict(ax=0x0F00), dict(ax=0x1A00), dict(ax=0x1200, bx=0x10), machine=board, bios=bios)
    assert g.screen[0] == "hello"
    mode, combination, information = g.results[-3:]
    assert (mode.ax, mode.bx >> 8) == (0x5003, 0)
    assert (combination.ax & 0xFF, combination.bx) == (0x1A, 0x0008)        # a colour VGA and nothing else
    assert (information.bx, information.cx & 0xFF) == (0x0003, 0x09)        # colour, 256 KiB


@pytest.mark.parametrize("mode, columns, segment", [(0, 40, 0xB800), (1, 40, 0xB800), (2, 80, 0xB800), (3, 80, 0xB800), (7, 80, 0xB000)])
def test_text_modes_have_their_columns_and_memory(guest, mode, columns, segment):
    g = guest(dict(ax=mode), *teletype("x" * columns + "y"), dict(ax=0x0F00))
    assert g.screen[:2] == ["x" * columns, "y"] and len(g.screen) == 25
    assert g.read(16 * segment, 2) == b"x\x07"
    assert g.results[-1].ax == columns << 8 | mode
    assert g.machine.vga.picture().shape == (400, 720, 3)


def test_bit_7_of_the_mode_keeps_the_memory(guest):
    g = guest(dict(ax=3), *teletype("stays"), dict(ax=0x83), dict(ax=0x0F00))
    assert g.screen[0] == "stays"
    assert g.results[-1].ax == 0x5083


def test_a_mode_that_is_not_there_changes_nothing(guest):
    g = guest(dict(ax=3), *teletype("stays"), dict(ax=0x55), dict(ax=0x0F00))
    assert g.screen[0] == "stays" and g.results[-1].ax == 0x5003


def test_control_characters_of_the_teletype(guest):
    g = guest(dict(ax=3), *teletype("abc\bd\r\nnext\r>\n"), dict(ax=0x0300, bx=0))
    assert g.screen[:3] == ["abd", ">ext", ""]
    assert g.results[-1].dx == 0x0201


def test_the_bell_moves_nothing_and_is_over_again(guest):
    g = guest(dict(ax=3), *teletype("a\ab"))
    assert g.screen[0] == "ab"
    assert g.machine.memory.physmap.port_read(0x61) & 3 == 0


def test_the_last_line_scrolls_and_keeps_its_colours(guest):
    g = guest(dict(ax=3), dict(ax=0x0920, bx=0x1E, cx=2000), dict(ax=0x0200, bx=0, dx=0x1800), *teletype("end\r\n>"))
    assert g.screen[23:25] == ["end", ">"]
    assert g.read(B8000 + 24 * 160 + 150, 2) == b" \x1e"


def test_the_cursor_is_where_it_was_put_on_each_page(guest):
    g = guest(dict(ax=3), dict(ax=0x0200, bx=0x0000, dx=0x0510), dict(ax=0x0200, bx=0x0300, dx=0x0A20), dict(ax=0x0300, bx=0x0300),
              dict(ax=0x0300, bx=0))
    assert [result.dx for result in g.results[-2:]] == [0x0A20, 0x0510]
    assert g.word(CURSOR) == 0x0510 and g.word(CURSOR + 6) == 0x0A20
    from qemu_py.devices.vga_text import screen_cells
    assert screen_cells(g.machine.vga)[2] == (0x10, 5)


@pytest.mark.parametrize("shape, lines", [(0x0607, (13, 14)), (0x0007, (0, 15)), (0x0407, (8, 15)), (0x0D0E, (13, 14))])
def test_a_cga_cursor_is_scaled_to_the_character(guest, shape, lines):
    g = guest(dict(ax=3), dict(ax=0x0100, cx=shape), dict(ax=0x0300, bx=0))
    crtc = g.machine.vga.s.crtc
    assert (crtc[0x0A], crtc[0x0B]) == lines
    assert g.results[-1].cx == shape


def test_the_cursor_can_be_switched_off_and_taken_as_it_is(guest):
    g = guest(dict(ax=3), dict(ax=0x0100, cx=0x2000))
    assert g.machine.vga.s.crtc[0x0A] & 0x20
    g = guest(dict(ax=3), dict(ax=0x1201, bx=0x34), dict(ax=0x0100, cx=0x0607))
    assert (g.machine.vga.s.crtc[0x0A], g.machine.vga.s.crtc[0x0B]) == (6, 7)


def test_pages_are_shown_in_turn(guest):
    g = guest(dict(ax=3), *teletype("zero"), dict(ax=0x0502), *teletype("two"), dict(ax=0x0F00))
    assert g.screen[0] == "two"
    assert g.results[-1].bx >> 8 == 2
    assert g.word(PAGE_START) == 0x2000 and g.read(B8000 + 0x2000, 2) == b"t\x07"
    assert g.read(B8000, 2) == b"z\x07"


def numbered():
    """Rows "00..." to "24...", by function 13h."""
    rows = b"".join(b"%02d" % n * 5 for n in range(25))
    return [poke(DATA, rows), *(dict(ax=0x1300, bx=7, cx=10, dx=n << 8, bp=10 * n) for n in range(25))]


@pytest.mark.parametrize("down", [False, True])
def test_a_window_scrolls(guest, down):
    g = guest(dict(ax=3), *numbered(), dict(ax=0x0702 if down else 0x0602, bx=0x7000, cx=0x0502, dx=0x0A05))
    for row in range(25):
        here = b"%02d" % row * 5
        other = row - 2 if down else row + 2
        if 5 <= row <= 10:
            inner = b"    " if not 5 <= other <= 10 else (b"%02d" % other) * 2
            here = here[:2] + inner + here[6:]
        cells = g.read(B8000 + 160 * row, 20)
        assert cells[::2] == here, row
        blank = 5 <= row <= 10 and not 5 <= other <= 10
        assert cells[1::2] == b"\x07" * 2 + (b"\x70" if blank else b"\x07") * 4 + b"\x07" * 4


@pytest.mark.parametrize("function", [0x06, 0x07])
def test_scrolling_whole_rows_and_clearing(guest, function):
    g = guest(dict(ax=3), *numbered(), dict(ax=function << 8 | 3, bx=0x0700, cx=0, dx=0x184F))
    expected = ["%02d" % n * 5 for n in range(25)]
    assert g.screen == (expected[3:] + [""] * 3 if function == 6 else [""] * 3 + expected[:-3])
    g = guest(dict(ax=3), *numbered(), dict(ax=function << 8, bx=0x4E00, cx=0, dx=0xFFFF))
    assert g.screen == [""] * 25 and g.read(B8000 + 3998, 2) == b" \x4e"


def test_characters_are_written_and_read_back(guest):
    g = guest(dict(ax=3), dict(ax=0x0200, bx=0, dx=0x0303), dict(ax=0x0941, bx=0x1F, cx=3), dict(ax=0x0A42, bx=0x55, cx=1),
              dict(ax=0x0800, bx=0), dict(ax=0x0300, bx=0))
    assert g.read(B8000 + 2 * (3 * 80 + 3), 6) == b"B\x1fA\x1fA\x1f"
    assert g.results[-2].ax == 0x1F42
    assert g.results[-1].dx == 0x0303                   # the cursor stays


@pytest.mark.parametrize("how, cursor", [(0, 0x0101), (1, 0x0205), (2, 0x0101), (3, 0x0203)])
def test_a_string_is_written(guest, how, cursor):
    text = b"a\x1eb\x2ec\x3e" if how & 2 else b"ab\r\nde"
    g = guest(dict(ax=3), poke(DATA, text), dict(ax=0x0200, bx=0, dx=0x0101), dict(ax=0x1300 | how, bx=0x71, cx=3 if how & 2 else 6, dx=0x0200 if how & 2 else 0x0103),
              dict(ax=0x0300, bx=0))
    if how & 2:
        assert g.read(B8000 + 320, 6) == text
    else:
        assert g.screen[1:3] == ["   ab", "de"]
        assert g.read(B8000 + 160 + 7, 1) == b"\x71"
    assert g.results[-1].dx == (cursor if how & 2 or not how & 1 else 0x0202)


def test_8_by_8_characters_make_50_rows(guest):
    g = guest(dict(ax=3), dict(ax=0x1112, bx=0), dict(ax=0x1130, bx=0x0100), dict(ax=0x0200, bx=0, dx=0x3100), *teletype("last"))
    assert len(g.screen) == 50 and g.screen[49] == "last"
    assert (g.results[2].cx, g.results[2].dx & 0xFF) == (8, 49)
    assert g.machine.vga.picture().shape == (400, 720, 3)


@pytest.mark.parametrize("choice, lines, height", [(0, 200, 8), (1, 350, 14), (2, 400, 16)])
def test_scan_lines_of_text_modes(guest, choice, lines, height):
    g = guest(dict(ax=0x1200 | choice, bx=0x30), dict(ax=3), dict(ax=0x1130, bx=0), dict(ax=0x1B00, bx=0, di=0))
    assert g.results[0].ax & 0xFF == 0x12
    assert (g.results[2].cx, g.results[2].dx & 0xFF) == (height, 24)
    assert g.machine.vga.picture().shape[0] == (400 if lines == 200 else lines)
    state = g.read(DATA, 64)
    assert (state[4], state[0x22], state[0x23], state[0x2A]) == (3, 25, height, choice)
    assert g.read(g.far(DATA), 10) == b"\xff\xe0\x0f\0\0\0\0\x07\x08\x02"     # modes 0 to 7, 0Dh to 13h; scan lines; fonts


def test_state_is_saved_and_restored(guest):
    g = guest(dict(ax=3), dict(ax=0x1C00, cx=7), dict(ax=0x1010, bx=5, dx=0x1100, cx=0x2233), dict(ax=0x0200, bx=0, dx=0x0712),
              dict(ax=0x1C01, cx=7, bx=0), dict(ax=0x13), dict(ax=0x1C02, cx=7, bx=0), dict(ax=0x0F00), dict(ax=0x0300, bx=0),
              dict(ax=0x1015, bx=5))
    assert g.results[1].ax & 0xFF == 0x1C and 0 < g.results[1].bx < 64
    assert g.results[-3].ax == 0x5003 and g.results[-2].dx == 0x0712
    assert (g.results[-1].dx >> 8, g.results[-1].cx) == (0x11, 0x2233)
    assert g.machine.vga.picture().shape == (400, 720, 3)


def test_the_screen_can_be_switched_off(guest):
    g = guest(dict(ax=3), *teletype("dark"), dict(ax=0x1201, bx=0x36))
    assert not g.machine.vga.picture().any()
    g = guest(dict(ax=3), *teletype("light"), dict(ax=0x1201, bx=0x36), dict(ax=0x1200, bx=0x36))
    assert g.machine.vga.picture().any()


def test_switching_between_displays(guest):
    """BL=35h: off with its state at ES:DX, then on again; of a display on the board itself, which is not there, nothing is said."""
    g = guest(dict(ax=3), *teletype("light"), dict(ax=0x1202, bx=0x35, dx=0))
    assert g.results[-1].ax & 0xFF == 0x12 and not g.machine.vga.picture().any()
    assert g.read(DATA, 3) == b"\x03\x50\x00" and not g.machine.vga.s.misc & 2
    g = guest(dict(ax=3), *teletype("light"), dict(ax=0x1202, bx=0x35, dx=0), dict(ax=0x0200, bx=0, dx=0x0505), dict(ax=0x1203, bx=0x35, dx=0),
              dict(ax=0x0300, bx=0), *(dict(ax=0x1200 | al, bx=0x35, dx=0x100) for al in (0x01, 0x80)))
    assert g.machine.vga.picture().any() and g.machine.vga.s.misc & 2
    assert g.results[-4].ax & 0xFF == 0x12 and g.results[-3].dx == 0x0005
    assert [result.ax & 0xFF for result in g.results[-2:]] == [0x01, 0x80]


def test_the_save_pointer_leads_to_the_parameter_table(guest):
    g = guest(dict(ax=3))
    table = g.far(g.far(0x4A8))
    entry = g.read(table + 64 * 0x18, 64)               # modes 2 and 3 with 400 lines
    assert entry[:5] == bytes((80, 24, 16, 0, 0x10))
    assert entry[9] == g.machine.vga.s.misc
    assert entry[10:35] == bytes(g.machine.vga.s.crtc[:14]) + bytes(2) + bytes(g.machine.vga.s.crtc[16:25])
