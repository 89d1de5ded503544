"""Our own BIOS' services of a PC/AT and PS/2 as Ralf Brown's list gives their registers: the mouse, the clock with waits and
alarms, power management, shutdown codes, system services, printing."""
import struct

import pytest

from tests.boot.bios_guest import run  # noqa: F401 (a fixture)
from tests.guest import asm
from tests.machines import Capture

CODE_32 = 0x10000
RESULTS = 0x600


@pytest.fixture(params=["pc", "isapc"])
def board(request):
    return request.param


# After an interrupt: carry, AX, BX, CX, DX
SAY = """jmp over_say;
    say: pushad; setc al; call puth; popad; call putw; xchg ax, bx; call putw; xchg ax, bx; xchg ax, cx; call putw; xchg ax, cx
    xchg ax, dx; call putw; xchg ax, dx; ret;
    over_say:"""


def call(number, ax, **registers):
    setup = "".join(f"mov {name}, {value};" for name, value in registers.items())
    return f"{setup} mov ax, {ax}; int {number}; call say;"


def answers(said):
    """[(carry, AX, BX, CX, DX)]"""
    return [tuple(int(text, 16) for text in (said[at:at + 2], *(said[at + n:at + n + 4] for n in range(2, 18, 4))))
            for at in range(0, len(said), 18)]


# ---------------------------------------------------------------- mouse
def test_a_mouse_is_found_and_told_apart(run, board):
    said = answers(run(SAY + call(0x15, 0xC201) + call(0x15, 0xC204, bx=0) + call(0x15, 0xC202, bh=3) + call(0x15, 0xC203, bh=1)
                       + call(0x15, 0xC206, bh=2) + call(0x15, 0xC206, bh=0, cl=0, dl=0) + "int 0x11; call putw; mov cl, 8; add sp, 0;", board)[:108])
    assert [(carry, ax >> 8) for carry, ax, *_ in said] == [(0, 0)] * 6
    assert said[0][2] == 0x00AA and said[1][2] >> 8 == 0
    _, _, bx, cx, dx = said[5]
    assert (bx & 0xFF, cx & 0xFF, dx & 0xFF) == (0x10, 1, 60)       # scaling 2:1, 2 counts per mm, 60 reports a second


@pytest.mark.parametrize("ax, bh, error", [(0xC200, 2, 2), (0xC200, 1, 5), (0xC202, 7, 2), (0xC203, 4, 2), (0xC205, 0, 2), (0xC205, 9, 2),
                                           (0xC206, 3, 2), (0xC209, 0, 3), (0xC20A, 0, 1), (0xC2FF, 0, 1)])
def test_what_a_mouse_cannot_do_is_refused(run, ax, bh, error):
    (carry, result, *_), = answers(run(SAY + call(0x15, ax, bh=bh)))
    assert (carry, result >> 8) == (1, error)


def test_a_program_speaks_to_the_mouse_itself(run, board):
    """C208h sends BL, C209h has the answer, once: to E9h (status request) status, resolution, rate. FEh: it knows no such byte."""
    said = answers(run(SAY + call(0x15, 0xC203, bh=2) + call(0x15, 0xC208, bl=0xE9) + call(0x15, 0xC209, bx=0, cx=0, dx=0) + call(0x15, 0xC209)
                       + call(0x15, 0xC208, bl=0xF2) + call(0x15, 0xC209, bx=0x55, cx=0x55, dx=0x55) + call(0x15, 0xC208, bl=0x01), board))
    assert [(carry, ax >> 8) for carry, ax, *_ in said] == [(0, 0), (0, 0), (0, 0), (1, 3), (0, 0), (0, 0), (1, 4)]
    assert said[2][2:] == (0x00, 2, 100)
    assert said[5][2:] == (0x00, 0, 0)


def test_the_equipment_word_tells_of_the_mouse(run):
    assert int(run("int 0x11; call putw"), 16) & 4


