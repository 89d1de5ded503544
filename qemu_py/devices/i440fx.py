"""Intel 82441FX PCI and memory controller (PMC; datasheet 290549-001): host bridge of the 440FX set.

Device 8086:1237 at 0:0.0, with the ports of configuration mechanism #1. What is here is what decides
where an access of the CPU goes: PAM0-PAM6 (59h-5Fh) choose RAM or PCI for C0000h-FFFFFh, for reads
and for writes apart; SMRAM (72h) does so for A0000h-BFFFFh; what is not RAM is PCI's.

Not modelled: DRAM timing and row boundaries, caches, buffers, ECC (their registers only keep what is
written), the fixed DRAM hole (FDHC), the reset by TRC (93h), bus arbitration.
"""
from qemu_py.devices.pci import COMMAND, STATUS_CLEARABLE, STATUS, ConfigMechanism1, PCIBus, PCIDevice
from qemu_py.system.device import device
from qemu_py.system.flatview import generate_memory_topology
from qemu_py.system.memory import MemoryRegion, MemoryRegionOps
from qemu_py.util.dataclass import dataclass

PMCCFG, DETURBO, DBC, AXC, DRT, DRAMC, DRAMT = 0x50, 0x52, 0x53, 0x54, 0x55, 0x57, 0x58
PAM0, DRB0, FDHC, MTT, CLT, SMRAM, ERRCMD, ERRSTS, TRC = 0x59, 0x60, 0x68, 0x70, 0x71, 0x72, 0x90, 0x91, 0x93

