"""The Multiboot loader by the specification, version 0.6.96."""
import struct

import pytest

from qemu_py.machine.multiboot import find_header, parse_kernel, parse_modules
from qemu_py.util.errors import UserError
from tests.boot.kernels import MAGIC, debug_exit, elf, header, kludge, say
from tests.machines import EXIT, Capture, read

BOOT_MAGIC = 0x2BADB002
HLT = b"\xfa\xf4"


# ---------------------------------------------------------------- reading files
def test_the_header_is_found_on_any_dword_of_the_first_8192_bytes():
    assert find_header(bytes(8180) + header(0)) == (8180, 0)
    assert find_header(bytes(8184) + header(0)) is None
    assert find_header(bytes(2) + header(0)) is None
    assert find_header(struct.pack("<III", MAGIC, 0, 1) + header(3)) == (12, 3)


def test_an_elf_kernel_is_placed_by_physical_addresses():
    image = parse_kernel(elf(b"code", address=0x200000, vaddr=0xC0200000, bss=100), "k")
    (address, data, size), = image.segments
    assert address == 0x200000 and data.endswith(b"code") and size == len(data) + 100
    assert image.entry == 0x200000 + 48         # the entry point is a virtual address


def test_address_fields_place_any_file():
    image = parse_kernel(kludge(b"code", load=0x300000, bss_end=0x301000, before=b"abcd"), "k")
    (address, data, size), = image.segments
    assert address == 0x300000 and data.startswith(b"abcd") and data.endswith(b"code")
    assert size == 0x1000
    assert image.entry == 0x300000 + 4 + 32


def test_a_load_end_of_zero_is_the_whole_file():
    image = parse_kernel(kludge(b"code" * 10, load_end=0), "k")
    assert image.segments[0][1].endswith(b"code")


