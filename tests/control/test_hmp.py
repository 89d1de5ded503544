"""The human monitor's commands, on machines made in process."""
import random

import pytest

from qemu_py.control.hmp import BY_NAME, COMMANDS, HMP
from qemu_py.control.hmp_args import Arguments, parse
from qemu_py.control.hmp_info import INFO
from qemu_py.util import log
from qemu_py.util.errors import UserError
from tests.machines import soon

CODE = 0x100030                         # where the kernels of tests.machines begin
SPIN = b"\xeb\xfe"
FLOPPY = 1440 << 10


@pytest.fixture
def monitor(make_machine):
    """monitor(fields of a MachineConfig): an HMP of a machine that was reset and does not run yet; the lock is held."""
    held = []

    def monitor(code=SPIN, **config):
        machine = make_machine(code, **config)
        machine.main_loop.lock.acquire()
        held.append(machine.main_loop.lock)
        machine.system_reset()
        return HMP(machine)
    yield monitor
    for lock in held:
        lock.release()


@pytest.fixture
def hmp(monitor):
    return monitor()


# ---------------------------------------------------------------- grammar
def evaluate(text):
    arguments = Arguments(text, {"eax": 5, "cs.base": 0x10}.__getitem__)
    value = arguments.expression()
    assert not arguments.rest
    return value


@pytest.mark.parametrize("text, value", [
    ("0x10", 16), ("010", 8), ("10", 10), ("0", 0), ("'A'", 65), ("1+2*3", 7), ("(1+2)*3", 9), ("10 - 2 - 3", 5),
    ("$eax", 5), ("$EAX+1", 6), ("$cs.base", 0x10), ("-1", (1 << 64) - 1), ("~0", (1 << 64) - 1), ("- -1", 1),
    ("1+2|4", 7), ("6&3+1", 3), ("7/2", 3), ("7%4", 3), ("6^3", 5), ("-" * 5000 + "1", 1)])
