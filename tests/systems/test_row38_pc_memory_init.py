"""SYSTEMS row 38: pc_memory_init of `pc`: RAM, the BIOS, and PAM between them."""
import pytest

from tests.boot.kernels import outb

MIB, GIB = 1 << 20, 1 << 30
PAM0 = 0x59


@pytest.fixture
def image(tmp_path):
    data = b"".join(bytes((k,)) * 65536 for k in range(1, 5))           # 256 KiB
    (tmp_path / "bios").write_bytes(data)
    return str(tmp_path / "bios"), data


@pytest.fixture
def pc(make_machine, image):
    return make_machine(machine="pc", bios=image[0], ram_size=16 * MIB)


def resolve(machine, address):
    section = machine.memory.address_space_memory.find(address)
    return section and section.mr.name


def pam(machine, register, value):
    physmap = machine.memory.physmap
    physmap.port_write(0xCF8, 0x80000000 | register & 0xFC, 4)
    physmap.port_write(0xCFC + (register & 3), value, 1)


def test_the_bios_lies_at_4_gib_minus_its_size_and_its_last_128_kib_below_1_mib(pc, image):
    memory, data = pc.memory.address_space_memory, image[1]
    assert memory.read(4 * GIB - len(data), len(data)) == data
    assert memory.read(0xE0000, 0x20000) == data[-0x20000:]
    assert memory.read(0xDFFFF, 1) == b"\xff" and resolve(pc, 0xDFFFF) != "pc.bios"


def test_pam_governs_reads_below_1_mib_and_the_bios_at_4_gib_stays(pc, image):
    memory = pc.memory.address_space_memory
    pam(pc, PAM0, 0x30)
    assert resolve(pc, 0xF0000) == "pc.ram" and resolve(pc, 0xE0000) == "pc.bios"
    memory.write(0xF0000, b"shadow")
    assert memory.read(0xF0000, 6) == b"shadow"
    assert memory.read(0xFFFF0000, 1) == image[1][-0x10000:-0xFFFF]
    pam(pc, PAM0, 0x10)
    memory.write(0xF0000, b"SHADOW")
    assert memory.read(0xF0000, 6) == b"shadow"
    pam(pc, PAM0, 0x00)
    assert memory.read(0xF0000, 1) == image[1][-0x10000:-0xFFFF]


def test_the_video_window_is_in_front_of_ram(pc):
    assert resolve(pc, 0x9FFFF) == "pc.ram"
    assert resolve(pc, 0xA0000) != "pc.ram" and resolve(pc, 0xBFFFF) != "pc.ram"
    assert resolve(pc, 0xB8000).startswith("vga")
    assert resolve(pc, 0x100000) == resolve(pc, 16 * MIB - 1) == "pc.ram"
    assert resolve(pc, 16 * MIB) is None


def test_ram_beyond_the_hole_continues_at_4_gib(make_machine, image):
    from qemu_py.machine.config import host_memory
    if host_memory() < 4 * GIB:
        pytest.skip("the host has less than 4 GiB")
    machine = make_machine(machine="pc", bios=image[0], ram_size=(3584 + 64) * MIB)         # mapped, not touched
    assert resolve(machine, 0xE0000000 - 1) == "pc.ram"
    assert resolve(machine, 0xE0000000) is None
    assert resolve(machine, 4 * GIB) == resolve(machine, 4 * GIB + 64 * MIB - 1) == "pc.ram"
    assert resolve(machine, 4 * GIB + 64 * MIB) is None


def test_code_runs_from_the_bios_at_the_reset_vector_and_on_when_it_is_shadowed(make_machine, tmp_path):
    """The BIOS copies itself to the RAM below it while it runs from there, patches it, and goes on in RAM."""
    from tests.guest import asm
    from tests.machines import EXIT
    # 20h: F0000h is read from PCI and written to RAM; 10h: it is read from RAM.
    code = asm("""
        mov dx, 0xCF8
        mov eax, 0x80000058
        out dx, eax
        mov dx, 0xCFD
        mov al, 0x20
        out dx, al
        mov ax, 0xF000
        mov ds, ax
        mov es, ax
        xor si, si
        xor di, di
        mov cx, 0x8000
        cld
        rep movsw
        mov byte ptr [0x0100], 0x42
        mov al, [0x0100]
        mov bl, al
        mov al, 0x10
        out dx, al
        mov al, [0x0100]
        add al, bl
        out 0xF4, al
        hlt
    """, 0, 16)
    rom = bytearray(b"\xF4" * 65536)
    rom[0x100] = 0x01
    rom[0x200:0x200 + len(code)] = code
    rom[0xFFF0:0xFFF5] = b"\xEA\x00\x02\x00\xF0"         # jmp F000:0200
    path = tmp_path / "shadow.bin"
    path.write_bytes(rom)
    machine = make_machine(machine="pc", bios=str(path), devices=EXIT)
    assert machine.run() == (0x42 + 0x01) << 1 | 1


def test_e820_says_the_same_as_the_map(pc):
    for start, size, kind in pc.memory_map():
        expected = "pc.ram" if kind == 1 else "pc.bios"
        assert resolve(pc, start) == resolve(pc, start + size - 1) == expected


def test_smm_sees_its_ram_behind_the_video_window(make_machine):
    """The first SMI's handler, at 38000h, moves SMBASE to A0000h; the second's lies behind the video window."""
    from tests.guest import asm
    from tests.machines import EXIT
    machine = make_machine(outb(0xB2, 0) + outb(0xB2, 0) + b"\xeb\xfe", machine="pc", devices=EXIT)

    def arm():
        def config(address, value, size):
            machine.memory.physmap.port_write(0xCF8, 0x80000000 | address & ~3, 4)
            machine.memory.physmap.port_write(0xCFC + (address & 3), value, size)
        config(0x0B58, 1 << 25, 4)                      # DEVACTB: APMC_EN
        config(0x0B40, 0xB000, 4)
        config(0x0B80, 1, 1)
        machine.memory.physmap.port_write(0xB028, 1, 4)         # GLBCTL: SMI_EN
        config(0x0072, 0x0A, 1)                         # SMRAM enabled, closed
        for address, text in ((0x38000, "mov eax, 0xA0000; mov cs:[0xFEF8], eax; rsm"), (0xA8000, "mov al, 0x21; out 0xF4, al")):
            code = asm(text, 0, 16)
            machine.ram.view[address:address + len(code)] = bytearray(code)
    machine.register_reset(arm)
    assert machine.run() == 0x21 << 1 | 1
