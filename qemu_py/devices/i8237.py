"""Intel 8237A DMA controller (datasheet 231466), and the PC/AT's pair of them with page registers.

A device asks on a DMAChannel and moves its data in bulk, as much at once as the count allows: the
bus cycles one by one cannot be told apart by a guest. Channels 5 to 7 move words. Channel 4 is the
cascade: while it is masked, or its controller disabled, channels 0 to 3 wait.

Not modelled: the timing bits and the senses of DREQ and DACK in the command register, priorities
(nothing is in progress long enough to lose), the page register of refresh.
"""
from qemu_py.system.device import Device, device
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

MODE_VERIFY, MODE_WRITE, MODE_READ = 0, 1, 2            # transfer types: to memory, from memory
MODE_AUTOINIT, MODE_DECREMENT, MODE_CASCADE = 0x10, 0x20, 0xC0
COMMAND_MEMORY, COMMAND_HOLD_0, COMMAND_DISABLE = 0x01, 0x02, 0x04
PAGE_OF_CHANNEL = (7, 3, 1, 2, 15, 11, 9, 10)           # channel -> offset from port 80h


@dataclass
class ChannelState:
    VERSION = 1
    base_address: int = 0
    base_count: int = 0
    address: int = 0
    count: int = 0                      # transfers less one
    mode: int = 0


class DMAChannel:
    """What a device holds of its channel. ready_handler() is called when a transfer has become possible
    while its request is up."""

    def __init__(self, controller, n):
        self.controller = controller
        self.n = n
        self.ready_handler = None

    def request(self, level):
        """Drive DREQ; calls ready_handler if the channel is ready for it."""
        controller = self.controller
        bit = 1 << self.n
        if level:
            controller.s.requests |= bit
            controller.serve(self)
        else:
            controller.s.requests &= ~bit

    @property
    def ready(self):
        return self.controller.ready(self.n)

    @property
    def room(self):
        """Bytes until terminal count."""
        return (self.controller.s.channels[self.n].count + 1) << self.controller.shift

    def to_memory(self, data):
        """The device gives bytes: (how many were taken, terminal count)."""
        controller, s = self.controller, self.controller.s.channels[self.n]
        taken = min(len(data) >> controller.shift << controller.shift, self.room)
        if s.mode >> 2 & 3 == MODE_WRITE:
            controller.write_memory(self.n, memoryview(data)[:taken])
        return taken, controller.advance(self.n, taken)

    def from_memory(self, length):
        """The device wants bytes: (bytes, terminal count)."""
        controller, s = self.controller, self.controller.s.channels[self.n]
        taken = min(length >> controller.shift << controller.shift, self.room)
        if s.mode >> 2 & 3 == MODE_READ:
            data = controller.read_memory(self.n, taken)
        else:
            data = b"\xff" * taken      # nobody drives the bus
        return data, controller.advance(self.n, taken)


