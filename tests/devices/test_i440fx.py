"""82441FX, from its datasheet: PAM, SMRAM, the registers that a BIOS finds."""
import pytest

from qemu_py.devices.i440fx import i440fx_init
from qemu_py.system.irq import IRQ
from qemu_py.system.memory import Memory, MemoryRegion

PAM0, SMRAM = 0x59, 0x72
OPEN, CLOSED, LOCKED, ENABLE = 0x40, 0x20, 0x10, 0x08
# PAM attributes (datasheet table 5): disabled, read only, write only, read and write
DISABLED, READ_ONLY, WRITE_ONLY, READ_WRITE = 0, 1, 2, 3
ROM_BYTE, RAM_BYTE, VGA_BYTE = 0xB1, 0x00, 0x66
AREAS = [(0xF0000, 0x59, 4, 0x10000)] + [
    (0xC0000 + 0x4000 * n, 0x5A + n // 2, 4 * (n % 2), 0x4000) for n in range(12)]


class Board:
    """A bridge with 4 MiB of RAM, ROM at C0000h-FFFFFh on the PCI side, video RAM at A0000h."""

    def __init__(self):
        self.memory = Memory()
        self.ram = MemoryRegion.ram("ram", 4 << 20, self.memory.ram_list)
        self.memory.system_memory.add_subregion(0, MemoryRegion.alias_of("low", self.ram, 0, 4 << 20))
        pci = MemoryRegion("pci", 1 << 64)
        pci.add_subregion(0xC0000, MemoryRegion.rom("rom", 0x40000, self.memory.ram_list, bytes((ROM_BYTE,)) * 0x40000))
        self.vga = MemoryRegion.ram("vga", 0x20000, self.memory.ram_list)
        self.vga.view[:] = VGA_BYTE
        pci.add_subregion(0xA0000, self.vga)
        self.bridge, self.bus, _ = i440fx_init(self.memory, self.ram, pci, [IRQ() for _ in range(4)])

    def config(self, offset, value=None, size=1):
        self.memory.physmap.port_write(0xCF8, 0x80000000 | offset & 0xFC, 4)
        if value is None:
            return self.memory.physmap.port_read(0xCFC + (offset & 3), size)
        self.memory.physmap.port_write(0xCFC + (offset & 3), value, size)

    def read(self, address):
        return self.memory.address_space_memory.read(address, 1)[0]

    def write(self, address, value):
        self.memory.address_space_memory.write(address, bytes((value,)))


@pytest.fixture
def board():
    return Board()


def test_it_is_the_host_bridge_8086_1237(board):
    assert board.config(0, size=4) == 0x12378086
    assert board.config(0x0A, size=2) == 0x0600
    assert board.config(4, size=2) == 0x0006
    assert board.config(6, size=2) == 0x0280


def test_memory_access_and_mastering_cannot_be_turned_off(board):
    board.config(4, 0x0000, 2)
    assert board.config(4, size=2) == 0x0006
    board.config(4, 0xFFFF, 2)
    assert board.config(4, size=2) == 0x0146


def test_after_reset_everything_below_1_mib_but_640_kib_is_pcis(board):
    assert board.read(0x9FFFF) == RAM_BYTE
    assert board.read(0xA0000) == VGA_BYTE
    assert board.read(0xC0000) == board.read(0xFFFFF) == ROM_BYTE
    assert board.read(0x100000) == RAM_BYTE


def test_where_pci_has_nothing_ram_does_not_show_through(board):
    board.ram.view[0xA0000:0x100000] = 0x11
    board.vga.parent.del_subregion(board.vga)
    assert board.read(0xA0000) == board.read(0xBFFFF) == 0xFF


@pytest.mark.parametrize("start, register, shift, size", AREAS, ids=lambda value: f"{value:x}")
def test_each_pam_field_governs_its_area_alone(board, start, register, shift, size):
    board.config(register, READ_WRITE << shift)
    for address, _, _, _ in AREAS:
        assert board.read(address) == (RAM_BYTE if address == start else ROM_BYTE), hex(address)
    assert board.read(start + size - 1) == RAM_BYTE


def test_read_only_shows_ram_and_protects_it(board):
    board.ram.view[0xD0000] = 0x12
    board.config(0x5C, READ_ONLY)
    board.write(0xD0000, 0x99)
    assert board.read(0xD0000) == 0x12


def test_write_only_reads_rom_and_writes_the_ram_below(board):
    board.config(PAM0, WRITE_ONLY << 4)
    for address in (0xF0000, 0xF0001, 0xFFFFF):
        board.write(address, board.read(address) ^ 1)
        assert board.read(address) == ROM_BYTE
    assert board.ram.view[0xF0000] == board.ram.view[0xFFFFF] == ROM_BYTE ^ 1
    board.config(PAM0, READ_ONLY << 4)
    assert board.read(0xF0000) == ROM_BYTE ^ 1


def test_a_rom_is_shadowed_by_copying_it_onto_itself(board):
    memory = board.memory.address_space_memory
    board.config(0x5A, WRITE_ONLY | WRITE_ONLY << 4)
    memory.write(0xC0000, memory.read(0xC0000, 0x8000))
    board.config(0x5A, READ_ONLY | READ_ONLY << 4)
    assert bytes(board.ram.view[0xC0000:0xC8000]) == bytes((ROM_BYTE,)) * 0x8000
    assert memory.read(0xC0000, 0x8000) == bytes((ROM_BYTE,)) * 0x8000


def test_pam_keeps_its_attribute_bits_only(board):
    board.config(PAM0, 0xFF)
    board.config(PAM0 + 6, 0xFF)
    assert board.config(PAM0) == 0x30
    assert board.config(PAM0 + 6) == 0x33


def test_one_write_of_four_pam_registers_is_one_update_of_the_map(board):
    before = board.memory.address_space_memory.topology_updates
    board.config(0x5C, 0x33333333, 4)
    assert board.memory.address_space_memory.topology_updates == before + 1
    assert board.read(0xD0000) == board.read(0xEC000) == RAM_BYTE


# ---------------------------------------------------------------- SMRAM
def test_smram_is_seen_while_it_is_open(board):
    assert board.config(SMRAM) == 0x02
    board.ram.view[0xA8000] = 0x5E
    board.config(SMRAM, OPEN | ENABLE)
    assert board.read(0xA8000) == 0x5E
    board.config(SMRAM, OPEN)                   # disabled
    assert board.read(0xA8000) == VGA_BYTE


def test_smram_is_seen_in_system_management_mode(board):
    board.ram.view[0xA8000] = 0x5E
    board.bridge.set_smm(0, True)
    assert board.read(0xA8000) == VGA_BYTE      # not enabled
    board.config(SMRAM, ENABLE)
    assert board.read(0xA8000) == 0x5E
    board.bridge.set_smm(0, False)
    assert board.read(0xA8000) == VGA_BYTE


def test_each_processor_has_its_own_view_of_smram(board):
    board.ram.view[0xA8000] = 0x5E
    board.config(SMRAM, ENABLE)
    board.bridge.set_smm(1, True)
    assert board.read(0xA8000) == 0x5E
    board.bridge.set_cpu(0)
    assert board.read(0xA8000) == VGA_BYTE
    board.bridge.set_smm(0, True)
    board.bridge.set_smm(0, False)
    assert board.read(0xA8000) == VGA_BYTE
    board.bridge.set_cpu(1)
    assert board.read(0xA8000) == 0x5E


def test_a_lock_closes_smram_until_reset(board):
    board.config(SMRAM, OPEN | ENABLE)
    board.config(SMRAM, LOCKED | OPEN | ENABLE)
    assert board.config(SMRAM) == LOCKED | ENABLE | 0x02
    board.config(SMRAM, OPEN)
    assert board.config(SMRAM) == LOCKED | ENABLE | 0x02
    assert board.read(0xA0000) == VGA_BYTE
    board.bridge.reset()
    assert board.config(SMRAM) == 0x02
    board.config(SMRAM, OPEN | ENABLE)
    assert board.read(0xA0000) == RAM_BYTE


def test_reset_gives_the_area_back_to_the_rom(board):
    for register in range(PAM0, PAM0 + 7):
        board.config(register, 0x33)
    assert board.read(0xF0000) == RAM_BYTE
    board.bridge.reset()
    assert board.read(0xF0000) == board.read(0xC0000) == ROM_BYTE
    assert board.config(PAM0) == 0
