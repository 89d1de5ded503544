"""National PC16550D UART (datasheet TL/C/8652), as a PC's serial port has it.

OUT2 gates the interrupt line, as on a PC; also in loopback mode, as in the Super I/O chips.
A character is sent at once; received ones come as fast as the guest takes them, from when it has opened the port (`listens`).

Not modelled: DMA mode (TXRDY, RXRDY), parity and framing of the line (a character device has none).
"""
from qemu_py.system.device import Device
from qemu_py.system.irq import IRQ
from qemu_py.util.dataclass import dataclass, field

CLOCK = 1843200                         # Hz; 115200 baud at divisor 1
FIFO_SIZE = 16
TRIGGERS = (1, 4, 8, 14)
IER_RDA, IER_THRE, IER_RLS, IER_MS = 0x01, 0x02, 0x04, 0x08
IIR_NONE, IIR_RLS, IIR_RDA, IIR_TIMEOUT, IIR_THRE, IIR_MS, IIR_FIFO = 0x01, 0x06, 0x04, 0x0C, 0x02, 0x00, 0xC0
FCR_ENABLE, FCR_CLEAR_RX, FCR_CLEAR_TX = 0x01, 0x02, 0x04
LCR_STOP2, LCR_PARITY, LCR_BREAK, LCR_DLAB = 0x04, 0x08, 0x40, 0x80
MCR_DTR, MCR_RTS, MCR_OUT1, MCR_OUT2, MCR_LOOP = 0x01, 0x02, 0x04, 0x08, 0x10
LSR_DR, LSR_OE, LSR_PE, LSR_FE, LSR_BI, LSR_THRE, LSR_TEMT, LSR_FIFO_ERROR = 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80
POLLS = 16
LSR_ERRORS = LSR_OE | LSR_PE | LSR_FE | LSR_BI
MSR_DCTS, MSR_DDSR, MSR_TERI, MSR_DDCD = 0x01, 0x02, 0x04, 0x08
MSR_CTS, MSR_DSR, MSR_RI, MSR_DCD = 0x10, 0x20, 0x40, 0x80


