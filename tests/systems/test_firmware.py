"""Which BIOS a machine starts, and where it is found."""
from pathlib import Path

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


def top(machine, count=64):
    return machine.memory.address_space_memory.read((1 << 32) - count, count)


@pytest.mark.parametrize("machine, name", [("pc", "bios-256k.bin"), ("isapc", "bios.bin")])
@pytest.mark.parametrize("bios", [None, "seabios"])
def test_each_machine_has_its_file_of_seabios(make_machine, tmp_path, machine, name, bios):
    (tmp_path / name).write_bytes(IMAGE[:-1] + b"\x5A")
    assert top(make_machine(machine=machine, bios=bios, data_dirs=[str(tmp_path)]), 1) == b"\x5A"


@pytest.mark.parametrize("machine", ["pc", "isapc"])
def test_the_name_bios_bin_is_our_own(make_machine, tmp_path, monkeypatch, machine):
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", (str(tmp_path),))
    (tmp_path / "bios.bin").write_bytes(IMAGE)
    ours = (Path(datadir.OUR_DIR) / "bios.bin").read_bytes()
    assert top(make_machine(machine=machine, bios="bios.bin")) == ours[-64:]


@pytest.mark.parametrize("installed", [True, False])
def test_our_own_starts_where_nothing_is_asked_for(make_machine, tmp_path, monkeypatch, installed):
    (tmp_path / "bios-256k.bin").write_bytes(IMAGE)
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", (str(tmp_path),) if installed else ())
    ours = (Path(datadir.OUR_DIR) / "bios.bin").read_bytes()
    assert top(make_machine(machine="pc", bios=None)) == ours[-64:]


def test_seabios_has_to_be_installed(make_machine, monkeypatch):
    monkeypatch.setattr(datadir, "SYSTEM_DIRS", ())
    with pytest.raises(UserError, match="bios-256k.bin.*not installed"):
        make_machine(machine="pc", bios="seabios")
