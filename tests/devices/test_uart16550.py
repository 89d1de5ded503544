"""The PC16550D at COM1, by its datasheet."""
import pytest

DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR = (0x3F8 + n for n in (0, 1, 2, 2, 3, 4, 5, 6, 7))
RDA, THRE_INT, RLS, MS = 1, 2, 4, 8
OUT2, LOOP, RTS, DTR, OUT1 = 0x08, 0x10, 0x02, 0x01, 0x04
DR, OE, PE, FE, BI, THRE, TEMT = 1, 2, 4, 8, 0x10, 0x20, 0x40
CHARACTER_NS = 10 * 1_000_000_000 // 115200


@pytest.fixture
def uart(pc_bus, chardev):
    uart = pc_bus.add("uart16550", chardev=chardev)
    pc_bus.outb(LCR, 0x83)              # 115200 8N1
    pc_bus.outb(DATA, 1)
    pc_bus.outb(IER, 0)
    pc_bus.outb(LCR, 0x03)
    pc_bus.outb(MCR, OUT2 | RTS | DTR)
    return uart


def iir(bus):
    return bus.inb(IIR) & 0x0F


def test_reset_state(pc_bus, chardev):
    pc_bus.add("uart16550", chardev=chardev)
    assert [pc_bus.inb(port) for port in (IER, IIR, LCR, MCR, LSR)] == [0, 1, 0, 0, THRE | TEMT]
    assert pc_bus.inb(MSR) == 0xB0      # CTS, DSR, DCD: somebody is there; no deltas


def test_a_character_written_is_sent(pc_bus, uart, chardev):
    for c in b"hello":
        pc_bus.outb(DATA, c)
    assert chardev.sent == b"hello"
    assert pc_bus.inb(LSR) == THRE | TEMT


def test_the_divisor_lies_behind_dlab(pc_bus, uart):
    pc_bus.outb(LCR, 0x83)
    assert (pc_bus.inb(DATA), pc_bus.inb(IER)) == (1, 0)
    pc_bus.outb(DATA, 0x34)
    pc_bus.outb(IER, 0x12)
    assert (pc_bus.inb(DATA), pc_bus.inb(IER)) == (0x34, 0x12)
    pc_bus.outb(LCR, 0x03)
    assert pc_bus.inb(IER) == 0


# What a program does that opens the port; the other end sends nothing before.
@pytest.mark.parametrize("opens", [lambda bus: bus.outb(MCR, DTR), lambda bus: bus.outb(MCR, RTS | OUT2), lambda bus: bus.outb(IER, RDA),
                                   lambda bus: [bus.inb(LSR) for _ in range(16)]])
def test_input_waits_until_the_port_is_opened(pc_bus, chardev, opens):
    uart = pc_bus.add("uart16550", chardev=chardev)
    accepted = chardev.accepted
    pc_bus.outb(LCR, 3)
    pc_bus.outb(MCR, OUT2)
    assert uart.can_receive() == 0
    opens(pc_bus)
    assert uart.can_receive() == 1 and chardev.accepted > accepted


def test_polls_of_the_transmitter_do_not_open_the_port(pc_bus, chardev):
    uart = pc_bus.add("uart16550", chardev=chardev)
    for _ in range(20):
        pc_bus.inb(LSR)
        pc_bus.outb(DATA, 0x41)
    assert uart.can_receive() == 0


def test_a_port_that_is_closed_again_receives_nothing(pc_bus, chardev):
    uart = pc_bus.add("uart16550", chardev=chardev)
    pc_bus.outb(MCR, DTR | RTS)
    pc_bus.outb(MCR, 0)
    assert uart.can_receive() == 0


def test_the_scratch_register_keeps_a_byte(pc_bus, uart):
    pc_bus.outb(SCR, 0x5A)
    assert pc_bus.inb(SCR) == 0x5A


def test_unused_bits_of_ier_and_mcr_read_zero(pc_bus, uart):
    pc_bus.outb(IER, 0xFF)
    pc_bus.outb(MCR, 0xFF & ~LOOP)
    assert pc_bus.inb(IER) == 0x0F
    assert pc_bus.inb(MCR) == 0x0F


def test_received_data_interrupts_until_it_is_read(pc_bus, uart, chardev):
    pc_bus.outb(IER, RDA)
    assert chardev.type(b"ab") == b"b"  # without FIFOs there is room for one
    assert pc_bus.irq(4).level == 1
    assert iir(pc_bus) == 0x04
    assert pc_bus.inb(LSR) & DR
    assert pc_bus.inb(DATA) == ord("a")
    assert pc_bus.irq(4).level == 0
    assert not pc_bus.inb(LSR) & DR


