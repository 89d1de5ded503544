"""Raw images and the -snapshot overlay: what is read and written, what is refused, what is locked."""
import os
import random
import subprocess
import sys
import textwrap

import pytest

from qemu_py.backends.overlay import CLUSTER
from qemu_py.util.errors import UserError

KIB, MIB = 1 << 10, 1 << 20


def refused(opener, path, *words, **how):
    with pytest.raises(UserError) as error:
        opener(path, **how)
    text = str(error.value)
    assert "\n" not in text and text.startswith("-drive: ")
    for word in (str(path),) + words:
        assert word in text, text


# ---------------------------------------------------------------- raw
def test_bytes_of_the_disk_are_bytes_of_the_file(opener, image):
    path = image(64 * KIB)
    blk = opener(path)
    assert blk.size == 64 * KIB and blk.nb_sectors == 128 and not blk.read_only
    assert blk.pread(700, 1000) == path.read_bytes()[700:1700]
    blk.pwrite(5, b"hello")
    blk.flush()
    assert path.read_bytes()[5:10] == b"hello"


def test_what_the_host_has_in_memory_is_read_at_once(opener, image):
    path = image(64 * KIB)
    blk, parts = opener(path), [bytearray(1000), bytearray(24)]
    path.read_bytes()
    if not blk.read_cached(512, parts):
        pytest.skip("this file system cannot tell what is cached")
    assert b"".join(parts) == path.read_bytes()[512:1536]
    assert blk.aio.in_flight == 0
    blk.pwrite(512, b"new")
    assert blk.read_cached(512, parts) and parts[0][:3] == b"new"


def test_what_cannot_be_read_at_once_is_left_to_a_request(opener, image, monkeypatch):
    path = image(64 * KIB)
    blk = opener(path)
    assert not blk.read_cached(64 * KIB - 1, [bytearray(2)]) and not blk.read_cached(-1, [bytearray(1)])     # an error
    assert not opener(image(512, "other"), snapshot=True).read_cached(0, [bytearray(512)])
    calls = []

    def preadv(fd, buffers, offset, flags=0):
        calls.append(flags)
        raise BlockingIOError if len(calls) < 3 else OSError(95, "not supported")
    monkeypatch.setattr(os, "preadv", preadv)
    for _ in range(6):
        assert not blk.read_cached(0, [bytearray(512)])
    assert calls == [os.RWF_NOWAIT] * 3                         # a file system that cannot tell is not asked again


def test_vectors_are_filled_in_order(opener, image):
    path = image(64 * KIB)
    blk, parts, results = opener(path), [bytearray(n) for n in (1, 511, 0, 4096)], []
    blk.aio_readv(512, parts, results.append)
    assert results == []                        # never before the call has returned
    blk.drain()
    assert results == [0]
    assert b"".join(parts) == path.read_bytes()[512:512 + 4608]


def test_more_vectors_than_one_system_call_takes(opener, image):
    path = image(64 * KIB)
    blk, parts = opener(path), [bytearray(16) for _ in range(4096)]
    blk.aio_readv(0, parts, lambda error: None)
    blk.drain()
    assert b"".join(parts) == path.read_bytes()
    blk.aio_writev(0, [bytes(reversed(part)) for part in parts], lambda error: None)
    blk.drain()
    assert path.read_bytes() == b"".join(bytes(reversed(part)) for part in parts)


def use(blk, mirror, times, lengths):
    """Random reads and writes, and a flush; the same in `mirror`."""
    pick = random.Random(times)
    for _ in range(times):
        offset = pick.randrange(len(mirror))
        length = min(pick.choice(lengths), len(mirror) - offset)
        if pick.random() < 0.5:
            data = pick.randbytes(length)
            mirror[offset:offset + length] = data
            blk.pwrite(offset, data)
        else:
            assert blk.pread(offset, length) == mirror[offset:offset + length]
    blk.flush()


@pytest.mark.parametrize("cache", ["writeback", "none", "writethrough", "directsync", "unsafe"])
def test_every_cache_mode_reads_back_what_was_written(opener, image, cache):
    path = image(256 * KIB)
    try:
        blk = opener(path, cache=cache)
    except UserError as e:
        pytest.skip(str(e))
    mirror = bytearray(path.read_bytes())
    use(blk, mirror, 60, (1, 511, 512, 4096, 70000))
    assert path.read_bytes() == mirror


