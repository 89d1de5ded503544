"""PS/2 keyboard and mouse: IBM's Hardware Interface Technical Reference, at the end of the cable."""
import pytest

from qemu_py.devices.ps2 import PS2Keyboard, PS2Mouse
from qemu_py.system.inputs import Inputs
from qemu_py.system.keymap import KEYS, find_key
from qemu_py.util.errors import UserError

ACK, RESEND, FAILED, BAT_OK = 0xFA, 0xFE, 0xFC, 0xAA
MS = 1_000_000


def drain(dev):
    data = []
    while dev.ready:
        data.append(dev.take())
    return data


def ask(dev, *bytes_):
    """What comes back for a command and its arguments."""
    data = []
    for byte in bytes_:
        dev.write(byte)
        data += drain(dev)
    return data


@pytest.fixture
def kbd(clock):
    return PS2Keyboard(clock)


@pytest.fixture
def mouse(clock):
    return PS2Mouse(clock)


def press(kbd, name):
    kbd.key_event(find_key(name), True)
    return bytes(drain(kbd)).hex()


def release(kbd, name):
    kbd.key_event(find_key(name), False)
    return bytes(drain(kbd)).hex()


# ---------------------------------------------------------------- keyboard
def test_identity_echo_and_self_test(kbd, clock):
    assert ask(kbd, 0xF2) == [ACK, 0xAB, 0x83]
    assert ask(kbd, 0xEE) == [0xEE]
    assert ask(kbd, 0xFF) == [ACK]
    clock.advance(500 * MS)
    assert drain(kbd) == [BAT_OK]


@pytest.mark.parametrize("scan_set, key, make, broken", [
    (1, "a", "1e", "9e"), (2, "a", "1c", "f01c"), (3, "shift", "12", "f012"),
    (1, "up", "e048", "e0c8"), (2, "up", "e075", "e0f075"), (3, "a", "1c", ""), (3, "f1", "07", ""),
    (2, "f7", "83", "f083"), (1, "kp_enter", "e01c", "e09c"),
    (2, "print", "e012e07c", "e0f07ce0f012"), (1, "print", "e02ae037", "e0b7e0aa"),
    (2, "pause", "e11477e1f014f077", ""), (1, "pause", "e11d45e19dc5", ""), (3, "pause", "62", "")])
def test_scan_codes(kbd, scan_set, key, make, broken):
    assert ask(kbd, 0xF0, scan_set) == [ACK, ACK]
    assert press(kbd, key) == make
    assert release(kbd, key) == broken


def test_alt_print_is_sysrq_and_ctrl_pause_is_break(kbd):
    press(kbd, "alt")
    assert press(kbd, "print") == "84" and release(kbd, "print") == "f084"
    release(kbd, "alt")
    press(kbd, "ctrl")
    assert press(kbd, "pause") == "e07ee0f07e" and release(kbd, "pause") == ""


def test_the_scan_set_can_be_asked_for(kbd):
    assert ask(kbd, 0xF0, 0) == [ACK, ACK, 2]
    ask(kbd, 0xF0, 3)
    assert ask(kbd, 0xF0, 0) == [ACK, ACK, 3]
    assert ask(kbd, 0xF0, 4) == [ACK, RESEND]
    ask(kbd, 0xFF)
    assert ask(kbd, 0xF0, 0)[2] == 2


def test_typematic(kbd, clock):
    """After reset: 500 ms, then 10.9 a second."""
    press(kbd, "a")
    clock.advance(499 * MS)
    assert drain(kbd) == []
    clock.advance(1001 * MS)
    assert 10 <= len(drain(kbd)) <= 12
    release(kbd, "a")
    clock.advance(2000 * MS)
    assert drain(kbd) == []


def test_typematic_rate_and_delay(kbd, clock):
    assert ask(kbd, 0xF3, 0x00) == [ACK, ACK]           # 250 ms, 30 a second
    press(kbd, "a")
    count = 0
    for _ in range(125):                                # 250 ms and a second
        clock.advance(10 * MS)
        count += len(drain(kbd))
    assert 29 <= count <= 31
    release(kbd, "a")
    ask(kbd, 0xF3, 0x7F)                                # a second, two a second
    press(kbd, "a")
    clock.advance(1000 * MS)
    assert len(drain(kbd)) == 1
    clock.advance(1010 * MS)
    assert len(drain(kbd)) == 2


