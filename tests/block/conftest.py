"""Images and their back ends for tests."""
import os
import random
import tempfile
from pathlib import Path

import pytest

from qemu_py.backends.aio import AIOThreads
from qemu_py.backends.block import BlockBackend, open_image


@pytest.fixture
def image(tmp_path):
    """image(size, name): a file of random bytes; its path."""
    def image(size, name="disk.img"):
        path = tmp_path / name
        path.write_bytes(random.Random(size).randbytes(size))
        return path
    return image


@pytest.fixture
def no_root():
    """A directory that others than root may enter, unlike pytest's own; root is nobody until the test ends."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        user, nobody = os.geteuid(), 65534
        if user == 0:
            os.chown(directory, nobody, -1)
            os.seteuid(nobody)
        yield Path(directory)
        os.seteuid(user)


@pytest.fixture
def opener():
    """opener(path, how to open ...): a BlockBackend on an image."""
    aio, made = AIOThreads(), []

    def opener(path, rerror="report", werror="enospc", **how):
        blk = BlockBackend("disk", aio, open_image(str(path), "-drive", **how), rerror=rerror, werror=werror)
        made.append(blk)
        return blk
    yield opener
    for blk in made:
        blk.close()
    aio.close()
