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


# ---------------------------------------------------------------- memory during POST (POST Memory Manager Specification 1.01)
CONVENTIONAL, EXTENDED, EITHER, ALIGNED = 1, 2, 3, 4
ANONYMOUS = 0xFFFFFFFF
FIND_PMM = """cld; mov ax, 0xE000; find: mov es, ax; inc ax; jz none; cmp dword ptr es:[0], 0x4D4D5024; jne find;
    mov bl, 0; mov si, 0; mov cx, 16; sum: add bl, es:[si]; inc si; loop sum; mov [0x5FF], bl; mov eax, es:[7]; mov [0x5F8], eax;"""


def pmm(function, *arguments):
    """Call it as C does; DX:AX goes to the next of the results at 600h. Arguments: (bytes, value), the first one first."""
    push = "".join(f"mov e{name}, {value}; push {'e' if size == 4 else ''}{name};" for name, (size, value) in
                   reversed([("ax", (2, function)), *(("ax", argument) for argument in arguments)]))
    size = 2 + sum(size for size, _ in arguments)
    return f"{push} .byte 0xFF, 0x1E, 0xF8, 0x05; add sp, {size}; mov [di], ax; mov [di + 2], dx; add di, 4;"


def allocate(paragraphs, flags, handle=ANONYMOUS):
    return pmm(0, (4, paragraphs), (4, handle), (2, flags))


@pytest.fixture
def pmm_results(run):
    """What calls from a ROM's initialization gave, each a dword; the machine has 64 MiB. What is 0 at first stays so in [DI]."""
    def pmm_results(*calls, **config):
        init = f"push ds; push es; pushad; xor ax, ax; mov ds, ax; mov di, 0x600; {FIND_PMM} {''.join(calls)} none: popad; pop es; pop ds;" + FAR_RETURN
        run("", {7: rom(init)}, **config)
        assert run.read(0x5FF, 1) == b"\0"               # the structure's sum
        return list(struct.unpack(f"<{len(calls)}I", run.read(0x600, 4 * len(calls))))
    return pmm_results


def test_post_gives_memory_that_is_found_and_given_back(pmm_results):
    first, named, again, found, other, back, gone, twice, unknown = pmm_results(
        allocate(0x40, CONVENTIONAL), allocate(0x100, EITHER, 0x12345678), allocate(0x10, EITHER, 0x12345678), pmm(1, (4, 0x12345678)),
        pmm(1, (4, 0x87654321)), pmm(2, (4, "dword ptr [0x604]")), pmm(1, (4, 0x12345678)), pmm(2, (4, 0x12340)), pmm(9))
    assert 0x10000 <= first <= 0x9FC00 - 0x400 and first % 16 == 0
    assert named % 16 == 0 and (named + 0x1000 <= first or named >= first + 0x400) and named < 0x9FC00
    assert (again, found, other) == (0, named, 0)
    assert (back, gone) == (0, 0) and twice != 0 and unknown == 0xFFFFFFFF


def test_post_gives_memory_above_one_megabyte(pmm_results):
    """Aligned: on the lowest bit that is set in the length; a length of 0 asks how much there is."""
    most, first, aligned, rest, large, low, nothing = pmm_results(
        allocate(0, EXTENDED), allocate(1, EXTENDED), allocate(0x3000, EXTENDED | ALIGNED), allocate(0, EXTENDED), allocate(0x300000, EXTENDED),
        allocate(0, CONVENTIONAL), allocate(0x1000, 0))
    top = 64 << 20
    assert top - (3 << 20) < most * 16 < top - (1 << 20)
    assert 0x110000 <= first < top - 16 and aligned % 0x10000 == 0 and 0x110000 <= aligned <= top - 0x30000
    assert 0 < rest < most - 0x3000 and 0x110000 <= large and large + 0x3000000 <= top
    assert 0x80000 <= low * 16 <= 0x9FC00 - 0x10000 and nothing == 0


def test_a_system_finds_no_memory_manager(run):
    said = run(f"jmp start; none: mov al, 78; call putc; jmp end; start: {FIND_PMM} mov al, 70; call putc; end:", {})
    assert said == "N"


# ---------------------------------------------------------------- above DFFFFh
def test_roms_go_on_to_effff(run):
    """Five of 30 KiB do not fit below E0000h: the last lies beyond, write-protected, too."""
    size = 30 << 10

    def large():
        image = bytearray(rom(f"mov bx, cs; mov al, bh; {SAY} mov al, bl; {SAY}" + FAR_RETURN).ljust(size, b"\0"))
        image[2] = image[0x30] = size // 512
        image[SIZE - 1] = 0
        image[-1] = -sum(image) & 0xFF
        return bytes(image)
    said = run("mov ax, 0xE800; mov ds, ax; mov byte ptr [0], 0x5A; mov al, [0]; call puth; xor ax, ax; mov ds, ax", {slot: large() for slot in range(5, 10)})
    starts = [(ord(said[n]) << 8 | ord(said[n + 1])) << 4 for n in range(0, 10, 2)]
    assert 0xC8000 <= starts[0] and 0xE0000 <= starts[4] and starts[4] + size <= 0xF0000
    assert all(second - first == size for first, second in zip(starts, starts[1:]))
    assert said[10:] == "00"


def test_a_rom_of_an_isa_card_is_found_up_to_effff(make_machine, tmp_path):
    image = bytearray(rom(f"mov ax, cs; mov al, ah; {SAY}" + FAR_RETURN))

    def plug(machine):
        machine.memory.system_memory.add_subregion_overlap(0xED800, MemoryRegion.rom("card", 4096, machine.memory.ram_list, bytes(image)), 2)
    assert Runner(make_machine, tmp_path / "disk.img", "isapc", HDA)("mov al, 66; call putc", 1 << 20, do=plug) == "\xEDB"


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
