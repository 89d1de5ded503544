"""Whatever a guest writes to configuration space and the chip set's ports, nothing escapes, and a reset
brings back the memory map of power-on."""
import random

import pytest

from tests.machines import Capture

PORTS = [0xB2, 0xB3, 0x92, 0xCF8, 0xCF9, 0xCFA, 0xCFC, 0xCFD, 0xCFE, 0xCFF, *range(0xB000, 0xB040), *range(0xB100, 0xB110),
         *range(0xAFE0, 0xAFE4)]
VALUES = (0, 0xFFFFFFFF, 1, 0x3F, 0xB001, 0xB101, 0xE0000000, 0x33333333, 0x20102010, 0x80808080)


def mapped(machine):
    """info mtree's two address spaces."""
    return machine.info_mtree().partition("\npc.ram\n")[0]


@pytest.mark.parametrize("seed", range(8))
def test_random_configuration_and_chip_set_accesses(make_machine, seed):
    pick = random.Random(seed)
    machine = make_machine(machine="pc", debugcons=[Capture()], devices=[
        ("pci-bridge", {"addr": "6"}), ("pci-bridge", {"addr": "6.1"})])
    physmap, memory = machine.memory.physmap, machine.memory.address_space_memory
    functions = sorted(machine.pci.devices) + [0x50, 0xFF]
    with machine.main_loop.lock:
        machine.system_reset()
        machine.clocks.vm.enable()
        before = mapped(machine)
        for step in range(1500):
            value = pick.choice(VALUES) if pick.random() < 0.5 else pick.getrandbits(32)
            size = pick.choice((1, 2, 4))
            if pick.random() < 0.6:
                bus = 0 if pick.random() < 0.8 else pick.getrandbits(8)
                physmap.port_write(0xCF8, 0x80000000 | bus << 16 | pick.choice(functions) << 8 | pick.randrange(256) & 0xFC, 4)
                port = 0xCFC + pick.randrange(0, 4, size)
            else:
                port = pick.choice(PORTS)
            if pick.random() < 0.3:
                assert 0 <= physmap.port_read(port, size) < 1 << 8 * size
            else:
                physmap.port_write(port, value & (1 << 8 * size) - 1, size)
            if step % 8 == 0:
                address = pick.choice((0xA0000, 0xC0000, 0xF0000, 0xE0000000, 0xFFFC0000)) + pick.randrange(0x10000)
                memory.write(address, memory.read(address, size))
                machine.clocks.run_all_timers()
        machine.system_reset()
        assert mapped(machine) == before
        assert len(machine.memory.ram_list.blocks) < 16


@pytest.mark.parametrize("times", [300])
def test_a_bar_that_is_moved_again_and_again_costs_no_memory(make_machine, times):
    machine = make_machine(machine="pc")
    physmap = machine.memory.physmap
    with machine.main_loop.lock:
        machine.system_reset()

        def move(n):
            for register, value in ((0x40, 0x1000 + 0x40 * (n % 64)), (0x80, 1)):
                physmap.port_write(0xCF8, 0x80000B00 | register, 4)
                physmap.port_write(0xCFC, value, 4)
        move(1)
        slots = len(machine.memory._io_listener.slots.slots)
        for n in range(times):
            move(n)
        assert len(machine.memory._io_listener.slots.slots) == slots


@pytest.mark.parametrize("name", ["pc", "isapc"])
@pytest.mark.parametrize("seed", range(4))
def test_random_accesses_to_everything_that_is_mapped(make_machine, tmp_path, name, seed):
    from qemu_py.machine.drives import simple_drive
    pick = random.Random(seed)
    for image in ("disk", "disc"):
        (tmp_path / image).write_bytes(bytes(4 << 20))
    machine = make_machine(machine=name, serials=[Capture(), Capture()], drives=[
        simple_drive("-hda", str(tmp_path / "disk"), "ide", 0, "disk"),
        simple_drive("-cdrom", str(tmp_path / "disc"), "ide", 2, "cdrom")])
    physmap, memory, io = machine.memory.physmap, machine.memory.address_space_memory, machine.memory.address_space_io
    with machine.main_loop.lock:
        machine.system_reset()
        machine.clocks.vm.enable()
        for step in range(15000):
            if step % 500 == 0:         # what is mapped has changed
                ports = [port for fr in io.current_map for port in range(fr.addr, fr.end)]
                windows = [(fr.addr, fr.size) for fr in memory.current_map if fr.mr is not machine.ram]
            size = pick.choice((1, 1, 1, 2, 4))
            port = pick.choice(ports) if pick.random() < 0.9 else pick.randrange(65536)
            value = pick.choice((0, 1, 0x80, 0xFF, pick.getrandbits(8), pick.getrandbits(32))) & (1 << 8 * size) - 1
            kind = pick.random()
            if kind < 0.15:
                start, length = pick.choice(windows)
                address = start + pick.randrange(min(length, 1 << 17))
                memory.write(address, value.to_bytes(size, "little")) if kind < 0.08 else memory.read(address, size)
            elif kind < 0.55:
                assert 0 <= physmap.port_read(port, size) < 1 << 8 * size
            else:
                physmap.port_write(port, value, size)
            if step % 16 == 0:
                machine.clocks.run_all_timers()
                machine.main_loop.bh_poll()
                physmap.pic_interrupt()
            assert physmap.pending_exception is None
        machine.system_reset()
