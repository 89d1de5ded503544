"""The monitor's x, xp, print, i and o: what is in memory and registers, and at ports."""
from qemu_py.machine.pc_vga import cpus_stopped
from qemu_py.util.disas import disassemble
from qemu_py.util.errors import UserError

PAGE = 0x1000
MAX_COUNT = 1 << 16                     # items of one command: the guest waits for them
MAX_INSTRUCTION = 15                    # bytes
DESC_B = 1 << 22                        # of a code segment: 32 bits
SUFFIXES = {1: "b", 2: "w", 4: "l"}
ESCAPES = {0x0A: "\\n", 0x0D: "\\r", 0x27: "\\'", 0x5C: "\\\\"}


def register(cpu, name):
    """$NAME: eax, eip or pc, eflags, cs, cs.base, cs.limit, cr0 ... KeyError."""
    segment, dot, part = name.partition(".")
    if dot:
        _, base, limit, _ = cpu.segment(segment)
        return {"base": base, "limit": limit}[part]
    return cpu.get("eip" if name == "pc" else name)


def character(code):
    code &= 0xFF
    return "'" + (ESCAPES.get(code) or (chr(code) if 0x20 <= code < 0x7F else f"\\x{code:02x}")) + "'"


def item(value, kind, size):
    """A value of a dump, in a column as wide as the widest."""
    bits = 8 * size
    if kind == "o":
        return f"0{value:0{(bits + 2) // 3}o}"
    if kind == "x":
        return f"0x{value:0{bits // 4}x}"
    if kind == "c":
        return character(value)
    if kind == "d" and value >> bits - 1:
        value -= 1 << bits
    return f"{value:>{(bits * 10 + 32) // 33 + (kind == 'd')}}"


class PhysicalView:
    """What xp sees."""
    digits = 16

    def __init__(self, machine, cpu):
        self.memory = machine.memory.address_space_memory

    def read(self, address, length):
        """Bytes, fewer where there is no more."""
        return self.memory.read(address, max(0, min(length, (1 << 64) - address)))


class VirtualView:
    """What x sees: linear addresses of a CPU. Pages that are not mapped end a read."""
    digits = 8

    def __init__(self, machine, cpu):
        self.memory = machine.memory.address_space_memory
        self.cpu = cpu

    def read(self, address, length):
        out = bytearray()
        while len(out) < length:
            linear = address + len(out) & 0xFFFFFFFF
            physical = self.cpu.translate(linear)
            if physical is None:
                break
            out += self.memory.read(physical, min(length - len(out), PAGE - linear % PAGE))
        return bytes(out)


def dump(view, address, fmt):
    """Lines of a memory dump: 8 bytes a line, or 16 in larger units."""
    size = 1 if fmt.kind == "c" else fmt.size or 4
    per_line = (8 if size == 1 else 16) // size
    lines = []
    for first in range(0, fmt.count, per_line):
        count = min(per_line, fmt.count - first)
        data = view.read(address, count * size)
        words = [item(int.from_bytes(data[at:at + size], "little"), fmt.kind, size)
                 for at in range(0, len(data) // size * size, size)]
        if len(words) < count:
            words.append("Cannot access memory")
        lines.append(f"{address:0{view.digits}x}: " + " ".join(words) + "\n")
        if len(words) < count or words[-1] == "Cannot access memory":
            break
        address += count * size
        address &= (1 << 4 * view.digits) - 1
    return "".join(lines)


def instructions(view, cpu, address, count):
    code = view.read(address, count * MAX_INSTRUCTION)
    if not code:
        return f"{address:0{view.digits}x}: Cannot access memory\n"
    bits = 32 if cpu.segment("cs")[3] & DESC_B else 16
    return "".join(disassemble(address, code, bits).splitlines(keepends=True)[:count])


def memory_command(view_class):
    def command(hmp, fmt, addr):
        if fmt.count > MAX_COUNT:
            raise UserError(f"no more than {MAX_COUNT} at a time")
        address = addr & (1 << 4 * view_class.digits) - 1
        with cpus_stopped(hmp.machine):
            view = view_class(hmp.machine, hmp.cpu)
            return instructions(view, hmp.cpu, address, fmt.count) if fmt.kind == "i" else dump(view, address, fmt)
    return command


do_memory_dump = memory_command(VirtualView)
do_physical_memory_dump = memory_command(PhysicalView)


def do_print(hmp, fmt, val):
    if fmt.kind == "c":
        return character(val) + "\n"
    if fmt.kind == "d" and val >> 63:
        val -= 1 << 64
    return {"o": f"{val:#o}".replace("0o", "0", 1), "d": f"{val}", "u": f"{val}"}.get(fmt.kind, f"{val:#x}") + "\n"


def port_size(fmt):
    size = fmt.size or 4                # QEMU's, too, unless another was asked for
    if size not in SUFFIXES:
        raise UserError("a port has a size of b, h or w: 1, 2 or 4 bytes")
    return size


def do_ioport_read(hmp, fmt, addr, index):
    size = port_size(fmt)
    physmap = hmp.machine.memory.physmap
    if index is not None:
        physmap.port_write(addr & 0xFFFF, index & 0xFF)
        addr += 1
    value = physmap.port_read(addr & 0xFFFF, size)
    return f"port{SUFFIXES[size]}[0x{addr & 0xFFFF:04x}] = 0x{value:0{2 * size}x}\n"


def do_ioport_write(hmp, fmt, addr, val):
    size = port_size(fmt)
    hmp.machine.memory.physmap.port_write(addr & 0xFFFF, val & (1 << 8 * size) - 1, size)
    return ""
