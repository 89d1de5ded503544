"""Classes whose fields are annotations, as of the standard library's dataclasses: as much of it as is used here.

That module compiles three methods for each class, and imports inspect to do so: a quarter of a start, when a PC has fifty. Here all
classes share theirs. As there: fields of bases come first, __repr__, __eq__ (eq=False: identity), no hash unless frozen.
"""
REQUIRED = object()                     # in place of a default


class Factory:
    """A default that each object has one of its own of."""
    __slots__ = ("make",)

    def __init__(self, make):
        self.make = make


def field(*, default_factory):
    return Factory(default_factory)


def dataclass(cls=None, *, frozen=False, eq=True):
    """Class decorator. `cls.FIELDS` are the names, in order, with their defaults."""
    if cls is None:
        return lambda cls: dataclass(cls, frozen=frozen, eq=eq)
    fields = {}
    for base in reversed(cls.__mro__[1:]):
        fields.update(vars(base).get("FIELDS", ()))
    for name in cls.__annotations__:
        fields[name] = default = vars(cls).get(name, REQUIRED)
        if isinstance(default, Factory):
            delattr(cls, name)
        assert not isinstance(default, (list, dict, set, bytearray)), f"{cls.__name__}.{name}: field(default_factory=...)"
    cls.FIELDS = fields
    cls.__init__ = init_frozen if frozen else init
    if "__repr__" not in vars(cls):
        cls.__repr__ = represent
    if eq:
        cls.__eq__ = equal
        cls.__hash__ = hash_values if frozen else None
    if frozen:
        cls.__setattr__ = cls.__delattr__ = refuse
    return cls


def values_of(cls, given, named):
    """(name, value) of every field, from the arguments of cls()."""
    fields = cls.FIELDS
    if len(given) > len(fields):
        raise TypeError(f"{cls.__name__}() takes {len(fields)} arguments, not {len(given)}")
    by_position = dict(zip(fields, given))
    for name in named:
        if name not in fields or name in by_position:
            raise TypeError(f"{cls.__name__}() got {'two values for' if name in fields else 'an unexpected'} argument '{name}'")
    named.update(by_position)
    for name, default in fields.items():
        if name in named:
            yield name, named[name]
        elif default is REQUIRED:
            raise TypeError(f"{cls.__name__}() lacks the argument '{name}'")
        else:
            yield name, default.make() if isinstance(default, Factory) else default


def init(self, *given, **named):
    for name, value in values_of(type(self), given, named):
        setattr(self, name, value)


def init_frozen(self, *given, **named):
    for name, value in values_of(type(self), given, named):
        object.__setattr__(self, name, value)


def astuple(self):
    """The fields' values; objects in them stay what they are."""
    return tuple(getattr(self, name) for name in self.FIELDS)


def represent(self):
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.FIELDS)})"


def equal(self, other):
    return astuple(self) == astuple(other) if type(self) is type(other) else NotImplemented


def hash_values(self):
    return hash(astuple(self))


def refuse(self, name, value=None):
    raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")
