"""8237A data sheet and the PC/AT's DMA: registers through ports, transfers seen in memory."""
import pytest

from qemu_py.devices.i8237 import I8237Pair

CH0, CH1, CH2, CH3 = 0x00, 0x02, 0x04, 0x06
STATUS, COMMAND, REQUEST, MASK1, MODE, FLIPFLOP, CLEAR, CLEAR_MASK, MASK = 8, 8, 9, 10, 11, 12, 13, 14, 15
TO_MEMORY, FROM_MEMORY, VERIFY, AUTOINIT, DOWN, SINGLE, CASCADE = 0x04, 0x08, 0x00, 0x10, 0x20, 0x40, 0xC0
PAGE = {0: 0x87, 1: 0x83, 2: 0x81, 3: 0x82, 5: 0x8B, 6: 0x89, 7: 0x8A}


class RAM:
    def __init__(self):
        self.bytes = bytearray(1 << 20)
        self.calls = 0

    def read(self, address, length):
        self.calls += 1
        return bytes(self.bytes[address:address + length])

    def write(self, address, data):
        self.calls += 1
        self.bytes[address:address + len(data)] = data


class DMA:
    def __init__(self, bus):
        self.bus = bus
        self.ram = RAM()
        self.pair = I8237Pair(self.ram)
        bus.map(self.pair.slave, 0x00, 16)
        for n in range(16):
            bus.map(self.pair.master, 0xC0 + 2 * n, 1, first=n)
        bus.map(self.pair.pages, 0x80, 16)
        bus.outb(0xD6, CASCADE)         # as a BIOS does: the cascade is channel 4
        bus.outb(0xD4, 0)

    def program(self, n, address, count, mode):
        """As a driver does; address in bytes, count in transfers."""
        out = self.bus.outb
        base, step = (0, 1) if n < 4 else (0xC0, 2)
        k = n & 3
        word = address if n < 4 else address >> 1
        out(base + 10 * step, 4 | k)
        out(base + 12 * step, 0)
        out(base + 11 * step, mode | k)
        out(base + 2 * k * step, word & 0xFF)
        out(base + 2 * k * step, word >> 8 & 0xFF)
        out(base + (2 * k + 1) * step, count - 1 & 0xFF)
        out(base + (2 * k + 1) * step, count - 1 >> 8)
        out(PAGE[n], address >> 16)
        out(base + 10 * step, k)

    def current(self, port):
        self.bus.outb(FLIPFLOP, 0)
        return self.bus.inb(port) | self.bus.inb(port) << 8


@pytest.fixture
def dma(pc_bus):
    return DMA(pc_bus)


def test_address_and_count_through_the_flip_flop(dma):
    dma.program(2, 0x1234, 0x5679, SINGLE | TO_MEMORY)
    assert dma.current(CH2) == 0x1234 and dma.current(CH2 + 1) == 0x5678


def test_a_device_writes_to_memory(dma):
    dma.program(2, 0x21000, 512, SINGLE | TO_MEMORY)
    data = bytes(range(256)) * 2
    assert dma.pair.channel(2).to_memory(data) == (512, True)
    assert dma.ram.bytes[0x21000:0x21200] == data
    assert dma.ram.calls == 1           # in bulk


def test_a_device_reads_from_memory_in_parts(dma):
    dma.ram.bytes[0x30000:0x30004] = b"abcd"
    dma.program(3, 0x30000, 4, SINGLE | FROM_MEMORY)
    assert dma.pair.channel(3).from_memory(3) == (b"abc", False)
    assert dma.current(CH3) == 3 and dma.current(CH3 + 1) == 0
    assert dma.pair.channel(3).from_memory(3) == (b"d", True)


def test_terminal_count_masks_the_channel_and_shows_until_read(dma):
    dma.program(1, 0, 2, SINGLE | TO_MEMORY)
    channel = dma.pair.channel(1)
    assert channel.ready
    channel.to_memory(b"xx")
    assert not channel.ready
    assert dma.bus.inb(STATUS) & 0x0F == 0x02
    assert dma.bus.inb(STATUS) & 0x0F == 0
    assert dma.current(CH1 + 1) == 0xFFFF


def test_autoinitialize_begins_again(dma):
    dma.program(1, 0x500, 4, SINGLE | AUTOINIT | TO_MEMORY)
    channel = dma.pair.channel(1)
    assert channel.to_memory(b"abcdef") == (4, True)
    assert channel.ready and dma.current(CH1) == 0x500 and dma.current(CH1 + 1) == 3
    assert channel.to_memory(b"ef") == (2, False)
    assert dma.ram.bytes[0x500:0x504] == b"efcd"


def test_verify_moves_nothing_but_counts(dma):
    dma.program(2, 0x500, 4, SINGLE | VERIFY)
    assert dma.pair.channel(2).to_memory(b"abcd") == (4, True)
    assert dma.ram.bytes[0x500:0x504] == bytes(4) and dma.ram.calls == 0