def test_only_the_last_key_repeats_and_modifiers_of_set_3_do_not(kbd, clock):
    press(kbd, "a")
    press(kbd, "b")
    clock.advance(500 * MS)
    assert drain(kbd) == [0x32]
    release(kbd, "a")
    clock.advance(92 * MS)
    assert drain(kbd) == [0x32]
    release(kbd, "b")
    ask(kbd, 0xF0, 3)
    press(kbd, "ctrl")
    clock.advance(2000 * MS)
    assert drain(kbd) == []


def test_a_display_that_repeats_keys_by_itself_is_not_heard(kbd):
    assert press(kbd, "a") == "1c"
    assert press(kbd, "a") == ""
    assert release(kbd, "b") == ""


@pytest.mark.parametrize("command, repeats, broken", [(0xF7, True, ""), (0xF8, False, "f01c"), (0xF9, False, ""),
                                                      (0xFA, True, "f01c")])
def test_all_keys_of_set_3(kbd, clock, command, repeats, broken):
    ask(kbd, 0xF0, 3)
    assert ask(kbd, command) == [ACK]
    press(kbd, "a")
    clock.advance(500 * MS)
    assert bool(drain(kbd)) == repeats
    assert release(kbd, "a") == broken


def test_single_keys_of_set_3_until_a_command_comes(kbd):
    ask(kbd, 0xF0, 3)
    assert ask(kbd, 0xFC, 0x1C, 0x32) == [ACK, ACK, ACK]
    assert ask(kbd, 0xF4) == [ACK]
    press(kbd, "a"), press(kbd, "c")
    assert release(kbd, "a") == "f01c" and release(kbd, "c") == ""
    ask(kbd, 0xF6)
    press(kbd, "a")
    assert release(kbd, "a") == ""


def test_leds(kbd):
    lit = []
    kbd.leds_changed = lit.append
    assert ask(kbd, 0xED, 0x05) == [ACK, ACK]
    assert lit == [{"scroll", "caps"}]


def test_a_command_in_place_of_an_argument(kbd):
    assert ask(kbd, 0xED, 0xEE) == [ACK, 0xEE]
    assert ask(kbd, 0xF3, 0xF2) == [ACK, ACK, 0xAB, 0x83]


def test_disable_enable_and_defaults(kbd):
    assert ask(kbd, 0xF5) == [ACK]
    assert press(kbd, "a") == ""
    release(kbd, "a")
    assert ask(kbd, 0xF4) == [ACK]
    assert press(kbd, "a") == "1c"
    release(kbd, "a")
    kbd.key_event(find_key("b"), True)
    assert ask(kbd, 0xF6) == [ACK]                      # clears what had been typed


def test_resend_and_unknown_commands(kbd):
    ask(kbd, 0xF2)
    assert ask(kbd, 0xFE) == [0x83]
    assert ask(kbd, 0xE1) == [RESEND]


def test_the_buffer_takes_16_bytes_then_says_overrun(kbd):
    for name in "abcdefghijklmnopqrstu":
        kbd.key_event(find_key(name), True)
    data = drain(kbd)
    assert data[:16] == [KEYS[name].set2[0] for name in "abcdefghijklmnop"]
    assert data[16:] == [0x00]


def test_answers_overtake_scan_codes(kbd):
    kbd.key_event(find_key("a"), True)
    kbd.write(0xED)
    assert drain(kbd) == [ACK, 0x1C]


# ---------------------------------------------------------------- the host's side
def test_sendkey_holds_and_releases_in_reverse_order(kbd, clock):
    inputs = Inputs(clock)
    inputs.key_handlers.append(kbd.key_event)
    inputs.send_keys("ctrl-alt-delete")
    assert bytes(drain(kbd)).hex() == "1411e071"
    clock.advance(100 * MS)
    assert bytes(drain(kbd)).hex() == "e0f071f011f014"


def test_typing_text(kbd, clock):
    inputs = Inputs(clock)
    inputs.key_handlers.append(kbd.key_event)
    inputs.type_text("aB\u00e9!")
    data = []
    for _ in range(20):
        clock.advance(10 * MS)
        data += drain(kbd)
    assert bytes(data).hex() == "1cf01c" "1232f032f012" "1216f016f012"


def test_key_names():
    assert find_key("0x1c").name == "ret" and find_key("0xc8").name == "up" and find_key("spc") is find_key("space")
    with pytest.raises(UserError, match="no key 'hyper'"):
        Inputs.key_event(Inputs.__new__(Inputs), "hyper", True)


def test_every_key_has_its_own_codes():
    for codes in ([key.set1 for key in KEYS.values()], [key.set2 for key in KEYS.values()]):
        assert len(set(codes)) == len(codes) and all(codes)


