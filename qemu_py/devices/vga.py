"""The VGA: miscellaneous output, sequencer, CRT controller, graphics and attribute controllers, DAC.

IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem". Beside this file: vga_memory.py and
_core/vgaplane.pyx (what the CPU sees at A0000h), vga_timing.py (retrace), vga_render.py (the picture),
vga_vbe.py (modes beyond the VGA's own). Registers are numbered from port 3B0h on.

Not modelled: the vertical retrace interrupt, light pen, feature connector, the sense comparator for
monochrome monitors (a colour monitor is attached), sequencer resets, vertical skews.
"""
from qemu_py.devices.vga_memory import BANK, CHAIN4, PLANAR, TEXT_COLOR, TEXT_MONO, VGAMemory
from qemu_py.devices.vga_timing import Timing
from qemu_py.devices.vga_vbe import BANK_SIZE, DAC_8BIT, Dispi, DispiState
from qemu_py.system.device import Device
from qemu_py.util import log
from qemu_py.util.dataclass import dataclass, field

VRAM_SIZE = 16 << 20
FIRST_PORT = 0x3B0
# Where the registers are on a bus: (first port, ports)
PORTS = ((0x3B4, 2), (0x3BA, 1), (0x3C0, 11), (0x3CC, 1), (0x3CE, 2), (0x3D4, 2), (0x3DA, 1))

# Miscellaneous output
MISC_COLOR, MISC_RAM, MISC_PAGE = 0x01, 0x02, 0x20
# Sequencer
CLOCKING, MAP_MASK, CHARACTER_MAP, MEMORY_MODE = 1, 2, 3, 4
MEMORY_EXTENDED, MEMORY_SEQUENTIAL, MEMORY_CHAIN4 = 0x02, 0x04, 0x08
# CRT controller
RETRACE_END, CRTC_PROTECT = 0x11, 0x80
TIMING_REGISTERS = frozenset((0x00, 0x01, 0x06, 0x07, 0x10, 0x11, 0x12, 0x17))
# Graphics controller
SET_RESET_ENABLE, DATA_ROTATE, READ_MAP, GRAPHICS_MODE, MISCELLANEOUS, BIT_MASK = 1, 3, 4, 5, 6, 8
MODE_ODD_EVEN, MISC_CHAIN_ODD_EVEN = 0x10, 0x02
# Attribute controller
MODE_CONTROL, PALETTE_ADDRESS_SOURCE = 0x10, 0x20

# The bits that registers have
SEQUENCER_BITS = bytes((0x03, 0x3D, 0x0F, 0x3F, 0x0E))
GRAPHICS_BITS = bytes((0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF))
ATTRIBUTE_BITS = bytes([0x3F] * 16 + [0xEF, 0xFF, 0x3F, 0x0F, 0x0F])
CRTC_COUNT = 0x19

DAC_READING, DAC_WRITING = 0x03, 0x00   # in the DAC's state register
SWITCH_SENSE = 0x10                     # input status 0: the comparator has found a monitor


