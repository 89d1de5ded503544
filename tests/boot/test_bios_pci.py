"""Our own BIOS as a PCI BIOS (PCI BIOS Specification 2.1): numbers and addresses that it gives, INT 1Ah B1xxh, the same by way
of the BIOS32 service directory, the routing table and the MP table."""
import struct

import pytest

from tests.boot.bios_guest import HDA, Runner
from tests.boot.test_bios_tables import F_SEGMENT, find
from tests.guest import asm
from tests.machines import EXIT

BRIDGE = ("pci-bridge", {"id": "b", "addr": "5", "chassis_nr": "1"})
BEHIND = ("VGA", {"bus": "b", "addr": "3"})
SCI = 9


@pytest.fixture
def run(make_machine, tmp_path):
    """What a boot sector said; afterwards run.machine, run.segment (F000h)."""
    def run(code, devices=(), board="pc", **config):
        runner = Runner(make_machine, tmp_path / "disk.img", board, HDA)
        said = runner(code, 1 << 20, devices=EXIT + list(devices), **config)
        run.machine = runner.machine
        run.read = runner.machine.memory.address_space_memory.read
        run.segment = run.read(F_SEGMENT, 0x10000)
        return said
    return run


# Real mode: AX to DI are set, the interrupt made; said: carry, AX, BX, CX, DX
def call(ax, **registers):
    setup = "".join(f"mov {name}, {value};" for name, value in registers.items())
    return f"{setup} mov ax, {ax}; int 0x1A; call say;"


SAY = "jmp over_say; say: pushad; setc al; call puth; popad; call putw; xchg ax, bx; call putw; xchg ax, bx; xchg ax, cx; call putw; xchg ax, cx; xchg ax, dx; call putw; xchg ax, dx; ret; over_say:"


def answers(said):
    """[(carry, AX, BX, CX, DX)]"""
    return [tuple(int(text, 16) for text in (said[at:at + 2], *(said[at + n:at + n + 4] for n in range(2, 18, 4))))
            for at in range(0, len(said), 18)]


def test_it_is_there(run):
    (carry, ax, bx, cx, dx), = answers(run(SAY + "xor cx, cx;" + call(0xB101)))
    assert (carry, ax, bx, cx & 0xFF) == (0, 0x0011, 0x0210, 0)
    assert dx == 0x4350                             # of "PCI "


def test_devices_are_found_by_identity_and_class(run):
    said = answers(run(SAY + call(0xB102, cx=0x7010, dx=0x8086, si=0) + call(0xB102, cx=0x7010, dx=0x8086, si=1)
                       + call(0xB102, cx=0x7010, dx=0xFFFF, si=0) + call(0xB103, ecx=0x030000, si=0)
                       + call(0xB103, ecx=0x068000, si=0) + call(0xB103, ecx=0x0C0300, si=0)))
    assert [(carry, ax >> 8) for carry, ax, *_ in said] == [(0, 0), (1, 0x86), (1, 0x83), (0, 0), (0, 0), (1, 0x86)]
    assert [said[n][2] for n in (0, 3, 4)] == [0x0009, 0x0010, 0x000B]


def test_configuration_space_is_read_and_written(run):
    said = answers(run(SAY + "mov ecx, 0;"
                       + call(0xB108, bx=8, di=2) + call(0xB109, bx=8, di=2) + call(0xB10A, bx=8, di=0)
                       + call(0xB10B, bx=9, di=0x0D, cl=0x40) + call(0xB108, bx=9, di=0x0D)
                       + call(0xB10C, bx=9, di=0x40, cx=0x1234) + call(0xB109, bx=9, di=0x40)
                       + call(0xB10D, bx=9, di=0x40, ecx=0x80008765) + call(0xB109, bx=9, di=0x42) + call(0xB109, bx=9, di=0x40)))
    assert all(carry == 0 and ax >> 8 == 0 for carry, ax, *_ in said)
    assert [said[n][3] & mask for n, mask in ((0, 0xFF), (1, 0xFFFF), (2, 0xFFFF), (4, 0xFF), (6, 0xFFFF), (8, 0xFFFF), (9, 0xFFFF))] == [
        0x00, 0x7000, 0x8086, 0x40, 0x1234 & 0xB3FF, 0x8000, 0x8765 & 0xB3FF]


