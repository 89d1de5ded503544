"""SMBus host of the Intel 82371AB (PIIX4; datasheet 290562-001, section 7.3).

`slaves` maps a 7-bit address to an object with read(protocol, command) -> value or bytes and
write(protocol, command, value); an address without one does not acknowledge (DEV_ERR), which is what
a probe of an empty bus finds. A transaction is over as soon as it is started.

Not modelled: its interrupt, the slave side (its registers only keep what is written).
"""
from qemu_py.system.device import Device
from qemu_py.util.dataclass import dataclass, field

SMBUS_SIZE = 16
INTR, DEV_ERR, FAILED = 0x02, 0x04, 0x10        # SMBHSTSTS
KILL, START = 0x02, 0x40                        # SMBHSTCNT
QUICK, BYTE, BYTE_DATA, WORD_DATA, BLOCK = 0, 1, 2, 3, 5        # its protocol field
READ = 0x01                                     # SMBHSTADD
BLOCK_MAX = 32


class SMBusHost(Device):
    NAME = "pm-smbus"
    REGISTERS = {0x0: "hststs", 0x1: "slvsts", 0x2: "hstcnt", 0x3: "hstcmd", 0x4: "hstadd", 0x5: "hstdat0",
                 0x6: "hstdat1", 0x7: "blkdat", 0x8: "slvcnt", 0x9: "shdwcmd", 0xA: "slvevt0", 0xB: "slvevt1",
                 0xC: "slvdat0", 0xD: "slvdat1"}

    @dataclass
    class State:
        VERSION = 1
        status: int = 0
        control: int = 0
        kept: bytearray = field(default_factory=lambda: bytearray(SMBUS_SIZE))    # plain registers, by offset
        block: bytearray = field(default_factory=lambda: bytearray(BLOCK_MAX))
        index: int = 0                  # next byte of the block

    def __init__(self):
        self.slaves = {}
        super().__init__()

    def read(self, offset, size=1):
        s = self.s
        if offset == 0x0:
            return s.status
        if offset == 0x2:
            s.index = 0                 # "a read of this register resets the block data pointer"
            return s.control & ~START
        if offset == 0x7:
            value = s.block[s.index]
            s.index = (s.index + 1) % BLOCK_MAX
            return value
        return s.kept[offset]

    def write(self, offset, value, size=1):
        s = self.s
        if offset == 0x0:
            s.status &= ~value
        elif offset == 0x2:
            s.control = value
            if value & KILL:
                s.status |= FAILED
            elif value & START:
                self.transact()
        elif offset == 0x7:
            s.block[s.index] = value
            s.index = (s.index + 1) % BLOCK_MAX
        elif offset != 0x1:
            s.kept[offset] = value

    def transact(self):
        s = self.s
        protocol, command, address = s.control >> 2 & 7, s.kept[3], s.kept[4]
        slave = self.slaves.get(address >> 1)
        if slave is None or protocol not in (QUICK, BYTE, BYTE_DATA, WORD_DATA, BLOCK):
            s.status |= DEV_ERR
            return
        if address & READ:
            value = slave.read(protocol, command)
            if protocol == BLOCK:
                value = bytes(value)[:BLOCK_MAX]
                s.kept[5] = len(value)
                s.block[:len(value)] = value
                s.index = 0
            elif protocol != QUICK:
                s.kept[5], s.kept[6] = value & 0xFF, value >> 8 & 0xFF
        elif protocol == BLOCK:
            slave.write(protocol, command, bytes(s.block[:min(s.kept[5], BLOCK_MAX)]))
        else:
            slave.write(protocol, command, s.kept[5] | (s.kept[6] << 8 if protocol == WORD_DATA else 0))
        s.status |= INTR
