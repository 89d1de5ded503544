"""Our own BIOS chooses what to start: -boot, its menu, INT 18h and 19h; what it says on screen and serial line."""
import pytest

from qemu_py.machine.drives import simple_drive
from tests.boot.bios_guest import BIOS, END, START, Console
from tests.boot.screens import SEEN, run_looking
from tests.guest import asm
from tests.machines import EXIT, Capture

FLOPPY, DISK, SECOND = ("-fda", "floppy", 0), ("-hda", "ide", 0), ("-hdb", "ide", 1)
SAY_DRIVE = "mov al, dl; call puth;"


class Serial(Capture):
    """The first serial port's other end; type() sends."""

    def __init__(self):
        super().__init__()
        self.receive = None

    def add_handlers(self, can_receive, receive, *rest):
        self.receive = receive


@pytest.fixture(params=["pc", "isapc"])
def boot(request, make_machine, tmp_path):
    """boot(sectors, options): sectors are {drive: code, or None without a signature}. What was said at port E9h."""
    def boot(sectors, keys=(), await_text=None, do=None, **config):
        drives = []
        for n, (drive, code) in enumerate(sectors.items()):
            path = tmp_path / f"{n}.img"
            sector = asm(START + code + END, 0x7C00, 16).ljust(510, b"\0") + b"\x55\xaa" if code is not None else b"x" * 512
            path.write_bytes(sector.ljust(1440 << 10, b"\0"))
            drives.append(simple_drive(drive[0], str(path), *drive[1:]))
        console = Console(None)
        machine = boot.machine = make_machine(**({"machine": request.param, "bios": BIOS, "devices": EXIT, "debugcons": [console],
                                                  "ram_size": 64 << 20, "drives": drives} | config))
        pending = list(keys)

        def look():
            boot.screen = machine.vga.screen_text()
            text = "\n".join(boot.screen)
            if pending and pending[0][0] in text:
                pending.pop(0)[1](machine)
            return await_text is not None and await_text in text
        if do is not None:
            do(machine)
        status = run_looking(machine, look)
        assert status == (3 if await_text is None else SEEN), (status, bytes(console.data), machine.vga.screen_text())
        return console.data.decode("latin1")
    return boot


def key(name):
    return lambda machine: machine.inputs.send_keys(name)


@pytest.mark.parametrize("order, drive", [("a", "00"), ("c", "80"), ("ca", "80"), ("ac", "00"), ("dca", "80")])
def test_the_order_decides(boot, order, drive):
    assert boot({FLOPPY: SAY_DRIVE, DISK: SAY_DRIVE}, boot_order=order) == drive


def test_what_does_not_boot_is_passed_over_and_said(boot):
    said = boot({FLOPPY: SAY_DRIVE, DISK: None, SECOND: None}, boot_order="ca", await_text=None)
    assert said == "00"
    assert sum("Boot failed: not a bootable disk." in line for line in boot.machine.vga.screen_text()) == 2


def test_the_second_disk_boots_as_81h(boot):
    assert boot({DISK: None, SECOND: SAY_DRIVE}, boot_order="c") == "81"


def test_once_is_for_one_boot(boot):
    """The disk is asked first after the reset that the diskette's sector makes."""
    assert boot({FLOPPY: SAY_DRIVE + "mov al, 0xFE; out 0x64, al; w: jmp w;", DISK: SAY_DRIVE}, boot_order="c", boot_once="a") == "0080"


def test_int_18h_goes_on_and_int_19h_begins_again(boot):
    """The disk's sector counts in memory that no one else uses."""
    assert boot({DISK: SAY_DRIVE + "int 0x18;", FLOPPY: SAY_DRIVE + "int 0x18;"}, boot_order="ca", await_text="No bootable device.") == "8000"
    assert boot({DISK: SAY_DRIVE + "inc byte ptr [0x600]; cmp byte ptr [0x600], 3; je over; int 0x19; over:"}, boot_order="c") == "808080"


