"""ACPI tables read back as an operating system does (ACPI 2.0 specification, chapter 5)."""
import shutil
import struct
import subprocess

import pytest

from qemu_py.machine import acpi, aml

PM_TIMER_PORT, PM1_EVENTS, PM1_CONTROL = 0x608, 0x600, 0x604
TABLES_AT, RSDP_AT = 0x0FF00000, 0xF5000


@pytest.fixture
def machine(make_machine):
    return make_machine(machine="pc")


def tables_of(files, rsdp_at=RSDP_AT, tables_at=TABLES_AT):
    """{signature: bytes} of what the RSDP leads to; every checksum is looked at."""
    rsdp = files["etc/acpi/rsdp"]
    assert rsdp[:8] == b"RSD PTR " and rsdp_at % 16 == 0 and sum(rsdp[:20]) & 0xFF == 0 and rsdp[15] == 0

    def table(address):
        at = address - tables_at
        data = files["etc/acpi/tables"]
        length, = struct.unpack_from("<I", data, at + 4)
        return bytes(data[at:at + length])

    rsdt = table(struct.unpack_from("<I", rsdp, 16)[0])
    assert rsdt[:4] == b"RSDT" and sum(rsdt) & 0xFF == 0
    found = {"RSDT": rsdt}
    for address, in struct.iter_unpack("<I", rsdt[36:]):
        data = table(address)
        assert sum(data) & 0xFF == 0, data[:4]
        found[data[:4].decode()] = data
    facs, dsdt = struct.unpack_from("<II", found["FACP"], 36)
    found["FACS"], found["DSDT"] = table(facs), table(dsdt)
    assert facs % 64 == 0 and sum(found["DSDT"]) & 0xFF == 0
    return found


def link(machine):
    return acpi.build(machine).link({acpi.TABLES_FILE: TABLES_AT, acpi.RSDP_FILE: RSDP_AT})


def test_the_rsdp_leads_to_all_tables(machine):
    found = tables_of(link(machine))
    assert {"RSDT", "FACP", "FACS", "DSDT"} <= set(found)
    for data in found.values():
        assert struct.unpack_from("<I", data, 4)[0] == len(data)


def test_the_fadt_says_where_the_power_management_is(machine):
    fadt = tables_of(link(machine))["FACP"]
    assert fadt[8] == 3 and len(fadt) == 244
    sci, smi_command, enable, disable = struct.unpack_from("<HIBB", fadt, 46)
    assert (sci, smi_command, enable, disable) == (9, 0xB2, 0xF1, 0xF0)
    assert struct.unpack_from("<I", fadt, 56)[0] == PM1_EVENTS
    assert struct.unpack_from("<I", fadt, 64)[0] == PM1_CONTROL
    assert struct.unpack_from("<I", fadt, 76)[0] == PM_TIMER_PORT
    assert fadt[88:93] == bytes((4, 2, 0, 4, 4))                # lengths of the blocks
    flags, = struct.unpack_from("<I", fadt, 112)
    assert not flags & 1 << 4                                   # the power button is a fixed feature
    assert not flags & 1 << 8                                   # the timer has 24 bits
    assert flags & 1 << 10 and fadt[116:128] == bytes((1, 8, 0, 0)) + struct.pack("<Q", 0xCF9)
    assert fadt[128] == 6


def test_the_fadt_follows_the_registers(machine):
    machine.pm.write_config(0x40, 0x8001, 4)
    fadt = tables_of(link(machine))["FACP"]
    assert struct.unpack_from("<I", fadt, 76)[0] == 0x8008
    assert struct.unpack_from("<Q", fadt, 208 + 4)[0] == 0x8008         # X_PM_TMR_BLK


def test_the_loader_has_one_command_in_128_bytes(machine):
    """SeaBIOS's format: files are allocated first, checksums come last."""
    data = machine.fw_cfg.file("etc/table-loader")
    assert len(data) % 128 == 0
    kinds = [struct.unpack_from("<I", data, at)[0] for at in range(0, len(data), 128)]
    assert kinds == sorted(kinds) and set(kinds) == {1, 2, 3}
    allocated = {data[at + 4:at + 60].rstrip(b"\0"): struct.unpack_from("<IB", data, at + 60)
                 for at in range(0, len(data), 128) if data[at] == 1}
    assert allocated == {b"etc/acpi/tables": (64, 1), b"etc/acpi/rsdp": (16, 2)}


def test_the_loader_carried_out_by_hand_gives_the_same_tables(machine):
    """The commands as bytes, by an interpreter of this test's own."""
    files = {name: bytearray(machine.fw_cfg.file(name)) for name in ("etc/acpi/tables", "etc/acpi/rsdp")}
    places = {"etc/acpi/tables": TABLES_AT, "etc/acpi/rsdp": RSDP_AT}
    data = machine.fw_cfg.file("etc/table-loader")
    for at in range(0, len(data), 128):
        kind, name = struct.unpack_from("<I56s", data, at)
        name = name.rstrip(b"\0").decode()
        if kind == 2:
            source, offset, size = struct.unpack_from("<56sIB", data, at + 60)
            old = int.from_bytes(files[name][offset:offset + size], "little")
            files[name][offset:offset + size] = (old + places[source.rstrip(b"\0").decode()]).to_bytes(size, "little")
        elif kind == 3:
            offset, start, length = struct.unpack_from("<III", data, at + 60)
            files[name][offset] = (files[name][offset] - sum(files[name][start:start + length])) & 0xFF
    assert tables_of(files) == tables_of(link(machine))