def test_out2_gates_the_interrupt_line(pc_bus, uart, chardev):
    pc_bus.outb(MCR, 0)
    pc_bus.outb(IER, RDA)
    chardev.type(b"a")
    assert iir(pc_bus) == 0x04
    assert pc_bus.irq(4).level == 0
    pc_bus.outb(MCR, OUT2)
    assert pc_bus.irq(4).level == 1


def test_enabling_the_transmitter_interrupt_interrupts_at_once(pc_bus, uart):
    pc_bus.outb(IER, THRE_INT)
    assert pc_bus.irq(4).level == 1
    assert iir(pc_bus) == 0x02          # reading IIR acknowledges it
    assert pc_bus.irq(4).level == 0
    assert iir(pc_bus) == 0x01
    pc_bus.outb(DATA, 0x41)             # sent: empty once more
    assert iir(pc_bus) == 0x02


def test_interrupts_have_the_datasheets_priorities(pc_bus, uart, chardev):
    pc_bus.outb(IER, 0x0F)
    chardev.event("break")
    pc_bus.outb(MCR, OUT2 | LOOP)       # CTS, DSR fall: modem status changes
    assert iir(pc_bus) == 0x06
    pc_bus.inb(LSR)
    assert iir(pc_bus) == 0x04
    pc_bus.inb(DATA)
    assert iir(pc_bus) == 0x02
    assert iir(pc_bus) == 0x00
    pc_bus.inb(MSR)
    assert iir(pc_bus) == 0x01


def test_fifos_show_in_iir_and_hold_sixteen(pc_bus, uart, chardev):
    pc_bus.outb(FCR, 0x01)
    assert pc_bus.inb(IIR) == 0xC1
    assert chardev.type(bytes(range(20))) == bytes(range(16, 20))
    assert [pc_bus.inb(DATA) for _ in range(16)] == list(range(16))
    assert not pc_bus.inb(LSR) & DR


@pytest.mark.parametrize("bits, level", [(0x00, 1), (0x40, 4), (0x80, 8), (0xC0, 14)])
def test_the_trigger_level_decides_when_data_interrupts(pc_bus, uart, chardev, bits, level):
    pc_bus.outb(FCR, 0x01 | bits)
    pc_bus.outb(IER, RDA)
    chardev.type(b"x" * (level - 1))
    assert pc_bus.irq(4).level == 0
    chardev.type(b"x")
    assert pc_bus.irq(4).level == 1
    assert iir(pc_bus) == 0x04
    pc_bus.inb(DATA)
    assert pc_bus.irq(4).level == 0


def test_characters_below_the_trigger_time_out_after_four_character_times(pc_bus, uart, chardev, clock):
    pc_bus.outb(FCR, 0xC1)
    pc_bus.outb(IER, RDA)
    chardev.type(b"abc")
    clock.advance(4 * CHARACTER_NS - 1000)
    assert pc_bus.irq(4).level == 0
    clock.advance(2000)
    assert pc_bus.irq(4).level == 1
    assert iir(pc_bus) == 0x0C
    pc_bus.inb(DATA)                    # a read ends it and starts the time again
    assert pc_bus.irq(4).level == 0
    clock.advance(4 * CHARACTER_NS + 1000)
    assert iir(pc_bus) == 0x0C


def test_fcr_clears_the_receive_fifo(pc_bus, uart, chardev):
    pc_bus.outb(FCR, 0x01)
    chardev.type(b"abc")
    pc_bus.outb(FCR, 0x03)
    assert not pc_bus.inb(LSR) & DR


def test_changing_fifo_enable_clears_the_fifos(pc_bus, uart, chardev):
    pc_bus.outb(FCR, 0x01)
    chardev.type(b"abc")
    pc_bus.outb(FCR, 0x00)
    assert not pc_bus.inb(LSR) & DR
    assert pc_bus.inb(IIR) == 0x01


def test_loopback_returns_what_is_sent_and_sends_nothing(pc_bus, uart, chardev):
    pc_bus.outb(MCR, LOOP)
    pc_bus.outb(DATA, 0xA5)
    assert pc_bus.inb(DATA) == 0xA5
    assert chardev.sent == b""
    assert chardev.can_receive() == 0


