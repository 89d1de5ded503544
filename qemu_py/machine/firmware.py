"""BIOS images, and what a PC looks like to a kernel that starts without one.

A multiboot kernel expects the machine as a BIOS leaves it: interrupt controllers and timer set up,
an interrupt table, the BIOS data area (IBM PC/AT Technical Reference), text mode 3. Where no BIOS
is given, a ROM of our own stands in its place: its interrupt handlers return at once.
"""
import os
import struct

from qemu_py.machine.multiboot import read_file
from qemu_py.machine.pc_vga import set_text_mode
from qemu_py.system.memory import MemoryRegion
from qemu_py.util.datadir import OUR_DIR, SYSTEM_DIRS, find_in, find_installed, names_in, qemu_find_file
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean

OUR_BIOS, SEABIOS = "bios.bin", "seabios"          # of pc-bios/; -bios's name for the other, whichever file it is
ISA_BIOS_MAX = 128 << 10                # the part that also appears below 1 MiB
BIOS_MAX = 16 << 20
IRET_OFFSET = 0xFF53                    # where the AT's dummy handler is
BDA = 0x400
COM_PORTS = (0x3F8, 0x2F8, 0x3E8, 0x2E8)


def find_bios(machine):
    """The path of the image that the machine is to start. Nothing asked for: our own, but for what a directory of -L has."""
    name, board, dirs = machine.config.bios, machine.board, machine.config.data_dirs
    if name is None:
        return find_in(board.seabios, dirs) or qemu_find_file(OUR_BIOS)
    if name != SEABIOS:
        path = qemu_find_file(name, dirs)
        if path is None and os.sep not in name:
            raise UserError(f"-bios {name}: there is no such file here, nor where firmware is installed"
                            + did_you_mean(name, [SEABIOS, *names_in((*dirs, OUR_DIR, *SYSTEM_DIRS), "bios")]))
        return path or name
    path = find_installed(board.seabios, dirs)
    if path is None:
        raise UserError(f"-bios {name}: '{board.seabios}' of the package seabios is not installed")
    return path


def load_bios(path):
    """A BIOS image, checked."""
    data = read_file(path, "BIOS")
    if not data or len(data) & 0xFFFF:
        raise UserError(f"BIOS '{path}' has {len(data)} bytes: an image is a multiple of 64 KiB")
    if len(data) > BIOS_MAX:
        raise UserError(f"BIOS '{path}' is larger than {BIOS_MAX >> 20} MiB")
    return data


def stand_in_bios():
    """64 KiB of ROM: IRET for the interrupt table, a stop at the reset vector, the date."""
    rom = bytearray(b"\xff" * 65536)
    rom[IRET_OFFSET] = 0xCF                             # iret
    rom[0xFFF0:0xFFF4] = b"\xfa\xf4\xeb\xfd"            # cli; hlt; jmp to the hlt
    rom[0xFFF5:0xFFFD] = b"01/01/26"
    rom[0xFFFE] = 0xFC                                  # an AT
    return bytes(rom)


def map_bios(machine, data, shadowed=False):
    """At 4 GiB minus its size, and its last 128 KiB (or all of it) below 1 MiB: a window on the ROM, or,
    shadowed, a copy in RAM, for a BIOS that keeps variables in itself and finds no PAM to make room."""
    memory = machine.memory
    bios = MemoryRegion.rom("pc.bios", len(data), memory.ram_list, data)
    machine.rom_memory.add_subregion((1 << 32) - len(data), bios)
    size = min(len(data), ISA_BIOS_MAX)
    if shadowed:
        isa = MemoryRegion.ram("isa-bios", size, memory.ram_list)

        def reset():
            isa.bytes_view[:] = bytes(data[-size:])
            isa.set_dirty(0, size)
        reset()
        machine.register_reset(reset)
    else:
        isa = MemoryRegion.alias_of("isa-bios", bios, len(data) - size, size)
    machine.rom_memory.add_subregion_overlap((1 << 20) - size, isa, 1)


def bios_left_it(machine):
    """Bring chips and low memory into the state in which a BIOS hands over."""
    outb = machine.memory.physmap.port_write
    # The AT's vectors 08h-0Fh and 70h-77h; timer, keyboard, diskette, cascade, clock and disk unmasked
    for port, value in ((0x20, 0x11), (0x21, 0x08), (0x21, 0x04), (0x21, 0x01), (0x21, 0xB8),
                        (0xA0, 0x11), (0xA1, 0x70), (0xA1, 0x02), (0xA1, 0x01), (0xA1, 0x8F),
                        (0x43, 0x36), (0x40, 0), (0x40, 0),         # 18.2 ticks a second
                        (0x43, 0x54), (0x41, 18),                   # memory refresh
                        (0x61, 0x00),
                        (0xD6, 0xC0), (0xD4, 0x00),                 # DMA channel 4 is the cascade
                        (0x64, 0x60), (0x60, 0x65)):                # keyboard interrupt, translation, no mouse
        outb(port, value)
    set_text_mode(machine)
    serials = [port for port, chardev in zip(COM_PORTS, machine.config.serials) if chardev is not None]
    for port in serials:                                # 9600 baud, 8 bits, no parity
        for register, value in ((3, 0x83), (0, 12), (1, 0), (3, 0x03)):
            outb(port + register, value)
    memory = machine.memory.address_space_memory
    memory.write(0, struct.pack("<HH", IRET_OFFSET, 0xF000) * 256)
    bda = bytearray(256)
    struct.pack_into(f"<{len(serials)}H", bda, 0, *serials)
    equipment = 0x22 | len(serials) << 9                # x87, 80x25 colour, serial ports
    struct.pack_into("<HxH", bda, 0x10, equipment, 640)
    bda[0x49] = 3                                       # video mode
    struct.pack_into("<HH", bda, 0x4A, 80, 0x1000)      # columns, bytes of a page
    struct.pack_into("<BBBH", bda, 0x60, 7, 6, 0, 0x3D4)        # cursor shape, page, CRTC
    bda[0x65:0x67] = b"\x29\x30"
    bda[0x84:0x87] = struct.pack("<BH", 24, 16)         # rows less one, lines of a character
    memory.write(BDA, bda)
