"""Our own BIOS starts discs: El Torito (version 1.0) without emulation, as a diskette, as a hard disk; INT 13h on them."""
import struct

import pytest

from qemu_py.machine.drives import simple_drive
from tests.boot.bios_guest import BIOS, END, START, Console, numbered
from tests.guest import asm
from tests.machines import EXIT

NONE, FLOPPY_12, FLOPPY_144, FLOPPY_288, HARD_DISK = range(5)
X86, EFI = 0x00, 0xEF
BOOTABLE, HEADER, LAST_HEADER = 0x88, 0x90, 0x91
CATALOG, IMAGE = 19, 24
SECTOR = 2048


def validation(platform):
    entry = bytearray(struct.pack("<BBH24sHBB", 1, platform, 0, b"test", 0, 0x55, 0xAA))
    struct.pack_into("<H", entry, 28, -sum(struct.unpack("<16H", entry)) & 0xFFFF)
    return bytes(entry)


def entry(media=NONE, segment=0, count=4, lba=IMAGE, indicator=BOOTABLE):
    return struct.pack("<BBHBBHI20x", indicator, media, segment, 0, 0, count, lba)


def disc(image, *catalog):
    """Volume descriptors, the catalog, the image; each sector's last bytes are its number."""
    sectors = {16: b"\1CD001\1", 17: b"\0CD001\1EL TORITO SPECIFICATION".ljust(0x47, b"\0") + struct.pack("<I", CATALOG),
               18: b"\xffCD001\1", CATALOG: b"".join(catalog)}
    head = bytearray(IMAGE * SECTOR)
    for n in range(IMAGE):
        head[n * SECTOR:(n + 1) * SECTOR] = sectors.get(n, b"").ljust(SECTOR - 8, b"\0") + b"{%06d}" % n
    return bytes(head) + image + bytes(-len(image) % SECTOR)


@pytest.fixture(params=["pc", "isapc"])
def run(request, make_machine, tmp_path):
    """run(code, catalog entries, image's bytes): what the boot sector said."""
    def run(code, *catalog, size=8192, org=0x7C00, start=START, drives=(), change=None, **config):
        image = numbered(size, asm(start + code + END, org, 16))
        if change is not None:
            change(image)
        path = tmp_path / "disc.iso"
        path.write_bytes(disc(bytes(image), *(catalog or (validation(X86), entry()))))
        console = Console(None)
        machine = run.machine = make_machine(machine=request.param, bios=BIOS, devices=EXIT, debugcons=[console], ram_size=64 << 20,
                                             drives=[simple_drive("-cdrom", str(path), "ide", 2, "cdrom"), *drives],
                                             **({"boot_order": "d"} | config))
        status = machine.run()
        assert status == 3, (status, bytes(console.data), machine.vga.screen_text())
        return console.data.decode("latin1")
    return run


