"""Our own BIOS and the ROMs of PCI devices (PCI Firmware Specification 3.0, Plug and Play BIOS Specification 1.0a)."""
import struct

import pytest

from qemu_py.devices.pci import PCIDevice
from qemu_py.system.memory import MemoryRegion
from tests.boot.bios_guest import END, HDA, START, Runner
from tests.guest import asm
from tests.machines import Capture

ID = (0x1B36, 0x0010)
FAR_RETURN = ".byte 0xCB"
SIZE = 1024


class Card(PCIDevice):
    VENDOR_ID, DEVICE_ID, CLASS_CODE = *ID, 0x010000
    NAME = "card"

    def __init__(self, rom):
        super().__init__()
        self.contents = rom

    def plugged(self):
        self.add_rom(MemoryRegion.rom(f"card{self.devfn}.rom", max(2048, 1 << (len(self.contents) - 1).bit_length()), self.bus.memory.ram_list, self.contents))


def rom(init, vectors=(0, 0), code="", identity=ID, kind=0, last=True, name=b"card"):
    """An image of a PCI ROM. vectors: BCV and BEV, to which `code` at 200h belongs."""
    image = bytearray(b"\x55\xaa" + bytes((SIZE // 512,)) + asm(f"jmp start; .fill {0x80 - 5}, 1, 0; start: {init}", 3, 16)).ljust(SIZE, b"\0")
    code = asm(code, 0x200, 16) if code else b""
    image[0x200:0x200 + len(code)] = code
    image[0x18:0x1C] = struct.pack("<HH", 0x20, 0x40)
    image[0x20:0x38] = struct.pack("<4sHHHHB3sHHBBH", b"PCIR", *identity, 0, 24, 0, b"\0\0\1", SIZE // 512, 1, kind, 0x80 if last else 0, 0)
    image[0x40:0x60] = struct.pack("<4sBBHBBIHH3sBHHHHH", b"$PnP", 1, 2, 0, 0, 0, 0, 0, 0x60, bytes(3), 0, vectors[0], 0, vectors[1], 0, 0)
    image[0x60:0x60 + len(name)] = name
    image[-1] = -sum(image) & 0xFF
    return bytes(image)


SAY = "mov dx, 0xE9; out dx, al;"


@pytest.fixture
def run(make_machine, tmp_path):
    """run(code, {slot: ROM}): what was said; afterwards run.machine, run.read(address, size)."""
    def run(code, cards, **config):
        def plug(machine):
            for slot, contents in cards.items():
                machine.pci.register_device(Card(contents), slot << 3)
        runner = Runner(make_machine, tmp_path / "disk.img", "pc", HDA)
        said = runner(code, 1 << 20, do=plug, **config)
        run.machine = runner.machine
        run.read = runner.machine.memory.address_space_memory.read
        return said
    return run


def test_a_rom_is_copied_and_called_with_its_address(run):
    """AX: bus, device and function; ES:DI: the Plug and Play structure; its segment is a multiple of 2 KiB behind the display's."""
    init = "mov bx, ax; mov al, bh;" + SAY + "mov al, bl;" + SAY + "mov al, es:[di + 1];" + SAY + "mov ax, cs; mov al, ah;" + SAY + FAR_RETURN
    said = run("", {7: rom(init)})
    assert said[:3] == "\0" + chr(7 << 3) + "P"
    segment = ord(said[3]) << 8
    assert 0xC800 <= segment < 0xE000
    card = run.machine.pci.devices[7 << 3]
    assert card.config_word(0x30, 4) & 1 == 0 and card.config_word(0x30, 4)         # placed, and switched off again


def test_only_the_image_for_this_device_and_processor_is_taken(run):
    """The first is for another processor, the second for another device, the third ours, none of which is called when it is missing."""
    bad = "mov al, 88;" + SAY + FAR_RETURN
    good = "mov al, 71;" + SAY + FAR_RETURN
    images = rom(bad, kind=1, last=False) + rom(bad, identity=(0x1234, 0x5678), last=False)
    assert run("", {7: images + rom(good)}) == "G"
    assert run("", {7: images + rom(bad, kind=3)}) == ""


@pytest.mark.parametrize("spoil", [lambda image: b"\0" + image[1:], lambda image: image[:-1] + bytes((image[-1] ^ 1,)),
                                   lambda image: image[:2] + b"\0" + image[3:], lambda image: image[:0x18] + b"\xff\xff" + image[0x1A:],
                                   lambda image: image[:2] + b"\xff" + image[3:]])
def test_a_damaged_rom_is_left_alone(run, spoil):
    assert run("mov al, 66; call putc", {7: spoil(rom("mov al, 88;" + SAY + FAR_RETURN))}) == "B"


def test_a_rom_reaches_its_device_s_memory(run):
    """Real mode's segments have 4 GiB while it initializes, and 64 KiB afterwards."""
    init = "mov esi, 0xFFFFFFF0; mov al, [esi];" + SAY + "xor ax, ax; mov es, ax; mov esi, 0x110000; mov byte ptr es:[esi], 90; mov al, es:[esi];" + SAY + FAR_RETURN
    said = run("""jmp start; fault: mov al, 70; call putc; mov al, 1; out 0xF4, al; hlt;
        start: lea ax, [fault]; mov [0x34], ax; mov word ptr [0x36], 0; mov esi, 0x10000; mov al, [esi]; mov al, 78; call putc""", {7: rom(init)})
    assert said == "\xeaZF"


def test_roms_are_write_protected_after_start_up(run):
    run("mov ax, 0xC000; mov ds, ax; mov byte ptr [0], 0; mov ax, 0xD800; mov ds, ax; mov byte ptr [0], 0x5A; xor ax, ax; mov ds, ax", {7: rom(FAR_RETURN)})
    assert run.read(0xC0000, 1) == b"\x55" and run.read(0xD8000, 1) == b"\x5a"


def test_a_rom_may_take_memory_below_640_kib(run):
    """It moves the extended data area down; INT 12h, INT 15h C1h and E820h tell so, and the mouse's data are found."""
    init = """push ds; push es; xor ax, ax; mov ds, ax; mov ax, [0x40E]; mov es, ax; sub ax, 0x40; mov [0x40E], ax; dec word ptr [0x413];
        mov ds, ax; mov ax, es; xchg ax, bx; mov ax, ds; mov es, ax; mov ds, bx; xor si, si; xor di, di; mov cx, 512; cld; rep movsw; pop es; pop ds;""" + FAR_RETURN
    said = run("""int 0x12; call putw; mov ah, 0xC1; int 0x15; mov ax, es; call putw; xor ax, ax; mov es, ax;
        xor ebx, ebx; mov eax, 0xE820; mov edx, 0x534D4150; mov ecx, 20; mov di, 0x7000; int 0x15; mov eax, [0x7008]; ror eax, 16; call putw; ror eax, 16; call putw;
        mov bh, 3; mov ax, 0xC205; int 0x15; mov al, ah; call puth""", {7: rom(init)})
    assert said == "027E" "9F80" "0009F800" "00"


def test_a_bootstrap_entry_vector_boots_it(run):
    code = START + "mov al, 82; call putc;" + END
    assert run("", {7: rom(FAR_RETURN, (0, 0x200), code)}, boot_order="n") == "R"


CONNECT = """push ds; xor ax, ax; mov ds, ax; mov eax, [0x4C]; mov cs:[0x2F0], eax; lea ax, [disk]; mov [0x4C], ax; mov ax, cs; mov [0x4E], ax;
    inc byte ptr [0x475]; pop ds; .byte 0xCB;
    disk: cmp dl, 0x81; je mine; .byte 0x2E, 0xFF, 0x2E, 0xF0, 0x02; mine: push cx; push si; push di; push ds; mov cx, cs; mov ds, cx; lea si, [sector]; mov di, bx; mov cx, 256; cld; rep movsb;
    mov word ptr es:[bx + 510], 0xAA55; pop ds; pop di; pop si; pop cx; xor ah, ah; push bp; mov bp, sp; and byte ptr [bp + 6], 0xFE; pop bp; iret;
    sector: mov al, 68; out 0xE9, al; mov al, dl; shr al, 4; add al, 48; out 0xE9, al; mov al, 1; out 0xF4, al; hlt"""


def test_a_connection_vector_adds_a_disk_that_boots(run):
    """The first disk gives up, so the ROM's, 81h, is started. Its name is shown."""
    said = run("int 0x18", {7: rom("mov ax, cs;" + FAR_RETURN, (0x200, 0), CONNECT, name=b"a card's disk")}, boot_order="c")
    assert said == "D8"
    assert "Hard disk 1: a card's disk" in run.machine.vga.screen_text()


def test_the_debug_console_is_told_of_every_function(run):
    console = Capture()
    run("", {7: rom(FAR_RETURN)}, globals={("isa-debugcon", "iobase"): "0x402"}, debugcons=[console])
    lines = console.data.decode("latin1").splitlines()
    assert lines[0] == "qemu_py BIOS" and "PCI 00:01.1 8086:7010, class 0101" in lines and "PCI 00:07.0 1B36:0010, class 0100" in lines
    assert "PCI 00:01.3 8086:7113, class 0680, IRQ 09" in lines and "64 MiB of memory, 1 processor" in lines