HANDLER = """jmp over; handler: push bp; mov bp, sp; pusha; push ds; xor ax, ax; mov ds, ax;
    mov ax, [bp + 12]; call putw; mov ax, [bp + 10]; call putw; mov ax, [bp + 8]; call putw; mov ax, [bp + 6]; call putw;
    inc byte ptr [0x600]; pop ds; popa; pop bp; .byte 0xCB; over: mov byte ptr [0x600], 0;"""
ENABLE = "mov bh, 3; mov ax, 0xC205; int 0x15; lea bx, [handler]; mov ax, 0xC207; int 0x15; mov bh, 1; mov ax, 0xC200; int 0x15; jc bad;"
BAD = "mov al, ah; call puth; jmp done;"


def test_packets_come_to_the_program_s_handler(run, board):
    """Status, X, Y, 0 in words on its stack; then none when it is switched off."""
    events = [(5, -3, None), (0, 0, 1), (-1, 2, 0)]

    def ask(machine):
        dx, dy, buttons = events.pop(0)
        machine.inputs.mouse_event(dx, dy, 0, buttons)
    await_one = "mov al, 63; call putc; w{0}: cmp byte ptr [0x600], {1}; jb w{0};"
    said = run(f"jmp start; bad: {BAD} start: {HANDLER} {ENABLE}" + await_one.format(1, 1) + await_one.format(2, 2) + await_one.format(3, 3)
               + "mov bh, 0; mov ax, 0xC200; int 0x15; jc bad; done:", board, ask=ask)
    packets = [[int(text[n:n + 4], 16) for n in range(0, 16, 4)] for text in said.split("?")[1:]]
    assert [packet[3] for packet in packets] == [0, 0, 0]
    assert [packet[0] & 7 for packet in packets] == [0, 1, 0] and all(packet[0] & 8 for packet in packets)
    assert [packet[1] for packet in packets] == [5, 0, 0xFF]
    assert packets[0][2] in (0x03, 0xFD) and packets[2][2] in (0x02, 0xFE) and packets[1][2] == 0


def test_keys_are_not_lost_to_the_mouse(run):
    """The keyboard works before and after, and while the mouse is on."""
    keys = iter("abc")
    said = run(f"jmp start; bad: {BAD} start: {HANDLER}" + "mov al, 63; call putc; mov ah, 0; int 0x16; call putc;" + ENABLE
               + "mov al, 63; call putc; mov ah, 0; int 0x16; call putc; mov bh, 0; mov ax, 0xC200; int 0x15;"
               + "mov al, 63; call putc; mov ah, 0; int 0x16; call putc; done:", ask=lambda machine: machine.inputs.send_keys(next(keys)))
    assert said == "?a?b?c"


# ---------------------------------------------------------------- clock
def test_time_and_date_are_set_and_read(run, board):
    said = answers(run(SAY + call(0x1A, 0x0300, cx=0x2215, dx=0x3000) + call(0x1A, 0x0500, cx=0x2031, dx=0x0704)
                       + call(0x1A, 0x0200) + call(0x1A, 0x0400), board))
    assert [carry for carry, *_ in said] == [0] * 4
    assert said[2][3] == 0x2215 and said[2][4] >> 8 in (0x30, 0x31) and said[2][4] & 0xFF == 0
    assert (said[3][3], said[3][4]) == (0x2031, 0x0704)


def test_ticks_are_set_and_read(run):
    said = answers(run(SAY + call(0x1A, 0x0100, cx=0x0012, dx=0x3456) + call(0x1A, 0x0000)))
    assert said[1][0] == 0 and said[1][1] & 0xFF == 0 and (said[1][3], said[1][4] >> 4) == (0x12, 0x345)


def test_midnight_is_told_once(run):
    """1573040 ticks of 54.9 ms are a day."""
    said = run(SAY + "mov ah, 1; mov cx, 0x18; mov dx, 0xAF; int 0x1A; w: sti; hlt; cmp dword ptr [0x46C], 100; ja w;" + call(0x1A, 0) + call(0x1A, 0))
    first, second = answers(said)
    assert (first[1] & 0xFF, second[1] & 0xFF) == (1, 0) and first[3] == 0