def test_loopback_masks_to_the_word_length(pc_bus, uart):
    pc_bus.outb(LCR, 0x02)              # 7 bits
    pc_bus.outb(MCR, LOOP)
    pc_bus.outb(DATA, 0xFF)
    assert pc_bus.inb(DATA) == 0x7F


def test_loopback_leads_the_modem_outputs_to_the_inputs(pc_bus, uart):
    pc_bus.outb(MCR, LOOP)
    pc_bus.inb(MSR)
    for out, status in ((RTS, 0x10), (DTR, 0x20), (OUT1, 0x40), (OUT2, 0x80)):
        pc_bus.outb(MCR, LOOP | out)
        assert pc_bus.inb(MSR) & 0xF0 == status


def test_modem_status_deltas_clear_when_read(pc_bus, uart):
    pc_bus.outb(MCR, LOOP)
    pc_bus.inb(MSR)
    pc_bus.outb(MCR, LOOP | RTS | DTR | OUT1 | OUT2)
    assert pc_bus.inb(MSR) == 0xFB      # RI rose: only its trailing edge counts
    pc_bus.outb(MCR, LOOP)
    assert pc_bus.inb(MSR) == 0x0F
    assert pc_bus.inb(MSR) == 0x00


def test_overrun_in_loopback_is_a_line_status_interrupt(pc_bus, uart):
    pc_bus.outb(IER, RLS)
    pc_bus.outb(MCR, LOOP | OUT2)
    pc_bus.outb(DATA, 1)
    pc_bus.outb(DATA, 2)
    assert pc_bus.irq(4).level == 1
    assert iir(pc_bus) == 0x06
    assert pc_bus.inb(LSR) & (OE | DR) == OE | DR
    assert pc_bus.irq(4).level == 0
    assert not pc_bus.inb(LSR) & OE
    assert pc_bus.inb(DATA) == 2        # without FIFOs the newer character replaces the older


def test_overrun_with_fifos_loses_the_new_character(pc_bus, uart):
    pc_bus.outb(FCR, 0x01)
    pc_bus.outb(MCR, LOOP)
    for n in range(17):
        pc_bus.outb(DATA, n)
    assert pc_bus.inb(LSR) & OE
    assert [pc_bus.inb(DATA) for _ in range(16)] == list(range(16))


def test_a_break_is_a_zero_character_with_its_bits(pc_bus, uart, chardev):
    chardev.event("break")
    assert pc_bus.inb(LSR) & (BI | FE | DR) == BI | FE | DR
    assert pc_bus.inb(LSR) & (BI | FE) == 0
    assert pc_bus.inb(DATA) == 0


def test_an_error_in_the_fifo_shows_when_its_character_is_on_top(pc_bus, uart, chardev):
    pc_bus.outb(FCR, 0x01)
    chardev.type(b"a")
    chardev.event("break")
    assert pc_bus.inb(LSR) & 0x9E == 0x80       # somewhere in the FIFO
    pc_bus.inb(DATA)
    assert pc_bus.inb(LSR) & BI
    pc_bus.inb(DATA)
    assert not pc_bus.inb(LSR) & 0x80


def test_set_break_reaches_the_line_or_the_receiver_in_loopback(pc_bus, uart, chardev):
    pc_bus.outb(LCR, 0x43)
    assert chardev.breaks == 1
    pc_bus.outb(LCR, 0x03)
    pc_bus.outb(MCR, LOOP)
    pc_bus.outb(LCR, 0x43)
    assert pc_bus.inb(LSR) & BI


def test_a_line_that_takes_nothing_keeps_the_transmitter_full(pc_bus, uart, chardev):
    chardev.room = 1
    pc_bus.outb(DATA, ord("a"))
    pc_bus.outb(DATA, ord("b"))
    assert not pc_bus.inb(LSR) & THRE
    pc_bus.outb(IER, THRE_INT)
    assert pc_bus.irq(4).level == 0
    chardev.drain()
    assert chardev.sent == b"ab"
    assert pc_bus.inb(LSR) & THRE
    assert pc_bus.irq(4).level == 1


def test_lsr_may_be_read_passively_until_a_read_matters(pc_bus, uart, chardev):
    seen = []
    uart.lsr_listener = seen.append
    chardev.type(b"a")
    assert seen[-1] == THRE | TEMT | DR
    chardev.event("break")              # an overrun, as nobody has read
    assert seen[-1] is None
    pc_bus.inb(LSR)
    assert seen[-1] == THRE | TEMT | DR
