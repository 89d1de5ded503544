"""SMI# reaches every processor, and each sees SMRAM only while it is in system management mode itself.

440FX: SMRAM (register 72h) at A0000h-BFFFFh; PIIX4: the SMI command port B2h, DEVACTB's APMC_EN, GLBCTL's SMI_EN; SDM vol. 3,
34.11 (relocating each processor's SMBASE), 10.6.1 (SMI by an interrupt command).
"""
import struct

from tests.boot.kernels import debug_exit
from tests.guest import asm
from tests.machines import EXIT

ICR_LOW, ICR_HIGH, SVR = 0xFEE00300, 0xFEE00310, 0xFEE000F0
SMI, INIT_OTHERS, START_OTHERS_AT_8000H = 0x4200, 0xC4500, 0xC4608
SMRAM_OPEN, SMRAM_CLOSED = 0x4A, 0x0A           # both enabled
SCREEN = 0xB8010                                # in SMRAM, and in the display's memory
BASES = (0xA0000, 0xA1000)                      # of the two processors
STARTED, MOVED, FIRST_IN, SECOND_IN, GO_ON, SECOND_SAW, SECOND_OUT, FIRST_SAW, FIRST_IS = range(0x7000, 0x7024, 4)


def put(address, code):
    """Instructions that put a program there."""
    code += bytes(-len(code) % 4)
    return b"".join(asm(f"mov dword ptr [{address + 4 * n:#x}], {word:#x}")
                    for n, word in enumerate(struct.unpack(f"<{len(code) // 4}I", code)))


def smm(text):
    """A handler for SMI#: 16-bit code, in segments of 4 GiB from 0 on (CS is SMBASE's: jumps are relative)."""
    return asm("; ".join(f"mov dword ptr [{place:#x}], {value:#x}" if isinstance(value, int) else value for place, value in text), 0, 16) + b"\x0F\xAA"


def relocate(cpu):
    """Move a processor's SMBASE, with a handler at the place where it is after a reset."""
    return (put(0x38000, smm([(0x3FEF8, BASES[cpu]), (MOVED, cpu + 1)])) + asm(f"""
        mov dword ptr [{ICR_HIGH:#x}], {cpu << 24:#x}
        mov dword ptr [{ICR_LOW:#x}], {SMI:#x}
        again{cpu}: cmp dword ptr [{MOVED:#x}], {cpu + 1}
        jne again{cpu}"""))


START = put(0x8000, asm("lock inc word ptr [0x7000]; again: jmp again", 0x8000, 16)) + asm(f"""
    mov dword ptr [{STARTED:#x}], 0
    mov dword ptr [{SVR:#x}], 0x1FF
    mov dword ptr [{ICR_LOW:#x}], {INIT_OTHERS:#x}
    mov dword ptr [{ICR_LOW:#x}], {START_OTHERS_AT_8000H:#x}
    again: cmp word ptr [{STARTED:#x}], 1
    jne again""")


def smram(value):
    return asm(f"mov eax, 0x80000070; mov dx, 0xCF8; out dx, eax; mov al, {value:#x}; mov dx, 0xCFE; out dx, al")


def by_the_command_port():
    return asm("""mov eax, 0x80000B58; mov dx, 0xCF8; out dx, eax; mov eax, 0x02000000; mov dx, 0xCFC; out dx, eax
        mov al, 1; mov dx, 0x628; out dx, al; mov al, 0x55; out 0xB2, al""")


# The first leaves at once; the second stays until it is told to go on.
FIRST = smm([(FIRST_IN, 1)])
SECOND = smm([(SCREEN, 0x22222222), (SECOND_IN, 1), (0, f"""
    again: cmp dword ptr [{GO_ON:#x}], 1
    jne again
    mov ebx, {SCREEN:#x}
    mov eax, dword ptr [ebx]
    mov dword ptr [{SECOND_SAW:#x}], eax"""), (SECOND_OUT, 1)])
WHILE_THE_SECOND_IS_IN = asm(f"""
    again: cmp dword ptr [{SECOND_IN:#x}], 1
    jne again
    mov eax, dword ptr [{FIRST_IN:#x}]
    mov dword ptr [{FIRST_IS:#x}], eax
    mov dword ptr [{SCREEN:#x}], 0x07410742
    mov eax, dword ptr [{SCREEN:#x}]
    mov dword ptr [{FIRST_SAW:#x}], eax
    mov dword ptr [{GO_ON:#x}], 1
    more: cmp dword ptr [{SECOND_OUT:#x}], 1
    jne more""")


def words(machine, *places):
    read = machine.memory.address_space_memory.read
    return [int.from_bytes(read(place, 4), "little") for place in places]


def test_both_processors_take_it_and_each_has_its_own_view(make_machine):
    clear = b"".join(asm(f"mov dword ptr [{place:#x}], 0") for place in range(STARTED, FIRST_IS + 4, 4))
    code = (clear + relocate(0) + START + relocate(1) + smram(SMRAM_OPEN) + put(BASES[0] + 0x8000, FIRST) + put(BASES[1] + 0x8000, SECOND)
            + smram(SMRAM_CLOSED) + by_the_command_port() + WHILE_THE_SECOND_IS_IN + debug_exit(3))
    machine = make_machine(code, machine="pc", cpus=2, devices=EXIT)
    assert machine.run() == 7
    assert words(machine, FIRST_IS, FIRST_SAW, SECOND_SAW) == [1, 0x07410742, 0x22222222]


def test_an_application_processor_without_a_handler_is_spared(make_machine):
    """SeaBIOS moves the first processor's SMBASE only; then an SMI# must not lead the others into nowhere."""
    clear = b"".join(asm(f"mov dword ptr [{place:#x}], 0") for place in range(STARTED, FIRST_IS + 4, 4))
    code = (clear + relocate(0) + START + smram(SMRAM_OPEN) + put(BASES[0] + 0x8000, FIRST) + smram(SMRAM_CLOSED)
            + put(0x38000, smm([(SECOND_IN, 1)])) + by_the_command_port()
            + asm(f"mov ecx, 100000; again: pause; loop again; mov eax, [{SECOND_IN:#x}]; mov [{SECOND_SAW:#x}], eax") + debug_exit(3))
    machine = make_machine(code, machine="pc", cpus=2, devices=EXIT)
    assert machine.run() == 7
    assert words(machine, FIRST_IN, SECOND_SAW) == [1, 0]
