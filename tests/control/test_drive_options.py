"""-drive, -hda, -cdrom, -snapshot, -boot: the grammar, where drives go, what contradicts."""
import pytest

from qemu_py import options
from qemu_py.machine.drives import assign_places
from qemu_py.util.errors import UserError


def drives(*arguments):
    return assign_places(options.parse_arguments(arguments).drives)


def places(*arguments):
    return [(drive.interface, drive.bus, drive.unit, drive.media, drive.file) for drive in drives(*arguments)]


def refused(*arguments):
    with pytest.raises(UserError) as error:
        drives(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---------------------------------------------------------------- places
def test_the_short_options_have_their_places():
    assert places("-hda", "a", "-hdb", "b", "-hdc", "c", "-hdd", "d", "-fda", "e", "-fdb", "f") == [
        ("ide", 0, 0, "disk", "a"), ("ide", 0, 1, "disk", "b"), ("ide", 1, 0, "disk", "c"), ("ide", 1, 1, "disk", "d"),
        ("floppy", 0, 0, "disk", "e"), ("floppy", 0, 1, "disk", "f")]
    assert places("-cdrom", "c") == [("ide", 1, 0, "cdrom", "c")]


def test_an_argument_without_an_option_is_disk_0():
    assert places("image", "-hdb", "b") == [("ide", 0, 0, "disk", "image"), ("ide", 0, 1, "disk", "b")]


def test_index_counts_through_the_buses():
    assert places("-drive", "file=x,index=3") == [("ide", 1, 1, "disk", "x")]
    assert places("-drive", "file=x,bus=1,unit=0") == [("ide", 1, 0, "disk", "x")]
    assert places("-drive", "file=x,unit=1") == [("ide", 0, 1, "disk", "x")]
    assert places("-drive", "if=floppy,index=1,file=x") == [("floppy", 0, 1, "disk", "x")]


def test_without_an_index_the_first_free_place_is_taken():
    assert [place[1:3] for place in places("-hda", "a", "-drive", "file=b", "-drive", "file=c", "-drive", "file=d")] == [
        (0, 0), (0, 1), (1, 0), (1, 1)]
    assert [place[1:3] for place in places("-drive", "file=b,bus=1", "-drive", "file=c,bus=1")] == [(1, 0), (1, 1)]
    assert [place[1:3] for place in places("-drive", "if=none,file=b,id=x", "-drive", "if=none,file=c,id=y")] == [
        (0, 0), (1, 0)]


def test_a_comma_in_a_file_name_is_doubled():
    assert drives("-drive", "file=a,,b,index=0")[0].file == "a,b"


def test_a_cdrom_may_be_empty_a_disk_may_not():
    assert drives("-drive", "media=cdrom")[0].file is None
    assert drives("-drive", "if=floppy")[0].file is None
    assert "file=" in refused("-drive", "index=1")


# ---------------------------------------------------------------- values
def test_every_key_arrives():
    drive = drives("-drive", "file=f,format=raw,if=ide,index=1,media=disk,readonly=on,cache=none,werror=stop,rerror=ignore,"
                   "snapshot=off,discard=unmap,id=d0")[0]
    assert (drive.format, drive.read_only, drive.cache, drive.werror, drive.rerror, drive.snapshot, drive.discard, drive.id) == (
        "raw", True, "none", "stop", "ignore", False, True, "d0")


def test_defaults():
    drive = drives("-drive", "file=f")[0]
    assert (drive.format, drive.read_only, drive.cache, drive.werror, drive.rerror, drive.snapshot, drive.discard) == (
        None, False, "writeback", "enospc", "report", None, False)


@pytest.mark.parametrize("text, word", [
    ("file=f,foo=1", "foo"), ("file=f,if=mfm", "mfm"), ("file=f,index=x", "x"), ("file=f,index=-1", "-1"),
    ("file=f,media=tape", "tape"), ("file=f,readonly=maybe", "maybe"), ("file=f,cache=full", "full"),
    ("file=f,werror=panic", "panic"), ("file=f,rerror=enospc", "enospc"), ("file=f,index", "index"), ("f", "f"),
    ("file=f,file=g", "file"), ("file=f,readonly=on,read-only=off", "read-only"), ("file=f,index=4", "index 0 to 3"),
    ("file=f,bus=2", "ide"), ("file=f,unit=2", "ide"), ("if=floppy,file=f,index=2", "floppy"),
    ("file=f,index=0,unit=1", "either index="), ("file=f,index=0,bus=0", "either index="), ("", "")])
def test_nonsense_is_one_clear_line(text, word):
    message = refused("-drive", text)
    assert "-drive" in message and word in message


# ---------------------------------------------------------------- contradictions
@pytest.mark.parametrize("first, second", [
    (("-hda", "a"), ("-hda", "b")), (("-hda", "a"), ("-drive", "file=b,index=0")), (("-hdc", "a"), ("-cdrom", "b")),
    (("-drive", "file=a,index=2"), ("-cdrom", "b")), (("-fda", "a"), ("-drive", "if=floppy,index=0,file=b")),
    (("-drive", "file=a"), ("-hda", "b")), (("image",), ("-hda", "b"))])
def test_two_drives_at_one_place_are_named_both(first, second):
    message = refused(*first, *second)
    assert "already" in message and first[-1] in message and second[-1] in message


def test_two_drives_with_one_id():
    assert "'d0'" in refused("-drive", "file=a,id=d0", "-drive", "file=b,id=d0")


def test_more_drives_than_places():
    assert "taken" in refused(*["-drive", "file=x"] * 5)


@pytest.mark.parametrize("option", ["-hda", "-cdrom", "-fda"])
def test_an_empty_file_name(option):
    assert option in refused(option, "")


# ---------------------------------------------------------------- -boot, -snapshot
@pytest.mark.parametrize("text, settings", [
    ("c", {"boot_order": "c"}), ("dc", {"boot_order": "dc"}), ("order=dc", {"boot_order": "dc"}),
    ("order=cd,once=d,menu=on", {"boot_order": "cd", "boot_once": "d", "boot_menu": True}), ("once=n", {"boot_once": "n"}),
    ("d,menu=off", {"boot_order": "d", "boot_menu": False}), ("menu=on,strict=on", {"boot_menu": True}),
    ("menu=on,splash-time=500", {"boot_menu": True, "boot_menu_wait": 500}), ("reboot-timeout=0", {"boot_fail_wait": 0}), ("reboot-timeout=-1", {"boot_fail_wait": None})])
def test_boot(text, settings):
    assert options.parse_arguments(["-boot", text]).settings == settings


@pytest.mark.parametrize("text", ["x", "cc", "order=z", "menu=maybe", "foo=1", "order=", "", "menu", "splash-time=-1", "splash-time=65536", "splash-time=", "reboot-timeout=x"])
def test_nonsense_for_boot_is_one_clear_line(text):
    with pytest.raises(UserError) as error:
        options.parse_arguments(["-boot", text])
    assert "-boot" in str(error.value) and "\n" not in str(error.value)


def test_snapshot():
    assert options.parse_arguments(["-snapshot"]).settings == {"snapshot": True}
