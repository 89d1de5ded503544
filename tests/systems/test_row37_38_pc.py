"""SYSTEMS rows 37 and 38, as far as isapc has them: what lies where in a PC."""
import pytest

from tests.boot.kernels import debug_exit
from tests.machines import EXIT, Capture

MIB = 1 << 20


@pytest.fixture
def isapc(make_machine):
    return lambda **config: make_machine(machine="isapc", **config)


def resolve(machine, address):
    section = machine.memory.address_space_memory.find(address)
    return section and section.mr.name


# ---------------------------------------------------------------- row 37
def test_ports_are_where_a_pc_has_them(isapc):
    machine = isapc(serials=[Capture(), Capture()])
    regions = {section.mr.name for port in (0x20, 0xA0, 0x40, 0x61, 0x80, 0x3F8, 0x2F8)
               for section in [machine.memory.address_space_io.find(port)]}
    assert regions == {"pic", "pit", "pcspk", "ioport80", "serial"}


def test_info_mtree_lists_the_tree(isapc):
    text = isapc().info_mtree()
    for line in ("0000000000000020-0000000000000021", "0000000000000040-0000000000000043",
                 "00000000000000a0-00000000000000a1", "00000000000a0000-00000000000bffff (prio 1, RW): vga-lowmem"):
        assert line in text, text


def test_an_interrupt_goes_from_the_timer_through_the_pic_to_the_cpu(isapc):
    machine = isapc()
    with machine.main_loop.lock:
        machine.system_reset()
        machine.pit.counters[0].out.lower()
        machine.pit.counters[0].out.raise_()
        assert machine.pic.int.level == 1
        assert machine.cpus[0].has_work is False        # interrupts are disabled
        machine.cpus[0].eflags = 0x202
        assert machine.cpus[0].has_work is True
        assert machine.memory.physmap.pic_interrupt() == 0x08
        assert machine.cpus[0].has_work is False


# ---------------------------------------------------------------- row 38
def test_ram_bios_and_text_window_below_1_mib(isapc):
    machine = isapc()
    assert resolve(machine, 0) == "pc.ram"
    assert resolve(machine, 0x9FFFF) == "pc.ram"
    assert resolve(machine, 0xB8000) == resolve(machine, 0xBFFFF) == "vga.planar"
    assert resolve(machine, 0xFFFF0) == "pc.bios"
    assert resolve(machine, 0x100000) == "pc.ram"
    assert resolve(machine, 16 * MIB - 1) == "pc.ram"
    assert resolve(machine, 16 * MIB) is None
    assert resolve(machine, 0xFFFFFFF0) == "pc.bios"


def test_the_bios_lies_at_4_gib_minus_its_size_and_its_last_128_kib_below_1_mib(isapc, tmp_path):
    image = b"".join(bytes((k,)) * 65536 for k in range(1, 5))      # 256 KiB
    path = tmp_path / "bios"
    path.write_bytes(image)
    machine = isapc(bios=str(path))
    memory = machine.memory.address_space_memory
    assert memory.read((1 << 32) - len(image), len(image)) == image
    assert memory.read(0xE0000, 0x20000) == image[-0x20000:]
    assert resolve(machine, 0xDFFFF) not in ("pc.bios", "isa-bios")
    # Without a chip set that could give it RAM for its variables, the copy below 1 MiB is in RAM.
    memory.write(0xF0000, b"x")
    assert memory.read(0xF0000, 1) == b"x" and memory.read(0xFFFF0000, 1) == b"\x04"
    machine.system_reset()
    assert memory.read(0xF0000, 1) == b"\x04"


def test_ram_beyond_the_hole_continues_at_4_gib(isapc):
    from qemu_py.machine.config import host_memory
    if host_memory() < 4 << 30:
        pytest.skip("the host has less than 4 GiB")
    machine = isapc(ram_size=(3584 + 64) * MIB)              # mapped, not touched
    assert resolve(machine, 0xE0000000 - 1) == "pc.ram"
    assert resolve(machine, 0xE0000000) == "vga.vram"        # the linear frame buffer, which the hole begins with
    assert resolve(machine, 1 << 32) == "pc.ram"
    assert resolve(machine, (1 << 32) + 64 * MIB - 1) == "pc.ram"
    assert resolve(machine, (1 << 32) + 64 * MIB) is None
    machine.memory.address_space_memory.write(1 << 32, b"above")
    assert bytes(machine.ram.view[0xE0000000:0xE0000005]) == b"above"


@pytest.mark.parametrize("size", [0, 100, 65535, 65537])
def test_a_bios_of_odd_size_is_refused(isapc, tmp_path, size):
    from qemu_py.util.errors import UserError
    path = tmp_path / "bios"
    path.write_bytes(bytes(size))
    with pytest.raises(UserError, match="64 KiB"):
        isapc(bios=str(path))


def test_the_text_screen_is_what_the_guest_writes(make_machine):
    from qemu_py.machine.pc_vga import screen_text
    # mov dword [B8000h + 160 * 2], "O" 07 "K" 07
    machine = make_machine(b"\xc7\x05\x40\x81\x0b\x00O\x07K\x07" + debug_exit(0), devices=EXIT)
    machine.run()
    assert screen_text(machine)[:4] == ["", "", "OK", ""]
