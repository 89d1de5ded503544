"""Classes of fields: what the standard library's dataclasses would do, they do."""
import dataclasses

import pytest

from qemu_py.util import dataclass as ours

BOTH = pytest.mark.parametrize("module", (dataclasses, ours), ids=("standard", "ours"))


def make_classes(module):
    @module.dataclass
    class Base:
        VERSION = 1
        a: int
        b: int = 2

    @module.dataclass
    class Derived(Base):
        c: list = module.field(default_factory=list)
        b: int = 3

    return Base, Derived


@BOTH
def test_fields_are_arguments_in_order_those_of_bases_first(module):
    base, derived = make_classes(module)
    assert vars(base(1)) == {"a": 1, "b": 2}
    assert vars(derived(1)) == {"a": 1, "b": 3, "c": []}
    assert vars(derived(1, 4, c=[5])) == {"a": 1, "b": 4, "c": [5]}
    assert base.b == 2 and not hasattr(derived, "c")


@BOTH
def test_each_object_has_a_list_of_its_own(module):
    _, derived = make_classes(module)
    derived(1).c.append(2)
    assert derived(1).c == []


@BOTH
@pytest.mark.parametrize("given, named", (((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"d": 1})), ids=("lacks", "too many", "twice", "unknown"))
def test_wrong_arguments_are_type_errors(module, given, named):
    base, _ = make_classes(module)
    with pytest.raises(TypeError):
        base(*given, **named)


@BOTH
def test_objects_are_equal_when_class_and_values_are(module):
    base, derived = make_classes(module)
    assert base(1) == base(1, 2) != base(2)
    assert base(1, 3) != derived(1)
    assert repr(base(1)).endswith("Base(a=1, b=2)")
    with pytest.raises(TypeError):
        hash(base(1))


@BOTH
def test_a_frozen_object_is_a_key_and_does_not_change(module):
    @module.dataclass(frozen=True)
    class Point:
        x: int
        y: int = 0

    point = Point(1)
    assert {point: "there"}[Point(1, 0)] == "there"
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        del point.x


@BOTH
def test_without_eq_an_object_equals_itself_only(module):
    @module.dataclass(eq=False)
    class Thing:
        x: int = 0

    thing = Thing()
    assert thing == thing != Thing()
    assert {thing: 1}[thing] == 1


def test_a_default_that_all_objects_would_share_is_refused():
    with pytest.raises(AssertionError, match="default_factory"):
        @ours.dataclass
        class Wrong:
            values: list = []