def test_an_alarm_is_interrupt_4ah(run, board):
    """Two seconds later by the clock; a second one is refused; it can be called off."""
    code = """jmp start; alarm: mov byte ptr cs:[0x600], 1; iret;
        start: mov byte ptr [0x600], 0; lea ax, [alarm]; mov [0x128], ax; mov word ptr [0x12A], 0;"""
    said = run(SAY + code + call(0x1A, 0x0300, cx=0x1200, dx=0) + call(0x1A, 0x0600, cx=0x1200, dx=0x0200) + call(0x1A, 0x0600, cx=0x1200, dx=0x0300)
               + call(0x1A, 0x0900) + "w: sti; hlt; cmp byte ptr [0x600], 0; je w;" + call(0x1A, 0x0200) + call(0x1A, 0x0700) + call(0x1A, 0x0900), board)
    _, first, second, state, now, off, after = answers(said)
    assert (first[0], second[0], off[0]) == (0, 1, 0)
    assert (state[3], state[4]) == (0x1200, 0x0201) and after[4] & 0xFF == 0
    assert now[3] == 0x1200 and now[4] >> 8 >= 2


@pytest.mark.parametrize("microseconds", [500, 60_000])
def test_a_wait_lasts_its_time(run, board, microseconds):
    """By the timer's ticks, of which there is one in 55 ms."""
    said = answers(run(SAY + "mov eax, [0x46C]; s: cmp eax, [0x46C]; je s; mov ebx, [0x46C]; mov [0x604], ebx;"
                       + call(0x15, 0x8600, cx=microseconds >> 16, dx=microseconds & 0xFFFF)
                       + "mov eax, [0x46C]; sub eax, [0x604]; mov [0x600], eax;", board))
    assert said[0][:2] == (0, 0)
    ticks, = struct.unpack("<I", run.read(0x600, 4))
    assert ticks >= microseconds // 54_926


def test_an_event_is_marked_after_its_time(run, board):
    """While it is awaited neither another one nor a wait of 86h begins; called off, the next may."""
    code = "mov byte ptr [0x600], 1;" + call(0x15, 0x8300, bx=0x600, cx=0, dx=20000) + call(0x15, 0x8300, bx=0x608, cx=1, dx=0) \
        + call(0x15, 0x8600, cx=0, dx=1) + "w: sti; hlt; test byte ptr [0x600], 0x80; jz w;" + call(0x15, 0x8300, bx=0x608, cx=100, dx=0) \
        + call(0x15, 0x8301) + call(0x15, 0x8600, cx=0, dx=5000) + call(0x15, 0x8302)
    said = answers(run(SAY + code, board))
    assert [(carry, ax >> 8) for carry, ax, *_ in said] == [(0, 0), (1, 0x80), (1, 0x83), (0, 0), (0, 0), (0, 0), (1, 0x86)]
    assert run.read(0x600, 1) == b"\x81" and run.read(0x4A0, 1) == b"\0"
    assert run.machine.rtc.s.ram[0x0B] & 0x40 == 0


def test_a_timer_tick_calls_int_1ch_with_its_registers_free(run):
    said = run("""jmp start; tick: xor ax, ax; mov dx, 0; mov ds, ax; inc byte ptr [0x600]; iret;
        start: mov byte ptr [0x600], 0; cli; lea ax, [tick]; mov [0x70], ax; mov word ptr [0x72], 0; sti;
        mov ax, 0x1234; mov dx, 0x5678; w: cmp byte ptr [0x600], 3; jb w; call putw; mov ax, dx; call putw""")
    assert said == "12345678"


