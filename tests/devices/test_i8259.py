"""The 8259A pair of a PC, as its datasheet has it."""
import pytest

MASTER, MASTER_DATA, SLAVE, SLAVE_DATA, ELCR0, ELCR1 = 0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1
EOI, SPECIFIC_EOI, ROTATE_EOI, ROTATE_SPECIFIC, SET_PRIORITY = 0x20, 0x60, 0xA0, 0xE0, 0xC0
ROTATE_AEOI_SET, ROTATE_AEOI_CLEAR = 0x80, 0x00
READ_IRR, READ_ISR, POLL, SET_SMM, CLEAR_SMM = 0x0A, 0x0B, 0x0C, 0x68, 0x48
AEOI, SFNM = 0x02, 0x10


def program(bus, icw4=0x01, ltim=0):
    """Vectors 20h and 28h, as most operating systems choose."""
    for port, base, icw3 in ((MASTER, 0x20, 0x04), (SLAVE, 0x28, 0x02)):
        bus.outb(port, 0x11 | ltim)
        bus.outb(port + 1, base)
        bus.outb(port + 1, icw3)
        bus.outb(port + 1, icw4)


@pytest.fixture
def pic(pc_bus):
    pair = pc_bus.add("i8259")
    program(pc_bus)
    return pair


def isr(bus, port=MASTER):
    bus.outb(port, READ_ISR)
    return bus.inb(port)


def irr(bus, port=MASTER):
    bus.outb(port, READ_IRR)
    return bus.inb(port)


def test_an_edge_interrupts_with_the_programmed_vector(pc_bus, pic):
    pic.irqs[1].raise_()
    assert pic.int.level == 1
    assert irr(pc_bus) == 0x02
    assert pic.read_irq() == 0x21
    assert pic.int.level == 0
    assert irr(pc_bus) == 0 and isr(pc_bus) == 0x02


def test_a_held_line_interrupts_once_in_edge_mode(pc_bus, pic):
    pic.irqs[1].raise_()
    pic.read_irq()
    pc_bus.outb(MASTER, EOI)
    assert pic.int.level == 0
    pic.irqs[1].lower()
    pic.irqs[1].raise_()
    assert pic.int.level == 1


def test_a_level_triggered_line_interrupts_until_it_is_lowered(pc_bus, pic):
    pc_bus.outb(ELCR0, 0x20)
    pic.irqs[5].raise_()
    assert pic.read_irq() == 0x25
    pc_bus.outb(MASTER, EOI)
    assert pic.int.level == 1
    assert pic.read_irq() == 0x25
    pic.irqs[5].lower()
    pc_bus.outb(MASTER, EOI)
    assert pic.int.level == 0


def test_ltim_makes_all_inputs_level_triggered(pc_bus, pic):
    program(pc_bus, ltim=0x08)
    pic.irqs[3].raise_()
    pic.read_irq()
    pc_bus.outb(MASTER, EOI)
    assert pic.int.level == 1


def test_elcr_keeps_the_edge_triggered_inputs_of_a_pc(pc_bus, pic):
    pc_bus.outb(ELCR0, 0xFF)
    pc_bus.outb(ELCR1, 0xFF)
    assert pc_bus.inb(ELCR0) == 0xF8
    assert pc_bus.inb(ELCR1) == 0xDE


def test_a_higher_level_interrupts_a_lower_one_and_not_the_other_way_round(pc_bus, pic):
    pic.irqs[3].raise_()
    pic.read_irq()
    pic.irqs[5].raise_()
    assert pic.int.level == 0
    pic.irqs[1].raise_()
    assert pic.int.level == 1
    assert pic.read_irq() == 0x21
    assert isr(pc_bus) == 0x0A
    pc_bus.outb(MASTER, EOI)            # ends IR1, the highest
    assert isr(pc_bus) == 0x08
    assert pic.int.level == 0
    pc_bus.outb(MASTER, EOI)
    assert pic.int.level == 1           # IR5 at last
    assert pic.read_irq() == 0x25


