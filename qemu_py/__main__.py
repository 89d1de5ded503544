"""The command `qemu-py`, and `python -m qemu_py`."""
import gc
import signal
import sys


def start():
    """A Ctrl-C while the program is still being loaded ends it without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()                        # cli.run() enables it: of what is made until then little is garbage
    from qemu_py.cli import main
    return main()


if __name__ == "__main__":
    sys.exit(start())
