"""Our own BIOS (pc-bios/bios) starts a disk; its services answer a boot sector as Ralf Brown's list says."""
import pytest

from tests.boot.bios_guest import HDA, Runner


@pytest.fixture(params=["pc", "isapc"])
def run(request, make_machine, tmp_path):
    """Boot a disk with this code in its first sector and a text in each other; what it said at port E9h."""
    runner = Runner(make_machine, tmp_path / "disk.img", request.param, HDA)

    def run(code, size=4 << 20, **config):
        """grow: bytes that the image gets, sparse."""
        said = runner(code, size, **config)
        run.machine, run.image = runner.machine, runner.image
        return said
    return run


def test_the_boot_sector_gets_the_drive_and_interrupts(run):
    assert run("mov al, dl; call puth; pushf; pop ax; and ah, 2; mov al, ah; call puth;") == "8002"


def test_a_sector_by_cylinder_head_and_sector(run):
    geometry = "push dx; mov ah, 8; int 0x13; pop dx; mov al, cl; and al, 63; call puth;"
    said = run(geometry + """
        mov ax, 0x0202; mov bx, 0x8000; mov cx, 0x0003; mov dx, 0x0180; int 0x13; jc bad
        call puth; mov si, 0x8000; mov cx, 8; a: lodsb; call putc; loop a
        mov si, 0x8200; mov cx, 8; b: lodsb; call putc; loop b
        bad:""")
    spt = int(said[:2], 16)
    assert said[2:] == f"02<{spt + 2:06}><{spt + 3:06}>"


def test_a_packet_reads_and_writes(run):
    packet = "mov dword ptr [0x7000], 0x10010; mov dword ptr [0x7004], 0x8000; mov dword ptr [0x700C], 0;"
    said = run(packet + """
        mov dl, 0x80; mov si, 0x7000; mov dword ptr [0x7008], 1999; mov ah, 0x42; int 0x13; jc bad
        mov si, 0x8000; mov cx, 8; a: lodsb; call putc; loop a
        mov si, 0x7000; mov dword ptr [0x7008], 5; mov ax, 0x4300; int 0x13; jc bad
        mov dword ptr [0x7008], 8192; mov ah, 0x42; int 0x13; jnc bad; mov al, ah; call puth
        bad:""")
    assert said == "<001999>01"
    assert run.image.read_bytes()[5 * 512:5 * 512 + 8] == b"<001999>"


def test_extensions_and_what_is_no_drive(run):
    assert run("""
        mov ah, 0x41; mov bx, 0x55AA; mov dl, 0x80; int 0x13; jc bad; mov ax, bx; call putw; mov ax, cx; call putw
        mov ah, 0x41; mov bx, 0x55AA; mov dl, 0x81; int 0x13; jnc bad; mov al, ah; call puth
        mov word ptr [0x7000], 26; mov si, 0x7000; mov dl, 0x80; mov ah, 0x48; int 0x13; jc bad; mov ax, [0x7010]; call putw
        bad:""") == "AA550005012000"


def dump(address, count, label="d"):
    return f"mov si, {address}; mov cx, {count}; {label}{address}: lodsb; call puth; loop {label}{address};"


@pytest.mark.parametrize("room, length", [(26, 26), (30, 30), (66, 66), (74, 74), (100, 74)])
def test_as_much_of_the_parameters_as_there_is_room_for(run, room, length):
    """EDD 3.0 (T13 1226, 8.22): the fixed part; the parameter table extension's address; the device path, which sums to 0."""
    said = run(f"mov word ptr [0x7000], {room}; mov si, 0x7000; mov dl, 0x80; mov ah, 0x48; int 0x13; jc bad; cld;"
               + dump(0x7000, 76) + "lds si, [0x701A]; cmp si, 0; je bad; mov cx, 16; e: lodsb; call puth; loop e; bad:")
    data = bytes.fromhex(said[:152])
    assert data[:2] == length.to_bytes(2, "little") and data[2:4] == b"\2\0"
    assert data[16:26] == (8192).to_bytes(8, "little") + b"\0\2"
    assert not any(data[length:])
    if length >= 30:
        extension = bytes.fromhex(said[152:])
        assert extension[:7] == bytes.fromhex("F001F603E0000E") and extension[14] == 0x11 and sum(extension) & 0xFF == 0
    if length >= 66:
        assert data[30:33] == b"\xDD\xBE" + (b"\x24" if length == 66 else b"\x2C") and sum(data[30:length]) & 0xFF == 0
        pci = run.machine.pci is not None
        assert data[36:48] == (b"PCI ATA     " if pci else b"ISA ATA     ")
        assert data[48:56] == (b"\0\1\1\0\0\0\0\0" if pci else b"\xF0\1\0\0\0\0\0\0") and data[56] == 0


