"""The Linux loader by the kernel's boot protocol (Documentation/arch/x86/boot.rst), with kernels of a few bytes."""
import struct

import pytest

from qemu_py.machine.linux_boot import LinuxImage, is_linux, video_mode
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit, elf, say
from tests.boot.screens import need_seabios
from tests.machines import EXIT, Capture, read

SETUP_SECTS, SYSSIZE, VID_MODE, VERSION, LOADER, LOADFLAGS = 0x1F1, 0x1F4, 0x1FA, 0x206, 0x210, 0x211
CODE32_START, INITRD, INITRD_SIZE, HEAP_END_PTR, CMD_LINE = 0x214, 0x218, 0x21C, 0x224, 0x228
INITRD_MAX, CMDLINE_SIZE, PREF_ADDRESS, INIT_SIZE = 0x22C, 0x238, 0x258, 0x260
E820_ENTRIES, E820_TABLE = 0x1E8, 0x2D0
HLT = b"\xfa\xf4"
RAM = 32 << 20


def bzimage(code=HLT, version=0x20F, setup=b"", high=True, sects=2, init_size=1 << 20, initrd_max=0x7FFFFFFF,
            cmdline_size=2047, syssize=None):
    """A kernel file: `setup` is the real-mode code behind the header, `code` the protected-mode kernel."""
    code = code.ljust(16, b"\0")
    data = bytearray((sects + 1) * 512)
    data[SETUP_SECTS] = sects
    struct.pack_into("<I", data, SYSSIZE, -(-len(code) // 16) if syssize is None else syssize)
    data[0x1FE:0x200] = b"\x55\xaa"
    data[0x200:0x202] = b"\xeb\x66"                     # the header ends at 268h; there begins the setup code
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, VERSION, version)
    data[LOADFLAGS] = int(high)
    struct.pack_into("<I", data, CODE32_START, 0x100000 if high else 0x1000)
    struct.pack_into("<I", data, INITRD_MAX, initrd_max)
    struct.pack_into("<I", data, CMDLINE_SIZE, cmdline_size)
    struct.pack_into("<Q", data, PREF_ADDRESS, 0x100000)
    struct.pack_into("<I", data, INIT_SIZE, init_size)
    data[0x268:0x268 + len(setup)] = setup
    return bytes(data) + code


# ---------------------------------------------------------------- reading files
def test_a_linux_kernel_is_known_by_its_boot_flag_and_header():
    assert is_linux(bzimage())
    assert not is_linux(elf(HLT)) and not is_linux(b"") and not is_linux(bytes(4096))


def test_setup_code_and_kernel_are_taken_apart():
    image = LinuxImage(bzimage(b"kernel of 16 byt", sects=3), "k")
    assert len(image.setup) == 4 * 512 and bytes(image.kernel) == b"kernel of 16 byt"


def test_no_setup_sectors_means_four():
    data = bytearray(bzimage(sects=4))
    data[SETUP_SECTS] = 0
    assert len(LinuxImage(bytes(data), "k").setup) == 5 * 512


BAD = {
    "only a header": bzimage()[:0x208],
    "cut in the setup code": bzimage()[:1000],
    "no kernel": bzimage()[:3 * 512],
    "cut in the kernel": bzimage(bytes(1000))[:-500],
    "shorter than its header says": bzimage(syssize=1 << 20),
    "a version of before the header": bzimage(version=0x100),
    "too large to be loaded low": bzimage(bytes(600 << 10), high=False),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_kernel_is_one_clear_line(name):
    with pytest.raises(UserError) as error:
        LinuxImage(BAD[name], "the-file")
    assert "the-file" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text, mode", [
    ("quiet", None), ("vga=0x305 quiet", 0x305), ("vga=normal", 0xFFFF), ("vga=ext", 0xFFFE), ("vga=ask", 0xFFFD),
    ("vga=1 vga=791", 791)])
def test_vga_of_the_command_line_is_a_video_mode(text, mode):
    assert video_mode(text) == mode


@pytest.mark.parametrize("text", ["vga=", "vga=big", "vga=-1", "vga=65536"])
def test_a_bad_video_mode_is_one_clear_line(text):
    with pytest.raises(UserError, match="vga="):
        video_mode(text)


# ---------------------------------------------------------------- without a BIOS
@pytest.fixture
def boot(make_machine):
    return lambda image=None, ram_size=RAM, **config: make_machine.at_reset(bzimage() if image is None else image, ram_size=ram_size, **config)


def dword(machine, address):
    return struct.unpack("<I", read(machine, address, 4))[0]


def test_the_cpu_starts_as_the_32_bit_boot_protocol_says(boot):
    cpu = boot().cpus[0]
    assert cpu.eip == 0x100000
    assert cpu.cr0 & 0x80000001 == 1            # protected mode, no paging
    assert cpu.eflags & 0x200 == 0
    assert cpu.segment("cs")[:3] == (0x10, 0, 0xFFFFFFFF)
    for name in ("ds", "es", "ss"):
        assert cpu.segment(name)[:3] == (0x18, 0, 0xFFFFFFFF)
    assert (cpu.ebx, cpu.ebp, cpu.edi) == (0, 0, 0)


def test_the_segments_are_in_the_gdt(boot):
    machine = boot()
    gdt = read(machine, machine.cpus[0].gdt_base, 0x20)
    for selector, kind in ((0x10, 0x9A), (0x18, 0x92)):         # execute/read, read/write
        limit, _, _, access, flags, _ = struct.unpack_from("<HHBBBB", gdt, selector)
        assert access & 0xFE == kind and flags == 0xCF and limit == 0xFFFF