class VGA(Device):
    """The adapter without a bus. `memory`: the machine's, for the video memory."""
    NAME = "vga"
    REGISTERS = {0x04: "crtc_index", 0x05: "crtc_data", 0x0A: "status1",
                 0x10: "attribute", 0x11: "attribute_data", 0x12: "misc_status0", 0x13: "enable",
                 0x14: "sequencer_index", 0x15: "sequencer_data", 0x16: "dac_mask", 0x17: "dac_state",
                 0x18: "dac_index", 0x19: "dac_data", 0x1A: "feature", 0x1C: "misc",
                 0x1E: "graphics_index", 0x1F: "graphics_data",
                 0x24: "crtc_color_index", 0x25: "crtc_color_data", 0x2A: "status1_color"}

    @dataclass
    class State:
        VERSION = 1
        misc: int = 0
        enabled: int = 1
        feature: int = 0
        sequencer_index: int = 0
        sequencer: bytearray = field(default_factory=lambda: bytearray(5))
        crtc_index: int = 0
        crtc: bytearray = field(default_factory=lambda: bytearray(CRTC_COUNT))
        graphics_index: int = 0
        graphics: bytearray = field(default_factory=lambda: bytearray(9))
        attribute_index: int = 0
        attribute_data_next: bool = False       # the flip-flop
        attribute: bytearray = field(default_factory=lambda: bytearray(21))
        dac_mask: int = 0xFF
        dac_state: int = DAC_WRITING
        dac_read_index: int = 0
        dac_write_index: int = 0
        dac_component: int = 0
        dac_latch: bytearray = field(default_factory=lambda: bytearray(3))
        dac: bytearray = field(default_factory=lambda: bytearray(768))
        dispi: DispiState = field(default_factory=DispiState)

    def __init__(self, clock, memory, vram_size=VRAM_SIZE, prefix="vga", **properties):
        super().__init__(clock, **properties)
        self.mem = VGAMemory(memory, vram_size, prefix)
        self.dispi = Dispi(self, vram_size)
        self.version = 0                # rises whenever a register changes what is seen
        self.timing = None              # computed when asked for
        self.direct_possible = True
        self.registers_changed()

    def reset(self):
        """Registers only: the video memory keeps its contents."""
        super().reset()
        self.registers_changed()

    def registers_changed(self):
        """Many of them: tell everybody."""
        s, planes = self.s, self.mem.planes
        for index in range(5):
            planes.set_sequencer(index, s.sequencer[index])
        for index in range(9):
            planes.set_graphics(index, s.graphics[index])
        self.timing = None
        self.version += 1
        self.update_memory()

    # ---------------------------------------------------------------- how the CPU reaches the memory
    def memory_kind(self):
        """PLANAR, or one of the states in which an access is one of RAM; see vga_memory.py."""
        s = self.s
        if self.dispi.packed:
            return BANK
        gr, sr = s.graphics, s.sequencer
        mode, window = sr[MEMORY_MODE], gr[MISCELLANEOUS] >> 2 & 3
        self.direct_possible = bool(not self.dispi.enabled and s.misc & MISC_RAM and mode & MEMORY_EXTENDED and (
            window == 1 if mode & MEMORY_CHAIN4 else not mode & MEMORY_SEQUENTIAL and window >= 2))
        if (not self.direct_possible or gr[GRAPHICS_MODE] & 0x0B or gr[DATA_ROTATE] or gr[BIT_MASK] != 0xFF):
            return PLANAR
        if mode & MEMORY_CHAIN4:
            return CHAIN4 if sr[MAP_MASK] == 0x0F and not gr[SET_RESET_ENABLE] else PLANAR
        if (sr[MAP_MASK] == 0x03 and not gr[SET_RESET_ENABLE] & 3 and not gr[READ_MAP] & 2
                and gr[GRAPHICS_MODE] & MODE_ODD_EVEN and gr[MISCELLANEOUS] & MISC_CHAIN_ODD_EVEN):
            return TEXT_COLOR if window == 3 else TEXT_MONO
        return PLANAR

    def update_memory(self):
        mem, dispi = self.mem, self.dispi
        # IBM: "page bit for odd/even"; 1 is what a BIOS sets, and the even offsets are displayed.
        odd_page = int(not self.s.misc & MISC_PAGE)
        mem.planes.set_odd_page(odd_page)
        if dispi.enabled:
            mem.planes.set_bank(dispi.s.bank * BANK_SIZE, mem.size // 4)
        else:
            mem.planes.set_bank(0, 0x10000 if self.s.sequencer[MEMORY_MODE] & MEMORY_EXTENDED else 0x4000)
        mem.set_mapping(self.memory_kind(), dispi.s.bank * BANK_SIZE, odd_page)

    def vbe_changed(self, clear):
        if clear:
            self.mem.sync()
            size = self.dispi.line_size * self.dispi.virt_height
            self.mem.vram.view[:size] = 0
            self.mem.vram.set_dirty(0, size)
            self.mem.load_window()
        self.version += 1
        self.update_memory()

    # ---------------------------------------------------------------- what is on the screen
    # numpy is slow to import, and a machine without a display needs none of this.
    def picture(self):
        """What a monitor shows now: height x width x RGB."""
        from qemu_py.devices.vga_render import picture
        return picture(self, self.clock.get_ns())

    def screen_text(self):
        """The text screen: a string for each row, right-stripped; of a graphics mode, nothing."""
        from qemu_py.devices.vga_text import screen_text
        return screen_text(self)

    # ---------------------------------------------------------------- miscellaneous output, input status
    def read_misc(self):
        return self.s.misc

    def write_misc_status0(self, value):
        self.s.misc = value & 0xEF
        self.timing = None
        self.version += 1
        self.update_memory()

    def read_misc_status0(self):
        return SWITCH_SENSE

    def write_misc(self, value):
        """3CCh only reads."""

    def read_feature(self):
        return self.s.feature

    def write_feature(self, value):
        """3CAh only reads."""

    def read_enable(self):
        return self.s.enabled

    def write_enable(self, value):
        self.s.enabled = value & 1

    def frame_timing(self):
        if self.timing is None:
            s = self.s
            self.timing = Timing(s.crtc, s.misc, s.sequencer[CLOCKING])
        return self.timing

    def read_status1_color(self):
        s = self.s
        if not s.misc & MISC_COLOR:
            return 0xFF
        s.attribute_data_next = False
        return (self.timing or self.frame_timing()).status(self.clock.get_ns())

    def read_status1(self):
        s = self.s
        if s.misc & MISC_COLOR:
            return 0xFF
        s.attribute_data_next = False
        return (self.timing or self.frame_timing()).status(self.clock.get_ns())

    def write_status1(self, value):
        if not self.s.misc & MISC_COLOR:
            self.s.feature = value & 0x03

    def write_status1_color(self, value):
        if self.s.misc & MISC_COLOR:
            self.s.feature = value & 0x03

    # ---------------------------------------------------------------- sequencer
    def read_sequencer_index(self):
        return self.s.sequencer_index

    def write_sequencer_index(self, value):
        self.s.sequencer_index = value & 0x07

    def read_sequencer_data(self):
        index = self.s.sequencer_index
        return self.s.sequencer[index] if index < 5 else 0xFF

    def write_sequencer_data(self, value):
        s = self.s
        index = s.sequencer_index
        if index >= 5:
            return                      # 7 resets the counters of a chip that nobody has
        value &= SEQUENCER_BITS[index]
        if s.sequencer[index] == value:
            return
        s.sequencer[index] = value
        self.mem.planes.set_sequencer(index, value)
        if index == MAP_MASK:
            if self.direct_possible:
                self.update_memory()
            return
        self.version += 1
        self.timing = None
        if index == MEMORY_MODE:
            self.update_memory()

    # ---------------------------------------------------------------- graphics controller
    def read_graphics_index(self):
        return self.s.graphics_index

    def write_graphics_index(self, value):
        self.s.graphics_index = value & 0x0F

    def read_graphics_data(self):
        index = self.s.graphics_index
        return self.s.graphics[index] if index < 9 else 0xFF

    def write_graphics_data(self, value):
        s = self.s
        index = s.graphics_index
        if index >= 9:
            log.log(log.LOG_GUEST_ERROR, f"vga: there is no graphics controller register {index:#x}")
            return
        value &= GRAPHICS_BITS[index]
        changed = s.graphics[index] ^ value
        if not changed:
            return
        s.graphics[index] = value
        self.mem.planes.set_graphics(index, value)
        if index == MISCELLANEOUS or index == GRAPHICS_MODE and changed & 0x70:
            self.version += 1
            self.update_memory()
        elif self.direct_possible:
            self.update_memory()

    # ---------------------------------------------------------------- CRT controller
    def read_crtc(self):
        index = self.s.crtc_index
        return self.s.crtc[index] if index < CRTC_COUNT else 0xFF

    def write_crtc(self, value):
        s = self.s
        index, crtc = s.crtc_index, s.crtc
        if index >= CRTC_COUNT:
            return
        if index < 8 and crtc[RETRACE_END] & CRTC_PROTECT:
            if index != 7:              # all but the line compare bit in 7 are protected
                return
            value = crtc[7] & ~0x10 | value & 0x10
        if crtc[index] == value:
            return
        crtc[index] = value
        self.version += 1
        if index in TIMING_REGISTERS:
            self.timing = None

    def read_crtc_index(self):
        return self.s.crtc_index if not self.s.misc & MISC_COLOR else 0xFF

    def write_crtc_index(self, value):
        if not self.s.misc & MISC_COLOR:
            self.s.crtc_index = value & 0x3F

    def read_crtc_data(self):
        return self.read_crtc() if not self.s.misc & MISC_COLOR else 0xFF

    def write_crtc_data(self, value):
        if not self.s.misc & MISC_COLOR:
            self.write_crtc(value)

    def read_crtc_color_index(self):
        return self.s.crtc_index if self.s.misc & MISC_COLOR else 0xFF

    def write_crtc_color_index(self, value):
        if self.s.misc & MISC_COLOR:
            self.s.crtc_index = value & 0x3F

    def read_crtc_color_data(self):
        return self.read_crtc() if self.s.misc & MISC_COLOR else 0xFF

    def write_crtc_color_data(self, value):
        if self.s.misc & MISC_COLOR:
            self.write_crtc(value)

    # ---------------------------------------------------------------- attribute controller
    def read_attribute(self):
        return self.s.attribute_index

    def write_attribute(self, value):
        s = self.s
        if s.attribute_data_next:
            index = s.attribute_index & 0x1F
            # The CPU reaches the palette only while the display does not.
            if index < 21 and (index >= 16 or not s.attribute_index & PALETTE_ADDRESS_SOURCE):
                s.attribute[index] = value & ATTRIBUTE_BITS[index]
        else:
            s.attribute_index = value & 0x3F
        s.attribute_data_next = not s.attribute_data_next
        self.version += 1

    def read_attribute_data(self):
        index = self.s.attribute_index & 0x1F
        return self.s.attribute[index] if index < 21 else 0

    def write_attribute_data(self, value):
        """3C1h only reads."""

    # ---------------------------------------------------------------- DAC
    def read_dac_mask(self):
        return self.s.dac_mask

    def write_dac_mask(self, value):
        self.s.dac_mask = value
        self.version += 1

    def read_dac_state(self):
        return self.s.dac_state

    def write_dac_state(self, value):
        """3C7h: the index for reading."""
        s = self.s
        s.dac_read_index = value
        s.dac_component = 0
        s.dac_state = DAC_READING

    def read_dac_index(self):
        return self.s.dac_write_index

    def write_dac_index(self, value):
        s = self.s
        s.dac_write_index = value
        s.dac_component = 0
        s.dac_state = DAC_WRITING

    @property
    def dac_bits(self):
        return 8 if self.dispi.s.enable & DAC_8BIT else 6

    def read_dac_data(self):
        s = self.s
        value = s.dac[3 * s.dac_read_index + s.dac_component]
        s.dac_component += 1
        if s.dac_component == 3:
            s.dac_component = 0
            s.dac_read_index = s.dac_read_index + 1 & 0xFF
        return value

    def write_dac_data(self, value):
        s = self.s
        s.dac_latch[s.dac_component] = value if self.dac_bits == 8 else value & 0x3F
        s.dac_component += 1
        if s.dac_component == 3:        # the three reach the palette together
            s.dac_component = 0
            at = 3 * s.dac_write_index
            s.dac[at:at + 3] = s.dac_latch
            s.dac_write_index = s.dac_write_index + 1 & 0xFF
            self.version += 1