# ---------------------------------------------------------------- power management
def test_power_management_is_there(run):
    said = answers(run(SAY + call(0x15, 0x5300, bx=0) + call(0x15, 0x530A, bx=1) + call(0x15, 0x5301, bx=0) + call(0x15, 0x5301, bx=0)
                       + call(0x15, 0x530A, bx=1) + call(0x15, 0x530E, bx=0, cx=0x0101)))
    assert said[0][1:4] == (0x0102, 0x504D, 3)
    assert [(carry, ax >> 8) for carry, ax, *_ in said[1:4]] == [(1, 3), (0, 0x53), (1, 2)]
    assert said[4][2:] == (0x01FF, 0x80FF, 0xFFFF) and said[5][1] == 0x0101


def test_power_management_s_states(run):
    said = answers(run(SAY + call(0x15, 0x5301, bx=0) + call(0x15, 0x5305) + call(0x15, 0x5306) + call(0x15, 0x5307, bx=1, cx=1) + call(0x15, 0x530C, bx=1)
                       + call(0x15, 0x530B) + call(0x15, 0x5307, bx=1, cx=4) + call(0x15, 0x5307, bx=0x200, cx=1) + call(0x15, 0x5308, bx=1, cx=1)
                       + call(0x15, 0x5310, bx=0) + call(0x15, 0x5340) + call(0x15, 0x5304, bx=0) + call(0x15, 0x5304, bx=0)))
    assert [(carry, ax >> 8 if carry else 0) for carry, ax, *_ in said] == [
        (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (1, 0x80), (1, 0x0A), (1, 9), (0, 0), (0, 0), (1, 0x0C), (0, 0), (1, 3)]
    assert said[4][3] == 0


def test_without_power_management_it_is_not_there(run):
    (carry, ax, *_), = answers(run(SAY + call(0x15, 0x5300, bx=0), "isapc"))
    assert (carry, ax >> 8) == (1, 0x86)


OFF = "mov ax, 0x5301; mov bx, 0; int 0x15; mov ax, 0x530E; mov cx, 0x102; int 0x15; mov ax, 0x5307; mov bx, 1; mov cx, 3; int 0x15;"
PROTECTED = """
    cli; lgdt [gdt_pointer]; mov eax, cr0; or al, 1; mov cr0, eax; .byte 0x66, 0xEA; .long 0x10000; .word 8; gdt_pointer: .word 55; .long gdt;
    gdt: .quad 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x00409B0F0000FFFF, 0x0000930F0000FFFF, 0x00009B0F0000FFFF, 0x00009B000000FFFF; nop"""


@pytest.fixture
def off(make_machine, tmp_path):
    """A boot sector that is to switch the machine off: the exit status."""
    def off(code, connect=None, far=b""):
        from qemu_py.machine.drives import simple_drive
        from tests.boot.bios_guest import BIOS, END, START, numbered
        from tests.machines import EXIT
        path = tmp_path / "disk.img"
        path.write_bytes(numbered(1 << 20, asm(START + code + END, 0x7C00, 16)))
        machine = make_machine(machine="pc", bios=BIOS, devices=EXIT, ram_size=64 << 20, drives=[simple_drive("-hda", str(path), "ide", 0)])
        if connect is not None:
            machine.memory.address_space_memory.write(CODE_32, connect)
            machine.memory.address_space_memory.write(0x8000, far)
        return machine.run()
    return off


def test_power_management_switches_off(off):
    assert off(OFF) == 0


def test_protected_mode_switches_off(off):
    """By the entry that the connection names, DS being 0: first the driver's version, which has to come back, then off."""
    code = asm("""mov ax, 0x10; mov ss, ax; mov ds, ax; mov esp, 0x7000; mov ax, 0; mov ds, ax; mov es, ax;
        mov ax, 0x530E; mov cx, 0x102; .byte 0x36, 0xFF, 0x1D; .long 0x620; jc bad; cmp ax, 0x102; jne bad;
        mov ax, 0x5307; mov ebx, 1; mov ecx, 3; .byte 0x36, 0xFF, 0x1D; .long 0x620; bad: mov al, 1; out 0xF4, al; hlt""", CODE_32)
    setup = "mov ax, 0x5303; mov bx, 0; int 0x15; jc no; mov [0x620], ebx; mov word ptr [0x624], 0x18; cmp ax, 0xF000; jne no;"
    assert off(setup + PROTECTED + "; no:", code) == 0


def test_16_bit_protected_mode_switches_off(off):
    """The same by the other entry, called with 16-bit frames."""
    code = asm("mov ax, 0x10; mov ss, ax; mov esp, 0x7000; mov ax, 0; mov ds, ax; mov es, ax; .byte 0xEA; .long 0x8000; .word 0x30", CODE_32)
    far = asm("""mov ax, 0x530E; mov cx, 0x102; .byte 0x36, 0xFF, 0x1E; .word 0x620; jc bad; cmp ax, 0x102; jne bad; mov ax, 0x5307; mov bx, 1; mov cx, 3;
        .byte 0x36, 0xFF, 0x1E; .word 0x620; bad: mov al, 1; out 0xF4, al; hlt""", 0x8000, 16)
    assert len(far) < 128
    setup = "mov ax, 0x5302; mov bx, 0; int 0x15; jc no; mov [0x620], bx; mov word ptr [0x622], 0x28; cmp ax, 0xF000; jne no;"
    assert off(setup + PROTECTED + "; no:", code, far) == 0


# ---------------------------------------------------------------- protected mode as the AT has it
# Nothing, the table itself, the interrupts' table at 1000h, three data segments, the program's code, and room for the BIOS'
DATA_0 = ".quad 0x000092000000FFFF;"
GDT = f"gdt: .quad 0; .word 63; .long gdt; .word 0; .word 0x4FF; .long 0x1000; .word 0; {3 * DATA_0} .quad 0x00009A000000FFFF, 0;"


def test_the_switch_to_protected_mode(run, board):
    """AH=89h: the program goes on behind the call, in its own descriptors; the 8259s' interrupts are where BH and BL have them."""
    said = run(f"""jmp start; {GDT}
        tick: mov al, 84; call putc; mov al, 0x20; out 0x20, al; iret;
        start: cli; mov ax, 0x2400; int 0x15; lea ax, [tick]; mov [0x1280], ax; mov dword ptr [0x1282], 0x86000030; mov word ptr [0x1286], 0;
        mov bx, 0x5070; mov cx, 0x1234; mov dx, 0x5678; mov di, 0x9ABC; lea si, [gdt]; mov ah, 0x89; int 0x15;
        pushf; setc al; call puth; smsw ax; and al, 1; call puth; mov al, ah; xchg ax, bx; call putw; mov ax, cx; call putw; mov ax, dx; call putw;
        mov ax, cs; call puth; mov ax, ds; call puth; mov ax, es; call puth; mov ax, ss; call puth; mov ax, sp; call putw; in al, 0x21; call puth; in al, 0xA1; call puth;
        pop ax; shr ax, 8; and al, 2; call puth; mov al, 0xFE; out 0x21, al; sti; hlt; cli;""", board)
    assert said == "00" "01" "5070" "1234" "5678" "30" "18" "20" "28" "7BFE" "FF" "FF" "00" "T"


# ---------------------------------------------------------------- shutdown codes
@pytest.mark.parametrize("reset", ["mov al, 0xFE; out 0x64, al", "mov al, 1; out 0x92, al", "lidt [0x7000]; int 3"])
@pytest.mark.parametrize("code", [0x05, 0x0A])
def test_a_reset_goes_on_in_the_program_that_cmos_names(run, code, reset):
    """Afterwards the disk can still be read, and ticks come."""
    said = run(f"""jmp start; back: xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 0x7C00; sti; mov al, 66; call putc;
        mov ax, 0x0201; mov bx, 0x7000; mov cx, 2; mov dx, 0x80; int 0x13; mov al, [0x7005]; call putc; mov al, [0x7006]; call putc;
        mov eax, [0x46C]; w: cmp eax, [0x46C]; je w; mov al, 0x8F; out 0x70, al; in al, 0x71; call puth; jmp end;
        start: lea ax, [back]; mov [0x467], ax; mov word ptr [0x469], 0; mov al, 0x8F; out 0x70, al; mov al, {code}; out 0x71, al;
        mov dword ptr [0x7000], 0; mov word ptr [0x7004], 0; {reset}; h: jmp h; end:""")
    assert said == "B0100"


@pytest.mark.parametrize("code, pushed", [(0x0B, "pushf; push cs; lea ax, [back]; push ax"), (0x0C, "push cs; lea ax, [back]; push ax"),
                                          (0x09, "pushf; push cs; lea ax, [back]; push ax; pusha; push ds; push es")])
def test_a_reset_returns_to_a_stack(run, code, pushed):
    said = run(f"""jmp start; back: mov al, 66; call putc; mov ax, sp; call putw; jmp end; start: {pushed};
        mov [0x467], sp; mov [0x469], ss; mov al, 0x8F; out 0x70, al; mov al, {code}; out 0x71, al; mov al, 0xFE; out 0x64, al; h: jmp h; end:""")
    assert said == "B7C00"


@pytest.mark.parametrize("reset", ["mov al, 0xFE; out 0x64, al", "mov al, 1; out 0x92, al"])
def test_a_reset_of_the_processor_alone_keeps_the_chips_for_the_program(run, reset):
    said = run(f"""jmp start; back: xor ax, ax; mov ds, ax; mov ss, ax; mov sp, 0x7C00; in al, 0x21; call puth; jmp end;
        start: lea ax, [back]; mov [0x467], ax; mov word ptr [0x469], 0; mov al, 0x8F; out 0x70, al; mov al, 0x0A; out 0x71, al;
        mov al, 0xA7; out 0x21, al; {reset}; h: jmp h; end:""")
    assert said == "A7"


def test_a_reset_of_the_processor_without_a_code_becomes_one_of_everything(run):
    """What the program has left in a device is gone when it is started again."""
    run("""inc byte ptr [0x600]; cmp byte ptr [0x600], 2; je over; mov dx, 0xCF8; mov eax, 0x8000090C; out dx, eax; mov dx, 0xCFD; mov al, 0x40; out dx, al;
        mov al, 0xFE; out 0x64, al; w: jmp w; over:""")
    assert run.read(0x600, 1) == b"\2" and run.machine.pci.devices[9].s.config[0x0D] == 0


def test_an_unknown_code_is_power_on(run):
    said = run("""inc byte ptr [0x600]; mov al, [0x600]; cmp al, 2; je over; mov al, 0x8F; out 0x70, al; mov al, 3; out 0x71, al;
        mov al, 0xFE; out 0x64, al; w: jmp w; over: mov al, 65; call putc""")
    assert said == "A"


# ---------------------------------------------------------------- system services
def test_memory_is_told_in_every_way(run, board):
    code = SAY + call(0x15, 0x8800) + call(0x15, 0xE801) + "mov eax, 0x1234E881; int 0x15; call say; shr eax, 16; shr ebx, 16; call say;" + call(0x15, 0x8A00)
    said = answers(run(code, board, ram_size=32 << 20))
    top = (32 << 10) - 1024
    lost = top - said[0][1]                             # what tables take
    assert 0 <= lost <= 128
    assert said[1][1:] == (0x3C00, (top - lost - 0x3C00) // 64, 0x3C00, (top - lost - 0x3C00) // 64)
    assert said[2][1:] == said[1][1:] and said[3][1:3] == (0, 0)
    assert said[4][4] << 16 | said[4][1] == said[0][1]


def test_a_block_is_moved_with_the_a20_gate_closed_before_and_after(run):
    """16 bytes from 600h to 1 MiB + 64 KiB and back to 700h."""
    descriptors = "mov di, 0x800; mov cx, 48; xor al, al; rep stosb; mov dword ptr [0x810], 0x0600FFFF; mov dword ptr [0x814], 0x9300; mov dword ptr [0x818], 0x0000FFFF; mov dword ptr [0x81C], 0x9311;"
    back = "mov dword ptr [0x810], 0x0000FFFF; mov dword ptr [0x814], 0x9311; mov dword ptr [0x818], 0x0700FFFF; mov dword ptr [0x81C], 0x9300;"
    said = answers(run(SAY + "mov ax, 0x2400; int 0x15; mov dword ptr [0x600], 0x11223344;" + descriptors + call(0x15, 0x8700, si=0x800, cx=8)
                       + back + call(0x15, 0x8700, si=0x800, cx=8) + call(0x15, 0x2402)))
    assert [(carry, ax >> 8) for carry, ax, *_ in said] == [(0, 0)] * 3 and said[2][1] == 0
    assert run.read(0x700, 4) == run.read(0x600, 4) == run.read(0x110000, 4) == b"\x44\x33\x22\x11"


def test_a20_is_switched_and_asked(run, board):
    said = answers(run(SAY + call(0x15, 0x2400) + call(0x15, 0x2402) + call(0x15, 0x2401) + call(0x15, 0x2402) + call(0x15, 0x2403, bx=0) + call(0x15, 0x2404), board))
    assert [(carry, ax) for carry, ax, *_ in said] == [(0, 0), (0, 0), (0, 1), (0, 1), (0, 3), (1, 0x8604)]
    assert said[4][2] == 3


def test_the_system_s_description(run, board):
    said = run("mov ah, 0xC0; int 0x15; jc bad; mov cx, 10; s: mov al, es:[bx]; inc bx; call puth; loop s; mov ah, 0xC1; int 0x15; mov ax, es; call putw; mov ax, [0x40E]; call putw; mov al, es:[0]; call puth; bad:", board)
    table = bytes.fromhex(said[:20])
    assert table[:3] == b"\x08\x00\xfc" and table[5] == 0x74 and table[6] == 0x40
    assert said[20:24] == said[24:28] == "9FC0" and said[28:] == "01"


def test_what_is_no_function_is_refused(run, board):
    said = answers(run(SAY + "".join(call(0x15, ax) for ax in (0x0000, 0x2500, 0xA000, 0xE900)) + call(0x1A, 0x0C00), board))
    assert [carry for carry, *_ in said] == [1] * 5 and all(ax >> 8 == 0x86 for _, ax, *_ in said[:4])


# ---------------------------------------------------------------- printing and serial lines
def test_print_screen_prints_the_screen(run):
    printer = Capture()
    said = run("lea si, [text]; p: lodsb; test al, al; jz done; mov ah, 14; mov bx, 7; int 0x10; jmp p; text: .asciz \"to paper\"; done: int 5; mov al, [0x500]; call puth", parallels=[printer])
    assert said == "00"
    lines = printer.data.decode("cp437").split("\r\n")
    assert lines[0] == "" and any(line.startswith("to paper") for line in lines)
    assert len(lines) == 27 and all(len(line) == 80 for line in lines[1:26])


def test_print_screen_without_a_printer_fails(run):
    assert run("int 5; mov al, [0x500]; call puth", parallels=[None]) == "FF"


def test_a_serial_line_is_set_up_and_sends(run):
    line = Capture()
    said = answers(run(SAY + call(0x14, 0x00E3, dx=0) + call(0x14, 0x0141, dx=0) + call(0x14, 0x0300, dx=0) + call(0x14, 0x0400, dx=0, bx=0, cx=0x0308)
                       + call(0x14, 0x0501, dx=0, bx=3) + call(0x14, 0x0500, dx=0, bx=0), serials=[line]))
    assert line.data == b"A" and said[0][1] >> 8 & 0x60 == 0x60 and said[1][1] >> 8 & 0x80 == 0
    assert said[5][2] & 0xFF == 3