# A PAM register has two fields of four bits, each with these; PAM0 has only the upper.
READ_RAM, WRITE_RAM = 0x1, 0x2
PAM_AREAS = [(0xF0000, 0x10000, PAM0, 4)] + [
    (0xC0000 + 0x4000 * n, 0x4000, PAM0 + 1 + n // 2, 4 * (n & 1)) for n in range(12)]

SMRAM_OPEN, SMRAM_CLOSED, SMRAM_LOCKED, SMRAM_ENABLE, SMRAM_BASE = 0x40, 0x20, 0x10, 0x08, 0x02
SMRAM_START, SMRAM_SIZE = 0xA0000, 0x20000


class PAMArea:
    """What one PAM field governs: four ways to serve [start, start + size), one of them enabled."""

    def __init__(self, bridge, start, size, offset, shift):
        self.offset, self.shift = offset, shift
        self.start = start
        self.bridge = bridge
        ram, pci = bridge.ram, bridge.memory_space
        ops = MemoryRegionOps(self.read_pci, self.write_ram)
        self.ways = (MemoryRegion.alias_of("pam-pci", pci, start, size),
                     MemoryRegion.alias_of("pam-rom", ram, start, size),
                     MemoryRegion.io("pam-shadow", size, ops),
                     MemoryRegion.alias_of("pam-ram", ram, start, size))
        self.ways[READ_RAM].readonly = True         # writes go to PCI, where ROM ignores them
        for region in self.ways:
            region.enabled = False
            bridge.system_memory.add_subregion_overlap(start, region, 1)

    def update(self, config):
        way = config[self.offset] >> self.shift & (READ_RAM | WRITE_RAM)
        for n, region in enumerate(self.ways):
            region.set_enabled(n == way)

    # ---- reads from PCI, writes to RAM: how a BIOS copies ROM to the RAM below it
    def read_pci(self, addr, size):
        addr += self.start
        found = self.bridge.pci_view.lookup(addr)
        if found is None or addr + size > found.end:
            return (1 << 8 * size) - 1
        offset = addr - found.addr + found.offset_in_region
        if found.kind == "io":
            return found.mr.callbacks()[0](offset, size) & (1 << 8 * size) - 1
        return int.from_bytes(found.mr.bytes_view[offset:offset + size], "little")

    def write_ram(self, addr, value, size):
        addr += self.start
        ram = self.bridge.ram
        ram.bytes_view[addr:addr + size] = value.to_bytes(size, "little")
        ram.set_dirty(addr, size)


@device("i440FX", "82441FX host bridge")
class I440FX(PCIDevice):
    """`ram`: all of RAM, from address 0. `memory_space`: the container of PCI memory, with the BIOS and
    what else the board has behind the bridge."""
    VENDOR_ID, DEVICE_ID, REVISION, CLASS_CODE = 0x8086, 0x1237, 0x02, 0x060000
    STATUS_RESET = 0x0280
    BUS, PROPERTIES = None, {}

    @dataclass
    class State(PCIDevice.State):
        address: int = 0                # CONFADD
        smm: int = 0                    # the CPUs that are in system management mode, a bit each
        cpu: int = 0                    # whose accesses come now

    def __init__(self, memory, ram, memory_space):
        super().__init__()
        self.memory = memory
        self.system_memory = memory.system_memory
        self.ram = ram
        self.memory_space = memory_space
        self.system_memory.add_subregion_overlap(0, memory_space, -1)
        # What nobody claims there must not let the RAM below show through.
        memory_space.add_subregion_overlap(SMRAM_START, MemoryRegion.reservation("pci-low", 0x60000), -1)
        self.smram = MemoryRegion.alias_of("smram-region", self.memory_space, SMRAM_START, SMRAM_SIZE)
        self.system_memory.add_subregion_overlap(SMRAM_START, self.smram, 1)
        self.areas = [PAMArea(self, *area) for area in PAM_AREAS]
        self._pci_view = None
        self._init_registers()
        self.update_memory()

    def _init_registers(self):
        # Memory access and bus mastering cannot be turned off, port access not on.
        self.set_reset(COMMAND, 0x0006, 2, wmask=0x0140)
        self.set_reset(STATUS, self.STATUS_RESET, 2, w1cmask=STATUS_CLEARABLE)
        for offset, value, size, wmask in (
                (PMCCFG, 0x0000, 2, 0xFFCC), (DETURBO, 0x00, 1, 0xFF), (DBC, 0x80, 1, 0xFF), (AXC, 0x00, 1, 0xFF),
                (DRT, 0x0000, 2, 0xFFFF), (DRAMC, 0x01, 1, 0xFF), (DRAMT, 0x10, 1, 0x7F), (PAM0, 0x00, 1, 0x30),
                (FDHC, 0x00, 1, 0xC0), (MTT, 0x00, 1, 0xF8), (CLT, 0x10, 1, 0xF8), (SMRAM, SMRAM_BASE, 1, 0x78),
                (ERRCMD, 0x00, 1, 0x3B)):
            self.set_reset(offset, value, size, wmask)
        for n in range(6):
            self.set_reset(PAM0 + 1 + n, 0x00, 1, 0x33)
        for n in range(8):
            self.set_reset(DRB0 + n, 0x01, 1, 0xFF)
        self.set_reset(ERRSTS, 0x00, 1, w1cmask=0x13)

    def config_written(self, offset, size):
        config = self.s.config
        if offset <= SMRAM < offset + size and config[SMRAM] & SMRAM_LOCKED:
            # Locked until reset: the register is read-only and the space closed.
            self.wmask[SMRAM] = 0
            config[SMRAM] &= ~SMRAM_OPEN
        if offset <= SMRAM and offset + size > PAM0:
            self.update_memory()

    def update_memory(self):
        """Map C0000h-FFFFFh and A0000h-BFFFFh as the registers say."""
        self._pci_view = None
        config = self.s.config
        with self.memory.transaction():
            for area in self.areas:
                area.update(config)
            self.smram.set_enabled(not self.smram_visible())

    def smram_visible(self):
        """Is there RAM at A0000h now? Closed (D_CLS) means for data only; it is taken as open,
        since code and data share one map."""
        smram = self.s.config[SMRAM]
        return bool(smram & SMRAM_ENABLE and (smram & SMRAM_OPEN or self.s.smm >> self.s.cpu & 1))

    def set_smm(self, cpu, active):
        """SMIACT#: a CPU, whose accesses come now, enters or leaves system management mode."""
        s = self.s
        s.smm = s.smm & ~(1 << cpu) | active << cpu
        s.cpu = cpu
        self.smram.set_enabled(not self.smram_visible())

    def set_cpu(self, cpu):
        """The accesses of another CPU come now."""
        s = self.s
        if s.smm:
            s.cpu = cpu
            self.smram.set_enabled(not self.smram_visible())

    @property
    def pci_view(self):
        if self._pci_view is None:
            self._pci_view = generate_memory_topology(self.memory_space)
        return self._pci_view

    def wake(self):
        """What says where memory is goes on through a suspend to RAM, as the refresh does: who wakes finds the code that
        POST has put below 1 MiB. SMRAM is seen by nobody yet."""
        self.s.smm = 0
        self.update_memory()

    def reset(self):
        self.wmask[SMRAM] = 0x78
        super().reset()
        self.update_memory()


def i440fx_init(memory, ram, memory_space, pirqs):
    """The host bridge with its bus; (bridge, bus, the ports of mechanism #1)."""
    bridge = I440FX(memory, ram, memory_space)
    bus = PCIBus(memory, bridge.memory_space, memory.system_io, pirqs)
    bus.register_device(bridge, 0)
    ports = ConfigMechanism1(bridge, bus)
    ports.map(memory.system_io)
    return bridge, bus, ports