@pytest.mark.parametrize("ax, di", [(0xB109, 1), (0xB10A, 2), (0xB10C, 3), (0xB10D, 1), (0xB108, 0x100)])
def test_a_bad_register_is_refused(run, ax, di):
    (carry, result, *_), = answers(run(SAY + call(ax, bx=8, cx=0, di=di)))
    assert (carry, result >> 8) == (1, 0x87)


@pytest.mark.parametrize("ax", [0xB100, 0xB104, 0xB105, 0xB110, 0xB17F])
def test_what_is_no_function_is_refused(run, ax):
    (carry, result, *_), = answers(run(SAY + call(ax)))
    assert (carry, result >> 8) == (1, 0x81)


def test_an_interrupt_is_led_elsewhere(run):
    """PIRQC# is slot 3's INTA#; IRQ 5 becomes level triggered."""
    said = answers(run(SAY + call(0xB10F, bx=3 << 3, cx=0x050A) + call(0xB10F, bx=3 << 3, cx=0x060A) + call(0xB10F, bx=3 << 3, cx=0x050E)
                       + call(0xB10F, bx=1 << 3, cx=0x050A) + call(0xB10F, bx=1 << 3, cx=0x0B0D)))
    assert [(carry, ax >> 8) for carry, ax, *_ in said] == [(0, 0), (1, 0x88), (1, 0x88), (1, 0x88), (0, 0)]
    assert [run.machine.pci.devices[8].s.config[0x60 + n] for n in range(4)] == [10, 10, 5, 11]
    assert run.machine.pic.master.s.elcr == 0x20


def test_routing_options_are_copied(run):
    """First with too small a buffer, whose structure is then told the size."""
    code = SAY + """mov word ptr [0x600], 1; mov word ptr [0x602], 0x700; mov word ptr [0x604], 0; mov di, 0x600;
        mov bx, 0; mov ax, 0xB10E; int 0x1A; call say; mov bx, 0; mov ax, 0xB10E; int 0x1A; call say; mov ax, [0x600]; call putw"""
    said = run(code)
    (carry, ax, *_), (good, ax2, irqs, *_) = answers(said[:36])
    assert (carry, ax >> 8, good, ax2 >> 8, irqs) == (1, 0x89, 0, 0, 0x0C00)
    at = find(run.segment, b"$PIR")
    size, = struct.unpack_from("<H", run.segment, at + 6)
    assert int(said[36:], 16) == size - 32
    assert run.read(0x700, size - 32) == run.segment[at + 32:at + size]


def test_the_routing_table_tells_the_wiring(run):
    run("", [BRIDGE, BEHIND], vga="none")
    at = find(run.segment, b"$PIR")
    version, size, bus, router, dedicated, compatible = struct.unpack_from("<HHBBHI", run.segment, at + 4)
    table = run.segment[at:at + size]
    assert sum(table) & 0xFF == 0 and (version, bus, router, dedicated, compatible) == (0x100, 0, 8, 0x0C00, 0x70008086)
    slots = {tuple(table[n:n + 2]): [struct.unpack_from("<BH", table, n + 2 + 3 * pin) for pin in range(4)] for n in range(32, size, 16)}
    links = {key: [link for link, _ in pins] for key, pins in slots.items()}
    assert links == {(0, 1 << 3): [0, 0x61, 0x62, 0x63], (0, 5 << 3): [0x60, 0x61, 0x62, 0x63], (1, 3 << 3): [0x63, 0x60, 0x61, 0x62]}
    assert all(irqs == 0x0C20 for pins in slots.values() for link, irqs in pins if link)