def test_the_tables_are_made_anew_when_the_firmware_reads_them(machine):
    before = machine.fw_cfg.file("etc/acpi/tables")
    machine.pm.write_config(0x40, 0xB001, 4)
    machine.fw_cfg.select(machine.fw_cfg.files["etc/acpi/tables"])
    after = machine.fw_cfg.file("etc/acpi/tables")
    assert after != before and len(after) == len(before)


def test_a_kernel_without_a_bios_finds_them_in_the_f_segment(machine):
    rom = machine.memory.address_space_memory.read(0xF0000, 0x10000)
    at = next(k for k in range(0, len(rom), 16) if rom[k:k + 8] == b"RSD PTR ")
    files = {"etc/acpi/rsdp": rom[at:at + 20], "etc/acpi/tables": rom}
    assert {"FACP", "DSDT"} <= set(tables_of(files, rsdp_at=0xF0000 + at, tables_at=0xF0000))


def test_pci_is_set_up_for_a_kernel_without_a_bios(machine):
    with machine.main_loop.lock:
        machine.system_reset()
    assert machine.memory.physmap.port_read(PM1_CONTROL, 2) == 0
    first = machine.memory.physmap.port_read(PM_TIMER_PORT, 4)
    assert first < 1 << 24
    bridge = machine.pci.devices[8]
    assert [bridge.read_config(0x60 + n, 1) for n in range(4)] == [10, 10, 11, 11]
    assert machine.memory.physmap.port_read(0x4D1) == 0x0C      # both are level triggered


def test_isapc_has_no_acpi(make_machine):
    machine = make_machine(machine="isapc")
    assert not [name for name in machine.fw_cfg.files if "acpi" in name]


# ---------------------------------------------------------------- AML
@pytest.mark.parametrize("size, encoded", [
    (0, b"\x01"), (0x3E, b"\x3f"), (0x3F, b"\x41\x04"), (0xFFD, b"\x4f\xff"), (0xFFE, b"\x81\x00\x01"),
    (0xFFFFC, b"\x8f\xff\xff")])
def test_a_package_length_counts_itself(size, encoded):
    assert aml.package_length(size) == encoded


@pytest.mark.parametrize("path, encoded", [
    ("\\", b"\\\0"), ("_CRS", b"_CRS"), ("RTC", b"RTC_"), ("\\_SB", b"\\_SB_"), ("^A.B", b"^\x2eA___B___"),
    ("\\_SB.PCI0.ISA", b"\\\x2f\x03_SB_PCI0ISA_")])
def test_names_are_segments_of_four_characters(path, encoded):
    assert aml.name_string(path) == encoded


def test_constants_are_as_short_as_can_be():
    assert [aml.integer(n) for n in (0, 1, 2, 0x100, 0x10000, 1 << 32)] == [
        b"\x00", b"\x01", b"\x0a\x02", b"\x0b\x00\x01", b"\x0c\x00\x00\x01\x00", b"\x0e" + (1 << 32).to_bytes(8, "little")]


def test_eisa_ids_are_compressed():
    assert aml.eisa_id("PNP0A03") == b"\x0c\x41\xd0\x0a\x03"    # section 17.3.4


def test_resources_end_with_a_tag():
    assert aml.resources(aml.io(0x60, 1), aml.irq(1)) == b"\x11\x10\x0a\x0d\x47\x01\x60\x00\x60\x00\x01\x01\x22\x02\x00\x79\x00"


def test_s3_is_there_where_a_bios_can_resume(make_machine, tmp_path):
    (tmp_path / "bios").write_bytes(bytes(0x10000))
    s3 = b"_S3_\x12"                   # a name, a package
    with_bios = make_machine(machine="pc", bios=str(tmp_path / "bios"))
    assert s3 in tables_of(link(with_bios))["DSDT"] and s3 not in tables_of(link(make_machine(machine="pc")))["DSDT"]


def test_iasl_disassembles_and_compiles_the_dsdt(machine, tmp_path):
    if shutil.which("iasl") is None:
        pytest.skip("iasl is missing (package acpica-tools)")
    tables = tables_of(link(machine))
    for name in ("DSDT", "FACP"):
        (tmp_path / f"{name}.dat").write_bytes(tables[name])
        run = subprocess.run(["iasl", "-d", f"{name}.dat"], cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0 and (tmp_path / f"{name}.dsl").exists(), run.stderr
    source = (tmp_path / "DSDT.dsl").read_text()
    for text in ("LNKA", "LNKD", "_PRT", "_S4", "_S5", 'EisaId ("PNP0A03")', 'EisaId ("PNP0B00")', "_SRS", "_DIS", "PRQA"):
        assert text in source, text
    run = subprocess.run(["iasl", "-tc", "DSDT.dsl"], cwd=tmp_path, capture_output=True, text=True)
    assert "0 Errors" in run.stdout, run.stdout
