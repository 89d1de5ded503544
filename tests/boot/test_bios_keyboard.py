"""INT 09h and 16h of our own BIOS: words of the keyboard buffer as Ralf Brown's list has them, keys that act, the lights."""
import pytest

from tests.boot.bios_guest import HDA, Runner
from tests.machines import Capture


@pytest.fixture(params=["pc", "isapc"])
def board(request):
    return request.param


@pytest.fixture
def press(make_machine, tmp_path):
    """press(code, combinations): what the boot sector said; at each "?" of its the next keys are pressed."""
    def press(code, combinations, board="pc", **config):
        runner = Runner(make_machine, tmp_path / "disk.img", board, HDA)
        pending = list(combinations)

        def ask(machine):
            for combination in pending.pop(0).split():
                machine.inputs.send_keys(combination, 20_000_000)
        said = runner(code, 1 << 20, ask=ask, **config)
        press.machine = runner.machine
        press.read = runner.machine.memory.address_space_memory.read
        return said.replace("?", "")
    return press


ASK = "mov al, 63; call putc;"
KEY = "mov ah, {}; int 0x16; call putw;"


@pytest.mark.parametrize("keys, words", [
    ("a shift-a ctrl-a alt-a", "1E61 1E41 1E01 1E00"), ("1 shift-1 alt-1 ctrl-2", "0231 0221 7800 0300"),
    ("f1 shift-f1 ctrl-f1 alt-f1", "3B00 5400 5E00 6800"), ("f11 shift-f11 ctrl-f11 alt-f11", "8500 8700 8900 8B00"),
    ("home ctrl-home alt-home delete", "47E0 77E0 9700 53E0"), ("kp_7 shift-kp_7 kp_add kp_enter", "4700 4737 4E2B E00D"),
    ("kp_divide ctrl-kp_divide alt-kp_divide kp_multiply", "E02F 9500 A400 372A"), ("tab shift-tab ctrl-tab esc", "0F09 0F00 9400 011B"),
    ("ret ctrl-ret alt-ret backspace", "1C0D 1C0A 1C00 0E08"), ("ctrl-backspace spc ctrl-minus ctrl-6", "0E7F 3920 0C1F 071E"),
    ("ctrl-up ctrl-kp_8 ctrl-insert ctrl-kp_5", "8DE0 8D00 92E0 8F00")])
def test_a_key_s_word_is_that_of_the_list(press, keys, words):
    assert press(ASK + KEY.format("0x10") * 4, [keys]) == words.replace(" ", "")


def test_functions_of_the_old_keyboard_show_its_keys_only(press):
    """F11 and what came with it are passed over, the E0 marks are gone."""
    said = press(ASK + KEY.format(0) * 4, ["f11 home kp_enter ctrl-tab kp_divide ctrl-up a"])
    assert said == "47001C0D352F1E61"


def test_locks_have_their_lights(press, board):
    """Caps, then Num, Scroll and Caps again: in the flags, and in what the BIOS knows to be lit."""
    code = ASK + KEY.format(0) + ASK + KEY.format(0) + "mov eax, [0x46C]; add eax, 4; w: sti; hlt; cmp [0x46C], eax; jb w; mov al, [0x417]; call puth; mov al, [0x497]; call puth"

    said = press(code, ["caps_lock a", "num_lock scroll_lock caps_lock b"], board)
    assert said == "1E413062" "30" "03"


def test_the_lights_are_lit(make_machine, tmp_path):
    lit = []
    runner = Runner(make_machine, tmp_path / "disk.img", "pc", HDA)
    runner(ASK + KEY.format(0) + "mov eax, [0x46C]; add eax, 4; w: sti; hlt; cmp [0x46C], eax; jb w", 1 << 20,
           do=lambda machine: machine.inputs.led_listeners.append(lambda lights: lit.append(set(lights))),
           ask=lambda machine: [machine.inputs.send_keys(keys, 20_000_000) for keys in ("caps_lock", "num_lock", "a")])
    assert lit[-1] == {"caps", "num"}