def test_a_bridge_opens_its_windows_for_what_is_behind_it(run):
    (carry, ax, bx, cx, dx), (*_, found, _, _), = answers(run(SAY + "xor cx, cx;" + call(0xB101) + call(0xB103, ecx=0x030000, si=0), [BRIDGE, BEHIND], vga="none"))
    assert cx & 0xFF == 1 and found == 0x0118
    bridge = run.machine.pci.devices[5 << 3]
    display = bridge.secondary.devices[3 << 3]
    assert tuple(bridge.s.config[0x18:0x1B]) == (0, 1, 1)
    base, limit = bridge.config_word(0x20, 2) << 16, bridge.config_word(0x22, 2) << 16 | 0xFFFFF
    for bar in (0x10, 0x18):
        at = display.config_word(bar, 4) & ~0xF
        assert base <= at <= limit
    assert bridge.s.config[0x1C] > bridge.s.config[0x1D]            # no port is behind it
    assert bridge.s.config[0x3E] & 8                    # but a VGA


# ---------------------------------------------------------------- 32-bit
CODE_32 = 0x10000
PROTECTED = """
    cli; lgdt [gdt_pointer]; mov eax, cr0; or al, 1; mov cr0, eax; .byte 0x66, 0xEA; .long 0x10000; .word 8; gdt_pointer: .word 47; .long gdt;
    gdt: .quad 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x00009B0F0000FFFF, 0x0000930F0000FFFF, 0x00409B0F0000FFFF; nop"""
CALL = ".byte 0x36, 0xFF, 0x1D; .long 0x620;"               # lcall ss:[620h]


@pytest.mark.parametrize("base, cs, ds", [(0, 0x08, 0x10), (0xF0000, 0x28, 0x20)])
def test_32_bit_code_finds_it_through_the_directory(run, base, cs, ds):
    """With flat segments, as Linux calls it, and with those of the specification; what it answers is left at 600h."""
    code = asm(f"""
        mov ax, 0x10; mov ds, ax; mov es, ax; mov ss, ax; mov esp, 0x7000; mov esi, 0xF0000;
        next: cmp dword ptr [esi], 0x5F32335F; je found; add esi, 16; jmp next;
        found: mov eax, [esi + 4]; mov [0x620], eax; mov word ptr [0x624], 0x08;
        mov eax, 0x21494350; mov ebx, 0; {CALL} mov [0x600], al; mov eax, 0x49435024; mov ebx, 1; {CALL} mov [0x601], al;
        mov eax, 0x49435024; mov ebx, 0; {CALL} mov [0x602], al; mov [0x604], ebx; mov [0x608], ecx;
        lea eax, [ebx + edx - {base}]; mov [0x620], eax; mov word ptr [0x624], {cs}; mov ax, {ds}; mov ds, ax;
        mov ax, 0xB101; {CALL} mov ss:[0x60C], edx; mov ss:[0x603], cl;
        mov ax, 0xB102; mov cx, 0x7113; mov dx, 0x8086; mov si, 0; {CALL} setc ss:[0x610]; mov ss:[0x611], bl;
        mov ax, 0xB10A; mov di, 0x40; {CALL} setc ss:[0x612]; mov ss:[0x614], ecx;
        mov ax, 0xB10A; mov di, 0x41; {CALL} setc ss:[0x613]; mov ss:[0x618], ah;
        mov word ptr ss:[0x630], 1024; mov dword ptr ss:[0x632], 0x1000; mov word ptr ss:[0x636], 0x10; mov edi, 0x630;
        mov ax, 0xB10E; mov bx, 0; {CALL} setc ss:[0x619]; mov ss:[0x61A], bx;
        mov al, 1; out 0xF4, al; hlt""", CODE_32)
    run(PROTECTED, do=lambda machine: machine.memory.address_space_memory.write(CODE_32, code))
    said = run.read(0x600, 0x40)
    assert (said[0], said[1], said[2]) == (0x80, 0x81, 0)
    assert struct.unpack_from("<II4s", said, 4) == (0xF0000, 0x10000, b"PCI ") and said[3] == 0
    assert tuple(said[0x10:0x14]) == (0, 0x0B, 0, 1) and said[0x18] == 0x87
    assert struct.unpack_from("<I", said, 0x14) == (run.machine.pm.config_word(0x40, 4),)
    at = find(run.segment, b"$PIR")
    size, = struct.unpack_from("<H", run.segment, at + 6)
    assert struct.unpack_from("<BH", said, 0x19) == (0, 0x0C00) and struct.unpack_from("<H", said, 0x30) == (size - 32,)
    assert run.read(0x1000, size - 32) == run.segment[at + 32:at + size]


