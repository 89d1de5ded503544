"""The firmware configuration device through its ports, after QEMU's docs/specs/fw_cfg."""
import random
import struct

import pytest

from qemu_py.devices.fw_cfg import FWCfg
from qemu_py.system.memory import Memory, MemoryRegion

KEY_PORT, DATA_PORT, DMA_HIGH, DMA_LOW = 0x510, 0x511, 0x514, 0x518
SIGNATURE, ID, FILE_DIR, FIRST_FILE = 0x00, 0x01, 0x19, 0x20
ERROR, READ, SKIP, SELECT, WRITE = 1, 2, 4, 8, 16
RAM = 1 << 20
ACCESS, TARGET = 0x1000, 0x2000


class Guest:
    """What a guest does: port accesses, and memory."""

    def __init__(self):
        self.memory = Memory()
        self.ram = MemoryRegion.ram("ram", RAM, self.memory.ram_list)
        self.memory.system_memory.add_subregion(0, self.ram)
        self.dma_space = self.memory.address_space_memory
        self.device = FWCfg(memory=self.dma_space)
        self.device.map(self.memory.system_io)
        self.outw = lambda port, value: self.memory.physmap.port_write(port, value, 2)
        self.inb = lambda port: self.memory.physmap.port_read(port, 1)

    def outl_be(self, port, value):
        self.memory.physmap.port_write(port, int.from_bytes(value.to_bytes(4, "big"), "little"), 4)

    def inl_be(self, port):
        return int.from_bytes(self.memory.physmap.port_read(port, 4).to_bytes(4, "little"), "big")

    def read(self, key, size):
        self.outw(KEY_PORT, key)
        return bytes(self.inb(DATA_PORT) for _ in range(size))

    def dma(self, control, length, target=TARGET, address=ACCESS):
        """A transfer; the control field afterwards."""
        self.dma_space.write(address, struct.pack(">IIQ", control, length, target))
        self.outl_be(DMA_LOW, address)
        return struct.unpack(">I", self.dma_space.read(address, 4))[0]


@pytest.fixture
def guest():
    return Guest()


def test_the_signature_is_qemu(guest):
    assert guest.read(SIGNATURE, 4) == b"QEMU"


def test_the_id_says_that_there_are_ports_and_dma(guest):
    assert guest.read(ID, 4) == b"\x03\0\0\0"
    assert FWCfg().items[ID] == b"\x01\0\0\0"           # without memory there is no DMA


def test_reading_goes_on_byte_by_byte_and_gives_zero_behind_the_end(guest):
    guest.device.add(0x8000, b"abc")
    assert guest.read(0x8000, 6) == b"abc\0\0\0"
    assert guest.read(0x8000, 2) == b"ab"               # selecting begins anew
    assert guest.inb(DATA_PORT) == ord("c")


def test_a_key_that_nothing_is_under_reads_as_zeros(guest):
    assert guest.read(0x7777, 4) == bytes(4)


def test_writes_to_the_data_port_change_nothing(guest):
    guest.device.add(0x8000, b"abc")
    guest.outw(KEY_PORT, 0x8000)
    guest.memory.physmap.port_write(DATA_PORT, 0x55, 1)
    guest.memory.physmap.port_write(KEY_PORT, 0x55, 1)
    assert guest.inb(DATA_PORT) == ord("a")


def test_rep_insb_takes_a_block(guest):
    guest.device.add(0x8000, bytes(range(200)))
    guest.outw(KEY_PORT, 0x8000)
    guest.inb(DATA_PORT)
    assert guest.memory.physmap.port_read_block(DATA_PORT, 1, 256) == bytes(range(1, 200)) + bytes(57)
    assert guest.inb(DATA_PORT) == 0


def test_the_directory_names_size_and_key_of_each_file(guest):
    guest.device.add_file("etc/one", b"1")
    guest.device.add_file("bootorder", b"two words")
    count, = struct.unpack(">I", guest.read(FILE_DIR, 4))
    assert count == 2
    entries = {}
    for _ in range(count):
        size, key, reserved, name = struct.unpack(">IHH56s", bytes(guest.inb(DATA_PORT) for _ in range(64)))
        assert reserved == 0 and key >= FIRST_FILE
        entries[name.rstrip(b"\0").decode()] = (size, key)
    assert list(entries) == ["bootorder", "etc/one"]
    assert {name: size for name, (size, _) in entries.items()} == {"bootorder": 9, "etc/one": 1}
    assert guest.read(entries["bootorder"][1], 9) == b"two words"