class UART16550(Device):
    REGISTERS = {0: "data", 1: "ier", 2: "iir_fcr", 3: "lcr", 4: "mcr", 5: "lsr", 6: "msr", 7: "scr"}

    @dataclass
    class State:
        VERSION = 1
        divisor: int = 12
        ier: int = 0
        fcr: int = 0
        lcr: int = 0
        mcr: int = 0
        lsr: int = LSR_THRE | LSR_TEMT
        msr: int = 0
        scr: int = 0
        rx: list = field(default_factory=list)          # (character, error bits of LSR)
        tx: bytearray = field(default_factory=bytearray)    # what the character device has not taken
        thr_interrupt: bool = False
        rx_timeout: bool = False
        polls: int = 0                  # of LSR, one after the other, by a program that has not opened the port

    def __init__(self, clock=None, chardev=None, **properties):
        super().__init__(clock, **properties)
        self.intr = IRQ()
        # What a read of LSR gives while reading it changes nothing, else None: whoever maps the
        # ports may answer polls from it without a call.
        self.lsr_listener = None
        self.chardev = chardev
        self.timeout_timer = clock.timer(self.rx_timed_out, "uart16550.timeout") if clock else None
        if chardev is not None:
            chardev.add_handlers(self.can_receive, self.receive, self.event, self.send)
        self.set_modem_lines(self.line_inputs())
        self.s.msr &= 0xF0

    def reset(self):
        super().reset()
        if self.timeout_timer is not None:
            self.timeout_timer.cancel()
        self.s.msr = self.line_inputs()
        self.update()

    # ---------------------------------------------------------------- interrupts
    def iir(self):
        """The highest pending interrupt."""
        s = self.s
        if s.ier & IER_RLS and s.lsr & LSR_ERRORS:
            return IIR_RLS
        if s.ier & IER_RDA and s.lsr & LSR_DR:
            if not s.fcr & FCR_ENABLE or len(s.rx) >= TRIGGERS[s.fcr >> 6]:
                return IIR_RDA
            if s.rx_timeout:
                return IIR_TIMEOUT
        if s.ier & IER_THRE and s.thr_interrupt:
            return IIR_THRE
        if s.ier & IER_MS and s.msr & 0x0F:
            return IIR_MS
        return IIR_NONE

    def update(self):
        """After any change: the interrupt line, and LSR for passive reads."""
        s = self.s
        self.intr.set(s.mcr & MCR_OUT2 and s.ier and self.iir() != IIR_NONE)
        if self.lsr_listener is not None:
            self.lsr_listener(None if s.lsr & LSR_ERRORS or not self.listens() else s.lsr)

    # ---------------------------------------------------------------- receiver
    def character_mask(self):
        return (0x1F, 0x3F, 0x7F, 0xFF)[self.s.lcr & 3]

    def character_ns(self):
        lcr = self.s.lcr
        bits = 1 + 5 + (lcr & 3) + bool(lcr & LCR_PARITY) + (2 if lcr & LCR_STOP2 else 1)
        return bits * 16 * (self.s.divisor or 0x10000) * 1_000_000_000 // CLOCK

    def rx_capacity(self):
        return FIFO_SIZE if self.s.fcr & FCR_ENABLE else 1

    def listens(self):
        """Has a program opened the port? The other end waits for DTR or RTS, as terminals and modems do: what is typed or piped
        in before is not lost to the system that clears the receiver when it opens it. Programs without a handshake are known
        because they want the interrupt, or poll."""
        s = self.s
        return bool(s.mcr & (MCR_DTR | MCR_RTS) or s.ier & IER_RDA or s.polls >= POLLS)

    def can_receive(self):
        """How many characters the line may deliver now. In loopback the input is cut off."""
        if self.s.mcr & MCR_LOOP or not self.listens():
            return 0
        return self.rx_capacity() - len(self.s.rx)

    def receive(self, data):
        mask = self.character_mask()
        for byte in data:
            self.put(byte & mask)
        self.update()

    def event(self, name):
        """The other end does something other than sending: "break"."""
        if name == "break" and not self.s.mcr & MCR_LOOP:
            self.put(0, LSR_BI | LSR_FE)
            self.update()

    def put(self, byte, errors=0):
        """A character has arrived in the shift register."""
        s = self.s
        if len(s.rx) >= self.rx_capacity():
            s.lsr |= LSR_OE             # with FIFOs the new one is lost, without the old one
            if not s.fcr & FCR_ENABLE:
                s.rx[0] = (byte, errors)
                s.lsr |= errors
            return
        s.rx.append((byte, errors))
        if len(s.rx) == 1:
            s.lsr |= errors             # errors show when their character is at the top
        s.lsr |= LSR_DR
        self.update_fifo_error()
        self.restart_timeout()

    def update_fifo_error(self):
        s = self.s
        if s.fcr & FCR_ENABLE and any(errors for _, errors in s.rx):
            s.lsr |= LSR_FIFO_ERROR
        else:
            s.lsr &= ~LSR_FIFO_ERROR

    def restart_timeout(self):
        """Four character times without a character in or out are a timeout."""
        s = self.s
        s.rx_timeout = False
        if self.timeout_timer is None:
            return
        if s.fcr & FCR_ENABLE and s.rx:
            self.timeout_timer.mod_ns(self.clock.get_ns() + 4 * self.character_ns())
        else:
            self.timeout_timer.cancel()

    def rx_timed_out(self):
        if self.s.rx:
            self.s.rx_timeout = True
            self.update()

    def clear_rx(self):
        s = self.s
        s.rx.clear()
        s.lsr &= ~(LSR_DR | LSR_FIFO_ERROR)
        self.restart_timeout()
        self.accept_input()

    def accept_input(self):
        if self.chardev is not None:
            self.chardev.accept_input()

    # ---------------------------------------------------------------- transmitter
    def transmit(self, byte):
        s = self.s
        s.thr_interrupt = False
        if s.mcr & MCR_LOOP:
            self.put(byte & self.character_mask())
        elif self.chardev is not None:
            if len(s.tx) >= self.rx_capacity():
                s.tx[-1] = byte         # a write to a full transmitter overwrites
            else:
                s.tx.append(byte)
            self.flush()
            return
        s.thr_interrupt = True

    def flush(self):
        """Hand to the character device what it takes; the rest waits for send()."""
        s = self.s
        taken = self.chardev.write(s.tx)
        if taken >= len(s.tx):
            s.tx.clear()
            s.lsr |= LSR_THRE | LSR_TEMT
            s.thr_interrupt = True
        else:
            del s.tx[:taken]
            s.lsr &= ~(LSR_THRE | LSR_TEMT)

    def send(self):
        """The character device can take more."""
        if self.s.tx:
            self.flush()
            self.update()

    # ---------------------------------------------------------------- modem lines
    def line_inputs(self):
        """CTS, DSR, RI and DCD as the other end drives them: a device that is there is ready."""
        if self.chardev is None:
            return 0
        return MSR_CTS | MSR_DSR | MSR_DCD

    def set_modem_lines(self, lines):
        s = self.s
        changed = (s.msr ^ lines) & 0xF0
        delta = (MSR_DCTS if changed & MSR_CTS else 0) | (MSR_DDSR if changed & MSR_DSR else 0) \
            | (MSR_DDCD if changed & MSR_DCD else 0) \
            | (MSR_TERI if changed & MSR_RI and not lines & MSR_RI else 0)
        s.msr = lines | s.msr & 0x0F | delta

    def update_modem_lines(self):
        mcr = self.s.mcr
        if mcr & MCR_LOOP:
            self.set_modem_lines((MSR_CTS if mcr & MCR_RTS else 0) | (MSR_DSR if mcr & MCR_DTR else 0)
                                 | (MSR_RI if mcr & MCR_OUT1 else 0) | (MSR_DCD if mcr & MCR_OUT2 else 0))
        else:
            self.set_modem_lines(self.line_inputs())

    # ---------------------------------------------------------------- registers
    def read_data(self):
        s = self.s
        if s.lcr & LCR_DLAB:
            return s.divisor & 0xFF
        if not s.rx:
            return 0
        byte, _ = s.rx.pop(0)
        if s.rx:
            s.lsr |= s.rx[0][1]
        else:
            s.lsr &= ~LSR_DR
        self.update_fifo_error()
        self.restart_timeout()
        self.accept_input()
        self.update()
        return byte

    def write_data(self, value):
        s = self.s
        if s.lcr & LCR_DLAB:
            s.divisor = s.divisor & 0xFF00 | value
            return
        if s.polls < POLLS:
            s.polls = 0                 # they were for the transmitter
        self.transmit(value)
        self.update()

    def read_ier(self):
        return self.s.divisor >> 8 if self.s.lcr & LCR_DLAB else self.s.ier

    def write_ier(self, value):
        s = self.s
        if s.lcr & LCR_DLAB:
            s.divisor = s.divisor & 0xFF | value << 8
            return
        # Enabling the transmitter's interrupt while it is empty interrupts at once.
        if value & ~s.ier & IER_THRE and s.lsr & LSR_THRE:
            s.thr_interrupt = True
        s.ier = value & 0x0F
        self.update()
        self.accept_input()

    def read_iir_fcr(self):
        s = self.s
        iir = self.iir()
        if iir == IIR_THRE:             # reading it acknowledges
            s.thr_interrupt = False
            self.update()
        return iir | (IIR_FIFO if s.fcr & FCR_ENABLE else 0)

    def write_iir_fcr(self, value):
        s = self.s
        if (value ^ s.fcr) & FCR_ENABLE:
            value |= FCR_CLEAR_RX | FCR_CLEAR_TX
        # The other bits are programmed only together with bit 0.
        s.fcr = value & 0xC9 if value & FCR_ENABLE else 0
        if value & FCR_CLEAR_RX:
            self.clear_rx()
        if value & FCR_CLEAR_TX and s.tx:
            s.tx.clear()
            s.lsr |= LSR_THRE | LSR_TEMT
            s.thr_interrupt = True
        self.update()

    def read_lcr(self):
        return self.s.lcr

    def write_lcr(self, value):
        s = self.s
        begins = value & ~s.lcr & LCR_BREAK
        s.lcr = value
        if begins:
            if s.mcr & MCR_LOOP:
                self.put(0, LSR_BI | LSR_FE)
                self.update()
            elif self.chardev is not None:
                self.chardev.send_break()

    def read_mcr(self):
        return self.s.mcr

    def write_mcr(self, value):
        s = self.s
        s.mcr = value & 0x1F
        self.update_modem_lines()
        self.update()
        self.accept_input()

    def read_lsr(self):
        s = self.s
        value = s.lsr
        if not self.listens():
            s.polls += 1
            if s.polls == POLLS:
                self.update()
                self.accept_input()
        if value & LSR_ERRORS:
            s.lsr &= ~LSR_ERRORS
            self.update()
        return value

    def write_lsr(self, value):
        pass                            # "intended for read operations only": factory testing

    def read_msr(self):
        s = self.s
        value = s.msr
        if value & 0x0F:
            s.msr &= 0xF0
            self.update()
        return value

    def write_msr(self, value):
        pass

    def read_scr(self):
        return self.s.scr

    def write_scr(self, value):
        self.s.scr = value
