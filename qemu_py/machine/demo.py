"""The demo guest's diskette (sources: pc-bios/demo), and the options with which `qemu-py demo` starts it."""
import os

DEMO_IMAGE = os.path.join(os.path.dirname(__file__), "roms", "demo.img")
SCREEN_GREETING = "Demo guest: type help and Enter. Leave with Ctrl-A x (Ctrl-A h: more keys)"
SERIAL_GREETING = "demo guest on this serial line: type help and Enter; leave with Ctrl-A x"


def demo_arguments():
    """Nothing from outside the package; `exit N` of the demo's shell ends with a status."""
    image = DEMO_IMAGE.replace(",", ",,")
    return ["-bios", "bios.bin", "-drive", f"file={image},if=floppy,index=0,format=raw,readonly=on",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-boot", "a"]