def test_services_have_their_stack_after_many_restarts(boot):
    """Each INT 19h begins anew, however often."""
    again = "inc word ptr [0x600]; cmp word ptr [0x600], 100; jae over; int 0x19; over:" + SAY_DRIVE
    assert boot({DISK: again}, boot_order="c") == "80"


def test_without_any_device_it_says_so(boot):
    boot({}, await_text="No bootable device.")
    assert boot.screen[0] == "qemu_py BIOS"
    assert "Boot failed: no diskette." in boot.screen and "Boot failed: no disc." in boot.screen


def test_the_menu_is_asked_for_with_escape(boot):
    said = boot({FLOPPY: SAY_DRIVE, DISK: SAY_DRIVE, SECOND: SAY_DRIVE}, boot_order="a", boot_menu=True,
                keys=[("Press Esc for the boot menu.", key("esc")), ("3  Hard disk 1: QEMU_PY", key("3"))])
    assert said == "81"
    assert "1  Floppy A: 1.44 MiB" in boot.machine.vga.screen_text()


def test_the_menu_can_be_left(boot):
    assert boot({FLOPPY: SAY_DRIVE, DISK: SAY_DRIVE}, boot_order="ca", boot_menu=True,
                keys=[("Press Esc", key("esc")), ("Boot from:", key("9")), ("Boot from:", key("esc"))]) == "80"


def test_without_a_key_the_menu_does_not_wait_long(boot):
    assert boot({DISK: SAY_DRIVE}, boot_order="c", boot_menu=True) == "80"


def test_the_menu_waits_as_long_as_asked(boot):
    """By the timer's ticks, 18 in a second, from the disk's start to what is there now."""
    count = "mov eax, [0x46C]; sub eax, [0x600]; call putw; cmp byte ptr [0x604], 1; je over; mov byte ptr [0x604], 1; mov eax, [0x46C]; mov [0x600], eax; int 0x19; over:"
    for milliseconds in (0, 1000):
        said = boot({DISK: count}, boot_order="c", boot_menu=True, boot_menu_wait=milliseconds)
        assert milliseconds // 55 <= int(said[4:], 16) <= milliseconds // 55 + 30, said


def test_when_nothing_boots_it_starts_again_after_a_time(boot):
    """The disk's sector, which is not signed the first time, is then."""
    said = boot({DISK: None}, boot_order="c", boot_fail_wait=100, await_text="Starting again.")
    assert said == ""
    said = boot({DISK: SAY_DRIVE + "inc byte ptr [0x600]; cmp byte ptr [0x600], 2; je over; int 0x18; over:"}, boot_order="c", boot_fail_wait=0)
    assert said == "8080"


def test_it_tells_that_there_is_no_drive_of_the_order(boot):
    boot({DISK: SAY_DRIVE}, boot_order="n", await_text="No bootable device.")
    assert "None of the drives is one that -boot names." in boot.screen


FAR_RETURN = ".byte 0xCB"               # keystone would make it a 32-bit one


def option_rom(init="mov ax, 0x20;" + FAR_RETURN, vector=""):
    """512 bytes with a Plug and Play header at 20h; `vector`: code of a bootstrap entry vector."""
    rom = bytearray(b"\x55\xaa\1" + asm(f"jmp start; .fill {0x60 - 5}, 1, 0; start: {init}", 3, 16)).ljust(512, b"\0")
    if vector:
        code = asm(START + vector + END, 0x100, 16)
        rom[0x100:0x100 + len(code)] = code
    rom[0x1A:0x1C] = b"\x20\0"
    rom[0x20:0x26] = b"$PnP\1\2"
    rom[0x30:0x32] = (0x50).to_bytes(2, "little")
    rom[0x3A:0x3C] = (0x100 if vector else 0).to_bytes(2, "little")
    rom[0x50:0x5B] = b"test loader"
    rom[-1] = -sum(rom) & 0xFF
    return bytes(rom)