# ---------------------------------------------------------------- mouse
def test_mouse_reset_identity_and_status(mouse, clock):
    assert ask(mouse, 0xFF) == [ACK]
    clock.advance(500 * MS)
    assert drain(mouse) == [BAT_OK, 0x00]
    assert ask(mouse, 0xF2) == [ACK, 0]
    assert ask(mouse, 0xE9) == [ACK, 0x00, 2, 100]
    ask(mouse, 0xE7), ask(mouse, 0xF4), ask(mouse, 0xE8, 3), ask(mouse, 0xF3, 200)
    assert ask(mouse, 0xE9) == [ACK, 0x30, 3, 200]
    ask(mouse, 0xF6)
    assert ask(mouse, 0xE9) == [ACK, 0x00, 2, 100]


def test_stream_mode_reports_movement_and_buttons(mouse, clock):
    mouse.mouse_event(1, 1, 0, 0)
    assert drain(mouse) == []                           # reporting is disabled after reset
    assert ask(mouse, 0xF4) == [ACK]
    mouse.mouse_event(3, -5, 0, 0)
    assert drain(mouse) == [0x08, 3, 5]
    clock.advance(10 * MS)
    mouse.mouse_event(-3, 5, 0, 0x01)
    assert drain(mouse) == [0x08 | 0x30 | 0x01, 0xFD, 0xFB]
    clock.advance(10 * MS)
    mouse.mouse_event(0, 0, 0, 0x06)
    assert drain(mouse) == [0x08 | 0x06, 0, 0]


def test_no_more_reports_than_the_sample_rate(mouse, clock):
    ask(mouse, 0xF3, 20)
    ask(mouse, 0xF4)
    packets = 0
    for _ in range(100):                                # a second of movement
        mouse.mouse_event(1, 0, 0, 0)
        clock.advance(10 * MS)
        packets += len(drain(mouse)) // 3
    assert 19 <= packets <= 21


def test_movement_that_does_not_fit_is_not_lost(mouse, clock):
    ask(mouse, 0xF4)
    mouse.mouse_event(600, 0, 0, 0)
    total = 0
    for _ in range(4):
        data = drain(mouse)
        if data:
            assert not data[0] & 0xC0
            total += data[1] - (0x100 if data[0] & 0x10 else 0)
        clock.advance(10 * MS)
    assert total == 600


@pytest.mark.parametrize("count, reported", [(1, 1), (2, 1), (3, 3), (4, 6), (5, 9), (6, 12), (-4, -6), (-20, -40)])
def test_scaling_2_to_1(mouse, count, reported):
    ask(mouse, 0xE7)
    ask(mouse, 0xF4)
    mouse.mouse_event(count, 0, 0, 0)
    data = drain(mouse)
    assert data[1] - (0x100 if data[0] & 0x10 else 0) == reported


def test_remote_mode_reports_when_asked(mouse):
    ask(mouse, 0xF0)
    mouse.mouse_event(4, 0, 0, 0)
    assert drain(mouse) == []
    assert ask(mouse, 0xEB) == [ACK, 0x08, 4, 0]
    assert ask(mouse, 0xEB) == [ACK, 0x08, 0, 0]
    assert ask(mouse, 0xE9)[1] & 0x40


def test_the_intellimouse_knock_gives_a_wheel(mouse, clock):
    for rate in (200, 100, 80):
        assert ask(mouse, 0xF3, rate) == [ACK, ACK]
    assert ask(mouse, 0xF2) == [ACK, 3]
    ask(mouse, 0xF4)
    mouse.mouse_event(0, 0, -1, 0)
    assert drain(mouse) == [0x08, 0, 0, 0xFF]


def test_the_explorer_knock_gives_five_buttons(mouse):
    for rate in (200, 100, 80, 200, 200, 80):
        ask(mouse, 0xF3, rate)
    assert ask(mouse, 0xF2) == [ACK, 4]
    ask(mouse, 0xF4)
    mouse.mouse_event(0, 0, 1, 0x08)
    assert drain(mouse) == [0x08, 0, 0, 0x11]


def test_wrap_mode_echoes_all_but_reset_and_its_end(mouse):
    assert ask(mouse, 0xEE) == [ACK]
    assert ask(mouse, 0xF2, 0x55) == [0xF2, 0x55]
    assert ask(mouse, 0xEC) == [ACK]
    assert ask(mouse, 0xF2) == [ACK, 0]


def test_invalid_bytes_are_answered_fe_then_fc(mouse):
    assert ask(mouse, 0xE1) == [RESEND]
    assert ask(mouse, 0xE1) == [FAILED]
    assert ask(mouse, 0xF3, 33, 33) == [ACK, RESEND, FAILED]
    assert ask(mouse, 0xF3, 33, 40) == [ACK, RESEND, ACK]
