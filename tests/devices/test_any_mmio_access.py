"""Whatever a guest reads and writes, the APICs and the HPET answer with 32 bits, and never raise."""
import random

import pytest

from qemu_py.devices.apic import APIC, APICBus
from qemu_py.devices.hpet import HPET
from qemu_py.devices.ioapic import IOAPIC


def make_apic(clock):
    bus = APICBus()
    apics = [APIC(clock, apic_id=n, bus=bus, bsp=n == 0) for n in range(3)]
    IOAPIC(bus=bus)
    return apics[0], apics[0].acknowledge, 0x400


def make_ioapic(clock):
    bus = APICBus()
    apic = APIC(clock, bus=bus, bsp=True)
    apic.write(0xF0, 0x1FF)
    chip = IOAPIC(bus=bus)

    def some():
        chip.irqs[random.randrange(24)].set(random.randrange(2))
        if apic.intr.level:
            apic.acknowledge()
        apic.write(0xB0, 0)
    return chip, some, 0x14


def make_hpet(clock):
    return HPET(clock), lambda: clock.jump(random.randrange(1 << random.randrange(36))), 0x200


@pytest.mark.parametrize("make", [make_apic, make_ioapic, make_hpet])
@pytest.mark.parametrize("seed", range(3))
def test_any_access(clock, make, seed):
    random.seed(seed)
    chip, something, size = make(clock)
    for _ in range(3000):
        offset = random.randrange(0, size, 4)
        if random.randrange(2):
            chip.write(offset, random.getrandbits(32) if random.randrange(2) else 1 << random.randrange(32), 4)
        else:
            assert 0 <= chip.read(offset, 4) < 1 << 32, hex(offset)
        if not random.randrange(8):
            something()
            clock.jump(random.randrange(1000))
