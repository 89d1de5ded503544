"""INT 13h of our own BIOS on diskettes: Ralf Brown's list, the AT's data area."""
import pytest

from qemu_py.backends.block import open_image
from qemu_py.devices.floppy_drive import FORMATS
from qemu_py.machine.drives import simple_drive
from tests.boot.bios_guest import FDA, Runner, numbered

SIZE = 1440 << 10
SAY8 = "cld; mov cx, 8; s{0}: lodsb; call putc; loop s{0};"
AGAIN = "again: {0}; jnc good; cmp ah, 6; je again; good:"       # a changed medium is told once


@pytest.fixture(params=["pc", "isapc"])
def run(request, make_machine, tmp_path):
    return Runner(make_machine, tmp_path / "floppy.img", request.param, FDA)


def say(address, label):
    return f"mov si, {address};" + SAY8.format(label)


def test_the_boot_sector_gets_drive_0_and_interrupts(run):
    assert run("mov al, dl; call puth; pushf; pop ax; and ah, 2; mov al, ah; call puth;", SIZE) == "0002"


def test_sectors_are_read_over_both_heads_of_a_cylinder(run):
    said = run("mov ax, 0x0206; mov bx, 0x8000; mov cx, 0x0310; mov dx, 0; int 0x13; jc bad; call putw;"
               + say(0x8000, 1) + say(0x8600, 2) + say(0x8A00, 3) + "bad:", SIZE)
    assert said == "0006<000123><000126><000128>"


def test_sectors_are_written_and_verified(run):
    said = run("mov ax, 0x0302; mov bx, 0x7C00; mov cx, 0x4F11; mov dx, 0x0100; int 0x13; jc bad; call putw;"
               "mov ax, 0x0402; int 0x13; jc bad; call putw; bad:", SIZE)
    assert said == "00020002"
    image = run.image.read_bytes()
    assert image[-1024:-512] == image[:512]


@pytest.mark.parametrize("registers, error", [
    ("mov ax, 0x0201; mov cx, 0x0013; mov dx, 0", "0400"),          # sector 19 of 18
    ("mov ax, 0x0201; mov cx, 0x0001; mov dx, 0x0200", "0400"),     # a third head
    ("mov ax, 0x0201; mov cx, 0x5501; mov dx, 0", "0400"),          # cylinder 85
    ("mov ax, 0x0201; mov cx, 0x0001; mov dx, 1", "8000"),          # no drive
    ("mov ax, 0x0201; mov cx, 0x0001; mov dx, 0; mov bx, 0xFE01", "0900"),      # over a 64 KiB boundary
    ("mov ax, 0x1E00; mov dx, 0", "0100"),
])
def test_what_cannot_be_done_is_told_and_kept(run, registers, error):
    """AX has the error and how many sectors were moved; function 01h the error again."""
    said = run(f"mov bx, 0x8000; {registers}; int 0x13; jnc good; call putw;"
               "mov ah, 1; mov dl, 0; int 0x13; jnc good; mov al, ah; call puth; good:", SIZE)
    if registers.startswith("mov ax, 0x0201; mov cx, 0x5501"):
        assert said[:2] not in ("00", "") and said[4:] == said[:2]
    else:
        assert said == error + error[:2]


def test_a_write_protected_diskette_says_so(run):
    path = run.image.with_name("protected.img")
    path.write_bytes(numbered(SIZE))
    second = simple_drive("-fdb", str(path), "floppy", 1)
    second.read_only = True
    said = run(AGAIN.format("mov ax, 0x0301; mov bx, 0x8000; mov cx, 0x0002; mov dx, 1; int 0x13")
               + "mov al, ah; call puth", SIZE, drives=[second])
    assert said == "03"


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.size >> 10}K")
def test_the_format_of_the_medium_is_found(run, form):
    """Then sectors of the second cylinder are where they should be, and the last one of the diskette."""
    last = form.size // 512 - 1
    said = run("mov ah, 8; mov dl, 0; int 0x13; jc bad; mov al, ch; call puth; mov al, cl; call puth; mov al, dh; call puth;"
               "push dx; mov al, bl; call puth; pop dx; mov al, dl; call puth; mov ax, 0; mov es, ax;"
               f"mov ax, 0x0201; mov bx, 0x8000; mov cx, 0x0101; mov dx, 0; int 0x13; jc bad; {say(0x8000, 1)}"
               f"mov ax, 0x0201; mov cx, {form.tracks - 1 << 8 | form.sectors}; mov dx, {form.heads - 1 << 8}; int 0x13; jc bad;"
               f"{say(0x8000, 2)} bad:", form.size)
    assert said[:6] == f"{form.tracks - 1:02X}{form.sectors:02X}{form.heads - 1:02X}"
    assert said[6:10] == f"{form.drive if form.drive < 5 else 6:02X}01"
    assert said[10:] == f"<{form.heads * form.sectors:06}><{last:06}>"


def test_the_kind_of_drive(run):
    kinds = "".join(f"mov ah, 0x15; mov dl, {n}; int 0x13; mov al, ah; call puth;" for n in range(2))
    assert run(kinds, SIZE) == "0200"
    assert run(kinds, 360 << 10) == "0100"


