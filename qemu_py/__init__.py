"""qemu_py: a whole PC in a Python process."""
__version__ = "0.1.0"
