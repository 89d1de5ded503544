"""Messages of bus masters: PCI specification 3.0, 6.8; the formats of address and data, SDM vol. 3, 10.11.1 and 10.11.2."""
import pytest

from qemu_py.devices.apic import APIC, APICBus
from qemu_py.devices.bus_master import BusMasterMemory

WINDOW, LOGICAL, ONE_OF_THEM = 0xFEE00000, 1 << 2, 1 << 3
FIXED, LOWEST, NMI, INIT, EXTINT = 0 << 8, 1 << 8, 4 << 8, 5 << 8, 7 << 8
RESERVED = (3 << 8, 6 << 8)
ASSERT, LEVEL = 1 << 14, 1 << 15
SVR, LDR, TPR = 0x0F0, 0x0D0, 0x080
VECTOR = 0x51


@pytest.fixture
def apics(clock):
    bus = APICBus()
    apics = [APIC(clock, apic_id=n, bus=bus, bsp=n == 0) for n in range(3)]
    for n, apic in enumerate(apics):
        apic.write(SVR, 0x1FF)
        apic.write(LDR, 1 << n << 24)
    return apics


class Space:
    """Memory that notes what reaches it."""

    def __init__(self):
        self.writes = []

    def write(self, addr, data):
        self.writes.append((addr, bytes(data)))

    def read(self, addr, length):
        return bytes(length)


@pytest.fixture
def master(apics):
    memory = BusMasterMemory(Space())
    memory.message = apics[0].bus.message_signalled
    return memory


def to(destination, flags=0):
    return WINDOW | destination << 12 | flags


def requested(apics, vector=VECTOR):
    return [apic.s.irr >> vector & 1 for apic in apics]


def test_the_destination_field_names_an_apic(master, apics):
    master.st(to(2), FIXED | VECTOR, 4)
    assert requested(apics) == [0, 0, 1]


def test_ffh_names_all(master, apics):
    master.st(to(0xFF), FIXED | VECTOR, 4)
    assert requested(apics) == [1, 1, 1]


def test_a_logical_destination_is_a_set(master, apics):
    master.st(to(0b101, LOGICAL), FIXED | VECTOR, 4)
    assert requested(apics) == [1, 0, 1]


@pytest.mark.parametrize("hint, mode", [(ONE_OF_THEM, FIXED), (ONE_OF_THEM, LOWEST), (0, LOWEST)])
def test_a_redirected_one_goes_to_the_least_busy(master, apics, hint, mode):
    apics[0].write(TPR, 0x30)
    apics[2].write(TPR, 0x20)
    master.st(to(0b101, LOGICAL | hint), mode | VECTOR, 4)
    assert requested(apics) == [0, 0, 1]


def test_a_level_counts_when_it_is_asserted_only(master, apics):
    master.st(to(1), FIXED | LEVEL | VECTOR, 4)
    assert requested(apics) == [0, 0, 0]
    master.st(to(1), FIXED | LEVEL | ASSERT | VECTOR, 4)
    assert requested(apics) == [0, 1, 0] and apics[1].s.tmr >> VECTOR & 1


def test_nmi_has_no_vector(master, apics):
    seen = []
    apics[0].nmi.connect(lambda n, level: seen.append(level))
    master.st(to(0), NMI | VECTOR, 4)
    assert seen == [1, 0] and requested(apics) == [0, 0, 0]


@pytest.mark.parametrize("mode", RESERVED)
def test_reserved_delivery_modes_do_nothing(master, apics, mode):
    master.st(to(0), mode | VECTOR, 4)
    assert requested(apics) == [0, 0, 0]


def test_only_an_aligned_dword_is_a_message(master, apics):
    for addr, size in ((to(0), 1), (to(0), 2), (to(0), 8), (to(0) + 2, 4)):
        master.st(addr, VECTOR, size)
    assert requested(apics) == [0, 0, 0]


def test_the_processors_registers_are_out_of_reach(master):
    assert master.read(WINDOW + SVR, 4) == b"\xff" * 4
    buffer = bytearray(4)
    master.readinto(WINDOW + SVR, buffer)
    assert buffer == b"\xff" * 4 and master.map(WINDOW, 4096) is None and master.space.writes == []


def test_beside_the_window_is_memory(master):
    master.write(0xFEDFFFFC, b"abcd")
    master.write(0xFEF00000, b"efgh")
    assert master.space.writes == [(0xFEDFFFFC, b"abcd"), (0xFEF00000, b"efgh")]