@pytest.mark.parametrize("mib, geometry", [(4, (8, 16, 63)), (520, (528, 32, 63)), (2048, (520, 128, 63)), (9000, (1024, 255, 63))])
def test_large_disks_are_translated(run, mib, geometry):
    """To heads and cylinders of which INT 13h can tell; the INT 41h table has both geometries."""
    said = run("mov ah, 8; mov dl, 0x80; int 0x13; mov ax, cx; call putw; mov al, dh; call puth; mov ax, 0; mov es, ax; cld;"
               "lds si, [0x104]; mov cx, 16; t: lodsb; call puth; loop t;", size=4 << 20, grow=mib << 20)
    cx, heads, table = int(said[:4], 16), int(said[4:6], 16) + 1, bytes.fromhex(said[6:])
    cylinders, spt = (cx >> 8 | (cx & 0xC0) << 2) + 1, cx & 63
    assert (cylinders, heads, spt) == geometry
    assert (int.from_bytes(table[:2], "little"), table[2], table[14]) == (cylinders, heads, spt)
    assert (table[3] == 0xA0) == (mib > 504)
    if table[3]:
        assert (table[11], table[4]) == (16, 63) and sum(table) & 0xFF == 0


def test_sectors_beyond_28_bits_are_read_and_written(run):
    """A sparse disk of 200 GB: the last sectors that LBA28 has, and those behind, in one packet."""
    packet = "mov dword ptr [0x7000], 0x20010; mov dword ptr [0x7004], {0}; mov dword ptr [0x7008], {1}; mov dword ptr [0x700C], 0; mov si, 0x7000; mov dl, 0x80;"
    said = run(packet.format(0x7C00, 0x0FFFFFFF) + "mov ah, 0x43; mov al, 0; int 0x13; jc bad;"
               + packet.format(0x8000, 0x0FFFFFFE) + "mov byte ptr [0x7002], 3; mov ah, 0x42; int 0x13; jc bad;"
               "mov ax, [0x81FE]; call putw; mov ax, [0x83FE]; call putw; mov al, [0x8200]; call puth; bad:", grow=200 << 30)
    assert said == "0000" "AA55" "31"
    with open(run.image, "rb") as f:
        f.seek(0x0FFFFFFF * 512)
        assert f.read(2) == b"\x31\xc0"              # xor ax, ax


def test_the_memory_map(run):
    said = run("""
        xor ebx, ebx
        next: mov eax, 0xE820; mov edx, 0x534D4150; mov ecx, 20; mov di, 0x7000; int 0x15; jc done
        mov ax, [0x7012+0]; mov eax, [0x7000]; shr eax, 16; call putw; mov ax, [0x7000]; call putw; mov ax, [0x700A]; call putw
        mov ax, [0x7008]; call putw; mov ax, [0x7010]; call puth
        test ebx, ebx; jnz next
        done: int 0x12; call putw; mov ax, 0xE801; int 0x15; call putw; mov ax, bx; call putw; mov ah, 0x88; int 0x15; call putw""")
    # The ACPI tables, which isapc has not, lie in the last two pages.
    low, top = "000000000009FC0001" "0009FC000000040002" "000F00000001000002", "FFFC00000004000002" "027F" "3C00"
    if run.machine.pci is not None:
        assert said == low + "0010000003EFE00001" + "03FFE0000000200002" + top + "02FF" "FBF8"
    else:
        assert said == low + "0010000003F0000001" + top + "0300" "FC00"


def test_the_clock_ticks(run):
    assert run("mov ah, 0; int 0x1A; mov bx, dx; wait1: mov ah, 0; int 0x1A; cmp dx, bx; je wait1; mov al, 84; call putc;") == "T"


def test_extended_memory_is_moved(run):
    assert run("""
        cld; mov di, 0x7000; mov cx, 24; xor ax, ax; rep stosw
        mov dword ptr [0x7010], 0x7C00FFFF; mov dword ptr [0x7014], 0x9300; mov dword ptr [0x7018], 0xFFFF
        mov byte ptr [0x701C], 0x20; mov byte ptr [0x701D], 0x93; mov si, 0x7000; mov cx, 256; mov ah, 0x87; int 0x15; jc bad
        mov dword ptr [0x7010], 0xFFFF; mov byte ptr [0x7014], 0x20; mov dword ptr [0x7018], 0x8000FFFF
        mov byte ptr [0x701C], 0; mov si, 0x7000; mov cx, 256; mov ah, 0x87; int 0x15; jc bad
        mov ax, [0x81FE]; call putw
        bad:""") == "AA55"


def test_keys_come_with_their_scan_codes(run):
    def keys(machine):
        machine.clocks.vm.timer(lambda: machine.inputs.send_keys("shift-q")).mod_ns(10 ** 9)
        machine.clocks.vm.timer(lambda: machine.inputs.send_keys("f1")).mod_ns(2 * 10 ** 9)
        machine.clocks.vm.timer(lambda: machine.inputs.send_keys("ctrl-c")).mod_ns(3 * 10 ** 9)
    code = "mov ah, 1; int 0x16; jnz bad; mov cx, 3; k: mov ah, 0; int 0x16; call putw; loop k; bad:"
    assert run(code, do=keys) == "10513B002E03"