def test_expressions(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize("text, message", [
    ("", "missing"), ("(1", "'\\)' is missing"), ("1/0", "division by zero"), ("7%0", "division by zero"), ("$foo", "foo"),
    ("09", "09"), ("foo", "no number"), ("1+", "missing"), ("0x1" + 16 * "0", "64 bits")])
def test_what_is_no_expression_is_told(text, message):
    with pytest.raises(UserError, match=message):
        evaluate(text)


@pytest.mark.parametrize("text, values", [
    ("5 -3", [5, (1 << 64) - 3]), ("5 - 3 1", [2, 1]), ("5-3 1", [2, 1]), ("(5 -3) 1", [2, 1]), ("1 -1 +2", [1, 1]), ("$eax ~0", [5, (1 << 64) - 1])])
def test_two_expressions(text, values):
    found = parse("a:i,b:i", Arguments(text, {"eax": 5}.__getitem__))
    assert [found["a"], found["b"]] == values


@pytest.mark.parametrize("text, fmt", [
    ("1", (1, "x", None)), ("/10i 1", (10, "i", None)), ("/4xb 1", (4, "x", 1)), ("/hd 1", (1, "d", 2)), ("/g 1", (1, "x", 8))])
def test_formats(text, fmt):
    arguments = Arguments(text, {})
    assert arguments.format() == fmt and arguments.rest == "1"


def test_words_may_be_quoted():
    arguments = Arguments(r' "a \"b" c', {})
    assert [arguments.word(), arguments.word(), arguments.rest] == ['a "b', "c", ""]


# ---------------------------------------------------------------- every command
def test_help_lists_every_command_and_info_everything_there_is_to_know(hmp):
    assert [line.split("  -- ")[0].split()[0] for line in hmp.command("help").splitlines()] == [c.names for c in COMMANDS]
    assert hmp.command("help xp").startswith("xp /fmt addr  -- ")
    assert hmp.command("info") == hmp.command("help info")
    assert [line.split()[1] for line in hmp.command("info").splitlines()] == list(INFO)


@pytest.mark.parametrize("machine", ["pc", "isapc"])
def test_everything_there_is_to_know_is_told(monitor, machine):
    hmp = monitor(machine=machine)
    for item in INFO:
        answer = hmp.command(f"info {item}")
        assert answer.endswith("\n") and "unknown" not in answer, item


@pytest.mark.parametrize("line", [
    "foo", "info foo", "help foo", "/x", "x", "x/4z 0", "x/99999999x 0", "x $foo", "xp (1", "print", "print 1 2", "i",
    "i/g 0x60", "o 0x80", "cpu 1", "cpu", "quit now", "sendkey", "sendkey no-such-key", "screendump", "screendump a b c",
    "screendump a.png -f bmp", "screendump /no/such/directory/a.png", "eject", "eject nothing", "change", "change floppy0",
    "change floppy0 /no/such/file", "change nothing x", "log", "log foo", 'screendump "a', "p " + "(" * 100_000])
def test_a_mistake_is_one_clear_line(hmp, line):
    answer = hmp.command(line)
    assert answer.count("\n") == 1 and answer.endswith("\n") and len(answer) > 10
    assert "unknown command" in answer or answer.startswith(line.split()[0].split("/")[0])


def test_no_line_is_too_strange(hmp):
    """Random words behind commands that only look: an answer or a line of complaint, never an exception."""
    rng = random.Random(1)
    pieces = ["/", "x", "i", "99999999999", "0x", "(", ")", "'", '"', "$", "$eax", "-", "~", "%", "0", "1", "0xffffffffffffffff", " ", "é",
              "\\", ".", "\udcff", "c", "b", "g", "sp", ","]
    for _ in range(3000):
        name = rng.choice(["x", "xp", "print", "p", "cpu", "info", "help", "sendkey", "log foo,", "eject", ""])
        line = name + rng.choice(["", " "]) + "".join(rng.choices(pieces, k=rng.randrange(8)))
        assert isinstance(hmp.command(line), str), line


def test_an_empty_line_is_nothing(hmp):
    assert hmp.command("") == hmp.command("  ") == ""


def test_names_are_told_apart():
    assert len(BY_NAME) == sum(len(command.names.split("|")) for command in COMMANDS)


# ---------------------------------------------------------------- memory, registers, ports
def test_memory_in_every_format(hmp):
    hmp.machine.memory.address_space_memory.write(0x2000, b"A\n\x80\xff\x01\x00\x00\x00\x02")
    for command, answer in (
            ("xp/2xw 0x2000", "0000000000002000: 0xff800a41 0x00000001\n"),
            ("x/2xw 0x2000", "00002000: 0xff800a41 0x00000001\n"),
            ("x 0x2000", "00002000: 0xff800a41\n"),
            ("x/xg 0x2000", "00002000: 0x00000001ff800a41\n"),
            ("x/9xb 0x2000", "00002000: 0x41 0x0a 0x80 0xff 0x01 0x00 0x00 0x00\n00002008: 0x02\n"),
            ("x/3c 0x2000", "00002000: 'A' '\\n' '\\x80'\n"),
            ("x/2ob 0x2000", "00002000: 0101 0012\n"),
            ("x/dh 0x2002", "00002002:    -128\n"),
            ("x/uh 0x2002", "00002002:  65408\n")):
        assert hmp.command(command).split() == answer.split(), command


def test_what_is_not_mapped_ends_a_dump(hmp):
    """One page table entry: linear 0 is there, the page behind it is not."""
    cpu, memory = hmp.cpu, hmp.machine.memory.address_space_memory
    memory.write(0x4000, (0x5003).to_bytes(4, "little"))
    memory.write(0x5000, (0x6003).to_bytes(4, "little") + bytes(4))
    memory.write(0x6FF8, b"\1\2\3\4\5\6\7\x08")
    cpu.cr3, cpu.cr0 = 0x4000, 0x80000011
    assert hmp.command("x/4xw 0xff8") == "00000ff8: 0x04030201 0x08070605 Cannot access memory\n"
    assert hmp.command("x 0x1000") == "00001000: Cannot access memory\n"
    assert hmp.command("x/2i 0x1000") == "00001000: Cannot access memory\n"
    assert hmp.command("xp 0x6ff8") == "0000000000006ff8: 0x04030201\n"


def test_instructions(monitor):
    pytest.importorskip("capstone", reason="capstone is not installed")
    lines = monitor(b"\x90\xb8\x01\0\0\0\xf4").command("x/3i $eip").splitlines()
    assert len(lines) == 3
    assert [words[0] for words in map(str.split, lines)] == [f"{CODE + n:#010x}:" for n in (0, 1, 6)]
    assert ["nop" in lines[0], "$1, %eax" in lines[1], "hlt" in lines[2]] == [True] * 3


@pytest.mark.parametrize("line, answer", [
    ("print 10", "0xa"), ("p/d 0xffffffffffffffff", "-1"), ("p/u 10", "10"), ("p/o 8", "010"), ("p/c 65", "'A'"),
    ("p $eip", hex(CODE)), ("p $pc", hex(CODE)), ("p $cs", "0x8"), ("p $cs.limit", "0xffffffff")])
def test_print(hmp, line, answer):
    assert hmp.command(line) == answer + "\n"


def test_registers(hmp):
    hmp.cpu.eax, hmp.cpu.eflags = 0x12345678, 0x41
    text = hmp.command("info registers")
    assert text.startswith("EAX=12345678 EBX=") and "[---Z--C]" in text and f"EIP={CODE:08x}" in text
    assert "CS =0008 00000000 ffffffff" in text and "FCW=037f" in text and "XMM07=" in text


def test_ports(hmp):
    assert hmp.command("o/b 0x70 0x0f") == hmp.command("o/b 0x71 0x5a") == ""
    assert hmp.command("i/b 0x71") == "portb[0x0071] = 0x5a\n"
    assert hmp.command("i/b 0x70 0x0f") == "portb[0x0071] = 0x5a\n"
    hmp.command("o/w 0xcf8 0x80000000")
    assert hmp.command("i/w 0xcfc") == hmp.command("i 0xcfc") == "portl[0x0cfc] = 0x12378086\n"
    assert hmp.command("i/h 0xcfc") == "portw[0x0cfc] = 0x8086\n"


def test_the_cpu_that_is_looked_at_can_be_chosen(monitor):
    hmp = monitor(cpus=2)
    hmp.machine.cpus[1].eax = 7
    assert hmp.command("cpu 1") == "" and hmp.command("p $eax") == "0x7\n"
    assert [line[0] for line in hmp.command("info cpus").splitlines()] == [" ", "*"]
    assert "#1" in hmp.command("info cpus") and "(halted)" in hmp.command("info cpus").splitlines()[1]


# ---------------------------------------------------------------- devices
def lines_of_device(text, name):
    """The lines under `dev: NAME` of info qtree, the first such device's."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip().startswith(f"dev: {name},"))
    indent = len(lines[start]) - len(lines[start].lstrip())
    found = []
    for line in lines[start + 1:]:
        if len(line) - len(line.lstrip()) <= indent:
            break
        found.append(line.strip())
    return found


def test_qtree_shows_devices_once_where_they_are(monitor):
    text = monitor(devices=[("isa-debug-exit", {"iobase": "0xf4", "id": "way-out"}),
                            ("pci-bridge", {"id": "behind", "addr": "5"}), ("pci-bridge", {"id": "far", "bus": "behind"})]).command("info qtree")
    assert 'dev: isa-debug-exit, id "way-out"' in text
    assert {"iobase = 244 (0xf4)", "ports 0x00f4-0x00f5"} <= set(lines_of_device(text, "isa-debug-exit"))
    isa = lines_of_device(text, "PIIX3")
    assert {"bus: isa.0", "dev: mc146818rtc, id \"\"", "dev: ps2-mouse, id \"\"", 'dev: isa-debug-exit, id "way-out"'} <= set(isa)
    ide = lines_of_device(text, "piix3-ide")
    assert ide.index("bus: ide.1") < ide.index('dev: ide-cd, id ""') and 'drive = "ide1-cd0"' in ide
    bridge = lines_of_device(text, "pci-bridge")
    assert "addr = 05.0" in bridge and bridge.index("bus: behind") < bridge.index('dev: pci-bridge, id "far"')
    for name, count in (("ide-cd", 1), ("mc146818rtc", 1), ("isa-i8259", 2), ("i8237", 2), ("VGA", 1), ("vga", 0), ("isa-ide", 0), ("pci-bridge", 2)):
        assert text.count(f"dev: {name},") == count, name


def test_qtree_of_a_machine_without_pci(monitor):
    text = monitor(machine="isapc").command("info qtree")
    assert "bus: isa.0\n" in text and "PCI" not in text
    assert "bus: ide.1" in lines_of_device(text, "isa-ide")


def test_info_pci_and_pic(hmp):
    assert "8086:1237" in hmp.command("info pci") and "pic0: irr=" in hmp.command("info pic")
    assert "memory" in hmp.command("info mtree")


def test_media_come_and_go(monitor, tmp_path):
    hmp = monitor()
    disk = tmp_path / "a b.img"
    disk.write_bytes(bytes(FLOPPY))
    assert "floppy0: removable=1 locked=0 tray-open=0 [not inserted]" in hmp.command("info block")
    assert hmp.command(f'change floppy0 "{disk}" raw') == ""
    assert f"file={disk} ro=0 drv=raw" in hmp.command("info block")
    assert hmp.command(f'change floppy0 "{disk}" raw') == "", "the same one again"
    assert hmp.machine.drives.get("floppy", 0, 0).inserted
    disk.unlink()
    assert hmp.command("eject floppy0") == "" and f"{disk}" not in hmp.command("info block")


def test_a_cd_is_read_only(monitor, tmp_path):
    hmp = monitor()
    disc = tmp_path / "disc.iso"
    disc.write_bytes(bytes(4096))
    assert hmp.command(f"change ide1-cd0 {disc}") == "" and "ro=1" in hmp.command("info block")


def test_a_failed_change_leaves_what_was_there(monitor, tmp_path):
    hmp = monitor()
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(bytes(FLOPPY))
    bad.write_bytes(bytes(FLOPPY * 4))
    hmp.command(f"change floppy0 {good}")
    assert "no size of a diskette" in hmp.command(f"change floppy0 {bad}")
    assert f"file={good}" in hmp.command("info block")


def test_a_locked_medium_is_asked_for_and_taken_by_force_only(monitor, tmp_path):
    hmp = monitor()
    disc = tmp_path / "disc.iso"
    disc.write_bytes(bytes(4096))
    hmp.command(f"change ide1-cd0 {disc}")
    drive = hmp.machine.drives.get("ide", 1, 0)
    asked = []
    drive.locked, drive.eject_requested = True, lambda: asked.append(1)
    assert "locked" in hmp.command("eject ide1-cd0") and "locked" in hmp.command(f"change ide1-cd0 {disc}")
    assert drive.inserted and asked == [1, 1]
    assert hmp.command("eject -f ide1-cd0") == "" and not drive.inserted


def test_a_disk_cannot_be_taken_out(monitor, tmp_path):
    from qemu_py.machine.drives import simple_drive
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    hmp = monitor(drives=[simple_drive("-hda", str(disk), "ide", 0)])
    assert hmp.command("eject ide0-hd0") == "eject: 'ide0-hd0' is not removable\n"


def test_keys_go_down_and_up(hmp):
    events = []
    hmp.machine.inputs.key_handlers.append(lambda key, down: events.append((key.name, down)))
    assert hmp.command("sendkey ctrl-a 0") == ""
    assert events == [("ctrl", True), ("a", True), ("a", False), ("ctrl", False)]


def test_the_screen_is_written(hmp, tmp_path):
    assert hmp.command(f"screendump {tmp_path / 'a.png'}") == hmp.command(f"screendump {tmp_path / 'b'} -f ppm") == ""
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG") and (tmp_path / "b").read_bytes().startswith(b"P6")


@pytest.fixture
def quiet_log():
    before = log.loglevel()
    yield
    log.cpu_set_log(before)


def test_the_log_is_chosen(hmp, quiet_log):
    assert hmp.command("log int,mmu") == "" and log.loglevel() == log.CPU_LOG_INT | log.CPU_LOG_MMU
    assert hmp.command("log none") == "" and log.loglevel() == 0
    assert "guest_errors" in hmp.command("log help")


@pytest.mark.parametrize("cpu_model, line", [("qemu32", "lint"), ("486", "cpu")])
def test_nmi_reaches_every_processor_that_has_a_line_for_it(monitor, cpu_model, line):
    hmp = monitor(cpu_model=cpu_model)
    levels = []
    for apic in hmp.machine.apics:
        apic.set_lint = lambda n, level: levels.append((n, level))
    assert hmp.command("nmi") == ""
    assert levels == ([(1, 1), (1, 0)] if line == "lint" else [])
    assert hmp.cpu.has_work == (line == "cpu")


# ---------------------------------------------------------------- run state
def test_quit_reset_and_power_button_are_requests(hmp):
    machine = hmp.machine
    for command in ("system_reset", "system_powerdown"):
        assert hmp.command(command) == ""
    assert (machine.reset_requested, machine.powerdown_requested, machine.exit_status) == (True, True, None)
    assert hmp.command("q") == "" and machine.exit_status == 0


@pytest.mark.parametrize("how", [{}, {"single_loop": True}], ids=["iothread", "single-thread loop"])
def test_commands_are_answered_while_the_guest_spins(make_machine, how):
    """A counter in a loop without end: it is seen to move, to stand still, and to move again."""
    machine = make_machine(b"\xff\x05\x00\x00\x20\x00\xeb\xf8", **how)      # inc dword [200000h]; jmp
    hmp = HMP(machine)
    seen = []

    def counter():
        return int(hmp.command("xp 0x200000").split()[1], 16)

    def wait_until_it_counts(then):
        """From turn to turn of the main loop."""
        first = counter()

        def look():
            if counter() == first:
                soon(machine, look, ms=1)
            else:
                then()

        soon(machine, look, ms=1)

    def stop():
        seen.append(hmp.command("info status"))
        assert hmp.command("stop") == ""
        seen.append(hmp.command("info status"))
        still = counter(), hmp.command("info registers")
        assert still == (counter(), hmp.command("info registers"))
        assert hmp.command("c") == ""
        seen.append(hmp.command("info status"))
        wait_until_it_counts(lambda: hmp.command("quit"))
    soon(machine, lambda: wait_until_it_counts(stop), ms=0)
    assert machine.run() == 0
    assert seen == ["VM status: running\n", "VM status: paused\n", "VM status: running\n"]


def test_a_machine_that_shut_down_goes_on_only_through_a_reset(make_machine):
    machine = make_machine(SPIN, no_shutdown=True)
    hmp = HMP(machine)
    seen = []

    def look():
        if machine.runstate != "shutdown":
            soon(machine, look, ms=1)
            return
        seen.extend([hmp.command("info status"), hmp.command("cont")])
        hmp.command("quit")
    soon(machine, lambda: (machine.system_shutdown_request(), soon(machine, look, ms=1)), ms=1)
    assert machine.run() == 0
    assert seen[0] == "VM status: paused (shutdown)\n" and "reset it first" in seen[1] and seen[1].count("\n") == 1