def test_boot_params_have_header_and_command_line(boot):
    machine = boot(append="one two")
    params = machine.cpus[0].esi
    assert read(machine, params + 0x202, 4) == b"HdrS"
    assert read(machine, params + LOADER, 1) == b"\xff"
    assert read(machine, dword(machine, params + CMD_LINE), 8) == b"one two\0"
    assert dword(machine, params + INITRD_SIZE) == 0
    assert dword(machine, params + INIT_SIZE) == 1 << 20
    assert read(machine, params + 0x1EF, 1) == b"\0"            # the sentinel


def test_boot_params_have_the_memory_map(boot):
    machine = boot()
    params = machine.cpus[0].esi
    count = read(machine, params + E820_ENTRIES, 1)[0]
    entries = [struct.unpack("<QQI", read(machine, params + E820_TABLE + 20 * n, 20)) for n in range(count)]
    assert (0x100000, RAM - 0x100000, 1) in entries
    assert dword(machine, params + 0x1E0) == (RAM >> 10) - 1024        # alt_mem_k


def test_boot_params_tell_of_text_mode(boot):
    machine = boot()
    params = machine.cpus[0].esi
    assert read(machine, params + 6, 2) == b"\x03\x50"          # mode 3, 80 columns
    assert read(machine, params + 14, 2) == b"\x19\x01"         # 25 lines, VGA
    machine = boot(append="vga=0x305")
    assert read(machine, machine.cpus[0].esi + VID_MODE, 2) == b"\x05\x03"


def test_the_initrd_lies_at_the_end_of_memory_on_a_page(boot, tmp_path):
    path = tmp_path / "initrd"
    path.write_bytes(b"initrd" * 1000)
    machine = boot(initrd=str(path))
    params = machine.cpus[0].esi
    address, size = dword(machine, params + INITRD), dword(machine, params + INITRD_SIZE)
    assert size == 6000 and address % 4096 == 0 and RAM - 8192 <= address <= RAM - 6000
    assert read(machine, address, size) == b"initrd" * 1000


def test_the_initrd_stays_below_the_limit_of_the_kernel(boot, tmp_path):
    path = tmp_path / "initrd"
    path.write_bytes(bytes(5000))
    machine = boot(bzimage(initrd_max=0xFFFFFF), initrd=str(path))
    assert dword(machine, machine.cpus[0].esi + INITRD) == 0x1000000 - 8192


def test_what_does_not_fit_is_one_clear_line(boot, tmp_path):
    path = tmp_path / "initrd"
    path.write_bytes(bytes(1 << 20))
    for config in (dict(image=bzimage(init_size=64 << 20)), dict(initrd=str(path), ram_size=2 << 20),
                   dict(initrd=str(tmp_path / "none")), dict(append="x" * 2048),
                   dict(image=bzimage(high=False)), dict(image=bzimage(version=0x201))):
        with pytest.raises(UserError) as error:
            boot(**config)
        assert "\n" not in str(error.value)


def test_neither_linux_nor_multiboot_is_one_clear_line(boot):
    with pytest.raises(UserError, match="neither"):
        boot(bytes(10000))


@pytest.mark.parametrize("machine", ["isapc", "pc"])
def test_a_kernel_runs_at_once(boot, machine):
    out = Capture()
    machine = boot(bzimage(say(b"hello\n") + debug_exit(0x10)), debugcons=[out], devices=EXIT, machine=machine)
    assert machine.run() == 33
    assert out.data == b"hello\n"


# ---------------------------------------------------------------- with a BIOS
def say16(text, port=0xE9):
    return b"".join(b"\xb0" + bytes((c,)) + b"\xe6" + bytes((port,)) for c in text)


EXIT16 = b"\x66\xb8\x10\x00\x00\x00\xba\xf4\x00\x66\xef\xf4"     # isa-debug-exit in real mode
# What setup code finds: CS, DS and SS to the debug console as the high bytes of the segments, then SP's
SETUP = (say16(b"setup ") + b"".join(load + b"\x86\xe0\xe6\xe9" for load in (
    b"\x8c\xc8", b"\x8c\xd8", b"\x8c\xd0", b"\x89\xe0")))


@pytest.mark.parametrize("high, segment", [(True, 0x10), (False, 0x90)])
@pytest.mark.parametrize("bios", ["seabios", "bios.bin"])
def test_a_bios_starts_the_setup_code_through_the_option_rom(make_machine, tmp_path, bios, high, segment):
    if bios == "seabios":
        need_seabios("bios-256k.bin")
    path = tmp_path / "kernel"
    path.write_bytes(bzimage(b"kernel", setup=SETUP + EXIT16, high=high))
    out = Capture()
    machine = make_machine(bios=bios, kernel=str(path), append="text", debugcons=[out], devices=EXIT, machine="pc",
                           ram_size=RAM)
    assert machine.run() == 33
    assert out.data.endswith(b"setup " + bytes((segment, segment, segment)) + (b"\xe0" if high else b"\x98"))
    base = segment << 12
    assert read(machine, 0x100000 if high else 0x10000, 6) == b"kernel"
    assert read(machine, dword(machine, base + CMD_LINE), 5) == b"text\0"
    assert read(machine, base + HEAP_END_PTR, 2) == (b"\x00\xde" if high else b"\x00\x96")
    assert read(machine, base + LOADFLAGS, 1)[0] & 0x80         # CAN_USE_HEAP


def test_an_old_kernel_gets_its_command_line_by_the_boot_sector():
    from qemu_py.machine.linux_boot import LinuxBoot
    image = LinuxImage(bzimage(version=0x201), "k")

    class Board:
        ram_below_4g = RAM
    setup = LinuxBoot(Board, image, "x", None, RAM).filled_in(0x9800, 0x99800)
    assert struct.unpack_from("<HH", setup, 0x20) == (0xA33F, 0x9800)
