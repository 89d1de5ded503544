"""Pictures of the screen as files."""
import pytest

from qemu_py.control.screendump import screendump
from qemu_py.util.errors import UserError


def test_the_format_follows_the_name(make_machine, tmp_path):
    machine = make_machine()
    with machine.main_loop.lock:
        machine.system_reset()
        screendump(machine, tmp_path / "a.png")
        screendump(machine, tmp_path / "a.ppm")
        screendump(machine, tmp_path / "b", "png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.ppm").read_bytes().startswith(b"P6\n720 400\n255\n")


@pytest.mark.parametrize("where, kind, message", [
    ("none/x.png", None, "cannot write"), ("x", "bmp", "there is no format 'bmp'")])
def test_what_cannot_be_written_is_told(make_machine, tmp_path, where, kind, message):
    machine = make_machine()
    with pytest.raises(UserError, match=message):
        screendump(machine, tmp_path / where, kind)


def test_there_is_no_picture_without_an_adapter(make_machine, tmp_path):
    with pytest.raises(UserError, match="no display adapter"):
        screendump(make_machine(vga="none"), tmp_path / "x.png")
