"""The nearest names, and the messages that have them."""
import pytest

from qemu_py.util.suggest import did_you_mean, nearest, no_such


@pytest.mark.parametrize("word, found", [
    ("serail", ["serial"]), ("SERIAL", ["serial"]), ("ser", ["serial"]), ("xyz", []), ("", []), ("s", [])])
def test_the_nearest_name(word, found):
    assert nearest(word, ["serial", "kernel", "monitor"]) == found


def test_the_best_come_first_and_are_few():
    assert nearest("mentor", ["memory", "kernel", "monitor"]) == ["monitor", "memory"]
    assert len(nearest("hd", [f"hd{n}" for n in range(9)])) == 3


def test_what_a_message_says():
    assert did_you_mean("hd", ["hda", "hdb"], before="-") == "; did you mean -hda or -hdb?"
    assert did_you_mean("foo", ["bar"]) == ""
    assert no_such("colour", "rad", ["red", "blue"]) == "there is no colour 'rad'; did you mean red? (there are: red, blue)"
    assert no_such("colour", "x", [], "none today") == "there is no colour 'x' (none today)"