def test_a_character_is_made_by_its_number(press):
    """Alt held, 6 5 on the keypad: no scan code."""
    assert press(ASK + KEY.format(0) * 2, ["alt-kp_6-kp_5 b"]) == "00413062"


def test_ctrl_break_calls_int_1bh_and_empties_the_buffer(press):
    code = "jmp start; b: mov byte ptr cs:[0x600], 66; iret; start: mov byte ptr [0x600], 0; lea ax, [b]; mov [0x6C], ax; mov word ptr [0x6E], 0;" \
        + ASK + "w: cmp byte ptr [0x600], 0; je w;" + KEY.format(0) + "mov al, [0x471]; call puth"
    assert press(code, ["x ctrl-pause"]) in ("000180", "000080", "000100"[:4] + "80")


def test_print_screen_is_int_5(press):
    printer = Capture()
    press(ASK + KEY.format(0) + "w: cmp byte ptr [0x500], 1; je w;", ["print a"], parallels=[printer])
    assert b"qemu_py BIOS" in printer.data


def test_system_request_is_int_15h(press):
    code = """jmp start; mine: cmp ah, 0x85; jne other; call puth; iret; other: .byte 0x2E, 0xFF, 0x2E; .word 0x7D80;
        start: mov eax, [0x54]; mov [0x7D80], eax; lea ax, [mine]; mov [0x54], ax; mov word ptr [0x56], 0;""" + ASK + KEY.format(0)
    assert press(code, ["sysrq a"]) == "00011E61"


def test_pause_holds_the_program_until_a_key_which_is_not_stored(press):
    code = "mov eax, [0x46C]; mov [0x600], eax;" + ASK + "w: sti; hlt; mov ax, [0x41A]; cmp ax, [0x41C]; je w;" + KEY.format(0)
    assert press(code, ["pause x y"]) == "1579"


def test_int_15h_4fh_may_change_or_swallow_a_key(press):
    """A becomes B, X is swallowed."""
    code = """jmp start; mine: cmp ah, 0x4F; jne other; cmp al, 0x1E; jne x; mov al, 0x30; x: push bp; mov bp, sp; or byte ptr [bp + 6], 1; cmp al, 0x2D; jne k;
        and byte ptr [bp + 6], 0xFE; k: pop bp; iret; other: .byte 0x2E, 0xFF, 0x2E; .word 0x7DA0;
        start: mov eax, [0x54]; mov [0x7DA0], eax; lea ax, [mine]; mov [0x54], ax; mov word ptr [0x56], 0;""" + ASK + KEY.format(0) * 2
    assert press(code, ["a x c"]) == "30622E63"


def test_flags_identity_and_what_is_supported_are_told(press):
    said = press("mov ah, 2; int 0x16; call puth; mov ah, 0x0A; int 0x16; mov ax, bx; call putw; mov ah, 9; int 0x16; call puth;"
                 "mov ax, 0x0305; mov bx, 0x0100; int 0x16; mov ah, 5; mov cx, 0x1234; int 0x16; call puth;" + KEY.format(0), [])
    assert said == "00" "41AB" "34" "00" "1234"
    assert press.machine.keyboard.s.rate == 0x20 if hasattr(press.machine, "keyboard") else True


def test_the_buffer_holds_fifteen_keys(press):
    said = press("mov cx, 0x1E61; mov si, 16; f: mov ah, 5; int 0x16; call puth; dec si; jnz f; mov al, [0x41A]; call puth", [])
    assert said == "00" * 15 + "01" "1E"


def test_ctrl_alt_delete_starts_again(press):
    code = "inc byte ptr [0x600]; mov al, [0x600]; cmp al, 2; je over;" + ASK + "w: hlt; jmp w; over: mov ax, [0x472]; call putw"
    assert press(code, ["ctrl-alt-delete"]) == "0000"
