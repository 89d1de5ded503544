"""SeaBIOS boots a diskette: its sectors, its change, keys and the clock, as a boot sector sees them through INT 13h, 16h, 1Ah."""
import pytest

from qemu_py.machine.drives import DriveOptions
from tests.boot.test_seabios import seabios                    # noqa: F401
from tests.guest import asm

SECTORS = 18
SIZE = 1440 * 1024
BOOT = """
    xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 0x7C00
    mov ax, 0x0212; mov bx, 0x8000; mov cx, 0x0101; mov dx, 0x0000; int 0x13; jc bad
    mov si, 0x8000; call puts
    mov si, 0xA200; call puts
    mov ax, 0x0301; mov bx, 0x7C00; mov cx, 0x0202; mov dx, 0x0100; int 0x13; jc bad
    mov ah, 4; int 0x1A; mov al, ch; call hex; mov al, cl; call hex; mov al, dh; call hex; mov al, dl; call hex
    mov al, 63; call putc
    mov ah, 0; int 0x16; push ax; mov al, ah; call hex; pop ax; call hex
    mov al, 33; call putc
stop: hlt; jmp stop
bad: mov al, 66; call putc; mov al, ah; call hex; jmp stop
hex: push ax; shr al, 4; call nibble; pop ax; and al, 15
nibble: add al, 48; cmp al, 57; jbe putc; add al, 7
putc: push dx; mov dx, 0x402; out dx, al; pop dx; ret
puts: lodsb; or al, al; jz done; call putc; jmp puts
done: ret
"""


@pytest.fixture
def diskette(tmp_path):
    """A bootable image whose second cylinder has texts in its first and 18th sector."""
    image = bytearray(SIZE)
    code = asm(BOOT, 0x7C00, 16)
    image[:len(code)] = code
    image[510:512] = b"\x55\xaa"
    image[36 * 512:36 * 512 + 6] = b"<first"
    image[(36 + 17) * 512:(36 + 17) * 512 + 6] = b"<last>"
    path = tmp_path / "diskette"
    path.write_bytes(image)
    return path


def test_a_diskette_boots_and_its_boot_sector_reads_writes_and_waits_for_a_key(seabios, diskette):      # noqa: F811
    from datetime import datetime
    drive = DriveOptions("-fda", "floppy", 0, 0, file=str(diskette), format="raw")
    machine, text = seabios((b"<first<last>20011009?", lambda machine: machine.inputs.send_keys("shift-q")), b"1051!",
                            drives=[drive], boot_order="a", rtc_base=datetime(2001, 10, 9, 12, 0, 0))
    image = diskette.read_bytes()
    at = (2 * 36 + 18 + 1) * 512
    assert image[at:at + 512] == image[:512]


def test_a_pc_without_diskettes_says_so(seabios):               # noqa: F811
    _, text = seabios(b"Booting from Floppy...", b"Boot failed", boot_order="a")
