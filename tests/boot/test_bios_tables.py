"""Our own BIOS puts the machine's tables where systems look for them."""
import struct

import pytest

from tests.boot import test_acpi, test_smbios
from tests.boot.bios_guest import HDA, Runner, run  # noqa: F401 (a fixture)

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


RAM_SIZE = 64 << 20
SAY_MAP = """
    xor ebx, ebx
    next: mov eax, 0xE820; mov edx, 0x534D4150; mov ecx, 20; mov di, 0x7000; int 0x15; jc done
    mov cx, 20; mov si, 0x7000; one: lodsb; call puth; loop one
    test ebx, ebx; jnz next; done:"""


def areas(said):
    """[(start, size, type)]"""
    return list(struct.iter_unpack("<QQI", bytes.fromhex(said)))


def reserved(said, address):
    return any(start <= address < start + size and kind == 2 for start, size, kind in areas(said))


def test_the_tables_lie_in_reserved_memory(run):
    said = run(SAY_MAP)
    segment = run.read(F_SEGMENT, 0x10000)
    rsdt, = struct.unpack_from("<I", segment, find(segment, b"RSD PTR ") + 16)
    fadt, = struct.unpack("<I", run.read(rsdt + 36, 4))
    assert run.read(fadt, 4) == b"FACP" and struct.unpack("<I", run.read(fadt + 76, 4)) == (0x608,)     # the timer's port
    assert all(reserved(said, at) for at in (rsdt, fadt, *struct.unpack("<II", run.read(fadt + 36, 8))))


def test_the_map_is_in_order_and_has_no_overlaps(run):
    entries = areas(run(SAY_MAP))
    for (start, size, _), (following, _, _) in zip(entries, entries[1:]):
        assert size and start + size <= following
    assert entries[-1][0] + entries[-1][1] == 1 << 32


def test_without_a_device_there_are_no_tables_but_a_map(run):
    def lose(machine):
        machine.fw_cfg.items[0] = b"none"
        machine.fw_cfg.data = b"none"
    entries = areas(run(SAY_MAP, do=lose))
    assert (0x100000, RAM_SIZE - 0x100000, 1) in entries
    assert b"RSD PTR " not in run.read(F_SEGMENT, 0x10000)


@pytest.mark.parametrize("bad", [
    ("<I56sIB", 1, b"nothing", 16, 1), ("<I56sIB", 1, b"etc/mine", 48, 1), ("<I56s56sIB", 2, b"etc/mine", b"etc/mine", 30, 4),
    ("<I56s56sIB", 2, b"etc/mine", b"etc/e820", 0, 4), ("<I56s56sIB", 2, b"etc/mine", b"etc/mine", 0, 16),
    ("<I56sIII", 3, b"etc/mine", 8, 0, 1 << 31), ("<I56sIII", 3, b"etc/mine", 32, 0, 32), ("<I56s56sIIB", 4, b"etc/mine", b"etc/mine", 0, 0, 4)])
def test_a_bad_command_of_the_loader_is_survived(run, bad):
    def spoil(machine):
        def entry(layout, *values):
            return struct.pack(layout, *values).ljust(128, b"\0")
        machine.fw_cfg.add_file("etc/mine", bytes(32))
        machine.fw_cfg.add_file("etc/table-loader", entry("<I56sIB", 1, b"etc/mine", 16, 2) + entry(*bad))
    assert (0x100000, RAM_SIZE - 0x100000, 1) in areas(run(SAY_MAP, do=spoil))
    assert b"_SM_" in run.read(F_SEGMENT, 0x10000)


def test_a_file_can_be_told_where_it_is(run):
    """The command WRITE_POINTER, by DMA, into a file that the guest may write."""
    def add(machine):
        machine.fw_cfg.add_file("etc/where", bytes(8), writable=True)
        machine.fw_cfg.add_file("etc/mine", b"here it lies")
        loader = struct.pack("<I56sIB", 1, b"etc/mine", 64, 1).ljust(128, b"\0")
        loader += struct.pack("<I56s56sIIB", 4, b"etc/where", b"etc/mine", 0, 4, 8).ljust(128, b"\0")
        machine.fw_cfg.add_file("etc/table-loader", loader)
    run("", do=add)
    address, = struct.unpack("<Q", run.machine.fw_cfg.file("etc/where"))
    assert address % 64 == 4 and run.read(address - 4, 12) == b"here it lies"


@pytest.mark.parametrize("cpus", [1, 4])
def test_all_processors_are_counted_and_halted(run, cpus):
    said = run("", cpus=cpus)
    assert said == ""
    state = run.machine.cpus
    assert len(state) == cpus and all(cpu.halted for cpu in state[1:])