def test_a_masked_request_waits_in_irr(pc_bus, pic):
    pc_bus.outb(MASTER_DATA, 0x10)
    assert pc_bus.inb(MASTER_DATA) == 0x10
    pic.irqs[4].raise_()
    assert pic.int.level == 0 and irr(pc_bus) == 0x10
    pc_bus.outb(MASTER_DATA, 0x00)
    assert pic.int.level == 1


def test_a_slave_interrupt_comes_through_the_cascade(pc_bus, pic):
    pic.irqs[12].raise_()
    assert pic.read_irq() == 0x2C
    assert isr(pc_bus, SLAVE) == 0x10
    assert isr(pc_bus, MASTER) == 0x04
    pc_bus.outb(SLAVE, EOI)
    pc_bus.outb(MASTER, EOI)
    assert isr(pc_bus, SLAVE) == isr(pc_bus, MASTER) == 0


def test_a_second_slave_request_follows_the_first(pc_bus, pic):
    pic.irqs[8].raise_()
    pic.irqs[14].raise_()
    assert pic.read_irq() == 0x28
    pc_bus.outb(SLAVE, EOI)
    assert pic.int.level == 0           # the master's IR2 is still in service
    pc_bus.outb(MASTER, EOI)
    assert pic.int.level == 1
    assert pic.read_irq() == 0x2E


def test_a_higher_slave_request_waits_without_sfnm_and_not_with_it(pc_bus, pic):
    pic.irqs[12].raise_()
    pic.read_irq()
    pic.irqs[8].raise_()
    assert pic.int.level == 0
    pic.irqs[8].lower()
    pic.irqs[12].lower()

    program(pc_bus, icw4=0x01 | SFNM)
    pic.irqs[12].raise_()
    pic.read_irq()
    pic.irqs[8].raise_()
    assert pic.int.level == 1
    assert pic.read_irq() == 0x28


@pytest.mark.parametrize("irq, vector", [(3, 0x27), (11, 0x2F)])
def test_a_request_that_went_away_is_answered_as_spurious(pc_bus, pic, irq, vector):
    pic.irqs[irq].raise_()
    if irq >= 8:
        # The master still sees its slave's request; the slave no longer has one.
        pic.slave.s.irr = 0
    else:
        pic.irqs[irq].lower()
    assert pic.read_irq() == vector
    assert isr(pc_bus, SLAVE) == 0
    assert isr(pc_bus, MASTER) == (0x04 if irq >= 8 else 0)


def test_a_line_that_falls_before_the_acknowledge_withdraws_its_request(pc_bus, pic):
    pic.irqs[3].raise_()
    pic.irqs[3].lower()
    assert pic.int.level == 0 and irr(pc_bus) == 0


def test_specific_eoi_ends_the_named_level(pc_bus, pic):
    for n in (5, 3):
        pic.irqs[n].raise_()
        pic.read_irq()
    pc_bus.outb(MASTER, SPECIFIC_EOI | 5)
    assert isr(pc_bus) == 0x08


def test_automatic_eoi_leaves_nothing_in_service(pc_bus, pic):
    program(pc_bus, icw4=0x01 | AEOI)
    pic.irqs[3].raise_()
    assert pic.read_irq() == 0x23
    assert isr(pc_bus) == 0
    pic.irqs[7].raise_()
    assert pic.int.level == 1


def test_rotation_in_automatic_eoi_mode(pc_bus, pic):
    program(pc_bus, icw4=0x01 | AEOI)
    pc_bus.outb(MASTER, ROTATE_AEOI_SET)
    for n in (1, 3):
        pic.irqs[n].raise_()
    assert pic.read_irq() == 0x21       # and IR1 becomes the lowest
    pic.irqs[1].lower()
    pic.irqs[1].raise_()
    assert pic.read_irq() == 0x23
    pc_bus.outb(MASTER, ROTATE_AEOI_CLEAR)
    assert pic.read_irq() == 0x21


