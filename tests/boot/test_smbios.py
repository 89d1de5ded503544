"""SMBIOS structures read back (DMTF DSP0134 2.8.0)."""
import struct

import pytest

BIOS, SYSTEM, CHASSIS, PROCESSOR, ARRAY, MODULE, MAPPED, BOOT, END = 0, 1, 3, 4, 16, 17, 19, 32, 127
LENGTHS = {BIOS: 0x18, SYSTEM: 0x1B, CHASSIS: 0x16, PROCESSOR: 0x2A, ARRAY: 0x17, MODULE: 0x28, MAPPED: 0x1F, BOOT: 0x0B, END: 4}


def structures(data):
    """[(type, the whole formatted part, strings)]."""
    found, at = [], 0
    while at < len(data):
        kind, length, handle = struct.unpack_from("<BBH", data, at)
        end = data.index(b"\0\0", at + length) + 2
        found.append((kind, data[at:at + length], [text.decode() for text in data[at + length:end - 2].split(b"\0") if text]))
        at = end
    return found


@pytest.fixture
def machine(make_machine):
    return make_machine(machine="pc", ram_size=48 << 20)


def test_the_required_structures_are_there_in_their_sizes(machine):
    found = structures(machine.fw_cfg.file("etc/smbios/smbios-tables"))
    kinds = [kind for kind, _, _ in found]
    assert set(kinds) == set(LENGTHS) and kinds[-1] == END and kinds.count(END) == 1
    for kind, body, _ in found:
        assert len(body) == LENGTHS[kind], kind
    handles = [struct.unpack_from("<H", body, 2)[0] for _, body, _ in found]
    assert len(set(handles)) == len(handles)


def test_every_string_that_is_named_exists(machine):
    numbers = {BIOS: (4, 5, 8), SYSTEM: (4, 5, 6), CHASSIS: (4, 6, 7), PROCESSOR: (4, 7, 16), MODULE: (0x10, 0x11, 0x17)}
    for kind, body, strings in structures(machine.fw_cfg.file("etc/smbios/smbios-tables")):
        for offset in numbers.get(kind, ()):
            assert body[offset] <= len(strings), (kind, offset)


def test_the_memory_is_the_machines(machine):
    found = {kind: body for kind, body, _ in structures(machine.fw_cfg.file("etc/smbios/smbios-tables"))}
    assert struct.unpack_from("<I", found[ARRAY], 7)[0] == 48 << 10
    assert struct.unpack_from("<H", found[MODULE], 12)[0] == 48
    assert struct.unpack_from("<II", found[MAPPED], 4) == (0, (48 << 10) - 1)


def check_anchor(anchor, tables):
    assert anchor[:4] == b"_SM_" and anchor[5] == 0x1F == len(anchor) and anchor[16:21] == b"_DMI_"
    assert sum(anchor) & 0xFF == 0 and sum(anchor[16:]) & 0xFF == 0
    length, address, count = struct.unpack_from("<HIH", anchor, 22)
    assert length == len(tables) and count == len(structures(tables))
    return address


def test_the_entry_point_is_for_the_firmware_to_place(machine):
    anchor = machine.fw_cfg.file("etc/smbios/smbios-anchor")
    assert check_anchor(anchor, machine.fw_cfg.file("etc/smbios/smbios-tables")) == 0


@pytest.mark.parametrize("board", ["pc", "isapc"])
def test_a_kernel_without_a_bios_finds_them_in_the_f_segment(make_machine, board):
    machine = make_machine(machine=board)
    memory = machine.memory.address_space_memory
    rom = memory.read(0xF0000, 0x10000)
    at = next(k for k in range(0, len(rom), 16) if rom[k:k + 4] == b"_SM_")
    length, address = struct.unpack_from("<HI", rom, at + 22)
    assert check_anchor(rom[at:at + 31], memory.read(address, length)) == address
