"""SYSTEMS row 40, as far as drives go: -drive reaches the guest, -snapshot leaves the image untouched; errors stop the machine."""
import errno

import pytest

from qemu_py import options
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit
from tests.machines import EXIT
from tests.systems.test_row50_aio import ATA_FLUSH, ATA_WRITE, COUNT_WHILE_BUSY, TARGET, ata

# mov edi, TARGET; mov al, 0A5h; mov ecx, 512; cld; rep stosb; mov esi, TARGET; mov ecx, 256; mov dx, 1F0h; rep outsw
FILL = (b"\xbf" + TARGET.to_bytes(4, "little") + b"\xb0\xa5\xb9\x00\x02\x00\x00\xfc\xf3\xaa\xbe" + TARGET.to_bytes(4, "little")
        + b"\xb9\x00\x01\x00\x00\x66\xba\xf0\x01\x66\xf3\x6f")
WRITE_SECTOR_2 = ata(ATA_WRITE, 2) + FILL + COUNT_WHILE_BUSY + ata(ATA_FLUSH, 0) + COUNT_WHILE_BUSY + debug_exit(0x21)


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1 << 20))
    return path


def machine_of(make_machine, *arguments, code=WRITE_SECTOR_2, machine="pc"):
    parse = options.parse_arguments(arguments)
    return make_machine(code, machine=machine, devices=EXIT, drives=parse.drives, **parse.settings)


@pytest.mark.parametrize("machine", ["pc", "isapc"])
def test_what_the_guest_writes_is_in_the_image(make_machine, disk, machine):
    assert machine_of(make_machine, "-hda", str(disk), machine=machine).run() == 0x43
    assert disk.read_bytes() == bytes(1024) + b"\xa5" * 512 + bytes((1 << 20) - 1536)


@pytest.mark.parametrize("arguments", [["-snapshot", "-hda", "{}"], ["-drive", "file={},snapshot=on"]])
def test_snapshot_leaves_the_image_untouched(make_machine, disk, arguments):
    machine = machine_of(make_machine, *(word.format(disk) for word in arguments))
    before = disk.stat().st_mtime_ns
    assert machine.run() == 0x43
    assert disk.read_bytes() == bytes(1 << 20) and disk.stat().st_mtime_ns == before


def test_a_drive_may_be_kept_out_of_the_snapshot(make_machine, disk):
    assert machine_of(make_machine, "-snapshot", "-drive", f"file={disk},snapshot=off").run() == 0x43
    assert disk.read_bytes()[1024] == 0xA5


def test_each_drive_is_where_it_was_asked_for(make_machine, disk, tmp_path):
    disc = tmp_path / "cd.iso"
    disc.write_bytes(bytes(2048 * 50))
    machine = machine_of(make_machine, "-hdb", str(disk), "-cdrom", str(disc))
    assert [[drive and drive.NAME for drive in channel.drives] for channel in machine.ide_channels] == [
        [None, "ide-hd"], ["ide-cd", None]]
    assert [blk.name for blk in machine.drives.all()][:2] == ["ide0-hd1", "ide1-cd0"]


def test_a_pc_has_an_empty_cd_rom_drive_unless_its_place_is_taken(make_machine, disk):
    machine = machine_of(make_machine)
    assert machine.ide_channels[1].drives[0].NAME == "ide-cd" and not machine.drives.get("ide", 1, 0).inserted
    machine.close()
    machine = machine_of(make_machine, "-hdc", str(disk))
    assert machine.ide_channels[1].drives[0].NAME == "ide-hd"


def plugged(make_machine, *arguments):
    parse = options.parse_arguments(arguments)
    return make_machine(machine="pc", drives=parse.drives, devices=parse.devices)