def test_beyond_the_end_is_an_error(opener, image):
    blk = opener(image(4096))
    for offset, length in ((4096, 1), (4000, 97), (-1, 1)):
        with pytest.raises(OSError):
            blk.pread(offset, length)
        with pytest.raises(OSError):
            blk.pwrite(offset, bytes(length))


def test_an_image_that_shrinks_gives_an_error_not_zeros(opener, image):
    path = image(8192)
    blk = opener(path)
    os.truncate(path, 4096)
    with pytest.raises(OSError):
        blk.pread(0, 8192)


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize("size", [1, 511, 513, 1000, 1474561])
def test_a_size_that_is_no_multiple_of_512_is_refused(opener, image, size):
    refused(opener, image(size), "512", str(size))


def test_an_empty_image_is_refused(opener, image):
    refused(opener, image(0), "empty")


def test_a_directory_is_refused(opener, tmp_path):
    refused(opener, tmp_path, "directory")
    refused(opener, tmp_path, "directory", read_only=True)


def test_a_file_that_is_not_there_is_refused(opener, tmp_path):
    refused(opener, tmp_path / "nothing.img", "No such file")


def test_a_fifo_is_refused_without_waiting_for_its_other_end(opener, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    refused(opener, tmp_path / "fifo", "neither a file nor a block device")


def test_an_unreadable_file_is_refused(no_root, opener):
    path = no_root / "image"
    path.write_bytes(bytes(512))
    path.chmod(0)
    refused(opener, path, "Permission denied")


@pytest.mark.parametrize("magic, name", [(b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"), (b"conectix", "vpc"), (b"vhdxfile", "vhdx")])
def test_an_image_of_another_format_is_not_taken_for_a_raw_one_unless_told(opener, tmp_path, magic, name):
    path = tmp_path / "image"
    path.write_bytes(magic.ljust(1024, b"\0"))
    refused(opener, path, name, "format=raw")
    assert opener(path, format_name="raw").pread(0, 4) == magic[:4]


def test_an_unknown_format_is_refused(opener, image):
    with pytest.raises(UserError, match="no image format .foo. .there are: .*raw"):
        opener(image(512), format_name="foo")


# ---------------------------------------------------------------- read-only, locks
def test_a_read_only_image_cannot_be_written(opener, image):
    path = image(1024)
    blk = opener(path, read_only=True)
    assert blk.read_only
    with pytest.raises(OSError):
        blk.pwrite(0, b"x")


def test_a_read_only_file_is_a_read_only_disk(no_root, opener):
    path = no_root / "image"
    path.write_bytes(b"content!" * 128)
    path.chmod(0o444)
    blk = opener(path)
    assert blk.read_only and blk.pread(0, 8) == b"content!"
    with pytest.raises(OSError):
        blk.pwrite(0, b"x")


def test_an_image_that_is_written_has_one_user(opener, image):
    path = image(1024)
    blk = opener(path)
    refused(opener, path, "in use")
    refused(opener, path, "in use", read_only=True)
    refused(opener, path, "in use", snapshot=True)
    blk.close()
    opener(path)


def test_readers_share_an_image(opener, image):
    path = image(1024)
    opener(path, read_only=True)
    opener(path, snapshot=True)
    refused(opener, path, "in use")


def test_a_killed_process_leaves_no_lock_and_what_it_flushed(opener, image):
    path = image(64 * KIB)
    program = textwrap.dedent("""
        import os, signal, sys
        from qemu_py.backends.aio import AIOThreads
        from qemu_py.backends.block import BlockBackend, open_image
        blk = BlockBackend("disk", AIOThreads(), open_image(sys.argv[1], "-hda"))
        blk.pwrite(4096, b"flushed")
        blk.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        """)
    subprocess.run([sys.executable, "-c", program, str(path)], timeout=60)
    assert opener(path).pread(4096, 7) == b"flushed"


# ---------------------------------------------------------------- the overlay
def test_snapshot_reads_what_was_written_and_leaves_the_image_untouched(opener, image):
    path = image(MIB + 512)
    before, mirror = path.read_bytes(), bytearray(path.read_bytes())
    blk = opener(path, snapshot=True)
    assert not blk.read_only
    use(blk, mirror, 200, (1, 512, 4096, CLUSTER, 3 * CLUSTER))
    assert blk.pread(0, len(mirror)) == mirror
    blk.close()
    assert path.read_bytes() == before


def test_a_part_of_a_cluster_is_written_the_rest_comes_from_the_image(opener, image):
    path = image(3 * CLUSTER)
    blk = opener(path, snapshot=True)
    blk.pwrite(CLUSTER + 10, b"new")
    whole = path.read_bytes()
    assert blk.pread(0, len(whole)) == whole[:CLUSTER + 10] + b"new" + whole[CLUSTER + 13:]


def test_a_read_that_is_split_into_vectors_and_clusters(opener, image):
    path = image(4 * CLUSTER)
    blk = opener(path, snapshot=True)
    blk.pwrite(CLUSTER, b"\xaa" * CLUSTER)
    parts = [bytearray(1000) for _ in range(4 * CLUSTER // 1000)]
    blk.aio_readv(7, parts, lambda error: None)
    blk.drain()
    whole = path.read_bytes()
    expected = whole[:CLUSTER] + b"\xaa" * CLUSTER + whole[2 * CLUSTER:]
    assert b"".join(parts) == expected[7:7 + len(parts) * 1000]


def test_the_temporary_file_has_no_name(opener, image, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = image(1024)
    opener(path, snapshot=True)
    assert os.listdir(tmp_path) == [path.name]


def test_a_temporary_directory_that_is_not_there_is_named(opener, image, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with pytest.raises(UserError, match="/nowhere"):
        opener(image(1024), snapshot=True)


# ---------------------------------------------------------------- commit
def test_what_the_overlay_has_is_written_into_the_image(opener, image):
    path = image(5 * CLUSTER + 512)
    expected = bytearray(path.read_bytes())
    blk = opener(path, snapshot=True)
    for offset, data in ((3, b"first"), (2 * CLUSTER - 2, b"edge"), (5 * CLUSTER, b"\xaa" * 512)):
        blk.pwrite(offset, data)
        expected[offset:offset + len(data)] = data
    blk.driver.commit()
    assert path.read_bytes() == expected == blk.pread(0, len(expected))
    assert os.fstat(blk.driver.temporary.fileno()).st_size == 0
    blk.pwrite(0, b"later")                                     # is kept beside it again
    assert path.read_bytes() == expected and blk.pread(0, 5) == b"later"
    opener(path, read_only=True)                                # its lock is a reader's again


def test_an_image_with_other_readers_is_not_written(opener, image):
    path = image(CLUSTER)
    before = path.read_bytes()
    opener(path, read_only=True)
    blk = opener(path, snapshot=True)
    blk.pwrite(0, b"new")
    with pytest.raises(UserError, match="in use"):
        blk.driver.commit()
    assert path.read_bytes() == before and blk.pread(0, 3) == b"new"


def test_an_image_whose_name_is_another_file_s_is_not_written(opener, image, tmp_path):
    path = image(CLUSTER)
    blk = opener(path, snapshot=True)
    blk.pwrite(0, b"new")
    path.rename(tmp_path / "old")
    path.write_bytes(bytes(CLUSTER))
    with pytest.raises(UserError, match="another file"):
        blk.driver.commit()
    assert not any(path.read_bytes())
    path.unlink()
    with pytest.raises(UserError, match="cannot open"):
        blk.driver.commit()
    assert blk.pread(0, 3) == b"new"


def test_requests_are_counted(opener, image):
    blk = opener(image(64 * KIB))
    blk.pread(0, 1000)
    blk.pread(512, 24)
    blk.pwrite(0, b"12345")
    blk.flush()
    with pytest.raises(OSError):
        blk.pread(64 * KIB, 1)
    times = {name: blk.stats.pop(name) for name in list(blk.stats) if name.endswith("time_ns")}
    assert dict(blk.stats) == {"rd_bytes": 1024, "rd_operations": 2, "wr_bytes": 5, "wr_operations": 1, "flush_bytes": 0, "flush_operations": 1}
    assert all(times[f"{kind}_total_time_ns"] > 0 for kind in ("rd", "wr", "flush"))
