"""Where the PC has its HPET, and what its legacy route cuts off."""
import pytest


@pytest.fixture
def pc(make_machine):
    machine = make_machine(machine="pc")
    machine.system_reset()
    return machine


def test_timers_0_and_1_take_the_place_of_the_interval_timer_and_the_clock_chip(pc):
    pit, rtc = pc.pit.counters[0].out, pc.rtc.irq
    pit.set(0)
    pc.hpet.write(0x010, 2)
    pit.raise_()
    rtc.raise_()
    assert pc.gsi[0].level == pc.gsi[8].level == 0
    pc.hpet.legacy[0].raise_()
    pc.hpet.legacy[1].raise_()
    assert pc.gsi[0].level == pc.gsi[8].level == 1
    pc.hpet.legacy[1].lower()
    pit.lower()
    pc.hpet.write(0x010, 0)
    assert pc.gsi[0].level == 0 and pc.gsi[8].level == 1


def test_a_timer_reaches_its_input_of_the_io_apic(pc):
    pc.hpet.irqs[19].raise_()
    assert pc.ioapic.s.lines >> 16 == 1 << 3


def test_it_and_the_apics_have_their_places(pc):
    text = pc.info_mtree()
    for start, end, name in (("fec00000", "fec00fff", "ioapic"), ("fed00000", "fed003ff", "hpet"), ("fee00000", "fee00fff", "apic")):
        assert any(start in line and end in line and line.rstrip().endswith(name) for line in text.splitlines()), text


def test_isa_interrupts_reach_both_controllers(pc):
    pc.gsi[0].lower()
    pc.gsi[0].raise_()
    pc.gsi[4].raise_()
    assert pc.ioapic.s.lines & 0x15 == 0x14 and pc.pic.master.s.lines & 0x11 == 0x11


def test_isapc_has_none(make_machine):
    machine = make_machine(machine="isapc")
    assert machine.ioapic is None and not hasattr(machine, "hpet")


def test_its_messages_reach_a_processor_if_the_user_wants_them(make_machine):
    machine = make_machine(machine="pc", globals={("hpet", "msi"): "on"})
    machine.system_reset()
    assert machine.hpet.read(0x140, 4) & 1 << 15
    machine.hpet.message(0xFEE00000, 0x4041)
    assert machine.apics[0].s.irr == 1 << 0x41