def test_rotate_on_eoi_makes_the_ended_level_the_lowest(pc_bus, pic):
    pic.irqs[4].raise_()
    pic.read_irq()
    pc_bus.outb(MASTER, ROTATE_EOI)
    pic.irqs[3].raise_()
    pic.irqs[6].raise_()
    assert pic.read_irq() == 0x26       # 5, 6, 7, 0 ... 4 is the order now


def test_rotate_on_specific_eoi(pc_bus, pic):
    pic.irqs[4].raise_()
    pic.read_irq()
    pc_bus.outb(MASTER, ROTATE_SPECIFIC | 4)
    assert isr(pc_bus) == 0
    pic.irqs[0].raise_()
    pic.irqs[5].raise_()
    assert pic.read_irq() == 0x25


def test_set_priority_names_the_lowest_level(pc_bus, pic):
    pc_bus.outb(MASTER, SET_PRIORITY | 5)
    pic.irqs[0].raise_()
    pic.irqs[6].raise_()
    assert pic.read_irq() == 0x26


def test_special_mask_mode_lets_lower_levels_through(pc_bus, pic):
    pic.irqs[3].raise_()
    pic.read_irq()
    pic.irqs[6].raise_()
    assert pic.int.level == 0
    pc_bus.outb(MASTER_DATA, 0x08)
    pc_bus.outb(MASTER, SET_SMM)
    assert pic.int.level == 1
    assert pic.read_irq() == 0x26
    pc_bus.outb(MASTER, EOI)            # does not end the masked IR3
    assert isr(pc_bus) == 0x08
    pc_bus.outb(MASTER, CLEAR_SMM)
    pc_bus.outb(MASTER, EOI)
    assert isr(pc_bus) == 0


def test_a_poll_acknowledges_without_the_processor(pc_bus, pic):
    pic.irqs[6].raise_()
    pc_bus.outb(MASTER, POLL)
    assert pc_bus.inb(MASTER) == 0x86
    assert isr(pc_bus) == 0x40
    pc_bus.outb(MASTER, EOI)
    pc_bus.outb(MASTER, POLL)
    assert pc_bus.inb(MASTER_DATA) & 0x80 == 0


def test_icw1_forgets_masks_requests_and_service(pc_bus, pic):
    pc_bus.outb(MASTER_DATA, 0xFE)
    pic.irqs[0].raise_()
    pic.read_irq()
    pic.irqs[3].raise_()
    pc_bus.outb(MASTER, 0x11)
    assert pic.int.level == 0
    pc_bus.outb(MASTER_DATA, 0x40)
    pc_bus.outb(MASTER_DATA, 0x04)
    pc_bus.outb(MASTER_DATA, 0x01)
    assert pc_bus.inb(MASTER_DATA) == 0
    assert pc_bus.inb(MASTER) == 0      # IRR is selected; the held line needs a new edge
    assert isr(pc_bus) == 0
    pic.irqs[3].lower()
    pic.irqs[3].raise_()
    assert pic.read_irq() == 0x43


def test_initialization_without_icw3_and_icw4(pc_bus, pic):
    pc_bus.outb(MASTER, 0x12)           # single, no ICW4
    pc_bus.outb(MASTER_DATA, 0x68)
    pc_bus.outb(MASTER_DATA, 0x00)      # already OCW1
    pic.irqs[2].raise_()
    assert pic.read_irq() == 0x6A


def test_nothing_is_asked_before_initialization_is_complete(pc_bus):
    pic = pc_bus.add("i8259")
    pic.irqs[0].raise_()
    assert pic.int.level == 0


def test_reset_keeps_what_other_chips_drive(pc_bus, pic):
    pic.irqs[5].raise_()
    pic.read_irq()
    pic.reset()
    assert pic.int.level == 0
    program(pc_bus)
    assert isr(pc_bus) == 0 and pic.int.level == 0
    pic.irqs[5].lower()
    pic.irqs[5].raise_()
    assert pic.int.level == 1