@device("i8237", "8237A DMA controller")
class I8237(Device):
    REGISTERS = {0: "address0", 1: "count0", 2: "address1", 3: "count1", 4: "address2", 5: "count2", 6: "address3",
                 7: "count3", 8: "command_status", 9: "request", 10: "mask_bit", 11: "mode", 12: "clear_flip_flop",
                 13: "master_clear", 14: "clear_mask", 15: "mask"}

    @dataclass
    class State:
        VERSION = 1
        channels: list = field(default_factory=lambda: [ChannelState() for _ in range(4)])
        command: int = 0
        mask: int = 0x0F
        requests: int = 0               # levels of DREQ
        software_requests: int = 0
        terminal_counts: int = 0
        temporary: int = 0
        high_byte: bool = False         # the first/last flip-flop

    def __init__(self, clock=None, memory=None, pages=None, shift=0, first=0, **properties):
        self.memory = memory            # AddressSpace
        self.pages = pages              # the DMAPages of the board
        self.shift = shift              # 1: this controller moves words
        self.first = first              # number of its channel 0 on the board
        self.cascaded_from = None       # (controller, channel) through which its bus request goes
        self.cascades = None            # the controller that is connected to channel 0
        self.channels = [DMAChannel(self, n) for n in range(4)]
        for n in range(4):
            setattr(self, f"read_address{n}", lambda n=n: self.read_half(self.s.channels[n].address))
            setattr(self, f"read_count{n}", lambda n=n: self.read_half(self.s.channels[n].count))
            setattr(self, f"write_address{n}", lambda value, n=n: self.write_half(self.s.channels[n], "address", value))
            setattr(self, f"write_count{n}", lambda value, n=n: self.write_half(self.s.channels[n], "count", value))
        super().__init__(clock, **properties)

    def reset(self):
        requests = self.s.requests      # the devices drive those
        self.s = self.State(requests=requests)

    # ---------------------------------------------------------------- transfers
    def ready(self, n):
        """May channel n have the bus?"""
        s = self.s
        if s.mask >> n & 1 or s.command & COMMAND_DISABLE:
            return False
        if self.cascaded_from is not None:
            above, channel = self.cascaded_from
            return above.ready(channel)
        return True

    def serve(self, channel):
        if channel.ready_handler is not None and self.ready(channel.n):
            channel.ready_handler()

    def poll(self):
        """Something was unmasked or enabled: serve whoever has been waiting for that."""
        for channel in self.channels:
            if self.s.requests >> channel.n & 1:
                self.serve(channel)
        if self.cascades is not None:
            self.cascades.poll()

    def pieces(self, n, length):
        """(physical address, length) of the next bytes of a channel: its address wraps at 64 Ki transfers."""
        s = self.s.channels[n]
        shift = self.shift
        page = self.pages.page(self.first + n) & (0xFF << shift) << 16
        unit = 1 << shift
        if s.mode & MODE_DECREMENT:     # downwards: a transfer at a time
            for k in range(length >> shift):
                yield page | (s.address - k & 0xFFFF) << shift, unit
            return
        first = min(length, 0x10000 - s.address << shift)
        yield page | s.address << shift, first
        if first < length:
            yield page, length - first

    def read_memory(self, n, length):
        return b"".join(self.memory.read(address, size) for address, size in self.pieces(n, length))

    def write_memory(self, n, data):
        at = 0
        for address, size in self.pieces(n, len(data)):
            self.memory.write(address, data[at:at + size])
            at += size

    def advance(self, n, length):
        """So many bytes have been moved; True: terminal count was reached."""
        s, chip = self.s.channels[n], self.s
        transfers = length >> self.shift
        s.address = s.address + (-transfers if s.mode & MODE_DECREMENT else transfers) & 0xFFFF
        if transfers <= s.count:
            s.count -= transfers
            return False
        s.count = 0xFFFF
        chip.terminal_counts |= 1 << n
        chip.software_requests &= ~(1 << n)
        if s.mode & MODE_AUTOINIT:
            s.address, s.count = s.base_address, s.base_count
        else:
            chip.mask |= 1 << n
        return True

    def memory_to_memory(self):
        """A software request of channel 0 with that mode on: from its address to channel 1's, by channel 1's count."""
        s = self.s
        source, target = s.channels[0], s.channels[1]
        transfers = target.count + 1
        length = transfers << self.shift
        if s.command & COMMAND_HOLD_0:
            data = self.read_memory(0, 1 << self.shift) * transfers
        else:
            data = self.read_memory(0, length)
            source.address = source.address + (-transfers if source.mode & MODE_DECREMENT else transfers) & 0xFFFF
            source.count = source.count - transfers & 0xFFFF
        self.write_memory(1, memoryview(data))
        s.temporary = data[-1]
        self.advance(1, length)
        s.software_requests &= ~1

    # ---------------------------------------------------------------- registers
    def read_half(self, value):
        high, self.s.high_byte = self.s.high_byte, not self.s.high_byte
        return value >> 8 if high else value & 0xFF

    def write_half(self, channel, name, value):
        high, self.s.high_byte = self.s.high_byte, not self.s.high_byte
        base = getattr(channel, "base_" + name)
        base = base & 0x00FF | value << 8 if high else base & 0xFF00 | value
        setattr(channel, "base_" + name, base)
        setattr(channel, name, base)    # current and base registers are written together

    def write_command_status(self, value):
        self.s.command = value
        self.poll()

    def read_command_status(self):
        s = self.s
        value = (s.requests | s.software_requests) << 4 | s.terminal_counts
        s.terminal_counts = 0
        return value

    def write_request(self, value):
        s = self.s
        bit = 1 << (value & 3)
        if not value & 4:
            s.software_requests &= ~bit
            return
        s.software_requests |= bit
        if not s.command & COMMAND_DISABLE and s.command & COMMAND_MEMORY and bit == 1:
            self.memory_to_memory()
        else:
            log.log(log.LOG_GUEST_ERROR, f"{self.NAME}: software request of channel {self.first + (value & 3)}"
                    " without a device that answers")

    def write_mask_bit(self, value):
        bit = 1 << (value & 3)
        self.set_mask(self.s.mask | bit if value & 4 else self.s.mask & ~bit)

    def write_mask(self, value):
        self.set_mask(value & 0x0F)

    def read_mask(self):
        return self.s.mask | 0xF0

    def write_clear_mask(self, value):
        self.set_mask(0)

    def set_mask(self, mask):
        freed = self.s.mask & ~mask
        self.s.mask = mask
        if freed:
            self.poll()

    def write_mode(self, value):
        self.s.channels[value & 3].mode = value & 0xFC

    def write_clear_flip_flop(self, value):
        self.s.high_byte = False

    def write_master_clear(self, value):
        s = self.s
        s.command = s.software_requests = s.terminal_counts = s.temporary = 0
        s.high_byte = False
        s.mask = 0x0F

    def read_master_clear(self):
        """The temporary register: the last byte of a memory-to-memory transfer."""
        return self.s.temporary


@device("dma-pages", "DMA page registers")
class DMAPages(Device):
    """74LS612 of the PC/AT: ports 81h-8Fh; the registers that belong to no channel hold what is written."""
    REGISTERS = {n: f"page{n}" for n in range(16)}

    @dataclass
    class State:
        VERSION = 1
        pages: bytearray = field(default_factory=lambda: bytearray(16))

    def __init__(self, clock=None, **properties):
        for n in range(16):
            setattr(self, f"read_page{n}", lambda n=n: self.s.pages[n])
            setattr(self, f"write_page{n}", lambda value, n=n: self.set_page(n, value))
        super().__init__(clock, **properties)

    def set_page(self, n, value):
        self.s.pages[n] = value

    def page(self, channel):
        """Address bits 16-23 of a channel, in place."""
        return self.s.pages[PAGE_OF_CHANNEL[channel]] << 16


class I8237Pair:
    """Channels 0-3 and, moving words, 4-7; 0-3 reach the bus through channel 4."""

    def __init__(self, memory):
        self.pages = DMAPages()
        self.master = I8237(memory=memory, pages=self.pages, shift=1, first=4)
        self.slave = I8237(memory=memory, pages=self.pages)
        self.slave.cascaded_from = self.master, 0
        self.master.cascades = self.slave

    def channel(self, n):
        """The DMAChannel of a number on the board: 0-3, 5-7."""
        return (self.slave if n < 4 else self.master).channels[n & 3]

    def reset(self):
        for part in (self.pages, self.master, self.slave):
            part.reset()
