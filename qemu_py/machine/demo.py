"""The demo guest's diskette (sources: pc-bios/demo), and the options with which it is started."""
import os

DEMO_IMAGE = os.path.join(os.path.dirname(__file__), "roms", "demo.img")
