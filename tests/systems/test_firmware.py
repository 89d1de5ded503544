"""Which BIOS a machine starts, and where it is found."""
import pytest

from qemu_py.util import datadir
from qemu_py.util.errors import UserError

IMAGE = b"\xF4" * 0x10000


def test_a_path_is_itself_and_a_name_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", (str(tmp_path / "system"),))
    for name in ("mine", "system"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rom.bin").write_bytes(name.encode())
    path = str(tmp_path / "mine" / "rom.bin")
    assert datadir.qemu_find_file(path) == path
    assert datadir.qemu_find_file("rom.bin") == str(tmp_path / "system" / "rom.bin")
    assert datadir.qemu_find_file("rom.bin", [str(tmp_path / "mine")]) == path
    assert datadir.qemu_find_file("other.bin") is None
    assert datadir.qemu_find_file("no/rom.bin") is None


@pytest.mark.parametrize("machine, name", [("pc", "bios-256k.bin"), ("isapc", "bios.bin")])
def test_without_a_kernel_a_machine_starts_its_own_bios(make_machine, tmp_path, machine, name):
    (tmp_path / name).write_bytes(IMAGE[:-1] + b"\x5A")
    made = make_machine(machine=machine, bios=None, data_dirs=[str(tmp_path)])
    assert made.memory.address_space_memory.read(0xFFFFFFFF, 1) == b"\x5A"


def test_without_any_there_is_nothing_to_run(make_machine, monkeypatch):
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", ())
    with pytest.raises(UserError, match="nothing to run"):
        make_machine(machine="pc", bios=None)
