"""One file per chip. A file here is all that a new device needs: see docs/adding-a-device.md."""
import importlib.util

from qemu_py.system.device import DEVICES


def scan():
    """Import every device module, so that DEVICES is complete; gives DEVICES."""
    import pkgutil
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return DEVICES


def device_class(name):
    """The model's class, or None. Tries the file of that name before it reads them all."""
    if name not in DEVICES:
        module = name.replace("-", "_")
        if module.isidentifier() and importlib.util.find_spec(f"{__name__}.{module}") is not None:
            importlib.import_module(f"{__name__}.{module}")
    if name not in DEVICES:
        scan()
    return DEVICES.get(name)