def give(*roms, order=None):
    """A step before the machine runs: ROMs as fw_cfg's files, and the boot order's."""
    def do(machine):
        for n, rom in enumerate(roms):
            machine.fw_cfg.add_file(f"genroms/test{n}.bin", rom)
        if order is not None:
            machine.fw_cfg.add_file("bootorder", order)
    return do


SAY_R = "mov al, 82; call putc;"


@pytest.mark.parametrize("order, said", [("n", "R"), ("cn", "80"), ("c", "80"), ("nc", "R")])
def test_an_option_rom_s_bootstrap_entry_vector_is_the_network(boot, order, said):
    assert boot({DISK: SAY_DRIVE}, boot_order=order, do=give(option_rom(vector=SAY_R))) == said


@pytest.mark.parametrize("line, said", [(b"/rom@genroms/test1.bin\n/rom@other\0", "R"), (b"/x\n/rom@genroms/test1.bin\0", "R"),
                                        (b"/rom@genroms/test1.binary\0", "80"), (b"", "80")])
def test_a_rom_that_the_boot_order_names_comes_before_the_drives(boot, line, said):
    roms = option_rom(), option_rom(vector=SAY_R)
    assert boot({DISK: SAY_DRIVE}, boot_order="c", do=give(*roms, order=line)) == said


def test_option_roms_are_called_with_the_plug_and_play_structure(boot):
    """Once in each POST, also after a reset, when the last one's copy is still in memory."""
    rom = option_rom("mov al, es:[di]; out 0xE9, al; mov al, es:[di + 3]; out 0xE9, al;" + FAR_RETURN)
    said = boot({DISK: "inc byte ptr [0x600]; cmp byte ptr [0x600], 2; je over; mov al, 0xFE; out 0x64, al; w: jmp w; over:"},
                boot_order="c", do=give(rom, rom))
    assert said == "$P" * 4


def test_a_rom_with_a_wrong_checksum_is_left_alone(boot):
    rom = bytearray(option_rom("mov al, 82; out 0xE9, al;" + FAR_RETURN))
    rom[-1] ^= 1
    assert boot({DISK: SAY_DRIVE}, boot_order="c", do=give(bytes(rom))) == "80"


def test_it_says_what_it_finds(boot):
    boot({FLOPPY: None, DISK: None}, boot_order="ac", await_text="No bootable device.")
    assert "\n".join(boot.screen).rstrip() == (
        "qemu_py BIOS\n\n64 MiB of memory, 1 processor\nkeyboard, mouse\n\nFloppy A: 1.44 MiB\nHard disk 0: QEMU_PY HARDDISK, 1440 KiB\nCD-ROM 0: QEMU_PY DVD-ROM\n\n"
        "Booting from Floppy...\nBoot failed: not a bootable disk.\n\n"
        "Booting from Hard Disk...\nBoot failed: not a bootable disk.\n\nNo bootable device. Ctrl-Alt-Delete starts again.")


def test_without_a_screen_it_speaks_to_the_serial_port_and_listens_there(boot):
    serial = Serial()
    said = boot({FLOPPY: SAY_DRIVE, DISK: SAY_DRIVE}, boot_order="a", boot_menu=True, nographic=True, serials=[serial],
                keys=[("Press Esc for the boot menu.", lambda machine: serial.receive(b"\x1b")), ("Boot from:", lambda machine: serial.receive(b"2"))])
    assert said == "80"
    text = serial.data.decode()
    assert text.startswith("qemu_py BIOS\r\n") and "2  Hard disk 0: QEMU_PY" in text
    assert "Booting from Hard Disk...\r\n" in text


def test_with_a_screen_the_serial_port_is_left_alone(boot):
    serial = Capture()
    boot({DISK: SAY_DRIVE}, boot_order="c", serials=[serial])
    assert serial.data == b""
