"""The grammar of option values: sizes, NAME,KEY=VALUE lists, words out of a few; and their messages."""
from qemu_py.util.errors import UserError
from qemu_py.util.suggest import did_you_mean, no_such


UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


class Quit(Exception):
    """The option was a question: print the answer, exit with status 0."""


def asks_for_help(text):
    return text in ("help", "?")


def parse_size(text, option, unit=1 << 20):
    """Bytes of a size in QEMU's grammar: a number, maybe with a fraction, and B K M G T; MiB without."""
    if text[:2].lower() == "0x" and text[2:] and HEX_DIGITS.issuperset(text[2:]):
        return int(text, 16) * unit
    suffix = text[-1:].lower()
    number, factor = (text[:-1], UNITS[suffix]) if suffix in UNITS else (text, unit)
    whole, point, fraction = number.partition(".")
    if not is_decimal(whole) or point and not is_decimal(fraction):
        raise UserError(f"-{option} {text}: this is no size; write for example 128M or 1G")
    return int(whole) * factor + int(float(f"0.{fraction}") * factor)


def is_decimal(text):
    return text.isascii() and text.isdecimal()


def split_properties(text):
    """"name,key=value,flag" as (name, [(key, value or None)]); ",," is a comma."""
    parts = [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]
    return parts[0], [(key, value if sep else None) for key, sep, value in (p.partition("=") for p in parts[1:])]


def split_keys(text, first):
    """"value,key=value" as [(key, value or None)]: the first may be written without its key, `first`."""
    properties = split_properties("," + text)[1]
    if "=" not in text.partition(",")[0]:
        properties[0] = (first, properties[0][0])
    return properties


def check_key(who, key, names):
    """UserError unless the option has this key. who: the option and its text."""
    if key not in names:
        raise UserError(f"{who}: {no_such('key', key, names)}")


def choose(who, kind, text, names, lists_them=""):
    """`text`, if it is one of the names. UserError."""
    if text not in names:
        raise UserError(f"{who}: {no_such(kind, text, names, lists_them)}")
    return text


def one_of(who, key, value, values):
    """The value of a key that takes one of a few words. UserError."""
    words = f"{', '.join(values[:-1])} or {values[-1]}"
    if value is None:
        raise UserError(f"{who}: '{key}' needs a value: {words}")
    if value not in values:
        raise UserError(f"{who}: {key}= is {words}, not '{value}'{did_you_mean(value, values)}")
    return value


def on_off(who, key, value):
    return one_of(who, key, value, ("on", "off")) == "on"
