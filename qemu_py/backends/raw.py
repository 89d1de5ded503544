"""Raw images: byte n of the disk is byte n of the file."""
from qemu_py.backends.block_driver import BlockDriver, block_driver
from qemu_py.backends.posix_file import SECTOR
from qemu_py.util.errors import UserError


@block_driver("raw")
class RawImage(BlockDriver):
    def __init__(self, file):
        super().__init__(file)
        self.size = file.size
        if self.size % SECTOR:
            raise UserError(f"{file.who}: the image '{file.path}' has {self.size} bytes, which is no whole number of"
                            f" sectors of {SECTOR}: it is truncated, or no raw image")
        # These block: a BlockBackend calls them in a worker.
        self.preadv, self.pwritev = file.preadv, file.pwritev
        self.flush, self.discard = file.flush, file.discard
        self.preadv_cached = file.preadv_cached

    @classmethod
    def probe(cls, head):
        return 1                        # whatever nobody else knows