def test_the_wrong_direction_does_no_harm(dma):
    dma.program(2, 0x500, 4, SINGLE | FROM_MEMORY)
    assert dma.pair.channel(2).to_memory(b"ab") == (2, False)
    assert dma.ram.bytes[0x500:0x502] == bytes(2)
    dma.program(2, 0x500, 4, SINGLE | TO_MEMORY)
    assert dma.pair.channel(2).from_memory(2) == (b"\xff\xff", False)


def test_addresses_count_down(dma):
    dma.program(2, 0x503, 4, SINGLE | DOWN | TO_MEMORY)
    dma.pair.channel(2).to_memory(b"abcd")
    assert dma.ram.bytes[0x500:0x504] == b"dcba" and dma.current(CH2) == 0x4FF


def test_the_address_wraps_within_its_page(dma):
    dma.program(2, 0x2FFFE, 4, SINGLE | TO_MEMORY)
    dma.pair.channel(2).to_memory(b"abcd")
    assert dma.ram.bytes[0x2FFFE:0x30000] == b"ab" and dma.ram.bytes[0x20000:0x20002] == b"cd"


def test_channels_5_to_7_move_words(dma):
    """Bit 16 of the address is the controller's: the page register's lowest bit does not count."""
    dma.program(5, 0x5A000, 3, SINGLE | TO_MEMORY)
    assert dma.pair.channel(5).to_memory(b"abcdefgh") == (6, True)
    assert dma.ram.bytes[0x5A000:0x5A008] == b"abcdef\0\0"
    assert dma.bus.inb(0xD0) & 0x0F == 0x02


def test_a_masked_channel_is_served_when_it_is_unmasked(dma):
    channel = dma.pair.channel(2)
    served = []
    channel.ready_handler = lambda: served.append(1)
    channel.request(1)
    assert served == [] and dma.bus.inb(STATUS) & 0xF0 == 0x40
    dma.bus.outb(MASK1, 2)
    assert served == [1]
    channel.request(0)
    assert dma.bus.inb(STATUS) & 0xF0 == 0


@pytest.mark.parametrize("stop, go", [((COMMAND, 4), (COMMAND, 0)), ((MASK, 0x0F), (MASK, 0)), ((MASK, 0x0F), (CLEAR_MASK, 0)),
                                      ((0xD4, 4), (0xD4, 0)), ((0xD0, 4), (0xD0, 0))])
def test_what_holds_a_channel_back(dma, stop, go):
    """Its own controller disabled, its mask; the cascade masked, the other controller disabled."""
    channel = dma.pair.channel(2)
    dma.bus.outb(MASK, 0)
    dma.bus.outb(*stop)
    assert not channel.ready
    served = []
    channel.ready_handler = lambda: served.append(1)
    channel.request(1)
    assert served == []
    dma.bus.outb(*go)
    assert served == [1]


def test_master_clear(dma):
    dma.program(2, 0x1234, 8, SINGLE | TO_MEMORY)
    dma.bus.inb(CH2)
    dma.bus.outb(CLEAR, 0)
    assert dma.bus.inb(MASK) & 0x0F == 0x0F
    assert dma.bus.inb(CH2) == 0x34 and dma.bus.inb(CH2) == 0x12        # registers stay, the flip-flop is cleared


def test_memory_to_memory(dma):
    dma.ram.bytes[0x100:0x108] = b"transfer"
    dma.program(0, 0x100, 8, FROM_MEMORY)
    dma.program(1, 0x200, 8, TO_MEMORY)
    dma.bus.outb(COMMAND, 0x01)
    dma.bus.outb(REQUEST, 0x04)
    assert dma.ram.bytes[0x200:0x208] == b"transfer"
    assert dma.bus.inb(CLEAR) == ord("r") and dma.bus.inb(STATUS) & 0x02


def test_memory_to_memory_with_channel_0_held_fills(dma):
    dma.ram.bytes[0x100] = 0x5A
    dma.program(0, 0x100, 1, FROM_MEMORY)
    dma.program(1, 0x200, 16, TO_MEMORY)
    dma.bus.outb(COMMAND, 0x03)
    dma.bus.outb(REQUEST, 0x04)
    assert dma.ram.bytes[0x200:0x211] == b"\x5a" * 16 + b"\0"


def test_the_other_page_registers_hold_what_is_written(dma):
    for port in (0x84, 0x85, 0x86, 0x88, 0x8C, 0x8D, 0x8E, 0x8F):
        dma.bus.outb(port, port ^ 0xFF)
        assert dma.bus.inb(port) == port ^ 0xFF


def test_reset_masks_everything_and_keeps_requests(dma):
    dma.pair.channel(3).request(1)
    dma.bus.outb(MASK, 0)
    dma.pair.reset()
    assert not dma.pair.channel(3).ready and dma.bus.inb(STATUS) & 0xF0 == 0x80