BAD = {
    "empty": b"",
    "no header": bytes(9000),
    "unknown requirement": elf(HLT, flags=0x0B),
    "neither ELF nor addresses": header(3) + bytes(100),
    "cut in the ELF header": elf(HLT)[:0x14],
    "64-bit": elf(HLT, ident=b"\x7fELF\x02\x01\x01"),
    "big-endian": elf(HLT, ident=b"\x7fELF\x01\x02\x01"),
    "another processor": elf(HLT, machine=40),
    "relocatable": elf(HLT, type=1),
    "program headers beyond the end": elf(HLT, phoff=0x10000000),
    "too small program headers": elf(HLT, phentsize=8),
    "segment beyond the end": elf(HLT, filesz=0x5000, memsz=0x5000),
    "segment far beyond the end": elf(HLT, offset=0xFFFFFFF0),
    "more in the file than in memory": elf(HLT, memsz=1),
    "nothing to load": elf(HLT, p_type=0),
    "truncated address fields": kludge(b"")[:20],
    "loaded from before the file": kludge(HLT, header_addr=0x200000),
    "header before the load address": kludge(HLT, header_addr=0x1000),
    "load area of no size": kludge(HLT, load_end=0x100000),
    "load area backwards": kludge(HLT, load_end=0x1000),
    "file shorter than the load area": kludge(HLT, load_end=0x200000),
    "bss before data": kludge(HLT, bss_end=0x100001),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_kernel_is_one_clear_line(name):
    with pytest.raises(UserError) as error:
        parse_kernel(BAD[name], "the-file")
    assert "the-file" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("cut", range(0, 0x1040, 61))
def test_a_truncated_kernel_is_refused_wherever_it_is_cut(cut):
    data = elf(HLT * 8)
    with pytest.raises(UserError):
        parse_kernel(data[:cut], "k")


def test_modules_are_a_comma_list_of_files_with_arguments():
    assert parse_modules("a.mod x=1 y,b.mod") == [("a.mod", "a.mod x=1 y"), ("b.mod", "b.mod")]
    assert parse_modules("a,,b c") == [("a,b", "a,b c")]
    with pytest.raises(UserError):
        parse_modules("a,,,")


# ---------------------------------------------------------------- a machine before its first instruction
@pytest.fixture
def boot(make_machine):
    return make_machine.at_reset


def dwords(machine, address, count):
    return struct.unpack(f"<{count}I", read(machine, address, 4 * count))


def string(machine, address):
    return read(machine, address, 256).partition(b"\0")[0]


def test_the_cpu_starts_as_section_3_2_says(boot):
    machine = boot(elf(HLT))
    cpu = machine.cpus[0]
    assert cpu.eax == BOOT_MAGIC
    assert cpu.eip == 0x100030
    assert cpu.cr0 & 0x80000001 == 1            # protected mode, no paging
    assert cpu.eflags & 0x20200 == 0            # no VM, no IF
    assert cpu.segment("cs")[1:3] == (0, 0xFFFFFFFF)
    assert cpu.segment("cs")[3] & 0x409A00 == 0x409A00          # 32-bit code, readable
    for name in ("ds", "es", "fs", "gs", "ss"):
        assert cpu.segment(name)[1:3] == (0, 0xFFFFFFFF)
        assert cpu.segment(name)[3] & 0x409200 == 0x409200      # 32-bit data, writable
    assert cpu.a20 == 1


def test_the_kernel_is_in_memory_and_its_bss_is_zero(boot):
    machine = boot(elf(HLT + b"data", bss=5000))
    assert read(machine, 0x100030, 6) == HLT + b"data"
    machine.memory.address_space_memory.write(0x100030, b"\xff" * 5000)
    with machine.main_loop.lock:
        machine.system_reset()                  # loads it again
    assert read(machine, 0x100030, 6) == HLT + b"data"
    assert read(machine, 0x100036, 4994) == bytes(4994)


def test_the_information_structure(boot, tmp_path):
    machine = boot(elf(HLT), append="one two")
    info = machine.cpus[0].ebx
    flags, lower, upper, _, cmdline, mods_count = dwords(machine, info, 6)
    assert flags & 0x249 == 0x249               # memory, command line, modules, memory map, name
    assert (lower, upper) == (640, 15 * 1024)
    assert string(machine, cmdline) == f"{tmp_path / 'kernel'} one two".encode()
    assert mods_count == 0
    assert string(machine, dwords(machine, info + 64, 1)[0]) == b"qemu_py"


def test_the_memory_map_covers_the_ram_and_no_more(boot):
    machine = boot(elf(HLT))
    length, address = dwords(machine, machine.cpus[0].ebx + 44, 2)
    entries, end = [], address + length
    while address < end:
        size, base, extent, kind = struct.unpack("<IQQI", read(machine, address, 24))
        entries.append((base, extent, kind))
        address += size + 4
    assert address == end
    assert (0, 0xA0000, 1) in entries and (0x100000, 15 << 20, 1) in entries
    assert sum(extent for _, extent, kind in entries if kind == 1) == (15 << 20) + 0xA0000


def test_modules_lie_on_pages_behind_the_kernel(boot, tmp_path):
    first, second = tmp_path / "a.mod", tmp_path / "b.mod"
    first.write_bytes(b"first" * 1000)
    second.write_bytes(b"")
    machine = boot(elf(HLT, bss=10000), initrd=f"{first} x=1,{second}")
    count, table = dwords(machine, machine.cpus[0].ebx + 20, 2)
    assert count == 2
    start, end, text, reserved = dwords(machine, table, 4)
    assert start % 4096 == 0 and start >= 0x100000 + 10000
    assert read(machine, start, end - start) == b"first" * 1000
    assert string(machine, text) == f"{first} x=1".encode() and reserved == 0
    start2, end2, text2, _ = dwords(machine, table + 16, 4)
    assert start2 == end2 and start2 % 4096 == 0 and start2 >= end
    assert string(machine, text2) == str(second).encode()


def test_a_kernel_in_low_memory_keeps_clear_of_the_information(boot):
    machine = boot(elf(HLT, address=0x1000, bss=0x9EF00))
    info = machine.cpus[0].ebx
    assert info >= 0x100000
    assert read(machine, 0x1030, 2) == HLT


def test_the_machine_is_as_a_bios_leaves_it(boot):
    machine = boot(elf(HLT))
    assert machine.pic.master.s.icw2 == 0x08 and machine.pic.slave.s.icw2 == 0x70
    assert read(machine, 0xB8000, 4) == b" \x07 \x07"
    assert dwords(machine, 0x449, 1)[0] & 0xFF == 3
    offset, segment = struct.unpack("<HH", read(machine, 0x10 * 4, 4))
    assert read(machine, (segment << 4) + offset, 1) == b"\xcf"


MISFITS = {
    "beyond the RAM": elf(HLT, address=0x2000000), "a bss beyond the RAM": elf(HLT, bss=1 << 31),
    "in the video memory": elf(HLT, address=0xA0000), "at the end of 4 GiB": elf(HLT, address=0xFFFFF000),
    "entry point outside": elf(HLT, entry=0x500000)}


@pytest.mark.parametrize("name", MISFITS)
def test_a_kernel_that_does_not_fit_is_one_clear_line(boot, name):
    with pytest.raises(UserError) as error:
        boot(MISFITS[name])
    assert "\n" not in str(error.value)


def test_a_module_that_does_not_fit_is_one_clear_line(boot, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(bytes(17 << 20))
    with pytest.raises(UserError, match="-m"):
        boot(elf(HLT), initrd=str(big))


def test_two_machines_live_in_one_process(boot):
    one, two = boot(elf(HLT + b"1")), boot(elf(HLT + b"2"))
    assert read(one, 0x100032, 1) == b"1" and read(two, 0x100032, 1) == b"2"


# ---------------------------------------------------------------- and running
def test_a_kernel_speaks_and_ends_the_machine_with_its_status(boot):
    out = Capture()
    machine = boot(elf(say(b"hello\n") + debug_exit(0x10)), debugcons=[out], devices=EXIT)
    assert machine.run() == 33
    assert out.data == b"hello\n"


def test_a_triple_fault_reboots_or_ends(boot):
    """SYSTEMS row 58. Without an IDT the first INT is the last; a flag in memory tells the rounds apart."""
    code = (b"\x83\x3d\x00\x00\x20\x00\x00"             # cmp dword [200000h], 0
            + b"\x75\x0f"                               # jne +15
            + b"\xff\x05\x00\x00\x20\x00"               # inc dword [200000h]
            + b"\x0f\x01\x1d\x00\x00\x30\x00"           # lidt [300000h]: zeros
            + b"\xcd\x40")                              # int 40h
    out = Capture()
    machine = boot(elf(code + say(b"again") + debug_exit(0)), debugcons=[out], devices=EXIT)
    assert machine.run() == 1
    assert out.data == b"again"
    machine = boot(elf(code + say(b"again") + debug_exit(0)), devices=EXIT, no_reboot=True)
    assert machine.run() == 0


def test_a_bios_starts_at_its_reset_vector(make_machine, tmp_path):
    """SYSTEMS row 57: CS base FFFF0000h, EIP FFF0h, 16-bit code."""
    code = b"".join(b"\xb0" + bytes((c,)) + b"\xe6\xe9" for c in b"real") + b"\x66\xb8\x02\x00\x00\x00\xba\xf4\x00\x66\xef\xf4"
    image = bytearray(b"\xff" * 65536)
    image[0x100:0x100 + len(code)] = code
    image[0xFFF0:0xFFF3] = b"\xe9" + struct.pack("<H", 0x100 - 0xFFF3 & 0xFFFF)         # jmp 100h
    path = tmp_path / "bios"
    path.write_bytes(image)
    out = Capture()
    machine = make_machine(bios=str(path), debugcons=[out], devices=EXIT)
    assert machine.run() == 5
    assert out.data == b"real"
