"""`python -m qemu_py` is `qemu-py`."""
import sys

from qemu_py.cli import main

sys.exit(main())
