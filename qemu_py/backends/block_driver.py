"""Image formats: the interface of a format, and how an image is opened.

A format is a class with @block_driver("name"). It is given an ImageFile, parses what it reads there
without doing I/O of its own elsewhere, and serves preadv, pwritev, flush and discard. These block, may
be called by several workers at a time, and raise OSError.
"""
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

HEAD = 4096                             # bytes that probe() sees
FORMATS = {}                            # name -> class

# What an image may begin with that would be no use as a raw disk, to say so.
FOREIGN = ((b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"), (b"COWD", "vmdk"), (b"vhdxfile", "vhdx"), (b"conectix", "vpc"),
           (b"QED\0", "qed"), (b"WithoutFreeSpace", "parallels"), (b"WithouFreSpacExt", "parallels"))


def block_driver(name):
    """Class decorator: make a format known."""
    def register(cls):
        cls.FORMAT = name
        FORMATS[name] = cls
        return cls
    return register


class BlockDriver:
    """Base of the formats. `size`: bytes of the disk that the image holds."""
    FORMAT = ""
    size = 0

    def __init__(self, file):
        self.file = file
        self.read_only = file.read_only

    @classmethod
    def probe(cls, head):
        """How sure (0-100) that an image which begins with `head` is of this format."""
        return 0

    def preadv(self, offset, buffers):
        """Fill the writable buffers, all of them, with the bytes from `offset` on."""
        raise NotImplementedError

    def preadv_cached(self, offset, buffers):
        """Does the same at once, or gives False: it would block, or fail."""
        return False

    def pwritev(self, offset, buffers):
        """Write the buffers' bytes from `offset` on."""
        raise NotImplementedError

    def flush(self):
        """Returns when what was written survives."""
        raise NotImplementedError

    def discard(self, offset, length):
        """The range is not needed any more; what it reads as afterwards is not defined."""

    def close(self):
        self.file.close()


def load_formats():
    from qemu_py.backends import raw    # noqa: F401: registers itself
    return FORMATS


def open_driver(file, format_name=None):
    """The format's driver for an open ImageFile; None: find out which. UserError closes nothing."""
    formats = load_formats()
    if format_name is not None:
        if format_name not in formats:
            raise UserError(f"{file.who}: {no_such('image format', format_name, sorted(formats))}")
        return formats[format_name](file)
    head = bytearray(min(HEAD, file.size))
    try:
        file.preadv(0, [head])
    except OSError as e:
        raise UserError(f"{file.who}: cannot read the image '{file.path}': {e.strerror}") from None
    best = max(formats.values(), key=lambda cls: cls.probe(head))
    if best.FORMAT == "raw":
        for magic, name in FOREIGN:
            if head.startswith(magic):
                raise UserError(f"{file.who}: the image '{file.path}' looks like {name}, which is not supported:"
                                f" 'qemu-img convert -O raw' makes it a raw one (format=raw takes it as it is)")
    return best(file)
