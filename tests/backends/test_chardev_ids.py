"""Character devices with names: -chardev, and chardev:ID."""
import pytest

from qemu_py import options
from qemu_py.backends.char_mux import MuxChar
from qemu_py.backends.char_options import chardev_text
from qemu_py.backends.chardev import FileChar
from qemu_py.control.option_grammar import split_properties
from qemu_py.util.errors import UserError


def short(text):
    backend, properties = split_properties(text)
    return chardev_text(text, backend, properties)


def config(*words):
    return options.machine_config(options.parse_arguments(list(words)))


@pytest.mark.parametrize("text, expected", [
    ("stdio,id=a", "stdio"),
    ("stdio,mux=on,id=a", "mon:stdio"),
    ("null,id=a", "null"),
    ("pty,id=a", "pty"),
    ("file,id=a,path=/tmp/x", "file:/tmp/x"),
    ("file,id=a,path=/tmp/x,,y", "file:/tmp/x,y"),
    ("socket,id=a,path=/tmp/s,server=on,wait=off", "unix:/tmp/s,server=on,wait=off"),
    ("socket,id=a,path=/tmp/s,server", "unix:/tmp/s,server=on"),
    ("socket,id=a,host=::1,port=4", "tcp:[::1]:4"),
    ("socket,id=a,port=4,server=on", "tcp::4,server=on"),
])
def test_properties_say_what_the_short_form_says(text, expected):
    assert short(text) == ("a", expected)


@pytest.mark.parametrize("text", ["stdio", "foo,id=a", "file,id=a", "socket,id=a", "null,id=a,path=x", "stdio,id=a,mux=maybe",
                                  "socket,id=a,path=x,,y"])
def test_a_bad_device_is_one_clear_line(text):
    with pytest.raises(UserError, match="-chardev") as error:
        short(text)
    assert "\n" not in str(error.value)


def test_a_port_takes_a_device_by_its_name(tmp_path):
    made = config("-chardev", f"file,id=out,path={tmp_path}/out", "-chardev", "null,id=n,mux=on",
                  "-serial", "chardev:out", "-parallel", "chardev:n")
    assert isinstance(made.serials[0], FileChar) and isinstance(made.parallels[0], MuxChar)
    made.serials[0].close()


@pytest.mark.parametrize("words, message", [
    (["-serial", "chardev:x"], "-chardev BACKEND,id=x"),
    (["-chardev", "null,id=x", "-serial", "chardev:x", "-serial", "chardev:x"], "in use"),
    (["-chardev", "null,id=x"], "nothing uses it"),
    (["-chardev", "null,id=x", "-chardev", "null,id=x"], "already"),
])
def test_names_are_checked(words, message):
    with pytest.raises(UserError, match=message):
        config(*words)
