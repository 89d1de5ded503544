"""The PC's display adapter (-vga): wiring, its BIOS image, and text mode 3 as a BIOS leaves it."""
import os
from contextlib import contextmanager
from functools import partial

from qemu_py.machine.plug import plug
from qemu_py.util.datadir import OUR_DIR

# Mode 3 of the IBM VGA: 80 x 25 characters of 9 x 16 dots
MISC = 0x67
SEQUENCER = bytes.fromhex("03 00 03 00 02")
CRTC = bytes.fromhex("5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff")
GRAPHICS = bytes.fromhex("00 00 00 00 00 10 0e 0f ff")
ATTRIBUTE = bytes.fromhex("00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f 0c 00 0f 08 00")
TEXT_BASE, TEXT_SIZE, BLANK = 0xB8000, 0x8000, b" \x07"
FONT_BASE = 0xA0000
FONT_16 = 0x80                          # where our VGA BIOS has it


def pc_vga_init(machine):
    """The adapter that -vga asks for."""
    machine.vga = None
    if machine.config.vga == "none":
        return
    if machine.pci is not None:         # named here, the registry need not read every device for them
        from qemu_py.devices.vga_pci import VGAPCI as card
    else:
        from qemu_py.devices.isa_vga import ISAVGA as card
    plug(machine, card.NAME, {})


def find_vga(machine):
    """machine.vga: the adapter, if there is one by now; its BIOS, if it cannot show that itself."""
    card = next((device for _, device in machine.devices if device.SINGLE == "display adapter"), None)
    if card is None:
        return
    machine.vga = card.vga
    if card.vga is not card:
        machine.devices.append(("vga", card.vga))       # reset by the card
    elif card.rom:
        machine.fw_cfg.add_file("vgaroms/vgabios.bin", card.rom)


def font_16():
    """The 256 characters of 16 lines that our VGA BIOS has (pc-bios/vgabios/layout.ld)."""
    with open(os.path.join(OUR_DIR, "vgabios.bin"), "rb") as f:
        f.seek(FONT_16)
        return [f.read(16) for _ in range(256)]


def ega_colors():
    """The 64 colours of an EGA, rgbRGB, as the DAC's components."""
    for color in range(64):
        for bit in (2, 1, 0):
            yield 42 * (color >> bit & 1) + 21 * (color >> bit + 3 & 1)


def set_text_mode(machine):
    """What a VGA BIOS does for mode 3, through the same ports."""
    if machine.vga is None:
        return
    outb, write = machine.memory.physmap.port_write, machine.memory.address_space_memory.write

    def indexed(port, values):
        for index, value in enumerate(values):
            outb(port, index)
            outb(port + 1, value)
    outb(0x3C2, MISC)
    # The font goes to plane 2, byte by byte at A0000h.
    indexed(0x3C4, b"\x03\x00\x04\x00\x07")
    indexed(0x3CE, b"\x00\x00\x00\x00\x02\x00\x04\x00\xff")
    write(FONT_BASE, b"".join(rows + bytes(16) for rows in font_16()))
    indexed(0x3C4, SEQUENCER)
    outb(0x3D4, 0x11)                   # the lower eight are protected by the twelfth
    outb(0x3D5, 0)
    indexed(0x3D4, CRTC)
    indexed(0x3CE, GRAPHICS)
    machine.memory.physmap.port_read(0x3DA)
    for index, value in enumerate(ATTRIBUTE):
        outb(0x3C0, index)
        outb(0x3C0, value)
    outb(0x3C0, 0x20)
    outb(0x3C6, 0xFF)
    outb(0x3C8, 0)
    for component in ega_colors():
        outb(0x3C9, component)
    write(TEXT_BASE, BLANK * (TEXT_SIZE // 2))


@contextmanager
def cpus_stopped(machine):
    """No CPU runs translated code in this context. The lock is held, by another thread than the CPUs'."""
    machine.tcg.pause()
    try:
        yield
    finally:
        if machine.runstate == "running":
            machine.tcg.resume()


def open_display(machine):
    """For who shows the screen: a vga_render.Display, whose update() draws its surface; None without an adapter."""
    if machine.vga is None:
        return None
    from qemu_py.devices.vga_render import Display
    from qemu_py.system.surface import Surface
    return Display(machine.vga, Surface(), partial(cpus_stopped, machine))


def screen_text(machine):
    """The text screen as a list of strings, one a row."""
    return [] if machine.vga is None else machine.vga.screen_text()