def test_a_change_of_the_medium_is_told_once(run):
    other = run.image.with_name("other.img")

    def change(machine):
        other.write_bytes(b"other one".ljust(720 << 10, b"\0"))
        machine.fdc.drives[0].backend.change_media(open_image(str(other), "test", "raw", False))
    said = run("mov ah, 0x16; mov dl, 0; int 0x13; mov al, ah; call puth; mov al, 63; call putc;"
               "mov ah, 0x16; mov dl, 0; int 0x13; mov al, ah; call puth;"
               "mov cx, 3; k: push cx; mov ax, 0x0201; mov bx, 0x8000; mov cx, 1; mov dx, 0; int 0x13;"
               "mov al, ah; call puth; pop cx; loop k;"
               "mov ah, 8; mov dl, 0; int 0x13; mov al, cl; call puth; mov si, 0x8000; xor ax, ax; mov es, ax;" + SAY8.format(1), SIZE, ask=change)
    assert said == "00?0606" "0000" "09" "other on"


def test_an_empty_drive_times_out(run):
    said = run("mov al, 63; call putc; mov ax, 0x0201; mov bx, 0x8000; mov cx, 1; mov dx, 0; int 0x13; mov al, ah; call puth;"
               "mov ah, 0x16; mov dl, 0; int 0x13; mov al, ah; call puth;", SIZE,
               ask=lambda machine: machine.fdc.drives[0].backend.change_media(None))
    assert said == "?8006"


def test_the_motor_stops_after_its_time(run):
    """The table's two seconds (37 ticks), counted by INT 08h."""
    said = run("mov ax, 0x0201; mov bx, 0x8000; mov cx, 1; mov dx, 0; int 0x13; mov al, [0x43F]; call puth; mov al, [0x440]; call puth;"
               "mov dx, 0x3F2; in al, dx; call puth; mov byte ptr [0x440], 2; w: hlt; cmp byte ptr [0x440], 0; jne w;"
               "mov al, [0x43F]; call puth; in al, dx; call puth;", SIZE)
    assert said[:2] == "01" and 0x23 <= int(said[2:4], 16) <= 0x25 and said[4:] == "1C000C"


def test_the_parameter_table_is_where_the_at_has_it(run):
    said = run("mov ax, [0x78]; call putw; mov ax, [0x7A]; call putw; les di, [0x78]; mov al, es:[di + 4]; call puth;", SIZE)
    assert said == "EFC7F00012"


def test_a_loader_s_own_parameter_table_gives_the_end_of_a_track(run):
    """With 9 sectors to a track, a read of 10 goes on with the second head."""
    said = run("cld; push ds; lds si, [0x78]; mov di, 0x7000; mov cx, 11; rep movsb; pop ds; mov byte ptr [0x7004], 9;"
               "mov word ptr [0x78], 0x7000; mov word ptr [0x7A], 0;"
               "mov ax, 0x020A; mov bx, 0x8000; mov cx, 1; mov dx, 0; int 0x13; jc bad;" + say(0x9000, 1) + say(0x9200, 2) + "bad:", SIZE)
    assert said == "<000008><000018>"


def test_a_track_is_formatted(run):
    said = run("mov ah, 0x18; mov cx, 0x4F12; mov dl, 0; int 0x13; jc bad; mov al, es:[di + 4]; call puth; xor ax, ax; mov es, ax;"
               "mov di, 0x8000; mov cx, 18; mov bl, 1; f: mov al, 5; stosb; mov al, 1; stosb; mov al, bl; stosb; mov al, 2; stosb;"
               "inc bl; loop f; mov ax, 0x0512; mov bx, 0x8000; mov cx, 0x0501; mov dx, 0x0100; int 0x13; bad: mov al, ah; call puth;", SIZE)
    assert said == "1200"
    image = run.image.read_bytes()
    track = (5 * 2 + 1) * 18 * 512
    assert image[track:track + 18 * 512] == b"\xF6" * 18 * 512
    assert image[track - 512:track - 504] == b"<%06d>" % (track // 512 - 1)
    assert image[track + 18 * 512:][:8] == b"<%06d>" % (track // 512 + 18)


@pytest.mark.parametrize("cx, error", [(0x4F12, "00"), (0x4F09, "00"), (0x4F0F, "00"), (0x2709, "00"), (0x4F24, "0C"), (0x5012, "0C")])
def test_a_media_type_is_one_that_the_drive_can_do(run, cx, error):
    assert run(f"mov ah, 0x18; mov cx, {cx}; mov dl, 0; int 0x13; mov al, ah; call puth", SIZE) == error


def test_two_drives(run):
    path = run.image.with_name("second.img")
    path.write_bytes(numbered(360 << 10))
    said = run(AGAIN.format("mov ax, 0x0201; mov bx, 0x8000; mov cx, 0x2709; mov dx, 0x0101; int 0x13")
               + "mov al, ah; call puth;" + say(0x8000, 1) + "mov ah, 8; mov dl, 1; int 0x13; mov al, dl; call puth; mov al, bl; call puth;"
               "int 0x11; and al, 0xC1; call puth;", SIZE, drives=[simple_drive("-fdb", str(path), "floppy", 1)])
    assert said == "00<000719>020141"
