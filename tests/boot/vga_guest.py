"""Calls of INT 10h from an option ROM, in the order given; what came back is read out of the guest's memory."""
from collections import namedtuple

from tests.guest import asm
from tests.machines import EXIT

RESULTS = 0x70000                       # 16 bytes for each call: AX BX CX DX ES DI BP
DATA = 0x60000                          # segment 6000h: where calls are given their buffers
REGISTERS = ("ax", "bx", "cx", "dx", "es", "di", "bp")
Registers = namedtuple("Registers", REGISTERS)
STORE = """
    pop ds
    push si
    mov si, sp
    mov si, word ptr ss:[si + 6]
    mov word ptr [si], ax
    mov word ptr [si + 2], bx
    mov word ptr [si + 4], cx
    mov word ptr [si + 6], dx
    mov word ptr [si + 8], es
    mov word ptr [si + 10], di
    mov word ptr [si + 12], bp
    pop si
    pop ds
"""
PUSH_DS, POP_DS, POP_ES, CALL, RET_2, INT_10H = b"\x1e", b"\x1f", b"\x07", b"\xe8", b"\xc2\x02\x00", b"\xcd\x10"


def push(value):
    """PUSH of a word, which Keystone would make a dword."""
    return b"\x68" + value.to_bytes(2, "little")


def option_rom(steps):
    """Each step is a call's registers as a dict, or bytes: code of its own. Then the guest leaves through the debug exit."""
    store = PUSH_DS + push(0x7000) + asm(STORE, 0, 16) + RET_2
    rom = bytearray(b"\x55\xaa\0\xe9" + len(store).to_bytes(2, "little") + store)
    for n, step in enumerate(steps):
        if isinstance(step, bytes):
            rom += step
            continue
        values = {"es": 0x6000, "bp": 0, **step}
        rom += PUSH_DS + push(16 * n) + push(values.pop("es")) + POP_ES
        rom += asm("; ".join(f"mov {'e' if value >> 16 else ''}{name}, {value}" for name, value in values.items()), 0, 16)
        rom += INT_10H
        rom += CALL + (6 - len(rom) - 3 & 0xFFFF).to_bytes(2, "little") + POP_DS
    rom += b"\xb0\x00\xe6\xf4\xfa\xf4\xeb\xfd"
    rom += bytes(-len(rom) % 512)
    if rom[-1]:
        rom += bytes(512)
    rom[2] = len(rom) // 512
    rom[-1] = -sum(rom) & 0xFF
    return bytes(rom)


def poke(address, data):
    """Code that writes bytes into segment 6000h; for `option_rom`."""
    assert address >> 16 == 6
    code = b"".join(b"\xc6\x06" + (address + n & 0xFFFF).to_bytes(2, "little") + bytes((byte,)) for n, byte in enumerate(data))
    return PUSH_DS + push(0x6000) + POP_DS + code + POP_DS


class Guest:
    """A machine on which the steps have run."""

    def __init__(self, machine, steps):
        self.machine = machine
        machine.fw_cfg.add_file("genroms/test.rom", option_rom(steps))
        status = machine.run()
        assert status == 1, (status, machine.vga.screen_text())
        self.results = [Registers(*(self.word(RESULTS + 16 * n + 2 * k) for k in range(7))) for n in range(len(steps))]

    def read(self, address, size):
        return bytes(self.machine.memory.address_space_memory.read(address, size))

    def word(self, address):
        return int.from_bytes(self.read(address, 2), "little")

    def dword(self, address):
        return int.from_bytes(self.read(address, 4), "little")

    def far(self, address):
        """The linear address that a far pointer leads to."""
        return self.word(address + 2) * 16 + self.word(address)

    @property
    def screen(self):
        return self.machine.vga.screen_text()


def run_guest(make_machine, *steps, **config):
    return Guest(make_machine(**{"machine": "pc", "bios": "bios.bin", "ram_size": 32 << 20, "devices": EXIT} | config), steps)