def test_a_file_given_again_keeps_its_key(guest):
    guest.device.add_file("a", b"1")
    key = guest.device.files["a"]
    guest.device.add_file("a", b"22")
    assert guest.device.files == {"a": key} and guest.read(key, 2) == b"22"


def test_a_file_may_be_made_when_it_is_selected(guest):
    contents = [b"old", b"newer"]
    guest.device.add_file("a", lambda: contents.pop(0))
    key = guest.device.files["a"]
    assert guest.read(key, 3) == b"old"
    assert struct.unpack(">II", guest.read(FILE_DIR, 8)) == (1, len(b"newer"))


# ---------------------------------------------------------------- DMA
def test_the_dma_register_reads_as_its_signature(guest):
    assert (guest.inl_be(DMA_HIGH), guest.inl_be(DMA_LOW)) == (0x51454D55, 0x20434647)          # "QEMU CFG"


def test_dma_selects_and_reads(guest):
    guest.device.add(0x8000, b"hello")
    guest.dma_space.write(TARGET, b"\xee" * 8)
    assert guest.dma(0x8000 << 16 | SELECT | READ, 7) == 0
    assert guest.dma_space.read(TARGET, 8) == b"hello\0\0\xee"


def test_dma_reads_on_from_where_it_was(guest):
    guest.device.add(0x8000, b"hello")
    assert guest.dma(0x8000 << 16 | SELECT, 0) == 0
    assert guest.dma(SKIP, 2) == 0
    assert guest.dma(READ, 2) == 0
    assert guest.dma_space.read(TARGET, 2) == b"ll"
    assert guest.inb(DATA_PORT) == ord("o")


def test_dma_beyond_the_last_address_is_an_error(guest):
    guest.device.add(0x8000, b"hello")
    assert guest.dma(0x8000 << 16 | SELECT | READ, 9, target=(1 << 64) - 5) == ERROR


def test_the_high_half_of_the_address_counts_for_one_transfer(guest):
    guest.outl_be(DMA_HIGH, 1)
    guest.device.add(0x8000, b"hello")
    assert guest.dma(0x8000 << 16 | SELECT | READ, 5) != 0      # it went to 4 GiB and more
    assert guest.dma(0x8000 << 16 | SELECT | READ, 5) == 0


def test_dma_writes_to_writable_files_only(guest):
    heard = []
    guest.device.add_file("w", b"12345678", writable=True, written=heard.append)
    guest.device.add_file("r", b"12345678")
    w, r = guest.device.files["w"], guest.device.files["r"]
    guest.dma_space.write(TARGET, b"abcd")
    assert guest.dma(r << 16 | SELECT | WRITE, 4) == ERROR
    assert guest.dma(w << 16 | SELECT | WRITE, 4) == 0
    assert guest.dma(WRITE, 8) == ERROR                 # beyond the end
    assert guest.read(w, 8) == b"abcd5678" and guest.read(r, 8) == b"12345678"
    assert heard == [b"abcd5678"]
    guest.device.reset()
    assert guest.read(w, 8) == b"12345678"


def test_dma_to_where_there_is_no_ram_ends(guest):
    guest.device.add(0x8000, b"hello")
    for target in (RAM - 2, 0xF0000000, (1 << 64) - 16):
        assert guest.dma(0x8000 << 16 | SELECT | READ, 0xFFFFFFFF, target) in (0, ERROR)


def test_random_writes_harm_nothing(guest):
    rng = random.Random(1)
    guest.device.add(0x8000, b"hello")
    guest.device.add_file("w", bytes(100), writable=True)
    for _ in range(3000):
        port, size = rng.randrange(KEY_PORT, KEY_PORT + 12), rng.choice((1, 2, 4))
        if rng.random() < 0.5:
            guest.memory.physmap.port_write(port, rng.getrandbits(8 * size), size)
        else:
            guest.memory.physmap.port_read(port, size)
        if rng.random() < 0.1:
            guest.dma_space.write(rng.randrange(RAM - 64), rng.randbytes(64))
    assert guest.read(SIGNATURE, 4) == b"QEMU"