def entries_of(table, count):
    """[(kind, bytes)] of an MP table."""
    at, entries = 44, []
    for _ in range(count):
        size = 20 if table[at] == 0 else 8
        entries.append((table[at], table[at:at + size]))
        at += size
    assert at == len(table)
    return entries


@pytest.mark.parametrize("cpus", [1, 4])
def test_the_mp_table_agrees_with_the_acpi_tables(run, cpus):
    run("", [BRIDGE, BEHIND], vga="none", cpus=cpus)
    at = find(run.segment, b"_MP_")
    pointer = run.segment[at:at + 16]
    address, length, revision = struct.unpack_from("<IBB", pointer, 4)
    assert sum(pointer) & 0xFF == 0 and (length, revision) == (1, 4) and pointer[11:] == bytes(5)
    signature, size, revision, _, _, _, count, lapic = struct.unpack_from("<4sHBB8s12s6xHI", run.read(address, 44))
    table = run.read(address, size)
    assert sum(table) & 0xFF == 0 and (signature, revision, lapic) == (b"PCMP", 4, 0xFEE00000)
    entries = entries_of(table, count)
    processors = [struct.unpack_from("<BBBII", entry, 1) for kind, entry in entries if kind == 0]
    assert [(n, flags) for n, _, flags, *_ in processors] == [(n, 1 if n else 3) for n in range(cpus)]
    assert all(features >> 9 & 1 and version == 0x14 for _, version, _, _, features in processors)
    assert [(entry[1], entry[2:]) for kind, entry in entries if kind == 1] == [(0, b"PCI   "), (1, b"PCI   "), (2, b"ISA   ")]
    assert [entry for kind, entry in entries if kind == 2] == [b"\2\0\x11\1\0\0\xc0\xfe"]
    interrupts = {(entry[4], entry[5]): (entry[2], entry[7]) for kind, entry in entries if kind == 3}
    isa = {irq: interrupts.pop((2, irq)) for bus, irq in sorted(interrupts) if bus == 2}
    assert isa == {0: (0, 2), 1: (0, 1), 3: (0, 3), 4: (0, 4), 5: (13, 5), 6: (0, 6), 7: (0, 7), 8: (0, 8), SCI: (13, SCI),
                   12: (0, 12), 13: (0, 13), 14: (0, 14), 15: (0, 15)} | ({10: (13, 10)} if not any(pin == 10 for _, pin in interrupts.values()) else {}) | (
                       {11: (13, 11)} if not any(pin == 11 for _, pin in interrupts.values()) else {})
    assert interrupts[0, 1 << 2] == (13, SCI)
    local = [(entry[1], entry[6], entry[7]) for kind, entry in entries if kind == 4]
    assert local == [(3, 0xFF, 0), (1, 0xFF, 1)]


def test_isapc_has_none_of_it(run):
    (carry, *_), = answers(run(SAY + call(0xB101), board="isapc"))
    assert carry == 1
    assert not any(run.segment[at:at + 4] in (b"$PIR", b"_MP_", b"_32_") for at in range(0, 0x10000, 16))
