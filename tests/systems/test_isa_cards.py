"""Ports and adapters that -device adds on the ISA bus: their places, what -global changes, what is refused."""
import pytest

from qemu_py.machine.drives import parse_drive
from qemu_py.util.errors import UserError
from tests.machines import Capture

COM1, COM2, COM3, LPT2 = 0x3F8, 0x2F8, 0x3E8, 0x278
SCRATCH, IER, MCR, THRE_INTERRUPT, OUT2 = 7, 1, 4, 0x02, 0x08


def devices_of(machine, name):
    return [device for _, device in machine.devices if device.NAME == name]


def test_a_serial_port_takes_the_first_free_place(make_machine):
    out = Capture()
    machine = make_machine(serials=[Capture()], chardevs={"log": out}, devices=[("isa-serial", {"chardev": "log"})])
    ports = machine.memory.physmap
    ports.port_write(COM2, ord("x"), 1)
    assert out.data == b"x"
    ports.port_write(COM2 + SCRATCH, 0x5A, 1)
    assert ports.port_read(COM2 + SCRATCH, 1) == 0x5A and ports.port_read(COM1 + SCRATCH, 1) == 0
    assert [(port.index, port.iobase, port.irq) for port in devices_of(machine, "isa-serial")] == [(0, COM1, 4), (1, COM2, 3)]


def test_com1_and_com3_share_their_interrupt(make_machine):
    machine = make_machine(serials=[Capture()], devices=[("isa-serial", {"index": "2"})])
    write, levels = machine.memory.physmap.port_write, []
    machine.isa.irqs[4].connect(lambda n, level: levels.append(level))
    for base in (COM1, COM3):
        write(base + MCR, OUT2, 1)
        write(base + IER, THRE_INTERRUPT, 1)
    write(COM1 + IER, 0, 1)
    assert levels == [1]
    write(COM3 + IER, 0, 1)
    assert levels == [1, 0]


def test_a_parallel_port_beside_the_machine_s(make_machine):
    out = Capture()
    machine = make_machine(parallels=[Capture()], chardevs={"printer": out}, devices=[("isa-parallel", {"chardev": "printer"})])
    for port, value in ((LPT2, ord("p")), (LPT2 + 2, 0x0D), (LPT2 + 2, 0x0C)):
        machine.memory.physmap.port_write(port, value, 1)
    assert out.data == b"p"


def test_a_debug_console_of_its_own(make_machine):
    out = Capture()
    machine = make_machine(chardevs={"c": out}, devices=[("isa-debugcon", {"chardev": "c", "iobase": "0x402"})])
    machine.memory.physmap.port_write(0x402, ord("d"), 1)
    assert out.data == b"d"


@pytest.mark.parametrize("board, card", [("pc", "VGA"), ("pc", "isa-vga"), ("isapc", "isa-vga")])
def test_a_display_adapter_in_place_of_the_machine_s(make_machine, board, card):
    machine = make_machine(machine=board, vga="none", devices=[(card, {})])
    machine.system_reset()
    machine.memory.physmap.port_write(0x3C4, 2, 1)
    assert machine.memory.physmap.port_read(0x3C4, 1) == 2
    assert len(machine.vga.screen_text()) > 0 and len(devices_of(machine, card)) == 1


def test_globals_reach_the_drives_of_the_machine(make_machine, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    machine = make_machine(globals={("ide-hd", "model"): "ROTATING RUST", ("ide-cd", "serial"): "C1"},
                           drives=[parse_drive("", [("file", str(disk)), ("format", "raw")])])
    assert [disk.model for disk in devices_of(machine, "ide-hd")] == ["ROTATING RUST"]
    assert [cd.serial for cd in devices_of(machine, "ide-cd")] == ["C1"]


def test_a_global_names_a_diskette_s_image(make_machine, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(720 << 10))
    machine = make_machine(globals={("isa-fdc", "driveB"): "b"},
                           drives=[parse_drive("", [("file", str(disk)), ("format", "raw"), ("if", "none"), ("id", "b")])])
    assert machine.fdc.drives[1].inserted and not machine.fdc.drives[0].inserted


@pytest.mark.parametrize("devices, words", [
    ([("isa-serial", {"index": "4"})], "COM1 to COM4"), ([("isa-serial", {"iobase": "0x60"})], "ports 0x60 to 0x67 are not free"),
    ([("isa-serial", {"irq": "16"})], "lines 0 to 15"), ([("isa-serial", {"index": "0"})] * 2, "not free: isa-serial"),
    ([("isa-parallel", {})] * 4, "LPT1 to LPT3"), ([("isa-debug-exit", {"iosize": "0"})], "no 0 ports"),
    ([("isa-debug-exit", {"iobase": "0xffff"})], "no 2 ports"), ([("isa-debugcon", {"chardev": "c"})], "no character device 'c'"),
    ([("VGA", {})], "display adapter already; -vga none"), ([("isa-vga", {})], "display adapter already; -vga none"),
    ([("hpet", {})], "part of the board.*hpet=off"), ([("isa-fdc", {})], "part of the board.*-fda"), ([("i8042", {})], "part of the board"),
    ([("mc146818rtc", {})], "part of the board"), ([("isa-pit", {})], "part of the board"), ([("isa-i8259", {})], "part of the board"),
])
def test_what_cannot_be_added_is_refused(make_machine, devices, words):
    with pytest.raises(UserError, match=words):
        make_machine(devices=devices)


def test_a_machine_without_hpet(make_machine):
    machine = make_machine(hpet=False)
    assert not devices_of(machine, "hpet")
    assert machine.memory.address_space_memory.read(0xFED00000, 4) == b"\xff\xff\xff\xff"


def test_qtree_shows_what_was_chosen(make_machine):
    from qemu_py.backends.chardev import CharDevice
    from qemu_py.control.qtree import info_qtree
    text = info_qtree(make_machine(chardevs={"c": CharDevice()}, devices=[("isa-serial", {"chardev": "c", "id": "s"})]))
    at = text.index('dev: isa-serial, id "s"')
    assert all(word in text[at:at + 300] for word in ("index = 0 (0x0)", "iobase = 1016 (0x3f8)", "irq = 4 (0x4)", 'chardev = "null"'))
