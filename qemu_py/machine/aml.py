"""An assembler for AML, the ACPI machine language (ACPI 2.0 specification, chapter 17; resources: section 6.4).

Every function gives bytes. Integers stand for themselves, as do strings that name things where the grammar
wants a name; a term list is what follows in the arguments:

    device("RTC_", name("_HID", eisa_id("PNP0B00")), name("_CRS", resources(io(0x70, 2), irq(8))))

Not there: what our tables do not need (mutexes, events, index fields, 64-bit resources).
"""
import struct
from functools import cache

ZERO, ONE, ONES = b"\x00", b"\x01", b"\xff"
LOCAL0, LOCAL1, ARG0, ARG1 = b"\x60", b"\x61", b"\x68", b"\x69"
SYSTEM_MEMORY, SYSTEM_IO, PCI_CONFIG = 0, 1, 2          # region spaces
ANY_ACC, BYTE_ACC, WORD_ACC, DWORD_ACC = range(4)       # of fields, with NoLock and Preserve


# ---------------------------------------------------------------- names, lengths, data
def name_seg(text):
    assert 1 <= len(text) <= 4 and text.replace("_", "A").isalnum() and not text[0].isdigit() and text.isupper(), text
    return text.ljust(4, "_").encode()


@cache
def name_string(text):
    """\\_SB.PCI0, ^LNKA and the like (section 17.2.1)."""
    prefix = b""
    while text[:1] in ("\\", "^"):
        prefix += text[0].encode()
        text = text[1:]
    segments = [name_seg(part) for part in text.split(".")] if text else []
    if not segments:
        return prefix + b"\x00"
    if len(segments) == 1:
        return prefix + segments[0]
    if len(segments) == 2:
        return prefix + b"\x2e" + b"".join(segments)
    return prefix + b"\x2f" + bytes((len(segments),)) + b"".join(segments)


def package_length(size):
    """PkgLength counts itself: the lead byte says how many follow (section 17.2.3)."""
    if size + 1 <= 0x3F:
        return bytes((size + 1,))
    for extra in (1, 2, 3):
        total = size + 1 + extra
        if total < 1 << 4 + 8 * extra:
            return bytes((extra << 6 | total & 0xF,)) + (total >> 4).to_bytes(extra, "little")
    raise AssertionError("a package is too long")


def with_length(opcode, body):
    return opcode + package_length(len(body)) + body


def integer(value):
    """The shortest encoding of a constant."""
    if value in (0, 1):
        return bytes((value,))
    for prefix, size in ((b"\x0a", 1), (b"\x0b", 2), (b"\x0c", 4)):
        if value < 1 << 8 * size:
            return prefix + value.to_bytes(size, "little")
    return b"\x0e" + value.to_bytes(8, "little")


def string(text):
    return b"\x0d" + text.encode("ascii") + b"\0"


def term(value):
    """An operand: bytes are code, an int is a constant, a str is a name."""
    if isinstance(value, int):
        return integer(value)
    return name_string(value) if isinstance(value, str) else value


def terms(values):
    return b"".join(term(value) for value in values)


def buffer(data):
    return with_length(b"\x11", integer(len(data)) + data)


def package(*elements):
    assert len(elements) < 256
    return with_length(b"\x12", bytes((len(elements),)) + terms(elements))


def eisa_id(text):
    """PNP0A03 as the constant of section 17.3.4: three letters of five bits, four digits, big-endian."""
    letters = 0
    for letter in text[:3]:
        letters = letters << 5 | ord(letter) - 0x40
    packed = struct.pack(">HH", letters, int(text[3:], 16))
    return b"\x0c" + packed


# ---------------------------------------------------------------- named objects
def name(path, value):
    return b"\x08" + name_string(path) + term(value)


def scope(path, *body):
    return with_length(b"\x10", name_string(path) + terms(body))


def device(path, *body):
    return with_length(b"\x5b\x82", name_string(path) + terms(body))


def processor(path, number):
    return with_length(b"\x5b\x83", name_string(path) + struct.pack("<BIB", number, 0, 0))


def method(path, arguments, *body, serialized=False):
    return with_length(b"\x14", name_string(path) + bytes((arguments | serialized << 3,)) + terms(body))


def operation_region(path, space, offset, length):
    return b"\x5b\x80" + name_string(path) + bytes((space,)) + integer(offset) + integer(length)


def field(region, access, *units):
    """units: (name, bits), or (None, bits) for a gap."""
    body = name_string(region) + bytes((access,))
    for unit, bits in units:
        # A field's length is coded as a PkgLength that does not count itself.
        length = bytes((bits,)) if bits < 0x40 else bytes((0x40 | bits & 0xF, bits >> 4))
        body += (name_seg(unit) if unit else b"\0") + length
    return with_length(b"\x5b\x81", body)


# ---------------------------------------------------------------- statements and expressions
def store(value, target):
    return b"\x70" + term(value) + term(target)


def and_(a, b, target=b"\0"):
    return b"\x7b" + term(a) + term(b) + term(target)


def or_(a, b, target=b"\0"):
    return b"\x7d" + term(a) + term(b) + term(target)


def create_dword_field(source, offset, path):
    return b"\x8a" + term(source) + integer(offset) + name_string(path)


def less(a, b):
    return b"\x95" + term(a) + term(b)


def if_(condition, *body):
    return with_length(b"\xa0", term(condition) + terms(body))


def else_(*body):
    return with_length(b"\xa1", terms(body))


def return_(value):
    return b"\xa4" + term(value)


# ---------------------------------------------------------------- resources
def resources(*descriptors):
    """A resource template: a buffer, closed by an end tag without a checksum."""
    return buffer(b"".join(descriptors) + b"\x79\x00")


def io(base, length):
    """Ports, decoded with 16 bits (6.4.2.5)."""
    return struct.pack("<BBHHBB", 0x47, 1, base, base, 1, length)


def irq(number):
    """An edge triggered, active high interrupt of the ISA bus (6.4.2.1)."""
    return struct.pack("<BH", 0x22, 1 << number)


def dma(channel):
    """A channel that moves bytes at ISA speed, no bus master (6.4.2.2)."""
    return struct.pack("<BBB", 0x2A, 1 << channel, 0)


def memory32_fixed(base, length, writable=False):
    return struct.pack("<BHBII", 0x86, 9, int(writable), base, length)


def interrupt(*numbers):
    """Shared, level triggered, active high interrupts of a PCI link (6.4.3.6); the first is at offset 5."""
    return struct.pack(f"<BHBB{len(numbers)}I", 0x89, 2 + 4 * len(numbers), 0x09, len(numbers), *numbers)


def word_bus_number(first, last):
    return struct.pack("<BHBBBHHHHH", 0x88, 13, 2, 0x0C, 0, 0, first, last, 0, last - first + 1)


def word_io(first, last):
    """A bridge's window of ports, both ISA and others (6.4.3.5.3)."""
    return struct.pack("<BHBBBHHHHH", 0x88, 13, 1, 0x0C, 3, 0, first, last, 0, last - first + 1)


def dword_memory(first, last, cacheable=False):
    """A bridge's window of writable memory (6.4.3.5.2)."""
    return struct.pack("<BHBBBIIIII", 0x87, 23, 0, 0x0C, 1 | cacheable << 1, 0, first, last, 0, last - first + 1)
