"""What a monitor command is given: words, formats and expressions, in QEMU's grammar.

A format is /COUNT FORMAT SIZE, as gdb has it: x o d u c i, and b h w g for 1, 2, 4, 8 bytes. In an
expression & | ^ bind closer than + -, and less close than * / %; $NAME is a register of the CPU. Where another argument
may follow, an operator with a space before it only begins that: "mouse_move 5 -3".
"""
import re
from typing import NamedTuple

from qemu_py.util.errors import UserError

MASK = (1 << 64) - 1
SIZES = {"b": 1, "h": 2, "w": 4, "g": 8}
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
REGISTER = re.compile(r"\$([A-Za-z][A-Za-z0-9_.]*)")
CHARACTER = re.compile(r"'(\\?.)'")
FORMAT = re.compile(r"/([0-9]*)([a-zA-Z]*)")


class Format(NamedTuple):
    count: int = 1
    kind: str = "x"
    size: int = None                    # bytes; None: the command's own


class Arguments:
    """Reads `text` from the left. register(name): its value, or KeyError."""

    def __init__(self, text, register):
        self.text = text
        self.at = 0
        self.register = register
        self.more = False               # may another argument follow the expression?
        self.depth = 0                  # of brackets

    def skip_space(self):
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def match(self, pattern):
        self.skip_space()
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    @property
    def rest(self):
        self.skip_space()
        return self.text[self.at:]

    def word(self):
        """Up to a space, or in double quotes, where a backslash takes the next character as it is."""
        rest = self.rest
        if not rest.startswith('"'):
            word = rest.split(None, 1)[0]
            self.at += len(word)
            return word
        found = self.match(re.compile(r'"((?:[^"\\]|\\.)*)"'))
        if not found:
            raise UserError("a quotation mark is missing")
        return re.sub(r"\\(.)", r"\1", found[1])

    def flag(self, letter):
        """Is -LETTER next?"""
        return bool(self.match(re.compile(rf"-{letter}(?!\S)")))

    def format(self):
        found = self.match(FORMAT)
        if not found:
            return Format()
        kind, size = "x", None
        for letter in found[2]:
            if letter in "xoduci":
                kind = letter
            elif letter in SIZES:
                size = SIZES[letter]
            else:
                raise UserError(f"'{found[0]}': there is no format '{letter}' (there are: x o d u c i; sizes b h w g)")
        return Format(int(found[1][:10]) if found[1] else 1, kind, size)       # ten digits are too many anyway

    # ---------------------------------------------------------------- expressions
    def expression(self):
        """An unsigned number of 64 bits."""
        value = self.logic()
        while operator := self.operator("+-"):
            other = self.logic()
            value = (value + other if operator == "+" else value - other) & MASK
        return value

    def operator(self, among):
        rest = self.rest
        if self.text[self.at - 1:self.at].isspace() and self.more and not self.depth and not rest[1:2].isspace():
            return None                 # of "5 -3" and "6 /tmp/x", where another argument may follow
        if rest and rest[0] in among:
            self.at += 1
            return rest[0]
        return None

    def logic(self):
        value = self.product()
        while operator := self.operator("&|^"):
            other = self.product()
            value = value & other if operator == "&" else value | other if operator == "|" else value ^ other
        return value

    def product(self):
        value = self.unary()
        while operator := self.operator("*/%"):
            other = self.unary()
            if operator == "*":
                value = value * other & MASK
            elif other == 0:
                raise UserError("division by zero")
            else:
                value = value // other if operator == "/" else value % other
        return value

    def unary(self):
        # A loop, not a call for each: a line of a thousand signs is no reason to run out of stack.
        signs = []
        while self.rest[:1] in ("+", "-", "~"):
            signs.append(self.rest[0])
            self.at += 1
        value = self.primary()
        for sign in reversed(signs):
            value = (-value if sign == "-" else ~value if sign == "~" else value) & MASK
        return value

    def primary(self):
        if self.rest.startswith("("):
            self.at += 1
            self.depth += 1
            value = self.expression()
            if not self.operator(")"):
                raise UserError("')' is missing")
            self.depth -= 1
            return value
        if found := self.match(REGISTER):
            try:
                return self.register(found[1].lower()) & MASK
            except KeyError:
                raise UserError(f"there is no register '{found[0]}'") from None
        if found := self.match(CHARACTER):
            return ord(found[1][-1]) & MASK
        if found := self.match(NUMBER):
            return self.number(found[0])
        rest = self.rest
        raise UserError(f"'{rest.split()[0]}' is no number" if rest else "a number is missing")

    @staticmethod
    def number(text):
        """0x is hexadecimal and 0 octal, as in C."""
        try:
            value = int(text, 8 if len(text) > 1 and text.isdigit() and text[0] == "0" else 0)
        except ValueError:
            raise UserError(f"'{text}' is no number") from None
        if value > MASK:
            raise UserError(f"'{text}' has more than 64 bits")
        return value


def parse(spec, arguments):
    """{name: value} after `spec`, "name:kind,name:kind?" as QEMU's args_type has it; kinds: s a word, S the
    rest of the line, i an expression, / a format, -x a flag; ? may be left out, and is None then."""
    values = {}
    items = spec.split(",") if spec else []
    for n, item in enumerate(items, 1):
        arguments.more = n < len(items)
        name, kind = item.split(":")
        if kind == "/":
            values[name] = arguments.format()
        elif kind[0] == "-":
            values[name] = arguments.flag(kind[1])
        elif not arguments.rest:
            if not kind.endswith("?"):
                raise UserError(f"'{name}' is missing")
            values[name] = None
        elif kind[0] == "S":
            values[name], arguments.at = arguments.rest.rstrip(), len(arguments.text)
        else:
            values[name] = arguments.expression() if kind[0] == "i" else arguments.word()
    if arguments.rest:
        raise UserError(f"'{arguments.rest.rstrip()}' is too much")
    return values
