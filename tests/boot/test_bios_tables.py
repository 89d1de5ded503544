"""Our own BIOS puts the machine's tables where systems look for them."""
import struct

import pytest

from tests.boot import test_acpi, test_smbios
from tests.boot.bios_guest import HDA, Runner

F_SEGMENT = 0xF0000


@pytest.fixture
def started(make_machine, tmp_path):
    """started(board, options): a machine whose BIOS has started a boot sector; and its segment F000h."""
    def started(board, code="", **config):
        runner = Runner(make_machine, tmp_path / "disk.img", board, HDA)
        runner(code, 1 << 20, **config)
        memory = runner.machine.memory.address_space_memory
        return runner.machine, memory, memory.read(F_SEGMENT, 0x10000)
    return started


def find(segment, signature):
    """Where, on a paragraph's boundary; exactly once."""
    at, = [at for at in range(0, len(segment), 16) if segment[at:at + len(signature)] == signature]
    return at


@pytest.mark.parametrize("ram, cpus", [(8 << 20, 1), (64 << 20, 8)])
def test_acpi_tables_are_linked_and_lie_in_reserved_memory(started, ram, cpus):
    machine, memory, segment = started("pc", ram_size=ram, cpus=cpus)
    rsdp = find(segment, b"RSD PTR ")
    base = ram - 0x10000
    files = {"etc/acpi/rsdp": segment[rsdp:rsdp + 20], "etc/acpi/tables": memory.read(base, 0x10000)}
    tables = test_acpi.tables_of(files, rsdp_at=F_SEGMENT + rsdp, tables_at=base)
    assert {"RSDT", "FACP", "FACS", "DSDT", "APIC"} <= set(tables)
    assert struct.unpack_from("<I", tables["FACP"], 64)[0] == machine.pm.config_word(0x40, 4) & 0xFFC0 | 4


@pytest.mark.parametrize("board", ["pc", "isapc"])
def test_smbios_structures_have_their_entry_point(started, board):
    machine, memory, segment = started(board)
    at = find(segment, b"_SM_")
    length, address = struct.unpack_from("<HI", segment, at + 22)
    tables = memory.read(address, length)
    assert test_smbios.check_anchor(segment[at:at + 31], tables) == address
    assert tables == machine.fw_cfg.file("etc/smbios/smbios-tables")


def test_with_little_memory_acpi_has_no_place(started):
    _, _, segment = started("pc", ram_size=1 << 20)
    assert b"RSD PTR " not in segment and find(segment, b"_SM_")


def test_a_reset_puts_them_there_again(started):
    machine, memory, segment = started("pc", code="inc byte ptr [0x600]; cmp byte ptr [0x600], 2; je over; mov al, 0xFE; out 0x64, al; w: jmp w; over:")
    assert memory.read(0x600, 1) == b"\2"
    assert find(segment, b"RSD PTR ") and find(segment, b"_SM_")