def test_a_drive_of_no_interface_is_plugged_in_by_hand(make_machine, disk, tmp_path):
    disc = tmp_path / "cd.iso"
    disc.write_bytes(bytes(2048 * 50))
    machine = plugged(make_machine, "-drive", f"if=none,id=d,file={disk}", "-drive", f"if=none,id=c,media=cdrom,file={disc}",
                      "-device", "ide-hd,drive=d,bus=ide.1,unit=1,serial=S1,model=M1", "-device", "ide-cd,drive=c")
    assert [[drive and drive.NAME for drive in channel.drives] for channel in machine.ide_channels] == [
        ["ide-cd", None], ["ide-cd", "ide-hd"]]
    assert machine.ide_channels[1].drives[1].serial == "S1" and machine.ide_channels[0].drives[0].blk.inserted


@pytest.mark.parametrize("device, words", [
    ("ide-hd", ["drive=ID"]), ("ide-hd,drive=x", ["no drive 'x'"]), ("ide-hd,drive=d,unit=2", ["0 or 1"]),
    ("ide-hd,drive=d,bus=ide.1,unit=0", ["taken"]), ("ide-hd,drive=d,bus=ide.7", ["ide.7"]), ("ide-hd,drive=h", ["used"])])
def test_what_cannot_be_plugged_is_one_clear_line(make_machine, disk, tmp_path, device, words):
    other = tmp_path / "other"
    other.write_bytes(bytes(512))
    with pytest.raises(UserError) as error:
        plugged(make_machine, "-drive", f"if=none,id=d,file={disk}", "-drive", f"id=h,file={other}", "-device", device)
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words)


def test_the_bios_finds_the_disks_in_the_cmos(make_machine, disk):
    ram = machine_of(make_machine, "-hda", str(disk)).rtc.s.ram
    assert ram[0x12] == 0xF0 and ram[0x19] == 47
    assert (ram[0x1B] | ram[0x1C] << 8, ram[0x1D], ram[0x23]) == (2, 16, 63)
    assert sum(ram[0x10:0x2E]) == ram[0x2E] << 8 | ram[0x2F]


def test_boot_once_lasts_until_the_first_reset(make_machine):
    machine = machine_of(make_machine, "-boot", "order=c,once=d")
    with machine.main_loop.lock:
        machine.system_reset()
        assert machine.rtc.s.ram[0x3D] & 0x0F == 3
        machine.system_reset()
        assert machine.rtc.s.ram[0x3D] & 0x0F == 2


@pytest.mark.parametrize("what", ["missing", "empty", "odd", "directory"])
def test_a_bad_image_is_one_clear_line(make_machine, tmp_path, what):
    path = tmp_path / what
    if what == "directory":
        path.mkdir()
    elif what != "missing":
        path.write_bytes(bytes({"empty": 0, "odd": 1000}[what]))
    with pytest.raises(UserError) as error:
        machine_of(make_machine, "-hda", str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_an_image_in_use_is_one_clear_line(make_machine, disk):
    machine_of(make_machine, "-hda", str(disk))
    with pytest.raises(UserError, match="in use"):
        machine_of(make_machine, "-hda", str(disk))


def test_a_full_disk_stops_the_machine_and_the_write_goes_on_with_it(make_machine, disk, capfd):
    """werror=enospc, the default: nothing is lost."""
    machine = machine_of(make_machine, "-hda", str(disk))
    driver = machine.drives.get("ide", 0, 0).driver
    states, write = [], driver.pwritev

    def full(offset, buffers):
        if not states:
            raise OSError(errno.ENOSPC, "")
        write(offset, buffers)
    driver.pwritev = full
    stop = machine.vm_stop

    def vm_stop(state="paused"):
        stop(state)
        if state == "io-error":
            states.append(machine.runstate)
            bh = machine.main_loop.bh_new(machine.vm_start)     # the user has made room: cont
            bh.schedule()
    machine.vm_stop = vm_stop
    assert machine.run() == 0x43
    assert states == ["io-error"]
    assert disk.read_bytes()[1024:1536] == b"\xa5" * 512
    assert "No space left" in capfd.readouterr().err