@pytest.fixture
def drive(tmp_path):
    """drive(option, interface, index): one whose sectors are numbered, and say "real" first."""
    def drive(option, interface, index, size):
        image = numbered(size)
        for n in range(1, min(size // 512, 4096)):
            image[n * 512:n * 512 + 4] = b"real"
        path = tmp_path / f"real{index}.img"
        path.write_bytes(image)
        return simple_drive(option, str(path), interface, index)
    return drive


def say(address, count=8, label="l"):
    return f"mov si, {address}; mov cx, {count}; {label}{address}: lodsb; call putc; loop {label}{address};"


def read(drive, cylinder, head, sector, count=1):
    return f"mov ax, {0x0200 | count}; mov bx, 0x8000; mov cx, {cylinder << 8 | sector}; mov dx, {head << 8 | drive}; int 0x13;"


# ---------------------------------------------------------------- no emulation
def test_the_image_is_loaded_and_gets_its_drive(run):
    """Four sectors of 512 bytes; the disc's drive in DL."""
    said = run("mov al, dl; call puth;" + say(0x7E00) + say(0x8200))
    assert said == "E0<000001><000003>"


def test_it_goes_to_the_segment_of_its_entry(run):
    said = run("mov ax, cs; call putw; mov ax, [0x0400]; call putw;", validation(X86), entry(segment=0x2000), org=0,
               start="mov ax, cs; mov ds, ax;")
    assert said == "20003030"[:4] + f"{struct.unpack('<H', b'<0')[0]:04X}"


def test_the_disc_is_read_by_packets(run):
    """Sectors of 2048 bytes; what lies beyond the end of the disc, and writes, are refused."""
    packet = f"mov dword ptr [0x7000], 0x20010; mov dword ptr [0x7004], 0x8000; mov dword ptr [0x7008], {CATALOG - 1}; mov dword ptr [0x700C], 0;"
    said = run(packet + "mov si, 0x7000; mov dl, 0xE0; mov ah, 0x42; int 0x13; jc bad; mov al, [0x7002]; call puth;"
               + say(0x8000 + SECTOR - 8) + say(0x8000 + 2 * SECTOR - 8) +
               "mov si, 0x7000; mov dword ptr [0x7008], 100000; mov ah, 0x42; int 0x13; jnc bad; mov al, ah; call puth;"
               "mov al, [0x7002]; call puth; mov ah, 0x43; int 0x13; mov al, ah; call puth; bad:")
    assert said == f"02{{{CATALOG - 1:06}}}{{{CATALOG:06}}}040003"


def test_extensions_of_a_cd_rom_drive(run):
    said = run("mov ah, 0x41; mov bx, 0x55AA; mov dl, 0xE0; int 0x13; jc bad; mov ax, bx; call putw; mov ax, cx; call putw;"
               "mov word ptr [0x7000], 74; mov si, 0x7000; mov ah, 0x48; int 0x13; jc bad; mov ax, [0x7018]; call putw;"
               "mov ax, [0x7002]; call putw; mov ah, 0x41; mov bx, 0x55AA; mov dl, 0xE1; int 0x13; mov al, ah; call puth; bad:")
    assert said == "AA550007" "08000074" "01"


def test_a_tray_is_locked_as_often_as_it_is_unlocked(run):
    def call(ax):
        return f"mov ax, {ax}; mov dl, 0xE0; int 0x13; call putw;"
    said = run("".join(map(call, (0x4500, 0x4500, 0x4600, 0x4501, 0x4502, 0x4501, 0x4501, 0x4600, 0x4900))))
    assert said == "0001" "0001" "B100" "0001" "0001" "0000" "B001" "0000" "3100"
    assert run.machine.drives.all()[0].tray_open


def test_the_specification_packet(run):
    said = run("mov ax, 0x4B01; mov dl, 0xE0; mov si, 0x7000; int 0x13; jc bad; mov al, [0x7000]; call puth; mov ax, [0x7001]; call putw;"
               "mov ax, [0x7004]; call putw; mov ax, [0x700E]; call putw; mov ax, 0x4B01; mov dl, 0x80; int 0x13; jnc bad; mov al, ah; call puth; bad:")
    assert said == f"13E000{IMAGE:04X}000401"


def test_the_catalog_can_be_had(run):
    said = run("mov word ptr [0x7000], 0x0108; mov dword ptr [0x7002], 0x8000; mov word ptr [0x7006], 0; mov si, 0x7000; mov ax, 0x4D00;"
               "mov dl, 0xE0; int 0x13; jc bad; mov ax, [0x8000 + 30]; call putw; mov al, [0x8020]; call puth; bad:")
    assert said == "AA5588"


def test_the_entry_for_x86_is_found_behind_that_of_others(run):
    header = struct.pack("<BBH28x", LAST_HEADER, X86, 1)
    assert run("mov al, dl; call puth;", validation(EFI), entry(lba=20), header, entry()) == "E0"


@pytest.mark.parametrize("catalog", [(validation(EFI), entry()), (validation(X86), entry(indicator=0)), (b"\1" + bytes(63),)],
                         ids=["efi", "not bootable", "no checksum"])
def test_a_disc_that_does_not_boot_is_passed_over(run, drive, catalog, tmp_path):
    hard = drive("-hda", "ide", 0, 4 << 20)
    image = tmp_path / "real0.img"
    data = bytearray(image.read_bytes())
    code = asm(START + "mov al, dl; call puth;" + END, 0x7C00, 16)
    data[:len(code)] = code
    image.write_bytes(data)
    assert run("", *catalog, drives=[hard], boot_order="dc") == "80"
    assert any("not a bootable disc" in line for line in run.machine.vga.screen_text())


# ---------------------------------------------------------------- diskettes
@pytest.mark.parametrize("media, sectors, kind", [(FLOPPY_12, 15, 2), (FLOPPY_144, 18, 4), (FLOPPY_288, 36, 6)])
def test_a_diskette_s_image_is_drive_0(run, media, sectors, kind):
    """The board's own, empty drive is the second of two."""
    said = run("mov al, dl; call puth;" + read(0, 79, 1, sectors) + "jc bad;" + say(0x8000) + read(0, 0, 0, 2, 7) + "jc bad; call puth;"
               + say(0x8400, label="m") + "mov ah, 8; mov dl, 0; int 0x13; jc bad; mov al, ch; call puth; mov al, cl; call puth;"
               "mov al, dh; call puth; mov al, dl; call puth; mov al, bl; call puth;"
               "mov ax, 0x0301; mov cx, 2; mov dx, 0; int 0x13; mov al, ah; call puth; bad:",
               validation(X86), entry(media, count=1), size=80 * 2 * sectors * 512)
    assert said == f"00<{160 * sectors - 1:06}>07<000003>4F{sectors:02X}0102{kind:02X}03"


def test_the_real_diskette_is_drive_1_meanwhile(run, drive):
    said = run("int 0x11; and al, 0xC1; call puth;" + "again: " + read(1, 0, 0, 2) + "cmp ah, 6; je again; mov al, ah; call puth; mov al, dl; call puth;"
               + say(0x8000) + "mov ah, 8; mov dl, 1; int 0x13; mov al, dl; call puth; mov ax, 0; mov es, ax;"
               "mov ax, 0x4B00; mov dl, 0x7F; mov si, 0x7000; int 0x13; mov al, [0x7001]; call puth;" + read(0, 0, 0, 3)
               + say(0x8000, label="m") + "int 0x11; and al, 0xC1; call puth;",
               validation(X86), entry(FLOPPY_144, count=1), size=1440 << 10, drives=[drive("-fda", "floppy", 0, 1440 << 10)])
    assert said == "41" "0001real001>" "02" "02" "real002>" "01"


# ---------------------------------------------------------------- hard disks
def one_partition(image):
    """To cylinder 3, head 15, sector 63."""
    struct.pack_into("<BBBBBBBBII", image, 0x1BE, 0x80, 0, 1, 0, 0x83, 15, 63, 3, 1, 4 * 16 * 63 - 1)


def test_a_hard_disk_s_image_is_drive_80h(run, drive):
    packet = "mov dword ptr [0x7000], 0x20010; mov dword ptr [0x7004], 0x8000; mov dword ptr [0x7008], 4031; mov dword ptr [0x700C], 0;"
    said = run("mov al, dl; call puth; mov al, [0x475]; call puth;" + read(0x80, 3, 15, 63) + "jc bad;" + say(0x8000)
               + packet + "mov byte ptr [0x7002], 1; mov si, 0x7000; mov dl, 0x80; mov ah, 0x42; int 0x13; jc bad;" + say(0x8000, label="m")
               + read(0x81, 0, 0, 2) + "mov al, dl; call puth;" + say(0x8000, label="n") +
               "mov ah, 8; mov dl, 0x80; int 0x13; mov ax, cx; call putw; mov ax, dx; call putw;"
               "mov ah, 0x15; mov dl, 0x80; int 0x13; mov ax, dx; call putw; bad:",
               validation(X86), entry(HARD_DISK, count=1), size=4 * 16 * 63 * 512, change=one_partition,
               drives=[drive("-hda", "ide", 0, 4 << 20)])
    assert said == "8002<004031><004031>81real001>" "033F0F02" "0FC0"
