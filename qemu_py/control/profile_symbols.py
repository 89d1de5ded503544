"""Names of guest addresses: the symbol tables of ELF files, and System.map.

A file's addresses are as linked, or moved so that its first byte in memory is at `base`.
"""
import bisect
import struct
from typing import NamedTuple

from qemu_py.util.errors import UserError

SHT_SYMTAB, SHT_DYNSYM = 2, 11
STT_NOTYPE, STT_FUNC = 0, 2
SHN_UNDEF, SHN_ABS = 0, 0xFFF1
PT_LOAD = 1
PAGE = 4096
FAR = 1 << 20                           # no symbol names what lies further behind it


class Symbol(NamedTuple):
    address: int
    size: int                           # 0: unknown
    name: str


class Symbols:
    """What is known of the guest; later files win."""

    def __init__(self):
        self.tables = []                # (addresses, symbols)

    def add(self, symbols):
        symbols = sorted(symbols, key=lambda s: (s.address, s.size > 0, s.name))
        self.tables.insert(0, ([s.address for s in symbols], symbols))

    def find(self, address):
        """(Symbol, offset), or None."""
        for addresses, symbols in self.tables:
            i = bisect.bisect_right(addresses, address) - 1
            if i >= 0:
                symbol = symbols[i]
                offset = address - symbol.address
                if offset < (symbol.size or FAR):
                    return symbol, offset
        return None

    def label(self, address):
        """"name+0x10", "name", or the address."""
        found = self.find(address)
        if found is None:
            return f"{address:#x}"
        symbol, offset = found
        return f"{symbol.name}+{offset:#x}" if offset else symbol.name

    def function(self, address):
        """The symbol's name, or the address."""
        found = self.find(address)
        return f"{address:#x}" if found is None else found[0].name


def load_symbols(symbols, text, option="--symbols"):
    """Add those of `file[@base]`; an ELF file or a System.map. UserError."""
    path, sep, base = text.rpartition("@")
    if not sep:
        path, base = text, None
    else:
        try:
            base = int(base, 16)
        except ValueError:
            path, base = text, None     # an @ in the file's name
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError as e:
        raise UserError(f"{option} {text}: {e.strerror}") from None
    if data.startswith(b"\x7fELF"):
        found = elf_symbols(data, base, path)
    else:
        found = system_map(data, base, path, option)
    if not found:
        raise UserError(f"{option} {text}: there are no symbols in it (it has been stripped)")
    symbols.add(found)


def elf_symbols(data, base=None, path="?"):
    """The functions and labels of an ELF file of 32 or 64 bits, little-endian."""
    try:
        return list(_elf_symbols(data, base))
    except (struct.error, IndexError, ValueError):
        raise UserError(f"'{path}' is damaged: its symbol table cannot be read") from None


def _elf_symbols(data, base):
    wide = data[4] == 2
    if wide:
        phoff, shoff = struct.unpack_from("<QQ", data, 32)
        phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 54)
    else:
        phoff, shoff = struct.unpack_from("<II", data, 28)
        phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 42)
    move = 0
    if base is not None:
        loads = []
        for i in range(phnum):
            at = phoff + i * phentsize
            if struct.unpack_from("<I", data, at)[0] == PT_LOAD:
                loads.append(struct.unpack_from("<Q", data, at + 16)[0] if wide else struct.unpack_from("<I", data, at + 8)[0])
        move = base - (min(loads) & -PAGE if loads else 0)
    sections = []
    for i in range(shnum):
        at = shoff + i * shentsize
        kind = struct.unpack_from("<I", data, at + 4)[0]
        if wide:
            offset, size, link = *struct.unpack_from("<QQ", data, at + 24), struct.unpack_from("<I", data, at + 40)[0]
        else:
            offset, size, link = struct.unpack_from("<III", data, at + 16)
        sections.append((kind, offset, size, link))
    kinds = [kind for kind, *_ in sections]
    wanted = SHT_SYMTAB if SHT_SYMTAB in kinds else SHT_DYNSYM
    for kind, offset, size, link in sections:
        if kind != wanted:
            continue
        strings = sections[link][1]
        step = 24 if wide else 16
        for at in range(offset, offset + size - step + 1, step):
            if wide:
                name, info, _, section, value, length = struct.unpack_from("<IBBHQQ", data, at)
            else:
                name, value, length, info, _, section = struct.unpack_from("<IIIBBH", data, at)
            if info & 15 not in (STT_NOTYPE, STT_FUNC) or section in (SHN_UNDEF, SHN_ABS) or not name:
                continue
            start = strings + name
            text = data[start:data.index(b"\0", start)].decode("utf-8", "replace")
            if text and not text.startswith((".L", "$")):
                yield Symbol((value + move) & 0xFFFFFFFFFFFFFFFF, length, text)


def system_map(data, base=None, path="?", option="--system-map"):
    """The code symbols of lines "address type name", as nm writes them; `base` is where _text (or the first) is."""
    found = []
    for n, line in enumerate(data.decode("ascii", "replace").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if len(words) < 3 or len(words[1]) != 1:
                raise ValueError
            address = int(words[0], 16)
        except ValueError:
            raise UserError(f"{option} {path}: line {n} is not 'address type name'; it is neither an ELF file nor"
                            " a System.map") from None
        if words[1] in "tTwW":
            found.append(Symbol(address, 0, words[2]))
    if base is not None and found:
        origin = next((s.address for s in found if s.name == "_text"), min(s.address for s in found))
        found = [s._replace(address=s.address - origin + base) for s in found]
    return found
